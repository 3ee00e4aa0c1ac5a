//! The last mile: limits, capabilities, user, the program.
//!
//! ```text
//! exec env -i …              the environment, and nothing of the caller's
//!      setpriv …             groups, bounding set: what is gone from there no exec brings back
//!      chroot, unshare       the root becomes /, and the user is no longer root
//!      PROGRAM
//! ```

use netmodes::explain::{Group, Line};
use oci_spec::runtime::{Capabilities, Capability, PosixRlimit, Process, Spec};

use super::Scene;
use super::shell::{folded, word, words};
use crate::isolate::capabilities;
use crate::launch::init;
use crate::text;

/// From the finished root to the program, and out of the namespaces again.
pub fn groups(scene: &Scene<'_>) -> Vec<Group> {
    let mut limits = Group::new("What it may use by itself.");
    limits.lines = limit_lines(scene.spec);
    let mut last = Group::new("The program: as its user, in its root, with a part of the power that root has outside.");
    last.lines = silent(scene);
    last.lines.push(Line::new(command(scene), "each word runs the next: environment, capabilities, root, program"));
    last.lines.push(Line::new(format!("INSIDE\n{}", after(scene)), ""));
    [limits, last].into_iter().filter(|group| !group.lines.is_empty()).collect()
}

const PIVOT: &str = "# Pontoon calls pivot_root(2) here and unmounts the old root. A shell cannot: setpriv and chroot are files of \
    the old root.";
const SECCOMP: &str = "# Before the program Pontoon loads a seccomp filter: mount(2), bpf(2), keyctl(2) and many others are refused.\n\
    # No shell has a word for that, so here the capabilities alone stand in the way.";
const INIT: &str = "# --init: Pontoon puts a small process 1 of its own around the program, which reaps; here the program is process 1.";
const TERMINAL: &str =
    "# -t: Pontoon makes a terminal in the container's /dev/pts and carries its bytes; here the program has yours.";

/// What Pontoon does here and no shell can.
fn silent(scene: &Scene<'_>) -> Vec<Line> {
    let filters = scene.spec.linux().as_ref().is_some_and(|linux| linux.seccomp().is_some());
    let missing = missing(scene);
    let names = missing.join(" and ");
    let kept =
        format!("# The last step itself needs {names}, which the program is not to have: Pontoon drops that, too.");
    let says = [
        (true, PIVOT),
        (filters, SECCOMP),
        (!missing.is_empty(), &kept),
        (init::asked_for(scene.spec), INIT),
        (scene.record.process.tty, TERMINAL),
    ];
    says.into_iter().filter(|(is, _)| *is).map(|(_, text)| Line::new(text, "")).collect()
}

fn after(scene: &Scene<'_>) -> &'static str {
    if scene.detached { ") </dev/null >\"$disk/log\" 2>&1 &" } else { ") || code=$?" }
}

fn limit_lines(spec: &Spec) -> Vec<Line> {
    let Some(process) = spec.process() else { return Vec::new() };
    let mut lines: Vec<Line> = process.rlimits().iter().flatten().map(rlimit).collect();
    if let Some(score) = process.oom_score_adj().filter(|score| *score != 0) {
        lines.push(Line::new(
            format!("echo {score} >/proc/self/oom_score_adj"),
            "how soon it is killed when memory runs out",
        ));
    }
    lines
}

fn rlimit(limit: &PosixRlimit) -> Line {
    let name = limit.typ().to_string().trim_start_matches("RLIMIT_").to_lowercase();
    Line::new(
        format!("prlimit --pid $$ --{name}={}:{}", limit.soft(), limit.hard()),
        "soft and hard, as setrlimit(2) has them",
    )
}

fn command(scene: &Scene<'_>) -> String {
    let Some(process) = scene.spec.process() else { return String::new() };
    let arguments = words(process.args().iter().flatten());
    [
        folded("exec env -i", &environment(scene, process)),
        folded("    /usr/bin/setpriv", &privileges(scene, process)),
        format!("    {} {arguments}", enter(scene, process)),
    ]
    .join(" \\\n")
}

/// The Spec's variables, and HOME as the container's /etc/passwd has it.
fn environment(scene: &Scene<'_>, process: &Process) -> Vec<String> {
    let mut variables: Vec<String> = process.env().iter().flatten().map(|variable| word(variable)).collect();
    if !process.env().iter().flatten().any(|variable| variable.starts_with("HOME=")) {
        variables.push(word(&format!("HOME={}", scene.account.home)));
    }
    variables
}

/// Groups exactly; the bounding set; nothing to inherit.
fn privileges(scene: &Scene<'_>, process: &Process) -> Vec<String> {
    let groups: Vec<String> = scene.account.groups.iter().map(u32::to_string).collect();
    let groups = if groups.is_empty() { "--clear-groups".into() } else { format!("--groups={}", groups.join(",")) };
    let mut flags = vec![format!("--regid={}", scene.account.gid), groups];
    if process.no_new_privileges().unwrap_or(false) {
        flags.push("--no-new-privs".into());
    }
    flags.push("--inh-caps=-all".into());
    flags.push(format!("--bounding-set=-all{}", bounding(scene, process)));
    flags
}

fn bounding(scene: &Scene<'_>, process: &Process) -> String {
    let mut names: Vec<String> = allowed(process).iter().map(name).chain(missing(scene)).collect();
    names.sort();
    names.iter().map(|name| format!(",+{name}")).collect()
}

fn allowed(process: &Process) -> Capabilities {
    process.capabilities().as_ref().and_then(|sets| sets.bounding().clone()).unwrap_or_default()
}

/// `sys_chroot`, as setpriv writes it.
fn name(capability: &Capability) -> String {
    capabilities::name(capability).trim_start_matches("CAP_").to_lowercase()
}

/// What the commands between setpriv and the program need themselves.
fn missing(scene: &Scene<'_>) -> Vec<String> {
    let Some(process) = scene.spec.process() else { return Vec::new() };
    let needed: &[Capability] =
        if scene.account.uid == 0 { &[Capability::SysChroot] } else { &[Capability::SysChroot, Capability::Setuid] };
    let allowed = allowed(process);
    needed.iter().filter(|capability| !allowed.contains(capability)).map(name).collect()
}

/// chroot(8) where the program starts as root and in `/`; else unshare(1), which can do more.
fn enter(scene: &Scene<'_>, process: &Process) -> String {
    let directory = text::encode(&text::decode(&process.cwd().to_string_lossy()));
    if scene.account.uid == 0 && directory == "/" {
        return "/usr/sbin/chroot \"$root\"".into();
    }
    let user = if scene.account.uid == 0 { String::new() } else { format!(" --setuid={}", scene.account.uid) };
    format!("/usr/bin/unshare --root=\"$root\" --wd={}{user} --", word(&directory))
}
