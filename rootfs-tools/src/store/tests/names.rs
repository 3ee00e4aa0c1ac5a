//! Finding and listing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Place, archive, options, reference};
use crate::Error;

#[test]
fn pure_an_image_is_found_by_every_name_it_has() {
    let place = Place::new();
    let image = place.import("one", "me/tool:1");
    let hex = image.id.hex();
    for name in
        ["me/tool:1", "docker.io/me/tool:1", &hex, &image.id.to_string(), &hex[..12], &format!("sha256:{}", &hex[..3])]
    {
        assert_eq!(place.store.find(name).unwrap().id, image.id, "{name}");
    }
    let pinned = format!("me/tool:1@{}", image.id);
    assert_eq!(place.store.find(&pinned).unwrap().names, ["me/tool:1"]);
    assert_eq!(fs::read(image.layers[0].join("file")).unwrap(), b"one");
    assert_eq!(image.size, 3);
    assert_eq!(image.config.rootfs().diff_ids(), &[crate::Digest::of(&archive("one")).to_string()]);
}

#[test]
fn pure_what_is_not_there_is_a_matchable_sentence() {
    let place = Place::new();
    place.import("one", "me/tool:1");
    for name in ["busybox", "me/tool", &"0".repeat(64), &format!("me/tool:1@sha256:{}", "0".repeat(64))] {
        let error = place.store.find(name).unwrap_err();
        assert!(matches!(error, Error::NoSuchImage(_)), "{name}");
        assert_eq!(error.sentence(), format!("no such image: {name}"));
    }
    for name in ["", "UPPER", "a b", "../lock", "a/../../lock", "a%b", "x:"] {
        assert!(matches!(place.store.find(name), Err(Error::InvalidReference { .. })), "{name}");
    }
}

#[test]
fn pure_a_beginning_shared_by_two_ids_is_ambiguous() {
    let place = Place::new();
    // Among 17 ids two share their first digit.
    let ids: Vec<String> = (0..17).map(|n| place.import(&n.to_string(), "x").id.hex()).collect();
    let shared = ids.iter().find(|id| ids.iter().filter(|other| other[..1] == id[..1]).count() > 1).unwrap();
    let said = place.store.find(&shared[..1]).unwrap_err().sentence();
    assert!(said.contains("is ambiguous"), "{said}");
}

#[test]
fn pure_a_name_moves_to_the_newer_image() {
    let place = Place::new();
    let old = place.import("old", "x");
    let new = place.import("new", "x");
    assert_eq!(place.store.find("x").unwrap().id, new.id);
    assert!(place.store.find(&old.id.to_string()).unwrap().names.is_empty());
    assert_eq!(place.store.list().unwrap().len(), 2);
}

#[test]
fn pure_the_same_archive_is_the_same_image_and_one_layer() {
    let place = Place::new();
    let one = place.import("same", "a");
    let two = place.import("same", "b:2");
    assert_eq!(one.id, two.id);
    assert_eq!(place.layers().len(), 1);
    assert_eq!(place.store.names_of(&one.id).unwrap(), ["a:latest", "b:2"]);
    assert_eq!(place.store.list().unwrap()[0].names, ["a:latest", "b:2"]);
    // Without a fixed date, two imports are two images of one layer.
    let dated = place.store.import(archive("same").as_slice(), None, crate::ImportOptions::default()).unwrap();
    assert_ne!(dated.id, one.id);
    assert_eq!((dated.layers.clone(), place.layers().len()), (one.layers.clone(), 1));
    assert_eq!(place.store.list().unwrap()[0].id, dated.id, "newest first");
}

#[test]
fn pure_lower_directories_have_short_paths_and_the_store_is_private() {
    let place = Place::new();
    let image = place.import("x", "x");
    let root = place.dir.path().join("images");
    assert_eq!(image.layers[0].strip_prefix(&root).unwrap().as_os_str().len(), "l/".len() + 22);
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(super::Store::open(&root).unwrap().find("x").is_ok());
}

#[test]
fn pure_labels_do_not_change_the_id_by_their_order() {
    let place = Place::new();
    let mut config = oci_spec::image::Config::default();
    let labels = || (0..20).map(|n| (format!("label{n}"), "x".to_string())).collect();
    let mut import = || {
        config.set_labels(Some(labels()));
        let options = crate::ImportOptions { config: config.clone(), ..options() };
        place.store.import(archive("x").as_slice(), Some(&reference("x")), options).unwrap().id
    };
    assert_eq!(import(), import());
}

#[test]
fn pure_a_name_too_long_for_a_file_is_refused_before_unpacking() {
    let place = Place::new();
    let name = reference(&format!("{}:{}", "x".repeat(200), "t".repeat(100)));
    let unread = std::io::repeat(0);
    let said = place.store.import(unread, Some(&name), options()).unwrap_err().sentence();
    assert!(said.contains("longer than 255"), "{said}");
}
