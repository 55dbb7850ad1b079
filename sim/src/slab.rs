//! A table whose entries are named by index and generation: O(1) everything, no hashing, and a stale name finds nothing. A leaf: it knows nobody, and holds
//! whatever the rooms put in.
//!
//! Where names of one table must not be mixed up with those of another, the table has names of a type of its own, made of and into [`Key`]s.

use crate::prefetch::{prefetch_bytes, prefetch_close};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

/// The name of an entry, as long as the entry lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Key {
    index: u32,
    generation: Generation,
}

/// How often a place was used before; never zero, so that a name which may be missing takes no more room than one that may not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Generation(NonZeroU32);

impl Generation {
    /// Of a place that was never used before.
    pub(crate) const FIRST: Generation = Generation(NonZeroU32::MIN);

    /// The next one: names of what was here are stale from now on.
    #[inline]
    pub(crate) fn retire(&mut self) {
        self.0 = self.0.checked_add(1).unwrap_or(NonZeroU32::MIN);
    }
}

impl Key {
    /// The name of nothing.
    pub(crate) const NOBODY: Key = Key { index: u32::MAX, generation: Generation::FIRST };

    /// The name of what is in a place of a table, for as long as this is its generation.
    #[inline]
    pub(crate) const fn new(index: u32, generation: Generation) -> Key {
        Key { index, generation }
    }

    /// Whether it names what is in its place, whose generation is this.
    #[inline(always)]
    pub(crate) fn is_of(self, generation: Generation) -> bool {
        self.generation == generation
    }

    /// A number for the life of the entry that orders keys and may serve as an id.
    pub(crate) const fn number(self) -> u32 {
        self.index
    }
}

/// In memory the generation comes first, next to what an entry that has been found is asked for first.
#[derive(Debug)]
#[repr(C)]
struct Entry<T> {
    generation: Generation,
    value: Option<T>,
}

/// The table, whose entries have names of type `K`.
#[derive(Debug)]
pub(crate) struct Slab<T, K = Key> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    names: PhantomData<K>,
}

impl<T> Slab<T> {
    /// An empty table.
    pub(crate) const fn new() -> Slab<T> {
        Slab::with_names()
    }
}

impl<T, K> Slab<T, K> {
    /// An empty table with names of their own type.
    pub(crate) const fn with_names() -> Slab<T, K> {
        Slab { entries: Vec::new(), free: Vec::new(), names: PhantomData }
    }
}

impl<T, K: From<Key> + Into<Key>> Slab<T, K> {
    /// Adds an entry; the place that was freed last is taken first.
    #[inline(always)]
    pub(crate) fn insert(&mut self, value: T) -> K {
        self.insert_with(|_| value)
    }

    /// Adds an entry that knows its own name.
    #[inline(always)]
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> K {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[to_usize(index)];
            let key = Key { index, generation: entry.generation };
            match &mut entry.value {
                // Nothing is there that would have to be dropped.
                empty @ None => *empty = Some(make(key)),
                Some(_) => unreachable!("a free place is empty"),
            }
            return K::from(key);
        }
        let index = u32::try_from(self.entries.len()).expect("a table has fewer than 2^32 entries");
        let key = Key { index, generation: Generation::FIRST };
        self.entries.push(Entry { generation: Generation::FIRST, value: Some(make(key)) });
        K::from(key)
    }

    /// Takes an entry out; its name is stale from now on.
    pub(crate) fn remove(&mut self, name: K) -> Option<T> {
        let key: Key = name.into();
        let entry = self.entries.get_mut(to_usize(key.index))?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation.retire();
        self.free.push(key.index);
        Some(value)
    }

    /// Drops an entry where it is, for one that is large; its name is stale from now on.
    pub(crate) fn forget(&mut self, name: K) {
        let key: Key = name.into();
        if let Some(entry) = self.entries.get_mut(to_usize(key.index))
            && entry.generation == key.generation
            && entry.value.is_some()
        {
            entry.value = None;
            entry.generation.retire();
            self.free.push(key.index);
        }
    }

    /// The name of what is in a place now.
    ///
    /// # Panics
    /// If there never was anything.
    #[inline]
    pub(crate) fn key_at(&self, index: u32) -> K {
        K::from(Key { index, generation: self.entries[to_usize(index)].generation })
    }

    /// The entry, if the name is not stale.
    #[inline]
    pub(crate) fn get(&self, name: K) -> Option<&T> {
        let key: Key = name.into();
        let entry = self.entries.get(to_usize(key.index))?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    /// Makes the caches ready for an entry, or for the first so many bytes of it.
    #[inline(always)]
    pub(crate) fn prefetch(&self, name: K, bytes_max: usize) {
        let key: Key = name.into();
        if let Some(entry) = self.entries.get(to_usize(key.index)) {
            prefetch_bytes(std::ptr::from_ref(entry).cast(), bytes_max.min(size_of::<Entry<T>>()));
        }
    }

    /// The same for what is in a place, is going to be looked at very soon, and is the only one.
    #[inline(always)]
    pub(crate) fn prefetch_close(&self, index: u32) {
        if let Some(entry) = self.entries.get(to_usize(index)) {
            prefetch_close(entry);
        }
    }

    /// The entry, if the name is not stale.
    #[inline]
    pub(crate) fn get_mut(&mut self, name: K) -> Option<&mut T> {
        let key: Key = name.into();
        let entry = self.entries.get_mut(to_usize(key.index))?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// Every entry, in the order of the indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.entries.iter().zip(0..).filter_map(|(entry, index)| {
            let key = Key { index, generation: entry.generation };
            entry.value.as_ref().map(|value| (K::from(key), value))
        })
    }
}

impl<T, K: From<Key> + Into<Key>> Index<K> for Slab<T, K> {
    type Output = T;
    #[inline]
    fn index(&self, name: K) -> &T {
        self.get(name).expect("a name that is held names a live entry")
    }
}

impl<T, K: From<Key> + Into<Key>> IndexMut<K> for Slab<T, K> {
    #[inline]
    fn index_mut(&mut self, name: K) -> &mut T {
        self.get_mut(name).expect("a name that is held names a live entry")
    }
}

/// A queue of keys that is filled and emptied in turns: a vector and how far it has been taken.
#[derive(Debug)]
pub(crate) struct KeyQueue {
    keys: Vec<Key>,
    taken: usize,
}

impl KeyQueue {
    /// An empty queue.
    pub(crate) const fn new() -> KeyQueue {
        KeyQueue { keys: Vec::new(), taken: 0 }
    }

    /// Whether there is nothing in it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a key at the end.
    #[inline]
    pub(crate) fn push(&mut self, key: Key) {
        self.keys.push(key);
    }

    /// The first key.
    #[inline]
    pub(crate) fn first(&self) -> Option<Key> {
        self.keys.get(self.taken).copied()
    }

    /// The first key, if there is no other.
    #[inline]
    pub(crate) fn only(&self) -> Option<Key> {
        if self.keys.len() == self.taken + 1 { self.first() } else { None }
    }

    /// Takes the first key out.
    #[inline]
    pub(crate) fn drop_first(&mut self) {
        self.taken += 1;
        if self.taken < self.keys.len() {
            return self.move_up();
        }
        self.keys.clear();
        self.taken = 0;
    }

    #[cold]
    fn move_up(&mut self) {
        if self.taken >= KEPT_MAX && self.taken * 2 >= self.keys.len() {
            // Never empty for long: what was taken must not pile up.
            self.keys.drain(..self.taken);
            self.taken = 0;
        }
    }
}

/// How many keys that were taken a queue keeps before it looks whether to move up.
const KEPT_MAX: usize = 1024;

/// An index as a `usize`; the simulator needs at least 32-bit addresses.
#[inline]
pub(crate) fn to_usize(index: u32) -> usize {
    usize::try_from(index).expect("usize holds 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_gives_keys_in_order() {
        let mut slab = Slab::new();
        let mut queue = KeyQueue::new();
        let mut expected = std::collections::VecDeque::new();
        for number in 0..5000 {
            let key = slab.insert(number);
            queue.push(key);
            expected.push_back(key);
            if number % 3 != 0 {
                assert_eq!(queue.first(), expected.pop_front());
                queue.drop_first();
            }
        }
        while let Some(key) = expected.pop_front() {
            assert_eq!(queue.first(), Some(key));
            queue.drop_first();
        }
        assert!(queue.is_empty() && queue.first().is_none());
    }

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.number(), first.number(), "the place is used again");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        slab.forget(first);
        assert_eq!(slab[second], 'b');
        slab.forget(second);
        assert_eq!(slab.get(second), None);
        assert_eq!(slab.insert('c').number(), first.number());
    }
}
