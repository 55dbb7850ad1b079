//! What arrives for datagram sockets: whose a datagram is, and whose an ICMP error (`udp.c`: `__udp4_lib_rcv`, `__udp4_lib_lookup`,
//! `__udp4_lib_err`, and their siblings of IPv6).

use super::super::Host;
use super::super::addr::{Family, is_multicast_or_broadcast};
use super::super::conns::FourTuple;
use super::{Device, Dgram};
use crate::packet::{Body, Datagram, Icmp, IcmpError, Packet};
use crate::slab::{Key, to_usize};
use crate::udp::IpHeader;
use std::net::{IpAddr, SocketAddr};
use twinsock::Instant;
use twinsock::consts as c;

/// How a datagram arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) now: Instant,
    pub(super) header: IpHeader,
    pub(super) device: Device,
}

/// The ends of a datagram.
#[derive(Clone, Copy, Debug)]
struct Ends {
    src: SocketAddr,
    dst: SocketAddr,
    device: Device,
}

impl Dgram {
    /// How well a datagram matches, see [`crate::udp::Udp::score`]; the interface that the socket is bound to counts as much as an end.
    fn score(&self, ends: &Ends) -> Option<u32> {
        if !self.may_use(ends.device) {
            return None;
        }
        let score = self.udp.score(SocketAddr::new(self.local, self.port), self.v6only, ends.src, ends.dst)?;
        Some(if self.options.device() == 0 { score } else { score + SCORE_DEVICE })
    }

    /// Whether a datagram without a checksum is for it: over IPv4 always, over IPv6 only if it says so.
    fn takes_unchecked(&self, dst: IpAddr) -> bool {
        dst.is_ipv4() || self.options.plain_value(c::SOL_UDP, c::UDP_NO_CHECK6_RX) != 0
    }
}

impl Host {
    /// A datagram arrives, from the wire or from this host itself.
    pub(in crate::host) fn handle_datagram(&mut self, now: Instant, header: IpHeader, datagram: Datagram) {
        if is_multicast_or_broadcast(header.dst) {
            // Those of this host have been delivered when they were sent.
            if self.joined(header.dst) {
                self.deliver_to_all(&Arrival { now, header, device: Device::Wire }, header.dst, &datagram);
            }
            return;
        }
        if !self.addresses.owns(header.dst) {
            return;
        }
        let device = self.arrival_device(&header);
        // Over IPv6 what has no checksum is nothing to tell anybody of, RFC 8200 section 8.1.
        let may_refuse = !datagram.no_check || header.dst.is_ipv4();
        if !self.deliver_to_one(&Arrival { now, header, device }, &datagram) && may_refuse {
            self.refuse(&header, datagram);
        }
    }

    /// The one socket that a datagram is for gets it, if there is one.
    pub(super) fn deliver_to_one(&mut self, arrival: &Arrival, datagram: &Datagram) -> bool {
        let ends = Ends {
            src: SocketAddr::new(arrival.header.src, datagram.src_port),
            dst: SocketAddr::new(arrival.header.dst, datagram.dst_port),
            device: arrival.device,
        };
        let receiver = self.find_receiver(&ends);
        if let Some(key) = receiver {
            self.deliver_to(key, arrival, datagram);
        }
        receiver.is_some()
    }

    /// The interface by which a packet has come.
    pub(super) fn arrival_device(&self, header: &IpHeader) -> Device {
        let is_own = if is_multicast_or_broadcast(header.dst) {
            header.src.is_loopback() || header.src.is_unspecified()
        } else {
            self.addresses.owns(header.src) || header.src.is_unspecified()
        };
        if is_own { Device::Loopback } else { Device::Wire }
    }

    /// Everybody whom a multicast or broadcast datagram matches gets a copy. `routed`: by whose route it has come.
    pub(super) fn deliver_to_all(&mut self, arrival: &Arrival, routed: IpAddr, datagram: &Datagram) {
        let group = arrival.header.dst;
        let source = arrival.header.src;
        if routed.is_multicast() && !self.has_member(routed, arrival.device, Some(source)) {
            return;
        }
        let ends = Ends {
            src: SocketAddr::new(arrival.header.src, datagram.src_port),
            dst: SocketAddr::new(group, datagram.dst_port),
            device: arrival.device,
        };
        // The last to bind is the first in Linux's list.
        let takes = |key: &&Key| {
            let dgram = &self.dgrams[**key];
            dgram.score(&ends).is_some() && (!group.is_multicast() || dgram.takes_group(group, arrival.device, source))
        };
        let receivers: Vec<Key> = self.dgram_ports.holders(datagram.dst_port).iter().rev().filter(takes).copied().collect();
        for key in receivers {
            self.deliver_to(key, arrival, datagram);
        }
    }

    /// A socket gets a datagram; one that stands for several only as a whole if it asks for that, `UDP_GRO` (`udp_queue_rcv_skb`).
    fn deliver_to(&mut self, key: Key, arrival: &Arrival, datagram: &Datagram) {
        let dgram = &mut self.dgrams[key];
        if datagram.no_check && !dgram.takes_unchecked(arrival.header.dst) {
            return;
        }
        if datagram.segment_bytes != 0 && dgram.options.plain_value(c::SOL_UDP, c::UDP_GRO) == 0 {
            for piece in datagram.pieces() {
                dgram.udp.deliver(arrival.now, arrival.header, &piece);
            }
        } else {
            dgram.udp.deliver(arrival.now, arrival.header, datagram);
        }
        self.settle_dgram(key);
    }

    /// The socket that a datagram to one host is for: the one that it matches best, of equals the one that was named last; of a
    /// SO_REUSEPORT group a hash of both ends decides, so that a sender always meets the same one.
    fn find_receiver(&self, ends: &Ends) -> Option<Key> {
        let holders = self.dgram_ports.holders(ends.dst.port());
        let score_of = |key: &Key| self.dgrams[*key].score(ends);
        let (score, _, best) = holders
            .iter()
            .filter_map(|key| Some((score_of(key)?, self.dgrams[*key].named_at, *key)))
            .max_by_key(|best| (best.0, best.1))?;
        let shares = |dgram: &Dgram| dgram.options.reuse_port && dgram.udp.peer().is_none();
        if !shares(&self.dgrams[best]) {
            return Some(best);
        }
        let mut group = holders.iter().filter(|key| score_of(key) == Some(score) && shares(&self.dgrams[**key]));
        let count = group.clone().count();
        if count <= 1 {
            return Some(best);
        }
        let tuple =
            FourTuple { local: ends.dst.ip(), remote: ends.src.ip(), local_port: ends.dst.port(), remote_port: ends.src.port() };
        group.nth(to_usize(tuple.hash()) % count).copied()
    }

    /// Nobody receives a datagram: its sender is told, RFC 1122 section 4.1.3.1, by a packet that quotes it.
    fn refuse(&mut self, header: &IpHeader, datagram: Datagram) {
        if header.src.is_unspecified() || is_multicast_or_broadcast(header.src) {
            return;
        }
        let is_v4 = header.src.is_ipv4();
        let quoted_max = if is_v4 { QUOTED_MAX_BYTES_V4 } else { QUOTED_MAX_BYTES_V6 };
        let mut quoted = datagram;
        quoted.payload.truncate(quoted_max);
        let about = Packet { src: header.src, dst: header.dst, ttl: header.ttl, tos: header.tos, body: Body::Udp(quoted) };
        let icmp = Icmp { error: IcmpError::PortUnreachable, about: Box::new(about) };
        // RFC 1812 section 4.3.2.5: errors have the precedence of internetwork control.
        let tos = if is_v4 { (header.tos & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL } else { 0 };
        let ttl = self.sysctl.ip_default_ttl;
        self.outbox.push_back(Packet { src: header.dst, dst: header.src, ttl, tos, body: Body::Icmp(icmp) });
    }

    /// An ICMP error about a datagram that this host has sent: for the socket that would receive its answer.
    pub(in crate::host) fn dgram_icmp(&mut self, header: IpHeader, icmp: &Icmp) {
        let Body::Udp(about) = &icmp.about.body else { return };
        let ends = Ends {
            src: SocketAddr::new(icmp.about.dst, about.dst_port),
            dst: SocketAddr::new(icmp.about.src, about.src_port),
            device: self.arrival_device(&header),
        };
        if let Some(key) = self.find_receiver(&ends) {
            self.dgrams[key].udp.handle_icmp(header, icmp);
            self.settle_dgram(key);
        }
    }

    /// The address of this host that a datagram was sent to, or that answers to it would come from (`fib_compute_spec_dst`).
    pub(super) fn local_address(&self, header: &IpHeader) -> IpAddr {
        if is_multicast_or_broadcast(header.dst) {
            self.addresses.primary(self.arrival_device(header), header.dst).unwrap_or_else(|| Family::Inet.any())
        } else {
            header.dst
        }
    }
}

/// An interface that the socket is bound to.
const SCORE_DEVICE: u32 = 4;
/// How much data of a datagram an error quotes: a packet of 576 bytes, RFC 1812 section 4.3.2.3, with its headers.
const QUOTED_MAX_BYTES_V4: usize = 520;
/// The same with IPv6's least MTU, RFC 4443 section 2.4.
const QUOTED_MAX_BYTES_V6: usize = 1184;
const IPTOS_TOS_MASK: u8 = 0x1e;
const IPTOS_PREC_INTERNETCONTROL: u8 = 0xc0;
