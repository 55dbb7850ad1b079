//! Calls that may wait, be it for their turn, in parts: what they return, and the switch between one part and the next.

use super::Net;
use crate::process::coroutine;
use crate::process::current::Calling;
use std::mem::ManuallyDrop;
use twinsock::{Errno, Result};

/// What a call that may wait returns, as the kernel has it: an error is negated. It stands in one register, and so do all arguments of the calls below.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Returned(isize);

impl Returned {
    /// Nothing yet: the thread waits. No error has such a number: the kernel's are up to 4095.
    pub(super) const WAITS: Returned = Returned(-4096);
    /// The same of a call on a datagram socket, which goes on in another function.
    pub(super) const WAITS_AT_DGRAM: Returned = Returned(-4097);
    /// The first of these, where somebody may want to know of the call, which goes on in a third one.
    const WAITS_ATTENDED: Returned = Returned(-4098);
    /// The second.
    const WAITS_AT_DGRAM_ATTENDED: Returned = Returned(-4099);

    /// The same of a call of which somebody may want to know.
    pub(super) fn attended(self) -> Returned {
        match self {
            Returned::WAITS => Returned::WAITS_ATTENDED,
            Returned::WAITS_AT_DGRAM => Returned::WAITS_AT_DGRAM_ATTENDED,
            over => over,
        }
    }

    #[inline(always)]
    pub(super) fn waits(self) -> bool {
        self.0 <= Returned::WAITS.0
    }

    /// Whether a call of which somebody may want to know waits on a datagram socket.
    pub(super) fn is_attended_at_dgram(self) -> bool {
        self == Returned::WAITS_AT_DGRAM_ATTENDED
    }

    #[inline(always)]
    pub(super) fn of(result: Result<usize>) -> Returned {
        match result {
            Ok(bytes) => Returned::bytes(bytes),
            Err(errno) => Returned::failed(errno),
        }
    }

    /// So many bytes.
    #[inline(always)]
    pub(super) fn bytes(bytes: usize) -> Returned {
        Returned(bytes.cast_signed())
    }

    #[cold]
    pub(super) fn failed(errno: Errno) -> Returned {
        let number = isize::try_from(errno.raw()).expect("the numbers of errors are small");
        assert!((1..-Returned::WAITS.0).contains(&number), "no error says that the thread waits, or that none is");
        Returned(-number)
    }

    #[inline(always)]
    pub(super) fn result(self) -> Result<usize> {
        usize::try_from(self.0).map_err(|_| self.errno())
    }

    #[cold]
    fn errno(self) -> Errno {
        Errno::from_raw(i32::try_from(self.0.wrapping_neg()).expect("the numbers of errors are small"))
    }
}

/// A call that may wait is begun by one function and gone on with by another, and the switch between them is the caller's own: the processor predicts returns by
/// the calls before them, and mistakes that from a frame that was entered before a switch. The other one may be wanted again: it is the thread's turn that has
/// come, and its receive waits. Where somebody may want to know of the call, each part is another function, out of line, and the switch is the same.
#[inline(always)]
pub(super) fn in_parts(begun: Returned, mut go_on: impl FnMut(Returned) -> Returned) -> Returned {
    let mut returned = begun;
    while returned.waits() {
        coroutine::suspend();
        returned = go_on(returned);
    }
    returned
}

/// The thread that has left the first part of a call, in the next one.
#[inline(always)]
pub(super) fn switched_to(net: Net) -> Calling {
    net.running().expect("who has begun the call is switched to")
}

/// A part of a call is over, and so is the call, unless the thread waits: then nobody is told that it is.
#[inline(always)]
pub(super) fn ended(returned: Returned, calling: Calling) -> Returned {
    if returned.waits() {
        let _calling = ManuallyDrop::new(calling);
    }
    returned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_returns_is_the_same_on_the_other_side() {
        for bytes in [0, 1, 4096, isize::MAX.unsigned_abs()] {
            assert_eq!(Returned::of(Ok(bytes)).result(), Ok(bytes));
        }
        for errno in (1..=4095).map(Errno::from_raw) {
            assert_eq!(Returned::of(Err(errno)).attended().result(), Err(errno));
            assert!(!Returned::of(Err(errno)).waits());
        }
    }

    #[test]
    fn a_call_that_waits_goes_on_as_it_was_begun() {
        let [stream, dgram] = [Returned::WAITS, Returned::WAITS_AT_DGRAM].map(Returned::attended);
        assert!(stream.waits() && dgram.waits());
        assert_eq!([stream, dgram].map(Returned::is_attended_at_dgram), [false, true]);
    }
}
