//! Reports of single runs: what a person looks at to see why.

use super::campaign::{Campaign, Runner};
use super::report::Found;
use crate::choice::{Choice, Tape};
use crate::report::{NotWritten, ReportError, ReportFiles, write_report};
use crate::sim::Sim;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

impl Campaign {
    /// Runs a tape of this test and writes the report of the run, whether it fails or not.
    ///
    /// # Errors
    /// A file cannot be written; the others are there.
    ///
    /// ```
    /// use twinsock_sim::explore::{Campaign, TestId};
    /// let campaign = Campaign::new(TestId::of_program("doc", "tapes", "doc --seed", "doc --tape")).keeps_regressions(false);
    /// let body = |sim: &twinsock_sim::Sim| assert!(sim.swarm("size", 1..=9) < 5, "too large");
    /// let tape = campaign.run(body).found.remove(0).failure.tape;
    /// let folder = std::env::temp_dir().join(format!("twinsock-doc-report-of-{}", std::process::id()));
    /// let files = campaign.write_report_of(tape, &folder, body).unwrap();
    /// assert!(std::fs::read_to_string(files.timeline).unwrap().starts_with("<!doctype html>"));
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// ```
    pub fn write_report_of(&self, tape: Tape, folder: &Path, body: impl Fn(&Sim) + Sync) -> Result<ReportFiles, ReportError> {
        let (runner, seed) = (self.runner(&body), tape.origin.seed);
        let builder = runner.builder.clone().seed(seed).record(true);
        let recording = match runner.run(builder, Choice::from_tape(tape)).0 {
            Ok(report) => report.recording,
            Err(failure) => failure.recording,
        };
        write_report(folder, &self.test.full_name(), seed, &recording.unwrap_or_default())
    }
}

impl<F: Fn(&Sim) + Sync> Runner<'_, F> {
    /// Writes the report of a failure whose run was recorded: beside its tape, unless a folder was named.
    pub(super) fn report(&self, found: &mut Found) {
        let Some(recording) = found.failure.recording.take() else { return };
        let beside = || found.tape.as_ref().map(|tape| tape.with_extension("report"));
        let Some(folder) = self.campaign.report_to.clone().or_else(beside) else { return };
        let title = self.campaign.test.full_name();
        let (written, not_written) = match write_report(&folder, &title, found.seed, &recording) {
            Ok(files) => (files.into_paths(), Vec::new()),
            Err(ReportError { written, not_written }) => (written, not_written),
        };
        found.report = written;
        // Where nothing is, nothing has to be ignored.
        let ignored = if found.report.is_empty() { Ok(()) } else { ignore(&folder) };
        found.not_written.extend(not_written.into_iter().chain(ignored.err()).map(|file| file.to_string()));
    }
}

/// Tells git to leave a report alone.
fn ignore(folder: &Path) -> Result<(), NotWritten> {
    let path = folder.join(".gitignore");
    let written = fs::File::create_new(&path).and_then(|mut file| file.write_all(b"*\n"));
    match written {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(NotWritten { path, source }),
        Ok(()) | Err(_) => Ok(()),
    }
}
