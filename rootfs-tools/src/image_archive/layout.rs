//! The OCI image layout in an archive: `oci-layout`, `index.json`, `blobs/`.
//!
//! ```text
//!   index.json ──> descriptor ──> manifest ──> config, layers
//!                      │            ▲
//!                      └─> index ───┘ the one for this machine, where there are several platforms
//! ```
//!
//! A descriptor says what it leads to, and the document may say so too. A document that could be read as both a manifest
//! and an index, or that says something else than its descriptor, is refused: two readers could see two images in it
//! (CVE-2021-41190).

use std::collections::BTreeMap;

use oci_spec::image::Arch;
use serde::Deserialize;
use serde_json::Value;

use super::members::Members;
use super::{Described, blob, limits, refuse};
use crate::digest::Digest;
use crate::error::Error;
use crate::reference::Reference;

pub(super) const MEMBER: &str = "index.json";

const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The name that containerd and Docker give an image.
pub(super) const NAME: &str = "io.containerd.image.name";
/// The tag, or with other tools the whole name (OCI image spec, annotations.md).
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// OCI image spec, descriptor.md.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone)]
struct Platform {
    architecture: String,
    os: String,
}

/// Manifest or index: which one shows in its members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    /// Schema 1 of Docker's manifests: a third way to read a document.
    #[serde(default)]
    fs_layers: Option<Value>,
}

enum Read {
    Index(Vec<Descriptor>),
    Manifest { config: Descriptor, layers: Vec<Descriptor> },
}

/// Reads the images that index.json leads to; those that are no images (attestations, artifacts) and those whose
/// manifest is not in the archive are passed over.
pub(super) fn read(members: &Members) -> Result<Vec<Described>, Error> {
    let Read::Index(tops) = parse(&members.document(MEMBER)?, MEMBER)? else {
        return refuse(format!("its {MEMBER} is no index"));
    };
    if tops.len() > limits::IMAGES {
        return refuse(format!("its {MEMBER} lists {} images", tops.len()));
    }
    let mut images: BTreeMap<Digest, Described> = BTreeMap::new();
    for top in &tops {
        let Some((digest, mut image)) = resolve(members, top, limits::DEPTH)? else { continue };
        image.names.extend(name(&top.annotations)?);
        match images.get_mut(&digest) {
            // One descriptor for each name of one image.
            Some(known) => known.names.extend(image.names),
            None => drop(images.insert(digest, image)),
        }
    }
    Ok(images.into_values().collect())
}

/// Follows a descriptor to a manifest for this machine: that of its config, and the image.
fn resolve(members: &Members, from: &Descriptor, depth: usize) -> Result<Option<(Digest, Described)>, Error> {
    let digest = digest(from)?;
    if depth == 0 {
        return refuse("its indexes lead to indexes without end".into());
    }
    if !members.has(&blob(&digest)) {
        return Ok(None);
    }
    let bytes = members.blob(&digest)?;
    if bytes.len() as u64 != from.size {
        return refuse(format!("the blob {digest} has {} bytes and not {}", bytes.len(), from.size));
    }
    let shown = digest.to_string();
    match parse_as(&bytes, &shown, &from.media_type)? {
        Read::Index(manifests) => match manifests.iter().find(|manifest| is_for_us(manifest)) {
            Some(manifest) => resolve(members, manifest, depth - 1),
            None => Ok(None),
        },
        Read::Manifest { config, layers } if CONFIGS.contains(&config.media_type.as_str()) => {
            let config = self::digest(&config)?;
            let layers = layers.iter().map(|layer| Ok(blob(&self::digest(layer)?))).collect::<Result<_, Error>>()?;
            Ok(Some((config, Described { config: blob(&config), layers, names: Vec::new() })))
        }
        Read::Manifest { .. } => Ok(None),
    }
}

/// Parses a document whose descriptor says what it is.
fn parse_as(bytes: &[u8], shown: &str, media_type: &str) -> Result<Read, Error> {
    let read = parse(bytes, shown)?;
    let expected = match read {
        Read::Index(_) => INDEXES,
        Read::Manifest { .. } => MANIFESTS,
    };
    if !expected.contains(&media_type) {
        return refuse(format!(
            "{shown} is ambiguous: its descriptor says {media_type:?}, and its members say otherwise"
        ));
    }
    Ok(read)
}

/// Parses a manifest or an index, and refuses what could be both.
fn parse(bytes: &[u8], shown: &str) -> Result<Read, Error> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| Error::Archive(format!("{shown} is damaged: {error}")))?;
    let Document { media_type, manifests, config, layers, fs_layers } = document;
    let ambiguous = || refuse(format!("{shown} is ambiguous: it can be read as a manifest and as an index"));
    let says = |known: [&str; 2]| media_type.as_deref().is_none_or(|says| known.contains(&says));
    match (manifests, config, layers, fs_layers) {
        (Some(manifests), None, None, None) if says(INDEXES) => Ok(Read::Index(manifests)),
        (None, Some(config), Some(layers), None) if says(MANIFESTS) => Ok(Read::Manifest { config, layers }),
        (None, None, None, _) => refuse(format!("{shown} is neither a manifest nor an index")),
        _ => ambiguous(),
    }
}

fn digest(descriptor: &Descriptor) -> Result<Digest, Error> {
    descriptor.digest.parse().map_err(|why| Error::Archive(format!("{:?}: {why}", descriptor.digest)))
}

fn is_for_us(descriptor: &Descriptor) -> bool {
    let ours = Arch::default().to_string();
    descriptor.platform.as_ref().is_some_and(|platform| platform.os == "linux" && platform.architecture == ours)
}

/// The name in a descriptor's annotations. A tag alone names nothing.
fn name(annotations: &BTreeMap<String, String>) -> Result<Option<Reference>, Error> {
    let whole = |name: &&String| name.contains([':', '/']);
    let name = annotations.get(NAME).or_else(|| annotations.get(REF_NAME).filter(whole));
    name.map(|name| name.parse()).transpose()
}

/// Parses any bytes as a document: for the fuzzer.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn fuzz(bytes: &[u8]) {
    let _ = parse(bytes, MEMBER);
}
