//! listen(2), the backlog, accept(2).

use super::*;

/// Nonblocking connects until one is not answered; how many were.
fn fill(net: &mut Net, client: Proc, addr: &str) -> usize {
    for count in 0.. {
        let fd = net.nonblocking(client);
        assert_eq!(net.connect(client, fd, addr), Err(Errno::INPROGRESS));
        if net.poll(client, fd) == PollEvents::NONE {
            net.close(client, fd).unwrap();
            return count;
        }
    }
    unreachable!("some connect is the last")
}

#[test]
fn backlog_and_one_connections_are_queued() {
    for (backlog, expected) in [(0, 1), (1, 2), (2, 3), (5, 6), (128, 129)] {
        let (mut net, server, client) = Net::two();
        let listener = net.socket(server);
        net.bind(server, listener, SERVER).unwrap();
        net.listen(server, listener, backlog).unwrap();
        assert_eq!(fill(&mut net, client, SERVER), expected, "backlog {backlog}");
    }
}

#[test]
fn somaxconn_caps_the_backlog() {
    for backlog in [-1, 5000] {
        let (mut net, server, client) = Net::two();
        net.hosts[0].sysctl_mut().set("net.core.somaxconn", "3").unwrap();
        let listener = net.socket(server);
        net.bind(server, listener, SERVER).unwrap();
        net.listen(server, listener, backlog).unwrap();
        assert_eq!(fill(&mut net, client, SERVER), 4);
    }
}

#[test]
fn a_freed_slot_waits_for_the_next_syn() {
    let (mut net, server, client) = Net::two();
    let listener = net.socket(server);
    net.bind(server, listener, SERVER).unwrap();
    net.listen(server, listener, 0).unwrap();
    let first = net.nonblocking(client);
    let second = net.nonblocking(client);
    assert_eq!(net.connect(client, first, SERVER), Err(Errno::INPROGRESS));
    assert_eq!(net.connect(client, second, SERVER), Err(Errno::INPROGRESS));
    assert_eq!((net.poll(client, first), net.poll(client, second)), (OUT, PollEvents::NONE));
    assert!(net.accept(server, listener).is_ok());
    assert_eq!(net.poll(client, second), PollEvents::NONE, "the slot is free, the SYN is lost");
    net.advance(Duration::from_millis(1001));
    assert_eq!(net.poll(client, second), OUT);
}

#[test]
fn connections_are_accepted_in_the_order_of_their_completion() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let mut names = Vec::new();
    for _ in 0..3 {
        let fd = net.socket(client);
        net.connect(client, fd, SERVER).unwrap();
        net.send(client, fd, b"early").unwrap();
        names.push(net.sockname(client, fd));
    }
    for name in names {
        assert_eq!(net.poll(server, listener), IN);
        let fd = fd(net.accept(server, listener));
        assert_eq!(net.peername(server, fd), Ok(name));
        assert_eq!(net.recv(server, fd), Ok(b"early".to_vec()));
    }
    assert_eq!(net.poll(server, listener), PollEvents::NONE);
}

#[test]
fn a_connection_that_died_in_the_queue_is_accepted_all_the_same() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let near = net.socket(client);
    net.connect(client, near, SERVER).unwrap();
    net.send(client, near, b"last words").unwrap();
    net.set_linger(client, near, 0);
    net.close(client, near).unwrap();
    let far = fd(net.accept(server, listener));
    assert_eq!(net.peername(server, far), Err(Errno::NOTCONN));
    assert_eq!(net.recv(server, far), Ok(b"last words".to_vec()));
    assert_eq!(net.recv(server, far), Err(Errno::CONNRESET));
    assert_eq!(net.recv(server, far), Ok(vec![]));
}

#[test]
fn closing_a_listener_resets_what_nobody_accepted() {
    for how in [None, Some(c::SHUT_RD), Some(c::SHUT_RDWR)] {
        let (mut net, server, client) = Net::two();
        let listener = net.listener(server, SERVER);
        let near = net.socket(client);
        net.connect(client, near, SERVER).unwrap();
        match how {
            None => net.close(server, listener).unwrap(),
            Some(how) => net.shutdown(server, listener, how).unwrap(),
        };
        assert_eq!(net.recv(client, near), Err(Errno::CONNRESET));
        let next = net.socket(client);
        assert_eq!(net.connect(client, next, SERVER), Err(Errno::CONNREFUSED));
    }
}

#[test]
fn a_listener_that_was_shut_down_may_listen_again() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    assert_eq!(net.shutdown(server, listener, c::SHUT_WR), Ok(0), "no effect");
    assert_eq!(net.shutdown(server, listener, c::SHUT_RD), Ok(0));
    assert_eq!(net.poll(server, listener), mask(&[OUT, HUP]));
    assert_eq!(net.accept(server, listener), Err(Errno::INVAL));
    assert_eq!(net.listen(server, listener, 1), Ok(0));
    assert_eq!(net.sockname(server, listener), SERVER);
    let near = net.socket(client);
    assert_eq!(net.connect(client, near, SERVER), Ok(0));
    let unbound = net.socket(server);
    net.listen(server, unbound, 1).unwrap();
    let port = net.port(server, unbound);
    net.shutdown(server, unbound, c::SHUT_RD).unwrap();
    let other = net.socket(server);
    net.listen(server, other, 1).unwrap();
    assert_eq!(net.port(server, other), port, "the port was given back");
    net.listen(server, unbound, 1).unwrap();
    assert_ne!(net.port(server, unbound), port);
}

#[test]
fn a_listener_is_no_stream() {
    let (mut net, server, _) = Net::two();
    let listener = net.listener(server, SERVER);
    assert_eq!(net.recv(server, listener), Err(Errno::NOTCONN));
    assert_eq!(net.send(server, listener, b"x"), Err(Errno::PIPE));
    assert_eq!(net.hosts[0].take_sigpipes(server.pid), 1);
    let mut count = 0;
    let ioctl = Call::Ioctl { fd: listener, request: 0x541B, argument: &mut count };
    assert_eq!(net.call(server, ioctl), Err(Errno::INVAL));
    assert_eq!(net.get(server, listener, c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(1));
    assert_eq!(net.connect(server, listener, SERVER), Err(Errno::ISCONN));
}

#[test]
fn a_specific_address_beats_the_wildcard_and_ipv4_beats_dual_stack() {
    let (mut net, server, client) = Net::two();
    let mut listeners = Vec::new();
    for (domain, addr) in [(c::AF_INET6, "[::]:80"), (c::AF_INET, "0.0.0.0:80"), (c::AF_INET, SERVER)] {
        let fd = net.socket_of(server, domain);
        net.set(server, fd, c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        net.bind(server, fd, addr).unwrap();
        net.listen(server, fd, 8).unwrap();
        listeners.push(fd);
    }
    while let Some(expected) = listeners.pop() {
        let near = net.socket(client);
        assert_eq!(net.connect(client, near, SERVER), Ok(0));
        assert!(net.accept(server, expected).is_ok(), "{} are left", listeners.len());
        net.close(server, expected).unwrap();
    }
}

#[test]
fn a_reuseport_group_shares_the_connections() {
    let (mut net, server, client) = Net::two();
    let mut group = Vec::new();
    for _ in 0..3 {
        let fd = net.socket(server);
        net.set(server, fd, c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        net.bind(server, fd, SERVER).unwrap();
        net.listen(server, fd, 128).unwrap();
        group.push(fd);
    }
    for _ in 0..90 {
        let near = net.socket(client);
        assert_eq!(net.connect(client, near, SERVER), Ok(0));
    }
    for fd in group {
        net.call(server, Call::Fcntl { fd, command: c::F_SETFL, argument: c::O_NONBLOCK }).unwrap();
        let mut count = 0;
        while net.accept(server, fd).is_ok() {
            count += 1;
        }
        assert!((15..=45).contains(&count), "{count} of 90");
    }
}

#[test]
fn deferred_accept_waits_for_data() {
    let (mut net, server, client) = Net::two();
    let listener = net.socket(server);
    net.set(server, listener, c::SOL_TCP, c::TCP_DEFER_ACCEPT, 5).unwrap();
    net.bind(server, listener, SERVER).unwrap();
    net.listen(server, listener, 5).unwrap();
    let near = net.socket(client);
    assert_eq!(net.connect(client, near, SERVER), Ok(0));
    assert_eq!(net.poll(server, listener), PollEvents::NONE);
    net.send(client, near, b"hello").unwrap();
    assert_eq!(net.poll(server, listener), IN);
    let far = fd(net.accept(server, listener));
    assert_eq!(net.recv(server, far), Ok(b"hello".to_vec()));
}

#[test]
fn options_are_inherited_at_the_handshake() {
    let (mut net, server, client) = Net::two();
    let listener = net.socket(server);
    net.set(server, listener, c::SOL_TCP, c::TCP_NODELAY, 1).unwrap();
    net.set(server, listener, c::SOL_SOCKET, c::SO_PRIORITY, 3).unwrap();
    net.set_linger(server, listener, 7);
    net.bind(server, listener, SERVER).unwrap();
    net.listen(server, listener, 5).unwrap();
    let near = net.socket(client);
    net.connect(client, near, SERVER).unwrap();
    net.set(server, listener, c::SOL_TCP, c::TCP_CORK, 1).unwrap();
    let far = fd(net.accept(server, listener));
    assert_eq!(net.get(server, far, c::SOL_TCP, c::TCP_NODELAY), Ok(1));
    assert_eq!(net.get(server, far, c::SOL_TCP, c::TCP_CORK), Ok(0));
    assert_eq!(net.get(server, far, c::SOL_SOCKET, c::SO_PRIORITY), Ok(0));
    let flags = net.call(server, Call::Fcntl { fd: far, command: c::F_GETFL, argument: 0 });
    assert_eq!(flags, Ok(2), "O_RDWR: O_NONBLOCK is never inherited");
}

#[test]
fn a_shutdown_before_listen_reaches_the_accepted_sockets() {
    let (mut net, server, client) = Net::two();
    let listener = net.socket(server);
    assert_eq!(net.shutdown(server, listener, c::SHUT_RDWR), Err(Errno::NOTCONN));
    assert_eq!(net.poll(server, listener), mask(&[IN, OUT, HUP, RDHUP]));
    net.bind(server, listener, SERVER).unwrap();
    net.listen(server, listener, 5).unwrap();
    let near = net.socket(client);
    net.connect(client, near, SERVER).unwrap();
    let far = fd(net.accept(server, listener));
    assert_eq!(net.recv(server, far), Ok(vec![]));
    assert_eq!(net.send(server, far, b"x"), Err(Errno::PIPE));
}
