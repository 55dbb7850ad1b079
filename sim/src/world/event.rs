//! The event queue: what happens next, and what happens first of those due at one instant.
//!
//! A hierarchical timing wheel, 11 levels of 64 slots, which together tell 64-bit instants apart; every event in it is one node of
//! one slab, linked into its slot's list, and a bitmap per level says which slots hold anything. The earliest events stay outside wheel
//! and slab, the very first as the front, the others in a line behind it: what is pushed in order, as the packets of a link are whose delay is always the
//! same, or is to be among the next few, never sees the wheel, and while little is pending nothing does. What is due before most of that, but in order
//! among its like, as the turns of threads are, stands in a line of its own, the short one.
//!
//! Where an event of the wheel belongs follows from its instant and from `base`, the instant of the last event popped: the level is that
//! of the highest bit (in groups of six) in which the two differ, the slot is that group's value. Five facts hold
//! between any two calls, and everything else follows from them (the queue proper is the front, the line and the wheel):
//!
//! 1. Every event in the wheel is where its instant and `base` say. When `base` moves to a popped event's instant, only the slot
//!    which that event belonged to changes its meaning, and its events move to lower levels.
//! 2. Front and line stand in the order of their instants, those of one instant in the order in which they were pushed, and each is
//!    earlier than all events in the wheel. If there is no front, nobody stands in the line.
//! 3. Events of one instant stand in one list of the wheel, in the order in which they were pushed.
//! 4. The head of a list is the earliest event in it.
//! 5. The short line is in order, too, and what is in the queue proper at an instant of one that stands there was pushed before it.
//!
//! So `pop` takes the front, or else the head of the first list of the lowest level, unless the first of the short line is earlier, and moves `base`. An event that is pushed belongs
//! into the line if it is earlier than all in the wheel. Where it would be far from both ends of the line, those behind it go to the wheel, from
//! which none comes back: so each event stands in the line once, is put into the wheel once, and moves down there at most ten times, whatever
//! else happens, and usually once or twice.
//!
//! The wheel is `event/wheel.rs`; front, line and short line are here. They know nothing of what an event means, and draw no chance: events of one instant come out first in, first out.

mod wheel;

use crate::line::Line;
use std::fmt;
use twinsock::Instant;
use wheel::{LEVELS, NONE, Node, Slot};

#[cfg(test)]
mod tests;

/// A queue of events in the order of their instants, first in first out within an instant.
///
/// ```
/// use std::time::Duration;
/// use twinsock::Instant;
/// use twinsock_sim::world::event::EventQueue;
///
/// let mut queue = EventQueue::new();
/// queue.push(Instant::from_nanos(20), "later");
/// queue.push(Instant::from_nanos(10), "first");
/// queue.push(Instant::from_nanos(10), "second");
/// assert_eq!(queue.peek(), Some(Instant::from_nanos(10)));
/// let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
/// assert_eq!(order, ["first", "second", "later"]);
/// ```
#[derive(Clone)]
pub struct EventQueue<E> {
    /// The first event outside the wheel.
    front: Option<E>,
    /// Its instant; meaningless while there is none.
    front_at: u64,
    /// The other events outside the wheel.
    line: Line<Outside<E>>,
    /// The instant of the last of the line; meaningless while nobody stands there.
    last_at: u64,
    /// The instant of the earliest event in the wheel, `u64::MAX` while the wheel is empty.
    wheel_at: u64,
    /// The instant of the earliest event of all, `u64::MAX` while there is none.
    next_at: u64,
    /// The instant of the first of the short line, `u64::MAX` while nobody stands there.
    short_at: u64,
    /// The instant of the last of it, 0 while nobody does.
    short_last_at: u64,
    /// The first of the short line, if anybody stands there.
    short_first: Option<E>,
    /// The others.
    short: Line<Outside<E>>,
    /// The first unused node of `nodes`.
    free: u32,
    /// The instant of the last event popped.
    base: u64,
    nodes: Vec<Node<E>>,
    /// The node of the event that [`EventQueue::scout`] shows next.
    scout: u32,
    /// Bit L: level L holds an event.
    levels: u32,
    /// Bit S of word L: slot S of level L holds an event.
    occupied: [u64; LEVELS],
    /// Bit S of word L: slot S of level L holds events of several instants; meaningless while it holds none.
    mixed: [u64; LEVELS],
    /// Level after level; none of them before the first event that goes into the wheel, which many a run has not.
    slots: Vec<Slot>,
}

/// An event of the line, or a place for one.
#[derive(Clone)]
struct Outside<E> {
    at: u64,
    event: Option<E>,
}

impl<E> Outside<E> {
    /// A place to be used.
    const NONE: Outside<E> = Outside { at: 0, event: None };
}

/// Behind how many events of the line at most an event is put in between.
const PASSED_MAX: usize = 4;
/// More than links delay packets, less than timers wait: 17 ms.
const MUCH_LATER_NS: u64 = 1 << 24;

impl<E> EventQueue<E> {
    /// A queue without events, at the beginning of time.
    ///
    /// ```
    /// use twinsock_sim::world::event::EventQueue;
    /// assert_eq!(EventQueue::<u8>::new().pop(), None);
    /// ```
    #[must_use]
    pub fn new() -> EventQueue<E> {
        EventQueue {
            front: None,
            front_at: 0,
            line: Line::new(),
            last_at: 0,
            wheel_at: u64::MAX,
            next_at: u64::MAX,
            short_at: u64::MAX,
            short_last_at: 0,
            short_first: None,
            short: Line::new(),
            free: NONE,
            base: 0,
            nodes: Vec::new(),
            scout: NONE,
            levels: 0,
            occupied: [0; LEVELS],
            mixed: [0; LEVELS],
            slots: Vec::new(),
        }
    }

    /// Adds an event that happens at `at`, after those already pending for that instant.
    ///
    /// Time does not go back: an instant before that of the last event popped is a mistake of the caller's, caught in debug builds;
    /// otherwise the event happens at the instant of that last event.
    ///
    /// # Panics
    /// If 2^32 - 1 events are pending.
    ///
    /// ```
    /// use twinsock::Instant;
    /// use twinsock_sim::world::event::EventQueue;
    /// let mut queue = EventQueue::new();
    /// queue.push(Instant::from_nanos(20), 'b');
    /// queue.push(Instant::from_nanos(10), 'a');
    /// assert_eq!(queue.pop(), Some((Instant::from_nanos(10), 'a')));
    /// ```
    #[inline(always)]
    pub fn push(&mut self, at: Instant, event: E) {
        let at = at.as_nanos();
        debug_assert!(at >= self.base, "an event is never in the past: {at} ns, and {} ns have passed", self.base);
        let at = at.max(self.base);
        if at <= self.short_last_at {
            self.join_lines(at);
        }
        if self.front.is_none() && at < self.wheel_at {
            self.front = Some(event);
            self.front_at = at;
            self.next_at = at.min(self.short_at);
        } else {
            self.push_behind(at, event);
        }
    }

    /// The same of one that is due shortly, and, as a rule, not before those that were pushed like this. When it happens does not depend on which of the two it
    /// was; what that costs does.
    ///
    /// # Panics
    /// If 2^32 - 1 events are pending.
    ///
    /// ```
    /// use twinsock::Instant;
    /// use twinsock_sim::world::event::EventQueue;
    /// let mut queue = EventQueue::new();
    /// queue.push(Instant::from_nanos(20), 'b');
    /// queue.push_short(Instant::from_nanos(20), 'c');
    /// queue.push_short(Instant::from_nanos(10), 'a');
    /// assert_eq!([(); 3].map(|()| queue.pop().unwrap().1), ['a', 'b', 'c']);
    /// ```
    #[inline(always)]
    pub fn push_short(&mut self, at: Instant, event: E) {
        let instant = at.as_nanos().max(self.base);
        // One that is not due shortly would keep those that are out of the line.
        if instant < self.short_last_at || instant - self.base >= MUCH_LATER_NS || instant == u64::MAX {
            return self.push_not_short(at, event);
        }
        self.short_last_at = instant;
        if self.short_first.is_none() {
            self.short_first = Some(event);
            self.short_at = instant;
            self.next_at = self.next_at.min(instant);
        } else {
            self.push_behind_short(instant, event);
        }
    }

    /// Adds an event to the short line where somebody stands there.
    #[inline(never)]
    fn push_behind_short(&mut self, at: u64, event: E) {
        match self.short.push_again() {
            Some(place) => *place = Outside { at, event: Some(event) },
            None => self.lengthen_short(at, event),
        }
    }

    /// An event goes where it would go if it was not thought to be due shortly.
    #[cold]
    #[inline(never)]
    fn push_not_short(&mut self, at: Instant, event: E) {
        self.push(at, event);
    }

    /// The short line has no place left for the last of it.
    #[cold]
    #[inline(never)]
    fn lengthen_short(&mut self, at: u64, event: E) {
        *self.short.push(|| Outside::NONE) = Outside { at, event: Some(event) };
    }

    /// An event is pushed that may be at an instant of the short line: then those who stand there join the others, before it.
    #[cold]
    fn join_lines(&mut self, at: u64) {
        if at < self.short_at {
            return;
        }
        let first_at = std::mem::replace(&mut self.short_at, u64::MAX);
        self.short_last_at = 0;
        self.next_at = self.proper_at();
        if let Some(first) = self.short_first.take() {
            self.push(Instant::from_nanos(first_at), first);
        }
        while let Some(next) = self.short.pop() {
            let at = Instant::from_nanos(next.at);
            let event = next.event.take().expect("who stands in a line is an event");
            self.push(at, event);
        }
    }

    /// The instant of the earliest event of the queue proper, `u64::MAX` while there is none.
    #[inline]
    fn proper_at(&self) -> u64 {
        if self.front.is_some() { self.front_at } else { self.wheel_at }
    }

    /// Adds an event where there is a front already, or an event in the wheel that comes first.
    #[inline(never)]
    fn push_behind(&mut self, at: u64, event: E) {
        let last_at = if self.line.is_empty() { self.front_at } else { self.last_at };
        if at < self.wheel_at && at >= last_at { self.push_last(at, event) } else { self.push_elsewhere(at, event) }
    }

    /// The same of one that is not to be the last of the line. Apart, so that the usual way is short.
    #[inline(never)]
    fn push_elsewhere(&mut self, at: u64, event: E) {
        if at >= self.wheel_at {
            let new = self.allocate(at, event);
            self.link(new, at);
        } else if at < self.front_at {
            self.push_front(at, event);
        } else {
            self.push_between(at, event);
        }
    }

    #[inline(always)]
    fn push_last(&mut self, at: u64, event: E) {
        match self.line.push_again() {
            Some(place) => {
                self.last_at = at;
                *place = Outside { at, event: Some(event) };
            }
            None => self.push_last_of_more(at, event),
        }
    }

    /// The same where the line has no place left.
    #[cold]
    #[inline(never)]
    fn push_last_of_more(&mut self, at: u64, event: E) {
        self.last_at = at;
        *self.line.push(|| Outside::NONE) = Outside { at, event: Some(event) };
    }

    /// Adds an event as the front where there is another. That goes to the wheel if it is much later: so a packet does not move a timer there and back.
    #[inline]
    fn push_front(&mut self, at: u64, event: E) {
        let displaced_at = std::mem::replace(&mut self.front_at, at);
        let displaced = self.front.replace(event);
        self.next_at = at.min(self.short_at);
        if self.line.is_empty()
            && displaced_at - at >= MUCH_LATER_NS
            && let Some(displaced) = displaced
        {
            let displaced = self.allocate(displaced_at, displaced);
            self.link_first(displaced, displaced_at);
            self.wheel_at = displaced_at;
        } else {
            if self.line.is_empty() {
                self.last_at = displaced_at;
            }
            *self.line.push_first(|| Outside::NONE) = Outside { at: displaced_at, event: displaced };
        }
    }

    /// Adds an event to the line that is not to be its last: behind the first few, or else those that it is to be before go to the wheel.
    #[inline]
    fn push_between(&mut self, at: u64, event: E) {
        let mut passed = 0;
        while self.line.get(passed).is_some_and(|other| other.at <= at) {
            passed += 1;
            if passed > PASSED_MAX {
                self.cut_line(at);
                return self.push_last(at, event);
            }
        }
        *self.line.push_first(|| Outside::NONE) = Outside { at, event: Some(event) };
        for of in 0..passed {
            self.line.swap(of, of + 1);
        }
    }

    /// Those in the line that are later than this go to the wheel.
    #[cold]
    fn cut_line(&mut self, at: u64) {
        while self.line.last().is_some_and(|last| last.at > at)
            && let Some(Outside { at: later, event }) = self.line.pop_last()
            && let (later, Some(event)) = (*later, event.take())
        {
            let displaced = self.allocate(later, event);
            self.link_first(displaced, later);
            self.wheel_at = later;
        }
    }

    /// The instant of the earliest event.
    ///
    /// ```
    /// use twinsock::Instant;
    /// use twinsock_sim::world::event::EventQueue;
    /// let mut queue = EventQueue::new();
    /// queue.push(Instant::from_nanos(10), 'a');
    /// assert_eq!(queue.peek(), Some(Instant::from_nanos(10)));
    /// ```
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<Instant> {
        if self.is_empty() { None } else { Some(Instant::from_nanos(self.next_at)) }
    }

    /// Whether the earliest event is later than `at`. At the end of time the answer may be `false` although nothing is pending.
    #[inline]
    #[must_use]
    pub(crate) fn is_idle_until(&self, at: Instant) -> bool {
        self.next_at > at.as_nanos()
    }

    /// The moment of the earliest pending event; the end of time if there is none.
    #[inline(always)]
    #[must_use]
    pub(crate) fn next_at(&self) -> Instant {
        Instant::from_nanos(self.next_at)
    }

    /// Whether anything is due before `at`.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_due_before(&self, at: Instant) -> bool {
        self.next_at < at.as_nanos()
    }

    /// Takes the earliest event; of those at one instant, the one that was pushed first.
    ///
    /// ```
    /// use twinsock::Instant;
    /// use twinsock_sim::world::event::EventQueue;
    /// let mut queue = EventQueue::new();
    /// ['a', 'b'].map(|event| queue.push(Instant::from_nanos(10), event));
    /// assert_eq!([queue.pop(), queue.pop()].map(|event| event.unwrap().1), ['a', 'b'], "first come, first served");
    /// ```
    #[inline(always)]
    pub fn pop(&mut self) -> Option<(Instant, E)> {
        if self.short_at == self.next_at && self.short_at < self.proper_at() {
            return self.pop_short();
        }
        if self.front.is_none() {
            self.fetch_front();
        }
        let at = self.front_at;
        let event = self.take_front()?;
        Some((Instant::from_nanos(at), event))
    }

    /// Takes the front, if there is one; the first of the line takes its place.
    #[inline(always)]
    fn take_front(&mut self) -> Option<E> {
        let at = self.front_at;
        let (next_at, event) = match self.line.pop() {
            None => (self.wheel_at, self.front.take()?),
            Some(next) => {
                self.front_at = next.at;
                (next.at, std::mem::replace(&mut self.front, next.event.take())?)
            }
        };
        self.next_at = next_at.min(self.short_at);
        self.come_to(at);
        Some(event)
    }

    /// Takes the event that [`EventQueue::pop`] would take, if it is at hand, and one that is wanted: what is made of it. Otherwise nothing has happened.
    #[inline(always)]
    pub(crate) fn pop_if<R>(&mut self, wanted: impl FnOnce(&E) -> Option<R>) -> Option<R> {
        if self.short_at == self.next_at && self.short_at < self.proper_at() {
            let result = wanted(self.short_first.as_ref()?)?;
            self.pop_short();
            return Some(result);
        }
        let result = wanted(self.front.as_ref()?)?;
        self.take_front();
        Some(result)
    }

    /// Takes the first of the short line, if somebody stands there; the next one takes its place.
    #[inline(always)]
    fn pop_short(&mut self) -> Option<(Instant, E)> {
        let at = self.short_at;
        let event = match self.short.pop() {
            None => {
                (self.short_at, self.short_last_at) = (u64::MAX, 0);
                self.short_first.take()?
            }
            Some(next) => {
                self.short_at = next.at;
                std::mem::replace(&mut self.short_first, next.event.take())?
            }
        };
        self.next_at = self.proper_at().min(self.short_at);
        self.come_to(at);
        Some((Instant::from_nanos(at), event))
    }

    /// An event of this instant has been popped that was outside the wheel.
    #[inline(always)]
    fn come_to(&mut self, at: u64) {
        // Where the wheel's earliest differs from it in a higher bit than `base` does, or in the same one, nothing is in its slot.
        if (self.wheel_at ^ at) > (at ^ self.base) {
            self.base = at;
        } else {
            self.advance(at);
        }
    }

    /// There is no front: the first event of the wheel, if there is one, becomes it, to be taken at once.
    #[inline(never)]
    fn fetch_front(&mut self) {
        if self.levels == 0 {
            return;
        }
        let place = self.first_list();
        let head = self.slots[place.slot].head;
        let (at, next, event) = self.release(head);
        self.base = at;
        self.front = Some(event);
        self.front_at = at;
        if next == NONE {
            self.clear(place);
        } else if place.level == 0 {
            // A slot of level 0 is one instant, and stays where it is.
            self.slots[place.slot].head = next;
            return;
        } else {
            self.move_down(place, next);
        }
        self.wheel_at = if self.levels == 0 { u64::MAX } else { self.slots[self.first_list().slot].head_at };
    }

    /// Shows so many events that come `ahead` events, one at least, after the next one, where they are at hand: so that the caches can be made ready for them. Asked for again
    /// when so many have been taken, it shows those that come after them.
    pub(crate) fn scout(&mut self, ahead: usize, count: usize, mut show: impl FnMut(&E)) {
        if self.short_at <= self.next_at && self.short_first.is_some() {
            let in_line = (ahead..).take(count).map_while(|behind| self.short.get(behind - 1)?.event.as_ref());
            return in_line.for_each(show);
        }
        if self.front.is_some() {
            let in_line = (ahead..).take(count).map_while(|behind| self.line.get(behind - 1)?.event.as_ref());
            return in_line.for_each(show);
        }
        let is_known = self.nodes.get(self.scout as usize).is_some_and(|node| node.event.is_some() && node.at == self.next_at);
        let mut index = self.scout;
        if !is_known {
            index = if self.levels == 0 { NONE } else { self.slots[self.first_list().slot].head };
            for _ in 0..ahead {
                index = self.nodes.get(index as usize).map_or(NONE, |node| node.next);
            }
        }
        for _ in 0..count {
            let Some(Node { event: Some(event), next, .. }) = self.nodes.get(index as usize) else { break };
            show(event);
            index = *next;
        }
        self.scout = index;
    }

    /// How many events are pending.
    #[cfg(test)]
    #[inline]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        let firsts = usize::from(self.front.is_some()) + usize::from(self.short_first.is_some());
        firsts + self.line.len() + self.short.len() + self.len_of_wheel()
    }

    /// Whether nothing is pending.
    #[inline]
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_none() && self.levels == 0 && self.short_first.is_none()
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> EventQueue<E> {
        EventQueue::new()
    }
}

impl<E> fmt::Debug for EventQueue<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventQueue").field("peek", &self.peek()).finish_non_exhaustive()
    }
}
