//! What a campaign found, for people.

use super::assertions::Counts;
use super::divergence::Divergence;
use super::identity::TestId;
use crate::choice::Told;
use crate::choice::shrink::Shrunk;
use crate::sim::Failure;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

/// A failure that a campaign found: all those of one site count as one.
///
/// ```
/// use twinsock_sim::explore::{Campaign, TestId};
/// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
/// let outcome = Campaign::new(test).keeps_regressions(false).run(|sim| assert!(sim.swarm("size", 1..=9) < 5, "too large"));
/// let found = &outcome.found[0];
/// assert!(found.site.starts_with("panic at ") && found.reproduce == format!("doc --seed {}", found.seed));
/// ```
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is known by: see [`FailureKind::site`](crate::FailureKind::site).
    pub site: String,
    /// The first seed that has it.
    pub seed: u64,
    /// How many seeds have it.
    pub seeds: u64,
    /// The failure, of the smallest run that has it.
    pub failure: Box<Failure>,
    /// How that was come by; `None` for one that was small already, being of a tape.
    pub shrunk: Option<Shrunk>,
    /// How much real time that took.
    pub shrink_took: Duration,
    /// Where the tape lies.
    pub tape: Option<PathBuf>,
    /// What was written of its run: the files that [`ReportFiles`](crate::ReportFiles) names, or those of them that could be.
    pub report: Vec<PathBuf>,
    /// What could not be written of it, and why: the disk is full, say.
    pub not_written: Vec<String>,
    /// The command that runs it again.
    pub reproduce: String,
}

/// What came of a campaign.
///
/// ```
/// use twinsock_sim::explore::{Campaign, TestId};
/// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
/// let outcome = Campaign::new(test).keeps_regressions(false).run(|sim| assert!(sim.swarm("size", 1..=9) < 5, "too large"));
/// println!("{outcome}");
/// assert!(!outcome.is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The test.
    pub test: TestId,
    /// How many seeds were run.
    pub seeds: u64,
    /// How many of them ran twice.
    pub reruns: u64,
    /// How many tapes of earlier failures were run.
    pub tapes: u64,
    /// How many of the seeds failed.
    pub failures: u64,
    /// What was found, in the order of the first seeds that have it.
    pub found: Vec<Found>,
    /// A seed that is not one run but two.
    pub divergence: Option<Divergence>,
    /// What was counted.
    pub assertions: Counts,
    /// Assertions that were expected to hold, and never did.
    pub unmet: Vec<String>,
    /// What else there is to say, such as a tape that could not be used.
    pub notes: Vec<String>,
    /// How much virtual time passed in all runs together.
    pub elapsed: Duration,
    /// How much real time passed.
    pub took: Duration,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
}

impl Outcome {
    /// Whether nothing was found and everything expected held.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
    /// assert!(Campaign::new(test).keeps_regressions(false).run(|_sim| {}).is_ok());
    /// ```
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.found.is_empty() && self.divergence.is_none() && self.unmet.is_empty()
    }

    /// The names of assertions that hold sometimes, and never did.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
    /// let outcome = Campaign::new(test).keeps_regressions(false).run(|_sim| twinsock_sim::sometimes!(false, "a full queue"));
    /// assert_eq!(outcome.never_held().collect::<Vec<_>>(), ["a full queue"]);
    /// ```
    pub fn never_held(&self) -> impl Iterator<Item = &str> {
        self.assertions.iter().filter(|(_, count)| count.never_held()).map(|(name, _)| name.as_str())
    }

    /// What a test says of it, painted if a person watches.
    pub(super) fn text_of_a_test(&self) -> String {
        let text = self.to_string();
        #[cfg(feature = "cli")]
        if crate::colour::in_a_test() {
            return crate::colour::report(&text);
        }
        text
    }

    /// Whether there is anything to say of a campaign that found nothing.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_ok() && self.notes.is_empty() && !self.interrupted && self.never_held().next().is_none()
    }
}

/// How many choices of a story are shown.
const STORY_MAX: usize = 40;

/// The story of a failure: what was not boring in its smallest run.
pub(super) struct Story<'a>(pub &'a Failure);

impl Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard: Vec<&Told> = self.0.story.iter().filter(|told| told.is_heard()).collect();
        if heard.is_empty() {
            return writeln!(f, "it fails though every choice is boring");
        }
        writeln!(f, "it takes, of everything that could have gone otherwise:")?;
        heard.iter().take(STORY_MAX).try_for_each(|told| writeln!(f, "  {told}"))?;
        if heard.len() > STORY_MAX { writeln!(f, "  and {} more", heard.len() - STORY_MAX) } else { Ok(()) }
    }
}

impl Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = self.seeds.saturating_sub(1);
        write!(f, "seed {} failed", self.seed)?;
        if others > 0 {
            write!(f, ", and {others} more in the same way")?;
        }
        let Failure { kind, at, step, .. } = &*self.failure;
        writeln!(f, "; its smallest run does so at {at:?} of virtual time, step {step}:")?;
        writeln!(f, "{kind}")?;
        if let Some(shrunk) = &self.shrunk {
            writeln!(f, "{shrunk}")?;
        }
        write!(f, "{}", Story(&self.failure))?;
        if !self.failure.events.is_empty() {
            writeln!(f, "last events of each host:")?;
            self.failure.events.lines().try_for_each(|event| writeln!(f, "  {event}"))?;
        }
        write!(f, "{}{}", self.failure.sockets(), self.failure.what_is_left())?;
        if let Some(path) = &self.tape {
            writeln!(f, "tape: {}", path.display())?;
        }
        let written = |name: &str| self.report.iter().find(|path| path.ends_with(name));
        let (timeline, text) = (written("timeline.html"), written("trace.txt"));
        // The trace lies beside the timeline: it is named where there is none.
        let trace = if timeline.is_some() { None } else { text };
        for (what, path) in [("timeline", timeline), ("trace", trace), ("capture", written("capture.pcapng"))] {
            if let Some(path) = path {
                writeln!(f, "{what}: {}", path.display())?;
            }
        }
        self.not_written.iter().try_for_each(|what| writeln!(f, "not written: {what}"))?;
        write!(f, "reproduce: {}", self.reproduce)
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { seeds, tapes, failures, reruns, .. } = self;
        write!(f, "{}: {seeds} seeds, {failures} failed", self.test.full_name())?;
        if *tapes > 0 {
            write!(f, ", {tapes} tapes of earlier failures")?;
        }
        write!(f, ", {reruns} ran twice, in {:.2?}, {:.2?} of virtual time", self.took, self.elapsed)?;
        if self.interrupted {
            write!(f, "; interrupted")?;
        }
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        for found in &self.found {
            write!(f, "\n\n{found}")?;
        }
        if let Some(divergence) = &self.divergence {
            write!(f, "\n\n{divergence}\nreproduce: {}", self.test.seed_command(divergence.seed))?;
        }
        for name in self.never_held() {
            write!(f, "\nsometimes: {name}: reached {} times, never held", self.assertions[name].reached)?;
        }
        for name in &self.unmet {
            let reached = self.assertions.get(name).map_or(0, |count| count.reached);
            write!(f, "\nexpected: {name}: reached {reached} times, never held")?;
        }
        Ok(())
    }
}
