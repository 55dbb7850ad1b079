//! The short ways of calls that carry a few bytes, and of the packet that one of them sends over a link without faults.
//!
//! Everything here could be left out: what is not the usual case is left to the full functions, and these do what those would have done.

use super::in_flight::{Flying, NONE};
use super::{Due, HostId, World, index};
use crate::host::{Asked, Cx, Pid, QuietCall, Recent, Short, ShortSend, Token};
use crate::packet::{Packet, Payload};
use crate::seldom::unlikely;
use twinsock::Result;
use twinsock::raw::{Name, RawFd};

impl World {
    /// The next `send(2)` of a dialogue: see [`Host::send_again`](crate::host::Host::send_again). `false`: nothing has happened, it is another case.
    #[inline(always)]
    pub(crate) fn send_again(&mut self, at: HostId, who: (&Recent, RawFd), data: &[u8], flags: i32) -> bool {
        let Some(machine) = self.machines.get_mut(at.index()) else { return false };
        let slot = who.0.packet();
        let Some(flying) = self.in_flight.kept(slot) else { return false };
        if !machine.clock.is_true() {
            return false;
        }
        let Flying { packet, label, ends, .. } = flying;
        let Some(sent) = machine.host.send_again(self.now, who, data, flags, (packet, ends)) else { return false };
        self.trace.segment_sent_again(self.now, at.0, packet, (sent.seq, sent.ack, data), label);
        flying.take_off();
        let path = flying.path;
        if unlikely(sent.is_armed) {
            self.follow_timer(at);
        }
        self.leave_again(at, slot, path);
        true
    }

    /// The packet in this place, which holds what is nearly the last one of it, goes where that went, if it is known to have gone by this path.
    #[inline(always)]
    fn leave_again(&mut self, at: HostId, slot: u32, path: u32) {
        if let Some(path) = self.paths.get_mut(index(path))
            && self.chains.is_none()
            && let Some(arrives) = path.direction.arrival(self.now, Packet::SMALL_FRAME_MAX_BYTES)
        {
            self.queue.push(arrives, Due::arrival(path.to, slot));
        } else {
            self.leave_otherwise(at, slot);
        }
    }

    /// A thread has ended: the place that was kept for its packets is for others.
    pub(crate) fn forget_user(&mut self, recent: &Recent) {
        self.in_flight.release(recent.packet());
    }

    /// The packet in this place goes where it is not known that the last one did, or not as simply, or something else is to follow.
    #[inline(never)]
    fn leave_otherwise(&mut self, at: HostId, slot: u32) {
        self.leave_first(at, slot);
        self.follow(at);
    }

    /// The packet in this place, which was written anew, leaves; where it goes is noted for the next one.
    fn leave_first(&mut self, at: HostId, slot: u32) {
        let dst = self.in_flight.packet(slot).dst;
        let known = self.machines.get(at.index()).and_then(|machine| machine.path_to(dst));
        let path = known.or_else(|| self.routes.get(at.0, dst));
        self.in_flight.slots[index(slot)].path = path.and_then(|path| u32::try_from(path).ok()).unwrap_or(NONE);
        if self.chains.is_none()
            && let Some(path) = path.and_then(|path| self.paths.get_mut(path))
            && let Some(arrives) = path.direction.arrival(self.now, Packet::SMALL_FRAME_MAX_BYTES)
        {
            self.queue.push(arrives, Due::arrival(path.to, slot));
        } else {
            self.leave_slowly(at, slot);
        }
    }

    /// `send(2)`, if it is an easy one: see [`Host::send_short`](crate::host::Host::send_short). `false`: nothing has happened.
    #[inline(never)]
    pub(crate) fn send_short(&mut self, at: HostId, who: (Pid, &mut Recent), fd: RawFd, data: &[u8], flags: i32) -> bool {
        if data.len() > Payload::INLINE_MAX_BYTES {
            return false;
        }
        let Some(machine) = self.machines.get_mut(at.index()) else { return false };
        let slot = self.in_flight.place_of(who.1.packet_mut());
        let Some(Flying { packet, label, ends, .. }) = self.in_flight.slots.get_mut(index(slot)) else { return false };
        match machine.host.send_short(machine.clock.own(self.now), who, fd, data, flags, (packet, ends)) {
            ShortSend::Out => {}
            ShortSend::Queued => {
                self.follow(at);
                return true;
            }
            ShortSend::Long => return false,
        }
        self.trace.packet_sent(self.now, at.0, packet, label);
        self.in_flight.take_off(slot);
        self.leave_first(at, slot);
        self.follow(at);
        true
    }

    #[cold]
    #[inline(never)]
    fn leave_slowly(&mut self, at: HostId, slot: u32) {
        self.in_flight.give_back(slot);
        self.carry_on(at, slot);
    }

    /// The next `recv(2)` of a dialogue: see [`Host::wait_calmly`](crate::host::Host::wait_calmly). `None`: nothing has happened, it is another case.
    #[inline(always)]
    pub(crate) fn wait_calmly(
        &mut self,
        at: HostId,
        who: (Pid, &Recent),
        token: Token,
        how: (RawFd, i32),
        room: usize,
    ) -> Option<QuietCall> {
        self.machines.get_mut(at.index())?.host.wait_calmly(who, token, how, room)
    }

    /// `recv(2)`, if it is an easy one: see [`Host::recv_short`](crate::host::Host::recv_short).
    #[inline(always)]
    pub(crate) fn recv_short(
        &mut self,
        at: HostId,
        who: (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        into: &mut [u8],
        flags: i32,
    ) -> Short {
        let Some(machine) = self.machines.get_mut(at.index()) else { return Short::Long };
        let short = machine.host.recv_short(machine.clock.own(self.now), who, token, fd, into, flags);
        if let Short::Done(_) = short {
            self.follow_here(at);
        }
        short
    }

    /// The same of a receive that has room for so many bytes, if it only has to wait. `None`: nothing has happened.
    #[inline]
    pub(crate) fn wait_short(
        &mut self,
        at: HostId,
        who: (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        room: u32,
        flags: i32,
    ) -> Option<QuietCall> {
        self.machines.get_mut(at.index())?.host.wait_short(who, token, fd, room, flags)
    }

    /// Goes on with a receive that waits on the short way, if it is an easy one. `None`: nothing has happened, see [`World::take_up`].
    #[inline(always)]
    pub(crate) fn resume_recv_short(&mut self, at: HostId, quiet: &QuietCall, into: &mut [u8]) -> Option<usize> {
        let machine = self.machines.get_mut(at.index())?;
        let (received, may_follow) = machine.host.resume_recv_short(machine.clock.own(self.now), quiet, into)?;
        if may_follow {
            self.follow_here(at);
        }
        Some(received)
    }

    /// `accept4(2)`, if it is an easy one: see [`Host::accept_short`](crate::host::Host::accept_short).
    #[inline(always)]
    pub(crate) fn accept_short(
        &mut self,
        at: HostId,
        who: (Pid, Token),
        fd: RawFd,
        name: Option<&mut Name<'_>>,
        flags: i32,
    ) -> Short<Result<usize>> {
        let (host, mut luck, now) = self.kernel(at);
        let short = host.accept_short(&mut Cx { now, luck: &mut luck }, who, fd, name, flags);
        // Otherwise nothing is to be sent, nobody to be woken, and no timer to be waited for that was not there.
        if let Short::Done(Err(_)) = short {
            self.follow(at);
        }
        short
    }

    /// `connect(2)`, if it is an easy one: see [`Host::connect_short`](crate::host::Host::connect_short).
    #[inline(always)]
    pub(crate) fn connect_short(&mut self, at: HostId, who: (Pid, Token), fd: RawFd, addr: &[u8]) -> Short<Result<usize>> {
        let (host, mut luck, now) = self.kernel(at);
        let short = host.connect_short(&mut Cx { now, luck: &mut luck }, who, fd, addr);
        self.follow(at);
        short
    }

    /// Goes on with one of these that waits, if it is an easy one. `None`: nothing has happened, see [`World::take_up`].
    #[inline(always)]
    pub(crate) fn resume_opening(
        &mut self,
        at: HostId,
        (quiet, recent): (&QuietCall, &mut Recent),
        name: Option<&mut Name<'_>>,
    ) -> Option<Result<usize>> {
        let (host, mut luck, now) = self.kernel(at);
        let result = host.resume_opening(&mut Cx { now, luck: &mut luck }, quiet, name, recent);
        // As in `accept_short`.
        if let Some(Err(_)) = result {
            self.follow(at);
        }
        result
    }

    /// The next `send(2)` or `sendto(2)` on a way of datagrams: see [`Host::send_dgram_again`](crate::host::Host::send_dgram_again). `false`: nothing has happened,
    /// it is another case.
    #[inline(always)]
    pub(crate) fn send_dgram_again(&mut self, at: HostId, who: (&Recent, RawFd), data: &[u8], how: (i32, Option<&[u8]>)) -> bool {
        let Some(machine) = self.machines.get_mut(at.index()) else { return false };
        let Some((slot, flying)) = self.in_flight.kept_or_next(who.0.packet()) else { return false };
        let Flying { packet, label, ends, .. } = &mut *flying;
        if !machine.host.send_dgram_again(who, data, how, (packet, ends)) {
            return false;
        }
        self.trace.datagram_sent_again(self.now, at.0, packet, data, label);
        // Who is woken by it is still to be, which the other way sees to.
        let path = if machine.host.has_woken() { NONE } else { flying.path };
        if flying.take_off() {
            self.in_flight.take_off_next();
        }
        self.leave_again(at, slot, path);
        true
    }

    /// `send(2)` or `sendto(2)` on a datagram socket, if it is an easy one: see [`Host::send_dgram_short`](crate::host::Host::send_dgram_short).
    /// `false`: nothing has happened.
    #[inline(never)]
    pub(crate) fn send_dgram_short(
        &mut self,
        at: HostId,
        who: (Pid, &mut Recent),
        fd: RawFd,
        data: &[u8],
        how: (i32, Option<&[u8]>),
    ) -> bool {
        let Some(machine) = self.machines.get_mut(at.index()) else { return false };
        let slot = self.in_flight.place_of(who.1.packet_mut());
        let Some(Flying { packet, label, ends, .. }) = self.in_flight.slots.get_mut(index(slot)) else { return false };
        match machine.host.send_dgram_short(who, fd, data, how, (packet, ends, &mut self.calms)) {
            ShortSend::Out => self.trace.packet_sent(self.now, at.0, packet, label),
            ShortSend::Queued | ShortSend::Long => return false,
        }
        self.in_flight.take_off(slot);
        self.leave_first(at, slot);
        self.follow(at);
        true
    }

    /// `recv(2)`, `recvfrom(2)` or `recvmsg(2)` on a datagram socket, if it is an easy one: see
    /// [`Host::recv_dgram_short`](crate::host::Host::recv_dgram_short).
    #[inline(always)]
    pub(crate) fn recv_dgram_short(
        &mut self,
        at: HostId,
        who: (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        into: &mut [u8],
        (flags, asked): (i32, Asked<'_, '_>),
    ) -> Short {
        let Some(machine) = self.machines.get_mut(at.index()) else { return Short::Long };
        machine.host.recv_dgram_short(who, token, fd, into, flags, asked)
    }

    /// Goes on with such a receive that waits, if it is an easy one. `None`: nothing has happened, see [`World::take_up`].
    #[inline]
    pub(crate) fn resume_dgram_short(
        &mut self,
        at: HostId,
        quiet: &QuietCall,
        into: &mut [u8],
        asked: Asked<'_, '_>,
    ) -> Option<usize> {
        self.machines.get_mut(at.index())?.host.resume_dgram_short(quiet, into, asked)
    }
}
