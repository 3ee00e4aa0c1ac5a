//! `load`: the images of an archive become those of the store, one after the other, each as a whole.
//!
//! ```text
//!   pipe, packed file ──> scratch/archive ─┐
//!   plain file ────────────────────────────┴─> plans ──> for each: missing layers unpacked, side by side ──> publish
//! ```
//!
//! Everything that can be checked without unpacking is checked for all images first. A layer's digest is known when it
//! has been unpacked; if it is not the one that the config names, nothing of the image stays. Layers that the store has
//! are not read at all.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::thread;

use super::describe::{self, Plan};
use super::members::{Members, shown};
use super::refuse;
use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::layer::Layer;
use crate::layer::archive::input_error;
use crate::layer::compression::Compression;
use crate::layer::room::Room;
use crate::reference::Reference;
use crate::store::{Draft, Published, Scratch, Store, Unpacked};

/// How many layers are unpacked at a time: each has four threads of its own, of which two or three work.
const SIDE_BY_SIDE: usize = 3;

/// Bytes of a worker's stack: parents of a name are made one level down at a time, and there may be 256.
const STACK: usize = 2 << 20;

/// An image that has been loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The image.
    pub id: Digest,
    /// The names that the archive gave it.
    pub names: Vec<String>,
    /// Those of them that belonged to another image before, with that image.
    pub displaced: Vec<(String, Digest)>,
}

impl Store {
    /// Loads all images of an archive: a docker-archive or an OCI layout in a tar file, which may be packed with gzip or
    /// zstd. `loaded` is told of each one as soon as it can be used.
    pub fn load(&self, archive: File, loaded: &mut dyn FnMut(Loaded)) -> Result<(), Error> {
        let scratch = self.scratch()?;
        let members = Members::read(seekable(archive, &scratch)?)?;
        for (number, plan) in describe::plans(&members)?.into_iter().enumerate() {
            loaded(self.load_one(&scratch, &members, number, plan)?);
        }
        Ok(())
    }

    fn load_one(&self, scratch: &Scratch, members: &Members, number: usize, plan: Plan) -> Result<Loaded, Error> {
        let mut ready = BTreeMap::new();
        let mut missing = Vec::new();
        loop {
            let sizes = self.layer_sizes()?;
            let lacks = |diff_id: &Digest| {
                missing.contains(diff_id) || !sizes.contains_key(diff_id) || !self.has_layer(diff_id)
            };
            let wanted = wanted(&plan, &ready, lacks);
            let prefix = format!("{number}-{}", missing.len());
            ready.extend(unpack(scratch, members, &prefix, wanted)?);
            let size = |id: &Digest| ready.get(id).map(|it| it.layer.size).or(sizes.get(id).copied()).unwrap_or(0);
            let layers = plan.layers.iter().map(|(diff_id, _)| Layer { diff_id: *diff_id, size: size(diff_id) });
            let draft = Draft { config: plan.config.clone(), layers: layers.collect(), names: plan.names.clone() };
            match self.publish(scratch, &draft, &ready)? {
                Published::Image { id, displaced } => return Ok(report(id, &plan, displaced)),
                // Somebody has removed it since it was looked for.
                Published::Missing(layer) => missing.push(layer),
            }
        }
    }
}

fn report(id: Digest, plan: &Plan, displaced: Vec<(Reference, Digest)>) -> Loaded {
    let displaced = displaced.into_iter().map(|(name, old)| (name.to_string(), old)).collect();
    Loaded { id, names: plan.names.iter().map(ToString::to_string).collect(), displaced }
}

/// The layers to unpack, each once.
fn wanted<'a>(
    plan: &'a Plan,
    ready: &BTreeMap<Digest, Unpacked>,
    lacks: impl Fn(&Digest) -> bool,
) -> VecDeque<(Digest, &'a str)> {
    let mut once = BTreeMap::new();
    for (diff_id, member) in &plan.layers {
        if !ready.contains_key(diff_id) && lacks(diff_id) {
            once.entry(*diff_id).or_insert(member.as_str());
        }
    }
    once.into_iter().collect()
}

/// Unpacks layers, some at a time. The first failure empties the queue.
fn unpack(
    scratch: &Scratch,
    members: &Members,
    prefix: &str,
    wanted: VecDeque<(Digest, &str)>,
) -> Result<BTreeMap<Digest, Unpacked>, Error> {
    // Tasks are made here: a Members is for one thread, a Section for any.
    let mut tasks = VecDeque::new();
    for (number, (diff_id, member)) in wanted.into_iter().enumerate() {
        tasks.push_back((format!("{prefix}-{number}"), diff_id, member, members.section(member)?));
    }
    let count = tasks.len().min(SIDE_BY_SIDE);
    let (tasks, done) = (Mutex::new(tasks), Mutex::new(BTreeMap::new()));
    let work = || {
        // A lock is poisoned only by a panic, and that ends the program.
        while let Some((name, diff_id, member, section)) = tasks.lock().ok().and_then(|mut tasks| tasks.pop_front()) {
            let unpacked = scratch.unpack(section, &name).and_then(|unpacked| verified(unpacked, &diff_id));
            let unpacked = unpacked.map_err(|error| of_layer(error, member));
            let failed = unpacked.is_err();
            done.lock().map(|mut done| done.insert(diff_id, unpacked)).ok();
            if failed {
                tasks.lock().map(|mut tasks| tasks.clear()).ok();
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..count {
            // Without another thread this one does all the work.
            let _ = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        }
        work();
    });
    let done = done.into_inner().unwrap_or_default();
    done.into_iter().map(|(diff_id, unpacked)| Ok((diff_id, unpacked?))).collect()
}

fn verified(unpacked: Unpacked, diff_id: &Digest) -> Result<Unpacked, Error> {
    if unpacked.layer.diff_id != *diff_id {
        let found = unpacked.layer.diff_id;
        return refuse(format!("its digest is {found}, and the image's config names {diff_id}"));
    }
    Ok(unpacked)
}

fn of_layer(error: Error, member: &str) -> Error {
    match error {
        Error::Archive(why) => Error::Archive(format!("the layer {}: {why}", shown(member))),
        other => other,
    }
}

/// The archive as a file in which one can seek, not packed: itself, or a copy in the scratch.
fn seekable(mut archive: File, scratch: &Scratch) -> Result<File, Error> {
    let doing = || "look at the archive".to_string();
    let is_regular = archive.metadata().doing(doing)?.is_file();
    if is_regular && archive.stream_position().doing(doing)? == 0 {
        let mut head = [0; 8];
        let got = archive.read_at(&mut head, 0).doing(doing)?;
        if Compression::detect(&head[..got]) == Compression::Plain {
            return Ok(archive);
        }
    }
    spool(archive, scratch)
}

fn spool(archive: impl Read, scratch: &Scratch) -> Result<File, Error> {
    let path = scratch.path("archive");
    let doing = || format!("copy the archive to {}", path.display());
    let mut input = BufReader::with_capacity(256 << 10, archive);
    let compression = Compression::detect(input.fill_buf().map_err(input_error)?);
    let mut decoder = compression.decoder(input).map_err(input_error)?;
    let mut copy = File::options().read(true).write(true).create_new(true).open(&path).doing(doing)?;
    let (mut buffer, mut room) = (vec![0; 256 << 10], Room::default());
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                room.take(&copy, count as u64, || "a copy of the archive".into())?;
                io::Write::write_all(&mut copy, &buffer[..count]).doing(doing)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(input_error(error)),
        }
    }
    copy.rewind().doing(doing)?;
    Ok(copy)
}
