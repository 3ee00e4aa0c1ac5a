//! A command that may have no more processes, or no more memory: it ends with a sentence or is killed, and the next one
//! that has enough puts everything right.
//!
//! ```text
//!   <parent>/caller   pids.max = 1 … 6           clone: EAGAIN              0, or 125 and a sentence
//!                     memory limit 256 K … 8 M   the kernel kills it        0, 125 or 137
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use pontoon_tests::{Host, Output};

const LINE: &str = "pontoon run --rm --name x -p 8080:80 --network my-net busybox true";

/// A control group for a caller, below the host's own, in the hierarchy that knows this file. What Pontoon makes stands
/// beside it, below the same parent.
struct Caller {
    parent: PathBuf,
    directory: PathBuf,
}

impl Caller {
    fn new(host: &Host, file: &str) -> Self {
        let has = |dir: &PathBuf| dir.ends_with(&host.cgroup_parent) && dir.join(file).exists();
        let parent = host.cgroups().into_iter().find(has).unwrap_or_else(|| panic!("no hierarchy knows {file}"));
        let directory = parent.join("caller");
        fs::create_dir(&directory).expect("a control group");
        Self { parent, directory }
    }

    /// Runs the line with this program's processes in the group.
    fn run(&self, host: &Host) -> Output {
        let procs = self.directory.join("cgroup.procs");
        host.sh(&format!("echo $$ > {}; exec {LINE}", procs.display()))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}

fn set(dir: &Path, file: &str, value: &str) {
    let file = dir.join(file);
    fs::write(&file, value).unwrap_or_else(|error| panic!("{value} > {}: {error}", file.display()));
}

/// With enough of everything: what is left is cleared away, and the same line works.
#[track_caller]
fn recovers(host: &Host) {
    host.sh("pontoon rm -f x; pontoon rm -f x").ok();
    assert_eq!(host.sh("pontoon ps -aq").ok(), "");
    host.sh(LINE).ok();
}

#[test]
fn root_starved_of_processes() {
    let host = Host::with_my_net();
    let caller = Caller::new(&host, "pids.max");
    let mut refused = 0;
    for most in 1..=6 {
        set(&caller.parent, "pids.max", &most.to_string());
        let output = caller.run(&host);
        set(&caller.parent, "pids.max", "max");
        if output.code != 0 {
            output.refused(125, "Resource temporarily unavailable");
            refused += 1;
        }
        recovers(&host);
    }
    assert!(refused > 1, "the limit has refused {refused} of 6");
    drop(caller);
    host.sh("pontoon network rm my-net").ok();
}

#[test]
fn root_starved_of_memory() {
    let host = Host::with_my_net();
    let file = ["memory.max", "memory.limit_in_bytes"];
    let limit = file.into_iter().find(|file| host.cgroups().iter().any(|dir| dir.join(file).exists()));
    let limit = limit.expect("a hierarchy that limits memory");
    let caller = Caller::new(&host, limit);
    let mut killed = 0;
    for kilobytes in [128, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192] {
        set(&caller.directory, limit, &(kilobytes * 1024).to_string());
        let output = caller.run(&host);
        match output.code {
            0 => {}
            137 => killed += 1,
            _ => assert!(output.code == 125 && !output.err().is_empty(), "with {kilobytes} kB: {output}"),
        }
        recovers(&host);
    }
    assert!(killed > 0, "the kernel has killed nobody");
    drop(caller);
    host.sh("pontoon network rm my-net").ok();
}
