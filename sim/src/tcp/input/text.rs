//! The sixth to eighth steps of section 3.10.7.4: urgent pointer, text, FIN; and when to acknowledge, RFC 9293 section 3.8.6.3.

use crate::packet::{Control, Payload, Segment};
use crate::tcp::poll::Wakes;
use crate::tcp::rtt::JIFFY_US;
use crate::tcp::send_buffer::slice;
use crate::tcp::state::State;
use crate::tcp::tcb::{Tcb, Urgent, u32_from, usize_from};
use crate::tcp::timer::{DELAYED_ACK_NS, after, nanos_between};
use twinsock::Instant;

impl Tcb {
    /// `tcp_check_urg`.
    #[cold]
    pub(super) fn take_urgent_pointer(&mut self, segment: &Segment) {
        let pointer = u32::from(segment.urgent.unwrap_or(0)).saturating_sub(1);
        let at = segment.seq + pointer;
        let passed = at.before(self.copied_seq) || at.before(self.rcv_nxt);
        if passed || (self.urgent != Urgent::None && at.before_or_at(self.urg_seq)) {
            return;
        }
        if self.at_mark() && !self.options.oobinline && self.copied_seq != self.rcv_nxt {
            // The earlier urgent byte is at the read position: nobody will read it.
            if let Some(recv) = &mut self.recv
                && recv.queued_bytes() > 0
            {
                recv.consume(1);
            }
            self.copied_seq += 1;
        }
        self.urgent = Urgent::Awaited;
        self.urg_seq = at;
    }

    /// `tcp_data_queue`, and before it what Linux does with data for a closed socket.
    #[inline(always)]
    pub(super) fn take_text(&mut self, now: Instant, segment: &mut Segment) {
        let fin = segment.control == Control::Fin;
        let len = u32_from(segment.payload.len());
        let end = segment.seq + len;
        match self.state {
            State::FinWait1 | State::FinWait2 if self.shutdown.read && self.rcv_nxt.before(end) => {
                // RFC 9293 section 3.6.1 (2): nobody will ever read it. But an urgent byte is taken first: `tcp_urg`.
                let offset = self.urg_seq - segment.seq;
                if self.urgent == Urgent::Awaited
                    && let Some(byte) = segment.payload.as_slice().get(usize_from(offset))
                {
                    self.urgent = Urgent::Unread(*byte);
                }
                self.reply_reset(segment);
                self.on_reset();
                return;
            }
            State::CloseWait | State::Closing | State::LastAck => {
                // The peer's FIN was received: whatever comes is old.
                self.ack.now = true;
                return;
            }
            State::Closed | State::Listen | State::SynSent | State::SynReceived | State::TimeWait => return,
            State::Established | State::FinWait1 | State::FinWait2 => {}
        }
        if segment.seq == self.rcv_nxt {
            self.append(now, &mut segment.payload, segment.frame_bytes, fin);
        } else if segment.seq.before(self.rcv_nxt) {
            self.append_new_part(now, segment, end, fin);
        } else {
            self.recv_buffer().keep_early(segment.seq, std::mem::replace(&mut segment.payload, Payload::EMPTY), fin);
            // RFC 5681 section 4.2: a duplicate ACK at once.
            self.ack.now = true;
        }
    }

    /// A segment that begins with what is there already.
    #[cold]
    fn append_new_part(&mut self, now: Instant, segment: &Segment, end: crate::packet::SeqNumber, fin: bool) {
        let new_fin = fin && end == self.rcv_nxt;
        if end.before_or_at(self.rcv_nxt) && !new_fin {
            self.ack.quick = self.ack.quick.max(2);
            self.ack.now = true;
            return;
        }
        let old = usize_from(self.rcv_nxt - segment.seq);
        let mut new = slice(&segment.payload, old, segment.payload.len() - old);
        self.append(now, &mut new, segment.frame_bytes, fin);
    }

    /// Data in order, and what it makes whole.
    #[inline(always)]
    fn append(&mut self, now: Instant, payload: &mut Payload, frame_bytes: u16, fin: bool) {
        let fills_gap = self.recv.as_ref().is_some_and(|recv| recv.has_early());
        let mut ended = fin;
        if !payload.is_empty() {
            let len = u32_from(payload.len());
            self.accept_data(now, payload);
            self.data_received(now, len, frame_bytes);
        }
        if fills_gap {
            while !ended && let Some((mut data, fin)) = self.recv.as_mut().and_then(|recv| recv.take_early(self.rcv_nxt)) {
                self.accept_data(now, &mut data);
                ended = fin;
            }
            self.ack.now = true;
        }
        if ended {
            self.take_fin(now);
        }
    }

    /// The receive queue grows by `payload`.
    #[inline(always)]
    fn accept_data(&mut self, now: Instant, payload: &mut Payload) {
        let len = u32_from(payload.len());
        if self.recv.is_none() {
            self.restart_reading_rate(now);
        }
        self.rcv_nxt += len;
        let recv = self.recv.as_mut().expect("the receive buffer was made above");
        if self.urgent == Urgent::Awaited {
            let before = recv.queued_bytes();
            recv.push(payload);
            let offset = self.urg_seq - self.copied_seq;
            if before <= offset
                && let Some(byte) = recv.byte_at(usize_from(offset))
            {
                self.urgent = Urgent::Unread(byte);
                self.wakes |= Wakes::READABLE;
            }
        } else {
            recv.push(payload);
        }
        self.data_ready();
    }

    /// `tcp_event_data_recv` and `__tcp_ack_snd_check`.
    #[inline(always)]
    pub(in crate::tcp) fn data_received(&mut self, now: Instant, len: u32, frame_bytes: u16) {
        self.measure_segment(len, frame_bytes);
        self.ack.scheduled = true;
        let pause = nanos_between(self.ack.last_data, now);
        if !self.ack.data_seen || pause > self.rto_ns() {
            self.ack.data_seen = true;
            self.ack.quick = QUICK_ACKS_MAX;
        }
        self.ack.last_data = now;
        let unacked = self.rcv_nxt - self.rcv_wup;
        let worth_a_window = unacked > u32::from(self.rcv_mss)
            && (self.unread_bytes() < self.options.rcvlowat || self.free_window() >= self.rcv_wnd);
        if worth_a_window || (self.ack.quick > 0 && !self.ack.pingpong) {
            self.ack.now = true;
        } else {
            self.timers.delayed_ack_at = self.timers.delayed_ack_at.min(after(now, DELAYED_ACK_NS));
        }
    }

    /// `tcp_fin`.
    #[cold]
    fn take_fin(&mut self, now: Instant) {
        self.rcv_nxt += 1;
        self.done = true;
        self.shutdown.read = true;
        self.wakes |= Wakes::STATE;
        if let Some(recv) = &mut self.recv {
            recv.drop_early();
        }
        match self.state {
            State::Established | State::SynReceived => {
                self.state = State::CloseWait;
                self.ack.scheduled = true;
                self.ack.pingpong = true;
                // It waits like any other ACK: a tick if there was never data, whose first segment sets `icsk_ack.ato`.
                let ato_ns = if self.ack.data_seen { DELAYED_ACK_NS } else { u64::from(JIFFY_US) * 1000 };
                self.timers.delayed_ack_at = self.timers.delayed_ack_at.min(after(now, ato_ns));
            }
            State::FinWait1 => {
                self.state = State::Closing;
                self.ack.now = true;
            }
            State::FinWait2 => {
                // What is left answers as the connection does now.
                self.select_window();
                self.enter_time_wait();
                self.ack.now = true;
            }
            State::CloseWait
            | State::Closing
            | State::LastAck
            | State::Closed
            | State::Listen
            | State::SynSent
            | State::TimeWait => {}
        }
    }
}

/// TCP_MAX_QUICKACKS.
pub(in crate::tcp) const QUICK_ACKS_MAX: u8 = 16;
