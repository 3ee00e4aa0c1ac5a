//! Archives that want out, lie, or end too early. `Playground` checks after each that nothing outside has changed.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::Playground;
use super::builder::{Head, Tar, head};

#[test]
fn pure_links_lead_to_the_layers_own_root() {
    let play = Playground::new();
    let outside = play.outside();
    let tar = Tar::default()
        .symlink("abs", "/")
        .file("abs/one", b"1")
        .dir("etc")
        .symlink("up", "../../../../../etc")
        .file("up/two", b"2")
        .symlink("out", outside.as_os_str().as_encoded_bytes());
    play.unpack(tar).unwrap();
    assert_eq!(fs::read(play.fs("one")).unwrap(), b"1");
    assert_eq!(fs::read(play.fs("etc/two")).unwrap(), b"2");
}

#[test]
fn pure_nothing_is_made_behind_a_link_that_leads_out() {
    let play = Playground::new();
    let outside = play.outside();
    let out = || Tar::default().symlink("out", outside.as_os_str().as_encoded_bytes());
    assert!(play.refused(out().file("out/evil", b"x")).contains("make the directory out"));
    assert!(play.refused(out().file("out/deep/evil", b"x")).contains("make the directory out"));
    assert!(play.refused(out().hardlink("evil", "out/secret")).contains("which is not there"));
    let relative = Tar::default().symlink("rel", "../outside").file("rel/evil", b"x");
    assert!(play.refused(relative).contains("make the directory rel"));
}

/// A whiteout is an entry like any other: where it would be made counts.
#[test]
fn pure_whiteouts_behind_links_touch_nothing_outside() {
    let play = Playground::new();
    let outside = play.outside();
    let out = |name: &str| {
        let link = Tar::default().symlink("out", outside.as_os_str().as_encoded_bytes());
        link.file(format!("out/{name}"), b"")
    };
    for whiteout in [".wh.secret", ".wh..wh..opq", ".wh...", "deep/.wh.x"] {
        let said = play.refused(out(whiteout));
        assert!(said.contains("make the directory out") || said.contains("hides no name"), "{whiteout}: {said}");
    }
    assert!(play.refused(Tar::default().file("../outside/.wh.secret", b"")).contains("leads upwards"));
    assert!(play.refused(Tar::default().file("a/.wh..", b"")).contains("hides no name"));
    // A whiteout of a link hides the link.
    play.unpack(Tar::default().symlink("l", "../outside").file(".wh.l", b"")).unwrap();
    assert!(fs::symlink_metadata(play.fs("l")).unwrap().is_symlink());
}

/// chmod(2), chown(2) and utimensat(2) follow links unless they are told not to (CVE-2026-33056).
#[test]
fn pure_modes_and_times_of_entries_do_not_go_through_links() {
    let play = Playground::new();
    let outside = play.outside();
    let before = fs::metadata(&outside).unwrap();
    let target = outside.as_os_str().as_encoded_bytes();
    let loose = |kind, name: &str| Head { mode: 0o7777, mtime: 1, ..head(kind, name) };
    let tar = Tar::default()
        .symlink("a", target)
        .add(&loose(b'5', "a/"), b"")
        .add(&Head { link: target.to_vec(), ..loose(b'2', "b") }, b"")
        .hardlink("c", "b")
        .add(&loose(b'5', "c"), b"")
        .symlink("usr", target)
        .symlink("usr", "elsewhere");
    play.unpack(tar).unwrap();
    let after = fs::metadata(&outside).unwrap();
    assert_eq!((after.mode(), after.mtime(), after.uid()), (before.mode(), before.mtime(), before.uid()));
    assert!(play.refused(Tar::default().symlink("d", target).file("d/e/f", b"")).contains("make the directory d"));
}

#[test]
fn pure_names_that_lead_upwards_are_refused_everywhere() {
    let play = Playground::new();
    assert!(play.refused(Tar::default().file("../outside/evil", b"x")).contains("leads upwards"));
    assert!(play.refused(Tar::default().file("a/../../outside/evil", b"x")).contains("leads upwards"));
    assert!(play.refused(Tar::default().dir("..")).contains("leads upwards"));
    assert!(play.refused(Tar::default().hardlink("a", "../outside/secret")).contains("leads upwards"));
    assert!(play.refused(Tar::default().pax(&[("path", b"../evil")]).file("good", b"x")).contains("leads upwards"));
}

#[test]
fn pure_absolute_names_mean_the_layers_root() {
    let play = Playground::new();
    let secret = play.outside().join("secret");
    let tar = Tar::default().pax(&[("path", secret.as_os_str().as_encoded_bytes())]).file("x", b"mine");
    play.unpack(tar).unwrap();
    assert_eq!(fs::read(play.fs(secret.to_str().unwrap().trim_start_matches('/'))).unwrap(), b"mine");
}

#[test]
fn pure_an_entry_replaces_a_link_and_never_writes_through_it() {
    let play = Playground::new();
    let target = play.outside().join("secret");
    let target = target.as_os_str().as_encoded_bytes();
    let mode = fs::metadata(play.outside()).unwrap().mode();
    let tar = Tar::default()
        .symlink("file", target)
        .file("file", b"new")
        .symlink("dir", play.outside().as_os_str().as_encoded_bytes())
        .add(&Head { mode: 0o777, ..head(b'5', "dir") }, b"")
        .symlink("fifo", target)
        .add(&head(b'6', "fifo"), b"");
    play.unpack(tar).unwrap();
    assert!(fs::symlink_metadata(play.fs("file")).unwrap().is_file());
    assert!(fs::symlink_metadata(play.fs("dir")).unwrap().is_dir());
    assert_eq!(fs::metadata(play.outside()).unwrap().mode(), mode);
}

#[test]
fn pure_a_directory_that_becomes_a_link_takes_its_cached_descriptor_along() {
    let play = Playground::new();
    let tar = Tar::default().dir("a").file("a/old", b"1").dir("b").dir("a").symlink("a", "b").file("a/new", b"2");
    play.unpack(tar).unwrap();
    assert_eq!(fs::read(play.fs("b/new")).unwrap(), b"2");
    assert!(!play.fs("b/old").exists());
}

#[test]
fn pure_the_root_stays_a_directory() {
    let play = Playground::new();
    assert!(play.refused(Tar::default().symlink("./", "/")).contains("root is not a directory"));
    assert!(play.refused(Tar::default().hardlink("x", "/")).contains("not there"));
}

#[test]
fn pure_impossible_entries_are_sentences() {
    let play = Playground::new();
    let cases = [
        (Tar::default().file("f", b"").file("f/below", b""), "below f, which is no directory"),
        (Tar::default().symlink("a", "b").symlink("b", "a").file("a/x", b""), "links go in a circle"),
        (Tar::default().symlink("a", ""), "the target of the link"),
        (Tar::default().dir("d").hardlink("x", "d"), "cannot make x"),
        (Tar::default().add(&head(b'Q', "x"), b""), "unknown kind 'Q'"),
        (Tar::default().add(&Head { owner: (u64::from(u32::MAX), 0), ..head(b'0', "x") }, b""), "impossible user"),
        (Tar::default().add(&Head { owner: (0, 1 << 32), ..head(b'0', "x") }, b""), "impossible user"),
        (Tar::default().pax(&[("uid", b"4294967296")]).file("x", b""), "impossible user"),
        (Tar::default().pax(&[("SCHILY.xattr.user.x", &[7; 70_000])]).file("x", b""), "impossible attribute"),
        (Tar::default().pax(&[]).pax(&[]).file("x", b""), "two headers of one kind"),
        (Tar::default().file("x", b"").pax(&[("path", b"y")]), "describes an entry that does not follow"),
        (Tar::default().file("x".repeat(99) + "/", b"").file(".wh.", b""), "hides no name"),
    ];
    for (tar, sentence) in cases {
        let said = play.refused(tar);
        assert!(said.contains(sentence), "{said:?} should say {sentence:?}");
    }
}

#[test]
fn pure_sizes_that_lie_are_bounded_before_memory_or_disk_is_taken() {
    let play = Playground::new();
    let huge = |kind, size| Tar::default().add(&Head { size: Some(size), ..head(kind, "x") }, b"");
    assert!(play.refused(huge(b'0', 1 << 60)).contains("No space left"));
    assert!(play.refused(huge(b'0', u64::MAX)).contains("larger than any file"));
    assert!(play.refused(huge(b'L', 1 << 40)).contains("larger than 1 MiB"));
    assert!(play.refused(huge(b'x', 2 << 20)).contains("larger than 1 MiB"));
    assert!(play.refused(huge(b'g', 2 << 20)).contains("larger than 1 MiB"));
    let pax = Tar::default().pax(&[("size", b"1152921504606846976")]).file("x", b"small");
    assert!(play.refused(pax).contains("No space left"));
    let mut trailing = Tar::default().file("x", b"");
    trailing.0.resize(20 << 20, 0);
    assert!(play.refused(trailing).contains("16 MiB follow"));
}

/// The same bytes over and over: what an enemy packs into a thousandth.
struct Again {
    bytes: Vec<u8>,
    at: usize,
    times: usize,
}

impl Again {
    fn of(tar: Tar, times: usize) -> Again {
        Again { bytes: tar.0, at: 0, times }
    }
}

impl Read for Again {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.times == 0 {
            return Ok(0);
        }
        let count = into.len().min(self.bytes.len() - self.at);
        into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at = (self.at + count) % self.bytes.len();
        self.times -= usize::from(self.at == 0);
        Ok(count)
    }
}

#[test]
fn pure_names_that_wait_in_memory_are_bounded() {
    let play = Playground::new();
    let unpack =
        |stream: Again| super::super::unpack(stream, &play.fs(""), &super::Skeleton::new().path()).unwrap_err();
    let long = format!("{}/", "d".repeat(200)).repeat(18);
    // Files that replace each other: where the old ones went is remembered.
    let file = Tar::default().pax(&[("path", format!("{long}f").as_bytes())]).file("x", b"x");
    assert!(unpack(Again::of(file, 6_000)).sentence().contains("longer than 16 MiB"));
    // Directories, whose times wait for the end.
    let mut times = super::super::unpack::Times::default();
    let path = super::super::path::EntryPath::new(long.as_bytes()).unwrap();
    let end = (0..40_000).find_map(|_| times.push(path.clone(), super::super::archive::Time::default()).err());
    assert!(end.unwrap().sentence().contains("longer than 128 MiB"));
}

#[test]
fn pure_records_and_maps_without_end_are_refused_soon() {
    let play = Playground::new();
    let started = std::time::Instant::now();
    let names: Vec<String> = (0..300).map(|number| format!("SCHILY.xattr.user.{number}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    assert!(play.refused(Tar::default().pax(&many).file("x", b"")).contains("more than 256 extended"));
    let map: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", b"9"),
    ];
    let mapped = |data: &[u8]| Tar::default().pax(&map).file("x", data);
    for data in [&b"1".repeat(2 << 20)[..], &b"900000\n".repeat(300_000), b"99999999999\n", b"2\n0\n1\n", b"\n\n"] {
        let said = play.refused(mapped(data));
        assert!(said.contains("map of a file with holes") || said.contains("larger than 1 MiB, or than"), "{said}");
    }
    // Old GNU: block after block of a map, each of which says that another one follows.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_path("s").unwrap();
    header.set_mode(0o644);
    header.set_size(0);
    header.as_gnu_mut().unwrap().isextended = [1];
    header.set_cksum();
    let mut block = tar::GnuExtSparseHeader::new();
    block.isextended = [1];
    for entry in &mut block.sparse {
        (entry.offset, entry.numbytes) = (*b"00000000000\0", *b"00000000000\0");
    }
    let endless = header.as_bytes().chain(Again { bytes: block.as_bytes().to_vec(), at: 0, times: usize::MAX });
    let said = super::super::unpack(endless, &play.fs(""), &super::Skeleton::new().path()).unwrap_err().sentence();
    assert!(said.contains("map of a file with holes"), "{said}");
    // Another header that describes the next entry, without end: each describes itself to be too much.
    let global = Tar::default().add(&head(b'g', "g"), &[b'x'; 1000]);
    let said = super::super::unpack(Again::of(global, 100), &play.fs(""), &super::Skeleton::new().path()).unwrap_err();
    assert!(said.sentence().contains("truncated"), "{}", said.sentence());
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

/// The pax size counts, as in Go: a reader that took the header's would see an entry inside the data.
#[test]
fn pure_the_pax_size_decides_where_the_next_header_is() {
    let play = Playground::new();
    let hidden = Tar::default().file("smuggled", b"evil").0;
    let size = hidden.len().to_string();
    let tar = Tar::default()
        .pax(&[("size", size.as_bytes())])
        .add(&Head { size: Some(0), ..head(b'0', "carrier") }, &hidden)
        .file("last", b"");
    play.unpack(tar).unwrap();
    assert!(!play.fs("smuggled").exists());
    assert_eq!(fs::read(play.fs("carrier")).unwrap(), hidden);
    assert!(play.fs("last").exists());
}

#[test]
fn pure_links_and_directories_have_no_data_whatever_they_say() {
    let play = Playground::new();
    let sized = |kind, name: &str| Head { size: Some(512), link: b"f".to_vec(), ..head(kind, name) };
    let tar = Tar::default()
        .file("f", b"x")
        .add(&sized(b'1', "hard"), b"")
        .add(&sized(b'2', "soft"), b"")
        .add(&sized(b'5', "dir"), b"")
        .file("last", b"");
    play.unpack(tar).unwrap();
    assert!(play.fs("last").exists() && play.fs("hard").exists());
}

#[test]
fn pure_every_truncation_is_noticed() {
    let play = Playground::new();
    let whole = Tar::default().dir("d").file("d/a", &[7; 700]).pax(&[("path", b"d/b")]).file("x", b"1").end();
    let end = whole.len() - 1024;
    for cut in (0..=end).step_by(64).chain([1, 511, 513, end - 1]) {
        let said = play.unpack_bytes(&whole[..cut]).unwrap_err().sentence();
        let known = ["truncated", "it is empty", "not a tar archive", "does not follow"];
        assert!(known.iter().any(|known| said.contains(known)), "cut at {cut}: {said}");
    }
    play.unpack_bytes(&whole).unwrap();
}

#[test]
fn pure_a_truncated_gzip_says_so_and_a_whole_one_unpacks() {
    let play = Playground::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&Tar::default().file("a", &[1; 5000]).end()).unwrap();
    let packed = encoder.finish().unwrap();
    for cut in [12, packed.len() / 2, packed.len() - 1] {
        let said = play.unpack_bytes(&packed[..cut]).unwrap_err().sentence();
        assert!(said.contains("truncated"), "{cut}: {said}");
    }
    assert_eq!(play.unpack_bytes(&packed).unwrap().size, 5000);
}

#[test]
fn pure_what_is_no_tar_says_so() {
    let play = Playground::new();
    let said = |bytes: &[u8]| play.unpack_bytes(bytes).unwrap_err().sentence();
    assert_eq!(said(b""), "cannot unpack the archive: it is empty");
    assert_eq!(said(&[0; 1024]), "cannot unpack the archive: it is empty");
    assert_eq!(said(b"#!/bin/sh\necho hello\n"), "cannot unpack the archive: it is not a tar archive");
    assert_eq!(said(&[b'x'; 4096]), "cannot unpack the archive: it is not a tar archive");
    let mut damaged = Tar::default().file("a", b"").file("b", b"").end();
    damaged[512] ^= 1;
    assert_eq!(said(&damaged), "cannot unpack the archive: a header is damaged");
}

#[test]
fn pure_a_tree_too_deep_for_names_is_refused_or_removable() {
    let play = Playground::new();
    let deep = format!("{}/", "d".repeat(100)).repeat(30);
    // Each link shortens the way, so the tree grows deeper than any name of the archive.
    let mut tar = Tar::default();
    for level in 0..2 {
        let from = if level == 0 { String::new() } else { format!("l{}/", level - 1) };
        tar = tar.pax(&[("path", format!("{from}{deep}x").as_bytes())]).file("x", b"");
        tar = tar.pax(&[("linkpath", format!("/{from}{deep}").as_bytes())]).symlink(&format!("l{level}"), "t");
    }
    play.unpack(tar).unwrap();
    crate::tree::remove_path(&play.fs(&"d".repeat(100))).unwrap();
    let said = play.refused(Tar::default().pax(&[("path", "d/".repeat(300).as_bytes())]).dir("x"));
    assert!(said.contains("deeper than 256"));
}

#[test]
fn root_attributes_of_overlayfs_in_an_archive_are_left_out() {
    let play = Playground::new();
    let records: [(&str, &[u8]); 3] = [
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.kept", b"yes"),
    ];
    play.unpack(Tar::default().pax(&records).dir("d")).unwrap();
    let mut names = [0u8; 4096];
    let length = rustix::fs::listxattr(play.fs("d"), &mut names).unwrap();
    assert_eq!(&names[..length], b"trusted.kept\0");
}

#[test]
fn root_device_entries_are_nodes_and_open_nothing() {
    let play = Playground::new();
    let device = |kind, name: &str, at| Head { device: Some(at), mode: 0o600, ..head(kind, name) };
    let tar = Tar::default().add(&device(b'3', "null", (1, 3)), b"").add(&device(b'4', "disk", (254, 0)), b"");
    play.unpack(tar).unwrap();
    let null = fs::symlink_metadata(play.fs("null")).unwrap();
    assert_eq!((null.rdev(), null.permissions().mode()), (rustix::fs::makedev(1, 3), 0o20600));
    let disk = fs::symlink_metadata(play.fs("disk")).unwrap();
    assert_eq!((disk.rdev(), disk.permissions().mode()), (rustix::fs::makedev(254, 0), 0o60600));
}
