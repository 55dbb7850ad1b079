//! What may go wrong, in which calls, and how often: [`Fault`], [`Call`], [`Rate`] and [`Plan`].

use super::draw;
use crate::errno::Errno;
use std::fmt;
use std::time::Duration;

/// Something that may happen to a system call, and that Linux may do.
///
/// What the kernel holds afterwards is what it would hold if the kernel itself had done it: the table says how. A call to which the
/// fault cannot happen (`EINTR` on a nonblocking descriptor, a short read of a datagram) is made as it is.
///
/// | fault | happens to | how |
/// |---|---|---|
/// | `Eintr` | what may wait: `accept4`, `connect`, sends, receives, `poll`, `select`, `epoll_wait` | nothing was done; `connect` goes on |
/// | `Short` | sends and receives on stream sockets | the real call, with 1 to `len` - 1 bytes |
/// | `Spurious` | `poll`, `select`, `epoll_wait` | the real answer at once, and a nonblocking socket is readable that is not |
/// | `Emfile`, `Enfile` | what makes a descriptor | `accept4` leaves the connection in its queue |
/// | `Enobufs`, `Enomem` | new sockets, sends, and for `Enomem` also `recvmsg`, `poll`, `select`, `epoll` | nothing was done |
/// | `Econnaborted` | `accept4` | a connection that nobody else saw; those in the queue stay |
/// | `Slow` | any call | the thread sleeps first, by its world's clock |
///
/// ```
/// use std::time::Duration;
/// use twinsock::faulty::{Call, Fault};
/// assert_eq!(Fault::Eintr.to_string(), "EINTR");
/// assert!(Fault::Slow(Duration::from_secs(1)).can_hit(Call::Bind) && !Fault::Eintr.can_hit(Call::Bind));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// `EINTR`: a signal came before anything was done.
    Eintr,
    /// A part of what was asked for, though not nothing: a signal came in between, a buffer was full, the rest had not arrived.
    Short,
    /// A descriptor is reported readable and is not; see `BUGS` in `select(2)`.
    Spurious,
    /// `EMFILE`: the process's table of descriptors is full.
    Emfile,
    /// `ENFILE`: the system's table of files is full.
    Enfile,
    /// `ENOBUFS`: no buffer space.
    Enobufs,
    /// `ENOMEM`: no memory.
    Enomem,
    /// `ECONNABORTED`: the connection was aborted before it was accepted.
    Econnaborted,
    /// The call takes this much longer.
    Slow(Duration),
}

impl Fault {
    /// All faults but `Slow`.
    pub const ERRORS: [Fault; 8] = [
        Fault::Eintr,
        Fault::Short,
        Fault::Spurious,
        Fault::Emfile,
        Fault::Enfile,
        Fault::Enobufs,
        Fault::Enomem,
        Fault::Econnaborted,
    ];

    /// This fault in `num` of `den` calls, on average; in every one of them if the two are equal.
    ///
    /// # Panics
    /// If `den` is 0 or less than `num`.
    ///
    /// ```
    /// use twinsock::faulty::{Fault, Plan};
    /// let plan = Plan::new(7).with(Fault::Eintr.rate(1, 100)); // one call in a hundred
    /// assert!(plan.has_rates());
    /// ```
    #[must_use]
    pub fn rate(self, num: u32, den: u32) -> Rate {
        assert!(den > 0 && num <= den, "a rate is a ratio from 0 to 1, not {num}/{den}");
        Rate { fault: self, num, den, calls: self.calls(), nth: None, at_most: u64::MAX }
    }

    /// The error that the call answers; `None` if it is none.
    ///
    /// ```
    /// use twinsock::{Errno, faulty::Fault};
    /// assert_eq!((Fault::Eintr.errno(), Fault::Short.errno()), (Some(Errno::INTR), None));
    /// ```
    #[must_use]
    pub const fn errno(self) -> Option<Errno> {
        match self {
            Fault::Eintr => Some(Errno::INTR),
            Fault::Emfile => Some(Errno::MFILE),
            Fault::Enfile => Some(Errno::NFILE),
            Fault::Enobufs => Some(Errno::NOBUFS),
            Fault::Enomem => Some(Errno::NOMEM),
            Fault::Econnaborted => Some(Errno::CONNABORTED),
            Fault::Short | Fault::Spurious | Fault::Slow(_) => None,
        }
    }

    /// Whether this fault can happen to `call`.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault};
    /// assert!(Fault::Econnaborted.can_hit(Call::Accept4) && !Fault::Econnaborted.can_hit(Call::Send));
    /// ```
    #[must_use]
    pub fn can_hit(self, call: Call) -> bool {
        self.calls().contains(call)
    }

    /// The calls that this fault can happen to, as their man pages have it.
    pub(super) fn calls(self) -> Calls {
        const NEW_SOCKET: Calls = Calls::of(&[Call::Socket, Call::Socketpair, Call::Accept4]);
        const NEW_FILE: Calls = NEW_SOCKET.and(Calls::of(&[Call::Pipe2, Call::EpollCreate1]));
        const SEND: Calls = Calls::of(&[Call::Send, Call::Sendto, Call::Sendmsg]);
        const RECV: Calls = Calls::of(&[Call::Recv, Call::Recvfrom, Call::Recvmsg]);
        const TRANSFER: Calls = SEND.and(RECV).and(Calls::of(&[Call::Read, Call::Write, Call::Readv, Call::Writev]));
        const WAIT: Calls = Calls::of(&[Call::Poll, Call::Select, Call::EpollWait]);
        match self {
            Fault::Eintr => TRANSFER.and(WAIT).and(Calls::of(&[Call::Accept4, Call::Connect])),
            Fault::Short => TRANSFER,
            Fault::Spurious => WAIT,
            Fault::Emfile => NEW_FILE.and(Calls::of(&[Call::Dup, Call::Fcntl])),
            Fault::Enfile => NEW_FILE,
            Fault::Enobufs => NEW_SOCKET.and(SEND),
            Fault::Enomem => NEW_SOCKET.and(SEND).and(Calls::of(&[
                Call::Recvmsg,
                Call::Poll,
                Call::Select,
                Call::EpollCreate1,
                Call::EpollCtl,
            ])),
            Fault::Econnaborted => Calls::of(&[Call::Accept4]),
            Fault::Slow(_) => Calls::of(&Call::ALL),
        }
    }

    /// The fault's place among a call's draws. Frozen, see `draw.rs`.
    pub(super) const fn number(self) -> u64 {
        match self {
            Fault::Eintr => 0,
            Fault::Short => 1,
            Fault::Spurious => 2,
            Fault::Emfile => 3,
            Fault::Enfile => 4,
            Fault::Enobufs => 5,
            Fault::Enomem => 6,
            Fault::Econnaborted => 7,
            Fault::Slow(_) => 8,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Short => f.write_str("short"),
            Fault::Spurious => f.write_str("spurious readiness"),
            Fault::Slow(time) => write!(f, "{time:?} slow"),
            Fault::Eintr | Fault::Emfile | Fault::Enfile | Fault::Enobufs | Fault::Enomem | Fault::Econnaborted => {
                f.write_str(self.errno().and_then(Errno::name).unwrap_or_default())
            }
        }
    }
}

macro_rules! calls {
    ($($place:literal $name:ident $text:literal;)*) => {
        /// A system call of [`Syscalls`](crate::raw::Syscalls), by its Linux name.
        ///
        /// ```
        /// use twinsock::faulty::Call;
        /// assert_eq!(Call::EpollCreate1.to_string(), "epoll_create1");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Call {
            $(#[doc = concat!("`", $text, "(2)`.")] $name,)*
        }

        impl Call {
            /// All of them.
            pub const ALL: [Call; 32] = [$(Call::$name),*];

            /// Its name.
            ///
            /// ```
            /// use twinsock::faulty::Call;
            /// assert_eq!(Call::Accept4.name(), "accept4");
            /// ```
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Call::$name => $text,)* }
            }
        }

        impl Calls {
            /// The call's bit; bits are of no meaning outside a run.
            #[inline]
            const fn bit(call: Call) -> u32 {
                match call { $(Call::$name => 1 << $place,)* }
            }
        }
    };
}

calls! {
    0 Socket "socket"; 1 Socketpair "socketpair"; 2 Bind "bind"; 3 Listen "listen"; 4 Accept4 "accept4"; 5 Connect "connect";
    6 Shutdown "shutdown"; 7 Getsockname "getsockname"; 8 Getpeername "getpeername"; 9 Getsockopt "getsockopt";
    10 Setsockopt "setsockopt"; 11 Send "send"; 12 Sendto "sendto"; 13 Sendmsg "sendmsg"; 14 Recv "recv";
    15 Recvfrom "recvfrom"; 16 Recvmsg "recvmsg"; 17 Read "read"; 18 Write "write"; 19 Readv "readv"; 20 Writev "writev";
    21 Fcntl "fcntl"; 22 Ioctl "ioctl"; 23 Pipe2 "pipe2"; 24 Dup "dup"; 25 Dup3 "dup3"; 26 Close "close"; 27 Poll "poll";
    28 Select "select"; 29 EpollCreate1 "epoll_create1"; 30 EpollCtl "epoll_ctl"; 31 EpollWait "epoll_wait";
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of calls: a bit for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Calls(u32);

impl Calls {
    pub(super) const NONE: Calls = Calls(0);

    const fn of(calls: &[Call]) -> Calls {
        let (mut bits, mut index) = (0, 0);
        while index < calls.len() {
            bits |= Calls::bit(calls[index]);
            index += 1;
        }
        Calls(bits)
    }

    pub(super) const fn and(self, others: Calls) -> Calls {
        Calls(self.0 | others.0)
    }

    #[inline]
    pub(super) const fn contains(self, call: Call) -> bool {
        self.0 & Calls::bit(call) != 0
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Call::ALL.iter().filter(|call| self.contains(**call))).finish()
    }
}

/// How often a fault happens, and to which calls; made by [`Fault::rate`].
///
/// ```
/// use twinsock::faulty::{Call, Fault, Rate};
/// let rate: Rate = Fault::Short.rate(1, 3).on(&[Call::Send]).at_most(10);
/// # let _ = rate;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub(super) fault: Fault,
    pub(super) num: u32,
    pub(super) den: u32,
    pub(super) calls: Calls,
    pub(super) nth: Option<u64>,
    pub(super) at_most: u64,
}

impl Rate {
    /// To these calls only.
    ///
    /// # Panics
    /// If the fault [cannot happen](Fault::can_hit) to one of them.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault, Plan};
    /// let plan = Plan::new(7).with(Fault::Short.rate(1, 2).on(&[Call::Send, Call::Recv]));
    /// # drop(plan);
    /// ```
    #[must_use]
    pub fn on(self, calls: &[Call]) -> Rate {
        for call in calls {
            assert!(self.fault.can_hit(*call), "{} does not happen to {call}", self.fault);
        }
        Rate { calls: Calls::of(calls), ..self }
    }

    /// To the `nth` of its calls only, counted from 1 over all threads: which one that is depends on nothing else where one thread makes
    /// these calls.
    ///
    /// # Panics
    /// If `nth` is 0.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Fault, Plan};
    /// let third_accept = Plan::new(7).with(Fault::Emfile.rate(1, 1).on(&[Call::Accept4]).nth(3));
    /// # drop(third_accept);
    /// ```
    #[must_use]
    pub fn nth(self, nth: u64) -> Rate {
        assert!(nth > 0, "calls are counted from 1");
        Rate { nth: Some(nth), ..self }
    }

    /// At most `count` times, counted over all threads.
    ///
    /// ```
    /// use twinsock::faulty::{Fault, Plan};
    /// let five_signals = Plan::new(7).with(Fault::Eintr.rate(1, 10).at_most(5));
    /// # drop(five_signals);
    /// ```
    #[must_use]
    pub fn at_most(self, count: u64) -> Rate {
        Rate { at_most: count, ..self }
    }
}

/// Which faults happen: a seed, and how often each of them is to happen.
///
/// ```
/// use std::time::Duration;
/// use twinsock::faulty::{Call, Fault, Plan};
///
/// let plan = Plan::new(42)
///     .with(Fault::Eintr.rate(1, 10))
///     .with(Fault::Short.rate(1, 3).on(&[Call::Send, Call::Recv]))
///     .with(Fault::Emfile.rate(1, 1).on(&[Call::Accept4]).nth(3))
///     .with(Fault::Slow(Duration::from_millis(50)).rate(1, 100).at_most(5));
/// assert_eq!(plan.seed(), 42);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) seed: u64,
    pub(super) rates: Vec<Rate>,
    pub(super) keep: usize,
    pub(super) interest: bool,
}

/// How many injected faults are kept for reports unless [`Plan::keep`] says otherwise.
const KEEP_DEFAULT: usize = 1024;

impl Plan {
    /// The plan of a seed in which nothing happens.
    ///
    /// ```
    /// use twinsock::faulty::Plan;
    /// assert!(!Plan::new(7).has_rates());
    /// ```
    #[must_use]
    pub fn new(seed: u64) -> Plan {
        Plan { seed, rates: Vec::new(), keep: KEEP_DEFAULT, interest: false }
    }

    /// All faults but `Slow`, each in `num` of `den` calls that it can happen to.
    ///
    /// # Panics
    /// As [`Fault::rate`].
    ///
    /// ```
    /// use twinsock::faulty::Plan;
    /// assert!(Plan::all(7, 1, 100).has_rates());
    /// ```
    #[must_use]
    pub fn all(seed: u64, num: u32, den: u32) -> Plan {
        Fault::ERRORS.into_iter().fold(Plan::new(seed), |plan, fault| plan.with(fault.rate(num, den)))
    }

    /// A fault more. At most one happens to a call: the first of the plan that hits it.
    ///
    /// ```
    /// use twinsock::faulty::{Fault, Plan};
    /// let plan = Plan::new(7).with(Fault::Eintr.rate(1, 10)).with(Fault::Short.rate(1, 10));
    /// # drop(plan);
    /// ```
    #[must_use]
    pub fn with(mut self, rate: Rate) -> Plan {
        self.interest |= rate.fault == Fault::Spurious && rate.calls.contains(Call::EpollWait);
        self.rates.push(rate);
        self
    }

    /// How many injected faults are kept for reports, the latest ones: 1024 unless this says otherwise.
    ///
    /// ```
    /// use twinsock::faulty::Plan;
    /// let plan = Plan::all(7, 1, 100).keep(1_000_000);
    /// # drop(plan);
    /// ```
    #[must_use]
    pub fn keep(self, count: usize) -> Plan {
        Plan { keep: count, ..self }
    }

    /// Keeps account of what epoll instances are interested in, which a [rule](super::Faulty::rule) needs that makes `epoll_wait(2)`
    /// spurious; a plan with a rate for that does so anyway. It costs a lock for each `epoll_ctl` and each `close`.
    ///
    /// ```
    /// use twinsock::{Os, faulty::{Call, Fault, Faulty, Plan}};
    /// let faulty = Faulty::new(Os, Plan::new(7).watch_epoll());
    /// let first = faulty.nth(1, Call::EpollWait, Fault::Spurious);
    /// # drop(first);
    /// ```
    #[must_use]
    pub fn watch_epoll(self) -> Plan {
        Plan { interest: true, ..self }
    }

    /// Whether anything happens.
    ///
    /// ```
    /// use twinsock::faulty::Plan;
    /// assert!(Plan::all(7, 1, 100).has_rates() && !Plan::new(7).has_rates());
    /// ```
    #[must_use]
    pub fn has_rates(&self) -> bool {
        !self.rates.is_empty()
    }

    /// The seed.
    ///
    /// ```
    /// use twinsock::faulty::Plan;
    /// assert_eq!(Plan::new(7).seed(), 7);
    /// ```
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The rates, each with its place among a call's draws.
    pub(super) fn places(&self) -> impl Iterator<Item = (Rate, u64)> + '_ {
        self.rates.iter().enumerate().map(|(index, rate)| {
            let number = rate.fault.number();
            let before = self.rates[..index].iter().filter(|other| other.fault.number() == number).count();
            let before = u64::try_from(before).expect("a count fits 64 bits");
            (*rate, number * draw::RATES + before)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_a_bit_and_a_name_of_its_own() {
        let bits = Call::ALL.iter().fold(0, |bits, call| bits | Calls::bit(*call));
        assert_eq!(bits, u32::MAX, "32 calls, 32 bits");
        let names: std::collections::BTreeSet<&str> = Call::ALL.iter().map(|call| call.name()).collect();
        assert_eq!(names.len(), Call::ALL.len());
    }

    #[test]
    fn closing_does_not_fail() {
        assert_eq!(Fault::ERRORS.into_iter().find(|fault| fault.can_hit(Call::Close)), None);
    }

    #[test]
    fn rates_of_other_faults_do_not_move_a_rate() {
        let one = Plan::new(1).with(Fault::Short.rate(1, 2)).with(Fault::Short.rate(1, 3));
        let more = Plan::new(1).with(Fault::Eintr.rate(1, 2)).with(Fault::Short.rate(1, 2)).with(Fault::Short.rate(1, 3));
        let places = |plan: &Plan| plan.places().map(|(_, place)| place).collect::<Vec<_>>();
        assert_eq!(places(&one), [draw::RATES, draw::RATES + 1]);
        assert_eq!(places(&more), [0, draw::RATES, draw::RATES + 1]);
    }
}
