//! What `poll`, `select` and `epoll` are asked about: entries and sets that borrow their sockets.

use crate::api::SocketApi;
use crate::raw::{self, EpollEvent, FdSet, RawFd};
use crate::types::{EpollFlags, PollEvents};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// An entry of [`SocketApi::poll`]'s set: a socket, what is asked, and the answer. Made by [`SocketApi::poll_entry`].
///
/// ```
/// use twinsock::*;
/// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
/// let mut fds = [Os.poll_entry(&a, PollEvents::IN | PollEvents::OUT)];
/// Os.poll(&mut fds, None)?;
/// assert_eq!(fds[0].revents(), PollEvents::OUT);
/// # drop(b);
/// # Ok::<(), Errno>(())
/// ```
#[repr(transparent)]
pub struct PollFd<'a, S> {
    entry: raw::PollFd,
    socket: PhantomData<&'a S>,
}

impl<S> Clone for PollFd<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for PollFd<'_, S> {}

impl<S> fmt::Debug for PollFd<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PollFd({}, {:?} -> {:?})", self.entry.fd, self.events(), self.revents())
    }
}

impl<'a, S> PollFd<'a, S> {
    pub(crate) fn new<A: SocketApi<Socket = S>>(api: &A, socket: &'a S, events: PollEvents) -> PollFd<'a, S> {
        let entry = raw::PollFd { fd: api.fileno(socket), events: low_bits(events), revents: 0 };
        PollFd { entry, socket: PhantomData }
    }

    /// What is asked.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert_eq!(Os.poll_entry(&socket, PollEvents::IN).events(), PollEvents::IN);
    /// # Ok::<(), Errno>(())
    /// ```
    #[must_use]
    pub fn events(&self) -> PollEvents {
        from_low_bits(self.entry.events)
    }

    /// Asks for something else.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// let mut entry = Os.poll_entry(&socket, PollEvents::IN);
    /// entry.set_events(PollEvents::OUT);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn set_events(&mut self, events: PollEvents) {
        self.entry.events = low_bits(events);
    }

    /// What the last call answered: events that were asked for, and `ERR`, `HUP` and `NVAL`, which always are.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// drop(b);
    /// let mut fds = [Os.poll_entry(&a, PollEvents::IN)];
    /// Os.poll(&mut fds, None)?;
    /// assert!(fds[0].revents().contains(PollEvents::IN | PollEvents::HUP));
    /// # Ok::<(), Errno>(())
    /// ```
    #[must_use]
    pub fn revents(&self) -> PollEvents {
        from_low_bits(self.entry.revents)
    }

    pub(crate) fn raw(&self) -> raw::PollFd {
        self.entry
    }

    pub(crate) fn set_raw_revents(&mut self, revents: i16) {
        self.entry.revents = revents;
    }
}

/// `poll(2)` has 16 bits for events; higher ones do not exist and are left out.
fn low_bits(events: PollEvents) -> i16 {
    let [a, b, ..] = events.raw().to_le_bytes();
    i16::from_le_bytes([a, b])
}

fn from_low_bits(events: i16) -> PollEvents {
    PollEvents::from_raw(i32::from(events.cast_unsigned()))
}

/// A set of sockets for [`SocketApi::select`].
///
/// It holds sockets whose number is below 1024 (`FD_SETSIZE`); for others there is `poll`.
///
/// ```
/// use twinsock::{Domain, MsgFlags, Os, Protocol, SelectSet, SockFlags, SocketApi, Type};
///
/// let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
/// Os.send(&a, b"x", MsgFlags::NONE)?;
/// let mut read = SelectSet::new();
/// assert!(read.insert(&Os, &a) && read.insert(&Os, &b));
/// assert_eq!(Os.select(Some(&mut read), None, None, None)?, 1);
/// assert!(read.contains(&Os, &b) && !read.contains(&Os, &a));
/// # Ok::<(), twinsock::Errno>(())
/// ```
pub struct SelectSet<'a, S> {
    fds: FdSet,
    /// The largest number ever inserted, plus 1.
    pub(crate) nfds: RawFd,
    sockets: PhantomData<&'a S>,
}

impl<S> Clone for SelectSet<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for SelectSet<'_, S> {}

impl<S> Default for SelectSet<'_, S> {
    fn default() -> Self {
        SelectSet::new()
    }
}

impl<S> fmt::Debug for SelectSet<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..self.nfds).filter(|fd| self.fds.contains(*fd))).finish()
    }
}

impl<'a, S> SelectSet<'a, S> {
    /// The empty set.
    ///
    /// ```
    /// use twinsock::SelectSet;
    /// let mut read = SelectSet::<()>::new();
    /// # let _ = &mut read;
    /// ```
    #[must_use]
    pub const fn new() -> SelectSet<'a, S> {
        SelectSet { fds: FdSet::new(), nfds: 0, sockets: PhantomData }
    }

    /// Adds a socket, `FD_SET`; `false` if its number is one that a set cannot hold.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// let mut read = SelectSet::new();
    /// assert!(read.insert(&Os, &socket));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn insert<A: SocketApi<Socket = S>>(&mut self, api: &A, socket: &'a S) -> bool {
        let fd = api.fileno(socket);
        let held = self.fds.insert(fd);
        if held {
            self.nfds = self.nfds.max(fd + 1);
        }
        held
    }

    pub(crate) fn fds_mut(&mut self) -> &mut FdSet {
        &mut self.fds
    }

    /// Removes a socket, `FD_CLR`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// # let mut read = SelectSet::new();
    /// read.insert(&Os, &socket);
    /// read.remove(&Os, &socket);
    /// assert!(!read.contains(&Os, &socket));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn remove<A: SocketApi<Socket = S>>(&mut self, api: &A, socket: &S) {
        self.fds.remove(api.fileno(socket));
    }

    /// Whether a socket is in the set, `FD_ISSET`; after the call: whether it is ready.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert!(!SelectSet::new().contains(&Os, &socket));
    /// # Ok::<(), Errno>(())
    /// ```
    #[must_use]
    pub fn contains<A: SocketApi<Socket = S>>(&self, api: &A, socket: &S) -> bool {
        self.fds.contains(api.fileno(socket))
    }
}

/// What [`SocketApi::epoll_ctl`] does to the interest list.
///
/// ```
/// # use twinsock::*;
/// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
/// use twinsock::raw::EpollEvent;
/// let epoll = Os.epoll_create()?;
/// Os.epoll_ctl(&epoll, EpollOp::Add(EpollEvent::new(EpollFlags::IN | EpollFlags::ET, 1)), &socket)?;
/// # Ok::<(), Errno>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpollOp {
    /// `EPOLL_CTL_ADD`: enters the socket.
    Add(EpollEvent),
    /// `EPOLL_CTL_MOD`: changes what is asked, and the word that is answered.
    Modify(EpollEvent),
    /// `EPOLL_CTL_DEL`: takes the socket out.
    Delete,
}

impl EpollEvent {
    /// An event from its flags and the word that comes back with it.
    ///
    /// ```
    /// use twinsock::{EpollFlags, raw::EpollEvent};
    /// let event = EpollEvent::new(EpollFlags::IN, 7);
    /// assert_eq!(event.data, 7);
    /// ```
    #[must_use]
    pub const fn new(flags: EpollFlags, data: u64) -> EpollEvent {
        EpollEvent { events: flags.raw().cast_unsigned(), data }
    }

    /// The flags.
    ///
    /// ```
    /// use twinsock::{EpollFlags, raw::EpollEvent};
    /// assert_eq!(EpollEvent::new(EpollFlags::IN, 7).flags(), EpollFlags::IN);
    /// ```
    #[must_use]
    pub const fn flags(&self) -> EpollFlags {
        EpollFlags::from_raw(self.events.cast_signed())
    }
}

/// A limit in milliseconds for `poll(2)` and `epoll_wait(2)`, rounded up so that no wait is too short; -1 for none.
pub(crate) fn timeout_millis(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |time| i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}

/// A limit in microseconds for `select(2)`, rounded up.
pub(crate) fn timeout_micros(timeout: Option<Duration>) -> Option<i64> {
    timeout.map(|time| i64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX))
}
