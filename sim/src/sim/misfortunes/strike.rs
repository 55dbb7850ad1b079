//! Kinds of misfortunes that strike at a moment and end at another, and their victims.

use super::Misfortunes;
use crate::sim::network::Network;
use crate::world::HostId;

/// A kind of misfortune that strikes at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cut,
    CutOneWay,
    Isolate,
    Hold,
    Crash,
    Pause,
}

/// A misfortune and its victims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strike {
    Cut(HostId, HostId),
    CutOneWay(HostId, HostId),
    Isolate(HostId),
    Hold(HostId, HostId),
    Crash(HostId),
    Pause(HostId),
}

impl Kind {
    pub(super) const ALL: [Kind; 6] = [Kind::Cut, Kind::CutOneWay, Kind::Isolate, Kind::Hold, Kind::Crash, Kind::Pause];

    pub(super) fn is_in(self, misfortunes: &Misfortunes) -> bool {
        match self {
            Kind::Cut | Kind::CutOneWay | Kind::Isolate => misfortunes.cuts,
            Kind::Hold => misfortunes.holds,
            Kind::Crash => misfortunes.crashes,
            Kind::Pause => misfortunes.pauses,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Cut => "ways between two hosts are cut",
            Kind::CutOneWay => "ways from one host to another are cut",
            Kind::Isolate => "hosts are isolated",
            Kind::Hold => "packets are held back",
            Kind::Crash => "hosts crash",
            Kind::Pause => "hosts stand still",
        }
    }

    /// What this kind can do to these hosts.
    pub(super) fn strikes(self, network: &Network, hosts: &[HostId]) -> Vec<Strike> {
        let pairs = || hosts.iter().flat_map(|a| hosts.iter().map(move |b| (*a, *b)));
        match self {
            Kind::Cut => pairs().filter(|(a, b)| a < b).map(|(a, b)| Strike::Cut(a, b)).collect(),
            Kind::CutOneWay => pairs().filter(|(a, b)| a != b).map(|(a, b)| Strike::CutOneWay(a, b)).collect(),
            Kind::Isolate => hosts.iter().map(|host| Strike::Isolate(*host)).collect(),
            Kind::Hold => pairs().filter(|(a, b)| a < b).map(|(a, b)| Strike::Hold(a, b)).collect(),
            Kind::Crash => hosts.iter().filter(|host| network.host(**host).boots()).map(|host| Strike::Crash(*host)).collect(),
            Kind::Pause => hosts.iter().map(|host| Strike::Pause(*host)).collect(),
        }
    }
}

impl Strike {
    /// It happens. Answers `false` if it cannot: a host that is off does not crash.
    pub(super) fn strike(self, network: &Network) -> bool {
        let host = |id| network.host(id);
        match self {
            Strike::Cut(a, b) => network.cut(&host(a), &host(b)),
            Strike::CutOneWay(from, to) => network.cut_one_way(&host(from), &host(to)),
            Strike::Isolate(victim) => network.isolate(&host(victim)),
            Strike::Hold(a, b) => network.hold(&host(a), &host(b)),
            Strike::Crash(victim) => return host(victim).crash_for_a_while(),
            Strike::Pause(victim) => {
                let runs = host(victim).is_up() && !host(victim).is_paused();
                host(victim).pause();
                return runs;
            }
        }
        true
    }

    /// It is over.
    pub(super) fn heal(self, network: &Network) {
        let host = |id| network.host(id);
        match self {
            Strike::Cut(a, b) => network.heal(&host(a), &host(b)),
            Strike::CutOneWay(from, to) => network.heal_one_way(&host(from), &host(to)),
            Strike::Isolate(victim) => network.rejoin(&host(victim)),
            Strike::Hold(a, b) => network.release(&host(a), &host(b)),
            Strike::Crash(victim) => host(victim).recover(),
            Strike::Pause(victim) => host(victim).resume(),
        }
    }

    pub(super) fn words(self, network: &Network) -> String {
        let name = |id| network.host(id).name();
        match self {
            Strike::Cut(a, b) => format!("no way between {} and {}", name(a), name(b)),
            Strike::CutOneWay(from, to) => format!("no way from {} to {}", name(from), name(to)),
            Strike::Isolate(victim) => format!("{} is isolated", name(victim)),
            Strike::Crash(victim) => format!("crash of {}", name(victim)),
            Strike::Pause(victim) => format!("{} stands still", name(victim)),
            Strike::Hold(a, b) => format!("what {} and {} send each other is held back", name(a), name(b)),
        }
    }
}
