//! Packets to and from bytes: IPv4 (RFC 791), IPv6 (RFC 8200), and what they carry.
//!
//! This file holds the IP headers; `wire/tcp.rs`, `wire/udp.rs` and `wire/icmp.rs` what is behind them, `wire/checksum.rs` the Internet
//! checksum, and `wire/frames.rs` cuts a packet into the frames that a link carries. Nothing on a packet's usual way through the
//! simulator comes here: bytes are for captures, for injected packets and for fuzzing.
//!
//! What a [`Packet`] has no place for is not read: IPv4 and IPv6 options and extension headers, flow labels, the ECN bits of TCP. What
//! the simulator does not model is an error: fragments, other protocols, ICMP messages other than the errors of
//! [`IcmpError`](super::IcmpError).

mod checksum;
mod frames;
mod icmp;
mod tcp;
mod udp;

pub(crate) use frames::part;
pub use frames::{Frames, frames, packet_bytes};

use super::{Body, Datagram, Packet};
use checksum::Checksum;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes that are not a packet which the simulator knows: what is wrong, and where.
///
/// ```
/// use twinsock_sim::packet::wire::decode;
/// let error = decode(&[0x65; 40]).unwrap_err();
/// assert_eq!(error.to_string(), format!("not a packet: {} at byte {}", error.what, error.offset));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub what: &'static str,
    /// The offset of the field that is wrong, or where something is missing, the length of the input.
    pub offset: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a packet: {} at byte {}", self.what, self.offset)
    }
}

impl std::error::Error for ParseError {}

/// A packet that no bytes stand for.
///
/// ```
/// use twinsock_sim::packet::Packet;
/// use twinsock_sim::packet::wire::{EncodeError, encode};
/// let mixed = Packet { src: [10, 0, 0, 1].into(), dst: "fd00::2".parse().unwrap(), ..Packet::EMPTY };
/// assert_eq!(encode(&mixed), Err(EncodeError::MixedFamilies));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// One address is IPv4, the other IPv6.
    MixedFamilies,
    /// Longer than the 16-bit length fields can say: [`frames()`] cuts it.
    TooLong,
    /// More TCP options than the header has room for.
    TooManyOptions,
    /// An ICMP error about an ICMP error, RFC 1122 section 3.2.2 and RFC 4443 section 2.4.
    IcmpAboutIcmp,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EncodeError::MixedFamilies => "a packet between an IPv4 and an IPv6 address",
            EncodeError::TooLong => "a packet longer than 65,535 bytes",
            EncodeError::TooManyOptions => "more than 40 bytes of TCP options",
            EncodeError::IcmpAboutIcmp => "an ICMP error about an ICMP error",
        })
    }
}

impl std::error::Error for EncodeError {}

const IPV4_HEADER_BYTES: usize = 20;
const IPV6_HEADER_BYTES: usize = 40;

/// Assigned numbers of the protocols.
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The bytes of a packet, from its IP header on, with all checksums.
///
/// An IPv4 packet has "don't fragment" set, unless it is a datagram that says otherwise, and the identification 0, RFC 6864 section 4.1; an IPv6 packet
/// the flow label 0.
///
/// # Errors
/// A packet that no bytes stand for.
///
/// ```
/// use twinsock_sim::packet::{Body, Control, Packet, Segment};
/// use twinsock_sim::packet::wire::{decode, encode};
/// let segment = Segment { src_port: 1000, dst_port: 80, control: Control::Syn, ..Segment::EMPTY };
/// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
/// let bytes = encode(&packet).unwrap();
/// assert_eq!(bytes[0], 0x45, "IPv4, a header of 20 bytes");
/// assert_eq!(decode(&bytes), Ok(packet));
/// ```
pub fn encode(packet: &Packet) -> Result<Vec<u8>, EncodeError> {
    encode_up_to(packet, usize::MAX)
}

/// The bytes of a packet, cut off behind the first `bytes_max`.
fn encode_up_to(packet: &Packet, bytes_max: usize) -> Result<Vec<u8>, EncodeError> {
    let addrs = Addrs::of(packet)?;
    let mut bytes = vec![0; addrs.header_bytes()];
    let protocol = match &packet.body {
        Body::Tcp(segment) => tcp::encode(segment, &addrs, &mut bytes).map(|()| TCP)?,
        Body::Udp(datagram) => udp::encode(datagram, &addrs, &mut bytes).map(|()| UDP)?,
        Body::Icmp(icmp) => icmp::encode(icmp, &addrs, &mut bytes)?,
    };
    match addrs {
        Addrs::V4 { src, dst } => {
            let total_len = u16::try_from(bytes.len()).map_err(|_| EncodeError::TooLong)?;
            bytes[0] = 0x45;
            bytes[1] = packet.tos;
            bytes[2..4].copy_from_slice(&total_len.to_be_bytes());
            let may_fragment = matches!(&packet.body, Body::Udp(datagram) if !datagram.dont_fragment);
            bytes[6] = if may_fragment { 0 } else { DONT_FRAGMENT };
            bytes[8] = packet.ttl;
            bytes[9] = protocol;
            bytes[12..16].copy_from_slice(&src.octets());
            bytes[16..20].copy_from_slice(&dst.octets());
            let checksum = Checksum::new().bytes(&bytes[..IPV4_HEADER_BYTES]).value();
            bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        Addrs::V6 { src, dst } => {
            let payload_len = u16::try_from(bytes.len() - IPV6_HEADER_BYTES).map_err(|_| EncodeError::TooLong)?;
            let word = 6 << 28 | u32::from(packet.tos) << 20;
            bytes[..4].copy_from_slice(&word.to_be_bytes());
            bytes[4..6].copy_from_slice(&payload_len.to_be_bytes());
            bytes[6] = protocol;
            bytes[7] = packet.ttl;
            bytes[8..24].copy_from_slice(&src.octets());
            bytes[24..40].copy_from_slice(&dst.octets());
        }
    }
    bytes.truncate(bytes_max);
    Ok(bytes)
}

/// The packet that these bytes are, from its IP header on. Bytes behind its end, as a short Ethernet frame has them, are not read.
///
/// # Errors
/// Bytes that a host would drop (too short, a wrong checksum, control bits that exclude each other), and packets of a kind that the
/// simulator does not know.
///
/// ```
/// use twinsock_sim::packet::wire::decode;
/// assert!(decode(&[0x45; 19]).is_err(), "less than a header");
/// ```
pub fn decode(bytes: &[u8]) -> Result<Packet, ParseError> {
    let header = Header::parse(bytes, 0, Trust::Received)?;
    let payload = header.payload;
    let body = match (header.protocol, header.addrs) {
        (TCP, _) => Body::Tcp(tcp::parse(payload, &header.addrs, Trust::Received)?),
        (UDP, _) => {
            let datagram = udp::parse(payload, &header.addrs, Trust::Received)?;
            Body::Udp(Datagram { dont_fragment: header.dont_fragment, ..datagram })
        }
        (ICMP, Addrs::V4 { .. }) => Body::Icmp(icmp::parse_v4(payload)?),
        (ICMPV6, Addrs::V6 { .. }) => Body::Icmp(icmp::parse_v6(payload, &header.addrs)?),
        _ => return Err(ParseError { what: "a protocol that is not TCP, UDP or ICMP", offset: header.protocol_offset }),
    };
    Ok(header.packet(body))
}

/// The packet, cut short, that an ICMP error quotes.
fn decode_quoted(input: Input<'_>) -> Result<Packet, ParseError> {
    let header = Header::parse(input.bytes, input.offset, Trust::Quoted)?;
    let body = match header.protocol {
        TCP => Body::Tcp(tcp::parse(header.payload, &header.addrs, Trust::Quoted)?),
        UDP => Body::Udp(udp::parse(header.payload, &header.addrs, Trust::Quoted)?),
        _ => return Err(ParseError { what: "an ICMP error about neither TCP nor UDP", offset: header.protocol_offset }),
    };
    Ok(header.packet(body))
}

/// Whether bytes must be whole and sound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Received: they must be.
    Received,
    /// Quoted by an ICMP error: what is there counts, and checksums cannot be checked.
    Quoted,
}

/// Bytes, and where in the packet they begin.
#[derive(Clone, Copy)]
struct Input<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Input<'a> {
    fn error(self, what: &'static str, at: usize) -> ParseError {
        ParseError { what, offset: self.offset + at }
    }

    /// The first `N` bytes.
    fn head<const N: usize>(self, what: &'static str) -> Result<&'a [u8; N], ParseError> {
        self.bytes.first_chunk().ok_or_else(|| self.error(what, self.bytes.len()))
    }

    /// The bytes from `at` on, which must exist.
    fn from(self, at: usize) -> Input<'a> {
        Input { bytes: &self.bytes[at..], offset: self.offset + at }
    }
}

/// The addresses of a packet.
#[derive(Clone, Copy)]
enum Addrs {
    V4 { src: Ipv4Addr, dst: Ipv4Addr },
    V6 { src: Ipv6Addr, dst: Ipv6Addr },
}

impl Addrs {
    fn of(packet: &Packet) -> Result<Addrs, EncodeError> {
        match (packet.src, packet.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(Addrs::V4 { src, dst }),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ok(Addrs::V6 { src, dst }),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(EncodeError::MixedFamilies),
        }
    }

    fn header_bytes(&self) -> usize {
        match self {
            Addrs::V4 { .. } => IPV4_HEADER_BYTES,
            Addrs::V6 { .. } => IPV6_HEADER_BYTES,
        }
    }

    /// The sum over the pseudo header, RFC 9293 section 3.1 and RFC 8200 section 8.1, and over `payload`.
    fn checksum(&self, protocol: u8, payload: &[u8]) -> u16 {
        let sum = match self {
            Addrs::V4 { src, dst } => Checksum::new().bytes(&src.octets()).bytes(&dst.octets()),
            Addrs::V6 { src, dst } => Checksum::new().bytes(&src.octets()).bytes(&dst.octets()),
        };
        let len = u32::try_from(payload.len()).expect("a packet is far shorter than 4 GiB");
        sum.bytes(&len.to_be_bytes()).bytes(&[0, protocol]).bytes(payload).value()
    }
}

/// An IP header, parsed, and what is behind it.
struct Header<'a> {
    addrs: Addrs,
    tos: u8,
    ttl: u8,
    protocol: u8,
    protocol_offset: usize,
    dont_fragment: bool,
    payload: Input<'a>,
}

const DONT_FRAGMENT: u8 = 0x40;

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8], offset: usize, trust: Trust) -> Result<Header<'a>, ParseError> {
        let input = Input { bytes, offset };
        match input.head::<1>("an empty packet")?[0] >> 4 {
            4 => Header::parse_v4(input, trust),
            6 => Header::parse_v6(input, trust),
            _ => Err(input.error("an IP version that is neither 4 nor 6", 0)),
        }
    }

    /// RFC 791 section 3.1.
    fn parse_v4(input: Input<'a>, trust: Trust) -> Result<Header<'a>, ParseError> {
        let head = input.head::<IPV4_HEADER_BYTES>("an IPv4 header that is cut short")?;
        let header_bytes = usize::from(head[0] & 0x0f) * 4;
        if header_bytes < IPV4_HEADER_BYTES || header_bytes > input.bytes.len() {
            return Err(input.error("an IPv4 header length that cannot be", 0));
        }
        let total_len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if total_len < header_bytes || (trust == Trust::Received && total_len > input.bytes.len()) {
            return Err(input.error("an IPv4 total length that cannot be", 2));
        }
        // More fragments, or a fragment offset.
        if u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0 {
            return Err(input.error("a fragment", 6));
        }
        if trust == Trust::Received && Checksum::new().bytes(&input.bytes[..header_bytes]).value() != 0 {
            return Err(input.error("a wrong IPv4 header checksum", 10));
        }
        let bytes = &input.bytes[..total_len.min(input.bytes.len())];
        let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *head;
        Ok(Header {
            addrs: Addrs::V4 { src: Ipv4Addr::new(s0, s1, s2, s3), dst: Ipv4Addr::new(d0, d1, d2, d3) },
            tos: head[1],
            ttl: head[8],
            protocol: head[9],
            protocol_offset: input.offset + 9,
            dont_fragment: head[6] & DONT_FRAGMENT != 0,
            payload: Input { bytes, ..input }.from(header_bytes),
        })
    }

    /// RFC 8200 section 3.
    fn parse_v6(input: Input<'a>, trust: Trust) -> Result<Header<'a>, ParseError> {
        let head = input.head::<IPV6_HEADER_BYTES>("an IPv6 header that is cut short")?;
        let total_len = IPV6_HEADER_BYTES + usize::from(u16::from_be_bytes([head[4], head[5]]));
        if trust == Trust::Received && total_len > input.bytes.len() {
            return Err(input.error("an IPv6 payload length that cannot be", 4));
        }
        let bytes = &input.bytes[..total_len.min(input.bytes.len())];
        let addr = |at: usize| Ipv6Addr::from(*head[at..].first_chunk::<16>().expect("an IPv6 header holds two addresses"));
        let mut header = Header {
            addrs: Addrs::V6 { src: addr(8), dst: addr(24) },
            tos: head[0] << 4 | head[1] >> 4,
            ttl: head[7],
            protocol: head[6],
            protocol_offset: input.offset + 6,
            dont_fragment: false,
            payload: Input { bytes, ..input }.from(IPV6_HEADER_BYTES),
        };
        header.skip_extensions()?;
        Ok(header)
    }

    /// Skips the extension headers of RFC 8200 section 4 that say nothing to an end host.
    fn skip_extensions(&mut self) -> Result<(), ParseError> {
        const HOP_BY_HOP: u8 = 0;
        const ROUTING: u8 = 43;
        const FRAGMENT: u8 = 44;
        const DESTINATION: u8 = 60;
        while let HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION = self.protocol {
            let head = self.payload.head::<8>("an IPv6 extension header that is cut short")?;
            let bytes = if self.protocol == FRAGMENT {
                // A packet in one fragment is whole, RFC 6946.
                if u16::from_be_bytes([head[2], head[3]]) & 0xfff9 != 0 {
                    return Err(self.payload.error("a fragment", 2));
                }
                8
            } else {
                8 + usize::from(head[1]) * 8
            };
            if bytes > self.payload.bytes.len() {
                return Err(self.payload.error("an IPv6 extension header that is cut short", self.payload.bytes.len()));
            }
            self.protocol = head[0];
            self.protocol_offset = self.payload.offset;
            self.payload = self.payload.from(bytes);
        }
        Ok(())
    }

    fn packet(&self, body: Body) -> Packet {
        let (src, dst) = match self.addrs {
            Addrs::V4 { src, dst } => (src.into(), dst.into()),
            Addrs::V6 { src, dst } => (src.into(), dst.into()),
        };
        Packet { src, dst, ttl: self.ttl, tos: self.tos, body }
    }
}

#[cfg(test)]
mod tests;
