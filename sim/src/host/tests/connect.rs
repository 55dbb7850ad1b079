//! connect(2) and the names of both ends.

use super::*;

#[test]
fn a_connection_carries_bytes_both_ways_and_ends() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    assert_eq!(net.send(client, near, b"ping"), Ok(4));
    assert_eq!(net.recv(server, far), Ok(b"ping".to_vec()));
    assert_eq!(net.send(server, far, b"pong"), Ok(4));
    assert_eq!(net.recv(client, near), Ok(b"pong".to_vec()));
    assert_eq!(net.sockname(server, far), SERVER);
    assert_eq!(net.peername(client, near), Ok(SERVER.to_owned()));
    let name = net.sockname(client, near);
    assert_eq!(net.peername(server, far), Ok(name));
    assert_eq!(net.close(client, near), Ok(0));
    assert_eq!(net.recv(server, far), Ok(vec![]));
    assert_eq!(net.close(server, far), Ok(0));
}

#[test]
fn a_refused_blocking_connect_leaves_a_clean_socket() {
    let (mut net, _, client) = Net::two();
    let fd = net.socket(client);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::CONNREFUSED));
    assert_eq!(net.error(client, fd), None);
    assert_eq!(net.poll(client, fd), mask(&[OUT, HUP]));
    assert_eq!(net.recv(client, fd), Err(Errno::NOTCONN));
    assert!(net.sockname(client, fd).starts_with("0.0.0.0:3"), "the address goes, the port is still shown");
    let old = net.port(client, fd);
    assert_eq!(net.listen(client, fd, 1), Ok(0));
    assert_ne!(net.port(client, fd), old, "listen takes a new port");
}

#[test]
fn a_nonblocking_refusal_is_reported_once() {
    let (mut net, _, client) = Net::two();
    let fd = net.nonblocking(client);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::INPROGRESS));
    assert_eq!(net.poll(client, fd), mask(&[IN, OUT, ERR, HUP, RDHUP]));
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::CONNREFUSED));
    assert_eq!(net.poll(client, fd), mask(&[OUT, HUP]));
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::INPROGRESS));
    assert_eq!(net.error(client, fd), Some(Errno::CONNREFUSED));
    assert_eq!(net.listen(client, fd, 1), Err(Errno::INVAL));
    assert_eq!(net.recv(client, fd), Ok(vec![]));
    assert_eq!(net.send(client, fd, b"x"), Err(Errno::PIPE));
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::CONNABORTED));
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::INPROGRESS));
}

#[test]
fn a_nonblocking_success_lets_connect_return_0_once() {
    let (mut net, server, client) = Net::two();
    net.listener(server, SERVER);
    let fd = net.nonblocking(client);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::INPROGRESS));
    assert_eq!((net.error(client, fd), net.poll(client, fd)), (None, OUT));
    assert_eq!(net.connect(client, fd, SERVER), Ok(0));
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::ISCONN));
}

#[test]
fn while_a_connection_is_in_progress_nothing_else_is_possible() {
    let (mut net, _, client) = Net::two();
    net.loses = |_| true;
    let fd = net.nonblocking(client);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::INPROGRESS));
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::ALREADY));
    assert_eq!(net.poll(client, fd), PollEvents::NONE);
    assert_eq!(net.peername(client, fd), Err(Errno::NOTCONN));
    assert!(net.sockname(client, fd).starts_with("10.0.0.2:"));
    assert_eq!(net.send(client, fd, b"x"), Err(Errno::AGAIN));
    assert_eq!(net.recv(client, fd), Err(Errno::AGAIN));
    assert_eq!(net.accept(client, fd), Err(Errno::INVAL));
    assert_eq!(net.listen(client, fd, 1), Err(Errno::INVAL));
    assert_eq!(net.bind(client, fd, "0.0.0.0:5"), Err(Errno::INVAL));
    assert_eq!(net.shutdown(client, fd, c::SHUT_WR), Ok(0));
    assert_eq!(net.poll(client, fd), mask(&[OUT, ERR, HUP]));
    assert_eq!(net.error(client, fd), Some(Errno::CONNRESET));
}

#[test]
fn a_lost_syn_is_repeated_after_a_second() {
    let (mut net, server, client) = Net::two();
    net.listener(server, SERVER);
    net.loses = |_| true;
    let fd = net.socket(client);
    let addr = sockaddr(SERVER);
    let op = net.park(client, 1, Call::Connect { fd, addr: addr.as_bytes() });
    net.loses = |_| false;
    net.advance(Duration::from_millis(999));
    assert_eq!(net.wakes(client), [] as [u64; 0]);
    net.advance(Duration::from_millis(2));
    assert_eq!(net.wakes(client), [1]);
    assert_eq!(net.resume(client, op, Call::Connect { fd, addr: addr.as_bytes() }), Ok(0));
}

#[test]
fn a_connect_without_any_answer_times_out() {
    let (mut net, _, client) = Net::two();
    net.loses = |_| true;
    let fd = net.socket(client);
    net.set(client, fd, c::SOL_TCP, c::TCP_SYNCNT, 1).unwrap();
    let addr = sockaddr(SERVER);
    let op = net.park(client, 1, Call::Connect { fd, addr: addr.as_bytes() });
    net.advance(Duration::from_millis(2_900));
    assert_eq!(net.wakes(client), [] as [u64; 0]);
    net.advance(Duration::from_millis(300));
    assert_eq!(net.wakes(client), [1]);
    assert_eq!(net.resume(client, op, Call::Connect { fd, addr: addr.as_bytes() }), Err(Errno::TIMEDOUT));
}

#[test]
fn routes_are_checked_before_anything_is_sent() {
    let (mut net, _, client) = Net::two();
    let fd = net.nonblocking(client);
    for addr in ["255.255.255.255:80", "127.255.255.255:80", "224.0.0.1:80"] {
        assert_eq!(net.connect(client, fd, addr), Err(Errno::NETUNREACH), "{addr}");
    }
    let unroutable = Host::new(HostConfig::default());
    net.hosts.push(unroutable);
    let lonely = net.spawn(2);
    let fd = net.socket(lonely);
    assert_eq!(net.connect(lonely, fd, SERVER), Err(Errno::NETUNREACH));
    assert_eq!(net.sockname(lonely, fd), "0.0.0.0:0");
}

#[test]
fn addresses_are_checked_in_the_order_of_the_kernel() {
    let (mut net, _, client) = Net::two();
    let fd = net.socket(client);
    let mut connect = |addr: &[u8]| net.call(client, Call::Connect { fd, addr });
    assert_eq!(connect(&[]), Err(Errno::INVAL));
    assert_eq!(connect(&[2]), Err(Errno::INVAL));
    assert_eq!(connect(&[2, 0, 0, 80]), Err(Errno::INVAL), "shorter than sockaddr_in");
    assert_eq!(connect(&[0, 0]), Ok(0), "AF_UNSPEC in every state");
    assert_eq!(connect(sockaddr("[::1]:80").as_bytes()), Err(Errno::AFNOSUPPORT));
    assert_eq!(connect(&[0; 129]), Err(Errno::INVAL));
}

#[test]
fn a_socket_may_connect_to_itself() {
    let (mut net, server, _) = Net::two();
    let fd = net.socket(server);
    net.bind(server, fd, "127.0.0.1:5000").unwrap();
    assert_eq!(net.connect(server, fd, "127.0.0.1:5000"), Ok(0));
    assert_eq!(net.send(server, fd, b"me"), Ok(2));
    assert_eq!(net.recv(server, fd), Ok(b"me".to_vec()));
    assert_eq!(net.shutdown(server, fd, c::SHUT_WR), Ok(0));
    assert_eq!(net.recv(server, fd), Ok(vec![]));
    assert_eq!(net.netstat(0).iter().map(|line| line.state).collect::<Vec<_>>(), ["CLOSE", "TIME_WAIT"]);
}

#[test]
fn ipv6_reaches_ipv4_through_mapped_addresses() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let fd = net.socket_of(client, c::AF_INET6);
    assert_eq!(net.connect(client, fd, "[::ffff:10.0.0.1]:80"), Ok(0));
    assert_eq!(net.peername(client, fd), Ok("[::ffff:10.0.0.1]:80".to_owned()));
    assert!(net.sockname(client, fd).starts_with("[::ffff:10.0.0.2]:"));
    let far = super::fd(net.accept(server, listener));
    assert!(net.peername(server, far).unwrap().starts_with("10.0.0.2:"), "plain on the IPv4 side");
    let only = net.socket_of(client, c::AF_INET6);
    net.set(client, only, c::SOL_IPV6, c::IPV6_V6ONLY, 1).unwrap();
    assert_eq!(net.connect(client, only, "[::ffff:10.0.0.1]:80"), Err(Errno::NETUNREACH));
    assert_eq!(net.connect(client, only, "[fe80::1]:80"), Err(Errno::INVAL), "no scope");
}

#[test]
fn the_wildcard_means_this_host() {
    let (mut net, server, _) = Net::two();
    net.listener(server, "0.0.0.0:80");
    let fd = net.socket(server);
    assert_eq!(net.connect(server, fd, "0.0.0.0:80"), Ok(0));
    assert_eq!(net.peername(server, fd), Ok("127.0.0.1:80".to_owned()));
}

#[test]
fn af_unspec_resets_the_connection_and_frees_the_socket() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    assert_eq!(net.call(client, Call::Connect { fd: near, addr: &[0, 0] }), Ok(0));
    assert_eq!(net.poll(client, near), mask(&[OUT, ERR, HUP]));
    assert_eq!(net.recv(client, near), Err(Errno::CONNRESET));
    assert_eq!(net.recv(client, near), Err(Errno::NOTCONN));
    assert_eq!(net.recv(server, far), Err(Errno::CONNRESET));
    assert_eq!(net.recv(server, far), Ok(vec![]));
    assert!(net.sockname(client, near).starts_with("0.0.0.0:"));
    net.listener(server, SERVER);
    assert_eq!(net.connect(client, near, SERVER), Ok(0));
}

#[test]
fn a_dead_connection_keeps_its_socket_connected() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set_linger(server, far, 0);
    net.close(server, far).unwrap();
    assert_eq!(net.poll(client, near), mask(&[IN, OUT, ERR, HUP, RDHUP]));
    assert_eq!(net.connect(client, near, SERVER), Err(Errno::ISCONN));
    assert_eq!(net.listen(client, near, 1), Err(Errno::INVAL));
    assert_eq!(net.peername(client, near), Err(Errno::NOTCONN));
    assert_eq!(net.error(client, near), Some(Errno::CONNRESET));
}
