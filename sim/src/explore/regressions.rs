//! The tapes of earlier failures: files in `twinsock-regressions/` beside the test, tried first.

use super::identity::TestId;
use crate::choice::{Origin, Tape};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A tape in its file, or why that holds none.
pub(super) struct Regression {
    pub path: PathBuf,
    pub tape: Result<Tape, String>,
}

/// The tapes of this test, in order of their files' names.
pub(super) fn of(test: &TestId) -> Vec<Regression> {
    let Some(entries) = test.regressions().and_then(|folder| fs::read_dir(folder).ok()) else { return Vec::new() };
    let stem = format!("{}-", test.file_stem());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // What is behind the stem is the number that `write` gives: another test's name may begin alike.
        let number = name.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(".tape"));
        number.is_some_and(|number| number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours).collect();
    paths.sort();
    paths.into_iter().map(|path| Regression { tape: read_tape(&path), path }).collect()
}

/// Reads a tape from its file.
///
/// # Errors
/// The file cannot be read, or holds no tape: why.
///
/// ```
/// use twinsock_sim::explore::read_tape;
/// assert!(read_tape("/no/such.tape".as_ref()).is_err());
/// ```
pub fn read_tape(path: &Path) -> Result<Tape, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    Tape::from_bytes(&bytes).map_err(|error| error.to_string())
}

/// Reads which run a tape is of, though what follows in the file may be cut off or damaged.
///
/// # Errors
/// The file cannot be read, or not even its beginning is that of a tape.
///
/// ```
/// use twinsock_sim::{Sim, explore};
/// let tape = Sim::builder().seed(7).test("mine").run(|sim| sim.swarm("size", 2..=9)).unwrap().tape.to_bytes();
/// let path = std::env::temp_dir().join(format!("twinsock-doc-{}.tape", std::process::id()));
/// std::fs::write(&path, &tape[..tape.len() - 1]).unwrap();
/// assert!(explore::read_tape(&path).is_err());
/// assert_eq!(explore::read_origin(&path).unwrap().seed, 7);
/// # std::fs::remove_file(path).unwrap();
/// ```
pub fn read_origin(path: &Path) -> Result<Origin, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    Tape::origin_of(&bytes).map_err(|error| error.to_string())
}

/// Where the tape of a failure at this site lies: one file for each site.
pub(super) fn path(test: &TestId, site: &str) -> Option<PathBuf> {
    let mut number = crate::trace::Digest::new();
    number.fold_bytes(site.as_bytes());
    let name = format!("{}-{:016x}.tape", test.file_stem(), number.value());
    test.regressions().map(|folder| folder.join(name))
}

/// Writes a tape, whole or not at all, and what it tells beside it.
pub(super) fn write(path: &Path, tape: &Tape, story: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let whole = path.with_extension(format!("tape.{}", std::process::id()));
    fs::write(&whole, tape.to_bytes())?;
    fs::rename(&whole, path)?;
    fs::write(path.with_extension("txt"), story)
}
