//! What is measured: a row of the table each, with the simulator's side and what stands beside it.

use super::measure::{Memory, Side};
use twinsock_sim::workload::{Bulk, Churn, Crowd, Done, Duo, Flood, PingPong, UdpPingPong, World, calls, empty_runs, timers};

/// The name of a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload(&'static str);

impl Workload {
    const ALL: [&'static str; 9] = ["W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9"];

    /// The workload of this name, in either case.
    pub fn by_name(name: &str) -> Result<Workload, String> {
        let found = Workload::ALL.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        found.map(Workload).ok_or_else(|| format!("there is no such workload: they are {}", Workload::ALL.join(", ")))
    }

    pub fn name(self) -> &'static str {
        self.0
    }
}

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Things a second.
    PerSecond(&'static str),
    /// 2^30 bytes a second.
    GibPerSecond,
    /// Real seconds for a virtual hour of so many hosts.
    SecondsPerHour(u64),
    /// Nanoseconds for each.
    Nanos,
    /// Microseconds for each.
    Micros,
    /// Bytes for each.
    Bytes,
}

impl Unit {
    pub fn name(self) -> String {
        match self {
            Unit::PerSecond(what) => format!("{what}/s"),
            Unit::GibPerSecond => "GiB/s".to_owned(),
            Unit::SecondsPerHour(_) => "s per hour".to_owned(),
            Unit::Nanos => "ns".to_owned(),
            Unit::Micros => "µs".to_owned(),
            Unit::Bytes => "bytes each".to_owned(),
        }
    }

    /// Whether more of it is better.
    pub fn is_rate(self) -> bool {
        match self {
            Unit::PerSecond(_) | Unit::GibPerSecond => true,
            Unit::SecondsPerHour(_) | Unit::Nanos | Unit::Micros | Unit::Bytes => false,
        }
    }

    /// What was done, in this unit.
    pub fn of(self, done: Done) -> f64 {
        match self {
            Unit::PerSecond(_) => done.per_second(),
            Unit::GibPerSecond => done.per_second() / f64::from(1 << 30),
            Unit::SecondsPerHour(hosts) => (hosts * 3600) as f64 / done.per_second(),
            Unit::Nanos => 1e9 / done.per_second(),
            Unit::Micros => 1e6 / done.per_second(),
            Unit::Bytes => done.count as f64,
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Case {
    pub workload: Workload,
    pub what: String,
    pub unit: Unit,
    pub ours: Option<Side>,
    pub beside: Option<Side>,
    /// Whether one round of it takes its time.
    pub is_long: bool,
}

/// All of them, in order.
pub fn all() -> Vec<Case> {
    let mut cases = vec![];
    cases.extend([1, 64].map(ping_pong));
    cases.extend([bulk(), churn()]);
    cases.extend([10, 1_000, 10_000].map(crowd));
    cases.extend([10, 1_000, 10_000].map(hour));
    cases.extend([udp(), flood(), os("libc"), os("std")]);
    cases.extend([idle_connections(), idle_processes(), empty(true), empty(false)]);
    cases
}

fn case(workload: &'static str, what: impl Into<String>, unit: Unit) -> Case {
    Case { workload: Workload(workload), what: what.into(), unit, ours: None, beside: None, is_long: false }
}

/// A workload of two programs, in both worlds.
fn duo<D: Duo>(case: Case, sized: fn(u64) -> D) -> Case {
    let ours = Side::timed("twinsock", u64::MAX, move |size| sized(size).run(World::Simulator));
    let beside = Side::timed("kernel", u64::MAX, move |size| sized(size).run(World::Kernel));
    Case { ours: Some(ours), beside: Some(beside), ..case }
}

fn ping_pong(bytes: usize) -> Case {
    let row = |what| case("W1", what, Unit::PerSecond("round trips"));
    match bytes {
        1 => duo(row("TCP round trip, 1 byte"), |rounds| PingPong { bytes: 1, rounds }),
        _ => duo(row("TCP round trip, 64 bytes"), |rounds| PingPong { bytes: 64, rounds }),
    }
}

fn bulk() -> Case {
    duo(case("W2", "TCP stream, 64 KiB writes", Unit::GibPerSecond), |writes| Bulk { writes })
}

fn churn() -> Case {
    let row = case("W3", "connect, accept, 1 byte, close", Unit::PerSecond("connections"));
    duo(row, |connections| Churn { connections })
}

fn crowd(clients: u32) -> Case {
    const ROUNDS: u64 = 100;
    let crowd = move |world| move |rounds| Crowd { clients, rounds: u32::try_from(rounds).expect("100 at most") }.run(world);
    let row = case("W4", format!("one server, {} clients", crate::stamp::grouped(clients)), Unit::PerSecond("round trips"));
    // Two descriptors and two threads each are more than most systems give a program, for 10,000.
    let beside =
        (clients <= 1_000).then(|| Side::timed("kernel", ROUNDS, crowd(World::Kernel)).descriptors(u64::from(clients) * 2 + 64));
    let ours = Side::timed("twinsock", ROUNDS, crowd(World::Simulator)).at_least(ROUNDS);
    Case { ours: Some(ours), beside, is_long: clients >= 1_000, ..row }
}

fn hour(hosts: u64) -> Case {
    // A part of the hour, if all of it would take too long.
    let ours = Side::timed("twinsock", 3600, move |seconds| timers(hosts, seconds)).at_least(100);
    let row = case("W5", format!("{} hosts, a 1 s timer", crate::stamp::grouped(hosts)), Unit::SecondsPerHour(hosts));
    Case { ours: Some(ours), is_long: hosts > 1_000, ..row }
}

fn udp() -> Case {
    duo(case("W6", "UDP round trip, 64 bytes", Unit::PerSecond("round trips")), |rounds| UdpPingPong { rounds })
}

fn flood() -> Case {
    duo(case("W6", "UDP flood, 64 bytes", Unit::PerSecond("datagrams")), |datagrams| Flood { datagrams })
}

/// `Os` on the left, as it is the API's cost that is looked at.
fn os(beside: &'static str) -> Case {
    let pair = calls::Pair::new();
    let ours = Side::timed("Os", u64::MAX, move |count| pair.batch(count, calls::Pair::through_os));
    let beside = if beside == "libc" {
        let pair = calls::Pair::new();
        Side::timed("libc", u64::MAX, move |count| pair.batch(count, calls::Pair::through_libc))
    } else {
        let pair = calls::StdPair::new();
        Side::timed("std", u64::MAX, move |count| pair.batch(count))
    };
    Case { ours: Some(ours), beside: Some(beside), ..case("W7", "send and recv of 1 byte", Unit::Nanos) }
}

fn idle_connections() -> Case {
    let row = case("W8", "idle connection, both ends", Unit::Bytes);
    let beside = Side::memory("kernel (slab)", Memory::kernel_connections);
    Case { ours: Some(Side::memory("twinsock", Memory::connections)), beside: Some(beside), is_long: true, ..row }
}

fn idle_processes() -> Case {
    let row = case("W8", "idle process", Unit::Bytes);
    Case { ours: Some(Side::memory("twinsock", Memory::processes)), is_long: true, ..row }
}

fn empty(own_thread: bool) -> Case {
    let what = if own_thread { "empty simulation, own thread" } else { "empty simulation, pooled thread" };
    let ours = Side::timed("twinsock", u64::MAX, move |runs| empty_runs(runs, own_thread));
    let beside = own_thread.then(|| Side::timed("a thread alone", u64::MAX, twinsock_sim::workload::empty_threads));
    Case { ours: Some(ours), beside, ..case("W9", what, Unit::Micros) }
}
