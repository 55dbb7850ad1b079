//! The table of stream sockets.
//!
//! Whoever gets hold of a socket to change it may end its calm (see `tcp/calm.rs`): so it is over, but for those who say that they do not.

use super::addr::Family;
use super::option::Options;
use super::socket::Socket;
use crate::shared::Shared;
use crate::slab::{Key, Slab};
use crate::tcp::Config;
use std::ops::{Index, IndexMut};

/// The table.
#[derive(Debug)]
pub(super) struct Sockets(Slab<Socket>);

impl Sockets {
    /// An empty table.
    pub(super) const fn new() -> Sockets {
        Sockets(Slab::new())
    }

    /// Adds a fresh socket, which is made where it stays.
    #[inline(always)]
    pub(super) fn open(&mut self, config: &Config, family: Family, uid: u32, options: Shared<Options>) -> Key {
        self.0.insert_with(|_| Socket::new(config, family, uid, options))
    }

    /// A socket goes; its key is stale from now on.
    pub(super) fn forget(&mut self, key: Key) {
        self.0.forget(key);
    }

    /// The socket, if the key is not stale.
    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&Socket> {
        self.0.get(key)
    }

    /// The socket, if the key is not stale, for anything.
    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Socket> {
        let socket = self.0.get_mut(key)?;
        socket.calm = 0;
        Some(socket)
    }

    /// The same, for what keeps it calm, or ends that itself.
    #[inline(always)]
    pub(super) fn get_calmly(&mut self, key: Key) -> Option<&mut Socket> {
        self.0.get_mut(key)
    }

    /// Makes the caches ready for a socket.
    #[inline]
    pub(super) fn prefetch(&self, key: Key) {
        self.0.prefetch(key, Socket::HOT_BYTES);
    }

    /// Something that all go by is about to change.
    pub(super) fn disturb_all(&mut self) {
        for socket in self.0.iter_mut() {
            socket.calm = 0;
        }
    }

    /// Every socket, in the order of the indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Socket)> {
        self.0.iter()
    }
}

impl Index<Key> for Sockets {
    type Output = Socket;
    #[inline]
    fn index(&self, key: Key) -> &Socket {
        &self.0[key]
    }
}

impl IndexMut<Key> for Sockets {
    #[inline]
    fn index_mut(&mut self, key: Key) -> &mut Socket {
        let socket = &mut self.0[key];
        socket.calm = 0;
        socket
    }
}
