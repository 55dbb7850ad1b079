//! Random exchanges over one connection: flags, urgent data, low-water marks, `epoll(7)` in both its modes, and the ways to end. No model,
//! but both worlds must answer the same, call by call.

use crate::support::Env;
use crate::support::scene::{listener, pattern};
use crate::support::sock::{Epoll, Sock};
use proptest::prelude::*;
use proptest::sample::select;
use twinsock::consts as c;
use twinsock::{EpollFlags, MsgFlags, Os, Shutdown, SocketAddr};

/// A call on one end of the connection: 0 connected, 1 was accepted.
#[derive(Clone, Copy, Debug)]
enum Act {
    Send { end: usize, len: usize, flags: MsgFlags },
    Recv { end: usize, len: usize, flags: MsgFlags },
    Ask { end: usize },
    Epoll { end: usize, edge: bool },
    Rearm { end: usize },
    Set { end: usize, option: (i32, i32), value: i32 },
    Shutdown { end: usize, how: Shutdown },
    Dissolve { end: usize },
    Close { end: usize },
    TakeError { end: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let end = || 0..2usize;
    // Not MSG_MORE: whether arriving data pushes what it held depends on which path of Linux's header prediction the data takes.
    let sent = || select(vec![MsgFlags::NONE, MsgFlags::NONE, MsgFlags::NONE, MsgFlags::OOB]);
    let received = || {
        let all = MsgFlags::WAITALL;
        select(vec![
            MsgFlags::NONE,
            MsgFlags::NONE,
            MsgFlags::PEEK,
            MsgFlags::OOB,
            MsgFlags::OOB | MsgFlags::PEEK,
            MsgFlags::TRUNC,
            all,
            all | MsgFlags::PEEK,
            MsgFlags::ERRQUEUE,
        ])
    };
    let option = prop_oneof![
        any::<bool>().prop_map(|on| ((c::SOL_SOCKET, c::SO_OOBINLINE), i32::from(on))),
        (1..30i32).prop_map(|bytes| ((c::SOL_SOCKET, c::SO_RCVLOWAT), bytes)),
        any::<bool>().prop_map(|on| ((c::IPPROTO_TCP, c::TCP_CORK), i32::from(on))),
        (-1..20i32).prop_map(|offset| ((c::SOL_SOCKET, c::SO_PEEK_OFF), offset)),
    ];
    let how = select(vec![Shutdown::Read, Shutdown::Write, Shutdown::Both]);
    let act = prop_oneof![
        12 => (end(), 0..30usize, sent()).prop_map(|(end, len, flags)| Act::Send { end, len, flags }),
        12 => (end(), 0..40usize, received()).prop_map(|(end, len, flags)| Act::Recv { end, len, flags }),
        6 => end().prop_map(|end| Act::Ask { end }),
        6 => (end(), any::<bool>()).prop_map(|(end, edge)| Act::Epoll { end, edge }),
        1 => end().prop_map(|end| Act::Rearm { end }),
        2 => (end(), option).prop_map(|(end, (option, value))| Act::Set { end, option, value }),
        1 => (end(), how).prop_map(|(end, how)| Act::Shutdown { end, how }),
        1 => end().prop_map(|end| Act::Close { end }),
        1 => end().prop_map(|end| Act::TakeError { end }),
    ];
    let act = prop_oneof![60 => act, 1 => end().prop_map(|end| Act::Dissolve { end })];
    prop::collection::vec(act, 1..40)
}

const ALL: EpollFlags = EpollFlags::from_raw(c::EPOLLIN | c::EPOLLPRI | c::EPOLLOUT | c::EPOLLRDHUP);

struct Exchange<E: Env> {
    ends: [Option<Sock<E>>; 2],
    /// A level-triggered and an edge-triggered instance of each end.
    epolls: [[Epoll<E>; 2]; 2],
    sent: usize,
}

impl<E: Env> Exchange<E> {
    fn new(env: &E) -> Exchange<E> {
        let (listener, addr) = listener(env);
        listener.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1).expect("TCP_NODELAY can be set");
        let client = Sock::tcp(env);
        client.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1).expect("TCP_NODELAY can be set");
        client.connect(&addr).expect("the listener admits a connection");
        let (server, _) = listener.accept().expect("a connection waits");
        let ends = [client, server];
        let epolls = std::array::from_fn(|end| {
            ends[end].set_nonblocking(true);
            [EpollFlags::NONE, EpollFlags::ET].map(|mode| {
                let epoll = Epoll::new(env);
                epoll.add(&ends[end], ALL | mode, 0).expect("a socket can be added");
                epoll
            })
        });
        Exchange { ends: ends.map(Some), epolls, sent: 0 }
    }

    fn make(&mut self, act: Act) -> String {
        let end = match act {
            Act::Send { end, .. }
            | Act::Recv { end, .. }
            | Act::Ask { end }
            | Act::Epoll { end, .. }
            | Act::Rearm { end }
            | Act::Set { end, .. }
            | Act::Shutdown { end, .. }
            | Act::Dissolve { end }
            | Act::Close { end }
            | Act::TakeError { end } => end,
        };
        let Some(socket) = &self.ends[end] else { return "closed".to_owned() };
        match act {
            Act::Send { len, flags, .. } => {
                let answer = socket.send_with(&pattern(self.sent + len)[self.sent..], flags);
                self.sent += answer.unwrap_or(0);
                format!("{answer:?}")
            }
            Act::Recv { len, flags, .. } => {
                let mut bytes = vec![b'.'; len];
                let answer = socket.recv_into(&mut bytes, flags);
                format!("{answer:?} {bytes:?}")
            }
            Act::Ask { .. } => format!("{:?} {:?} {:?}", socket.mask(), socket.fionread(), socket.at_mark()),
            Act::Epoll { edge, .. } => format!("{:?}", self.epolls[end][usize::from(edge)].now()),
            Act::Rearm { .. } => format!("{:?}", self.epolls[end][1].modify(socket, ALL | EpollFlags::ET, 1)),
            Act::Set { option: (level, name), value, .. } => format!("{:?}", socket.set(level, name, value)),
            Act::Shutdown { how, .. } => format!("{:?}", socket.shutdown(how)),
            Act::Dissolve { .. } => format!("{:?}", socket.connect(&SocketAddr::Unspec)),
            Act::Close { .. } => format!("{:?}", self.ends[end].take().map(Sock::close)),
            Act::TakeError { .. } => format!("{:?}", socket.take_error()),
        }
    }
}

fn exchange<E: Env>(env: &E, acts: &[Act]) -> Vec<String> {
    let mut exchange = Exchange::new(env);
    acts.iter().map(|act| format!("{act:?}: {}", exchange.make(*act))).collect()
}

fn differ(acts: &[Act]) -> Result<(), String> {
    let simulated = acts.to_vec();
    super::compare("exchange", &exchange(&Os, acts), move |net| exchange(&net, &simulated))
}

#[test]
fn both_worlds_exchange_the_same() {
    super::check(super::CASES, &acts(), |acts| differ(&acts));
}
