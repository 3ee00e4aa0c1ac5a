//! Throughput of every way to a container: iperf3 inside a container, its clients in all places.
//!
//! ```text
//!   container ──────────────────────> 172.x.y.z:5201      the measure
//!   another machine ──> host:5201 ──> the same            published
//!   the host's own 127.0.0.1:5201 ──> the same
//!   a container of the same network ──> host:5201 ──>     hairpin
//! ```
//!
//! iperf3 is the machine's own, lent to the container with its libraries.

use pontoon_tests::host::OWN;
use pontoon_tests::{Host, Output};

use crate::stopwatch::Times;

/// iperf3 and what it is linked to, from the machine.
const LENT: &str = "-v /usr/bin/iperf3:/usr/bin/iperf3:ro -v /lib:/lib:ro -v /usr/lib:/usr/lib:ro -v /lib64:/lib64:ro";
const ROUNDS: usize = 5;

/// Measures and prints.
pub fn measure(host: &Host) {
    let server = format!("pontoon run -d --name server --network my-net -p 5201:5201 {LENT} busybox iperf3 -s");
    host.sh(&server).ok();
    host.sh(&format!("pontoon run -d --name client --network my-net {LENT} busybox sleep 1000")).ok();
    let address = host.address("server");
    let inside = |target: &str| host.sh(&format!("pontoon exec client {}", client(target)));
    let ways: [(&str, &dyn Fn() -> Output); 4] = [
        ("container to container, directly", &|| inside(&address)),
        ("from another machine to the published port", &|| host.lan(&client(OWN))),
        ("from the host's 127.0.0.1 to the published port", &|| host.sh(&client("127.0.0.1"))),
        ("hairpin: a container to the host's address", &|| inside(OWN)),
    ];
    let mut times: [Times; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (way, times) in ways.iter().zip(&mut times) {
            times.add(gigabits(&way.1()));
        }
    }
    println!(
        "\n| TCP throughput, one stream, 2 s, median of {ROUNDS} | Gbit/s | times container to container |\n|---|---|---|"
    );
    for ((text, _), measured) in ways.iter().zip(&times) {
        println!("| {text} | {:.1} | {:.2} |", measured.median(), measured.median() / times[0].median());
    }
    host.sh("pontoon rm -f server client").ok();
}

fn client(target: &str) -> String {
    format!("iperf3 -c {target} -t 2 -O 0.2 -J")
}

fn gigabits(output: &Output) -> f64 {
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    bits.unwrap_or_else(|| panic!("iperf3 said no speed: {output}")) / 1e9
}
