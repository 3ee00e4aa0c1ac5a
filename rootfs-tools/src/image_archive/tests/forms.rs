//! Honest archives of every form.

use std::fs;
use std::io::Write;

use serde_json::json;

use super::carrier::{Carrier, INDEX, MANIFEST, config, descriptor, index, layer, manifest, named};
use crate::digest::Digest;
use crate::layer::tests::builder::{Head, Tar, head};
use crate::store::tests::{Place, reference};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[test]
fn pure_a_docker_archive_is_loaded_under_its_name_with_its_id() {
    let place = Place::new();
    let (bottom, top) = (layer("a", b"bottom"), layer("b", b"top"));
    let loaded = place.load(&Carrier::docker("me/tool:1", &[&bottom, &top]).end()).unwrap();
    let id = Digest::of(config(&[&bottom, &top]).as_bytes());
    assert_eq!((loaded.len(), loaded[0].id, loaded[0].names.clone()), (1, id, vec!["me/tool:1".into()]));
    let image = place.store.find("me/tool:1").unwrap();
    assert_eq!((image.id, image.size, image.layer_sizes.clone()), (id, 9, vec![6, 3]));
    assert_eq!(fs::read(image.layers[0].join("b")).unwrap(), b"top", "the topmost first");
    assert_eq!(fs::read(image.layers[1].join("a")).unwrap(), b"bottom");
    assert!(image.text.contains("Healthcheck"), "the configuration is kept byte for byte");
    assert!(place.entries("scratch").is_empty());
}

#[test]
fn pure_an_oci_layout_is_loaded_too() {
    let place = Place::new();
    let only = layer("a", b"x");
    let loaded = place.load(&Carrier::layout("docker.io/library/x:1", &[&only]).end()).unwrap();
    assert_eq!(loaded[0].names, ["x:1"]);
    assert_eq!(place.store.find("x:1").unwrap().id, Digest::of(config(&[&only]).as_bytes()));
}

#[test]
fn pure_packed_layers_packed_archives_and_pipes_are_all_one_image() {
    let plain = layer("a", &[7; 100_000]);
    let packed = |packed: Vec<u8>| {
        Carrier::default()
            .with("config.json", config(&[&plain]))
            .with("layer", packed)
            .json("manifest.json", json!([{ "Config": "config.json", "RepoTags": ["x"], "Layers": ["layer"] }]))
            .end()
    };
    let archives = [
        packed(plain.clone()),
        packed(gzip(&plain)),
        packed(zstd(&plain)),
        gzip(&packed(plain.clone())),
        zstd(&packed(gzip(&plain))),
    ];
    for archive in archives {
        let place = Place::new();
        place.load(&archive).unwrap();
        assert_eq!(place.store.find("x").unwrap().id, Digest::of(config(&[&plain]).as_bytes()));
        // A pipe cannot be sought in.
        let place = Place::new();
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || writer.write_all(&archive).unwrap());
            place.load_file(fs::File::from(std::os::fd::OwnedFd::from(reader))).unwrap();
        });
        assert_eq!(place.store.find("x").unwrap().size, 100_000);
        assert!(place.entries("scratch").is_empty());
    }
}

#[test]
fn pure_several_images_share_layers_and_have_any_number_of_names() {
    let place = Place::new();
    let (base, one, two) = (layer("base", b"b"), layer("one", b"1"), layer("two", b"22"));
    let manifest = json!([
        { "Config": "1.json", "RepoTags": ["one:a", "one:b"], "Layers": ["base.tar", "one.tar"] },
        { "Config": "2.json", "RepoTags": null, "Layers": ["./base.tar", "two.tar"] },
    ]);
    let archive = Carrier::default()
        .json("manifest.json", manifest)
        .with("1.json", config(&[&base, &one]))
        .with("2.json", config(&[&base, &two]))
        .with("base.tar", &base)
        .with("one.tar", &one)
        .with("two.tar", &two);
    let loaded = place.load(&archive.end()).unwrap();
    assert_eq!(loaded[0].names, ["one:a", "one:b"]);
    assert!(loaded[1].names.is_empty());
    assert_eq!(place.layers().len(), 3);
    assert_eq!(place.store.find(&loaded[1].id.to_string()).unwrap().layer_sizes, [1, 2]);
}

#[test]
fn pure_a_layer_that_is_a_link_in_the_archive_is_found() {
    let place = Place::new();
    let shared = layer("a", b"x");
    let (a, b) = (config(&[&shared]), config(&[&shared]).replace("2026", "2025"));
    let manifest = json!([
        { "Config": "a.json", "RepoTags": ["a"], "Layers": ["a/layer.tar"] },
        { "Config": "b.json", "RepoTags": ["b"], "Layers": ["b/layer.tar"] },
    ]);
    let tar = Carrier::default().with("a.json", a).with("b.json", b).with("a/layer.tar", shared).tar();
    let tar = tar.symlink("b/layer.tar", "../a/layer.tar").file("manifest.json", manifest.to_string().as_bytes());
    assert_eq!(place.load(&tar.end()).unwrap().len(), 2);
}

#[test]
fn pure_the_same_layer_twice_in_one_image_is_mounted_once_where_it_is_higher() {
    let place = Place::new();
    let (a, b) = (layer("a", b"a"), layer("b", b"b"));
    place.load(&Carrier::docker("x", &[&a, &b, &a]).end()).unwrap();
    let image = place.store.find("x").unwrap();
    assert_eq!((image.layers.len(), image.layer_sizes.len()), (2, 3));
    assert!(image.layers[0].join("a").exists());
}

#[test]
fn pure_of_several_platforms_ours_is_taken_and_what_is_no_image_is_passed_over() {
    let place = Place::new();
    let only = layer("a", b"x");
    let config = config(&[&only]);
    let manifest = manifest(&config, &[&only]).to_string();
    let platform = |manifest: &str, architecture: &str, os: &str| {
        let mut descriptor = descriptor(MANIFEST, manifest.as_bytes());
        descriptor["platform"] = json!({ "architecture": architecture, "os": os });
        descriptor
    };
    let ours = oci_spec::image::Arch::default().to_string();
    let inner = index(&[
        platform("not in the archive", "s390x", "linux"),
        platform(&manifest, &ours, "linux"),
        platform("an attestation", "unknown", "unknown"),
    ])
    .to_string();
    let mut top = descriptor(INDEX, inner.as_bytes());
    top["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/x:latest" });
    let archive = Carrier::default().blob(&only).blob(&config).blob(&manifest).blob(&inner);
    let archive = archive.json("index.json", index(&[top, descriptor(MANIFEST, b"gone")]));
    let loaded = place.load(&archive.end()).unwrap();
    assert_eq!((loaded.len(), loaded[0].names.clone()), (1, vec!["x:latest".to_string()]));
}

#[test]
fn pure_docker_s_two_descriptions_of_one_image_agree() {
    let place = Place::new();
    let only = layer("a", b"x");
    let config = config(&[&only]);
    let blob = |bytes: &[u8]| super::super::blob(&Digest::of(bytes));
    let item = json!([{ "Config": blob(config.as_bytes()), "RepoTags": ["x:1"], "Layers": [blob(&only)] }]);
    let both = Carrier::layout("docker.io/library/x:1", &[&only]).json("manifest.json", item);
    assert_eq!(place.load(&both.end()).unwrap()[0].names, ["x:1"]);
    // Two descriptors of one manifest are two names of one image.
    let text = manifest(&config, &[&only]).to_string();
    let two = index(&[named(&text, "docker.io/library/x:1"), named(&text, "docker.io/library/y:2")]);
    let mut archive = Carrier::layout("x", &[&only]);
    archive.0.retain(|(name, _)| name != "index.json");
    assert_eq!(place.load(&archive.json("index.json", two).end()).unwrap()[0].names, ["x:1", "y:2"]);
}

#[test]
fn pure_a_name_that_moves_is_told_and_the_old_image_stays() {
    let place = Place::new();
    let old = place.import("old", "x");
    let loaded = place.load(&Carrier::docker("x", &[&layer("a", b"x")]).end()).unwrap();
    assert_eq!(loaded[0].displaced, [("x:latest".to_string(), old.id)]);
    assert!(place.store.find(&old.id.to_string()).unwrap().names.is_empty());
    assert!(place.load(&Carrier::docker("x", &[&layer("a", b"x")]).end()).unwrap()[0].displaced.is_empty());
}

#[test]
fn pure_layers_that_are_there_are_not_read_again() {
    let place = Place::new();
    let (base, top) = (layer("a", &[1; 50_000]), layer("b", b"x"));
    place.load(&Carrier::docker("base", &[&base]).end()).unwrap();
    let mut archive = Carrier::docker("x", &[&base, &top]);
    // Nobody looks at these bytes: the digest in the config has them already.
    archive.0[1].1 = b"damaged".to_vec();
    place.load(&archive.end()).unwrap();
    assert_eq!(place.store.find("x").unwrap().layer_sizes, [50_000, 1]);
}

/// Layers are unpacked side by side, on stacks of their own.
#[test]
fn pure_deep_names_in_many_layers_fit_on_every_stack() {
    let place = Place::new();
    let deep = "d/".repeat(255) + "f";
    let layers: Vec<Vec<u8>> =
        (0..5u8).map(|number| Tar::default().pax(&[("path", deep.as_bytes())]).file("x", &[number]).end()).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    place.load(&Carrier::docker("x", &layers).end()).unwrap();
    assert_eq!(fs::read(place.store.find("x").unwrap().layers[0].join(&deep)).unwrap(), [4]);
}

#[test]
fn pure_a_tag_more_leads_to_the_same_image() {
    let place = Place::new();
    let image = place.import("x", "x");
    place.store.tag("x", &reference("me/y:2")).unwrap();
    place.store.tag(&image.id.hex()[..6], &reference("z")).unwrap();
    assert_eq!(place.store.names_of(&image.id).unwrap(), ["x:latest", "z:latest", "me/y:2"]);
    assert!(place.store.tag("nosuch", &reference("q")).unwrap_err().sentence().contains("no such image: nosuch"));
    assert!(place.entries("scratch").is_empty());
}

#[test]
fn pure_entries_of_the_archive_that_are_no_files_do_not_disturb() {
    let place = Place::new();
    let only = layer("a", b"x");
    let mut tar = Tar::default().dir("0/").add(&head(b'6', "fifo"), b"");
    tar = tar.add(&Head { device: Some((1, 3)), ..head(b'3', "null") }, b"");
    tar.0.extend(Carrier::docker("x", &[&only]).tar().0);
    place.load(&tar.end()).unwrap();
}
