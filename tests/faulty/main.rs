//! Faults of system calls, [`twinsock::faulty`], on both worlds.
//!
//! - `promises`: what each fault does to its call and leaves to the next one.
//! - `plan`: whether a fault happens: seeds, threads, limits, rules, the record; frozen examples.
//! - `sequence`: random calls under random plans, to which both worlds must answer the same, call by call.
//! - `robust`: programs that take faults as they come lose nothing.

#[expect(dead_code, reason = "the faults use a part of what the promises use")]
#[path = "../support/mod.rs"]
mod support;

mod plan;
mod promises;
mod robust;
mod sequence;

use support::Env;
use support::sock::Sock;
use twinsock::faulty::{Faulty, Plan};

/// A world in which nothing happens but what rules ask for.
fn ruled<E: Env>(env: &E) -> Faulty<E> {
    Faulty::new(env.clone(), Plan::new(0))
}

/// Brings sockets that were set up undisturbed under the plan.
fn under<E: Env, const N: usize>(faulty: &Faulty<E>, sockets: [Sock<E>; N]) -> [Sock<Faulty<E>>; N] {
    sockets.map(|sock| Sock::of(faulty, faulty.wrap(sock.socket)))
}
