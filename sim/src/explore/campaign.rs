//! A campaign: what can be set, and what happens.

use super::assertions::{self, Counts};
use super::divergence::{Divergence, EVENTS_MAX};
use super::identity::TestId;
use super::interrupt::{self, Listening};
use super::progress::{Snapshot, Watch, default_watch};
use super::report::{Found, Outcome, Story};
use super::settings::{Settings, SettingsError};
use super::shard::Shard;
use super::{record, regressions};
use crate::choice::shrink::shrink;
use crate::choice::{Choice, Tape};
use crate::sim::{Builder, Failure, Interleaving, LeakCheck, Report, Sim};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Many runs of one test. [`check!`](crate::check) makes one and runs it; where more is to be set, or the outcome looked at, it is made by hand.
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
    #[must_use]
    pub fn seeds(mut self, seeds: u64) -> Campaign {
        self.seeds = seeds;
        self
    }

    /// The first seed; 0 by default.
    #[must_use]
    pub fn first_seed(mut self, seed: u64) -> Campaign {
        self.first_seed = seed;
        self
    }

    /// Runs this seed alone; `TWINSOCK_SEED` asks for it, too.
    #[must_use]
    pub fn only_seed(mut self, seed: u64) -> Campaign {
        self.only_seed = Some(seed);
        self
    }

    /// Runs this tape alone; `TWINSOCK_TAPE` asks for it, too. One that cannot be read, or is of another version or test, is a panic of [`Campaign::run`].
    #[must_use]
    pub fn only_tape(mut self, path: impl Into<PathBuf>) -> Campaign {
        self.only_tape = Some(path.into());
        self
    }

    /// On how many OS threads; one for each core by default.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Campaign {
        self.jobs = Some(jobs.max(1));
        self
    }

    /// Whether all seeds are run, and failures that differ collected, instead of stopping at the first. `TWINSOCK_COLLECT=1` asks for it, too.
    #[must_use]
    pub fn collects(mut self, collects: bool) -> Campaign {
        self.collects = collects;
        self
    }

    /// Which share of the seeds is run here.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Campaign {
        self.shard = shard;
        self
    }

    /// Into which folder a shard's record goes, for [`merge`](super::merge): `TWINSOCK_RECORD` says so, too. What is recorded depends on the test and its
    /// seeds alone, so the tapes of earlier failures are not tried.
    #[must_use]
    pub fn record(mut self, folder: impl Into<PathBuf>) -> Campaign {
        self.record = Some(folder.into());
        self
    }

    /// One of how many seeds runs twice, to see whether a seed is a run; 20 by default, 0 for none.
    #[must_use]
    pub fn rerun_every(mut self, seeds: u64) -> Campaign {
        self.rerun_every = seeds;
        self
    }

    /// How many runs shrinking may take; 2000 by default, 0 to leave failures as they are found.
    #[must_use]
    pub fn shrink_runs(mut self, runs: u32) -> Campaign {
        self.shrink_runs = runs;
        self
    }

    /// Whether failures are kept as tapes beside the test, and those tried first; they are by default.
    #[must_use]
    pub fn keeps_regressions(mut self, keeps: bool) -> Campaign {
        self.keeps_regressions = keeps;
        self
    }

    /// Into which folder the report of a failure goes: trace, capture, timeline and sockets of its smallest run; by default one beside its tape, which
    /// version control is told to leave alone.
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
    #[must_use]
    pub fn fresh_threads(mut self, fresh: bool) -> Campaign {
        self.fresh_threads = fresh;
        self
    }

    /// How it is decided who goes next: by default, each seed draws a strategy ([`Interleaving::Mixed`]).
    #[must_use]
    pub fn interleaving(mut self, interleaving: Interleaving) -> Campaign {
        self.builder = self.builder.interleaving(interleaving);
        self
    }

    /// After how many calls of all threads together a run fails as one that never ends; 50 million by default.
    #[must_use]
    pub fn calls_max(mut self, calls: u64) -> Campaign {
        self.builder = self.builder.calls_max(calls);
        self
    }

    /// What else is set of every run: costs, stacks, the watchdog. What a campaign sets itself stays.
    #[must_use]
    pub fn builder(mut self, change: impl FnOnce(Builder) -> Builder) -> Campaign {
        self.builder = change(self.builder);
        self
    }

    /// At which step of the run that is told a debugger stops: see [`Builder::break_at`]. That is the smallest run of the first failure, the one that
    /// its report is of; or, if nothing fails, that of [`Campaign::only_seed`].
    #[must_use]
    pub fn break_at(mut self, step: u64) -> Campaign {
        self.break_at = Some(step);
        self
    }

    /// Whether a run fails for what it leaves behind: see [`Builder::leaks`].
    #[must_use]
    pub fn leaks(mut self, check: LeakCheck) -> Campaign {
        self.builder = self.builder.leaks(check);
        self
    }

    /// The campaign fails unless the assertion of this name holds in at least one run.
    #[must_use]
    pub fn expects(mut self, name: &str) -> Campaign {
        self.expected.push(name.to_owned());
        self
    }

    /// Whether the campaign fails if a [`sometimes!`](crate::sometimes) was reached and never held; by default it only says so.
    #[must_use]
    pub fn sometimes_must_hold(mut self, must: bool) -> Campaign {
        self.sometimes_must_hold = must;
        self
    }

    /// Who is told of progress; by default, plain lines go to standard error, or, with the feature `cli`, a bar if a person watches.
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
    pub fn check(self, body: impl Fn(&Sim) + Sync) {
        let campaign = self.as_the_environment_asks().unwrap_or_else(|error| panic!("{error}"));
        let outcome = campaign.run(body);
        if outcome.interrupted {
            eprintln!("{outcome}");
            std::process::exit(interrupt::STATUS);
        }
        assert!(outcome.is_ok(), "{outcome}");
        if !outcome.is_quiet() {
            eprintln!("{outcome}");
        }
    }

    /// Runs the campaign as it is set, whatever the environment says.
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

/// A campaign in its course.
pub(super) struct Runner<'a, F> {
    pub(super) campaign: &'a Campaign,
    pub(super) builder: Builder,
    body: &'a F,
}

/// What a thread of the campaign has to say when it is done.
#[derive(Default)]
struct Tally {
    seeds: u64,
    reruns: u64,
    elapsed: Duration,
    assertions: BTreeMap<&'static str, assertions::Count>,
}

/// What the threads of a campaign share.
struct Shared {
    /// The next seed's place in this shard.
    next: AtomicU64,
    /// Seeds from this place on need not be run.
    end: AtomicU64,
    done: AtomicU64,
    failures: AtomicU64,
    /// Virtual time, in microseconds.
    elapsed_us: AtomicU64,
    found: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By site.
    failures: BTreeMap<String, FirstSeen>,
    divergence: Option<(u64, Divergence)>,
    notes: Vec<String>,
}

/// A failure as it was seen first.
struct FirstSeen {
    /// The place of its seed in this shard.
    nth: u64,
    failure: Box<Failure>,
    /// How many seeds have it.
    seeds: u64,
}

type Run = Result<Report<()>, Box<Failure>>;

impl<F: Fn(&Sim) + Sync> Runner<'_, F> {
    /// Runs once. What is counted meanwhile is the caller's.
    pub(super) fn run(&self, builder: Builder, choice: Choice) -> (Run, BTreeMap<&'static str, assertions::Count>) {
        if self.campaign.fresh_threads { self.run_apart(builder, choice) } else { self.run_here(builder, choice) }
    }

    fn run_here(&self, builder: Builder, choice: Choice) -> (Run, BTreeMap<&'static str, assertions::Count>) {
        drop(assertions::take());
        let run = builder.run_with(choice, self.body);
        (run, assertions::take())
    }

    /// On an OS thread of its own.
    #[expect(clippy::disallowed_methods, reason = "the OS thread that carries a run; nothing in the run depends on it")]
    fn run_apart(&self, builder: Builder, choice: Choice) -> (Run, BTreeMap<&'static str, assertions::Count>) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| self.run_here(builder, choice));
            thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        })
    }

    /// How many calls a run makes, as a guess from the boring one: always the same, in every shard and in a fresh process. Others may be several times as long.
    fn calls_expected(&self) -> u64 {
        let (run, _) = self.run(self.builder.clone(), Choice::boring());
        let calls = run.map_or_else(|failure| failure.calls, |report| report.calls);
        calls.saturating_mul(4).max(64)
    }

    fn run_seed(&self, seed: u64) -> (Run, BTreeMap<&'static str, assertions::Count>) {
        self.run(self.builder.clone().seed(seed), Choice::from_seed(seed))
    }

    /// Runs a tape; `told` asks for its story and its last events.
    fn run_tape(&self, tape: Tape, told: bool) -> Run {
        let builder = self.builder.clone().seed(tape.origin.seed);
        let reports = told && self.campaign.writes_reports();
        let builder =
            if told { self.to_break(builder.keep_story(true).keep_events(EVENTS_SHOWN).record(reports)) } else { builder };
        self.run(builder, Choice::from_tape(tape)).0
    }

    /// For a run at which a debugger may stop.
    fn to_break(&self, builder: Builder) -> Builder {
        self.campaign.break_at.map_or(builder.clone(), |step| builder.break_at(step))
    }

    /// The tape that was asked for, or those of earlier failures.
    fn try_tapes(&self, outcome: &mut Outcome) {
        let campaign = self.campaign;
        let tapes = match &campaign.only_tape {
            Some(path) => vec![regressions::Regression { path: path.clone(), tape: regressions::read_tape(path) }],
            None if campaign.keeps_regressions && campaign.record.is_none() => regressions::of(&campaign.test),
            None => Vec::new(),
        };
        for regressions::Regression { path, tape } in tapes {
            let checked = tape
                .and_then(|tape| self.builder.clone().tape(tape.clone()).map(|_| tape).map_err(|foreign| foreign.to_string()));
            match checked {
                Ok(tape) => {
                    outcome.tapes += 1;
                    if let Err(failure) = self.run_tape(tape, true) {
                        let site = failure.kind.site();
                        if outcome.found.iter().all(|found| found.site != site) {
                            let mut found = self.found_on_tape(site, failure, path);
                            self.report(&mut found, &mut outcome.notes);
                            outcome.found.push(found);
                        }
                    }
                }
                // A tape that was asked for is not left out.
                Err(why) if campaign.only_tape.is_some() => panic!("{}: {why}", path.display()),
                Err(why) => outcome.notes.push(format!("{} is left out: {why}", path.display())),
            }
            if !outcome.found.is_empty() && !campaign.collects {
                return;
            }
        }
    }

    fn found_on_tape(&self, site: String, failure: Box<Failure>, path: PathBuf) -> Found {
        let reproduce = self.campaign.test.tape_command(&path);
        Found {
            site,
            seed: failure.seed,
            seeds: 1,
            failure,
            shrunk: None,
            shrink_took: Duration::ZERO,
            tape: Some(path),
            report: None,
            reproduce,
        }
    }

    /// The seeds of this shard, on all cores.
    #[expect(clippy::disallowed_methods, reason = "the OS threads that carry the runs; nothing in a run depends on them")]
    fn try_seeds(&self, outcome: &mut Outcome, listening: &Listening, clock: &StopWatch) {
        let seeds = self.campaign.share();
        let zero = || AtomicU64::new(0);
        let shared = Shared {
            next: zero(),
            end: AtomicU64::new(seeds),
            done: zero(),
            failures: zero(),
            elapsed_us: zero(),
            found: Mutex::default(),
        };
        let snapshot = || Snapshot {
            done: shared.done.load(Ordering::Relaxed),
            seeds,
            failures: shared.failures.load(Ordering::Relaxed),
            elapsed: Duration::from_micros(shared.elapsed_us.load(Ordering::Relaxed)),
            took: clock.took(),
        };
        let default_watch = default_watch();
        let watch: &dyn Watch = match &self.campaign.watch {
            Some(watch) => &**watch,
            None => &*default_watch,
        };
        std::thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            let jobs = self.campaign.jobs_for(seeds);
            for _ in 0..jobs {
                let (send, shared) = (send.clone(), &shared);
                scope.spawn(move || {
                    let tally = self.work(shared, listening);
                    // Nobody hangs up before all have answered.
                    send.send(tally).ok();
                });
            }
            drop(send);
            loop {
                match receive.recv_timeout(WATCH_EVERY) {
                    Ok(tally) => {
                        outcome.seeds += tally.seeds;
                        outcome.reruns += tally.reruns;
                        outcome.elapsed += tally.elapsed;
                        assertions::add(&mut outcome.assertions, tally.assertions);
                    }
                    Err(RecvTimeoutError::Timeout) => watch.progress(&snapshot()),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        watch.end(&snapshot());
        outcome.failures = shared.failures.load(Ordering::Relaxed);
        let seen = shared.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.notes.extend(seen.notes);
        self.tell(outcome, seen.failures, listening);
        if let (Some(_), Some(seed), true) = (self.campaign.break_at, self.campaign.only_seed, outcome.found.is_empty()) {
            drop(self.run(self.to_break(self.builder.clone().seed(seed)), Choice::from_seed(seed)));
        }
        outcome.divergence = seen.divergence.map(|(_, divergence)| divergence);
    }

    /// What a thread of the campaign does.
    fn work(&self, shared: &Shared, listening: &Listening) -> Tally {
        let mut tally = Tally::default();
        loop {
            let nth = shared.next.fetch_add(1, Ordering::Relaxed);
            if nth >= shared.end.load(Ordering::Relaxed) || listening.heard() {
                return tally;
            }
            let seed = self.campaign.seed(nth);
            let (run, counts) = self.run_seed(seed);
            tally.seeds += 1;
            counts.into_iter().for_each(|(name, count)| tally.assertions.entry(name).or_default().add(count));
            let rerun_every = self.campaign.rerun_every;
            let (digest, elapsed) = summary(&run);
            if rerun_every > 0 && seed.is_multiple_of(rerun_every) {
                tally.reruns += 1;
                self.rerun(shared, nth, digest);
            }
            tally.elapsed += elapsed;
            shared.elapsed_us.fetch_add(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            if let Err(failure) = run {
                self.note(shared, nth, failure);
            }
            shared.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes a failure, and writes its tape at once: what comes later may be interrupted.
    fn note(&self, shared: &Shared, nth: u64, failure: Box<Failure>) {
        shared.failures.fetch_add(1, Ordering::Relaxed);
        let site = failure.kind.site();
        let mut seen = shared.found.lock().unwrap_or_else(PoisonError::into_inner);
        let seeds = seen.failures.get(&site).map_or(0, |seen| seen.seeds) + 1;
        match seen.failures.get_mut(&site) {
            Some(seen) if seen.nth < nth => seen.seeds = seeds,
            Some(_) | None => {
                if self.campaign.keeps_regressions
                    && let Some(path) = regressions::path(&self.campaign.test, &site)
                    && let Err(error) = regressions::write(&path, &failure.tape, &failure.to_string())
                {
                    seen.notes.push(format!("{} could not be written: {error}", path.display()));
                }
                seen.failures.insert(site, FirstSeen { nth, failure, seeds });
            }
        }
        if !self.campaign.collects {
            shared.end.fetch_min(nth + 1, Ordering::Relaxed);
        }
    }

    /// Runs a seed again; if it is not the same run, looks for the place where they part.
    fn rerun(&self, shared: &Shared, nth: u64, digest: u64) {
        let seed = self.campaign.seed(nth);
        let (again, _) = self.run_seed(seed);
        let (second, _) = summary(&again);
        if second == digest {
            return;
        }
        let builder = || self.builder.clone().seed(seed).keep_events(EVENTS_MAX);
        // Two that follow each other, and two on threads that nobody has left anything on.
        let here = [(); 2].map(|()| self.run(builder(), Choice::from_seed(seed)).0);
        let apart = [(); 2].map(|()| self.run_apart(builder(), Choice::from_seed(seed)).0);
        let of = |runs: &[Run; 2]| runs.each_ref().map(|run| summary(run).0);
        let leaks = of(&apart)[0] == of(&apart)[1] && of(&here)[0] != of(&here)[1] || of(&apart) == [digest; 2];
        let parted = if of(&here)[0] == of(&here)[1] { &apart } else { &here };
        let divergence = Divergence::of(seed, [digest, second], parted.each_ref().map(events), leaks);
        let mut seen = shared.found.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.divergence.as_ref().is_none_or(|(first, _)| nth < *first) {
            seen.divergence = Some((nth, divergence));
        }
        if !self.campaign.collects {
            shared.end.fetch_min(nth + 1, Ordering::Relaxed);
        }
    }

    /// Shrinks and tells what was found, in order of the seeds.
    fn tell(&self, outcome: &mut Outcome, failures: BTreeMap<String, FirstSeen>, listening: &Listening) {
        let mut failures: Vec<(String, FirstSeen)> = failures.into_iter().collect();
        failures.sort_by_key(|(_, seen)| seen.nth);
        if !self.campaign.collects {
            failures.truncate(1);
        }
        for (site, FirstSeen { nth, failure, seeds }) in failures {
            if outcome.found.iter().any(|found| found.site == site) {
                continue;
            }
            let (seed, clock) = (self.campaign.seed(nth), StopWatch::start());
            // Who interrupts does not want to wait; what was found is on disk already.
            let shrunk = (self.campaign.shrink_runs > 0 && !listening.heard()).then(|| {
                shrink(&failure.tape, self.campaign.shrink_runs, |tape| {
                    let run = (!listening.heard()).then(|| self.run_tape(tape, false))?;
                    run.err().filter(|again| again.kind.site() == site).map(|again| again.tape)
                })
            });
            let shrink_took = clock.took();
            let tape = shrunk.as_ref().map_or(&failure.tape, |shrunk| &shrunk.tape);
            // Should the smallest tape not fail again, the run is not deterministic, and the failure stays as it was seen.
            let failure = match self.run_tape(tape.clone(), true) {
                Err(again) if again.kind.site() == site => again,
                Err(_) | Ok(_) => failure,
            };
            let path = self.campaign.keeps_regressions.then(|| regressions::path(&self.campaign.test, &site)).flatten();
            let reproduce = self.campaign.test.seed_command(seed);
            let mut found = Found { site, seed, seeds, failure, shrunk, shrink_took, tape: None, report: None, reproduce };
            if let Some(path) = path {
                self.keep(&path, &mut found, &mut outcome.notes);
            }
            self.report(&mut found, &mut outcome.notes);
            outcome.found.push(found);
        }
    }

    fn keep(&self, path: &Path, found: &mut Found, notes: &mut Vec<String>) {
        let story = format!("{}\n{}reproduce: {}\n", found.failure.kind, Story(&found.failure), found.reproduce);
        match regressions::write(path, &found.failure.tape, &story) {
            Ok(()) => found.tape = Some(path.to_path_buf()),
            Err(error) => notes.push(format!("{} could not be written: {error}", path.display())),
        }
    }
}

/// A run's digest and its virtual time.
fn summary(run: &Run) -> (u64, Duration) {
    match run {
        Ok(report) => (report.digest, report.elapsed),
        Err(failure) => (failure.digest, failure.at.since(twinsock::Instant::ZERO)),
    }
}

fn events(run: &Run) -> &str {
    match run {
        Ok(report) => &report.events,
        Err(failure) => &failure.events,
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
