//! prctl(PR_CAPBSET_DROP) by number: the `caps` crate drops only capabilities whose names it knows, and a newer kernel
//! may have more. What has no name yet must not stay in a container's bounding set.
//!
//! ```text
//! 0 … cap_last_cap ── prctl(PR_CAPBSET_DROP, n) ──> gone for good | EINVAL: no such capability
//! ```

use std::io;

use super::check;

/// Takes capability `number` out of this thread's bounding set; `false` when the kernel knows no such capability.
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn drop_bounding(number: u32) -> io::Result<bool> {
    let number = libc::c_ulong::from(number);
    // SAFETY: no pointers; prctl(2) ignores the remaining arguments, which are zero.
    match check(libc::c_long::from(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) })) {
        Ok(_) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(e) => Err(e),
    }
}
