//! Whether a program needs anything but itself.
//!
//! ```text
//!   ELF header   0 7f 'E' 'L' 'F'   4 class (2: 64 bit)   5 byte order (1: little)
//!                32 e_phoff   54 e_phentsize   56 e_phnum        (elf(5), ELF64; ELF32 has 28, 42, 44)
//!   program headers: PT_INTERP (3) names the dynamic linker; a static program has none
//! ```

const PT_INTERP: u64 = 3;

/// Whether this is an ELF program without an interpreter. Anything that cannot be read as one is not.
pub(super) fn is_static(program: &[u8]) -> bool {
    let headers = segments(program);
    headers.is_some_and(|headers| !headers.is_empty() && !headers.contains(&PT_INTERP))
}

/// The types of all program headers.
fn segments(program: &[u8]) -> Option<Vec<u64>> {
    if program.get(..4)? != b"\x7fELF" {
        return None;
    }
    let wide = *program.get(4)? == 2;
    let read = |at: usize, width: usize| number(program, at, width);
    let (offset, size, count) = match wide {
        true => (read(32, 8)?, read(54, 2)?, read(56, 2)?),
        false => (read(28, 4)?, read(42, 2)?, read(44, 2)?),
    };
    let at = |index: u64| usize::try_from(offset.checked_add(index * size)?).ok();
    (0..count).map(|index| read(at(index)?, 4)).collect()
}

/// An integer in the program's own byte order.
fn number(program: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = program.get(at..at.checked_add(width)?)?;
    let little = *program.get(5)? == 1;
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    Some(if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(kinds: &[u8], little: bool) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56 * kinds.len()];
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, if little { 1 } else { 2 }]);
        let mut put = |at: usize, width: usize, value: u8| bytes[if little { at } else { at + width - 1 }] = value;
        put(32, 8, 64);
        put(54, 2, 56);
        put(56, 2, kinds.len() as u8);
        for (index, kind) in kinds.iter().enumerate() {
            put(64 + 56 * index, 4, *kind);
        }
        bytes
    }

    #[test]
    fn pure_a_program_with_an_interpreter_is_not_static() {
        for little in [true, false] {
            assert!(is_static(&program(&[1, 1, 7], little)));
            assert!(!is_static(&program(&[6, 3, 1], little)));
        }
    }

    #[test]
    fn pure_scripts_stumps_and_lies_are_not_static() {
        let good = program(&[1], true);
        for bad in [&b"#!/bin/sh\n"[..], b"", &good[..40], &good[..70], b"\x7fELF"] {
            assert!(!is_static(bad) || bad.len() >= 68, "{bad:?}");
        }
        let mut far = good.clone();
        far[32..40].fill(0xff);
        assert!(!is_static(&far));
        assert!(!is_static(&program(&[], true)));
    }
}
