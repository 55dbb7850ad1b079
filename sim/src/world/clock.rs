//! The clocks of hosts: what time a host thinks it is, and when it will think that it is some time.
//!
//! A host's kernel and programs know no other time than its own. Its monotonic clock begins when it boots, and runs at a rate of its own; the wall
//! clock is that plus the moment at which it began. The world converts: a moment on the way in, a deadline on the way out.

use super::{HostId, World};
use crate::host::WALL_START_SECONDS;
use crate::trace::MachineEvent;
use twinsock::Instant;

/// A host's clock. What it shows is `own + floor((now - at) * (1 000 000 + ppm) / 1 000 000)`: exact, and never less than before.
///
/// The fields stand in memory as they stand here: all that is looked at of a clock that is right is last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct HostClock {
    /// The moment at which it was last set.
    at: Instant,
    /// What it showed then.
    own: Instant,
    /// What the wall clock shows when the monotonic one shows zero, in nanoseconds since the epoch.
    wall_start: u64,
    /// How much faster it runs, in millionths.
    ppm: i32,
    /// It is the world's clock, as nearly all are.
    is_true: bool,
}

const MILLION: u32 = 1_000_000;
const WALL_START: u64 = WALL_START_SECONDS * 1_000_000_000;

impl HostClock {
    /// From where on the short ways look at it.
    pub(super) const HOT_FROM: usize = std::mem::offset_of!(HostClock, is_true);

    /// A clock that is right.
    pub(super) const TRUE: HostClock =
        HostClock { is_true: true, at: Instant::ZERO, own: Instant::ZERO, ppm: 0, wall_start: WALL_START };

    /// Whether it shows the world's own moments.
    #[inline(always)]
    pub(super) fn is_true(&self) -> bool {
        self.is_true
    }

    /// What it shows at a moment.
    #[inline(always)]
    pub(super) fn own(&self, at: Instant) -> Instant {
        if self.is_true { at } else { self.own_slowly(at) }
    }

    #[cold]
    fn own_slowly(&self, at: Instant) -> Instant {
        let passed = at.since(self.at).as_nanos();
        plus(self.own, passed * u128::from(self.rate()) / u128::from(MILLION))
    }

    /// The first moment at which it shows `own`, or more.
    #[inline(always)]
    pub(super) fn moment(&self, own: Instant) -> Instant {
        if self.is_true { own } else { self.moment_slowly(own) }
    }

    #[cold]
    fn moment_slowly(&self, own: Instant) -> Instant {
        if own == Instant::FAR {
            return own;
        }
        let more = own.since(self.own).as_nanos();
        plus(self.at, (more * u128::from(MILLION)).div_ceil(u128::from(self.rate())))
    }

    fn rate(&self) -> u32 {
        MILLION.saturating_add_signed(self.ppm)
    }

    /// What the wall clock shows at a moment, in nanoseconds since the epoch.
    fn wall(&self, at: Instant) -> u64 {
        self.wall_start.saturating_add(self.own(at).as_nanos())
    }

    /// The same monotonic clock from here on at another rate, and the wall clock set.
    fn set(&self, now: Instant, wall: u64, ppm: i32) -> HostClock {
        HostClock::beginning(now, self.own(now), wall, ppm)
    }

    /// The clock of a machine that boots now: the monotonic clock begins, and the wall clock has gone on in its battery-backed chip.
    fn boot(&self, now: Instant) -> HostClock {
        HostClock::beginning(now, Instant::ZERO, self.wall(now), self.ppm)
    }

    fn beginning(now: Instant, own: Instant, wall: u64, ppm: i32) -> HostClock {
        let is_true = ppm == 0 && own == now;
        HostClock { is_true, at: now, own, ppm, wall_start: wall.saturating_sub(own.as_nanos()) }
    }
}

fn plus(at: Instant, nanos: u128) -> Instant {
    Instant::from_nanos(at.as_nanos().saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

impl World {
    /// What a host's monotonic clock shows at a moment.
    #[inline]
    #[must_use]
    pub(crate) fn own_time(&self, id: HostId, at: Instant) -> Instant {
        if self.clocks_differ { self.machines[id.index()].clock.own(at) } else { at }
    }

    /// The first moment at which a host's monotonic clock shows `own`.
    #[inline]
    #[must_use]
    pub(crate) fn moment_of(&self, id: HostId, own: Instant) -> Instant {
        if self.clocks_differ { self.machines[id.index()].clock.moment(own) } else { own }
    }

    /// What a host's wall clock shows at a moment, in nanoseconds since the epoch.
    #[must_use]
    pub(crate) fn wall_time(&self, id: HostId, at: Instant) -> u64 {
        self.machines[id.index()].clock.wall(at)
    }

    /// Sets a host's clock: the wall clock is so many nanoseconds ahead of the true time now, and both clocks are faster by so many millionths from now
    /// on. What waits for a deadline of the host's own is to be asked for it again.
    pub(crate) fn set_clock(&mut self, id: HostId, ahead_ns: i64, ppm: i32) {
        self.note(id, MachineEvent::Clock { ahead_ns, ppm });
        let now = self.now;
        let wall = WALL_START.saturating_add(now.as_nanos()).saturating_add_signed(ahead_ns);
        self.set_host_clock(id, |clock| clock.set(now, wall, ppm));
        if self.machines[id.index()].runs {
            self.follow(id);
        }
    }

    /// A host boots: its clock begins.
    pub(super) fn boot_clock(&mut self, id: HostId) {
        let now = self.now;
        self.set_host_clock(id, |clock| clock.boot(now));
    }

    fn set_host_clock(&mut self, id: HostId, set: impl FnOnce(&HostClock) -> HostClock) {
        self.clocks_differ = true;
        let machine = &mut self.machines[id.index()];
        machine.clock = set(&machine.clock);
        machine.host.set_wall_start(machine.clock.wall_start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_met_at_the_first_moment_that_shows_it() {
        for ppm in [-999_999, -100_000, -500, -1, 0, 1, 37, 500, 100_000, 1_000_000, i32::MAX] {
            let clock = HostClock::beginning(Instant::from_nanos(977), Instant::from_nanos(11), 0, ppm);
            for own in [11, 12, 13, 1000, 1_000_001, 86_400_000_000_000] {
                let own = Instant::from_nanos(own);
                let moment = clock.moment(own);
                if moment == Instant::FAR {
                    assert!(clock.own(moment) < own, "{ppm} {own:?}: it never comes");
                    continue;
                }
                assert!(clock.own(moment) >= own, "{ppm} {own:?}");
                let before = Instant::from_nanos(moment.as_nanos() - 1);
                assert!(before < clock.at || clock.own(before) < own, "{ppm} {own:?}: {moment:?} is the first");
            }
            assert_eq!(clock.moment(Instant::FAR), Instant::FAR);
        }
    }

    #[test]
    fn a_clock_that_is_set_again_and_again_never_goes_back() {
        let (mut clock, mut last) = (HostClock::TRUE, Instant::ZERO);
        for step in 0..1000_u32 {
            let now = Instant::from_nanos(u64::from(step) * 777);
            assert!(clock.own(now) >= last);
            last = clock.own(now);
            clock = clock.set(now, 5, i32::try_from(step % 7).unwrap() * 1000 - 3000);
            assert_eq!(clock.own(now), last, "to be set moves no monotonic clock");
        }
    }
}
