//! Digests: how images and layers are named by what is in them.
//!
//! ```text
//!   sha256:9f86d081884c7d65...   OCI image spec, descriptor.md: algorithm ":" lower-case hex
//!          9f86d081884c7d65...   hex(): the name of a directory in the store
//!          n4bQgYhMfWWaL-qg...   short(): 22 characters of base64url, 128 bits of it
//! ```
//!
//! The short form exists because all lower directories of an overlay share one page of mount options. 128 bits, and not
//! fewer, because whoever writes a hostile layer may search for one that collides with a good one.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The digest that a running hash has come to.
    pub(crate) fn finish(hash: Sha256) -> Digest {
        Digest(hash.finalize().into())
    }

    /// 64 lower-case hex digits, without the algorithm.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first 128 bits as 22 characters that are safe in file names and in mount options.
    pub(crate) fn short(&self) -> String {
        let bits = self.0[..16].iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
        // 22 groups of 6 bits hold 132: the last group is padded with four zero bits.
        (0..22).map(|group| BASE64URL[sextet(bits, group)] as char).collect()
    }

    /// Parses 64 lower-case hex digits.
    pub(crate) fn from_hex(hex: &str) -> Option<Digest> {
        let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 64 || !hex.as_bytes().iter().all(lower) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        Some(Digest(bytes))
    }
}

fn sextet(bits: u128, group: u32) -> usize {
    let value = match 122u32.checked_sub(group * 6) {
        Some(shift) => bits >> shift,
        None => bits << (group * 6 - 122),
    };
    (value & 63) as usize
}

fn nibble(hex: u8) -> u8 {
    if hex.is_ascii_digit() { hex - b'0' } else { hex - b'a' + 10 }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Digest, &'static str> {
        let hex = text.strip_prefix("sha256:").ok_or("a digest begins with sha256:")?;
        Digest::from_hex(hex).ok_or("a sha256 digest has 64 lower-case hex digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_digest_text_goes_there_and_back() {
        let digest = Digest::of(b"test");
        assert_eq!(digest.to_string(), "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        // echo -n test | sha256sum | xxd -r -p | head -c16 | base64 | tr +/ -_
        assert_eq!(digest.short(), "n4bQgYhMfWWaL-qgxVrQFQ");
    }

    #[test]
    fn pure_malformed_digests_are_refused() {
        for bad in ["", "sha256:", "sha256:ab", "md5:9f86", &format!("sha256:{}", "A".repeat(64))] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!(Digest::from_hex(&"é".repeat(32)).is_none());
    }
}
