//! What a run over many cases came to: counted by group, differences listed; as a table or as one JSON object.

use super::format::Case;
use super::run::{Difference, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many differences the table is followed by.
const DIFFERENCES_SHOWN: usize = 10;

/// The two sides on which a case can run.
///
/// ```
/// use twinsock_sim::conform::{ConformArgs, Side};
/// assert_eq!(ConformArgs::default().sides, [Side::Os, Side::Sim]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// The kernel.
    Os,
    /// The simulator.
    Sim,
}

impl Side {
    /// The side's name, as `--backend` takes it.
    ///
    /// ```
    /// use twinsock_sim::conform::Side;
    /// assert_eq!([Side::Os, Side::Sim].map(Side::name), ["os", "sim"]);
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::Os => "os",
            Side::Sim => "sim",
        }
    }
}

/// Verdicts of one group, or of all.
///
/// ```
/// use twinsock_sim::conform::Counts;
/// let counts = Counts { agree: 7, ..Counts::default() };
/// assert_eq!((counts.total(), counts.differ), (7, 0));
/// ```
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Runs that agreed.
    pub agree: usize,
    /// Runs that differed.
    pub differ: usize,
    /// Why runs were skipped, and how many for each reason.
    pub skipped: BTreeMap<String, usize>,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Agree => self.agree += 1,
            Verdict::Differ(_) => self.differ += 1,
            Verdict::Skipped(reason) => *self.skipped.entry(reason.clone()).or_default() += 1,
        }
    }

    /// Runs that were skipped, for whatever reason.
    ///
    /// ```
    /// use twinsock_sim::conform::Counts;
    /// let counts = Counts { skipped: [("needs root".to_owned(), 2), ("needs IPv6".to_owned(), 1)].into(), ..Counts::default() };
    /// assert_eq!(counts.skipped_total(), 3);
    /// ```
    #[must_use]
    pub fn skipped_total(&self) -> usize {
        self.skipped.values().sum()
    }

    /// All runs.
    ///
    /// ```
    /// use twinsock_sim::conform::Counts;
    /// let counts = Counts { agree: 7, differ: 1, skipped: [("needs root".to_owned(), 2)].into() };
    /// assert_eq!(counts.total(), 10);
    /// ```
    #[must_use]
    pub fn total(&self) -> usize {
        self.agree + self.differ + self.skipped_total()
    }

    fn to_json(&self) -> Value {
        json!({
            "total": self.total(),
            "agree": self.agree,
            "differ": self.differ,
            "skipped": self.skipped_total(),
            "why": self.skipped,
        })
    }
}

/// What a run over many cases came to. A case counts once for each side that it ran on.
///
/// ```
/// use twinsock_sim::conform::Report;
/// assert_eq!(Report::default().all().total(), 0);
/// ```
#[derive(Clone, Default, Debug)]
pub struct Report {
    all: Counts,
    groups: BTreeMap<String, Counts>,
    rerun: usize,
    differences: Vec<(String, String, Difference, Side)>,
}

impl Report {
    /// Counts a verdict; `rerun`: it is the second, since the first was that the case differs.
    pub(crate) fn add(&mut self, case: &Case, side: Side, verdict: Verdict, rerun: bool) {
        self.all.add(&verdict);
        self.rerun += usize::from(rerun);
        self.groups.entry(case.group.clone()).or_default().add(&verdict);
        if let Verdict::Differ(difference) = verdict {
            let step = case.step_text(difference.step);
            self.differences.push((case.id.clone(), step, difference, side));
        }
    }

    /// Verdicts of all groups together.
    ///
    /// ```
    /// use twinsock_sim::conform::Report;
    /// assert_eq!(Report::default().all().differ, 0);
    /// ```
    #[must_use]
    pub fn all(&self) -> &Counts {
        &self.all
    }

    /// How many runs differed at first and ran again, with pauses between the steps; their second verdict counts. Only the kernel, whose
    /// answers may come late on a busy machine, is given a second run.
    ///
    /// ```
    /// use twinsock_sim::conform::Report;
    /// assert_eq!(Report::default().rerun(), 0);
    /// ```
    #[must_use]
    pub fn rerun(&self) -> usize {
        self.rerun
    }

    /// Verdicts by group, in the order of their names.
    ///
    /// ```
    /// use twinsock_sim::conform::Report;
    /// assert_eq!(Report::default().groups().count(), 0);
    /// ```
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Counts)> {
        self.groups.iter().map(|(name, counts)| (name.as_str(), counts))
    }

    /// The whole as one JSON object.
    ///
    /// ```
    /// use twinsock_sim::conform::Report;
    /// assert_eq!(Report::default().to_json()["differ"], 0);
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let groups: BTreeMap<&String, Value> = self.groups.iter().map(|(name, counts)| (name, counts.to_json())).collect();
        let differences: Vec<Value> = self
            .differences
            .iter()
            .map(|(id, _, difference, side)| {
                json!({
                    "id": id,
                    "step": difference.step,
                    "expected": difference.expected,
                    "got": difference.got,
                    "backend": side.name(),
                })
            })
            .collect();
        json!({
            "total": self.all.total(),
            "agree": self.all.agree,
            "differ": self.all.differ,
            "skipped": self.all.skipped_total(),
            "rerun": self.rerun,
            "groups": groups,
            "differences": differences,
        })
    }

    /// The whole as a table, the first differences in full below it.
    ///
    /// ```
    /// use twinsock_sim::conform::Report;
    /// assert!(Report::default().to_table().starts_with("group"));
    /// ```
    #[must_use]
    pub fn to_table(&self) -> String {
        let mut text = format!("{:<22} {:>6} {:>6} {:>7}  why skipped\n", "group", "agree", "differ", "skipped");
        for (name, counts) in self.groups().chain([("all", &self.all)]) {
            let why: Vec<String> = counts.skipped.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
            let row =
                format!("{name:<22} {:>6} {:>6} {:>7}  {}", counts.agree, counts.differ, counts.skipped_total(), why.join("; "));
            text.push_str(row.trim_end());
            text.push('\n');
        }
        if self.rerun > 0 {
            let rerun = self.rerun;
            writeln!(text, "rerun: {rerun} differed at first and ran again on the kernel with pauses; the second verdict counts")
                .expect("a String takes all text");
        }
        for (id, step, difference, side) in self.differences.iter().take(DIFFERENCES_SHOWN) {
            write_difference(&mut text, id, step, difference, *side);
        }
        if self.differences.len() > DIFFERENCES_SHOWN {
            let more = self.differences.len() - DIFFERENCES_SHOWN;
            writeln!(text, "\nand {more} more differences (--json lists them all)").expect("a String takes all text");
        }
        text
    }
}

fn write_difference(text: &mut String, id: &str, step: &str, difference: &Difference, side: Side) {
    writeln!(
        text,
        "\n{id} on {}: step {} {step}\n    expected {}\n    got      {}",
        side.name(),
        difference.step,
        difference.expected,
        difference.got
    )
    .expect("a String takes all text");
}
