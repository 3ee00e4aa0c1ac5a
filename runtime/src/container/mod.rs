//! Containers: what is recorded of them, and what is known of the running ones.
//!
//! ```text
//! record    what was asked for: lasts until `rm`               <root>/containers/<id>/record.json
//!           (of a --rm container: dies with the kernel)        <state>/containers/<id>/record.json
//! amend     another name for a recorded container, other networks
//! state     what runs: process, addresses, times               <state>/containers/<id>/state.json
//! store     names, directories, look-up, locks                 <root>/names/<name>, <state>/names/<name> -> <id>
//! ```

mod amend;
pub mod naming;
pub mod record;
pub mod state;
pub mod store;

pub use record::Record;
pub use state::{State, Status};
pub use store::{Container, Containers};
