//! Chance that a stranger cannot guess: ids of forwarded queries, choice of ports, order of addresses.
//!
//! ```text
//! seed of the kernel ──> numbers that a guesser does not know
//! ```
//!
//! `RandomState` is SipHash under a key from getrandom(2); hashing a counter with it gives numbers that nobody predicts
//! without the key. That is what the standard library has, so no crate is needed.

use std::hash::{BuildHasher, RandomState};

/// A stream of unpredictable numbers.
pub struct Random {
    key: RandomState,
    count: u64,
}

impl Random {
    /// A stream of its own.
    pub fn new() -> Self {
        Self { key: RandomState::new(), count: 0 }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.count += 1;
        self.key.hash_one(self.count)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_streams_differ_and_do_not_repeat() {
        let (mut one, mut two) = (Random::new(), Random::new());
        let mut seen: Vec<u64> = (0..500).flat_map(|_| [one.number(), two.number()]).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1000);
        assert!((0..100).all(|_| one.below(3) < 3));
    }
}
