//! The journal: what was begun, written before it is done.
//!
//! ```text
//! {"version":1}                                first line
//! {"element":{"own":{"device":"br-a", …}}}     one step a line, in the order in which they were begun
//! {"veth":{"name":"web.x1", …}}
//! {"up":{"pla                                  a torn last line: its step was never begun, so it is dropped
//! ```
//!
//! While a monitor lives it alone writes its journal; without one, whoever holds the container's lock does. It lives
//! under /run, dies with the kernel that it tells of, and is therefore never synced to the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::plan::Step;

/// The version that is written, and the newest that is understood.
const VERSION: u64 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u64,
}

/// An open journal. Its file is made by the first step that is begun.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    steps: Vec<Step>,
    file: Option<File>,
}

impl Journal {
    /// Opens a journal, empty if there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged other than in its last line, or is a newer Pontoon's.
    pub fn open(path: &Path) -> Result<Journal, Error> {
        let text = read(path)?;
        let whole = whole(&text);
        let steps = parse(path, &text[..whole])?;
        let journal = Journal { path: path.to_path_buf(), steps, file: None };
        if whole < text.len() {
            journal.write_anew()?;
        }
        Ok(journal)
    }

    /// The steps of somebody else's journal, which may be written at this moment: nothing is mended.
    ///
    /// # Errors
    /// As [`Journal::open`]'s.
    pub fn look(path: &Path) -> Result<Vec<Step>, Error> {
        let text = read(path)?;
        parse(path, &text[..whole(&text)])
    }

    /// What was begun and not undone, oldest first.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Writes that the step is about to be done: one `write(2)` of one line.
    ///
    /// # Errors
    /// A full disk, a directory that is not there.
    pub fn begin(&mut self, step: &Step) -> Result<(), Error> {
        let line = line(step);
        let text = if self.steps.is_empty() { format!("{}{line}", header()) } else { line };
        // An empty journal's file starts anew: it may hold a header alone.
        let written = self.file(self.steps.is_empty()).and_then(|file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            // Half a line may be there, on which nothing must be appended.
            self.file = None;
            let _ = self.write_anew();
            return Err(Error::file("write", &self.path, error));
        }
        self.steps.push(step.clone());
        Ok(())
    }

    /// Writes that the step is about to be done, unless that is written already.
    ///
    /// # Errors
    /// As [`Journal::begin`]'s.
    pub fn begin_once(&mut self, step: &Step) -> Result<(), Error> {
        if self.holds(step) { Ok(()) } else { self.begin(step) }
    }

    /// Was this object begun?
    pub fn holds(&self, step: &Step) -> bool {
        let key = step.key();
        self.steps.iter().any(|known| known.key() == key)
    }

    /// Takes out the object: it was not ours to make.
    ///
    /// # Errors
    /// As [`Journal::begin`]'s.
    pub fn strike(&mut self, step: &Step) -> Result<(), Error> {
        let key = step.key();
        self.steps.retain(|known| known.key() != key);
        self.file = None;
        self.write_anew()
    }

    /// Keeps these steps only; without any, the file goes.
    ///
    /// # Errors
    /// As [`Journal::begin`]'s.
    pub fn keep(&mut self, steps: Vec<Step>) -> Result<(), Error> {
        self.steps = steps;
        self.file = None;
        self.write_anew()
    }

    fn file(&mut self, anew: bool) -> std::io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().create(true).write(true).truncate(anew).append(!anew).open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }

    /// Temporary file and rename, as a line cannot be taken out of the middle by one system call.
    fn write_anew(&self) -> Result<(), Error> {
        if self.steps.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", &self.path, error)),
                _ => Ok(()),
            };
        }
        let text = self.steps.iter().fold(header(), |text, step| text + &line(step));
        let temporary = self.path.with_extension("new");
        fs::write(&temporary, text).map_err(|error| Error::file("write", &temporary, error))?;
        fs::rename(&temporary, &self.path).map_err(|error| Error::file("rename", &temporary, error))
    }
}

fn header() -> String {
    format!("{{\"version\":{VERSION}}}\n")
}

/// The text of a journal; none is an empty one.
fn read(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|error| Error::file("read", path, error)),
    }
}

/// Where the last whole line ends.
fn whole(text: &str) -> usize {
    text.rfind('\n').map_or(0, |end| end + 1)
}

/// A step as JSON. Strings, numbers and enums always serialise.
fn line(step: &Step) -> String {
    serde_json::to_string(step).unwrap_or_default() + "\n"
}

/// The steps of whole lines. No line at all is an empty journal.
fn parse(path: &Path, text: &str) -> Result<Vec<Step>, Error> {
    let damaged = |source| Error::Damaged { path: path.to_path_buf(), source };
    let mut lines = text.lines();
    let Some(first) = lines.next() else { return Ok(Vec::new()) };
    let found = serde_json::from_str::<Header>(first).map_err(damaged)?.version;
    if found > VERSION {
        return Err(Error::Newer { path: path.to_path_buf(), found, known: VERSION });
    }
    lines.map(|line| serde_json::from_str(line).map_err(damaged)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes::tests::published;

    fn filled(directory: &Path) -> (PathBuf, Vec<Step>) {
        let path = directory.join("journal");
        let steps = published().own;
        let mut journal = Journal::open(&path).unwrap();
        steps.iter().for_each(|step| journal.begin(step).unwrap());
        (path, steps)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let (path, steps) = filled(directory.path());
        assert_eq!(Journal::open(&path).unwrap().steps(), steps);
    }

    #[test]
    fn a_torn_last_line_is_dropped_wherever_it_is_torn() {
        let directory = tempfile::tempdir().unwrap();
        let (path, steps) = filled(directory.path());
        let text = fs::read(&path).unwrap();
        for length in 0..text.len() {
            fs::write(&path, &text[..length]).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            assert!(steps.starts_with(journal.steps()), "{length}");
            // And it can be written on.
            journal.begin(&steps[0]).unwrap();
            let again = Journal::open(&path).unwrap();
            assert_eq!(again.steps().len(), journal.steps().len(), "{length}");
        }
    }

    #[test]
    fn damage_elsewhere_and_newer_versions_are_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        for (text, want) in [
            ("{\"version\":1}\nnonsense\n{\"up\":{}}\n", "is damaged"),
            ("nonsense\n", "is damaged"),
            ("{\"version\":2}\n{\"thing\":1}\n", "written by a newer Pontoon (version 2"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Journal::open(&path).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn striking_takes_out_one_object_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, steps) = filled(directory.path());
        let mut journal = Journal::open(&path).unwrap();
        journal.strike(steps.last().unwrap()).unwrap();
        assert_eq!(Journal::open(&path).unwrap().steps(), &steps[..steps.len() - 1]);
        journal.keep(Vec::new()).unwrap();
        assert!(!path.exists());
        journal.begin(&steps[0]).unwrap();
        assert_eq!(Journal::open(&path).unwrap().steps(), &steps[..1]);
    }
}
