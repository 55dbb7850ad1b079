//! The raw calls of a world, for the few promises about descriptor numbers that no socket owns.

use super::Env;
use super::sock::Sock;
use std::sync::atomic::{AtomicI32, Ordering};
use twinsock::Result;
use twinsock::consts as c;
use twinsock::raw::{FdSet, Name, PollFd, RawFd, Syscalls, Vouch};

fn calls<E: Env>(env: &E) -> &E::Calls {
    // SAFETY: the functions of this file pass numbers that nobody owns, those of descriptors that they have made themselves, and those
    // of sockets that they borrow, which they leave open.
    env.calls(unsafe { Vouch::new() })
}

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

/// A number for the socket that no [`Sock`] owns and nobody else gets.
pub fn high_number<E: Env>(socket: &Sock<E>) -> RawFd {
    calls(&socket.env).dup3(socket.fd(), next_high(), c::O_CLOEXEC).expect("a descriptor can be duplicated")
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
    let fd = pipe_end(env)?;
    calls(env).close(fd)?;
    let mut set = FdSet::new();
    set.insert(fd);
    calls(env).select(fd + 1, [Some(&mut set), None, None], Some(0))
}

/// Opens a number that nobody else gets meanwhile, and closes it: what the second close answers, and each call on the number.
pub fn calls_on_a_closed_number<E: Env>(env: &E) -> Vec<(&'static str, Result<()>)> {
    let calls = calls(env);
    let fd = pipe_end(env).expect("a descriptor can be made");
    assert_eq!(calls.close(fd), Ok(()));
    let mut answers = calls_on(calls, fd);
    answers.push(("close", calls.close(fd)));
    answers
}

/// What the calls on sockets answer for a descriptor that is not one.
pub fn socket_calls_on_a_pipe<E: Env>(env: &E) -> Vec<(&'static str, Result<()>)> {
    const OF_FILES: [&str; 6] = ["read", "write", "fcntl", "ioctl", "dup", "poll"];
    let calls = calls(env);
    let fd = pipe_end(env).expect("a descriptor can be made");
    let answers = calls_on(calls, fd).into_iter().filter(|(call, _)| !OF_FILES.contains(call)).collect();
    assert_eq!(calls.close(fd), Ok(()));
    answers
}

/// `poll(2)` of a number that was open and is no more.
pub fn poll_of_a_closed_number<E: Env>(env: &E) -> (Result<usize>, PollFd) {
    let fd = pipe_end(env).expect("a descriptor can be made");
    assert_eq!(calls(env).close(fd), Ok(()));
    let mut set = [PollFd { fd, events: 0, revents: 0 }];
    (calls(env).poll(&mut set, -1), set[0])
}

/// What the calls on files answer for a descriptor that nobody else has, which is closed then: read, a read of nothing, write, recv, ioctl
/// with FIONREAD, and the events of poll.
pub fn calls_on_a_file<E: Env>(env: &E, fd: RawFd) -> ([Result<()>; 5], i16) {
    let calls = calls(env);
    let answers = [
        calls.read(fd, &mut [0]).map(drop),
        calls.read(fd, &mut []).map(drop),
        calls.write(fd, b"x").map(drop),
        calls.recv(fd, &mut [0], 0).map(drop),
        calls.ioctl(fd, 0x541B, &mut 0).map(drop),
    ];
    let mut set = [PollFd { fd, events: POLLIN | 0x2 | POLLOUT, revents: 0 }];
    calls.poll(&mut set, 0).expect("poll answers");
    calls.close(fd).expect("the descriptor is open");
    (answers, set[0].revents)
}

/// `POLLIN` and `POLLOUT` as `struct pollfd` has them.
pub const POLLIN: i16 = 0x1;
pub const POLLOUT: i16 = 0x4;

/// The reading end of a pipe, with a number that nobody else gets.
fn pipe_end<E: Env>(env: &E) -> Result<RawFd> {
    let [read, write] = calls(env).pipe2(c::O_CLOEXEC)?;
    let fd = calls(env).dup3(read, next_high(), c::O_CLOEXEC)?;
    calls(env).close(read)?;
    calls(env).close(write)?;
    Ok(fd)
}

/// A number above those that others get and low enough for [`FdSet`], each time another one: promises are kept at the same time, and
/// nobody takes it once it is closed.
fn next_high() -> RawFd {
    static NEXT: AtomicI32 = AtomicI32::new(0);
    900 + NEXT.fetch_add(1, Ordering::Relaxed) % 100
}

/// What each call on descriptors but close answers for a number.
fn calls_on(calls: &(impl Syscalls + ?Sized), fd: RawFd) -> Vec<(&'static str, Result<()>)> {
    let (mut byte, mut name, mut len) = ([0], [0; 128], 0);
    vec![
        ("bind", calls.bind(fd, &[0; 16])),
        ("listen", calls.listen(fd, 1)),
        ("accept4", calls.accept4(fd, None, 0).map(drop)),
        ("connect", calls.connect(fd, &[0; 16])),
        ("shutdown", calls.shutdown(fd, c::SHUT_RDWR)),
        ("getsockname", calls.getsockname(fd, Name { bytes: &mut name, len: &mut len })),
        ("getpeername", calls.getpeername(fd, Name { bytes: &mut name, len: &mut len })),
        ("send", calls.send(fd, b"x", 0).map(drop)),
        ("sendto", calls.sendto(fd, b"x", 0, None).map(drop)),
        ("recv", calls.recv(fd, &mut byte, 0).map(drop)),
        ("recvfrom", calls.recvfrom(fd, &mut byte, 0, None).map(drop)),
        ("read", calls.read(fd, &mut byte).map(drop)),
        ("write", calls.write(fd, b"x").map(drop)),
        ("setsockopt", calls.setsockopt(fd, c::SOL_SOCKET, c::SO_KEEPALIVE, &[1, 0, 0, 0])),
        ("getsockopt", calls.getsockopt(fd, c::SOL_SOCKET, c::SO_TYPE, &mut [0; 4], &mut 4)),
        ("fcntl", calls.fcntl(fd, c::F_GETFL, 0).map(drop)),
        ("ioctl", calls.ioctl(fd, 0x541B, &mut 0).map(drop)),
        ("dup", calls.dup(fd).map(drop)),
    ]
}

/// `read(2)` with room for nothing.
pub fn read_nothing<E: Env>(socket: &Sock<E>) -> Result<usize> {
    calls(&socket.env).read(socket.fd(), &mut [])
}

/// `send(2)` with exactly these flags: [`SocketApi`](twinsock::SocketApi) adds `MSG_NOSIGNAL`.
pub fn send<E: Env>(socket: &Sock<E>, data: &[u8], flags: i32) -> Result<usize> {
    calls(&socket.env).send(socket.fd(), data, flags)
}

/// `recv(2)` of up to nine bytes from whatever the number stands for at the moment.
pub fn recv<E: Env>(env: &E, fd: RawFd) -> Result<Vec<u8>> {
    let mut bytes = [0; 9];
    let count = calls(env).recv(fd, &mut bytes, 0)?;
    Ok(bytes[..count].to_vec())
}

/// `shutdown(2)` with any number for a direction.
pub fn shutdown<E: Env>(socket: &Sock<E>, how: i32) -> Result<()> {
    calls(&socket.env).shutdown(socket.fd(), how)
}

/// Whether a descriptor is closed by execve(2), `fcntl(2)` with `F_GETFD`.
pub fn closes_on_exec<E: Env>(socket: &Sock<E>) -> bool {
    calls(&socket.env).fcntl(socket.fd(), c::F_GETFD, 0).expect("an open descriptor has flags") & c::FD_CLOEXEC != 0
}

/// Whether a number is an open descriptor.
pub fn is_open<E: Env>(env: &E, fd: RawFd) -> bool {
    calls(env).fcntl(fd, c::F_GETFD, 0).is_ok()
}

/// `select(2)` for reading with a timeout in microseconds, which may be negative.
pub fn select_for<E: Env>(socket: &Sock<E>, micros: i64) -> Result<usize> {
    let mut set = FdSet::new();
    assert!(set.insert(socket.fd()), "the number is below FD_SETSIZE");
    calls(&socket.env).select(socket.fd() + 1, [Some(&mut set), None, None], Some(micros))
}
