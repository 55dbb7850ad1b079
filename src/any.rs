//! [`Any`]: one of two worlds, chosen at run time, for code that cannot be generic.

use crate::api::SocketApi;
use crate::env::{Clock, Entropy, Instant, JoinThread, Spawn};
use crate::raw::{RawFd, Syscalls, Vouch};
use crate::sync::{Primitives, RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::io;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, SystemTime};

/// The world `R` or the world `S`: `Any<Os, Net>` is the kernel or the simulator.
///
/// Its socket, lock and thread types are enums of the two worlds' types. A socket of one world is EBADF to the other.
///
/// ```
/// use twinsock::{Any, Domain, Errno, MsgFlags, Os, Protocol, Socket, Type};
///
/// struct Server {
///     socket: Socket<Any<Os, Os>>, // the second one is `twinsock_sim::Net` in real life
/// }
///
/// let world: Any<Os, Os> = if std::env::args().any(|arg| arg == "--simulate") { Any::Sim(Os) } else { Any::Real(Os) };
/// let socket = Socket::new(&world, Domain::INET, Type::STREAM, Protocol::DEFAULT).unwrap();
/// let server = Server { socket };
/// assert_eq!(server.socket.recv(1, MsgFlags::NONE), Err(Errno::NOTCONN));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Any<R, S> {
    /// The first world, usually [`Os`](crate::Os).
    Real(R),
    /// The second world, usually a simulated process.
    Sim(S),
}

/// Something of one of the two worlds.
///
/// ```
/// use twinsock::{Any, Domain, Either, Os, Protocol, SockFlags, SocketApi, Type};
/// let world: Any<Os, Os> = Any::Real(Os);
/// let socket = world.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
/// assert!(matches!(socket, Either::Real(_)));
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<R, S> {
    /// Of the first world.
    Real(R),
    /// Of the second world.
    Sim(S),
}

impl<R, S> SocketApi for Any<R, S>
where
    R: SocketApi<Calls: Sized>,
    S: SocketApi<Calls: Sized>,
{
    type Socket = Either<R::Socket, S::Socket>;
    type Calls = dyn Syscalls;

    fn calls(&self, _vouch: Vouch<Self>) -> &(dyn Syscalls + 'static) {
        match self {
            Any::Real(api) => api.calls(Vouch::for_owned()),
            Any::Sim(api) => api.calls(Vouch::for_owned()),
        }
    }

    fn fileno(&self, socket: &Self::Socket) -> RawFd {
        match (self, socket) {
            (Any::Real(api), Either::Real(socket)) => api.fileno(socket),
            (Any::Sim(api), Either::Sim(socket)) => api.fileno(socket),
            (Any::Real(_), Either::Sim(_)) | (Any::Sim(_), Either::Real(_)) => -1,
        }
    }

    fn adopt(&self, fd: RawFd, _vouch: Vouch<Self>) -> Self::Socket {
        match self {
            Any::Real(api) => Either::Real(api.adopt(fd, Vouch::for_owned())),
            Any::Sim(api) => Either::Sim(api.adopt(fd, Vouch::for_owned())),
        }
    }

    /// -1 for a socket of the other world, which is closed.
    fn release(&self, socket: Self::Socket) -> RawFd {
        match (self, socket) {
            (Any::Real(api), Either::Real(socket)) => api.release(socket),
            (Any::Sim(api), Either::Sim(socket)) => api.release(socket),
            (Any::Real(_), Either::Sim(_)) | (Any::Sim(_), Either::Real(_)) => -1,
        }
    }

    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>> {
        match self {
            Any::Real(api) => api.getaddrinfo(node, port),
            Any::Sim(api) => api.getaddrinfo(node, port),
        }
    }
}

impl<R: Clock, S: Clock> Clock for Any<R, S> {
    fn now(&self) -> Instant {
        match self {
            Any::Real(api) => api.now(),
            Any::Sim(api) => api.now(),
        }
    }

    fn wall(&self) -> SystemTime {
        match self {
            Any::Real(api) => api.wall(),
            Any::Sim(api) => api.wall(),
        }
    }

    fn sleep(&self, duration: Duration) {
        match self {
            Any::Real(api) => api.sleep(duration),
            Any::Sim(api) => api.sleep(duration),
        }
    }
}

impl<R: Spawn, S: Spawn> Spawn for Any<R, S> {
    type Join<T: Send + 'static> = Either<R::Join<T>, S::Join<T>>;

    fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> Self::Join<T> {
        match self {
            Any::Real(api) => Either::Real(api.spawn(body)),
            Any::Sim(api) => Either::Sim(api.spawn(body)),
        }
    }
}

impl<T, R: JoinThread<T>, S: JoinThread<T>> JoinThread<T> for Either<R, S> {
    fn join(self) -> std::thread::Result<T> {
        match self {
            Either::Real(thread) => thread.join(),
            Either::Sim(thread) => thread.join(),
        }
    }
}

impl<R: Entropy, S: Entropy> Entropy for Any<R, S> {
    fn fill(&self, bytes: &mut [u8]) {
        match self {
            Any::Real(api) => api.fill(bytes),
            Any::Sim(api) => api.fill(bytes),
        }
    }
}

impl<T, R: Deref<Target = T>, S: Deref<Target = T>> Deref for Either<R, S> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Either::Real(guard) => guard,
            Either::Sim(guard) => guard,
        }
    }
}

impl<T, R: DerefMut<Target = T>, S: DerefMut<Target = T>> DerefMut for Either<R, S> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Either::Real(guard) => guard,
            Either::Sim(guard) => guard,
        }
    }
}

/// A lock, condition variable or end of a channel with its world, so that no call can bring the two worlds together.
type Of<R, RawR, S, RawS> = Either<(R, RawR), (S, RawS)>;

impl<R: Primitives, S: Primitives> Primitives for Any<R, S> {
    type Mutex<T: Send + 'static> = Of<R, R::Mutex<T>, S, S::Mutex<T>>;
    type Guard<'a, T: Send + 'static> = Either<R::Guard<'a, T>, S::Guard<'a, T>>;
    type Condvar = Of<R, R::Condvar, S, S::Condvar>;
    type Sender<T: Send + 'static> = Of<R, R::Sender<T>, S, S::Sender<T>>;
    type Receiver<T: Send + 'static> = Of<R, R::Receiver<T>, S, S::Receiver<T>>;

    fn mutex<T: Send + 'static>(&self, value: T) -> Self::Mutex<T> {
        match self {
            Any::Real(api) => Either::Real((api.clone(), api.mutex(value))),
            Any::Sim(api) => Either::Sim((api.clone(), api.mutex(value))),
        }
    }

    fn lock<'a, T: Send + 'static>(&self, mutex: &'a Self::Mutex<T>) -> Self::Guard<'a, T> {
        match mutex {
            Either::Real((api, mutex)) => Either::Real(api.lock(mutex)),
            Either::Sim((api, mutex)) => Either::Sim(api.lock(mutex)),
        }
    }

    fn try_lock<'a, T: Send + 'static>(&self, mutex: &'a Self::Mutex<T>) -> Option<Self::Guard<'a, T>> {
        match mutex {
            Either::Real((api, mutex)) => api.try_lock(mutex).map(Either::Real),
            Either::Sim((api, mutex)) => api.try_lock(mutex).map(Either::Sim),
        }
    }

    fn mutex_get_mut<'a, T: Send + 'static>(&self, mutex: &'a mut Self::Mutex<T>) -> &'a mut T {
        match mutex {
            Either::Real((api, mutex)) => api.mutex_get_mut(mutex),
            Either::Sim((api, mutex)) => api.mutex_get_mut(mutex),
        }
    }

    fn mutex_into_inner<T: Send + 'static>(&self, mutex: Self::Mutex<T>) -> T {
        match mutex {
            Either::Real((api, mutex)) => api.mutex_into_inner(mutex),
            Either::Sim((api, mutex)) => api.mutex_into_inner(mutex),
        }
    }

    fn condvar(&self) -> Self::Condvar {
        match self {
            Any::Real(api) => Either::Real((api.clone(), api.condvar())),
            Any::Sim(api) => Either::Sim((api.clone(), api.condvar())),
        }
    }

    /// Returns at once, as a wait may, if condition variable and lock are of different worlds.
    fn wait<'a, T: Send + 'static>(&self, condvar: &Self::Condvar, guard: Self::Guard<'a, T>) -> Self::Guard<'a, T> {
        match (condvar, guard) {
            (Either::Real((api, condvar)), Either::Real(guard)) => Either::Real(api.wait(condvar, guard)),
            (Either::Sim((api, condvar)), Either::Sim(guard)) => Either::Sim(api.wait(condvar, guard)),
            (Either::Real(_) | Either::Sim(_), guard) => guard,
        }
    }

    /// Returns at once, as if the time had run out, if condition variable and lock are of different worlds.
    fn wait_timeout<'a, T: Send + 'static>(
        &self,
        condvar: &Self::Condvar,
        guard: Self::Guard<'a, T>,
        timeout: Duration,
    ) -> (Self::Guard<'a, T>, bool) {
        match (condvar, guard) {
            (Either::Real((api, condvar)), Either::Real(guard)) => {
                let (guard, timed_out) = api.wait_timeout(condvar, guard, timeout);
                (Either::Real(guard), timed_out)
            }
            (Either::Sim((api, condvar)), Either::Sim(guard)) => {
                let (guard, timed_out) = api.wait_timeout(condvar, guard, timeout);
                (Either::Sim(guard), timed_out)
            }
            (Either::Real(_) | Either::Sim(_), guard) => (guard, true),
        }
    }

    fn notify_one(&self, condvar: &Self::Condvar) {
        match condvar {
            Either::Real((api, condvar)) => api.notify_one(condvar),
            Either::Sim((api, condvar)) => api.notify_one(condvar),
        }
    }

    fn notify_all(&self, condvar: &Self::Condvar) {
        match condvar {
            Either::Real((api, condvar)) => api.notify_all(condvar),
            Either::Sim((api, condvar)) => api.notify_all(condvar),
        }
    }

    fn channel<T: Send + 'static>(&self) -> (Self::Sender<T>, Self::Receiver<T>) {
        match self {
            Any::Real(api) => {
                let (sender, receiver) = api.channel();
                (Either::Real((api.clone(), sender)), Either::Real((api.clone(), receiver)))
            }
            Any::Sim(api) => {
                let (sender, receiver) = api.channel();
                (Either::Sim((api.clone(), sender)), Either::Sim((api.clone(), receiver)))
            }
        }
    }

    fn channel_send<T: Send + 'static>(&self, sender: &Self::Sender<T>, value: T) -> Result<(), SendError<T>> {
        match sender {
            Either::Real((api, sender)) => api.channel_send(sender, value),
            Either::Sim((api, sender)) => api.channel_send(sender, value),
        }
    }

    fn channel_recv<T: Send + 'static>(&self, receiver: &Self::Receiver<T>) -> Result<T, RecvError> {
        match receiver {
            Either::Real((api, receiver)) => api.channel_recv(receiver),
            Either::Sim((api, receiver)) => api.channel_recv(receiver),
        }
    }

    fn channel_try_recv<T: Send + 'static>(&self, receiver: &Self::Receiver<T>) -> Result<T, TryRecvError> {
        match receiver {
            Either::Real((api, receiver)) => api.channel_try_recv(receiver),
            Either::Sim((api, receiver)) => api.channel_try_recv(receiver),
        }
    }

    fn channel_recv_timeout<T: Send + 'static>(
        &self,
        receiver: &Self::Receiver<T>,
        timeout: Duration,
    ) -> Result<T, RecvTimeoutError> {
        match receiver {
            Either::Real((api, receiver)) => api.channel_recv_timeout(receiver, timeout),
            Either::Sim((api, receiver)) => api.channel_recv_timeout(receiver, timeout),
        }
    }
}
