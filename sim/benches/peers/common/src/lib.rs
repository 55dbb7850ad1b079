//! What the programs of all peers have in common: which workload, how much of it, how long it took, and the programs over sockets of
//! tokio's shape, written once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

mod programs;

/// How long a packet takes between two simulated hosts.
pub const LINK_DELAY: Duration = Duration::from_millis(1);
/// How much one call of W2 writes.
pub const WRITE_BYTES: usize = 64 * 1024;
/// The message of W4 and W6.
pub const MESSAGE_BYTES: usize = 64;
/// When the round trips of W4 begin, in simulated time: when all clients have connected.
pub const CROWD_BEGIN: Duration = Duration::from_secs(2);
/// How far apart the clients of W4 connect.
pub const CONNECTS_EVERY: Duration = Duration::from_micros(20);

/// A workload, as `sim/src/workload/` describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// W1, with messages of so many bytes. Counts round trips.
    PingPong(usize),
    /// W2. Counts writes.
    Bulk,
    /// W3. Counts connections.
    Churn,
    /// W4, with so many clients. Counts round trips of each.
    Crowd(u32),
    /// W5, with so many hosts. Counts virtual seconds.
    Timers(u32),
    /// W6, there and back. Counts round trips.
    UdpPingPong,
    /// W6, as fast as it can be sent. Counts datagrams.
    UdpFlood,
}

impl Workload {
    /// All that are compared, in order.
    pub const ALL: [Workload; 12] = [
        Workload::PingPong(1),
        Workload::PingPong(64),
        Workload::Bulk,
        Workload::Churn,
        Workload::Crowd(10),
        Workload::Crowd(1_000),
        Workload::Crowd(10_000),
        Workload::Timers(10),
        Workload::Timers(1_000),
        Workload::Timers(10_000),
        Workload::UdpPingPong,
        Workload::UdpFlood,
    ];

    /// How it is called on the command line.
    pub fn name(self) -> String {
        match self {
            Workload::PingPong(bytes) => format!("W1-{bytes}"),
            Workload::Bulk => "W2".to_owned(),
            Workload::Churn => "W3".to_owned(),
            Workload::Crowd(clients) => format!("W4-{clients}"),
            Workload::Timers(hosts) => format!("W5-{hosts}"),
            Workload::UdpPingPong => "W6".to_owned(),
            Workload::UdpFlood => "W6-flood".to_owned(),
        }
    }

    pub fn by_name(name: &str) -> Option<Workload> {
        Workload::ALL.into_iter().find(|workload| workload.name() == name)
    }
}

/// What a run came to: how much, of what the workload counts, in how much real time.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub count: u64,
    pub taken: Duration,
}

/// What a peer says to a workload: what it came to, or why it has none.
pub type Answer = Result<Done, &'static str>;

/// The main function of a peer: `WORKLOAD SIZE` on the command line, `COUNT NANOSECONDS` or `no: WHY` on standard output.
pub fn main(run: impl FnOnce(Workload, u64) -> Answer) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = match arguments.as_slice() {
        [workload, size] => Workload::by_name(workload).zip(size.parse().ok()),
        _ => None,
    };
    let Some((workload, size)) = asked else {
        eprintln!("expected a workload, W1-1 to W6-flood, and how much of it");
        std::process::exit(2);
    };
    match run(workload, size) {
        Ok(done) => println!("{} {}", done.count, done.taken.as_nanos()),
        Err(why) => println!("no: {why}"),
    }
}

/// The machine's monotonic clock, by a system call that no simulator takes over.
#[derive(Clone, Copy)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(now())
    }

    pub fn elapsed(self) -> Duration {
        now() - self.0
    }
}

/// The machine's monotonic clock.
pub fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of this frame. `syscall`, as madsim defines `clock_gettime` itself.
    let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(answer, 0, "every Linux has this clock");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("nanoseconds are below a second"))
}

/// From the first client's beginning to the last one's end.
#[derive(Clone, Default)]
pub struct Span(Arc<Mutex<Option<(Duration, Duration)>>>);

impl Span {
    /// A client began then, and ends now.
    pub fn add(&self, began: Duration) {
        let ends = now();
        let mut span = self.0.lock().expect("no client has panicked");
        *span = Some(span.map_or((began, ends), |(first, last)| (first.min(began), last.max(ends))));
    }

    pub fn done(&self, count: u64) -> Answer {
        let span = *self.0.lock().expect("no client has panicked");
        let (first, last) = span.ok_or("no client came to its end")?;
        Ok(Done { count, taken: last - first })
    }
}

/// Where a program leaves what it came to, for whoever started it.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Done>>>);

impl Slot {
    pub fn put(&self, done: Done) {
        *self.0.lock().expect("nobody panicked") = Some(done);
    }

    pub fn take(&self) -> Answer {
        self.0.lock().expect("nobody panicked").take().ok_or("the client did not come to its end")
    }
}
