//! What should be there, kept by hand beside the host: so small that it can be seen to be right.
//!
//! ```text
//!   Move ── expected(book) ── Done, or the sentence that is to be said
//!     │ typed on the host, and if it was to be done: Book::write
//!     ▼
//!   networks: east, west            containers: x { networks: [east], ports: [8000], running }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::random::Random;

/// No letters of hexadecimal digits alone: such a name is also the beginning of an id.
pub const NETWORKS: [&str; 3] = ["east", "north", "west"];
/// The one that is there without being created.
pub const DEFAULT: &str = "bridge";
const CONTAINERS: [&str; 5] = ["v", "w", "x", "y", "z"];
const PORTS: [u16; 3] = [8000, 8001, 8002];

/// One command, or one blow.
#[derive(Clone, Debug)]
pub enum Move {
    NetworkCreate(&'static str),
    NetworkRm(&'static str),
    Run {
        name: &'static str,
        networks: Vec<&'static str>,
        ports: Vec<u16>,
    },
    Start(&'static str),
    Stop(&'static str),
    Restart(&'static str),
    Rm(&'static str),
    KillMonitor(&'static str),
    KillInit(&'static str),
    Connect(&'static str, &'static str),
    Disconnect(&'static str, &'static str),
    PortAdd(&'static str, u16),
    PortRm(&'static str, u16),
    /// An administrator empties the firewall, and somebody has it put back.
    Reload,
    /// SIGKILL some milliseconds after the beginning, to the command or to the container's monitor.
    Struck {
        step: Box<Move>,
        command: bool,
        after: usize,
    },
}

/// A container as it should be.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub networks: BTreeSet<&'static str>,
    pub ports: BTreeSet<u16>,
    pub running: bool,
}

/// All that should be there.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub networks: BTreeSet<&'static str>,
    pub containers: BTreeMap<&'static str, Entry>,
}

impl Book {
    /// A move by chance; some of them are to be refused, some are struck down on their way.
    pub fn choose(&self, random: &mut Random) -> Move {
        let step = self.choose_whole(random);
        match step.container() {
            Some(_) if random.below(4) == 0 => {
                Move::Struck { step: step.into(), command: random.below(2) == 0, after: random.below(60) }
            }
            _ => step,
        }
    }

    fn choose_whole(&self, random: &mut Random) -> Move {
        let network = random.one(&NETWORKS);
        // Mostly those that are there: a sequence of refusals would ask little.
        let there: Vec<&str> = self.containers.keys().copied().collect();
        let name = if there.is_empty() || random.below(8) == 0 { random.one(&CONTAINERS) } else { random.one(&there) };
        match random.below(32) {
            26..29 if self.containers.get(name).is_some_and(|entry| entry.networks.is_empty()) => {
                Move::Connect(network, name)
            }
            26..29 => Move::PortAdd(name, random.one(&PORTS)),
            29..31 => Move::PortRm(name, random.one(&PORTS)),
            31 => Move::Reload,
            20..23 => Move::Connect(network, name),
            23..26 => self.disconnect(random, network, name),
            0..3 => Move::NetworkCreate(network),
            3..5 => Move::NetworkRm(network),
            5..11 => self.run(random),
            11 | 12 => Move::Start(name),
            13 | 14 => Move::Stop(name),
            15 => Move::Restart(name),
            16 | 17 => Move::Rm(name),
            18 => Move::KillMonitor(name),
            _ => Move::KillInit(name),
        }
    }

    /// Not from the last network where ports are published: whether they are held then, nobody has promised.
    fn disconnect(&self, random: &mut Random, network: &'static str, name: &'static str) -> Move {
        let entry = self.containers.get(name).cloned().unwrap_or_default();
        let on: Vec<&str> = entry.networks.into_iter().collect();
        match on.len() {
            0 => Move::Disconnect(network, name),
            1 if !entry.ports.is_empty() => Move::Connect(network, name),
            _ => Move::Disconnect(random.one(&on), name),
        }
    }

    fn run(&self, random: &mut Random) -> Move {
        let free: Vec<&str> = CONTAINERS.into_iter().filter(|name| !self.containers.contains_key(name)).collect();
        let of = if free.is_empty() || random.below(8) == 0 { &CONTAINERS } else { &free[..] };
        let name = random.one(of);
        let known: Vec<&str> = self.networks.iter().copied().collect();
        let of = if random.below(8) == 0 { NETWORKS.to_vec() } else { known };
        let mut networks = random.some(&of);
        if random.below(2) == 0 {
            networks.reverse();
        }
        let ports = if random.below(2) == 0 { vec![random.one(&PORTS)] } else { Vec::new() };
        Move::Run { name, networks, ports }
    }

    /// What a move may say against itself: nothing if it is to be done, else one of these.
    pub fn expected(&self, step: &Move) -> Vec<&'static str> {
        let known = |name: &str| self.containers.contains_key(name);
        match step {
            Move::NetworkCreate(network) => said("already exists", self.networks.contains(network)),
            Move::NetworkRm(network) if !self.networks.contains(network) => vec!["not found"],
            Move::NetworkRm(network) => {
                said("has active endpoints", self.running().any(|(_, entry)| entry.networks.contains(network)))
            }
            Move::Run { name, networks, ports } => {
                let mut obstacles = self.obstacles(networks.iter(), ports.iter());
                obstacles.extend(said("already in use", known(name)));
                obstacles
            }
            Move::Start(name) | Move::Restart(name) | Move::Stop(name) if !known(name) => {
                vec!["No such container"]
            }
            Move::Start(name) | Move::Restart(name) => {
                let entry = &self.containers[name];
                if entry.running { Vec::new() } else { self.obstacles(entry.networks.iter(), entry.ports.iter()) }
            }
            Move::PortAdd(name, port) => self.port_move(name, *port, true),
            Move::PortRm(name, port) => self.port_move(name, *port, false),
            Move::Connect(_, name) | Move::Disconnect(_, name) if !known(name) => vec!["No such container"],
            Move::Connect(network, name) if self.containers[name].networks.contains(network) => {
                vec!["already attached", "not found"]
            }
            Move::Connect(network, _) => said("not found", !self.exists(network)),
            Move::Disconnect(network, name) if !self.containers[name].networks.contains(network) => {
                vec!["is not connected", "not found"]
            }
            _ => Vec::new(),
        }
    }

    fn port_move(&self, name: &str, port: u16, is_new: bool) -> Vec<&'static str> {
        let Some(entry) = self.containers.get(name) else { return vec!["No such container"] };
        match is_new {
            false => said("no public port", !entry.ports.contains(&port)),
            true if entry.ports.contains(&port) => vec!["already"],
            true if entry.running => self.obstacles(std::iter::empty(), [port].iter()),
            true => Vec::new(),
        }
    }

    /// Why a container cannot start.
    fn obstacles<'a>(
        &self,
        mut networks: impl Iterator<Item = &'a &'static str>,
        mut ports: impl Iterator<Item = &'a u16>,
    ) -> Vec<&'static str> {
        let taken = |port: &u16| self.running().any(|(_, entry)| entry.ports.contains(port));
        let mut obstacles = said("not found", networks.any(|network| !self.exists(network)));
        obstacles.extend(said("already allocated", ports.any(taken)));
        obstacles
    }

    /// The default network is there without being created.
    fn exists(&self, network: &str) -> bool {
        network == DEFAULT || self.networks.contains(network)
    }

    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = (&'static str, &Entry)> {
        self.containers.iter().filter(|(_, entry)| entry.running).map(|(name, entry)| (*name, entry))
    }

    /// Notes what has been done.
    pub fn write(&mut self, step: &Move) {
        match step {
            Move::NetworkCreate(network) => drop(self.networks.insert(network)),
            Move::NetworkRm(network) => drop(self.networks.remove(network)),
            Move::Run { name, networks, ports } => {
                let default = if networks.is_empty() { &[DEFAULT][..] } else { &[] };
                let entry = Entry {
                    networks: networks.iter().chain(default).copied().collect(),
                    ports: ports.iter().copied().collect(),
                    running: true,
                };
                self.containers.insert(name, entry);
            }
            Move::Start(name) | Move::Restart(name) => self.runs(name, true),
            Move::Stop(name) | Move::KillMonitor(name) | Move::KillInit(name) => self.runs(name, false),
            Move::Rm(name) => drop(self.containers.remove(name)),
            Move::PortAdd(name, port) => self.at(name, |entry| entry.ports.insert(*port)),
            Move::PortRm(name, port) => self.at(name, |entry| entry.ports.remove(port)),
            // What has become of it, nobody knows before having looked.
            Move::Reload | Move::Struck { .. } => {}
            Move::Connect(network, name) => self.at(name, |entry| entry.networks.insert(network)),
            Move::Disconnect(network, name) => self.at(name, |entry| entry.networks.remove(network)),
        }
    }

    fn runs(&mut self, name: &str, running: bool) {
        self.at(name, |entry| std::mem::replace(&mut entry.running, running));
    }

    fn at(&mut self, name: &str, change: impl FnOnce(&mut Entry) -> bool) {
        self.containers.get_mut(name).map(change);
    }
}

fn said(sentence: &'static str, is: bool) -> Vec<&'static str> {
    if is { vec![sentence] } else { Vec::new() }
}

impl Move {
    /// The container that a command is about.
    pub fn container(&self) -> Option<&'static str> {
        match self {
            Move::Run { name, .. } | Move::Start(name) | Move::Stop(name) | Move::Restart(name) | Move::Rm(name) => {
                Some(name)
            }
            Move::Connect(_, name) | Move::Disconnect(_, name) | Move::PortAdd(name, _) | Move::PortRm(name, _) => {
                Some(name)
            }
            Move::Struck { step, .. } => step.container(),
            _ => None,
        }
    }

    /// Whether it changes networks or ports of a container that may be running.
    pub fn is_live_change(&self) -> bool {
        use Move::{Connect, Disconnect, PortAdd, PortRm};
        matches!(self, Connect(..) | Disconnect(..) | PortAdd(..) | PortRm(..))
    }
}

/// As it is typed.
impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::NetworkCreate(network @ "north") => write!(f, "pontoon network create --ipv6 {network}"),
            Move::NetworkCreate(network) => write!(f, "pontoon network create {network}"),
            Move::NetworkRm(network) => write!(f, "pontoon network rm {network}"),
            Move::Run { name, networks, ports } => {
                write!(f, "pontoon run -d --name {name}")?;
                networks.iter().try_for_each(|network| write!(f, " --network {network}"))?;
                ports.iter().try_for_each(|port| write!(f, " -p {port}:80"))?;
                write!(f, " busybox sleep 1000")
            }
            Move::Start(name) => write!(f, "pontoon start {name}"),
            Move::Stop(name) => write!(f, "pontoon stop -t 0 {name}"),
            Move::PortAdd(name, port) => write!(f, "pontoon port add {name} {port}:80"),
            Move::PortRm(name, port) => write!(f, "pontoon port rm {name} {port}:80"),
            Move::Struck { step, command, after } => {
                let blow = match command {
                    true => "kill -9 $! || true".to_owned(),
                    false => Move::KillMonitor(step.container().unwrap_or_default()).to_string(),
                };
                write!(f, "{step} & sleep 0.0{after:02}; {blow}; wait $! || true")
            }
            Move::Reload => write!(f, "nft flush ruleset; pontoon network reload"),
            Move::Connect(network, name) => write!(f, "pontoon network connect {network} {name}"),
            Move::Disconnect(network, name) => write!(f, "pontoon network disconnect {network} {name}"),
            Move::Restart(name) => write!(f, "pontoon restart -t 0 {name}"),
            Move::Rm(name) => write!(f, "pontoon rm -f {name}"),
            // One that does not run has none.
            Move::KillMonitor(name) => {
                write!(f, "for pid in $(pgrep -f '^pontoon-monitor {name}( |$)'); do kill -9 $pid; done")
            }
            Move::KillInit(name) => write!(
                f,
                "pid=$(pontoon inspect -f '{{{{.State.Pid}}}}' {name} 2>/dev/null) || true; [ \"${{pid:-0}}\" = 0 ] || kill -9 $pid"
            ),
        }
    }
}
