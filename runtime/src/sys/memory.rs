//! Giving memory back that a long life does not need.
//!
//! ```text
//! heap after a start   ██░░░█░░░░░░░░██░░░░   malloc_trim(3)   ██   █        ██
//!                      (░ free, but still this process's)
//! ```

/// malloc_trim(3): whole pages that nobody uses go back to the kernel. What a start needed once, such as the parsed
/// description of the container, would otherwise stay as long as the monitor.
pub fn give_back() {
    // SAFETY: no pointers; malloc_trim takes the allocator's own locks.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
