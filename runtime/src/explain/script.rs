//! Groups of lines as one bash script.
//!
//! ```text
//! #!/bin/bash
//! # title
//! set -eu
//!
//! # 1. why
//! line
//! line
//!
//! # 2. why
//! ```

use std::fmt;

use netmodes::explain::Group;

/// A script to be read from top to bottom, and to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it does, without a full stop.
    pub title: String,
    /// In the order in which they are typed.
    pub groups: Vec<Group>,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#!/bin/bash\n# {}, in lines that a person could type.", self.title)?;
        writeln!(f, "# It runs as root on a Debian with iproute2, nftables and util-linux, and needs no Pontoon.")?;
        writeln!(f, "set -eu\numask 022")?;
        for (number, group) in (1..).zip(&self.groups) {
            write!(f, "\n# {number}. {}\n", group.why)?;
            group.lines.iter().try_for_each(|line| writeln!(f, "{}", line.text))?;
        }
        Ok(())
    }
}
