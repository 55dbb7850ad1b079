//! What every host has gone through, as a digest of its own: whether two runs have come to the same situation.
//!
//! A host's kernel and programs are functions of the acts of its threads, in their order, and of the packets that reached it. What other hosts did
//! meanwhile, and in which order they did it, does not show here, unless it changed what reached the host: so runs that differ in the order of acts that
//! have nothing to do with each other meet again.

use crate::trace::Digest;
use crate::world::HostId;
use twinsock::Instant;

/// The digests of all hosts.
#[derive(Default)]
pub struct Chains {
    hosts: Vec<Chain>,
}

#[derive(Clone, Copy, Default)]
struct Chain {
    acts: Digest,
    /// Packets on their way there: of those that arrive at the same moment, the one that was sent first does so first.
    inbox: Digest,
}

impl Chains {
    /// A thread of a host acts, or steps aside.
    pub(crate) fn act(&mut self, host: HostId, thread: u64, now: Instant, goes_on: bool) {
        self.of(host).acts.fold2(thread << 1 | u64::from(goes_on), now.as_nanos());
    }

    /// A packet is sent to a host.
    pub(crate) fn sent(&mut self, from: HostId, to: HostId, arrives: Instant) {
        self.of(to).inbox.fold2(arrives.as_nanos(), u64::from(from.0));
    }

    /// A packet reaches a host.
    pub(crate) fn reached(&mut self, host: HostId, now: Instant) {
        self.of(host).acts.fold2(u64::MAX, now.as_nanos());
    }

    /// The situation in which these threads are due.
    #[must_use]
    pub(crate) fn situation(&self, now: Instant, due: impl Iterator<Item = u64>) -> u64 {
        let mut digest = Digest::new();
        digest.fold(now.as_nanos());
        due.for_each(|thread| digest.fold(thread));
        for chain in &self.hosts {
            digest.fold2(chain.acts.value(), chain.inbox.value());
        }
        digest.value()
    }

    fn of(&mut self, host: HostId) -> &mut Chain {
        let index = host.index();
        if index >= self.hosts.len() {
            self.hosts.resize(index + 1, Chain::default());
        }
        &mut self.hosts[index]
    }
}
