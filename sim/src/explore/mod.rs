//! Many runs of one test: seeds on all cores, and what they found, made small and told.
//!
//! [`check!`](crate::check) is how a test asks for a campaign. `campaign.rs` is what can be set, `campaign/course.rs` what happens: first the tapes of earlier failures (`regressions.rs`), then
//! seeds, of which this process may have a share (`shard.rs`), on a thread for every core; some seeds run twice (`divergence.rs`); a failure is shrunk and
//! told (`report.rs`), and kept as a tape. `assertions.rs` counts what holds over all runs, `identity.rs` knows which test this is, `settings.rs` what the
//! environment asks for, `record.rs` writes what a shard did, a line each, and joins the shards, `progress.rs` (a bar: `bar.rs`) says how far it is, and
//! `interrupt.rs` hears Ctrl-C.
//!
//! This room sees a run from outside: it knows the public face, and tapes.

/// What [`always!`](crate::always) and its like call; nothing for a program to name.
#[doc(hidden)]
pub mod assertions;
#[cfg(feature = "cli")]
mod bar;
mod campaign;
mod divergence;
mod identity;
mod interrupt;
mod progress;
mod record;
mod regressions;
mod report;
mod reports;
mod settings;
mod shard;

pub use assertions::{Count, Counts};
pub use campaign::Campaign;
pub use divergence::Divergence;
pub use identity::TestId;
pub use progress::{Snapshot, Watch};
pub use record::{MergeError, Merged, MergedFailure, PartlyMerged, merge};
pub use regressions::{read_origin, read_tape};
pub use report::{Found, Outcome};
pub use settings::{SettingsError, step_from_environment};
pub use shard::{Shard, ShardError};

/// Runs a test under many seeds: a hundred, unless it says otherwise, or `TWINSOCK_SEEDS` does.
///
/// The closure builds the network, starts the programs and may look at what came of them; its panics, theirs and deadlocks are failures. The first one is
/// shrunk, told and kept as a tape in `twinsock-regressions/` beside the test, which is tried first next time. After the closure come calls of
/// [`Campaign`](crate::explore::Campaign)'s methods, as `name = argument`.
///
/// ```
/// use std::io::{Read, Write};
/// use twinsock::net::{TcpListener, TcpStream};
///
/// # fn main() {
/// twinsock_sim::check!(
///     |sim| {
///         let (server, client) = (sim.host("server"), sim.host("client"));
///         let count = sim.swarm("bytes", 1..=100_000) as usize;
///         let listens = server.spawn("bind", |net| TcpListener::bind(&net, "0.0.0.0:7").map(drop));
///         client.spawn("client", move |net| {
///             twinsock_sim::sometimes!(count > 1000, "more than a segment");
///             TcpStream::connect(&net, "server:7").map(drop).unwrap_err();
///         });
///         drop(listens);
///     },
///     seeds = 20,
///     keeps_regressions = false,
/// );
/// # }
/// ```
#[macro_export]
macro_rules! check {
    ($body:expr $(, $setting:ident = $value:expr)* $(,)?) => {{
        fn here() {}
        let path = ::std::any::type_name_of_val(&here);
        let test = $crate::explore::TestId::new(env!("CARGO_PKG_NAME"), env!("CARGO_MANIFEST_DIR"), file!(), path);
        $crate::explore::Campaign::new(test)$(.$setting($value))*.check($body)
    }};
}
