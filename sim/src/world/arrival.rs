//! What happens next, and packets that arrive.

use super::in_flight::Flying;
use super::{Alarm, Due, HostId, World, index};
use crate::choice::LuckOf;
use crate::host::{Asked, Cx, Landing, Token, store_inet_name};
use crate::packet::{Body, copy_few};
use crate::seldom::unlikely;
use std::num::NonZeroU64;
use twinsock::Instant;

/// What a step of the world came to.
pub enum Happened {
    /// Something that the world itself deals with.
    Something,
    /// The same, and this is the only waiter to be woken: [`World::poll_wake`] has none.
    Woken(Token),
    /// What a waiter waits for is over.
    Ended(Ended),
    /// An alarm, for the driver to act on.
    Alarm(Alarm),
}

/// What a waiter waits for is over: a receive, which is to have what [`World::take_data`] gives.
pub struct Ended {
    /// Who has waited.
    pub waiter: Token,
    /// What it has waited for.
    pub data: Data,
    /// When it goes on.
    pub at: Instant,
}

/// What a receive that has ended returns: the first so many bytes of what the packet in some place carries.
///
/// It is one word, so that it is loaded as it was stored, and a load need not wait for two stores: the number of the place in the high half, below a bit that says that
/// this is something, that of the bytes in the low one.
#[derive(Clone, Copy, Debug)]
pub struct Data(NonZeroU64);

const IS_SOMETHING: NonZeroU64 = NonZeroU64::new(1 << 63).expect("a bit is not 0");

impl Data {
    #[inline(always)]
    fn new(slot: u32, len: u32) -> Data {
        debug_assert!(slot <= u32::MAX >> 1, "there are fewer places");
        Data(IS_SOMETHING | (u64::from(slot) << 32 | u64::from(len)))
    }

    #[inline(always)]
    fn slot(self) -> u32 {
        u32::try_from(self.0.get() << 1 >> 33).expect("what is below a bit of the high half is less than 32 bits")
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        usize::try_from(self.0.get() & u64::from(u32::MAX)).expect("the low half is 32 bits")
    }
}

impl World {
    /// [`World::step`] for a driver that would take the only waiter to be woken from the queue of those, where one is. `goes_on`: when one that is woken now
    /// would go on, if it would be the next to run where nothing more is due until then: there what it waits for may end at once.
    ///
    /// # Panics
    /// If the queue went back in time: a bug here.
    #[inline(always)]
    pub(crate) fn happen(&mut self, goes_on: impl FnOnce(Instant) -> Option<Instant>) -> Option<Happened> {
        if unlikely(self.is_timer_next()) && self.run_next_timer() {
            return Some(Happened::Something);
        }
        let (at, due) = self.queue.pop()?;
        self.come_to(at);
        Some(match due {
            Due::Arrival(pair) => self.arrival(HostId(pair.first()), pair.second(), goes_on),
            Due::Alarm(alarm) => Happened::Alarm(alarm),
            due @ (Due::Damaged(_) | Due::Sending(_) | Due::Unjudged(_)) => {
                self.happen_seldom(due).map_or(Happened::Something, Happened::Alarm)
            }
        })
    }

    /// What happens next, if that is an alarm of this moment, is at hand, and something can be `told` of it; else nothing has happened.
    #[inline(always)]
    pub(crate) fn next_alarm<T>(&mut self, told: impl FnOnce(Alarm) -> Option<T>) -> Option<(T, Alarm)> {
        if self.queue.next_at() != self.now || !self.timers.is_idle_until(self.now) {
            return None;
        }
        self.queue.pop_if(|due| due.alarm(told))
    }

    /// The earliest timer of all hosts goes off, next of all. An entry that is too early moves: nothing happens at its moment, and it does not become now, for whether
    /// there is one depends on which way a call took. `false`: there is none.
    #[cold]
    #[inline(never)]
    fn run_next_timer(&mut self) -> bool {
        let Some((at, id)) = self.next_timer() else { return false };
        let machine = &self.machines[id.index()];
        let own = if machine.runs { machine.host.poll_timeout() } else { None };
        if own.is_some_and(|own| own <= machine.clock.own(at)) {
            self.come_to(at);
            self.run_timers(id);
        } else {
            let moment = own.map_or(Instant::FAR, |own| machine.clock.moment(own));
            self.set_timer(id, moment);
        }
        true
    }

    /// The moment of what happens next has come.
    #[inline(always)]
    fn come_to(&mut self, at: Instant) {
        assert!(at >= self.now, "time does not go back");
        self.now = at;
        self.choice.set_now(at);
    }

    #[cold]
    #[inline(never)]
    fn happen_seldom(&mut self, due: Due) -> Option<Alarm> {
        match due {
            Due::Arrival(pair) => self.arrive_with_care(HostId(pair.first()), pair.second()),
            Due::Alarm(alarm) => return Some(alarm),
            Due::Damaged(pair) => self.arrive_damaged(HostId(pair.first()), pair.second()),
            Due::Sending(pair) => self.send_late(pair.first(), pair.second()),
            Due::Unjudged(pair) => return Some(self.show_to_rules(pair.first(), pair.second())),
        }
        None
    }

    /// The packet in this place reaches a host, if it is one that takes part in what happens.
    #[inline(always)]
    fn arrival(&mut self, to: HostId, slot: u32, goes_on: impl FnOnce(Instant) -> Option<Instant>) -> Happened {
        let at = self.now;
        if let (Some(machine), Some(flying)) = (self.machines.get_mut(to.index()), self.in_flight.slots.get_mut(index(slot)))
            && machine.runs & !machine.has_lost_addrs & self.chains.is_none()
        {
            self.trace.labelled_delivered(at, to.0, &flying.packet, &flying.label);
            let now = machine.clock.own(at);
            let end = goes_on(at).filter(|end| self.queue.is_idle_until(*end) && self.timers.is_idle_until(*end));
            let own_end = end.map(|end| machine.clock.own(end));
            match machine.host.take_packet_short(now, &mut flying.packet, &mut flying.ends, own_end, &mut self.calms) {
                Landing::Ends { waiter, received, is_armed } => {
                    let end = end.expect("a receive ends only where it may");
                    if is_armed {
                        self.follow_timer(to);
                    }
                    return Happened::Ended(Ended { waiter, data: Data::new(slot, received), at: end });
                }
                Landing::Kept => {
                    if flying.land() {
                        self.in_flight.free_again(slot);
                    }
                }
                Landing::Quiet { is_armed } => {
                    self.in_flight.land(slot);
                    if is_armed {
                        self.follow_timer(to);
                    }
                }
                landing @ (Landing::Wakes { .. } | Landing::Done | Landing::Unheard | Landing::Long) => {
                    return self.landed(to, slot, landing).map_or(Happened::Something, Happened::Woken);
                }
            }
        } else {
            self.arrive_with_care(to, slot);
        }
        Happened::Something
    }

    /// The packet in this place has reached a host, and somebody may have to be woken for it: answers who, if it is one.
    #[inline(always)]
    fn landed(&mut self, to: HostId, slot: u32, landing: Landing) -> Option<Token> {
        match landing {
            Landing::Wakes { waiter, is_armed } => {
                self.in_flight.land(slot);
                if is_armed {
                    self.follow_timer(to);
                }
                return Some(waiter);
            }
            Landing::Ends { .. } | Landing::Quiet { .. } => unreachable!("`arrival` has seen to it"),
            Landing::Kept => self.in_flight.land(slot),
            Landing::Unheard => return self.land_unheard(to, slot),
            Landing::Done => {
                self.in_flight.land(slot);
                self.follow_here(to);
            }
            Landing::Long => self.take_in(to, slot),
        }
        self.wakes.pop_only()
    }

    /// The datagram in this place is the first of its way to reach its host, or the first since something has changed there.
    #[cold]
    #[inline(never)]
    fn land_unheard(&mut self, to: HostId, slot: u32) -> Option<Token> {
        let machine = &mut self.machines[to.index()];
        let Flying { packet, ends, .. } = &mut self.in_flight.slots[index(slot)];
        // A receive that has waited for it is woken, which comes to the same: whoever is told here is told of no end.
        let landing = machine.host.take_unheard(machine.clock.own(self.now), packet, ends);
        self.landed(to, slot, landing)
    }

    /// What a receive has received, to where its caller wants it. Answers how many bytes that is.
    #[inline(always)]
    pub(crate) fn take_data(&mut self, data: Data, into: &mut [u8]) -> usize {
        let (slot, len) = (data.slot(), data.bytes());
        let flying = &mut self.in_flight.slots[index(slot)];
        if let Some(from) = flying.packet.first_of_data(len)
            && let Some(into) = into.get_mut(..len)
        {
            copy_few(into, from);
        }
        if flying.land() {
            self.in_flight.free_again(slot);
        }
        len
    }

    /// The same of a datagram, with the name of its sender, for which there is room if it is asked for.
    #[inline(always)]
    pub(crate) fn take_datagram(&mut self, data: Data, into: &mut [u8], asked: Asked<'_, '_>) -> usize {
        let packet = self.in_flight.packet(data.slot());
        // A message does not end this way: it has more to be written to than data and a name.
        if let Asked::Sender(name) = asked
            && let Body::Udp(datagram) = &packet.body
        {
            let is_stored = store_inet_name(packet.src, datagram.src_port, name);
            debug_assert!(is_stored, "a receive ends this way only if it has room for the name");
        }
        self.take_data(data, into)
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
        let Flying { packet, ends, .. } = &mut self.in_flight.slots[index(slot)];
        let known = *ends;
        ends.forget();
        machine.host.take_packet(&mut cx, packet, known);
        self.in_flight.land(slot);
        self.follow(to);
    }
}
