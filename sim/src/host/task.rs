//! What a system call that may wait is about: the values that its steps are told of, and what they come to. Nothing here does anything.

use super::local_call::Verb;
use super::poll;
use super::wait::RECV_FILTER;
use crate::slab::{Key, to_usize};
use twinsock::raw::RawFd;
use twinsock::{Errno, Instant, PollEvents, Result};

/// What a call is about, and what it must remember from step to step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `accept4(2)` on a socket; its descriptor is reserved from the start.
    Accept { socket: Key, reserved: RawFd },
    /// `connect(2)`; `pending` is the answer while there is no outcome, `disconnects` the count when the call began.
    Connect { socket: Key, pending: Errno, disconnects: u32 },
    /// The calls that send.
    Send { socket: Key },
    /// The calls that receive; `target` is how much they wait for, `SO_RCVLOWAT` as it was at their entry (`sock_rcvlowat`).
    Recv { socket: Key, target: u32 },
    /// The calls that receive, on a datagram socket.
    DgramRecv { dgram: Key },
    /// `read(2)` on a pipe.
    PipeRead { pipe: Key },
    /// `write(2)` on a pipe.
    PipeWrite { pipe: Key },
    /// `poll(2)`.
    Poll,
    /// `select(2)`.
    Select,
    /// `epoll_wait(2)`.
    EpollWait { set: Key },
    /// `close(2)` under SO_LINGER, which waits until then.
    Linger { socket: Key, until: Instant },
    /// A call on a local socket, by its key among those that wait.
    Local { call: Key, verb: Verb },
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Accept { .. } => "accept",
            Kind::Connect { .. } => "connect",
            Kind::Send { .. } => "send",
            Kind::Recv { .. } | Kind::DgramRecv { .. } => "recv",
            Kind::PipeRead { .. } => "read",
            Kind::PipeWrite { .. } => "write",
            Kind::Poll => "poll",
            Kind::Select => "select",
            Kind::EpollWait { .. } => "epoll_wait",
            Kind::Linger { .. } => "close",
            Kind::Local { verb: Verb::Accept, .. } => "accept",
            Kind::Local { verb: Verb::Connect, .. } => "connect",
            Kind::Local { verb: Verb::Send, .. } => "send",
            Kind::Local { verb: Verb::RecvStream | Verb::RecvMessage, .. } => "recv",
        }
    }

    /// Which wake-ups concern the call, and whether it is an exclusive waiter.
    pub(super) fn filter(self) -> (PollEvents, bool) {
        match self {
            Kind::Accept { .. } => (poll::KEY_READABLE, true),
            Kind::Recv { .. } => (RECV_FILTER, false),
            // __skb_wait_for_more_packets: one datagram wakes one receiver.
            Kind::DgramRecv { .. } => (PollEvents::IN | PollEvents::ERR, true),
            // sk_stream_wait_memory looks again at every wake-up of its socket, whatever that is about: there may be some room, if less
            // than makes the socket writable.
            Kind::Send { .. } => (poll::ANY, false),
            Kind::Connect { .. } | Kind::Linger { .. } | Kind::Poll | Kind::Select => (poll::ALWAYS, false),
            Kind::PipeRead { .. } => (poll::KEY_PIPE_READABLE, true),
            Kind::PipeWrite { .. } => (poll::KEY_PIPE_WRITABLE, true),
            Kind::EpollWait { .. } => (poll::KEY_EPOLL, true),
            Kind::Local { verb, .. } => match verb {
                Verb::Accept | Verb::RecvMessage => (poll::KEY_READABLE | poll::ALWAYS, true),
                // So do unix_stream_data_wait and sock_wait_for_wmem.
                Verb::RecvStream | Verb::Connect | Verb::Send => (poll::ANY, false),
            },
        }
    }
}

/// A call on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) kind: Kind,
    /// Its file; `None` for poll and select, which have many or none.
    pub(super) file: Option<Key>,
    /// It does not wait: O_NONBLOCK at entry, MSG_DONTWAIT, a timeout of 0.
    pub(super) nonblocking: bool,
    /// It has waited.
    pub(super) slept: bool,
    /// `MSG_*` flags.
    pub(super) flags: i32,
    /// Bytes done.
    pub(super) done: usize,
}

impl Task {
    /// A call on a file at its entry.
    pub(super) const fn new(kind: Kind, file: Key, nonblocking: bool, flags: i32) -> Task {
        Task { kind, file: Some(file), nonblocking, slept: false, flags, done: 0 }
    }

    /// A call on a set of descriptors.
    pub(super) const fn on_set(kind: Kind, nonblocking: bool) -> Task {
        Task { kind, file: None, nonblocking, slept: false, flags: 0, done: 0 }
    }

    /// How many bytes a receive waits for, unless the call asks for fewer.
    pub(super) fn target(&self) -> usize {
        match self.kind {
            Kind::Recv { target, .. } => to_usize(target),
            Kind::Accept { .. }
            | Kind::Connect { .. }
            | Kind::Send { .. }
            | Kind::DgramRecv { .. }
            | Kind::PipeRead { .. }
            | Kind::PipeWrite { .. }
            | Kind::Poll
            | Kind::Select
            | Kind::EpollWait { .. }
            | Kind::Linger { .. }
            | Kind::Local { .. } => unreachable!("only receives on streams wait for so many bytes"),
        }
    }

    /// The answer of a call that will not wait (any longer): what is done, or that nothing is.
    pub(super) fn give_up(&self) -> Result<usize> {
        match self.kind {
            Kind::Accept { .. } | Kind::DgramRecv { .. } => Err(Errno::AGAIN),
            Kind::Connect { pending, .. } => Err(pending),
            Kind::Send { .. } | Kind::Recv { .. } | Kind::PipeRead { .. } | Kind::PipeWrite { .. } | Kind::Local { .. } => {
                if self.done == 0 { Err(Errno::AGAIN) } else { Ok(self.done) }
            }
            Kind::Poll | Kind::Select | Kind::EpollWait { .. } | Kind::Linger { .. } => Ok(0),
        }
    }
}

/// How a step of a call ended.
#[derive(Debug)]
pub(super) enum Step {
    /// It returns.
    Done(Result<usize>),
    /// It must wait.
    Wait,
}

impl From<Result<usize>> for Step {
    fn from(result: Result<usize>) -> Step {
        Step::Done(result)
    }
}

/// What entering a call came to.
pub(super) enum Entered {
    /// It has returned.
    Done(Result<usize>),
    /// It is one that may wait, on this descriptor.
    Task(RawFd, Task),
    /// It must wait: its first step was made.
    Wait(RawFd, Task),
}
