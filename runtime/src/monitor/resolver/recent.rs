//! What one turn has looked up: of many equal questions that wait side by side, the first one's look answers all.
//!
//! ```text
//! turn:  receive all that waits ── forget ── question 1 ─> look ─> answer
//!                                            question 2 (the same name) ───> answer
//! ```
//!
//! Every question of the turn was there before the first look, so no answer is older than its question: nothing is
//! cached that would have to be invalidated.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;

use netmodes::names::directory::Directory;

/// A directory that is asked once a turn for each name.
pub struct Recent<D> {
    /// Where the names are.
    pub directory: D,
    found: RefCell<Vec<(String, Vec<IpAddr>)>>,
}

impl<D> Recent<D> {
    /// Nothing is known yet.
    pub fn new(directory: D) -> Self {
        Self { directory, found: RefCell::default() }
    }

    /// A new turn begins. What one turn finds is bounded by its questions.
    pub fn forget(&self) {
        self.found.borrow_mut().clear();
    }
}

impl<D: Directory> Directory for Recent<D> {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Some((_, found)) = self.found.borrow().iter().find(|(known, _)| known == name) {
            return Ok(found.clone());
        }
        let found = self.directory.addresses(name)?;
        self.found.borrow_mut().push((name.to_owned(), found.clone()));
        Ok(found)
    }

    fn pointer(&self, address: IpAddr) -> io::Result<Option<String>> {
        self.directory.pointer(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Each look finds another address; `broken` fails.
    struct Counted(Cell<u8>);

    impl Directory for Counted {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            self.0.set(self.0.get() + 1);
            if name == "broken" { Err(io::Error::other("no")) } else { Ok(vec![[10, 0, 0, self.0.get()].into()]) }
        }

        fn pointer(&self, _: IpAddr) -> io::Result<Option<String>> {
            Ok(None)
        }
    }

    #[test]
    fn one_look_a_turn_for_each_name_and_none_is_kept() {
        let recent = Recent::new(Counted(Cell::new(0)));
        let ask = |name: &str| recent.addresses(name).unwrap();
        let (web, db) = (ask("web"), ask("db"));
        assert_ne!(web, db);
        assert_eq!((ask("web"), ask("db")), (web.clone(), db));
        recent.forget();
        assert_ne!(ask("web"), web);
        assert!(recent.addresses("broken").is_err() && recent.addresses("broken").is_err(), "a failure is not kept");
        assert_eq!(recent.directory.0.get(), 5);
    }
}
