//! One program, run on the kernel and in the simulator. All that the demo knows of the simulator's face is in this file.

use super::client::{Server, drive};
use super::commands::Script;
use super::progress::Progress;
use super::server::serve;
use super::transcript::Transcript;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::TcpListener;
use twinsock::{Os, Spawn};
use twinsock_sim::{Link, Net, Sim, write_report};

/// What the simulated server is called, and where it listens.
const SERVER: (&str, u16) = ("server", 6380);

/// How long a packet takes between the two simulated machines, and how much longer the seed may make it.
const LINK_DELAY: Duration = Duration::from_micros(500);
const LINK_JITTER: Duration = Duration::from_micros(100);

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// `kernel` or `simulator`.
    pub world: &'static str,
    /// What the clients heard.
    pub transcript: Transcript,
    /// How long it took.
    pub real: Duration,
    /// What only a simulated run has.
    pub simulated: Option<Simulated>,
    /// Which files of its report could not be written, and why.
    pub not_written: Option<String>,
}

/// What only a simulated run has.
#[derive(Debug, PartialEq, Eq)]
pub struct Simulated {
    /// What decided every choice.
    pub seed: u64,
    /// How much virtual time went by.
    pub virtual_time: Duration,
    /// What every event folds into.
    pub digest: u64,
}

/// Server and clients in threads of this process, over the kernel's loopback.
pub fn on_the_kernel(script: &Arc<Script>, clients: usize) -> Result<Outcome, String> {
    let world = "kernel";
    let progress = Arc::new(Progress::new(world, script.commands()));
    let stopwatch = Stopwatch::start();
    let listener = TcpListener::bind(&Os, ("127.0.0.1", 0)).map_err(|error| format!("bind: {error}"))?;
    let port = listener.local_addr().map_err(|error| format!("getsockname: {error}"))?.port();
    let server = Os.spawn(move || serve(&Os, &listener));
    let heard = drive(&Os, &("127.0.0.1".to_owned(), port), script, clients, &progress);
    progress.finish();
    let transcript = heard.map_err(|trouble| trouble.to_string())?;
    let served = server.join().map_err(|_| "the server panicked".to_owned())?;
    served.map_err(|error| format!("the server: {error}"))?;
    Ok(Outcome { world, transcript, real: stopwatch.elapsed(), simulated: None, not_written: None })
}

/// Server and clients on two simulated machines with a link between them.
/// With a folder for it, a report of the run is written, also if the run failed.
pub fn in_the_simulator(script: &Arc<Script>, clients: usize, seed: u64, report_to: Option<&Path>) -> Result<Outcome, String> {
    let world = "simulator";
    let progress = Arc::new(Progress::new(world, script.commands()));
    let stopwatch = Stopwatch::start();
    let run = Sim::builder().seed(seed).record(report_to.is_some()).run(|sim| {
        let (server, machine) = (sim.host(SERVER.0), sim.host("clients"));
        sim.link(&server, &machine, Link::new().delay(LINK_DELAY).jitter(LINK_JITTER));
        server.spawn("server", |net: Net| {
            let listener = TcpListener::bind(&net, ("0.0.0.0", SERVER.1)).expect("nobody else listens on this machine");
            serve(&net, &listener).expect("the server ends when it is asked to");
        });
        let (script, progress) = (script.clone(), progress.clone());
        let process = machine.spawn("clients", move |net: Net| {
            let server: Server = (SERVER.0.to_owned(), SERVER.1);
            drive(&net, &server, &script, clients, &progress)
        });
        // A run that fails is told by the run's own result.
        sim.run_to_end().ok().and_then(|()| process.take())
    });
    progress.finish();
    let recording = run.as_ref().map_or_else(|failure| &failure.recording, |report| &report.recording);
    let not_written = match (report_to, recording) {
        (Some(folder), Some(recording)) => write_report(folder, "twinsock demo", seed, recording).err(),
        (Some(_), None) | (None, _) => None,
    };
    let not_written = not_written.map(|error| error.to_string());
    let report = run.map_err(|failure| match &not_written {
        Some(files) => format!("{failure}\n{files}"),
        None => failure.to_string(),
    })?;
    let transcript = report.value.ok_or("the clients never ended")?.map_err(|trouble| trouble.to_string())?;
    let simulated = Simulated { seed: report.seed, virtual_time: report.elapsed, digest: report.digest };
    Ok(Outcome { world, transcript, real: stopwatch.elapsed(), simulated: Some(simulated), not_written })
}

/// Real time: how long a run takes the one who waits for it.
struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "real time, shown to a person beside virtual time; no run depends on it")]
    fn start() -> Stopwatch {
        Stopwatch(std::time::Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "real time, shown to a person beside virtual time; no run depends on it")]
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
