//! What it may use: limits of the control group, and of each process.
//!
//! ```text
//! -m --cpus --pids-limit ─> control group      --ulimit nofile=1024:2048 ─> setrlimit(2)
//! ```

use anyhow::{Result, anyhow, bail};

use crate::cli::ContainerArgs;
use crate::commands::words;
use crate::container::record::{Limits, Ulimit};
use crate::isolate::limits::resource_of_name;

/// The limits that are asked for, and no others.
///
/// # Errors
/// Docker's sentence for a word that is no limit.
pub fn limits(args: &ContainerArgs) -> Result<Limits> {
    let mut ulimits: Vec<Ulimit> = Vec::new();
    for word in &args.ulimit {
        let limit = ulimit(word)?;
        // As Docker: the last one of a name counts.
        ulimits.retain(|other| other.name != limit.name);
        ulimits.push(limit);
    }
    Ok(Limits {
        memory: args.memory.as_deref().map(words::memory).transpose()?,
        nano_cpus: args.cpus.as_deref().map(words::nano_cpus).transpose()?,
        pids: args.pids_limit.filter(|limit| *limit != 0),
        ulimits,
    })
}

/// `name=soft[:hard]`; one number is both, -1 is no limit.
fn ulimit(word: &str) -> Result<Ulimit> {
    let Some((name, limits)) = word.split_once('=') else { bail!("invalid ulimit argument: {word}") };
    if resource_of_name(name).is_none() {
        bail!("invalid ulimit type: {name}");
    }
    let numbers: Vec<&str> = limits.split(':').collect();
    let (soft, hard) = match numbers.as_slice() {
        [both] => (number(both)?, number(both)?),
        [soft, hard] => (number(soft)?, number(hard)?),
        _ => bail!("too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"),
    };
    if hard != -1 && (soft > hard || soft == -1) {
        bail!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

fn number(word: &str) -> Result<i64> {
    match word.parse() {
        Ok(number) if number >= -1 => Ok(number),
        _ => Err(anyhow!("invalid ulimit value: \"{word}\" is no number (-1 is unlimited)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_both_and_minus_one_is_none() -> Result<()> {
        let limit = |soft, hard| Ulimit { name: "nofile".into(), soft, hard };
        assert_eq!(ulimit("nofile=5")?, limit(5, 5));
        assert_eq!(ulimit("nofile=5:7")?, limit(5, 7));
        assert_eq!(ulimit("nofile=5:-1")?, limit(5, -1));
        assert_eq!(ulimit("nofile=-1")?, limit(-1, -1));
        Ok(())
    }

    #[test]
    fn mistakes_are_named_as_docker_names_them() {
        for (word, sentence) in [
            ("x", "invalid ulimit argument: x"),
            ("foo=1", "invalid ulimit type: foo"),
            ("NOFILE=1", "invalid ulimit type: NOFILE"),
            ("nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
            ("nofile=-1:1", "ulimit soft limit must be less than or equal to hard limit: -1 > 1"),
            ("nofile=1:2:3", "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"),
            ("nofile=", "invalid ulimit value: \"\" is no number (-1 is unlimited)"),
            ("nofile=-2", "invalid ulimit value: \"-2\" is no number (-1 is unlimited)"),
        ] {
            assert_eq!(ulimit(word).unwrap_err().to_string(), sentence);
        }
    }
}
