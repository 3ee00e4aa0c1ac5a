//! Whiteouts: how a layer says that something below it is gone.
//!
//! ```text
//!   in the archive (OCI image spec, layer.md)   in the layer's directory (overlayfs.rst)
//!   a/.wh.x                                     a/x     character device 0:0
//!   a/.wh..wh..opq                              a       trusted.overlay.opaque = "y"
//!   a/.wh..wh.anything else                     nothing: left over from aufs
//! ```
//!
//! A whiteout speaks of the layers below only: what the same archive holds at that name stays. A plain rootfs archive is
//! unpacked by the same rules, since layers are shared by digest: the same bytes must give the same directory.
//!
//! The attributes that overlayfs keeps for itself are ours to write. An archive that brings its own could redirect a
//! directory or hide a file without any whiteout that other tools would see, so those are left out.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, Timespec, Timestamps, XattrFlags};
use rustix::fs::{fsetxattr, makedev, mknodat, statat, utimensat};
use rustix::io::{Errno, Result};

use super::archive::refuse;
use crate::error::Error;

/// What a name means.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Meaning<'a> {
    Plain,
    /// Hides this name in the layers below.
    Hides(&'a OsStr),
    /// Hides everything that the layers below have in this directory.
    Opaque,
    Ignored,
}

/// Reads the name of an entry.
pub(super) fn meaning(name: &OsStr) -> std::result::Result<Meaning<'_>, Error> {
    let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Meaning::Plain) };
    match hidden {
        b".wh..opq" => Ok(Meaning::Opaque),
        _ if hidden.starts_with(b".wh.") => Ok(Meaning::Ignored),
        b"" | b"." | b".." => refuse(&format!("the whiteout {} hides no name", name.display())),
        _ => Ok(Meaning::Hides(OsStr::from_bytes(hidden))),
    }
}

/// `mknod name c 0 0; touch -d @0 name`, unless the layer itself has something there.
pub(super) fn hide(dir: impl AsFd, name: &OsStr) -> Result<()> {
    match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => return Ok(()),
        Err(Errno::NOENT) => mknodat(&dir, name, FileType::CharacterDevice, Mode::empty(), makedev(0, 0))?,
        Err(error) => return Err(error),
    }
    let epoch = Timespec { tv_sec: 0, tv_nsec: 0 };
    utimensat(dir, name, &Timestamps { last_access: epoch, last_modification: epoch }, AtFlags::SYMLINK_NOFOLLOW)
}

/// `setfattr -n trusted.overlay.opaque -v y dir`
pub(super) fn make_opaque(dir: impl AsFd) -> Result<()> {
    fsetxattr(dir, "trusted.overlay.opaque", b"y", XattrFlags::empty())
}

/// Whether an extended attribute of an archive is kept: neither overlayfs' own, nor labels that only mean something to
/// the host that made them.
pub(super) fn keeps_attribute(name: &[u8]) -> bool {
    let left_out: [&[u8]; 5] =
        [b"trusted.overlay.", b"user.overlay.", b"security.selinux", b"security.ima", b"security.evm"];
    !left_out.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_names_mean_what_the_image_spec_says() {
        let of = |name: &'static str| meaning(OsStr::new(name));
        assert_eq!(of("x.wh.").unwrap(), Meaning::Plain);
        assert_eq!(of(".wh.x").unwrap(), Meaning::Hides(OsStr::new("x")));
        assert_eq!(of(".wh.…").unwrap(), Meaning::Hides(OsStr::new("…")));
        assert_eq!(of(".wh..wh..opq").unwrap(), Meaning::Opaque);
        assert_eq!(of(".wh..wh.plnk").unwrap(), Meaning::Ignored);
        for bad in [".wh.", ".wh..", ".wh..."] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pure_attributes_of_overlayfs_are_left_out() {
        assert!(keeps_attribute(b"security.capability") && keeps_attribute(b"user.overlayish"));
        assert!(!keeps_attribute(b"trusted.overlay.redirect") && !keeps_attribute(b"user.overlay.whiteout"));
    }
}
