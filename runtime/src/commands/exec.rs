//! `pontoon exec`: one more program in a running container. The command is its parent and owns its terminal.
//!
//! ```text
//! seal: become a read-only copy of this binary ─ open what is needed ─ join ─ relay ─ the program's exit code
//! ```

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use oci_spec::runtime::Spec;

use super::conversation::{check_terminal, proxied};
use super::relay::{RawTerminal, Relay, Target};
use super::{pause, request};
use crate::cli::ExecArgs;
use crate::container::record::Process;
use crate::container::{Container, Containers, State, Status};
use crate::host::Host;
use crate::isolate::cgroup::{self, Cgroup};
use crate::isolate::{capabilities, seccomp};
use crate::launch::join::join;
use crate::launch::{Launched, Stdio};
use crate::monitor::event_loop;
use crate::monitor::linked;
use crate::monitor::service::{Readiness, Service, Watch};
use crate::sys::{mount, process, term};
use crate::{processes, spec, text, usage};

/// argv\[0\] of the copy.
const SEALED: &str = "pontoon-exec";

/// Becomes a read-only copy of this binary, once: what enters a container must not be writable through /proc.
///
/// # Errors
/// When the copy cannot be made or executed.
pub fn seal() -> Result<()> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.first().is_some_and(|name| name == SEALED) {
        return Ok(());
    }
    arguments[0] = SEALED.into();
    let strings = |words: Vec<OsString>| -> Result<Vec<CString>> {
        words.iter().map(|word| CString::new(word.as_bytes()).context("an argument holds a NUL byte")).collect()
    };
    let environment = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    let binary = mount::own_binary().context("cannot copy the mount of this program")?;
    let error = process::exec_descriptor(binary.as_fd(), &strings(arguments)?, &strings(environment.collect())?);
    Err(error).context("cannot execute the copy of this program")
}

/// What clap cannot tell: a container and a command, of which the first is no flag.
///
/// # Errors
/// Docker's sentence.
pub fn check_words(args: &ExecArgs) -> Result<()> {
    let name = args.container_and_command.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    if name.starts_with('-') {
        bail!("{}\n\nRun 'pontoon exec --help' for more information", usage::unknown_flag(&name));
    }
    if args.container_and_command.len() < 2 {
        bail!("'pontoon exec' requires at least 2 arguments\n\nRun 'pontoon exec --help' for more information");
    }
    Ok(())
}

/// Runs a program in a container, and ends with its exit code.
///
/// # Errors
/// A sentence, or the program's failure with its exit code.
pub fn exec(host: &Host, args: &ExecArgs) -> Result<i32> {
    let (name, command) = args.container_and_command.split_first().context("exec needs a container")?;
    let name = name.to_string_lossy();
    if !args.detach {
        check_terminal(args.interactive, args.tty)?;
    }
    let container = Containers::of(host).find(&name)?;
    let state = container.state()?;
    if state.status != Status::Running || !container.is_supervised()? {
        bail!("container {} is not running", container.record.id);
    }
    if pause::is_paused(&container)? {
        bail!("Container {name} is paused, unpause the container before exec");
    }
    let spec = specification(&container, args, command)?;
    let (stdio, ends) = streams(args)?;
    let launched = enter(&container, &state, &spec, &stdio)?;
    drop(stdio);
    let master = launched.go()?;
    if args.detach { Ok(0) } else { relay(args, &launched, ends, master) }
}

fn enter(container: &Container, state: &State, spec: &Spec, stdio: &Stdio) -> Result<Launched> {
    let init = processes::open(Pid::from_raw(state.pid), state.start_time)
        .with_context(|| format!("container {} is not running", container.record.name))?;
    let hierarchy = cgroup::detect()?;
    let group = Cgroup::open(&hierarchy, &container.host.cgroup_parent, &container.record.id)?
        .with_context(|| format!("the control group of container {} has gone", container.record.name))?;
    join(spec, &init, &group, stdio, hierarchy.is_unified() && !container.record.privileges.privileged)
}

/// The container's own posture, with the program, user, directory and environment that were asked for.
fn specification(container: &Container, args: &ExecArgs, command: &[OsString]) -> Result<Spec> {
    let record = &container.record;
    let mut privileges = record.privileges.clone();
    if args.privileged {
        let mut all: Vec<String> = capabilities::adjust(&[], &[], true)?.iter().map(capabilities::name).collect();
        all.sort();
        privileges.capabilities = all;
    }
    let program = Process {
        args: command.iter().map(|word| text::encode(word)).collect(),
        entrypoint: 0,
        env: request::environment(&environment(container)?, &request::added(&args.env_file, &args.env)?)?,
        cwd: args.workdir.as_deref().map_or_else(|| Ok(record.process.cwd.clone()), request::working_directory)?,
        user: args.user.clone().unwrap_or_else(|| record.process.user.clone()),
        tty: args.tty,
        open_stdin: args.interactive,
        groups: record.process.groups.clone(),
    };
    spec::joining(record, &program, &privileges, seccomp::kernel())
}

/// The container's own variables, and those of whom it is linked to and who runs now.
fn environment(container: &Container) -> Result<Vec<String>> {
    Ok(linked::environment(&container.record, &linked::present(&container.host, &container.record)?))
}

/// The command's ends of the program's streams.
#[derive(Debug, Default)]
struct Ends {
    input: Option<OwnedFd>,
    outputs: Vec<(OwnedFd, Target)>,
}

fn streams(args: &ExecArgs) -> Result<(Stdio, Ends)> {
    let null = || -> Result<OwnedFd> {
        let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        Ok(file.context("cannot open /dev/null")?.into())
    };
    if args.detach {
        return Ok((Stdio::Streams([null()?, null()?, null()?]), Ends::default()));
    }
    if args.tty {
        return Ok((Stdio::Terminal, Ends::default()));
    }
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("cannot make a pipe");
    let (output, error) = (pipe()?, pipe()?);
    let (input, ours) = if args.interactive {
        let (theirs, ours) = pipe()?;
        (theirs, Some(ours))
    } else {
        (null()?, None)
    };
    let outputs = vec![(output.0, Target::Output), (error.0, Target::Error)];
    Ok((Stdio::Streams([input, output.1, error.1]), Ends { input: ours, outputs }))
}

/// Passes streams and signals on until the program has ended.
fn relay(args: &ExecArgs, launched: &Launched, mut ends: Ends, master: Option<OwnedFd>) -> Result<i32> {
    let mut signals = vec![Signal::SIGWINCH];
    if let Some(master) = &master {
        let copy = || master.try_clone().context("cannot copy the terminal's descriptor");
        ends.outputs.push((copy()?, Target::Output));
        ends.input = if args.interactive { Some(copy()?) } else { None };
        resize(master);
    } else {
        signals.extend(proxied());
    }
    let _raw = (args.tty && args.interactive).then(RawTerminal::enter).flatten();
    let mut relay = Relay::new(ends.input, &[], ends.outputs, &signals)?;
    let mut end = End { pidfd: &launched.pidfd, has_ended: false };
    while !end.has_ended {
        if let Some(code) = relay.lost(args.tty) {
            return Ok(code);
        }
        event_loop::turn(&mut [&mut relay, &mut end])?;
        for signal in std::mem::take(&mut relay.received) {
            match (&master, signal) {
                (Some(master), Signal::SIGWINCH) => resize(master),
                (_, Signal::SIGWINCH) => {}
                (_, signal) => drop(process::pidfd_signal(launched.pidfd.as_fd(), signal as i32)),
            }
        }
    }
    relay.drain_ready()?;
    Ok(exit_code(launched.pid))
}

fn resize(master: &OwnedFd) {
    if let Ok(size) = term::size(std::io::stdin().as_fd()).or_else(|_| term::size(std::io::stdout().as_fd())) {
        let _ = term::resize(master.as_fd(), size);
    }
}

fn exit_code(pid: Pid) -> i32 {
    match waitpid(pid, None) {
        Ok(WaitStatus::Exited(_, code)) => code,
        Ok(WaitStatus::Signaled(_, signal, _)) => 128 + signal as i32,
        _ => libc::EXIT_FAILURE,
    }
}

/// The program's end, as the loop sees it.
struct End<'a> {
    pidfd: &'a OwnedFd,
    has_ended: bool,
}

impl Service for End<'_> {
    fn watch(&self, watch: &mut Vec<Watch>) {
        watch.push(Watch::read(self.pidfd.as_raw_fd()));
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn ready(&mut self, _fd: RawFd, _readiness: Readiness) {
        self.has_ended = true;
    }

    fn expired(&mut self, _now: Instant) {}
}
