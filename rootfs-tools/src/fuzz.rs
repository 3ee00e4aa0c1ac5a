//! One body for each parser that reads what strangers wrote: random bytes in, no panic, no endless loop, little memory.
//!
//! ```text
//!   tar          a layer, walked without a file system     pipeline, archive, pax, sparse, path
//!   documents    manifest.json, index.json, configs        image_archive
//!   reference    what a person types                       there and back
//!   skeleton     frames                                    a damaged disk
//! ```
//!
//! Two drivers: cargo-fuzz, in `fuzz/` beside the workspace, and the tests below on every run.

use std::io::{BufReader, Read};

use crate::layer::archive::{Archive, Input};
use crate::reference::Reference;

/// A tar stream of any form, to its end or to the first error.
pub fn tar(bytes: &[u8]) {
    struct Plain<R>(BufReader<R>);
    impl<R: Read> Read for Plain<R> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(into)
        }
    }
    impl<R: Read> std::io::BufRead for Plain<R> {
        fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
            self.0.fill_buf()
        }
        fn consume(&mut self, count: usize) {
            self.0.consume(count);
        }
    }
    impl<R: Read> Input for Plain<R> {}
    let mut archive = Archive::new(Plain(BufReader::new(bytes)));
    while let Ok(Some(entry)) = archive.next() {
        let _ = entry.path.split();
    }
}

/// JSON documents of an image archive.
pub fn documents(bytes: &[u8]) {
    crate::image_archive::fuzz(bytes);
}

/// A reference: what is accepted is shown in a form that is accepted, and means the same.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(reference) = text.parse::<Reference>() else { return };
    let again = reference.to_string().parse::<Reference>();
    assert_eq!(again.map(|again| again.to_string()).ok(), Some(reference.to_string()), "{text:?}");
}

/// Frames of a skeleton.
pub fn skeleton(bytes: &[u8]) {
    crate::layer::skeleton::walk(bytes);
}

/// A name, which is that of its directory of seeds, and a body.
pub type Target = (&'static str, fn(&[u8]));

/// Every body by its name.
pub const TARGETS: [Target; 4] =
    [("tar", tar), ("documents", documents), ("reference", reference), ("skeleton", skeleton)];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;

    /// Seeds of a target, which cargo-fuzz begins with, too.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
        let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn pure_every_target_survives_its_seeds_and_each_beginning_of_them() {
        for (name, body) in TARGETS {
            let seeds = seeds(name);
            assert!(seeds.len() >= 2, "seeds of {name}");
            for seed in seeds {
                body(&seed);
                for cut in (0..seed.len()).step_by(seed.len().div_ceil(200)) {
                    body(&seed[..cut]);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pure_every_target_survives_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            for (_, body) in TARGETS {
                body(&bytes);
            }
        }

        /// A seed with some bytes overwritten gets further than noise.
        #[test]
        fn pure_every_target_survives_damaged_seeds(
            hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            which in any::<prop::sample::Index>(),
        ) {
            for (name, body) in TARGETS {
                let seeds = seeds(name);
                let mut seed = seeds[which.index(seeds.len())].clone();
                if seed.is_empty() {
                    continue;
                }
                for (at, byte) in &hits {
                    let at = at.index(seed.len());
                    seed[at] = *byte;
                }
                mend(&mut seed);
                body(&seed);
            }
        }

        #[test]
        fn pure_references_that_are_accepted_mean_the_same_when_shown(
            text in "[a-zA-Z0-9]{1,5}([.:/@_-]{1,2}[a-zA-Z0-9]{1,5}){0,5}"
        ) {
            reference(text.as_bytes());
        }
    }

    /// Puts the checksum of the first header right, so that what is behind it is reached.
    fn mend(seed: &mut [u8]) {
        if seed.len() >= 512 {
            let mut header = tar::Header::new_old();
            header.as_mut_bytes().copy_from_slice(&seed[..512]);
            header.set_cksum();
            seed[..512].copy_from_slice(header.as_bytes());
        }
    }
}
