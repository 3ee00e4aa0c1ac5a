//! What it may do: capabilities, system calls, devices.
//!
//! ```text
//! --cap-add --cap-drop --privileged ─> capabilities
//! --security-opt   no-new-privileges[:true|false]   seccomp=unconfined|builtin|FILE   systempaths=unconfined
//! --device         host[:container][:rwm]
//! ```

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Result, anyhow, bail};

use crate::cli::ContainerArgs;
use crate::container::record::{Device, Privileges, Seccomp};
use crate::files;
use crate::isolate::{capabilities, seccomp};
use crate::monitor::host_devices;
use crate::text;

/// The posture that is asked for.
///
/// # Errors
/// Docker's sentence for a word that cannot be granted, a profile that cannot be used, a device that is not there.
pub fn privileges(args: &ContainerArgs) -> Result<Privileges> {
    let set = capabilities::adjust(&args.cap_add, &args.cap_drop, args.privileged)?;
    let mut capabilities: Vec<String> = set.iter().map(capabilities::name).collect();
    capabilities.sort();
    let mut privileges = Privileges { privileged: args.privileged, capabilities, ..Privileges::default() };
    for word in &args.security_opt {
        security(word, &mut privileges)?;
    }
    if let Seccomp::Profile(text) = &privileges.seccomp {
        // Tried now, so that a profile that cannot be used makes nothing.
        seccomp::compile(&seccomp::of_docker(text, &set, seccomp::kernel())?)?;
    }
    privileges.devices = args.device.iter().map(|word| device(word)).collect::<Result<_>>()?;
    for device in &privileges.devices {
        host_devices::gather(device)?;
    }
    Ok(privileges)
}

fn security(word: &str, privileges: &mut Privileges) -> Result<()> {
    let (key, value) = match word.split_once('=').or_else(|| word.split_once(':')) {
        Some((key, value)) => (key, value),
        None if word == "no-new-privileges" => (word, "true"),
        None => bail!("Invalid --security-opt: \"{word}\""),
    };
    match (key, value) {
        ("no-new-privileges", "true") => privileges.no_new_privileges = true,
        ("no-new-privileges", "false") => privileges.no_new_privileges = false,
        ("seccomp", "unconfined") => privileges.seccomp = Seccomp::Unconfined,
        ("seccomp", "builtin") => privileges.seccomp = Seccomp::Default,
        ("seccomp", path) => privileges.seccomp = Seccomp::Profile(profile(path)?),
        ("systempaths", "unconfined") => privileges.unmasked = true,
        // Neither is ever applied, so not applying them is granted.
        ("apparmor", "unconfined") | ("label", "disable") => {}
        ("apparmor" | "label", _) => bail!("--security-opt {word}: AppArmor and SELinux are not supported yet"),
        _ => bail!("invalid --security-opt 2: \"{word}\""),
    }
    Ok(())
}

/// The profile's text, as JSON without blanks.
fn profile(path: &str) -> Result<String> {
    let failed = |error: std::io::Error| {
        let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
        let reason = errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_lowercase());
        anyhow!("opening seccomp profile ({path}) failed: open {path}: {reason}")
    };
    let text = files::read_operand(Path::new(path)).map_err(failed)?;
    let value: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| anyhow!("compacting json for seccomp profile ({path}) failed: {error}"))?;
    Ok(value.to_string())
}

/// `/dev/x`, `/dev/x:rw`, `/dev/x:/dev/y`, `/dev/x:/dev/y:rw`.
fn device(word: &OsStr) -> Result<Device> {
    let shown = text::encode(word);
    let parts: Vec<&str> = shown.split(':').collect();
    let (host, container, access) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, second] if is_access(second) => (*host, *host, *second),
        [host, container] => (*host, *container, "rwm"),
        [host, container, access] => (*host, *container, *access),
        _ => bail!("invalid device specification: {shown}"),
    };
    if !is_access(access) {
        bail!("bad mode specified: {access}");
    }
    for path in [host, container] {
        if !path.starts_with('/') {
            bail!("'{path}' is not an absolute path");
        }
    }
    if container.split('/').any(|part| part == "..") || container.trim_end_matches('/').is_empty() {
        bail!("invalid device specification: {shown}");
    }
    Ok(Device { host: host.to_owned(), container: container.to_owned(), access: access.to_owned() })
}

/// Letters of rwm, none twice.
fn is_access(word: &str) -> bool {
    let is_new = |(index, letter): (usize, char)| "rwm".contains(letter) && !word[..index].contains(letter);
    !word.is_empty() && word.char_indices().all(is_new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_in_dockers_four_forms() -> Result<()> {
        for (word, host, container, access) in [
            ("/dev/x", "/dev/x", "/dev/x", "rwm"),
            ("/dev/x:r", "/dev/x", "/dev/x", "r"),
            ("/dev/x:/dev/y", "/dev/x", "/dev/y", "rwm"),
            ("/dev/x:/dev/y:mr", "/dev/x", "/dev/y", "mr"),
        ] {
            let expected = Device { host: host.into(), container: container.into(), access: access.into() };
            assert_eq!(device(word.as_ref())?, expected);
        }
        for (word, sentence) in [
            ("x", "'x' is not an absolute path"),
            ("/dev/x:y", "'y' is not an absolute path"),
            ("/dev/x:/dev/y:rr", "bad mode specified: rr"),
            ("/dev/x:/dev/y:", "bad mode specified: "),
            ("/dev/x:/a:r:b", "invalid device specification: /dev/x:/a:r:b"),
            ("/dev/x:/dev/../..", "invalid device specification: /dev/x:/dev/../.."),
        ] {
            assert_eq!(device(word.as_ref()).unwrap_err().to_string(), sentence);
        }
        Ok(())
    }

    #[test]
    fn security_options_in_both_spellings() -> Result<()> {
        let mut privileges = Privileges::default();
        for (word, expected) in
            [("no-new-privileges", true), ("no-new-privileges:false", false), ("no-new-privileges=true", true)]
        {
            security(word, &mut privileges)?;
            assert_eq!(privileges.no_new_privileges, expected, "{word}");
        }
        security("seccomp:unconfined", &mut privileges)?;
        assert_eq!(privileges.seccomp, Seccomp::Unconfined);
        for (word, sentence) in [
            ("nonsense", "Invalid --security-opt: \"nonsense\""),
            ("nonsense=1", "invalid --security-opt 2: \"nonsense=1\""),
            ("no-new-privileges:maybe", "invalid --security-opt 2: \"no-new-privileges:maybe\""),
            ("seccomp=/nosuch", "opening seccomp profile (/nosuch) failed: open /nosuch: no such file or directory"),
        ] {
            assert_eq!(security(word, &mut privileges).unwrap_err().to_string(), sentence);
        }
        Ok(())
    }
}
