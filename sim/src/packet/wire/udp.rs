//! UDP headers: RFC 768, and RFC 8200 section 8.1 for IPv6.

use super::{Addrs, EncodeError, Input, ParseError, Trust, UDP};
use crate::packet::{Datagram, Payload};

pub(super) const HEADER_BYTES: usize = 8;

/// Appends a datagram to the room for its IP header.
pub(super) fn encode(datagram: &Datagram, addrs: &Addrs, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    let len = u16::try_from(HEADER_BYTES + datagram.payload.len()).map_err(|_| EncodeError::TooLong)?;
    let start = bytes.len();
    bytes.extend_from_slice(&datagram.src_port.to_be_bytes());
    bytes.extend_from_slice(&datagram.dst_port.to_be_bytes());
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(datagram.payload.as_slice());
    // 0 means "no checksum"; a checksum that comes out as 0 is sent as its equal.
    let checksum = match addrs.checksum(UDP, &bytes[start..]) {
        _ if datagram.no_check => 0,
        0 => 0xffff,
        checksum => checksum,
    };
    bytes[start + 6..start + 8].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// The datagram that these bytes are; of a quoted one, the data that is there.
pub(super) fn parse(input: Input<'_>, addrs: &Addrs, trust: Trust) -> Result<Datagram, ParseError> {
    let [s0, s1, d0, d1, l0, l1, c0, c1] = *input.head::<HEADER_BYTES>("a UDP header that is cut short")?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len < HEADER_BYTES || (trust == Trust::Received && len > input.bytes.len()) {
        return Err(input.error("a UDP length that cannot be", 4));
    }
    let bytes = &input.bytes[..len.min(input.bytes.len())];
    if trust == Trust::Received {
        match (addrs, [c0, c1]) {
            (Addrs::V4 { .. }, [0, 0]) => {}
            (Addrs::V6 { .. }, [0, 0]) => return Err(input.error("a UDP datagram over IPv6 without checksum", 6)),
            (Addrs::V4 { .. } | Addrs::V6 { .. }, _) => {
                if addrs.checksum(UDP, bytes) != 0 {
                    return Err(input.error("a wrong UDP checksum", 6));
                }
            }
        }
    }
    Ok(Datagram {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        payload: Payload::copy_of(&bytes[HEADER_BYTES..]),
        no_check: [c0, c1] == [0, 0],
        dont_fragment: false,
        segment_bytes: 0,
    })
}
