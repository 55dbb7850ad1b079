//! Connections of streams and of records: listen, connect, accept (`unix_listen`, `unix_stream_connect`, `unix_accept`).

use super::addr::Target;
use super::sock::{Life, Sock, State};
use super::{Caller, Failure, Kind, Outcome, UnixId, UnixSpace, WaitFor};
use crate::packet::Luck;
use twinsock::{Errno, Result};

impl<F: Copy> UnixSpace<F> {
    /// Lets a socket accept connections, `listen(2)`: `backlog` plus one may wait. Again: the backlog changes.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: a datagram socket. `EINVAL`: it has no name, or is connected.
    pub fn listen(&mut self, id: UnixId, caller: &Caller, backlog: i32) -> Result<()> {
        let sock = &mut self.socks[id];
        if sock.kind == Kind::Dgram {
            return Err(Errno::OPNOTSUPP);
        }
        if sock.addr.is_none() || sock.state == State::Established {
            return Err(Errno::INVAL);
        }
        // A negative one is a large one.
        let backlog = backlog.cast_unsigned().min(self.config.somaxconn);
        let grows = backlog > sock.max_ack_backlog;
        sock.max_ack_backlog = backlog;
        sock.state = State::Listen;
        sock.peercred = Some(caller.credentials());
        if grows {
            self.tell_all_of_room(id);
        }
        Ok(())
    }

    /// Connects, `connect(2)`; a datagram socket to a peer, or with `AF_UNSPEC` to none. A connection is there before it is accepted.
    ///
    /// # Errors
    /// `EAGAIN`: the listener's queue is full; a call that may block waits for room at the listener. `ECONNREFUSED`, `EPROTOTYPE`,
    /// `ENOENT`, `ENOTDIR`, `EACCES`: no such socket. `EISCONN`, `EINVAL`: this one is connected, or listens. `EINVAL`: not an address
    /// of AF_UNIX. `EPERM`: the datagram socket is connected to another.
    pub fn connect(&mut self, id: UnixId, caller: &Caller, addr: &[u8], luck: &mut dyn Luck) -> Outcome<()> {
        match self.socks[id].kind {
            Kind::Stream | Kind::Seqpacket => self.connect_stream(id, caller, addr, luck),
            Kind::Dgram => Ok(self.connect_dgram(id, caller, addr, luck)?),
        }
    }

    /// Takes the first connection that waits, `accept(2)`. `nonblocking`: the call does not wait.
    ///
    /// # Errors
    /// `EAGAIN`: there is none. `EINVAL`: the socket does not listen, or (if the call may wait) was shut down for reading.
    /// `EOPNOTSUPP`: a datagram socket.
    pub fn accept(&mut self, id: UnixId, nonblocking: bool) -> Outcome<UnixId> {
        let sock = &mut self.socks[id];
        if sock.kind == Kind::Dgram {
            return Err(Errno::OPNOTSUPP.into());
        }
        if sock.state != State::Listen {
            return Err(Errno::INVAL.into());
        }
        let Some(child) = sock.backlog.pop_front() else {
            return Err(match (nonblocking, sock.shutdown.read) {
                (true, _) => Errno::AGAIN.into(),
                (false, true) => Errno::INVAL.into(),
                (false, false) => Failure::waiting(WaitFor::Own),
            });
        };
        self.socks[child].life = Life::Open;
        self.tell_one_of_room(id);
        Ok(child)
    }

    /// How many connections wait to be accepted, and how many may at most, less one.
    #[cfg(test)]
    #[must_use]
    pub fn backlog(&self, id: UnixId) -> (usize, u32) {
        (self.socks[id].backlog.len(), self.socks[id].max_ack_backlog)
    }

    /// The target is judged first, then the socket's own state.
    fn connect_stream(&mut self, id: UnixId, caller: &Caller, addr: &[u8], luck: &mut dyn Luck) -> Outcome<()> {
        let target = Target::decode(addr)?;
        self.autobind_if_passcred(id, luck)?;
        let connected = self.connect_to(id, caller, target);
        // Linux makes the other end first, and frees it again.
        self.may_have_garbage |= connected.is_err();
        connected
    }

    fn connect_to(&mut self, id: UnixId, caller: &Caller, target: Target<'_>) -> Outcome<()> {
        let kind = self.socks[id].kind;
        let listener = self.find(kind, caller, target)?;
        if self.socks[listener].state != State::Listen || self.socks[listener].shutdown.read {
            return Err(Errno::CONNREFUSED.into());
        }
        if self.is_full(listener) {
            return Err(self.wait_for_room(listener));
        }
        match self.socks[id].state {
            State::Close => {}
            State::Established => return Err(Errno::ISCONN.into()),
            State::Listen => return Err(Errno::INVAL.into()),
        }
        let mut child = Sock::new(kind, &self.config);
        child.life = Life::Embryo;
        child.state = State::Established;
        child.addr.clone_from(&self.socks[listener].addr);
        child.options.passcred = self.socks[listener].options.passcred;
        child.options.passrights = self.socks[listener].options.passrights;
        child.peercred = Some(caller.credentials());
        let child = self.socks.insert(child);
        self.set_peer(child, Some(id));
        self.set_peer(id, Some(child));
        let peercred = self.socks[listener].peercred;
        let sock = &mut self.socks[id];
        sock.state = State::Established;
        sock.peercred = peercred;
        self.socks[listener].backlog.push_back(child);
        self.wake(listener, |wakes| wakes.readable = true);
        Ok(())
    }
}
