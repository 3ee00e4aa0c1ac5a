//! `pontoon network prune`: removes networks that no container has.
//!
//! ```text
//! WARNING! … [y/N] y ──> Deleted Networks:
//!                        my-net
//! ```
//!
//! A container that does not run has its networks all the same: it could not start again without them.

use std::io::BufRead;

use anyhow::{Context, Result};
use netmodes::network::Network;

use super::filters::{Filters, Subject, users};
use super::removal::{finish_behind, name_of_user, remove_one};
use crate::cli::NetworkPruneArgs;
use crate::commands::{each, print, say};
use crate::host::Host;
use crate::monitor::network::networks;

/// What `--filter` may ask for.
const FILTERS: [&str; 3] = ["label", "label!", "until"];

/// Asks unless told not to, removes, and says what went.
///
/// # Errors
/// A filter that means nothing; records that cannot be read.
pub fn prune(host: &Host, args: &NetworkPruneArgs) -> Result<i32> {
    let filters = Filters::parse(&args.filter, &FILTERS)?;
    if !args.force && !is_granted(&args.filter)? {
        return Ok(0);
    }
    let networks = networks(host)?;
    let users = users(host)?;
    let is_idle = |network: &Network| !network.is_default() && !users.contains(&network.name);
    let idle: Vec<Network> = networks.list()?.into_iter().filter(is_idle).collect();
    let chosen = idle.into_iter().filter(|network| filters.take(&Subject::from(network.clone()), &users));
    let mut removed = Vec::new();
    let names: Vec<String> = chosen.map(|network| network.name).collect();
    let code = each(&names, |name| {
        remove_one(&networks, &networks.find(name)?, &|id| name_of_user(host, id))?;
        removed.push(name.to_owned());
        Ok(())
    })?;
    if !removed.is_empty() {
        say(format_args!("Deleted Networks:\n{}\n", removed.join("\n")))?;
    }
    finish_behind(&networks)?;
    Ok(code)
}

/// Docker's question; only y and Y are a yes.
fn is_granted(filters: &[String]) -> Result<bool> {
    let mut question = "WARNING! This will remove all custom networks not used by at least one container.\n".to_owned();
    if !filters.is_empty() {
        let listed: String = filters.iter().map(|filter| format!("  - {filter}\n")).collect();
        question += &format!("\n  Items to be pruned will be filtered with:\n{listed}\n");
    }
    print(format_args!("{question}Are you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
