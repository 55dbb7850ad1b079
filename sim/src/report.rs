//! What is written of a run that was recorded: a folder with the trace, the capture, the timeline and the sockets.
//!
//! `trace.jsonl` is for programs and for `twinsock trace`, `trace.txt` for people, `capture.pcapng` for Wireshark, `timeline.html` for a browser, and
//! `netstat.txt` is what `ss` would have said at the end.

#[cfg(feature = "capture")]
use crate::host::WALL_START_SECONDS;
use crate::trace::{Recording, file, lines, timeline};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The files of a report.
///
/// ```
/// use twinsock_sim::{ReportFiles, Sim, write_report};
/// let run = Sim::builder().record(true).run(|_sim| {}).unwrap();
/// let folder = std::env::temp_dir().join(format!("twinsock-doc-files-{}", std::process::id()));
/// let ReportFiles { trace, netstat, .. } = write_report(&folder, "a run", run.seed, &run.recording.unwrap()).unwrap();
/// assert!(trace.ends_with("trace.jsonl") && netstat.ends_with("netstat.txt"));
/// # std::fs::remove_dir_all(folder).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFiles {
    /// Every event, a line of JSON each: what `twinsock trace` reads.
    pub trace: PathBuf,
    /// The same for people.
    pub text: PathBuf,
    /// The packets, for Wireshark; only with the feature `capture`.
    pub capture: Option<PathBuf>,
    /// The picture, for a browser.
    pub timeline: PathBuf,
    /// The sockets at the end.
    pub netstat: PathBuf,
}

/// Why a report could not be written: which file, and what the system said.
#[derive(Debug)]
pub struct ReportError {
    /// The file, or the folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be written: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for ReportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Writes all of a run's report into a folder, which is made if it is not there. `title` stands over the timeline.
///
/// # Errors
/// A file cannot be written: the disk is full, say. Those before it are there.
///
/// ```
/// use twinsock::net::TcpListener;
/// use twinsock_sim::{Sim, write_report};
///
/// let run = Sim::builder().seed(7).record(true).run(|sim| {
///     sim.host("server").spawn("kv", |net| TcpListener::bind(&net, "0.0.0.0:80").map(drop));
/// });
/// let run = run.unwrap();
/// let folder = std::env::temp_dir().join("twinsock-doc-report");
/// let files = write_report(&folder, "a listener", run.seed, &run.recording.unwrap()).unwrap();
/// let text = std::fs::read_to_string(files.text).unwrap();
/// assert!(text.contains("listen(0, 128) = 0"), "{text}");
/// # std::fs::remove_dir_all(folder).unwrap();
/// ```
pub fn write_report(folder: &Path, title: &str, seed: u64, recording: &Recording) -> Result<ReportFiles, ReportError> {
    fs::create_dir_all(folder).map_err(|source| ReportError { path: folder.to_owned(), source })?;
    let lines = lines(recording);
    let put = |name: &str, write: &dyn Fn(&mut BufWriter<File>) -> io::Result<()>| {
        let path = folder.join(name);
        let written = File::create(&path).map(BufWriter::new).and_then(|mut file| write(&mut file).and_then(|()| file.flush()));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(ReportError { path, source }),
        }
    };
    let trace = put("trace.jsonl", &|to| file::write(&lines, seed, recording.dropped(), to))?;
    let text = put("trace.txt", &|to| {
        if let Some(words) = recording.dropped_words() {
            writeln!(to, "{words}")?;
        }
        lines.iter().try_for_each(|line| writeln!(to, "{line}"))
    })?;
    #[cfg(feature = "capture")]
    let capture = {
        let epoch = std::time::Duration::from_secs(WALL_START_SECONDS);
        Some(put("capture.pcapng", &|to| crate::trace::pcapng::write(recording, &lines, epoch, to))?)
    };
    #[cfg(not(feature = "capture"))]
    let capture = None;
    let timeline = put("timeline.html", &|to| timeline::write(recording, &lines, title, seed, to))?;
    let netstat = put("netstat.txt", &|to| to.write_all(recording.netstat.as_bytes()))?;
    Ok(ReportFiles { trace, text, capture, timeline, netstat })
}
