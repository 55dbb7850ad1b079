//! What a call costs round which no fault happens: `cargo run --release -p twinsock-sim --example faulty_cost`.
//!
//! One cheap system call (`recv(2)` with nothing to receive), made as it is and through [`Faulty`], with a plan that is not about it and with one that
//! is and never hits.

use std::hint::black_box;
use twinsock::faulty::{Fault, Faulty, Plan};
use twinsock::{Clock, Domain, MsgFlags, Os, Protocol, SockFlags, SocketApi, Type};

/// The quickest of so many rounds counts, so that a busy machine shows less.
const ROUNDS: u32 = 50;
const CALLS: u32 = 20_000;

fn nanos_per_call<A: SocketApi>(api: &A) -> u64 {
    let (socket, _other) =
        api.socketpair(Domain::UNIX, Type::DGRAM, SockFlags::NONBLOCK, Protocol::DEFAULT).expect("two sockets can be made");
    let round = || {
        let start = Os.now();
        for _ in 0..CALLS {
            assert!(black_box(api.recv(&socket, &mut [0], MsgFlags::NONE)).is_err(), "there is nothing to receive");
        }
        Os.now().since(start)
    };
    let quickest = (0..ROUNDS).map(|_| round()).min().expect("there are rounds");
    u64::try_from((quickest / CALLS).as_nanos()).expect("a call takes less than 500 years")
}

fn main() {
    let others = Plan::new(1).with(Fault::Emfile.rate(1, 2).at_most(0));
    let never = Fault::ERRORS.into_iter().fold(Plan::new(1), |plan, fault| plan.with(fault.rate(0, 1)));
    println!("recv(2), ns per call");
    println!("{:>6}  as it is", nanos_per_call(&Os));
    println!("{:>6}  with a plan for other calls", nanos_per_call(&Faulty::new(Os, others)));
    println!("{:>6}  with a plan for all calls that never hits", nanos_per_call(&Faulty::new(Os, never)));
}
