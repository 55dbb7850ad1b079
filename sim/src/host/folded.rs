//! Sockets of idle connections, folded: of what they have in common with others there is one for all, and of each only what is its own.

use super::conns::FourTuple;
use super::ports::Claim;
use super::socket::Socket;
use crate::slab::{Key, to_usize};
use crate::tcp::Own;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use twinsock::Instant;

/// A socket of an idle connection.
#[derive(Debug)]
pub(super) struct Folded {
    /// What is left of each of its kind when its own is taken out.
    kind: Arc<Socket>,
    own: Own,
    file: Option<Key>,
    ends: Ends,
    place: u32,
}

const _: () = assert!(size_of::<Folded>() <= 72, "there may be very many of them");

/// The addresses of both ends.
#[derive(Debug)]
enum Ends {
    V4([Ipv4Addr; 2]),
    V6(Box<[Ipv6Addr; 2]>),
}

impl Ends {
    /// Takes them out of a name.
    fn take(name: &mut FourTuple) -> Ends {
        match (&mut name.local, &mut name.remote) {
            (IpAddr::V4(near), IpAddr::V4(far)) => Ends::V4([near, far].map(|end| std::mem::replace(end, Ipv4Addr::UNSPECIFIED))),
            (IpAddr::V6(near), IpAddr::V6(far)) => {
                Ends::V6(Box::new([near, far].map(|end| std::mem::replace(end, Ipv6Addr::UNSPECIFIED))))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => unreachable!("a packet is of one family"),
        }
    }

    /// This one, and the other.
    fn both(&self) -> (IpAddr, IpAddr) {
        match self {
            Ends::V4([near, far]) => ((*near).into(), (*far).into()),
            Ends::V6(ends) => (ends[0].into(), ends[1].into()),
        }
    }
}

impl Folded {
    /// The socket as it was, but for what it had noted down for a faster look.
    fn unfold(&self) -> Socket {
        let mut socket = (*self.kind).clone();
        socket.file = self.file;
        socket.place = self.place;
        socket.tuple = self.name();
        socket.num = socket.num.wrapping_add(socket.tuple.local_port);
        socket.tcb.unfold(&self.own);
        socket
    }

    /// Both ends of the connection.
    fn name(&self) -> FourTuple {
        let (local_port, remote_port) = self.own.ports();
        let (local, remote) = self.ends.both();
        FourTuple { local, remote, local_port, remote_port }
    }
}

impl Socket {
    /// Whether it can be folded: it has a file, and nothing of it is in a queue.
    fn is_foldable(&self) -> bool {
        self.file.is_some()
            && self.armed == Instant::FAR
            && !self.is_dirty
            && self.listener.is_none()
            && self.parent.is_none()
            && self.tcb.is_bare()
            && self.tcb.ports() == (self.tuple.local_port, self.tuple.remote_port)
    }

    /// The socket without what is its own, which is taken out; what it has noted down for a faster look is forgotten.
    fn fold(&self) -> (Socket, impl FnOnce(Arc<Socket>) -> Folded) {
        let mut kind = self.clone();
        kind.peer = Key::NOBODY;
        kind.calm = 0;
        kind.peer_calm = 0;
        let own = kind.tcb.fold();
        let file = kind.file.take();
        let place = std::mem::take(&mut kind.place);
        kind.num = kind.num.wrapping_sub(kind.tuple.local_port);
        (kind.tuple.local_port, kind.tuple.remote_port) = (0, 0);
        let ends = Ends::take(&mut kind.tuple);
        (kind, move |kind| Folded { kind, own, file, ends, place })
    }
}

/// The folded ones of a host.
#[derive(Debug, Default)]
pub(super) struct Folds {
    places: Vec<Option<Folded>>,
    free: Vec<u32>,
    /// The kinds that were met last.
    kinds: [Option<Arc<Socket>>; KINDS],
    next_kind: usize,
}

/// How many kinds are looked among: a host has few at a time, of clients and of servers.
const KINDS: usize = 4;

impl Folds {
    /// Folds a socket, if another of its kind was met; answers its place here.
    pub(super) fn fold(&mut self, socket: &Socket) -> Option<u32> {
        if !socket.is_foldable() {
            return None;
        }
        let (kind, with) = socket.fold();
        let Some(known) = self.kinds.iter().flatten().find(|known| ***known == kind) else {
            self.kinds[self.next_kind] = Some(Arc::new(kind));
            self.next_kind = (self.next_kind + 1) % KINDS;
            return None;
        };
        let folded = Some(with(Arc::clone(known)));
        match self.free.pop() {
            Some(at) => {
                self.places[to_usize(at)] = folded;
                Some(at)
            }
            None => {
                self.places.push(folded);
                Some(u32::try_from(self.places.len() - 1).expect("a table has fewer than 2^32 entries"))
            }
        }
    }

    /// The socket in this place as it was.
    pub(super) fn unfolded(&self, at: u32) -> Socket {
        self.at(at).unfold()
    }

    /// Both ends of its connection.
    pub(super) fn name(&self, at: u32) -> FourTuple {
        self.at(at).name()
    }

    /// What it claims of its port.
    pub(super) fn claim(&self, at: u32) -> Claim {
        let folded = self.at(at);
        Claim { ip: folded.name().local, ..folded.kind.claim() }
    }

    /// Its place among the holders of its port is this.
    pub(super) fn set_place(&mut self, at: u32, place: u32) {
        if let Some(Some(folded)) = self.places.get_mut(to_usize(at)) {
            folded.place = place;
        }
    }

    fn at(&self, at: u32) -> &Folded {
        self.places[to_usize(at)].as_ref().expect("a socket that is folded has a place")
    }

    /// What is in this place, if it is one, is not needed any longer.
    pub(super) fn forget(&mut self, at: u32) {
        if let Some(place) = self.places.get_mut(to_usize(at)) {
            *place = None;
            self.free.push(at);
        }
    }
}
