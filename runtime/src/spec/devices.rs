//! Devices of the Spec: which nodes are in /dev, and which the control group lets a container open.
//!
//! ```text
//! usual         null zero full random urandom tty       and may open: these, console, ptmx, its own terminals
//! --device      that one more, with its letters of rwm
//! --privileged  every device of the host, everything allowed
//! ```

use std::path::Path;

use anyhow::Result;
use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType,
};

use super::{Facts, mounts};
use crate::container::Record;

/// Path, major, minor: what every program expects in /dev.
const DEVICES: [(&str, i64, i64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Major and minor that may be read and written: the devices above, console, ptmx and the terminals.
const ALLOWED: [(i64, Option<i64>); 9] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
];

/// The nodes that are made. Nothing is put into a /dev that is the person's own mount.
///
/// # Errors
/// None that data could cause.
pub fn nodes(record: &Record, facts: &Facts) -> Result<Vec<LinuxDevice>> {
    let mut nodes = if record.privileges.privileged { facts.devices.clone() } else { devices()? };
    for added in &facts.added {
        nodes.retain(|node| node.path() != added.device.path());
        nodes.push(added.device.clone());
    }
    if mounts::is_mounted(record, Path::new("/dev")) {
        nodes.retain(|node| !node.path().starts_with("/dev"));
    }
    Ok(nodes)
}

fn devices() -> Result<Vec<LinuxDevice>> {
    DEVICES
        .iter()
        .map(|(path, major, minor)| {
            let device = LinuxDeviceBuilder::default().path(*path).typ(LinuxDeviceType::C);
            Ok(device.major(*major).minor(*minor).file_mode(0o666u32).uid(0u32).gid(0u32).build()?)
        })
        .collect()
}

/// Deny all; anybody may make any node; only the harmless ones can be opened.
///
/// # Errors
/// None that data could cause.
pub fn rules(record: &Record, facts: &Facts) -> Result<Vec<LinuxDeviceCgroup>> {
    if record.privileges.privileged {
        return Ok(vec![
            LinuxDeviceCgroupBuilder::default().allow(true).typ(LinuxDeviceType::A).access("rwm").build()?,
        ]);
    }
    let mut rules =
        vec![LinuxDeviceCgroupBuilder::default().allow(false).typ(LinuxDeviceType::A).access("rwm").build()?];
    for kind in [LinuxDeviceType::C, LinuxDeviceType::B] {
        rules.push(LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access("m").build()?);
    }
    for added in &facts.added {
        let (kind, major, minor) = (added.device.typ(), added.device.major(), added.device.minor());
        let rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).major(major).minor(minor);
        rules.push(rule.access(added.access.as_str()).build()?);
    }
    for (major, minor) in ALLOWED {
        let rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(LinuxDeviceType::C).major(major).access("rwm");
        rules.push(match minor {
            Some(minor) => rule.minor(minor).build()?,
            None => rule.build()?,
        });
    }
    Ok(rules)
}
