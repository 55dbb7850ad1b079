//! `socket(2)`: what exists, what does not, and what a fresh socket is.

use crate::conformance;
use crate::support::raw::calls_on_a_number_never_opened;
use crate::support::scene::FAMILIES;
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, Protocol, SockFlags, Type};

conformance! {
    fn a_protocol_number_out_of_range_is_invalid(env: &E) {
        // IPPROTO_MAX is 263; 256 to 262 are protocols of other socket types (SMC, MPTCP).
        for protocol in [-1, 263, 1000] {
            let made = Sock::open(env, Domain::INET, Type::STREAM, Protocol::from_raw(protocol));
            assert_eq!(made.err(), Some(Errno::INVAL), "protocol {protocol}");
        }
    }

    fn a_socket_tells_its_family_type_and_protocol(env: &E) {
        for family in FAMILIES {
            for protocol in [Protocol::DEFAULT, Protocol::TCP] {
                let socket = Sock::open(env, family, Type::STREAM, protocol).unwrap();
                assert_eq!(socket.get(c::SOL_SOCKET, c::SO_DOMAIN), Ok(family.raw()));
                assert_eq!(socket.get(c::SOL_SOCKET, c::SO_TYPE), Ok(c::SOCK_STREAM));
                assert_eq!(socket.get(c::SOL_SOCKET, c::SO_PROTOCOL), Ok(c::IPPROTO_TCP));
            }
        }
    }

    fn sock_nonblock_is_a_mode_and_not_part_of_the_type(env: &E) {
        let flags = SockFlags::NONBLOCK;
        let socket = Sock::open_with(env, Domain::INET, Type::STREAM, flags, Protocol::DEFAULT).unwrap();
        assert_eq!(socket.nonblocking(), Ok(true));
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_TYPE), Ok(c::SOCK_STREAM));
        assert_eq!(Sock::tcp(env).nonblocking(), Ok(false));
    }

    fn a_fresh_socket_is_neither_readable_nor_sendable(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.recv(1), Err(Errno::NOTCONN));
        assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
        assert_eq!(socket.send(b""), Err(Errno::PIPE));
    }

    fn a_number_that_is_not_open_is_a_bad_descriptor(env: &E) {
        for (call, answer) in calls_on_a_number_never_opened(env) {
            assert_eq!(answer, Err(Errno::BADF), "{call}");
        }
    }
}
