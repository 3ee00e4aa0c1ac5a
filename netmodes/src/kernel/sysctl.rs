//! Kernel settings below /proc/sys.
//!
//! ```text
//! net/ipv4/ip_forward  1      read first: it is written only if it differs, as /proc/sys may be read-only
//! ```
//!
//! The file shows the network namespace of the thread that opens it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::Error;

/// `sysctl -w KEY=VALUE`. A setting of IPv6 that is not there is a kernel without IPv6: nothing to forbid.
pub(super) fn write(key: &str, value: &str) -> Result<(), Error> {
    let path = Path::new("/proc/sys").join(key);
    match fs::read_to_string(&path) {
        Ok(old) if old.trim_end() == value => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound && key.starts_with("net/ipv6/") => Ok(()),
        _ => fs::write(&path, value).map_err(|error| Error::system(format!("set {key} to {value}"), error)),
    }
}
