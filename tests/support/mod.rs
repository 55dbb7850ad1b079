//! What the promises are written with: one body for two worlds.
//!
//! - [`conformance!`] makes the tests `name::os` and `name::sim` of one body over [`World`](files::World): [`Env`], and names of files.
//! - `sock`: [`Sock`](sock::Sock), a socket with its world beside it, so that a promise reads as the calls it is about.
//! - `raw`: the few promises about descriptor numbers that no socket owns.
//! - `files`: paths and abstract names for local sockets.
//! - `own`: what a process asks of its kernel about itself: signals, a table of descriptors, a network.
//! - `wait`: [`Waiting`](wait::Waiting), a call that another thread makes and that is seen to wait.
//! - `rights`: descriptors in messages of local sockets.
//! - `scene`: where most promises begin: a listener, a connected pair, a full buffer, a reset connection.
//!
//! A body takes sockets, time, threads and locks from `env` alone. It never sleeps, names no fixed port and does not know which
//! world it is in; where it must wait it waits by `poll(2)` or by a blocking call.

pub mod files;
pub mod own;
pub mod raw;
pub mod rights;
pub mod scene;
pub mod sock;
pub mod wait;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::Duration;
pub use twinsock::Env;
use twinsock::Os;
use twinsock_sim::{Net, Sim};

/// How long a promise may take in real time, before the run is called hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// The seeds that each promise is simulated with: as many orders of what may happen in any order.
const SEEDS: std::ops::Range<u64> = 0..4;

/// Runs a promise on the kernel's sockets; one that hangs fails instead.
pub fn on_os(name: &'static str, promise: fn(&Os)) {
    in_time(name, move || promise(&Os));
}

/// Runs a promise on the virtual network, as the only process of a host, once for each of a few seeds.
pub fn on_sim(name: &'static str, promise: fn(&Net)) {
    in_time(name, move || {
        for seed in SEEDS {
            let outcome = Sim::builder().seed(seed).run(|sim| {
                sim.host("host").spawn(name, move |net| promise(&net));
            });
            if let Err(failure) = outcome {
                panic!("{failure}");
            }
        }
    });
}

fn in_time(name: &str, body: impl FnOnce() + Send + 'static) {
    let (report, done) = mpsc::channel();
    let body = move || {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        report.send(outcome).expect("the test waits for its promise");
    };
    // The test's own name, so that what a failure says about reproducing it names the test.
    let thread = std::thread::current().name().unwrap_or(name).to_owned();
    std::thread::Builder::new().name(thread).spawn(body).expect("the kernel gives a thread");
    match done.recv_timeout(PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("{name}: still running after {PATIENCE:?}"),
    }
}

/// Makes two tests of one promise: `name::os` on the kernel's sockets, `name::sim` on the virtual network.
#[macro_export]
macro_rules! conformance {
    ($($(#[$meta:meta])* fn $name:ident($env:ident: &E) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "a body need not use all that its file imports")]
            use super::*;

            $(#[$meta])*
            fn promise<E: $crate::support::files::World>($env: &E) $body

            #[test]
            fn os() {
                $crate::support::on_os(stringify!($name), promise);
            }

            #[test]
            fn sim() {
                $crate::support::on_sim(stringify!($name), promise);
            }
        }
    )*};
}
