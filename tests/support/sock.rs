//! [`Sock`]: an owned socket and its world, one method per call, with the defaults that most promises want.

use super::Env;
use std::fmt::Debug;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::raw::{FdSet, Name, PollFd, Syscalls, Vouch};
use twinsock::consts as c;
use twinsock::{Domain, EpollFlags, Errno, MsgFlags, PollEvents, Protocol, Result, Shutdown, SockFlags, SocketAddr, SocketApi, Type};

/// All the events that a mask is compared over: `IN|PRI|OUT|RDHUP`; `ERR`, `HUP` and `NVAL` come unasked.
pub const ALL_EVENTS: PollEvents =
    PollEvents::from_raw(c::POLLIN | c::POLLPRI | c::POLLOUT | c::POLLRDHUP);

/// How long a wait for something that must happen lasts before the promise is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

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
        self.calls().listen(self.fd(), backlog)
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
        self.calls().connect(self.fd(), addr.encode()?.as_bytes())
    }

    /// `send(2)`.
    pub fn send(&self, data: &[u8]) -> Result<usize> {
        self.send_with(data, MsgFlags::NONE)
    }

    /// `send(2)` with flags.
    pub fn send_with(&self, data: &[u8], flags: MsgFlags) -> Result<usize> {
        SocketApi::send(&self.env, &self.socket, data, flags)
    }

    /// `recv(2)` into room for `room` bytes.
    pub fn recv(&self, room: usize) -> Result<Vec<u8>> {
        self.recv_with(room, MsgFlags::NONE)
    }

    /// `recv(2)` with flags.
    pub fn recv_with(&self, room: usize, flags: MsgFlags) -> Result<Vec<u8>> {
        let mut bytes = vec![0; room];
        let got = SocketApi::recv(&self.env, &self.socket, &mut bytes, flags)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// One `recv(2)` that does not block.
    pub fn try_recv(&self, room: usize) -> Result<Vec<u8>> {
        self.recv_with(room, MsgFlags::DONTWAIT)
    }

    /// `recv(2)` into `bytes`.
    pub fn recv_into(&self, bytes: &mut [u8], flags: MsgFlags) -> Result<usize> {
        SocketApi::recv(&self.env, &self.socket, bytes, flags)
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
        self.calls().shutdown(self.fd(), how.raw())
    }

    /// `close(2)`.
    pub fn close(self) -> Result<()> {
        { let fd = self.env.release(self.socket); raw(&self.env).close(fd) }
    }

    /// `dup(2)`.
    pub fn dup(&self) -> Sock<E> {
        Sock::of(&self.env, self.env.adopt(self.calls().dup(self.fd()).unwrap(), vouch()))
    }

    /// `getsockname(2)`.
    pub fn name(&self) -> SocketAddr {
        name_of(|name| self.calls().getsockname(self.fd(), name)).unwrap()
    }

    /// `getpeername(2)`.
    pub fn peer_name(&self) -> Result<SocketAddr> {
        name_of(|name| self.calls().getpeername(self.fd(), name))
    }

    /// `getsockopt(2)` of an int.
    pub fn get(&self, level: i32, name: i32) -> Result<i32> {
        { let mut b=[0;4]; let mut len=4; self.calls().getsockopt(self.fd(), level, name, &mut b, &mut len)?; Ok(i32::from_ne_bytes(b)) }
    }

    /// `setsockopt(2)` of an int.
    pub fn set(&self, level: i32, name: i32, value: i32) -> Result<()> {
        self.calls().setsockopt(self.fd(), level, name, &value.to_ne_bytes())
    }

    /// `getsockopt(2)` of bytes.
    pub fn get_bytes(&self, level: i32, name: i32, room: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; room];
        let mut len = i32::try_from(room).unwrap();
 self.calls().getsockopt(self.fd(), level, name, &mut bytes, &mut len)?;
        bytes.truncate(usize::try_from(len).unwrap());
        Ok(bytes)
    }

    /// `setsockopt(2)` of bytes.
    pub fn set_bytes(&self, level: i32, name: i32, value: &[u8]) -> Result<()> {
        self.calls().setsockopt(self.fd(), level, name, value)
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
        self.calls().ioctl(self.fd(), 0x5421, &mut i32::from(on)).unwrap();
    }

    /// `FIONREAD`.
    pub fn fionread(&self) -> Result<usize> {
        { let mut n=0; self.calls().ioctl(self.fd(), 0x541B, &mut n)?; Ok(usize::try_from(n).unwrap()) }
    }

    /// `O_NONBLOCK`.
    pub fn nonblocking(&self) -> Result<bool> {
        Ok(self.calls().fcntl(self.fd(), c::F_GETFL, 0)? & c::O_NONBLOCK != 0)
    }

    /// `TIOCOUTQ`: bytes sent and not acknowledged.
    pub fn outq(&self) -> Result<i32> {
        let mut n = 0;
        self.calls().ioctl(self.fd(), 0x5411, &mut n)?;
        Ok(n)
    }

    pub fn pair(env: &E, domain: Domain, kind: Type, protocol: Protocol) -> Result<[Sock<E>; 2]> {
        Ok(raw(env).socketpair(domain.raw(), kind.raw(), protocol.raw())?.map(|fd| Sock::of(env, env.adopt(fd, vouch()))))
    }

    pub fn send_to(&self, data: &[u8], addr: &SocketAddr) -> Result<usize> {
        self.calls().sendto(self.fd(), data, c::MSG_NOSIGNAL, Some(addr.encode()?.as_bytes()))
    }

    pub fn recv_from(&self, room: usize) -> Result<(Vec<u8>, SocketAddr)> {
        let mut bytes = vec![0; room];
        let mut n = 0;
        let addr = name_of(|name| { n = self.calls().recvfrom(self.fd(), &mut bytes, 0, Some(name))?; Ok(()) })?;
        bytes.truncate(n);
        Ok((bytes, addr))
    }

    pub fn send_vectored(&self, iov: &[IoSlice<'_>]) -> Result<usize> {
        self.calls().sendmsg(self.fd(), &twinsock::raw::SendHdr { name: None, iov, control: &[] }, c::MSG_NOSIGNAL)
    }

    pub fn recv_vectored(&self, iov: &mut [IoSliceMut<'_>]) -> Result<usize> {
        let mut hdr = twinsock::raw::RecvHdr { name: &mut [], name_len: 0, iov, control: &mut [], control_len: 0, flags: 0 };
        self.calls().recvmsg(self.fd(), &mut hdr, 0)
    }

    fn calls(&self) -> &E::Calls {
        raw(&self.env)
    }

    /// `SIOCATMARK`.
    pub fn at_mark(&self) -> Result<bool> {
        { let mut n=0; self.calls().ioctl(self.fd(), 0x8905, &mut n)?; Ok(n != 0) }
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

fn vouch() -> Vouch {
    // SAFETY: numbers come from sockets that are owned.
    unsafe { Vouch::new() }
}

fn raw<E: Env>(env: &E) -> &E::Calls {
    env.calls(vouch())
}

fn name_of(call: impl FnOnce(Name<'_>) -> Result<()>) -> Result<SocketAddr> {
    let mut bytes = [0; 128];
    let mut len = 128;
    call(Name { bytes: &mut bytes, len: &mut len })?;
    if len == 0 { Ok(SocketAddr::Unspec) } else { SocketAddr::decode(&bytes[..usize::try_from(len).unwrap()]) }
}

pub fn poll_all<E: Env>(env: &E, set: &[(&Sock<E>, PollEvents)], timeout: Option<Duration>) -> (usize, Vec<PollEvents>) {
    let mut fds: Vec<PollFd> = set.iter().map(|(s, e)| PollFd { fd: s.fd(), events: i16::try_from(e.raw()).unwrap(), revents: 0 }).collect();
    let ms = timeout.map_or(-1, |t| i32::try_from(t.as_millis()).unwrap());
    let ready = raw(env).poll(&mut fds, ms).unwrap();
    (ready, fds.iter().map(|f| PollEvents::from_raw(i32::from(f.revents))).collect())
}

pub fn raw_poll<E: Env>(env: &E, set: &mut [PollFd], timeout: i32) -> Result<usize> {
    raw(env).poll(set, timeout)
}

pub fn select<E: Env>(socket: &Sock<E>, timeout: Option<Duration>) -> (bool, bool, bool) {
    let mut set = FdSet::new();
    set.insert(socket.fd());
    let (mut r, mut w, mut x) = (set, set, set);
    raw(&socket.env).select(socket.fd() + 1, [Some(&mut r), Some(&mut w), Some(&mut x)], timeout.map(|t| i64::try_from(t.as_micros()).unwrap())).unwrap();
    (r.contains(socket.fd()), w.contains(socket.fd()), x.contains(socket.fd()))
}

pub fn select_read<E: Env>(socket: &Sock<E>, timeout: Option<Duration>) -> bool {
    let mut r = FdSet::new();
    r.insert(socket.fd());
    raw(&socket.env).select(socket.fd() + 1, [Some(&mut r), None, None], timeout.map(|t| i64::try_from(t.as_micros()).unwrap())).unwrap();
    r.contains(socket.fd())
}

pub fn raw_select_unopened<E: Env>(env: &E) -> Result<usize> {
    let socket = Sock::tcp(env);
    // High above what others open, and low enough for a set.
    let fd = raw(env).fcntl(socket.fd(), c::F_DUPFD_CLOEXEC, 900)?;
    raw(env).close(fd)?;
    let mut set = FdSet::new();
    set.insert(fd);
    raw(env).select(fd + 1, [Some(&mut set), None, None], Some(0))
}

/// An `epoll(7)` descriptor.
pub struct Epoll<E: Env> {
    env: E,
    epoll: E::Socket,
}

impl<E: Env> Epoll<E> {
    /// `epoll_create1(2)`.
    pub fn new(env: &E) -> Epoll<E> {
        Epoll { env: env.clone(), epoll: env.adopt(raw(env).epoll_create1(c::EPOLL_CLOEXEC).unwrap(), vouch()) }
    }

    fn ctl(&self, op: i32, fd: i32, event: Option<(EpollFlags, u64)>) -> Result<()> {
        let event = event.map(|(f, data)| twinsock::raw::EpollEvent { events: f.raw().cast_unsigned(), data });
        raw(&self.env).epoll_ctl(self.env.fileno(&self.epoll), op, fd, event)
    }

    /// `EPOLL_CTL_ADD`.
    pub fn add(&self, socket: &Sock<E>, flags: EpollFlags, data: u64) -> Result<()> {
        self.ctl(c::EPOLL_CTL_ADD, socket.fd(), Some((flags, data)))
    }

    /// `EPOLL_CTL_ADD` of another epoll descriptor.
    pub fn add_epoll(&self, other: &Epoll<E>, flags: EpollFlags, data: u64) -> Result<()> {
        self.ctl(c::EPOLL_CTL_ADD, self.env.fileno(&other.epoll), Some((flags, data)))
    }

    /// `EPOLL_CTL_MOD`.
    pub fn modify(&self, socket: &Sock<E>, flags: EpollFlags, data: u64) -> Result<()> {
        self.ctl(c::EPOLL_CTL_MOD, socket.fd(), Some((flags, data)))
    }

    /// `EPOLL_CTL_DEL`.
    pub fn delete(&self, socket: &Sock<E>) -> Result<()> {
        self.ctl(c::EPOLL_CTL_DEL, socket.fd(), None)
    }

    /// What is reported at once.
    pub fn now(&self) -> Vec<(EpollFlags, u64)> {
        self.wait(8, Some(Duration::ZERO))
    }

    /// `epoll_wait(2)`.
    pub fn wait(&self, max: usize, timeout: Option<Duration>) -> Vec<(EpollFlags, u64)> {
        let mut events = vec![twinsock::raw::EpollEvent::default(); max];
        let ms = timeout.map_or(-1, |t| i32::try_from(t.as_millis()).unwrap());
        let count = raw(&self.env).epoll_wait(self.env.fileno(&self.epoll), &mut events, ms).unwrap();
        events[..count].iter().map(|e| (EpollFlags::from_raw(e.events.cast_signed()), e.data)).collect()
    }
}
