//! One call that waits at a listener, to accept or to connect, and what happens meanwhile, at random. No model, but both worlds must wake
//! it at the same moment and by the same answer.

use super::waits::both_agree;
use crate::support::files::{World, abstract_name};
use crate::support::scene::listener_of;
use crate::support::sock::Sock;
use crate::support::wait::Waiting;
use proptest::prelude::*;
use proptest::sample::select;
use twinsock::consts as c;
use twinsock::{Domain, MsgFlags, PollEvents, Protocol, Result, Shutdown, SockFlags, SocketAddr, Type};
use twinsock_sim::Signal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp(Domain),
    Local(Type),
}

/// The call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Accept {
        timed: bool,
    },
    Poll,
    /// To a listener whose queue is full.
    Connect {
        timed: bool,
    },
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    ClientConnects,
    ClientCloses { reset: bool },
    AtListener(AtListener),
    CloseListener,
    AtOwn(AtOwn),
    Signal { signal: Signal },
}

/// A call on the listener, by a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtListener {
    Accept,
    Listen { backlog: i32 },
    Shutdown { how: Shutdown },
}

/// A call on the socket that connects, by a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtOwn {
    Shutdown { how: Shutdown },
    Dissolve,
    TakeError,
    Send,
    Nonblocking,
}

#[derive(Clone, Debug)]
pub struct Case {
    kind: Kind,
    wait: Wait,
    events: Vec<Event>,
}

fn cases() -> impl Strategy<Value = Case> {
    let kind =
        select(vec![Kind::Tcp(Domain::INET), Kind::Tcp(Domain::INET6), Kind::Local(Type::STREAM), Kind::Local(Type::SEQPACKET)]);
    let wait = prop_oneof![
        4 => any::<bool>().prop_map(|timed| Wait::Accept { timed }),
        1 => Just(Wait::Poll),
        4 => any::<bool>().prop_map(|timed| Wait::Connect { timed }),
    ];
    let how = || select(vec![Shutdown::Read, Shutdown::Write, Shutdown::Both]);
    let event = prop_oneof![
        4 => Just(Event::ClientConnects),
        2 => any::<bool>().prop_map(|reset| Event::ClientCloses { reset }),
        4 => Just(Event::AtListener(AtListener::Accept)),
        2 => (0..3i32).prop_map(|backlog| Event::AtListener(AtListener::Listen { backlog })),
        2 => how().prop_map(|how| Event::AtListener(AtListener::Shutdown { how })),
        2 => Just(Event::CloseListener),
        2 => how().prop_map(|how| Event::AtOwn(AtOwn::Shutdown { how })),
        4 => select(vec![AtOwn::Dissolve, AtOwn::TakeError, AtOwn::Send, AtOwn::Nonblocking]).prop_map(Event::AtOwn),
        2 => select(vec![Signal::Interrupting, Signal::Restarting]).prop_map(|signal| Event::Signal { signal }),
    ];
    (kind, wait, prop::collection::vec(event, 1..5)).prop_map(|(kind, wait, events)| Case { kind, wait, events })
}

fn socket<E: World>(env: &E, kind: Kind) -> Sock<E> {
    let (domain, kind) = match kind {
        Kind::Tcp(domain) => (domain, Type::STREAM),
        Kind::Local(kind) => (Domain::UNIX, kind),
    };
    Sock::open_with(env, domain, kind, SockFlags::NONE, Protocol::DEFAULT).expect("a socket can be made")
}

fn listener<E: World>(env: &E, kind: Kind) -> (Sock<E>, SocketAddr) {
    match kind {
        Kind::Tcp(domain) => listener_of(env, domain, 0),
        Kind::Local(_) => {
            let (socket, name) = (socket(env, kind), abstract_name());
            socket.bind(&name).expect("the name is free");
            socket.listen(0).expect("a bound socket can listen");
            (socket, name)
        }
    }
}

struct Run<E: World> {
    env: E,
    kind: Kind,
    addr: SocketAddr,
    listener: Option<Sock<E>>,
    /// The socket that connects, where one does.
    own: Option<Sock<E>>,
    clients: Vec<Sock<E>>,
    accepted: Vec<Sock<E>>,
    waiting: Option<Waiting<E, String>>,
}

impl<E: World> Run<E> {
    fn client(&mut self) -> Result<()> {
        let client = socket(&self.env, self.kind);
        client.set_nonblocking(true);
        let answer = client.connect(&self.addr);
        self.clients.push(client);
        answer
    }

    fn act(&mut self, event: Event) -> String {
        match event {
            Event::ClientConnects => format!("{:?}", self.client()),
            Event::ClientCloses { reset } => {
                let Some(client) = self.clients.pop() else { return "nobody".to_owned() };
                if reset {
                    client.set_linger(1, 0).expect("SO_LINGER can be set");
                }
                drop(client);
                "closed".to_owned()
            }
            Event::Signal { signal } => {
                let Some(waiting) = &self.waiting else { return "nobody waits".to_owned() };
                waiting.signal(signal);
                "sent".to_owned()
            }
            Event::CloseListener => {
                self.listener = None;
                "closed".to_owned()
            }
            Event::AtListener(act) => self.at_listener(act),
            Event::AtOwn(act) => self.at_own(act),
        }
    }

    fn at_listener(&mut self, act: AtListener) -> String {
        let Some(listener) = &self.listener else { return "gone".to_owned() };
        match act {
            AtListener::Listen { backlog } => format!("{:?}", listener.listen(backlog)),
            AtListener::Shutdown { how } => format!("{:?}", listener.shutdown(how)),
            AtListener::Accept if !listener.mask().contains(PollEvents::IN) => "nothing waits".to_owned(),
            AtListener::Accept => match listener.accept() {
                Ok((accepted, _)) => {
                    self.accepted.push(accepted);
                    "accepted".to_owned()
                }
                Err(errno) => format!("{errno:?}"),
            },
        }
    }

    fn at_own(&self, act: AtOwn) -> String {
        let Some(own) = &self.own else { return "nobody connects".to_owned() };
        match act {
            AtOwn::Shutdown { how } => format!("{:?}", own.shutdown(how)),
            AtOwn::Dissolve => format!("{:?}", own.connect(&SocketAddr::Unspec)),
            AtOwn::TakeError => format!("{:?}", own.take_error()),
            AtOwn::Send => format!("{:?}", own.send_with(b"x", MsgFlags::DONTWAIT)),
            AtOwn::Nonblocking => {
                own.set_nonblocking(true);
                "set".to_owned()
            }
        }
    }

    fn answer(&mut self) -> String {
        let Some(waiting) = &self.waiting else { return "answered".to_owned() };
        let Some(answer) = waiting.watch() else { return "waits".to_owned() };
        self.waiting = None;
        answer
    }
}

fn transcript<E: World>(env: &E, case: &Case) -> Vec<String> {
    let (listener, addr) = listener(env, case.kind);
    let mut run = Run {
        env: env.clone(),
        kind: case.kind,
        addr: addr.clone(),
        listener: Some(listener.dup()),
        own: None,
        clients: Vec::new(),
        accepted: Vec::new(),
        waiting: None,
    };
    run.waiting = Some(match case.wait {
        Wait::Accept { timed } => {
            if timed {
                listener.set_timeout(c::SO_RCVTIMEO, 1000, 0).expect("a timeout can be set");
            }
            Waiting::start(env, move || match listener.accept() {
                Ok((accepted, _)) => format!("accepted {:?}", accepted.mask()),
                Err(errno) => format!("{errno:?}"),
            })
        }
        Wait::Poll => Waiting::start(env, move || {
            let mut entries = [listener.env.poll_entry(&listener.socket, PollEvents::IN)];
            let answer = listener.env.poll(&mut entries, None);
            format!("{answer:?} {:?}", entries[0].revents())
        }),
        Wait::Connect { timed } => {
            // Of the two that the listener has, the other goes when the events say so.
            drop(listener);
            run.client().ok();
            run.listener.as_ref().expect("it listens").wait(PollEvents::IN);
            let own = socket(env, case.kind);
            if timed {
                own.set_timeout(c::SO_SNDTIMEO, 1000, 0).expect("a timeout can be set");
            }
            run.own = Some(own.dup());
            Waiting::start(env, move || format!("{:?}", own.connect(&addr)))
        }
    });
    let mut lines = vec![format!("{:?} {:?}: {}", case.kind, case.wait, run.answer())];
    for event in &case.events {
        let line = format!("{event:?}: {}; {}", run.act(*event), run.answer());
        let masks = [&run.listener, &run.own].map(|socket| socket.as_ref().map(Sock::mask));
        lines.push(format!("{line}; {masks:?}"));
    }
    run.act(Event::Signal { signal: Signal::Interrupting });
    run.answer();
    assert!(run.waiting.is_none(), "a call can be ended: {lines:?}");
    lines
}

#[test]
fn both_worlds_wake_alike_at_a_listener() {
    both_agree(300, cases(), transcript, transcript);
}
