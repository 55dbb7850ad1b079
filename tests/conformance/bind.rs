//! `bind(2)`: which addresses exist, and who may share a port.

use crate::conformance;
use crate::support::scene::{bound, dead_end, ip_of, join, listener, own_addr, own_ip, port_of, reset, wildcard};
use crate::support::sock::Sock;
use std::net::IpAddr;
use twinsock::consts as c;
use twinsock::{Domain, Errno, PollEvents, SocketAddr};

conformance! {
    fn port_zero_asks_for_any_free_port(env: &E) {
        let ip = IpAddr::V4(own_ip());
        let sockets: Vec<_> = (0..50).map(|_| Sock::tcp(env)).collect();
        let mut ports: Vec<u16> = Vec::new();
        for socket in &sockets {
            socket.bind(&SocketAddr::inet(ip, 0)).unwrap();
            assert_eq!(ip_of(&socket.name()), ip);
            ports.push(port_of(&socket.name()));
        }
        ports.sort_unstable();
        assert!(ports[0] >= 1024, "no privileged port is chosen");
        ports.dedup();
        assert_eq!(ports.len(), sockets.len(), "no port is given twice");
    }

    fn ipv6_v6only_leaves_the_port_of_ipv4_free(env: &E) {
        let six = Sock::tcp_of(env, Domain::INET6);
        six.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        six.bind(&wildcard(Domain::INET6, 0)).unwrap();
        assert_eq!(Sock::tcp(env).bind(&own_addr(port_of(&six.name()))), Ok(()));
        assert_eq!(six.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 0), Err(Errno::INVAL), "bound already");
    }

    fn a_reset_leaves_no_time_wait(env: &E) {
        let (old, addr) = listener(env);
        let (client, server) = join(&old, Sock::tcp(env), &addr);
        old.close().unwrap();
        reset(server);
        client.wait(PollEvents::HUP);
        assert_eq!(Sock::tcp(env).bind(&addr), Ok(()));
    }

    fn a_connection_takes_the_place_of_one_in_time_wait_at_once(env: &E) {
        let (listener, addr) = listener(env);
        let (mut next, from) = bound(env, Domain::INET);
        for _ in 0..8 {
            // A first SYN that is not taken would be followed by another after a second.
            next.set_timeout(c::SO_SNDTIMEO, 0, 900_000).unwrap();
            let (client, server) = join(&listener, next, &addr);
            server.close().unwrap();
            assert_eq!(client.recv(1), Ok(vec![]));
            client.close().unwrap();
            next = loop {
                // The last ACK of the closing handshake may still be on its way.
                let socket = Sock::tcp(env);
                match socket.bind(&from) {
                    Ok(()) => break socket,
                    Err(errno) => assert_eq!(errno, Errno::ADDRINUSE),
                }
            };
        }
    }

    fn a_refused_connect_keeps_an_explicit_port(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let (first, addr) = bound(env, Domain::INET);
        first.close().unwrap();
        let socket = Sock::tcp(env);
        socket.bind(&addr).unwrap();
        assert_eq!(socket.connect(&nobody), Err(Errno::CONNREFUSED));
        assert_eq!(socket.bind(&own_addr(0)), Err(Errno::INVAL), "still bound");
        assert_eq!(Sock::tcp(env).bind(&addr), Err(Errno::ADDRINUSE));
    }

    fn a_refused_connect_gives_a_chosen_port_back(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let socket = Sock::tcp(env);
        assert_eq!(socket.connect(&nobody), Err(Errno::CONNREFUSED));
        assert_eq!(socket.bind(&own_addr(0)), Ok(()));
    }
}
