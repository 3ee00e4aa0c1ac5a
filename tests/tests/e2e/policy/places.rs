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
use pontoon_tests::neighbours::{LAN, OWN_TOO, OWN6, OWN6_TOO};
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

/// A container of the scene.
struct Container {
    addresses: Vec<IpAddr>,
    gateways: Vec<IpAddr>,
}

/// Everybody.
pub struct Places {
    containers: BTreeMap<String, Container>,
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
        let containers: BTreeMap<_, _> =
            names.lines().map(|name| (name.to_owned(), Container::look(host, name))).collect();
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

    /// Whether this is a container of the scene.
    pub fn is_container(&self, name: &str) -> bool {
        self.containers.contains_key(name)
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
        let parsed = |list: &[&str]| list.iter().map(|text| text.parse().expect("an address")).collect();
        match cell.to.as_str() {
            "host" => parsed(&[OWN, OWN_TOO]),
            "first" => parsed(&[OWN]),
            "second" => parsed(&[OWN_TOO]),
            "loopback" => parsed(&["127.0.0.1", "127.0.0.5"][..if cell.port == 8081 { 1 } else { 2 }]),
            "host6" => parsed(&[OWN6, OWN6_TOO]),
            "loopback6" => parsed(&["::1"]),
            "lan" => parsed(&[LAN]),
            "beyond" => parsed(&[BEYOND]),
            "gateway" => self.containers[&cell.from].gateways.clone(),
            name => self.containers.get(name).unwrap_or_else(|| panic!("{name} is in the scene")).addresses.clone(),
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
        let is_gateway = || self.containers.values().any(|container| container.gateways.contains(&seen));
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

impl Container {
    fn look(host: &Host, name: &str) -> Self {
        let fields = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}";
        let text = host.inspect(fields, name);
        let words: Vec<IpAddr> = text.split_whitespace().map(|word| word.parse().expect("an address")).collect();
        Self { addresses: vec![words[0]], gateways: vec![words[1]] }
    }
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
