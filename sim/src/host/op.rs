//! Operations: system calls in progress.

use std::fmt;
use twinsock::Instant;

/// A system call that waits.
///
/// It holds the open file description (never the number), its absolute deadline, the bytes already done and the flags at entry.
#[derive(Debug)]
pub struct Op {
    deadline: Instant,
}

impl Op {
    /// When the call gives up waiting; `None`: never.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.deadline < Instant::FAR).then_some(self.deadline)
    }

    /// What the call waits for, in a few words, for the report of a deadlock.
    #[must_use]
    pub fn what(&self) -> impl fmt::Display + '_ {
        "a call"
    }
}
