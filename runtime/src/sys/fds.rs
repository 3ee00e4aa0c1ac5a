//! Descriptors that cross a boundary: inherited over exec, kept over clone, passed over a socket.
//!
//! ```text
//! exec   inherited(3) ── the number is agreed upon with the program that called exec
//! clone  keep_only([…]) ── the first thing a child does: every other descriptor is closed
//! socket send(…, fds) / receive() ── SCM_RIGHTS, unix(7)
//! ```

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::poll::PollFlags;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::check;

/// Takes over descriptor `fd`, which this program was given at its start.
///
/// # Errors
/// EBADF when it is not open; EINVAL for the standard three, which std owns.
pub fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    if fd <= 2 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: F_SETFD takes no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: it is open (checked above), and by agreement with our parent nobody else in this program owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes every descriptor above 2 but those in `keep`: close_range(2) over the gaps.
///
/// Only for a freshly cloned child that never drops what it inherited, as it ends in exec or _exit.
pub fn keep_only(keep: &[RawFd]) {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|fd| *fd > 2).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        if fd > first {
            close_range(first as u32, fd as u32 - 1, 0);
        }
        first = first.max(fd + 1);
    }
    close_range(first as u32, u32::MAX, 0);
}

/// Marks every descriptor above 2 to be closed by the next exec.
pub fn close_on_exec() {
    close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
}

fn close_range(first: u32, last: u32, flags: u32) {
    // SAFETY: no pointers. The caller's contract says that no owner of a closed descriptor is dropped later.
    // The call fails only for first > last or unknown flags.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
}

/// Makes `fd` be number `target` too, open across exec: dup3(2), or a cleared close-on-exec flag where it is there already.
///
/// # Errors
/// EMFILE, EBADF.
pub fn place(fd: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == target {
        // SAFETY: no pointers.
        return check(unsafe { libc::fcntl(target, libc::F_SETFD, 0) }.into()).map(drop);
    }
    // SAFETY: no pointers. The old owner of `target` is never dropped: see `keep_only`.
    check(unsafe { libc::dup2(fd.as_raw_fd(), target) }.into()).map(drop)
}

/// Sends one message with descriptors (SCM_RIGHTS).
///
/// # Errors
/// EAGAIN when a non-blocking peer's buffer is full, EPIPE when it has gone.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one message of at most `buffer.len()` bytes; the count is 0 when the peer has gone.
///
/// # Errors
/// EAGAIN on a non-blocking socket; EMSGSIZE when the message was cut.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            // SAFETY: the kernel has just installed these descriptors for us, and nobody else knows them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    Ok((message.bytes, fds))
}

/// poll(2) over descriptor numbers: what happened to each. `timeout` in milliseconds, -1 for ever.
///
/// A number that is not open is answered with POLLNVAL, so no number is unsound here.
///
/// # Errors
/// EINTR, ENOMEM.
pub fn poll(interests: &[(RawFd, PollFlags)], timeout: i32) -> io::Result<Vec<PollFlags>> {
    let mut polled: Vec<libc::pollfd> =
        interests.iter().map(|(fd, events)| libc::pollfd { fd: *fd, events: events.bits(), revents: 0 }).collect();
    // SAFETY: the array is valid for its length during the call.
    check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) }.into())?;
    Ok(polled.iter().map(|fd| PollFlags::from_bits_truncate(fd.revents)).collect())
}

/// A copy of `fd` with a number of at least `least`: fcntl(F_DUPFD_CLOEXEC).
///
/// # Errors
/// EMFILE.
pub fn moved_above(fd: BorrowedFd<'_>, least: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor returned is new and ours.
    let fd = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) }.into())?;
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
