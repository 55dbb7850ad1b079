//! The buckets of the port table, Linux's `inet_bind_bucket`: who holds a port, and who listens there.
//!
//! They are found by a small hash table with open addressing, whose order is never seen. Most ports have one holder: that one is in the bucket itself.

use super::holder::Holder;
use crate::slab::{Key, to_usize};

/// One port.
#[derive(Debug)]
pub(super) struct Bucket {
    port: u16,
    /// Only `connect(2)` has chosen this port so far: it may do so again for another destination (`fastreuse == -1`).
    pub(super) connect_only: bool,
    /// The first holder.
    first: Option<Holder>,
    /// What most ports have not.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    /// The holders after the first.
    owners: Vec<Holder>,
    /// Those of the holders that listen, in the order of their `listen(2)`.
    listeners: Vec<Key>,
}

const _: () = assert!(size_of::<Bucket>() <= 16, "there may be one for each of 60,000 connections");

impl Bucket {
    /// Who holds the port.
    pub(super) fn owners(&self) -> impl Iterator<Item = Holder> + '_ {
        let more = self.more.as_ref().map_or(&[][..], |more| &more.owners);
        self.first.into_iter().chain(more.iter().copied())
    }

    /// Enters a holder; answers its place.
    #[inline(always)]
    pub(super) fn push(&mut self, owner: Holder) -> u32 {
        if self.first.is_none() {
            self.first = Some(owner);
            return 0;
        }
        let more = self.more.get_or_insert_default();
        more.owners.push(owner);
        u32::try_from(more.owners.len()).expect("a port has fewer than 2^32 holders")
    }

    /// Takes out the holder at a place; answers the one that has moved there, if one has.
    pub(super) fn remove(&mut self, place: u32) -> Option<Holder> {
        let owners = self.more.as_mut().map(|more| &mut more.owners);
        match to_usize(place).checked_sub(1) {
            None => {
                self.first = owners.and_then(Vec::pop);
                self.first
            }
            Some(place) => {
                let owners = owners.expect("a place after the first is among those that follow it");
                owners.swap_remove(place);
                owners.get(place).copied()
            }
        }
    }

    /// Another takes the place of the holder that is there.
    pub(super) fn replace(&mut self, place: u32, owner: Holder) {
        let owners = self.more.as_mut().map(|more| &mut more.owners);
        match to_usize(place).checked_sub(1) {
            None => self.first = Some(owner),
            Some(place) => owners.expect("a place after the first is among those that follow it")[place] = owner,
        }
    }

    /// Whether nobody holds the port.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Those who listen on the port, in the order of their `listen(2)`.
    pub(super) fn listeners(&self) -> &[Key] {
        self.more.as_ref().map_or(&[], |more| &more.listeners)
    }

    /// A holder of the port listens from now on.
    pub(super) fn listen(&mut self, socket: Key) {
        self.more.get_or_insert_default().listeners.push(socket);
    }

    /// A holder of the port listens no more.
    pub(super) fn unlisten(&mut self, socket: Key) {
        if let Some(more) = &mut self.more {
            more.listeners.retain(|listener| *listener != socket);
        }
    }
}

/// The buckets by port.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// None, or a power of two of them, at most three quarters full: which bucket is a port's.
    index: Vec<u32>,
    buckets: Vec<Bucket>,
    free: Vec<u32>,
}

const NONE: u32 = u32::MAX;
const INDEX_MIN: usize = 8;

impl Buckets {
    /// The bucket of a port.
    #[inline]
    pub(super) fn get(&self, port: u16) -> Option<&Bucket> {
        self.place(port).and_then(|(_, bucket)| self.buckets.get(bucket))
    }

    /// The bucket of a port.
    #[inline]
    pub(super) fn get_mut(&mut self, port: u16) -> Option<&mut Bucket> {
        self.find_mut(port).map(|(_, bucket)| bucket)
    }

    /// The same, and its place in the index.
    #[inline]
    pub(super) fn find_mut(&mut self, port: u16) -> Option<(usize, &mut Bucket)> {
        let (at, bucket) = self.place(port)?;
        self.buckets.get_mut(bucket).map(|bucket| (at, bucket))
    }

    /// The bucket of a port, which is made if there is none.
    #[inline(always)]
    pub(super) fn get_or_make(&mut self, port: u16, connect_only: bool) -> &mut Bucket {
        let bucket = match self.place(port) {
            Some((_, bucket)) => bucket,
            None => self.make(port, connect_only),
        };
        &mut self.buckets[bucket]
    }

    #[inline(always)]
    fn make(&mut self, port: u16, connect_only: bool) -> usize {
        let len = self.buckets.len() - self.free.len();
        if (len + 1) * 4 > self.index.len() * 3 {
            let bigger = (self.index.len() * 2).max(INDEX_MIN);
            for bucket in std::mem::replace(&mut self.index, vec![NONE; bigger]) {
                if bucket != NONE {
                    self.enter(bucket);
                }
            }
        }
        let fresh = Bucket { port, connect_only, first: None, more: None };
        let bucket = match self.free.pop() {
            Some(bucket) => {
                self.buckets[to_usize(bucket)] = fresh;
                bucket
            }
            None => {
                self.buckets.push(fresh);
                u32::try_from(self.buckets.len() - 1).expect("there are 2^16 ports")
            }
        };
        self.enter(bucket);
        to_usize(bucket)
    }

    /// The bucket goes whose place in the index this is.
    #[inline(always)]
    pub(super) fn remove(&mut self, mut hole: usize) {
        self.free.push(self.index[hole]);
        let mask = self.index.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let bucket = self.index[at];
            if bucket == NONE {
                break;
            }
            // The entry may move back unless its home lies cyclically in (hole, at].
            let home = usize::from(self.buckets[to_usize(bucket)].port) & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.index[hole] = bucket;
                hole = at;
            }
        }
        self.index[hole] = NONE;
    }

    /// Where a port is in the index, and its bucket among the others.
    #[inline]
    fn place(&self, port: u16) -> Option<(usize, usize)> {
        let mask = self.index.len().wrapping_sub(1);
        let mut at = usize::from(port) & mask;
        loop {
            let bucket = to_usize(*self.index.get(at)?);
            if self.buckets.get(bucket)?.port == port {
                return Some((at, bucket));
            }
            at = (at + 1) & mask;
        }
    }

    fn enter(&mut self, bucket: u32) {
        let mask = self.index.len() - 1;
        let mut at = usize::from(self.buckets[to_usize(bucket)].port) & mask;
        while self.index[at] != NONE {
            at = (at + 1) & mask;
        }
        self.index[at] = bucket;
    }
}

#[cfg(test)]
mod tests {
    use super::super::holder::Conn;
    use super::*;
    use crate::slab::Slab;
    use std::collections::BTreeMap;

    #[test]
    fn ports_have_the_holders_that_an_ordered_map_has() {
        let mut slab = Slab::new();
        let (mut buckets, mut model) = (Buckets::default(), BTreeMap::<u16, Vec<Holder>>::new());
        let mut state = 3_u32;
        for _ in 0..50_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let port = u16::try_from(state >> 18 & 0x3f).expect("6 bits") * 16 + u16::try_from(state >> 30).expect("2 bits");
            let held = model.entry(port).or_default();
            if held.is_empty() || state >> 16 & 3 != 0 && held.len() < 4 {
                let owner = Holder::from(Conn::Socket(slab.insert(())));
                assert_eq!(to_usize(buckets.get_or_make(port, true).push(owner)), held.len());
                held.push(owner);
            } else {
                let place = to_usize(state >> 8 & 0xff) % held.len();
                held.swap_remove(place);
                let (at, bucket) = buckets.find_mut(port).expect("it has holders");
                assert_eq!(bucket.remove(u32::try_from(place).expect("few")), held.get(place).copied());
                assert_eq!(bucket.is_empty(), held.is_empty());
                if bucket.is_empty() {
                    buckets.remove(at);
                }
            }
            let found: Vec<Holder> = buckets.get(port).map_or_else(Vec::new, |bucket| bucket.owners().collect());
            assert_eq!(found, *held);
        }
        for (port, held) in model {
            assert_eq!(buckets.get(port).map_or_else(Vec::new, |bucket| bucket.owners().collect()), held);
        }
    }
}
