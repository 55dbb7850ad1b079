//! The small types of the socket API: domain, type, protocol, flags, masks. Each is a number of Linux's under a name.

use crate::consts as c;
use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

macro_rules! number_type {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $value:expr;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(i32);

        impl $name {
            $($(#[$doc])* pub const $variant: $name = $name($value);)*

            /// The value of this raw number, known or not; the kernel judges it.
            ///
            /// ```
            /// use twinsock::{Domain, consts};
            /// assert_eq!(Domain::from_raw(consts::AF_INET), Domain::INET);
            /// ```
            #[must_use]
            pub const fn from_raw(raw: i32) -> $name { $name(raw) }

            /// The raw number.
            ///
            /// ```
            /// use twinsock::{Domain, consts};
            /// assert_eq!(Domain::INET.raw(), consts::AF_INET);
            /// ```
            #[must_use]
            pub const fn raw(self) -> i32 { self.0 }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(if self.0 == $value { return f.write_str(stringify!($variant)); })*
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

macro_rules! flag_type {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $flag:ident = $value:expr;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(i32);

        impl $name {
            /// No flag.
            pub const NONE: $name = $name(0);
            $($(#[$doc])* pub const $flag: $name = $name($value);)*

            /// The flags of these raw bits, known or not; the kernel judges them.
            ///
            /// ```
            /// use twinsock::{MsgFlags, consts};
            /// assert_eq!(MsgFlags::from_raw(consts::MSG_PEEK), MsgFlags::PEEK);
            /// ```
            #[must_use]
            pub const fn from_raw(raw: i32) -> $name { $name(raw) }

            /// The raw bits.
            ///
            /// ```
            /// use twinsock::{MsgFlags, consts};
            /// assert_eq!((MsgFlags::PEEK | MsgFlags::DONTWAIT).raw(), consts::MSG_PEEK | consts::MSG_DONTWAIT);
            /// ```
            #[must_use]
            pub const fn raw(self) -> i32 { self.0 }

            /// Whether all bits of `other` are set here.
            ///
            /// ```
            /// use twinsock::PollEvents;
            /// let events = PollEvents::IN | PollEvents::HUP;
            /// assert!(events.contains(PollEvents::HUP) && !events.contains(PollEvents::HUP | PollEvents::ERR));
            /// ```
            #[must_use]
            pub const fn contains(self, other: $name) -> bool { self.0 & other.0 == other.0 }

            /// Whether any bit of `other` is set here.
            ///
            /// ```
            /// use twinsock::PollEvents;
            /// let events = PollEvents::IN | PollEvents::HUP;
            /// assert!(events.intersects(PollEvents::HUP | PollEvents::ERR));
            /// ```
            #[must_use]
            pub const fn intersects(self, other: $name) -> bool { self.0 & other.0 != 0 }

            /// These flags without those of `other`.
            ///
            /// ```
            /// use twinsock::PollEvents;
            /// assert_eq!((PollEvents::IN | PollEvents::OUT).without(PollEvents::OUT), PollEvents::IN);
            /// ```
            #[must_use]
            pub const fn without(self, other: $name) -> $name { $name(self.0 & !other.0) }

            /// Whether no bit is set.
            ///
            /// ```
            /// use twinsock::PollEvents;
            /// assert!(PollEvents::NONE.is_empty() && !PollEvents::IN.is_empty());
            /// ```
            #[must_use]
            pub const fn is_empty(self) -> bool { self.0 == 0 }
        }

        impl BitOr for $name {
            type Output = $name;
            fn bitor(self, other: $name) -> $name { $name(self.0 | other.0) }
        }

        impl BitOrAssign for $name {
            fn bitor_assign(&mut self, other: $name) { self.0 |= other.0; }
        }

        impl BitAnd for $name {
            type Output = $name;
            fn bitand(self, other: $name) -> $name { $name(self.0 & other.0) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut rest = self.0;
                let mut first = true;
                $(if $value != 0 && rest & $value == $value {
                    if !first { f.write_str("|")?; }
                    f.write_str(stringify!($flag))?;
                    rest &= !$value;
                    first = false;
                })*
                if rest != 0 || first {
                    if !first { f.write_str("|")?; }
                    write!(f, "{rest:#x}")?;
                }
                Ok(())
            }
        }
    };
}

number_type! {
    /// A protocol family, `socket(2)`'s first argument.
    ///
    /// ```
    /// use twinsock::{Domain, Os, Protocol, Socket, Type};
    /// let socket = Socket::new(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT);
    /// assert!(socket.is_ok());
    /// ```
    Domain {
        /// IPv4, `ip(7)`.
        INET = c::AF_INET;
        /// IPv6, `ipv6(7)`.
        INET6 = c::AF_INET6;
        /// Local sockets, `unix(7)`.
        UNIX = c::AF_UNIX;
    }
}

number_type! {
    /// A socket type, `socket(2)`'s second argument.
    ///
    /// ```
    /// use twinsock::{Domain, Os, Protocol, Socket, Type, option};
    /// let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// assert_eq!(socket.option(option::SO_TYPE)?, Type::DGRAM);
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    Type {
        /// A stream of bytes.
        STREAM = c::SOCK_STREAM;
        /// Datagrams.
        DGRAM = c::SOCK_DGRAM;
        /// Records over a connection.
        SEQPACKET = c::SOCK_SEQPACKET;
    }
}

number_type! {
    /// A protocol, `socket(2)`'s third argument.
    ///
    /// ```
    /// use twinsock::{Domain, Os, Protocol, Socket, Type, option};
    /// let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(socket.option(option::SO_PROTOCOL)?, Protocol::TCP);
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    Protocol {
        /// The family's usual protocol for the type.
        DEFAULT = 0;
        /// `tcp(7)`.
        TCP = c::IPPROTO_TCP;
        /// `udp(7)`.
        UDP = c::IPPROTO_UDP;
    }
}

flag_type! {
    /// What a new descriptor may carry from its birth: `SOCK_*` of `socket(2)` and `accept4(2)`.
    ///
    /// ```
    /// use twinsock::{Domain, Os, Protocol, SockFlags, SocketApi, Type};
    /// let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONBLOCK, Protocol::TCP)?;
    /// assert!(Os.nonblocking(&socket)?);
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    SockFlags {
        /// `SOCK_NONBLOCK`.
        NONBLOCK = c::SOCK_NONBLOCK;
        /// `SOCK_CLOEXEC`.
        CLOEXEC = c::SOCK_CLOEXEC;
    }
}

flag_type! {
    /// `MSG_*` flags of `send(2)` and `recv(2)`.
    ///
    /// ```
    /// use twinsock::MsgFlags;
    /// let flags = MsgFlags::PEEK | MsgFlags::DONTWAIT;
    /// assert_eq!(format!("{flags:?}"), "PEEK|DONTWAIT");
    /// ```
    MsgFlags {
        /// `MSG_OOB`: urgent data.
        OOB = c::MSG_OOB;
        /// `MSG_PEEK`: leave what is read in the queue.
        PEEK = c::MSG_PEEK;
        /// `MSG_DONTROUTE`.
        DONTROUTE = c::MSG_DONTROUTE;
        /// `MSG_CTRUNC`: control data did not fit (an answer).
        CTRUNC = c::MSG_CTRUNC;
        /// `MSG_TRUNC`: the real length of a datagram; on TCP, discard the bytes.
        TRUNC = c::MSG_TRUNC;
        /// `MSG_DONTWAIT`: this call does not block.
        DONTWAIT = c::MSG_DONTWAIT;
        /// `MSG_EOR`: end of record.
        EOR = c::MSG_EOR;
        /// `MSG_WAITALL`: wait for the full length.
        WAITALL = c::MSG_WAITALL;
        /// `MSG_CONFIRM`.
        CONFIRM = c::MSG_CONFIRM;
        /// `MSG_ERRQUEUE`: read the error queue.
        ERRQUEUE = c::MSG_ERRQUEUE;
        /// `MSG_NOSIGNAL`: no SIGPIPE.
        NOSIGNAL = c::MSG_NOSIGNAL;
        /// `MSG_MORE`: more data follows.
        MORE = c::MSG_MORE;
        /// `MSG_CMSG_CLOEXEC`: received descriptors close on exec.
        CMSG_CLOEXEC = c::MSG_CMSG_CLOEXEC;
    }
}

flag_type! {
    /// Events of `poll(2)`.
    ///
    /// ```
    /// use twinsock::PollEvents;
    /// assert_eq!(format!("{:?}", PollEvents::IN | PollEvents::HUP), "IN|HUP");
    /// ```
    PollEvents {
        /// `POLLIN`: there is data to read.
        IN = c::POLLIN;
        /// `POLLPRI`: there is urgent data.
        PRI = c::POLLPRI;
        /// `POLLOUT`: writing is possible.
        OUT = c::POLLOUT;
        /// `POLLERR`: an error waits (an answer only).
        ERR = c::POLLERR;
        /// `POLLHUP`: both directions are finished (an answer only).
        HUP = c::POLLHUP;
        /// `POLLNVAL`: the descriptor is not open (an answer only).
        NVAL = c::POLLNVAL;
        /// `POLLRDNORM`.
        RDNORM = c::POLLRDNORM;
        /// `POLLRDBAND`.
        RDBAND = c::POLLRDBAND;
        /// `POLLWRNORM`.
        WRNORM = c::POLLWRNORM;
        /// `POLLWRBAND`.
        WRBAND = c::POLLWRBAND;
        /// `POLLRDHUP`: the peer has finished sending.
        RDHUP = c::POLLRDHUP;
    }
}

flag_type! {
    /// Events and modes of `epoll_ctl(2)`.
    ///
    /// ```
    /// use twinsock::{EpollFlags, raw::EpollEvent};
    /// let edge_triggered = EpollEvent::new(EpollFlags::IN | EpollFlags::ET, 1);
    /// assert!(edge_triggered.flags().contains(EpollFlags::ET));
    /// ```
    EpollFlags {
        /// `EPOLLIN`.
        IN = c::EPOLLIN;
        /// `EPOLLPRI`.
        PRI = c::EPOLLPRI;
        /// `EPOLLOUT`.
        OUT = c::EPOLLOUT;
        /// `EPOLLERR`.
        ERR = c::EPOLLERR;
        /// `EPOLLHUP`.
        HUP = c::EPOLLHUP;
        /// `EPOLLRDHUP`.
        RDHUP = c::EPOLLRDHUP;
        /// `EPOLLEXCLUSIVE`: wake one of the waiters.
        EXCLUSIVE = c::EPOLLEXCLUSIVE;
        /// `EPOLLONESHOT`: disarm after one report.
        ONESHOT = c::EPOLLONESHOT;
        /// `EPOLLET`: report changes, not levels.
        ET = c::EPOLLET;
    }
}

/// Which half of a connection `shutdown(2)` ends.
///
/// ```
/// use twinsock::{Domain, MsgFlags, Os, Protocol, Shutdown, Socket, Type};
/// let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
/// a.shutdown(Shutdown::Write)?;
/// assert_eq!(b.recv(16, MsgFlags::NONE)?, b"");
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shutdown {
    /// `SHUT_RD` (0): further receives are disallowed.
    Read,
    /// `SHUT_WR` (1): further sends are disallowed.
    Write,
    /// `SHUT_RDWR` (2): both.
    Both,
}

impl Shutdown {
    /// The raw number of `shutdown(2)`.
    ///
    /// ```
    /// use twinsock::Shutdown;
    /// assert_eq!([Shutdown::Read, Shutdown::Write, Shutdown::Both].map(Shutdown::raw), [0, 1, 2]);
    /// ```
    #[must_use]
    pub const fn raw(self) -> i32 {
        match self {
            Shutdown::Read => c::SHUT_RD,
            Shutdown::Write => c::SHUT_WR,
            Shutdown::Both => c::SHUT_RDWR,
        }
    }
}
