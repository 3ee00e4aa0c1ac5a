//! Names as files, so that nobody has to be asked.
//!
//! ```text
//!   <network state dir>/
//!     names/web/<container>          "172.18.0.2\n"     addresses, one a line
//!     names/.<container>             a file being written (no name begins with a dot)
//!     pointers/172.18.0.2/<container>  "web\n"          the first name published for it: the PTR target
//! ```
//!
//! A file becomes visible by one rename and is never changed in place: a reader sees the old addresses or the new ones,
//! never half of them. Owners do not know each other: each adds and removes only its own files, and an owner counts only
//! while `alive` says so; thus a crash leaves files that nobody believes, until [`withdraw_all`] removes them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Error;
use super::grammar::{folded, is_name};

/// Whether the container of this id is running now.
pub type Alive<'a> = &'a dyn Fn(&str) -> bool;

/// Times that a vanishing directory is made again before giving up: each loss means that another owner left just then.
const ATTEMPTS: usize = 64;

/// Bytes read at a time; few containers have more addresses than fit.
const PAGE: usize = 512;

/// Publishes `addresses` of `container` under `name` in the network whose state directory is `dir`.
///
/// Replaces what the same container had published under that name. The first name published for an address is what a
/// reverse query will be told.
///
/// # Errors
/// `name` or `container` is not a name, or a file cannot be written.
pub fn publish(dir: &Path, name: &str, container: &str, addresses: &[IpAddr]) -> Result<(), Error> {
    let (name, container) = (folded(name)?, checked(container)?);
    let names = dir.join("names");
    let lines: String = addresses.iter().map(|a| format!("{a}\n")).collect();
    place(&names, &name, container, &lines)?;
    for address in addresses {
        let pointers = dir.join("pointers");
        let pointer = pointers.join(address.to_string()).join(container);
        if !pointer.try_exists().map_err(on("look for", &pointer))? {
            place(&pointers, &address.to_string(), container, &format!("{name}\n"))?;
        }
    }
    Ok(())
}

/// Takes `names` of `container` back. Names that are not there are forgiven.
///
/// # Errors
/// A name is no name, or a file cannot be removed.
pub fn withdraw<N: AsRef<str>>(dir: &Path, names: &[N], container: &str) -> Result<(), Error> {
    let container = checked(container)?;
    let names = names.iter().map(|n| folded(n.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let mut addresses = BTreeSet::new();
    for name in &names {
        let owners = dir.join("names").join(name);
        addresses.extend(addresses_in(&owners.join(container)).map_err(on("read", &owners))?);
    }
    // The names go last: as long as they are there, a withdrawal that was killed can be done again.
    for address in addresses {
        let owners = dir.join("pointers").join(address.to_string());
        if pointer_in(&owners.join(container)).map_err(on("read", &owners))?.is_none_or(|n| names.contains(&n)) {
            remove(&owners, container)?;
        }
    }
    names.iter().try_for_each(|name| remove(&dir.join("names").join(name), container))?;
    // What a publication that was killed had begun to write.
    ["names", "pointers"].iter().try_for_each(|kind| remove_draft(&dir.join(kind), container))
}

/// Takes back every name of `container`: for the next command after a crash, which does not know the names.
/// Reads the whole registry of the network.
///
/// # Errors
/// A directory cannot be read or a file cannot be removed.
pub fn withdraw_all(dir: &Path, container: &str) -> Result<(), Error> {
    let container = checked(container)?;
    for kind in ["names", "pointers"] {
        let all = dir.join(kind);
        for key in entries(&all).map_err(on("read", &all))? {
            remove(&all.join(key), container)?;
        }
        remove_draft(&all, container)?;
    }
    Ok(())
}

/// The addresses of every living owner of `name`; empty when nobody has it.
///
/// # Errors
/// The directory is there and cannot be read (a word that is not a name is no error: nobody has it).
pub fn lookup(dir: &Path, name: &str, alive: Alive) -> io::Result<Vec<IpAddr>> {
    let Ok(name) = folded(name) else { return Ok(Vec::new()) };
    let owners = dir.join("names").join(name);
    let mut found = Vec::new();
    for owner in entries(&owners)? {
        if alive(&owner) {
            found.extend(addresses_in(&owners.join(&owner))?);
        }
    }
    Ok(found)
}

/// The first name of the living container that holds `address`, for a PTR record.
///
/// # Errors
/// The directory is there and cannot be read.
pub fn reverse(dir: &Path, address: IpAddr, alive: Alive) -> io::Result<Option<String>> {
    let owners = dir.join("pointers").join(address.to_string());
    for owner in entries(&owners)? {
        if alive(&owner)
            && let Some(name) = pointer_in(&owners.join(&owner))?
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn checked(container: &str) -> Result<&str, Error> {
    folded(container).map(|_| container)
}

fn remove_draft(parent: &Path, container: &str) -> Result<(), Error> {
    let draft = draft(parent, container);
    forgive(fs::remove_file(&draft)).map_err(on("remove", &draft))
}

fn draft(parent: &Path, container: &str) -> PathBuf {
    parent.join(format!(".{container}"))
}

/// Makes `<parent>/<key>/<container>` hold `text`, by a draft beside and one rename. No fsync: it dies with the kernel.
fn place(parent: &Path, key: &str, container: &str, text: &str) -> Result<(), Error> {
    let (draft, owners) = (draft(parent, container), parent.join(key));
    let target = owners.join(container);
    for _ in 0..ATTEMPTS {
        match fs::create_dir_all(&owners) {
            // It was there when mkdir said so, and gone when create_dir_all looked.
            Err(lost) if matches!(lost.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => continue,
            made => made.map_err(on("make directory", &owners))?,
        }
        fs::write(&draft, text).map_err(on("write", &draft))?;
        match fs::rename(&draft, &target) {
            // Between our mkdir and our rename another owner left and took the empty directory along.
            Err(lost) if lost.kind() == ErrorKind::NotFound => continue,
            done => return done.map_err(on("write", &target)),
        }
    }
    Err(on("write", &target)(io::Error::other("its directory vanished again and again")))
}

/// Removes the file of `container` and, when it was the last one, the directory.
fn remove(owners: &Path, container: &str) -> Result<(), Error> {
    let file = owners.join(container);
    forgive(fs::remove_file(&file)).map_err(on("remove", &file))?;
    match fs::remove_dir(owners) {
        // rmdir(2) refuses a directory with other owners in it, which is the check that we want, without a race.
        Err(kept) if kept.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        done => forgive(done).map_err(on("remove", owners)),
    }
}

/// Names in a directory; none when it is not there. Drafts are passed over.
fn entries(dir: &Path) -> io::Result<Vec<String>> {
    let read = match fs::read_dir(dir) {
        Err(absent) if absent.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let mut names = Vec::new();
    for entry in read {
        names.extend(entry?.file_name().into_string().ok().filter(|n| !n.starts_with('.')));
    }
    Ok(names)
}

fn addresses_in(file: &Path) -> io::Result<Vec<IpAddr>> {
    Ok(text_of(file)?.lines().filter_map(|line| line.parse().ok()).collect())
}

fn pointer_in(file: &Path) -> io::Result<Option<String>> {
    Ok(text_of(file)?.lines().next().filter(|name| is_name(name)).map(str::to_owned))
}

/// The text of a file; empty when its owner has just withdrawn it. Files here are written whole and hold a few lines, so
/// that open(2), one short read(2) and close(2) are all it takes; this is the cost of an answer.
fn text_of(file: &Path) -> io::Result<String> {
    let mut open = match File::open(file) {
        Err(absent) if absent.kind() == ErrorKind::NotFound => return Ok(String::new()),
        open => open?,
    };
    let mut page = [0; PAGE];
    let mut bytes = Vec::new();
    loop {
        let read = open.read(&mut page)?;
        bytes.extend_from_slice(&page[..read]);
        if read < PAGE {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

fn forgive(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(absent) if absent.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::thread;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn all(_: &str) -> bool {
        true
    }

    fn files_below(dir: &Path) -> Vec<PathBuf> {
        let Ok(read) = fs::read_dir(dir) else { return Vec::new() };
        let paths = read.map(|entry| entry.unwrap().path());
        paths
            .flat_map(|path| if path.is_dir() { [vec![path.clone()], files_below(&path)].concat() } else { vec![path] })
            .collect()
    }

    #[test]
    fn what_is_published_is_found_whatever_its_case() {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), "Web", "c1", &[ip("172.18.0.2"), ip("fd00::2")]).unwrap();
        publish(dir.path(), "www", "c1", &[ip("172.18.0.2")]).unwrap();
        assert_eq!(lookup(dir.path(), "wEB", &all).unwrap(), [ip("172.18.0.2"), ip("fd00::2")]);
        assert_eq!(reverse(dir.path(), ip("172.18.0.2"), &all).unwrap().unwrap(), "web", "the first name");
        assert_eq!(reverse(dir.path(), ip("fd00::2"), &all).unwrap().unwrap(), "web");
        assert!(lookup(dir.path(), "nobody", &all).unwrap().is_empty());
        assert_eq!(reverse(dir.path(), ip("172.18.0.9"), &all).unwrap(), None);
    }

    #[test]
    fn the_dead_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), "web", "dead", &[ip("172.18.0.2")]).unwrap();
        publish(dir.path(), "web", "alive", &[ip("172.18.0.3")]).unwrap();
        let alive = |id: &str| id == "alive";
        assert_eq!(lookup(dir.path(), "web", &alive).unwrap(), [ip("172.18.0.3")]);
        assert_eq!(reverse(dir.path(), ip("172.18.0.2"), &alive).unwrap(), None);
    }

    #[test]
    fn publishing_again_replaces() {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), "web", "c1", &[ip("172.18.0.2")]).unwrap();
        publish(dir.path(), "web", "c1", &[ip("172.18.0.3")]).unwrap();
        assert_eq!(lookup(dir.path(), "web", &all).unwrap(), [ip("172.18.0.3")]);
    }

    #[test]
    fn what_is_withdrawn_leaves_nothing_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), "web", "c1", &[ip("172.18.0.2")]).unwrap();
        publish(dir.path(), "api", "c1", &[ip("172.18.0.2")]).unwrap();
        publish(dir.path(), "web", "c2", &[ip("172.18.0.3")]).unwrap();
        withdraw(dir.path(), &["WEB", "api", "never"], "c1").unwrap();
        assert_eq!(lookup(dir.path(), "web", &all).unwrap(), [ip("172.18.0.3")]);
        assert_eq!(reverse(dir.path(), ip("172.18.0.2"), &all).unwrap(), None);
        withdraw_all(dir.path(), "c2").unwrap();
        assert!(
            files_below(dir.path()).iter().all(|left| left.parent() == Some(dir.path())),
            "only the two roots stay"
        );
        withdraw_all(dir.path(), "c2").unwrap();
        withdraw_all(&dir.path().join("never made"), "c2").unwrap();
    }

    #[test]
    fn a_crash_in_the_middle_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), "web", "c1", &[ip("172.18.0.2")]).unwrap();
        // As after SIGKILL between write and rename, and between mkdir and rename.
        fs::write(dir.path().join("names/.c1"), "172.18.").unwrap();
        fs::create_dir(dir.path().join("names/half")).unwrap();
        assert!(lookup(dir.path(), "half", &all).unwrap().is_empty());
        withdraw_all(dir.path(), "c1").unwrap();
        assert!(
            files_below(dir.path()).iter().all(|left| left.parent() == Some(dir.path())),
            "{:?}",
            files_below(dir.path())
        );
    }

    #[test]
    fn words_that_are_no_names_never_touch_a_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "1.2.3.4\n").unwrap();
        for name in ["../secret", "..", ".", "", "a/b", "/etc/passwd", "a\0b", ".c1"] {
            assert!(publish(dir.path(), name, "c1", &[ip("10.0.0.1")]).is_err());
            assert!(publish(dir.path(), "web", name, &[ip("10.0.0.1")]).is_err());
            assert!(withdraw(dir.path(), &[name], "c1").is_err());
            assert!(withdraw_all(dir.path(), name).is_err());
            assert!(lookup(dir.path(), name, &all).unwrap().is_empty());
        }
        assert_eq!(files_below(dir.path()), [dir.path().join("secret")]);
    }

    #[test]
    fn owners_that_come_and_go_do_not_lose_each_other() {
        let dir = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for owner in 0..4 {
                let dir = dir.path();
                scope.spawn(move || {
                    let (id, address) = (format!("c{owner}"), ip(&format!("10.0.0.{owner}")));
                    for _ in 0..300 {
                        publish(dir, "web", &id, &[address]).unwrap();
                        assert!(lookup(dir, "web", &all).unwrap().contains(&address));
                        withdraw(dir, &["web"], &id).unwrap();
                    }
                });
            }
        });
        assert!(lookup(dir.path(), "web", &all).unwrap().is_empty());
        assert!(entries(&dir.path().join("names")).unwrap().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_files_say_what_a_map_would(steps in proptest::collection::vec((0..3u8, 0..3u8, 0..3u8), 0..24)) {
            let dir = tempfile::tempdir().unwrap();
            let mut model: BTreeMap<(u8, u8), IpAddr> = BTreeMap::new();
            for (verb, name, owner) in steps {
                let (text, id, address) = (format!("n{name}"), format!("c{owner}"), ip(&format!("10.0.0.{owner}")));
                match verb {
                    0 => {
                        publish(dir.path(), &text, &id, &[address]).unwrap();
                        model.insert((name, owner), address);
                    }
                    1 => {
                        withdraw(dir.path(), &[&text], &id).unwrap();
                        model.remove(&(name, owner));
                    }
                    _ => {
                        withdraw_all(dir.path(), &id).unwrap();
                        model.retain(|(_, o), _| *o != owner);
                    }
                }
                for name in 0..3u8 {
                    let mut found = lookup(dir.path(), &format!("n{name}"), &all).unwrap();
                    found.sort();
                    let expected: Vec<IpAddr> = model.iter().filter(|((n, _), _)| *n == name).map(|(_, a)| *a).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
