//! Paths that cannot leave the container's root.
//!
//! ```text
//! "/etc/hosts" ── openat2(root, RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS) ──> a descriptor below the root, or an error
//! ```
//!
//! An image may hold `/etc -> /host/etc` or `/dev -> ../../..`. The kernel resolves every link as if the root were `/`,
//! so the worst that a link can do is to point elsewhere inside the image. What is found is used by descriptor, never
//! by a path that could be changed between check and use.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags, ResolveFlags, fstatfs, mkdirat, openat2, readlinkat};
use rustix::io::Errno;

/// Links followed by hand, as the kernel's own limit (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// The container's root directory, held by descriptor.
#[derive(Debug)]
pub struct Root {
    descriptor: OwnedFd,
}

impl Root {
    /// openat2(2) below the root, following links as the container will see them.
    ///
    /// # Errors
    /// What the kernel says: ENOENT, ELOOP for a magic link, EXDEV never.
    pub fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let path = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        loop {
            // EAGAIN: somebody renamed a directory on the way, so the kernel could not prove that we stayed inside.
            match openat2(&self.descriptor, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// The directory at `path`, with mkdir(2) for each part that is missing.
    ///
    /// # Errors
    /// A sentence with the path, when a part is no directory or cannot be made.
    pub fn ensure_directory(&self, path: &Path) -> Result<OwnedFd> {
        self.ensure_behind_links(path, MOST_LINKS)
    }

    /// A link that leads to nothing yet is followed by hand, so that its target is made, inside: as Docker does.
    fn ensure_behind_links(&self, path: &Path, links: u32) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open(path, flags) {
            Err(Errno::NOENT) => {}
            other => {
                return other.with_context(|| format!("cannot open the directory {} in the container", path.display()));
            }
        }
        let (above, name) = split(path)?;
        let parent = self.ensure_behind_links(above, links)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {}
            Err(Errno::EXIST) if links > 0 => {
                if let Ok(target) = readlinkat(&parent, name, Vec::new()) {
                    return self
                        .ensure_behind_links(&flat(&above.join(OsStr::from_bytes(target.as_bytes()))), links - 1);
                }
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {} in the container", path.display()));
            }
        }
        self.open(path, flags).with_context(|| format!("cannot open {} in the container", path.display()))
    }

    /// The file at `path`, made empty where it is missing, opened as O_PATH.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn ensure_file(&self, path: &Path) -> Result<OwnedFd> {
        self.ensure_file_behind_links(path, MOST_LINKS)
    }

    /// An image's /etc/resolv.conf may well lead to a file in /run that is not there yet.
    fn ensure_file_behind_links(&self, path: &Path, links: u32) -> Result<OwnedFd> {
        match self.open(path, OFlags::PATH) {
            Err(Errno::NOENT) => {}
            other => return other.with_context(|| format!("cannot open {} in the container", path.display())),
        }
        let (above, name) = split(path)?;
        let parent = self.ensure_behind_links(above, links)?;
        if links > 0
            && let Ok(target) = readlinkat(&parent, name, Vec::new())
        {
            return self.ensure_file_behind_links(&flat(&above.join(OsStr::from_bytes(target.as_bytes()))), links - 1);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK;
        self.open(path, flags).with_context(|| format!("cannot make {} in the container", path.display()))?;
        self.open(path, OFlags::PATH).with_context(|| format!("cannot open {} in the container", path.display()))
    }

    /// The same root after something was mounted over it, found by its path on the host.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn reopen(path: &Path) -> Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())
            .with_context(|| format!("cannot open the root directory {}", path.display()))?;
        Ok(Root { descriptor })
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The path without `..`, each of which takes the part before it away (and none leads above the root).
fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(flat.pop()),
            Component::Normal(name) => flat.push(name),
            _ => {}
        }
    }
    flat
}

/// Whether the file behind `descriptor` lies in procfs (statfs(2) f_type PROC_SUPER_MAGIC).
pub fn is_proc(descriptor: impl AsFd) -> bool {
    fstatfs(descriptor).is_ok_and(|stat| stat.f_type == 0x9fa0)
}

fn split(path: &Path) -> Result<(&Path, &OsStr)> {
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => Ok((parent, name)),
        _ => bail!("{} does not name anything below the container's root", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root(directory: &Path) -> Result<Root> {
        Root::reopen(directory)
    }

    #[test]
    fn links_out_stay_inside() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let outside = tempfile::tempdir()?;
        let image = directory.path();
        symlink(outside.path(), image.join("etc"))?;
        symlink("../../../../../../../..", image.join("up"))?;
        std::fs::create_dir(image.join("real"))?;
        let root = root(image)?;
        root.ensure_file(Path::new("/etc/hosts"))?;
        assert_eq!(std::fs::read_dir(outside.path())?.count(), 0);
        assert!(image.join(outside.path().strip_prefix("/")?).join("hosts").exists());
        symlink("../run/systemd/stub.conf", image.join("real/resolv.conf"))?;
        root.ensure_file(Path::new("/real/resolv.conf"))?;
        assert!(image.join("run/systemd/stub.conf").exists());
        root.ensure_file(Path::new("/up/real/file"))?;
        assert!(image.join("real/file").exists());
        Ok(())
    }

    #[test]
    fn directories_are_made_part_by_part() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let root = root(directory.path())?;
        root.ensure_directory(Path::new("/a/b/c"))?;
        root.ensure_directory(Path::new("/a/b/c"))?;
        assert!(directory.path().join("a/b/c").is_dir());
        root.ensure_directory(Path::new("/"))?;
        Ok(())
    }

    #[test]
    fn a_file_in_the_way_is_a_sentence() -> Result<()> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("a"), "")?;
        let error = root(directory.path())?.ensure_directory(Path::new("/a/b")).unwrap_err();
        assert!(format!("{error:#}").contains("/a"), "{error:#}");
        Ok(())
    }
}
