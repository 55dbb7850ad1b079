//! What happens next, and packets that arrive.

use super::in_flight::{Data, Flying, NONE};
use super::{Alarm, Due, HostId, World, index};
use crate::choice::LuckOf;
use crate::host::{Cx, Landing, Token};
use twinsock::Instant;

/// What a step of the world came to.
pub enum Happened {
    /// Something that the world itself deals with.
    Something,
    /// The same, and this is the only waiter to be woken: [`World::poll_wake`] has none.
    Woken(Token),
    /// The same, and this waiter's receive is over, which is to have what [`World::take_data`] gives.
    Ended(Token, Data),
    /// An alarm, for the driver to act on.
    Alarm(Alarm),
}

impl World {
    /// [`World::step`] for a driver that would take the only waiter to be woken from the queue of those, where one is. `may_end`: where nothing more is due,
    /// that one would be the next to run, so that its receive may end at once.
    ///
    /// # Panics
    /// If the queue went back in time: a bug here.
    #[inline(always)]
    pub fn happen(&mut self, may_end: bool) -> Option<Happened> {
        let (at, due) = self.queue.pop()?;
        assert!(at >= self.now, "time does not go back");
        self.now = at;
        self.choice.set_now(at);
        match due {
            Due::Arrival(pair) => Some(self.arrival(HostId(pair.first()), pair.second(), may_end)),
            Due::Alarm(alarm) => Some(Happened::Alarm(alarm)),
            Due::Damaged(_) | Due::Sending(_) | Due::Unjudged(_) | Due::Timer(_) => Some(self.happen_seldom(at, due)),
        }
    }

    #[inline(never)]
    fn happen_seldom(&mut self, at: Instant, due: Due) -> Happened {
        match due {
            Due::Arrival(pair) => return self.arrival(HostId(pair.first()), pair.second(), false),
            Due::Alarm(alarm) => return Happened::Alarm(alarm),
            Due::Damaged(pair) => self.arrive_damaged(HostId(pair.first()), pair.second()),
            Due::Sending(pair) => self.send_late(pair.first(), pair.second()),
            Due::Unjudged(pair) => return Happened::Alarm(self.show_to_rules(pair.first(), pair.second())),
            Due::Timer(pair) => {
                let id = HostId(pair.first());
                let machine = &mut self.machines[id.index()];
                if machine.timer_at <= at {
                    machine.timer_at = Instant::FAR;
                }
                if machine.runs {
                    self.run_timers(id);
                }
            }
        }
        Happened::Something
    }

    /// The packet in this place reaches a host, if it is one that takes part in what happens.
    #[inline(always)]
    fn arrival(&mut self, to: HostId, slot: u32, may_end: bool) -> Happened {
        let at = self.now;
        if let (Some(machine), Some(flying)) = (self.machines.get_mut(to.index()), self.in_flight.slots.get(index(slot)))
            && machine.runs & !machine.has_lost_addrs & self.chains.is_none()
        {
            self.trace.labelled_delivered(at, to.0, &flying.packet, &flying.label);
            let now = machine.clock.own(at);
            let may_end = may_end & self.queue.is_idle_until(at);
            match machine.host.take_packet_short(now, &flying.packet, &flying.ends, may_end, &mut self.calms) {
                Landing::Ends { waiter, received, is_armed } => {
                    if is_armed {
                        self.follow_timer(to);
                    }
                    return Happened::Ended(waiter, Data { slot, len: received });
                }
                Landing::Wakes { waiter, is_armed } => {
                    self.in_flight.land(slot);
                    if is_armed {
                        self.follow_timer(to);
                    }
                    return Happened::Woken(waiter);
                }
                Landing::Done => self.arrived(to, slot),
                Landing::Long => self.take_in(to, slot),
            }
        } else {
            self.arrive_with_care(to, slot);
        }
        Happened::Something
    }

    /// The data of the packet whose arrival has ended a receive, to where its caller wants it.
    #[inline(always)]
    pub fn take_data(&mut self, data: Data, into: &mut [u8]) {
        if let (Some(from), Some(into)) = (self.in_flight.packet(data.slot).data().get(..data.len), into.get_mut(..data.len)) {
            into.copy_from_slice(from);
        }
        // What it was is left there for the next one.
        let owner = self.in_flight.slots.get(index(data.slot)).map_or(NONE, |flying| flying.owner);
        match self.machines.get_mut(index(owner)) {
            Some(machine) if machine.spare == NONE => machine.spare = data.slot,
            Some(_) | None => self.in_flight.land(data.slot),
        }
    }

    /// The packet in this place reaches a host.
    pub(super) fn arrive(&mut self, to: HostId, slot: u32) {
        let at = self.now;
        if let Some(chains) = &mut self.chains {
            chains.reached(to, at);
        }
        let Flying { packet, label, .. } = &self.in_flight.slots[index(slot)];
        self.trace.labelled_delivered(at, to.0, packet, label);
        self.take_in(to, slot);
    }

    /// The packet in this place, which has reached a host, is taken in.
    #[inline(never)]
    fn take_in(&mut self, to: HostId, slot: u32) {
        let machine = &mut self.machines[to.index()];
        let mut luck = LuckOf::new(&mut self.choice, machine.latitude);
        let mut cx = Cx { now: machine.clock.own(self.now), luck: &mut luck };
        machine.host.take_packet(&mut cx, self.in_flight.packet_mut(slot));
        self.arrived(to, slot);
    }

    /// The packet in this place has been taken in.
    #[inline(never)]
    fn arrived(&mut self, to: HostId, slot: u32) {
        self.in_flight.land(slot);
        self.follow(to);
    }
}
