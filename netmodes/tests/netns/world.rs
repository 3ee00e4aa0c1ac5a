//! A host of one's own: its namespaces, its state directories, its containers, and a neighbour on its LAN.
//!
//! ```text
//! World   the test's thread, in a new network and mount namespace with an empty /run
//! Guest   a network namespace that a plan was applied to
//! Lan     a network namespace behind the host's eth0
//! ```

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netmodes::apply::{apply, undo};
use netmodes::facts::Facts;
use netmodes::journal::Journal;
use netmodes::kernel::{Inside, Kernel};
use netmodes::modes::namespace::{self, Namespace};
use netmodes::modes::outlet::{self, Leg};
use netmodes::modes::{Request, ResolverPorts, bridge};
use netmodes::network::{Network, Networks, NewNetwork};
use netmodes::plan::Plan;
use netmodes::publish::{Gate, Held, Landing, Mapping, hold, parse};
use netmodes::subnet::Asked;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use tempfile::TempDir;

/// How long nothing must come before "nothing comes" is believed.
pub const SILENCE: Duration = Duration::from_millis(700);

/// A host.
pub struct World {
    pub kernel: Kernel,
    pub networks: Networks,
    pub directory: TempDir,
}

impl World {
    /// New namespaces for this thread. Mounts of the machine are out of reach: everything is private first.
    pub fn new() -> World {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("these tests need root");
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>).unwrap();
        mount(Some("none"), "/run", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        sh("ip link set lo up");
        let directory = tempfile::tempdir().unwrap();
        let networks = Networks::open(directory.path().join("lib"), directory.path().join("run")).unwrap();
        World { kernel: Kernel::open(None).unwrap(), networks, directory }
    }

    /// `network create NAME`
    pub fn create(&mut self, name: &str, options: &[(&str, &str)]) -> Network {
        self.try_create(name, None, options).unwrap()
    }

    pub fn try_create(
        &mut self,
        name: &str,
        subnet: Option<&str>,
        options: &[(&str, &str)],
    ) -> Result<Network, netmodes::Error> {
        let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let asked = Asked { subnets: subnet.map(String::from).into_iter().collect(), ..Asked::default() };
        self.make(&NewNetwork { name: name.into(), asked, options, ..NewNetwork::default() })
    }

    /// A network, as it was asked for.
    pub fn make(&mut self, new: &NewNetwork) -> Result<Network, netmodes::Error> {
        self.networks.create(new, "2026-11-22T17:00:00Z".into(), &mut self.kernel)
    }

    /// A container on a network, up to the point at which its program would start.
    pub fn start(&mut self, network: &Network, name: &str, ports: &[&str]) -> Guest {
        self.try_start(network, name, ports).unwrap()
    }

    pub fn try_start(&mut self, network: &Network, name: &str, ports: &[&str]) -> Result<Guest, netmodes::Error> {
        static START: AtomicU64 = AtomicU64::new(0);
        let start = START.fetch_add(1, Ordering::SeqCst);
        let id = format!("{start:064x}");
        let inside = unshared();
        let netns = inside.netns().try_clone_to_owned().unwrap();
        let mut kernel = Kernel::open(Some(inside))?;
        let addresses = self.networks.lease(network, &id, &[], &|_| None)?;
        let address = addresses[0];
        let held: Vec<Held> = ports.iter().flat_map(|text| parse(text).unwrap()).map(|m| hold_soon(&m)).collect();
        let facts = Facts::read(&mut kernel, network)?;
        let request =
            Request { container: id.clone(), name: name.into(), start, interface: "eth0".into(), addresses, mac: None };
        let namespace = Namespace {
            name: name.into(),
            resolver: Some(ResolverPorts { udp: 40001, tcp: 40002 }),
            netns: Some(format!("/proc/{}/fd/1", std::process::id())),
        };
        let mappings: Vec<Mapping> = held.iter().map(|held| held.mapping).collect();
        let leg = Leg { interface: "eth0", addresses: &request.addresses, network, priority: 0 };
        let Plan { shared, own } = bridge::plan(&request, network, &facts);
        let own = [namespace::plan(&namespace), own, outlet::plan(&[leg], &mappings)].concat();
        let plan = Plan { shared, own };
        self.networks.ensure(network, &plan.shared, &mut kernel)?;
        let journal = Journal::open(&self.journal(&id))?;
        let addresses = request.addresses;
        let mut guest = Guest { id, address, addresses, netns, kernel, journal, plan, _held: held };
        apply(&guest.plan.own, &mut guest.kernel, &mut guest.journal)?;
        Ok(guest)
    }

    /// Where a container's journal is.
    pub fn journal(&self, id: &str) -> PathBuf {
        self.directory.path().join(format!("{id}.journal"))
    }

    /// A neighbour of the host: 203.0.113.9, the host being 203.0.113.2 there.
    pub fn lan(&self) -> Lan {
        let inside = unshared();
        let netns = inside.netns().try_clone_to_owned().unwrap();
        let lan = Lan { netns };
        std::fs::create_dir_all("/run/netns").unwrap();
        lan.within(|| {
            sh("touch /run/netns/lan; mount --bind /proc/thread-self/ns/net /run/netns/lan; ip link set lo up")
        });
        sh("ip link add eth0 type veth peer eth0 netns lan; ip addr add 203.0.113.2/24 dev eth0; ip link set eth0 up");
        lan.within(|| sh("ip addr add 203.0.113.9/24 dev eth0; ip link set eth0 up"));
        lan
    }
}

/// A container of IPv4 that is published by translation.
const LANDING: Landing = Landing { ipv4: Some(Gate::Translated), ipv6: None, at: None };

/// Another test's thread may be between fork and exec, and have a copy of a port that was just given up.
fn hold_soon(mapping: &Mapping) -> Held {
    let began = Instant::now();
    loop {
        match hold(mapping, &LANDING, &|_| None).map(|mut held| held.remove(0)) {
            Err(_) if began.elapsed() < SILENCE => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

/// A network namespace of its own, with sockets in it. The thread is back in its own afterwards.
pub fn unshared() -> Inside {
    let home = File::open("/proc/thread-self/ns/net").unwrap();
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let inside = Inside::open().unwrap();
    setns(&home, CloneFlags::CLONE_NEWNET).unwrap();
    inside
}

/// Something with a network namespace.
pub trait Place {
    fn netns(&self) -> &OwnedFd;

    /// Does something there; sockets that are opened stay there.
    fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        let home = File::open("/proc/thread-self/ns/net").unwrap();
        setns(self.netns().as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
        let result = act();
        setns(&home, CloneFlags::CLONE_NEWNET).unwrap();
        result
    }

    /// A server on this port that answers every connection with the client's address.
    fn serve(&self, port: u16) {
        let tcp = self.within(|| TcpListener::bind(("0.0.0.0", port)).unwrap());
        std::thread::spawn(move || {
            for mut client in tcp.incoming().flatten() {
                let _ = client.write_all(client.peer_addr().unwrap().ip().to_string().as_bytes());
            }
        });
        let udp = self.within(|| UdpSocket::bind(("0.0.0.0", port)).unwrap());
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, client)) = udp.recv_from(&mut buffer) {
                let _ = udp.send_to(client.ip().to_string().as_bytes(), client);
            }
        });
    }

    /// What the server there says to a connection from here: the address that it sees. `None` if nobody answers.
    fn ask(&self, to: IpAddr, port: u16) -> Option<String> {
        self.within(|| ask(to, port))
    }

    fn pings(&self, to: IpAddr) -> bool {
        self.within(|| try_sh(&format!("ping -c 1 -W 1 {to} >/dev/null")))
    }
}

/// A connection of TCP from where the thread is.
pub fn ask(to: IpAddr, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(to, port), SILENCE).ok()?;
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A container.
pub struct Guest {
    pub id: String,
    pub address: IpAddr,
    /// All of them, the first one first.
    pub addresses: Vec<IpAddr>,
    pub netns: OwnedFd,
    pub kernel: Kernel,
    pub journal: Journal,
    pub plan: Plan,
    /// Its host ports, for as long as it lives.
    pub _held: Vec<Held>,
}

impl Place for Guest {
    fn netns(&self) -> &OwnedFd {
        &self.netns
    }
}

impl Guest {
    /// As a monitor ends it: undo, then the lease.
    pub fn stop(mut self, world: &World, network: &Network) {
        let errors = undo(&mut self.journal, &mut self.kernel);
        assert!(errors.is_empty(), "{errors:?}");
        world.networks.release_all(network, &self.id).unwrap();
    }
}

/// The neighbour.
pub struct Lan {
    pub netns: OwnedFd,
}

impl Place for Lan {
    fn netns(&self) -> &OwnedFd {
        &self.netns
    }
}

/// Runs shell lines where the thread is; fails the test if they fail.
pub fn sh(script: &str) {
    assert!(try_sh(script), "failed: {script}");
}

pub fn try_sh(script: &str) -> bool {
    Command::new("bash").args(["-ec", script]).status().unwrap().success()
}

/// What shell lines print.
pub fn output(script: &str) -> String {
    let output = Command::new("bash").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "failed: {script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Links, addresses and firewall of the namespace in which the thread is, without what the kernel is still clearing up.
pub fn snapshot() -> String {
    let addresses =
        output("ip -o addr show | grep -v '\\.[0-9a-z]\\{5\\}@' | sed 's/^[0-9]*: //; s/ tentative//' | sort");
    let links = output(
        "ip -o link show | grep -o '^[0-9]*: [^:@]*' | sed 's/^[0-9]*: //' | grep -v '\\.[0-9a-z]\\{5\\}$' | sort",
    );
    format!("{links}\n{addresses}\n{}", output("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"))
}
