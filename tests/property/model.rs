//! A naive model of TCP on one host: nothing is delayed, lost or cut into segments, and every call takes effect at once.
//!
//! For each call [`Model::step`] says which outcomes are allowed and follows the one that was observed. The rules are those that an
//! application can observe on Linux (`tcp(7)`, `connect(2)`, RFC 9293); names are learned from the world, since which port is chosen
//! is its affair.

use super::call::{Call, SLOTS};
use std::collections::VecDeque;
use std::net::IpAddr;
use twinsock::{Errno, PollEvents, Result, Shutdown, SocketAddr};

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

    // bind(2), listen(2), connect(2), accept(2)

    fn bind(&mut self, id: EndId, addr: &SocketAddr, learned: Option<SocketAddr>) -> Result<()> {
        let end = &self.ends[id];
        if end.tcp != Tcp::Close || end.holds_port {
            return Err(Errno::INVAL);
        }
        if addr.port() != Some(0) && self.is_in_use(id, addr) {
            return Err(Errno::ADDRINUSE);
        }
        let end = &mut self.ends[id];
        end.name = learned;
        end.holds_port = true;
        end.port_locked = addr.port() != Some(0);
        end.address_locked |= !is_wildcard(addr);
        Ok(())
    }

    /// Whether another socket holds an overlapping name, and `SO_REUSEADDR` does not help.
    fn is_in_use(&self, id: EndId, addr: &SocketAddr) -> bool {
        let reuse = self.ends[id].reuse;
        let by_socket = self.ends.iter().enumerate().any(|(other_id, other)| {
            let name = other.name.as_ref().filter(|_| other.holds_port && other_id != id);
            name.is_some_and(|name| overlap(name, addr) && !(reuse && other.reuse && other.tcp != Tcp::Listen))
        });
        by_socket || self.time_waits.iter().any(|held| overlap(&held.name, addr) && !(reuse && held.reuse))
    }

    fn listen(&mut self, id: EndId, backlog: i32, learned: Option<SocketAddr>) -> Result<()> {
        let end = &self.ends[id];
        if end.layer != Layer::Unconnected || !matches!(end.tcp, Tcp::Close | Tcp::Listen) {
            return Err(Errno::INVAL);
        }
        self.ends[id].backlog = usize::try_from(backlog).expect("the sequences have no negative backlog");
        if self.ends[id].tcp == Tcp::Listen {
            return Ok(());
        }
        if self.ends[id].holds_port {
            // The name is asked for again, as by bind(2).
            let name = self.ends[id].name.clone().expect("a name that holds a port is known");
            if self.is_in_use(id, &name) {
                return Err(Errno::ADDRINUSE);
            }
        }
        let end = &mut self.ends[id];
        end.tcp = Tcp::Listen;
        end.holds_port = true;
        end.name = learned;
        Ok(())
    }

    fn listener_at(&self, addr: &SocketAddr) -> Option<EndId> {
        self.ends.iter().position(|end| end.tcp == Tcp::Listen && end.name.as_ref().is_some_and(|name| overlap(name, addr)))
    }

    fn has_room(&self, listener: EndId) -> bool {
        self.ends[listener].queue.len() <= self.ends[listener].backlog
    }

    fn connect(&mut self, id: EndId, addr: Option<&SocketAddr>, learned: Option<SocketAddr>) -> Result<()> {
        let Some(addr) = addr else {
            self.disconnect(id);
            self.ends[id].layer = Layer::Unconnected;
            return Ok(());
        };
        match self.ends[id].layer {
            Layer::Connected => Err(Errno::ISCONN),
            Layer::Disconnecting => Err(Errno::INVAL),
            Layer::Connecting => match self.ends[id].tcp {
                Tcp::SynSent => Err(Errno::ALREADY),
                Tcp::Close => {
                    let error = self.ends[id].error.take().unwrap_or(Errno::CONNABORTED);
                    self.disconnect(id);
                    self.ends[id].layer = Layer::Unconnected;
                    Err(error)
                }
                Tcp::Listen | Tcp::Established | Tcp::FinWait | Tcp::CloseWait => {
                    self.ends[id].layer = Layer::Connected;
                    Ok(())
                }
            },
            Layer::Unconnected if self.ends[id].tcp != Tcp::Close => Err(Errno::ISCONN),
            Layer::Unconnected => self.attempt(id, addr, learned),
        }
    }

    /// A new attempt: the answer is there at once.
    fn attempt(&mut self, id: EndId, addr: &SocketAddr, learned: Option<SocketAddr>) -> Result<()> {
        if self.ends[id].holds_port {
            let name = self.ends[id].name.clone();
            let taken = self.ends.iter().enumerate().any(|(other_id, other)| {
                let connected = !matches!(other.tcp, Tcp::Close | Tcp::Listen);
                other_id != id && connected && other.name == name && other.remote.as_ref() == Some(addr)
            });
            if taken {
                self.release(id);
                return Err(Errno::ADDRNOTAVAIL);
            }
        }
        let end = &mut self.ends[id];
        end.error = None;
        end.done = false;
        end.holds_port = true;
        end.name = learned;
        end.remote = Some(addr.clone());
        let nonblocking = end.nonblocking;
        end.layer = if nonblocking { Layer::Connecting } else { Layer::Connected };
        match self.listener_at(addr) {
            Some(listener) if self.has_room(listener) => self.establish(id, listener, addr),
            Some(_) => self.ends[id].tcp = Tcp::SynSent,
            None if nonblocking => self.die(id, Some(Errno::CONNREFUSED)),
            None => {
                self.ends[id].layer = Layer::Unconnected;
                self.die(id, None);
                self.disconnect(id);
                return Err(Errno::CONNREFUSED);
            }
        }
        if nonblocking { Err(Errno::INPROGRESS) } else { Ok(()) }
    }

    fn establish(&mut self, id: EndId, listener: EndId, addr: &SocketAddr) {
        let child_id = self.ends.len();
        let from = &self.ends[listener];
        let child = End {
            descriptors: 0,
            queued: true,
            layer: Layer::Connected,
            tcp: Tcp::Established,
            shut_read: from.shut_read,
            shut_write: from.shut_write,
            peer: Some(id),
            reuse: from.reuse,
            linger: from.linger,
            keepalive: from.keepalive,
            name: Some(addr.clone()),
            holds_port: true,
            address_locked: from.address_locked,
            remote: self.ends[id].name.clone(),
            ..End::new(false, false)
        };
        self.ends.push(child);
        self.ends[listener].queue.push_back(child_id);
        self.ends[id].tcp = Tcp::Established;
        self.ends[id].peer = Some(child_id);
        // A listener's shutdown bits are inherited, and what has been shut sends its FIN as soon as it is established.
        if self.ends[child_id].shut_write {
            self.finish(child_id);
        }
    }

    fn accept(&mut self, id: EndId, into: usize) -> Result<SocketAddr> {
        if self.ends[id].tcp != Tcp::Listen {
            return Err(Errno::INVAL);
        }
        let child = self.ends[id].queue.pop_front().ok_or(Errno::AGAIN)?;
        self.slots[into] = Some(child);
        let end = &mut self.ends[child];
        end.descriptors = 1;
        end.queued = false;
        Ok(end.remote.clone().expect("an accepted connection has a remote name"))
    }

    // send(2), recv(2)

    fn send(&mut self, id: EndId, data: &[u8]) -> Result<usize> {
        let end = &mut self.ends[id];
        if let Some(error) = end.error.take() {
            return Err(error);
        }
        match end.tcp {
            Tcp::SynSent => return Err(Errno::AGAIN),
            Tcp::Close | Tcp::Listen | Tcp::FinWait => return Err(Errno::PIPE),
            Tcp::Established | Tcp::CloseWait if end.shut_write => return Err(Errno::PIPE),
            Tcp::Established | Tcp::CloseWait => {}
        }
        if data.is_empty() {
            return Ok(0);
        }
        let peer = end.peer.filter(|peer| !self.ends[*peer].is_orphan());
        match peer {
            // To somebody who has sent FIN and will not read: RFC 9293 section 3.10.7.4, "reset".
            Some(peer) if self.ends[peer].tcp == Tcp::FinWait && self.ends[peer].shut_read => {
                self.reset(id);
                self.reset(peer);
            }
            Some(peer) => self.ends[peer].received.extend(data),
            None => {
                if let Some(peer) = self.ends[id].peer {
                    self.ends[peer].tcp = Tcp::Close;
                    self.ends[peer].holds_port = false;
                }
                self.reset(id);
            }
        }
        Ok(data.len())
    }

    /// What `recv(2)` of `len` bytes may give; the longest there is, which is what Linux gives.
    fn recv(&self, id: EndId, len: usize) -> Result<Vec<u8>> {
        let end = &self.ends[id];
        if end.tcp == Tcp::Listen {
            return Err(Errno::NOTCONN);
        }
        if !end.received.is_empty() {
            return Ok(end.received.iter().take(len).copied().collect());
        }
        if end.done {
            return Ok(vec![]);
        }
        match end.error {
            Some(error) => Err(error),
            None if end.shut_read => Ok(vec![]),
            None if end.tcp == Tcp::Close => Err(Errno::NOTCONN),
            None => Err(Errno::AGAIN),
        }
    }

    /// The outcomes allowed for `recv(2)`: where there is data, any part of it from its beginning.
    fn received(&mut self, id: EndId, len: usize, peek: bool, observed: &Outcome) -> Vec<Outcome> {
        let longest = self.recv(id, len);
        let end = &mut self.ends[id];
        let has_data = !end.received.is_empty() && end.tcp != Tcp::Listen;
        if longest.is_err() && end.error.is_some() && longest.as_ref().err() == end.error.as_ref() {
            end.error = None;
        }
        if let (Outcome::Bytes(Ok(bytes)), true, false) = (observed, has_data, peek) {
            end.received.drain(..bytes.len().min(end.received.len()));
        }
        match longest {
            Ok(bytes) if has_data && len > 0 => {
                (1..=bytes.len()).map(|part| Outcome::Bytes(Ok(bytes[..part].to_vec()))).collect()
            }
            Ok(_) | Err(_) => vec![Outcome::Bytes(longest)],
        }
    }

    // shutdown(2), close(2), and how connections end

    fn shutdown(&mut self, id: EndId, how: Shutdown) -> Result<()> {
        let (read, write) = match how {
            Shutdown::Read => (true, false),
            Shutdown::Write => (false, true),
            Shutdown::Both => (true, true),
        };
        let end = &mut self.ends[id];
        if end.layer == Layer::Connecting {
            let over = matches!(end.tcp, Tcp::SynSent | Tcp::Close);
            end.layer = if over { Layer::Disconnecting } else { Layer::Connected };
        }
        match end.tcp {
            Tcp::Listen if !read => return Ok(()),
            Tcp::Listen | Tcp::SynSent => {
                self.disconnect(id);
                self.ends[id].layer = Layer::Unconnected;
                return Ok(());
            }
            Tcp::Close | Tcp::Established | Tcp::FinWait | Tcp::CloseWait => {}
        }
        end.shut_read |= read;
        end.shut_write |= write;
        if end.tcp == Tcp::Close {
            return Err(Errno::NOTCONN);
        }
        if write {
            self.finish(id);
        }
        Ok(())
    }

    fn close(&mut self, id: EndId) {
        self.ends[id].descriptors -= 1;
        if self.ends[id].descriptors > 0 {
            return;
        }
        let end = &self.ends[id];
        let resets = !end.received.is_empty() || end.linger;
        match end.tcp {
            Tcp::Listen => self.end_queue(id),
            Tcp::Established | Tcp::CloseWait | Tcp::FinWait if resets => self.reset_peer(id),
            Tcp::Established | Tcp::CloseWait => {
                self.ends[id].shut_read = true;
                self.ends[id].shut_write = true;
                self.finish(id);
                self.settle(id);
                return;
            }
            Tcp::FinWait => {
                self.ends[id].shut_read = true;
                return;
            }
            Tcp::Close | Tcp::SynSent => {}
        }
        self.ends[id].tcp = Tcp::Close;
        self.settle(id);
    }

    /// A socket without descriptors that is CLOSED is gone, and its port with it.
    fn settle(&mut self, id: EndId) {
        if self.ends[id].is_orphan() && self.ends[id].tcp == Tcp::Close {
            self.ends[id].holds_port = false;
            self.ends[id].peer = None;
        }
    }

    /// Sends FIN, where that has not been done.
    fn finish(&mut self, id: EndId) {
        let peer = self.ends[id].peer;
        match self.ends[id].tcp {
            Tcp::Established => {
                self.ends[id].tcp = Tcp::FinWait;
                if let Some(peer) = peer {
                    let peer = &mut self.ends[peer];
                    peer.done = true;
                    peer.shut_read = true;
                    peer.tcp = Tcp::CloseWait;
                }
            }
            // The second FIN: the side that sent the first goes to TIME-WAIT, this one is done.
            Tcp::CloseWait => {
                if let Some(peer) = peer {
                    self.ends[peer].done = true;
                    let Some(name) = self.ends[peer].name.clone() else { unreachable!("a connection has a name") };
                    self.time_waits.push(Held { name, reuse: self.ends[peer].reuse });
                    self.die(peer, None);
                }
                self.die(id, None);
            }
            Tcp::Close | Tcp::Listen | Tcp::SynSent | Tcp::FinWait => {}
        }
    }

    /// `tcp_done`: the connection is over, what was received stays.
    fn die(&mut self, id: EndId, error: Option<Errno>) {
        let end = &mut self.ends[id];
        end.tcp = Tcp::Close;
        end.shut_read = true;
        end.shut_write = true;
        end.peer = None;
        if error.is_some() {
            end.error = error;
        }
        self.release(id);
        self.settle(id);
    }

    /// Gives back a port that the program has not chosen.
    fn release(&mut self, id: EndId) {
        let end = &mut self.ends[id];
        if !end.port_locked {
            end.holds_port = false;
            end.name = None;
        }
    }

    /// A RST has come.
    fn reset(&mut self, id: EndId) {
        let error = match self.ends[id].tcp {
            Tcp::Close | Tcp::Listen => return,
            Tcp::SynSent => Errno::CONNREFUSED,
            Tcp::CloseWait => Errno::PIPE,
            Tcp::Established | Tcp::FinWait => Errno::CONNRESET,
        };
        self.die(id, Some(error));
    }

    fn reset_peer(&mut self, id: EndId) {
        if let Some(peer) = self.ends[id].peer.take() {
            self.reset(peer);
        }
    }

    /// The connections in a listener's queue are reset.
    fn end_queue(&mut self, listener: EndId) {
        for child in std::mem::take(&mut self.ends[listener].queue) {
            self.reset_peer(child);
            self.ends[child].queued = false;
            self.ends[child].tcp = Tcp::Close;
            self.settle(child);
        }
    }

    /// `tcp_disconnect`: what connecting to AF_UNSPEC does, and a failed attempt.
    fn disconnect(&mut self, id: EndId) {
        match self.ends[id].tcp {
            Tcp::Listen => self.end_queue(id),
            Tcp::Established | Tcp::CloseWait | Tcp::FinWait => {
                self.reset_peer(id);
                self.ends[id].error = Some(Errno::CONNRESET);
            }
            Tcp::SynSent => self.ends[id].error = Some(Errno::CONNRESET),
            Tcp::Close => {}
        }
        if self.ends[id].tcp != Tcp::Close {
            self.ends[id].tcp = Tcp::Close;
            self.release(id);
        }
        let end = &mut self.ends[id];
        end.shut_read = false;
        end.shut_write = false;
        end.done = false;
        end.received.clear();
        end.remote = None;
        if !end.holds_port || !end.address_locked {
            end.name = None;
        }
    }

    // What can be asked

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

fn is_wildcard(addr: &SocketAddr) -> bool {
    addr.as_inet().is_some_and(|inet| inet.ip().is_unspecified())
}

/// Whether two names of one family overlap: the same port, and the same address or a wildcard.
fn overlap(one: &SocketAddr, other: &SocketAddr) -> bool {
    let ip = |addr: &SocketAddr| -> Option<IpAddr> { addr.as_inet().map(|inet| inet.ip()) };
    one.port() == other.port() && (ip(one) == ip(other) || is_wildcard(one) || is_wildcard(other))
}
