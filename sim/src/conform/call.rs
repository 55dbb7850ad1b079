//! Makes a call, in whichever thread, and gathers what came of it.

use super::backend::Backend;
use super::bulk;
use super::op::{Call, Open, OptionName, Plain, Ready, Receiving, Sending, Waiting};
use super::value::Control;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::consts::*;
use twinsock::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr, Syscalls};
use twinsock::{Errno, Result};

/// The room for an address, unless the case says otherwise.
pub const NAME_BYTES: usize = 128;
/// [`NAME_BYTES`] as a `socklen_t`.
const NAME_LEN: i32 = 128;
/// The room for an option, unless the case says otherwise: more than any that cases read needs.
const OPTION_LEN: i32 = 256;
/// What receive buffers hold beforehand, so that it shows whether anything was stored.
const UNTOUCHED: u8 = 0xA5;

/// What a call answered, beyond its errno.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A number, 0 for plain success.
    Number(i64),
    /// New descriptors, in the order of the case's names.
    Opened(Vec<RawFd>),
    /// A new connection and its peer's address.
    Accepted(RawFd, StoredName),
    /// An address.
    Name(StoredName),
    /// Received data.
    Data(Received),
    /// An option's value: the bytes stored, and the length reported.
    Option(Vec<u8>, i32),
    /// `poll(2)`: the events of each entry, and the count returned.
    Polled(Vec<i16>, usize),
    /// `select(2)`: which members of each set are ready, and the count returned.
    Selected([Vec<bool>; 3], usize),
    /// `epoll_wait(2)`.
    Events(Vec<EpollEvent>),
    /// What many calls came to.
    Bulk(bulk::Total),
}

/// An address as it was stored.
#[derive(Clone, Debug, Default)]
pub struct StoredName {
    /// The bytes stored.
    pub bytes: Vec<u8>,
    /// The length reported, which may be more.
    pub len: usize,
}

/// What a receiving call brought.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The count returned.
    pub n: usize,
    /// The bytes stored, by buffer; `None` if nothing was written into any.
    pub stored: Option<Vec<Vec<u8>>>,
    /// The sender's address.
    pub from: StoredName,
    /// `msg_flags`.
    pub flags: i32,
    /// Control messages.
    pub control: Vec<u8>,
}

impl Ready {
    /// Makes the call, in the calling thread.
    ///
    /// # Errors
    /// The call's errno.
    pub(crate) fn make<B: Backend>(&self, backend: &B) -> Result<Answer> {
        let calls = backend.calls(backend.vouch());
        match self {
            Call::Open(how) => open(calls, how),
            Call::Plain(fd, what) => plain(calls, *fd, what),
            Call::Send(fd, how) => send(calls, *fd, how, backend.pid()).map(number),
            Call::Receive(fd, how) => receive(calls, *fd, how).map(Answer::Data),
            Call::Wait(how) => wait(calls, how),
            Call::Sleep(ms) => {
                backend.sleep(Duration::from_millis(*ms));
                Ok(Answer::Number(0))
            }
            Call::Bulk(what) => bulk::run(backend, calls, what).map(Answer::Bulk),
        }
    }

    /// Whether the call may raise SIGPIPE.
    pub(crate) fn may_raise_sigpipe(&self) -> bool {
        matches!(self, Call::Send(..) | Call::Bulk(_))
    }

    /// For how long the call may wait by its own arguments; `None`: it never waits.
    pub(crate) fn may_wait(&self) -> Option<Duration> {
        let unless = |flags: &i32| (flags & (MSG_DONTWAIT | MSG_ERRQUEUE) == 0).then_some(Duration::ZERO);
        let within = |timeout: &i32| (*timeout != 0).then(|| Duration::from_millis(u64::try_from(*timeout).unwrap_or(0)));
        match self {
            Call::Send(_, Sending::Send { flags, .. } | Sending::Sendto { flags, .. } | Sending::Sendmsg { flags, .. }) => {
                unless(flags)
            }
            Call::Receive(
                _,
                Receiving::Recv { flags, .. } | Receiving::Recvfrom { flags, .. } | Receiving::Recvmsg { flags, .. },
            ) => unless(flags),
            Call::Wait(Waiting::Poll { timeout, .. } | Waiting::Select { timeout, .. } | Waiting::EpollWait { timeout, .. }) => {
                within(timeout)
            }
            Call::Open(Open::Accept { .. })
            | Call::Plain(_, Plain::Connect(_) | Plain::Close)
            | Call::Send(_, Sending::Write { .. })
            | Call::Receive(_, Receiving::Read { .. }) => Some(Duration::ZERO),
            Call::Open(_) | Call::Plain(..) | Call::Wait(Waiting::EpollCtl { .. }) | Call::Sleep(_) | Call::Bulk(_) => None,
        }
    }
}

fn number(n: usize) -> Answer {
    Answer::Number(i64::try_from(n).expect("a count fits"))
}

fn open(calls: &(impl Syscalls + ?Sized), how: &Open<RawFd>) -> Result<Answer> {
    let one = |fd| Answer::Opened(vec![fd]);
    let two = |pair: [RawFd; 2]| Answer::Opened(pair.to_vec());
    match how {
        Open::Socket { family, kind, protocol } => calls.socket(*family, *kind, *protocol).map(one),
        Open::Socketpair { family, kind } => calls.socketpair(*family, *kind, 0).map(two),
        Open::Pipe => calls.pipe2(0).map(two),
        Open::Dup(fd) => calls.dup(*fd).map(one),
        Open::EpollCreate => calls.epoll_create1(0).map(one),
        Open::Accept { h, flags } => {
            let (mut bytes, mut len) = (vec![0; NAME_BYTES], NAME_LEN);
            let new = calls.accept4(*h, Some(Name { bytes: &mut bytes, len: &mut len }), *flags)?;
            Ok(Answer::Accepted(new, stored(bytes, NAME_BYTES, len)))
        }
    }
}

fn plain(calls: &(impl Syscalls + ?Sized), fd: RawFd, what: &Plain<Vec<u8>>) -> Result<Answer> {
    let done = |()| Answer::Number(0);
    let flags = |flags: i32| Answer::Number(i64::from(flags));
    match what {
        Plain::Bind(addr) => calls.bind(fd, addr).map(done),
        Plain::Listen(backlog) => calls.listen(fd, *backlog).map(done),
        Plain::Connect(addr) => calls.connect(fd, addr).map(done),
        Plain::Shutdown(how) => calls.shutdown(fd, *how).map(done),
        Plain::Close => calls.close(fd).map(done),
        Plain::Getsockname(len) => name(*len, |name| calls.getsockname(fd, name)),
        Plain::Getpeername(len) => name(*len, |name| calls.getpeername(fd, name)),
        Plain::Getsockopt(option, len) => get_option(calls, fd, *option, *len),
        Plain::Setsockopt(option, value) => calls.setsockopt(fd, option.level, option.name, value).map(done),
        Plain::Nonblock(on) => {
            let flags = calls.fcntl(fd, F_GETFL, 0)?;
            let flags = if *on { flags | O_NONBLOCK } else { flags & !O_NONBLOCK };
            calls.fcntl(fd, F_SETFL, flags).map(|_| Answer::Number(0))
        }
        Plain::Getfl => calls.fcntl(fd, F_GETFL, 0).map(flags),
        Plain::Getfd => calls.fcntl(fd, F_GETFD, 0).map(flags),
        Plain::Ioctl { request, argument } => {
            let mut argument = *argument;
            calls.ioctl(fd, u64::from(request.cast_unsigned()), &mut argument)?;
            Ok(Answer::Number(i64::from(argument)))
        }
    }
}

fn get_option(calls: &(impl Syscalls + ?Sized), fd: RawFd, option: OptionName, len: Option<i32>) -> Result<Answer> {
    let mut len = len.unwrap_or(OPTION_LEN);
    let mut value = vec![0; usize::try_from(len).unwrap_or(0)];
    calls.getsockopt(fd, option.level, option.name, &mut value, &mut len)?;
    value.truncate(usize::try_from(len).unwrap_or(0));
    Ok(Answer::Option(value, len))
}

fn send(calls: &(impl Syscalls + ?Sized), fd: RawFd, how: &Sending<RawFd, Vec<u8>>, pid: i32) -> Result<usize> {
    match how {
        Sending::Send { data, flags } => calls.send(fd, &data.bytes(), *flags),
        Sending::Write { data } => calls.write(fd, &data.bytes()),
        Sending::Sendto { data, flags, addr } => calls.sendto(fd, &data.bytes(), *flags, addr.as_deref()),
        Sending::Sendmsg { iov, flags, addr, control } => {
            let parts: Vec<_> = iov.iter().map(|part| part.bytes()).collect();
            let iov: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let control: Vec<u8> = control.iter().flat_map(|message| control_bytes(message, pid)).collect();
            calls.sendmsg(fd, &SendHdr { name: addr.as_deref(), iov: &iov, control: &control }, *flags)
        }
    }
}

/// A control message as `cmsg(3)` lays it out.
fn control_bytes(message: &Control<RawFd>, pid: i32) -> Vec<u8> {
    const HEADER: usize = size_of::<usize>() + 8;
    let (level, kind, payload) = match message {
        Control::Rights(fds) => (SOL_SOCKET, SCM_RIGHTS, fds.iter().flat_map(|fd| fd.to_ne_bytes()).collect()),
        Control::Credentials(own, uid, gid) => {
            let ids = [own.unwrap_or(pid).to_ne_bytes(), uid.to_ne_bytes(), gid.to_ne_bytes()];
            (SOL_SOCKET, SCM_CREDENTIALS, ids.concat())
        }
        Control::Raw(level, kind, payload) => (*level, *kind, payload.clone()),
    };
    let mut bytes = (HEADER + payload.len()).to_ne_bytes().to_vec();
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
    bytes
}

fn receive(calls: &(impl Syscalls + ?Sized), fd: RawFd, how: &Receiving) -> Result<Received> {
    let one = |n: usize, buffer: Vec<u8>| Received { n, stored: stored_data(n, vec![buffer]), ..Received::default() };
    match how {
        Receiving::Recv { n, flags } => {
            let mut buffer = vec![UNTOUCHED; *n];
            calls.recv(fd, &mut buffer, *flags).map(|n| one(n, buffer))
        }
        Receiving::Read { n } => {
            let mut buffer = vec![UNTOUCHED; *n];
            calls.read(fd, &mut buffer).map(|n| one(n, buffer))
        }
        Receiving::Recvfrom { n, flags, addrlen } => {
            let room = addrlen.unwrap_or(NAME_BYTES);
            let mut buffer = vec![UNTOUCHED; *n];
            let mut bytes = vec![0; room];
            let mut len = i32::try_from(room).map_err(|_| Errno::INVAL)?;
            let n = calls.recvfrom(fd, &mut buffer, *flags, Some(Name { bytes: &mut bytes, len: &mut len }))?;
            Ok(Received { from: stored(bytes, room, len), ..one(n, buffer) })
        }
        Receiving::Recvmsg { sizes, flags, control, .. } => receive_message(calls, fd, sizes, *flags, *control),
    }
}

fn receive_message(calls: &(impl Syscalls + ?Sized), fd: RawFd, sizes: &[usize], flags: i32, control: usize) -> Result<Received> {
    let mut buffers: Vec<Vec<u8>> = sizes.iter().map(|size| vec![UNTOUCHED; *size]).collect();
    let mut iov: Vec<IoSliceMut<'_>> = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
    let mut name = vec![0; NAME_BYTES];
    let mut control = vec![0; control];
    let mut hdr = RecvHdr { name: &mut name, name_len: 0, iov: &mut iov, control: &mut control, control_len: 0, flags: 0 };
    let n = calls.recvmsg(fd, &mut hdr, flags)?;
    let (name_len, control_len, flags) = (hdr.name_len, hdr.control_len, hdr.flags);
    drop(iov);
    name.truncate(name_len.min(NAME_BYTES));
    control.truncate(control_len);
    Ok(Received { n, stored: stored_data(n, buffers), from: StoredName { bytes: name, len: name_len }, flags, control })
}

fn wait(calls: &(impl Syscalls + ?Sized), how: &Waiting<RawFd>) -> Result<Answer> {
    match how {
        Waiting::Poll { entries, timeout, .. } => {
            let mut fds: Vec<PollFd> =
                entries.iter().map(|(fd, events)| PollFd { fd: *fd, events: *events, revents: 0 }).collect();
            let ready = calls.poll(&mut fds, *timeout)?;
            Ok(Answer::Polled(fds.iter().map(|entry| entry.revents).collect(), ready))
        }
        Waiting::Select { sets, timeout } => {
            let mut bits = [FdSet::new(); 3];
            let mut nfds = 0;
            for (set, fds) in bits.iter_mut().zip(sets) {
                for fd in fds {
                    set.insert(*fd);
                    nfds = nfds.max(*fd + 1);
                }
            }
            let timeout = u32::try_from(*timeout).ok().map(|ms| i64::from(ms) * 1000);
            let ready = calls.select(nfds, bits.each_mut().map(Some), timeout)?;
            let members = [0, 1, 2].map(|i| sets[i].iter().map(|fd| bits[i].contains(*fd)).collect());
            Ok(Answer::Selected(members, ready))
        }
        Waiting::EpollCtl { e, op, h, events, data } => {
            let event = EpollEvent { events: events.cast_unsigned(), data: *data };
            calls.epoll_ctl(*e, *op, *h, Some(event)).map(|()| Answer::Number(0))
        }
        Waiting::EpollWait { e, max, timeout } => {
            let mut events = vec![EpollEvent::default(); *max];
            let ready = calls.epoll_wait(*e, &mut events, *timeout)?;
            events.truncate(ready);
            Ok(Answer::Events(events))
        }
    }
}

fn name(len: Option<i32>, call: impl FnOnce(Name<'_>) -> Result<()>) -> Result<Answer> {
    let mut len = len.unwrap_or(NAME_LEN);
    let room = usize::try_from(len).unwrap_or(0);
    let mut bytes = vec![0; room];
    call(Name { bytes: &mut bytes, len: &mut len })?;
    Ok(Answer::Name(stored(bytes, room, len)))
}

/// The address in `bytes`, of which `room` were offered and `len` reported.
fn stored(mut bytes: Vec<u8>, room: usize, len: i32) -> StoredName {
    let len = usize::try_from(len).unwrap_or(0);
    bytes.truncate(len.min(room));
    StoredName { bytes, len }
}

/// The first `n` bytes of the buffers one after the other; `None` if there are some and none was touched.
fn stored_data(n: usize, mut buffers: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let mut left = n;
    for buffer in &mut buffers {
        buffer.truncate(left);
        left -= buffer.len();
    }
    let mut bytes = buffers.iter().flatten().peekable();
    if bytes.peek().is_some() && bytes.all(|byte| *byte == UNTOUCHED) { None } else { Some(buffers) }
}
