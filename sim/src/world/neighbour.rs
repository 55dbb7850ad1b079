//! Addresses that nobody has: the network is one segment, on which a host asks who has an address, `arp(7)` and RFC 4861.
//!
//! Nobody answers, so the kernel gives up after three questions, one a second, and tells the senders of what waited for the answer by an ICMP
//! error of its own: host unreachable, as a router would. A later packet asks anew.

use super::{Due, HostId, World};
use crate::packet::{Body, Icmp, IcmpError, Packet};
use std::net::IpAddr;
use std::time::Duration;
use twinsock::Instant;

/// An address that a host asks for.
#[derive(Debug)]
pub(super) struct Unresolved {
    gives_up_at: Instant,
    waiting: usize,
}

impl World {
    /// A packet has gone to an address that nobody has.
    #[cold]
    pub(super) fn wait_for_neighbour(&mut self, from: HostId, packet: Packet) {
        // What is sent after the last question makes the next ones.
        let now = self.now;
        self.unresolved.retain(|_, neighbour| neighbour.gives_up_at > now);
        // The host counts the seconds by its own clock.
        let last_answer_at = self.moment_of(from, self.own_time(from, now) + QUESTIONS_TIME);
        let key = (from, packet.dst);
        let neighbour = self.unresolved.entry(key).or_insert(Unresolved { gives_up_at: last_answer_at, waiting: 0 });
        if neighbour.waiting == WAITING_MAX_PACKETS || neighbour.gives_up_at == Instant::FAR {
            return;
        }
        neighbour.waiting += 1;
        let gives_up_at = neighbour.gives_up_at;
        let own = packet.src;
        let icmp = Icmp { error: IcmpError::HostUnreachable, about: Box::new(packet) };
        let slot = self.in_flight.put(Packet { src: own, dst: own, ttl: 64, tos: 0, body: Body::Icmp(icmp) });
        if let Some(chains) = &mut self.chains {
            chains.sent(from, from, gives_up_at);
        }
        self.queue.push(gives_up_at, Due::Arrival { to: from, slot });
    }
}

/// The addresses that hosts ask for, each with who asks.
pub(super) type Neighbours = std::collections::BTreeMap<(HostId, IpAddr), Unresolved>;

/// `mcast_solicit` questions, each answered within `retrans_time_ms`.
const QUESTIONS_TIME: Duration = Duration::from_secs(3);
/// `unres_qlen`: how many packets wait for one address.
const WAITING_MAX_PACKETS: usize = 101;
