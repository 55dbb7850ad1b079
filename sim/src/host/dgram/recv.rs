//! Receiving datagrams: `udp_recvmsg`, `udpv6_recvmsg`, the error queue, and the control messages that come with either.

use super::super::Host;
use super::super::addr::{self, Family};
use super::super::call::{Call, RecvRef};
use super::super::cmsg::Writer;
use super::super::task::{Step, Task};
use super::Dgram;
use crate::slab::Key;
use crate::udp::{ErrorReport, IpHeader, Received, ReceivedError, RecvFlags, Source};
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use twinsock::consts as c;
use twinsock::raw::Name;
use twinsock::{Errno, RawAddr, Result};

/// What a receive found.
enum Found {
    Datagram(Received),
    Error(ReceivedError),
}

impl Found {
    fn len(&self) -> usize {
        match self {
            Found::Datagram(received) => received.len,
            Found::Error(error) => error.len,
        }
    }
}

impl Host {
    /// A step of a call that receives on a datagram socket.
    pub(in crate::host) fn step_dgram_recv(&mut self, key: Key, task: &Task, call: &mut Call<'_, '_>) -> Step {
        let result = if let Call::Recvmsg { hdr, .. } = call {
            self.recvmsg_dgram(key, task, hdr)
        } else if let Call::Readv { iov, .. } = call {
            self.recv_dgram(key, task, iov).map(|found| found.len())
        } else if let Call::Recvfrom { into, name, .. } = call {
            self.recvfrom_dgram(key, task, into, name.as_mut())
        } else if let Call::Read { into, .. } = call {
            self.recvfrom_dgram(key, task, into, None)
        } else {
            unreachable!("a datagram is received by a call that receives, not {call:?}")
        };
        match result {
            // The error queue is never waited for.
            Err(Errno::AGAIN) if task.flags & c::MSG_ERRQUEUE == 0 => Step::Wait,
            result => Step::Done(result),
        }
    }

    fn recvfrom_dgram(&mut self, key: Key, task: &Task, into: &mut [u8], name: Option<&mut Name<'_>>) -> Result<usize> {
        let found = self.recv_dgram(key, task, &mut [IoSliceMut::new(into)])?;
        if let Some(name) = name {
            addr::store_name(&self.dgrams[key].name_of(&found), name)?;
        }
        Ok(found.len())
    }

    fn recv_dgram(&mut self, key: Key, task: &Task, iov: &mut [IoSliceMut<'_>]) -> Result<Found> {
        let udp = &mut self.dgrams[key].udp;
        let found = if task.flags & c::MSG_ERRQUEUE != 0 {
            udp.recv_error(iov).map(Found::Error)
        } else {
            let flags = RecvFlags {
                peek: task.flags & c::MSG_PEEK != 0,
                trunc: task.flags & c::MSG_TRUNC != 0,
                nonblocking: task.nonblocking,
            };
            udp.recv(iov, flags).map(Found::Datagram)
        };
        self.settle_dgram(key);
        found
    }

    fn recvmsg_dgram(&mut self, key: Key, task: &Task, hdr: &mut RecvRef<'_, '_>) -> Result<usize> {
        let found = self.recv_dgram(key, task, hdr.iov)?;
        let dgram = &self.dgrams[key];
        let name = dgram.name_of(&found);
        let stored = name.as_bytes().len().min(hdr.name.len());
        hdr.name[..stored].copy_from_slice(&name.as_bytes()[..stored]);
        *hdr.name_len = name.as_bytes().len();
        let mut room = Writer::new(hdr.control);
        let mut flags = task.flags & c::MSG_CMSG_CLOEXEC;
        let is_cut_short = match &found {
            Found::Datagram(received) => {
                if let Some(source) = &received.from {
                    self.put_datagram_messages(dgram, source, &mut room);
                }
                received.truncated
            }
            Found::Error(error) => {
                flags |= c::MSG_ERRQUEUE;
                self.put_error_messages(dgram, &error.report, &mut room);
                error.truncated
            }
        };
        *hdr.control_len = room.used();
        let is_control_cut = room.is_truncated;
        *hdr.flags = flags | if is_cut_short { c::MSG_TRUNC } else { 0 } | if is_control_cut { c::MSG_CTRUNC } else { 0 };
        Ok(found.len())
    }

    /// The control messages that come with a datagram, in Linux's order.
    fn put_datagram_messages(&self, dgram: &Dgram, source: &Source, room: &mut Writer<'_>) {
        dgram.options.stamps.put(self.wall_clock(source.arrived), room);
        if dgram.udp.options.rxq_ovfl && source.dropped_before != 0 {
            room.put(c::SOL_SOCKET, c::SO_RXQ_OVFL, &source.dropped_before.to_ne_bytes());
        }
        if source.segment_bytes != 0 && dgram.options.plain_value(c::SOL_UDP, c::UDP_GRO) != 0 {
            room.put(c::SOL_UDP, c::UDP_GRO, &i32::from(source.segment_bytes).to_ne_bytes());
        }
        self.put_header_messages(dgram, &source.header, Some(source), room);
    }

    /// The control messages that tell of an IP header: `ip_cmsg_recv`, `ip6_datagram_recv_ctl`.
    fn put_header_messages(&self, dgram: &Dgram, header: &IpHeader, source: Option<&Source>, room: &mut Writer<'_>) {
        if dgram.options.is_untouched() {
            return;
        }
        let device = self.arrival_device(header);
        // What arrived while nobody asked for it is not marked with its interface.
        let has_interface = source.is_none_or(|source| source.has_interface);
        let ifindex = if has_interface { device.index() } else { 0 };
        let is_on = |level: i32, name: i32| dgram.options.plain_value(level, name) != 0;
        if dgram.family == Family::Inet6 && is_on(c::SOL_IPV6, c::IPV6_RECVPKTINFO) {
            let addr = match header.dst {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            let mut info = [0; 20];
            info[..16].copy_from_slice(&addr.octets());
            info[16..].copy_from_slice(&ifindex.to_ne_bytes());
            room.put(c::SOL_IPV6, c::IPV6_PKTINFO, &info);
        }
        match (header.dst, self.local_address(header)) {
            (IpAddr::V4(destination), IpAddr::V4(local)) => {
                if is_on(c::SOL_IP, c::IP_PKTINFO) {
                    let local = if has_interface { local.octets() } else { [0; 4] };
                    let info = [ifindex.to_ne_bytes(), local, destination.octets()];
                    room.put(c::SOL_IP, c::IP_PKTINFO, info.as_flattened());
                }
                if is_on(c::SOL_IP, c::IP_RECVTTL) {
                    room.put(c::SOL_IP, c::IP_TTL, &i32::from(header.ttl).to_ne_bytes());
                }
                if is_on(c::SOL_IP, c::IP_RECVTOS) {
                    room.put(c::SOL_IP, c::IP_TOS, &[header.tos]);
                }
                if let Some(port) = source.map(|source| source.dst_port)
                    && is_on(c::SOL_IP, c::IP_ORIGDSTADDR)
                {
                    let original = addr::encode(&Family::Inet.show(header.dst, port));
                    room.put(c::SOL_IP, c::IP_ORIGDSTADDR, original.as_bytes());
                }
            }
            _ => {
                if is_on(c::SOL_IPV6, c::IPV6_RECVHOPLIMIT) {
                    room.put(c::SOL_IPV6, c::IPV6_HOPLIMIT, &i32::from(header.ttl).to_ne_bytes());
                }
                if is_on(c::SOL_IPV6, c::IPV6_RECVTCLASS) {
                    room.put(c::SOL_IPV6, c::IPV6_TCLASS, &i32::from(header.tos).to_ne_bytes());
                }
            }
        }
    }

    /// The control messages that come with an entry of the error queue: `ip_recv_error`, `ipv6_recv_error`.
    fn put_error_messages(&self, dgram: &Dgram, report: &ErrorReport, room: &mut Writer<'_>) {
        let offender = match &report.icmp {
            Some(header) => {
                self.put_header_messages(dgram, header, None, room);
                Some(header.src)
            }
            None => None,
        };
        let mut data = report.errno.raw().to_ne_bytes().to_vec();
        data.extend([report.origin.raw(), report.kind, report.code, 0]);
        data.extend(report.info.to_ne_bytes());
        data.extend([0; 4]);
        let (level, name, len) = match dgram.family {
            Family::Inet => (c::SOL_IP, c::IP_RECVERR, EXTENDED_ERROR_BYTES + SOCKADDR_IN_BYTES),
            Family::Inet6 => (c::SOL_IPV6, c::IPV6_RECVERR, EXTENDED_ERROR_BYTES + SOCKADDR_IN6_BYTES),
        };
        if let Some(offender) = offender {
            data.extend(dgram.shown(offender, 0).as_bytes());
        }
        data.resize(len, 0);
        room.put(level, name, &data);
    }
}

impl Dgram {
    /// The name that goes with what was received: who sent it, or whom an error is about.
    fn name_of(&self, found: &Found) -> RawAddr {
        let peer = match found {
            Found::Datagram(received) => received.from.map(|source| source.addr()),
            Found::Error(error) => Some(error.report.dst),
        };
        peer.map_or(RawAddr::EMPTY, |peer: SocketAddr| self.shown(peer.ip(), peer.port()))
    }
}

/// `sizeof(struct sock_extended_err)`.
const EXTENDED_ERROR_BYTES: usize = 16;
/// `sizeof(struct sockaddr_in)` and `sizeof(struct sockaddr_in6)`.
const SOCKADDR_IN_BYTES: usize = 16;
const SOCKADDR_IN6_BYTES: usize = 28;
