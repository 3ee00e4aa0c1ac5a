//! A BPF program that grows from its end.
//!
//! ```text
//! written   RET EPERM,  RET ALLOW,  nr >= 41 ? ALLOW : EPERM,  …,  load nr,  load arch
//! run       load arch,  load nr,  …,  nr >= 41 ? skip 0 : skip 1,  RET ALLOW,  RET EPERM
//! ```
//!
//! BPF jumps go forward only, so whatever a jump leads to is there when the jump is written, and its distance known.
//! One RET serves all that want the same verdict within a conditional jump's reach: half of a tree would be leaves
//! otherwise, and the kernel's time to check and translate a filter goes by its length.

use super::argument::{JUMP, RETURN, plain};
use crate::sys::seccomp::Instruction;

/// A place in a program, to jump to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(usize);

/// Conditional jumps hold their distance in eight bits; a little is kept back for the jumps that help them.
const REACH: usize = 250;

/// Instructions in reverse, and the latest RET of each verdict.
#[derive(Default)]
pub struct Program {
    reversed: Vec<Instruction>,
    returns: Vec<(u32, Label)>,
}

impl Program {
    /// The program as the kernel runs it.
    pub fn finish(self) -> Vec<Instruction> {
        self.reversed.into_iter().rev().collect()
    }

    /// `return action`, written only if no such instruction is near.
    pub fn returning(&mut self, action: u32) -> Label {
        let known = self.returns.iter().rev().find(|(other, _)| *other == action);
        match known {
            Some((_, label)) if self.reversed.len() - label.0 < REACH => *label,
            _ => {
                let label = self.push(plain(RETURN, action));
                self.returns.push((action, label));
                label
            }
        }
    }

    /// `if accumulator <code> k` go to `yes`, else to `no`.
    pub fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        let yes = self.bring_near(yes);
        let no = self.bring_near(no);
        let distance = |label: Label| (self.reversed.len() - 1 - label.0) as u8;
        let branch = Instruction { code, yes: distance(yes), no: distance(no), k };
        self.push(branch)
    }

    /// `instructions`, whose every way out leads behind them, to `next`.
    pub fn before(&mut self, next: Label, instructions: &[Instruction]) -> Label {
        if next.0 + 1 != self.reversed.len() {
            self.jump(next);
        }
        self.reversed.extend(instructions.iter().rev());
        Label(self.reversed.len() - 1)
    }

    fn bring_near(&mut self, label: Label) -> Label {
        if self.reversed.len() - label.0 <= REACH { label } else { self.jump(label) }
    }

    fn jump(&mut self, label: Label) -> Label {
        let distance = self.reversed.len() - 1 - label.0;
        self.push(plain(JUMP, distance as u32))
    }

    fn push(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        Label(self.reversed.len() - 1)
    }
}
