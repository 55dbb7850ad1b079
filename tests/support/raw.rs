//! The raw calls of a world, for the few promises about descriptor numbers that no socket owns.

use super::Env;
use twinsock::Result;
use twinsock::consts as c;
use twinsock::raw::{FdSet, PollFd, RawFd, Syscalls, Vouch};

fn calls<E: Env>(env: &E) -> &E::Calls {
    // SAFETY: the functions of this file pass numbers that nobody owns, and those of descriptors that they have made themselves.
    env.calls(unsafe { Vouch::new() })
}

/// A number above every limit on descriptors, so that it is nobody's.
pub const NEVER_OPEN: RawFd = i32::MAX;

/// `poll(2)`; the entries may name [`NEVER_OPEN`] and negative numbers only.
pub fn poll<E: Env>(env: &E, set: &mut [PollFd], timeout: i32) -> Result<usize> {
    assert!(set.iter().all(|entry| entry.fd == NEVER_OPEN || entry.fd < 0), "numbers that nobody owns");
    calls(env).poll(set, timeout)
}

/// `select(2)` for reading, of a number that was open and is no more.
pub fn select_of_a_closed_number<E: Env>(env: &E) -> Result<usize> {
    // High above the numbers that others get, and low enough for a set: nobody takes it between close and select.
    const HIGH: RawFd = 900;
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
