//! A TCP segment, RFC 9293 section 3.1, as a value.

use crate::seldom::seldom;
use bytes::Bytes;
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A sequence number: 32 bits that wrap, RFC 9293 section 3.4.
///
/// ```
/// use twinsock_sim::packet::SeqNumber;
/// let last = SeqNumber::new(u32::MAX);
/// assert_eq!(last + 1, SeqNumber::new(0));
/// assert!(last.before(last + 1) && (last + 5) - last == 5);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNumber(u32);

impl SeqNumber {
    /// The sequence number of this value.
    ///
    /// ```
    /// use twinsock_sim::packet::SeqNumber;
    /// assert_eq!(SeqNumber::new(7).value(), 7);
    /// ```
    #[inline]
    #[must_use]
    pub const fn new(value: u32) -> SeqNumber {
        SeqNumber(value)
    }

    /// The value.
    ///
    /// ```
    /// use twinsock_sim::packet::SeqNumber;
    /// assert_eq!((SeqNumber::new(u32::MAX) + 2).value(), 1);
    /// ```
    #[inline]
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Whether `self` comes before `other` in the half of the space that follows `self`.
    ///
    /// ```
    /// use twinsock_sim::packet::SeqNumber;
    /// assert!(SeqNumber::new(u32::MAX).before(SeqNumber::new(0)) && !SeqNumber::new(1).before(SeqNumber::new(1)));
    /// ```
    #[inline]
    #[must_use]
    pub const fn before(self, other: SeqNumber) -> bool {
        other.0.wrapping_sub(self.0).wrapping_sub(1) < 1 << 31
    }

    /// Whether `self` comes before `other` or is `other`.
    ///
    /// ```
    /// use twinsock_sim::packet::SeqNumber;
    /// assert!(SeqNumber::new(1).before_or_at(SeqNumber::new(1)));
    /// ```
    #[inline]
    #[must_use]
    pub const fn before_or_at(self, other: SeqNumber) -> bool {
        other.0.wrapping_sub(self.0) < 1 << 31
    }

    /// The later of the two.
    ///
    /// ```
    /// use twinsock_sim::packet::SeqNumber;
    /// assert_eq!(SeqNumber::new(u32::MAX).max(SeqNumber::new(3)), SeqNumber::new(3));
    /// ```
    #[inline]
    #[must_use]
    pub const fn max(self, other: SeqNumber) -> SeqNumber {
        if self.before(other) { other } else { self }
    }

    /// The earlier of the two.
    ///
    /// ```
    /// use twinsock_sim::packet::SeqNumber;
    /// assert_eq!(SeqNumber::new(u32::MAX).min(SeqNumber::new(3)), SeqNumber::new(u32::MAX));
    /// ```
    #[inline]
    #[must_use]
    pub const fn min(self, other: SeqNumber) -> SeqNumber {
        if self.before(other) { self } else { other }
    }
}

impl Add<u32> for SeqNumber {
    type Output = SeqNumber;
    #[inline]
    fn add(self, octets: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNumber {
    #[inline]
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<SeqNumber> for SeqNumber {
    type Output = u32;
    /// How far `other` is behind, modulo 2^32.
    #[inline]
    fn sub(self, other: SeqNumber) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}

impl fmt::Debug for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The control bits that exclude each other; ACK and URG are `Segment::ack` and `Segment::urgent`.
///
/// ```
/// use twinsock_sim::packet::{Control, Segment};
/// assert_eq!(Segment::EMPTY.control, Control::None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Control {
    /// None of them.
    #[default]
    None,
    /// PSH.
    Push,
    /// SYN.
    Syn,
    /// FIN.
    Fin,
    /// RST.
    Rst,
}

/// The data of a segment or datagram: shared with the sender's buffer, or inline where that is cheaper.
///
/// ```
/// use twinsock_sim::packet::Payload;
/// assert!(matches!(Payload::copy_of(b"a few"), Payload::Inline { len: 5, .. }));
/// assert!(matches!(Payload::from(vec![0; 1460]), Payload::Shared(_)));
/// ```
#[derive(Clone)]
pub enum Payload {
    /// Up to [`Payload::INLINE_MAX_BYTES`], by value.
    Inline {
        /// How many of `bytes` are data.
        len: u8,
        /// The data, then bytes that mean nothing.
        bytes: [u8; Payload::INLINE_MAX_BYTES],
    },
    /// A shared slice.
    Shared(Bytes),
}

impl Payload {
    /// The largest payload that is carried by value.
    ///
    /// ```
    /// use twinsock_sim::packet::Payload;
    /// let most = [0; Payload::INLINE_MAX_BYTES];
    /// assert!(matches!(Payload::copy_of(&most), Payload::Inline { .. }));
    /// ```
    pub const INLINE_MAX_BYTES: usize = 79;
    /// No data.
    ///
    /// ```
    /// use twinsock_sim::packet::Payload;
    /// assert_eq!(Payload::EMPTY, Payload::default());
    /// ```
    pub const EMPTY: Payload = Payload::Shared(Bytes::new());

    /// A payload of these bytes, inline if they are few, else a copy on the heap.
    ///
    /// ```
    /// use twinsock_sim::packet::Payload;
    /// assert_eq!(Payload::copy_of(b"data"), Payload::from(b"data".to_vec()));
    /// ```
    #[must_use]
    pub fn copy_of(data: &[u8]) -> Payload {
        if data.is_empty() {
            Payload::EMPTY
        } else if data.len() <= Payload::INLINE_MAX_BYTES {
            Payload::copy_inline(data)
        } else {
            Payload::Shared(Bytes::copy_from_slice(data))
        }
    }

    /// Becomes a copy of `other`.
    #[inline(always)]
    pub(crate) fn set(&mut self, other: &Payload) {
        match other {
            Payload::Inline { .. } => self.assign(other.as_slice()),
            Payload::Shared(bytes) => {
                seldom();
                *self = Payload::Shared(bytes.clone());
            }
        }
    }

    /// Becomes a copy of a few bytes, in place: moving fresh bytes on, or more bytes than were stored at once, would stall on the stores.
    ///
    /// # Panics
    /// If they are more than [`Payload::INLINE_MAX_BYTES`].
    #[inline(always)]
    pub(crate) fn assign(&mut self, data: &[u8]) {
        match self {
            Payload::Inline { len, bytes } => {
                *len = inline_len(data);
                copy_few(&mut bytes[..data.len()], data);
            }
            Payload::Shared(_) => {
                seldom();
                *self = Payload::copy_inline(data);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn copy_inline(data: &[u8]) -> Payload {
        let mut bytes = [0; Payload::INLINE_MAX_BYTES];
        bytes[..data.len()].copy_from_slice(data);
        Payload::Inline { len: inline_len(data), bytes }
    }

    /// Lets go of what others could use: what the payload holds from here on means nothing.
    #[inline]
    pub(crate) fn release(&mut self) {
        if let Payload::Shared(bytes) = self {
            *bytes = Bytes::new();
        }
    }

    /// Whether the payload holds nothing but itself.
    #[inline]
    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Payload::Inline { .. } => true,
            Payload::Shared(bytes) => bytes.is_empty(),
        }
    }

    /// The data as a slice that can be shared: a copy if the payload is inline.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Payload::Inline { .. } => Bytes::copy_from_slice(self.as_slice()),
            Payload::Shared(bytes) => bytes.clone(),
        }
    }

    /// Keeps the first `len` bytes, if there are more.
    pub(crate) fn truncate(&mut self, new_len: usize) {
        match self {
            Payload::Inline { len, .. } => *len = u8::try_from(new_len).map_or(*len, |new_len| new_len.min(*len)),
            Payload::Shared(bytes) => bytes.truncate(new_len),
        }
    }

    /// Holds no data from here on.
    #[inline]
    pub(crate) fn clear(&mut self) {
        match self {
            Payload::Inline { len, .. } => *len = 0,
            Payload::Shared(bytes) if bytes.is_empty() => {}
            Payload::Shared(bytes) => *bytes = Bytes::new(),
        }
    }

    /// The data.
    #[inline]
    #[must_use]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Payload::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Payload::Shared(bytes) => bytes,
        }
    }

    /// How many bytes of data.
    ///
    /// ```
    /// use twinsock_sim::packet::Payload;
    /// assert_eq!(Payload::copy_of(b"data").len(), 4);
    /// ```
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Payload::Inline { len, .. } => usize::from(*len),
            Payload::Shared(bytes) => bytes.len(),
        }
    }

    /// Whether there is no data.
    ///
    /// ```
    /// use twinsock_sim::packet::Payload;
    /// assert!(Payload::copy_of(b"").is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Copies bytes of which there are few, to as many: the usual messages without a call, as two pieces which may overlap.
///
/// # Panics
/// If they are not as many.
#[inline(always)]
pub(crate) fn copy_few(into: &mut [u8], data: &[u8]) {
    if data.len() <= 2 * PIECE_BYTES
        && let (Some(first), Some(last)) = (data.first_chunk::<PIECE_BYTES>(), data.last_chunk::<PIECE_BYTES>())
    {
        let (begin, end) = (..PIECE_BYTES, data.len() - PIECE_BYTES..data.len());
        into[begin].copy_from_slice(first);
        into[end].copy_from_slice(last);
    } else {
        copy_any(into, data);
    }
}

/// Kept apart, for the compiler would make one call of its copy and the last piece's.
#[inline(never)]
fn copy_any(into: &mut [u8], data: &[u8]) {
    into.copy_from_slice(data);
}

/// What a few of the processor's registers hold.
const PIECE_BYTES: usize = 32;

#[inline]
fn inline_len(data: &[u8]) -> u8 {
    u8::try_from(data.len()).expect("an inline payload is shorter than 256 bytes")
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        Payload::Shared(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        Payload::Shared(bytes.into())
    }
}

impl From<&'static [u8]> for Payload {
    fn from(bytes: &'static [u8]) -> Payload {
        Payload::Shared(Bytes::from_static(bytes))
    }
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::EMPTY
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// The timestamps option, RFC 7323 section 3.
///
/// ```
/// use twinsock_sim::packet::{TcpOptions, Timestamps};
/// let options = TcpOptions { timestamps: Some(Timestamps { value: 7, echo: 0 }), ..TcpOptions::NONE };
/// assert_eq!(options.timestamps.map(|timestamps| timestamps.value), Some(7));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timestamps {
    /// TSval.
    pub value: u32,
    /// TSecr.
    pub echo: u32,
}

/// Up to three SACK blocks, RFC 2018, `[left, right)` each; unused ones are `None`.
///
/// ```
/// use twinsock_sim::packet::{SackBlocks, SeqNumber, TcpOptions};
/// let sack: SackBlocks = [Some((SeqNumber::new(1000), SeqNumber::new(2460))), None, None];
/// assert_eq!(TcpOptions { sack, ..TcpOptions::NONE }.sack.iter().flatten().count(), 1);
/// ```
pub type SackBlocks = [Option<(SeqNumber, SeqNumber)>; 3];

/// The options of a segment.
///
/// ```
/// use twinsock_sim::packet::TcpOptions;
/// let syn = TcpOptions { mss_bytes: Some(1460), sack_permitted: true, ..TcpOptions::NONE };
/// assert_ne!(syn, TcpOptions::NONE);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpOptions {
    /// Maximum segment size, on SYN only, RFC 9293 section 3.7.1.
    pub mss_bytes: Option<u16>,
    /// Window scale, on SYN only, RFC 7323 section 2.
    pub window_scale: Option<u8>,
    /// SACK permitted, on SYN only, RFC 2018.
    pub sack_permitted: bool,
    /// Timestamps, RFC 7323.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks.
    pub sack: SackBlocks,
}

/// A TCP segment. Its payload may be many times the MSS, as with segmentation offload.
///
/// ```
/// use twinsock_sim::packet::{Control, Segment, SeqNumber};
/// let reset = Segment { seq: SeqNumber::new(7), control: Control::Rst, ..Segment::EMPTY };
/// assert_eq!((reset.ack, reset.payload.len()), (None, 0));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first octet, of the SYN if there is one.
    pub seq: SeqNumber,
    /// Acknowledgment number, if ACK is set.
    pub ack: Option<SeqNumber>,
    /// The control bit.
    pub control: Control,
    /// The urgent pointer (offset from `seq`, RFC 6093's reading as Linux has it), if URG is set.
    pub urgent: Option<u16>,
    /// The window field, as it stands on the wire: not scaled.
    pub window: u16,
    /// Options.
    pub options: TcpOptions,
    /// Data.
    pub payload: Payload,
    /// The size of the frames that the payload is cut into on the wire: data bytes each (GSO size), at least 1 if there is data.
    pub frame_bytes: u16,
}

impl TcpOptions {
    /// No options.
    ///
    /// ```
    /// use twinsock_sim::packet::TcpOptions;
    /// assert_eq!(TcpOptions::NONE, TcpOptions::default());
    /// ```
    pub const NONE: TcpOptions =
        TcpOptions { mss_bytes: None, window_scale: None, sack_permitted: false, timestamps: None, sack: [None; 3] };
}

impl Segment {
    /// A segment of nothing, for memory that is going to hold another.
    ///
    /// ```
    /// use twinsock_sim::packet::{Control, Segment};
    /// let syn = Segment { dst_port: 80, control: Control::Syn, ..Segment::EMPTY };
    /// assert!(syn.ack.is_none() && syn.payload.is_empty());
    /// ```
    pub const EMPTY: Segment = Segment {
        src_port: 0,
        dst_port: 0,
        seq: SeqNumber::new(0),
        ack: None,
        control: Control::None,
        urgent: None,
        window: 0,
        options: TcpOptions::NONE,
        payload: Payload::EMPTY,
        frame_bytes: 0,
    };

    /// SEG.LEN: octets of sequence space, counting SYN and FIN.
    ///
    /// ```
    /// use twinsock_sim::packet::{Control, Segment};
    /// let last = Segment { control: Control::Fin, payload: b"bye".as_slice().into(), ..Segment::EMPTY };
    /// assert_eq!(last.sequence_len(), 4);
    /// ```
    #[inline]
    #[must_use]
    pub fn sequence_len(&self) -> u32 {
        let control = match self.control {
            Control::Syn | Control::Fin => 1,
            Control::None | Control::Push | Control::Rst => 0,
        };
        self.payload_bytes() + control
    }

    /// How many bytes of data.
    #[inline]
    #[must_use]
    pub(crate) fn payload_bytes(&self) -> u32 {
        count(self.payload.len())
    }

    /// The length of the TCP header in bytes, options included, laid out and padded as Linux does (`tcp_options_write`).
    #[inline]
    #[must_use]
    pub(crate) fn header_bytes(&self) -> u32 {
        let options = &self.options;
        let mss = if options.mss_bytes.is_some() { 4 } else { 0 };
        // SACK-permitted takes the place of the padding before the timestamps.
        let timestamps = match (options.timestamps.is_some(), options.sack_permitted) {
            (true, _) => 12,
            (false, true) => 4,
            (false, false) => 0,
        };
        let window_scale = if options.window_scale.is_some() { 4 } else { 0 };
        let blocks = options.sack.iter().flatten().map(|_| 8).sum::<u32>();
        let sack = if blocks > 0 { 4 + blocks } else { 0 };
        20 + mss + timestamps + window_scale + sack
    }
}

#[inline]
fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a segment's payload is at most 64 KiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_are_copied_whole_however_many() {
        let data: [u8; Payload::INLINE_MAX_BYTES] = std::array::from_fn(|index| u8::try_from(index + 1).expect("there are few"));
        for len in 0..=data.len() {
            let mut into = [0; Payload::INLINE_MAX_BYTES];
            copy_few(&mut into[..len], &data[..len]);
            assert_eq!(into[..len], data[..len]);
            assert!(into[len..].iter().all(|byte| *byte == 0), "nothing is written beyond them");
        }
    }
}
