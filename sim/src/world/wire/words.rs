//! A packet in plain words, for the story of a run: "data 1..1449", with numbers that count from the beginning of the stream.

use crate::packet::{Body, Control, IcmpError, Packet, SeqNumber};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// Where streams began: the initial sequence number by addresses and ports, those of the sender first.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct Flows(BTreeMap<(IpAddr, u16, IpAddr, u16), SeqNumber>);

impl Flows {
    /// Sees a packet pass.
    pub(super) fn follow(&mut self, packet: &Packet) {
        if let Body::Tcp(segment) = &packet.body
            && segment.control == Control::Syn
        {
            self.0.insert((packet.src, segment.src_port, packet.dst, segment.dst_port), segment.seq);
        }
    }

    fn isn(&self, src: (IpAddr, u16), dst: (IpAddr, u16)) -> SeqNumber {
        self.0.get(&(src.0, src.1, dst.0, dst.1)).copied().unwrap_or_default()
    }
}

/// A packet, or a part of its data, in words.
pub(super) struct Words<'a> {
    packet: &'a Packet,
    span: (usize, usize),
    flows: &'a Flows,
}

impl<'a> Words<'a> {
    pub(super) fn of(packet: &'a Packet, flows: &'a Flows) -> Words<'a> {
        Words { packet, span: (0, packet.data().len()), flows }
    }

    /// The data between two offsets, and the control bits that go with it.
    pub(super) fn of_part(packet: &'a Packet, span: (usize, usize), flows: &'a Flows) -> Words<'a> {
        Words { packet, span, flows }
    }
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.span;
        match &self.packet.body {
            Body::Tcp(segment) => {
                let (src, dst) = ((self.packet.src, segment.src_port), (self.packet.dst, segment.dst_port));
                let is_last = end == segment.payload.len();
                match (segment.control, segment.ack) {
                    (Control::Syn, None) => return f.write_str("SYN"),
                    (Control::Syn, Some(_)) => return f.write_str("SYN-ACK"),
                    (Control::Rst, _) => return f.write_str("RST"),
                    (Control::None | Control::Push | Control::Fin, _) => {}
                }
                let offset = usize::try_from(segment.seq - self.flows.isn(src, dst)).unwrap_or(0);
                let has_fin = segment.control == Control::Fin && is_last;
                match (start < end, has_fin, segment.ack) {
                    (true, false, _) => write!(f, "data {}..{}", offset + start, offset + end),
                    (true, true, _) => write!(f, "data {}..{} and FIN", offset + start, offset + end),
                    (false, true, _) => f.write_str("FIN"),
                    (false, false, Some(ack)) => write!(f, "ACK {}", ack - self.flows.isn(dst, src)),
                    (false, false, None) => f.write_str("empty segment"),
                }
            }
            Body::Udp(datagram) => write!(f, "datagram of {} bytes to port {}", datagram.payload.len(), datagram.dst_port),
            Body::Icmp(icmp) => match icmp.error {
                IcmpError::NetUnreachable => f.write_str("ICMP net unreachable"),
                IcmpError::HostUnreachable => f.write_str("ICMP host unreachable"),
                IcmpError::PortUnreachable => f.write_str("ICMP port unreachable"),
                IcmpError::PacketTooBig { mtu_bytes } => write!(f, "ICMP packet too big (MTU {mtu_bytes})"),
                IcmpError::AdministrativelyProhibited => f.write_str("ICMP administratively prohibited"),
                IcmpError::TimeExceeded => f.write_str("ICMP time exceeded"),
            },
        }
    }
}
