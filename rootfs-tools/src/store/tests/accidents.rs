//! Crashes, damage, crowds and full disks.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Place, archive, options, reference};
use crate::lock::Lock;
use crate::{Error, Store};

#[test]
fn pure_remains_of_the_dead_are_swept_and_work_of_the_living_stays() {
    let place = Place::new();
    let kept = place.import("kept", "kept");
    let root = place.dir.path().join("images");
    let make = |name: &str| {
        fs::create_dir_all(root.join("scratch").join(name).join("fs/deep")).unwrap();
        fs::write(root.join(format!("scratch/{name}.lock")), "").unwrap();
    };
    make("dead");
    make("alive");
    fs::create_dir(root.join("scratch/no-lock-yet")).unwrap();
    fs::create_dir_all(root.join("scratch/gone-1/owner")).unwrap();
    // Killed between the layer and its record; and a name whose image an admin has deleted.
    fs::create_dir_all(root.join("layers").join("ab".repeat(32)).join("etc")).unwrap();
    std::os::unix::fs::symlink("../layers/x", root.join("l/leftover")).unwrap();
    std::os::unix::fs::symlink(
        format!("../images/{}", "cd".repeat(32)),
        root.join("names/docker.io%library%gone:latest"),
    )
    .unwrap();
    let alive = Lock::exclusive(&root.join("scratch/alive.lock")).unwrap();
    place.import("new", "new");
    let mut left = place.entries("scratch");
    left.sort();
    assert_eq!(left, ["alive", "alive.lock"]);
    assert_eq!((place.layers().len(), place.entries("l").len(), place.entries("names").len()), (2, 2, 2));
    assert!(kept.layers[0].join("file").exists());
    drop(alive);
    place.import("newer", "new");
    assert!(place.entries("scratch").is_empty());
}

#[test]
fn pure_a_failed_import_leaves_nothing() {
    let place = Place::new();
    let whole = archive("x");
    for bytes in [&whole[..700], b"", b"no tar"] {
        let failed = place.store.import(bytes, Some(&reference("x")), options());
        assert!(matches!(failed, Err(Error::Archive(_))));
    }
    for part in ["names", "images", "layers", "l", "scratch"] {
        assert!(place.entries(part).is_empty(), "{part}");
    }
}

#[test]
fn pure_damaged_and_newer_records_are_sentences_and_lose_nothing() {
    let place = Place::new();
    let image = place.import("x", "x");
    let path = place.dir.path().join("images/images").join(image.id.hex());
    let good = fs::read_to_string(&path).unwrap();
    let cases = [
        (String::new(), "is damaged: EOF"),
        ("{\"version\":1}".into(), "missing field"),
        (good.replace("linux", "minix"), "the digest of its config does not match"),
        (
            good.replace("\"version\":1", "\"version\":2,\"new\":[]"),
            "has version 2, and this Pontoon knows versions up to 1",
        ),
        (good.replace("\"version\":1", "\"version\":-1"), "is damaged"),
    ];
    for (text, sentence) in cases {
        fs::write(&path, &text).unwrap();
        for said in [place.store.find("x").unwrap_err(), place.store.list().unwrap_err()] {
            let said = said.sentence();
            assert!(said.contains(sentence) && said.contains(path.to_str().unwrap()), "{said}");
        }
        // A writer meets it: the record is not rewritten, and no layer is removed on its account.
        place.import("other", "other");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, good).unwrap();
    assert_eq!(fs::read(place.store.find("x").unwrap().layers[0].join("file")).unwrap(), b"x");
    fs::remove_file(place.dir.path().join("images/names/docker.io%library%x:latest")).unwrap();
    fs::write(place.dir.path().join("images/names/docker.io%library%x:latest"), "no link").unwrap();
    assert!(place.store.find("x").unwrap_err().sentence().contains("it is no link to an image"));
}

#[test]
fn pure_a_crowd_of_writers_leaves_whole_images() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let place = &place;
            scope.spawn(move || {
                for round in 0..6 {
                    let image = place.import(&format!("content {}", (worker + round) % 3), &format!("n{}", worker % 4));
                    assert_eq!(image.layers.len(), 1);
                    let _ = place.store.remove(&format!("n{}", round % 4), true, &|_| None);
                }
            });
        }
    });
    place.import("last", "last");
    for image in place.store.list().unwrap() {
        assert!(image.layers[0].join("file").exists());
    }
    assert!(place.entries("scratch").is_empty());
    assert_eq!(place.layers().len(), place.store.list().unwrap().len());
}

/// The variable by which a test that runs itself again tells the child where to work.
const PLACE: &str = "PONTOON_TEST_PLACE";

/// This test program again, for one of the ignored tests below.
fn child(test: &str, place: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", &format!("store::tests::accidents::{test}")]);
    command.env(PLACE, place).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn place_of_child() -> std::path::PathBuf {
    std::env::var_os(PLACE).expect("run by another test, which says where").into()
}

#[test]
#[ignore = "the process that pure_sigkill_at_any_time_leaves_whole_images kills"]
fn child_imports_for_ever() {
    let store = Store::open(&place_of_child()).unwrap();
    for round in 0.. {
        let content = format!("{}{}", "x".repeat(100_000), round % 5);
        store.import(archive(&content).as_slice(), Some(&reference("x")), options()).unwrap();
        store.import(archive("other").as_slice(), Some(&reference("y")), options()).unwrap();
        store.remove("y", false, &|_| None).unwrap();
    }
}

#[test]
fn pure_sigkill_at_any_time_leaves_whole_images() {
    let place = Place::new();
    let root = place.dir.path().join("images");
    for round in 0..40 {
        let mut process = child("child_imports_for_ever", &root).spawn().unwrap();
        // Once the child has made its first image, it is killed at all kinds of moments.
        while place.store.list().unwrap().is_empty() && process.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(round * 13 % 80));
        process.kill().unwrap();
        let status = process.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it was still at work");
        for image in place.store.list().unwrap() {
            let size = fs::metadata(image.layers[0].join("file")).unwrap().len();
            assert_eq!(size, image.size);
        }
    }
    place.import("last", "last");
    assert!(place.entries("scratch").is_empty());
    let images = place.store.list().unwrap();
    assert!(images.len() > 1, "the child has got as far as images");
    assert_eq!(place.layers().len(), images.len());
}

#[test]
#[ignore = "the inside of root_a_full_disk_is_a_sentence"]
fn child_fills_a_disk() {
    let root = place_of_child();
    let store = Store::open(&root).unwrap();
    let import = |size: usize| store.import(archive(&"x".repeat(size)).as_slice(), Some(&reference("x")), options());
    let fits = import(100_000).unwrap();
    // Larger than what is free: known before a byte is written. Smaller files: the kernel says it in the middle.
    let said = import(50 << 20).unwrap_err().sentence();
    assert!(said.starts_with("cannot write file of 52428800 bytes where"), "{said}");
    let mut many = tar::Builder::new(Vec::new());
    for n in 0..200 {
        let mut header = tar::Header::new_gnu();
        header.set_size(100_000);
        many.append_data(&mut header, format!("f{n}"), [7; 100_000].as_slice()).unwrap();
    }
    let said = store.import(many.into_inner().unwrap().as_slice(), None, options()).unwrap_err().sentence();
    assert!(said.contains("free some space") && said.contains("No space left on device"), "{said}");
    assert_eq!(fs::read_dir(root.join("scratch")).unwrap().count(), 0);
    assert_eq!(store.list().unwrap().len(), 1);
    // Full to the last byte and inode: what is there is found, and can be removed to make room.
    let filler = fs::File::create(root.join("filler")).unwrap();
    let mut writer = std::io::BufWriter::new(&filler);
    while std::io::Write::write_all(&mut writer, &[0; 65536]).is_ok() {}
    drop(writer);
    assert!(import(1000).unwrap_err().sentence().contains("free some space"));
    assert_eq!(store.find("x").unwrap().id, fits.id);
    assert_eq!(store.remove("x", false, &|_| None).unwrap().len(), 3);
    import(50_000).unwrap();
}

#[test]
fn root_a_full_disk_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let inner = child("child_fills_a_disk", dir.path());
    // In a mount namespace of its own: no other process sees this disk.
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs -o size=8m,nr_inodes=600 none \"$0\" && exec \"$@\""]);
    command.arg(dir.path()).arg(inner.get_program()).args(inner.get_args()).env(PLACE, dir.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn pure_a_store_that_cannot_be_made_says_why() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let said = Store::open(&dir.path().join("file/images")).unwrap_err().sentence();
    assert!(said.starts_with("cannot open the image store ") && said.contains("Not a directory"), "{said}");
    let said = Store::open(Path::new("/proc/pontoon/images")).unwrap_err().sentence();
    assert!(said.starts_with("cannot make the image store /proc/pontoon/images"), "{said}");
}
