//! Drives `rootfs_tools::fuzz::reference`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rootfs_tools::fuzz::reference(bytes));
