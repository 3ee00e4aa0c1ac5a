//! rootfs-tools.
#![forbid(unsafe_code)]
