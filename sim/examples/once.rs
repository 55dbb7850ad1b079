//! One simulated workload, once, of a size that is told: for profilers, and for `sim/benches/counts.sh`.
//!
//! ```text
//! cargo build --release -p twinsock-sim --example once
//! valgrind --tool=callgrind target/release/examples/once W1 10000
//! valgrind --tool=callgrind target/release/examples/once W1 10000 recorded
//! ```

use std::process::ExitCode;
use twinsock_sim::workload::{
    Bulk, Churn, Crowd, Done, Duo, Flood, PingPong, UdpPingPong, World, empty_runs, recorded_timers, timers,
};

const USAGE: &str = "expected a workload (W1, W2, W3, W4, W5, W6, W6-flood, W9) and how much of it, such as W1 10000; of all but W9 also a third word: recorded";

fn run(workload: &str, size: u64, here: World) -> Option<Done> {
    Some(match workload {
        "W1" => PingPong { bytes: 64, rounds: size }.run(here),
        "W2" => Bulk { writes: size }.run(here),
        "W3" => Churn { connections: size }.run(here),
        "W4" => Crowd { clients: 100, rounds: u32::try_from(size).ok()? }.run(here),
        "W5" if here == World::Recorded => recorded_timers(100, size),
        "W5" => timers(100, size),
        "W6" => UdpPingPong { rounds: size }.run(here),
        "W6-flood" => Flood { datagrams: size }.run(here),
        "W9" if here == World::Simulator => empty_runs(size, false),
        _ => return None,
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let asked = match arguments[..] {
        [workload, size] => size.parse().ok().and_then(|size| run(workload, size, World::Simulator)),
        [workload, size, "recorded"] => size.parse().ok().and_then(|size| run(workload, size, World::Recorded)),
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
