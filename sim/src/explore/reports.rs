//! Reports of single runs: what a person looks at to see why.

use super::campaign::{Campaign, Runner};
use super::report::Found;
use crate::choice::{Choice, Tape};
use crate::report::{ReportError, ReportFiles, write_report};
use crate::sim::Sim;
use std::fs;
use std::path::Path;

impl Campaign {
    /// Runs a tape of this test and writes the report of the run, whether it fails or not.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_report_of(&self, tape: Tape, folder: &Path, body: impl Fn(&Sim) + Sync) -> Result<ReportFiles, ReportError> {
        let (runner, seed) = (self.runner(&body), tape.origin.seed);
        let builder = runner.builder.clone().seed(seed).record(true);
        let recording = match runner.run(builder, Choice::from_tape(tape)).0 {
            Ok(report) => report.recording,
            Err(failure) => failure.recording,
        };
        let title = format!("{}, seed {seed}", self.test.full_name());
        write_report(folder, &title, seed, &recording.unwrap_or_default())
    }
}

impl<F: Fn(&Sim) + Sync> Runner<'_, F> {
    /// Writes the report of a failure whose run was recorded: beside its tape, unless a folder was named.
    pub(super) fn report(&self, found: &mut Found) {
        let Some(recording) = found.failure.recording.take() else { return };
        let beside = || found.tape.as_ref().map(|tape| tape.with_extension("report"));
        let Some(folder) = self.campaign.report_to.clone().or_else(beside) else { return };
        let title = format!("{}, seed {}", self.campaign.test.full_name(), found.seed);
        match write_report(&folder, &title, found.seed, &recording).and_then(|files| ignore(&folder).map(|()| files)) {
            Ok(files) => found.report = Some(files),
            Err(error) => found.not_written.push(error.to_string()),
        }
    }
}

/// Tells git to leave a report alone.
fn ignore(folder: &Path) -> Result<(), ReportError> {
    let path = folder.join(".gitignore");
    fs::write(&path, "*\n").map_err(|source| ReportError { path, source })
}
