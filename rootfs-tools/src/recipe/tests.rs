//! Recipes: the built-in one, and everything that can be wrong with one's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("images")).unwrap();
    (dir, store)
}

/// The sentence about this recipe.
fn refused(text: &str) -> String {
    let (dir, store) = store();
    fs::write(dir.path().join(FILE), text).unwrap();
    let said = store.build(dir.path(), None).unwrap_err().sentence();
    assert!(store.list().unwrap().is_empty());
    said
}

#[test]
fn root_busybox_is_built_in_and_runs_from_its_own_root() {
    let (_dir, store) = store();
    let image = store.build_builtin("busybox").unwrap().unwrap();
    assert_eq!(image.names, ["busybox:latest"]);
    let config = image.config.config().clone().unwrap();
    assert_eq!(config.cmd().clone().unwrap(), ["sh"]);
    assert_eq!(config.env().clone().unwrap(), ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    let root = &image.layers[0];
    let inside = "ls -ld /tmp /root && id -un && wget --help 2>&1 | head -1 && type ping ip httpd nc";
    let (_, path) = config.env().as_ref().unwrap()[0].split_once('=').unwrap();
    let mut chroot = Command::new("chroot");
    chroot.arg(root).args(["/bin/sh", "-c", inside]).env_clear().env("PATH", path);
    let output = chroot.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("drwxrwxrwt") && text.contains("drwx------") && text.contains("\nroot\n"), "{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn root_busybox_built_twice_in_two_stores_is_one_image() {
    let ((_a, one), (_b, two)) = (store(), store());
    let first = one.build_builtin("busybox:latest").unwrap().unwrap();
    let second = two.build_builtin("docker.io/library/busybox").unwrap().unwrap();
    assert_eq!(first.id, second.id);
    assert_eq!(one.build_builtin("busybox").unwrap().unwrap().id, first.id);
}

#[test]
fn pure_only_known_names_are_built_in() {
    let (_dir, store) = store();
    for name in ["alpine", "busybox:1.36", "me/busybox", "UPPER", "", "localhost/busybox"] {
        assert!(store.build_builtin(name).unwrap().is_none(), "{name}");
    }
}

#[test]
fn pure_the_built_in_recipe_holds_what_a_container_needs() {
    let recipe = parse(BUILT_IN[0].1.as_bytes()).unwrap();
    assert_eq!(recipe.copy[0].hint.as_deref(), Some("apt install busybox-static"));
    let directories: Vec<&str> = recipe.directories.iter().map(|directory| directory.path.as_str()).collect();
    for mount_point in ["/dev", "/proc", "/sys", "/tmp"] {
        assert!(directories.contains(&mount_point), "{mount_point}");
    }
    let passwd = recipe.files.iter().find(|file| file.path == "/etc/passwd").unwrap();
    assert!(passwd.lines.iter().all(|line| line.split(':').count() == 7));
    config(&recipe).unwrap();
}

#[test]
fn root_a_recipe_of_ones_own_copies_links_and_writes() {
    let (dir, store) = store();
    fs::write(dir.path().join("tool"), "#!/bin/sh\necho one; echo /opt/two\n").unwrap();
    fs::set_permissions(dir.path().join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let recipe = r#"{ "version": 1, "name": "me/tool:1",
        "copy": [{ "from": "tool", "to": "/bin/tool", "mode": "4711" }],
        "applets": [{ "of": "bin/tool", "arguments": [] }],
        "files": [{ "path": "/etc/x/y", "mode": "0600", "lines": ["a", "b"] }],
        "config": { "Entrypoint": ["/bin/tool"], "Labels": { "a": "b" } } }"#;
    fs::write(dir.path().join(FILE), recipe).unwrap();
    let image = store.build(dir.path(), None).unwrap();
    assert_eq!(image.names, ["me/tool:1"]);
    let at = |path: &str| image.layers[0].join(path);
    assert_eq!(fs::metadata(at("bin/tool")).unwrap().permissions().mode() & 0o7777, 0o4711);
    assert_eq!(fs::read_link(at("opt/two")).unwrap(), Path::new("/bin/tool"));
    assert_eq!(fs::read_link(at("one")).unwrap(), Path::new("/bin/tool"));
    assert_eq!(fs::read_to_string(at("etc/x/y")).unwrap(), "a\nb\n");
    let named = store.build(dir.path(), Some(&"other:2".parse().unwrap())).unwrap();
    assert_eq!((named.id, named.names), (image.id, vec!["other:2".to_string()]));
}

#[test]
fn pure_mistakes_in_a_recipe_are_sentences() {
    let cases = [
        ("{", "EOF"),
        (r#"{"version":2}"#, "it has version 2, and this Pontoon knows versions up to 1"),
        (r#"{"version":1,"copies":[]}"#, "unknown field `copies`"),
        (r#"{"version":1,"directories":[{"path":"/a/../b"}]}"#, "is no path in an image"),
        (r#"{"version":1,"directories":[{"path":"/a"},{"path":"a"}]}"#, "a is there twice"),
        (r#"{"version":1,"directories":[{"path":"/a","mode":"888"}]}"#, "is no mode"),
        (r#"{"version":1,"files":[{"path":"/a"},{"path":"/a/b"}]}"#, "lies below a, which is no directory"),
        (r#"{"version":1,"files":[{"path":"/a"}],"config":{"Entripoint":["x"]}}"#, "unknown member \"Entripoint\""),
        (r#"{"version":1,"applets":[{"of":"/bin/x","arguments":[]}]}"#, "nothing is copied there"),
        (r#"{"version":1,"copy":[{"from":"none","to":"/x","hint":"look there"}]}"#, "(hint: look there)"),
        (r#"{"version":1,"copy":[{"from":"/dev","to":"/x"}]}"#, "no regular file"),
        (r#"{"version":1,"copy":[{"from":"recipe.json","to":"/x","static":true}]}"#, "no statically linked program"),
        (r#"{"version":1}"#, "it is empty"),
        (r#"{"version":1,"name":"UPPER"}"#, "invalid reference format"),
    ];
    for (text, sentence) in cases {
        let said = refused(text);
        assert!(said.contains(sentence), "{text}: {said}");
    }
    let (dir, store) = store();
    let said = store.build(&dir.path().join("nowhere"), None).unwrap_err().sentence();
    assert!(said.starts_with("cannot read the recipe ") && said.contains("No such file"), "{said}");
}
