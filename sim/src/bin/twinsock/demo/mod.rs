//! `twinsock demo`: a small but real program, run on the kernel and in the simulator, and the transcripts compared.
//!
//! The program is a key-value store that speaks lines ([`protocol`], [`store`], [`server`]) and its clients ([`client`]), which work
//! through a command file ([`commands`]). [`worlds`] runs it; [`transcript`] says what each client heard, and where two runs
//! differ; [`progress`] and [`report`] talk to the one who watches.

mod client;
mod commands;
#[cfg(test)]
#[path = "../../../../examples/demo_commands.rs"]
mod generator;
mod progress;
mod protocol;
mod report;
mod server;
mod store;
mod transcript;
mod worlds;

use clap::{Args, ValueEnum};
use commands::Script;
use report::Verdict;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// The command file that comes with the program.
const COMMANDS: &str = include_str!("../commands.txt");

/// What `twinsock demo` may be told.
#[derive(Args)]
pub struct Options {
    /// The seed of the simulated runs: the same seed is the same run, to the last byte
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// What the clients ask, instead of the commands that come with the program
    ///
    /// A line `session NAME` opens a connection; the lines below it are its commands, such as `SET key value`, `GET key`, `ADD key 1`.
    /// Those between two empty lines are sent at once.
    #[arg(long, value_name = "FILE")]
    commands: Option<PathBuf>,
    /// How many clients work at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    clients: u16,
    /// Writes a report of the simulated run into this folder: trace, capture, timeline, sockets
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Where the program runs
    #[arg(long, default_value = "both")]
    backend: Backend,
}

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// On the kernel's sockets
    Os,
    /// In the simulator, twice with one seed
    Sim,
    /// On the kernel, then in the simulator, twice with one seed
    Both,
}

/// Why the demo did not end well; each has its exit code.
pub enum Failed {
    /// The worlds differ.
    Difference,
    /// The command file cannot be read, or a line of it is bad.
    Commands(String),
    /// A run did not come to its end, or its report could not be written.
    Run(String),
}

/// Runs the demo and writes its report to standard output.
pub fn run(options: &Options) -> Result<(), Failed> {
    let script = Arc::new(read_commands(options)?);
    let clients = usize::from(options.clients);
    let mut outcomes = Vec::new();
    if options.backend != Backend::Sim {
        outcomes.push(worlds::on_the_kernel(&script, clients).map_err(|what| Failed::Run(format!("on the kernel: {what}")))?);
    }
    if options.backend != Backend::Os {
        // The second run tells whether recording the first has changed anything.
        for report in [options.report.as_deref(), None] {
            let outcome = worlds::in_the_simulator(&script, clients, options.seed, report);
            outcomes.push(outcome.map_err(|what| Failed::Run(format!("in the simulator: {what}")))?);
        }
    }
    let verdict = report::judge(&transcript::reference(&script, clients), &outcomes);
    let mut out = io::stdout().lock();
    let written = report::write(&mut out, &script, clients, options.seed, &outcomes, &verdict).and_then(|()| out.flush());
    let mut not_written = outcomes.iter().filter_map(|outcome| outcome.not_written.as_deref());
    match verdict {
        Verdict::Same => {
            written.map_err(|error| Failed::Run(format!("standard output: {error}")))?;
            not_written.next().map_or(Ok(()), |files| Err(Failed::Run(files.to_owned())))
        }
        Verdict::Differs { .. } | Verdict::Strays { .. } => {
            not_written.for_each(|files| eprintln!("twinsock: {files}"));
            Err(Failed::Difference)
        }
    }
}

fn read_commands(options: &Options) -> Result<Script, Failed> {
    let bad = |line: commands::BadLine| Failed::Commands(line.to_string());
    let Some(path) = &options.commands else {
        return Script::parse("sim/src/bin/twinsock/commands.txt", COMMANDS.as_bytes()).map_err(bad);
    };
    let bytes = std::fs::read(path).map_err(|error| Failed::Commands(format!("{}: {error}", path.display())))?;
    Script::parse(&path.display().to_string(), &bytes).map_err(bad)
}
