//! Which system calls a container may make: Docker's default profile, and a compiler from OCI rules to BPF.
//!
//! ```text
//! capabilities ──profile──> oci_spec LinuxSeccomp ──compile──> [Instruction] ──sys::seccomp::install_with──> kernel
//!                           (in the Spec, as JSON)
//!
//! the filter:   load arch ─┬─ x86_64 ── load nr ── tree ──┐
//!                          ├─ i386 ──── load nr ── tree ──┤        tree:      nr >= 231 ?
//!                          └─ other ─── ENOSYS            │               no /         \ yes
//!                                                         └─       nr >= 102 ?      nr >= 288 ?
//!                                                                   …  leaves: ALLOW, ERRNO, argument rules
//! ```
//!
//! A filter runs at every system call, and the kernel checks and translates it once a container: both cost time along
//! the path from root to leaf. So neighbouring numbers with one verdict become a range and the ranges a balanced tree,
//! about ten steps deep where a chain of comparisons would have four hundred.

mod argument;
mod compile;
mod docker;
#[cfg(test)]
mod libseccomp;
mod multiplexed;
mod profile;
mod program;
mod syscalls;
#[cfg(test)]
mod tests;

pub use compile::{compile, flags};
pub use docker::{Kernel, kernel, of_docker};
pub use profile::profile;
