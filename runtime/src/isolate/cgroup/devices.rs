//! Which devices a container may open or make: the rules of the Spec, in order, the last word counting.
//!
//! ```text
//! Spec                                     version 1                       version 2
//! deny  a  *:*  rwm                        a           > devices.deny      r0 = 0
//! allow c  1:3  rwm      /dev/null         c 1:3 rwm   > devices.allow     if c, 1:3 { return 1 }
//! allow c  *:*  m        make any node     c *:* m     > devices.allow     if c, only m asked { return 1 }
//! ```
//!
//! What no rule allows is denied, as if each list began with "deny all"; an empty list asks for nothing.

use std::fmt;

use anyhow::{Result, bail};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

/// BPF_DEVCG_ACC_MKNOD of linux/bpf.h.
pub const MKNOD: u32 = 1;
/// BPF_DEVCG_ACC_READ.
pub const READ: u32 = 2;
/// BPF_DEVCG_ACC_WRITE.
pub const WRITE: u32 = 4;
const EVERYTHING: u32 = MKNOD | READ | WRITE;

/// Block or character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Block device.
    Block,
    /// Character device.
    Character,
}

/// One rule; what is `None` matches everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Allow, or deny.
    pub allow: bool,
    /// Kind of device.
    pub kind: Option<Kind>,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
    /// MKNOD, READ and WRITE.
    pub access: u32,
}

impl Rule {
    const DENY_ALL: Rule = Rule { allow: false, kind: None, major: None, minor: None, access: EVERYTHING };

    /// Does it say yes, or no, to everything?
    pub fn is_sweeping(&self) -> bool {
        Rule { allow: false, ..*self } == Rule::DENY_ALL
    }
}

/// As version 1 writes it: `c 1:3 rwm`, or `a` for everything.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            _ if self.is_sweeping() => return f.write_str("a"),
            None => 'a',
            Some(Kind::Block) => 'b',
            Some(Kind::Character) => 'c',
        };
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
        write!(f, "{kind} {}:{} ", number(self.major), number(self.minor))?;
        let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
        letters.iter().filter(|(bit, _)| self.access & bit != 0).try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}

/// Checks and normalises the list of a Spec: it begins with "deny all", and a rule for both kinds of device that does
/// not match everything becomes two (version 1 reads `a 1:3 r` as "everything").
///
/// # Errors
/// For an access letter other than r, w, m, a FIFO, and numbers out of range.
pub fn rules(spec: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>> {
    let mut rules = Vec::with_capacity(spec.len() + 1);
    for device in spec {
        let rule = parse(device)?;
        if rules.is_empty() && rule != Rule::DENY_ALL {
            rules.push(Rule::DENY_ALL);
        }
        match rule.kind {
            None if !rule.is_sweeping() => {
                rules.extend([Kind::Block, Kind::Character].map(|kind| Rule { kind: Some(kind), ..rule }));
            }
            _ => rules.push(rule),
        }
    }
    Ok(rules)
}

fn parse(device: &LinuxDeviceCgroup) -> Result<Rule> {
    let kind = match device.typ() {
        None | Some(LinuxDeviceType::A) => None,
        Some(LinuxDeviceType::B) => Some(Kind::Block),
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => Some(Kind::Character),
        Some(LinuxDeviceType::P) => bail!("device rule: a FIFO (type p) is no device"),
    };
    let access = access(device.access().as_deref().unwrap_or_default())?;
    let (major, minor) = (number(device.major())?, number(device.minor())?);
    Ok(Rule { allow: device.allow(), kind, major, minor, access })
}

/// No number, and -1, are any number.
fn number(number: Option<i64>) -> Result<Option<u32>> {
    match number {
        None | Some(-1) => Ok(None),
        Some(number) => match u32::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => bail!("device rule: {number} is no device number"),
        },
    }
}

fn access(letters: &str) -> Result<u32> {
    let mut bits = 0;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            _ => bail!("device rule: access {letters:?} has a letter other than r, w and m"),
        };
    }
    Ok(if bits == 0 { EVERYTHING } else { bits })
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::LinuxDeviceCgroupBuilder;

    use super::*;

    fn device(allow: bool, typ: LinuxDeviceType, numbers: Option<(i64, i64)>, access: &str) -> LinuxDeviceCgroup {
        let mut device =
            LinuxDeviceCgroupBuilder::default().allow(allow).typ(typ).access(access.to_owned()).build().unwrap();
        device.set_major(numbers.map(|n| n.0));
        device.set_minor(numbers.map(|n| n.1));
        device
    }

    fn text(spec: &[LinuxDeviceCgroup]) -> Vec<String> {
        rules(spec).unwrap().iter().map(|rule| format!("{}{rule}", if rule.allow { '+' } else { '-' })).collect()
    }

    #[test]
    fn as_version_1_writes_them() {
        use LinuxDeviceType::*;
        let spec = [
            device(false, A, None, "rwm"),
            device(true, C, None, "m"),
            device(true, C, Some((136, -1)), "rwm"),
            device(true, B, Some((8, 0)), "r"),
        ];
        assert_eq!(text(&spec), ["-a", "+c *:* m", "+c 136:* rwm", "+b 8:0 r"]);
    }

    #[test]
    fn deny_all_comes_first_and_half_a_rule_for_all_becomes_two() {
        use LinuxDeviceType::*;
        assert_eq!(text(&[device(true, A, None, "")]), ["-a", "+a"]);
        assert_eq!(text(&[device(true, A, Some((1, 3)), "r")]), ["-a", "+b 1:3 r", "+c 1:3 r"]);
        assert_eq!(text(&[]), [""; 0]);
    }

    #[test]
    fn nonsense_is_refused() {
        use LinuxDeviceType::*;
        assert!(rules(&[device(true, C, None, "x")]).unwrap_err().to_string().contains("r, w and m"));
        assert!(rules(&[device(true, P, None, "r")]).is_err());
        assert!(rules(&[device(true, C, Some((-2, 0)), "r")]).unwrap_err().to_string().contains("-2"));
    }
}
