//! Who takes part: the same words for all of them, as they are meant to be the same.
//!
//! ```text
//!   pontoon            the binary under test
//!   docker             if dockerd is installed: one of its own, started here, gone with the host
//!   podman             if it is installed, with storage of its own
//! ```

use std::process::{Child, Command};
use std::time::Duration;

use pontoon_tests::{Host, eventually};

/// A program with Docker's words.
pub struct Contender {
    /// As the table calls it.
    pub name: &'static str,
    /// Program and flags before the verb.
    prefix: Vec<String>,
    /// The daemon, for those who need one.
    daemon: Option<Child>,
}

impl Contender {
    /// `words` of this contender, as a command.
    pub fn command(&self, host: &Host, words: &[&str]) -> Command {
        let mut command = host.command(&self.prefix[0]);
        command.args(&self.prefix[1..]).args(words);
        command
    }

    /// Program and flags before the verb, for a shell.
    pub fn words(&self) -> String {
        self.prefix.join(" ")
    }

    /// Ends the daemon and waits for it.
    pub fn leave(self, host: &Host) {
        if let Some(mut daemon) = self.daemon {
            host.sh("kill $(cat /run/test/docker/pid)").ok();
            let _ = daemon.wait();
        }
    }

    /// `words`, to their end, whatever that is.
    pub fn tidy(&self, host: &Host, words: &[&str]) {
        let mut command = self.command(host, words);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let _ = command.status();
    }
}

/// The binary under test.
pub fn pontoon() -> Contender {
    Contender { name: "pontoon", prefix: vec!["pontoon".into()], daemon: None }
}

/// The others that are installed here, started where they need a daemon.
pub fn others(host: &Host) -> Vec<Contender> {
    [docker(host), podman(host)].into_iter().flatten().collect()
}

/// dockerd with directories of its own, in the private host.
fn docker(host: &Host) -> Option<Contender> {
    // The distribution's own, where there are several: daemon and client have to be of one age.
    let client = installed(host, "docker")?;
    installed(host, "dockerd")?;
    let words = format!(
        "mkdir -p /run/test/docker; exec dockerd --data-root /run/test/docker/data --exec-root /run/test/docker/exec \
         --pidfile /run/test/docker/pid -H unix:///run/test/docker/sock --storage-driver overlay2 \
         --cgroup-parent /{} >/run/test/docker/log 2>&1",
        host.cgroup_parent
    );
    let daemon = host.command("bash").args(["-ec", &words]).spawn().expect("start dockerd");
    let prefix: Vec<String> = [&client, "-H", "unix:///run/test/docker/sock"].map(String::from).into();
    let contender = Contender { name: "docker", prefix, daemon: Some(daemon) };
    eventually("dockerd answers", Duration::from_secs(30), || {
        contender.command(host, &["version"]).output().is_ok_and(|output| output.status.success())
    });
    import(host, &format!("{client} -H unix:///run/test/docker/sock import - busybox >/dev/null"));
    Some(contender)
}

/// Podman with storage of its own and limits that this machine allows.
fn podman(host: &Host) -> Option<Contender> {
    installed(host, "podman")?;
    let flags = "podman --root /run/test/podman/root --runroot /run/test/podman/run --cgroup-manager cgroupfs \
                 --events-backend file --network-config-dir /run/test/podman/networks";
    let setting = "env CONTAINERS_CONF=/run/test/podman/containers.conf";
    let flags = format!("{setting} {flags}");
    let prefix: Vec<String> = flags.split_whitespace().map(String::from).collect();
    // Limits that every machine allows; and crun cannot do with a version 2 tree beside those of version 1.
    host.sh(
        "mkdir -p /run/test/podman/networks
         printf '[containers]\\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=1024:1024\"]\\n' >/run/test/podman/containers.conf
         umount /sys/fs/cgroup/unified 2>/dev/null || true",
    )
    .ok();
    import(host, &format!("{flags} import - busybox >/dev/null"));
    Some(Contender { name: "podman", prefix, daemon: None })
}

/// The program's path, if the machine has it.
fn installed(host: &Host, program: &str) -> Option<String> {
    let path = host.sh(&format!("PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v {program} || true")).ok();
    if path.is_empty() {
        eprintln!("{program}: not installed, left out");
    }
    Some(path.trim().to_owned()).filter(|path| !path.is_empty())
}

/// The layer of Pontoon's busybox, for everybody.
fn import(host: &Host, command: &str) {
    host.sh(&format!("tar -C {} -c . | {command}", layer(host))).ok();
}

/// The directory of busybox's only layer.
pub fn layer(host: &Host) -> String {
    host.sh("ls -d $PONTOON_ROOT/images/l/* | head -n 1").ok().trim().to_owned()
}
