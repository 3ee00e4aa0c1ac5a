//! One command with a deadline: a hang is a failure, and so is a descriptor that outlives the command.
//!
//! ```text
//!   Running ──wait──> Output { stdout, stderr, code }
//!      │ 60 s over            kill, panic with what was seen so far
//!      │ exited, but a pipe stays open for 3 s: somebody kept it, panic
//! ```
//!
//! One thread reads both pipes with poll(2): a thread whose children live in another pid namespace may not start threads.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A command that takes longer than this hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// How long a pipe may stay open after its command has ended.
const GRACE: Duration = Duration::from_secs(3);
/// How often an exit is looked for while the pipes are silent.
const GLANCE: u16 = 20;

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command as a person would type it, for messages.
    pub line: String,
    /// Everything it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// Everything it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// Its exit code, or 128 + n if signal n ended it, as a shell counts.
    pub code: i32,
}

impl Output {
    /// Standard output as text, without the last newline.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Standard error as text, without the last newline.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }

    /// Panics unless the command ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of {self}");
        self
    }

    /// Panics unless the command ended with 0; gives its standard output as text.
    #[track_caller]
    pub fn ok(self) -> String {
        self.expect(0).out()
    }

    /// Panics unless the command failed with `code` and exactly one line on stderr that contains `sentence`.
    #[track_caller]
    pub fn refused(self, code: i32, sentence: &str) -> Self {
        let lines = self.err().lines().filter(|line| !line.trim().is_empty()).count();
        assert_eq!(self.code, code, "exit code of {self}");
        assert_eq!(lines, 1, "one sentence on stderr of {self}");
        assert!(self.err().contains(sentence), "{sentence:?} in stderr of {self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned();
        writeln!(f, "`{}`\n  code   {}", self.line, self.code)?;
        writeln!(f, "  stdout {}\n  stderr {}", short(&self.stdout), short(&self.stderr))
    }
}

/// A command on its way.
pub struct Running {
    child: Child,
    line: String,
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<std::process::ChildStderr>,
    seen: (Vec<u8>, Vec<u8>),
    started: Instant,
}

impl Running {
    /// Starts it with both outputs on pipes; standard input stays as `command` says, /dev/null unless told.
    pub fn start(mut command: Command) -> Self {
        let line = typed(&command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Self { child, line, stdout, stderr, seen: Default::default(), started: Instant::now() }
    }

    /// Its pid, as the test process counts; inside the private host the number is another one.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL, as a person who has lost patience.
    pub fn kill(&mut self) {
        self.child.kill().unwrap_or_else(|error| panic!("cannot kill `{}`: {error}", self.line));
    }

    /// What standard output has said so far.
    pub fn so_far(&mut self) -> String {
        self.read_once();
        String::from_utf8_lossy(&self.seen.0).into_owned()
    }

    /// Waits until standard output has said `text`; panics after `limit`.
    #[track_caller]
    pub fn until(&mut self, text: &str, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            let said = self.so_far();
            if said.contains(text) {
                return;
            }
            assert!(Instant::now() < end, "`{}` did not say {text:?} in {limit:?}; it said: {said}", self.line);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.exited().is_none()
    }

    /// Waits for its end and for the end of both pipes.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            self.read_once();
            let closed = self.stdout.is_none() && self.stderr.is_none();
            ended = ended.or_else(|| self.exited().map(|status| (status, Instant::now())));
            match ended {
                Some((status, _)) if closed => return self.output(status),
                Some((_, when)) if when.elapsed() > GRACE => self.fail("ended, but somebody keeps its output open"),
                None if self.started.elapsed() > DEADLINE => self.fail("hangs"),
                _ => {}
            }
        }
    }

    #[track_caller]
    fn fail(&mut self, how: &str) -> ! {
        let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned();
        panic!("`{}` {how}\n  stdout {}\n  stderr {}", self.line, text(&self.seen.0), text(&self.seen.1));
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("cannot wait for `{}`: {error}", self.line))
    }

    /// One poll(2) of at most 20 ms over the pipes that are still open.
    fn read_once(&mut self) {
        let open = [self.stdout.as_ref().map(AsFd::as_fd), self.stderr.as_ref().map(AsFd::as_fd)];
        let mut fds: Vec<PollFd> = open.iter().flatten().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        if fds.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
            return;
        }
        poll(&mut fds, PollTimeout::from(GLANCE)).expect("poll");
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let (out_ready, err_ready) = match (self.stdout.is_some(), self.stderr.is_some()) {
            (true, true) => (ready[0], ready[1]),
            (true, false) => (ready[0], false),
            _ => (false, ready[0]),
        };
        if out_ready {
            drain(&mut self.stdout, &mut self.seen.0);
        }
        if err_ready {
            drain(&mut self.stderr, &mut self.seen.1);
        }
    }

    fn output(&mut self, status: ExitStatus) -> Output {
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let (stdout, stderr) = std::mem::take(&mut self.seen);
        Output { line: std::mem::take(&mut self.line), stdout, stderr, code }
    }
}

impl Drop for Running {
    /// Nobody outlives a failed test, and a zombie of ours would keep the host's pid namespace from ending.
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// SIGKILL and wait; no error if it has ended before.
pub fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// One read; the end of the pipe closes it.
fn drain<R: Read>(pipe: &mut Option<R>, into: &mut Vec<u8>) {
    let mut buffer = [0; 65536];
    let Some(open) = pipe else { return };
    match open.read(&mut buffer) {
        Ok(0) | Err(_) => *pipe = None,
        Ok(count) => into.extend_from_slice(&buffer[..count]),
    }
}

/// The command line as a person would type it.
fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        Running::start(command)
    }

    #[test]
    fn pure_both_pipes_and_the_code_are_kept() {
        let output = shell("echo out; echo err >&2; exit 7").wait();
        assert_eq!((output.out(), output.err(), output.code), ("out".into(), "err".into(), 7));
    }

    #[test]
    fn pure_a_signal_counts_as_128_and_its_number() {
        assert_eq!(shell("kill -9 $$").wait().code, 137);
    }

    #[test]
    fn pure_large_output_arrives_whole() {
        assert_eq!(shell("head -c 5000000 /dev/zero; head -c 100000 /dev/zero >&2").wait().stdout.len(), 5_000_000);
    }

    #[test]
    #[should_panic(expected = "somebody keeps its output open")]
    fn pure_a_descriptor_that_outlives_the_command_is_seen() {
        shell("sleep 30 & exit 0").wait();
    }
}
