//! A naive model of TCP on one host: nothing is delayed, lost or cut into segments, and every call takes effect at once.
//!
//! - `open`: `bind(2)`, `listen(2)`, `connect(2)`, `accept(2)`.
//! - `data`: `send(2)`, `recv(2)`.
//! - `end`: `shutdown(2)`, `close(2)`, and how connections end.
//!
//! For each call [`Model::step`] says which outcomes are allowed and follows the one that was observed. The rules are those that an
//! application can observe on Linux (`tcp(7)`, `connect(2)`, RFC 9293); names are learned from the world, since which port is chosen
//! is its affair.

mod data;
mod end;
mod open;

use super::call::{Call, SLOTS};
use std::collections::VecDeque;
use twinsock::{Errno, PollEvents, Result, SocketAddr};

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has no result, or an error.
    Done(Result<()>),
    /// A count of bytes.
    Count(Result<usize>),
    /// Bytes.
    Bytes(Result<Vec<u8>>),
    /// Events.
    Events(PollEvents),
    /// A name.
    Name(Result<SocketAddr>),
    /// A pending error.
    Pending(Option<Errno>),
    /// An option's value.
    Switch(bool),
}

/// The socket layer's state, `enum sock_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Unconnected,
    Connecting,
    Connected,
    /// A `shutdown(2)` came between a failed attempt and the `connect(2)` that would have told it: no way on but AF_UNSPEC.
    Disconnecting,
}

/// The state of the connection; `FinWait` is both of FIN-WAIT, and TIME-WAIT is not a socket's state but a [`Held`] name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tcp {
    Close,
    Listen,
    SynSent,
    Established,
    FinWait,
    CloseWait,
}

type EndId = usize;

/// One end of a connection, or a socket that might become one.
#[derive(Clone, Debug)]
struct End {
    /// How many descriptors it has.
    descriptors: usize,
    /// Whether it waits in a listener's queue.
    queued: bool,
    layer: Layer,
    tcp: Tcp,
    error: Option<Errno>,
    shut_read: bool,
    shut_write: bool,
    /// A FIN has come.
    done: bool,
    received: VecDeque<u8>,
    peer: Option<EndId>,
    backlog: usize,
    queue: VecDeque<EndId>,
    nonblocking: bool,
    reuse: bool,
    linger: bool,
    keepalive: bool,
    /// The name that `getsockname` last gave, if nothing has happened since that may change it.
    name: Option<SocketAddr>,
    /// Whether the port of the name is held, and by the program's own choice.
    holds_port: bool,
    port_locked: bool,
    address_locked: bool,
    remote: Option<SocketAddr>,
}

impl End {
    fn new(nonblocking: bool, reuse: bool) -> End {
        End {
            descriptors: 1,
            queued: false,
            layer: Layer::Unconnected,
            tcp: Tcp::Close,
            error: None,
            shut_read: false,
            shut_write: false,
            done: false,
            received: VecDeque::new(),
            peer: None,
            backlog: 0,
            queue: VecDeque::new(),
            nonblocking,
            reuse,
            linger: false,
            keepalive: false,
            name: None,
            holds_port: false,
            port_locked: false,
            address_locked: false,
            remote: None,
        }
    }

    fn is_orphan(&self) -> bool {
        self.descriptors == 0 && !self.queued
    }
}

/// A name in TIME-WAIT.
#[derive(Clone, Debug)]
struct Held {
    name: SocketAddr,
    reuse: bool,
}

/// All the sockets of a sequence.
#[derive(Clone, Debug, Default)]
pub struct Model {
    ends: Vec<End>,
    slots: [Option<EndId>; SLOTS],
    time_waits: Vec<Held>,
}

/// A call with its addresses resolved.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The call.
    pub call: Call,
    /// The address that it is given, if any.
    pub addr: Option<&'a SocketAddr>,
    /// The bytes that it sends.
    pub data: &'a [u8],
    /// What it came to.
    pub observed: &'a Outcome,
    /// The socket's name after the call.
    pub name: Option<SocketAddr>,
}

impl Model {
    /// Whether the call can be made at all, and returns: a blocking socket is not asked for what it does not have.
    pub fn can_call(&self, call: Call, addr: Option<&SocketAddr>) -> bool {
        if call.new_slot().is_some_and(|slot| self.slots[slot].is_some()) {
            return false;
        }
        let Call::Socket { .. } = call else {
            return self.slots[call.slot()].is_some_and(|id| self.returns(id, call, addr));
        };
        true
    }

    fn returns(&self, id: EndId, call: Call, addr: Option<&SocketAddr>) -> bool {
        let end = &self.ends[id];
        match call {
            // To oneself is a simultaneous open: a promise of its own, and more than this model knows.
            Call::Connect { .. } if addr.is_some() && end.name.as_ref() == addr => false,
            Call::Connect { .. } if end.nonblocking => true,
            Call::Connect { .. } => {
                let waits = match end.layer {
                    Layer::Connecting => end.tcp == Tcp::SynSent,
                    Layer::Unconnected => addr.and_then(|addr| self.listener_at(addr)).is_some_and(|id| !self.has_room(id)),
                    Layer::Connected | Layer::Disconnecting => false,
                };
                !waits
            }
            Call::Accept { .. } => end.nonblocking || end.tcp != Tcp::Listen || !end.queue.is_empty(),
            Call::Send { .. } => end.nonblocking || end.tcp != Tcp::SynSent,
            Call::Recv { .. } => end.nonblocking || self.recv(id, 0) != Err(Errno::AGAIN),
            Call::Socket { .. }
            | Call::Bind { .. }
            | Call::BindLike { .. }
            | Call::Listen { .. }
            | Call::Shutdown { .. }
            | Call::Close { .. }
            | Call::Dup { .. }
            | Call::TakeError { .. }
            | Call::Name { .. }
            | Call::PeerName { .. }
            | Call::Poll { .. }
            | Call::Fionread { .. }
            | Call::SetNonblocking { .. }
            | Call::SetLinger { .. }
            | Call::SetKeepalive { .. }
            | Call::GetKeepalive { .. } => true,
        }
    }

    /// Whether an attempt is waiting for an answer, whose time then matters.
    pub fn has_attempt(&self) -> bool {
        self.ends.iter().any(|end| end.tcp == Tcp::SynSent && end.descriptors > 0)
    }

    /// Follows a call.
    ///
    /// # Errors
    /// The outcomes that are allowed, where the observed one is not among them.
    pub fn step(&mut self, step: &Step<'_>) -> std::result::Result<(), Vec<Outcome>> {
        let allowed = self.allowed(step);
        if allowed.contains(step.observed) { Ok(()) } else { Err(allowed) }
    }

    fn allowed(&mut self, step: &Step<'_>) -> Vec<Outcome> {
        let Step { call, addr, .. } = *step;
        if let Call::Socket { slot, nonblocking, reuse } = call {
            self.slots[slot] = Some(self.ends.len());
            self.ends.push(End::new(nonblocking, reuse));
            return vec![Outcome::Done(Ok(()))];
        }
        let id = self.slots[call.slot()].expect("only a slot with a socket is called");
        let learned = step.name.clone();
        let outcome = match call {
            Call::Socket { .. } => unreachable!("made above"),
            Call::Bind { .. } | Call::BindLike { .. } => {
                Outcome::Done(self.bind(id, addr.expect("bind has an address"), learned))
            }
            Call::Listen { backlog, .. } => Outcome::Done(self.listen(id, backlog, learned)),
            Call::Connect { .. } => Outcome::Done(self.connect(id, addr, learned)),
            Call::Accept { into, .. } => Outcome::Name(self.accept(id, into)),
            Call::Send { .. } => Outcome::Count(self.send(id, step.data)),
            Call::Recv { len, peek, .. } => return self.received(id, len, peek, step.observed),
            Call::Shutdown { how, .. } => Outcome::Done(self.shutdown(id, how)),
            Call::Close { slot } => {
                self.slots[slot] = None;
                self.close(id);
                Outcome::Done(Ok(()))
            }
            Call::Dup { into, .. } => {
                self.slots[into] = Some(id);
                self.ends[id].descriptors += 1;
                Outcome::Done(Ok(()))
            }
            Call::TakeError { .. } => Outcome::Pending(self.ends[id].error.take()),
            Call::Name { .. } => return vec![self.name(id, step.observed)],
            Call::PeerName { .. } => Outcome::Name(self.peer_name(id)),
            Call::Poll { .. } => Outcome::Events(self.events(id)),
            Call::Fionread { .. } => Outcome::Count(self.fionread(id)),
            Call::SetNonblocking { on, .. } => {
                self.ends[id].nonblocking = on;
                Outcome::Done(Ok(()))
            }
            Call::SetLinger { on, .. } => {
                self.ends[id].linger = on;
                Outcome::Done(Ok(()))
            }
            Call::SetKeepalive { on, .. } => {
                self.ends[id].keepalive = on;
                Outcome::Done(Ok(()))
            }
            Call::GetKeepalive { .. } => Outcome::Switch(self.ends[id].keepalive),
        };
        vec![outcome]
    }

    fn events(&self, id: EndId) -> PollEvents {
        let end = &self.ends[id];
        if end.tcp == Tcp::Listen {
            return if end.queue.is_empty() { PollEvents::NONE } else { PollEvents::IN };
        }
        let mut events = PollEvents::NONE;
        if (end.shut_read && end.shut_write) || end.tcp == Tcp::Close {
            events |= PollEvents::HUP;
        }
        if end.shut_read {
            events |= PollEvents::IN | PollEvents::RDHUP;
        }
        if end.tcp != Tcp::SynSent {
            events |= PollEvents::OUT;
        }
        if !end.received.is_empty() {
            events |= PollEvents::IN;
        }
        if end.error.is_some() {
            events |= PollEvents::ERR;
        }
        events
    }

    fn fionread(&self, id: EndId) -> Result<usize> {
        let end = &self.ends[id];
        if end.tcp == Tcp::Listen { Err(Errno::INVAL) } else { Ok(end.received.len()) }
    }

    fn peer_name(&self, id: EndId) -> Result<SocketAddr> {
        let end = &self.ends[id];
        match end.tcp {
            Tcp::Close | Tcp::Listen | Tcp::SynSent => Err(Errno::NOTCONN),
            Tcp::Established | Tcp::FinWait | Tcp::CloseWait => Ok(end.remote.clone().expect("a connection has a remote name")),
        }
    }

    /// The name that is known; another is believed.
    fn name(&self, id: EndId, observed: &Outcome) -> Outcome {
        match (&self.ends[id].name, observed) {
            (Some(name), _) => Outcome::Name(Ok(name.clone())),
            (None, Outcome::Name(Ok(_))) => observed.clone(),
            (None, _) => Outcome::Name(Ok(SocketAddr::Unspec)),
        }
    }
}
