//! The rest of the world, passed through: nothing happens to time, threads, randomness, locks and channels.

use super::Faulty;
use super::shared::Shared;
use super::thread::{kept, next_child, put};
use crate::env::{Clock, Entropy, Instant, JoinThread, Spawn};
use crate::sync::{Primitives, RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

impl<A: Clock> Clock for Faulty<A> {
    fn now(&self) -> Instant {
        self.kept(A::now)
    }

    fn wall(&self) -> SystemTime {
        self.kept(A::wall)
    }

    fn sleep(&self, duration: Duration) {
        self.kept(|api| api.sleep(duration));
    }
}

impl<A: Entropy> Entropy for Faulty<A> {
    fn fill(&self, bytes: &mut [u8]) {
        self.kept(|api| api.fill(bytes));
    }
}

/// The right to wait for a thread; from [`Spawn::spawn`] of [`Faulty`].
///
/// ```
/// use twinsock::{JoinThread, Os, Spawn, faulty::{Faulty, Plan}};
/// let faulty = Faulty::new(Os, Plan::new(7));
/// let join = faulty.spawn(|| 42);
/// assert_eq!(join.join().unwrap(), 42);
/// ```
pub struct FaultyJoin<J> {
    join: J,
    shared: Arc<Shared>,
}

impl<J: fmt::Debug> fmt::Debug for FaultyJoin<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyJoin").field(&self.join).finish()
    }
}

impl<A: Spawn> Spawn for Faulty<A> {
    type Join<T: Send + 'static> = FaultyJoin<A::Join<T>>;

    /// The thread's faults depend on its place among those that its parent spawned.
    fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> Self::Join<T> {
        let shared = &self.calls.source.0;
        let (lane, own) = (next_child(shared), Arc::clone(shared));
        let join = self.kept(|api| {
            api.spawn(move || {
                put(&own, lane);
                drop(own);
                body()
            })
        });
        FaultyJoin { join, shared: Arc::clone(shared) }
    }
}

impl<T, J: JoinThread<T>> JoinThread<T> for FaultyJoin<J> {
    fn join(self) -> std::thread::Result<T> {
        kept(&self.shared, || self.join.join())
    }
}

impl<A: Primitives> Primitives for Faulty<A> {
    type Mutex<T: Send + 'static> = A::Mutex<T>;
    type Guard<'a, T: Send + 'static> = A::Guard<'a, T>;
    type Condvar = A::Condvar;
    type Sender<T: Send + 'static> = A::Sender<T>;
    type Receiver<T: Send + 'static> = A::Receiver<T>;

    fn mutex<T: Send + 'static>(&self, value: T) -> Self::Mutex<T> {
        self.kept(|api| api.mutex(value))
    }

    fn lock<'a, T: Send + 'static>(&self, mutex: &'a Self::Mutex<T>) -> Self::Guard<'a, T> {
        self.kept(|api| api.lock(mutex))
    }

    fn try_lock<'a, T: Send + 'static>(&self, mutex: &'a Self::Mutex<T>) -> Option<Self::Guard<'a, T>> {
        self.kept(|api| api.try_lock(mutex))
    }

    fn mutex_get_mut<'a, T: Send + 'static>(&self, mutex: &'a mut Self::Mutex<T>) -> &'a mut T {
        self.kept(|api| api.mutex_get_mut(mutex))
    }

    fn mutex_into_inner<T: Send + 'static>(&self, mutex: Self::Mutex<T>) -> T {
        self.kept(|api| api.mutex_into_inner(mutex))
    }

    fn condvar(&self) -> Self::Condvar {
        self.kept(A::condvar)
    }

    fn wait<'a, T: Send + 'static>(&self, condvar: &Self::Condvar, guard: Self::Guard<'a, T>) -> Self::Guard<'a, T> {
        self.kept(|api| api.wait(condvar, guard))
    }

    fn wait_timeout<'a, T: Send + 'static>(
        &self,
        condvar: &Self::Condvar,
        guard: Self::Guard<'a, T>,
        timeout: Duration,
    ) -> (Self::Guard<'a, T>, bool) {
        self.kept(|api| api.wait_timeout(condvar, guard, timeout))
    }

    fn notify_one(&self, condvar: &Self::Condvar) {
        self.kept(|api| api.notify_one(condvar));
    }

    fn notify_all(&self, condvar: &Self::Condvar) {
        self.kept(|api| api.notify_all(condvar));
    }

    fn channel<T: Send + 'static>(&self) -> (Self::Sender<T>, Self::Receiver<T>) {
        self.kept(A::channel)
    }

    fn channel_send<T: Send + 'static>(&self, sender: &Self::Sender<T>, value: T) -> Result<(), SendError<T>> {
        self.kept(|api| api.channel_send(sender, value))
    }

    fn channel_recv<T: Send + 'static>(&self, receiver: &Self::Receiver<T>) -> Result<T, RecvError> {
        self.kept(|api| api.channel_recv(receiver))
    }

    fn channel_try_recv<T: Send + 'static>(&self, receiver: &Self::Receiver<T>) -> Result<T, TryRecvError> {
        self.kept(|api| api.channel_try_recv(receiver))
    }

    fn channel_recv_timeout<T: Send + 'static>(
        &self,
        receiver: &Self::Receiver<T>,
        timeout: Duration,
    ) -> Result<T, RecvTimeoutError> {
        self.kept(|api| api.channel_recv_timeout(receiver, timeout))
    }
}
