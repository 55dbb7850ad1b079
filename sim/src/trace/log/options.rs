//! What a packet has besides its header and its data: of a segment the size of its frames and its options, of a datagram two flags.

use crate::packet::{Body, Datagram, Packet, Segment, SeqNumber, TcpOptions, Timestamps};
use crate::trace::bytes::Reader;
use crate::trace::packets::{self, pair};

/// The lower half of [`Rest::bits`] is the size of a segment's frames; above it:
pub(super) const TIMESTAMPS: u32 = 1 << 16;
/// There are other options, in the words that follow.
pub(super) const MORE: u32 = 1 << 17;
const DONT_FRAGMENT: u32 = 1 << 18;
const NO_CHECK: u32 = 1 << 19;

/// Of the word that begins the other options, the lower half is the maximum segment size and the next byte the window scale; above them:
const MSS: u64 = 1 << 32;
const WINDOW_SCALE: u64 = 1 << 33;
const SACK_PERMITTED: u64 = 1 << 34;
/// A bit for each place of a SACK block, for some of them may be empty.
const SACK_SHIFT: usize = 35;

/// The rest of a packet, as words.
pub(super) struct Rest {
    pub(super) bits: u32,
    /// Value and echo, if there are [`TIMESTAMPS`].
    pub(super) timestamps: u64,
}

impl Rest {
    #[inline(always)]
    pub(super) fn of(packet: &Packet) -> Rest {
        match &packet.body {
            Body::Tcp(Segment { options, frame_bytes, .. }) => {
                let TcpOptions { mss_bytes, window_scale, sack_permitted, timestamps, sack } = options;
                let has_more = mss_bytes.is_some() | window_scale.is_some() | sack_permitted | (*sack != [None; 3]);
                let more = if has_more { MORE } else { 0 };
                match timestamps {
                    Some(Timestamps { value, echo }) => {
                        Rest { bits: u32::from(*frame_bytes) | TIMESTAMPS | more, timestamps: pair(*echo, *value) }
                    }
                    None => Rest { bits: u32::from(*frame_bytes) | more, timestamps: 0 },
                }
            }
            Body::Udp(Datagram { dont_fragment, no_check, .. }) => {
                let dont_fragment = if *dont_fragment { DONT_FRAGMENT } else { 0 };
                Rest { bits: dont_fragment | if *no_check { NO_CHECK } else { 0 }, timestamps: 0 }
            }
            Body::Icmp(_) => unreachable!("an ICMP message is no usual packet"),
        }
    }
}

/// Appends the options of a segment besides timestamps.
#[cold]
#[inline(never)]
pub(super) fn put_more(bytes: &mut Vec<u8>, packet: &Packet) {
    let Body::Tcp(Segment { options, .. }) = &packet.body else { return };
    let TcpOptions { mss_bytes, window_scale, sack_permitted, timestamps: _, sack } = options;
    let mut first = mss_bytes.map_or(0, |mss| MSS | u64::from(mss));
    first |= window_scale.map_or(0, |scale| WINDOW_SCALE | u64::from(scale) << 16);
    first |= if *sack_permitted { SACK_PERMITTED } else { 0 };
    for (index, block) in sack.iter().enumerate() {
        first |= u64::from(block.is_some()) << (SACK_SHIFT + index);
    }
    bytes.extend_from_slice(&first.to_le_bytes());
    for (left, right) in sack.iter().flatten() {
        bytes.extend_from_slice(&pair(right.value(), left.value()).to_le_bytes());
    }
}

/// What belongs to a packet of these bits.
pub(super) fn read(bits: u32, is_segment: bool, reader: &mut Reader<'_>) -> packets::Rest {
    if !is_segment {
        return packets::Rest::Datagram { dont_fragment: bits & DONT_FRAGMENT != 0, no_check: bits & NO_CHECK != 0 };
    }
    let mut options = TcpOptions::NONE;
    if bits & TIMESTAMPS != 0 {
        let [value, echo] = reader.pair();
        options.timestamps = Some(Timestamps { value, echo });
    }
    if bits & MORE != 0 {
        let first = reader.word();
        let [mss, mss_high, scale, ..] = first.to_le_bytes();
        options.mss_bytes = (first & MSS != 0).then_some(u16::from_le_bytes([mss, mss_high]));
        options.window_scale = (first & WINDOW_SCALE != 0).then_some(scale);
        options.sack_permitted = first & SACK_PERMITTED != 0;
        for (index, block) in options.sack.iter_mut().enumerate() {
            if first & 1 << (SACK_SHIFT + index) != 0 {
                let [left, right] = reader.pair().map(SeqNumber::new);
                *block = Some((left, right));
            }
        }
    }
    let [low, high, ..] = bits.to_le_bytes();
    packets::Rest::Segment { frame_bytes: u16::from_le_bytes([low, high]), options }
}
