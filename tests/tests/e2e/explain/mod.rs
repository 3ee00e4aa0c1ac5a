//! `--explain` and `--dry-run`: the printed text is run by bash on a second, empty host, and both are compared.
//!
//! ```text
//!   host A   pontoon run --explain …        text ──>   host B   bash text
//!            what the kernel has             ==                 what the kernel has          kernels
//!            what the container sees         ==                 what the container sees      containers
//!   host     pontoon … --dry-run             nothing is made, the same sentences             foresight
//! ```
//!
//! A host is a thread's, so A and B are two threads, one after the other.

mod containers;
mod foresight;
mod kernels;

use pontoon_tests::Host;

/// The image alone: no network, no firewall.
fn with_image() -> Host {
    let mut host = Host::new();
    host.sh("pontoon run --rm --network none busybox true").ok();
    host.settle();
    host
}

/// Runs `there` on a host of its own, once that of `here` has gone.
fn in_turn<A: Send + 'static, B: Send + 'static>(
    here: impl FnOnce(&mut Host) -> A + Send + 'static,
    there: impl FnOnce(&mut Host, &A) -> B + Send + 'static,
) -> (A, B) {
    let first = std::thread::spawn(move || here(&mut with_image())).join();
    let first = first.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let second = std::thread::spawn(move || {
        let theirs = there(&mut with_image(), &first);
        (first, theirs)
    });
    second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
