//! The table of stream sockets.
//!
//! Whoever gets hold of a socket to change it may end its calm (see `tcp/calm.rs`): so it is over, but for those who say that they do not.
//!
//! A socket whose connection is idle may be folded ([`folded.rs`](super::folded)), which nobody notices: whoever asks for it finds it open.

use super::addr::Family;
use super::ahead::Coming;
use super::conns::FourTuple;
use super::folded::Folds;
use super::holder::Holder;
use super::option::Options;
use super::ports::Claim;
use super::socket::Socket;
use crate::prefetch::prefetch;
use crate::shared::Shared;
use crate::slab::{Generation, Key, to_usize};
use crate::tcp::Config;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::{Index, IndexMut};

/// The table. Its fields stand in memory as they stand here: what every call looks at is last.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Sockets {
    free: Vec<u32>,
    folds: Folds,
    /// Boxes for those to come.
    #[expect(clippy::vec_box, reason = "it is the boxes that are kept")]
    boxes: Vec<Box<Socket>>,
    places: Vec<Place>,
}

/// The place of a socket.
#[derive(Debug)]
struct Place {
    /// It; not there while it is folded, or nobody has the place.
    open: OnceCell<Box<Socket>>,
    generation: Generation,
    /// Where it is folded, or [`NOWHERE`]. What is there means nothing while it is open.
    fold: u32,
}

const NOWHERE: u32 = u32::MAX;
/// How many boxes are kept.
const BOXES_MAX: usize = 64;
const _: () = assert!(size_of::<Place>() == 16, "there may be very many of them");

impl Sockets {
    /// From where on it is looked at to find a socket.
    pub(super) const HOT_FROM: usize = std::mem::offset_of!(Sockets, places);

    /// Adds a fresh socket.
    #[inline(always)]
    pub(super) fn open(&mut self, config: &Config, family: Family, uid: u32, options: &Shared<Options>) -> (Key, &mut Socket) {
        let open = Sockets::fresh(self.boxes.pop(), config, family, uid, options);
        self.add(open)
    }

    /// Adds a fresh socket for a connection of this listener's, with what it takes over from that.
    ///
    /// # Panics
    /// If the key is stale.
    #[inline(always)]
    pub(super) fn open_child(&mut self, config: &Config, parent: Key) -> (Key, &mut Socket) {
        let room = self.boxes.pop();
        let Socket { family, uid, options, .. } = &self[parent];
        let heritage = options.heritage();
        let open = Sockets::fresh(room, config, *family, *uid, heritage.as_ref().unwrap_or(options));
        self.add(open)
    }

    /// A fresh socket, in room that is kept for one if there is any.
    #[inline(always)]
    fn fresh(room: Option<Box<Socket>>, config: &Config, family: Family, uid: u32, options: &Shared<Options>) -> Box<Socket> {
        match room {
            Some(mut room) => {
                room.renew(config, family, uid, options);
                room
            }
            None => Sockets::box_of(config, family, uid, options),
        }
    }

    #[inline(always)]
    fn add(&mut self, open: Box<Socket>) -> (Key, &mut Socket) {
        let index = self.free.pop().unwrap_or_else(|| self.add_place());
        let place = &mut self.places[to_usize(index)];
        let key = Key::new(index, place.generation);
        place.open = OnceCell::from(open);
        (key, place.open.get_mut().expect("it was put there"))
    }

    #[cold]
    fn box_of(config: &Config, family: Family, uid: u32, options: &Shared<Options>) -> Box<Socket> {
        Box::new(Socket::new(config, family, uid, options.clone()))
    }

    /// Adds a place where none is free.
    #[cold]
    fn add_place(&mut self) -> u32 {
        let index = u32::try_from(self.places.len()).ok().filter(|index| *index <= Holder::PLACE_MAX);
        let index = index.expect("a table has fewer than 2^31 entries");
        self.places.push(Place { open: OnceCell::new(), generation: Generation::FIRST, fold: NOWHERE });
        index
    }

    /// A socket goes; its key is stale from now on.
    #[inline(always)]
    pub(super) fn forget(&mut self, key: Key) {
        let Some(place) = self.places.get_mut(to_usize(key.number())).filter(|place| key.is_of(place.generation)) else { return };
        place.generation.retire();
        self.folds.forget(std::mem::replace(&mut place.fold, NOWHERE));
        if let Some(mut socket) = place.open.take()
            && self.boxes.len() < BOXES_MAX
        {
            socket.let_go();
            self.boxes.push(socket);
        }
        self.free.push(key.number());
    }

    /// A socket's connection has nothing to do for now: if there are others of its kind, it is folded.
    pub(super) fn fold(&mut self, key: Key) {
        let Some(place) = self.places.get_mut(to_usize(key.number())).filter(|place| key.is_of(place.generation)) else { return };
        if let Some(socket) = place.open.get()
            && let Some(at) = self.folds.fold(socket)
        {
            self.folds.forget(std::mem::replace(&mut place.fold, at));
            place.open.take();
        }
    }

    /// The place of a socket, if the key is not stale.
    #[inline(always)]
    fn place(&self, key: Key) -> Option<&Place> {
        self.places.get(to_usize(key.number())).filter(|place| key.is_of(place.generation))
    }

    /// The socket, if the key is not stale.
    #[inline(always)]
    pub(super) fn get(&self, key: Key) -> Option<&Socket> {
        let place = self.place(key)?;
        match place.open.get() {
            Some(socket) => Some(socket),
            None => self.folds.unfold(place),
        }
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
        let place = self.places.get_mut(to_usize(key.number())).filter(|place| key.is_of(place.generation))?;
        if place.open.get().is_none() {
            return self.folds.unfold_mut(place);
        }
        place.open.get_mut().map(|socket| &mut **socket)
    }

    /// Both ends of the connection of the socket in a place of the table.
    ///
    /// # Panics
    /// If there never was one.
    #[inline(always)]
    pub(super) fn name_at(&self, index: u32) -> FourTuple {
        let place = &self.places[to_usize(index)];
        match place.open.get() {
            Some(socket) => socket.tuple,
            None => self.folds.name(place.fold),
        }
    }

    /// What a socket claims of its port.
    ///
    /// # Panics
    /// If the key is stale.
    pub(super) fn claim(&self, key: Key) -> Claim {
        let place = self.place(key).expect(LIVE);
        match place.open.get() {
            Some(socket) => socket.claim(),
            None => self.folds.claim(place.fold),
        }
    }

    /// Notes the place of a socket among the holders of its port.
    ///
    /// # Panics
    /// If the key is stale.
    pub(super) fn set_place(&mut self, key: Key, place: u32) {
        let at = self.place(key).filter(|place| place.open.get().is_none()).map(|place| place.fold);
        match at {
            Some(at) => self.folds.set_place(at, place),
            None => self[key].place = place,
        }
    }

    /// The key of the socket in a place of the table.
    ///
    /// # Panics
    /// If there never was one.
    #[inline]
    pub(super) fn key_at(&self, index: u32) -> Key {
        Key::new(index, self.places[to_usize(index)].generation)
    }

    /// The socket, if the key is not stale and it is not folded: a look that opens none.
    #[inline(always)]
    pub(super) fn opened(&self, key: Key) -> Option<&Socket> {
        self.place(key)?.open.get().map(|socket| &**socket)
    }

    /// The same for what keeps it calm: a folded one is not calm.
    #[inline(always)]
    pub(super) fn opened_mut(&mut self, key: Key) -> Option<&mut Socket> {
        let place = self.places.get_mut(to_usize(key.number())).filter(|place| key.is_of(place.generation))?;
        place.open.get_mut().map(|socket| &mut **socket)
    }

    /// Makes the caches ready for a socket's place to be looked at.
    #[inline]
    pub(super) fn prefetch_place(&self, key: Key) {
        if let Some(place) = self.places.get(to_usize(key.number())) {
            prefetch(place);
        }
    }

    /// The same for the socket itself.
    #[inline]
    pub(super) fn prefetch(&self, key: Key, coming: Coming) {
        if let Some(socket) = self.opened(key) {
            socket.prefetch(coming);
        }
    }

    /// Something that all go by is about to change. (Those that are folded are not calm.)
    pub(super) fn disturb_all(&mut self) {
        for socket in self.places.iter_mut().filter_map(|place| place.open.get_mut()) {
            socket.calm = 0;
        }
    }

    /// Every socket, in the order of the indices; none is opened for it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Cow<'_, Socket>)> {
        (0..).zip(&self.places).filter_map(|(index, place)| {
            let socket = match place.open.get() {
                Some(socket) => Cow::Borrowed(&**socket),
                None if place.fold == NOWHERE => return None,
                None => Cow::Owned(self.folds.unfolded(place.fold)),
            };
            Some((Key::new(index, place.generation), socket))
        })
    }

    /// Those that are folded.
    #[cfg(test)]
    pub(super) fn folded(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.places).filter(|(_, place)| place.open.get().is_none() && place.fold != NOWHERE).map(|(index, _)| index)
    }
}

impl Folds {
    /// Opens a folded socket. `None`: nobody has the place.
    #[cold]
    #[inline(never)]
    fn unfold_mut<'a>(&self, place: &'a mut Place) -> Option<&'a mut Socket> {
        self.unfold(place)?;
        place.open.get_mut().map(|socket| &mut **socket)
    }

    /// Opens a folded socket. `None`: nobody has the place.
    #[cold]
    #[inline(never)]
    fn unfold<'a>(&self, place: &'a Place) -> Option<&'a Socket> {
        (place.fold != NOWHERE).then(|| &**place.open.get_or_init(|| Box::new(self.unfolded(place.fold))))
    }
}

const LIVE: &str = "a name that is held names a live entry";

impl Index<Key> for Sockets {
    type Output = Socket;
    #[inline]
    fn index(&self, key: Key) -> &Socket {
        self.get(key).expect(LIVE)
    }
}

impl IndexMut<Key> for Sockets {
    #[inline]
    fn index_mut(&mut self, key: Key) -> &mut Socket {
        self.get_mut(key).expect(LIVE)
    }
}
