//! The packets on their way, and those that have arrived until what they carry is taken.

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
    /// The host that is to have the place again for its next small packet, of which most is the same; [`NONE`] if no short send has written this one.
    pub(super) owner: u32,
}

/// No host, and no place.
pub(super) const NONE: u32 = u32::MAX;

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
        let slot = self.free.last().copied().unwrap_or_else(|| self.grow());
        let flying = &mut self.slots[index(slot)];
        flying.owner = NONE;
        (slot, flying)
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

    /// A place to be kept for a packet.
    #[inline(never)]
    pub(super) fn reserve(&mut self) -> u32 {
        let (slot, _) = self.place_whole();
        self.take_off();
        // Where one host sends very much at once, it takes one after the other.
        if let [.., next, _, _, _, _] = self.free[..]
            && let Some(flying) = self.slots.get(index(next))
        {
            prefetch(flying);
        }
        slot
    }

    /// The packet in a place that was kept for it is the next one after all.
    #[cold]
    pub(super) fn put_back(&mut self, slot: u32) {
        self.free.push(slot);
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 packets are on their way");
        self.slots.push(Flying { packet: Packet::EMPTY, label: Label::default(), ends: Ends::UNKNOWN, owner: NONE });
        self.free.push(slot);
        slot
    }

    /// The packet in the place that `place` gave is on its way.
    #[inline]
    pub(super) fn take_off(&mut self) {
        self.free.pop();
    }

    /// Gives a packet a place.
    pub(super) fn put(&mut self, packet: Packet) -> u32 {
        let (slot, place) = self.place();
        *place = packet;
        self.take_off();
        slot
    }

    /// Takes a packet out of its place.
    pub(super) fn take(&mut self, slot: u32) -> Packet {
        let packet = std::mem::replace(self.packet_mut(slot), Packet::EMPTY);
        self.free.push(slot);
        packet
    }

    /// The packet in a place has arrived: what is left of it goes.
    #[inline(always)]
    pub(super) fn land(&mut self, slot: u32) {
        if !self.packet(slot).is_plain() {
            self.empty(slot);
        }
        self.free.push(slot);
    }

    #[cold]
    fn empty(&mut self, slot: u32) {
        *self.packet_mut(slot) = Packet::EMPTY;
    }
}

/// The data of a packet that has arrived, until it is taken.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    pub(super) slot: u32,
    pub(super) len: u32,
}

impl Data {
    /// How many bytes it is.
    #[inline]
    #[must_use]
    pub(crate) fn bytes(self) -> usize {
        index(self.len)
    }
}
