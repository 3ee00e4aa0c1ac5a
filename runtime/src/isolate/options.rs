//! The words of mount(8): `ro,nosuid,rbind,rprivate,size=64m` -> attributes, propagation, data.
//!
//! ```text
//! ro nosuid nodev noexec strictatime …   attributes of the mount     mount_setattr(2)
//! private rslave …                       propagation                 mount_setattr(2)
//! bind rbind                             what is mounted             open_tree(2)
//! size=64m mode=755 …                    data of the file system     fsconfig(2)
//! ```

use rustix::mount::MountAttrFlags;

/// Parsed options of one mount (OCI runtime spec, config.md "Mounts").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// MOUNT_ATTR_* to set.
    pub attributes: u32,
    /// The attributes go for all mounts below, too.
    pub recursive: bool,
    /// MS_PRIVATE, MS_SLAVE …, and whether for all mounts below.
    pub propagation: Option<(u64, bool)>,
    /// `bind` (false) or `rbind` (true).
    pub bind: Option<bool>,
    /// What only the file system understands: key and value, or a flag.
    pub data: Vec<(String, Option<String>)>,
}

const ATTRIBUTES: [(&str, MountAttrFlags); 9] = [
    ("ro", MountAttrFlags::MOUNT_ATTR_RDONLY),
    ("nosuid", MountAttrFlags::MOUNT_ATTR_NOSUID),
    ("nodev", MountAttrFlags::MOUNT_ATTR_NODEV),
    ("noexec", MountAttrFlags::MOUNT_ATTR_NOEXEC),
    ("relatime", MountAttrFlags::MOUNT_ATTR_RELATIME),
    ("noatime", MountAttrFlags::MOUNT_ATTR_NOATIME),
    ("strictatime", MountAttrFlags::MOUNT_ATTR_STRICTATIME),
    ("nodiratime", MountAttrFlags::MOUNT_ATTR_NODIRATIME),
    ("nosymfollow", MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW),
];

/// The opposites: they clear what an earlier word set.
const CLEARED: [(&str, MountAttrFlags); 4] = [
    ("rw", MountAttrFlags::MOUNT_ATTR_RDONLY),
    ("suid", MountAttrFlags::MOUNT_ATTR_NOSUID),
    ("dev", MountAttrFlags::MOUNT_ATTR_NODEV),
    ("exec", MountAttrFlags::MOUNT_ATTR_NOEXEC),
];

const PROPAGATIONS: [(&str, u64); 4] =
    [("private", 1 << 18), ("slave", 1 << 19), ("shared", 1 << 20), ("unbindable", 1 << 17)];

impl Options {
    /// Reads the words in their order; a later word wins.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Options {
        let mut options = Options::default();
        for word in words {
            options.read(word);
        }
        options
    }

    fn read(&mut self, word: &str) {
        if let Some(attribute) = attribute(word) {
            self.attributes |= attribute;
        } else if let Some(attribute) = word.strip_prefix('r').and_then(attribute) {
            self.attributes |= attribute;
            self.recursive = true;
        } else if let Some((_, flag)) = CLEARED.iter().find(|(name, _)| *name == word) {
            self.attributes &= !flag.bits();
        } else if let Some(propagation) = propagation(word) {
            self.propagation = Some(propagation);
        } else {
            match word {
                "bind" => self.bind = Some(false),
                "rbind" => self.bind = Some(true),
                "defaults" | "async" | "" => {}
                data => self.data.push(match data.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (data.to_owned(), None),
                }),
            }
        }
    }

    /// Whether the mount is read-only.
    pub fn is_read_only(&self) -> bool {
        self.attributes & MountAttrFlags::MOUNT_ATTR_RDONLY.bits() != 0
    }
}

fn attribute(word: &str) -> Option<u32> {
    ATTRIBUTES.iter().find(|(name, _)| *name == word).map(|(_, flag)| flag.bits())
}

fn propagation(word: &str) -> Option<(u64, bool)> {
    let find = |word: &str| PROPAGATIONS.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag);
    find(word).map(|flag| (flag, false)).or_else(|| word.strip_prefix('r').and_then(find).map(|flag| (flag, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_find_their_places() {
        let options = Options::parse(["rbind", "rprivate", "ro", "nosuid", "size=64m", "newinstance"]);
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.propagation, Some((1 << 18, true)));
        assert_eq!(options.attributes, 0b11);
        assert_eq!(options.data, [("size".into(), Some("64m".into())), ("newinstance".into(), None)]);
    }

    #[test]
    fn the_last_word_wins_and_rro_goes_down() {
        assert!(!Options::parse(["ro", "rw"]).is_read_only());
        let recursive = Options::parse(["rro"]);
        assert!(recursive.is_read_only() && recursive.recursive);
    }

    #[test]
    fn relatime_is_not_a_recursive_elatime() {
        let options = Options::parse(["relatime"]);
        assert!(!options.recursive && options.data.is_empty());
    }
}
