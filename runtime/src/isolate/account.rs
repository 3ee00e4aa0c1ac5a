//! Who runs: `-u name:group` looked up in the container's own /etc/passwd and /etc/group.
//!
//! ```text
//! user   "" -> root    "1000" -> that number, passwd only adds home and group    "www" -> passwd or an error
//! group  ":5" -> that number    ":www" -> group or an error    none -> the user's own, and those that list the user
//! more   "::audio,29" -> added to the others
//! ```
//!
//! Both files belong to the image, which may be hostile: only regular files are read, without waiting on a FIFO, and
//! no more than a megabyte. A name made of digits is a number, never a name (CVE-2026-46680).

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use rustix::fs::OFlags;

use super::inside::Root;

/// Numbers and home of the user that a program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Supplementary groups, exactly.
    pub groups: Vec<u32>,
    /// Home directory; `/` where /etc/passwd does not know the user.
    pub home: String,
}

const LARGEST_FILE: u64 = 1 << 20;

/// Looks `user[:group[:more,groups]]` up in the files of the root that this process is in.
///
/// # Errors
/// Docker's sentences for unknown names and numbers out of range.
pub fn look_up(words: &str) -> Result<Account> {
    find(words, &read("/etc/passwd"), &read("/etc/group"))
}

/// As [`look_up`], in the files of an image's layers, topmost first, for a container that is not there yet.
///
/// # Errors
/// As [`look_up`].
pub fn look_up_in(words: &str, layers: &[PathBuf]) -> Result<Account> {
    let of = |path: &str| layers.iter().find_map(|layer| open_below(layer, path)).map(text).unwrap_or_default();
    find(words, &of("/etc/passwd"), &of("/etc/group"))
}

fn find(words: &str, passwd: &str, group: &str) -> Result<Account> {
    let mut words = words.splitn(3, ':');
    let (user, wanted_group) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let added = words.next().unwrap_or_default().split(',').filter(|word| !word.is_empty());
    let added = added.map(|word| group_number(word, group)).collect::<Result<Vec<u32>>>()?;
    let user = if user.is_empty() { "0" } else { user };
    let number = number(user, "uid")?;
    let entry = passwd.lines().map(fields).find(|fields| match number {
        Some(uid) => fields.get(2).and_then(|field| field.parse().ok()) == Some(uid),
        None => fields.first() == Some(&user),
    });
    let field = |index: usize| entry.as_ref().and_then(|fields| fields.get(index).copied());
    let Some(uid) = number.or_else(|| field(2)?.parse().ok()) else {
        bail!("unable to find user {user}: no matching entries in passwd file");
    };
    let name = field(0).unwrap_or(user);
    let home = field(5).filter(|home| home.starts_with('/')).unwrap_or("/").to_owned();
    if !wanted_group.is_empty() {
        let gid = group_number(wanted_group, group)?;
        return Ok(Account { uid, gid, groups: with(vec![gid], &added), home });
    }
    let gid = field(3).and_then(|field| field.parse().ok()).unwrap_or(0);
    Ok(Account { uid, gid, groups: with(memberships(name, gid, group), &added), home })
}

/// The own group and those that list `name`, as initgroups(3) would set them.
fn memberships(name: &str, own: u32, group: &str) -> Vec<u32> {
    let mut groups: Vec<u32> = group
        .lines()
        .map(fields)
        .filter(|fields| fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name)))
        .filter_map(|fields| fields.get(2)?.parse().ok())
        .chain([own])
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The groups and those that were added (`--group-add`), each once.
fn with(mut groups: Vec<u32>, added: &[u32]) -> Vec<u32> {
    groups.extend(added);
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn group_number(word: &str, group: &str) -> Result<u32> {
    if let Some(gid) = number(word, "gid")? {
        return Ok(gid);
    }
    let found = group.lines().map(fields).find(|fields| fields.first() == Some(&word));
    match found.and_then(|fields| fields.get(2)?.parse().ok()) {
        Some(gid) => Ok(gid),
        None => bail!("unable to find group {word}: no matching entries in group file"),
    }
}

/// A word of digits as a number; `None` for a name.
fn number(word: &str, what: &str) -> Result<Option<u32>> {
    if !word.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) || word.trim_start_matches('-').is_empty() {
        return Ok(None);
    }
    match word.parse::<i32>() {
        Ok(number) if number >= 0 => Ok(Some(number as u32)),
        _ => bail!("uids and gids must be in range 0-2147483647: {what} {word} is not"),
    }
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

/// A bounded read of a regular file; anything else counts as empty.
fn read(path: &str) -> String {
    open_regular(path).map(text).unwrap_or_default()
}

fn text(file: File) -> String {
    let mut bytes = Vec::new();
    let _ = file.take(LARGEST_FILE).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The same with links followed as if the directory were `/`.
fn open_below(directory: &Path, path: &str) -> Option<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(Root::reopen(directory).ok()?.open(Path::new(path), flags).ok()?);
    file.metadata().ok()?.is_file().then_some(file)
}

fn open_regular(path: &str) -> Option<File> {
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/sh\n1000:x:5:5::/trap:/bin/sh\nodd\n";
    const GROUP: &str = "root:x:0:\nwww:x:33:\naudio:x:29:www,root\nvideo:x:44:www\nbad\n";

    fn account(words: &str) -> Result<Account> {
        find(words, PASSWD, GROUP)
    }

    #[test]
    fn names_numbers_and_groups() -> Result<()> {
        assert_eq!(account("")?, Account { uid: 0, gid: 0, groups: vec![0, 29], home: "/root".into() });
        assert_eq!(account("www")?, Account { uid: 33, gid: 33, groups: vec![29, 33, 44], home: "/var/www".into() });
        assert_eq!(account("www:video")?, Account { uid: 33, gid: 44, groups: vec![44], home: "/var/www".into() });
        assert_eq!(account("7:8")?, Account { uid: 7, gid: 8, groups: vec![8], home: "/".into() });
        Ok(())
    }

    #[test]
    fn added_groups_join_the_others() -> Result<()> {
        assert_eq!(account("www::video,7")?.groups, [7, 29, 33, 44]);
        assert_eq!(account("www:www:audio,29")?.groups, [29, 33]);
        assert!(account("::nosuch").unwrap_err().to_string().contains("unable to find group nosuch"));
        Ok(())
    }

    #[test]
    fn digits_are_a_number_and_never_a_name() -> Result<()> {
        assert_eq!(account("1000")?.uid, 1000);
        Ok(())
    }

    #[test]
    fn unknown_and_out_of_range_are_sentences() {
        for bad in ["nobody", "www:nobody", "4294967296", "-1", "0:-1", "2147483648"] {
            assert!(account(bad).is_err(), "{bad}");
        }
    }
}
