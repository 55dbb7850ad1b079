//! Options of which no row speaks, `getsockopt(2)` and `setsockopt(2)`.

use crate::conformance;
use crate::support::scene::{loopback, pair_of};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, PollEvents, Shutdown, Type};

conformance! {
    fn ip_local_port_range_is_two_ends_in_order(env: &E) {
        for socket in [Sock::tcp(env), Sock::udp(env), Sock::tcp_of(env, twinsock::Domain::INET6)] {
            assert_eq!(socket.get(c::SOL_IP, c::IP_LOCAL_PORT_RANGE), Ok(0));
            for (low, high) in [(30_000, 31_000), (30_000, 0), (0, 30_000), (7, 7), (0, 0)] {
                let range = (high << 16) | low;
                assert_eq!(socket.set(c::SOL_IP, c::IP_LOCAL_PORT_RANGE, range), Ok(()), "{low} to {high}");
                assert_eq!(socket.get(c::SOL_IP, c::IP_LOCAL_PORT_RANGE), Ok(range));
            }
            assert_eq!(socket.set(c::SOL_IP, c::IP_LOCAL_PORT_RANGE, (100 << 16) | 101), Err(Errno::INVAL));
            assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_LOCAL_PORT_RANGE, &[1]), Err(Errno::INVAL), "all four bytes");
            assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_LOCAL_PORT_RANGE, &[1; 5]), Err(Errno::INVAL), "and no more");
        }
    }

    fn what_a_stream_has_heard_of_shows_in_its_multicast_options(env: &E) {
        let (client, server) = pair_of(env, Domain::INET6);
        let hops = |socket: &Sock<E>| socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_HOPS);
        let interface = |socket: &Sock<E>| socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_IF);
        assert_eq!((hops(&client), interface(&client)), (Ok(1), Ok(0)));
        assert_eq!((hops(&server), interface(&server)), (Ok(64), Ok(1)), "taken from the handshake");
        server.set(c::SOL_IPV6, c::IPV6_UNICAST_HOPS, 33).unwrap();
        server.send_all(b"x");
        client.expect_fionread(1);
        assert_eq!(hops(&client), Ok(1), "nobody has asked for it");
        client.set(c::SOL_IPV6, c::IPV6_RECVHOPLIMIT, 1).unwrap();
        server.send_all(b"x");
        client.expect_fionread(2);
        assert_eq!((hops(&client), interface(&client)), (Ok(33), Ok(0)));
        client.set(c::SOL_IPV6, c::IPV6_RECVPKTINFO, 1).unwrap();
        server.set(c::SOL_IPV6, c::IPV6_UNICAST_HOPS, 44).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        client.wait_for("the end", |client| client.mask().contains(PollEvents::RDHUP));
        assert_eq!((hops(&client), interface(&client)), (Ok(44), Ok(1)));
    }

    fn the_mtu_of_a_streams_path_is_unknown_between_an_option_that_names_the_way_and_the_next_segment(env: &E) {
        let (client, _server) = pair_of(env, Domain::INET);
        let mtu = || client.get(c::SOL_IP, c::IP_MTU);
        assert_eq!(mtu(), Ok(65_535));
        for (level, name) in [(c::SOL_SOCKET, c::SO_DONTROUTE), (c::SOL_IP, c::IP_TOS)] {
            client.set(level, name, 8).unwrap();
            assert_eq!(mtu(), Err(Errno::NOTCONN));
            client.send_all(b"x");
            assert_eq!(mtu(), Ok(65_535));
        }
        client.set(c::SOL_IP, c::IP_TOS, 8).unwrap();
        assert_eq!(mtu(), Ok(65_535), "it is the same");
    }

    fn a_stream_connected_to_itself_has_heard_of_its_whole_window(env: &E) {
        let socket = Sock::tcp(env);
        socket.bind(&loopback(Domain::INET)).unwrap();
        socket.connect(&socket.name()).unwrap();
        assert_eq!(socket.get(c::SOL_TCP, c::TCP_MAXSEG), Ok(32_768), "half of 65,536 bytes, which only a segment with a scaled window can say");
        assert_eq!(socket.get(c::SOL_IP, c::IP_MULTICAST_TTL), Ok(1), "no listener has made it");
    }

    fn tcp_timestamp_can_be_read_and_only_repair_may_set_it(env: &E) {
        let (client, _server) = pair_of(env, Domain::INET);
        let before = client.get(c::SOL_TCP, c::TCP_TIMESTAMP).unwrap();
        let after = client.get(c::SOL_TCP, c::TCP_TIMESTAMP).unwrap();
        assert!((0..60_000).contains(&after.wrapping_sub(before)), "milliseconds: {before}, {after}");
        assert_eq!(client.set(c::SOL_TCP, c::TCP_TIMESTAMP, 1), Err(Errno::PERM));
    }

    fn the_names_of_timestamps_are_views_of_the_same_flags(env: &E) {
        const NAMES: [i32; 4] = [c::SO_TIMESTAMP, c::SO_TIMESTAMPNS, c::SO_TIMESTAMP_NEW, c::SO_TIMESTAMPNS_NEW];
        for socket in [Sock::udp(env), Sock::tcp(env), Sock::unix(env, Type::DGRAM), Sock::unix(env, Type::STREAM)] {
            let shown = || NAMES.map(|name| socket.get(c::SOL_SOCKET, name).unwrap());
            let set = |name: i32, value: i32| socket.set(c::SOL_SOCKET, name, value).unwrap();
            assert_eq!(shown(), [0, 0, 0, 0]);
            for (name, then) in NAMES.into_iter().zip([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]) {
                set(name, 5);
                assert_eq!(shown(), then, "{name} on");
            }
            set(c::SO_TIMESTAMP, 0);
            assert_eq!(shown(), [0, 0, 0, 0], "one switches all off");
            set(c::SO_TIMESTAMPNS_NEW, 1);
            set(c::SO_TIMESTAMPING, 0);
            assert_eq!(shown(), [0, 1, 0, 0], "and this one makes it an old name's");
            assert_eq!(socket.set(c::SOL_SOCKET, c::SO_TIMESTAMPING, 1 << 19), Err(Errno::INVAL));
        }
    }

    fn timeouts_have_second_names(env: &E) {
        for socket in [Sock::udp(env), Sock::tcp(env), Sock::unix(env, Type::STREAM)] {
            socket.set_timeout(c::SO_RCVTIMEO_NEW, 1, 500).unwrap();
            let [old, new] = [c::SO_RCVTIMEO, c::SO_RCVTIMEO_NEW].map(|name| socket.get_bytes(c::SOL_SOCKET, name, 16).unwrap());
            assert_eq!(old, new);
            assert_eq!(old, [1_i64.to_ne_bytes(), 4000_i64.to_ne_bytes()].concat());
            assert_eq!(socket.set(c::SOL_SOCKET, c::SO_SNDTIMEO_NEW, 1), Err(Errno::INVAL));
        }
    }
}
