//! What a process may use by itself: rlimits, and how willingly the kernel kills it when memory runs out.
//!
//! ```text
//! Spec process.rlimits ──Rlimits::new──> apply()   in the child, before the change of user: raising needs SYS_RESOURCE
//! Spec process.oomScoreAdj ──> set_oom_score(pid)  by the parent, through the host's /proc
//! ```
//!
//! Nothing is touched that nobody asked for: a limit raised "to be kind" (a million open files, say) makes old
//! programs close a million descriptors at start, and hides the host's own policy.

use std::fs;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::Pid;
use oci_spec::runtime::{PosixRlimit, PosixRlimitType};

/// The limits of one process, checked before clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rlimits(Vec<(Resource, u64, u64)>);

impl Rlimits {
    /// From `process.rlimits`: pairs of soft and hard, in the unit that getrlimit(2) gives each.
    ///
    /// # Errors
    /// When one is named twice (OCI runtime-spec, config.md: an error), or a soft limit is above its hard one.
    pub fn new(rlimits: &[PosixRlimit]) -> Result<Rlimits> {
        let mut limits: Vec<(Resource, u64, u64)> = Vec::with_capacity(rlimits.len());
        for rlimit in rlimits {
            let (resource, soft, hard) = (resource(rlimit.typ()), rlimit.soft(), rlimit.hard());
            if limits.iter().any(|(other, _, _)| *other == resource) {
                bail!("{} is given twice", rlimit.typ());
            }
            if soft > hard {
                bail!("{}: the soft limit {soft} is above the hard limit {hard}", rlimit.typ());
            }
            limits.push((resource, soft, hard));
        }
        Ok(Rlimits(limits))
    }

    /// setrlimit(2) for each.
    ///
    /// # Errors
    /// EPERM when a hard limit would rise and CAP_SYS_RESOURCE is missing.
    pub fn apply(&self) -> Result<()> {
        for (resource, soft, hard) in &self.0 {
            setrlimit(*resource, *soft, *hard).with_context(|| {
                format!("cannot set {resource:?} to {soft}:{hard} (raising a hard limit needs CAP_SYS_RESOURCE)")
            })?;
        }
        Ok(())
    }
}

/// The resource of Docker's short name: `nofile`. (`as` is not among Docker's.)
pub fn resource_of_name(name: &str) -> Option<PosixRlimitType> {
    Some(match name {
        "core" => PosixRlimitType::RlimitCore,
        "cpu" => PosixRlimitType::RlimitCpu,
        "data" => PosixRlimitType::RlimitData,
        "fsize" => PosixRlimitType::RlimitFsize,
        "locks" => PosixRlimitType::RlimitLocks,
        "memlock" => PosixRlimitType::RlimitMemlock,
        "msgqueue" => PosixRlimitType::RlimitMsgqueue,
        "nice" => PosixRlimitType::RlimitNice,
        "nofile" => PosixRlimitType::RlimitNofile,
        "nproc" => PosixRlimitType::RlimitNproc,
        "rss" => PosixRlimitType::RlimitRss,
        "rtprio" => PosixRlimitType::RlimitRtprio,
        "rttime" => PosixRlimitType::RlimitRttime,
        "sigpending" => PosixRlimitType::RlimitSigpending,
        "stack" => PosixRlimitType::RlimitStack,
        _ => return None,
    })
}

fn resource(kind: PosixRlimitType) -> Resource {
    match kind {
        PosixRlimitType::RlimitCpu => Resource::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => Resource::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => Resource::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => Resource::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => Resource::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => Resource::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => Resource::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => Resource::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => Resource::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => Resource::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => Resource::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => Resource::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => Resource::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => Resource::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => Resource::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => Resource::RLIMIT_RTTIME,
    }
}

/// Writes /proc/PID/oom_score_adj, -1000 (never) to 1000 (first); see proc_pid_oom_score_adj(5). A value that is
/// there already is not written, so that a container with the usual 0 needs no privilege.
///
/// # Errors
/// EACCES when the value would fall below what this process was given and CAP_SYS_RESOURCE is missing; EINVAL out of
/// range; ENOENT when there is no such process.
pub fn set_oom_score(pid: Pid, score: i32) -> Result<()> {
    let path = format!("/proc/{pid}/oom_score_adj");
    let now = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    if now.trim() == score.to_string() {
        return Ok(());
    }
    fs::write(&path, score.to_string())
        .with_context(|| format!("cannot write {score} to {path} (lowering it needs CAP_SYS_RESOURCE)"))
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::getrlimit;
    use oci_spec::runtime::PosixRlimitBuilder;

    use super::*;

    fn rlimit(typ: PosixRlimitType, soft: u64, hard: u64) -> PosixRlimit {
        PosixRlimitBuilder::default().typ(typ).soft(soft).hard(hard).build().unwrap()
    }

    #[test]
    fn twice_the_same_and_soft_above_hard_are_refused() {
        let core = rlimit(PosixRlimitType::RlimitCore, 0, 0);
        assert_eq!(Rlimits::new(&[core, core]).unwrap_err().to_string(), "RLIMIT_CORE is given twice");
        let sentence = Rlimits::new(&[rlimit(PosixRlimitType::RlimitNofile, 2, 1)]).unwrap_err().to_string();
        assert_eq!(sentence, "RLIMIT_NOFILE: the soft limit 2 is above the hard limit 1");
    }

    #[test]
    fn what_is_asked_for_is_set_and_nothing_else() {
        let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        Rlimits::new(&[rlimit(PosixRlimitType::RlimitCore, 0, 4096)]).unwrap().apply().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 4096));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), before);
    }

    #[test]
    fn oom_score_of_the_process_itself() {
        let now = fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse().unwrap();
        set_oom_score(Pid::this(), now).unwrap();
        assert!(set_oom_score(Pid::this(), 1001).unwrap_err().to_string().starts_with("cannot write 1001 to /proc/"));
    }
}
