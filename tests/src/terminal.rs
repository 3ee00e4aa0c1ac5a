//! One command on a real terminal, and the person in front of it.
//!
//! ```text
//!   person (the test)        kernel                        command
//!   type_("ls\r")  ───────>  pty master │ pty slave  ───>  stdin   (setsid --ctty: session leader, controlling terminal)
//!   expect("text") <───────             │            <───  stdout, stderr
//!   resize(100, 30) ──> TIOCSWINSZ ──> SIGWINCH ─────────> foreground group
//!   hang_up() ──> close ──> SIGHUP ──────────────────────> session
//! ```

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::host::Host;
use crate::process::{DEADLINE, end};

/// How long a person waits for a text to appear.
const PATIENCE: Duration = Duration::from_secs(15);

/// A terminal with a command on it.
pub struct Terminal {
    master: Option<PtyMaster>,
    slave: String,
    child: Child,
    line: String,
    seen: Vec<u8>,
    mark: usize,
}

impl Terminal {
    /// Opens a terminal of 80 columns and 24 rows and starts a line on it, as bash would.
    pub fn open(host: &Host, line: &str) -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("posix_openpt");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let slave = ptsname_r(&master).expect("ptsname");
        set_size(&slave, 80, 24);
        let side = std::fs::OpenOptions::new().read(true).write(true).open(&slave).expect(&slave);
        let handle = || Stdio::from(side.try_clone().expect("dup"));
        let mut command = host.command("setsid");
        command.args(["--ctty", "bash", "-c", line]).stdin(handle()).stdout(handle()).stderr(handle());
        let child = command.spawn().expect("setsid");
        Self { master: Some(master), slave, child, line: line.to_owned(), seen: Vec::new(), mark: 0 }
    }

    /// Types bytes; Return is `\r`, Ctrl-C `\x03`.
    pub fn type_(&mut self, keys: &str) {
        self.window().write_all(keys.as_bytes()).expect("write to the terminal");
    }

    /// Waits until `text` has appeared after what was expected before; gives all that came up to its end.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let fresh = String::from_utf8_lossy(&self.seen[self.mark..]).into_owned();
            if let Some(at) = find(&self.seen[self.mark..], text.as_bytes()) {
                let shown = String::from_utf8_lossy(&self.seen[self.mark..self.mark + at + text.len()]).into_owned();
                self.mark += at + text.len();
                return shown;
            }
            let open = self.read_once();
            let late = Instant::now() > end;
            assert!(open && !late, "{text:?} did not appear on the terminal of `{}`; it shows:\n{fresh}", self.line);
        }
    }

    /// Everything shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Drags the corner of the window.
    pub fn resize(&self, columns: u16, rows: u16) {
        set_size(&self.slave, columns, rows);
    }

    /// Settings of the terminal, as `stty -a` prints them: raw or cooked, echo or not.
    pub fn settings(&self) -> String {
        let output = Command::new("stty").args(["-F", &self.slave, "-a"]).output().expect("stty");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Closes the window: everybody on the terminal gets SIGHUP. Gives the command's exit code.
    #[track_caller]
    pub fn hang_up(mut self) -> i32 {
        drop(self.master.take());
        ended(&mut self.child, &self.line)
    }

    /// Waits for the command's end; gives its exit code and all that was shown.
    #[track_caller]
    pub fn wait(mut self) -> (i32, String) {
        let end = Instant::now() + DEADLINE;
        while self.read_once() {
            // The pty stays open as long as anybody holds its slave: the command's end is what counts.
            if self.child.try_wait().expect("wait").is_some() {
                while self.read_once_within(50) {}
                break;
            }
            assert!(Instant::now() < end, "`{}` hangs on its terminal; it shows:\n{}", self.line, self.shown());
        }
        let code = ended(&mut self.child, &self.line);
        (code, self.shown())
    }

    /// Reads what comes within 50 ms; false once the other side is closed.
    fn read_once(&mut self) -> bool {
        let mut fds = [PollFd::new(self.window().as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(50u16)).expect("poll") {
            0 => true,
            _ => self.take() > 0,
        }
    }

    /// The same, but silence too counts as the end.
    fn read_once_within(&mut self, milliseconds: u16) -> bool {
        let mut fds = [PollFd::new(self.window().as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(milliseconds)).expect("poll") > 0 && self.take() > 0
    }

    fn window(&self) -> &PtyMaster {
        self.master.as_ref().expect("closed by hang_up alone, which is the end")
    }

    /// One read; EIO says that no slave is open any more.
    fn take(&mut self) -> usize {
        let mut buffer = [0; 4096];
        let count = self.window().read(&mut buffer).unwrap_or(0);
        self.seen.extend_from_slice(&buffer[..count]);
        count
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

#[track_caller]
fn ended(child: &mut Child, line: &str) -> i32 {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        }
        assert!(Instant::now() < end, "`{line}` has lost its terminal and does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `stty -F /dev/pts/N cols C rows R`: TIOCSWINSZ, and the kernel sends SIGWINCH.
fn set_size(slave: &str, columns: u16, rows: u16) {
    let words = [columns.to_string(), rows.to_string()];
    let status = Command::new("stty").args(["-F", slave, "cols", &words[0], "rows", &words[1]]).status().expect("stty");
    assert!(status.success(), "stty -F {slave} cols {columns} rows {rows}");
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
