//! Archives that lie, want out, or have no end.

use serde_json::json;

use super::carrier::{Carrier, INDEX, MANIFEST, config, config_of, descriptor, index, layer, manifest, named};
use crate::digest::Digest;
use crate::layer::tests::builder::{Head, Tar, head};
use crate::store::tests::Place;

/// An archive of one image with this manifest.json.
fn with_manifest(text: &str) -> Vec<u8> {
    let only = layer("a", b"x");
    let mut archive = Carrier::docker("x", &[&only]);
    archive.0.retain(|(name, _)| name != "manifest.json");
    archive.with("manifest.json", text).end()
}

#[test]
fn pure_bad_manifests_are_sentences() {
    let place = Place::new();
    let item = |config: &str, tag: &str, layer: &str| {
        json!([{ "Config": config, "RepoTags": [tag], "Layers": [layer] }]).to_string()
    };
    let many = vec!["0/layer.tar"; 600];
    let cases = [
        ("nonsense".to_string(), "manifest.json is damaged"),
        ("[]".into(), "lists 0 images"),
        ("{}".into(), "manifest.json is damaged"),
        ("[{}]".into(), "missing field"),
        (r#"[{"Config":"config.json","Config":"b","Layers":[]}]"#.into(), "duplicate field"),
        ("[".repeat(100_000), "manifest.json is damaged"),
        (item("../config.json", "x", "0/layer.tar"), "no member \"../config.json\""),
        (item("/etc/passwd", "x", "0/layer.tar"), "no member"),
        (item("nosuch.json", "x", "0/layer.tar"), "no member \"nosuch.json\""),
        (item("config.json", "x", "../../../etc/passwd"), "no member"),
        (item("config.json", "x", "1/layer.tar"), "no member \"1/layer.tar\""),
        (item("config.json", "../x", "0/layer.tar"), "invalid reference format"),
        (item("config.json", "x:..", "0/layer.tar"), "a tag has"),
        (item("config.json", &format!("x@sha256:{}", "0".repeat(64)), "0/layer.tar"), "with a digest"),
        (item("0/layer.tar", "x", "0/layer.tar"), "is damaged"),
        (json!([{ "Config": "config.json", "Layers": [] }]).to_string(), "names 1 layers, and the archive lists 0"),
        (json!([{ "Config": "config.json", "Layers": many }]).to_string(), "the archive lists 600"),
        (item("config.json", &"x".repeat(250), "0/layer.tar"), "longer than 255"),
        (format!("[{}]", " ".repeat(5 << 20)), "larger than 4 MiB"),
    ];
    for (text, sentence) in cases {
        let said = place.refused(&with_manifest(&text));
        assert!(said.contains(sentence), "{said:?} should say {sentence:?}");
        assert!(said.len() < 600, "{} letters: {said}", said.len());
    }
}

#[test]
fn pure_bad_configs_are_sentences() {
    let place = Place::new();
    let only = layer("a", b"x");
    let diff_id = Digest::of(&only).to_string();
    let good = config(&[&only]);
    let huge = good.replace("\"sh\"", &format!("\"{}\"", "x".repeat(5 << 20)));
    let cases = [
        ("nonsense".to_string(), "is damaged"),
        (good.replace("linux", "windows"), "is of an image for windows"),
        (config_of(&[]), "names no layers"),
        (config_of(&["sha256:xyz".into()]), "64 lower-case hex digits"),
        (config_of(&["../../etc".into()]), "begins with sha256:"),
        (config_of(&vec![diff_id; 501]), "names 501 layers"),
        (huge, "larger than 4 MiB"),
    ];
    for (config, sentence) in cases {
        let mut archive = Carrier::docker("x", &[&only]);
        archive.0[0].1 = config.into_bytes();
        let said = place.refused(&archive.end());
        assert!(said.contains(sentence), "{said:?} should say {sentence:?}");
    }
}

#[test]
fn pure_a_layer_that_is_not_what_the_config_names_leaves_nothing() {
    let place = Place::new();
    let (good, promised) = (layer("good", b"x"), layer("promised", b"x"));
    let mut archive = Carrier::docker("x", &[&good, &promised]);
    archive.0[2].1 = layer("other", b"y");
    let said = place.refused(&archive.end());
    assert!(said.contains("1/layer.tar: its digest is sha256:") && said.contains("the image's config names"), "{said}");
    archive.0[2].1 = b"no tar at all".to_vec();
    assert!(place.refused(&archive.end()).contains("the layer 1/layer.tar: it is not a tar archive"));
}

#[test]
fn pure_blobs_and_configs_have_the_digests_by_which_they_are_called() {
    let place = Place::new();
    let only = layer("a", b"x");
    for (at, sentence) in [(1, "is not what its digest says"), (2, "is not what its digest says")] {
        let mut archive = Carrier::layout("x:1", &[&only]);
        archive.0[at].1.push(b' ');
        let said = place.refused(&archive.end());
        assert!(said.contains(sentence), "{said}");
    }
    let mut sized = named(&manifest(&config(&[&only]), &[&only]).to_string(), "x:1");
    sized["size"] = json!(7);
    let mut archive = Carrier::layout("x:1", &[&only]);
    archive.0.retain(|(name, _)| name != "index.json");
    assert!(place.refused(&archive.json("index.json", index(&[sized])).end()).contains("bytes and not 7"));
}

/// Two readers of one document, or of one archive, must see one image.
#[test]
fn pure_ambiguous_documents_are_refused() {
    let place = Place::new();
    let only = layer("a", b"x");
    let config = config(&[&only]);
    let good = manifest(&config, &[&only]);
    let mut both = good.clone();
    both["manifests"] = json!([]);
    let mut half = good.clone();
    half.as_object_mut().unwrap().remove("config");
    let mut typed = good.clone();
    typed["mediaType"] = json!(INDEX);
    let mut old = good.clone();
    old["fsLayers"] = json!([{ "blobSum": "x" }]);
    for document in [both.clone(), half, typed, old] {
        let text = document.to_string();
        let archive = Carrier::default().blob(&only).blob(&config).blob(&text);
        let said = place.refused(&archive.json("index.json", index(&[named(&text, "x:1")])).end());
        assert!(said.contains("ambiguous"), "{said}");
    }
    let text = good.to_string();
    let mistaken = descriptor(INDEX, text.as_bytes());
    let archive = Carrier::default().blob(&only).blob(&config).blob(&text);
    assert!(place.refused(&archive.clone().json("index.json", index(&[mistaken])).end()).contains("ambiguous"));
    assert!(place.refused(&archive.json("index.json", both).end()).contains("ambiguous"));
}

#[test]
fn pure_two_descriptions_of_different_images_are_refused() {
    let place = Place::new();
    let (seen, hidden) = (layer("a", b"seen"), layer("a", b"hidden"));
    let config = config(&[&hidden]);
    let blob = |bytes: &[u8]| super::super::blob(&Digest::of(bytes));
    let item = json!([{ "Config": blob(config.as_bytes()), "RepoTags": ["x:1"], "Layers": [blob(&hidden)] }]);
    let archive = Carrier::layout("x:1", &[&seen]).blob(&config).blob(&hidden).json("manifest.json", item);
    let said = place.refused(&archive.end());
    assert!(said.contains("ambiguous") && said.contains("index.json does not"), "{said}");
}

#[test]
fn pure_members_of_one_name_are_refused_if_they_are_asked_for() {
    let place = Place::new();
    let only = layer("a", b"x");
    for twice in ["manifest.json", "config.json", "0/layer.tar"] {
        let archive = Carrier::docker("x", &[&only]);
        let again = archive.0.iter().find(|(name, _)| name == twice).unwrap().1.clone();
        let said = place.refused(&archive.with(&format!("./{twice}"), again).end());
        assert!(said.contains("is there more than once"), "{said}");
    }
    place.load(&Carrier::docker("x", &[&only]).with("README", "1").with("README", "2").end()).unwrap();
}

#[test]
fn pure_links_of_the_archive_lead_nowhere_else() {
    let place = Place::new();
    let only = layer("a", b"x");
    let with_link = |target: &str| {
        let mut archive = Carrier::docker("x", &[&only]);
        archive.0.retain(|(name, _)| name != "0/layer.tar");
        archive.tar().symlink("0/layer.tar", target).end()
    };
    assert!(place.refused(&with_link("/etc/passwd")).contains("leads out of the archive"));
    assert!(place.refused(&with_link("../../etc/passwd")).contains("leads out of the archive"));
    assert!(place.refused(&with_link("layer.tar")).contains("leads to no file"));
    assert!(place.refused(&with_link("nosuch")).contains("no member"));
}

#[test]
fn pure_what_carries_no_images_says_so() {
    let place = Place::new();
    let said = place.refused(&Tar::default().file("etc/passwd", b"root").end());
    assert!(said.contains("pontoon image import"), "{said}");
    assert!(place.refused(b"").contains("it is empty"));
    assert!(place.refused(b"#!/bin/sh\necho hello\n").contains("not a tar archive"));
    assert!(place.refused(&Tar::default().file("../manifest.json", b"[]").end()).contains("leads upwards"));
    let nothing = Carrier::default().json("index.json", index(&[descriptor(MANIFEST, b"gone")]));
    assert!(place.refused(&nothing.end()).contains("no image for this machine"));
}

#[test]
fn pure_every_truncation_leaves_nothing() {
    let place = Place::new();
    let whole = Carrier::docker("x", &[&layer("a", &[7; 3000])]).end();
    for cut in (0..whole.len() - 1024).step_by(300) {
        place.refused(&whole[..cut]);
    }
    place.load(&whole).unwrap();
}

#[test]
fn pure_sizes_and_names_are_bounded_before_memory_is_taken() {
    let place = Place::new();
    let sized = |size: u64| Tar::default().add(&Head { size: Some(size), ..head(b'0', "manifest.json") }, b"[]");
    assert!(place.refused(&sized(1 << 50).end()).contains("truncated"));
    assert!(place.refused(&sized(u64::MAX).end()).contains("larger than any file"));
    let mut names = Tar::default();
    for number in 0..4_500 {
        names = names.pax(&[("path", format!("{number}{}", "x".repeat(4000)).as_bytes())]).file("x", b"");
    }
    assert!(place.refused(&names.end()).contains("longer than 16 MiB"));
    // 1,000 images of one 4 MiB config: the documents that are read have a limit, too.
    let large = config(&[&layer("a", b"x")]).replace("\"sh\"", &format!("\"{}\"", "x".repeat(4_000_000)));
    let item = json!({ "Config": "config.json", "Layers": ["0/layer.tar"] });
    let mut archive = Carrier::docker("x", &[&layer("a", b"x")]);
    archive.0.retain(|(name, _)| name == "0/layer.tar");
    let archive = archive.with("config.json", large).json("manifest.json", json!(vec![item.clone(); 1000]));
    assert!(place.refused(&archive.end()).contains("together than 64"));
    let archive = Carrier::docker("x", &[&layer("a", b"x")]);
    let mut archive = Carrier(archive.0.into_iter().filter(|(name, _)| name != "manifest.json").collect());
    archive = archive.json("manifest.json", json!(vec![item; 1001]));
    assert!(place.refused(&archive.end()).contains("lists 1001 images"));
}

#[test]
fn pure_indexes_without_end_are_refused() {
    let place = Place::new();
    let mut document = index(&[descriptor(MANIFEST, b"x")]).to_string();
    let mut archive = Carrier::default();
    for _ in 0..20 {
        archive = archive.blob(&document);
        let mut next = descriptor(INDEX, document.as_bytes());
        next["platform"] = json!({ "os": "linux", "architecture": oci_spec::image::Arch::default().to_string() });
        document = index(&[next]).to_string();
    }
    assert!(
        place
            .refused(&archive.json("index.json", serde_json::from_str(&document).unwrap()).end())
            .contains("without end")
    );
}

#[test]
fn pure_a_layer_in_the_archive_cannot_reach_out_of_its_directory() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let out = outside.path().as_os_str().as_encoded_bytes();
    let first = Tar::default().symlink("out", out).end();
    // The second layer is unpacked where the first one's link is not: what it makes is its own.
    let second = Tar::default().file("out/evil", b"x").file("out/.wh.secret", b"").file("etc/.wh.x", b"").end();
    let loaded = place.load(&Carrier::docker("x", &[&first, &second]).end());
    let rights = std::fs::metadata(outside.path()).unwrap().permissions();
    assert!(outside.path().join("secret").exists() && !outside.path().join("evil").exists());
    assert_eq!(std::fs::metadata(outside.path()).unwrap().permissions(), rights);
    if loaded.is_ok() {
        let image = place.store.find("x").unwrap();
        assert!(std::fs::symlink_metadata(image.layers[0].join("out")).unwrap().is_dir());
    }
    let third = Tar::default().hardlink("stolen", "out/secret").end();
    assert!(place.refused(&Carrier::docker("y", &[&first, &third]).end()).contains("not there"));
}
