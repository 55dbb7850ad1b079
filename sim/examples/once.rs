//! One simulated workload, once, of a size that is told: for profilers, and for `sim/benches/counts.sh`.
//!
//! ```text
//! cargo build --release -p twinsock-sim --example once
//! valgrind --tool=callgrind target/release/examples/once W1 10000
//! valgrind --tool=callgrind target/release/examples/once W1 10000 recorded
//! valgrind --tool=callgrind target/release/examples/once W4:1000 20    # of a thousand clients
//! ```

use std::process::ExitCode;
use twinsock_sim::workload::{Bulk, Churn, Crowd, Done, Duo, Flood, PingPong, UdpPingPong, World, empty_runs, timers_in};

const USAGE: &str = "expected a workload (W1, W2, W3, W4, W5, W6, W6-flood, W9) and how much of it, such as W1 10000; of all but W9 also a third word, what is kept of the run: recorded, silent (nothing), plain; W4:1000 is of so many hosts";

/// Of how many hosts W4 and W5 are, where it is not said.
const HOSTS: u32 = 100;

fn run(workload: &str, size: u64, here: World) -> Option<Done> {
    let (workload, hosts) = match workload.split_once(':') {
        Some((workload @ ("W4" | "W5"), hosts)) => (workload, hosts.parse().ok()?),
        Some(_) => return None,
        None => (workload, HOSTS),
    };
    Some(match workload {
        "W1" => PingPong { bytes: 64, rounds: size }.run(here),
        "W2" => Bulk { writes: size }.run(here),
        "W3" => Churn { connections: size }.run(here),
        "W4" => Crowd { clients: hosts, rounds: u32::try_from(size).ok()? }.run(here),
        "W5" => timers_in(here, u64::from(hosts), size),
        "W6" => UdpPingPong { rounds: size }.run(here),
        "W6-flood" => Flood { datagrams: size }.run(here),
        "W9" if here == World::Simulator => empty_runs(size, false),
        _ => return None,
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (what, here) = match arguments[..] {
        [workload, size] | [workload, size, "plain"] => (Some((workload, size)), World::Simulator),
        [workload, size, "recorded"] => (Some((workload, size)), World::Recorded),
        [workload, size, "silent"] => (Some((workload, size)), World::Silent),
        _ => (None, World::Simulator),
    };
    let asked = what.and_then(|(workload, size)| run(workload, size.parse().ok()?, here));
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
