//! What a connection needs for a while and the next one can have again: buffers that are empty.
//!
//! A connection that is over leaves its buffers here, and the next one in its place in memory has them ([`Tcb::let_go`], [`Tcb::renew`]). Without any a
//! connection makes its own, and notices no difference.

use super::config::{Config, Options};
use super::congestion::Congestion;
use super::output::AckState;
use super::poll::Wakes;
use super::recv_buffer::RecvBuffer;
use super::rtt::Rtt;
use super::send_buffer::SendBuffer;
use super::state::State;
use super::tcb::{MSS_DEFAULT, SCALING_RATIO_INITIAL, Tcb, TimestampState, Urgent};
use super::timer::Timers;
use super::user::ShutdownBits;
use crate::packet::{Segment, SeqNumber};

/// Buffers that nobody uses, but for what is answered still.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Spare {
    send: Option<Box<SendBuffer>>,
    recv: Option<Box<RecvBuffer>>,
    /// RSTs that wait to be sent; mostly none, and room for some.
    replies: Vec<Segment>,
}

impl Tcb {
    /// A segment waits to be sent, before everything else.
    #[cold]
    pub(super) fn push_reply(&mut self, reply: Segment) {
        self.spare.get_or_insert_default().replies.push(reply);
        self.owes_replies = true;
    }

    /// The first such segment is sent.
    #[cold]
    pub(super) fn take_reply(&mut self, into: &mut Segment) {
        let Some(spare) = &mut self.spare else { return };
        *into = spare.replies.remove(0);
        self.owes_replies = !spare.replies.is_empty();
    }

    /// The block is gone, but for its place in memory: what the next connection there can have again is kept, and the rest goes.
    pub fn let_go(&mut self) {
        self.spare_send();
        if let Some(mut recv) = self.recv.take()
            && recv.make_spare()
        {
            self.spare.get_or_insert_default().recv = Some(recv);
        }
        if let Some(Spare { replies, .. }) = self.spare.as_deref_mut() {
            replies.clear();
            if replies.capacity() > REPLIES_KEPT_MAX {
                *replies = Vec::new();
            }
        }
    }

    /// A block that was let go becomes that of a fresh socket, as [`Tcb::new`] makes it, but for what it has kept: in its place, for it is large.
    #[inline(always)]
    pub fn renew(&mut self, config: &Config) {
        let zero = SeqNumber::new(0);
        self.sysctl.clone_from(&config.sysctl);
        (self.snd_una, self.snd_nxt, self.write_seq, self.snd_sml) = (zero, zero, zero, zero);
        (self.snd_wl1, self.snd_up, self.rcv_nxt, self.rcv_wup) = (zero, zero, zero, zero);
        (self.rcv_wnd, self.copied_seq) = (0, zero);
        self.timestamps = TimestampState::fresh(config.timestamp_offset);
        self.ack = AckState::default();
        self.rtt = Rtt::default();
        self.timers = Timers::default();
        self.congestion = Congestion::default();
        self.options = Options::default();
        (self.state, self.shutdown, self.wakes) = (State::Closed, ShutdownBits::default(), Wakes::NONE);
        (self.done, self.orphan, self.passive, self.nospace, self.owes_replies) = (false, false, false, false, false);
        (self.err, self.soft_err) = (None, None);
        (self.local_port, self.remote_port, self.iss) = (0, 0, zero);
        (self.snd_wnd, self.unsettled, self.max_window) = (0, 0, 0);
        (self.mss_clamp, self.mss, self.size_goal) = (MSS_DEFAULT, MSS_DEFAULT, 0);
        (self.snd_wscale, self.peer_scales) = (0, false);
        (self.fin_queued, self.more_follows, self.sealed, self.push_now) = (false, false, false, false);
        self.leaves_rest = false;
        (self.rtx_nxt, self.rtx_end) = (zero, zero);
        (self.urg_seq, self.urgent) = (zero, Urgent::None);
        (self.rcv_wscale, self.scaling_ratio) = (0, SCALING_RATIO_INITIAL);
        (self.rcv_mss, self.advmss) = (MSS_DEFAULT, config.mss_bytes);
        (self.rcv_ssthresh, self.window_clamp) = (0, 0);
        (self.sndbuf, self.rcvbuf) = (config.sysctl.tcp_wmem[1], config.sysctl.tcp_rmem[1]);
        debug_assert_eq!(Tcb { spare: None, ..self.clone() }, Tcb::new(config), "nothing else of it is left");
    }

    /// There is nothing to send any more.
    #[inline(always)]
    pub(super) fn spare_send(&mut self) {
        if let Some(send) = self.send.take() {
            self.keep_send(send);
        }
    }

    #[inline(never)]
    fn keep_send(&mut self, mut send: Box<SendBuffer>) {
        if send.make_spare() {
            self.spare.get_or_insert_default().send = Some(send);
        }
    }

    /// The send queue, made at the first need.
    #[inline]
    pub(super) fn send_buffer(&mut self) -> &mut SendBuffer {
        let Tcb { send, spare, .. } = self;
        send.get_or_insert_with(|| spare.as_mut().and_then(|spare| spare.send.take()).unwrap_or_default())
    }

    /// The receive queue, made at the first need.
    pub(super) fn recv_buffer(&mut self) -> &mut RecvBuffer {
        let Tcb { recv, spare, .. } = self;
        recv.get_or_insert_with(|| spare.as_mut().and_then(|spare| spare.recv.take()).unwrap_or_default())
    }
}

/// For how many answers that wait a connection leaves room to the next one.
const REPLIES_KEPT_MAX: usize = 8;
