//! How it is measured: a warm-up that finds out how much fits into a round, then rounds in which the two sides take turns.

use super::cases::{Case, Unit};
use std::fmt;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;
use twinsock::{Clock, Os};
use twinsock_sim::workload::{Done, memory};

/// How many of the kernel's connections are looked at: two descriptors each.
const KERNEL_CONNECTIONS_MAX: u64 = 5_000;

/// How much is done for a figure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, at most.
    pub rounds: u32,
    /// How long one is to take.
    pub round: Duration,
    /// How many connections and processes lie idle.
    pub idle: u32,
}

/// One side of a row.
pub struct Side {
    pub name: &'static str,
    way: Way,
    /// How much is done in a round at least.
    least: u64,
    /// How many descriptors it needs.
    descriptors: u64,
}

enum Way {
    /// So much, at most, takes time.
    Timed { most: u64, run: Box<dyn Fn(u64) -> Done> },
    /// So many idle things take memory, of a process of its own.
    Memory(fn(u32) -> Memory),
}

impl Side {
    pub fn timed(name: &'static str, most: u64, run: impl Fn(u64) -> Done + 'static) -> Side {
        Side { name, way: Way::Timed { most, run: Box::new(run) }, least: 1, descriptors: 0 }
    }

    pub fn memory(name: &'static str, what: fn(u32) -> Memory) -> Side {
        Side { name, way: Way::Memory(what), least: 1, descriptors: 0 }
    }

    pub fn at_least(self, least: u64) -> Side {
        Side { least, ..self }
    }

    pub fn descriptors(self, descriptors: u64) -> Side {
        Side { descriptors, ..self }
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A row of the table, measured.
#[derive(Debug)]
pub struct Row {
    pub case: Case,
    pub ours: Option<Figures>,
    pub beside: Option<Figures>,
}

impl Row {
    pub fn has_failed(&self) -> bool {
        [&self.ours, &self.beside].into_iter().flatten().any(|figures| matches!(figures.values, Values::Failed(_)))
    }

    /// How many times as good ours is as the other.
    pub fn ratio(&self) -> Option<f64> {
        let (ours, beside) = (self.ours.as_ref()?.median()?, self.beside.as_ref()?.median()?);
        Some(if self.case.unit.is_rate() { ours / beside } else { beside / ours })
    }
}

/// What one side came to.
#[derive(Debug)]
pub struct Figures {
    pub name: &'static str,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// In order of their size, at least one.
    Measured(Vec<f64>),
    /// Why it cannot be measured here.
    NotHere(String),
    /// Why it did not come to its end.
    Failed(String),
}

impl Figures {
    /// What was measured, in order of size, or why nothing was.
    pub fn values(&self) -> Result<&[f64], &str> {
        match &self.values {
            Values::Measured(values) => Ok(values),
            Values::NotHere(why) | Values::Failed(why) => Err(why),
        }
    }

    pub fn median(&self) -> Option<f64> {
        let values = self.values().ok()?;
        let half = values.len() / 2;
        Some(if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) })
    }
}

/// Measures a row.
pub fn row(case: Case, effort: Effort) -> Row {
    let mut ours = case.ours.as_ref().map(|side| Measured::start(side, case.unit, effort));
    let mut beside = case.beside.as_ref().map(|side| Measured::start(side, case.unit, effort));
    for _ in 0..effort.rounds {
        for measured in [&mut ours, &mut beside].into_iter().flatten() {
            measured.round();
        }
    }
    let (ours, beside) = (ours.map(Measured::end), beside.map(Measured::end));
    Row { case, ours, beside }
}

/// A side between two rounds.
struct Measured<'a> {
    side: &'a Side,
    unit: Unit,
    size: u64,
    rounds_left: u32,
    values: Result<Vec<f64>, Values>,
}

impl Measured<'_> {
    /// Warms up, and finds out how much fits into a round.
    fn start(side: &Side, unit: Unit, effort: Effort) -> Measured<'_> {
        let mut measured = Measured { side, unit, size: 0, rounds_left: effort.rounds, values: Ok(Vec::new()) };
        match &side.way {
            Way::Memory(what) => {
                measured.rounds_left = 0;
                measured.values = memory_of_a_process(what(effort.idle)).map(|bytes| vec![bytes]);
            }
            Way::Timed { .. } if side.descriptors > descriptors_allowed() => {
                measured.values = Err(Values::NotHere(format!("needs ulimit -n {}", side.descriptors)));
            }
            Way::Timed { most, run } => match caught(|| size_of_a_round(run, side.least..=*most, effort.round)) {
                Ok((size, taken)) => {
                    measured.size = size;
                    // Where the least that makes sense takes long, there are fewer rounds.
                    let budget = effort.round * effort.rounds * 2;
                    let fitting = (budget.as_secs_f64() / taken.as_secs_f64().max(1e-9)).min(f64::from(effort.rounds));
                    measured.rounds_left =
                        (1..=effort.rounds).take_while(|&rounds| f64::from(rounds) <= fitting).last().unwrap_or(1);
                }
                Err(why) => measured.values = Err(Values::Failed(why)),
            },
        }
        measured
    }

    fn round(&mut self) {
        let (Ok(values), Way::Timed { run, .. }) = (&mut self.values, &self.side.way) else { return };
        if self.rounds_left == 0 {
            return;
        }
        self.rounds_left -= 1;
        match caught(|| run(self.size)) {
            Ok(done) => values.push(self.unit.of(done)),
            Err(why) => self.values = Err(Values::Failed(why)),
        }
    }

    fn end(self) -> Figures {
        let values = match self.values {
            Ok(mut values) => {
                values.sort_by(f64::total_cmp);
                Values::Measured(values)
            }
            Err(values) => values,
        };
        Figures { name: self.side.name, values }
    }
}

/// How much takes about as long as a round is to take, and how long it took.
fn size_of_a_round(run: &dyn Fn(u64) -> Done, sizes: RangeInclusive<u64>, round: Duration) -> (u64, Duration) {
    let (mut size, most) = sizes.into_inner();
    loop {
        let start = Os.now();
        let count = run(size).taken.as_secs_f64().max(1e-9);
        let taken = Os.now() - start;
        // What the exchange itself takes decides on the size, as the rest does not grow with it; but it is the whole that has to fit.
        let more = (round.as_secs_f64() / count).min(round.as_secs_f64() / taken.as_secs_f64().max(1e-9) * 4.0).min(32.0);
        if size >= most || more < 1.5 {
            return (size, taken);
        }
        size = scaled(size, more).clamp(size + 1, most);
    }
}

/// `size` times `factor`, which is below 33.
fn scaled(size: u64, factor: f64) -> u64 {
    let hundredths = (0_u64..3_300).find(|&hundredths| hundredths as f64 >= factor * 100.0).unwrap_or(3_300);
    size.saturating_mul(hundredths) / 100
}

/// What a panic said, if there was one.
fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let said = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
        said.unwrap_or("it panicked").to_owned()
    })
}

/// How many descriptors this program may have, `getrlimit(2)`.
fn descriptors_allowed() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(u64::MAX)
}

/// What lies idle in a process of its own, and how many.
#[derive(Clone, Copy, Debug)]
pub enum Memory {
    Connections(u32),
    Processes(u32),
    KernelConnections(u32),
}

impl Memory {
    pub fn connections(idle: u32) -> Memory {
        Memory::Connections(idle)
    }

    pub fn processes(idle: u32) -> Memory {
        Memory::Processes(idle)
    }

    pub fn kernel_connections(idle: u32) -> Memory {
        let most = KERNEL_CONNECTIONS_MAX.min(descriptors_allowed().saturating_sub(64) / 2);
        Memory::KernelConnections(idle.min(u32::try_from(most).unwrap_or(u32::MAX)).max(1))
    }

    /// Bytes for each, in this process.
    pub fn bytes(self) -> u64 {
        match self {
            Memory::Connections(count) => memory::idle_connections(count),
            Memory::Processes(count) => memory::idle_processes(count),
            Memory::KernelConnections(count) => {
                memory::idle_kernel_connections(&Os, count).expect("there are descriptors and ports for them")
            }
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Connections(count) => write!(f, "connections:{count}"),
            Memory::Processes(count) => write!(f, "processes:{count}"),
            Memory::KernelConnections(count) => write!(f, "kernel-connections:{count}"),
        }
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Memory, String> {
        let (what, count) = text.split_once(':').ok_or("expected WHAT:N")?;
        let count = count.parse().map_err(|error| format!("{count:?}: {error}"))?;
        match what {
            "connections" => Ok(Memory::Connections(count)),
            "processes" => Ok(Memory::Processes(count)),
            "kernel-connections" => Ok(Memory::KernelConnections(count)),
            other => Err(format!("nothing that lies idle is called {other:?}")),
        }
    }
}

/// Bytes for each, as this program run again tells: what earlier workloads gave back to the allocator would be found again, and count for nothing.
fn memory_of_a_process(memory: Memory) -> Result<f64, Values> {
    let program = std::env::current_exe().map_err(|error| Values::Failed(format!("the program's own path: {error}")))?;
    let output = Command::new(program).args(["bench", "--memory", &memory.to_string()]).env_remove("RUST_BACKTRACE").output();
    let output = output.map_err(|error| Values::Failed(format!("the program run again: {error}")))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    out.trim().parse().map_err(|_| {
        let why = err.lines().find(|line| !line.is_empty() && !line.contains("panicked at")).unwrap_or("it said nothing");
        Values::Failed(why.to_owned())
    })
}
