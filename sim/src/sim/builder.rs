//! How a simulation is set up, and its run from beginning to end.

use super::{Failure, Listener, Report, Sim, Summary, step_from_environment};
use crate::choice::{Choice, ForeignTape, Origin, Tape};
use crate::process::current::Shared;
use crate::process::driver;
use crate::process::failure::{self, catch, install_panic_hook};
use crate::process::leaks::{LEAK_GRACE, LeakCheck};
use crate::process::scheduler::Scheduler;
use crate::process::turns::{CALLS_EXPECTED, Interleaving, Turns};
use crate::process::watchdog::Pulse;
use crate::process::{memory, overflow};
use crate::trace::{EVENTS_MAX, Trace};
use crate::world::World;
use std::rc::Rc;
use std::time::Duration;

/// What a system call costs of virtual time, unless [`Builder::call_cost`] says otherwise.
///
/// ```
/// use twinsock::Clock;
/// use twinsock_sim::{Sim, sim::CALL_COST};
/// let run = Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let before = net.now();
///         assert_eq!(net.now().since(before), CALL_COST);
///     });
/// });
/// run.unwrap();
/// ```
pub const CALL_COST: Duration = Duration::from_micros(1);
/// How large a thread's stack is, unless [`Builder::stack_bytes`] says otherwise.
///
/// ```
/// use twinsock_sim::{Sim, sim::STACK_BYTES};
/// let builder = Sim::builder().stack_bytes(4 * STACK_BYTES);
/// # assert!(builder.run(|_sim| {}).is_ok());
/// ```
pub const STACK_BYTES: usize = 128 << 10;
/// How long a thread may hold its OS thread, in real time, unless [`Builder::watchdog`] says otherwise.
///
/// ```
/// use twinsock_sim::{Sim, sim::WATCHDOG};
/// // A slow machine.
/// let builder = Sim::builder().watchdog(Some(4 * WATCHDOG));
/// # assert!(builder.run(|_sim| {}).is_ok());
/// ```
pub const WATCHDOG: Duration = Duration::from_secs(5);
/// After how many calls a run is taken for one that never ends, unless [`Builder::calls_max`] says otherwise: some ten seconds of real time of a program
/// that spins, some minutes in a debug build.
///
/// ```
/// use twinsock_sim::{Sim, sim::CALLS_MAX};
/// // A long run.
/// let builder = Sim::builder().calls_max(10 * CALLS_MAX);
/// # assert!(builder.run(|_sim| {}).is_ok());
/// ```
pub const CALLS_MAX: u64 = 100_000_000;
/// After how many events without a turn of any thread a run is taken for one that never ends, unless [`Builder::idle_max`] says otherwise.
///
/// ```
/// use twinsock_sim::{Sim, sim::IDLE_MAX};
/// // Found out earlier.
/// let builder = Sim::builder().idle_max(IDLE_MAX / 100);
/// # assert!(builder.run(|_sim| {}).is_ok());
/// ```
pub const IDLE_MAX: u64 = 100_000_000;
/// How many of the last events of each host a failure report shows.
const REPORT_EVENTS: usize = 20;
/// Among how many of the last events of the run these are looked for.
const REPORT_EVENTS_AMONG: usize = 128;
/// How many times as many events are kept as are shown of each host, where a run is told.
const HOSTS_WITH_EVENTS: usize = 200;

/// How a simulation is set up. [`Sim::builder`] makes one.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::Sim;
/// let builder = Sim::builder().seed(7).record(true).watchdog(Some(Duration::from_secs(60)));
/// assert!(builder.run(|_sim| {}).unwrap().recording.is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    seed: Option<u64>,
    tape: Option<Tape>,
    test: String,
    interleaving: Interleaving,
    calls_expected: u64,
    calls_max: u64,
    idle_max: u64,
    keeps_events: Option<usize>,
    /// How many of them a failure shows of each host; all, if it is not said.
    shows_of_each_host: Option<usize>,
    keeps_story: bool,
    /// How many events are to be recorded, at least, if any are.
    records: Option<usize>,
    catches_panics: bool,
    call_cost: Duration,
    stack_bytes: usize,
    watchdog: Option<Duration>,
    leaks: LeakCheck,
    leak_grace: Duration,
    break_at: Option<u64>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            seed: None,
            tape: None,
            test: String::new(),
            interleaving: Interleaving::default(),
            calls_expected: CALLS_EXPECTED,
            calls_max: CALLS_MAX,
            idle_max: IDLE_MAX,
            keeps_events: None,
            shows_of_each_host: Some(REPORT_EVENTS),
            keeps_story: false,
            records: None,
            catches_panics: false,
            call_cost: CALL_COST,
            stack_bytes: STACK_BYTES,
            watchdog: Some(WATCHDOG),
            leaks: LeakCheck::Off,
            leak_grace: LEAK_GRACE,
            break_at: None,
        }
    }
}

impl Builder {
    /// The seed that decides every choice of the run; 0 if none is given. `TWINSOCK_SEED` in the environment overrides it, so that the
    /// line a failure prints reproduces the failure. It is a decimal number.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// assert_eq!(Sim::builder().seed(42).run(|sim| sim.seed()).unwrap().seed, 42);
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// What runs: the name that goes onto the tape, so that the tape is not replayed by another test.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().test("my test").run(|_sim| {}).unwrap();
    /// assert_eq!(report.tape.origin.test, "my test");
    /// ```
    #[must_use]
    pub fn test(mut self, name: &str) -> Builder {
        name.clone_into(&mut self.test);
        self
    }

    /// Replays a tape: its choices are made, whatever the seed, and where it has come to its end, the boring ones.
    ///
    /// # Errors
    /// The tape is of another version of this crate, or of another test than [`Builder::test`] named before.
    ///
    /// ```
    /// use twinsock_sim::{Sim, choice::{Origin, Tape}};
    /// let recorded = Sim::builder().seed(7).test("coin").run(|sim| sim.swarm("coin", 0..=1)).unwrap();
    /// let replayed = Sim::builder().test("coin").tape(recorded.tape.clone()).unwrap().run(|sim| sim.swarm("coin", 0..=1)).unwrap();
    /// assert_eq!(replayed.value, recorded.value);
    /// let refused = Sim::builder().test("dice").tape(recorded.tape).unwrap_err();
    /// assert!(refused.to_string().contains("test `coin` (seed 7)"));
    /// ```
    pub fn tape(mut self, tape: Tape) -> Result<Builder, ForeignTape> {
        tape.origin.check(&self.origin(0))?;
        self.seed = Some(tape.origin.seed);
        self.tape = Some(tape);
        Ok(self)
    }

    fn origin(&self, seed: u64) -> Origin {
        Origin { version: env!("CARGO_PKG_VERSION").to_owned(), test: self.test.clone(), seed }
    }

    /// How it is decided who goes next; [`Interleaving::Random`] by default.
    ///
    /// ```
    /// use twinsock_sim::{Interleaving, Sim};
    /// let run = Sim::builder().interleaving(Interleaving::Pct { preemptions: 2 }).run(|_sim| {});
    /// assert!(run.is_ok());
    /// ```
    #[must_use]
    pub fn interleaving(mut self, interleaving: Interleaving) -> Builder {
        self.interleaving = interleaving;
        self
    }

    /// How many calls all threads together are expected to make, so that preemptions fall among them; 65536 by default. A campaign finds out by itself.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// assert!(Sim::builder().calls_expected(1000).run(|_sim| {}).is_ok());
    /// ```
    #[must_use]
    pub fn calls_expected(mut self, calls: u64) -> Builder {
        self.calls_expected = calls;
        self
    }

    /// After how many calls of all threads together a run is taken for one that never ends, and fails; [`CALLS_MAX`] by default, `u64::MAX` for never.
    ///
    /// ```
    /// use twinsock::Clock;
    /// use twinsock_sim::{FailureKind, Sim};
    /// let failure = Sim::builder().calls_max(100).run(|sim| {
    ///     sim.host("a").spawn("p", |net| -> () { loop { net.now(); } });
    /// });
    /// assert!(matches!(failure.unwrap_err().kind, FailureKind::Endless { .. }));
    /// ```
    #[must_use]
    pub fn calls_max(mut self, calls: u64) -> Builder {
        self.calls_max = calls;
        self
    }

    /// After how many events (timers of kernels, packets, misfortunes) without a turn of any thread a run is taken for one that never ends, and fails; [`IDLE_MAX`]
    /// by default. Where everybody waits for ever and nothing happens at all, the run fails at once, as a deadlock.
    ///
    /// ```
    /// use std::io::Read;
    /// use twinsock::net::{TcpListener, TcpStream};
    /// use twinsock::{SocketApi, option};
    /// use twinsock_sim::{FailureKind, Net, Sim};
    /// let wait = |stream: TcpStream<Net>, net: Net| {
    ///     net.set_option(stream.owned(), option::SO_KEEPALIVE, true).unwrap();
    ///     (&stream).read(&mut [0]).map(drop)
    /// };
    /// let failure = Sim::builder().idle_max(100).run(|sim| {
    ///     sim.host("a").spawn("server", move |net| wait(TcpListener::bind(&net, "10.0.0.1:80").unwrap().accept().unwrap().0, net));
    ///     sim.run_for(std::time::Duration::from_secs(1));
    ///     sim.host("b").spawn("client", move |net| wait(TcpStream::connect(&net, "10.0.0.1:80").unwrap(), net));
    /// });
    /// assert!(matches!(failure.unwrap_err().kind, FailureKind::Idle { .. }), "keepalive probes are all that happens");
    /// ```
    #[must_use]
    pub fn idle_max(mut self, events: u64) -> Builder {
        self.idle_max = events;
        self
    }

    /// How many of the last events a report and a failure show; by default, a report shows none, and a failure the last 20 of each host that are among the
    /// last 128 of the run.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().keep_events(5).run(|sim| { sim.host("a").spawn("p", |_net| {}); }).unwrap();
    /// assert!(report.events.contains("a p[1]  start"), "{}", report.events);
    /// ```
    #[must_use]
    pub fn keep_events(mut self, events: usize) -> Builder {
        self.keeps_events = Some(events);
        self.shows_of_each_host = None;
        self
    }

    /// A failure shows so many of each host's last events, however much happened on others meanwhile.
    pub(crate) fn keep_events_of_each_host(mut self, events: usize) -> Builder {
        self.keeps_events = Some(events * HOSTS_WITH_EVENTS);
        self.shows_of_each_host = Some(events);
        self
    }

    /// Whether the choices that were not boring are kept as a story.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().seed(3).keep_story(true).run(|sim| sim.swarm("size", 1..=100)).unwrap();
    /// assert!(report.value == 1 || report.story[0].to_string().contains("run size: "));
    /// ```
    #[must_use]
    pub fn keep_story(mut self, keep: bool) -> Builder {
        self.keeps_story = keep;
        self
    }

    /// Whether the whole run is recorded, every call with its arguments, every packet with its data: see [`Recording`](crate::trace::Recording). It costs memory for each
    /// event and up to as much time as the run itself; the run is the same. Of a run of more than a million events the last ones are kept.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().record(true).run(|sim| { sim.host("a").spawn("p", |_net| {}); }).unwrap();
    /// assert!(!twinsock_sim::trace::lines(&report.recording.unwrap()).is_empty());
    /// ```
    #[must_use]
    pub fn record(self, record: bool) -> Builder {
        Builder { records: record.then_some(EVENTS_MAX), ..self }
    }

    /// Records at least the last `events_max` events of the run, as [`Builder::record`] does.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().record_last(10).run(|sim| {
    ///     let host = sim.host("a");
    ///     (0..50).for_each(|_| drop(host.spawn("p", |_net| {})));
    /// }).unwrap();
    /// assert!(report.recording.unwrap().dropped() > 0);
    /// ```
    #[must_use]
    pub fn record_last(self, events_max: usize) -> Builder {
        Builder { records: Some(events_max), ..self }
    }

    /// Whether a panic of the code that builds the network is a failure of the run, as a panic of a process is, instead of the caller's panic.
    ///
    /// ```
    /// use twinsock_sim::{FailureKind, Sim};
    /// let failure = Sim::builder().catch_panics(true).run(|_sim| -> () { panic!("in the test itself") }).unwrap_err();
    /// assert!(matches!(failure.kind, FailureKind::Test { .. }));
    /// ```
    #[must_use]
    pub fn catch_panics(mut self, catch: bool) -> Builder {
        self.catches_panics = catch;
        self
    }

    /// How much virtual time a system call takes of its thread; [`CALL_COST`] by default. A thread that is woken in a call goes on with it when that has passed, after all that
    /// is due before. With zero, a program that polls in a loop lets no time pass.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::{Net, Sim};
    /// let body = |net: Net| for _ in 0..10 { twinsock::SocketApi::epoll_create(&net).unwrap(); };
    /// let run = Sim::builder().call_cost(Duration::from_millis(1)).run(|sim| drop(sim.host("a").spawn("p", body)));
    /// assert!(run.unwrap().elapsed >= Duration::from_millis(9));
    /// ```
    #[must_use]
    pub fn call_cost(mut self, cost: Duration) -> Builder {
        self.call_cost = cost;
        self
    }

    /// The size of every simulated thread's stack, in bytes; [`STACK_BYTES`] by default. Untouched pages cost no memory.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// assert!(Sim::builder().stack_bytes(8 << 20).run(|sim| drop(sim.host("a").spawn("deep", |_net| {}))).is_ok());
    /// ```
    #[must_use]
    pub fn stack_bytes(mut self, bytes: usize) -> Builder {
        self.stack_bytes = bytes;
        self
    }

    /// After how much real time without a call a simulated thread is taken for stuck and the program aborted with its backtrace;
    /// [`WATCHDOG`] by default, `None` for never (for a debugger).
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// assert!(Sim::builder().watchdog(None).run(|_sim| {}).is_ok());
    /// ```
    #[must_use]
    pub fn watchdog(mut self, limit: Option<Duration>) -> Builder {
        self.watchdog = limit;
        self
    }

    /// At the beginning of which turn a debugger stops, by its number in a trace: in `twinsock_break`, on the stack of the thread whose turn it is.
    /// `TWINSOCK_BREAK` in the environment overrides it. Without a debugger a line on standard error says that the step was reached.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let builder = Sim::builder().break_at(1);
    /// let run = builder.run(|sim| drop(sim.host("a").spawn("p", |_net| {})));
    /// assert!(run.is_ok(), "standard error has a line that step 1 was reached");
    /// ```
    #[must_use]
    pub fn break_at(mut self, step: u64) -> Builder {
        self.break_at = Some(step);
        self
    }

    /// Whether it is looked at what the run leaves behind when every process that is not a daemon has ended, and whether it fails for it: see
    /// [`Leaks`](crate::Leaks). By default nobody looks.
    ///
    /// ```
    /// use twinsock::net::UdpSocket;
    /// use twinsock_sim::{FailureKind, LeakCheck, Sim};
    ///
    /// let failure = Sim::builder().leaks(LeakCheck::Fail).run(|sim| {
    ///     sim.host("a").spawn("resolver", |net| std::mem::forget(UdpSocket::bind(&net, "0.0.0.0:53").unwrap()));
    /// });
    /// let failure = failure.unwrap_err();
    /// assert_eq!(failure.kind.site(), "leak of descriptors of resolver");
    /// ```
    #[must_use]
    pub fn leaks(mut self, check: LeakCheck) -> Builder {
        self.leaks = check;
        self
    }

    /// How much virtual time passes before it is looked at what is left, so that connections which are being closed may come to their end;
    /// [`LEAK_GRACE`] by default. It counts towards [`Report::elapsed`](crate::Report::elapsed).
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::{LeakCheck, Sim};
    /// let builder = Sim::builder().leaks(LeakCheck::Fail).leak_grace(Duration::from_secs(1));
    /// let run = builder.run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
    /// assert_eq!(run.elapsed, Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn leak_grace(mut self, grace: Duration) -> Builder {
        self.leak_grace = grace;
        self
    }

    /// Runs a simulation on a fresh OS thread, so that thread-locals cannot leak from run to run: `build` makes the network and
    /// starts the programs; when it returns, the simulation goes on until every process that is not a daemon has ended.
    ///
    /// # Errors
    /// A process panicked, or everybody waits for ever.
    ///
    /// # Panics
    /// With the panic of `build`, if it panics; if no OS thread can be started; or if `TWINSOCK_SEED` or `TWINSOCK_BREAK` is set to something that is none.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().seed(7).run(|sim| {
    ///     let host = sim.host("lonely");
    ///     host.spawn("sleeper", |net| twinsock::Clock::sleep(&net, std::time::Duration::from_secs(3600)));
    /// });
    /// assert_eq!(report.unwrap().elapsed.as_secs(), 3600);
    /// ```
    pub fn run<T: Send>(self, build: impl FnOnce(&Sim) -> T + Send) -> Result<Report<T>, Box<Failure>> {
        let mut thread = std::thread::Builder::new();
        if let Some(name) = std::thread::current().name() {
            thread = thread.name(name.to_owned());
        }
        let listener = Listener::here();
        let is_within = failure::speaks_within_a_run();
        #[expect(
            clippy::disallowed_methods,
            reason = "the OS thread that carries the whole simulation; nothing in a run depends on it"
        )]
        std::thread::scope(|scope| {
            let spawned =
                thread.spawn_scoped(scope, || listener.hear(|| failure::run_on_its_own(is_within, || self.run_here(build))));
            match spawned.expect("an OS thread can be started").join() {
                Ok(result) => result,
                Err(payload) => std::panic::resume_unwind(payload),
            }
        })
    }

    /// As [`Builder::run`], on the calling OS thread: cheaper, for many small runs; thread-locals of earlier runs are seen.
    ///
    /// # Errors
    /// A process panicked, or everybody waits for ever.
    ///
    /// # Panics
    /// With the panic of `build`, if it panics; or if `TWINSOCK_SEED` or `TWINSOCK_BREAK` is set to something that is none.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let seeds = (0..100).map(|seed| Sim::builder().seed(seed).run_here(|sim| sim.swarm("size", 1..=3)).unwrap().value);
    /// assert_eq!(seeds.max(), Some(3));
    /// ```
    pub fn run_here<T>(mut self, build: impl FnOnce(&Sim) -> T) -> Result<Report<T>, Box<Failure>> {
        self.break_at = step_from_environment().unwrap_or_else(|error| panic!("{error}")).or(self.break_at);
        match &self.tape {
            Some(tape) => {
                let choice = Choice::from_tape(tape.clone());
                self.run_with(choice, build)
            }
            None => {
                let seed = seed_from_environment().or(self.seed).unwrap_or(0);
                self.seed(seed).run_with(Choice::from_seed(seed), build)
            }
        }
    }

    /// As [`Builder::run_here`], with choices from any source: a fuzzer's bytes, an enumeration.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::Clock;
    /// use twinsock_sim::{Interleaving, Sim, choice::Enumeration};
    ///
    /// let (all, mut orders) = (Enumeration::new(2), std::collections::BTreeSet::new());
    /// while let Some(choice) = all.next_run() {
    ///     let log = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    ///     let builder = Sim::builder().interleaving(Interleaving::Systematic { pause: Duration::from_millis(1) });
    ///     let report = builder.run_with(choice, |sim| {
    ///         for name in ["a", "b", "c"] {
    ///             let log = log.clone();
    ///             sim.host(name).spawn(name, move |net| { net.now(); log.borrow_mut().push_str(name) });
    ///         }
    ///     });
    ///     report.unwrap();
    ///     orders.insert(log.take());
    /// }
    /// assert_eq!(orders.len(), 6);
    /// ```
    ///
    /// # Errors
    /// As [`Builder::run`].
    ///
    /// # Panics
    /// With the panic of `build`, if it panics.
    pub fn run_with<T>(self, mut choice: Choice, build: impl FnOnce(&Sim) -> T) -> Result<Report<T>, Box<Failure>> {
        install_panic_hook();
        let seed = self.seed.unwrap_or(0);
        let mut trace = Trace::new();
        trace.keep_last(self.keeps_events.unwrap_or(REPORT_EVENTS_AMONG));
        if let Some(events_max) = self.records {
            trace.record_last(events_max, memory::OF_RECORDINGS);
        }
        if self.keeps_story {
            choice.keep_story();
        }
        let mut world = World::new(choice, trace);
        let turns = Turns::new(self.interleaving, self.calls_expected, self.calls_max, &mut world);
        let mut scheduler = Scheduler::new(world, turns, self.call_cost, self.stack_bytes, Pulse::new(self.watchdog));
        if self.leaks != LeakCheck::Off {
            scheduler.look_for_leaks();
        }
        let _looking_after = overflow::look_after(self.stack_bytes);
        scheduler.idle_max = self.idle_max;
        scheduler.shows_of_each_host = self.shows_of_each_host;
        scheduler.break_at(self.break_at.unwrap_or(u64::MAX));
        let sim = Sim { shared: Shared::new(scheduler, seed), seed };
        let ending = EndAll(&sim.shared);
        let run = || {
            let value = build(&sim);
            driver::drive(&sim.shared, None);
            sim.look_for_leaks(self.leaks, self.leak_grace);
            value
        };
        let value = if self.catches_panics { catch(run) } else { Ok(run()) };
        let outcome = match value {
            Ok(value) => sim.outcome().map(|summary| (value, summary)),
            Err(kind) => {
                // What stopped the run before comes first: the test may have panicked at hearing of it.
                sim.shared.scheduler.borrow_mut().rare.fail(kind);
                sim.outcome().map(|_| unreachable!("the run has failed"))
            }
        };
        let netstat = sim.shared.scheduler.borrow().recorded_netstat();
        drop(ending);
        let mut scheduler = sim.shared.scheduler.borrow_mut();
        if let Some(step) = self.break_at.filter(|step| *step > scheduler.steps()) {
            eprintln!("twinsock: step {step} was not reached: the run took {} steps", scheduler.steps());
        }
        let mut tape = scheduler.world_mut().choice_mut().take_tape();
        tape.origin = self.origin(seed);
        let recording = scheduler.take_recording(netstat);
        let world = scheduler.world();
        let story = world.choice().story().to_vec();
        match outcome {
            Ok((value, Summary { digest, elapsed, steps, calls, leaks })) => {
                let events = self.keeps_events.map_or_else(String::new, |_| world.trace().report().to_string());
                Ok(Report { value, seed, digest, elapsed, steps, calls, events, tape, story, recording, leaks })
            }
            Err(failure) => Err(Box::new(Failure { tape, story, recording, ..*failure })),
        }
    }
}

/// Ends all processes on the way out, also when `build` panics.
struct EndAll<'a>(&'a Rc<Shared>);

impl Drop for EndAll<'_> {
    fn drop(&mut self) {
        driver::end_all(self.0);
        self.0.forget_outsiders();
        self.0.forget_boots();
        self.0.end_minding();
    }
}

#[expect(clippy::disallowed_methods, reason = "the seed is an input of the run, read before it begins")]
fn seed_from_environment() -> Option<u64> {
    // A seed that cannot be read must not end in the run of another one.
    let text = std::env::var_os("TWINSOCK_SEED")?;
    match text.to_str().and_then(|text| text.trim().parse().ok()) {
        Some(seed) => Some(seed),
        None => panic!("TWINSOCK_SEED is {text:?}, expected a number from 0 to {}", u64::MAX),
    }
}
