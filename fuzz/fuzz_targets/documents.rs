//! Drives `rootfs_tools::fuzz::documents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rootfs_tools::fuzz::documents(bytes));
