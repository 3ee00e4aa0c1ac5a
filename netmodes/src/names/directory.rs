//! What a container may call the others: over all its networks, in the order in which it is attached.
//!
//! ```text
//!   query "a.b.c"  ->  name "a.b.c" in any network
//!                      name "a.b"   in the network "c"
//!                      name "a"     in the network "b.c"       first that is known wins
//! ```
//!
//! Both names of containers and names of networks may contain dots, hence every split is tried, as Docker does.

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The network's name, for `container.network`.
    pub network: String,
    /// Its state directory, which holds the registry.
    pub state: PathBuf,
}

/// The registries of a container's networks.
pub struct Registries {
    /// In order of attachment.
    pub members: Vec<Member>,
    /// Whether the container of an id is running now.
    pub alive: Box<dyn Fn(&str) -> bool>,
}

impl Registries {
    fn in_member(&self, member: &Member, name: &str) -> io::Result<Vec<IpAddr>> {
        registry::lookup(&member.state, name, &self.alive)
    }
}

impl Directory for Registries {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        for member in &self.members {
            let found = self.in_member(member, name)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        for (dot, _) in name.rmatch_indices('.') {
            let (host, network) = (&name[..dot], &name[dot + 1..]);
            for member in self.members.iter().filter(|m| m.network.eq_ignore_ascii_case(network)) {
                let found = self.in_member(member, host)?;
                if !found.is_empty() {
                    return Ok(found);
                }
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
        let members = networks.iter().map(|(n, d)| Member { network: n.to_string(), state: d.path().to_owned() });
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
}
