//! The compiler against libseccomp: both filters say the same of every call, on every architecture.
//!
//! ```text
//! profile ─┬─compile_on──────────────────> program ──machine──┐
//!          └─text─> libseccomp.c ─export─> program ──machine──┴─ equal, for thousands of (architecture, number, arguments)
//! ```
//!
//! Left out is what libseccomp cannot know or leaves to its caller: names that are newer than it, numbers beyond the
//! highest that a profile names (runc, and we, say ENOSYS there), x32, foreign architectures; on i386 values of more
//! than 32 bits, of which it compares the lower half only; and rules with conditions at i386's second doors, where it
//! compares what is no argument.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};
use proptest::prelude::*;

use super::compile::{alternatives, compile_on, verdict};
use super::multiplexed::DOORS;
use super::syscalls::{self, Abi, Numbers};
use super::tests::{Call, any_profile, ours, rule, run, samples};
use crate::sys::seccomp::Instruction;

/// The oracle, compiled once.
static ORACLE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("oracle");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/isolate/seccomp/libseccomp.c");
    let compiled = Command::new("cc").args(["-Wall", "-o"]).arg(&program).arg(source).arg("-lseccomp").output();
    let compiled = compiled.expect("cc: tests/tools.sh build test");
    assert!(compiled.status.success(), "tests/tools.sh test: {}", String::from_utf8_lossy(&compiled.stderr));
    (directory, program)
});

/// What libseccomp made of a profile.
struct Reference {
    program: Vec<Instruction>,
    refused: BTreeSet<String>,
    lines: Vec<String>,
}

impl Reference {
    fn ask(text: &str) -> Reference {
        let filter = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(&ORACLE.1);
        let command = command.arg(filter.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The oracle prints little until it has read all, so neither side waits for the other.
        let mut input = child.stdin.take().unwrap();
        let (mut output, text) = (child.stdout.take().unwrap(), text.to_owned());
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let mut said = String::new();
        std::io::Read::read_to_string(&mut output, &mut said).unwrap();
        writer.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        let program = fs::read(filter.path()).unwrap().chunks_exact(8).map(instruction).collect();
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let refused = lines.iter().filter_map(|line| line.strip_prefix("refused ")).map(str::to_owned).collect();
        Reference { program, refused, lines }
    }

    /// Whether it has a say in a call.
    fn knows(&self, name: &str) -> bool {
        !self.refused.contains(name)
    }
}

/// `struct sock_filter`.
fn instruction(bytes: &[u8]) -> Instruction {
    let k = u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    Instruction { code: u16::from_ne_bytes([bytes[0], bytes[1]]), yes: bytes[2], no: bytes[3], k }
}

/// The profile in the oracle's words.
fn text(profile: &LinuxSeccomp, abis: &[Abi]) -> String {
    let mut text = String::new();
    abis.iter().for_each(|abi| writeln!(text, "arch {:x}", abi.audit()).unwrap());
    let default = verdict(profile.default_action(), profile.default_errno_ret()).unwrap();
    writeln!(text, "default {default:x}").unwrap();
    for rule in profile.syscalls().iter().flatten() {
        let action = verdict(rule.action(), rule.errno_ret()).unwrap();
        let conditions = rule.args().as_deref().unwrap_or_default();
        let all = match alternatives(conditions) {
            none if none.is_empty() => vec![conditions],
            some => some,
        };
        // A name without a number of its own (send on i386, too) makes libseccomp 2.5.4 forget to load the number of the call.
        let is_there = |name: &&String| abis.iter().any(|abi| has(*abi, name));
        for name in rule.names().iter().filter(|_| action != default).filter(is_there) {
            for conditions in &all {
                writeln!(text, "rule {action:x} {name} {}{}", conditions.len(), words(conditions)).unwrap();
            }
        }
    }
    text
}

/// Whether an architecture has a call.
fn has(abi: Abi, name: &str) -> bool {
    Numbers::of(name).is_some_and(|numbers| numbers.on(abi).is_some())
}

fn words(conditions: &[LinuxSeccompArg]) -> String {
    let word = |condition: &LinuxSeccompArg| {
        let (value, two) = (condition.value(), condition.value_two().unwrap_or(0));
        format!(" {} {} {value:x} {two:x}", condition.index(), operator(condition.op()))
    };
    conditions.iter().map(word).collect()
}

/// enum scmp_compare of seccomp.h.
fn operator(op: LinuxSeccompOperator) -> u32 {
    match op {
        LinuxSeccompOperator::ScmpCmpNe => 1,
        LinuxSeccompOperator::ScmpCmpLt => 2,
        LinuxSeccompOperator::ScmpCmpLe => 3,
        LinuxSeccompOperator::ScmpCmpEq => 4,
        LinuxSeccompOperator::ScmpCmpGe => 5,
        LinuxSeccompOperator::ScmpCmpGt => 6,
        LinuxSeccompOperator::ScmpCmpMaskedEq => 7,
    }
}

/// Numbers that some rule names, and how many samples they deserve: all of them where arguments are compared.
fn agree(profile: &LinuxSeccomp, abis: &[Abi]) -> usize {
    let program = compile_on(abis[0], profile).unwrap();
    let samples = samples(profile);
    let compared: BTreeSet<&str> = profile
        .syscalls()
        .iter()
        .flatten()
        .filter(|rule| rule.args().as_ref().is_some_and(|args| !args.is_empty()))
        .flat_map(|rule| rule.names().iter().map(String::as_str))
        .collect();
    let default = verdict(profile.default_action(), profile.default_errno_ret()).unwrap();
    let has_a_say = |rule: &LinuxSyscall| verdict(rule.action(), rule.errno_ret()).unwrap() != default;
    let mut count = 0;
    let at_doors = compared.iter().any(|name| DOORS.iter().any(|door| door.is_behind(name)));
    for abi in abis {
        let reference = Reference::ask(&text(profile, &[*abi]));
        let named =
            profile.syscalls().iter().flatten().filter(|rule| has_a_say(rule)).flat_map(|rule| rule.names().iter());
        let highest = named.filter_map(|name| Numbers::of(name)?.on(*abi)).max().unwrap_or(0);
        for (name, number) in syscalls::on(*abi).filter(|(name, number)| *number <= highest && reference.knows(name)) {
            for sample in
                samples.iter().take(if compared.contains(name) || is_door(number) { samples.len() } else { 2 })
            {
                if *abi == Abi::I386 && *sample > u64::from(u32::MAX) {
                    continue;
                }
                // The upper half of ipc's code is a version, which it compares, too.
                let versioned = number == 117 && *sample > 0xffff;
                if *abi == Abi::I386 && is_door(number) && (at_doors || versioned) {
                    continue;
                }
                for index in 0..6 {
                    let mut call = Call { arch: abi.audit(), number, arguments: [7; 6] };
                    call.arguments[index] = *sample;
                    let (mine, theirs) = (run(&program, &call).0, run(&reference.program, &call).0);
                    assert_eq!(mine, theirs, "{abi:?} {name} {call:x?}\n{}", text(profile, &[*abi]));
                    count += 1;
                }
            }
        }
    }
    count
}

fn is_door(number: u32) -> bool {
    DOORS.iter().any(|door| door.number == number)
}

#[test]
fn libseccomp_says_the_same_of_the_default_profile() {
    use Capability::{Bpf, SysAdmin, SysChroot, SysPtrace, SysTime, Syslog};
    for bounding in [&[][..], &[SysChroot], &[SysTime, SysPtrace], &[SysAdmin, Bpf, Syslog]] {
        for abis in [&[Abi::X86_64, Abi::I386][..], &[Abi::Aarch64]] {
            let count = agree(&ours(bounding), abis);
            assert!(count > 5000, "only {count} samples on {abis:?}");
        }
    }
}

#[test]
fn libseccomp_says_the_same_of_a_list_of_what_is_forbidden() {
    let mut profile = LinuxSeccomp::default();
    profile.set_default_action(LinuxSeccompAction::ScmpActAllow);
    profile.set_architectures(Some(vec![Arch::ScmpArchX86]));
    let names = ["mount", "umount2", "ptrace", "openat2", "reboot", "socket", "sendto", "shmget"];
    profile.set_syscalls(Some(vec![
        rule(&names, LinuxSeccompAction::ScmpActErrno, vec![]),
        rule(&["kexec_load"], LinuxSeccompAction::ScmpActKillProcess, vec![]),
    ]));
    for abis in [&[Abi::X86_64, Abi::I386][..], &[Abi::Aarch64]] {
        assert!(agree(&profile, abis) > 1000);
    }
}

#[test]
fn libseccomp_knows_system_calls_by_the_same_numbers() {
    let abis = [Abi::X86_64, Abi::I386, Abi::Aarch64];
    let mut question = text(&LinuxSeccomp::default(), &abis);
    let all: BTreeSet<&str> = abis.iter().flat_map(|abi| syscalls::on(*abi)).map(|(name, _)| name).collect();
    all.iter().for_each(|name| writeln!(question, "name {name}").unwrap());
    let mut known = 0;
    for line in Reference::ask(&question).lines {
        let [arch, name, number] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let abi = abis.into_iter().find(|abi| format!("{:x}", abi.audit()) == arch).unwrap();
        // A negative number stands for a call that this architecture lacks, or that is newer than libseccomp.
        if let Ok(number) = number.parse::<u32>() {
            assert_eq!(Numbers::of(name).unwrap().on(abi), Some(number), "{line}");
            known += 1;
        }
    }
    assert!(known > 900, "{known}");
}

/// A random profile in which no two rules speak of one call: what overlapping conditions mean is our own affair, as
/// libseccomp's answer depends on how it sorts them. Values that fit into 32 bits mean the same everywhere.
fn plain_profile() -> impl Strategy<Value = LinuxSeccomp> {
    any_profile().prop_map(|mut profile| {
        // A door would speak of what is behind it.
        let mut seen = BTreeSet::from(["socketcall".to_owned()]);
        let mut rules = profile.syscalls().clone().unwrap_or_default();
        rules.retain_mut(|rule| {
            let names: Vec<String> = rule.names().iter().filter(|name| seen.insert((*name).clone())).cloned().collect();
            rule.set_names(names);
            let wide =
                |condition: &LinuxSeccompArg| condition.value().max(condition.value_two().unwrap_or(0)) >> 32 != 0;
            !rule.names().is_empty() && !rule.args().iter().flatten().any(wide)
        });
        profile.set_syscalls(Some(rules));
        profile
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn libseccomp_says_the_same_of_any_profile(profile in plain_profile()) {
        agree(&profile, &[Abi::X86_64, Abi::I386]);
        agree(&profile, &[Abi::Aarch64]);
    }
}
