//! `pontoon create`, and the making of a record that `run` shares.
//!
//! ```text
//! image (found or built) ─ record checked ─ store lock: name, directories, record
//! ```

use anyhow::{Result, anyhow, bail};
use rootfs_tools::{Image, Store};

use super::cidfile::IdFile;
use super::request;
use crate::cli::{ContainerArgs, CreateArgs};
use crate::container::{Container, Containers, naming};
use crate::host::Host;
use crate::lock::Lock;
use crate::monitor::network;

/// Creates a container and prints its id.
///
/// # Errors
/// A sentence; nothing is made then.
pub fn create(host: &Host, args: CreateArgs) -> Result<i32> {
    request::attached(&args.container, false)?;
    let mut id_file = args.container.cidfile.as_deref().map(IdFile::claim).transpose()?;
    let (container, _) = make(host, &args.container, false)?;
    note(host, &container, id_file.as_mut())?;
    super::say(format_args!("{}", container.record.id))?;
    Ok(0)
}

/// Writes the id of a container that was just made into its `--cidfile`; if that fails, the container goes again.
///
/// # Errors
/// A full disk.
pub fn note(host: &Host, container: &Container, id_file: Option<&mut IdFile>) -> Result<()> {
    let Some(file) = id_file else { return Ok(()) };
    file.write(&container.record.id).inspect_err(|_| {
        let _ = host.lock().and_then(|store| container.remove_record(&store)).and_then(|()| container.remove_files());
    })
}

/// Records a container; with `starting` its life is in the caller's hand.
///
/// # Errors
/// A sentence; nothing is made then.
pub fn make(host: &Host, args: &ContainerArgs, starting: bool) -> Result<(Container, Option<Lock>)> {
    if let Some(name) = &args.name {
        naming::check(name)?;
        finish_namesake(host, name)?;
    }
    let store = Store::open(&host.root.join("images"))?;
    let word = request::image_word(&args.image_and_command)?;
    let found = image(&store, word)?;
    // Held until the record names the image: nobody can remove it in between. Looked up once more under the hold.
    let _hold = store.hold()?;
    let image = store.find(&found.id.to_string())?;
    let name = args.name.clone().map_or_else(|| naming::made_up(0), Ok)?;
    let mut record = request::record(host, args, &image, name)?;
    let lock = host.lock()?;
    let containers = Containers::of(host);
    for attempt in 1..20 {
        if args.name.is_some() || containers.lookup(&record.name)?.is_none() {
            break;
        }
        record.name = naming::made_up(attempt)?;
    }
    let made = containers.create(&lock, record, starting)?;
    network::reserve(&made.0)?;
    Ok(made)
}

/// A container of that name that is just ending keeps the name for another moment: its end is waited for.
fn finish_namesake(host: &Host, name: &str) -> Result<()> {
    let Some(container) = Containers::of(host).lookup(name)?.filter(|found| found.record.name == name) else {
        return Ok(());
    };
    if container.record.auto_remove && container.is_ending()? {
        // The lock goes with the container's directory, so an error says that it has ended.
        let _ = container.await_life();
    }
    Ok(())
}

/// The image by that name; one that there is a built-in recipe for is built on the spot.
///
/// # Errors
/// Docker's "Unable to find image" sentence.
pub fn image(store: &Store, word: &str) -> Result<Image> {
    let missing = match store.find(word) {
        Err(rootfs_tools::Error::NoSuchImage(_)) => word,
        other => return Ok(other?),
    };
    if !Store::has_builtin(missing) {
        return Err(unknown_image(missing));
    }
    eprintln!("Unable to find image '{}' locally: building it from the built-in recipe", shown(missing));
    match store.build_builtin(missing)? {
        Some(image) => Ok(image),
        None => bail!("there is no built-in recipe for {missing}"),
    }
}

/// An image's name as Docker's sentences have it.
pub fn shown(word: &str) -> String {
    if word.contains([':', '@']) { word.to_owned() } else { format!("{word}:latest") }
}

/// Docker's sentence for an image that is not there, and how to get one.
pub fn unknown_image(word: &str) -> anyhow::Error {
    anyhow!("Unable to find image '{}' locally: make it with 'pontoon image import FILE {word}'", shown(word))
}
