//! How threads and processes end.

use super::{ProcId, Scheduler, State, ThreadId};
use crate::trace::{Event, Place, What};

impl Scheduler {
    /// A thread has ended: its joiners go on; with the main thread, the process ends.
    pub fn thread_ended(&mut self, thread: ThreadId) {
        let slot = &mut self.threads[thread.index()];
        slot.state = State::Ended;
        slot.turn = slot.turn.wrapping_add(1);
        let process = slot.process;
        for joiner in std::mem::take(&mut slot.joiners) {
            self.wake(joiner);
        }
        if self.processes[process.index()].main == thread {
            self.request_end(process);
        }
    }

    /// Kills a process: the driver sees to it at the next turn.
    pub fn kill(&mut self, process: ProcId) {
        if self.request_end(process) {
            self.record(self.processes[process.index()].main, What::ProcessKill);
        }
    }

    /// Asks for a process's end. Answers whether that is news.
    fn request_end(&mut self, process: ProcId) -> bool {
        let is_news = self.processes[process.index()].alive && !self.kills.contains(&process);
        if is_news {
            self.kills.push_back(process);
        }
        is_news
    }

    /// The first half of a process's end, before any of its code is unwound: parked calls are interrupted, descriptors closed.
    /// Returns the threads that are still to be unwound, in the order of their numbers.
    pub fn end_process(&mut self, id: ProcId) -> Vec<ThreadId> {
        let process = &mut self.processes[id.index()];
        if !std::mem::replace(&mut process.alive, false) {
            return Vec::new();
        }
        if !process.daemon {
            self.live -= 1;
        }
        let (host, pid) = (process.host, process.pid);
        let threads = process.threads.clone();
        for thread in &threads {
            if let Some(op) = self.take_op(*thread) {
                // What the interrupted call had done is nobody's concern any more.
                self.world.interrupt(host, op).ok();
            }
        }
        self.world.exit_process(host, pid);
        let at = self.world.now();
        self.world.trace_mut().record(Event { at, place: Place::process(host.0, pid.0), what: What::ProcessExit });
        self.collect_wakes();
        let threads: Vec<ThreadId> = threads.into_iter().filter(|t| self.threads[t.index()].state != State::Ended).collect();
        for thread in &threads {
            self.mark_killed(*thread);
        }
        threads
    }

    /// Kills one thread: its parked call is interrupted, and it is ready to be unwound.
    pub fn kill_thread(&mut self, thread: ThreadId) {
        let host = self.processes[self.threads[thread.index()].process.index()].host;
        if let Some(op) = self.take_op(thread) {
            self.world.interrupt(host, op).ok();
            self.collect_wakes();
        }
        self.mark_killed(thread);
    }

    fn mark_killed(&mut self, thread: ThreadId) {
        let slot = &mut self.threads[thread.index()];
        slot.killed = true;
        slot.turn = slot.turn.wrapping_add(1);
        slot.state = State::Running;
        self.ready.retain(|ready| *ready != thread);
    }
}
