//! `pontoon image import|build|ls|rm`, `images`, `rmi`.
//!
//! ```text
//! import FILE | build DIR ──> store ──> id       ls ──> table       rm ──> Untagged, Deleted
//! ```

use std::fs::File;

use anyhow::{Context, Result};
use rootfs_tools::{Image, ImportOptions, Reference, Store};
use serde_json::{Value, json};

use super::table::{Table, ago, size};
use super::template;
use crate::cli::{BuildArgs, ImportArgs, ListArgs, RmiArgs};
use crate::container::Containers;
use crate::host::Host;

fn store(host: &Host) -> Result<Store> {
    Ok(Store::open(&host.root.join("images"))?)
}

/// Makes an image of a tar archive and prints its id.
///
/// # Errors
/// A sentence; nothing is kept then.
pub fn import(host: &Host, args: &ImportArgs) -> Result<i32> {
    let name = args.name.as_deref().map(str::parse::<Reference>).transpose()?;
    let options =
        ImportOptions { comment: Some(format!("Imported from {}", args.file.display())), ..ImportOptions::default() };
    let image = if args.file.as_os_str() == "-" {
        store(host)?.import(std::io::stdin(), name.as_ref(), options)
    } else {
        let file = File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
        store(host)?.import(file, name.as_ref(), options)
    };
    super::say(format_args!("{}", image.with_context(|| format!("cannot import {}", args.file.display()))?.id))?;
    Ok(0)
}

/// Makes an image from a recipe and prints its id.
///
/// # Errors
/// A sentence; nothing is kept then.
pub fn build(host: &Host, args: &BuildArgs) -> Result<i32> {
    let name = args.tag.as_deref().map(str::parse::<Reference>).transpose()?;
    super::say(format_args!("{}", store(host)?.build(&args.directory, name.as_ref())?.id))?;
    Ok(0)
}

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
            super::say(format_args!("{id}"))?;
        }
        return Ok(0);
    }
    if let Some(format) = &args.format {
        super::print(format_args!("{}", template::lines(format, &rows)?))?;
        return Ok(0);
    }
    let mut table = Table::default();
    table.row(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"].map(String::from).to_vec());
    for row in &rows {
        table.row(["Repository", "Tag", "ID", "CreatedSince", "Size"].iter().map(|key| cell(row, key)).collect());
    }
    super::print(format_args!("{table}"))?;
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

/// Removes images and prints what went.
///
/// # Errors
/// None of its own: each operand's trouble is said and the exit code is 1.
pub fn remove(host: &Host, args: &RmiArgs) -> Result<i32> {
    let store = store(host)?;
    super::each(&args.images, |word| {
        let used_by = |image: &Image| user(host, &image.id.to_string());
        match store.remove(word, args.force, &used_by) {
            Err(rootfs_tools::Error::NoSuchImage(_)) if args.force => Ok(()),
            Err(error) => Err(error.into()),
            Ok(removed) => {
                for line in removed {
                    super::say(format_args!("{line}"))?;
                }
                Ok(())
            }
        }
    })
}

/// The name of a container that uses the image. A record that cannot be read may use any.
fn user(host: &Host, id: &str) -> Option<String> {
    let containers = Containers::of(host).list().ok()?;
    containers.into_iter().find_map(|container| match container {
        Ok(container) => (container.record.image.id == id).then_some(container.record.name),
        Err(error) => Some(format!("(unreadable: {error:#})")),
    })
}
