//! Operations: system calls in progress, from `begin` over any number of waits to their result.
//!
//! One step of a call either finishes or finds that it must wait. A call that waits holds its file, stands in the file's wait queue
//! and keeps its place there until it returns, however often it is woken in vain. A timeout, a signal and the end of its process all
//! end it by the same path. What a call is about, and what its steps come to, stands in `task.rs`.

use super::Host;
use super::call::Call;
use super::cx::{Cx, Pid, Progress, Token};
use super::dgram::Dgram;
use super::fast::{Ends, QuietCall, Quietly, Short, ShortSend};
use super::poll::Timeout;
use super::recent::Recent;
use super::task::{Entered, Kind, Step, Task};
use super::wait::Waiter;
use crate::packet::Packet;
use crate::slab::Key;
use std::fmt;
use std::time::Duration;
use twinsock::raw::RawFd;
use twinsock::{Errno, Instant, PollEvents, Result};

/// A system call that waits.
///
/// It holds the open file description (never the number), its absolute deadline, the bytes already done and the flags at entry.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
/// # use twinsock_sim::packet::Boring;
/// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = host.spawn_process(Credentials::default());
/// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
/// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
/// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
/// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
/// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
/// # let mut byte = [0];
/// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
/// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
/// assert_eq!(op.what().to_string(), "recv on fd 0");
/// # drop(host.interrupt(&mut cx, op));
/// ```
#[derive(Debug)]
pub struct Op(pub(super) Box<Waiting>);

/// What an [`Op`] holds, apart, so that passing it on costs nothing.
#[derive(Debug)]
pub(super) struct Waiting {
    sleeper: Key,
    pid: Pid,
    fd: RawFd,
    deadline: Instant,
    pub(super) task: Task,
    /// The files that a poll or select waits for, each held.
    watched: Vec<Key>,
}

impl Op {
    /// When the call gives up waiting; `None`: never.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// assert_eq!(op.deadline(), None, "without SO_RCVTIMEO it waits for ever");
    /// # drop(host.interrupt(&mut cx, op));
    /// ```
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.0.deadline < Instant::FAR).then_some(self.0.deadline)
    }

    /// Which call it is.
    pub(super) const fn kind(&self) -> Kind {
        self.0.task.kind
    }

    /// Whether a signal whose handler was installed with `SA_RESTART` makes the call begin again, `signal(7)`: one that has done nothing
    /// yet and has no timeout of its socket's. Calls that wait for sets of files never begin again.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// assert!(op.restarts());
    /// # drop(host.interrupt(&mut cx, op));
    /// ```
    #[must_use]
    pub fn restarts(&self) -> bool {
        match self.0.task.kind {
            Kind::Accept { .. }
            | Kind::Connect { .. }
            | Kind::Send { .. }
            | Kind::Recv { .. }
            | Kind::DgramRecv { .. }
            | Kind::PipeRead { .. }
            | Kind::PipeWrite { .. }
            | Kind::Local { .. } => self.0.task.done == 0 && self.deadline().is_none(),
            Kind::Poll | Kind::Select | Kind::EpollWait { .. } | Kind::Linger { .. } => false,
        }
    }

    /// What the call waits for, in a few words, such as `recv on fd 3`; [`Host::describe`] knows more.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// assert_eq!(op.what().to_string(), "recv on fd 0");
    /// # drop(host.interrupt(&mut cx, op));
    /// ```
    #[must_use]
    pub fn what(&self) -> impl fmt::Display + '_ {
        What(self)
    }
}

struct What<'a>(&'a Op);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = &self.0.0;
        match op.task.kind.name() {
            name @ ("poll" | "select") => write!(f, "{name} on {} files", op.watched.len()),
            name => write!(f, "{name} on fd {}", op.fd),
        }
    }
}

impl Host {
    /// Starts a system call of the thread `token` of process `pid`.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// // Nobody waits who says MSG_DONTWAIT.
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut [0], flags: c::MSG_DONTWAIT, name: None };
    /// assert!(matches!(host.begin(&mut cx, pid, Token(8), &mut recv), Progress::Done(Err(twinsock::Errno::AGAIN))));
    /// # drop(host.interrupt(&mut cx, op));
    /// ```
    #[inline(always)]
    pub fn begin(&mut self, cx: &mut Cx<'_>, pid: Pid, token: Token, call: &mut Call<'_, '_>) -> Progress {
        // First what a stream socket is made, used and closed by.
        if let Call::Close { fd } = *call {
            return match self.close(cx, pid, fd) {
                Ok(None) => Progress::Done(Ok(0)),
                Ok(Some(task)) => self.begin_task(cx, pid, token, fd, task, call),
                Err(error) => Progress::Done(Err(error)),
            };
        } else if let Call::Connect { fd, addr } = *call {
            if let Ok((file, socket)) = self.socket_of(pid, fd) {
                return match self.enter_connect(cx, file, socket, addr) {
                    Ok(Some(task)) => self.begin_task(cx, pid, token, fd, task, call),
                    // AF_UNSPEC: all is done.
                    Ok(None) => Progress::Done(Ok(0)),
                    Err(error) => Progress::Done(Err(error)),
                };
            }
        } else if let Call::Accept4 { fd, flags, .. } = *call {
            if self.socket_of(pid, fd).is_ok() {
                return match self.enter_accept(pid, fd, flags) {
                    Ok(task) => self.begin_task(cx, pid, token, fd, task, call),
                    Err(error) => Progress::Done(Err(error)),
                };
            }
        } else if let Call::Socket { domain, kind, protocol } = *call {
            return Progress::Done(self.socket(pid, domain, kind, protocol));
        } else if let Call::Sendto { fd, data, flags, addr: None } = *call {
            if self.begin_send(cx, pid, fd, data, flags) {
                return Progress::Done(Ok(data.len()));
            }
        } else if let Call::Recvfrom { fd, into, flags, name: None } = call {
            match self.recv_short(cx.now, (pid, &mut Recent::default()), token, *fd, into, *flags) {
                Short::Done(received) => return Progress::Done(Ok(received)),
                Short::Waits(quiet) => return Progress::Parked(self.take_up(quiet)),
                Short::Long => {}
            }
        }
        self.begin_any(cx, pid, token, call)
    }

    /// A send, if it is an easy one. `false`: nothing has happened.
    #[inline(never)]
    fn begin_send(&mut self, cx: &mut Cx<'_>, pid: Pid, fd: RawFd, data: &[u8], flags: i32) -> bool {
        let mut packet = Packet::EMPTY;
        match self.send_short(cx.now, (pid, &mut Recent::default()), fd, data, flags, (&mut packet, &mut { Ends::UNKNOWN })) {
            ShortSend::Out => self.outbox.push_back(packet),
            ShortSend::Queued => {}
            ShortSend::Long => return false,
        }
        true
    }

    /// Starts a call of any kind.
    #[inline(never)]
    fn begin_any(&mut self, cx: &mut Cx<'_>, pid: Pid, token: Token, call: &mut Call<'_, '_>) -> Progress {
        let progress = match self.enter(cx, pid, token, call) {
            Entered::Done(result) => Progress::Done(result),
            Entered::Task(fd, task) => self.begin_task(cx, pid, token, fd, task, call),
            Entered::Wait(fd, task) => self.park(cx, pid, token, fd, task, call),
        };
        if self.has_corks() {
            self.note_stream_sent(pid, token, call, &progress);
        }
        progress
    }

    /// Makes the first step of a call that may wait.
    #[inline(never)]
    fn begin_task(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        token: Token,
        fd: RawFd,
        mut task: Task,
        call: &mut Call<'_, '_>,
    ) -> Progress {
        let is_last = task.nonblocking;
        match self.step(cx, pid, &mut task, call, is_last) {
            Step::Done(result) => Progress::Done(self.finish(pid, task.kind, result)),
            Step::Wait if is_last => Progress::Done(self.finish(pid, task.kind, task.give_up())),
            Step::Wait => self.park(cx, pid, token, fd, task, call),
        }
    }

    /// Goes on with a call that waited, after a wake or at its deadline; `call` is the one that began it.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// drop(host.begin(&mut cx, pid, Token(8), &mut Call::Sendto { fd: 0, data: b"x", flags: 0, addr: Some(addr.as_bytes()) }));
    /// while let Some(packet) = host.poll_transmit(&mut cx) {
    ///     host.handle_packet(&mut cx, packet);
    /// }
    /// assert!(matches!(host.resume(&mut cx, op, &mut recv), Progress::Done(Ok(1))));
    /// ```
    pub fn resume(&mut self, cx: &mut Cx<'_>, mut op: Op, call: &mut Call<'_, '_>) -> Progress {
        if self.is_stale(&op.0) {
            self.leave(cx, &op.0, true);
            return Progress::Done(Err(Errno::INTR));
        }
        op.0.task.slept = true;
        let is_late = cx.now >= op.0.deadline;
        let is_cut_off = self.sleepers.is_disconnected(op.0.sleeper);
        let Waiting { pid, task, .. } = &mut *op.0;
        if let Kind::Recv { .. } = task.kind
            && is_cut_off
        {
            // `sk_wait_event` looks for this before anything else; the pending error stays.
            let result = if task.done > 0 { Ok(task.done) } else { Err(Errno::PIPE) };
            self.leave(cx, &op.0, true);
            return Progress::Done(result);
        }
        match self.step(cx, *pid, task, call, is_late) {
            Step::Done(result) => {
                self.leave(cx, &op.0, true);
                let result = self.finish(op.0.pid, op.0.task.kind, result);
                self.drop_op(op);
                Progress::Done(result)
            }
            Step::Wait if is_late => {
                self.leave(cx, &op.0, false);
                Progress::Done(self.finish(op.0.pid, op.0.task.kind, op.0.task.give_up()))
            }
            Step::Wait => {
                self.sleepers.park_again(op.0.sleeper);
                if let Some(file) = op.0.task.file {
                    self.stand_in_queue(op.0.sleeper, file, op.0.task.kind);
                }
                Progress::Parked(op)
            }
        }
    }

    /// Ends a call that waits, as a signal does: `EINTR`, or what was done so far.
    ///
    /// # Errors
    /// `EINTR`: nothing was done.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// assert_eq!(host.interrupt(&mut cx, op), Err(twinsock::Errno::INTR));
    /// ```
    pub fn interrupt(&mut self, cx: &mut Cx<'_>, op: Op) -> Result<usize> {
        self.leave(cx, &op.0, false);
        let result = match op.0.task.kind {
            Kind::Linger { .. } => Ok(0),
            Kind::Accept { .. }
            | Kind::Connect { .. }
            | Kind::DgramRecv { .. }
            | Kind::Poll
            | Kind::Select
            | Kind::EpollWait { .. } => Err(Errno::INTR),
            Kind::Send { .. } | Kind::Recv { .. } | Kind::PipeRead { .. } | Kind::PipeWrite { .. } | Kind::Local { .. } => {
                match op.0.task.done {
                    0 => Err(Errno::INTR),
                    done => Ok(done),
                }
            }
        };
        self.finish(op.0.pid, op.0.task.kind, result)
    }

    /// What a waiting call waits for, such as `recv on fd 3 (tcp 10.0.0.1:80 <-> 10.0.0.2:40000 ESTABLISHED)`.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// # let mut byte = [0];
    /// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
    /// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
    /// assert_eq!(host.describe(&op), "recv on fd 0 (udp 10.0.0.1:53)");
    /// # drop(host.interrupt(&mut cx, op));
    /// ```
    #[must_use]
    pub fn describe(&self, op: &Op) -> String {
        let ends = match op.0.task.kind {
            Kind::Accept { socket, .. }
            | Kind::Connect { socket, .. }
            | Kind::Send { socket }
            | Kind::Recv { socket, .. }
            | Kind::Linger { socket, .. } => self.ends(socket),
            Kind::DgramRecv { dgram } => self.dgrams.get(dgram).map(Dgram::ends),
            Kind::PipeRead { .. } | Kind::PipeWrite { .. } => Some("pipe".to_owned()),
            Kind::Local { .. } if self.is_stale(&op.0) => None,
            Kind::Local { call, .. } => Some(self.local_ends(self.local.calls[call].id())),
            Kind::Poll | Kind::Select | Kind::EpollWait { .. } => None,
        };
        match ends {
            Some(ends) => format!("{} ({ends})", op.what()),
            None => op.what().to_string(),
        }
    }

    /// The same of a call that waits on the short way.
    #[must_use]
    pub(crate) fn describe_quiet(&self, quiet: &QuietCall) -> String {
        let what = format!("{} on fd {}", quiet.kind().name(), quiet.fd);
        let ends = match quiet.what {
            Quietly::DgramRecv => self.dgrams.get(quiet.socket).map(Dgram::ends),
            Quietly::Recv | Quietly::Accept { .. } | Quietly::Connect { .. } => self.ends(quiet.socket),
        };
        match ends {
            Some(ends) => format!("{what} ({ends})"),
            None => what,
        }
    }

    /// Whether the call's file is gone: its process was killed silently.
    #[inline]
    fn is_stale(&self, op: &Waiting) -> bool {
        op.task.file.is_some_and(|file| self.files.get(file).is_none())
    }

    /// A call returns: a descriptor that it reserved and did not fill is free again.
    #[inline]
    pub(super) fn finish(&mut self, pid: Pid, kind: Kind, result: Result<usize>) -> Result<usize> {
        if let (Kind::Accept { reserved, .. }, Err(_)) = (kind, result)
            && let Ok(process) = self.process_mut(pid)
        {
            process.unreserve(reserved);
        }
        result
    }

    /// A call goes to sleep: it holds its file and stands in the file's queue.
    fn park(&mut self, cx: &mut Cx<'_>, pid: Pid, token: Token, fd: RawFd, task: Task, call: &Call<'_, '_>) -> Progress {
        let deadline = self.deadline(cx.now, &task, call);
        if deadline <= cx.now {
            // A timeout that was negative.
            return Progress::Done(self.finish(pid, task.kind, task.give_up()));
        }
        let mut op = self.sleep(pid, token, fd, deadline, task);
        if let Kind::EpollWait { set } = task.kind {
            self.epolls[set].sleepers += 1;
        }
        match task.file {
            None => self.watch(pid, op.0.sleeper, call, &mut op.0.watched),
            // It may wait for another socket than its own.
            Some(file) => self.stand_in_queue(op.0.sleeper, file, task.kind),
        }
        Progress::Parked(op)
    }

    /// The operation of a call that goes to sleep, in the queue of its file if it has one.
    fn sleep(&mut self, pid: Pid, token: Token, fd: RawFd, deadline: Instant, task: Task) -> Op {
        let sleeper = self.sleepers.park(token);
        if let Some(file) = task.file {
            let (filter, exclusive) = task.kind.filter();
            self.files[file].hold();
            let queue = self.queue_of(file);
            if let Kind::EpollWait { .. } = task.kind {
                queue.add_epoll_wait(sleeper, filter);
            } else {
                queue.add_call(sleeper, filter, exclusive);
            }
        }
        self.make_op(Waiting { sleeper, pid, fd, deadline, task, watched: Vec::new() })
    }

    /// An operation, where another one was if there is such a place.
    fn make_op(&mut self, waiting: Waiting) -> Op {
        match self.spare_ops.pop() {
            Some(mut place) => {
                *place = waiting;
                Op(place)
            }
            None => Op(Box::new(waiting)),
        }
    }

    /// An operation is over: its place is another's.
    #[inline]
    fn drop_op(&mut self, Op(place): Op) {
        if self.spare_ops.len() < SPARE_OPS_MAX {
            self.spare_ops.push(place);
        }
    }

    /// The operation of a call that began to wait on the short way: from here on it is like any other.
    pub(crate) fn take_up(&mut self, quiet: QuietCall) -> Op {
        let QuietCall { token, pid, fd, flags, file, .. } = quiet;
        let Host { files, sleepers, .. } = self;
        // Where the file is gone, the process was killed silently: the operation finds that out.
        let seat = files.get_mut(file).and_then(|entry| entry.queue.take_seat(token, sleepers));
        let sleeper = seat.unwrap_or_else(|| sleepers.park(token));
        let task = Task::new(quiet.kind(), file, false, flags);
        self.make_op(Waiting { sleeper, pid, fd, deadline: Instant::FAR, task, watched: Vec::new() })
    }

    /// When the call gives up waiting.
    fn deadline(&self, now: Instant, task: &Task, call: &Call<'_, '_>) -> Instant {
        let after = |timeout: Option<Duration>| timeout.map_or(Instant::FAR, |timeout| now + timeout);
        match task.kind {
            Kind::Accept { socket, .. } | Kind::Recv { socket, .. } => after(self.sockets[socket].options.receive_timeout),
            Kind::DgramRecv { dgram } => after(self.dgrams[dgram].options.receive_timeout),
            Kind::Connect { socket, .. } | Kind::Send { socket } => after(self.sockets[socket].options.send_timeout),
            Kind::Poll | Kind::Select | Kind::EpollWait { .. } => call_timeout(now, call).deadline().unwrap_or(Instant::FAR),
            Kind::PipeRead { .. } | Kind::PipeWrite { .. } => Instant::FAR,
            Kind::Linger { until, .. } => until,
            Kind::Local { call, verb } => after(self.local_timeout(self.local.calls[call].id(), verb)),
        }
    }

    /// A call that waited returns: it leaves the wait queues and lets go of its files. An exclusive wake that it did not use is passed on.
    fn leave(&mut self, cx: &mut Cx<'_>, op: &Waiting, used_wake: bool) {
        let was_woken = self.sleepers.leave(op.sleeper);
        if let Some(entry) = op.task.file.and_then(|file| self.files.get_mut(file)) {
            entry.queue.remove(Waiter::Call(op.sleeper));
        }
        self.leave_rest(cx, op, was_woken && !used_wake);
    }

    /// What only some calls have to do when they return.
    fn leave_rest(&mut self, cx: &mut Cx<'_>, op: &Waiting, wake_is_unused: bool) {
        if let Kind::EpollWait { set } = op.task.kind
            && let Some(set) = self.epolls.get_mut(set)
        {
            set.sleepers -= 1;
        }
        if let Kind::Local { call, .. } = op.task.kind {
            self.leave_local(cx, op.pid, op.sleeper, call, wake_is_unused);
        }
        if let Some(file) = op.task.file {
            let (key, exclusive) = op.task.kind.filter();
            if exclusive && wake_is_unused {
                self.wake_next(file, key);
            }
            if let Kind::Linger { .. } = op.task.kind {
                self.end_linger(file);
            } else {
                self.put_file(cx, file, false);
            }
        }
        for file in &op.watched {
            if let Some(entry) = self.files.get_mut(*file) {
                entry.queue.remove(Waiter::Call(op.sleeper));
            }
            self.put_file(cx, *file, false);
        }
    }

    /// Wakes the next exclusive call of a file's queue.
    pub(super) fn wake_next(&mut self, file: Key, key: PollEvents) {
        let Host { files, sleepers, .. } = self;
        if let Some(file) = files.get(file) {
            file.queue.wake_next(key, |call| sleepers.wake(call));
        }
    }
}

/// How many places of operations that are over are kept.
const SPARE_OPS_MAX: usize = 16;

/// The timeout argument of a call; one that has none waits for ever.
pub(super) fn call_timeout(now: Instant, call: &Call<'_, '_>) -> Timeout {
    if let Call::Poll { timeout, .. } | Call::EpollWait { timeout, .. } = call {
        Timeout::from_millis(now, *timeout)
    } else if let Call::Select { timeout, .. } = call {
        // A negative one was refused at entry.
        Timeout::from_select_micros(now, *timeout).unwrap_or(Timeout::Immediate)
    } else {
        Timeout::Never
    }
}
