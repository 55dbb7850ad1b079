//! Multicast and broadcast: all hosts are on one segment, and a packet for many goes over the sender's link with each of them.

use super::{Due, HostId, World};
use crate::link::Verdict;
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
    /// Puts the packet for many in this place, the next one, on the wires to all who have joined its group, in the order of the hosts.
    /// (What comes back to its sender has not left it.)
    pub(super) fn send_to_many(&mut self, from: HostId, slot: u32) {
        let packet = std::mem::replace(&mut self.in_flight.slots[super::index(slot)], Packet::EMPTY);
        let hosts = u32::try_from(self.machines.len()).expect("fewer than 2^32 hosts");
        for to in (0..hosts).map(HostId).filter(|to| *to != from) {
            if !self.host(to).joined(packet.dst) {
                continue;
            }
            let index = self.path_between(from, to);
            let path = &mut self.paths[index];
            let (choice, wire) = (&mut self.choice, path.wire);
            let verdict =
                path.link.verdict(&mut path.direction, self.now, packet.largest_frame_bytes(), |n| choice.draw(wire, n));
            match verdict {
                Verdict::Arrives(at) => {
                    let (slot, place) = self.in_flight.place();
                    *place = packet.clone();
                    self.in_flight.take_off();
                    self.queue.push(at, Due::arrival(to, slot));
                }
                // No router tells the sender of a packet for many, RFC 1122 section 3.2.2.
                Verdict::TooBig { .. } => self.trace.packet_dropped(self.now, from.0, &packet, "larger than the link's MTU"),
            }
        }
    }
}
