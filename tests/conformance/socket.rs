//! `socket(2)`: what exists, what does not, and what a fresh socket is.

use crate::conformance;
use crate::support::scene::{FAMILIES, wildcard};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, Protocol, SockFlags, Type};

conformance! {
    fn a_type_that_is_no_number_of_a_type_is_invalid(env: &E) {
        for kind in [12, 15, -1, c::SOCK_STREAM | 0x40] {
            let made = Sock::open(env, Domain::INET, Type::from_raw(kind), Protocol::DEFAULT);
            assert_eq!(made.err(), Some(Errno::INVAL), "type {kind}");
        }
    }

    fn inet_has_no_records_over_a_connection(env: &E) {
        for kind in [Type::from_raw(0), Type::SEQPACKET, Type::from_raw(c::SOCK_RDM)] {
            for family in FAMILIES {
                let made = Sock::open(env, family, kind, Protocol::DEFAULT);
                assert_eq!(made.err(), Some(Errno::SOCKTNOSUPPORT), "{family:?} {kind:?}");
            }
        }
    }

    fn a_protocol_of_another_type_is_not_supported(env: &E) {
        for family in FAMILIES {
            let made = Sock::open(env, family, Type::STREAM, Protocol::UDP);
            assert_eq!(made.err(), Some(Errno::PROTONOSUPPORT));
        }
    }

    fn a_protocol_number_out_of_range_is_invalid(env: &E) {
        // IPPROTO_MAX is 263; 256 to 262 are protocols of other socket types (SMC, MPTCP).
        for protocol in [-1, 263, 1000] {
            let made = Sock::open(env, Domain::INET, Type::STREAM, Protocol::from_raw(protocol));
            assert_eq!(made.err(), Some(Errno::INVAL), "protocol {protocol}");
        }
    }

    fn only_local_sockets_come_in_pairs(env: &E) {
        for family in FAMILIES {
            let made = env.socketpair(family, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT);
            assert_eq!(made.err(), Some(Errno::OPNOTSUPP));
        }
    }

    fn a_fresh_socket_has_the_wildcard_name_and_no_peer(env: &E) {
        for family in FAMILIES {
            let socket = Sock::tcp_of(env, family);
            assert_eq!(socket.name(), wildcard(family, 0));
            assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
        }
    }
}
