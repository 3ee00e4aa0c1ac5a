//! Making networks: those that a person asks for, and the default one.
//!
//! ```text
//! create    store lock: name, subnets, device are free? -> record        then ensure, and back if that fails
//! default   made on first use; made anew when the settings have changed and no container uses it
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::options::{self, GatewayMode};
use super::store::not_found;
use super::{DEFAULT, DEFAULT_DEVICE, Network, Networks, NewNetwork, record};
use crate::error::Error;
use crate::facts::{Facts, LEAST_OF_IPV6};
use crate::kernel::{self, Kernel};
use crate::lock::Lock;
use crate::modes;
use crate::plan::Step;
use crate::subnet::{self, Subnet, Taken};

impl Networks {
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
            let network = self.draw_up(new, &created, kernel).or_else(|error| self.try_again(new, error, kernel))?;
            record::write(&self.records, &network)?;
            network
        };
        let steps = modes::shared(&network, &Facts::read(kernel, &network)?);
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
        let network = self.draw_up(new, &now(), kernel)?;
        Ok(modes::shared(&network, &Facts::read(kernel, &network)?))
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
        self.draw_up(new, &now(), kernel)
    }

    /// The record of a new network. Nothing is made.
    fn draw_up(&self, new: &NewNetwork, created: &str, kernel: &mut Kernel) -> Result<Network, Error> {
        let meaning = options::parse(&new.options)?;
        let id = random_id()?;
        let bridge = meaning.bridge.unwrap_or_else(|| format!("br-{}", &id[..12]));
        let is_cable = new.driver == "p2p";
        if !is_cable {
            self.check_device(&bridge, kernel)?;
        }
        let [gateway_mode_ipv4, gateway_mode_ipv6] = meaning.gateway_modes;
        let subnets = self.subnets(new)?;
        let mtu = meaning.mtu.or(self.settings.networks.mtu);
        check_mtu(mtu, &subnets)?;
        Ok(Network {
            driver: if is_cable { "p2p".into() } else { "bridge".into() },
            mtu,
            icc: meaning.icc,
            masquerade: meaning.masquerade,
            internal: new.internal,
            gateway_mode_ipv4,
            gateway_mode_ipv6,
            inhibit_ipv4: meaning.inhibit_ipv4,
            trusted: meaning.trusted,
            binding: meaning.binding,
            options: new.options.clone(),
            labels: new.labels.clone(),
            ..Network::plain(
                id,
                new.name.clone(),
                created.into(),
                if is_cable { String::new() } else { bridge },
                subnets,
            )
        })
    }

    /// Has nobody a device of that name, nor will another network want it back?
    fn check_device(&self, bridge: &str, kernel: &mut Kernel) -> Result<(), Error> {
        if let Some(network) = self.list()?.iter().find(|network| network.bridge == bridge) {
            return Err(Error::Refused(format!("the device \"{bridge}\" is that of the network {}", network.name)));
        }
        if kernel.link(bridge)?.is_some() {
            return Err(Error::ForeignBridge(bridge.into()));
        }
        Ok(())
    }

    /// The subnets that were asked for, and chosen ones for families without.
    fn subnets(&self, new: &NewNetwork) -> Result<Vec<Subnet>, Error> {
        let taken = self.taken()?;
        let mut pools = self.settings.networks.pools();
        let is_cable = new.driver == "p2p";
        if is_cable {
            pools.iter_mut().for_each(|pool| *pool = pool.for_cables());
        }
        let mut subnets = subnet::check(&new.asked, &taken)?;
        let is_asked = |ipv6| subnets.iter().any(|subnet: &Subnet| subnet.is_ipv6() == ipv6);
        let (ipv4, ipv6) = (is_asked(false), is_asked(true));
        if ipv4 && new.no_ipv4 {
            return Err(Error::Refused(format!("the subnet {} is of IPv4, which is switched off", subnets[0].subnet)));
        }
        if !ipv4 && !new.no_ipv4 {
            subnets.insert(0, subnet::choose(&pools, false, &taken)?);
        }
        if !ipv6 && new.ipv6 {
            let chosen = subnet::choose_ula(&pools, &taken, random)?;
            subnets.push(if is_cable { chosen.narrowed() } else { chosen });
        }
        Ok(subnets)
    }

    /// The record of the default network; its kernel objects are made when a container needs them.
    pub(super) fn create_default(&self) -> Result<Network, Error> {
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

    pub(super) fn draw_up_default(&self) -> Result<Network, Error> {
        let settled = &self.settings.bridge;
        let taken = self.taken()?;
        let mut subnets = settled.subnets().map_err(Error::Refused)?;
        subnets.iter().try_for_each(|subnet| subnet::check_free(subnet.subnet, &taken))?;
        if settled.address.is_none() {
            subnets.insert(0, subnet::choose_default(&self.settings.networks.pools(), &taken)?);
        }
        check_mtu(self.settings.networks.mtu, &subnets)?;
        let network = Network::plain(random_id()?, DEFAULT.into(), now(), DEFAULT_DEVICE.into(), subnets);
        Ok(Network { icc: settled.icc, mtu: self.settings.networks.mtu, ..network })
    }

    /// Is the default network as the settings want it? What they do not say may be as it is.
    pub(super) fn is_as_settled(&self, network: &Network) -> bool {
        let settled = &self.settings.bridge;
        let subnets = settled.subnets().unwrap_or_default();
        subnets.iter().all(|subnet| network.subnets.contains(subnet))
            && settled.address6.is_some() == network.has_ipv6()
            && settled.icc == network.icc
            && self.settings.networks.mtu == network.mtu
    }

    /// The default network after its settings have changed: a new one, unless a container uses it. Its device is deleted
    /// here and now, as the new one has the same name.
    pub(super) fn renew_default(&self, network: Network) -> Result<Network, Error> {
        let _store = self.lock_store()?;
        {
            let _lock: Lock = match self.lock(&network) {
                Err(Error::NotFound(_)) => return self.look_up(DEFAULT),
                other => other?,
            };
            if !self.leases(&network)?.is_empty() {
                return Ok(network);
            }
            self.write_down(&network)?;
            record::remove(&self.records, &network)?;
        }
        let errors = self.finish_removal(&mut Kernel::open(None)?);
        let renewed = if errors.is_empty() { self.draw_up_default() } else { Ok(network.clone()) };
        // Settings that cannot be had leave the network as it was.
        record::write(&self.records, renewed.as_ref().unwrap_or(&network))?;
        renewed
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
}

impl Network {
    /// A network without options.
    pub fn plain(id: String, name: String, created: String, bridge: String, subnets: Vec<Subnet>) -> Network {
        Network {
            version: Network::VERSION,
            id,
            name,
            created,
            driver: "bridge".into(),
            bridge,
            mtu: None,
            subnets,
            icc: true,
            masquerade: true,
            internal: false,
            gateway_mode_ipv4: GatewayMode::Nat,
            gateway_mode_ipv6: GatewayMode::Nat,
            inhibit_ipv4: false,
            trusted: Vec::new(),
            binding: None,
            options: Default::default(),
            labels: Default::default(),
        }
    }
}

/// On a device with less the kernel would switch IPv6 off without a word.
fn check_mtu(mtu: Option<u32>, subnets: &[Subnet]) -> Result<(), Error> {
    match mtu.filter(|mtu| *mtu < LEAST_OF_IPV6 && subnets.iter().any(Subnet::is_ipv6)) {
        Some(mtu) => Err(Error::Refused(format!("invalid MTU {mtu}: IPv6 needs {LEAST_OF_IPV6} at least (RFC 8200)"))),
        None => Ok(()),
    }
}

fn random_id() -> Result<String, Error> {
    Ok(random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Bytes of the kernel's random numbers.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0u8; N];
    let path = Path::new("/dev/urandom");
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Error::file("read", path, error))?;
    Ok(bytes)
}

/// RFC 3339, as records have it.
fn now() -> String {
    jiff::Timestamp::now().to_string()
}
