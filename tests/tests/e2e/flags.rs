//! What each flag of `run` changes, seen from inside and in the cgroup.

use std::fs;

use pontoon_tests::{Host, eventually};

use crate::given::{SOON, sleeper};

/// Output of `pontoon run --rm FLAGS busybox COMMAND`, typed as one line.
#[track_caller]
fn run(host: &Host, flags: &str, command: &str) -> String {
    host.sh(&format!("pontoon run --rm {flags} busybox {command}")).ok()
}

#[test]
fn root_flag_v_binds_directories_and_files() {
    let host = Host::ready();
    host.sh("mkdir /run/test/data; echo there > /run/test/data/file; chmod 777 /run/test/data").ok();
    assert_eq!(run(&host, "-v /run/test/data:/data", "sh -c 'cat /data/file; echo made > /data/new'"), "there");
    assert_eq!(fs::read_to_string("/run/test/data/new").expect("made in the container"), "made\n");
    let refused = host.sh("pontoon run --rm -v /run/test/data:/data:ro busybox touch /data/x");
    assert!(refused.code == 1 && refused.err().contains("Read-only file system"), "{refused}");
    assert_eq!(run(&host, "-v /run/test/data/file:/etc/motd:ro", "cat /etc/motd"), "there");
    run(&host, "-v /run/test/fresh:/deep/in/side", "touch /deep/in/side/x");
    assert_eq!(
        host.sh("stat -c '%F %u' /run/test/fresh").ok(),
        "directory 0",
        "a missing host path becomes a directory"
    );
    host.sh("mount -t tmpfs tmpfs /run/test/data/; touch /run/test/data/below; umount /run/test/data").ok();
}

#[test]
fn root_flag_v_does_not_follow_the_image_s_links_out() {
    let host = Host::ready();
    host.sh("mkdir -p /run/test/image/bin /run/test/image/run/test /run/test/data; cp /bin/busybox /run/test/image/bin/sh; ln -s /run/test /run/test/image/trap").ok();
    host.sh("tar -C /run/test/image -c . | pontoon image import - trap").ok();
    host.sh("pontoon run --rm -v /run/test/data:/trap/door trap /bin/sh -c 'echo > /trap/door/x'").ok();
    assert!(!std::path::Path::new("/run/test/door").exists(), "the link leads nowhere but inside");
    assert!(std::path::Path::new("/run/test/data/x").exists());
}

#[test]
fn root_flag_read_only_and_tmpfs() {
    let host = Host::ready();
    let refused = host.sh("pontoon run --rm --read-only busybox touch /x");
    assert!(refused.code == 1 && refused.err().contains("Read-only file system"), "{refused}");
    run(&host, "--read-only --tmpfs /tmp", "touch /tmp/x");
    let mount = run(&host, "--tmpfs /scratch:size=64k,mode=700", "grep /scratch /proc/mounts");
    for option in ["tmpfs", "size=64k", "mode=700", "nosuid", "nodev", "noexec"] {
        assert!(mount.contains(option), "{option} in {mount}");
    }
    run(&host, "--read-only", "sh -c 'echo >> /etc/hosts; echo > /dev/shm/x'");
}

#[test]
fn root_flag_user() {
    let host = Host::ready();
    assert_eq!(run(&host, "-u 1234:5678", "id"), "uid=1234 gid=5678 groups=5678");
    assert_eq!(run(&host, "-u 1234", "id -g"), "0");
    assert_eq!(run(&host, "-u nobody", "id -un"), "nobody");
    assert_eq!(run(&host, "-u root", "sh -c 'echo $HOME'"), "/root");
    assert_eq!(run(&host, "-u 1234", "sh -c 'echo $HOME'"), "/");
    sleeper(&host, "x", "-u 1234:5678");
    assert_eq!(host.sh("pontoon exec x id -u").ok(), "1234");
    assert_eq!(host.sh("pontoon exec -u 0 x id -u").ok(), "0");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_flag_workdir_env_entrypoint_hostname() {
    let host = Host::ready();
    assert_eq!(run(&host, "-w /made/for/it", "pwd"), "/made/for/it");
    assert_eq!(
        run(
            &host,
            "-e A=1 -e B='two words' -e TAKEN -e UNSET",
            "sh -c 'echo $A,$B,$TAKEN; env | grep -c UNSET || true'"
        ),
        "1,two words,from the caller\n0"
    );
    assert_eq!(run(&host, "-e PATH=/bin", "sh -c 'echo $PATH'"), "/bin");
    assert_eq!(run(&host, "--entrypoint echo", "hello"), "hello");
    assert_eq!(run(&host, "--entrypoint ''", "echo reset"), "reset");
    assert_eq!(run(&host, "-h box", "hostname"), "box");
    assert_eq!(run(&host, "--hostname box --net=none", "sh -c 'echo $HOSTNAME; cat /etc/hostname'"), "box\nbox");
}

#[test]
fn root_flag_env_file() {
    let host = Host::ready();
    let text = "# comment\n\nA=from the file\n  B= kept \"as it is\" \nTAKEN\nUNSET\nC=1\n";
    fs::write("/run/test/env", text).expect("a file of variables");
    let script = "sh -c 'echo \"$A|$B|$TAKEN|$C\"; env | grep -c UNSET || true'";
    let output = run(&host, "--env-file /run/test/env -e C=2", script);
    assert_eq!(output, "from the file| kept \"as it is\" |from the caller|2\n0");
    for (text, sentence) in [
        ("bad name=1", "invalid env file (/run/test/env): variable 'bad name' contains whitespaces"),
        ("=1", "invalid env file (/run/test/env): no variable name on line '=1'"),
    ] {
        fs::write("/run/test/env", text).expect("a file of variables");
        host.sh("pontoon run --rm --env-file /run/test/env busybox true").refused(125, sentence);
    }
    host.sh("pontoon run --rm --env-file /nosuch busybox true").refused(125, "open /nosuch: no such file or directory");
}

#[test]
fn root_flag_label() {
    let host = Host::ready();
    fs::write("/run/test/labels", "a=from the file\nb=2\n").expect("a file of labels");
    sleeper(&host, "x", "-l b=3 --label empty --label-file /run/test/labels");
    assert_eq!(host.inspect("{{json .Config.Labels}}", "x"), r#"{"a":"from the file","b":"3","empty":""}"#);
    assert_eq!(host.sh("pontoon ps --format '{{.Labels}}'").ok(), "a=from the file,b=3,empty=");
    host.sh("pontoon run --rm -l =x busybox true").refused(125, "invalid label '=x': empty name");
    host.sh("pontoon run --rm -l 'a b=x' busybox true").refused(125, "label 'a b=x' contains whitespaces");
    host.sh("pontoon run --rm --label-file /nosuch busybox true").refused(125, "open /nosuch: no such file");
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_flag_cidfile() {
    let host = Host::ready();
    let file = "/run/test/cid";
    let id = sleeper(&host, "x", &format!("--cidfile {file}"));
    assert_eq!(fs::read_to_string(file).expect("the id"), id);
    let found = format!("container ID file found, make sure the other container isn't running or delete {file}");
    host.sh(&format!("pontoon run --rm --name y --cidfile {file} busybox true")).refused(125, &found);
    host.sh(&format!("pontoon create --name y --cidfile {file} busybox true")).refused(125, &found);
    assert_eq!(host.sh("pontoon ps -aq").ok().lines().count(), 1, "no second container is made");
    host.sh("pontoon run --rm --cidfile /no/such/place busybox true").refused(125, "/no/such/place");
    host.sh("pontoon rm -f x; rm /run/test/cid").ok();
    host.sh(&format!("pontoon run --rm --cidfile {file} nosuchimage")).refused(125, "nosuchimage");
    host.sh(&format!("pontoon run -d --cidfile {file} -p 127.9.9.9:99:99 -p 127.9.9.9:99:98 busybox true")).expect(125);
    assert!(!std::path::Path::new(file).exists(), "no container, no file");
    host.sh(&format!("pontoon run --name z --cidfile {file} busybox nosuch")).refused(127, "nosuch");
    assert_eq!(fs::read_to_string(file).expect("the id").len(), 64, "a container whose program is missing is there");
    host.sh("pontoon rm z; rm /run/test/cid").ok();
}

#[test]
fn root_flag_capabilities() {
    let host = Host::ready();
    let set = |flags: &str| {
        run(&host, flags, "sh -c 'grep CapEff /proc/self/status'").trim_start_matches("CapEff:").trim().to_owned()
    };
    assert_eq!(set("--cap-add NET_ADMIN"), "00000000a80435fb");
    assert_eq!(set("--cap-add CAP_NET_ADMIN"), "00000000a80435fb");
    assert_eq!(set("--cap-drop ALL"), "0000000000000000");
    assert_eq!(set("--cap-drop all --cap-add net_raw"), "0000000000002000");
    assert_eq!(set("--cap-drop CHOWN"), "00000000a80425fa");
    run(&host, "--cap-add NET_ADMIN", "ip link set lo down");
    run(&host, "--cap-add SYS_ADMIN", "sh -c 'mount -t tmpfs t /mnt && hostname changed'");
}

#[test]
fn root_flag_privileged() {
    let host = Host::ready();
    let all = host.sh("grep CapBnd /proc/self/status").ok().split_whitespace().nth(1).expect("a set").to_owned();
    let status = run(&host, "--privileged", "cat /proc/self/status");
    assert!(status.contains(&format!("CapEff:\t{all}")) && status.contains("Seccomp:\t0"), "{status}");
    run(
        &host,
        "--privileged",
        "sh -c 'mount -t tmpfs t /mnt && echo 1 > /proc/sys/net/ipv4/ip_forward && ls /dev/null'",
    );
    run(&host, "--privileged", "sh -c 'mknod /tmp/d c 1 1; ! (exec 3</tmp/d) 2>&1 | grep \"not permitted\"'");
}

#[test]
fn root_flag_expose_changes_nothing_but_what_is_shown() {
    let host = Host::ready();
    sleeper(&host, "x", "--expose 9999");
    assert!(host.sh("pontoon ps").ok().contains("9999/tcp"));
    host.sh("pontoon rm -f x").ok();
}

/// The first of these files that the container's cgroup has, v1 or v2.
fn limit(host: &Host, id: &str, files: &[&str]) -> String {
    let path = files
        .iter()
        .find_map(|file| host.cgroup_file(id, file))
        .unwrap_or_else(|| panic!("{files:?} of {id}: {:?}", host.cgroups()));
    fs::read_to_string(path).expect("a limit").trim().to_owned()
}

#[test]
fn root_flag_limits_are_in_the_cgroup() {
    let host = Host::ready();
    let id = sleeper(&host, "x", "--memory 64m --cpus 0.5 --pids-limit 32");
    assert_eq!(limit(&host, &id, &["memory.limit_in_bytes", "memory.max"]), "67108864");
    assert!(["50000", "50000 100000"].contains(&limit(&host, &id, &["cpu.cfs_quota_us", "cpu.max"]).as_str()));
    assert_eq!(limit(&host, &id, &["pids.max"]), "32");
    assert_eq!(
        host.inspect("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}", "x"),
        "67108864 500000000 32"
    );
    let pid = host.inspect("{{.State.Pid}}", "x");
    let files: Vec<String> = host.cgroups().iter().map(|dir| format!("{}/cgroup.procs", dir.display())).collect();
    host.sh(&format!("cat {} | grep -qx {pid}", files.join(" "))).ok();
    host.sh("pontoon rm -f x").ok();
}

#[test]
fn root_flag_limits_bite() {
    let host = Host::ready();
    let eater = host.sh("pontoon run --rm --memory 16m busybox tail /dev/zero");
    assert_eq!(eater.code, 137, "killed for want of memory: {eater}");
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 100 & done; echo made";
    let forks = host.pontoon(&["run", "--rm", "--pids-limit", "8", "busybox", "sh", "-c", script]);
    assert!(forks.err().contains("fork"), "{forks}");
}

#[test]
fn root_flag_ulimit() {
    let host = Host::ready();
    let limits = "--ulimit nofile=100:200 --ulimit core=0 --ulimit nofile=64:128";
    assert_eq!(run(&host, limits, "sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'"), "64\n128\n0");
    let own = host.sh("ulimit -Sn; ulimit -Hn").ok();
    assert_eq!(run(&host, "", "sh -c 'ulimit -Sn; ulimit -Hn'"), own, "nothing is changed that nobody asked for");
    sleeper(&host, "x", "--ulimit nofile=64:128 --ulimit stack=-1");
    assert_eq!(host.sh("pontoon exec x sh -c 'ulimit -Sn; ulimit -s'").ok(), "64\nunlimited");
    let shown = r#"[{"Hard":128,"Name":"nofile","Soft":64},{"Hard":-1,"Name":"stack","Soft":-1}]"#;
    assert_eq!(host.inspect("{{json .HostConfig.Ulimits}}", "x"), shown);
    host.sh("pontoon rm -f x").ok();
    for (word, sentence) in [
        ("nofile", "invalid ulimit argument: nofile"),
        ("nosuch=1", "invalid ulimit type: nosuch"),
        ("nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
    ] {
        host.sh(&format!("pontoon run --rm --ulimit {word} busybox true")).refused(125, sentence);
    }
}

#[test]
fn root_flag_ulimit_above_the_hard_limit_needs_the_capability() {
    let host = Host::ready();
    let without = "ulimit -n 1024; setpriv --bounding-set -sys_resource --inh-caps -sys_resource";
    let line = format!("{without} pontoon run --rm --ulimit nofile=2048:2048 busybox true");
    host.sh(&line).refused(125, "raising a hard limit needs CAP_SYS_RESOURCE");
    host.sh(&format!("{without} pontoon run --rm --ulimit nofile=512:512 busybox true")).ok();
}

#[test]
fn root_flag_shm_size() {
    let host = Host::ready();
    let size = "sh -c 'df -k /dev/shm | tail -n 1'";
    assert!(run(&host, "", size).contains(" 65536 "), "Docker's default");
    assert!(run(&host, "--shm-size 1m", size).contains(" 1024 "));
    let output = host.sh("pontoon run --rm --shm-size 1m busybox dd if=/dev/zero of=/dev/shm/x bs=1k count=1025");
    assert!(output.code == 1 && output.err().contains("No space left"), "{output}");
    host.sh("pontoon run --rm --shm-size nonsense busybox true").refused(125, "invalid size: 'nonsense'");
}

#[test]
fn root_flag_group_add() {
    let host = Host::ready();
    let groups = host.sh("pontoon run --rm busybox cat /etc/group").ok();
    let named =
        groups.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).find(|name| *name != "root");
    let named = named.expect("a group of the image").to_owned();
    let number = run(&host, "", &format!("sh -c 'grep ^{named}: /etc/group | cut -d: -f3'"));
    let inside = run(&host, &format!("-u 7:8 --group-add {named} --group-add 1234"), "id -G");
    let mut inside: Vec<&str> = inside.split_whitespace().collect();
    inside.sort_unstable();
    let mut expected = vec!["8", "1234", number.as_str()];
    expected.sort_unstable();
    assert_eq!(inside, expected);
    sleeper(&host, "x", "--group-add 1234");
    assert!(host.sh("pontoon exec x id -G").ok().contains("1234"));
    host.sh("pontoon rm -f x").ok();
    host.sh("pontoon run --rm --group-add nosuch busybox true").refused(125, "unable to find group nosuch");
    host.sh("pontoon run --rm --group-add a,b busybox true").refused(125, "unable to find group a,b");
}

#[test]
fn root_flag_device() {
    let host = Host::ready();
    host.sh("mkdir /run/test/devices; mknod /run/test/devices/zero c 1 5; mknod -m 640 /run/test/tun c 10 200").ok();
    let node = run(&host, "--device /run/test/tun:/dev/tun", "stat -c '%F %t:%T %a' /dev/tun");
    assert_eq!(node, "character special file a:c8 640");
    let open = "sh -c 'exec 3< /dev/tun && echo open'";
    assert_eq!(run(&host, "--device /run/test/tun:/dev/tun:r", open), "open");
    let write = "sh -c 'exec 3<> /dev/tun'";
    let refused = host.sh(&format!("pontoon run --rm --device /run/test/tun:/dev/tun:r busybox {write}"));
    assert!(refused.code != 0 && refused.err().contains("not permitted"), "{refused}");
    let unasked = "sh -c 'mknod /dev/tun c 10 200; exec 3< /dev/tun'";
    assert!(host.sh(&format!("pontoon run --rm busybox {unasked}")).err().contains("not permitted"));
    let all = "--device /run/test/devices:/dev/all --device /dev/null:/opt/deep/null";
    assert_eq!(run(&host, all, "sh -c 'head -c 3 /dev/all/zero | wc -c; echo > /opt/deep/null'"), "3");
    host.sh("pontoon run --name x --device /dev/zero:/opt/zero busybox true; pontoon start -a x").ok();
    let devices = r#"[{"CgroupPermissions":"rwm","PathInContainer":"/opt/zero","PathOnHost":"/dev/zero"}]"#;
    assert_eq!(host.inspect("{{json .HostConfig.Devices}}", "x"), devices);
    host.sh("pontoon rm x").ok();
    let gathering = "error gathering device information while adding custom device";
    for (word, sentence) in [
        ("/dev/nosuch", format!("{gathering} \"/dev/nosuch\": no such file or directory")),
        ("/etc/passwd", format!("{gathering} \"/etc/passwd\": not a device node")),
        ("relative", "'relative' is not an absolute path".into()),
        ("/dev/null:/dev/x:q", "bad mode specified: q".into()),
        ("/dev/null:/etc/passwd", "cannot make the device /etc/passwd: something else is there already".into()),
    ] {
        host.sh(&format!("pontoon run --rm --device {word} busybox true")).refused(125, &sentence);
    }
}

#[test]
fn root_flag_security_opt() {
    let host = Host::ready();
    let status = |flags: &str, name: &str| {
        let line = run(&host, flags, &format!("grep ^{name}: /proc/self/status"));
        line.split_whitespace().nth(1).expect("a value").to_owned()
    };
    assert_eq!(status("", "NoNewPrivs"), "0");
    for word in ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"] {
        assert_eq!(status(&format!("--security-opt {word}"), "NoNewPrivs"), "1", "{word}");
    }
    assert_eq!(status("--security-opt no-new-privileges:false", "NoNewPrivs"), "0");
    assert_eq!(status("", "Seccomp"), "2");
    assert_eq!(status("--security-opt seccomp=unconfined", "Seccomp"), "0");
    run(&host, "--security-opt systempaths=unconfined", "sh -c 'test -w /proc/sys && ! mount | grep -q \" /proc/\"'");
    sleeper(&host, "x", "--security-opt no-new-privileges --security-opt seccomp=unconfined");
    let inside = host.sh("pontoon exec x grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status").ok();
    assert_eq!(inside.split_whitespace().collect::<Vec<_>>(), ["NoNewPrivs:", "1", "Seccomp:", "0"]);
    host.sh("pontoon rm -f x").ok();
    for (word, sentence) in [
        ("nonsense", "Invalid --security-opt: \"nonsense\""),
        ("no-new-privileges:maybe", "invalid --security-opt 2: \"no-new-privileges:maybe\""),
        ("seccomp=/nosuch", "opening seccomp profile (/nosuch) failed: open /nosuch: no such file or directory"),
        ("seccomp=/etc/passwd", "compacting json for seccomp profile (/etc/passwd) failed"),
        ("apparmor=mine", "not supported"),
    ] {
        host.sh(&format!("pontoon run --rm --security-opt {word} busybox true")).refused(125, sentence);
    }
}

#[test]
fn root_flag_security_opt_with_a_profile_of_docker_s_form() {
    let host = Host::ready();
    let profile = r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        { "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 },
        { "names": ["sync"], "action": "SCMP_ACT_ERRNO", "excludes": { "caps": ["CAP_CHOWN"] } } ] }"#;
    fs::write("/run/test/profile.json", profile).expect("a profile");
    let flag = "--security-opt seccomp=/run/test/profile.json";
    let refused = host.sh(&format!("pontoon run --name x {flag} busybox sh -c 'sync && mkdir /tmp/x'"));
    assert!(refused.code == 1 && refused.err().contains("No space left on device"), "{refused}");
    host.sh("rm /run/test/profile.json").ok();
    let again = host.sh("pontoon start -a x");
    assert!(again.err().contains("No space left on device"), "the profile is in the record: {again}");
    host.sh("pontoon rm x").ok();
    for (text, sentence) in [
        ("{}", "decoding seccomp profile failed"),
        (r#"{ "defaultAction": "SCMP_ACT_DANCE" }"#, "SCMP_ACT_DANCE"),
        (
            r#"{ "defaultAction": "SCMP_ACT_ALLOW", "archMap": [], "architectures": [] }"#,
            "both 'architectures' and 'archMap'",
        ),
    ] {
        fs::write("/run/test/profile.json", text).expect("a profile");
        host.sh(&format!("pontoon run --rm {flag} busybox true")).refused(125, sentence);
    }
}

#[test]
fn root_flags_take_true_and_false() {
    let host = Host::ready();
    host.sh("pontoon run --rm=true --detach=false --init=0 --name x busybox true").ok();
    assert_eq!(host.sh("pontoon ps -aq").ok(), "");
    host.sh("pontoon run --detach=1 --rm=false --name x busybox sleep 1000").ok();
    assert_eq!(host.inspect("{{.HostConfig.AutoRemove}} {{.HostConfig.Init}}", "x"), "false false");
    assert_eq!(host.sh("pontoon exec --interactive=true x echo --tty=true").ok(), "--tty=true");
    host.sh("pontoon rm --force=true x").ok();
    let said = host.sh("pontoon run --rm=maybe busybox true").expect(125).err();
    assert!(said.starts_with("pontoon: invalid argument \"maybe\" for \"--rm\" flag"), "{said}");
}

#[test]
fn root_flag_stop_signal_and_stop_timeout() {
    let host = Host::ready();
    let trap = "trap 'exit 7' USR1; trap '' TERM; echo up; while :; do sleep 0.05; done";
    host.sh(&format!("pontoon run -d --name x --stop-signal USR1 --stop-timeout -1 busybox sh -c \"{trap}\"")).ok();
    eventually("it is up", SOON, || host.sh("pontoon logs x").out() == "up");
    assert_eq!(host.inspect("{{.Config.StopSignal}} {{.Config.StopTimeout}}", "x"), "SIGUSR1 -1");
    host.sh("pontoon stop x").ok();
    assert_eq!(host.inspect("{{.State.ExitCode}}", "x"), "7");
    host.sh("pontoon rm x").ok();
    host.sh(&format!("pontoon run -d --name y --stop-timeout 1 busybox sh -c \"{trap}\"")).ok();
    eventually("it is up", SOON, || host.sh("pontoon logs y").out() == "up");
    let begin = std::time::Instant::now();
    host.sh("pontoon stop y").ok();
    assert!(begin.elapsed() >= std::time::Duration::from_secs(1) && begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert_eq!(host.inspect("{{.State.ExitCode}}", "y"), "137");
    host.sh("pontoon rm y").ok();
    host.sh("pontoon run --rm --stop-signal NOSUCH busybox true").refused(125, "Invalid signal: NOSUCH");
    host.sh("pontoon run --rm --stop-timeout x busybox true").expect(125);
}

#[test]
fn root_exec_reads_variables_from_a_file() {
    let host = Host::ready();
    fs::write("/run/test/env", "A=1\nB=2\n").expect("a file of variables");
    sleeper(&host, "x", "-e A=0 -e C=3");
    assert_eq!(host.sh("pontoon exec --env-file /run/test/env -e B=4 x sh -c 'echo $A$B$C'").ok(), "143");
    host.sh("pontoon exec --env-file /nosuch x true").refused(125, "open /nosuch: no such file or directory");
    host.sh("pontoon rm -f x").ok();
}
