//! What an archive says is what the directory has.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::Playground;
use super::builder::{Head, Tar, head};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn pure_modes_times_and_links_are_as_written() {
    let play = Playground::new();
    let tar = Tar::default()
        .add(&Head { mode: 0o700, mtime: 5, ..head(b'5', "./") }, b"")
        .add(&Head { mode: 0o1777, mtime: 1000, ..head(b'5', "tmp/") }, b"")
        .add(&Head { mode: 0o4755, ..head(b'0', "tmp/su") }, b"program")
        .hardlink("tmp/su2", "./tmp/su")
        .add(&Head { link: b"../nowhere".to_vec(), mtime: 2000, ..head(b'2', "tmp/link") }, b"")
        .add(&Head { mode: 0o620, ..head(b'6', "pipe") }, b"")
        .pax(&[("mtime", b"-1.5")])
        .file("old", b"");
    let layer = play.unpack(tar).unwrap();
    assert_eq!(layer.size, 7);
    let root = fs::metadata(play.fs("")).unwrap();
    assert_eq!((root.mode() & 0o7777, root.mtime()), (0o700, 5));
    assert_eq!((mode(&play.fs("tmp")), fs::metadata(play.fs("tmp")).unwrap().mtime()), (0o1777, 1000));
    let program = fs::metadata(play.fs("tmp/su")).unwrap();
    assert_eq!((program.mode() & 0o7777, program.mtime(), program.nlink()), (0o4755, 1_700_000_000, 2));
    assert_eq!(fs::metadata(play.fs("tmp/su2")).unwrap().ino(), program.ino());
    assert_eq!(fs::read_link(play.fs("tmp/link")).unwrap(), Path::new("../nowhere"));
    assert_eq!(fs::symlink_metadata(play.fs("tmp/link")).unwrap().mtime(), 2000);
    assert!(fs::metadata(play.fs("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(mode(&play.fs("pipe")), 0o620);
    let old = fs::metadata(play.fs("old")).unwrap();
    assert_eq!((old.mtime(), old.mtime_nsec()), (-2, 500_000_000));
}

#[test]
fn pure_names_that_are_long_or_not_utf8_arrive_as_bytes() {
    let play = Playground::new();
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(255));
    let odd = b"caf\xe9/\xff\xfe\n";
    let tar = Tar::default()
        .add(&head(b'L', "././@LongLink"), [long.as_bytes(), b"\0"].concat().as_slice())
        .file("cut", b"gnu")
        .file(odd, b"odd")
        .add(&head(b'K', "././@LongLink"), [long.as_bytes(), b"\0"].concat().as_slice())
        .hardlink("hard", "cut")
        .pax(&[("path", b"p\xc3\xa9/\xff"), ("linkpath", b"\xfe")])
        .symlink("cut", "cut");
    play.unpack(tar).unwrap();
    assert_eq!(fs::read(play.fs(&long)).unwrap(), b"gnu");
    assert_eq!(fs::read(play.fs("hard")).unwrap(), b"gnu");
    assert_eq!(fs::read(play.fs("").join(OsStr::from_bytes(odd))).unwrap(), b"odd");
    let link = fs::read_link(play.fs("pé").join(OsStr::from_bytes(b"\xff"))).unwrap();
    assert_eq!(link.as_os_str().as_bytes(), b"\xfe");
}

#[test]
fn pure_of_two_entries_the_last_wins_and_directories_merge() {
    let play = Playground::new();
    let tar = Tar::default()
        .file("a", b"first")
        .hardlink("other", "a")
        .file("a", b"second")
        .dir("d")
        .file("d/kept", b"")
        .add(&Head { mode: 0o711, ..head(b'5', "d") }, b"")
        .dir("gone/deep/er")
        .file("gone", b"now a file")
        .file("self", b"self")
        .hardlink("self", "self");
    play.unpack(tar).unwrap();
    assert_eq!(fs::read(play.fs("a")).unwrap(), b"second");
    assert_eq!(fs::read(play.fs("other")).unwrap(), b"first");
    assert!(play.fs("d/kept").exists());
    assert_eq!(mode(&play.fs("d")), 0o711);
    assert_eq!(fs::read(play.fs("gone")).unwrap(), b"now a file");
    assert_eq!(fs::read(play.fs("self")).unwrap(), b"self");
}

#[test]
fn pure_parents_that_nobody_mentions_are_made() {
    let play = Playground::new();
    play.unpack(Tar::default().file("usr/share/doc/x", b"").add(&head(b'0', "v7dir/"), b"")).unwrap();
    assert_eq!(mode(&play.fs("usr")), 0o755);
    assert_eq!(mode(&play.fs("usr/share/doc")), 0o755);
    assert!(play.fs("v7dir").is_dir());
    // No clock in them: the same bytes give the same directory.
    assert_eq!((fs::metadata(play.fs("usr")).unwrap().mtime(), fs::metadata(play.fs("")).unwrap().mtime()), (0, 0));
}

#[test]
fn pure_blank_numbers_are_zero_and_nonsense_is_refused() {
    let play = Playground::new();
    let patched = |at: std::ops::Range<usize>, with: u8| {
        let mut tar = Tar::default().file("x", b"");
        tar.0[at].fill(with);
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&tar.0[..512]);
        header.set_cksum();
        tar.0[..512].copy_from_slice(header.as_bytes());
        tar
    };
    play.unpack(patched(100..108, 0)).unwrap();
    assert_eq!(mode(&play.fs("x")), 0);
    play.unpack(patched(136..148, b' ')).unwrap();
    assert_eq!(fs::metadata(play.fs("x")).unwrap().mtime(), 0);
    assert!(play.refused(patched(100..108, b'9')).contains("the mode in a header is no number"));
}

#[test]
fn root_owners_and_binary_capabilities_survive() {
    let play = Playground::new();
    // VFS_CAP_REVISION_2, effective; cap_dac_override and cap_fowner: the byte 0x0a, a newline.
    let capability = b"\x01\0\0\x02\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let tar = Tar::default()
        .pax(&[("SCHILY.xattr.security.capability", capability), ("uid", b"3000000000")])
        .add(&Head { mode: 0o6755, owner: (7, 8), ..head(b'0', "ping") }, b"x")
        .add(&Head { owner: (9, 10), link: b"ping".to_vec(), ..head(b'2', "link") }, b"");
    play.unpack(tar).unwrap();
    let meta = fs::metadata(play.fs("ping")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (3_000_000_000, 8, 0o6755));
    let mut value = [0u8; 64];
    let length = rustix::fs::getxattr(play.fs("ping"), "security.capability", &mut value).unwrap();
    assert_eq!(&value[..length], capability);
    let link = fs::symlink_metadata(play.fs("link")).unwrap();
    assert_eq!((link.uid(), link.gid()), (9, 10));
}

#[test]
fn root_whiteouts_become_those_of_overlayfs() {
    let play = Playground::new();
    let tar = Tar::default()
        .dir("d")
        .file("d/.wh..wh..opq", b"")
        .file("d/.wh.hidden", b"")
        .file("here", b"mine")
        .file(".wh.here", b"")
        .file(".wh.later", b"")
        .file("later", b"mine too")
        .file(".wh..wh.plnk", b"aufs");
    play.unpack(tar).unwrap();
    let hidden = fs::symlink_metadata(play.fs("d/hidden")).unwrap();
    assert!(hidden.file_type().is_char_device() && hidden.rdev() == 0);
    let mut value = [0u8; 8];
    let length = rustix::fs::getxattr(play.fs("d"), "trusted.overlay.opaque", &mut value).unwrap();
    assert_eq!(&value[..length], b"y");
    assert_eq!(fs::read(play.fs("here")).unwrap(), b"mine");
    assert_eq!(fs::read(play.fs("later")).unwrap(), b"mine too");
    assert_eq!(fs::read_dir(play.fs("")).unwrap().count(), 3);
}

/// GNU tar itself writes files with holes in each of its three forms.
#[test]
fn root_files_with_holes_keep_content_and_holes() {
    let source = tempfile::tempdir().unwrap();
    let file = fs::File::create(source.path().join("holes")).unwrap();
    for at in (0..60u64).map(|n| n * 100_000) {
        std::os::unix::fs::FileExt::write_all_at(&file, b"data", at).unwrap();
    }
    file.set_len(50 << 20).unwrap();
    for form in [&["--format=gnu"][..], &["--format=pax"], &["--format=pax", "--sparse-version=0.1"]] {
        let play = Playground::new();
        let mut tar = Command::new("tar");
        tar.args(["--sparse", "-C"]).arg(source.path()).args(form).args(["-cf", "-", "holes"]);
        let archive = tar.output().unwrap().stdout;
        let skeleton = super::Skeleton::new();
        super::super::unpack(archive.as_slice(), &play.fs(""), &skeleton.path()).unwrap();
        assert!(play.rebuilt(&skeleton) == archive, "{form:?}");
        let same = fs::read(play.fs("holes")).unwrap() == fs::read(source.path().join("holes")).unwrap();
        assert!(same, "{form:?}");
        assert!(fs::metadata(play.fs("holes")).unwrap().blocks() * 512 < 2 << 20, "{form:?}");
    }
}

/// What a tree is, for comparison: kind, mode, time and content of each path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Directory(u32),
    File(u32, Vec<u8>),
    Symlink(Vec<u8>),
    Fifo(u32),
}

pub(crate) type Tree = BTreeMap<Vec<u8>, Node>;

fn name() -> impl Strategy<Value = Vec<u8>> {
    // Any bytes but NUL and "/", and neither "." and ".." nor a whiteout.
    let bytes = prop::collection::vec(any::<u8>().prop_map(|b| if matches!(b, 0 | b'/') { b'x' } else { b }), 1..40);
    bytes.prop_map(|name| if name.starts_with(b".") { [b"_", name.as_slice()].concat() } else { name })
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        (0o700..0o7777u32).prop_map(|mode| Node::Directory(mode | 0o700)),
        (0..0o7777u32, prop::collection::vec(any::<u8>(), 0..2000)).prop_map(|(mode, data)| Node::File(mode, data)),
        name().prop_map(Node::Symlink),
        (0..0o777u32).prop_map(Node::Fifo),
    ]
}

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    prop::collection::vec((prop::collection::vec(name(), 1..4), node()), 0..30).prop_map(|nodes| {
        let mut tree = Tree::new();
        for (path, node) in nodes {
            let parents: Vec<Vec<u8>> = (1..path.len()).map(|end| path[..end].join(&b'/')).collect();
            let blocked = parents.iter().any(|at| tree.get(at).is_some_and(|node| !matches!(node, Node::Directory(_))));
            let path = path.join(&b'/');
            if blocked || tree.contains_key(&path) {
                continue;
            }
            for parent in parents {
                tree.entry(parent).or_insert(Node::Directory(0o755));
            }
            tree.insert(path, node);
        }
        tree
    })
}

pub(crate) fn pack(tree: &Tree) -> Tar {
    tree.iter().fold(Tar::default().dir("./"), |tar, (path, node)| {
        let note = note(path, node);
        let mut records: Vec<(&str, &[u8])> = vec![("path", path), ("mtime", b"123456789.987654321")];
        records.extend(note.as_ref().map(|value| ("SCHILY.xattr.user.note", value.as_slice())));
        let tar = tar.pax(&records);
        match node {
            Node::Directory(mode) => tar.add(&Head { mode: *mode, ..head(b'5', "x") }, b""),
            Node::File(mode, data) => tar.add(&Head { mode: *mode, ..head(b'0', "x") }, data),
            Node::Symlink(target) => tar.symlink("x", target),
            Node::Fifo(mode) => tar.add(&Head { mode: *mode, ..head(b'6', "x") }, b""),
        }
    })
}

/// Every other file and directory has an attribute: the bytes of its own path.
fn note(path: &[u8], node: &Node) -> Option<Vec<u8>> {
    let can_have_one = matches!(node, Node::File(..) | Node::Directory(_));
    (can_have_one && path.len().is_multiple_of(2)).then(|| path.to_vec())
}

fn read(root: &Path, below: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        let there = root.join(&path);
        let meta = fs::symlink_metadata(&there).unwrap();
        assert_eq!((meta.mtime(), meta.mtime_nsec()), (123_456_789, 987_654_321), "{}", path.display());
        let mode = meta.mode() & 0o7777;
        let node = match meta.file_type() {
            kind if kind.is_dir() => Node::Directory(mode),
            kind if kind.is_symlink() => Node::Symlink(fs::read_link(&there).unwrap().as_os_str().as_bytes().to_vec()),
            kind if kind.is_fifo() => Node::Fifo(mode),
            _ => Node::File(mode, fs::read(&there).unwrap()),
        };
        if matches!(node, Node::Directory(_)) {
            read(root, &path, tree);
        }
        let path = path.as_os_str().as_bytes().to_vec();
        let mut value = vec![0; 4096];
        let found = rustix::fs::lgetxattr(&there, "user.note", &mut value).ok().map(|length| value[..length].to_vec());
        assert_eq!(found, note(&path, &node));
        tree.insert(path, node);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Needs root only to read back files whose mode forbids it.
    #[test]
    fn root_a_random_tree_is_the_same_after_tar_and_unpack(tree in tree()) {
        let play = Playground::new();
        play.unpack(pack(&tree)).unwrap();
        let mut back = Tree::new();
        read(&play.fs(""), Path::new(""), &mut back);
        prop_assert_eq!(back, tree);
    }
}
