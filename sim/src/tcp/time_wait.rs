//! The rest of a connection in TIME-WAIT, RFC 9293 section 3.6: a small value that answers old segments until they have died out.

use super::reset::bare_segment;
use super::tcb::Tcb;
use crate::packet::{Control, Segment, SeqNumber, Timestamps};
use std::time::Duration;
use twinsock::Instant;

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWait {
    deadline: Instant,
    since: Instant,
    /// No bare segment is answered before this.
    next_reply: Instant,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    /// TS.Recent, which means nothing if the connection had no timestamps.
    ts_recent: u32,
    ts_offset: u32,
    /// As a segment shows it.
    window: u16,
    has_timestamps: bool,
    rfc1337: bool,
}

const _: () = assert!(size_of::<TimeWait>() <= 48, "there may be very many of them");

/// What a segment for a connection in TIME-WAIT comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TimeWaitAction {
    /// This goes back.
    Reply(Segment),
    /// Nothing.
    Ignore,
    /// A RST ended it: drop the value.
    Gone,
    /// A SYN that may open a new connection at once, RFC 6191: drop the value, and let a listener have the SYN with this initial
    /// sequence number.
    NewConnection {
        /// The initial sequence number that keeps old segments out.
        iss: u32,
    },
}

impl TimeWait {
    /// What is left of `tcb`, whose FIN is acknowledged and whose peer's FIN is received.
    #[inline(always)]
    pub(super) fn of(tcb: &Tcb, now: Instant) -> TimeWait {
        TimeWait {
            deadline: now + TIME_WAIT,
            since: now,
            next_reply: Instant::ZERO,
            snd_nxt: tcb.snd_nxt,
            rcv_nxt: tcb.rcv_nxt,
            ts_recent: tcb.timestamps.recent,
            ts_offset: tcb.timestamps.offset,
            window: u16::try_from(tcb.receive_window() >> tcb.rcv_wscale).unwrap_or(u16::MAX),
            has_timestamps: tcb.timestamps.enabled,
            rfc1337: tcb.sysctl.tcp_rfc1337,
        }
    }

    /// When it ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether an active OPEN may take the same ports now, as `tcp_tw_reuse` allows: after a second, if there are timestamps. The
    /// value is an initial sequence number that keeps old segments out.
    #[must_use]
    pub fn reuse(&self, now: Instant) -> Option<u32> {
        let old_enough = self.has_timestamps && now.since(self.since) >= REUSE_AFTER;
        old_enough.then(|| self.next_iss())
    }

    /// `tcp_timewait_state_process`.
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment) -> TimeWaitAction {
        let end = segment.seq + segment.sequence_len();
        let recent = SeqNumber::new(self.ts_recent);
        let timestamp = segment.options.timestamps.filter(|_| self.has_timestamps).map(|of| SeqNumber::new(of.value));
        let old_timestamp = timestamp.is_some_and(|timestamp| timestamp.before(recent));
        let is_reset = segment.control == Control::Rst;
        if !old_timestamp && segment.seq == self.rcv_nxt && (segment.seq == end || is_reset) {
            if is_reset && !self.rfc1337 {
                return TimeWaitAction::Gone;
            }
            self.restart(now);
            return TimeWaitAction::Ignore;
        }
        if segment.control == Control::Syn && segment.ack.is_none() && !old_timestamp {
            let newer_timestamp = timestamp.is_some_and(|timestamp| recent.before(timestamp));
            if self.rcv_nxt.before(segment.seq) || newer_timestamp {
                return TimeWaitAction::NewConnection { iss: self.next_iss() };
            }
        }
        if is_reset {
            return TimeWaitAction::Ignore;
        }
        if old_timestamp || segment.ack.is_some() {
            self.restart(now);
        }
        if segment.sequence_len() == 0 && now < self.next_reply {
            return TimeWaitAction::Ignore;
        }
        self.next_reply = now + REPLY_INTERVAL;
        TimeWaitAction::Reply(self.answer(now, segment))
    }

    fn restart(&mut self, now: Instant) {
        self.deadline = now + TIME_WAIT;
    }

    /// Beyond anything the old connection has sent: `tw_snd_nxt + 65535 + 2`.
    fn next_iss(&self) -> u32 {
        (self.snd_nxt + 65_537).value()
    }

    /// An ACK, to where a segment has come from.
    fn answer(&self, now: Instant, segment: &Segment) -> Segment {
        let mut ack = bare_segment((segment.dst_port, segment.src_port), self.snd_nxt, Some(self.rcv_nxt), Control::None);
        ack.window = self.window;
        let value = super::output::timestamp_clock(now, self.ts_offset);
        ack.options.timestamps = self.has_timestamps.then_some(Timestamps { value, echo: self.ts_recent });
        ack
    }
}

/// TCP_TIMEWAIT_LEN.
const TIME_WAIT: Duration = Duration::from_secs(60);
/// `tcp_tw_reuse_delay`.
const REUSE_AFTER: Duration = Duration::from_secs(1);
/// `tcp_invalid_ratelimit`.
const REPLY_INTERVAL: Duration = Duration::from_millis(500);
