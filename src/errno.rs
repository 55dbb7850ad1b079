//! Error numbers: what the kernel answers when a call fails, comparable and named.
//!
//! Both worlds answer with these and with nothing else. The numbers are Linux's (`asm-generic/errno.h`).

use std::{error, fmt, io};

/// A result whose error is the kernel's.
///
/// ```
/// use twinsock::{Domain, Os, Protocol, Result, Socket, Type};
/// fn udp() -> Result<Socket<Os>> {
///     Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::UDP)
/// }
/// assert!(udp().is_ok());
/// ```
pub type Result<T> = std::result::Result<T, Errno>;

/// An error number of the kernel, `errno(3)`.
///
/// ```
/// use twinsock::Errno;
/// let refused = Errno::CONNREFUSED;
/// assert_eq!(refused.name(), Some("ECONNREFUSED"));
/// assert_eq!(std::io::Error::from(refused).kind(), std::io::ErrorKind::ConnectionRefused);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident $full:literal $number:literal $text:literal;)*) => {
        impl Errno {
            $(#[doc = concat!("`", $full, "`: ", $text, ".")]
            pub const $name: Errno = Errno($number);)*

            /// The name that `errno.h` gives the number, such as `"ECONNRESET"`; `None` for an unknown one.
            ///
            /// ```
            /// use twinsock::Errno;
            /// assert_eq!((Errno::CONNRESET.name(), Errno::from_raw(9999).name()), (Some("ECONNRESET"), None));
            /// ```
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some($full),)* _ => None }
            }

            /// The number behind a name such as `"ECONNRESET"`; `EWOULDBLOCK` and `ENOTSUP` are understood too.
            ///
            /// ```
            /// use twinsock::Errno;
            /// assert_eq!(Errno::from_name("EWOULDBLOCK"), Some(Errno::AGAIN));
            /// ```
            #[must_use]
            pub fn from_name(name: &str) -> Option<Errno> {
                match name {
                    $($full => Some(Errno($number)),)*
                    "EWOULDBLOCK" => Some(Errno::AGAIN),
                    "ENOTSUP" => Some(Errno::OPNOTSUPP),
                    _ => None,
                }
            }

            /// What the number means, in a few words.
            ///
            /// ```
            /// use twinsock::Errno;
            /// assert_eq!(Errno::TIMEDOUT.description(), "connection timed out");
            /// ```
            #[must_use]
            pub fn description(self) -> &'static str {
                match self.0 { $($number => $text,)* _ => "unknown error" }
            }
        }
    };
}

errnos! {
    PERM "EPERM" 1 "operation not permitted";
    NOENT "ENOENT" 2 "no such file or directory";
    SRCH "ESRCH" 3 "no such process";
    INTR "EINTR" 4 "interrupted system call";
    IO "EIO" 5 "input/output error";
    NXIO "ENXIO" 6 "no such device or address";
    TOOBIG "E2BIG" 7 "argument list too long";
    BADF "EBADF" 9 "bad file descriptor";
    CHILD "ECHILD" 10 "no child processes";
    AGAIN "EAGAIN" 11 "resource temporarily unavailable";
    NOMEM "ENOMEM" 12 "out of memory";
    ACCES "EACCES" 13 "permission denied";
    FAULT "EFAULT" 14 "bad address";
    BUSY "EBUSY" 16 "device or resource busy";
    EXIST "EEXIST" 17 "file exists";
    NODEV "ENODEV" 19 "no such device";
    NOTDIR "ENOTDIR" 20 "not a directory";
    ISDIR "EISDIR" 21 "is a directory";
    INVAL "EINVAL" 22 "invalid argument";
    NFILE "ENFILE" 23 "too many open files in the system";
    MFILE "EMFILE" 24 "too many open files in the process";
    NOTTY "ENOTTY" 25 "inappropriate ioctl for the descriptor";
    FBIG "EFBIG" 27 "file too large";
    NOSPC "ENOSPC" 28 "no space left on the device";
    SPIPE "ESPIPE" 29 "illegal seek";
    ROFS "EROFS" 30 "read-only file system";
    MLINK "EMLINK" 31 "too many links";
    PIPE "EPIPE" 32 "broken pipe";
    DOM "EDOM" 33 "argument out of the function's domain";
    RANGE "ERANGE" 34 "result too large";
    DEADLK "EDEADLK" 35 "resource deadlock would occur";
    NAMETOOLONG "ENAMETOOLONG" 36 "file name too long";
    NOSYS "ENOSYS" 38 "function not implemented";
    LOOP "ELOOP" 40 "too many levels of symbolic links";
    NOMSG "ENOMSG" 42 "no message of the desired type";
    NODATA "ENODATA" 61 "no data available";
    TIME "ETIME" 62 "timer expired";
    COMM "ECOMM" 70 "communication error on send";
    PROTO "EPROTO" 71 "protocol error";
    OVERFLOW "EOVERFLOW" 75 "value too large for the data type";
    BADFD "EBADFD" 77 "descriptor in a bad state";
    USERS "EUSERS" 87 "too many users";
    NOTSOCK "ENOTSOCK" 88 "not a socket";
    DESTADDRREQ "EDESTADDRREQ" 89 "destination address required";
    MSGSIZE "EMSGSIZE" 90 "message too long";
    PROTOTYPE "EPROTOTYPE" 91 "wrong protocol type for the socket";
    NOPROTOOPT "ENOPROTOOPT" 92 "protocol not available";
    PROTONOSUPPORT "EPROTONOSUPPORT" 93 "protocol not supported";
    SOCKTNOSUPPORT "ESOCKTNOSUPPORT" 94 "socket type not supported";
    OPNOTSUPP "EOPNOTSUPP" 95 "operation not supported";
    PFNOSUPPORT "EPFNOSUPPORT" 96 "protocol family not supported";
    AFNOSUPPORT "EAFNOSUPPORT" 97 "address family not supported";
    ADDRINUSE "EADDRINUSE" 98 "address already in use";
    ADDRNOTAVAIL "EADDRNOTAVAIL" 99 "cannot assign the requested address";
    NETDOWN "ENETDOWN" 100 "network is down";
    NETUNREACH "ENETUNREACH" 101 "network is unreachable";
    NETRESET "ENETRESET" 102 "connection dropped by the network on reset";
    CONNABORTED "ECONNABORTED" 103 "software caused connection abort";
    CONNRESET "ECONNRESET" 104 "connection reset by peer";
    NOBUFS "ENOBUFS" 105 "no buffer space available";
    ISCONN "EISCONN" 106 "the socket is connected already";
    NOTCONN "ENOTCONN" 107 "the socket is not connected";
    SHUTDOWN "ESHUTDOWN" 108 "cannot send after transport endpoint shutdown";
    TOOMANYREFS "ETOOMANYREFS" 109 "too many references";
    TIMEDOUT "ETIMEDOUT" 110 "connection timed out";
    CONNREFUSED "ECONNREFUSED" 111 "connection refused";
    HOSTDOWN "EHOSTDOWN" 112 "host is down";
    HOSTUNREACH "EHOSTUNREACH" 113 "no route to host";
    ALREADY "EALREADY" 114 "operation already in progress";
    INPROGRESS "EINPROGRESS" 115 "operation now in progress";
    STALE "ESTALE" 116 "stale file handle";
    CANCELED "ECANCELED" 125 "operation canceled";
}

impl Errno {
    /// The error of this raw number, as a system call leaves it in `errno`.
    ///
    /// ```
    /// use twinsock::Errno;
    /// assert_eq!(Errno::from_raw(111), Errno::CONNREFUSED);
    /// ```
    #[must_use]
    pub const fn from_raw(number: i32) -> Errno {
        Errno(number)
    }

    /// The raw number.
    ///
    /// ```
    /// use twinsock::Errno;
    /// assert_eq!(Errno::CONNREFUSED.raw(), 111);
    /// ```
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.description()),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl error::Error for Errno {}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl TryFrom<&io::Error> for Errno {
    type Error = ();

    /// The error number inside an `io::Error`; `Err(())` where the error did not come from a system call.
    fn try_from(error: &io::Error) -> std::result::Result<Errno, ()> {
        error.raw_os_error().map(Errno).ok_or(())
    }
}

impl PartialEq<io::Error> for Errno {
    fn eq(&self, other: &io::Error) -> bool {
        other.raw_os_error() == Some(self.0)
    }
}
