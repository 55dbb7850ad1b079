//! Machines that lose their power, are switched on again, stand still and go on.
//!
//! A machine that is off is silent: what reaches it is lost, and what it was about to send is never sent. One that stands still does nothing
//! either, but its card goes on putting packets into its ring, until that is full.

use super::{HostId, World};
use crate::packet::Packet;
use crate::trace::{Event, MachineEvent, Place, What};
use std::collections::VecDeque;
use twinsock::Instant;

/// How a machine is while it does not run.
pub(super) enum Idle {
    /// Without power.
    Off,
    /// Standing still, with what its card has received meanwhile.
    Paused(VecDeque<Packet>),
}

/// How many packets the receive ring of a card holds: as many as drivers of fast cards set up, see `ethtool(8)`, `--show-ring`.
///
/// ```
/// use twinsock_sim::world::NIC_RING_PACKETS;
/// // Of what is sent to a host that stands still, so many packets are there when it goes on, and the rest is lost.
/// assert_eq!(NIC_RING_PACKETS, 1024);
/// ```
pub const NIC_RING_PACKETS: usize = 1024;

impl World {
    /// Whether a host has power.
    #[must_use]
    pub(crate) fn is_up(&self, id: HostId) -> bool {
        let machine = &self.machines[id.index()];
        machine.runs || matches!(machine.idle, Idle::Paused(_))
    }

    /// Whether a host stands still.
    #[must_use]
    pub(crate) fn is_paused(&self, id: HostId) -> bool {
        let machine = &self.machines[id.index()];
        !machine.runs && matches!(machine.idle, Idle::Paused(_))
    }

    /// A host loses its power: its kernel and all that ran on it is gone, and nothing is sent.
    pub(crate) fn crash(&mut self, id: HostId) {
        self.note(id, MachineEvent::Crash);
        let machine = &mut self.machines[id.index()];
        machine.host.power_cycle(machine.config.clone());
        (machine.runs, machine.idle, machine.has_lost_addrs) = (false, Idle::Off, false);
        self.set_timer(id, Instant::FAR);
    }

    /// A host that has no power is switched on.
    ///
    /// # Panics
    /// If it is on.
    pub(crate) fn boot(&mut self, id: HostId) {
        assert!(!self.is_up(id), "a machine that is on is not switched on");
        self.note(id, MachineEvent::Restart);
        self.machines[id.index()].runs = true;
        self.boot_clock(id);
    }

    /// A host stands still from here on.
    ///
    /// # Panics
    /// If it does not run.
    pub(crate) fn pause(&mut self, id: HostId) {
        assert!(self.machines[id.index()].runs, "a machine that does not run cannot be stopped");
        self.note(id, MachineEvent::Pause);
        let machine = &mut self.machines[id.index()];
        (machine.runs, machine.idle) = (false, Idle::Paused(VecDeque::new()));
    }

    /// A host that stands still goes on: first its timers that are overdue go off, then it looks at what its card has received, in the order in which
    /// Linux runs `TIMER_SOFTIRQ` and `NET_RX_SOFTIRQ`.
    ///
    /// # Panics
    /// If it does not stand still.
    pub(crate) fn resume_host(&mut self, id: HostId) {
        self.note(id, MachineEvent::Resume);
        let machine = &mut self.machines[id.index()];
        assert!(!machine.runs, "a machine that runs cannot go on");
        let Idle::Paused(ring) = std::mem::replace(&mut machine.idle, Idle::Off) else {
            panic!("a machine without power cannot go on");
        };
        machine.runs = true;
        self.run_timers(id);
        for packet in ring {
            let (slot, place) = self.in_flight.place();
            *place = packet;
            self.in_flight.take_off(slot);
            self.arrive_with_care(id, slot);
        }
    }

    /// The packet in this place reaches a host of which it has to be asked whether it runs, and has the address still.
    #[cold]
    pub(super) fn arrive_with_care(&mut self, to: HostId, slot: u32) {
        let machine = &self.machines[to.index()];
        let dst = self.in_flight.packet(slot).dst;
        if machine.runs && (!machine.has_lost_addrs || machine.host.owns(dst) || machine.host.joined(dst)) {
            return self.arrive(to, slot);
        }
        let packet = std::mem::replace(self.in_flight.packet_mut(slot), Packet::EMPTY);
        self.in_flight.land(slot);
        let machine = &mut self.machines[to.index()];
        let why = match &mut machine.idle {
            _ if machine.runs => "its destination is no longer an address here",
            Idle::Paused(ring) if ring.len() < NIC_RING_PACKETS => return ring.push_back(packet),
            Idle::Paused(_) => "the ring of the card is full",
            Idle::Off => "the machine is off",
        };
        self.trace.packet_dropped(self.now, to.0, &packet, why);
    }

    pub(super) fn note(&mut self, id: HostId, event: MachineEvent) {
        self.trace.record(Event { at: self.now, place: Place::host(id.0), what: What::Machine(event) });
    }
}
