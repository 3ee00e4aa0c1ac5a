//! `pontoon image ls` and `images`: one line a name.
//!
//! ```text
//! REPOSITORY   TAG       IMAGE ID       CREATED         SIZE
//! busybox      latest    3f57d9401f8d   6 months ago    1.95MB
//! ```

use anyhow::Result;
use rootfs_tools::Image;
use serde_json::{Value, json};

use super::store;
use crate::cli::ListArgs;
use crate::commands::table::{Table, ago, size};
use crate::commands::{print, say, template};
use crate::host::Host;

/// Lists images, newest first, one line a name.
///
/// # Errors
/// A record that cannot be read.
pub fn list(host: &Host, args: &ListArgs) -> Result<i32> {
    let mut images = store(host)?.list()?;
    images.sort_by_key(|image| std::cmp::Reverse(image.created));
    let rows: Vec<Value> = images.iter().flat_map(|image| rows(image, args.no_trunc)).collect();
    let cell = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    if args.quiet {
        let mut ids: Vec<String> = rows.iter().map(|row| cell(row, "ID")).collect();
        ids.dedup();
        for id in ids {
            say(format_args!("{id}"))?;
        }
        return Ok(0);
    }
    if let Some(format) = &args.format {
        print(format_args!("{}", template::lines(format, &rows)?))?;
        return Ok(0);
    }
    let mut table = Table::default();
    table.row(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"].map(String::from).to_vec());
    for row in &rows {
        table.row(["Repository", "Tag", "ID", "CreatedSince", "Size"].iter().map(|key| cell(row, key)).collect());
    }
    print(format_args!("{table}"))?;
    Ok(0)
}

fn rows(image: &Image, whole: bool) -> Vec<Value> {
    let id = image.id.to_string();
    let short = id.strip_prefix("sha256:").unwrap_or(&id)[..12].to_owned();
    let names = if image.names.is_empty() { vec!["<none>:<none>".to_owned()] } else { image.names.clone() };
    let seconds = jiff::Timestamp::now().as_second() - image.created.as_second();
    let row = |name: &String| {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
        json!({
            "Repository": repository,
            "Tag": tag,
            "ID": if whole { &id } else { &short },
            "CreatedSince": format!("{} ago", ago(seconds)),
            "CreatedAt": image.created.to_string(),
            "Size": size(image.size),
        })
    };
    names.iter().map(row).collect()
}
