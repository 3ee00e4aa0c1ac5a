//! `--explain`: the monitor says what it is about to do, as it alone knows the address, the ports and the names.
//!
//! ```text
//! record, Spec, Plan, files in /etc ─> explain::script ─> parts ─> Explained, Explained … ─> Started
//! ```

use std::fs;

use anyhow::Result;
use netmodes::plan::Plan;
use oci_spec::runtime::Spec;

use super::specification;
use crate::container::Container;
use crate::container::record::Mode;
use crate::explain::{self, Network, Scene, Script};
use crate::isolate::cgroup;

/// Bytes of one message: its JSON has to fit a packet of the control protocol.
const PART: usize = 20_000;

/// The explanation of this start.
///
/// # Errors
/// A sentence, where a start would fail as well.
pub fn script(container: &Container, spec: &Spec, plan: &Plan, detached: bool) -> Result<Script> {
    let (facts, hierarchy) = (specification::facts(container)?, cgroup::detect()?);
    let scene = Scene::of(container, spec, &facts, &hierarchy, Network::of(container, plan)?)?;
    let etc = ["hosts", "hostname", "resolv.conf"].map(|name| {
        let text = fs::read(facts.files.join(name)).unwrap_or_default();
        (name, String::from_utf8_lossy(&text).into_owned())
    });
    let own = !matches!(container.record.network.mode, Mode::Container(_));
    explain::script(&Scene { etc: if own { etc.into() } else { Vec::new() }, detached, ..scene })
}

/// A text in parts of whole lines.
pub fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let full = parts.last().is_some_and(|part| part.len() + line.len() > PART);
        match parts.last_mut() {
            Some(part) if !full => part.push_str(line),
            _ => parts.push(line.to_owned()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_lines_and_all_of_them() {
        let text = ("x".repeat(999) + "\n").repeat(50);
        let parts = parts(&text);
        assert_eq!(parts.concat(), text);
        assert!(parts.len() == 3 && parts.iter().all(|part| part.len() <= PART && part.ends_with('\n')));
    }
}
