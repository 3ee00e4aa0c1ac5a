//! `pontoon image …`, and its verbs that Docker has without the first word.
//!
//! ```text
//!   archive.rs   load FILE ──> store ──> FILE save       list.rs      ls, images ──> table
//!   here         import FILE | build DIR ──> id          inspect.rs   JSON in Docker's shape
//!                tag, rm ──> Untagged, Deleted           history.rs   one line a step, newest first
//!                                                        prune.rs     asks, removes what nobody needs
//! ```

mod archive;
mod history;
mod inspect;
mod list;
mod prune;

pub use archive::{load, save};
pub use history::history;
pub use inspect::{find, inspect};
pub use list::list;
pub use prune::prune;

use std::fs::File;

use anyhow::{Context, Result, bail};
use rootfs_tools::{Image, ImportOptions, Reference, Store};

use crate::cli::{BuildArgs, ImportArgs, RmiArgs, TagArgs};
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

/// Gives an image another name; an image that had it keeps its id.
///
/// # Errors
/// No such image, or a name that is none.
pub fn tag(host: &Host, args: &TagArgs) -> Result<i32> {
    let target: Reference = args.target.parse()?;
    if target.digest().is_some() {
        bail!("refusing to create a tag with a digest reference");
    }
    store(host)?.tag(&args.source, &target)?;
    Ok(0)
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
