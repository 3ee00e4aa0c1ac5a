//! docs/modes/*.md and docs/isolation.md: the explanation of one fixed container, with the reason for each line.
//!
//! ```text
//! example (fixed ids, names, addresses) ─> script ─┬─ network's groups ─> docs/modes/MODE.md
//!                                                  └─ all the others ───> docs/isolation.md
//! ```
//!
//! A test fails when a page is not what comes out here; `make docs` writes them anew. Pictures and titles are those of
//! the modes' own source files.

use std::fmt::Write;
use std::path::Path;

use netmodes::explain::Group;
use netmodes::facts::Facts as NetworkFacts;
use netmodes::modes::namespace::{self, Namespace};
use netmodes::modes::outlet::{self, Leg};
use netmodes::modes::{self, Request, ResolverPorts, bridge};
use netmodes::network::Network as Segment;
use netmodes::plan::Plan;
use netmodes::subnet::Subnet;

use super::{Network, Places, Scene, Script, creation, link_page, removal, script};
use crate::container::Record;
use crate::isolate::account::Account;
use crate::isolate::capabilities;
use crate::isolate::cgroup::Hierarchy;
use crate::spec::{Facts, spec};

/// Renews the pages in place of comparing them.
const RENEW: &str = "PONTOON_RENEW_DOCS";

/// Where a page's prose and picture come from, and what is typed for it.
struct Page {
    path: &'static str,
    source: &'static str,
    command: &'static str,
    prose: &'static str,
    look: &'static str,
}

const BRIDGE: Page = Page {
    path: "docs/modes/bridge.md",
    source: include_str!("../../../netmodes/src/modes/bridge.rs"),
    command: "pontoon network create my-net\npontoon run --rm --name web --network my-net -p 8080:80 busybox httpd -f -p 80 -h /etc",
    prose: "The container gets a network namespace of its own, which is empty at first, and a cable from there to a switch \
on the host. Everything else follows from that: an address on the switch's network, the switch as the way out, and a firewall \
that says who may speak to whom. The default network (`--network bridge`, or nothing said) is built in the same way, on the \
device `pontoon0`; it has no name server, so the group about names is missing there.",
    look: "ip -brief link show master br-ab12ab12ab12      # the bridge's ports\n\
ip netns exec web ip address                    # the other end of the cable\n\
nft list map inet pontoon publish4              # the published ports\n\
nft list ruleset                                # all of the firewall",
};

const CABLE: Page = Page {
    path: "docs/modes/p2p.md",
    source: include_str!("../../../netmodes/src/modes/p2p.rs"),
    command: "pontoon network create -d p2p --subnet 10.1.1.0/31 link1\npontoon run -d --name db --network link1 busybox sleep 1000\n\
pontoon run --rm --name web --network link1 busybox ping -c 1 db",
    prose: "Two containers and nothing between them. The old documentation of Docker did this by hand, in ten lines that were \
gone after the next restart; here it is a network like any other: it has names, it can be joined while a container runs \
(`pontoon network connect link1 web`), and it is there again after a restart. A third container is refused. There is no way \
out, so ports are not published by it: give the container a second network for that.",
    look: "ip -n web address show eth0                     # this end …\n\
ip -n db address show eth0                      # … and the other one\n\
ip link                                         # the host has neither",
};

const HOST: Page = Page {
    path: "docs/modes/host.md",
    source: include_str!("../../../netmodes/src/modes/host.rs"),
    command: "pontoon run --rm --name web --network host busybox httpd -f -p 8080 -h /etc",
    prose: "Nothing is isolated here but what [isolation](../isolation.md) shows: files, processes, names, what it may use. A \
server in the container takes the host's own port, so `-p` has no meaning and is dropped with a warning, and two containers \
cannot listen on the same port. It has the host's own `/etc/hosts` and `/etc/resolv.conf`.",
    look: "pontoon run --rm --network host busybox ip address     # the host's own devices",
};

const NONE: Page = Page {
    path: "docs/modes/none.md",
    source: include_str!("../../../netmodes/src/modes/none.rs"),
    command: "pontoon run --rm --name web --network none busybox sh",
    prose: "The namespace is there, and nothing leads out of it. For work that needs no network it is the quickest and the \
safest choice. For a person who wants to build a network by hand it is the place to begin: the namespace has a name, so \
`ip link set … netns web` puts a device into it, as the point-to-point recipe of the old Docker documentation does.",
    look: "ip netns exec web ip address                    # lo, and nothing else",
};

const CONTAINER: Page = Page {
    path: "docs/modes/container.md",
    source: include_str!("../../../netmodes/src/modes/container.rs"),
    command: "pontoon run -d --name db --network my-net busybox sleep 1000\npontoon run --rm --name web --network container:db busybox sh",
    prose: "Two containers with one network: each has its own files and processes, and both have the same devices, addresses \
and ports. What one of them serves on 127.0.0.1 the other one reaches there. Host name and the three files in `/etc` are the \
first one's, so `-h`, `-p`, `--dns` and `--add-host` cannot be said for the second one. The first one may restart or go: the \
namespace lives as long as somebody is in it.",
    look: "readlink /proc/$(pontoon inspect -f '{{.State.Pid}}' db)/ns/net       # the same number …\n\
readlink /proc/$(pontoon inspect -f '{{.State.Pid}}' web)/ns/net      # … twice",
};

fn record(mode: serde_json::Value) -> Record {
    let capabilities: Vec<String> = capabilities::docker_default().iter().map(capabilities::name).collect();
    let publish = if mode.get("network").is_some() { netmodes::publish::parse("8080:80").unwrap() } else { Vec::new() };
    let text = serde_json::json!({
        "version": 1, "id": "c0ffee".repeat(11)[..64], "name": "web", "created": "2026-11-22T12:00:00Z",
        "image": { "id": "sha256:00", "reference": "busybox" }, "auto_remove": true,
        "process": {
            "args": ["httpd", "-f", "-p", "80", "-h", "/etc"], "entrypoint": 0,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/", "user": "", "tty": false, "open_stdin": false,
        },
        "hostname": "c0ffeec0ffee", "storage": { "read_only": false, "binds": [], "tmpfs": [] },
        "privileges": { "privileged": false, "capabilities": capabilities }, "limits": { "memory": 67_108_864 },
        "network": {
            "mode": mode, "publish": publish, "expose": [], "extra_hosts": [], "dns": [], "dns_search": [], "dns_options": [],
        },
        "stop_signal": 15, "stop_timeout": 10, "labels": {},
    });
    serde_json::from_value(text).unwrap()
}

pub fn segment() -> Segment {
    let id = "ab12".repeat(16);
    let bridge = format!("br-{}", &id[..12]);
    let subnet = Subnet::plain("172.18.0.0/16".parse().unwrap());
    Segment::plain(id, "my-net".into(), "2026-11-22T12:00:00Z".into(), bridge, vec![subnet])
}

fn on_bridge(record: &Record) -> Plan {
    let request = Request {
        container: record.id.clone(),
        name: record.name.clone(),
        start: 7,
        interface: "eth0".into(),
        addresses: vec![[172, 18, 0, 2].into()],
        mac: None,
    };
    let resolver = Some(ResolverPorts { udp: 40_053, tcp: 40_053 });
    let namespace = namespace::plan(&Namespace { name: record.name.clone(), resolver, netns: None });
    let network = segment();
    let leg = Leg { interface: "eth0", addresses: &request.addresses, network: &network, priority: 0 };
    let outlet = outlet::plan(&[leg], &netmodes::publish::parse("8080:80").unwrap());
    let attached = bridge::plan(&request, &network, &network_facts());
    Plan { shared: attached.shared, own: [namespace, attached.own, outlet].concat() }
}

fn network_facts() -> NetworkFacts {
    NetworkFacts { mtu: 1500, bridge_table: true, ..NetworkFacts::default() }
}

/// The script of the example, on a host with control groups of version 2 and one processor.
fn example(record: &Record, network: Network<'_>) -> Script {
    let places = Places {
        root: "/run/by-hand/web/root".into(),
        files: "/run/by-hand/web".into(),
        disk: "/run/by-hand/web".into(),
    };
    let facts = Facts {
        layers: vec!["/var/lib/pontoon/images/l/uu4c2wdkYLzRYvegDB6kxA".into()],
        disk: places.disk.clone(),
        root: places.root.clone(),
        files: places.files.clone(),
        cgroup_v2: true,
        cpus: 1,
        ..Facts::default()
    };
    let joined = matches!(network, Network::Joined(_));
    let hosts = if matches!(network, Network::Own(_)) {
        "127.0.0.1\tlocalhost\n172.18.0.2\tc0ffeec0ffee\n"
    } else {
        "127.0.0.1\tlocalhost\n"
    };
    let etc =
        [("hosts", hosts), ("hostname", "c0ffeec0ffee\n"), ("resolv.conf", "nameserver 127.0.0.11\noptions ndots:0\n")];
    let spec = spec(record, &facts).unwrap();
    let hierarchy = Hierarchy::V2("/sys/fs/cgroup".into());
    let account = Account { uid: 0, gid: 0, groups: vec![0], home: "/root".into() };
    let cgroup = format!("pontoon/{}", record.id);
    let etc = if joined { Vec::new() } else { etc.map(|(name, text)| (name, text.to_owned())).into() };
    script(&Scene {
        record,
        spec: &spec,
        places,
        etc,
        network,
        hierarchy: &hierarchy,
        cgroup,
        account,
        detached: false,
    })
    .unwrap()
}

/// What is between the directories and the three files (or the control group): the network's own part.
fn is_network(group: &Group, plan: &Plan) -> bool {
    let words = ["A network namespace", "No network namespace", "Its network is"];
    let own = netmodes::explain::groups(&plan.own).into_iter().chain(netmodes::explain::groups(&plan.shared));
    words.iter().any(|word| group.why.starts_with(word)) || own.into_iter().any(|other| other.why == group.why)
}

/// Title and picture of a source file's own documentation.
fn opening(source: &str) -> (String, String) {
    let docs: Vec<&str> = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let picture: Vec<&str> = docs
        .iter()
        .skip_while(|line| **line != "```text")
        .skip(1)
        .take_while(|line| **line != "```")
        .copied()
        .collect();
    (docs[0].trim_end_matches('.').to_owned(), picture.join("\n"))
}

/// One group: its words, and its lines, each below the reason for it.
pub fn section(group: &Group) -> String {
    let end = [group.why.find(": "), group.why.find(". ")].into_iter().flatten().min().unwrap_or(group.why.len());
    let (heading, rest) = (&group.why[..end], group.why.get(end + 2..).unwrap_or_default());
    let mut text = format!("\n### {}\n\n", heading.trim_end_matches('.'));
    let mut letters = rest.chars();
    if let Some(first) = letters.next() {
        writeln!(text, "{}{}", first.to_uppercase(), letters.as_str()).unwrap();
    }
    if group.lines.is_empty() {
        return text;
    }
    text.push_str(if rest.is_empty() { "" } else { "\n" });
    text.push_str("```bash\n");
    let mut last = "";
    for line in &group.lines {
        if !line.reason.is_empty() && line.reason != last {
            writeln!(text, "# {}", line.reason).unwrap();
        }
        last = &line.reason;
        writeln!(text, "{}", line.text.replace(netmodes::nft::RULESET, "… netmodes/src/nft/ruleset.nft …\n")).unwrap();
    }
    text.push_str("```\n");
    if group.lines.iter().any(|line| line.text.contains(netmodes::nft::RULESET)) {
        text.push_str(
            "\nThe ruleset, with the reason for each rule, is [ruleset.nft](../../netmodes/src/nft/ruleset.nft).\n",
        );
    }
    text
}

pub fn head(title: &str, source: &str) -> String {
    format!(
        "<!-- Generated from {source}: `make docs` renews it, and a test fails when it is stale. -->\n\n# {title}\n"
    )
}

fn page(page: &Page, script: &Script, plan: &Plan) -> String {
    let (title, picture) = opening(page.source);
    let mut text = head(&title, "the code that does it");
    write!(text, "\n```text\n{picture}\n```\n\n{}\n\n## What is typed\n\n```bash\n{}\n```\n", page.prose, page.command)
        .unwrap();
    text.push_str("\n## What is done\n\nThe same as lines that a person could type: `pontoon run --dry-run …` prints them for any container. Each stands below its reason.\n");
    script.groups.iter().filter(|group| is_network(group, plan)).for_each(|group| text.push_str(&section(group)));
    let inside = script.groups.iter().find(|group| group.why.starts_with("New namespaces")).unwrap();
    text.push_str("\n## And then\n\nThe rest is the same for every mode, and [isolation](../isolation.md) shows it. The network matters once more where the namespaces begin:\n\n```bash\n");
    let enter = inside.lines.iter().find(|line| line.text.starts_with("exec ")).unwrap();
    write!(text, "{}\n```\n\nLook at it:\n\n```bash\n{}\n```\n", enter.text, page.look).unwrap();
    text
}

fn on_cable(record: &Record) -> Plan {
    let request = Request {
        container: record.id.clone(),
        name: record.name.clone(),
        start: 7,
        interface: "eth0".into(),
        addresses: vec![[10, 1, 1, 1].into()],
        mac: None,
    };
    let far = Request { name: "db".into(), addresses: vec![[10, 1, 1, 0].into()], ..request.clone() };
    let subnet = Subnet::plain("10.1.1.0/31".parse().unwrap());
    let network = Segment { name: "link1".into(), driver: "p2p".into(), subnets: vec![subnet], ..segment() };
    let resolver = Some(ResolverPorts { udp: 40_053, tcp: 40_053 });
    let namespace = namespace::plan(&Namespace { name: record.name.clone(), resolver, netns: None });
    let cable = modes::p2p::plan(&request, &network, Some(&modes::p2p::End::of(&far)));
    Plan { shared: Vec::new(), own: [namespace, cable.own].concat() }
}

fn bridge_page() -> String {
    let record = record(serde_json::json!({ "network": "my-net" }));
    let plan = on_bridge(&record);
    let mut text = page(&BRIDGE, &example(&record, Network::Own(&plan)), &plan);
    text.push_str("\n## The way down\n\n`pontoon network rm my-net`, once nobody is on it:\n");
    let steps: Vec<_> =
        plan.shared.iter().filter(|step| !matches!(step, netmodes::plan::Step::Sysctl { .. })).cloned().collect();
    removal("my-net", &steps).groups.iter().for_each(|group| text.push_str(&section(group)));
    text
}

fn isolation_page() -> String {
    let record = record(serde_json::json!({ "network": "my-net" }));
    let plan = on_bridge(&record);
    let script = example(&record, Network::Own(&plan));
    let mut text = head("What is around the program", "the code that does it");
    text.push_str(ISOLATION);
    script.groups.iter().filter(|group| !is_network(group, &plan)).for_each(|group| text.push_str(&section(group)));
    text
}

const ISOLATION: &str = "
```text
 host      /  processes  names  devices  all capabilities
           │
           │ control group         how much it may use, which devices it may open
           │ namespaces            its own mounts, host name, IPC, process numbers; its own network, or another's
           ▼
 container /  = the image's layers (read only) + what it writes      overlayfs
           /proc /sys /dev         fresh ones; parts of them read-only or covered
           user, capabilities      a few of root's powers
           seccomp filter          the system calls that it may use
           ▼
 program   httpd -f -p 80 -h /etc
```

A container is not one thing that the kernel knows. It is a process, around which a dozen separate features of the kernel have
been set up before it began. This page sets them up by hand, in the order in which Pontoon does, for

```bash
pontoon run --rm --name web --network my-net -p 8080:80 -m 64m busybox httpd -f -p 80 -h /etc
```

on a host with control groups of version 2. The network has pages of its own: [bridge](modes/bridge.md), [host](modes/host.md),
[none](modes/none.md), [container](modes/container.md), [p2p](modes/p2p.md). `pontoon run --dry-run …` prints all of it for any container, as one
script that bash can run; tests compare what it makes with what Pontoon makes.
";

/// Every page, by its path below the top of the workspace.
fn pages() -> Vec<(&'static str, String)> {
    let nothing = Plan::default();
    let (none, host) = (record(serde_json::json!("none")), record(serde_json::json!("host")));
    let joined = record(serde_json::json!({ "container": "db" }));
    let lone = modes::none::plan("web", None);
    let mut linked = record(serde_json::json!({ "network": "link1" }));
    linked.network.publish.clear();
    let cable = on_cable(&linked);
    vec![
        (CABLE.path, page(&CABLE, &example(&linked, Network::Own(&cable)), &cable)),
        (BRIDGE.path, bridge_page()),
        (HOST.path, page(&HOST, &example(&host, Network::Host), &nothing)),
        (NONE.path, page(&NONE, &example(&none, Network::Own(&lone)), &lone)),
        (CONTAINER.path, page(&CONTAINER, &example(&joined, Network::Joined("db".into())), &nothing)),
        (link_page::PATH, link_page::text()),
        ("docs/isolation.md", isolation_page()),
    ]
}

#[test]
fn pages_are_fresh() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, text) in pages() {
        let file = top.join(path);
        if std::env::var_os(RENEW).is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let there = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(there == text, "{path} is stale: the code says something else now. `make docs` writes it anew");
    }
}

#[test]
fn pages_are_the_same_every_time() {
    assert_eq!(pages(), pages());
}

#[test]
fn every_script_is_bash() {
    let record = record(serde_json::json!({ "network": "my-net" }));
    let plan = on_bridge(&record);
    let steps = bridge::shared(&segment(), &network_facts());
    for script in [example(&record, Network::Own(&plan)), creation("my-net", &steps), removal("my-net", &steps)] {
        let child = std::process::Command::new("bash").args(["-n", "-c", &script.to_string()]).output().unwrap();
        assert!(child.status.success() && child.stderr.is_empty(), "{}", String::from_utf8_lossy(&child.stderr));
    }
}

#[test]
fn every_group_fits_a_screen_and_says_why_in_a_line() {
    let record = record(serde_json::json!({ "network": "my-net" }));
    let plan = on_bridge(&record);
    for group in example(&record, Network::Own(&plan)).groups {
        let lines: usize = group
            .lines
            .iter()
            .filter(|line| !line.text.contains("RULESET"))
            .map(|line| line.text.lines().count())
            .sum();
        assert!(lines <= 40 && group.why.len() <= 150 && group.why.lines().count() == 1, "{}", group.why);
    }
}
