//! Sockets of the kernel are file descriptors: conversions from and into `OwnedFd` and the standard library's types.

use super::Os;
use crate::errno::Errno;
use crate::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use crate::socket::Socket;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net as std_unix;
use std::sync::LazyLock;

// A socket is its descriptor and nothing else, closed or not.
const _: () = {
    assert!(size_of::<Socket<Os>>() == size_of::<RawFd>(), "Socket<Os> is a descriptor");
    assert!(size_of::<Option<OwnedFd>>() == size_of::<RawFd>(), "a closed socket needs no room");
    assert!(size_of::<TcpStream<Os>>() == size_of::<RawFd>(), "TcpStream<Os> is a descriptor");
};

/// What a closed socket lends: a descriptor that was opened with `O_PATH`, so that reading, writing, polling and every socket call
/// on it are EBADF, as on a closed one.
static CLOSED: LazyLock<File> = LazyLock::new(|| {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open("/");
    opened.expect("there is room for one descriptor, and / can be named")
});

impl AsFd for Socket<Os> {
    /// # Panics
    /// If the socket is closed and the process has no descriptor left to stand for it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.owned().map_or_else(|_| CLOSED.as_fd(), AsFd::as_fd)
    }
}

impl AsRawFd for Socket<Os> {
    /// The descriptor's number; -1 after `close`.
    fn as_raw_fd(&self) -> RawFd {
        self.fileno()
    }
}

impl From<OwnedFd> for Socket<Os> {
    fn from(fd: OwnedFd) -> Socket<Os> {
        Socket::from_owned(&Os, fd)
    }
}

impl TryFrom<Socket<Os>> for OwnedFd {
    type Error = Errno;

    /// The descriptor; `EBADF` after `close`.
    fn try_from(socket: Socket<Os>) -> Result<OwnedFd, Errno> {
        socket.into_owned().ok_or(Errno::BADF)
    }
}

macro_rules! from_into {
    ($($std:ty),*) => {$(
        impl From<$std> for Socket<Os> {
            fn from(std: $std) -> Socket<Os> {
                OwnedFd::from(std).into()
            }
        }

        impl TryFrom<Socket<Os>> for $std {
            type Error = Errno;

            /// The standard library's socket; `EBADF` after `close`.
            fn try_from(socket: Socket<Os>) -> Result<$std, Errno> {
                OwnedFd::try_from(socket).map(<$std>::from)
            }
        }
    )*};
}

from_into!(
    std::net::TcpListener,
    std::net::TcpStream,
    std::net::UdpSocket,
    std_unix::UnixListener,
    std_unix::UnixStream,
    std_unix::UnixDatagram
);

macro_rules! descriptor {
    ($($type:ident = $std:ty),*) => {$(
        impl AsFd for $type<Os> {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.owned().as_fd()
            }
        }

        impl AsRawFd for $type<Os> {
            fn as_raw_fd(&self) -> RawFd {
                self.owned().as_raw_fd()
            }
        }

        impl IntoRawFd for $type<Os> {
            fn into_raw_fd(self) -> RawFd {
                self.into_owned().into_raw_fd()
            }
        }

        impl From<OwnedFd> for $type<Os> {
            fn from(fd: OwnedFd) -> $type<Os> {
                $type::from_owned(&Os, fd)
            }
        }

        impl From<$type<Os>> for OwnedFd {
            fn from(socket: $type<Os>) -> OwnedFd {
                socket.into_owned()
            }
        }

        impl From<$std> for $type<Os> {
            fn from(std: $std) -> $type<Os> {
                OwnedFd::from(std).into()
            }
        }

        impl From<$type<Os>> for $std {
            fn from(socket: $type<Os>) -> $std {
                socket.into_owned().into()
            }
        }
    )*};
}

descriptor!(
    TcpListener = std::net::TcpListener,
    TcpStream = std::net::TcpStream,
    UdpSocket = std::net::UdpSocket,
    UnixListener = std_unix::UnixListener,
    UnixStream = std_unix::UnixStream,
    UnixDatagram = std_unix::UnixDatagram
);
