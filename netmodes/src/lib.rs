//! Container networks: a network mode is a pure function from a request to a plan.
//!
//! ```text
//! Request --+                             +-- kernel   netlink: makes it
//! Network --+-- modes::* --> Plan --------+-- explain  the ip and nft lines that a person would type
//! Facts ----+   (pure)       (steps)      +-- model    a list, for tests
//!                              |
//!                           journal       write ahead, then act; undo is the only way down
//! ```
//!
//! Read in this order: [`plan`], [`modes`], [`apply`], [`journal`], [`network`], [`kernel`], [`nft`].
//!
//! Nothing here is unsafe, starts a process or waits for anything but a file lock.
#![forbid(unsafe_code)]

pub mod address;
pub mod apply;
pub mod error;
pub mod explain;
pub mod facts;
pub mod journal;
pub mod kernel;
pub mod lease;
mod lock;
pub mod model;
pub mod modes;
pub mod names;
pub mod network;
pub mod nft;
pub mod plan;
pub mod publish;
pub mod subnet;

pub use error::Error;
