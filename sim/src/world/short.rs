//! The short ways of calls that carry a few bytes, and of the packet that one of them sends over a link without faults.
//!
//! Everything here could be left out: what is not the usual case is left to the full functions, and these do what those would have done.

use super::in_flight::{Flying, NONE};
use super::{Due, HostId, World, index};
use crate::host::{Asked, Cx, Pid, QuietCall, Recent, Short, ShortSend, Token};
use crate::packet::{Packet, Payload};
use twinsock::Result;
use twinsock::raw::{Name, RawFd};

impl World {
    /// The next `send(2)` of a dialogue: see [`Host::send_again`](crate::host::Host::send_again). `false`: nothing has happened, it is another case.
    #[inline(always)]
    pub(crate) fn send_again(&mut self, at: HostId, who: (&Recent, RawFd), data: &[u8], flags: i32) -> bool {
        let Some(machine) = self.machines.get_mut(at.index()) else { return false };
        let slot = machine.spare;
        let Some(Flying { packet, label, ends, owner }) = self.in_flight.slots.get_mut(index(slot)) else { return false };
        if !machine.clock.is_true() {
            return false;
        }
        let Some(sent) = machine.host.send_again(self.now, who, data, flags, (packet, ends)) else { return false };
        *owner = at.0;
        machine.spare = NONE;
        self.trace.segment_sent_again(self.now, at.0, packet, (sent.seq, sent.ack, data), label);
        let path = machine.path_of_calm(ends.calm());
        if sent.is_armed {
            self.follow_timer(at);
        }
        self.leave_again(at, slot, path);
        true
    }

    /// The packet in this place is one of a calm connection, or a datagram of a way that has been gone, and goes where such a one of its host went last, if there
    /// is this path.
    #[inline(always)]
    fn leave_again(&mut self, at: HostId, slot: u32, path: usize) {
        if let Some(path) = self.paths.get_mut(path)
            && self.chains.is_none()
            && let Some(arrives) = path.direction.arrival(self.now, Packet::SMALL_FRAME_MAX_BYTES)
        {
            self.queue.push(arrives, Due::arrival(path.to, slot));
        } else {
            self.leave_otherwise(at, slot);
        }
    }

    /// The packet of a calm connection does not go where such a one of its host went last, or not as simply.
    #[inline(never)]
    fn leave_otherwise(&mut self, at: HostId, slot: u32) {
        let Some(machine) = self.machines.get_mut(at.index()) else { return };
        let Flying { packet, ends, .. } = &self.in_flight.slots[index(slot)];
        let path = machine.path_to(packet.dst);
        if let Some(path) = path {
            machine.last_calm = (ends.calm(), path);
        }
        if !self.leave(at, slot, path) {
            self.follow(at);
        }
    }

    /// `send(2)`, if it is an easy one: see [`Host::send_short`](crate::host::Host::send_short). `false`: nothing has happened.
    #[inline(never)]
    pub(crate) fn send_short(&mut self, at: HostId, who: (Pid, &mut Recent), fd: RawFd, data: &[u8], flags: i32) -> bool {
        if data.len() > Payload::INLINE_MAX_BYTES {
            return false;
        }
        let Some(machine) = self.machines.get_mut(at.index()) else { return false };
        if machine.spare == NONE {
            machine.spare = self.in_flight.reserve();
        }
        let slot = machine.spare;
        let Some(Flying { packet, label, ends, owner }) = self.in_flight.slots.get_mut(index(slot)) else { return false };
        *owner = at.0;
        match machine.host.send_short(machine.clock.own(self.now), who, fd, data, flags, (packet, ends)) {
            ShortSend::Out => {}
            ShortSend::Queued => {
                self.follow(at);
                return true;
            }
            ShortSend::Long => return false,
        }
        self.trace.packet_sent(self.now, at.0, packet, label);
        machine.spare = NONE;
        let path = machine.path_to(packet.dst);
        self.leave(at, slot, path);
        self.follow(at);
        true
    }

    /// Takes the small packet in this place to where it goes; `path`: that way, if its host sent there last. Whether it goes by express, which leads to
    /// nothing else.
    #[inline(always)]
    fn leave(&mut self, at: HostId, slot: u32, path: Option<usize>) -> bool {
        match path {
            Some(path) => self.leave_by(at, slot, path),
            None => self.leave_anew(at, slot),
        }
    }

    #[inline(always)]
    fn leave_by(&mut self, at: HostId, slot: u32, path: usize) -> bool {
        if self.chains.is_none()
            && let Some(path) = self.paths.get_mut(path)
            && let Some(arrives) = path.direction.arrival(self.now, Packet::SMALL_FRAME_MAX_BYTES)
        {
            self.queue.push(arrives, Due::arrival(path.to, slot));
            return true;
        }
        self.leave_slowly(at, slot)
    }

    /// The same of one that does not go where its host sent to last.
    #[inline(never)]
    fn leave_anew(&mut self, at: HostId, slot: u32) -> bool {
        match self.path_of(at, slot) {
            Some(path) => self.leave_by(at, slot, path),
            None => self.leave_slowly(at, slot),
        }
    }

    /// The way of the packet in this place, which is not where its host sent to last.
    fn path_of(&self, at: HostId, slot: u32) -> Option<usize> {
        self.routes.get(at.0, self.in_flight.packet(slot).dst)
    }

    #[cold]
    #[inline(never)]
    fn leave_slowly(&mut self, at: HostId, slot: u32) -> bool {
        self.in_flight.put_back(slot);
        self.carry_on(at, slot);
        false
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
        let received = machine.host.resume_recv_short(machine.clock.own(self.now), quiet, into)?;
        self.follow_here(at);
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
        self.follow(at);
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
        self.follow(at);
        result
    }

    /// The next `send(2)` or `sendto(2)` on a way of datagrams: see [`Host::send_dgram_again`](crate::host::Host::send_dgram_again). `false`: nothing has happened,
    /// it is another case.
    #[inline(always)]
    pub(crate) fn send_dgram_again(&mut self, at: HostId, who: (&Recent, RawFd), data: &[u8], how: (i32, Option<&[u8]>)) -> bool {
        let Some(machine) = self.machines.get_mut(at.index()) else { return false };
        let slot = machine.spare;
        let Some(Flying { packet, label, ends, owner }) = self.in_flight.slots.get_mut(index(slot)) else { return false };
        if !machine.host.send_dgram_again(who, data, how, (packet, ends)) {
            return false;
        }
        *owner = at.0;
        machine.spare = NONE;
        self.trace.datagram_sent_again(self.now, at.0, packet, data, label);
        // Who is woken by it is still to be, which the other way sees to.
        let path = if machine.host.has_woken() { usize::MAX } else { machine.path_of_calm(ends.calm()) };
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
        if machine.spare == NONE {
            machine.spare = self.in_flight.reserve();
        }
        let slot = machine.spare;
        let Some(Flying { packet, label, ends, owner }) = self.in_flight.slots.get_mut(index(slot)) else { return false };
        match machine.host.send_dgram_short(who, fd, data, how, (packet, ends, &mut self.calms)) {
            ShortSend::Out => self.trace.packet_sent(self.now, at.0, packet, label),
            ShortSend::Queued | ShortSend::Long => return false,
        }
        machine.spare = NONE;
        *owner = at.0;
        let path = machine.path_to(packet.dst);
        self.leave(at, slot, path);
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
