//! `shutdown(2)`, `close(2)`, FIN and RST: how connections end.

use super::{EndId, Held, Layer, Model, Tcp};
use twinsock::{Errno, Result, Shutdown};

impl Model {
    pub(super) fn shutdown(&mut self, id: EndId, how: Shutdown) -> Result<()> {
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

    pub(super) fn close(&mut self, id: EndId) {
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
    pub(super) fn settle(&mut self, id: EndId) {
        if self.ends[id].is_orphan() && self.ends[id].tcp == Tcp::Close {
            self.ends[id].holds_port = false;
            self.ends[id].peer = None;
        }
    }

    /// Sends FIN, where that has not been done.
    pub(super) fn finish(&mut self, id: EndId) {
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
    pub(super) fn die(&mut self, id: EndId, error: Option<Errno>) {
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
    pub(super) fn release(&mut self, id: EndId) {
        let end = &mut self.ends[id];
        if !end.port_locked {
            end.holds_port = false;
            end.name = None;
        }
    }

    /// A RST has come.
    pub(super) fn reset(&mut self, id: EndId) {
        let error = match self.ends[id].tcp {
            Tcp::Close | Tcp::Listen => return,
            Tcp::SynSent => Errno::CONNREFUSED,
            Tcp::CloseWait => Errno::PIPE,
            Tcp::Established | Tcp::FinWait => Errno::CONNRESET,
        };
        self.die(id, Some(error));
    }

    pub(super) fn reset_peer(&mut self, id: EndId) {
        if let Some(peer) = self.ends[id].peer.take() {
            self.reset(peer);
        }
    }

    /// The connections in a listener's queue are reset.
    pub(super) fn end_queue(&mut self, listener: EndId) {
        for child in std::mem::take(&mut self.ends[listener].queue) {
            self.reset_peer(child);
            self.ends[child].queued = false;
            self.ends[child].tcp = Tcp::Close;
            self.settle(child);
        }
    }

    /// `tcp_disconnect`: what connecting to AF_UNSPEC does, and a failed attempt.
    pub(super) fn disconnect(&mut self, id: EndId) {
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
}
