//! Image archives for tests, as `docker save` writes them, or as an enemy would.
//!
//! ```text
//!   Layer::new().dir("etc").link("dev", "/outside") ──┐
//!   config: { "User": "0", "WorkingDir": "/x" } ──────┴─> archive("name", config, &[layers]) ──> pontoon load
//! ```

use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// A layer in the making.
pub struct Layer(Builder<Vec<u8>>);

impl Default for Layer {
    fn default() -> Self {
        Self(Builder::new(Vec::new()))
    }
}

impl Layer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A static busybox as `/bin/sh` and under the names of some programs.
    pub fn with_shell() -> Self {
        let busybox = std::fs::read("/bin/busybox").expect("busybox-static");
        let programs = ["cat", "echo", "find", "id", "ls", "pwd", "readlink", "sleep", "true", "wc"];
        let shell = Self::new().dir("bin").program("bin/sh", &busybox);
        programs.iter().fold(shell, |layer, name| layer.link(&format!("bin/{name}"), "sh"))
    }

    /// A directory of mode 0755.
    pub fn dir(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, 0o755, b"")
    }

    /// A file of mode 0644.
    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, 0o644, content)
    }

    /// A file of mode 0755.
    pub fn program(self, path: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, 0o755, content)
    }

    /// A named pipe.
    pub fn fifo(self, path: &str) -> Self {
        self.entry(EntryType::Fifo, path, 0o644, b"")
    }

    /// A file or directory with a mode of one's own: `kind` is the letter of the header.
    pub fn with_mode(self, kind: u8, path: &str, mode: u32) -> Self {
        self.entry(EntryType::new(kind), path, mode, b"")
    }

    fn entry(mut self, kind: EntryType, path: &str, mode: u32, content: &[u8]) -> Self {
        let mut header = header(kind, mode, content.len());
        self.0.append_data(&mut header, path, content).expect("an entry in memory");
        self
    }

    /// A symbolic link, wherever it leads.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.0.append_link(&mut header, path, target).expect("a link in memory");
        self
    }

    /// A hard link.
    pub fn hard_link(mut self, path: &str, target: &str) -> Self {
        let mut header = header(EntryType::Link, 0o644, 0);
        self.0.append_link(&mut header, path, target).expect("a link in memory");
        self
    }

    /// The tar stream.
    pub fn end(self) -> Vec<u8> {
        self.0.into_inner().expect("an archive in memory")
    }
}

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(size as u64);
    header
}

/// `sha256:…` of these bytes.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The configuration of an image: `config` is its part about processes, `layers` begin with the bottom one.
pub fn configuration(config: &Value, layers: &[&[u8]]) -> String {
    let steps =
        |layer: &&[u8]| json!({ "created": "2026-01-02T03:04:05Z", "created_by": format!("ADD {}", layer.len()) });
    json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>() },
        "history": layers.iter().map(steps).collect::<Vec<_>>(),
    })
    .to_string()
}

/// An archive of one image, with manifest.json behind its parts as Docker puts it.
pub fn archive(name: &str, config: &Value, layers: &[&[u8]]) -> Vec<u8> {
    let paths: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let manifest = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": paths }]).to_string();
    let mut members = vec![("config.json".to_owned(), configuration(config, layers).into_bytes())];
    members.extend(paths.into_iter().zip(layers.iter().map(|layer| layer.to_vec())));
    members.push(("manifest.json".to_owned(), manifest.into_bytes()));
    pack(&members)
}

/// A tar file of these members.
pub fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = header(EntryType::Regular, 0o644, bytes.len());
        builder.append_data(&mut header, name, io::Cursor::new(bytes)).expect("a member in memory");
    }
    builder.into_inner().expect("an archive in memory")
}
