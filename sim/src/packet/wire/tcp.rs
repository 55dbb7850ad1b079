//! TCP headers and options: RFC 9293 section 3.1, RFC 7323, RFC 2018.
//!
//! Control bits that exclude each other are decided here, as Linux decides them: RST is looked at before SYN and FIN, so a segment with
//! RST is a reset whatever else it has; SYN with FIN is dropped as malformed. FIN and SYN make PSH meaningless.
//! Without the URG bit the urgent pointer, and without the ACK bit the acknowledgment number, is not looked at.
//!
//! Options are read as Linux reads them (`tcp_parse_options`): one whose length cannot be ends them, without harm to the
//! segment; one of a length that its kind does not have, of an unknown kind, or that belongs on a SYN but is not on one, is skipped.

use super::{Addrs, EncodeError, Input, ParseError, TCP, Trust};
use crate::packet::{Control, Payload, SackBlocks, Segment, SeqNumber, TcpOptions, Timestamps};

const HEADER_BYTES: usize = 20;
/// 15 words, RFC 9293 section 3.1.
const HEADER_MAX_BYTES: u32 = 60;
/// RFC 7323 section 2.3.
const WINDOW_SCALE_MAX: u8 = 14;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Appends a segment to the room for its IP header.
pub(super) fn encode(segment: &Segment, addrs: &Addrs, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    let header_bytes = segment.header_bytes();
    if header_bytes > HEADER_MAX_BYTES {
        return Err(EncodeError::TooManyOptions);
    }
    let start = bytes.len();
    let control = match segment.control {
        Control::None => 0,
        Control::Push => PSH,
        Control::Syn => SYN,
        Control::Fin => FIN,
        Control::Rst => RST,
    };
    let ack = if segment.ack.is_some() { ACK } else { 0 };
    let urg = if segment.urgent.is_some() { URG } else { 0 };
    let data_offset = u8::try_from(header_bytes / 4).expect("a header has at most 60 bytes");
    bytes.extend_from_slice(&segment.src_port.to_be_bytes());
    bytes.extend_from_slice(&segment.dst_port.to_be_bytes());
    bytes.extend_from_slice(&segment.seq.value().to_be_bytes());
    bytes.extend_from_slice(&segment.ack.map_or(0, SeqNumber::value).to_be_bytes());
    bytes.extend_from_slice(&[data_offset << 4, control | ack | urg]);
    bytes.extend_from_slice(&segment.window.to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&segment.urgent.unwrap_or(0).to_be_bytes());
    encode_options(&segment.options, bytes);
    debug_assert_eq!(u32::try_from(bytes.len() - start), Ok(header_bytes), "options are as long as was said");
    bytes.extend_from_slice(segment.payload.as_slice());
    let checksum = addrs.checksum(TCP, &bytes[start..]);
    bytes[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// Writes the options in Linux's order and with its padding (`tcp_options_write`).
fn encode_options(options: &TcpOptions, bytes: &mut Vec<u8>) {
    if let Some(mss_bytes) = options.mss_bytes {
        bytes.extend_from_slice(&[MSS, 4]);
        bytes.extend_from_slice(&mss_bytes.to_be_bytes());
    }
    if options.sack_permitted {
        if options.timestamps.is_none() {
            bytes.extend_from_slice(&[NOP, NOP]);
        }
        bytes.extend_from_slice(&[SACK_PERMITTED, 2]);
    } else if options.timestamps.is_some() {
        bytes.extend_from_slice(&[NOP, NOP]);
    }
    if let Some(Timestamps { value, echo }) = options.timestamps {
        bytes.extend_from_slice(&[TIMESTAMPS, 10]);
        bytes.extend_from_slice(&value.to_be_bytes());
        bytes.extend_from_slice(&echo.to_be_bytes());
    }
    if let Some(shift) = options.window_scale {
        bytes.extend_from_slice(&[NOP, WINDOW_SCALE, 3, shift]);
    }
    let blocks = options.sack.iter().flatten();
    let blocks_len = u8::try_from(8 * blocks.clone().count()).expect("there are at most three blocks");
    if blocks_len > 0 {
        bytes.extend_from_slice(&[NOP, NOP, SACK, 2 + blocks_len]);
        for (left, right) in blocks {
            bytes.extend_from_slice(&left.value().to_be_bytes());
            bytes.extend_from_slice(&right.value().to_be_bytes());
        }
    }
}

/// The segment that these bytes are. Of a quoted one that is cut short within its header, the ports and `seq` are known.
pub(super) fn parse(input: Input<'_>, addrs: &Addrs, trust: Trust) -> Result<Segment, ParseError> {
    if trust == Trust::Quoted && input.bytes.len() < HEADER_BYTES {
        return parse_first_octets(input);
    }
    let head = input.head::<HEADER_BYTES>("a TCP header that is cut short")?;
    let header_bytes = usize::from(head[12] >> 4) * 4;
    let cut_short = header_bytes > input.bytes.len();
    if header_bytes < HEADER_BYTES || (trust == Trust::Received && cut_short) {
        return Err(input.error("a TCP data offset that cannot be", 12));
    }
    if trust == Trust::Received && addrs.checksum(TCP, input.bytes) != 0 {
        return Err(input.error("a wrong TCP checksum", 16));
    }
    let flags = head[13];
    let control = control_of(flags).ok_or_else(|| input.error("a segment with both SYN and FIN", 13))?;
    let header_bytes = header_bytes.min(input.bytes.len());
    let options = parse_options(&input.bytes[HEADER_BYTES..header_bytes], control == Control::Syn);
    let payload = Payload::copy_of(&input.bytes[header_bytes..]);
    Ok(Segment {
        src_port: sixteen(head, 0),
        dst_port: sixteen(head, 2),
        seq: SeqNumber::new(thirty_two(head, 4)),
        ack: (flags & ACK != 0).then(|| SeqNumber::new(thirty_two(head, 8))),
        control,
        urgent: (flags & URG != 0).then(|| sixteen(head, 18)),
        window: sixteen(head, 14),
        options,
        frame_bytes: frame_bytes(&payload),
        payload,
    })
}

/// What an ICMP error must quote: the first 64 bits, RFC 792.
fn parse_first_octets(input: Input<'_>) -> Result<Segment, ParseError> {
    let head = input.head::<8>("a quoted TCP header without its first 8 bytes")?;
    Ok(Segment {
        src_port: sixteen(head, 0),
        dst_port: sixteen(head, 2),
        seq: SeqNumber::new(thirty_two(head, 4)),
        ack: None,
        control: Control::None,
        urgent: None,
        window: 0,
        options: TcpOptions::default(),
        payload: Payload::EMPTY,
        frame_bytes: 0,
    })
}

fn sixteen(head: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([head[at], head[at + 1]])
}

fn thirty_two(head: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

/// The control bit that counts; `None` where SYN and FIN exclude each other.
fn control_of(flags: u8) -> Option<Control> {
    match flags & (RST | SYN | FIN) {
        0 if flags & PSH != 0 => Some(Control::Push),
        0 => Some(Control::None),
        SYN => Some(Control::Syn),
        FIN => Some(Control::Fin),
        bits if bits & RST != 0 => Some(Control::Rst),
        _ => None,
    }
}

/// A segment from the wire is one frame.
fn frame_bytes(payload: &Payload) -> u16 {
    u16::try_from(payload.len()).expect("an IP packet is shorter than 64 KiB")
}

fn parse_options(mut bytes: &[u8], is_syn: bool) -> TcpOptions {
    let mut options = TcpOptions::default();
    loop {
        let len = match bytes {
            [] | [END, ..] => return options,
            [NOP, ..] => 1,
            [_, len, ..] => usize::from(*len),
            [_] => return options,
        };
        let Some((option, rest)) = bytes.split_at_checked(len).filter(|(option, _)| !option.is_empty()) else {
            return options;
        };
        match option {
            [NOP] => {}
            // A length of 1 cannot be.
            [_] => return options,
            [MSS, 4, a, b] if is_syn => options.mss_bytes = Some(u16::from_be_bytes([*a, *b])).filter(|mss| *mss > 0),
            [WINDOW_SCALE, 3, shift] if is_syn => options.window_scale = Some((*shift).min(WINDOW_SCALE_MAX)),
            [SACK_PERMITTED, 2] if is_syn => options.sack_permitted = true,
            [TIMESTAMPS, 10, a, b, c, d, e, f, g, h] => {
                options.timestamps =
                    Some(Timestamps { value: u32::from_be_bytes([*a, *b, *c, *d]), echo: u32::from_be_bytes([*e, *f, *g, *h]) });
            }
            [SACK, _, blocks @ ..] if !blocks.is_empty() && blocks.len() % 8 == 0 => options.sack = parse_blocks(blocks),
            _ => {}
        }
        bytes = rest;
    }
}

/// The first three SACK blocks: a fourth, for which there is room without timestamps, is left out.
fn parse_blocks(bytes: &[u8]) -> SackBlocks {
    let mut blocks = SackBlocks::default();
    let (edges, _) = bytes.as_chunks::<4>();
    let (pairs, _) = edges.as_chunks::<2>();
    for (block, [left, right]) in blocks.iter_mut().zip(pairs) {
        *block = Some((SeqNumber::new(u32::from_be_bytes(*left)), SeqNumber::new(u32::from_be_bytes(*right))));
    }
    blocks
}
