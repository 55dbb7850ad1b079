//! Recorded behaviours of Linux, replayed on the kernel and in the simulator: `twinsock conform`.
//!
//! The map of the room: `format` (case files), with `op` and `value` (operations and their arguments), `parse` and `args` (reading them),
//! `names` (constants) and `outcome` (results and when they agree); `run` (the interpreter), with `plan` (names to numbers), `call` and
//! `bulk` (making a call), `answer` (writing its result) and `handles` (names of descriptors, ports, addresses); `backend` (what a world
//! must offer), `worker`, `os` and `kernel` (the kernel's side), `net` (the simulator's); `report` (what it came to);
//! `builtin` (the cases that come with the program). It uses the public face of the simulator only.

mod answer;
mod args;
mod backend;
mod builtin;
mod bulk;
mod call;
mod format;
mod handles;
mod kernel;
mod names;
mod net;
mod op;
mod os;
mod outcome;
mod parse;
mod plan;
mod report;
mod run;
mod value;
mod worker;

pub use builtin::pack;
pub use format::Malformed;
pub use report::{Counts, Report, Side};
pub use worker::WORKER_ARGUMENT;
pub use worker::main as worker_main;

use format::Case;
use run::Verdict;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What `twinsock conform` is asked to do.
#[derive(Clone, Debug)]
pub struct ConformArgs {
    /// Case files; empty: the built-in set.
    pub cases: Vec<PathBuf>,
    /// Only cases whose id or group contains this.
    pub filter: Option<String>,
    /// Only this many cases of each group, spread evenly over it, of those whose outcome on a kernel does not hang on real time: on a busy
    /// machine the others may differ for that alone.
    pub sample: Option<usize>,
    /// Where to run them.
    pub sides: Vec<Side>,
    /// How many at once; `None`: as many as there are processors.
    pub jobs: Option<usize>,
    /// Print one JSON object instead of the table.
    pub json: bool,
    /// The program that becomes a worker when it is given [`WORKER_ARGUMENT`]; `None`: the running one.
    pub worker: Option<PathBuf>,
}

impl Default for ConformArgs {
    fn default() -> ConformArgs {
        ConformArgs {
            cases: Vec::new(),
            filter: None,
            sample: None,
            sides: vec![Side::Os, Side::Sim],
            jobs: None,
            json: false,
            worker: None,
        }
    }
}

/// The exit status when a case differs.
const EXIT_DIFFERS: u8 = 1;
/// The exit status when a case file cannot be read, in whole or in part.
const EXIT_BAD_INPUT: u8 = 2;

/// Runs cases and prints what they came to: the command `twinsock conform`.
///
/// Lines that are not cases are named on standard error, and the other cases run all the same. How far it is, is told there too.
#[must_use]
pub fn main(args: &ConformArgs) -> ExitCode {
    let tell = |side: Side, done: usize, total: usize| {
        let tenth = |done: usize| done * 10 / total;
        if tenth(done) != tenth(done - 1) {
            eprintln!("{:<10} {done:>6} of {total} cases", side.name());
        }
    };
    let (report, errors) = match run_sides(args, &tell) {
        Ok(found) => found,
        Err(error) => {
            eprintln!("twinsock conform: {error}");
            return ExitCode::from(EXIT_BAD_INPUT);
        }
    };
    for error in &errors {
        eprintln!("twinsock conform: {error}");
    }
    if report.all().total() == 0 && errors.is_empty() {
        eprintln!("twinsock conform: no case is left to run, expected a --filter that is part of a case's id or group");
        return ExitCode::from(EXIT_BAD_INPUT);
    }
    if args.json {
        println!("{}", report.to_json())
    } else {
        print!("{}", report.to_table())
    }
    if !errors.is_empty() {
        ExitCode::from(EXIT_BAD_INPUT)
    } else if report.all().differ > 0 {
        ExitCode::from(EXIT_DIFFERS)
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs cases and reports what they came to, and which lines of the case files are not cases.
///
/// # Errors
/// A case file cannot be read, or no worker can be started.
pub fn conform(args: &ConformArgs) -> io::Result<(Report, Vec<Malformed>)> {
    run_sides(args, &|_, _, _| ())
}

/// Is told, whenever a case has run on a side, how many of how many have.
type Tell<'a> = &'a (dyn Fn(Side, usize, usize) + Sync);

fn run_sides(args: &ConformArgs, tell: Tell<'_>) -> io::Result<(Report, Vec<Malformed>)> {
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    if args.cases.is_empty() {
        format::read_file(builtin::NAME, &builtin::text()?, &mut cases, &mut errors);
    }
    for path in &args.cases {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(named)?;
        format::read_file(&path.display().to_string(), &text, &mut cases, &mut errors);
    }
    if let Some(filter) = &args.filter {
        cases.retain(|case| case.id.contains(filter) || case.group.contains(filter));
    }
    if let Some(per_group) = args.sample {
        cases = sample(cases, per_group);
    }
    let cases: Vec<Arc<Case>> = cases.into_iter().map(Arc::new).collect();
    let mut report = Report::default();
    for side in &args.sides {
        for (case, verdict) in cases.iter().zip(run_all(&cases, *side, args, tell)?) {
            report.add(case, *side, verdict);
        }
    }
    Ok((report, errors))
}

/// `per_group` cases of each group, spread evenly over it; none that hangs on real time.
fn sample(cases: Vec<Case>, per_group: usize) -> Vec<Case> {
    let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases.into_iter().filter(|case| !case.timed) {
        groups.entry(case.group.clone()).or_default().push(case);
    }
    let spread = |group: Vec<Case>| {
        let stride = group.len().div_ceil(per_group.max(1));
        group.into_iter().step_by(stride)
    };
    groups.into_values().flat_map(spread).collect()
}

/// Runs cases on one side; the verdicts in the order of the cases.
fn run_all(cases: &[Arc<Case>], side: Side, args: &ConformArgs, tell: Tell<'_>) -> io::Result<Vec<Verdict>> {
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
    let program = match &args.worker {
        Some(program) => program.clone(),
        None => std::env::current_exe()?,
    };
    let (taken, done, verdicts) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(vec![None; cases.len()]));
    let next = || {
        let index = taken.fetch_add(1, Ordering::Relaxed);
        cases.get(index).map(|case| (index, case))
    };
    let found = |index: usize, verdict| {
        verdicts.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(verdict);
        tell(side, done.fetch_add(1, Ordering::Relaxed) + 1, cases.len());
    };
    let job = || match side {
        Side::Os => os::run_cases(&program, || next().map(|(index, case)| (index, &**case)), found),
        Side::Sim => {
            while let Some((index, case)) = next() {
                found(index, net::run_case(index, case));
            }
            Ok(())
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the OS threads on which simulations and workers are driven; no case can see them"
    )]
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.min(cases.len())).map(|_| scope.spawn(job)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(verdicts.into_iter().map(|verdict| verdict.expect("every case was taken by a job that came to its end")).collect())
}
