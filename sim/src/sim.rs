//! The public face: build a network, put programs on its hosts, run them, and read what came of it.

mod builder;
mod host;
mod misfortunes;
mod names;
mod network;
mod whereabouts;

pub(crate) use crate::process::breakpoint::step_from_environment;
pub use crate::process::leaks::LeakCheck;
pub(crate) use crate::process::listener::Listener;
pub use crate::process::turns::Interleaving;
pub use builder::{Builder, CALL_COST, CALLS_MAX, IDLE_MAX, STACK_BYTES, WATCHDOG};
pub use host::{Host, Process, ProcessBuilder};
pub use misfortunes::Misfortunes;
pub use network::{Network, RuleGuard};
#[cfg(feature = "tracing-subscriber")]
pub use whereabouts::SimTime;
pub use whereabouts::{Whereabouts, whereabouts};

use crate::choice::{Door, Tape, Told};
use crate::host::HostConfig;
use crate::process::current::Shared;
use crate::process::driver;
use crate::process::failure::{FailureKind, reproduce_line};
use crate::process::leaks::Leaks;
use crate::trace::Recording;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;
use twinsock::Instant;

/// What came of a run.
///
/// ```
/// use twinsock_sim::Sim;
/// let report = Sim::builder().seed(7).run(|sim| sim.host("a").name()).unwrap();
/// assert_eq!((report.value.as_str(), report.seed, report.calls), ("a", 7, 0));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report<T> {
    /// What the building closure returned.
    pub value: T,
    /// The seed of the run.
    pub seed: u64,
    /// A digest of every event: equal for equal seeds and programs.
    pub digest: u64,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// How many turns threads took.
    pub steps: u64,
    /// How many calls they made.
    pub calls: u64,
    /// The last events, a line each, oldest first; empty unless [`Builder::keep_events`] asked for them.
    pub events: String,
    /// The choices of the run.
    pub tape: Tape,
    /// Those that were not boring, in order; empty unless [`Builder::keep_story`] asked for it.
    pub story: Vec<Told>,
    /// Everything that happened, if [`Builder::record`] asked for it.
    pub recording: Option<Box<Recording>>,
    /// What is left; empty unless [`Builder::leaks`] asked for it.
    pub leaks: Leaks,
}

/// A run that failed. Printed, by `{}` and by `unwrap`, it says what happened, where and when, the last events, and the command that
/// reproduces it.
///
/// `{:?}`, which `unwrap` prints, is for a person: on a terminal, and with the feature `cli`, it is in colours, unless the failed run stands in another
/// one. `{}` never is: take that for a file.
///
/// ```
/// use twinsock_sim::{FailureKind, Sim};
///
/// let failure = Sim::builder().seed(7).run(|sim| {
///     sim.host("db").spawn("server", |_net| panic!("lost the log"));
/// });
/// let failure = failure.unwrap_err();
/// assert!(matches!(&failure.kind, FailureKind::Panic { host, message, .. } if host == "db" && message == "lost the log"));
/// assert!(failure.reproduce.starts_with("TWINSOCK_SEED=7 "));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// The seed of the run.
    pub seed: u64,
    /// When, in virtual time.
    pub at: Instant,
    /// At which turn.
    pub step: u64,
    /// How many calls threads had made.
    pub calls: u64,
    /// The digest of every event until then.
    pub digest: u64,
    /// The last events of each host, a line each, oldest first; or those that [`Builder::keep_events`] asked for.
    pub events: String,
    /// The sockets of all hosts then, as [`Sim::netstat`] lists them.
    pub netstat: String,
    /// What else there was then: threads, sockets, files.
    pub leaks: Leaks,
    /// The command that reproduces the run.
    pub reproduce: String,
    /// The choices of the run until then; empty in the failure that [`Sim::run_to_end`] answers, whose run is not over.
    pub tape: Tape,
    /// Those that were not boring, in order; empty unless [`Builder::keep_story`] asked for it.
    pub story: Vec<Told>,
    /// Everything that happened, if [`Builder::record`] asked for it.
    pub recording: Option<Box<Recording>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "simulation failed at {:?} (virtual), step {}, seed {}, digest {:016x}",
            self.at, self.step, self.seed, self.digest
        )?;
        writeln!(f, "{}", self.kind)?;
        if !self.events.is_empty() {
            writeln!(f, "last events of each host:")?;
            for event in self.events.lines() {
                writeln!(f, "  {event}")?;
            }
        }
        write!(f, "{}{}", self.sockets(), self.what_is_left())?;
        write!(f, "reproduce: {}", self.reproduce)
    }
}

impl Failure {
    /// The sockets then, for a report.
    pub(crate) fn sockets(&self) -> impl fmt::Display {
        SocketsOf(self)
    }

    /// What else there was then, and has not been said: threads and files.
    pub(crate) fn what_is_left(&self) -> impl fmt::Display {
        LeftOf(self)
    }
}

struct LeftOf<'a>(&'a Failure);

/// How many lines of what is left are shown.
const LEFT_LINES_MAX: usize = 40;

impl fmt::Display for LeftOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tells_threads = match &self.0.kind {
            FailureKind::Panic { .. } | FailureKind::Test { .. } | FailureKind::Endless { .. } => true,
            FailureKind::Deadlock { .. } | FailureKind::Idle { .. } | FailureKind::Leak { .. } => false,
        };
        let hosts = self.0.leaks.hosts.iter().cloned().map(|host| host.without_sockets(tells_threads)).collect();
        let text = Leaks { hosts, more_exits: 0 }.to_string();
        if text.is_empty() {
            return Ok(());
        }
        writeln!(f, "left:")?;
        text.lines().take(LEFT_LINES_MAX).try_for_each(|line| writeln!(f, "  {line}"))?;
        let more = text.lines().count().saturating_sub(LEFT_LINES_MAX);
        if more == 0 { Ok(()) } else { writeln!(f, "  and {more} more") }
    }
}

struct SocketsOf<'a>(&'a Failure);

impl fmt::Display for SocketsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.netstat.is_empty() {
            return Ok(());
        }
        // Connections that are over tell little, and there may be thousands.
        let (over, others): (Vec<&str>, Vec<&str>) = self.0.netstat.lines().partition(|line| line.contains(" TIME_WAIT "));
        writeln!(f, "sockets:")?;
        others.into_iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        if over.is_empty() { Ok(()) } else { writeln!(f, "  and {} in TIME_WAIT", over.len()) }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        // What fails within another run becomes a part of what that one says.
        #[cfg(feature = "cli")]
        if !crate::process::failure::speaks_within_a_run() && crate::colour::in_a_test() {
            return write!(f, "\n{}\n", crate::colour::report(&text));
        }
        write!(f, "\n{text}\n")
    }
}

impl std::error::Error for Failure {}

struct Summary {
    digest: u64,
    elapsed: Duration,
    steps: u64,
    calls: u64,
    leaks: Leaks,
}

/// A simulation under construction, or between two stretches of its run.
///
/// ```
/// use std::time::Duration;
/// use twinsock::Clock;
/// use twinsock::net::{TcpListener, TcpStream};
/// use twinsock_sim::{Link, Sim};
///
/// let report = Sim::builder().seed(7).run(|sim| {
///     sim.default_link(Link::new().delay(Duration::from_millis(10)));
///     let (server, client) = (sim.host("server"), sim.host("client"));
///     let listening = server.spawn("server", |net| {
///         let _listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
///         net.sleep(Duration::from_secs(3600));
///     });
///     sim.run_for(Duration::from_secs(1));
///     listening.kill();
///     client.spawn("client", |net| {
///         let refused = TcpStream::connect(&net, "server:80").unwrap_err();
///         assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
///     });
/// });
/// assert!(report.unwrap().elapsed >= Duration::from_millis(1020));
/// ```
pub struct Sim {
    shared: Rc<Shared>,
    seed: u64,
}

impl Sim {
    /// How to set a simulation up.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().seed(7).run(|_sim| {});
    /// assert!(report.is_ok());
    /// ```
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The seed of the run.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// assert_eq!(Sim::builder().seed(7).run(|sim| sim.seed()).unwrap().value, 7);
    /// ```
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Adds a host named `name`, with one IPv4 address of 10.0.0.0/8 and one IPv6 address of fd00::/8, both counted up, and loopback.
    ///
    /// # Panics
    /// If the name is taken.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let (first, second) = (sim.host("first"), sim.host("second"));
    /// assert_eq!((first.ipv4().to_string(), second.ipv4().to_string()), ("10.0.0.1".to_owned(), "10.0.0.2".to_owned()));
    /// # }).unwrap();
    /// ```
    pub fn host(&self, name: &str) -> Host {
        let number = u32::try_from(self.shared.scheduler.borrow().world().host_count()).expect("fewer than 2^32 hosts") + 1;
        let v4 = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number);
        let v6 = Ipv6Addr::from(u128::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0)) + u128::from(number));
        self.host_with(name, HostConfig { addrs: vec![IpAddr::V4(v4), IpAddr::V6(v6)], ..HostConfig::default() })
    }

    /// Adds a host with addresses and sysctls of the caller's choice.
    ///
    /// # Panics
    /// If the name or an address is taken.
    ///
    /// ```
    /// use twinsock_sim::{HostConfig, Sim};
    /// # Sim::builder().run(|sim| {
    /// let config = HostConfig { addrs: vec!["192.0.2.1".parse().unwrap()], ..HostConfig::default() };
    /// assert_eq!(sim.host_with("router", config).ipv4().to_string(), "192.0.2.1");
    /// # }).unwrap();
    /// ```
    pub fn host_with(&self, name: &str, config: HostConfig) -> Host {
        let id = self.shared.scheduler.borrow_mut().world_mut().add_host(name, config);
        Host::new(&self.shared, id)
    }

    /// The current moment of virtual time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// sim.run_for(Duration::from_secs(1));
    /// assert_eq!(sim.now().as_nanos(), 1_000_000_000);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.scheduler.borrow().world().now()
    }

    /// The sockets of all hosts, a line each, as `ss -tuxanpoe` lists them: state, queues, both ends, descriptors, timer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Clock, net::TcpListener};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     sim.host("web").spawn("httpd", |net| {
    ///         let _listener = TcpListener::bind(&net, "10.0.0.1:80").unwrap();
    ///         net.sleep(Duration::from_secs(2));
    ///     });
    ///     sim.run_for(Duration::from_secs(1));
    ///     sim.netstat()
    /// });
    /// let netstat = report.unwrap().value;
    /// assert!(netstat.contains(r#"LISTEN           0    128 10.0.0.1:80"#), "{netstat}");
    /// assert!(netstat.contains(r#"users:(("httpd",pid=1,fd=0))"#), "{netstat}");
    /// ```
    #[must_use]
    pub fn netstat(&self) -> String {
        self.shared.scheduler.borrow().netstat()
    }

    /// Draws a parameter of the run, `range` being what it may be: how many clients there are, how large a buffer is. The seed decides; the first of
    /// the range is the boring one, to which shrinking goes.
    ///
    /// Parameters that differ from run to run, all at once, find more than the best values for all of them would ("Swarm testing", A. Groce and
    /// others, 2012).
    ///
    /// ```
    /// let report = twinsock_sim::Sim::builder().seed(7).run(|sim| sim.swarm("clients", 1..=5));
    /// assert!((1..=5).contains(&report.unwrap().value));
    /// ```
    ///
    /// # Panics
    /// If the range is empty.
    #[must_use]
    pub fn swarm(&self, name: &str, range: RangeInclusive<u32>) -> u32 {
        let (first, last) = range.into_inner();
        assert!(first <= last, "a parameter has at least one value");
        // All of 2^32 values are one too many: the last is left out.
        let drawn = self.draw_at(Door::Run, name, (last - first).saturating_add(1), |drawn| (first + drawn).to_string());
        first + drawn
    }

    /// Draws which of `values` a parameter of the run has; the first is the boring one.
    ///
    /// # Panics
    /// If there is none.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let policy = *sim.swarm_of("when full", &["block", "drop", "fail"]);
    /// assert!(["block", "drop", "fail"].contains(&policy));
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn swarm_of<'a, T: fmt::Debug>(&self, name: &str, values: &'a [T]) -> &'a T {
        let index = |drawn: u32| usize::try_from(drawn).expect("an index fits usize");
        let n = u32::try_from(values.len()).expect("fewer than 2^32 values");
        assert!(n > 0, "a parameter has at least one value");
        &values[index(self.draw_at(Door::Run, name, n, |drawn| format!("{:?}", values[index(drawn)])))]
    }

    /// What there is now on every host: threads, sockets, pipes and other files, timers. Of what processes left when they ended it tells if
    /// [`Builder::leaks`] asked for it.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// Sim::builder().run(|sim| {
    ///     sim.host("a").spawn("p", |net| twinsock::Clock::sleep(&net, std::time::Duration::from_secs(9)));
    ///     sim.run_for(std::time::Duration::from_secs(1));
    ///     let leaks = sim.leaks();
    ///     assert!(leaks.is_clean() && leaks.hosts[0].threads.len() == 1, "a thread that sleeps is no leak");
    /// }).unwrap();
    /// ```
    #[must_use]
    pub fn leaks(&self) -> Leaks {
        self.shared.scheduler.borrow().leaks()
    }

    /// Looks at what is left, after a time in which what is being closed may come to its end.
    fn look_for_leaks(&self, check: LeakCheck, grace: Duration) {
        if check == LeakCheck::Off || self.has_failed() {
            return;
        }
        self.run_for(grace);
        let leaks = self.leaks();
        if check == LeakCheck::Fail && !leaks.is_clean() {
            self.shared.scheduler.borrow_mut().rare.fail(FailureKind::Leak { leaks });
        }
    }

    fn draw_at(&self, door: Door, name: &str, n: u32, words: impl FnOnce(u32) -> String) -> u32 {
        let mut scheduler = self.shared.scheduler.borrow_mut();
        let choice = scheduler.world_mut().choice_mut();
        let stream = choice.stream(door, name);
        let value = choice.draw(stream, n);
        if choice.keeps_story() {
            choice.tell(stream, words(value));
        }
        scheduler.record_choice(door, n, value);
        value
    }

    /// Draws one of `0..n` for a misfortune of the network's builder: whether and when a process is killed, say. The seed decides, and 0
    /// is the boring answer, for "no misfortune".
    ///
    /// Each `name` has a stream of its own, so that what is drawn for one name never shifts what another gets, nor the orders and delays
    /// of the run.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::Clock;
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().seed(7).run(|sim| {
    ///     let victim = sim.host("server").spawn("victim", |net| net.sleep(Duration::from_secs(60)));
    ///     if sim.draw("kill the server", 2) != 0 {
    ///         sim.run_for(Duration::from_secs(sim.draw("when", 60).into()));
    ///         victim.kill();
    ///     }
    /// });
    /// report.unwrap();
    /// ```
    ///
    /// # Panics
    /// If `n` is 0: there is nothing to draw.
    #[must_use]
    pub fn draw(&self, name: &str, n: u32) -> u32 {
        assert!(n > 0, "a choice has at least one answer");
        self.draw_at(Door::Misfortune, name, n, |value| format!("{value} of 0..{n}"))
    }

    /// Runs the simulation for this much virtual time.
    ///
    /// Nothing happens later than that, and no call is made: it returns also if some process never waits, and [`Sim::now`] is that moment then. Only a process that makes no
    /// call at all is not interrupted, nor one whose calls take no time ([`Builder::call_cost`]).
    ///
    /// Not from within a process: there, [`twinsock::Clock::sleep`] lets time pass.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let host = sim.host("a");
    /// let sleeper = host.spawn("sleeper", |net| twinsock::Clock::sleep(&net, Duration::from_secs(2)));
    /// sim.run_for(Duration::from_secs(1));
    /// assert!(sleeper.is_alive());
    /// sim.run_for(Duration::from_secs(1));
    /// assert!(!sleeper.is_alive());
    /// # }).unwrap();
    /// ```
    pub fn run_for(&self, duration: Duration) {
        let limit = self.now() + duration;
        driver::drive(&self.shared, Some(limit));
    }

    /// Whether the run has failed already: a process panicked, say. Then time stands still, and [`Sim::run_for`] returns at once.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let run = Sim::builder().run(|sim| {
    ///     sim.host("a").spawn("p", |_net| panic!("a mistake"));
    ///     sim.run_to_end().unwrap_err();
    ///     assert!(sim.has_failed());
    /// });
    /// assert!(run.is_err());
    /// ```
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.scheduler.borrow().rare.failure().is_some()
    }

    /// Runs the simulation until every process that is not a daemon has ended.
    ///
    /// # Errors
    /// A process panicked, or everybody waits for ever; the run is over then.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let process = sim.host("a").spawn("p", |_net| 42);
    /// sim.run_to_end().unwrap();
    /// assert_eq!(process.take(), Some(42));
    /// # }).unwrap();
    /// ```
    pub fn run_to_end(&self) -> Result<(), Box<Failure>> {
        driver::drive(&self.shared, None);
        self.outcome().map(drop)
    }

    fn outcome(&self) -> Result<Summary, Box<Failure>> {
        let scheduler = self.shared.scheduler.borrow();
        let (world, steps) = (scheduler.world(), scheduler.steps());
        match scheduler.rare.failure() {
            None => Ok(Summary {
                digest: world.trace().digest(),
                elapsed: world.now().since(Instant::ZERO),
                steps,
                calls: scheduler.calls(),
                leaks: if scheduler.looks_for_leaks() { scheduler.leaks() } else { Leaks::default() },
            }),
            Some(kind) => Err(Box::new(Failure {
                kind: kind.clone(),
                seed: self.seed,
                at: world.now(),
                step: steps,
                calls: scheduler.calls(),
                digest: world.trace().digest(),
                events: scheduler.last_events(),
                netstat: scheduler.netstat(),
                leaks: scheduler.leaks(),
                reproduce: reproduce_line(self.seed),
                tape: Tape::new(),
                story: Vec::new(),
                recording: None,
            })),
        }
    }
}
