//! `pontoon top`: the processes of a container, as the host sees them.
//!
//! ```text
//! cgroup.procs ─ pids ─┐
//! ps OPTIONS (host) ───┴─> the lines whose PID is among them          no ps on the host: /proc is read in its place
//! ```

mod without_ps;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::pause::group_of_running;
use super::table::Table;
use crate::cli::TopArgs;
use crate::container::Containers;
use crate::host::Host;

/// Columns are at least that wide, blanks between them included, as Docker's.
const NARROWEST: usize = 17;

/// Prints the container's processes with the columns that ps(1) gives to the options (`-ef` without any).
///
/// # Errors
/// None of its own: the trouble is said and the exit code is 1.
pub fn top(host: &Host, args: &TopArgs) -> Result<i32> {
    let (name, options) = args.container_and_options.split_first().context("top needs a container")?;
    super::each(std::slice::from_ref(name), |word| {
        let container = Containers::of(host).find(word)?;
        let members = group_of_running(&container)?.processes()?;
        let members: BTreeSet<i32> = members.into_iter().map(nix::unistd::Pid::as_raw).collect();
        let rows = match listing(options)? {
            Some(text) => filter(&text, &members)?,
            None if options.is_empty() => without_ps::listing(&members),
            None => bail!("options need ps(1), which this host does not have"),
        };
        super::print(format_args!("{}", table(rows)))
    })
}

/// What ps says; `None` where there is none.
fn listing(options: &[String]) -> Result<Option<String>> {
    let usual = ["-ef".to_owned()];
    let options = if options.is_empty() { &usual[..] } else { options };
    let said = match Command::new("ps").args(options).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        said => said.context("cannot execute ps")?,
    };
    if !said.status.success() {
        bail!("ps: {}", String::from_utf8_lossy(&said.stderr).trim().replace('\n', " "));
    }
    Ok(Some(String::from_utf8_lossy(&said.stdout).into_owned()))
}

/// The heading, and the lines of the members. The last column takes the rest of its line.
fn filter(text: &str, members: &BTreeSet<i32>) -> Result<Vec<Vec<String>>> {
    let mut lines = text.lines();
    let heading: Vec<String> = lines.next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let Some(column) = heading.iter().position(|name| name == "PID") else {
        bail!("Couldn't find PID field in ps output");
    };
    let cells = |line: &str| cells(line, heading.len());
    let is_member =
        |row: &Vec<String>| row.get(column).and_then(|pid| pid.parse().ok()).is_some_and(|pid| members.contains(&pid));
    let rows: Vec<_> = lines.map(cells).filter(is_member).collect();
    Ok(std::iter::once(heading).chain(rows).collect())
}

fn cells(line: &str, count: usize) -> Vec<String> {
    let mut rest = line.trim_start();
    let mut cells = Vec::new();
    while cells.len() + 1 < count {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        cells.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    cells.push(rest.trim_end().to_owned());
    cells
}

fn table(rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::default();
    for mut row in rows {
        let last = row.len().saturating_sub(1);
        row.iter_mut().take(last).for_each(|cell| *cell = format!("{cell:NARROWEST$}"));
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
UID        PID  PPID  C STIME TTY          TIME CMD
root         1     0  0 10:00 ?        00:00:01 /sbin/init splash
root        70     1  0 10:01 ?        00:00:00 sh -c  sleep 1
";

    #[test]
    fn only_members_and_the_command_is_one_cell() -> Result<()> {
        let rows = filter(LISTING, &BTreeSet::from([70]))?;
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1], ["root", "70", "1", "0", "10:01", "?", "00:00:00", "sh -c  sleep 1"]);
        Ok(())
    }

    #[test]
    fn without_pids_nothing_can_be_told() {
        assert!(filter("COMMAND\nsh\n", &BTreeSet::from([70])).unwrap_err().to_string().contains("PID field"));
    }
}
