//! [`Os`]: the kernel's sockets, threads, clocks and randomness. One line per method; `syscalls.rs` makes the calls.

mod fd;
mod sync;
mod syscalls;
#[cfg(test)]
mod tests;

pub use syscalls::OsCalls;

use crate::api::SocketApi;
use crate::env::{Clock, Entropy, Instant, JoinThread, Spawn};
use crate::errno::{Errno, Result};
use crate::poll::{PollFd, timeout_millis};
use crate::raw::{RawFd, Syscalls, Vouch};
use std::io;
use std::net::ToSocketAddrs;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// The real world: this process, on this machine's kernel.
///
/// Of size 0, so that `Socket<Os>` is a descriptor and nothing else; each method of [`SocketApi`] is one libc call.
///
/// ```
/// use twinsock::{Clock, Os, net::TcpListener};
/// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
/// println!("{:?} listening on {}", Os.now(), listener.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Os;

impl SocketApi for Os {
    type Socket = OwnedFd;
    type Calls = OsCalls;

    #[inline]
    fn calls(&self, _vouch: Vouch<Os>) -> &OsCalls {
        &syscalls::CALLS
    }

    #[inline]
    fn fileno(&self, socket: &OwnedFd) -> RawFd {
        socket.as_raw_fd()
    }

    #[inline]
    fn adopt(&self, fd: RawFd, _vouch: Vouch<Os>) -> OwnedFd {
        syscalls::own(fd)
    }

    #[inline]
    fn release(&self, socket: OwnedFd) -> RawFd {
        socket.into_raw_fd()
    }

    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>> {
        Ok((node, port).to_socket_addrs()?.collect())
    }

    /// In place: `PollFd` is a `pollfd`.
    #[inline]
    fn poll(&self, fds: &mut [PollFd<'_, OwnedFd>], timeout: Option<Duration>) -> Result<usize> {
        syscalls::CALLS.poll(syscalls::raw_entries(fds), timeout_millis(timeout))
    }
}

impl Clock for Os {
    #[inline]
    fn now(&self) -> Instant {
        Instant::from_nanos(syscalls::monotonic_nanos())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

impl Spawn for Os {
    type Join<T: Send + 'static> = JoinHandle<T>;

    /// # Panics
    /// If the kernel has no thread to give, as `std::thread::spawn` does.
    fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        std::thread::spawn(body)
    }
}

impl<T: Send + 'static> JoinThread<T> for JoinHandle<T> {
    fn join(self) -> std::thread::Result<T> {
        JoinHandle::join(self)
    }
}

impl Entropy for Os {
    /// # Panics
    /// On a kernel without `getrandom(2)` (before Linux 3.17), or where a sandbox forbids it.
    fn fill(&self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match syscalls::getrandom(rest) {
                Ok(count) => rest = &mut rest[count..],
                Err(Errno::INTR) => {}
                Err(errno) => panic!("getrandom(2): {errno}"),
            }
        }
    }
}
