//! Values on the wire: packets, segments, datagrams, ICMP messages. No behaviour, no imports from the rest of the house.

pub mod luck;
pub mod segment;
pub mod wire;

pub use luck::{Boring, Latitude, Luck};
pub(crate) use segment::copy_few;
pub use segment::{Control, Payload, SackBlocks, Segment, SeqNumber, TcpOptions, Timestamps};

use crate::seldom::seldom;
use std::net::{IpAddr, Ipv4Addr};

/// An IP packet between two hosts, or from a host to itself.
///
/// Its payload may be larger than any MTU, as with segmentation offload: the link cuts it into frames.
///
/// ```
/// use twinsock_sim::packet::{Body, Control, Packet, Segment};
/// let segment = Segment { src_port: 1000, dst_port: 80, control: Control::Syn, ..Segment::EMPTY };
/// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
/// assert!(packet.data().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// What the packet carries.
    pub body: Body,
}

impl Packet {
    /// A packet of nothing, for memory that is going to hold another.
    ///
    /// ```
    /// use twinsock_sim::packet::Packet;
    /// assert!(Packet::EMPTY.data().is_empty());
    /// ```
    pub const EMPTY: Packet = Packet {
        src: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        dst: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ttl: 0,
        tos: 0,
        body: Body::Tcp(Segment::EMPTY),
    };

    /// At most how long the frame of a packet is whose data is [`Payload::Inline`], in bytes from its IP header on.
    pub(crate) const SMALL_FRAME_MAX_BYTES: u32 = Packet::HEADERS_MAX_BYTES + 79;

    /// The packet's segment, to be written over; whatever else it carried is gone.
    #[inline(always)]
    pub(crate) fn segment_mut(&mut self) -> &mut Segment {
        match &mut self.body {
            Body::Tcp(_) => {}
            Body::Udp(_) | Body::Icmp(_) => self.make_segment(),
        }
        match &mut self.body {
            Body::Tcp(segment) => segment,
            Body::Udp(_) | Body::Icmp(_) => unreachable!("the body was made a segment"),
        }
    }

    #[cold]
    fn make_segment(&mut self) {
        self.body = Body::Tcp(Segment::EMPTY);
    }

    /// The packet's datagram, to be written over; whatever else it carried is gone.
    #[inline]
    pub(crate) fn datagram_mut(&mut self) -> &mut Datagram {
        if !matches!(self.body, Body::Udp(_)) {
            self.body = Body::Udp(Datagram::EMPTY);
        }
        match &mut self.body {
            Body::Udp(datagram) => datagram,
            Body::Tcp(_) | Body::Icmp(_) => unreachable!("the body was made a datagram"),
        }
    }

    /// The data of a segment or datagram.
    ///
    /// ```
    /// use twinsock_sim::packet::{Body, Control, Packet, Segment};
    /// let segment = Segment { src_port: 1000, dst_port: 80, control: Control::Syn, ..Segment::EMPTY };
    /// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
    /// assert_eq!(packet.data(), b"");
    /// ```
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        match &self.body {
            Body::Tcp(segment) => segment.payload.as_slice(),
            Body::Udp(datagram) => datagram.payload.as_slice(),
            Body::Icmp(_) => &[],
        }
    }

    /// The first bytes of the data, of which there are at least so many: where it is carried by value, that takes fewer looks.
    #[inline(always)]
    pub(crate) fn first_of_data(&self, bytes: usize) -> Option<&[u8]> {
        let payload = self.payload()?;
        debug_assert!(bytes <= payload.len(), "there are as many");
        match payload {
            Payload::Inline { bytes: data, .. } => data.get(..bytes),
            Payload::Shared(data) => {
                seldom();
                data.get(..bytes)
            }
        }
    }

    /// Whether the packet holds nothing but itself: no memory that others could use meanwhile.
    #[inline]
    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        self.payload().is_some_and(Payload::is_plain)
    }

    /// What it carries; an ICMP error carries nothing. The two that carry something are asked for one after the other, which takes fewer steps than to tell three apart.
    #[inline(always)]
    fn payload(&self) -> Option<&Payload> {
        if let Body::Udp(datagram) = &self.body {
            Some(&datagram.payload)
        } else if let Body::Tcp(segment) = &self.body {
            Some(&segment.payload)
        } else {
            None
        }
    }

    /// The headers of IPv6 and TCP with all the options that fit: a packet without data is no longer.
    pub(crate) const HEADERS_MAX_BYTES: u32 = 40 + 60;

    /// At most how long the largest frame is in bytes that the packet is cut into: what can be said without looking closely.
    #[inline]
    #[must_use]
    pub(crate) fn frame_bytes_at_most(&self) -> u32 {
        match &self.body {
            Body::Tcp(segment) => Packet::HEADERS_MAX_BYTES + segment.payload_bytes(),
            Body::Udp(datagram) if datagram.dont_fragment => {
                Packet::HEADERS_MAX_BYTES + u32::try_from(datagram.payload.len()).unwrap_or(u32::MAX)
            }
            Body::Udp(_) | Body::Icmp(_) => Packet::HEADERS_MAX_BYTES,
        }
    }

    /// The length in bytes of the largest frame that the packet is cut into, from its IP header on.
    ///
    /// ```
    /// use twinsock_sim::packet::{Body, Control, Packet, Segment};
    /// let segment = Segment { src_port: 1000, dst_port: 80, control: Control::Syn, ..Segment::EMPTY };
    /// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
    /// assert_eq!(packet.largest_frame_bytes(), 40, "the headers of IPv4 and TCP");
    /// ```
    #[inline]
    #[must_use]
    pub fn largest_frame_bytes(&self) -> u32 {
        let ip = if self.src.is_ipv4() { 20 } else { 40 };
        let transport = match &self.body {
            Body::Tcp(segment) => segment.header_bytes() + u32::from(segment.frame_bytes).min(segment.payload_bytes()),
            Body::Udp(datagram) if datagram.dont_fragment => 8 + u32::try_from(datagram.payload.len()).unwrap_or(u32::MAX - 48),
            // What is larger than the MTU is fragmented; what does not fit is the fragments' concern.
            Body::Udp(_) | Body::Icmp(_) => 8,
        };
        ip + transport
    }
}

const _: () = assert!(Payload::INLINE_MAX_BYTES == 79);

/// What a packet carries.
///
/// ```
/// use twinsock_sim::packet::{Body, Control, Packet, Segment};
/// let segment = Segment { src_port: 1000, dst_port: 80, control: Control::Syn, ..Segment::EMPTY };
/// let packet = Packet { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), ttl: 64, tos: 0, body: Body::Tcp(segment) };
/// assert!(matches!(packet.body, Body::Tcp(segment) if segment.control == Control::Syn));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A TCP segment, RFC 9293 section 3.1.
    Tcp(Segment),
    /// A UDP datagram, RFC 768.
    Udp(Datagram),
    /// An ICMP or ICMPv6 error about a packet sent earlier.
    Icmp(Icmp),
}

/// A UDP datagram.
///
/// ```
/// use twinsock_sim::packet::Datagram;
/// let question = Datagram { src_port: 1000, dst_port: 53, ..Datagram::EMPTY };
/// assert_eq!(question.payload.len(), 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// The data.
    pub payload: Payload,
    /// DF: it is not to be cut into fragments on its way, and is dropped where it does not fit.
    pub dont_fragment: bool,
    /// It has no checksum: `SO_NO_CHECK`, RFC 768. What is changed on its way is not noticed.
    pub no_check: bool,
    /// It stands for datagrams of this size each, `UDP_SEGMENT`, which are not told apart before a socket takes them; 0: for itself. What
    /// goes over a wire is cut before.
    pub segment_bytes: u16,
}

impl Datagram {
    /// The datagrams that it stands for, see [`Datagram::segment_bytes`]; each still knows that it was cut.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Datagram> + '_ {
        let payload = self.payload.to_bytes();
        let len = payload.len();
        let segment = if self.segment_bytes == 0 { len.max(1) } else { usize::from(self.segment_bytes) };
        (0..len.max(1))
            .step_by(segment)
            .map(move |begin| Datagram { payload: payload.slice(begin..len.min(begin + segment)).into(), ..*self })
    }

    /// A datagram of nothing that may be cut into fragments and has a checksum.
    ///
    /// ```
    /// use twinsock_sim::packet::Datagram;
    /// let question = Datagram { dst_port: 53, payload: b"?".as_slice().into(), ..Datagram::EMPTY };
    /// assert_eq!(question.payload.len(), 1);
    /// ```
    pub const EMPTY: Datagram =
        Datagram { src_port: 0, dst_port: 0, payload: Payload::EMPTY, dont_fragment: false, no_check: false, segment_bytes: 0 };
}

/// An ICMP error, RFC 792 and RFC 4443.
///
/// ```
/// use twinsock_sim::packet::{Body, Datagram, Icmp, IcmpError, Packet};
/// let [a, b] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
/// let sent = Packet { src: a, dst: b, ttl: 64, tos: 0, body: Body::Udp(Datagram { dst_port: 9, ..Datagram::EMPTY }) };
/// let error = Icmp { error: IcmpError::PortUnreachable, about: Box::new(sent) };
/// let answer = Packet { src: b, dst: a, ttl: 64, tos: 0, body: Body::Icmp(error) };
/// assert!(answer.data().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// What went wrong.
    pub error: IcmpError,
    /// The packet that it is about, cut as the RFCs say.
    pub about: Box<Packet>,
}

/// What an ICMP error says.
///
/// ```
/// use twinsock_sim::packet::IcmpError;
/// let too_big = IcmpError::PacketTooBig { mtu_bytes: 1280 };
/// assert_ne!(too_big, IcmpError::TimeExceeded);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// Type 3 code 0.
    NetUnreachable,
    /// Type 3 code 1; ICMPv6 type 1 code 3.
    HostUnreachable,
    /// Type 3 code 3; ICMPv6 type 1 code 4.
    PortUnreachable,
    /// Type 3 code 4 with the next hop's MTU; ICMPv6 type 2.
    PacketTooBig {
        /// The MTU of the next hop, in bytes.
        mtu_bytes: u32,
    },
    /// Type 3 code 13; ICMPv6 type 1 code 1.
    AdministrativelyProhibited,
    /// Type 11 code 0; ICMPv6 type 3 code 0.
    TimeExceeded,
}
