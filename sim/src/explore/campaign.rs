//! A campaign: what can be set. `campaign/course.rs` is what happens then.

mod course;

use super::assertions::Counts;
use super::identity::TestId;
use super::interrupt::{self, Listening};
use super::progress::Watch;
use super::record;
use super::report::Outcome;
use super::settings::{Settings, SettingsError};
use super::shard::Shard;
use crate::sim::{Builder, Interleaving, LeakCheck, Sim};
pub(super) use course::Runner;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Many runs of one test. [`check!`](crate::check) makes one and runs it; where more is to be set, or the outcome looked at, it is made by hand.
///
/// ```
/// use twinsock_sim::explore::{Campaign, TestId};
///
/// let test = TestId::of_program("dice", std::env::temp_dir().join("twinsock-doc-tapes"), "dice --seed", "dice --tape");
/// let outcome = Campaign::new(test).seeds(1000).keeps_regressions(false).run(|sim| {
///     let dice = sim.swarm("dice", 1..=6);
///     assert!(dice < 6, "a six");
/// });
/// let found = &outcome.found[0];
/// assert!(found.failure.kind.to_string().contains("a six"));
/// assert_eq!(found.shrunk.as_ref().unwrap().spikes, 1);
/// ```
#[derive(Clone)]
pub struct Campaign {
    pub(super) test: TestId,
    builder: Builder,
    pub(super) seeds: u64,
    first_seed: u64,
    pub(super) only_seed: Option<u64>,
    pub(super) only_tape: Option<PathBuf>,
    pub(super) jobs: Option<usize>,
    pub(super) collects: bool,
    pub(super) shard: Shard,
    pub(super) record: Option<PathBuf>,
    pub(super) report_to: Option<PathBuf>,
    rerun_every: u64,
    shrink_runs: u32,
    keeps_regressions: bool,
    fresh_threads: bool,
    expected: Vec<String>,
    sometimes_must_hold: bool,
    pub(super) break_at: Option<u64>,
    watch: Option<Arc<dyn Watch + Send>>,
}

/// How many seeds a campaign runs unless it says otherwise.
const SEEDS: u64 = 100;
/// One of how many seeds runs twice.
const RERUN_EVERY: u64 = 20;
/// How many runs shrinking may take.
const SHRINK_RUNS: u32 = 2000;
/// After how many calls a run is taken for one that never ends.
const CALLS_MAX: u64 = 50_000_000;
/// How many of the last events a failure shows.
const EVENTS_SHOWN: usize = 20;
/// How often whoever watches hears of progress.
const WATCH_EVERY: Duration = Duration::from_millis(100);

impl Campaign {
    /// A campaign for this test, with nothing set.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// assert_eq!(campaign.run(|_sim| {}).seeds, 100);
    /// ```
    #[must_use]
    pub fn new(test: TestId) -> Campaign {
        let builder = Sim::builder().test(&test.full_name()).interleaving(Interleaving::Mixed).calls_max(CALLS_MAX);
        Campaign {
            test,
            builder: builder.keep_events(0).catch_panics(true),
            seeds: SEEDS,
            first_seed: 0,
            only_seed: None,
            only_tape: None,
            jobs: None,
            collects: false,
            shard: Shard::WHOLE,
            record: None,
            report_to: None,
            rerun_every: RERUN_EVERY,
            shrink_runs: SHRINK_RUNS,
            keeps_regressions: true,
            fresh_threads: false,
            expected: Vec::new(),
            sometimes_must_hold: false,
            break_at: None,
            watch: None,
        }
    }

    /// How many seeds to run: those from 0, or from [`Campaign::first_seed`], on; 100 by default.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.seeds(7).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert_eq!(outcome.seeds, 7);
    /// ```
    #[must_use]
    pub fn seeds(mut self, seeds: u64) -> Campaign {
        self.seeds = seeds;
        self
    }

    /// The first seed; 0 by default.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.first_seed(1000).seeds(3).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert!(outcome.is_ok());
    /// ```
    #[must_use]
    pub fn first_seed(mut self, seed: u64) -> Campaign {
        self.first_seed = seed;
        self
    }

    /// Runs this seed alone; `TWINSOCK_SEED` asks for it, too.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.only_seed(42).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert_eq!(outcome.seeds, 1);
    /// ```
    #[must_use]
    pub fn only_seed(mut self, seed: u64) -> Campaign {
        self.only_seed = Some(seed);
        self
    }

    /// Runs this tape alone; `TWINSOCK_TAPE` asks for it, too. One that cannot be read, or is of another version or test, is a panic of [`Campaign::run`].
    ///
    /// ```
    /// use twinsock_sim::{Sim, explore::{Campaign, TestId}};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// # let path = std::env::temp_dir().join(format!("twinsock-doc-only-{}.tape", std::process::id()));
    /// let tape = Sim::builder().seed(7).test("doc").run(|sim| sim.swarm("size", 1..=9)).unwrap().tape;
    /// std::fs::write(&path, tape.to_bytes()).unwrap();
    /// let outcome = campaign.only_tape(&path).run(|sim| drop(sim.swarm("size", 1..=9)));
    /// assert_eq!((outcome.tapes, outcome.seeds), (1, 0));
    /// # std::fs::remove_file(path).unwrap();
    /// ```
    #[must_use]
    pub fn only_tape(mut self, path: impl Into<PathBuf>) -> Campaign {
        self.only_tape = Some(path.into());
        self
    }

    /// On how many OS threads; one for each core by default.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.jobs(1).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert!(outcome.is_ok());
    /// ```
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Campaign {
        self.jobs = Some(jobs.max(1));
        self
    }

    /// Whether all seeds are run, and failures that differ collected, instead of stopping at the first. `TWINSOCK_COLLECT=1` asks for it, too.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.collects(true).seeds(50).shrink_runs(0).run(|sim| match sim.swarm("x", 0..=2) {
    ///     0 => {}
    ///     1 => panic!("one"),
    ///     _ => panic!("two"),
    /// });
    /// assert_eq!(outcome.found.len(), 2, "two ways to fail");
    /// ```
    #[must_use]
    pub fn collects(mut self, collects: bool) -> Campaign {
        self.collects = collects;
        self
    }

    /// Which share of the seeds is run here.
    ///
    /// ```
    /// use twinsock_sim::explore::Shard;
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.seeds(10).shard(Shard::new(1, 4).unwrap()).run(|_sim| {});
    /// assert_eq!(outcome.seeds, 3, "seeds 0, 4 and 8");
    /// ```
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Campaign {
        self.shard = shard;
        self
    }

    /// Into which folder a shard's record goes, for [`merge`](super::merge): `TWINSOCK_RECORD` says so, too. What is recorded depends on the test and its
    /// seeds alone, so the tapes of earlier failures are not tried.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId, merge};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// # let folder = std::env::temp_dir().join(format!("twinsock-doc-records-{}", std::process::id()));
    /// campaign.seeds(5).record(&folder).run(|_sim| {});
    /// assert_eq!(merge(&[folder.join("doc-1-of-1.jsonl")]).unwrap().seeds, 5);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// ```
    #[must_use]
    pub fn record(mut self, folder: impl Into<PathBuf>) -> Campaign {
        self.record = Some(folder.into());
        self
    }

    /// One of how many seeds runs twice, to see whether a seed is a run; 20 by default, 0 for none.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.seeds(10).rerun_every(2).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert_eq!(outcome.reruns, 5);
    /// ```
    #[must_use]
    pub fn rerun_every(mut self, seeds: u64) -> Campaign {
        self.rerun_every = seeds;
        self
    }

    /// How many runs shrinking may take; 2000 by default, 0 to leave failures as they are found.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.shrink_runs(0).run(|_sim| panic!("at once"));
    /// assert!(outcome.found[0].shrunk.is_none());
    /// ```
    #[must_use]
    pub fn shrink_runs(mut self, runs: u32) -> Campaign {
        self.shrink_runs = runs;
        self
    }

    /// Whether failures are kept as tapes beside the test, and those tried first; they are by default.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.keeps_regressions(false).run(|_sim| panic!("at once"));
    /// assert!(outcome.found[0].tape.is_none());
    /// ```
    #[must_use]
    pub fn keeps_regressions(mut self, keeps: bool) -> Campaign {
        self.keeps_regressions = keeps;
        self
    }

    /// Into which folder the report of a failure goes: trace, capture, timeline and sockets of its smallest run; by default one beside its tape, which
    /// version control is told to leave alone.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// # let folder = std::env::temp_dir().join(format!("twinsock-doc-report-to-{}", std::process::id()));
    /// let outcome = campaign.report_to(&folder).run(|_sim| panic!("at once"));
    /// assert!(outcome.found[0].report.contains(&folder.join("timeline.html")));
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// ```
    #[must_use]
    pub fn report_to(mut self, folder: impl Into<PathBuf>) -> Campaign {
        self.report_to = Some(folder.into());
        self
    }

    /// Whether the smallest run of a failure is recorded for a report.
    fn writes_reports(&self) -> bool {
        self.report_to.is_some() || self.keeps_regressions
    }

    /// Whether every run has an OS thread of its own, so that no thread-local leaks from run to run. By default a thread serves many: starting one costs more than a small
    /// run, and the seeds that run twice find a leak.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.fresh_threads(true).seeds(5).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert!(outcome.is_ok());
    /// ```
    #[must_use]
    pub fn fresh_threads(mut self, fresh: bool) -> Campaign {
        self.fresh_threads = fresh;
        self
    }

    /// How it is decided who goes next: by default, each seed draws a strategy ([`Interleaving::Mixed`]).
    ///
    /// ```
    /// use twinsock_sim::Interleaving;
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.interleaving(Interleaving::FirstCome).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert!(outcome.is_ok());
    /// ```
    #[must_use]
    pub fn interleaving(mut self, interleaving: Interleaving) -> Campaign {
        self.builder = self.builder.interleaving(interleaving);
        self
    }

    /// After how many calls of all threads together a run fails as one that never ends; 50 million by default.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.calls_max(1000).seeds(1).run(|sim| {
    ///     sim.host("a").spawn("p", |net| -> () { loop { twinsock::Clock::sleep(&net, std::time::Duration::from_secs(1)); } });
    /// });
    /// assert!(!outcome.is_ok());
    /// ```
    #[must_use]
    pub fn calls_max(mut self, calls: u64) -> Campaign {
        self.builder = self.builder.calls_max(calls);
        self
    }

    /// What else is set of every run: costs, stacks, the watchdog. What a campaign sets itself stays.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.builder(|builder| builder.stack_bytes(1 << 20)).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert!(outcome.is_ok());
    /// ```
    #[must_use]
    pub fn builder(mut self, change: impl FnOnce(Builder) -> Builder) -> Campaign {
        self.builder = change(self.builder);
        self
    }

    /// At which step of the run that is told a debugger stops: see [`Builder::break_at`]. That is the smallest run of the first failure, the one that
    /// its report is of; or, if nothing fails, that of [`Campaign::only_seed`].
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.only_seed(7).break_at(1).run(|sim| drop(sim.host("a").spawn("p", |_net| {})));
    /// assert!(outcome.is_ok(), "standard error has a line that step 1 was reached");
    /// ```
    #[must_use]
    pub fn break_at(mut self, step: u64) -> Campaign {
        self.break_at = Some(step);
        self
    }

    /// Whether a run fails for what it leaves behind: see [`Builder::leaks`].
    ///
    /// ```
    /// use twinsock_sim::LeakCheck;
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.seeds(3).leaks(LeakCheck::Fail).run(|sim| drop(sim.host("a").spawn("p", |_net| {})));
    /// assert!(outcome.is_ok());
    /// ```
    #[must_use]
    pub fn leaks(mut self, check: LeakCheck) -> Campaign {
        self.builder = self.builder.leaks(check);
        self
    }

    /// The campaign fails unless the assertion of this name holds in at least one run.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.expects("more than four").run(|sim| twinsock_sim::sometimes!(sim.swarm("n", 1..=5) > 4, "more than four"));
    /// assert!(outcome.is_ok());
    /// ```
    #[must_use]
    pub fn expects(mut self, name: &str) -> Campaign {
        self.expected.push(name.to_owned());
        self
    }

    /// Whether the campaign fails if a [`sometimes!`](crate::sometimes) was reached and never held; by default it only says so.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.sometimes_must_hold(true).run(|_sim| twinsock_sim::sometimes!(false, "never"));
    /// assert_eq!(outcome.unmet.len(), 1);
    /// ```
    #[must_use]
    pub fn sometimes_must_hold(mut self, must: bool) -> Campaign {
        self.sometimes_must_hold = must;
        self
    }

    /// Who is told of progress; by default, plain lines go to standard error, or, with the feature `cli`, a bar if a person watches.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use twinsock_sim::explore::{Campaign, Snapshot, TestId, Watch};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// struct Last(Mutex<u64>);
    /// impl Watch for Last {
    ///     fn progress(&self, _snapshot: &Snapshot) {}
    ///     fn end(&self, snapshot: &Snapshot) {
    ///         *self.0.lock().unwrap() = snapshot.done;
    ///     }
    /// }
    /// let last = Arc::new(Last(Mutex::new(0)));
    /// campaign.seeds(5).watch(last.clone()).run(|_sim| {});
    /// assert_eq!(*last.0.lock().unwrap(), 5);
    /// ```
    #[must_use]
    pub fn watch(mut self, watch: Arc<dyn Watch + Send>) -> Campaign {
        self.watch = Some(watch);
        self
    }

    /// Sets what the environment asks for: `TWINSOCK_SEED` and its like. The folder for records is made.
    ///
    /// # Errors
    /// A variable makes no sense: which one, and what it says. Or the folder cannot be used: it holds a record of the test that no record of this
    /// campaign can be joined with.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let campaign = campaign.as_the_environment_asks().unwrap(); // TWINSOCK_SEEDS and its like
    /// # drop(campaign);
    /// ```
    pub fn as_the_environment_asks(mut self) -> Result<Campaign, SettingsError> {
        Settings::from_environment()?.apply(&mut self);
        if let Some(folder) = &self.record {
            record::prepare(folder, &self.test, self.shard, (self.first_seed, self.seeds))?;
        }
        Ok(self)
    }

    /// Does as the environment asks (`TWINSOCK_SEED` and its like), runs the campaign, says what is worth saying, and panics if something was found. After Ctrl-C it ends
    /// the program, with status 130.
    ///
    /// # Panics
    /// Something was found, or the environment asks for something that makes no sense.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// campaign.seeds(3).check(|sim| drop(sim.host("a").spawn("p", |_net| {})));
    /// ```
    #[track_caller]
    pub fn check(self, body: impl Fn(&Sim) + Sync) {
        let campaign = self.as_the_environment_asks().unwrap_or_else(|error| panic!("{error}"));
        let outcome = campaign.run(body);
        let text = outcome.text_of_a_test();
        if outcome.interrupted {
            eprintln!("{text}");
            std::process::exit(interrupt::STATUS);
        }
        assert!(outcome.is_ok(), "{text}");
        if !outcome.is_quiet() {
            eprintln!("{text}");
        }
    }

    /// Runs the campaign as it is set, whatever the environment says.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
    /// # let campaign = Campaign::new(test).keeps_regressions(false);
    /// let outcome = campaign.seeds(3).run(|sim| { sim.host("a").spawn("p", |_net| {}); });
    /// assert!(outcome.is_ok());
    /// ```
    pub fn run(&self, body: impl Fn(&Sim) + Sync) -> Outcome {
        let clock = StopWatch::start();
        let listening = Listening::begin();
        let runner = self.runner(&body);
        let mut outcome = self.nothing_yet();
        if self.only_seed.is_none() {
            runner.try_tapes(&mut outcome);
        }
        if self.only_tape.is_none() && (outcome.found.is_empty() || self.collects) {
            runner.try_seeds(&mut outcome, &listening, &clock);
        }
        outcome.interrupted = listening.heard();
        let is_unmet = |name: &&String| outcome.assertions.get(*name).is_none_or(|count| count.held == 0);
        let mut unmet: Vec<String> = self.expected.iter().filter(is_unmet).cloned().collect();
        if self.sometimes_must_hold {
            unmet.extend(outcome.never_held().map(str::to_owned));
        }
        // Of a campaign that was not run to its end, and of a share of one, nothing can be expected.
        if outcome.found.is_empty()
            && !outcome.interrupted
            && self.only_seed.is_none()
            && self.only_tape.is_none()
            && self.shard == Shard::WHOLE
        {
            outcome.unmet = unmet;
        }
        outcome.took = clock.took();
        if let Some(folder) = &self.record
            && let Err(error) = record::write(folder, self.shard, (self.first_seed, self.seeds), &outcome)
        {
            outcome.notes.push(format!("no record could be written to {}: {error}", folder.display()));
        }
        outcome
    }

    /// Who runs this test.
    pub(super) fn runner<'a, F: Fn(&Sim) + Sync>(&'a self, body: &'a F) -> Runner<'a, F> {
        let mut runner = Runner { campaign: self, builder: self.builder.clone(), body };
        runner.builder = self.builder.clone().calls_expected(runner.calls_expected());
        runner
    }

    fn nothing_yet(&self) -> Outcome {
        Outcome {
            test: self.test.clone(),
            seeds: 0,
            reruns: 0,
            tapes: 0,
            failures: 0,
            found: Vec::new(),
            divergence: None,
            assertions: Counts::new(),
            unmet: Vec::new(),
            notes: Vec::new(),
            elapsed: Duration::ZERO,
            took: Duration::ZERO,
            interrupted: false,
        }
    }

    /// How many seeds are run here.
    fn share(&self) -> u64 {
        if self.only_seed.is_some() { 1 } else { self.shard.share_of(self.seeds) }
    }

    fn seed(&self, nth: u64) -> u64 {
        self.only_seed.unwrap_or_else(|| self.first_seed.wrapping_add(self.shard.nth(nth)))
    }

    fn jobs_for(&self, seeds: u64) -> usize {
        let jobs = self.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        jobs.min(usize::try_from(seeds).unwrap_or(usize::MAX)).max(1)
    }
}

/// Real time, for progress and the report only.
struct StopWatch(std::time::Instant);

#[expect(clippy::disallowed_methods, reason = "people want to know how long a campaign took; no run sees it")]
impl StopWatch {
    fn start() -> StopWatch {
        StopWatch(std::time::Instant::now())
    }

    fn took(&self) -> Duration {
        self.0.elapsed()
    }
}
