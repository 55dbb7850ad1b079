//! The calls of a sequence, and how a random sequence is made.

use proptest::prelude::*;
use proptest::sample::select;
use twinsock::Shutdown;

/// How many sockets a sequence can hold at once.
pub const SLOTS: usize = 5;

/// How many addresses of its own a sequence has.
pub const ADDRESSES: usize = 2;

/// Where a socket connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The address of the socket in this slot.
    Of(usize),
    /// An address at which nobody listens.
    Nobody,
    /// AF_UNSPEC.
    Unspec,
}

/// A call, on the socket of a slot. Where the slot is empty (or the slot for a new socket is not), nothing is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `socket(2)`, with `O_NONBLOCK` and `SO_REUSEADDR` as told.
    Socket { slot: usize, nonblocking: bool, reuse: bool },
    /// `bind(2)` to one of the sequence's addresses, port 0.
    Bind { slot: usize, address: usize },
    /// `bind(2)` to the address and port of another socket.
    BindLike { slot: usize, other: usize },
    /// `listen(2)`.
    Listen { slot: usize, backlog: i32 },
    /// `connect(2)`.
    Connect { slot: usize, target: Target },
    /// `accept(2)`.
    Accept { slot: usize, into: usize },
    /// `send(2)`.
    Send { slot: usize, len: usize },
    /// `recv(2)`, or with `MSG_PEEK`.
    Recv { slot: usize, len: usize, peek: bool },
    /// `shutdown(2)`.
    Shutdown { slot: usize, how: Shutdown },
    /// `close(2)`.
    Close { slot: usize },
    /// `dup(2)`.
    Dup { slot: usize, into: usize },
    /// `SO_ERROR`.
    TakeError { slot: usize },
    /// `getsockname(2)`.
    Name { slot: usize },
    /// `getpeername(2)`.
    PeerName { slot: usize },
    /// `poll(2)`, at once.
    Poll { slot: usize },
    /// `FIONREAD`.
    Fionread { slot: usize },
    /// `FIONBIO`.
    SetNonblocking { slot: usize, on: bool },
    /// `SO_LINGER` of 0 seconds, on or off.
    SetLinger { slot: usize, on: bool },
    /// `SO_KEEPALIVE`.
    SetKeepalive { slot: usize, on: bool },
    /// `SO_KEEPALIVE`.
    GetKeepalive { slot: usize },
}

impl Call {
    /// The slot of the socket that is called.
    pub fn slot(&self) -> usize {
        match *self {
            Call::Socket { slot, .. }
            | Call::Bind { slot, .. }
            | Call::BindLike { slot, .. }
            | Call::Listen { slot, .. }
            | Call::Connect { slot, .. }
            | Call::Accept { slot, .. }
            | Call::Send { slot, .. }
            | Call::Recv { slot, .. }
            | Call::Shutdown { slot, .. }
            | Call::Close { slot }
            | Call::Dup { slot, .. }
            | Call::TakeError { slot }
            | Call::Name { slot }
            | Call::PeerName { slot }
            | Call::Poll { slot }
            | Call::Fionread { slot }
            | Call::SetNonblocking { slot, .. }
            | Call::SetLinger { slot, .. }
            | Call::SetKeepalive { slot, .. }
            | Call::GetKeepalive { slot } => slot,
        }
    }

    /// The slot that a new socket goes to.
    pub fn new_slot(&self) -> Option<usize> {
        match *self {
            Call::Socket { slot, .. } => Some(slot),
            Call::Accept { into, .. } | Call::Dup { into, .. } => Some(into),
            Call::Bind { .. }
            | Call::BindLike { .. }
            | Call::Listen { .. }
            | Call::Connect { .. }
            | Call::Send { .. }
            | Call::Recv { .. }
            | Call::Shutdown { .. }
            | Call::Close { .. }
            | Call::TakeError { .. }
            | Call::Name { .. }
            | Call::PeerName { .. }
            | Call::Poll { .. }
            | Call::Fionread { .. }
            | Call::SetNonblocking { .. }
            | Call::SetLinger { .. }
            | Call::SetKeepalive { .. }
            | Call::GetKeepalive { .. } => None,
        }
    }
}

/// Random sequences: single calls, and among them the few runs of calls that lead to a connection and use it.
pub fn sequences() -> impl Strategy<Value = Vec<Call>> {
    let chunk = prop_oneof![
        8 => single().prop_map(|call| vec![call]),
        1 => a_listener(),
        2 => a_connection(),
        2 => an_exchange(),
    ];
    (a_listener(), prop::collection::vec(chunk, 1..40)).prop_map(|(first, rest)| {
        let mut calls = first;
        calls.extend(rest.into_iter().flatten());
        calls
    })
}

fn slot() -> impl Strategy<Value = usize> {
    0..SLOTS
}

/// Mostly the first slot, so that those who want a listener find one.
fn listener_slot() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 1 => slot()]
}

/// Mostly nonblocking, since a blocking socket is not called where it would wait.
fn nonblocking() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.7)
}

fn a_listener() -> impl Strategy<Value = Vec<Call>> {
    (listener_slot(), nonblocking(), any::<bool>(), 0..ADDRESSES, 0..3).prop_map(
        |(slot, nonblocking, reuse, address, backlog)| {
            vec![Call::Socket { slot, nonblocking, reuse }, Call::Bind { slot, address }, Call::Listen { slot, backlog }]
        },
    )
}

fn a_connection() -> impl Strategy<Value = Vec<Call>> {
    (slot(), nonblocking(), listener_slot(), slot()).prop_map(|(slot, nonblocking, listener, into)| {
        vec![
            Call::Socket { slot, nonblocking, reuse: false },
            Call::Connect { slot, target: Target::Of(listener) },
            Call::Accept { slot: listener, into },
        ]
    })
}

fn an_exchange() -> impl Strategy<Value = Vec<Call>> {
    (slot(), slot(), 1..40usize, 0..60usize, any::<bool>()).prop_map(|(slot, other, sent, len, peek)| {
        vec![Call::Send { slot, len: sent }, Call::Poll { slot: other }, Call::Recv { slot: other, len, peek }]
    })
}

fn single() -> impl Strategy<Value = Call> {
    let how = select(vec![Shutdown::Read, Shutdown::Write, Shutdown::Both]);
    let target = prop_oneof![4 => slot().prop_map(Target::Of), 1 => Just(Target::Nobody), 1 => Just(Target::Unspec)];
    prop_oneof![
        2 => (slot(), nonblocking(), any::<bool>()).prop_map(|(slot, nonblocking, reuse)| Call::Socket { slot, nonblocking, reuse }),
        1 => (slot(), 0..ADDRESSES).prop_map(|(slot, address)| Call::Bind { slot, address }),
        1 => (slot(), slot()).prop_map(|(slot, other)| Call::BindLike { slot, other }),
        1 => (slot(), 0..3).prop_map(|(slot, backlog)| Call::Listen { slot, backlog }),
        4 => (slot(), target).prop_map(|(slot, target)| Call::Connect { slot, target }),
        3 => (slot(), slot()).prop_map(|(slot, into)| Call::Accept { slot, into }),
        6 => (slot(), 0..40usize).prop_map(|(slot, len)| Call::Send { slot, len }),
        6 => (slot(), 0..60usize, any::<bool>()).prop_map(|(slot, len, peek)| Call::Recv { slot, len, peek }),
        3 => (slot(), how).prop_map(|(slot, how)| Call::Shutdown { slot, how }),
        3 => slot().prop_map(|slot| Call::Close { slot }),
        1 => (slot(), slot()).prop_map(|(slot, into)| Call::Dup { slot, into }),
        2 => slot().prop_map(|slot| Call::TakeError { slot }),
        1 => slot().prop_map(|slot| Call::Name { slot }),
        1 => slot().prop_map(|slot| Call::PeerName { slot }),
        4 => slot().prop_map(|slot| Call::Poll { slot }),
        1 => slot().prop_map(|slot| Call::Fionread { slot }),
        1 => (slot(), nonblocking()).prop_map(|(slot, on)| Call::SetNonblocking { slot, on }),
        1 => (slot(), any::<bool>()).prop_map(|(slot, on)| Call::SetLinger { slot, on }),
        1 => (slot(), any::<bool>()).prop_map(|(slot, on)| Call::SetKeepalive { slot, on }),
        1 => slot().prop_map(|slot| Call::GetKeepalive { slot }),
    ]
}
