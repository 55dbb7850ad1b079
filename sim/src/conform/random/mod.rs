//! Random sequences of calls, made in both worlds and compared step by step: `twinsock conform --random N --seed S`.
//!
//! `dice` is chance, `scene` what a sequence has opened, `draw` its steps, `options` the options; `shrink` makes a difference short.
//! A sequence is a case of which nothing is expected: the kernel's answers become what the simulator must answer.

mod dice;
mod draw;
mod options;
mod scene;
mod shrink;

use super::format::Case;
use super::net;
use super::os::Kernel;
use super::record;
use super::report::Side;
use super::run::{Difference, Manner, Verdict};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the kernel pauses after each step when a difference is looked at for the last time, in milliseconds.
const PAUSE_MS: u32 = 60;

/// What the random run came to.
///
/// ```
/// use twinsock_sim::conform::RandomReport;
/// let report = RandomReport { sequences: 100, calls: 2500, ..RandomReport::default() };
/// assert!(report.to_text().starts_with("100 sequences, 2500 calls in each world, 0 differences"));
/// ```
#[derive(Clone, Default, Debug)]
pub struct RandomReport {
    /// Sequences run.
    pub sequences: u64,
    /// Calls made, in each of the worlds.
    pub calls: u64,
    /// Sequences to which the kernel itself answered now this, now that; what it can answer, the simulator did.
    pub unsteady: u64,
    /// The differences: each the line of a case file, with the kernel's answers, that `--cases` replays, and what the simulator answered.
    pub differences: Vec<(String, Value)>,
}

impl RandomReport {
    /// As one JSON object.
    ///
    /// ```
    /// use twinsock_sim::conform::RandomReport;
    /// let report = RandomReport { sequences: 100, ..RandomReport::default() };
    /// assert_eq!(report.to_json()["sequences"], 100);
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let differences: Vec<Value> = self
            .differences
            .iter()
            .map(|(line, got)| json!({"case": serde_json::from_str::<Value>(line).unwrap_or_default(), "got": got}))
            .collect();
        json!({"sequences": self.sequences, "calls": self.calls, "unsteady": self.unsteady, "differences": differences})
    }

    /// As text; the cases of the differences are lines of their own.
    ///
    /// ```
    /// use twinsock_sim::conform::RandomReport;
    /// let report = RandomReport { unsteady: 3, ..RandomReport::default() };
    /// assert!(report.to_text().contains("3 sequences had more than one answer"));
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        let RandomReport { sequences, calls, unsteady, differences } = self;
        let mut text = format!(
            "{sequences} sequences, {calls} calls in each world, {} differences ({unsteady} sequences had more than one answer on the kernel)\n",
            differences.len()
        );
        for (line, got) in differences {
            writeln!(text, "\nthe simulator answered {got} where the kernel did as this case says:\n{line}")
                .expect("a String takes all text");
        }
        text
    }
}

/// Runs `count` sequences drawn from `seed` in both worlds; `tell` is told how many have run.
///
/// # Errors
/// No worker can be started.
pub fn run(program: &Path, jobs: usize, count: u64, seed: u64, tell: &(dyn Fn(u64) + Sync)) -> io::Result<RandomReport> {
    let (taken, report) = (AtomicU64::new(0), Mutex::new(RandomReport::default()));
    let job = || -> io::Result<()> {
        let mut kernel = Kernel::new(program);
        loop {
            let number = taken.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let compared = compare(&mut kernel, draw::line(seed, number))?;
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            report.sequences += 1;
            report.calls += compared.calls;
            report.unsteady += u64::from(compared.unsteady);
            report.differences.extend(compared.difference);
            tell(report.sequences);
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the OS threads on which simulations and workers are driven; no sequence can see them"
    )]
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(job)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.differences.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(report)
}

/// Sequences that somebody else chooses, a fuzzer, made in both worlds one after the other.
///
/// ```
/// use twinsock_sim::conform::Twins;
/// let program = std::env::current_exe().unwrap();
/// let twins = Twins::new(&program);
/// # drop(twins);
/// ```
pub struct Twins<'a>(Kernel<'a>);

impl<'a> Twins<'a> {
    /// With workers that are this program: see [`WORKER_ARGUMENT`](super::WORKER_ARGUMENT).
    ///
    /// ```
    /// use twinsock_sim::conform::Twins;
    /// let program = std::env::current_exe().unwrap();
    /// let twins = Twins::new(&program);
    /// # drop(twins);
    /// ```
    #[must_use]
    pub fn new(worker: &'a Path) -> Twins<'a> {
        Twins(Kernel::new(worker))
    }

    /// Makes the calls that these bytes choose in both worlds.
    ///
    /// # Errors
    /// No worker can be started.
    ///
    /// ```
    /// use twinsock_sim::conform::Twins;
    /// /// What a fuzzer does with its input.
    /// fn differential(twins: &mut Twins<'_>, input: &[u8]) {
    ///     let report = twins.compare(input).unwrap();
    ///     assert!(report.differences.is_empty(), "{}", report.to_text());
    /// }
    /// # let _: fn(&mut Twins<'_>, &[u8]) = differential;
    /// ```
    pub fn compare(&mut self, bytes: &[u8]) -> io::Result<RandomReport> {
        let Compared { calls, unsteady, difference } = compare(&mut self.0, draw::line_from_bytes(bytes))?;
        // No call of such a sequence waits: one that did not come back in time was made on a machine with no time for it.
        let was_too_busy = difference.as_ref().is_some_and(|(line, _)| blocks(line));
        let differences = difference.filter(|_| !was_too_busy).into_iter().collect();
        Ok(RandomReport { sequences: 1, calls, unsteady: u64::from(unsteady || was_too_busy), differences })
    }
}

impl fmt::Debug for Twins<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twins").finish_non_exhaustive()
    }
}

/// Whether a sequence ends with a call that is taken to block on the kernel.
fn blocks(line: &str) -> bool {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    value["expect"].get("blocks").is_some()
}

/// What became of one sequence.
struct Compared {
    calls: u64,
    unsteady: bool,
    difference: Option<(String, Value)>,
}

fn compare(kernel: &mut Kernel<'_>, line: String) -> io::Result<Compared> {
    let sequence = read(&line);
    let (recorded, differs) = differ(kernel, &sequence, 0)?;
    let calls = u64::try_from(recorded).expect("usize is at most 64 bits");
    let Some(first) = differs else { return Ok(Compared { calls, unsteady: false, difference: None }) };
    if !is_steady(kernel, &sequence, &first)? {
        return Ok(Compared { calls, unsteady: true, difference: None });
    }
    let (line, difference) = shrink::shrink(kernel, &line, first)?;
    Ok(Compared { calls, unsteady: false, difference: Some((line, difference.got)) })
}

/// A sequence's line as a case.
fn read(line: &str) -> Arc<Case> {
    Arc::new(Case::read(line).expect("what is drawn is a case"))
}

/// A difference: the case with the kernel's answers, and the first step of it that the simulator answers otherwise.
struct Found {
    line: String,
    at: Difference,
}

/// How many steps the kernel answered, and where the simulator does not answer the same.
fn differ(kernel: &mut Kernel<'_>, sequence: &Arc<Case>, pause_ms: u32) -> io::Result<(usize, Option<Found>)> {
    let answers = record::answers(kernel, Side::Os, (0, sequence), pause_ms)?;
    let mut answers = match answers {
        Ok(answers) => answers,
        Err(why) => vec![json!({"fault": why})],
    };
    // What refers to something that is not there is no call, and ends the sequence.
    if let Some(fault) = answers.iter().position(|answer| answer.get("fault").is_some()) {
        answers.truncate(fault);
    }
    let Some(line) = sequence.line_with(&answers) else { return Ok((0, None)) };
    let case = read(&line);
    let found = match net::run_case(0, &case, Manner::default()).verdict {
        // The case ends with the step that differs.
        Verdict::Differ(at) => sequence.line_with(&answers[..=at.step]).map(|line| Found { line, at }),
        Verdict::Agree | Verdict::Skipped(_) => None,
    };
    Ok((answers.len(), found))
}

/// What an act comes to, and how long it took, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the kernel side runs in real time")]
fn timed<T>(act: impl FnOnce() -> T) -> (T, u128) {
    let begun = Instant::now();
    let result = act();
    (result, begun.elapsed().as_millis())
}

/// How long a sequence may take on the kernel so that its answers count, in milliseconds: on a slower machine a delayed ACK (`TCP_DELACK_MIN`, 40
/// ms) goes out between two calls.
const TAKES_MS_MAX: u128 = 20;
/// A tick of the kernel's timers at HZ=250. What is due at the next one (the ACK of a FIN that nothing came before) is so at any moment between two
/// calls on the kernel, never in the simulator, where calls take no time.
const TICK: Duration = Duration::from_millis(4);

/// Whether the simulator does not answer the same as the kernel when its calls are a tick apart, the kernel answers the same again at once, in time, and
/// the simulator also differs at that step from what it answers with time between the steps: what the kernel leaves to its own threads under load, such
/// as an ICMP error on loopback, comes late now and then, and what local sockets hold that nobody can reach any more is freed when a local socket of
/// anybody's is.
fn is_steady(kernel: &mut Kernel<'_>, sequence: &Arc<Case>, first: &Found) -> io::Result<bool> {
    let ticking = net::run_case(0, &read(&first.line), Manner { pause: TICK, record: true });
    if ticking.answers.get(first.at.step).is_some_and(|answer| answer.to_json() == first.at.expected) {
        return Ok(false);
    }
    let (compared, took_ms) = timed(|| differ(kernel, sequence, 0));
    let (_, second) = compared?;
    if took_ms > TAKES_MS_MAX {
        return Ok(false);
    }
    if second.is_none_or(|second| second.at != first.at) {
        return Ok(false);
    }
    Ok(differ(kernel, sequence, PAUSE_MS)?.1.is_some_and(|third| third.at.step == first.at.step))
}
