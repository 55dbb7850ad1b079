//! What can happen in a run, as values: small enough to be made for every event, whether or not it is kept.

use super::place::{Names, Place};
use super::{Digest, MachineEvent};
use crate::packet::{Body, Control, Datagram, IcmpError, Packet, Payload, Segment, SeqNumber, TcpOptions};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use twinsock::{Instant, Result};

/// Something that happened, when, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Virtual time.
    pub at: Instant,
    /// Where.
    pub place: Place,
    /// What.
    pub what: What,
}

/// The name of a system call, or of another call that a process makes of its world.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallName {
    name: &'static str,
    /// The digest of the name.
    word: u64,
}

impl CallName {
    /// The call of this name. Best made in a `const`, where it costs nothing.
    #[must_use]
    pub const fn new(name: &'static str) -> CallName {
        let mut digest = Digest::new();
        let bytes = name.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            digest.fold(bytes[index] as u64);
            index += 1;
        }
        CallName { name, word: digest.value() }
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A call returned.
    CallEnd {
        /// The call.
        call: CallName,
        /// The descriptor it is about.
        fd: Option<i32>,
        /// What it returned.
        result: Result<usize>,
    },
    /// A host handed a packet to a link, or to itself: see [`Trace::packet_sent`](super::Trace::packet_sent).
    PacketSent(PacketLine),
    /// A packet arrived: see [`Trace::packet_delivered`](super::Trace::packet_delivered).
    PacketDelivered(PacketLine),
    /// A packet will not arrive, and why: see [`Trace::packet_dropped`](super::Trace::packet_dropped).
    PacketDropped(PacketLine, &'static str),
    /// Something happened to a packet on its way: see [`Trace::packet_met`](super::Trace::packet_met).
    PacketMet(PacketLine, &'static str),
    /// The way from the event's host was changed.
    Network {
        /// How.
        event: NetworkEvent,
        /// The way to which host; `None`: to and from all.
        to: Option<u32>,
    },
    /// A timer of a host went off.
    Timer,
    /// A thread began to wait; in recordings only.
    Waits,
    /// What a thread waited for has come, or its time is up; in recordings only.
    Wake,
    /// One of `0..n` was drawn.
    Choice {
        /// By which door.
        door: &'static str,
        /// How many answers there were.
        n: u32,
        /// The answer.
        value: u32,
    },
    /// A process, or a thread of it, started.
    ProcessStart,
    /// It came to its end.
    ProcessExit,
    /// It was killed.
    ProcessKill,
    /// It panicked.
    ProcessPanic {
        /// With these words.
        message: Box<str>,
    },
    /// Something befell a whole machine.
    Machine(MachineEvent),
    /// A fault befell a call of a thread.
    CallFault {
        /// The call.
        call: CallName,
        /// The descriptor it is about.
        fd: Option<i32>,
        /// What happened to it.
        fault: Box<str>,
    },
    /// A signal was sent to a thread.
    Signal {
        /// How its handler was installed, in words.
        how: &'static str,
    },
    /// Something is wrong with a name from here on, or no longer.
    Name {
        /// The name.
        name: Box<str>,
        /// What is wrong; `None`: nothing.
        fault: Option<Box<str>>,
    },
}

impl What {
    /// The packet that it is about.
    #[must_use]
    pub const fn packet(&self) -> Option<&PacketLine> {
        match self {
            What::PacketSent(packet)
            | What::PacketDelivered(packet)
            | What::PacketDropped(packet, _)
            | What::PacketMet(packet, _) => Some(packet),
            What::CallEnd { .. }
            | What::Network { .. }
            | What::Timer
            | What::Waits
            | What::Wake
            | What::Choice { .. }
            | What::ProcessStart
            | What::ProcessExit
            | What::ProcessKill
            | What::ProcessPanic { .. }
            | What::Machine(_)
            | What::CallFault { .. }
            | What::Signal { .. }
            | What::Name { .. } => None,
        }
    }
}

/// A trouble that lasts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// One of this name begins.
    Begins(&'static str),
    /// One of this name ends.
    Ends(&'static str),
}

/// What is done to the ways between hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// Nothing passes from here on.
    Cut,
    /// What was cut is mended.
    Heal,
    /// A host is cut off from all others.
    Isolate,
    /// It is back.
    Rejoin,
    /// What is sent from here on waits.
    Hold,
    /// What waited is sent.
    Release,
    /// Another link took the place of the one there was.
    Link,
}

impl NetworkEvent {
    /// What begins with it, or what ends.
    pub(super) const fn trouble(self) -> Option<Trouble> {
        match self {
            NetworkEvent::Cut => Some(Trouble::Begins("cut")),
            NetworkEvent::Heal => Some(Trouble::Ends("cut")),
            NetworkEvent::Isolate => Some(Trouble::Begins("isolation")),
            NetworkEvent::Rejoin => Some(Trouble::Ends("isolation")),
            NetworkEvent::Hold => Some(Trouble::Begins("hold")),
            NetworkEvent::Release => Some(Trouble::Ends("hold")),
            NetworkEvent::Link => None,
        }
    }

    const fn number(self) -> u32 {
        match self {
            NetworkEvent::Cut => 0,
            NetworkEvent::Heal => 1,
            NetworkEvent::Isolate => 2,
            NetworkEvent::Rejoin => 3,
            NetworkEvent::Hold => 4,
            NetworkEvent::Release => 5,
            NetworkEvent::Link => 6,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            NetworkEvent::Cut => "cut off",
            NetworkEvent::Heal => "connected again",
            NetworkEvent::Isolate => "isolated",
            NetworkEvent::Rejoin => "rejoined",
            NetworkEvent::Hold => "held back",
            NetworkEvent::Release => "released",
            NetworkEvent::Link => "another link",
        }
    }
}

/// A packet on one line: its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketLine {
    src: IpAddr,
    dst: IpAddr,
    transport: Transport,
    len: u32,
}

/// The transport header of a [`PacketLine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of Segment, Datagram and Icmp")]
pub enum Transport {
    /// A TCP segment.
    Tcp { ports: [u16; 2], seq: SeqNumber, ack: Option<SeqNumber>, control: Control, urgent: Option<u16>, window: u16 },
    /// A UDP datagram.
    Udp { ports: [u16; 2] },
    /// An ICMP error.
    Icmp { error: IcmpError },
}

impl PacketLine {
    /// The header of a packet.
    #[inline]
    #[must_use]
    pub fn of(packet: &Packet) -> PacketLine {
        let (transport, len) = match &packet.body {
            Body::Tcp(segment) => (Transport::of_segment(segment), segment.payload.len()),
            Body::Udp(datagram) => (Transport::Udp { ports: [datagram.src_port, datagram.dst_port] }, datagram.payload.len()),
            Body::Icmp(icmp) => (Transport::Icmp { error: icmp.error }, 0),
        };
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        PacketLine { src: packet.src, dst: packet.dst, transport, len }
    }

    /// Its source.
    #[must_use]
    pub const fn src(&self) -> IpAddr {
        self.src
    }

    /// Its destination.
    #[must_use]
    pub const fn dst(&self) -> IpAddr {
        self.dst
    }

    /// Its transport header.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// How many bytes of data it carries.
    #[must_use]
    pub const fn data_bytes(&self) -> u32 {
        self.len
    }

    /// The packet of this header, with what else belongs to one: of a segment its options and the size of its frames, of a datagram whether it is not to
    /// be cut and whether it has no checksum.
    pub(super) fn packet(&self, (ttl, tos): (u8, u8), rest: Rest, payload: Payload) -> Packet {
        let body = match (self.transport, rest) {
            (
                Transport::Tcp { ports: [src_port, dst_port], seq, ack, control, urgent, window },
                Rest::Segment { options, frame_bytes },
            ) => {
                let segment = Segment { src_port, dst_port, seq, ack, control, urgent, window, options, payload, frame_bytes };
                Body::Tcp(segment)
            }
            (Transport::Udp { ports: [src_port, dst_port] }, Rest::Datagram { dont_fragment, no_check }) => {
                Body::Udp(Datagram { src_port, dst_port, payload, dont_fragment, no_check })
            }
            (
                Transport::Tcp { .. } | Transport::Udp { .. } | Transport::Icmp { .. },
                Rest::Segment { .. } | Rest::Datagram { .. },
            ) => {
                unreachable!("a header and what belongs to it are of one kind")
            }
        };
        Packet { src: self.src, dst: self.dst, ttl, tos, body }
    }
}

/// What belongs to a packet besides its [`PacketLine`] and its data.
pub(super) enum Rest {
    /// To a segment.
    Segment { options: TcpOptions, frame_bytes: u16 },
    /// To a datagram.
    Datagram { dont_fragment: bool, no_check: bool },
}

fn octets(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[inline]
fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl Transport {
    #[inline(always)]
    fn of_segment(segment: &Segment) -> Transport {
        Transport::Tcp {
            ports: [segment.src_port, segment.dst_port],
            seq: segment.seq,
            ack: segment.ack,
            control: segment.control,
            urgent: segment.urgent,
            window: segment.window,
        }
    }
}

/// The header of a packet as the words that are folded into the digest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words {
    /// A segment's sequence and acknowledgment numbers; what an ICMP error says.
    pub(super) numbers: u64,
    /// The ports, the window, which transport, a segment's control bits.
    pub(super) header: u64,
    /// Source and destination; IPv6's as their digest.
    pub(super) addrs: u64,
    /// The length of the data in bytes, a segment's urgent pointer and whether it has one.
    pub(super) len_urgent: u64,
}

impl Words {
    /// The words of a segment between IPv4 addresses.
    #[inline(always)]
    pub(super) fn of_segment(addrs: u64, segment: &Segment) -> Words {
        let flags = IS_SEGMENT | control_number(segment.control) << 2 | u64::from(segment.ack.is_some()) << 5;
        let urgent = segment.urgent.map_or(0, |urgent| HAS_URGENT | u64::from(urgent));
        Words {
            numbers: pair(segment.seq.value(), segment.ack.map_or(0, SeqNumber::value)),
            header: sixteens([segment.src_port, segment.dst_port], segment.window) | flags,
            addrs,
            len_urgent: u64::from(segment.payload_bytes()) << 32 | urgent,
        }
    }

    /// The words of a datagram between IPv4 addresses.
    #[inline(always)]
    pub(super) fn of_datagram(addrs: u64, datagram: &Datagram) -> Words {
        let len = u64::try_from(datagram.payload.len()).expect("a packet carries at most 64 KiB");
        let header = sixteens([datagram.src_port, datagram.dst_port], 0) | IS_DATAGRAM;
        Words { numbers: 0, header, addrs, len_urgent: len << 32 }
    }

    pub(super) fn of(packet: &Packet) -> Words {
        let addrs = v4_addrs(packet).unwrap_or_else(|| {
            let mut digest = Digest::new();
            digest.fold_bytes(&octets(packet.src));
            digest.fold_bytes(&octets(packet.dst));
            digest.value()
        });
        match &packet.body {
            Body::Tcp(segment) => Words::of_segment(addrs, segment),
            Body::Udp(datagram) => Words::of_datagram(addrs, datagram),
            Body::Icmp(icmp) => Words { numbers: icmp_number(icmp.error), header: IS_ICMP, addrs, len_urgent: 0 },
        }
    }

    /// The words of a segment that differs from that of which these are in its numbers and its data alone.
    #[inline(always)]
    pub(super) fn renumber(&mut self, segment: &Segment) {
        self.numbers = pair(segment.seq.value(), segment.ack.map_or(0, SeqNumber::value));
        self.len_urgent = u64::from(segment.payload_bytes()) << 32;
    }

    /// One word for all of them.
    #[inline(always)]
    pub(super) fn label(self) -> u64 {
        Digest::label(self.numbers, self.header, self.addrs, self.len_urgent)
    }

    /// The event that the words of a segment or datagram between IPv4 addresses were made of.
    pub(super) fn packet_event(self, at: Instant, host: u32, kind: PacketKind, why: &'static str) -> Event {
        let [src, dst] = halves(self.addrs).map(|addr| IpAddr::V4(Ipv4Addr::from_bits(addr)));
        let [len, urgent] = halves(self.len_urgent);
        let [has_urgent, urgent] = quarters(urgent);
        let [seq, ack] = halves(self.numbers).map(SeqNumber::new);
        let [ports, window_flags] = halves(self.header);
        let [src_port, dst_port] = quarters(ports);
        let [window, flags] = quarters(window_flags);
        if self.header & IS_ICMP == IS_DATAGRAM {
            let line = PacketLine { src, dst, transport: Transport::Udp { ports: [src_port, dst_port] }, len };
            return Event { at, place: Place::host(host), what: kind.what(line, why) };
        }
        let transport = Transport::Tcp {
            ports: [src_port, dst_port],
            seq,
            ack: (flags >> 5 & 1 == 1).then_some(ack),
            control: control_of(flags >> 2 & 7),
            urgent: (has_urgent != 0).then_some(urgent),
            window,
        };
        let line = PacketLine { src, dst, transport, len };
        Event { at, place: Place::host(host), what: kind.what(line, why) }
    }
}

/// Folds in what became of a packet of this label.
#[inline(always)]
pub(super) fn fold_packet(digest: &mut Digest, at: Instant, host: u32, kind: PacketKind, label: u64) {
    digest.fold2_with(at.as_nanos(), pair(host, kind.number()), label);
}

/// In [`Words::len_urgent`]: the segment has an urgent pointer.
const HAS_URGENT: u64 = 1 << 16;
/// In [`Words::header`]: the packet carries a segment.
const IS_SEGMENT: u64 = 1;
/// A datagram.
const IS_DATAGRAM: u64 = 2;
/// An ICMP error; the bits that tell the three apart.
const IS_ICMP: u64 = 3;

/// Folds in that a call returned.
#[inline]
pub(super) fn fold_call_end(
    digest: &mut Digest,
    at: Instant,
    place: Place,
    call: CallName,
    fd: Option<i32>,
    result: Result<usize>,
) {
    let Place { host, pid, thread } = place;
    // As the kernel returns it: the error negated.
    let result = match result {
        Ok(value) => u64::try_from(value).expect("a count in memory fits 64 bits"),
        Err(errno) => i64::from(errno.raw()).wrapping_neg().cast_unsigned(),
    };
    let whose = pair(thread, fd.unwrap_or(-1).cast_unsigned());
    digest.fold4(at.as_nanos(), pair(host, pid), call.word ^ whose, result);
}

/// Folds in that `value` was chosen of `0..n`.
#[inline]
pub(super) fn fold_choice(digest: &mut Digest, at: Instant, place: Place, n: u32, value: u32) {
    fold_head(digest, at, place, 6, pair(n, value));
}

#[inline]
fn fold_head(digest: &mut Digest, at: Instant, place: Place, kind: u32, argument: u64) {
    let Place { host, pid, thread } = place;
    digest.fold4(at.as_nanos(), pair(host, pid), pair(thread, kind), argument);
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum PacketKind {
    Met,
    Sent,
    Delivered,
    Dropped,
}

impl PacketKind {
    #[inline]
    const fn number(self) -> u32 {
        match self {
            PacketKind::Met => 0,
            PacketKind::Sent => 1,
            PacketKind::Delivered => 2,
            PacketKind::Dropped => 3,
        }
    }

    /// Its number in one byte.
    pub(super) const fn byte(self) -> u8 {
        self.number().to_le_bytes()[0]
    }

    /// The one of this number.
    pub(super) const fn of_byte(byte: u8) -> PacketKind {
        match byte {
            0 => PacketKind::Met,
            1 => PacketKind::Sent,
            2 => PacketKind::Delivered,
            _ => PacketKind::Dropped,
        }
    }

    /// The event that this became of a packet.
    pub(super) fn what(self, line: PacketLine, why: &'static str) -> What {
        match self {
            PacketKind::Met => What::PacketMet(line, why),
            PacketKind::Sent => What::PacketSent(line),
            PacketKind::Delivered => What::PacketDelivered(line),
            PacketKind::Dropped => What::PacketDropped(line, why),
        }
    }
}

/// Whether a packet is a segment or datagram between IPv4 addresses.
pub(super) fn is_usual(packet: &Packet) -> bool {
    match packet.body {
        Body::Tcp(_) | Body::Udp(_) => v4_addrs(packet).is_some(),
        Body::Icmp(_) => false,
    }
}

/// Source and destination, if they are IPv4's, as one word.
#[inline]
pub(super) fn v4_addrs(packet: &Packet) -> Option<u64> {
    match (packet.src, packet.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Some(pair(src.to_bits(), dst.to_bits())),
        (IpAddr::V4(_) | IpAddr::V6(_), IpAddr::V4(_) | IpAddr::V6(_)) => None,
    }
}

#[inline]
fn control_number(control: Control) -> u64 {
    match control {
        Control::None => 0,
        Control::Push => 1,
        Control::Syn => 2,
        Control::Fin => 3,
        Control::Rst => 4,
    }
}

fn control_of(number: u16) -> Control {
    match number {
        1 => Control::Push,
        2 => Control::Syn,
        3 => Control::Fin,
        4 => Control::Rst,
        _ => Control::None,
    }
}

fn halves(word: u64) -> [u32; 2] {
    [word >> 32, word & u64::from(u32::MAX)].map(|half| u32::try_from(half).expect("half a word has 32 bits"))
}

fn quarters(half: u32) -> [u16; 2] {
    [half >> 16, half & u32::from(u16::MAX)].map(|quarter| u16::try_from(quarter).expect("half of 32 bits are 16"))
}

#[inline]
fn sixteens(ports: [u16; 2], window: u16) -> u64 {
    u64::from(ports[0]) << 48 | u64::from(ports[1]) << 32 | u64::from(window) << 16
}

fn icmp_number(error: IcmpError) -> u64 {
    match error {
        IcmpError::NetUnreachable => 0,
        IcmpError::HostUnreachable => 1,
        IcmpError::PortUnreachable => 2,
        IcmpError::PacketTooBig { mtu_bytes } => pair(mtu_bytes, 3),
        IcmpError::AdministrativelyProhibited => 4,
        IcmpError::TimeExceeded => 5,
    }
}

impl Event {
    /// Folds the event into a digest.
    #[inline]
    pub(super) fn fold_into(&self, digest: &mut Digest) {
        match &self.what {
            // Packets are folded in from the packets themselves.
            What::PacketSent(_) | What::PacketDelivered(_) | What::PacketDropped(..) | What::PacketMet(..) => {}
            What::CallEnd { call, fd, result } => fold_call_end(digest, self.at, self.place, *call, *fd, *result),
            What::Network { event, to } => self.fold_head(digest, 40 + event.number(), u64::from(to.unwrap_or(u32::MAX))),
            What::Timer => self.fold_head(digest, 5, 0),
            // Where threads wait follows from their calls.
            What::Waits | What::Wake => {}
            // What may befall a call is said here; whether it does is an event of its own.
            What::Machine(MachineEvent::CallFaults { .. }) => {}
            What::Choice { door: _, n, value } => fold_choice(digest, self.at, self.place, *n, *value),
            What::ProcessStart => self.fold_head(digest, 7, 0),
            What::ProcessExit => self.fold_head(digest, 8, 0),
            What::ProcessKill => self.fold_head(digest, 9, 0),
            What::ProcessPanic { message } => {
                self.fold_head(digest, 10, 0);
                digest.fold_bytes(message.as_bytes());
            }
            What::Machine(event) => {
                let (number, argument, more) = event.words();
                self.fold_head(digest, 20 + number, argument);
                digest.fold(more);
            }
            What::CallFault { call, fd, fault } => {
                self.fold_head(digest, 30, call.word ^ u64::from(fd.unwrap_or(-1).cast_unsigned()));
                digest.fold_bytes(fault.as_bytes());
            }
            What::Signal { how } => {
                self.fold_head(digest, 31, 0);
                digest.fold_bytes(how.as_bytes());
            }
            What::Name { name, fault } => {
                self.fold_head(digest, 32, u64::from(fault.is_some()));
                digest.fold_bytes(name.as_bytes());
                digest.fold_bytes(fault.as_deref().unwrap_or_default().as_bytes());
            }
        }
    }

    #[inline]
    fn fold_head(&self, digest: &mut Digest, kind: u32, argument: u64) {
        fold_head(digest, self.at, self.place, kind, argument);
    }

    /// What happened, in words, with the names of other hosts.
    #[must_use]
    pub(crate) fn words(&self, names: &Names) -> String {
        if let What::Network { to: Some(to), .. } = self.what {
            return format!("{} {}", self.what, names.place(Place::host(to)));
        }
        self.what.to_string()
    }

    /// The event as a line, with the names of its host and process.
    #[must_use]
    pub fn line<'a>(&'a self, names: &'a Names) -> impl fmt::Display + 'a {
        Line { event: self, names }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line(&Names::default()))
    }
}

struct Line<'a> {
    event: &'a Event,
    names: &'a Names,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}  {}", self.event.at, self.names.place(self.event.place), self.event.words(self.names))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::CallEnd { call, fd, result } => {
                fmt_call(f, *call, *fd)?;
                match result {
                    Ok(value) => write!(f, " = {value}"),
                    Err(errno) => write!(f, " = -1 {errno:?}"),
                }
            }
            What::PacketSent(packet) => write!(f, "sent {packet}"),
            What::PacketDelivered(packet) => write!(f, "delivered {packet}"),
            What::PacketDropped(packet, why) => write!(f, "dropped ({why}) {packet}"),
            What::PacketMet(packet, what) => write!(f, "{what} {packet}"),
            // The other host's name follows, see `Line`.
            What::Network { event, to: Some(_) } => write!(f, "{} from here to", event.words()),
            What::Network { event, to: None } => f.write_str(event.words()),
            What::Timer => f.write_str("timer"),
            What::Waits => f.write_str("waits"),
            What::Wake => f.write_str("wakes"),
            What::Choice { door, n, value } => write!(f, "chose {value} of 0..{n} ({door})"),
            What::ProcessStart => f.write_str("start"),
            What::ProcessExit => f.write_str("exit"),
            What::ProcessKill => f.write_str("killed"),
            What::ProcessPanic { message } => write!(f, "panic: {}", message.escape_debug()),
            What::Machine(event) => write!(f, "{event}"),
            What::CallFault { call, fd, fault } => {
                fmt_call(f, *call, *fd)?;
                write!(f, " meets {fault}")
            }
            What::Signal { how } => write!(f, "signal ({how})"),
            What::Name { name, fault: Some(fault) } => write!(f, "the name {name}: {fault}"),
            What::Name { name, fault: None } => write!(f, "the name {name} is right again"),
        }
    }
}

/// A call and its descriptor, as strace(1) prints them.
fn fmt_call(f: &mut fmt::Formatter<'_>, call: CallName, fd: Option<i32>) -> fmt::Result {
    match fd {
        Some(fd) => write!(f, "{}({fd})", call.name),
        None => write!(f, "{}()", call.name),
    }
}

// As tcpdump(8) prints a packet, near enough.
impl fmt::Display for PacketLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |[src_port, dst_port]: [u16; 2]| (SocketAddr::new(self.src, src_port), SocketAddr::new(self.dst, dst_port));
        match self.transport {
            Transport::Tcp { ports, seq, ack, control, urgent, window } => {
                let (src, dst) = ends(ports);
                let control = match control {
                    Control::None => "",
                    Control::Push => "P",
                    Control::Syn => "S",
                    Control::Fin => "F",
                    Control::Rst => "R",
                };
                let dot = if ack.is_some() { "." } else { "" };
                write!(f, "{src} > {dst} tcp [{control}{dot}] seq {seq:?}")?;
                if let Some(ack) = ack {
                    write!(f, " ack {ack:?}")?;
                }
                if let Some(urgent) = urgent {
                    write!(f, " urg {urgent}")?;
                }
                write!(f, " win {window} len {}", self.len)
            }
            Transport::Udp { ports } => {
                let (src, dst) = ends(ports);
                write!(f, "{src} > {dst} udp len {}", self.len)
            }
            Transport::Icmp { error } => write!(f, "{} > {} icmp {}", self.src, self.dst, IcmpWords(error)),
        }
    }
}

struct IcmpWords(IcmpError);

impl fmt::Display for IcmpWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IcmpError::NetUnreachable => f.write_str("net unreachable"),
            IcmpError::HostUnreachable => f.write_str("host unreachable"),
            IcmpError::PortUnreachable => f.write_str("port unreachable"),
            IcmpError::PacketTooBig { mtu_bytes } => write!(f, "packet too big, mtu {mtu_bytes}"),
            IcmpError::AdministrativelyProhibited => f.write_str("administratively prohibited"),
            IcmpError::TimeExceeded => f.write_str("time exceeded"),
        }
    }
}
