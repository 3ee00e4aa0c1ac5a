//! netmodes.
#![forbid(unsafe_code)]
