//! What the world keeps of a host.

use super::clock::HostClock;
use super::power;
use crate::choice::StreamId;
use crate::host::{Host, HostConfig};
use std::net::IpAddr;
use twinsock::Instant;

/// A host and what the world keeps about it.
///
/// The fields stand in memory as they stand here: what every call and packet looks at is together, [`Machine::HOT_BYTES`] from the beginning on.
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
    pub(super) host: Host,
    pub(super) name: String,
    pub(super) addrs: Vec<IpAddr>,
    pub(super) idle: power::Idle,
    /// What it is made of whenever it is switched on.
    pub(super) config: HostConfig,
}

impl Machine {
    /// How much of a machine, from its beginning on, the short ways look at.
    pub(super) const HOT_BYTES: usize = std::mem::offset_of!(Machine, host) + Host::HOT_BYTES;

    /// The path of its last packet, if that went there.
    #[inline(always)]
    pub(super) fn path_to(&self, dst: IpAddr) -> Option<usize> {
        match &self.last_route {
            Some((addr, path)) if *addr == dst => Some(*path),
            Some(_) | None => None,
        }
    }
}
