//! W7: what the API costs on the kernel: a byte sent and received over a pair of sockets through `Os`, by libc's functions called by hand, and
//! through std.

use super::{Done, Stopwatch};
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use twinsock::{Domain, MsgFlags, Os, Protocol, SockFlags, SocketApi, Type};

type Socket = <Os as SocketApi>::Socket;

/// A pair of the kernel's stream sockets, through which a byte goes.
#[derive(Debug)]
pub struct Pair {
    one: Socket,
    other: Socket,
}

impl Pair {
    /// Makes the sockets.
    ///
    /// # Panics
    /// If there is no descriptor left.
    #[must_use]
    pub fn new() -> Pair {
        let made = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT);
        let (one, other) = made.expect("there are descriptors for two sockets");
        Pair { one, other }
    }

    /// A byte sent and received through [`Os`].
    ///
    /// # Panics
    /// If the byte does not come out.
    #[inline]
    pub fn through_os(&self) {
        let mut byte = [0];
        let sent = Os.send(black_box(&self.one), &[7], MsgFlags::NONE);
        let received = Os.recv(black_box(&self.other), &mut byte, MsgFlags::NONE);
        assert_eq!((sent, received), (Ok(1), Ok(1)), "the byte goes there and comes out");
    }

    /// The same two system calls by libc's functions.
    ///
    /// # Panics
    /// If the byte does not come out.
    #[inline]
    pub fn through_libc(&self) {
        let byte = [7_u8];
        let mut into = [0_u8];
        // SAFETY: the pointer and the length are those of `byte`, which lives on.
        let sent = unsafe { libc::send(black_box(&self.one).as_raw_fd(), byte.as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
        // SAFETY: the pointer and the length are those of `into`, which lives on.
        let received = unsafe { libc::recv(black_box(&self.other).as_raw_fd(), into.as_mut_ptr().cast(), 1, 0) };
        assert_eq!((sent, received), (1, 1), "the byte goes there and comes out");
    }

    /// So many bytes, one after the other, by one of the ways.
    pub fn batch(&self, count: u64, through: impl Fn(&Pair)) -> Done {
        let watch = Stopwatch::start();
        for _ in 0..count {
            through(self);
        }
        Done { count, taken: watch.elapsed() }
    }
}

impl Default for Pair {
    fn default() -> Pair {
        Pair::new()
    }
}

/// A pair of std's.
#[derive(Debug)]
pub struct StdPair(UnixStream, UnixStream);

impl StdPair {
    /// Makes the sockets.
    ///
    /// # Panics
    /// If there is no descriptor left.
    #[must_use]
    pub fn new() -> StdPair {
        let (one, other) = UnixStream::pair().expect("there are descriptors for two sockets");
        StdPair(one, other)
    }

    /// A byte written and read through std.
    ///
    /// # Panics
    /// If the byte does not come out.
    #[inline]
    pub fn through_std(&self) {
        let mut byte = [0];
        let sent = black_box(&mut &self.0).write(&[7]).expect("there is room");
        let received = black_box(&mut &self.1).read(&mut byte).expect("there is a byte");
        assert_eq!((sent, received), (1, 1), "the byte goes there and comes out");
    }

    /// So many bytes, one after the other.
    pub fn batch(&self, count: u64) -> Done {
        let watch = Stopwatch::start();
        for _ in 0..count {
            self.through_std();
        }
        Done { count, taken: watch.elapsed() }
    }
}

impl Default for StdPair {
    fn default() -> StdPair {
        StdPair::new()
    }
}
