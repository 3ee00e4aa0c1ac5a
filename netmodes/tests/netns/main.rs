//! netmodes against the real kernel, in network namespaces of the tests' own.
//!
//! ```text
//! lan 203.0.113.9 ---- eth0 203.0.113.2  host  br-… ---- eth0 container
//!                                              \---- eth0 container
//! ```
//!
//! Each test unshares its thread's network and mount namespaces, so that tests run side by side and the machine sees
//! nothing of them. They need root; without it they fail.

mod cable;
mod families;
mod firewall;
mod forged;
mod frames;
mod lifecycle;
mod traffic;
mod world;
