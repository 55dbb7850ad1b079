//! What the short ways of [`fast.rs`](super::fast) do with a socket: what goes on in a dialogue on a connection that is calm, and what else is easy.

use super::conns::is_same;
use super::cx::Token;
use super::fast::QUIET_TARGET_BYTES;
use super::file::File;
use super::option::Options;
use super::socket::Socket;
use super::sysctl::Sysctl;
use super::timers::TimerQueue;
use crate::packet::{Packet, Segment};
use crate::slab::{Key, KeyQueue, Slab};
use crate::tcp::Taken;
use twinsock::Instant;
use twinsock::consts as c;

impl Socket {
    /// Whether a segment is for this connection: a socket whose connection is not in the index of connections hears of none.
    #[inline(always)]
    pub(super) fn is_for(&self, packet: &Packet, segment: &Segment) -> bool {
        self.is_hashed && self.is_between(packet, segment)
    }

    /// Whether a segment goes between the ends of this connection.
    #[inline(always)]
    pub(super) fn is_between(&self, packet: &Packet, segment: &Segment) -> bool {
        let tuple = &self.tuple;
        tuple.local_port == segment.dst_port
            && tuple.remote_port == segment.src_port
            && is_same(&tuple.local, &packet.dst)
            && is_same(&tuple.remote, &packet.src)
    }

    /// Whether the short ways may take for granted what is usual, until something else is done to the socket.
    pub(super) fn settle_down(&mut self) -> bool {
        let Options { peek_off, look_below_ttl, receive_timeout, .. } = *self.options;
        let is_plain = peek_off <= 0 && look_below_ttl == 0 && receive_timeout.is_none();
        is_plain && !self.is_dirty && !self.is_lingering && self.tcb.settle_down()
    }

    /// A send on a calm connection into a packet that holds something else.
    #[inline(never)]
    pub(super) fn send_anew(&mut self, now: Instant, data: &[u8], sysctl: &Sysctl, packet: &mut Packet) -> bool {
        let is_sent = self.tcb.send_calmly(now, data, packet.segment_mut(), false).is_some();
        if is_sent {
            self.address(sysctl, packet);
        }
        is_sent
    }

    /// Takes in a segment that has come to a calm connection, and ends the receive that waits for it, as at the moment `ends_at`. Answers whose that was, and
    /// what it returns, if one has ended, and whether the host has a timer more. `again`: see [`Tcb::take_calmly`]. `None`: nothing has happened.
    #[inline(always)]
    pub(super) fn take_calmly(
        &mut self,
        now: Instant,
        segment: &Segment,
        own: Key,
        (ends_at, again): (Option<Instant>, bool),
        (files, timers): (&mut Slab<File>, &mut TimerQueue),
    ) -> Option<(Option<(Token, u32)>, bool)> {
        if self.calm == 0 {
            return None;
        }
        let entry = files.get_mut(self.file?)?;
        // Whoever waits here holds the file, beside its descriptors.
        let room = match ends_at {
            Some(ends_at) if entry.is_shared() => (entry.queue.room_of_asleep(), ends_at),
            Some(_) | None => (0, now),
        };
        let ended = match self.tcb.take_calmly(now, segment, room, again) {
            // For that there is room, so that somebody waits.
            Taken::Read(len) => {
                entry.put_shared();
                Some((entry.queue.end_asleep(), len))
            }
            Taken::Kept => None,
            Taken::Not => return None,
        };
        Some((ended, self.arm_for(self.tcb.delayed_ack_at(), own, timers)))
    }

    /// Whether a receive has nothing to return but will have.
    #[inline(always)]
    pub(super) fn must_wait(&self) -> bool {
        if self.calm != 0 { self.tcb.must_wait_calmly() } else { self.tcb.must_wait() }
    }

    /// Whether such a receive may wait on the short way.
    #[inline(always)]
    pub(super) fn may_wait(&self, room: usize, flags: i32) -> bool {
        // Who is calm has no timeout, and waits for no more than the first byte.
        let is_patient =
            self.calm != 0 || self.options.receive_timeout.is_none() && self.tcb.options.rcvlowat == QUIET_TARGET_BYTES;
        flags & c::MSG_DONTWAIT == 0 && is_patient && room > 0
    }

    /// A receive that finds enough: so many bytes, or as many as `SO_RCVLOWAT` says now.
    #[inline(always)]
    pub(super) fn receive(
        &mut self,
        now: Instant,
        key: Key,
        into: &mut [u8],
        target: Option<u32>,
        (dirty, timers): (&mut KeyQueue, &mut TimerQueue),
    ) -> Option<usize> {
        match self.receive_calmly(now, into) {
            Some(received) => Some(received),
            None => self.receive_plainly(now, key, into, target, (dirty, timers)),
        }
    }

    /// The same on a calm connection, from which nothing follows.
    #[inline(always)]
    pub(super) fn receive_calmly(&mut self, now: Instant, into: &mut [u8]) -> Option<usize> {
        if self.calm == 0 {
            return None;
        }
        self.tcb.recv_calmly(now, into)
    }

    /// The same on any other, and on one that is calm no longer.
    #[inline(never)]
    pub(super) fn receive_plainly(
        &mut self,
        now: Instant,
        key: Key,
        into: &mut [u8],
        target: Option<u32>,
        (dirty, timers): (&mut KeyQueue, &mut TimerQueue),
    ) -> Option<usize> {
        self.calm = 0;
        if self.options.peek_off > 0 {
            return None;
        }
        let target = target.unwrap_or(self.tcb.options.rcvlowat);
        let received = self.tcb.recv_plainly(now, into, target)?;
        if self.tcb.has_output() {
            self.mark_dirty(key, dirty, timers);
        }
        Some(received)
    }
}
