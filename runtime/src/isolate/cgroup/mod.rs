//! Control groups: one leaf a container, and the same words for versions 1 and 2.
//!
//! ```text
//!                    v1 and hybrid                                   v2
//! /sys/fs/cgroup/    cpu/  memory/  pids/  freezer/  systemd/ …      cgroup.controllers
//!   parent           cpu/pontoon  memory/pontoon  …                  pontoon/     (controllers switched on here)
//!   leaf             cpu/pontoon/ID  memory/pontoon/ID  …            pontoon/ID/  (processes only here)
//! enter              write 0 into `tasks` of each tree               born inside: CLONE_INTO_CGROUP by `fd`
//! devices            devices.deny, devices.allow                     a BPF program
//! kill               freeze, SIGKILL by pidfd, thaw, wait            cgroup.kill, wait on cgroup.events
//! ```
//!
//! A parent is relative to the *mount point* of each tree, never to the group that Pontoon itself runs in: so a
//! container outlives the session that started it and is found again by another command, as with Docker's cgroupfs
//! driver. Inside a container the mount point shows what that container may use, and the same words work there.
//!
//! A hybrid host (v1, and a v2 tree without controllers under `unified`) counts as v1.

mod device_program;
mod devices;
mod file;
mod hierarchy;
mod kill;
mod leaf;
pub mod mount;
mod resources;
#[cfg(test)]
mod tests;
mod tree;
mod v1;
mod v2;

pub use hierarchy::{Hierarchy, Tree, detect, is_unified};
pub use leaf::{Cgroup, View};
pub use resources::{Setting, Version, settings};
