//! The packets on their way, and those that have arrived until what they carry is taken.
//!
//! Whoever sends a few bytes keeps a place for its packets ([`InFlight::keep`]), and as a rule finds in it what is nearly the next one: only numbers and data have
//! changed.

use super::index;
use crate::host::Ends;
use crate::packet::Packet;
use crate::prefetch::prefetch;
use crate::trace::Label;

/// The packets on their way, apart from the queue, whose entries stay small. Packets are written and read in their places here.
#[derive(Default)]
pub(super) struct InFlight {
    pub(super) slots: Vec<Flying>,
    free: Vec<u32>,
}

/// A packet on its way. In memory it begins where a line of the caches does, so that it takes no more of them than it has to.
#[repr(align(64))]
pub(super) struct Flying {
    pub(super) packet: Packet,
    /// What the trace knows of it since it was sent; a packet that is written anew, or changed, loses it.
    pub(super) label: Label,
    /// Where it may be found out at once which sockets it goes between.
    pub(super) ends: Ends,
    /// The way that the packet goes, where that has been found out: the same for the next one of the same connection. [`NONE`] if it is to be found out.
    pub(super) path: u32,
    keeping: Keeping,
}

/// Whether somebody keeps a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Keeping {
    /// Nobody does: if it is free, it is among those that are.
    Nobody,
    /// It is kept, and free.
    Free,
    /// It is kept, and something is on its way there.
    Busy,
}

/// No way.
pub(super) const NONE: u32 = u32::MAX;

impl Flying {
    /// The packet is on its way. Answers whether it is in the next place, which so is to be taken.
    #[inline(always)]
    pub(super) fn take_off(&mut self) -> bool {
        let is_next = self.keeping == Keeping::Nobody;
        if !is_next {
            self.keeping = Keeping::Busy;
        }
        is_next
    }

    /// The packet has arrived: what is left of it goes, but for those who keep the place. Answers whether nobody does: then it is free.
    #[inline(always)]
    pub(super) fn land(&mut self) -> bool {
        if self.keeping != Keeping::Nobody {
            self.keeping = Keeping::Free;
            return false;
        }
        if !self.packet.is_plain() {
            self.empty();
        }
        true
    }

    #[cold]
    fn empty(&mut self) {
        self.ends.forget();
        self.packet = Packet::EMPTY;
    }
}

impl InFlight {
    /// The place for the next packet: the same one until it is taken.
    #[inline]
    pub(super) fn place(&mut self) -> (u32, &mut Packet) {
        let (slot, flying) = self.place_whole();
        flying.label.forget();
        flying.ends.forget();
        (slot, &mut flying.packet)
    }

    /// The same for a packet that gets its label at once.
    #[inline]
    pub(super) fn place_whole(&mut self) -> (u32, &mut Flying) {
        let slot = self.next_free();
        let flying = &mut self.slots[index(slot)];
        flying.path = NONE;
        (slot, flying)
    }

    #[inline]
    fn next_free(&mut self) -> u32 {
        self.free.last().copied().unwrap_or_else(|| self.grow())
    }

    /// The place that somebody keeps, if there is one and nothing of it is on its way.
    #[inline(always)]
    pub(super) fn kept(&mut self, slot: u32) -> Option<&mut Flying> {
        self.slots.get_mut(index(slot)).filter(|flying| flying.keeping == Keeping::Free)
    }

    /// The place in which there may be what is nearly the next packet of somebody: the one that it keeps, or, while something is on its way there, the next one, which
    /// whoever sends very much at once has had before.
    #[inline(always)]
    pub(super) fn kept_or_next(&mut self, kept: u32) -> Option<(u32, &mut Flying)> {
        let is_free = self.slots.get(index(kept))?.keeping == Keeping::Free;
        let slot = if is_free { kept } else { self.next_of_many()? };
        Some((slot, &mut self.slots[index(slot)]))
    }

    /// The place for what somebody sends: the one that it keeps, if that is free; otherwise the next one, which it keeps from here on if it has none.
    #[inline(always)]
    pub(super) fn place_of(&mut self, kept: &mut u32) -> u32 {
        match self.slots.get(index(*kept)) {
            Some(flying) if flying.keeping == Keeping::Free => *kept,
            Some(_) => {
                let (slot, _) = self.place_whole();
                slot
            }
            None => {
                *kept = self.keep();
                *kept
            }
        }
    }

    /// The next place, if there is one: where one thread sends very much at once, it takes one after the other.
    #[inline(always)]
    fn next_of_many(&self) -> Option<u32> {
        if let [.., next, _, _, _, _, _] = self.free[..]
            && let Some(flying) = self.slots.get(index(next))
        {
            prefetch(flying);
        }
        self.free.last().copied()
    }

    /// A place that somebody is to keep.
    #[cold]
    fn keep(&mut self) -> u32 {
        let (slot, flying) = self.place_whole();
        flying.keeping = Keeping::Free;
        self.free.pop();
        slot
    }

    /// Nobody keeps this place any longer.
    #[cold]
    pub(super) fn release(&mut self, kept: u32) {
        if let Some(flying) = self.slots.get_mut(index(kept)) {
            match std::mem::replace(&mut flying.keeping, Keeping::Nobody) {
                Keeping::Free => self.free.push(kept),
                Keeping::Busy | Keeping::Nobody => {}
            }
        }
    }

    #[inline]
    pub(super) fn packet(&self, slot: u32) -> &Packet {
        &self.slots[index(slot)].packet
    }

    #[inline]
    pub(super) fn packet_mut(&mut self, slot: u32) -> &mut Packet {
        let flying = &mut self.slots[index(slot)];
        flying.ends.forget();
        &mut flying.packet
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 packets are on their way");
        self.slots.push(Flying {
            packet: Packet::EMPTY,
            label: Label::default(),
            ends: Ends::UNKNOWN,
            path: NONE,
            keeping: Keeping::Nobody,
        });
        self.free.push(slot);
        slot
    }

    /// The packet in the next place is on its way.
    #[inline(always)]
    pub(super) fn take_off_next(&mut self) {
        self.free.pop();
    }

    /// The packet in this place, which is kept or the next one, is on its way.
    #[inline(always)]
    pub(super) fn take_off(&mut self, slot: u32) {
        if self.slots[index(slot)].take_off() {
            self.take_off_next();
        }
    }

    /// The place is free again, and keeps what it holds.
    #[inline(always)]
    pub(super) fn give_back(&mut self, slot: u32) {
        let flying = &mut self.slots[index(slot)];
        match flying.keeping {
            Keeping::Nobody => self.free.push(slot),
            Keeping::Free | Keeping::Busy => flying.keeping = Keeping::Free,
        }
    }

    /// Ways have changed: they are to be found out anew.
    pub(super) fn forget_paths(&mut self) {
        self.slots.iter_mut().for_each(|flying| flying.path = NONE);
    }

    /// Gives a packet a place.
    pub(super) fn put(&mut self, packet: Packet) -> u32 {
        let (slot, place) = self.place();
        *place = packet;
        self.take_off(slot);
        slot
    }

    /// Takes a packet out of its place.
    pub(super) fn take(&mut self, slot: u32) -> Packet {
        let packet = std::mem::replace(self.packet_mut(slot), Packet::EMPTY);
        self.give_back(slot);
        packet
    }

    /// The packet in a place has arrived: what is left of it goes, but for those who keep the place.
    #[inline(always)]
    pub(super) fn land(&mut self, slot: u32) {
        if self.slots[index(slot)].land() {
            self.free.push(slot);
        }
    }

    /// The place is free, which nobody keeps and whose packet [has landed](Flying::land).
    #[inline(always)]
    pub(super) fn free_again(&mut self, slot: u32) {
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_kept_is_nobody_elses() {
        let mut in_flight = InFlight::default();
        let (mut mine, mut yours) = (NONE, NONE);
        assert_eq!(in_flight.place_of(&mut mine), mine);
        in_flight.take_off(mine);
        assert_ne!(in_flight.place_of(&mut yours), mine);
        // While mine is under way I have another, which I do not keep.
        let kept = mine;
        let next = in_flight.place_of(&mut mine);
        assert!(next != kept && next != yours && mine == kept);
        in_flight.take_off(next);
        in_flight.land(kept);
        assert_eq!(in_flight.place_of(&mut mine), kept);
        in_flight.land(next);
        let others = [in_flight.put(Packet::EMPTY), in_flight.put(Packet::EMPTY)];
        assert!(others[0] == next && !others.contains(&kept) && !others.contains(&yours));
    }

    #[test]
    fn a_place_that_is_let_go_of_is_for_others() {
        for is_under_way in [false, true] {
            let mut in_flight = InFlight::default();
            let mut mine = NONE;
            in_flight.place_of(&mut mine);
            if is_under_way {
                in_flight.take_off(mine);
            }
            in_flight.release(mine);
            if is_under_way {
                assert_ne!(in_flight.place().0, mine);
                in_flight.land(mine);
            }
            assert_eq!(in_flight.put(Packet::EMPTY), mine);
            assert!(in_flight.kept(mine).is_none(), "it is under way");
            in_flight.release(NONE);
        }
    }

    #[test]
    fn a_place_keeps_its_way_until_ways_change() {
        let mut in_flight = InFlight::default();
        let mut mine = NONE;
        in_flight.place_of(&mut mine);
        in_flight.slots[index(mine)].path = 7;
        in_flight.take_off(mine);
        in_flight.land(mine);
        assert!(in_flight.kept(mine).is_some_and(|flying| flying.path == 7));
        in_flight.forget_paths();
        assert!(in_flight.kept(mine).is_some_and(|flying| flying.path == NONE));
    }
}
