//! Control files: small reads and writes whose errors name the file, the value and what the kernel said.
//!
//! ```text
//! group/memory.max ── open, write ──> the kernel takes it, or says why not
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::resources::Setting;

/// Writes `value` in one write(2), as control files want it. Never creates a file.
///
/// # Errors
/// A sentence with value, path and the kernel's word.
pub fn write(path: &Path, value: &str) -> Result<()> {
    try_write(path, value).with_context(|| format!("cannot write {value:?} to {}", path.display()))
}

/// As [`write`], with the bare error: for callers that know what an errno means.
///
/// # Errors
/// ENOENT when the controller or the file is not there, EINVAL and ERANGE for bad values, EBUSY, EACCES.
pub fn try_write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// The whole file without the newline at its end.
///
/// # Errors
/// A sentence with the path.
pub fn read(path: &Path) -> Result<String> {
    read_open(&mut File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        .with_context(|| format!("cannot read {}", path.display()))
}

/// The rest of an open control file. Kernel files have no useful size, so this does not ask for it.
///
/// # Errors
/// What read(2) says: ENODEV when the group has been removed.
pub fn read_open(file: &mut File) -> io::Result<String> {
    let mut text = String::with_capacity(256);
    file.take(16 << 20).read_to_string(&mut text)?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// What is not there need not be removed or asked.
///
/// # Errors
/// All but ENOENT and ENODEV.
pub fn forgive_absence<T: Default>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(e) if e.kind() == ErrorKind::NotFound || e.raw_os_error() == Some(nix::errno::Errno::ENODEV as i32) => {
            Ok(T::default())
        }
        other => other,
    }
}

/// Writes settings, keeping the last file open: ten device rules go to one file.
#[derive(Default)]
pub struct Writer {
    last: Option<(PathBuf, File)>,
}

impl Writer {
    /// Writes one setting to its file.
    ///
    /// # Errors
    /// A sentence with value, path and the kernel's word. A setting that this kernel may lack is skipped.
    pub fn write(&mut self, path: &Path, setting: &Setting) -> Result<()> {
        match self.try_write(path, &setting.value) {
            Err(e) if setting.optional && e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(e)
                .with_context(|| format!("this host's {} control group has no {}", setting.controller, path.display())),
            other => other.with_context(|| format!("cannot write {:?} to {}", setting.value, path.display())),
        }
    }

    fn try_write(&mut self, path: &Path, value: &str) -> io::Result<()> {
        let mut file = match self.last.take() {
            Some((last, file)) if last == path => file,
            _ => OpenOptions::new().write(true).open(path)?,
        };
        file.write_all(value.as_bytes())?;
        self.last = Some((path.to_owned(), file));
        Ok(())
    }
}
