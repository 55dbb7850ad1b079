//! Recorded behaviours of Linux, replayed on the kernel and in the simulator: `twinsock conform`.
//!
//! The map of the room: `format` (case files), with `op` and `value` (operations and their arguments), `parse` and `args` (reading them),
//! `names` (constants) and `outcome` (results and when they agree); `run` (the interpreter), with `plan` (names to numbers), `call` and
//! `bulk` (making a call), `answer` (writing its result) and `handles` (names of descriptors, ports, addresses); `backend` (what a world
//! must offer), `worker`, `os` and `kernel` (the kernel's side), `net` (the simulator's); `report` (what it came to);
//! `record` (writing answers down), `random` (sequences drawn by chance); `builtin` (the cases that come with the program). It uses the public face of the simulator only.

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
mod random;
mod record;
mod report;
mod run;
mod value;
mod worker;

pub use builtin::pack;
pub use format::Malformed;
pub use random::{RandomReport, Twins};
pub use report::{Counts, Report, Side};
pub use worker::WORKER_ARGUMENT;
pub use worker::main as worker_main;

use format::Case;
use os::Kernel;
use run::{Manner, Verdict};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What `twinsock conform` is asked to do.
///
/// ```
/// use twinsock_sim::conform::{ConformArgs, Side};
/// let args = ConformArgs { filter: Some("listen".to_owned()), sides: vec![Side::Sim], ..ConformArgs::default() };
/// assert!(args.cases.is_empty(), "the set that is built in");
/// ```
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
    /// Print the cases with what the one side answers as what is expected, instead of comparing.
    pub record: bool,
    /// Instead of cases: so many random sequences, drawn from [`ConformArgs::seed`], on both sides.
    pub random: Option<u64>,
    /// What random sequences are drawn from.
    pub seed: u64,
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
            record: false,
            random: None,
            seed: 0,
            worker: None,
        }
    }
}

impl ConformArgs {
    /// How many cases run at once.
    fn jobs(&self) -> usize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1)
    }

    /// The program that becomes a worker.
    fn worker(&self) -> io::Result<PathBuf> {
        self.worker.clone().map_or_else(std::env::current_exe, Ok)
    }
}

/// The exit status when a case differs.
const EXIT_DIFFERS: u8 = 1;
/// The exit status when a case file cannot be read, in whole or in part.
const EXIT_BAD_INPUT: u8 = 2;

/// Runs cases and prints what they came to: the command `twinsock conform`.
///
/// Lines that are not cases are named on standard error, and the other cases run all the same. How far it is, is told there too.
///
/// ```
/// use std::process::ExitCode;
/// use twinsock_sim::conform::{ConformArgs, main};
/// let args = ConformArgs { cases: vec!["/no/such/file".into()], ..ConformArgs::default() };
/// assert_eq!(main(&args), ExitCode::from(2));
/// ```
#[must_use]
pub fn main(args: &ConformArgs) -> ExitCode {
    if args.record {
        return main_record(args);
    }
    if let Some(count) = args.random {
        return main_random(args, count);
    }
    let counters = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let tell = |side: Side, total: usize| {
        let counter = &counters[usize::from(side == Side::Sim)];
        let done = counter.fetch_add(1, Ordering::Relaxed) + 1;
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
///
/// ```
/// use twinsock_sim::conform::{ConformArgs, Side, conform};
/// # let path = std::env::temp_dir().join(format!("twinsock-doc-case-{}", std::process::id()));
/// let case = r#"{"id":"a","group":"listen","family":"inet","type":"stream","tags":[],"note":"",
///     "setup":[["socket","x","inet","stream"]],"setup_expect":[{"ok":"fd"}],"op":["listen","x",1],"expect":{"ok":0}}"#;
/// std::fs::write(&path, case.replace('\n', "")).unwrap();
/// let (report, malformed) = conform(&ConformArgs { cases: vec![path.clone()], sides: vec![Side::Sim], ..ConformArgs::default() }).unwrap();
/// assert!(report.all().agree == 1 && malformed.is_empty(), "{}", report.to_table());
/// # std::fs::remove_file(path).unwrap();
/// ```
pub fn conform(args: &ConformArgs) -> io::Result<(Report, Vec<Malformed>)> {
    run_sides(args, &|_, _| ())
}

/// Runs `count` random sequences on both sides and reports where the simulator does not answer as the kernel does.
///
/// # Errors
/// No worker can be started.
///
/// ```
/// use twinsock_sim::conform::{ConformArgs, random};
/// // The program that calls this has to be able to become a worker: see `worker_main`.
/// let report = random(&ConformArgs::default(), 0).unwrap();
/// assert!(report.sequences == 0 && report.differences.is_empty());
/// ```
pub fn random(args: &ConformArgs, count: u64) -> io::Result<RandomReport> {
    random::run(&args.worker()?, args.jobs(), count, args.seed, &|_| ())
}

/// What `twinsock conform --random` does.
fn main_random(args: &ConformArgs, count: u64) -> ExitCode {
    let tell = |done: u64| {
        if done * 20 / count != (done - 1) * 20 / count {
            eprintln!("{done:>9} of {count} sequences");
        }
    };
    match args.worker().and_then(|worker| random::run(&worker, args.jobs(), count, args.seed, &tell)) {
        Ok(report) => {
            if args.json {
                println!("{}", report.to_json())
            } else {
                print!("{}", report.to_text())
            }
            if report.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERS) }
        }
        Err(error) => {
            eprintln!("twinsock conform: {error}");
            ExitCode::from(EXIT_BAD_INPUT)
        }
    }
}

/// Records cases: what `twinsock conform --record` does.
fn main_record(args: &ConformArgs) -> ExitCode {
    let [side] = args.sides[..] else {
        eprintln!("twinsock conform: --record writes down what one world answers, expected --backend os or --backend sim");
        return ExitCode::from(EXIT_BAD_INPUT);
    };
    let recorded = read_cases(args).and_then(|(cases, errors)| record_all(&cases, side, args).map(|()| errors));
    match recorded {
        Ok(errors) => {
            errors.iter().for_each(|error| eprintln!("twinsock conform: {error}"));
            if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD_INPUT) }
        }
        Err(error) => {
            eprintln!("twinsock conform: {error}");
            ExitCode::from(EXIT_BAD_INPUT)
        }
    }
}

/// Is told, whenever a case has run on a side, of how many.
type Tell<'a> = &'a (dyn Fn(Side, usize) + Sync);

fn run_sides(args: &ConformArgs, tell: Tell<'_>) -> io::Result<(Report, Vec<Malformed>)> {
    let (cases, errors) = read_cases(args)?;
    let mut report = Report::default();
    for side in &args.sides {
        for (case, (verdict, rerun)) in cases.iter().zip(judge_all(&cases, *side, args, tell)?) {
            report.add(case, *side, verdict, rerun);
        }
    }
    Ok((report, errors))
}

/// The cases that were asked for, and the lines that are none.
fn read_cases(args: &ConformArgs) -> io::Result<(Vec<Arc<Case>>, Vec<Malformed>)> {
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    if args.cases.is_empty() {
        format::read_file(builtin::NAME, builtin::text()?.as_bytes(), &mut cases, &mut errors);
    }
    for path in &args.cases {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let bytes = std::fs::read(path).map_err(named)?;
        format::read_file(&path.display().to_string(), &bytes, &mut cases, &mut errors);
    }
    if let Some(filter) = &args.filter {
        cases.retain(|case| case.id.contains(filter) || case.group.contains(filter));
    }
    if let Some(per_group) = args.sample {
        cases = sample(cases, per_group);
    }
    Ok((cases.into_iter().map(Arc::new).collect(), errors))
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

/// A verdict, and whether it is a second one.
type Judged = (Verdict, bool);

/// Runs cases on one side; the verdicts in the order of the cases.
fn judge_all(cases: &[Arc<Case>], side: Side, args: &ConformArgs, tell: Tell<'_>) -> io::Result<Vec<Judged>> {
    for_all(cases, args, &|kernel, index, case| {
        let judged = match side {
            Side::Os => kernel.judge(case)?,
            Side::Sim => (net::run_case(index, case, Manner::default()).verdict, false),
        };
        tell(side, cases.len());
        Ok(judged)
    })
}

/// Prints the cases with what `side` answers to them as what is expected.
fn record_all(cases: &[Arc<Case>], side: Side, args: &ConformArgs) -> io::Result<()> {
    let recorded = for_all(cases, args, &|kernel, index, case| record::answers(kernel, side, (index, case), 0))?;
    for (case, answers) in cases.iter().zip(recorded) {
        match answers.map(|answers| case.line_with(&answers)) {
            Ok(Some(line)) => println!("{line}"),
            Ok(None) => eprintln!("{}: not recorded: no step was made", case.id),
            Err(why) => eprintln!("{}: not recorded: {why}", case.id),
        }
    }
    Ok(())
}

/// What is done with each case.
type Each<'a, T> = &'a (dyn Fn(&mut Kernel<'_>, usize, &Arc<Case>) -> io::Result<T> + Sync);

/// Does something with each case, several at a time; the results in the order of the cases.
fn for_all<T: Send>(cases: &[Arc<Case>], args: &ConformArgs, each: Each<'_, T>) -> io::Result<Vec<T>> {
    let (jobs, program) = (args.jobs(), args.worker()?);
    let (taken, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let job = || -> io::Result<()> {
        let mut kernel = Kernel::new(&program);
        loop {
            let index = taken.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(index) else { return Ok(()) };
            let result = each(&mut kernel, index, case)?;
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
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
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
