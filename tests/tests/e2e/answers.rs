//! What the name server at 127.0.0.11 says, question by question.
//!
//! ```text
//!   known name    A: its address │ no address of that family, MX, TXT, HTTPS, PTR: NOERROR and nothing, never sent on
//!   an address    PTR: name.network
//!   anything else the host's servers, in order; none of them: SERVFAIL
//! ```

use pontoon_tests::Host;

use crate::given::{DIG, PROBE, sleeper};

/// The words of `dig ask`, asked in `asker`.
fn ask(host: &Host, asker: &str, words: &str) -> String {
    host.sh(&format!("pontoon exec {asker} /dig ask {words}")).ok()
}

fn asker(host: &Host, flags: &str) {
    sleeper(host, "asker", &format!("-v {DIG}:/dig:ro {flags}"));
}

#[test]
fn root_answers_about_known_names_never_leave() {
    let host = Host::with_my_net();
    // Whoever is asked outside says 198.51.100.77 to A, and nothing to the rest.
    let mut upstream = host.lan_spawn(&format!("exec {PROBE} dns-serve 53 198.51.100.77"));
    asker(&host, "--network my-net");
    sleeper(&host, "one", "--network my-net");
    let address = host.address("one");
    let back: Vec<&str> = address.split('.').rev().collect();
    let back = format!("{}.in-addr.arpa", back.join("."));
    for (words, answer) in [
        ("one A", format!("NOERROR\none 600 A {address}")),
        ("oNe.MY-net A", format!("NOERROR\noNe.MY-net 600 A {address}")),
        ("one A tcp", format!("NOERROR\none 600 A {address}")),
        ("one A edns=1232", format!("NOERROR edns\none 600 A {address}")),
        ("one AAAA", "NOERROR".into()),
        ("one.my-net AAAA tcp", "NOERROR".into()),
        ("one MX", "NOERROR".into()),
        ("one.my-net TXT", "NOERROR".into()),
        ("one.my-net HTTPS", "NOERROR".into()),
        (&format!("{back} PTR"), format!("NOERROR\n{back} 600 PTR one.my-net")),
    ] {
        assert_eq!(ask(&host, "asker", words).trim_end(), answer, "{words}");
    }
    upstream.kill();
    upstream.wait();
    host.sh("pontoon rm -f one asker; pontoon network rm my-net").ok();
}

#[test]
fn root_answers_from_outside_come_in_order_and_without_servers_there_is_an_error() {
    let host = Host::with_my_net();
    // The first server refuses the connection at once, the second is the host's neighbour.
    host.sh("printf 'nameserver 127.0.0.9\\nnameserver 203.0.113.1\\n' > /etc/resolv.conf").ok();
    let mut upstream = host.lan_spawn(&format!("exec {PROBE} dns-serve 53 198.51.100.77"));
    asker(&host, "--network my-net");
    pontoon_tests::eventually("the second server is asked", crate::given::SOON, || {
        host.sh("pontoon exec asker /dig ask outside.example.org A").out().trim_end().ends_with("A 198.51.100.77")
    });
    upstream.kill();
    upstream.wait();
    assert_eq!(ask(&host, "asker", "outside.example.org A").trim_end(), "SERVFAIL");
    assert_eq!(ask(&host, "asker", "outside.example.org A tcp").trim_end(), "SERVFAIL");
    host.sh("pontoon rm -f asker; pontoon network rm my-net").ok();
}

#[test]
fn root_answers_of_servers_of_the_person_are_asked_for_inside() {
    let host = Host::with_my_net();
    let server = format!("-v {PROBE}:/probe:ro --network my-net");
    host.sh(&format!("pontoon run -d --name dns {server} busybox /probe dns-serve 53 198.51.100.88")).ok();
    // On the host nobody can ask that address by this way: only in the container is it a neighbour.
    asker(
        &host,
        &format!("--network my-net --dns {} --dns-search example.org --dns-option ndots:1", host.address("dns")),
    );
    pontoon_tests::eventually("the server inside is asked", crate::given::SOON, || {
        host.sh("pontoon exec asker /dig ask www.example.org A").out().trim_end().ends_with("A 198.51.100.88")
    });
    assert_eq!(ask(&host, "asker", "nobody A").trim_end(), "NOERROR", "with ndots single labels stay inside");
    let file = host.sh("pontoon exec asker cat /etc/resolv.conf").ok();
    for line in
        ["nameserver 127.0.0.11", "search example.org", "options ndots:1", "# Overrides: [nameservers search options]"]
    {
        assert!(file.lines().any(|found| found == line), "{line:?} in\n{file}");
    }
    assert!(file.contains(&format!("# ExtServers: [{}]", host.address("dns"))), "{file}");
    host.sh("pontoon rm -f asker dns; pontoon network rm my-net").ok();
}

#[test]
fn root_answers_are_there_before_the_first_instruction_and_not_after_the_last() {
    let host = Host::with_my_net();
    asker(&host, "--network my-net");
    host.sh("pontoon exec -d asker nc -ll -p 99 -e /dig ask late A").ok();
    // Its first instruction: the asker says at that moment what it knows.
    let mut seen = 0;
    for _ in 0..10 {
        let output = host.sh("pontoon run --rm --name late --network my-net busybox nc asker 99");
        seen += usize::from(output.code == 0);
        if output.code == 0 {
            assert!(output.out().starts_with("NOERROR\nlate 600 A "), "{output}");
        }
        let after = host.sh("pontoon exec asker /dig ask late A").out();
        assert!(!after.contains("late 600 A"), "gone as soon as `run` has ended: {after}");
    }
    assert!(seen > 0, "the asker was never reached");
    host.sh("pontoon rm -f asker; pontoon network rm my-net").ok();
}

#[test]
fn root_answers_of_both_families_and_of_an_internal_network() {
    let mut host = Host::ready();
    // The first network of IPv6 switches it on, and nobody switches it off again.
    host.sh("sysctl -qw net.ipv6.conf.all.forwarding=1").ok();
    host.settle();
    let mut upstream = host.lan_spawn(&format!("exec {PROBE} dns-serve 53 198.51.100.77"));
    host.sh("pontoon network create --ipv6 --subnet fd00:5::/64 six; pontoon network create --internal inner").ok();
    sleeper(&host, "one", "--network six --network-alias uno");
    asker(&host, "--network six --add-host h:host-gateway");
    let (four, six) =
        (host.address("one"), host.inspect("{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}", "one"));
    let octets: std::net::Ipv6Addr = six.parse().expect("an address");
    let nibbles = octets.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|n| format!("{n:x}"));
    let back = nibbles.rev().collect::<Vec<_>>().join(".") + ".ip6.arpa";
    for (words, answer) in [
        ("uno A", format!("NOERROR\nuno 600 A {four}")),
        ("uno AAAA", format!("NOERROR\nuno 600 AAAA {six}")),
        (&format!("{back} PTR"), format!("NOERROR\n{back} 600 PTR one.six")),
    ] {
        assert_eq!(ask(&host, "asker", words).trim_end(), answer, "{words}");
    }
    let hosts = host.sh("pontoon exec asker cat /etc/hosts").ok();
    let gateway = host.inspect("{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", "asker");
    let hostname = host.inspect("{{.Config.Hostname}}", "asker");
    let own = host.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}", "asker");
    let (own4, own6) = own.split_once(' ').expect("two addresses");
    for line in [
        "::1\tlocalhost ip6-localhost ip6-loopback".to_owned(),
        format!("{gateway}\th"),
        "fd00:5::1\th".into(),
        format!("{own4}\t{hostname}"),
        format!("{own6}\t{hostname}"),
    ] {
        assert!(hosts.lines().any(|found| found == line), "{line:?} in\n{hosts}");
    }
    assert!(ask(&host, "asker", "outside.example.org A").contains("198.51.100.77"));
    host.sh("pontoon rm -f asker").ok();
    asker(&host, "--network inner");
    sleeper(&host, "two", "--network inner");
    assert_eq!(ask(&host, "asker", "outside.example.org A"), "SERVFAIL", "a question is a way out");
    assert_eq!(ask(&host, "asker", "two A"), format!("NOERROR\ntwo 600 A {}", host.address("two")));
    let hosts = host.sh("pontoon exec asker cat /etc/hosts").ok();
    assert!(!hosts.contains("::1"), "no lines of IPv6 without it:\n{hosts}");
    host.sh("pontoon network connect six asker").ok();
    assert!(ask(&host, "asker", "outside.example.org A").contains("198.51.100.77"), "now there is a way out");
    assert!(host.sh("pontoon exec asker cat /etc/hosts").ok().contains("::1\tlocalhost ip6-localhost"));
    upstream.kill();
    upstream.wait();
    host.sh("pontoon rm -f asker one two; pontoon network rm six inner").ok();
}
