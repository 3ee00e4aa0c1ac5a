//! What many tests begin with: a container in a known state.

use std::time::Duration;

use pontoon_tests::{Host, eventually};

/// Longest time that a container may take to do what it was told, on a loaded machine.
pub const SOON: Duration = Duration::from_secs(10);

/// The web server of the README, published on port 8080, and answering.
#[track_caller]
pub fn web(host: &Host) -> String {
    let id = host.sh("pontoon run -d --name web -p 8080:80 busybox httpd -f -p 80 -h /etc").ok();
    answers(host, "http://127.0.0.1:8080/hostname");
    id
}

/// A container that does nothing, on `my-net` unless `flags` say otherwise.
#[track_caller]
pub fn sleeper(host: &Host, name: &str, flags: &str) -> String {
    host.sh(&format!("pontoon run -d --name {name} {flags} busybox sleep 1000")).ok()
}

/// Waits until a page can be had from the host.
#[track_caller]
pub fn answers(host: &Host, url: &str) {
    eventually(&format!("{url} answers"), SOON, || fetch(host, url).is_ok());
}

/// A page as the host sees it, or why not.
pub fn fetch(host: &Host, url: &str) -> Result<String, String> {
    let output = host.sh(&format!("timeout 2 busybox wget -qO- {url}"));
    if output.code == 0 { Ok(output.out()) } else { Err(output.err()) }
}

/// The same from another machine.
pub fn fetch_from_lan(host: &Host, url: &str) -> Result<String, String> {
    let output = host.lan(&format!("timeout 2 busybox wget -qO- {url}"));
    if output.code == 0 { Ok(output.out()) } else { Err(output.err()) }
}

/// The test's own static program, to be bound into containers: `-v PROBE:/probe:ro`.
pub const PROBE: &str = env!("CARGO_BIN_EXE_probe");
/// A client of the name server, likewise: `-v DIG:/dig:ro`.
pub const DIG: &str = env!("CARGO_BIN_EXE_dig");
