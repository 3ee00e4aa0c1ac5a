//! Which words may be names.
//!
//! ```text
//!   name = alnum *( alnum | "_" | "." | "-" )      at most 253 bytes (RFC 1035, section 2.3.4)
//! ```
//!
//! Names become file names, so this is the one gate between a query of an untrusted program and a path: no `/`, no NUL,
//! no leading dot (hence neither `.` nor `..`, nor a temporary file).

use super::Error;

/// Longest name in bytes: 255 on the wire are 253 in text.
pub const LONGEST: usize = 253;

/// Whether `text` may be a container's name or alias.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST && bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(|b| is_inner(*b))
}

/// The lower-case form under which `text` is stored and found.
///
/// # Errors
/// A sentence when `text` is not a name.
pub fn folded(text: &str) -> Result<String, Error> {
    if is_name(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Error::Invalid(format!(
        "{text:?} cannot be a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]* of at most {LONGEST} bytes is allowed"
    )))
}

fn is_inner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_names_are_names() {
        for name in ["web", "Web-1", "a_b.c", "0", "busybox1", "a-"] {
            assert!(is_name(name), "{name}");
        }
    }

    #[test]
    fn nothing_that_could_leave_a_directory_is_a_name() {
        for name in ["", ".", "..", ".tmp", "a/b", "../x", "a\0b", "a\nb", "-a", "_a", "ä", "a b", &"x".repeat(254)] {
            assert!(!is_name(name), "{name:?}");
            assert!(folded(name).is_err());
        }
    }

    #[test]
    fn names_fold_to_lower_case() {
        assert_eq!(folded("WeB.My-Net").unwrap(), "web.my-net");
    }
}
