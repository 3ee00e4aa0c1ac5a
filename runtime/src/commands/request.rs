//! Words of `run` and `create` -> Record: everything is checked here, before anything is made.
//!
//! ```text
//! words ── conflicts, grammar (Docker's messages) ──┐
//! image ── found, or built from a built-in recipe ──┴─> Record, with the image's defaults merged in
//! ```

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use anyhow::{Result, bail};
use netmodes::names::{hosts, resolv};
use netmodes::publish;
use nix::libc;
use oci_spec::image::Config;
use rootfs_tools::Image;

use super::words;
use crate::cli::ContainerArgs;
use crate::container::record::{Bind, ImageName, Limits, Mode, Network, Privileges, Process, Record, Storage};
use crate::container::{Containers, naming};
use crate::files;
use crate::host::Host;
use crate::isolate::capabilities;
use crate::text;

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Image and command, which clap gives as one list: what stands behind the image is the command's, dashes and all.
///
/// # Errors
/// Docker's sentence for a flag that does not exist.
pub fn image_word(words: &[OsString]) -> Result<&str> {
    let image = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    if image.starts_with('-') && image.len() > 1 {
        bail!("unknown flag: {image}\n\nRun 'pontoon run --help' for more information");
    }
    if image.is_empty() {
        bail!("invalid reference format");
    }
    Ok(image)
}

/// The record of a container that does not exist yet.
///
/// # Errors
/// A sentence for each word that cannot be granted.
pub fn record(host: &Host, args: &ContainerArgs, image: &Image, name: String) -> Result<Record> {
    let id = naming::new_id()?;
    let config = image.config.config().clone().unwrap_or_default();
    let network = network(host, args, &config)?;
    let hostname = hostname(host, args, &network.mode, &id)?;
    let stop_signal = args.stop_signal.as_deref().or(config.stop_signal().as_deref());
    Ok(Record {
        version: files::VERSION,
        name,
        created: jiff::Timestamp::now().to_string(),
        image: ImageName { id: image.id.to_string(), reference: image_word(&args.image_and_command)?.to_owned() },
        auto_remove: args.rm,
        process: process(args, &config)?,
        hostname,
        storage: storage(args)?,
        privileges: privileges(args)?,
        limits: limits(args)?,
        network,
        stop_signal: stop_signal.map_or(Ok(libc::SIGTERM), words::signal)?,
        stop_timeout: args.stop_timeout.unwrap_or(10),
        labels: config.labels().clone().unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
        id,
    })
}

fn process(args: &ContainerArgs, config: &Config) -> Result<Process> {
    let command: Vec<String> = args.image_and_command[1..].iter().map(|word| text::encode(word)).collect();
    let image_entrypoint = config.entrypoint().clone().unwrap_or_default();
    let entrypoint = match &args.entrypoint {
        Some(word) if word.is_empty() => Vec::new(),
        Some(word) => vec![text::encode(word)],
        None => image_entrypoint,
    };
    // A new entry point takes the image's command away, as that was meant for the old one.
    let fallback = if args.entrypoint.is_none() { config.cmd().clone().unwrap_or_default() } else { Vec::new() };
    let command = if command.is_empty() { fallback } else { command };
    let count = entrypoint.len();
    let arguments: Vec<String> = entrypoint.into_iter().chain(command).collect();
    if arguments.is_empty() {
        bail!("No command specified");
    }
    let cwd = match &args.workdir {
        Some(directory) => working_directory(directory)?,
        None => config.working_dir().clone().filter(|directory| !directory.is_empty()).unwrap_or_else(|| "/".into()),
    };
    Ok(Process {
        args: arguments,
        entrypoint: count,
        env: environment(config.env().as_deref().unwrap_or_default(), &args.env)?,
        cwd,
        user: args.user.clone().or_else(|| config.user().clone()).unwrap_or_default(),
        tty: args.tty,
        open_stdin: args.interactive,
    })
}

/// A working directory has to be absolute.
///
/// # Errors
/// Docker's sentence.
pub fn working_directory(directory: &OsStr) -> Result<String> {
    if !directory.as_bytes().starts_with(b"/") {
        bail!("the working directory '{}' is invalid, it needs to be an absolute path", directory.to_string_lossy());
    }
    Ok(text::encode(directory))
}

/// The image's environment with `-e` over it; `-e NAME` copies the caller's variable, and unsets one that it lacks.
///
/// # Errors
/// A word without a name.
pub fn environment(base: &[String], added: &[OsString]) -> Result<Vec<String>> {
    let mut environment: Vec<String> = base.to_vec();
    if !environment.iter().any(|word| word.starts_with("PATH=")) {
        environment.insert(0, DEFAULT_PATH.to_owned());
    }
    for word in added {
        let name_end = word.as_bytes().iter().position(|byte| *byte == b'=');
        let name = text::encode(OsStr::from_bytes(&word.as_bytes()[..name_end.unwrap_or(word.len())]));
        if name.is_empty() {
            bail!("invalid environment variable: {}", word.to_string_lossy());
        }
        environment.retain(|old| old.split('=').next() != Some(name.as_str()));
        if name_end.is_some() {
            environment.push(text::encode(word));
        } else if let Some(value) = std::env::var_os(text::decode(&name)) {
            environment.push(format!("{name}={}", text::encode(&value)));
        }
    }
    Ok(environment)
}

fn hostname(host: &Host, args: &ContainerArgs, mode: &Mode, id: &str) -> Result<String> {
    if let Some(hostname) = &args.hostname {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if hostname.is_empty() || hostname.len() > 63 || !hostname.chars().all(valid) || hostname.starts_with('-') {
            bail!("invalid hostname format: {}", hostname.escape_debug());
        }
        return Ok(hostname.clone());
    }
    match mode {
        Mode::Host => Ok(nix::unistd::gethostname()?.to_string_lossy().into_owned()),
        Mode::Container(other) => Ok(Containers::of(host).find(other)?.record.hostname),
        _ => Ok(id[..12].to_owned()),
    }
}

fn network(host: &Host, args: &ContainerArgs, config: &Config) -> Result<Network> {
    let mode = mode(host, args)?;
    let mut mappings = Vec::new();
    for word in &args.publish {
        mappings.extend(publish::parse(word)?);
    }
    let mut expose = Vec::new();
    for word in args.expose.iter().chain(config.exposed_ports().iter().flatten()) {
        expose.extend(publish::parse_exposed(word)?.into_iter().map(|(port, protocol)| format!("{port}/{protocol}")));
    }
    expose.sort();
    expose.dedup();
    if mode == Mode::Host && !mappings.is_empty() {
        eprintln!("WARNING: Published ports are discarded when using host network mode");
    }
    if !matches!(mode, Mode::Network(_) | Mode::Default) {
        mappings.clear();
    }
    for word in &args.add_host {
        hosts::parse_extra_host(word)?;
    }
    Ok(Network {
        mode,
        publish: mappings,
        expose,
        extra_hosts: args.add_host.clone(),
        dns: args.dns.clone(),
        dns_search: args.dns_search.iter().map(|word| resolv::parse_search(word)).collect::<Result<_, _>>()?,
        dns_options: args.dns_option.iter().map(|word| resolv::parse_option(word)).collect::<Result<_, _>>()?,
    })
}

fn mode(host: &Host, args: &ContainerArgs) -> Result<Mode> {
    let word = args.network.as_deref().unwrap_or("default");
    let Some(other) = word.strip_prefix("container:") else {
        return match word {
            "host" => Ok(Mode::Host),
            "none" => Ok(Mode::None),
            "default" | "bridge" => Ok(Mode::Default),
            name => {
                // Found now, so that a wrong name makes nothing; looked up again at each start.
                crate::monitor::network::networks(host)?.find(name)?;
                Ok(Mode::Network(name.to_owned()))
            }
        };
    };
    if word == "container" || other.is_empty() {
        bail!("invalid network mode: invalid container format container:<name|id>");
    }
    let conflicts = [
        (args.hostname.is_some(), "hostname and the network mode"),
        (!args.dns.is_empty(), "dns and the network mode"),
        (!args.add_host.is_empty(), "custom host-to-IP mapping and the network mode"),
        (!args.publish.is_empty(), "port publishing and the container type network mode"),
        (!args.expose.is_empty(), "port exposing and the container type network mode"),
    ];
    if let Some((_, what)) = conflicts.iter().find(|(is, _)| *is) {
        bail!("conflicting options: {what}");
    }
    Ok(Mode::Container(Containers::of(host).find(other)?.record.id))
}

fn storage(args: &ContainerArgs) -> Result<Storage> {
    Ok(Storage {
        read_only: args.read_only,
        binds: args.volume.iter().map(|word| bind(word)).collect::<Result<_>>()?,
        tmpfs: args.tmpfs.iter().map(|word| tmpfs(word)).collect::<Result<_>>()?,
    })
}

/// `/source:/target[:options]`; a source that is not there becomes a directory at the start, as Docker's `-v` does.
fn bind(word: &OsStr) -> Result<Bind> {
    let shown = word.to_string_lossy();
    let parts: Vec<&[u8]> = word.as_bytes().split(|byte| *byte == b':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, &b""[..]),
        [source, target, options] => (*source, *target, *options),
        _ => bail!("invalid volume specification: '{shown}': give it as /source:/target[:ro]"),
    };
    if !target.starts_with(b"/") || is_root(target) {
        bail!("invalid volume specification: '{shown}': the target has to be an absolute path other than /");
    }
    let source = match source {
        [b'/', ..] => OsString::from_vec(source.to_vec()),
        [b'.', ..] => std::path::absolute(OsStr::from_bytes(source))?.into_os_string(),
        _ => {
            bail!("invalid volume specification: '{shown}': named volumes are not supported yet, give an absolute path")
        }
    };
    let mut bind = Bind {
        source: text::encode(&source),
        target: text::encode(OsStr::from_bytes(target)),
        read_only: false,
        propagation: "rprivate".into(),
    };
    for option in String::from_utf8_lossy(options).split(',') {
        match option {
            "ro" => bind.read_only = true,
            "rw" | "" | "z" | "Z" => {}
            "rprivate" | "private" | "rslave" | "slave" | "rshared" | "shared" => bind.propagation = option.to_owned(),
            _ => bail!("invalid volume specification: '{shown}': invalid mode: {option}"),
        }
    }
    Ok(bind)
}

fn tmpfs(word: &OsStr) -> Result<(String, String)> {
    let text = text::encode(word);
    let (target, options) = text.split_once(':').unwrap_or((&text, ""));
    if !target.starts_with('/') || is_root(target.as_bytes()) {
        bail!("invalid tmpfs target {target}: it has to be an absolute path other than /");
    }
    Ok((target.to_owned(), options.to_owned()))
}

fn is_root(path: &[u8]) -> bool {
    let path = std::path::Path::new(OsStr::from_bytes(path));
    let mut depth = 0_i32;
    for component in path.components() {
        match component {
            std::path::Component::Normal(_) => depth += 1,
            std::path::Component::ParentDir => depth = (depth - 1).max(0),
            _ => {}
        }
    }
    depth == 0
}

fn privileges(args: &ContainerArgs) -> Result<Privileges> {
    let set = capabilities::adjust(&args.cap_add, &args.cap_drop, args.privileged)?;
    let mut capabilities: Vec<String> = set.iter().map(capabilities::name).collect();
    capabilities.sort();
    Ok(Privileges { privileged: args.privileged, capabilities })
}

fn limits(args: &ContainerArgs) -> Result<Limits> {
    Ok(Limits {
        memory: args.memory.as_deref().map(words::memory).transpose()?,
        nano_cpus: args.cpus.as_deref().map(words::nano_cpus).transpose()?,
        pids: args.pids_limit.filter(|limit| *limit != 0),
    })
}
