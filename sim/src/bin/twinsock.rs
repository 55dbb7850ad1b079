//! The `twinsock` command: what the simulator can do, without writing a program first.
//!
//! Exit codes: 0 all went as expected, 1 the worlds differ, 2 a bad option or a bad command file, 3 a run did not come to its end.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[path = "twinsock/demo/mod.rs"]
mod demo;

use demo::Failed;

const EXIT_CODES: &str = "Exit codes:
  0  all went as expected
  1  the worlds differ: another answer, or another digest for the same seed
  2  a bad option, or a bad command file (FILE:LINE says where)
  3  a run did not come to its end";

/// One socket API, two worlds: the kernel's sockets and a deterministic virtual network
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Runs a key-value server and its clients on the kernel and in the simulator, and compares what they say
    #[command(after_help = EXIT_CODES)]
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let Action::Demo(options) = Command::parse().action;
    match demo::run(&options) {
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
