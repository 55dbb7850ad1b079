//! A campaign in its course: the tapes of earlier failures, then the seeds on every thread, and what is told of what was found.

use super::{Campaign, EVENTS_SHOWN, StopWatch, WATCH_EVERY};
use crate::choice::shrink::shrink;
use crate::choice::{Choice, Tape};
use crate::explore::assertions;
use crate::explore::divergence::{Divergence, EVENTS_MAX};
use crate::explore::interrupt::Listening;
use crate::explore::progress::{Snapshot, Watch, default_watch};
use crate::explore::regressions;
use crate::explore::report::{Found, Outcome, Story};
use crate::sim::{Builder, Failure, Listener, Report, Sim};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A campaign in its course.
pub(in crate::explore) struct Runner<'a, F> {
    pub(in crate::explore) campaign: &'a Campaign,
    pub(in crate::explore) builder: Builder,
    pub(super) body: &'a F,
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
    pub(in crate::explore) fn run(&self, builder: Builder, choice: Choice) -> (Run, BTreeMap<&'static str, assertions::Count>) {
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
            let listener = Listener::here();
            let thread = scope.spawn(move || listener.hear(|| self.run_here(builder, choice)));
            thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        })
    }

    /// How many calls a run makes, as a guess from the boring one: always the same, in every shard and in a fresh process. Others may be several times as long.
    pub(super) fn calls_expected(&self) -> u64 {
        let (run, _) = Listener::nobody().hear(|| self.run(self.builder.clone(), Choice::boring()));
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
        let builder = if told {
            self.to_break(builder.keep_story(true).keep_events_of_each_host(EVENTS_SHOWN).record(reports))
        } else {
            builder
        };
        self.run(builder, Choice::from_tape(tape)).0
    }

    /// For a run at which a debugger may stop.
    fn to_break(&self, builder: Builder) -> Builder {
        self.campaign.break_at.map_or(builder.clone(), |step| builder.break_at(step))
    }

    /// The tape that was asked for, or those of earlier failures.
    pub(super) fn try_tapes(&self, outcome: &mut Outcome) {
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
                            self.report(&mut found);
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
            report: Vec::new(),
            not_written: Vec::new(),
            reproduce,
        }
    }

    /// The seeds of this shard, on all cores.
    #[expect(clippy::disallowed_methods, reason = "the OS threads that carry the runs; nothing in a run depends on them")]
    pub(super) fn try_seeds(&self, outcome: &mut Outcome, listening: &Listening, clock: &StopWatch) {
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
            // Of many runs, only the one that is told is worth listening to.
            let listener = if self.campaign.only_seed.is_some() { Listener::here() } else { Listener::nobody() };
            for _ in 0..jobs {
                let (send, shared, listener) = (send.clone(), &shared, listener.clone());
                scope.spawn(move || {
                    let tally = listener.hear(|| self.work(shared, listening));
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
        let (again, _) = Listener::nobody().hear(|| self.run_seed(seed));
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
                    let run = (!listening.heard()).then(|| Listener::nobody().hear(|| self.run_tape(tape, false)))?;
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
            let mut found = Found {
                site,
                seed,
                seeds,
                failure,
                shrunk,
                shrink_took,
                tape: None,
                report: Vec::new(),
                not_written: Vec::new(),
                reproduce,
            };
            if let Some(path) = path {
                self.keep(&path, &mut found);
            }
            self.report(&mut found);
            outcome.found.push(found);
        }
    }

    fn keep(&self, path: &Path, found: &mut Found) {
        let story = format!("{}\n{}reproduce: {}\n", found.failure.kind, Story(&found.failure), found.reproduce);
        match regressions::write(path, &found.failure.tape, &story) {
            Ok(()) => found.tape = Some(path.to_path_buf()),
            Err(error) => found.not_written.push(format!("{} cannot be written: {error}", path.display())),
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
