//! What happens seldom, told to the compiler, which lays that out of the way of what happens often: a processor goes straight on more cheaply than it jumps.
//!
//! It is advice, without any effect but on time. A leaf: it knows nobody.

/// What is asked for, which seldom holds.
#[inline(always)]
pub(crate) fn unlikely(holds: bool) -> bool {
    if holds {
        seldom();
    }
    holds
}

/// The branch in which this stands is seldom taken.
#[cold]
#[inline(never)]
pub(crate) fn seldom() {}
