//! [`Faulty`]: a world whose system calls fail now and then, as Linux's may.
//!
//! - `plan`: what may go wrong, in which calls, and how often.
//! - `source`: who decides. `draw`, `thread`, `shared`: whether something happens to a call; it depends on the seed, on how the calling thread was spawned, and
//!   on how many calls it has made.
//! - `calls`, `wait`, `interest`: making it happen, so that the kernel holds afterwards what it would hold had it done so itself.
//! - `env`: the rest of the world, to which nothing happens.

mod calls;
mod draw;
mod env;
mod interest;
mod plan;
mod shared;
mod source;
mod thread;
mod wait;

pub use calls::FaultyCalls;
pub use env::FaultyJoin;
pub use plan::{Call, Fault, Plan, Rate};
pub use shared::{CallInfo, Injected, RuleGuard, Seeded};
pub use source::{Course, Decision, Source};
pub use thread::ThreadPath;

use crate::api::SocketApi;
use crate::env::Clock;
use crate::raw::{RawFd, Vouch};
use shared::Shared;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The world `A`, in which system calls fail as a [`Plan`] has it: round [`Os`](crate::Os) in a staging environment, round a simulated
/// process in a test.
///
/// What happens to a call is what Linux may do to it, and leaves the kernel as Linux would: no byte is lost, none comes twice, and a
/// connection that `accept` did not hand over is still in the queue. See [`Fault`].
///
/// **Reproducible.** Whether something happens to a call depends on the plan, on how the calling thread was spawned ([`ThreadPath`]), and on
/// how many calls it has made before; not on time, addresses, descriptor numbers or other threads, but for
/// [`nth`](Rate::nth) and [`at_most`](Rate::at_most), which count for all threads. Threads must be spawned through the `Faulty` for
/// that. Dropping a socket is not a call.
///
/// **Price.** A call to which nothing can happen costs its counter: no lock and no allocation. A thread's first call
/// allocates. A fault asks the world first whether it can happen, by a few calls such as `fcntl(2)`, which take their time in the simulator
/// too.
///
/// ```
/// use twinsock::faulty::{Fault, Faulty, Plan};
/// use twinsock::{Domain, Errno, MsgFlags, Os, Protocol, Result, SockFlags, SocketApi, Type};
///
/// /// Sends all, whatever happens to the calls.
/// fn send_all<A: SocketApi>(api: &A, socket: &A::Socket, mut data: &[u8]) -> Result<()> {
///     while !data.is_empty() {
///         match api.send(socket, data, MsgFlags::NONE) {
///             Ok(count) => data = &data[count..],
///             Err(Errno::INTR) => {}
///             Err(errno) => return Err(errno),
///         }
///     }
///     Ok(())
/// }
///
/// let faulty = Faulty::new(Os, Plan::new(7).with(Fault::Short.rate(1, 2)).with(Fault::Eintr.rate(1, 2)));
/// let (a, b) = faulty.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
/// send_all(&faulty, &a, b"every byte arrives")?;
/// let mut bytes = [0; 64];
/// assert_eq!(faulty.inner().recv(b.get_ref(), &mut bytes, MsgFlags::NONE)?, 18);
/// assert!(faulty.injected_count() > 0);
/// # Ok::<(), Errno>(())
/// ```
pub struct Faulty<A> {
    calls: FaultyCalls<A>,
}

impl<A: Clone> Clone for Faulty<A> {
    fn clone(&self) -> Faulty<A> {
        Faulty { calls: self.calls.again() }
    }
}

impl<A: fmt::Debug> fmt::Debug for Faulty<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faulty").field(&self.calls.api).finish()
    }
}

impl<A: Clone> FaultyCalls<A> {
    fn again(&self) -> FaultyCalls<A> {
        FaultyCalls { api: self.api.clone(), source: Seeded(Arc::clone(&self.source.0)) }
    }
}

impl<A> Faulty<A> {
    /// The world `api` with the faults of `plan`. The calling thread is thread `0`; clones share plan, rules and record.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault, Faulty, Plan};
    /// use twinsock::{Errno, Os, SocketApi};
    /// let faulty = Faulty::new(Os, Plan::new(7).with(Fault::Enomem.rate(1, 1).on(&[Call::EpollCreate1])));
    /// assert_eq!(faulty.epoll_create().err(), Some(Errno::NOMEM));
    /// ```
    pub fn new(api: A, plan: Plan) -> Faulty<A> {
        let shared = Arc::new(Shared::new(&plan));
        thread::put(&shared, shared.next_top());
        Faulty { calls: FaultyCalls { api, source: Seeded(shared) } }
    }

    /// The world inside, to which nothing happens. Calls made there are not counted.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault, Faulty, Plan};
    /// use twinsock::{Errno, Os, SocketApi};
    /// let faulty = Faulty::new(Os, Plan::new(7).with(Fault::Enomem.rate(1, 1).on(&[Call::EpollCreate1])));
    /// assert!(faulty.inner().epoll_create().is_ok());
    /// # let _ = Errno::NOMEM;
    /// ```
    #[must_use]
    pub fn inner(&self) -> &A {
        &self.calls.api
    }

    /// Asks `rule` before each call what is to happen to it, before the plan is asked; until the guard is dropped.
    ///
    /// A fault that [cannot happen](Fault::can_hit) to the call is left out. Rules are asked in the order in which they were made, up to the
    /// first that wants something, one call at a time, under a lock: a rule must make no calls.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault, Faulty, Plan};
    /// use twinsock::{Domain, Errno, Os, Protocol, SockFlags, SocketApi, Type};
    ///
    /// let faulty = Faulty::new(Os, Plan::new(0));
    /// let new_socket = || faulty.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP);
    ///
    /// let full = faulty.rule(|call| (call.call == Call::Socket).then_some(Fault::Emfile));
    /// assert_eq!(new_socket().err(), Some(Errno::MFILE));
    /// assert_eq!(full.hits(), 1);
    /// drop(full);
    /// assert!(new_socket().is_ok());
    /// ```
    pub fn rule(&self, rule: impl FnMut(&CallInfo) -> Option<Fault> + Send + 'static) -> RuleGuard {
        self.calls.source.0.add_rule(Box::new(rule))
    }

    /// A rule for one thing: `fault` happens to the `nth` call of this kind from now on, counted from 1 over all threads.
    ///
    /// # Panics
    /// If `nth` is 0, or the fault [cannot happen](Fault::can_hit) to such a call.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault, Faulty, Plan};
    /// use twinsock::{Errno, Os, SocketApi};
    ///
    /// let faulty = Faulty::new(Os, Plan::new(0));
    /// let _second = faulty.nth(2, Call::EpollCreate1, Fault::Enfile);
    /// let made = [1, 2, 3].map(|_| faulty.epoll_create().map(drop));
    /// assert_eq!(made, [Ok(()), Err(Errno::NFILE), Ok(())]);
    /// assert_eq!(faulty.injected()[0].to_string(), "thread 0 call 1: epoll_create1: ENFILE");
    /// ```
    pub fn nth(&self, nth: u64, call: Call, fault: Fault) -> RuleGuard {
        assert!(nth > 0, "calls are counted from 1");
        assert!(fault.can_hit(call), "{fault} does not happen to {call}");
        let mut seen = 0;
        self.rule(move |info| {
            seen += u64::from(info.call == call);
            (info.call == call && seen == nth).then_some(fault)
        })
    }

    /// The faults that have been injected, the latest ones, as many as the plan [keeps](Plan::keep). Those of one thread are in its order.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault, Faulty, Plan};
    /// use twinsock::{Errno, Os, SocketApi};
    /// let faulty = Faulty::new(Os, Plan::new(7).with(Fault::Enomem.rate(1, 1).on(&[Call::EpollCreate1])));
    /// assert_eq!(faulty.epoll_create().err(), Some(Errno::NOMEM));
    /// assert_eq!(faulty.injected()[0].to_string(), "thread 0 call 0: epoll_create1: ENOMEM");
    /// ```
    #[must_use]
    pub fn injected(&self) -> Vec<Injected> {
        self.calls.source.0.injected()
    }

    /// How many faults have been injected.
    ///
    /// ```
    /// use twinsock::{Os, faulty::{Faulty, Plan}};
    /// assert_eq!(Faulty::new(Os, Plan::new(7)).injected_count(), 0);
    /// ```
    #[must_use]
    pub fn injected_count(&self) -> u64 {
        self.calls.source.0.injected_count()
    }

    /// Brings a socket of the world inside under the plan: one that was inherited, or set up undisturbed.
    ///
    /// ```
    /// use twinsock::{Os, SocketApi, faulty::{Faulty, Plan}};
    /// let faulty = Faulty::new(Os, Plan::all(7, 1, 10));
    /// let socket = faulty.wrap(faulty.inner().epoll_create()?);
    /// # drop(socket);
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    pub fn wrap(&self, socket: A::Socket) -> FaultySocket<A>
    where
        A: SocketApi,
    {
        FaultySocket { calls: self.calls.again(), socket: Some(socket) }
    }

    /// Calls into the world, and puts the thread's account back afterwards.
    fn kept<R>(&self, act: impl FnOnce(&A) -> R) -> R {
        thread::kept(&self.calls.source.0, || act(&self.calls.api))
    }
}

impl<A: SocketApi + Clock> SocketApi for Faulty<A> {
    type Socket = FaultySocket<A>;
    type Calls = FaultyCalls<A>;

    #[inline]
    fn calls(&self, _vouch: Vouch<Self>) -> &FaultyCalls<A> {
        &self.calls
    }

    #[inline]
    fn fileno(&self, socket: &FaultySocket<A>) -> RawFd {
        self.calls.api.fileno(socket.get_ref())
    }

    fn adopt(&self, fd: RawFd, _vouch: Vouch<Self>) -> FaultySocket<A> {
        self.wrap(self.calls.api.adopt(fd, Vouch::for_owned()))
    }

    fn release(&self, socket: FaultySocket<A>) -> RawFd {
        self.calls.api.release(socket.into_inner())
    }

    /// Nothing happens to this: that a name does not resolve is not a system call's fault.
    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>> {
        self.kept(|api| api.getaddrinfo(node, port))
    }
}

/// A socket of [`Faulty`]: one of the world inside. Dropping it closes it, and nothing happens to that.
///
/// ```
/// use twinsock::{Os, SocketApi, faulty::{Faulty, FaultySocket, Plan}};
/// let faulty = Faulty::new(Os, Plan::new(7));
/// let epoll: FaultySocket<Os> = faulty.epoll_create()?;
/// # drop(epoll);
/// # Ok::<(), twinsock::Errno>(())
/// ```
pub struct FaultySocket<A: SocketApi> {
    calls: FaultyCalls<A>,
    /// There until it is given away or dropped.
    socket: Option<A::Socket>,
}

impl<A: SocketApi> FaultySocket<A> {
    /// The world's own socket, for calls to which nothing happens.
    ///
    /// ```
    /// use twinsock::{Os, SocketApi, faulty::{Faulty, Plan}};
    /// let faulty = Faulty::new(Os, Plan::new(7));
    /// let epoll = faulty.epoll_create()?;
    /// assert!(Os.fileno(epoll.get_ref()) >= 0);
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "whoever takes the socket out owns this value and is the last to see it")]
    pub fn get_ref(&self) -> &A::Socket {
        self.socket.as_ref().expect("a socket is there until it is dropped")
    }

    /// The world's own socket.
    ///
    /// ```
    /// use twinsock::{Os, SocketApi, faulty::{Faulty, Plan}};
    /// let faulty = Faulty::new(Os, Plan::new(7));
    /// Os.close(faulty.epoll_create()?.into_inner())?;
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "nobody else takes the socket out")]
    pub fn into_inner(mut self) -> A::Socket {
        self.calls.source.forget(self.calls.api.fileno(self.get_ref()));
        self.socket.take().expect("a socket is there until it is dropped")
    }
}

impl<A: SocketApi> Drop for FaultySocket<A> {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.calls.source.forget(self.calls.api.fileno(&socket));
            thread::kept(&self.calls.source.0, || drop(socket));
        }
    }
}

impl<A: SocketApi<Socket: fmt::Debug>> fmt::Debug for FaultySocket<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultySocket").field(self.get_ref()).finish()
    }
}
