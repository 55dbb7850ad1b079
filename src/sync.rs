//! Locks and channels that wait in their own world: the standard library's on `Os`, simulated on `Net`.
//!
//! A `std::sync::Mutex` held over a blocking call stops a whole simulation, since all its processes share one thread of the
//! machine; these do not, their order is decided by the seed, and a deadlock on them is reported. [`Mutex`], [`Condvar`] and
//! [`channel`] have the standard library's shapes; [`Primitives`] is what a world implements.
//!
//! There is no poisoning: when a thread panics while it holds a lock, the lock is released and the next holder finds the data
//! as it was left. (A panic in a simulated process fails the run anyway; a killed one must not take its peers with it.) So
//! `lock` returns the guard itself, where the standard library returns a `Result`.

use std::fmt;
use std::ops::DerefMut;
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::time::Duration;

/// The locks and channels of one world.
///
/// Programs use [`Mutex`], [`Condvar`] and [`channel`], which are written over this.
///
/// ```
/// # use twinsock::{Os, sync::Primitives};
/// let mutex = Os.mutex(1);
/// *Os.lock(&mutex) += 1;
/// assert_eq!(Os.mutex_into_inner(mutex), 2);
/// ```
pub trait Primitives: Clone + Send + Sync + 'static {
    /// A lock around a value.
    type Mutex<T: Send + 'static>: Send + Sync + 'static;
    /// The right to use the value; dropping it releases the lock.
    type Guard<'a, T: Send + 'static>: DerefMut<Target = T>;
    /// A place to wait for a condition.
    type Condvar: Send + Sync + 'static;
    /// The end of a channel that values go into.
    type Sender<T: Send + 'static>: Clone + Send + Sync + 'static;
    /// The end of a channel that values come out of, in the order in which they were sent.
    type Receiver<T: Send + 'static>: Send + 'static;

    /// A lock that nobody holds, around `value`.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let mutex = Os.mutex(1);
    /// assert_eq!(*Os.lock(&mutex), 1);
    /// ```
    fn mutex<T: Send + 'static>(&self, value: T) -> Self::Mutex<T>;
    /// Waits until the lock is free and takes it.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let mutex = Os.mutex(1);
    /// *Os.lock(&mutex) = 2;
    /// ```
    fn lock<'a, T: Send + 'static>(&self, mutex: &'a Self::Mutex<T>) -> Self::Guard<'a, T>;
    /// Takes the lock if it is free.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let mutex = Os.mutex(1);
    /// let held = Os.lock(&mutex);
    /// assert!(Os.try_lock(&mutex).is_none());
    /// # drop(held);
    /// ```
    fn try_lock<'a, T: Send + 'static>(&self, mutex: &'a Self::Mutex<T>) -> Option<Self::Guard<'a, T>>;
    /// The value, reached without locking: `&mut` proves that nobody else can.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let mut mutex = Os.mutex(1);
    /// *Os.mutex_get_mut(&mut mutex) = 2;
    /// ```
    fn mutex_get_mut<'a, T: Send + 'static>(&self, mutex: &'a mut Self::Mutex<T>) -> &'a mut T;
    /// The value, taken out of the lock.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// assert_eq!(Os.mutex_into_inner(Os.mutex(1)), 1);
    /// ```
    fn mutex_into_inner<T: Send + 'static>(&self, mutex: Self::Mutex<T>) -> T;

    /// A condition variable without waiters.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let condvar = Os.condvar();
    /// Os.notify_all(&condvar); // nobody waits
    /// ```
    fn condvar(&self) -> Self::Condvar;
    /// Releases the lock, waits for a notification, and takes the lock again; it may also return without a notification.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use twinsock::{Os, Spawn, sync::Primitives};
    /// let shared = Arc::new((Os.mutex(false), Os.condvar()));
    /// let other = Arc::clone(&shared);
    /// Os.spawn(move || {
    ///     *Os.lock(&other.0) = true;
    ///     Os.notify_one(&other.1);
    /// });
    /// let mut ready = Os.lock(&shared.0);
    /// while !*ready {
    ///     ready = Os.wait(&shared.1, ready);
    /// }
    /// ```
    fn wait<'a, T: Send + 'static>(&self, condvar: &Self::Condvar, guard: Self::Guard<'a, T>) -> Self::Guard<'a, T>;
    /// As `wait`, but for at most `timeout`; `true` if that ran out.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// # use std::time::Duration;
    /// let (mutex, condvar) = (Os.mutex(()), Os.condvar());
    /// let (_guard, ran_out) = Os.wait_timeout(&condvar, Os.lock(&mutex), Duration::ZERO);
    /// assert!(ran_out);
    /// ```
    fn wait_timeout<'a, T: Send + 'static>(
        &self,
        condvar: &Self::Condvar,
        guard: Self::Guard<'a, T>,
        timeout: Duration,
    ) -> (Self::Guard<'a, T>, bool);
    /// Wakes one waiter, if there is one.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let condvar = Os.condvar();
    /// Os.notify_one(&condvar);
    /// ```
    fn notify_one(&self, condvar: &Self::Condvar);
    /// Wakes all waiters.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let condvar = Os.condvar();
    /// Os.notify_all(&condvar);
    /// ```
    fn notify_all(&self, condvar: &Self::Condvar);

    /// A channel without limit.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let (sender, receiver) = Os.channel();
    /// Os.channel_send(&sender, 1).unwrap();
    /// assert_eq!(Os.channel_recv(&receiver), Ok(1));
    /// ```
    fn channel<T: Send + 'static>(&self) -> (Self::Sender<T>, Self::Receiver<T>);
    /// Sends a value, never waiting.
    ///
    /// # Errors
    /// The value back, if the receiver is gone.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let (sender, receiver) = Os.channel();
    /// drop(receiver);
    /// assert_eq!(Os.channel_send(&sender, 1).unwrap_err().0, 1);
    /// ```
    fn channel_send<T: Send + 'static>(&self, sender: &Self::Sender<T>, value: T) -> Result<(), SendError<T>>;
    /// Waits for a value.
    ///
    /// # Errors
    /// If the channel is empty and all senders are gone.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// let (sender, receiver) = Os.channel::<u32>();
    /// drop(sender);
    /// assert!(Os.channel_recv(&receiver).is_err());
    /// ```
    fn channel_recv<T: Send + 'static>(&self, receiver: &Self::Receiver<T>) -> Result<T, RecvError>;
    /// A value, if one is there.
    ///
    /// # Errors
    /// `Empty`, or `Disconnected` if all senders are gone too.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// # use twinsock::sync::TryRecvError;
    /// let (_sender, receiver) = Os.channel::<u32>();
    /// assert_eq!(Os.channel_try_recv(&receiver), Err(TryRecvError::Empty));
    /// ```
    fn channel_try_recv<T: Send + 'static>(&self, receiver: &Self::Receiver<T>) -> Result<T, TryRecvError>;
    /// Waits for a value, but for at most `timeout`.
    ///
    /// # Errors
    /// `Timeout`, or `Disconnected` if the channel is empty and all senders are gone.
    ///
    /// ```
    /// # use twinsock::{Os, sync::Primitives};
    /// # use std::time::Duration;
    /// # use twinsock::sync::RecvTimeoutError;
    /// let (_sender, receiver) = Os.channel::<u32>();
    /// assert_eq!(Os.channel_recv_timeout(&receiver, Duration::ZERO), Err(RecvTimeoutError::Timeout));
    /// ```
    fn channel_recv_timeout<T: Send + 'static>(
        &self,
        receiver: &Self::Receiver<T>,
        timeout: Duration,
    ) -> Result<T, RecvTimeoutError>;
}

/// A lock around a value, as `std::sync::Mutex` shapes it.
///
/// ```
/// use std::sync::Arc;
/// use twinsock::{Env, JoinThread, Os, sync::Mutex};
///
/// fn count_to_two(env: &impl Env) -> u32 {
///     let counter = Arc::new(Mutex::new(env, 0));
///     let other = counter.clone();
///     let thread = env.spawn(move || *other.lock() += 1);
///     *counter.lock() += 1;
///     thread.join().unwrap();
///     *counter.lock()
/// }
/// assert_eq!(count_to_two(&Os), 2);
/// ```
pub struct Mutex<A: Primitives, T: Send + 'static> {
    api: A,
    raw: A::Mutex<T>,
}

/// What [`Mutex::lock`] gives: the value, until it is dropped.
///
/// ```
/// use twinsock::{Os, sync::{Mutex, MutexGuard}};
/// fn bump(mut count: MutexGuard<'_, Os, u32>) {
///     *count += 1;
/// }
/// let count = Mutex::new(&Os, 1);
/// bump(count.lock());
/// assert_eq!(*count.lock(), 2);
/// ```
pub type MutexGuard<'a, A, T> = <A as Primitives>::Guard<'a, T>;

impl<A: Primitives, T: Send + 'static> Mutex<A, T> {
    /// A lock that nobody holds, around `value`.
    ///
    /// ```
    /// use twinsock::{Os, sync::Mutex};
    /// let mutex = Mutex::new(&Os, vec![1]);
    /// mutex.lock().push(2);
    /// ```
    pub fn new(api: &A, value: T) -> Mutex<A, T> {
        Mutex { raw: api.mutex(value), api: api.clone() }
    }

    /// Waits until the lock is free and takes it. A thread that holds the lock already waits for ever.
    ///
    /// ```
    /// use twinsock::{Os, sync::Mutex};
    /// let mutex = Mutex::new(&Os, 1);
    /// *mutex.lock() += 1;
    /// assert_eq!(*mutex.lock(), 2);
    /// ```
    pub fn lock(&self) -> MutexGuard<'_, A, T> {
        self.api.lock(&self.raw)
    }

    /// Takes the lock if it is free.
    ///
    /// ```
    /// use twinsock::{Os, sync::Mutex};
    /// let mutex = Mutex::new(&Os, 1);
    /// let held = mutex.lock();
    /// assert!(mutex.try_lock().is_none());
    /// drop(held);
    /// assert!(mutex.try_lock().is_some());
    /// ```
    pub fn try_lock(&self) -> Option<MutexGuard<'_, A, T>> {
        self.api.try_lock(&self.raw)
    }

    /// The value, reached without locking: `&mut` proves that nobody else can.
    ///
    /// ```
    /// use twinsock::{Os, sync::Mutex};
    /// let mut mutex = Mutex::new(&Os, 1);
    /// *mutex.get_mut() = 2;
    /// assert_eq!(*mutex.lock(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.api.mutex_get_mut(&mut self.raw)
    }

    /// The value, taken out of the lock.
    ///
    /// ```
    /// use twinsock::{Os, sync::Mutex};
    /// assert_eq!(Mutex::new(&Os, 1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.api.mutex_into_inner(self.raw)
    }
}

impl<A: Primitives, T: Send + fmt::Debug + 'static> fmt::Debug for Mutex<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => f.debug_tuple("Mutex").field(&*value).finish(),
            None => f.write_str("Mutex(<locked>)"),
        }
    }
}

/// A condition variable, as `std::sync::Condvar` shapes it.
///
/// ```
/// use std::sync::Arc;
/// use twinsock::{Env, JoinThread, Os, sync::{Condvar, Mutex}};
///
/// fn hand_over(env: &impl Env) -> &'static str {
///     let shared = Arc::new((Mutex::new(env, None), Condvar::new(env)));
///     let giver = shared.clone();
///     let thread = env.spawn(move || {
///         *giver.0.lock() = Some("done");
///         giver.1.notify_one();
///     });
///     let mut value = shared.1.wait_while(shared.0.lock(), |value| value.is_none());
///     thread.join().unwrap();
///     value.take().unwrap()
/// }
/// assert_eq!(hand_over(&Os), "done");
/// ```
pub struct Condvar<A: Primitives> {
    api: A,
    raw: A::Condvar,
}

/// Whether a wait with a limit ended because the limit was reached.
///
/// ```
/// use std::time::Duration;
/// use twinsock::{Os, sync::{Condvar, Mutex}};
/// let (mutex, condvar) = (Mutex::new(&Os, ()), Condvar::new(&Os));
/// let (_guard, result) = condvar.wait_timeout(mutex.lock(), Duration::ZERO);
/// assert!(result.timed_out());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the limit was reached.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Os, sync::{Condvar, Mutex}};
    /// let (mutex, condvar) = (Mutex::new(&Os, ()), Condvar::new(&Os));
    /// assert!(condvar.wait_timeout(mutex.lock(), Duration::ZERO).1.timed_out());
    /// ```
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl<A: Primitives> Condvar<A> {
    /// A condition variable without waiters.
    ///
    /// ```
    /// use twinsock::{Os, sync::Condvar};
    /// let condvar = Condvar::new(&Os);
    /// # drop(condvar);
    /// ```
    pub fn new(api: &A) -> Condvar<A> {
        Condvar { raw: api.condvar(), api: api.clone() }
    }

    /// Releases the lock, waits for a notification, and takes the lock again; it may also return without a notification.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use twinsock::{Os, Spawn, sync::{Condvar, Mutex}};
    /// let shared = Arc::new((Mutex::new(&Os, false), Condvar::new(&Os)));
    /// let other = Arc::clone(&shared);
    /// Os.spawn(move || {
    ///     *other.0.lock() = true;
    ///     other.1.notify_one();
    /// });
    /// let mut ready = shared.0.lock();
    /// while !*ready {
    ///     ready = shared.1.wait(ready);
    /// }
    /// ```
    pub fn wait<'a, T: Send + 'static>(&self, guard: MutexGuard<'a, A, T>) -> MutexGuard<'a, A, T> {
        self.api.wait(&self.raw, guard)
    }

    /// Waits while `condition` holds.
    ///
    /// ```
    /// use twinsock::{Os, sync::{Condvar, Mutex}};
    /// let (mutex, condvar) = (Mutex::new(&Os, 1), Condvar::new(&Os));
    /// let guard = condvar.wait_while(mutex.lock(), |value| *value == 0);
    /// assert_eq!(*guard, 1, "the condition does not hold, so nobody waits");
    /// ```
    pub fn wait_while<'a, T: Send + 'static>(
        &self,
        mut guard: MutexGuard<'a, A, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, A, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// As [`wait`](Condvar::wait), but for at most `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Os, sync::{Condvar, Mutex}};
    /// let (mutex, condvar) = (Mutex::new(&Os, 1), Condvar::new(&Os));
    /// let (guard, result) = condvar.wait_timeout(mutex.lock(), Duration::from_millis(1));
    /// assert!(result.timed_out() && *guard == 1);
    /// ```
    pub fn wait_timeout<'a, T: Send + 'static>(
        &self,
        guard: MutexGuard<'a, A, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, A, T>, WaitTimeoutResult) {
        let (guard, timed_out) = self.api.wait_timeout(&self.raw, guard, timeout);
        (guard, WaitTimeoutResult(timed_out))
    }

    /// Wakes one waiter, if there is one.
    ///
    /// ```
    /// use twinsock::{Os, sync::Condvar};
    /// Condvar::new(&Os).notify_one(); // nobody waits
    /// ```
    pub fn notify_one(&self) {
        self.api.notify_one(&self.raw);
    }

    /// Wakes all waiters.
    ///
    /// ```
    /// use twinsock::{Os, sync::Condvar};
    /// Condvar::new(&Os).notify_all(); // nobody waits
    /// ```
    pub fn notify_all(&self) {
        self.api.notify_all(&self.raw);
    }
}

impl<A: Primitives> fmt::Debug for Condvar<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condvar")
    }
}

/// A channel without limit, as `std::sync::mpsc::channel` shapes it.
///
/// ```
/// use twinsock::{Env, JoinThread, Os, sync::channel};
///
/// fn sum(env: &impl Env) -> u32 {
///     let (sender, receiver) = channel(env);
///     let thread = env.spawn(move || (1..=3).for_each(|n| sender.send(n).unwrap()));
///     let sum = receiver.iter().sum();
///     thread.join().unwrap();
///     sum
/// }
/// assert_eq!(sum(&Os), 6);
/// ```
pub fn channel<A: Primitives, T: Send + 'static>(api: &A) -> (Sender<A, T>, Receiver<A, T>) {
    let (sender, receiver) = api.channel();
    (Sender { api: api.clone(), raw: sender }, Receiver { api: api.clone(), raw: receiver })
}

/// The end of a channel that values go into.
///
/// ```
/// use twinsock::{Os, sync::channel};
/// let (sender, receiver) = channel(&Os);
/// let other = sender.clone();
/// sender.send(1).unwrap();
/// other.send(2).unwrap();
/// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2]);
/// ```
pub struct Sender<A: Primitives, T: Send + 'static> {
    api: A,
    raw: A::Sender<T>,
}

impl<A: Primitives, T: Send + 'static> Sender<A, T> {
    /// Sends a value, never waiting.
    ///
    /// # Errors
    /// The value back, if the receiver is gone.
    ///
    /// ```
    /// use twinsock::{Os, sync::channel};
    /// let (sender, receiver) = channel(&Os);
    /// drop(receiver);
    /// assert_eq!(sender.send(1).unwrap_err().0, 1, "the value comes back");
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.api.channel_send(&self.raw, value)
    }
}

impl<A: Primitives, T: Send + 'static> Clone for Sender<A, T> {
    fn clone(&self) -> Self {
        Sender { api: self.api.clone(), raw: self.raw.clone() }
    }
}

impl<A: Primitives, T: Send + 'static> fmt::Debug for Sender<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

/// The end of a channel that values come out of, in the order in which they were sent.
///
/// ```
/// use twinsock::{Os, sync::channel};
/// let (sender, receiver) = channel(&Os);
/// sender.send(1).unwrap();
/// drop(sender);
/// assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [1]);
/// ```
pub struct Receiver<A: Primitives, T: Send + 'static> {
    api: A,
    raw: A::Receiver<T>,
}

impl<A: Primitives, T: Send + 'static> Receiver<A, T> {
    /// Waits for a value.
    ///
    /// # Errors
    /// If the channel is empty and all senders are gone.
    ///
    /// ```
    /// use twinsock::{Os, sync::channel};
    /// let (sender, receiver) = channel(&Os);
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert!(receiver.recv() == Ok(1) && receiver.recv().is_err());
    /// ```
    pub fn recv(&self) -> Result<T, RecvError> {
        self.api.channel_recv(&self.raw)
    }

    /// A value, if one is there.
    ///
    /// # Errors
    /// `Empty`, or `Disconnected` if all senders are gone too.
    ///
    /// ```
    /// use twinsock::{Os, sync::{TryRecvError, channel}};
    /// let (sender, receiver) = channel::<_, u32>(&Os);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.api.channel_try_recv(&self.raw)
    }

    /// Waits for a value, but for at most `timeout`.
    ///
    /// # Errors
    /// `Timeout`, or `Disconnected` if the channel is empty and all senders are gone.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Os, sync::channel};
    /// let (_sender, receiver) = channel::<_, u32>(&Os);
    /// assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.api.channel_recv_timeout(&self.raw, timeout)
    }

    /// The values to come, waiting for each, until all senders are gone.
    ///
    /// ```
    /// use twinsock::{Os, sync::channel};
    /// let (sender, receiver) = channel(&Os);
    /// (1..=3).for_each(|n| sender.send(n).unwrap());
    /// drop(sender);
    /// assert_eq!(receiver.iter().sum::<u32>(), 6);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// The values that are there, without waiting.
    ///
    /// ```
    /// use twinsock::{Os, sync::channel};
    /// let (sender, receiver) = channel(&Os);
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_iter().count(), 1, "and it does not wait for more");
    /// ```
    pub fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.try_recv().ok())
    }
}

impl<A: Primitives, T: Send + 'static> IntoIterator for Receiver<A, T> {
    type Item = T;
    type IntoIter = IntoIter<A, T>;

    fn into_iter(self) -> IntoIter<A, T> {
        IntoIter(self)
    }
}

impl<A: Primitives, T: Send + 'static> fmt::Debug for Receiver<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

/// The values of a channel, waiting for each; from [`Receiver::into_iter`].
///
/// ```
/// use twinsock::{Os, sync::channel};
/// let (sender, receiver) = channel(&Os);
/// sender.send(1).unwrap();
/// drop(sender);
/// for value in receiver {
///     assert_eq!(value, 1);
/// }
/// ```
#[derive(Debug)]
pub struct IntoIter<A: Primitives, T: Send + 'static>(Receiver<A, T>);

impl<A: Primitives, T: Send + 'static> Iterator for IntoIter<A, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}
