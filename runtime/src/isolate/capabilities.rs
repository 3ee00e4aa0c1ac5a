//! Capabilities: what remains of root in a container, chosen by Docker's rules and set between clone and exec.
//!
//! ```text
//! --cap-add, --cap-drop ──adjust──> set ──> LinuxCapabilities (in the Spec) ──Prepared::new──┐ before clone
//!                                                                                            │
//! in the child:   drop_bounding()   what is gone from here no exec brings back             <┘ after
//!                 keep()            setuid must not clear the permitted set (PR_SET_KEEPCAPS)
//!                 (setgroups, setgid, setuid; the seccomp filter is loaded before, while CAP_SYS_ADMIN is held)
//!                 set()             effective, permitted, inheritable, ambient; exec clears KEEPCAPS by itself
//! ```
//!
//! Inheritable and ambient stay empty in our own Specs: an inheritable set left full has handed capabilities to every
//! program with file capabilities in the image. A user other than root keeps only what is ambient, which is what exec
//! would leave it anyway; the bounding set stays, so that setuid programs work as they do in Docker.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use caps::{CapSet, CapsHashSet};
use nix::unistd::geteuid;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use crate::sys::capability;

/// Capabilities have at most 64 numbers (capabilities(7): two 32-bit words).
const NUMBERS: u32 = 64;

/// Docker's default set (0xa80425fb).
pub fn docker_default() -> Capabilities {
    use Capability::*;
    let all = [
        Chown,
        DacOverride,
        Fsetid,
        Fowner,
        Mknod,
        NetRaw,
        Setgid,
        Setuid,
        Setfcap,
        Setpcap,
        NetBindService,
        SysChroot,
        Kill,
        AuditWrite,
    ];
    Capabilities::from(all)
}

/// The capabilities of our own bounding set: all that this process could hand to a container.
///
/// # Errors
/// When prctl(PR_CAPBSET_READ) fails, as a seccomp filter around Pontoon itself could make it.
pub fn available() -> Result<Capabilities> {
    let bounding = caps::read(None, CapSet::Bounding).context("cannot read Pontoon's own capability bounding set")?;
    Ok(bounding.into_iter().filter_map(|cap| named(&cap.to_string())).collect())
}

/// The set for `--cap-add`, `--cap-drop` and `--privileged`, from Docker's defaults and what is [`available`].
///
/// # Errors
/// As [`adjust_within`] and [`available`].
pub fn adjust(add: &[String], drop: &[String], privileged: bool) -> Result<Capabilities> {
    adjust_within(&available()?, add, drop, privileged)
}

/// As [`adjust`], with `available` given: pure.
///
/// Docker's rules: `privileged` is everything; adding ALL is everything but what is dropped; dropping ALL leaves what
/// is added; otherwise the defaults less the dropped plus the added. Defaults that are not available are left out in
/// silence. Names may lack `CAP_` and be in any case.
///
/// # Errors
/// A name that no kernel knows, or one to add that is not available here.
pub fn adjust_within(
    available: &Capabilities,
    add: &[String],
    drop: &[String],
    privileged: bool,
) -> Result<Capabilities> {
    let (add, drop) = (parse("--cap-add", add)?, parse("--cap-drop", drop)?);
    if privileged {
        return Ok(available.clone());
    }
    if let Some(missing) = add.named.iter().find(|cap| !available.contains(*cap)) {
        bail!(
            "--cap-add: capability not supported by your kernel or not available in the current environment: \"CAP_{}\"",
            missing
        );
    }
    let all_but = |set: &Capabilities| set.difference(&drop.named).copied().collect::<Capabilities>();
    Ok(match (add.all, drop.all) {
        (true, _) => all_but(available),
        (false, true) => add.named,
        (false, false) => {
            let basics = docker_default().intersection(available).copied().collect();
            all_but(&basics).union(&add.named).copied().collect()
        }
    })
}

/// Capabilities by the names that [`name`] gave them.
///
/// # Errors
/// A name that no kernel knows.
pub fn of_names(names: &[String]) -> Result<Capabilities> {
    names.iter().map(|word| named(word).with_context(|| format!("unknown capability {word} in the record"))).collect()
}

/// As capabilities(7) writes it: `CAP_CHOWN`.
pub fn name(capability: &Capability) -> String {
    format!("CAP_{capability}")
}

#[derive(Default)]
struct Words {
    all: bool,
    named: Capabilities,
}

fn parse(flag: &str, words: &[String]) -> Result<Words> {
    let mut parsed = Words::default();
    for word in words {
        let upper = word.trim().to_ascii_uppercase();
        match upper.strip_prefix("CAP_").unwrap_or(&upper) {
            "ALL" => parsed.all = true,
            name => match named(name) {
                Some(cap) => drop(parsed.named.insert(cap)),
                None => bail!("{flag}: unknown capability: \"{word}\" (capabilities(7) lists them; ALL means all)"),
            },
        }
    }
    Ok(parsed)
}

/// `name` with or without `CAP_`, in capitals.
fn named(name: &str) -> Option<Capability> {
    name.strip_prefix("CAP_").unwrap_or(name).parse().ok()
}

/// The sets of one process, computed before clone: between clone and exec nothing is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    bounding: u64,
    effective: CapsHashSet,
    permitted: CapsHashSet,
    inheritable: CapsHashSet,
    ambient: CapsHashSet,
}

impl Prepared {
    /// From `process.capabilities` of a Spec; a set that is not given is empty (OCI runtime-spec, config.md).
    ///
    /// # Errors
    /// For a capability that the `caps` crate has no name for.
    pub fn new(capabilities: &LinuxCapabilities) -> Result<Prepared> {
        let bounding = translate(capabilities.bounding())?;
        Ok(Prepared {
            bounding: bounding.iter().map(caps::Capability::bitmask).fold(0, |bits, bit| bits | bit),
            effective: translate(capabilities.effective())?,
            permitted: translate(capabilities.permitted())?,
            inheritable: translate(capabilities.inheritable())?,
            ambient: translate(capabilities.ambient())?,
        })
    }

    /// prctl(PR_CAPBSET_DROP) for every number outside the bounding set, also those that have no name yet.
    ///
    /// # Errors
    /// EPERM without CAP_SETPCAP.
    pub fn drop_bounding(&self) -> Result<()> {
        for number in (0..NUMBERS).filter(|number| self.bounding & (1 << number) == 0) {
            let known = capability::drop_bounding(number);
            if !known.with_context(|| format!("cannot drop capability {number} from the bounding set"))? {
                break;
            }
        }
        Ok(())
    }

    /// prctl(PR_SET_KEEPCAPS): to be called before setuid, so that [`Prepared::set`] has something to choose from.
    /// Nothing to do where nothing is to be kept.
    ///
    /// # Errors
    /// When prctl refuses, as with locked securebits.
    pub fn keep(&self) -> Result<()> {
        if self.permitted.is_empty() {
            return Ok(());
        }
        caps::securebits::set_keepcaps(true).context("cannot keep capabilities across the change of user")
    }

    /// capset(2) and the ambient set: the last act before exec, after setuid.
    ///
    /// # Errors
    /// EPERM for a capability that this process does not have itself.
    pub fn set(&self) -> Result<()> {
        let is_root = geteuid().is_root();
        let held =
            |set: &CapsHashSet| set.iter().filter(|cap| is_root || self.ambient.contains(cap)).copied().collect();
        // Inheritable first: what it may hold depends on the permitted set that we still have. Effective is empty
        // while permitted, which bounds it, gets smaller.
        caps::clear(None, CapSet::Ambient).context("cannot clear the ambient capabilities")?;
        set(CapSet::Inheritable, &self.inheritable)?;
        set(CapSet::Effective, &CapsHashSet::new())?;
        set(CapSet::Permitted, &held(&self.permitted))?;
        set(CapSet::Effective, &held(&self.effective))?;
        self.ambient.iter().try_for_each(|cap| {
            caps::raise(None, CapSet::Ambient, *cap).with_context(|| format!("cannot raise {cap} in the ambient set"))
        })
    }
}

fn set(which: CapSet, value: &CapsHashSet) -> Result<()> {
    caps::set(None, which, value).with_context(|| format!("cannot set the {which:?} capabilities"))
}

fn translate(set: &Option<Capabilities>) -> Result<CapsHashSet> {
    let translate = |cap: &Capability| {
        let name = format!("CAP_{cap}");
        name.parse::<caps::Capability>().with_context(|| format!("unknown capability {name} in the specification"))
    };
    set.iter().flatten().map(translate).collect::<Result<HashSet<_>>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(set: &Capabilities) -> LinuxCapabilities {
        let mut capabilities = LinuxCapabilities::default();
        capabilities.set_bounding(Some(set.clone()));
        capabilities.set_effective(Some(set.clone()));
        capabilities.set_permitted(Some(set.clone()));
        capabilities.set_inheritable(None);
        capabilities.set_ambient(None);
        capabilities
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn everything() -> Capabilities {
        caps::all().into_iter().map(|cap| named(&cap.to_string()).unwrap()).collect()
    }

    fn adjusted(add: &[&str], drop: &[&str]) -> Capabilities {
        adjust_within(&everything(), &words(add), &words(drop), false).unwrap()
    }

    #[test]
    fn the_default_is_dockers_mask() {
        let prepared = Prepared::new(&same(&docker_default())).unwrap();
        assert_eq!(prepared.bounding, 0xa804_25fb);
        assert_eq!(adjusted(&[], &[]), docker_default());
    }

    #[test]
    fn both_crates_know_the_same_forty_one() {
        assert_eq!(everything().len(), 41);
        assert_eq!(translate(&Some(everything())).unwrap(), caps::all());
    }

    #[test]
    fn names_in_any_case_with_or_without_prefix() {
        for name in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_Net_Admin"] {
            assert!(adjusted(&[name], &[]).contains(&Capability::NetAdmin), "{name}");
            assert!(!adjusted(&["ALL"], &[name]).contains(&Capability::NetAdmin), "{name}");
        }
    }

    #[test]
    fn all_added_and_all_dropped() {
        assert_eq!(adjusted(&["all"], &[]), everything());
        assert_eq!(adjusted(&["ALL"], &["CAP_ALL"]), everything());
        assert_eq!(adjusted(&[], &["ALL"]), Capabilities::new());
        assert_eq!(adjusted(&["KILL"], &["ALL"]), Capabilities::from([Capability::Kill]));
        assert_eq!(adjusted(&["ALL"], &["KILL"]).len(), 40);
        assert!(adjusted(&["KILL"], &["KILL"]).contains(&Capability::Kill), "what is added wins");
    }

    #[test]
    fn what_cannot_be_given_is_refused_in_a_sentence() {
        let refuse = |available: Capabilities, word: &str| {
            adjust_within(&available, &words(&[word]), &[], false).unwrap_err().to_string()
        };
        assert!(refuse(everything(), "NET_ADMINN").starts_with("--cap-add: unknown capability: \"NET_ADMINN\""));
        assert!(refuse(docker_default(), "sys_admin").ends_with("environment: \"CAP_SYS_ADMIN\""));
        assert!(adjust_within(&everything(), &[], &words(&[""]), false).is_err());
    }

    #[test]
    fn less_than_the_default_and_privileged() {
        let here = Capabilities::from([Capability::Chown, Capability::SysAdmin]);
        assert_eq!(adjust_within(&here, &[], &[], false).unwrap(), Capabilities::from([Capability::Chown]));
        assert_eq!(adjust_within(&here, &[], &[], true).unwrap(), here);
    }

    #[test]
    fn names_are_read_back() {
        let names: Vec<String> = docker_default().iter().map(name).collect();
        assert!(names.contains(&"CAP_NET_BIND_SERVICE".to_owned()));
        assert_eq!(of_names(&names).unwrap(), docker_default());
        assert!(of_names(&words(&["CAP_NOTHING"])).is_err());
    }

    /// Capabilities belong to a thread, so a thread can stand in for the child. (Changing the user here would change it
    /// for all threads of the test, so that part of the road is tested end to end.)
    fn status_after(prepared: Prepared) -> String {
        let child = std::thread::spawn(move || {
            prepared.drop_bounding().unwrap();
            prepared.keep().unwrap();
            prepared.set().unwrap();
            std::fs::read_to_string("/proc/thread-self/status").unwrap()
        });
        child.join().unwrap()
    }

    fn line<'a>(status: &'a str, name: &str) -> &'a str {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim()
    }

    #[test]
    fn root_a_process_ends_with_exactly_these() {
        let set = adjust(&words(&["NET_ADMIN"]), &words(&["MKNOD"]), false).unwrap();
        let prepared = Prepared::new(&same(&set)).unwrap();
        let mask = format!("{:016x}", prepared.bounding);
        let status = status_after(prepared);
        for name in ["CapBnd:", "CapPrm:", "CapEff:"] {
            assert_eq!(line(&status, name), mask, "{name}");
        }
        for name in ["CapInh:", "CapAmb:"] {
            assert_eq!(line(&status, name), "0000000000000000", "{name}");
        }
    }

    #[test]
    fn root_ambient_and_inheritable_only_when_the_specification_says_so() {
        let mut capabilities = same(&docker_default());
        let kill = Some(Capabilities::from([Capability::Kill]));
        capabilities.set_inheritable(kill.clone()).set_ambient(kill);
        let status = status_after(Prepared::new(&capabilities).unwrap());
        for name in ["CapInh:", "CapAmb:"] {
            assert_eq!(line(&status, name), "0000000000000020", "{name}");
        }
        assert_eq!(line(&status, "CapBnd:"), "00000000a80425fb");
    }
}
