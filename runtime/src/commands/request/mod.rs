//! Words of `run` and `create` -> Record: everything is checked here, before anything is made.
//!
//! ```text
//! words ── conflicts, grammar (Docker's messages) ──┐
//! image ── found, or built from a built-in recipe ──┴─> Record, with the image's defaults merged in
//! ```

mod attachments;
mod key_values;
mod limits;
mod links;
mod network;
mod privileges;
mod process;
mod storage;
mod streams;

use std::collections::BTreeMap;
use std::ffi::OsString;

use anyhow::{Result, bail};
use nix::libc;
use oci_spec::image::Config;
use rootfs_tools::Image;

pub use attachments::attachment;
pub use network::refuse_twice;
pub use process::{added, environment, working_directory};
pub use streams::{Attached, attached};

use super::words;
use crate::cli::ContainerArgs;
use crate::container::naming;
use crate::container::record::{ImageName, Record};
use crate::files;
use crate::host::Host;
use crate::usage;

/// Image and command, which clap gives as one list: what stands behind the image is the command's, dashes and all.
///
/// # Errors
/// Docker's sentence for a flag that does not exist.
pub fn image_word(words: &[OsString]) -> Result<&str> {
    let image = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    if image.starts_with('-') && image.len() > 1 {
        bail!("{}\n\nRun 'pontoon run --help' for more information", usage::unknown_flag(image));
    }
    if image.is_empty() {
        bail!("invalid reference format");
    }
    Ok(image)
}

/// The record of a container that does not exist yet.
///
/// # Errors
/// A sentence for each word that cannot be granted.
pub fn record(host: &Host, args: &ContainerArgs, image: &Image, name: String) -> Result<Record> {
    let id = naming::new_id()?;
    let config = image.config.config().clone().unwrap_or_default();
    let network = network::network(host, args, &config)?;
    let hostname = network::hostname(host, args, &network.mode, &id)?;
    let stop_signal = args.stop_signal.as_deref().or(config.stop_signal().as_deref());
    Ok(Record {
        version: files::VERSION,
        name,
        created: jiff::Timestamp::now().to_string(),
        image: ImageName { id: image.id.to_string(), reference: image_word(&args.image_and_command)?.to_owned() },
        auto_remove: args.rm,
        init: args.init,
        process: process::process(args, &config)?,
        hostname,
        storage: storage::storage(args)?,
        privileges: privileges::privileges(args)?,
        limits: limits::limits(args)?,
        network,
        stop_signal: stop_signal.map_or(Ok(libc::SIGTERM), words::signal)?,
        stop_timeout: args.stop_timeout.unwrap_or(10),
        labels: labels(args, &config)?,
        id,
    })
}

/// The image's labels, then those of `--label-file`, then those of `-l`: the last one wins.
fn labels(args: &ContainerArgs, config: &Config) -> Result<BTreeMap<String, String>> {
    let mut labels: BTreeMap<String, String> = config.labels().clone().unwrap_or_default().into_iter().collect();
    let mut words = Vec::new();
    for path in &args.label_file {
        words.extend(key_values::read("label", path)?);
    }
    words.extend(args.label.iter().cloned());
    for word in &words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let key = key.trim_start();
        if key.is_empty() {
            bail!("invalid label '{word}': empty name");
        }
        if key.contains(char::is_whitespace) {
            bail!("label '{word}' contains whitespaces");
        }
        labels.insert(key.to_owned(), value.to_owned());
    }
    Ok(labels)
}
