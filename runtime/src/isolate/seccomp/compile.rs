//! From OCI rules to BPF: names to numbers, numbers to ranges, ranges to a balanced tree.
//!
//! ```text
//! rules            slots by number                 ranges                       program
//! read: ALLOW      0 ALLOW  1 ALLOW  2 ALLOW       [0,41) ALLOW                 nr >= 41 ? … : ALLOW
//! open: ALLOW      …                               [41]   socket's conditions
//! socket(..)       41 socket's conditions          [42,…) …
//! ```
//!
//! What the rules mean, where the OCI specification leaves it open, is what libseccomp makes of them: a rule without
//! conditions beats those with; of several with conditions the first that holds decides; a rule that only repeats the
//! default is no rule; names that this architecture lacks are skipped; two conditions on one argument are alternatives.
//! As runc does, a number above all that the profile knows gives ENOSYS and not the default's EPERM: a newer libc tries
//! a new call and falls back to the old one only on ENOSYS.
//!
//! Foreign architectures, x32 among them (numbers from 2^30 on x86_64), get ENOSYS: a kernel without them.

use anyhow::{Result, bail};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSyscall,
};

use super::argument::{AT_LEAST, EQUAL, LOAD, code, plain, rule};
use super::multiplexed::{DOORS, Door};
use super::program::{Label, Program};
use super::syscalls::{Abi, Numbers};
use crate::sys::seccomp::{self, Instruction};

/// BPF_MAXINSNS of linux/bpf_common.h.
const MAX_INSTRUCTIONS: usize = 4096;
/// SECCOMP_RET_ERRNO with ENOSYS.
pub const NO_SUCH_CALL: u32 = 0x0005_0000 | 38;
/// __X32_SYSCALL_BIT of asm/unistd.h.
pub const X32: u32 = 0x4000_0000;
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;

/// Translates `profile` for the architecture of this program (and i386, where the profile lists it on x86_64).
///
/// # Errors
/// Sentences about what no filter can express: SCMP_ACT_NOTIFY, an errno over 65535, an argument index over 5, a
/// profile of more than 4096 instructions, or an architecture that Pontoon has no table for.
pub fn compile(profile: &LinuxSeccomp) -> Result<Vec<Instruction>> {
    let Some(native) = Abi::native() else {
        bail!(
            "seccomp: Pontoon has no system call table for this processor; run with --security-opt seccomp=unconfined"
        );
    };
    compile_on(native, profile)
}

/// The same for a program of another architecture.
pub fn compile_on(native: Abi, profile: &LinuxSeccomp) -> Result<Vec<Instruction>> {
    let default = verdict(profile.default_action(), profile.default_errno_ret())?;
    let rules = rules(profile.syscalls().as_deref().unwrap_or_default(), default)?;
    let mut program = Program::default();
    let start = by_architecture(&mut program, &architectures(native, profile), &rules, default)?;
    program.before(start, &[plain(LOAD, OFFSET_ARCH)]);
    let program = program.finish();
    if program.len() > MAX_INSTRUCTIONS {
        bail!("seccomp: the profile needs {} BPF instructions, the kernel takes {MAX_INSTRUCTIONS}", program.len());
    }
    Ok(program)
}

/// The profile's SECCOMP_FILTER_FLAG_* for [`seccomp::install_with`]; 0 when it names none.
///
/// # Errors
/// For a flag that only makes sense with SCMP_ACT_NOTIFY.
pub fn flags(profile: &LinuxSeccomp) -> Result<u64> {
    let mut bits = 0;
    for flag in profile.flags().iter().flatten() {
        bits |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => seccomp::FLAG_LOG,
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => seccomp::FLAG_TSYNC,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => seccomp::FLAG_SPEC_ALLOW,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                bail!("seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY, which is not supported")
            }
        };
    }
    Ok(bits)
}

/// The native one always, as with libseccomp; i386 when asked for.
fn architectures(native: Abi, profile: &LinuxSeccomp) -> Vec<Abi> {
    let i386 = profile.architectures().iter().flatten().any(|arch| *arch == Arch::ScmpArchX86);
    if native == Abi::X86_64 && i386 { vec![native, Abi::I386] } else { vec![native] }
}

/// The value that a filter returns for an action (SECCOMP_RET_* of seccomp(2)).
pub fn verdict(action: Action, errno: Option<u32>) -> Result<u32> {
    if let Some(errno) = errno.filter(|errno| *errno > u32::from(u16::MAX)) {
        bail!("seccomp: errnoRet {errno} does not fit into 16 bits");
    }
    if action == Action::ScmpActNotify {
        bail!("seccomp: the action SCMP_ACT_NOTIFY (a supervisor behind listenerPath) is not supported");
    }
    Ok(action.as_u32(errno))
}

/// One OCI rule with its action as the kernel's number, and its conditions as alternatives of which one must hold.
struct Rule<'a> {
    source: &'a LinuxSyscall,
    names: Vec<Numbers>,
    action: u32,
    alternatives: Vec<&'a [LinuxSeccompArg]>,
}

fn rules(syscalls: &[LinuxSyscall], default: u32) -> Result<Vec<Rule<'_>>> {
    let mut rules = Vec::with_capacity(syscalls.len());
    for syscall in syscalls {
        let action = verdict(syscall.action(), syscall.errno_ret())?;
        if action != default {
            let conditions = syscall.args().as_deref().unwrap_or_default();
            let names = syscall.names().iter().filter_map(|name| Numbers::of(name)).collect();
            rules.push(Rule { source: syscall, names, action, alternatives: alternatives(conditions) });
        }
    }
    Ok(rules)
}

/// All conditions must hold together, unless an argument is named twice: then each stands for itself (runc does so,
/// and profiles are written for it).
pub fn alternatives(conditions: &[LinuxSeccompArg]) -> Vec<&[LinuxSeccompArg]> {
    let mut sorted: Vec<usize> = conditions.iter().map(|condition| condition.index()).collect();
    sorted.sort_unstable();
    match sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        true => conditions.chunks(1).collect(),
        false if conditions.is_empty() => Vec::new(),
        false => vec![conditions],
    }
}

/// What happens at one number.
#[derive(Clone, PartialEq)]
enum Slot {
    Return(u32),
    /// What is tried in order, before the default.
    Try(Vec<Attempt>),
}

/// A rule, by its index, at one number.
#[derive(Clone, Copy, PartialEq)]
enum Attempt {
    /// Its own conditions.
    Conditions(usize),
    /// The call is one of those that the rule names, by this code in the part of the first argument that the mask says.
    Code { rule: usize, code: u64, mask: u64 },
}

fn by_architecture(program: &mut Program, abis: &[Abi], rules: &[Rule<'_>], default: u32) -> Result<Label> {
    let Some((abi, others)) = abis.split_first() else {
        return Ok(program.returning(NO_SUCH_CALL));
    };
    let other = by_architecture(program, others, rules, default)?;
    let tree = tree(program, &ranges(*abi, rules, default), rules, default)?;
    let mine = program.before(tree, &[plain(LOAD, OFFSET_NUMBER)]);
    Ok(program.branch(EQUAL, abi.audit(), mine, other))
}

/// Sorted by first number; each holds up to the next one's.
fn ranges(abi: Abi, rules: &[Rule<'_>], default: u32) -> Vec<(u32, Slot)> {
    let slots = slots(abi, rules, default);
    let unheard_of = if slots.is_empty() || is_permissive(default) { default } else { NO_SUCH_CALL };
    let end = slots.len() as u32;
    let mut ranges = Vec::with_capacity(128);
    for (number, slot) in (0..).zip(slots) {
        append(&mut ranges, number, slot);
    }
    append(&mut ranges, end, Slot::Return(unheard_of));
    if abi == Abi::X86_64 {
        append(&mut ranges, X32, Slot::Return(NO_SUCH_CALL));
    }
    ranges
}

fn append(ranges: &mut Vec<(u32, Slot)>, number: u32, slot: Slot) {
    if ranges.last().is_none_or(|(_, last)| *last != slot) {
        ranges.push((number, slot));
    }
}

/// ALLOW, LOG and TRACE let a call happen: such a profile lists what is forbidden, and unknown calls stay the default.
pub fn is_permissive(action: u32) -> bool {
    (0x7ff0_0000..0x8000_0000).contains(&action)
}

/// What the rules say of each number, up to the highest that they name.
fn slots(abi: Abi, rules: &[Rule<'_>], default: u32) -> Vec<Slot> {
    let mut slots = Vec::with_capacity(512);
    for (index, rule) in rules.iter().enumerate() {
        for number in rule.names.iter().filter_map(|name| name.on(abi)) {
            let number = number as usize;
            if number >= slots.len() {
                slots.resize(number + 1, Slot::Return(default));
            }
            match rule.alternatives.is_empty() {
                true => settle(&mut slots[number], rule.action, default),
                false => refine(&mut slots[number], Attempt::Conditions(index), default),
            }
        }
    }
    if abi == Abi::I386 {
        DOORS.iter().for_each(|door| second_door(&mut slots, door, rules, default));
    }
    slots
}

/// What the rules say of calls that come by way of a [`Door`]; one that is open or shut as a whole stays so.
fn second_door(slots: &mut Vec<Slot>, door: &Door, rules: &[Rule<'_>], default: u32) {
    let number = door.number as usize;
    if matches!(slots.get(number), Some(Slot::Return(action)) if *action != default) {
        return;
    }
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| counts_at_doors(rule)) {
        for code in door.codes(rule.source) {
            if number >= slots.len() {
                slots.resize(number + 1, Slot::Return(default));
            }
            refine(&mut slots[number], Attempt::Code { rule: index, code, mask: door.mask }, default);
        }
    }
}

/// Conditions cannot be checked there: a rule that has some counts only if it refuses.
fn counts_at_doors(rule: &Rule<'_>) -> bool {
    rule.alternatives.is_empty() || !is_permissive(rule.action)
}

/// A rule without conditions beats those with; the first of them stays.
fn settle(slot: &mut Slot, action: u32, default: u32) {
    if !matches!(slot, Slot::Return(known) if *known != default) {
        *slot = Slot::Return(action);
    }
}

fn refine(slot: &mut Slot, attempt: Attempt, default: u32) {
    match slot {
        Slot::Return(action) if *action != default => {}
        Slot::Return(_) => *slot = Slot::Try(vec![attempt]),
        Slot::Try(attempts) => attempts.push(attempt),
    }
}

fn tree(program: &mut Program, ranges: &[(u32, Slot)], rules: &[Rule<'_>], default: u32) -> Result<Label> {
    if let [(_, only)] = ranges {
        return leaf(program, only, rules, default);
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let yes = tree(program, upper, rules, default)?;
    let no = tree(program, lower, rules, default)?;
    Ok(program.branch(AT_LEAST, upper[0].0, yes, no))
}

fn leaf(program: &mut Program, slot: &Slot, rules: &[Rule<'_>], default: u32) -> Result<Label> {
    let attempts = match slot {
        Slot::Return(action) => return Ok(program.returning(*action)),
        Slot::Try(attempts) => attempts,
    };
    let mut next = program.returning(default);
    for attempt in attempts.iter().rev() {
        match *attempt {
            Attempt::Code { rule, code: wanted, mask } => {
                next = program.before(next, &code(mask, wanted, rules[rule].action));
            }
            Attempt::Conditions(index) => {
                for conditions in rules[index].alternatives.iter().rev() {
                    next = program.before(next, &rule(conditions, rules[index].action)?);
                }
            }
        }
    }
    Ok(next)
}
