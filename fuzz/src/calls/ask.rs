//! A system call with buffers of its own, so that it can wait: which one it is and all its arguments are drawn from the input, the likely ones more often.

use super::super::input::Input;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::SocketAddr;
use twinsock::consts as c;
use twinsock::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, SendHdr};
use twinsock_sim::host::Call;
use twinsock_sim::host::RecvRef;

/// The calls, each once, and those again that matter most.
macro_rules! verbs {
    ([$($verb:ident),* $(,)?], often: [$($often:ident),* $(,)?] $(,)?) => {
        /// Which call.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Verb {
            $($verb,)*
        }

        /// What is drawn from. An input means the calls at these places: what is kept in the corpus is stale when they move.
        const VERBS: &[Verb] = &[$(Verb::$verb,)* $(Verb::$often,)*];
    };
}

verbs! {
    [
        Socket, Socketpair, Bind, Listen, Accept4, Connect, Shutdown, Getsockname, Getpeername, Getsockopt, Setsockopt, Sendto,
        Sendmsg, Recvfrom, Recvmsg, Read, Write, Readv, Writev, Fcntl, Ioctl, Pipe2, Dup, Dup3, Close, Poll, Select,
        EpollCreate1, EpollCtl, EpollWait,
    ],
    often: [
        Socket, Socket, Bind, Listen, Accept4, Accept4, Connect, Connect, Shutdown, Setsockopt, Sendto, Sendto, Sendmsg,
        Recvfrom, Recvfrom, Recvmsg, Close, Close, EpollCtl, EpollWait, Poll, Write, Read, Setsockopt, Getsockopt, Sendto,
    ],
}

use Verb::*;

/// A call and its arguments; each call uses those that it has.
#[derive(Clone, Debug)]
pub struct Ask {
    pub verb: Verb,
    pub fd: RawFd,
    /// A second descriptor.
    pub other: RawFd,
    /// Three plain ints: domain, type and protocol; level and name; flags.
    pub ints: [i32; 3],
    /// An address, and whether there is one.
    pub addr: Option<Vec<u8>>,
    /// The data, or the room for it.
    pub data: Vec<u8>,
    /// Control messages, or the room for them.
    pub control: Vec<u8>,
    /// A value-result length.
    pub len: i32,
    pub out: [RawFd; 2],
    pub fds: Vec<PollFd>,
    pub sets: [FdSet; 3],
    pub events: Vec<EpollEvent>,
    /// In milliseconds, or for ever.
    pub timeout: i32,
    pub name_len: usize,
    pub control_len: usize,
    pub flags_out: i32,
}

/// How large the room for an address is at most.
const NAME_ROOM: usize = 128;

impl Ask {
    /// The next call of the input.
    pub fn draw(input: &mut Input<'_>) -> Ask {
        let verb = input.pick(VERBS);
        let mut ask = Ask {
            verb,
            fd: some_fd(input),
            other: -1,
            ints: [0; 3],
            addr: None,
            data: Vec::new(),
            control: Vec::new(),
            len: 0,
            out: [-1; 2],
            fds: Vec::new(),
            sets: [FdSet::new(); 3],
            events: Vec::new(),
            timeout: 0,
            name_len: 0,
            control_len: 0,
            flags_out: 0,
        };
        ask.fill(input);
        ask
    }

    fn fill(&mut self, input: &mut Input<'_>) {
        match self.verb {
            Socket | Socketpair => {
                let kinds = [c::SOCK_STREAM, c::SOCK_DGRAM, c::SOCK_SEQPACKET, i32::from(input.byte())];
                let flags = [0, c::SOCK_NONBLOCK, c::SOCK_CLOEXEC, 0];
                let protocols = [0, 0, 0, c::IPPROTO_TCP, c::IPPROTO_UDP, -1, 255];
                let domains = [c::AF_INET, c::AF_INET6, c::AF_UNIX, c::AF_UNSPEC, c::AF_UNIX, c::AF_INET];
                self.ints = [input.pick(&domains), input.pick(&kinds) | input.pick(&flags), input.pick(&protocols)];
            }
            Bind | Connect => self.addr = Some(address(input)),
            Listen => self.ints[0] = number(input),
            Accept4 => {
                self.ints[0] = input.pick(&[0, 0, c::SOCK_NONBLOCK, c::SOCK_CLOEXEC, 7]);
                self.name_room(input);
            }
            Shutdown => self.ints[0] = input.pick(&[1, 0, 2, 3, -1]),
            Getsockname | Getpeername => self.name_room(input),
            Getsockopt | Setsockopt => {
                let levels = [c::SOL_SOCKET, c::SOL_TCP, c::SOL_IP, c::SOL_IPV6, c::SOL_UDP, i32::from(input.byte())];
                self.ints = [input.pick(&levels), i32::from(input.byte()), 0];
                self.data = match input.byte() % 4 {
                    0 | 1 => number(input).to_ne_bytes().to_vec(),
                    2 => [number(input).to_ne_bytes(), number(input).to_ne_bytes()].concat(),
                    _ => input.bytes().to_vec(),
                };
                self.len = i32::try_from(self.data.len()).expect("a byte says how much");
                if input.byte() % 8 == 7 {
                    self.len = number(input);
                }
            }
            Sendto | Sendmsg | Write | Writev => {
                self.data = vec![input.byte(); size(input)];
                self.ints[0] = flags(input);
                self.addr = (input.byte() % 3 == 2).then(|| address(input));
                if self.verb == Sendmsg {
                    self.control = control(input);
                }
            }
            Recvfrom | Recvmsg | Read | Readv => {
                self.data = vec![0; size(input)];
                self.ints[0] = flags(input);
                self.name_room(input);
                self.control = vec![0; usize::from(input.pick(&[0_u8, 24, 64, 200, 3]))];
            }
            Fcntl => {
                let commands = [c::F_SETFL, c::F_GETFL, c::F_DUPFD, c::F_GETFD, c::F_SETFD, c::F_DUPFD_CLOEXEC, 7];
                self.ints = [input.pick(&commands), number(input), 0];
            }
            Ioctl => {
                self.ints = [input.pick(&[c::FIONREAD, c::FIONBIO, c::SIOCATMARK, c::TIOCOUTQ, 7]), 0, 0];
                self.len = number(input);
            }
            Pipe2 | EpollCreate1 => self.ints[0] = input.pick(&[0, c::O_NONBLOCK, c::O_CLOEXEC, c::O_DIRECT, 1]),
            Dup3 => (self.other, self.ints[0]) = (some_fd(input), input.pick(&[0, c::O_CLOEXEC, 1])),
            Poll | Select => self.sets_of_files(input),
            EpollCtl => {
                self.other = some_fd(input);
                self.ints[0] = i32::from(input.byte() % 4);
                let event = EpollEvent { events: events(input), data: 7 };
                self.events = if input.byte() % 16 == 15 { Vec::new() } else { vec![event] };
            }
            EpollWait => {
                self.events = vec![EpollEvent::default(); usize::from(input.pick(&[4_u8, 1, 0, 16]))];
                self.timeout = timeout(input);
            }
            Dup | Close => {}
        }
    }

    fn name_room(&mut self, input: &mut Input<'_>) {
        let lens = [128, 16, 28, 2, 0, -1, 1000];
        self.len = input.pick(&lens);
        self.addr = (input.byte() & 1 != 0).then(|| vec![0; NAME_ROOM]);
        self.out = [0; 2];
    }

    fn sets_of_files(&mut self, input: &mut Input<'_>) {
        for _ in 0..input.byte() % 5 {
            let (fd, events) = (some_fd(input), input.sixteen().cast_signed());
            self.fds.push(PollFd { fd, events, revents: 0 });
            for (bit, set) in self.sets.iter_mut().enumerate() {
                if events & 1 << bit != 0 {
                    set.insert(fd);
                }
            }
        }
        self.ints[0] = input.pick(&[16, 0, 1, 1024, -1, 2000]);
        self.timeout = timeout(input);
    }

    /// Has the call made.
    pub fn with<R>(&mut self, make: impl FnOnce(&mut Call<'_, '_>) -> R) -> R {
        let (fd, [a, b, third], middle) = (self.fd, self.ints, self.data.len() / 2);
        let name_room = self.addr.as_deref_mut().unwrap_or(&mut []);
        let mut call = match self.verb {
            Socket => Call::Socket { domain: a, kind: b, protocol: third },
            Socketpair => Call::Socketpair { domain: a, kind: b, protocol: third, out: &mut self.out },
            Bind => Call::Bind { fd, addr: name_room },
            Listen => Call::Listen { fd, backlog: a },
            Accept4 if name_room.is_empty() => Call::Accept4 { fd, name: None, flags: a },
            Accept4 => Call::Accept4 { fd, name: Some(Name { bytes: name_room, len: &mut self.len }), flags: a },
            Connect => Call::Connect { fd, addr: name_room },
            Shutdown => Call::Shutdown { fd, how: a },
            Getsockname => Call::Getsockname { fd, name: Name { bytes: name_room, len: &mut self.len } },
            Getpeername => Call::Getpeername { fd, name: Name { bytes: name_room, len: &mut self.len } },
            Getsockopt => Call::Getsockopt { fd, level: a, name: b, value: &mut self.data, len: &mut self.len },
            Setsockopt => Call::Setsockopt { fd, level: a, name: b, value: &self.data },
            Sendto => Call::Sendto { fd, data: &self.data, flags: a, addr: self.addr.as_deref() },
            Sendmsg => {
                let (left, right) = self.data.split_at(middle);
                let iov = [IoSlice::new(left), IoSlice::new(right)];
                let hdr = SendHdr { name: self.addr.as_deref(), iov: &iov, control: &self.control };
                return make(&mut Call::Sendmsg { fd, hdr: &hdr, flags: a });
            }
            Recvfrom if name_room.is_empty() => Call::Recvfrom { fd, into: &mut self.data, flags: a, name: None },
            Recvfrom => {
                let name = Some(Name { bytes: name_room, len: &mut self.len });
                Call::Recvfrom { fd, into: &mut self.data, flags: a, name }
            }
            Recvmsg => {
                let (left, right) = self.data.split_at_mut(middle);
                let mut iov = [IoSliceMut::new(left), IoSliceMut::new(right)];
                let hdr = RecvRef {
                    name: name_room,
                    name_len: &mut self.name_len,
                    iov: &mut iov,
                    control: &mut self.control,
                    control_len: &mut self.control_len,
                    flags: &mut self.flags_out,
                };
                return make(&mut Call::Recvmsg { fd, hdr, flags: a });
            }
            Read => Call::Read { fd, into: &mut self.data },
            Write => Call::Write { fd, data: &self.data },
            Readv => {
                let (left, right) = self.data.split_at_mut(middle);
                return make(&mut Call::Readv { fd, iov: &mut [IoSliceMut::new(left), IoSliceMut::new(right)] });
            }
            Writev => {
                let (left, right) = self.data.split_at(middle);
                return make(&mut Call::Writev { fd, iov: &[IoSlice::new(left), IoSlice::new(right)] });
            }
            Fcntl => Call::Fcntl { fd, command: a, argument: b },
            Ioctl => Call::Ioctl { fd, request: u64::from(a.cast_unsigned()), argument: &mut self.len },
            Pipe2 => Call::Pipe2 { flags: a, out: &mut self.out },
            Dup => Call::Dup { fd },
            Dup3 => Call::Dup3 { fd, new: self.other, flags: a },
            Close => Call::Close { fd },
            Poll => Call::Poll { fds: &mut self.fds, timeout: self.timeout },
            Select => {
                let [read, write, except] = &mut self.sets;
                let timeout = (self.timeout >= 0).then_some(i64::from(self.timeout) * 1000);
                Call::Select { nfds: a, sets: [Some(read), Some(write), Some(except)], timeout }
            }
            EpollCreate1 => Call::EpollCreate1 { flags: a },
            EpollCtl => Call::EpollCtl { epfd: fd, op: a, fd: self.other, event: self.events.first().copied() },
            EpollWait => Call::EpollWait { epfd: fd, events: &mut self.events, timeout: self.timeout },
        };
        make(&mut call)
    }
}

/// One past the largest descriptor number that is of use: see `RLIMIT_NOFILE` of the scene.
pub const FDS: RawFd = 20;

fn some_fd(input: &mut Input<'_>) -> RawFd {
    RawFd::from(input.byte()) % (FDS + 2) - 1
}

fn number(input: &mut Input<'_>) -> i32 {
    let numbers = [
        1,
        0,
        2,
        -1,
        5,
        16,
        100,
        1000,
        65_535,
        1 << 20,
        i32::MAX,
        i32::MIN,
        c::O_NONBLOCK,
        c::O_CLOEXEC,
        i32::from(input.byte()),
    ];
    input.pick(&numbers)
}

fn size(input: &mut Input<'_>) -> usize {
    match input.byte() {
        small @ 0..=199 => usize::from(small),
        large => usize::from(large - 199) * 3000,
    }
}

fn flags(input: &mut Input<'_>) -> i32 {
    let known = [
        0,
        c::MSG_DONTWAIT,
        c::MSG_NOSIGNAL,
        c::MSG_PEEK,
        c::MSG_OOB,
        c::MSG_TRUNC,
        c::MSG_WAITALL,
        c::MSG_MORE,
        c::MSG_ERRQUEUE,
        c::MSG_EOR,
        c::MSG_PEEK | c::MSG_TRUNC,
        c::MSG_PEEK | c::MSG_WAITALL,
        c::MSG_PEEK | c::MSG_OOB,
        c::MSG_CMSG_CLOEXEC,
        c::MSG_DONTROUTE,
        c::MSG_FASTOPEN,
    ];
    let byte = input.byte();
    match byte {
        0..=127 => known[usize::from(byte) % known.len()],
        128..=223 => known[usize::from(byte % 16)] | known[usize::from(byte / 16)],
        224..=255 => i32::from(input.sixteen()),
    }
}

fn events(input: &mut Input<'_>) -> u32 {
    let byte = u32::from(input.byte());
    // The high bits: EPOLLEXCLUSIVE, EPOLLWAKEUP, EPOLLONESHOT, EPOLLET.
    (byte & 0xf) << 28 | byte >> 4 & 0x7 | (byte & 0x80) << 6
}

fn timeout(input: &mut Input<'_>) -> i32 {
    input.pick(&[0, 0, -1, 1, 100, 5000, i32::MAX, i32::MIN])
}

/// An address of one of the two hosts, of nobody, of the file name space, or bytes that are none.
fn address(input: &mut Input<'_>) -> Vec<u8> {
    let ports = [80, 0, 81, 1000, 32_768];
    let v4 = |ip: [u8; 4], port| SocketAddr::inet(IpAddr::V4(Ipv4Addr::from(ip)), port);
    let v6 = |ip, port| SocketAddr::inet(IpAddr::V6(ip), port);
    let addr = match input.byte() % 16 {
        0 => v4([127, 0, 0, 1], input.pick(&ports)),
        1 => v4([10, 0, 0, 1], input.pick(&ports)),
        2 => v4([10, 0, 0, 2], input.pick(&ports)),
        3 => v4([0; 4], input.pick(&ports)),
        4 => v6(Ipv6Addr::LOCALHOST, input.pick(&ports)),
        5 => v6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), input.pick(&ports)),
        6 => v6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2), input.pick(&ports)),
        7 => v6(Ipv6Addr::UNSPECIFIED, input.pick(&ports)),
        8 => v6(Ipv4Addr::LOCALHOST.to_ipv6_mapped(), input.pick(&ports)),
        9 => v4([10, 0, 0, 99], 80),
        10 => v4([255, 255, 255, 255], input.pick(&ports)),
        11 => v4([224, 0, 0, 7], input.pick(&ports)),
        12 => {
            return [1_u16.to_ne_bytes().as_slice(), input.pick(&[b"/tmp/a\0".as_slice(), b"/tmp/b", b"/tmp/none/x", b""])]
                .concat();
        }
        13 => return [1_u16.to_ne_bytes().as_slice(), &[0], input.pick(&[b"a".as_slice(), b"b", b"a\0"])].concat(),
        14 => SocketAddr::Unspec,
        _ => return [u16::from(input.byte()).to_ne_bytes().as_slice(), input.bytes()].concat(),
    };
    addr.encode().expect("these addresses have bytes").as_bytes().to_vec()
}

/// Control messages: descriptors to be passed, credentials, or bytes.
fn control(input: &mut Input<'_>) -> Vec<u8> {
    let message = |kind: i32, data: &[u8]| {
        let len = 16 + data.len();
        let mut bytes = [len.to_ne_bytes().as_slice(), &c::SOL_SOCKET.to_ne_bytes(), &kind.to_ne_bytes(), data].concat();
        bytes.resize(len.next_multiple_of(8), 0);
        bytes
    };
    match input.byte() % 8 {
        0..=3 => Vec::new(),
        4 | 5 => {
            let fds: Vec<u8> = (0..=input.byte() % 3).flat_map(|_| some_fd(input).to_ne_bytes()).collect();
            message(c::SCM_RIGHTS, &fds)
        }
        6 => message(c::SCM_CREDENTIALS, &[number(input), 0, 0].map(i32::to_ne_bytes).concat()),
        _ => input.bytes().to_vec(),
    }
}
