//! Constants and calls.

use crate::Os;
use crate::api::SocketApi;
use crate::control::{ControlMessage, Credentials, RecvControl, SendControl, space};
use crate::env::{Clock, Entropy};
use crate::os::syscalls;
use crate::raw::{EpollEvent, FdSet, Name, RecvHdr, SendHdr, Syscalls, Vouch};
use crate::{
    Domain, EpollFlags, EpollOp, Errno, MsgFlags, PollEvents, Protocol, Result, SelectSet, Shutdown, SockFlags, SocketAddr, Type,
    UnixAddr, consts, option,
};
use std::collections::BTreeSet;
use std::io::{IoSlice, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

type Fd = OwnedFd;

/// Constants that the `libc` crate does not have.
const UNKNOWN_TO_LIBC: [&str; 10] = [
    "SIOCATMARK",
    "SO_RCVPRIORITY",
    "SO_PASSRIGHTS",
    "TCP_TX_DELAY",
    "TCP_IS_MPTCP",
    "TCP_RTO_MAX_MS",
    "TCP_RTO_MIN_US",
    "TCP_DELACK_MAX_US",
    "IP_RECVERR_RFC4884",
    "IP_LOCAL_PORT_RANGE",
];

/// Constants by name, ours and the C library's.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), i64::from(consts::$name), i64::try_from(libc::$name).expect("a small number"))),*]
    };
}

#[test]
fn constants_agree_with_the_c_library() {
    let both = both![
        AF_UNSPEC,
        AF_UNIX,
        AF_INET,
        AF_INET6,
        SOCK_STREAM,
        SOCK_DGRAM,
        SOCK_RAW,
        SOCK_RDM,
        SOCK_SEQPACKET,
        SOCK_NONBLOCK,
        SOCK_CLOEXEC,
        IPPROTO_IP,
        IPPROTO_ICMP,
        IPPROTO_TCP,
        IPPROTO_UDP,
        IPPROTO_IPV6,
        IPPROTO_ICMPV6,
        SHUT_RD,
        SHUT_WR,
        SHUT_RDWR,
        MSG_OOB,
        MSG_PEEK,
        MSG_DONTROUTE,
        MSG_CTRUNC,
        MSG_TRUNC,
        MSG_DONTWAIT,
        MSG_EOR,
        MSG_WAITALL,
        MSG_FIN,
        MSG_SYN,
        MSG_CONFIRM,
        MSG_RST,
        MSG_ERRQUEUE,
        MSG_NOSIGNAL,
        MSG_MORE,
        MSG_WAITFORONE,
        MSG_FASTOPEN,
        MSG_CMSG_CLOEXEC,
        POLLIN,
        POLLPRI,
        POLLOUT,
        POLLERR,
        POLLHUP,
        POLLNVAL,
        POLLRDNORM,
        POLLRDBAND,
        POLLWRNORM,
        POLLWRBAND,
        POLLRDHUP,
        EPOLLIN,
        EPOLLPRI,
        EPOLLOUT,
        EPOLLERR,
        EPOLLHUP,
        EPOLLRDNORM,
        EPOLLRDBAND,
        EPOLLWRNORM,
        EPOLLWRBAND,
        EPOLLRDHUP,
        EPOLLEXCLUSIVE,
        EPOLLONESHOT,
        EPOLLET,
        EPOLL_CTL_ADD,
        EPOLL_CTL_DEL,
        EPOLL_CTL_MOD,
        EPOLL_CLOEXEC,
        F_DUPFD,
        F_GETFD,
        F_SETFD,
        F_GETFL,
        F_SETFL,
        F_DUPFD_CLOEXEC,
        FD_CLOEXEC,
        O_RDONLY,
        O_WRONLY,
        O_RDWR,
        O_APPEND,
        O_CREAT,
        O_EXCL,
        O_TRUNC,
        O_NONBLOCK,
        O_DIRECT,
        O_DIRECTORY,
        O_CLOEXEC,
        FIONREAD,
        FIONBIO,
        TIOCOUTQ,
        SOL_SOCKET,
        SOL_IP,
        SOL_TCP,
        SOL_UDP,
        SOL_IPV6,
        SO_DEBUG,
        SO_REUSEADDR,
        SO_TYPE,
        SO_ERROR,
        SO_DONTROUTE,
        SO_BROADCAST,
        SO_SNDBUF,
        SO_RCVBUF,
        SO_KEEPALIVE,
        SO_OOBINLINE,
        SO_NO_CHECK,
        SO_PRIORITY,
        SO_LINGER,
        SO_BSDCOMPAT,
        SO_REUSEPORT,
        SO_PASSCRED,
        SO_PEERCRED,
        SO_RCVLOWAT,
        SO_SNDLOWAT,
        SO_RCVTIMEO,
        SO_SNDTIMEO,
        SO_BINDTODEVICE,
        SO_ATTACH_FILTER,
        SO_DETACH_FILTER,
        SO_PEERNAME,
        SO_TIMESTAMP,
        SO_ACCEPTCONN,
        SO_PEERSEC,
        SO_SNDBUFFORCE,
        SO_RCVBUFFORCE,
        SO_PASSSEC,
        SO_TIMESTAMPNS,
        SO_MARK,
        SO_TIMESTAMPING,
        SO_PROTOCOL,
        SO_DOMAIN,
        SO_RXQ_OVFL,
        SO_WIFI_STATUS,
        SO_PEEK_OFF,
        SO_NOFCS,
        SO_LOCK_FILTER,
        SO_SELECT_ERR_QUEUE,
        SO_BUSY_POLL,
        SO_MAX_PACING_RATE,
        SO_BPF_EXTENSIONS,
        SO_INCOMING_CPU,
        SO_ATTACH_BPF,
        SO_ATTACH_REUSEPORT_CBPF,
        SO_ATTACH_REUSEPORT_EBPF,
        SO_CNX_ADVICE,
        SO_MEMINFO,
        SO_INCOMING_NAPI_ID,
        SO_COOKIE,
        SO_PEERGROUPS,
        SO_ZEROCOPY,
        SO_TXTIME,
        SO_BINDTOIFINDEX,
        SO_TIMESTAMP_NEW,
        SO_TIMESTAMPNS_NEW,
        SO_TIMESTAMPING_NEW,
        SO_RCVTIMEO_NEW,
        SO_SNDTIMEO_NEW,
        SO_DETACH_REUSEPORT_BPF,
        SO_PREFER_BUSY_POLL,
        SO_BUSY_POLL_BUDGET,
        SO_NETNS_COOKIE,
        SO_BUF_LOCK,
        SO_RESERVE_MEM,
        SO_TXREHASH,
        SO_RCVMARK,
        SO_PASSPIDFD,
        SO_PEERPIDFD,
        SOMAXCONN,
        TCP_NODELAY,
        TCP_MAXSEG,
        TCP_CORK,
        TCP_KEEPIDLE,
        TCP_KEEPINTVL,
        TCP_KEEPCNT,
        TCP_SYNCNT,
        TCP_LINGER2,
        TCP_DEFER_ACCEPT,
        TCP_WINDOW_CLAMP,
        TCP_INFO,
        TCP_QUICKACK,
        TCP_CONGESTION,
        TCP_MD5SIG,
        TCP_THIN_LINEAR_TIMEOUTS,
        TCP_THIN_DUPACK,
        TCP_USER_TIMEOUT,
        TCP_REPAIR,
        TCP_REPAIR_QUEUE,
        TCP_QUEUE_SEQ,
        TCP_REPAIR_OPTIONS,
        TCP_FASTOPEN,
        TCP_TIMESTAMP,
        TCP_NOTSENT_LOWAT,
        TCP_CC_INFO,
        TCP_SAVE_SYN,
        TCP_SAVED_SYN,
        TCP_REPAIR_WINDOW,
        TCP_FASTOPEN_CONNECT,
        TCP_ULP,
        TCP_MD5SIG_EXT,
        TCP_FASTOPEN_KEY,
        TCP_FASTOPEN_NO_COOKIE,
        TCP_ZEROCOPY_RECEIVE,
        TCP_INQ,
        UDP_CORK,
        UDP_ENCAP,
        UDP_NO_CHECK6_TX,
        UDP_NO_CHECK6_RX,
        UDP_SEGMENT,
        UDP_GRO,
        IP_TOS,
        IP_TTL,
        IP_HDRINCL,
        IP_OPTIONS,
        IP_RECVOPTS,
        IP_RETOPTS,
        IP_PKTINFO,
        IP_MTU_DISCOVER,
        IP_RECVERR,
        IP_RECVTTL,
        IP_RECVTOS,
        IP_MTU,
        IP_FREEBIND,
        IP_TRANSPARENT,
        IP_ORIGDSTADDR,
        IP_MINTTL,
        IP_NODEFRAG,
        IP_CHECKSUM,
        IP_BIND_ADDRESS_NO_PORT,
        IP_RECVFRAGSIZE,
        IP_MULTICAST_IF,
        IP_MULTICAST_TTL,
        IP_MULTICAST_LOOP,
        IP_ADD_MEMBERSHIP,
        IP_DROP_MEMBERSHIP,
        IP_ADD_SOURCE_MEMBERSHIP,
        IP_DROP_SOURCE_MEMBERSHIP,
        IP_BLOCK_SOURCE,
        IP_UNBLOCK_SOURCE,
        IP_MSFILTER,
        MCAST_JOIN_GROUP,
        MCAST_BLOCK_SOURCE,
        MCAST_UNBLOCK_SOURCE,
        MCAST_LEAVE_GROUP,
        MCAST_JOIN_SOURCE_GROUP,
        MCAST_LEAVE_SOURCE_GROUP,
        MCAST_MSFILTER,
        MCAST_EXCLUDE,
        MCAST_INCLUDE,
        IP_MULTICAST_ALL,
        IP_UNICAST_IF,
        IPV6_UNICAST_HOPS,
        IPV6_MULTICAST_IF,
        IPV6_MULTICAST_HOPS,
        IPV6_MULTICAST_LOOP,
        IPV6_ADD_MEMBERSHIP,
        IPV6_DROP_MEMBERSHIP,
        IPV6_MTU_DISCOVER,
        IPV6_MTU,
        IPV6_RECVERR,
        IPV6_V6ONLY,
        IPV6_MULTICAST_ALL,
        IPV6_RECVPKTINFO,
        IPV6_PKTINFO,
        IPV6_RECVHOPLIMIT,
        IPV6_HOPLIMIT,
        IPV6_DONTFRAG,
        IPV6_RECVTCLASS,
        IPV6_TCLASS,
        IPV6_AUTOFLOWLABEL,
        IPV6_RECVFRAGSIZE,
        IPV6_FREEBIND,
        SCM_RIGHTS,
        SCM_CREDENTIALS,
    ];
    for (name, ours, theirs) in both {
        assert_eq!(ours, theirs, "{name}");
    }
    let checked: BTreeSet<&str> = both.iter().map(|(name, ..)| *name).chain(UNKNOWN_TO_LIBC).collect();
    let all: BTreeSet<&str> = consts::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(checked, all, "every constant is compared");
}

fn pair(kind: Type) -> (Fd, Fd) {
    Os.socketpair(Domain::UNIX, kind, SockFlags::NONE, Protocol::DEFAULT).expect("a socketpair")
}

fn loopback() -> SocketAddr {
    SocketAddr::inet(Ipv4Addr::LOCALHOST.into(), 0)
}

/// A listener, a client connected to it and the accepted end.
fn tcp() -> (Fd, Fd, Fd) {
    let listener = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP).expect("a socket");
    Os.bind(&listener, &loopback()).expect("any port");
    Os.listen(&listener, 8).expect("listening");
    let client = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP).expect("a socket");
    Os.connect(&client, &Os.getsockname(&listener).expect("bound")).expect("connected");
    let (server, peer) = Os.accept(&listener, SockFlags::NONE).expect("accepted");
    assert_eq!(peer, Os.getsockname(&client).expect("bound"));
    (listener, client, server)
}

/// The raw calls; the tests pass numbers of sockets that they own.
fn calls() -> &'static crate::OsCalls {
    &syscalls::CALLS
}

#[test]
fn a_tcp_connection_carries_bytes_both_ways_and_ends() -> Result<()> {
    let (listener, client, server) = tcp();
    assert_eq!(Os.send(&client, b"hello", MsgFlags::NONE)?, 5);
    let mut bytes = [0; 16];
    assert_eq!(Os.recv(&server, &mut bytes, MsgFlags::PEEK)?, 5);
    assert_eq!(Os.fionread(&server)?, 5);
    assert_eq!(Os.recvfrom(&server, &mut bytes, MsgFlags::NONE)?, (5, SocketAddr::Unspec));
    assert_eq!(&bytes[..5], b"hello");
    assert_eq!(Os.recv(&server, &mut bytes, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
    assert_eq!(Os.getpeername(&server)?, Os.getsockname(&client)?);
    Os.shutdown(&client, Shutdown::Write)?;
    assert_eq!(Os.recv(&server, &mut bytes, MsgFlags::NONE)?, 0);
    assert!(Os.siocoutq(&client)? <= 1, "a FIN counts until it is acknowledged");
    assert!(!Os.siocatmark(&client)?);
    assert_eq!(Os.getpeername(&listener), Err(Errno::NOTCONN));
    Os.close(client)?;
    Os.close(server)
}

#[test]
fn writing_to_a_closed_socket_is_epipe_without_a_signal() {
    let (a, b) = pair(Type::STREAM);
    drop(b);
    assert_eq!(Os.send(&a, b"x", MsgFlags::NONE), Err(Errno::PIPE));
    assert_eq!(Os.sendmsg(&a, &[IoSlice::new(b"x")], None, None, MsgFlags::NONE), Err(Errno::PIPE));
}

#[test]
fn datagrams_say_who_sent_them() -> Result<()> {
    let a = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::DEFAULT)?;
    let b = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::DEFAULT)?;
    Os.bind(&a, &loopback())?;
    Os.bind(&b, &loopback())?;
    Os.sendto(&a, b"datagram", MsgFlags::NONE, &Os.getsockname(&b)?)?;
    let mut bytes = [0; 4];
    let mut iov = [IoSliceMut::new(&mut bytes)];
    let received = Os.recvmsg(&b, &mut iov, None, MsgFlags::TRUNC)?;
    assert_eq!((received.len, received.flags), (8, MsgFlags::TRUNC));
    assert_eq!(received.addr, Os.getsockname(&a)?);
    Ok(())
}

#[test]
fn control_messages_come_by_type() -> Result<()> {
    let a = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::DEFAULT)?;
    Os.bind(&a, &loopback())?;
    let addr = Os.getsockname(&a)?;
    for wanted in [option::IP_PKTINFO, option::IP_RECVTTL, option::IP_RECVTOS] {
        Os.set_option(&a, wanted, true)?;
    }
    let mut send = SendControl::new();
    send.ttl(33).tos(8);
    Os.sendmsg(&a, &[IoSlice::new(b"x")], Some(&send), Some(&addr), MsgFlags::NONE)?;
    let mut control = RecvControl::new(space(12) + space(4) + space(1));
    let mut byte = [0];
    let received = Os.recvmsg(&a, &mut [IoSliceMut::new(&mut byte)], Some(&mut control), MsgFlags::NONE)?;
    assert_eq!(received.flags, MsgFlags::NONE);
    let localhost = Ipv4Addr::LOCALHOST;
    let messages: Vec<_> = control.drain().collect();
    let [ControlMessage::PacketInfo4(info), ControlMessage::Ttl(33), ControlMessage::Tos(8)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!((info.spec_dst, info.addr), (localhost, localhost));
    assert_eq!(control.drain().count(), 0, "each message is handed out once");
    Ok(())
}

#[test]
fn sockets_that_nobody_takes_out_of_a_message_are_closed() -> Result<()> {
    let (a, b) = pair(Type::STREAM);
    let (mine, theirs) = pair(Type::STREAM);
    Os.set_option(&b, option::SO_PASSCRED, true)?;
    let mut send = SendControl::new();
    send.rights(&Os, &[&theirs]);
    assert!(send.raw(consts::SOL_SOCKET, consts::SCM_RIGHTS, &[0; 4]).is_err());
    Os.sendmsg(&a, &[IoSlice::new(b"x")], Some(&send), None, MsgFlags::NONE)?;
    drop(theirs);
    let mut control = RecvControl::new(space(4) + space(12));
    let mut byte = [0];
    let received = Os.recvmsg(&b, &mut [IoSliceMut::new(&mut byte)], Some(&mut control), MsgFlags::NONE)?;
    assert_eq!((received.len, received.flags), (1, MsgFlags::NONE));
    let credentials = Credentials { pid: std::process::id().cast_signed(), ..Os.option(&a, option::SO_PEERCRED)? };
    assert!(matches!(control.drain().next(), Some(ControlMessage::Credentials(c)) if c == credentials));
    drop(control);
    assert_eq!(Os.recv(&mine, &mut byte, MsgFlags::NONE)?, 0, "the last duplicate is closed");
    Ok(())
}

#[test]
fn poll_select_and_epoll_agree() -> Result<()> {
    let pairs: Vec<(Fd, Fd)> = (0..20).map(|_| pair(Type::SEQPACKET)).collect();
    let epoll = Os.epoll_create()?;
    for (index, (a, b)) in (0..).zip(&pairs) {
        Os.epoll_ctl(&epoll, EpollOp::Add(EpollEvent::new(EpollFlags::IN, 1 << 40 | index)), b)?;
        if index % 2 == 1 {
            Os.send(a, b"x", MsgFlags::NONE)?;
        }
    }
    let odd: Vec<u64> = (0..20).filter(|index| index % 2 == 1).map(|index| 1 << 40 | index).collect();

    let mut events = [EpollEvent::default(); 32];
    let ready = Os.epoll_wait(&epoll, &mut events, None)?;
    assert!(events[..ready].iter().all(|event| event.flags() == EpollFlags::IN));
    assert_eq!(events[..ready].iter().map(|event| event.data).collect::<Vec<_>>(), odd);
    assert_eq!(events[ready], EpollEvent::default());
    assert_eq!(Os.epoll_wait(&epoll, &mut events[..3], None)?, 3);
    assert_eq!(Os.epoll_wait(&epoll, &mut [], None), Err(Errno::INVAL));

    let mut fds: Vec<_> = pairs.iter().map(|(_, b)| Os.poll_entry(b, PollEvents::IN | PollEvents::RDHUP)).collect();
    assert_eq!(Os.poll(&mut fds, Some(Duration::from_secs(9)))?, 10);
    assert!((0..20).zip(&fds).all(|(index, fd)| fd.revents().is_empty() == (index % 2 == 0)));

    let mut read = SelectSet::new();
    for (_, b) in &pairs {
        assert!(read.insert(&Os, b));
    }
    let mut write = read;
    assert_eq!(Os.select(Some(&mut read), Some(&mut write), None, None)?, 10 + 20);
    assert!((0..20).zip(&pairs).all(|(index, (_, b))| read.contains(&Os, b) == (index % 2 == 1)));
    assert_eq!(Os.select(None, None, None, Some(Duration::from_micros(10)))?, 0);
    Ok(())
}

#[test]
fn a_select_cannot_reach_beyond_its_sets() {
    let mut set = FdSet::new();
    assert_eq!(calls().select(1 << 20, [Some(&mut set), None, None], Some(0)), Ok(0));
    assert_eq!(calls().select(-1, [None, None, None], Some(0)), Err(Errno::INVAL));
    assert_eq!(calls().select(0, [None, None, None], Some(-1)), Err(Errno::INVAL));
}

#[test]
fn a_claim_of_more_room_than_there_is_is_efault() {
    let (a, _b) = pair(Type::STREAM);
    let fd = Os.fileno(&a);
    let mut len = 3;
    assert_eq!(calls().getsockname(fd, Name { bytes: &mut [0; 2], len: &mut len }), Err(Errno::FAULT));
    assert_eq!(calls().getsockopt(fd, consts::SOL_SOCKET, consts::SO_TYPE, &mut [0; 2], &mut len), Err(Errno::FAULT));
    len = -1;
    assert_eq!(calls().getsockname(fd, Name { bytes: &mut [0; 2], len: &mut len }), Err(Errno::INVAL));
    assert_eq!(calls().getsockopt(fd, consts::SOL_SOCKET, consts::SO_TYPE, &mut [], &mut len), Err(Errno::INVAL));
}

#[test]
fn requests_whose_argument_is_an_address_are_refused() -> Result<()> {
    let (_, client, _server) = tcp();
    let fd = Os.fileno(&client);
    assert_eq!(calls().fcntl(fd, libc::F_GETLK, 1), Err(Errno::INVAL));
    assert_eq!(calls().ioctl(fd, 0x8912, &mut 0), Err(Errno::NOTTY));
    assert_eq!(Os.getsockopt(&client, consts::SOL_TCP, consts::TCP_ZEROCOPY_RECEIVE), Err(Errno::NOPROTOOPT));
    Ok(())
}

#[test]
fn raw_calls_do_what_their_man_pages_say() -> Result<()> {
    let calls = Os.calls(Vouch::for_owned());
    let own = |fd| Os.adopt(fd, Vouch::for_owned());
    let [read, write] = calls.pipe2(consts::O_CLOEXEC)?;
    let (_read, _write) = (own(read), own(write));
    assert_eq!(calls.writev(write, &[IoSlice::new(b"ab"), IoSlice::new(b"cd")])?, 4);
    let (mut first, mut second) = ([0; 1], [0; 8]);
    assert_eq!(calls.readv(read, &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)])?, 4);
    assert_eq!((&first, &second[..3]), (b"a", &b"bcd"[..]));
    assert_eq!(calls.write(write, b"z")?, 1);
    assert_eq!(calls.read(read, &mut second)?, 1);
    let copy = calls.dup(write)?;
    assert_eq!(calls.fcntl(copy, consts::F_GETFD, 0)?, 0);
    assert_eq!(calls.dup3(read, copy, consts::O_CLOEXEC)?, copy);
    assert_eq!(calls.fcntl(copy, consts::F_GETFD, 0)?, consts::FD_CLOEXEC);
    calls.close(copy)?;

    let (a, b) = pair(Type::DGRAM);
    let hdr = SendHdr { name: None, iov: &[IoSlice::new(b"xyz")], control: &[] };
    assert_eq!(calls.sendmsg(Os.fileno(&a), &hdr, 0)?, 3);
    let mut into = [0; 2];
    let iov = &mut [IoSliceMut::new(&mut into)];
    let mut hdr = RecvHdr { name: &mut [], name_len: 9, iov, control: &mut [], control_len: 9, flags: 0 };
    assert_eq!(calls.recvmsg(Os.fileno(&b), &mut hdr, 0)?, 2);
    assert_eq!((hdr.name_len, hdr.control_len, hdr.flags), (0, 0, consts::MSG_TRUNC));
    Ok(())
}

#[test]
fn options_have_types() -> Result<()> {
    let (_, client, _server) = tcp();
    assert!(!Os.option(&client, option::TCP_NODELAY)?);
    Os.set_option(&client, option::TCP_NODELAY, true)?;
    assert_eq!(Os.getsockopt(&client, consts::SOL_TCP, consts::TCP_NODELAY)?, 1);
    assert_eq!(Os.option(&client, option::SO_TYPE)?, Type::STREAM);
    assert_eq!(Os.option(&client, option::SO_DOMAIN)?, Domain::INET);
    assert_eq!(Os.option(&client, option::SO_ERROR)?, None);
    for linger in [Some(Duration::from_secs(7)), None, Some(Duration::ZERO)].map(option::Linger) {
        Os.set_option(&client, option::SO_LINGER, linger)?;
        assert_eq!(Os.option(&client, option::SO_LINGER)?, linger);
    }
    for time in [Some(Duration::from_millis(1500)), None].map(option::Timeout) {
        Os.set_option(&client, option::SO_RCVTIMEO, time)?;
        assert_eq!(Os.option(&client, option::SO_RCVTIMEO)?, time);
    }
    assert_eq!(Os.setsockopt(&client, consts::SOL_SOCKET, consts::SO_TYPE, 1), Err(Errno::NOPROTOOPT));
    let mut name = [0; 16];
    let len = Os.getsockopt_bytes(&client, consts::SOL_TCP, consts::TCP_CONGESTION, &mut name)?;
    assert!(len > 0 && name[0].is_ascii_alphabetic());
    Ok(())
}

#[test]
fn a_duplicate_shares_the_blocking_mode() -> Result<()> {
    let (a, _b) = pair(Type::STREAM);
    let copy = Os.dup(&a)?;
    assert!(!Os.nonblocking(&a)?);
    Os.set_nonblocking(&copy, true)?;
    assert!(Os.nonblocking(&a)?);
    assert_eq!(calls().fcntl(Os.fileno(&copy), consts::F_GETFD, 0)?, consts::FD_CLOEXEC);
    Ok(())
}

#[test]
fn unix_addresses_come_back_as_they_went() -> Result<()> {
    let socket = Os.socket(Domain::UNIX, Type::DGRAM, SockFlags::NONE, Protocol::DEFAULT)?;
    assert_eq!(Os.getsockname(&socket)?, SocketAddr::Unix(UnixAddr::Unnamed));
    let name = format!("twinsock-{}\0-", std::process::id()).into_bytes();
    let addr = SocketAddr::Unix(UnixAddr::Abstract(name));
    Os.bind(&socket, &addr)?;
    assert_eq!(Os.getsockname(&socket)?, addr);
    Ok(())
}

#[test]
fn the_world_has_clocks_and_chance() {
    let (before, wall) = (Os.now(), Os.wall());
    Os.sleep(Duration::from_micros(50));
    assert!(Os.now() - before >= Duration::from_micros(50));
    assert!(wall.elapsed().is_ok());
    let mut bytes = [0; 4096];
    Os.fill(&mut bytes);
    assert!(bytes.iter().any(|byte| *byte != 0));
}
