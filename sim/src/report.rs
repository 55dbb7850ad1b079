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

impl ReportFiles {
    /// All of them.
    ///
    /// ```
    /// use twinsock_sim::{Sim, write_report};
    /// let run = Sim::builder().record(true).run(|_sim| {}).unwrap();
    /// let folder = std::env::temp_dir().join(format!("twinsock-doc-paths-{}", std::process::id()));
    /// let files = write_report(&folder, "a run", run.seed, &run.recording.unwrap()).unwrap();
    /// assert!(files.into_paths().iter().all(|path| path.is_file()));
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// ```
    #[must_use]
    pub fn into_paths(self) -> Vec<PathBuf> {
        let ReportFiles { trace, text, capture, timeline, netstat } = self;
        [Some(trace), Some(text), capture, Some(timeline), Some(netstat)].into_iter().flatten().collect()
    }
}

/// A file of a report that could not be written, and what the system said.
///
/// ```
/// use twinsock_sim::{Sim, write_report};
/// let run = Sim::builder().record(true).run(|_sim| {}).unwrap();
/// let error = write_report("/proc/none".as_ref(), "a run", run.seed, &run.recording.unwrap()).unwrap_err();
/// let file = &error.not_written[0];
/// assert_eq!((file.path.to_str(), file.source.kind()), (Some("/proc/none"), std::io::ErrorKind::NotFound));
/// ```
#[derive(Debug)]
pub struct NotWritten {
    /// The file, or the folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be written: {}", self.path.display(), self.source)
    }
}

/// A report of which not every file could be written: which are there, and which are not.
///
/// ```
/// use twinsock_sim::{Sim, write_report};
/// let run = Sim::builder().record(true).run(|_sim| {}).unwrap();
/// let error = write_report("/proc/none".as_ref(), "a run", run.seed, &run.recording.unwrap()).unwrap_err();
/// assert!(error.written.is_empty() && error.to_string().starts_with("/proc/none cannot be written: "));
/// ```
#[derive(Debug)]
pub struct ReportError {
    /// The files that are there, whole.
    pub written: Vec<PathBuf>,
    /// Those that are not; only the folder if that could not be made. Never empty.
    pub not_written: Vec<NotWritten>,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, file) in self.not_written.iter().enumerate() {
            let between = if nth == 0 { "" } else { "\n" };
            write!(f, "{between}{file}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ReportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.not_written.first().map(|file| &file.source as _)
    }
}

/// Writes all of a run's report into a folder, which is made if it is not there. `title` stands over the timeline.
///
/// Each file is written whole or not at all, the small ones first, so that a disk that is nearly full holds what fits.
///
/// # Errors
/// A file cannot be written: the disk is full, say. The others are there, and the error names all of them.
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
    if let Err(source) = fs::create_dir_all(folder) {
        let not_written = vec![NotWritten { path: folder.to_owned(), source }];
        return Err(ReportError { written: Vec::new(), not_written });
    }
    let mut files = Files { folder, written: Vec::new(), not_written: Vec::new() };
    let lines = lines(recording);
    let netstat = files.put("netstat.txt", |to| to.write_all(recording.netstat.as_bytes()));
    let text = files.put("trace.txt", |to| {
        if let Some(words) = recording.dropped_words() {
            writeln!(to, "{words}")?;
        }
        lines.iter().try_for_each(|line| writeln!(to, "{line}"))
    });
    #[cfg(feature = "capture")]
    let capture = {
        let epoch = std::time::Duration::from_secs(WALL_START_SECONDS);
        Some(files.put("capture.pcapng", |to| crate::trace::pcapng::write(recording, &lines, epoch, to)))
    };
    #[cfg(not(feature = "capture"))]
    let capture = None;
    let timeline = files.put("timeline.html", |to| timeline::write(recording, &lines, title, seed, to));
    let trace = files.put("trace.jsonl", |to| file::write(&lines, seed, recording.dropped(), to));
    let Files { written, not_written, .. } = files;
    if not_written.is_empty() {
        Ok(ReportFiles { trace, text, capture, timeline, netstat })
    } else {
        Err(ReportError { written, not_written })
    }
}

/// A folder that is being filled.
struct Files<'a> {
    folder: &'a Path,
    written: Vec<PathBuf>,
    not_written: Vec<NotWritten>,
}

impl Files<'_> {
    /// Writes a file, or takes away what of it could be written: it is of no use, and others need its room.
    fn put(&mut self, name: &str, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> PathBuf {
        let path = self.folder.join(name);
        let created = File::create(&path).map(BufWriter::new);
        let written = created.and_then(|mut file| {
            let written = write(&mut file).and_then(|()| file.flush());
            // What is left in the buffer of a file that cannot be written is not tried once more.
            drop(file.into_parts());
            written.inspect_err(|_| drop(fs::remove_file(&path)))
        });
        match written {
            Ok(()) => self.written.push(path.clone()),
            Err(source) => self.not_written.push(NotWritten { path: path.clone(), source }),
        }
        path
    }
}
