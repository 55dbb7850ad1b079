//! `twinsock conform`: recorded behaviours of Linux, replayed on the kernel and in the simulator.

use clap::{Args, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use twinsock_sim::conform::{ConformArgs, Side};

/// What `twinsock conform` may be told.
#[derive(Args)]
pub struct Options {
    /// Files of cases, one a line, instead of the set that comes with the program
    #[arg(long, value_name = "FILE", num_args = 1..)]
    cases: Vec<PathBuf>,
    /// Only cases whose id or group contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Where the cases run
    #[arg(long, default_value = "both")]
    backend: Backend,
    /// How many cases run at the same time; as many as there are processors, if not said
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// Print the cases as this world answers them, for a later run to compare with
    #[arg(long, conflicts_with = "json")]
    record: bool,
    /// Instead of cases, so many random sequences of calls, made in both worlds and compared step by step
    #[arg(long, value_name = "N", conflicts_with_all = ["cases", "filter", "backend", "record"])]
    random: Option<u64>,
    /// What the random sequences are drawn from
    #[arg(long, value_name = "S", default_value_t = 0, requires = "random")]
    seed: u64,
}

/// Where cases run.
#[derive(Clone, Copy, ValueEnum)]
enum Backend {
    /// On the kernel's sockets, in namespaces of their own
    Os,
    /// In the simulator
    Sim,
    /// On the kernel, then in the simulator
    Both,
}

impl From<Options> for ConformArgs {
    fn from(options: Options) -> ConformArgs {
        let sides = match options.backend {
            Backend::Os => vec![Side::Os],
            Backend::Sim => vec![Side::Sim],
            Backend::Both => vec![Side::Os, Side::Sim],
        };
        ConformArgs {
            cases: options.cases,
            filter: options.filter,
            sample: None,
            sides,
            jobs: options.jobs.map(NonZeroUsize::get),
            json: options.json,
            record: options.record,
            random: options.random,
            seed: options.seed,
            worker: None,
        }
    }
}
