//! The tables, as Markdown.

use crate::runs::{Effort, Found, Peer};
use crate::stamp::{grouped, machine, today};
use peer::{Done, Workload};

/// The crates whose versions are told.
const CRATES: [&str; 7] = ["turmoil", "turmoil-net", "madsim", "bach", "smoltcp", "tokio", "twinsock-sim"];

/// What stands before the tables.
pub fn head(peers: &[Peer], effort: Effort) -> String {
    let names: Vec<&str> = peers.iter().map(|peer| peer.name()).collect();
    format!(
        "Measured on {}, {}; load {} at the beginning. {} rounds at most of about {} ms (W4: of 100 round trips a client, fewer where these take very long), in turn: {}. {}.\n",
        today(),
        machine(),
        load(),
        effort.rounds,
        effort.round.as_millis(),
        names.join(", "),
        versions()
    )
}

/// What stands below them.
pub fn foot() -> String {
    format!("\nLoad {} at the end.\n", load())
}

/// A workload's table.
pub fn of(workload: Workload, found: &[Found]) -> String {
    let (title, unit) = title(workload);
    let mut text = format!("\n### {title}\n\n| | {unit} | min | max | twinsock is better by |\n|---|---:|---:|---:|---:|\n");
    let ours = found.first().filter(|found| found.peer.name() == "twinsock");
    let ours = ours.and_then(|found| median(workload, found.rounds.as_ref().ok()?));
    for found in found {
        let name = found.peer.title();
        match &found.rounds {
            Err(why) => text += &format!("| {name} | {why} | | | |\n"),
            Ok(rounds) => {
                let values = sorted(workload, rounds);
                let median = median(workload, rounds).unwrap_or(f64::NAN);
                let ratio = ours.map(|ours| if is_rate(workload) { ours / median } else { median / ours });
                let ratio = ratio.filter(|_| name != "twinsock").map_or_else(String::new, figure);
                let (min, max) = (
                    values.first().copied().map_or_else(String::new, figure),
                    values.last().copied().map_or_else(String::new, figure),
                );
                text += &format!("| {name} | {} | {min} | {max} | {ratio} |\n", figure(median));
            }
        }
    }
    text
}

fn title(workload: Workload) -> (String, &'static str) {
    match workload {
        Workload::PingPong(bytes) => (format!("W1: TCP round trip, {bytes} B"), "round trips/s"),
        Workload::Bulk => ("W2: TCP stream, 64 KiB writes".to_owned(), "GiB/s"),
        Workload::Churn => ("W3: connect, accept, 1 byte, close".to_owned(), "connections/s"),
        Workload::Crowd(clients) => (format!("W4: one server, {clients} clients"), "round trips/s"),
        Workload::Timers(hosts) => (format!("W5: {hosts} hosts with a 1 s timer"), "s per virtual hour"),
        Workload::UdpPingPong => ("W6: UDP round trip, 64 B".to_owned(), "round trips/s"),
        Workload::UdpFlood => ("W6: UDP flood, 64 B".to_owned(), "datagrams/s"),
    }
}

/// Whether more is better.
fn is_rate(workload: Workload) -> bool {
    !matches!(workload, Workload::Timers(_))
}

/// What was done, in the table's unit.
fn value(workload: Workload, done: &Done) -> f64 {
    let per_second = done.count as f64 / done.taken.as_secs_f64();
    match workload {
        Workload::PingPong(_) | Workload::Churn | Workload::UdpPingPong | Workload::UdpFlood => per_second,
        Workload::Bulk => per_second / f64::from(1 << 14),
        Workload::Crowd(clients) => per_second * f64::from(clients),
        Workload::Timers(_) => 3600.0 / per_second,
    }
}

fn sorted(workload: Workload, rounds: &[Done]) -> Vec<f64> {
    let mut values: Vec<f64> = rounds.iter().map(|done| value(workload, done)).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(workload: Workload, rounds: &[Done]) -> Option<f64> {
    let values = sorted(workload, rounds);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[half]),
        _ => Some(f64::midpoint(values[half - 1], values[half])),
    }
}

/// Three digits or more, thousands apart.
fn figure(value: f64) -> String {
    match value {
        0.0..0.1 => format!("{value:.4}"),
        0.1..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => grouped(format_args!("{value:.0}")),
    }
}

/// The versions that `Cargo.lock` holds.
fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &&str| {
        let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")))?;
        let version = entry.lines().find_map(|line| line.strip_prefix("version = "))?;
        Some(format!("{name} {}", version.trim_matches('"')))
    };
    CRATES.iter().filter_map(version).collect::<Vec<_>>().join(", ")
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
