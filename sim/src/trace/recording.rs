//! A whole run, as values: every event with its step, calls with their arguments, packets with their data. `log.rs` is how they are kept.
//!
//! Recording is asked for before the run and costs memory for each event, so it is off unless a report is to be written. It has no part in the
//! digest: a recorded run is the run that it would have been.

use super::Names;
use super::event::{CallName, Event};
use super::log::{self, Ended, Log};
use super::packets::{PacketLine, Transport};
use super::place::Place;
use crate::packet::Packet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use twinsock::{Instant, Result};

/// A run that was recorded.
///
/// ```
/// use twinsock_sim::Sim;
/// use twinsock_sim::trace::lines;
/// let run = Sim::builder().record(true).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
/// let recording = run.unwrap().recording.unwrap();
/// assert_eq!(recording.addrs.len(), 1, "a host");
/// # drop(lines(&recording));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// What hosts and processes are called.
    pub names: Names,
    /// The addresses of every host, besides loopback.
    pub addrs: Vec<Vec<IpAddr>>,
    /// The sockets of all hosts at the end, a line each.
    pub netstat: String,
    log: Log,
    threads: Vec<ThreadNote>,
    /// What descriptors were connected to when they were seen last, for the call that closes them.
    connections: BTreeMap<Descriptor, Connection>,
    /// Counts the times that something was taken out of `connections`.
    forgotten: u64,
}

/// Host, process and number of a descriptor.
type Descriptor = (Option<u32>, Option<u32>, i32);

/// What is known of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ThreadNote {
    /// When the call was made in which it waits.
    open: Option<Instant>,
    /// The last of its descriptors that was connected, and when that was put into `connections`.
    connected: Option<(i32, Connection, u64)>,
}

/// How many events a recording keeps, the last ones, if nothing else is asked for: some tens of megabytes, and what the packets carry.
///
/// ```
/// use twinsock_sim::{Sim, trace::EVENTS_MAX};
/// // Ten times as long.
/// let builder = Sim::builder().record_last(10 * EVENTS_MAX);
/// # assert!(builder.run(|_sim| {}).is_ok());
/// ```
pub const EVENTS_MAX: usize = 1_000_000;

/// An event of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The turn in which it happened: how many had been taken until then.
    pub step: u64,
    /// When, where and what.
    pub event: Event,
    /// What else is known of it.
    pub detail: Detail,
}

/// What is recorded of an event besides what every trace holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// Of a call that has returned.
    Call {
        /// Its arguments, as `strace(1)` writes them.
        arguments: Box<str>,
        /// When it was made.
        since: Instant,
        /// What its descriptor is connected to.
        connection: Option<Connection>,
    },
    /// Of a thread that begins to wait: for what.
    Waits(Box<str>),
    /// Of a packet that is sent: the packet.
    Packet(Box<Packet>),
}

/// Two ends that talk to each other, whichever of them is meant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    protocol: &'static str,
    lower: SocketAddr,
    higher: SocketAddr,
}

impl Connection {
    /// The connection between two ends by `protocol`: `tcp` or `udp`.
    #[must_use]
    pub fn new(protocol: &'static str, one: SocketAddr, other: SocketAddr) -> Connection {
        Connection { protocol, lower: one.min(other), higher: one.max(other) }
    }

    /// The connection that a packet belongs to; an ICMP error has none of its own.
    #[must_use]
    pub fn of_packet(packet: &PacketLine) -> Option<Connection> {
        let (protocol, [src_port, dst_port]) = match packet.transport() {
            Transport::Tcp { ports, .. } => ("tcp", ports),
            Transport::Udp { ports } => ("udp", ports),
            Transport::Icmp { .. } => return None,
        };
        Some(Connection::new(protocol, SocketAddr::new(packet.src(), src_port), SocketAddr::new(packet.dst(), dst_port)))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.protocol, self.lower, self.higher)
    }
}

impl Recording {
    /// Which host has an address.
    #[must_use]
    pub(crate) fn owners(&self) -> BTreeMap<IpAddr, u32> {
        (0..).zip(&self.addrs).flat_map(|(host, addrs)| addrs.iter().map(move |addr| (*addr, host))).collect()
    }

    /// Nothing so far, and room for so many events; when there are more, the first ones go.
    pub(super) fn with_room_for(events_max: usize) -> Recording {
        Recording { log: Log::new(events_max), ..Recording::default() }
    }

    /// What happened, in order.
    pub(crate) fn events(&self) -> impl Iterator<Item = Recorded> {
        self.log.read()
    }

    /// How many events there are.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let run = Sim::builder().record_last(10).run(|sim| {
    ///     let host = sim.host("a");
    ///     (0..50).for_each(|_| drop(host.spawn("p", |_net| {})));
    /// });
    /// let recording = run.unwrap().recording.unwrap();
    /// assert!(recording.events_count() >= 10);
    /// ```
    #[must_use]
    pub fn events_count(&self) -> usize {
        self.log.events_count()
    }

    /// How many events came before the first of these, for which there was no room in the end.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let run = Sim::builder().record_last(10).run(|sim| {
    ///     let host = sim.host("a");
    ///     (0..50).for_each(|_| drop(host.spawn("p", |_net| {})));
    /// });
    /// let recording = run.unwrap().recording.unwrap();
    /// assert!(recording.dropped() > 0);
    /// ```
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.log.dropped()
    }

    /// How many events were dropped, in words; nothing if none was.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let run = Sim::builder().record_last(10).run(|sim| {
    ///     let host = sim.host("a");
    ///     (0..50).for_each(|_| drop(host.spawn("p", |_net| {})));
    /// });
    /// let recording = run.unwrap().recording.unwrap();
    /// println!("{}", recording.dropped_words().unwrap());
    /// ```
    #[must_use]
    pub fn dropped_words(&self) -> Option<String> {
        dropped_words(self.dropped())
    }

    /// How many packets were sent in the events that were dropped.
    pub(super) fn packets_dropped(&self) -> u64 {
        u64::from(self.log.dropped_sent())
    }

    /// The log, for events about which no more is known than what they are.
    pub(super) fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// What is known of a thread; nothing if its number is one that no run gives.
    #[inline]
    fn thread(&mut self, place: Place) -> Option<&mut ThreadNote> {
        let index = usize::try_from(place.thread_number()).ok()?;
        if index >= self.threads.len() {
            if index > self.threads.len() + log::THREADS_SKIPPED_MAX {
                return None;
            }
            self.threads.resize(index + 1, ThreadNote::default());
        }
        self.threads.get_mut(index)
    }

    /// A thread begins to wait for a call to return.
    pub(super) fn waits(&mut self, at: Instant, place: Place) {
        if let Some(thread) = self.thread(place) {
            thread.open.get_or_insert(at);
        }
    }

    /// What is to be recorded of the end of a call, whose descriptor is now connected as given.
    pub(super) fn ended(&mut self, end: &CallEnd, connection: Option<Connection>) -> Ended {
        let CallEnd { at, place, .. } = *end;
        let since = self.thread(place).and_then(|thread| thread.open.take()).unwrap_or(at);
        Ended { at, place, since, connection: end.fd.and_then(|fd| self.connection(end, fd, connection)) }
    }

    fn connection(&mut self, end: &CallEnd, fd: i32, connection: Option<Connection>) -> Option<Connection> {
        let key = (end.place.host_number(), end.place.pid(), fd);
        let Some(connection) = connection else {
            if end.call != const { CallName::new("close") } {
                return self.connections.get(&key).copied();
            }
            self.forgotten += 1;
            return self.connections.remove(&key);
        };
        let connected = Some((fd, connection, self.forgotten));
        if let Some(thread) = self.thread(end.place)
            && thread.connected != connected
        {
            thread.connected = connected;
            self.connections.insert(key, connection);
        }
        Some(connection)
    }
}

/// How many events were dropped before the first of a recording, in words; nothing if none was.
pub(super) fn dropped_words(dropped: u64) -> Option<String> {
    let are = if dropped == 1 { "event was" } else { "events were" };
    (dropped > 0).then(|| format!("{dropped} earlier {are} dropped: a recording keeps the last ones"))
}

/// A call that returned.
#[derive(Clone, Copy, Debug)]
pub struct CallEnd {
    /// When.
    pub at: Instant,
    /// Whose.
    pub place: Place,
    /// Which.
    pub call: CallName,
    /// The descriptor it is about.
    pub fd: Option<i32>,
    /// What it returned.
    pub result: Result<usize>,
}
