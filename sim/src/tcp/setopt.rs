//! `setsockopt(2)` where an option has effects at once. The caller has checked the ranges; the other options are plain fields.

use super::state::State;
use super::tcb::Tcb;
use twinsock::Instant;

impl Tcb {
    /// `TCP_NODELAY`. Switching it on sends whatever is held back, also what TCP_CORK and MSG_MORE hold.
    pub fn set_nodelay(&mut self, on: bool) {
        self.options.nodelay = on;
        if on {
            self.push_now = true;
            self.more_follows = false;
        }
    }

    /// `TCP_CORK`. Switching it off sends the partial segment.
    pub fn set_cork(&mut self, on: bool) {
        self.options.cork = on;
        if !on {
            self.more_follows = false;
            self.push_now |= self.options.nodelay;
        }
    }

    /// `SO_KEEPALIVE`.
    pub fn set_keepalive(&mut self, now: Instant, on: bool) {
        self.options.keepalive = on;
        if self.state.is_synchronized() {
            self.arm_keepalive(now);
        }
    }

    /// `TCP_KEEPIDLE`, in seconds.
    pub fn set_keepidle(&mut self, now: Instant, seconds: u16) {
        self.options.keepidle = seconds;
        if self.options.keepalive && self.state.is_synchronized() {
            self.arm_keepalive(now);
        }
    }

    /// `SO_RCVLOWAT`: `tcp_set_rcvlowat`. Raises the receive buffer to hold twice as much, unless the user has set it.
    pub fn set_rcvlowat(&mut self, lowat: u32) {
        let cap = if self.options.rcvbuf_lock { self.rcvbuf / 2 } else { self.sysctl.tcp_rmem[2] / 2 };
        let lowat = lowat.min(cap).max(1);
        self.options.rcvlowat = lowat;
        self.data_ready();
        if self.options.rcvbuf_lock {
            return;
        }
        let space = self.space_from_window(lowat);
        if space > self.rcvbuf {
            self.rcvbuf = space;
            self.window_clamp = self.window_clamp.max(lowat);
            self.rcv_ssthresh = self.rcv_ssthresh.max(lowat);
        }
    }

    /// `SO_SNDBUF`: the value that is read back, already doubled and within its limits.
    pub fn set_sndbuf(&mut self, bytes: u32) {
        self.options.sndbuf_lock = true;
        self.sndbuf = bytes;
        self.check_space();
    }

    /// `SO_RCVBUF`: the value that is read back, already doubled and within its limits.
    pub fn set_rcvbuf(&mut self, bytes: u32) {
        self.options.rcvbuf_lock = true;
        self.rcvbuf = bytes;
        if self.state != State::Closed && self.state != State::Listen {
            self.window_clamp = self.window_from_space(bytes);
        }
    }

    /// `TCP_WINDOW_CLAMP`; 0: none.
    pub fn set_window_clamp(&mut self, bytes: u32) {
        self.options.window_clamp = bytes;
        if bytes != 0 && self.state != State::Closed && self.state != State::Listen {
            self.window_clamp = bytes;
            self.rcv_ssthresh = self.rcv_ssthresh.min(bytes);
        }
    }

    /// `TCP_QUICKACK`: off lets ACKs wait for data to ride on; on sends one that waits.
    pub fn set_quickack(&mut self, on: bool) {
        self.ack.pingpong = !on;
        if on && self.ack.scheduled && self.state.is_synchronized() {
            self.ack.now = true;
        }
    }

    /// `TCP_QUICKACK` as `getsockopt(2)` reads it.
    #[must_use]
    pub fn quickack(&self) -> bool {
        !self.ack.pingpong
    }
}
