//! Random calls under random plans. Both worlds must answer the same and be hit by the same faults, call by call.

use crate::support::Env;
use crate::support::scene::{byte_at, listener_of, pair};
use crate::support::sock::Sock;
use crate::under;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::faulty::{Fault, Faulty, FaultySocket, Injected, Plan};
use twinsock::raw::EpollEvent;
use twinsock::{
    Domain, EpollFlags, EpollOp, Errno, MsgFlags, Os, PollEvents, Protocol, SelectSet, SockFlags, SocketAddr, SocketApi, Type,
};
use twinsock_sim::Sim;

/// How many sequences are tried, unless `PROPTEST_CASES` says otherwise: a few seconds' worth.
const CASES: u32 = 600;

/// Where the sequences begin, unless `PROPTEST_RNG_SEED` says otherwise: every run tries the same ones.
const SEED: u64 = 1996;

/// For what must happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A call, mostly on one end of a connection.
#[derive(Clone, Copy, Debug)]
enum Act {
    Send {
        end: usize,
        len: usize,
        flags: MsgFlags,
    },
    SendVectored {
        end: usize,
        len: usize,
    },
    Recv {
        end: usize,
        len: usize,
        flags: MsgFlags,
    },
    RecvVectored {
        end: usize,
        len: usize,
    },
    Poll {
        end: usize,
    },
    Select {
        end: usize,
    },
    Epoll {
        end: usize,
        edge: bool,
    },
    SetNonblocking {
        end: usize,
        on: bool,
    },
    Open,
    Dup {
        end: usize,
    },
    /// A connection more: connect, accept, close.
    Connect {
        nonblocking: bool,
    },
    Accept,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let end = || 0..2usize;
    let flags = || select(vec![MsgFlags::NONE, MsgFlags::NONE, MsgFlags::DONTWAIT, MsgFlags::PEEK]);
    let act = prop_oneof![
        8 => (end(), 0..30usize, any::<bool>()).prop_map(|(end, len, wait)| {
            Act::Send { end, len, flags: if wait { MsgFlags::NONE } else { MsgFlags::DONTWAIT } }
        }),
        3 => (end(), 0..30usize).prop_map(|(end, len)| Act::SendVectored { end, len }),
        8 => (end(), 0..40usize, flags()).prop_map(|(end, len, flags)| Act::Recv { end, len, flags }),
        3 => (end(), 0..40usize).prop_map(|(end, len)| Act::RecvVectored { end, len }),
        4 => end().prop_map(|end| Act::Poll { end }),
        2 => end().prop_map(|end| Act::Select { end }),
        4 => (end(), any::<bool>()).prop_map(|(end, edge)| Act::Epoll { end, edge }),
        2 => (end(), any::<bool>()).prop_map(|(end, on)| Act::SetNonblocking { end, on }),
        2 => Just(Act::Open),
        1 => end().prop_map(|end| Act::Dup { end }),
        2 => any::<bool>().prop_map(|nonblocking| Act::Connect { nonblocking }),
        2 => Just(Act::Accept),
    ];
    prop::collection::vec(act, 1..50)
}

/// A plan with some of the faults, at rates from seldom to mostly.
fn plans() -> impl Strategy<Value = Plan> {
    let rate = (select(Fault::ERRORS.to_vec()), 1..4u32, 4..12u32);
    let rates = prop::collection::vec(rate, 1..8);
    (any::<u64>(), rates).prop_map(|(seed, rates)| {
        let plan = Plan::new(seed).watch_epoll();
        rates.into_iter().fold(plan, |plan, (fault, num, den)| plan.with(fault.rate(num, den)))
    })
}

struct Sequence<E: Env> {
    faulty: Faulty<E>,
    ends: [Sock<Faulty<E>>; 2],
    /// A level-triggered and an edge-triggered instance of each end.
    epolls: [[FaultySocket<E>; 2]; 2],
    listener: Sock<Faulty<E>>,
    addr: SocketAddr,
    sent: usize,
    /// How many bytes are on their way to each end or wait there, and how many connections in the queue.
    unread: [usize; 2],
    queued: usize,
}

impl<E: Env> Sequence<E> {
    fn new(env: &E, plan: &Plan) -> Sequence<E> {
        let (listener, addr) = listener_of(env, Domain::INET, 128);
        listener.set_nonblocking(true);
        let (client, server) = pair(env);
        for end in [&client, &server] {
            // Nagle's algorithm would hold small segments for the time of a delayed acknowledgement.
            end.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1).expect("TCP_NODELAY can be set");
        }
        let faulty = Faulty::new(env.clone(), plan.clone());
        let [client, server, listener] = under(&faulty, [client, server, listener]);
        let ends = [client, server];
        let epolls = std::array::from_fn(|end| {
            [EpollFlags::NONE, EpollFlags::ET].map(|mode| {
                let epoll = until_ok(|| faulty.epoll_create());
                let add = EpollOp::Add(EpollEvent::new(EpollFlags::IN | mode, 5));
                until_ok(|| faulty.epoll_ctl(&epoll, add, &ends[end].socket));
                epoll
            })
        });
        Sequence { faulty, ends, epolls, listener, addr, sent: 0, unread: [0; 2], queued: 0 }
    }

    /// Waits for what is under way: a kernel under load may deliver to its own addresses a little later.
    fn settle(&self) {
        let inner = self.faulty.inner();
        let deadline = inner.now() + PATIENCE;
        for (end, unread) in self.ends.iter().zip(self.unread) {
            while inner.fionread(end.socket.get_ref()) != Ok(unread) {
                assert!(inner.now() < deadline, "waited {PATIENCE:?} for {unread} bytes");
            }
        }
        if self.queued > 0 {
            let mut entries = [inner.poll_entry(self.listener.socket.get_ref(), PollEvents::IN)];
            assert_eq!(inner.poll(&mut entries, Some(PATIENCE)), Ok(1), "a connection waits");
        }
    }

    fn note_sent(&mut self, end: usize, answer: twinsock::Result<usize>) {
        let count = answer.unwrap_or(0);
        self.sent += count;
        self.unread[1 - end] += count;
    }

    fn accept(&mut self) -> twinsock::Result<SocketAddr> {
        let (_, from) = self.listener.accept()?;
        self.queued -= 1;
        Ok(from)
    }

    /// What is there, asked for where nothing happens: whether a blocking call would return.
    fn is_readable(&self, end: usize) -> bool {
        let inner = self.faulty.inner();
        let mut entries = [inner.poll_entry(self.ends[end].socket.get_ref(), PollEvents::IN)];
        inner.poll(&mut entries, Some(Duration::ZERO)) == Ok(1)
    }

    /// Waits only for what is there.
    fn timeout(&self, end: usize) -> Option<Duration> {
        Some(if self.is_readable(end) { PATIENCE } else { Duration::ZERO })
    }

    fn nonblocking(&self, end: usize) -> bool {
        self.faulty.inner().nonblocking(self.ends[end].socket.get_ref()) == Ok(true)
    }

    fn next_bytes(&self, len: usize) -> Vec<u8> {
        (self.sent..self.sent + len).map(byte_at).collect()
    }

    fn make(&mut self, act: Act) -> String {
        self.settle();
        match act {
            Act::Send { end, len, flags } => {
                let answer = self.ends[end].send_with(&self.next_bytes(len), flags);
                self.note_sent(end, answer);
                format!("{answer:?}")
            }
            Act::SendVectored { end, len } => {
                let bytes = self.next_bytes(len);
                let (one, two) = bytes.split_at(len / 3);
                let answer = self.ends[end].send_vectored(&[IoSlice::new(one), IoSlice::new(&[]), IoSlice::new(two)]);
                self.note_sent(end, answer);
                format!("{answer:?}")
            }
            Act::Recv { end, .. } | Act::RecvVectored { end, .. } if !self.nonblocking(end) && !self.is_readable(end) => {
                "would wait".to_owned()
            }
            Act::Recv { end, len, flags } => {
                let answer = self.ends[end].recv_with(len, flags);
                if !flags.contains(MsgFlags::PEEK) {
                    self.unread[end] -= answer.as_ref().map_or(0, Vec::len);
                }
                format!("{answer:?}")
            }
            Act::RecvVectored { end, len } => {
                let (mut one, mut two) = (vec![b'.'; len / 2], vec![b'.'; len - len / 2]);
                let answer = self.ends[end].recv_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]);
                self.unread[end] -= answer.as_ref().map_or(0, |received| received.len);
                format!("{answer:?} {one:?} {two:?}")
            }
            Act::Poll { end } => {
                let mut entries = [self.faulty.poll_entry(&self.ends[end].socket, PollEvents::IN)];
                let answer = self.faulty.poll(&mut entries, self.timeout(end));
                format!("{answer:?} {:?}", if answer.is_ok() { entries[0].revents() } else { PollEvents::NONE })
            }
            Act::Select { end } => {
                let mut read = SelectSet::new();
                assert!(read.insert(&self.faulty, &self.ends[end].socket), "the number is below FD_SETSIZE");
                let answer = self.faulty.select(Some(&mut read), None, None, self.timeout(end));
                format!("{answer:?} {}", read.contains(&self.faulty, &self.ends[end].socket))
            }
            Act::Epoll { end, edge } => {
                let mut events = [EpollEvent::default(); 4];
                let epoll = &self.epolls[end][usize::from(edge)];
                let answer = self.faulty.epoll_wait(epoll, &mut events, Some(Duration::ZERO));
                format!("{answer:?} {events:?}")
            }
            Act::SetNonblocking { end, on } => format!("{:?}", self.faulty.set_nonblocking(&self.ends[end].socket, on)),
            Act::Open => format!("{:?}", self.open(SockFlags::NONE).map(drop)),
            Act::Dup { end } => format!("{:?}", self.faulty.dup(&self.ends[end].socket).map(drop)),
            Act::Connect { nonblocking } => self.connect(nonblocking),
            Act::Accept => format!("{:?}", self.accept().map(drop)),
        }
    }

    fn open(&self, flags: SockFlags) -> twinsock::Result<Sock<Faulty<E>>> {
        Sock::open_with(&self.faulty, Domain::INET, Type::STREAM, flags, Protocol::TCP)
    }

    fn connect(&mut self, nonblocking: bool) -> String {
        let client = match self.open(if nonblocking { SockFlags::NONBLOCK } else { SockFlags::NONE }) {
            Ok(client) => client,
            Err(errno) => return format!("no socket: {errno:?}"),
        };
        let connected = client.connect(&self.addr);
        if matches!(connected, Err(Errno::INTR | Errno::INPROGRESS)) {
            let inner = self.faulty.inner();
            let mut entries = [inner.poll_entry(client.socket.get_ref(), PollEvents::OUT)];
            assert_eq!(inner.poll(&mut entries, Some(PATIENCE)), Ok(1), "the attempt goes on");
        }
        self.queued += 1;
        let again = client.connect(&self.addr);
        self.settle();
        let accepted = self.accept().map(|from| from == client.name());
        format!("{connected:?} {again:?} {accepted:?}")
    }
}

fn until_ok<T>(mut call: impl FnMut() -> twinsock::Result<T>) -> T {
    loop {
        if let Ok(value) = call() {
            return value;
        }
    }
}

/// What each call came to, and the faults.
fn run<E: Env>(env: &E, plan: &Plan, acts: &[Act]) -> (Vec<String>, Vec<Injected>) {
    let mut sequence = Sequence::new(env, plan);
    let lines = acts.iter().map(|act| format!("{act:?}: {}", sequence.make(*act))).collect();
    (lines, sequence.faulty.injected())
}

/// Runs a sequence in both worlds: the faults that both were hit by.
fn differ(plan: &Plan, acts: &[Act]) -> Result<Vec<Injected>, String> {
    let (kernel, injected) = run(&Os, plan, acts);
    let (own_plan, own_acts) = (plan.clone(), acts.to_vec());
    let report = Sim::builder()
        .run_here(|sim| sim.host("host").spawn("sequence", move |net| run(&net, &own_plan, &own_acts)))
        .map_err(|failure| failure.to_string())?;
    let (simulator, others) = report.value.take().expect("a process that has ended has an outcome");
    for (index, (one, other)) in kernel.iter().zip(&simulator).enumerate() {
        if one != other {
            let before = kernel[..index].join("\n");
            return Err(format!("{before}\nkernel:    {one}\nsimulator: {other}"));
        }
    }
    if injected == others {
        Ok(injected)
    } else {
        Err(format!("faults of the kernel:    {injected:?}\nof the simulator: {others:?}"))
    }
}

#[test]
fn both_worlds_are_hit_by_the_same_faults() {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let seen = RefCell::new(BTreeSet::new());
    let verdict = |(plan, acts): (Plan, Vec<Act>)| {
        let injected = differ(&plan, &acts).map_err(TestCaseError::fail)?;
        seen.borrow_mut().extend(injected.iter().map(|injected| format!("{}: {}", injected.call, injected.fault)));
        Ok(())
    };
    if let Err(failure) = TestRunner::new(config).run(&(plans(), acts()), verdict) {
        panic!("{failure}");
    }
    let seen = seen.into_inner();
    for expected in
        ["connect: EINTR", "recvmsg: short", "poll: spurious readiness", "epoll_wait: spurious readiness", "fcntl: EMFILE"]
    {
        assert!(seen.contains(expected), "the sequences come upon {expected}, and not only upon {seen:?}");
    }
}
