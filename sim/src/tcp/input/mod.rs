//! RFC 9293 section 3.10.7, SEGMENT ARRIVES, in the RFC's order; a file for each step that is long.

mod ack;
mod checks;
mod icmp;
mod options;
mod synsent;
mod text;

pub(super) use text::QUICK_ACKS_MAX;

use super::state::State;
use super::tcb::{Tcb, Urgent};
use crate::packet::{Control, Segment};
use twinsock::Instant;

impl Tcb {
    /// RFC 9293 section 3.10.7. The segment's data moves into the receive buffer.
    ///
    /// For a listener use [`super::segment_for_listener`], without a control block [`super::reply_to_closed`].
    #[cfg(test)]
    pub fn handle_segment(&mut self, now: Instant, mut segment: Segment) {
        self.take_segment(now, &mut segment);
    }

    /// The same, with the segment where it is: a small one is not worth moving. What is left of it means nothing. Whether it was a small one, taken as
    /// such.
    #[inline(always)]
    pub fn take_segment(&mut self, now: Instant, segment: &mut Segment) -> bool {
        let is_small = Tcb::may_be_small(segment) && self.take_small(now, segment);
        if !is_small {
            self.arrives(now, segment);
        }
        is_small
    }

    /// The same where nearly all segments are taken: the way is a part of its caller.
    #[inline(always)]
    pub fn take_segment_here(&mut self, now: Instant, segment: &mut Segment) -> bool {
        let is_small = Tcb::may_be_small(segment) && self.take_small(now, segment);
        if !is_small {
            self.arrives_here(now, segment);
        }
        is_small
    }

    /// The same on the full way.
    #[inline(never)]
    pub(in crate::tcp) fn arrives(&mut self, now: Instant, segment: &mut Segment) {
        self.arrives_here(now, segment);
    }

    #[inline(always)]
    fn arrives_here(&mut self, now: Instant, segment: &mut Segment) {
        match self.state {
            State::Closed | State::Listen | State::TimeWait => self.reply_reset(segment),
            State::SynSent => self.arrives_in_syn_sent(now, segment),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.arrives_elsewhere(now, segment),
        }
    }

    /// Section 3.10.7.4: the steps.
    #[inline(always)]
    fn arrives_elsewhere(&mut self, now: Instant, segment: &mut Segment) {
        // First to fourth: sequence number, RST, security (nothing), SYN.
        if !self.is_expected(segment) && !self.is_acceptable(now, segment) {
            return;
        }
        self.timers.last_heard = now;
        self.timers.probes_out = 0;
        self.take_timestamp(now, segment);
        let holds = self.more_follows && self.is_predicted_data(segment);
        // Fifth: ACK.
        if !self.take_ack(now, segment) {
            return;
        }
        if self.state == State::Closed {
            return;
        }
        // `tcp_data_snd_check`: whatever arrives pushes out what MSG_MORE held, but for data that header prediction takes.
        self.more_follows = holds;
        // Sixth: URG. Seventh: text. Eighth: FIN.
        if segment.urgent.is_some() {
            self.take_urgent_pointer(segment);
        }
        if !segment.payload.is_empty() || segment.control == Control::Fin {
            self.take_text(now, segment);
            self.ack.predicts = true;
        }
    }

    /// Whether it is data with nothing new in its header: the fast path of `tcp_rcv_established`.
    #[cold]
    fn is_predicted_data(&self, segment: &Segment) -> bool {
        let is_plain = match segment.control {
            Control::None | Control::Push => segment.urgent.is_none() && self.urgent == Urgent::None,
            Control::Syn | Control::Fin | Control::Rst => false,
        };
        let is_next = segment.seq == self.rcv_nxt && segment.ack == Some(self.snd_una) && !segment.payload.is_empty();
        let window = u32::from(segment.window) << self.snd_wscale;
        self.ack.predicts && self.state == State::Established && is_plain && is_next && window == self.snd_wnd
    }
}
