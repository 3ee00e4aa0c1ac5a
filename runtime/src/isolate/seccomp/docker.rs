//! Profiles in Docker's form (`--security-opt seccomp=FILE`) -> OCI rules.
//!
//! ```text
//! { "defaultAction", "archMap" | "architectures",
//!   "syscalls": [{ "names" | "name", "action", "args",
//!                  "includes": { "caps", "arches", "minKernel" },      all of it has to hold
//!                  "excludes": { "caps", "arches", "minKernel" } }] }  none of it may
//! ```
//!
//! A rule that stays is an OCI rule word for word; so the text is sifted as JSON and then read as the specification's.

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{Capabilities, LinuxSeccomp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::isolate::capabilities;

/// Major and minor version of a kernel.
pub type Kernel = (u32, u32);

/// This kernel's version (uname(2)); 0.0 where it cannot be understood, so that no rule for newer ones holds.
pub fn kernel() -> Kernel {
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    release.ok().and_then(|release| version(&release)).unwrap_or_default()
}

fn version(text: &str) -> Option<Kernel> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: Value,
    #[serde(default)]
    default_errno_ret: Option<Value>,
    #[serde(default)]
    architectures: Option<Vec<Value>>,
    #[serde(default)]
    arch_map: Option<Vec<Architecture>>,
    #[serde(default)]
    flags: Option<Value>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Architecture {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: Value,
    #[serde(default)]
    errno_ret: Option<Value>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: Value,
    value: Value,
    #[serde(default)]
    value_two: Option<Value>,
    op: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: Option<String>,
}

/// The OCI rules that `text` means for a container with these capabilities, on this kernel and processor.
///
/// # Errors
/// A sentence: it is no such profile, or says one thing in two ways.
pub fn of_docker(text: &str, bounding: &Capabilities, kernel: Kernel) -> Result<LinuxSeccomp> {
    let profile: Profile = serde_json::from_str(text).context("decoding seccomp profile failed")?;
    if profile.architectures.is_some() && profile.arch_map.is_some() {
        bail!(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or \
             'archMap'"
        );
    }
    let mut rules = Vec::new();
    for rule in profile.syscalls.iter().flatten() {
        if holds(rule, bounding, kernel) {
            rules.push(translate(rule)?);
        }
    }
    let mut oci = json!({ "defaultAction": profile.default_action, "syscalls": rules });
    for (key, value) in [
        ("defaultErrnoRet", profile.default_errno_ret),
        ("architectures", profile.architectures.map(Value::from).or(profile.arch_map.map(|map| native(&map)))),
        ("flags", profile.flags),
    ] {
        if let Some(value) = value {
            oci[key] = value;
        }
    }
    serde_json::from_value(oci).context("decoding seccomp profile failed")
}

/// The line of archMap for this processor.
fn native(map: &[Architecture]) -> Value {
    let own = if cfg!(target_arch = "aarch64") { "SCMP_ARCH_AARCH64" } else { "SCMP_ARCH_X86_64" };
    let mut all = Vec::new();
    for line in map.iter().filter(|line| line.architecture == own) {
        all.push(Value::from(own));
        all.extend(line.sub_architectures.iter().flatten().cloned());
    }
    Value::from(all)
}

fn holds(rule: &Rule, bounding: &Capabilities, kernel: Kernel) -> bool {
    let has =
        |name: &String| capabilities::of_names(std::slice::from_ref(name)).is_ok_and(|set| set.is_subset(bounding));
    let is_here = |name: &String| name == if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let is_new_enough = |text: &String| version(text).is_some_and(|least| kernel >= least);
    let includes = rule.includes.as_ref().is_none_or(|filter| {
        let arches = filter.arches.as_ref().is_none_or(|names| names.is_empty() || names.iter().any(is_here));
        let kernel = filter.min_kernel.as_ref().is_none_or(is_new_enough);
        arches && kernel && filter.caps.iter().flatten().all(has)
    });
    let excludes = rule.excludes.as_ref().is_some_and(|filter| {
        let arches = filter.arches.iter().flatten().any(is_here);
        arches || filter.min_kernel.as_ref().is_some_and(is_new_enough) || filter.caps.iter().flatten().any(has)
    });
    includes && !excludes
}

fn translate(rule: &Rule) -> Result<Value> {
    let names = match (&rule.name, &rule.names) {
        (Some(name), Some(names)) if !name.is_empty() && !names.is_empty() => {
            bail!("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'")
        }
        (_, Some(names)) if !names.is_empty() => names.clone(),
        (Some(name), _) if !name.is_empty() => vec![name.clone()],
        _ => bail!("decoding seccomp profile failed: a rule names no system call"),
    };
    let mut oci = json!({ "names": names, "action": rule.action });
    if let Some(errno) = &rule.errno_ret {
        oci["errnoRet"] = errno.clone();
    }
    let argument = |argument: &Argument| {
        let second = argument.value_two.clone().unwrap_or_else(|| 0.into());
        json!({ "index": argument.index, "value": argument.value, "valueTwo": second, "op": argument.op })
    };
    let arguments: Vec<Value> = rule.args.iter().flatten().map(argument).collect();
    if !arguments.is_empty() {
        oci["args"] = arguments.into();
    }
    Ok(oci)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{Capability, LinuxSeccompAction};

    use super::*;

    const TEXT: &str = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "archMap": [{ "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"] },
                    { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": [] }],
        "syscalls": [
            { "names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "x", "includes": {}, "excludes": {} },
            { "name": "mount", "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } },
            { "names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": { "caps": ["CAP_SYS_ADMIN"] },
              "args": [{ "index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ" }] },
            { "names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "4.8" } },
            { "names": ["s390_pci_mmio_read"], "action": "SCMP_ACT_ALLOW", "includes": { "arches": ["s390x"] } },
            { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }
        ]}"#;

    fn names(bounding: &Capabilities, kernel: Kernel) -> Vec<String> {
        let profile = of_docker(TEXT, bounding, kernel).unwrap();
        profile.syscalls().iter().flatten().flat_map(|rule| rule.names().clone()).collect()
    }

    #[test]
    fn rules_stay_when_their_conditions_hold() {
        assert_eq!(names(&Capabilities::new(), (6, 1)), ["read", "write", "clone", "ptrace", "clone3"]);
        let admin = Capabilities::from([Capability::SysAdmin]);
        assert_eq!(names(&admin, (4, 7)), ["read", "write", "mount", "clone3"]);
        let profile = of_docker(TEXT, &admin, (6, 1)).unwrap();
        assert_eq!(profile.default_action(), LinuxSeccompAction::ScmpActErrno);
        assert!(crate::isolate::seccomp::compile(&profile).is_ok());
    }

    #[test]
    fn what_is_no_profile_is_a_sentence() {
        let said = |text: &str| format!("{:#}", of_docker(text, &Capabilities::new(), (6, 1)).unwrap_err());
        assert!(said("[]").starts_with("decoding seccomp profile failed"), "{}", said("[]"));
        assert!(said("{}").contains("defaultAction"));
        assert!(said(r#"{"defaultAction":"SCMP_ACT_DANCE"}"#).contains("SCMP_ACT_DANCE"));
        let twice = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":[],"archMap":[]}"#;
        assert!(said(twice).contains("both 'architectures' and 'archMap'"));
        let both =
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_LOG"}]}"#;
        assert!(said(both).contains("both 'name' and 'names'"));
        let empty = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_LOG"}]}"#;
        assert!(said(empty).contains("names no system call"));
    }

    #[test]
    fn kernels_by_two_numbers() {
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version("4.8"), Some((4, 8)));
        assert_eq!(version("x"), None);
        assert!(kernel() > (3, 0));
    }
}
