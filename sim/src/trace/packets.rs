//! Packets in a trace: a header on a line, and the words that stand for it in the digest.

use super::Digest;
use super::event::{Event, What};
use super::place::Place;
use crate::packet::{Body, Control, Datagram, IcmpError, Packet, Payload, Segment, SeqNumber, TcpOptions};
use crate::seldom::unlikely;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use twinsock::Instant;

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
                // That it stands for several is between sockets of one host: a capture shows it whole.
                Body::Udp(Datagram { src_port, dst_port, payload, dont_fragment, no_check, segment_bytes: 0 })
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
pub(super) fn pair(high: u32, low: u32) -> u64 {
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
    /// No packet's.
    pub(super) const NONE: Words = Words { numbers: 0, header: 0, addrs: 0, len_urgent: 0 };

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
        let header = sixteens([datagram.src_port, datagram.dst_port], 0) | IS_DATAGRAM;
        Words { numbers: 0, header, addrs, len_urgent: datagram_len(datagram) }
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

    /// The words of a segment that differs from that of which these are in its numbers and its data alone, of which there are so many bytes.
    #[inline(always)]
    pub(super) fn renumbered(self, seq: SeqNumber, ack: SeqNumber, data_bytes: usize) -> Words {
        Words { numbers: pair(seq.value(), ack.value()), len_urgent: len_in_word(data_bytes), ..self }
    }

    /// The words of a datagram that differs from that of which these are in its data alone, of which there are so many bytes. Answers whether its length is another:
    /// otherwise nothing is written, so that what is read of them next need not wait for it.
    #[inline(always)]
    pub(super) fn resize(&mut self, data_bytes: usize) -> bool {
        let len = len_in_word(data_bytes);
        let is_other = self.len_urgent != len;
        if unlikely(is_other) {
            self.len_urgent = len;
        }
        is_other
    }

    /// How many bytes of data there are.
    #[inline(always)]
    pub(super) fn data_bytes(self) -> u32 {
        u32::try_from(self.len_urgent >> 32).expect("the high half is 32 bits")
    }

    /// One word for what [`Words::renumbered`] and [`Words::resize`] leave as it is.
    #[inline(always)]
    pub(super) fn flow(self) -> u64 {
        Digest::flow(self.header, self.addrs)
    }

    /// One word for all of them, of which `flow` stands for the rest.
    #[inline(always)]
    pub(super) fn label(self, flow: u64) -> u64 {
        Digest::packet_label(flow, self.numbers, self.len_urgent)
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
    digest.fold_packet(at.as_nanos(), pair(host, kind.number()), label);
}

/// In [`Words::len_urgent`]: the segment has an urgent pointer.
const HAS_URGENT: u64 = 1 << 16;
/// In [`Words::header`]: the packet carries a segment.
const IS_SEGMENT: u64 = 1;
/// A datagram.
const IS_DATAGRAM: u64 = 2;
/// An ICMP error; the bits that tell the three apart.
const IS_ICMP: u64 = 3;

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

/// [`Words::len_urgent`] of a datagram.
#[inline(always)]
fn datagram_len(datagram: &Datagram) -> u64 {
    len_in_word(datagram.payload.len())
}

#[inline(always)]
fn len_in_word(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length in memory fits 64 bits") << 32
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
