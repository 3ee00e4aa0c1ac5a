//! Many at once, and one many times over.

use std::collections::BTreeSet;

use pontoon_tests::{Host, Running};

use crate::given::sleeper;

fn all(host: &Host, lines: impl Iterator<Item = String>) -> Vec<Running> {
    lines.map(|line| host.spawn(&line)).collect()
}

#[test]
fn root_many_thirty_at_once_on_one_network() {
    let host = Host::with_my_net();
    let names: Vec<String> = (1..=30).map(|n| format!("c{n}")).collect();
    let started = all(
        &host,
        names.iter().map(|name| format!("pontoon run -d --name {name} --network my-net busybox sleep 1000")),
    );
    for running in started {
        running.wait().ok();
    }
    let addresses: BTreeSet<String> = names.iter().map(|name| host.address(name)).collect();
    assert_eq!(addresses.len(), 30, "no address twice: {addresses:?}");
    let pings: String = names.iter().map(|name| format!("ping -c 1 -W 5 {name} >/dev/null || echo {name}; ")).collect();
    for asker in ["c1", "c17", "c30"] {
        assert_eq!(host.pontoon(&["exec", asker, "sh", "-c", &pings]).ok(), "", "not reached from {asker}");
    }
    let pairs = names.iter().zip(names.iter().cycle().skip(1));
    let answered = all(&host, pairs.map(|(from, to)| format!("pontoon exec {from} ping -c 1 -W 5 {to}")));
    for running in answered {
        running.wait().ok();
    }
    for running in all(&host, names.iter().map(|name| format!("pontoon rm -f {name}"))) {
        running.wait().ok();
    }
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_many_times_the_same_name_and_port() {
    let host = Host::ready();
    for round in 0..4 {
        let line = "for i in {1..25}; do pontoon run --rm --name x -p 8080:80 busybox true || exit 1; done";
        let output = host.sh(line);
        assert_eq!(output.code, 0, "in round {round}: {output}");
    }
}

#[test]
fn root_many_runs_25_at_a_time() {
    let host = Host::with_my_net();
    let line = "seq 100 | xargs -P 25 -I N pontoon run --rm --network my-net busybox echo N | sort -n | md5sum; seq 100 | md5sum";
    let sums = host.sh(line).ok();
    let sums: Vec<&str> = sums.lines().collect();
    assert_eq!(sums[0], sums[1]);
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_many_want_the_same_and_exactly_one_wins() {
    let host = Host::ready();
    let cases = [
        ("pontoon create --name x busybox", "pontoon rm x", "already in use"),
        ("pontoon network create x", "pontoon network rm x", "already exists"),
        ("pontoon run -d -p 8080:80 busybox sleep 1000", "pontoon rm -f $(pontoon ps -q)", "already allocated"),
    ];
    for (line, undo, sentence) in cases {
        let outputs: Vec<_> = all(&host, (0..8).map(|_| line.to_owned())).into_iter().map(Running::wait).collect();
        let (won, lost): (Vec<_>, Vec<_>) = outputs.into_iter().partition(|output| output.code == 0);
        assert_eq!(won.len(), 1, "{line}");
        for output in lost {
            output.refused(125, sentence);
        }
        host.sh(undo).ok();
    }
}

#[test]
fn root_many_make_use_and_remove_one_network() {
    let host = Host::ready();
    let lines = ["pontoon network create x", "pontoon run --rm --network x busybox true", "pontoon network rm x"];
    let sentences = ["already exists", "not found", "has active endpoints"];
    let mut done = [0; 3];
    for _ in 0..8 {
        let started = all(&host, (0..9).map(|n| lines[n % 3].to_owned()));
        for (n, output) in started.into_iter().map(Running::wait).enumerate() {
            let told = sentences.iter().any(|sentence| output.err().contains(sentence));
            assert!(output.code == 0 || (matches!(output.code, 1 | 125) && told), "{output}");
            done[n % 3] += u32::from(output.code == 0);
        }
    }
    assert!(done.iter().all(|count| *count > 0), "create, run and rm have worked {done:?} times");
    let last = host.sh("pontoon network rm x");
    assert!(last.code == 0 || last.err().contains("not found"), "{last}");
    host.sh("pontoon network create x && pontoon run --rm --network x busybox true && pontoon network rm x").ok();
}

#[test]
fn root_many_remove_the_same_container() {
    let host = Host::ready();
    for _ in 0..5 {
        sleeper(&host, "x", "-p 8080:80");
        let outputs: Vec<_> =
            all(&host, (0..6).map(|_| "pontoon rm -f x".to_owned())).into_iter().map(Running::wait).collect();
        assert!(outputs.iter().any(|output| output.code == 0), "{outputs:?}");
        assert_eq!(host.sh("pontoon ps -aq").ok(), "");
    }
}

#[test]
fn root_many_first_containers_of_an_empty_host_at_once() {
    let mut host = Host::new();
    let outputs: Vec<_> = all(&host, (0..6).map(|n| format!("pontoon run --rm busybox echo {n}")))
        .into_iter()
        .map(Running::wait)
        .collect();
    for output in outputs {
        output.expect(0);
    }
    host.settle();
    host.sh("pontoon run --rm busybox true").ok();
}
