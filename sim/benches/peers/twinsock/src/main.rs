//! twinsock: the workloads of its own library.

use peer::{Answer, Done, Workload};
use twinsock_sim::workload::{Bulk, Churn, Crowd, Duo, Flood, PingPong, UdpPingPong, WRITE_BYTES, World, timers};

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    let here = World::Simulator;
    let write = u64::try_from(WRITE_BYTES).expect("64 KiB fits into 64 bits");
    let (done, each) = match workload {
        Workload::PingPong(bytes) => (PingPong { bytes, rounds: size }.run(here), 1),
        Workload::Bulk => (Bulk { writes: size }.run(here), write),
        Workload::Churn => (Churn { connections: size }.run(here), 1),
        Workload::Crowd(clients) => {
            (Crowd { clients, rounds: u32::try_from(size).expect("100 at most") }.run(here), u64::from(clients))
        }
        Workload::Timers(hosts) => (timers(hosts.into(), size), u64::from(hosts)),
        Workload::UdpPingPong => (UdpPingPong { rounds: size }.run(here), 1),
        Workload::UdpFlood => (Flood { datagrams: size }.run(here), 1),
    };
    Ok(Done { count: done.count / each, taken: done.taken })
}
