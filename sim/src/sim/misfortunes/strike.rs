//! Kinds of misfortunes that strike at a moment and end at another, and their victims.

use super::Misfortunes;
use crate::sim::host::Host;
use crate::sim::network::Network;
use crate::world::{HostId, NameFault};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use twinsock::faulty::{Fault, Plan};

/// A kind of misfortune that strikes at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cut,
    CutOneWay,
    Isolate,
    Hold,
    Crash,
    Pause,
    Clock,
    Calls,
    Name,
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
    Clock(HostId, Wrong),
    Calls(HostId, Trouble),
    Name(HostId, Lookup),
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Again,
    NoName,
    Slow,
    Stale,
}

impl Lookup {
    const ALL: [Lookup; 4] = [Lookup::Again, Lookup::NoName, Lookup::Slow, Lookup::Stale];

    fn fault(self) -> NameFault {
        match self {
            Lookup::Again => NameFault::Again,
            Lookup::NoName => NameFault::NoName,
            Lookup::Slow => NameFault::Slow(Duration::from_secs(5)),
            Lookup::Stale => NameFault::Stale(vec![NOBODYS]),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Lookup::Again => "EAI_AGAIN",
            Lookup::NoName => "EAI_NONAME",
            Lookup::Slow => "answered slowly",
            Lookup::Stale => "an address that nobody has",
        }
    }
}

/// TEST-NET-3, RFC 5737: no host's.
const NOBODYS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

/// What befalls calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Signals: `EINTR`, and short sends and receives.
    Signals,
    /// No room in tables: `EMFILE`, `ENFILE`.
    Full,
    /// No memory: `ENOBUFS`, `ENOMEM`.
    Memory,
    /// Connections that come and go, and readiness that is gone: `ECONNABORTED`, spurious readiness.
    Fickle,
    /// Calls that take long.
    Slow,
    /// A little of all of that.
    All,
}

impl Trouble {
    const ALL: [Trouble; 6] = [Trouble::Signals, Trouble::Full, Trouble::Memory, Trouble::Fickle, Trouble::Slow, Trouble::All];

    fn plan(self) -> Plan {
        let slow = Fault::Slow(Duration::from_millis(20));
        let rates = match self {
            Trouble::Signals => vec![Fault::Eintr.rate(1, 5), Fault::Short.rate(1, 3)],
            Trouble::Full => vec![Fault::Emfile.rate(1, 4), Fault::Enfile.rate(1, 20)],
            Trouble::Memory => vec![Fault::Enobufs.rate(1, 20), Fault::Enomem.rate(1, 20)],
            Trouble::Fickle => vec![Fault::Econnaborted.rate(1, 4), Fault::Spurious.rate(1, 4)],
            Trouble::Slow => vec![slow.rate(1, 20)],
            Trouble::All => return Plan::all(0, 1, 50).with(slow.rate(1, 100)),
        };
        rates.into_iter().fold(Plan::new(0), Plan::with)
    }

    fn words(self) -> &'static str {
        match self {
            Trouble::Signals => "signals",
            Trouble::Full => "full tables",
            Trouble::Memory => "a lack of memory",
            Trouble::Fickle => "fickle connections",
            Trouble::Slow => "delays",
            Trouble::All => "all kinds of faults",
        }
    }
}

/// How a clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// By so many nanoseconds.
    Ahead(i64),
    /// More every second, by so many millionths. 500 are what adjtimex(2) sets at most, and 100 000 with the length of a tick.
    Drift(i32),
}

impl Wrong {
    const ALL: [Wrong; 8] = [
        Wrong::Ahead(50_000_000),
        Wrong::Ahead(-50_000_000),
        Wrong::Ahead(10_000_000_000),
        Wrong::Ahead(-10_000_000_000),
        Wrong::Drift(500),
        Wrong::Drift(-500),
        Wrong::Drift(100_000),
        Wrong::Drift(-100_000),
    ];

    fn set(self, host: &Host) {
        match self {
            Wrong::Ahead(nanos) => host.set_clock(nanos, 0),
            Wrong::Drift(ppm) => host.set_clock(0, ppm),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Ahead(nanos) => {
                let way = if *nanos < 0 { "behind" } else { "ahead" };
                write!(f, "{:?} {way}", Duration::from_nanos(nanos.unsigned_abs()))
            }
            Wrong::Drift(ppm) => write!(f, "{} ppm {}", ppm.unsigned_abs(), if *ppm < 0 { "slow" } else { "fast" }),
        }
    }
}

impl Kind {
    pub(super) const ALL: [Kind; 9] =
        [Kind::Cut, Kind::CutOneWay, Kind::Isolate, Kind::Hold, Kind::Crash, Kind::Pause, Kind::Clock, Kind::Calls, Kind::Name];

    pub(super) fn is_in(self, misfortunes: &Misfortunes) -> bool {
        match self {
            Kind::Cut | Kind::CutOneWay | Kind::Isolate => misfortunes.cuts,
            Kind::Hold => misfortunes.holds,
            Kind::Crash => misfortunes.crashes,
            Kind::Pause => misfortunes.pauses,
            Kind::Clock => misfortunes.clocks,
            Kind::Calls => misfortunes.calls,
            Kind::Name => misfortunes.names,
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
            Kind::Clock => "clocks are wrong",
            Kind::Calls => "calls have faults",
            Kind::Name => "names do not resolve",
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
            Kind::Clock => hosts.iter().map(|host| Strike::Clock(*host, Wrong::ALL[0])).collect(),
            Kind::Calls => hosts.iter().map(|host| Strike::Calls(*host, Trouble::ALL[0])).collect(),
            Kind::Name => hosts.iter().map(|host| Strike::Name(*host, Lookup::ALL[0])).collect(),
        }
    }
}

impl Strike {
    /// One of its varieties, which `draw` chooses.
    pub(super) fn varied(self, draw: &mut impl FnMut(u32) -> u32) -> Strike {
        let mut one_of = |count: usize| {
            let n = u32::try_from(count).expect("a table is short");
            usize::try_from(draw(n)).expect("an index fits usize")
        };
        match self {
            Strike::Clock(victim, _) => Strike::Clock(victim, Wrong::ALL[one_of(Wrong::ALL.len())]),
            Strike::Calls(victim, _) => Strike::Calls(victim, Trouble::ALL[one_of(Trouble::ALL.len())]),
            Strike::Name(victim, _) => Strike::Name(victim, Lookup::ALL[one_of(Lookup::ALL.len())]),
            Strike::Cut(..)
            | Strike::CutOneWay(..)
            | Strike::Isolate(_)
            | Strike::Hold(..)
            | Strike::Crash(_)
            | Strike::Pause(_) => self,
        }
    }

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
            Strike::Clock(victim, wrong) => wrong.set(&host(victim)),
            Strike::Calls(victim, trouble) => {
                // A test may have a plan of its own.
                let is_free = !host(victim).has_call_faults();
                if is_free {
                    host(victim).call_faults(trouble.plan());
                }
                return is_free;
            }
            Strike::Name(victim, lookup) => {
                let name = host(victim).name();
                let is_right = network.world(|world| world.name_fault(&name).is_none());
                if is_right {
                    network.fail_name(&name, lookup.fault());
                }
                return is_right;
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
            Strike::Clock(victim, _) => host(victim).set_clock(0, 0),
            Strike::Calls(victim, _) => host(victim).call_faults(Plan::new(0)),
            Strike::Name(victim, _) => network.heal_name(&host(victim).name()),
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
            Strike::Name(victim, lookup) => format!("the name {}: {}", name(victim), lookup.words()),
            Strike::Calls(victim, trouble) => format!("calls on {} meet {}", name(victim), trouble.words()),
            Strike::Clock(victim, wrong) => format!("the clock of {} is {wrong}", name(victim)),
            Strike::Hold(a, b) => format!("what {} and {} send each other is held back", name(a), name(b)),
        }
    }
}
