//! twinsock's virtual network: hosts, links, processes and a real TCP, all reproducible from a seed.
//!
//! A program written over [`twinsock::SocketApi`] runs here unchanged, given a [`Net`] in place of `Os`. The rooms of this crate stand in the
//! order in which a byte travels:
//!
//! [`api`] (the door) → `process` (turns) → [`world`] (clock, hosts, links) → [`host`] (one machine's kernel) → `tcp`, `udp` and
//! `unix` (the protocols) → [`packet`] (values), carried by [`link`] as [`choice`] decides, and recorded by [`trace`].
//!
//! ```
//! use std::io::{Read, Write};
//! use std::time::Duration;
//! use twinsock::net::{TcpListener, TcpStream};
//! use twinsock_sim::Sim;
//!
//! let report = Sim::builder().seed(7).run(|sim| {
//!     sim.host("server").spawn("echo", |net| {
//!         let listener = TcpListener::bind(&net, "0.0.0.0:7").unwrap();
//!         let (mut stream, _) = listener.accept().unwrap();
//!         let mut bytes = [0; 5];
//!         stream.read_exact(&mut bytes).unwrap();
//!         stream.write_all(&bytes).unwrap();
//!     });
//!     // By then the server listens.
//!     sim.run_for(Duration::from_millis(1));
//!     sim.host("client").spawn("client", |net| {
//!         let mut stream = TcpStream::connect(&net, "server:7").unwrap();
//!         stream.write_all(b"hello").unwrap();
//!         let mut bytes = [0; 5];
//!         stream.read_exact(&mut bytes).unwrap();
//!         assert_eq!(&bytes, b"hello");
//!     });
//! });
//! report.unwrap();
//! ```

pub mod api;
pub mod choice;
#[cfg(feature = "cli")]
pub mod colour;
pub mod conform;
mod copy;
mod deadlines;
pub mod explore;
pub mod host;
mod line;
pub mod link;
pub mod packet;
mod prefetch;
mod process;
mod report;
mod seldom;
mod shared;
pub mod sim;
mod slab;
#[cfg(feature = "proptest")]
pub mod strategy;
pub mod sync;
mod tcp;
pub mod trace;
mod udp;
mod unix;
// For the command and the benches, and no promise to anybody else.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod workload;
pub mod world;

pub use api::{Net, Tid};
pub use host::{FileLine, HostConfig, SocketLine};
pub use link::{Delay, GilbertElliott, Link, Ratio};
pub use process::failure::{FailureKind, Waiting};
pub use process::leaks::{HostLeaks, LEAK_GRACE, LeakCheck, Leaks, LeftAtExit, LeftThread};
pub use process::signal::Signal;
pub use report::{NotWritten, ReportError, ReportFiles, write_report};
#[cfg(feature = "tracing-subscriber")]
pub use sim::SimTime;
pub use sim::{
    Builder, Failure, Host, Interleaving, Misfortunes, Network, Process, ProcessBuilder, Report, RuleGuard, Sim, Whereabouts,
    whereabouts,
};
pub use trace::{EventKind, TraceFile, TraceFileError, TraceLine, read_trace};
pub use world::{Fate, NameFault, PacketView, Protocol};
