//! Which simulation and process the running code belongs to: the owner check of shared handles.
//!
//! A `Net` names its simulation and process by number, so it may be sent anywhere; what it reaches is found here, on the OS thread that
//! runs the simulation, and only while its own process is the one that runs.

use crate::host::Call;
use crate::process::Killed;
use crate::process::breakpoint;
use crate::process::coroutine::{self, StackEnd};
use crate::process::outside::Outsiders;
use crate::process::scheduler::{Comes, ProcId, Scheduler, ThreadId, Wait};
use crate::trace::Place;
use crate::world::HostId;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use twinsock::raw::RawFd;
use twinsock::{Errno, Instant, Result};

thread_local! {
    /// The simulation that this OS thread has entered, which [`Entered`] keeps alive; null if it has entered none.
    static CURRENT: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

/// Numbers simulations, so that a handle of one is recognised in another. Never part of a run's events.
static NEXT_SIMULATION: AtomicU32 = AtomicU32::new(1);

/// For how many reasons there is more to a call than itself: a run of this program, which is not over, has faults of calls, or somebody wants to know of its calls,
/// or of other events, in full. While there is none, nobody looks any further. Never part of a run's events.
static MINDED: AtomicU32 = AtomicU32::new(0);

/// How many calls a killed thread may make before it is unwound again, in case it caught the first unwinding and goes on.
const CALLS_AFTER_KILL_MAX: u32 = 1000;

/// What the code of one simulation shares.
///
/// What stands first is what every call looks at first: it is found at the address of all, for which no register is needed.
#[repr(C)]
pub struct Shared {
    /// Everything; borrowed only while no program's code runs.
    pub scheduler: RefCell<Scheduler>,
    /// The simulation's number.
    pub id: u32,
    /// Its seed.
    pub seed: u64,
    /// Whose code runs, or [`Owner::NOBODY`].
    owner: Cell<Owner>,
    /// Which thread's, if any does.
    thread: Cell<ThreadId>,
    /// Rules and directors.
    pub(super) outsiders: Outsiders,
    /// Whether calls of some host have faults.
    is_disturbed: Cell<bool>,
    /// Whether somebody wants to know of calls, or of other events, in full: so or not from the beginning until the run is over.
    is_attended: Cell<bool>,
    /// Who listens to what happens.
    #[cfg(feature = "tracing")]
    pub(super) telling: Option<crate::process::telling::Telling>,
    /// What hosts do when they boot.
    boots: RefCell<BTreeMap<HostId, Vec<Boot>>>,
}

/// A simulation and a process of it, by which a handle is known as the running process's: one word, so that it takes one look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owner(u64);

impl Owner {
    /// No process: there is none of that number.
    const NOBODY: Owner = Owner(u64::MAX);

    /// This process of simulation `sim`.
    #[inline(always)]
    pub fn new(sim: u32, process: ProcId) -> Owner {
        Owner(u64::from(process.0) << 32 | u64::from(sim))
    }

    /// The simulation.
    #[inline(always)]
    pub fn sim(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).expect("the low half is 32 bits")
    }

    /// The process.
    #[inline(always)]
    pub fn process(self) -> ProcId {
        ProcId(u32::try_from(self.0 >> 32).expect("the high half is 32 bits"))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("sim", &self.sim()).field("process", &self.process()).finish()
    }
}

/// What a host does when it boots.
type Boot = Box<dyn FnMut()>;

impl Shared {
    /// A simulation of its own number.
    pub fn new(scheduler: Scheduler, seed: u64) -> Rc<Shared> {
        #[cfg(feature = "tracing")]
        let (telling, scheduler) = {
            let mut scheduler = scheduler;
            (crate::process::telling::Telling::begin(&mut scheduler), scheduler)
        };
        let id = NEXT_SIMULATION.fetch_add(1, Ordering::Relaxed);
        let is_attended = scheduler.is_attended();
        if is_attended {
            MINDED.fetch_add(1, Ordering::Relaxed);
        }
        Rc::new(Shared {
            id,
            seed,
            #[cfg(feature = "tracing")]
            telling,
            scheduler: RefCell::new(scheduler),
            owner: Cell::new(Owner::NOBODY),
            thread: Cell::new(ThreadId(0)),
            is_disturbed: Cell::new(false),
            is_attended: Cell::new(is_attended),
            boots: RefCell::default(),
            outsiders: Outsiders::default(),
        })
    }

    /// Calls of some host have faults from here on.
    pub fn disturb(&self) {
        if !self.is_disturbed.replace(true) {
            MINDED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The run is over: no call can be made any more, whoever still holds a handle.
    pub fn end_minding(&self) {
        let counted = u32::from(self.is_disturbed.take()) + u32::from(self.is_attended.take());
        if counted > 0 {
            MINDED.fetch_sub(counted, Ordering::Relaxed);
        }
    }

    /// Adds to what a host does when it boots.
    pub fn add_boot(&self, host: HostId, boot: Boot) {
        self.boots.borrow_mut().entry(host).or_default().push(boot);
    }

    /// Does what a host does when it boots. This is a user's code: nothing of the simulation is borrowed meanwhile.
    pub fn boot(&self, host: HostId) {
        let boots = self.boots.borrow_mut().remove(&host).unwrap_or_default();
        let mut booting = Booting { shared: self, host, boots };
        for boot in &mut booting.boots {
            boot();
        }
    }

    /// Whether a host does something when it boots.
    pub fn has_boots(&self, host: HostId) -> bool {
        self.boots.borrow().contains_key(&host)
    }

    /// Forgets what hosts do when they boot, and all that it holds.
    pub fn forget_boots(&self) {
        // What is dropped may use the simulation.
        let boots = self.boots.take();
        drop(boots);
    }

    /// When, in which turn and where the running code runs, with the names of its host and process; nothing while the simulation is at work.
    fn whereabouts(&self) -> Option<(Instant, u64, Place, [Option<String>; 2])> {
        let scheduler = self.scheduler.try_borrow().ok()?;
        let running = self.running().map(|(thread, _)| (scheduler.clock(thread), scheduler.steps(), scheduler.place(thread)));
        #[cfg(feature = "tracing")]
        let told = self.telling.as_ref().and_then(crate::process::telling::Telling::moment);
        #[cfg(not(feature = "tracing"))]
        let told: Option<(u64, Instant, Place)> = None;
        let told = told.map(|(step, at, place)| (at, step, place));
        let (at, step, place) = told.or(running).unwrap_or((scheduler.world().now(), scheduler.steps(), Place::WORLD));
        let names = scheduler.world().trace().names();
        let host = place.host_number().and_then(|host| names.host(host));
        let process = place.host_number().zip(place.pid()).and_then(|(host, pid)| names.process(host, pid));
        Some((at, step, place, [host.map(str::to_owned), process.map(str::to_owned)]))
    }

    /// Whether somebody is told of what happens whenever the driver is at work.
    #[cfg(feature = "tracing")]
    fn is_told(&self) -> bool {
        self.telling.is_some()
    }

    #[cfg(not(feature = "tracing"))]
    fn is_told(&self) -> bool {
        false
    }

    /// Says who runs.
    #[inline]
    pub fn set_running(&self, running: Option<(ThreadId, ProcId)>) {
        match running {
            Some((thread, process)) => {
                self.thread.set(thread);
                self.owner.set(Owner::new(self.id, process));
            }
            None => self.owner.set(Owner::NOBODY),
        }
    }

    /// Who runs.
    #[inline]
    pub fn running(&self) -> Option<(ThreadId, ProcId)> {
        let owner = self.owner.get();
        (owner != Owner::NOBODY).then_some((self.thread.get(), owner.process()))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end_minding();
    }
}

/// What a host does while it boots; afterwards, or when the thread that does it is unwound, it is there again for the next time.
struct Booting<'a> {
    shared: &'a Shared,
    host: HostId,
    boots: Vec<Boot>,
}

impl Drop for Booting<'_> {
    fn drop(&mut self) {
        let mut boots = self.shared.boots.borrow_mut();
        let own = boots.entry(self.host).or_default();
        // What was added meanwhile comes after.
        let added = std::mem::replace(own, std::mem::take(&mut self.boots));
        own.extend(added);
    }
}

/// Makes `shared` the simulation of this OS thread while the value lives; one inside another is possible.
pub struct Entered {
    _shared: Rc<Shared>,
    outer: *const Shared,
}

impl Entered {
    /// Enters a simulation.
    pub fn new(shared: &Rc<Shared>) -> Entered {
        Entered { _shared: Rc::clone(shared), outer: CURRENT.replace(Rc::as_ptr(shared)) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// The simulation that this OS thread has entered, for as long as whoever has found it runs: code that a simulation runs ends, is unwound or
/// stands still when the simulation is left, and goes on only where it has been entered again.
#[derive(Clone, Copy)]
pub struct Here(NonNull<Shared>);

impl Here {
    #[inline(always)]
    fn find() -> Option<Here> {
        NonNull::new(current().cast_mut()).map(Here)
    }
}

/// What is in CURRENT.
#[inline(always)]
fn current() -> *const Shared {
    CURRENT.get()
}

impl Deref for Here {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        // SAFETY: `find` took the pointer from CURRENT, where only `Entered` puts pointers, each of an `Rc` that it holds until it has taken the
        // pointer out again. The value is never sent to another OS thread (a pointer is not `Send`) nor kept in anything but the frames of
        // the call that found it; those run only below an `Entered` of this simulation, for nothing else resumes the carriers of its threads.
        unsafe { self.0.as_ref() }
    }
}

/// The running thread of a simulation: what a handle's call acts on.
#[derive(Clone, Copy)]
pub struct Running {
    /// The simulation.
    pub shared: Here,
    /// The thread.
    pub thread: ThreadId,
}

/// What becomes of a thread that has begun a call.
pub enum Entry<'a, R> {
    /// It acts.
    Acts(RefMut<'a, Scheduler>),
    /// It waits for its turn, and this has been done before.
    Leaves(R),
}

/// The running thread in a call: when that returns, whoever listens to the run is told what has happened, before the program goes on.
pub struct Calling(Running);

impl Deref for Calling {
    type Target = Running;

    #[inline(always)]
    fn deref(&self) -> &Running {
        &self.0
    }
}

/// The running thread, if it belongs to `owner`.
///
/// # Errors
/// `EBADF`: the handle's owner is not running: another process, another simulation, or no simulation at all; in the last two cases a
/// line on standard error says so.
#[inline(always)]
pub fn running(owner: Owner) -> Result<Calling> {
    match Here::find() {
        Some(shared) if shared.owner.get() == owner => Ok(Calling(Running { shared, thread: shared.thread.get() })),
        Some(_) | None => Err(explain(owner.sim())),
    }
}

/// The running thread, if it is of simulation `sim`, whichever process it belongs to.
///
/// # Errors
/// As of [`running`].
#[inline]
pub fn running_anywhere(sim: u32) -> Result<Calling> {
    running_in(sim).ok_or_else(|| explain(sim))
}

/// Why a handle's owner is not running, with a word to who holds the handle if nobody of its simulation is.
#[cold]
fn explain(sim: u32) -> Errno {
    let is_inside = Here::find().is_some_and(|shared| shared.id == sim && shared.running().is_some());
    if !is_inside {
        eprintln!("twinsock: a simulated socket, clock or lock was used outside its simulation's processes: EBADF");
    }
    Errno::BADF
}

/// [`running`] of that process, without a word if it does not run.
#[inline]
pub fn running_quietly(owner: Owner) -> Option<Calling> {
    let shared = Here::find().filter(|shared| shared.owner.get() == owner)?;
    Some(Calling(Running { shared, thread: shared.thread.get() }))
}

/// Whether calls may have faults, or somebody wants to know of them in full, in this simulation or another one of the program.
#[inline(always)]
pub fn is_any_minded() -> bool {
    MINDED.load(Ordering::Relaxed) != 0
}

/// Whether calls of a process's simulation may have faults; says nothing outside it.
#[cold]
pub fn is_disturbed(owner: Owner) -> bool {
    Here::find().is_some_and(|shared| shared.id == owner.sim() && shared.is_disturbed.get())
}

impl Running {
    /// Readies the thread for an act at its own clock: whatever is due earlier happens first, be it that another thread runs. The act is
    /// done with the scheduler that is handed out.
    ///
    /// # Errors
    /// `EIO`: the thread is killed or unwinding, and such a thread never waits.
    #[inline(always)]
    pub fn enter(&self) -> Result<RefMut<'_, Scheduler>> {
        let mut scheduler = self.begin()?;
        match scheduler.comes(self.thread) {
            Comes::Now => Ok(scheduler),
            comes @ (Comes::Later | Comes::WithCare) => enter_slowly(&self.shared, self.thread, scheduler, comes),
        }
    }

    /// The same in a call of several parts, which has begun. If its turn has not come, the thread is to be switched from, in a caller of this one's, and acts in the next
    /// part, which begins with [`Running::come_back`]; `leave` is done before.
    ///
    /// # Errors
    /// As of [`Running::enter`].
    #[inline(always)]
    pub fn enter_or_leave<'a, R>(
        &self,
        mut scheduler: RefMut<'a, Scheduler>,
        leave: impl FnOnce(&mut Scheduler) -> R,
    ) -> Result<Entry<'a, R>> {
        let comes = scheduler.comes(self.thread);
        match acts(&self.shared, self.thread, &mut scheduler, comes) {
            Some(true) => return Ok(Entry::Acts(scheduler)),
            Some(false) => {}
            None => return Err(refuse(self.thread, scheduler)),
        }
        let left = leave(&mut scheduler);
        self.leave(scheduler);
        Ok(Entry::Leaves(left))
    }

    /// The scheduler for a call that is then to enter.
    ///
    /// # Errors
    /// As of [`Running::enter`].
    #[inline(always)]
    pub fn begin(&self) -> Result<RefMut<'_, Scheduler>> {
        if std::thread::panicking() {
            return Err(Errno::IO);
        }
        Ok(self.shared.scheduler.borrow_mut())
    }

    /// Leaves the processor to others until the thread's turn comes.
    #[inline]
    pub fn wait_for_turn<'a>(&'a self, scheduler: RefMut<'a, Scheduler>) -> RefMut<'a, Scheduler> {
        wait_for_turn(&self.shared, self.thread, scheduler)
    }

    /// Makes a system call, for as long as it takes.
    ///
    /// # Errors
    /// The call's.
    #[inline(never)]
    pub fn call(self, scheduler: RefMut<'_, Scheduler>, call: &mut Call<'_, '_>) -> Result<usize> {
        self.call_one(scheduler, call)
    }

    /// The same where the compiler knows which call it is: what belongs to others is not looked for.
    ///
    /// # Errors
    /// The call's.
    #[inline(always)]
    pub fn call_one(self, mut scheduler: RefMut<'_, Scheduler>, call: &mut Call<'_, '_>) -> Result<usize> {
        match scheduler.begin(self.thread, call) {
            Some(result) => result,
            None => self.go_on(self.suspend(scheduler), call),
        }
    }

    /// Goes on with a system call that has waited, for as long as it takes.
    ///
    /// # Errors
    /// The call's.
    #[inline(never)]
    pub fn go_on(self, scheduler: RefMut<'_, Scheduler>, call: &mut Call<'_, '_>) -> Result<usize> {
        let mut scheduler = scheduler;
        loop {
            if let Some(result) = scheduler.resume(self.thread, call) {
                return result;
            }
            scheduler = self.suspend(scheduler);
        }
    }

    /// What the host's monotonic clock shows the thread.
    pub fn clock(&self) -> Instant {
        self.shared.scheduler.borrow().own_clock(self.thread)
    }

    /// What the host's wall clock shows the thread, in nanoseconds since the epoch.
    pub fn wall(&self) -> u64 {
        self.shared.scheduler.borrow().wall_clock(self.thread)
    }

    /// Waits until woken, or until the host's clock shows `deadline`. It may be woken in vain.
    pub fn wait(&self, wait: Wait, deadline: Option<Instant>) {
        let mut scheduler = self.shared.scheduler.borrow_mut();
        scheduler.wait(self.thread, wait, deadline);
        drop(self.suspend(scheduler));
    }

    /// Waits for another thread's end.
    pub fn wait_for_end(&self, other: ThreadId) {
        let mut scheduler = self.shared.scheduler.borrow_mut();
        if scheduler.wait_for_end(self.thread, other) {
            drop(self.suspend(scheduler));
        }
    }

    /// Closes a descriptor from a destructor that runs because its thread panics: such a thread never waits, not even for SO_LINGER. A killed
    /// thread's descriptors were closed before it began to unwind.
    pub fn close_without_waiting(&self, fd: RawFd) {
        let mut scheduler = self.shared.scheduler.borrow_mut();
        if !scheduler.thread_mut(self.thread).killed {
            scheduler.call_without_waiting(self.thread, &mut Call::Close { fd });
        }
    }

    /// Gives the processor away until the scheduler resumes this thread. Unwinds if the thread was killed meanwhile.
    #[inline(always)]
    pub fn suspend<'a>(&'a self, scheduler: RefMut<'a, Scheduler>) -> RefMut<'a, Scheduler> {
        suspend(&self.shared, self.thread, scheduler)
    }

    /// The thread is about to give the processor away, in its call, which goes on when it comes back: [`Running::suspend`] in two parts, between which
    /// stands the switch, in a caller of this one's.
    #[inline(always)]
    pub fn leave(&self, mut scheduler: RefMut<'_, Scheduler>) {
        scheduler.note_stack_end(self.thread, StackEnd::here());
    }

    /// See [`Running::leave`].
    #[inline(always)]
    pub fn come_back(&self) -> RefMut<'_, Scheduler> {
        come_back(&self.shared, self.thread)
    }
}

// What follows is not of `Running`, which so need not stand in memory for the sake of what is seldom done.

/// See [`Running::suspend`].
#[inline(always)]
fn suspend<'a>(shared: &'a Shared, thread: ThreadId, mut scheduler: RefMut<'a, Scheduler>) -> RefMut<'a, Scheduler> {
    scheduler.note_stack_end(thread, StackEnd::here());
    drop(scheduler);
    coroutine::suspend();
    come_back(shared, thread)
}

/// The thread has been switched to.
#[inline(always)]
fn come_back(shared: &Shared, thread: ThreadId) -> RefMut<'_, Scheduler> {
    let mut scheduler = shared.scheduler.borrow_mut();
    if scheduler.thread_mut(thread).is_held_up { hold_up(shared, thread, scheduler) } else { scheduler }
}

/// [`Running::enter`] where something is due earlier, or may be.
#[inline(never)]
fn enter_slowly<'a>(
    shared: &'a Shared,
    thread: ThreadId,
    mut scheduler: RefMut<'a, Scheduler>,
    comes: Comes,
) -> Result<RefMut<'a, Scheduler>> {
    match acts(shared, thread, &mut scheduler, comes) {
        Some(true) => Ok(scheduler),
        Some(false) => Ok(suspend(shared, thread, scheduler)),
        None => Err(refuse(thread, scheduler)),
    }
}

/// Whether a thread that comes to its next act like this acts now; otherwise it waits for its turn. `None`: it is killed.
#[inline(always)]
fn acts(shared: &Shared, thread: ThreadId, scheduler: &mut Scheduler, comes: Comes) -> Option<bool> {
    // Whoever is told of what happens is told by the driver.
    let may_choose = !shared.is_told();
    match comes {
        Comes::Now => Some(true),
        Comes::Later => Some(scheduler.comes_later(thread, may_choose)),
        Comes::WithCare => scheduler.comes_with_care(thread, may_choose),
    }
}

/// Leaves the processor to others until the thread's turn comes.
#[inline(always)]
fn wait_for_turn<'a>(shared: &'a Shared, thread: ThreadId, mut scheduler: RefMut<'a, Scheduler>) -> RefMut<'a, Scheduler> {
    // Whoever is told of what happens is told by the driver.
    let goes_on = scheduler.wait_for_turn(thread, !shared.is_told());
    if goes_on { scheduler } else { suspend(shared, thread, scheduler) }
}

/// A killed thread that goes on makes a call, which fails: it is unwound again when it goes on too long.
#[cold]
fn refuse(thread: ThreadId, mut scheduler: RefMut<'_, Scheduler>) -> Errno {
    let slot = scheduler.thread_mut(thread);
    slot.calls_after_kill += 1;
    if slot.calls_after_kill > CALLS_AFTER_KILL_MAX {
        drop(scheduler);
        resume_unwind(Box::new(Killed));
    }
    Errno::IO
}

/// Unwinds a killed thread; has a debugger stop, if that is what was asked for.
#[cold]
fn hold_up<'a>(shared: &'a Shared, thread: ThreadId, mut scheduler: RefMut<'a, Scheduler>) -> RefMut<'a, Scheduler> {
    let slot = scheduler.thread_mut(thread);
    slot.is_held_up = slot.killed;
    let is_killed = slot.killed;
    let (step, place) = (scheduler.steps(), scheduler.where_it_is(thread));
    drop(scheduler);
    if is_killed {
        resume_unwind(Box::new(Killed));
    }
    breakpoint::stop(step, place);
    shared.scheduler.borrow_mut()
}

/// The running thread of simulation `sim`, if one runs; says nothing if not.
pub fn thread(sim: u32) -> Option<ThreadId> {
    running_in(sim).map(|running| running.thread)
}

/// The same, for whoever acts upon the simulation from within and waits for its turn.
pub fn running_in(sim: u32) -> Option<Calling> {
    let shared = Here::find().filter(|shared| shared.id == sim)?;
    let (thread, _) = shared.running()?;
    Some(Calling(Running { shared, thread }))
}

/// When, in which turn and where the calling code runs, with the names of its host and process.
pub fn whereabouts() -> Option<(Instant, u64, Place, [Option<String>; 2])> {
    Here::find()?.whereabouts()
}

/// Writes who runs on this OS thread, for somebody who must neither allocate nor wait.
pub fn write_who_runs(words: &mut dyn std::fmt::Write) -> std::fmt::Result {
    let found = Here::find().and_then(|shared| Some((shared, shared.running()?)));
    let Some((shared, (thread, process))) = found else { return words.write_str("twinsock: a simulated thread") };
    // It may be that the simulation was at work for the thread.
    match shared.scheduler.try_borrow() {
        Ok(scheduler) => {
            let process = scheduler.process(process);
            let (host, thread) = (scheduler.world().host_name(process.host), scheduler.thread_name(thread));
            write!(words, "twinsock: host {host}, process {}, thread {thread}", process.name)
        }
        Err(_) => write!(words, "twinsock: process {} of the run, in a call, thread {}", process.0, thread.0),
    }
}

/// The seed of the simulation that runs on this OS thread.
pub fn seed() -> Option<u64> {
    Here::find().map(|shared| shared.seed)
}

/// Wakes a thread of simulation `sim`, if it still waits; says nothing outside that simulation. Any thread may do so, also a killed one.
pub fn wake(sim: u32, thread: ThreadId) -> bool {
    Here::find().filter(|shared| shared.id == sim).is_some_and(|shared| shared.scheduler.borrow_mut().wake(thread))
}
