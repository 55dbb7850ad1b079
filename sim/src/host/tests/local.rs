//! Local sockets through system calls: names, data, ends, readiness, options.

use super::*;
use crate::host::Sysctl;
use twinsock::raw::{EpollEvent, RecvHdr};
use twinsock::{UnixAddr, raw::SendHdr};

/// `unix(7)` as these tests speak of it.
impl Net {
    pub(super) fn local(&mut self, proc: Proc, kind: i32) -> RawFd {
        fd(self.call(proc, Call::Socket { domain: c::AF_UNIX, kind, protocol: 0 }))
    }

    pub(super) fn pair(&mut self, proc: Proc, kind: i32) -> (RawFd, RawFd) {
        let mut out = [-1; 2];
        self.call(proc, Call::Socketpair { domain: c::AF_UNIX, kind, protocol: 0, out: &mut out }).unwrap();
        (out[0], out[1])
    }

    pub(super) fn bind_local(&mut self, proc: Proc, fd: RawFd, name: &str) -> Result<usize> {
        self.call(proc, Call::Bind { fd, addr: local(name).as_bytes() })
    }

    pub(super) fn connect_local(&mut self, proc: Proc, fd: RawFd, name: &str) -> Result<usize> {
        self.call(proc, Call::Connect { fd, addr: local(name).as_bytes() })
    }

    pub(super) fn local_listener(&mut self, proc: Proc, kind: i32, name: &str, backlog: i32) -> RawFd {
        let fd = self.local(proc, kind);
        self.bind_local(proc, fd, name).unwrap();
        self.listen(proc, fd, backlog).unwrap();
        fd
    }

    pub(super) fn sendto_local(&mut self, proc: Proc, fd: RawFd, data: &[u8], name: &str) -> Result<usize> {
        let addr = local(name);
        self.call(proc, Call::Sendto { fd, data, flags: c::MSG_DONTWAIT, addr: Some(addr.as_bytes()) })
    }

    /// What is received and from whom; `None`: a sender without a name.
    fn recvfrom_local(&mut self, proc: Proc, fd: RawFd) -> (Vec<u8>, Option<String>) {
        let (mut into, mut bytes, mut len) = ([0; 100], [0; 128], 128);
        let name = Some(Name { bytes: &mut bytes, len: &mut len });
        let count = self.call(proc, Call::Recvfrom { fd, into: &mut into, flags: c::MSG_DONTWAIT, name }).unwrap();
        let from = usize::try_from(len).unwrap();
        let name = (from > 0).then(|| SocketAddr::decode(&bytes[..from]).unwrap().to_string());
        (into[..count].to_vec(), name)
    }
}

/// `@name` is abstract, the empty name is none, others are paths.
pub(super) fn local(name: &str) -> twinsock::RawAddr {
    let addr = match name.strip_prefix('@') {
        Some(name) => UnixAddr::from_abstract_name(name).unwrap(),
        None => UnixAddr::from_pathname(name).unwrap(),
    };
    SocketAddr::from(addr).encode().unwrap()
}

pub(super) const STREAM: i32 = c::SOCK_STREAM;
pub(super) const DGRAM: i32 = c::SOCK_DGRAM;
pub(super) const SEQPACKET: i32 = c::SOCK_SEQPACKET;
const WRBAND: PollEvents = PollEvents::WRBAND;

#[test]
fn a_pair_of_streams_talks_and_ends() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    assert_eq!(net.send(p, a, b"hello "), Ok(6));
    assert_eq!(net.call(p, Call::Write { fd: a, data: b"world" }), Ok(5));
    assert_eq!(net.recv(p, b), Ok(b"hello world".to_vec()));
    assert_eq!(net.recv(p, b), Err(Errno::AGAIN));
    net.close(p, a).unwrap();
    assert_eq!(net.recv(p, b), Ok(vec![]));
    assert_eq!(net.send(p, b, b"x"), Err(Errno::PIPE));
    assert_eq!(net.hosts[0].take_sigpipes(p.pid), 1);
    let flags = c::MSG_NOSIGNAL;
    assert_eq!(net.call(p, Call::Sendto { fd: b, data: b"x", flags, addr: None }), Err(Errno::PIPE));
    assert_eq!(net.hosts[0].take_sigpipes(p.pid), 0);
}

#[test]
fn a_connection_is_made_by_name_between_processes_of_a_host() {
    let (mut net, server, other_host) = Net::two();
    let client = net.spawn(0);
    for (kind, name) in [(STREAM, "/tmp/s"), (SEQPACKET, "@s")] {
        let listener = net.local_listener(server, kind, name, 1);
        let near = net.local(client, kind);
        assert_eq!(net.connect_local(client, near, name), Ok(0));
        assert_eq!(net.send(client, near, b"early"), Ok(5), "before it is accepted");
        let (mut bytes, mut len) = ([0; 128], 128);
        let call = Call::Accept4 { fd: listener, name: Some(Name { bytes: &mut bytes, len: &mut len }), flags: c::SOCK_NONBLOCK };
        let far = fd(net.call(server, call));
        assert_eq!(len, 2, "the client has no name");
        assert_eq!(net.recv(server, far), Ok(b"early".to_vec()));
        assert_eq!(net.sockname(server, far), net.peername(client, near).unwrap());
        let elsewhere = net.local(other_host, kind);
        let refused = if name.starts_with('@') { Errno::CONNREFUSED } else { Errno::NOENT };
        assert_eq!(net.connect_local(other_host, elsewhere, name), Err(refused), "names are a host's own");
    }
}

#[test]
fn datagrams_keep_their_boundaries_and_their_sender() {
    let (mut net, p, _) = Net::two();
    let (a, b) = (net.local(p, DGRAM), net.local(p, DGRAM));
    net.bind_local(p, b, "@to").unwrap();
    assert_eq!(net.sendto_local(p, a, b"one", "@to"), Ok(3));
    net.bind_local(p, a, "/tmp/from").unwrap();
    assert_eq!(net.sendto_local(p, a, b"", "@to"), Ok(0));
    assert_eq!(net.recvfrom_local(p, b), (b"one".to_vec(), Some(net.sockname(p, a))));
    assert_eq!(net.recvfrom_local(p, b), (vec![], Some(net.sockname(p, a))));
    let unnamed = net.local(p, DGRAM);
    net.sendto_local(p, unnamed, b"x", "@to").unwrap();
    assert_eq!(net.recvfrom_local(p, b), (b"x".to_vec(), None));
}

#[test]
fn autobind_gives_five_digits_and_a_path_is_counted_with_its_nul() {
    let (mut net, p, _) = Net::two();
    let a = net.local(p, STREAM);
    let family = local("");
    assert_eq!(net.call(p, Call::Bind { fd: a, addr: family.as_bytes() }), Ok(0));
    let (mut bytes, mut len) = ([0; 128], 128);
    net.call(p, Call::Getsockname { fd: a, name: Name { bytes: &mut bytes, len: &mut len } }).unwrap();
    assert_eq!(len, 8);
    let b = net.local(p, STREAM);
    net.bind_local(p, b, "/tmp/ab").unwrap();
    len = 4;
    net.call(p, Call::Getsockname { fd: b, name: Name { bytes: &mut bytes, len: &mut len } }).unwrap();
    assert_eq!((len, &bytes[2..4]), (10, &b"/t"[..]));
    len = -1;
    assert_eq!(net.call(p, Call::Getsockname { fd: b, name: Name { bytes: &mut bytes, len: &mut len } }), Err(Errno::INVAL));
    assert_eq!(net.call(p, Call::Bind { fd: b, addr: &[0; 129] }), Err(Errno::INVAL));
}

#[test]
fn socket_and_socketpair_judge_their_arguments() {
    let (mut net, p, _) = Net::two();
    let mut socket = |domain, kind, protocol| net.call(p, Call::Socket { domain, kind, protocol });
    assert_eq!(socket(c::AF_UNIX, STREAM, 2), Err(Errno::PROTONOSUPPORT));
    assert_eq!(socket(c::AF_UNIX, 4, 0), Err(Errno::SOCKTNOSUPPORT));
    assert_eq!(socket(c::AF_UNIX, 11, 0), Err(Errno::INVAL));
    assert_eq!(socket(c::AF_UNIX, 3, 1), Ok(0));
    assert_eq!(net.get(p, 0, c::SOL_SOCKET, c::SO_TYPE), Ok(DGRAM), "raw is dgram");
    let mut out = [-1; 2];
    let mut pair = |net: &mut Net, domain, kind| net.call(p, Call::Socketpair { domain, kind, protocol: 0, out: &mut out });
    assert_eq!(pair(&mut net, c::AF_INET, STREAM), Err(Errno::OPNOTSUPP));
    assert_eq!(pair(&mut net, c::AF_UNIX, STREAM | 1 << 20), Err(Errno::INVAL));
    net.hosts[0].set_rlimit_nofile(p.pid, 2);
    assert_eq!(pair(&mut net, c::AF_UNIX, STREAM), Err(Errno::MFILE), "it needs two");
    net.hosts[0].set_rlimit_nofile(p.pid, 3);
    assert_eq!(pair(&mut net, c::AF_UNIX, STREAM | c::SOCK_CLOEXEC | c::SOCK_NONBLOCK), Ok(0));
    assert_eq!(out, [1, 2]);
}

#[test]
fn accept_without_a_free_descriptor_leaves_the_connection() {
    let (mut net, p, _) = Net::two();
    let listener = net.local_listener(p, STREAM, "@l", 5);
    let near = net.local(p, STREAM);
    net.connect_local(p, near, "@l").unwrap();
    net.hosts[0].set_rlimit_nofile(p.pid, 2);
    assert_eq!(net.accept(p, listener), Err(Errno::MFILE));
    net.hosts[0].set_rlimit_nofile(p.pid, 3);
    assert_eq!(net.accept(p, listener), Ok(2));
    net.hosts[0].set_rlimit_nofile(p.pid, 4);
    net.call(p, Call::Fcntl { fd: listener, command: c::F_SETFL, argument: c::O_NONBLOCK }).unwrap();
    assert_eq!(net.accept(p, listener), Err(Errno::AGAIN));
    assert_eq!(net.local(p, STREAM), 3, "an accept that fails gives its number back");
}

#[test]
fn poll_sees_both_directions() {
    let (mut net, p, _) = Net::two();
    let lone = net.local(p, STREAM);
    assert_eq!(net.poll(p, lone), mask(&[OUT, WRBAND, HUP]));
    let (a, b) = net.pair(p, STREAM);
    assert_eq!(net.poll(p, a), mask(&[OUT, WRBAND]));
    net.send(p, a, b"x").unwrap();
    assert_eq!(net.poll(p, b), mask(&[IN, OUT, WRBAND]));
    net.shutdown(p, a, c::SHUT_WR).unwrap();
    assert_eq!(net.poll(p, b), mask(&[IN, OUT, RDHUP, WRBAND]));
    net.close(p, a).unwrap();
    assert_eq!(net.poll(p, b), mask(&[IN, OUT, HUP, RDHUP, ERR, WRBAND]).without(ERR));
    assert_eq!(net.shutdown(p, b, 3), Err(Errno::INVAL));
    let listener = net.local_listener(p, STREAM, "@l", 0);
    assert_eq!(net.poll(p, listener), PollEvents::NONE);
    let near = net.local(p, STREAM);
    net.connect_local(p, near, "@l").unwrap();
    assert_eq!(net.poll(p, listener), IN);
}

#[test]
fn every_message_is_an_edge_and_so_is_every_read_at_the_sender() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    let epfd = fd(net.call(p, Call::EpollCreate1 { flags: 0 }));
    for (fd, data) in [(a, 1), (b, 2)] {
        let events = (c::POLLIN | c::POLLOUT).cast_unsigned() | c::EPOLLET.cast_unsigned();
        let event = Some(EpollEvent { events, data });
        net.call(p, Call::EpollCtl { epfd, op: c::EPOLL_CTL_ADD, fd, event }).unwrap();
    }
    let edges = |net: &mut Net| {
        let mut events = [EpollEvent::default(); 4];
        let count = net.call(p, Call::EpollWait { epfd, events: &mut events, timeout: 0 }).unwrap();
        events[..count].iter().map(|event| (event.data, event.events)).collect::<Vec<_>>()
    };
    assert_eq!(edges(&mut net), [(1, 4), (2, 4)]);
    net.send(p, a, b"x").unwrap();
    assert_eq!(edges(&mut net), [(2, 5)]);
    net.send(p, a, b"y").unwrap();
    assert_eq!(edges(&mut net), [(2, 5)], "older data is still there");
    assert_eq!(net.recv_with(p, b, 1, 0), Ok(b"x".to_vec()));
    assert_eq!(edges(&mut net), [(1, 4)], "a message was read to its end");
    net.close(p, b).unwrap();
    let end = ERR | HUP | IN | OUT;
    assert_eq!(edges(&mut net), [(1, end.raw().cast_unsigned())], "what b had not read is an error");
}

#[test]
fn ioctl_tells_what_waits_to_be_read_and_what_was_not_read() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    net.send(p, a, b"12345").unwrap();
    let ask = |net: &mut Net, fd, request: i32| {
        let mut argument = -1;
        net.call(p, Call::Ioctl { fd, request: request.cast_unsigned().into(), argument: &mut argument }).map(|_| argument)
    };
    assert_eq!(ask(&mut net, b, c::FIONREAD), Ok(5));
    assert_eq!(ask(&mut net, a, c::TIOCOUTQ), Ok(768));
    assert_eq!(ask(&mut net, b, c::SIOCATMARK), Ok(0));
    assert_eq!(ask(&mut net, b, 0x5413), Err(Errno::NOTTY));
    let (d, _) = net.pair(p, DGRAM);
    assert_eq!(ask(&mut net, d, c::SIOCATMARK), Err(Errno::OPNOTSUPP));
}

#[test]
fn reads_and_writes_of_nothing() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, DGRAM);
    assert_eq!(net.call(p, Call::Writev { fd: a, iov: &[] }), Ok(0), "writev of nothing asks nothing");
    assert_eq!(net.recv(p, b), Err(Errno::AGAIN));
    assert_eq!(net.call(p, Call::Write { fd: a, data: b"" }), Ok(0), "write does reach the socket");
    assert_eq!(net.call(p, Call::Read { fd: b, into: &mut [] }), Ok(0));
    assert_eq!(net.recv(p, b), Ok(vec![]));
    assert_eq!(net.recv(p, b), Err(Errno::AGAIN));
    let hdr = SendHdr { name: None, iov: &vec![std::io::IoSlice::new(&[]); 1025], control: &[] };
    assert_eq!(net.call(p, Call::Sendmsg { fd: a, hdr: &hdr, flags: 0 }), Err(Errno::MSGSIZE));
}

#[test]
fn a_cut_record_says_so() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, SEQPACKET);
    net.send(p, a, b"a long record").unwrap();
    let (mut into, mut name) = ([0; 4], [0; 64]);
    let mut hdr = RecvHdr {
        name: &mut name,
        name_len: 99,
        iov: &mut [std::io::IoSliceMut::new(&mut into)],
        control: &mut [],
        control_len: 99,
        flags: 0,
    };
    assert_eq!(net.call(p, Call::Recvmsg { fd: b, hdr: (&mut hdr).into(), flags: c::MSG_TRUNC }), Ok(13));
    assert_eq!((hdr.flags, hdr.name_len, hdr.control_len), (c::MSG_TRUNC, 0, 0));
    assert_eq!(&into, b"a lo");
}

#[test]
fn options_have_the_values_of_local_sockets() {
    let (mut net, p, _) = Net::two();
    let (a, _) = net.pair(p, STREAM);
    let level = c::SOL_SOCKET;
    assert_eq!(net.get(p, a, level, c::SO_SNDBUF), Ok(212_992));
    net.set(p, a, level, c::SO_SNDBUF, 1).unwrap();
    assert_eq!(net.get(p, a, level, c::SO_SNDBUF), Ok(4608));
    net.set(p, a, level, c::SO_RCVBUF, -1).unwrap();
    assert_eq!(net.get(p, a, level, c::SO_RCVBUF), Ok(8_388_608));
    assert_eq!(net.get(p, a, level, c::SO_BUF_LOCK), Ok(3));
    assert_eq!(net.set(p, a, level, c::SO_REUSEPORT, 1), Err(Errno::OPNOTSUPP));
    assert_eq!(net.set(p, a, level, c::SO_REUSEPORT, 0), Ok(0));
    assert_eq!(net.set(p, a, level, c::SO_RCVLOWAT, -5).and_then(|_| net.get(p, a, level, c::SO_RCVLOWAT).map(|_| 0)), Ok(0));
    assert_eq!(net.get(p, a, level, c::SO_RCVLOWAT), Ok(i32::MAX));
    assert_eq!(net.set(p, a, level, c::SO_ZEROCOPY, 0), Err(Errno::OPNOTSUPP));
    assert_eq!(net.set(p, a, level, c::SO_TYPE, 0), Err(Errno::NOPROTOOPT));
    assert_eq!(net.set(p, a, c::SOL_IP, c::IP_TTL, 1), Err(Errno::OPNOTSUPP));
    assert_eq!(net.get(p, a, c::SOL_TCP, c::TCP_NODELAY), Err(Errno::OPNOTSUPP));
    assert_eq!(net.get(p, a, level, c::SO_DOMAIN), Ok(c::AF_UNIX));
    assert_eq!(net.get(p, a, level, c::SO_PASSRIGHTS), Ok(1));
    let lone = net.local(p, STREAM);
    assert_eq!(net.get(p, lone, level, c::SO_PEERGROUPS), Err(Errno::NODATA));
    assert_eq!(net.get(p, lone, level, c::SO_PEERNAME), Err(Errno::NOTCONN));
}

#[test]
fn the_peer_is_known_by_its_credentials() {
    let (mut net, server, _) = Net::two();
    let user = net.hosts[0].spawn_process(Credentials { uid: 1000, gid: 100 });
    let client = Proc { host: 0, pid: user };
    let listener = net.local_listener(server, STREAM, "@l", 1);
    let near = net.local(client, STREAM);
    net.connect_local(client, near, "@l").unwrap();
    let far = fd(net.accept(server, listener));
    let ask = |net: &mut Net, proc, fd| {
        let (mut value, mut len) = ([0; 12], 12);
        net.call(proc, Call::Getsockopt { fd, level: c::SOL_SOCKET, name: c::SO_PEERCRED, value: &mut value, len: &mut len })
            .unwrap();
        value.as_chunks::<4>().0.iter().map(|bytes| i32::from_ne_bytes(*bytes)).collect::<Vec<_>>()
    };
    assert_eq!(ask(&mut net, server, far), [i32::try_from(user.0).unwrap(), 1000, 100]);
    assert_eq!(ask(&mut net, client, near), [i32::try_from(server.pid.0).unwrap(), 0, 0]);
    let lone = net.local(server, STREAM);
    assert_eq!(ask(&mut net, server, lone), [0, -1, -1]);
}

#[test]
fn the_queue_of_datagrams_is_a_sysctl() {
    let sysctl = Sysctl { max_dgram_qlen: 2, ..Sysctl::default() };
    let (mut net, ..) = Net::two();
    net.hosts[0] = Host::new(HostConfig { sysctl, ..HostConfig::default() });
    let p = net.spawn(0);
    let (a, b) = (net.local(p, DGRAM), net.local(p, DGRAM));
    net.bind_local(p, b, "@b").unwrap();
    let sent = (0..9).take_while(|_| net.sendto_local(p, a, b"x", "@b").is_ok()).count();
    assert_eq!(sent, 3);
}

#[test]
fn a_local_socket_is_none_of_inet_and_the_other_way_round() {
    let (mut net, p, _) = Net::two();
    let (a, _) = net.pair(p, STREAM);
    let inet = net.socket(p);
    assert_eq!(net.call(p, Call::Connect { fd: a, addr: sockaddr("127.0.0.1:1").as_bytes() }), Err(Errno::INVAL));
    assert_eq!(net.call(p, Call::Connect { fd: inet, addr: local("@a long name of 16").as_bytes() }), Err(Errno::AFNOSUPPORT));
    let pipe = {
        let mut out = [-1; 2];
        net.call(p, Call::Pipe2 { flags: 0, out: &mut out }).unwrap();
        out[0]
    };
    assert_eq!(net.connect_local(p, pipe, "@l"), Err(Errno::NOTSOCK));
    assert_eq!(net.connect_local(p, 99, "@l"), Err(Errno::BADF));
}
