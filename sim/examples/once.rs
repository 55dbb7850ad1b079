//! One simulated workload, once, of a size that is told: for profilers, and for `sim/benches/counts.sh`.
//!
//! ```text
//! cargo build --release -p twinsock-sim --example once
//! valgrind --tool=callgrind target/release/examples/once W1 10000
//! ```

use std::process::ExitCode;
use twinsock_sim::workload::{Bulk, Churn, Crowd, Done, Duo, Flood, PingPong, UdpPingPong, World, empty_runs, timers};

const USAGE: &str = "expected a workload (W1, W2, W3, W4, W5, W6, W6-flood, W9) and how much of it, such as W1 10000";

fn run(workload: &str, size: u64) -> Option<Done> {
    let here = World::Simulator;
    Some(match workload {
        "W1" => PingPong { bytes: 64, rounds: size }.run(here),
        "W2" => Bulk { writes: size }.run(here),
        "W3" => Churn { connections: size }.run(here),
        "W4" => Crowd { clients: 100, rounds: u32::try_from(size).ok()? }.run(here),
        "W5" => timers(100, size),
        "W6" => UdpPingPong { rounds: size }.run(here),
        "W6-flood" => Flood { datagrams: size }.run(here),
        "W9" => empty_runs(size, false),
        _ => return None,
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = match arguments.as_slice() {
        [workload, size] => size.parse().ok().and_then(|size| run(workload, size)),
        _ => None,
    };
    match asked {
        Some(done) => {
            println!("{} in {:?}", done.count, done.taken);
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
