//! The raw calls of a world, for the few promises about descriptor numbers that no socket owns.

use super::Env;
use super::sock::Sock;
use twinsock::Result;
use twinsock::consts as c;
use twinsock::raw::{FdSet, PollFd, RawFd, Syscalls, Vouch};

fn calls<E: Env>(env: &E) -> &E::Calls {
    // SAFETY: the functions of this file pass numbers that nobody owns, and those of descriptors that they have made themselves.
    env.calls(unsafe { Vouch::new() })
}

/// High above the numbers that others get, and low enough for a set: nobody takes it once it is closed.
const HIGH: RawFd = 900;

/// A number above every limit on descriptors, so that it is nobody's.
pub const NEVER_OPEN: RawFd = i32::MAX;

/// `bind(2)` of a raw `sockaddr`.
pub fn bind<E: Env>(socket: &Sock<E>, addr: &[u8]) -> Result<()> {
    calls(&socket.env).bind(socket.fd(), addr)
}

/// `connect(2)` to a raw `sockaddr`.
pub fn connect<E: Env>(socket: &Sock<E>, addr: &[u8]) -> Result<()> {
    calls(&socket.env).connect(socket.fd(), addr)
}

/// What `accept4(2)` with raw flags makes: whether its descriptor is non-blocking, and whether exec closes it.
pub fn accepted_modes<E: Env>(listener: &Sock<E>, flags: i32) -> Result<(bool, bool)> {
    let calls = calls(&listener.env);
    let fd = calls.accept4(listener.fd(), None, flags)?;
    let nonblocking = calls.fcntl(fd, c::F_GETFL, 0)? & c::O_NONBLOCK != 0;
    let cloexec = calls.fcntl(fd, c::F_GETFD, 0)? & c::FD_CLOEXEC != 0;
    calls.close(fd)?;
    Ok((nonblocking, cloexec))
}

/// A number for the socket that no [`Sock`] owns, high above those that others get.
pub fn high_number<E: Env>(socket: &Sock<E>) -> RawFd {
    calls(&socket.env).fcntl(socket.fd(), c::F_DUPFD_CLOEXEC, HIGH).expect("a descriptor can be duplicated")
}

/// `accept(2)` of a [`high_number`].
pub fn accept<E: Env>(env: &E, fd: RawFd) -> Result<Sock<E>> {
    let accepted = calls(env).accept4(fd, None, c::SOCK_CLOEXEC)?;
    // SAFETY: the number is new, and this is its first owner.
    Ok(Sock::of(env, env.adopt(accepted, unsafe { Vouch::new() })))
}

/// `close(2)` of a [`high_number`].
pub fn close<E: Env>(env: &E, fd: RawFd) -> Result<()> {
    calls(env).close(fd)
}

/// `poll(2)`; the entries may name [`NEVER_OPEN`] and negative numbers only.
pub fn poll<E: Env>(env: &E, set: &mut [PollFd], timeout: i32) -> Result<usize> {
    assert!(set.iter().all(|entry| entry.fd == NEVER_OPEN || entry.fd < 0), "numbers that nobody owns");
    calls(env).poll(set, timeout)
}

/// `select(2)` for reading, of a number that was open and is no more.
pub fn select_of_a_closed_number<E: Env>(env: &E) -> Result<usize> {
    let [read, write] = calls(env).pipe2(c::O_CLOEXEC)?;
    let fd = calls(env).fcntl(read, c::F_DUPFD_CLOEXEC, HIGH)?;
    for end in [read, write, fd] {
        calls(env).close(end)?;
    }
    let mut set = FdSet::new();
    set.insert(fd);
    calls(env).select(fd + 1, [Some(&mut set), None, None], Some(0))
}

/// What each call on descriptors answers for a number that is not open.
pub fn calls_on_a_number_never_opened<E: Env>(env: &E) -> Vec<(&'static str, Result<()>)> {
    let (calls, fd) = (calls(env), NEVER_OPEN);
    let mut byte = [0];
    vec![
        ("bind", calls.bind(fd, &[0; 16])),
        ("listen", calls.listen(fd, 1)),
        ("accept4", calls.accept4(fd, None, 0).map(drop)),
        ("connect", calls.connect(fd, &[0; 16])),
        ("shutdown", calls.shutdown(fd, c::SHUT_RDWR)),
        ("send", calls.send(fd, b"x", 0).map(drop)),
        ("recv", calls.recv(fd, &mut byte, 0).map(drop)),
        ("read", calls.read(fd, &mut byte).map(drop)),
        ("write", calls.write(fd, b"x").map(drop)),
        ("setsockopt", calls.setsockopt(fd, c::SOL_SOCKET, c::SO_KEEPALIVE, &[1, 0, 0, 0])),
        ("getsockopt", calls.getsockopt(fd, c::SOL_SOCKET, c::SO_TYPE, &mut [0; 4], &mut 4)),
        ("fcntl", calls.fcntl(fd, c::F_GETFL, 0).map(drop)),
        ("ioctl", calls.ioctl(fd, 0x541B, &mut 0).map(drop)),
        ("dup", calls.dup(fd).map(drop)),
        ("close", calls.close(fd)),
    ]
}
