//! Isolation: one kernel feature, one file.
//!
//! ```text
//! rootfs ─ what `/` is: overlay or directory, mounts, masks, pivot_root
//! ├── overlay    the layers of an image and a writable one
//! ├── inside     paths that cannot leave the root
//! ├── mounts     Spec.mounts by the new mount API        ├── options  words like `ro,nosuid,size=64m`
//! ├── devices    /dev                                    └── masks    masked and read-only paths
//! account ─ who runs: /etc/passwd and /etc/group, read as hostile files
//! capabilities, seccomp, limits, cgroup ─ what it may do and use
//! ```
//!
//! Everything here runs in the child between clone and exec (but `cgroup`, which the parent fills), reads the
//! [`oci_spec::runtime::Spec`] and knows neither record nor network.

pub mod account;
pub mod capabilities;
pub mod cgroup;
pub mod devices;
pub mod inside;
pub mod limits;
pub mod masks;
pub mod mounts;
pub mod options;
pub mod overlay;
pub mod rootfs;
pub mod seccomp;
