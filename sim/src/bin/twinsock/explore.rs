//! `twinsock explore`: a bug of the gallery under many seeds; `twinsock replay`: the same from a tape; `twinsock merge`: what shards of a campaign
//! recorded, joined.

use crate::gallery::{self, Bug, TEST_PREFIX, Version};
use clap::Args;
use serde_json::{Value, json};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use twinsock_sim::explore::{
    Campaign, Found, MergeError, Merged, Outcome, Shard, TestId, merge, read_origin, read_tape, step_from_environment,
};
use twinsock_sim::{Sim, colour};

/// What `twinsock explore` may be told.
#[derive(Args)]
pub struct Options {
    /// Which bug
    #[arg(value_name = "NAME", value_parser = gallery::by_name, required_unless_present = "list")]
    bug: Option<Bug>,
    /// Name the bugs, a line each, and do nothing
    #[arg(long)]
    list: bool,
    /// Run the fixed version of the program
    #[arg(long)]
    fixed: bool,
    /// How many seeds; as many as the bug is found within, if not said
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "SEED")]
    first_seed: Option<u64>,
    /// This seed alone
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first_seed", "shard"])]
    seed: Option<u64>,
    /// On how many threads; one for each processor, if not said
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Go on after the first failure, and collect those that differ
    #[arg(long)]
    collect: bool,
    /// Run this share of the seeds, such as 2/4
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Write what was found to a file in this folder, as lines of JSON, for `twinsock merge`
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// Where tapes of failures are kept, which are tried first the next time
    #[arg(long, value_name = "FOLDER", default_value = "twinsock-regressions")]
    tapes: PathBuf,
    /// How many runs shrinking may take
    #[arg(long, value_name = "N", default_value_t = 2000)]
    shrink_runs: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `twinsock replay` may be told.
#[derive(Args)]
pub struct ReplayOptions {
    /// The file that `twinsock explore` wrote
    #[arg(value_name = "TAPE")]
    tape: PathBuf,
    /// Run the fixed version of the program
    #[arg(long)]
    fixed: bool,
    /// Write a report of the run into this folder, whether it fails or not: trace, capture, timeline, sockets
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `twinsock merge` may be told.
#[derive(Args)]
pub struct MergeOptions {
    /// The records of all shards of a campaign, or a folder that holds them and no others
    #[arg(value_name = "FILE|FOLDER", required = true)]
    records: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// This program, as it was called.
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "twinsock".to_owned())
}

/// A campaign for one version of a bug's program, whose tapes go to a folder. Nothing of the fixed version is kept.
pub fn campaign(bug: &Bug, version: Version, tapes: &Path) -> Campaign {
    let (program, name) = (program(), bug.name);
    let fixed = if version == Version::Fixed { " --fixed" } else { "" };
    let seed_command = format!("{program} explore {name}{fixed} --seed");
    let test = TestId::of_program(&bug.test_name(), tapes, &seed_command, &format!("{program} replay{fixed}"));
    Campaign::new(test).seeds(bug.seeds).keeps_regressions(version == Version::Buggy)
}

/// Runs a bug under many seeds, and tells.
pub fn run(options: &Options) -> ExitCode {
    let Some(bug) = &options.bug else {
        return crate::say(&gallery::list(), 0);
    };
    let version = version(options.fixed);
    let campaign = campaign(bug, version, &options.tapes).shrink_runs(options.shrink_runs).collects(options.collect);
    let mut campaign = match campaign.as_the_environment_asks() {
        Ok(campaign) => campaign,
        Err(error) => return crate::complain(&error.to_string(), 2),
    };
    // What is said here goes before what the environment says.
    let Options { seeds, first_seed, seed, jobs, shard, record, .. } = options;
    campaign = seeds.map_or(campaign.clone(), |seeds| campaign.seeds(seeds));
    campaign = first_seed.map_or(campaign.clone(), |seed| campaign.first_seed(seed));
    campaign = seed.map_or(campaign.clone(), |seed| campaign.only_seed(seed));
    campaign = jobs.map_or(campaign.clone(), |jobs| campaign.jobs(jobs.get()));
    campaign = shard.map_or(campaign.clone(), |shard| campaign.shard(shard));
    if let Some(folder) = record {
        campaign = campaign.record(folder);
    }
    tell(&campaign.run(|sim: &Sim| (bug.check)(sim, version)), options.json)
}

/// Runs a tape, and tells.
pub fn replay(options: &ReplayOptions) -> ExitCode {
    let path = &options.tape;
    let refuse = |why: &str| crate::complain(&format!("{}: {why}", path.display()), 2);
    let tape = match read_tape(path) {
        Ok(tape) => tape,
        Err(why) => return refuse(&[why, of_its_beginning(path)].concat()),
    };
    let origin = tape.origin.clone();
    let Some(bug) = gallery::ALL.iter().find(|bug| bug.test_name() == origin.test) else {
        return refuse(&not_of_the_gallery(&origin.test, &origin.version, path));
    };
    if let Err(foreign) = Sim::builder().test(&bug.test_name()).tape(tape.clone()) {
        return refuse(&foreign.to_string());
    }
    let version = version(options.fixed);
    let body = |sim: &Sim| (bug.check)(sim, version);
    if let Some(folder) = &options.report {
        match campaign(bug, version, Path::new("")).write_report_of(tape, folder, body) {
            Ok(files) => eprintln!("timeline: {}", files.timeline.display()),
            // What came of the run is told nevertheless.
            Err(error) => eprintln!("twinsock: {error}"),
        }
    }
    let mut campaign = campaign(bug, version, Path::new("")).only_tape(path);
    match step_from_environment() {
        Ok(step) => campaign = step.map_or(campaign.clone(), |step| campaign.break_at(step)),
        Err(error) => return crate::complain(&error.to_string(), 2),
    }
    tell(&campaign.run(body), options.json)
}

/// What the beginning of a tape tells that is cut off or damaged further on: the seed is not the smallest run that fails, but one that does.
fn of_its_beginning(path: &Path) -> String {
    let Ok(origin) = read_origin(path) else { return String::new() };
    let (version, test, seed) = (origin.version, origin.test, origin.seed);
    let again = match gallery::ALL.iter().find(|bug| bug.test_name() == test) {
        Some(bug) => format!("\nits seed again: {} explore {} --seed {seed}", program(), bug.name),
        None => String::new(),
    };
    format!("; its beginning says that it was recorded by twinsock-sim {version} from test `{test}`, seed {seed}{again}")
}

/// Why a tape of another test is refused, and what can be done with it.
fn not_of_the_gallery(test: &str, version: &str, path: &Path) -> String {
    let here = env!("CARGO_PKG_VERSION");
    let known = gallery::ALL.map(|bug| bug.name).join(", ");
    if test.is_empty() {
        return format!(
            "the tape does not say which test it was recorded from; this is twinsock-sim {here}, and its tests are {known}"
        );
    }
    let refused = format!(
        "the tape was recorded by twinsock-sim {version} from test `{test}`; this is twinsock-sim {here}, and its tests are `{TEST_PREFIX}...` with one of {known}"
    );
    match test.split_once("::") {
        Some((_, name)) if !test.starts_with(TEST_PREFIX) => {
            format!("{refused}\na test of cargo's replays it: TWINSOCK_TAPE={} cargo test {name} -- --exact", path.display())
        }
        Some(_) | None => refused,
    }
}

fn version(fixed: bool) -> Version {
    if fixed { Version::Fixed } else { Version::Buggy }
}

fn tell(outcome: &Outcome, as_json: bool) -> ExitCode {
    let code = match (outcome.interrupted, outcome.is_ok()) {
        (true, _) => crate::INTERRUPTED,
        (false, true) => 0,
        (false, false) => 1,
    };
    if as_json {
        return crate::say(&Line(outcome_as_json(outcome)), code);
    }
    let text = outcome.to_string();
    crate::say(&Line(if colour::on_stdout() { colour::report(&text) } else { text }), code)
}

/// Something, and the end of its line.
struct Line<T>(T);

impl<T: fmt::Display> fmt::Display for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0)
    }
}

fn outcome_as_json(outcome: &Outcome) -> Value {
    let found = |found: &Found| {
        json!({
            "site": found.site,
            "seed": found.seed,
            "seeds": found.seeds,
            "failure": found.failure.kind.to_string(),
            "at_ns": found.failure.at.as_nanos(),
            "step": found.failure.step,
            "digest": format!("{:016x}", found.failure.digest),
            "choices_before": found.shrunk.as_ref().map(|shrunk| shrunk.spikes_before),
            "choices": found.failure.tape.spike_count(),
            "story": found.failure.story.iter().filter(|told| told.is_heard()).map(ToString::to_string).collect::<Vec<_>>(),
            "not_written": found.not_written,
            "tape": found.tape.as_ref().map(|path| path.display().to_string()),
            "reproduce": found.reproduce,
        })
    };
    json!({
        "test": outcome.test.full_name(),
        "seeds": outcome.seeds,
        "tapes": outcome.tapes,
        "failures": outcome.failures,
        "interrupted": outcome.interrupted,
        "divergence": outcome.divergence.as_ref().map(ToString::to_string),
        "notes": outcome.notes,
        "found": outcome.found.iter().map(found).collect::<Vec<_>>(),
    })
}

/// Joins the records of a campaign's shards, and tells.
pub fn merge_records(options: &MergeOptions) -> ExitCode {
    let records = match options.records.iter().map(|path| records_of(path)).collect::<Result<Vec<_>, String>>() {
        Ok(records) => records.concat(),
        Err(why) => return crate::complain(&why, 2),
    };
    let (merged, errors, code) = match merge(&records) {
        Ok(merged) => {
            let code = u8::from(!merged.is_ok());
            (merged, Vec::new(), code)
        }
        Err(partly) => (partly.merged, partly.errors, 2),
    };
    // Without a test's name, nothing could be read.
    let said = match (merged.test.is_empty(), options.json) {
        (true, _) => ExitCode::from(code),
        (false, true) => crate::say(&Line(merged_as_json(&merged, &errors)), code),
        (false, false) => crate::say(&Line(merged), code),
    };
    for error in errors {
        crate::complain(&error.to_string(), code);
    }
    said
}

/// A file, or the records in a folder.
fn records_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let cannot = |error: std::io::Error| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(path).map_err(cannot)?.collect::<Result<Vec<_>, _>>().map_err(cannot)?;
    let is_record = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    let mut records: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_record).collect();
    records.sort();
    if records.is_empty() { Err(format!("{}: no record (NAME.jsonl) is in this folder", path.display())) } else { Ok(records) }
}

fn merged_as_json(merged: &Merged, errors: &[MergeError]) -> Value {
    let found = merged.found.iter().map(|found| {
        json!({ "site": found.site, "seed": found.seed, "seeds": found.seeds, "failure": found.kind, "reproduce": found.reproduce })
    });
    let assertions = merged.assertions.iter().map(
        |(name, count)| json!({ "name": name, "reached": count.reached, "held": count.held, "sometimes": count.is_sometimes }),
    );
    json!({
        "test": merged.test,
        "seeds": merged.seeds,
        "failures": merged.failures,
        "elapsed_us": merged.elapsed_us,
        "found": found.collect::<Vec<_>>(),
        "divergences": merged.divergences,
        "assertions": assertions.collect::<Vec<_>>(),
        "errors": errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
