//! Locks and channels that wait in virtual time: [`Primitives`] of [`Net`].
//!
//! All threads of a simulation share one OS thread, so the std locks inside are never contended: what looks like a lock here is a place to
//! keep the value, and waiting is done by the scheduler. Any process of the simulation may use them.

use crate::api::Net;
use crate::process::current::{self, Calling, Running};
use crate::process::driver;
use crate::process::scheduler::{ThreadId, Wait};
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use twinsock::sync::{Primitives, RecvError, RecvTimeoutError, SendError, TryRecvError};

/// Threads that wait, first come first served.
#[derive(Default, Debug)]
struct WaitList(Mutex<VecDeque<ThreadId>>);

impl WaitList {
    fn threads(&self) -> MutexGuard<'_, VecDeque<ThreadId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in this list. Answers `false` if `timeout` ran out.
    fn wait(&self, running: &Running, name: &'static str, timeout: Option<Duration>) -> bool {
        self.threads().push_back(running.thread);
        let deadline = timeout.map(|timeout| running.clock() + timeout);
        loop {
            running.wait(Wait::Sync(name), deadline);
            // Whoever wakes a thread takes it off the list: one that still stands there woke by its deadline, or in vain.
            let mut threads = self.threads();
            match threads.iter().position(|thread| *thread == running.thread) {
                None => return true,
                Some(index) if deadline.is_some_and(|deadline| running.clock() >= deadline) => {
                    threads.remove(index);
                    return false;
                }
                Some(_) => {}
            }
        }
    }

    /// Wakes the first that still waits.
    fn wake_one(&self, sim: u32) {
        loop {
            let Some(thread) = self.threads().pop_front() else { return };
            if current::wake(sim, thread) {
                return;
            }
        }
    }

    fn wake_all(&self, sim: u32) {
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            current::wake(sim, thread);
        }
    }
}

/// A simulated lock.
///
/// ```
/// use std::sync::Arc;
/// use twinsock::sync::Mutex;
/// use twinsock::{JoinThread, Spawn};
/// use twinsock_sim::Sim;
/// let run = Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         // Over `Net`, twinsock's `Mutex` is one of these.
///         let count = Arc::new(Mutex::new(&net, 0));
///         let other = count.clone();
///         net.spawn(move || *other.lock() += 1).join().unwrap();
///         assert_eq!(*count.lock(), 1);
///     });
/// });
/// run.unwrap();
/// ```
#[derive(Debug)]
pub struct NetMutex<T> {
    value: Mutex<T>,
    /// The number of the thread that holds it or held it last, or [`NOBODY`].
    holder: AtomicU32,
    waiters: WaitList,
}

/// No thread's number.
const NOBODY: u32 = u32::MAX;

/// The right to use the value of a [`NetMutex`].
///
/// ```
/// use twinsock::sync::Mutex;
/// let run = twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let lock = Mutex::new(&net, String::new());
///         let mut guard = lock.lock();
///         guard.push_str("held");
///         assert!(lock.try_lock().is_none(), "until the guard is dropped");
///     });
/// });
/// run.unwrap();
/// ```
pub struct NetGuard<'a, T: Send + 'static> {
    net: Net,
    mutex: &'a NetMutex<T>,
    value: Option<MutexGuard<'a, T>>,
}

impl<T: Send + 'static> NetMutex<T> {
    /// The lock, if it is free.
    fn try_take(&self, net: Net) -> Option<NetGuard<'_, T>> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.holder.store(current::thread(net.sim()).map_or(NOBODY, |ThreadId(thread)| thread), Ordering::Relaxed);
        Some(NetGuard { net, mutex: self, value: Some(value) })
    }
}

impl<T: Send + 'static> Deref for NetGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard holds its value until it is dropped")
    }
}

impl<T: Send + 'static> DerefMut for NetGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard holds its value until it is dropped")
    }
}

impl<T: Send + 'static> Drop for NetGuard<'_, T> {
    fn drop(&mut self) {
        if self.value.take().is_some() {
            self.mutex.waiters.wake_one(self.net.sim());
        }
    }
}

/// A simulated condition variable.
///
/// ```
/// use std::sync::Arc;
/// use twinsock::Spawn;
/// use twinsock::sync::{Condvar, Mutex};
/// let run = twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let ready = Arc::new((Mutex::new(&net, false), Condvar::new(&net)));
///         let other = ready.clone();
///         net.spawn(move || {
///             *other.0.lock() = true;
///             other.1.notify_one();
///         });
///         let mut is_ready = ready.0.lock();
///         while !*is_ready {
///             is_ready = ready.1.wait(is_ready);
///         }
///     });
/// });
/// run.unwrap();
/// ```
#[derive(Default, Debug)]
pub struct NetCondvar {
    waiters: WaitList,
}

#[derive(Debug)]
struct Channel<T> {
    net: Net,
    state: Mutex<ChannelState<T>>,
    waiters: WaitList,
}

#[derive(Debug)]
struct ChannelState<T> {
    queue: VecDeque<T>,
    senders: usize,
    receiver: bool,
}

impl<T> Channel<T> {
    fn state(&self) -> MutexGuard<'_, ChannelState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.state();
        match state.queue.pop_front() {
            Some(value) => Ok(value),
            None if state.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }
}

/// The end of a simulated channel that values go into.
///
/// ```
/// use twinsock::Spawn;
/// use twinsock::sync::channel;
/// let run = twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let (sender, receiver) = channel(&net);
///         let other = sender.clone();
///         net.spawn(move || other.send(7).unwrap());
///         assert_eq!(receiver.recv(), Ok(7));
///     });
/// });
/// run.unwrap();
/// ```
#[derive(Debug)]
pub struct NetSender<T: Send + 'static>(Arc<Channel<T>>);

/// The end of a simulated channel that values come out of.
///
/// ```
/// use twinsock::sync::channel;
/// let run = twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let (sender, receiver) = channel::<_, u8>(&net);
///         drop(sender);
///         assert!(receiver.recv().is_err(), "nobody will ever send");
///     });
/// });
/// run.unwrap();
/// ```
#[derive(Debug)]
pub struct NetReceiver<T: Send + 'static>(Arc<Channel<T>>);

impl<T: Send + 'static> Clone for NetSender<T> {
    fn clone(&self) -> NetSender<T> {
        self.0.state().senders += 1;
        NetSender(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> Drop for NetSender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.senders -= 1;
        if state.senders == 0 {
            drop(state);
            self.0.waiters.wake_all(self.0.net.sim());
        }
    }
}

impl<T: Send + 'static> Drop for NetReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.receiver = false;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        // A value's own destructor may use the channel: it runs without the lock.
        drop(queue);
    }
}

impl Net {
    /// Makes a use of a lock or channel a call of its own: a place where others may run, and that costs time.
    fn pass(self) -> Option<Calling> {
        let running = current::running_anywhere(self.sim()).ok()?;
        running.enter().ok()?.charge(running.thread);
        Some(running)
    }
}

impl Primitives for Net {
    type Mutex<T: Send + 'static> = NetMutex<T>;
    type Guard<'a, T: Send + 'static> = NetGuard<'a, T>;
    type Condvar = NetCondvar;
    type Sender<T: Send + 'static> = NetSender<T>;
    type Receiver<T: Send + 'static> = NetReceiver<T>;

    fn mutex<T: Send + 'static>(&self, value: T) -> NetMutex<T> {
        NetMutex { value: Mutex::new(value), holder: AtomicU32::new(NOBODY), waiters: WaitList::default() }
    }

    /// A thread that is killed or panics never waits: the holder of a lock that a destructor of it asks for is unwound first.
    ///
    /// # Panics
    /// If the lock is held and the caller cannot wait for it: outside the simulation, or while it unwinds and holds the lock itself.
    fn lock<'a, T: Send + 'static>(&self, mutex: &'a NetMutex<T>) -> NetGuard<'a, T> {
        let running = self.pass();
        loop {
            if let Some(guard) = mutex.try_take(*self) {
                return guard;
            }
            match &running {
                Some(running) => drop(mutex.waiters.wait(running, "lock", None)),
                None => {
                    let holder = ThreadId(mutex.holder.load(Ordering::Relaxed));
                    let unwound =
                        current::running_anywhere(self.sim()).is_ok_and(|running| driver::unwind_holder(&running, holder));
                    assert!(unwound, "a lock that is held is waited for by a running thread of its simulation");
                }
            }
        }
    }

    fn try_lock<'a, T: Send + 'static>(&self, mutex: &'a NetMutex<T>) -> Option<NetGuard<'a, T>> {
        self.pass();
        mutex.try_take(*self)
    }

    fn mutex_get_mut<'a, T: Send + 'static>(&self, mutex: &'a mut NetMutex<T>) -> &'a mut T {
        mutex.value.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn mutex_into_inner<T: Send + 'static>(&self, mutex: NetMutex<T>) -> T {
        mutex.value.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn condvar(&self) -> NetCondvar {
        NetCondvar::default()
    }

    fn wait<'a, T: Send + 'static>(&self, condvar: &NetCondvar, guard: Self::Guard<'a, T>) -> Self::Guard<'a, T> {
        self.wait_on(condvar, guard, None).0
    }

    fn wait_timeout<'a, T: Send + 'static>(
        &self,
        condvar: &NetCondvar,
        guard: Self::Guard<'a, T>,
        timeout: Duration,
    ) -> (Self::Guard<'a, T>, bool) {
        self.wait_on(condvar, guard, Some(timeout))
    }

    fn notify_one(&self, condvar: &NetCondvar) {
        self.pass();
        condvar.waiters.wake_one(self.sim());
    }

    fn notify_all(&self, condvar: &NetCondvar) {
        self.pass();
        condvar.waiters.wake_all(self.sim());
    }

    fn channel<T: Send + 'static>(&self) -> (NetSender<T>, NetReceiver<T>) {
        let state = ChannelState { queue: VecDeque::new(), senders: 1, receiver: true };
        let channel = Arc::new(Channel { net: *self, state: Mutex::new(state), waiters: WaitList::default() });
        (NetSender(Arc::clone(&channel)), NetReceiver(channel))
    }

    fn channel_send<T: Send + 'static>(&self, sender: &NetSender<T>, value: T) -> Result<(), SendError<T>> {
        self.pass();
        let mut state = sender.0.state();
        if !state.receiver {
            return Err(SendError(value));
        }
        state.queue.push_back(value);
        drop(state);
        sender.0.waiters.wake_one(self.sim());
        Ok(())
    }

    fn channel_recv<T: Send + 'static>(&self, receiver: &NetReceiver<T>) -> Result<T, RecvError> {
        let running = self.pass();
        loop {
            match (receiver.0.try_recv(), &running) {
                (Ok(value), _) => return Ok(value),
                (Err(TryRecvError::Disconnected), _) | (Err(TryRecvError::Empty), None) => return Err(RecvError),
                (Err(TryRecvError::Empty), Some(running)) => drop(receiver.0.waiters.wait(running, "channel", None)),
            }
        }
    }

    fn channel_try_recv<T: Send + 'static>(&self, receiver: &NetReceiver<T>) -> Result<T, TryRecvError> {
        self.pass();
        receiver.0.try_recv()
    }

    fn channel_recv_timeout<T: Send + 'static>(
        &self,
        receiver: &NetReceiver<T>,
        timeout: Duration,
    ) -> Result<T, RecvTimeoutError> {
        let running = self.pass();
        let deadline = running.as_ref().map(|running| running.clock() + timeout);
        loop {
            match (receiver.0.try_recv(), &running, deadline) {
                (Ok(value), _, _) => return Ok(value),
                (Err(TryRecvError::Disconnected), _, _) => return Err(RecvTimeoutError::Disconnected),
                (Err(TryRecvError::Empty), Some(running), Some(deadline)) if running.clock() < deadline => {
                    receiver.0.waiters.wait(running, "channel", Some(deadline - running.clock()));
                }
                (Err(TryRecvError::Empty), _, _) => return Err(RecvTimeoutError::Timeout),
            }
        }
    }
}

impl Net {
    fn wait_on<'a, T: Send + 'static>(
        self,
        condvar: &NetCondvar,
        mut guard: NetGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> (NetGuard<'a, T>, bool) {
        let Some(running) = self.pass() else { return (guard, false) };
        let mutex = guard.mutex;
        guard.value = None;
        mutex.waiters.wake_one(self.sim());
        let notified = condvar.waiters.wait(&running, "condition variable", timeout);
        (self.lock(mutex), !notified)
    }
}
