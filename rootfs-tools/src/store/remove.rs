//! Removal of images, and of layers that no image needs any more.
//!
//! ```text
//!   prune       none, or with --all any number; not used: as by name, one after the other
//!
//!   asked by    names   used   --force     answer
//!   name        many    any    any         Untagged: that name
//!   name        one     no     any         Untagged, Deleted: image, and each layer that was its alone
//!   id          many    any    no          refused: which name?
//!   id          any     no     yes         Untagged: all, Deleted: …
//!   any         any     yes    no          refused: by whom
//!   any         some    yes    yes         Untagged: all; the image stays, without a name
//!   id          none    yes    yes         refused: by whom
//! ```
//!
//! Layers are counted by looking: whatever no record names is unused. A record that cannot be read may name any layer, so
//! while there is one, no layer is removed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::publish::sync_dir;
use super::{SKELETON, Store, record};
use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::image::{Image, Removed};
use crate::reference::Reference;

/// What the records lead to.
#[derive(Default)]
struct Reachable {
    images: BTreeSet<Digest>,
    layers: BTreeSet<Digest>,
}

impl Store {
    /// Removes a name, and with the last name the image and its layers.
    ///
    /// `used_by` names a container that uses the image, if there is one; it is called under the store's lock.
    pub fn remove(
        &self,
        reference: &str,
        force: bool,
        used_by: &dyn Fn(&Image) -> Option<String>,
    ) -> Result<Vec<Removed>, Error> {
        let lock = self.write_lock()?;
        let image = self.find(reference)?;
        let names = self.names_of(&image.id)?;
        if image.names.len() == 1 && names.len() > 1 {
            return self.untag(&image.names);
        }
        let user = used_by(&image);
        refuse(reference, force, &names, user.as_deref())?;
        let mut removed = self.untag(&names)?;
        if user.is_some() {
            return Ok(removed);
        }
        removed.push(self.forget(&image.id)?);
        removed.extend(self.drop_unused()?.into_iter().map(Removed::Deleted));
        let dead = self.dead()?;
        drop(lock);
        self.delete(&dead);
        Ok(removed)
    }

    /// Removes the images that have no name, or with `all` every one; those that are used stay. Answers what went, and
    /// the bytes of the layers among it.
    pub fn prune(&self, all: bool, used_by: &dyn Fn(&Image) -> Option<String>) -> Result<(Vec<Removed>, u64), Error> {
        let lock = self.write_lock()?;
        let sizes = self.layer_sizes()?;
        let mut removed = Vec::new();
        for image in self.list()?.iter().filter(|image| all || image.names.is_empty()) {
            if used_by(image).is_none() {
                removed.extend(self.untag(&image.names)?);
                removed.push(self.forget(&image.id)?);
            }
        }
        let layers = self.drop_unused()?;
        let bytes = layers.iter().filter_map(|layer| sizes.get(layer)).sum();
        removed.extend(layers.into_iter().map(Removed::Deleted));
        let dead = self.dead()?;
        drop(lock);
        self.delete(&dead);
        Ok((removed, bytes))
    }

    /// Removes the record of an image; its layers are another matter.
    fn forget(&self, id: &Digest) -> Result<Removed, Error> {
        unlink(&self.image_path(id))?;
        sync_dir(&self.path("images"))?;
        Ok(Removed::Deleted(*id))
    }

    fn untag(&self, names: &[String]) -> Result<Vec<Removed>, Error> {
        for name in names {
            unlink(&self.path("names").join(name.parse::<Reference>()?.key()?))?;
        }
        sync_dir(&self.path("names"))?;
        Ok(names.iter().cloned().map(Removed::Untagged).collect())
    }

    /// Takes out of sight what no record reaches: layers, their links, and names of images that are gone. Only under
    /// the write lock. Answers the layers.
    pub(super) fn drop_unused(&self) -> Result<Vec<Digest>, Error> {
        let Some(Reachable { images, layers }) = self.reachable()? else { return Ok(Vec::new()) };
        let links: BTreeSet<String> = layers.iter().map(Digest::short).collect();
        for (name, _) in self.names()?.iter().filter(|(_, id)| !images.contains(id)) {
            unlink(&self.path("names").join(name.key()?))?;
        }
        for link in self.entries("l")?.iter().filter(|link| !link.to_str().is_some_and(|link| links.contains(link))) {
            self.discard(&self.path("l").join(link))?;
        }
        let mut unused = self.digests("layers")?;
        unused.retain(|layer| !layers.contains(layer));
        for layer in &unused {
            self.discard(&self.layer(layer))?;
        }
        // After the layers: a layer without its skeleton could not be saved.
        let skeleton = |name: &OsString| Digest::from_hex(name.to_str()?.strip_suffix(SKELETON)?);
        for layer in self.entries("layers")?.iter().filter_map(skeleton).filter(|layer| !layers.contains(layer)) {
            self.discard(&self.skeleton(&layer))?;
        }
        Ok(unused)
    }

    /// All images and all their layers; None if some record cannot be read.
    fn reachable(&self) -> Result<Option<Reachable>, Error> {
        let mut reachable = Reachable::default();
        for id in self.digests("images")? {
            let image = match self.image(id) {
                Err(Error::Damaged { .. } | Error::Newer { .. }) => return Ok(None),
                other => other?,
            };
            let ids = image.map(|image| record::diff_ids(&image.config));
            // `image` has parsed the same digests, so the second reading cannot fail.
            reachable.layers.extend(ids.and_then(Result::ok).unwrap_or_default());
            reachable.images.insert(id);
        }
        Ok(Some(reachable))
    }
}

/// The table above: which removals are refused.
fn refuse(reference: &str, force: bool, names: &[String], user: Option<&str>) -> Result<(), Error> {
    if names.len() > 1 && !force {
        return Err(Error::SeveralNames { image: reference.into(), names: names.join(", ") });
    }
    match user {
        Some(by) if !force || names.is_empty() => Err(Error::InUse { image: reference.into(), by: by.into() }),
        _ => Ok(()),
    }
}

fn unlink(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.doing(|| format!("remove {}", path.display())),
    }
}
