//! The short ways of calls that carry a few bytes: what the long way does, without the steps that only others need.

use super::{Scheduler, State, Thread, ThreadId, Wait, thread_of};
use crate::host::{Asked, QuietCall, Short};
use crate::process::strace;
use crate::seldom::unlikely;
use crate::trace::{CallName, Place, Transfer};
use crate::world::{Data, Ended, World};
use twinsock::Instant;
use twinsock::raw::{Name, RawFd};

/// A receive that a thread is about to make, and would have to wait for its turn with.
#[derive(Clone, Copy, Debug)]
pub struct Posted {
    /// The descriptor.
    pub fd: RawFd,
    /// The flags.
    pub flags: i32,
    /// How many bytes it has room for, or so many.
    pub room: u32,
}

/// What the short way of a receive came to.
pub enum ShortRecv {
    /// It returns this.
    Done(usize),
    /// The thread waits.
    Waits,
    /// Nothing has happened: it is for the long way.
    Long,
}

/// Why a thread that has left a receive is switched to again.
pub enum Back {
    /// The receive has ended, and returns this.
    Ended(Data),
    /// It is for its turn that it has waited: the receive is to be begun.
    HasTurn,
    /// The receive has begun, and is to be gone on with.
    Woken,
}

/// What the short way of `connect(2)` or `accept(2)` came to.
pub enum Opening {
    /// It returns this.
    Done(twinsock::Result<usize>),
    /// The thread waits.
    Waits,
    /// Nothing has happened: it is for the long way.
    Long,
}

impl Thread {
    /// The running thread begins to wait in a call of which its host has hardly taken note, as `wait` does it where nobody records.
    #[inline(always)]
    fn wait_quietly(&mut self, quiet: QuietCall, now: Instant) {
        assert!(self.state == State::Running, "only the running thread begins to wait");
        self.quiet = Some(quiet);
        self.signal = None;
        self.state = State::Waiting(Wait::Call, now);
    }
}

impl Scheduler {
    /// Whether the thread used last what was a datagram socket with this descriptor.
    #[inline(always)]
    pub fn uses_dgram(&self, thread: ThreadId, fd: RawFd) -> bool {
        self.threads.get(thread.index()).is_some_and(|slot| slot.recent.is_dgram(fd))
    }

    /// `send(2)` of the running thread, or what is said instead, if it is an easy one on a stream. `false`: nothing has happened.
    #[inline(always)]
    pub fn send_stream<const ATTENDED: bool>(
        &mut self,
        thread: ThreadId,
        how: SendsBy,
        fd: RawFd,
        data: &[u8],
        flags: i32,
    ) -> bool {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let Scheduler { threads, world, .. } = self;
        let Some(slot) = threads.get_mut(thread.index()) else { return false };
        if !world.send_again(slot.host, (&slot.recent, fd), data, flags)
            && !world.send_short(slot.host, (slot.pid, &mut slot.recent), fd, data, flags)
        {
            return false;
        }
        if end_call(world, (thread, slot, self.call_cost_ns), how.name(), fd, Ok(data.len())) && ATTENDED {
            self.note_stream_send(thread, how, fd, data, flags);
        }
        self.collect_wakes();
        true
    }

    /// Such a send is over, for a recording.
    #[cold]
    #[inline(never)]
    fn note_stream_send(&mut self, thread: ThreadId, how: SendsBy, fd: RawFd, data: &[u8], flags: i32) {
        self.note_short_send(thread, fd, how, data, (flags, None));
    }

    /// The same, for those who seldom ask.
    #[inline(never)]
    pub fn send_short(&mut self, thread: ThreadId, how: SendsBy, fd: RawFd, data: &[u8], flags: i32) -> bool {
        self.send_stream::<true>(thread, how, fd, data, flags)
    }

    /// `recv(2)` of the running thread, or `read(2)`, if it is an easy one on a stream. A receive that waits is kept here: so does the thread.
    #[inline(always)]
    pub fn recv_stream<const ATTENDED: bool>(
        &mut self,
        thread: ThreadId,
        as_file: bool,
        fd: RawFd,
        into: &mut [u8],
        flags: i32,
    ) -> ShortRecv {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let Scheduler { threads, world, .. } = self;
        let Some(slot) = threads.get_mut(thread.index()) else { return ShortRecv::Long };
        let who = (slot.pid, &slot.recent);
        match world.wait_calmly(slot.host, who, thread.token(), (fd, flags), into.len()) {
            Some(quiet) => {
                slot.wait_quietly(quiet, world.now());
                if ATTENDED && world.trace().is_recording() {
                    self.note_stream_wait(thread, as_file, (fd, into.len()), flags);
                }
                ShortRecv::Waits
            }
            None => self.recv_stream_otherwise(thread, as_file, fd, into, flags),
        }
    }

    /// A receive on a stream begins to wait, for a recording.
    #[cold]
    #[inline(never)]
    fn note_stream_wait(&mut self, thread: ThreadId, as_file: bool, what: (RawFd, usize), flags: i32) {
        self.note_short_wait(thread, recv_how(as_file), what, (flags, false));
    }

    /// The same where it is not the next one of a dialogue.
    #[inline(never)]
    fn recv_stream_otherwise(&mut self, thread: ThreadId, as_file: bool, fd: RawFd, into: &mut [u8], flags: i32) -> ShortRecv {
        let Scheduler { threads, world, .. } = self;
        let Some(slot) = threads.get_mut(thread.index()) else { return ShortRecv::Long };
        match world.recv_short(slot.host, (slot.pid, &mut slot.recent), thread.token(), fd, into, flags) {
            Short::Done(received) => {
                self.end_short_recv(thread, as_file, fd, (into, received), flags);
                ShortRecv::Done(received)
            }
            Short::Waits(quiet) => {
                slot.wait_quietly(quiet, world.now());
                if world.trace().is_recording() {
                    self.note_stream_wait(thread, as_file, (fd, into.len()), flags);
                }
                ShortRecv::Waits
            }
            Short::Long => ShortRecv::Long,
        }
    }

    /// The running thread, which waits for its turn, makes this receive then, if it is one that can be made for it.
    #[inline]
    pub fn post(&mut self, thread: ThreadId, receive: Posted) {
        self.threads[thread.index()].posted = Some(receive);
    }

    /// Why the running thread, which has left a receive of several parts, has been switched to again.
    #[inline(always)]
    pub fn why_back(&mut self, thread: ThreadId) -> Back {
        let Some(slot) = self.threads.get_mut(thread.index()) else { return Back::Woken };
        if let Some(data) = slot.received.take() {
            return Back::Ended(data);
        }
        slot.posted = None;
        if slot.quiet.is_none() && slot.op.is_none() { Back::HasTurn } else { Back::Woken }
    }

    /// The thread just chosen does what it has to do in this turn, as far as none of its program runs in that. Answers whether that is all: then it is not switched to.
    #[inline(always)]
    pub(super) fn acts_alone(&mut self, thread: ThreadId) -> bool {
        match self.threads[thread.index()].posted {
            Some(posted) => self.waits_with(thread, posted),
            None => false,
        }
    }

    /// It makes the receive that it has posted, if that only has to wait, as [`Scheduler::recv_stream`] would do it. `false`: nothing has happened.
    #[inline(never)]
    fn waits_with(&mut self, thread: ThreadId, Posted { fd, flags, room }: Posted) -> bool {
        let slot = &mut self.threads[thread.index()];
        if slot.is_held_up || self.world.trace().is_recording() {
            return false;
        }
        let who = (slot.pid, &mut slot.recent);
        let Some(quiet) = self.world.wait_short(slot.host, who, thread.token(), fd, room, flags) else { return false };
        slot.posted = None;
        slot.wait_quietly(quiet, self.world.now());
        true
    }

    /// Goes on with the running thread's parked receive, if it is an easy one. `None`: nothing has happened.
    #[inline(always)]
    pub fn resume_recv_short(&mut self, thread: ThreadId, as_file: bool, fd: RawFd, into: &mut [u8]) -> Option<usize> {
        let slot = self.threads.get_mut(thread.index())?;
        let quiet = slot.quiet.as_ref()?;
        let received = self.world.resume_recv_short(slot.host, quiet, into)?;
        let flags = quiet.flags();
        slot.quiet = None;
        if self.end_waited_call(thread, recv_how(as_file).name(), fd, Ok(received)) {
            self.note_stream_recv(thread, as_file, fd, (into, received), flags);
        }
        self.collect_wakes();
        Some(received)
    }

    /// A waiting thread's receive is over, and nobody else can be chosen until the moment at which it goes on.
    #[inline(always)]
    pub(super) fn recv_ended(&mut self, Ended { waiter, data, at }: Ended) -> ThreadId {
        let thread = thread_of(waiter);
        if unlikely(self.world.trace().is_recording()) {
            self.note_end_of_wait(thread);
        }
        let slot = &mut self.threads[thread.index()];
        slot.quiet = None;
        slot.received = Some(data);
        self.begin_at(thread, at);
        thread
    }

    /// What the running thread's receive on a stream returns that has ended.
    #[inline(always)]
    pub fn take_received<const ATTENDED: bool>(
        &mut self,
        (thread, data): (ThreadId, Data),
        as_file: bool,
        fd: RawFd,
        into: &mut [u8],
        flags: i32,
    ) -> usize {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let received = self.world.take_data(data, into);
        if self.end_recv(thread, recv_how(as_file).name(), fd, received) && ATTENDED {
            self.note_stream_recv(thread, as_file, fd, (into, received), flags);
        }
        received
    }

    /// The same of a datagram, with the name of its sender if that is asked for.
    #[inline(always)]
    pub fn take_datagram<const ATTENDED: bool>(
        &mut self,
        (thread, data): (ThreadId, Data),
        fd: RawFd,
        into: &mut [u8],
        (flags, mut asked): (i32, Asked<'_, '_>),
    ) -> usize {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let received = self.world.take_datagram(data, into, asked.again());
        if self.end_recv(thread, dgram_how(&asked).name(), fd, received) && ATTENDED {
            self.note_dgram_recv(thread, fd, (into, received), flags, asked);
        }
        received
    }

    /// `accept4(2)` of the running thread, if it is an easy one, which nobody wants to hear of in full.
    #[inline(always)]
    pub fn accept_short<const ATTENDED: bool>(
        &mut self,
        thread: ThreadId,
        fd: RawFd,
        name: Option<&mut Name<'_>>,
        flags: i32,
    ) -> Opening {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let Some(slot) = self.threads.get(thread.index()) else { return Opening::Long };
        if ATTENDED && self.world.trace().wants_calls() {
            return Opening::Long;
        }
        let begun = self.world.accept_short(slot.host, (slot.pid, thread.token()), fd, name, flags);
        self.opening(thread, ACCEPT, fd, begun)
    }

    /// The same of `connect(2)`.
    #[inline(always)]
    pub fn connect_short<const ATTENDED: bool>(&mut self, thread: ThreadId, fd: RawFd, addr: &[u8]) -> Opening {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let Some(slot) = self.threads.get(thread.index()) else { return Opening::Long };
        if ATTENDED && self.world.trace().wants_calls() {
            return Opening::Long;
        }
        let begun = self.world.connect_short(slot.host, (slot.pid, thread.token()), fd, addr);
        self.opening(thread, CONNECT, fd, begun)
    }

    /// One of these has begun.
    #[inline(always)]
    fn opening(&mut self, thread: ThreadId, call: CallName, fd: RawFd, begun: Short<twinsock::Result<usize>>) -> Opening {
        match begun {
            Short::Done(result) => {
                // Nobody wants to know of calls: that was asked before.
                self.end_short_call(thread, call, fd, result);
                self.collect_wakes();
                Opening::Done(result)
            }
            Short::Waits(quiet) => {
                self.threads[thread.index()].wait_quietly(quiet, self.world.now());
                // What it waits for may have happened, over loopback.
                self.collect_wakes();
                Opening::Waits
            }
            Short::Long => Opening::Long,
        }
    }

    /// Goes on with such a call of the running thread, if it is an easy one. `None`: nothing has happened.
    #[inline(never)]
    pub fn resume_opening(&mut self, thread: ThreadId, name: Option<&mut Name<'_>>) -> Option<twinsock::Result<usize>> {
        let slot = self.threads.get_mut(thread.index())?;
        let quiet = slot.quiet.as_ref()?;
        let result = self.world.resume_opening(slot.host, (quiet, &mut slot.recent), name)?;
        let (call, fd) = (if quiet.accepts() { ACCEPT } else { CONNECT }, quiet.fd());
        slot.quiet = None;
        // Nobody wants to know of calls: that was asked when it began, and is so or not for a whole run.
        self.end_waited_call(thread, call, fd, result);
        self.collect_wakes();
        Some(result)
    }

    /// Whether somebody wants to know of calls, or of other events, in full; so or not for a whole run. Who has asked before a call is made can tell the short ways
    /// that nobody is `ATTENDED` to: then what is to be told of the call need not be at hand when it is over.
    #[inline(always)]
    pub fn is_attended(&self) -> bool {
        self.world.trace().is_attended()
    }

    /// `send(2)`, `sendto(2)` or `sendmsg(2)` of the running thread on a datagram socket, if it is an easy one; `to`: the flags and the name. `false`:
    /// nothing has happened.
    #[inline(always)]
    pub fn send_dgram_short<const ATTENDED: bool>(
        &mut self,
        thread: ThreadId,
        how: SendsBy,
        fd: RawFd,
        data: &[u8],
        to: (i32, Option<&[u8]>),
    ) -> bool {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let Scheduler { threads, world, .. } = self;
        let Some(slot) = threads.get_mut(thread.index()) else { return false };
        if !world.send_dgram_again(slot.host, (&slot.recent, fd), data, to)
            && !world.send_dgram_short(slot.host, (slot.pid, &mut slot.recent), fd, data, to)
        {
            return false;
        }
        if end_call(world, (thread, slot, self.call_cost_ns), how.name(), fd, Ok(data.len())) && ATTENDED {
            self.note_short_send(thread, fd, how, data, to);
        }
        self.collect_wakes();
        true
    }

    /// `recv(2)`, `recvfrom(2)` or `recvmsg(2)` of the running thread on a datagram socket, if it is an easy one.
    #[inline(always)]
    pub fn recv_dgram_short<const ATTENDED: bool>(
        &mut self,
        thread: ThreadId,
        fd: RawFd,
        into: &mut [u8],
        (flags, mut asked): (i32, Asked<'_, '_>),
    ) -> ShortRecv {
        debug_assert!(ATTENDED || !self.is_attended(), "who asked was told so");
        let Scheduler { threads, world, .. } = self;
        let Some(slot) = threads.get_mut(thread.index()) else { return ShortRecv::Long };
        let (who, how) = ((slot.pid, &mut slot.recent), (flags, asked.again()));
        match world.recv_dgram_short(slot.host, who, thread.token(), fd, into, how) {
            Short::Done(received) => {
                let name = dgram_how(&asked).name();
                if end_call(world, (thread, slot, self.call_cost_ns), name, fd, Ok(received)) && ATTENDED {
                    self.note_dgram_recv(thread, fd, (into, received), flags, asked);
                }
                self.collect_wakes();
                ShortRecv::Done(received)
            }
            Short::Waits(quiet) => {
                slot.wait_quietly(quiet, world.now());
                if ATTENDED && self.world.trace().is_recording() {
                    self.note_short_wait(thread, dgram_how(&asked), (fd, into.len()), (flags, asked.name().is_some()));
                }
                ShortRecv::Waits
            }
            Short::Long => ShortRecv::Long,
        }
    }

    /// Goes on with the running thread's parked receive of a datagram, if it is an easy one. `None`: nothing has happened.
    #[inline]
    pub fn resume_dgram_short(
        &mut self,
        thread: ThreadId,
        fd: RawFd,
        into: &mut [u8],
        mut asked: Asked<'_, '_>,
    ) -> Option<usize> {
        let slot = self.threads.get_mut(thread.index())?;
        let quiet = slot.quiet.as_ref()?;
        let received = self.world.resume_dgram_short(slot.host, quiet, into, asked.again())?;
        let flags = quiet.flags();
        slot.quiet = None;
        if self.end_waited_call(thread, dgram_how(&asked).name(), fd, Ok(received)) {
            self.note_dgram_recv(thread, fd, (into, received), flags, asked);
        }
        self.collect_wakes();
        Some(received)
    }

    /// A receive on a stream has filled the first `received` bytes of `into`.
    #[inline(always)]
    fn end_short_recv(&mut self, thread: ThreadId, as_file: bool, fd: RawFd, (into, received): (&[u8], usize), flags: i32) {
        if self.end_short_call(thread, recv_how(as_file).name(), fd, Ok(received)) {
            self.note_stream_recv(thread, as_file, fd, (into, received), flags);
        }
        self.collect_wakes();
    }

    /// The same, for a recording.
    #[cold]
    #[inline(never)]
    fn note_stream_recv(&mut self, thread: ThreadId, as_file: bool, fd: RawFd, (into, received): (&[u8], usize), flags: i32) {
        let transfer = Transfer { data: &into[..received], room: into.len(), flags, name: None };
        self.note_short_recv(thread, fd, recv_how(as_file), &transfer);
    }

    /// The same of a datagram, with the sender's name if that was asked for.
    #[cold]
    #[inline(never)]
    fn note_dgram_recv(
        &mut self,
        thread: ThreadId,
        fd: RawFd,
        (into, received): (&[u8], usize),
        flags: i32,
        asked: Asked<'_, '_>,
    ) {
        let transfer = Transfer { data: &into[..received], room: into.len(), flags, name: asked.name().map(strace::written) };
        self.note_short_recv(thread, fd, dgram_how(&asked), &transfer);
    }

    /// A call is over, and whoever is woken by it is still to be. Answers whether somebody may want to know more of it: [`Trace::wants_calls`].
    ///
    /// [`Trace::wants_calls`]: crate::trace::Trace::wants_calls
    #[inline(always)]
    fn end_short_call(&mut self, thread: ThreadId, call: CallName, fd: RawFd, result: twinsock::Result<usize>) -> bool {
        let Some(slot) = self.threads.get_mut(thread.index()) else { return false };
        end_call(&mut self.world, (thread, slot, self.call_cost_ns), call, fd, result)
    }

    /// The same of a receive that ended when what it waited for came: nobody else is ready, nor is anybody woken by it.
    #[inline(always)]
    fn end_recv(&mut self, thread: ThreadId, call: CallName, fd: RawFd, received: usize) -> bool {
        debug_assert!(self.ready.is_empty(), "it would not have ended then");
        let Some(slot) = self.threads.get(thread.index()) else { return false };
        tell_end(&mut self.world, (thread, slot), call, fd, Ok(received))
    }

    /// The same of a call that has waited: what it costs has passed since the thread was woken.
    #[inline(always)]
    fn end_waited_call(&mut self, thread: ThreadId, call: CallName, fd: RawFd, result: twinsock::Result<usize>) -> bool {
        let Some(slot) = self.threads.get(thread.index()) else { return false };
        let is_attended = tell_end(&mut self.world, (thread, slot), call, fd, result);
        self.goes_along(thread);
        is_attended
    }
}

/// [`Scheduler::end_short_call`] of a thread that has been looked up, with what a call takes.
#[inline(always)]
fn end_call(
    world: &mut World,
    (thread, slot, call_cost_ns): (ThreadId, &mut Thread, u64),
    call: CallName,
    fd: RawFd,
    result: twinsock::Result<usize>,
) -> bool {
    slot.clock = Instant::from_nanos(slot.clock.as_nanos().saturating_add(call_cost_ns));
    tell_end(world, (thread, slot), call, fd, result)
}

/// A call is over, for the trace.
#[inline(always)]
fn tell_end(
    world: &mut World,
    (thread, slot): (ThreadId, &Thread),
    call: CallName,
    fd: RawFd,
    result: twinsock::Result<usize>,
) -> bool {
    let (at, place) = (world.now(), Place::process(slot.host.0, slot.pid.0).thread(thread.0));
    world.trace_mut().call_ended(at, place, call, Some(fd), result)
}

const ACCEPT: CallName = CallName::new("accept4");
const CONNECT: CallName = CallName::new("connect");

/// By which system call a thread sends.
#[derive(Clone, Copy, Debug)]
pub enum SendsBy {
    /// `sendto(2)`, which `send(2)` is.
    Sendto,
    /// `write(2)`.
    Write,
    /// `sendmsg(2)` of one slice, without control messages.
    Sendmsg,
}

impl SendsBy {
    /// How a stream is sent to: by `sendto(2)`, or by `write(2)`.
    #[inline]
    pub fn stream(as_file: bool) -> SendsBy {
        if as_file { SendsBy::Write } else { SendsBy::Sendto }
    }

    #[inline]
    pub(super) fn name(self) -> CallName {
        match self {
            SendsBy::Sendto => const { CallName::new("sendto") },
            SendsBy::Write => const { CallName::new("write") },
            SendsBy::Sendmsg => const { CallName::new("sendmsg") },
        }
    }
}

/// From how many threads on what one of them is going to touch may have left the caches.
pub(super) const FETCHED_FROM: usize = 64;

/// By which system call a thread receives.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReceivesBy {
    /// `recvfrom(2)`, which `recv(2)` is.
    Recvfrom,
    /// `recvmsg(2)` into one slice, where no control message comes with it and nothing is cut off.
    Recvmsg,
    /// `read(2)`.
    Read,
}

impl ReceivesBy {
    #[inline]
    pub(super) fn name(self) -> CallName {
        match self {
            ReceivesBy::Recvfrom => const { CallName::new("recvfrom") },
            ReceivesBy::Recvmsg => const { CallName::new("recvmsg") },
            ReceivesBy::Read => const { CallName::new("read") },
        }
    }
}

/// How a stream is received from.
#[inline]
fn recv_how(as_file: bool) -> ReceivesBy {
    if as_file { ReceivesBy::Read } else { ReceivesBy::Recvfrom }
}

/// How a datagram is received.
#[inline]
fn dgram_how(asked: &Asked<'_, '_>) -> ReceivesBy {
    match asked {
        Asked::Nothing | Asked::Sender(_) => ReceivesBy::Recvfrom,
        Asked::All(_) => ReceivesBy::Recvmsg,
    }
}
