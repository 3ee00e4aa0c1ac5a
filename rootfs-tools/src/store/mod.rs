//! The store: one directory, and what is in it.
//!
//! ```text
//!   /var/lib/pontoon/images/       0700
//!   ├─ lock                        OFD lock: one writer, or readers who need an image to stay
//!   ├─ names/docker.io%library%busybox:latest -> ../images/<hex>
//!   ├─ images/<hex>                one record: config (its digest is <hex>), size            record
//!   ├─ layers/<hex>/               the unpacked layer whose diff-id is <hex>, never changed
//!   ├─ layers/<hex>.skeleton/      what else was in its tar stream, so that it can be saved
//!   ├─ l/<22 characters> -> ../layers/<hex>      the short way, for mount options
//!   └─ scratch/                    half-done work, and layers on their way out                scratch
//!
//!   import   scratch ─unpack─> lock ─> layers in place ─> record ─> names ─> unlock           publish
//!   rmi      lock ─> name ─> record ─> unused layers to scratch ─> unlock ─> delete           remove
//! ```
//!
//! Each arrow into `layers`, `images` and `names` is one rename, and what it points to has been synced before. So a
//! process may be killed anywhere: what can be seen is whole, and what cannot be reached is swept by the next writer.
//! A look-up by name takes no lock and reads no directory: a link, a record, done.

mod import;
mod publish;
mod record;
mod remove;
mod scratch;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::image::Image;
use crate::lock::Lock;
use crate::reference::Reference;

pub(crate) use publish::{Draft, Published, Unpacked};
pub(crate) use record::diff_ids;
pub(crate) use scratch::Scratch;

/// What is added to a layer's name for that of its skeleton.
const SKELETON: &str = ".skeleton";

/// The images of one host.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// While this lives no image can be removed: for the time between looking an image up and recording its user.
#[derive(Debug)]
pub struct Hold {
    _lock: Lock,
}

impl Store {
    /// Opens the store in this directory, and makes it if it is missing. One system call if it is there.
    pub fn open(root: &Path) -> Result<Store, Error> {
        let root = std::path::absolute(root).doing(|| format!("open the image store {}", root.display()))?;
        let store = Store { root };
        // The lock is made last, so it stands for the whole layout.
        match fs::symlink_metadata(store.path("lock")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => store.create_layout()?,
            other => other.map(|_| ()).doing(|| format!("open the image store {}", store.root.display()))?,
        }
        Ok(store)
    }

    /// Waits for a writer to end, and keeps further ones away until the hold is dropped. Keep it short.
    pub fn hold(&self) -> Result<Hold, Error> {
        Ok(Hold { _lock: Lock::shared(&self.path("lock"))? })
    }

    /// Finds an image by `name[:tag]`, by id, or by an unambiguous beginning of an id.
    pub fn find(&self, reference: &str) -> Result<Image, Error> {
        let hex = reference.strip_prefix("sha256:").unwrap_or(reference);
        if let Some(id) = Digest::from_hex(hex) {
            return self.image(id)?.ok_or_else(|| Error::NoSuchImage(reference.into()));
        }
        let parsed = reference.parse::<Reference>();
        if let Ok(name) = &parsed
            && let Some(image) = self.find_name(name)?
        {
            return Ok(image);
        }
        match (self.find_prefix(hex)?, parsed) {
            (Some(image), _) => Ok(image),
            (None, Ok(_)) => Err(Error::NoSuchImage(reference.into())),
            (None, Err(error)) => Err(error),
        }
    }

    /// All images with all their names, newest first.
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        let mut names: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for (name, id) in self.names()? {
            names.entry(id).or_default().push(name.to_string());
        }
        let mut images = Vec::new();
        for id in self.digests("images")? {
            // Removed since the directory was read: then there is nothing to list.
            let Some(mut image) = self.image(id)? else { continue };
            image.names = names.remove(&id).unwrap_or_default();
            images.push(image);
        }
        images.sort_by_key(|image| (std::cmp::Reverse(image.created), image.names.clone(), image.id));
        Ok(images)
    }

    /// Every name of this image, sorted.
    pub fn names_of(&self, id: &Digest) -> Result<Vec<String>, Error> {
        let names = self.names()?.into_iter().filter(|(_, owner)| owner == id);
        Ok(names.map(|(name, _)| name.to_string()).collect())
    }

    fn create_layout(&self) -> Result<(), Error> {
        let doing = || format!("make the image store {}", self.root.display());
        for part in ["", "layers", "l", "images", "names", "scratch"] {
            DirBuilder::new().recursive(true).mode(0o700).create(self.path(part)).doing(doing)?;
        }
        // A directory that was there before may be open to others, and images hold setuid programs.
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700)).doing(doing)?;
        Lock::exclusive(&self.path("lock")).map(drop)
    }

    fn path(&self, part: impl AsRef<Path>) -> PathBuf {
        self.root.join(part)
    }

    fn write_lock(&self) -> Result<Lock, Error> {
        Lock::exclusive(&self.path("lock"))
    }

    fn find_name(&self, name: &Reference) -> Result<Option<Image>, Error> {
        let Some(id) = self.read_name(OsStr::new(&name.key()?))? else { return Ok(None) };
        // A digest that was typed must be met: here, that of the image's config.
        if name.digest().is_some_and(|digest| digest != id) {
            return Ok(None);
        }
        let image = self.image(id)?;
        Ok(image.map(|image| Image { names: vec![name.to_string()], ..image }))
    }

    fn find_prefix(&self, prefix: &str) -> Result<Option<Image>, Error> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if prefix.is_empty() || !prefix.bytes().all(hex) {
            return Ok(None);
        }
        let ids = self.digests("images")?;
        let mut hits = ids.into_iter().filter(|id| id.hex().starts_with(prefix));
        match (hits.next(), hits.next()) {
            (Some(first), Some(second)) => {
                let short = |id: Digest| id.hex()[..12.max(prefix.len())].to_string();
                Err(Error::AmbiguousId { prefix: prefix.into(), first: short(first), second: short(second) })
            }
            (Some(id), None) => self.image(id),
            _ => Ok(None),
        }
    }

    /// The image that a name stands for.
    fn read_name(&self, key: &OsStr) -> Result<Option<Digest>, Error> {
        let path = self.path("names").join(key);
        let target = match fs::read_link(&path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => PathBuf::new(),
            Err(error) => return Err(error).doing(|| format!("read the name {}", path.display())),
        };
        let id = target.file_name().and_then(OsStr::to_str).and_then(Digest::from_hex);
        id.map(Some).ok_or_else(|| Error::Damaged { path, why: "it is no link to an image".into() })
    }

    /// All names, sorted; foreign files in the directory are left alone.
    pub(crate) fn names(&self) -> Result<Vec<(Reference, Digest)>, Error> {
        let mut names = Vec::new();
        for key in self.entries("names")? {
            let Some(name) = key.to_str().and_then(Reference::from_key) else { continue };
            if let Some(id) = self.read_name(&key)? {
                names.push((name, id));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The entries of a directory whose names are digests, sorted.
    fn digests(&self, part: &str) -> Result<Vec<Digest>, Error> {
        let names = self.entries(part)?;
        let mut digests: Vec<Digest> = names.iter().filter_map(|name| Digest::from_hex(name.to_str()?)).collect();
        digests.sort();
        Ok(digests)
    }

    fn entries(&self, part: &str) -> Result<Vec<std::ffi::OsString>, Error> {
        let path = self.path(part);
        let read = || fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
        read().doing(|| format!("read the directory {}", path.display()))
    }

    pub(crate) fn layer(&self, diff_id: &Digest) -> PathBuf {
        self.path("layers").join(diff_id.hex())
    }

    pub(crate) fn skeleton(&self, diff_id: &Digest) -> PathBuf {
        self.path("layers").join(diff_id.hex() + SKELETON)
    }

    fn link(&self, diff_id: &Digest) -> PathBuf {
        self.path("l").join(diff_id.short())
    }

    fn image_path(&self, id: &Digest) -> PathBuf {
        self.path("images").join(id.hex())
    }
}
