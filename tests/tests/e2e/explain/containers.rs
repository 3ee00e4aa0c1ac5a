//! Both containers: what a program sees of its mounts, devices, masks, names, capabilities and files.

use std::fs;

use pontoon_tests::{Host, Terminal};

use super::{in_turn, with_image};

/// What a container says of itself, line by line; numbers that a kernel gives are left out.
const LOOK: &str = r#"
    cd /
    awk 'NR == FNR { point[$1] = $5; next } { print point[$2], $4, $5, $6, $7, $(NF - 2), $(NF - 1), $NF }' \
        /proc/self/mountinfo /proc/self/mountinfo | sort
    ls -l /dev /dev/pts /dev/shm /dev/mqueue | sed 's/ [A-Z][a-z][a-z] .[0-9] ..:.. / /'
    for path in /proc/* /sys/firmware /sys/fs/cgroup; do case $path in /proc/[0-9]*|/proc/self*|/proc/thread-self*|/proc/locks) ;; *)
        [ -d $path ] && echo $path $(ls $path 2>&1 | grep -c .) || { [ -s $path ] || echo $path $(head -c 1 $path 2>&1 | wc -c); } ;; esac; done
    grep -E '^(Cap|NoNewPrivs|Uid|Gid|Groups|Umask)' /proc/self/status
    hostname; cat /etc/hosts /etc/hostname /etc/resolv.conf /proc/self/cgroup
    cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range /proc/self/oom_score_adj /proc/self/limits
    env | grep -vE '^(SHLVL|_)=' | sort
    id; fds=$(ls -l /proc/self/fd); all=$(ps); echo "$fds" | wc -l; echo "$all" | wc -l; echo $$
    find / -xdev | sort; ls -ld /srv /tmp /etc/hosts | sed 's/ [A-Z][a-z][a-z] .[0-9] ..:.. / /'
    ip -o -4 address; ip route
    (echo x >/proc/sys/kernel/hostname; mkdir /sys/x /x; mknod /tmp/x c 10 200; cat /tmp/x) 2>&1 | sed 's/^[^:]*: //'
"#;

/// In whose namespaces a program is: none of them may be the host's, but those that the mode shares.
const NAMESPACES: &str = "for n in mnt net uts pid ipc; do readlink /proc/self/ns/$n; done";

/// Where it starts.
const PLACE: &str = "pwd; readlink /proc/self/cwd";

fn line(flags: &str, script: &str) -> Vec<String> {
    let mut words: Vec<String> = ["run", "--explain", "--name", "web"].map(String::from).to_vec();
    words.extend(flags.split_whitespace().map(String::from));
    words.extend(["busybox", "sh", "-c", script].map(String::from));
    words
}

/// mount(8) makes a file system itself read-only where the new mount API makes the mount so.
fn told(text: &str) -> Vec<String> {
    let one =
        |line: &str| line.replace(" sysfs sysfs ro", " sysfs sysfs rw").replace(" tmpfs tmpfs ro,", " tmpfs tmpfs rw,");
    text.lines().map(one).collect()
}

/// Runs the same container by Pontoon and by hand, and compares what they say.
#[track_caller]
fn compare(flags: &'static str) {
    let script = format!("exec 2>&1\n{PLACE}\n{LOOK}");
    let (ours, theirs) = in_turn(
        move |host| {
            prepare(host);
            let output = host.pontoon(&line(flags, &script).iter().map(String::as_str).collect::<Vec<_>>());
            host.sh("pontoon rm -f web").ok();
            host.settle();
            (output.err(), output.out(), output.code)
        },
        move |host, (text, ..)| {
            prepare(host);
            fs::write("/run/test/steps.sh", text).expect("steps");
            let output = host.sh("bash /run/test/steps.sh");
            host.settle();
            (output.err(), output.out(), output.code)
        },
    );
    assert!(ours.0.starts_with("#!/bin/bash") && ours.0.trim_end().ends_with("exit \"$code\""), "{}", ours.0);
    let (mine, hand) = (told(&ours.1), told(&theirs.1));
    let hand: Vec<String> = hand.into_iter().filter(|line| !line.starts_with("What it wrote is in")).collect();
    let only =
        |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>().join("\n");
    assert_eq!(
        mine,
        hand,
        "\nPontoon's alone:\n{}\nby hand alone:\n{}\nstderr:\n{}",
        only(&mine, &hand),
        only(&hand, &mine),
        theirs.0
    );
    assert!(mine.len() > 150 && ours.2 == theirs.2, "the question can fail: {} lines", mine.len());
}

/// What -v binds.
fn prepare(host: &Host) {
    host.sh("mkdir -p /run/test/data; echo text >/run/test/data/file; chmod 644 /run/test/data/file").ok();
}

#[test]
fn root_explained_container_by_hand_is_equal() {
    compare("-h web");
}

#[test]
fn root_explained_container_of_another_user_by_hand_is_equal() {
    compare("-u 1000:1000 -w /srv/app -e A=it's --network none --cap-add NET_ADMIN");
}

#[test]
fn root_explained_container_that_is_read_only_by_hand_is_equal() {
    compare(
        "--read-only --tmpfs /t:size=1m,mode=700 -v /run/test/data:/data:ro -v /run/test/new:/new -v /run/test/data/file:/etc/motd -m 64m --pids-limit 50",
    );
}

#[test]
fn root_explained_container_with_many_flags_by_hand_is_equal() {
    compare(
        "--ulimit nofile=100:200 --shm-size 1m --device /dev/fuse:/dev/f/use:r --group-add 77 --security-opt no-new-privileges \
         --cap-drop MKNOD --network none -w /srv",
    );
}

#[test]
fn root_explained_container_on_the_host_s_network_by_hand_is_equal() {
    compare("--network host --add-host a:10.0.0.9 --dns 10.0.0.1");
}

#[test]
fn root_explained_container_with_all_privileges_by_hand_is_equal() {
    compare("--privileged --network none");
}

#[test]
fn root_explained_namespaces_are_its_own() {
    let mut host = with_image();
    let own = host.sh(NAMESPACES).ok();
    let words = ["run", "--dry-run", "--rm", "--network", "none", "--name", "web", "busybox", "sh", "-c", NAMESPACES];
    let text = host.pontoon(&words).ok();
    fs::write("/run/test/steps.sh", text).expect("steps");
    let inside = host.sh("bash /run/test/steps.sh").ok();
    assert_eq!(inside.lines().count(), 5);
    for (here, there) in own.lines().zip(inside.lines()) {
        assert_ne!(here, there);
    }
    host.settle();
}

#[test]
fn root_explained_start_on_a_terminal_says_it_before_the_shell_begins() {
    let mut host = with_image();
    let mut terminal = Terminal::open(&host, "pontoon run --explain -it --rm -h told --network none busybox sh");
    terminal.expect("#!/bin/bash\r\n");
    terminal.expect("exit \"$code\"\r\n");
    terminal.expect("/ # ");
    terminal.type_("hostname; exit\r");
    terminal.expect("told\r\n");
    assert_eq!(terminal.wait().0, 0);
    host.settle();
}

#[test]
fn root_explained_shell_by_hand_is_a_shell() {
    let mut host = with_image();
    let line =
        "pontoon run --dry-run -it --rm -h hand --name t busybox sh >/run/test/steps.sh && bash /run/test/steps.sh";
    let mut terminal = Terminal::open(&host, line);
    terminal.expect("/ # ");
    terminal.type_("hostname; echo $$; ls / | wc -l; exit 7\r");
    terminal.expect("hand\r\n1\r\n");
    assert_eq!(terminal.wait().0, 7, "the program's exit code is the script's");
    assert!(!std::path::Path::new("/run/by-hand/t").exists(), "--rm");
    host.settle();
}
