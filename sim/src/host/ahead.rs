//! What calls and packets are going to look at soon, for the caches. Nothing here has any effect but on time.

use super::fast::{Ends, Recent};
use super::{Host, Token};
use crate::packet::{Body, Packet};
use crate::prefetch::{prefetch, prefetch_bytes};
use crate::slab::Key;
use std::net::IpAddr;

impl Host {
    /// How much of a host, from its beginning on, the short ways look at.
    pub(crate) const HOT_BYTES: usize = 320;

    /// Makes the caches ready for a call with what a thread used last: for finding it, and, if it receives, for its file.
    pub(crate) fn prefetch_call(&self, recent: &Recent, receives: bool) {
        let (file, socket) = recent.keys();
        if receives {
            self.files.prefetch(file, usize::MAX);
        }
        if recent.is_of_dgrams() {
            self.dgrams.prefetch(socket, usize::MAX);
        } else {
            self.sockets.prefetch_place(socket);
        }
        self.timers.prefetch();
        prefetch_bytes(self.processes.as_ptr().cast(), 128);
    }

    /// The same for its socket, if it is one of a stream.
    pub(crate) fn prefetch_socket(&self, recent: &Recent) {
        let (_, socket) = recent.keys();
        if !recent.is_of_dgrams() {
            self.sockets.prefetch(socket);
        }
    }

    /// The same for what the socket holds, and for what it goes by.
    pub(crate) fn prefetch_buffers(&self, recent: &Recent, receives: bool) {
        let (_, socket) = recent.keys();
        if !recent.is_of_dgrams()
            && let Some(socket) = self.sockets.opened(socket)
        {
            socket.tcb.prefetch_buffers();
            prefetch(&*socket.options);
            if !receives {
                socket.tcb.prefetch_constants();
            }
        }
    }

    /// The same for what it is going to send with.
    pub(crate) fn prefetch_send(&self, recent: &Recent) {
        let (_, socket) = recent.keys();
        if !recent.is_of_dgrams()
            && let Some(socket) = self.sockets.opened(socket)
        {
            socket.tcb.prefetch_send();
        }
    }

    /// The other end of the socket that a thread used last, if it is one of a stream.
    pub(crate) fn remote_of(&self, recent: &Recent) -> Option<IpAddr> {
        let (_, socket) = recent.keys();
        if recent.is_of_dgrams() { None } else { Some(self.sockets.opened(socket)?.tuple.remote) }
    }

    /// The same for a packet that is going to arrive: for finding whom it is for.
    pub(crate) fn prefetch_arrival(&self, packet: &Packet, ends: &Ends) {
        match packet.body {
            Body::Tcp(_) => self.sockets.prefetch_place(ends.to()),
            Body::Udp(_) => self.dgrams.prefetch(ends.to(), usize::MAX),
            Body::Icmp(_) => {}
        }
    }

    /// The same for its socket, if it is one of a stream.
    pub(crate) fn prefetch_socket_for_arrival(&self, packet: &Packet, ends: &Ends) {
        match packet.body {
            Body::Tcp(_) => self.sockets.prefetch(ends.to()),
            Body::Udp(_) | Body::Icmp(_) => {}
        }
    }

    /// The same for what its socket holds, and its file.
    pub(crate) fn prefetch_held_for_arrival(&self, packet: &Packet, ends: &Ends) {
        let file = match packet.body {
            Body::Tcp(_) => {
                self.prefetch_buffers_of(ends.to());
                self.sockets.opened(ends.to()).and_then(|socket| socket.file)
            }
            Body::Udp(_) => self.dgrams.get(ends.to()).and_then(|dgram| dgram.file()),
            Body::Icmp(_) => None,
        };
        if let Some(file) = file {
            self.files.prefetch(file, usize::MAX);
        }
    }

    /// Who waits for that packet, in a receive of which the host has hardly taken note.
    pub(crate) fn reader_of_arrival(&self, packet: &Packet, ends: &Ends) -> Option<Token> {
        let file = match packet.body {
            Body::Tcp(_) => self.sockets.opened(ends.to())?.file,
            Body::Udp(_) => self.dgrams.get(ends.to())?.file(),
            Body::Icmp(_) => None,
        };
        Some(self.files.get(file?)?.queue.asleep()?.0)
    }

    fn prefetch_buffers_of(&self, socket: Key) {
        if let Some(socket) = self.sockets.opened(socket) {
            socket.tcb.prefetch_buffers();
            socket.tcb.prefetch_constants();
        }
    }
}
