//! The body of the fuzz target `calls`: threads of processes on two hosts make the system calls that the input says; those that wait are woken, time out, are
//! interrupted by signals, or lose their process, while packets between the hosts are lost, copied and held back.
//!
//! The first byte says how lucky kernels are, each step is a byte that says which kind, then the kind's own bytes. Whatever happens,
//!
//! - nothing panics, and the hosts come to rest at every instant,
//! - an error is an errno of Linux; what is sent or received is no more than was given or has room,
//! - a call on a number that is no descriptor fails, a new descriptor is the lowest free number, and no call makes or closes another,
//! - `poll` and its like answer as many files as they say, and only what was asked for,
//! - once its processes have ended and time has passed, a host has forgotten all sockets and timers.

mod ask;

use super::input::Input;
use ask::{Ask, FDS, Verb};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use twinsock::consts::{
    AF_INET, AF_INET6, AF_UNIX, F_GETFD, F_SETFL, MSG_OOB, MSG_TRUNC, O_CREAT, O_RDWR, POLLERR, POLLHUP, POLLNVAL, SOCK_STREAM,
};
use twinsock::raw::{EpollEvent, RawFd};
use twinsock::{Errno, Instant, Result, SocketAddr};
use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Op, Pid, Progress, Token};
use twinsock_sim::packet::{Latitude, Luck, Packet};

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut scene = Scene::new(input.byte());
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        step(&mut scene, &mut input);
    }
    scene.end();
}

const STEPS_MAX: usize = 300;
/// How many packets and wakes there may be at one instant.
const AT_ONCE_MAX: usize = 20_000;
/// How many timers may go off in one stretch of time.
const TIMERS_MAX: usize = 20_000;
/// How long everything is forgotten after the last process has ended: orphans, TIME_WAIT.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(4000);
const THREADS: usize = 8;
/// One past the largest errno of Linux, and the end of its numbers for its own use (`ERESTARTSYS` and others).
const ERRNO_END: i32 = 134;

/// What happens next.
fn step(scene: &mut Scene, input: &mut Input<'_>) {
    let kind = input.byte();
    match kind % 32 {
        0..=21 => {
            let proc = scene.some_proc(input);
            let ask = Ask::draw(input);
            scene.begin(proc, ask);
        }
        22 => {
            let (near, far) = (scene.some_proc(input), scene.some_proc(input));
            scene.pair(near, far, kind & 0x80 != 0).ok();
        }
        23 | 24 => {
            let duration = Duration::from_millis(u64::from(input.sixteen()));
            scene.pass(duration);
        }
        25 => scene.pass_to_next_timer(),
        26 => {
            let at = usize::from(input.byte());
            scene.interrupt(at, kind & 0x80 != 0);
        }
        27 => scene.wake_in_vain(usize::from(input.byte())),
        28 => scene.network = input.pick(&[Way::Open, Way::Held, Way::Lossy, Way::Doubling]),
        29 => scene.release(kind & 0x80 != 0),
        30 => {
            let proc = scene.some_proc(input);
            scene.file(proc, input);
        }
        _ => {
            let at = usize::from(input.byte());
            scene.end_process(at % PROCS, kind & 0x80 != 0);
        }
    }
}

/// A process, by its host and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Proc {
    host: usize,
    pid: Pid,
}

const PROCS: usize = 4;

/// What befalls packets between the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// They wait until they are released.
    Held,
    /// Every other one is lost.
    Lossy,
    /// Each arrives twice.
    Doubling,
}

/// A thread whose call waits.
struct Thread {
    token: Token,
    proc: Proc,
    ask: Ask,
    op: Op,
    is_woken: bool,
}

/// Luck of a kind: always 0, or numbers that follow each other without an order that is easily seen.
struct Dice(u64);

impl Luck for Dice {
    fn below(&mut self, _what: Latitude, n: u32) -> u32 {
        if self.0 == 0 {
            return 0;
        }
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(n)).expect("it is below 32 bits")
    }
}

/// Two hosts, their processes and threads, and the network between them.
struct Scene {
    hosts: [Host; 2],
    procs: [Proc; PROCS],
    threads: Vec<Thread>,
    now: Instant,
    luck: Dice,
    network: Way,
    held: VecDeque<Packet>,
    passed: u64,
    tokens: u64,
}

impl Scene {
    fn new(luck: u8) -> Scene {
        let host = |n: u8| {
            let v6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n.into());
            let addrs = vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), IpAddr::V6(v6)];
            Host::new(HostConfig { addrs, ..HostConfig::default() })
        };
        let mut hosts = [host(1), host(2)];
        let procs = [0, 0, 1, 1].map(|host| Proc { host, pid: spawn(&mut hosts[host]) });
        Scene {
            hosts,
            procs,
            threads: Vec::new(),
            now: Instant::from_nanos(1_000_000),
            luck: Dice(luck.into()),
            network: Way::Open,
            held: VecDeque::new(),
            passed: 0,
            tokens: 0,
        }
    }

    fn some_proc(&self, input: &mut Input<'_>) -> Proc {
        self.procs[usize::from(input.byte()) % PROCS]
    }

    /// Does something to a host's kernel, and carries what follows from it.
    fn on<R>(&mut self, host: usize, act: impl FnOnce(&mut Host, &mut Cx<'_>) -> R) -> R {
        let result = act(&mut self.hosts[host], &mut Cx { now: self.now, luck: &mut self.luck });
        self.carry();
        result
    }

    /// Carries packets and notes wakes until there are none.
    fn carry(&mut self) {
        for _ in 0..AT_ONCE_MAX {
            let mut cx = Cx { now: self.now, luck: &mut self.luck };
            if let Some(token) = self.hosts.iter_mut().find_map(Host::poll_wake) {
                // A thread that has just returned may be named once more.
                if let Some(thread) = self.threads.iter_mut().find(|thread| thread.token == token) {
                    thread.is_woken = true;
                }
                assert!(token.0 <= self.tokens, "a host names no thread that it was not told of");
                continue;
            }
            let sent = self.hosts.iter_mut().enumerate().find_map(|(at, host)| Some((at, host.poll_transmit(&mut cx)?)));
            let Some((sender, packet)) = sent else { return };
            self.passed += 1;
            if self.hosts[sender].owns(packet.dst) {
                self.hosts[sender].handle_packet(&mut cx, packet);
                continue;
            }
            match self.network {
                Way::Held => self.held.push_back(packet),
                Way::Lossy if self.passed.is_multiple_of(2) => {}
                Way::Open | Way::Lossy => self.arrive(packet),
                Way::Doubling => {
                    self.arrive(packet.clone());
                    self.arrive(packet);
                }
            }
        }
        panic!("the hosts come to rest");
    }

    /// A packet is where it goes; one to many is where it did not come from.
    fn arrive(&mut self, packet: Packet) {
        let mut cx = Cx { now: self.now, luck: &mut self.luck };
        let receives = |host: &&mut Host| host.joined(packet.dst) && !host.owns(packet.src);
        if let Some(host) = self.hosts.iter_mut().find(receives) {
            host.handle_packet(&mut cx, packet);
        }
    }

    fn release(&mut self, is_reversed: bool) {
        self.network = Way::Open;
        let mut held = std::mem::take(&mut self.held);
        while let Some(packet) = if is_reversed { held.pop_back() } else { held.pop_front() } {
            self.arrive(packet);
            self.carry();
        }
        self.run_woken();
    }

    /// A thread makes a call.
    fn begin(&mut self, proc: Proc, mut ask: Ask) -> Option<Result<usize>> {
        self.tokens += 1;
        let token = Token(self.tokens);
        let before = self.descriptors(proc);
        let progress = self.on(proc.host, |host, cx| ask.with(|call| host.begin(cx, proc.pid, token, call)));
        let result = match progress {
            Progress::Done(result) => {
                self.check(proc, &ask, result, &before);
                Some(result)
            }
            Progress::Parked(op) => {
                let is_woken = false;
                self.threads.push(Thread { token, proc, ask, op, is_woken });
                None
            }
        };
        if self.threads.len() > THREADS {
            self.interrupt(0, false);
        }
        self.run_woken();
        result
    }

    /// The threads that were woken go on, and those whose time is over, until there are none.
    fn run_woken(&mut self) {
        for _ in 0..AT_ONCE_MAX {
            let is_due = |thread: &Thread| thread.is_woken || thread.op.deadline().is_some_and(|at| at <= self.now);
            let Some(at) = self.threads.iter().position(is_due) else { return };
            self.resume(at);
        }
        panic!("threads come to rest");
    }

    fn resume(&mut self, at: usize) {
        let Thread { token, proc, mut ask, op, .. } = self.threads.remove(at);
        let before = self.descriptors(proc);
        let is_late = op.deadline().is_some_and(|deadline| deadline <= self.now);
        assert!(!self.hosts[proc.host].describe(&op).is_empty(), "a call that waits has a name");
        match self.on(proc.host, |host, cx| ask.with(|call| host.resume(cx, op, call))) {
            Progress::Done(result) => self.check(proc, &ask, result, &before),
            Progress::Parked(op) => {
                assert!(!is_late || op.deadline().is_none_or(|at| at > self.now), "a call whose time is over returns: {ask:?}");
                self.threads.insert(at, Thread { token, proc, ask, op, is_woken: false });
            }
        }
    }

    /// A thread goes on that nobody has woken: its call looks, and waits on.
    fn wake_in_vain(&mut self, at: usize) {
        if !self.threads.is_empty() {
            self.resume(at % self.threads.len());
            self.run_woken();
        }
    }

    /// A signal ends a call; with `restarts`, its handler was installed with `SA_RESTART`.
    fn interrupt(&mut self, at: usize, restarts: bool) {
        if self.threads.is_empty() {
            return;
        }
        let Thread { proc, ask, op, .. } = self.threads.remove(at % self.threads.len());
        let begins_again = restarts && op.restarts();
        let before = self.descriptors(proc);
        let result = self.on(proc.host, |host, cx| host.interrupt(cx, op));
        if begins_again {
            self.begin(proc, ask);
        } else {
            self.check(proc, &ask, result, &before);
        }
        self.run_woken();
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..TIMERS_MAX {
            let Some(at) = self.next_moment().filter(|at| *at <= end) else {
                self.now = self.now.max(end);
                return;
            };
            self.now = self.now.max(at);
            for host in 0..2 {
                self.on(host, Host::handle_timeout);
            }
            self.run_woken();
        }
        panic!("timers come to rest");
    }

    /// When the next timer goes off, or the next call gives up.
    fn next_moment(&self) -> Option<Instant> {
        let timers = self.hosts.iter().filter_map(Host::poll_timeout);
        timers.chain(self.threads.iter().filter_map(|thread| thread.op.deadline())).min()
    }

    fn pass_to_next_timer(&mut self) {
        if let Some(at) = self.next_moment() {
            self.pass(at.since(self.now));
        }
    }

    /// The numbers that are descriptors.
    fn descriptors(&mut self, proc: Proc) -> BTreeSet<RawFd> {
        let mut cx = Cx { now: self.now, luck: &mut self.luck };
        let host = &mut self.hosts[proc.host];
        let mut is_open = |fd: &RawFd| {
            let asked = host.begin(&mut cx, proc.pid, Token(0), &mut Call::Fcntl { fd: *fd, command: F_GETFD, argument: 0 });
            matches!(asked, Progress::Done(Ok(_)))
        };
        (0..FDS).filter(&mut is_open).collect()
    }

    /// Whether a call's answer is one that the man pages allow.
    fn check(&mut self, proc: Proc, ask: &Ask, result: Result<usize>, before: &BTreeSet<RawFd>) {
        let after = self.descriptors(proc);
        let count = match result {
            Ok(count) => count,
            Err(errno) => {
                assert!((1..ERRNO_END).contains(&errno.raw()), "{} is no errno for programs: {ask:?}", errno.raw());
                let may_close = ask.verb == Verb::Close && errno != Errno::BADF;
                assert!(may_close || &after == before, "a call that fails makes no descriptor: {errno} {ask:?}");
                return;
            }
        };
        let asked = ask.verb;
        // The urgent byte of a local stream counts where there is no room for it, too, `unix_stream_recv_urg`.
        let limit = ask.data.len().max(usize::from(ask.ints[0] & MSG_OOB != 0));
        let made: Vec<RawFd> = after.difference(before).copied().collect();
        let gone: Vec<RawFd> = before.difference(&after).copied().collect();
        assert!(gone.is_empty() || asked == Verb::Close && gone == [ask.fd], "{ask:?} closes {gone:?}");
        match asked {
            Verb::Socket | Verb::Dup | Verb::EpollCreate1 => self.is_lowest(proc, &made, &[count], before),
            Verb::Accept4 => assert_eq!(made, [number(count)], "a new descriptor is open: {ask:?}"),
            Verb::Socketpair | Verb::Pipe2 => {
                let out = ask.out.map(|fd| usize::try_from(fd).expect("a descriptor is not negative"));
                self.is_lowest(proc, &made, &out, before);
            }
            Verb::Dup3 => {
                assert!(count == usize::try_from(ask.other).expect("it is one") && made.iter().all(|fd| *fd == ask.other))
            }
            Verb::Fcntl => assert!(made.is_empty() || made == [number(count)], "{ask:?} makes {made:?}"),
            // What it passes on is in the control messages, however many there were.
            Verb::Recvmsg => {
                assert!(ask.control_len <= ask.control.len(), "control messages have room: {ask:?}");
                assert!(count <= limit || ask.ints[0] & MSG_TRUNC != 0, "no more than there is room for: {count} {ask:?}");
            }
            Verb::Recvfrom | Verb::Read | Verb::Readv => {
                assert!(count <= limit || ask.ints[0] & MSG_TRUNC != 0, "no more than there is room for: {count} {ask:?}");
            }
            Verb::Sendto | Verb::Sendmsg | Verb::Write | Verb::Writev => {
                assert!(count <= ask.data.len(), "no more than there was: {count} {ask:?}");
            }
            Verb::Poll => is_poll_answer(ask, count),
            Verb::Select => {
                let bits = ask.sets.iter().map(|set| set.words().iter().map(|word| word.count_ones()).sum::<u32>()).sum::<u32>();
                assert_eq!(usize::try_from(bits), Ok(count), "select counts bits: {ask:?}");
            }
            Verb::EpollWait => {
                assert!(count <= ask.events.len(), "no more events than there is room for: {count} {ask:?}");
                let is_event = |event: &EpollEvent| event.events != 0 && event.data == 7;
                assert!(ask.events[..count].iter().all(is_event), "an event is one: {ask:?}");
            }
            Verb::Getsockopt | Verb::Getsockname | Verb::Getpeername => assert!(ask.len >= 0, "a length is one: {ask:?}"),
            Verb::Bind
            | Verb::Listen
            | Verb::Connect
            | Verb::Shutdown
            | Verb::Setsockopt
            | Verb::Close
            | Verb::EpollCtl
            | Verb::Ioctl => assert!(made.is_empty(), "{ask:?} makes {made:?}"),
        }
        let is_of_one_file =
            !matches!(asked, Verb::Socket | Verb::Socketpair | Verb::Pipe2 | Verb::EpollCreate1 | Verb::Poll | Verb::Select);
        // A call that waited holds its file, whatever becomes of the number.
        assert!(!is_of_one_file || ask.fd >= 0, "a call on no descriptor fails: {ask:?}");
    }

    /// New descriptors are the lowest numbers that are free, but for those that calls which wait have reserved.
    fn is_lowest(&self, proc: Proc, made: &[RawFd], answered: &[usize], before: &BTreeSet<RawFd>) {
        let mut answered: Vec<RawFd> = answered.iter().copied().map(number).collect();
        answered.sort_unstable();
        assert_eq!(made, answered, "what is answered is what is new");
        let reserved = self.threads.iter().filter(|thread| thread.proc == proc && thread.ask.verb == Verb::Accept4).count();
        let last = answered.last().expect("there is a new descriptor");
        let below = (0..*last).filter(|fd| !before.contains(fd) && !answered.contains(fd)).count();
        assert!(below <= reserved, "{answered:?} are the lowest beside {before:?}");
    }

    /// A connection between two processes, if nothing stands in its way: random calls alone seldom make one.
    fn pair(&mut self, near: Proc, far: Proc, is_v6: bool) -> Result<()> {
        let addr = match is_v6 {
            true => IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, [1, 2][far.host])),
            false => IpAddr::V4(Ipv4Addr::new(10, 0, 0, [1, 2][far.host])),
        };
        let addr = SocketAddr::inet(addr, 7).encode().expect("an inet address has bytes");
        let listener = self.socket(far, is_v6)?;
        self.call(far, &mut Call::Bind { fd: listener, addr: addr.as_bytes() })?;
        self.call(far, &mut Call::Listen { fd: listener, backlog: 1 })?;
        let fd = self.socket(near, is_v6)?;
        self.call(near, &mut Call::Connect { fd, addr: addr.as_bytes() }).ok();
        self.call(far, &mut Call::Accept4 { fd: listener, name: None, flags: 0 }).ok();
        self.call(far, &mut Call::Close { fd: listener })?;
        self.call(near, &mut Call::Fcntl { fd, command: F_SETFL, argument: 0 }).map(drop)
    }

    fn socket(&mut self, proc: Proc, is_v6: bool) -> Result<RawFd> {
        let domain = if is_v6 { AF_INET6 } else { AF_INET };
        self.call(proc, &mut Call::Socket { domain, kind: SOCK_STREAM, protocol: 0 }).map(number)
    }

    /// Makes a call that does not wait: a signal ends it.
    fn call(&mut self, proc: Proc, call: &mut Call<'_, '_>) -> Result<usize> {
        let result = match self.on(proc.host, |host, cx| host.begin(cx, proc.pid, Token(0), call)) {
            Progress::Done(result) => result,
            Progress::Parked(op) => self.on(proc.host, |host, cx| host.interrupt(cx, op)),
        };
        self.run_woken();
        result
    }

    /// A plain file, and what is done with its name.
    fn file(&mut self, proc: Proc, input: &mut Input<'_>) {
        let path = input.pick(&[b"/tmp/a".as_slice(), b"/tmp/f", b"/tmp/none/x"]);
        let act = input.byte();
        self.on(proc.host, |host, _| match act % 3 {
            0 => host.open(proc.pid, path, O_RDWR | O_CREAT, 0o600).map(drop),
            1 => host.unlink(proc.pid, path),
            _ => host.access(proc.pid, path),
        })
        .ok();
        self.run_woken();
    }

    /// A process ends, by itself or with its machine's power, and another comes in its place.
    fn end_process(&mut self, at: usize, silently: bool) {
        let proc = self.procs[at];
        if silently {
            self.on(proc.host, |host, _| host.kill_silently(proc.pid));
        }
        while let Some(at) = self.threads.iter().position(|thread| thread.proc == proc) {
            let Thread { mut ask, op, .. } = self.threads.remove(at);
            if silently {
                let progress = self.on(proc.host, |host, cx| ask.with(|call| host.resume(cx, op, call)));
                let Progress::Parked(op) = progress else { continue };
                // It waits for a file that others have, too.
                self.on(proc.host, |host, cx| host.interrupt(cx, op)).ok();
            } else {
                self.on(proc.host, |host, cx| host.interrupt(cx, op)).ok();
            }
        }
        while self.on(proc.host, |host, cx| host.exit_process(cx, proc.pid)) {}
        let gone = self.call(proc, &mut Call::Dup { fd: 0 });
        assert_eq!(gone, Err(Errno::BADF), "a process that has ended has no descriptors");
        self.procs[at].pid = spawn(&mut self.hosts[proc.host]);
        self.run_woken();
    }

    /// All processes end, and time passes until nobody knows of them.
    fn end(&mut self) {
        for host in &self.hosts {
            let lines = host.netstat(self.now);
            assert!(lines.iter().all(|line| !line.to_string().is_empty()), "a socket has a line");
        }
        for at in 0..PROCS {
            self.end_process(at, false);
        }
        // Sockets that are left in each other's queues alone are looked for when the next one is freed, `unix_release_sock`.
        for proc in self.procs {
            if let Ok(fd) = self.call(proc, &mut Call::Socket { domain: AF_UNIX, kind: SOCK_STREAM, protocol: 0 }).map(number) {
                self.call(proc, &mut Call::Close { fd }).expect("the descriptor is open");
            }
        }
        self.release(false);
        self.pass(FORGOTTEN_AFTER);
        for host in &self.hosts {
            assert_eq!(host.netstat(self.now), [], "a host forgets its sockets");
            assert_eq!(host.poll_timeout(), None, "no timer is left");
        }
    }
}

fn spawn(host: &mut Host) -> Pid {
    let pid = host.spawn_process(Credentials::default());
    host.set_rlimit_nofile(pid, u32::try_from(FDS).expect("it is small"));
    pid
}

fn number(count: usize) -> RawFd {
    RawFd::try_from(count).expect("a descriptor is an int")
}

fn is_poll_answer(ask: &Ask, count: usize) {
    let told = ask.fds.iter().filter(|entry| entry.revents != 0);
    assert_eq!(told.clone().count(), count, "poll counts entries: {ask:?}");
    let unasked = i16::try_from(POLLERR | POLLHUP | POLLNVAL).expect("the flags fit short");
    assert!(
        told.clone().all(|entry| entry.revents & !(entry.events | unasked) == 0 && entry.fd >= 0),
        "only what was asked for: {ask:?}"
    );
}
