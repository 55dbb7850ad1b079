//! Every system call as a value: what a process asks of its kernel.
//!
//! A call borrows its arguments, so that data is copied once, straight from or to the caller's buffer. The answer is the system
//! call's return value; what else a call returns is written through the references. See `twinsock::raw` for each call's meaning.

use std::io::{IoSlice, IoSliceMut};
use twinsock::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr};

/// A system call and its arguments.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
/// # use twinsock_sim::packet::Boring;
/// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = host.spawn_process(Credentials::default());
/// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
/// let mut call = Call::Socket { domain: c::AF_INET, kind: c::SOCK_STREAM, protocol: 0 };
/// assert!(matches!(host.begin(&mut cx, pid, Token(1), &mut call), Progress::Done(Ok(0))), "descriptor 0");
/// ```
#[derive(Debug)]
#[expect(missing_docs, reason = "variants and fields are those of twinsock::raw::Syscalls")]
pub enum Call<'a, 'b> {
    Socket {
        domain: i32,
        kind: i32,
        protocol: i32,
    },
    Socketpair {
        domain: i32,
        kind: i32,
        protocol: i32,
        out: &'a mut [RawFd; 2],
    },
    Bind {
        fd: RawFd,
        addr: &'a [u8],
    },
    Listen {
        fd: RawFd,
        backlog: i32,
    },
    Accept4 {
        fd: RawFd,
        name: Option<Name<'a>>,
        flags: i32,
    },
    Connect {
        fd: RawFd,
        addr: &'a [u8],
    },
    Shutdown {
        fd: RawFd,
        how: i32,
    },
    Getsockname {
        fd: RawFd,
        name: Name<'a>,
    },
    Getpeername {
        fd: RawFd,
        name: Name<'a>,
    },
    Getsockopt {
        fd: RawFd,
        level: i32,
        name: i32,
        value: &'a mut [u8],
        len: &'a mut i32,
    },
    Setsockopt {
        fd: RawFd,
        level: i32,
        name: i32,
        value: &'a [u8],
    },
    /// `send(2)` (`addr` `None`) and `sendto(2)`.
    Sendto {
        fd: RawFd,
        data: &'a [u8],
        flags: i32,
        addr: Option<&'a [u8]>,
    },
    Sendmsg {
        fd: RawFd,
        hdr: &'a SendHdr<'a>,
        flags: i32,
    },
    /// `recv(2)` (`name` `None`) and `recvfrom(2)`.
    Recvfrom {
        fd: RawFd,
        into: &'a mut [u8],
        flags: i32,
        name: Option<Name<'a>>,
    },
    Recvmsg {
        fd: RawFd,
        hdr: RecvRef<'a, 'b>,
        flags: i32,
    },
    Read {
        fd: RawFd,
        into: &'a mut [u8],
    },
    Write {
        fd: RawFd,
        data: &'a [u8],
    },
    Readv {
        fd: RawFd,
        iov: &'a mut [IoSliceMut<'b>],
    },
    Writev {
        fd: RawFd,
        iov: &'a [IoSlice<'a>],
    },
    Fcntl {
        fd: RawFd,
        command: i32,
        argument: i32,
    },
    Ioctl {
        fd: RawFd,
        request: u64,
        argument: &'a mut i32,
    },
    Pipe2 {
        flags: i32,
        out: &'a mut [RawFd; 2],
    },
    Dup {
        fd: RawFd,
    },
    Dup3 {
        fd: RawFd,
        new: RawFd,
        flags: i32,
    },
    Close {
        fd: RawFd,
    },
    /// `timeout` in milliseconds, negative: for ever.
    Poll {
        fds: &'a mut [PollFd],
        timeout: i32,
    },
    /// `timeout` in microseconds, `None`: for ever.
    Select {
        nfds: i32,
        sets: [Option<&'a mut FdSet>; 3],
        timeout: Option<i64>,
    },
    EpollCreate1 {
        flags: i32,
    },
    EpollCtl {
        epfd: RawFd,
        op: i32,
        fd: RawFd,
        event: Option<EpollEvent>,
    },
    /// `timeout` in milliseconds, negative: for ever.
    EpollWait {
        epfd: RawFd,
        events: &'a mut [EpollEvent],
        timeout: i32,
    },
}

/// A `RecvHdr` borrowed field by field.
///
/// ```
/// use twinsock_sim::host::{Call, RecvRef};
/// let (mut name, mut name_len, mut control, mut control_len, mut flags) = ([0; 16], 16, [0; 64], 64, 0);
/// let hdr = RecvRef {
///     name: &mut name,
///     name_len: &mut name_len,
///     iov: &mut [],
///     control: &mut control,
///     control_len: &mut control_len,
///     flags: &mut flags,
/// };
/// let call = Call::Recvmsg { fd: 0, hdr, flags: twinsock::consts::MSG_DONTWAIT };
/// # drop(call);
/// ```
#[derive(Debug)]
#[expect(missing_docs, reason = "fields are those of twinsock::raw::RecvHdr")]
pub struct RecvRef<'a, 'b> {
    pub name: &'a mut [u8],
    pub name_len: &'a mut usize,
    pub iov: &'a mut [IoSliceMut<'b>],
    pub control: &'a mut [u8],
    pub control_len: &'a mut usize,
    pub flags: &'a mut i32,
}

impl<'a, 'b> From<&'a mut RecvHdr<'_, 'b>> for RecvRef<'a, 'b> {
    fn from(hdr: &'a mut RecvHdr<'_, 'b>) -> RecvRef<'a, 'b> {
        RecvRef {
            name: hdr.name,
            name_len: &mut hdr.name_len,
            iov: hdr.iov,
            control: hdr.control,
            control_len: &mut hdr.control_len,
            flags: &mut hdr.flags,
        }
    }
}
