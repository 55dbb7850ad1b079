//! What raw calls are given and give back besides numbers and bytes: addresses with their room, message headers, sets of descriptors.

use super::RawFd;
use std::io::{IoSlice, IoSliceMut};

/// A value-result address argument: where an address goes, and its `socklen_t`.
///
/// `len` says on entry how much room is claimed (the kernel answers EINVAL to a negative one; one larger than `bytes` is
/// EFAULT) and holds afterwards the full length of the address, which may exceed what was stored.
///
/// ```
/// # use twinsock::{consts::*, raw::*};
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
/// let (mut bytes, mut len) = ([0; 128], 128);
/// net.getsockname(fd, Name { bytes: &mut bytes, len: &mut len }).unwrap();
/// assert_eq!(len, 16, "sizeof(struct sockaddr_in)");
/// # }); }).unwrap();
/// ```
#[derive(Debug)]
pub struct Name<'a> {
    /// Where the address is stored.
    pub bytes: &'a mut [u8],
    /// Room claimed, then length of the address.
    pub len: &'a mut i32,
}

/// What `sendmsg(2)` is given.
///
/// ```
/// # use twinsock::{consts::*, raw::*};
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// use std::io::IoSlice;
/// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
/// let iov = [IoSlice::new(b"hello, "), IoSlice::new(b"world")];
/// let hdr = SendHdr { name: None, iov: &iov, control: &[] };
/// assert_eq!(net.sendmsg(a, &hdr, 0), Ok(12));
/// # let _ = b;
/// # }); }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SendHdr<'a> {
    /// Destination address, or `None` for a null pointer.
    pub name: Option<&'a [u8]>,
    /// The data, gathered.
    pub iov: &'a [IoSlice<'a>],
    /// Control messages, `cmsg(3)`.
    pub control: &'a [u8],
}

/// What `recvmsg(2)` is given and fills in.
///
/// ```
/// # use twinsock::{consts::*, raw::*};
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// use std::io::IoSliceMut;
/// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
/// net.send(a, b"hello", 0).unwrap();
/// let mut room = [0; 8];
/// let mut iov = [IoSliceMut::new(&mut room)];
/// let mut hdr = RecvHdr { name: &mut [], name_len: 0, iov: &mut iov, control: &mut [], control_len: 0, flags: 0 };
/// assert_eq!(net.recvmsg(b, &mut hdr, 0), Ok(5));
/// # }); }).unwrap();
/// ```
#[derive(Debug)]
pub struct RecvHdr<'a, 'b> {
    /// Where the source address goes.
    pub name: &'a mut [u8],
    /// After the call: the length of the source address.
    pub name_len: usize,
    /// Where the data goes, scattered.
    pub iov: &'a mut [IoSliceMut<'b>],
    /// Where control messages go.
    pub control: &'a mut [u8],
    /// After the call: how many bytes of control messages came.
    pub control_len: usize,
    /// After the call: `msg_flags`.
    pub flags: i32,
}

/// An entry of `poll(2)`'s set.
///
/// ```
/// # use twinsock::{consts::*, raw::*};
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
/// let mut fds = [PollFd { fd: a, events: 4, revents: 0 }]; // POLLOUT
/// assert_eq!((net.poll(&mut fds, -1), fds[0].revents), (Ok(1), 4));
/// # let _ = b;
/// # }); }).unwrap();
/// ```
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollFd {
    /// The descriptor; a negative one is ignored.
    pub fd: RawFd,
    /// `POLL*` bits asked for.
    pub events: i16,
    /// `POLL*` bits answered.
    pub revents: i16,
}

/// An `epoll_event`.
///
/// ```
/// # use twinsock::{consts::*, raw::*};
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
/// let epfd = net.epoll_create1(0).unwrap();
/// net.epoll_ctl(epfd, EPOLL_CTL_ADD, a, Some(EpollEvent { events: 4, data: 7 })).unwrap();
/// let mut events = [EpollEvent::default(); 8];
/// assert_eq!((net.epoll_wait(epfd, &mut events, -1), events[0].data), (Ok(1), 7));
/// # let _ = b;
/// # }); }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EpollEvent {
    /// `EPOLL*` bits.
    pub events: u32,
    /// The caller's own word, returned as given.
    pub data: u64,
}

/// How many descriptors a [`FdSet`] can name, `FD_SETSIZE`.
pub const FD_SETSIZE: usize = 1024;

/// A set of descriptors for `select(2)`.
///
/// ```
/// use twinsock::raw::FdSet;
/// let mut set = FdSet::new();
/// assert!(set.insert(3) && !set.insert(1024));
/// assert!(set.contains(3) && !set.contains(4));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdSet {
    bits: [u64; FD_SETSIZE / 64],
}

impl Default for FdSet {
    fn default() -> FdSet {
        FdSet::new()
    }
}

impl FdSet {
    /// The empty set, `FD_ZERO`.
    ///
    /// ```
    /// use twinsock::raw::FdSet;
    /// assert_eq!(FdSet::new(), FdSet::default());
    /// ```
    #[must_use]
    pub const fn new() -> FdSet {
        FdSet { bits: [0; FD_SETSIZE / 64] }
    }

    /// Adds `fd`, `FD_SET`; a number that a set cannot hold (negative, or `FD_SETSIZE` and above) is left out, answer `false`.
    ///
    /// ```
    /// use twinsock::raw::{FD_SETSIZE, FdSet};
    /// assert!(FdSet::new().insert(1023) && FD_SETSIZE == 1024);
    /// assert!(!FdSet::new().insert(-1));
    /// ```
    pub fn insert(&mut self, fd: RawFd) -> bool {
        let Some(index) = FdSet::index(fd) else { return false };
        self.bits[index / 64] |= 1 << (index % 64);
        true
    }

    /// Removes `fd`, `FD_CLR`.
    ///
    /// ```
    /// use twinsock::raw::FdSet;
    /// let mut set = FdSet::new();
    /// set.insert(3);
    /// set.remove(3);
    /// assert_eq!(set, FdSet::new());
    /// ```
    pub fn remove(&mut self, fd: RawFd) {
        if let Some(index) = FdSet::index(fd) {
            self.bits[index / 64] &= !(1 << (index % 64));
        }
    }

    /// Whether `fd` is in the set, `FD_ISSET`.
    ///
    /// ```
    /// use twinsock::raw::FdSet;
    /// assert!(!FdSet::new().contains(3));
    /// ```
    #[must_use]
    pub fn contains(&self, fd: RawFd) -> bool {
        FdSet::index(fd).is_some_and(|index| self.bits[index / 64] & (1 << (index % 64)) != 0)
    }

    /// The 64-bit words of the set, lowest descriptors first, as the kernel takes them on a 64-bit machine.
    ///
    /// ```
    /// use twinsock::raw::FdSet;
    /// let mut set = FdSet::new();
    /// set.insert(65);
    /// assert_eq!(set.words()[..2], [0, 2]);
    /// ```
    #[must_use]
    pub fn words(&self) -> &[u64; FD_SETSIZE / 64] {
        &self.bits
    }

    /// The words, to be written by the kernel.
    ///
    /// ```
    /// use twinsock::raw::FdSet;
    /// let mut set = FdSet::new();
    /// set.words_mut()[0] = 0b101;
    /// assert!(set.contains(0) && set.contains(2));
    /// ```
    pub fn words_mut(&mut self) -> &mut [u64; FD_SETSIZE / 64] {
        &mut self.bits
    }

    fn index(fd: RawFd) -> Option<usize> {
        usize::try_from(fd).ok().filter(|index| *index < FD_SETSIZE)
    }
}
