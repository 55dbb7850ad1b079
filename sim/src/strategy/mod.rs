//! Strategies for `proptest`: networks, faults and schedules, so that a property over commands is a property over what may happen to them, too, and
//! proptest's shrinking makes all of it small. With the feature `proptest`.
//!
//! `network.rs`: hosts and their links. `faults.rs`: what befalls them, and when. `schedule.rs`: the choices of the run itself; shrinking follows the tape that a failing run has recorded.
//!
//! ```
//! use proptest::prelude::*;
//! use std::io::{Read, Write};
//! use twinsock::net::{TcpListener, TcpStream};
//! use twinsock_sim::Misfortunes;
//! use twinsock_sim::strategy::{faults, faulty_links, networks_of, schedules};
//!
//! proptest! {
//!     #![proptest_config(ProptestConfig::with_cases(16))]
//!     # fn property(
//!     # /*
//!     #[test]
//!     fn what_is_sent_arrives(
//!     # */
//!         bytes in prop::collection::vec(any::<u8>(), 0..2000),
//!         network in networks_of(&["server", "client"], faulty_links()),
//!         faults in faults(2, &Misfortunes::none().cuts(true).holds(true).pauses(true)),
//!         schedule in schedules(),
//!     ) {
//!         let report = schedule.run(|sim| {
//!             let hosts = network.build(sim);
//!             let expected = bytes.clone();
//!             hosts[0].spawn("server", move |net| {
//!                 let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:7").unwrap().accept().unwrap();
//!                 let mut received = Vec::new();
//!                 stream.read_to_end(&mut received).unwrap();
//!                 assert_eq!(received, expected);
//!             });
//!             sim.run_for(std::time::Duration::from_secs(1));
//!             hosts[1].spawn("client", move |net| {
//!                 TcpStream::connect(&net, "server:7").unwrap().write_all(&bytes).unwrap();
//!             });
//!             faults.unfold(sim, &hosts);
//!         });
//!         prop_assert!(report.is_ok(), "{}", report.unwrap_err());
//!     }
//! }
//! # property();
//! ```

mod faults;
mod network;
mod schedule;

pub use faults::{Fault, FaultPlan, Planned, faults};
pub use network::{Network, faulty_links, links, networks, networks_of};
pub use schedule::{Schedule, ScheduleTree, Schedules, schedules};
