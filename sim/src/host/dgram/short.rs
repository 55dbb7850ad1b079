//! The shortest way for datagrams of a few bytes: sent where the last one went, received by a plain receive, delivered to the one socket of a port.
//!
//! Whatever is not the usual case, a flag, an error, an option, is left to the long way, which finds everything as it was. The long way
//! of a send also leaves behind what the short one goes by, [`ShortWay`].

use super::super::Host;
use super::super::addr::{Family, is_multicast_or_broadcast};
use super::super::call::Call;
use super::super::cx::{Pid, Token};
use super::super::fast::{Ends, INDIFFERENT_FLAGS, Landing, QuietCall, Quietly, Short, ShortSend};
use super::super::poll;
use super::super::recent::Recent;
use super::Dgram;
use super::name::needs_scope;
use super::send::Message;
use crate::packet::{Body, Datagram, Packet, Payload};
use crate::slab::{Key, to_usize};
use crate::udp::{Delivery, IpHeader};
use std::net::{IpAddr, SocketAddr};
use twinsock::Instant;
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd};

/// What a receive tells besides data.
#[derive(Debug)]
pub enum Asked<'a, 'b> {
    /// Nothing, `recv(2)`.
    Nothing,
    /// Who has sent it, `recvfrom(2)`.
    Sender(&'a mut Name<'b>),
    /// That and all the rest, `recvmsg(2)`; on the short way there is no rest.
    All(&'a mut Name<'b>),
}

impl<'b> Asked<'_, 'b> {
    /// Where the sender's name is written, if it is.
    #[inline]
    pub(crate) fn name(&self) -> Option<&Name<'b>> {
        match self {
            Asked::Nothing => None,
            Asked::Sender(name) | Asked::All(name) => Some(name),
        }
    }

    /// The same, for a part of the call.
    #[inline]
    pub(crate) fn again(&mut self) -> Asked<'_, 'b> {
        match self {
            Asked::Nothing => Asked::Nothing,
            Asked::Sender(name) => Asked::Sender(name),
            Asked::All(name) => Asked::All(name),
        }
    }
}

/// Where a datagram went that was sent to one other host, and in what: the next to the same destination goes there too, as long as
/// neither the socket nor the host is changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortWay {
    /// `Host::changes` when it was found.
    changes: u32,
    /// Which of all ways it is, by which a receiver knows it again; 0: no datagram has gone it yet.
    number: u64,
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

/// The ways of a socket's datagrams: that of the last one, and others, one for each name that it has sent to lately.
#[derive(Debug, Default)]
pub(super) struct Ways {
    last: Option<ShortWay>,
    /// Each at the place of its name. There are none before a datagram goes to a second name.
    others: Option<Box<[Option<ShortWay>; OTHER_WAYS_MAX]>>,
}

/// How many names a socket can send to on the short way, besides the last one, if no two have the same place.
const OTHER_WAYS_MAX: usize = 1 << OTHER_WAYS_LOG2;
const OTHER_WAYS_LOG2: u32 = 5;

impl Ways {
    /// The way to a name, from here on the last one.
    fn find(&mut self, name: Option<&[u8]>) -> Option<&mut ShortWay> {
        if !self.last.as_ref().is_some_and(|way| way.is_to(name)) {
            self.turn_to(name?)?;
        }
        self.last.as_mut()
    }

    fn turn_to(&mut self, name: &[u8]) -> Option<()> {
        let way = self.others.as_mut()?[place_of(name)].take_if(|way| way.is_to(Some(name)))?;
        self.keep(way);
        Some(())
    }

    /// Keeps a way, the last one.
    fn keep(&mut self, way: ShortWay) {
        let before = self.last.replace(way).filter(|before| before.name_len > 0 && before.name() != way.name());
        if let Some(before) = before {
            let others = self.others.get_or_insert_with(|| Box::new([const { None }; OTHER_WAYS_MAX]));
            others[place_of(before.name())] = Some(before);
        }
    }

    /// The way to the peer, which has no name.
    fn forget_peer(&mut self) {
        self.last.take_if(|way| way.name_len == 0);
    }
}

/// Where the way to a name is kept: by its ends, which hold port and address.
fn place_of(name: &[u8]) -> usize {
    let first = name.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let last = name.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mixed = (first ^ last.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (u64::BITS - OTHER_WAYS_LOG2)).expect("a few bits fit usize")
}

/// What was true when a socket was last found to be the one that datagrams of a way are for: it is, as long as that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Heard {
    /// [`ShortWay::number`]; 0: nothing was found.
    way: u64,
    /// `Host::changes`.
    host: u32,
    /// [`DgramPorts::changes`](super::ports::DgramPorts::changes).
    ports: u64,
}

impl Heard {
    pub(super) const NOTHING: Heard = Heard { way: 0, host: 0, ports: 0 };
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
            number: 0,
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

    /// The name that it is for; none if it is for the peer.
    fn name(&self) -> &[u8] {
        self.name.get(..usize::from(self.name_len)).unwrap_or_default()
    }

    #[inline(always)]
    fn is_to(&self, name: Option<&[u8]>) -> bool {
        let Some(name) = name else { return self.name_len == 0 };
        if let Ok(name) = <&[u8; SOCKADDR_IN_BYTES]>::try_from(name) {
            return usize::from(self.name_len) == SOCKADDR_IN_BYTES && self.name.first_chunk() == Some(name);
        }
        // A name of no bytes is none that a datagram could go to: EINVAL, as the long way has it.
        !name.is_empty() && usize::from(self.name_len) == name.len() && self.name.get(..name.len()) == Some(name)
    }

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
    /// A call goes the long way. One that sends may change the way to the peer, which the flow decides, and no other, for nothing but the name and the
    /// socket decides that; any that does not receive may change the socket: what was known of its ways is forgotten, and of those that lead to it.
    pub(super) fn forget_ways_at(&mut self, call: &Call<'_, '_>) {
        self.gone = None;
        match call {
            Call::Recvfrom { .. } | Call::Recvmsg { .. } | Call::Read { .. } | Call::Readv { .. } => {}
            Call::Sendto { .. } | Call::Sendmsg { .. } | Call::Write { .. } | Call::Writev { .. } => self.ways.forget_peer(),
            Call::Socket { .. }
            | Call::Socketpair { .. }
            | Call::Bind { .. }
            | Call::Listen { .. }
            | Call::Accept4 { .. }
            | Call::Connect { .. }
            | Call::Shutdown { .. }
            | Call::Getsockname { .. }
            | Call::Getpeername { .. }
            | Call::Getsockopt { .. }
            | Call::Setsockopt { .. }
            | Call::Fcntl { .. }
            | Call::Ioctl { .. }
            | Call::Pipe2 { .. }
            | Call::Dup { .. }
            | Call::Dup3 { .. }
            | Call::Close { .. }
            | Call::Poll { .. }
            | Call::Select { .. }
            | Call::EpollCreate1 { .. }
            | Call::EpollCtl { .. }
            | Call::EpollWait { .. } => {
                self.ways = Ways::default();
                self.heard = Heard::NOTHING;
            }
        }
    }

    /// Such a send has succeeded. If it was a plain one, the next may take the way that it went; `steady`: it would go the same way again.
    pub(super) fn keep_way(&mut self, message: &Message<'_>, steady: bool) {
        let name = message.name.unwrap_or_default();
        let is_cut = self.options.udp_segment != 0;
        let is_plain = message.control.is_empty() && message.flags & !INDIFFERENT_FLAGS == 0 && !is_cut;
        let known = self.gone.take().filter(|_| is_plain && steady && name.len() <= NAME_MAX_BYTES);
        if let Some(mut way) = known {
            way.name[..name.len()].copy_from_slice(name);
            way.name_len = u8::try_from(name.len()).expect("a name that is kept has at most 28 bytes");
            self.ways.keep(way);
        }
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
    /// `send(2)` or `sendto(2)` on a datagram socket where the packet holds the last datagram that went the same way: it is written
    /// into that, which is to be sent. `false`: nothing has happened.
    #[inline(always)]
    pub(crate) fn send_dgram_again(
        &mut self,
        (recent, fd): (&Recent, RawFd),
        data: &[u8],
        (flags, name): (i32, Option<&[u8]>),
        (packet, ends): (&mut Packet, &Ends),
    ) -> bool {
        let is_long = flags & !INDIFFERENT_FLAGS != 0 || data.len() > Payload::INLINE_MAX_BYTES;
        if is_long || !recent.is_dgram_in(fd, self.tables) || self.has_output() || self.addresses.has_learned_paths() {
            return false;
        }
        let (file, key) = recent.keys();
        let Some(dgram) = self.dgrams.get(key) else { return false };
        let Some(entry) = self.files.get(file) else { return false };
        let Some(way) = &dgram.ways.last else { return false };
        if !ends.is_of(way.number) || way.changes != self.changes || !way.is_to(name) || !dgram.udp.may_send() {
            return false;
        }
        let Body::Udp(datagram) = &mut packet.body else { return false };
        datagram.payload.assign(data);
        // Its memory is given back at once: `sk_write_space`.
        if !entry.queue.is_empty() {
            self.wake_file(file, poll::KEY_WRITABLE, false);
        }
        true
    }

    /// `send(2)` or `sendto(2)` on a datagram socket, if it is an easy one: it is written as `packet`, which is to be sent. `ways` numbers the
    /// ways of all hosts.
    pub(crate) fn send_dgram_short(
        &mut self,
        (pid, recent): (Pid, &mut Recent),
        fd: RawFd,
        data: &[u8],
        (flags, name): (i32, Option<&[u8]>),
        (packet, ends, ways): (&mut Packet, &mut Ends, &mut u64),
    ) -> ShortSend {
        if flags & !INDIFFERENT_FLAGS != 0 || data.len() > Payload::INLINE_MAX_BYTES || self.has_output() {
            return ShortSend::Long;
        }
        let Some((file, key)) = self.dgram_of(pid, fd, recent) else { return ShortSend::Long };
        let Host { dgrams, files, addresses, changes, .. } = self;
        let Some(dgram) = dgrams.get_mut(key) else { return ShortSend::Long };
        let Some(way) = dgram.ways.find(name) else { return ShortSend::Long };
        let is_known = way.changes == *changes && !addresses.has_learned_paths();
        if !is_known || !dgram.udp.may_send() {
            return ShortSend::Long;
        }
        if way.number == 0 {
            *ways += 1;
            way.number = *ways;
        }
        way.write(data, packet);
        *ends = Ends::of_way(way.number);
        // Its memory is given back at once: `sk_write_space`.
        if files.get(file).is_some_and(|file| !file.queue.is_empty()) {
            self.wake_file(file, poll::KEY_WRITABLE, false);
        }
        ShortSend::Out
    }

    /// `recv(2)`, `recvfrom(2)` or `recvmsg(2)` on a datagram socket, if it is an easy one: it finds a datagram, or has only to wait. Otherwise nothing
    /// has happened.
    #[inline(always)]
    pub(crate) fn recv_dgram_short(
        &mut self,
        (pid, recent): (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        into: &mut [u8],
        flags: i32,
        asked: Asked<'_, '_>,
    ) -> Short {
        let indifferent = match asked {
            Asked::Nothing | Asked::Sender(_) => INDIFFERENT_FLAGS,
            Asked::All(_) => INDIFFERENT_FLAGS | c::MSG_CMSG_CLOEXEC,
        };
        if flags & !indifferent != 0 {
            return Short::Long;
        }
        let Some((file, key)) = self.dgram_of(pid, fd, recent) else { return Short::Long };
        let Some(dgram) = self.dgrams.get_mut(key) else { return Short::Long };
        let may_end_early = match &asked {
            Asked::Nothing => true,
            Asked::Sender(name) => dgram.family == Family::Inet && has_room_for_inet_name(name),
            Asked::All(_) => false,
        };
        if dgram.udp.has_datagram()
            && let Some(received) = dgram.receive(into, asked)
        {
            return Short::Done(received);
        }
        let may_wait = flags & c::MSG_DONTWAIT == 0 && dgram.must_wait();
        let Some(entry) = self.files.get_mut(file) else { return Short::Long };
        // What it has room for matters to whoever may end it where its datagram arrives.
        let room = if may_end_early { into.len() } else { 0 };
        if !may_wait || entry.nonblocking || !entry.queue.sit_down_alone(token, room) {
            return Short::Long;
        }
        entry.hold();
        Short::Waits(QuietCall { token, pid, fd, flags, file, socket: key, what: Quietly::DgramRecv })
    }

    /// Goes on with such a receive that waited, if it is an easy one. `None`: nothing has happened, see [`Host::take_up`].
    #[inline]
    pub(crate) fn resume_dgram_short(&mut self, quiet: &QuietCall, into: &mut [u8], asked: Asked<'_, '_>) -> Option<usize> {
        let entry = self.files.get_mut(quiet.file)?;
        if quiet.what != Quietly::DgramRecv || !entry.queue.sits(quiet.token) || !entry.is_shared() {
            return None;
        }
        let received = self.dgrams.get_mut(quiet.socket)?.receive(into, asked)?;
        entry.queue.get_up();
        entry.put_shared();
        Some(received)
    }

    /// [`Host::take_packet`], of a datagram that was sent on the short way and is for the only socket of its port. `ends_at`: a receive that waits for
    /// it, if it has room for all of it, may end at once.
    #[inline(always)]
    pub(in crate::host) fn take_datagram_short(
        &mut self,
        now: Instant,
        packet: &Packet,
        datagram: &Datagram,
        ends: &mut Ends,
        ends_at: Option<Instant>,
    ) -> Landing {
        let heard = self.heard_of(ends);
        if heard.way == 0 {
            return Landing::Long;
        }
        let Host { dgrams, files, .. } = self;
        let Some(dgram) = dgrams.get_mut(ends.to()).filter(|dgram| dgram.heard == heard) else { return Landing::Unheard };
        let Some((file, entry)) = dgram.file.and_then(|file| Some((file, files.get_mut(file)?))) else { return Landing::Long };
        let received = datagram.payload.len();
        if ends_at.is_some()
            && to_usize(entry.queue.room_of_asleep()) >= received.max(1)
            && entry.is_shared()
            && dgram.udp.pass_on(received, &packet.dst)
        {
            let waiter = entry.queue.end_asleep();
            entry.put_shared();
            let received = u32::try_from(received).expect("a datagram has fewer than 2^16 bytes");
            return Landing::Ends { waiter, received, is_armed: false };
        }
        match dgram.udp.deliver_silently(now, packet, datagram) {
            Delivery::Accepted => {}
            Delivery::Dropped => return Landing::Kept,
        }
        match entry.queue.wake_quiet(poll::KEY_READABLE) {
            Some(Some(waiter)) => Landing::Wakes { waiter, is_armed: false },
            Some(None) => Landing::Kept,
            None if entry.queue.is_empty() => Landing::Kept,
            None => {
                self.wake_file(file, poll::KEY_READABLE, false);
                Landing::Done
            }
        }
    }

    /// The same where it has to be found out first whom the datagram is for. No receive ends by it at once.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_unheard(&mut self, now: Instant, packet: &Packet, ends: &mut Ends) -> Landing {
        let Body::Udp(datagram) = &packet.body else { return Landing::Long };
        if !self.hear(packet, datagram, ends) {
            return Landing::Long;
        }
        match self.take_datagram_short(now, packet, datagram, ends, None) {
            Landing::Unheard => Landing::Long,
            landing @ (Landing::Ends { .. }
            | Landing::Wakes { .. }
            | Landing::Kept
            | Landing::Quiet { .. }
            | Landing::Done
            | Landing::Long) => landing,
        }
    }

    /// What is true now of a datagram's way, for the socket that it is for.
    #[inline(always)]
    fn heard_of(&self, ends: &Ends) -> Heard {
        Heard { way: ends.way(), host: self.changes, ports: self.dgram_ports.changes() }
    }

    /// Finds the socket that a datagram is for and has it heard of its way. `false`: there is none to be found here.
    fn hear(&mut self, packet: &Packet, datagram: &Datagram, ends: &mut Ends) -> bool {
        let heard = self.heard_of(ends);
        let found = self.find_plain_receiver(&IpHeader::from(packet), datagram);
        if let Some(key) = found {
            self.dgrams[key].heard = heard;
            ends.lead_to(key);
        }
        found.is_some()
    }

    /// The socket that a datagram is for, if it is the only one of its port and has a claim to it in the usual way.
    #[inline(never)]
    fn find_plain_receiver(&self, header: &IpHeader, datagram: &Datagram) -> Option<Key> {
        let [key] = *self.dgram_ports.holders(datagram.dst_port) else { return None };
        let is_special = datagram.no_check || datagram.segment_bytes != 0;
        if is_special || is_multicast_or_broadcast(header.dst) || !self.addresses.owns(header.dst) {
            return None;
        }
        let dgram = self.dgrams.get(key).filter(|dgram| dgram.options.device() == 0)?;
        let (src, dst) = (SocketAddr::new(header.src, datagram.src_port), SocketAddr::new(header.dst, datagram.dst_port));
        let has_claim = dgram.takes_plainly(src, dst) || dgram.udp.score(dgram.local_end(), dgram.v6only, src, dst).is_some();
        has_claim.then_some(key)
    }

    /// A datagram arrives for the only socket of its port. `false`: nothing has happened, it is another case.
    #[inline]
    pub(in crate::host) fn take_datagram(&mut self, now: Instant, packet: &Packet) -> bool {
        let header = IpHeader::from(packet);
        let Body::Udp(datagram) = &packet.body else { return false };
        let Some(key) = self.find_plain_receiver(&header, datagram) else { return false };
        self.dgrams[key].udp.deliver(now, header, datagram);
        self.settle_dgram(key);
        true
    }
}

impl Dgram {
    /// A plain receive that finds a datagram and nothing else.
    #[inline(always)]
    fn receive(&mut self, into: &mut [u8], asked: Asked<'_, '_>) -> Option<usize> {
        let (family, room) = (self.family, into.len());
        match asked {
            Asked::Nothing => self.udp.recv_plainly(into, |_, _, _| true),
            Asked::Sender(name) => self.udp.recv_plainly(into, |_, ip, port| store_name(family, ip, port, name)),
            Asked::All(name) if self.tells_nothing_else() => {
                self.udp.recv_plainly(into, |len, ip, port| len <= room && store_name(family, ip, port, name))
            }
            Asked::All(_) => None,
        }
    }

    /// Whether no control message comes with a datagram, nor will with the next.
    #[inline]
    fn tells_nothing_else(&self) -> bool {
        self.options.is_untouched() && self.options.stamps.are_silent() && !self.udp.options.rxq_ovfl
    }
}

/// Stores a name as a socket of this family shows it, where there is room for all of it; `false`: nothing is stored.
#[inline]
fn store_name(family: Family, ip: IpAddr, port: u16, name: &mut Name<'_>) -> bool {
    match family {
        Family::Inet => store_inet_name(ip, port, name),
        Family::Inet6 => store_inet6_name(ip, port, name),
    }
}

/// Whether [`store_inet_name`] has room for all of an IPv4 name.
#[inline]
fn has_room_for_inet_name(name: &Name<'_>) -> bool {
    let room = usize::try_from(*name.len).unwrap_or(0);
    (SOCKADDR_IN_BYTES..=name.bytes.len()).contains(&room)
}

/// Stores an IPv4 name as `addr::store_name` does, where there is room for all of it; `false`: nothing is stored.
#[inline]
pub(crate) fn store_inet_name(ip: IpAddr, port: u16, name: &mut Name<'_>) -> bool {
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

/// The same of an IPv6 name, if it has no scope.
fn store_inet6_name(ip: IpAddr, port: u16, name: &mut Name<'_>) -> bool {
    let v6 = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) if needs_scope(v6) => return false,
        IpAddr::V6(v6) => v6,
    };
    let room = usize::try_from(*name.len).unwrap_or(0);
    let Some(bytes) = name.bytes.get_mut(..room).and_then(|bytes| bytes.first_chunk_mut::<SOCKADDR_IN6_BYTES>()) else {
        return false;
    };
    *bytes = [0; SOCKADDR_IN6_BYTES];
    bytes[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
    bytes[2..4].copy_from_slice(&port.to_be_bytes());
    bytes[8..24].copy_from_slice(&v6.octets());
    *name.len = SOCKADDR_IN6_LEN;
    true
}

/// `sa_family_t` of an IPv4 name.
const AF_INET: u16 = 2;
/// The same of an IPv6 name.
const AF_INET6: u16 = 10;
/// `sizeof(struct sockaddr_in)`.
const SOCKADDR_IN_BYTES: usize = 16;
const SOCKADDR_IN_LEN: i32 = 16;
/// `sizeof(struct sockaddr_in6)`.
const SOCKADDR_IN6_BYTES: usize = NAME_MAX_BYTES;
const SOCKADDR_IN6_LEN: i32 = 28;
