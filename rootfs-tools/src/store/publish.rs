//! Publication: what lies ready in a scratch becomes an image, visible all at once.
//!
//! ```text
//!   scratch/<layer>/{fs,skeleton}  <── unpack (digest known at its end, everything synced)
//!   ── write lock ──
//!   layers/<diff-id>.skeleton   rename            (or it is there already: then ours is dropped with the scratch)
//!   layers/<diff-id>            rename            after its skeleton, so whoever sees a layer can save it
//!   l/<short>                   rename of a link         fsync layers, l
//!   images/<id>                 rename scratch/record    fsync images
//!   names/<key>                 rename of a link         fsync names; an image that had the name keeps its id
//!   ── unlock ──
//! ```
//!
//! Whether a layer is there already is known only under the lock. One that was there when the caller looked may have been
//! removed since: then nothing is published, and the caller is told which one to unpack.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::record::Record;
use super::{Scratch, Store};
use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::layer::{self, Layer};
use crate::reference::Reference;

/// An image that is to become visible.
pub(crate) struct Draft {
    /// Its configuration, byte for byte.
    pub(crate) config: String,
    /// Its layers, the bottom one first.
    pub(crate) layers: Vec<Layer>,
    /// Its names.
    pub(crate) names: Vec<Reference>,
}

/// A layer in a scratch, whole and on the disk.
pub(crate) struct Unpacked {
    dir: PathBuf,
    /// What it came out as.
    pub(crate) layer: Layer,
}

/// How a publication ended.
pub(crate) enum Published {
    /// The image is there; these names belonged to another image before.
    Image { id: Digest, displaced: Vec<(Reference, Digest)> },
    /// Nothing was done: this layer is neither in the store nor at hand.
    Missing(Digest),
}

impl Scratch {
    /// Unpacks a layer into a directory of that name.
    pub(crate) fn unpack(&self, archive: impl Read + Send, name: &str) -> Result<Unpacked, Error> {
        let dir = self.path(name);
        make_dir(&dir, 0o700)?;
        // As an archive that does not mention its root would have it.
        make_dir(&dir.join("fs"), 0o755)?;
        let layer = layer::unpack(archive, &dir.join("fs"), &dir.join("skeleton"))?;
        Ok(Unpacked { dir, layer })
    }
}

impl Store {
    /// Makes the image visible, with those of `ready` that the store lacks.
    pub(crate) fn publish(
        &self,
        scratch: &Scratch,
        draft: &Draft,
        ready: &BTreeMap<Digest, Unpacked>,
    ) -> Result<Published, Error> {
        let keys = draft.names.iter().map(Reference::key).collect::<Result<Vec<_>, _>>()?;
        let id = Digest::of(draft.config.as_bytes());
        let record = scratch.path("record");
        write_synced(&record, &Record::new(draft))?;
        let _lock = self.write_lock()?;
        let missing = |layer: &&Layer| !ready.contains_key(&layer.diff_id) && !self.has_layer(&layer.diff_id);
        if let Some(layer) = draft.layers.iter().find(missing) {
            return Ok(Published::Missing(layer.diff_id));
        }
        for layer in &draft.layers {
            self.ensure_layer(ready.get(&layer.diff_id), &layer.diff_id)?;
            self.ensure_link(scratch, &layer.diff_id)?;
        }
        rename(&record, &self.image_path(&id))?;
        sync_dir(&self.path("images"))?;
        let mut displaced = Vec::new();
        for (name, key) in draft.names.iter().zip(&keys) {
            displaced.extend(self.point(scratch, key, &id)?.map(|old| (name.clone(), old)));
        }
        Ok(Published::Image { id, displaced })
    }

    /// Gives an image, found by name or id, another name. An image that had the name keeps its id.
    pub fn tag(&self, source: &str, name: &Reference) -> Result<(), Error> {
        let key = name.key()?;
        let scratch = self.scratch()?;
        let _lock = self.write_lock()?;
        let image = self.find(source)?;
        self.point(&scratch, &key, &image.id).map(drop)
    }

    /// Whether the layer is in the store, with what `save` needs.
    pub(crate) fn has_layer(&self, diff_id: &Digest) -> bool {
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        is_there(&self.layer(diff_id)) && is_there(&self.skeleton(diff_id))
    }

    /// Makes a name stand for an image; answers whose it was before. Only under the write lock.
    pub(super) fn point(&self, scratch: &Scratch, key: &str, id: &Digest) -> Result<Option<Digest>, Error> {
        let before = self.read_name(key.as_ref()).unwrap_or_default();
        let target = Path::new("../images").join(id.hex());
        replace_link(&scratch.path("name"), &target, &self.path("names").join(key))?;
        Ok(before.filter(|before| before != id))
    }

    fn ensure_layer(&self, ready: Option<&Unpacked>, diff_id: &Digest) -> Result<(), Error> {
        let Some(ready) = ready else { return Ok(()) };
        let places = [(self.skeleton(diff_id), "skeleton"), (self.layer(diff_id), "fs")];
        for (place, part) in places.iter().filter(|(place, _)| fs::symlink_metadata(place).is_err()) {
            rename(&ready.dir.join(part), place)?;
            sync_dir(&self.path("layers"))?;
        }
        Ok(())
    }

    fn ensure_link(&self, scratch: &Scratch, diff_id: &Digest) -> Result<(), Error> {
        let link = self.link(diff_id);
        let target = Path::new("../layers").join(diff_id.hex());
        match fs::read_link(&link) {
            Ok(there) if there == target => Ok(()),
            // Two layers with 128 equal bits: somebody searched for them.
            Ok(_) => Err(Error::Damaged { path: link, why: "it belongs to another layer".into() }),
            Err(_) => replace_link(&scratch.path("link"), &target, &link),
        }
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), Error> {
    let doing = || format!("make the directory {}", path.display());
    DirBuilder::new().mode(0o700).create(path).doing(doing)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).doing(doing)
}

fn write_synced(path: &PathBuf, record: &Record) -> Result<(), Error> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()
    };
    write().doing(|| format!("write the image record {}", path.display()))
}

/// `ln -sfn target link`, as one step, on the disk when it returns.
fn replace_link(scratch: &Path, target: &Path, link: &Path) -> Result<(), Error> {
    symlink(target, scratch).doing(|| format!("make the link {}", scratch.display()))?;
    rename(scratch, link)?;
    sync_dir(link.parent().unwrap_or(link))
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).doing(|| format!("move {} to {}", from.display(), to.display()))
}

/// `sync path`: makes renames in a directory last.
pub(super) fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .doing(|| format!("write the directory {} to the disk", path.display()))
}
