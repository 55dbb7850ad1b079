//! bind(2), conflicts, ephemeral ports, TIME-WAIT.

use super::*;

fn bound(net: &mut Net, proc: Proc, domain: i32, addr: &str, options: &[i32]) -> Result<RawFd> {
    let fd = net.socket_of(proc, domain);
    for option in options {
        net.set(proc, fd, c::SOL_SOCKET, *option, 1).unwrap();
    }
    net.bind(proc, fd, addr).map(|_| fd)
}

#[test]
fn overlapping_addresses_conflict() {
    let (v4, v6) = (c::AF_INET, c::AF_INET6);
    let cases = [
        ((v4, "127.0.0.1:80"), (v4, "127.0.0.1:80"), false),
        ((v4, "127.0.0.1:80"), (v4, "127.0.0.2:80"), true),
        ((v4, "127.0.0.1:80"), (v4, "127.0.0.1:81"), true),
        ((v4, "0.0.0.0:80"), (v4, "127.0.0.2:80"), false),
        ((v4, "127.0.0.1:80"), (v6, "[::]:80"), false),
        ((v6, "[::1]:80"), (v4, "0.0.0.0:80"), true),
        ((v6, "[::ffff:127.0.0.1]:80"), (v4, "127.0.0.1:80"), false),
        ((v6, "[::1]:80"), (v6, "[::]:80"), false),
    ];
    for (first, second, expected) in cases {
        let (mut net, server, _) = Net::two();
        bound(&mut net, server, first.0, first.1, &[]).unwrap();
        let result = bound(&mut net, server, second.0, second.1, &[]);
        assert_eq!(result.is_ok(), expected, "{} then {}", first.1, second.1);
        assert!(expected || result == Err(Errno::ADDRINUSE));
    }
}

#[test]
fn sharing_a_port_takes_the_option_on_both_sides() {
    let (addr, port) = (c::SO_REUSEADDR, c::SO_REUSEPORT);
    for (first, second, expected) in [
        (&[addr][..], &[addr][..], true),
        (&[], &[addr], false),
        (&[addr], &[], false),
        (&[port], &[port], true),
        (&[addr], &[port], false),
    ] {
        let (mut net, server, _) = Net::two();
        bound(&mut net, server, c::AF_INET, SERVER, first).unwrap();
        let result = bound(&mut net, server, c::AF_INET, SERVER, second);
        assert_eq!(result.is_ok(), expected, "{first:?} then {second:?}");
    }
}

#[test]
fn only_one_of_two_that_reuse_an_address_may_listen() {
    let (mut net, server, _) = Net::two();
    let first = bound(&mut net, server, c::AF_INET, SERVER, &[c::SO_REUSEADDR]).unwrap();
    let second = bound(&mut net, server, c::AF_INET, SERVER, &[c::SO_REUSEADDR]).unwrap();
    assert_eq!(net.listen(server, first, 1), Ok(0));
    assert_eq!(net.listen(server, second, 1), Err(Errno::ADDRINUSE));
    assert_eq!(bound(&mut net, server, c::AF_INET, SERVER, &[c::SO_REUSEADDR]), Err(Errno::ADDRINUSE));
    net.close(server, first).unwrap();
    assert_eq!(net.listen(server, second, 1), Ok(0));
}

#[test]
fn a_group_belongs_to_one_user() {
    let (mut net, server, _) = Net::two();
    bound(&mut net, server, c::AF_INET, "0.0.0.0:8080", &[c::SO_REUSEPORT]).unwrap();
    let pid = net.hosts[0].spawn_process(Credentials { uid: 1000, gid: 1000 });
    let other = Proc { host: 0, pid };
    assert_eq!(bound(&mut net, other, c::AF_INET, "0.0.0.0:8080", &[c::SO_REUSEPORT]), Err(Errno::ADDRINUSE));
    assert_eq!(bound(&mut net, other, c::AF_INET, "0.0.0.0:1023", &[]), Err(Errno::ACCES));
    assert!(bound(&mut net, other, c::AF_INET, "0.0.0.0:1024", &[]).is_ok());
}

#[test]
fn addresses_that_may_be_bound() {
    let (v4, v6) = (c::AF_INET, c::AF_INET6);
    for (domain, addr, expected) in [
        (v4, "127.9.9.9:80", Ok(())),
        (v4, "10.0.0.1:80", Ok(())),
        (v4, "10.0.0.2:80", Err(Errno::ADDRNOTAVAIL)),
        (v4, "255.255.255.255:80", Ok(())),
        (v4, "224.0.0.1:80", Ok(())),
        (v6, "[fd00::1]:80", Ok(())),
        (v6, "[fd00::9]:80", Err(Errno::ADDRNOTAVAIL)),
        (v6, "[ff02::1]:80", Err(Errno::INVAL)),
        (v6, "[fe80::1]:80", Err(Errno::INVAL)),
        (v6, "10.0.0.1:80", Err(Errno::INVAL)),
        (v4, "[::1]:80", Err(Errno::AFNOSUPPORT)),
    ] {
        let (mut net, server, _) = Net::two();
        assert_eq!(bound(&mut net, server, domain, addr, &[]).map(drop), expected, "{addr}");
    }
    let (mut net, server, _) = Net::two();
    let fd = net.socket(server);
    net.set(server, fd, c::SOL_IP, c::IP_FREEBIND, 1).unwrap();
    assert_eq!(net.bind(server, fd, "10.9.9.9:80"), Ok(0));
    assert_eq!(net.bind(server, fd, "10.9.9.9:80"), Err(Errno::INVAL), "bound already");
    let any = net.socket(server);
    assert_eq!(net.call(server, Call::Bind { fd: any, addr: &[0; 16] }), Ok(0), "AF_UNSPEC and 0.0.0.0");
}

#[test]
fn binding_an_ipv6_address_makes_the_socket_ipv6_only() {
    let (mut net, server, _) = Net::two();
    let fd = bound(&mut net, server, c::AF_INET6, "[::1]:80", &[]).unwrap();
    assert_eq!(net.get(server, fd, c::SOL_IPV6, c::IPV6_V6ONLY), Ok(1));
    assert_eq!(net.set(server, fd, c::SOL_IPV6, c::IPV6_V6ONLY, 0), Err(Errno::INVAL));
}

#[test]
fn bind_and_connect_draw_from_different_halves() {
    let (mut net, server, client) = Net::two();
    net.listener(server, SERVER);
    for _ in 0..20 {
        let fd = net.socket(client);
        net.bind(client, fd, "0.0.0.0:0").unwrap();
        assert_eq!(net.port(client, fd) % 2, 1);
        let fd = net.socket(client);
        net.connect(client, fd, SERVER).unwrap();
        assert_eq!(net.port(client, fd) % 2, 0);
    }
}

#[test]
fn an_exhausted_range_is_an_error() {
    let (mut net, server, client) = Net::two();
    net.hosts[1].sysctl_mut().set("net.ipv4.ip_local_port_range", "40000 40003").unwrap();
    net.listener(server, SERVER);
    net.listener(server, "10.0.0.1:81");
    for _ in 0..4 {
        let fd = net.socket(client);
        assert_eq!(net.connect(client, fd, SERVER), Ok(0));
    }
    let fd = net.socket(client);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::ADDRNOTAVAIL));
    assert_eq!(net.sockname(client, fd), "0.0.0.0:0");
    assert_eq!(net.bind(client, fd, "0.0.0.0:0"), Err(Errno::ADDRINUSE));
    assert_eq!(net.listen(client, fd, 1), Err(Errno::ADDRINUSE));
    assert_eq!(net.connect(client, fd, "10.0.0.1:81"), Ok(0), "ports are per 4-tuple");
}

#[test]
fn a_port_held_without_a_lock_is_given_back() {
    let (mut net, server, client) = Net::two();
    let fd = net.socket(client);
    net.bind(client, fd, "10.0.0.2:0").unwrap();
    let port = net.port(client, fd);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::CONNREFUSED));
    assert_eq!(net.sockname(client, fd), format!("10.0.0.2:{port}"));
    assert_eq!(net.bind(client, fd, "10.0.0.2:7000"), Ok(0), "the kernel's port is given back");
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::CONNREFUSED));
    assert_eq!(net.bind(client, fd, "10.0.0.2:7001"), Err(Errno::INVAL), "an explicit one is held");
    let _ = server;
}

#[test]
fn a_live_or_dying_connection_occupies_its_port() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let taken = |net: &mut Net| bound(net, server, c::AF_INET, SERVER, &[c::SO_REUSEADDR]);
    assert_eq!(taken(&mut net), Err(Errno::ADDRINUSE));
    net.close(server, far).unwrap();
    assert_eq!(taken(&mut net), Err(Errno::ADDRINUSE), "FIN_WAIT2");
    net.close(client, near).unwrap();
    assert_eq!(taken(&mut net), Err(Errno::ADDRINUSE), "TIME_WAIT");
    net.advance(Duration::from_secs(61));
    assert!(taken(&mut net).is_ok());
    assert!(net.netstat(1).is_empty());
}

#[test]
fn both_sides_of_time_wait_must_agree_to_reuse() {
    let (mut net, server, client) = Net::two();
    let listener = bound(&mut net, server, c::AF_INET, SERVER, &[c::SO_REUSEADDR]).unwrap();
    net.listen(server, listener, 1).unwrap();
    let near = net.socket(client);
    net.connect(client, near, SERVER).unwrap();
    let far = fd(net.accept(server, listener));
    net.close(server, far).unwrap();
    net.close(client, near).unwrap();
    net.close(server, listener).unwrap();
    assert_eq!(net.netstat(0).len(), 1);
    assert_eq!(bound(&mut net, server, c::AF_INET, SERVER, &[]), Err(Errno::ADDRINUSE));
    assert!(bound(&mut net, server, c::AF_INET, SERVER, &[c::SO_REUSEADDR]).is_ok());
}

#[test]
fn an_explicit_port_takes_a_connection_in_time_wait_over() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let mut ports = Vec::new();
    for _ in 0..2 {
        let near = bound(&mut net, client, c::AF_INET, "0.0.0.0:7000", &[c::SO_REUSEADDR]).unwrap();
        assert_eq!(net.connect(client, near, SERVER), Ok(0));
        let far = fd(net.accept(server, listener));
        let second = bound(&mut net, client, c::AF_INET, "0.0.0.0:7000", &[c::SO_REUSEADDR]).unwrap();
        assert_eq!(net.connect(client, second, SERVER), Err(Errno::ADDRNOTAVAIL), "the tuple is in use");
        net.close(client, second).unwrap();
        net.close(client, near).unwrap();
        net.close(server, far).unwrap();
        ports.push(net.netstat(1));
    }
    assert_eq!(ports[0], ports[1]);
    assert_eq!(ports[1].len(), 1);
}

#[test]
fn a_late_port_shows_0_until_connect() {
    let (mut net, server, client) = Net::two();
    net.listener(server, SERVER);
    let fd = net.socket(client);
    net.set(client, fd, c::SOL_IP, c::IP_BIND_ADDRESS_NO_PORT, 1).unwrap();
    net.bind(client, fd, "10.0.0.2:0").unwrap();
    assert_eq!(net.sockname(client, fd), "10.0.0.2:0");
    assert_eq!(net.connect(client, fd, SERVER), Ok(0));
    assert_ne!(net.port(client, fd), 0);
}
