//! A whole run, as values: every event with its step, calls with their arguments, packets with their data. `log.rs` is how they are kept.
//!
//! Recording is asked for before the run and costs memory for each event, so it is off unless a report is to be written. It has no part in the
//! digest: a recorded run is the run that it would have been.

use super::Names;
use super::bytes::halves;
use super::event::{CallName, Event};
use super::log::Log;
use super::packets::{PacketLine, Transport, pair};
use super::place::Place;
use crate::packet::Packet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use twinsock::{Instant, Protocol, Result};

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

/// The two ends of what a descriptor is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// IPv4's: both addresses; above both ports, whether it is UDP. The local end is the upper half of each pair.
    V4([u64; 2]),
    /// Others; apart, so that these take little room.
    Other(Box<Connection>),
}

/// In [`Ends::V4`]: it is UDP.
const IS_UDP: u64 = 1 << 32;

impl Ends {
    /// The ends of a TCP or UDP connection: address and port of the local one and of the other.
    #[inline(always)]
    #[must_use]
    pub fn new(protocol: Protocol, local: (&IpAddr, u16), remote: (&IpAddr, u16)) -> Ends {
        let is_udp = protocol == Protocol::UDP;
        match (local, remote) {
            ((IpAddr::V4(local), local_port), (IpAddr::V4(remote), remote_port)) => {
                let ports = u64::from(local_port) << 16 | u64::from(remote_port);
                Ends::V4([pair(local.to_bits(), remote.to_bits()), ports | if is_udp { IS_UDP } else { 0 }])
            }
            ((IpAddr::V4(_) | IpAddr::V6(_), _), (IpAddr::V4(_) | IpAddr::V6(_), _)) => Ends::other(is_udp, local, remote),
        }
    }

    #[inline(never)]
    fn other(is_udp: bool, local: (&IpAddr, u16), remote: (&IpAddr, u16)) -> Ends {
        let protocol = if is_udp { "udp" } else { "tcp" };
        Ends::Other(Box::new(Connection::new(protocol, SocketAddr::new(*local.0, local.1), SocketAddr::new(*remote.0, remote.1))))
    }

    /// The connection that these are the ends of.
    pub(super) fn connection(&self) -> Connection {
        match self {
            Ends::V4([addrs, ports]) => {
                let ([remote, local], [low, high, local_low, local_high, ..]) = (halves(*addrs), ports.to_le_bytes());
                let end = |addr, port| SocketAddr::from((Ipv4Addr::from_bits(addr), u16::from_le_bytes(port)));
                let protocol = if ports & IS_UDP == 0 { "tcp" } else { "udp" };
                Connection::new(protocol, end(local, [local_low, local_high]), end(remote, [low, high]))
            }
            Ends::Other(connection) => **connection,
        }
    }
}

/// Where the memory of recordings comes from and goes to.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Gives an empty piece for so many bytes.
    pub take: fn(usize) -> Vec<u8>,
    /// Takes a piece back.
    pub give: fn(Vec<u8>),
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { take: Vec::with_capacity, give: drop }
    }
}

// Where it lies is no part of what is recorded.
impl PartialEq for Memory {
    fn eq(&self, _other: &Memory) -> bool {
        true
    }
}

impl Eq for Memory {}

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
    pub(super) fn with_room_for(events_max: usize, memory: Memory) -> Recording {
        Recording { log: Log::new(events_max, memory), ..Recording::default() }
    }

    /// What happened, in order.
    pub(crate) fn events(&self) -> impl Iterator<Item = Recorded> {
        self.log.read(true)
    }

    /// The packets that were sent, in order: when, by which host, and what.
    #[cfg(feature = "capture")]
    pub(super) fn packets(&self) -> impl Iterator<Item = (Instant, Place, Box<Packet>)> {
        self.log.read(false).filter_map(|Recorded { event, detail, .. }| match detail {
            Detail::Packet(packet) => Some((event.at, event.place, packet)),
            Detail::None | Detail::Call { .. } | Detail::Waits(_) => None,
        })
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
}

/// How many events were dropped before the first of a recording, in words; nothing if none was.
pub(super) fn dropped_words(dropped: u64) -> Option<String> {
    let are = if dropped == 1 { "event was" } else { "events were" };
    (dropped > 0).then(|| format!("{dropped} earlier {are} dropped: a recording keeps the last ones"))
}

/// What `sendto(2)` took, all of it, or `recvfrom(2)` gave.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// What was sent or received.
    pub data: &'a [u8],
    /// For how many bytes there was room; of what was sent, how many they are.
    pub room: usize,
    /// The flags.
    pub flags: i32,
    /// For whom it is or from whom, if that is given or asked for.
    pub name: Option<&'a [u8]>,
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
