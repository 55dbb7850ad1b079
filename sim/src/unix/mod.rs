//! AF_UNIX, `unix(7)`: all local sockets of one host as one value, and the names by which they find each other.
//!
//! Both ends of a connection live in one host, so that what one end does shows at the other before the call returns. [`UnixSpace`] holds
//! what Linux's `struct unix_sock` holds, and the name spaces. It does not know descriptors, files, processes or waiting: a call that
//! would wait fails with `EAGAIN` and says in `Failure::wait` where to wait; what waiters and `epoll(7)` are told is polled out with
//! [`UnixSpace::poll_event`]. Descriptors in flight (`SCM_RIGHTS`) are opaque values `F`, copied like numbers: each one that is handed in
//! stands for a reference that the host has taken, each one that is handed out for one that the host has to use or give back.
//!
//! - here: the sockets, their pairs, options, readiness and events
//! - `addr.rs`, `names.rs`, `vfs.rs`: addresses, bind and lookup, the file name space
//! - `connect.rs`: listen, connect and accept; `close.rs`: shutdown, close and what they tell the peer
//! - `send.rs`, `recv.rs`: what sending and receiving have in common; `stream.rs`, `urgent.rs`: bytes; `dgram.rs`: datagrams and records
//! - `queue.rs`, `ring.rs`: the receive queue and what it charges
//! - `control.rs`: control messages to and from bytes; `rights.rs`: descriptors in flight that nobody can receive any more
//! - `id.rs`, `sock.rs`: the names of sockets and what is kept of each, in a table of the room `slab`

mod addr;
mod close;
mod connect;
mod control;
mod dgram;
mod id;
mod names;
mod queue;
mod recv;
mod rights;
mod ring;
mod send;
mod sock;
mod stream;
mod urgent;
mod vfs;

pub use addr::Address;
pub use control::{Ancillary, Stored, parse_control, store_control};
pub use id::UnixId;
pub use recv::{RecvFlags, RecvState};
pub use send::{SendFlags, SendState};
pub use vfs::{InodeId, NodeKind, Vfs};

use crate::slab::Slab;
use names::AbstractNames;
use sock::{Life, Sock, State};
use std::collections::VecDeque;
use twinsock::control::Credentials;
use twinsock::{Errno, Instant, PollEvents, Result};

/// A socket's type. `SOCK_RAW` becomes [`Kind::Dgram`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// `SOCK_STREAM`.
    Stream,
    /// `SOCK_DGRAM`.
    Dgram,
    /// `SOCK_SEQPACKET`.
    Seqpacket,
}

/// The process that makes a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Its process id.
    pub pid: i32,
    /// Its effective user id; 0 may do everything.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
    /// The permissions that a file it makes does not get, `umask(2)`.
    pub umask: u32,
}

impl Caller {
    /// Whether it has the capabilities of root.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// What `SO_PEERCRED` and `SCM_CREDENTIALS` tell of it.
    #[must_use]
    pub const fn credentials(&self) -> Credentials {
        Credentials { pid: self.pid, uid: self.uid, gid: self.gid }
    }
}

/// Constants of the kernel by their Linux names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// `net.unix.max_dgram_qlen`: taken when a socket is created.
    pub max_dgram_qlen: u32,
    /// `net.core.somaxconn`: the largest backlog.
    pub somaxconn: u32,
    /// `net.core.wmem_default`: SO_SNDBUF of a new socket, in bytes.
    pub wmem_default: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config { max_dgram_qlen: 10, somaxconn: 4096, wmem_default: 212_992 }
    }
}

/// The options that change what a socket does. `SO_SNDBUF` is [`UnixSpace::set_sndbuf`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// `SO_PASSCRED`: messages that are received tell who sent them. The accepted socket inherits it.
    pub passcred: bool,
    /// `SO_PASSRIGHTS`: descriptors may be sent here. The accepted socket inherits it.
    pub passrights: bool,
    /// `SO_OOBINLINE`: the urgent byte is read in line.
    pub oobinline: bool,
    /// `SO_SELECT_ERR_QUEUE`: an error is POLLPRI too (dgram and seqpacket).
    pub select_err_queue: bool,
    /// `SO_TIMESTAMP` or `SO_TIMESTAMPNS`: datagrams and records note when they come.
    pub timestamp: bool,
    /// `SO_RCVLOWAT`: how much a blocking receive on a stream waits for.
    pub rcvlowat: i32,
    /// `SO_PEEK_OFF`: where MSG_PEEK reads; negative: off.
    pub peek_off: i32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            passcred: false,
            passrights: true,
            oobinline: false,
            select_err_queue: false,
            timestamp: false,
            rcvlowat: 1,
            peek_off: -1,
        }
    }
}

/// What was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ShutdownBits {
    /// `RCV_SHUTDOWN`.
    pub read: bool,
    /// `SEND_SHUTDOWN`.
    pub write: bool,
}

impl ShutdownBits {
    /// `SHUTDOWN_MASK`.
    const BOTH: ShutdownBits = ShutdownBits { read: true, write: true };
}

/// Where a call that has to wait waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitFor {
    /// In the queue of its own socket, for what [`Wakes`] tells of it.
    Own,
    /// For room at another socket, first come first served: for [`Wakes::room`] of that one.
    Room(UnixId),
}

/// A call that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What it answers.
    pub errno: Errno,
    /// SIGPIPE is raised, unless the call has MSG_NOSIGNAL.
    pub sigpipe: bool,
    /// Only with `EAGAIN`: a call that may block waits here and is made again, with the same state.
    pub wait: Option<WaitFor>,
}

impl Failure {
    const fn waiting(wait: WaitFor) -> Failure {
        Failure { errno: Errno::AGAIN, sigpipe: false, wait: Some(wait) }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure { errno, sigpipe: false, wait: None }
    }
}

/// The result of a call that may have to wait or may raise SIGPIPE.
pub type Outcome<T> = std::result::Result<T, Failure>;

/// Who of those that wait for room at a socket is woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Room {
    /// Nobody.
    #[default]
    Full,
    /// So many, first come first served.
    For(u32),
    /// All: the socket is gone, or its backlog has grown.
    ForAll,
}

impl Room {
    fn one_more(&mut self) {
        *self = match *self {
            Room::Full => Room::For(1),
            Room::For(count) => Room::For(count + 1),
            Room::ForAll => Room::ForAll,
        };
    }
}

/// What happened at a socket since the last [`UnixSpace::poll_event`] that told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wakes {
    /// A message or a connection has come, `sk_data_ready`.
    pub readable: bool,
    /// A message of this socket was read and at most a quarter of the buffer is in use, or the peer has room again: `sk_write_space`.
    pub writable: bool,
    /// A shutdown, here or at the peer, or the peer's end: `sk_state_change`, which wakes everybody.
    pub state: bool,
    /// An error came, `sk_error_report`.
    pub error: bool,
    /// Others may go on that wait for room here: [`WaitFor::Room`].
    pub room: Room,
}

impl Wakes {
    #[inline]
    fn is_empty(&self) -> bool {
        *self == Wakes::default()
    }
}

/// The local sockets of a host and their names.
#[derive(Debug)]
pub struct UnixSpace<F> {
    /// The constants.
    pub config: Config,
    /// The time of the call that is being made.
    pub now: Instant,
    /// The file name space.
    pub files: Vfs,
    socks: Slab<Sock<F>, UnixId>,
    /// The abstract names, of each type its own.
    names: AbstractNames,
    /// The sockets whose [`Wakes`] are not empty, each once.
    events: VecDeque<UnixId>,
    /// How many descriptors are in flight.
    in_flight: usize,
    /// Descriptors that nobody will receive.
    dropped: Vec<F>,
    /// A socket was freed since the last collection of garbage.
    may_have_garbage: bool,
}

impl<F: Copy> UnixSpace<F> {
    /// No sockets, and a file name space with the usual directories.
    #[must_use]
    pub fn new(config: Config) -> UnixSpace<F> {
        UnixSpace {
            config,
            now: Instant::ZERO,
            files: Vfs::new(),
            socks: Slab::with_names(),
            names: AbstractNames::default(),
            events: VecDeque::new(),
            in_flight: 0,
            dropped: Vec::new(),
            may_have_garbage: false,
        }
    }

    /// A new socket, `socket(2)`.
    pub fn socket(&mut self, kind: Kind) -> UnixId {
        self.socks.insert(Sock::new(kind, &self.config))
    }

    /// Two sockets that are connected to each other, `socketpair(2)`.
    pub fn socketpair(&mut self, kind: Kind, caller: &Caller) -> (UnixId, UnixId) {
        let (a, b) = (self.socket(kind), self.socket(kind));
        for (id, peer) in [(a, b), (b, a)] {
            let sock = &mut self.socks[id];
            sock.state = State::Established;
            sock.peer = Some(peer);
            sock.refs = 1;
            sock.peercred = Some(caller.credentials());
        }
        (a, b)
    }

    /// The type, `SO_TYPE`.
    #[must_use]
    pub fn kind(&self, id: UnixId) -> Kind {
        self.socks[id].kind
    }

    /// Whether it listens, `SO_ACCEPTCONN`.
    #[must_use]
    pub fn is_listening(&self, id: UnixId) -> bool {
        self.socks[id].state == State::Listen
    }

    /// The options.
    #[must_use]
    pub fn options(&self, id: UnixId) -> &Options {
        &self.socks[id].options
    }

    /// The options, to be changed; the values are those that `getsockopt(2)` gives.
    pub fn options_mut(&mut self, id: UnixId) -> &mut Options {
        &mut self.socks[id].options
    }

    /// `SO_SNDBUF`, as `getsockopt(2)` gives it.
    #[must_use]
    pub fn sndbuf_bytes(&self, id: UnixId) -> u32 {
        self.socks[id].sndbuf_bytes
    }

    /// Sets `SO_SNDBUF` to what `getsockopt(2)` is to give: doubled and clamped already.
    pub fn set_sndbuf(&mut self, id: UnixId, bytes: u32) {
        self.socks[id].sndbuf_bytes = bytes;
        if self.socks[id].is_writable(0) {
            self.wake(id, |wakes| wakes.writable = true);
        }
    }

    /// `SO_PEERCRED`: who connected, listened or made the pair; `None` reads `{0, -1, -1}`.
    #[must_use]
    pub fn peercred(&self, id: UnixId) -> Option<Credentials> {
        self.socks[id].peercred
    }

    /// The pending error, consumed: `SO_ERROR`.
    pub fn take_error(&mut self, id: UnixId) -> Option<Errno> {
        self.socks[id].error.take()
    }

    /// `FIONREAD`: the bytes that wait in a stream, or in all records of a seqpacket socket, or in the first datagram.
    ///
    /// # Errors
    /// `EINVAL`: the socket listens.
    pub fn readable_bytes(&self, id: UnixId) -> Result<usize> {
        let sock = &self.socks[id];
        if sock.state == State::Listen {
            return Err(Errno::INVAL);
        }
        Ok(match sock.kind {
            Kind::Stream => sock.queue.inq_len,
            Kind::Seqpacket => sock.queue.records.iter().map(queue::Record::left).sum(),
            Kind::Dgram => sock.queue.records.front().map_or(0, |record| record.len),
        })
    }

    /// `TIOCOUTQ`: what its messages that were not read yet are charged with.
    #[must_use]
    pub fn outq_bytes(&self, id: UnixId) -> u32 {
        self.socks[id].wmem
    }

    /// What `poll(2)` says of the socket. It may note that somebody waits for room at the peer.
    pub fn poll_mask(&mut self, id: UnixId) -> PollEvents {
        let sock = &self.socks[id];
        let mut mask = sock.poll_mask_but_out();
        let mut writable = sock.is_writable(0);
        if sock.kind != Kind::Stream
            && writable
            && let Some(peer) = sock.peer
            && self.socks[peer].peer != Some(id)
            && self.is_full(peer)
            && self.note_waits_for_room(id, peer)
        {
            writable = false;
        }
        if writable {
            mask |= PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
        }
        mask
    }

    /// The next socket at which something happened, and what. It may have been closed since.
    pub fn poll_event(&mut self) -> Option<(UnixId, Wakes)> {
        let id = self.events.pop_front()?;
        let wakes = std::mem::take(&mut self.socks[id].wakes);
        self.reap(id);
        Some((id, wakes))
    }

    /// Notes that something happened at a socket. Nobody can wait at one that was not accepted yet.
    #[inline]
    fn wake(&mut self, id: UnixId, note: impl FnOnce(&mut Wakes)) {
        let sock = &mut self.socks[id];
        if sock.life == Life::Embryo {
            return;
        }
        let was_empty = sock.wakes.is_empty();
        note(&mut sock.wakes);
        if was_empty {
            self.events.push_back(id);
        }
    }

    /// `unix_recvq_full`: a listener's backlog, or a datagram socket's queue limit.
    fn is_full(&self, id: UnixId) -> bool {
        let sock = &self.socks[id];
        let len = if sock.state == State::Listen { sock.backlog.len() } else { sock.queue.records.len() };
        u32::try_from(len).is_ok_and(|len| len > sock.max_ack_backlog)
    }

    /// `unix_dgram_peer_wake_me`: whether `id` has to wait for room at its peer; if so, it is told when there is some.
    fn note_waits_for_room(&mut self, id: UnixId, peer: UnixId) -> bool {
        if self.socks[peer].life == Life::Dead {
            return false;
        }
        if self.socks[id].waits_for_room_at.is_none() {
            self.socks[id].waits_for_room_at = Some(peer);
            self.socks[peer].watchers.push(id);
        }
        true
    }

    /// `unix_dgram_peer_wake_disconnect`: `id` does not wait for room at `peer` any longer.
    fn forget_waits_for_room(&mut self, id: UnixId, peer: UnixId) {
        if self.socks[id].waits_for_room_at == Some(peer) {
            self.socks[id].waits_for_room_at = None;
            self.socks[peer].watchers.retain(|watcher| *watcher != id);
        }
    }

    /// A message was read: one of those that wait for room may go on, and the connected senders are told.
    #[inline]
    fn tell_room(&mut self, id: UnixId) {
        self.tell_one_of_room(id);
        while let Some(watcher) = self.socks[id].watchers.pop() {
            self.socks[watcher].waits_for_room_at = None;
            self.wake(watcher, |wakes| wakes.writable = true);
        }
    }

    /// One of those that wait for room may go on, if there ever were any.
    #[inline]
    fn tell_one_of_room(&mut self, id: UnixId) {
        if self.socks[id].is_waited_for {
            self.wake(id, |wakes| wakes.room.one_more());
        }
    }

    /// All that wait for room may go on.
    fn tell_all_of_room(&mut self, id: UnixId) {
        if std::mem::take(&mut self.socks[id].is_waited_for) {
            self.wake(id, |wakes| wakes.room = Room::ForAll);
        }
    }

    /// A call has to wait for room at a socket.
    fn wait_for_room(&mut self, at: UnixId) -> Failure {
        self.socks[at].is_waited_for = true;
        Failure::waiting(WaitFor::Room(at))
    }

    /// A message that `sender` was charged for is gone, `sock_wfree`.
    #[inline]
    fn uncharge(&mut self, sender: UnixId, charge: u32) {
        let sock = &mut self.socks[sender];
        sock.wmem -= charge;
        if sock.life == Life::Dead {
            self.unref(sender);
        } else {
            sock.refs -= 1;
            // The last byte of the charge is given back after the check.
            if sock.is_writable(1) {
                self.wake(sender, |wakes| wakes.writable = true);
            }
        }
    }

    /// Something does not refer to a socket any longer; one that is closed goes with its last reference.
    fn unref(&mut self, id: UnixId) {
        self.socks[id].refs -= 1;
        self.reap(id);
    }

    /// Forgets a closed socket, once nothing refers to it and its last event is told.
    fn reap(&mut self, id: UnixId) {
        let sock = &self.socks[id];
        if sock.life == Life::Dead && sock.refs == 0 && sock.wakes.is_empty() {
            self.socks.remove(id);
        }
    }

    /// Changes the peer, `unix_peer`. Answers the old one, which is still referred to: the caller gives that up with `unref`.
    fn set_peer(&mut self, id: UnixId, peer: Option<UnixId>) -> Option<UnixId> {
        if let Some(peer) = peer {
            self.socks[peer].refs += 1;
        }
        std::mem::replace(&mut self.socks[id].peer, peer)
    }
}

#[cfg(test)]
mod tests;
