//! Kernel settings below /proc/sys.
//!
//! ```text
//! net/ipv4/ip_forward  1      read first: it is written only if it differs, as /proc/sys may be read-only
//! ```
//!
//! The file shows the network namespace of the thread that opens it.
//!
//! That the host forwards is a wish: where it cannot be switched on, containers of one network still reach each other, and
//! whoever starts one is warned.

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
        _ => match fs::write(&path, value) {
            Err(_) if FORWARDING.contains(&key) => Ok(()),
            written => written.map_err(|error| Error::system(format!("set {key} to {value}"), error)),
        },
    }
}

/// Passing on packets from one device to another.
const FORWARDING: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];

/// Does this host forward packets of the family? One without the family has nothing to forward.
pub(super) fn forwards(ipv6: bool) -> bool {
    let text = fs::read_to_string(Path::new("/proc/sys").join(FORWARDING[usize::from(ipv6)]));
    text.is_ok_and(|text| text.trim_end() != "0") || ipv6 && !Path::new("/proc/sys/net/ipv6").exists()
}
