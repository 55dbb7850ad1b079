//! Congestion control: RFC 5681 slow start, avoidance and fast retransmit, RFC 6582 NewReno recovery, RFC 6928 initial window.

use super::tcb::Tcb;
use crate::packet::SeqNumber;
use std::time::Duration;
use twinsock::Instant;

/// What the network is believed to carry.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Congestion {
    /// cwnd.
    pub(super) cwnd: u32,
    /// ssthresh.
    pub(super) ssthresh: u32,
    /// NewReno's recover: the end of what was out when the loss was noticed.
    pub(super) recover: SeqNumber,
    /// What is being done about losses.
    pub(super) phase: Phase,
    pub(super) dup_acks: u8,
    /// The window, not the user or the peer, held data back since the last ACK.
    pub(super) limited: bool,
    /// Bytes acknowledged towards the next step of congestion avoidance.
    acked: u32,
    /// When data was last sent; FAR: never.
    pub(super) last_sent: Instant,
}

/// What is being done about losses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Nothing: no loss is known.
    Open,
    /// Fast recovery, RFC 6582.
    FastRecovery,
    /// After a retransmission timeout, until all that was out then is acknowledged.
    Loss,
}

impl Default for Congestion {
    fn default() -> Congestion {
        Congestion {
            cwnd: 0,
            ssthresh: u32::MAX,
            recover: SeqNumber::new(0),
            phase: Phase::Open,
            dup_acks: 0,
            limited: false,
            acked: 0,
            last_sent: Instant::FAR,
        }
    }
}

impl Tcb {
    /// The window at the start: RFC 6928, ten segments.
    pub(super) fn initial_cwnd(&self) -> u32 {
        INITIAL_WINDOW_SEGMENTS * u32::from(self.mss)
    }

    /// The connection is established.
    pub(super) fn begin_congestion_control(&mut self) {
        self.congestion.cwnd = self.initial_cwnd();
        self.congestion.recover = self.snd_una;
    }

    /// `acked` bytes of new data are acknowledged, `flight` were out before: RFC 5681 section 3.1, RFC 6582 section 3.2.
    #[inline(always)]
    pub(super) fn on_data_acknowledged(&mut self, acked: u32, flight: u32) {
        let mss = u32::from(self.mss);
        let full = self.congestion.recover.before_or_at(self.snd_una);
        self.congestion.dup_acks = 0;
        match self.congestion.phase {
            Phase::Open => {
                self.congestion.recover = self.congestion.recover.max(self.snd_una);
                self.grow_cwnd(acked, flight, mss);
            }
            Phase::FastRecovery if full => {
                self.congestion.cwnd = self.congestion.ssthresh.min(self.flight_bytes().max(mss) + mss);
                self.congestion.phase = Phase::Open;
            }
            Phase::FastRecovery => {
                // A partial ACK: the next segment is lost too.
                self.retransmit_first();
                self.congestion.cwnd = self.congestion.cwnd.saturating_sub(acked).max(mss);
                if acked >= mss {
                    self.congestion.cwnd += mss;
                }
            }
            Phase::Loss => {
                self.congestion.limited = true;
                self.grow_cwnd(acked, flight, mss);
                if full {
                    self.congestion.phase = Phase::Open;
                }
            }
        }
        self.congestion.limited = false;
    }

    /// Slow start doubles in a round trip, avoidance adds a segment; only where the window was what held data back.
    #[inline(always)]
    fn grow_cwnd(&mut self, acked: u32, flight: u32, mss: u32) {
        let congestion = &mut self.congestion;
        let slow_start = congestion.cwnd < congestion.ssthresh;
        let used = congestion.limited || (slow_start && flight >= congestion.cwnd / 2);
        if !used {
            return;
        }
        if slow_start {
            // Linux counts all that an ACK covers, not one segment as RFC 5681: ACKs are few where segments are 64 KiB.
            congestion.cwnd = congestion.cwnd.saturating_add(acked).min(CWND_MAX_BYTES);
            return;
        }
        congestion.acked = congestion.acked.saturating_add(acked);
        if congestion.acked >= congestion.cwnd {
            congestion.acked -= congestion.cwnd;
            congestion.cwnd = congestion.cwnd.saturating_add(mss).min(CWND_MAX_BYTES);
        }
    }

    /// A duplicate ACK, RFC 5681 section 3.2.
    #[cold]
    pub(super) fn on_duplicate_ack(&mut self) {
        let mss = u32::from(self.mss);
        self.congestion.dup_acks = self.congestion.dup_acks.saturating_add(1);
        match self.congestion.phase {
            Phase::FastRecovery => self.congestion.cwnd = self.congestion.cwnd.saturating_add(mss).min(CWND_MAX_BYTES),
            Phase::Open if self.congestion.dup_acks == DUP_ACKS_MAX && self.congestion.recover.before_or_at(self.snd_una) => {
                self.congestion.ssthresh = self.half_flight();
                self.congestion.recover = self.snd_nxt;
                self.congestion.phase = Phase::FastRecovery;
                self.congestion.cwnd = self.congestion.ssthresh + 3 * mss;
                self.rtt.timed = None;
                self.retransmit_first();
            }
            Phase::Open | Phase::Loss => {}
        }
    }

    /// The retransmission timer went off: RFC 5681 section 3.1, equation 4.
    pub(super) fn on_timeout_loss(&mut self) {
        if self.congestion.phase != Phase::Loss {
            self.congestion.ssthresh = self.half_flight();
        }
        self.congestion.cwnd = u32::from(self.mss);
        self.congestion.recover = self.snd_nxt;
        self.congestion.phase = Phase::Loss;
        self.congestion.dup_acks = 0;
        self.congestion.acked = 0;
    }

    fn half_flight(&self) -> u32 {
        (self.flight_bytes() / 2).max(2 * u32::from(self.mss))
    }

    /// RFC 5681 section 4.1: after idling for an RTO the window is halved, once for each, down to the initial one.
    #[inline(always)]
    pub(super) fn restart_after_idle(&mut self, now: Instant) {
        if self.congestion.cwnd <= self.initial_cwnd() || self.flight_bytes() > 0 || !self.sysctl.tcp_slow_start_after_idle {
            return;
        }
        let rto = self.rto().max(Duration::from_millis(1));
        let mut idle = now.since(self.congestion.last_sent);
        if idle <= rto {
            return;
        }
        let restart = self.initial_cwnd();
        let congestion = &mut self.congestion;
        congestion.ssthresh = congestion.ssthresh.max(congestion.cwnd / 4 * 3);
        while idle > rto && congestion.cwnd > restart {
            idle -= rto;
            congestion.cwnd /= 2;
        }
        congestion.cwnd = congestion.cwnd.max(restart);
    }
}

/// TCP_INIT_CWND.
const INITIAL_WINDOW_SEGMENTS: u32 = 10;
/// RFC 5681 section 3.2.
const DUP_ACKS_MAX: u8 = 3;
/// Larger than any window the peer can offer.
const CWND_MAX_BYTES: u32 = 1 << 30;
