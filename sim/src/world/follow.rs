//! What an entry into a host's kernel leads to: packets that leave, waiters that are woken, a timer that is waited for.

use super::in_flight::Flying;
use super::{Due, HostId, Machine, World, group, index};
use crate::choice::LuckOf;
use crate::host::Cx;
use crate::packet::Packet;
use crate::seldom::unlikely;
use std::net::IpAddr;
use twinsock::Instant;

impl World {
    /// Carries what an entry into a host's kernel has led to: packets, wakes, timers.
    #[inline(never)]
    pub(super) fn follow(&mut self, id: HostId) {
        self.follow_here(id);
    }

    /// The same where it is done most: the way is a part of its caller.
    #[inline(always)]
    pub(super) fn follow_here(&mut self, id: HostId) {
        if self.machines[id.index()].host.has_output() {
            self.transmit(id);
        }
        if self.machines[id.index()].host.has_woken() {
            self.collect_woken(id);
        }
        self.note_earliest(id);
    }

    /// The same where an entry has led to nothing but another earliest timer.
    #[inline(never)]
    pub(super) fn follow_timer(&mut self, id: HostId) {
        self.note_earliest(id);
    }

    /// Whom the host's kernel has woken, to those who are to be resumed.
    #[inline(always)]
    fn collect_woken(&mut self, id: HostId) {
        let host = &mut self.machines[id.index()].host;
        while let Some(token) = host.poll_wake() {
            self.wakes.push(token);
        }
    }

    #[inline(always)]
    fn note_earliest(&mut self, id: HostId) {
        let Machine { host, clock, timer_at, .. } = &self.machines[id.index()];
        let at = host.poll_timeout().map_or(Instant::FAR, |own| clock.moment(own));
        self.note_timer(id, *timer_at, at);
    }

    /// Sends what the host has to send. What it sends to itself arrives at once, as on Linux's loopback.
    #[inline(always)]
    pub(super) fn transmit(&mut self, id: HostId) {
        while self.transmit_next(id) {}
    }

    /// Sends the next packet that the host has to send, if there is one. Whether there may be more.
    #[inline(never)]
    fn transmit_next(&mut self, id: HostId) -> bool {
        let Some(machine) = self.machines.get_mut(id.index()) else { return false };
        let (slot, Flying { packet, label, ends, .. }) = self.in_flight.place_whole();
        if !machine.host.transmit_into(machine.clock.own(self.now), packet, ends) {
            return false;
        }
        self.trace.packet_sent(self.now, id.0, packet, label);
        let frame_bytes_at_most = match label.data_bytes() {
            Some(0) => Packet::HEADERS_MAX_BYTES,
            Some(_) | None => packet.frame_bytes_at_most(),
        };
        // What `carry_on` does in the usual case.
        if let Some(path) = machine.path_to(packet.dst)
            && self.chains.is_none()
            && let Some(path) = self.paths.get_mut(path)
            && let Some(at) = path.direction.arrival(self.now, frame_bytes_at_most)
        {
            let (to, is_stranger) = (path.to, ends.leads_nowhere());
            self.in_flight.take_off_next();
            self.queue.push(at, Due::arrival(to, slot));
            let has_more = machine.host.has_output();
            if !has_more {
                machine.host.output_is_out();
            }
            if unlikely(is_stranger) {
                self.prefetch_stranger(id, to, slot);
            }
            return has_more;
        }
        self.carry_on(id, slot);
        true
    }

    /// Makes the caches ready for the arrival of a packet whose sender knows nobody there.
    #[inline(never)]
    fn prefetch_stranger(&mut self, from: HostId, to: HostId, slot: u32) {
        let next_port = self.machines[from.index()].host.likely_next_port();
        let packet = &self.in_flight.slots[index(slot)].packet;
        self.machines[to.index()].host.prefetch_stranger(packet, next_port);
    }

    /// Takes the packet in this place, kept or the next one, which is recorded already, to where it goes.
    #[cold]
    pub(super) fn carry_on(&mut self, from: HostId, slot: u32) {
        let packet = self.in_flight.packet(slot);
        let known = self.machines[from.index()].path_to(packet.dst);
        if let Some(index) = known.or_else(|| self.routes.get(from.0, packet.dst)) {
            // The usual case of `send`, unless somebody asks what every host has gone through.
            let path = &mut self.paths[index];
            if self.chains.is_none()
                && let Some(at) = path.direction.arrival(self.now, packet.frame_bytes_at_most())
            {
                self.in_flight.take_off(slot);
                self.queue.push(at, Due::arrival(path.to, slot));
            } else {
                self.send(slot, index);
            }
            return;
        }
        self.send_anywhere(from, slot);
    }

    /// Sends the packet in this place, kept or the next one, to where it has not just been sent to.
    pub(super) fn send_anywhere(&mut self, from: HostId, slot: u32) {
        let machine = &mut self.machines[from.index()];
        let Flying { packet, ends, .. } = &mut self.in_flight.slots[index(slot)];
        let known = *ends;
        ends.forget();
        if machine.host.owns(packet.dst) {
            let mut luck = LuckOf::new(&mut self.choice, machine.latitude);
            // The place is still free: nothing else is written to it meanwhile.
            machine.host.take_packet(&mut Cx { now: machine.clock.own(self.now), luck: &mut luck }, packet, known);
            return;
        }
        if machine.has_lost_addrs && machine.is_sender_gone(packet) {
            self.in_flight.take_off(slot);
            self.drop_at(from, slot, "its source is no longer an address here");
            return;
        }
        let dst = packet.dst;
        match self.find_path(from, dst) {
            Some(path) => self.send(slot, path),
            None if group::is_for_many(dst) => self.send_to_many(from, slot),
            None => {
                self.in_flight.take_off(slot);
                let packet = self.drop_at(from, slot, "nobody has the address");
                self.wait_for_neighbour(from, packet);
            }
        }
    }

    /// The path from a host to an address.
    pub(super) fn find_path(&mut self, from: HostId, dst: IpAddr) -> Option<usize> {
        let to = *self.owners.get(&dst)?;
        let index = self.path_between(from, to);
        let machine = &mut self.machines[from.index()];
        // Where addresses have been lost each packet is looked at.
        machine.last_route = (!machine.has_lost_addrs).then_some((dst, index));
        if !machine.has_lost_addrs {
            self.routes.insert(from.0, dst, index);
        }
        Some(index)
    }
}
