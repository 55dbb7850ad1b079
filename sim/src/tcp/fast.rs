//! The shortest way for a few bytes on an established connection where nothing else is going on.
//!
//! Everything here could be left out: what is not the usual case is left to the full functions, and these do what those would have done.

use super::congestion::Phase;
use super::state::State;
use super::tcb::{Tcb, Urgent, u32_from, usize_from};
use super::timer::{Retransmit, nanos_between};
use crate::packet::{Control, Payload, Segment, SeqNumber};
use twinsock::Instant;

impl Tcb {
    /// [`Tcb::send`] of a few bytes that make a chunk of their own. `false`: that is for `send` itself, and nothing has happened.
    #[inline]
    pub fn send_small(&mut self, now: Instant, data: &[u8]) -> bool {
        let is_plain = self.state == State::Established && self.err.is_none() && !self.shutdown.write;
        let is_small = !data.is_empty() && data.len() <= Payload::INLINE_MAX_BYTES;
        let is_full = self.send.as_ref().is_some_and(|send| send.has_unsent()) || self.send_charge() >= self.sndbuf;
        if !is_plain || !is_small || is_full || self.notsent_lowat() == 0 {
            return false;
        }
        let seq = self.write_seq;
        self.send_buffer().push_small(seq, data);
        self.restart_after_idle(now);
        self.write_seq = seq + u32_from(data.len());
        self.push_now = false;
        self.more_follows = false;
        self.sealed = false;
        true
    }

    /// [`Tcb::send`] and [`Tcb::transmit_into`] in one, for a few bytes with nothing else in the queue, out or owed. `false`: nothing has
    /// happened.
    #[inline]
    pub fn send_through(&mut self, now: Instant, data: &[u8], into: &mut Segment) -> bool {
        let is_plain = self.state == State::Established && self.err.is_none() && !self.shutdown.write;
        let is_all = self.snd_una == self.write_seq && self.rtx_nxt == self.rtx_end && self.snd_up.before_or_at(self.snd_una);
        let is_small = !data.is_empty() && data.len() <= Payload::INLINE_MAX_BYTES;
        if !is_plain || !is_all || !is_small || self.ack.probe || self.options.cork || self.owes_replies {
            return false;
        }
        let len = u32_from(data.len());
        if len >= u32::from(self.mss) || len > self.snd_wnd || self.sndbuf == 0 || self.notsent_lowat() == 0 {
            return false;
        }
        let seq = self.write_seq;
        self.send_buffer().push_sent(seq, data);
        into.payload.assign(data);
        self.restart_after_idle(now);
        self.write_seq = seq + len;
        self.snd_nxt = self.write_seq;
        self.snd_sml = self.write_seq;
        self.push_now = false;
        self.more_follows = false;
        self.ack.push_partial = false;
        self.put_header(now, seq, Control::Push, into);
        into.frame_bytes = self.mss;
        self.data_went_out(now);
        true
    }

    /// Whether a segment, by what can be seen of it alone, may be one for [`Tcb::take_small`].
    #[inline(always)]
    pub fn may_be_small(segment: &Segment) -> bool {
        let is_plain = segment.control == Control::Push || segment.control == Control::None;
        is_plain && matches!(&segment.payload, Payload::Inline { len: 1.., .. })
    }

    /// [`Tcb::take_segment`] of a few bytes that come next, on a connection on which nothing is amiss. `false`: that is for `take_segment`
    /// itself, and nothing has happened.
    #[inline(always)]
    pub fn take_small(&mut self, now: Instant, segment: &Segment) -> bool {
        let (Some(send), Some(recv)) = (self.send.as_mut(), self.recv.as_mut()) else { return false };
        let (Some(ack), Payload::Inline { len, bytes }) = (segment.ack, &segment.payload) else { return false };
        let len = u32::from(*len);
        let is_plain = self.state == State::Established && (segment.control == Control::Push || segment.control == Control::None);
        let is_next = segment.seq == self.rcv_nxt && len > 0;
        // All that was out, of one segment, is acknowledged for the first time.
        let is_answer = ack == self.snd_nxt && send.is_only_sent(ack);
        let is_calm = self.congestion.phase == Phase::Open
            && self.timers.retransmits == 0
            && self.timers.retransmit != Retransmit::WindowProbe
            && self.urgent == Urgent::None
            && segment.urgent.is_none()
            && !recv.has_early()
            && !self.nospace
            && self.soft_err.is_none();
        if !is_plain || !is_next || !is_answer || !is_calm {
            return false;
        }
        let window_end = self.rcv_wup + self.rcv_wnd;
        if window_end.before(self.rcv_nxt + len) {
            return false;
        }
        if let Some(timestamps) = segment.options.timestamps {
            if SeqNumber::new(timestamps.value).before(SeqNumber::new(self.timestamps.recent)) {
                return false;
            }
            if self.timestamps.enabled && self.rcv_nxt == self.rcv_wup {
                self.timestamps.recent = timestamps.value;
                self.timestamps.recent_at = now;
            }
        }
        send.acknowledge_only();
        recv.push_small(&bytes[..usize_from(len)]);
        self.rcv_nxt += len;
        self.timers.last_heard = now;
        self.timers.probes_out = 0;
        self.snd_wl1 = segment.seq;
        let window = u32::from(segment.window) << self.snd_wscale;
        if window != self.snd_wnd {
            self.set_snd_wnd(window);
        }
        let flight = ack - self.snd_una;
        self.snd_una = ack;
        self.snd_up = self.snd_up.max(ack);
        if let Some((end, since)) = self.rtt.timed
            && end.before_or_at(ack)
        {
            self.rtt.timed = None;
            self.take_rtt_sample(nanos_between(since, now));
        }
        self.on_data_acknowledged(flight, flight);
        self.timers.start_of_retries = Instant::FAR;
        self.timers.stop_retransmit();
        self.more_follows = false;
        self.ack.predicts = true;
        self.data_ready();
        self.data_received(now, len, segment.frame_bytes);
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
        let is_plain = self.state == State::Established && !self.ack.probe && !self.owes_replies;
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

    /// [`Tcb::recv`] where as much is there as the caller asks for, or the `target` that it waits for. `None`: that is for `recv` itself,
    /// and nothing has happened.
    #[inline]
    pub fn recv_plainly(&mut self, now: Instant, into: &mut [u8], target: u32) -> Option<usize> {
        if self.urgent != Urgent::None || into.is_empty() {
            return None;
        }
        let unread = usize_from(self.unread_bytes());
        if unread == 0 {
            // The end of the stream, unless there is more to be said about it.
            return (self.done && self.state != State::Listen).then_some(0);
        }
        let recv = self.recv.as_mut()?;
        if unread < into.len() && unread < usize_from(target) {
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
