//! ICMP errors: RFC 792, RFC 1191 and RFC 4884 for IPv4, RFC 4443 for IPv6.
//!
//! An error quotes the packet that it is about, as much of it as keeps the error within 576 bytes (RFC 1812 section 4.3.2.3), or
//! within the least MTU of IPv6. Extensions behind the quoted packet are skipped.

use super::checksum::Checksum;
use super::{Addrs, EncodeError, ICMP, ICMPV6, Input, ParseError, decode_quoted, encode_up_to, frames};
use crate::packet::{Body, Icmp, IcmpError};

pub(super) const HEADER_BYTES: usize = 8;
const V4_MAX_BYTES: usize = 576;
const V6_MAX_BYTES: usize = 1280;
const PACKET_MAX_BYTES: u32 = 65_535;

/// How many bytes of the packet that it is about an error quotes at most.
pub(super) fn quoted_max_bytes(addrs: &Addrs) -> usize {
    let max = match addrs {
        Addrs::V4 { .. } => V4_MAX_BYTES,
        Addrs::V6 { .. } => V6_MAX_BYTES,
    };
    max - addrs.header_bytes() - HEADER_BYTES
}

/// Appends an error to the room for its IP header, and says which protocol it is.
pub(super) fn encode(icmp: &Icmp, addrs: &Addrs, bytes: &mut Vec<u8>) -> Result<u8, EncodeError> {
    if let Body::Icmp(_) = icmp.about.body {
        return Err(EncodeError::IcmpAboutIcmp);
    }
    // A packet of many frames is quoted by its first.
    let about = frames(&icmp.about, PACKET_MAX_BYTES).next().expect("a packet has at least one frame");
    let quoted = encode_up_to(&about, quoted_max_bytes(addrs))?;
    let start = bytes.len();
    let (protocol, [kind, code], word) = match addrs {
        Addrs::V4 { .. } => (ICMP, kind_v4(icmp.error), word_v4(icmp.error)),
        Addrs::V6 { .. } => (ICMPV6, kind_v6(icmp.error), word_v6(icmp.error)),
    };
    bytes.extend_from_slice(&[kind, code, 0, 0]);
    bytes.extend_from_slice(&word.to_be_bytes());
    bytes.extend_from_slice(&quoted);
    let checksum = match addrs {
        Addrs::V4 { .. } => Checksum::new().bytes(&bytes[start..]).value(),
        Addrs::V6 { .. } => addrs.checksum(ICMPV6, &bytes[start..]),
    };
    bytes[start + 2..start + 4].copy_from_slice(&checksum.to_be_bytes());
    Ok(protocol)
}

/// Type and code, RFC 792 and RFC 1812 section 5.2.7.1.
fn kind_v4(error: IcmpError) -> [u8; 2] {
    match error {
        IcmpError::NetUnreachable => [3, 0],
        IcmpError::HostUnreachable => [3, 1],
        IcmpError::PortUnreachable => [3, 3],
        IcmpError::PacketTooBig { .. } => [3, 4],
        IcmpError::AdministrativelyProhibited => [3, 13],
        IcmpError::TimeExceeded => [11, 0],
    }
}

/// Type and code, RFC 4443 section 3.
fn kind_v6(error: IcmpError) -> [u8; 2] {
    match error {
        IcmpError::NetUnreachable => [1, 0],
        IcmpError::AdministrativelyProhibited => [1, 1],
        IcmpError::HostUnreachable => [1, 3],
        IcmpError::PortUnreachable => [1, 4],
        IcmpError::PacketTooBig { .. } => [2, 0],
        IcmpError::TimeExceeded => [3, 0],
    }
}

/// The second word: an MTU has 16 bits there, and a larger one is named as the largest.
fn word_v4(error: IcmpError) -> u32 {
    word_v6(error).min(u32::from(u16::MAX))
}

fn word_v6(error: IcmpError) -> u32 {
    match error {
        IcmpError::PacketTooBig { mtu_bytes } => mtu_bytes,
        IcmpError::NetUnreachable
        | IcmpError::HostUnreachable
        | IcmpError::PortUnreachable
        | IcmpError::AdministrativelyProhibited
        | IcmpError::TimeExceeded => 0,
    }
}

/// The ICMP error that these bytes are.
pub(super) fn parse_v4(input: Input<'_>) -> Result<Icmp, ParseError> {
    let head = input.head::<HEADER_BYTES>("an ICMP header that is cut short")?;
    if Checksum::new().bytes(input.bytes).value() != 0 {
        return Err(input.error("a wrong ICMP checksum", 2));
    }
    let error = match [head[0], head[1]] {
        [3, 0] => IcmpError::NetUnreachable,
        [3, 1] => IcmpError::HostUnreachable,
        [3, 3] => IcmpError::PortUnreachable,
        [3, 4] => IcmpError::PacketTooBig { mtu_bytes: u32::from(u16::from_be_bytes([head[6], head[7]])) },
        [3, 13] => IcmpError::AdministrativelyProhibited,
        [11, 0] => IcmpError::TimeExceeded,
        _ => return Err(input.error("an ICMP message that is none of the errors known", 0)),
    };
    parse_quoted(input, error, usize::from(head[5]) * 4, 5)
}

/// The ICMPv6 error that these bytes are.
pub(super) fn parse_v6(input: Input<'_>, addrs: &Addrs) -> Result<Icmp, ParseError> {
    let head = input.head::<HEADER_BYTES>("an ICMPv6 header that is cut short")?;
    if addrs.checksum(ICMPV6, input.bytes) != 0 {
        return Err(input.error("a wrong ICMPv6 checksum", 2));
    }
    let (error, quoted_len) = match [head[0], head[1]] {
        [1, 0] => (IcmpError::NetUnreachable, head[4]),
        [1, 1] => (IcmpError::AdministrativelyProhibited, head[4]),
        [1, 3] => (IcmpError::HostUnreachable, head[4]),
        [1, 4] => (IcmpError::PortUnreachable, head[4]),
        [2, _] => (IcmpError::PacketTooBig { mtu_bytes: u32::from_be_bytes([head[4], head[5], head[6], head[7]]) }, 0),
        [3, 0] => (IcmpError::TimeExceeded, head[4]),
        _ => return Err(input.error("an ICMPv6 message that is none of the errors known", 0)),
    };
    parse_quoted(input, error, usize::from(quoted_len) * 8, 4)
}

/// `len` is the length of the quoted packet as RFC 4884 section 4 has it: 0 where nothing follows it.
fn parse_quoted(input: Input<'_>, error: IcmpError, len: usize, len_at: usize) -> Result<Icmp, ParseError> {
    let mut quoted = input.from(HEADER_BYTES);
    if len > quoted.bytes.len() {
        return Err(input.error("a quoted packet shorter than is said", len_at));
    }
    if len > 0 {
        quoted.bytes = &quoted.bytes[..len];
    }
    Ok(Icmp { error, about: Box::new(decode_quoted(quoted)?) })
}
