//! A stop for a debugger at a step of a run: `TWINSOCK_BREAK=66`.
//!
//! The step is the number of a turn, as a trace prints it. When that turn begins, [`twinsock_break`] is called on the stack of the thread whose turn it
//! is, so that a backtrace shows where in the program that thread waits.

use std::ffi::OsStr;
use std::fmt;

/// Where a debugger stops: it sees SIGTRAP, or a breakpoint of this name. Without a debugger nothing happens.
#[inline(never)]
pub extern "C" fn twinsock_break(step: u64) {
    // A signal that is ignored is still shown to a tracer, ptrace(2), and nobody else takes harm from it.
    // SAFETY: all zeroes is a valid `sigaction`: no flags, an empty mask, SIG_DFL.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut ignored = before;
    ignored.sa_sigaction = libc::SIG_IGN;
    // SAFETY: both point to live values, and SIG_IGN is no function; what was there before is put back below.
    unsafe { libc::sigaction(libc::SIGTRAP, &raw const ignored, &raw mut before) };
    // SAFETY: raise(3) has no preconditions.
    unsafe { libc::raise(libc::SIGTRAP) };
    // SAFETY: puts back what sigaction(2) answered a moment ago, flags and mask included.
    unsafe { libc::sigaction(libc::SIGTRAP, &raw const before, std::ptr::null_mut()) };
    std::hint::black_box(step);
}

/// Says where the run is, and stops there if a debugger is attached.
#[cold]
pub fn stop(step: u64, place: impl fmt::Display) {
    eprintln!("twinsock: step {step}: {place}");
    if !is_traced() {
        let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let command = words.join(" ");
        eprintln!("twinsock: no debugger is attached, so the run goes on; with one: gdb --args {command}");
    }
    twinsock_break(step);
}

/// Whether a debugger watches this program, `proc_pid_status(5)`.
fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("TracerPid:")).is_some_and(|pid| pid.trim() != "0")
}

/// The step that `TWINSOCK_BREAK` names.
///
/// # Errors
/// It names none: what it says, and what was expected.
#[expect(clippy::disallowed_methods, reason = "where to stop is an input of the run, read before it begins")]
pub fn step_from_environment() -> Result<Option<u64>, String> {
    std::env::var_os("TWINSOCK_BREAK").map(|text| step_of(&text)).transpose()
}

fn step_of(text: &OsStr) -> Result<u64, String> {
    let number = text.to_str().and_then(|text| text.trim().trim_start_matches('#').parse().ok());
    // Step 0 is what happens before the first turn.
    number.filter(|step| *step > 0).ok_or_else(|| {
        format!("TWINSOCK_BREAK is {text:?}, expected the number of a step as a trace prints it, such as 66 or #66")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_number_as_a_trace_prints_it() {
        assert_eq!(step_of(OsStr::new("66")), Ok(66));
        assert_eq!(step_of(OsStr::new("#66")), Ok(66));
        for wrong in ["", "0", "66th", "-1", "18446744073709551616"] {
            let error = step_of(OsStr::new(wrong)).unwrap_err();
            assert!(error.starts_with(&format!("TWINSOCK_BREAK is {wrong:?}, expected the number of a step")), "{error}");
        }
    }

    #[test]
    fn without_a_debugger_nothing_happens() {
        twinsock_break(1);
    }
}
