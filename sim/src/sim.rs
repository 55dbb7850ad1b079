//! The public face: build a network, put programs on its hosts, run them, and read what came of it.

mod builder;
mod misfortunes;
mod network;

pub use crate::process::turns::Interleaving;
pub use builder::{Builder, CALL_COST, STACK_BYTES, WATCHDOG};
pub use misfortunes::Misfortunes;
pub use network::{Network, RuleGuard};

use crate::api::Net;
use crate::choice::{Door, Tape, Told};
use crate::host::{Credentials, HostConfig};
use crate::process::coroutine::Carrier;
use crate::process::current::Shared;
use crate::process::driver;
use crate::process::failure::{FailureKind, reproduce_line};
use crate::process::scheduler::ProcId;
use crate::process::signal::Signal;
use crate::world::HostId;
use std::cell::RefCell;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;
use twinsock::Instant;

/// What came of a run.
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
}

/// A run that failed. Printed, by `{}` and by `unwrap`, it says what happened, where and when, the last events, and the command that
/// reproduces it.
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
    /// The last events, a line each, oldest first.
    pub events: String,
    /// The command that reproduces the run.
    pub reproduce: String,
    /// The choices of the run until then; empty in the failure that [`Sim::run_to_end`] answers, whose run is not over.
    pub tape: Tape,
    /// Those that were not boring, in order; empty unless [`Builder::keep_story`] asked for it.
    pub story: Vec<Told>,
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
            writeln!(f, "last events:")?;
            for event in self.events.lines() {
                writeln!(f, "  {event}")?;
            }
        }
        write!(f, "reproduce: {}", self.reproduce)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}\n")
    }
}

impl std::error::Error for Failure {}

struct Summary {
    digest: u64,
    elapsed: Duration,
    steps: u64,
    calls: u64,
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
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The seed of the run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Adds a host named `name`, with one IPv4 address of 10.0.0.0/8 and one IPv6 address of fd00::/8, both counted up, and loopback.
    ///
    /// # Panics
    /// If the name is taken.
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
    pub fn host_with(&self, name: &str, config: HostConfig) -> Host {
        let id = self.shared.scheduler.borrow_mut().world_mut().add_host(name, config);
        Host { shared: Rc::clone(&self.shared), id }
    }

    /// The current moment of virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.scheduler.borrow().world().now()
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
    #[must_use]
    pub fn swarm_of<'a, T: fmt::Debug>(&self, name: &str, values: &'a [T]) -> &'a T {
        let index = |drawn: u32| usize::try_from(drawn).expect("an index fits usize");
        let n = u32::try_from(values.len()).expect("fewer than 2^32 values");
        assert!(n > 0, "a parameter has at least one value");
        &values[index(self.draw_at(Door::Run, name, n, |drawn| format!("{:?}", values[index(drawn)])))]
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
    /// Not from within a process: there, [`twinsock::Clock::sleep`] lets time pass.
    pub fn run_for(&self, duration: Duration) {
        let limit = self.now() + duration;
        driver::drive(&self.shared, Some(limit));
    }

    /// Runs the simulation until every process that is not a daemon has ended.
    ///
    /// # Errors
    /// A process panicked, or everybody waits for ever; the run is over then.
    pub fn run_to_end(&self) -> Result<(), Box<Failure>> {
        driver::drive(&self.shared, None);
        self.outcome().map(drop)
    }

    fn outcome(&self) -> Result<Summary, Box<Failure>> {
        let scheduler = self.shared.scheduler.borrow();
        let (world, steps) = (scheduler.world(), scheduler.steps());
        match &scheduler.failure {
            None => Ok(Summary {
                digest: world.trace().digest(),
                elapsed: world.now().since(Instant::ZERO),
                steps,
                calls: scheduler.calls(),
            }),
            Some(kind) => Err(Box::new(Failure {
                kind: kind.clone(),
                seed: self.seed,
                at: world.now(),
                step: steps,
                calls: scheduler.calls(),
                digest: world.trace().digest(),
                events: world.trace().report().to_string(),
                reproduce: reproduce_line(self.seed),
                tape: Tape::new(),
                story: Vec::new(),
            })),
        }
    }
}

/// A host of a simulation.
#[derive(Clone)]
pub struct Host {
    shared: Rc<Shared>,
    id: HostId,
}

impl Host {
    /// Starts a process named `name` that runs `body`; the run ends when all such processes have ended.
    pub fn spawn<T: 'static>(&self, name: &str, body: impl FnOnce(Net) -> T + 'static) -> Process<T> {
        self.process(name).spawn(body)
    }

    /// Starts a process that does not keep the run going: it is killed when all others have ended.
    pub fn spawn_daemon<T: 'static>(&self, name: &str, body: impl FnOnce(Net) -> T + 'static) -> Process<T> {
        self.process(name).daemon().spawn(body)
    }

    /// A process that is to be started: root's, unless the builder is told otherwise.
    ///
    /// ```
    /// use twinsock::{Errno, net::TcpListener};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     sim.host("server").process("httpd").uid(33).gid(33).spawn(|net| {
    ///         let refused = TcpListener::bind(&net, "0.0.0.0:80").unwrap_err();
    ///         assert_eq!(refused.raw_os_error(), Some(Errno::ACCES.raw()));
    ///     });
    /// });
    /// report.unwrap();
    /// ```
    pub fn process<'a>(&'a self, name: &'a str) -> ProcessBuilder<'a> {
        ProcessBuilder { host: self, name, credentials: Credentials::default(), rlimit_nofile: None, daemon: false }
    }

    /// Sets a constant of the host's kernel by its Linux name, `sysctl(8)`, while the host runs: sockets follow as on Linux, some at once,
    /// some when they are made or connect.
    ///
    /// # Panics
    /// If there is no constant of that name, or it cannot have that value: a mistake of whoever builds the network.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| {
    /// let host = sim.host("server");
    /// host.sysctl("net.core.somaxconn", 128).sysctl("net.ipv4.ip_local_port_range", "40000 40099");
    /// assert_eq!(host.sysctl_value("net.core.somaxconn"), "128");
    /// # }).unwrap();
    /// ```
    pub fn sysctl(&self, name: &str, value: impl fmt::Display) -> &Host {
        let value = value.to_string();
        let set = self.shared.scheduler.borrow_mut().world_mut().host_mut(self.id).sysctl_mut().set(name, &value);
        if let Err(errno) = set {
            panic!("{name} cannot be set to {value}: {errno}");
        }
        self
    }

    /// A constant of the host's kernel by its Linux name, as `/proc/sys` shows it.
    ///
    /// # Panics
    /// If there is no constant of that name.
    #[must_use]
    pub fn sysctl_value(&self, name: &str) -> String {
        let found = self.shared.scheduler.borrow().world().host(self.id).sysctl().get(name);
        found.unwrap_or_else(|| panic!("there is no kernel constant {name}"))
    }

    /// The addresses of the host, besides loopback.
    #[must_use]
    pub fn addrs(&self) -> Vec<IpAddr> {
        self.shared.scheduler.borrow().world().addrs(self.id).to_vec()
    }

    /// The first IPv4 address of the host.
    ///
    /// # Panics
    /// If it was made without one.
    #[must_use]
    pub fn ipv4(&self) -> IpAddr {
        self.addrs().into_iter().find(IpAddr::is_ipv4).expect("the host has an IPv4 address")
    }

    /// The first IPv6 address of the host.
    ///
    /// # Panics
    /// If it was made without one.
    #[must_use]
    pub fn ipv6(&self) -> IpAddr {
        self.addrs().into_iter().find(IpAddr::is_ipv6).expect("the host has an IPv6 address")
    }

    /// The name of the host.
    #[must_use]
    pub fn name(&self) -> String {
        self.shared.scheduler.borrow().world().host_name(self.id).to_owned()
    }
}

/// How a process is started. [`Host::process`] makes one.
#[derive(Clone)]
#[must_use = "the process starts with `spawn`"]
pub struct ProcessBuilder<'a> {
    host: &'a Host,
    name: &'a str,
    credentials: Credentials,
    rlimit_nofile: Option<u32>,
    daemon: bool,
}

impl ProcessBuilder<'_> {
    /// The user that it runs as, `credentials(7)`; 0, which may do everything, by default.
    pub fn uid(mut self, uid: u32) -> Self {
        self.credentials.uid = uid;
        self
    }

    /// The group that it runs as; 0 by default.
    pub fn gid(mut self, gid: u32) -> Self {
        self.credentials.gid = gid;
        self
    }

    /// Its limit on the numbers of descriptors, `RLIMIT_NOFILE` of `getrlimit(2)`; 1024 by default.
    pub fn rlimit_nofile(mut self, limit: u32) -> Self {
        self.rlimit_nofile = Some(limit);
        self
    }

    /// It does not keep the run going: it is killed when all others have ended.
    pub fn daemon(mut self) -> Self {
        self.daemon = true;
        self
    }

    /// Starts the process, which runs `body`.
    ///
    /// # Panics
    /// If no stack can be mapped for its main thread.
    pub fn spawn<T: 'static>(self, body: impl FnOnce(Net) -> T + 'static) -> Process<T> {
        let Host { shared, id: host } = self.host;
        let output = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&output);
        let mut scheduler = shared.scheduler.borrow_mut();
        let net = Net::new(shared.id, scheduler.next_process());
        let stack_bytes = scheduler.stack_bytes;
        let carrier = Carrier::new(
            stack_bytes,
            Box::new(move || {
                let value = body(net);
                *slot.borrow_mut() = Some(value);
            }),
        )
        .expect("a stack for another simulated thread can be mapped (see vm.max_map_count)");
        let id = scheduler.spawn_process(*host, self.name, self.credentials, self.daemon, carrier);
        if let Some(limit) = self.rlimit_nofile {
            let pid = scheduler.process(id).pid;
            scheduler.world_mut().host_mut(*host).set_rlimit_nofile(pid, limit);
        }
        Process { shared: Rc::clone(shared), id, output }
    }
}

/// A process of a simulation.
pub struct Process<T> {
    shared: Rc<Shared>,
    id: ProcId,
    output: Rc<RefCell<Option<T>>>,
}

impl<T> Process<T> {
    /// Kills the process, as SIGKILL does: its sockets are closed by the kernel, then its threads are unwound. Takes effect before anything else
    /// happens in the run.
    pub fn kill(&self) {
        self.shared.scheduler.borrow_mut().kill(self.id);
    }

    /// Sends the process a signal whose handler does nothing, `kill(2)`: its main thread takes it. If that waits in a system call, the call
    /// ends, or begins again, as `signal(7)` says; otherwise nothing comes of it.
    pub fn signal(&self, signal: Signal) {
        let mut scheduler = self.shared.scheduler.borrow_mut();
        let main = scheduler.process(self.id).main;
        scheduler.signal(main, signal);
    }

    /// Whether the process has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.shared.scheduler.borrow().is_alive(self.id)
    }

    /// What the process's main thread returned, once it has; `None` before that, after a kill, and the second time.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.output.borrow_mut().take()
    }
}
