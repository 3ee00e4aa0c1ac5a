//! Which binary is under test.
//!
//! ```text
//!   PONTOON_BIN set?  ── yes ──> that file
//!        │ no
//!   target/<triple>/debug/deps/e2e-…   (this test)
//!   target/<triple>/debug/pontoon      first choice: built with the same profile
//!   target/<triple>/release/pontoon    second choice
//! ```

use std::path::{Path, PathBuf};

/// The `pontoon` to test. Panics with a sentence if there is none: a test that cannot run has failed.
pub fn path() -> PathBuf {
    match std::env::var_os("PONTOON_BIN") {
        Some(named) => existing(Path::new(&named)).unwrap_or_else(|| panic!("PONTOON_BIN={named:?}: no such file")),
        None => beside_this_test().expect("no pontoon beside the tests: `cargo build` first, or set PONTOON_BIN"),
    }
}

/// `target/<triple>/<profile>/pontoon`, seen from `target/<triple>/<profile>/deps/<this test>`.
fn beside_this_test() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let profile = test.parent()?.parent()?;
    existing(&profile.join("pontoon")).or_else(|| existing(&profile.parent()?.join("release/pontoon")))
}

/// The absolute path, links resolved.
fn existing(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.is_file())
}
