//! What is in an archive: from its members to images that are known to be whole, before anything is unpacked.
//!
//! ```text
//!   manifest.json only      Docker before 25
//!   index.json only         OCI layout
//!   both                    Docker since 25: manifest.json counts, and each of its images must be in the index too
//!   neither                 refused, with a hint
//! ```

use oci_spec::image::{ImageConfiguration, Os};

use super::members::{Members, shown};
use super::{Described, docker, layout, limits, refuse};
use crate::digest::Digest;
use crate::error::Error;
use crate::reference::Reference;
use crate::store::diff_ids;

/// An image of an archive, checked as far as can be without reading its layers.
pub(super) struct Plan {
    /// Configuration, byte for byte.
    pub(super) config: String,
    /// Each layer's diff-id and the member that holds it, the bottom one first.
    pub(super) layers: Vec<(Digest, String)>,
    pub(super) names: Vec<Reference>,
}

/// Every image of the archive.
pub(super) fn plans(members: &Members) -> Result<Vec<Plan>, Error> {
    let images = match (members.has(docker::MEMBER), members.has(layout::MEMBER)) {
        (true, false) => docker::read(members)?,
        (false, true) => layout::read(members)?,
        (true, true) => agreed(docker::read(members)?, &layout::read(members)?)?,
        (false, false) => {
            return refuse(
                "it has neither manifest.json nor index.json: it carries no images \
                 (a root file system becomes one with `pontoon image import`)"
                    .into(),
            );
        }
    };
    if images.is_empty() {
        return refuse("it has no image for this machine".into());
    }
    images.into_iter().map(|image| plan(members, image)).collect()
}

/// Docker's description, unless the other one does not know its images: then two readers would load different things.
fn agreed(docker: Vec<Described>, layout: &[Described]) -> Result<Vec<Described>, Error> {
    let same = |one: &Described, other: &Described| one.config == other.config && one.layers == other.layers;
    let in_blobs = |image: &&Described| image.config.starts_with("blobs/");
    match docker.iter().filter(in_blobs).find(|image| !layout.iter().any(|other| same(image, other))) {
        Some(image) => {
            let config = shown(&image.config);
            refuse(format!(
                "it is ambiguous: manifest.json lists an image with the config {config}, index.json does not"
            ))
        }
        None => Ok(docker),
    }
}

fn plan(members: &Members, image: Described) -> Result<Plan, Error> {
    let bytes = members.document(&image.config)?;
    let name = shown(&image.config);
    if let Some(hex) = image.config.strip_prefix("blobs/sha256/")
        && Digest::from_hex(hex) != Some(Digest::of(&bytes))
    {
        return refuse(format!("the config {name} is not what its digest says"));
    }
    let diff_ids = check_config(&bytes).map_err(|why| Error::Archive(format!("the config {name} {why}")))?;
    if diff_ids.len() != image.layers.len() {
        let (has, wants) = (image.layers.len(), diff_ids.len());
        return refuse(format!("the config {name} names {wants} layers, and the archive lists {has}"));
    }
    for layer in &image.layers {
        // There, or a clear sentence: before other layers have been unpacked for minutes.
        members.section(layer)?;
    }
    let layers = diff_ids.into_iter().zip(image.layers).collect();
    let config = String::from_utf8(bytes).map_err(|_| Error::Archive(format!("the config {name} is not UTF-8")))?;
    Ok(Plan { config, layers, names: image.names })
}

/// The layers that a config names, if it is that of an image that can run here.
fn check_config(bytes: &[u8]) -> Result<Vec<Digest>, String> {
    let config: ImageConfiguration = serde_json::from_slice(bytes).map_err(|error| format!("is damaged: {error}"))?;
    if *config.os() != Os::Linux {
        return Err(format!("is of an image for {}, which cannot be used on this platform", config.os()));
    }
    let layers = diff_ids(&config).map_err(|why| format!("names a layer that cannot be: {why}"))?;
    match layers.len() {
        0 => Err("names no layers".into()),
        1..=limits::LAYERS => Ok(layers),
        more => Err(format!("names {more} layers, and overlayfs stacks at most {}", limits::LAYERS)),
    }
}

/// Reads any bytes as each kind of document: for the fuzzer.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = docker::parse(bytes);
    let _ = check_config(bytes);
    layout::fuzz(bytes);
}
