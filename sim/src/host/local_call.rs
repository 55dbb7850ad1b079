//! The calls on local sockets that may wait: accept, connect, and those that move data.
//!
//! Each step makes the same call of [`UnixSpace`](crate::unix::UnixSpace) again, with what the steps before it have come to. A call waits in
//! the queue of its own file, or for room at another socket.

use super::call::{Call, RecvRef};
use super::cx::{Cx, Pid};
use super::dispatch::check_iov;
use super::local::{LocalFd, store_name};
use super::op::Op;
use super::option::unix_level::SO_INQ;
use super::task::{Entered, Kind, Step, Task};
use super::wait::Waiter;
use super::{Host, addr, cmsg};
use crate::slab::Key;
use crate::unix::{self, Address, Failure, Outcome, RecvFlags, RecvState, SendFlags, SendState, Stored, UnixId, WaitFor};
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd, SendHdr};
use twinsock::{Errno, PollEvents, Result};

/// A call that waits.
#[derive(Debug)]
pub(super) struct LocalCall {
    id: UnixId,
    work: Work,
    /// Where it has to wait.
    wait: WaitFor,
    /// Where it stands; at first in the queue of its file, as every call.
    stands: WaitFor,
    /// A signal has come: it goes before whatever the call would find.
    signalled: bool,
}

impl LocalCall {
    /// The socket that the call is on.
    pub(super) const fn id(&self) -> UnixId {
        self.id
    }
}

/// What a call has come to.
#[derive(Debug)]
enum Work {
    /// `accept4(2)`; its descriptor is reserved from the start.
    Accept(RawFd),
    /// `connect(2)`.
    Connect,
    /// The calls that send.
    Send(SendState<Key>),
    /// The calls that receive.
    Recv(RecvState<Key>),
    /// It has an answer.
    Over,
}

impl Work {
    /// Bytes done.
    const fn done(&self) -> usize {
        match self {
            Work::Send(state) => state.sent,
            Work::Recv(state) => state.copied,
            Work::Accept(_) | Work::Connect | Work::Over => 0,
        }
    }
}

/// Which call it is, and how it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    /// `accept4(2)`.
    Accept,
    /// `connect(2)`.
    Connect,
    /// The calls that send.
    Send,
    /// The calls that receive from a stream.
    RecvStream,
    /// The calls that receive a datagram or a record.
    RecvMessage,
}

/// The flags of a step.
#[derive(Clone, Copy)]
struct LocalFlags {
    /// `MSG_*`.
    flags: i32,
    /// It will not wait any longer.
    nonblocking: bool,
}

impl LocalFlags {
    const fn new(flags: i32, nonblocking: bool) -> LocalFlags {
        LocalFlags { flags, nonblocking }
    }

    const fn has(self, flag: i32) -> bool {
        self.flags & flag != 0
    }

    const fn send(self) -> SendFlags {
        SendFlags { oob: self.has(c::MSG_OOB), nonblocking: self.nonblocking }
    }

    const fn recv(self) -> RecvFlags {
        RecvFlags {
            peek: self.has(c::MSG_PEEK),
            trunc: self.has(c::MSG_TRUNC),
            waitall: self.has(c::MSG_WAITALL),
            oob: self.has(c::MSG_OOB),
            nonblocking: self.nonblocking,
        }
    }
}

/// A call at its entry.
struct Begun {
    verb: Verb,
    work: Work,
    flags: i32,
}

impl Host {
    /// A call that may wait: its checks at entry and its first step.
    pub(super) fn begin_local(&mut self, cx: &mut Cx<'_>, pid: Pid, at: LocalFd, call: &mut Call<'_, '_>) -> Entered {
        let mut begun = match self.check_local(cx, pid, at, call) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Entered::Done(Ok(0)),
            Err(error) => return Entered::Done(Err(error)),
        };
        let nonblocking = self.files[at.file].nonblocking
            || begun.flags & c::MSG_DONTWAIT != 0
            || self.local_timeout(at.id, begun.verb) == Some(Duration::ZERO);
        match self.step_work(cx, pid, at.id, &mut begun.work, call, nonblocking) {
            Err(Failure { wait: Some(wait), .. }) if !nonblocking => {
                let done = begun.work.done();
                let entry = LocalCall { id: at.id, work: begun.work, wait, stands: WaitFor::Own, signalled: false };
                let kind = Kind::Local { call: self.local.calls.insert(entry), verb: begun.verb };
                Entered::Wait(at.fd, Task { done, ..Task::new(kind, at.file, false, begun.flags) })
            }
            result => {
                let result = result.map_err(|failure| failure.errno);
                self.end_work(cx, pid, begun.work, result.is_ok());
                Entered::Done(result)
            }
        }
    }

    /// A further step of a call that waited.
    pub(super) fn step_local(&mut self, cx: &mut Cx<'_>, pid: Pid, task: &mut Task, call: &mut Call<'_, '_>, last: bool) -> Step {
        let Kind::Local { call: key, .. } = task.kind else { unreachable!("the call is on a local socket") };
        let entry = &mut self.local.calls[key];
        if entry.signalled && !last {
            return Step::Wait;
        }
        let id = entry.id;
        self.local.space.now = cx.now;
        let mut work = std::mem::replace(&mut entry.work, Work::Over);
        let step = match self.step_work(cx, pid, id, &mut work, call, last) {
            Err(Failure { wait: Some(wait), .. }) if !last => {
                task.done = work.done();
                let entry = &mut self.local.calls[key];
                entry.work = work;
                entry.wait = wait;
                Step::Wait
            }
            result => {
                let result = result.map_err(|failure| failure.errno);
                self.end_work(cx, pid, work, result.is_ok());
                Step::Done(result)
            }
        };
        self.settle_local(cx);
        step
    }

    /// A thread that waits in a call is sent a signal. Linux looks for one as soon as unix_wait_for_peer returns, and at its peer only
    /// then; a peer that has changed without a wake is not seen.
    pub(crate) fn signal_local(&mut self, op: &Op) {
        if let Kind::Local { call, .. } = op.kind()
            && let Some(entry) = self.local.calls.get_mut(call)
        {
            entry.signalled = matches!(entry.stands, WaitFor::Room(_));
        }
    }

    /// A call stands in the queue where it has to wait; it keeps its place if it is there already.
    pub(super) fn stand_in_queue(&mut self, sleeper: Key, file: Key, kind: Kind) {
        let Kind::Local { call, .. } = kind else { return };
        let entry = &mut self.local.calls[call];
        let (stood, wait) = (std::mem::replace(&mut entry.stands, entry.wait), entry.wait);
        if stood == wait {
            return;
        }
        match stood {
            WaitFor::Own => self.files[file].queue.remove(Waiter::Call(sleeper)),
            WaitFor::Room(at) => self.local.leave_room(at, sleeper),
        }
        match wait {
            WaitFor::Own => {
                let (filter, exclusive) = kind.filter();
                self.queue_of(file).add_call(sleeper, filter, exclusive);
            }
            WaitFor::Room(at) => self.local.rooms.entry(at).or_default().add_call(sleeper, PollEvents::NONE, true),
        }
    }

    /// A call that waited has returned, or is ended. A wake for room that it did not use is passed on.
    pub(super) fn leave_local(&mut self, cx: &mut Cx<'_>, pid: Pid, sleeper: Key, call: Key, wake_is_unused: bool) {
        let Some(entry) = self.local.calls.remove(call) else { return };
        if let WaitFor::Room(at) = entry.stands {
            self.local.leave_room(at, sleeper);
            if wake_is_unused {
                let Host { local, sleepers, .. } = self;
                if let Some(queue) = local.rooms.get(&at) {
                    queue.wake_next(PollEvents::NONE, |call| sleepers.wake(call));
                }
            }
        }
        self.end_work(cx, pid, entry.work, false);
    }

    /// What a waiting call gives up waiting after.
    pub(super) fn local_timeout(&self, id: UnixId, verb: Verb) -> Option<Duration> {
        let options = &self.local.socket(id).options;
        match verb {
            Verb::Accept | Verb::RecvStream | Verb::RecvMessage => options.receive_timeout,
            Verb::Connect | Verb::Send => options.send_timeout,
        }
    }

    /// The checks of a call at its entry. `None`: a read or a vectored write of nothing, which does not look at the socket.
    fn check_local(&mut self, cx: &mut Cx<'_>, pid: Pid, at: LocalFd, call: &Call<'_, '_>) -> Result<Option<Begun>> {
        let send = |state, flags| Ok(Some(Begun { verb: Verb::Send, work: Work::Send(state), flags }));
        let kind = self.local.space.kind(at.id);
        let verb = if kind == unix::Kind::Stream { Verb::RecvStream } else { Verb::RecvMessage };
        let recv = |flags, wants_name| Ok(Some(Begun { verb, work: Work::Recv(RecvState::new(wants_name)), flags }));
        match (kind, call) {
            (_, Call::Accept4 { flags, .. }) => {
                if flags & !(c::SOCK_CLOEXEC | c::SOCK_NONBLOCK) != 0 {
                    return Err(Errno::INVAL);
                }
                let reserved = self.process_mut(pid)?.reserve(0)?;
                Ok(Some(Begun { verb: Verb::Accept, work: Work::Accept(reserved), flags: 0 }))
            }
            (_, Call::Connect { addr, .. }) => {
                addr::check_length(addr)?;
                Ok(Some(Begun { verb: Verb::Connect, work: Work::Connect, flags: 0 }))
            }
            (_, Call::Sendto { flags, addr, .. }) => {
                addr::check_length(addr.unwrap_or_default())?;
                send(SendState::default(), *flags)
            }
            (_, Call::Sendmsg { hdr, flags, .. }) => {
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                send(self.take_control(cx, pid, at.id, hdr)?, *flags)
            }
            (_, Call::Write { .. }) => send(SendState::default(), 0),
            (_, Call::Writev { iov, .. }) => {
                check_iov(iov.len(), Errno::INVAL)?;
                if iov.iter().all(|part| part.is_empty()) { Ok(None) } else { send(SendState::default(), 0) }
            }
            (_, Call::Recvfrom { flags, name, .. }) => recv(*flags, name.is_some()),
            (_, Call::Recvmsg { hdr, flags, .. }) => {
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                recv(*flags, !hdr.name.is_empty())
            }
            (_, Call::Read { into, .. }) => {
                if into.is_empty() {
                    Ok(None)
                } else {
                    recv(0, false)
                }
            }
            (_, Call::Readv { iov, .. }) => {
                check_iov(iov.len(), Errno::INVAL)?;
                if iov.iter().all(|part| part.is_empty()) { Ok(None) } else { recv(0, false) }
            }
            (_, call) => unreachable!("{call:?} does not wait on a local socket"),
        }
    }

    /// The control messages of `sendmsg(2)`, which are read before anything else.
    fn take_control(&mut self, cx: &mut Cx<'_>, pid: Pid, id: UnixId, hdr: &SendHdr<'_>) -> Result<SendState<Key>> {
        if hdr.control.is_empty() {
            return Ok(SendState::default());
        }
        self.local.space.before_control(id)?;
        self.parse_control(cx, pid, hdr.control).map(SendState::new)
    }

    /// One step. A failure that says where to wait is final where the call does not wait.
    fn step_work(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        id: UnixId,
        work: &mut Work,
        call: &mut Call<'_, '_>,
        nonblocking: bool,
    ) -> Outcome<usize> {
        match (work, call) {
            (Work::Accept(reserved), Call::Accept4 { name, flags, .. }) => {
                let child = self.local.space.accept(id, nonblocking)?;
                Ok(self.fill_accepted(cx, pid, *reserved, child, name.as_mut(), *flags)?)
            }
            (Work::Connect, Call::Connect { addr, .. }) => {
                let caller = self.caller(pid)?;
                let result = self.local.space.connect(id, &caller, addr, cx.luck);
                self.collect_garbage();
                result.map(|()| 0)
            }
            (Work::Send(state), Call::Sendto { data, flags, addr, .. }) => {
                self.local_send(cx, pid, id, state, &[IoSlice::new(data)], *addr, LocalFlags::new(*flags, nonblocking))
            }
            (Work::Send(state), Call::Sendmsg { hdr, flags, .. }) => {
                self.local_send(cx, pid, id, state, hdr.iov, hdr.name, LocalFlags::new(*flags, nonblocking))
            }
            (Work::Send(state), Call::Write { data, .. }) => {
                self.local_send(cx, pid, id, state, &[IoSlice::new(data)], None, LocalFlags::new(0, nonblocking))
            }
            (Work::Send(state), Call::Writev { iov, .. }) => {
                self.local_send(cx, pid, id, state, iov, None, LocalFlags::new(0, nonblocking))
            }
            (Work::Recv(state), Call::Recvfrom { into, flags, name, .. }) => {
                let flags = LocalFlags::new(*flags, nonblocking);
                let len = self.local.space.recv(id, &mut [IoSliceMut::new(into)], flags.recv(), state)?;
                if let Some(name) = name {
                    store_sender(state.name.as_deref(), name)?;
                }
                Ok(len)
            }
            (Work::Recv(state), Call::Recvmsg { hdr, flags, .. }) => {
                let len = self.local.space.recv(id, hdr.iov, LocalFlags::new(*flags, nonblocking).recv(), state)?;
                self.store_message(pid, id, hdr, *flags, state);
                Ok(len)
            }
            (Work::Recv(state), Call::Read { into, .. }) => {
                self.local.space.recv(id, &mut [IoSliceMut::new(into)], LocalFlags::new(0, nonblocking).recv(), state)
            }
            (Work::Recv(state), Call::Readv { iov, .. }) => {
                self.local.space.recv(id, iov, LocalFlags::new(0, nonblocking).recv(), state)
            }
            (work, call) => unreachable!("{work:?} goes on with the call that began it, not {call:?}"),
        }
    }

    /// A call is over: what it holds and has not used is given back.
    fn end_work(&mut self, cx: &mut Cx<'_>, pid: Pid, work: Work, succeeded: bool) {
        match work {
            Work::Accept(reserved) => {
                if !succeeded && let Ok(process) = self.process_mut(pid) {
                    process.unreserve(reserved);
                }
            }
            Work::Send(state) => self.drop_rights(cx, state.ancillary.rights),
            // What was only looked at is still in the queue, which holds it.
            Work::Recv(state) if state.rights_peeked => {}
            Work::Recv(state) => self.drop_rights(cx, state.rights),
            Work::Connect | Work::Over => {}
        }
    }

    /// An accepted connection becomes a descriptor.
    fn fill_accepted(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        reserved: RawFd,
        child: UnixId,
        name: Option<&mut Name<'_>>,
        flags: i32,
    ) -> Result<usize> {
        let file = self.open_local(child, flags);
        let named = name.map_or(Ok(()), |name| {
            let peer = self.local.space.getpeername(child).map_err(|_| Errno::CONNABORTED)?;
            store_name(peer, name)
        });
        match named.and_then(|()| self.process_mut(pid)) {
            Ok(process) => {
                process.fill(reserved, file, flags & c::SOCK_CLOEXEC != 0);
                Ok(super::file::value(reserved))
            }
            Err(error) => {
                // The connection is lost, as on Linux.
                self.put_file(cx, file, false);
                Err(error)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are those of the system call, and what a step is given")]
    fn local_send(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        id: UnixId,
        state: &mut SendState<Key>,
        iov: &[IoSlice<'_>],
        to: Option<&[u8]>,
        flags: LocalFlags,
    ) -> Outcome<usize> {
        let caller = self.caller(pid)?;
        let sent = self.local.space.send(id, &caller, iov, to, flags.send(), state, cx.luck);
        if sent.is_err_and(|failure| failure.sigpipe) && !flags.has(c::MSG_NOSIGNAL) {
            self.raise_sigpipe(pid);
        }
        sent
    }

    /// What `recvmsg(2)` answers beside the data.
    fn store_message(&mut self, pid: Pid, id: UnixId, hdr: &mut RecvRef<'_, '_>, flags: i32, state: &mut RecvState<Key>) {
        *hdr.name_len = match &state.name {
            Some(name) => Address::store(Some(name), hdr.name),
            None => 0,
        };
        let cloexec = flags & c::MSG_CMSG_CLOEXEC;
        let mut time = cmsg::Writer::new(hdr.control);
        if let Some(stamp) = state.stamp {
            self.local.socket(id).options.stamps.put(self.wall_clock(stamp), &mut time);
        }
        let (stamped, is_time_cut) = (time.used(), time.is_truncated);
        let Stored { len, truncated } = self.store_control(pid, &mut hdr.control[stamped..], state, cloexec != 0);
        let (mut len, mut truncated) = (stamped + len, truncated || is_time_cut);
        if self.local.socket(id).inq && flags & c::MSG_OOB == 0 {
            let left = self.local.space.readable_bytes(id).unwrap_or(0);
            let mut control = cmsg::Writer::new(&mut hdr.control[len..]);
            control.put(c::SOL_SOCKET, SO_INQ, &i32::try_from(left).unwrap_or(i32::MAX).to_ne_bytes());
            len += control.used();
            truncated |= control.is_truncated;
        }
        *hdr.control_len = len;
        *hdr.flags = state.msg_flags.raw() | cloexec | if truncated { c::MSG_CTRUNC } else { 0 };
    }
}

/// Stores the sender's name; one without a name has length 0.
fn store_sender(address: Option<&Address>, name: &mut Name<'_>) -> Result<()> {
    match address {
        Some(_) => store_name(address, name),
        None => addr::store_name(&twinsock::RawAddr::EMPTY, name),
    }
}
