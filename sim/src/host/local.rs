//! Local sockets, `unix(7)`, as the host sees them: which files they are, what the system calls of theirs that never wait do, and how what
//! happens in [`UnixSpace`] reaches those who wait.
//!
//! Calls that may wait are in `local_call.rs`, descriptors in flight in `rights.rs`, options in `option/unix_level.rs`, plain files in
//! `plain.rs`.

use super::call::Call;
use super::cx::{Cx, Pid};
use super::dgram::socket_argument;
use super::file::{Object, value};
use super::local_call::LocalCall;
use super::option::Options;
use super::sysctl::Sysctl;
use super::task::Entered;
use super::wait::{WaitQueue, Waiter};
use super::{Host, addr, poll};
use crate::slab::{Key, Slab, to_usize};
use crate::unix::{self, Address, Caller, Room, UnixId, UnixSpace, Wakes};
use std::collections::BTreeMap;
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd};
use twinsock::{Errno, PollEvents, Result, Shutdown};

/// The local sockets of a host.
#[derive(Debug)]
pub(super) struct Local {
    /// What they are; a descriptor in flight is an open file description.
    pub(super) space: UnixSpace<Key>,
    /// What else the host knows of those that have a file, by their numbers.
    sockets: Vec<Option<LocalSocket>>,
    /// The calls that wait.
    pub(super) calls: Slab<LocalCall>,
    /// Who waits for room at a socket, `peer_wait`: the socket may be closed already.
    pub(super) rooms: BTreeMap<UnixId, WaitQueue>,
    /// Events are being passed on: what happens meanwhile is passed on by the same loop.
    is_settling: bool,
}

/// What the socket layer holds of a local socket.
#[derive(Debug)]
pub(super) struct LocalSocket {
    pub(super) file: Key,
    pub(super) options: Options,
    /// `SO_RCVBUF`, which changes nothing.
    pub(super) rcvbuf_bytes: u32,
    /// `SO_BUF_LOCK`.
    pub(super) buf_lock: i32,
    /// `SO_KEEPALIVE`, which changes nothing.
    pub(super) keepalive: bool,
    /// `SO_PASSSEC`: no security module has anything to say.
    pub(super) passsec: bool,
    /// `SO_PASSPIDFD`.
    pub(super) passpidfd: bool,
    /// `SO_INQ`: a message tells how much is left.
    pub(super) inq: bool,
}

/// A descriptor that is a local socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalFd {
    pub(super) fd: RawFd,
    pub(super) file: Key,
    pub(super) id: UnixId,
}

impl Local {
    /// No sockets.
    pub(super) fn new(sysctl: &Sysctl) -> Local {
        Local {
            space: UnixSpace::new(config(sysctl)),
            sockets: Vec::new(),
            calls: Slab::new(),
            rooms: BTreeMap::new(),
            is_settling: false,
        }
    }

    /// What the host holds of an open socket.
    pub(super) fn socket(&self, id: UnixId) -> &LocalSocket {
        self.sockets[to_usize(id.number())].as_ref().expect("a socket that has a file is known")
    }

    /// What the host holds of an open socket.
    pub(super) fn socket_mut(&mut self, id: UnixId) -> &mut LocalSocket {
        self.sockets[to_usize(id.number())].as_mut().expect("a socket that has a file is known")
    }

    /// The file of a socket; one that was not accepted yet, or is closed, has none.
    fn file(&self, id: UnixId) -> Option<Key> {
        self.sockets.get(to_usize(id.number()))?.as_ref().map(|socket| socket.file)
    }

    /// A socket gets its file.
    fn open(&mut self, id: UnixId, file: Key, rcvbuf_bytes: u32) {
        let index = to_usize(id.number());
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        self.sockets[index] = Some(LocalSocket {
            file,
            options: Options::default(),
            rcvbuf_bytes,
            buf_lock: 0,
            keepalive: false,
            passsec: false,
            passpidfd: false,
            inq: false,
        });
    }

    /// A call does not wait for room any longer.
    pub(super) fn leave_room(&mut self, at: UnixId, sleeper: Key) {
        if let Some(queue) = self.rooms.get_mut(&at) {
            queue.remove(Waiter::Call(sleeper));
            if queue.is_empty() {
                self.rooms.remove(&at);
            }
        }
    }
}

impl Host {
    /// The descriptor of a call on a socket, if that is a local one.
    pub(super) fn local_target(&self, pid: Pid, call: &Call<'_, '_>) -> Option<LocalFd> {
        let fd = socket_argument(call)?;
        let file = self.file_of(pid, fd).ok()?;
        match self.files[file].object {
            Object::Local(id) => Some(LocalFd { fd, file, id }),
            Object::Socket(_) | Object::Dgram(_) | Object::Pipe(..) | Object::Epoll(_) | Object::Plain(_) => None,
        }
    }

    /// A call on a local socket.
    pub(super) fn enter_local(&mut self, cx: &mut Cx<'_>, pid: Pid, at: LocalFd, call: &mut Call<'_, '_>) -> Entered {
        self.local.space.config = config(&self.sysctl);
        self.local.space.now = cx.now;
        let entered = match self.local_at_once(cx, pid, at, call) {
            Some(result) => Entered::Done(result),
            None => self.begin_local(cx, pid, at, call),
        };
        self.settle_local(cx);
        entered
    }

    /// The calls that never wait; `None`: it is another one.
    fn local_at_once(&mut self, cx: &mut Cx<'_>, pid: Pid, at: LocalFd, call: &mut Call<'_, '_>) -> Option<Result<usize>> {
        let id = at.id;
        Some(match call {
            Call::Bind { addr, .. } => self.bind_local(cx, pid, id, addr).map(|()| 0),
            Call::Listen { backlog, .. } => {
                self.caller(pid).and_then(|caller| self.local.space.listen(id, &caller, *backlog)).map(|()| 0)
            }
            Call::Shutdown { how, .. } => shutdown_how(*how).map(|how| self.local.space.shutdown(id, how)).map(|()| 0),
            Call::Getsockname { name, .. } => store_name(self.local.space.getsockname(id), name).map(|()| 0),
            Call::Getpeername { name, .. } => {
                self.local.space.getpeername(id).and_then(|peer| store_name(peer, name)).map(|()| 0)
            }
            Call::Getsockopt { level, name, value, len, .. } => self.get_local_option(id, *level, *name, value, len),
            Call::Setsockopt { level, name, value, .. } => self.set_local_option(pid, id, *level, *name, value),
            Call::Accept4 { .. }
            | Call::Connect { .. }
            | Call::Sendto { .. }
            | Call::Sendmsg { .. }
            | Call::Recvfrom { .. }
            | Call::Recvmsg { .. }
            | Call::Read { .. }
            | Call::Write { .. }
            | Call::Readv { .. }
            | Call::Writev { .. }
            | Call::Socket { .. }
            | Call::Socketpair { .. }
            | Call::Fcntl { .. }
            | Call::Ioctl { .. }
            | Call::Pipe2 { .. }
            | Call::Dup { .. }
            | Call::Dup3 { .. }
            | Call::Close { .. }
            | Call::Poll { .. }
            | Call::Select { .. }
            | Call::EpollCreate1 { .. }
            | Call::EpollCtl { .. }
            | Call::EpollWait { .. } => return None,
        })
    }

    /// `socket(2)` of AF_UNIX, whose type and flags were taken apart: `unix_create`.
    pub(super) fn local_socket(&mut self, pid: Pid, kind: i32, protocol: i32, flags: i32) -> Result<usize> {
        let kind = check_kind(kind, protocol)?;
        let fd = self.process_mut(pid)?.reserve(0)?;
        self.local.space.config = config(&self.sysctl);
        let id = self.local.space.socket(kind);
        let file = self.open_local(id, flags);
        self.process_mut(pid)?.fill(fd, file, flags & c::SOCK_CLOEXEC != 0);
        Ok(value(fd))
    }

    /// `socketpair(2)` of AF_UNIX; its descriptors are reserved.
    pub(super) fn local_socketpair(
        &mut self,
        pid: Pid,
        reserved: [RawFd; 2],
        kind: i32,
        protocol: i32,
        flags: i32,
    ) -> Result<usize> {
        let kind = check_kind(kind, protocol)?;
        let caller = self.caller(pid)?;
        self.local.space.config = config(&self.sysctl);
        let (a, b) = self.local.space.socketpair(kind, &caller);
        for (id, fd) in [a, b].into_iter().zip(reserved) {
            let file = self.open_local(id, flags);
            self.process_mut(pid)?.fill(fd, file, flags & c::SOCK_CLOEXEC != 0);
        }
        Ok(0)
    }

    /// Makes the file of a socket, held by whoever asks.
    pub(super) fn open_local(&mut self, id: UnixId, flags: i32) -> Key {
        let file = self.open_file(Object::Local(id), flags & c::SOCK_NONBLOCK != 0);
        self.hold_file(file);
        self.local.open(id, file, self.sysctl.rmem_default);
        file
    }

    /// The process as local sockets see it.
    pub(super) fn caller(&self, pid: Pid) -> Result<Caller> {
        let credentials = self.process(pid)?.credentials;
        let pid = i32::try_from(pid.0).expect("process ids are small");
        Ok(Caller { pid, uid: credentials.uid, gid: credentials.gid, umask: UMASK })
    }

    fn bind_local(&mut self, cx: &mut Cx<'_>, pid: Pid, id: UnixId, addr: &[u8]) -> Result<()> {
        addr::check_length(addr)?;
        let caller = self.caller(pid)?;
        self.local.space.bind(id, &caller, addr, cx.luck)
    }

    /// The requests of `ioctl(2)` that local sockets know.
    pub(super) fn local_ioctl(&mut self, id: UnixId, request: i32) -> Result<usize> {
        match request {
            c::FIONREAD => self.local.space.readable_bytes(id),
            c::TIOCOUTQ => Ok(to_usize(self.local.space.outq_bytes(id))),
            c::SIOCATMARK => self.local.space.at_mark(id).map(usize::from),
            _ => Err(Errno::NOTTY),
        }
    }

    /// The last close of a local socket.
    pub(super) fn close_local(&mut self, cx: &mut Cx<'_>, id: UnixId) {
        self.forget_local(id);
        self.settle_local(cx);
    }

    /// The same, where what is let go of by this is to go without a word.
    pub(super) fn close_local_silently(&mut self, id: UnixId) {
        self.forget_local(id);
        self.settle_local_with(Host::drop_one);
    }

    fn forget_local(&mut self, id: UnixId) {
        self.local.sockets[to_usize(id.number())] = None;
        self.local.space.close(id);
        self.collect_garbage();
    }

    /// Tells everybody of what happened to local sockets, and lets go of descriptors that nobody will receive.
    pub(super) fn settle_local(&mut self, cx: &mut Cx<'_>) {
        self.settle_local_with(|host, file| {
            host.put_file(cx, file, false);
        });
    }

    fn settle_local_with(&mut self, mut release: impl FnMut(&mut Host, Key)) {
        if std::mem::replace(&mut self.local.is_settling, true) {
            return;
        }
        loop {
            while let Some((id, wakes)) = self.local.space.poll_event() {
                self.tell_local(id, wakes);
            }
            let Some(file) = self.local.space.poll_dropped() else { break };
            self.files[file].land();
            release(self, file);
        }
        self.local.is_settling = false;
    }

    fn tell_local(&mut self, id: UnixId, wakes: Wakes) {
        if let Some(file) = self.local.file(id) {
            let told: [(bool, PollEvents, bool); 4] = [
                (wakes.error, poll::KEY_ERROR, false),
                (wakes.readable, poll::KEY_READABLE, false),
                (wakes.writable, poll::KEY_WRITABLE, false),
                (wakes.state, poll::KEY_STATE, true),
            ];
            for (_, key, all) in told.into_iter().filter(|(happened, ..)| *happened) {
                self.wake_file(file, key, all);
            }
        }
        let Host { local, sleepers, .. } = self;
        let Some(queue) = local.rooms.get(&id) else { return };
        match wakes.room {
            Room::Full => {}
            Room::For(count) => (0..count).for_each(|_| queue.wake_next(PollEvents::NONE, |call| sleepers.wake(call))),
            Room::ForAll => queue.wake(PollEvents::NONE, true, |who| match who {
                Waiter::Call(call) => sleepers.wake(call),
                Waiter::Epoll(..) => false,
            }),
        }
    }

    /// A description of a local socket for reports, such as `unix:/run/server`.
    pub(super) fn local_ends(&self, id: UnixId) -> String {
        let shown = |name: Option<&Address>| name.map_or_else(|| "unix:".to_owned(), |name| format!("{name:?}"));
        let local = shown(self.local.space.getsockname(id));
        match self.local.space.getpeername(id) {
            Ok(peer) => format!("{local} <-> {}", shown(peer)),
            Err(_) => local,
        }
    }
}

/// Stores a name through a value-result argument, `move_addr_to_user`; no name is the family alone.
pub(super) fn store_name(address: Option<&Address>, name: &mut Name<'_>) -> Result<()> {
    let room = usize::try_from(*name.len).map_err(|_| Errno::INVAL)?;
    if room > name.bytes.len() {
        return Err(Errno::FAULT);
    }
    let full = Address::store(address, &mut name.bytes[..room]);
    *name.len = i32::try_from(full).expect("a sockaddr is at most 128 bytes");
    Ok(())
}

/// The type of a local socket, `unix_create`.
fn check_kind(kind: i32, protocol: i32) -> Result<unix::Kind> {
    if protocol != 0 && protocol != c::AF_UNIX {
        return Err(Errno::PROTONOSUPPORT);
    }
    match kind {
        c::SOCK_STREAM => Ok(unix::Kind::Stream),
        c::SOCK_DGRAM | SOCK_RAW => Ok(unix::Kind::Dgram),
        c::SOCK_SEQPACKET => Ok(unix::Kind::Seqpacket),
        _ => Err(Errno::SOCKTNOSUPPORT),
    }
}

/// What `shutdown(2)` is to shut down.
fn shutdown_how(how: i32) -> Result<Shutdown> {
    match how {
        c::SHUT_RD => Ok(Shutdown::Read),
        c::SHUT_WR => Ok(Shutdown::Write),
        c::SHUT_RDWR => Ok(Shutdown::Both),
        _ => Err(Errno::INVAL),
    }
}

/// The constants that local sockets read.
fn config(sysctl: &Sysctl) -> unix::Config {
    unix::Config { max_dgram_qlen: sysctl.max_dgram_qlen, somaxconn: sysctl.somaxconn, wmem_default: sysctl.wmem_default }
}

/// `SOCK_RAW`, which a local socket takes for SOCK_DGRAM.
const SOCK_RAW: i32 = 3;
/// The permissions that files a process makes do not get, `umask(2)`: the usual ones.
const UMASK: u32 = 0o022;
