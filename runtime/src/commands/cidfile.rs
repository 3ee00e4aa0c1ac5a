//! `--cidfile`: a file that says the id of the container that was made, and whose presence says that it was made.
//!
//! ```text
//! claim   create it, which fails if it is there     before anything else is made
//! write   the id                                    once the container is recorded
//! drop    without a write: remove it
//! ```

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A file that is ours, empty until the id is written.
#[derive(Debug)]
pub struct IdFile {
    path: PathBuf,
    file: File,
    keep: bool,
}

impl IdFile {
    /// Makes the file (open(2) with O_EXCL).
    ///
    /// # Errors
    /// Docker's sentence for one that is there.
    pub fn claim(path: &Path) -> Result<IdFile> {
        let shown = path.display();
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => Ok(IdFile { path: path.to_owned(), file, keep: false }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("container ID file found, make sure the other container isn't running or delete {shown}")
            }
            Err(error) => Err(error).with_context(|| format!("failed to create the container ID file {shown}")),
        }
    }

    /// Writes the id, without a newline as Docker does. From here on the file stays until [`IdFile::forget`].
    ///
    /// # Errors
    /// A full disk.
    pub fn write(&mut self, id: &str) -> Result<()> {
        let written = self.file.write_all(id.as_bytes());
        written.with_context(|| format!("failed to write the container ID to {}", self.path.display()))?;
        self.keep = true;
        Ok(())
    }

    /// The container did not come to be after all.
    pub fn forget(&mut self) {
        self.keep = false;
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_only_with_an_id_in_it() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("id");
        drop(IdFile::claim(&path)?);
        assert!(!path.exists());
        let mut file = IdFile::claim(&path)?;
        assert!(IdFile::claim(&path).unwrap_err().to_string().starts_with("container ID file found"));
        file.write("c0ffee")?;
        drop(file);
        assert_eq!(std::fs::read_to_string(&path)?, "c0ffee");
        Ok(())
    }
}
