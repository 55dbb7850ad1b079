//! Which path leads from a host to an address, for those that packets have gone: found at once, however many there are.
//!
//! A table with open addressing, of which at least half is empty; nothing goes through it in its order.

use std::net::IpAddr;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// None, or a power of two of them.
    places: Vec<Option<Route>>,
    count: usize,
}

/// The way from a host to an address.
#[derive(Clone, Copy, Debug)]
struct Route {
    from: u32,
    path: u32,
    dst: IpAddr,
}

/// The least size of a table.
const PLACES_MIN: usize = 16;

impl Routes {
    /// The path from a host to an address.
    #[inline]
    pub(super) fn get(&self, from: u32, dst: IpAddr) -> Option<usize> {
        let mut place = self.first_place(from, dst)?;
        loop {
            let route = self.places.get(place)?.as_ref()?;
            if route.from == from && route.dst == dst {
                return usize::try_from(route.path).ok();
            }
            place = self.next_place(place);
        }
    }

    /// Adds a way, if it is not there.
    pub(super) fn insert(&mut self, from: u32, dst: IpAddr, path: usize) {
        if self.get(from, dst).is_some() {
            return;
        }
        if (self.count + 1) * 2 > self.places.len() {
            self.grow();
        }
        self.count += 1;
        let path = u32::try_from(path).expect("fewer than 2^32 paths");
        self.put(Route { from, path, dst });
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Routes::default();
    }

    fn grow(&mut self) {
        let larger = (self.places.len() * 2).max(PLACES_MIN);
        let places = std::mem::replace(&mut self.places, vec![None; larger]);
        places.into_iter().flatten().for_each(|route| self.put(route));
    }

    fn put(&mut self, route: Route) {
        let mut place = self.first_place(route.from, route.dst).expect("there is room");
        while self.places[place].is_some() {
            place = self.next_place(place);
        }
        self.places[place] = Some(route);
    }

    fn next_place(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// Where a way is looked for first; `None`: the table has no places.
    #[inline]
    fn first_place(&self, from: u32, dst: IpAddr) -> Option<usize> {
        const K: u64 = 0x9e37_79b9_7f4a_7c15;
        let words = match dst {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h] = v6.segments().map(u64::from);
                (a << 48 | b << 32 | c << 16 | d).wrapping_mul(K) ^ (e << 48 | f << 32 | g << 16 | h)
            }
        };
        let hash = (words ^ u64::from(from) << 32).wrapping_mul(K);
        let bits = self.places.len().checked_ilog2()?;
        usize::try_from(hash >> (u64::BITS - bits)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn every_way_is_found_and_no_other() {
        let (mut routes, mut expected) = (Routes::default(), BTreeMap::new());
        assert_eq!(routes.get(0, IpAddr::V4(Ipv4Addr::LOCALHOST)), None);
        for number in 0..5000_u32 {
            let from = number % 70;
            let dst = match number % 3 {
                0 => IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 64 | u128::from(number * 7))),
                _ => IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)),
            };
            assert_eq!(routes.get(from, dst), None);
            let path = usize::try_from(number).unwrap();
            routes.insert(from, dst, path);
            expected.insert((from, dst), path);
        }
        for ((from, dst), path) in &expected {
            assert_eq!(routes.get(*from, *dst), Some(*path));
            assert_eq!(routes.get(*from + 70, *dst), None);
        }
        routes.clear();
        assert!(expected.keys().all(|(from, dst)| routes.get(*from, *dst).is_none()));
    }
}
