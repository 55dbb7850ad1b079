//! The way of a few bytes on a connection that is calm: what the short way ([`fast.rs`](super::fast)) looks at for every segment is looked at once.
//!
//! A calm connection is a dialogue of small segments with nothing amiss, owed or about to change, Linux's header prediction taken further. That
//! it is so is found out by [`Tcb::settle_down`], and holds until something else is done to the connection than what is here; who owns the
//! block keeps count of that. Everything here could be left out: these functions do what those of the short way would have done.

use super::congestion::Phase;
use super::input::QUICK_ACKS_MAX;
use super::output::timestamp_clock;
use super::state::State;
use super::tcb::{Tcb, Urgent, u32_from, usize_from};
use super::timer::{DELAYED_ACK_NS, Retransmit, after, nanos_between};
use super::window::align_up;
use crate::packet::{Control, Payload, Segment, SeqNumber, TcpOptions, Timestamps};
use crate::seldom::{seldom, unlikely};
use std::fmt;
use twinsock::Instant;

/// What was found when the connection was last found to be calm.
#[derive(Clone, Copy, PartialEq, Default)]
pub(super) struct Calm {
    /// Up to how many bytes go out at once.
    send_max_bytes: u16,
    /// What the window field of the peer's segments says.
    peer_window: u16,
    /// What that of ours says while nothing is unread.
    own_window: u16,
    /// The same in bytes.
    rcv_wnd: u32,
    /// When the loss probe of a single segment goes off.
    loss_probe_ns: u64,
    /// The retransmission timeout.
    rto_ns: u64,
    /// A sample of the round trip time that changes nothing.
    steady_sample_ns: u64,
}

impl fmt::Debug for Calm {
    /// Nothing of it belongs to the connection.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calm")
    }
}

/// What became of a segment that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Nothing has happened: it is for the short way.
    Not,
    /// It is taken, and to be read.
    Kept,
    /// It is taken, and read: so many bytes.
    Read(u32),
}

impl Tcb {
    /// Whether the connection is calm: if so, it is until something is done to it that is not in this file.
    pub fn settle_down(&mut self) -> bool {
        if !self.ack.pingpong || self.rcv_nxt - self.rcv_wup > SMALL_MAX_BYTES {
            return false;
        }
        let is_plain = self.state == State::Established
            && self.err.is_none()
            && self.soft_err.is_none()
            && !(self.shutdown.read || self.shutdown.write || self.done || self.fin_queued || self.nospace)
            && self.urgent == Urgent::None
            && self.snd_up.before_or_at(self.snd_una)
            && self.snd_una != self.iss
            && !self.wakes.any();
        let owes_nothing = !self.has_output() && self.rtx_nxt == self.rtx_end && !self.push_now && !self.more_follows;
        let cwnd = self.congestion.cwnd;
        let is_undisturbed = self.congestion.phase == Phase::Open
            && self.congestion.dup_acks == 0
            && !self.congestion.limited
            && self.congestion.recover.before_or_at(self.snd_una)
            && cwnd > 2 * SMALL_MAX_BYTES + 1
            && (cwnd <= self.initial_cwnd() || !self.sysctl.tcp_slow_start_after_idle)
            && self.timers.retransmits == 0
            && self.timers.backoff == 0
            && self.timers.probes_out == 0
            && self.timers.start_of_retries == Instant::FAR
            && self.rtt.srtt_us() != 0;
        let lets_through = !self.options.cork && self.notsent_lowat() > 0 && self.sndbuf > 0 && self.options.rcvlowat == 1;
        let knows_its_peer = self.ack.data_seen
            && self.ack.predicts
            && self.timestamps.enabled
            && self.rcv_wscale > 0
            && self.rcv_ssthresh >= self.window_clamp
            && u32::from(self.rcv_mss) >= SMALL_MAX_BYTES;
        if !(is_plain && owes_nothing && is_undisturbed && lets_through && knows_its_peer) {
            return false;
        }
        let Some(rcv_wnd) = self.steady_window() else { return false };
        let (loss_probe_ns, rto_ns) = (self.loss_probe_ns(), self.rto_ns());
        let (Some(send), Some(recv)) = (self.send.as_mut(), self.recv.as_ref()) else { return false };
        let Ok(peer_window) = u16::try_from(self.snd_wnd >> self.snd_wscale) else { return false };
        let Ok(own_window) = u16::try_from(rcv_wnd >> self.rcv_wscale) else { return false };
        let Ok(send_max_bytes) = u16::try_from(self.snd_wnd.min(u32::from(self.mss.saturating_sub(1))).min(SMALL_MAX_BYTES))
        else {
            return false;
        };
        // So far from closing that nothing of a few bytes is worth a word.
        let is_wide = self.rcv_wnd.min(rcv_wnd).saturating_sub(SMALL_MAX_BYTES) > self.window_clamp / 2;
        // Whoever is calm has one segment out, which is being timed, or none.
        let is_at_rest = self.snd_una == self.snd_nxt && self.rtt.timed.is_none();
        // What is unread is told by two numbers of the block: nobody has to look at the queue for it.
        if self.rcv_nxt - self.copied_seq != recv.queued_bytes() {
            return false;
        }
        if !is_wide || !is_at_rest || u32::from(peer_window) << self.snd_wscale != self.snd_wnd || recv.has_early() {
            return false;
        }
        send.calm = Calm { send_max_bytes, peer_window, own_window, rcv_wnd, loss_probe_ns, rto_ns, steady_sample_ns: u64::MAX };
        true
    }

    /// The window that is offered in the answer to each small segment, if it is always the same: all that is free, or what was offered before, which is
    /// more, and of which a few bytes are less than its field can say.
    fn steady_window(&self) -> Option<u32> {
        let largest = u32::from(u16::MAX) << self.rcv_wscale;
        let free = align_up(self.window_from_space(self.rcvbuf).min(self.rcv_ssthresh), self.rcv_wscale).min(largest);
        if self.rcv_wnd <= free {
            return Some(free);
        }
        let unit = 1 << self.rcv_wscale;
        (unit > SMALL_MAX_BYTES && self.rcv_wnd.is_multiple_of(unit)).then_some(self.rcv_wnd)
    }

    /// [`Tcb::send_through`]. Answers the sequence and acknowledgment numbers; `None`: that is for the short way, and nothing has happened. `again`: what is
    /// written to holds the last segment that this has written, since when the connection has been calm.
    #[inline(always)]
    pub fn send_calmly(&mut self, now: Instant, data: &[u8], into: &mut Segment, again: bool) -> Option<(SeqNumber, SeqNumber)> {
        let send = self.send.as_deref_mut()?;
        // None at all is one too few.
        if data.len().wrapping_sub(1) >= usize::from(send.calm.send_max_bytes)
            || self.snd_una != self.write_seq
            || self.copied_seq != self.rcv_nxt
        {
            return None;
        }
        assert!(data.len() <= Payload::INLINE_MAX_BYTES, "who is calm sends no more than a payload has by value");
        // Each thing is done with before the next, and the bytes are copied at the end: so little has to be kept at hand meanwhile.
        self.congestion.last_sent = now;
        self.timers.arm(Retransmit::LossProbe, after(now, send.calm.loss_probe_ns));
        self.rcv_wnd = send.calm.rcv_wnd;
        let stamps = Timestamps { value: timestamp_clock(now, self.timestamps.offset), echo: self.timestamps.recent };
        into.options.timestamps = Some(stamps);
        let ack = self.rcv_nxt;
        self.rcv_wup = ack;
        into.ack = Some(ack);
        let seq = self.write_seq;
        into.seq = seq;
        let end = seq + u32_from(data.len());
        self.write_seq = end;
        self.snd_nxt = end;
        self.snd_sml = end;
        self.rtt.timed = Some((end, now));
        send.push_only_sent(seq, data);
        into.payload.assign(data);
        self.ack_went_out();
        if !again {
            self.put_constant_header(into);
        }
        Some((seq, ack))
    }

    /// Writes what all segments of [`Tcb::send_calmly`] have in common, for as long as the connection is calm.
    #[inline(never)]
    fn put_constant_header(&self, into: &mut Segment) {
        into.src_port = self.local_port;
        into.dst_port = self.remote_port;
        into.control = Control::Push;
        into.urgent = None;
        into.window = self.send.as_ref().map_or(0, |send| send.calm.own_window);
        into.options = TcpOptions { timestamps: into.options.timestamps, ..TcpOptions::NONE };
        into.frame_bytes = self.mss;
    }

    /// [`Tcb::take_segment`], of the answer to all that is out, and, where somebody has room for all of it, [`Tcb::recv`] of it, at the moment `read_at`. There is nothing to
    /// send afterwards. `again`: what [`Tcb::send_calmly`] does not change has not changed since the last one that was taken, and this connection
    /// has been calm.
    ///
    /// # Panics
    /// If the connection is not calm: the caller has lost count.
    #[inline(always)]
    pub fn take_calmly(&mut self, now: Instant, segment: &Segment, (room_bytes, read_at): (u32, Instant), again: bool) -> Taken {
        let Some(send) = self.send.as_deref_mut() else { return Taken::Not };
        let Payload::Inline { len, bytes } = &segment.payload else {
            seldom();
            return Taken::Not;
        };
        if !again && !is_few_bytes_more(segment, send.calm.peer_window) {
            return Taken::Not;
        }
        // What comes next, to one who has acknowledged all before, the answer to what is out, neither late nor old.
        if segment.seq != self.rcv_nxt || self.rcv_wup != self.rcv_nxt || segment.ack != Some(self.snd_nxt) {
            return Taken::Not;
        }
        let pause_ns = nanos_between(self.ack.last_data, now);
        let Some(stamps) = segment.options.timestamps else { return Taken::Not };
        if pause_ns > send.calm.rto_ns || SeqNumber::new(stamps.value).before(SeqNumber::new(self.timestamps.recent)) {
            return Taken::Not;
        }
        let Some((_, since)) = self.rtt.timed else { return Taken::Not };
        // From here on it is taken. Each thing is done with before the next, so that little has to be kept at hand meanwhile.
        self.timestamps.recent = stamps.value;
        self.timestamps.recent_at = now;
        let sample_ns = nanos_between(since, now);
        let is_steady = sample_ns == send.calm.steady_sample_ns;
        self.rtt.timed = None;
        send.forget_one();
        self.timers.last_heard = now;
        self.timers.stop_retransmit();
        let acknowledged = self.snd_nxt;
        self.snd_una = acknowledged;
        self.snd_up = acknowledged;
        self.congestion.recover = acknowledged;
        let len = u32::from(*len);
        self.snd_wl1 = self.rcv_nxt;
        let end = self.rcv_nxt + len;
        self.rcv_nxt = end;
        if unlikely(!is_steady) {
            self.reckon(sample_ns, pause_ns);
        }
        self.ack.scheduled = true;
        self.ack.last_data = now;
        self.timers.delayed_ack_at = after(now, DELAYED_ACK_NS);
        let recv = self.recv.as_deref_mut().expect("who is calm has received something");
        let is_round_over = nanos_between(recv.space.since, read_at) >= 1000 * u64::from(self.rtt.srtt_us());
        let is_more = is_round_over && end - recv.space.seq > recv.space.bytes;
        // Who reads later than that is preceded by an acknowledgment.
        let is_in_time = read_at < self.timers.delayed_ack_at;
        let is_read = len <= room_bytes && recv.queued_bytes() == 0 && !is_more && is_in_time;
        if is_read {
            self.copied_seq = end;
            if is_round_over {
                recv.space.seq = end;
                recv.space.since = read_at;
            }
        } else {
            recv.push_few(usize_from(len), bytes);
        }
        if is_read { Taken::Read(len) } else { Taken::Kept }
    }

    /// A sample of the round trip time that is not the one that changes nothing: the estimate may change, and timeouts with it.
    #[inline(never)]
    fn reckon(&mut self, sample_ns: u64, pause_ns: u64) {
        let changed = self.take_rtt_sample(sample_ns);
        let (loss_probe_ns, rto_ns) = (self.loss_probe_ns(), self.rto_ns());
        if let Some(send) = &mut self.send {
            send.calm.loss_probe_ns = loss_probe_ns;
            send.calm.rto_ns = rto_ns;
            send.calm.steady_sample_ns = if changed { u64::MAX } else { sample_ns };
        }
        if pause_ns > rto_ns {
            self.ack.quick = QUICK_ACKS_MAX;
        }
    }

    /// Whether a receive on a calm connection has nothing to return.
    #[inline]
    #[must_use]
    pub fn must_wait_calmly(&self) -> bool {
        self.copied_seq == self.rcv_nxt
    }

    /// [`Tcb::recv`], where something is there to be read. `None`: that is for the short way, and nothing has happened.
    #[inline]
    pub fn recv_calmly(&mut self, now: Instant, into: &mut [u8]) -> Option<usize> {
        let recv = self.recv.as_deref_mut()?;
        let read_to = self.copied_seq + recv.queued_bytes();
        let is_round_over = nanos_between(recv.space.since, now) >= 1000 * u64::from(self.rtt.srtt_us());
        if is_round_over && read_to - recv.space.seq > recv.space.bytes {
            return None;
        }
        let copied = recv.read_few(into)?;
        self.copied_seq = read_to;
        if is_round_over {
            recv.space.seq = read_to;
            recv.space.since = now;
        }
        Some(copied)
    }
}

/// Whether a segment is one of data, with nothing in its header that has to be looked at but for numbers.
#[inline(never)]
fn is_few_bytes_more(segment: &Segment, window: u16) -> bool {
    let is_data = match segment.control {
        Control::None | Control::Push => !segment.payload.is_empty(),
        Control::Syn | Control::Fin | Control::Rst => false,
    };
    is_data && segment.window == window && segment.urgent.is_none()
}

/// What a payload carries by value.
const SMALL_MAX_BYTES: u32 = 79;
const _: () = assert!(Payload::INLINE_MAX_BYTES == 79);
