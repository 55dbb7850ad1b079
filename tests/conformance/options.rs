//! Options of which no row speaks, `getsockopt(2)` and `setsockopt(2)`.

use crate::conformance;
use crate::support::sock::Sock;
use twinsock::Errno;
use twinsock::consts as c;

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
}
