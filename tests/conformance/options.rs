//! `getsockopt(2)` and `setsockopt(2)`: defaults, ranges, and what is read back.

use crate::conformance;
use crate::support::scene::{FAMILIES, bound, pair};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno};

/// Options that are 0 or 1, and 0 at first.
const SWITCHES: [(i32, i32); 9] = [
    (c::SOL_SOCKET, c::SO_REUSEADDR),
    (c::SOL_SOCKET, c::SO_REUSEPORT),
    (c::SOL_SOCKET, c::SO_KEEPALIVE),
    (c::SOL_SOCKET, c::SO_OOBINLINE),
    (c::SOL_SOCKET, c::SO_BROADCAST),
    (c::SOL_SOCKET, c::SO_DONTROUTE),
    (c::SOL_SOCKET, c::SO_TIMESTAMP),
    (c::IPPROTO_TCP, c::TCP_NODELAY),
    (c::IPPROTO_TCP, c::TCP_CORK),
];

conformance! {
    fn a_switch_is_off_at_first_and_any_number_turns_it_on(env: &E) {
        for family in FAMILIES {
            let socket = Sock::tcp_of(env, family);
            for (level, name) in SWITCHES {
                assert_eq!(socket.get(level, name), Ok(0), "option {level}/{name}");
                assert_eq!(socket.set(level, name, 42), Ok(()), "option {level}/{name}");
                assert_eq!(socket.get(level, name), Ok(1), "option {level}/{name}");
                assert_eq!(socket.set(level, name, 0), Ok(()), "option {level}/{name}");
                assert_eq!(socket.get(level, name), Ok(0), "option {level}/{name}");
            }
        }
    }

    fn what_a_socket_is_cannot_be_set(env: &E) {
        let socket = Sock::tcp(env);
        for name in [c::SO_TYPE, c::SO_DOMAIN, c::SO_PROTOCOL, c::SO_ERROR, c::SO_ACCEPTCONN, c::SO_SNDLOWAT] {
            assert_eq!(socket.set(c::SOL_SOCKET, name, 1), Err(Errno::NOPROTOOPT), "option {name}");
        }
    }

    fn a_healthy_socket_has_no_error(env: &E) {
        assert_eq!(Sock::tcp(env).take_error(), None);
        let (client, server) = pair(env);
        assert_eq!((client.take_error(), server.take_error()), (None, None));
    }

    fn an_unknown_option_is_not_available(env: &E) {
        let socket = Sock::tcp(env);
        for level in [c::SOL_SOCKET, c::IPPROTO_TCP, c::IPPROTO_IP] {
            assert_eq!(socket.get(level, 9999), Err(Errno::NOPROTOOPT), "level {level}");
            assert_eq!(socket.set(level, 9999, 1), Err(Errno::NOPROTOOPT), "level {level}");
        }
    }

    fn an_unknown_level_differs_between_families(env: &E) {
        let four = Sock::tcp(env);
        assert_eq!(four.get(9999, 1), Err(Errno::OPNOTSUPP));
        assert_eq!(four.set(9999, 1, 1), Err(Errno::NOPROTOOPT));
        let six = Sock::tcp_of(env, Domain::INET6);
        assert_eq!(six.get(9999, 1), Err(Errno::NOPROTOOPT));
        assert_eq!(six.set(9999, 1, 1), Err(Errno::NOPROTOOPT));
    }

    fn a_value_shorter_than_an_int_is_invalid(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.set_bytes(c::SOL_SOCKET, c::SO_KEEPALIVE, &[1]), Err(Errno::INVAL));
        assert_eq!(socket.set_bytes(c::IPPROTO_TCP, c::TCP_NODELAY, &[1, 0, 0]), Err(Errno::INVAL));
        let one = 1i32.to_ne_bytes();
        assert_eq!(socket.set_bytes(c::IPPROTO_TCP, c::TCP_NODELAY, &[one, one].concat()), Ok(()), "longer is fine");
    }

    fn a_short_buffer_gets_the_first_bytes_of_the_value(env: &E) {
        let socket = Sock::tcp(env);
        socket.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 0x0102).unwrap();
        let full = 0x0102i32.to_ne_bytes();
        assert_eq!(socket.get_bytes(c::SOL_SOCKET, c::SO_RCVLOWAT, 2), Ok(full[..2].to_vec()));
        assert_eq!(socket.get_bytes(c::SOL_SOCKET, c::SO_RCVLOWAT, 99), Ok(full.to_vec()));
        assert_eq!(socket.get_bytes(c::SOL_SOCKET, c::SO_RCVLOWAT, 0), Ok(vec![]));
    }

    fn buffer_sizes_are_doubled_and_clamped(env: &E) {
        let socket = Sock::tcp(env);
        for (name, minimum) in [(c::SO_SNDBUF, 4608), (c::SO_RCVBUF, 2304)] {
            assert_eq!(socket.set(c::SOL_SOCKET, name, 10_000), Ok(()));
            assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(20_000));
            assert_eq!(socket.set(c::SOL_SOCKET, name, 1), Ok(()));
            assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(minimum));
            assert_eq!(socket.set(c::SOL_SOCKET, name, i32::MAX), Ok(()));
            let largest = socket.get(c::SOL_SOCKET, name).unwrap();
            assert!(largest > 20_000 && largest < i32::MAX, "the largest is {largest}");
            assert_eq!(socket.set(c::SOL_SOCKET, name, -1), Ok(()));
            assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(largest), "a negative size is a large one");
        }
    }

    fn so_rcvlowat_is_at_least_one(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_RCVLOWAT), Ok(1));
        socket.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 0).unwrap();
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_RCVLOWAT), Ok(1));
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_SNDLOWAT), Ok(1));
    }

    fn so_linger_is_read_back_normalised(env: &E) {
        let socket = Sock::tcp(env);
        let linger = || socket.get_bytes(c::SOL_SOCKET, c::SO_LINGER, 8).unwrap();
        let value = |on: i32, seconds: i32| [on.to_ne_bytes(), seconds.to_ne_bytes()].concat();
        assert_eq!(linger(), value(0, 0));
        socket.set_linger(7, 5).unwrap();
        assert_eq!(linger(), value(1, 5));
        socket.set_linger(0, 99).unwrap();
        assert_eq!(linger(), value(0, 5), "off leaves the old seconds");
        assert_eq!(socket.set(c::SOL_SOCKET, c::SO_LINGER, 1), Err(Errno::INVAL), "too short");
    }

    fn timeouts_are_read_back(env: &E) {
        let socket = Sock::tcp(env);
        for name in [c::SO_RCVTIMEO, c::SO_SNDTIMEO] {
            let timeout = || socket.get_bytes(c::SOL_SOCKET, name, 16).unwrap();
            let value = |seconds: i64, micros: i64| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
            assert_eq!(timeout(), value(0, 0));
            socket.set_timeout(name, 1, 500_000).unwrap();
            assert_eq!(timeout(), value(1, 500_000));
            assert_eq!(socket.set_timeout(name, 0, -1), Err(Errno::DOM));
            assert_eq!(socket.set_timeout(name, 0, 1_000_000), Err(Errno::DOM));
            assert_eq!(timeout(), value(1, 500_000), "an error changes nothing");
            socket.set_timeout(name, -1, 0).unwrap();
            assert_eq!(timeout(), value(0, 0));
            assert_eq!(socket.set(c::SOL_SOCKET, name, 1), Err(Errno::INVAL), "too short");
        }
    }

    fn keepalive_times_have_defaults_and_ranges(env: &E) {
        let socket = Sock::tcp(env);
        for (name, default, largest) in [
            (c::TCP_KEEPIDLE, 7200, 32_767),
            (c::TCP_KEEPINTVL, 75, 32_767),
            (c::TCP_KEEPCNT, 9, 127),
            (c::TCP_SYNCNT, 6, 127),
        ] {
            assert_eq!(socket.get(c::IPPROTO_TCP, name), Ok(default), "option {name}");
            assert_eq!(socket.set(c::IPPROTO_TCP, name, largest), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_TCP, name), Ok(largest));
            assert_eq!(socket.set(c::IPPROTO_TCP, name, 0), Err(Errno::INVAL));
            assert_eq!(socket.set(c::IPPROTO_TCP, name, largest + 1), Err(Errno::INVAL));
            assert_eq!(socket.get(c::IPPROTO_TCP, name), Ok(largest), "an error changes nothing");
        }
    }

    fn tcp_maxseg_has_a_range_and_lowers_the_segment_of_both_ends(env: &E) {
        let (listener, addr) = bound(env, Domain::INET);
        assert_eq!(listener.get(c::IPPROTO_TCP, c::TCP_MAXSEG), Ok(536));
        assert_eq!(listener.set(c::IPPROTO_TCP, c::TCP_MAXSEG, 87), Err(Errno::INVAL));
        assert_eq!(listener.set(c::IPPROTO_TCP, c::TCP_MAXSEG, 32_768), Err(Errno::INVAL));
        assert_eq!(listener.set(c::IPPROTO_TCP, c::TCP_MAXSEG, 900), Ok(()));
        listener.listen(1).unwrap();
        let (client, server) = crate::support::scene::join(&listener, Sock::tcp(env), &addr);
        assert_eq!(client.get(c::IPPROTO_TCP, c::TCP_MAXSEG), Ok(888), "12 bytes go to timestamps");
        assert_eq!(server.get(c::IPPROTO_TCP, c::TCP_MAXSEG), Ok(888));
    }

    fn tcp_user_timeout_is_not_negative(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT), Ok(0));
        assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT, -1), Err(Errno::INVAL));
        assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT, 1500), Ok(()));
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT), Ok(1500));
    }

    fn tcp_linger2_is_capped(env: &E) {
        let socket = Sock::tcp(env);
        for (set, read) in [(-7, -1), (5, 5), (0, 60), (121, 120)] {
            assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_LINGER2, set), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_LINGER2), Ok(read), "set to {set}");
        }
    }

    fn tcp_defer_accept_is_rounded_to_the_schedule_of_the_syn_ack(env: &E) {
        let socket = Sock::tcp(env);
        for (set, read) in [(1, 1), (2, 3), (5, 7), (100, 127), (0, 0), (-1, 0)] {
            assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT, set), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT), Ok(read), "set to {set}");
        }
    }

    fn ip_ttl_has_a_default_and_a_range(env: &E) {
        let socket = Sock::tcp(env);
        let default = socket.get(c::IPPROTO_IP, c::IP_TTL).unwrap();
        assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, 100), Ok(()));
        assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TTL), Ok(100));
        assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, 0), Err(Errno::INVAL));
        assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, 256), Err(Errno::INVAL));
        assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TTL, -1), Ok(()));
        assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TTL), Ok(default));
    }

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

    fn ip_tos_leaves_the_ecn_bits_to_tcp(env: &E) {
        let socket = Sock::tcp(env);
        for (set, read) in [(16, 16), (5, 4), (-1, 252)] {
            assert_eq!(socket.set(c::IPPROTO_IP, c::IP_TOS, set), Ok(()));
            assert_eq!(socket.get(c::IPPROTO_IP, c::IP_TOS), Ok(read), "set to {set}");
        }
    }

    fn options_are_set_in_every_state(env: &E) {
        let socket = crate::support::scene::reset_by_peer(env);
        assert_eq!(socket.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1), Ok(()));
        assert_eq!(socket.get(c::IPPROTO_TCP, c::TCP_NODELAY), Ok(1));
        let listener = crate::support::scene::listener(env).0;
        assert_eq!(listener.set(c::SOL_SOCKET, c::SO_KEEPALIVE, 1), Ok(()));
    }

    fn small_buffers_make_the_sender_stop_early(env: &E) {
        let (client, _server) = crate::support::scene::small_pair(env);
        let sent = crate::support::scene::fill(&client).len();
        let limit = 2 * (16_384 + 16_384) + (128 << 10);
        assert!((1..=limit).contains(&sent), "{sent} bytes were taken");
    }
}
