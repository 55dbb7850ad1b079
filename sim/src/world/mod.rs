//! The driver's ground: a clock, hosts, the links between them, and the queue of what will happen.
//!
//! The world moves packets from host to host in virtual time. It knows nothing of processes: whoever drives it begins and resumes
//! calls on hosts, is told which waiters to wake ([`World::poll_wake`]), and may put alarms of its own into the queue. A test can
//! drive it by hand, without any process; `process` is the driver that runs programs.

mod chains;
pub mod event;
mod group;
mod short;

use crate::choice::{Choice, Door, LuckOf, StreamId};
use crate::host::fifo::Fifo;
use crate::host::{Call, Credentials, Cx, Host, HostConfig, Op, Pid, Progress, QuietRecv, Token};
use crate::link::{Direction, Link, Verdict};
use crate::packet::{Body, Icmp, IcmpError, Packet};
use crate::trace::{Event, Label, Place, Trace, What};
pub use chains::Chains;
use event::EventQueue;
use std::collections::BTreeMap;
use std::net::IpAddr;
use twinsock::Instant;

/// A host of the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(pub u32);

impl HostId {
    #[inline]
    fn index(self) -> usize {
        index(self.0)
    }
}

/// Something of the driver's own that is due at a moment: the world hands it back and does not look inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarm(pub u64);

/// What the queue holds: each a word, so that it goes through it in registers.
enum Due {
    /// A packet reaches a host.
    Arrival(Landing),
    /// A host's earliest timer.
    Timer(TimerOf),
    /// The driver's.
    Alarm(Alarm),
}

impl Due {
    /// A packet, kept in `in_flight` under this number, reaches a host.
    #[inline]
    fn arrival(to: HostId, slot: u32) -> Due {
        Due::Arrival(Landing(u64::from(to.0) << 32 | u64::from(slot)))
    }
}

/// Where a packet arrives, and its number in `in_flight`.
#[derive(Clone, Copy)]
struct Landing(u64);

impl Landing {
    #[inline]
    fn to(self) -> HostId {
        HostId(u32::try_from(self.0 >> 32).expect("the high half is 32 bits"))
    }

    #[inline]
    fn slot(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).expect("the low half is 32 bits")
    }
}

/// A host, by its number.
#[derive(Clone, Copy)]
struct TimerOf(u64);

impl TimerOf {
    fn new(host: HostId) -> TimerOf {
        TimerOf(u64::from(host.0))
    }

    fn host(self) -> HostId {
        HostId(u32::try_from(self.0).expect("a host's number is 32 bits"))
    }
}

/// One direction between two hosts.
struct Path {
    link: Link,
    /// How many nanoseconds a packet of a few bytes is under way if nothing else can become of it; `u64::MAX`: ask the link.
    express_ns: u64,
    to: HostId,
    /// The stream of chance that decides what the wire does to packets of this direction.
    wire: StreamId,
    direction: Direction,
}

impl Path {
    fn new(link: Link, to: HostId, wire: StreamId) -> Path {
        let mut path = Path { link: Link::new(), express_ns: u64::MAX, to, wire, direction: Direction::new() };
        path.set_link(link);
        path
    }

    fn set_link(&mut self, link: Link) {
        let delay = link.express_delay().filter(|_| link.mtu_bytes >= Packet::SMALL_FRAME_MAX_BYTES);
        self.express_ns = delay.and_then(|delay| u64::try_from(delay.as_nanos()).ok()).unwrap_or(u64::MAX);
        self.link = link;
    }
}

/// A host and what the world keeps about it.
struct Machine {
    host: Host,
    name: String,
    addrs: Vec<IpAddr>,
    latitude: StreamId,
    /// The moment for which a `Due::Timer` of this host is in the queue; [`Instant::FAR`] if there is none.
    timer_at: Instant,
    /// Where the last packet went, so that a conversation looks its path up once.
    last_route: Option<(IpAddr, usize)>,
}

/// The packets on their way, apart from the queue, whose entries stay small. Packets are written and read in their places here.
#[derive(Default)]
struct InFlight {
    slots: Vec<Packet>,
    /// What the trace knows of each since it was sent; a packet that is written anew, or changed, loses it.
    labels: Vec<Label>,
    free: Vec<u32>,
}

impl InFlight {
    /// The place for the next packet: the same one until it is taken.
    #[inline]
    fn place(&mut self) -> (u32, &mut Packet) {
        let (slot, packet, label) = self.place_and_label();
        label.forget();
        (slot, packet)
    }

    /// The same for a packet that gets its label at once.
    #[inline]
    fn place_and_label(&mut self) -> (u32, &mut Packet, &mut Label) {
        let slot = self.free.last().copied().unwrap_or_else(|| self.grow());
        (slot, &mut self.slots[index(slot)], &mut self.labels[index(slot)])
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 packets are on their way");
        self.slots.push(Packet::EMPTY);
        self.labels.push(Label::default());
        self.free.push(slot);
        slot
    }

    /// The packet in the place that `place` gave is on its way.
    #[inline]
    fn take_off(&mut self) {
        self.free.pop();
    }

    /// The packet in a place has arrived: what is left of it goes.
    #[inline]
    fn land(&mut self, slot: u32) {
        let packet = &mut self.slots[index(slot)];
        if !packet.is_plain() {
            *packet = Packet::EMPTY;
        }
        self.free.push(slot);
    }
}

#[inline]
fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("a slot's number fits usize")
}

/// The clock, the hosts, the links and the queue of what will happen.
pub struct World {
    now: Instant,
    machines: Vec<Machine>,
    owners: BTreeMap<IpAddr, HostId>,
    names: BTreeMap<String, HostId>,
    default_link: Link,
    links: BTreeMap<(HostId, HostId), Link>,
    paths: Vec<Path>,
    path_index: BTreeMap<(HostId, HostId), usize>,
    queue: EventQueue<Due>,
    in_flight: InFlight,
    choice: Choice,
    wakes: Fifo<Token>,
    trace: Trace,
    /// Kept if somebody asks for it.
    chains: Option<Box<Chains>>,
}

impl World {
    /// An empty world at time zero.
    #[must_use]
    pub fn new(choice: Choice, trace: Trace) -> World {
        World {
            now: Instant::ZERO,
            machines: Vec::new(),
            owners: BTreeMap::new(),
            names: BTreeMap::new(),
            default_link: Link::default(),
            links: BTreeMap::new(),
            paths: Vec::new(),
            path_index: BTreeMap::new(),
            queue: EventQueue::new(),
            in_flight: InFlight::default(),
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
    pub fn add_host(&mut self, name: &str, config: HostConfig) -> HostId {
        let id = HostId(u32::try_from(self.machines.len()).expect("fewer than 2^32 hosts"));
        for addr in &config.addrs {
            let taken = self.owners.insert(*addr, id);
            assert!(taken.is_none(), "two hosts cannot own {addr}");
        }
        assert!(self.names.insert(name.to_owned(), id).is_none(), "two hosts cannot be named {name}");
        let latitude = self.choice.stream(Door::Latitude, name);
        self.trace.names_mut().name_host(id.0, name);
        self.machines.push(Machine {
            addrs: config.addrs.clone(),
            host: Host::new(config),
            name: name.to_owned(),
            latitude,
            timer_at: Instant::FAR,
            last_route: None,
        });
        id
    }

    /// Sets the link of every pair of hosts that has none of its own.
    ///
    /// Pairs that have exchanged packets already take it up as well.
    pub fn set_default_link(&mut self, link: Link) {
        for (pair, index) in &self.path_index {
            if !self.links.contains_key(pair) {
                self.paths[*index].set_link(link.clone());
            }
        }
        self.default_link = link;
    }

    /// Sets the link of both directions between two hosts.
    pub fn set_link(&mut self, a: HostId, b: HostId, link: Link) {
        for pair in [(a, b), (b, a)] {
            self.links.insert(pair, link.clone());
            if let Some(index) = self.path_index.get(&pair) {
                self.paths[*index].set_link(link.clone());
            }
        }
    }

    /// The current moment.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock to `at`, which lies before everything in the queue.
    ///
    /// # Panics
    /// If something in the queue is due before `at`, or `at` lies in the past: the driver has lost the order of things.
    pub fn set_now(&mut self, at: Instant) {
        assert!(at >= self.now, "time does not go back");
        assert!(self.queue.peek().is_none_or(|next| next >= at), "nothing due is skipped");
        self.now = at;
        self.choice.set_now(at);
    }

    /// Moves the clock to `at`, unless it is there already or past it, if nothing in the queue is due until then and at that moment.
    /// Answers whether nothing is.
    #[inline]
    pub fn pass_until(&mut self, at: Instant) -> bool {
        if !self.queue.is_idle_until(at) && !self.queue.is_empty() {
            return false;
        }
        self.now = self.now.max(at);
        self.choice.set_now(self.now);
        true
    }

    /// The moment of the next thing in the queue.
    #[inline]
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.queue.peek()
    }

    /// How many hosts there are.
    #[must_use]
    pub fn host_count(&self) -> usize {
        self.machines.len()
    }

    /// The kernel of a host.
    #[must_use]
    pub fn host(&self, id: HostId) -> &Host {
        &self.machines[id.index()].host
    }

    /// The kernel of a host, for what has no consequences that the world would have to carry: constants, limits, credentials.
    pub fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.machines[id.index()].host
    }

    /// The name of a host.
    #[must_use]
    pub fn host_name(&self, id: HostId) -> &str {
        &self.machines[id.index()].name
    }

    /// The addresses of a host, besides loopback.
    #[must_use]
    pub fn addrs(&self, id: HostId) -> &[IpAddr] {
        &self.machines[id.index()].addrs
    }

    /// The addresses that `name` stands for: those of the host of that name.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&[IpAddr]> {
        self.names.get(name).map(|id| self.addrs(*id))
    }

    /// What happened so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The record of what happens, for the driver's own events.
    #[inline]
    pub fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// The one source of chance.
    #[must_use]
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// What every host has gone through. It is kept from the first time that somebody asks for it, which is best done before anything happens.
    pub fn chains_mut(&mut self) -> &mut Chains {
        self.chains.get_or_insert_default()
    }

    /// The one source of chance, for the driver's own doors.
    pub fn choice_mut(&mut self) -> &mut Choice {
        &mut self.choice
    }

    /// Makes a process on a host.
    pub fn spawn_process(&mut self, at: HostId, credentials: Credentials) -> Pid {
        self.machines[at.index()].host.spawn_process(credentials)
    }

    /// Begins a system call of a process. `token` names the waiter if the call parks.
    #[inline]
    pub fn begin(&mut self, at: HostId, pid: Pid, token: Token, call: &mut Call<'_, '_>) -> Progress {
        self.on_host(at, |host, cx| host.begin(cx, pid, token, call))
    }

    /// Goes on with a parked call, after its waiter was woken or its deadline passed.
    #[inline]
    pub fn resume(&mut self, at: HostId, op: Op, call: &mut Call<'_, '_>) -> Progress {
        self.on_host(at, |host, cx| host.resume(cx, op, call))
    }

    /// Makes an operation of a receive that waits on the short way, see [`Host::take_up`].
    pub fn take_up(&mut self, at: HostId, quiet: QuietRecv) -> Op {
        self.machines[at.index()].host.take_up(quiet)
    }

    /// Ends a parked call as a signal does.
    ///
    /// # Errors
    /// `EINTR`, unless something was done already: then the answer is how much.
    pub fn interrupt(&mut self, at: HostId, op: Op) -> twinsock::Result<usize> {
        self.on_host(at, |host, cx| host.interrupt(cx, op))
    }

    /// Ends a process: its descriptors are closed in the order of their numbers, as by `exit(2)`.
    pub fn exit_process(&mut self, at: HostId, pid: Pid) {
        while self.on_host(at, |host, cx| host.exit_process(cx, pid)) {}
    }

    /// Puts an alarm of the driver's into the queue.
    pub fn schedule(&mut self, at: Instant, alarm: Alarm) {
        self.queue.push(at.max(self.now), Due::Alarm(alarm));
    }

    /// Whether there is a waiter to be woken.
    #[inline]
    #[must_use]
    pub fn has_woken(&self) -> bool {
        !self.wakes.is_empty()
    }

    /// The next waiter to be woken.
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
    pub fn step(&mut self) -> Option<Option<Alarm>> {
        let (at, due) = self.queue.pop()?;
        assert!(at >= self.now, "time does not go back");
        self.now = at;
        self.choice.set_now(at);
        match due {
            Due::Arrival(landing) => {
                let (to, slot) = (landing.to(), landing.slot());
                if let Some(chains) = &mut self.chains {
                    chains.reached(to, at);
                }
                let packet = &mut self.in_flight.slots[index(slot)];
                self.trace.labelled_delivered(at, to.0, packet, &self.in_flight.labels[index(slot)]);
                let machine = &mut self.machines[to.index()];
                let mut luck = LuckOf::new(&mut self.choice, machine.latitude);
                machine.host.take_packet(&mut Cx { now: at, luck: &mut luck }, packet);
                self.in_flight.land(slot);
                self.follow(to);
                Some(None)
            }
            Due::Timer(of) => {
                let id = of.host();
                let machine = &mut self.machines[id.index()];
                if machine.timer_at <= at {
                    machine.timer_at = Instant::FAR;
                }
                if machine.host.poll_timeout().is_some_and(|due| due <= at) {
                    self.trace.record(Event { at, place: Place::host(id.0), what: What::Timer });
                    self.on_host(id, |host, cx| host.handle_timeout(cx));
                } else if let Some(next) = machine.host.poll_timeout() {
                    self.arm_timer(id, next);
                }
                Some(None)
            }
            Due::Alarm(alarm) => Some(Some(alarm)),
        }
    }

    /// Does something to a host's kernel and carries its consequences.
    #[inline]
    fn on_host<R>(&mut self, id: HostId, act: impl FnOnce(&mut Host, &mut Cx<'_>) -> R) -> R {
        let machine = &mut self.machines[id.index()];
        let mut luck = LuckOf::new(&mut self.choice, machine.latitude);
        let result = act(&mut machine.host, &mut Cx { now: self.now, luck: &mut luck });
        self.follow(id);
        result
    }

    /// Carries what an entry into a host's kernel has led to: packets, wakes, timers.
    #[inline(always)]
    fn follow(&mut self, id: HostId) {
        if self.machines[id.index()].host.has_output() {
            self.transmit(id);
        }
        let Machine { host, timer_at, .. } = &mut self.machines[id.index()];
        if host.has_woken() {
            while let Some(token) = host.poll_wake() {
                self.wakes.push(token);
            }
        }
        if let Some(at) = host.poll_timeout()
            && at < *timer_at
        {
            self.arm_timer(id, at);
        }
    }

    /// Sends what the host has to send. What it sends to itself arrives at once, as on Linux's loopback.
    fn transmit(&mut self, id: HostId) {
        loop {
            let machine = &mut self.machines[id.index()];
            let (slot, packet) = self.in_flight.place();
            if !machine.host.transmit_into(self.now, packet) {
                return;
            }
            self.carry(id, slot);
        }
    }

    /// Takes the packet in this place, the next one, to where it goes.
    #[inline]
    fn carry(&mut self, from: HostId, slot: u32) {
        self.in_flight.labels[index(slot)] = self.trace.packet_sent(self.now, from.0, &self.in_flight.slots[index(slot)]);
        self.carry_on(from, slot);
    }

    /// The same of a packet that is recorded already.
    fn carry_on(&mut self, from: HostId, slot: u32) {
        let packet = &self.in_flight.slots[index(slot)];
        if let Some((addr, index)) = self.machines[from.index()].last_route
            && addr == packet.dst
        {
            // The usual case of `send`.
            let path = &mut self.paths[index];
            if let Some(at) = path.link.arrival(&mut path.direction, self.now, packet.frame_bytes_at_most()) {
                self.in_flight.take_off();
                self.queue.push(at, Due::arrival(path.to, slot));
            } else {
                self.send(from, slot, index);
            }
            return;
        }
        self.send_anywhere(from, slot);
    }

    /// Sends the packet in this place, the next one, to where it has not just been sent to.
    fn send_anywhere(&mut self, from: HostId, slot: u32) {
        let machine = &mut self.machines[from.index()];
        let packet = &mut self.in_flight.slots[index(slot)];
        if machine.host.owns(packet.dst) {
            let mut luck = LuckOf::new(&mut self.choice, machine.latitude);
            // The place is still free: nothing else is written to it meanwhile.
            machine.host.take_packet(&mut Cx { now: self.now, luck: &mut luck }, packet);
            return;
        }
        let dst = packet.dst;
        match self.find_path(from, dst) {
            Some(path) => self.send(from, slot, path),
            None if group::is_for_many(dst) => self.send_to_many(from, slot),
            None => {
                // Nobody has this address: the packet is lost, as on a network without a router that objects.
                self.drop_packet(from, slot, "nobody has the address");
            }
        }
    }

    /// Puts the packet in this place, the next one, on the wire.
    fn send(&mut self, from: HostId, slot: u32, index: usize) {
        let path = &mut self.paths[index];
        let choice = &mut self.choice;
        let wire = path.wire;
        let packet = &self.in_flight.slots[self::index(slot)];
        let verdict = path.link.verdict(&mut path.direction, self.now, packet.largest_frame_bytes(), |n| choice.draw(wire, n));
        match verdict {
            Verdict::Arrives(at) => {
                self.in_flight.take_off();
                if let Some(chains) = &mut self.chains {
                    chains.sent(from, path.to, at);
                }
                self.queue.push(at, Due::arrival(path.to, slot));
            }
            Verdict::TooBig { mtu_bytes } => {
                let about = Box::new(self.drop_packet(from, slot, "larger than the link's MTU"));
                // The router before the narrow link tells the sender, RFC 1191 and RFC 8201.
                let (src, dst) = (about.dst, about.src);
                let icmp = Icmp { error: IcmpError::PacketTooBig { mtu_bytes }, about };
                let (slot, place) = self.in_flight.place();
                *place = Packet { src, dst, ttl: 64, tos: 0, body: Body::Icmp(icmp) };
                self.in_flight.take_off();
                self.queue.push(self.now, Due::arrival(from, slot));
            }
        }
    }

    /// A packet is lost.
    #[cold]
    fn drop_packet(&mut self, from: HostId, slot: u32, why: &'static str) -> Packet {
        let packet = std::mem::replace(&mut self.in_flight.slots[index(slot)], Packet::EMPTY);
        self.trace.packet_dropped(self.now, from.0, &packet, why);
        packet
    }

    /// The path from a host to an address.
    fn find_path(&mut self, from: HostId, dst: IpAddr) -> Option<usize> {
        let to = *self.owners.get(&dst)?;
        let index = self.path_between(from, to);
        self.machines[from.index()].last_route = Some((dst, index));
        Some(index)
    }

    /// The path from a host to another, made on first use.
    fn path_between(&mut self, from: HostId, to: HostId) -> usize {
        match self.path_index.get(&(from, to)) {
            Some(index) => *index,
            None => {
                let name = format!("{}/{}", self.host_name(from), self.host_name(to));
                let wire = self.choice.stream(Door::Wire, &name);
                let link = self.links.get(&(from, to)).unwrap_or(&self.default_link).clone();
                self.paths.push(Path::new(link, to, wire));
                self.path_index.insert((from, to), self.paths.len() - 1);
                self.paths.len() - 1
            }
        }
    }

    /// Puts an entry for the host's earliest timer into the queue, which has none at or before that moment.
    ///
    /// A timer that moves later, as the retransmission timer does with every segment, costs nothing here: the old entry finds
    /// nothing due and arms anew.
    #[cold]
    fn arm_timer(&mut self, id: HostId, at: Instant) {
        let machine = &mut self.machines[id.index()];
        if at < machine.timer_at {
            machine.timer_at = at;
            self.queue.push(at.max(self.now), Due::Timer(TimerOf::new(id)));
        }
    }
}
