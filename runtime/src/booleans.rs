//! `--rm=true`, `--detach=false`: Docker's flags without a value take one all the same.
//!
//! ```text
//! run --rm=true -p 80:80 --init=false busybox --x=true   ─>   run --rm -p 80:80 busybox --x=true
//!     └ the flag                 └ nothing          └ behind the image all words are the command's
//! ```
//!
//! clap can do so only by showing a value in every line of the help. Such words are rare, so they are translated before it
//! sees them, and nothing is done where there are none.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::cli::Cli;
use crate::usage;

/// The words as clap is to read them.
pub fn plain(arguments: Vec<OsString>) -> Vec<OsString> {
    if !arguments.iter().any(|word| value(&word.to_string_lossy()).is_some()) {
        return arguments;
    }
    let (program, verb) = (Cli::command(), usage::verb(&arguments));
    let takes_all = verb.get_positionals().any(Arg::is_trailing_var_arg_set);
    let mut operands = 0;
    let mut plain = Vec::new();
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if let Some((name, value)) = value(&text).filter(|(name, _)| is_flag(&verb, name)) {
            plain.extend(value.then(|| format!("--{name}").into()));
            continue;
        }
        plain.push(word);
        // Before the verb stand flags of the program itself.
        let flags = if operands < depth(&verb) { &program } else { &verb };
        if usage::takes_next(flags, &text) {
            plain.extend(words.next());
        }
        operands += usize::from(!text.starts_with('-'));
        // Behind its first operand all is the command's.
        if text == "--" || (takes_all && operands > depth(&verb)) {
            break;
        }
    }
    plain.extend(words);
    plain
}

/// How many words the verb itself takes: `pontoon network create` is three.
fn depth(verb: &Command) -> usize {
    verb.get_bin_name().unwrap_or_default().split(' ').count()
}

/// `--name=true`, taken apart.
fn value(word: &str) -> Option<(&str, bool)> {
    let (name, value) = word.strip_prefix("--")?.split_once('=')?;
    Some((name, truth(value)?))
}

/// Whether it is the name of a flag without a value.
fn is_flag(verb: &Command, name: &str) -> bool {
    let is_meant = |arg: &Arg| arg.get_long() == Some(name) && matches!(arg.get_action(), ArgAction::SetTrue);
    verb.get_arguments().any(is_meant)
}

/// The words of strconv.ParseBool.
fn truth(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let words = line.split_whitespace().map(OsString::from).collect();
        let plain = plain(words);
        plain.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn true_is_the_flag_and_false_is_nothing() {
        for (line, expected) in [
            ("pontoon run --rm=true -it busybox", "pontoon run --rm -it busybox"),
            ("pontoon run --rm=false --init=1 busybox", "pontoon run --init busybox"),
            ("pontoon run --name x --detach=T busybox --rm=true", "pontoon run --name x --detach busybox --rm=true"),
            ("pontoon run -itp 80:80 --rm=F busybox", "pontoon run -itp 80:80 busybox"),
            ("pontoon run -p80:80 busybox --rm=true", "pontoon run -p80:80 busybox --rm=true"),
            ("pontoon run --sig-proxy=false --name=true busybox", "pontoon run --sig-proxy=false --name=true busybox"),
            ("pontoon --root /x ps --all=true", "pontoon --root /x ps --all"),
            ("pontoon --debug run --rm=true x --y=true", "pontoon --debug run --rm x --y=true"),
            ("pontoon network rm x --force=true", "pontoon network rm x --force"),
            ("pontoon exec --tty=false x cat --number=true", "pontoon exec x cat --number=true"),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
    }
}
