//! Where containers are kept, and how one is found.
//!
//! ```text
//! <root>/containers/<id>/   record.json exit.json log upper/ work/       of lasting containers
//! <root>/scratch/<id>/                  log upper/ work/                 of --rm containers
//! <state>/containers/<id>/  lock state.json journal control hosts hostname resolv.conf (record.json of --rm)
//! <root>/names/<name> -> <id>   <state>/names/<name> -> <id>             whose record lies in that tree
//! ```
//!
//! A name is made before the record and removed after it: one that leads to no record is a leftover and forgiven.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::record::Record;
use super::state::{State, Status};
use crate::files::{self, Durability};
use crate::host::{self, Host};
use crate::lock::{Byte, Lock};

/// Exit code of a run whose end nobody saw, as Docker's.
const UNKNOWN: i32 = 255;

/// All containers of a host.
#[derive(Debug, Clone, Copy)]
pub struct Containers<'a> {
    host: &'a Host,
}

/// One container: its record and its directories.
#[derive(Debug, Clone)]
pub struct Container {
    /// The host that it lives on.
    pub host: Host,
    /// What was asked for.
    pub record: Record,
}

impl<'a> Containers<'a> {
    /// The containers of `host`.
    pub fn of(host: &'a Host) -> Self {
        Containers { host }
    }

    /// Records a new container under its name; with `starting` its life is taken before anybody can see it, so that
    /// no other command takes it for the remains of a crash. `store` is the host's lock.
    ///
    /// # Errors
    /// Docker's "Conflict" sentence when the name is taken.
    pub fn create(&self, store: &Lock, record: Record, starting: bool) -> Result<(Container, Option<Lock>)> {
        let container = Container { host: self.host.clone(), record };
        self.check_free(&container.record.name)?;
        match container.write_new(starting) {
            Ok(life) => Ok((container, life)),
            Err(error) => {
                let _ = container.remove_record(store).and_then(|()| container.remove_files());
                Err(error)
            }
        }
    }

    /// Whether nobody has the name.
    ///
    /// # Errors
    /// Docker's "Conflict" sentence.
    pub fn check_free(&self, name: &str) -> Result<()> {
        match self.by_name(name)? {
            None => Ok(()),
            Some(holder) => bail!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". \
                 You have to remove (or rename) that container to be able to reuse that name."
            ),
        }
    }

    /// Finds a container by full id, name, or unique prefix of its id.
    ///
    /// # Errors
    /// `No such container`, or an ambiguous prefix, or a corrupted record.
    pub fn find(&self, word: &str) -> Result<Container> {
        self.lookup(word)?.ok_or_else(|| anyhow!("No such container: {word}"))
    }

    /// As [`Containers::find`], with `None` for a container that is not there.
    ///
    /// # Errors
    /// An ambiguous prefix, or a corrupted record.
    pub fn lookup(&self, word: &str) -> Result<Option<Container>> {
        let word = word.strip_prefix('/').unwrap_or(word);
        if let Some(container) = self.load(word)? {
            return Ok(Some(container));
        }
        if let Some(id) = self.by_name(word)? {
            return self.load(&id);
        }
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut matches = self.ids()?;
        matches.retain(|id| id.starts_with(word));
        match matches.as_slice() {
            [] => Ok(None),
            [id] => self.load(id),
            several => bail!("the id prefix {word} is ambiguous: {} containers match", several.len()),
        }
    }

    /// Every container, newest last; a record that cannot be read is an error in its place.
    ///
    /// # Errors
    /// When the directories cannot be read.
    pub fn list(&self) -> Result<Vec<Result<Container>>> {
        let mut all: Vec<Result<Container>> = self.ids()?.iter().filter_map(|id| self.load(id).transpose()).collect();
        all.sort_by(|a, b| match (a, b) {
            (Ok(a), Ok(b)) => (&a.record.created, &a.record.id).cmp(&(&b.record.created, &b.record.id)),
            (a, b) => a.is_ok().cmp(&b.is_ok()),
        });
        Ok(all)
    }

    /// Ids of everything that has a directory, with or without a record.
    ///
    /// # Errors
    /// When the directories cannot be read.
    pub fn ids(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for directory in [self.host.root.join("containers"), self.host.state.join("containers")] {
            ids.extend(names_in(&directory)?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Loads the container of a full id; `None` when it has no record.
    ///
    /// # Errors
    /// A corrupted record, or one of a newer version.
    pub fn load(&self, id: &str) -> Result<Option<Container>> {
        if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        for tree in [&self.host.state, &self.host.root] {
            if let Some(record) = files::read_json(&tree.join("containers").join(id).join("record.json"))? {
                return Ok(Some(Container { host: self.host.clone(), record }));
            }
        }
        Ok(None)
    }

    /// Removes a name that leads to no record. Under the host's lock, as somebody may be taking it at this moment.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove_stale_name(&self, _store: &Lock, name: &str) -> Result<()> {
        if super::naming::check(name).is_err() || self.by_name(name)?.is_some() {
            return Ok(());
        }
        remove_file(&self.host.state.join("names").join(name))?;
        remove_file(&self.host.root.join("names").join(name))
    }

    /// The id behind a name, if a record of that name stands behind it: a rename that was killed leaves a link to a
    /// container of another name. Of a record that cannot be read nobody knows better.
    fn by_name(&self, name: &str) -> Result<Option<String>> {
        if super::naming::check(name).is_err() {
            return Ok(None);
        }
        for tree in [&self.host.state, &self.host.root] {
            let Some(id) = target(&tree.join("names").join(name))? else { continue };
            let id = id.to_string_lossy().into_owned();
            let path = tree.join("containers").join(&id).join("record.json");
            match files::read_json::<Record>(&path) {
                Ok(Some(record)) if record.name != name => {}
                Ok(None) => {}
                _ => return Ok(Some(id)),
            }
        }
        Ok(None)
    }
}

impl Container {
    /// Directory of what dies with the kernel.
    pub fn state_dir(&self) -> PathBuf {
        self.host.state.join("containers").join(&self.record.id)
    }

    /// Directory on disk: writable layer and log.
    pub fn disk_dir(&self) -> PathBuf {
        let tree = if self.record.auto_remove { "scratch" } else { "containers" };
        self.host.root.join(tree).join(&self.record.id)
    }

    /// The file of the container's output.
    pub fn log_path(&self) -> PathBuf {
        self.disk_dir().join("log")
    }

    /// The journal of what was made for one of its networks, by the network's id, or for its way out: `outlet`.
    pub fn journal_of(&self, what: &str) -> PathBuf {
        self.state_dir().join(format!("journal.{what}"))
    }

    /// The journal of what was made whatever it is attached to: its network namespace.
    pub fn journal_path(&self) -> PathBuf {
        self.state_dir().join("journal")
    }

    /// Whether its monitor lives: asked of the kernel.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn is_supervised(&self) -> Result<bool> {
        Lock::is_held(&self.state_dir().join("lock"), Byte::Life)
    }

    /// The state directory with its lock, where a reboot has swept it. Somebody may remove the container meanwhile, so
    /// once the lock is held [`Container::check_recorded`] has the last word.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn ensure_state_dir(&self) -> Result<()> {
        host::ensure_directory(&self.state_dir())?;
        Lock::ensure_file(&self.state_dir().join("lock"))
    }

    /// Whether the record is still there, now that the caller holds a lock; if not, the lock's directory goes, too.
    ///
    /// # Errors
    /// `No such container`, or what the kernel says.
    pub fn check_recorded(&self) -> Result<()> {
        if self.is_recorded()? { Ok(()) } else { bail!("No such container: {}", self.record.name) }
    }

    /// The same as a question.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn is_recorded(&self) -> Result<bool> {
        let recorded = host::is_there(&self.record_path())?;
        if !recorded {
            host::remove_tree(&self.state_dir())?;
        }
        Ok(recorded)
    }

    /// Whether its life is held, but what it was held for is over: the monitor is clearing away.
    ///
    /// # Errors
    /// As [`Container::state`].
    pub fn is_ending(&self) -> Result<bool> {
        let over = !matches!(self.state()?.status, Status::Starting | Status::Running);
        Ok(over && self.is_supervised()?)
    }

    /// The short lock under which a container is started, put right or removed.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub fn lock_operation(&self) -> Result<Lock> {
        Lock::wait(&self.state_dir().join("lock"), Byte::Operation)
    }

    /// The lock of its life; `None` while a monitor holds it.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub fn take_life(&self) -> Result<Option<Lock>> {
        Lock::try_take(&self.state_dir().join("lock"), Byte::Life)
    }

    /// Waits until its monitor has gone, and takes its place.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub fn await_life(&self) -> Result<Lock> {
        Lock::wait(&self.state_dir().join("lock"), Byte::Life)
    }

    /// What the files say; a container without a state has never run since boot.
    ///
    /// # Errors
    /// A corrupted file, or one of a newer version.
    pub fn state(&self) -> Result<State> {
        match files::read_json(&self.state_dir().join("state.json")) {
            Ok(Some(state)) => return Ok(state),
            Ok(None) => {}
            Err(error) if matches!(error.downcast_ref(), Some(files::Unusable::Corrupted { .. })) => {
                return self.guess();
            }
            Err(error) => return Err(error),
        }
        match files::read_json(&self.disk_dir().join("exit.json")) {
            Ok(state) => Ok(state.unwrap_or_default()),
            // It is written without fsync, so a power cut may leave it empty; it ran, that is all there is to know.
            Err(_) => Ok(State { status: Status::Exited, exit_code: UNKNOWN, ..State::default() }),
        }
    }

    /// The file is a hint; without it the kernel says whether the container lives. Whatever it was, it is to be cleared
    /// away like a start that never said what it had made.
    fn guess(&self) -> Result<State> {
        let status = if self.is_supervised()? { Status::Running } else { Status::Starting };
        Ok(State { version: files::VERSION, status, exit_code: UNKNOWN, ..State::default() })
    }

    /// Says where the container is in its life.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_state(&self, state: &State) -> Result<()> {
        files::write_json(&self.state_dir().join("state.json"), state, Durability::UntilReboot)
    }

    /// Says beforehand how this run will have ended if the host dies under it: 255, as Docker calls it. Of one that
    /// vanishes with its end nobody will ask.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_fate(&self, running: &State) -> Result<()> {
        if self.record.auto_remove {
            return Ok(());
        }
        let started = running.started.clone();
        let fate = State {
            version: files::VERSION,
            status: Status::Exited,
            exit_code: UNKNOWN,
            finished: started.clone(),
            started,
            ..State::default()
        };
        files::write_json(&self.disk_dir().join("exit.json"), &fate, Durability::UntilReboot)
    }

    /// Whether an earlier run has ended.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn has_ended_before(&self) -> Result<bool> {
        host::is_there(&self.disk_dir().join("exit.json"))
    }

    /// Forgets what a run that never came to be said of itself.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget_run(&self) -> Result<()> {
        remove_file(&self.state_dir().join("state.json"))
    }

    /// Says how the last run ended: what stays when the state directory is swept.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_exit(&self, state: &State) -> Result<()> {
        files::write_json(&self.disk_dir().join("exit.json"), state, Durability::UntilReboot)?;
        remove_file(&self.state_dir().join("state.json"))
    }

    /// Removes its files, once the record is gone. That may take a while, and a crash leaves only leftovers.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove_files(&self) -> Result<()> {
        host::remove_tree(&self.disk_dir())?;
        host::remove_tree(&self.state_dir())
    }

    /// Removes record and name: from here on there is no such container, only files. Under the host's lock, as
    /// somebody may be taking the name at this moment.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove_record(&self, _store: &Lock) -> Result<()> {
        // Somebody may have renamed it since the caller read the record.
        let named = self.reload();
        remove_file(&self.record_path())?;
        named.as_ref().unwrap_or(self).remove_name()
    }

    fn remove_name(&self) -> Result<()> {
        let link = self.name_path();
        match target(&link)? {
            Some(id) if id == Path::new(&self.record.id) => remove_file(&link),
            _ => Ok(()),
        }
    }

    fn tree(&self) -> &Path {
        if self.record.auto_remove { &self.host.state } else { &self.host.root }
    }

    fn record_path(&self) -> PathBuf {
        self.tree().join("containers").join(&self.record.id).join("record.json")
    }

    /// The link of its name.
    pub(super) fn name_path(&self) -> PathBuf {
        self.tree().join("names").join(&self.record.name)
    }

    /// Name, directories, state, record: in this order, so that a record always has the rest.
    fn write_new(&self, starting: bool) -> Result<Option<Lock>> {
        let name = self.name_path();
        remove_file(&name)?;
        symlink(&self.record.id, &name).with_context(|| format!("cannot write {}", name.display()))?;
        self.ensure_state_dir()?;
        for directory in ["upper", "work"] {
            host::ensure_directory(&self.disk_dir().join(directory))?;
        }
        make_traversable(&self.disk_dir().join("upper"))?;
        let life = if starting { self.take_life()? } else { None };
        if starting {
            self.write_starting()?;
        }
        self.write_record()?;
        Ok(life)
    }

    /// Writes the record: from here on there is such a container, under that name.
    pub(super) fn write_record(&self) -> Result<()> {
        let durability = if self.record.auto_remove { Durability::UntilReboot } else { Durability::Lasting };
        files::write_json(&self.record_path(), &self.record, durability)
    }

    /// Says that a command is about to start it: the intent, before anything is made.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_starting(&self) -> Result<()> {
        self.write_state(&State { version: files::VERSION, status: Status::Starting, ..State::default() })
    }
}

/// The upper directory is what the container sees as `/`: 0755 as in every image.
fn make_traversable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

/// readlink(2); `None` when there is no such link.
fn target(link: &Path) -> Result<Option<PathBuf>> {
    match fs::read_link(link) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", link.display())),
    }
}

/// unlink(2) that forgives absence.
///
/// # Errors
/// What the kernel says, with the path.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The journals in a state directory. The way out goes before the networks, and they before the namespace.
///
/// # Errors
/// What the kernel says, with the path.
pub fn journals_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut names = names_in(directory)?;
    names.retain(|name| name == "journal" || name.starts_with("journal.") && !name.ends_with(".new"));
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names.iter().map(|name| directory.join(name)).collect())
}

/// Names of a directory's entries; none when it is not there.
///
/// # Errors
/// What the kernel says, with the path.
pub fn names_in(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", directory.display())),
    };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("cannot read {}", directory.display()))
}
