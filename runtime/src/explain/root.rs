//! Namespaces, and what `/` is inside: the Spec's mounts, devices, masks.
//!
//! ```text
//! ( enter the control group
//!   exec nsenter --net … unshare --mount --pid … bash /proc/self/fd/3 3<<'INSIDE'      from here on typed inside
//!   hostname ─ overlay ─ proc, /dev, /sys … ─ devices ─ files, volumes ─ settings ─ read-only, masked
//! ```

use std::path::Path;

use netmodes::explain::{Group, Line, quoted};
use oci_spec::runtime::{Linux, LinuxDevice, LinuxDeviceType, LinuxNamespaceType, Mount};

use super::shell::{folded, in_root, word};
use super::{Network, Scene, control};
use crate::isolate::devices::LINKS;
use crate::isolate::mounts::{destination, options};
use crate::text;

// Why there are these groups.
const INSIDE: &str = "New namespaces. What follows is typed inside: nobody outside sees these mounts, \
    this host name, these process numbers.";
const FRESH: &str = "File systems that programs expect, each a fresh one: it shows this container's namespaces \
    and nothing else.";
const BOUND: &str = "Files and directories of the host, bound into the root.";
const DEVICES: &str =
    "Devices: those that every program needs. What else mknod makes, the control group lets nobody open.";
const HIDDEN: &str = "What tells or changes too much of the host is read-only, or covered: a file by /dev/null, \
    a directory by an empty one.";
const READ_ONLY: &str = "--read-only: only now, as all of the above needed places to be mounted on.";

/// Every descriptor but 0, 1 and 2.
const CLOSE: &str =
    r#"for fd in /proc/self/fd/*; do case ${fd##*/} in 0|1|2|255) ;; *) eval "exec ${fd##*/}>&-" ;; esac; done"#;

/// Where the namespaces begin: what follows is read by a shell inside.
pub fn namespaces(scene: &Scene<'_>) -> Group {
    let flags = scene.spec.linux().iter().flat_map(|linux| linux.namespaces().iter().flatten());
    let flags: Vec<&str> = flags.filter_map(|namespace| flag(namespace.typ())).collect();
    let join = if matches!(scene.network, Network::Host) { "" } else { "nsenter --net=/run/netns/\"$netns\" " };
    let unshare = format!(
        "exec {join}unshare {} --fork --kill-child --propagation slave \\\n    bash -eu /proc/self/fd/3 3<<'INSIDE'",
        flags.join(" ")
    );
    let mut group = Group::new(INSIDE);
    if !scene.detached {
        group = group.with("code=0", "");
    }
    group = group.with("export root files disk cgroup trees", "").with("(", "");
    group.lines.push(control::enter());
    group
        .with(unshare, "slave: what the host unmounts goes here too, and nothing of ours comes out")
        .with(CLOSE, "what is open here would be open in the container; 255 is this shell's own, and closes by itself")
}

fn flag(kind: LinuxNamespaceType) -> Option<&'static str> {
    match kind {
        LinuxNamespaceType::Pid => Some("--pid"),
        LinuxNamespaceType::Mount => Some("--mount"),
        LinuxNamespaceType::Uts => Some("--uts"),
        LinuxNamespaceType::Ipc => Some("--ipc"),
        LinuxNamespaceType::Cgroup => Some("--cgroup"),
        _ => None,
    }
}

/// Everything between the namespaces and the program.
pub fn groups(scene: &Scene<'_>) -> Vec<Group> {
    let linux = scene.spec.linux().as_ref();
    let group = |why: &str, lines| Group { why: why.into(), lines };
    let mut groups = vec![overlay(scene)];
    groups.extend(mounted(scene));
    groups.extend([
        group(DEVICES, linux.map(devices).unwrap_or_default()),
        group("Settings, while /proc/sys can still be written.", settings(scene)),
        group(HIDDEN, linux.map(hidden).unwrap_or_default()),
        group(READ_ONLY, read_only_root(scene)),
    ]);
    groups.retain(|group| !group.lines.is_empty());
    groups
}

/// The Spec's mounts, but for the root. File systems are told before binds, unless one of them lies upon a bind.
fn mounted(scene: &Scene<'_>) -> Vec<Group> {
    let all = scene.spec.mounts().iter().flatten().filter(|mount| mount.destination() != Path::new("/"));
    let all: Vec<&Mount> = all.collect();
    let lines = |mounts: &[&Mount]| mounts.iter().flat_map(|mount| mount_lines(scene, mount)).collect();
    let (binds, systems): (Vec<&Mount>, Vec<&Mount>) = all.iter().partition(|mount| is_bind(mount));
    if binds.iter().any(|bind| systems.iter().any(|system| system.destination().starts_with(bind.destination()))) {
        return vec![Group { why: format!("{FRESH} Between them, what is bound."), lines: lines(&all) }];
    }
    vec![Group { why: FRESH.into(), lines: lines(&systems) }, Group { why: BOUND.into(), lines: lines(&binds) }]
}

fn overlay(scene: &Scene<'_>) -> Group {
    let mut group = Group::new("The root: the image's layers, and over them the directory that takes what is written.");
    if let Some(name) = scene.spec.hostname() {
        group = group.with(format!("hostname {}", word(name)), "the UTS namespace holds it");
    }
    let Some(mount) = scene.spec.mounts().iter().flatten().find(|mount| mount.destination() == Path::new("/")) else {
        return group;
    };
    let shown: Vec<String> = mount.options().iter().flatten().map(|option| overlay_option(scene, option)).collect();
    let text = format!("mount -t overlay -o {} overlay \"$root\"", shown.join(","));
    group.with(text, "the topmost layer comes first; a file is copied up before it is changed")
}

fn overlay_option(scene: &Scene<'_>, option: &str) -> String {
    match option.split_once('=') {
        Some((key @ ("upperdir" | "workdir"), path)) if !path.contains('\\') => {
            format!("{key}={}", scene.places.written(Path::new(path)))
        }
        _ => word(option),
    }
}

fn is_bind(mount: &Mount) -> bool {
    mount.typ().as_deref().unwrap_or("bind") == "bind"
}

/// One entry of the Spec.
fn mount_lines(scene: &Scene<'_>, mount: &Mount) -> Vec<Line> {
    match mount.typ().as_deref().unwrap_or("bind") {
        "bind" => bind(scene, mount),
        "cgroup" => cgroup_trees(mount),
        kind => {
            let source = mount.source().as_ref().map_or(kind.into(), |source| source.to_string_lossy());
            let words = mount.options().iter().flatten().filter(|word| !word.is_empty());
            let options: Vec<String> = words.map(|option| word(option)).collect();
            let text =
                format!("mount -m -t {} -o {} {} {}", word(kind), options.join(","), word(&source), target(mount));
            vec![Line::new(text, of_file_system(kind, mount.destination()))]
        }
    }
}

fn target(mount: &Mount) -> String {
    in_root(&destination(mount))
}

fn of_file_system(kind: &str, destination: &Path) -> &'static str {
    match (kind, destination.to_str()) {
        ("proc", _) => "processes, of this pid namespace alone",
        ("sysfs", _) => "the kernel's view of devices, of this network namespace",
        ("cgroup2", _) => "its own control group as the root of the tree",
        ("devpts", _) => "terminals of its own: they are numbered from 0",
        ("mqueue", _) => "message queues, of this IPC namespace",
        (_, Some("/dev")) => "nothing of the host's /dev is in it",
        (_, Some("/dev/shm")) => "shared memory; sticky, as everybody may write there",
        _ => "asked for with --tmpfs",
    }
}

/// Version 1: a tmpfs with the container's own group of each tree.
fn cgroup_trees(mount: &Mount) -> Vec<Line> {
    let words: Vec<&str> = mount.options().iter().flatten().map(String::as_str).collect();
    let quiet: Vec<&str> = words.iter().copied().filter(|word| *word != "ro").collect();
    let (all, quiet, target) = (words.join(","), quiet.join(","), target(mount));
    let name = r#""$there/${tree##*/}""#;
    let trees = format!(
        "there={target}\nfor tree in $trees; do\n    mount -m --bind \"$tree/$cgroup\" {name}\n    mount -o remount,bind,{all} {name}\ndone"
    );
    let mut lines = vec![
        Line::new(
            format!("mount -m -t tmpfs -o {quiet},mode=755 cgroup {target}"),
            "a place for the trees of version 1",
        ),
        Line::new(trees, "each shows its own group as if it were the root"),
    ];
    if words.contains(&"ro") {
        lines.push(Line::new(format!("mount -o remount,bind,{all} {target}"), "it took directories until here"));
    }
    lines
}

/// A file needs a file to be mounted on, a directory a directory.
fn bind(scene: &Scene<'_>, mount: &Mount) -> Vec<Line> {
    let (target, options) = (target(mount), options(mount));
    let source =
        mount.source().as_ref().map(|source| std::path::PathBuf::from(text::decode(&source.to_string_lossy())));
    let source = source.unwrap_or_default();
    let shown = scene.places.shown(&source);
    let ours = source.starts_with(&scene.places.files);
    let file = format!("install -D -m 644 /dev/null {target}");
    let mut lines = if ours {
        vec![Line::new(format!("[ -e {target} ] || {file}"), "a file is mounted on a file")]
    } else {
        let place = format!("[ -e {target} ] || if [ -d {shown} ]; then mkdir -p {target}; else {file}; fi");
        vec![
            Line::new(format!("[ -e {shown} ] || mkdir -p {shown}"), "-v makes what is not there"),
            Line::new(place, "a directory is mounted on a directory, a file on a file"),
        ]
    };
    let how = if options.bind == Some(false) { "--bind" } else { "--rbind" };
    let propagation = mount
        .options()
        .iter()
        .flatten()
        .find(|word| word.contains("private") || word.contains("slave") || word.contains("shared"));
    let propagation = propagation.map_or(String::new(), |word| format!(" --make-{word}"));
    lines.push(Line::new(format!("mount {how}{propagation} {shown} {target}"), "the same files under another name"));
    if options.is_read_only() {
        lines.push(Line::new(
            format!("mount -o remount,bind,ro {target}"),
            "Pontoon makes what is mounted below it read-only, too",
        ));
    }
    lines
}

fn devices(linux: &Linux) -> Vec<Line> {
    let devices = linux.devices().as_deref().unwrap_or_default();
    if devices.is_empty() {
        return Vec::new();
    }
    let links = LINKS.map(|(to, name)| Line::new(format!("ln -s {to} \"$root/dev/{name}\""), of_link(name)));
    devices.iter().map(node).chain(links).collect()
}

fn node(device: &LinuxDevice) -> Line {
    let kind = match device.typ() {
        LinuxDeviceType::B => "b",
        LinuxDeviceType::P => "p",
        _ => "c",
    };
    let (mode, path) = (device.file_mode().unwrap_or(0o666) & 0o7777, in_root(device.path()));
    let numbers = if kind == "p" { String::new() } else { format!(" {} {}", device.major(), device.minor()) };
    let parent = device.path().parent().filter(|parent| *parent != Path::new("/dev"));
    let parent = parent.map_or(String::new(), |parent| format!("mkdir -p {}; ", in_root(parent)));
    Line::new(format!("{parent}mknod -m {mode:o} {path} {kind}{numbers}"), of_node(device.path()))
}

fn of_node(path: &Path) -> &'static str {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("null") => "takes everything, has nothing",
        Some("zero") => "has zeros without end",
        Some("full") => "a disk that is full, for programs that want to try",
        Some("random" | "urandom") => "random numbers of the kernel",
        Some("tty") => "the terminal of whoever opens it",
        _ => "a device of the host",
    }
}

fn of_link(name: &str) -> &'static str {
    match name {
        "ptmx" => "opening it makes a terminal, in its own devpts",
        "fd" => "every process sees its own descriptors here",
        _ => "a name for one of them",
    }
}

fn settings(scene: &Scene<'_>) -> Vec<Line> {
    let sysctls = scene.spec.linux().iter().flat_map(|linux| linux.sysctl().iter().flatten());
    let mut lines: Vec<Line> = sysctls.map(|(name, value)| setting(name, value)).collect();
    // The Spec has them in no order.
    lines.sort_by(|a, b| a.text.cmp(&b.text));
    let directory = scene.spec.process().as_ref().map(|process| text::decode(&process.cwd().to_string_lossy()));
    if let Some(directory) = directory.filter(|directory| directory != "/") {
        lines.push(Line::new(format!("mkdir -p {}", in_root(Path::new(&directory))), "an image need not have it"));
    }
    lines
}

fn setting(name: &str, value: &str) -> Line {
    let reason = match name {
        "net.ipv4.ip_unprivileged_port_start" => {
            "any user in it may listen on port 80: the port is the container's own"
        }
        "net.ipv4.ping_group_range" => "any user in it may ping",
        _ => "a setting that was asked for",
    };
    Line::new(format!("sysctl -qw {}", quoted(&format!("{name}={value}"))), reason)
}

fn hidden(linux: &Linux) -> Vec<Line> {
    let mut lines = Vec::new();
    let paths = |paths: &Option<Vec<String>>| paths.iter().flatten().map(|path| word(path)).collect::<Vec<_>>();
    let (read_only, masked) = (paths(linux.readonly_paths()), paths(linux.masked_paths()));
    if !read_only.is_empty() {
        let body = "    [ -e \"$root$path\" ] || continue\n    mount --rbind \"$root$path\" \"$root$path\"\n    \
                    mount -o remount,bind,ro \"$root$path\"";
        let text = format!("{}; do\n{body}\ndone", folded("for path in", &read_only));
        lines.push(Line::new(text, "a mount over itself can be read-only where what it shows is not"));
    }
    if !masked.is_empty() {
        let body = "    if [ -d \"$root$path\" ]; then mount -t tmpfs -o ro,nr_blocks=1,nr_inodes=1 tmpfs \"$root$path\"\n    \
                    elif [ -e \"$root$path\" ]; then mount --bind /dev/null \"$root$path\"; fi";
        let text = format!("{}; do\n{body}\ndone", folded("for path in", &masked));
        lines.push(Line::new(text, "what this kernel has of them"));
    }
    lines
}

fn read_only_root(scene: &Scene<'_>) -> Vec<Line> {
    let read_only = scene.spec.root().as_ref().and_then(oci_spec::runtime::Root::readonly).unwrap_or(false);
    let line = || Line::new("mount -o remount,bind,ro \"$root\"", "the mount, not the overlay itself");
    read_only.then(line).into_iter().collect()
}
