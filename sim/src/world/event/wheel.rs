//! The wheel of the event queue: its nodes, the lists of its slots, and how these move down as time goes on. What it promises stands at the head of
//! [the queue's file](super), which alone decides what goes into it.

use super::EventQueue;
use crate::prefetch::prefetch;

/// An event, or an unused place for one.
#[derive(Clone)]
pub(super) struct Node<E> {
    pub(super) at: u64,
    /// The next node of the slot's list, or of the list of unused ones.
    pub(super) next: u32,
    pub(super) event: Option<E>,
}

/// A list of nodes; meaningless while its bit in `occupied` is 0.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) head: u32,
    pub(super) tail: u32,
    /// The instant of the head.
    pub(super) head_at: u64,
}

/// Where a list is: a level and a slot of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) level: usize,
    /// The slot's bit in its level's word.
    pub(super) bit: u64,
    /// Its index in `slots`.
    pub(super) slot: usize,
}

pub(super) const LEVELS: usize = 11;
pub(super) const SLOTS: usize = 64;
pub(super) const BITS_PER_LEVEL: u32 = 6;
/// The end of a list.
pub(super) const NONE: u32 = u32::MAX;

const _: () = assert!(SLOTS == 1 << BITS_PER_LEVEL);
const _: () = assert!(LEVELS * 6 >= 64, "the levels tell all instants apart");

impl<E> EventQueue<E> {
    #[inline]
    pub(super) fn allocate(&mut self, at: u64, event: E) -> u32 {
        let index = self.free;
        match self.nodes.get_mut(index as usize) {
            Some(node) => {
                let next = node.next;
                self.free = next;
                node.at = at;
                node.event = Some(event);
                // The next one is at hand, having been fetched the last time.
                if let Some(node) = self.nodes.get(next as usize).and_then(|next| self.nodes.get(next.next as usize)) {
                    prefetch(node);
                }
                index
            }
            None => self.grow(at, event),
        }
    }

    /// A node more; none is unused.
    #[cold]
    fn grow(&mut self, at: u64, event: E) -> u32 {
        let index = u32::try_from(self.nodes.len()).ok().filter(|i| *i != NONE).expect("fewer than 2^32 - 1 events are pending");
        self.nodes.push(Node { at, next: NONE, event: Some(event) });
        index
    }

    /// Takes an event out of its node: its instant, the next node of its list, the event.
    #[inline]
    pub(super) fn release(&mut self, index: u32) -> (u64, u32, E) {
        let free = std::mem::replace(&mut self.free, index);
        let node = self.node_mut(index);
        let next = std::mem::replace(&mut node.next, free);
        (node.at, next, node.event.take().expect("a linked node holds an event"))
    }

    #[inline]
    pub(super) fn node(&self, index: u32) -> &Node<E> {
        &self.nodes[index as usize]
    }

    #[inline]
    fn node_mut(&mut self, index: u32) -> &mut Node<E> {
        &mut self.nodes[index as usize]
    }

    /// Where an event at this instant belongs.
    #[inline]
    pub(super) fn place(&self, at: u64) -> Place {
        let level = ((at ^ self.base) | 1).ilog2() / BITS_PER_LEVEL;
        let slot = usize::try_from((at >> (level * BITS_PER_LEVEL)) % 64).expect("a slot number is below 64");
        let level = level as usize;
        Place { level, bit: 1 << slot, slot: level * SLOTS + slot }
    }

    #[inline]
    pub(super) fn is_occupied(&self, place: Place) -> bool {
        self.occupied[place.level] & place.bit != 0
    }

    /// Begins a list of these nodes, all of them of one instant.
    #[inline]
    fn start_list(&mut self, place: Place, list: Slot) {
        self.occupied[place.level] |= place.bit;
        self.mixed[place.level] &= !place.bit;
        self.levels |= 1 << place.level;
        match self.slots.get_mut(place.slot) {
            Some(slot) => *slot = list,
            None => self.make_slots(place, list),
        }
    }

    /// The first list of all.
    #[cold]
    fn make_slots(&mut self, place: Place, list: Slot) {
        self.slots = vec![Slot { head: NONE, tail: NONE, head_at: 0 }; SLOTS * LEVELS];
        self.slots[place.slot] = list;
    }

    /// Puts an event, pushed last of all at its instant, into its list, and keeps the earliest at the list's head.
    #[inline(always)]
    pub(super) fn link(&mut self, index: u32, at: u64) {
        let place = self.place(at);
        if self.is_occupied(place) && at < self.slots[place.slot].head_at {
            self.link_first(index, at);
        } else {
            self.link_last(place, index, at);
        }
    }

    /// Puts an event, which is earlier than all in its list or first among equals, at the head of that list.
    #[cold]
    pub(super) fn link_first(&mut self, index: u32, at: u64) {
        let place = self.place(at);
        if self.is_occupied(place) {
            let list = &mut self.slots[place.slot];
            if list.head_at != at {
                self.mixed[place.level] |= place.bit;
                list.head_at = at;
            }
            let head = std::mem::replace(&mut list.head, index);
            self.node_mut(index).next = head;
        } else {
            self.node_mut(index).next = NONE;
            self.start_list(place, Slot { head: index, tail: index, head_at: at });
        }
    }

    /// Puts an event at the tail of its list.
    #[inline(always)]
    fn link_last(&mut self, place: Place, index: u32, at: u64) {
        self.node_mut(index).next = NONE;
        if self.is_occupied(place) {
            let list = &mut self.slots[place.slot];
            if list.head_at != at {
                self.mixed[place.level] |= place.bit;
            }
            let tail = std::mem::replace(&mut list.tail, index);
            self.node_mut(tail).next = index;
        } else {
            self.start_list(place, Slot { head: index, tail: index, head_at: at });
        }
    }

    /// Moves `base` to the instant of the event just popped: the events of the slot that it belonged to move down.
    pub(super) fn advance(&mut self, at: u64) {
        let place = self.place(at);
        self.base = at;
        if place.level != 0 && self.is_occupied(place) {
            self.move_down(place, self.slots[place.slot].head);
        }
    }

    /// Takes the list in this place, which begins with this node, to the lower levels, which are empty.
    pub(super) fn move_down(&mut self, place: Place, head: u32) {
        let is_mixed = self.mixed[place.level] & place.bit != 0;
        let tail = self.slots[place.slot].tail;
        self.clear(place);
        if !is_mixed {
            // One instant: it is one list there as here.
            let head_at = self.node(head).at;
            return self.start_list(self.place(head_at), Slot { head, tail, head_at });
        }
        let mut index = head;
        while index != NONE {
            let Node { at, next, .. } = *self.node(index);
            self.link(index, at);
            index = next;
        }
    }

    #[inline]
    pub(super) fn clear(&mut self, place: Place) {
        self.occupied[place.level] &= !place.bit;
        if self.occupied[place.level] == 0 {
            self.levels &= !(1 << place.level);
        }
    }

    /// The list whose head is the earliest event in the wheel, which is not empty.
    #[inline]
    pub(super) fn first_list(&self) -> Place {
        let level = self.levels.trailing_zeros() as usize;
        let word = self.occupied[level];
        Place { level, bit: word & word.wrapping_neg(), slot: level * SLOTS + word.trailing_zeros() as usize }
    }

    /// How many events are in the wheel.
    #[cfg(test)]
    pub(super) fn len_of_wheel(&self) -> usize {
        let lists = (0..SLOTS * LEVELS).filter(|slot| self.occupied[slot / SLOTS] & 1 << (slot % SLOTS) != 0);
        let nodes = lists.map(|slot| {
            let next = |index: &u32| Some(self.node(*index).next).filter(|next| *next != NONE);
            std::iter::successors(Some(self.slots[slot].head), next).count()
        });
        nodes.sum()
    }
}
