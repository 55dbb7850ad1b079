//! RST and challenge ACKs: RFC 9293 section 3.5.2 and 3.5.3, RFC 5961.

use super::state::State;
use super::tcb::Tcb;
use crate::packet::{Control, Payload, Segment, SeqNumber, TcpOptions};
use std::time::Duration;
use twinsock::{Errno, Instant};

/// RFC 9293 section 3.10.7.1: the answer to a segment for which there is no connection; none to a RST.
#[must_use]
pub fn reply_to_closed(segment: &Segment) -> Option<Segment> {
    if segment.control == Control::Rst {
        return None;
    }
    let (seq, ack) = match segment.ack {
        Some(ack) => (ack, None),
        None => (SeqNumber::new(0), Some(segment.seq + segment.sequence_len())),
    };
    Some(bare_segment((segment.dst_port, segment.src_port), seq, ack, Control::Rst))
}

/// A segment with no data, no options and window 0.
pub(super) fn bare_segment(ports: (u16, u16), seq: SeqNumber, ack: Option<SeqNumber>, control: Control) -> Segment {
    Segment {
        src_port: ports.0,
        dst_port: ports.1,
        seq,
        ack,
        control,
        urgent: None,
        window: 0,
        options: TcpOptions::default(),
        payload: Payload::EMPTY,
        frame_bytes: 0,
    }
}

impl Tcb {
    /// `tcp_send_active_reset`: tells the peer that the connection is gone.
    pub(super) fn reset_peer(&mut self, now: Instant) {
        let wnd_end = self.snd_una + self.snd_wnd;
        let seq = if self.snd_nxt.before_or_at(wnd_end) { self.snd_nxt } else { wnd_end };
        let mut reset = bare_segment((self.local_port, self.remote_port), seq, Some(self.rcv_nxt), Control::Rst);
        reset.options.timestamps = self.timestamps_now(now);
        self.push_reply(reset);
    }

    /// Answers one segment with a RST: RFC 9293 section 3.5.2, group 1 and 2.
    #[cold]
    pub(super) fn reply_reset(&mut self, segment: &Segment) {
        if let Some(reset) = reply_to_closed(segment) {
            self.push_reply(reset);
        }
    }

    /// RFC 5961 section 7: an ACK that asks the peer to prove itself, at most one in 500 ms.
    #[cold]
    pub(super) fn challenge(&mut self, now: Instant) {
        if !self.is_rate_limited(now) {
            self.ack.now = true;
        }
    }

    /// Answers a segment that is not acceptable with an ACK; a bare one at most once in 500 ms, so that two ends never answer each
    /// other for ever: `tcp_oow_rate_limited`.
    #[cold]
    pub(super) fn ack_unacceptable(&mut self, now: Instant, segment: &Segment) {
        if segment.sequence_len() > 0 && segment.control != Control::Syn {
            self.ack.now = true;
        } else {
            self.challenge(now);
        }
    }

    fn is_rate_limited(&mut self, now: Instant) -> bool {
        let limited = now < self.ack.next_challenge;
        if !limited {
            self.ack.next_challenge = now + CHALLENGE_INTERVAL;
        }
        limited
    }

    /// `tcp_reset`: an acceptable RST came in. What the user has not read stays.
    #[cold]
    pub(super) fn on_reset(&mut self) {
        let error = match self.state {
            State::SynSent => Errno::CONNREFUSED,
            State::CloseWait => Errno::PIPE,
            State::Closed => return,
            State::Listen
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait => Errno::CONNRESET,
        };
        self.fail(error);
    }
}

/// `tcp_invalid_ratelimit`.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);
