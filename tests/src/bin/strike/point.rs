//! One place and what happens there: `PROCESS:CALL:TIME:WHAT`.

use std::str::FromStr;

use nix::errno::Errno;

/// What happens at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// SIGKILL, before the call is made.
    Kill,
    /// The call is not made and fails.
    Fail(Errno),
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The process, by its path in the tree.
    pub process: String,
    /// The call's name in the report.
    pub call: String,
    /// At which of its times in that process, from 1.
    pub time: usize,
    /// What happens.
    pub what: What,
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Point, String> {
        let [process, call, time, what] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(format!("{text}: a point is PROCESS:CALL:TIME:WHAT"));
        };
        let time = time.parse().map_err(|_| format!("{time} is no number"))?;
        Ok(Point { process: process.into(), call: call.into(), time, what: what.parse()? })
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(word: &str) -> Result<What, String> {
        match word {
            "KILL" => Ok(What::Kill),
            "ENOSPC" => Ok(What::Fail(Errno::ENOSPC)),
            "EMFILE" => Ok(What::Fail(Errno::EMFILE)),
            "ENOMEM" => Ok(What::Fail(Errno::ENOMEM)),
            "EIO" => Ok(What::Fail(Errno::EIO)),
            _ => Err(format!("{word}: one of KILL, ENOSPC, EMFILE, ENOMEM, EIO")),
        }
    }
}
