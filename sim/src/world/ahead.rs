//! What arrives soon: so that the caches are made ready for it, step by step. Nothing here has any effect but on time.

use super::in_flight::Flying;
use super::wire::Path;
use super::{Alarm, Due, HostId, Machine, Pair, World, index};
use crate::host::{Coming, Recent, Token};
use crate::prefetch::{prefetch, prefetch_bytes};

/// How many events are looked at together.
const FLOCK: usize = 8;
/// How many flocks of them the caches are being made ready for.
const FLOCKS: usize = 3;

/// Arrivals that are going to be: flocks of them, the first one being the last.
#[derive(Default)]
pub(super) struct Ahead {
    flocks: [[Option<Pair>; FLOCK]; FLOCKS],
    /// Which of them there are any of: most events may be alarms.
    are_any: [bool; FLOCKS],
    /// How many events ago others were looked at.
    events: usize,
}

/// What the driver has to do with soon.
pub(crate) enum Soon {
    /// An alarm.
    Alarm(Alarm),
    /// A waiter that is going to be woken.
    Woken(Token),
}

impl World {
    /// Something happens now, one of many things at this moment: makes the caches ready for what happens after it. Alarms and those who are going to be woken are
    /// handed out: what they are is the driver's.
    #[inline(never)]
    pub(crate) fn look_ahead(&mut self, mut show: impl FnMut(Soon)) {
        let event = self.ahead.events;
        self.ahead.events = (event + 1) % FLOCK;
        match event {
            0 => self.look_at_next(show),
            1 if self.ahead.are_any[1] => {
                self.arrivals_ahead(1).for_each(|(machine, flying)| machine.host.prefetch_arrival(&flying.packet, &flying.ends))
            }
            2 if self.ahead.are_any[2] => {
                for (machine, flying) in self.arrivals_ahead(2) {
                    machine.host.prefetch_held_for_arrival(&flying.packet, &flying.ends);
                }
            }
            3 if self.ahead.are_any[0] => {
                for pair in self.ahead.flocks[0].iter().flatten() {
                    self.prefetch_host(HostId(pair.first()), Coming::Acts);
                    if let Some(flying) = self.in_flight.slots.get(index(pair.second())) {
                        prefetch(flying);
                    }
                }
            }
            4 if self.ahead.are_any[1] => {
                for (machine, flying) in self.arrivals_ahead(1) {
                    machine.host.prefetch_socket_for_arrival(&flying.packet, &flying.ends);
                }
            }
            5 if self.ahead.are_any[2] => {
                for (machine, flying) in self.arrivals_ahead(2) {
                    if let Some(reader) = machine.host.reader_of_arrival(&flying.packet, &flying.ends) {
                        show(Soon::Woken(reader));
                    }
                }
            }
            _ => {}
        }
    }

    /// Another flock. The last one of them, when all steps are taken, comes after the events at which that was done.
    #[inline(always)]
    fn look_at_next(&mut self, mut show: impl FnMut(Soon)) {
        let Ahead { flocks, are_any, .. } = &mut self.ahead;
        flocks.rotate_right(1);
        are_any.rotate_right(1);
        let [first, ..] = flocks;
        *first = [None; FLOCK];
        let mut places = first.iter_mut();
        self.queue.scout(FLOCKS * FLOCK, FLOCK, |due| match due {
            Due::Arrival(pair) => {
                if let Some(place) = places.next() {
                    *place = Some(*pair);
                }
            }
            Due::Alarm(alarm) => show(Soon::Alarm(*alarm)),
            Due::Damaged(_) | Due::Sending(_) | Due::Unjudged(_) => {}
        });
        are_any[0] = first[0].is_some();
    }

    fn arrivals_ahead(&self, flock: usize) -> impl Iterator<Item = (&Machine, &Flying)> {
        self.ahead.flocks[flock].iter().flatten().filter_map(|pair| {
            let machine = self.machines.get(index(pair.first()))?;
            Some((machine, self.in_flight.slots.get(index(pair.second()))?))
        })
    }

    /// Makes the caches ready for what is done to a host.
    pub(crate) fn prefetch_host(&self, id: HostId, coming: Coming) {
        if let Some(machine) = self.machines.get(id.index()) {
            machine.prefetch(coming);
        }
    }

    /// The same for what a thread of this host used last to be found, and for its file if it receives or waits.
    pub(crate) fn prefetch_call(&self, id: HostId, recent: &Recent, coming: Coming) {
        if let Some(machine) = self.machines.get(id.index()) {
            machine.host.prefetch_call(recent, coming);
        }
    }

    /// The same for its socket.
    pub(crate) fn prefetch_socket(&self, id: HostId, recent: &Recent, coming: Coming) {
        if let Some(machine) = self.machines.get(id.index()) {
            machine.host.prefetch_socket(recent, coming);
        }
    }

    /// The same for what that socket holds, and, unless its thread only begins to wait, for the packet that this sends next.
    pub(crate) fn prefetch_buffers(&self, id: HostId, recent: &Recent, coming: Coming) {
        let Some(machine) = self.machines.get(id.index()) else { return };
        machine.host.prefetch_buffers(recent, coming);
        if coming == Coming::Waits {
            return;
        }
        if let Some(flying) = self.in_flight.slots.get(index(recent.packet())) {
            prefetch(flying);
        }
    }

    /// The same for what it sends with, and for the way that this takes.
    pub(crate) fn prefetch_way(&self, id: HostId, recent: &Recent) {
        let Some(machine) = self.machines.get(id.index()) else { return };
        machine.host.prefetch_send(recent);
        if let Some(flying) = self.in_flight.slots.get(index(recent.packet()))
            && let Some(path) = self.paths.get(index(flying.path))
        {
            prefetch_bytes(std::ptr::from_ref(path).cast(), Path::HOT_BYTES);
        }
    }
}
