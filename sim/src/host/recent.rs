//! [`Recent`]: the socket that a thread used last, which is found at once.

use super::Host;
use super::cx::Pid;
use super::file::Object;
use crate::slab::Key;
use twinsock::raw::RawFd;

/// The socket that a thread used last, so that the next call finds it at once if it uses it again.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    /// Its descriptor; more than that, by [`DGRAM`], if it is a datagram socket.
    fd: i64,
    /// `Host::tables` when it was looked up.
    tables: u32,
    file: Key,
    socket: Key,
    /// The packet that is kept for what the thread sends next: a number of the driver's.
    packet: u32,
}

impl Recent {
    /// The packet that is kept for what the thread sends next on a short way, as the driver knows it.
    #[inline(always)]
    pub(crate) fn packet(&self) -> u32 {
        self.packet
    }

    /// The same, for another one to be kept.
    #[inline(always)]
    pub(crate) fn packet_mut(&mut self) -> &mut u32 {
        &mut self.packet
    }

    /// Whether there is one.
    #[inline]
    pub(crate) fn is_known(&self) -> bool {
        self.fd >= 0
    }

    /// Whether it is a stream's with this descriptor, while the tables of descriptors are as they are.
    #[inline(always)]
    pub(super) fn is_stream(&self, fd: RawFd, tables: u32) -> bool {
        self.fd == i64::from(fd) && self.tables == tables
    }

    /// Whether it is a datagram socket's with this descriptor, while the tables of descriptors are as they are.
    #[inline(always)]
    pub(super) fn is_dgram_in(&self, fd: RawFd, tables: u32) -> bool {
        self.is_dgram(fd) && self.tables == tables
    }

    /// Whether it is a datagram socket.
    #[inline]
    pub(super) fn is_of_dgrams(&self) -> bool {
        self.fd >= DGRAM
    }

    /// Its file and itself.
    #[inline]
    pub(super) fn keys(&self) -> (Key, Key) {
        (self.file, self.socket)
    }

    /// Whether the descriptor was that of a datagram socket when it was looked up.
    #[inline(always)]
    pub(crate) fn is_dgram(&self, fd: RawFd) -> bool {
        self.fd == i64::from(fd) + DGRAM
    }
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { fd: i64::MIN, tables: 0, file: Key::NOBODY, socket: Key::NOBODY, packet: u32::MAX }
    }
}

/// No descriptor is as much as this.
const DGRAM: i64 = 1 << 32;

impl Host {
    /// File and socket of a descriptor, if it is a stream's.
    #[inline(always)]
    pub(super) fn socket_behind(&self, pid: Pid, fd: RawFd, recent: &mut Recent) -> Option<(Key, Key)> {
        if recent.is_stream(fd, self.tables) {
            return Some((recent.file, recent.socket));
        }
        if recent.is_dgram(fd) && recent.tables == self.tables {
            return None;
        }
        self.look_up(pid, fd, recent)
    }

    /// The same of a datagram socket.
    #[inline(always)]
    pub(super) fn dgram_of(&self, pid: Pid, fd: RawFd, recent: &mut Recent) -> Option<(Key, Key)> {
        if !recent.is_dgram_in(fd, self.tables) {
            self.look_up(pid, fd, recent);
        }
        recent.is_dgram_in(fd, self.tables).then_some((recent.file, recent.socket))
    }

    /// Such a descriptor has just been opened, with this file and socket, by a thread that is going to use it.
    #[inline]
    pub(super) fn remember(&self, recent: &mut Recent, fd: RawFd, (file, socket): (Key, Key)) {
        if !self.has_corks() {
            *recent = Recent { fd: i64::from(fd), tables: self.tables, file, socket, ..*recent };
        }
    }

    #[inline(never)]
    fn look_up(&self, pid: Pid, fd: RawFd, recent: &mut Recent) -> Option<(Key, Key)> {
        if recent.is_dgram_in(fd, self.tables) {
            return None;
        }
        let file = self.process(pid).ok()?.file(fd).ok()?;
        match self.files.get(file)?.object {
            // What a stream sends meanwhile turns the page of the thread that sends it.
            Object::Socket(_) if self.has_corks() => None,
            Object::Socket(socket) => {
                *recent = Recent { fd: i64::from(fd), tables: self.tables, file, socket, ..*recent };
                Some((file, socket))
            }
            Object::Dgram(dgram) => {
                *recent = Recent { fd: i64::from(fd) + DGRAM, tables: self.tables, file, socket: dgram, ..*recent };
                None
            }
            Object::Pipe(..) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => None,
        }
    }
}
