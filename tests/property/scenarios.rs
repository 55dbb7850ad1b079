//! Sequences that have found something, by name.

use super::call::{Call, Target};
use super::run;
use twinsock::Shutdown;

const fn socket(slot: usize, nonblocking: bool) -> Call {
    Call::Socket { slot, nonblocking, reuse: false }
}

/// A `shutdown(2)` between a refused attempt and the `connect(2)` that would have told the refusal.
const SHUTDOWN_OF_A_REFUSED_ATTEMPT: &[Call] = &[
    socket(0, true),
    Call::Connect { slot: 0, target: Target::Nobody },
    Call::Shutdown { slot: 0, how: Shutdown::Read },
    Call::Connect { slot: 0, target: Target::Nobody },
    Call::Listen { slot: 0, backlog: 1 },
    Call::TakeError { slot: 0 },
    Call::Connect { slot: 0, target: Target::Unspec },
    Call::Connect { slot: 0, target: Target::Nobody },
];

/// What a listener has shut, the connections it gives have shut too, and their FIN goes out with the handshake.
const A_LISTENER_THAT_WAS_SHUT_DOWN_BEFORE: &[Call] = &[
    socket(0, true),
    Call::Bind { slot: 0, address: 0 },
    Call::Shutdown { slot: 0, how: Shutdown::Write },
    Call::Listen { slot: 0, backlog: 0 },
    socket(1, true),
    Call::Connect { slot: 1, target: Target::Of(0) },
    Call::Poll { slot: 1 },
    Call::Recv { slot: 1, len: 1, peek: false },
    Call::Accept { slot: 0, into: 2 },
    Call::Send { slot: 2, len: 1 },
    Call::Send { slot: 1, len: 1 },
    Call::Recv { slot: 2, len: 9, peek: false },
];

/// A listener's events are those of its queue alone: an error from before does not show.
const A_LISTENER_WITH_AN_ERROR_FROM_BEFORE: &[Call] = &[
    socket(0, true),
    Call::Bind { slot: 0, address: 0 },
    Call::Listen { slot: 0, backlog: 0 },
    socket(1, true),
    Call::Connect { slot: 1, target: Target::Of(0) },
    Call::Accept { slot: 0, into: 2 },
    Call::Connect { slot: 2, target: Target::Unspec },
    Call::Bind { slot: 2, address: 1 },
    Call::Poll { slot: 2 },
    Call::Listen { slot: 2, backlog: 0 },
    Call::Poll { slot: 2 },
    Call::TakeError { slot: 2 },
];

/// A connection is over, its port given back, and its name still shown: a bind that fails puts an end to that.
const A_FAILED_BIND_AFTER_A_CONNECTION: &[Call] = &[
    socket(0, true),
    Call::Bind { slot: 0, address: 0 },
    Call::Listen { slot: 0, backlog: 0 },
    socket(1, true),
    Call::Connect { slot: 1, target: Target::Of(0) },
    Call::Accept { slot: 0, into: 2 },
    Call::Close { slot: 1 },
    Call::Send { slot: 2, len: 1 },
    Call::Name { slot: 2 },
    Call::BindLike { slot: 2, other: 0 },
    Call::Name { slot: 2 },
];

const ALL: &[&[Call]] = &[
    SHUTDOWN_OF_A_REFUSED_ATTEMPT,
    A_LISTENER_THAT_WAS_SHUT_DOWN_BEFORE,
    A_LISTENER_WITH_AN_ERROR_FROM_BEFORE,
    A_FAILED_BIND_AFTER_A_CONNECTION,
];

#[test]
fn every_scenario_comes_out_the_same_in_both_worlds() {
    for calls in ALL {
        if let Err(report) = run::differ(calls) {
            panic!("{report}");
        }
    }
}
