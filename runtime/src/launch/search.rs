//! execve(2) of a name that is looked for in $PATH, and the exit code when that fails: Docker's.
//!
//! ```text
//! has a slash ─> that file                     no slash ─> each directory of $PATH in turn
//! 127  not found                               126  found, but it cannot be executed
//! ```

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use nix::errno::Errno;

use super::pipe::Failure;
use crate::sys;

const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Becomes `arguments`, the first of which is the program's name. Returns only when that failed.
pub fn exec(arguments: &[CString], environment: &[CString]) -> Failure {
    let name = arguments[0].to_bytes().to_vec();
    let quoted = format!("exec: \"{}\": ", String::from_utf8_lossy(&name));
    if name.contains(&b'/') {
        return failure(&quoted, &sys::process::exec_path(&arguments[0], arguments, environment));
    }
    let mut worst = None;
    for directory in path(environment).split(|byte| *byte == b':') {
        let Some(candidate) = join(directory, &name) else { continue };
        // Asked first: a stat(2) that fails costs a tenth of an execve(2) that fails.
        if exists(&candidate) {
            worst = worst.or(Some(sys::process::exec_path(&candidate, arguments, environment)));
        }
    }
    match worst {
        Some(error) => failure(&quoted, &error),
        None => Failure { code: 127, sentence: format!("{quoted}executable file not found in $PATH") },
    }
}

fn path(environment: &[CString]) -> &[u8] {
    environment.iter().find_map(|word| word.to_bytes().strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH)
}

fn failure(quoted: &str, error: &io::Error) -> Failure {
    let code = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR) => 127,
        _ => 126,
    };
    let said = error.raw_os_error().map_or_else(|| error.to_string(), |n| Errno::from_raw(n).desc().to_lowercase());
    Failure { code, sentence: format!("{quoted}{said}") }
}

/// Whether there is something. What cannot be looked at is left to execve(2), which says why.
fn exists(path: &CString) -> bool {
    !matches!(nix::sys::stat::stat(path.as_c_str()), Err(Errno::ENOENT | Errno::ENOTDIR))
}

fn join(directory: &[u8], name: &[u8]) -> Option<CString> {
    let directory = if directory.is_empty() { b"." } else { directory };
    let path = PathBuf::from(OsStr::from_bytes(directory)).join(OsStr::from_bytes(name));
    CString::new(OsString::into_vec(path.into_os_string())).ok()
}
