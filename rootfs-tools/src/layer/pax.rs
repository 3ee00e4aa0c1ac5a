//! Records of a pax extended header: what the 512 bytes of a tar header cannot say.
//!
//! ```text
//!   30 mtime=1700000000.123456789\n        length of the whole record, space, key, "=", value, newline
//!   25 SCHILY.xattr.user.x=...\n           values are bytes, and may hold newlines and NULs
//! ```
//!
//! Read by length alone, as pax(1) of POSIX says: the value of `security.capability` is binary, and a reader that looks
//! for newlines would lose it, or take part of a value for a record that an enemy hid in it.

use super::archive::Time;
use super::limits;
use super::path::lossy;
use crate::error::Error;

/// What the records of one header override.
#[derive(Default)]
pub(super) struct Pax {
    /// Name of the entry.
    pub(super) path: Option<Vec<u8>>,
    /// Target of a link.
    pub(super) linkpath: Option<Vec<u8>>,
    /// Bytes of data in the archive.
    pub(super) size: Option<u64>,
    /// Owner.
    pub(super) uid: Option<u64>,
    /// Group.
    pub(super) gid: Option<u64>,
    /// Time of the last change.
    pub(super) mtime: Option<Time>,
    /// Names and values of extended attributes.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys and values that begin with `GNU.sparse.`, the prefix cut off.
    pub(super) sparse: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Pax {
    /// Parses all records; of two with one key the last wins, as POSIX says.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Pax, Error> {
        let mut pax = Pax::default();
        while !bytes.is_empty() {
            let (record, rest) = split_record(bytes).ok_or_else(malformed)?;
            let at = record.iter().position(|b| *b == b'=').ok_or_else(malformed)?;
            pax.set(&record[..at], &record[at + 1..])?;
            bytes = rest;
        }
        Ok(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match key {
            // An empty value takes an override back (POSIX); of an attribute it is a value like any other.
            b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"mtime" if value.is_empty() => {}
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.linkpath = Some(value.to_vec()),
            b"size" => self.size = Some(number(key, value)?),
            b"uid" => self.uid = Some(number(key, value)?),
            b"gid" => self.gid = Some(number(key, value)?),
            b"mtime" => self.mtime = Some(time(value).ok_or_else(|| bad(key, value))?),
            _ => self.set_prefixed(key, value)?,
        }
        Ok(())
    }

    fn set_prefixed(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.retain(|(known, _)| known != name);
            if self.xattrs.len() == limits::XATTRS {
                return Err(Error::Archive("an entry has more than 256 extended attributes".into()));
            }
            self.xattrs.push((name.to_vec(), value.to_vec()));
        } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
            self.sparse.push((name.to_vec(), value.to_vec()));
        }
        Ok(())
    }
}

/// Cuts the first record, without its length and newline, from the rest.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|b| *b == b' ')?;
    let length: usize = digits(&bytes[..space])?.try_into().ok()?;
    if length > bytes.len() || length < space + 2 || bytes[length - 1] != b'\n' {
        return None;
    }
    Some((&bytes[space + 1..length - 1], &bytes[length..]))
}

/// Decimal digits and nothing else.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

fn number(key: &[u8], value: &[u8]) -> Result<u64, Error> {
    digits(value).ok_or_else(|| bad(key, value))
}

/// Seconds since 1970, with a sign and a fraction of any length; finer than a nanosecond is cut off.
fn time(value: &[u8]) -> Option<Time> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let at = value.iter().position(|b| *b == b'.').unwrap_or(value.len());
    let fraction = value.get(at + 1..).unwrap_or_default();
    let mut nine = [b'0'; 9];
    let cut = fraction.len().min(9);
    nine[..cut].copy_from_slice(&fraction[..cut]);
    let seconds: i64 = digits(&value[..at])?.try_into().ok()?;
    let nanoseconds: u32 = digits(&nine)?.try_into().ok()?;
    Some(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds: 0 },
        // -1.25 is two seconds before the epoch and 0.75 after that.
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

fn malformed() -> Error {
    Error::Archive("a pax header holds a malformed record".into())
}

fn bad(key: &[u8], value: &[u8]) -> Error {
    Error::Archive(format!("the pax record {} has the value {:?}, which is no number", lossy(key), lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = key.len() + value.len() + 3;
        let mut length = body + 1;
        while length != body + length.to_string().len() {
            length = body + length.to_string().len();
        }
        [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn pure_binary_values_keep_their_newlines_and_hide_no_records() {
        let value = b"\x01\n11 path=evil\n\0";
        let bytes = [record("SCHILY.xattr.security.capability", value), record("path", b"good")].concat();
        let pax = Pax::parse(&bytes).unwrap();
        assert_eq!(pax.path.unwrap(), b"good");
        assert_eq!(pax.xattrs, [(b"security.capability".to_vec(), value.to_vec())]);
    }

    #[test]
    fn pure_times_have_signs_and_fractions() {
        let at = |text: &str| time(text.as_bytes()).map(|time| (time.seconds, time.nanoseconds));
        assert_eq!(at("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(at("7"), Some((7, 0)));
        assert_eq!(at("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(at("-3"), Some((-3, 0)));
        assert_eq!(at("1.1234567899"), Some((1, 123_456_789)));
        for bad in ["", "-", "1.x", "1e5", "+1", "99999999999999999999"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn pure_malformed_records_are_refused() {
        for bad in ["x", "5 a=b\n", "999 a=b\n", "6 a=b", "0 \n", "2 \n", "6 abc\n", "18446744073709551616 a=b\n"] {
            assert!(Pax::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Pax::parse(&record("size", b"-1")).is_err());
        assert!(Pax::parse(&record("uid", b"0x10")).is_err());
    }

    #[test]
    fn pure_the_last_of_two_records_wins() {
        let bytes = [record("path", b"one"), record("path", b"two")].concat();
        assert_eq!(Pax::parse(&bytes).unwrap().path.unwrap(), b"two");
    }
}
