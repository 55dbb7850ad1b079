//! A table whose entries are named by index and generation: O(1) everything, no hashing, and a stale name finds nothing.

use std::ops::{Index, IndexMut};

/// The name of an entry, as long as the entry lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The name of nothing.
    pub(super) const NOBODY: Key = Key { index: u32::MAX, generation: 0 };

    /// A number for the life of the entry that orders keys and may serve as an id.
    pub(super) const fn number(self) -> u32 {
        self.index
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// The table.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty table.
    pub(super) const fn new() -> Slab<T> {
        Slab { entries: Vec::new(), free: Vec::new() }
    }

    /// Adds an entry; the place that was freed last is taken first.
    #[inline]
    pub(super) fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Adds an entry that knows its own name.
    #[inline]
    pub(super) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[to_usize(index)];
            let key = Key { index, generation: entry.generation };
            entry.value = Some(make(key));
            return key;
        }
        let index = u32::try_from(self.entries.len()).expect("a table has fewer than 2^32 entries");
        let key = Key { index, generation: 0 };
        self.entries.push(Entry { generation: 0, value: Some(make(key)) });
        key
    }

    /// Takes an entry out; its key is stale from now on.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(to_usize(key.index))?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// The entry, if the key is not stale.
    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(to_usize(key.index))?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    /// The entry, if the key is not stale.
    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(to_usize(key.index))?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// Every entry, to be changed, in the order of the indices.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|entry| entry.value.as_mut())
    }

    /// Every entry, in the order of the indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().zip(0..).filter_map(|(entry, index)| {
            let key = Key { index, generation: entry.generation };
            entry.value.as_ref().map(|value| (key, value))
        })
    }
}

impl<T> Index<Key> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, key: Key) -> &T {
        self.get(key).expect("a key that is held names a live entry")
    }
}

impl<T> IndexMut<Key> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, key: Key) -> &mut T {
        self.get_mut(key).expect("a key that is held names a live entry")
    }
}

/// A queue of keys that is filled and emptied in turns: a vector and how far it has been taken.
#[derive(Debug)]
pub(super) struct KeyQueue {
    keys: Vec<Key>,
    taken: usize,
}

impl KeyQueue {
    /// An empty queue.
    pub(super) const fn new() -> KeyQueue {
        KeyQueue { keys: Vec::new(), taken: 0 }
    }

    /// Whether there is nothing in it.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a key at the end.
    #[inline]
    pub(super) fn push(&mut self, key: Key) {
        self.keys.push(key);
    }

    /// The first key.
    #[inline]
    pub(super) fn first(&self) -> Option<Key> {
        self.keys.get(self.taken).copied()
    }

    /// Takes the first key out.
    #[inline]
    pub(super) fn drop_first(&mut self) {
        self.taken += 1;
        if self.taken >= self.keys.len() {
            self.keys.clear();
            self.taken = 0;
        } else if self.taken >= KEPT_MAX && self.taken * 2 >= self.keys.len() {
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
pub(super) fn to_usize(index: u32) -> usize {
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
        assert_eq!(slab[second], 'b');
    }
}
