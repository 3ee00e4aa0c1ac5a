//! `--explain` and `--dry-run`: what `run` does, as lines that a person could type.
//!
//! ```text
//! Record ─┐                    ground    where its files are
//! Spec ───┼─ script() ──────>  network   the plan's own words (netmodes::explain), files that tell of it
//! Plan ───┤   (pure)           control   control group
//! files ──┘                    root      namespaces, mounts, devices, masks       ┐ typed inside
//!                              program   capabilities, user, the program          ┘ the new namespaces
//!                              ending    the way down
//! ```
//!
//! The explanation is made of the very Spec and Plan that a start uses, so it says what is done, and the text is a bash
//! script: tests run it on an empty host and compare the container and both kernels with what `run` made.

mod control;
mod ending;
mod ground;
#[cfg(test)]
mod link_page;
mod network;
#[cfg(test)]
mod pages;
mod program;
mod root;
mod script;
mod shell;

use std::path::PathBuf;

use anyhow::Result;
use netmodes::plan::Plan;
use oci_spec::runtime::Spec;

pub use network::{change, creation, publication, removal, withdrawal};
pub use script::Script;

use crate::container::record::Mode;
use crate::container::{Container, Containers, Record};
use crate::isolate::account::{self, Account};
use crate::isolate::cgroup::Hierarchy;
use crate::spec::Facts;

/// Everything about one start, decided and not yet done.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What was asked for.
    pub record: &'a Record,
    /// How it is isolated.
    pub spec: &'a Spec,
    /// Where its files are.
    pub places: Places,
    /// Its files in /etc, by name, if it has its own.
    pub etc: Vec<(&'static str, String)>,
    /// How it is connected.
    pub network: Network<'a>,
    /// The control groups of the host.
    pub hierarchy: &'a Hierarchy,
    /// Its control group, below the root of each tree: `pontoon/ID`.
    pub cgroup: String,
    /// Who runs.
    pub account: Account,
    /// `-d`: nobody waits for its end.
    pub detached: bool,
}

/// Directories on the host; in the script they are variables of these names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `$root`: where its `/` is mounted.
    pub root: PathBuf,
    /// `$files`: hosts, hostname, resolv.conf. Another container's, where the network is another's.
    pub files: PathBuf,
    /// `$disk`: upper and work, what the container writes.
    pub disk: PathBuf,
}

/// Which network namespace, and what is made for it.
#[derive(Debug)]
pub enum Network<'a> {
    /// The host's.
    Host,
    /// That of another container, by name.
    Joined(String),
    /// Its own, with this plan.
    Own(&'a Plan),
}

impl<'a> Network<'a> {
    /// What a container's mode means, with the plan of one that has a namespace of its own.
    ///
    /// # Errors
    /// The container to be joined has gone.
    pub fn of(container: &Container, plan: &'a Plan) -> Result<Network<'a>> {
        match &container.record.network.mode {
            Mode::Host => Ok(Network::Host),
            Mode::Container(other) => Ok(Network::Joined(Containers::of(&container.host).find(other)?.record.name)),
            _ => Ok(Network::Own(plan)),
        }
    }
}

impl<'a> Scene<'a> {
    /// The scene of a container, with the facts of which its Spec was made.
    ///
    /// # Errors
    /// A user that the image does not know.
    pub fn of(
        container: &'a Container,
        spec: &'a Spec,
        facts: &Facts,
        hierarchy: &'a Hierarchy,
        network: Network<'a>,
    ) -> Result<Scene<'a>> {
        let record = &container.record;
        Ok(Scene {
            record,
            spec,
            places: Places { root: facts.root.clone(), files: facts.files.clone(), disk: facts.disk.clone() },
            etc: Vec::new(),
            network,
            hierarchy,
            cgroup: format!("{}/{}", container.host.cgroup_parent.trim_matches('/'), record.id),
            account: account::look_up_in(user(spec), &facts.layers)?,
            detached: false,
        })
    }
}

/// Who runs, in words that travel in the Spec's only room for a name.
fn user(spec: &Spec) -> &str {
    spec.process().as_ref().and_then(|process| process.user().username().as_deref()).unwrap_or_default()
}

/// The whole explanation.
///
/// # Errors
/// What the Spec asks for and no control group of this version can do.
pub fn script(scene: &Scene<'_>) -> Result<Script> {
    let mut groups = vec![ground::directories(scene)];
    groups.extend(network::groups(scene));
    groups.extend(ground::files(scene));
    groups.extend(control::groups(scene)?);
    groups.push(root::namespaces(scene));
    groups.extend(root::groups(scene));
    groups.extend(program::groups(scene));
    groups.extend(ending::group(scene));
    let name = &scene.record.name;
    let image = shell::word(&scene.record.image.reference);
    Ok(Script { title: format!("What `pontoon run` does for the container {name} of the image {image}"), groups })
}
