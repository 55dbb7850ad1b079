//! Which name stands for which addresses, what goes wrong when somebody asks, and hosts whose addresses change.

use super::{HostId, Machine, World};
use crate::packet::{Body, Packet};
use crate::trace::{Event, MachineEvent, Place, What};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What is wrong with a name: see [`Sim::fail_name`](crate::Sim::fail_name).
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::{NameFault, Sim};
/// Sim::builder().run(|sim| sim.fail_name("db", NameFault::Slow(Duration::from_secs(5)))).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// `EAI_AGAIN`: no name server answers as it should, for now.
    Again,
    /// `EAI_NONAME`: the name servers say that there is no such name.
    NoName,
    /// The answer takes so long, and is right.
    Slow(Duration),
    /// The answer is this, which may have been right once.
    Stale(Vec<IpAddr>),
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameFault::Again => f.write_str("EAI_AGAIN"),
            NameFault::NoName => f.write_str("EAI_NONAME"),
            NameFault::Slow(time) => write!(f, "an answer after {time:?}"),
            NameFault::Stale(addrs) => write!(f, "the answer {addrs:?}"),
        }
    }
}

/// Why a name has no addresses, `getaddrinfo(3)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// `EAI_AGAIN`.
    Again,
    /// `EAI_NONAME`.
    NoName,
}

impl World {
    /// The addresses that `name` stands for: those of the host of that name, unless something is wrong with it.
    ///
    /// # Errors
    /// What `getaddrinfo(3)` says.
    pub(crate) fn resolve(&self, name: &str) -> Result<&[IpAddr], LookupError> {
        match self.name_faults.get(name) {
            None | Some(NameFault::Slow(_)) => {}
            Some(NameFault::Again) => return Err(LookupError::Again),
            Some(NameFault::NoName) => return Err(LookupError::NoName),
            Some(NameFault::Stale(addrs)) => return Ok(addrs),
        }
        self.names.get(name).map(|id| self.addrs(*id)).ok_or(LookupError::NoName)
    }

    /// How long it takes until a question for a name is answered.
    #[must_use]
    pub(crate) fn resolve_time(&self, name: &str) -> Duration {
        match self.name_faults.get(name) {
            Some(NameFault::Slow(time)) => *time,
            None | Some(NameFault::Again | NameFault::NoName | NameFault::Stale(_)) => Duration::ZERO,
        }
    }

    /// Makes something wrong with a name, or nothing. Answers what was.
    pub(crate) fn set_name_fault(&mut self, name: &str, fault: Option<NameFault>) -> Option<NameFault> {
        if self.name_fault(name) != fault.as_ref() {
            let words = fault.as_ref().map(|fault| fault.to_string().into());
            let what = What::Name { name: name.into(), fault: words };
            self.trace.record(Event { at: self.now, place: Place::WORLD, what });
        }
        match fault {
            Some(fault) => self.name_faults.insert(name.to_owned(), fault),
            None => self.name_faults.remove(name),
        }
    }

    /// What is wrong with a name, if anything is.
    #[must_use]
    pub(crate) fn name_fault(&self, name: &str) -> Option<&NameFault> {
        self.name_faults.get(name)
    }

    /// Gives a host these addresses instead of those it has, besides loopback.
    ///
    /// # Panics
    /// If one of them is another host's.
    pub(crate) fn set_addrs(&mut self, id: HostId, addrs: &[IpAddr]) {
        for addr in addrs {
            let owner = self.owners.get(addr);
            assert!(owner.is_none_or(|owner| *owner == id), "two hosts cannot own {addr}");
        }
        self.note(id, MachineEvent::Addrs);
        self.owners.retain(|_, owner| *owner != id);
        self.owners.extend(addrs.iter().map(|addr| (*addr, id)));
        let machine = &mut self.machines[id.index()];
        machine.has_lost_addrs |= machine.addrs.iter().any(|addr| !addrs.contains(addr));
        machine.host.set_addrs(addrs);
        machine.addrs = addrs.to_vec();
        machine.config.addrs = addrs.to_vec();
        for machine in &mut self.machines {
            machine.forget_routes();
        }
        self.routes.clear();
    }
}

impl Machine {
    /// Whether a packet that this machine is about to send has a source that it has lost: over IPv4 there is no route for it
    /// (`ip_route_output_key_hash` asks `__ip_dev_find`); over IPv6 it is sent.
    pub(super) fn is_sender_gone(&self, packet: &Packet) -> bool {
        match packet.body {
            Body::Tcp(_) | Body::Udp(_) => packet.src.is_ipv4() && !packet.src.is_unspecified() && !self.host.owns(packet.src),
            Body::Icmp(_) => false,
        }
    }
}
