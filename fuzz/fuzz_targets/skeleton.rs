//! Drives `rootfs_tools::fuzz::skeleton`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rootfs_tools::fuzz::skeleton(bytes));
