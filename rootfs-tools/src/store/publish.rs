//! Import: an archive becomes an image, visible all at once.
//!
//! ```text
//!   scratch/fs  <── unpack (digest known at its end, everything synced)
//!   ── write lock ──
//!   layers/<diff-id>   rename scratch/fs        (or it is there already: then ours is dropped with the scratch)
//!   l/<short>          rename of a link         fsync layers, l
//!   images/<id>        rename scratch/record    fsync images
//!   names/<key>        rename of a link         fsync names; an image that had the name keeps its id
//!   ── unlock ──
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use oci_spec::image::{Arch, Config, HistoryBuilder, ImageConfiguration, ImageConfigurationBuilder, Os, RootFsBuilder};

use super::record::Record;
use super::{Scratch, Store};
use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::image::{Image, ImportOptions};
use crate::layer::{self, Layer};
use crate::reference::Reference;

impl Store {
    /// Makes an image of one layer from an archive of a root file system: tar, plain or gzip.
    ///
    /// Nothing is kept of an archive that is damaged, hostile or too large. A name that another image has moves here.
    pub fn import(
        &self,
        archive: impl Read + Send,
        name: Option<&Reference>,
        options: ImportOptions,
    ) -> Result<Image, Error> {
        // First, so that nobody unpacks for minutes to learn that the name does not fit.
        let key = name.map(Reference::key).transpose()?;
        let scratch = self.scratch()?;
        let fs = scratch.path("fs");
        make_root(&fs)?;
        let layer = layer::unpack(archive, &fs)?;
        let config = encode(&configuration(&layer, &options))?;
        let id = self.publish(&scratch, &layer, config, key.as_deref())?;
        let image = self.load(id)?.ok_or_else(|| Error::NoSuchImage(id.to_string()))?;
        Ok(Image { names: name.iter().map(ToString::to_string).collect(), ..image })
    }

    fn publish(&self, scratch: &Scratch, layer: &Layer, config: String, key: Option<&str>) -> Result<Digest, Error> {
        let id = Digest::of(config.as_bytes());
        let record = scratch.path("record");
        write_synced(&record, &Record::new(layer.size, config))?;
        let _lock = self.write_lock()?;
        self.ensure_layer(&scratch.path("fs"), &layer.diff_id)?;
        self.ensure_link(scratch, &layer.diff_id)?;
        rename(&record, &self.image_path(&id))?;
        sync_dir(&self.path("images"))?;
        if let Some(key) = key {
            let target = Path::new("../images").join(id.hex());
            replace_link(&scratch.path("name"), &target, &self.path("names").join(key))?;
        }
        Ok(id)
    }

    fn ensure_layer(&self, unpacked: &Path, diff_id: &Digest) -> Result<(), Error> {
        let place = self.layer(diff_id);
        if fs::symlink_metadata(&place).is_err() {
            rename(unpacked, &place)?;
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

/// The root of a layer, as an archive that does not mention it would have it.
fn make_root(path: &Path) -> Result<(), Error> {
    let doing = || format!("make the directory {}", path.display());
    DirBuilder::new().mode(0o700).create(path).doing(doing)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).doing(doing)
}

fn configuration(layer: &Layer, options: &ImportOptions) -> ImageConfiguration {
    let created = options.created.unwrap_or_else(Timestamp::now).to_string();
    let comment = options.comment.clone().unwrap_or_else(|| "Imported by pontoon".into());
    let mut history = HistoryBuilder::default().build().unwrap_or_default();
    history.set_created(Some(created.clone())).set_comment(Some(comment));
    let mut rootfs = RootFsBuilder::default().build().unwrap_or_default();
    rootfs.set_typ("layers".into()).set_diff_ids(vec![layer.diff_id.to_string()]);
    let mut image = ImageConfigurationBuilder::default().build().unwrap_or_default();
    image.set_created(Some(created)).set_architecture(Arch::default()).set_os(Os::Linux);
    image.set_config(Some(Config::clone(&options.config))).set_rootfs(rootfs).set_history(Some(vec![history]));
    image
}

/// JSON with sorted keys: the same config is the same bytes, and so the same id.
fn encode(config: &ImageConfiguration) -> Result<String, Error> {
    // A Value keeps objects in a BTreeMap; the labels of a config come from a HashMap.
    let sorted = serde_json::to_value(config).map(|value| value.to_string());
    sorted.map_err(std::io::Error::from).doing(|| "write the image's configuration".into())
}

fn write_synced(path: &PathBuf, record: &Record) -> Result<(), Error> {
    let write = || {
        let mut file = File::create_new(path)?;
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
