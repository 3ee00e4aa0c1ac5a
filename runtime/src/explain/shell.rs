//! Words of bash.
//!
//! ```text
//! a b          'a b'            blanks and signs
//! a<ff>b       $'a\xffb'        bytes that are not UTF-8, newlines and other control characters
//! /x/rootfs/a  "$root/a"        a path below one of the places
//! ```

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use netmodes::explain::quoted;

use super::Places;
use crate::text;

/// Columns of a line that is folded.
const WIDTH: usize = 116;

/// A word of a record or Spec (see [`crate::text`]), so that bash reads exactly its bytes, on one line.
pub fn word(carried: &str) -> String {
    let bytes = text::decode(carried);
    match bytes.to_str() {
        Some(text) if !text.chars().any(char::is_control) => quoted(text),
        _ => escaped(bytes.as_bytes()),
    }
}

/// Several words.
pub fn words<'a>(carried: impl IntoIterator<Item = &'a String>) -> String {
    carried.into_iter().map(|text| word(text)).collect::<Vec<_>>().join(" ")
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::from("$'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(char::from(*byte)),
            // A String takes everything.
            other => write!(out, "\\x{other:02x}").unwrap_or_default(),
        }
    }
    out.push('\'');
    out
}

/// Words that go on in the next line where one is full.
pub fn folded(start: &str, words: &[String]) -> String {
    let mut lines = vec![start.to_owned()];
    for word in words {
        let full = lines.last().is_some_and(|line| line.len() + word.len() >= WIDTH);
        match lines.last_mut() {
            Some(line) if !full => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("    {word}")),
        }
    }
    lines.join(" \\\n")
}

/// A path in the container's root, as it is reached from outside.
pub fn in_root(path: &Path) -> String {
    variable("root", path.as_os_str().as_bytes())
}

/// `"$name/rest"`, the rest in quotes of its own where it needs them.
fn variable(name: &str, rest: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(b);
    let rest = if rest == b"/" { b"" } else { rest };
    if rest.iter().all(plain) {
        return format!("\"${name}{}\"", String::from_utf8_lossy(rest));
    }
    format!("\"${name}\"{}", word(&text::encode(OsStr::from_bytes(rest))))
}

impl Places {
    /// A path of what the container writes.
    pub fn written(&self, path: &Path) -> String {
        match path.strip_prefix(&self.disk) {
            Ok(rest) => variable("disk", Path::new("/").join(rest).as_os_str().as_bytes()),
            Err(_) => self.shown(path),
        }
    }

    /// A path of the host, by the place in which it is.
    pub fn shown(&self, path: &Path) -> String {
        let places = [("root", &self.root), ("files", &self.files), ("disk", &self.disk)];
        for (name, place) in places {
            if let Ok(rest) = path.strip_prefix(place) {
                return variable(name, Path::new("/").join(rest).as_os_str().as_bytes());
            }
        }
        word(&text::encode(path.as_os_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_reads_the_bytes_that_were_meant() {
        for bytes in
            [&b"plain"[..], b"two words", b"it's", b"$HOME `x` \\ \"", b"\xff\xfe'\\", b"a\nb\tc\x01", b"", b"~"]
        {
            let line = format!("printf %s {}", word(&text::encode(OsStr::from_bytes(bytes))));
            assert_eq!(line.lines().count(), 1);
            let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(output.stdout, bytes, "{line}");
        }
    }

    #[test]
    fn paths_are_shown_by_their_places() {
        let places = Places { root: "/run/x/root".into(), files: "/run/x".into(), disk: "/var/x".into() };
        assert_eq!(places.shown(Path::new("/run/x/root/proc")), "\"$root/proc\"");
        assert_eq!(places.shown(Path::new("/run/x/hosts")), "\"$files/hosts\"");
        assert_eq!(places.shown(Path::new("/var/x/it's")), r#""$disk"'/it'\''s'"#);
        assert_eq!((places.shown(Path::new("/srv")), in_root(Path::new("/"))), ("/srv".into(), "\"$root\"".into()));
    }

    #[test]
    fn long_lists_go_on_in_the_next_line() {
        let words: Vec<String> = (0..40).map(|n| format!("/proc/path/{n}")).collect();
        let text = folded("for path in", &words);
        assert!(text.lines().all(|line| line.len() < WIDTH + 16) && text.lines().count() > 3);
        assert_eq!(text.replace(" \\\n   ", "").split(' ').count(), 43);
    }
}
