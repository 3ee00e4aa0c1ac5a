//! Small words of the command line: sizes, CPUs, signals, detach keys, key=value.
//!
//! ```text
//! 512m -> bytes (m is MiB, as Docker's)     1.5 -> billionths of a CPU     SIGTERM, term, 15 -> 15     ctrl-p,ctrl-q -> 16 17
//! ```

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use nix::libc;
use nix::sys::signal::Signal;

/// A number of bytes: `k`, `m`, `g`, `t` are powers of 1024, with or without `b`.
///
/// # Errors
/// Docker's sentence.
pub fn bytes(word: &str) -> Result<i64> {
    let lower = word.to_ascii_lowercase();
    let number_end = lower.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(number_end);
    let shift = match unit.trim_start().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => bail!("invalid size: '{word}'"),
    };
    match number.parse::<f64>() {
        Ok(number) if (0.0..1e15).contains(&number) => Ok((number * (1u64 << shift) as f64) as i64),
        _ => bail!("invalid size: '{word}'"),
    }
}

/// Docker's least limit of memory, 6 MiB: below that not even init starts.
///
/// # Errors
/// Docker's sentences.
pub fn memory(word: &str) -> Result<i64> {
    let bytes = bytes(word)?;
    if bytes < 6 << 20 {
        bail!("Minimum memory limit allowed is 6MB");
    }
    Ok(bytes)
}

/// CPUs as billionths.
///
/// # Errors
/// A sentence for what is no number, not positive, or below what the kernel can divide (0.01).
pub fn nano_cpus(word: &str) -> Result<i64> {
    match word.parse::<f64>() {
        Ok(cpus) if (0.01..1e6).contains(&cpus) => Ok((cpus * 1e9) as i64),
        Ok(_) => bail!("Range of CPUs is from 0.01 upwards, {word} is outside"),
        Err(_) => bail!("failed to parse {word} as a rational number"),
    }
}

/// The number of a signal, by name or number.
///
/// # Errors
/// Docker's sentence.
pub fn signal(word: &str) -> Result<i32> {
    if let Ok(number) = word.parse::<i32>() {
        if (1..=libc::SIGRTMAX()).contains(&number) {
            return Ok(number);
        }
        bail!("Invalid signal: {word}");
    }
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(number) = real_time(name) {
        return Ok(number);
    }
    match format!("SIG{name}").parse::<Signal>() {
        Ok(signal) => Ok(signal as i32),
        Err(_) => bail!("Invalid signal: {word}"),
    }
}

/// As Docker names it: SIGTERM; a real-time signal by its number.
pub fn signal_name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.as_str().to_owned())
}

/// RTMIN, RTMIN+n, RTMAX-n, RTMAX.
fn real_time(name: &str) -> Option<i32> {
    let (least, most) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => least,
        (Some(rest), _) => least + rest.strip_prefix('+')?.parse::<i32>().ok()?,
        (_, Some("")) => most,
        (_, Some(rest)) => most - rest.strip_prefix('-')?.parse::<i32>().ok()?,
        _ => return None,
    };
    (least..=most).contains(&number).then_some(number)
}

/// The bytes that detach a terminal: letters, or `ctrl-` and one of `a-z@[\]^_`.
///
/// # Errors
/// A sentence.
pub fn detach_keys(words: &str) -> Result<Vec<u8>> {
    let key = |word: &str| match word.as_bytes() {
        [letter] => Some(*letter),
        [b'c', b't', b'r', b'l', b'-', key] if key.is_ascii_lowercase() => Some(key - b'a' + 1),
        [b'c', b't', b'r', b'l', b'-', key @ (b'@' | b'[' | b'\\' | b']' | b'^' | b'_')] => Some(key - b'@'),
        _ => None,
    };
    match words.split(',').map(key).collect::<Option<Vec<u8>>>() {
        Some(keys) => Ok(keys),
        None => bail!("Invalid detach keys ({words}): a key is a letter, or ctrl- and one of a-z @ [ \\ ] ^ _"),
    }
}

/// `key=value` words; a key alone has the empty value.
///
/// # Errors
/// A word without a key.
pub fn pairs(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if key.is_empty() {
            bail!("invalid option {word}: it has no key");
        }
        pairs.insert(key.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() -> Result<()> {
        for (word, expected) in [("512", 512), ("1k", 1024), ("512m", 512 << 20), ("1.5GB", 3 << 29), ("2MiB", 2 << 20)]
        {
            assert_eq!(bytes(word)?, expected, "{word}");
        }
        for bad in ["", "x", "-1", "1x", "1e400"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert!(memory("1m").is_err());
        Ok(())
    }

    #[test]
    fn signals_by_every_name() -> Result<()> {
        for (word, expected) in [("KILL", 9), ("SIGTERM", 15), ("hup", 1), ("9", 9), ("RTMIN+3", 37), ("SIGRTMAX", 64)]
        {
            assert_eq!(signal(word)?, expected, "{word}");
        }
        assert_eq!((signal_name(15), signal_name(40)), ("SIGTERM".into(), "40".into()));
        for bad in ["", "0", "65", "FOO", "RTMIN+99", "-9"] {
            assert!(signal(bad).is_err(), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn detach_keys_are_bytes() -> Result<()> {
        assert_eq!(detach_keys("ctrl-p,ctrl-q")?, [16, 17]);
        assert_eq!(detach_keys("a,ctrl-\\")?, [b'a', 28]);
        assert!(detach_keys("ctrl-").is_err());
        Ok(())
    }

    #[test]
    fn cpus_are_billionths() -> Result<()> {
        assert_eq!(nano_cpus("1.5")?, 1_500_000_000);
        for bad in ["0", "-1", "x", "NaN", "inf"] {
            assert!(nano_cpus(bad).is_err(), "{bad}");
        }
        Ok(())
    }
}
