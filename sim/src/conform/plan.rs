//! From a call as the case writes it to a call that can be made: names become descriptors, addresses become bytes.

use super::call::NAME_BYTES;
use super::handles::{Handles, NEVER_OPEN, Resolved};
use super::op::{Bulk, Call, Named, Open, Plain, Ready, Sending, Step, Waiting};
use super::value::{Addr, Control, Data, HandleRef, Port};
use twinsock::raw::{Name, RawFd};

/// What planning needs: the case's names, and the calls that find addresses out.
pub trait Ground {
    /// The case's names.
    fn handles(&mut self) -> &mut Handles;
    /// How many bytes `fill` sent on a handle.
    fn sent(&self, handle: &str) -> u64;
    /// The descriptor's own address, if it has one.
    fn getsockname(&self, fd: RawFd) -> Option<Vec<u8>>;
    /// The address of the descriptor's peer, if it has one.
    fn getpeername(&self, fd: RawFd) -> Option<Vec<u8>>;
}

/// An address that a call stores.
pub fn name_of(call: impl FnOnce(Name<'_>) -> twinsock::Result<()>) -> Option<Vec<u8>> {
    let (mut bytes, mut len) = (vec![0; NAME_BYTES], i32::try_from(NAME_BYTES).expect("128 fits"));
    call(Name { bytes: &mut bytes, len: &mut len }).ok()?;
    bytes.truncate(usize::try_from(len).ok()?);
    Some(bytes)
}

/// The bytes of an address, names of sockets being asked anew.
pub fn address(ground: &mut impl Ground, addr: &Addr) -> Resolved<Vec<u8>> {
    refresh(ground, addr);
    ground.handles().bytes(addr)
}

fn refresh(ground: &mut impl Ground, addr: &Addr) {
    match addr {
        Addr::Own(name) | Addr::Inet(_, Port::Of(name, _)) => note_own(ground, &HandleRef::Name(name.clone())),
        Addr::Peer(name) => note_peer(ground, &HandleRef::Name(name.clone())),
        Addr::Altered { addr, .. } => refresh(ground, addr),
        Addr::Inet(_, Port::Number(_) | Port::Chosen(_)) | Addr::Unix(_) | Addr::UnixFamily | Addr::Unspec | Addr::Hex(_) => {}
    }
}

/// The place and descriptor of a handle that is open.
fn open(ground: &mut impl Ground, handle: &HandleRef) -> Option<(usize, RawFd)> {
    let handles = ground.handles();
    let index = handles.index(handle)?;
    let fd = handles.slots()[index].fd;
    (fd != NEVER_OPEN).then_some((index, fd))
}

fn note_own(ground: &mut impl Ground, handle: &HandleRef) {
    if let Some((index, fd)) = open(ground, handle)
        && let Some(bytes) = ground.getsockname(fd)
    {
        ground.handles().note_own(index, bytes);
    }
}

fn note_peer(ground: &mut impl Ground, handle: &HandleRef) {
    if let Some((index, fd)) = open(ground, handle)
        && let Some(bytes) = ground.getpeername(fd)
    {
        ground.handles().note_peer(index, bytes);
    }
}

/// Takes note of the names of sockets that a call may have named.
pub fn note_names(ground: &mut impl Ground, step: &Step) {
    match &step.call {
        Call::Plain(h, Plain::Bind(_) | Plain::Connect(_) | Plain::Listen(_)) | Call::Send(h, _) => note_own(ground, h),
        Call::Bulk(Bulk::ConnectN { n, .. }) => {
            for index in 0..*n {
                let names = step.new.iter().map(|prefix| HandleRef::Name(format!("{prefix}{index}")));
                names.for_each(|name| note_own(ground, &name));
            }
        }
        Call::Open(_) | Call::Plain(..) | Call::Receive(..) | Call::Wait(_) | Call::Sleep(_) | Call::Bulk(_) => {}
    }
}

/// The call that can be made.
///
/// # Errors
/// The case refers to something that is not there.
pub fn ready(ground: &mut impl Ground, call: &Named) -> Resolved<Ready> {
    Ok(match call {
        Call::Open(open) => Call::Open(ready_open(ground.handles(), open)),
        Call::Plain(h, Plain::Close) => Call::Plain(closing(ground, h), Plain::Close),
        Call::Plain(h, plain) => {
            let plain = ready_plain(ground, plain)?;
            Call::Plain(ground.handles().fd(h), plain)
        }
        Call::Send(h, send) => {
            let send = ready_send(ground, send)?;
            Call::Send(ground.handles().fd(h), send)
        }
        Call::Receive(h, receive) => Call::Receive(ground.handles().fd(h), receive.clone()),
        Call::Wait(wait) => Call::Wait(ready_wait(ground.handles(), wait)),
        Call::Sleep(ms) => Call::Sleep(*ms),
        Call::Bulk(bulk) => Call::Bulk(ready_bulk(ground, bulk)?),
    })
}

/// The names are asked for the last time, and the handle's number is nobody's from here on, even while the call still waits.
fn closing(ground: &mut impl Ground, h: &HandleRef) -> RawFd {
    note_own(ground, h);
    note_peer(ground, h);
    let handles = ground.handles();
    let fd = handles.fd(h);
    if let Some(index) = handles.index(h) {
        handles.closed(index);
    }
    fd
}

fn ready_open(handles: &Handles, open: &Open<HandleRef>) -> Open<RawFd> {
    match open {
        Open::Socket { family, kind, protocol } => Open::Socket { family: *family, kind: *kind, protocol: *protocol },
        Open::Socketpair { family, kind } => Open::Socketpair { family: *family, kind: *kind },
        Open::Pipe => Open::Pipe,
        Open::Dup(h) => Open::Dup(handles.fd(h)),
        Open::EpollCreate => Open::EpollCreate,
        Open::Accept { h, flags } => Open::Accept { h: handles.fd(h), flags: *flags },
    }
}

fn ready_plain(ground: &mut impl Ground, plain: &Plain<Addr>) -> Resolved<Plain<Vec<u8>>> {
    Ok(match plain {
        Plain::Bind(addr) => Plain::Bind(address(ground, addr)?),
        Plain::Connect(addr) => Plain::Connect(address(ground, addr)?),
        Plain::Listen(backlog) => Plain::Listen(*backlog),
        Plain::Shutdown(how) => Plain::Shutdown(*how),
        Plain::Close => Plain::Close,
        Plain::Getsockname(len) => Plain::Getsockname(*len),
        Plain::Getpeername(len) => Plain::Getpeername(*len),
        Plain::Getsockopt(option, len) => Plain::Getsockopt(*option, *len),
        Plain::Setsockopt(option, value) => Plain::Setsockopt(*option, value.clone()),
        Plain::Nonblock(on) => Plain::Nonblock(*on),
        Plain::Getfl => Plain::Getfl,
        Plain::Getfd => Plain::Getfd,
        Plain::Ioctl { request, argument } => Plain::Ioctl { request: *request, argument: *argument },
    })
}

fn ready_send(ground: &mut impl Ground, send: &Sending<HandleRef, Addr>) -> Resolved<Sending<RawFd, Vec<u8>>> {
    let to = |ground: &mut _, addr: &Option<Addr>| addr.as_ref().map(|addr| address(ground, addr)).transpose();
    Ok(match send {
        Sending::Send { data, flags } => Sending::Send { data: data.made(), flags: *flags },
        Sending::Write { data } => Sending::Write { data: data.made() },
        Sending::Sendto { data, flags, addr } => Sending::Sendto { data: data.made(), flags: *flags, addr: to(ground, addr)? },
        Sending::Sendmsg { iov, flags, addr, control } => {
            let addr = to(ground, addr)?;
            let handles = ground.handles();
            let control = control.iter().map(|message| ready_control(handles, message)).collect();
            Sending::Sendmsg { iov: iov.iter().map(Data::made).collect(), flags: *flags, addr, control }
        }
    })
}

fn ready_control(handles: &Handles, message: &Control<HandleRef>) -> Control<RawFd> {
    match message {
        Control::Rights(list) => Control::Rights(list.iter().map(|h| handles.fd(h)).collect()),
        Control::Credentials(pid, uid, gid) => Control::Credentials(*pid, *uid, *gid),
        Control::Raw(level, kind, payload) => Control::Raw(*level, *kind, payload.clone()),
    }
}

fn ready_wait(handles: &Handles, wait: &Waiting<HandleRef>) -> Waiting<RawFd> {
    match wait {
        Waiting::Poll { entries, single, timeout } => {
            let entries = entries.iter().map(|(h, events)| (handles.fd(h), *events)).collect();
            Waiting::Poll { entries, single: *single, timeout: *timeout }
        }
        Waiting::Select { sets, timeout } => {
            let sets = sets.each_ref().map(|set| set.iter().map(|h| handles.fd(h)).collect());
            Waiting::Select { sets, timeout: *timeout }
        }
        Waiting::EpollCtl { e, op, h, events, .. } => {
            let data = handles.index(h).map_or(u64::MAX, |index| u64::try_from(index).expect("usize is at most 64 bits"));
            Waiting::EpollCtl { e: handles.fd(e), op: *op, h: handles.fd(h), events: *events, data }
        }
        Waiting::EpollWait { e, max, timeout } => Waiting::EpollWait { e: handles.fd(e), max: *max, timeout: *timeout },
    }
}

fn ready_bulk(ground: &mut impl Ground, bulk: &Bulk<HandleRef, Addr>) -> Resolved<Bulk<RawFd, Vec<u8>>> {
    Ok(match bulk {
        Bulk::Fill { h, chunk, patient } => Bulk::Fill { h: ground.handles().fd(h), chunk: *chunk, patient: *patient },
        Bulk::Drain { h, what } => Bulk::Drain { h: ground.handles().fd(h), what: *what },
        Bulk::DrainUntil { h, of, .. } => {
            let total = ground.sent(of);
            Bulk::DrainUntil { h: ground.handles().fd(h), of: of.clone(), total }
        }
        Bulk::ConnectN { family, kind, addr, n } => {
            Bulk::ConnectN { family: *family, kind: *kind, addr: address(ground, addr)?, n: *n }
        }
        Bulk::AcceptN { h } => Bulk::AcceptN { h: ground.handles().fd(h) },
        Bulk::Bind0Many { kind, addr, n } => Bulk::Bind0Many { kind: *kind, addr: address(ground, addr)?, n: *n },
        Bulk::Parity { kind, addr, connect, n } => {
            Bulk::Parity { kind: *kind, addr: address(ground, addr)?, connect: *connect, n: *n }
        }
    })
}
