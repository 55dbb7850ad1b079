//! Schedules: the choices of a run, drawn from a seed at first, and from the tape of a failing run while it is made small.
//!
//! A proptest value is shrunk without looking at what came of it. Of a seed that would be hopeless: a smaller seed is another run. So a [`Schedule`] and
//! its [`ScheduleTree`] share a place in which [`Schedule::run`] leaves the tape of the run, and what the tree proposes are that tape's choices with some taken away,
//! then with some lowered. Where a tape has come to its end, or the network and the commands no longer fit it, choices are boring.

use crate::choice::{Choice, Door, Tape};
use crate::sim::{Builder, Failure, Interleaving, Report, Sim};
use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// After how many calls a run is taken for one that never ends.
const CALLS_MAX: u64 = 1_000_000;

/// The choices of a run.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::strategy::{Schedule, schedules};
/// let schedule: Schedule = schedules().new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// let [one, other] = [(); 2].map(|()| schedule.run(|sim| sim.swarm("size", 1..=1000)).unwrap().digest);
/// assert_eq!(one, other);
/// ```
#[derive(Clone)]
pub struct Schedule {
    source: Source,
    calls_expected: u64,
    recorded: Recorded,
}

#[derive(Clone)]
enum Source {
    Seed(u64),
    Spikes(Vec<Spike>),
}

/// Where a run leaves its tape.
type Recorded = Arc<Mutex<Option<Tape>>>;

/// A choice that is not boring.
#[derive(Clone, PartialEq, Eq)]
struct Spike {
    door: Door,
    stream: String,
    place: u64,
    choice: u32,
}

impl Schedule {
    /// Runs a simulation with these choices, on the calling thread: `build` makes the network and starts the programs, as for [`Builder::run`]; a panic of its
    /// own is a failure, too. Every run draws a strategy of interleaving, [`Interleaving::Mixed`].
    ///
    /// # Errors
    /// A process or `build` panicked, everybody waits for ever, or the run has made a million calls and seems to have no end: among all networks there is
    /// one whose answers always come too late.
    ///
    /// ```
    /// use proptest::strategy::{Strategy, ValueTree};
    /// use proptest::test_runner::TestRunner;
    /// use twinsock_sim::strategy::schedules;
    /// let schedule = schedules().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    /// assert!(schedule.run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).is_ok());
    /// ```
    pub fn run<T>(&self, build: impl FnOnce(&Sim) -> T) -> Result<Report<T>, Box<Failure>> {
        let builder = Sim::builder().interleaving(Interleaving::Mixed).catch_panics(true).calls_max(CALLS_MAX);
        self.run_with(builder, build)
    }

    /// As [`Schedule::run`], with a builder of the caller's; its seed, and how many calls it expects, are the schedule's.
    ///
    /// # Errors
    /// A process panicked, or everybody waits for ever; `build` panicked, if the builder catches that.
    ///
    /// # Panics
    /// With the panic of `build` otherwise.
    ///
    /// ```
    /// use proptest::strategy::{Strategy, ValueTree};
    /// use proptest::test_runner::TestRunner;
    /// use twinsock_sim::{Sim, strategy::schedules};
    /// let schedule = schedules().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    /// let report = schedule.run_with(Sim::builder().record(true), |_sim| {});
    /// assert!(report.unwrap().recording.is_some());
    /// ```
    pub fn run_with<T>(&self, builder: Builder, build: impl FnOnce(&Sim) -> T) -> Result<Report<T>, Box<Failure>> {
        let builder = builder.calls_expected(self.calls_expected);
        let (builder, choice) = match &self.source {
            Source::Seed(seed) => (builder.seed(*seed), Choice::from_seed(*seed)),
            Source::Spikes(spikes) => (builder, Choice::from_tape(to_tape(spikes))),
        };
        let run = builder.run_with(choice, build);
        let tape = match &run {
            Ok(report) => report.tape.clone(),
            Err(failure) => failure.tape.clone(),
        };
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = Some(tape);
        run
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Seed(seed) => write!(f, "Schedule(seed {seed}, {} calls)", self.calls_expected),
            Source::Spikes(spikes) => {
                write!(f, "Schedule(all boring but ")?;
                f.debug_list().entries(spikes).finish()?;
                write!(f, ", {} calls)", self.calls_expected)
            }
        }
    }
}

impl fmt::Debug for Spike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spike { door, stream, place, choice } = self;
        write!(f, "{} {stream} #{place}: {choice}", door.name())
    }
}

fn to_tape(spikes: &[Spike]) -> Tape {
    let mut tape = Tape::new();
    let mut ends = std::collections::BTreeMap::<(Door, &str), u64>::new();
    for Spike { door, stream, place, choice } in spikes {
        let end = ends.entry((*door, stream)).or_default();
        tape.push_boring(*door, stream, place - *end);
        tape.push(*door, stream, *choice);
        *end = place + 1;
    }
    tape
}

fn spikes(tape: &Tape) -> Vec<Spike> {
    let of = |(door, name): (Door, &str)| {
        let stream = name.to_owned();
        let spike = move |(place, choice)| Spike { door, stream: stream.clone(), place, choice };
        tape.spikes(door, name).map(spike).collect::<Vec<_>>()
    };
    let mut all: Vec<Spike> = tape.streams().flat_map(of).collect();
    // What makes a run large comes first, and goes first.
    let rank = |door| match door {
        Door::Run => 0,
        Door::Misfortune => 1,
        Door::Wire => 2,
        Door::Latitude => 3,
        Door::Interleaving => 4,
    };
    all.sort_by_key(|spike| rank(spike.door));
    all
}

/// Any schedule. It shrinks to one whose every choice is boring but for those that matter.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::strategy::schedules;
/// let schedule = schedules().new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// assert_eq!(schedule.run(|sim| sim.swarm("size", 1..=1)).unwrap().value, 1);
/// ```
#[must_use]
pub fn schedules() -> Schedules {
    Schedules(())
}

/// What [`schedules`] answers.
///
/// ```
/// use proptest::prelude::*;
/// use twinsock_sim::strategy::{Schedules, schedules};
/// let both: (Schedules, _) = (schedules(), 1..=9_u8);
/// proptest!(ProptestConfig::with_cases(3), |((schedule, size) in both)| {
///     prop_assert!(schedule.run(move |sim| drop(sim.host("a").spawn("p", move |_net| size))).is_ok());
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Schedules(());

/// A run is expected to make between 2^4 and 2^16 calls: preemptions fall among them.
const CALLS_LOG2: std::ops::RangeInclusive<u32> = 4..=16;

impl Strategy for Schedules {
    type Tree = ScheduleTree;
    type Value = Schedule;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let (seed, log2) = (any::<u64>(), CALLS_LOG2).new_tree(runner)?.current();
        let schedule = Schedule { source: Source::Seed(seed), calls_expected: 1 << log2, recorded: Recorded::default() };
        Ok(ScheduleTree { best: schedule.source.clone(), schedule, plan: Plan::Untouched, lowered: false })
    }
}

/// A schedule that is being made small.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::strategy::{ScheduleTree, schedules};
/// let mut tree: ScheduleTree = schedules().new_tree(&mut TestRunner::deterministic()).unwrap();
/// let fails = |tree: &ScheduleTree| tree.current().run(|sim| assert!(sim.swarm("size", 1..=9) == 0)).is_err();
/// assert!(fails(&tree) && tree.simplify() && fails(&tree));
/// ```
pub struct ScheduleTree {
    /// What is proposed.
    schedule: Schedule,
    /// The smallest that is known to fail.
    best: Source,
    plan: Plan,
    /// Whether a choice was lowered since choices were taken away: more may be taken away then.
    lowered: bool,
}

impl fmt::Debug for ScheduleTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schedule.fmt(f)
    }
}

/// What is tried next.
#[derive(Clone, Copy)]
enum Plan {
    /// Nothing was tried so far.
    Untouched,
    /// To take away so many choices from here on.
    Remove { at: usize, len: usize },
    /// To lower a choice: what is below `low` does not fail.
    Lower { at: usize, low: u32 },
    /// Nothing is left to be tried.
    Done,
}

/// Choices up to this are lowered to every value below, from 1 on; larger ones are bisected.
const FEW: u32 = 16;

impl ScheduleTree {
    fn best(&self) -> &[Spike] {
        match &self.best {
            Source::Spikes(spikes) => spikes,
            Source::Seed(_) => &[],
        }
    }

    /// Moves on to the first plan, from this one on, that changes something, and proposes it. `false` if there is none.
    fn propose(&mut self) -> bool {
        loop {
            let count = self.best().len();
            match self.plan {
                Plan::Untouched => self.plan = Plan::Remove { at: 0, len: count },
                Plan::Remove { len: 0, .. } => self.plan = Plan::Lower { at: 0, low: 1 },
                Plan::Remove { at, len } if at >= count => self.plan = Plan::Remove { at: 0, len: len.min(count) / 2 },
                Plan::Remove { at, len } => {
                    let mut spikes = self.best().to_vec();
                    spikes.drain(at..count.min(at + len));
                    self.schedule.source = Source::Spikes(spikes);
                    return true;
                }
                Plan::Lower { at, .. } if at >= count && self.lowered => {
                    self.lowered = false;
                    self.plan = Plan::Remove { at: 0, len: count };
                }
                Plan::Lower { at, .. } if at >= count => self.plan = Plan::Done,
                Plan::Lower { at, low } if self.best()[at].choice <= low => self.plan = Plan::Lower { at: at + 1, low: 1 },
                Plan::Lower { at, low } => {
                    let mut spikes = self.best().to_vec();
                    // The smallest first: what matters is often only that a choice is made at all.
                    let choice = spikes[at].choice;
                    spikes[at].choice = if low == 1 || choice <= FEW { low } else { low + (choice - low) / 2 };
                    self.schedule.source = Source::Spikes(spikes);
                    return true;
                }
                Plan::Done => {
                    self.schedule.source = self.best.clone();
                    return false;
                }
            }
        }
    }
}

impl ValueTree for ScheduleTree {
    type Value = Schedule;

    fn current(&self) -> Schedule {
        self.schedule.clone()
    }

    /// What was proposed fails, too.
    fn simplify(&mut self) -> bool {
        match self.plan {
            Plan::Done => return false,
            Plan::Untouched | Plan::Remove { .. } | Plan::Lower { .. } => {
                let recorded = self.schedule.recorded.lock().unwrap_or_else(PoisonError::into_inner).take();
                let recorded = recorded.as_ref().map(spikes);
                let mut best = match (&self.schedule.source, recorded) {
                    (Source::Seed(_), None) => return false,
                    (Source::Seed(_), Some(recorded)) => recorded,
                    (Source::Spikes(proposed), None) => proposed.clone(),
                    // Choices that no longer come up are gone.
                    (Source::Spikes(proposed), Some(recorded)) => {
                        if recorded.len() <= proposed.len() {
                            recorded
                        } else {
                            proposed.clone()
                        }
                    }
                };
                if let (Plan::Lower { .. }, Source::Spikes(proposed)) = (self.plan, &self.schedule.source)
                    && best.len() < self.best().len()
                {
                    // Others may have moved to the place that was looked at.
                    best.clone_from(proposed);
                }
                self.lowered |= matches!(self.plan, Plan::Lower { .. });
                self.best = Source::Spikes(best);
            }
        }
        self.propose()
    }

    /// What was proposed does not fail.
    fn complicate(&mut self) -> bool {
        self.plan = match self.plan {
            Plan::Remove { at, len } => Plan::Remove { at: at + len, len },
            Plan::Lower { at, low } => {
                let tried = match &self.schedule.source {
                    Source::Spikes(spikes) => spikes[at].choice,
                    Source::Seed(_) => low,
                };
                Plan::Lower { at, low: tried + 1 }
            }
            Plan::Untouched | Plan::Done => return false,
        };
        // The last answer is what fails, and the test has to see it.
        self.propose();
        true
    }
}
