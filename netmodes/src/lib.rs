//! netmodes.
#![forbid(unsafe_code)]
pub mod names;
