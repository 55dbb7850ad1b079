//! Random calls over a few local sockets of all types: names, connections, data, descriptors and credentials in flight, options, readiness
//! and ends. No model, but both worlds must answer the same, call by call.
//!
//! A descriptor that is passed is always that of a new socket, so that no two sockets ever hold each other: when those are found is
//! Linux's own affair.

use crate::support::files::{Dir, World, abstract_name};
use crate::support::scene::pattern;
use crate::support::sock::{Epoll, Sock};
use proptest::prelude::*;
use proptest::sample::select;
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts as c;
use twinsock::control::{ControlMessage, RecvControl, SendControl};
use twinsock::option::{Credentials, OptionValue};
use twinsock::{Domain, EpollFlags, MsgFlags, Os, Protocol, Shutdown, SockFlags, SocketAddr, Type, UnixAddr};

/// A call; sockets are named by their slots, addresses by their places.
#[derive(Clone, Copy, Debug)]
enum Act {
    New { at: usize, kind: Type },
    Pair { at: usize, other: usize, kind: Type },
    Bind { at: usize, name: usize },
    Autobind { at: usize },
    Listen { at: usize, backlog: i32 },
    Connect { at: usize, name: usize },
    Dissolve { at: usize },
    Accept { at: usize, to: usize },
    Send { at: usize, len: usize, flags: MsgFlags },
    SendTo { at: usize, name: usize, len: usize },
    Pass { at: usize, keep: usize, kind: Type, len: usize, copies: usize },
    Claim { at: usize },
    Recv { at: usize, len: usize, flags: MsgFlags },
    RecvFrom { at: usize, len: usize },
    RecvMsg { at: usize, len: usize, room: usize, flags: MsgFlags, to: usize },
    Ask { at: usize },
    Names { at: usize },
    Epoll { at: usize, edge: bool },
    Rearm { at: usize },
    Set { at: usize, option: i32, value: i32 },
    Get { at: usize, option: i32 },
    Shutdown { at: usize, how: Shutdown },
    Close { at: usize },
    TakeError { at: usize },
    Dup { at: usize, to: usize },
    Unlink { name: usize },
}

const SLOTS: usize = 6;
/// The names: three abstract ones, and two paths.
const NAMES: usize = 5;
const ABSTRACT: usize = 3;

const OPTIONS: [i32; 16] = [
    c::SO_PASSCRED,
    c::SO_PASSRIGHTS,
    c::SO_OOBINLINE,
    c::SO_PEEK_OFF,
    c::SO_RCVLOWAT,
    c::SO_SNDBUF,
    c::SO_RCVBUF,
    c::SO_SELECT_ERR_QUEUE,
    c::SO_TYPE,
    c::SO_ACCEPTCONN,
    c::SO_BUF_LOCK,
    c::SO_REUSEADDR,
    c::SO_REUSEPORT,
    c::SO_KEEPALIVE,
    c::SO_PROTOCOL,
    c::SO_PRIORITY,
];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let slot = || 0..SLOTS;
    let name = || 0..NAMES;
    let kind = || select(vec![Type::STREAM, Type::STREAM, Type::DGRAM, Type::SEQPACKET]);
    let len = || prop_oneof![8 => 0..40usize, 1 => 500..5000usize, 1 => 20_000..60_000usize];
    let sent = || select(vec![MsgFlags::NONE, MsgFlags::NONE, MsgFlags::NONE, MsgFlags::OOB]);
    let received = || {
        let (peek, all) = (MsgFlags::PEEK, MsgFlags::WAITALL);
        let some = [peek, MsgFlags::OOB, MsgFlags::OOB | peek, MsgFlags::TRUNC, all, all | peek, MsgFlags::TRUNC | peek];
        select([&[MsgFlags::NONE; 6][..], &some].concat())
    };
    let option = || select(OPTIONS.to_vec());
    let value = || prop_oneof![0..3i32, -1..60i32, 2000..6000i32];
    let how = select(vec![Shutdown::Read, Shutdown::Write, Shutdown::Both]);
    let data = prop_oneof![
        12 => (slot(), len(), sent()).prop_map(|(at, len, flags)| Act::Send { at, len, flags }),
        4 => (slot(), name(), len()).prop_map(|(at, name, len)| Act::SendTo { at, name, len }),
        3 => (slot(), slot(), kind(), 0..9usize, 1..4usize)
            .prop_map(|(at, keep, kind, len, copies)| Act::Pass { at, keep, kind, len, copies }),
        1 => slot().prop_map(|at| Act::Claim { at }),
        10 => (slot(), len(), received()).prop_map(|(at, len, flags)| Act::Recv { at, len, flags }),
        2 => (slot(), len()).prop_map(|(at, len)| Act::RecvFrom { at, len }),
        5 => (slot(), 0..40usize, 0..80usize, received(), slot())
            .prop_map(|(at, len, room, flags, to)| Act::RecvMsg { at, len, room, flags, to }),
        8 => slot().prop_map(|at| Act::Ask { at }),
        5 => (slot(), any::<bool>()).prop_map(|(at, edge)| Act::Epoll { at, edge }),
        1 => slot().prop_map(|at| Act::Rearm { at }),
    ];
    let life = prop_oneof![
        4 => (slot(), kind()).prop_map(|(at, kind)| Act::New { at, kind }),
        4 => (slot(), slot(), kind()).prop_map(|(at, other, kind)| Act::Pair { at, other, kind }),
        6 => (slot(), name()).prop_map(|(at, name)| Act::Bind { at, name }),
        1 => slot().prop_map(|at| Act::Autobind { at }),
        4 => (slot(), -1..3i32).prop_map(|(at, backlog)| Act::Listen { at, backlog }),
        7 => (slot(), name()).prop_map(|(at, name)| Act::Connect { at, name }),
        1 => slot().prop_map(|at| Act::Dissolve { at }),
        5 => (slot(), slot()).prop_map(|(at, to)| Act::Accept { at, to }),
        2 => slot().prop_map(|at| Act::Names { at }),
        3 => (slot(), option(), value()).prop_map(|(at, option, value)| Act::Set { at, option, value }),
        2 => (slot(), option()).prop_map(|(at, option)| Act::Get { at, option }),
        2 => (slot(), how).prop_map(|(at, how)| Act::Shutdown { at, how }),
        3 => slot().prop_map(|at| Act::Close { at }),
        2 => slot().prop_map(|at| Act::TakeError { at }),
        1 => (slot(), slot()).prop_map(|(at, to)| Act::Dup { at, to }),
        1 => name().prop_map(|name| Act::Unlink { name }),
    ];
    prop::collection::vec(prop_oneof![3 => data, 2 => life], 1..60)
}

const ALL: EpollFlags = EpollFlags::from_raw(c::EPOLLIN | c::EPOLLPRI | c::EPOLLOUT | c::EPOLLRDHUP);

/// A socket, and a level-triggered and an edge-triggered instance that watch it.
struct Watched<E: World> {
    socket: Sock<E>,
    epolls: [Epoll<E>; 2],
}

struct Local<E: World> {
    env: E,
    dir: Dir<E>,
    slots: [Option<Watched<E>>; SLOTS],
    names: Vec<SocketAddr>,
    me: Credentials,
    sent: usize,
}

impl<E: World> Local<E> {
    fn new(env: &E) -> Local<E> {
        let dir = Dir::new(env);
        let paths = ["p", "q"].map(|name| dir.addr(name));
        let names = (0..ABSTRACT).map(|_| abstract_name()).chain(paths).collect();
        let (pair, _) = Sock::unix_pair(env, Type::STREAM);
        let bytes = pair.get_bytes(c::SOL_SOCKET, c::SO_PEERCRED, 12).expect("a pair has credentials");
        let me = Credentials::decode(&bytes).expect("they are three words");
        Local { env: env.clone(), dir, slots: std::array::from_fn(|_| None), names, me, sent: 0 }
    }

    fn put(&mut self, at: usize, socket: Sock<E>) {
        let epolls = [EpollFlags::NONE, EpollFlags::ET].map(|mode| {
            let epoll = Epoll::new(&self.env);
            epoll.add(&socket, ALL | mode, 0).expect("a socket can be added");
            epoll
        });
        self.slots[at] = Some(Watched { socket, epolls });
    }

    fn data(&mut self, len: usize) -> Vec<u8> {
        self.sent += 1;
        pattern(self.sent + len)[self.sent..].to_vec()
    }

    /// An address in words that do not depend on the run.
    fn shown(&self, addr: &SocketAddr) -> String {
        match (self.names.iter().position(|name| name == addr), addr) {
            (Some(place), _) => format!("name {place}"),
            (None, SocketAddr::Unix(UnixAddr::Abstract(digits))) if digits.len() == 5 => "automatic".to_owned(),
            (None, addr) => format!("{addr:?}"),
        }
    }

    fn make(&mut self, act: Act) -> String {
        let at = match act {
            Act::New { at, kind } => {
                let made = Sock::open_with(&self.env, Domain::UNIX, kind, SockFlags::NONBLOCK, Protocol::DEFAULT);
                self.put(at, made.expect("a local socket can be made"));
                return "made".to_owned();
            }
            Act::Pair { at, other, kind } => {
                let (a, b) = Sock::unix_pair(&self.env, kind);
                for (at, socket) in [(at, a), (other, b)] {
                    socket.set_nonblocking(true);
                    self.put(at, socket);
                }
                return "made".to_owned();
            }
            Act::Unlink { name } => {
                return match name.checked_sub(ABSTRACT) {
                    Some(path) => format!("{:?}", self.env.unlink(&self.dir.path(["p", "q"][path]))),
                    None => "abstract".to_owned(),
                };
            }
            Act::Bind { at, .. }
            | Act::Autobind { at }
            | Act::Listen { at, .. }
            | Act::Connect { at, .. }
            | Act::Dissolve { at }
            | Act::Accept { at, .. }
            | Act::Send { at, .. }
            | Act::SendTo { at, .. }
            | Act::Pass { at, .. }
            | Act::Claim { at }
            | Act::Recv { at, .. }
            | Act::RecvFrom { at, .. }
            | Act::RecvMsg { at, .. }
            | Act::Ask { at }
            | Act::Names { at }
            | Act::Epoll { at, .. }
            | Act::Rearm { at }
            | Act::Set { at, .. }
            | Act::Get { at, .. }
            | Act::Shutdown { at, .. }
            | Act::Close { at }
            | Act::TakeError { at }
            | Act::Dup { at, .. } => at,
        };
        let Some(watched) = self.slots[at].take() else { return "closed".to_owned() };
        let (answer, kept) = self.act_on(watched, act);
        if let Some(watched) = kept {
            // What was put there meanwhile goes.
            self.slots[at] = Some(watched);
        }
        answer
    }

    /// A call on a socket, which it may close.
    fn act_on(&mut self, watched: Watched<E>, act: Act) -> (String, Option<Watched<E>>) {
        let Watched { socket, epolls } = &watched;
        let answer = match act {
            Act::Bind { name, .. } => format!("{:?}", socket.bind(&self.names[name])),
            Act::Autobind { .. } => format!("{:?}", socket.bind(&UnixAddr::Unnamed.into())),
            Act::Listen { backlog, .. } => format!("{:?}", socket.listen(backlog)),
            Act::Connect { name, .. } => format!("{:?}", socket.connect(&self.names[name])),
            Act::Dissolve { .. } => format!("{:?}", socket.connect(&SocketAddr::Unspec)),
            Act::Accept { to, .. } => match socket.accept_with(SockFlags::NONBLOCK) {
                Ok((accepted, from)) => {
                    self.put(to, accepted);
                    format!("from {}", self.shown(&from))
                }
                Err(errno) => format!("{errno:?}"),
            },
            Act::Send { len, flags, .. } => format!("{:?}", socket.send_with(&self.data(len), flags)),
            Act::SendTo { name, len, .. } => format!("{:?}", socket.send_to(&self.data(len), &self.names[name])),
            Act::Pass { keep, kind, len, copies, .. } => {
                let (kept, passed) = Sock::unix_pair(&self.env, kind);
                [&kept, &passed].iter().for_each(|socket| socket.set_nonblocking(true));
                self.put(keep, kept);
                let mut control = SendControl::new();
                control.rights(&self.env, &vec![&passed.socket; copies]);
                format!("{:?}", self.sendmsg(socket, len, &control))
            }
            Act::Claim { .. } => {
                let mut control = SendControl::new();
                control.credentials(self.me);
                format!("{:?}", self.sendmsg(socket, 3, &control))
            }
            Act::Recv { len, flags, .. } => {
                let mut bytes = vec![b'.'; len];
                let answer = socket.recv_into(&mut bytes, flags);
                format!("{answer:?} {}", digest(&bytes))
            }
            Act::RecvFrom { len, .. } => match socket.recv_from(len) {
                Ok((bytes, from)) => format!("{} from {}", digest(&bytes), self.shown(&from)),
                Err(errno) => format!("{errno:?}"),
            },
            Act::RecvMsg { len, room, flags, to, .. } => self.recvmsg(socket, len, room, flags, to),
            Act::Ask { .. } => {
                format!("{:?} {:?} {:?} {:?}", socket.mask(), socket.fionread(), socket.outq(), socket.at_mark())
            }
            Act::Names { .. } => {
                let peer = socket.peer_name().map(|peer| self.shown(&peer));
                format!("{} {peer:?} {}", self.shown(&socket.name()), self.peer(socket))
            }
            Act::Epoll { edge, .. } => format!("{:?}", epolls[usize::from(edge)].now()),
            Act::Rearm { .. } => format!("{:?}", epolls[1].modify(socket, ALL | EpollFlags::ET, 1)),
            Act::Set { option, value, .. } => format!("{:?}", socket.set(c::SOL_SOCKET, option, value)),
            Act::Get { option, .. } => format!("{:?}", socket.get(c::SOL_SOCKET, option)),
            Act::Shutdown { how, .. } => format!("{:?}", socket.shutdown(how)),
            Act::TakeError { .. } => format!("{:?}", socket.take_error()),
            Act::Dup { to, .. } => {
                let twin = socket.dup();
                self.put(to, twin);
                "twin".to_owned()
            }
            Act::Close { .. } => return (format!("{:?}", watched.socket.close()), None),
            Act::New { .. } | Act::Pair { .. } | Act::Unlink { .. } => unreachable!("these are on no socket"),
        };
        (answer, Some(watched))
    }

    fn sendmsg(&mut self, over: &Sock<E>, len: usize, control: &SendControl<'_, E::Socket>) -> twinsock::Result<usize> {
        let data = self.data(len);
        self.env.sendmsg(&over.socket, &[IoSlice::new(&data)], Some(control), None, MsgFlags::NONE)
    }

    fn recvmsg(&mut self, from: &Sock<E>, len: usize, room: usize, flags: MsgFlags, to: usize) -> String {
        let (mut bytes, mut control) = (vec![b'.'; len], RecvControl::new(room));
        let got = self.env.recvmsg(&from.socket, &mut [IoSliceMut::new(&mut bytes)], Some(&mut control), flags);
        let mut messages = Vec::new();
        let mut received = None;
        for message in control.drain() {
            messages.push(match message {
                ControlMessage::Rights(sockets) => {
                    let count = sockets.len();
                    received = sockets.into_iter().next();
                    format!("{count} sockets")
                }
                ControlMessage::Credentials(who) if who == self.me => "my credentials".to_owned(),
                ControlMessage::Credentials(who) => format!("{who:?}"),
                ControlMessage::PacketInfo4(_)
                | ControlMessage::PacketInfo6(_)
                | ControlMessage::Ttl(_)
                | ControlMessage::Tos(_)
                | ControlMessage::HopLimit(_)
                | ControlMessage::TrafficClass(_)
                | ControlMessage::Raw { .. } => "another message".to_owned(),
            });
        }
        let flags = got.as_ref().map(|got| got.flags.without(MsgFlags::CMSG_CLOEXEC));
        let name = got.as_ref().map(|got| self.shown(&got.addr));
        let answer = format!("{:?} {flags:?} {name:?} {messages:?} {}", got.as_ref().map(|got| got.len), digest(&bytes));
        if let Some(socket) = received {
            self.put(to, Sock::of(&self.env, socket));
        }
        answer
    }

    fn peer(&self, socket: &Sock<E>) -> &'static str {
        let bytes = socket.get_bytes(c::SOL_SOCKET, c::SO_PEERCRED, 12).expect("every local socket answers");
        let peer = Credentials::decode(&bytes).expect("they are three words");
        match peer {
            peer if peer == self.me => "me",
            Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX } => "nobody",
            _ => "somebody",
        }
    }
}

/// Bytes in few words.
fn digest(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    format!("{} bytes {sum:08x}", bytes.len())
}

fn run<E: World>(env: &E, acts: &[Act]) -> Vec<String> {
    let mut local = Local::new(env);
    acts.iter().map(|act| format!("{act:?}: {}", local.make(*act))).collect()
}

fn differ(acts: &[Act]) -> Result<(), String> {
    let simulated = acts.to_vec();
    super::compare("local", &run(&Os, acts), move |net| run(&net, &simulated))
}

#[test]
fn both_worlds_have_the_same_local_sockets() {
    super::check(super::CASES, &acts(), |acts| differ(&acts));
}
