//! `pontoon image prune`: removes images without a name, or with `-a` all that no container uses.
//!
//! ```text
//! WARNING! … [y/N] y ──> Deleted Images:
//!                        untagged: …, deleted: …
//!
//!                        Total reclaimed space: 12.3MB
//! ```

use std::io::BufRead;

use anyhow::{Context, Result};
use rootfs_tools::{Image, Removed};

use super::{store, user};
use crate::cli::PruneArgs;
use crate::commands::table::size;
use crate::commands::{print, say};
use crate::host::Host;

/// Asks unless told not to, removes, and says what went.
///
/// # Errors
/// A record that cannot be read.
pub fn prune(host: &Host, args: &PruneArgs) -> Result<i32> {
    if !args.force && !is_granted(args.all)? {
        say(format_args!("Total reclaimed space: 0B"))?;
        return Ok(0);
    }
    let used_by = |image: &Image| user(host, &image.id.to_string());
    let (removed, bytes) = store(host)?.prune(args.all, &used_by)?;
    if !removed.is_empty() {
        say(format_args!("Deleted Images:"))?;
    }
    for line in &removed {
        match line {
            Removed::Untagged(name) => say(format_args!("untagged: {name}"))?,
            Removed::Deleted(digest) => say(format_args!("deleted: {digest}"))?,
        }
    }
    if !removed.is_empty() {
        say(format_args!(""))?;
    }
    say(format_args!("Total reclaimed space: {}", size(bytes)))?;
    Ok(0)
}

/// Docker's question; only y and Y are a yes.
fn is_granted(all: bool) -> Result<bool> {
    let what = if all { "all images without at least one container associated to them" } else { "all dangling images" };
    print(format_args!("WARNING! This will remove {what}.\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
