//! OPT: `getsockopt(2)` and `setsockopt(2)`: defaults, ranges, and what is read back.

use crate::conformance;
use crate::support::scene::{FAMILIES, bound, fill, join, listener, loopback, pair, reset_by_peer, small_pair};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, PollEvents, Protocol, Type};

/// Options that are 0 or 1, and 0 at first.
const SWITCHES: [(i32, i32); 8] = [
    (c::SOL_SOCKET, c::SO_REUSEADDR),
    (c::SOL_SOCKET, c::SO_REUSEPORT),
    (c::SOL_SOCKET, c::SO_KEEPALIVE),
    (c::SOL_SOCKET, c::SO_BROADCAST),
    (c::SOL_SOCKET, c::SO_OOBINLINE),
    (c::SOL_SOCKET, c::SO_DONTROUTE),
    (c::SOL_SOCKET, c::SO_TIMESTAMP),
    (c::IPPROTO_TCP, c::TCP_CORK),
];

/// `struct timeval`.
fn timeval(seconds: i64, micros: i64) -> Vec<u8> {
    [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat()
}

/// `struct linger`.
fn linger(on: i32, seconds: i32) -> Vec<u8> {
    [on.to_ne_bytes(), seconds.to_ne_bytes()].concat()
}

conformance! {
    fn opt_01_what_a_socket_is_cannot_be_set(env: &E) {
        let socket = Sock::tcp(env);
        for name in [c::SO_TYPE, c::SO_DOMAIN, c::SO_PROTOCOL, c::SO_ERROR, c::SO_ACCEPTCONN] {
            assert_eq!(socket.set(c::SOL_SOCKET, name, 1), Err(Errno::NOPROTOOPT), "option {name}");
        }
    }

    fn opt_02_a_socket_tells_its_family_type_and_protocol(env: &E) {
        for family in FAMILIES {
            for (kind, protocol) in [(Type::STREAM, Protocol::TCP), (Type::DGRAM, Protocol::UDP)] {
                for asked in [Protocol::DEFAULT, protocol] {
                    let socket = Sock::open(env, family, kind, asked).unwrap();
                    assert_eq!(socket.get(c::SOL_SOCKET, c::SO_DOMAIN), Ok(family.raw()));
                    assert_eq!(socket.get(c::SOL_SOCKET, c::SO_TYPE), Ok(kind.raw()));
                    assert_eq!(socket.get(c::SOL_SOCKET, c::SO_PROTOCOL), Ok(protocol.raw()));
                }
            }
        }
    }

    fn opt_03_a_healthy_socket_has_no_error(env: &E) {
        assert_eq!(Sock::tcp(env).take_error(), None);
        assert_eq!(Sock::udp(env).take_error(), None);
        let (client, server) = pair(env);
        assert_eq!((client.take_error(), server.take_error()), (None, None));
    }

    fn opt_04_a_switch_is_off_at_first(env: &E) {
        for family in FAMILIES {
            let socket = Sock::tcp_of(env, family);
            for (level, name) in SWITCHES {
                assert_eq!(socket.get(level, name), Ok(0), "option {level}/{name}");
            }
        }
    }

    fn opt_05_any_number_but_0_turns_a_switch_on(env: &E) {
        for family in FAMILIES {
            let socket = Sock::tcp_of(env, family);
            for (level, name) in SWITCHES {
                for number in [42, -1, 1] {
                    assert_eq!(socket.set(level, name, number), Ok(()), "option {level}/{name}");
                    assert_eq!(socket.get(level, name), Ok(1), "option {level}/{name}");
                }
                assert_eq!(socket.set(level, name, 0), Ok(()), "option {level}/{name}");
                assert_eq!(socket.get(level, name), Ok(0), "option {level}/{name}");
            }
        }
    }

    fn opt_06_so_linger_is_read_back_normalised(env: &E) {
        let socket = Sock::tcp(env);
        let read_back = || socket.get_bytes(c::SOL_SOCKET, c::SO_LINGER, 8).unwrap();
        assert_eq!(read_back(), linger(0, 0));
        socket.set_linger(7, 5).unwrap();
        assert_eq!(read_back(), linger(1, 5));
        socket.set_linger(0, 99).unwrap();
        assert_eq!(read_back(), linger(0, 5), "off leaves the old seconds");
        assert_eq!(socket.set(c::SOL_SOCKET, c::SO_LINGER, 1), Err(Errno::INVAL), "too short");
    }

    fn opt_07_buffer_sizes_are_doubled(env: &E) {
        for socket in [Sock::tcp(env), Sock::udp(env), Sock::unix(env, Type::STREAM)] {
            for name in [c::SO_SNDBUF, c::SO_RCVBUF] {
                assert_eq!(socket.set(c::SOL_SOCKET, name, 10_000), Ok(()));
                assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(20_000));
            }
        }
    }

    fn opt_08_buffer_sizes_have_a_smallest_and_a_largest(env: &E) {
        let socket = Sock::tcp(env);
        for (name, minimum, maximum) in [(c::SO_SNDBUF, 4608, "wmem_max"), (c::SO_RCVBUF, 2304, "rmem_max")] {
            let largest: i32 = 2 * env.sysctl(&format!("net.core.{maximum}")).parse::<i32>().expect("a number");
            for (set, read_back) in [(1, minimum), (1 << 30, largest), (0, minimum), (i32::MAX, largest), (-1, largest)] {
                assert_eq!(socket.set(c::SOL_SOCKET, name, set), Ok(()));
                assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(read_back), "set to {set}");
            }
        }
    }

    fn opt_09_timeouts_are_read_back(env: &E) {
        let socket = Sock::tcp(env);
        for name in [c::SO_RCVTIMEO, c::SO_SNDTIMEO] {
            assert_eq!(socket.get_bytes(c::SOL_SOCKET, name, 16), Ok(timeval(0, 0)));
            socket.set_timeout(name, 1, 500_000).unwrap();
            assert_eq!(socket.get_bytes(c::SOL_SOCKET, name, 16), Ok(timeval(1, 500_000)));
            assert_eq!(socket.set(c::SOL_SOCKET, name, 1), Err(Errno::INVAL), "too short");
        }
    }

    fn opt_10_the_microseconds_of_a_timeout_are_less_than_a_second(env: &E) {
        let socket = Sock::tcp(env);
        for name in [c::SO_RCVTIMEO, c::SO_SNDTIMEO] {
            socket.set_timeout(name, 1, 500_000).unwrap();
            assert_eq!(socket.set_timeout(name, 0, -1), Err(Errno::DOM));
            assert_eq!(socket.set_timeout(name, 0, 1_000_000), Err(Errno::DOM));
            assert_eq!(socket.get_bytes(c::SOL_SOCKET, name, 16), Ok(timeval(1, 500_000)), "an error changes nothing");
            assert_eq!(socket.set_timeout(name, 0, 999_999), Ok(()));
        }
    }

    fn opt_11_a_negative_timeout_has_run_out(env: &E) {
        let (client, _server) = pair(env);
        assert_eq!(client.set_timeout(c::SO_RCVTIMEO, -1, 0), Ok(()));
        assert_eq!(client.get_bytes(c::SOL_SOCKET, c::SO_RCVTIMEO, 16), Ok(timeval(0, 0)));
        assert_eq!(client.nonblocking(), Ok(false));
        assert_eq!(client.recv(1), Err(Errno::AGAIN));
    }

    fn opt_12_tcp_nodelay_is_off_at_first(env: &E) {
        let socket = Sock::tcp(env);
        for (set, read_back) in [(None, 0), (Some(1), 1), (Some(42), 1), (Some(0), 0)] {
            if let Some(number) = set {
                assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_NODELAY, number), Ok(()));
            }
            assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_NODELAY), Ok(read_back));
        }
    }

    fn opt_13_keepalive_times_have_defaults(env: &E) {
        let socket = Sock::tcp(env);
        for (name, default) in [(c::TCP_KEEPIDLE, 7200), (c::TCP_KEEPINTVL, 75), (c::TCP_KEEPCNT, 9)] {
            assert_eq!(socket.get(c::IPPROTO_TCP, name), Ok(default), "option {name}");
        }
    }

    fn opt_14_keepalive_times_have_ranges(env: &E) {
        let socket = Sock::tcp(env);
        for (name, largest) in [(c::TCP_KEEPIDLE, 32_767), (c::TCP_KEEPINTVL, 32_767), (c::TCP_KEEPCNT, 127)] {
            assert_eq!(socket.set(c::IPPROTO_TCP, name, largest), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_TCP, name), Ok(largest));
            assert_eq!(socket.set(c::IPPROTO_TCP, name, 0), Err(Errno::INVAL));
            assert_eq!(socket.set(c::IPPROTO_TCP, name, largest + 1), Err(Errno::INVAL));
            assert_eq!(socket.get(c::IPPROTO_TCP, name), Ok(largest), "an error changes nothing");
        }
    }

    fn opt_15_tcp_user_timeout_is_not_negative(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT), Ok(0));
        assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT, -1), Err(Errno::INVAL));
        assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT, 1500), Ok(()));
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT), Ok(1500));
    }

    fn opt_16_tcp_maxseg_has_a_range_and_lowers_the_segment_of_both_ends(env: &E) {
        let (listener, addr) = bound(env, Domain::INET);
        assert_eq!(listener.get(c::IPPROTO_TCP, c::TCP_MAXSEG), Ok(536));
        assert_eq!(listener.set(c::IPPROTO_TCP, c::TCP_MAXSEG, 87), Err(Errno::INVAL));
        assert_eq!(listener.set(c::IPPROTO_TCP, c::TCP_MAXSEG, 32_768), Err(Errno::INVAL));
        assert_eq!(listener.set(c::IPPROTO_TCP, c::TCP_MAXSEG, 900), Ok(()));
        listener.listen(1).unwrap();
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        assert_eq!(client.get(c::IPPROTO_TCP, c::TCP_MAXSEG), Ok(888), "12 bytes go to timestamps");
        assert_eq!(server.get(c::IPPROTO_TCP, c::TCP_MAXSEG), Ok(888));
    }

    fn opt_17_an_unknown_option_is_not_available(env: &E) {
        let socket = Sock::tcp(env);
        for level in [c::SOL_SOCKET, c::IPPROTO_TCP, c::IPPROTO_IP] {
            assert_eq!(socket.get(level, 9999), Err(Errno::NOPROTOOPT), "level {level}");
            assert_eq!(socket.set(level, 9999, 1), Err(Errno::NOPROTOOPT), "level {level}");
        }
    }

    fn opt_18_an_unknown_level_differs_between_get_and_set_and_families(env: &E) {
        let four = Sock::tcp(env);
        assert_eq!(four.get(500, 1), Err(Errno::OPNOTSUPP));
        assert_eq!(four.set(500, 1, 1), Err(Errno::NOPROTOOPT));
        let six = Sock::tcp_of(env, Domain::INET6);
        assert_eq!(six.get(500, 1), Err(Errno::NOPROTOOPT));
        assert_eq!(six.set(500, 1, 1), Err(Errno::NOPROTOOPT));
    }

    fn opt_19_udp_has_no_options_of_tcp(env: &E) {
        let socket = Sock::udp(env);
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_NODELAY), Err(Errno::OPNOTSUPP));
        assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1), Err(Errno::NOPROTOOPT));
    }

    fn opt_20_a_value_shorter_than_an_int_is_invalid(env: &E) {
        let socket = Sock::tcp(env);
        for (level, name) in [(c::SOL_SOCKET, c::SO_REUSEADDR), (c::SOL_SOCKET, c::SO_KEEPALIVE), (c::IPPROTO_TCP, c::TCP_NODELAY)] {
            for short in [&[][..], &[1], &[1, 0, 0]] {
                assert_eq!(socket.set_bytes(level, name, short), Err(Errno::INVAL));
            }
        }
        let one = 1i32.to_ne_bytes();
        assert_eq!(socket.set_bytes(c::IPPROTO_TCP, c::TCP_NODELAY, &[one, one].concat()), Ok(()), "longer is fine");
    }

    fn opt_21_a_short_buffer_gets_the_first_bytes_of_the_value(env: &E) {
        let socket = Sock::tcp(env);
        socket.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 0x0102).unwrap();
        let full = 0x0102i32.to_ne_bytes();
        assert_eq!(socket.get_bytes(c::SOL_SOCKET, c::SO_RCVLOWAT, 2), Ok(full[..2].to_vec()));
        assert_eq!(socket.get_bytes(c::SOL_SOCKET, c::SO_RCVLOWAT, 99), Ok(full.to_vec()));
        assert_eq!(socket.get_bytes(c::SOL_SOCKET, c::SO_RCVLOWAT, 0), Ok(vec![]));
    }

    fn opt_22_ip_ttl_has_a_default_and_a_range(env: &E) {
        let default = env.sysctl("net.ipv4.ip_default_ttl").parse().expect("a number");
        for socket in [Sock::tcp(env), Sock::udp(env)] {
            assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TTL), Ok(default));
            for ttl in [1, 100, 255] {
                assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, ttl), Ok(()));
                assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TTL), Ok(ttl));
            }
            assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, 0), Err(Errno::INVAL));
            assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, 256), Err(Errno::INVAL));
            assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, -1), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TTL), Ok(default));
        }
    }

    fn opt_23_ipv6_v6only_is_set_before_bind(env: &E) {
        for socket in [Sock::tcp_of(env, Domain::INET6), Sock::udp_of(env, Domain::INET6)] {
            assert_eq!(socket.get(c::IPPROTO_IPV6, c::IPV6_V6ONLY), Ok(0));
            assert_eq!(socket.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 1), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_IPV6, c::IPV6_V6ONLY), Ok(1));
            socket.bind(&loopback(Domain::INET6)).unwrap();
            assert_eq!(socket.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 0), Err(Errno::INVAL));
            assert_eq!(socket.get(c::IPPROTO_IPV6, c::IPV6_V6ONLY), Ok(1));
        }
    }

    fn opt_24_so_rcvlowat_is_at_least_one_and_so_sndlowat_is_one(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_RCVLOWAT), Ok(1));
        socket.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 0).unwrap();
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_RCVLOWAT), Ok(1));
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_SNDLOWAT), Ok(1));
        assert_eq!(socket.set(c::SOL_SOCKET, c::SO_SNDLOWAT, 1), Err(Errno::NOPROTOOPT));
    }

    fn opt_25_an_unknown_congestion_control_is_not_there(env: &E) {
        let socket = Sock::tcp(env);
        let before = socket.get_bytes(c::IPPROTO_TCP, c::TCP_CONGESTION, 16).unwrap();
        assert_eq!(socket.set_bytes(c::IPPROTO_TCP, c::TCP_CONGESTION, b"nosuch"), Err(Errno::NOENT));
        assert_eq!(socket.get_bytes(c::IPPROTO_TCP, c::TCP_CONGESTION, 16), Ok(before));
        assert_eq!(socket.set_bytes(c::IPPROTO_TCP, c::TCP_CONGESTION, b"reno"), Ok(()), "every kernel has this one");
        assert!(socket.get_bytes(c::IPPROTO_TCP, c::TCP_CONGESTION, 16).unwrap().starts_with(b"reno\0"));
    }

    fn opt_26_tcp_info_tells_the_state(env: &E) {
        const ESTABLISHED: u8 = 1;
        const CLOSE: u8 = 7;
        const CLOSE_WAIT: u8 = 8;
        const LISTEN: u8 = 10;
        let state = |socket: &Sock<E>| socket.get_bytes(c::IPPROTO_TCP, c::TCP_INFO, 1).unwrap()[0];
        assert_eq!(state(&Sock::tcp(env)), CLOSE);
        assert_eq!(state(&listener(env).0), LISTEN);
        let (client, server) = pair(env);
        assert_eq!(state(&client), ESTABLISHED);
        assert_eq!(state(&server), ESTABLISHED);
        client.close().unwrap();
        server.wait(PollEvents::RDHUP);
        assert_eq!(state(&server), CLOSE_WAIT);
    }

    fn opt_27_options_are_set_in_every_state(env: &E) {
        for socket in [Sock::tcp(env), listener(env).0, pair(env).0, reset_by_peer(env)] {
            assert_eq!(socket.set_linger(0, 0), Ok(()));
            assert_eq!(socket.set(c::SOL_SOCKET, c::SO_KEEPALIVE, 1), Ok(()));
            assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_NODELAY), Ok(1));
        }
    }

    fn opt_28_tcp_linger2_is_capped(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_LINGER2), Ok(60));
        for (set, read) in [(-7, -1), (5, 5), (0, 60), (121, 120)] {
            assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_LINGER2, set), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_LINGER2), Ok(read), "set to {set}");
        }
    }

    fn opt_29_tcp_defer_accept_is_rounded_and_tcp_syncnt_has_a_range(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT), Ok(0));
        // To the schedule of the SYN-ACK.
        for (set, read) in [(1, 1), (2, 3), (5, 7), (100, 127), (0, 0), (-1, 0)] {
            assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT, set), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT), Ok(read), "set to {set}");
        }
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_SYNCNT), Ok(6));
        for (set, answer) in [(0, Err(Errno::INVAL)), (128, Err(Errno::INVAL)), (1, Ok(())), (127, Ok(()))] {
            assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_SYNCNT, set), answer, "set to {set}");
        }
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_SYNCNT), Ok(127));
    }

    fn opt_30_ip_tos_leaves_the_ecn_bits_to_tcp_and_ipv6_hops_have_a_default(env: &E) {
        let socket = Sock::tcp(env);
        for (set, read) in [(16, 16), (5, 4), (-1, 252)] {
            assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TOS, set), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TOS), Ok(read), "set to {set}");
        }
        let socket = Sock::udp(env);
        assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TOS, 5), Ok(()));
        assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TOS), Ok(5), "TCP alone uses them");
        let six = Sock::tcp_of(env, Domain::INET6);
        assert_eq!(six.get(c::IPPROTO_IPV6, c::IPV6_UNICAST_HOPS), Ok(64));
        assert_eq!(six.set(c::IPPROTO_IPV6, c::IPV6_UNICAST_HOPS, 256), Err(Errno::INVAL));
    }

    fn opt_31_options_are_inherited_at_the_handshake(env: &E) {
        let (listener, addr) = bound(env, Domain::INET);
        listener.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        listener.listen(1).unwrap();
        listener.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1).unwrap();
        listener.set(c::SOL_SOCKET, c::SO_KEEPALIVE, 1).unwrap();
        listener.set_linger(1, 7).unwrap();
        listener.set(c::SOL_SOCKET, c::SO_RCVBUF, 20_000).unwrap();
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        listener.wait(PollEvents::IN);
        listener.set(c::SOL_SOCKET, c::SO_KEEPALIVE, 0).unwrap();
        listener.set(c::SOL_SOCKET, c::SO_OOBINLINE, 1).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.get(c::SOL_SOCKET, c::SO_REUSEADDR), Ok(1));
        assert_eq!(server.get(c::IPPROTO_TCP, c::TCP_NODELAY), Ok(1));
        assert_eq!(server.get(c::SOL_SOCKET, c::SO_KEEPALIVE), Ok(1), "as it was at the handshake");
        assert_eq!(server.get(c::SOL_SOCKET, c::SO_OOBINLINE), Ok(0), "set too late");
        assert_eq!(server.get(c::SOL_SOCKET, c::SO_RCVBUF), Ok(40_000));
        assert_eq!(server.get_bytes(c::SOL_SOCKET, c::SO_LINGER, 8), Ok(linger(1, 7)));
    }

    fn opt_32_small_buffers_make_the_sender_stop_early(env: &E) {
        let (client, _server) = small_pair(env);
        let small = fill(&client).len();
        let limit = 2 * (16_384 + 16_384) + (128 << 10);
        assert!((1..=limit).contains(&small), "{small} bytes were taken");
        let (client, _server) = pair(env);
        let usual = fill(&client).len();
        assert!(4 * small < usual, "{small} bytes, and {usual} by the usual buffers");
    }
}
