//! Aborts a program that blocks its OS thread: a std lock, channel or sleep inside a simulated process would hang the run for ever.
//!
//! One OS thread watches all simulations. It only reads the counters that turns and calls beat, so it never influences a run. When one
//! has not beaten for its limit while a simulated thread runs, the watchdog says who, has the stuck thread print its backtrace, and aborts.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a driver beats and the watchdog reads.
struct Counters {
    beats: AtomicU64,
    /// The simulated thread that runs; [`NOBODY`] between turns.
    thread: AtomicU32,
    /// The driver is at work, with or without a thread.
    driving: AtomicBool,
    names: Mutex<Vec<Arc<str>>>,
    os_thread: AtomicU64,
}

/// No simulated thread: there is none of that number.
const NOBODY: u32 = u32::MAX;

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            beats: AtomicU64::new(0),
            thread: AtomicU32::new(NOBODY),
            driving: AtomicBool::new(false),
            names: Mutex::default(),
            os_thread: AtomicU64::new(0),
        }
    }
}

/// The driver's end of the watch. Dropping it ends the watch.
pub struct Pulse {
    counters: Arc<Counters>,
}

struct Watched {
    counters: Arc<Counters>,
    limit: Duration,
    seen_beats: u64,
    stuck_for: Duration,
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

fn watched() -> MutexGuard<'static, Vec<Watched>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pulse {
    /// A pulse for the simulation of the calling OS thread; with a `limit`, it is watched.
    pub fn new(limit: Option<Duration>) -> Pulse {
        let counters = Arc::new(Counters::default());
        if let Some(limit) = limit {
            counters.os_thread.store(backtrace::this_os_thread(), Ordering::Relaxed);
            watched().push(Watched { counters: Arc::clone(&counters), limit, seen_beats: 0, stuck_for: Duration::ZERO });
            start();
        }
        Pulse { counters }
    }

    /// Keeps the name of the next thread, for the report.
    pub fn add_thread(&self, name: Arc<str>) {
        self.counters.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }

    /// This thread runs from here on.
    #[inline(always)]
    pub fn turn(&mut self, thread: u32) {
        self.counters.thread.store(thread, Ordering::Relaxed);
    }

    /// The driver begins, or has come to its end.
    pub fn drive(&mut self, is_driving: bool) {
        self.beat();
        self.counters.driving.store(is_driving, Ordering::Relaxed);
    }

    /// The run goes on.
    pub fn beat(&mut self) {
        self.counters.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The run goes on, and has come so far, as some count of its has it that goes up: the watchdog looks only whether it finds the number that it has found before.
    #[inline(always)]
    pub fn beat_at(&mut self, count: u64) {
        self.counters.beats.store(count, Ordering::Relaxed);
    }

    /// The thread's turn is over.
    #[inline(always)]
    pub fn rest(&mut self) {
        self.counters.thread.store(NOBODY, Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        watched().retain(|w| !Arc::ptr_eq(&w.counters, &self.counters));
    }
}

/// Starts the watching thread, once per program.
#[expect(clippy::disallowed_methods, reason = "the watchdog watches real time from a real thread; no run can see it")]
fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let spawned = std::thread::Builder::new().name("twinsock-watchdog".to_owned()).spawn(|| {
            loop {
                std::thread::sleep(LOOK_EVERY);
                look();
            }
        });
        if let Err(error) = spawned {
            eprintln!("twinsock: no watchdog, since its thread could not be started: {error}");
        }
    });
}

fn look() {
    for watched in watched().iter_mut() {
        let beats = watched.counters.beats.load(Ordering::Relaxed);
        let is_running = watched.counters.thread.load(Ordering::Relaxed) != NOBODY;
        let is_driving = watched.counters.driving.load(Ordering::Relaxed);
        if beats == watched.seen_beats && (is_running || is_driving) {
            watched.stuck_for += LOOK_EVERY;
        } else {
            watched.stuck_for = Duration::ZERO;
        }
        watched.seen_beats = beats;
        if watched.stuck_for >= watched.limit {
            report(watched);
        }
    }
}

fn report(watched: &Watched) -> ! {
    let thread = watched.counters.thread.load(Ordering::Relaxed);
    let names = watched.counters.names.lock().unwrap_or_else(PoisonError::into_inner);
    if thread == NOBODY {
        eprintln!(
            "twinsock: no simulated thread has had a turn for {:?} of real time, and the simulator is at work: a rule or a misfortune of the network's builder\n\
             that takes so long, or else a mistake of the simulator, which we would like to hear of. Where it is:",
            watched.limit
        );
        backtrace::print_and_abort(watched.counters.os_thread.load(Ordering::Relaxed));
    }
    let name = usize::try_from(thread).ok().and_then(|index| names.get(index)).map_or("?", |name| name);
    eprintln!(
        "twinsock: simulated thread {name} has held its OS thread for {:?} of real time without a call to its world.\n\
         A std Mutex, Condvar, channel or sleep blocks the whole simulation: use twinsock::sync::{{Mutex, Condvar, channel}} and Clock::sleep\n\
         instead. A computation that really takes so long: raise Builder::watchdog. Where it is:",
        watched.limit
    );
    backtrace::print_and_abort(watched.counters.os_thread.load(Ordering::Relaxed));
}

mod backtrace {
    //! Has another OS thread print its backtrace, by a signal.

    use std::time::Duration;

    /// The calling OS thread, as `pthread_kill(3)` takes it.
    pub fn this_os_thread() -> u64 {
        // SAFETY: pthread_self has no preconditions.
        unsafe { libc::pthread_self() }
    }

    extern "C" fn on_signal(_signal: libc::c_int) {
        // Not async-signal-safe, and it need not be: the program is stuck and about to be aborted; at worst nothing is printed.
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }

    /// Has `os_thread` print where it is, then aborts the program.
    #[expect(clippy::disallowed_methods, reason = "gives the stuck thread a moment to print before the program is aborted")]
    pub fn print_and_abort(os_thread: u64) -> ! {
        let handler: extern "C" fn(libc::c_int) = on_signal;
        // SAFETY: installs a handler of the type that signal(2) takes for SIGURG, whose default is to be ignored.
        unsafe { libc::signal(libc::SIGURG, handler as libc::sighandler_t) };
        // SAFETY: the thread lives: its Pulse, which it owns, is still being watched.
        unsafe { libc::pthread_kill(os_thread, libc::SIGURG) };
        std::thread::sleep(Duration::from_secs(5));
        std::process::abort();
    }
}
