//! `pontoon load` and `pontoon save`: images come from and go into one file.
//!
//! ```text
//!   load   -i FILE | standard input ──> store      Loaded image: busybox:latest
//!   save   store ──> FILE beside its place ──> rename; or standard output, unless that is a terminal
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rootfs_tools::{Loaded, Store};

use super::store;
use crate::cli::{LoadArgs, SaveArgs};
use crate::commands::{NobodyReads, say};
use crate::host::Host;

/// Loads all images of an archive, and says which.
///
/// # Errors
/// A sentence; of the image that failed nothing is kept, those that were named before are whole.
pub fn load(host: &Host, args: &LoadArgs) -> Result<i32> {
    let path = args.input.as_deref().filter(|path| path.as_os_str() != "-");
    let shown = path.map_or("standard input".into(), |path| path.display().to_string());
    let archive = match path {
        Some(path) => File::open(path).with_context(|| format!("cannot open {shown}"))?,
        None if io::stdin().is_terminal() => bail!("requested load from stdin, but stdin is empty"),
        None => File::from(io::stdin().as_fd().try_clone_to_owned().context("cannot read standard input")?),
    };
    let mut told = Ok(());
    let loaded = store(host)?.load(archive, &mut |loaded| {
        if told.is_ok() {
            told = tell(&loaded);
        }
    });
    loaded.with_context(|| format!("cannot load {shown}"))?;
    told.map(|()| 0)
}

/// Docker's words.
fn tell(loaded: &Loaded) -> Result<()> {
    for (name, old) in &loaded.displaced {
        say(format_args!("The image {name} already exists, renaming the old one with ID {old} to empty string"))?;
    }
    for name in &loaded.names {
        say(format_args!("Loaded image: {name}"))?;
    }
    if loaded.names.is_empty() {
        say(format_args!("Loaded image ID: {}", loaded.id))?;
    }
    Ok(())
}

/// Writes images into an archive.
///
/// # Errors
/// A sentence; a file that was there before stays as it was then.
pub fn save(host: &Host, args: &SaveArgs) -> Result<i32> {
    let store = store(host)?;
    let Some(path) = &args.output else {
        if io::stdout().is_terminal() {
            bail!("cowardly refusing to save to a terminal. Use the -o flag or redirect");
        }
        return write(&store, &args.images, io::stdout().lock()).map(|()| 0);
    };
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => bail!("cannot save to {}: it is a directory", path.display()),
        // A pipe or a device cannot be replaced; it is written to.
        Ok(there) if !there.is_file() => {
            let file = OpenOptions::new().write(true).open(path);
            let file = file.with_context(|| format!("cannot open {}", path.display()))?;
            write(&store, &args.images, file)
        }
        _ => replace(&store, &args.images, path),
    }
    .map(|()| 0)
}

/// Writes beside the place and renames: whoever looks sees the old file or the whole new one.
fn replace(store: &Store, images: &[String], path: &Path) -> Result<()> {
    let scratch = beside(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch);
    let file = file.with_context(|| format!("cannot make {}", scratch.display()))?;
    let saved = write(store, images, file).and_then(|()| {
        fs::rename(&scratch, path).with_context(|| format!("cannot rename {} to {}", scratch.display(), path.display()))
    });
    if saved.is_err() {
        let _ = fs::remove_file(&scratch);
    }
    saved
}

/// `dir/x.tar` -> `dir/.x.tar.<pid>`
fn beside(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else { bail!("cannot save to {}: it names no file", path.display()) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

fn write(store: &Store, images: &[String], output: impl Write) -> Result<()> {
    let mut output = BufWriter::with_capacity(256 << 10, output);
    match store.save(images, &mut output) {
        Err(rootfs_tools::Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {
            Err(NobodyReads.into())
        }
        saved => Ok(saved?),
    }
}
