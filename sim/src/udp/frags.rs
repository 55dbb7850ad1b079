//! Where the data of a datagram lies that is being built: `skb_shinfo(skb)->frags` in `__ip_append_data`.
//!
//! A piece is written into the page of the thread that calls, `current->task_frag`, behind what that thread wrote there last. If that was the
//! datagram's last piece, the two are one place; otherwise they are two, and a datagram has room for so many places only.

use twinsock::{Errno, Result};

/// The places in pages that hold a datagram's data.
#[derive(Debug, Default)]
pub(super) struct Frags {
    count: usize,
    /// The last one, if it may still grow.
    last: Option<Frag>,
}

/// A place that may grow: whose page it is in, and how far that is used. Where in it the place begins is not known; it is taken to be the beginning.
#[derive(Debug)]
struct Frag {
    thread: u64,
    used: usize,
}

impl Frags {
    /// A thread adds so many bytes.
    ///
    /// # Errors
    /// `EMSGSIZE`: they would lie in one place too many.
    pub(super) fn add(&mut self, len: usize, thread: u64) -> Result<()> {
        let used = self.last.as_ref().filter(|last| last.thread == thread).map_or(PAGE_FRAG_BYTES, |last| last.used);
        let further = (used + len).saturating_sub(PAGE_FRAG_BYTES).div_ceil(PAGE_FRAG_BYTES);
        if self.count + further > MAX_SKB_FRAGS {
            return Err(Errno::MSGSIZE);
        }
        if len > 0 {
            self.count += further;
            self.last = Some(Frag { thread, used: used + len - further * PAGE_FRAG_BYTES });
        }
        Ok(())
    }

    /// A thread has written something else into its page.
    pub(super) fn turn_page(&mut self, thread: u64) {
        self.last.take_if(|last| last.thread == thread);
    }
}

/// `MAX_SKB_FRAGS`: in how many places the data of a packet may lie.
const MAX_SKB_FRAGS: usize = 17;
/// `SKB_FRAG_PAGE_ORDER`: the memory from which a thread takes its places at a time.
const PAGE_FRAG_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::super::tests::{MORE, at, at6, route, socket};
    use super::super::{Route, SendFlags};
    use super::*;
    use std::io::IoSlice;
    use std::net::SocketAddr;

    #[test]
    fn what_one_thread_adds_is_one_place() {
        let mut frags = Frags::default();
        for _ in 0..1000 {
            assert_eq!(frags.add(30, 1), Ok(()));
        }
        assert_eq!(frags.count, 1);
    }

    #[test]
    fn another_thread_and_another_page_are_another_place() {
        let mut frags = Frags::default();
        for thread in (0..17).map(|piece| piece % 2) {
            assert_eq!(frags.add(1, thread), Ok(()));
        }
        assert_eq!(frags.add(1, 1), Err(Errno::MSGSIZE));
        assert_eq!((frags.add(0, 1), frags.add(1, 0)), (Ok(()), Ok(())), "nothing lies nowhere, and the last place goes on");
        frags.turn_page(1);
        assert_eq!(frags.add(PAGE_FRAG_BYTES - 2, 0), Ok(()), "the thread's page is full");
        assert_eq!(frags.add(1, 0), Err(Errno::MSGSIZE));
    }

    #[test]
    fn what_a_thread_writes_elsewhere_ends_its_place() {
        let mut frags = Frags::default();
        for _ in 0..17 {
            assert_eq!(frags.add(1, 7), Ok(()));
            frags.turn_page(7);
        }
        assert_eq!(frags.add(1, 7), Err(Errno::MSGSIZE));
    }

    #[test]
    fn more_than_a_page_is_several_places() {
        let mut frags = Frags::default();
        assert_eq!(frags.add(2 * PAGE_FRAG_BYTES - 1, 1), Ok(()));
        assert_eq!((frags.add(1, 1), frags.count), (Ok(()), 2));
        assert_eq!((frags.add(1, 1), frags.count), (Ok(()), 3));
    }

    /// Corks `first` bytes, then `size` each time, every time as another thread; answers which call fails with EMSGSIZE.
    fn sends_until_too_many_frags(dst: SocketAddr, mtu_bytes: u32, first: usize, size: usize) -> u64 {
        let mut udp = socket();
        let flags = |thread| SendFlags { thread, ..MORE };
        let bytes = vec![0; first.max(size)];
        let by = Route { mtu_bytes, ..route(if dst.is_ipv4() { at(1) } else { at6(1) }) };
        assert_eq!(udp.send(by, dst, &[IoSlice::new(&bytes[..first])], flags(1)), Ok(None));
        let fails = |thread: &u64| udp.append(&[IoSlice::new(&bytes[..size])], flags(*thread)) == Err(Errno::MSGSIZE);
        let last = (2..10_000).find(fails).expect("no datagram is that large");
        assert!(!udp.is_corked(), "it is dropped whole");
        last
    }

    #[test]
    fn the_last_fragment_has_room_for_17_places_in_pages() {
        // As Linux 6.18 answered, with this MTU on its loopback interface.
        let answered =
            [(50, 19, 19), (79, 19, 19), (80, 19, 37), (82, 36, 36), (83, 36, 53), (85, 53, 52), (100, 656, 656), (2000, 33, 33)];
        for (size, over_v4, over_v6) in answered {
            assert_eq!(sends_until_too_many_frags(at(2), 1500, size, size), over_v4, "{size} bytes at a time over IPv4");
            assert_eq!(sends_until_too_many_frags(at6(2), 1500, size, size), over_v6, "{size} bytes at a time over IPv6");
        }
        assert_eq!(sends_until_too_many_frags(at(2), 1506, 86, 86), 259, "the last fragment may be larger than the others");
        for (first, over_v4, over_v6) in
            [(1434, 19, 19), (1435, 19, 37), (1454, 19, 19), (1455, 37, 19), (1472, 20, 19), (1473, 19, 19)]
        {
            assert_eq!(sends_until_too_many_frags(at(2), 1500, first, 1), over_v4, "first {first} bytes over IPv4");
            assert_eq!(sends_until_too_many_frags(at6(2), 1500, first, 1), over_v6, "first {first} bytes over IPv6");
        }
    }

    #[test]
    fn a_further_fragment_begins_in_memory_of_its_own() {
        let mut udp = socket();
        let by = Route { mtu_bytes: 1500, ..route(at(1)) };
        assert_eq!(udp.send(by, at(2), &[IoSlice::new(&[0; 1471])], MORE), Ok(None));
        assert_eq!((udp.adds_to_page(0), udp.adds_to_page(1), udp.adds_to_page(5)), (false, true, true), "there is room for one");
        assert_eq!(udp.append(&[IoSlice::new(&[0])], MORE), Ok(None));
        assert!(!udp.adds_to_page(5), "and now for none");
        assert_eq!(udp.append(&[IoSlice::new(&[0; 5])], MORE), Ok(None));
        assert!(udp.adds_to_page(5));
    }

    #[test]
    fn much_data_lies_in_pages_from_the_first() {
        for (first, fails) in [(16_004, 19), (16_005, 18), (20_000, 18), (40_000, 17), (65_000, 17)] {
            assert_eq!(sends_until_too_many_frags(at(2), 65_536, first, 3), fails, "first {first} bytes");
        }
        for (first, fails) in [(15_991, 19), (15_992, 18)] {
            assert_eq!(sends_until_too_many_frags(at6(2), 65_536, first, 3), fails, "first {first} bytes over IPv6");
        }
    }
}
