//! Becoming the program: limits, user, capabilities, seccomp, execve, in the one order that works.
//!
//! ```text
//! account, working directory      from the container's own files
//! rlimits                         after the files are read: few descriptors may be left
//! bounding set down               needs CAP_SETPCAP
//! seccomp                         needs CAP_SYS_ADMIN, as no_new_privs would forbid sudo inside
//! groups, gid, uid (keepcaps)     needs CAP_SETUID, CAP_SETGID
//! capset                          what is left
//! execve                          126: found, but cannot be run; 127: not found
//! ```
//!
//! Everything that allocates much (the filter, the strings) is prepared before the clone.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use nix::libc;
use nix::unistd::{Gid, Uid, fchown};
use oci_spec::runtime::{LinuxCapabilities, Process, Spec};

use super::pipe::{Failure, Pipe};
use super::{init, search};
use crate::isolate::account::{self, Account};
use crate::isolate::{capabilities, limits, seccomp};
use crate::sys;
use crate::sys::seccomp::Instruction;
use crate::text;

/// A program with everything that can be prepared before the clone.
#[derive(Debug)]
pub struct Program {
    process: Process,
    arguments: Vec<CString>,
    environment: Vec<OsString>,
    capabilities: capabilities::Prepared,
    rlimits: limits::Rlimits,
    filter: Option<(Vec<Instruction>, u64)>,
    /// This binary, if the program gets it as its init.
    init: Option<OwnedFd>,
}

impl Program {
    /// The program of `spec`.
    ///
    /// # Errors
    /// When it has no arguments, or its seccomp profile cannot be compiled.
    pub fn prepare(spec: &Spec) -> Result<Program> {
        let process = spec.process().as_ref().ok_or_else(|| anyhow!("the specification names no process"))?;
        let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
        let words = process.args().as_deref().unwrap_or_default();
        let arguments = words.iter().map(|word| text::decode_c(word)).collect::<Option<Vec<_>>>();
        let arguments = arguments.ok_or_else(|| anyhow!("an argument holds a NUL byte"))?;
        if arguments.is_empty() {
            bail!("no command specified");
        }
        let none = LinuxCapabilities::default();
        Ok(Program {
            process: process.clone(),
            arguments,
            environment: process.env().iter().flatten().map(|word| text::decode(word)).collect(),
            capabilities: capabilities::Prepared::new(process.capabilities().as_ref().unwrap_or(&none))?,
            rlimits: limits::Rlimits::new(process.rlimits().as_deref().unwrap_or_default())?,
            init: init::asked_for(spec).then(init::binary).transpose()?,
            filter: profile
                .map(|profile| anyhow::Ok((seccomp::compile(profile)?, seccomp::flags(profile)?)))
                .transpose()?,
        })
    }

    /// The descriptor that it needs open, if any.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.init.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Becomes the program, or an init that has it as its child and the pipe to say how that went. Returns only when
    /// that failed.
    pub fn execute(&self, pipe: &Pipe) -> Failure {
        match self.confine() {
            Ok(account) => self.exec(&account, pipe),
            Err(error) => Failure::own(&error),
        }
    }

    fn confine(&self) -> Result<Account> {
        let account = self.account()?;
        own_streams(&account);
        self.enter_directory()?;
        self.rlimits.apply()?;
        self.capabilities.drop_bounding()?;
        if self.process.no_new_privileges().unwrap_or(false) {
            sys::process::no_new_privileges().context("cannot forbid new privileges")?;
        }
        if let Some((filter, flags)) = &self.filter {
            sys::seccomp::install_with(filter, *flags).context("cannot install the seccomp filter")?;
        }
        self.capabilities.keep()?;
        sys::process::set_credentials(account.uid, account.gid, &account.groups)
            .with_context(|| format!("cannot become user {}:{}", account.uid, account.gid))?;
        self.capabilities.set()?;
        Ok(account)
    }

    /// A name to look up travels in `username`, which is the Spec's only room for one.
    fn account(&self) -> Result<Account> {
        let user = self.process.user();
        match user.username() {
            Some(words) => account::look_up(words),
            None => Ok(Account {
                uid: user.uid(),
                gid: user.gid(),
                groups: user.additional_gids().clone().unwrap_or_default(),
                home: account::look_up(&user.uid().to_string()).map_or_else(|_| "/".into(), |account| account.home),
            }),
        }
    }

    /// chdir(2), and a look whether that led inside (CVE-2024-21626).
    fn enter_directory(&self) -> Result<()> {
        let directory = PathBuf::from(text::decode(&self.process.cwd().to_string_lossy()));
        let entered = || format!("cannot enter the working directory {}", directory.display());
        nix::unistd::chdir(&directory).with_context(entered)?;
        let now = nix::unistd::getcwd().with_context(entered)?;
        if !now.is_absolute() {
            bail!("the working directory {} lies outside the container", directory.display());
        }
        Ok(())
    }

    fn exec(&self, account: &Account, pipe: &Pipe) -> Failure {
        let environment = self.environment(account);
        sys::fds::close_on_exec();
        sys::process::reset_signals();
        match &self.init {
            Some(binary) => init::become_it(binary.as_fd(), pipe.as_fd(), &self.arguments, &environment),
            None => search::exec(&self.arguments, &environment),
        }
    }

    fn environment(&self, account: &Account) -> Vec<CString> {
        let mut environment: Vec<CString> =
            self.environment.iter().filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
        if self.variable("HOME").is_none() {
            environment.extend(CString::new(format!("HOME={}", account.home)));
        }
        environment
    }

    fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.iter().find_map(|word| {
            let rest = word.as_bytes().strip_prefix(name.as_bytes())?;
            rest.strip_prefix(b"=").map(OsStr::from_bytes)
        })
    }
}

/// A user who is not root must be able to open /dev/stdout. A stream that does not let itself be given away stays.
fn own_streams(account: &Account) {
    if account.uid == 0 {
        return;
    }
    for stream in [&io::stdin() as &dyn AsFd, &io::stdout(), &io::stderr()] {
        if nix::sys::stat::fstat(stream.as_fd()).is_ok_and(|stat| stat.st_rdev != libc::makedev(1, 3)) {
            let _ = fchown(stream.as_fd(), Some(Uid::from_raw(account.uid)), None::<Gid>);
        }
    }
}
