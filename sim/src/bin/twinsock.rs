//! The `twinsock` command: what the simulator can do, without writing a program first.
//!
//! Exit codes: 0 all went as expected, 1 the worlds differ or a failure was found, 2 a bad option or a bad file, 3 a run did not come to its end, 130 Ctrl-C.

use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

#[path = "twinsock/bench/mod.rs"]
mod bench;
#[path = "twinsock/conform.rs"]
mod conform;
#[path = "twinsock/demo/mod.rs"]
mod demo;
#[path = "twinsock/explore.rs"]
mod explore;
#[path = "twinsock/gallery/mod.rs"]
mod gallery;
#[path = "twinsock/stamp.rs"]
mod stamp;
#[path = "twinsock/trace.rs"]
mod trace;

use demo::Failed;
use twinsock_sim::conform::{WORKER_ARGUMENT, main as conform_main, worker_main};

const EXIT_CODES: &str = "Exit codes:
  0  all went as expected
  1  the worlds differ: another answer, or another digest for the same seed; or a recorded case
  2  a bad option, or a bad command or case file (FILE:LINE says where)
  3  a run did not come to its end";

const EXPLORE_EXIT_CODES: &str = "Exit codes:
  0    nothing was found (of `gallery`: everything that should be)
  1    a failure was found (of `gallery`: something is not as it should be)
  2    a bad option, a bad file, or a variable of the environment that makes no sense
  3    a command could not be started, or a folder not be written to
  130  Ctrl-C: what was found so far is told, and its tapes are on disk";

/// The exit status of a program that SIGINT ended, as shells count: 128 + 2.
const INTERRUPTED: u8 = 130;

/// One socket API, two worlds: the kernel's sockets and a deterministic virtual network
#[derive(Parser)]
#[command(name = "twinsock", version, after_help = EXIT_CODES)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Runs a key-value server and its clients on the kernel and in the simulator, and compares what they say
    #[command(after_help = EXIT_CODES)]
    Demo(demo::Options),
    /// Replays recorded behaviours of Linux on the kernel and in the simulator, and says where they differ
    #[command(after_help = EXIT_CODES)]
    Conform(conform::Options),
    /// Runs a small program with a planted bug under many seeds, until it fails, and makes the failure small
    #[command(after_help = EXPLORE_EXIT_CODES)]
    Explore(explore::Options),
    /// Finds all planted bugs, makes them small, reproduces them in fresh processes, and runs the fixed versions
    #[command(after_help = EXPLORE_EXIT_CODES)]
    Gallery(gallery::Options),
    /// Runs the tape of a failure that `explore` found
    #[command(after_help = EXPLORE_EXIT_CODES)]
    Replay(explore::ReplayOptions),
    /// Joins what the shards of a campaign recorded
    #[command(after_help = EXPLORE_EXIT_CODES)]
    Merge(explore::MergeOptions),
    /// Prints a trace: every call, packet and choice of a run, as strace and tcpdump would
    Trace(trace::Options),
    /// Measures calls, connections, hosts and memory, and the kernel's loopback beside them
    #[command(after_help = bench::AFTER_HELP)]
    Bench(bench::Options),
}

fn main() -> ExitCode {
    // A worker of `conform` is this program run again: it takes cases from its standard input, not options.
    if std::env::args().nth(1).as_deref() == Some(WORKER_ARGUMENT) {
        return worker_main();
    }
    match Command::parse().action {
        Action::Demo(options) => run_demo(&options),
        Action::Conform(options) => conform_main(&options.into()),
        Action::Explore(options) => explore::run(&options),
        Action::Gallery(options) => gallery::run(&options),
        Action::Replay(options) => explore::replay(&options),
        Action::Merge(options) => explore::merge_records(&options),
        Action::Trace(options) => trace::run(&options),
        Action::Bench(options) => bench::run(&options),
    }
}

fn run_demo(options: &demo::Options) -> ExitCode {
    match demo::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Difference) => ExitCode::from(1),
        Err(Failed::Commands(what)) => complain(&what, 2),
        Err(Failed::Run(what)) => complain(&what, 3),
    }
}

/// Writes a report to standard output. Nothing is wrong with a reader who has seen enough, as `head(1)` has: then the code is what it would have been.
fn say(report: &impl std::fmt::Display, code: u8) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match write!(out, "{report}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => complain(&format!("standard output: {error}"), 3),
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}

fn complain(what: &str, code: u8) -> ExitCode {
    eprintln!("twinsock: {what}");
    ExitCode::from(code)
}
