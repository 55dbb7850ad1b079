//! The ends of a socket: shutdown and close, and what they do to the peer at once (`unix_shutdown`, `unix_release_sock`).

use super::queue::Record;
use super::sock::{Life, State};
use super::{Kind, ShutdownBits, UnixId, UnixSpace};
use twinsock::{Errno, Shutdown};

impl<F: Copy> UnixSpace<F> {
    /// Shuts down, `shutdown(2)`, in whatever state. The peer of a connection cannot send, or reads the end, from now on.
    pub fn shutdown(&mut self, id: UnixId, how: Shutdown) {
        let bits = match how {
            Shutdown::Read => ShutdownBits { read: true, write: false },
            Shutdown::Write => ShutdownBits { read: false, write: true },
            Shutdown::Both => ShutdownBits::BOTH,
        };
        self.add_shutdown(id, bits);
        if self.socks[id].kind != Kind::Dgram
            && let Some(peer) = self.socks[id].peer
        {
            self.add_shutdown(peer, ShutdownBits { read: bits.write, write: bits.read });
        }
    }

    /// The last reference of the host to a socket is gone, `close(2)`. The host must not name it again, but it may hear of it once more:
    /// what waits for room here is told by a last event.
    pub fn close(&mut self, id: UnixId) {
        self.drop_names(id);
        let sock = &mut self.socks[id];
        // It stays until the end of this, even if it has sent to itself.
        sock.refs += 1;
        let was_embryo = sock.life == Life::Embryo;
        sock.life = Life::Dead;
        sock.state = State::Close;
        sock.shutdown = ShutdownBits::BOTH;
        let peer = sock.peer.take();
        self.tell_all_of_room(id);
        for watcher in std::mem::take(&mut self.socks[id].watchers).into_iter().rev() {
            self.socks[watcher].waits_for_room_at = None;
            self.wake(watcher, |wakes| wakes.state = true);
        }
        if let Some(peer) = peer {
            self.leave_peer(id, peer, was_embryo);
        }
        self.purge(id);
        while let Some(child) = self.socks[id].backlog.pop_front() {
            self.close(child);
        }
        self.may_have_garbage = true;
        self.unref(id);
    }

    fn add_shutdown(&mut self, id: UnixId, bits: ShutdownBits) {
        let shutdown = &mut self.socks[id].shutdown;
        shutdown.read |= bits.read;
        shutdown.write |= bits.write;
        self.wake(id, |wakes| wakes.state = true);
    }

    /// The peer of a connection cannot go on; it has an error too if there is something that was not read.
    fn leave_peer(&mut self, id: UnixId, peer: UnixId, was_embryo: bool) {
        if self.socks[id].kind != Kind::Dgram {
            let records = &self.socks[id].queue.records;
            // An urgent byte that was read leaves an empty message behind.
            let read = usize::from(records.front().is_some_and(|record| record.left() == 0));
            let has_unread = records.len() > read;
            let other = &mut self.socks[peer];
            other.shutdown = ShutdownBits::BOTH;
            if has_unread || was_embryo {
                other.error = Some(Errno::CONNRESET);
            }
            self.wake(peer, |wakes| wakes.state = true);
        }
        self.forget_waits_for_room(id, peer);
        self.unref(peer);
    }

    /// Empties the receive queue: the senders get their memory back, descriptors in flight are to be dropped.
    pub(super) fn purge(&mut self, id: UnixId) {
        self.socks[id].queue.clear_mark();
        while !self.socks[id].queue.records.is_empty() {
            let Record { sender, charge, rights, .. } = self.socks[id].queue.remove(0);
            self.drop_rights(rights);
            self.uncharge(sender, charge);
        }
    }
}
