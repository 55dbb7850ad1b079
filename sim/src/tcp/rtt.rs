//! The estimate of the round trip time, RFC 6298 section 2 as `tcp_rtt_estimator` does it: the variation that counts is the largest of the
//! last round trip, and falls by a quarter in each.

use crate::packet::SeqNumber;
use twinsock::Instant;

/// The estimate, in Linux's units.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Rtt {
    /// Eight times SRTT in microseconds; 0: no sample yet.
    srtt8_us: u32,
    /// Four times the mean deviation.
    mdev4_us: u32,
    /// The largest of it in this round trip, and at least RTO_MIN.
    mdev4_max_us: u32,
    /// What counts of it.
    rttvar4_us: u32,
    /// An ACK beyond this ends the round trip.
    round_ends: SeqNumber,
    /// RTO in microseconds, before its upper limit.
    rto_us: u32,
    /// What is being timed: an ACK of this number ends it.
    pub(super) timed: Option<(SeqNumber, Instant)>,
}

impl Default for Rtt {
    fn default() -> Rtt {
        Rtt {
            srtt8_us: 0,
            mdev4_us: 0,
            mdev4_max_us: 0,
            rttvar4_us: 0,
            round_ends: SeqNumber::new(0),
            rto_us: RTO_INITIAL_US,
            timed: None,
        }
    }
}

impl Rtt {
    /// RTO in nanoseconds, before its upper limit.
    #[inline]
    pub(super) fn rto_ns(&self) -> u64 {
        u64::from(self.rto_us) * 1000
    }

    /// SRTT in microseconds; 0: no sample yet.
    #[inline]
    pub(super) fn srtt_us(&self) -> u32 {
        self.srtt8_us >> 3
    }

    /// The mean deviation in microseconds, which `TCP_INFO` shows as the variation.
    pub(super) fn mdev_us(&self) -> u32 {
        self.mdev4_us >> 2
    }

    /// Where a round trip ends.
    pub(super) fn round_ends_mut(&mut self) -> &mut SeqNumber {
        &mut self.round_ends
    }

    /// Becomes what it was before the only sample that it has taken, but that it remembers where the round trip ends; 0, and nothing has happened, if it
    /// was not the only one.
    pub(super) fn take_only_sample(&mut self, rto_min_us: u32) -> u32 {
        let before = Rtt { round_ends: self.round_ends, ..Rtt::default() };
        let mut again = before;
        again.put_only_sample(self.srtt_us(), rto_min_us);
        if again != *self {
            return 0;
        }
        *self = before;
        again.srtt_us()
    }

    /// Takes the sample again.
    pub(super) fn put_only_sample(&mut self, micros: u32, rto_min_us: u32) {
        if micros != 0 {
            self.estimate(micros, rto_min_us, self.round_ends, self.round_ends);
        }
    }

    /// Takes a sample. `una` and `nxt`: what is acknowledged, and what is sent. Whether the estimate has changed.
    #[inline(always)]
    pub(super) fn sample(&mut self, micros: u32, rto_min_us: u32, una: SeqNumber, nxt: SeqNumber) -> bool {
        let steady = self.srtt8_us >> 3 == micros && self.mdev4_us < 4 && self.rttvar4_us == self.mdev4_max_us;
        // The same as ever: nothing would change but where a round trip ends, of which there is nothing to tell.
        if !steady {
            self.estimate(micros.min(SAMPLE_MAX_US), rto_min_us, una, nxt);
        }
        !steady
    }

    #[inline(never)]
    fn estimate(&mut self, micros: u32, rto_min_us: u32, una: SeqNumber, nxt: SeqNumber) {
        if self.srtt8_us == 0 {
            self.srtt8_us = micros << 3;
            self.mdev4_us = micros << 1;
            self.rttvar4_us = self.mdev4_us.max(rto_min_us);
            self.mdev4_max_us = self.rttvar4_us;
            self.round_ends = nxt;
        } else {
            let srtt = self.srtt8_us >> 3;
            let error = micros.abs_diff(srtt);
            let part = self.mdev4_us >> 2;
            if micros < srtt {
                self.srtt8_us -= error;
                // An eighth only where a round trip that is faster than expected would raise the deviation.
                self.mdev4_us = if error > part { self.mdev4_us + ((error - part) >> 3) } else { self.mdev4_us - (part - error) };
            } else {
                self.srtt8_us += error;
                self.mdev4_us = self.mdev4_us - part + error;
            }
            self.srtt8_us = self.srtt8_us.max(1);
            if self.mdev4_us > self.mdev4_max_us {
                self.mdev4_max_us = self.mdev4_us;
                self.rttvar4_us = self.rttvar4_us.max(self.mdev4_max_us);
            }
            if self.round_ends.before(una) {
                self.rttvar4_us -= self.rttvar4_us.saturating_sub(self.mdev4_max_us) >> 2;
                self.round_ends = nxt;
                self.mdev4_max_us = rto_min_us;
            }
        }
        self.rto_us = (self.srtt_us() + self.rttvar4_us).next_multiple_of(JIFFY_US);
    }
}

/// RFC 6298 section 2, rule 2.1.
pub(super) const RTO_INITIAL_US: u32 = 1_000_000;
/// A tick at HZ=250: timeouts are whole ticks.
pub(crate) const JIFFY_US: u32 = 4000;
/// Longer round trips count as this, so that eight of them fit 32 bits.
const SAMPLE_MAX_US: u32 = 1 << 28;

#[cfg(test)]
mod tests {
    use super::*;

    /// The RTO in milliseconds after samples of this many milliseconds each, one in a round trip.
    fn rto_after(samples: &[u32]) -> u64 {
        let mut rtt = Rtt::default();
        for (sample, at) in samples.iter().zip(1..) {
            rtt.sample(sample * 1000, 200_000, SeqNumber::new(at), SeqNumber::new(at));
        }
        rtt.rto_ns() / 1_000_000
    }

    #[test]
    fn the_first_sample_makes_the_rto_three_round_trips_and_not_less_than_its_least() {
        assert_eq!(rto_after(&[600]), 1800);
        assert_eq!(rto_after(&[20]), 220);
    }

    #[test]
    fn the_variation_falls_by_a_quarter_in_a_round_trip_and_rises_at_once() {
        assert_eq!(rto_after(&[200]), 600);
        assert_eq!(rto_after(&[200, 200]), 600, "the mean deviation of the first was the largest");
        assert!(rto_after(&[200; 3]) < 600);
        assert_eq!(
            rto_after(&[200; 40]),
            404,
            "SRTT and RTO_MIN; of the last 3 us a quarter is nothing, and what is begun of a tick is a whole one"
        );
        let risen: Vec<u32> = [200; 40].into_iter().chain([1000]).collect();
        assert!(rto_after(&risen) > 1000, "{}", rto_after(&risen));
    }

    #[test]
    fn a_steady_sample_changes_nothing() {
        let mut rtt = Rtt::default();
        for at in 1..100 {
            rtt.sample(7, 200_000, SeqNumber::new(at), SeqNumber::new(at));
        }
        let (before, mut slow) = (rtt, rtt);
        rtt.sample(7, 200_000, SeqNumber::new(100), SeqNumber::new(100));
        slow.estimate(7, 200_000, SeqNumber::new(100), SeqNumber::new(100));
        assert_eq!(format!("{rtt:?}"), format!("{before:?}"));
        assert_eq!((slow.rto_us, slow.srtt8_us, slow.rttvar4_us), (rtt.rto_us, rtt.srtt8_us, rtt.rttvar4_us));
    }
}
