//! `pontoon image inspect`: everything that is known of an image, in the shape of Docker's JSON.
//!
//! ```text
//! configuration, byte for byte ─┬─> one JSON object ──> array, or a line by template
//! names, layers, sizes ─────────┘
//! ```

use anyhow::Result;
use rootfs_tools::{Image, Store};
use serde_json::{Value, json};

use super::store;
use crate::cli::InspectArgs;
use crate::host::Host;

/// Prints one JSON array for all, or one line an image by a template.
///
/// # Errors
/// After what was found: no such image.
pub fn inspect(host: &Host, args: &InspectArgs) -> Result<i32> {
    let store = store(host)?;
    crate::commands::inspect::print(args, |word| describe(&store, &store.find(word)?))
}

/// What is known of an image; none if there is none of that name or id.
///
/// # Errors
/// A record that cannot be read.
pub fn find(host: &Host, word: &str) -> Result<Option<Value>> {
    let store = store(host)?;
    match store.find(word) {
        Ok(image) => describe(&store, &image).map(Some),
        Err(rootfs_tools::Error::NoSuchImage(_) | rootfs_tools::Error::InvalidReference { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn describe(store: &Store, image: &Image) -> Result<Value> {
    // From the text and not from the parsed configuration, which drops what it does not know (Healthcheck, Shell …).
    let config: Value = serde_json::from_str(&image.text)?;
    let text = |key: &str| config[key].as_str().unwrap_or_default();
    let newest = config["history"].as_array().and_then(|steps| steps.last());
    let comment = newest.and_then(|step| step["comment"].as_str()).unwrap_or_default();
    let lower: Vec<String> = image.layers.iter().map(|layer| layer.display().to_string()).collect();
    Ok(json!({
        "Id": image.id.to_string(),
        "RepoTags": store.names_of(&image.id)?,
        "RepoDigests": [],
        "Parent": "",
        "Comment": comment,
        "Created": text("created"),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": config["config"],
        "Architecture": text("architecture"),
        "Os": text("os"),
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": { "Name": "overlay", "Data": { "LowerDir": lower.join(":") } },
        "RootFS": { "Type": "layers", "Layers": config["rootfs"]["diff_ids"] },
    }))
}
