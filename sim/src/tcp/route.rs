//! A connection that has lost its route: its address is its host's no longer.
//!
//! Linux keeps what cannot be sent in the queue and asks again as it asks about a window that is closed (`tcp_write_xmit` fails,
//! `tcp_check_probe_timer`), so that it is over after `tcp_retries2` times at most, sooner than if everything were lost on the way.

use super::tcb::Tcb;
use twinsock::Errno;

impl Tcb {
    /// Whether a route leads to the peer from the address that the connection has: `error` is what asking for one answers, if that is
    /// remembered (`sk_err_soft`, over IPv6).
    pub fn follow_route(&mut self, has_route: bool, error: Option<Errno>) {
        match (has_route, self.timers.has_no_route) {
            (false, false) => {
                self.timers.has_no_route = true;
                self.snd_wnd = 0;
                self.soft_err = error.or(self.soft_err);
            }
            (true, true) => {
                self.timers.has_no_route = false;
                // One segment can go; what the peer has room for by now, its acknowledgement tells.
                self.snd_wnd = self.max_window.min(u32::from(self.mss));
            }
            (true, false) | (false, true) => {}
        }
    }
}
