//! What the promises are written with: one body for two worlds.
//!
//! - [`conformance!`] makes the tests `name::os` and `name::sim` of one body over [`Env`].
//! - `sock`: [`Sock`](sock::Sock), a socket with its world beside it, so that a promise reads as the calls it is about.
//! - `raw`: the few promises about descriptor numbers that no socket owns.
//! - `scene`: where most promises begin: a listener, a connected pair, a full buffer, a reset connection.
//!
//! A body takes sockets, time, threads and locks from `env` alone. It never sleeps, names no fixed port and does not know which
//! world it is in; where it must wait it waits by `poll(2)` or by a blocking call.

pub mod raw;
pub mod scene;
pub mod sock;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::Duration;
pub use twinsock::Env;
use twinsock::Os;

/// How long a promise may take on the kernel, before the run is called hung.
const OS_PATIENCE: Duration = Duration::from_secs(60);

/// Runs a promise on the kernel's sockets; one that hangs fails instead.
pub fn on_os(name: &str, promise: impl FnOnce(&Os) + Send + 'static) {
    let (report, done) = mpsc::channel();
    let body = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| promise(&Os)));
        report.send(outcome).expect("the test waits for its promise");
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(body).expect("the kernel gives a thread");
    match done.recv_timeout(OS_PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("{name}: still blocked after {OS_PATIENCE:?}"),
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
            fn promise<E: $crate::support::Env>($env: &E) $body

            #[test]
            fn os() {
                $crate::support::on_os(stringify!($name), |env| promise(env));
            }
        }
    )*};
}
