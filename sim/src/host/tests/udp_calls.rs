//! UDP sockets of one host: ports, names and waiting.

use super::*;
use crate::host::Sysctl;

const LOCAL: &str = "127.0.0.1:9";

fn alone() -> (Net, Proc) {
    let (net, proc, _) = Net::two();
    (net, proc)
}

fn set_range(net: &mut Net, low: u16, high: u16) {
    net.hosts[0].sysctl_mut().ip_local_port_range = [low, high];
}

#[test]
fn ephemeral_ports_are_of_both_parities_and_end_with_eagain() {
    let (mut net, proc) = alone();
    set_range(&mut net, 40_000, 40_003);
    let mut ports: Vec<_> = (0..4)
        .map(|_| {
            let fd = net.udp(proc);
            assert_eq!(net.bind(proc, fd, "0.0.0.0:0"), Ok(0));
            net.port(proc, fd)
        })
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [40_000, 40_001, 40_002, 40_003]);
    let fd = net.udp(proc);
    assert_eq!(net.bind(proc, fd, "0.0.0.0:0"), Err(Errno::ADDRINUSE));
    assert_eq!(net.send_to(proc, fd, b"x", LOCAL), Err(Errno::AGAIN));
    assert_eq!(net.connect(proc, fd, LOCAL), Err(Errno::AGAIN));
}

#[test]
fn a_reserved_port_is_only_given_to_those_who_ask_for_it() {
    let (mut net, proc) = alone();
    set_range(&mut net, 40_000, 40_001);
    net.hosts[0].sysctl_mut().ip_local_reserved_ports = vec![40_000];
    let first = net.udp_at(proc, "0.0.0.0:0");
    assert_eq!(net.port(proc, first), 40_001);
    let second = net.udp(proc);
    assert_eq!(net.bind(proc, second, "0.0.0.0:0"), Err(Errno::ADDRINUSE));
    assert_eq!(net.bind(proc, second, "0.0.0.0:40000"), Ok(0));
}

#[test]
fn with_reuseaddr_a_port_is_shared_when_none_is_free() {
    let (mut net, proc) = alone();
    set_range(&mut net, 40_000, 40_001);
    let mut ports = Vec::new();
    for _ in 0..4 {
        let fd = net.udp(proc);
        net.set(proc, fd, c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        net.bind(proc, fd, "0.0.0.0:0").unwrap();
        ports.push(net.port(proc, fd));
    }
    assert_eq!(ports, [40_000, 40_001, 40_000, 40_001]);
}

#[test]
fn a_privileged_port_needs_privilege() {
    let (mut net, _) = alone();
    let pid = net.hosts[0].spawn_process(Credentials { uid: 1000, gid: 1000 });
    let proc = Proc { host: 0, pid };
    let fd = net.udp(proc);
    assert_eq!(net.bind(proc, fd, "0.0.0.0:53"), Err(Errno::ACCES));
    assert_eq!(net.bind(proc, fd, "0.0.0.0:1053"), Ok(0));
}

#[test]
fn reuseport_is_for_one_user() {
    let (mut net, root) = alone();
    let user = Proc { host: 0, pid: net.hosts[0].spawn_process(Credentials { uid: 1000, gid: 1000 }) };
    let (first, second) = (net.udp(root), net.udp(user));
    for (proc, fd) in [(root, first), (user, second)] {
        net.set(proc, fd, c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
    }
    assert_eq!(net.bind(root, first, "0.0.0.0:5000"), Ok(0));
    assert_eq!(net.bind(user, second, "0.0.0.0:5000"), Err(Errno::ADDRINUSE));
}

#[test]
fn a_datagram_wakes_one_reader_and_a_shutdown_all() {
    let (mut net, proc) = alone();
    let fd = net.udp_at(proc, LOCAL);
    let mut rooms = [[0; 8]; 3];
    let [a, b, d] = &mut rooms;
    let mut ops = Vec::new();
    for (token, into) in [(1, &mut *a), (2, &mut *b), (3, &mut *d)] {
        ops.push(net.park(proc, token, Call::Recvfrom { fd, into, flags: 0, name: None }));
    }
    let sender = net.udp(proc);
    net.send_to(proc, sender, b"x", LOCAL).unwrap();
    assert_eq!(net.wakes(proc), [1]);
    assert_eq!(net.resume(proc, ops.remove(0), Call::Recvfrom { fd, into: a, flags: 0, name: None }), Ok(1));
    assert_eq!(net.shutdown(proc, fd, c::SHUT_RD), Err(Errno::NOTCONN));
    assert_eq!(net.wakes(proc), [2, 3]);
    for (op, into) in ops.into_iter().zip([b, d]) {
        assert_eq!(net.resume(proc, op, Call::Recvfrom { fd, into, flags: 0, name: None }), Ok(0));
    }
}

#[test]
fn a_reader_that_is_interrupted_passes_its_wake_on() {
    let (mut net, proc) = alone();
    let fd = net.udp_at(proc, LOCAL);
    let (mut a, mut b) = ([0; 8], [0; 8]);
    let first = net.park(proc, 1, Call::Recvfrom { fd, into: &mut a, flags: 0, name: None });
    let second = net.park(proc, 2, Call::Recvfrom { fd, into: &mut b, flags: 0, name: None });
    let sender = net.udp(proc);
    net.send_to(proc, sender, b"x", LOCAL).unwrap();
    assert_eq!(net.wakes(proc), [1]);
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, first)), Err(Errno::INTR));
    assert_eq!(net.wakes(proc), [2]);
    assert_eq!(net.resume(proc, second, Call::Recvfrom { fd, into: &mut b, flags: 0, name: None }), Ok(1));
}

#[test]
fn a_receive_ends_at_its_deadline() {
    let (mut net, proc) = alone();
    let fd = net.udp_at(proc, LOCAL);
    net.set_timeout(proc, fd, c::SO_RCVTIMEO, 100);
    let mut into = [0; 8];
    let op = net.park(proc, 1, Call::Read { fd, into: &mut into });
    assert_eq!(op.deadline(), Some(net.now + Duration::from_millis(100)));
    assert_eq!(net.hosts[0].describe(&op), format!("recv on fd {fd} (udp {LOCAL})"));
    net.advance(Duration::from_millis(100));
    assert_eq!(net.resume(proc, op, Call::Read { fd, into: &mut into }), Err(Errno::AGAIN));
}

#[test]
fn a_receive_keeps_its_socket_until_it_returns() {
    let (mut net, proc) = alone();
    let fd = net.udp_at(proc, LOCAL);
    let mut into = [0; 8];
    let op = net.park(proc, 1, Call::Read { fd, into: &mut into });
    net.close(proc, fd).unwrap();
    let sender = net.udp(proc);
    net.send_to(proc, sender, b"late", LOCAL).unwrap();
    assert_eq!(net.wakes(proc), [1]);
    assert_eq!(net.resume(proc, op, Call::Read { fd, into: &mut into }), Ok(4));
    let again = net.udp(proc);
    assert_eq!(net.bind(proc, again, LOCAL), Ok(0), "now the port is free");
}

#[test]
fn a_killed_process_gives_its_ports_back() {
    let (mut net, proc) = alone();
    let fd = net.udp_at(proc, LOCAL);
    let mut into = [0; 8];
    let op = net.park(proc, 1, Call::Read { fd, into: &mut into });
    net.hosts[0].kill_silently(proc.pid);
    assert_eq!(net.resume(proc, op, Call::Read { fd, into: &mut into }), Err(Errno::INTR));
    let other = net.spawn(0);
    net.udp_at(other, LOCAL);
}

#[test]
fn a_process_that_exits_gives_its_ports_back() {
    let (mut net, proc) = alone();
    net.udp_at(proc, LOCAL);
    while net.enter(0, |host, cx| host.exit_process(cx, proc.pid)) {}
    let other = net.spawn(0);
    net.udp_at(other, LOCAL);
}

#[test]
fn netstat_lists_what_is_bound() {
    let (mut net, proc) = alone();
    net.udp(proc);
    let fd = net.udp_at(proc, LOCAL);
    net.connect(proc, fd, "127.0.0.1:10").unwrap();
    net.call(proc, Call::Dup { fd }).unwrap();
    let lines: Vec<_> = net.netstat(0).iter().map(|line| line.line(&|_| "dns".to_owned()).to_string()).collect();
    assert_eq!(
        lines,
        [
            "udp   ESTABLISHED      0      0 127.0.0.1:9             127.0.0.1:10            users:((\"dns\",pid=1,fd=1),(\"dns\",pid=1,fd=2))"
        ]
    );
}

#[test]
fn the_default_buffers_are_sysctls() {
    let mut net = Net::two().0;
    net.hosts[0] = Host::new(HostConfig {
        sysctl: Sysctl { rmem_default: 5000, wmem_default: 6000, ..Sysctl::default() },
        ..HostConfig::default()
    });
    let proc = net.spawn(0);
    let fd = net.udp(proc);
    assert_eq!(net.get(proc, fd, c::SOL_SOCKET, c::SO_RCVBUF), Ok(5000));
    assert_eq!(net.get(proc, fd, c::SOL_SOCKET, c::SO_SNDBUF), Ok(6000));
}

#[test]
fn a_descriptor_is_looked_for_before_accept_is_refused() {
    let (mut net, proc) = alone();
    let fd = net.udp_at(proc, LOCAL);
    assert_eq!(net.call(proc, Call::Accept4 { fd, name: None, flags: 1 }), Err(Errno::INVAL));
    assert_eq!(net.accept(proc, fd), Err(Errno::OPNOTSUPP));
    net.hosts[0].set_rlimit_nofile(proc.pid, 1);
    assert_eq!(net.accept(proc, fd), Err(Errno::MFILE));
}

#[test]
fn poll_waits_for_a_datagram() {
    let (mut net, proc) = alone();
    let fd = net.udp_at(proc, LOCAL);
    assert_eq!(net.poll(proc, fd), mask(&[OUT, PollEvents::WRBAND]));
    let mut fds = [PollFd { fd, events: 1, revents: 0 }];
    let op = net.park(proc, 1, Call::Poll { fds: &mut fds, timeout: -1 });
    let sender = net.udp(proc);
    net.send_to(proc, sender, b"x", LOCAL).unwrap();
    assert_eq!(net.wakes(proc), [1]);
    assert_eq!(net.resume(proc, op, Call::Poll { fds: &mut fds, timeout: -1 }), Ok(1));
}

#[test]
fn a_socket_bound_to_loopback_sees_nothing_else() {
    let (mut net, server, client) = Net::two();
    let fd = net.udp(server);
    net.call(server, Call::Setsockopt { fd, level: c::SOL_SOCKET, name: c::SO_BINDTODEVICE, value: b"lo" }).unwrap();
    net.bind(server, fd, "0.0.0.0:5000").unwrap();
    let far = net.udp(client);
    net.connect(client, far, "10.0.0.1:5000").unwrap();
    net.send(client, far, b"x").unwrap();
    assert_eq!(net.recv(client, far), Err(Errno::CONNREFUSED));
    let near = net.udp(server);
    net.send_to(server, near, b"y", "10.0.0.1:5000").unwrap();
    assert_eq!(net.recv(server, fd), Ok(b"y".to_vec()));
}
