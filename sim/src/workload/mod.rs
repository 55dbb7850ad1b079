//! The workloads by which speed is told, W1 to W9: what `twinsock bench` and the benches run.
//!
//! Each is one program, generic over its world, so that the kernel runs what the simulator runs. A workload says how large it is and answers how long
//! that took in real time: of the exchange alone, without the making of a simulation or of a connection, where it is about an exchange; of
//! everything, where it is about a whole run. Simulations are those that anyone gets: the builder's defaults, and links of 1 ms.
//!
//! | | what | in |
//! |---|---|---|
//! | W1 | a message there and back over TCP, 1 and 64 bytes | [`PingPong`] |
//! | W2 | a stream of 64 KiB writes | [`Bulk`] |
//! | W3 | connect, accept, one byte, close | [`Churn`] |
//! | W4 | one server, many clients on hosts of their own | [`Crowd`] |
//! | W5 | a virtual hour of hosts with a timer of one second | [`timers`] |
//! | W6 | UDP: a datagram there and back, and a flood of them | [`UdpPingPong`], [`Flood`] |
//! | W7 | a byte through a pair of sockets: `Os`, libc by hand, std | [`calls`] |
//! | W8 | memory of idle connections and idle processes | [`memory`] |
//! | W9 | a simulation made, run empty and dropped | [`empty_runs`] |
//!
//! This is part of the command, not of the library's promises: it may change with any version.

pub mod calls;
mod crowd;
mod duo;
pub mod memory;
mod runs;
mod tcp;
mod udp;

pub use crowd::Crowd;
pub use duo::{Duo, LINK_DELAY};
pub use runs::{empty_runs, empty_threads, idle_hours, timers, timers_in};
pub use tcp::{Bulk, Churn, PingPong, WRITE_BYTES};
pub use udp::{Flood, UDP_BYTES, UdpPingPong};

use crate::{Builder, Sim};
use std::time::Duration;
use twinsock::{Clock, Instant, Os};

/// Where a workload runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum World {
    /// On simulated hosts, [`Net`](crate::Net).
    Simulator,
    /// On simulated hosts, in a run that is recorded.
    Recorded,
    /// On simulated hosts, in a run that keeps no event.
    Silent,
    /// On the kernel's loopback, [`Os`], each program in a thread of its own.
    Kernel,
}

impl World {
    /// The builder of a run in this world; on the kernel there is none.
    fn builder(self) -> Option<Builder> {
        let builder = Sim::builder().seed(1);
        match self {
            World::Simulator => Some(builder),
            World::Recorded => Some(builder.record(true)),
            World::Silent => Some(builder.keep_events(0)),
            World::Kernel => None,
        }
    }
}

/// What a workload came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// How much was done, in what the workload counts: round trips, bytes, connections.
    pub count: u64,
    /// How long that took in real time.
    pub taken: Duration,
}

impl Done {
    /// How much is done in a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.taken.as_secs_f64()
    }
}

/// Real time, whatever world the caller is in.
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch(Os.now())
    }

    fn elapsed(&self) -> Duration {
        Os.now().since(self.0)
    }
}
