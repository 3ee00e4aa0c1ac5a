//! The members of an image archive: where in the file each one lies.
//!
//! ```text
//!   header ──> name, offset, length ──seek──> header ──> …      one pass, only headers are read
//!
//!   a/layer.tar -> ../b/layer.tar      older Dockers write a layer that two images share once: looked up in the map
//!   two members of one name            an error as soon as somebody asks for it: which one is meant?
//! ```

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;

use super::{limits, refuse};
use crate::digest::Digest;
use crate::error::{Doing, Error};
use crate::layer::archive::{Archive, Input, Kind, input_error};
use crate::layer::path::lossy;

/// The members of one archive, by name.
pub(super) struct Members {
    file: File,
    by_name: BTreeMap<Vec<u8>, Member>,
    /// What is left of the bytes that may be read as documents.
    documents: Cell<u64>,
}

enum Member {
    File {
        at: u64,
        length: u64,
    },
    Link {
        target: Vec<u8>,
    },
    /// There are several of that name, or it has holes.
    Unusable(&'static str),
}

impl Members {
    /// Looks an archive through, which is a regular file and not packed.
    pub(super) fn read(file: File) -> Result<Members, Error> {
        let length = file.metadata().doing(|| "look at the archive".into())?.len();
        let scan = Scan { file: BufReader::new(file.try_clone().doing(|| "open the archive".into())?), at: 0, length };
        let mut archive = Archive::new(scan);
        let mut by_name = BTreeMap::new();
        let mut names = 0;
        while let Some(entry) = archive.next()? {
            let name = entry.path.as_bytes();
            let Some(member) = member(&entry.kind, name, archive.input().at) else { continue };
            names += name.len() + 64;
            if names > limits::NAMES {
                return refuse("the names of its members are longer than 16 MiB".into());
            }
            let several = by_name.contains_key(name);
            let member = if several { Member::Unusable("is there more than once") } else { member };
            by_name.insert(name.to_vec(), member);
        }
        Ok(Members { file, by_name, documents: Cell::new(limits::DOCUMENTS) })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name.as_bytes())
    }

    /// The bytes of a member, links followed.
    pub(super) fn section(&self, name: &str) -> Result<Section<'_>, Error> {
        let mut key = clean(name);
        for _ in 0..limits::DEPTH {
            let member = key.as_ref().and_then(|key| self.by_name.get(key));
            match member {
                Some(Member::File { at, length }) => {
                    return Ok(Section { file: &self.file, at: *at, left: *length });
                }
                Some(Member::Link { target }) => key = Some(target.clone()),
                Some(Member::Unusable(why)) => return refuse(format!("its member {name:?} {why}")),
                None => return refuse(format!("it has no member {:?}", shown(name))),
            }
        }
        refuse(format!("its member {name:?} is a link that leads to no file"))
    }

    /// A small member as a whole.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, Error> {
        let section = self.section(name)?;
        let left = self.documents.get().checked_sub(section.left);
        let (Some(left), true) = (left, section.left <= limits::DOCUMENT) else {
            return refuse(format!(
                "its member {name:?} is larger than 4 MiB, or all such members are together than 64"
            ));
        };
        self.documents.set(left);
        let (length, mut bytes) = (section.left, Vec::new());
        section.take(length).read_to_end(&mut bytes).map_err(input_error)?;
        Ok(bytes)
    }

    /// A blob that is a document, checked against the digest by which it is named.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let bytes = self.document(&super::blob(digest))?;
        if Digest::of(&bytes) != *digest {
            return refuse(format!("the blob {digest} is not what its digest says"));
        }
        Ok(bytes)
    }
}

fn member(kind: &Kind, name: &[u8], at: u64) -> Option<Member> {
    match kind {
        Kind::File { size, segments: None } => Some(Member::File { at, length: *size }),
        Kind::File { .. } => Some(Member::Unusable("is stored with holes")),
        Kind::Hardlink { target } => Some(Member::Link { target: target.as_bytes().to_vec() }),
        Kind::Symlink { target } => Some(match beside(name, target) {
            Some(target) => Member::Link { target },
            None => Member::Unusable("is a link that leads out of the archive"),
        }),
        _ => None,
    }
}

/// A name in a manifest as a key of the map.
fn clean(name: &str) -> Option<Vec<u8>> {
    beside(b"", name.as_bytes())
}

/// Where a link called `name` leads, as a name of the archive; None above its top.
fn beside(name: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if target.starts_with(b"/") {
        return None;
    }
    let mut parts: Vec<&[u8]> = name.split(|byte| *byte == b'/').collect();
    parts.pop();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// A name for a message, cut where an enemy wrote a novel.
pub(super) fn shown(name: &str) -> String {
    lossy(name.as_bytes())
}

/// A stretch of the archive.
pub(super) struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.file.read_at(&mut into[..most], self.at)?;
        if got == 0 && most > 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Reads headers and seeks over data.
struct Scan {
    file: BufReader<File>,
    at: u64,
    length: u64,
}

impl BufRead for Scan {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.at += count as u64;
        self.file.consume(count);
    }
}

impl Read for Scan {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(into)?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Input for Scan {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        // lseek(2) goes beyond the end without a word.
        let end = self.at.checked_add(count).filter(|end| *end <= self.length).ok_or(ErrorKind::UnexpectedEof)?;
        self.file.seek_relative(i64::try_from(count).map_err(|_| ErrorKind::UnexpectedEof)?)?;
        self.at = end;
        Ok(())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn pure_links_stay_in_the_archive() {
        assert_eq!(beside(b"a/layer.tar", b"../b/layer.tar").unwrap(), b"b/layer.tar");
        assert_eq!(beside(b"a", b"./b//c").unwrap(), b"b/c");
        assert_eq!(beside(b"a/b", b"../../c"), None);
        assert_eq!(beside(b"a/b", b"/etc/passwd"), None);
        assert_eq!(clean("../layer.tar"), None);
        assert_eq!(clean("./x/layer.tar").unwrap(), b"x/layer.tar");
    }
}
