//! What arrives soon: so that the caches are made ready for it, step by step. Nothing here has any effect but on time.

use super::in_flight::NONE;
use super::wire::Path;
use super::{Alarm, Due, HostId, Machine, Pair, World, index};
use crate::host::Recent;
use crate::prefetch::{prefetch, prefetch_bytes};

/// Arrivals that are going to be, the last one first: four steps.
pub(super) type Ahead = [Option<Pair>; 4];

impl World {
    /// Makes the caches ready for something that happens a few events after the next one. An alarm is handed out: what it is about is the driver's.
    pub(crate) fn look_ahead(&mut self) -> Option<Alarm> {
        let found = match self.queue.scout()? {
            Due::Arrival(pair) => *pair,
            Due::Alarm(alarm) => return Some(*alarm),
            Due::Damaged(_) | Due::Sending(_) | Due::Unjudged(_) | Due::Timer(_) => return None,
        };
        self.ahead.rotate_right(1);
        self.ahead[0] = Some(found);
        self.prefetch_host(HostId(found.first()));
        if let Some(flying) = self.in_flight.slots.get(index(found.second())) {
            prefetch(flying);
        }
        if let Some((machine, ends)) = self.arrival_ahead(2) {
            machine.host.prefetch_arrival(ends);
        }
        if let Some((machine, ends)) = self.arrival_ahead(3) {
            machine.host.prefetch_buffers_of_arrival(ends);
        }
        None
    }

    fn arrival_ahead(&self, step: usize) -> Option<(&Machine, &crate::host::Ends)> {
        let pair = self.ahead[step]?;
        Some((self.machines.get(index(pair.first()))?, &self.in_flight.slots.get(index(pair.second()))?.ends))
    }

    /// Makes the caches ready for what is done to a host.
    pub(crate) fn prefetch_host(&self, id: HostId) {
        if let Some(machine) = self.machines.get(id.index()) {
            prefetch_bytes(std::ptr::from_ref(machine).cast(), Machine::HOT_BYTES);
        }
    }

    /// The same for the socket that a thread of this host used last.
    pub(crate) fn prefetch_socket(&self, id: HostId, recent: &Recent) {
        if let Some(machine) = self.machines.get(id.index()) {
            machine.host.prefetch_socket(recent);
        }
    }

    /// The same for what that socket holds.
    pub(crate) fn prefetch_buffers(&self, id: HostId, recent: &Recent) {
        if let Some(machine) = self.machines.get(id.index()) {
            machine.host.prefetch_buffers(recent);
            if let Some(flying) = self.in_flight.slots.get(index(machine.spare)) {
                prefetch(flying);
            }
            match (machine.last_route, machine.host.remote_of(recent)) {
                (Some((addr, _)), Some(remote)) if addr != remote => self.routes.prefetch(id.0, remote),
                (Some(_) | None, _) => {}
            }
        }
    }

    /// The same for what it sends with, and for the way that this takes.
    pub(crate) fn prefetch_way(&self, id: HostId, recent: &Recent) {
        let Some(machine) = self.machines.get(id.index()) else { return };
        machine.host.prefetch_send(recent);
        if machine.spare == NONE {
            self.in_flight.prefetch_next();
        }
        let Some(remote) = machine.host.remote_of(recent) else { return };
        let known = machine.path_to(remote);
        if let Some(path) = known.or_else(|| self.routes.get(id.0, remote)).and_then(|path| self.paths.get(path)) {
            prefetch_bytes(std::ptr::from_ref(path).cast(), Path::HOT_BYTES);
        }
    }
}
