//! `pontoon inspect`: everything that is known of a container, in the shape of Docker's JSON.
//!
//! ```text
//! record ─┬─> one JSON object ──> array, or a line by template
//! state ──┘
//! ```

use anyhow::{Result, bail};
use netmodes::lease::Leased;
use serde_json::{Map, Value, json};

use super::network::inspect::elements;
use super::{image, pause, ports, template, words};
use crate::cli::InspectArgs;
use crate::container::record::{Device, Privileges, Seccomp, Ulimit};
use crate::container::state::Endpoint;
use crate::container::{Container, Containers, Record, State, Status};
use crate::host::Host;
use crate::monitor::linked;
use crate::monitor::network::networks;
use crate::{spec, text};

/// Prints one JSON array for all, or one line a container by a template.
///
/// # Errors
/// After what was found: `No such object`.
pub fn inspect(host: &Host, args: &InspectArgs) -> Result<i32> {
    print(args, |name| {
        if let Some(container) = Containers::of(host).lookup(name)? {
            return describe(&container);
        }
        // As Docker: a name that is no container's may be an image's.
        match image::find(host, name)? {
            Some(image) => Ok(image),
            None => bail!("No such object: {name}"),
        }
    })
}

/// What `inspect` and `network inspect` have in common.
///
/// # Errors
/// A template that cannot be rendered.
pub fn print(args: &InspectArgs, mut find: impl FnMut(&str) -> Result<Value>) -> Result<i32> {
    let mut found = Vec::new();
    let code = super::each(&args.names, |name| {
        found.push(find(name)?);
        Ok(())
    })?;
    match &args.format {
        Some(format) => super::print(format_args!("{}", template::lines(format, &found)?))?,
        None => super::say(format_args!("{}", serde_json::to_string_pretty(&found)?))?,
    }
    Ok(code)
}

fn describe(container: &Container) -> Result<Value> {
    let record = &container.record;
    let state = container.state()?;
    let is_running = state.status == Status::Running && container.is_supervised()?;
    let is_paused = is_running && pause::is_paused(container)?;
    let (program, arguments) = record.process.args.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    Ok(json!({
        "Id": record.id,
        "Created": record.created,
        "Path": shown(program),
        "Args": arguments.iter().map(|word| shown(word)).collect::<Vec<_>>(),
        "State": state_of(&state, is_running, is_paused),
        "Image": record.image.id,
        "ResolvConfPath": container.state_dir().join("resolv.conf"),
        "HostnamePath": container.state_dir().join("hostname"),
        "HostsPath": container.state_dir().join("hosts"),
        "LogPath": container.log_path(),
        "Name": format!("/{}", record.name),
        "Driver": "overlay",
        "Platform": "linux",
        "HostConfig": host_config(container)?,
        "Mounts": mounts(record),
        "Config": config(record),
        "NetworkSettings": with_elements(container, &endpoints(container, state)?)?,
    }))
}

/// The networks, with what the firewall holds of each attachment.
fn with_elements(container: &Container, state: &State) -> Result<Value> {
    let mut settings = network_settings(&container.record, state);
    for endpoint in &state.endpoints {
        if let Some(shown) = settings["Networks"].get_mut(&endpoint.network) {
            shown["Elements"] = elements(&container.journal_of(&endpoint.network_id))?.into();
        }
    }
    Ok(settings)
}

/// JSON holds no bytes that are not UTF-8: they are shown as U+FFFD.
fn shown(word: &str) -> String {
    text::decode(word).to_string_lossy().into_owned()
}

fn state_of(state: &State, is_running: bool, is_paused: bool) -> Value {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let time = |time: &str| if time.is_empty() { NEVER.to_owned() } else { time.to_owned() };
    json!({
        "Status": if is_paused { "paused" } else if is_running { "running" } else { state.status.text() },
        "Running": is_running,
        "Paused": is_paused,
        "Restarting": false,
        "Dead": false,
        "Pid": if is_running { state.pid } else { 0 },
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(&state.started),
        "FinishedAt": time(&state.finished),
    })
}

fn host_config(container: &Container) -> Result<Value> {
    let record = &container.record;
    let binds: Vec<String> = record
        .storage
        .binds
        .iter()
        .map(|bind| {
            format!("{}:{}{}", shown(&bind.source), shown(&bind.target), if bind.read_only { ":ro" } else { "" })
        })
        .collect();
    Ok(json!({
        "Binds": binds,
        "NetworkMode": record.network.mode.text(),
        "PortBindings": ports::asked(&record.network.publish),
        "PublishAllPorts": record.network.publish_all,
        "AutoRemove": record.auto_remove,
        "Init": record.init,
        "CapBounding": record.privileges.capabilities,
        "Dns": record.network.dns,
        "DnsOptions": record.network.dns_options,
        "DnsSearch": record.network.dns_search,
        "ExtraHosts": record.network.extra_hosts,
        "Links": linked::shown(&container.host, record)?,
        "Privileged": record.privileges.privileged,
        "ReadonlyRootfs": record.storage.read_only,
        "Tmpfs": record.storage.tmpfs.iter().map(|(k, v)| (shown(k), json!(v))).collect::<Map<_, _>>(),
        "Memory": record.limits.memory.unwrap_or(0),
        "NanoCpus": record.limits.nano_cpus.unwrap_or(0),
        "PidsLimit": record.limits.pids,
        "Ulimits": record.limits.ulimits.iter().map(ulimit).collect::<Vec<_>>(),
        "ShmSize": record.storage.shm_size.unwrap_or(spec::mounts::SHM_SIZE),
        "GroupAdd": record.process.groups,
        "SecurityOpt": security_options(&record.privileges),
        "Devices": record.privileges.devices.iter().map(device).collect::<Vec<_>>(),
    }))
}

fn ulimit(limit: &Ulimit) -> Value {
    json!({ "Name": limit.name, "Soft": limit.soft, "Hard": limit.hard })
}

fn device(device: &Device) -> Value {
    json!({
        "PathOnHost": shown(&device.host),
        "PathInContainer": shown(&device.container),
        "CgroupPermissions": device.access,
    })
}

/// As they were given; a profile by its text, as Docker shows it.
fn security_options(privileges: &Privileges) -> Vec<String> {
    let mut options = Vec::new();
    if privileges.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &privileges.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => options.push("seccomp=unconfined".into()),
        Seccomp::Profile(text) => options.push(format!("seccomp={text}")),
    }
    if privileges.unmasked {
        options.push("systempaths=unconfined".into());
    }
    options
}

fn mounts(record: &Record) -> Vec<Value> {
    let bind = |bind: &crate::container::record::Bind| {
        json!({
            "Type": "bind",
            "Source": shown(&bind.source),
            "Destination": shown(&bind.target),
            "Mode": if bind.read_only { "ro" } else { "" },
            "RW": !bind.read_only,
            "Propagation": bind.propagation,
        })
    };
    record.storage.binds.iter().map(bind).collect()
}

fn config(record: &Record) -> Value {
    let process = &record.process;
    let (entrypoint, command) = process.args.split_at(process.entrypoint.min(process.args.len()));
    let all = |words: &[String]| words.iter().map(|word| shown(word)).collect::<Vec<_>>();
    let exposed: Map<String, Value> = record.network.expose.iter().map(|port| (port.clone(), json!({}))).collect();
    json!({
        "Hostname": record.hostname,
        "User": process.user,
        "Tty": process.tty,
        "OpenStdin": process.open_stdin,
        "ExposedPorts": exposed,
        "Env": all(&process.env),
        "Cmd": all(command),
        "Entrypoint": if entrypoint.is_empty() { Value::Null } else { json!(all(entrypoint)) },
        "Image": record.image.reference,
        "WorkingDir": shown(&process.cwd),
        "Labels": record.labels,
        "StopSignal": words::signal_name(record.stop_signal),
        "StopTimeout": record.stop_timeout,
    })
}

/// The state with an endpoint for each network of the record: where the container does not run, one without addresses.
fn endpoints(container: &Container, mut state: State) -> Result<State> {
    if !state.endpoints.is_empty() {
        return Ok(state);
    }
    let networks = networks(&container.host)?.list()?;
    let id = |name: &str| networks.iter().find(|network| network.name == name).map(|network| network.id.clone());
    let wishes = container.record.network.attachments.iter();
    state.endpoints = wishes
        .map(|wish| Endpoint {
            network: wish.network.clone(),
            network_id: id(&wish.network).unwrap_or_default(),
            ..Endpoint::default()
        })
        .collect();
    Ok(state)
}

fn network_settings(record: &Record, state: &State) -> Value {
    let networks: Map<String, Value> =
        state.endpoints.iter().map(|e| (e.network.clone(), endpoint(record, e))).collect();
    let mut settings = json!({
        "Ports": ports::offered(&record.network.expose, state),
        "SandboxKey": format!("/run/netns/{}", record.name),
        "Networks": networks,
    });
    let first = state.endpoints.first().cloned().unwrap_or_default();
    if let (Value::Object(settings), Value::Object(addresses)) = (&mut settings, addresses(&first)) {
        settings.extend(addresses);
    }
    settings
}

fn endpoint(record: &Record, endpoint: &Endpoint) -> Value {
    let wish = record.network.attachments.iter().find(|wish| wish.network == endpoint.network);
    let wish = wish.cloned().unwrap_or_default();
    // Those of the default network are the host configuration's, as in Docker.
    let links = wish.links.iter().filter(|_| wish.network != netmodes::network::DEFAULT);
    let links: Vec<String> = links.map(|link| format!("{}:{}", link.container, link.alias)).collect();
    let asked = |address: Option<String>| address.unwrap_or_default();
    let mut shown = json!({
        "IPAMConfig": {
            "IPv4Address": asked(wish.ip.map(|ip| ip.to_string())),
            "IPv6Address": asked(wish.ip6.map(|ip| ip.to_string())),
        },
        "Links": links,
        "Aliases": wish.aliases,
        "DNSNames": endpoint.names,
        "DriverOpts": wish.options,
        "GwPriority": wish.priority,
        "NetworkID": endpoint.network_id,
        "EndpointID": if endpoint.interface.is_empty() { String::new() } else { endpoint_id(&record.id, &endpoint.network_id) },
        "Interface": endpoint.interface,
        "HostDevice": endpoint.host_device,
    });
    if let (Value::Object(shown), Value::Object(addresses)) = (&mut shown, addresses(endpoint)) {
        shown.extend(addresses);
    }
    shown
}

/// What Docker shows of the addresses, of the container as a whole and of each network.
fn addresses(endpoint: &Endpoint) -> Value {
    let (four, six) = (endpoint.leased(false), endpoint.leased(true));
    let address = |leased: Option<&Leased>| leased.map_or_else(String::new, |leased| leased.address.to_string());
    let gateway = |leased: Option<&Leased>| {
        leased.and_then(|leased| leased.gateway).map_or_else(String::new, |gateway| gateway.to_string())
    };
    json!({
        "IPAddress": address(four),
        "IPPrefixLen": four.map_or(0, |leased| leased.prefix),
        "Gateway": gateway(four),
        "GlobalIPv6Address": address(six),
        "GlobalIPv6PrefixLen": six.map_or(0, |leased| leased.prefix),
        "IPv6Gateway": gateway(six),
        "MacAddress": endpoint.mac,
    })
}

/// `172.18.0.2/16`, or nothing, as `network inspect` shows it.
pub fn address(endpoint: &Endpoint, ipv6: bool) -> String {
    endpoint.leased(ipv6).map_or_else(String::new, |leased| format!("{}/{}", leased.address, leased.prefix))
}

/// 64 digits that belong to this container on this network, the same as long as both are there.
pub fn endpoint_id(container: &str, network: &str) -> String {
    let digit = |c: char| c.to_digit(16).unwrap_or_default();
    let both = container.chars().zip(network.chars()).map(|(a, b)| digit(a) ^ digit(b));
    both.filter_map(|digit| char::from_digit(digit, 16)).collect()
}
