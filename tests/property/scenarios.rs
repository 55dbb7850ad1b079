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

const ALL: &[&[Call]] = &[SHUTDOWN_OF_A_REFUSED_ATTEMPT];

#[test]
fn every_scenario_is_allowed_on_the_kernel() {
    for calls in ALL {
        if let Err(report) = run::on_os(calls) {
            panic!("{report}");
        }
    }
}
