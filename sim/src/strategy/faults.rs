//! Plans of faults: what befalls whom, when, and for how long.

use crate::sim::{Host, Misfortunes, Sim};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// What may befall a network. Hosts go by their places in the list that [`FaultPlan::unfold`] is given.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::{Misfortunes, strategy::faults};
/// let mut runner = TestRunner::deterministic();
/// let plan = faults(2, &Misfortunes::none().crashes(true)).new_tree(&mut runner).unwrap().current();
/// println!("{plan:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// There is no way between two hosts.
    Cut(usize, usize),
    /// There is no way from the first host to the second.
    CutOneWay(usize, usize),
    /// There is no way between a host and all others.
    Isolate(usize),
    /// What two hosts send each other waits until it is over.
    Hold(usize, usize),
    /// A host stands still.
    Pause(usize),
    /// The wall clock of a host is so many milliseconds ahead of the true time, or behind it.
    Ahead(usize, i32),
    /// The clocks of a host run faster by so many millionths, or slower.
    Drift(usize, i32),
    /// A host crashes, and is switched on again: it starts what [`Host::on_boot`] says.
    Crash(usize),
}

/// A fault, from a moment on, for a while.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::{Sim, strategy::{Fault, FaultPlan, Planned}};
/// let cut = Planned { fault: Fault::Cut(0, 1), at: Duration::from_secs(1), length: Duration::from_secs(2) };
/// let plan = FaultPlan { faults: vec![cut] };
/// let run = Sim::builder().run(|sim| plan.unfold(sim, &[sim.host("a"), sim.host("b")])).unwrap();
/// assert_eq!(run.elapsed, Duration::from_secs(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What it is.
    pub fault: Fault,
    /// When it begins, counted from when the plan is unfolded.
    pub at: Duration,
    /// How long it lasts.
    pub length: Duration,
}

/// Faults at moments of virtual time.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::{Misfortunes, Sim, strategy::faults};
/// let plan = faults(2, &Misfortunes::none().cuts(true)).new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// let run = Sim::builder().run(|sim| plan.unfold(sim, &[sim.host("a"), sim.host("b")]));
/// assert!(run.is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// In any order.
    pub faults: Vec<Planned>,
}

impl FaultPlan {
    /// Runs the simulation until the last fault is over, and lets each happen in its time.
    ///
    /// Of faults that overlap and are the same, the first to begin begins it, and the last to end ends it. Faults of a host that there is not, and of a way
    /// from a host to itself, do not happen.
    ///
    /// ```
    /// use proptest::strategy::{Strategy, ValueTree};
    /// use proptest::test_runner::TestRunner;
    /// use twinsock_sim::{Misfortunes, Sim, strategy::faults};
    /// let plan = faults(1, &Misfortunes::none().pauses(true)).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    /// assert!(Sim::builder().run(|sim| plan.unfold(sim, &[sim.host("a")])).is_ok());
    /// ```
    pub fn unfold(&self, sim: &Sim, hosts: &[Host]) {
        let start = sim.now();
        let mut moments: Vec<(Duration, bool, Fault)> = Vec::new();
        for Planned { fault, at, length } in self.faults.iter().filter(|planned| planned.fault.is_possible(hosts.len())) {
            moments.extend([(*at, true, *fault), (*at + *length, false, *fault)]);
        }
        moments.sort_by_key(|(at, _, _)| *at);
        let mut under_way = BTreeMap::<Fault, u32>::new();
        for (at, begins, fault) in moments {
            sim.run_for(at.saturating_sub(sim.now() - start));
            let count = under_way.entry(fault).or_default();
            if begins {
                *count += 1;
                if *count == 1 {
                    fault.begin(sim, hosts);
                }
            } else {
                *count -= 1;
                if *count == 0 {
                    fault.end(sim, hosts);
                }
            }
        }
    }
}

impl Fault {
    fn is_possible(self, hosts: usize) -> bool {
        match self {
            Fault::Cut(a, b) | Fault::CutOneWay(a, b) | Fault::Hold(a, b) => a != b && a.max(b) < hosts,
            Fault::Isolate(host) | Fault::Pause(host) | Fault::Ahead(host, _) | Fault::Drift(host, _) | Fault::Crash(host) => {
                host < hosts
            }
        }
    }

    fn begin(self, sim: &Sim, hosts: &[Host]) {
        match self {
            Fault::Cut(a, b) => sim.cut(&hosts[a], &hosts[b]),
            Fault::CutOneWay(from, to) => sim.cut_one_way(&hosts[from], &hosts[to]),
            Fault::Isolate(host) => sim.isolate(&hosts[host]),
            Fault::Hold(a, b) => sim.hold(&hosts[a], &hosts[b]),
            Fault::Pause(host) => hosts[host].pause(),
            Fault::Ahead(host, ms) => hosts[host].set_clock(i64::from(ms) * 1_000_000, 0),
            Fault::Drift(host, ppm) => hosts[host].set_clock(0, ppm),
            Fault::Crash(host) => hosts[host].crash(),
        }
    }

    fn end(self, sim: &Sim, hosts: &[Host]) {
        match self {
            Fault::Cut(a, b) => sim.heal(&hosts[a], &hosts[b]),
            Fault::CutOneWay(from, to) => sim.heal_one_way(&hosts[from], &hosts[to]),
            Fault::Isolate(host) => sim.network().rejoin(&hosts[host]),
            Fault::Hold(a, b) => sim.release(&hosts[a], &hosts[b]),
            Fault::Pause(host) => hosts[host].resume(),
            Fault::Ahead(host, _) | Fault::Drift(host, _) => hosts[host].set_clock(0, 0),
            Fault::Crash(host) => hosts[host].restart(),
        }
    }
}

/// No plan has more faults.
const FAULTS_MAX: usize = 8;
/// A clock is wrong by at most so many milliseconds, or millionths: what adjtimex(2) can do with the length of a tick.
const CLOCK_MAX: i32 = 100_000;

/// Plans of faults of these kinds that befall so many hosts; all begin before `misfortunes.until` and are over by then. They shrink to fewer faults, then to
/// plainer ones of hosts that come earlier, earlier and shorter. Faults of links are not among them: those are a [network](super::networks)'s.
///
/// # Panics
/// If there is no host.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::{Misfortunes, strategy::faults};
/// let plan = faults(3, &Misfortunes::none().cuts(true)).new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// println!("{plan:?}");
/// ```
pub fn faults(hosts: usize, misfortunes: &Misfortunes) -> impl Strategy<Value = FaultPlan> {
    assert!(hosts > 0, "a fault befalls somebody");
    let Misfortunes { cuts, holds, crashes, pauses, clocks, until, .. } = *misfortunes;
    // The plainest first: there proptest shrinks to.
    type Kind = fn(usize, usize, i32) -> Fault;
    let kinds: [(bool, Kind); 8] = [
        (cuts, |a, b, _| Fault::Cut(a, b)),
        (cuts, |from, to, _| Fault::CutOneWay(from, to)),
        (cuts, |host, _, _| Fault::Isolate(host)),
        (holds, |a, b, _| Fault::Hold(a, b)),
        (pauses, |host, _, _| Fault::Pause(host)),
        (clocks, |host, _, by| Fault::Ahead(host, by)),
        (clocks, |host, _, by| Fault::Drift(host, by)),
        (crashes, |host, _, _| Fault::Crash(host)),
    ];
    let kinds: Vec<Kind> = kinds.into_iter().filter_map(|(exists, kind)| exists.then_some(kind)).collect();
    let most = if kinds.is_empty() { 0 } else { FAULTS_MAX };
    let millis = u64::try_from(until.as_millis()).unwrap_or(u64::MAX).max(2);
    let what = (0..kinds.len().max(1), 0..hosts, 0..hosts, -CLOCK_MAX..=CLOCK_MAX);
    let planned = (what, 0..millis - 1, 0..millis).prop_map(move |((kind, a, b, by), at, length)| {
        let length = 1 + length % (millis - at).max(1);
        Planned { fault: kinds[kind](a, b, by), at: Duration::from_millis(at), length: Duration::from_millis(length) }
    });
    vec(planned, 0..=most).prop_map(|faults| FaultPlan { faults })
}
