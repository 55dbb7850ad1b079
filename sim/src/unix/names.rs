//! Names: bind, autobind, and how a name finds its socket, `unix_bind` and `unix_find_other`.

use super::addr::{self, Address, Target};
use super::{Caller, Kind, UnixId, UnixSpace};
use crate::packet::{Latitude, Luck};
use std::collections::BTreeMap;
use std::sync::Arc;
use twinsock::{Errno, Result};

impl<F: Copy> UnixSpace<F> {
    /// Gives a socket a name, `bind(2)`: a path makes a file; the family alone asks for an abstract name of the kernel's choice.
    ///
    /// # Errors
    /// `EINVAL`: not an address of AF_UNIX, or the socket has a name. `EADDRINUSE`: the name is taken, a path by a file of any kind.
    /// `ENOENT`, `ENOTDIR`, `EACCES`: the path leads nowhere. `ENOSPC`: no abstract name is left.
    pub fn bind(&mut self, id: UnixId, caller: &Caller, addr: &[u8], luck: &mut dyn Luck) -> Result<()> {
        if addr::is_autobind(addr) {
            return self.autobind(id, luck);
        }
        match Target::decode(addr)? {
            Target::Path(path) => self.bind_path(id, caller, path),
            Target::Abstract(name) => self.bind_abstract(id, name),
        }
    }

    /// The name of a socket, `getsockname(2)`; [`Address::store`] makes it a `sockaddr`.
    #[must_use]
    pub fn getsockname(&self, id: UnixId) -> Option<&Address> {
        self.socks[id].addr.as_deref()
    }

    /// The name of the peer, `getpeername(2)`, even of one that is gone.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn getpeername(&self, id: UnixId) -> Result<Option<&Address>> {
        let peer = self.socks[id].peer.ok_or(Errno::NOTCONN)?;
        Ok(self.socks[peer].addr.as_deref())
    }

    /// Gives a socket without a name a free abstract one of five hexadecimal digits.
    pub(super) fn autobind(&mut self, id: UnixId, luck: &mut dyn Luck) -> Result<()> {
        if self.socks[id].addr.is_some() {
            return Ok(());
        }
        let last = luck.below(Latitude::Autobind, AUTOBIND_NAMES);
        let kind = self.socks[id].kind;
        for number in (1..=AUTOBIND_NAMES).map(|step| (last + step) % AUTOBIND_NAMES) {
            let name = format!("\0{number:05x}");
            if self.names.get(kind, name.as_bytes()).is_none() {
                return self.bind_abstract(id, name.as_bytes());
            }
        }
        Err(Errno::NOSPC)
    }

    /// Where SO_PASSCRED is set, connect and send give a socket without a name one.
    pub(super) fn autobind_if_passcred(&mut self, id: UnixId, luck: &mut dyn Luck) -> Result<()> {
        if self.socks[id].options.passcred { self.autobind(id, luck) } else { Ok(()) }
    }

    /// The socket that connect or sendto means.
    pub(super) fn find(&self, kind: Kind, caller: &Caller, target: Target<'_>) -> Result<UnixId> {
        match target {
            Target::Path(path) => {
                let inode = self.files.lookup(path, caller)?;
                if !self.files.may(inode, 2, caller) {
                    return Err(Errno::ACCES);
                }
                let found = self.files.socket_at(inode).ok_or(Errno::CONNREFUSED)?;
                if self.socks[found].kind == kind { Ok(found) } else { Err(Errno::PROTOTYPE) }
            }
            Target::Abstract(name) => self.names.get(kind, name).ok_or(Errno::CONNREFUSED),
        }
    }

    /// A socket is closed: its abstract name is free, its file stale.
    pub(super) fn drop_names(&mut self, id: UnixId) {
        if let Some(inode) = self.socks[id].inode.take() {
            self.files.forget_socket(inode);
        }
        let sock = &self.socks[id];
        if let Some(addr) = &sock.addr {
            // An accepted socket has its listener's name, which is not its own.
            if self.names.get(sock.kind, addr.sun_path()) == Some(id) {
                self.names.remove(sock.kind, addr.sun_path());
            }
        }
    }

    fn bind_path(&mut self, id: UnixId, caller: &Caller, path: &[u8]) -> Result<()> {
        // The file is made first, and removed again if the socket has a name.
        let made = self.files.mksocket(path, id, caller);
        let inode = made.map_err(|error| if error == Errno::EXIST { Errno::ADDRINUSE } else { error })?;
        if self.socks[id].addr.is_some() {
            self.files.unlink(path, caller).expect("a file that was just made can be removed");
            self.files.forget_socket(inode);
            return Err(Errno::INVAL);
        }
        let sock = &mut self.socks[id];
        sock.addr = Some(Arc::new(Address::new(&[path, &[0]].concat())));
        sock.inode = Some(inode);
        Ok(())
    }

    fn bind_abstract(&mut self, id: UnixId, name: &[u8]) -> Result<()> {
        let sock = &mut self.socks[id];
        if sock.addr.is_some() {
            return Err(Errno::INVAL);
        }
        if self.names.get(sock.kind, name).is_some() {
            return Err(Errno::ADDRINUSE);
        }
        self.names.insert(sock.kind, name, id);
        sock.addr = Some(Arc::new(Address::new(name)));
        Ok(())
    }
}

/// The abstract names with the sockets that have them; those of each type are apart.
#[derive(Debug, Default)]
pub(super) struct AbstractNames {
    of_kind: [BTreeMap<Box<[u8]>, UnixId>; 3],
}

impl AbstractNames {
    fn get(&self, kind: Kind, name: &[u8]) -> Option<UnixId> {
        self.of_kind[index(kind)].get(name).copied()
    }

    fn insert(&mut self, kind: Kind, name: &[u8], id: UnixId) {
        self.of_kind[index(kind)].insert(name.into(), id);
    }

    fn remove(&mut self, kind: Kind, name: &[u8]) {
        self.of_kind[index(kind)].remove(name);
    }
}

const fn index(kind: Kind) -> usize {
    match kind {
        Kind::Stream => 0,
        Kind::Dgram => 1,
        Kind::Seqpacket => 2,
    }
}

const AUTOBIND_NAMES: u32 = 1 << 20;
