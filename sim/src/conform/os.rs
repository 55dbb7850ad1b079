//! The kernel side: hands cases to worker processes and gathers their verdicts.

use super::format::Case;
use super::run::{Difference, Verdict};
use super::worker::{Answered, Order, WORKER_ARGUMENT};
use serde_json::json;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// How long a case may take before its worker is taken to hang.
const CASE_LIMIT: Duration = Duration::from_secs(60);
/// How long a case that differed pauses after each step when it runs again, in milliseconds.
const SECOND_PAUSE_MS: u32 = 20;
/// How late a worker may be woken while a case runs that differed before, so that its verdict counts.
const LATE_MS_MAX: u64 = 100;
/// How often a case runs again while the machine is later than that.
const RUNS_ON_A_BUSY_MACHINE: u32 = 5;

/// Held shared by those whose cases run for the first time, and alone by who has one run again.
static MACHINE: RwLock<()> = RwLock::new(());

/// A worker process, and what it says.
struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<io::Result<String>>,
}

impl Worker {
    fn start(program: &Path) -> io::Result<Worker> {
        let mut child = Command::new(program).arg(WORKER_ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err(io::Error::other("a worker has no pipes")) };
        let (sender, lines) = mpsc::channel();
        #[expect(clippy::disallowed_methods, reason = "the kernel side runs in real time, on real threads")]
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Worker { child, input, lines })
    }

    /// Has the worker run a case.
    fn run(&mut self, case: &Case, order: Order) -> Result<Answered, String> {
        writeln!(self.input, "{}", order.line(case)).map_err(|error| format!("the worker takes no case: {error}"))?;
        match self.lines.recv_timeout(CASE_LIMIT) {
            Ok(Ok(line)) => Answered::read(&line).ok_or_else(|| format!("the worker answered {line}")),
            Ok(Err(error)) => Err(format!("the worker cannot be heard: {error}")),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("the worker did not answer within {CASE_LIMIT:?}")),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("the worker died".to_owned()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; a worker is of no use to anybody else, whatever it still waits for.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The kernel's side: a worker process that is there when a case comes.
pub struct Kernel<'a> {
    program: &'a Path,
    worker: Option<Worker>,
}

impl<'a> Kernel<'a> {
    /// The side whose workers are this program.
    pub(crate) fn new(program: &'a Path) -> Kernel<'a> {
        Kernel { program, worker: None }
    }

    /// Has a case run in the worker that is there, or in a new one; leaves one that can go on.
    ///
    /// # Errors
    /// No worker can be started.
    pub(crate) fn run(&mut self, case: &Case, order: Order) -> io::Result<Answered> {
        let mut current = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.program)?,
        };
        match current.run(case, order) {
            Ok(answered) => {
                self.worker = (!answered.spoilt).then_some(current);
                Ok(answered)
            }
            Err(fault) => {
                let verdict = Verdict::Differ(Difference::fault(case, &fault));
                Ok(Answered { verdict, answers: Vec::new(), late_ms: 0, spoilt: true })
            }
        }
    }

    /// Has a case judged, and judged again, alone and with pauses, if it differs: what the kernel hands to its own threads under load, such
    /// as an ICMP error on the loopback interface, is then there when it is asked for. The second verdict counts, unless the machine was so
    /// busy meanwhile that the worker itself was woken late; then there is a third, and so on. Also whether there was more than one.
    ///
    /// # Errors
    /// No worker can be started.
    pub(crate) fn judge(&mut self, case: &Case) -> io::Result<(Verdict, bool)> {
        let first = {
            let _others = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
            self.run(case, Order::default())?.verdict
        };
        if !matches!(first, Verdict::Differ(_)) {
            return Ok((first, false));
        }
        let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        let mut runs = 0;
        loop {
            let again = self.run(case, Order { pause_ms: SECOND_PAUSE_MS, ..Order::default() })?;
            runs += 1;
            let differs = matches!(again.verdict, Verdict::Differ(_));
            if !differs || again.late_ms <= LATE_MS_MAX || runs >= RUNS_ON_A_BUSY_MACHINE {
                return Ok((again.verdict, true));
            }
        }
    }
}

impl Difference {
    /// The case broke down, for this reason.
    pub(crate) fn fault(case: &Case, why: &str) -> Difference {
        let step = case.steps.len() - 1;
        let expected = case.expect[step].as_ref().map_or(json!(null), super::outcome::Outcome::to_json);
        Difference { step, expected, got: json!({"fault": why}) }
    }
}
