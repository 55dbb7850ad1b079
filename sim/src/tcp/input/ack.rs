//! The fifth step of section 3.10.7.4: the ACK field. RFC 5961 section 5, RFC 5681, RFC 6298.

use crate::packet::{Control, Segment, SeqNumber};
use crate::tcp::congestion::Phase;
use crate::tcp::output::timestamp_clock;
use crate::tcp::poll::Wakes;
use crate::tcp::state::State;
use crate::tcp::tcb::Tcb;
use crate::tcp::timer::{Retransmit, nanos_between};
use twinsock::Instant;

impl Tcb {
    /// Takes the ACK field. Whether the segment's text is looked at.
    #[inline(always)]
    pub(super) fn take_ack(&mut self, now: Instant, segment: &Segment) -> bool {
        let Some(ack) = segment.ack else { return false };
        if self.state == State::SynReceived && !self.take_ack_of_syn(now, segment, ack) {
            return false;
        }
        if self.snd_nxt.before(ack) {
            self.challenge(now);
            return false;
        }
        if ack.before(self.snd_una) {
            return self.take_old_ack(now, ack);
        }
        self.soft_err = None;
        let flight = self.flight_bytes();
        let acked = ack - self.snd_una;
        let window_changed = self.take_window(now, segment, ack);
        if acked > 0 {
            self.take_new_ack(now, segment, ack, flight);
        } else if flight > 0
            && !window_changed
            && segment.payload.is_empty()
            && segment.control != Control::Fin
            && self.timers.retransmit != Retransmit::WindowProbe
        {
            self.on_duplicate_ack();
        }
        self.leave_state_on_ack(now);
        self.check_space();
        self.state != State::Closed
    }

    /// An ACK of what was acknowledged before.
    #[cold]
    fn take_old_ack(&mut self, now: Instant, ack: SeqNumber) -> bool {
        // RFC 5961 section 5.2: an ACK from further back than any window reaches is forged.
        let is_forged = self.snd_una - ack > self.max_window;
        if is_forged {
            self.challenge(now);
        }
        !is_forged
    }

    /// In SYN-RECEIVED: the ACK of our SYN makes the connection.
    #[cold]
    fn take_ack_of_syn(&mut self, now: Instant, segment: &Segment, ack: SeqNumber) -> bool {
        if ack != self.snd_nxt {
            self.reply_reset(segment);
            return false;
        }
        // TCP_DEFER_ACCEPT: a bare ACK does not count until the SYN-ACK has been repeated often enough.
        if self.passive && self.options.defer_accept > self.timers.retransmits && segment.sequence_len() == 0 {
            return false;
        }
        self.snd_una = ack;
        self.take_handshake_rtt(now);
        self.timers.stop_retransmit();
        self.snd_wl1 = segment.seq;
        self.set_snd_wnd(u32::from(segment.window) << self.snd_wscale);
        self.establish(now);
        self.ack.predicts = true;
        if self.shutdown.write {
            // A child of a listener that was shut down for writing: Linux sends the FIN that it owes as soon as it can.
            self.send_fin();
        }
        true
    }

    /// SND.WND: `tcp_may_update_window`. Whether it changed.
    #[inline]
    fn take_window(&mut self, now: Instant, segment: &Segment, ack: SeqNumber) -> bool {
        let window = u32::from(segment.window) << self.snd_wscale;
        let newer = self.snd_una.before(ack)
            || self.snd_wl1.before(segment.seq)
            || (self.snd_wl1 == segment.seq && (window > self.snd_wnd || window == 0));
        if !newer {
            return false;
        }
        self.snd_wl1 = segment.seq;
        if window == self.snd_wnd {
            return false;
        }
        self.set_snd_wnd(window);
        self.ack.predicts = true;
        if self.timers.retransmit == Retransmit::WindowProbe {
            self.window_moved(now);
        }
        true
    }

    /// The window moved while it was being probed: `tcp_ack_probe`.
    #[cold]
    fn window_moved(&mut self, now: Instant) {
        let next = self.send.as_ref().and_then(|send| send.next_unsent()).map_or(1, |(len, _)| len.min(u32::from(self.mss)));
        if (self.snd_nxt + next).before_or_at(self.snd_una + self.snd_wnd) {
            self.timers.backoff = 0;
            self.timers.start_of_retries = Instant::FAR;
            self.timers.stop_retransmit();
        } else {
            self.timers.stop_retransmit();
            self.arm_window_probe(now);
        }
    }

    /// An ACK of something new.
    #[inline]
    fn take_new_ack(&mut self, now: Instant, segment: &Segment, ack: SeqNumber, flight: u32) {
        let acked = ack - self.snd_una;
        let was_repeated = self.timers.retransmits > 0 || self.congestion.phase != Phase::Open;
        self.snd_una = ack;
        if let Some(send) = &mut self.send {
            send.acknowledge(ack);
        }
        self.snd_up = self.snd_up.max(ack);
        self.sample_rtt(now, segment, ack, was_repeated);
        self.on_data_acknowledged(acked, flight);
        self.rearm_after_ack(now);
        self.more_follows = false;
        if self.nospace {
            self.grow_sndbuf();
        }
    }

    /// RFC 6298 section 3 and RFC 7323 section 4: one timed segment in a round trip; the echoed timestamp where it was repeated.
    #[inline]
    fn sample_rtt(&mut self, now: Instant, segment: &Segment, ack: SeqNumber, was_repeated: bool) {
        if let Some((end, since)) = self.rtt.timed {
            if end.before_or_at(ack) {
                self.rtt.timed = None;
                self.take_rtt_sample(nanos_between(since, now));
            }
            return;
        }
        if let (true, true, Some(timestamps)) = (was_repeated, self.timestamps.enabled, segment.options.timestamps) {
            let millis = timestamp_clock(now, self.timestamps.offset).wrapping_sub(timestamps.echo);
            if millis < 1 << 31 {
                self.take_rtt_sample(u64::from(millis) * 1_000_000);
            }
        }
    }

    /// What an ACK of our FIN does.
    #[inline]
    fn leave_state_on_ack(&mut self, now: Instant) {
        if !(self.fin_sent() && self.snd_una == self.snd_nxt) {
            return;
        }
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                self.wakes |= Wakes::STATE;
                if self.orphan {
                    self.orphan_in_fin_wait2(now);
                }
            }
            State::Closing => self.enter_time_wait(),
            State::LastAck => self.die(),
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait2
            | State::CloseWait
            | State::TimeWait => {}
        }
    }

    /// TIME-WAIT: a small value goes on, the socket is CLOSED.
    pub(super) fn enter_time_wait(&mut self) {
        self.leaves_rest = true;
        self.die();
    }
}
