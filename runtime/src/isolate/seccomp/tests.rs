//! The compiler against what the rules say: a small BPF machine beside a naive reading of the profile.
//!
//! ```text
//! profile ──compile──> program ──machine──┐
//!    └────── naive: search the rules ─────┴─ equal, for every number and sample arguments
//! ```

use std::collections::BTreeMap;

use oci_spec::runtime::{
    Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompOperator, LinuxSyscall,
};
use proptest::prelude::*;

use super::argument::{AT_LEAST, EQUAL, JUMP, LOAD, RETURN};
use super::compile::{NO_SUCH_CALL, X32, alternatives, is_permissive, verdict};
use super::multiplexed::{DOORS, Door};
use super::syscalls::{Abi, Numbers};
use super::*;
use crate::sys::seccomp::Instruction;

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;

/// `struct seccomp_data` without the instruction pointer.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub arch: u32,
    pub number: u32,
    pub arguments: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            16..64 => (self.arguments[(offset as usize - 16) / 8] >> (offset % 8 * 8)) as u32,
            _ => panic!("load at {offset}"),
        }
    }
}

/// Runs the program as the kernel would: returns its verdict and how many instructions it took.
pub fn run(program: &[Instruction], call: &Call) -> (u32, usize) {
    let (mut at, mut accumulator, mut steps) = (0, 0, 0);
    loop {
        let i = program[at];
        at += 1;
        steps += 1;
        let holds = match i.code {
            RETURN => return (i.k, steps),
            LOAD => {
                accumulator = call.word(i.k);
                continue;
            }
            0x54 => {
                accumulator &= i.k;
                continue;
            }
            JUMP => {
                at += i.k as usize;
                continue;
            }
            EQUAL => accumulator == i.k,
            0x25 => accumulator > i.k,
            AT_LEAST => accumulator >= i.k,
            other => panic!("no such instruction {other:#x}"),
        };
        at += usize::from(if holds { i.yes } else { i.no });
    }
}

fn holds(condition: &LinuxSeccompArg, call: &Call) -> bool {
    let (argument, value) = (call.arguments[condition.index()], condition.value());
    match condition.op() {
        LinuxSeccompOperator::ScmpCmpEq => argument == value,
        LinuxSeccompOperator::ScmpCmpNe => argument != value,
        LinuxSeccompOperator::ScmpCmpLt => argument < value,
        LinuxSeccompOperator::ScmpCmpLe => argument <= value,
        LinuxSeccompOperator::ScmpCmpGe => argument >= value,
        LinuxSeccompOperator::ScmpCmpGt => argument > value,
        LinuxSeccompOperator::ScmpCmpMaskedEq => argument & value == condition.value_two().unwrap_or(0) & value,
    }
}

/// The meaning of a profile on one architecture, read rule by rule.
struct Naive<'a> {
    abi: Abi,
    default: u32,
    /// Those that change something, in order.
    all: Vec<(&'a LinuxSyscall, u32)>,
    rules: BTreeMap<u32, Vec<(&'a LinuxSyscall, u32)>>,
}

impl<'a> Naive<'a> {
    fn new(profile: &'a LinuxSeccomp, abi: Abi) -> Naive<'a> {
        let default = verdict(profile.default_action(), profile.default_errno_ret()).unwrap();
        let (mut all, mut rules) = (Vec::new(), BTreeMap::<u32, Vec<_>>::new());
        for rule in profile.syscalls().iter().flatten() {
            let action = verdict(rule.action(), rule.errno_ret()).unwrap();
            if action == default {
                continue;
            }
            all.push((rule, action));
            for number in rule.names().iter().filter_map(|name| Numbers::of(name)?.on(abi)) {
                rules.entry(number).or_default().push((rule, action));
            }
            let doors =
                DOORS.iter().filter(|door| abi == Abi::I386 && counts(rule, action) && door.codes(rule).count() > 0);
            for door in doors {
                rules.entry(door.number).or_default();
            }
        }
        Naive { abi, default, all, rules }
    }

    /// i386's second door: the first rule that names the call with this code.
    fn behind(&self, door: &Door, call: &Call) -> u32 {
        let counting = self.all.iter().filter(|(rule, action)| counts(rule, *action));
        let own = counting.flat_map(|(rule, action)| door.codes(rule).map(move |code| (code, *action)));
        let mut own = own.filter(|(code, _)| call.arguments[0] & door.mask == *code);
        own.next().map_or(self.default, |(_, action)| action)
    }

    fn verdict(&self, call: &Call) -> u32 {
        if self.abi == Abi::X86_64 && call.number >= X32 {
            return NO_SUCH_CALL;
        }
        let highest = self.rules.last_key_value().map(|(number, _)| *number);
        if highest.is_some_and(|highest| call.number > highest) && !is_permissive(self.default) {
            return NO_SUCH_CALL;
        }
        let mine = self.rules.get(&call.number).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, action)) = mine.iter().find(|(rule, _)| bare(rule)) {
            return *action;
        }
        let applies = |rule: &LinuxSyscall| {
            let conditions = rule.args().as_deref().unwrap_or_default();
            alternatives(conditions).iter().any(|all| all.iter().all(|condition| holds(condition, call)))
        };
        let door = DOORS.iter().find(|door| self.abi == Abi::I386 && door.number == call.number);
        let otherwise = || door.map_or(self.default, |door| self.behind(door, call));
        mine.iter().find(|(rule, _)| applies(rule)).map_or_else(otherwise, |(_, action)| *action)
    }
}

fn bare(rule: &LinuxSyscall) -> bool {
    rule.args().as_ref().is_none_or(Vec::is_empty)
}

/// Whether a rule has a say where its conditions cannot be checked.
fn counts(rule: &LinuxSyscall, action: u32) -> bool {
    bare(rule) || !is_permissive(action)
}

/// Each value that a rule compares with, its neighbours, and the same with other upper halves.
pub fn samples(profile: &LinuxSeccomp) -> Vec<u64> {
    let conditions = profile.syscalls().iter().flatten().flat_map(|rule| rule.args().iter().flatten());
    let values = conditions.flat_map(|condition| [condition.value(), condition.value_two().unwrap_or(0)]);
    let near = values.chain([0]).flat_map(|value| [value, value.wrapping_add(1), value.wrapping_sub(1), !value]);
    let near = near.chain(0..=24);
    let mut samples: Vec<u64> = near.flat_map(|v| [v, v ^ (1 << 32), v ^ (1 << 63), v << 32, v & (1 << 28)]).collect();
    samples.sort_unstable();
    samples.dedup();
    samples
}

fn numbers() -> impl Iterator<Item = u32> {
    (0..520).chain([X32 - 1, X32, X32 + 1, X32 | 59, u32::MAX])
}

/// Both readings agree on every number, with each sample in each argument.
fn agree(profile: &LinuxSeccomp, abis: &[Abi]) {
    let program = compile(profile).unwrap();
    let samples = samples(profile);
    for abi in abis {
        let naive = Naive::new(profile, *abi);
        for number in numbers() {
            let compares =
                naive.rules.get(&number).is_some_and(|rules| rules.len() != 1 || rules[0].0.args().is_some());
            for sample in samples.iter().take(if compares { samples.len() } else { 2 }) {
                for index in 0..6 {
                    let mut call = Call { arch: abi.audit(), number, arguments: [7; 6] };
                    call.arguments[index] = *sample;
                    assert_eq!(run(&program, &call).0, naive.verdict(&call), "{abi:?} {call:x?}");
                }
            }
        }
    }
}

pub fn ours(bounding: &[Capability]) -> LinuxSeccomp {
    profile(&bounding.iter().copied().collect::<Capabilities>())
}

fn native() -> Abi {
    Abi::native().unwrap()
}

fn ask(profile: &LinuxSeccomp, name: &str, arguments: [u64; 6]) -> u32 {
    let number = Numbers::of(name).unwrap().on(native()).unwrap();
    run(&compile(profile).unwrap(), &Call { arch: native().audit(), number, arguments }).0
}

#[cfg(target_arch = "x86_64")]
#[test]
fn default_profile_means_what_its_rules_say() {
    agree(&ours(&[]), &[Abi::X86_64, Abi::I386]);
    agree(&ours(&[Capability::SysAdmin, Capability::SysTime]), &[Abi::X86_64, Abi::I386]);
}

#[test]
fn default_profile_in_examples() {
    let first = |value| [value, 0, 0, 0, 0, 0];
    let profile = ours(&[]);
    assert_eq!(ask(&profile, "read", [0; 6]), ALLOW);
    assert_eq!(ask(&profile, "mount", [0; 6]), EPERM);
    assert_eq!(ask(&ours(&[Capability::SysAdmin]), "mount", [0; 6]), ALLOW);
    assert_eq!(ask(&profile, "clone", first(0x11)), ALLOW);
    assert_eq!(ask(&profile, "clone", first(0x1000_0011)), EPERM, "CLONE_NEWUSER");
    assert_eq!(ask(&profile, "clone3", [0; 6]), NO_SUCH_CALL);
    assert_eq!(ask(&profile, "io_uring_setup", [0; 6]), EPERM);
    for (family, verdict) in [(2, ALLOW), (37, ALLOW), (38, EPERM), (39, ALLOW), (40, EPERM), (41, ALLOW), (45, ALLOW)]
    {
        assert_eq!(ask(&profile, "socket", first(family)), verdict, "family {family}");
    }
    assert_eq!(ask(&profile, "socket", first((1 << 32) | 38)), EPERM, "the kernel reads 32 bits of it");
    assert_eq!(ask(&profile, "personality", first(0xffff_ffff)), ALLOW);
    assert_eq!(ask(&profile, "personality", first(0x4_0000)), EPERM, "ADDR_NO_RANDOMIZE");
}

#[test]
fn foreign_architectures_find_no_system_calls() {
    let program = compile(&ours(&[])).unwrap();
    let call = Call { arch: 0xc000_00f3, number: 0, arguments: [0; 6] };
    assert_eq!(run(&program, &call).0, NO_SUCH_CALL);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x32_cannot_slip_past_a_list_of_what_is_forbidden() {
    let mut profile = LinuxSeccomp::default();
    profile.set_default_action(LinuxSeccompAction::ScmpActAllow);
    profile.set_syscalls(Some(vec![rule(&["mount"], LinuxSeccompAction::ScmpActErrno, vec![])]));
    let program = compile(&profile).unwrap();
    let call = |number| Call { arch: Abi::X86_64.audit(), number, arguments: [0; 6] };
    assert_eq!(run(&program, &call(165)).0, EPERM);
    assert_eq!(run(&program, &call(X32 | 165)).0, NO_SUCH_CALL);
    assert_eq!(run(&program, &call(9999)).0, ALLOW);
}

#[test]
fn the_path_through_the_tree_is_short() {
    let program = compile(&ours(&[])).unwrap();
    let steps = |number| run(&program, &Call { arch: native().audit(), number, arguments: [0; 6] }).1;
    let longest = (0..520).map(steps).max().unwrap();
    assert!(program.len() < 1000, "{} instructions", program.len());
    assert!(longest < 50, "{longest} steps");
}

#[test]
fn what_no_filter_can_express_is_refused_in_a_sentence() {
    let refuse = |change: fn(&mut LinuxSyscall) -> &mut LinuxSyscall, words: &str| {
        let mut bad = rule(&["read"], LinuxSeccompAction::ScmpActErrno, vec![]);
        change(&mut bad);
        let mut profile = LinuxSeccomp::default();
        profile.set_syscalls(Some(vec![bad]));
        let sentence = compile(&profile).unwrap_err().to_string();
        assert!(sentence.contains(words), "{sentence}");
    };
    refuse(|rule| rule.set_action(LinuxSeccompAction::ScmpActNotify), "SCMP_ACT_NOTIFY");
    refuse(|rule| rule.set_errno_ret(Some(0x8000_0000)), "16 bits");
    refuse(|rule| rule.set_args(Some(vec![argument(6, LinuxSeccompOperator::ScmpCmpEq, 0, 0)])), "argument 6");
}

/// A filter belongs to a thread, so a thread can stand in for the child.
#[test]
fn root_the_kernel_takes_the_filter_and_obeys() {
    let program = compile(&ours(&[])).unwrap();
    let child = std::thread::spawn(move || {
        crate::sys::seccomp::install_with(&program, 0).unwrap();
        let refused = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS).unwrap_err();
        let vsock = nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Vsock,
            nix::sys::socket::SockType::Stream,
            nix::sys::socket::SockFlag::empty(),
            None,
        );
        (refused, vsock.unwrap_err(), std::fs::read_to_string("/proc/thread-self/status").unwrap())
    });
    let (unshare, vsock, status) = child.join().unwrap();
    assert_eq!((unshare, vsock), (nix::errno::Errno::EPERM, nix::errno::Errno::EPERM));
    assert!(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t0"), "{status}");
}

pub fn rule(names: &[&str], action: LinuxSeccompAction, args: Vec<LinuxSeccompArg>) -> LinuxSyscall {
    let mut rule = LinuxSyscall::default();
    rule.set_names(names.iter().map(|name| (*name).to_owned()).collect());
    rule.set_action(action);
    rule.set_args(Some(args));
    rule
}

fn argument(index: usize, op: LinuxSeccompOperator, value: u64, two: u64) -> LinuxSeccompArg {
    LinuxSeccompArgBuilder::default().index(index).op(op).value(value).value_two(two).build().unwrap()
}

fn any_argument() -> impl Strategy<Value = LinuxSeccompArg> {
    use LinuxSeccompOperator::*;
    let ops = [ScmpCmpNe, ScmpCmpLt, ScmpCmpLe, ScmpCmpEq, ScmpCmpGe, ScmpCmpGt, ScmpCmpMaskedEq];
    let value = prop_oneof![Just(0), Just(u64::MAX), 0..3u64, any::<u64>(), any::<u32>().prop_map(u64::from)];
    (0..6usize, prop::sample::select(ops.to_vec()), value.clone(), value)
        .prop_map(|(index, op, value, two)| argument(index, op, value, two))
}

fn any_action() -> impl Strategy<Value = LinuxSeccompAction> {
    use LinuxSeccompAction::*;
    let actions = [ScmpActAllow, ScmpActErrno, ScmpActKill, ScmpActKillProcess, ScmpActTrap, ScmpActTrace, ScmpActLog];
    prop::sample::select(actions.to_vec())
}

pub fn any_profile() -> impl Strategy<Value = LinuxSeccomp> {
    let names = [
        "read",
        "write",
        "open",
        "close",
        "socket",
        "sendto",
        "shmget",
        "socketcall",
        "clone",
        "mount",
        "time",
        "futex",
        "mseal",
        "nonsense",
    ];
    let names = prop::sample::subsequence(names.to_vec(), 1..4);
    let rule = (names, any_action(), prop::collection::vec(any_argument(), 0..4))
        .prop_map(|(names, action, args)| rule(&names, action, args));
    (any_action(), prop::collection::vec(rule, 0..12)).prop_map(|(default, rules)| {
        let mut profile = LinuxSeccomp::default();
        profile.set_default_action(default);
        profile.set_architectures(Some(vec![oci_spec::runtime::Arch::ScmpArchX86]));
        profile.set_syscalls(Some(rules));
        profile
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn any_profile_means_what_its_rules_say(profile in any_profile()) {
        agree(&profile, &[Abi::X86_64, Abi::I386]);
    }
}
