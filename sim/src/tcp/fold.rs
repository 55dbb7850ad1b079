//! What of an idle connection is its own. The rest it has in common with others of its kind, once the numbers that are about one place in a stream, or one
//! moment, are told from another such number: then they need to be kept once for all.
//!
//! [`Tcb::fold`] takes out what is its own and [`Tcb::unfold`] puts it back; nothing is lost on the way.

use super::state::State;
use super::tcb::Tcb;
use crate::packet::SeqNumber;
use twinsock::Instant;

/// The numbers that an idle connection shares with no other.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    last_heard: Instant,
    snd_una: SeqNumber,
    rcv_nxt: SeqNumber,
    timestamp_offset: u32,
    timestamp_recent: u32,
    /// The only sample of the round trip time that there has been; 0: there were several, or none.
    sample_us: u32,
    ports: (u16, u16),
}

impl Own {
    /// The ports: local, remote.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        self.ports
    }
}

impl Tcb {
    /// Whether the connection is established and nothing of it is more than a number: no buffer, no deadline.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let has_boxes = self.send.is_some() || self.recv.is_some() || self.spare.is_some();
        self.state == State::Established && !has_boxes && !self.has_output() && self.poll_timeout().is_none()
    }

    /// Takes out what is the connection's own: what is left is the same for all of its kind.
    pub fn fold(&mut self) -> Own {
        let own = Own {
            last_heard: std::mem::take(&mut self.timers.last_heard),
            snd_una: std::mem::take(&mut self.snd_una),
            rcv_nxt: std::mem::take(&mut self.rcv_nxt),
            timestamp_offset: std::mem::take(&mut self.timestamps.offset),
            timestamp_recent: std::mem::take(&mut self.timestamps.recent),
            sample_us: self.rtt.take_only_sample(self.rto_min_us()),
            ports: (std::mem::take(&mut self.local_port), std::mem::take(&mut self.remote_port)),
        };
        self.shift(0_u32.wrapping_sub(own.snd_una.value()), 0_u32.wrapping_sub(own.rcv_nxt.value()));
        self.shift_moments(0_u64.wrapping_sub(own.last_heard.as_nanos()));
        own
    }

    /// Puts back what [`Tcb::fold`] has taken out.
    pub fn unfold(&mut self, own: &Own) {
        self.shift(own.snd_una.value(), own.rcv_nxt.value());
        self.shift_moments(own.last_heard.as_nanos());
        self.timers.last_heard = own.last_heard;
        self.snd_una = own.snd_una;
        self.rcv_nxt = own.rcv_nxt;
        self.timestamps.offset = own.timestamp_offset;
        self.timestamps.recent = own.timestamp_recent;
        (self.local_port, self.remote_port) = own.ports;
        let rto_min_us = self.rto_min_us();
        self.rtt.put_only_sample(own.sample_us, rto_min_us);
    }

    /// What lies in either stream lies so much further on.
    fn shift(&mut self, sent: u32, received: u32) {
        let places_sent = [
            &mut self.iss,
            &mut self.snd_nxt,
            &mut self.snd_sml,
            &mut self.snd_up,
            &mut self.write_seq,
            &mut self.rtx_nxt,
            &mut self.rtx_end,
            &mut self.congestion.recover,
            self.rtt.round_ends_mut(),
        ];
        places_sent.into_iter().for_each(|place| *place += sent);
        let places_received = [&mut self.rcv_wup, &mut self.snd_wl1, &mut self.copied_seq];
        places_received.into_iter().for_each(|place| *place += received);
    }

    /// What was so long before or after the peer was last heard of is so much later.
    fn shift_moments(&mut self, nanos: u64) {
        if self.timestamps.enabled {
            let at = &mut self.timestamps.recent_at;
            *at = Instant::from_nanos(at.as_nanos().wrapping_add(nanos));
        }
    }

    fn rto_min_us(&self) -> u32 {
        u32::from(self.sysctl.tcp_rto_min_ms) * 1000
    }
}
