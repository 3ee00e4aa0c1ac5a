//! The store of networks: finding, making, attaching to them.
//!
//! ```text
//! find     full id, else full name, else unique prefix of an id; "bridge" is made on first use
//! create   store lock:   checks, record      then ensure, and back if that fails
//! ensure   network lock: what the journal and the kernel lack
//! lease    network lock: an address, only while the record is there
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{DEFAULT, DEFAULT_DEVICE, Network, NewNetwork, options, record};
use crate::apply::{self, Net};
use crate::error::Error;
use crate::facts::Facts;
use crate::journal::Journal;
use crate::kernel::{self, Kernel};
use crate::lease::Leases;
use crate::lock::Lock;
use crate::modes::bridge;
use crate::plan::Step;
use crate::subnet::{self, Subnet, Taken};

/// All networks of a host.
#[derive(Clone, Debug)]
pub struct Networks {
    pub(super) records: PathBuf,
    pub(super) state: PathBuf,
}

impl Networks {
    /// The networks whose records are in `records` (which lasts) and whose state is in `state` (which dies with the
    /// kernel, and is the caller's to sweep after a reboot). Nothing is read yet.
    ///
    /// # Errors
    /// None today.
    pub fn open(records: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Result<Networks, Error> {
        Ok(Networks { records: records.into(), state: state.into() })
    }

    /// A network by its full id, its name or a unique prefix of its id, in this order. The default network is made on
    /// first use.
    ///
    /// # Errors
    /// `network X not found`, or ambiguous; a damaged record.
    pub fn find(&self, wanted: &str) -> Result<Network, Error> {
        match self.look_up(wanted) {
            Err(Error::NotFound(_)) if wanted == DEFAULT => self.create_default(),
            other => other,
        }
    }

    /// As [`Networks::find`], but nothing is made: a default network that is not there is drawn up, and forgotten.
    ///
    /// # Errors
    /// As [`Networks::find`].
    pub fn foresee(&self, wanted: &str) -> Result<Network, Error> {
        match self.look_up(wanted) {
            Err(Error::NotFound(_)) if wanted == DEFAULT => self.draw_up_default(),
            other => other,
        }
    }

    fn look_up(&self, wanted: &str) -> Result<Network, Error> {
        let entries = record::entries(&self.records)?;
        let prefixed = || entries.iter().filter(|entry| !wanted.is_empty() && entry.id.starts_with(wanted));
        let exact = entries.iter().find(|entry| entry.id == wanted);
        let exact = exact.or_else(|| entries.iter().find(|entry| entry.name == wanted));
        let found = match exact.or_else(|| prefixed().next()) {
            Some(entry) => entry,
            None => return Err(not_found(wanted)),
        };
        if exact.is_none() && prefixed().count() > 1 {
            let count = prefixed().count();
            return Err(Error::Refused(format!("network {wanted} is ambiguous ({count} matches found on id)")));
        }
        record::read(&record::path(&self.records, &found.id, &found.name))?.ok_or_else(|| not_found(wanted))
    }

    /// Every network that can be read, by name; a damaged record stands in nobody's way but its own.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> Result<Vec<Network>, Error> {
        Ok(self.read_all()?.into_iter().filter_map(Result::ok).collect())
    }

    /// Why the other records cannot be read.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn damaged(&self) -> Result<Vec<Error>, Error> {
        Ok(self.read_all()?.into_iter().filter_map(Result::err).collect())
    }

    fn read_all(&self) -> Result<Vec<Result<Network, Error>>, Error> {
        let read = |entry: record::Entry| record::read(&record::path(&self.records, &entry.id, &entry.name));
        Ok(record::entries(&self.records)?.into_iter().filter_map(|entry| read(entry).transpose()).collect())
    }

    /// Makes a network: its record and its kernel objects. `created` is the time as RFC 3339.
    ///
    /// # Errors
    /// A bad or taken name, a bad or taken subnet, unknown options, a device that is there already. Nothing is left.
    pub fn create(&self, new: &NewNetwork, created: String, kernel: &mut Kernel) -> Result<Network, Error> {
        self.create_told(new, created, kernel, &mut |_| ())
    }

    /// As [`Networks::create`]; `tell` hears the steps before they are done.
    ///
    /// # Errors
    /// As [`Networks::create`].
    pub fn create_told(
        &self,
        new: &NewNetwork,
        created: String,
        kernel: &mut Kernel,
        tell: &mut dyn FnMut(&[Step]),
    ) -> Result<Network, Error> {
        options::check(new)?;
        let network = {
            let _store = self.lock_store()?;
            self.check_name(new)?;
            let network = self.draw_up(new, created, kernel).or_else(|error| self.try_again(new, error, kernel))?;
            record::write(&self.records, &network)?;
            network
        };
        let steps = bridge::shared(&network, &Facts::read(kernel, &network)?);
        tell(&steps);
        let made = self.ensure(&network, &steps, kernel);
        if let Err(error) = made {
            record::remove(&self.records, &network)?;
            self.finish_removal(kernel);
            return Err(error);
        }
        Ok(network)
    }

    /// The steps of a network that might be made. Nothing is, and no lock is taken.
    ///
    /// # Errors
    /// As [`Networks::create`].
    pub fn foresee_new(&self, new: &NewNetwork, kernel: &mut Kernel) -> Result<Vec<Step>, Error> {
        options::check(new)?;
        self.check_name(new)?;
        let network = self.draw_up(new, now(), kernel)?;
        Ok(bridge::shared(&network, &Facts::read(kernel, &network)?))
    }

    fn check_name(&self, new: &NewNetwork) -> Result<(), Error> {
        match record::entries(&self.records)?.iter().any(|entry| entry.name == new.name) {
            true => Err(Error::Refused(format!("network with name {} already exists", new.name))),
            false => Ok(()),
        }
    }

    /// Subnet or device may be those of a network whose removal nobody has finished: finish it, and try once more.
    fn try_again(&self, new: &NewNetwork, error: Error, kernel: &mut Kernel) -> Result<Network, Error> {
        if !self.has_unfinished_removals()? {
            return Err(error);
        }
        self.finish_removal(kernel);
        self.draw_up(new, now(), kernel)
    }

    /// The record of a new network. Nothing is made.
    fn draw_up(&self, new: &NewNetwork, created: String, kernel: &mut Kernel) -> Result<Network, Error> {
        let meaning = options::parse(&new.options)?;
        let id = random_id()?;
        let bridge = meaning.bridge.unwrap_or_else(|| format!("br-{}", &id[..12]));
        if kernel.link(&bridge)?.is_some() {
            return Err(Error::ForeignBridge(bridge));
        }
        let taken = self.taken()?;
        let subnet = match &new.subnet {
            Some(subnet) => subnet::check(subnet, new.gateway.as_deref(), &taken)?,
            None => subnet::choose(&taken)?,
        };
        Ok(Network {
            mtu: meaning.mtu,
            icc: meaning.icc,
            masquerade: meaning.masquerade,
            options: new.options.clone(),
            labels: new.labels.clone(),
            ..Network::plain(id, new.name.clone(), created, bridge, subnet)
        })
    }

    /// The record of the default network; its kernel objects are made when a container needs them.
    fn create_default(&self) -> Result<Network, Error> {
        let _store = self.lock_store()?;
        let entries = record::entries(&self.records)?;
        if let Some(entry) = entries.iter().find(|entry| entry.name == DEFAULT) {
            let found = record::read(&record::path(&self.records, &entry.id, &entry.name))?;
            return found.ok_or_else(|| not_found(DEFAULT));
        }
        let network = self.draw_up_default()?;
        record::write(&self.records, &network)?;
        Ok(network)
    }

    fn draw_up_default(&self) -> Result<Network, Error> {
        let subnet = subnet::choose_default(&self.taken()?)?;
        Ok(Network::plain(random_id()?, DEFAULT.into(), now(), DEFAULT_DEVICE.into(), subnet))
    }

    /// What a new subnet must not overlap: other networks first, as their names say more than their routes do.
    fn taken(&self) -> Result<Vec<Taken>, Error> {
        let mut taken = Vec::new();
        for network in self.list()? {
            let by = format!("the network {}", network.name);
            taken.extend(
                network
                    .subnets
                    .iter()
                    .map(|subnet| Taken { range: subnet.subnet, by: format!("{by} ({})", subnet.subnet) }),
            );
        }
        taken.extend(kernel::taken()?);
        Ok(taken)
    }

    /// Makes whatever of the network's objects is not there. Cheap when all are.
    ///
    /// # Errors
    /// The network is gone; what the kernel refuses; a device of that name that is somebody else's.
    pub fn ensure(&self, network: &Network, shared: &[Step], net: &mut impl Net) -> Result<(), Error> {
        let _lock = self.lock(network)?;
        let mut journal = Journal::open(&self.directory(network).join("journal"))?;
        apply::ensure(shared, net, &mut journal)
    }

    /// Leases one address of each of the network's subnets to a container, by its id: those that were asked for (`--ip`,
    /// `--ip6`), else the next free ones. Nothing is leased if one cannot be.
    ///
    /// # Errors
    /// The network is gone or has no free address; an address that was asked for is not of its subnets, or somebody has it.
    pub fn lease(&self, network: &Network, owner: &str, wanted: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        check_wanted(network, wanted)?;
        let _lock = self.lock(network)?;
        let leases = Leases::of(&self.directory(network));
        let mut leased = Vec::new();
        for subnet in &network.subnets {
            match take(&leases, network, subnet, owner, wanted) {
                Ok(address) => leased.push(address),
                Err(error) => {
                    leased.iter().try_for_each(|address| leases.release(*address, owner))?;
                    return Err(error);
                }
            }
        }
        Ok(leased)
    }

    /// The addresses that [`Networks::lease`] would give now. Nobody has them for that.
    ///
    /// # Errors
    /// As [`Networks::lease`].
    pub fn foresee_lease(&self, network: &Network, wanted: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        check_wanted(network, wanted)?;
        let leases = Leases::of(&self.directory(network));
        let foreseen = |subnet: &Subnet| match wanted.iter().find(|address| subnet.subnet.contains(**address)) {
            Some(address) => match leases.holder(*address)? {
                Some(holder) => Err(in_use(*address, &holder)),
                None => Ok(*address),
            },
            None => leases.next(subnet).ok_or_else(|| full(network)),
        };
        network.subnets.iter().map(foreseen).collect()
    }

    /// Gives a container's address back. Only after its journal has been undone.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn release(&self, network: &Network, address: IpAddr, owner: &str) -> Result<(), Error> {
        Leases::of(&self.directory(network)).release(address, owner)
    }

    /// Gives back every address that a container has: recovery after a crash.
    ///
    /// # Errors
    /// The state directory cannot be read or written.
    pub fn release_all(&self, network: &Network, owner: &str) -> Result<(), Error> {
        let leases = Leases::of(&self.directory(network));
        let all = leases.all()?;
        all.into_iter().filter(|(_, who)| who == owner).try_for_each(|(address, who)| leases.release(address, &who))
    }

    /// Who has which address.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn leases(&self, network: &Network) -> Result<Vec<(IpAddr, String)>, Error> {
        Leases::of(&self.directory(network)).all()
    }

    /// The network's state directory, where names live too.
    pub fn directory(&self, network: &Network) -> PathBuf {
        self.state.join(&network.id)
    }

    /// The network's lock, while its record is there. Whoever removes a network holds it, so what is done under it is
    /// done to a network that exists.
    pub(super) fn lock(&self, network: &Network) -> Result<Lock, Error> {
        self.still_there(network)?;
        let directory = self.directory(network);
        let lock = loop {
            make(&directory)?;
            match Lock::wait(&directory.join("lock")) {
                // The directory went between the two lines: somebody finished a removal.
                Err(Error::System { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    self.still_there(network)?
                }
                other => break other?,
            }
        };
        self.still_there(network)?;
        Ok(lock)
    }

    fn still_there(&self, network: &Network) -> Result<(), Error> {
        let path = record::path(&self.records, &network.id, &network.name);
        if fs::exists(&path).map_err(|error| Error::file("look for", &path, error))? {
            return Ok(());
        }
        Err(not_found(&network.name))
    }

    pub(super) fn lock_store(&self) -> Result<Lock, Error> {
        make(&self.records)?;
        Lock::wait(&self.records.join("lock"))
    }
}

impl Network {
    /// A network without options.
    fn plain(id: String, name: String, created: String, bridge: String, subnet: Subnet) -> Network {
        Network {
            version: Network::VERSION,
            id,
            name,
            created,
            driver: "bridge".into(),
            bridge,
            mtu: None,
            subnets: vec![subnet],
            icc: true,
            masquerade: true,
            options: Default::default(),
            labels: Default::default(),
        }
    }
}

/// Every address that was asked for must be one that a host of the network can have.
fn check_wanted(network: &Network, wanted: &[IpAddr]) -> Result<(), Error> {
    let usable = |subnet: &Subnet, address: IpAddr| {
        let edge = [subnet.subnet.address, subnet.subnet.last(), subnet.gateway].contains(&address);
        subnet.subnet.contains(address) && !edge
    };
    match wanted.iter().find(|address| !network.subnets.iter().any(|subnet| usable(subnet, **address))) {
        Some(address) => Err(Error::Refused(format!("no configured subnet contains IP address {address}"))),
        None => Ok(()),
    }
}

/// One address of a subnet. The caller holds the network's lock.
fn take(leases: &Leases, network: &Network, subnet: &Subnet, owner: &str, wanted: &[IpAddr]) -> Result<IpAddr, Error> {
    let Some(address) = wanted.iter().copied().find(|address| subnet.subnet.contains(*address)) else {
        return leases.take(subnet, owner)?.ok_or_else(|| full(network));
    };
    if leases.take_this(address, owner)? {
        return Ok(address);
    }
    Err(in_use(address, &leases.holder(address)?.unwrap_or_default()))
}

fn in_use(address: IpAddr, holder: &str) -> Error {
    Error::Refused(format!("Address already in use: {address} is leased to container {holder:.12}"))
}

fn full(network: &Network) -> Error {
    let subnets: Vec<String> = network.subnets.iter().map(|subnet| subnet.subnet.to_string()).collect();
    let name = &network.name;
    Error::Refused(format!("no available IPv4 addresses on the network {name} ({})", subnets.join(", ")))
}

fn not_found(wanted: &str) -> Error {
    Error::NotFound(format!("network {wanted} not found"))
}

/// `mkdir -p -m 700`: state is nobody else's business.
fn make(directory: &Path) -> Result<(), Error> {
    loop {
        match DirBuilder::new().recursive(true).mode(0o700).create(directory) {
            // It was there, and went before the library had looked again: somebody finished a removal.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && fs::symlink_metadata(directory).is_err() => {}
            other => return other.map_err(|error| Error::file("make", directory, error)),
        }
    }
}

/// 32 bytes of the kernel's random numbers.
fn random_id() -> Result<String, Error> {
    let mut bytes = [0u8; 32];
    let path = Path::new("/dev/urandom");
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Error::file("read", path, error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// RFC 3339, as records have it.
fn now() -> String {
    jiff::Timestamp::now().to_string()
}
