//! The standard library's locks and channels, without poisoning.

use super::Os;
use crate::sync::{Primitives, RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::time::Duration;

impl Primitives for Os {
    type Mutex<T: Send + 'static> = Mutex<T>;
    type Guard<'a, T: Send + 'static> = MutexGuard<'a, T>;
    type Condvar = Condvar;
    type Sender<T: Send + 'static> = mpsc::Sender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;

    fn mutex<T: Send + 'static>(&self, value: T) -> Mutex<T> {
        Mutex::new(value)
    }

    fn lock<'a, T: Send + 'static>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock<'a, T: Send + 'static>(&self, mutex: &'a Mutex<T>) -> Option<MutexGuard<'a, T>> {
        match mutex.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn mutex_get_mut<'a, T: Send + 'static>(&self, mutex: &'a mut Mutex<T>) -> &'a mut T {
        mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn mutex_into_inner<T: Send + 'static>(&self, mutex: Mutex<T>) -> T {
        mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn condvar(&self) -> Condvar {
        Condvar::new()
    }

    fn wait<'a, T: Send + 'static>(&self, condvar: &Condvar, guard: Self::Guard<'a, T>) -> Self::Guard<'a, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_timeout<'a, T: Send + 'static>(
        &self,
        condvar: &Condvar,
        guard: Self::Guard<'a, T>,
        timeout: Duration,
    ) -> (Self::Guard<'a, T>, bool) {
        let (guard, result) = condvar.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner);
        (guard, result.timed_out())
    }

    fn notify_one(&self, condvar: &Condvar) {
        condvar.notify_one();
    }

    fn notify_all(&self, condvar: &Condvar) {
        condvar.notify_all();
    }

    fn channel<T: Send + 'static>(&self) -> (mpsc::Sender<T>, mpsc::Receiver<T>) {
        mpsc::channel()
    }

    fn channel_send<T: Send + 'static>(&self, sender: &mpsc::Sender<T>, value: T) -> Result<(), SendError<T>> {
        sender.send(value)
    }

    fn channel_recv<T: Send + 'static>(&self, receiver: &mpsc::Receiver<T>) -> Result<T, RecvError> {
        receiver.recv()
    }

    fn channel_try_recv<T: Send + 'static>(&self, receiver: &mpsc::Receiver<T>) -> Result<T, TryRecvError> {
        receiver.try_recv()
    }

    fn channel_recv_timeout<T: Send + 'static>(
        &self,
        receiver: &mpsc::Receiver<T>,
        timeout: Duration,
    ) -> Result<T, RecvTimeoutError> {
        receiver.recv_timeout(timeout)
    }
}
