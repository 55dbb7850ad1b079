//! One socket, `struct unix_sock`: a plain record that the rest of the room works on.

use super::addr::Address;
use super::id::UnixId;
use super::queue::Queue;
use super::vfs::InodeId;
use super::{Config, Kind, Options, ShutdownBits, Wakes};
use std::collections::VecDeque;
use std::sync::Arc;
use twinsock::control::Credentials;
use twinsock::{Errno, PollEvents};

/// `sk_state`. A datagram socket stays [`State::Close`], except in a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// `TCP_CLOSE`.
    Close,
    /// `TCP_LISTEN`.
    Listen,
    /// `TCP_ESTABLISHED`.
    Established,
}

/// Who has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// It waits in a listener's queue.
    Embryo,
    /// The host.
    Open,
    /// Nobody: it is closed, but a connected socket or a message of its own still refers to it, `SOCK_DEAD`.
    Dead,
}

#[derive(Debug)]
pub(super) struct Sock<F> {
    pub kind: Kind,
    pub state: State,
    pub life: Life,
    pub shutdown: ShutdownBits,
    /// `sk_err`.
    pub error: Option<Errno>,
    pub peer: Option<UnixId>,
    pub addr: Option<Arc<Address>>,
    /// The file that bind made.
    pub inode: Option<InodeId>,
    pub queue: Queue<F>,
    /// A listener's connections that wait to be accepted.
    pub backlog: VecDeque<UnixId>,
    /// The most that waits, less one: of connections, or of datagrams.
    pub max_ack_backlog: u32,
    /// `sk_wmem_alloc`, what its unread messages are charged with.
    pub wmem: u32,
    pub sndbuf_bytes: u32,
    /// How many sockets have it as their peer, plus its unread messages.
    pub refs: u32,
    pub peercred: Option<Credentials>,
    /// The peer whose reader will tell this socket that there is room, `peer_wake`.
    pub waits_for_room_at: Option<UnixId>,
    /// The sockets that are to be told of room here.
    pub watchers: Vec<UnixId>,
    /// A call may wait for room here.
    pub is_waited_for: bool,
    pub options: Options,
    pub wakes: Wakes,
}

impl<F> Sock<F> {
    pub(super) fn new(kind: Kind, config: &Config) -> Sock<F> {
        Sock {
            kind,
            state: State::Close,
            life: Life::Open,
            shutdown: ShutdownBits::default(),
            error: None,
            peer: None,
            addr: None,
            inode: None,
            queue: Queue::new(),
            backlog: VecDeque::new(),
            max_ack_backlog: config.max_dgram_qlen,
            wmem: 0,
            sndbuf_bytes: config.wmem_default,
            refs: 0,
            peercred: None,
            waits_for_room_at: None,
            watchers: Vec::new(),
            is_waited_for: false,
            options: Options::default(),
            wakes: Wakes::default(),
        }
    }

    /// `unix_writable`: at most a quarter of the buffer is in use. Linux's count starts at 1; `more` is what it holds beyond.
    #[inline]
    pub(super) fn is_writable(&self, more: u32) -> bool {
        self.state != State::Listen && u64::from(self.wmem + 1 + more) * 4 <= u64::from(self.sndbuf_bytes)
    }

    /// `sock_alloc_send_pskb` would find memory.
    #[inline]
    pub(super) const fn has_memory(&self) -> bool {
        self.wmem < self.sndbuf_bytes
    }

    /// `unix_poll` and `unix_dgram_poll` but for writing.
    pub(super) fn poll_mask_but_out(&self) -> PollEvents {
        let mut mask = PollEvents::NONE;
        if self.error.is_some() {
            mask |= PollEvents::ERR;
            if self.options.select_err_queue && self.kind != Kind::Stream {
                mask |= PollEvents::PRI;
            }
        }
        if self.shutdown.read {
            mask |= PollEvents::RDHUP | PollEvents::IN | PollEvents::RDNORM;
        }
        let is_closed = self.kind != Kind::Dgram && self.state == State::Close;
        if self.shutdown == ShutdownBits::BOTH || is_closed {
            mask |= PollEvents::HUP;
        }
        if !self.queue.records.is_empty() || !self.backlog.is_empty() {
            mask |= PollEvents::IN | PollEvents::RDNORM;
        }
        if self.queue.has_mark {
            mask |= PollEvents::PRI;
        }
        mask
    }
}
