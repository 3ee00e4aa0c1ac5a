//! `--dry-run`: nothing is made, wrong words get the sentences of the command itself, bytes survive the script.

use pontoon_tests::{Host, Snapshot};

use super::with_image;
use crate::given::sleeper;

#[test]
fn root_explained_dry_run_makes_nothing_on_an_empty_host() {
    // The leak check at its end knows neither image store nor state directory.
    let host = Host::new();
    host.sh("pontoon run --dry-run --rm busybox true").refused(125, "--dry-run makes nothing");
    host.sh("pontoon run --dry-run --rm nosuchimage true")
        .refused(125, "Unable to find image 'nosuchimage:latest' locally");
    let text = host.sh("pontoon network create --dry-run my-net").expect(0);
    assert!(text.out().contains("ip link add br-") && text.err().is_empty(), "{text}");
    assert_eq!(host.sh("nft list ruleset").ok(), "");
}

#[test]
fn root_explained_dry_run_makes_nothing_on_a_host_with_an_image() {
    let host = with_image();
    let before = Snapshot::take(&host);
    for flags in
        ["", "-d", "--rm -p 8080:80 -p 81", "--network host", "--network none", "-v /run/new:/new", "--cidfile /run/id"]
    {
        let text = host.sh(&format!("pontoon run --dry-run --name web {flags} busybox true")).expect(0);
        assert!(text.out().starts_with("#!/bin/bash\n") && text.out().contains("busybox"), "{text}");
        assert_eq!(before.difference(&Snapshot::take(&host)), Vec::<String>::new(), "{flags}");
    }
    let ports = host.sh("pontoon run --dry-run -p 8080:80 busybox true").ok();
    assert!(ports.contains("publish4 { tcp . 8080 : 172.17.0.1 . 80 }"), "{ports}");
    assert!(!std::path::Path::new("/run/new").exists() && !std::path::Path::new("/run/id").exists());
}

#[test]
fn root_explained_dry_run_sees_what_is_there() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net");
    let text = host.sh("pontoon run --dry-run --name y --network my-net busybox true").ok();
    let (taken, bridge) = (host.address("x"), host.sh("pontoon network inspect -f '{{.Id}}' my-net").ok());
    assert!(text.contains(&format!("ip link show br-{}", &bridge[..12])), "the network's own bridge");
    assert!(!text.contains(&format!("addr add {taken}/")), "{taken} is x's");
    let joined = host.sh("pontoon run --dry-run --name y --network container:x busybox true").ok();
    assert!(joined.contains("netns=x\n") && joined.contains("container x"), "{joined}");
    assert_eq!(host.sh("pontoon ps -aq").ok().lines().count(), 1);
    host.sh("pontoon rm -f x; pontoon network rm my-net").ok();
}

/// Lines that cannot be granted, `…` standing for the flag.
const REFUSED: [&str; 22] = [
    "run … nosuchimage",
    "run … BAD:::NAME",
    "run … --nosuchflag busybox",
    "run …",
    "run … --network nosuch busybox",
    "run … --net=container:nosuch busybox",
    "run … --net=container: busybox",
    "run … --net=container:stopped busybox",
    "run … --net=container:x -p 81:81 busybox",
    "run … --name x busybox",
    "run … --name 'bad name' busybox",
    "run … -p 8080: busybox",
    "run … -p 8080:80 busybox",
    "run … -p 192.0.2.77:81:80 busybox",
    "run … -it busybox",
    "run … -m nonsense busybox",
    "run … --cap-add NONSENSE busybox",
    "run … -u nosuchuser busybox true",
    "network create … x --subnet nonsense",
    "network create … my-net",
    "network rm … nosuch",
    "network rm … my-net bridge",
];

#[test]
fn root_explained_dry_run_refuses_with_the_sentences_of_the_command() {
    let host = Host::with_my_net();
    sleeper(&host, "x", "--network my-net -p 8080:80");
    host.sh("pontoon create --name stopped busybox true").ok();
    for line in REFUSED {
        let with = |flag: &str| host.sh(&format!("pontoon {} </dev/null", line.replacen('…', flag, 1)));
        let (real, dry) = (with(""), with("--dry-run"));
        assert_ne!(real.code, 0, "{real}");
        assert_eq!((real.code, real.err(), real.out()), (dry.code, dry.err(), dry.out()), "{line}");
    }
    host.sh("pontoon rm -f x stopped; pontoon network rm my-net").ok();
}

#[test]
fn root_explained_bytes_survive_the_script() {
    let mut host = with_image();
    let words = r#"--rm --network none -e V=$'\xfe"$HOME`' busybox sh -c 'printf "%s|" "$@" "$V"' sh 'a b' $'\xff' "it's" '' $'two\nlines\nINSIDE' '$x' '*' '\'"#;
    let real = host.sh(&format!("pontoon run {words}")).expect(0);
    let hand =
        host.sh(&format!("pontoon run --dry-run {words} >/run/test/steps.sh; bash /run/test/steps.sh")).expect(0);
    assert_eq!(real.stdout, hand.stdout);
    assert!(real.stdout.len() > 40);
    host.settle();
}
