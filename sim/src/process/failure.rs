//! What a failed run says: a panic in a process, or a deadlock.

use crate::process::coroutine;
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use twinsock::Instant;

/// A thread that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The name of its host.
    pub host: String,
    /// The name of its process.
    pub process: String,
    /// Its own name: the process's for the main thread, `parent/n` for the n-th that a thread started.
    pub thread: String,
    /// What it waits for.
    pub what: String,
    /// Since when.
    pub since: Instant,
    /// Whether its process is a daemon.
    pub daemon: bool,
}

/// Why a run failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// A thread of a process panicked.
    Panic {
        /// The name of its host.
        host: String,
        /// The name of its process.
        process: String,
        /// The name of the thread.
        thread: String,
        /// The panic's message.
        message: String,
        /// File, line and column, if known.
        location: Option<String>,
    },
    /// Everybody waits and nothing is in flight.
    Deadlock {
        /// Who waits for what.
        waiting: Vec<Waiting>,
    },
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Panic { host, process, thread, message, location } => {
                write!(f, "host {host}, process {process}")?;
                if thread != process {
                    write!(f, ", thread {thread}")?;
                }
                write!(f, " panicked")?;
                if let Some(location) = location {
                    write!(f, " at {location}")?;
                }
                write!(f, ":\n  {}", message.replace('\n', "\n  "))
            }
            FailureKind::Deadlock { waiting } => {
                write!(f, "deadlock: everybody waits and nothing is in flight")?;
                for thread in waiting {
                    let daemon = if thread.daemon { " (daemon)" } else { "" };
                    write!(
                        f,
                        "\n  host {}, thread {}{daemon}: {}, since {:?}",
                        thread.host, thread.thread, thread.what, thread.since
                    )?;
                }
                Ok(())
            }
        }
    }
}

thread_local! {
    /// What the hook learned of the panic that is under way on this OS thread: message and place.
    static PANIC: RefCell<Option<(String, Option<String>)>> = const { RefCell::new(None) };
}

/// Installs, once per program, a panic hook that keeps a simulated thread's panic for the report instead of printing it; all other
/// panics go to the hook that was there.
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if coroutine::on_carrier() {
                let message = message_of(info.payload());
                let location = info.location().map(ToString::to_string);
                PANIC.set(Some((message, location)));
            } else {
                before(info);
            }
        }));
    });
}

/// Message and place of the panic that ended a thread with `payload`.
pub fn take_panic(payload: &(dyn Any + Send)) -> (String, Option<String>) {
    PANIC.take().unwrap_or_else(|| (message_of(payload), None))
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is no text".to_owned()
    }
}
