//! Multicast and broadcast: all hosts are on one segment, and a packet for many goes over the sender's link with each of them.

use super::{HostId, World};
use crate::packet::Packet;
use std::net::IpAddr;

/// Whether the address is that of a group, or of everybody.
pub(super) fn is_for_many(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

impl World {
    /// Puts the packet for many in this place, kept or the next one, on the wires to all who have joined its group, in the order of the hosts.
    /// (What comes back to its sender has not left it.)
    pub(super) fn send_to_many(&mut self, from: HostId, slot: u32) {
        let packet = std::mem::replace(self.in_flight.packet_mut(slot), Packet::EMPTY);
        let hosts = u32::try_from(self.machines.len()).expect("fewer than 2^32 hosts");
        for to in (0..hosts).map(HostId).filter(|to| *to != from) {
            if !self.host(to).joined(packet.dst) {
                continue;
            }
            let path = self.path_between(from, to);
            let (slot, place) = self.in_flight.place();
            *place = packet.clone();
            self.send(slot, path);
        }
    }
}
