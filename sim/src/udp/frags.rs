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
    use super::*;

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
}
