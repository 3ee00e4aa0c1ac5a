//! Bytes that are not UTF-8, carried through JSON and through the OCI spec, whose strings must be.
//!
//! ```text
//! argument  61 ff 62   ── encode ──>  "a\u{f7ff}b"   ── record, Spec ── decode ──>   61 ff 62
//! ```
//!
//! Linux arguments, environment and paths are bytes. A byte that is not part of valid UTF-8 becomes the private
//! character U+F700 + byte; the bytes of a genuine character of that range are carried in the same way, so that decoding always gives
//! back exactly what came in.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

const BASE: u32 = 0xf700;

/// The text that carries `bytes`; plain UTF-8 stays as it is.
pub fn encode(bytes: &OsStr) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_carrier(c) {
                let mut buffer = [0; 4];
                text.extend(c.encode_utf8(&mut buffer).bytes().map(carrier));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(carrier));
    }
    text
}

/// The bytes that `text` carries.
pub fn decode(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        if is_carrier(c) {
            bytes.push((u32::from(c) - BASE) as u8);
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    OsString::from_vec(bytes)
}

/// The same as a C string; `None` when it holds a NUL byte, which no argument, variable or path can.
pub fn decode_c(text: &str) -> Option<CString> {
    CString::new(decode(text).into_vec()).ok()
}

fn carrier(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn is_carrier(c: char) -> bool {
    (BASE..BASE + 0x100).contains(&u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_is_itself() {
        assert_eq!(encode(OsStr::new("grün")), "grün");
    }

    proptest! {
        #[test]
        fn every_byte_string_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let original = OsString::from_vec(bytes);
            prop_assert_eq!(decode(&encode(&original)), original);
        }

        #[test]
        fn every_text_comes_back(text in "[\u{f6f0}-\u{f810}a-z]{0,20}") {
            let original = OsString::from(text);
            prop_assert_eq!(decode(&encode(&original)), original);
        }
    }
}
