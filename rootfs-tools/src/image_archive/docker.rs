//! `manifest.json`: Docker's description of the images in an archive.
//!
//! ```text
//!   [{ "Config": "<member>", "RepoTags": ["busybox:latest"] or null, "Layers": ["<member>", …] }, …]
//! ```
//!
//! The format is described in moby's image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format".

use serde::Deserialize;

use super::members::Members;
use super::{Described, limits, refuse};
use crate::error::Error;
use crate::reference::Reference;

pub(super) const MEMBER: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Reads the images that manifest.json lists.
pub(super) fn read(members: &Members) -> Result<Vec<Described>, Error> {
    parse(&members.document(MEMBER)?)
}

/// The same from its bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Described>, Error> {
    let items: Vec<Item> =
        serde_json::from_slice(bytes).map_err(|error| Error::Archive(format!("its {MEMBER} is damaged: {error}")))?;
    if items.is_empty() || items.len() > limits::IMAGES {
        return refuse(format!("its {MEMBER} lists {} images", items.len()));
    }
    items.into_iter().map(describe).collect()
}

fn describe(item: Item) -> Result<Described, Error> {
    let names = item.repo_tags.unwrap_or_default();
    let names = names.iter().map(|name| name.parse::<Reference>()).collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = names.iter().find(|name| name.digest().is_some()) {
        return refuse(format!("its {MEMBER} gives an image the name {name} with a digest"));
    }
    Ok(Described { config: item.config, layers: item.layers.unwrap_or_default(), names })
}
