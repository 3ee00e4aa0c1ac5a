//! The script interpreter: a plan as the lines that a person would type, and why each is there.
//!
//! ```text
//! Plan ── groups ──> Group "The cable: …"            consecutive steps that serve one purpose
//!                     |- Line  ip link add …         what is typed
//!                     |        a cable with …        the reason, in words
//!                     `- Line  ip link set …
//! shared ─ ensured ─> the same, but only where it is not there yet
//! own ──── undo ────> lines, newest first             what has to be deleted; the rest dies with its namespace or device
//! ```
//!
//! The lines are shell and can be run: `$netns` is a name under /run/netns, `$ruleset` a file that holds
//! [`crate::nft::RULESET`]. Tests run them and compare what the kernel then holds with what netlink made: an explanation
//! that is executed cannot lie.

mod ensured;
mod line;
mod purpose;
mod undo;

use std::fmt;

use crate::plan::{Plan, Step};
pub use ensured::{created, ensured};
pub use purpose::Purpose;

/// One line of shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What a person types. A here-document makes it several lines of text.
    pub text: String,
    /// Why, in a few words; empty where the group's own words say it all.
    pub reason: String,
}

/// Lines that serve one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What for, in one line: the comment above them.
    pub why: String,
    /// In the order in which they are typed.
    pub lines: Vec<Line>,
}

impl Line {
    /// A line and its reason.
    pub fn new(text: impl Into<String>, reason: impl Into<String>) -> Line {
        Line { text: text.into(), reason: reason.into() }
    }
}

impl Group {
    /// A group without lines yet.
    pub fn new(why: impl Into<String>) -> Group {
        Group { why: why.into(), lines: Vec::new() }
    }

    /// The group with one more line.
    pub fn with(mut self, text: impl Into<String>, reason: impl Into<String>) -> Group {
        self.lines.push(Line::new(text, reason));
        self
    }
}

/// Steps as groups: whenever the purpose changes, a new one begins.
pub fn groups(steps: &[Step]) -> Vec<Group> {
    steps.chunk_by(|a, b| Purpose::of(a) == Purpose::of(b)).map(group).collect()
}

/// What undoes them, newest first. What needs no line, dies with a device or with the container's namespace.
pub fn undo(steps: &[Step]) -> Vec<Line> {
    steps.iter().rev().filter_map(undo::line).collect()
}

/// What takes them back from a container that lives on, newest first.
pub fn withdrawn(steps: &[Step]) -> Vec<Line> {
    steps.iter().rev().filter_map(undo::live).collect()
}

fn group(steps: &[Step]) -> Group {
    let why = steps.first().map_or("", |step| Purpose::of(step).why());
    Group { why: why.into(), lines: steps.iter().flat_map(line::of).collect() }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.iter().chain(&self.own).try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// The lines of the step, one below the other.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = line::of(self).into_iter().map(|line| line.text).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// The comment, then the lines.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.why)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{}", line.text))
    }
}

/// A word for the shell: as it is where that is safe, else in single quotes.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { in_quotes(word) }
}

/// A word in single quotes.
fn in_quotes(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes::tests::published;
    use crate::nft::RULESET;

    #[test]
    fn a_plan_is_told_in_groups_with_a_reason_each() {
        let plan = published();
        let told: Vec<String> =
            [groups(&plan.shared), groups(&plan.own)].concat().iter().map(Group::to_string).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn every_line_has_a_reason() {
        let plan = published();
        for line in [&plan.shared, &plan.own].iter().flat_map(|steps| groups(steps)).flat_map(|group| group.lines) {
            assert!(!line.reason.is_empty() && !line.reason.ends_with('.'), "{line:?}");
        }
    }

    #[test]
    fn what_is_shared_is_made_where_it_is_not_there() {
        let plan = published();
        let told = |groups: Vec<Group>| groups.iter().map(Group::to_string).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(told(ensured(&plan.shared)).replace(RULESET, "(the ruleset)\n"));
        assert_eq!(told(created(&plan.shared)).matches("if !").count(), 1, "a new network's bridge is not there yet");
    }

    #[test]
    fn undo_deletes_by_key_and_newest_first() {
        let lines: Vec<String> = undo(&published().own).into_iter().map(|line| line.text).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn words_are_quoted_where_the_shell_would_read_them_otherwise() {
        assert_eq!(quoted("/etc/hosts"), "/etc/hosts");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!((quoted(""), quoted("$x"), quoted("~")), ("''".into(), "'$x'".into(), "'~'".into()));
    }
}
