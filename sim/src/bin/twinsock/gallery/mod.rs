//! `twinsock gallery`: planted bugs in small real programs, each found, made small, reproduced, and gone in the fixed version beside it.
//!
//! A bug has a file of its own: a program over any world that keeps promises (`A: SocketApi` or more of `Env`), whose modules `buggy` and `fixed` differ in one function,
//! and `check`, which builds a network round it and asserts what the program promises. [`bug`] says what they have in common, [`judge`] tries one,
//! [`report`] tells what came of it.

mod aborted_accept;
mod bug;
mod crane;
mod dead_subscriber;
mod early_close;
mod eintr;
mod emfile;
mod eof_as_error;
mod framing;
mod half_close;
mod idempotence;
mod judge;
mod late_reply;
mod lock_order;
mod missing_timeout;
mod partial_write;
mod report;
mod skewed_lease;
mod split_brain;
mod spurious_readiness;
mod stale_connection;

use bug::START;
pub use bug::{Bug, TEST_PREFIX, Version};

use clap::Args;
use judge::Verdict;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

/// All of them, in the order in which they are told.
pub const ALL: [Bug; 17] = [
    partial_write::BUG,
    eintr::BUG,
    eof_as_error::BUG,
    half_close::BUG,
    early_close::BUG,
    framing::BUG,
    lock_order::BUG,
    emfile::BUG,
    aborted_accept::BUG,
    spurious_readiness::BUG,
    dead_subscriber::BUG,
    idempotence::BUG,
    late_reply::BUG,
    missing_timeout::BUG,
    stale_connection::BUG,
    split_brain::BUG,
    skewed_lease::BUG,
];

/// What `twinsock gallery` may be told.
#[derive(Args)]
pub struct Options {
    /// Only these bugs
    #[arg(value_name = "NAME", value_parser = by_name)]
    names: Vec<Bug>,
    /// Name the bugs, a line each, and do nothing
    #[arg(long)]
    list: bool,
    /// Print one JSON object instead of the table
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the table as Markdown, with the day and the machine
    #[arg(long)]
    markdown: bool,
    /// Under how many seeds each fixed version must hold; three times as many as its bug is found within, if not said
    #[arg(long, value_name = "N")]
    fixed_seeds: Option<u64>,
    /// On how many threads; one for each processor, if not said
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// The bug of this name.
pub fn by_name(name: &str) -> Result<Bug, String> {
    ALL.into_iter()
        .find(|bug| bug.name == name)
        .ok_or_else(|| "no bug of the gallery has this name; `twinsock explore --list` names them".to_owned())
}

/// The bugs, a line each.
pub fn list() -> String {
    ALL.iter().map(|bug| format!("{:<26} {}\n", bug.name, bug.what)).collect()
}

/// Tries the bugs, and tells.
pub fn run(options: &Options) -> ExitCode {
    if options.list {
        return crate::say(&list(), 0);
    }
    let bugs = if options.names.is_empty() { ALL.to_vec() } else { options.names.clone() };
    match try_all(&bugs, options) {
        Ok((verdicts, false)) if verdicts.iter().all(Verdict::is_ok) => ExitCode::SUCCESS,
        Ok((_, false)) => ExitCode::from(1),
        Ok((_, true)) => ExitCode::from(crate::INTERRUPTED),
        Err(error) => crate::complain(&error.to_string(), 3),
    }
}

/// Answers also whether Ctrl-C came.
fn try_all(bugs: &[Bug], options: &Options) -> io::Result<(Vec<Verdict>, bool)> {
    let mut out = io::stdout().lock();
    let (mut verdicts, mut interrupted) = (Vec::new(), false);
    let is_table = !options.json && !options.markdown;
    if is_table {
        write!(out, "{}", report::head())?;
    }
    for bug in bugs {
        let Some(verdict) = judge::judge(bug, options.fixed_seeds, options.jobs)? else {
            interrupted = true;
            break;
        };
        if is_table {
            write!(out, "{}", report::row(&verdict))?;
            out.flush()?;
        }
        verdicts.push(verdict);
    }
    let rest = match (options.json, options.markdown) {
        (true, _) => report::json(&verdicts, interrupted),
        (_, true) => report::markdown(&verdicts),
        (false, false) => report::foot(&verdicts, bugs.len()),
    };
    write!(out, "{rest}")?;
    out.flush()?;
    Ok((verdicts, interrupted))
}
