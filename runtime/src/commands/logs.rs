//! `pontoon logs`: what a container has written, and with `-f` what it goes on to write.
//!
//! ```text
//! log file ── read to its end ──> stdout, stderr        -f: inotify wakes us for more; the conversation's end ends us
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, bail};
use nix::poll::PollFlags;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::conversation;
use crate::cli::LogsArgs;
use crate::container::{Container, Containers};
use crate::control::Request;
use crate::host::Host;
use crate::monitor::log::{Line, Stream};
use crate::sys::fds;

/// Prints the log.
///
/// # Errors
/// A sentence, when there is no such container or the log cannot be read.
pub fn logs(host: &Host, args: &LogsArgs) -> Result<i32> {
    let container = Containers::of(host).find(&args.container)?;
    let tail = match args.tail.as_str() {
        "all" | "-1" => None,
        number => Some(number.parse::<usize>().ok().with_context(|| format!("invalid number of lines: {number}"))?),
    };
    let path = container.log_path();
    let file = match File::open(&path) {
        Ok(file) => file,
        // It never ran.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| format!("cannot read the log {}", path.display())),
    };
    let mut reader = BufReader::new(file);
    if let Some(tail) = tail {
        skip_to(&mut reader, tail)?;
    }
    // A person who reads with `head` has enough: that is an end, not an error.
    let Ok(()) = copy(&mut reader, args.timestamps) else { return Ok(0) };
    if args.follow { follow(&container, reader, args.timestamps) } else { Ok(0) }
}

/// Prints whole lines until the end of the file; a line that is still being written is left for later.
fn copy(reader: &mut BufReader<File>, timestamps: bool) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            reader.seek_relative(-(length as i64))?;
            std::io::stdout().flush()?;
            return Ok(());
        }
        print(&line[..length - 1], timestamps)?;
    }
}

fn print(line: &[u8], timestamps: bool) -> Result<()> {
    let Some(line) = Line::parse(line) else { return Ok(()) };
    let mut text = Vec::new();
    if timestamps {
        text.extend_from_slice(line.time.as_bytes());
        text.push(b' ');
    }
    text.extend_from_slice(line.bytes);
    if line.is_whole {
        text.push(b'\n');
    }
    match line.stream {
        Stream::Output => std::io::stdout().lock().write_all(&text)?,
        Stream::Error => std::io::stderr().lock().write_all(&text)?,
    }
    Ok(())
}

/// Moves to the beginning of the last `count` lines, counting whole lines from the end in blocks.
fn skip_to(reader: &mut BufReader<File>, count: usize) -> Result<()> {
    let size = reader.seek(SeekFrom::End(0))?;
    let mut end = size;
    let mut newlines = 0;
    let mut block = vec![0; 64 * 1024];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let length = (end - start) as usize;
        reader.seek(SeekFrom::Start(start))?;
        reader.read_exact(&mut block[..length])?;
        for index in (0..length).rev() {
            // The newline at the very end closes the last line; it does not begin another.
            let position = start + index as u64 + 1;
            if block[index] == b'\n' && position < size {
                newlines += 1;
            }
            if newlines == count && (count > 0 || position == size) {
                reader.seek(SeekFrom::Start(position))?;
                return Ok(());
            }
        }
        end = start;
    }
    reader.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// Waits for more until the monitor says that the container has ended.
fn follow(container: &Container, mut reader: BufReader<File>, timestamps: bool) -> Result<i32> {
    let Ok(connection) = conversation::call(container) else { return Ok(0) };
    connection.send(&Request::Wait, &[])?;
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).context("cannot watch the log")?;
    inotify.add_watch(&container.log_path(), AddWatchFlags::IN_MODIFY).context("cannot watch the log")?;
    let waited =
        [(inotify.as_fd().as_raw_fd(), PollFlags::POLLIN), (connection.as_fd().as_raw_fd(), PollFlags::POLLIN)];
    loop {
        let Ok(()) = copy(&mut reader, timestamps) else { return Ok(0) };
        let events = match fds::poll(&waited, -1) {
            Ok(events) => events,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => bail!("cannot wait for the log: {error}"),
        };
        let _ = inotify.read_events();
        if !events[1].is_empty() {
            let _ = copy(&mut reader, timestamps);
            return Ok(0);
        }
    }
}
