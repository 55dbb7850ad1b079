//! [`SocketApi`]: the socket calls with typed arguments and owned sockets, written once for every world.
//!
//! A world gives its system calls ([`Syscalls`]) and a socket type that owns a descriptor; the methods here encode the arguments,
//! make exactly one call, and decode the answer. They pass `MSG_NOSIGNAL` and `SOCK_CLOEXEC`, and nothing else of their own.

use crate::addr::{SOCKADDR_MAX_BYTES, SocketAddr};
use crate::errno::Result;
use crate::raw::{Name, RawFd, Syscalls, Vouch};
use crate::types::{Domain, MsgFlags, Protocol, SockFlags, Type};
use std::io;

const SOCKADDR_MAX_LEN: i32 = 128;

/// The socket API of one world.
///
/// `Os` is the kernel's; `Net` of `twinsock-sim` is one simulated process's; [`Any`](crate::Any) chooses at run time.
/// Sockets block or not as on Linux: that is a property of the socket (`O_NONBLOCK`) and of the call (`MSG_DONTWAIT`).
pub trait SocketApi: Clone + Send + Sync + 'static {
    /// Owns a descriptor: dropping it closes the descriptor.
    type Socket: Send + Sync + 'static;
    /// The system calls behind the methods.
    type Calls: Syscalls;

    /// The system calls of this world; `Vouch` says that only numbers the caller owns will be passed.
    fn calls(&self, vouch: Vouch) -> &Self::Calls;
    /// The descriptor's number, `fileno(3)`; -1 where `socket` is not of this world or process.
    fn fileno(&self, socket: &Self::Socket) -> RawFd;
    /// Takes ownership of a descriptor that a call has just returned.
    fn adopt(&self, fd: RawFd, vouch: Vouch) -> Self::Socket;
    /// Gives up ownership without closing.
    fn release(&self, socket: Self::Socket) -> RawFd;

    /// The addresses of `node` (a name or a literal address), each with `port`, `getaddrinfo(3)` for stream sockets.
    ///
    /// # Errors
    /// A name that does not resolve, as an `io::Error` without errno; or the errno of the failed look-up.
    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>>;

    /// Creates a socket, `socket(2)`.
    ///
    /// # Errors
    /// `EAFNOSUPPORT`, `EINVAL`, `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`: the combination does not exist. `EMFILE`, `ENFILE`: the
    /// table of descriptors is full. `ENOBUFS`, `ENOMEM`. `EACCES`.
    fn socket(&self, domain: Domain, kind: Type, flags: SockFlags, protocol: Protocol) -> Result<Self::Socket> {
        let kind = kind.raw() | (flags | SockFlags::CLOEXEC).raw();
        let fd = self.calls(Vouch::for_owned()).socket(domain.raw(), kind, protocol.raw())?;
        Ok(self.adopt(fd, Vouch::for_owned()))
    }

    /// Gives the socket a local address, `bind(2)`.
    ///
    /// # Errors
    /// `EADDRINUSE`, `EADDRNOTAVAIL`, `EINVAL` (bound already, or a bad length), `EACCES` (a privileged port), `EAFNOSUPPORT`.
    fn bind(&self, socket: &Self::Socket, addr: &SocketAddr) -> Result<()> {
        self.calls(Vouch::for_owned()).bind(self.fileno(socket), addr.encode()?.as_bytes())
    }

    /// Accepts a connection, `accept4(2)`: the new socket and the address of its other end.
    ///
    /// # Errors
    /// `EAGAIN` (nothing waits, and the socket does not block or its `SO_RCVTIMEO` ran out), `EINVAL` (not listening), `EMFILE`,
    /// `EOPNOTSUPP` (not a connection-oriented type), `EINTR`.
    fn accept(&self, socket: &Self::Socket, flags: SockFlags) -> Result<(Self::Socket, SocketAddr)> {
        let mut bytes = [0; SOCKADDR_MAX_BYTES];
        let mut len = SOCKADDR_MAX_LEN;
        let name = Name { bytes: &mut bytes, len: &mut len };
        let flags = (flags | SockFlags::CLOEXEC).raw();
        let fd = self.calls(Vouch::for_owned()).accept4(self.fileno(socket), Some(name), flags)?;
        let accepted = self.adopt(fd, Vouch::for_owned());
        Ok((accepted, decode_name(&bytes, len)?))
    }

    /// Sends data on a connected socket, `send(2)`; the answer may be less than the length of `data`.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `ECONNRESET`, `ENOTCONN`, `EDESTADDRREQ`, `EMSGSIZE`, `EINTR`, `ETIMEDOUT`, ...
    fn send(&self, socket: &Self::Socket, data: &[u8], flags: MsgFlags) -> Result<usize> {
        let flags = (flags | MsgFlags::NOSIGNAL).raw();
        self.calls(Vouch::for_owned()).send(self.fileno(socket), data, flags)
    }

    /// Receives data, `recv(2)`; 0 is the end of a stream.
    ///
    /// # Errors
    /// `EAGAIN`, `ECONNRESET`, `ENOTCONN`, `ECONNREFUSED`, `EINTR`, `ETIMEDOUT`, ...
    fn recv(&self, socket: &Self::Socket, into: &mut [u8], flags: MsgFlags) -> Result<usize> {
        self.calls(Vouch::for_owned()).recv(self.fileno(socket), into, flags.raw())
    }

    // CONTRACT: the remaining methods follow the same pattern (H1 writes them):
    // socketpair listen connect sendto sendmsg recvfrom recvmsg shutdown close dup getsockname getpeername
    // getsockopt/getsockopt_bytes setsockopt/setsockopt_bytes set_nonblocking nonblocking fionread siocatmark
    // poll select epoll_create epoll_ctl epoll_wait getaddrinfo
}

/// The address that a call stored in `bytes`, having said that it is `len` long.
fn decode_name(bytes: &[u8], len: i32) -> Result<SocketAddr> {
    let len = usize::try_from(len).unwrap_or(0).min(bytes.len());
    if len == 0 { Ok(SocketAddr::Unspec) } else { SocketAddr::decode(&bytes[..len]) }
}
