//! A system call with its arguments worked out, so that any thread can make it, and what came of it.

use super::backend::Backend;
use super::bulk::{self, Bulk};
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::consts::*;
use twinsock::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr, Syscalls};
use twinsock::{Errno, Result};

/// The room for an address, unless the case says otherwise.
pub const NAME_BYTES: usize = 128;
/// The room for an option, unless the case says otherwise: more than any that cases read needs.
const OPTION_BYTES: usize = 256;
/// What receive buffers hold beforehand, so that it shows whether anything was stored.
const UNTOUCHED: u8 = 0xA5;

/// A system call and its arguments.
#[derive(Clone, Debug)]
pub enum Call {
    Socket {
        family: i32,
        kind: i32,
        protocol: i32,
    },
    Socketpair {
        family: i32,
        kind: i32,
    },
    Pipe,
    Dup {
        fd: RawFd,
    },
    EpollCreate,
    Bind {
        fd: RawFd,
        addr: Vec<u8>,
    },
    Listen {
        fd: RawFd,
        backlog: i32,
    },
    Connect {
        fd: RawFd,
        addr: Vec<u8>,
    },
    Accept {
        fd: RawFd,
        flags: i32,
    },
    Send {
        fd: RawFd,
        data: Vec<u8>,
        flags: i32,
    },
    Write {
        fd: RawFd,
        data: Vec<u8>,
    },
    Sendto {
        fd: RawFd,
        data: Vec<u8>,
        flags: i32,
        addr: Option<Vec<u8>>,
    },
    Sendmsg {
        fd: RawFd,
        iov: Vec<Vec<u8>>,
        flags: i32,
        addr: Option<Vec<u8>>,
        control: Vec<u8>,
    },
    Recv {
        fd: RawFd,
        n: usize,
        flags: i32,
    },
    Read {
        fd: RawFd,
        n: usize,
    },
    Recvfrom {
        fd: RawFd,
        n: usize,
        flags: i32,
        addrlen: usize,
    },
    Recvmsg {
        fd: RawFd,
        sizes: Vec<usize>,
        flags: i32,
        control: usize,
    },
    Shutdown {
        fd: RawFd,
        how: i32,
    },
    Close {
        fd: RawFd,
    },
    Getsockname {
        fd: RawFd,
        len: i32,
    },
    Getpeername {
        fd: RawFd,
        len: i32,
    },
    Getsockopt {
        fd: RawFd,
        level: i32,
        name: i32,
        len: Option<i32>,
    },
    Setsockopt {
        fd: RawFd,
        level: i32,
        name: i32,
        value: Vec<u8>,
    },
    Nonblock {
        fd: RawFd,
        on: bool,
    },
    Getfl {
        fd: RawFd,
    },
    Getfd {
        fd: RawFd,
    },
    Ioctl {
        fd: RawFd,
        request: i32,
        argument: i32,
    },
    Poll {
        fds: Vec<PollFd>,
        timeout: i32,
    },
    Select {
        sets: [Vec<RawFd>; 3],
        timeout: i32,
    },
    EpollCtl {
        epfd: RawFd,
        op: i32,
        fd: RawFd,
        event: EpollEvent,
    },
    EpollWait {
        epfd: RawFd,
        max: usize,
        timeout: i32,
    },
    /// Suspends the thread: not a call on a socket, but a step that a thread may run.
    Sleep(Duration),
    /// Many calls.
    Bulk(Bulk),
}

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
    /// `select(2)`: the members of each set, and the count returned.
    Selected([Vec<RawFd>; 3], usize),
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

fn number(n: usize) -> Answer {
    Answer::Number(i64::try_from(n).expect("a count fits"))
}

impl Call {
    /// Makes the call, in the calling thread.
    ///
    /// # Errors
    /// The call's errno.
    pub fn make<B: Backend>(&self, backend: &B) -> Result<Answer> {
        let calls = backend.calls(backend.vouch());
        match self {
            Call::Send { fd, data, flags } => calls.send(*fd, data, *flags).map(number),
            Call::Write { fd, data } => calls.write(*fd, data).map(number),
            Call::Sendto { fd, data, flags, addr } => calls.sendto(*fd, data, *flags, addr.as_deref()).map(number),
            Call::Sendmsg { fd, iov, flags, addr, control } => {
                let iov: Vec<IoSlice<'_>> = iov.iter().map(|part| IoSlice::new(part)).collect();
                calls.sendmsg(*fd, &SendHdr { name: addr.as_deref(), iov: &iov, control }, *flags).map(number)
            }
            Call::Recv { .. } | Call::Read { .. } | Call::Recvfrom { .. } | Call::Recvmsg { .. } => {
                self.receive(calls).map(Answer::Data)
            }
            Call::Poll { .. } | Call::Select { .. } | Call::EpollCtl { .. } | Call::EpollWait { .. } => self.wait(calls),
            Call::Sleep(duration) => {
                backend.sleep(*duration);
                Ok(Answer::Number(0))
            }
            Call::Bulk(bulk) => bulk.run(backend, calls).map(Answer::Bulk),
            Call::Socket { .. }
            | Call::Socketpair { .. }
            | Call::Pipe
            | Call::Dup { .. }
            | Call::EpollCreate
            | Call::Accept { .. } => self.open(calls),
            Call::Bind { .. }
            | Call::Listen { .. }
            | Call::Connect { .. }
            | Call::Shutdown { .. }
            | Call::Close { .. }
            | Call::Getsockname { .. }
            | Call::Getpeername { .. }
            | Call::Getsockopt { .. }
            | Call::Setsockopt { .. }
            | Call::Nonblock { .. }
            | Call::Getfl { .. }
            | Call::Getfd { .. }
            | Call::Ioctl { .. } => self.plain(calls),
        }
    }

    /// Whether the call may raise SIGPIPE.
    pub fn may_raise_sigpipe(&self) -> bool {
        matches!(self, Call::Send { .. } | Call::Write { .. } | Call::Sendto { .. } | Call::Sendmsg { .. } | Call::Bulk(_))
    }

    /// For how long the call may wait by its own arguments; `None`: it never waits.
    pub fn may_wait(&self) -> Option<Duration> {
        let flagged = |flags: &i32| (flags & (MSG_DONTWAIT | MSG_ERRQUEUE) == 0).then_some(Duration::ZERO);
        let timed = |timeout: &i32| (*timeout != 0).then(|| Duration::from_millis(u64::try_from(*timeout).unwrap_or(0)));
        match self {
            Call::Send { flags, .. }
            | Call::Sendto { flags, .. }
            | Call::Sendmsg { flags, .. }
            | Call::Recv { flags, .. }
            | Call::Recvfrom { flags, .. }
            | Call::Recvmsg { flags, .. } => flagged(flags),
            Call::Poll { timeout, .. } | Call::Select { timeout, .. } | Call::EpollWait { timeout, .. } => timed(timeout),
            Call::Connect { .. } | Call::Accept { .. } | Call::Write { .. } | Call::Read { .. } | Call::Close { .. } => {
                Some(Duration::ZERO)
            }
            Call::Socket { .. }
            | Call::Socketpair { .. }
            | Call::Pipe
            | Call::Dup { .. }
            | Call::EpollCreate
            | Call::Bind { .. }
            | Call::Listen { .. }
            | Call::Shutdown { .. }
            | Call::Getsockname { .. }
            | Call::Getpeername { .. }
            | Call::Getsockopt { .. }
            | Call::Setsockopt { .. }
            | Call::Nonblock { .. }
            | Call::Getfl { .. }
            | Call::Getfd { .. }
            | Call::Ioctl { .. }
            | Call::EpollCtl { .. }
            | Call::Sleep(_)
            | Call::Bulk(_) => None,
        }
    }

    fn open(&self, calls: &(impl Syscalls + ?Sized)) -> Result<Answer> {
        let one = |fd| Answer::Opened(vec![fd]);
        match self {
            Call::Socket { family, kind, protocol } => calls.socket(*family, *kind, *protocol).map(one),
            Call::Socketpair { family, kind } => calls.socketpair(*family, *kind, 0).map(|pair| Answer::Opened(pair.to_vec())),
            Call::Pipe => calls.pipe2(0).map(|pair| Answer::Opened(pair.to_vec())),
            Call::Dup { fd } => calls.dup(*fd).map(one),
            Call::EpollCreate => calls.epoll_create1(0).map(one),
            Call::Accept { fd, flags } => {
                let (mut bytes, mut len) = (vec![0; NAME_BYTES], NAME_LEN);
                let new = calls.accept4(*fd, Some(Name { bytes: &mut bytes, len: &mut len }), *flags)?;
                Ok(Answer::Accepted(new, stored(bytes, NAME_BYTES, len)))
            }
            other => unreachable!("{other:?} opens nothing"),
        }
    }

    fn plain(&self, calls: &(impl Syscalls + ?Sized)) -> Result<Answer> {
        let done = |()| Answer::Number(0);
        match self {
            Call::Bind { fd, addr } => calls.bind(*fd, addr).map(done),
            Call::Listen { fd, backlog } => calls.listen(*fd, *backlog).map(done),
            Call::Connect { fd, addr } => calls.connect(*fd, addr).map(done),
            Call::Shutdown { fd, how } => calls.shutdown(*fd, *how).map(done),
            Call::Close { fd } => calls.close(*fd).map(done),
            Call::Getsockname { fd, len } => name(*len, |name| calls.getsockname(*fd, name)),
            Call::Getpeername { fd, len } => name(*len, |name| calls.getpeername(*fd, name)),
            Call::Getsockopt { fd, level, name, len } => {
                let mut len = len.unwrap_or_else(|| i32::try_from(OPTION_BYTES).expect("256 fits"));
                let mut value = vec![0; usize::try_from(len).unwrap_or(0)];
                calls.getsockopt(*fd, *level, *name, &mut value, &mut len)?;
                value.truncate(usize::try_from(len).unwrap_or(0));
                Ok(Answer::Option(value, len))
            }
            Call::Setsockopt { fd, level, name, value } => calls.setsockopt(*fd, *level, *name, value).map(done),
            Call::Nonblock { fd, on } => {
                let flags = calls.fcntl(*fd, F_GETFL, 0)?;
                let flags = if *on { flags | O_NONBLOCK } else { flags & !O_NONBLOCK };
                calls.fcntl(*fd, F_SETFL, flags).map(|_| Answer::Number(0))
            }
            Call::Getfl { fd } => calls.fcntl(*fd, F_GETFL, 0).map(|flags| Answer::Number(i64::from(flags))),
            Call::Getfd { fd } => calls.fcntl(*fd, F_GETFD, 0).map(|flags| Answer::Number(i64::from(flags))),
            Call::Ioctl { fd, request, argument } => {
                let mut argument = *argument;
                calls.ioctl(*fd, u64::from(request.cast_unsigned()), &mut argument)?;
                Ok(Answer::Number(i64::from(argument)))
            }
            other => unreachable!("{other:?} is not a plain call"),
        }
    }

    fn receive(&self, calls: &(impl Syscalls + ?Sized)) -> Result<Received> {
        let one = |n: usize, buffer: Vec<u8>| Received { n, stored: stored_data(n, vec![buffer]), ..Received::default() };
        match self {
            Call::Recv { fd, n, flags } => {
                let mut buffer = vec![UNTOUCHED; *n];
                calls.recv(*fd, &mut buffer, *flags).map(|n| one(n, buffer))
            }
            Call::Read { fd, n } => {
                let mut buffer = vec![UNTOUCHED; *n];
                calls.read(*fd, &mut buffer).map(|n| one(n, buffer))
            }
            Call::Recvfrom { fd, n, flags, addrlen } => {
                let mut buffer = vec![UNTOUCHED; *n];
                let mut bytes = vec![0; *addrlen];
                let mut len = i32::try_from(*addrlen).map_err(|_| Errno::INVAL)?;
                let name = Name { bytes: &mut bytes, len: &mut len };
                let n = calls.recvfrom(*fd, &mut buffer, *flags, Some(name))?;
                Ok(Received { from: stored(bytes, *addrlen, len), ..one(n, buffer) })
            }
            Call::Recvmsg { fd, sizes, flags, control } => receive_message(calls, *fd, sizes, *flags, *control),
            other => unreachable!("{other:?} receives nothing"),
        }
    }

    fn wait(&self, calls: &(impl Syscalls + ?Sized)) -> Result<Answer> {
        match self {
            Call::Poll { fds, timeout } => {
                let mut fds = fds.clone();
                let ready = calls.poll(&mut fds, *timeout)?;
                Ok(Answer::Polled(fds.iter().map(|entry| entry.revents).collect(), ready))
            }
            Call::Select { sets, timeout } => {
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
                let members = [0, 1, 2].map(|i| sets[i].iter().copied().filter(|fd| bits[i].contains(*fd)).collect());
                Ok(Answer::Selected(members, ready))
            }
            Call::EpollCtl { epfd, op, fd, event } => calls.epoll_ctl(*epfd, *op, *fd, Some(*event)).map(|()| Answer::Number(0)),
            Call::EpollWait { epfd, max, timeout } => {
                let mut events = vec![EpollEvent::default(); *max];
                let ready = calls.epoll_wait(*epfd, &mut events, *timeout)?;
                events.truncate(ready);
                Ok(Answer::Events(events))
            }
            other => unreachable!("{other:?} waits for nothing"),
        }
    }
}

/// [`NAME_BYTES`] as a `socklen_t`.
const NAME_LEN: i32 = 128;

fn name(len: i32, call: impl FnOnce(Name<'_>) -> Result<()>) -> Result<Answer> {
    let room = usize::try_from(len).unwrap_or(0);
    let (mut bytes, mut len) = (vec![0; room], len);
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
