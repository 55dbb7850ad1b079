//! [`Sock`]: an owned socket and its world, one method per call, with the defaults that most promises want.

use super::Env;
use std::fmt::Debug;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::api::Received;
use twinsock::consts as c;
use twinsock::control::{ControlMessage, RecvControl, SendControl};
use twinsock::poll::{EpollOp, PollFd, SelectSet};
use twinsock::raw::EpollEvent;
use twinsock::{
    Domain, EpollFlags, Errno, MsgFlags, PollEvents, Protocol, Result, Shutdown, SockFlags, SocketAddr, SocketApi, Type,
};

/// All the events that a mask is compared over: `IN|PRI|OUT|RDHUP`; `ERR`, `HUP` and `NVAL` come unasked.
pub const ALL_EVENTS: PollEvents = PollEvents::from_raw(c::POLLIN | c::POLLPRI | c::POLLOUT | c::POLLRDHUP);

/// How long a wait for something that must happen lasts before the promise is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A control message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    pub level: i32,
    pub kind: i32,
    pub data: Vec<u8>,
}

/// A socket and its world; dropping it closes the descriptor.
pub struct Sock<E: Env> {
    /// The world.
    pub env: E,
    /// The descriptor.
    pub socket: E::Socket,
}

impl<E: Env> Debug for Sock<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sock({})", self.fd())
    }
}

impl<E: Env> Sock<E> {
    /// `socket(2)`.
    pub fn open(env: &E, domain: Domain, kind: Type, protocol: Protocol) -> Result<Sock<E>> {
        Sock::open_with(env, domain, kind, SockFlags::NONE, protocol)
    }

    /// `socket(2)` with flags.
    pub fn open_with(env: &E, domain: Domain, kind: Type, flags: SockFlags, protocol: Protocol) -> Result<Sock<E>> {
        Ok(Sock::of(env, env.socket(domain, kind, flags, protocol)?))
    }

    /// A socket that exists already.
    pub fn of(env: &E, socket: E::Socket) -> Sock<E> {
        Sock { env: env.clone(), socket }
    }

    /// A TCP socket over IPv4.
    pub fn tcp(env: &E) -> Sock<E> {
        Sock::tcp_of(env, Domain::INET)
    }

    /// A TCP socket of either family.
    pub fn tcp_of(env: &E, domain: Domain) -> Sock<E> {
        Sock::open(env, domain, Type::STREAM, Protocol::DEFAULT).expect("a TCP socket can be made")
    }

    /// A UDP socket over IPv4.
    pub fn udp(env: &E) -> Sock<E> {
        Sock::udp_of(env, Domain::INET)
    }

    /// A UDP socket of either family.
    pub fn udp_of(env: &E, domain: Domain) -> Sock<E> {
        Sock::open(env, domain, Type::DGRAM, Protocol::DEFAULT).expect("a UDP socket can be made")
    }

    /// A local socket.
    pub fn unix(env: &E, kind: Type) -> Sock<E> {
        Sock::open(env, Domain::UNIX, kind, Protocol::DEFAULT).expect("a local socket can be made")
    }

    /// Two local sockets connected to each other, `socketpair(2)`.
    pub fn unix_pair(env: &E, kind: Type) -> (Sock<E>, Sock<E>) {
        let (a, b) = env.socketpair(Domain::UNIX, kind, SockFlags::NONE, Protocol::DEFAULT).expect("a pair can be made");
        (Sock::of(env, a), Sock::of(env, b))
    }

    /// The descriptor's number.
    pub fn fd(&self) -> i32 {
        self.env.fileno(&self.socket)
    }

    /// `bind(2)`.
    pub fn bind(&self, addr: &SocketAddr) -> Result<()> {
        SocketApi::bind(&self.env, &self.socket, addr)
    }

    /// `listen(2)`.
    pub fn listen(&self, backlog: i32) -> Result<()> {
        self.env.listen(&self.socket, backlog)
    }

    /// `accept(2)`.
    pub fn accept(&self) -> Result<(Sock<E>, SocketAddr)> {
        self.accept_with(SockFlags::NONE)
    }

    /// `accept4(2)`.
    pub fn accept_with(&self, flags: SockFlags) -> Result<(Sock<E>, SocketAddr)> {
        let (socket, addr) = self.env.accept(&self.socket, flags)?;
        Ok((Sock::of(&self.env, socket), addr))
    }

    /// `connect(2)`.
    pub fn connect(&self, addr: &SocketAddr) -> Result<()> {
        self.env.connect(&self.socket, addr)
    }

    /// `send(2)`.
    pub fn send(&self, data: &[u8]) -> Result<usize> {
        self.send_with(data, MsgFlags::NONE)
    }

    /// `send(2)` with flags.
    pub fn send_with(&self, data: &[u8], flags: MsgFlags) -> Result<usize> {
        self.env.send(&self.socket, data, flags)
    }

    /// `recv(2)` into room for `room` bytes.
    pub fn recv(&self, room: usize) -> Result<Vec<u8>> {
        self.recv_with(room, MsgFlags::NONE)
    }

    /// `recv(2)` with flags.
    pub fn recv_with(&self, room: usize, flags: MsgFlags) -> Result<Vec<u8>> {
        let mut bytes = vec![0; room];
        let got = self.env.recv(&self.socket, &mut bytes, flags)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// One `recv(2)` that does not block.
    pub fn try_recv(&self, room: usize) -> Result<Vec<u8>> {
        self.recv_with(room, MsgFlags::DONTWAIT)
    }

    /// `recv(2)` into `bytes`.
    pub fn recv_into(&self, bytes: &mut [u8], flags: MsgFlags) -> Result<usize> {
        self.env.recv(&self.socket, bytes, flags)
    }

    /// `recv(2)` until `count` bytes have come.
    pub fn recv_exactly(&self, count: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let part = self.recv(count - all.len()).expect("the bytes come");
            assert!(!part.is_empty(), "the stream ended after {} bytes of {count}", all.len());
            all.extend(part);
        }
        all
    }

    /// `recv(2)` until the end of the stream.
    pub fn recv_to_end(&self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let part = self.recv(65_536).expect("the bytes come, then the end");
            if part.is_empty() {
                return all;
            }
            all.extend(part);
        }
    }

    /// `send(2)` until all of `data` is queued.
    pub fn send_all(&self, data: &[u8]) {
        let mut sent = 0;
        while sent < data.len() {
            sent += self.send(&data[sent..]).expect("the bytes can be sent");
        }
    }

    /// `shutdown(2)`.
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.env.shutdown(&self.socket, how)
    }

    /// `close(2)`.
    pub fn close(self) -> Result<()> {
        self.env.close(self.socket)
    }

    /// `dup(2)`.
    pub fn dup(&self) -> Sock<E> {
        Sock::of(&self.env, self.env.dup(&self.socket).expect("a descriptor can be duplicated"))
    }

    /// `getsockname(2)`.
    pub fn name(&self) -> SocketAddr {
        self.env.getsockname(&self.socket).expect("getsockname works in every state")
    }

    /// `getpeername(2)`.
    pub fn peer_name(&self) -> Result<SocketAddr> {
        self.env.getpeername(&self.socket)
    }

    /// `getsockopt(2)` of an int.
    pub fn get(&self, level: i32, name: i32) -> Result<i32> {
        self.env.getsockopt(&self.socket, level, name)
    }

    /// `setsockopt(2)` of an int.
    pub fn set(&self, level: i32, name: i32, value: i32) -> Result<()> {
        self.env.setsockopt(&self.socket, level, name, value)
    }

    /// `getsockopt(2)` of bytes.
    pub fn get_bytes(&self, level: i32, name: i32, room: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; room];
        let len = self.env.getsockopt_bytes(&self.socket, level, name, &mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// `getsockopt(2)` of an option whose value says what is asked for; answers how long the answer is.
    pub fn get_in_place(&self, level: i32, name: i32, value: &mut [u8]) -> Result<usize> {
        self.env.getsockopt_bytes(&self.socket, level, name, value)
    }

    /// `setsockopt(2)` of bytes.
    pub fn set_bytes(&self, level: i32, name: i32, value: &[u8]) -> Result<()> {
        self.env.setsockopt_bytes(&self.socket, level, name, value)
    }

    /// `SO_ERROR`, which takes the pending error.
    pub fn take_error(&self) -> Option<Errno> {
        match self.get(c::SOL_SOCKET, c::SO_ERROR).expect("SO_ERROR can be read") {
            0 => None,
            number => Some(Errno::from_raw(number)),
        }
    }

    /// `SO_LINGER`.
    pub fn set_linger(&self, on: i32, seconds: i32) -> Result<()> {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&on.to_ne_bytes());
        bytes[4..].copy_from_slice(&seconds.to_ne_bytes());
        self.set_bytes(c::SOL_SOCKET, c::SO_LINGER, &bytes)
    }

    /// `SO_RCVTIMEO` or `SO_SNDTIMEO`.
    pub fn set_timeout(&self, name: i32, seconds: i64, micros: i64) -> Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
        bytes[8..].copy_from_slice(&micros.to_ne_bytes());
        self.set_bytes(c::SOL_SOCKET, name, &bytes)
    }

    /// `O_NONBLOCK`.
    pub fn set_nonblocking(&self, on: bool) {
        self.env.set_nonblocking(&self.socket, on).expect("O_NONBLOCK can be set");
    }

    /// `FIONREAD`.
    pub fn fionread(&self) -> Result<usize> {
        self.env.fionread(&self.socket)
    }

    /// Waits until `FIONREAD` says `count`: where `poll(2)` is ready already, and more is to come.
    #[track_caller]
    pub fn expect_fionread(&self, count: usize) {
        self.wait_for("unread bytes", |socket| socket.fionread() == Ok(count));
    }

    /// Waits for what `poll(2)` cannot tell, by asking again and again.
    #[track_caller]
    pub fn wait_for(&self, what: &str, condition: impl Fn(&Sock<E>) -> bool) {
        let deadline = self.env.now() + PATIENCE;
        while !condition(self) {
            assert!(self.env.now() < deadline, "waited {PATIENCE:?} for {what}");
        }
    }

    /// `O_NONBLOCK`.
    pub fn nonblocking(&self) -> Result<bool> {
        self.env.nonblocking(&self.socket)
    }

    /// `TIOCOUTQ`: bytes sent and not acknowledged.
    pub fn outq(&self) -> Result<usize> {
        self.env.siocoutq(&self.socket)
    }

    /// `sendto(2)`.
    pub fn send_to(&self, data: &[u8], addr: &SocketAddr) -> Result<usize> {
        self.env.sendto(&self.socket, data, MsgFlags::NONE, addr)
    }

    /// `sendto(2)` with flags.
    pub fn send_to_with(&self, data: &[u8], addr: &SocketAddr, flags: MsgFlags) -> Result<usize> {
        self.env.sendto(&self.socket, data, flags, addr)
    }

    /// `sendmsg(2)` with control messages.
    pub fn send_message(&self, data: &[u8], addr: &SocketAddr, control: &SendControl<'_, E::Socket>) -> Result<usize> {
        self.env.sendmsg(&self.socket, &[IoSlice::new(data)], Some(control), Some(addr), MsgFlags::NONE)
    }

    /// `recvmsg(2)` with room for control messages.
    pub fn recv_message(&self, room: usize, control: &mut RecvControl<E>, flags: MsgFlags) -> Result<(Vec<u8>, Received)> {
        let mut bytes = vec![0; room];
        let received = self.env.recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], Some(control), flags)?;
        bytes.truncate(received.len);
        Ok((bytes, received))
    }

    /// `recvmsg(2)`: the data, and the control messages that only numbers stand for, and credentials, by number.
    pub fn recv_told(&self, room: usize, flags: MsgFlags) -> Result<(Vec<u8>, Vec<Told>)> {
        let mut control = RecvControl::new(256);
        let (data, _) = self.recv_message(room, &mut control, flags)?;
        let told = control.drain().map(|message| {
            if let ControlMessage::Raw { level, kind, data } = message {
                Told { level, kind, data: data.to_vec() }
            } else if let ControlMessage::Credentials(_) = message {
                Told { level: c::SOL_SOCKET, kind: c::SCM_CREDENTIALS, data: Vec::new() }
            } else {
                panic!("nobody has asked for it")
            }
        });
        Ok((data, told.collect()))
    }

    /// `recvfrom(2)`.
    pub fn recv_from(&self, room: usize) -> Result<(Vec<u8>, SocketAddr)> {
        let mut bytes = vec![0; room];
        let (count, addr) = self.env.recvfrom(&self.socket, &mut bytes, MsgFlags::NONE)?;
        bytes.truncate(count);
        Ok((bytes, addr))
    }

    /// `sendmsg(2)` of gathered bytes.
    pub fn send_vectored(&self, iov: &[IoSlice<'_>]) -> Result<usize> {
        self.env.sendmsg(&self.socket, iov, None, None, MsgFlags::NONE)
    }

    /// `recvmsg(2)` of scattered bytes.
    pub fn recv_vectored(&self, iov: &mut [IoSliceMut<'_>]) -> Result<Received> {
        self.env.recvmsg(&self.socket, iov, None, MsgFlags::NONE)
    }

    /// `SIOCATMARK`.
    pub fn at_mark(&self) -> Result<bool> {
        self.env.siocatmark(&self.socket)
    }

    /// The mask that `poll(2)` gives at once, over [`ALL_EVENTS`].
    pub fn mask(&self) -> PollEvents {
        self.poll(ALL_EVENTS, Some(Duration::ZERO))
    }

    /// `poll(2)` of this socket alone.
    pub fn poll(&self, events: PollEvents, timeout: Option<Duration>) -> PollEvents {
        let (ready, answers) = poll_all(&self.env, &[(self, events)], timeout);
        let mask = answers[0];
        assert_eq!(ready, usize::from(!mask.is_empty()), "poll counts the entries that have events");
        mask
    }

    /// Waits by `poll(2)` until one of `events` has come, and returns what came.
    pub fn wait(&self, events: PollEvents) -> PollEvents {
        let mask = self.poll(events, Some(PATIENCE));
        assert!(mask.intersects(events), "waited {PATIENCE:?} for {events:?}, and got {mask:?}");
        mask
    }

    /// Waits by `poll(2)` until all of `expected` has come, and asserts that nothing else has.
    #[track_caller]
    pub fn expect_mask(&self, expected: PollEvents) {
        let deadline = self.env.now() + PATIENCE;
        loop {
            let mask = self.mask();
            let missing = expected.without(mask);
            if missing.is_empty() || self.env.now() >= deadline {
                assert_eq!(mask, expected, "events of {self:?}");
                return;
            }
            self.poll(missing, Some(PATIENCE));
        }
    }
}

/// `poll(2)` of several sockets: how many have events, and which.
pub fn poll_all<E: Env>(env: &E, set: &[(&Sock<E>, PollEvents)], timeout: Option<Duration>) -> (usize, Vec<PollEvents>) {
    let mut fds: Vec<_> = set.iter().map(|(socket, events)| env.poll_entry(&socket.socket, *events)).collect();
    let ready = env.poll(&mut fds, timeout).expect("poll answers");
    (ready, fds.iter().map(PollFd::revents).collect())
}

/// `select(2)` of one socket in all three sets: readable, writable, exceptional.
pub fn select<E: Env>(socket: &Sock<E>, timeout: Option<Duration>) -> (bool, bool, bool) {
    let mut sets = [SelectSet::new(), SelectSet::new(), SelectSet::new()];
    for set in &mut sets {
        assert!(set.insert(&socket.env, &socket.socket), "the number is below FD_SETSIZE");
    }
    let [read, write, except] = &mut sets;
    let ready = socket.env.select(Some(read), Some(write), Some(except), timeout).expect("select answers");
    let answers = sets.map(|set| set.contains(&socket.env, &socket.socket));
    assert_eq!(ready, answers.iter().filter(|answer| **answer).count(), "select counts the bits that are set");
    answers.into()
}

/// `select(2)` of one socket for reading.
pub fn select_read<E: Env>(socket: &Sock<E>, timeout: Option<Duration>) -> bool {
    let mut read = SelectSet::new();
    assert!(read.insert(&socket.env, &socket.socket), "the number is below FD_SETSIZE");
    let ready = socket.env.select(Some(&mut read), None, None, timeout).expect("select answers");
    assert_eq!(ready, usize::from(read.contains(&socket.env, &socket.socket)));
    ready == 1
}

/// An `epoll(7)` descriptor.
pub struct Epoll<E: Env> {
    env: E,
    epoll: E::Socket,
}

impl<E: Env> Epoll<E> {
    /// `epoll_create1(2)`.
    pub fn new(env: &E) -> Epoll<E> {
        Epoll { env: env.clone(), epoll: env.epoll_create().expect("an epoll instance can be made") }
    }

    /// `EPOLL_CTL_ADD`.
    pub fn add(&self, socket: &Sock<E>, flags: EpollFlags, data: u64) -> Result<()> {
        self.env.epoll_ctl(&self.epoll, EpollOp::Add(EpollEvent::new(flags, data)), &socket.socket)
    }

    /// `EPOLL_CTL_ADD` of another epoll descriptor.
    pub fn add_epoll(&self, other: &Epoll<E>, flags: EpollFlags, data: u64) -> Result<()> {
        self.env.epoll_ctl(&self.epoll, EpollOp::Add(EpollEvent::new(flags, data)), &other.epoll)
    }

    /// `EPOLL_CTL_MOD`.
    pub fn modify(&self, socket: &Sock<E>, flags: EpollFlags, data: u64) -> Result<()> {
        self.env.epoll_ctl(&self.epoll, EpollOp::Modify(EpollEvent::new(flags, data)), &socket.socket)
    }

    /// `EPOLL_CTL_DEL`.
    pub fn delete(&self, socket: &Sock<E>) -> Result<()> {
        self.env.epoll_ctl(&self.epoll, EpollOp::Delete, &socket.socket)
    }

    /// What is reported at once.
    pub fn now(&self) -> Vec<(EpollFlags, u64)> {
        self.wait(8, Some(Duration::ZERO))
    }

    /// `epoll_wait(2)` for up to `max` reports.
    pub fn wait(&self, max: usize, timeout: Option<Duration>) -> Vec<(EpollFlags, u64)> {
        let mut events = vec![EpollEvent::default(); max];
        let count = self.env.epoll_wait(&self.epoll, &mut events, timeout).expect("epoll_wait answers");
        events[..count].iter().map(|event| (event.flags(), event.data)).collect()
    }
}
