//! The shortest way for datagrams of a few bytes: sent where the last one went, received by a plain receive, delivered to the one socket of a port.
//!
//! Whatever is not the usual case, a flag, an error, an option, is left to the long way, which finds everything as it was. The long way
//! of a send also leaves behind what the short one goes by, [`ShortWay`].

use super::super::Host;
use super::super::addr::{Family, is_multicast_or_broadcast};
use super::super::cx::{Pid, Token};
use super::super::fast::{INDIFFERENT_FLAGS, QuietRecv, Recent, Short};
use super::super::poll;
use super::Dgram;
use super::send::Message;
use crate::packet::{Body, Packet, Payload};
use crate::udp::IpHeader;
use std::net::{IpAddr, SocketAddr};
use twinsock::Instant;
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd};

/// Where a datagram went that was sent to one other host, and in what: the next to the same destination goes there too, as long as
/// neither the socket nor the host is changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortWay {
    /// `Host::changes` when it was found.
    changes: u32,
    /// The name that the call gave, of this length; 0: none, it went to the peer.
    name: [u8; NAME_MAX_BYTES],
    name_len: u8,
    src: IpAddr,
    dst: IpAddr,
    src_port: u16,
    dst_port: u16,
    ttl: u8,
    tos: u8,
    dont_fragment: bool,
    no_check: bool,
}

/// `sizeof(struct sockaddr_in6)`: a longer name is sent to the long way.
const NAME_MAX_BYTES: usize = 28;
/// The way has been gone, but by a call that says nothing of the next.
const NAME_OF_NOBODY: u8 = u8::MAX;

impl ShortWay {
    /// The way of a datagram that leaves for another host.
    pub(super) fn of(packet: &Packet, changes: u32) -> Option<ShortWay> {
        let Body::Udp(datagram) = &packet.body else { return None };
        Some(ShortWay {
            changes,
            name: [0; NAME_MAX_BYTES],
            name_len: NAME_OF_NOBODY,
            src: packet.src,
            dst: packet.dst,
            src_port: datagram.src_port,
            dst_port: datagram.dst_port,
            ttl: packet.ttl,
            tos: packet.tos,
            dont_fragment: datagram.dont_fragment,
            no_check: datagram.no_check,
        })
    }

    #[inline]
    fn is_to(&self, name: Option<&[u8]>) -> bool {
        // A name of no bytes is none that a datagram could go to: EINVAL, as the long way has it.
        if name.is_some_and(<[u8]>::is_empty) {
            return false;
        }
        let name = name.unwrap_or_default();
        usize::from(self.name_len) == name.len() && self.name.get(..name.len()) == Some(name)
    }

    #[inline]
    fn write(&self, data: &[u8], packet: &mut Packet) {
        packet.src = self.src;
        packet.dst = self.dst;
        packet.ttl = self.ttl;
        packet.tos = self.tos;
        let datagram = packet.datagram_mut();
        datagram.src_port = self.src_port;
        datagram.dst_port = self.dst_port;
        datagram.dont_fragment = self.dont_fragment;
        datagram.no_check = self.no_check;
        datagram.segment_bytes = 0;
        datagram.payload.assign(data);
    }
}

impl Dgram {
    /// A call sends by the long way, or changes the socket: what was known of its way is forgotten.
    pub(super) fn forget_way(&mut self) {
        self.short = None;
    }

    /// Such a send has succeeded. If it was a plain one, the next may take the way that it went; `steady`: it would go the same way again.
    pub(super) fn keep_way(&mut self, message: &Message<'_>, steady: bool) {
        let name = message.name.unwrap_or_default();
        let is_cut = self.options.udp_segment != 0;
        let is_plain = message.control.is_empty() && message.flags & !INDIFFERENT_FLAGS == 0 && !is_cut;
        let known = self.short.take().filter(|_| is_plain && steady && name.len() <= NAME_MAX_BYTES);
        self.short = known.map(|mut way| {
            way.name[..name.len()].copy_from_slice(name);
            way.name_len = u8::try_from(name.len()).expect("a name that is kept has at most 28 bytes");
            way
        });
    }

    /// Whether a datagram is for the socket, which has the only claim to its port, in the usual case: between IPv4 addresses. `false`: ask
    /// for its score.
    #[inline]
    fn takes_plainly(&self, src: SocketAddr, dst: SocketAddr) -> bool {
        let is_here = self.family == Family::Inet && dst.is_ipv4() && (self.local == dst.ip() || self.local.is_unspecified());
        is_here && self.udp.peer().is_none_or(|peer| peer == src)
    }

    /// Whether a plain receive has nothing to do but wait.
    fn must_wait(&self) -> bool {
        self.udp.must_wait() && self.options.receive_timeout.is_none()
    }
}

impl Host {
    /// `send(2)` or `sendto(2)` on a datagram socket, if it is an easy one: it is written as `packet`, which is to be sent. `false`: nothing has
    /// happened, it is for the long way.
    #[inline]
    pub(crate) fn send_dgram_short(
        &mut self,
        (pid, recent): (Pid, &mut Recent),
        fd: RawFd,
        data: &[u8],
        (flags, name): (i32, Option<&[u8]>),
        packet: &mut Packet,
    ) -> bool {
        if flags & !INDIFFERENT_FLAGS != 0 || data.len() > Payload::INLINE_MAX_BYTES || self.has_output() {
            return false;
        }
        let Some((file, key)) = self.dgram_of(pid, fd, recent) else { return false };
        let Some(dgram) = self.dgrams.get(key) else { return false };
        let Some(way) = &dgram.short else { return false };
        let is_known = way.changes == self.changes && !self.addresses.has_learned_paths() && way.is_to(name);
        if !is_known || !dgram.udp.may_send() {
            return false;
        }
        way.write(data, packet);
        // Its memory is given back at once: `sk_write_space`.
        if self.files.get(file).is_some_and(|file| !file.queue.is_empty()) {
            self.wake_file(file, poll::KEY_WRITABLE, false);
        }
        true
    }

    /// `recv(2)` or `recvfrom(2)` on a datagram socket, if it is an easy one: it finds a datagram, or has only to wait. Otherwise nothing has
    /// happened.
    #[inline]
    pub(crate) fn recv_dgram_short(
        &mut self,
        (pid, recent): (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        into: &mut [u8],
        flags: i32,
        name: Option<&mut Name<'_>>,
    ) -> Short {
        if flags & !INDIFFERENT_FLAGS != 0 {
            return Short::Long;
        }
        let Some((file, key)) = self.dgram_of(pid, fd, recent) else { return Short::Long };
        let Some(dgram) = self.dgrams.get_mut(key) else { return Short::Long };
        if let Some(received) = dgram.receive(into, name) {
            return Short::Done(received);
        }
        let may_wait = flags & c::MSG_DONTWAIT == 0 && dgram.must_wait();
        let Some(entry) = self.files.get_mut(file) else { return Short::Long };
        if !may_wait || entry.nonblocking || !entry.queue.sit_down_alone(token) {
            return Short::Long;
        }
        entry.hold();
        Short::Waits(QuietRecv { token, pid, fd, flags, file, socket: key, is_dgram: true })
    }

    /// Goes on with such a receive that waited, if it is an easy one. `None`: nothing has happened, see [`Host::take_up`].
    #[inline]
    pub(crate) fn resume_dgram_short(
        &mut self,
        quiet: &QuietRecv,
        into: &mut [u8],
        name: Option<&mut Name<'_>>,
    ) -> Option<usize> {
        let entry = self.files.get_mut(quiet.file)?;
        if !quiet.is_dgram || !entry.queue.sits(quiet.token) || !entry.is_shared() {
            return None;
        }
        let received = self.dgrams.get_mut(quiet.socket)?.receive(into, name)?;
        entry.queue.get_up();
        entry.put_one_of_several();
        Some(received)
    }

    /// A datagram arrives for the only socket of its port. `false`: nothing has happened, it is another case.
    #[inline]
    pub(in crate::host) fn take_datagram(&mut self, now: Instant, packet: &mut Packet) -> bool {
        let header = IpHeader::from(&*packet);
        let Body::Udp(datagram) = &mut packet.body else { return false };
        let [key] = *self.dgram_ports.holders(datagram.dst_port) else { return false };
        let is_special = datagram.no_check || datagram.segment_bytes != 0;
        if is_special || is_multicast_or_broadcast(header.dst) || !self.addresses.owns(header.dst) {
            return false;
        }
        let Some(dgram) = self.dgrams.get_mut(key).filter(|dgram| dgram.options.device() == 0) else { return false };
        let (src, dst) = (SocketAddr::new(header.src, datagram.src_port), SocketAddr::new(header.dst, datagram.dst_port));
        if !dgram.takes_plainly(src, dst) && dgram.udp.score(dgram.local_end(), dgram.v6only, src, dst).is_none() {
            return false;
        }
        dgram.udp.deliver_from(now, header, datagram);
        self.settle_dgram(key);
        true
    }
}

impl Dgram {
    /// A plain receive that finds a datagram and nothing else.
    #[inline]
    fn receive(&mut self, into: &mut [u8], name: Option<&mut Name<'_>>) -> Option<usize> {
        match name {
            None => self.udp.recv_plainly(into, |_, _| true),
            Some(name) => {
                let family = self.family;
                self.udp.recv_plainly(into, |ip, port| family == Family::Inet && store_inet_name(ip, port, name))
            }
        }
    }
}

/// Stores an IPv4 name as `addr::store_name` does, where there is room for all of it; `false`: nothing is stored.
#[inline]
fn store_inet_name(ip: IpAddr, port: u16, name: &mut Name<'_>) -> bool {
    let IpAddr::V4(v4) = ip else { return false };
    let room = usize::try_from(*name.len).unwrap_or(0);
    let Some(bytes) = name.bytes.get_mut(..room).and_then(|bytes| bytes.first_chunk_mut::<SOCKADDR_IN_BYTES>()) else {
        return false;
    };
    let ([f0, f1], [p0, p1], [a, b, c, d]) = (AF_INET.to_ne_bytes(), port.to_be_bytes(), v4.octets());
    *bytes = [f0, f1, p0, p1, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0];
    *name.len = SOCKADDR_IN_LEN;
    true
}

/// `sa_family_t` of an IPv4 name.
const AF_INET: u16 = 2;
/// `sizeof(struct sockaddr_in)`.
const SOCKADDR_IN_BYTES: usize = 16;
const SOCKADDR_IN_LEN: i32 = 16;
