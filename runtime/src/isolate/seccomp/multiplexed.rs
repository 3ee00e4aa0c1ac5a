//! i386 has two doors to its socket and System V calls: a number of each one's own, and one number for all of them.
//!
//! ```text
//! socket(2, 1, 0)  =  socketcall(1, &[2, 1, 0])         shmget(…)  =  ipc(23, …)
//! ```
//!
//! A rule about `socket` that only knew the first door would forbid nothing: a 32-bit program takes the second. So a
//! rule without conditions counts at both doors, as with libseccomp. Conditions cannot be checked at the second, where
//! the arguments are in memory: there a rule that refuses something refuses all, and one that allows something nothing.

use oci_spec::runtime::LinuxSyscall;

/// The second door: its number on i386, how much of its first argument says what is wanted, and who stands behind.
pub struct Door {
    /// System call number on i386.
    pub number: u32,
    /// ipc(2) carries a version in the upper half of its first argument.
    pub mask: u64,
    behind: &'static [(&'static str, u64)],
}

/// `__NR_socketcall` with the codes of linux/net.h, and `__NR_ipc` with those of linux/ipc.h.
pub const DOORS: [Door; 2] = [
    Door {
        number: 102,
        mask: u64::MAX,
        behind: &[
            ("socket", 1),
            ("bind", 2),
            ("connect", 3),
            ("listen", 4),
            ("accept", 5),
            ("getsockname", 6),
            ("getpeername", 7),
            ("socketpair", 8),
            ("send", 9),
            ("recv", 10),
            ("sendto", 11),
            ("recvfrom", 12),
            ("shutdown", 13),
            ("setsockopt", 14),
            ("getsockopt", 15),
            ("sendmsg", 16),
            ("recvmsg", 17),
            ("accept4", 18),
            ("recvmmsg", 19),
            ("sendmmsg", 20),
        ],
    },
    Door {
        number: 117,
        mask: 0xffff,
        behind: &[
            ("semop", 1),
            ("semget", 2),
            ("semctl", 3),
            ("semtimedop", 4),
            ("msgsnd", 11),
            ("msgrcv", 12),
            ("msgget", 13),
            ("msgctl", 14),
            ("shmat", 21),
            ("shmdt", 22),
            ("shmget", 23),
            ("shmctl", 24),
        ],
    },
];

impl Door {
    /// The codes of the calls that a rule names.
    pub fn codes<'a>(&'a self, rule: &'a LinuxSyscall) -> impl Iterator<Item = u64> + 'a {
        let named = |name: &str| rule.names().iter().any(|other| other == name);
        self.behind.iter().filter(move |(name, _)| named(name)).map(|(_, code)| *code)
    }

    /// Whether a name is one of those behind this door.
    #[cfg(test)]
    pub fn is_behind(&self, name: &str) -> bool {
        self.behind.iter().any(|(other, _)| *other == name)
    }
}
