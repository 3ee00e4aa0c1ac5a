//! `--link`: on the default network a line of /etc/hosts, variables and, where neighbours are isolated, open ports; on
//! others a private name.
//!
//! ```text
//!   db ── stops ── starts with another address ──>  the line in web goes and comes again, web's own lines stay
//!   icc=false                  db's exposed ports open for web alone, in both families, by the address that it has now
//!   web --link db:store        hosts: "172.17.0.2 store <host name> db"      STORE_PORT=tcp://172.17.0.2:5432 …
//! ```

use pontoon_tests::{Host, eventually};

use crate::given::{DIG, SOON, sleeper};

/// Host name of `container`.
fn hostname(host: &Host, container: &str) -> String {
    host.sh(&format!("pontoon inspect -f '{{{{.Config.Hostname}}}}' {container}")).ok()
}

/// The lines of /etc/hosts of `container`.
fn hosts(host: &Host, container: &str) -> Vec<String> {
    host.sh(&format!("pontoon exec {container} cat /etc/hosts")).ok().lines().map(str::to_owned).collect()
}

#[test]
fn root_links_tell_of_the_other_by_hosts_and_variables() {
    let host = Host::ready();
    let exposed = "--expose 5432 --expose 53/udp --expose 53 --expose 6000-6002 -e PGDATA=/x -e HOME=/y";
    sleeper(&host, "db", exposed);
    let (address, name) = (host.address("db"), hostname(&host, "db"));
    let output = host
        .sh("pontoon run --rm --name web --link db:my-store -e MY_STORE_ENV_PGDATA=mine busybox sh -c 'env; cat /etc/hosts; getent hosts db; wget -qO- http://my-store 2>&1'")
        .out();
    for line in [
        format!("MY_STORE_PORT=tcp://{address}:53"),
        format!("MY_STORE_PORT_53_TCP=tcp://{address}:53"),
        format!("MY_STORE_PORT_53_UDP=udp://{address}:53"),
        format!("MY_STORE_PORT_5432_TCP_ADDR={address}"),
        "MY_STORE_PORT_5432_TCP_PORT=5432".into(),
        "MY_STORE_PORT_5432_TCP_PROTO=tcp".into(),
        format!("MY_STORE_PORT_6000_TCP_START=tcp://{address}:6000"),
        "MY_STORE_PORT_6000_TCP_PORT_START=6000".into(),
        format!("MY_STORE_PORT_6000_TCP_END=tcp://{address}:6002"),
        "MY_STORE_PORT_6000_TCP_PORT_END=6002".into(),
        "MY_STORE_NAME=/web/my-store".into(),
        "MY_STORE_ENV_PGDATA=mine".into(),
        format!("{address}\tmy-store {name} db"),
        format!("wget: can't connect to remote host ({address}): Connection refused"),
    ] {
        assert!(output.lines().any(|found| found == line), "{line:?} in\n{output}");
    }
    for absent in ["MY_STORE_ENV_HOME", "MY_STORE_ENV_PATH", "MY_STORE_PORT_53_TCP_START"] {
        assert!(!output.contains(absent), "{absent} in\n{output}");
    }
    host.sh("pontoon rm -f db").ok();
}

#[test]
fn root_links_follow_the_other_as_it_ends_and_starts() {
    let host = Host::ready();
    sleeper(&host, "db", "--expose 80");
    sleeper(&host, "web", "--link db --link db:again");
    let (first, name) = (host.address("db"), hostname(&host, "db"));
    let lines = |address: &str| [format!("{address}\tdb {name}"), format!("{address}\tagain {name} db")];
    let has = |wanted: &[String]| {
        let found = hosts(&host, "web");
        wanted.iter().all(|line| found.contains(line))
    };
    assert!(has(&lines(&first)), "{:?}", hosts(&host, "web"));
    host.sh("pontoon exec web sh -c 'echo 9.9.9.9 mine >> /etc/hosts'").ok();
    host.sh("pontoon stop -t 0 db").ok();
    eventually("the line goes", SOON, || !hosts(&host, "web").iter().any(|line| line.contains(&name)));
    // Its address is taken meanwhile.
    sleeper(&host, "thief", "");
    host.sh("pontoon start db").ok();
    let second = host.address("db");
    assert_ne!(first, second);
    eventually("the line comes with the new address", SOON, || has(&lines(&second)));
    assert!(hosts(&host, "web").contains(&"9.9.9.9 mine".to_owned()), "what the person wrote stays");
    assert!(hosts(&host, "web").contains(&format!("{}\t{}", host.address("web"), hostname(&host, "web"))));
    let env = host.sh("pontoon exec web env").ok();
    assert!(env.contains(&format!("DB_PORT=tcp://{second}:80")), "{env}");
    // A monitor that is killed says nothing; the next command puts it right, and that is seen.
    let monitor = host.monitor("db").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    host.sh("pontoon start db").ok();
    let third = host.address("db");
    eventually("the line follows a crash", SOON, || has(&lines(&third)));
    host.sh("pontoon rm -f db").ok();
    eventually("a link goes with its container", SOON, || !hosts(&host, "web").iter().any(|l| l.contains(&name)));
    host.sh("pontoon stop -t 0 web").ok();
    let output = host.sh("pontoon start web");
    assert!(output.err().contains("Cannot link to a non running container: /"), "not silently without it: {output}");
    host.sh("pontoon rm -f web thief").ok();
}

#[test]
fn root_links_to_who_is_not_there_or_cannot_be_are_docker_s_sentences() {
    let host = Host::with_my_net();
    sleeper(&host, "db", "");
    sleeper(&host, "other", "--network my-net");
    host.sh("pontoon create --name idle busybox true").ok();
    let mode = |mode| {
        format!(
            "conflicting options: {mode} type networking can't be used with links. This would result in undefined behavior"
        )
    };
    for (words, sentence) in [
        ("--link nosuch", "could not get container for nosuch: No such container: nosuch".to_owned()),
        ("--link idle:x", "Cannot link to a non running container: /idle AS /y/x".into()),
        ("--link other", "Cannot link to /other, as it does not belong to the default network".into()),
        ("--network host --link db", mode("host")),
        ("--network container:db --link db", mode("container")),
        ("--network none --link db", "links are only supported for user-defined networks".into()),
        ("--link a:b:c", "bad format for links: a:b:c".into()),
        ("--link ''", "empty string specified for links".into()),
    ] {
        let output = host.sh(&format!("pontoon run --rm --name y {words} busybox true"));
        assert_eq!((output.code, output.err().trim()), (125, format!("pontoon: {sentence}").as_str()), "{words}");
    }
    let forged = host.pontoon(&["run", "--rm", "--link", "db:x\n6.6.6.6 bank", "busybox", "cat", "/etc/hosts"]);
    assert_eq!(forged.code, 125, "{forged}");
    // By `create` it is known later.
    host.sh("pontoon create --name late --link db:x busybox true; pontoon stop -t 0 db").ok();
    let output = host.sh("pontoon start -a late");
    assert!(output.err().contains("Cannot link to a non running container: /db AS /late/x"), "{output}");
    host.sh("pontoon start db; pontoon start -a late").ok();
    host.sh("pontoon rm -f db other idle late; pontoon network rm my-net").ok();
}

#[test]
fn root_links_on_a_network_of_one_s_own_are_private_names() {
    let host = Host::with_my_net();
    sleeper(&host, "db", "--network my-net --expose 80");
    sleeper(&host, "web", &format!("--network my-net --link db:store --link later:db -v {DIG}:/dig:ro"));
    sleeper(&host, "stranger", &format!("--network my-net -v {DIG}:/dig:ro"));
    let ask = |asker: &str, name: &str| host.sh(&format!("pontoon exec {asker} /dig ask {name} A")).ok();
    let address = host.address("db");
    assert_eq!(ask("web", "store"), format!("NOERROR\nstore 600 A {address}"));
    assert_eq!(ask("web", "STORE.my-net"), format!("NOERROR\nSTORE.my-net 600 A {address}"));
    assert!(!ask("stranger", "store").contains(&address), "private");
    assert!(!ask("web", "db").contains(&address), "hidden by a link of that name");
    assert!(ask("stranger", "db").contains(&address));
    sleeper(&host, "later", "--network my-net");
    assert_eq!(ask("web", "db"), format!("NOERROR\ndb 600 A {}", host.address("later")), "whoever comes to have it");
    let env = host.sh("pontoon exec web env").ok();
    assert!(!env.contains("STORE"), "{env}");
    assert!(!hosts(&host, "web").iter().any(|line| line.contains("store")));
    let shown = host.sh("pontoon inspect -f '{{json .HostConfig.Links}} {{json (index .NetworkSettings.Networks \"my-net\").Links}}' web");
    assert_eq!(shown.ok(), "[] [\"db:store\",\"later:db\"]");
    host.sh("pontoon rm -f db web stranger later; pontoon network rm my-net").ok();
}

#[test]
fn root_links_are_shown_and_explained() {
    let host = Host::ready();
    sleeper(&host, "db", "--expose 80");
    let text = host.sh("pontoon run --rm --dry-run --name web --link db:store busybox true").ok();
    let address = host.address("db");
    assert!(text.contains(&format!("STORE_PORT=tcp://{address}:80")) && text.contains("store"), "{text}");
    sleeper(&host, "web", "--link db:store");
    host.sh("pontoon rename db base").ok();
    let shown = host.sh("pontoon inspect -f '{{json .HostConfig.Links}}' web").ok();
    assert_eq!(shown, "[\"/base:/web/store\"]", "by the name that it has now");
    let line = format!("{address}\tstore {} base", hostname(&host, "base"));
    eventually("the line has it, too", SOON, || hosts(&host, "web").contains(&line));
    host.sh("pontoon rm -f base web").ok();
}

/// Where a host's settings say that neighbours of the default network are strangers.
const STRANGERS: &str = "/run/test/strangers.toml";

/// Whether a page of `url` can be had in `container`.
fn reaches(host: &Host, container: &str, url: &str) -> bool {
    host.sh(&format!("pontoon exec {container} timeout 1 wget -qO- {url}/hostname")).code == 0
}

#[test]
fn root_links_open_exposed_ports_where_neighbours_are_strangers() {
    let mut host = Host::new();
    host.sh(&format!("printf '[bridge]\\nicc = false\\naddress6 = \"fd00:17::1/64\"\\n' >{STRANGERS}")).ok();
    host.sh(&format!("PONTOON_CONFIG={STRANGERS} pontoon run --rm busybox true")).ok();
    host.settle();
    let pontoon = |words: &str| host.sh(&format!("PONTOON_CONFIG={STRANGERS} pontoon {words}"));
    pontoon("run -d --name db --expose 80 busybox sh -c 'httpd -p 81 -h /etc; exec httpd -f -p 80 -h /etc'").ok();
    pontoon("run -d --name web --link db:store busybox sleep 1000").ok();
    pontoon("run -d --name stranger busybox httpd -f -p 80 -h /etc").ok();
    let six = |name: &str| host.inspect("{{.NetworkSettings.GlobalIPv6Address}}", name);
    let settled = |what: &str, done: &dyn Fn() -> bool| eventually(what, SOON, done);
    settled("a linked port is open", &|| reaches(&host, "web", "http://store"));
    assert!(reaches(&host, "web", &format!("http://[{}]", six("db"))), "of IPv6, too");
    assert!(!reaches(&host, "web", "http://store:81"), "a port that is not exposed");
    assert!(!reaches(&host, "stranger", &format!("http://{}", host.address("db"))), "another container");
    assert!(!reaches(&host, "db", &format!("http://{}", host.address("web"))), "the way back");
    // Another one gets the address: the link does not lead there.
    let old = host.address("db");
    pontoon("stop -t 0 db").ok();
    let elements = || host.sh("nft list set inet pontoon links4; nft list set inet pontoon links6").ok();
    settled("the elements go", &|| !elements().contains("elements"));
    pontoon("start db").ok();
    assert_ne!(old, host.address("db"));
    settled("the linked port is open again", &|| reaches(&host, "web", "http://store"));
    assert!(!elements().contains(&format!(" {old} ")), "{}", elements());
    // What a flushed firewall had of the link comes back with the rest.
    host.sh("nft flush ruleset").ok();
    pontoon("run --rm busybox true").ok();
    assert!(elements().contains(&host.address("db")), "{}", elements());
    let monitor = host.monitor("web").expect("a monitor");
    host.sh(&format!("kill -9 {monitor}")).ok();
    pontoon("rm -f web").ok();
    assert!(!elements().contains("elements"), "gone with who links: {}", elements());
    pontoon("rm -f db stranger").ok();
}
