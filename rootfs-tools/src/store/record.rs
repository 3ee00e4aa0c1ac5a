//! The record of an image: one JSON file, named by the digest of the config in it.
//!
//! ```text
//!   images/<hex>   { "version": 1, "size": 2097152, "layer_sizes": [2097152], "config": "{\"architecture\":…}" }
//!                                                                             └ the exact bytes whose sha256 is <hex>
//! ```
//!
//! The config is kept as a string, not as JSON within JSON, because the id is the digest of its bytes and any second
//! writing could change them. It is checked at every reading: 2 us, and a damaged disk cannot run the wrong thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use oci_spec::image::ImageConfiguration;
use serde::{Deserialize, Serialize};

use super::{Draft, Store};
use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::image::Image;

/// The version that this code writes.
const VERSION: u64 = 1;

/// What the file holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    version: u64,
    /// Bytes in the regular files of all layers.
    size: u64,
    /// The same of each layer, the bottom one first; records of one layer once had none.
    #[serde(default)]
    layer_sizes: Vec<u64>,
    /// OCI image configuration, byte for byte.
    config: String,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl Record {
    pub(super) fn new(draft: &Draft) -> Record {
        let layer_sizes: Vec<u64> = draft.layers.iter().map(|layer| layer.size).collect();
        // Of numbers that an archive has chosen.
        let size = layer_sizes.iter().fold(0u64, |sum, size| sum.saturating_add(*size));
        Record { version: VERSION, size, layer_sizes, config: draft.config.clone() }
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Record, Error> {
        let version: Version = serde_json::from_slice(bytes).map_err(|error| damaged(path, &error))?;
        if version.version > VERSION {
            return Err(Error::Newer { path: path.into(), found: version.version, known: VERSION });
        }
        serde_json::from_slice(bytes).map_err(|error| damaged(path, &error))
    }
}

/// The layers that a config names, the bottom one first.
pub(crate) fn diff_ids(config: &ImageConfiguration) -> Result<Vec<Digest>, &'static str> {
    config.rootfs().diff_ids().iter().map(|id| id.parse()).collect()
}

/// Each layer once, where it lies highest: overlayfs refuses a directory that is there twice, and what the higher one has
/// or hides covers all that the lower one could add.
fn unique<'a>(layers: impl Iterator<Item = &'a Digest>) -> impl Iterator<Item = &'a Digest> {
    let mut seen = BTreeSet::new();
    layers.filter(move |layer| seen.insert(**layer))
}

impl Store {
    /// Reads the image of this id; None if there is no record of it.
    pub(crate) fn image(&self, id: Digest) -> Result<Option<Image>, Error> {
        let path = self.image_path(&id);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing(|| format!("read the image record {}", path.display())),
        };
        let record = Record::decode(&path, &bytes)?;
        if Digest::of(record.config.as_bytes()) != id {
            return Err(damaged(&path, &"the digest of its config does not match its name"));
        }
        let config: ImageConfiguration =
            serde_json::from_str(&record.config).map_err(|error| damaged(&path, &error))?;
        let layers = diff_ids(&config).map_err(|why| damaged(&path, &why))?;
        let layer_sizes = match record.layer_sizes.len() {
            0 => vec![record.size; layers.len().min(1)],
            _ => record.layer_sizes,
        };
        let layers = unique(layers.iter().rev()).map(|layer| self.link(layer)).collect();
        let created = config.created().as_deref().and_then(|time| time.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Some(Image {
            id,
            names: Vec::new(),
            config,
            text: record.config,
            layers,
            layer_sizes,
            created,
            size: record.size,
        }))
    }
}

impl Store {
    /// The bytes in the files of each layer, as far as records know them.
    pub(crate) fn layer_sizes(&self) -> Result<BTreeMap<Digest, u64>, Error> {
        let mut sizes = BTreeMap::new();
        for id in self.digests("images")? {
            // A record that cannot be read costs an unpacking, and nothing else.
            if let Ok(Some(image)) = self.image(id) {
                sizes.extend(diff_ids(&image.config).unwrap_or_default().into_iter().zip(image.layer_sizes));
            }
        }
        Ok(sizes)
    }
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Damaged { path: path.into(), why: why.to_string() }
}
