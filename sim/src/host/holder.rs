//! Who holds what a host keeps account of, a port or a connection, in as few bytes as there may be very many of: by its place in the table that it is in, for
//! it is there as long as it holds something.

use super::sockets::Sockets;
use super::time_wait::TimeWaitEntry;
use crate::slab::{Key, Slab};
use std::num::NonZeroU32;

/// A holder's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holder(NonZeroU32);

/// A holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Conn {
    /// A socket.
    Socket(Key),
    /// What is left of one in TIME-WAIT.
    TimeWait(Key),
}

impl From<Conn> for Holder {
    #[inline]
    fn from(conn: Conn) -> Holder {
        let (index, kind) = match conn {
            Conn::Socket(key) => (key.number(), 0),
            Conn::TimeWait(key) => (key.number(), 1),
        };
        debug_assert!(index <= Holder::PLACE_MAX, "a table has fewer than 2^31 entries");
        Holder(NonZeroU32::MIN.saturating_add(index.wrapping_mul(2) | kind))
    }
}

impl Holder {
    /// No table has a place beyond this one: that of sockets would take 32 GiB, and that of what is left of them more.
    pub(super) const PLACE_MAX: u32 = (1 << 31) - 2;

    /// Its place in the table that it is in, and whether that is the one of sockets.
    #[inline(always)]
    pub(super) fn place(self) -> (u32, bool) {
        let place = self.0.get() - 1;
        (place / 2, place.is_multiple_of(2))
    }

    /// The holder itself.
    #[inline]
    pub(super) fn conn(self, sockets: &Sockets, time_waits: &Slab<TimeWaitEntry>) -> Conn {
        match self.place() {
            (index, true) => Conn::Socket(sockets.key_at(index)),
            (index, false) => Conn::TimeWait(time_waits.key_at(index)),
        }
    }
}
