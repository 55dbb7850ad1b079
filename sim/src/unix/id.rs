//! The name of a local socket.

use crate::slab::Key;

/// The name of a socket, for as long as anything refers to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UnixId(Key);

impl UnixId {
    /// A small number that no other socket of the space has at the same time, for the host's own tables.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.number()
    }
}

impl From<Key> for UnixId {
    #[inline]
    fn from(key: Key) -> UnixId {
        UnixId(key)
    }
}

impl From<UnixId> for Key {
    #[inline]
    fn from(id: UnixId) -> Key {
        id.0
    }
}
