//! Socket options: defaults, clamps, lengths, errors.

use super::*;

#[test]
fn defaults_are_those_of_linux() {
    let (mut net, server, _) = Net::two();
    let fd = net.socket_of(server, c::AF_INET6);
    for (level, name, expected) in [
        (c::SOL_SOCKET, c::SO_SNDBUF, 16_384),
        (c::SOL_SOCKET, c::SO_RCVBUF, 131_072),
        (c::SOL_SOCKET, c::SO_RCVLOWAT, 1),
        (c::SOL_SOCKET, c::SO_SNDLOWAT, 1),
        (c::SOL_SOCKET, c::SO_PEEK_OFF, -1),
        (c::SOL_SOCKET, c::SO_INCOMING_CPU, -1),
        (c::SOL_SOCKET, c::SO_TYPE, c::SOCK_STREAM),
        (c::SOL_SOCKET, c::SO_PROTOCOL, 6),
        (c::SOL_SOCKET, c::SO_DOMAIN, c::AF_INET6),
        (c::SOL_TCP, c::TCP_MAXSEG, 536),
        (c::SOL_TCP, c::TCP_KEEPIDLE, 7200),
        (c::SOL_TCP, c::TCP_KEEPINTVL, 75),
        (c::SOL_TCP, c::TCP_KEEPCNT, 9),
        (c::SOL_TCP, c::TCP_SYNCNT, 6),
        (c::SOL_TCP, c::TCP_LINGER2, 60),
        (c::SOL_TCP, c::TCP_QUICKACK, 1),
        (c::SOL_TCP, c::TCP_WINDOW_CLAMP, 0),
        (c::SOL_TCP, c::TCP_RTO_MAX_MS, 120_000),
        (c::SOL_TCP, c::TCP_NOTSENT_LOWAT, 0),
        (c::SOL_IP, c::IP_TTL, 64),
        (c::SOL_IP, c::IP_MTU_DISCOVER, 1),
        (c::SOL_IP, c::IP_MULTICAST_ALL, 0),
        (c::SOL_IPV6, c::IPV6_V6ONLY, 0),
        (c::SOL_IPV6, c::IPV6_UNICAST_HOPS, 64),
        (c::SOL_IPV6, c::IPV6_MULTICAST_LOOP, 1),
    ] {
        assert_eq!(net.get(server, fd, level, name), Ok(expected), "{level} {name}");
    }
}

#[test]
fn values_are_clamped_normalised_or_refused() {
    let (mut net, server, _) = Net::two();
    let fd = net.socket(server);
    let invalid = Err(Errno::INVAL);
    for (level, name, value, expected) in [
        (c::SOL_SOCKET, c::SO_REUSEADDR, 7, Ok(1)),
        (c::SOL_SOCKET, c::SO_SNDBUF, 5000, Ok(10_000)),
        (c::SOL_SOCKET, c::SO_SNDBUF, 0, Ok(4608)),
        (c::SOL_SOCKET, c::SO_RCVBUF, 1, Ok(2304)),
        (c::SOL_SOCKET, c::SO_RCVBUF, -1, Ok(8_388_608)),
        (c::SOL_SOCKET, c::SO_BUF_LOCK, 4, invalid),
        (c::SOL_SOCKET, c::SO_BUF_LOCK, 1, Ok(1)),
        (c::SOL_SOCKET, c::SO_ZEROCOPY, 2, invalid),
        (c::SOL_SOCKET, c::SO_BSDCOMPAT, 1, Ok(0)),
        (c::SOL_SOCKET, c::SO_PASSCRED, 1, Err(Errno::OPNOTSUPP)),
        (c::SOL_SOCKET, c::SO_TYPE, 1, Err(Errno::NOPROTOOPT)),
        (c::SOL_SOCKET, c::SO_SNDLOWAT, 1, Err(Errno::NOPROTOOPT)),
        (c::SOL_SOCKET, 9999, 1, Err(Errno::NOPROTOOPT)),
        (c::SOL_TCP, c::TCP_MAXSEG, 87, invalid),
        (c::SOL_TCP, c::TCP_MAXSEG, 900, Ok(900)),
        (c::SOL_TCP, c::TCP_KEEPIDLE, 0, invalid),
        (c::SOL_TCP, c::TCP_KEEPIDLE, 32_767, Ok(32_767)),
        (c::SOL_TCP, c::TCP_KEEPCNT, 128, invalid),
        (c::SOL_TCP, c::TCP_LINGER2, -5, Ok(-1)),
        (c::SOL_TCP, c::TCP_LINGER2, 500, Ok(120)),
        (c::SOL_TCP, c::TCP_LINGER2, 0, Ok(60)),
        (c::SOL_TCP, c::TCP_DEFER_ACCEPT, 5, Ok(7)),
        (c::SOL_TCP, c::TCP_WINDOW_CLAMP, 1, Ok(1152)),
        (c::SOL_TCP, c::TCP_USER_TIMEOUT, -1, invalid),
        (c::SOL_TCP, c::TCP_RTO_MAX_MS, 999, invalid),
        (c::SOL_TCP, c::TCP_FASTOPEN, 9999, Ok(4096)),
        (c::SOL_TCP, c::TCP_SAVE_SYN, 3, invalid),
        (c::SOL_TCP, 9999, 1, Err(Errno::NOPROTOOPT)),
        (c::SOL_IP, c::IP_TOS, 5, Ok(4)),
        (c::SOL_IP, c::IP_TOS, -1, Ok(252)),
        (c::SOL_IP, c::IP_TTL, 0, invalid),
        (c::SOL_IP, c::IP_TTL, 256, invalid),
        (c::SOL_IP, c::IP_TTL, -1, Ok(64)),
        (c::SOL_IP, c::IP_MTU_DISCOVER, 6, invalid),
        (c::SOL_IP, c::IP_ADD_MEMBERSHIP, 0, Err(Errno::PROTO)),
        (c::SOL_IPV6, c::IPV6_V6ONLY, 1, Err(Errno::NOPROTOOPT)),
        (9999, 1, 1, Err(Errno::NOPROTOOPT)),
    ] {
        let result = net.set(server, fd, level, name, value).and_then(|_| net.get(server, fd, level, name));
        assert_eq!(result, expected, "{level} {name} = {value}");
    }
    assert_eq!(net.get(server, fd, 9999, 1), Err(Errno::OPNOTSUPP));
    let six = net.socket_of(server, c::AF_INET6);
    assert_eq!(net.get(server, six, 9999, 1), Err(Errno::NOPROTOOPT));
}

#[test]
fn lengths_matter() {
    let (mut net, server, _) = Net::two();
    let fd = net.socket(server);
    let mut set = |level, name, value: &[u8]| net.call(server, Call::Setsockopt { fd, level, name, value });
    assert_eq!(set(c::SOL_SOCKET, c::SO_REUSEADDR, &[1, 0, 0]), Err(Errno::INVAL));
    assert_eq!(set(c::SOL_SOCKET, c::SO_TYPE, &[1]), Err(Errno::INVAL), "too short comes first");
    assert_eq!(set(c::SOL_SOCKET, c::SO_LINGER, &[1, 0, 0, 0]), Err(Errno::INVAL));
    assert_eq!(set(c::SOL_SOCKET, c::SO_RCVTIMEO, &[0; 15]), Err(Errno::INVAL));
    assert_eq!(set(c::SOL_TCP, c::TCP_NODELAY, &[1, 0]), Err(Errno::INVAL));
    assert_eq!(set(c::SOL_TCP, c::TCP_NODELAY, &[0, 0, 0, 0, 1]), Ok(0));
    assert_eq!(set(c::SOL_IP, c::IP_TOS, &[16]), Ok(0));
    assert_eq!(set(c::SOL_IP, c::IP_TTL, &[]), Err(Errno::INVAL));
    assert_eq!(set(c::SOL_IP, c::IP_RECVERR, &[]), Ok(0));
    let mut get = |level, name, room: i32| {
        let (mut value, mut len) = ([9; 32], room);
        let result = net.call(server, Call::Getsockopt { fd, level, name, value: &mut value, len: &mut len });
        result.map(|_| value[..usize::try_from(len).unwrap()].to_vec())
    };
    assert_eq!(get(c::SOL_IP, c::IP_TOS, 1), Ok(vec![16]));
    assert_eq!(get(c::SOL_SOCKET, c::SO_PRIORITY, 2), Ok(vec![6, 0]), "set by IP_TOS");
    assert_eq!(get(c::SOL_SOCKET, c::SO_TYPE, 0), Ok(vec![]));
    assert_eq!(get(c::SOL_SOCKET, c::SO_TYPE, 32), Ok(vec![1, 0, 0, 0]));
    assert_eq!(get(c::SOL_SOCKET, c::SO_TYPE, -1), Err(Errno::INVAL));
    assert_eq!(get(c::SOL_SOCKET, c::SO_TYPE, 33), Err(Errno::FAULT));
    assert_eq!(get(c::SOL_SOCKET, c::SO_MAX_PACING_RATE, 32), Ok(vec![255; 8]));
    assert_eq!(get(c::SOL_SOCKET, c::SO_PEERNAME, 16), Err(Errno::NOTCONN));
    assert_eq!(get(c::SOL_SOCKET, c::SO_PEERGROUPS, 4), Err(Errno::NODATA));
    assert_eq!(get(c::SOL_TCP, c::TCP_CONGESTION, 32).unwrap().len(), 16);
    assert_eq!(get(c::SOL_TCP, c::TCP_INFO, 1), Ok(vec![7]), "CLOSE");
}

#[test]
fn linger_and_timeouts_are_structures() {
    let (mut net, server, _) = Net::two();
    let fd = net.socket(server);
    let set = |net: &mut Net, name, value: Vec<u8>| {
        net.call(server, Call::Setsockopt { fd, level: c::SOL_SOCKET, name, value: &value })
    };
    let get = |net: &mut Net, name| {
        let (mut value, mut len) = ([0; 32], 32);
        let level = c::SOL_SOCKET;
        net.call(server, Call::Getsockopt { fd, level, name, value: &mut value, len: &mut len }).unwrap();
        value[..usize::try_from(len).unwrap()].to_vec()
    };
    let linger = |onoff: i32, seconds: i32| [onoff.to_ne_bytes(), seconds.to_ne_bytes()].concat();
    set(&mut net, c::SO_LINGER, linger(5, 7)).unwrap();
    assert_eq!(get(&mut net, c::SO_LINGER), linger(1, 7));
    set(&mut net, c::SO_LINGER, linger(0, 99)).unwrap();
    assert_eq!(get(&mut net, c::SO_LINGER), linger(0, 7), "the seconds count only with l_onoff");
    let timeval = |seconds: i64, micros: i64| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
    set(&mut net, c::SO_RCVTIMEO, timeval(1, 1)).unwrap();
    assert_eq!(get(&mut net, c::SO_RCVTIMEO), timeval(1, 4000));
    assert_eq!(set(&mut net, c::SO_RCVTIMEO, timeval(0, 1_000_000)), Err(Errno::DOM));
    assert_eq!(set(&mut net, c::SO_RCVTIMEO, timeval(0, -1)), Err(Errno::DOM));
    set(&mut net, c::SO_SNDTIMEO, timeval(-1, 0)).unwrap();
    assert_eq!(get(&mut net, c::SO_SNDTIMEO), timeval(0, 0));
}

#[test]
fn privileges_are_asked_for() {
    let (mut net, _, _) = Net::two();
    let pid = net.hosts[0].spawn_process(Credentials { uid: 1000, gid: 1000 });
    let user = Proc { host: 0, pid };
    let fd = net.socket(user);
    for (level, name, value, expected) in [
        (c::SOL_SOCKET, c::SO_DEBUG, 1, Errno::ACCES),
        (c::SOL_SOCKET, c::SO_MARK, 1, Errno::PERM),
        (c::SOL_SOCKET, c::SO_PRIORITY, 7, Errno::PERM),
        (c::SOL_SOCKET, c::SO_SNDBUFFORCE, 1, Errno::PERM),
        (c::SOL_IP, c::IP_TRANSPARENT, 1, Errno::PERM),
        (c::SOL_TCP, c::TCP_REPAIR, 1, Errno::PERM),
    ] {
        assert_eq!(net.set(user, fd, level, name, value), Err(expected), "{level} {name}");
    }
    let device = |net: &mut Net, value: &[u8]| {
        net.call(user, Call::Setsockopt { fd, level: c::SOL_SOCKET, name: c::SO_BINDTODEVICE, value })
    };
    assert_eq!(device(&mut net, b"nosuch"), Err(Errno::NODEV));
    assert_eq!(device(&mut net, b"lo\0"), Ok(0));
    assert_eq!(device(&mut net, b""), Err(Errno::PERM), "once only");
}

#[test]
fn nodelay_and_uncork_let_go_of_what_was_held() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    for (name, value) in [(c::TCP_CORK, 0), (c::TCP_NODELAY, 1)] {
        net.set(client, near, c::SOL_TCP, c::TCP_CORK, 1).unwrap();
        net.send(client, near, b"held").unwrap();
        assert_eq!(net.recv(server, far), Err(Errno::AGAIN));
        net.set(client, near, c::SOL_TCP, name, value).unwrap();
        assert_eq!(net.recv(server, far), Ok(b"held".to_vec()), "{name}");
        net.set(client, near, c::SOL_TCP, c::TCP_CORK, 0).unwrap();
        net.set(client, near, c::SOL_TCP, c::TCP_NODELAY, 0).unwrap();
    }
}

#[test]
fn the_path_tells_mtu_and_mss() {
    let (mut net, server, client) = Net::two();
    let (_far, near) = net.connection(server, client);
    assert_eq!(net.get(client, near, c::SOL_IP, c::IP_MTU), Ok(1500));
    assert_eq!(net.get(client, near, c::SOL_TCP, c::TCP_MAXSEG), Ok(1448));
    net.listener(server, "127.0.0.1:80");
    let fd = net.socket(server);
    assert_eq!(net.get(server, fd, c::SOL_IP, c::IP_MTU), Err(Errno::NOTCONN));
    net.connect(server, fd, "127.0.0.1:80").unwrap();
    assert_eq!(net.get(server, fd, c::SOL_IP, c::IP_MTU), Ok(65_535));
}
