//! Who decides what happens to calls: [`Source`].

use super::plan::{Call, Calls, Fault, Plan, Rate};
use crate::raw::{EpollEvent, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// Who decides what happens to the calls of a [`FaultyCalls`](super::FaultyCalls), and is told what did: a plan and its seed ([`Seeded`](super::Seeded)), or a
/// world that has a say of its own, as the simulator has, whose choices are recorded and shrunk.
///
/// A source decides; how a fault happens, and to what it can, is the business of `FaultyCalls`, the same for all of them.
///
/// ```
/// use twinsock::faulty::{Call, Decision, Fault, FaultyCalls, Source};
/// use twinsock::raw::{EpollEvent, RawFd, Syscalls};
/// use twinsock::Errno;
///
/// /// No process may have an epoll instance.
/// struct NoEpoll;
///
/// impl Source for NoEpoll {
///     type Turn<'a> = ();
///     type Mark = ();
///     fn begin(&self, call: Call, _: Option<RawFd>, _: impl FnOnce() -> Option<usize>) -> ((), Option<Decision<()>>) {
///         ((), (call == Call::EpollCreate1).then_some(Decision { fault: Fault::Emfile, mark: () }))
///     }
///     fn claim(&self, _: &Decision<()>, _: Option<usize>) -> bool {
///         true
///     }
///     fn below(&self, _: &Decision<()>, _: u64) -> u64 {
///         0
///     }
///     fn registered(&self, _: RawFd) -> Vec<(RawFd, EpollEvent)> {
///         Vec::new()
///     }
/// }
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// assert_eq!(FaultyCalls::new(net, NoEpoll).epoll_create1(0), Err(Errno::MFILE));
/// # }); }).unwrap();
/// ```
pub trait Source {
    /// Kept from the decision until the call has returned.
    type Turn<'a>
    where
        Self: 'a;
    /// What the source wants to know again when the fault happens.
    type Mark;

    /// A call is about to be made, on this descriptor (`None`: on none, or several), of so many bytes.
    fn begin(
        &self,
        call: Call,
        fd: Option<RawFd>,
        len: impl FnOnce() -> Option<usize>,
    ) -> (Self::Turn<'_>, Option<Decision<Self::Mark>>);

    /// The fault can happen to the call, and happens now, cutting it down to `len` bytes if it is [`Fault::Short`]. `false`: not after all.
    fn claim(&self, decision: &Decision<Self::Mark>, len: Option<usize>) -> bool;

    /// One of `0..n` for a fault that has to choose: how short, which of several. `n` is not 0.
    fn below(&self, decision: &Decision<Self::Mark>, n: u64) -> u64;

    /// What an epoll instance is interested in, in an order that is always the same; nothing, if that is not known.
    fn registered(&self, epfd: RawFd) -> Vec<(RawFd, EpollEvent)>;

    /// `epoll_ctl(2)` has succeeded.
    fn registered_now(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) {
        let _ignored = (epfd, op, fd, event);
    }

    /// The number is about to be closed or given away.
    fn forget(&self, fd: RawFd) {
        let _ignored = fd;
    }
}

/// A fault that is to happen to a call, if the call is one that it can happen to.
///
/// ```
/// use twinsock::faulty::{Decision, Fault};
/// let decision = Decision { fault: Fault::Eintr, mark: 7 };
/// assert_eq!(decision.fault.to_string(), "EINTR");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<M> {
    /// What is to happen.
    pub fault: Fault,
    /// The source's own.
    pub mark: M,
}

/// The rates of a plan, and how often each of them has come up so far: [`Rate::nth`] and [`Rate::at_most`].
///
/// ```
/// use twinsock::faulty::{Call, Course, Fault, Plan};
/// let course = Course::new(&Plan::new(7).with(Fault::Eintr.rate(1, 1).on(&[Call::Recv]).at_most(1)));
/// let (rate, fault) = course.fault(Call::Recv, |_place, num, den| num == den).unwrap();
/// assert!(fault == Fault::Eintr && course.claim(rate) && !course.claim(rate));
/// ```
#[derive(Debug)]
pub struct Course {
    rates: Vec<Active>,
    /// The calls that some rate is about.
    calls: Calls,
}

#[derive(Debug)]
struct Active {
    rate: Rate,
    place: u64,
    seen: AtomicU64,
    done: AtomicU64,
}

impl Course {
    /// The beginning of a plan.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Course, Plan};
    /// assert!(!Course::new(&Plan::new(7)).concerns(Call::Recv));
    /// ```
    #[must_use]
    pub fn new(plan: &Plan) -> Course {
        let active = |(rate, place)| Active { rate, place, seen: AtomicU64::new(0), done: AtomicU64::new(0) };
        Course {
            rates: plan.places().map(active).collect(),
            calls: plan.rates.iter().fold(Calls::NONE, |calls, rate| calls.and(rate.calls)),
        }
    }

    /// Whether some rate is about this call.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Course, Fault, Plan};
    /// let course = Course::new(&Plan::new(7).with(Fault::Econnaborted.rate(1, 2)));
    /// assert!(course.concerns(Call::Accept4) && !course.concerns(Call::Send));
    /// ```
    #[inline]
    #[must_use]
    pub fn concerns(&self, call: Call) -> bool {
        self.calls.contains(call)
    }

    /// The rates that are about a call, each by its place among the call's draws and its ratio.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Course, Fault, Plan};
    /// let course = Course::new(&Plan::new(7).with(Fault::Econnaborted.rate(1, 2)));
    /// assert!(course.ratios(Call::Accept4).all(|(_place, num, den)| (num, den) == (1, 2)));
    /// ```
    pub fn ratios(&self, call: Call) -> impl Iterator<Item = (u64, u32, u32)> {
        self.rates
            .iter()
            .filter(move |active| active.rate.calls.contains(call))
            .map(|Active { rate, place, .. }| (*place, rate.num, rate.den))
    }

    /// The first rate that hits a call, by its number, and its fault. `chance` says of a rate that is about the call, given by its place among a call's
    /// draws and its ratio, whether it comes true.
    ///
    /// ```
    /// use twinsock::faulty::{Call, Course, Fault, Plan};
    /// let course = Course::new(&Plan::new(7).with(Fault::Econnaborted.rate(1, 2)));
    /// assert_eq!(course.fault(Call::Accept4, |_, _, _| true), Some((0, Fault::Econnaborted)));
    /// assert_eq!(course.fault(Call::Accept4, |_, _, _| false), None);
    /// ```
    pub fn fault(&self, call: Call, mut chance: impl FnMut(u64, u32, u32) -> bool) -> Option<(usize, Fault)> {
        let index = self.rates.iter().position(|active| active.hits(call, &mut chance))?;
        Some((index, self.rates[index].rate.fault))
    }

    /// A fault of the rate of this number happens. `false`: it has happened as often as it may.
    ///
    /// ```
    /// use twinsock::faulty::{Course, Fault, Plan};
    /// let course = Course::new(&Plan::new(7).with(Fault::Eintr.rate(1, 2).at_most(1)));
    /// assert!(course.claim(0) && !course.claim(0));
    /// ```
    #[must_use]
    pub fn claim(&self, index: usize) -> bool {
        let active = &self.rates[index];
        let one_more = |done: u64| (done < active.rate.at_most).then(|| done.saturating_add(1));
        active.done.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

impl Active {
    fn hits(&self, call: Call, chance: &mut impl FnMut(u64, u32, u32) -> bool) -> bool {
        if !self.rate.calls.contains(call) {
            return false;
        }
        if let Some(nth) = self.rate.nth
            && self.seen.fetch_add(1, Ordering::Relaxed) != nth - 1
        {
            return false;
        }
        chance(self.place, self.rate.num, self.rate.den) && self.done.load(Ordering::Relaxed) < self.rate.at_most
    }
}
