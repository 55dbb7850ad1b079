//! Descriptors: numbers, dups, limits, pipes, and what is not a socket.

use super::*;

#[test]
fn closed_numbers_are_bad_everywhere() {
    let (mut net, server, _) = Net::two();
    for fd in [-1, 0, 7, i32::MAX] {
        assert_eq!(net.close(server, fd), Err(Errno::BADF));
        assert_eq!(net.call(server, Call::Dup { fd }), Err(Errno::BADF));
        assert_eq!(net.send(server, fd, b""), Err(Errno::BADF));
        assert_eq!(net.bind(server, fd, SERVER), Err(Errno::BADF));
        let mut fds = [PollFd { fd, events: 1, revents: 0 }];
        let count = net.call(server, Call::Poll { fds: &mut fds, timeout: 0 });
        assert_eq!((count, fds[0].revents), if fd < 0 { (Ok(0), 0) } else { (Ok(1), 0x20) });
    }
}

#[test]
fn the_combinations_that_socket_knows() {
    let (mut net, server, _) = Net::two();
    let (v4, stream) = (c::AF_INET, c::SOCK_STREAM);
    for (domain, kind, protocol, expected) in [
        (v4, stream, 6, None),
        (v4, stream, 17, Some(Errno::PROTONOSUPPORT)),
        (v4, stream, -1, Some(Errno::INVAL)),
        (v4, stream, 256, Some(Errno::INVAL)),
        (v4, c::SOCK_SEQPACKET, 0, Some(Errno::SOCKTNOSUPPORT)),
        (v4, 0, 0, Some(Errno::SOCKTNOSUPPORT)),
        (v4, 11, 0, Some(Errno::INVAL)),
        (v4, stream | 0x100_0000, 0, Some(Errno::INVAL)),
        (v4, -1, 0, Some(Errno::INVAL)),
        (0, stream, 0, Some(Errno::AFNOSUPPORT)),
        (-1, stream, 0, Some(Errno::AFNOSUPPORT)),
        (c::AF_UNIX, stream, 0, None),
        (c::AF_UNIX, stream, 6, Some(Errno::PROTONOSUPPORT)),
    ] {
        let result = net.call(server, Call::Socket { domain, kind, protocol });
        assert_eq!(result.err(), expected, "{domain} {kind} {protocol}");
    }
    let mut out = [0; 2];
    let pair = Call::Socketpair { domain: v4, kind: stream, protocol: 0, out: &mut out };
    assert_eq!(net.call(server, pair), Err(Errno::OPNOTSUPP));
}

#[test]
fn a_dup_shares_the_socket_and_o_nonblock() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let dup = fd(net.call(server, Call::Dup { fd: far }));
    net.call(server, Call::Fcntl { fd: dup, command: c::F_SETFL, argument: c::O_NONBLOCK }).unwrap();
    assert_eq!(net.recv_with(server, far, 1, 0), Err(Errno::AGAIN));
    net.call(server, Call::Fcntl { fd: dup, command: c::F_SETFD, argument: 1 }).unwrap();
    assert_eq!(net.call(server, Call::Fcntl { fd: far, command: c::F_GETFD, argument: 0 }), Ok(0));
    assert_eq!(net.call(server, Call::Fcntl { fd: dup, command: c::F_GETFD, argument: 0 }), Ok(1));
    net.close(server, far).unwrap();
    assert_eq!(net.recv(client, near), Err(Errno::AGAIN), "the dup keeps it open");
    net.close(server, dup).unwrap();
    assert_eq!(net.recv(client, near), Ok(vec![]));
}

#[test]
fn dup3_replaces_and_closes() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let other = net.socket(server);
    assert_eq!(net.call(server, Call::Dup3 { fd: other, new: other, flags: 0 }), Err(Errno::INVAL));
    assert_eq!(net.call(server, Call::Dup3 { fd: other, new: 9, flags: 1 }), Err(Errno::INVAL));
    assert_eq!(net.call(server, Call::Dup3 { fd: other, new: 5000, flags: 0 }), Err(Errno::BADF));
    let new = usize::try_from(far).unwrap();
    assert_eq!(net.call(server, Call::Dup3 { fd: other, new: far, flags: c::O_CLOEXEC }), Ok(new));
    assert_eq!(net.recv(client, near), Ok(vec![]), "what was there is closed");
    assert_eq!(net.call(server, Call::Fcntl { fd: far, command: c::F_GETFD, argument: 0 }), Ok(1));
    assert_eq!(net.call(server, Call::Fcntl { fd: other, command: c::F_DUPFD, argument: 10 }), Ok(10));
    assert_eq!(net.call(server, Call::Fcntl { fd: other, command: c::F_DUPFD, argument: -1 }), Err(Errno::INVAL));
}

#[test]
fn a_full_table_is_emfile_and_leaves_the_queue_alone() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let near = net.socket(client);
    net.hosts[0].set_rlimit_nofile(server.pid, 1);
    assert_eq!(net.accept(server, listener), Err(Errno::MFILE), "it wins over EAGAIN");
    net.connect(client, near, SERVER).unwrap();
    assert_eq!(net.accept(server, listener), Err(Errno::MFILE));
    let socket = Call::Socket { domain: c::AF_INET, kind: c::SOCK_STREAM, protocol: 0 };
    assert_eq!(net.call(server, socket), Err(Errno::MFILE));
    assert_eq!(net.call(server, Call::EpollCreate1 { flags: 0 }), Err(Errno::MFILE));
    let mut out = [0; 2];
    net.hosts[0].set_rlimit_nofile(server.pid, 2);
    assert_eq!(net.call(server, Call::Pipe2 { flags: 0, out: &mut out }), Err(Errno::MFILE));
    assert_eq!(net.accept(server, listener), Ok(1), "the connection was still there");
}

#[test]
fn accept_checks_its_arguments_in_order() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let flags = Call::Accept4 { fd: listener, name: None, flags: 1 };
    assert_eq!(net.call(server, flags), Err(Errno::INVAL));
    let near = net.socket(client);
    net.connect(client, near, SERVER).unwrap();
    let (mut bytes, mut len) = ([0; 16], -1);
    let name = Some(Name { bytes: &mut bytes, len: &mut len });
    assert_eq!(net.call(server, Call::Accept4 { fd: listener, name, flags: 0 }), Err(Errno::INVAL));
    assert_eq!(net.recv(client, near), Ok(vec![]), "the connection is lost");
}

#[test]
fn pipes_carry_bytes_and_block() {
    let (mut net, server, _) = Net::two();
    let mut out = [0; 2];
    net.call(server, Call::Pipe2 { flags: c::O_CLOEXEC, out: &mut out }).unwrap();
    let [reader, writer] = out;
    assert_eq!(net.send(server, reader, b"x"), Err(Errno::NOTSOCK));
    assert_eq!(net.call(server, Call::Write { fd: reader, data: b"x" }), Err(Errno::BADF));
    let mut into = [0; 8];
    let op = net.park(server, 1, Call::Read { fd: reader, into: &mut into });
    assert_eq!(net.call(server, Call::Write { fd: writer, data: b"bytes" }), Ok(5));
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, op, Call::Read { fd: reader, into: &mut into }), Ok(5));
    let large = vec![1; 70_000];
    let op = net.park(server, 2, Call::Write { fd: writer, data: &large });
    let mut room = vec![0; 65_536];
    assert_eq!(net.call(server, Call::Read { fd: reader, into: &mut room }), Ok(65_536));
    assert_eq!(net.wakes(server), [2]);
    assert_eq!(net.resume(server, op, Call::Write { fd: writer, data: &large }), Ok(70_000));
    net.close(server, reader).unwrap();
    assert_eq!(net.call(server, Call::Write { fd: writer, data: b"x" }), Err(Errno::PIPE));
    assert_eq!(net.hosts[0].take_sigpipes(server.pid), 1);
    net.close(server, writer).unwrap();
    assert!(net.hosts[0].pipes.iter().next().is_none(), "nothing is left");
}

#[test]
fn descriptors_are_per_process() {
    let (mut net, server, _) = Net::two();
    let fd = net.socket(server);
    let other = net.spawn(0);
    assert_eq!(net.close(other, fd), Err(Errno::BADF));
    assert_eq!(net.socket(other), fd);
}

#[test]
fn nothing_is_left_of_closed_sockets() {
    let (mut net, server, client) = Net::two();
    for _ in 0..3 {
        let (far, near) = net.connection(server, client);
        net.set_linger(client, near, 0);
        net.close(client, near).unwrap();
        net.close(server, far).unwrap();
    }
    for host in &net.hosts {
        assert!(host.sockets.iter().next().is_none() && host.files.iter().next().is_none());
        assert!(host.netstat(net.now).is_empty());
    }
}
