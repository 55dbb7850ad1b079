//! Timers: RFC 6298 retransmission with Linux's constants, window probes, keepalive, delayed ACK, FIN-WAIT-2 of closed sockets.
//!
//! As in Linux one timer serves retransmission, the loss probe and the window probe, for only one of them makes sense at a time.

use super::congestion::Phase;
use super::rtt::{JIFFY_US, RTO_INITIAL_US};
use super::state::State;
use super::tcb::Tcb;
use std::time::Duration;
use twinsock::{Errno, Instant};

/// What the retransmission timer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Retransmit {
    /// Not running.
    Off,
    /// Retransmission, RFC 6298.
    Timeout,
    /// The loss probe, RFC 8985 section 7: one repeat before the timeout is believed.
    LossProbe,
    /// The window probe, RFC 9293 section 3.8.6.1; it also ends the wait of a corked segment.
    WindowProbe,
}

/// The timers of a connection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Timers {
    pub(super) retransmit: Retransmit,
    pub(super) retransmit_at: Instant,
    pub(super) delayed_ack_at: Instant,
    /// Keepalive, or the end of FIN-WAIT-2 for a closed socket.
    pub(super) keepalive_at: Instant,
    /// retrans_stamp: since when there has been no answer; FAR: there has been one.
    pub(super) start_of_retries: Instant,
    /// When the peer was last heard of.
    pub(super) last_heard: Instant,
    /// icsk_backoff.
    pub(super) backoff: u8,
    /// icsk_retransmits.
    pub(super) retransmits: u8,
    /// icsk_probes_out.
    pub(super) probes_out: u8,
    /// Nothing that is sent leaves: no route leads to the peer, whose window counts as closed meanwhile.
    pub(super) has_no_route: bool,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            retransmit: Retransmit::Off,
            retransmit_at: Instant::FAR,
            delayed_ack_at: Instant::FAR,
            keepalive_at: Instant::FAR,
            start_of_retries: Instant::FAR,
            last_heard: Instant::ZERO,
            backoff: 0,
            retransmits: 0,
            probes_out: 0,
            has_no_route: false,
        }
    }
}

impl Timers {
    /// Stops all of them.
    pub(super) fn stop(&mut self) {
        self.stop_retransmit();
        self.delayed_ack_at = Instant::FAR;
        self.keepalive_at = Instant::FAR;
    }

    pub(super) fn stop_retransmit(&mut self) {
        self.retransmit = Retransmit::Off;
        self.retransmit_at = Instant::FAR;
    }

    pub(super) fn arm(&mut self, what: Retransmit, at: Instant) {
        self.retransmit = what;
        self.retransmit_at = at;
    }
}

impl Tcb {
    /// When [`Tcb::handle_timeout`] is due.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = &self.timers;
        let first = timers.retransmit_at.min(timers.delayed_ack_at).min(timers.keepalive_at);
        if first == Instant::FAR { None } else { Some(first) }
    }

    /// When the retransmission timer goes off, whatever that is going to do.
    #[inline]
    pub(crate) fn retransmit_at(&self) -> Instant {
        self.timers.retransmit_at
    }

    /// When the timer of the delayed ACK goes off.
    #[inline]
    pub(crate) fn delayed_ack_at(&self) -> Instant {
        self.timers.delayed_ack_at
    }

    /// The timer that goes off first, when it does, and how often it has without an answer: named as `ss(8)` names it.
    #[must_use]
    pub fn timer(&self) -> Option<(&'static str, Instant, u8)> {
        let timers = &self.timers;
        let resends = match timers.retransmit {
            Retransmit::Off => None,
            Retransmit::Timeout | Retransmit::LossProbe => Some(("on", timers.retransmit_at, timers.retransmits)),
            Retransmit::WindowProbe => Some(("persist", timers.retransmit_at, timers.probes_out)),
        };
        let keepalive = (timers.keepalive_at != Instant::FAR).then_some(("keepalive", timers.keepalive_at, timers.probes_out));
        resends.into_iter().chain(keepalive).min_by_key(|(_, at, _)| *at)
    }

    /// Serves the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timers.delayed_ack_at <= now {
            self.on_delayed_ack_timeout();
        }
        if self.timers.retransmit_at <= now {
            match self.timers.retransmit {
                Retransmit::Off => {}
                Retransmit::Timeout => self.on_retransmit_timeout(now),
                Retransmit::LossProbe => self.on_loss_probe_timeout(now),
                Retransmit::WindowProbe => self.on_window_probe_timeout(now),
            }
        }
        if self.timers.keepalive_at <= now {
            self.on_keepalive_timeout(now);
        }
    }

    /// The retransmission timeout before backing off.
    pub(super) fn rto(&self) -> Duration {
        Duration::from_nanos(self.rto_ns())
    }

    /// The same in nanoseconds.
    #[inline]
    pub(super) fn rto_ns(&self) -> u64 {
        self.rtt.rto_ns().min(self.rto_max_ns())
    }

    #[inline]
    fn rto_max_ns(&self) -> u64 {
        let millis = if self.options.rto_max_ms == 0 { self.sysctl.tcp_rto_max_ms } else { self.options.rto_max_ms };
        u64::from(millis) * 1_000_000
    }

    /// The timeout after `backoff` repeats, in nanoseconds: doubled for each.
    #[inline]
    fn backed_off_rto_ns(&self) -> u64 {
        let factor = 1_u64.checked_shl(u32::from(self.timers.backoff)).unwrap_or(u64::MAX);
        self.rto_ns().saturating_mul(factor).min(self.rto_max_ns())
    }

    /// RFC 6298 section 2: takes a sample. Whether the estimate has changed.
    #[inline(always)]
    pub(super) fn take_rtt_sample(&mut self, sample_ns: u64) -> bool {
        let micros = u32::try_from(sample_ns / 1000).unwrap_or(u32::MAX).max(1);
        let rto_min_us = u32::from(self.sysctl.tcp_rto_min_ms) * 1000;
        self.timers.backoff = 0;
        self.rtt.sample(micros, rto_min_us, self.snd_una, self.snd_nxt)
    }

    /// Something that must be acknowledged went out: starts the timer, RFC 6298 section 5, rule 5.1.
    #[inline(always)]
    pub(super) fn arm_after_transmit(&mut self, now: Instant) {
        match self.timers.retransmit {
            Retransmit::Timeout => {}
            Retransmit::Off | Retransmit::LossProbe | Retransmit::WindowProbe => {
                if self.may_probe_for_loss() {
                    self.timers.arm(Retransmit::LossProbe, after(now, self.loss_probe_ns()));
                } else {
                    self.timers.arm(Retransmit::Timeout, after(now, self.backed_off_rto_ns()));
                }
            }
        }
    }

    /// New data was acknowledged: RFC 6298 section 5, rules 5.2 and 5.3.
    #[inline]
    pub(super) fn rearm_after_ack(&mut self, now: Instant) {
        self.timers.retransmits = 0;
        self.timers.start_of_retries = Instant::FAR;
        self.timers.stop_retransmit();
        if self.flight_bytes() > 0 {
            self.arm_after_transmit(now);
        }
    }

    /// How long the loss probe of a single segment is waited for.
    #[inline]
    pub(super) fn loss_probe_ns(&self) -> u64 {
        (2000 * u64::from(self.rtt.srtt_us()) + LOSS_PROBE_EXTRA_NS).min(self.rto_ns())
    }

    /// Whether the first repeat is a loss probe: with a single segment out, of which nothing bad is known.
    #[inline(always)]
    fn may_probe_for_loss(&self) -> bool {
        let segments = self.send.as_ref().map_or(0, |send| send.sent_chunks()) + usize::from(self.fin_sent());
        segments == 1
            && self.rtt.srtt_us() != 0
            && self.congestion.phase == Phase::Open
            && self.timers.retransmits == 0
            && self.snd_una != self.iss
    }

    fn on_loss_probe_timeout(&mut self, now: Instant) {
        self.rtt.timed = None;
        if self.timers.has_no_route {
            // The probe fails; what it was to probe for is due already.
            self.timers.arm(Retransmit::Timeout, after(now, u64::from(JIFFY_US) * 1000));
            return;
        }
        self.retransmit_first();
        self.timers.arm(Retransmit::Timeout, after(now, self.backed_off_rto_ns()));
    }

    /// `tcp_retransmit_timer`.
    fn on_retransmit_timeout(&mut self, now: Instant) {
        self.timers.stop_retransmit();
        match self.state {
            State::SynSent => return self.on_syn_timeout(now),
            State::SynReceived if self.passive => return self.on_syn_ack_timeout(now),
            State::SynReceived => return self.on_syn_timeout(now),
            State::Closed | State::Listen | State::TimeWait => return,
            State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait | State::Closing | State::LastAck => {}
        }
        if self.flight_bytes() == 0 {
            return;
        }
        let retries = self.retries_allowed();
        if self.timers.retransmits > 0 && self.has_timed_out(now, retries, u64::from(self.sysctl.tcp_rto_min_ms) * 1_000_000) {
            self.give_up();
            return;
        }
        if self.timers.retransmits == 0 {
            self.timers.start_of_retries = now;
            if self.timers.has_no_route {
                // `retrans_stamp` is when the segment left, and none has left since.
                self.timers.start_of_retries = Instant::from_nanos(now.as_nanos().saturating_sub(self.rto_ns()));
            }
        }
        self.rtt.timed = None;
        self.on_timeout_loss();
        self.timers.retransmits = self.timers.retransmits.saturating_add(1);
        self.timers.backoff = self.timers.backoff.saturating_add(1);
        self.retransmit_all();
        let timeout = self.within_user_timeout(now, self.backed_off_rto_ns());
        self.timers.arm(Retransmit::Timeout, after(now, timeout));
    }

    /// A SYN is not answered: the first repeats come every second.
    fn on_syn_timeout(&mut self, now: Instant) {
        let retries = if self.options.syncnt == 0 { self.sysctl.tcp_syn_retries } else { self.options.syncnt };
        if self.timers.retransmits > 0 && self.has_timed_out(now, retries, u64::from(RTO_INITIAL_US) * 1000) {
            self.give_up();
            return;
        }
        self.timers.retransmits = self.timers.retransmits.saturating_add(1);
        if self.timers.retransmits > self.sysctl.tcp_syn_linear_timeouts {
            self.timers.backoff = self.timers.backoff.saturating_add(1);
        }
        self.rtt.timed = None;
        self.retransmit_first();
        let timeout = self.within_user_timeout(now, self.backed_off_rto_ns());
        self.timers.arm(Retransmit::Timeout, after(now, timeout));
    }

    /// A SYN-ACK is not answered: `reqsk_timer_handler`.
    fn on_syn_ack_timeout(&mut self, now: Instant) {
        if self.timers.retransmits >= self.sysctl.tcp_synack_retries.max(self.options.defer_accept) {
            self.die();
            return;
        }
        self.timers.retransmits += 1;
        self.timers.backoff = self.timers.backoff.saturating_add(1);
        self.rtt.timed = None;
        self.retransmit_first();
        self.timers.arm(Retransmit::Timeout, after(now, self.backed_off_rto_ns()));
    }

    /// How often a segment is repeated: `tcp_retries2`, or what a closed socket gets.
    fn retries_allowed(&self) -> u8 {
        if !self.orphan {
            return self.sysctl.tcp_retries2;
        }
        match self.sysctl.tcp_orphan_retries {
            0 => ORPHAN_RETRIES,
            retries => retries,
        }
    }

    /// `retransmits_timed_out`: whether as much time has passed as `retries` repeats that double from `base_ns` would take.
    fn has_timed_out(&self, now: Instant, retries: u8, base_ns: u64) -> bool {
        let waited = nanos_between(self.timers.start_of_retries, now);
        waited >= self.user_timeout_ns().unwrap_or_else(|| self.model_timeout_ns(retries, base_ns))
    }

    /// `TCP_USER_TIMEOUT`.
    fn user_timeout_ns(&self) -> Option<u64> {
        let millis = u64::from(self.options.user_timeout_ms);
        (millis != 0).then_some(millis * 1_000_000)
    }

    /// `tcp_model_timeout`.
    fn model_timeout_ns(&self, retries: u8, base_ns: u64) -> u64 {
        let max = self.rto_max_ns();
        let base = base_ns.max(1_000_000);
        let doublings = (max / base).max(1).ilog2();
        let retries = u32::from(retries);
        let factor = (2_u64 << retries.min(doublings)) - 1;
        base * factor + max * u64::from(retries.saturating_sub(doublings))
    }

    /// `tcp_clamp_rto_to_user_timeout`.
    fn within_user_timeout(&self, now: Instant, timeout_ns: u64) -> u64 {
        let Some(limit) = self.user_timeout_ns() else { return timeout_ns };
        let left = limit.saturating_sub(nanos_between(self.timers.start_of_retries, now));
        timeout_ns.min(left.max(u64::from(JIFFY_US) * 1000))
    }

    /// `tcp_write_err`.
    fn give_up(&mut self) {
        self.fail(self.soft_err.unwrap_or(Errno::TIMEDOUT));
    }

    /// There is data that may not go out and nothing in flight whose ACK would open the window: starts to probe.
    pub(super) fn arm_window_probe(&mut self, now: Instant) {
        if self.timers.retransmit == Retransmit::Off {
            self.timers.arm(Retransmit::WindowProbe, after(now, self.backed_off_rto_ns()));
        }
    }

    /// `tcp_probe_timer`.
    fn on_window_probe_timeout(&mut self, now: Instant) {
        self.timers.stop_retransmit();
        if self.flight_bytes() > 0 || !self.has_unsent() {
            self.timers.probes_out = 0;
            return;
        }
        if self.timers.start_of_retries == Instant::FAR {
            self.timers.start_of_retries = now;
        } else if let Some(limit) = self.user_timeout_ns()
            && nanos_between(self.timers.start_of_retries, now) >= limit
        {
            self.give_up();
            return;
        }
        if self.timers.probes_out >= self.retries_allowed() {
            self.give_up();
            return;
        }
        self.probe_window(now);
    }

    /// `tcp_send_probe0`: sends what the window allows, or asks about it.
    fn probe_window(&mut self, now: Instant) {
        let window_end = self.snd_una + self.snd_wnd;
        if self.snd_nxt.before(window_end) {
            self.ack.push_partial = true;
            return;
        }
        self.ack.probe = true;
        self.timers.probes_out = self.timers.probes_out.saturating_add(1);
        if self.timers.backoff < self.sysctl.tcp_retries2 {
            self.timers.backoff += 1;
        }
        let timeout = self.within_user_timeout(now, self.backed_off_rto_ns());
        self.timers.arm(Retransmit::WindowProbe, after(now, timeout));
    }

    fn on_delayed_ack_timeout(&mut self) {
        self.timers.delayed_ack_at = Instant::FAR;
        if self.ack.scheduled {
            self.ack.pingpong = false;
            self.ack.now = true;
        }
    }

    pub(super) fn keepidle(&self) -> Duration {
        let seconds = if self.options.keepidle == 0 { self.sysctl.tcp_keepalive_time } else { self.options.keepidle };
        Duration::from_secs(u64::from(seconds))
    }

    fn keepintvl(&self) -> Duration {
        let seconds = if self.options.keepintvl == 0 { self.sysctl.tcp_keepalive_intvl } else { self.options.keepintvl };
        Duration::from_secs(u64::from(seconds))
    }

    /// `tcp_keepalive_timer`.
    fn on_keepalive_timeout(&mut self, now: Instant) {
        self.timers.keepalive_at = Instant::FAR;
        match self.state {
            State::FinWait2 if self.orphan => {
                // What is still to come is answered with a RST by whoever answers for closed ports.
                self.die();
                return;
            }
            State::Closed | State::Listen | State::SynSent | State::SynReceived | State::TimeWait => return,
            State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait | State::Closing | State::LastAck => {}
        }
        if !self.options.keepalive {
            return;
        }
        if self.flight_bytes() > 0 || self.has_unsent() {
            self.timers.keepalive_at = now + self.keepidle();
            return;
        }
        let idle = now.since(self.timers.last_heard);
        if idle < self.keepidle() {
            self.timers.keepalive_at = self.timers.last_heard + self.keepidle();
            return;
        }
        let user_timeout = Duration::from_millis(u64::from(self.options.user_timeout_ms));
        let count = if self.options.keepcnt == 0 { self.sysctl.tcp_keepalive_probes } else { self.options.keepcnt };
        let over = if user_timeout.is_zero() {
            self.timers.probes_out >= count
        } else {
            idle >= user_timeout && self.timers.probes_out > 0
        };
        if over {
            self.reset_peer(now);
            self.give_up();
            return;
        }
        self.ack.probe = true;
        self.timers.probes_out = self.timers.probes_out.saturating_add(1);
        self.timers.keepalive_at = now + self.keepintvl();
    }

    /// Starts or stops keepalive: `SO_KEEPALIVE`, and the beginning of a connection.
    pub(super) fn arm_keepalive(&mut self, now: Instant) {
        if self.options.keepalive {
            let since = self.timers.last_heard;
            self.timers.keepalive_at = (since + self.keepidle()).max(now);
        } else if !(self.orphan && self.state == State::FinWait2) {
            self.timers.keepalive_at = Instant::FAR;
        }
    }

    /// FIN-WAIT-2 without a user: `TCP_LINGER2`, `tcp_fin_timeout`.
    pub(super) fn orphan_in_fin_wait2(&mut self, now: Instant) {
        let seconds = match self.options.linger2 {
            0 => self.sysctl.tcp_fin_timeout,
            linger2 => match u16::try_from(linger2) {
                Ok(seconds) => seconds,
                Err(_) => {
                    self.reset_peer(now);
                    self.die();
                    return;
                }
            },
        };
        let least_ns = self.rto_ns() * 7 / 2;
        let nanos = (u64::from(seconds) * 1_000_000_000).max(least_ns);
        // What is over a minute the socket itself waits, `tcp_keepalive_timer`, and then hands that part, not the minute, to the table of
        // connections in TIME-WAIT.
        let nanos = if nanos > TIMEWAIT_LEN_NS { (nanos - TIMEWAIT_LEN_NS) * 2 } else { nanos };
        self.timers.keepalive_at = after(now, nanos);
    }
}

/// The moment `nanos` after `now`.
#[inline]
pub(super) fn after(now: Instant, nanos: u64) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_add(nanos))
}

/// The nanoseconds from `earlier` to `now`; zero if it is later.
#[inline]
pub(super) fn nanos_between(earlier: Instant, now: Instant) -> u64 {
    now.as_nanos().saturating_sub(earlier.as_nanos())
}

/// What a loss probe of a single segment allows the peer for delaying its ACK.
const LOSS_PROBE_EXTRA_NS: u64 = 200_000_000;
/// tcp_orphan_retries 0 stands for this.
const ORPHAN_RETRIES: u8 = 8;
/// TCP_TIMEWAIT_LEN.
const TIMEWAIT_LEN_NS: u64 = 60_000_000_000;
/// TCP_DELACK_MIN.
pub(super) const DELAYED_ACK_NS: u64 = 40_000_000;
