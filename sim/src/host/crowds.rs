//! Which local ports are taken towards a destination that very many connections go to, so that `connect(2)` need not try them one by one.
//!
//! Linux tries them one by one: with all even ports in use or in TIME-WAIT, each connect looks at all of them first. What it finds is the
//! same here; only the time it takes does not grow.

use super::conns::FourTuple;
use crate::slab::to_usize;
use std::net::IpAddr;

/// The destinations that are kept account of: few, each of them busy.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    crowds: Vec<Crowd>,
}

/// One destination, seen from one local address.
#[derive(Debug)]
struct Crowd {
    local: IpAddr,
    remote: IpAddr,
    remote_port: u16,
    /// The even ports, and the odd ones.
    taken: [Box<Taken>; 2],
    count: u32,
}

/// The ports of one parity: bit `port / 2`, and which words are full.
#[derive(Debug)]
struct Taken {
    words: [u64; WORDS],
    full: [u64; WORDS / 64],
}

const WORDS: usize = (1 << 15) / 64;
/// Of how many destinations account is kept; where there are more, those that came first are forgotten, and may come again.
const CROWDS_MAX: usize = 16;

impl Crowds {
    /// Whether no account is kept of anything.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.crowds.is_empty()
    }

    /// Whether account is kept of this connection's destination.
    pub(super) fn has(&self, tuple: &FourTuple) -> bool {
        self.crowds.iter().any(|crowd| crowd.is_of(tuple))
    }

    /// Keeps account of this connection's destination from here on; `taken` are all the connections that there are.
    pub(super) fn begin(&mut self, tuple: &FourTuple, taken: impl Iterator<Item = FourTuple>) {
        if self.crowds.len() == CROWDS_MAX {
            self.crowds.remove(0);
        }
        let (local, remote, remote_port) = (tuple.local, tuple.remote, tuple.remote_port);
        let mut crowd = Crowd { local, remote, remote_port, taken: [Taken::none(), Taken::none()], count: 0 };
        for taken in taken.filter(|taken| tuple == &FourTuple { local_port: tuple.local_port, ..*taken }) {
            crowd.set(taken.local_port, true);
        }
        self.crowds.push(crowd);
    }

    /// There is a connection more, or one less.
    #[cold]
    pub(super) fn note(&mut self, tuple: &FourTuple, is_taken: bool) {
        if let Some(at) = self.crowds.iter().position(|crowd| crowd.is_of(tuple)) {
            self.crowds[at].set(tuple.local_port, is_taken);
            if self.crowds[at].count == 0 {
                self.crowds.remove(at);
            }
        }
    }

    /// The first port after this connection's own, and of the same parity, that no connection to the destination has; 2^16 or 2^16 + 1 if all
    /// have one. `None`: no account is kept.
    pub(super) fn next_free(&self, tuple: &FourTuple) -> Option<u32> {
        let crowd = self.crowds.iter().find(|crowd| crowd.is_of(tuple))?;
        let (half, parity) = (u32::from(tuple.local_port / 2), tuple.local_port % 2);
        Some(crowd.taken[usize::from(parity)].first_free(half + 1) * 2 + u32::from(parity))
    }
}

impl Crowd {
    fn is_of(&self, tuple: &FourTuple) -> bool {
        self.remote_port == tuple.remote_port && self.remote == tuple.remote && self.local == tuple.local
    }

    fn set(&mut self, port: u16, is_taken: bool) {
        self.taken[usize::from(port % 2)].set(port / 2, is_taken);
        self.count = if is_taken { self.count + 1 } else { self.count - 1 };
    }
}

impl Taken {
    fn none() -> Box<Taken> {
        Box::new(Taken { words: [0; WORDS], full: [0; WORDS / 64] })
    }

    fn set(&mut self, half: u16, is_taken: bool) {
        let (word, bit) = (usize::from(half / 64), 1_u64 << (half % 64));
        debug_assert!((self.words[word] & bit != 0) != is_taken, "a port is taken once");
        self.words[word] ^= bit;
        let full = 1_u64 << (word % 64);
        if self.words[word] == u64::MAX {
            self.full[word / 64] |= full;
        } else {
            self.full[word / 64] &= !full;
        }
    }

    /// The first number from `from` on that is not taken; 2^15 if there is none.
    fn first_free(&self, from: u32) -> u32 {
        let Some(word) = self.words.get(to_usize(from / 64)) else { return 1 << 15 };
        let free = !word & u64::MAX << (from % 64);
        if free != 0 {
            return from / 64 * 64 + free.trailing_zeros();
        }
        let next = from / 64 + 1;
        for index in next / 64..8 {
            let skipped = if index == next / 64 { (1_u64 << (next % 64)) - 1 } else { 0 };
            let not_full = !(self.full[to_usize(index)] | skipped);
            if not_full != 0 {
                let word = index * 64 + not_full.trailing_zeros();
                return word * 64 + (!self.words[to_usize(word)]).trailing_zeros();
            }
        }
        1 << 15
    }
}

const _: () = assert!(WORDS / 64 == 8, "eight words say which words are full");

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn tuple(local_port: u16) -> FourTuple {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        FourTuple { local: here, remote: here, local_port, remote_port: 80 }
    }

    #[test]
    fn the_next_free_port_is_the_one_that_a_search_finds() {
        let mut crowds = Crowds::default();
        assert_eq!(crowds.next_free(&tuple(1)), None);
        let mut taken = vec![false; 1 << 16];
        let others = [FourTuple { remote_port: 81, ..tuple(5) }, tuple(7)];
        taken[7] = true;
        crowds.begin(&tuple(1), others.iter().copied());
        let mut state = 1_u32;
        for round in 0..200_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Long stretches are taken, now and then one is given back.
            let port = if round % 8 == 0 { state >> 16 } else { round & 0xffff };
            let port = u16::try_from(port).expect("16 bits");
            let now = &mut taken[usize::from(port)];
            if *now == (round % 8 == 0) {
                *now = !*now;
                crowds.note(&tuple(port), *now);
            }
            if round % 64 == 0 {
                let from = usize::from(port);
                let expected = (from + 2..=0xffff).step_by(2).find(|port| !taken[*port]).unwrap_or(0x10000 + from % 2);
                assert_eq!(crowds.next_free(&tuple(port)).map(to_usize), Some(expected));
            }
        }
    }

    #[test]
    fn account_ends_with_the_last_connection() {
        let mut crowds = Crowds::default();
        crowds.begin(&tuple(1), [tuple(7), tuple(8)].into_iter());
        assert!(crowds.has(&tuple(9)));
        crowds.note(&tuple(7), false);
        crowds.note(&tuple(8), false);
        assert!(crowds.is_empty());
    }
}
