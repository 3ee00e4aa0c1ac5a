//! The older firewall's tables (ip_tables, ip6_tables): what their FORWARD chain does with what no rule accepts.
//!
//! ```text
//! getsockopt(IPT_SO_GET_INFO)     ─> struct ipt_getinfo: where the last rule of FORWARD is (underflow), how large the table is
//! getsockopt(IPT_SO_GET_ENTRIES)  ─> the table: ipt_entry … target { verdict }
//! ```
//!
//! Layouts are those of linux/netfilter_ipv4/ip_tables.h and netfilter_ipv6/ip6_tables.h. Who asks of a table that is not
//! there loads its module: look into /proc/net/ip_tables_names first.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::check;

/// IPT_SO_GET_INFO and IP6T_SO_GET_INFO; the entries' is the next one.
const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;
/// struct ipt_getinfo: name 32, valid_hooks, hook_entry 5, underflow 5, num_entries, size.
const INFO: usize = 84;
/// struct ipt_get_entries without its entries: name 32, size, padding.
const HEAD: usize = 40;

/// A table as the kernel gives it.
#[derive(Debug)]
pub struct Table {
    /// Its entries, one behind the other.
    pub entries: Vec<u8>,
    /// Where the last rule of FORWARD begins: the policy.
    pub policy: usize,
}

/// The table `filter`. `socket` is a raw socket (raw(7)) of the family.
///
/// # Errors
/// ENOENT without such a table, EPERM without CAP_NET_ADMIN, EAGAIN if it has just changed.
pub fn filter(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<Table> {
    let mut info = named(INFO);
    ask(socket, ipv6, GET_INFO, &mut info)?;
    let number = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
    // underflow[NF_INET_FORWARD]
    let (policy, size) = (number(56 + 2 * 4), number(80));
    let mut table = named(HEAD + size as usize);
    table[32..36].copy_from_slice(&size.to_ne_bytes());
    ask(socket, ipv6, GET_ENTRIES, &mut table)?;
    Ok(Table { entries: table.split_off(HEAD), policy: policy as usize })
}

/// A buffer that begins with the table's name.
fn named(length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    buffer[..6].copy_from_slice(b"filter");
    buffer
}

fn ask(socket: BorrowedFd<'_>, ipv6: bool, what: libc::c_int, buffer: &mut [u8]) -> io::Result<()> {
    let level = if ipv6 { libc::IPPROTO_IPV6 } else { libc::IPPROTO_IP };
    let mut length = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes, which is the length of the buffer, and no pointer is kept.
    let answer = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, what, buffer.as_mut_ptr().cast::<libc::c_void>(), &raw mut length)
    };
    check(answer.into()).map(drop)
}
