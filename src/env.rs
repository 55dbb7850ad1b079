//! What else a program may ask of its world: time, threads and randomness.
//!
//! On `Os` these are the standard library's; in the simulator they are virtual, and a seed decides them. A program that takes
//! time, threads, chance and locks ([`crate::sync`]) from its world is reproducible to the last byte.

use crate::api::SocketApi;
use crate::sync::Primitives;
use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::{Duration, SystemTime};

/// A moment of the monotonic clock, in nanoseconds since that clock began.
///
/// Only differences mean anything outside one world. Arithmetic saturates.
///
/// ```
/// use std::time::Duration;
/// use twinsock::Instant;
///
/// let start = Instant::from_nanos(1_000);
/// let deadline = start + Duration::from_micros(5);
/// assert_eq!(deadline - start, Duration::from_micros(5));
/// assert_eq!(start - deadline, Duration::ZERO);
/// assert_eq!(format!("{deadline:?}"), "0.000006000s");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment at which the clock began.
    pub const ZERO: Instant = Instant(0);
    /// A moment that never comes.
    pub const FAR: Instant = Instant(u64::MAX);

    /// The moment this many nanoseconds after the clock began.
    ///
    /// ```
    /// use twinsock::Instant;
    /// assert_eq!(Instant::from_nanos(0), Instant::ZERO);
    /// ```
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    /// Nanoseconds since the clock began.
    ///
    /// ```
    /// use twinsock::Instant;
    /// assert_eq!(Instant::from_nanos(42).as_nanos(), 42);
    /// ```
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here; zero if `earlier` is later.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::Instant;
    /// let (early, late) = (Instant::from_nanos(1), Instant::from_nanos(4));
    /// assert_eq!((late.since(early), early.since(late)), (Duration::from_nanos(3), Duration::ZERO));
    /// ```
    #[inline]
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    #[inline]
    fn add(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    #[inline]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    #[inline]
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// The clocks of a world.
///
/// ```
/// use std::time::Duration;
/// use twinsock::{Clock, Os};
///
/// let start = Os.now();
/// Os.sleep(Duration::from_millis(1));
/// assert!(Os.now() - start >= Duration::from_millis(1));
/// ```
pub trait Clock {
    /// The monotonic clock, `clock_gettime(CLOCK_MONOTONIC)`.
    ///
    /// ```
    /// use twinsock::{Clock, Os};
    /// let start = Os.now();
    /// assert!(Os.now() >= start);
    /// ```
    fn now(&self) -> Instant;
    /// The wall clock, `clock_gettime(CLOCK_REALTIME)`. A simulated host's starts at 2000-01-01 00:00:00 UTC.
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    /// use twinsock::{Clock, Os};
    /// assert!(Os.wall() > UNIX_EPOCH);
    /// ```
    fn wall(&self) -> SystemTime;
    /// Suspends the calling thread for at least `duration`, `nanosleep(2)`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Clock, Os};
    /// let start = Os.now();
    /// Os.sleep(Duration::from_millis(1));
    /// assert!(Os.now() - start >= Duration::from_millis(1));
    /// ```
    fn sleep(&self, duration: Duration);
}

/// Threads of a world.
///
/// ```
/// use twinsock::{JoinThread, Os, Spawn};
///
/// fn squares(world: &impl Spawn) -> Vec<u32> {
///     let threads: Vec<_> = (1..=3).map(|n| world.spawn(move || n * n)).collect();
///     threads.into_iter().map(|thread| thread.join().unwrap()).collect()
/// }
/// assert_eq!(squares(&Os), [1, 4, 9]);
/// ```
pub trait Spawn {
    /// What waits for a thread's end.
    type Join<T: Send + 'static>: JoinThread<T>;
    /// Starts a thread that runs `body`; in the simulator a thread of the calling process, sharing its descriptors.
    ///
    /// ```
    /// use twinsock::{JoinThread, Os, Spawn};
    /// let thread = Os.spawn(|| 6 * 7);
    /// assert_eq!(thread.join().unwrap(), 42);
    /// ```
    fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> Self::Join<T>;
}

/// The right to wait for a thread.
///
/// ```
/// use twinsock::{JoinThread, Os, Spawn};
/// fn wait_for<T>(thread: impl JoinThread<T>) -> T {
///     thread.join().expect("the thread does not panic")
/// }
/// assert_eq!(wait_for(Os.spawn(|| "done")), "done");
/// ```
pub trait JoinThread<T>: Send + 'static {
    /// Waits for the thread to end and returns what it returned.
    ///
    /// # Errors
    /// The payload of the thread's panic, as `std::thread::JoinHandle::join` gives it.
    ///
    /// ```
    /// use twinsock::{JoinThread, Os, Spawn};
    /// let thread = Os.spawn(|| -> u32 { panic!("no answer") });
    /// assert!(thread.join().is_err());
    /// ```
    fn join(self) -> std::thread::Result<T>;
}

/// Randomness of a world: the kernel's on `Os`, the seed's in the simulator.
///
/// ```
/// use twinsock::{Entropy, Os};
///
/// let mut nonce = [0; 12];
/// Os.fill(&mut nonce);
/// ```
pub trait Entropy {
    /// Fills `bytes` with random bytes, `getrandom(2)`.
    ///
    /// ```
    /// use twinsock::{Entropy, Os};
    /// let mut seed = [0; 32];
    /// Os.fill(&mut seed);
    /// assert_ne!(seed, [0; 32]);
    /// ```
    fn fill(&self, bytes: &mut [u8]);
}

/// All that a program may ask of its world: sockets, time, threads, randomness, locks and channels.
///
/// A short name for a bound; every world that has the parts has it. No two parts have a method of the same name, so `env.send(..)` and
/// `env.sleep(..)` need no further words.
///
/// ```
/// use std::time::Duration;
/// use twinsock::{Domain, Env, JoinThread, MsgFlags, Os, Protocol, Result, SockFlags, Type};
///
/// fn late_answer(env: &impl Env) -> Result<()> {
///     let (a, b) = env.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
///     let other = env.clone();
///     let thread = env.spawn(move || {
///         other.sleep(Duration::from_millis(1));
///         other.send(&b, b"done", MsgFlags::NONE)
///     });
///     let mut bytes = [0; 4];
///     assert_eq!(env.recv(&a, &mut bytes, MsgFlags::NONE)?, 4);
///     thread.join().unwrap().map(drop)
/// }
/// late_answer(&Os).unwrap();
/// ```
pub trait Env: SocketApi + Clock + Spawn + Entropy + Primitives {}

impl<W: SocketApi + Clock + Spawn + Entropy + Primitives> Env for W {}
