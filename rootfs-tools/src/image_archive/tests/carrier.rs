//! Builds image archives, member by member.

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::layer::tests::builder::{Tar, head};

/// An archive in the making.
#[derive(Clone, Default)]
pub(super) struct Carrier(pub(super) Vec<(String, Vec<u8>)>);

/// A layer with one file.
pub(super) fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    Tar::default().file(name, content).end()
}

/// The configuration of an image with these layers, the bottom one first.
pub(super) fn config(layers: &[&[u8]]) -> String {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    config_of(&diff_ids)
}

pub(super) fn config_of(diff_ids: &[String]) -> String {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": { "Cmd": ["sh"], "Env": null, "Healthcheck": { "Test": ["CMD", "true"] } },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string()
}

impl Carrier {
    pub(super) fn with(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Carrier {
        self.0.push((name.into(), bytes.as_ref().to_vec()));
        self
    }

    /// Puts bytes where their digest says.
    pub(super) fn blob(self, bytes: impl AsRef<[u8]>) -> Carrier {
        let name = super::super::blob(&Digest::of(bytes.as_ref()));
        self.with(&name, bytes)
    }

    pub(super) fn json(self, name: &str, value: Value) -> Carrier {
        self.with(name, value.to_string())
    }

    /// An archive of one image in the form of older Dockers.
    pub(super) fn docker(name: &str, layers: &[&[u8]]) -> Carrier {
        let paths: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
        let manifest = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": paths }]);
        let mut carrier = Carrier::default().with("config.json", config(layers));
        for (path, layer) in paths.iter().zip(layers) {
            carrier = carrier.with(path, layer);
        }
        carrier.json("manifest.json", manifest)
    }

    /// An OCI layout of one image.
    pub(super) fn layout(name: &str, layers: &[&[u8]]) -> Carrier {
        let config = config(layers);
        let manifest = manifest(&config, layers).to_string();
        let index = index(&[named(&manifest, name)]);
        let carrier = layers.iter().fold(Carrier::default(), |carrier, layer| carrier.blob(layer));
        carrier.blob(config).blob(manifest).json("index.json", index).json("oci-layout", json!({}))
    }

    pub(super) fn tar(&self) -> Tar {
        self.0.iter().fold(Tar::default(), |tar, (name, bytes)| tar.add(&head(b'0', name), bytes))
    }

    pub(super) fn end(&self) -> Vec<u8> {
        self.tar().end()
    }
}

pub(super) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(super) fn manifest(config: &str, layers: &[&[u8]]) -> Value {
    let layer = |layer: &&[u8]| descriptor("application/vnd.oci.image.layer.v1.tar", layer);
    json!({
        "schemaVersion": 2,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

pub(super) fn index(manifests: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "manifests": manifests })
}

/// A descriptor with a name, as containerd writes it.
pub(super) fn named(manifest: &str, name: &str) -> Value {
    let mut named = descriptor(MANIFEST, manifest.as_bytes());
    named["annotations"] = json!({ "io.containerd.image.name": name });
    named
}
