//! A host: what one Pontoon looks after.
//!
//! ```text
//! root   /var/lib/pontoon   what lasts: containers/ names/ networks/ images/ scratch/
//! state  /run/pontoon       what dies with the kernel: boot lock containers/ names/ networks/ rootfs/
//! config /etc/pontoon/config.toml   how its owner wants it
//! netns, mount namespace, cgroup parent: those of the caller
//! ```
//!
//! Two hosts with directories, namespaces and cgroup parents of their own do not know of each other; a test makes as
//! many as it likes. The state directory is stamped with the kernel's boot id: another id means that all of it is
//! about kernel objects that are gone, so it is swept before anything is believed.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::config::Config;
use crate::files;
use crate::lock::Lock;

/// Directories of what dies with the kernel.
const IN_STATE: [&str; 4] = ["containers", "names", "networks", "rootfs"];

/// The directories and the cgroup parent of one Pontoon.
#[derive(Debug, Clone)]
pub struct Host {
    /// What lasts (`/var/lib/pontoon`).
    pub root: PathBuf,
    /// What dies with the kernel (`/run/pontoon`).
    pub state: PathBuf,
    /// The cgroup under which containers get theirs, relative to the hierarchy's root.
    pub cgroup_parent: String,
    /// The settings, from `/etc/pontoon/config.toml`.
    pub config: Arc<Config>,
}

impl Host {
    /// The host, as it is: nothing is made.
    ///
    /// # Errors
    /// A sentence when the caller is not root, and so may not even look, or when the settings are wrong.
    pub fn at(root: &Path, state: &Path, cgroup_parent: &str, config: &Path) -> Result<Host> {
        if !nix::unistd::geteuid().is_root() {
            bail!("pontoon makes namespaces, mounts and network devices, which needs root: try sudo");
        }
        Ok(Host {
            root: absolute(root)?,
            state: absolute(state)?,
            cgroup_parent: cgroup_parent.to_owned(),
            config: Arc::new(Config::read(config)?),
        })
    }

    /// Makes the directories where they are missing.
    ///
    /// # Errors
    /// A sentence when the caller is not root or may not write there.
    pub fn open(root: &Path, state: &Path, cgroup_parent: &str, config: &Path) -> Result<Host> {
        let host = Host::at(root, state, cgroup_parent, config)?;
        for directory in [&host.root, &host.state] {
            ensure_directory(directory)?;
        }
        Lock::ensure_file(&host.state.join("lock"))?;
        for (parent, names) in
            [(&host.root, ["containers", "names", "networks", "scratch"].as_slice()), (&host.state, &IN_STATE)]
        {
            for name in names {
                ensure_directory(&parent.join(name))?;
            }
        }
        Ok(host)
    }

    /// The empty directory that every container's root is mounted on, each in a mount namespace of its own.
    pub fn mount_point(&self) -> PathBuf {
        self.state.join("rootfs")
    }

    /// The lock that is taken first of all: names, and the making and removing of containers.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub fn lock(&self) -> Result<Lock> {
        Lock::wait(&self.state.join("lock"), crate::lock::Byte::Operation)
    }

    /// Whether the state is about a kernel that has gone: the stamp names another boot, or none.
    ///
    /// # Errors
    /// When the stamp or the kernel's boot id cannot be read: then nothing is known, and nothing may be swept.
    pub fn is_stale(&self) -> Result<bool> {
        let path = self.state.join("boot");
        match fs::read_to_string(&path) {
            Ok(stamp) => Ok(stamp != boot_id()?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Empties the state directory and stamps it with this boot. The caller holds the host's lock.
    ///
    /// # Errors
    /// What the kernel says, with the path.
    pub fn begin_boot(&self) -> Result<()> {
        for name in IN_STATE {
            remove_tree(&self.state.join(name))?;
            ensure_directory(&self.state.join(name))?;
        }
        files::replace(&self.state.join("boot"), boot_id()?.as_bytes(), files::Durability::UntilReboot)
    }
}

fn boot_id() -> Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").context("cannot read the kernel's boot id")
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot use {} as a directory", path.display()))
}

/// mkdir -p, with 0700 for what is new: nobody but root may look into other people's containers.
///
/// # Errors
/// What the kernel says, with the path.
pub fn ensure_directory(path: &Path) -> Result<()> {
    const TRIES: usize = 8;
    let make = || DirBuilder::new().recursive(true).mode(0o700).create(path);
    // It was there, and gone when it was looked at: somebody is just removing it.
    let removed = |error: &std::io::Error| error.kind() == ErrorKind::AlreadyExists && !path.exists();
    let made = (0..TRIES).map(|_| make()).find(|made| !made.as_ref().is_err_and(removed));
    made.unwrap_or_else(make).with_context(|| format!("cannot make the directory {}", path.display()))
}

/// rm -rf; absence is forgiven, and so is somebody who just put a file there.
///
/// # Errors
/// What the kernel says, with the path.
pub fn remove_tree(path: &Path) -> Result<()> {
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => return Ok(()),
        }
    }
    bail!("cannot remove {}: somebody keeps putting files there", path.display())
}

/// Whether something is there. An error is not an absence: who takes it for one removes what is in use.
///
/// # Errors
/// What the kernel says, with the path.
pub fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().with_context(|| format!("cannot look for {}", path.display()))
}

/// Opens a directory for `*at` calls.
///
/// # Errors
/// What the kernel says, with the path.
pub fn open_directory(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open the directory {}", path.display()))
}
