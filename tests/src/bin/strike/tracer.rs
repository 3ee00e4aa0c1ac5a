//! ptrace(2) over a tree of processes.
//!
//! ```text
//!   seize the line ─> waitpid(any) ─┬─ entry of a call ─ count it; is it the point? ─┬─ SIGKILL
//!   (and the monitors)              │                                               └─ number -1, at its exit -errno
//!                                   ├─ fork, clone   the newcomer gets its path in the tree
//!                                   ├─ execve        another program is let run; only our binary is counted
//!                                   └─ end           of the first: the exit code; of the last: the report
//! ```
//!
//! A process that has nothing to be struck any more runs without stops.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::calls;
use crate::point::{Point, What};

/// A line that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a monitor that ran before may go on after the line's last process; then it is let go.
const GRACE: Duration = Duration::from_secs(1);
/// The path of a monitor that ran before.
const MONITOR: &str = "m";

/// A process under the line.
#[derive(Debug, Clone)]
struct Tracee {
    path: String,
    children: usize,
    /// Whether it runs the binary under test, and not a shell or the container's program.
    ours: bool,
    /// The error that the present call is to return.
    failing: Option<Errno>,
}

struct Tracer {
    binary: (u64, u64),
    point: Option<Point>,
    struck: bool,
    tracees: HashMap<Pid, Tracee>,
    /// Stopped before their parent has said who they are.
    early: Vec<Pid>,
    counts: BTreeMap<(String, String), usize>,
}

/// Runs the line to the end of its last process; gives the exit code of the first. With `monitors`, those that run
/// already are followed, too.
pub fn run(report: &str, point: Option<Point>, monitors: bool, line: &[String]) -> Result<i32, String> {
    watch_over(report.to_owned());
    let mut tracer = Tracer {
        binary: binary()?,
        point,
        struck: false,
        tracees: HashMap::new(),
        early: Vec::new(),
        counts: BTreeMap::new(),
    };
    if monitors {
        tracer.seize_monitors()?;
    }
    let first = start(line)?;
    tracer.tracees.insert(first, Tracee { path: "0".into(), children: 0, ours: false, failing: None });
    kill(first, Signal::SIGCONT).map_err(|error| error.to_string())?;
    let code = tracer.follow(first)?;
    fs::write(report, tracer.report()).map_err(|error| format!("{report}: {error}"))?;
    Ok(code)
}

/// The line, stopped before its first instruction, and seized: all below it will be ours, and dies with us.
fn start(line: &[String]) -> Result<Pid, String> {
    let child = Command::new("sh").args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).args(line).spawn();
    let pid = Pid::from_raw(child.map_err(|error| format!("sh: {error}"))?.id().cast_signed());
    waitpid(pid, Some(WaitPidFlag::WUNTRACED)).map_err(|error| error.to_string())?;
    ptrace::seize(pid, options() | Options::PTRACE_O_EXITKILL).map_err(|error| format!("PTRACE_SEIZE: {error}"))?;
    Ok(pid)
}

fn options() -> Options {
    Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
}

/// Device and inode of the `pontoon` that PATH leads to.
fn binary() -> Result<(u64, u64), String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').find_map(|dir| fs::metadata(format!("{dir}/pontoon")).ok());
    found.map(|file| (file.dev(), file.ino())).ok_or_else(|| "no pontoon in PATH".to_owned())
}

/// Ends everything when time is up, and says who was waiting for what.
fn watch_over(report: String) {
    std::thread::spawn(move || {
        std::thread::sleep(PATIENCE);
        let _ = fs::write(report, format!("hangs\n{}", waiting()));
        std::process::exit(98);
    });
}

/// All traced processes: command line, and the call that they are in.
fn waiting() -> String {
    let tracer = format!("TracerPid:\t{}", std::process::id());
    let traced = pids().into_iter().filter(|pid| word(*pid, "status").lines().any(|line| line == tracer));
    let say = |pid| {
        let line = word(pid, "cmdline").replace('\0', " ");
        format!("  {pid} {line}: {} call {}\n", word(pid, "wchan"), word(pid, "syscall").trim())
    };
    traced.map(say).collect()
}

fn pids() -> Vec<Pid> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw).collect()
}

fn word(pid: Pid, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

impl Tracer {
    /// They are stopped once, so that they are seen from their next call on, and outlive us.
    fn seize_monitors(&mut self) -> Result<(), String> {
        for pid in pids().into_iter().filter(|pid| word(*pid, "cmdline").starts_with("pontoon-monitor")) {
            ptrace::seize(pid, options()).and_then(|()| ptrace::interrupt(pid)).map_err(|error| error.to_string())?;
            self.tracees.insert(pid, Tracee { path: MONITOR.into(), children: 0, ours: true, failing: None });
        }
        Ok(())
    }

    /// The next news of anybody; none once only monitors are left that go on and on.
    fn news(&self) -> nix::Result<WaitStatus> {
        if self.tracees.is_empty() || self.tracees.values().any(|tracee| tracee.path != MONITOR) {
            return waitpid(None, Some(WaitPidFlag::__WALL));
        }
        let end = Instant::now() + GRACE;
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive if Instant::now() > end => return Err(Errno::ECHILD),
                WaitStatus::StillAlive => std::thread::sleep(Duration::from_millis(1)),
                news => return Ok(news),
            }
        }
    }

    fn follow(&mut self, first: Pid) -> Result<i32, String> {
        let mut code = 0;
        loop {
            match self.news() {
                Ok(WaitStatus::Exited(pid, with)) => {
                    self.tracees.remove(&pid);
                    code = if pid == first { with } else { code };
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    self.tracees.remove(&pid);
                    code = if pid == first { 128 + signal as i32 } else { code };
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => self.call(pid),
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.event(pid, event),
                Ok(WaitStatus::Stopped(pid, signal)) => self.resume(pid, Some(signal)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return Ok(code),
                Err(error) => return Err(format!("waitpid: {error}")),
            }
        }
    }

    /// Goes on; a process that was killed meanwhile is no error.
    fn resume(&self, pid: Pid, signal: Option<Signal>) {
        let _ = match self.tracees.get(&pid) {
            Some(tracee) if self.is_watched(tracee) => ptrace::syscall(pid, signal),
            _ => ptrace::cont(pid, signal),
        };
    }

    /// Whether its calls are of interest: those of any of our processes when counting, else those of the point's.
    fn is_watched(&self, tracee: &Tracee) -> bool {
        let wanted = self.point.as_ref().is_none_or(|point| point.process == tracee.path && !self.struck);
        tracee.ours && (wanted || tracee.failing.is_some())
    }

    fn event(&mut self, pid: Pid, event: i32) {
        match event {
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => self.born(pid),
            libc::PTRACE_EVENT_EXEC => self.executed(pid),
            _ => {}
        }
        match self.tracees.contains_key(&pid) {
            true => self.resume(pid, None),
            false => self.early.push(pid),
        }
    }

    /// `parent` has a new child, which takes its path from it.
    fn born(&mut self, parent: Pid) {
        let Ok(child) = ptrace::getevent(parent) else { return };
        let child = Pid::from_raw(i32::try_from(child).unwrap_or(0));
        let Some(tracee) = self.tracees.get_mut(&parent) else { return };
        tracee.children += 1;
        let path = format!("{}.{}", tracee.path, tracee.children);
        let newcomer = Tracee { path, children: 0, ours: tracee.ours, failing: None };
        self.tracees.insert(child, newcomer);
        if let Some(at) = self.early.iter().position(|pid| *pid == child) {
            self.early.remove(at);
            self.resume(child, None);
        }
    }

    fn executed(&mut self, pid: Pid) {
        let file = fs::metadata(format!("/proc/{pid}/exe")).map(|file| (file.dev(), file.ino()));
        if let Some(tracee) = self.tracees.get_mut(&pid) {
            tracee.ours = file.is_ok_and(|file| file == self.binary);
        }
    }

    /// A call of one of our processes begins or ends.
    fn call(&mut self, pid: Pid) {
        let begins = ptrace::syscall_info(pid).is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
        let _ = if begins { self.begins(pid) } else { self.ends(pid) };
        self.resume(pid, None);
    }

    fn begins(&mut self, pid: Pid) -> nix::Result<()> {
        let mut registers = ptrace::getregs(pid)?;
        let Some(tracee) = self.tracees.get_mut(&pid) else { return Ok(()) };
        let Some(call) = calls::place(pid, &registers) else { return Ok(()) };
        let count = self.counts.entry((tracee.path.clone(), call.clone())).or_default();
        *count += 1;
        let is_it = |point: &&Point| point.process == tracee.path && point.call == call && point.time == *count;
        let Some(point) = self.point.as_ref().filter(is_it) else { return Ok(()) };
        self.struck = true;
        match point.what {
            What::Kill => kill(pid, Signal::SIGKILL),
            What::Fail(errno) => {
                tracee.failing = Some(errno);
                registers.orig_rax = u64::MAX;
                ptrace::setregs(pid, registers)
            }
        }
    }

    fn ends(&mut self, pid: Pid) -> nix::Result<()> {
        let Some(errno) = self.tracees.get_mut(&pid).and_then(|tracee| tracee.failing.take()) else { return Ok(()) };
        let mut registers = ptrace::getregs(pid)?;
        registers.rax = (-i64::from(errno as i32)).cast_unsigned();
        ptrace::setregs(pid, registers)
    }

    fn report(&self) -> String {
        let verdict = match (&self.point, self.struck) {
            (None, _) => "counted",
            (_, true) => "struck",
            (_, false) => "missed",
        };
        let places = self.counts.iter().map(|((path, call), times)| format!("{path} {call} {times}\n"));
        format!("{verdict}\n{}", places.collect::<String>())
    }
}
