//! The body of the fuzz target `whole_run`: a simulation whose choices are the input, in the order in which they are made.
//!
//! The lowest bit of the first byte says whether hosts may crash, the next whether the tape is replayed; the other bytes choose what kind of network it is, which misfortunes befall it and when, whose turn it is,
//! and what the kernels are free to choose. Where they end, everything is boring. A server and its clients send each other streams meanwhile. Whatever
//! happens,
//!
//! - nothing panics, and no run goes on for ever,
//! - every byte arrives at its place, or its connection fails as Linux lets it fail (`sim/tests/integrity/streams.rs`),
//! - the same choices are the same run, to the last event, whether they come from the input again or from the tape of the run.

#[path = "../../sim/tests/integrity/streams.rs"]
mod streams;

use streams::{the_hosts_fail, the_network_fails};
use twinsock_sim::choice::Choice;
use twinsock_sim::{Report, Sim};

/// How many calls a run makes at most: no stream is so long that it takes more.
const CALLS_MAX: u64 = 3_000_000;

/// Runs one input.
pub fn run(data: &[u8]) {
    let (kind, choices) = data.split_first().unwrap_or((&0, &[]));
    let program = if kind & 1 == 0 { the_network_fails } else { the_hosts_fail };
    let run = |choice| -> Report<()> {
        // A machine that fuzzes is busy, and a thread that stands still there is not stuck. The fuzzer has a limit of its own.
        let builder = Sim::builder().test("whole_run").calls_max(CALLS_MAX).watchdog(None);
        builder.run_with(choice, program).unwrap_or_else(|failure| panic!("{failure}"))
    };
    let first = run(Choice::from_bytes(choices.to_vec()));
    let again = run(Choice::from_bytes(choices.to_vec()));
    assert_eq!(first, again, "the same choices are the same run");
    if kind & 2 == 0 {
        return;
    }
    let replayed = run(Choice::from_tape(first.tape.clone()));
    assert_eq!(first, replayed, "a tape is the run that it was made of");
}
