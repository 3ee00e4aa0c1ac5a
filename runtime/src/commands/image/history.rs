//! `pontoon history`: how an image was made, the newest step first.
//!
//! ```text
//! history   [ADD file]  [CMD, empty_layer]  [RUN make]        the configuration, oldest first
//! layers    1.2MB                           30MB              each step that is not empty has the next one
//! IMAGE     <missing>   <missing>           3f57d9401f8d      only the newest step is an image
//! ```

use anyhow::Result;
use jiff::Timestamp;
use rootfs_tools::Image;
use serde_json::{Value, json};

use super::store;
use crate::cli::HistoryArgs;
use crate::commands::table::{Table, ago, size};
use crate::commands::{print, say, template};
use crate::host::Host;

/// Letters of CREATED BY, unless all are wanted.
const SHORT: usize = 45;

/// Prints one line for each step.
///
/// # Errors
/// No such image.
pub fn history(host: &Host, args: &HistoryArgs) -> Result<i32> {
    let rows = rows(&store(host)?.find(&args.image)?, args, Timestamp::now());
    let cell = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    if args.quiet {
        for row in &rows {
            say(format_args!("{}", cell(row, "ID")))?;
        }
        return Ok(0);
    }
    if let Some(format) = &args.format {
        print(format_args!("{}", template::lines(format, &rows)?))?;
        return Ok(0);
    }
    let created = if args.human { "CreatedSince" } else { "CreatedAt" };
    let mut table = Table::default();
    table.row(["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"].map(String::from).to_vec());
    for row in &rows {
        table.row(["ID", created, "CreatedBy", "Size", "Comment"].iter().map(|key| cell(row, key)).collect());
    }
    print(format_args!("{table}"))?;
    Ok(0)
}

fn rows(image: &Image, args: &HistoryArgs, now: Timestamp) -> Vec<Value> {
    let mut sizes = image.layer_sizes.iter();
    let mut rows = Vec::new();
    for step in image.config.history().iter().flatten() {
        let is_empty = step.empty_layer().unwrap_or(false);
        let bytes = if is_empty { 0 } else { sizes.next().copied().unwrap_or(0) };
        let created = step.created().as_deref().and_then(|time| time.parse::<Timestamp>().ok());
        let made_by = step.created_by().as_deref().unwrap_or_default();
        rows.push(json!({
            "ID": "<missing>",
            "CreatedSince": created.map_or("N/A".into(), |time| format!("{} ago", ago(now.as_second() - time.as_second()))),
            "CreatedAt": created.map_or("N/A".into(), |time| time.to_string()),
            "CreatedBy": if args.no_trunc { made_by.to_owned() } else { shortened(made_by) },
            "Size": if args.human { size(bytes) } else { bytes.to_string() },
            "Comment": step.comment().as_deref().unwrap_or_default(),
        }));
    }
    rows.reverse();
    if let Some(newest) = rows.first_mut() {
        let id = image.id.to_string();
        newest["ID"] = if args.no_trunc { id.into() } else { image.id.hex()[..12].into() };
    }
    rows
}

/// On one line, and cut with an ellipsis as Docker cuts it.
fn shortened(text: &str) -> String {
    let line = text.replace(['\n', '\t'], " ");
    match line.chars().count() {
        0..=SHORT => line,
        _ => line.chars().take(SHORT - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_cut_to_45_letters() {
        assert_eq!(shortened("RUN a\tb"), "RUN a b");
        assert_eq!(shortened(&"ü".repeat(45)), "ü".repeat(45));
        assert_eq!(shortened(&"ü".repeat(46)), "ü".repeat(44) + "…");
    }
}
