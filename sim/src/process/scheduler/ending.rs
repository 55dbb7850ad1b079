//! How threads and processes end.

use super::{Life, ProcId, Scheduler, State, ThreadId};
use crate::trace::{Event, Place, What};

impl Scheduler {
    /// A thread's name with its host's.
    pub fn full_name(&self, thread: ThreadId) -> String {
        super::full_name(&self.world, &self.threads, &self.names, thread)
    }

    /// A thread has ended: its joiners go on; with the main thread, the process ends.
    pub fn thread_ended(&mut self, thread: ThreadId) {
        let slot = &mut self.threads[thread.index()];
        slot.state = State::Ended;
        slot.turn = slot.turn.wrapping_add(1);
        let process = slot.process;
        self.world.forget_user(&std::mem::take(&mut slot.recent));
        debug_assert!(slot.received.is_none() || std::thread::panicking(), "who has received something takes it at once");
        for joiner in self.joiners.remove(&thread).unwrap_or_default() {
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
        let slot = &self.processes[process.index()];
        let held = self.stalled.get_mut(&slot.host).map(|stalled| &mut stalled.kills);
        let is_news = slot.life == Life::Alive
            && !self.rare.will_kill(process)
            && held.as_ref().is_none_or(|held| !held.contains(&process));
        if is_news {
            match held {
                Some(held) => held.push_back(process),
                None => self.rare.kill([process]),
            }
        }
        is_news
    }

    /// The first half of a process's end, before any of its code is unwound: parked calls are interrupted, descriptors closed.
    /// Returns the threads that are still to be unwound, in the order of their numbers.
    pub fn end_process(&mut self, id: ProcId) -> Vec<ThreadId> {
        let process = &mut self.processes[id.index()];
        let threads: Vec<ThreadId> = process.threads().collect();
        match std::mem::replace(&mut process.life, Life::Ended) {
            Life::Alive => self.leave_kernel(id, &threads),
            // The kernel that knew it is gone.
            Life::Crashed => {}
            Life::Ended => return Vec::new(),
        }
        let threads: Vec<ThreadId> = threads.into_iter().filter(|t| self.threads[t.index()].state != State::Ended).collect();
        for thread in &threads {
            self.mark_killed(*thread);
        }
        threads
    }

    /// The kernel ends the calls of a process and closes what it has open.
    fn leave_kernel(&mut self, id: ProcId, threads: &[ThreadId]) {
        if self.exits.is_some() {
            self.note_exit(id, threads);
        }
        let process = &self.processes[id.index()];
        let (host, pid) = (process.host, process.pid);
        if !process.daemon {
            self.rare.need_not_keep_going();
        }
        for thread in threads {
            if let Some(op) = self.take_op(*thread) {
                // What the interrupted call had done is nobody's concern any more.
                self.world.interrupt(host, op).ok();
            }
        }
        self.world.exit_process(host, pid);
        let at = self.world.now();
        self.world.trace_mut().record(Event { at, place: Place::process(host.0, pid.0), what: What::ProcessExit });
        self.collect_wakes();
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
        slot.is_held_up = true;
        slot.turn = slot.turn.wrapping_add(1);
        slot.state = State::Running;
        self.ready.retain(|ready| ready != thread);
        for stalled in self.stalled.values_mut() {
            stalled.ready.retain(|ready| *ready != thread);
        }
    }
}
