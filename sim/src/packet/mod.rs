//! Values on the wire: packets, segments, datagrams, ICMP messages. No behaviour, no imports from the rest of the house.

pub mod luck;
pub mod segment;
pub mod wire;

pub use luck::{Boring, Latitude, Luck};
pub use segment::{Control, Payload, SackBlocks, Segment, SeqNumber, TcpOptions, Timestamps};

use bytes::Bytes;
use std::net::IpAddr;

/// An IP packet between two hosts, or from a host to itself.
///
/// Its payload may be larger than any MTU, as with segmentation offload: the link cuts it into frames.
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

/// What a packet carries.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// The data.
    pub payload: Bytes,
}

/// An ICMP error, RFC 792 and RFC 4443.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// What went wrong.
    pub error: IcmpError,
    /// The packet that it is about, cut as the RFCs say.
    pub about: Box<Packet>,
}

/// What an ICMP error says.
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
