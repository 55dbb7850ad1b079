//! What a failed run says: a panic in a process, or a deadlock, and the command that reproduces it.

use crate::process::leaks::Leaks;
use crate::process::scheduler::{Life, Scheduler, State, Thread, Wait};
use crate::process::{coroutine, current};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use twinsock::Instant;

/// A thread that waits.
///
/// ```
/// use twinsock::net::UdpSocket;
/// use twinsock_sim::{FailureKind, Sim};
/// let failure = Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| UdpSocket::bind(&net, "0.0.0.0:7").unwrap().recv(&mut [0]).map(drop));
/// });
/// let FailureKind::Deadlock { waiting } = failure.unwrap_err().kind else { panic!("nobody sends") };
/// assert_eq!((waiting[0].host.as_str(), waiting[0].process.as_str()), ("a", "p"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The name of its host.
    pub host: String,
    /// The name of its process.
    pub process: String,
    /// Its own name: the process's for the main thread, `parent/n` for the n-th that a thread started.
    pub thread: String,
    /// What it waits for.
    pub what: String,
    /// Since when.
    pub since: Instant,
    /// Whether its process is a daemon.
    pub daemon: bool,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waiting { host, process: _, thread, what, since, daemon } = self;
        write!(f, "host {host}, thread {thread}{}: {what}, since {since:?}", if *daemon { " (daemon)" } else { "" })
    }
}

/// Why a run failed.
///
/// ```
/// use twinsock_sim::{FailureKind, Sim};
/// let failure = Sim::builder().run(|sim| drop(sim.host("a").spawn("p", |_net| panic!("lost")))).unwrap_err();
/// assert!(matches!(failure.kind, FailureKind::Panic { message, .. } if message == "lost"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// A thread of a process panicked.
    Panic {
        /// The name of its host.
        host: String,
        /// The name of its process.
        process: String,
        /// The name of the thread.
        thread: String,
        /// The panic's message.
        message: String,
        /// File, line and column, if known.
        location: Option<String>,
    },
    /// Everybody waits and nothing is in flight.
    Deadlock {
        /// Who waits for what.
        waiting: Vec<Waiting>,
    },
    /// The code that builds the network and looks at what came of it panicked.
    Test {
        /// The panic's message.
        message: String,
        /// File, line and column, if known.
        location: Option<String>,
    },
    /// The programs made all the calls that [`Builder::calls_max`](crate::Builder::calls_max) allows.
    Endless {
        /// How many.
        calls: u64,
    },
    /// So much happened that no program took part in, and the programs all wait: timers go off for ever, say, on connections that nobody uses.
    Idle {
        /// How many events, after which [`Builder::idle_max`](crate::Builder::idle_max) ends a run.
        events: u64,
        /// Who waits for what.
        waiting: Vec<Waiting>,
    },
    /// Something is left that should not be, and [`LeakCheck::Fail`](crate::LeakCheck::Fail) was asked for.
    Leak {
        /// What is left.
        leaks: Leaks,
    },
}

impl FailureKind {
    /// What makes two failures the same one: where it panicked, what everybody waits for.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let failure = Sim::builder().run(|sim| drop(sim.host("a").spawn("p", |_net| panic!("lost")))).unwrap_err();
    /// assert!(failure.kind.site().starts_with("panic at "));
    /// ```
    #[must_use]
    pub fn site(&self) -> String {
        match self {
            FailureKind::Panic { message, location, .. } | FailureKind::Test { message, location } => {
                let place = location.as_deref().unwrap_or_else(|| message.lines().next().unwrap_or_default());
                format!("panic at {place}")
            }
            FailureKind::Idle { .. } => "no program ever goes on".to_owned(),
            FailureKind::Deadlock { waiting } => {
                // The first word of what they wait for: descriptors, ports and how many wait may differ.
                let waits = waiting
                    .iter()
                    .filter(|thread| !thread.daemon)
                    .map(|thread| thread.what.split(' ').next().unwrap_or_default());
                let waits: BTreeSet<&str> = waits.filter(|what| *what != "join").collect();
                format!("deadlock in {}", waits.into_iter().collect::<Vec<_>>().join(", "))
            }
            FailureKind::Endless { .. } => "no end".to_owned(),
            FailureKind::Leak { leaks } => format!("leak of {}", leaks.kinds()),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Panic { host, process, thread, message, location } => {
                write!(f, "host {host}, process {process}")?;
                if thread != process {
                    write!(f, ", thread {thread}")?;
                }
                write!(f, " panicked")?;
                if let Some(location) = location {
                    write!(f, " at {location}")?;
                }
                write!(f, ":\n  {}", message.replace('\n', "\n  "))
            }
            FailureKind::Deadlock { waiting } => {
                write!(f, "deadlock: everybody waits and nothing is in flight")?;
                waiting.iter().try_for_each(|thread| write!(f, "\n  {thread}"))
            }
            FailureKind::Test { message, location } => {
                write!(f, "the test panicked")?;
                if let Some(location) = location {
                    write!(f, " at {location}")?;
                }
                write!(f, ":\n  {}", message.replace('\n', "\n  "))
            }
            FailureKind::Endless { calls } => write!(
                f,
                "no end after {calls} calls: a program that never stops asking? (Builder::calls_max says how many there may be)"
            ),
            FailureKind::Idle { events, waiting } => {
                write!(f, "no program has gone on for {events} events: timers alone keep the run going")?;
                waiting.iter().try_for_each(|thread| write!(f, "\n  {thread}"))
            }
            FailureKind::Leak { leaks } => {
                write!(f, "every process has ended, and something is left:")?;
                leaks.lines(true).into_iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
        }
    }
}

/// A panic as its hook saw it.
#[derive(Clone)]
struct Seen {
    message: String,
    /// File, line and column.
    location: Option<String>,
}

impl Scheduler {
    /// Everybody who waits, for the report.
    pub fn waiting(&self) -> Vec<Waiting> {
        let mut list = Vec::new();
        for (thread, name) in self.threads.iter().zip(&self.names) {
            let process = &self.processes[thread.process.index()];
            if process.life != Life::Alive {
                continue;
            }
            let (what, since) = match thread.state {
                State::Waiting(wait, since) => (self.describe(thread, wait), since),
                State::Ready if self.world.is_paused(process.host) => {
                    ("resume of its host, which is paused".to_owned(), thread.clock())
                }
                State::Ready | State::Due | State::Running | State::Ended => continue,
            };
            list.push(Waiting {
                host: self.world.host_name(process.host).to_owned(),
                process: process.name.to_string(),
                thread: name.to_string(),
                what,
                since,
                daemon: process.daemon,
            });
        }
        list
    }

    pub(super) fn describe(&self, thread: &Thread, wait: Wait) -> String {
        match wait {
            Wait::Call => {
                let host = self.world.host(self.processes[thread.process.index()].host);
                match (&thread.op, &thread.quiet) {
                    (Some(op), _) => host.describe(op),
                    (None, Some(quiet)) => host.describe_quiet(quiet),
                    (None, None) => unreachable!("a thread that waits for a call has a parked operation"),
                }
            }
            Wait::Sleep => "sleep".to_owned(),
            Wait::Join(other) => format!("join of thread {}", self.thread_name(other)),
            Wait::Sync(name) => name.to_owned(),
        }
    }
}

thread_local! {
    /// The last two panics of simulated threads on this OS thread, the newer one last: two, since a destructor may panic while a panic
    /// unwinds.
    static PANICS: RefCell<[Option<Seen>; 2]> = const { RefCell::new([None, None]) };
    /// Whether panics outside simulated threads are kept as well.
    static KEPT: Cell<bool> = const { Cell::new(false) };
    /// Whether all that this OS thread runs is a part of what stands in a run of another one.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Runs code on an OS thread of its own; `is_within`: for a thread that [speaks within a run](speaks_within_a_run).
pub fn run_on_its_own<T>(is_within: bool, act: impl FnOnce() -> T) -> T {
    WITHIN.set(is_within);
    act()
}

/// Whether what is said here becomes a part of what a run says that stands around it.
pub fn speaks_within_a_run() -> bool {
    is_in_a_run() || WITHIN.get()
}

/// Runs code of a test. Its panic becomes a failure.
///
/// # Errors
/// It panicked.
pub fn catch<T>(body: impl FnOnce() -> T) -> Result<T, FailureKind> {
    let outer = KEPT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    KEPT.set(outer);
    result.map_err(|payload| {
        let (message, location) = take_panic(&*payload);
        FailureKind::Test { message, location }
    })
}

/// What the standard library says, as a panic of its own, right before it aborts a program that cannot unwind any further.
const NO_UNWINDING: [&str; 2] = ["panic in a destructor during cleanup", "panic in a function that cannot unwind"];

/// Installs, once per program, a panic hook that keeps a simulated thread's panic for the report instead of printing it; all other
/// panics go to the hook that was there.
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !is_in_a_run() {
                return before(info);
            }
            let message = message_of(info.payload());
            if NO_UNWINDING.contains(&message.as_str()) {
                // No report will come: what is known is said here.
                return print_before_abort();
            }
            let location = info.location().map(ToString::to_string);
            let seen = Some(Seen { message, location });
            PANICS.with_borrow_mut(|[older, newer]| *older = std::mem::replace(newer, seen));
        }));
    });
}

fn print_before_abort() {
    eprintln!(
        "twinsock: a destructor of a simulated thread panicked while the thread was unwinding, and the program aborts. The last panics:"
    );
    PANICS.with_borrow(|panics| {
        for Seen { message, location } in panics.iter().flatten() {
            eprintln!("  at {}:\n    {}", location.as_deref().unwrap_or("?"), message.replace('\n', "\n    "));
        }
    });
    if let Some(seed) = current::seed() {
        eprintln!(
            "A killed thread's calls fail with EIO: its destructors must not unwrap them.\nreproduce: {}",
            reproduce_line(seed)
        );
    }
}

/// Message and place of the panic that ended a thread with `payload`.
pub fn take_panic(payload: &(dyn Any + Send)) -> (String, Option<String>) {
    let message = message_of(payload);
    // Another message is that of an earlier panic, which the program caught.
    let [_, seen] = PANICS.take();
    let location = seen.filter(|seen| seen.message == message).and_then(|seen| seen.location);
    (message, location)
}

/// Message and place of the panic that unwinds the running thread, if one does.
pub fn pending_panic() -> Option<(String, Option<String>)> {
    PANICS.with_borrow(|[_, newer]| newer.clone()).map(|seen| (seen.message, seen.location))
}

/// Whether what the running code says of a panic goes into a failure: it is a simulated thread's, or a test's that [`catch`] runs.
fn is_in_a_run() -> bool {
    coroutine::on_carrier() || KEPT.get()
}

/// The command that runs the same thing again. Under `cargo test`, the OS thread bears the test's name.
#[expect(clippy::disallowed_methods, reason = "a failed run's report is written after the run")]
pub fn reproduce_line(seed: u64) -> String {
    let thread = std::thread::current();
    match (std::env::var("CARGO_PKG_NAME"), thread.name()) {
        (Ok(package), Some(test)) if test != "main" => {
            format!("TWINSOCK_SEED={seed} cargo test -p {package} {test} -- --exact")
        }
        _ => {
            let command: Vec<String> = std::env::args_os().map(|arg| shell_word(&arg.to_string_lossy())).collect();
            format!("TWINSOCK_SEED={seed} {}", command.join(" "))
        }
    }
}

/// `text` as one word of a shell's command line.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is no text".to_owned()
    }
}
