//! One call that waits, and what happens to its socket meanwhile, at random. No model, but both worlds must wake it at the same moment and
//! by the same answer.

use crate::support::files::World;
use crate::support::scene::{fill, join, listener_of, pair_of, udp_pair};
use crate::support::sock::{ALL_EVENTS, Sock};
use crate::support::wait::Waiting;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::poll::EpollOp;
use twinsock::raw::EpollEvent;
use twinsock::{Domain, EpollFlags, MsgFlags, Os, PollEvents, SelectSet, Shutdown, SocketAddr, Type};
use twinsock_sim::{Net, Signal, Sim};

/// Two sockets that are connected to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp(Domain),
    Udp(Domain),
    Local(Type),
}

/// The call that waits, on the first of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Recv {
        flags: MsgFlags,
        lowat: i32,
        timed: bool,
    },
    /// Of more than there is room for.
    Send {
        timed: bool,
    },
    Poll {
        events: PollEvents,
        full: bool,
    },
    Select,
    Epoll {
        mode: EpollFlags,
    },
}

/// What happens meanwhile: to the socket (by a duplicate), or at its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Data { len: usize, flags: MsgFlags },
    PeerReads { all: bool },
    PeerShutdown { how: Shutdown },
    PeerCloses { reset: bool },
    PeerDissolves,
    Shutdown { how: Shutdown },
    Dissolve,
    TakeError,
    Steal { len: usize },
    Set { option: i32, value: i32 },
    Nonblocking,
    Drop,
    Signal { signal: Signal },
}

#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    wait: Wait,
    events: Vec<Event>,
}

impl Case {
    /// The buffers are full at first. UDP has nobody to wait for.
    fn fills(&self) -> bool {
        let waits_for_room = match self.wait {
            Wait::Send { .. } => true,
            Wait::Poll { full, .. } => full,
            Wait::Recv { .. } | Wait::Select | Wait::Epoll { .. } => false,
        };
        waits_for_room && !matches!(self.kind, Kind::Udp(_))
    }

    /// A local peer that closes tells so before it lets go of what it has not read (`unix_release_sock`): whether a poll that this wakes finds room, too, is a race
    /// between two processors. So the peer of one that waits for room reads all instead.
    fn without_race(mut self) -> Case {
        if matches!((self.kind, self.wait), (Kind::Local(_), Wait::Poll { full: true, .. })) {
            let closes = |event: &&mut Event| matches!(event, Event::PeerCloses { .. });
            self.events.iter_mut().filter(closes).for_each(|event| *event = Event::PeerReads { all: true });
        }
        self
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let kind = select(vec![
        Kind::Tcp(Domain::INET),
        Kind::Tcp(Domain::INET),
        Kind::Tcp(Domain::INET6),
        Kind::Udp(Domain::INET),
        Kind::Udp(Domain::INET6),
        Kind::Local(Type::STREAM),
        Kind::Local(Type::STREAM),
        Kind::Local(Type::SEQPACKET),
        Kind::Local(Type::DGRAM),
    ]);
    let (peek, all) = (MsgFlags::PEEK, MsgFlags::WAITALL);
    let flags = select(vec![MsgFlags::NONE, MsgFlags::NONE, peek, all, peek | all, MsgFlags::TRUNC]);
    let lowat = select(vec![1, 1, 1, 6]);
    let asked = select(vec![
        PollEvents::IN,
        PollEvents::PRI,
        PollEvents::RDHUP,
        PollEvents::NONE,
        PollEvents::IN | PollEvents::PRI | PollEvents::RDHUP,
    ]);
    let wait = prop_oneof![
        6 => (flags, lowat, any::<bool>()).prop_map(|(flags, lowat, timed)| Wait::Recv { flags, lowat, timed }),
        3 => any::<bool>().prop_map(|timed| Wait::Send { timed }),
        3 => asked.prop_map(|events| Wait::Poll { events, full: false }),
        1 => Just(Wait::Poll { events: PollEvents::OUT, full: true }),
        1 => Just(Wait::Select),
        3 => select(vec![EpollFlags::NONE, EpollFlags::ET, EpollFlags::ONESHOT]).prop_map(|mode| Wait::Epoll { mode }),
    ];
    let how = || select(vec![Shutdown::Read, Shutdown::Write, Shutdown::Both]);
    let set = select(vec![
        (c::SO_RCVLOWAT, 1),
        (c::SO_RCVLOWAT, 3),
        (c::SO_SNDBUF, 400_000),
        (c::SO_OOBINLINE, 1),
        (c::SO_RCVBUF, 100_000),
        (c::SO_KEEPALIVE, 1),
    ]);
    let event = prop_oneof![
        8 => (0..10usize, select(vec![MsgFlags::NONE, MsgFlags::NONE, MsgFlags::OOB]))
            .prop_map(|(len, flags)| Event::Data { len, flags }),
        3 => any::<bool>().prop_map(|all| Event::PeerReads { all }),
        3 => how().prop_map(|how| Event::PeerShutdown { how }),
        2 => any::<bool>().prop_map(|reset| Event::PeerCloses { reset }),
        1 => Just(Event::PeerDissolves),
        3 => how().prop_map(|how| Event::Shutdown { how }),
        1 => Just(Event::Dissolve),
        1 => Just(Event::TakeError),
        1 => (1..5usize).prop_map(|len| Event::Steal { len }),
        2 => set.prop_map(|(option, value)| Event::Set { option, value }),
        1 => Just(Event::Nonblocking),
        1 => Just(Event::Drop),
        2 => select(vec![Signal::Interrupting, Signal::Restarting]).prop_map(|signal| Event::Signal { signal }),
    ];
    (kind, wait, prop::collection::vec(event, 1..5)).prop_map(|(kind, wait, events)| Case { kind, wait, events }.without_race())
}

fn pair<E: World>(env: &E, case: &Case) -> (Sock<E>, Sock<E>) {
    match case.kind {
        // With buffers of a size that Linux does not adapt to the traffic.
        Kind::Tcp(domain) if case.fills() => {
            let (listener, addr) = listener_of(env, domain, 1);
            let client = Sock::tcp_of(env, domain);
            listener.set(c::SOL_SOCKET, c::SO_RCVBUF, 20_000).expect("SO_RCVBUF can be set");
            client.set(c::SOL_SOCKET, c::SO_SNDBUF, 20_000).expect("SO_SNDBUF can be set");
            join(&listener, client, &addr)
        }
        Kind::Tcp(domain) => pair_of(env, domain),
        Kind::Udp(domain) => udp_pair(env, domain),
        Kind::Local(kind) => Sock::unix_pair(env, kind),
    }
}

/// Fills the buffers of a socket, whatever is under way.
fn fill_for_good<E: World>(socket: &Sock<E>) {
    const MOMENT: Option<Duration> = Some(Duration::from_millis(400));
    socket.wait_for("a buffer that stays full", |socket| {
        let was_full = fill(socket).is_empty();
        was_full && socket.poll(PollEvents::OUT, MOMENT).is_empty() && fill(socket).is_empty()
    });
}

/// Reads what is there.
fn read_all<E: World>(socket: &Sock<E>) {
    while socket.try_recv(1 << 16).is_ok_and(|bytes| !bytes.is_empty()) {}
}

/// Makes the call that waits; its answer in words.
fn call<E: World>(socket: &Sock<E>, wait: Wait) -> String {
    match wait {
        Wait::Recv { flags, .. } => {
            let mut bytes = *b"........";
            let answer = socket.recv_into(&mut bytes, flags);
            format!("{answer:?} {bytes:?}")
        }
        Wait::Send { .. } => {
            let data = vec![7; 1 << 16];
            match socket.send(&data) {
                // How much fits is each world's own affair.
                Ok(count) => if count == data.len() { "all" } else { "a part" }.to_owned(),
                Err(errno) => format!("{errno:?}"),
            }
        }
        Wait::Poll { events, .. } => {
            let mut entries = [socket.env.poll_entry(&socket.socket, events)];
            let answer = socket.env.poll(&mut entries, None);
            format!("{answer:?} {:?}", entries[0].revents())
        }
        Wait::Select => {
            let mut sets = [SelectSet::new(), SelectSet::new()];
            for set in &mut sets {
                assert!(set.insert(&socket.env, &socket.socket), "the number is below FD_SETSIZE");
            }
            let [read, except] = &mut sets;
            let answer = socket.env.select(Some(read), None, Some(except), None);
            let found = sets.map(|set| set.contains(&socket.env, &socket.socket));
            format!("{answer:?} {:?}", answer.map(|_| found))
        }
        Wait::Epoll { mode } => {
            let epoll = socket.env.epoll_create().expect("an epoll instance can be made");
            let events = EpollFlags::IN | EpollFlags::PRI | EpollFlags::RDHUP | mode;
            socket
                .env
                .epoll_ctl(&epoll, EpollOp::Add(EpollEvent::new(events, 7)), &socket.socket)
                .expect("a socket can be added");
            let mut events = [EpollEvent::default(); 2];
            let answer = socket.env.epoll_wait(&epoll, &mut events, None);
            format!("{answer:?} {:?}", events[0].flags())
        }
    }
}

struct Run<E: World> {
    own: Option<Sock<E>>,
    peer: Option<Sock<E>>,
    waiting: Option<Waiting<E, String>>,
    /// The buffers are full, and the sockets TCP's.
    fills_tcp: bool,
    /// What the call was found to do while something else was done.
    found: Option<String>,
}

impl<E: World> Run<E> {
    fn act(&mut self, event: Event) -> String {
        let own_is_needed = matches!(
            event,
            Event::Shutdown { .. }
                | Event::Dissolve
                | Event::TakeError
                | Event::Steal { .. }
                | Event::Set { .. }
                | Event::Nonblocking
                | Event::Drop
        );
        if let Event::Signal { signal } = event {
            let Some(waiting) = &self.waiting else { return "nobody waits".to_owned() };
            waiting.signal(signal);
            return "sent".to_owned();
        }
        let Some(socket) = (if own_is_needed { &self.own } else { &self.peer }) else { return "gone".to_owned() };
        match event {
            Event::Data { len, flags } => {
                format!("{:?}", socket.send_with(&b"123456789"[..len.min(9)], flags | MsgFlags::DONTWAIT))
            }
            Event::PeerReads { all: false } => format!("{:?}", socket.try_recv(1).map(drop)),
            // When a TCP sender hears of the room is a matter of timers, if what tells it is lost.
            Event::PeerReads { all: true } if self.fills_tcp => "not now".to_owned(),
            Event::PeerReads { all: true } => {
                read_all(socket);
                // One that waits for room sends as soon as there is some, which on another processor may be before all is read: whether its
                // message is among that would be a race.
                self.found = Some(self.answer());
                self.peer.iter().for_each(read_all);
                "read".to_owned()
            }
            Event::PeerShutdown { how } | Event::Shutdown { how } => format!("{:?}", socket.shutdown(how)),
            Event::PeerDissolves | Event::Dissolve => format!("{:?}", socket.connect(&SocketAddr::Unspec)),
            Event::PeerCloses { reset } => {
                if reset {
                    socket.set_linger(1, 0).expect("SO_LINGER can be set");
                }
                self.peer = None;
                "closed".to_owned()
            }
            Event::TakeError => format!("{:?}", socket.take_error()),
            Event::Steal { len } => format!("{:?}", socket.try_recv(len)),
            Event::Set { option, value } => format!("{:?}", socket.set(c::SOL_SOCKET, option, value)),
            Event::Nonblocking => {
                socket.set_nonblocking(true);
                "set".to_owned()
            }
            Event::Drop => {
                self.own = None;
                "dropped".to_owned()
            }
            Event::Signal { .. } => unreachable!("a signal needs no socket"),
        }
    }

    /// The answer of the call, if it has come.
    fn answer(&mut self) -> String {
        if let Some(found) = self.found.take() {
            return found;
        }
        let Some(waiting) = &self.waiting else { return "answered".to_owned() };
        match waiting.watch() {
            None => "waits".to_owned(),
            Some(answer) => {
                self.waiting = None;
                answer
            }
        }
    }
}

fn transcript<E: World>(env: &E, case: &Case) -> Vec<String> {
    let (socket, peer) = pair(env, case);
    match case.wait {
        Wait::Send { timed } => {
            if timed {
                socket.set_timeout(c::SO_SNDTIMEO, 1000, 0).expect("a timeout can be set");
            }
        }
        Wait::Recv { lowat, timed, .. } => {
            socket.set(c::SOL_SOCKET, c::SO_RCVLOWAT, lowat).expect("SO_RCVLOWAT can be set");
            if timed {
                socket.set_timeout(c::SO_RCVTIMEO, 1000, 0).expect("a timeout can be set");
            }
        }
        Wait::Poll { .. } | Wait::Select | Wait::Epoll { .. } => {}
    }
    if case.fills() {
        fill_for_good(&socket);
    }
    let (own, wait) = (socket.dup(), case.wait);
    let waiting = Waiting::start(env, move || call(&socket, wait));
    let fills_tcp = case.fills() && matches!(case.kind, Kind::Tcp(_));
    let mut run = Run { own: Some(own), peer: Some(peer), waiting: Some(waiting), fills_tcp, found: None };
    let mut lines = vec![format!("{:?} {:?}: {}", case.kind, case.wait, run.answer())];
    for event in &case.events {
        let line = format!("{event:?}: {}; {}", run.act(*event), run.answer());
        // A buffer that was full has room whenever an acknowledgement comes.
        let state = run.own.as_ref().filter(|_| !case.fills()).map(|own| own.poll(ALL_EVENTS, Some(Duration::ZERO)));
        lines.push(format!("{line}; {state:?}"));
    }
    // Whatever it waits for: let it end.
    run.act(Event::Signal { signal: Signal::Interrupting });
    run.answer();
    assert!(run.waiting.is_none(), "a call can be ended: {lines:?}");
    lines
}

/// What was asked and answered in one case, line by line.
pub type Transcript = Vec<String>;

/// Makes so many cases in both worlds, unless the environment says otherwise, and tells where they differ.
pub fn both_agree<C: Clone + Send + Sync + 'static>(
    cases: u32,
    strategy: impl Strategy<Value = C>,
    kernel: fn(&Os, &C) -> Transcript,
    simulator: fn(&Net, &C) -> Transcript,
) {
    let (mut runner, count) = super::runner(cases);
    let cases: Vec<C> = (0..count).map(|_| strategy.new_tree(&mut runner).expect("nothing is rejected").current()).collect();
    let cases = Arc::new(cases);
    let (kernel, simulator) = (on_kernel(&cases, kernel), in_simulator(&cases, simulator));
    let differing: Vec<String> = kernel
        .iter()
        .zip(&simulator)
        .filter(|(one, other)| one != other)
        .map(|(one, other)| format!("kernel:    {}\nsimulator: {}", one.join("\n           "), other.join("\n           ")))
        .collect();
    assert!(differing.is_empty(), "{} of {count} differ:\n{}", differing.len(), differing.join("\n\n"));
}

fn on_kernel<C: Send + Sync + 'static>(cases: &Arc<Vec<C>>, transcript: fn(&Os, &C) -> Transcript) -> Vec<Transcript> {
    const AT_ONCE: usize = 16;
    let next = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (cases, next) = (Arc::clone(cases), Arc::clone(&next));
            std::thread::spawn(move || {
                let mut done = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return done };
                    done.push((index, transcript(&Os, case)));
                }
            })
        })
        .collect();
    let mut done: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("the kernel answers")).collect();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, lines)| lines).collect()
}

fn in_simulator<C: Send + Sync + 'static>(cases: &Arc<Vec<C>>, transcript: fn(&Net, &C) -> Transcript) -> Vec<Transcript> {
    let cases = Arc::clone(cases);
    let report = Sim::builder()
        .run_here(move |sim| {
            let body = move |net| cases.iter().map(|case| transcript(&net, case)).collect::<Vec<_>>();
            sim.host("host").spawn("waits", body)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    report.value.take().expect("a process that has ended has an outcome")
}

#[test]
fn both_worlds_wake_a_waiting_call_alike() {
    both_agree(400, cases(), transcript, transcript);
}
