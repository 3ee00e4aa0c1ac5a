//! One rule about arguments as BPF: comparisons of 64-bit values by a machine that knows 32.
//!
//! ```text
//! arg > v      load high;  high >  v.high ? pass : next            each condition ends in Pass (go on behind it) or
//!                          high == v.high ? next : fail            Fail (this rule does not apply: go on behind the
//!              load low;   low  >  v.low  ? pass : fail            rule); behind the last condition stands RET action
//! ```
//!
//! Arguments are at offset 16 of `struct seccomp_data` (seccomp(2)), eight bytes each, low half first: all our
//! architectures are little endian.

use anyhow::{Result, bail};
use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator as Op};

use crate::sys::seccomp::Instruction;

/// BPF_LD | BPF_W | BPF_ABS: accumulator = 32 bits of seccomp_data at offset k.
pub const LOAD: u16 = 0x20;
/// BPF_ALU | BPF_AND | BPF_K.
const AND: u16 = 0x54;
/// BPF_JMP | BPF_JA: skip k instructions.
pub const JUMP: u16 = 0x05;
/// BPF_JMP | BPF_JEQ | BPF_K.
pub const EQUAL: u16 = 0x15;
/// BPF_JMP | BPF_JGT | BPF_K, unsigned.
const GREATER: u16 = 0x25;
/// BPF_JMP | BPF_JGE | BPF_K, unsigned.
pub const AT_LEAST: u16 = 0x35;
/// BPF_RET | BPF_K.
pub const RETURN: u16 = 0x06;

const ARGUMENTS: u32 = 16;

/// An instruction that does not jump.
pub const fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, yes: 0, no: 0, k }
}

/// Where a comparison goes on.
#[derive(Clone, Copy)]
enum Go {
    Next,
    Pass,
    Fail,
}

struct Step {
    code: u16,
    k: u32,
    yes: Go,
    no: Go,
}

const fn test(code: u16, k: u32, yes: Go, no: Go) -> Step {
    Step { code, k, yes, no }
}

const fn act(code: u16, k: u32) -> Step {
    Step { code, k, yes: Go::Next, no: Go::Next }
}

/// `if all conditions hold, return action`; otherwise control falls out at the end.
///
/// The caller keeps `conditions` to one an argument, so six at most, and every jump is far below 256.
pub fn rule(conditions: &[LinuxSeccompArg], action: u32) -> Result<Vec<Instruction>> {
    let blocks = conditions.iter().map(condition).collect::<Result<Vec<_>>>()?;
    Ok(returning(&blocks, action))
}

/// `if (first argument & mask) == code, return action`.
pub fn code(mask: u64, code: u64, action: u32) -> Vec<Instruction> {
    returning(&[equal(ARGUMENTS, mask, code)], action)
}

fn returning(blocks: &[Vec<Step>], action: u32) -> Vec<Instruction> {
    let end = blocks.iter().map(Vec::len).sum::<usize>() + 1;
    let mut program = Vec::with_capacity(end);
    for block in blocks {
        let pass = program.len() + block.len();
        for step in block {
            let here = program.len() + 1;
            let distance = |go| match go {
                Go::Next => 0,
                Go::Pass => (pass - here) as u8,
                Go::Fail => (end - here) as u8,
            };
            program.push(Instruction { code: step.code, yes: distance(step.yes), no: distance(step.no), k: step.k });
        }
    }
    program.push(plain(RETURN, action));
    program
}

fn condition(argument: &LinuxSeccompArg) -> Result<Vec<Step>> {
    let (index, value) = (argument.index(), argument.value());
    if index > 5 {
        bail!("seccomp: a rule compares argument {index}, but system calls have arguments 0 to 5");
    }
    let low = ARGUMENTS + 8 * index as u32;
    Ok(match argument.op() {
        Op::ScmpCmpEq => equal(low, u64::MAX, value),
        Op::ScmpCmpMaskedEq => equal(low, value, argument.value_two().unwrap_or(0)),
        Op::ScmpCmpNe => not_equal(low, value),
        Op::ScmpCmpGt => ordered(low, value, GREATER, Go::Pass, Go::Fail),
        Op::ScmpCmpGe => ordered(low, value, AT_LEAST, Go::Pass, Go::Fail),
        Op::ScmpCmpLe => ordered(low, value, GREATER, Go::Fail, Go::Pass),
        Op::ScmpCmpLt => ordered(low, value, AT_LEAST, Go::Fail, Go::Pass),
    })
}

const fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

/// `(argument & mask) == (value & mask)`, as SCMP_CMP_MASKED_EQ of seccomp_rule_add(3); equality has a full mask.
fn equal(low: u32, mask: u64, value: u64) -> Vec<Step> {
    let value = value & mask;
    let mut steps = Vec::with_capacity(6);
    for (offset, mask, value) in [(low + 4, high(mask), high(value)), (low, mask as u32, value as u32)] {
        if mask == 0 {
            continue;
        }
        steps.push(act(LOAD, offset));
        if mask != u32::MAX {
            steps.push(act(AND, mask));
        }
        steps.push(test(EQUAL, value, Go::Next, Go::Fail));
    }
    steps
}

fn not_equal(low: u32, value: u64) -> Vec<Step> {
    vec![
        act(LOAD, low + 4),
        test(EQUAL, high(value), Go::Next, Go::Pass),
        act(LOAD, low),
        test(EQUAL, value as u32, Go::Fail, Go::Pass),
    ]
}

/// `yes` when the argument is greater (or, by `code`, at least equal), `no` when it is not.
fn ordered(low: u32, value: u64, code: u16, yes: Go, no: Go) -> Vec<Step> {
    vec![
        act(LOAD, low + 4),
        test(GREATER, high(value), yes, Go::Next),
        test(EQUAL, high(value), Go::Next, no),
        act(LOAD, low),
        test(code, value as u32, yes, no),
    ]
}
