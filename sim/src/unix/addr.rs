//! Addresses as `struct sockaddr_un` has them, `unix(7)`.

use std::fmt;
use twinsock::consts::AF_UNIX;
use twinsock::{Errno, Result};

/// The name of a bound socket: what `sun_path` holds, the terminating NUL of a path included.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    sun_path: Box<[u8]>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.sun_path {
            [0, name @ ..] => write!(f, "unix:@{}", name.escape_ascii()),
            [path @ .., _] => write!(f, "unix:{}", path.escape_ascii()),
            [] => f.write_str("unix:"),
        }
    }
}

impl Address {
    pub(super) fn new(sun_path: &[u8]) -> Address {
        Address { sun_path: sun_path.into() }
    }

    pub(super) fn sun_path(&self) -> &[u8] {
        &self.sun_path
    }

    /// The length of the `sockaddr_un`.
    #[cfg(test)]
    #[must_use]
    pub fn len(&self) -> usize {
        FAMILY_BYTES + self.sun_path.len()
    }

    /// Stores a `sockaddr_un` as far as there is room, and answers its full length; no name is the family alone (`getsockname(2)`).
    pub fn store(name: Option<&Address>, room: &mut [u8]) -> usize {
        let sun_path = name.map_or(&[][..], |name| &name.sun_path);
        let family = family();
        for (room, byte) in room.iter_mut().zip(family.iter().chain(sun_path)) {
            *room = *byte;
        }
        FAMILY_BYTES + sun_path.len()
    }
}

/// What a call names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target<'a> {
    /// A path, without NUL.
    Path(&'a [u8]),
    /// An abstract name, with the leading NUL.
    Abstract(&'a [u8]),
}

impl<'a> Target<'a> {
    /// Takes a `sockaddr_un` apart, `unix_validate_addr` and `unix_mkname_bsd`.
    pub(super) fn decode(addr: &'a [u8]) -> Result<Target<'a>> {
        if addr.len() <= FAMILY_BYTES || addr.len() > SOCKADDR_UN_BYTES || family_of(addr) != Some(AF_UNIX) {
            return Err(Errno::INVAL);
        }
        let sun_path = &addr[FAMILY_BYTES..];
        if sun_path[0] == 0 {
            return Ok(Target::Abstract(sun_path));
        }
        let end = sun_path.iter().position(|byte| *byte == 0).unwrap_or(sun_path.len());
        Ok(Target::Path(&sun_path[..end]))
    }
}

/// The family in the first bytes of a `sockaddr`.
pub(super) fn family_of(addr: &[u8]) -> Option<i32> {
    addr.first_chunk().map(|bytes| i32::from(u16::from_ne_bytes(*bytes)))
}

/// Whether bind is asked for a name of the kernel's choice.
pub(super) fn is_autobind(addr: &[u8]) -> bool {
    addr.len() == FAMILY_BYTES && family_of(addr) == Some(AF_UNIX)
}

fn family() -> [u8; FAMILY_BYTES] {
    u16::try_from(AF_UNIX).expect("a family fits sa_family_t").to_ne_bytes()
}

/// `offsetof(struct sockaddr_un, sun_path)`.
const FAMILY_BYTES: usize = 2;
/// `sizeof(struct sockaddr_un)`.
const SOCKADDR_UN_BYTES: usize = 110;
