//! The rest of a connection in TIME-WAIT, RFC 9293 section 3.6: a small value that answers old segments until they have died out.

use super::reset::bare_segment;
use super::tcb::Tcb;
use crate::packet::{Control, Segment, SeqNumber, Timestamps};
use std::time::Duration;
use twinsock::Instant;

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWait {
    ports: (u16, u16),
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    rcv_wnd: u32,
    rcv_wscale: u8,
    /// TS.Recent, if the connection had timestamps.
    ts_recent: Option<u32>,
    ts_offset: u32,
    deadline: Instant,
    since: Instant,
    rfc1337: bool,
    last_reply: Option<Instant>,
}

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
            ports: tcb.ports(),
            snd_nxt: tcb.snd_nxt,
            rcv_nxt: tcb.rcv_nxt,
            rcv_wnd: tcb.receive_window(),
            rcv_wscale: tcb.rcv_wscale,
            ts_recent: if tcb.timestamps.enabled { Some(tcb.timestamps.recent) } else { None },
            ts_offset: tcb.timestamps.offset,
            deadline: now + TIME_WAIT,
            since: now,
            rfc1337: tcb.sysctl.tcp_rfc1337,
            last_reply: None,
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
        let old_enough = self.ts_recent.is_some() && now.since(self.since) >= REUSE_AFTER;
        old_enough.then(|| self.next_iss())
    }

    /// `tcp_timewait_state_process`.
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment) -> TimeWaitAction {
        let end = segment.seq + segment.sequence_len();
        let old_timestamp = match (self.ts_recent, segment.options.timestamps) {
            (Some(recent), Some(timestamps)) => SeqNumber::new(timestamps.value).before(SeqNumber::new(recent)),
            (None, _) | (_, None) => false,
        };
        let is_reset = segment.control == Control::Rst;
        if !old_timestamp && segment.seq == self.rcv_nxt && (segment.seq == end || is_reset) {
            if is_reset && !self.rfc1337 {
                return TimeWaitAction::Gone;
            }
            self.restart(now);
            return TimeWaitAction::Ignore;
        }
        if segment.control == Control::Syn && segment.ack.is_none() && !old_timestamp {
            let newer_timestamp = match (self.ts_recent, segment.options.timestamps) {
                (Some(recent), Some(timestamps)) => SeqNumber::new(recent).before(SeqNumber::new(timestamps.value)),
                (None, _) | (_, None) => false,
            };
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
        if segment.sequence_len() == 0 && self.last_reply.is_some_and(|last| now.since(last) < REPLY_INTERVAL) {
            return TimeWaitAction::Ignore;
        }
        self.last_reply = Some(now);
        TimeWaitAction::Reply(self.ack(now))
    }

    fn restart(&mut self, now: Instant) {
        self.deadline = now + TIME_WAIT;
    }

    /// Beyond anything the old connection has sent: `tw_snd_nxt + 65535 + 2`.
    fn next_iss(&self) -> u32 {
        (self.snd_nxt + 65_537).value()
    }

    fn ack(&self, now: Instant) -> Segment {
        let mut ack = bare_segment(self.ports, self.snd_nxt, Some(self.rcv_nxt), Control::None);
        ack.window = u16::try_from(self.rcv_wnd >> self.rcv_wscale).unwrap_or(u16::MAX);
        ack.options.timestamps =
            self.ts_recent.map(|echo| Timestamps { value: super::output::timestamp_clock(now, self.ts_offset), echo });
        ack
    }
}

/// TCP_TIMEWAIT_LEN.
const TIME_WAIT: Duration = Duration::from_secs(60);
/// `tcp_tw_reuse_delay`.
const REUSE_AFTER: Duration = Duration::from_secs(1);
/// `tcp_invalid_ratelimit`.
const REPLY_INTERVAL: Duration = Duration::from_millis(500);
