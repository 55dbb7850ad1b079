//! What calls and packets are going to look at soon, for the caches. Nothing here has any effect but on time.

use super::conns::FourTuple;
use super::fast::Ends;
use super::recent::Recent;
use super::socket::Socket;
use super::sockets::Sockets;
use super::{Host, Token};
use crate::packet::{Body, Packet};
use crate::prefetch::{prefetch, prefetch_bytes};
use crate::slab::Key;
use crate::tcp::Tcb;
use std::mem::offset_of;

/// What a thread is going to do in its next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coming {
    /// It begins to wait in a receive.
    Waits,
    /// It goes on with a receive that has waited, and then with something else.
    Receives,
    /// Something else: as a rule it sends.
    Acts,
}

impl Host {
    /// Makes the caches ready for what of a host the short ways look at.
    #[inline]
    pub(crate) fn prefetch(&self, coming: Coming) {
        const FROM: usize = offset_of!(Host, sockets) + Sockets::HOT_FROM;
        let to = match coming {
            Coming::Waits => offset_of!(Host, dirty),
            Coming::Receives | Coming::Acts => offset_of!(Host, timers),
        };
        prefetch_bytes(std::ptr::from_ref(self).wrapping_byte_add(FROM).cast(), to - FROM);
    }

    /// Makes the caches ready for a call with what a thread used last: for finding it, and, if it receives, for its file.
    pub(crate) fn prefetch_call(&self, recent: &Recent, coming: Coming) {
        let (file, socket) = recent.keys();
        match coming {
            Coming::Waits | Coming::Receives => self.files.prefetch(file, usize::MAX),
            Coming::Acts => {}
        }
        if recent.is_of_dgrams() {
            self.dgrams.prefetch(socket, usize::MAX);
        } else {
            self.sockets.prefetch_place(socket);
        }
    }

    /// The same for its socket, if it is one of a stream.
    pub(crate) fn prefetch_socket(&self, recent: &Recent, coming: Coming) {
        let (_, socket) = recent.keys();
        if !recent.is_of_dgrams() {
            self.sockets.prefetch(socket, coming);
        }
    }

    /// The same for what the socket holds, and for what it goes by.
    pub(crate) fn prefetch_buffers(&self, recent: &Recent, coming: Coming) {
        let (_, socket) = recent.keys();
        if !recent.is_of_dgrams()
            && let Some(socket) = self.sockets.opened(socket)
        {
            match coming {
                Coming::Waits => {}
                Coming::Receives => {
                    socket.tcb.prefetch_recv();
                    socket.tcb.prefetch_send();
                }
                Coming::Acts => socket.tcb.prefetch_send(),
            }
            if socket.calm == 0 {
                socket.prefetch_rest();
            }
        }
    }

    /// The same for what it is going to send with.
    pub(crate) fn prefetch_send(&self, recent: &Recent) {
        let (_, socket) = recent.keys();
        if !recent.is_of_dgrams()
            && let Some(socket) = self.sockets.opened(socket)
        {
            socket.tcb.prefetch_chunk();
        }
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
            Body::Tcp(_) => self.sockets.prefetch(ends.to(), Coming::Acts),
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
        self.files.get(file?)?.queue.asleep()
    }

    /// Makes the caches ready for a segment that has just been sent here, of whose connection its sender knows nobody here: for looking for that, and for the
    /// connection which that one's host is likely to make after it, from `next_port`.
    pub(crate) fn prefetch_stranger(&mut self, packet: &Packet, next_port: u16) {
        let Body::Tcp(segment) = &packet.body else { return };
        let (local_port, remote_port) = (segment.dst_port, segment.src_port);
        let name = FourTuple { local: packet.dst, remote: packet.src, local_port, remote_port };
        self.conns.prefetch(name.hash());
        self.likely_next = FourTuple { remote_port: next_port, ..name }.hash();
        self.conns.prefetch(self.likely_next);
    }

    /// The same for what is left of an earlier connection whose place the next one is likely to take. It is time for that when the one before it is complete: what
    /// says where it is has arrived.
    pub(super) fn prefetch_likely_next(&self) {
        if let Some(holder) = self.conns.like(self.likely_next)
            && let (index, false) = holder.place()
        {
            self.time_waits.prefetch_close(index);
        }
    }

    /// The port that the next `connect(2)` to where the last one went is going to try first.
    pub(crate) fn likely_next_port(&self) -> u16 {
        self.ports.likely_next()
    }

    fn prefetch_buffers_of(&self, socket: Key) {
        if let Some(socket) = self.sockets.opened(socket) {
            socket.tcb.prefetch_send();
            socket.tcb.prefetch_recv();
            // A sample of the round trip time may have to do with them.
            socket.tcb.prefetch_constants();
            if socket.calm == 0 {
                socket.prefetch_rest();
            }
        }
    }
}

impl Socket {
    /// How much of a socket, from its beginning on, the ways of a few bytes look at where it is calm.
    const CALM_BYTES: usize = offset_of!(Socket, tcb) + Tcb::CALM_BYTES;
    /// The same of a receive that has only to wait.
    const CALM_TO_WAIT_BYTES: usize = offset_of!(Socket, tcb) + Tcb::CALM_TO_WAIT_BYTES;

    /// Makes the caches ready for what is coming.
    pub(super) fn prefetch(&self, coming: Coming) {
        let bytes = match coming {
            Coming::Waits => Socket::CALM_TO_WAIT_BYTES,
            Coming::Receives | Coming::Acts => Socket::CALM_BYTES,
        };
        prefetch_bytes(std::ptr::from_ref(self).cast(), bytes);
    }

    /// The same for what those that are not calm look at besides.
    #[cold]
    fn prefetch_rest(&self) {
        prefetch(&*self.options);
        self.tcb.prefetch_rest();
        self.tcb.prefetch_constants();
    }
}
