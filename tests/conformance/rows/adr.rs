//! ADR: making sockets, the formats of addresses, and the names that sockets show.

use crate::conformance;
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, Protocol, Type};

conformance! {
    fn adr_01_an_unknown_family_is_not_supported(env: &E) {
        // AF_UNSPEC is a family of addresses, not of sockets.
        for family in [c::AF_UNSPEC, -1, 200, 250] {
            let made = Sock::open(env, Domain::from_raw(family), Type::STREAM, Protocol::DEFAULT);
            assert_eq!(made.err(), Some(Errno::AFNOSUPPORT), "family {family}");
        }
    }
}
