//! The driver's ground: a clock, hosts, the links between them, and the queue of what will happen.
//!
//! The world moves packets from host to host in virtual time. It knows nothing of processes: whoever drives it begins and resumes
//! calls on hosts, is told which waiters to wake ([`World::poll_wake`]), and may put alarms of its own into the queue. A test can
//! drive it by hand, without any process; `process` is the driver that runs programs.

mod ahead;
mod arrival;
mod chains;
mod clock;
pub mod event;
mod follow;
mod group;
mod in_flight;
mod machine;
mod names;
mod neighbour;
mod power;
mod routes;
mod short;
mod timers;
mod wire;

use crate::choice::{Choice, Door, LuckOf};
use crate::host::fifo::Fifo;
use crate::host::{Call, Credentials, Cx, Host, HostConfig, Op, Pid, Progress, QuietCall, Token};
use crate::link::Link;
use crate::trace::{Event, Place, Recording, Trace, What};
use ahead::Ahead;
pub(crate) use ahead::Soon;
pub(crate) use arrival::{Data, Ended, Happened};
pub(crate) use chains::Chains;
use clock::HostClock;
use event::EventQueue;
use in_flight::InFlight;
use machine::Machine;
pub(crate) use names::LookupError;
pub use names::NameFault;
use neighbour::Neighbours;
pub use power::NIC_RING_PACKETS;
use routes::Routes;
use std::collections::BTreeMap;
use std::net::IpAddr;
use timers::HostTimers;
use twinsock::Instant;
pub(crate) use wire::RuleId;
pub use wire::{Fate, PacketView, Protocol};
use wire::{Path, Wires};

/// A host of the world.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::choice::Choice;
/// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
/// # use twinsock_sim::trace::Trace;
/// # use twinsock_sim::world::World;
/// # let mut world = World::new(Choice::from_seed(7), Trace::new());
/// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = world.spawn_process(host, Credentials::default());
/// assert_eq!(host, twinsock_sim::world::HostId(0), "they are numbered as they come");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(pub u32);

impl HostId {
    #[inline]
    fn index(self) -> usize {
        index(self.0)
    }
}

/// Something of the driver's own that is due at a moment: the world hands it back and does not look inside.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::choice::Choice;
/// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
/// # use twinsock_sim::trace::Trace;
/// # use twinsock_sim::world::World;
/// # let mut world = World::new(Choice::from_seed(7), Trace::new());
/// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = world.spawn_process(host, Credentials::default());
/// use twinsock_sim::world::Alarm;
/// world.schedule(Instant::from_nanos(5), Alarm(42));
/// assert_eq!(world.step(), Some(Some(Alarm(42))));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarm(pub u64);

impl Alarm {
    /// Not the driver's own: a packet waits for what rules say, see `World::take_unjudged`.
    pub(crate) const UNJUDGED: Alarm = Alarm(u64::MAX);
}

/// What the queue holds: each a word of the same size, so that it goes through it in registers.
enum Due {
    /// A packet, kept in `in_flight` under the second number, reaches the host of the first.
    Arrival(Pair),
    /// The same, of a packet whose checksum is wrong.
    Damaged(Pair),
    /// A packet that was delayed before its link: its path and its number.
    Sending(Pair),
    /// A packet that rules are to see: its path and its number.
    Unjudged(Pair),
    /// The driver's.
    Alarm(Alarm),
}

impl Due {
    #[inline]
    fn arrival(to: HostId, slot: u32) -> Due {
        Due::Arrival(Pair::new(to.0, slot))
    }

    /// An alarm, and what is `told` of it, if anything is.
    #[inline(always)]
    fn alarm<T>(&self, told: impl FnOnce(Alarm) -> Option<T>) -> Option<(T, Alarm)> {
        match self {
            Due::Alarm(alarm) => Some((told(*alarm)?, *alarm)),
            Due::Arrival(_) | Due::Damaged(_) | Due::Sending(_) | Due::Unjudged(_) => None,
        }
    }
}

/// Two numbers in one word.
#[derive(Clone, Copy)]
struct Pair(u64);

impl Pair {
    #[inline]
    fn new(first: u32, second: u32) -> Pair {
        Pair(u64::from(first) << 32 | u64::from(second))
    }

    #[inline]
    fn first(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("the high half is 32 bits")
    }

    #[inline]
    fn second(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).expect("the low half is 32 bits")
    }
}

#[inline]
fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("a slot's number fits usize")
}

/// The clock, the hosts, the links and the queue of what will happen.
///
/// ```
/// use twinsock::Instant;
/// use twinsock_sim::HostConfig;
/// use twinsock_sim::choice::Choice;
/// use twinsock_sim::trace::Trace;
/// use twinsock_sim::world::World;
///
/// // Driven by hand, with no process: sim/tests/world.rs makes calls in it and lets time pass.
/// let mut world = World::new(Choice::from_seed(7), Trace::new());
/// let host = world.add_host("a", HostConfig::default());
/// assert_eq!((world.host_name(host), world.now()), ("a", Instant::ZERO));
/// ```
pub struct World {
    now: Instant,
    /// Whether any host's clock was ever set, or began anew: where none was, nobody looks at a host for the time.
    clocks_differ: bool,
    machines: Vec<Machine>,
    owners: BTreeMap<IpAddr, HostId>,
    unresolved: Neighbours,
    names: BTreeMap<String, HostId>,
    name_faults: BTreeMap<String, NameFault>,
    default_link: Link,
    links: BTreeMap<(HostId, HostId), Link>,
    paths: Vec<Path>,
    path_index: BTreeMap<(HostId, HostId), usize>,
    routes: Routes,
    wires: Wires,
    queue: EventQueue<Due>,
    timers: HostTimers,
    in_flight: InFlight,
    /// What arrives soon.
    ahead: Ahead,
    /// How often a connection was found to be calm, or a way of datagrams got a number.
    calms: u64,
    choice: Choice,
    wakes: Fifo<Token>,
    trace: Trace,
    /// Kept if somebody asks for it.
    chains: Option<Box<Chains>>,
}

impl World {
    /// An empty world at time zero.
    ///
    /// ```
    /// use twinsock::Instant;
    /// use twinsock_sim::{choice::Choice, trace::Trace, world::World};
    /// let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// assert_eq!((world.now(), world.step()), (Instant::ZERO, None));
    /// ```
    #[must_use]
    pub fn new(choice: Choice, trace: Trace) -> World {
        World {
            now: Instant::ZERO,
            clocks_differ: false,
            machines: Vec::new(),
            owners: BTreeMap::new(),
            unresolved: Neighbours::new(),
            names: BTreeMap::new(),
            name_faults: BTreeMap::new(),
            default_link: Link::default(),
            links: BTreeMap::new(),
            paths: Vec::new(),
            path_index: BTreeMap::new(),
            routes: Routes::default(),
            wires: Wires::default(),
            queue: EventQueue::new(),
            timers: HostTimers::default(),
            in_flight: InFlight::default(),
            ahead: Ahead::default(),
            calms: 0,
            choice,
            wakes: Fifo::new(),
            trace,
            chains: None,
        }
    }

    /// Adds a host that answers to `name` and owns `config.addrs` and loopback.
    ///
    /// # Panics
    /// If the name or one of the addresses is taken: a mistake of whoever builds the network.
    ///
    /// ```
    /// use twinsock_sim::{HostConfig, choice::Choice, trace::Trace, world::World};
    /// let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// let [a, b] = ["a", "b"].map(|name| world.add_host(name, HostConfig::default()));
    /// assert_ne!(a, b);
    /// ```
    pub fn add_host(&mut self, name: &str, mut config: HostConfig) -> HostId {
        let id = HostId(u32::try_from(self.machines.len()).expect("fewer than 2^32 hosts"));
        for addr in &config.addrs {
            let taken = self.owners.insert(*addr, id);
            assert!(taken.is_none(), "two hosts cannot own {addr}");
        }
        assert!(self.names.insert(name.to_owned(), id).is_none(), "two hosts cannot be named {name}");
        if let Some(before) = self.machines.last() {
            config.sysctl.share(&before.config.sysctl);
        }
        let latitude = self.choice.stream(Door::Latitude, name);
        self.trace.names_mut().name_host(id.0, name);
        self.machines.push(Machine {
            addrs: config.addrs.clone(),
            host: Host::new(config.clone()),
            name: name.to_owned(),
            latitude,
            timer_at: Instant::FAR,
            last_route: None,
            runs: true,
            has_lost_addrs: false,
            clock: HostClock::TRUE,
            idle: power::Idle::Off,
            config,
        });
        id
    }

    /// The current moment.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// use twinsock_sim::world::Alarm;
    /// world.schedule(Instant::from_nanos(5), Alarm(1));
    /// world.step();
    /// assert_eq!(world.now().as_nanos(), 5);
    /// ```
    #[inline]
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock to `at`, which lies before everything in the queue.
    ///
    /// # Panics
    /// If something in the queue is due before `at`, or `at` lies in the past: the driver has lost the order of things.
    pub(crate) fn set_now(&mut self, at: Instant) {
        assert!(at >= self.now, "time does not go back");
        assert!(self.next_due().is_none_or(|next| next >= at), "nothing due is skipped");
        self.now = at;
        self.choice.set_now(at);
    }

    /// Moves the clock to `at`, where it is known that nothing is due until then and at that moment.
    #[inline(always)]
    pub(crate) fn pass(&mut self, at: Instant) {
        debug_assert!(at >= self.now && self.is_idle_until(at), "nothing due is skipped");
        self.now = at;
        self.choice.set_now(at);
    }

    /// Moves the clock to `at`, unless it is there already or past it, if nothing is due until then and at that moment.
    /// Answers whether nothing is.
    #[inline(always)]
    pub(crate) fn pass_until(&mut self, at: Instant) -> bool {
        if !self.is_idle_until(at) && !self.is_idle_for_ever() {
            return false;
        }
        self.now = self.now.max(at);
        self.choice.set_now(self.now);
        true
    }

    /// Whether nothing in the queue is due until `at` or at that moment. At the end of time the answer may be `false` although nothing is.
    #[inline]
    #[must_use]
    pub(crate) fn is_idle_until(&self, at: Instant) -> bool {
        self.queue.is_idle_until(at) & self.timers.is_idle_until(at)
    }

    /// Whether nothing is due now. At the end of time that is not so if something is due then.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_idle_now(&self) -> bool {
        self.is_idle_until(self.now) || self.now == Instant::FAR && self.is_idle_for_ever()
    }

    /// Whether nothing will ever happen.
    #[cold]
    fn is_idle_for_ever(&self) -> bool {
        self.next_due().is_none()
    }

    /// The moment of the next thing that is due, if it is before the end of time.
    #[inline(always)]
    #[must_use]
    pub(crate) fn next_at(&self) -> Instant {
        self.queue.next_at().min(self.timers.first_at())
    }

    /// The moment of the next thing that is due.
    #[inline]
    #[must_use]
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let at = self.next_at();
        // At the end of time, or never.
        if at == Instant::FAR { self.queue.peek() } else { Some(at) }
    }

    /// How many hosts there are.
    #[must_use]
    pub(crate) fn host_count(&self) -> usize {
        self.machines.len()
    }

    /// The kernel of a host.
    #[must_use]
    pub(crate) fn host(&self, id: HostId) -> &Host {
        &self.machines[id.index()].host
    }

    /// The kernel of a host, for what has no consequences that the world would have to carry: constants, limits, credentials.
    pub(crate) fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.machines[id.index()].host
    }

    /// Sets a constant of a host's kernel, for all time: `sysctl.d(5)`.
    ///
    /// # Errors
    /// `ENOENT`: there is none of that name. `EINVAL`: it cannot have that value.
    pub(crate) fn set_sysctl(&mut self, id: HostId, name: &str, value: &str) -> twinsock::Result<()> {
        let machine = &mut self.machines[id.index()];
        machine.config.sysctl.set(name, value)?;
        machine.host.sysctl_mut().set(name, value)
    }

    /// The name of a host.
    ///
    /// ```
    /// use twinsock_sim::{HostConfig, choice::Choice, trace::Trace, world::World};
    /// let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// let host = world.add_host("a", HostConfig::default());
    /// assert_eq!(world.host_name(host), "a");
    /// ```
    #[must_use]
    pub fn host_name(&self, id: HostId) -> &str {
        &self.machines[id.index()].name
    }

    /// The addresses of a host, besides loopback.
    #[must_use]
    pub(crate) fn addrs(&self, id: HostId) -> &[IpAddr] {
        &self.machines[id.index()].addrs
    }

    /// What happened so far.
    #[must_use]
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Everything that was recorded, with the addresses of the hosts.
    pub(crate) fn take_recording(&mut self) -> Option<Recording> {
        let addrs = self.machines.iter().map(|machine| machine.addrs.clone()).collect();
        self.trace.take_recording(addrs)
    }

    /// The record of what happens, for the driver's own events.
    #[inline]
    pub(crate) fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// The one source of chance.
    #[must_use]
    pub(crate) fn choice(&self) -> &Choice {
        &self.choice
    }

    /// What every host has gone through. It is kept from the first time that somebody asks for it, which is best done before anything happens.
    pub(crate) fn chains_mut(&mut self) -> &mut Chains {
        if self.chains.is_none() {
            self.chains = Some(Box::default());
            self.refresh_all();
        }
        self.chains.get_or_insert_default()
    }

    /// The one source of chance, for the driver's own doors.
    pub(crate) fn choice_mut(&mut self) -> &mut Choice {
        &mut self.choice
    }

    /// Makes a process on a host.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// assert_eq!(pid, twinsock_sim::host::Pid(1));
    /// ```
    pub fn spawn_process(&mut self, at: HostId, credentials: Credentials) -> Pid {
        self.machines[at.index()].host.spawn_process(credentials)
    }

    /// Begins a system call of a process. `token` names the waiter if the call parks.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// # let mut udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(world.begin(host, pid, Token(1), &mut udp));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(world.begin(host, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = world.begin(host, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// assert_eq!(op.what().to_string(), "recv on fd 0");
    /// # drop(world.interrupt(host, op));
    /// ```
    #[inline(always)]
    pub fn begin(&mut self, at: HostId, pid: Pid, token: Token, call: &mut Call<'_, '_>) -> Progress {
        let (host, mut luck, now) = self.kernel(at);
        // A descriptor more is nothing that anybody hears of.
        let has_consequences = !matches!(call, Call::Socket { .. });
        let progress = host.begin(&mut Cx { now, luck: &mut luck }, pid, token, call);
        if has_consequences {
            self.follow(at);
        }
        progress
    }

    /// Goes on with a parked call, after its waiter was woken or its deadline passed.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// # let mut udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(world.begin(host, pid, Token(1), &mut udp));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(world.begin(host, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = world.begin(host, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// drop(world.begin(host, pid, Token(8), &mut Call::Sendto { fd: 0, data: b"x", flags: 0, addr: Some(addr.as_bytes()) }));
    /// assert_eq!(world.poll_wake(), Some(Token(7)));
    /// assert!(matches!(world.resume(host, op, &mut recv), Progress::Done(Ok(1))));
    /// ```
    #[inline]
    pub fn resume(&mut self, at: HostId, op: Op, call: &mut Call<'_, '_>) -> Progress {
        self.on_host(at, |host, cx| host.resume(cx, op, call))
    }

    /// Makes an operation of a call that waits on the short way, see [`Host::take_up`].
    pub(crate) fn take_up(&mut self, at: HostId, quiet: QuietCall) -> Op {
        self.machines[at.index()].host.take_up(quiet)
    }

    /// A thread that waits in a parked call is sent a signal.
    pub(crate) fn signal(&mut self, at: HostId, op: &Op) {
        self.host_mut(at).signal_local(op);
    }

    /// Ends a parked call as a signal does.
    ///
    /// # Errors
    /// `EINTR`, unless something was done already: then the answer is how much.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// # let mut udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(world.begin(host, pid, Token(1), &mut udp));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(world.begin(host, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = world.begin(host, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// assert_eq!(world.interrupt(host, op), Err(twinsock::Errno::INTR));
    /// ```
    pub fn interrupt(&mut self, at: HostId, op: Op) -> twinsock::Result<usize> {
        self.on_host(at, |host, cx| host.interrupt(cx, op))
    }

    /// Ends a process: its descriptors are closed in the order of their numbers, as by `exit(2)`.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// drop(world.begin(host, pid, Token(1), &mut Call::Pipe2 { flags: 0, out: &mut [0; 2] }));
    /// world.exit_process(host, pid);
    /// let progress = world.begin(host, pid, Token(1), &mut Call::Close { fd: 0 });
    /// assert!(matches!(progress, Progress::Done(Err(_))), "it has ended");
    /// ```
    pub fn exit_process(&mut self, at: HostId, pid: Pid) {
        while self.on_host(at, |host, cx| host.exit_process(cx, pid)) {}
    }

    /// Puts an alarm of the driver's into the queue.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// use twinsock_sim::world::Alarm;
    /// [2, 1].map(|nanos| world.schedule(Instant::from_nanos(nanos), Alarm(nanos)));
    /// assert_eq!([world.step(), world.step()], [Some(Some(Alarm(1))), Some(Some(Alarm(2)))]);
    /// ```
    pub fn schedule(&mut self, at: Instant, alarm: Alarm) {
        self.queue.push(at.max(self.now), Due::Alarm(alarm));
    }

    /// The same of one that is due shortly: the turn of a thread.
    #[inline(never)]
    pub(crate) fn schedule_turn(&mut self, at: Instant, alarm: Alarm) {
        self.queue.push_short(at.max(self.now), Due::Alarm(alarm));
    }

    /// Whether there is a waiter to be woken.
    #[inline]
    #[must_use]
    pub(crate) fn has_woken(&self) -> bool {
        !self.wakes.is_empty()
    }

    /// The next waiter to be woken.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// # let mut udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(world.begin(host, pid, Token(1), &mut udp));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(world.begin(host, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = world.begin(host, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// drop(world.begin(host, pid, Token(8), &mut Call::Sendto { fd: 0, data: b"x", flags: 0, addr: Some(addr.as_bytes()) }));
    /// # drop(op);
    /// assert_eq!((world.poll_wake(), world.poll_wake()), (Some(Token(7)), None));
    /// ```
    #[inline]
    pub fn poll_wake(&mut self) -> Option<Token> {
        self.wakes.pop()
    }

    /// Lets the next thing in the queue happen, at its moment. An alarm is handed back for the driver to act on.
    ///
    /// Returns `None` if the queue is empty, `Some(None)` if the world itself dealt with what was due.
    ///
    /// # Panics
    /// If the queue went back in time: a bug here.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// assert_eq!(world.step(), None, "nothing will ever happen");
    /// world.schedule(Instant::from_nanos(5), twinsock_sim::world::Alarm(1));
    /// assert!(world.step().is_some() && world.now().as_nanos() == 5);
    /// ```
    pub fn step(&mut self) -> Option<Option<Alarm>> {
        match self.happen(|_| None)? {
            Happened::Alarm(alarm) => return Some(Some(alarm)),
            Happened::Woken(token) => self.wakes.push(token),
            Happened::Ended(_) => unreachable!("no receive may end"),
            Happened::Something => {}
        }
        Some(None)
    }

    /// A host's timers that are due go off; if none is, the next one is waited for.
    fn run_timers(&mut self, id: HostId) {
        let (at, machine) = (self.now, &mut self.machines[id.index()]);
        if machine.host.poll_timeout().is_some_and(|due| due <= machine.clock.own(at)) {
            self.trace.record(Event { at, place: Place::host(id.0), what: What::Timer });
            self.on_host(id, |host, cx| host.handle_timeout(cx));
        } else {
            self.follow_timer(id);
        }
    }

    /// Does something to a host's kernel and carries its consequences.
    #[inline(always)]
    fn on_host<R>(&mut self, id: HostId, act: impl FnOnce(&mut Host, &mut Cx<'_>) -> R) -> R {
        let (host, mut luck, now) = self.kernel(id);
        let result = act(host, &mut Cx { now, luck: &mut luck });
        self.follow(id);
        result
    }

    /// A host's kernel, its luck and its time. What is done to it is to be followed, if it may have sent something or woken somebody, or at least its timer is, if one
    /// may have come to be earlier ([`World::follow_timer`]).
    #[inline(always)]
    fn kernel(&mut self, id: HostId) -> (&mut Host, LuckOf<'_>, Instant) {
        let machine = &mut self.machines[id.index()];
        (&mut machine.host, LuckOf::new(&mut self.choice, machine.latitude), machine.clock.own(self.now))
    }
}
