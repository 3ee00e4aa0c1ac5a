//! What a person hears whose words do not fit: one sentence in Docker's words, and where the help is.
//!
//! ```text
//! pontoon: unknown flag: --nosuch
//!
//! Run 'pontoon run --help' for more information
//! ```
//!
//! clap finds out what is wrong; this file finds out which verb was meant, and says it. Help and version are no errors,
//! and neither is a command alone: it prints its help.

use std::ffi::OsString;
use std::num::ParseIntError;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;

/// Prints what clap has to say about `arguments`, and gives the exit code.
pub fn explain(error: &clap::Error, arguments: &[OsString]) -> i32 {
    let verb = Verb::find(arguments);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            return 0;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let _ = verb.command.clone().print_help();
            return 0;
        }
        _ => eprintln!("pontoon: {}\n\nRun '{} --help' for more information", verb.sentence(error), verb.path),
    }
    125
}

/// The command that `arguments` name, with all its flags.
pub fn verb(arguments: &[OsString]) -> Command {
    Verb::find(arguments).command
}

/// Docker's sentence for a flag that does not exist.
pub fn unknown_flag(word: &str) -> String {
    match word.strip_prefix('-') {
        Some(letters) if !letters.starts_with('-') => {
            format!("unknown shorthand flag: '{}' in {word}", letters.chars().next().unwrap_or_default())
        }
        _ => format!("unknown flag: {}", word.split('=').next().unwrap_or_default()),
    }
}

/// Whether the next word is the value of this one: `--name x`, `-p 80:80`, `-itp 80:80`, but not `-p80:80`.
pub fn takes_next(command: &Command, word: &str) -> bool {
    let takes = |arg: Option<&Arg>| {
        arg.is_some_and(|arg| arg.get_action().takes_values() && !arg.is_positional() && !arg.is_require_equals_set())
    };
    if let Some(name) = word.strip_prefix("--") {
        let is_meant =
            |arg: &&Arg| arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|all| all.contains(&name));
        return takes(command.get_arguments().find(is_meant));
    }
    let Some(letters) = word.strip_prefix('-') else { return false };
    let of = |letter: char| command.get_arguments().find(|arg| arg.get_short() == Some(letter));
    let first = letters.chars().position(|letter| takes(of(letter)));
    first.is_some_and(|index| index + 1 == letters.chars().count())
}

/// The verb that was typed: `pontoon network create`.
struct Verb {
    path: String,
    command: Command,
}

impl Verb {
    /// Follows the words as far as they are names of commands; flags of `pontoon` itself take a value.
    fn find(arguments: &[OsString]) -> Verb {
        let mut command = Cli::command();
        command.build();
        let mut path = "pontoon".to_owned();
        let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            if word.starts_with("--") && path == "pontoon" {
                if takes_next(&command, &word) {
                    words.next();
                }
                continue;
            }
            let Some(next) = command.find_subcommand(&*word).cloned() else { break };
            path = format!("{path} {}", next.get_name());
            command = next;
        }
        Verb { path, command }
    }

    fn sentence(&self, error: &clap::Error) -> String {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            Some(ContextValue::Strings(texts)) => texts.join(" "),
            _ => String::new(),
        };
        let (flag, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
        match error.kind() {
            ErrorKind::UnknownArgument if flag.starts_with('-') => unknown_flag(&flag),
            ErrorKind::InvalidSubcommand => {
                format!("unknown command: {} {}", self.path, text(ContextKind::InvalidSubcommand))
            }
            ErrorKind::UnknownArgument if self.command.has_subcommands() => {
                format!("unknown command: {} {flag}", self.path)
            }
            ErrorKind::TooManyValues if flag.starts_with('-') => {
                format!("invalid argument \"{value}\" for \"{}\" flag: it is true or false", self.names(bare(&flag)))
            }
            ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument | ErrorKind::TooManyValues => {
                format!("'{}' {}", self.path, self.operands())
            }
            // A command that takes operands or another verb was given too many: clap speaks of the last as of a verb.
            ErrorKind::ArgumentConflict if self.command.has_subcommands() => {
                format!("'{}' {}", self.path, self.operands())
            }
            ErrorKind::InvalidValue | ErrorKind::TooFewValues if value.is_empty() => {
                format!("flag needs an argument: {}", bare(&flag))
            }
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                format!("invalid argument \"{value}\" for \"{}\" flag{}", self.names(bare(&flag)), reason(error))
            }
            _ => first_line(error),
        }
    }

    /// `requires at least 1 argument`, `accepts no arguments`.
    fn operands(&self) -> String {
        let operands: Vec<_> = self.command.get_positionals().collect();
        let least = operands.iter().filter(|operand| operand.is_required_set()).count();
        let is_bounded = !operands.iter().any(|operand| operand.get_num_args().is_some_and(|n| n.max_values() > 1));
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        match (least, operands.len()) {
            (0, 0) => "accepts no arguments".into(),
            (least, most) if is_bounded && least == most => format!("requires {least} argument{}", plural(least)),
            (least, most) if is_bounded => format!("requires at least {least} and at most {most} arguments"),
            (least, _) => format!("requires at least {least} argument{}", plural(least)),
        }
    }

    /// `-a, --attach`, as Docker names a flag that has a letter, too.
    fn names(&self, long: &str) -> String {
        let flag = self.command.get_arguments().find(|flag| flag.get_long() == Some(long.trim_start_matches('-')));
        match flag.and_then(Arg::get_short) {
            Some(letter) => format!("-{letter}, {long}"),
            None => long.to_owned(),
        }
    }
}

/// `--name` of clap's `--name <NAME>`.
fn bare(flag: &str) -> &str {
    flag.split([' ', '=', '[']).next().unwrap_or_default()
}

fn reason(error: &clap::Error) -> String {
    use std::error::Error;
    match error.source() {
        Some(source) if source.is::<ParseIntError>() => ": it is no whole number".into(),
        Some(source) => format!(": {source}"),
        None => String::new(),
    }
}

/// What clap says itself, without its `error: `.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn said(line: &str) -> (String, String) {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let error = Cli::try_parse_from(&words).expect_err(line);
        let verb = Verb::find(&words);
        (verb.path.clone(), verb.sentence(&error))
    }

    #[test]
    fn wrong_words_are_one_sentence_in_dockers_words() {
        for (line, verb, sentence) in [
            ("pontoon nosuch", "pontoon", "unknown command: pontoon nosuch"),
            ("pontoon --root /x network nosuch", "pontoon network", "unknown command: pontoon network nosuch"),
            ("pontoon --debug run --name", "pontoon run", "flag needs an argument: --name"),
            ("pontoon run", "pontoon run", "'pontoon run' requires at least 1 argument"),
            ("pontoon run --name", "pontoon run", "flag needs an argument: --name"),
            ("pontoon wait", "pontoon wait", "'pontoon wait' requires at least 1 argument"),
            ("pontoon rename a", "pontoon rename", "'pontoon rename' requires 2 arguments"),
            ("pontoon port a b c", "pontoon port", "'pontoon port' requires at least 1 and at most 2 arguments"),
            ("pontoon ps extra", "pontoon ps", "'pontoon ps' accepts no arguments"),
            ("pontoon ps --nosuch=3", "pontoon ps", "unknown flag: --nosuch"),
            (
                "pontoon run --rm=maybe busybox",
                "pontoon run",
                "invalid argument \"maybe\" for \"--rm\" flag: it is true or false",
            ),
            ("pontoon stop -xt x", "pontoon stop", "unknown shorthand flag: 'x' in -x"),
            ("pontoon network create", "pontoon network create", "'pontoon network create' requires 1 argument"),
            (
                "pontoon run --pids-limit a busybox",
                "pontoon run",
                "invalid argument \"a\" for \"--pids-limit\" flag: it is no whole number",
            ),
            (
                "pontoon stop --time x y",
                "pontoon stop",
                "invalid argument \"x\" for \"-t, --time\" flag: it is no whole number",
            ),
        ] {
            assert_eq!(said(line), (verb.into(), sentence.into()), "{line}");
        }
    }

    #[test]
    fn every_verb_says_what_it_does() {
        fn look_at(command: &Command) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.starts_with(char::is_uppercase), "{:?}: {about}", command.get_bin_name());
            command.get_subcommands().for_each(look_at);
        }
        let mut program = Cli::command();
        program.build();
        look_at(&program);
    }

    #[test]
    fn flags_that_look_like_an_image() {
        assert_eq!(unknown_flag("--nosuch=1"), "unknown flag: --nosuch");
        assert_eq!(unknown_flag("-xyz"), "unknown shorthand flag: 'x' in -xyz");
    }
}
