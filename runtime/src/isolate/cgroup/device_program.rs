//! Device rules as eBPF, for version 2: asked on each open and mknod, r0 = 1 is yes.
//!
//! ```text
//! struct bpf_cgroup_dev_ctx (linux/bpf.h), in r1: access << 16 | kind, major, minor
//!
//! r2 = kind   r3 = access   r4 = major   r5 = minor
//! for each rule, the last first:
//!     kind, major, minor differ?              go to the next rule
//!     allow: asks for more than it gives?     go to the next rule
//!     deny:  asks for nothing that it takes?  go to the next rule
//!     return allow
//! return 0
//! ```

use super::devices::{Kind, Rule};
use crate::sys::bpf::Instruction;

/// BPF_LDX | BPF_MEM | BPF_W: 32 bits from memory.
const LOAD: u8 = 0x61;
/// BPF_ALU | BPF_AND | BPF_K, 32 bits wide.
const AND: u8 = 0x54;
/// BPF_ALU | BPF_RSH | BPF_K, 32 bits wide.
const SHIFT_RIGHT: u8 = 0x74;
/// BPF_ALU | BPF_MOV | BPF_X, 32 bits wide.
const COPY: u8 = 0xbc;
/// BPF_ALU64 | BPF_MOV | BPF_K.
const SET: u8 = 0xb7;
/// BPF_JMP | BPF_JNE | BPF_K.
const UNLESS_EQUAL: u8 = 0x55;
/// BPF_JMP | BPF_JEQ | BPF_K.
const IF_EQUAL: u8 = 0x15;
/// BPF_JMP | BPF_EXIT.
const EXIT: u8 = 0x95;

const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

/// BPF_DEVCG_DEV_BLOCK and BPF_DEVCG_DEV_CHAR.
const fn number(kind: Kind) -> i32 {
    match kind {
        Kind::Block => 1,
        Kind::Character => 2,
    }
}

/// The whole program.
pub fn compile(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        from_memory(KIND, 0),
        plain(AND, KIND, 0xffff),
        from_memory(ACCESS, 0),
        plain(SHIFT_RIGHT, ACCESS, 16),
        from_memory(MAJOR, 4),
        from_memory(MINOR, 8),
    ];
    // What stands before a rule for everything is never reached.
    let start = rules.iter().rposition(Rule::is_sweeping).unwrap_or(0);
    rules[start..].iter().rev().for_each(|rule| program.extend(block(rule)));
    // The kernel refuses a program with instructions that nothing leads to.
    if !rules.get(start).is_some_and(Rule::is_sweeping) {
        program.extend(answer(false));
    }
    program
}

fn block(rule: &Rule) -> Vec<Instruction> {
    let mut block = Vec::with_capacity(8);
    let wanted = [(KIND, rule.kind.map(number)), (MAJOR, rule.major.map(as_i32)), (MINOR, rule.minor.map(as_i32))];
    for (register, value) in wanted {
        block.extend(value.map(|value| plain(UNLESS_EQUAL, register, value)));
    }
    let (mask, jump) = if rule.allow { (!rule.access & 7, UNLESS_EQUAL) } else { (rule.access, IF_EQUAL) };
    if !rule.is_sweeping() {
        block.push(Instruction { code: COPY, registers: ACCESS << 4 | SCRATCH, offset: 0, immediate: 0 });
        block.push(plain(AND, SCRATCH, as_i32(mask)));
        block.push(plain(jump, SCRATCH, 0));
    }
    block.extend(answer(rule.allow));
    let end = block.len();
    for (at, instruction) in block.iter_mut().enumerate() {
        if matches!(instruction.code, UNLESS_EQUAL | IF_EQUAL) {
            // A block has at most eight instructions.
            instruction.offset = (end - at - 1) as i16;
        }
    }
    block
}

/// Device numbers have 12 and 20 bits: as i32 they keep their value.
fn as_i32(value: u32) -> i32 {
    value as i32
}

fn answer(allow: bool) -> [Instruction; 2] {
    [plain(SET, VERDICT, i32::from(allow)), plain(EXIT, 0, 0)]
}

fn plain(code: u8, register: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: register, offset: 0, immediate }
}

fn from_memory(register: u8, offset: i16) -> Instruction {
    Instruction { code: LOAD, registers: CONTEXT << 4 | register, offset, immediate: 0 }
}

#[cfg(test)]
mod tests {
    use super::super::devices::{MKNOD, READ, WRITE};
    use super::*;

    /// Runs the program as the kernel would.
    fn ask(program: &[Instruction], kind: Kind, access: u32, major: u32, minor: u32) -> bool {
        let context = [access << 16 | number(kind) as u32, major, minor];
        let mut registers = [0u32; 7];
        let mut at = 0;
        loop {
            let i = program[at];
            at += 1;
            let (to, from) = (usize::from(i.registers & 15), usize::from(i.registers >> 4));
            match i.code {
                LOAD => registers[to] = context[i.offset as usize / 4],
                AND => registers[to] &= i.immediate as u32,
                SHIFT_RIGHT => registers[to] >>= i.immediate,
                COPY => registers[to] = registers[from],
                SET => registers[to] = i.immediate as u32,
                UNLESS_EQUAL if registers[to] != i.immediate as u32 => at += i.offset as usize,
                IF_EQUAL if registers[to] == i.immediate as u32 => at += i.offset as usize,
                UNLESS_EQUAL | IF_EQUAL => {}
                EXIT => return registers[0] == 1,
                other => panic!("no such instruction {other:#x}"),
            }
        }
    }

    fn rule(allow: bool, kind: Option<Kind>, major: Option<u32>, minor: Option<u32>, access: u32) -> Rule {
        Rule { allow, kind, major, minor, access }
    }

    #[test]
    fn last_matching_rule_counts_and_silence_is_no() {
        let everything = MKNOD | READ | WRITE;
        let program = compile(&[
            rule(true, None, None, None, everything),
            rule(false, None, None, None, everything),
            rule(true, Some(Kind::Character), None, None, MKNOD),
            rule(true, Some(Kind::Character), Some(1), Some(3), everything),
            rule(true, Some(Kind::Character), Some(136), None, everything),
            rule(false, Some(Kind::Character), Some(136), Some(9), WRITE),
        ]);
        let yes = |kind, access, major, minor| ask(&program, kind, access, major, minor);
        assert!(yes(Kind::Character, READ | WRITE, 1, 3));
        assert!(!yes(Kind::Block, READ, 1, 3), "another kind");
        assert!(
            yes(Kind::Character, MKNOD, 10, 200) && !yes(Kind::Character, READ, 10, 200),
            "tun may be made, not used"
        );
        assert!(!yes(Kind::Character, MKNOD | READ, 10, 200), "part of the access is not enough");
        assert!(yes(Kind::Character, READ, 136, 9) && !yes(Kind::Character, READ | WRITE, 136, 9));
        assert!(yes(Kind::Character, WRITE, 136, 8));
    }

    #[test]
    fn everything_and_nothing() {
        let all = compile(&[rule(true, None, None, None, 7)]);
        assert!(ask(&all, Kind::Block, READ | WRITE, 8, 0));
        assert!(!ask(&compile(&[]), Kind::Character, READ, 1, 3));
    }
}
