//! `--link container[:alias]`: to whom, and by what name.
//!
//! ```text
//! default network   the container itself, by its id: hosts line, environment, ports       monitor/linked.rs
//! other networks    its name there, whoever has it at the time: a private name            netmodes/names/directory.rs
//! host, container, none   refused
//! ```

use anyhow::{Context, Result, bail};
use netmodes::names::links::parse;
use netmodes::network::Network;

use crate::container::record::{Link, Mode};
use crate::container::{Container, Containers};
use crate::host::Host;

/// Docker's sentence where a link could mean nothing.
const NOT_HERE: &str = "links are only supported for user-defined networks";

/// The links of `network connect`: a container is linked to another on the default network by `run` and `create` alone,
/// as its variables are told at a start.
///
/// # Errors
/// Docker's sentences for a bad word, and for the default network.
pub fn of_network(network: &Network, words: &[String]) -> Result<Vec<Link>> {
    match network.is_default() && !words.is_empty() {
        true => bail!(NOT_HERE),
        false => collect(words, Ok),
    }
}

/// The links of the first network. Of two with one alias the first counts, as in Docker.
///
/// # Errors
/// Docker's sentences for a mode that cannot have links, a bad word, and a container that is not there.
pub fn links(host: &Host, mode: &Mode, words: &[String]) -> Result<Vec<Link>> {
    collect(words, |name| match mode {
        Mode::Default => Ok(target(host, &name)?.record.id),
        Mode::Host => bail!(conflict("host")),
        Mode::Container(_) => bail!(conflict("container")),
        Mode::None => bail!(NOT_HERE),
        Mode::Network(_) => Ok(name),
    })
}

fn collect(words: &[String], target: impl Fn(String) -> Result<String>) -> Result<Vec<Link>> {
    let mut links: Vec<Link> = Vec::new();
    for word in words {
        let (name, alias) = parse(word)?;
        let container = target(name)?;
        if !links.iter().any(|link| link.alias.eq_ignore_ascii_case(&alias)) {
            links.push(Link { container, alias });
        }
    }
    Ok(links)
}

/// Docker's sentence.
fn conflict(mode: &str) -> String {
    let result = "This would result in undefined behavior";
    format!("conflicting options: {mode} type networking can't be used with links. {result}")
}

/// The container whose network it is: of one that shares another's, the other.
fn target(host: &Host, name: &str) -> Result<Container> {
    let containers = Containers::of(host);
    let mut target = containers.find(name).with_context(|| format!("could not get container for {name}"))?;
    while let Mode::Container(owner) = &target.record.network.mode {
        target = containers.find(owner).with_context(|| format!("could not get container for {owner}"))?;
    }
    if target.record.network.mode == Mode::Host {
        bail!(conflict("host"));
    }
    Ok(target)
}
