//! `bind(2)`, `listen(2)`, `connect(2)`, `accept(2)`: how names are taken and connections come about.

use super::{End, EndId, Layer, Model, Tcp};
use std::net::IpAddr;
use twinsock::{Errno, Result, SocketAddr};

impl Model {
    pub(super) fn bind(&mut self, id: EndId, addr: &SocketAddr, learned: Option<SocketAddr>) -> Result<()> {
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
    pub(super) fn is_in_use(&self, id: EndId, addr: &SocketAddr) -> bool {
        let reuse = self.ends[id].reuse;
        let by_socket = self.ends.iter().enumerate().any(|(other_id, other)| {
            let name = other.name.as_ref().filter(|_| other.holds_port && other_id != id);
            name.is_some_and(|name| overlap(name, addr) && !(reuse && other.reuse && other.tcp != Tcp::Listen))
        });
        by_socket || self.time_waits.iter().any(|held| overlap(&held.name, addr) && !(reuse && held.reuse))
    }

    pub(super) fn listen(&mut self, id: EndId, backlog: i32, learned: Option<SocketAddr>) -> Result<()> {
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

    pub(super) fn listener_at(&self, addr: &SocketAddr) -> Option<EndId> {
        self.ends.iter().position(|end| end.tcp == Tcp::Listen && end.name.as_ref().is_some_and(|name| overlap(name, addr)))
    }

    pub(super) fn has_room(&self, listener: EndId) -> bool {
        self.ends[listener].queue.len() <= self.ends[listener].backlog
    }

    pub(super) fn connect(&mut self, id: EndId, addr: Option<&SocketAddr>, learned: Option<SocketAddr>) -> Result<()> {
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
    pub(super) fn attempt(&mut self, id: EndId, addr: &SocketAddr, learned: Option<SocketAddr>) -> Result<()> {
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

    pub(super) fn establish(&mut self, id: EndId, listener: EndId, addr: &SocketAddr) {
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

    pub(super) fn accept(&mut self, id: EndId, into: usize) -> Result<SocketAddr> {
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
}

fn is_wildcard(addr: &SocketAddr) -> bool {
    addr.as_inet().is_some_and(|inet| inet.ip().is_unspecified())
}

/// Whether two names of one family overlap: the same port, and the same address or a wildcard.
fn overlap(one: &SocketAddr, other: &SocketAddr) -> bool {
    let ip = |addr: &SocketAddr| -> Option<IpAddr> { addr.as_inet().map(|inet| inet.ip()) };
    one.port() == other.port() && (ip(one) == ip(other) || is_wildcard(one) || is_wildcard(other))
}
