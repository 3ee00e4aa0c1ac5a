//! `--network none`: a namespace of its own with nothing but the loopback device.
//!
//! ```text
//! container netns        lo 127.0.0.1
//! ```
//!
//! It has a name for `ip netns`, so that a person can put links into it by hand.

use super::{loopback, named_netns};
use crate::plan::Plan;

/// `lo` up, and the name `/run/netns/<name>` -> `netns`, if one is asked for.
pub fn plan(name: &str, netns: Option<&String>) -> Plan {
    Plan { shared: Vec::new(), own: std::iter::once(loopback()).chain(named_netns(name, netns)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_loopback_alone() {
        insta::assert_snapshot!(plan("web", Some(&"/proc/412/fd/7".into())).to_string().trim_end(), @r#"
        ip -n "$netns" link set lo up
        ln -s /proc/412/fd/7 /run/netns/web
        "#);
    }
}
