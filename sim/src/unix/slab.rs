//! The table of sockets: entries named by index and generation, so that a stale name finds nothing and nothing is hashed.

use std::ops::{Index, IndexMut};

/// The name of a socket, for as long as anything refers to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UnixId {
    index: u32,
    generation: u32,
}

impl UnixId {
    /// A small number that no other socket of the space has at the same time, for the host's own tables.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.index
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Slab<T> {
        Slab { entries: Vec::new(), free: Vec::new() }
    }

    /// Adds an entry; the place that was freed last is taken first.
    pub(super) fn insert(&mut self, value: T) -> UnixId {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[to_usize(index)];
            entry.value = Some(value);
            return UnixId { index, generation: entry.generation };
        }
        let index = u32::try_from(self.entries.len()).expect("a host has fewer than 2^32 sockets");
        self.entries.push(Entry { generation: 0, value: Some(value) });
        UnixId { index, generation: 0 }
    }

    /// Takes an entry out; its name is stale from now on.
    pub(super) fn remove(&mut self, id: UnixId) -> Option<T> {
        let entry = self.entries.get_mut(to_usize(id.index))?;
        if entry.generation != id.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(value)
    }

    #[inline]
    pub(super) fn get(&self, id: UnixId) -> Option<&T> {
        let entry = self.entries.get(to_usize(id.index))?;
        if entry.generation == id.generation { entry.value.as_ref() } else { None }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: UnixId) -> Option<&mut T> {
        let entry = self.entries.get_mut(to_usize(id.index))?;
        if entry.generation == id.generation { entry.value.as_mut() } else { None }
    }

    /// Every entry, in the order of the indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = (UnixId, &T)> {
        self.entries.iter().zip(0..).filter_map(|(entry, index)| {
            let id = UnixId { index, generation: entry.generation };
            entry.value.as_ref().map(|value| (id, value))
        })
    }
}

impl<T> Index<UnixId> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, id: UnixId) -> &T {
        self.get(id).expect("a socket that is referred to lives")
    }
}

impl<T> IndexMut<UnixId> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, id: UnixId) -> &mut T {
        self.get_mut(id).expect("a socket that is referred to lives")
    }
}

#[inline]
fn to_usize(index: u32) -> usize {
    usize::try_from(index).expect("usize holds 32 bits")
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_stale_name_finds_nothing() {
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
