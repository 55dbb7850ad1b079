//! One epoll instance, `epoll(7)`: its interest list and its ready list, as a value.
//!
//! It follows Linux's `fs/eventpoll.c` where a program can tell: the ready list is in order of becoming ready, a level-triggered entry
//! goes back to its tail after each report, an event is filtered by its wake-up key when it happens and by the file's mask when it is
//! collected. What it leaves to the host: descriptor numbers and their errors, who sleeps in `epoll_wait(2)`, and the files' wait
//! queues. The host keeps the [`ItemId`] that [`Epoll::add`] gives in the file's wait queue (at its head; at its tail with
//! `EPOLLEXCLUSIVE`), calls [`Epoll::notify`] when the file wakes that queue, and [`Epoll::remove`] when the file's last descriptor goes.
//!
//! `F` names an open file description. Nothing is allocated but by `add`, when the list grows.

use super::poll::wakes;
use std::collections::BTreeMap;
use twinsock::consts as c;
use twinsock::raw::{EpollEvent, RawFd};
use twinsock::{Errno, PollEvents, Result};

/// How deep epoll instances may watch each other, Linux's `EP_MAX_NESTS`.
pub const NESTS_MAX: usize = 4;

const ET: u32 = c::EPOLLET.cast_unsigned();
const ONESHOT: u32 = c::EPOLLONESHOT.cast_unsigned();
const EXCLUSIVE: u32 = c::EPOLLEXCLUSIVE.cast_unsigned();
/// `EPOLLWAKEUP`: about suspending the machine, without effect here.
const WAKEUP: u32 = 1 << 29;
const ERR_HUP: u32 = (c::EPOLLERR | c::EPOLLHUP).cast_unsigned();
const IN: u32 = c::EPOLLIN.cast_unsigned();
const OUT: u32 = c::EPOLLOUT.cast_unsigned();
/// The bits that are modes, not events: an entry that has no other is disarmed. Linux's `EP_PRIVATE_BITS`.
const MODES: u32 = WAKEUP | ONESHOT | ET | EXCLUSIVE;
/// What `EPOLLEXCLUSIVE` may be combined with, Linux's `EPOLLEXCLUSIVE_OK_BITS`.
const EXCLUSIVE_ALLOWED: u32 = IN | OUT | ERR_HUP | WAKEUP | ET | EXCLUSIVE;

/// An operation of `epoll_ctl(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `EPOLL_CTL_ADD`.
    Add,
    /// `EPOLL_CTL_MOD`.
    Modify,
    /// `EPOLL_CTL_DEL`.
    Delete,
}

impl Op {
    /// The operation of this number, if there is one.
    #[must_use]
    pub(crate) const fn from_raw(op: i32) -> Option<Op> {
        match op {
            c::EPOLL_CTL_ADD => Some(Op::Add),
            c::EPOLL_CTL_MOD => Some(Op::Modify),
            c::EPOLL_CTL_DEL => Some(Op::Delete),
            _ => None,
        }
    }
}

/// What an entry watches: a descriptor number and the open file description that it meant when it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key<F> {
    /// The number.
    pub fd: RawFd,
    /// The open file description.
    pub file: F,
}

/// Names an entry from [`Epoll::add`] until it is removed, and nothing afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ItemId {
    index: u32,
    generation: u32,
}

/// What [`Epoll::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The entry, for the file's wait queue.
    pub item: ItemId,
    /// The entry is ready: one waiter and those that watch this instance are to be woken.
    pub wake: bool,
}

/// What a file's event did to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notified {
    /// The event counts: one waiter and those that watch this instance (with `poll::KEY_EPOLL`) are to be woken.
    pub wake: bool,
    /// The entry is exclusive and has taken the wake-up: no further exclusive entry of the file's wait queue gets it. (A wake-up of
    /// all, `poll::KEY_STATE`, goes on regardless.)
    pub taken: bool,
}

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll<F> {
    slots: Vec<Slot<F>>,
    free: Option<u32>,
    index: BTreeMap<Key<F>, u32>,
    /// The ready list, linked through `Item::previous` and `Item::next`.
    ready: Option<Ends>,
}

impl<F> Default for Epoll<F> {
    fn default() -> Epoll<F> {
        Epoll { slots: Vec::new(), free: None, index: BTreeMap::new(), ready: None }
    }
}

impl<F: Copy + Ord> Epoll<F> {
    /// An instance that watches nothing, `epoll_create1(2)`.
    #[must_use]
    pub(crate) fn new() -> Epoll<F> {
        Epoll::default()
    }

    /// The checks of `epoll_ctl(2)` on its arguments, after those on the descriptors (EBADF, EPERM, EINVAL for itself and for a
    /// descriptor that is not an epoll instance) and before those on cycles.
    ///
    /// # Errors
    /// `EINVAL`: no such operation, `EPOLLEXCLUSIVE` where it may not be. `EFAULT`: an event is needed and there is none.
    pub(crate) fn check_ctl(op: i32, event: Option<EpollEvent>, target_is_epoll: bool) -> Result<Op> {
        let Some(op) = Op::from_raw(op) else { return Err(Errno::INVAL) };
        let exclusive = match (op, event) {
            (Op::Delete, _) => return Ok(op),
            (Op::Add | Op::Modify, None) => return Err(Errno::FAULT),
            (Op::Add | Op::Modify, Some(event)) => event.events & EXCLUSIVE != 0,
        };
        let refused = match op {
            Op::Modify => exclusive,
            Op::Add => {
                let events = event.map_or(0, |event| event.events);
                exclusive && (target_is_epoll || events & !EXCLUSIVE_ALLOWED != 0)
            }
            Op::Delete => false,
        };
        if refused { Err(Errno::INVAL) } else { Ok(op) }
    }

    /// Adds an entry, `EPOLL_CTL_ADD`; `mask` asks what the file's poll says now. (A closure, since polling a nested instance drops what
    /// is stale in it, and a refused call polls nothing.)
    ///
    /// # Errors
    /// `EEXIST`: the key is there already.
    pub(crate) fn add(&mut self, key: Key<F>, event: EpollEvent, mask: impl FnOnce() -> PollEvents) -> Result<Added> {
        if self.index.contains_key(&key) {
            return Err(Errno::EXIST);
        }
        let item = Item { key, events: event.events | ERR_HUP, data: event.data, link: None };
        let (index, generation) = self.insert(item);
        self.index.insert(key, index);
        let wake = self.push_if_ready(index, mask());
        Ok(Added { item: ItemId { index, generation }, wake })
    }

    /// Changes an entry, `EPOLL_CTL_MOD`, and arms it again: if `mask`, which asks what the file's poll says now, has an event that it
    /// asks for, it becomes ready. Answers whether to wake, as [`Added::wake`].
    ///
    /// # Errors
    /// `ENOENT`: no such entry. `EINVAL`: it is exclusive.
    pub(crate) fn modify(&mut self, key: Key<F>, event: EpollEvent, mask: impl FnOnce() -> PollEvents) -> Result<bool> {
        let index = *self.index.get(&key).ok_or(Errno::NOENT)?;
        let item = self.item_mut(index);
        if item.events & EXCLUSIVE != 0 {
            return Err(Errno::INVAL);
        }
        item.events = event.events | ERR_HUP;
        item.data = event.data;
        Ok(self.push_if_ready(index, mask()))
    }

    /// Removes an entry, `EPOLL_CTL_DEL`; the file's wait queue is to forget the item that it names.
    ///
    /// # Errors
    /// `ENOENT`: no such entry.
    pub(crate) fn delete(&mut self, key: Key<F>) -> Result<ItemId> {
        let item = self.find(key).ok_or(Errno::NOENT)?;
        self.remove(item);
        Ok(item)
    }

    /// Removes an entry: the last descriptor of its file is closed. An item that is gone already is passed over.
    pub(crate) fn remove(&mut self, item: ItemId) {
        let Some(entry) = self.get(item) else { return };
        let key = entry.key;
        if entry.link.is_some() {
            self.unlink(item.index);
        }
        self.index.remove(&key);
        let slot = &mut self.slots[as_index(item.index)];
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = SlotState::Free { next: self.free };
        self.free = Some(item.index);
    }

    /// The file of this item has an event: `key` is the wake-up key, none meaning "anything may have changed". `has_waiters` says
    /// whether somebody sleeps in `epoll_wait(2)` on this instance.
    pub(crate) fn notify(&mut self, item: ItemId, key: PollEvents, has_waiters: bool) -> Notified {
        let Some(entry) = self.get(item) else { return Notified { wake: false, taken: false } };
        let events = entry.events;
        let is_linked = entry.link.is_some();
        if events & !MODES == 0 || !wakes(key, events_asked(events)) {
            // Disarmed, or an event that the entry does not ask for.
            return Notified { wake: false, taken: false };
        }
        if !is_linked {
            self.push(item.index);
        }
        Notified { wake: true, taken: events & EXCLUSIVE != 0 && has_waiters && takes_exclusive(events, key) }
    }

    /// Fills `out` with what is ready, `epoll_wait(2)`, and answers how many events it holds. Every entry of the ready list is polled
    /// again by `mask_of`: one that has nothing to report is dropped. If [`Epoll::has_ready`] afterwards, the next waiter is to be woken.
    pub(crate) fn collect(&mut self, out: &mut [EpollEvent], mut mask_of: impl FnMut(&Key<F>) -> PollEvents) -> usize {
        let Some(Ends { tail: last, .. }) = self.ready else { return 0 };
        let mut count = 0;
        while count < out.len() {
            let Some(Ends { head, .. }) = self.ready else { break };
            self.unlink(head);
            let item = self.item_mut(head);
            let revents = report(item.events, mask_of(&item.key));
            if revents != 0 {
                out[count] = EpollEvent { events: revents, data: item.data };
                count += 1;
                if item.events & ONESHOT != 0 {
                    item.events &= MODES;
                } else if item.events & ET == 0 {
                    // Level-triggered: to be looked at again by the next call, behind those that wait for their first report.
                    self.push(head);
                }
            }
            if head == last {
                break;
            }
        }
        count
    }

    /// What `poll(2)` says of the instance: readable, if an entry of the ready list has something to report.
    pub(crate) fn poll_mask(&mut self, mut mask_of: impl FnMut(&Key<F>) -> PollEvents) -> PollEvents {
        while let Some(Ends { head, .. }) = self.ready {
            let item = self.item(head);
            if report(item.events, mask_of(&item.key)) != 0 {
                return PollEvents::IN | PollEvents::RDNORM;
            }
            self.unlink(head);
        }
        PollEvents::NONE
    }

    /// Whether the ready list holds an entry, which may turn out to have nothing to report.
    #[must_use]
    pub(crate) fn has_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// The entry with this key.
    #[must_use]
    pub(crate) fn find(&self, key: Key<F>) -> Option<ItemId> {
        self.index.get(&key).map(|index| ItemId { index: *index, generation: self.slots[as_index(*index)].generation })
    }

    /// What this item watches.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn key(&self, item: ItemId) -> Option<Key<F>> {
        self.get(item).map(|entry| entry.key)
    }

    /// Whether this item is exclusive: such an item stands in the file's wait queue behind the others, in order of being added.
    #[must_use]
    pub(crate) fn is_exclusive(&self, item: ItemId) -> bool {
        self.get(item).is_some_and(|entry| entry.events & EXCLUSIVE != 0)
    }

    /// Every entry, in order of key: what the files' wait queues are to forget when the instance is closed.
    pub(crate) fn items(&self) -> impl Iterator<Item = (ItemId, Key<F>)> + '_ {
        self.index
            .iter()
            .map(|(key, index)| (ItemId { index: *index, generation: self.slots[as_index(*index)].generation }, *key))
    }

    /// Every entry and what it is about, in order of key.
    pub(crate) fn registered(&self) -> impl Iterator<Item = (Key<F>, EpollEvent)> + '_ {
        let item = |index: &u32| match &self.slots[as_index(*index)].state {
            SlotState::Used(item) => Some((item.key, EpollEvent { events: item.events, data: item.data })),
            SlotState::Free { .. } => None,
        };
        self.index.values().filter_map(item)
    }

    /// How many entries there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    fn push_if_ready(&mut self, index: u32, mask: PollEvents) -> bool {
        let item = self.item(index);
        let wake = report(item.events, mask) != 0 && item.link.is_none();
        if wake {
            self.push(index);
        }
        wake
    }

    fn insert(&mut self, item: Item<F>) -> (u32, u32) {
        if let Some(index) = self.free {
            let slot = &mut self.slots[as_index(index)];
            self.free = match slot.state {
                SlotState::Free { next } => next,
                SlotState::Used(_) => unreachable!("the free list holds free slots"),
            };
            slot.state = SlotState::Used(item);
            return (index, slot.generation);
        }
        let index = u32::try_from(self.slots.len()).expect("an interest list holds fewer than 1 << 32 entries");
        self.slots.push(Slot { generation: 0, state: SlotState::Used(item) });
        (index, 0)
    }

    fn get(&self, id: ItemId) -> Option<&Item<F>> {
        match self.slots.get(as_index(id.index)) {
            Some(Slot { generation, state: SlotState::Used(item) }) if *generation == id.generation => Some(item),
            Some(_) | None => None,
        }
    }

    fn item(&self, index: u32) -> &Item<F> {
        match &self.slots[as_index(index)].state {
            SlotState::Used(item) => item,
            SlotState::Free { .. } => unreachable!("the ready list and the index name entries in use"),
        }
    }

    fn item_mut(&mut self, index: u32) -> &mut Item<F> {
        match &mut self.slots[as_index(index)].state {
            SlotState::Used(item) => item,
            SlotState::Free { .. } => unreachable!("the ready list and the index name entries in use"),
        }
    }

    /// Puts an entry at the tail of the ready list.
    fn push(&mut self, index: u32) {
        let previous = self.ready.map(|ends| ends.tail);
        self.item_mut(index).link = Some(Link { previous, next: None });
        let head = match previous {
            Some(tail) => {
                self.link_mut(tail).next = Some(index);
                self.ready.map_or(index, |ends| ends.head)
            }
            None => index,
        };
        self.ready = Some(Ends { head, tail: index });
    }

    /// Takes an entry out of the ready list.
    fn unlink(&mut self, index: u32) {
        let Link { previous, next } = self.item_mut(index).link.take().expect("an entry is taken out only while it is in");
        if let Some(previous) = previous {
            self.link_mut(previous).next = next;
        }
        if let Some(next) = next {
            self.link_mut(next).previous = previous;
        }
        let Ends { head, tail } = self.ready.expect("a list with an entry has ends");
        let head = if head == index { next } else { Some(head) };
        let tail = if tail == index { previous } else { Some(tail) };
        self.ready = head.zip(tail).map(|(head, tail)| Ends { head, tail });
    }

    fn link_mut(&mut self, index: u32) -> &mut Link {
        self.item_mut(index).link.as_mut().expect("a neighbour in the ready list is in the ready list")
    }
}

/// Whether watching `target` from `epoll` is refused with ELOOP: the graph of instances would have a cycle, or be deeper than
/// [`NESTS_MAX`]. `watched` lists the instances that an instance watches, `watchers` those that watch it.
pub fn makes_loop<E: Copy + PartialEq>(
    epoll: E,
    target: E,
    mut watched: impl FnMut(E) -> Vec<E>,
    mut watchers: impl FnMut(E) -> Vec<E>,
) -> bool {
    let Some(below) = depth(target, &mut |at| if at == epoll { None } else { Some(watched(at)) }, 0) else { return true };
    let Some(above) = depth(epoll, &mut |at| Some(watchers(at)), 0) else { return true };
    below + 1 + above > NESTS_MAX
}

/// The longest path from here; `None` where `next` forbids an instance on it or it is too long.
fn depth<E: Copy>(from: E, next: &mut impl FnMut(E) -> Option<Vec<E>>, level: usize) -> Option<usize> {
    if level > NESTS_MAX {
        return None;
    }
    let mut longest = 0;
    for one in next(from)? {
        longest = longest.max(1 + depth(one, next, level + 1)?);
    }
    Some(longest)
}

/// What is reported of a file with this mask to an entry with these events.
fn report(events: u32, mask: PollEvents) -> u32 {
    mask.raw().cast_unsigned() & events & !MODES
}

/// The poll events among an entry's bits.
fn events_asked(events: u32) -> PollEvents {
    PollEvents::from_raw((events & !MODES).cast_signed())
}

/// Whether an exclusive entry with somebody waiting takes a wake-up, `ep_poll_callback`'s `ewake`.
fn takes_exclusive(events: u32, key: PollEvents) -> bool {
    match key.raw().cast_unsigned() & (IN | OUT) {
        0 => true,
        IN => events & IN != 0,
        OUT => events & OUT != 0,
        // Linux has no case for both at once.
        _ => false,
    }
}

fn as_index(index: u32) -> usize {
    usize::try_from(index).expect("a usize holds 32 bits")
}

#[derive(Debug)]
struct Slot<F> {
    generation: u32,
    state: SlotState<F>,
}

#[derive(Debug)]
enum SlotState<F> {
    Free { next: Option<u32> },
    Used(Item<F>),
}

#[derive(Debug)]
struct Item<F> {
    key: Key<F>,
    events: u32,
    data: u64,
    /// The place in the ready list, while it is there.
    link: Option<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    previous: Option<u32>,
    next: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    head: u32,
    tail: u32,
}

#[cfg(test)]
mod tests;
