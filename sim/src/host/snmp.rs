//! Counters as `/proc/net/snmp` has them.

use super::Host;
use crate::packet::{Body, Packet};

/// `InCsumErrors` of each protocol: packets that came with a wrong checksum, and were dropped.
///
/// ```
/// use twinsock_sim::Sim;
/// let run = Sim::builder().run(|sim| sim.network().in_csum_errors(&sim.host("a")).tcp);
/// assert_eq!(run.unwrap().value, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InCsumErrors {
    /// Of TCP.
    pub tcp: u64,
    /// Of UDP.
    pub udp: u64,
    /// Of ICMP and ICMPv6.
    pub icmp: u64,
}

impl Host {
    /// Takes in a packet whose checksum is wrong: it is dropped, and counted.
    pub(crate) fn take_damaged(&mut self, packet: &Packet) {
        let errors = &mut self.in_csum_errors;
        match &packet.body {
            Body::Tcp(_) => errors.tcp += 1,
            Body::Udp(_) => errors.udp += 1,
            Body::Icmp(_) => errors.icmp += 1,
        }
    }

    /// How many packets came with a wrong checksum.
    #[must_use]
    pub(crate) fn in_csum_errors(&self) -> InCsumErrors {
        self.in_csum_errors
    }
}
