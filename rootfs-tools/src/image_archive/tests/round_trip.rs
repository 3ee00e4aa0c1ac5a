//! Save, then load somewhere else: the same ids and the same trees.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::carrier::{Carrier, layer};
use crate::digest::Digest;
use crate::layer::tests::builder::{Head, Tar, head};
use crate::layer::tests::faithful;
use crate::store::tests::Place;

/// A layer with one of everything.
pub(super) fn motley() -> Vec<u8> {
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    // VFS_CAP_REVISION_2 with a newline in its bits.
    let capability = b"\x01\0\0\x02\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    Tar::default()
        .add(&Head { mode: 0o755, mtime: 12, ..head(b'5', "./") }, b"")
        .add(&Head { mode: 0o1777, ..head(b'5', "tmp/") }, b"")
        .add(&Head { mode: 0o4755, owner: (7, 8), ..head(b'0', "su") }, b"program")
        .hardlink("su2", "su")
        .pax(&[("SCHILY.xattr.security.capability", capability), ("mtime", b"123.456")])
        .file("ping", b"ping")
        .symlink("link", "su")
        .pax(&[("SCHILY.xattr.user.note", b"a\nb")])
        .dir("noted")
        .add(&Head { device: Some((1, 3)), ..head(b'3', "null") }, b"")
        .add(&head(b'6', "fifo"), b"")
        .add(&head(b'L', "././@LongLink"), [long.as_bytes(), b"\0"].concat().as_slice())
        .file("cut", b"long")
        .file(b"caf\xe9\xff", b"not UTF-8")
        .file("noted/.wh.gone", b"")
        .file("noted/.wh..wh..opq", b"")
        .file("lib", b"replaced")
        .dir("usr/lib")
        .symlink("lib", "usr/lib")
        .file("lib/below", b"behind a link of its own")
        .end()
}

/// Everything that a tree is, one line an entry: owners, modes, times, links, devices, content, attributes.
fn tree(root: &Path) -> Vec<String> {
    let mut lines = vec![line(root, root)];
    let mut rest = vec![root.to_path_buf()];
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            lines.push(line(root, &path));
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                rest.push(path);
            }
        }
    }
    lines.sort();
    lines
}

fn line(root: &Path, path: &Path) -> String {
    let meta = fs::symlink_metadata(path).unwrap();
    let size = if meta.is_dir() { 0 } else { meta.size() };
    let content = if meta.is_file() { Digest::of(&fs::read(path).unwrap()).hex() } else { String::new() };
    let name = path.strip_prefix(root).unwrap();
    let numbers = (meta.mode(), meta.uid(), meta.gid(), meta.rdev(), size, meta.mtime(), meta.mtime_nsec());
    let links = if meta.is_dir() { 0 } else { meta.nlink() };
    format!("{name:?} {numbers:?} {links} {:?} {:?} {content}", fs::read_link(path).ok(), attributes(path))
}

fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0u8; 65536];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut all: Vec<_> = names
        .map(|name| {
            let mut value = vec![0u8; 65536];
            let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            (name.to_vec(), value[..length].to_vec())
        })
        .collect();
    all.sort();
    all
}

#[track_caller]
fn same_trees(one: &Path, other: &Path) {
    // The short way is a link.
    let (one, other) = (&one.canonicalize().unwrap(), &other.canonicalize().unwrap());
    for (one, other) in tree(one).iter().zip(&tree(other)) {
        assert_eq!(one, other);
    }
    assert_eq!(tree(one).len(), tree(other).len());
}

#[test]
fn root_what_is_saved_is_loaded_with_the_same_ids_and_trees() {
    let (here, there) = (Place::new(), Place::new());
    let (motley, top) = (motley(), layer("top", b"x"));
    here.load(&Carrier::docker("x", &[&motley, &top]).end()).unwrap();
    let image = here.store.find("x").unwrap();
    let saved = here.save(&["x"]);
    assert!(saved == here.save(&["x"]), "the same image is the same archive");
    let loaded = there.load(&saved).unwrap();
    assert_eq!((loaded[0].id, loaded[0].names.clone()), (image.id, vec!["x:latest".to_string()]));
    let twin = there.store.find("x").unwrap();
    assert_eq!((twin.text.clone(), twin.size, twin.layer_sizes.clone()), (image.text, image.size, image.layer_sizes));
    for (one, other) in image.layers.iter().zip(&twin.layers) {
        same_trees(one, other);
    }
    assert!(there.save(&["x"]) == saved);
}

#[test]
fn root_both_descriptions_in_a_saved_archive_lead_to_the_same_image() {
    let here = Place::new();
    let motley = motley();
    here.load(&Carrier::docker("me/x:1", &[&motley]).end()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut saved = tar::Archive::new(std::io::Cursor::new(here.save(&["me/x:1"])));
    saved.unpack(dir.path()).unwrap();
    for gone in ["manifest.json", "index.json"] {
        let there = Place::new();
        let pack = Command::new("tar").arg("-C").arg(dir.path()).args(["--exclude", gone, "-c", "."]).output().unwrap();
        let loaded = there.load(&pack.stdout).unwrap();
        assert_eq!(
            (loaded[0].id, loaded[0].names.clone()),
            (here.store.find("me/x:1").unwrap().id, vec!["me/x:1".into()])
        );
    }
}

#[test]
fn pure_a_name_without_a_tag_is_all_its_tags_and_an_id_is_none() {
    let place = Place::new();
    place.import("one", "x:1");
    place.import("two", "x:2");
    place.import("other", "xy");
    let there = Place::new();
    let mut names: Vec<String> =
        there.load(&place.save(&["x"])).unwrap().into_iter().flat_map(|one| one.names).collect();
    names.sort();
    assert_eq!(names, ["x:1", "x:2"]);
    let id = place.store.find("xy").unwrap().id;
    let loaded = there.load(&place.save(&[&id.hex()[..12], "x:1", "x:1"])).unwrap();
    assert_eq!((loaded.len(), loaded[0].id, loaded[0].names.len(), loaded[1].names.len()), (2, id, 0, 1));
    let said = place.store.save(&["nosuch".into()], Vec::new()).unwrap_err().sentence();
    assert_eq!(said, "no such image: nosuch");
}

#[test]
fn pure_a_layer_whose_files_were_changed_is_not_saved() {
    let place = Place::new();
    let image = place.import("content", "x");
    fs::write(image.layers[0].join("file"), "tampers").unwrap();
    let said = place.store.save(&["x".into()], Vec::new()).unwrap_err().sentence();
    assert!(said.contains("its files are not as they were unpacked"), "{said}");
    fs::write(image.layers[0].join("file"), "").unwrap();
    assert!(place.store.save(&["x".into()], Vec::new()).is_err());
    fs::remove_file(image.layers[0].join("file")).unwrap();
    let said = place.store.save(&["x".into()], Vec::new()).unwrap_err().sentence();
    assert!(said.contains("No such file"), "{said}");
}

#[test]
fn pure_a_layer_of_an_older_store_gets_its_skeleton_when_it_comes_again() {
    let place = Place::new();
    let image = place.import("content", "x");
    let skeleton = place.entries("layers").into_iter().find(|name| name.ends_with(".skeleton")).unwrap();
    fs::remove_dir_all(place.dir.path().join("images/layers").join(skeleton)).unwrap();
    let said = place.store.save(&["x".into()], Vec::new()).unwrap_err().sentence();
    assert!(said.contains("load or import its image once more"), "{said}");
    assert_eq!(place.import("content", "x").id, image.id);
    place.save(&["x"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any number of layers with any names, modes, links and attributes. Needs root to read what modes forbid.
    #[test]
    fn root_random_trees_are_the_same_after_save_and_load(trees in prop::collection::vec(faithful::tree(), 1..4)) {
        let layers: Vec<Vec<u8>> = trees.iter().map(|tree| faithful::pack(tree).end()).collect();
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let (here, there) = (Place::new(), Place::new());
        here.load(&Carrier::docker("x", &layers).end()).unwrap();
        let saved = here.save(&["x"]);
        there.load(&saved).unwrap();
        let (one, other) = (here.store.find("x").unwrap(), there.store.find("x").unwrap());
        prop_assert_eq!((one.id, one.size), (other.id, other.size));
        for (one, other) in one.layers.iter().zip(&other.layers) {
            same_trees(one, other);
        }
        prop_assert!(there.save(&["x"]) == saved);
    }
}
