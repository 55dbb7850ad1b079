//! What comes before all else that could happen next: a failure, code of the network's builder, a process that is to be killed, and the end, when nothing
//! keeps the run going. It is seldom any of these, so one look says that it is none.

use super::ProcId;
use crate::process::failure::FailureKind;
use crate::process::outside::Outside;
use std::collections::VecDeque;

/// What is to be done before anything else happens.
pub struct Rare {
    /// There may be something.
    may_be: bool,
    failure: Option<FailureKind>,
    outside: Option<Outside>,
    kills: VecDeque<ProcId>,
    /// Processes that keep the run going.
    live: u32,
}

/// What comes first.
pub(super) enum First {
    /// The run has failed.
    Failure,
    /// Code of the network's builder is to run.
    Outside(Outside),
    /// This process is to be killed.
    Kill(ProcId),
    /// Nothing keeps the run going.
    Nobody,
}

impl Rare {
    /// Nothing, and nothing that keeps the run going.
    pub(super) fn new() -> Rare {
        Rare { may_be: true, failure: None, outside: None, kills: VecDeque::new(), live: 0 }
    }

    /// Whether there may be something: if not, there is nothing.
    #[inline(always)]
    pub(super) fn may_be(&self) -> bool {
        self.may_be
    }

    /// Whether there is something that comes before a thread's call.
    pub(super) fn interrupts(&self) -> bool {
        self.may_be && (self.failure.is_some() || self.outside.is_some() || !self.kills.is_empty())
    }

    /// What comes first, which is gone then unless it lasts.
    #[cold]
    pub(super) fn next(&mut self) -> Option<First> {
        if self.failure.is_some() {
            return Some(First::Failure);
        }
        if let Some(outside) = self.outside.take() {
            return Some(First::Outside(outside));
        }
        if let Some(process) = self.kills.pop_front() {
            return Some(First::Kill(process));
        }
        self.may_be = self.live == 0;
        self.may_be.then_some(First::Nobody)
    }

    /// The run has failed, unless it has before.
    #[cold]
    pub fn fail(&mut self, kind: FailureKind) {
        self.failure.get_or_insert(kind);
        self.may_be = true;
    }

    /// How it has failed.
    pub fn failure(&self) -> Option<&FailureKind> {
        self.failure.as_ref()
    }

    /// Lets code of the network's builder run.
    pub(in crate::process) fn call(&mut self, outside: Outside) {
        self.outside = Some(outside);
        self.may_be = true;
    }

    /// These processes are to be killed.
    pub(super) fn kill(&mut self, processes: impl IntoIterator<Item = ProcId>) {
        self.kills.extend(processes);
        self.may_be = true;
    }

    /// Whether a process is to be killed.
    pub(super) fn will_kill(&self, process: ProcId) -> bool {
        self.kills.contains(&process)
    }

    /// Something keeps the run going.
    pub(super) fn keep_going(&mut self) {
        self.live += 1;
    }

    /// It does so no longer.
    pub(super) fn need_not_keep_going(&mut self) {
        self.live -= 1;
        self.may_be = true;
    }

    /// Whether something keeps the run going.
    pub(super) fn goes_on(&self) -> bool {
        self.live > 0
    }
}
