//! Where and when the running code runs: what a log's lines are stamped with.

use crate::process::current;
use std::fmt;
use twinsock::Instant;

/// Where code of a simulation runs, and when. Printed as a trace does: `1.000073000s north node[1]`.
///
/// ```
/// use twinsock_sim::{Sim, Whereabouts, whereabouts};
/// let run = Sim::builder().run(|sim| {
///     sim.host("north").spawn("node", |_net| {
///         let Whereabouts { host, process, pid, .. } = whereabouts().unwrap();
///         assert_eq!((host.as_deref(), process.as_deref(), pid), (Some("north"), Some("node"), 1));
///     });
/// });
/// run.unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The virtual time.
    pub at: Instant,
    /// The turn.
    pub step: u64,
    /// The name of the host; `None` if it is the world's at large.
    pub host: Option<String>,
    /// The name of the process; `None` in a host's kernel.
    pub process: Option<String>,
    /// The number of the process on its host.
    pub pid: u32,
    /// The number of the thread in the run.
    pub thread: u32,
}

/// Where and when the calling code runs, if it is a simulated program: for loggers of any kind, which would else have to do with the machine's clock.
/// `None` outside a simulation, and where a simulation's network is built.
///
/// ```
/// use twinsock::Clock;
/// use twinsock_sim::{Sim, whereabouts};
///
/// let report = Sim::builder().run(|sim| {
///     sim.host("north").spawn("node", |net| {
///         net.sleep(std::time::Duration::from_secs(1));
///         let whereabouts = whereabouts().unwrap();
///         assert_eq!(whereabouts.to_string(), "1.000000000s north node[1]");
///         assert_eq!(whereabouts.step, 2);
///     });
/// });
/// report.unwrap();
/// assert_eq!(whereabouts(), None);
/// ```
#[must_use]
pub fn whereabouts() -> Option<Whereabouts> {
    let (at, step, place, [host, process]) = current::whereabouts()?;
    Some(Whereabouts { at, step, host, process, pid: place.pid().unwrap_or(0), thread: place.thread_number() })
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.at, self.host.as_deref().unwrap_or("world"))?;
        let Some(process) = &self.process else { return Ok(()) };
        write!(f, " {process}[{}", self.pid)?;
        if self.thread != 0 {
            write!(f, ".{}", self.thread)?;
        }
        f.write_str("]")
    }
}

/// A timer for `tracing_subscriber::fmt`: lines are stamped with virtual time, host and process, and with `-` outside a simulation.
///
/// ```
/// tracing_subscriber::fmt().with_timer(twinsock_sim::SimTime).with_test_writer().init();
/// ```
#[cfg(feature = "tracing-subscriber")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SimTime;

#[cfg(feature = "tracing-subscriber")]
impl tracing_subscriber::fmt::time::FormatTime for SimTime {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> fmt::Result {
        match whereabouts() {
            Some(whereabouts) => write!(w, "{whereabouts}"),
            None => w.write_str("-"),
        }
    }
}
