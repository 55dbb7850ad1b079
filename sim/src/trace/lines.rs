//! A recording as lines: each event with all that is known of it, in the words and numbers that a trace file holds.
//!
//! Here the two ends of a packet's way are brought together: what was sent gets a number, and what arrives or is lost gets the number of what was
//! sent.

use super::Names;
use super::event::{Event, Trouble, What};
use super::packets::{PacketLine, Transport};
use super::place::Place;
use super::recording::{Connection, Detail, Recorded, Recording};
use crate::packet::SeqNumber;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

/// What kind of thing happened.
///
/// ```
/// use twinsock_sim::EventKind;
/// assert_eq!(EventKind::Call.name(), "call");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A call returned.
    Call,
    /// A thread began to wait.
    Wait,
    /// A thread waits no longer.
    Wake,
    /// A packet was sent.
    Sent,
    /// A packet arrived.
    Arrived,
    /// A packet was lost.
    Lost,
    /// Something else happened to a packet: it was damaged, doubled, held up.
    Wire,
    /// A timer of a kernel went off.
    Timer,
    /// Something was left to chance.
    Choice,
    /// A process started.
    Start,
    /// A process ended, be it by its own will, killed or in a panic.
    End,
    /// A misfortune of a host or of the network.
    Fault,
}

impl EventKind {
    /// Every kind.
    ///
    /// ```
    /// use twinsock_sim::EventKind;
    /// assert!(EventKind::ALL.into_iter().any(|kind| kind.name() == "call"));
    /// ```
    pub const ALL: [EventKind; 12] = [
        EventKind::Call,
        EventKind::Wait,
        EventKind::Wake,
        EventKind::Sent,
        EventKind::Arrived,
        EventKind::Lost,
        EventKind::Wire,
        EventKind::Timer,
        EventKind::Choice,
        EventKind::Start,
        EventKind::End,
        EventKind::Fault,
    ];

    /// Its name, as files and filters have it.
    ///
    /// ```
    /// use twinsock_sim::EventKind;
    /// assert!(EventKind::ALL.iter().any(|kind| kind.name() == "lost"));
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Call => "call",
            EventKind::Wait => "wait",
            EventKind::Wake => "wake",
            EventKind::Sent => "sent",
            EventKind::Arrived => "arrived",
            EventKind::Lost => "lost",
            EventKind::Wire => "wire",
            EventKind::Timer => "timer",
            EventKind::Choice => "choice",
            EventKind::Start => "start",
            EventKind::End => "end",
            EventKind::Fault => "fault",
        }
    }

    fn of(what: &What) -> EventKind {
        match what {
            What::CallEnd { .. } => EventKind::Call,
            What::Waits => EventKind::Wait,
            What::Wake => EventKind::Wake,
            What::PacketSent(_) => EventKind::Sent,
            What::PacketDelivered(_) => EventKind::Arrived,
            What::PacketDropped(..) => EventKind::Lost,
            What::PacketMet(..) => EventKind::Wire,
            What::Network { .. } | What::Machine(_) | What::CallFault { .. } | What::Signal { .. } | What::Name { .. } => {
                EventKind::Fault
            }
            What::Timer => EventKind::Timer,
            What::Choice { .. } => EventKind::Choice,
            What::ProcessStart => EventKind::Start,
            What::ProcessExit | What::ProcessKill | What::ProcessPanic { .. } => EventKind::End,
        }
    }
}

/// An event with all that is known of it.
///
/// ```
/// use twinsock_sim::Sim;
/// use twinsock_sim::trace::lines;
/// let run = Sim::builder().record(true).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
/// let recording = run.unwrap().recording.unwrap();
/// let line = &lines(&recording)[0];
/// assert_eq!((line.host.as_deref(), line.process.as_deref()), (Some("a"), Some("p")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceLine {
    /// When, in nanoseconds of virtual time.
    pub at: u64,
    /// In which turn.
    pub step: u64,
    /// Which kind of event.
    pub kind: EventKind,
    /// On which host; none if it is the world's at large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// In which process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The process's number on its host; 0 if it is the kernel's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pid: u32,
    /// The thread's number in the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub thread: u32,
    /// What happened: a call as `strace(1)` writes it, a packet nearly as `tcpdump(8)` does.
    pub text: String,
    /// Of a call: when it was made, if it has waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Of a packet: its number, the first one sent being 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<u64>,
    /// Of a packet: the name of the host that has its destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The connection it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Of a fault that lasts: what begins with it on its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<String>,
    /// What ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:09}s #{:<5} ", self.at / 1_000_000_000, self.at % 1_000_000_000, self.step)?;
        let mut place = self.host.clone().unwrap_or_else(|| "world".to_owned());
        if let Some(process) = &self.process {
            place += &format!(" {process}[{}", self.pid);
            if self.thread != 0 {
                place += &format!(".{}", self.thread);
            }
            place += "]";
        }
        write!(f, "{place:<24} ")?;
        match self.kind {
            EventKind::Sent => write!(f, "--> {}", self.text)?,
            EventKind::Arrived => write!(f, "<-- {}", self.text)?,
            EventKind::Lost => write!(f, "-x  {}", self.text)?,
            EventKind::Wire => write!(f, "-~  {}", self.text)?,
            EventKind::Fault | EventKind::Start | EventKind::End => write!(f, "*** {}", self.text)?,
            EventKind::Wait => write!(f, "... {}", self.text)?,
            EventKind::Call | EventKind::Wake | EventKind::Timer | EventKind::Choice => f.write_str(&self.text)?,
        }
        match self.since {
            Some(since) => {
                let nanos = self.at.saturating_sub(since);
                write!(f, " <{}.{:09}>", nanos / 1_000_000_000, nanos % 1_000_000_000)
            }
            None => Ok(()),
        }
    }
}

/// The lines of a recording, in order.
///
/// ```
/// use twinsock_sim::Sim;
/// use twinsock_sim::trace::lines;
/// let run = Sim::builder().record(true).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
/// let recording = run.unwrap().recording.unwrap();
/// let texts: Vec<String> = lines(&recording).iter().map(|line| line.text.clone()).collect();
/// assert_eq!(texts.first().map(String::as_str), Some("start"));
/// ```
#[must_use]
pub fn lines(recording: &Recording) -> Vec<TraceLine> {
    let mut wire = Wire { count: recording.packets_dropped(), ..Wire::default() };
    let owners = recording.owners();
    recording.events().map(|recorded| line(recording, &recorded, &mut wire, &owners)).collect()
}

type Owners = BTreeMap<IpAddr, u32>;

fn line(recording: &Recording, recorded: &Recorded, wire: &mut Wire, owners: &Owners) -> TraceLine {
    let Recorded { step, event, detail } = recorded;
    let Event { at, place, what } = event;
    let names = &recording.names;
    let host = place.host_number().map(|host| names.host(host).map_or_else(|| format!("host {host}"), str::to_owned));
    let (kind, packet_line) = (EventKind::of(what), what.packet());
    let packet = packet_line.and_then(|line| wire.number(kind, line));
    let to = packet_line.and_then(|line| names.host(*owners.get(&line.dst())?)).map(str::to_owned);
    let (text, since, connection) = match detail {
        Detail::Call { arguments, since, connection } => {
            (call_text(what, arguments), (since != at).then(|| since.as_nanos()), *connection)
        }
        Detail::Waits(text) => (text.to_string(), None, None),
        Detail::None | Detail::Packet(_) => (event_text(event, names), None, packet_line.and_then(Connection::of_packet)),
    };
    let (begins, ends) = troubles(what, names);
    TraceLine {
        at: at.as_nanos(),
        step: *step,
        kind,
        host,
        process: process_name(recording, *place),
        pid: place.pid().unwrap_or(0),
        thread: place.thread_number(),
        text,
        since,
        packet,
        to,
        connection: connection.map(|connection| connection.to_string()),
        begins,
        ends,
    }
}

/// What begins with an event, and what ends: a cut has the name of the host at its other end.
fn troubles(what: &What, names: &Names) -> (Option<String>, Option<String>) {
    if let What::Name { name, fault } = what {
        let trouble = Some(format!("wrong name {name}"));
        return if fault.is_some() { (trouble, None) } else { (None, trouble) };
    }
    let (trouble, to) = match what {
        What::Network { event, to } => (event.trouble(), *to),
        What::Machine(event) => (event.trouble(), None),
        What::CallEnd { .. }
        | What::PacketSent(_)
        | What::PacketDelivered(_)
        | What::PacketDropped(..)
        | What::PacketMet(..)
        | What::Timer
        | What::Waits
        | What::Wake
        | What::Choice { .. }
        | What::ProcessStart
        | What::ProcessExit
        | What::ProcessKill
        | What::ProcessPanic { .. }
        | What::CallFault { .. }
        | What::Signal { .. }
        | What::Name { .. } => (None, None),
    };
    let named = |name: &str| match to.and_then(|to| names.host(to)) {
        Some(to) => format!("{name} {to}"),
        None => name.to_owned(),
    };
    match trouble {
        Some(Trouble::Begins(name)) => (Some(named(name)), None),
        Some(Trouble::Ends(name)) => (None, Some(named(name))),
        None => (None, None),
    }
}

fn process_name(recording: &Recording, place: Place) -> Option<String> {
    let (host, pid) = (place.host_number()?, place.pid()?);
    Some(recording.names.process(host, pid).unwrap_or("process").to_owned())
}

/// A packet without what became of it, which is the line's kind, and anything else in words.
fn event_text(event: &Event, names: &Names) -> String {
    match (event.what.packet(), &event.what) {
        (Some(packet), What::PacketDropped(_, why) | What::PacketMet(_, why)) => format!("{packet} ({why})"),
        (Some(packet), _) => packet.to_string(),
        (None, _) => event.words(names),
    }
}

/// A call that has returned, as `strace(1)` writes it.
pub(super) fn call_text(what: &What, arguments: &str) -> String {
    let What::CallEnd { call, result, .. } = what else { return what.to_string() };
    match result {
        Ok(value) => format!("{}({arguments}) = {value}", call.name()),
        Err(errno) => format!("{}({arguments}) = -1 {}", call.name(), errno_text(*errno)),
    }
}

/// `ECONNREFUSED (Connection refused)`.
fn errno_text(errno: twinsock::Errno) -> String {
    match errno.name() {
        Some(name) => format!("{name} ({})", errno.description()),
        None => errno.to_string(),
    }
}

/// The packets that are under way, by the flow that they belong to: what arrives of a flow is the first one, or the part of the first one, that it
/// can be.
#[derive(Default)]
struct Wire {
    count: u64,
    under_way: BTreeMap<Flow, VecDeque<UnderWay>>,
    /// Those that have arrived or are lost, of each flow the last few: a copy of one may follow.
    over: BTreeMap<Flow, VecDeque<UnderWay>>,
}

/// The ends and ports of packets that go one way.
type Flow = (IpAddr, IpAddr, [u16; 2]);

/// Of how many packets of a flow that are over a copy is recognised.
const OVER_MAX: usize = 64;

/// A packet on its way.
#[derive(Clone, Copy)]
struct UnderWay {
    number: u64,
    seq: SeqNumber,
    ack: u32,
    bytes: u32,
    /// How many bytes of it have arrived or are lost.
    came: u32,
}

impl UnderWay {
    fn of(packet: &PacketLine) -> (Flow, UnderWay) {
        let (ports, seq, ack) = match packet.transport() {
            Transport::Tcp { ports, seq, ack, .. } => (ports, seq, ack.map_or(0, SeqNumber::value)),
            Transport::Udp { ports } => (ports, SeqNumber::default(), 0),
            Transport::Icmp { .. } => ([0; 2], SeqNumber::default(), 0),
        };
        let bytes = packet.data_bytes();
        ((packet.src(), packet.dst(), ports), UnderWay { number: 0, seq, ack, bytes, came: 0 })
    }

    /// Whether `part` is the packet, or a part of its data.
    fn holds(&self, part: &UnderWay) -> bool {
        let start = part.seq - self.seq;
        self.ack == part.ack && start <= self.bytes && part.bytes <= self.bytes - start
    }
}

impl Wire {
    /// The number of the packet to which something of this kind happens.
    fn number(&mut self, kind: EventKind, packet: &PacketLine) -> Option<u64> {
        if kind == EventKind::Sent {
            Some(self.sent(packet))
        } else if kind == EventKind::Wire {
            self.met(packet)
        } else {
            self.came(packet)
        }
    }

    fn sent(&mut self, packet: &PacketLine) -> u64 {
        self.count += 1;
        let (flow, sent) = UnderWay::of(packet);
        self.under_way.entry(flow).or_default().push_back(UnderWay { number: self.count, ..sent });
        self.count
    }

    fn came(&mut self, packet: &PacketLine) -> Option<u64> {
        let (flow, part) = UnderWay::of(packet);
        let under_way = self.under_way.get_mut(&flow)?;
        let over = self.over.entry(flow).or_default();
        let Some(at) = under_way.iter().position(|sent| sent.holds(&part)) else {
            return over.iter().rev().find(|sent| sent.holds(&part)).map(|sent| sent.number);
        };
        let sent = &mut under_way[at];
        sent.came += part.bytes;
        let number = sent.number;
        if sent.came >= sent.bytes {
            over.extend(under_way.remove(at));
            if over.len() > OVER_MAX {
                over.pop_front();
            }
        }
        Some(number)
    }

    /// Something happens to a packet that goes on.
    fn met(&self, packet: &PacketLine) -> Option<u64> {
        let (flow, part) = UnderWay::of(packet);
        let last = self.under_way.get(&flow).into_iter().flatten().find(|sent| sent.holds(&part));
        last.map(|sent| sent.number)
    }
}
