//! From an operation to a system call: names become descriptors, addresses become bytes.

use super::bulk::Bulk;
use super::call::{Call, NAME_BYTES};
use super::handles::{Handles, NEVER_OPEN, Resolved};
use super::op::Op;
use super::value::{Addr, Control, Data, HandleRef, Port};
use std::time::Duration;
use twinsock::consts::{SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET};
use twinsock::raw::{EpollEvent, Name, PollFd, RawFd};

/// What planning needs: the case's names, and the calls that find addresses out.
pub trait Ground {
    /// The case's names.
    fn handles(&mut self) -> &mut Handles;
    /// How many bytes `fill` sent on a handle.
    fn sent(&self, handle: &str) -> u64;
    /// The process's number.
    fn pid(&self) -> i32;
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

/// Takes note of the names of sockets that an operation may have named.
pub fn note_names(ground: &mut impl Ground, op: &Op) {
    match op {
        Op::Bind { h, .. }
        | Op::Connect { h, .. }
        | Op::Listen { h, .. }
        | Op::Send { h, .. }
        | Op::Write { h, .. }
        | Op::Sendto { h, .. }
        | Op::Sendmsg { h, .. } => note_own(ground, h),
        Op::ConnectN { prefix, n, .. } => {
            for index in 0..*n {
                note_own(ground, &HandleRef::Name(format!("{prefix}{index}")));
            }
        }
        _ => {}
    }
}

/// The call that an operation stands for.
///
/// # Errors
/// The operation refers to something that is not there, or is not one call.
pub fn call(ground: &mut impl Ground, op: &Op) -> Resolved<Call> {
    Ok(match op {
        Op::Socket { family, kind, protocol, .. } => Call::Socket { family: *family, kind: *kind, protocol: *protocol },
        Op::Socketpair { family, kind, .. } => Call::Socketpair { family: *family, kind: *kind },
        Op::Pipe { .. } => Call::Pipe,
        Op::Dup { h, .. } => Call::Dup { fd: ground.handles().fd(h) },
        Op::EpollCreate { .. } => Call::EpollCreate,
        Op::Bind { h, addr } => Call::Bind { addr: address(ground, addr)?, fd: ground.handles().fd(h) },
        Op::Connect { h, addr } => Call::Connect { addr: address(ground, addr)?, fd: ground.handles().fd(h) },
        Op::Listen { h, backlog } => Call::Listen { fd: ground.handles().fd(h), backlog: *backlog },
        Op::Accept { h, flags, .. } => Call::Accept { fd: ground.handles().fd(h), flags: *flags },
        Op::Shutdown { h, how } => Call::Shutdown { fd: ground.handles().fd(h), how: *how },
        Op::Close { h } => close(ground, h),
        Op::Send { .. } | Op::Write { .. } | Op::Sendto { .. } | Op::Sendmsg { .. } => sending(ground, op)?,
        Op::Recv { .. } | Op::Read { .. } | Op::Recvfrom { .. } | Op::Recvmsg { .. } => receiving(ground.handles(), op)?,
        Op::Getsockname { h, len } => Call::Getsockname { fd: ground.handles().fd(h), len: len.unwrap_or(128) },
        Op::Getpeername { h, len } => Call::Getpeername { fd: ground.handles().fd(h), len: len.unwrap_or(128) },
        Op::Getsockopt { h, option, len } => {
            Call::Getsockopt { fd: ground.handles().fd(h), level: option.level, name: option.name, len: *len }
        }
        Op::Setsockopt { h, option, value } => {
            Call::Setsockopt { fd: ground.handles().fd(h), level: option.level, name: option.name, value: value.clone() }
        }
        Op::Nonblock { h, on } => Call::Nonblock { fd: ground.handles().fd(h), on: *on },
        Op::Getfl { h } => Call::Getfl { fd: ground.handles().fd(h) },
        Op::Getfd { h } => Call::Getfd { fd: ground.handles().fd(h) },
        Op::Ioctl { h, request, argument } => Call::Ioctl { fd: ground.handles().fd(h), request: *request, argument: *argument },
        Op::Poll { .. } | Op::Select { .. } | Op::EpollCtl { .. } | Op::EpollWait { .. } => waiting(ground.handles(), op)?,
        Op::Sleep { ms } => Call::Sleep(Duration::from_millis(*ms)),
        Op::Fill { .. }
        | Op::Drain { .. }
        | Op::DrainUntil { .. }
        | Op::ConnectN { .. }
        | Op::AcceptN { .. }
        | Op::Bind0Many { .. }
        | Op::ConnectParity { .. }
        | Op::BindParity { .. } => Call::Bulk(bulk(ground, op)?),
        Op::OpenFile { .. }
        | Op::Spawn { .. }
        | Op::Join { .. }
        | Op::Interrupt { .. }
        | Op::Timed { .. }
        | Op::SamePort { .. }
        | Op::Eq { .. }
        | Op::Nofile { .. }
        | Op::Sysctl { .. }
        | Op::Seteuid { .. }
        | Op::File { .. } => return Err(format!("{op:?} is not a call that a thread can make")),
    })
}

/// The names are asked for the last time, and the handle's number is nobody's from here on, even while the call still waits.
fn close(ground: &mut impl Ground, h: &HandleRef) -> Call {
    note_own(ground, h);
    note_peer(ground, h);
    let handles = ground.handles();
    let fd = handles.fd(h);
    if let Some(index) = handles.index(h) {
        handles.closed(index);
    }
    Call::Close { fd }
}

fn sending(ground: &mut impl Ground, op: &Op) -> Resolved<Call> {
    let to = |ground: &mut _, addr: &Option<Addr>| addr.as_ref().map(|addr| address(ground, addr)).transpose();
    Ok(match op {
        Op::Send { h, data, flags } => Call::Send { fd: ground.handles().fd(h), data: data.bytes(), flags: *flags },
        Op::Write { h, data } => Call::Write { fd: ground.handles().fd(h), data: data.bytes() },
        Op::Sendto { h, data, addr, flags } => {
            let addr = to(ground, addr)?;
            Call::Sendto { fd: ground.handles().fd(h), data: data.bytes(), flags: *flags, addr }
        }
        Op::Sendmsg { h, iov, addr, flags, control } => {
            let (addr, pid) = (to(ground, addr)?, ground.pid());
            let handles = ground.handles();
            let iov = iov.iter().map(Data::bytes).collect();
            let control = control.iter().flat_map(|message| control_bytes(message, handles, pid)).collect();
            Call::Sendmsg { fd: handles.fd(h), iov, flags: *flags, addr, control }
        }
        other => return Err(format!("{other:?} sends nothing")),
    })
}

/// A control message as `cmsg(3)` lays it out.
fn control_bytes(message: &Control, handles: &Handles, pid: i32) -> Vec<u8> {
    let (level, kind, payload) = match message {
        Control::Rights(fds) => (SOL_SOCKET, SCM_RIGHTS, fds.iter().flat_map(|h| handles.fd(h).to_ne_bytes()).collect()),
        Control::Credentials(own, uid, gid) => {
            let ids = [own.unwrap_or(pid).to_ne_bytes(), uid.to_ne_bytes(), gid.to_ne_bytes()];
            (SOL_SOCKET, SCM_CREDENTIALS, ids.concat())
        }
        Control::Raw(level, kind, payload) => (*level, *kind, payload.clone()),
    };
    let header = size_of::<usize>() + 8;
    let mut bytes = (header + payload.len()).to_ne_bytes().to_vec();
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
    bytes
}

fn receiving(handles: &Handles, op: &Op) -> Resolved<Call> {
    Ok(match op {
        Op::Recv { h, n, flags } => Call::Recv { fd: handles.fd(h), n: *n, flags: *flags },
        Op::Read { h, n } => Call::Read { fd: handles.fd(h), n: *n },
        Op::Recvfrom { h, n, flags, addrlen } => {
            Call::Recvfrom { fd: handles.fd(h), n: *n, flags: *flags, addrlen: addrlen.unwrap_or(NAME_BYTES) }
        }
        Op::Recvmsg { h, sizes, flags, control, .. } => {
            Call::Recvmsg { fd: handles.fd(h), sizes: sizes.clone(), flags: *flags, control: *control }
        }
        other => return Err(format!("{other:?} receives nothing")),
    })
}

fn waiting(handles: &Handles, op: &Op) -> Resolved<Call> {
    Ok(match op {
        Op::Poll { entries, timeout, .. } => {
            let entry = |(h, events): &(HandleRef, i32)| {
                let events = i16::try_from(*events).map_err(|_| format!("poll has no events {events:#x}"))?;
                Ok(PollFd { fd: handles.fd(h), events, revents: 0 })
            };
            Call::Poll { fds: entries.iter().map(entry).collect::<Resolved<_>>()?, timeout: *timeout }
        }
        Op::Select { sets, timeout } => {
            let numbers = sets.each_ref().map(|set| set.iter().map(|h| handles.fd(h)).collect());
            Call::Select { sets: numbers, timeout: *timeout }
        }
        Op::EpollCtl { e, op, h, events } => {
            let data = handles.index(h).map_or(u64::MAX, |index| u64::try_from(index).expect("usize is at most 64 bits"));
            let event = EpollEvent { events: events.cast_unsigned(), data };
            Call::EpollCtl { epfd: handles.fd(e), op: *op, fd: handles.fd(h), event }
        }
        Op::EpollWait { e, max, timeout } => Call::EpollWait { epfd: handles.fd(e), max: *max, timeout: *timeout },
        other => return Err(format!("{other:?} waits for nothing")),
    })
}

fn bulk(ground: &mut impl Ground, op: &Op) -> Resolved<Bulk> {
    Ok(match op {
        Op::Fill { h, chunk, patient } => Bulk::Fill { fd: ground.handles().fd(h), chunk: *chunk, patient: *patient },
        Op::Drain { h, what } => Bulk::Drain { fd: ground.handles().fd(h), what: *what },
        Op::DrainUntil { h, of } => Bulk::DrainUntil { total: ground.sent(of), fd: ground.handles().fd(h) },
        Op::ConnectN { family, addr, n, kind, .. } => {
            Bulk::ConnectN { family: *family, kind: *kind, addr: address(ground, addr)?, n: *n }
        }
        Op::AcceptN { h, .. } => Bulk::AcceptN { fd: ground.handles().fd(h) },
        Op::Bind0Many { kind, n, host } => Bulk::Bind0Many { kind: *kind, addr: address(ground, host)?, n: *n },
        Op::ConnectParity { l, n } => {
            Bulk::Parity { kind: twinsock::consts::SOCK_STREAM, addr: address(ground, l)?, connect: true, n: *n }
        }
        Op::BindParity { kind, n } => {
            let loopback = twinsock::SocketAddr::inet(std::net::Ipv4Addr::LOCALHOST.into(), 0);
            let addr = loopback.encode().map_err(|errno| format!("{errno}"))?.as_bytes().to_vec();
            Bulk::Parity { kind: *kind, addr, connect: false, n: *n }
        }
        other => return Err(format!("{other:?} is one call")),
    })
}
