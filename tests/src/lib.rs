//! What the end-to-end tests stand on: a private host for each test, and the means to look at it.
//!
//! ```text
//!   test thread ── Host ─┬─ namespaces: net, mount, pid      host.rs
//!                        ├─ lan, router, beyond: other machines    neighbours.rs
//!                        ├─ Running ── Output                process.rs   one command, a deadline
//!                        ├─ Terminal                         terminal.rs  one command on a real pty
//!                        ├─ Snapshot ── before == after      snapshot.rs  the leak check
//!                        └─ Line ── Point                   fault.rs     SIGKILL and errors at system calls
//!   image: archives of images, honest and otherwise          image.rs
//!   Binary: which `pontoon` is under test                    binary.rs
//! ```
//!
//! Nothing here knows more of Pontoon than its command line, its environment variables and where it keeps its state.
#![forbid(unsafe_code)]

pub mod binary;
pub mod fault;
pub mod host;
pub mod image;
pub mod neighbours;
pub mod process;
pub mod snapshot;
pub mod terminal;
pub mod wait;

pub use host::Host;
pub use process::{Output, Running};
pub use snapshot::Snapshot;
pub use terminal::Terminal;
pub use wait::eventually;
