//! Ids and names of containers.
//!
//! ```text
//! id     64 hexadecimal digits of randomness; 12 of them are shown
//! name   [a-zA-Z0-9][a-zA-Z0-9_.-]*, given, or made of two words
//! ```

use anyhow::{Context, Result, bail};

const QUALITIES: [&str; 24] = [
    "airy", "bold", "brave", "bright", "brisk", "calm", "clever", "eager", "fair", "fresh", "gentle", "glad", "happy",
    "keen", "kind", "lively", "lucid", "merry", "nimble", "quiet", "sharp", "steady", "sunny", "wise",
];
const CROSSINGS: [&str; 24] = [
    "arch", "bascule", "beam", "brunel", "cable", "causeway", "eads", "ferry", "ford", "girder", "haven", "jetty",
    "keel", "maillart", "pier", "quay", "raft", "rialto", "roebling", "span", "stari", "swing", "telford", "truss",
];

/// A new id: 256 bits of the kernel's randomness in hexadecimal.
///
/// # Errors
/// When /dev/urandom cannot be read.
pub fn new_id() -> Result<String> {
    Ok(random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A made-up name; `attempt` above 0 adds a number, as the two words may be taken.
///
/// # Errors
/// When /dev/urandom cannot be read.
pub fn made_up(attempt: u32) -> Result<String> {
    let [quality, crossing, number] = random::<3>()?;
    let words = format!(
        "{}_{}",
        QUALITIES[usize::from(quality) % QUALITIES.len()],
        CROSSINGS[usize::from(crossing) % CROSSINGS.len()]
    );
    Ok(if attempt == 0 { words } else { format!("{words}{number}") })
}

/// Checks a name against the grammar of container names: Docker's, but one letter is a name, too.
///
/// # Errors
/// Docker's sentence.
pub fn check(name: &str) -> Result<()> {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let goes_on = characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if !(starts_well && goes_on) {
        bail!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed");
    }
    if name.len() > 128 {
        bail!("Invalid container name ({name}): it has more than 128 characters");
    }
    Ok(())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut read = || std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes);
    read().context("cannot read /dev/urandom")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for good in ["x", "web", "a1", "A.b_c-d"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "-web", "a b", "a/b", "../x", "é1", "ü"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_64_digits_and_differ() -> Result<()> {
        let (a, b) = (new_id()?, new_id()?);
        assert_eq!(a.len(), 64);
        assert_ne!(a, b);
        Ok(())
    }

    #[test]
    fn made_up_names_are_names() -> Result<()> {
        for attempt in 0..50 {
            check(&made_up(attempt)?)?;
        }
        Ok(())
    }
}
