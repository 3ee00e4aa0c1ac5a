//! What is mounted: binds and temporary file systems.
//!
//! ```text
//! -v /source:/target[:ro]     --tmpfs /target[:options]     --read-only
//! ```

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use anyhow::{Result, bail};

use crate::cli::ContainerArgs;
use crate::commands::words;
use crate::container::record::{Bind, Storage};
use crate::text;

/// The mounts that are asked for.
///
/// # Errors
/// A sentence for a word that names no mount.
pub fn storage(args: &ContainerArgs) -> Result<Storage> {
    Ok(Storage {
        read_only: args.read_only,
        binds: args.volume.iter().map(|word| bind(word)).collect::<Result<_>>()?,
        shm_size: args.shm_size.as_deref().map(words::bytes).transpose()?.filter(|size| *size > 0),
        tmpfs: args.tmpfs.iter().map(|word| tmpfs(word)).collect::<Result<_>>()?,
    })
}

/// `/source:/target[:options]`; a source that is not there becomes a directory at the start, as Docker's `-v` does.
fn bind(word: &OsStr) -> Result<Bind> {
    let shown = word.to_string_lossy();
    let parts: Vec<&[u8]> = word.as_bytes().split(|byte| *byte == b':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, &b""[..]),
        [source, target, options] => (*source, *target, *options),
        _ => bail!("invalid volume specification: '{shown}': give it as /source:/target[:ro]"),
    };
    if !target.starts_with(b"/") || is_root(target) {
        bail!("invalid volume specification: '{shown}': the target has to be an absolute path other than /");
    }
    let source = match source {
        [b'/', ..] => OsString::from_vec(source.to_vec()),
        [b'.', ..] => std::path::absolute(OsStr::from_bytes(source))?.into_os_string(),
        _ => {
            bail!("invalid volume specification: '{shown}': named volumes are not supported yet, give an absolute path")
        }
    };
    let mut bind = Bind {
        source: text::encode(&source),
        target: text::encode(OsStr::from_bytes(target)),
        read_only: false,
        propagation: "rprivate".into(),
    };
    for option in String::from_utf8_lossy(options).split(',') {
        match option {
            "ro" => bind.read_only = true,
            "rw" | "" | "z" | "Z" => {}
            "rprivate" | "private" | "rslave" | "slave" | "rshared" | "shared" => bind.propagation = option.to_owned(),
            _ => bail!("invalid volume specification: '{shown}': invalid mode: {option}"),
        }
    }
    Ok(bind)
}

fn tmpfs(word: &OsStr) -> Result<(String, String)> {
    let text = text::encode(word);
    let (target, options) = text.split_once(':').unwrap_or((&text, ""));
    if !target.starts_with('/') || is_root(target.as_bytes()) {
        bail!("invalid tmpfs target {target}: it has to be an absolute path other than /");
    }
    Ok((target.to_owned(), options.to_owned()))
}

fn is_root(path: &[u8]) -> bool {
    let path = std::path::Path::new(OsStr::from_bytes(path));
    let mut depth = 0_i32;
    for component in path.components() {
        match component {
            std::path::Component::Normal(_) => depth += 1,
            std::path::Component::ParentDir => depth = (depth - 1).max(0),
            _ => {}
        }
    }
    depth == 0
}
