//! The places of the policy's page, and what is asked from there.
//!
//! ```text
//!   host ─ probe ask …        lan, beyond ─ nsenter, probe ask …        a container ─ pontoon exec, /probe ask …
//!   servers: /probe serve     in each container on 80 and 81, on the host on 4000, on lan and beyond on 4001
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use pontoon_tests::host::{BEYOND, OWN};
use pontoon_tests::neighbours::{BEYOND6, LAN, LAN6, OWN_TOO, OWN6, OWN6_TOO};
use pontoon_tests::{Host, Running, eventually};

use super::page::{Cell, Verdict};
use crate::given::{PROBE, SOON};

/// One packet's worth: a cell, a protocol and an address.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which cell it is about.
    pub cell: Cell,
    /// As the prober takes it: `tcp/10.1.0.2:80`.
    words: String,
}

impl Question {
    fn key(&self) -> (&str, &str) {
        (&self.cell.from, &self.words)
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Question {}

impl PartialOrd for Question {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Question {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}:{} ({})", self.cell.from, self.cell.to, self.cell.port, self.words)
    }
}

/// The address that was asked from, and the one that the server saw.
pub type Answer = (IpAddr, IpAddr);

/// A container of the scene, on one of its networks.
struct Endpoint {
    network: String,
    addresses: Vec<IpAddr>,
    gateways: Vec<IpAddr>,
    /// Whether it has a way out there.
    leaves: bool,
}

/// Everybody.
pub struct Places {
    containers: BTreeMap<String, Vec<Endpoint>>,
    networks: String,
    servers: Vec<Running>,
}

impl Places {
    /// Types the scene, and waits until all servers answer.
    pub fn build(host: &Host, scene: &str) -> Self {
        let scene = both_protocols(scene);
        let server = format!("-v {PROBE}:/probe:ro busybox /probe serve 80 81");
        host.sh(&format!("server='{server}'\n{scene}")).ok();
        let serve = |port: u16| format!("exec {PROBE} serve {port}");
        let mut servers =
            vec![host.spawn(&serve(4000)), host.lan_spawn(&serve(4001)), host.at_spawn("beyond", &serve(4001))];
        servers.iter_mut().for_each(|server| server.until("serving", SOON));
        let names = host.sh("pontoon ps --format '{{.Names}}'").ok();
        let networks = host.sh("pontoon network ls --format '{{.Name}}' | grep -vxE 'bridge|host|none' | xargs").ok();
        let containers: BTreeMap<_, _> = names.lines().map(|name| (name.to_owned(), endpoints(host, name))).collect();
        for name in containers.keys() {
            let says = || host.sh(&format!("pontoon logs {name}")).out().contains("serving");
            eventually(&format!("the server in {name}"), SOON, says);
        }
        Self { containers, networks, servers }
    }

    /// Everything that the scene has made goes.
    pub fn leave(mut self, host: &Host) {
        self.servers.iter_mut().for_each(Running::kill);
        host.sh(&format!("pontoon rm -f $(pontoon ps -aq); pontoon network rm {}", self.networks)).ok();
    }

    /// Whether a cell is about a container's own address, between two that have a way out: whom the firewall keeps apart.
    pub fn is_direct(&self, cell: &Cell) -> bool {
        let leaves = |name: &str| self.containers.get(name).map(|ends| ends.iter().any(|end| end.leaves));
        leaves(&cell.to) == Some(true) && leaves(&cell.from) != Some(false)
    }

    /// What a cell asks: both protocols, each address of the target that the asker's families can reach.
    pub fn questions(&self, cell: &Cell) -> Vec<Question> {
        let targets = self.addresses(cell);
        assert!(!targets.is_empty(), "{cell:?} asks nothing");
        let words = |address: &IpAddr| {
            let target = SocketAddr::new(*address, cell.port);
            ["tcp", "udp"].map(|protocol| format!("{protocol}/{target}"))
        };
        targets.iter().flat_map(words).map(|words| Question { cell: cell.clone(), words }).collect()
    }

    fn addresses(&self, cell: &Cell) -> Vec<IpAddr> {
        let name = cell.to.trim_end_matches(['4', '6']);
        let asked = |address: &IpAddr| match &cell.to[name.len()..] {
            "4" => address.is_ipv4(),
            "6" => address.is_ipv6(),
            _ => true,
        };
        let families = self.all_addresses(&cell.from);
        let can = |address: &IpAddr| families.iter().any(|own| own.is_ipv4() == address.is_ipv4());
        self.targets(name, cell).into_iter().filter(|address| asked(address) && can(address)).collect()
    }

    fn targets(&self, name: &str, cell: &Cell) -> Vec<IpAddr> {
        let ends = |name: &str| self.containers.get(name).unwrap_or_else(|| panic!("{name} is in the scene"));
        match (name, name.split_once('@')) {
            // Published on 127.0.0.1, and not on other addresses of 127.0.0.0/8.
            ("loopback", _) if cell.port == 8081 => parsed(&["127.0.0.1", "::1"]),
            ("loopback", _) => parsed(&["127.0.0.1", "127.0.0.5", "::1"]),
            ("first", _) => parsed(&[OWN, OWN6]),
            ("second", _) => parsed(&[OWN_TOO, OWN6_TOO]),
            ("gateway", _) => ends(&cell.from).iter().flat_map(|end| end.gateways.clone()).collect(),
            (_, Some((name, network))) => {
                let at = ends(name).iter().filter(|end| end.network == network);
                at.flat_map(|end| end.addresses.clone()).collect()
            }
            _ => self.all_addresses(name),
        }
    }

    /// Of a place, on all its networks.
    fn all_addresses(&self, place: &str) -> Vec<IpAddr> {
        match place {
            "host" => parsed(&[OWN, OWN_TOO, OWN6, OWN6_TOO]),
            "lan" => parsed(&[LAN, LAN6]),
            "beyond" => parsed(&[BEYOND, BEYOND6]),
            name => {
                let ends = self.containers.get(name).unwrap_or_else(|| panic!("{name} is in the scene"));
                ends.iter().flat_map(|end| end.addresses.clone()).collect()
            }
        }
    }

    /// Asks all questions, from all places at the same time. Who got no answer is not in the answers.
    pub fn ask(&self, host: &Host, questions: &[Question]) -> BTreeMap<Question, Answer> {
        let from: BTreeSet<&str> = questions.iter().map(|question| question.cell.from.as_str()).collect();
        let started: Vec<(&str, Running)> = from
            .into_iter()
            .map(|place| {
                let asked: BTreeSet<&str> =
                    questions.iter().filter(|q| q.cell.from == place).map(|q| q.words.as_str()).collect();
                (place, self.prober(host, place, &asked.into_iter().collect::<Vec<_>>().join(" ")))
            })
            .collect();
        let mut answers = BTreeMap::new();
        for (place, prober) in started {
            let text = prober.wait().ok();
            for (words, answer) in text.lines().filter_map(read) {
                let asked = questions.iter().find(|question| question.key() == (place, words));
                answers.insert(asked.expect("what was asked").clone(), answer);
            }
        }
        answers
    }

    fn prober(&self, host: &Host, place: &str, questions: &str) -> Running {
        match place {
            "host" => host.spawn(&format!("exec {PROBE} ask {questions}")),
            "lan" | "beyond" => host.at_spawn(place, &format!("exec {PROBE} ask {questions}")),
            container => host.spawn(&format!("pontoon exec {container} /probe ask {questions}")),
        }
    }

    /// What an answer means; nothing if it means none of the page's words.
    pub fn verdict(&self, question: &Question, answer: Option<Answer>) -> Option<Verdict> {
        let Some((own, seen)) = answer else { return Some(Verdict::No) };
        let is_gateway = || self.containers.values().flatten().any(|end| end.gateways.contains(&seen));
        match seen {
            _ if seen == own => Some(Verdict::Yes),
            _ if [OWN, OWN_TOO, OWN6, OWN6_TOO].contains(&seen.to_string().as_str())
                && question.cell.from != "host" =>
            {
                Some(Verdict::Host)
            }
            _ if is_gateway() => Some(Verdict::Gateway),
            _ => None,
        }
    }
}

/// On each network: the addresses, the bridge's, and whether there is a way out.
fn endpoints(host: &Host, name: &str) -> Vec<Endpoint> {
    let fields = "{{range $network, $end := .NetworkSettings.Networks}}{{$network}},{{$end.IPAddress}} {{$end.GlobalIPv6Address}},{{$end.Gateway}}\n{{end}}";
    let words = |text: &str| text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let text = host.inspect(fields, name);
    let endpoint = |line: &str| {
        let mut fields = line.split(',');
        let network = fields.next()?.to_owned();
        let format = "{{range .IPAM.Config}} {{.Gateway}}{{end}}";
        let gateways = words(&host.pontoon(&["network", "inspect", "-f", format, &network]).ok());
        Some(Endpoint { network, addresses: words(fields.next()?), gateways, leaves: !fields.next()?.is_empty() })
    };
    text.lines().filter_map(endpoint).collect()
}

fn parsed(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|text| text.parse().expect("an address")).collect()
}

/// `-p 8080:80` is followed by `-p 8080:80/udp`.
fn both_protocols(scene: &str) -> String {
    let mut words = Vec::new();
    let mut is_port = false;
    for word in scene.split(' ') {
        words.push(word.to_owned());
        if is_port {
            words.push(format!("-p {word}/udp"));
        }
        is_port = word == "-p";
    }
    words.join(" ")
}

/// `tcp/10.1.0.2:80 10.1.0.3 10.1.0.3`; nothing for one without an answer.
fn read(line: &str) -> Option<(&str, Answer)> {
    let mut words = line.split(' ');
    let question = words.next()?;
    Some((question, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
}
