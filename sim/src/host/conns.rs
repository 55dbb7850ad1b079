//! The index of connections: 4-tuple to what has it, a small deterministic hash table with open addressing.
//!
//! Its order is never seen: it only answers look-ups. Deletion shifts the entries behind back, so there are no tombstones. An entry is what has
//! the connection and a hash of its name; the name itself is where the connection is, so that there is one of it only.

use super::Host;
use super::crowds::Crowds;
use super::holder::{Conn, Holder};
use super::sockets::Sockets;
use super::time_wait::TimeWaitEntry;
use crate::prefetch::prefetch_close;
use crate::slab::{Slab, to_usize};
use std::net::IpAddr;

/// A connection's name: both ends, seen from here. Addresses are canonical: an IPv4-mapped one is IPv4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct FourTuple {
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
}

impl FourTuple {
    /// A hash of the connection that is the same on every machine.
    #[inline]
    pub(super) fn hash(&self) -> u32 {
        let ports = u64::from(self.local_port) << 16 | u64::from(self.remote_port);
        let mixed = match (&self.local, &self.remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => mix(u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits()), ports),
            (local, remote) => mix_long(*local, *remote, ports),
        };
        // The high half is the better mixed one.
        u32::try_from(mixed >> 32).expect("32 bits remain of 64")
    }

    /// A hash of what all connections between two hosts have in common.
    #[inline]
    pub(super) fn hash_of_hosts(local: IpAddr, remote: IpAddr) -> u32 {
        FourTuple { local, remote, local_port: 0, remote_port: 0 }.hash()
    }
}

/// Whether two addresses are the same: a comparison of two numbers, if they are of IPv4.
#[inline(always)]
pub(super) fn is_same(one: &IpAddr, other: &IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one == other,
        (one, other) => is_same_v6(one, other),
    }
}

#[cold]
fn is_same_v6(one: &IpAddr, other: &IpAddr) -> bool {
    one == other
}

/// What is mixed of a connection over IPv6.
#[inline(never)]
fn mix_long(local: IpAddr, remote: IpAddr, ports: u64) -> u64 {
    mix(fold(local) ^ ports << 32, mix(fold(remote), ports | 1 << 40))
}

fn fold(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let (high, low) = (v6.to_bits() >> 64, v6.to_bits() & u128::from(u64::MAX));
            let high = u64::try_from(high).expect("the upper half has 64 bits");
            let low = u64::try_from(low).expect("the lower half has 64 bits");
            mix(high, low ^ 1 << 63)
        }
    }
}

/// Multiply and fold: one 64 x 64 -> 128 bit multiplication of values made odd by constants (those of wyhash's family).
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xa076_1d64_78bd_642f);
    let high = u64::try_from(product >> 64).expect("the upper half has 64 bits");
    let low = u64::try_from(product & u128::from(u64::MAX)).expect("the lower half has 64 bits");
    high ^ low
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    holder: Holder,
}

const _: () = assert!(size_of::<Option<Slot>>() == 8, "an index of very many connections stays small");

/// The index.
#[derive(Debug, Default)]
pub(super) struct Conns {
    slots: Vec<Option<Slot>>,
    len: usize,
    /// The local ports that are taken towards destinations with many connections.
    crowds: Crowds,
}

const CAPACITY_MIN: usize = 16;

impl Conns {
    /// Who has this connection, whose hash this is; `name_of` says which one somebody has who is in the index.
    #[inline(always)]
    pub(super) fn get(&self, tuple: &FourTuple, hash: u32, name_of: impl Fn(Holder) -> FourTuple) -> Option<Holder> {
        if self.len == 0 {
            return None;
        }
        self.at(hash, |holder| name_of(holder) == *tuple).and_then(|at| self.slots[at]).map(|slot| slot.holder)
    }

    /// Enters a connection that nobody has, and whose hash this is.
    #[inline]
    pub(super) fn insert(&mut self, tuple: &FourTuple, hash: u32, holder: Holder) {
        // At most four fifths full.
        if (self.len + 1) * 5 > self.slots.len() * 4 {
            self.grow();
        }
        self.place(Slot { hash, holder });
        self.len += 1;
        if !self.crowds.is_empty() {
            self.crowds.note(tuple, true);
        }
    }

    #[cold]
    fn grow(&mut self) {
        let bigger = (self.slots.len() * 2).max(CAPACITY_MIN);
        let old = std::mem::replace(&mut self.slots, vec![None; bigger]);
        for slot in old.into_iter().flatten() {
            self.place(slot);
        }
    }

    /// Makes the caches ready for a connection of this hash to be looked for.
    #[inline]
    pub(super) fn prefetch(&self, hash: u32) {
        let mask = self.slots.len().wrapping_sub(1);
        if let Some(slot) = self.slots.get(to_usize(hash) & mask) {
            prefetch_close(slot);
        }
    }

    /// Who has a connection of this hash: as a rule the one that it is of.
    pub(super) fn like(&self, hash: u32) -> Option<Holder> {
        self.at(hash, |_| true).and_then(|at| self.slots[at]).map(|slot| slot.holder)
    }

    /// A connection of this hash that `old` has is `new`'s from here on.
    pub(super) fn hand_over(&mut self, hash: u32, old: Holder, new: Holder) {
        let at = self.at(hash, |holder| holder == old).expect("whoever hands a connection over has it");
        self.slots[at] = self.slots[at].map(|slot| Slot { holder: new, ..slot });
    }

    /// The first local port after this connection's own, and of the same parity, that no connection to its destination has; more than a port can
    /// be if there is none. `None`: it is not known at a glance, see [`Conns::expect_many`].
    pub(super) fn next_free_port(&self, tuple: &FourTuple) -> Option<u32> {
        self.crowds.next_free(tuple)
    }

    /// Many connections have the destination of this one: account is kept of their local ports from here on.
    #[cold]
    pub(super) fn expect_many(&mut self, tuple: &FourTuple, name_of: impl Fn(Holder) -> FourTuple) {
        if !self.crowds.has(tuple) {
            self.crowds.begin(tuple, self.slots.iter().flatten().map(|slot| name_of(slot.holder)));
        }
    }

    /// Takes a connection out if `holder` has it.
    pub(super) fn remove(&mut self, tuple: &FourTuple, holder: Holder) {
        if self.len == 0 {
            return;
        }
        let Some(mut hole) = self.at(tuple.hash(), |other| other == holder) else { return };
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(slot) = self.slots[at] else { break };
            // The entry may move back unless its home lies cyclically in (hole, at].
            let home = to_usize(slot.hash) & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = Some(slot);
                hole = at;
            }
        }
        self.slots[hole] = None;
        self.len -= 1;
        if !self.crowds.is_empty() {
            self.crowds.note(tuple, false);
        }
    }

    /// Where the entry of this hash is that is the one which is meant, if there is one.
    #[inline(always)]
    fn at(&self, hash: u32, is_meant: impl Fn(Holder) -> bool) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = to_usize(hash) & mask;
        loop {
            let slot = self.slots.get(at)?.as_ref()?;
            if slot.hash == hash && is_meant(slot.holder) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = to_usize(slot.hash) & mask;
        while self.slots[at].is_some() {
            at = (at + 1) & mask;
        }
        self.slots[at] = Some(slot);
    }
}

impl Host {
    /// Who has a connection.
    #[inline(always)]
    pub(super) fn conn(&self, tuple: &FourTuple) -> Option<Conn> {
        self.conn_of(tuple, tuple.hash())
    }

    /// The same where its hash is known.
    #[inline(always)]
    pub(super) fn conn_of(&self, tuple: &FourTuple, hash: u32) -> Option<Conn> {
        let Host { conns, sockets, time_waits, .. } = self;
        conns.get(tuple, hash, |holder| name_of(sockets, time_waits, holder)).map(|holder| holder.conn(sockets, time_waits))
    }
}

/// The name of the connection that somebody has who is in the index: it does not change meanwhile.
#[inline(always)]
pub(super) fn name_of(sockets: &Sockets, time_waits: &Slab<TimeWaitEntry>, holder: Holder) -> FourTuple {
    match holder.place() {
        (index, true) => sockets.name_at(index),
        (index, false) => time_waits[time_waits.key_at(index)].tuple,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Key;
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    #[test]
    fn the_index_answers_as_an_ordered_map_does() {
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let tuples: Vec<FourTuple> =
            (0..97).map(|remote_port| FourTuple { local, remote: local, local_port: 80, remote_port }).collect();
        let mut names = Slab::new();
        let mut holders = Vec::new();
        for _ in 0..3 {
            holders.push(tuples.iter().map(|tuple| names.insert(*tuple)).collect::<Vec<Key>>());
        }
        let name_of = |holder: Holder| names[names.key_at(holder.place().0)];
        let (mut conns, mut model) = (Conns::default(), BTreeMap::new());
        let mut state = 1_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let which = to_usize((state >> 24) % 97);
            let tuple = tuples[which];
            let conn = Holder::from(Conn::Socket(holders[to_usize((state >> 16) % 3)][which]));
            if state & 0x8000 == 0 {
                match model.insert(tuple, conn) {
                    Some(old) => conns.hand_over(tuple.hash(), old, conn),
                    None => conns.insert(&tuple, tuple.hash(), conn),
                }
            } else {
                conns.remove(&tuple, conn);
                if model.get(&tuple) == Some(&conn) {
                    model.remove(&tuple);
                }
            }
            assert_eq!(conns.get(&tuple, tuple.hash(), name_of), model.get(&tuple).copied());
            assert_eq!(conns.len, model.len());
        }
        assert!(model.iter().all(|(tuple, conn)| conns.get(tuple, tuple.hash(), name_of) == Some(*conn)), "nothing is lost");
    }
}
