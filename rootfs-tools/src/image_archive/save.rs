//! `save`: images of the store become an archive that Docker, Podman and Pontoon can load.
//!
//! ```text
//!   blobs/sha256/<layer>       the layer's tar stream, rebuilt: its digest is checked while it is written
//!   blobs/sha256/<config>      as it came
//!   blobs/sha256/<manifest>    OCI image manifest
//!   index.json, oci-layout     for readers of OCI layouts
//!   manifest.json              for readers of docker-archives, with the same blobs
//! ```
//!
//! Blobs that images share are written once. No clock and no random number goes into it: the same images are the same
//! archive.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::{blob, docker, layout};
use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::image::Image;
use crate::layer::skeleton::Rebuild;
use crate::reference::Reference;
use crate::store::{Store, diff_ids};

const BLOCK: u64 = 512;
/// How much is copied at a time.
const COPY: usize = 256 << 10;

/// Images to save, each with the names under which it was asked for.
type Wanted = Vec<(Image, Vec<Reference>)>;

impl Store {
    /// Writes images into an archive. A name without a tag means all tags of that name, an id the image without a name.
    pub fn save(&self, words: &[String], output: impl Write) -> Result<(), Error> {
        let wanted = self.wanted(words)?;
        let mut saving = Saving { output, blobs: BTreeMap::new() };
        saving.directory("blobs/").and_then(|()| saving.directory("blobs/sha256/")).doing(writing)?;
        let (mut items, mut manifests) = (Vec::new(), Vec::new());
        for (image, names) in &wanted {
            let (item, manifest) = self.save_one(&mut saving, image, names)?;
            items.push(item);
            manifests.extend(manifest);
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        saving.document(layout::MEMBER, &index).doing(writing)?;
        saving.document(docker::MEMBER, &Value::Array(items)).doing(writing)?;
        saving.document("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" })).doing(writing)?;
        saving.finish().doing(writing)
    }

    /// The images that the words mean, in their order, each once.
    fn wanted(&self, words: &[String]) -> Result<Wanted, Error> {
        let mut wanted = Wanted::new();
        for word in words {
            for (image, name) in self.meant(word)? {
                let known = wanted.iter().position(|(known, _)| known.id == image.id);
                let at = known.unwrap_or_else(|| {
                    wanted.push((image, Vec::new()));
                    wanted.len() - 1
                });
                let names = &mut wanted[at].1;
                names.extend(name.filter(|name| !names.contains(name)));
            }
        }
        Ok(wanted)
    }

    fn meant(&self, word: &str) -> Result<Vec<(Image, Option<Reference>)>, Error> {
        let mut meant = Vec::new();
        if let Ok(name) = word.parse::<Reference>()
            && name.is_repository()
        {
            for (tagged, id) in self.names()?.into_iter().filter(|(other, _)| other.repository() == name.repository()) {
                let image = self.image(id)?.ok_or_else(|| Error::NoSuchImage(word.into()))?;
                meant.push((image, Some(tagged)));
            }
        }
        if meant.is_empty() {
            let image = self.find(word)?;
            let name = image.names.first().map(|name| name.parse()).transpose()?;
            meant.push((image, name));
        }
        Ok(meant)
    }

    /// Writes one image's blobs; answers what manifest.json and index.json say of it.
    fn save_one<W: Write>(
        &self,
        saving: &mut Saving<W>,
        image: &Image,
        names: &[Reference],
    ) -> Result<(Value, Vec<Value>), Error> {
        let diff_ids = diff_ids(&image.config).map_err(|why| Error::NoSuchImage(why.into()))?;
        let mut layers = Vec::new();
        for diff_id in &diff_ids {
            let size = self.save_layer(saving, diff_id)?;
            layers.push(descriptor("application/vnd.oci.image.layer.v1.tar", diff_id, size));
        }
        let config = image.text.as_bytes();
        saving.blob(&image.id, config).doing(writing)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &image.id, config.len() as u64),
            "layers": layers,
        })
        .to_string();
        let digest = Digest::of(manifest.as_bytes());
        saving.blob(&digest, manifest.as_bytes()).doing(writing)?;
        let item = json!({
            "Config": blob(&image.id),
            "RepoTags": if names.is_empty() { Value::Null } else { json!(names.iter().map(ToString::to_string).collect::<Vec<_>>()) },
            "Layers": diff_ids.iter().map(blob).collect::<Vec<_>>(),
        });
        Ok((item, descriptors(&digest, manifest.len() as u64, names)))
    }

    /// Writes a layer, unless it is in the archive; answers the bytes of its stream.
    fn save_layer<W: Write>(&self, saving: &mut Saving<W>, diff_id: &Digest) -> Result<u64, Error> {
        if let Some(size) = saving.blobs.get(diff_id) {
            return Ok(*size);
        }
        let trouble = |why: &str| Error::Layer { diff_id: diff_id.to_string(), why: why.into() };
        if !self.has_layer(diff_id) {
            return Err(trouble("an older Pontoon did not keep what that needs: load or import its image once more"));
        }
        let stream = Rebuild::new(&self.layer(diff_id), &self.skeleton(diff_id))?;
        let size = stream.size;
        let mut summed = Summed { stream, hash: Sha256::new() };
        saving.member(&blob(diff_id), size, &mut summed).doing(|| format!("write the layer {diff_id}"))?;
        if Digest::finish(summed.hash) != *diff_id {
            return Err(trouble("its files are not as they were unpacked"));
        }
        saving.blobs.insert(*diff_id, size);
        Ok(size)
    }
}

/// One descriptor for each name, as Docker writes them; one without, for an image without a name.
fn descriptors(digest: &Digest, size: u64, names: &[Reference]) -> Vec<Value> {
    let bare = descriptor("application/vnd.oci.image.manifest.v1+json", digest, size);
    let named = names.iter().map(|name| {
        let mut named = bare.clone();
        named["annotations"] = json!({ layout::NAME: name.full(), layout::REF_NAME: name.tag() });
        named
    });
    if names.is_empty() { vec![bare] } else { named.collect() }
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

fn writing() -> String {
    "write the archive".into()
}

/// An archive in the making.
struct Saving<W: Write> {
    output: W,
    /// Blobs that have been written, and their sizes.
    blobs: BTreeMap<Digest, u64>,
}

impl<W: Write> Saving<W> {
    fn directory(&mut self, name: &str) -> io::Result<()> {
        self.header(EntryType::Directory, name, 0o755, 0)
    }

    fn member(&mut self, name: &str, size: u64, data: impl Read) -> io::Result<()> {
        self.header(EntryType::Regular, name, 0o644, size)?;
        let mut buffer = vec![0; COPY];
        let (mut data, mut left) = (data.take(size), size);
        while left > 0 {
            match data.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.output.write_all(&buffer[..count])?;
                    left -= count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let padding = size.next_multiple_of(BLOCK) - size;
        self.output.write_all(&vec![0; padding as usize])
    }

    /// A header with nothing of this machine or this moment in it.
    fn header(&mut self, kind: EntryType, name: &str, mode: u32, size: u64) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_path(name)?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.output.write_all(header.as_bytes())
    }

    fn finish(mut self) -> io::Result<()> {
        self.output.write_all(&[0; 2 * BLOCK as usize])?;
        self.output.flush()
    }

    fn blob(&mut self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        match self.blobs.insert(*digest, bytes.len() as u64) {
            Some(_) => Ok(()),
            None => self.member(&blob(digest), bytes.len() as u64, bytes),
        }
    }

    fn document(&mut self, name: &str, value: &Value) -> io::Result<()> {
        let text = value.to_string();
        self.member(name, text.len() as u64, text.as_bytes())
    }
}

/// A stream whose digest is summed up as it passes.
struct Summed<R> {
    stream: R,
    hash: Sha256,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}
