//! Images that want out: links where the runtime mounts, files where it reads, numbers that wrap.
//!
//! ```text
//!   /dev /proc /sys /etc WORKDIR -> outside      made and mounted inside, or refused with a sentence
//!   /etc/passwd, /etc/group                      a FIFO, a link out, 10 MB: read as nothing, or in part
//!   USER 4294967296, -1, digits                  refused; a number is never a name
//! ```
//!
//! `outside` is a directory of the host, with a file that nobody may change. Each run has a time and a memory limit.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use pontoon_tests::image::{Layer, archive};
use pontoon_tests::{Host, Output};
use serde_json::{Value, json};

const OUTSIDE: &str = "/run/test/outside";
const FILE: &str = "/run/test/image.tar";

/// A host with something that must not change.
fn host() -> Host {
    let host = Host::ready();
    host.sh(&format!("mkdir -m 751 {OUTSIDE}; echo secret > {OUTSIDE}/secret; chmod 640 {OUTSIDE}/secret")).ok();
    host.sh(&format!("mkdir {OUTSIDE}/etc {OUTSIDE}/null; echo root:x:0:0::/stolen: > {OUTSIDE}/passwd")).ok();
    host
}

/// Owners, modes, times and content of all that lies outside.
fn look(host: &Host) -> String {
    host.sh(&format!("cd {OUTSIDE}; find . -printf '%p %M %U:%G %s %T@ %l\\n' | sort; find . -type f -exec cat {{}} +"))
        .ok()
}

/// Loads and runs an image of these layers; nothing outside may change, nothing may hang, memory is bounded.
#[track_caller]
fn attempt(host: &Host, config: &Value, layers: &[&[u8]], line: &str) -> Output {
    fs::write(FILE, archive("evil", config, layers)).expect(FILE);
    let before = look(host);
    // Of address space, and so more than what is ever touched.
    let limits = "ulimit -v 2000000; timeout -s KILL 20";
    host.sh(&format!("{limits} pontoon load -i {FILE}")).ok();
    let output = host.sh(&format!("{limits} pontoon run --rm --name evil {line}"));
    assert_ne!(output.code, 137, "it hangs: {output}");
    assert_eq!(look(host), before, "{output}");
    host.sh("pontoon rm -f evil 2>/dev/null || true; pontoon rmi evil").ok();
    output
}

fn shell() -> Layer {
    Layer::with_shell()
}

#[test]
fn root_hostile_image_with_mount_points_that_lead_out() {
    let host = host();
    for point in ["dev", "proc", "sys", "etc", "dev/pts", "dev/shm", "etc/hosts", "sys/fs/cgroup", "proc/sys"] {
        for target in
            [OUTSIDE, "../../../../../../../../run/test/outside", "/proc/1/root/run/test/outside", "/proc/self/root"]
        {
            let parts: Vec<&str> = point.rsplitn(2, '/').collect();
            let layer = if parts.len() == 2 { shell().dir(parts[1]) } else { shell() };
            let layer = layer.link(point, target).end();
            let output = attempt(&host, &json!({}), &[&layer], "evil sh -c 'cat /run/test/outside/secret; echo ran'");
            assert!(!output.out().contains("secret"), "{point} -> {target}: {output}");
            let refused = output.code == 125 && !output.err().is_empty();
            assert!(output.out().contains("ran") || refused, "{point} -> {target}: {output}");
        }
    }
}

#[test]
fn root_hostile_image_whose_link_is_in_one_layer_and_its_use_in_another() {
    let host = host();
    let bottom = shell().link("dev", OUTSIDE).link("etc", OUTSIDE).link("w", OUTSIDE).end();
    let top = Layer::new().file("w/evil", b"x").with_mode(b'5', "etc", 0o777).file("dev/.wh.secret", b"").end();
    let output = attempt(&host, &json!({ "WorkingDir": "/w" }), &[&bottom, &top], "evil sh -c 'pwd; ls -l /w/'");
    assert!(output.out().starts_with("/w"), "{output}");
}

#[test]
fn root_hostile_image_whose_working_directory_leads_out() {
    let host = host();
    for target in [OUTSIDE, "/proc/self/fd/7", "/proc/1/cwd", "../../../run/test/outside/nosuch"] {
        let layer = shell().link("w", target).end();
        for workdir in ["/w", "/w/made", "/w/../../../run/test/outside/made"] {
            let output =
                attempt(&host, &json!({ "WorkingDir": workdir }), &[&layer], "evil sh -c 'cat secret; pwd -P'");
            assert!(!output.out().contains("secret"), "{workdir} with w -> {target}: {output}");
        }
    }
    let layer = shell().file("w", b"a file").end();
    assert_eq!(attempt(&host, &json!({ "WorkingDir": "/w" }), &[&layer], "evil true").code, 125);
}

#[test]
fn root_hostile_image_whose_volume_targets_lead_out() {
    let host = host();
    let layer = shell().link("v", OUTSIDE).link("t", "/run/test").end();
    let line = "-v /run/test/bin:/v/new -v /run/test/bin:/t/outside --tmpfs /v/tmp evil true";
    let output = attempt(&host, &json!({}), &[&layer], line);
    assert!(output.code == 0 || output.code == 125, "{output}");
}

#[test]
fn root_hostile_image_whose_account_files_are_traps() {
    let host = host();
    let large =
        [b"root:x:0:0::/:/bin/sh\n".repeat(10), b"x".repeat(10 << 20), b"\nlate:x:5:5::/:/bin/sh\n".to_vec()].concat();
    let secret = format!("{OUTSIDE}/passwd");
    // Only ours: a program of the image that opens its own FIFO may hang as it likes.
    let traps: [(&str, Layer); 5] = [
        ("a FIFO", shell().dir("etc").fifo("etc/passwd").fifo("etc/group")),
        ("links out", shell().dir("etc").link("etc/passwd", &secret).link("etc/group", &secret)),
        ("links to themselves", shell().dir("etc").link("etc/passwd", "passwd").link("etc/group", "group")),
        ("directories", shell().dir("etc/passwd").dir("etc/group")),
        ("10 MB", shell().dir("etc").file("etc/passwd", &large).file("etc/group", &large)),
    ];
    for (trap, layer) in traps {
        let layer = layer.end();
        let output = attempt(&host, &json!({}), &[&layer], "evil sh -c 'echo $HOME; cat /proc/self/status'");
        assert!(output.out().contains("Uid:\t0\t0") && !output.out().contains("stolen"), "{trap}: {output}");
        let output = attempt(&host, &json!({ "User": "7" }), &[&layer], "evil cat /proc/self/status");
        assert!(output.out().contains("Uid:\t7\t7\t7\t7\nGid:\t0\t0"), "{trap}: {output}");
        let output = attempt(&host, &json!({ "User": "nosuch" }), &[&layer], "evil true");
        assert_eq!(output.code, 125, "{trap}: {output}");
        assert!(output.err().contains("unable to find user nosuch"), "{trap}: {output}");
    }
}

#[test]
fn root_hostile_image_with_impossible_users() {
    let host = host();
    let passwd = b"1000:x:0:0::/trap:/bin/sh\nwrapped:x:4294967296:0::/:/bin/sh\nminus:x:-1:-1::/:/bin/sh\n";
    let layer = shell().dir("etc").file("etc/passwd", passwd).file("etc/group", b"5:x:0:\n").end();
    for user in ["4294967296", "-1", "4294967295", "0:4294967296", "0:-1", "wrapped", "minus", "18446744073709551616"] {
        let output = attempt(&host, &json!({ "User": user }), &[&layer], "evil id -u");
        assert_eq!(output.code, 125, "{user}: {output}");
    }
    // Digits are a number, whatever the file calls by that name (CVE-2026-46680).
    let output = attempt(&host, &json!({ "User": "1000:5" }), &[&layer], "evil sh -c 'id -u; id -g'");
    assert_eq!(output.out(), "1000\n5", "{output}");
}

/// The file that is executed, and the loader's files, are the image's and nobody else's.
#[test]
fn root_hostile_image_whose_program_is_a_link_out() {
    let host = host();
    host.sh(&format!("cp /bin/busybox {OUTSIDE}/program; mkfifo {OUTSIDE}/pipe")).ok();
    let layer = shell().link("program", &format!("{OUTSIDE}/program")).fifo("fifo").link("me", "/proc/self/exe").end();
    for (program, code) in [("/program", 127), ("/fifo", 126), ("/proc/1/root/run/test/outside/program", 127)] {
        fs::write(FILE, archive("evil", &json!({}), &[&layer])).expect(FILE);
        host.sh(&format!("pontoon load -i {FILE}")).ok();
        let output = host.sh(&format!("timeout -s KILL 20 pontoon run --rm evil {program} true"));
        assert_eq!(output.code, code, "{program}: {output}");
    }
    host.sh("pontoon rmi evil").ok();
}

#[test]
fn root_hostile_archives_leave_nothing_in_bounded_memory() {
    let host = host();
    let good = shell().end();
    let mut other = good.clone();
    other.truncate(good.len() / 2);
    let mut swapped = archive("evil", &json!({}), &[&good]);
    // One byte of the busybox in the layer: its digest is not the diff-id any more.
    let middle = swapped.len() / 2;
    swapped[middle] ^= 1;
    let upwards = Layer::new().end();
    let mut entries = vec![("swapped", swapped), ("half", archive("evil", &json!({}), &[&other]))];
    entries.push(("empty", archive("evil", &json!({}), &[&upwards])));
    entries.push(("noise", vec![0x5a; 1 << 20]));
    let before = (look(&host), host.sh("find $PONTOON_ROOT/images | sort").ok());
    for (name, bytes) in entries {
        fs::write(FILE, bytes).expect(FILE);
        let output = host.sh(&format!("timeout -s KILL 20 pontoon load -i {FILE}")).expect(125);
        assert!(output.err().lines().count() == 1 && output.err().contains(FILE), "{name}: {output}");
        let after = (look(&host), host.sh("find $PONTOON_ROOT/images | sort").ok());
        assert_eq!(after, before, "{name}");
    }
}

/// 8 GiB of zeros in 8 MB of gzip, as a layer and as the archive itself, on a disk of 64 MiB.
#[test]
fn root_hostile_bombs_end_at_the_disk_s_limit_in_bounded_memory() {
    let host = host();
    host.sh("mkdir /run/test/small; mount -t tmpfs -o size=64m tmpfs /run/test/small").ok();
    let script = "
        export PONTOON_ROOT=/run/test/small/lib PONTOON_STATE=/run/test/small/state
        pontoon images > /dev/null
        head -c 1G /dev/zero | gzip -1 > /run/test/piece.gz
        for i in 1 2 3 4 5 6 7 8; do cat /run/test/piece.gz; done > /run/test/bomb.gz
        ! timeout -s KILL 50 pontoon load -i /run/test/bomb.gz 2>&1
        test -z \"$(ls -A /run/test/small/lib/images/scratch)\"
        df --output=used -k /run/test/small | tail -1";
    let said = host.sh(script).ok();
    assert!(said.contains("No space left on device"), "{said}");
    let used: u64 = said.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number from df");
    assert!(used < 1_000, "{used} kB stay on the disk: {said}");
    assert!(peak() < 64_000, "a peak of {} kB", peak());
    host.sh("umount /run/test/small; rm /run/test/bomb.gz /run/test/piece.gz").ok();
}

/// The most memory that any command of this test has had, in kB: VmHWM, as the kernel counts it for whoever waits.
fn peak() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage").max_rss()
}
