//! Image archives against a real store: what is loaded, what is refused, what is saved.
//!
//! ```text
//!   carrier    builds archives of both forms, honest and otherwise
//!   forms      every honest form is loaded          round_trip   save, load: the same ids, the same trees
//!   hostile    every other one is refused, and nothing of it stays
//! ```

mod carrier;
mod forms;
mod hostile;
mod round_trip;

use std::fs::File;
use std::io::Write;

use crate::store::tests::Place;
use crate::{Error, Loaded};

impl Place {
    /// Loads an archive from a file, as `load -i` does.
    fn load(&self, archive: &[u8]) -> Result<Vec<Loaded>, Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(archive).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        self.load_file(file)
    }

    fn load_file(&self, file: File) -> Result<Vec<Loaded>, Error> {
        let mut all = Vec::new();
        self.store.load(file, &mut |loaded| all.push(loaded)).map(|()| all)
    }

    fn save(&self, words: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        self.store.save(&words, &mut bytes).unwrap();
        bytes
    }

    /// The sentence of the error that must come; nothing of the archive stays then.
    #[track_caller]
    fn refused(&self, archive: &[u8]) -> String {
        let before = (self.layers(), self.store.list().unwrap().len(), self.entries("names"));
        let said = self.load(archive).unwrap_err().sentence();
        assert_eq!((self.layers(), self.store.list().unwrap().len(), self.entries("names")), before, "{said}");
        assert!(self.entries("scratch").is_empty(), "{said}");
        said
    }
}
