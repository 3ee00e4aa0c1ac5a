//! Host ports: held by the monitor before anything is made.
//!
//! ```text
//! -p 8080:80   ─> bind, listen, shutdown ─> Held       one that somebody holds ends the start here, by his name
//! -P           ─> every exposed port, after those that are named
//! ```

use anyhow::Result;
use netmodes::publish::{self, Held, Landing, Mapping, Ports};

use crate::container::{Containers, record};
use crate::host::Host;
use crate::monitor::spawn;

/// Ports as they are published.
#[derive(Debug, Default)]
pub struct Published {
    /// What was asked for, host ports and families chosen.
    pub mappings: Vec<Mapping>,
    /// The sockets behind those that need a port of the host.
    pub held: Vec<Held>,
}

/// Binds every host port. Those that are named come first, so that `-P` does not take one of them.
///
/// # Errors
/// A port that somebody holds.
pub fn hold(host: &Host, wanted: &record::Network, landing: &Landing) -> Result<Published> {
    let mut mappings = wanted.publish.clone();
    if wanted.publish_all {
        let exposed: Vec<_> =
            wanted.expose.iter().map(|word| publish::parse_exposed(word)).collect::<Result<_, _>>()?;
        mappings.extend(publish::all_of(&exposed.concat(), &wanted.publish, Ports::PICKED));
    }
    hold_these(host, &mappings, landing)
}

/// Binds these.
///
/// # Errors
/// As [`hold`].
pub fn hold_these(host: &Host, mappings: &[Mapping], landing: &Landing) -> Result<Published> {
    let who = |words: &[String]| holder(host, words);
    let mut published = Published::default();
    for mapping in mappings {
        let held = publish::hold(mapping, landing, &who)?;
        published.mappings.extend(held.iter().map(|held| held.mapping));
        published.mappings.extend(landing.open(mapping));
        published.held.extend(held);
    }
    Ok(published)
}

/// The name of the container whose monitor has these arguments; as its record says, for it may have been renamed.
fn holder(host: &Host, words: &[String]) -> Option<String> {
    let [program, name, .., id] = words else { return None };
    let recorded = || Containers::of(host).load(id).ok()?.map(|container| container.record.name);
    (program == spawn::NAME).then(|| recorded().unwrap_or_else(|| name.clone()))
}
