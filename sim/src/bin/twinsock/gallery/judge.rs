//! Tries one bug: it is found within its seeds, made small, reproduced in a fresh process, and its fixed version holds.

use super::{Bug, Version};
use crate::explore::{campaign, program};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use twinsock_sim::explore::{Campaign, Found, Outcome};

/// To how many choices that are not boring a bug is shrunk, at most.
const CHOICES_MAX: usize = 10;
/// How long that may take.
const SHRINK_MAX: Duration = Duration::from_secs(5);
/// How many times the seeds of a bug its fixed version runs.
const FIXED_TIMES: u64 = 3;

/// What came of a bug.
pub struct Verdict {
    pub bug: Bug,
    /// Nothing, if no seed found it.
    pub found: Option<Found>,
    /// What a fresh process said that was not the same; nothing if it was.
    pub not_reproduced: Option<String>,
    /// Under how many seeds the fixed version ran, and what it failed with, if it did.
    pub fixed_seeds: u64,
    pub fixed_failed: Option<String>,
    /// How much real time all of it took.
    pub took: Duration,
}

impl Verdict {
    pub fn is_ok(&self) -> bool {
        self.complaints().is_empty()
    }

    /// What is not as it should be.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        match self.found.as_ref().map(|found| (found, &found.shrunk)) {
            None => complaints.push(format!("not found within {} seeds", self.bug.seeds)),
            Some((_, None)) => complaints.push("not shrunk".to_owned()),
            Some((found, Some(shrunk))) => {
                if shrunk.spikes == 0 {
                    complaints.push("fails though every choice is boring: no bug to look for".to_owned());
                }
                if shrunk.spikes > CHOICES_MAX {
                    complaints.push(format!("shrunk to {} choices, more than {CHOICES_MAX}", shrunk.spikes));
                }
                // A debug build is not what is measured, and `cargo test` runs one, on machines with other things to do.
                if found.shrink_took > SHRINK_MAX && !cfg!(debug_assertions) {
                    complaints.push(format!("shrinking took {:.1?}, more than {SHRINK_MAX:?}", found.shrink_took));
                }
            }
        }
        complaints.extend(self.not_reproduced.iter().map(|what| format!("not reproduced: {what}")));
        complaints.extend(self.fixed_failed.iter().map(|what| format!("not gone in the fixed version: {what}")));
        complaints
    }
}

/// Tries a bug. Answers nothing if Ctrl-C came.
#[expect(clippy::disallowed_methods, reason = "people want to know how long it took; no run sees it")]
pub fn judge(bug: &Bug, fixed_seeds: Option<u64>, jobs: Option<NonZeroUsize>) -> io::Result<Option<Verdict>> {
    let start = Instant::now();
    let folder = Scratch::new(bug.name)?;
    let with_jobs = |campaign: Campaign| jobs.map_or(campaign.clone(), |jobs| campaign.jobs(jobs.get()));
    let run = |version, seeds| {
        let campaign = with_jobs(campaign(bug, version, &folder.0.join("tapes"))).seeds(seeds);
        campaign.run(|sim| (bug.check)(sim, version))
    };
    let outcome = run(Version::Buggy, bug.seeds);
    let interrupted = outcome.interrupted;
    let found = outcome.found.into_iter().next();
    let not_reproduced = match &found {
        Some(found) if !interrupted => reproduce(found, &folder.0)?,
        Some(_) | None => None,
    };
    let fixed_seeds = fixed_seeds.unwrap_or(bug.seeds * FIXED_TIMES);
    let fixed = run(Version::Fixed, fixed_seeds);
    if interrupted || fixed.interrupted {
        return Ok(None);
    }
    let fixed_failed = failure_of(&fixed);
    Ok(Some(Verdict { bug: *bug, found, not_reproduced, fixed_seeds, fixed_failed, took: start.elapsed() }))
}

/// What a campaign that should find nothing has found.
fn failure_of(outcome: &Outcome) -> Option<String> {
    let found = outcome.found.first().map(|found| format!("seed {}: {}", found.seed, found.failure.kind));
    found.or_else(|| outcome.divergence.as_ref().map(ToString::to_string))
}

/// Runs the printed commands, of the seed and of the tape, in fresh processes without an environment: they fail in the same way, at the same moment, after the same steps.
/// Answers what was otherwise.
fn reproduce(found: &Found, folder: &Path) -> io::Result<Option<String>> {
    let Some(tape) = &found.tape else { return Ok(Some("no tape was written".to_owned())) };
    let of_tape = format!("{} replay {}", program(), tape.display());
    for printed in [&found.reproduce, &of_tape] {
        let words = printed.strip_prefix(&program()).unwrap_or(printed).split_whitespace();
        let output = Command::new(std::env::current_exe()?).args(words).env_clear().current_dir(folder).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let same =
            [found.failure.kind.to_string(), format!("at {:?} of virtual time, step {}:", found.failure.at, found.failure.step)];
        if output.status.code() != Some(1) {
            return Ok(Some(format!("`{printed}` ended with {}", output.status)));
        }
        if let Some(missing) = same.iter().find(|words| !text.contains(*words)) {
            return Ok(Some(format!("`{printed}` did not say {missing:?}")));
        }
    }
    Ok(None)
}

/// A folder of its own, which goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> io::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("twinsock-gallery-{}-{name}", std::process::id()));
        // Not one that is there already: it would be somebody else's.
        std::fs::create_dir(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is in the folder for such things.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
