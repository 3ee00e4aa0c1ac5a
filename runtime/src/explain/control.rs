//! The control group: what the container may use, counted and limited together.
//!
//! ```text
//! version 1   for tree in $trees: mkdir $tree/$cgroup ; echo 64M >…/memory.limit_in_bytes ; echo 0 >…/cgroup.procs
//! version 2   mkdir /sys/fs/cgroup/$cgroup ; echo 64M >…/memory.max ; echo 0 >…/cgroup.procs
//! ```

use std::path::Path;

use anyhow::Result;
use netmodes::explain::{Group, Line, quoted};
use oci_spec::runtime::{LinuxResources, Spec};

use super::Scene;
use super::shell::folded;
use crate::isolate::cgroup::{Hierarchy, Setting, Tree, Version, settings};

/// Making it, and its limits.
///
/// # Errors
/// What this version has no word for.
pub fn groups(scene: &Scene<'_>) -> Result<Vec<Group>> {
    let none = LinuxResources::default();
    let resources = resources(scene.spec).unwrap_or(&none);
    let made =
        Group::new("A control group: what its processes may use is counted, limited, frozen and killed together.")
            .with(format!("cgroup={}", quoted(&scene.cgroup)), "below the root of each tree");
    let (made, version) = match scene.hierarchy {
        Hierarchy::V1(trees) => (version_1(made, trees), Version::V1),
        Hierarchy::V2(root) => (version_2(made, root, &scene.cgroup), Version::V2),
    };
    let mut limits =
        Group::new("What it may use, and which devices it may open. Nothing is limited that nobody asked to limit.");
    limits.lines.extend(limit_lines(scene.hierarchy, &settings(version, resources)?));
    if version == Version::V2 && resources.devices().as_ref().is_some_and(|devices| !devices.is_empty()) {
        limits.lines.push(Line::new(
            "# Which devices it may open, version 2 asks a BPF program (bpf(2), BPF_CGROUP_DEVICE): no shell has a word for that.",
            "",
        ));
    }
    Ok([made, limits].into_iter().filter(|group| !group.lines.is_empty()).collect())
}

fn resources(spec: &Spec) -> Option<&LinuxResources> {
    spec.linux().as_ref().and_then(|linux| linux.resources().as_ref())
}

fn version_1(group: Group, trees: &[Tree]) -> Group {
    let roots: Vec<String> = trees.iter().map(|tree| tree.root.display().to_string()).collect();
    let group = group
        .with(format!("trees={}", quoted(&roots.join(" "))), "version 1 has a tree for each kind of thing")
        .with(r#"for tree in $trees; do mkdir -p -m 700 "$tree/$cgroup"; done"#, "a directory is a group");
    match trees.iter().find(|tree| tree.controls("cpuset")) {
        Some(cpuset) => {
            group.with(inherit(&cpuset.root), "a group without CPUs takes no process: they are copied down")
        }
        None => group,
    }
}

fn inherit(root: &Path) -> String {
    let root = root.display();
    format!(
        "dir={root}\nfor part in ${{cgroup//\\// }}; do\n    for file in cpuset.cpus cpuset.mems; do\n        \
         grep -q . \"$dir/$part/$file\" || cat \"$dir/$file\" >\"$dir/$part/$file\"\n    done\n    dir=$dir/$part\ndone"
    )
}

fn version_2(group: Group, root: &Path, cgroup: &str) -> Group {
    let root = root.display();
    let mut above = vec![root.to_string()];
    let parent = Path::new(cgroup).parent().unwrap_or(Path::new(""));
    parent.iter().for_each(|part| above.push(format!("{}/{}", above[above.len() - 1], part.to_string_lossy())));
    let switch = "; do echo '+cpu +memory +pids' >\"$dir/cgroup.subtree_control\"; done";
    group
        .with(format!("trees={root}"), "version 2 has one tree for all")
        .with(format!("mkdir -p -m 700 {root}/\"$cgroup\""), "a directory is a group")
        .with(format!("{}{switch}", folded("for dir in", &above)), "the groups above hand these on to those below")
}

/// Lines that write settings; those of one file are one loop.
fn limit_lines(hierarchy: &Hierarchy, settings: &[Setting]) -> Vec<Line> {
    settings
        .chunk_by(|a, b| a.file == b.file)
        .filter_map(|same| {
            let first = same.first()?;
            let path = format!("{}/\"$cgroup\"/{}", root_of(hierarchy, first.controller)?, first.file);
            let values: Vec<String> = same.iter().map(|setting| quoted(&setting.value)).collect();
            let or = if first.optional { " || true" } else { "" };
            let text = match values.as_slice() {
                [value] => format!("echo {value} >{path}{or}"),
                several => format!("{}; do echo \"$line\" >{path}; done", folded("for line in", several)),
            };
            Some(Line::new(text, reason(first)))
        })
        .collect()
}

/// Where a controller's tree is. One that this host lacks ends a start with a sentence, and an explanation before.
fn root_of(hierarchy: &Hierarchy, controller: &str) -> Option<String> {
    match hierarchy {
        Hierarchy::V1(trees) => {
            trees.iter().find(|tree| tree.controls(controller)).map(|tree| tree.root.display().to_string())
        }
        Hierarchy::V2(root) => Some(root.display().to_string()),
    }
}

fn reason(setting: &Setting) -> &'static str {
    match setting.file.as_str() {
        "devices.deny" => "no device at all …",
        "devices.allow" => "… but these: m is mknod, r and w are open",
        file if file.starts_with("memory") => "bytes of memory, or of memory and swap together",
        file if file.starts_with("cpu") => "its share of the processors",
        "pids.max" => "processes and threads",
        _ => "a limit that was asked for",
    }
}

/// The line by which the shell itself enters it: children are born where their parent is.
pub fn enter() -> Line {
    Line::new(
        r#"for tree in $trees; do echo 0 >"$tree/$cgroup/cgroup.procs"; done"#,
        "0 is whoever writes; children are born where their parent is",
    )
}
