//! Which thread calls, and how many calls it has made.
//!
//! A thread's place in the tree of threads and its counter lie in a thread-local of the machine's thread, one for each `Faulty` that the thread
//! uses: no lock, and no allocation after a thread's first call. In the simulator several threads share one of the machine's; they are
//! switched inside calls into their world and nowhere else. So whoever calls into a world puts its own account back afterwards
//! ([`Turn`], [`kept`]), whatever another thread has put there meanwhile.

use super::draw;
use super::shared::Shared;
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

/// How many steps of a path are kept to be read; the decisions depend on all.
const STEPS_MAX: usize = 4;

/// A thread by the way it was spawned: `0` is the thread that made the [`Faulty`](super::Faulty), `0.2` the third thread that it spawned through
/// it, `1` the first other thread that made a call.
///
/// ```
/// use twinsock::{Os, SocketApi, faulty::{Fault, Faulty, Plan}};
/// let faulty = Faulty::new(Os, Plan::new(7).with(Fault::Emfile.rate(1, 1)));
/// assert!(faulty.epoll_create().is_err());
/// assert_eq!(faulty.injected()[0].thread.to_string(), "0");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadPath {
    steps: [u32; STEPS_MAX],
    depth: u32,
}

impl ThreadPath {
    fn top(number: u32) -> ThreadPath {
        ThreadPath { steps: [number, 0, 0, 0], depth: 1 }
    }

    fn child(mut self, number: u32) -> ThreadPath {
        if let Some(step) = usize::try_from(self.depth).ok().and_then(|depth| self.steps.get_mut(depth)) {
            *step = number;
        }
        self.depth = self.depth.saturating_add(1);
        self
    }
}

impl fmt::Display for ThreadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = usize::try_from(self.depth).unwrap_or(usize::MAX);
        for (index, step) in self.steps.iter().take(depth).enumerate() {
            write!(f, "{}{step}", if index == 0 { "" } else { "." })?;
        }
        if depth > STEPS_MAX { write!(f, ".(+{})", depth - STEPS_MAX) } else { Ok(()) }
    }
}

impl fmt::Debug for ThreadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The account of one thread with one `Faulty`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// Its place in the tree of `draw.rs`.
    state: u64,
    /// How many calls it has made.
    calls: u64,
    /// How many threads it has spawned.
    children: u32,
    path: ThreadPath,
}

impl Lane {
    /// The thread that made the `Faulty` (0), or one that was not spawned through it.
    pub(super) fn top(seed: u64, number: u32) -> Lane {
        Lane { state: draw::at(seed, u64::from(number)), calls: 0, children: 0, path: ThreadPath::top(number) }
    }

    fn next_child(&mut self) -> Lane {
        let number = self.children;
        self.children = number.wrapping_add(1);
        let state = draw::at(draw::at(self.state, draw::CHILDREN), u64::from(number));
        Lane { state, calls: 0, children: 0, path: self.path.child(number) }
    }

    /// The number of the latest call, from 0.
    pub(super) fn index(&self) -> u64 {
        self.calls.wrapping_sub(1)
    }

    /// The state of the latest call.
    pub(super) fn call_state(&self) -> u64 {
        draw::at(draw::at(self.state, draw::CALLS), self.index())
    }

    pub(super) fn path(&self) -> ThreadPath {
        self.path
    }
}

struct Entry {
    owner: Weak<Shared>,
    lane: Lane,
}

thread_local! {
    /// The accounts of the running thread, the one that was used last at the front.
    static LANES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// Calls `act` with the running thread's account, if it has one.
#[inline]
fn with_lane<R>(shared: &Arc<Shared>, act: impl FnOnce(&mut Lane) -> R) -> Option<R> {
    let found = LANES.try_with(|lanes| {
        let mut lanes = lanes.borrow_mut();
        let is_own = |entry: &Entry| entry.owner.as_ptr() == Arc::as_ptr(shared);
        if !lanes.first().is_some_and(is_own) {
            let index = lanes.iter().position(is_own)?;
            lanes.swap(0, index);
        }
        lanes.first_mut().map(|entry| act(&mut entry.lane))
    });
    // A thread whose thread-locals are gone is in its last breath, and nothing happens to its calls.
    found.ok().flatten()
}

/// Makes `lane` the running thread's account.
pub(super) fn put(shared: &Arc<Shared>, lane: Lane) {
    if with_lane(shared, |own| *own = lane).is_some() {
        return;
    }
    let entry = Entry { owner: Arc::downgrade(shared), lane };
    // Late in a thread's end there is no place to put it, and no call will ask for it.
    let _gone = LANES.try_with(|lanes| {
        let mut lanes = lanes.borrow_mut();
        lanes.retain(|entry| entry.owner.strong_count() > 0);
        lanes.push(entry);
    });
}

/// The account for a thread that the running one is about to spawn.
pub(super) fn next_child(shared: &Arc<Shared>) -> Lane {
    if let Some(child) = with_lane(shared, Lane::next_child) {
        return child;
    }
    let mut own = shared.next_top();
    let child = own.next_child();
    put(shared, own);
    child
}

/// A call into a world: afterwards the running thread's account is in its place again.
pub struct Turn<'a> {
    shared: &'a Arc<Shared>,
    /// The account as it is during the call; `None` for a thread without one.
    pub(super) lane: Option<Lane>,
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl<'a> Turn<'a> {
    /// Begins a system call: counts it.
    #[inline]
    pub(super) fn call(shared: &'a Arc<Shared>) -> Turn<'a> {
        let count = |lane: &mut Lane| {
            lane.calls = lane.calls.wrapping_add(1);
            *lane
        };
        let lane = with_lane(shared, count).or_else(|| {
            put(shared, shared.next_top());
            with_lane(shared, count)
        });
        Turn { shared, lane }
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(lane) = self.lane else { return };
        // The state says whose the account is; while it is one's own, it may have counted on.
        let back = |own: &mut Lane| {
            if own.state != lane.state {
                *own = lane;
            }
        };
        if with_lane(self.shared, back).is_none() {
            put(self.shared, lane);
        }
    }
}

/// Makes a call into a world that is not a system call.
pub(super) fn kept<R>(shared: &Arc<Shared>, act: impl FnOnce() -> R) -> R {
    let _turn = Turn { shared, lane: with_lane(shared, |lane| *lane) };
    act()
}
