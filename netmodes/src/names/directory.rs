//! What a container may call the others: over all its networks, in the order in which it is attached.
//!
//! ```text
//!   query "a.b.c"  ->  name "a.b.c" in any network
//!                      name "a.b"   in the network "c"
//!                      name "a"     in the network "b.c"       first that is known wins
//! ```
//!
//! Each of these steps asks the links first (`--link` on such a network): private names of this container alone, for names
//! of the network that may come and go. A private name hides the network's own of the same spelling.
//!
//! Both names of containers and names of networks may contain dots, hence every split is tried, as Docker does.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::registry;

/// Where [`answer`](super::answer::answer) looks names up. A trait, so that tests need no files.
pub trait Directory {
    /// The addresses known under `name` (lower-cased); empty when the name is unknown.
    ///
    /// # Errors
    /// The look-up failed, which is not the same as "unknown".
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// The full name of an address.
    ///
    /// # Errors
    /// The look-up failed.
    fn pointer(&self, address: IpAddr) -> io::Result<Option<String>>;
}

/// One network that the container is attached to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// The network's name, for `container.network`.
    pub network: String,
    /// Its state directory, which holds the registry.
    pub state: PathBuf,
    /// Private names (lower-cased), and the names of this network that they stand for.
    pub links: BTreeMap<String, String>,
}

/// The registries of a container's networks.
pub struct Registries {
    /// In order of attachment.
    pub members: Vec<Member>,
    /// Whether the container of an id is running now.
    pub alive: Box<dyn Fn(&str) -> bool>,
}

impl Registries {
    /// The addresses of `name` in the network `network`, or in the first of all that knows it.
    fn in_networks(&self, name: &str, network: Option<&str>) -> io::Result<Vec<IpAddr>> {
        let asked = || self.members.iter().filter(|m| network.is_none_or(|n| m.network.eq_ignore_ascii_case(n)));
        let private = asked().filter_map(|member| Some((member, member.links.get(name)?.as_str())));
        let public = asked().filter(|member| !member.links.contains_key(name)).map(|member| (member, name));
        for (member, name) in private.chain(public) {
            let found = registry::lookup(&member.state, name, &self.alive)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

impl Directory for Registries {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let split = name.rmatch_indices('.').map(|(dot, _)| (&name[..dot], Some(&name[dot + 1..])));
        for (host, network) in std::iter::once((name, None)).chain(split) {
            let found = self.in_networks(host, network)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn pointer(&self, address: IpAddr) -> io::Result<Option<String>> {
        for member in &self.members {
            if let Some(name) = registry::reverse(&member.state, address, &self.alive)? {
                return Ok(Some(format!("{name}.{}", member.network)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn registries(networks: &[(&str, &TempDir)]) -> Registries {
        let members = networks.iter().map(|(n, d)| Member {
            network: n.to_string(),
            state: d.path().to_owned(),
            links: BTreeMap::new(),
        });
        Registries { members: members.collect(), alive: Box::new(|_| true) }
    }

    #[test]
    fn a_name_is_found_alone_and_with_its_network() {
        let dir = tempfile::tempdir().unwrap();
        registry::publish(dir.path(), "web", "c1", &[ip("172.18.0.2")]).unwrap();
        let directory = registries(&[("My-Net", &dir)]);
        for name in ["web", "web.my-net"] {
            assert_eq!(directory.addresses(name).unwrap(), [ip("172.18.0.2")], "{name}");
        }
        for name in ["web.other", "web.my", "my-net", "x.web", ".my-net", "web."] {
            assert!(directory.addresses(name).unwrap().is_empty(), "{name}");
        }
        assert_eq!(directory.pointer(ip("172.18.0.2")).unwrap().unwrap(), "web.My-Net");
    }

    #[test]
    fn the_first_network_wins_and_each_can_be_named() {
        let (front, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        registry::publish(front.path(), "db", "c1", &[ip("10.1.0.2")]).unwrap();
        registry::publish(back.path(), "db", "c2", &[ip("10.2.0.2")]).unwrap();
        let directory = registries(&[("front", &front), ("back.end", &back)]);
        assert_eq!(directory.addresses("db").unwrap(), [ip("10.1.0.2")]);
        assert_eq!(directory.addresses("db.back.end").unwrap(), [ip("10.2.0.2")]);
        assert_eq!(directory.pointer(ip("10.2.0.2")).unwrap().unwrap(), "db.back.end");
    }

    #[test]
    fn a_name_with_dots_goes_before_a_network() {
        let dir = tempfile::tempdir().unwrap();
        registry::publish(dir.path(), "a", "c1", &[ip("10.1.0.1")]).unwrap();
        registry::publish(dir.path(), "a.b", "c2", &[ip("10.1.0.2")]).unwrap();
        let directory = registries(&[("b", &dir)]);
        assert_eq!(directory.addresses("a.b").unwrap(), [ip("10.1.0.2")]);
        assert_eq!(directory.addresses("a.b.b").unwrap(), [ip("10.1.0.2")]);
    }

    #[test]
    fn links_are_private_names_that_go_first_and_follow_the_networks_name() {
        let (front, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        registry::publish(front.path(), "api", "c1", &[ip("10.1.0.2")]).unwrap();
        registry::publish(back.path(), "db", "c2", &[ip("10.2.0.2")]).unwrap();
        let mut directory = registries(&[("front", &front), ("back", &back)]);
        directory.members[1].links = BTreeMap::from([("api".into(), "DB".into()), ("late".into(), "later".into())]);
        assert_eq!(directory.addresses("api").unwrap(), [ip("10.2.0.2")], "before another network's name");
        assert_eq!(directory.addresses("api.back").unwrap(), [ip("10.2.0.2")]);
        assert_eq!(directory.addresses("api.front").unwrap(), [ip("10.1.0.2")], "the link is of the other network");
        assert!(directory.addresses("late").unwrap().is_empty());
        registry::publish(back.path(), "late", "c3", &[ip("10.2.0.3")]).unwrap();
        assert!(directory.addresses("late").unwrap().is_empty(), "hidden by the link");
        registry::publish(back.path(), "later", "c4", &[ip("10.2.0.4")]).unwrap();
        assert_eq!(directory.addresses("late").unwrap(), [ip("10.2.0.4")]);
    }
}
