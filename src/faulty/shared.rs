//! What all clones of a [`Faulty`](super::Faulty) share: the plan, the rules, what was injected. It decides, and makes no call.

use super::draw;
use super::interest::Interest;
use super::plan::{Call, Fault, Plan};
use super::source::{Course, Decision, Source};
use super::thread::{Lane, ThreadPath, Turn};
use crate::raw::{EpollEvent, RawFd};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A call that is about to be made, as a [rule](super::Faulty::rule) sees it.
///
/// ```
/// use twinsock::{Os, faulty::{Call, CallInfo, Fault, Faulty, Plan}};
/// fn large_sends(call: &CallInfo) -> Option<Fault> {
///     (call.call == Call::Send && call.len > Some(1024)).then_some(Fault::Short)
/// }
/// let faulty = Faulty::new(Os, Plan::new(7));
/// let rule = faulty.rule(large_sends);
/// # drop(rule);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallInfo {
    /// Which call.
    pub call: Call,
    /// The thread that makes it.
    pub thread: ThreadPath,
    /// How many calls that thread has made before.
    pub index: u64,
    /// The descriptor that it is made on; `None` where it takes none, or several.
    pub fd: Option<RawFd>,
    /// How many bytes are to be sent, or may be received.
    pub len: Option<usize>,
}

/// A fault that was injected.
///
/// Its `Display` is a line for a report: `thread 0.1 call 17: recv: EINTR`.
///
/// ```
/// use twinsock::{Os, SocketApi, faulty::{Call, Fault, Faulty, Plan}};
/// let faulty = Faulty::new(Os, Plan::new(7).with(Fault::Emfile.rate(1, 1)));
/// assert!(faulty.epoll_create().is_err());
/// assert_eq!((faulty.injected()[0].call, faulty.injected()[0].fault), (Call::EpollCreate1, Fault::Emfile));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The thread whose call it happened to.
    pub thread: ThreadPath,
    /// How many calls that thread had made before.
    pub index: u64,
    /// The call.
    pub call: Call,
    /// What happened.
    pub fault: Fault,
    /// How many bytes a call was cut down to, if it was [`Fault::Short`].
    pub len: Option<usize>,
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {} call {}: {}: {}", self.thread, self.index, self.call, self.fault)?;
        self.len.map_or(Ok(()), |len| write!(f, ", {len} bytes"))
    }
}

/// The latest faults, and how many there were.
#[derive(Default)]
struct Log {
    latest: VecDeque<Injected>,
    count: u64,
}

/// What a rule says to a call.
type Decide = dyn FnMut(&CallInfo) -> Option<Fault> + Send;

struct Rule {
    number: u64,
    decide: Box<Decide>,
    hits: Arc<AtomicU64>,
}

/// Who wants the fault, and is told if it happens.
enum Whose {
    Rate(usize),
    Rule(Arc<AtomicU64>),
}

/// What is kept of a call that is to have a fault. Only the crate makes one.
pub struct Mark {
    /// How short, or which of several, is drawn from this.
    amount: u64,
    info: CallInfo,
    whose: Whose,
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark").field("info", &self.info).finish_non_exhaustive()
    }
}

pub(super) struct Shared {
    seed: u64,
    course: Course,
    keep: usize,
    rules: Mutex<Vec<Rule>>,
    /// How many rules there are, so that without any nobody takes the lock.
    rule_count: AtomicUsize,
    next_rule: AtomicU64,
    log: Mutex<Log>,
    tops: AtomicU32,
    pub(super) interest: Option<Mutex<Interest>>,
}

/// No lock here is poisoned by what happens under it, but for a user's rule that panics, which leaves the rules as they are.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(plan: &Plan) -> Shared {
        Shared {
            seed: plan.seed,
            course: Course::new(plan),
            keep: plan.keep,
            rules: Mutex::default(),
            rule_count: AtomicUsize::new(0),
            next_rule: AtomicU64::new(0),
            log: Mutex::default(),
            tops: AtomicU32::new(0),
            interest: plan.interest.then(Mutex::default),
        }
    }

    /// The account of a thread that was not spawned through the `Faulty`; the first is that of the thread that made it.
    pub(super) fn next_top(&self) -> Lane {
        Lane::top(self.seed, self.tops.fetch_add(1, Ordering::Relaxed))
    }

    /// What is to happen to a call; nothing, for nearly nothing, where no rate and no rule is about it.
    #[inline]
    pub(super) fn decide(
        &self,
        lane: Option<Lane>,
        call: Call,
        fd: Option<RawFd>,
        len: impl FnOnce() -> Option<usize>,
    ) -> Option<Decision<Mark>> {
        if !self.course.concerns(call) && self.rule_count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let lane = lane?;
        let info = CallInfo { call, thread: lane.path(), index: lane.index(), fd, len: len() };
        self.decide_among(&lane, info)
    }

    fn decide_among(&self, lane: &Lane, info: CallInfo) -> Option<Decision<Mark>> {
        let state = lane.call_state();
        let amount = draw::at(state, draw::AMOUNT);
        if self.rule_count.load(Ordering::Acquire) > 0 {
            for rule in lock(&self.rules).iter_mut() {
                if let Some(fault) = (rule.decide)(&info) {
                    let whose = Whose::Rule(Arc::clone(&rule.hits));
                    return fault.can_hit(info.call).then_some(Decision { fault, mark: Mark { amount, info, whose } });
                }
            }
        }
        let chance = |place, num, den| draw::hits(draw::at(state, place), num, den);
        let (index, fault) = self.course.fault(info.call, chance)?;
        Some(Decision { fault, mark: Mark { amount, info, whose: Whose::Rate(index) } })
    }

    /// Says that the fault happens now: counts and records it. `false` if its rate has happened as often as it may.
    pub(super) fn claim(&self, decision: &Decision<Mark>, len: Option<usize>) -> bool {
        match &decision.mark.whose {
            Whose::Rate(index) if !self.course.claim(*index) => return false,
            Whose::Rate(_) => {}
            Whose::Rule(hits) => {
                hits.fetch_add(1, Ordering::Relaxed);
            }
        }
        let CallInfo { call, thread, index, .. } = decision.mark.info;
        let mut log = lock(&self.log);
        log.count += 1;
        if self.keep > 0 {
            if log.latest.len() == self.keep {
                log.latest.pop_front();
            }
            log.latest.push_back(Injected { thread, index, call, fault: decision.fault, len });
        }
        true
    }

    pub(super) fn injected(&self) -> Vec<Injected> {
        lock(&self.log).latest.iter().copied().collect()
    }

    pub(super) fn injected_count(&self) -> u64 {
        lock(&self.log).count
    }

    pub(super) fn add_rule(self: &Arc<Self>, decide: Box<Decide>) -> RuleGuard {
        let (number, hits) = (self.next_rule.fetch_add(1, Ordering::Relaxed), Arc::default());
        let mut rules = lock(&self.rules);
        rules.push(Rule { number, decide, hits: Arc::clone(&hits) });
        self.rule_count.store(rules.len(), Ordering::Release);
        drop(rules);
        RuleGuard { shared: Arc::clone(self), number, hits }
    }
}

/// A plan and its seed, and the rules beside it: what [`Faulty`](super::Faulty) goes by.
///
/// ```
/// use twinsock::{Os, SocketApi, faulty::{Faulty, FaultyCalls, Plan, Seeded}};
/// fn of_a_plan<A>(calls: &FaultyCalls<A, Seeded>) -> String {
///     format!("{calls:?}")
/// }
/// # let _ = of_a_plan::<Os>;
/// ```
pub struct Seeded(pub(super) Arc<Shared>);

impl fmt::Debug for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seeded").field(&self.0.seed).finish()
    }
}

impl Source for Seeded {
    type Turn<'a> = Turn<'a>;
    type Mark = Mark;

    #[inline]
    fn begin(&self, call: Call, fd: Option<RawFd>, len: impl FnOnce() -> Option<usize>) -> (Turn<'_>, Option<Decision<Mark>>) {
        let turn = Turn::call(&self.0);
        let decision = self.0.decide(turn.lane, call, fd, len);
        (turn, decision)
    }

    fn claim(&self, decision: &Decision<Mark>, len: Option<usize>) -> bool {
        self.0.claim(decision, len)
    }

    fn below(&self, decision: &Decision<Mark>, n: u64) -> u64 {
        draw::below(decision.mark.amount, n)
    }

    fn registered(&self, epfd: RawFd) -> Vec<(RawFd, EpollEvent)> {
        self.0.interest.as_ref().map_or_else(Vec::new, |interest| lock(interest).of(epfd))
    }

    fn registered_now(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) {
        if let Some(interest) = &self.0.interest {
            lock(interest).change(epfd, op, fd, event);
        }
    }

    fn forget(&self, fd: RawFd) {
        if let Some(interest) = &self.0.interest {
            lock(interest).forget(fd);
        }
    }
}

/// A rule in force: dropping the guard ends it.
///
/// ```
/// use twinsock::{Os, SocketApi, faulty::{Call, Fault, Faulty, Plan}};
/// let faulty = Faulty::new(Os, Plan::new(7));
/// let rule = faulty.rule(|call| (call.call == Call::EpollCreate1).then_some(Fault::Enfile));
/// assert!(faulty.epoll_create().is_err());
/// drop(rule);
/// assert!(faulty.epoll_create().is_ok());
/// ```
#[must_use = "dropping the guard ends the rule"]
pub struct RuleGuard {
    shared: Arc<Shared>,
    number: u64,
    hits: Arc<AtomicU64>,
}

impl RuleGuard {
    /// How many faults the rule has injected.
    ///
    /// ```
    /// use twinsock::{Os, faulty::{Call, Fault, Faulty, Plan}};
    /// let faulty = Faulty::new(Os, Plan::new(7));
    /// assert_eq!(faulty.nth(1, Call::Accept4, Fault::Emfile).hits(), 0);
    /// ```
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

impl Drop for RuleGuard {
    fn drop(&mut self) {
        let mut rules = lock(&self.shared.rules);
        let index = rules.iter().position(|rule| rule.number == self.number);
        let ended = index.map(|index| rules.remove(index));
        self.shared.rule_count.store(rules.len(), Ordering::Release);
        // What the rule owns is dropped without the lock.
        drop(rules);
        drop(ended);
    }
}

impl fmt::Debug for RuleGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleGuard").field("hits", &self.hits()).finish_non_exhaustive()
    }
}
