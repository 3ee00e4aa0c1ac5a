//! `load`, `save`, `tag`, `history`, `image inspect`, `image prune`: images in files, and what is said of them.

use std::fs;
use std::time::Duration;

use pontoon_tests::image::{Layer, archive, configuration, digest};
use pontoon_tests::{Host, Terminal};
use serde_json::{Value, json};

use crate::given::sleeper;

const FILE: &str = "/run/test/image.tar";

/// Loads an image of these layers and gives what was said.
#[track_caller]
fn load(host: &Host, name: &str, config: &Value, layers: &[&[u8]]) -> String {
    fs::write(FILE, archive(name, config, layers)).expect(FILE);
    host.sh(&format!("pontoon load -i {FILE}")).ok()
}

#[test]
fn root_load_and_save_carry_an_image_from_host_to_host() {
    let host = Host::ready();
    let id = host.sh("pontoon images -q --no-trunc").ok();
    host.sh("pontoon save -o /run/test/b.tar busybox; pontoon save busybox > /run/test/c.tar").ok();
    host.sh("cmp /run/test/b.tar /run/test/c.tar; test $(stat -c %a /run/test/b.tar) = 600").ok();
    host.sh("test $(ls -A /run/test | grep -c b.tar) = 1; pontoon rmi busybox").ok();
    assert_eq!(host.sh("pontoon load -i /run/test/b.tar").ok(), "Loaded image: busybox:latest");
    assert_eq!(host.sh("pontoon images -q --no-trunc").ok(), id);
    assert_eq!(host.sh("pontoon run --rm busybox echo hello").ok(), "hello");
    host.sh("gzip /run/test/b.tar").ok();
    assert_eq!(host.sh("pontoon image load -q < /run/test/b.tar.gz").ok(), "Loaded image: busybox:latest");
    assert_eq!(host.sh("cat /run/test/c.tar | pontoon load -i -").ok(), "Loaded image: busybox:latest");
    let short = &id[7..19];
    host.sh(&format!("pontoon image save {short} > /run/test/d.tar; pontoon rmi busybox")).ok();
    assert_eq!(host.sh("pontoon load -i /run/test/d.tar").ok(), format!("Loaded image ID: {id}"));
    host.sh(&format!("pontoon tag {short} busybox")).ok();
}

#[test]
fn root_save_says_what_it_cannot_do_and_leaves_nothing() {
    let host = Host::ready();
    let mut terminal = Terminal::open(&host, "pontoon save busybox; echo code $?");
    terminal.expect("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    terminal.expect("code 125");
    host.sh("mkdir /run/test/o; echo old > /run/test/o/x.tar").ok();
    host.sh("pontoon save -o /run/test/o/x.tar nosuch").refused(125, "no such image: nosuch");
    host.sh("pontoon save -o /run/test/o nosuch").refused(125, "/run/test/o: it is a directory");
    host.sh("pontoon save -o /run/test/nosuch/x.tar busybox").refused(125, "/run/test/nosuch");
    host.sh("pontoon save busybox > /dev/full").refused(125, "No space left on device");
    assert_eq!(host.sh("cat /run/test/o/*; ls -A /run/test/o").ok(), "old\nx.tar");
    assert_eq!(host.sh("set +o pipefail; pontoon save busybox | head -c 1000 | wc -c").ok(), "1000");
    host.sh("pontoon load -i /run/test/nosuch").refused(125, "/run/test/nosuch");
    let mut terminal = Terminal::open(&host, "pontoon load; echo code $?");
    terminal.expect("requested load from stdin, but stdin is empty");
    terminal.expect("code 125");
}

#[test]
fn root_a_container_sees_the_layers_of_its_image_as_one() {
    let host = Host::ready();
    let bottom =
        Layer::with_shell().dir("d").file("d/low", b"low").file("gone", b"x").dir("full").file("full/x", b"").end();
    let middle = Layer::new().file(".wh.gone", b"").file("full/.wh..wh..opq", b"").file("full/new", b"").end();
    let top = Layer::new().file("d/high", b"high").hard_link("d/same", "d/high").end();
    load(&host, "layers", &json!({ "Cmd": ["find", "/d", "/full", "/gone"] }), &[&bottom, &middle, &top]);
    let seen = host.sh("pontoon run --rm layers | sort | xargs").expect(0);
    assert_eq!(seen.out(), "/d /d/high /d/low /d/same /full /full/new");
    assert!(seen.err().contains("/gone: No such file"), "{seen}");
    host.sh("pontoon rmi layers").ok();
}

#[test]
fn root_an_image_of_150_layers_runs() {
    let host = Host::ready();
    let mut layers = vec![Layer::with_shell().end()];
    for number in 1..150 {
        layers
            .push(Layer::new().file(&format!("n/{number}"), b"").file("highest", number.to_string().as_bytes()).end());
    }
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    load(&host, "tall", &json!({}), &layers);
    assert_eq!(host.sh("pontoon run --rm tall sh -c 'ls /n | wc -l; cat /highest'").ok(), "149\n149");
    host.sh(
        "pontoon run -d --name x tall sleep 1000; pontoon restart -t 0 x; pontoon exec x cat /highest; pontoon rm -f x",
    )
    .ok();
    host.sh("pontoon rmi tall").ok();
}

#[test]
fn root_two_loads_of_one_archive_at_once_both_succeed() {
    let host = Host::ready();
    let layers: Vec<Vec<u8>> = (0..6).map(|n| Layer::new().file("x", &vec![n; 3 << 20]).end()).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    fs::write(FILE, archive("x", &json!({}), &layers)).expect(FILE);
    for _ in 0..3 {
        let loads: Vec<_> = (0..3).map(|_| host.spawn(&format!("pontoon load -i {FILE}"))).collect();
        for load in loads {
            assert_eq!(load.wait().ok(), "Loaded image: x:latest");
        }
        host.sh("test -z \"$(ls $PONTOON_ROOT/images/scratch)\"; pontoon rmi x").ok();
    }
}

/// Whatever is there after a kill is whole; what was half-done goes with the next command that writes.
#[test]
fn root_a_load_that_is_killed_leaves_the_whole_image_or_none() {
    let host = Host::ready();
    let layers: Vec<Vec<u8>> = (0..4).map(|n| Layer::with_shell().file("x", &vec![n; 1 << 20]).end()).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    fs::write(FILE, archive("x", &json!({}), &layers)).expect(FILE);
    let (mut whole, mut none) = (0, 0);
    for round in 0..30u64 {
        let mut load = host.spawn(&format!("exec pontoon load -i {FILE}"));
        std::thread::sleep(Duration::from_millis(round * 7));
        load.kill();
        load.wait();
        let is_there = host.sh("pontoon image inspect -f '{{.Id}}' x").code == 0;
        if is_there {
            whole += 1;
            assert_eq!(host.sh("pontoon run --rm --network none x sh -c 'wc -c < /x'").ok(), "1048576");
            host.sh("pontoon rmi x").ok();
        } else {
            none += 1;
        }
        host.sh("pontoon tag busybox y; pontoon rmi y; test -z \"$(ls $PONTOON_ROOT/images/scratch)\"").ok();
        host.sh("test $(ls $PONTOON_ROOT/images/layers | wc -l) = 2").ok();
    }
    assert!(none > 0, "{whole} whole, {none} none: no kill came in time");
}

#[test]
fn root_image_inspect_is_docker_s_json() {
    let host = Host::ready();
    let (bottom, top) = (Layer::with_shell().end(), Layer::new().file("a", b"12345").end());
    let config = json!({
        "User": "7:8", "Env": ["A=b"], "Cmd": ["sh"], "WorkingDir": "/w", "Labels": { "k": "v" },
        "ExposedPorts": { "80/tcp": {} }, "Healthcheck": { "Test": ["CMD", "true"] }, "Shell": ["/bin/sh"],
    });
    load(&host, "me/x:1", &config, &[&bottom, &top]);
    host.sh("pontoon tag me/x:1 y").ok();
    let text = host.sh("pontoon image inspect me/x:1 busybox").ok();
    let images: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let image = &images[0];
    let id = digest(configuration(&config, &[&bottom, &top]).as_bytes());
    assert_eq!(image["Id"], id.as_str());
    assert_eq!(image["RepoTags"], json!(["y:latest", "me/x:1"]));
    assert_eq!(image["RepoDigests"], json!([]));
    assert_eq!((image["Created"].as_str(), image["Os"].as_str()), (Some("2026-01-02T03:04:05Z"), Some("linux")));
    assert_eq!(image["Architecture"], "amd64");
    assert_eq!(image["Config"], config, "nothing of it is lost, whether we know it or not");
    assert_eq!(image["RootFS"], json!({ "Type": "layers", "Layers": [digest(&bottom), digest(&top)] }));
    let busybox = fs::metadata("/bin/busybox").expect("busybox").len();
    assert_eq!(image["Size"], busybox + 5);
    assert_eq!(images.len(), 2);
    assert_eq!(
        host.sh("pontoon image inspect -f '{{.Config.User}} {{join .RepoTags \",\"}}' y").ok(),
        "7:8 y:latest,me/x:1"
    );
    assert_eq!(host.sh("pontoon inspect -f '{{.Os}}' y").ok(), "linux", "what is no container may be an image");
    let partly = host.sh("pontoon image inspect nosuch y").expect(1);
    assert!(partly.err().contains("no such image: nosuch") && partly.out().contains("y:latest"), "{partly}");
    host.sh(&format!("pontoon image inspect {} > /dev/null; pontoon rmi me/x:1 y", &id[7..13])).ok();
}

#[test]
fn root_tag_and_rmi_of_one_of_several_names() {
    let host = Host::ready();
    let id = host.sh("pontoon images -q --no-trunc").ok();
    host.sh("pontoon tag busybox me/tool:1; pontoon image tag me/tool:1 other").ok();
    let rows = host.sh("pontoon images --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort").ok();
    assert_eq!(rows.lines().count(), 3, "{rows}");
    assert_eq!(host.sh("pontoon rmi me/tool:1").ok(), "Untagged: me/tool:1");
    host.sh(&format!("pontoon rmi {}", &id[7..19])).refused(1, "several names");
    let removed = host.sh(&format!("pontoon rmi -f {}", &id[7..19])).ok();
    assert!(
        removed
            .starts_with(&format!("Untagged: busybox:latest\nUntagged: other:latest\nDeleted: {id}\nDeleted: sha256:")),
        "{removed}"
    );
    host.sh("pontoon run --rm busybox true").ok();
    host.sh("pontoon tag nosuch x").refused(125, "no such image: nosuch");
    host.sh("pontoon tag busybox UPPER").refused(125, "invalid reference format");
    host.sh("pontoon tag busybox ../../x").refused(125, "invalid reference format");
    let pinned = format!("pontoon tag busybox x@sha256:{}", "0".repeat(64));
    host.sh(&pinned).refused(125, "refusing to create a tag with a digest reference");
}

#[test]
fn root_history_has_docker_s_columns() {
    let host = Host::ready();
    let layers = [Layer::with_shell().end(), Layer::new().file("a", b"12345").end()];
    load(&host, "x", &json!({}), &[&layers[0], &layers[1]]);
    let id = host.sh("pontoon image inspect -f '{{.Id}}' x").ok();
    let table = host.sh("pontoon history x").ok();
    let head: Vec<&str> =
        table.lines().next().expect("a header").split("  ").map(str::trim).filter(|s| !s.is_empty()).collect();
    assert_eq!(head, ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert!(rows[0].starts_with(&id[7..19]) && rows[0].contains(" ago ") && rows[0].contains(" 5B"), "{table}");
    assert!(rows[1].starts_with("<missing>") && rows[1].contains("MB"), "{table}");
    assert_eq!(host.sh("pontoon image history -q --no-trunc x").ok(), format!("{id}\n<missing>"));
    let plain = host.sh("pontoon history --human=false --format '{{.Size}} {{.CreatedAt}} {{.CreatedBy}}' x").ok();
    assert!(plain.starts_with(&format!("5 2026-01-02T03:04:05Z ADD {}", layers[1].len())), "{plain}");
    host.sh("pontoon history nosuch").refused(125, "no such image: nosuch");
    host.sh("pontoon rmi x").ok();
}

#[test]
fn root_prune_asks_and_removes_what_nobody_needs() {
    let host = Host::ready();
    let layer = Layer::new().file("a", &[7; 12_345]).end();
    let id = digest(configuration(&json!({}), &[&layer]).as_bytes());
    load(&host, "x", &json!({}), &[&layer]);
    host.sh("pontoon tag busybox kept; pontoon tag busybox x").ok();
    let asked = host.sh("echo n | pontoon image prune").ok();
    assert_eq!(
        asked,
        "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] Total reclaimed space: 0B"
    );
    let pruned = host.sh("echo y | pontoon image prune").ok();
    let lines: Vec<&str> = pruned.lines().skip(1).collect();
    assert!(pruned.contains("[y/N] Deleted Images:"), "{pruned}");
    assert_eq!(
        lines[1..],
        [
            format!("deleted: {id}"),
            format!("deleted: {}", digest(&layer)),
            String::new(),
            "Total reclaimed space: 12.3kB".into()
        ]
    );
    assert_eq!(host.sh("pontoon image prune -f").ok(), "Total reclaimed space: 0B");
    sleeper(&host, "c", "");
    assert_eq!(host.sh("pontoon image prune -af").ok(), "Total reclaimed space: 0B", "a container uses it");
    host.sh("pontoon rm -f c").ok();
    let all = host.sh("pontoon image prune --all --force").ok();
    assert!(
        all.starts_with(
            "Deleted Images:\nuntagged: busybox:latest\nuntagged: kept:latest\nuntagged: x:latest\ndeleted: "
        ),
        "{all}"
    );
    assert_eq!(host.sh("pontoon images -q").ok(), "");
    host.sh("pontoon run --rm busybox true").ok();
}
