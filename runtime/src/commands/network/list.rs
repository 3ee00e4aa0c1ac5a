//! `pontoon network ls`: every network by name, with `host` and `none`, which every host has.
//!
//! ```text
//! NETWORK ID     NAME      DRIVER    SCOPE
//! 0f3c9d2ab417   bridge    bridge    local
//! ```

use anyhow::Result;
use netmodes::network::DEFAULT;
use serde_json::{Value, json};

use super::filters::{Filters, Subject};
use crate::cli::NetworkListArgs;
use crate::commands::table::Table;
use crate::commands::{print, say, template};
use crate::host::Host;
use crate::monitor::network::networks;

/// What `--filter` may ask for.
const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/// Lists networks.
///
/// # Errors
/// A filter or a template that means nothing; a directory that cannot be read.
pub fn list(host: &Host, args: &NetworkListArgs) -> Result<i32> {
    let filters = Filters::parse(&args.filter, &FILTERS)?;
    let networks = networks(host)?;
    networks.find(DEFAULT)?;
    for error in networks.damaged()? {
        eprintln!("pontoon: {:#}", anyhow::Error::from(error));
    }
    let mut subjects: Vec<Subject> = networks.list()?.into_iter().map(Subject::from).collect();
    subjects.extend(["host", "none"].map(Subject::builtin));
    subjects.sort_by(|a, b| a.name.cmp(&b.name));
    let users = if filters.asks("dangling") { super::filters::users(host)? } else { Default::default() };
    subjects.retain(|subject| filters.take(subject, &users));
    let rows: Vec<Value> = subjects.iter().map(|subject| row(subject, args.list.no_trunc)).collect();
    show(&rows, args)
}

fn show(rows: &[Value], args: &NetworkListArgs) -> Result<i32> {
    let cell = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    match args.list.format.as_deref().filter(|format| *format != "table") {
        _ if args.list.quiet => rows.iter().try_for_each(|row| say(format_args!("{}", cell(row, "ID"))))?,
        Some(format) => print(format_args!("{}", template::lines(format, rows)?))?,
        None => {
            let mut table = Table::default();
            table.row(["NETWORK ID", "NAME", "DRIVER", "SCOPE"].map(String::from).to_vec());
            rows.iter().for_each(|row| {
                table.row(["ID", "Name", "Driver", "Scope"].iter().map(|key| cell(row, key)).collect());
            });
            print(format_args!("{table}"))?;
        }
    }
    Ok(0)
}

/// As Docker: every value is a text.
fn row(subject: &Subject, whole: bool) -> Value {
    let id = if whole { &subject.id } else { &subject.id[..12.min(subject.id.len())] };
    let labels: Vec<String> = subject.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    json!({
        "CreatedAt": subject.created,
        "Driver": subject.driver,
        "ID": id,
        "IPv4": subject.ipv4.to_string(),
        "IPv6": subject.ipv6.to_string(),
        "Internal": subject.internal.to_string(),
        "Labels": labels.join(","),
        "Name": subject.name,
        "Scope": "local",
    })
}
