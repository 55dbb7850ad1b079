//! The first four steps of section 3.10.7.4: sequence number, RST, SYN; with RFC 7323's PAWS and RFC 5961's challenge ACKs.

use crate::packet::{Control, Segment};
use crate::tcp::state::State;
use crate::tcp::tcb::{Tcb, usize_from};
use twinsock::Instant;

impl Tcb {
    /// Header prediction: whether this is just the next segment, so that none of the checks can find anything.
    #[inline]
    pub(super) fn is_expected(&self, segment: &Segment) -> bool {
        let plain = match segment.control {
            Control::None | Control::Push | Control::Fin => segment.ack.is_some(),
            Control::Syn | Control::Rst => false,
        };
        let fresh = match segment.options.timestamps {
            Some(timestamps) => !self.is_older_timestamp(timestamps.value),
            None => true,
        };
        plain && fresh && segment.seq == self.rcv_nxt && segment.payload.len() <= usize_from(self.receive_window())
    }

    /// Whether the segment goes on to the fifth step. What lies outside the window is cut off.
    #[cold]
    pub(super) fn is_acceptable(&mut self, now: Instant, segment: &mut Segment) -> bool {
        let is_reset = segment.control == Control::Rst;
        if !is_reset && self.is_old_by_timestamp(now, segment) {
            self.ack_unacceptable(now, segment);
            return false;
        }
        if self.is_repeated_syn(segment) {
            self.retransmit_first();
            return false;
        }
        if self.is_simultaneous_syn_ack(segment) {
            // Both sides opened: the peer's SYN-ACK says again what its SYN said, and acknowledges ours.
            segment.control = Control::None;
            segment.seq += 1;
            // The window of a SYN is not scaled; the next segment says it exactly.
            segment.window >>= self.snd_wscale;
            // It brings nothing new, and so is acknowledged at once.
            self.ack.quick = self.ack.quick.max(2);
            self.ack.now = true;
            return true;
        }
        if !self.is_in_window(segment) {
            if !is_reset {
                self.ack_unacceptable(now, segment);
            } else if self.is_reset_after_fin(segment) {
                self.on_reset();
            }
            return false;
        }
        match segment.control {
            Control::Rst => {
                // RFC 5961 section 3: only the exact number resets, others are asked to prove it.
                if segment.seq == self.rcv_nxt || self.is_reset_after_fin(segment) {
                    self.on_reset();
                } else {
                    self.challenge(now);
                }
                false
            }
            Control::Syn => {
                // RFC 5961 section 4.
                self.challenge(now);
                false
            }
            Control::None | Control::Push | Control::Fin => {
                self.cut_to_window(segment);
                segment.ack.is_some()
            }
        }
    }

    /// Section 3.4: the four cases of the acceptance test; a segment from before what was last acknowledged is too old.
    fn is_in_window(&self, segment: &Segment) -> bool {
        let end = segment.seq + segment.sequence_len();
        let window = self.receive_window();
        self.rcv_wup.before_or_at(end) && segment.seq.before_or_at(self.rcv_nxt + window)
    }

    /// A RST whose sender had not seen our ACK of its FIN: `tcp_reset_check`.
    fn is_reset_after_fin(&self, segment: &Segment) -> bool {
        let after_fin = match self.state {
            State::CloseWait | State::LastAck | State::Closing => true,
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::TimeWait => false,
        };
        after_fin && segment.seq + 1 == self.rcv_nxt
    }

    /// The peer has not got our SYN-ACK and repeats its SYN.
    fn is_repeated_syn(&self, segment: &Segment) -> bool {
        self.state == State::SynReceived
            && segment.control == Control::Syn
            && segment.ack.is_none()
            && segment.seq + 1 == self.rcv_nxt
    }

    /// The second half of a simultaneous open.
    fn is_simultaneous_syn_ack(&self, segment: &Segment) -> bool {
        self.state == State::SynReceived
            && !self.passive
            && segment.control == Control::Syn
            && segment.ack == Some(self.snd_nxt)
            && segment.seq + 1 == self.rcv_nxt
            && segment.payload.is_empty()
    }

    /// Section 3.10.7.4: segments are cut at the right edge of the window, where a FIN falls off too; the sender hears where it is.
    fn cut_to_window(&mut self, segment: &mut Segment) {
        let beyond = self.beyond_window(segment);
        if beyond > 0 {
            let kept = segment.payload.len() - beyond;
            segment.payload = crate::tcp::send_buffer::slice(&segment.payload, 0, kept);
            segment.control = Control::None;
            self.ack.now = true;
        }
    }
}
