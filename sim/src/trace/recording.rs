//! A whole run, as values: every event with its step, calls with their arguments, packets with their data.
//!
//! Recording is asked for before the run and costs memory for each event, so it is off unless a report is to be written. It has no part in the
//! digest: a recorded run is the run that it would have been.

use super::Names;
use super::event::{CallName, Event, PacketLine, Transport, What};
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
    /// What happened, in order.
    pub events: Vec<Recorded>,
    /// The sockets of all hosts at the end, a line each.
    pub netstat: String,
    /// How many events came after the last one that there was room for.
    pub left_out: u64,
    /// The calls of threads that have not returned, and when they were made.
    open: BTreeMap<Place, (Instant, Box<str>)>,
    /// What descriptors were connected to when they were seen last, for the call that closes them.
    connections: BTreeMap<(Option<u32>, Option<u32>, i32), Connection>,
}

/// How many events a recording holds: some hundred megabytes. A run that never ends is not to take all memory there is.
pub const EVENTS_MAX: usize = 1_000_000;

/// An event of a recording.
///
/// ```
/// use twinsock_sim::Sim;
/// let run = Sim::builder().record(true).run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
/// assert_eq!(run.recording.unwrap().events[0].step, 0);
/// ```
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
    pub fn owners(&self) -> BTreeMap<IpAddr, u32> {
        (0..).zip(&self.addrs).flat_map(|(host, addrs)| addrs.iter().map(move |addr| (*addr, host))).collect()
    }

    /// Records an event that every trace holds.
    pub(super) fn event(&mut self, step: u64, event: Event, detail: Detail) {
        if self.events.len() == EVENTS_MAX {
            self.left_out += 1;
            return;
        }
        self.events.push(Recorded { step, event, detail });
    }

    /// A thread begins to wait: for a call to return, if `arguments` are given, or for what `what` says.
    pub(super) fn waits(&mut self, step: u64, at: Instant, place: Place, what: &str, arguments: Option<String>) {
        let text = match arguments {
            None => what.into(),
            Some(arguments) => {
                let (_, arguments) = self.open.entry(place).or_insert((at, arguments.into()));
                format!("{what}({arguments})").into()
            }
        };
        self.event(step, Event { at, place, what: What::Waits }, Detail::Waits(text));
    }

    /// A call returned.
    pub(super) fn call(&mut self, step: u64, end: CallEnd, arguments: String, connection: Option<Connection>) {
        let CallEnd { at, place, call, fd, result } = end;
        let since = self.open.remove(&place).map_or(at, |(since, _)| since);
        let connection = fd.and_then(|fd| {
            let key = (place.host_number(), place.pid(), fd);
            match connection {
                Some(connection) => {
                    self.connections.insert(key, connection);
                    Some(connection)
                }
                None if call == CallName::new("close") => self.connections.remove(&key),
                None => self.connections.get(&key).copied(),
            }
        });
        let event = Event { at, place, what: What::CallEnd { call, fd, result } };
        self.event(step, event, Detail::Call { arguments: arguments.into(), since, connection });
    }
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
