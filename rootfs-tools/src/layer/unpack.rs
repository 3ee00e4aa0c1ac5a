//! Entries become files: every call is relative to a descriptor, and nothing an archive says can move that.
//!
//! ```text
//!   a/b/c   parent  openat2(root, "a/b", RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)     a link a -> / is our root's "/"
//!           name    openat(parent, "c", O_CREAT | O_EXCL | O_NOFOLLOW), mkdirat, …    never follows, never reuses
//!           owner   fchown, then fchmod (chown clears setuid), then attributes (chown clears security.capability)
//!           time    files at once, directories at the very end: every new entry would change them again
//! ```
//!
//! Of two entries with one name the last wins; only two directories become one. What has to go is removed by name, never
//! written through. Parents that an archive does not mention are made with mode 0755, as of 1970. A hard link takes no owner and mode
//! of its own: it is the file that it points to.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufRead;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid, XattrFlags,
};
use rustix::fs::{chmodat, chownat, fchmod, fchown, fsetxattr, fsync, futimens, linkat, lsetxattr, mkdirat, mknodat};
use rustix::fs::{makedev, openat, openat2, statat, symlinkat, syncfs, utimensat};
use rustix::io::Errno;

use super::archive::{Archive, Entry, Kind, Time, refuse};
use super::aside::{Aside, Dir};
use super::limits;
use super::path::{EntryPath, lossy};
use super::room::Room;
use super::skeleton::Recorder;
use super::sparse::Segment;
use super::whiteout::{self, Meaning};
use crate::error::{Doing, Error};

/// With more files than this one syncfs(2) is cheaper than an fsync(2) for each.
const FEW_FILES: usize = 64;

/// Makes a layer below one directory.
pub(super) struct Unpacker {
    root: Rc<Dir>,
    /// The directory that was used last: neighbours in an archive are neighbours in the tree.
    recent: Option<(EntryPath, Rc<Dir>)>,
    aside: Aside,
    times: Times,
    unsynced: Unsynced,
    room: Room,
    bytes: u64,
}

/// Regular files whose data may not be on the disk yet.
enum Unsynced {
    Few(Vec<File>),
    Many,
}

impl Unpacker {
    /// Unpacks into `root`; what an archive replaces of its own moves into its skeleton.
    pub(super) fn new(root: OwnedFd, skeleton: &Path) -> Unpacker {
        let root = Dir::new(root);
        let aside = Aside::new(&root, skeleton);
        let unsynced = Unsynced::Few(Vec::new());
        let (times, room) = (Times::default(), Room::default());
        Unpacker { root: Rc::new(root), recent: None, aside, times, unsynced, room, bytes: 0 }
    }

    /// Makes what the entry describes, reading its data from the archive.
    pub(super) fn entry<R: BufRead>(&mut self, entry: &Entry, archive: &mut Archive<Recorder<R>>) -> Result<(), Error> {
        let Some((parent, name)) = entry.path.split() else { return self.root_entry(entry) };
        let meaning = whiteout::meaning(name)?;
        if meaning == Meaning::Ignored {
            return Ok(());
        }
        let dir = self.parent(&parent)?;
        match meaning {
            Meaning::Opaque => whiteout::make_opaque(&dir).doing(|| format!("make {parent} opaque")),
            Meaning::Hides(name) => whiteout::hide(&dir, name).doing(|| format!("make the whiteout {}", entry.path)),
            _ => self.place(&dir, name, entry, archive),
        }
    }

    /// Sets the times of directories, waits for the disk, and answers the bytes of all files.
    pub(super) fn finish(self) -> Result<u64, Error> {
        // The root's own time, unless the archive says one.
        let root = (EntryPath::root(), Time::default());
        for (path, time) in std::iter::once(&root).chain(&self.times.list) {
            // A later entry may have replaced the directory: then there is no time to set.
            if let Ok(dir) = self.open(path, OFlags::NOFOLLOW) {
                futimens(&dir, &timestamps(*time)).doing(|| format!("set the time of {path}"))?;
            }
        }
        let sync = || "write the layer to the disk".to_string();
        match &self.unsynced {
            Unsynced::Many => syncfs(&self.root).doing(sync)?,
            Unsynced::Few(files) => files.iter().try_for_each(File::sync_all).doing(sync)?,
        }
        // Changed last, the root's own fsync brings the journal up to here: directories and links included.
        futimens(&self.root, &access_now()).doing(sync)?;
        fsync(&self.root).doing(sync)?;
        Ok(self.bytes)
    }

    fn root_entry(&mut self, entry: &Entry) -> Result<(), Error> {
        if entry.kind != Kind::Directory {
            return Err(Error::Archive("its root is not a directory".into()));
        }
        let root = Rc::clone(&self.root);
        self.describe(&root, entry)?;
        self.times.push(entry.path.clone(), entry.mtime)
    }

    fn place<R: BufRead>(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        entry: &Entry,
        archive: &mut Archive<Recorder<R>>,
    ) -> Result<(), Error> {
        match &entry.kind {
            Kind::File { size, segments } => self.file(dir, name, entry, archive, (*size, segments.as_deref())),
            Kind::Directory => self.directory(dir, name, entry, archive),
            Kind::Symlink { target } => {
                self.create((dir, name), entry, archive, || symlinkat(OsStr::from_bytes(target), dir, name))?;
                self.describe_at(dir, name, entry)
            }
            Kind::Hardlink { target } => self.hardlink((dir, name), entry, archive, target),
            Kind::Fifo => self.node((dir, name), entry, archive, (FileType::Fifo, 0)),
            Kind::Device { block: true, major, minor } => {
                self.node((dir, name), entry, archive, (FileType::BlockDevice, makedev(*major, *minor)))
            }
            Kind::Device { block: false, major, minor } => {
                self.node((dir, name), entry, archive, (FileType::CharacterDevice, makedev(*major, *minor)))
            }
        }
    }

    fn file<R: BufRead>(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        entry: &Entry,
        archive: &mut Archive<Recorder<R>>,
        (size, segments): (u64, Option<&[Segment]>),
    ) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file: File =
            self.create((dir, name), entry, archive, || openat(dir, name, flags, Mode::RUSR | Mode::WUSR))?.into();
        let stored = segments.map_or(size, |segments| segments.iter().map(|segment| segment.length).sum());
        self.room.take(&self.root, stored, || entry.path.to_string())?;
        let place = self.aside.place(dir, name, &entry.path);
        for segment in segments.unwrap_or(&[Segment { offset: 0, length: size }]) {
            archive.stored(&place, segment.offset, segment.length);
            write(&file, *segment, archive, &entry.path)?;
        }
        if segments.is_some() {
            file.set_len(size).doing(|| format!("set the size of {}", entry.path))?;
        }
        self.describe(&file, entry)?;
        futimens(&file, &timestamps(entry.mtime)).doing(|| format!("set the time of {}", entry.path))?;
        self.bytes += stored;
        self.unsynced.add(file);
        Ok(())
    }

    fn directory<R: BufRead>(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        entry: &Entry,
        archive: &mut Archive<Recorder<R>>,
    ) -> Result<(), Error> {
        let make = || match mkdirat(dir, name, Mode::RWXU) {
            // Two directories become one; anything else at that name is replaced.
            Err(Errno::EXIST) if is_directory(dir, name)? => Ok(()),
            other => other,
        };
        self.create((dir, name), entry, archive, make)?;
        let made = open_below(dir, name).doing(|| format!("open {}", entry.path))?;
        self.describe(&made, entry)?;
        self.times.push(entry.path.clone(), entry.mtime)?;
        self.recent = Some((entry.path.clone(), Rc::new(Dir::new(made))));
        Ok(())
    }

    fn hardlink<R: BufRead>(
        &mut self,
        (dir, name): (&Dir, &OsStr),
        entry: &Entry,
        archive: &mut Archive<Recorder<R>>,
        target: &EntryPath,
    ) -> Result<(), Error> {
        let missing = || Error::Archive(format!("the hard link {} points to {target}, which is not there", entry.path));
        let (parent, target_name) = target.split().ok_or_else(missing)?;
        let from = self.open(&parent, OFlags::empty()).map_err(|_| missing())?;
        let there = statat(&from, target_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|_| missing())?;
        let link = || match linkat(&from, target_name, dir, name, AtFlags::empty()) {
            // A link to itself, under one spelling or two: removing "the old one" would remove the file.
            Err(Errno::EXIST) if is_inode(dir, name, there.st_dev, there.st_ino)? => Ok(()),
            other => other,
        };
        self.create((dir, name), entry, archive, link)
    }

    /// `mknod`; the mode is set afterwards, because mknod(2) applies the umask.
    fn node<R: BufRead>(
        &mut self,
        (dir, name): (&Dir, &OsStr),
        entry: &Entry,
        archive: &mut Archive<Recorder<R>>,
        (kind, device): (FileType, u64),
    ) -> Result<(), Error> {
        self.create((dir, name), entry, archive, || mknodat(dir, name, kind, Mode::empty(), device))?;
        self.describe_at(dir, name, entry)
    }

    /// Runs a call that makes the entry and nothing else; if something is in the way, removes that and tries again.
    fn create<R: BufRead, T>(
        &mut self,
        (dir, name): (&Dir, &OsStr),
        entry: &Entry,
        archive: &mut Archive<Recorder<R>>,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T, Error> {
        let made = match make() {
            Err(Errno::EXIST) => {
                // The directory, or the link that led to it, may be what goes.
                self.recent = None;
                self.aside.clear(dir, name, &entry.path, archive)?;
                make()
            }
            other => other,
        };
        made.doing(|| format!("make {}", entry.path))
    }

    /// Owner, mode and attributes, by descriptor.
    fn describe(&self, made: impl AsFd, entry: &Entry) -> Result<(), Error> {
        let doing = || format!("set owner and mode of {}", entry.path);
        fchown(&made, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))).doing(doing)?;
        fchmod(&made, Mode::from_raw_mode(entry.mode)).doing(doing)?;
        for (name, value) in &entry.xattrs {
            attribute(entry, name, value, |name| fsetxattr(&made, name, value, XattrFlags::empty()))?;
        }
        Ok(())
    }

    /// Owner, mode, attributes and time of what cannot be opened: links, devices, fifos.
    fn describe_at(&self, dir: &Dir, name: &OsStr, entry: &Entry) -> Result<(), Error> {
        let doing = || format!("set owner and mode of {}", entry.path);
        let owner = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
        chownat(dir, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW).doing(doing)?;
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            // Follows no link: we made this very node a moment ago, and nobody else can enter the directory.
            chmodat(dir, name, Mode::from_raw_mode(entry.mode), AtFlags::empty()).doing(doing)?;
        }
        for (attr, value) in &entry.xattrs {
            // lsetxattr follows the magic link to the directory, and not the last component.
            let path = [format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).as_bytes(), name.as_bytes()].concat();
            attribute(entry, attr, value, |attr| lsetxattr(path.as_slice(), attr, value, XattrFlags::empty()))?;
        }
        utimensat(dir, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).doing(doing)
    }

    /// The directory of that name, made if it is missing.
    fn parent(&mut self, path: &EntryPath) -> Result<Rc<Dir>, Error> {
        if path.is_root() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((recent, dir)) = &self.recent
            && recent == path
        {
            return Ok(Rc::clone(dir));
        }
        let dir = Rc::new(Dir::new(self.ensure_dir(path)?));
        self.recent = Some((path.clone(), Rc::clone(&dir)));
        Ok(dir)
    }

    fn ensure_dir(&mut self, path: &EntryPath) -> Result<OwnedFd, Error> {
        match (self.open(path, OFlags::empty()), path.split()) {
            (Err(Errno::NOENT), Some((parent, name))) => {
                // At most 256 levels down: names are no deeper.
                let dir = self.ensure_dir(&parent)?;
                // Not the clock's time: the same bytes give the same directory.
                self.times.push(path.clone(), Time::default())?;
                make_implied(&dir, name).doing(|| format!("make the directory {path}, which the archive implies"))
            }
            (Err(Errno::NOTDIR), _) => {
                Err(Error::Archive(format!("it has an entry below {path}, which is no directory")))
            }
            (Err(Errno::LOOP), _) => {
                Err(Error::Archive(format!("it has an entry below {path}, where links go in a circle")))
            }
            (opened, _) => opened.doing(|| format!("open {path}")),
        }
    }

    /// Opens a directory of the layer. Links on the way are followed as a process in the container would.
    fn open(&self, path: &EntryPath, more: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
        let walls = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root, path.as_path(), flags, Mode::empty(), walls) {
                // A rename anywhere on the machine while ".." of a link is walked (openat2(2)).
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
    }
}

/// Times of directories, which wait for the end; of two for one directory the later one is set later.
#[derive(Default)]
pub(super) struct Times {
    list: Vec<(EntryPath, Time)>,
    bytes: usize,
}

impl Times {
    pub(super) fn push(&mut self, path: EntryPath, time: Time) -> Result<(), Error> {
        self.bytes += path.as_bytes().len() + size_of::<(EntryPath, Time)>();
        if self.bytes > limits::DIRECTORIES {
            return refuse("the names of its directories are longer than 128 MiB together");
        }
        self.list.push((path, time));
        Ok(())
    }
}

impl Unsynced {
    fn add(&mut self, file: File) {
        match self {
            Unsynced::Few(files) if files.len() < FEW_FILES => files.push(file),
            _ => *self = Unsynced::Many,
        }
    }
}

fn write<R: BufRead>(
    file: &File,
    at: Segment,
    archive: &mut Archive<Recorder<R>>,
    path: &EntryPath,
) -> Result<(), Error> {
    let (mut offset, end) = (at.offset, at.offset + at.length);
    while offset < end {
        let data = archive.data()?;
        let count = data.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
        file.write_all_at(&data[..count], offset).doing(|| format!("write {path}"))?;
        archive.consume(count);
        offset += count as u64;
    }
    Ok(())
}

/// One extended attribute. A file system without them loses all but capabilities, which decide what a program may do.
fn attribute(
    entry: &Entry,
    name: &[u8],
    value: &[u8],
    set: impl Fn(&[u8]) -> rustix::io::Result<()>,
) -> Result<(), Error> {
    if !whiteout::keeps_attribute(name) {
        return Ok(());
    }
    if name.contains(&0) || value.len() > limits::XATTR {
        return Err(Error::Archive(format!("{} has an impossible attribute {:?}", entry.path, lossy(name))));
    }
    match set(name) {
        Err(Errno::OPNOTSUPP) if name != b"security.capability" => Ok(()),
        other => other.doing(|| format!("set the attribute {} of {}", lossy(name), entry.path)),
    }
}

/// `mkdir -m 755 name`, and the descriptor of it.
fn make_implied(dir: &OwnedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    mkdirat(dir, name, Mode::RWXU)?;
    let made = open_below(dir, name)?;
    fchmod(&made, Mode::from_raw_mode(0o755))?;
    Ok(made)
}

fn open_below(dir: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn is_directory(dir: &Dir, name: &OsStr) -> rustix::io::Result<bool> {
    let there = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(there.st_mode) == FileType::Directory)
}

fn is_inode(dir: &Dir, name: &OsStr, device: u64, inode: u64) -> rustix::io::Result<bool> {
    let there = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(there.st_dev == device && there.st_ino == inode)
}

fn timestamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

fn access_now() -> Timestamps {
    let nothing = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    Timestamps { last_access: nothing(UTIME_NOW), last_modification: nothing(UTIME_OMIT) }
}
