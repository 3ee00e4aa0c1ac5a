//! Import: an archive of a root file system becomes an image of one layer.
//!
//! ```text
//!   tar ──unpack──> layer, diff-id ──┐
//!   options ─────────────────────────┴─> configuration ──publish──> image
//! ```

use std::collections::BTreeMap;
use std::io::Read;

use jiff::Timestamp;
use oci_spec::image::{Arch, Config, HistoryBuilder, ImageConfiguration, ImageConfigurationBuilder, Os, RootFsBuilder};

use super::Store;
use super::publish::{Draft, Published};
use crate::error::{Doing, Error};
use crate::image::{Image, ImportOptions};
use crate::layer::Layer;
use crate::reference::Reference;

impl Store {
    /// Makes an image of one layer from an archive of a root file system: tar, plain, gzip or zstd.
    ///
    /// Nothing is kept of an archive that is damaged, hostile or too large. A name that another image has moves here.
    pub fn import(
        &self,
        archive: impl Read + Send,
        name: Option<&Reference>,
        options: ImportOptions,
    ) -> Result<Image, Error> {
        // First, so that nobody unpacks for minutes to learn that the name does not fit.
        name.map(Reference::key).transpose()?;
        let scratch = self.scratch()?;
        let unpacked = scratch.unpack(archive, "layer")?;
        let layer = unpacked.layer;
        let config = encode(&configuration(&layer, &options))?;
        let draft = Draft { config, layers: vec![layer], names: name.cloned().into_iter().collect() };
        let published = self.publish(&scratch, &draft, &BTreeMap::from([(layer.diff_id, unpacked)]))?;
        let id = match published {
            Published::Image { id, .. } => id,
            // Its only layer is at hand, so this cannot be; if it is, the person hears of it.
            Published::Missing(layer) => return Err(Error::NoSuchImage(layer.to_string())),
        };
        let image = self.image(id)?.ok_or_else(|| Error::NoSuchImage(id.to_string()))?;
        Ok(Image { names: name.iter().map(ToString::to_string).collect(), ..image })
    }
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
