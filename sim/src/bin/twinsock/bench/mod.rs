//! `twinsock bench`: how fast the simulator is on this machine, and the kernel beside it.
//!
//! [`cases`] says what is measured, [`measure`] measures it, [`report`] tells what came of it. What is run is in [`twinsock_sim::workload`].

mod cases;
mod measure;
mod report;

use cases::{Case, Workload};
use clap::{Args, ValueEnum};
use measure::{Effort, Memory};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

pub const AFTER_HELP: &str = "Workloads:
  W1  TCP round trips of 1 and 64 bytes        W6  UDP round trips, and a flood
  W2  a TCP stream of 64 KiB writes            W7  `Os` beside libc and std
  W3  connect, accept, 1 byte, close           W8  memory of idle connections and processes
  W4  one server, 10 to 10,000 clients         W9  a simulation made, run empty, dropped
  W5  10 to 10,000 hosts with a 1 s timer

Simulated links take 1 ms, which is virtual; the kernel's loopback takes none. A figure is the median of several rounds, in which the two
sides take turns. Anything else that the machine does shows.

Exit codes:
  0  all was measured
  2  a bad option, or a workload that there is not
  3  a workload did not come to its end";

/// What `twinsock bench` may be told.
#[derive(Args)]
pub struct Options {
    /// Only these workloads: W1 to W9
    #[arg(value_name = "WORKLOAD", value_parser = Workload::by_name)]
    workloads: Vec<Workload>,
    /// What is measured
    #[arg(long, default_value = "both")]
    backend: Backend,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// Print the table as Markdown, with the day and the machine
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// How many rounds each side gets, at most
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How long a round is to take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    millis: u64,
    /// How many idle connections and processes W8 looks at
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    idle: u32,
    /// Leave out sizes that take longer than a second or so
    #[arg(long)]
    quick: bool,
    /// One figure of W8, by a process of its own
    #[arg(long, hide = true, exclusive = true, value_name = "WHAT:N")]
    memory: Option<Memory>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// The kernel, and what else stands beside the simulator
    Os,
    /// The simulator; of W7, `Os`
    Sim,
    /// Both, in turn
    Both,
}

/// Measures, and tells each row as soon as it is there.
pub fn run(options: &Options) -> ExitCode {
    if let Some(memory) = options.memory {
        return crate::say(&format!("{}\n", memory.bytes()), 0);
    }
    let effort = Effort { rounds: options.rounds, round: Duration::from_millis(options.millis), idle: options.idle };
    let is_asked = |case: &Case| options.workloads.is_empty() || options.workloads.contains(&case.workload);
    let cases = cases::all().into_iter().filter(|case| is_asked(case) && !(options.quick && case.is_long));
    let mut rows = Vec::new();
    let as_text = !options.json && !options.markdown;
    let mut told = if as_text { tell(&report::head()) } else { Ok(()) };
    for mut case in cases {
        match options.backend {
            Backend::Os => case.ours = None,
            Backend::Sim => case.beside = None,
            Backend::Both => {}
        }
        if case.ours.is_none() && case.beside.is_none() {
            continue;
        }
        let row = measure::row(case, effort);
        if as_text {
            told = told.and_then(|()| tell(&report::row(&row)));
        }
        rows.push(row);
        // Whoever reads has seen enough.
        if told.is_err() {
            break;
        }
    }
    let code = if rows.iter().any(|row| row.has_failed()) { 3 } else { 0 };
    match told {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => crate::complain(&format!("standard output: {error}"), 3),
        Err(_) => ExitCode::from(code),
        Ok(()) if options.json => crate::say(&report::json(&rows), code),
        Ok(()) if options.markdown => crate::say(&report::markdown(&rows), code),
        Ok(()) => crate::say(&report::foot(), code),
    }
}

fn tell(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
