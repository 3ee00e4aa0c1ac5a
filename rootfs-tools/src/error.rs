//! The one error type of the crate: each variant is a sentence for the person at the terminal.
//!
//! ```text
//!   matchable by the caller    NoSuchImage, InUse, InvalidReference
//!   the person's input         AmbiguousId, SeveralNames, Archive, Recipe
//!   the store itself           Damaged, Newer
//!   the kernel said no         Io: what was tried, then (as source) what the kernel said
//! ```

use std::io;
use std::path::PathBuf;

/// What can go wrong with images.
///
/// `Display` says what was tried; the kernel's words are in `source()`, so that a printer of whole chains does not say
/// them twice. [`Error::sentence`] joins both.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a name nor an id in the store.
    #[error("no such image: {0}")]
    NoSuchImage(String),
    /// A prefix that several ids share.
    #[error("image id {prefix} is ambiguous: {first} and {second} both begin with it; type more of the id")]
    AmbiguousId {
        /// What was asked for.
        prefix: String,
        /// One of the ids.
        first: String,
        /// Another of them.
        second: String,
    },
    /// Not a reference by the grammar of the distribution project.
    #[error("invalid reference format: {reference:?}: {why}")]
    InvalidReference {
        /// What was typed.
        reference: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A container still needs the image.
    #[error("cannot remove image {image}: container {by} is using it; remove the container first")]
    InUse {
        /// The image as it was typed.
        image: String,
        /// The container, as the caller named it.
        by: String,
    },
    /// Removal by id of an image that has more than one name.
    #[error("cannot remove image {image} by its id: it has several names ({names}); name one of them, or use --force")]
    SeveralNames {
        /// The id as it was typed.
        image: String,
        /// The names, separated by commas.
        names: String,
    },
    /// A record of the store that cannot be understood.
    #[error("image record {path} is damaged: {why}; it was left alone: remove the file to forget the image")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A record that a newer Pontoon wrote.
    #[error(
        "image record {path} has version {found}, and this Pontoon knows versions up to {known}: use a newer Pontoon"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// An archive that is damaged, hostile or of another format.
    #[error("cannot unpack the archive: {0}")]
    Archive(String),
    /// A layer of the store that cannot be written into an archive.
    #[error("cannot save the layer {diff_id}: {why}")]
    Layer {
        /// Its digest.
        diff_id: String,
        /// Why not.
        why: String,
    },
    /// A recipe that cannot be followed.
    #[error("cannot build from recipe {path}: {why}")]
    Recipe {
        /// The recipe's file, or its name when it is built in.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A system call failed.
    #[error("cannot {doing}{}", hint(.source))]
    Io {
        /// What was tried, on which operand: an infinitive without "to".
        doing: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// The whole sentence: what was tried and, after a colon, every cause below it.
    pub fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }
}

/// The hint that helps most people with this kind of failure, in brackets, or nothing.
fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (free some space and try again; nothing was kept)"
        }
        io::ErrorKind::PermissionDenied => " (try again as root)",
        io::ErrorKind::ReadOnlyFilesystem => " (the image store needs a writable file system)",
        _ => "",
    }
}

/// Says what was tried, where a system call's bare error comes back.
pub(crate) trait Doing<T> {
    /// Wraps the error; the closure runs only on failure.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::Io { doing: doing(), source: error.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_the_sentence_names_operand_cause_and_hint_once() {
        let full: Result<(), io::Error> = Err(io::Error::from_raw_os_error(28));
        let text = full.doing(|| "write usr/bin/big".into()).unwrap_err().sentence();
        assert_eq!(
            text,
            "cannot write usr/bin/big (free some space and try again; nothing was kept): No space left on device (os error 28)"
        );
    }
}
