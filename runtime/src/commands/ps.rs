//! `pontoon ps`: containers, one a line.
//!
//! ```text
//! containers, newest first ── record + state + "does its monitor live?" ──> row ──> table, ids or template
//! ```

use anyhow::Result;
use serde_json::{Value, json};

use super::port::published;
use super::table::{Table, ago, seconds_since};
use super::{pause, ports, template};
use crate::cli::PsArgs;
use crate::container::{Container, Containers, State, Status};
use crate::host::Host;
use crate::text;

/// Lists containers, newest first.
///
/// A record that cannot be read is said, and the others are listed all the same.
///
/// # Errors
/// When the directories cannot be read.
pub fn ps(host: &Host, args: &PsArgs) -> Result<i32> {
    let mut rows = Vec::new();
    for container in Containers::of(host).list()?.into_iter().rev() {
        match container.and_then(|container| row(&container, args.no_trunc)) {
            Ok((row, is_running)) if args.all || is_running => rows.push(row),
            Ok(_) => {}
            Err(error) => eprintln!("pontoon: {error:#}"),
        }
    }
    super::print(format_args!("{}", table(args, &rows)?))?;
    Ok(0)
}

fn table(args: &PsArgs, rows: &[Value]) -> Result<String> {
    let cell = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    if args.quiet {
        return Ok(rows.iter().map(|row| cell(row, "ID") + "\n").collect());
    }
    if let Some(format) = &args.format {
        return template::lines(format, rows);
    }
    let mut table = Table::default();
    table.row(["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"].map(String::from).to_vec());
    for row in rows {
        let keys = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
        table.row(keys.iter().map(|key| cell(row, key)).collect());
    }
    Ok(table.to_string())
}

/// The fields of Docker's `ps --format`, and whether it runs.
fn row(container: &Container, whole: bool) -> Result<(Value, bool)> {
    let record = &container.record;
    let state = container.state()?;
    let is_running = state.status == Status::Running && container.is_supervised()?;
    let command = record.process.args.iter().map(|word| shown(word)).collect::<Vec<_>>().join(" ");
    let shown = if whole || command.chars().count() <= 20 {
        command
    } else {
        command.chars().take(19).chain(['…']).collect()
    };
    let networks: Vec<&str> = state.endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect();
    let is_paused = is_running && pause::is_paused(container)?;
    let row = json!({
        "ID": if whole { record.id.as_str() } else { record.short_id() },
        "Image": record.image.reference,
        "Command": format!("\"{shown}\""),
        "CreatedAt": record.created,
        "RunningFor": format!("{} ago", ago(seconds_since(&record.created))),
        "Status": format!("{}{}", status(&state, is_running), if is_paused { " (Paused)" } else { "" }),
        "State": if is_paused { "paused" } else if is_running { "running" } else { state.status.text() },
        "Ports": if is_running { ports::column(&record.network.expose, &published(&state)) } else { String::new() },
        "Names": record.name,
        "Labels": record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","),
        "Networks": networks.join(","),
    });
    Ok((row, is_running))
}

/// Control characters escaped, bytes that are not UTF-8 as U+FFFD: one line, whatever the argument.
fn shown(word: &str) -> String {
    text::decode(word).to_string_lossy().escape_debug().to_string()
}

/// `Up 3 minutes`, `Exited (0) 2 hours ago`, `Created`.
fn status(state: &State, is_running: bool) -> String {
    match state.status {
        _ if is_running => format!("Up {}", ago(seconds_since(&state.started))),
        Status::Created | Status::Starting => "Created".into(),
        _ => format!("Exited ({}) {} ago", state.exit_code, ago(seconds_since(&state.finished))),
    }
}
