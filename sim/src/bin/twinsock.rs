//! The `twinsock` command: what the simulator can do, without writing a program first.
//!
//! Exit codes: 0 all went as expected, 1 the worlds differ, 2 a bad option or a bad file, 3 a run did not come to its end.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[path = "twinsock/conform.rs"]
mod conform;
#[path = "twinsock/demo/mod.rs"]
mod demo;

use demo::Failed;
use twinsock_sim::conform::{WORKER_ARGUMENT, main as replay, worker_main};

const EXIT_CODES: &str = "Exit codes:
  0  all went as expected
  1  the worlds differ: another answer, or another digest for the same seed; or a recorded case
  2  a bad option, or a bad command or case file (FILE:LINE says where)
  3  a run did not come to its end";

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
}

fn main() -> ExitCode {
    // A worker of `conform` is this program run again: it takes cases from its standard input, not options.
    if std::env::args().nth(1).as_deref() == Some(WORKER_ARGUMENT) {
        return worker_main();
    }
    match Command::parse().action {
        Action::Demo(options) => run_demo(&options),
        Action::Conform(options) => replay(&options.into()),
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

fn complain(what: &str, code: u8) -> ExitCode {
    eprintln!("twinsock: {what}");
    ExitCode::from(code)
}
