//! The table of stream sockets.
//!
//! Whoever gets hold of a socket to change it may end its calm (see `tcp/calm.rs`): so it is over, but for those who say that they do not.
//!
//! A socket whose connection is idle may be folded ([`folded.rs`](super::folded)), which nobody notices: whoever asks for it finds it open.

use super::addr::Family;
use super::conns::FourTuple;
use super::folded::Folds;
use super::option::Options;
use super::ports::Claim;
use super::socket::Socket;
use crate::prefetch::prefetch_bytes;
use crate::shared::Shared;
use crate::slab::{Key, Slab};
use crate::tcp::Config;
use std::cell::OnceCell;
use std::ops::{Index, IndexMut};

/// The table.
#[derive(Debug)]
pub(super) struct Sockets {
    table: Slab<Place>,
    folds: Folds,
}

/// A socket of the table.
#[derive(Debug)]
struct Place {
    /// It; not there while it is folded.
    open: OnceCell<Box<Socket>>,
    fold: Fold,
}

/// Where a socket is folded. What is there means nothing while it is open.
#[derive(Clone, Copy, Debug)]
enum Fold {
    None,
    At(u32),
}

const _: () = assert!(size_of::<Option<Place>>() == 16, "there may be very many of them");

impl Place {
    /// Where it is folded, while it is not open.
    fn fold_at(&self) -> u32 {
        match self.fold {
            Fold::At(at) => at,
            Fold::None => unreachable!("a socket is open or folded"),
        }
    }
}

impl Sockets {
    /// An empty table.
    pub(super) fn new() -> Sockets {
        Sockets { table: Slab::new(), folds: Folds::default() }
    }

    /// Adds a fresh socket.
    #[inline(always)]
    pub(super) fn open(&mut self, config: &Config, family: Family, uid: u32, options: Shared<Options>) -> Key {
        let open = Box::new(Socket::new(config, family, uid, options));
        self.table.insert(Place { open: OnceCell::from(open), fold: Fold::None })
    }

    /// A socket goes; its key is stale from now on.
    pub(super) fn forget(&mut self, key: Key) {
        if let Some(Place { fold: Fold::At(at), .. }) = self.table.remove(key) {
            self.folds.forget(at);
        }
    }

    /// A socket's connection has nothing to do for now: if there are others of its kind, it is folded.
    pub(super) fn fold(&mut self, key: Key) {
        if let Some(place) = self.table.get_mut(key)
            && let Some(socket) = place.open.get()
            && let Some(at) = self.folds.fold(socket)
        {
            if let Fold::At(old) = std::mem::replace(&mut place.fold, Fold::At(at)) {
                self.folds.forget(old);
            }
            place.open.take();
        }
    }

    /// The socket, if the key is not stale.
    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&Socket> {
        let place = self.table.get(key)?;
        Some(match place.open.get() {
            Some(socket) => socket,
            None => self.folds.unfold(place),
        })
    }

    /// The socket, if the key is not stale, for anything.
    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Socket> {
        let socket = self.get_calmly(key)?;
        socket.calm = 0;
        Some(socket)
    }

    /// The same, for what keeps it calm, or ends that itself.
    #[inline(always)]
    pub(super) fn get_calmly(&mut self, key: Key) -> Option<&mut Socket> {
        let place = self.table.get_mut(key)?;
        if place.open.get().is_none() {
            self.folds.unfold(place);
        }
        place.open.get_mut().map(|socket| &mut **socket)
    }

    /// Both ends of a socket's connection.
    ///
    /// # Panics
    /// If the key is stale.
    #[inline]
    pub(super) fn name(&self, key: Key) -> FourTuple {
        let place = &self.table[key];
        match place.open.get() {
            Some(socket) => socket.tuple,
            None => self.folds.name(place.fold_at()),
        }
    }

    /// What a socket claims of its port.
    ///
    /// # Panics
    /// If the key is stale.
    pub(super) fn claim(&self, key: Key) -> Claim {
        let place = &self.table[key];
        match place.open.get() {
            Some(socket) => socket.claim(),
            None => self.folds.claim(place.fold_at()),
        }
    }

    /// Makes the caches ready for a socket.
    #[inline]
    pub(super) fn prefetch(&self, key: Key) {
        if let Some(socket) = self.table.get(key).and_then(|place| place.open.get()) {
            prefetch_bytes(std::ptr::from_ref::<Socket>(socket).cast(), Socket::HOT_BYTES);
        }
    }

    /// Something that all go by is about to change. (Those that are folded are not calm.)
    pub(super) fn disturb_all(&mut self) {
        for socket in self.table.iter_mut().filter_map(|place| place.open.get_mut()) {
            socket.calm = 0;
        }
    }

    /// Those that are folded.
    #[cfg(test)]
    pub(super) fn folded(&self) -> impl Iterator<Item = Key> {
        self.table.iter().filter(|(_, place)| place.open.get().is_none()).map(|(key, _)| key)
    }

    /// Every socket, in the order of the indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Socket)> {
        self.table.iter().filter_map(|(key, _)| Some((key, self.get(key)?)))
    }
}

impl Folds {
    /// Opens a folded socket.
    #[cold]
    #[inline(never)]
    fn unfold<'a>(&self, place: &'a Place) -> &'a Socket {
        place.open.get_or_init(|| Box::new(self.unfolded(place.fold_at())))
    }
}

impl Index<Key> for Sockets {
    type Output = Socket;
    #[inline]
    fn index(&self, key: Key) -> &Socket {
        self.get(key).expect("a name that is held names a live entry")
    }
}

impl IndexMut<Key> for Sockets {
    #[inline]
    fn index_mut(&mut self, key: Key) -> &mut Socket {
        self.get_mut(key).expect("a name that is held names a live entry")
    }
}
