//! Many on one network: what the next one costs, what each keeps, and how long it takes to be rid of all.
//!
//! ```text
//!   for 1, 50, 200, 500:   start so many ── the median of the last ten starts, `ps`, memory of the monitors
//!                          rm -f all of them, one command
//! ```

use pontoon_tests::Host;

use crate::stopwatch::{Times, time, time_at_rest};

const MARKS: [usize; 4] = [1, 50, 200, 500];

/// Measures and prints.
pub fn measure(host: &Host) {
    println!(
        "\n| containers on one network | start of the next | times the first | `ps` | a monitor's own memory (private) | its share (PSS) | all removed by one `rm -f` |\n|---|---|---|---|---|---|---|"
    );
    // What the first of a host makes once is not what it costs.
    time(run(host, "warm"));
    host.sh("pontoon rm -f warm").ok();
    let first = first(host);
    for mark in MARKS {
        let latest: Vec<f64> = (1..=mark).map(|number| start(host, number, mark)).collect();
        report(host, mark, first, &latest);
    }
}

/// Those that are counted come after a rest, as the first did.
fn start(host: &Host, number: usize, mark: usize) -> f64 {
    let start = run(host, &format!("c{number}"));
    if number + 10 > mark { time_at_rest(start) } else { time(start) }
}

fn run(host: &Host, name: &str) -> std::process::Command {
    let mut command = host.command("pontoon");
    command.args(["run", "-d", "--name", name, "--network", "my-net", "busybox", "sleep", "100000"]);
    command
}

/// What one costs that is alone: ten times, so that a median can be taken.
fn first(host: &Host) -> f64 {
    let mut times = Times::default();
    for _ in 0..10 {
        times.add(time_at_rest(run(host, "first")));
        host.sh("pontoon rm -f first").ok();
    }
    times.median()
}

fn report(host: &Host, number: usize, first: f64, latest: &[f64]) {
    let mut times = Times::default();
    latest.iter().rev().take(10).for_each(|passed| times.add(*passed));
    let mut listing = Times::default();
    for _ in 0..5 {
        let mut ps = host.command("pontoon");
        ps.arg("ps");
        listing.add(time(ps));
    }
    let (private, share) = memory(host, number);
    let (next, ps) = (times.median(), listing.median());
    let mut remove = host.command("bash");
    remove.args(["-ec", "pontoon rm -f $(pontoon ps -aq)"]);
    let removed = time(remove) / 1e3;
    println!(
        "| {number} | {next:.1} ms | {:.2} | {ps:.1} ms | {private:.0} kB | {share:.0} kB | {removed:.2} s |",
        next / first
    );
}

/// Private and proportional kilobytes of one monitor, the mean of all.
fn memory(host: &Host, number: usize) -> (f64, f64) {
    let monitors = host.processes().into_iter().filter(|(_, words)| words.starts_with("pontoon-monitor"));
    let (mut private, mut share) = (0.0, 0.0);
    for (pid, _) in monitors {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        private += field(&text, "Private_Dirty:");
        share += field(&text, "Pss:");
    }
    (private / number as f64, share / number as f64)
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}
