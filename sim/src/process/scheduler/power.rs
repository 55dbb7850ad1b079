//! Processes of machines that lose their power, and of those that stand still.

use super::turn::Chosen;
use super::{Life, ProcId, Scheduler, State, ThreadId};
use crate::world::HostId;
use std::collections::VecDeque;

/// What waits for a host that stands still to go on.
#[derive(Default)]
pub(super) struct Stalled {
    /// Threads that could run, in the order in which they became ready.
    pub(super) ready: VecDeque<ThreadId>,
    /// Processes that are to be killed: even that needs a kernel that does it.
    pub(super) kills: VecDeque<ProcId>,
}

impl Scheduler {
    /// A host loses its power. Its processes are over at once; the driver unwinds what is left of them before anything else happens.
    /// Nothing happens to one that has none.
    pub fn crash(&mut self, host: HostId) {
        if !self.world.is_up(host) {
            return;
        }
        self.world.crash(host);
        self.stalled.remove(&host);
        self.straighten();
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            if process.host != host || process.life != Life::Alive {
                continue;
            }
            process.life = Life::Crashed;
            if !process.daemon {
                self.rare.need_not_keep_going();
            }
            for thread in process.threads() {
                // It belongs to a kernel that is no more.
                let slot = &mut self.threads[thread.index()];
                slot.op = None;
                slot.quiet = None;
            }
            let id = ProcId(u32::try_from(index).expect("a process's number is 32 bits"));
            if !self.rare.will_kill(id) {
                self.rare.kill([id]);
            }
        }
        // Whoever goes on, be it the thread that did it, does so after that.
        self.just_chosen = Chosen::No;
    }

    /// The run does not end, whoever has ended, until the same number of calls of [`Scheduler::need_not_keep_going`].
    pub fn keep_going(&mut self) {
        self.rare.keep_going();
    }

    /// Takes one [`Scheduler::keep_going`] back.
    pub fn need_not_keep_going(&mut self) {
        self.rare.need_not_keep_going();
    }

    /// A host is switched on, after a loss of power if it was on.
    pub fn restart(&mut self, host: HostId) {
        self.crash(host);
        self.world.boot(host);
    }

    /// A host stands still: neither its kernel nor its processes do anything. Nothing happens to one that does not run.
    pub fn pause(&mut self, host: HostId) {
        if !self.world.is_up(host) || self.world.is_paused(host) {
            return;
        }
        self.world.pause(host);
        let mut stalled = Stalled::default();
        self.ready.retain(|thread| {
            let goes_on = self.threads[thread.index()].host != host;
            if !goes_on {
                stalled.ready.push_back(thread);
            }
            goes_on
        });
        self.stalled.insert(host, stalled);
        self.straighten();
        self.just_chosen = Chosen::No;
    }

    /// A host that stands still goes on.
    pub fn resume_host(&mut self, host: HostId) {
        let Some(stalled) = self.stalled.remove(&host) else { return };
        self.straighten();
        self.rare.kill(stalled.kills);
        stalled.ready.into_iter().for_each(|thread| self.ready.push(thread));
        self.world.resume_host(host);
        self.collect_wakes();
    }

    /// Whether the host of the running thread runs.
    pub fn is_on_running_host(&self, thread: ThreadId) -> bool {
        let slot = &self.threads[thread.index()];
        let process = &self.processes[slot.process.index()];
        process.life == Life::Alive && !self.stalled.contains_key(&slot.host)
    }

    /// A thread that has become ready waits for its host to go on, if that stands still. Answers whether it does.
    #[cold]
    pub(super) fn stall(&mut self, thread: ThreadId) -> bool {
        let slot = &self.threads[thread.index()];
        debug_assert!(slot.state == State::Ready, "only threads that are ready wait for their host");
        match self.stalled.get_mut(&slot.host) {
            Some(stalled) => {
                stalled.ready.push_back(thread);
                true
            }
            None => false,
        }
    }
}
