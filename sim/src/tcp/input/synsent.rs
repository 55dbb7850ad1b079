//! Section 3.10.7.3: a segment arrives in SYN-SENT.

use crate::packet::{Control, Segment};
use crate::tcp::poll::Wakes;
use crate::tcp::state::State;
use crate::tcp::tcb::Tcb;
use crate::tcp::timer::nanos_between;
use twinsock::Instant;

impl Tcb {
    #[cold]
    pub(super) fn arrives_in_syn_sent(&mut self, now: Instant, segment: &Segment) {
        let is_reset = segment.control == Control::Rst;
        // First: ACK.
        if let Some(ack) = segment.ack {
            if ack.before_or_at(self.iss) || self.snd_nxt.before(ack) {
                if !is_reset {
                    self.reply_reset(segment);
                }
                return;
            }
            // Second: RST. Third: security, nothing. Fourth: SYN.
            if is_reset {
                self.on_reset();
            } else if segment.control == Control::Syn {
                self.syn_is_acknowledged(now, segment);
            }
            return;
        }
        if segment.control == Control::Syn {
            self.both_sides_open(now, segment);
        }
    }

    /// A SYN-ACK: ESTABLISHED.
    fn syn_is_acknowledged(&mut self, now: Instant, segment: &Segment) {
        self.take_syn(now, segment);
        self.snd_una = self.iss + 1;
        self.take_handshake_rtt(now);
        self.timers.stop_retransmit();
        self.establish(now);
        self.ack.now = true;
    }

    /// A bare SYN: simultaneous open, SYN-RECEIVED, and our SYN goes out again with an ACK.
    fn both_sides_open(&mut self, now: Instant, segment: &Segment) {
        self.take_syn(now, segment);
        self.state = State::SynReceived;
        self.rtx_nxt = self.iss;
        self.rtx_end = self.iss + 1;
    }

    fn take_syn(&mut self, now: Instant, syn: &Segment) {
        self.take_syn_options(now, syn);
        self.agree_on_scale();
        self.take_irs(syn.seq);
        self.snd_wl1 = syn.seq;
        self.timers.last_heard = now;
    }

    /// The handshake's round trip is the first sample.
    pub(super) fn take_handshake_rtt(&mut self, now: Instant) {
        if let Some((_, since)) = self.rtt.timed.take()
            && self.timers.retransmits == 0
        {
            self.take_rtt_sample(nanos_between(since, now));
        }
        self.timers.retransmits = 0;
        self.timers.backoff = 0;
        self.timers.start_of_retries = Instant::FAR;
    }

    /// Both SYNs are acknowledged.
    #[cold]
    pub(super) fn establish(&mut self, now: Instant) {
        self.state = State::Established;
        self.snd_up = self.snd_una;
        self.snd_sml = self.snd_una;
        self.rtx_nxt = self.snd_una;
        self.rtx_end = self.snd_una;
        self.begin_congestion_control();
        self.settle_buffers();
        self.arm_keepalive(now);
        self.wakes |= Wakes::STATE;
    }
}
