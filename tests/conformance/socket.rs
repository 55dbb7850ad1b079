//! `socket(2)`: what exists, what does not, and what a fresh socket is.

use crate::conformance;
use crate::support::sock::Sock;
use twinsock::{Domain, Errno, Protocol, Type};

conformance! {
    fn a_protocol_number_out_of_range_is_invalid(env: &E) {
        // IPPROTO_MAX is 263; 256 to 262 are protocols of other socket types (SMC, MPTCP).
        for protocol in [-1, 263, 1000] {
            let made = Sock::open(env, Domain::INET, Type::STREAM, Protocol::from_raw(protocol));
            assert_eq!(made.err(), Some(Errno::INVAL), "protocol {protocol}");
        }
    }
}
