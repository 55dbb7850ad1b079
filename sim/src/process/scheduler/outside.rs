//! Code of the network's builder that runs during a run, between the turns of threads: rules and directors.

use super::Scheduler;
use crate::world::Alarm;
use twinsock::Instant;

/// Code of the network's builder that runs in between, with nothing borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outside {
    /// The rules are to say what becomes of a packet.
    Rules,
    /// The director of this number wants to be called.
    Director(u32),
}

/// No thread has this number: an alarm of its is for code outside.
pub(super) const NO_THREAD: u32 = u32::MAX;

impl Scheduler {
    /// Lets code of the network's builder run at a moment.
    pub fn call_outside(&mut self, at: Instant, outside: Outside) {
        let number = match outside {
            Outside::Rules => u32::MAX,
            Outside::Director(number) => number,
        };
        self.world.schedule(at, Alarm(u64::from(NO_THREAD) | u64::from(number) << 32));
    }

    #[cold]
    pub(super) fn alarm_of_outside(&mut self, alarm: Alarm) {
        let number = u32::try_from(alarm.0 >> 32).expect("the upper half is 32 bits");
        self.outside = Some(if alarm == Alarm::UNJUDGED { Outside::Rules } else { Outside::Director(number) });
    }
}
