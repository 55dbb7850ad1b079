//! The transmission control block, RFC 9293 section 3.3.1: the variables of a connection, how one begins, what can be read off it.

use super::config::{Config, Options, TcpSysctl};
use super::congestion::Congestion;
use super::output::AckState;
use super::poll::Wakes;
use super::recv_buffer::RecvBuffer;
use super::rtt::Rtt;
use super::send_buffer::SendBuffer;
use super::spare::Spare;
use super::state::State;
use super::time_wait::TimeWait;
use super::timer::Timers;
use super::user::ShutdownBits;
use crate::packet::{Segment, SeqNumber};
use crate::shared::Shared;
use std::time::Duration;
use twinsock::{Errno, Instant};

/// Whether urgent data is known of, and where it is in its life, `tcp(7)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Urgent {
    /// There is none.
    None,
    /// The pointer came, the byte did not.
    Awaited,
    /// The byte came and is unread.
    Unread(u8),
    /// The byte was read by MSG_OOB; the stream has not passed it.
    Read,
}

/// The timestamps of a connection, RFC 7323.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct TimestampState {
    /// Whether both ends agreed to send them.
    pub(super) enabled: bool,
    /// Snd.TSoffset.
    pub(super) offset: u32,
    /// TS.Recent.
    pub(super) recent: u32,
    /// When TS.Recent was taken; FAR: never.
    pub(super) recent_at: Instant,
}

impl TimestampState {
    /// Those of a connection that has not begun.
    pub(super) const fn fresh(offset: u32) -> TimestampState {
        TimestampState { enabled: false, offset, recent: 0, recent_at: Instant::FAR }
    }
}

/// A transmission control block.
///
/// The fields stand in memory as they stand here: what every segment looks at is together, at the beginning (see `ahead.rs`).
///
/// After every call that takes `now`: drain [`Tcb::transmit_into`], look at [`Tcb::take_wakes`] and [`Tcb::take_time_wait`], ask
/// [`Tcb::poll_timeout`] again.
#[derive(Clone, PartialEq, Debug)]
#[repr(C)]
pub struct Tcb {
    // What a segment of a calm connection looks at.
    pub(super) send: Option<Box<SendBuffer>>,
    pub(super) recv: Option<Box<RecvBuffer>>,
    pub(super) sysctl: Shared<TcpSysctl>,
    pub(super) snd_una: SeqNumber,
    pub(super) snd_nxt: SeqNumber,
    /// The end of what the user has sent.
    pub(super) write_seq: SeqNumber,
    /// The end of the last segment sent that was smaller than the MSS: Minshall's variable.
    pub(super) snd_sml: SeqNumber,
    pub(super) snd_wl1: SeqNumber,
    /// SND.UP: after the last urgent byte; `snd_una` or before: none.
    pub(super) snd_up: SeqNumber,
    pub(super) rcv_nxt: SeqNumber,
    /// RCV.NXT when the window was last advertised.
    pub(super) rcv_wup: SeqNumber,
    /// The window last advertised.
    pub(super) rcv_wnd: u32,
    /// How far the user has read.
    pub(super) copied_seq: SeqNumber,
    pub(super) timestamps: TimestampState,
    pub(super) ack: AckState,
    pub(super) rtt: Rtt,
    pub(super) timers: Timers,
    pub(super) congestion: Congestion,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    /// The data bytes that a full frame carries: the MSS less options, at most half the peer's largest window.
    pub(super) mss: u16,
    /// The options of the socket.
    pub options: Options,

    pub(super) state: State,
    pub(super) shutdown: ShutdownBits,
    /// A FIN was received: SOCK_DONE.
    pub(super) done: bool,
    /// Closed by its user: SOCK_DEAD.
    pub(super) orphan: bool,
    /// Made by a listener.
    pub(super) passive: bool,
    pub(super) wakes: Wakes,
    /// SOCK_NOSPACE: somebody found the send buffer full.
    pub(super) nospace: bool,
    /// There are RSTs that wait for `poll_transmit`.
    pub(super) owes_replies: bool,
    /// sk_err.
    pub(super) err: Option<Errno>,
    /// sk_err_soft: what ICMP said meanwhile.
    pub(super) soft_err: Option<Errno>,

    // Send sequence variables.
    pub(super) iss: SeqNumber,
    /// SND.WND, scaled.
    pub(super) snd_wnd: u32,
    /// After the end of a connection: how far `write_seq` was ahead of `snd_una`, which Linux leaves as they are, and TIOCOUTQ tells.
    pub(super) unsettled: u32,
    /// MAX.SND.WND: the largest window the peer ever offered.
    pub(super) max_window: u32,
    /// The MSS agreed on.
    pub(super) mss_clamp: u16,
    /// The data bytes that a whole segment carries, many frames of them.
    pub(super) size_goal: u32,
    pub(super) snd_wscale: u8,
    /// The peer's SYN had a window scale, and so may ours.
    pub(super) peer_scales: bool,
    /// A FIN follows the data at `write_seq`.
    pub(super) fin_queued: bool,
    /// The partial segment at the end waits for more: the last send had MSG_MORE.
    pub(super) more_follows: bool,
    /// What is at the end and not sent yet takes nothing more: the last send had MSG_EOR. It means nothing where all is sent.
    pub(super) sealed: bool,
    /// Nothing is held back now: TCP_NODELAY was just set (TCP_NAGLE_PUSH).
    pub(super) push_now: bool,
    /// The connection has ended in TIME-WAIT, and what is left of it is still to be taken.
    pub(super) leaves_rest: bool,
    /// A segment is to be sent again from here ...
    pub(super) rtx_nxt: SeqNumber,
    /// ... up to here.
    pub(super) rtx_end: SeqNumber,

    // Receive sequence variables.
    /// The urgent byte's sequence number.
    pub(super) urg_seq: SeqNumber,
    pub(super) urgent: Urgent,
    pub(super) rcv_wscale: u8,
    /// How many of 256 bytes of buffer hold data rather than overhead.
    pub(super) scaling_ratio: u8,
    /// The peer's usual segment size, estimated.
    pub(super) rcv_mss: u16,
    /// The MSS we announce.
    pub(super) advmss: u16,
    /// The largest window to advertise for now.
    pub(super) rcv_ssthresh: u32,
    pub(super) window_clamp: u32,
    pub(super) sndbuf: u32,
    pub(super) rcvbuf: u32,

    /// What an earlier connection has left, and what is rare.
    pub(super) spare: Option<Box<Spare>>,
}

/// What a connection has from its listener: the options and shutdown bits of that, as they are when the SYN arrives.
#[derive(Clone, Copy, Debug)]
pub struct Heritage {
    options: Options,
    shutdown: ShutdownBits,
    sndbuf: u32,
    rcvbuf: u32,
}

impl Tcb {
    /// The control block of a fresh socket: CLOSED.
    #[inline(always)]
    #[must_use]
    pub fn new(config: &Config) -> Tcb {
        let zero = SeqNumber::new(0);
        Tcb {
            options: Options::default(),
            state: State::Closed,
            shutdown: ShutdownBits::default(),
            done: false,
            orphan: false,
            passive: false,
            err: None,
            soft_err: None,
            wakes: Wakes::NONE,
            nospace: false,
            local_port: 0,
            remote_port: 0,
            iss: zero,
            snd_una: zero,
            snd_nxt: zero,
            snd_wnd: 0,
            snd_wl1: zero,
            snd_up: zero,
            snd_sml: zero,
            write_seq: zero,
            unsettled: 0,
            max_window: 0,
            mss_clamp: MSS_DEFAULT,
            mss: MSS_DEFAULT,
            size_goal: 0,
            snd_wscale: 0,
            peer_scales: false,
            fin_queued: false,
            more_follows: false,
            sealed: false,
            push_now: false,
            leaves_rest: false,
            rtx_nxt: zero,
            rtx_end: zero,
            rcv_nxt: zero,
            rcv_wup: zero,
            rcv_wnd: 0,
            copied_seq: zero,
            urg_seq: zero,
            urgent: Urgent::None,
            rcv_wscale: 0,
            scaling_ratio: SCALING_RATIO_INITIAL,
            rcv_mss: MSS_DEFAULT,
            rcv_ssthresh: 0,
            window_clamp: 0,
            sndbuf: config.sysctl.tcp_wmem[1],
            rcvbuf: config.sysctl.tcp_rmem[1],
            ack: AckState::default(),
            timestamps: TimestampState::fresh(config.timestamp_offset),
            congestion: Congestion::default(),
            rtt: Rtt::default(),
            timers: Timers::default(),
            advmss: config.mss_bytes,
            sysctl: config.sysctl.clone(),
            send: None,
            recv: None,
            owes_replies: false,
            spare: None,
        }
    }

    /// RFC 9293 section 3.10.1, active OPEN: clears the pending error and `done`, not the shutdown bits; SYN-SENT, with a SYN to send.
    ///
    /// # Panics
    /// If the state is not CLOSED: the host has checked it.
    pub fn connect(&mut self, now: Instant, config: &Config, ports: (u16, u16), iss: u32) {
        assert_eq!(self.state, State::Closed, "only a closed socket connects");
        let iss = SeqNumber::new(iss);
        self.begin(config, ports, iss);
        self.passive = false;
        self.timestamps.enabled = config.sysctl.tcp_timestamps;
        self.choose_initial_window(self.advmss);
        self.state = State::SynSent;
        self.timers.start_of_retries = now;
        self.rtx_nxt = iss;
        self.rtx_end = iss + 1;
    }

    /// Until the peer has named its own, segments have what every host takes with this IP: `mss_clamp` of `tcp_v4_connect`.
    pub fn assume_peer_mss(&mut self, mss_bytes: u16) {
        self.mss = self.advmss.min(mss_bytes) - self.timestamp_option_bytes();
    }

    /// What a listener leaves to the connections that it gets.
    #[must_use]
    pub fn heritage(&self) -> Heritage {
        Heritage { options: self.options, shutdown: self.shutdown, sndbuf: self.sndbuf, rcvbuf: self.rcvbuf }
    }

    /// RFC 9293 section 3.10.7.2, a SYN arrives in LISTEN: a fresh control block becomes that of the new connection, in SYN-RECEIVED with a SYN-ACK to
    /// send.
    pub fn answer_syn(&mut self, heritage: &Heritage, now: Instant, config: &Config, ports: (u16, u16), iss: u32, syn: &Segment) {
        let iss = SeqNumber::new(iss);
        self.options = heritage.options;
        self.shutdown = heritage.shutdown;
        self.sndbuf = heritage.sndbuf;
        self.rcvbuf = heritage.rcvbuf;
        self.open(config, ports, iss);
        self.passive = true;
        self.take_syn_options(now, syn);
        self.take_irs(syn.seq);
        self.snd_wl1 = syn.seq;
        self.choose_initial_window(self.advmss - self.timestamp_option_bytes());
        self.agree_on_scale();
        self.state = State::SynReceived;
        self.timers.start_of_retries = now;
        self.rtx_nxt = iss;
        self.rtx_end = iss + 1;
    }

    /// What every opening begins with.
    fn begin(&mut self, config: &Config, ports: (u16, u16), iss: SeqNumber) {
        self.sysctl.clone_from(&config.sysctl);
        self.timestamps = TimestampState::fresh(config.timestamp_offset);
        // What setsockopt(2), or a send in vain, can have left in one that has never been open.
        self.ack.pingpong = false;
        self.more_follows = false;
        self.push_now = false;
        if self.local_port != 0 {
            self.forget_earlier();
        }
        debug_assert_eq!(*self, self.clone().forgetting(), "nothing is left of an earlier connection");
        self.open(config, ports, iss);
    }

    /// What an earlier connection has left.
    #[cold]
    fn forget_earlier(&mut self) {
        self.err = None;
        self.soft_err = None;
        self.done = false;
        self.congestion = Congestion::default();
        self.rtt = Rtt::default();
        self.timers = Timers::default();
        self.ack = AckState::default();
        self.recv = None;
        self.send = None;
        self.urgent = Urgent::None;
        self.fin_queued = false;
        self.sealed = false;
        self.max_window = 0;
        self.snd_wnd = 0;
        self.snd_wscale = 0;
        self.scaling_ratio = SCALING_RATIO_INITIAL;
    }

    /// The same block after that.
    fn forgetting(mut self) -> Tcb {
        self.forget_earlier();
        self
    }

    /// The same with a fresh block, made of the same `config`.
    fn open(&mut self, config: &Config, ports: (u16, u16), iss: SeqNumber) {
        (self.local_port, self.remote_port) = ports;
        self.advmss = match self.options.maxseg {
            0 => config.mss_bytes,
            maxseg => config.mss_bytes.min(maxseg),
        };
        self.mss_clamp = self.advmss;
        self.mss = self.advmss;
        self.iss = iss;
        self.snd_una = iss;
        self.snd_nxt = iss;
        self.snd_up = iss;
        self.snd_sml = iss;
        self.write_seq = iss + 1;
    }

    /// How often what waits for an answer has been sent again.
    #[must_use]
    pub fn retransmits(&self) -> u8 {
        self.timers.retransmits
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The ports: local, remote.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        (self.local_port, self.remote_port)
    }

    /// The pending error, left pending.
    #[must_use]
    pub fn error(&self) -> Option<Errno> {
        self.err
    }

    /// Takes the pending error: `SO_ERROR`, a failed `connect(2)`.
    pub fn take_error(&mut self) -> Option<Errno> {
        self.err.take()
    }

    /// The shutdown bits.
    #[must_use]
    pub fn shutdown_bits(&self) -> ShutdownBits {
        self.shutdown
    }

    /// Whether a FIN was received.
    #[cfg(test)]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether what has come so far ends at this number, `rcv_nxt`.
    #[must_use]
    pub fn has_received_up_to(&self, seq: SeqNumber) -> bool {
        self.rcv_nxt == seq
    }

    /// Whether the host may drop the block: closed by its user, CLOSED, nothing left to transmit.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.orphan && self.state == State::Closed && !self.owes_replies && !self.ack.now && !self.leaves_rest
    }

    /// Whether there is the rest of a connection in TIME-WAIT to be taken.
    #[must_use]
    pub fn leaves_rest(&self) -> bool {
        self.leaves_rest
    }

    /// Takes the rest of a connection that has just entered TIME-WAIT; this block is CLOSED.
    #[inline(always)]
    pub fn take_time_wait(&mut self) -> Option<TimeWait> {
        // The segment that led there was the last one heard.
        std::mem::take(&mut self.leaves_rest).then(|| TimeWait::of(self, self.timers.last_heard))
    }

    /// `FIONREAD`: bytes that can be read now, up to the urgent mark.
    #[must_use]
    pub fn readable_bytes(&self) -> usize {
        let unread = self.unread_bytes();
        let to_mark = self.urg_seq - self.copied_seq;
        let mark_stops = self.urgent != Urgent::None && !self.options.oobinline && to_mark < unread;
        usize_from(if mark_stops { to_mark } else { unread })
    }

    /// `SIOCATMARK`: whether the read position is at the urgent mark.
    #[must_use]
    pub fn at_mark(&self) -> bool {
        self.is_mark_at(0)
    }

    /// Whether the urgent mark is `offset` bytes after the read position: where a peek that has seen as many bytes stops.
    #[must_use]
    pub fn is_mark_at(&self, offset: u32) -> bool {
        self.urgent != Urgent::None && self.urg_seq == self.copied_seq + offset
    }

    /// What TCP_INQ tells: the unread bytes, and one more after a FIN, so that the user goes on reading, `tcp_inq_hint`.
    #[must_use]
    pub fn inq(&self) -> u32 {
        self.unread_bytes() + u32::from(self.done)
    }

    /// `TIOCOUTQ` of `tcp(7)`: what is sent and not acknowledged, and after the end of a connection what was left then.
    #[must_use]
    pub fn siocoutq(&self) -> u32 {
        match self.state {
            State::Closed => self.unsettled,
            State::Listen | State::SynSent | State::SynReceived | State::TimeWait => 0,
            State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait | State::Closing | State::LastAck => {
                (self.write_seq + u32::from(self.fin_queued)) - self.snd_una
            }
        }
    }

    /// Bytes sent by the user and not acknowledged by the peer.
    #[must_use]
    pub fn outq_bytes(&self) -> usize {
        match self.state {
            State::SynSent | State::SynReceived | State::Closed | State::Listen => 0,
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => usize_from(self.queued_bytes()),
        }
    }

    /// Whether data or a FIN is out that the peer has not acknowledged: what `SO_LINGER` waits for.
    #[must_use]
    pub fn has_unacked(&self) -> bool {
        match self.state {
            State::FinWait1 | State::Closing | State::LastAck => true,
            State::Established | State::CloseWait | State::SynReceived => self.queued_bytes() > 0,
            State::Closed | State::Listen | State::SynSent | State::FinWait2 | State::TimeWait => false,
        }
    }

    /// `TCP_MAXSEG` as `getsockopt(2)` reads it.
    #[must_use]
    pub fn mss(&self) -> u16 {
        match self.state {
            State::Closed | State::Listen if self.options.maxseg != 0 => self.options.maxseg,
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => self.mss,
        }
    }

    /// `SO_SNDBUF` as it stands.
    #[must_use]
    pub fn sndbuf(&self) -> u32 {
        self.sndbuf
    }

    /// `SO_RCVBUF` as it stands.
    #[must_use]
    pub fn rcvbuf(&self) -> u32 {
        self.rcvbuf
    }

    /// `TCP_WINDOW_CLAMP` as `getsockopt(2)` reads it.
    #[must_use]
    pub fn window_clamp(&self) -> u32 {
        match self.state {
            State::Closed | State::Listen => self.options.window_clamp,
            State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => self.window_clamp,
        }
    }

    /// What `TCP_INFO` shows.
    #[must_use]
    pub fn info(&self) -> Info {
        Info {
            state: self.state,
            retransmits: self.timers.retransmits,
            probes: self.timers.probes_out,
            backoff: self.timers.backoff,
            rto: self.rto(),
            rtt: Duration::from_micros(u64::from(self.rtt.srtt_us())),
            rttvar: Duration::from_micros(u64::from(self.rtt.mdev_us())),
            snd_mss: self.mss,
            rcv_mss: self.rcv_mss,
            advmss: self.advmss,
            snd_cwnd_bytes: self.congestion.cwnd,
            snd_ssthresh_bytes: self.congestion.ssthresh,
            snd_wnd: self.snd_wnd,
            rcv_wnd: self.receive_window(),
            snd_wscale: self.snd_wscale,
            rcv_wscale: self.rcv_wscale,
            timestamps: self.timestamps.enabled,
            unacked_bytes: self.flight_bytes(),
            notsent_bytes: self.notsent_bytes(),
        }
    }

    /// Bytes in the receive queue that the user has not read, the urgent byte among them.
    #[inline]
    pub(super) fn unread_bytes(&self) -> u32 {
        self.recv.as_ref().map_or(0, |recv| recv.queued_bytes())
    }

    /// Bytes that the user has sent and the peer has not acknowledged.
    pub(super) fn queued_bytes(&self) -> u32 {
        self.send.as_ref().map_or(0, |send| send.queued_bytes())
    }

    /// sk_wmem_queued: data and overhead in the send queue.
    pub(super) fn send_charge(&self) -> u32 {
        self.send.as_ref().map_or(0, |send| send.charge())
    }

    /// Data bytes that have not been transmitted even once.
    pub(super) fn notsent_bytes(&self) -> u32 {
        match self.state {
            // AF_UNSPEC has moved `write_seq` on.
            State::Closed => self.unsettled,
            State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                if self.snd_nxt.before(self.write_seq) {
                    self.write_seq - self.snd_nxt
                } else {
                    0
                }
            }
        }
    }

    /// The limit of `notsent_bytes`.
    #[inline]
    pub(super) fn notsent_lowat(&self) -> u32 {
        match self.options.notsent_lowat {
            0 => self.sysctl.tcp_notsent_lowat,
            lowat => lowat,
        }
    }

    /// Sequence space sent and not acknowledged.
    #[inline]
    pub(super) fn flight_bytes(&self) -> u32 {
        self.snd_nxt - self.snd_una
    }

    /// Whether the FIN has been transmitted.
    #[inline]
    pub(super) fn fin_sent(&self) -> bool {
        self.fin_queued && self.write_seq.before(self.snd_nxt)
    }

    /// The bytes that the timestamps option takes in every segment, padding included.
    pub(super) fn timestamp_option_bytes(&self) -> u16 {
        if self.timestamps.enabled { TIMESTAMP_OPTION_BYTES } else { 0 }
    }
}

/// What `TCP_INFO` shows of a connection, by the names of `struct tcp_info` where they exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
// Fields are those of struct tcp_info, tcp(7); units are in the names.
pub struct Info {
    pub state: State,
    pub retransmits: u8,
    pub probes: u8,
    pub backoff: u8,
    pub rto: Duration,
    pub rtt: Duration,
    pub rttvar: Duration,
    pub snd_mss: u16,
    pub rcv_mss: u16,
    pub advmss: u16,
    pub snd_cwnd_bytes: u32,
    pub snd_ssthresh_bytes: u32,
    pub snd_wnd: u32,
    pub rcv_wnd: u32,
    pub snd_wscale: u8,
    pub rcv_wscale: u8,
    pub timestamps: bool,
    pub unacked_bytes: u32,
    pub notsent_bytes: u32,
}

/// A count of octets as an index.
#[inline]
pub(super) fn usize_from(octets: u32) -> usize {
    usize::try_from(octets).expect("a count of octets fits usize on every supported machine")
}

/// A count of octets out of a length that is bounded by a buffer.
#[inline]
pub(super) fn u32_from(len: usize) -> u32 {
    u32::try_from(len).expect("buffers hold less than 4 GiB")
}

/// The MSS where the peer announced none, RFC 9293 section 3.7.1.
pub(super) const MSS_DEFAULT: u16 = 536;
/// TCP_DEFAULT_SCALING_RATIO: half of a receive buffer is taken to be overhead.
pub(super) const SCALING_RATIO_INITIAL: u8 = 128;
/// Ten bytes and two of padding.
const TIMESTAMP_OPTION_BYTES: u16 = 12;
/// What each queued segment costs beyond its data: SKB_TRUESIZE(0) of Linux.
pub(super) const SEGMENT_OVERHEAD_BYTES: u32 = 832;

const _: () = assert!(size_of::<Tcb>() <= 424, "a block without buffers stays small: there may be 100,000 of them");
