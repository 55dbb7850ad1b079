//! What time it is: for a thread, whose own clock counts what its calls cost, and by the clock of its host.

use super::{Scheduler, State, Thread, ThreadId, Wait};
use crate::world::HostId;
use twinsock::Instant;

impl Thread {
    /// Its own clock.
    pub(in crate::process) fn clock(&self) -> Instant {
        self.clock
    }
}

impl Scheduler {
    /// What the monotonic clock of its host shows a thread.
    #[inline]
    pub fn own_clock(&self, thread: ThreadId) -> Instant {
        let slot = &self.threads[thread.index()];
        self.world.own_time(slot.host, slot.clock)
    }

    /// What the wall clock of its host shows a thread, in nanoseconds since the epoch.
    pub fn wall_clock(&self, thread: ThreadId) -> u64 {
        let slot = &self.threads[thread.index()];
        self.world.wall_time(slot.host, slot.clock)
    }

    /// A thread's own clock.
    pub fn clock(&self, thread: ThreadId) -> Instant {
        self.threads[thread.index()].clock
    }

    /// Sets a host's clock: see [`World::set_clock`](crate::world::World::set_clock). Whoever waits for a moment of it reckons anew when that comes.
    pub fn set_clock(&mut self, host: HostId, ahead_ns: i64, ppm: i32) {
        self.world.set_clock(host, ahead_ns, ppm);
        for index in 0..self.threads.len() {
            let slot = &self.threads[index];
            let may_have_deadline = match slot.state {
                State::Waiting(Wait::Call, _) => slot.op.as_ref().is_some_and(|op| op.deadline().is_some()),
                State::Waiting(Wait::Sleep | Wait::Sync(_), _) => true,
                State::Waiting(Wait::Join(_), _) | State::Ready | State::Due | State::Running | State::Ended => false,
            };
            if slot.host == host && may_have_deadline {
                self.wake(ThreadId(u32::try_from(index).expect("a thread's number is 32 bits")));
            }
        }
        self.collect_wakes();
    }
}
