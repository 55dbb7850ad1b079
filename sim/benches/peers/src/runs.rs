//! Building the peers, and running them.

use peer::{Done, Workload};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// After how long a peer is stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much is done for a figure.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: u32,
    pub round: Duration,
}

/// A program of this workspace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Peer(&'static str);

impl Peer {
    /// twinsock is the first: all others are held against it.
    pub const ALL: [Peer; 9] = [
        Peer("twinsock"),
        Peer("turmoil"),
        Peer("turmoil-net"),
        Peer("madsim"),
        Peer("bach"),
        Peer("smoltcp"),
        Peer("duplex"),
        Peer("tokio"),
        Peer("std"),
    ];

    pub fn by_name(name: &str) -> Result<Peer, String> {
        let names: Vec<&str> = Peer::ALL.iter().map(|peer| peer.0).collect();
        let found = Peer::ALL.into_iter().find(|peer| peer.0 == name);
        found.ok_or_else(|| format!("there is no peer {name:?}: they are {}", names.join(", ")))
    }

    pub fn name(self) -> &'static str {
        self.0
    }

    /// How it stands in a table.
    pub fn title(self) -> &'static str {
        match self.0 {
            "duplex" => "tokio::io::duplex",
            "tokio" => "tokio, kernel loopback",
            "std" => "std, kernel loopback",
            name => name,
        }
    }

    /// The target folder: madsim has one of its own, as its flag is part of how everything below it is compiled.
    fn target(self) -> PathBuf {
        let targets = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
        if self.0 == "madsim" { targets.join("madsim") } else { targets }
    }

    pub fn build(self) -> Result<(), String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(["build", "--release", "--locked", "--package", &format!("peer-{}", self.0)])
            .arg("--target-dir")
            .arg(self.target());
        if self.0 == "madsim" {
            command.env("RUSTFLAGS", "--cfg madsim");
        }
        let status = command.current_dir(workspace()).status().map_err(|error| format!("cargo: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("peer-{} cannot be built", self.0)) }
    }

    /// One run, of so much.
    fn run(self, workload: Workload, size: u64) -> Result<Done, String> {
        let program = self.target().join("release").join(format!("peer-{}", self.0));
        let mut command = Command::new(program);
        command.args([workload.name(), size.to_string()]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let start = Instant::now();
        while child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if start.elapsed() > PATIENCE {
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
                return Err(format!("not within {} s", PATIENCE.as_secs()));
            }
            thread::sleep(Duration::from_millis(2));
        }
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().expect("it is piped").read_to_string(&mut out).map_err(|error| error.to_string())?;
        child.stderr.take().expect("it is piped").read_to_string(&mut err).map_err(|error| error.to_string())?;
        answer(&out).unwrap_or_else(|| Err(complaint(&err)))
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `COUNT NANOSECONDS` or `no: WHY`.
fn answer(out: &str) -> Option<Result<Done, String>> {
    if let Some(why) = out.trim().strip_prefix("no: ") {
        return Some(Err(why.to_owned()));
    }
    let (count, nanos) = out.trim().split_once(' ')?;
    Some(Ok(Done { count: count.parse().ok()?, taken: Duration::from_nanos(nanos.parse().ok()?) }))
}

/// What a program said that came to no end: the first line that is more than a panic's place.
fn complaint(err: &str) -> String {
    let line = err.lines().find(|line| !line.is_empty() && !line.contains("panicked at"));
    format!("fails: {}", line.unwrap_or("without a word").replace('|', "/"))
}

/// What a peer came to.
pub struct Found {
    pub peer: Peer,
    /// Each round, in order of speed; or why there is none.
    pub rounds: Result<Vec<Done>, String>,
}

/// All peers' rounds of a workload, in turn.
pub fn of(workload: Workload, peers: &[Peer], effort: Effort) -> Vec<Found> {
    let sized: Vec<_> = peers.iter().map(|&peer| (peer, size(peer, workload, effort))).collect();
    let mut found: Vec<Found> = sized
        .iter()
        .map(|(peer, sized)| Found { peer: *peer, rounds: sized.as_ref().map(|_| Vec::new()).map_err(String::clone) })
        .collect();
    for round in 0..effort.rounds {
        for (found, (peer, sized)) in found.iter_mut().zip(&sized) {
            let (Ok(rounds), Ok((size, most))) = (&mut found.rounds, sized) else { continue };
            if round >= *most {
                continue;
            }
            match peer.run(workload, *size) {
                Ok(done) => rounds.push(done),
                Err(why) => found.rounds = Err(why),
            }
        }
    }
    found
}

/// How much takes about as long as a round is to take, and how many rounds there are: fewer, where the least takes long.
fn size(peer: Peer, workload: Workload, effort: Effort) -> Result<(u64, u32), String> {
    let (least, most, round) = match workload {
        // A hundred for each client is what the workload is, so that who begins is not most of it; fewer only where these take very long.
        Workload::Crowd(_) => (1, 100, effort.round * 8),
        // Below that, the first seconds are more than the rest.
        Workload::Timers(_) => (1, 3600, effort.round),
        Workload::PingPong(_) | Workload::Bulk | Workload::Churn | Workload::UdpPingPong | Workload::UdpFlood => {
            (10, u64::MAX, effort.round)
        }
    };
    let mut size: u64 = least;
    loop {
        let start = Instant::now();
        let taken = peer.run(workload, size)?.taken.max(Duration::from_nanos(1));
        let whole = start.elapsed();
        let factor = (round.as_nanos() / taken.as_nanos()).min(16);
        // What takes seconds at its least is not made longer.
        if size == most || factor < 2 || whole > round * 10 {
            let fitting = (round * effort.rounds * 4).as_nanos() / whole.as_nanos().max(1);
            let rounds = u32::try_from(fitting).unwrap_or(u32::MAX).clamp(1, effort.rounds);
            return Ok((size, rounds));
        }
        size = size.saturating_mul(u64::try_from(factor).expect("16 at most")).min(most);
    }
}
