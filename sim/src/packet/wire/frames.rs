//! A packet as the frames that a link carries: what a network card makes of a large segment (TCP segmentation offload).

use super::{Addrs, IPV4_HEADER_BYTES, IPV6_HEADER_BYTES, icmp, udp};
use crate::packet::{Body, Control, Packet, Payload, Segment};

/// The frames of a packet, in order: see [`frames()`].
///
/// ```
/// use twinsock_sim::packet::{Body, Packet, Segment};
/// let segment = Segment { payload: vec![1; 2000].into(), frame_bytes: 1460, ..Segment::EMPTY };
/// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
/// let frames: Vec<Packet> = twinsock_sim::packet::wire::frames(&packet, 1500).collect();
/// assert_eq!(frames.iter().map(|frame| frame.data().len()).collect::<Vec<_>>(), [1460, 540]);
/// ```
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    packet: &'a Packet,
    /// How many bytes of data a frame carries.
    data_bytes: usize,
    /// How many bytes of data have been cut off.
    cut: usize,
    done: bool,
}

/// Cuts a packet into frames of at most `mtu_bytes`, from their IP headers on.
///
/// A TCP segment's data is cut into pieces of its `frame_bytes`, or smaller ones if those would not fit, but of a byte at least.
/// Sequence numbers advance, SYN is on the first frame only, PSH, FIN and RST on the last only, and the urgent pointer points to the octet
/// that it pointed to. Anything else is one frame, however long: the simulator has no IP fragments.
///
/// ```
/// use twinsock_sim::packet::{Body, Packet, Segment};
/// let segment = Segment { payload: vec![1; 2000].into(), frame_bytes: 1460, ..Segment::EMPTY };
/// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
/// assert_eq!(twinsock_sim::packet::wire::frames(&packet, 1500).count(), 2);
/// assert_eq!(twinsock_sim::packet::wire::frames(&packet, 576).count(), 4);
/// ```
#[must_use]
pub fn frames(packet: &Packet, mtu_bytes: u32) -> Frames<'_> {
    let data_bytes = match &packet.body {
        Body::Tcp(segment) => {
            let headers = ip_header_bytes(packet) + tcp_header_bytes(segment);
            let room = usize::try_from(mtu_bytes).unwrap_or(usize::MAX).saturating_sub(headers);
            room.min(data_bytes(segment)).max(1)
        }
        Body::Udp(_) | Body::Icmp(_) => usize::MAX,
    };
    Frames { packet, data_bytes, cut: 0, done: false }
}

/// The bytes of a TCP segment's data from `start` to `end`, as a packet of their own: sequence number, control bits and urgent pointer are those that
/// the frames of these bytes have, see [`frames()`].
///
/// # Panics
/// If the packet carries no TCP segment, or not as many bytes.
#[must_use]
pub fn part(packet: &Packet, start: usize, end: usize) -> Packet {
    let Body::Tcp(segment) = &packet.body else { panic!("only a segment has parts") };
    let Packet { src, dst, ttl, tos, body: _ } = *packet;
    Packet { src, dst, ttl, tos, body: Body::Tcp(cut(segment, start, end, data_bytes(segment))) }
}

/// How long a packet is in one piece, from its IP header on.
///
/// ```
/// use twinsock_sim::packet::{Body, Packet, Segment};
/// let segment = Segment { payload: vec![1; 2000].into(), frame_bytes: 1460, ..Segment::EMPTY };
/// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
/// assert_eq!(twinsock_sim::packet::wire::packet_bytes(&packet), 20 + 20 + 2000);
/// ```
#[must_use]
pub fn packet_bytes(packet: &Packet) -> usize {
    ip_header_bytes(packet)
        + match &packet.body {
            Body::Tcp(segment) => tcp_header_bytes(segment) + segment.payload.len(),
            Body::Udp(datagram) => udp::HEADER_BYTES + datagram.payload.len(),
            Body::Icmp(icmp) => {
                let quoted_max = Addrs::of(packet).map_or(0, |addrs| icmp::quoted_max_bytes(&addrs));
                icmp::HEADER_BYTES + largest_quoted_bytes(&icmp.about).min(quoted_max)
            }
        }
}

/// How many bytes of data a frame of a segment carries at most.
fn data_bytes(segment: &Segment) -> usize {
    match segment.frame_bytes {
        0 => segment.payload.len(),
        frame_bytes => usize::from(frame_bytes),
    }
}

/// The length of the packet that an ICMP error is about: an ICMP error is about no other.
fn largest_quoted_bytes(about: &Packet) -> usize {
    match &about.body {
        Body::Tcp(_) | Body::Udp(_) => packet_bytes(about),
        Body::Icmp(_) => 0,
    }
}

fn tcp_header_bytes(segment: &Segment) -> usize {
    usize::try_from(segment.header_bytes()).expect("a header has at most 60 bytes")
}

fn ip_header_bytes(packet: &Packet) -> usize {
    if packet.src.is_ipv4() { IPV4_HEADER_BYTES } else { IPV6_HEADER_BYTES }
}

impl Iterator for Frames<'_> {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        if self.done {
            return None;
        }
        let Body::Tcp(segment) = &self.packet.body else {
            self.done = true;
            return Some(self.packet.clone());
        };
        let start = self.cut;
        let end = segment.payload.len().min(start.saturating_add(self.data_bytes));
        self.cut = end;
        self.done = end == segment.payload.len();
        let frame = cut(segment, start, end, self.data_bytes);
        let Packet { src, dst, ttl, tos, body: _ } = *self.packet;
        Some(Packet { src, dst, ttl, tos, body: Body::Tcp(frame) })
    }
}

/// The frame that carries the data from `start` to `end`.
fn cut(segment: &Segment, start: usize, end: usize, data_bytes: usize) -> Segment {
    let is_first = start == 0;
    let is_last = end == segment.payload.len();
    let offset = u32::try_from(start).expect("a segment's payload is at most 64 KiB");
    let (control, syn) = match segment.control {
        Control::Syn if is_first => (Control::Syn, 0),
        // The SYN, which came with the first frame, is an octet before the data.
        Control::Syn => (Control::None, 1),
        Control::None => (Control::None, 0),
        last @ (Control::Push | Control::Fin | Control::Rst) => (if is_last { last } else { Control::None }, 0),
    };
    let advance = offset + syn;
    Segment {
        seq: segment.seq + advance,
        control,
        urgent: segment.urgent.and_then(|urgent| if is_first { Some(urgent) } else { urgent_behind(urgent, advance) }),
        payload: slice(&segment.payload, start, end),
        frame_bytes: segment.frame_bytes.min(u16::try_from(data_bytes).unwrap_or(u16::MAX)),
        ..*segment
    }
}

/// The urgent pointer, `advance` octets later. It points behind the last urgent octet, as Linux reads RFC 9293 (RFC 6093 section
/// 3.1), so where nothing is left of it nothing is urgent.
fn urgent_behind(urgent: u16, advance: u32) -> Option<u16> {
    let left = u32::from(urgent).checked_sub(advance).filter(|left| *left > 0)?;
    Some(u16::try_from(left).expect("a part of 16 bits is 16 bits"))
}

fn slice(payload: &Payload, start: usize, end: usize) -> Payload {
    match payload {
        Payload::Inline { .. } => Payload::copy_of(&payload.as_slice()[start..end]),
        Payload::Shared(bytes) => Payload::Shared(bytes.slice(start..end)),
    }
}
