//! A trace file: a line of JSON for each event, after a first one that says what this is and of which version.
//!
//! What is written is meant to be read by `grep` and `jq(1)`, too. What is read may be cut off or be something else altogether: the error says
//! at which byte, and the lines before it are there.

use super::lines::TraceLine;
use super::recording::dropped_words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Write};

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Header {
    /// Which format: [`FORMAT`].
    twinsock_trace: u32,
    /// The version of this crate that wrote it.
    version: String,
    /// The seed of the run.
    seed: u64,
    /// How many events came before the first line's.
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: u64,
    /// How many lines follow; older files do not say.
    #[serde(default)]
    lines: Option<usize>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The format's number: another one is for another version of this crate.
const FORMAT: u32 = 1;

/// Writes a trace file; `dropped` is how many events came before the first line's.
///
/// # Errors
/// The writer's.
///
/// ```
/// use twinsock_sim::Sim;
/// use twinsock_sim::trace::{file, lines, read_trace};
/// let run = Sim::builder().seed(7).record(true).run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
/// let lines = lines(&run.recording.unwrap());
/// let mut bytes = Vec::new();
/// file::write(&lines, run.seed, 0, &mut bytes).unwrap();
/// assert_eq!(read_trace(&bytes).unwrap().lines, lines);
/// ```
pub fn write(lines: &[TraceLine], seed: u64, dropped: u64, mut to: impl Write) -> io::Result<()> {
    let header =
        Header { twinsock_trace: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), seed, dropped, lines: Some(lines.len()) };
    serde_json::to_writer(&mut to, &header)?;
    for line in lines {
        to.write_all(b"\n")?;
        serde_json::to_writer(&mut to, line)?;
    }
    to.write_all(b"\n")
}

/// What was read of a trace file.
///
/// ```
/// use twinsock_sim::Sim;
/// use twinsock_sim::trace::{file, lines, read_trace};
/// let run = Sim::builder().seed(7).record(true).run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
/// let lines = lines(&run.recording.unwrap());
/// let mut bytes = Vec::new();
/// file::write(&lines, run.seed, 0, &mut bytes).unwrap();
/// let cut_off = read_trace(&bytes[..bytes.len() - 9]).unwrap();
/// assert!(cut_off.seed == 7 && cut_off.broken.is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFile {
    /// The seed of the run.
    pub seed: u64,
    /// How many events came before the first line's: there was no room for them.
    pub dropped: u64,
    /// The lines, up to the first that could not be read.
    pub lines: Vec<TraceLine>,
    /// Why the rest could not be read.
    pub broken: Option<TraceFileError>,
}

impl TraceFile {
    /// How many events were dropped, in words; nothing if none was.
    ///
    /// ```
    /// use twinsock_sim::trace::TraceFile;
    /// let whole = TraceFile { seed: 7, dropped: 0, lines: Vec::new(), broken: None };
    /// assert_eq!(whole.dropped_words(), None);
    /// assert!(TraceFile { dropped: 9, ..whole }.dropped_words().is_some());
    /// ```
    #[must_use]
    pub fn dropped_words(&self) -> Option<String> {
        dropped_words(self.dropped)
    }
}

/// Why something is no trace file, or no longer one.
///
/// ```
/// use twinsock_sim::trace::read_trace;
/// assert_eq!(read_trace(b"no trace").unwrap_err().line, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFileError {
    /// The line, from 1 on.
    pub line: usize,
    /// The offset of the byte.
    pub offset: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for TraceFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}: {}", self.line, self.offset, self.what)
    }
}

impl std::error::Error for TraceFileError {}

/// What `serde_json` says of a line, without where in the line: that is said already.
fn without_place(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.split_once(" at line ").map_or(words.clone(), |(what, _)| what.to_owned())
}

/// Reads a trace file.
///
/// # Errors
/// It is none: the first line is not that of a trace, or that of another format.
///
/// ```
/// use twinsock_sim::trace::read_trace;
/// let error = read_trace(b"GIF89a").unwrap_err();
/// assert_eq!(error.to_string(), "line 1, byte 0: not a trace of twinsock: expected its first line, {\"twinsock_trace\":1,...}");
/// ```
pub fn read_trace(bytes: &[u8]) -> Result<TraceFile, TraceFileError> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let Ok(header) = serde_json::from_slice::<Header>(first) else {
        let what = format!("not a trace of twinsock: expected its first line, {{\"twinsock_trace\":{FORMAT},...}}");
        return Err(TraceFileError { line: 1, offset: 0, what });
    };
    if header.twinsock_trace != FORMAT {
        let Header { twinsock_trace, version, .. } = header;
        let what =
            format!("a trace of format {twinsock_trace}, written by version {version}: this version reads format {FORMAT}");
        return Err(TraceFileError { line: 1, offset: 0, what });
    }
    let mut file = TraceFile { seed: header.seed, dropped: header.dropped, lines: Vec::new(), broken: None };
    let mut offset = first.len();
    for (number, text) in (2..).zip(lines) {
        match serde_json::from_slice(text) {
            Ok(line) => file.lines.push(line),
            Err(error) => {
                // Of what is missing, the place is behind the last byte.
                let column = if error.is_eof() { text.trim_ascii_end().len() } else { error.column().saturating_sub(1) };
                let at = offset + column.min(text.len());
                let cut_off = if text.ends_with(b"\n") { "" } else { "the file is cut off here: " };
                file.broken =
                    Some(TraceFileError { line: number, offset: at, what: format!("{cut_off}{}", without_place(&error)) });
                break;
            }
        }
        offset += text.len();
    }
    let (there, all) = (file.lines.len(), header.lines);
    if file.broken.is_none()
        && let Some(all) = all
        && there != all
    {
        let cut_off = if there < all { "the file is cut off here: " } else { "" };
        let what = format!("{cut_off}there are {there} of {all} events");
        file.broken = Some(TraceFileError { line: there + 2, offset, what });
    }
    Ok(file)
}
