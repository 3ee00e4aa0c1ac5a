//! Another record for a container: another name, other networks.
//!
//! A new name comes so that at every moment exactly one of the two leads to it.
//!
//! ```text
//! link NEW -> id      leads nowhere yet: the record says OLD
//! record says NEW     from here on NEW is the name, and OLD leads nowhere
//! OLD goes
//! ```
//!
//! A link counts only if the record behind it says the same name, so a crash in between leaves a leftover, no second name.

use std::os::unix::fs::symlink;

use anyhow::{Context, Result, bail};

use super::naming;
use super::record::{Network, Record};
use super::store::{Container, Containers, remove_file};
use crate::lock::Lock;

impl Container {
    /// Gives the container another name. `store` is the host's lock. Who runs it is to be told afterwards.
    ///
    /// # Errors
    /// Docker's sentences: no name, the same name, a name that is taken. After any other error the record says which
    /// name it has.
    pub fn rename(&self, store: &Lock, name: &str) -> Result<()> {
        let current = self.reload()?;
        if current.record.name == name {
            bail!("Renaming a container with the same name as its current name");
        }
        naming::check(name)?;
        Containers::of(&self.host).check_free(name)?;
        Containers::of(&self.host).remove_stale_name(store, name)?;
        let record = Record { name: name.to_owned(), ..current.record.clone() };
        let renamed = Container { host: self.host.clone(), record };
        let link = renamed.name_path();
        symlink(&renamed.record.id, &link).with_context(|| format!("cannot write {}", link.display()))?;
        let written = renamed.write_record();
        // A record that could not be synced to the disk has its new name all the same: what it says decides.
        let is_renamed = written.is_ok() || self.reload().is_ok_and(|now| now.record.name == name);
        let leftover = if is_renamed { current.name_path() } else { link };
        remove_file(&leftover).and(written)
    }

    /// Changes how the container is to be connected; gives the container as it is then. `store` is the host's lock. Who
    /// runs it is to be told afterwards.
    ///
    /// # Errors
    /// Those of `change`, and nothing is written then; a disk that does not take it.
    pub fn reconnect(&self, _store: &Lock, change: impl FnOnce(&mut Network) -> Result<()>) -> Result<Container> {
        let mut now = self.reload()?;
        change(&mut now.record.network)?;
        now.write_record()?;
        Ok(now)
    }

    /// The container as its record says it now: it may have got another name since.
    ///
    /// # Errors
    /// `No such container`, or a corrupted record.
    pub fn reload(&self) -> Result<Container> {
        match Containers::of(&self.host).load(&self.record.id)? {
            Some(container) => Ok(container),
            None => bail!("No such container: {}", self.record.name),
        }
    }
}
