//! Sockets of idle connections are folded, and nobody notices.

use super::*;
use crate::slab::Key;

/// How many sockets of each host are folded.
fn folded(net: &Net) -> [usize; 2] {
    [0, 1].map(|host| net.hosts[host].sockets.folded().count())
}

/// Folds what can be folded, whoever uses it, and looks whether it is what it was.
pub(super) fn fold_all(host: &mut Host) {
    let keys: Vec<Key> = host.sockets.iter().map(|(key, _)| key).collect();
    for key in keys {
        let socket = &mut host.sockets[key];
        (socket.peer, socket.peer_calm) = (Key::NOBODY, 0);
        let before = format!("{socket:?}");
        host.sockets.fold(key);
        // If it was the first of its kind, there is one like it now.
        host.sockets.fold(key);
        let (name, claim) = (host.sockets.name_at(key.number()), format!("{:?}", host.sockets.claim(key)));
        let socket = &host.sockets[key];
        assert_eq!(format!("{socket:?}"), before);
        assert_eq!((socket.tuple, format!("{:?}", socket.claim())), (name, claim));
        host.sockets.fold(key);
    }
}

/// So many idle connections: the descriptors of both ends.
fn connections(net: &mut Net, server: Proc, client: Proc, addr: &str, count: u64) -> Vec<(RawFd, RawFd)> {
    let domain = if addr.starts_with('[') { c::AF_INET6 } else { c::AF_INET };
    let listener = net.socket_of(server, domain);
    net.bind(server, listener, addr).unwrap();
    net.listen(server, listener, 128).unwrap();
    let connect = |at| {
        net.now += Duration::from_micros(at);
        let near = net.socket_of(client, domain);
        assert_eq!(net.connect(client, near, addr), Ok(0));
        (fd(net.accept(server, listener)), near)
    };
    (0..count).map(connect).collect()
}

#[test]
fn idle_connections_are_folded() {
    for addr in [SERVER, "[fd00::1]:80"] {
        let (mut net, server, client) = Net::two();
        let all = connections(&mut net, server, client, addr, 20);
        assert_eq!(folded(&net), [0, 0], "a timer of the handshake is left");
        net.advance(Duration::from_secs(2));
        assert_eq!(folded(&net), [19, 19], "all but the first of each kind");
        assert_eq!((net.netstat(0).len(), net.netstat(1).len()), (21, 20));
        for (at, (far, near)) in all.iter().enumerate() {
            assert_eq!(net.send(client, *near, b"hello"), Ok(5));
            assert_eq!(net.recv(server, *far), Ok(b"hello".to_vec()));
            assert_eq!(folded(&net), [19 - at, 19 - at], "what is used is open");
        }
    }
}

#[test]
fn one_who_looks_for_a_port_opens_nothing() {
    let (mut net, server, client) = Net::two();
    let all = connections(&mut net, server, client, SERVER, 20);
    net.advance(Duration::from_secs(2));
    let before = folded(&net);
    let near = net.socket(client);
    assert_eq!(net.connect(client, near, SERVER), Ok(0));
    let third = net.socket(server);
    assert_eq!(net.bind(server, third, SERVER), Err(Errno::ADDRINUSE));
    assert_eq!(folded(&net), before);
    let port = net.port(client, all[3].1);
    assert_eq!(net.peername(server, all[3].0), Ok(format!("10.0.0.2:{port}")));
    assert_eq!(folded(&net), [before[0] - 1, before[1] - 1]);
}

#[test]
fn what_is_unfolded_is_what_was_folded() {
    for addr in [SERVER, "[fd00::1]:80"] {
        let (mut net, server, client) = Net::two();
        for (far, near) in connections(&mut net, server, client, addr, 3) {
            net.advance(Duration::from_secs(2));
            net.set(client, near, c::SOL_TCP, c::TCP_NODELAY, 1).unwrap();
            net.set(server, far, c::SOL_SOCKET, c::SO_KEEPALIVE, far & 1).unwrap();
            net.hosts.iter_mut().for_each(fold_all);
        }
        assert!(folded(&net).into_iter().sum::<usize>() > 3);
    }
}
