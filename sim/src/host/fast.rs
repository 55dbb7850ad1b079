//! The shortest way for calls that carry a few bytes and succeed: one look at the descriptor, one at the socket, one at TCP.
//!
//! Whatever is not the usual case, a flag, an error, a wait, is left to the long way, which finds everything as it was.

use super::Host;
use super::conns::FourTuple;
use super::cx::{Pid, Token};
use super::holder::Conn;
use super::poll::KEY_READABLE;
use super::recent::Recent;
use super::task::Kind;
use crate::packet::{Body, Control, Packet, SeqNumber};
use crate::seldom::unlikely;
use crate::slab::{Key, to_usize};
use crate::tcp::{State, Tcb};
use twinsock::consts as c;
use twinsock::raw::RawFd;
use twinsock::{Errno, Instant};

/// Flags that do not matter to a call that succeeds at once.
pub(super) const INDIFFERENT_FLAGS: i32 = c::MSG_DONTWAIT | c::MSG_NOSIGNAL;

/// What the short way of a send came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShortSend {
    /// All of it is in the buffer, and in the packet, which is to be sent.
    Out,
    /// All of it is in the buffer.
    Queued,
    /// Nothing has happened: it is for the long way, [`Host::begin`].
    Long,
}

/// A segment is to be sent of which only these numbers and its data have changed.
#[derive(Clone, Copy, Debug)]
pub struct SentAgain {
    /// The host has a timer more.
    pub(crate) is_armed: bool,
    /// The sequence number.
    pub(crate) seq: SeqNumber,
    /// The acknowledgment number.
    pub(crate) ack: SeqNumber,
}

/// What the short way of a call that may wait came to.
#[derive(Debug)]
pub enum Short<R = usize> {
    /// It returns this.
    Done(R),
    /// It waits.
    Waits(QuietCall),
    /// It is for the long way, [`Host::begin`].
    Long,
}

/// How many bytes a receive waits for that waits on the short way: those that wait for more, by `SO_RCVLOWAT`, go the long one.
pub(super) const QUIET_TARGET_BYTES: u32 = 1;

/// Which sockets a packet goes between, as far as the one that sent it knows: where to look first.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    from: Key,
    to: Key,
    /// The calm as which the first one has written the packet, zero if it was not. Of a datagram, the number of its way.
    calm: u64,
}

impl Ends {
    /// Nothing is known.
    pub const UNKNOWN: Ends = Ends { from: Key::NOBODY, to: Key::NOBODY, calm: 0 };

    /// Those of a packet that is sent by one of these sockets and is thought to be for the other.
    #[inline]
    pub(super) fn between(from: Key, to: Key) -> Ends {
        Ends { from, to, calm: 0 }
    }

    /// Who has sent it.
    #[inline]
    pub(super) fn from(self) -> Key {
        self.from
    }

    /// Whom it may be for: where to look first.
    #[inline]
    pub(super) fn to(self) -> Key {
        self.to
    }

    /// Whether nothing is known of whom it is for.
    #[inline(always)]
    pub(crate) fn leads_nowhere(&self) -> bool {
        self.to == Key::NOBODY && self.calm == 0
    }

    /// The packet is another from here on, and not written by a calm connection. Where to look first stays as a guess, which is verified anyway: most places
    /// serve the same two sockets again.
    #[inline]
    pub(crate) fn forget(&mut self) {
        self.calm = 0;
    }

    /// Those of a datagram that goes a way of this number, which it has in place of a calm.
    #[inline]
    pub(super) fn of_way(number: u64) -> Ends {
        Ends { calm: number, ..Ends::UNKNOWN }
    }

    /// Whether the packet was written for a datagram of this way, if that has a number.
    #[inline(always)]
    pub(super) fn is_of(&self, number: u64) -> bool {
        self.calm == number && number != 0
    }

    /// The number of the way that a datagram goes, 0 if it was not written for one.
    #[inline]
    pub(super) fn way(&self) -> u64 {
        self.calm
    }

    /// Here it was found.
    pub(super) fn lead_to(&mut self, key: Key) {
        self.to = key;
    }
}

/// What the short way of a packet that has arrived came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Landing {
    /// It is taken in, and is what this waiter waits for, whose receive is over: what it returns is the packet's data. That has led to nothing else.
    Ends {
        /// Whose receive it is.
        waiter: Token,
        /// How many bytes of data it is.
        received: u32,
        /// The host has a timer more.
        is_armed: bool,
    },
    /// It is taken in, which wakes this waiter alone and leaves nothing to be sent.
    Wakes {
        /// Who is to be woken.
        waiter: Token,
        /// The host has a timer more, or may have an earlier one.
        is_armed: bool,
    },
    /// It is taken in, or there was no room for it, which has led to nothing.
    Kept,
    /// It is taken in, which has led to nothing else.
    Quiet {
        /// The host has a timer more, or may have an earlier one.
        is_armed: bool,
    },
    /// It is taken in.
    Done,
    /// It is a datagram of a way of which nobody here has heard yet. Nothing has happened: it is for [`Host::take_unheard`].
    Unheard,
    /// Nothing has happened: it is for the long way, [`Host::take_packet`].
    Long,
}

/// A plain call that waits, and that its host has hardly taken note of: [`Host::resume_recv_short`] and its like end it if it is an easy one,
/// [`Host::take_up`] makes an [`Op`](super::Op) of it that can be treated as any other.
#[derive(Clone, Copy, Debug)]
pub struct QuietCall {
    pub(super) token: Token,
    pub(super) pid: Pid,
    pub(super) fd: RawFd,
    pub(super) flags: i32,
    /// Held.
    pub(super) file: Key,
    pub(super) socket: Key,
    pub(super) what: Quietly,
}

/// What such a call is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quietly {
    /// A receive on a stream, of at least [`QUIET_TARGET_BYTES`].
    Recv,
    /// A receive on a socket of datagrams.
    DgramRecv,
    /// `accept4(2)`, with its descriptor reserved.
    Accept { reserved: RawFd },
    /// `connect(2)`, begun when the socket had been disconnected so often.
    Connect { disconnects: u32 },
}

impl QuietCall {
    /// The flags that the call was given.
    #[inline]
    #[must_use]
    pub(crate) fn flags(&self) -> i32 {
        self.flags
    }

    /// Its descriptor.
    #[inline]
    #[must_use]
    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Whether it is `accept4(2)`.
    #[must_use]
    pub(crate) fn accepts(&self) -> bool {
        match self.what {
            Quietly::Accept { .. } => true,
            Quietly::Recv | Quietly::DgramRecv | Quietly::Connect { .. } => false,
        }
    }

    /// The same call as one that waits like any other.
    pub(super) fn kind(&self) -> Kind {
        let socket = self.socket;
        match self.what {
            Quietly::Recv => Kind::Recv { socket, target: QUIET_TARGET_BYTES },
            Quietly::DgramRecv => Kind::DgramRecv { dgram: socket },
            Quietly::Accept { reserved } => Kind::Accept { socket, reserved },
            Quietly::Connect { disconnects } => Kind::Connect { socket, pending: Errno::INPROGRESS, disconnects },
        }
    }
}

impl Host {
    /// The next `send(2)` of a dialogue: [`Host::send_short`] on a calm connection, into the packet that holds the last segment which it has written since it is
    /// calm. `None`: nothing has happened, it is another case.
    #[inline(always)]
    pub(crate) fn send_again(
        &mut self,
        now: Instant,
        (recent, fd): (&Recent, RawFd),
        data: &[u8],
        flags: i32,
        (packet, ends): (&mut Packet, &Ends),
    ) -> Option<SentAgain> {
        if unlikely(flags & !INDIFFERENT_FLAGS != 0 || !recent.is_stream(fd, self.tables) || self.has_output()) {
            return None;
        }
        let Body::Tcp(segment) = &mut packet.body else { return None };
        let (_, key) = recent.keys();
        let socket = self.sockets.opened_mut(key)?;
        if unlikely(socket.calm == 0 || socket.calm != ends.calm) {
            return None;
        }
        let (seq, ack) = socket.tcb.send_calmly(now, data, segment, true)?;
        let is_armed = socket.arm_for(socket.tcb.retransmit_at(), key, &mut self.timers);
        Some(SentAgain { is_armed, seq, ack })
    }

    /// `send(2)`, if it is an easy one: a few bytes that the buffer takes. Where they may go out at once, they do, as `packet`.
    #[inline(always)]
    pub(crate) fn send_short(
        &mut self,
        now: Instant,
        (pid, recent): (Pid, &mut Recent),
        fd: RawFd,
        data: &[u8],
        flags: i32,
        (packet, ends): (&mut Packet, &mut Ends),
    ) -> ShortSend {
        if flags & !INDIFFERENT_FLAGS != 0 {
            return ShortSend::Long;
        }
        let Some((_, key)) = self.socket_behind(pid, fd, recent) else { return ShortSend::Long };
        let is_first = !self.has_output();
        let Host { sockets, dirty, timers, sysctl, .. } = self;
        let Some(socket) = sockets.get_calmly(key) else { return ShortSend::Long };
        if is_first {
            if socket.calm != 0 && socket.send_anew(now, data, sysctl, packet) {
                *ends = Ends { from: key, to: socket.peer, calm: socket.calm };
                socket.arm_for(socket.tcb.retransmit_at(), key, timers);
                return ShortSend::Out;
            }
            socket.calm = 0;
            if socket.tcb.send_through(now, data, packet.segment_mut()) {
                socket.address(sysctl, packet);
                *ends = Ends { from: key, to: socket.peer, calm: 0 };
                socket.arm(key, timers);
                return ShortSend::Out;
            }
        }
        socket.calm = 0;
        if !socket.tcb.send_small(now, data) {
            return ShortSend::Long;
        }
        socket.mark_dirty(key, dirty, timers);
        ShortSend::Queued
    }

    /// The next `recv(2)` of a dialogue: [`Host::recv_short`] on a calm connection where nothing is to be read yet. `None`: nothing has happened, it is another
    /// case.
    #[inline(always)]
    pub(crate) fn wait_calmly(
        &mut self,
        (pid, recent): (Pid, &Recent),
        token: Token,
        (fd, flags): (RawFd, i32),
        room: usize,
    ) -> Option<QuietCall> {
        if unlikely(flags & !c::MSG_NOSIGNAL != 0 || room == 0 || !recent.is_stream(fd, self.tables)) {
            return None;
        }
        let (file, key) = recent.keys();
        let socket = self.sockets.opened_mut(key)?;
        if unlikely(socket.calm == 0 || !socket.tcb.must_wait_calmly()) {
            return None;
        }
        let quiet = QuietCall { token, pid, fd, flags, file, socket: key, what: Quietly::Recv };
        self.sit_down(&quiet, room).then_some(quiet)
    }

    /// `recv(2)`, if it is an easy one: it finds enough, or has only to wait. Otherwise nothing has happened: see [`Host::begin`].
    #[inline(always)]
    pub(crate) fn recv_short(
        &mut self,
        now: Instant,
        (pid, recent): (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        into: &mut [u8],
        flags: i32,
    ) -> Short {
        if flags & !INDIFFERENT_FLAGS != 0 {
            return Short::Long;
        }
        let Some((file, key)) = self.socket_behind(pid, fd, recent) else { return Short::Long };
        let Host { sockets, dirty, timers, .. } = self;
        let Some(socket) = sockets.get_calmly(key) else { return Short::Long };
        if !socket.must_wait() {
            return socket.receive(now, key, into, None, (dirty, timers)).map_or(Short::Long, Short::Done);
        }
        if !socket.may_wait(into.len(), flags) {
            return Short::Long;
        }
        let quiet = QuietCall { token, pid, fd, flags, file, socket: key, what: Quietly::Recv };
        if self.sit_down(&quiet, into.len()) { Short::Waits(quiet) } else { Short::Long }
    }

    /// [`Host::recv_short`] of a receive that has room for so many bytes, if it only has to wait. `None`: nothing has happened.
    #[inline]
    pub(crate) fn wait_short(
        &mut self,
        (pid, recent): (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        room: u32,
        flags: i32,
    ) -> Option<QuietCall> {
        let room = to_usize(room);
        if flags & !INDIFFERENT_FLAGS != 0 {
            return None;
        }
        let (file, key) = self.socket_behind(pid, fd, recent)?;
        let socket = self.sockets.get(key)?;
        if !socket.must_wait() || !socket.may_wait(room, flags) {
            return None;
        }
        let quiet = QuietCall { token, pid, fd, flags, file, socket: key, what: Quietly::Recv };
        self.sit_down(&quiet, room).then_some(quiet)
    }

    /// A receive begins to wait, and holds its file. `false`: it does not.
    #[inline(always)]
    fn sit_down(&mut self, quiet: &QuietCall, room: usize) -> bool {
        let Some(entry) = self.files.get_mut(quiet.file) else { return false };
        let sits = !entry.nonblocking && entry.queue.sit_down(quiet.token, room);
        if sits {
            entry.hold();
        }
        sits
    }

    /// Goes on with a receive that waited, if it is an easy one. Answers what it returns, and whether something may follow from it. `None`: nothing has happened, see
    /// [`Host::take_up`].
    #[inline]
    pub(crate) fn resume_recv_short(&mut self, now: Instant, quiet: &QuietCall, into: &mut [u8]) -> Option<(usize, bool)> {
        let Host { files, sockets, dirty, timers, .. } = self;
        let entry = files.get_mut(quiet.file)?;
        if !entry.queue.sits(quiet.token) || !entry.is_shared() {
            return None;
        }
        let socket = sockets.get_calmly(quiet.socket)?;
        let received = match socket.receive_calmly(now, into) {
            Some(received) => (received, false),
            None => (socket.receive_plainly(now, quiet.socket, into, Some(QUIET_TARGET_BYTES), (dirty, timers))?, true),
        };
        entry.queue.get_up();
        entry.put_shared();
        Some(received)
    }

    /// [`Host::take_packet`], of a segment of a connection that its sender knows, or of a datagram of a known way. `ends_at`: a receive that waits for it, if it
    /// returns all of it, may do so at once, as at that moment.
    #[inline(always)]
    pub(crate) fn take_packet_short(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        ends: &mut Ends,
        ends_at: Option<Instant>,
        calms: &mut u64,
    ) -> Landing {
        if let Body::Udp(datagram) = &packet.body {
            return self.take_datagram_short(now, packet, datagram, ends, ends_at);
        }
        let Body::Tcp(segment) = &packet.body else { return Landing::Long };
        // The next one of a dialogue.
        if ends.calm != 0
            && let Some(socket) = self.sockets.get_calmly(ends.to)
            && socket.peer_calm == ends.calm
            && let Some(taken) = socket.take_calmly(now, segment, ends.to, (ends_at, true), (&mut self.files, &mut self.timers))
        {
            return self.landed_calmly(ends.to, taken);
        }
        if ends.calm != 0 || Tcb::may_be_small(segment) {
            return self.take_segment_short(now, packet, ends, ends_at, calms);
        }
        if segment.control == Control::Syn && segment.ack.is_none() {
            return Landing::Long;
        }
        // It is none that may come calmly.
        self.take_known(now, packet, ends, calms)
    }

    /// The same of a segment that is not the next one of a dialogue.
    #[inline(never)]
    fn take_segment_short(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        ends: &mut Ends,
        ends_at: Option<Instant>,
        calms: &mut u64,
    ) -> Landing {
        if let Body::Tcp(segment) = &packet.body
            && let Some(socket) = self.sockets.get_calmly(ends.to)
            && socket.is_between(packet, segment)
            && let Some(taken) = socket.take_calmly(now, segment, ends.to, (ends_at, false), (&mut self.files, &mut self.timers))
        {
            socket.peer = ends.from;
            socket.peer_calm = ends.calm;
            return self.landed_calmly(ends.to, taken);
        }
        self.take_known(now, packet, ends, calms)
    }

    /// A segment has been taken in by [`Socket::take_calmly`].
    #[inline(always)]
    fn landed_calmly(&mut self, to: Key, (ended, is_armed): (Option<(Token, u32)>, bool)) -> Landing {
        match ended {
            Some((waiter, received)) => Landing::Ends { waiter, received, is_armed },
            None => self.wake_reader(to, is_armed),
        }
    }

    /// There is something to read.
    #[inline(never)]
    fn wake_reader(&mut self, key: Key, is_armed: bool) -> Landing {
        let Some(file) = self.sockets.get(key).and_then(|socket| socket.file) else { return Landing::Done };
        let woken = self.files.get_mut(file).and_then(|entry| entry.queue.wake_quiet(KEY_READABLE));
        match woken {
            Some(Some(waiter)) => Landing::Wakes { waiter, is_armed },
            Some(None) => Landing::Done,
            None => {
                self.wake_file(file, KEY_READABLE, false);
                Landing::Done
            }
        }
    }

    /// Takes in a segment of a connection that is not calm, if nobody looks at its header; after a small one it may be calm.
    #[inline(never)]
    fn take_known(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends, calms: &mut u64) -> Landing {
        let Body::Tcp(segment) = &packet.body else { return Landing::Long };
        let key = ends.to;
        let known = self.sockets.get_calmly(key).filter(|socket| socket.is_for(packet, segment));
        let Some(mut socket) = known else { return self.take_found(now, packet, ends, calms) };
        if u16::from(packet.ttl) < socket.options.look_below_ttl {
            return Landing::Long;
        }
        let ttl = packet.ttl;
        let Body::Tcp(segment) = &mut packet.body else { return Landing::Long };
        socket.calm = 0;
        socket.peer = ends.from;
        ends.forget();
        if socket.state == State::SynReceived {
            if !self.heeds_half_open(now, key, segment, ttl) {
                return Landing::Done;
            }
            socket = &mut self.sockets[key];
        }
        let is_small = socket.tcb.take_segment_here(now, segment);
        let followed = socket.follow(key, &mut self.dirty, &mut self.timers);
        let is_armed = followed.is_armed();
        if is_small && socket.settle_down() {
            *calms += 1;
            socket.calm = *calms;
            socket.peer_calm = 0;
        }
        self.settle_followed(now, key, followed, true);
        if self.has_output() {
            return Landing::Done;
        }
        if !self.has_woken() {
            return Landing::Quiet { is_armed };
        }
        match self.sleepers.only_woken() {
            Some(waiter) => Landing::Wakes { waiter, is_armed },
            None => Landing::Done,
        }
    }

    /// [`Host::take_known`] where the connection is looked for.
    #[inline(never)]
    fn take_found(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends, calms: &mut u64) -> Landing {
        match self.find_small(packet) {
            Some(key) if key != ends.to => {
                ends.lead_to(key);
                self.take_known(now, packet, ends, calms)
            }
            Some(_) | None => Landing::Long,
        }
    }

    /// The connection that a segment which may be a small one is for.
    #[inline]
    fn find_small(&self, packet: &Packet) -> Option<Key> {
        let Body::Tcp(segment) = &packet.body else { return None };
        if !Tcb::may_be_small(segment) {
            return None;
        }
        let (local_port, remote_port) = (segment.dst_port, segment.src_port);
        match self.conn(&FourTuple { local: packet.dst, remote: packet.src, local_port, remote_port })? {
            Conn::Socket(key) => Some(key),
            Conn::TimeWait(_) => None,
        }
    }
}
