//! End to end: every test makes its own host, types what a person types, and leaves the host as it was.

mod harness;
