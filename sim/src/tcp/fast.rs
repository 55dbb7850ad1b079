//! The shortest way for a few bytes on an established connection where nothing else is going on.
//!
//! Everything here could be left out: what is not the usual case is left to the full functions, and these do what those would have done.

use super::state::State;
use super::tcb::{Tcb, Urgent, u32_from, usize_from};
use crate::packet::{Control, Payload, Segment};
use twinsock::Instant;

impl Tcb {
    /// [`Tcb::send`] of a few bytes that make a chunk of their own. `false`: that is for `send` itself, and nothing has happened.
    #[inline]
    pub fn send_small(&mut self, now: Instant, data: &[u8]) -> bool {
        let lowat = self.notsent_lowat();
        let Some(send) = self.send.as_mut() else { return false };
        let is_plain = self.state == State::Established && self.err.is_none() && !self.shutdown.write;
        let is_small = !data.is_empty() && data.len() <= Payload::INLINE_MAX_BYTES;
        if !is_plain || !is_small || send.has_unsent() || send.charge() >= self.sndbuf || lowat == 0 {
            return false;
        }
        send.push_small(self.write_seq, data);
        self.restart_after_idle(now);
        self.write_seq += u32_from(data.len());
        self.push_now = false;
        self.more_follows = false;
        true
    }

    /// [`Tcb::transmit_into`] of a segment of a few bytes, with nothing else out or owed. `false`: that is for `transmit_into` itself, and nothing
    /// has happened.
    #[inline(always)]
    pub(super) fn transmit_small(&mut self, now: Instant, into: &mut Segment) -> bool {
        let Some(send) = self.send.as_mut() else { return false };
        let Some(payload) = send.only_unsent() else { return false };
        let len = u32_from(payload.len());
        let is_all = self.snd_una == self.snd_nxt && self.rtx_nxt == self.rtx_end && self.snd_up.before_or_at(self.snd_una);
        let is_plain = self.state == State::Established && !self.ack.probe && self.replies.is_empty();
        let is_released = !self.options.cork && !self.more_follows;
        let fits = len < u32::from(self.mss) && len <= self.snd_wnd && len <= self.congestion.cwnd;
        if !is_all || !is_plain || !is_released || !fits {
            return false;
        }
        into.payload.set(payload);
        send.count_sent();
        let seq = self.snd_nxt;
        self.snd_nxt = seq + len;
        self.snd_sml = self.snd_nxt;
        self.ack.push_partial = false;
        self.put_header(now, seq, Control::Push, into);
        into.frame_bytes = self.mss;
        self.data_went_out(now);
        true
    }

    /// [`Tcb::recv`] where as much is there as the caller asks for or waits for. `None`: that is for `recv` itself, and nothing has happened.
    #[inline]
    pub fn recv_plainly(&mut self, now: Instant, into: &mut [u8]) -> Option<usize> {
        if self.urgent != Urgent::None {
            return None;
        }
        let recv = self.recv.as_mut()?;
        let unread = usize_from(recv.queued_bytes());
        if unread == 0 || into.is_empty() || (unread < into.len() && unread < usize_from(self.options.rcvlowat)) {
            return None;
        }
        let copied = recv.read_into(into);
        self.copied_seq += u32_from(copied);
        self.after_read(now, copied);
        Some(copied)
    }

    /// Whether a receive has nothing to return but will have.
    #[inline]
    #[must_use]
    pub fn must_wait(&self) -> bool {
        self.unread_bytes() == 0 && self.urgent == Urgent::None && !self.recv_is_over() && self.state != State::Listen
    }
}
