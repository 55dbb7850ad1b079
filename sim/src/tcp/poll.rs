//! What waiting callers see: `poll(2)` masks and wakes.

use super::state::State;
use super::tcb::{Tcb, Urgent};
use std::fmt;
use std::ops::BitOrAssign;
use twinsock::PollEvents;

/// What happened to a connection since [`Tcb::take_wakes`] was last called, by the names of Linux's `sk_*` callbacks: bits of one byte, which is written and
/// read as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Wakes(u8);

impl Wakes {
    /// Nothing.
    pub const NONE: Wakes = Wakes(0);
    /// `sk_data_ready`: there is more to read.
    pub const READABLE: Wakes = Wakes(1);
    /// `sk_write_space`: there is room again, and somebody had hit the full buffer.
    pub const WRITABLE: Wakes = Wakes(2);
    /// `sk_state_change`: the state or the shutdown bits changed.
    pub const STATE: Wakes = Wakes(4);
    /// `sk_error_report`: an error is pending.
    pub const ERROR: Wakes = Wakes(8);

    /// Whether anything happened.
    #[inline]
    #[must_use]
    pub const fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether some of these happened.
    #[inline]
    #[must_use]
    pub const fn has(self, some: Wakes) -> bool {
        self.0 & some.0 != 0
    }
}

impl BitOrAssign for Wakes {
    #[inline]
    fn bitor_assign(&mut self, more: Wakes) {
        self.0 |= more.0;
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(Wakes::READABLE, "readable"), (Wakes::WRITABLE, "writable"), (Wakes::STATE, "state"), (Wakes::ERROR, "error")];
        f.debug_set().entries(names.iter().filter(|(wake, _)| self.has(*wake)).map(|(_, name)| name)).finish()
    }
}

impl Tcb {
    /// What happened since the last call: whom to wake, and what is an edge for epoll.
    #[inline]
    pub fn take_wakes(&mut self) -> Wakes {
        std::mem::take(&mut self.wakes)
    }

    /// The events that `poll(2)` reports for a socket that does not listen, all of them asked for.
    ///
    /// Where OUT is missing and somebody waits for it, call [`Tcb::want_write_space`].
    #[must_use]
    pub fn poll_mask(&self) -> PollEvents {
        let mut mask = PollEvents::NONE;
        if self.state == State::Listen {
            // `inet_csk_listen_poll` looks at the accept queue, which is the host's, and at nothing else.
            return mask;
        }
        if self.err.is_some() {
            mask |= PollEvents::ERR;
        }
        if self.state == State::Closed || (self.shutdown.read && self.shutdown.write) {
            mask |= PollEvents::HUP;
        }
        if self.shutdown.read {
            mask |= PollEvents::IN | PollEvents::RDNORM | PollEvents::RDHUP;
        }
        if self.state == State::SynSent || self.state == State::SynReceived {
            return mask;
        }
        if self.is_readable_for_poll() {
            mask |= PollEvents::IN | PollEvents::RDNORM;
        }
        if self.shutdown.write || self.is_writable() {
            mask |= PollEvents::OUT | PollEvents::WRNORM;
        }
        if let Urgent::Unread(_) = self.urgent {
            mask |= PollEvents::PRI;
        }
        mask
    }

    /// Asks for a `writable` wake as soon as there is room: somebody waits for OUT who has not tried to send.
    pub fn want_write_space(&mut self) {
        self.nospace = true;
    }

    /// `tcp_epollin_ready`: SO_RCVLOWAT bytes, an unread urgent byte at the read position not counted.
    fn is_readable_for_poll(&self) -> bool {
        let at_urgent_byte = self.urgent != Urgent::None && self.urg_seq == self.copied_seq && !self.options.oobinline;
        let unread = self.unread_bytes();
        if at_urgent_byte && unread <= 1 {
            return false;
        }
        self.has_rcvlowat(unread, self.options.rcvlowat.saturating_add(u32::from(at_urgent_byte)))
    }

    /// Whether `unread` bytes are enough to wake a reader who wants `target`; a window about to close makes any amount enough.
    #[inline(always)]
    pub(super) fn has_rcvlowat(&self, unread: u32, target: u32) -> bool {
        unread > 0 && (unread >= target || self.receive_window() <= u32::from(self.rcv_mss))
    }

    /// `sk_stream_is_writeable`: a third of the buffer is free, and TCP_NOTSENT_LOWAT allows more.
    pub(super) fn is_writable(&self) -> bool {
        let queued = self.send_charge();
        let free = self.sndbuf.saturating_sub(queued);
        free >= queued / 2 && queued <= self.sndbuf && self.notsent_bytes().saturating_mul(2) < self.notsent_lowat()
    }

    /// Wakes writers if there is room again and one of them had found none: `tcp_check_space`.
    #[inline]
    pub(super) fn check_space(&mut self) {
        if self.nospace {
            self.check_space_for_writers();
        }
    }

    #[cold]
    fn check_space_for_writers(&mut self) {
        if self.is_writable() {
            self.nospace = false;
            self.wakes |= Wakes::WRITABLE;
        }
    }

    /// `tcp_data_ready`.
    #[inline(always)]
    pub(super) fn data_ready(&mut self) {
        if self.done || self.has_rcvlowat(self.unread_bytes(), self.options.rcvlowat) {
            self.wakes |= Wakes::READABLE;
        }
    }
}
