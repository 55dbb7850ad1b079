//! What to send now: RFC 9293 section 3.8 with Nagle's rule as Minshall and Linux have it. One segment for each call, until `None`.

use super::state::State;
use super::tcb::{Tcb, u32_from};
use super::timer::{DELAYED_ACK_NS, Retransmit, nanos_between};
use crate::packet::{Control, Payload, Segment, SeqNumber, TcpOptions, Timestamps};
use twinsock::Instant;

/// Which ACKs and probes are owed.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct AckState {
    /// Something was received that is not acknowledged yet: ICSK_ACK_SCHED.
    pub(super) scheduled: bool,
    /// An ACK goes out with the next turn, whatever it can ride on.
    pub(super) now: bool,
    /// A segment that asks for an ACK goes out: window probe or keepalive.
    pub(super) probe: bool,
    /// The partial segment goes out although Nagle's rule or the window would hold it: the probe timer went off.
    pub(super) push_partial: bool,
    /// The connection is a dialogue: ACKs wait for data to ride on.
    pub(super) pingpong: bool,
    /// How many more ACKs are not delayed.
    pub(super) quick: u8,
    /// Whether any data has come in.
    pub(super) data_seen: bool,
    /// Segments that come next are recognised by their headers: `pred_flags`.
    pub(super) predicts: bool,
    /// When data last came in.
    pub(super) last_data: Instant,
    /// No unacceptable segment is answered before this.
    pub(super) next_challenge: Instant,
}

/// What has been sent, if anything was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// A segment, after which there may be others.
    First,
    /// A segment, after which there is nothing to send.
    Only,
}

/// TSval at `now`: milliseconds.
#[inline]
pub(super) fn timestamp_clock(now: Instant, offset: u32) -> u32 {
    let millis = now.as_nanos() / 1_000_000 % (1 << 32);
    u32::try_from(millis).expect("a number modulo 2^32 fits 32 bits").wrapping_add(offset)
}

impl Tcb {
    /// The next segment to send, `None` when there is nothing more for now. To be drained after every call that takes `now`.
    #[cfg(test)]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Segment> {
        let mut segment = Segment::EMPTY;
        self.transmit_into(now, &mut segment).is_some().then_some(segment)
    }

    /// The same, written to where the caller wants the segment: a small one is not worth moving. `None`: there is nothing, and what is
    /// there now means nothing.
    #[inline(never)]
    pub fn transmit_into(&mut self, now: Instant, into: &mut Segment) -> Option<Sent> {
        if self.transmit_small(now, into) {
            return Some(Sent::First);
        }
        self.transmit(now, into)
    }

    /// Whether there may be something to send: a quick look, for most calls find nothing.
    #[inline(always)]
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.ack.now || self.has_unsent() || self.rtx_nxt.before(self.rtx_end) || self.ack.probe || self.owes_replies
    }

    /// The same on the full way.
    #[inline(always)]
    pub(super) fn transmit(&mut self, now: Instant, into: &mut Segment) -> Option<Sent> {
        if self.state.is_synchronized() && !self.owes_replies {
            self.transmit_synchronized(now, into)
        } else {
            self.transmit_rare(now, into)
        }
    }

    /// Answers, and what is sent before a connection is established.
    #[cold]
    fn transmit_rare(&mut self, now: Instant, into: &mut Segment) -> Option<Sent> {
        if self.owes_replies {
            self.take_reply(into);
            return Some(Sent::First);
        }
        match self.state {
            State::SynSent | State::SynReceived => self.transmit_syn(now, into).then_some(Sent::First),
            // The ACK of the FIN that has ended it.
            State::Closed if self.ack.now => {
                self.write_bare(now, self.snd_nxt, Control::None, into);
                Some(Sent::First)
            }
            State::Closed
            | State::Listen
            | State::TimeWait
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => None,
        }
    }

    #[inline(always)]
    fn transmit_synchronized(&mut self, now: Instant, into: &mut Segment) -> Option<Sent> {
        let repeats = self.rtx_nxt.before(self.rtx_end);
        if repeats && self.transmit_again(now, into) {
            return Some(Sent::First);
        }
        let mut sent = if repeats { Sent::First } else { Sent::Only };
        let mut bare = None;
        if self.has_unsent() {
            if !self.rtx_nxt.before(self.rtx_end) {
                match self.send.as_ref().and_then(|send| send.next_unsent()) {
                    Some((len, last)) if self.transmit_new(now, len, last, into) => return Some(Sent::First),
                    Some(_) => {}
                    None => bare = self.transmit_fin(now),
                }
            }
            if self.flight_bytes() == 0 {
                self.arm_window_probe(now);
            }
            if bare.is_none() || self.ack.probe {
                sent = Sent::First;
            }
        }
        let (seq, control) = bare.or_else(|| self.transmit_ack().map(|seq| (seq, Control::None)))?;
        self.write_bare(now, seq, control, into);
        debug_assert!(sent == Sent::First || !self.has_output(), "that was all");
        Some(sent)
    }

    /// SYN, SYN-ACK, and the ACK of a SYN in SYN-RECEIVED.
    #[inline(always)]
    fn transmit_syn(&mut self, now: Instant, into: &mut Segment) -> bool {
        if !self.rtx_nxt.before(self.rtx_end) {
            let ack = if self.state == State::SynReceived { self.transmit_ack() } else { None };
            return ack.map(|seq| self.write_bare(now, seq, Control::None, into)).is_some();
        }
        self.rtx_nxt = self.rtx_end;
        if self.snd_nxt == self.iss {
            self.snd_nxt = self.iss + 1;
            self.rtt.timed = Some((self.snd_nxt, now));
        }
        if self.timers.retransmit == Retransmit::Off {
            self.arm_after_transmit(now);
        }
        let ack = (self.state == State::SynReceived).then_some(self.rcv_nxt);
        if ack.is_some() {
            self.ack_went_out();
        }
        self.rcv_wup = self.rcv_nxt;
        into.src_port = self.local_port;
        into.dst_port = self.remote_port;
        into.seq = self.iss;
        into.ack = ack;
        into.control = Control::Syn;
        into.urgent = None;
        into.window = u16::try_from(self.rcv_wnd).unwrap_or(u16::MAX);
        into.options = self.syn_options(now, ack.is_some());
        into.payload.clear();
        into.frame_bytes = 0;
        true
    }

    /// The options of our SYN: in a SYN-ACK only what the peer's SYN had too.
    fn syn_options(&self, now: Instant, answer: bool) -> TcpOptions {
        let scale = if answer { self.peer_scales } else { self.sysctl.tcp_window_scaling };
        TcpOptions {
            mss_bytes: Some(self.advmss),
            window_scale: scale.then_some(self.rcv_wscale),
            timestamps: self.timestamps_now(now),
            ..TcpOptions::default()
        }
    }

    /// The clock of the connection's timestamps, `TCP_TIMESTAMP`, whether it uses them or not.
    #[must_use]
    pub fn timestamp_clock(&self, now: Instant) -> u32 {
        timestamp_clock(now, self.timestamps.offset)
    }

    /// The timestamps option of a segment sent now.
    #[inline]
    pub(super) fn timestamps_now(&self, now: Instant) -> Option<Timestamps> {
        self.timestamps
            .enabled
            .then(|| Timestamps { value: timestamp_clock(now, self.timestamps.offset), echo: self.timestamps.recent })
    }

    /// Whether data or a FIN waits that was never transmitted.
    #[inline]
    pub(super) fn has_unsent(&self) -> bool {
        self.snd_nxt.before(self.write_seq + u32::from(self.fin_queued))
    }

    /// New data, the next `len` bytes, if window, congestion window and Nagle's rule allow it.
    #[inline(always)]
    fn transmit_new(&mut self, now: Instant, len: u32, last: bool, into: &mut Segment) -> bool {
        let sendable = self.sendable_bytes(len, last);
        if sendable == 0 {
            return false;
        }
        let seq = self.snd_nxt;
        self.snd_nxt = seq + sendable;
        self.ack.push_partial = false;
        let mss = u32::from(self.mss);
        if sendable < mss || !sendable.is_multiple_of(mss) {
            self.snd_sml = self.snd_nxt;
        }
        let ends = last && sendable == len;
        let mut control = if ends { Control::Push } else { Control::None };
        if ends && self.fin_queued && self.snd_nxt.before(self.snd_una + self.snd_wnd) {
            control = Control::Fin;
            self.snd_nxt += 1;
        }
        self.write_header(now, seq, control, into);
        into.frame_bytes = self.mss;
        let send = self.send.as_mut().expect("unsent data is in the send buffer");
        into.payload.set(send.transmit(sendable));
        self.data_went_out(now);
        true
    }

    /// The FIN, for which there is nothing else to wait than the window.
    #[inline(always)]
    fn transmit_fin(&mut self, now: Instant) -> Option<(SeqNumber, Control)> {
        if !self.snd_nxt.before(self.snd_una + self.snd_wnd) {
            return None;
        }
        let seq = self.snd_nxt;
        self.snd_nxt += 1;
        self.went_out(now);
        Some((seq, Control::Fin))
    }

    /// Timers and clocks after new data was sent, `tcp_event_data_sent`; a FIN alone is not data.
    #[inline(always)]
    pub(super) fn data_went_out(&mut self, now: Instant) {
        self.congestion.last_sent = now;
        if nanos_between(self.ack.last_data, now) < DELAYED_ACK_NS && self.ack.data_seen {
            self.ack.pingpong = true;
        }
        self.went_out(now);
    }

    /// The same after new sequence space of any kind.
    #[inline]
    fn went_out(&mut self, now: Instant) {
        if self.rtt.timed.is_none() {
            self.rtt.timed = Some((self.snd_nxt, now));
        }
        self.arm_after_transmit(now);
    }

    /// How much of the next chunk may go out now.
    #[inline]
    fn sendable_bytes(&mut self, len: u32, last: bool) -> u32 {
        let window_end = self.snd_una + self.snd_wnd;
        let window = if self.snd_nxt.before(window_end) { window_end - self.snd_nxt } else { 0 };
        let mss = u32::from(self.mss);
        // Linux counts segments: one of a few bytes takes as much of the congestion window as a full one.
        let segments = self.send.as_ref().map_or(0, |send| u32_from(send.sent_chunks()));
        let cwnd = self.congestion.cwnd.saturating_sub(self.flight_bytes().max(segments.saturating_mul(mss)));
        let limit = window.min(cwnd);
        if len > limit {
            if cwnd < window {
                self.congestion.limited = true;
            }
            return if self.ack.push_partial { limit } else { limit - limit % mss };
        }
        let partial = if len < mss { len } else { len % mss };
        if last && partial != 0 && self.is_partial_held() { len - partial } else { len }
    }

    /// Whether a segment smaller than the MSS at the end of the queue waits: `tcp_nagle_test`.
    #[inline]
    fn is_partial_held(&self) -> bool {
        let urgent = self.snd_una.before(self.snd_up);
        if self.push_now || self.fin_queued || urgent || self.ack.push_partial {
            return false;
        }
        if self.options.cork || self.more_follows {
            return true;
        }
        !self.options.nodelay && self.snd_una.before(self.snd_sml) && self.snd_sml.before_or_at(self.snd_nxt)
    }

    /// Asks for the first unacknowledged segment to be sent again, whatever the congestion window.
    pub(super) fn retransmit_first(&mut self) {
        self.rtx_nxt = self.snd_una;
        self.rtx_end = self.snd_nxt.min(self.snd_una + u32::from(self.mss).max(1));
    }

    /// Asks for everything in flight to be sent again, as the congestion window allows.
    pub(super) fn retransmit_all(&mut self) {
        self.rtx_nxt = self.snd_una;
        self.rtx_end = self.snd_nxt;
    }

    /// Sends the next segment of what is to be sent again.
    #[cold]
    fn transmit_again(&mut self, now: Instant, into: &mut Segment) -> bool {
        self.rtx_nxt = self.rtx_nxt.max(self.snd_una);
        self.rtx_end = self.rtx_end.min(self.snd_nxt);
        let repeated = self.rtx_nxt - self.snd_una;
        if !self.rtx_nxt.before(self.rtx_end) || (repeated > 0 && repeated >= self.congestion.cwnd) {
            return false;
        }
        let seq = self.rtx_nxt;
        let mss = u32::from(self.mss);
        let room = self.congestion.cwnd.saturating_sub(repeated);
        let most = (room - room % mss).max(mss).min(self.rtx_end - seq);
        let payload = match &self.send {
            Some(send) if seq.before(self.write_seq) => send.resend(seq, most.min(self.write_seq - seq), mss),
            Some(_) | None => Payload::EMPTY,
        };
        self.rtx_nxt = seq + u32_from(payload.len());
        let mut control = if self.rtx_nxt == self.write_seq && !payload.is_empty() { Control::Push } else { Control::None };
        if self.rtx_nxt == self.write_seq && self.fin_sent() {
            control = Control::Fin;
            self.rtx_nxt += 1;
        }
        debug_assert!(seq.before(self.rtx_nxt), "what is to be sent again is in the send buffer");
        // RFC 6298 section 3, Karn's algorithm: an ACK from here on does not say which of the two it is for.
        self.rtt.timed = None;
        if self.timers.retransmit == Retransmit::Off {
            self.arm_after_transmit(now);
        }
        *into = self.segment(now, seq, control, payload);
        true
    }

    /// A probe or an ACK that nothing else has carried: its sequence number, if one is owed.
    #[inline]
    fn transmit_ack(&mut self) -> Option<SeqNumber> {
        if self.ack.probe {
            self.ack.probe = false;
            return Some(SeqNumber::new(self.snd_una.value().wrapping_sub(1)));
        }
        if !self.ack.now {
            return None;
        }
        self.ack.quick = self.ack.quick.saturating_sub(1);
        let window_end = self.snd_una + self.snd_wnd;
        Some(if self.snd_nxt.before_or_at(window_end) { self.snd_nxt } else { window_end.max(self.snd_una) })
    }

    /// A segment of a synchronized connection.
    pub(super) fn segment(&mut self, now: Instant, seq: SeqNumber, control: Control, payload: Payload) -> Segment {
        let mut segment = Segment::EMPTY;
        self.write_header(now, seq, control, &mut segment);
        segment.frame_bytes = if payload.is_empty() { 0 } else { self.mss };
        segment.payload = payload;
        segment
    }

    fn write_header(&mut self, now: Instant, seq: SeqNumber, control: Control, into: &mut Segment) {
        self.put_header(now, seq, control, into);
    }

    /// Writes a segment without data.
    #[inline(never)]
    fn write_bare(&mut self, now: Instant, seq: SeqNumber, control: Control, into: &mut Segment) {
        self.put_header(now, seq, control, into);
        into.frame_bytes = 0;
        into.payload.clear();
    }

    /// Writes a segment but for its data: what every one of a synchronized connection carries are the ACK, the window, the timestamps and
    /// the urgent pointer.
    #[inline(always)]
    pub(super) fn put_header(&mut self, now: Instant, seq: SeqNumber, control: Control, into: &mut Segment) {
        into.window = self.select_window();
        self.ack_went_out();
        into.src_port = self.local_port;
        into.dst_port = self.remote_port;
        into.seq = seq;
        into.ack = Some(self.rcv_nxt);
        into.control = control;
        into.urgent = if self.snd_una.before(self.snd_up) { self.urgent_pointer(seq) } else { None };
        into.options = TcpOptions { timestamps: self.timestamps_now(now), ..TcpOptions::NONE };
    }

    /// The pointer to the octet after the urgent byte: what 4.2BSD, and Linux after it, take the field for (RFC 6093 section 3.1).
    #[cold]
    fn urgent_pointer(&self, seq: SeqNumber) -> Option<u16> {
        if !seq.before(self.snd_up) {
            return None;
        }
        match u16::try_from(self.snd_up - seq) {
            Ok(pointer) => Some(pointer),
            Err(_) if self.snd_nxt.before(seq + u32::from(u16::MAX)) => Some(u16::MAX),
            Err(_) => None,
        }
    }

    #[inline]
    pub(super) fn ack_went_out(&mut self) {
        self.ack.scheduled = false;
        self.ack.now = false;
        self.timers.delayed_ack_at = Instant::FAR;
    }

    /// Chooses how much data the largest segment carries: a whole number of frames, at most half of the peer's largest window.
    pub(super) fn choose_size_goal(&mut self) {
        let mss = u32::from(self.mss);
        let most = SEGMENT_MAX_BYTES.min(self.max_window / 2);
        self.size_goal = (most - most % mss).max(mss);
    }
}

/// GSO_MAX_SIZE less the largest header: what Linux hands to a device at once.
const SEGMENT_MAX_BYTES: u32 = 65_536 - 320 - 1;

const _: () = assert!(SEGMENT_MAX_BYTES < 65_536, "a segment's length fits the IP header");
