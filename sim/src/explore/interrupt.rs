//! Ctrl-C during a campaign: the runs under way come to their end, what was found so far is reported, and the program exits with status 130.
//!
//! The first SIGINT sets a flag and gives the signal back its old meaning, so that the second ends the program at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// The exit status of a program that SIGINT ended, as shells count: 128 + 2.
pub(super) const STATUS: i32 = 130;

/// Listens while it lives.
pub(super) struct Listening(());

impl Listening {
    pub fn begin() -> Listening {
        if LISTENERS.fetch_add(1, Ordering::SeqCst) == 0 {
            signal::set(true);
        }
        Listening(())
    }

    pub fn heard(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if LISTENERS.fetch_sub(1, Ordering::SeqCst) == 1 && !self.heard() {
            signal::set(false);
        }
    }
}

mod signal {
    //! The two calls that need `unsafe`.

    use super::INTERRUPTED;
    use std::sync::atomic::Ordering;

    extern "C" fn on_signal(_signal: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
        set(false);
    }

    /// Has SIGINT set the flag, or end the program, as it does by default.
    pub fn set(heard: bool) {
        let handler: extern "C" fn(libc::c_int) = on_signal;
        let action = if heard { handler as libc::sighandler_t } else { libc::SIG_DFL };
        // SAFETY: SIGINT may be given the default action, or this handler, of the type that signal(2) takes, which stores to an atomic and calls
        // signal(2): both are async-signal-safe (signal-safety(7)).
        unsafe { libc::signal(libc::SIGINT, action) };
    }
}
