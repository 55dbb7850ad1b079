//! What came of the bugs: a table, a line as each is done; the same as JSON; and as Markdown, with the day and the machine.

use super::judge::Verdict;
use crate::stamp::{machine, today};
use serde_json::json;
use std::time::Duration;

/// The table's head.
pub fn head() -> String {
    format!(
        "{:<26} {:>6} {:>9} {:>7} {:>9} {:>7}  {:<10} {}\n",
        "bug", "seeds", "choices", "shrunk", "shrinking", "in all", "reproduced", "fixed version"
    )
}

/// A bug's row, and what is wrong below it.
pub fn row(verdict: &Verdict) -> String {
    let Cells { seeds, before, after, shrinking, took, reproduced, fixed } = Cells::of(verdict);
    let name = verdict.bug.name;
    let mut row = format!("{name:<26} {seeds:>6} {before:>9} {after:>7} {shrinking:>9} {took:>7}  {reproduced:<10} {fixed}\n");
    verdict.complaints().iter().for_each(|complaint| row += &format!("  {complaint}\n"));
    row
}

/// The table's last line.
pub fn foot(verdicts: &[Verdict], bugs: usize) -> String {
    let good = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    format!("{good} of {bugs} bugs found, shrunk, reproduced in a fresh process, and gone in the fixed version\n")
}

/// The table as Markdown.
pub fn markdown(verdicts: &[Verdict]) -> String {
    let mut text = "| bug | what is wrong | seeds to find it | choices before and after shrinking | shrinking takes |\n|---|---|---:|---:|---:|\n".to_owned();
    for verdict in verdicts {
        let Cells { seeds, before, after, shrinking, .. } = Cells::of(verdict);
        text += &format!("| `{}` | {} | {seeds} | {before} → {after} | {shrinking} |\n", verdict.bug.name, verdict.bug.what);
    }
    text + &format!("\nMeasured on {}, {}.\n", today(), machine())
}

/// All of it, as one JSON object.
pub fn json(verdicts: &[Verdict], interrupted: bool) -> String {
    let bugs = verdicts.iter().map(|verdict| {
        let found = verdict.found.as_ref();
        let shrunk = found.and_then(|found| found.shrunk.as_ref());
        json!({
            "name": verdict.bug.name,
            "what": verdict.bug.what,
            "ok": verdict.is_ok(),
            "complaints": verdict.complaints(),
            "seeds_stated": verdict.bug.seeds,
            "seeds": found.map(|found| found.seed + 1),
            "site": found.map(|found| &found.site),
            "failure": found.map(|found| found.failure.kind.to_string()),
            "story": found.map(|found| {
                found.failure.story.iter().filter(|told| told.is_heard()).map(ToString::to_string).collect::<Vec<_>>()
            }),
            "choices_before": shrunk.map(|shrunk| shrunk.spikes_before),
            "choices": shrunk.map(|shrunk| shrunk.spikes),
            "shrink_runs": shrunk.map(|shrunk| shrunk.runs),
            "shrink_us": found.map(|found| micros(found.shrink_took)),
            "reproduce": found.map(|found| &found.reproduce),
            "reproduced": found.is_some() && verdict.not_reproduced.is_none(),
            "fixed_seeds": verdict.fixed_seeds,
            "gone": verdict.fixed_failed.is_none(),
            "took_us": micros(verdict.took),
        })
    });
    let bugs: Vec<_> = bugs.collect();
    let ok = !interrupted && verdicts.iter().all(Verdict::is_ok);
    format!("{}\n", json!({ "version": env!("CARGO_PKG_VERSION"), "ok": ok, "interrupted": interrupted, "bugs": bugs }))
}

/// What stands in a bug's row.
struct Cells {
    seeds: String,
    before: String,
    after: String,
    shrinking: String,
    took: String,
    reproduced: &'static str,
    fixed: String,
}

impl Cells {
    fn of(verdict: &Verdict) -> Cells {
        let found = verdict.found.as_ref();
        let shrunk = found.and_then(|found| found.shrunk.as_ref());
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        Cells {
            seeds: or_none(found.map(|found| (found.seed + 1).to_string())),
            before: or_none(shrunk.map(|shrunk| shrunk.spikes_before.to_string())),
            after: or_none(shrunk.map(|shrunk| shrunk.spikes.to_string())),
            shrinking: or_none(found.map(|found| time(found.shrink_took))),
            took: time(verdict.took),
            reproduced: if found.is_some() && verdict.not_reproduced.is_none() { "yes" } else { "no" },
            fixed: match &verdict.fixed_failed {
                None => format!("holds under {} seeds", verdict.fixed_seeds),
                Some(_) => "fails".to_owned(),
            },
        }
    }
}

fn time(took: Duration) -> String {
    format!("{}.{:03} s", took.as_secs(), took.subsec_millis())
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
