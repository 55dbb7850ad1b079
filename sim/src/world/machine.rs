//! What the world keeps of a host.

use super::clock::HostClock;
use super::power;
use crate::choice::StreamId;
use crate::host::{Coming, Host, HostConfig};
use crate::prefetch::prefetch_bytes;
use std::mem::offset_of;
use std::net::IpAddr;
use twinsock::Instant;

/// A host and what the world keeps about it.
///
/// The fields stand in memory as they stand here: what every call and packet looks at is together, from the end of the clock to the host.
#[repr(C)]
pub(super) struct Machine {
    pub(super) clock: HostClock,
    /// Where the last packet went, so that a conversation looks its path up once.
    pub(super) last_route: Option<(IpAddr, usize)>,
    /// The moment of this host's earliest timer, as it is among those of all hosts; [`Instant::FAR`] if there is none.
    pub(super) timer_at: Instant,
    pub(super) latitude: StreamId,
    /// The place among the packets on their way that is kept for its next small one.
    pub(super) spare: u32,
    /// Whether it takes part in what happens: it is switched on and does not stand still.
    pub(super) runs: bool,
    /// It has lost addresses since it booted, which sockets may still have.
    pub(super) has_lost_addrs: bool,
    /// The calm as which a packet was last written that went that way, see [`Ends::calm`](crate::host::Ends::calm), and its path: so a dialogue need not look
    /// at addresses. Zero is none.
    pub(super) last_calm: (u64, usize),
    pub(super) host: Host,
    pub(super) name: String,
    pub(super) addrs: Vec<IpAddr>,
    pub(super) idle: power::Idle,
    /// What it is made of whenever it is switched on.
    pub(super) config: HostConfig,
}

impl Machine {
    /// Makes the caches ready for what is done to the host.
    #[inline]
    pub(super) fn prefetch(&self, coming: Coming) {
        if coming != Coming::Waits {
            let hot = std::ptr::from_ref(self).wrapping_byte_add(HostClock::HOT_FROM);
            prefetch_bytes(hot.cast(), offset_of!(Machine, host) - HostClock::HOT_FROM);
        }
        self.host.prefetch(coming);
    }

    /// The path of its last packet, if that went there.
    #[inline(always)]
    pub(super) fn path_to(&self, dst: IpAddr) -> Option<usize> {
        match &self.last_route {
            Some((addr, path)) if *addr == dst => Some(*path),
            Some(_) | None => None,
        }
    }

    /// The same of a packet that a calm connection has written, as this calm, if such a one was the last of them; as a number that is no path's if not.
    #[inline(always)]
    pub(super) fn path_of_calm(&self, calm: u64) -> usize {
        let (last, path) = self.last_calm;
        if last == calm { path } else { usize::MAX }
    }

    /// Where packets go is another way from here on.
    pub(super) fn forget_routes(&mut self) {
        self.last_route = None;
        self.last_calm = (0, 0);
    }
}
