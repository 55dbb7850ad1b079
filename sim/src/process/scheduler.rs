//! Who is there, who waits, who is next; `short.rs`: the short ways of calls; `next.rs`: what happens next, and who runs then;
//! `ready.rs`: among whom that is chosen; `rare.rs`: what comes before that; `upcoming.rs`: who is soon; `starting.rs`: who comes; `ending.rs`: who is gone; `power.rs`: whose machine is off or stands still;
//! `turn.rs`: how a thread comes to its next act; `clock.rs`: what time it is for whom; `notes.rs`: what a recording holds of it.

mod clock;
mod ending;
mod next;
mod notes;
mod power;
mod rare;
mod ready;
mod short;
mod starting;
mod turn;
mod upcoming;

use next::{EVENTS_BETWEEN_LOOKS, thread_of};
pub use ready::Ready;
pub use short::{Back, Opening, Posted, SendsBy, ShortRecv};
pub use turn::Comes;

use crate::choice::{Door, StreamId};
use crate::host::{Call, Op, Pid, Progress, QuietCall, Recent, Token};
use crate::process::coroutine::{Carrier, StackEnd};
use crate::process::faults::FaultStreams;
use crate::process::leaks::Exits;
use crate::process::names::{Named, name_of};
use crate::process::outside::Outside;
use crate::process::signal::Signal;
use crate::process::turns::Turns;
use crate::process::watchdog::Pulse;
use crate::trace::{CallEnd, Event, Place, What};
use crate::world::{Alarm, Data, HostId, World};
use power::Stalled;
use rare::Rare;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use turn::Chosen;
use twinsock::Instant;
use twinsock::faulty::Course;
use upcoming::Upcoming;

/// A process of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProcId(pub u32);

/// A thread of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ThreadId(pub u32);

impl ProcId {
    #[inline]
    pub(super) fn index(self) -> usize {
        usize::try_from(self.0).expect("a process's number fits usize")
    }
}

impl ThreadId {
    #[inline]
    pub(super) fn index(self) -> usize {
        usize::try_from(self.0).expect("a thread's number fits usize")
    }

    #[inline]
    fn token(self) -> Token {
        Token(u64::from(self.0))
    }
}

/// What a thread waits for, beside calls that its host has parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// A system call: the host knows which.
    Call,
    /// `Clock::sleep`.
    Sleep,
    /// The end of a thread.
    Join(ThreadId),
    /// A lock, a condition variable or a channel: its name.
    Sync(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Among those that can run now.
    Ready,
    /// Its turn is in the queue of the world, for its clock is ahead.
    Due,
    /// On the processor.
    Running,
    /// Waiting, since then.
    Waiting(Wait, Instant),
    /// Over.
    Ended,
}

/// A thread.
///
/// The fields stand in memory as they stand here: what every turn looks at is together, in the first two lines of the caches, and what a call that waits leaves
/// is in the third.
#[repr(C, align(64))]
pub struct Thread {
    clock: Instant,
    pub(super) state: State,
    /// Counts this thread's waits: an alarm that was set for an earlier one is void.
    turn: u32,
    pub(super) process: ProcId,
    /// Its process's number on its host.
    pid: Pid,
    host: HostId,
    pub(super) killed: bool,
    /// Something is to be done before it goes on with its turn: it is killed, or a debugger stops here.
    pub(super) is_held_up: bool,
    /// A signal that is to end the call that its host has parked.
    pub(super) signal: Option<Signal>,
    children: u32,
    pub(super) carrier: Option<Carrier>,
    /// The call that its host has parked.
    pub(super) op: Option<Op>,
    /// The receive that it makes as soon as it has its turn, before its program goes on: if that only has to wait, its program need not know, and it is not switched to.
    posted: Option<Posted>,
    recent: Recent,
    /// The receive, or another plain call, that its host has hardly taken note of.
    pub(super) quiet: Option<QuietCall>,
    /// What its receive has come to, which is over: it goes on with that as soon as this is known.
    pub(super) received: Option<Data>,
    pub(super) calls_after_kill: u32,
}

const _: () = assert!(size_of::<Thread>() == 192 && std::mem::offset_of!(Thread, quiet) == 128, "there may be very many of them");

impl Thread {
    /// The alarm at which its turn comes, if this is its number.
    #[inline(always)]
    fn alarm(&self, own: ThreadId) -> Alarm {
        Alarm(u64::from(own.0) | u64::from(self.turn) << 32)
    }
}

/// How far a process has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// It goes on.
    Alive,
    /// Its machine has lost its power: nothing of it is left but stacks that are to be unwound.
    Crashed,
    /// It is over.
    Ended,
}

/// A process.
pub struct Process {
    pub(crate) host: HostId,
    pub(crate) pid: Pid,
    pub(super) name: Arc<str>,
    pub(crate) main: ThreadId,
    /// Its other threads.
    others: Vec<ThreadId>,
    /// Does not keep the run going.
    pub(super) daemon: bool,
    pub(super) life: Life,
    entropy: Option<StreamId>,
}

impl Process {
    /// Its threads, in the order in which they were made.
    pub(super) fn threads(&self) -> impl Iterator<Item = ThreadId> + '_ {
        std::iter::once(self.main).chain(self.others.iter().copied())
    }
}

/// What the driver does next where it resumes nobody.
pub enum Turn {
    /// Kills this process, whose main thread has ended or which somebody wants gone.
    Kill(ProcId),
    /// Lets code of the network's builder run.
    Outside(Outside),
    /// Nothing: the run is over, or has failed, or the given moment is reached.
    Stop,
    /// Everybody waits and nothing is in flight.
    Deadlock,
}

/// The processes of a simulation and the world they run over.
pub struct Scheduler {
    pub(super) world: World,
    pub(super) processes: Vec<Process>,
    pub(super) threads: Vec<Thread>,
    /// Their names, which are shared by all that have the same.
    pub(super) names: Vec<Arc<str>>,
    /// Who waits for the end of a thread.
    joiners: BTreeMap<ThreadId, Vec<ThreadId>>,
    /// The name that was given last.
    last_name: Arc<str>,
    /// About where their stacks end: apart from them, so as to be found at once.
    stack_ends: Vec<StackEnd>,
    ready: Ready,
    upcoming: Upcoming,
    /// The threads of hosts that stand still, which are ready but cannot go on; an entry for each such host.
    stalled: BTreeMap<HostId, Stalled>,
    /// What may befall the calls of processes, by host.
    pub(super) call_faults: BTreeMap<HostId, Course>,
    pub(super) fault_streams: FaultStreams,
    /// Whether the running thread was chosen to act now.
    just_chosen: Chosen,
    /// Who was chosen to run next before the driver was there to do so.
    chosen: Option<ThreadId>,
    /// From this moment on nothing happens: right behind the limit; the end of time if there is none.
    over_at: Instant,
    /// What comes before all else.
    pub(crate) rare: Rare,
    turns: Turns,
    /// What a call takes, in nanoseconds.
    call_cost_ns: u64,
    pub(crate) stack_bytes: usize,
    pub(super) pulse: Pulse,
    /// At how many events from now it is looked whether threads have turns, and how many of those there were when it was last looked.
    events_left: u32,
    turns_seen: u64,
    /// How many events there were since a thread had a turn, about, and may be.
    idle: u64,
    pub(crate) idle_max: u64,
    /// How many of the last events of each host a failure shows; all that are kept, if it is not said.
    pub(crate) shows_of_each_host: Option<usize>,
    /// At the beginning of this turn a debugger stops; that of the greatest number never comes.
    break_at: u64,
    /// No debugger is going to stop, and no host stands still: before this moment, at which it is over, whoever is woken alone is the next to run. Its beginning if that is not so.
    straight_until: Instant,
    /// Nobody records, and no host stands still: whoever is woken is ready, and that is all.
    wakes_plainly: bool,
    /// What processes leave when they end, if that is looked for.
    pub(super) exits: Option<Box<Exits>>,
}

impl Scheduler {
    /// No process yet, over this world.
    pub fn new(world: World, turns: Turns, call_cost: Duration, stack_bytes: usize, pulse: Pulse) -> Scheduler {
        Scheduler {
            wakes_plainly: !world.trace().is_recording(),
            world,
            processes: Vec::new(),
            threads: Vec::new(),
            names: Vec::new(),
            joiners: BTreeMap::new(),
            last_name: Arc::default(),
            stack_ends: Vec::new(),
            ready: Ready::new(),
            upcoming: Upcoming::default(),
            stalled: BTreeMap::new(),
            call_faults: BTreeMap::new(),
            fault_streams: BTreeMap::new(),
            just_chosen: Chosen::No,
            chosen: None,
            over_at: Instant::FAR,
            rare: Rare::new(),
            turns,
            call_cost_ns: u64::try_from(call_cost.as_nanos()).unwrap_or(u64::MAX),
            stack_bytes,
            pulse,
            events_left: EVENTS_BETWEEN_LOOKS,
            turns_seen: 0,
            idle: 0,
            idle_max: u64::MAX,
            shows_of_each_host: None,
            break_at: u64::MAX,
            straight_until: Instant::FAR,
            exits: None,
        }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, for building it and for questions.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.turns.calls()
    }

    /// Turns taken so far.
    pub fn steps(&self) -> u64 {
        self.world.trace().steps()
    }

    /// Records what happens to a thread.
    pub(super) fn record(&mut self, thread: ThreadId, what: What) {
        let place = self.place(thread);
        let at = self.world.now();
        self.world.trace_mut().record(Event { at, place, what });
    }

    #[inline]
    pub(super) fn place(&self, thread: ThreadId) -> Place {
        let slot = &self.threads[thread.index()];
        Place::process(slot.host.0, slot.pid.0).thread(thread.0)
    }

    /// Records that `value` was drawn of `0..n`.
    pub fn record_choice(&mut self, door: Door, n: u32, value: u32) {
        let what = What::Choice { door: door.name(), n, value };
        let at = self.world.now();
        self.world.trace_mut().record(Event { at, place: Place::WORLD, what });
    }

    /// The number that the next process will have.
    pub fn next_process(&self) -> ProcId {
        ProcId(u32::try_from(self.processes.len()).expect("fewer than 2^32 processes"))
    }

    /// Whether a process has not ended.
    pub fn is_alive(&self, process: ProcId) -> bool {
        self.processes[process.index()].life == Life::Alive
    }

    /// Whether a thread is over.
    pub fn has_ended(&self, thread: ThreadId) -> bool {
        self.threads[thread.index()].state == State::Ended
    }

    /// A thread's name.
    pub fn thread_name(&self, thread: ThreadId) -> &str {
        &self.names[thread.index()]
    }

    /// What a thread belongs to.
    pub fn process_of(&self, thread: ThreadId) -> ProcId {
        self.threads[thread.index()].process
    }

    pub(crate) fn process(&self, id: ProcId) -> &Process {
        &self.processes[id.index()]
    }

    #[inline]
    pub(super) fn thread_mut(&mut self, id: ThreadId) -> &mut Thread {
        &mut self.threads[id.index()]
    }

    /// Tells the kernel that a signal has come for the thread that waits in a call.
    #[cold]
    pub(super) fn tell_of_signal(&mut self, id: ThreadId) {
        let slot = &self.threads[id.index()];
        if let Some(op) = &slot.op {
            self.world.signal(slot.host, op);
        }
    }

    /// The stream of a process's `Entropy`.
    pub fn entropy(&mut self, process: ProcId) -> StreamId {
        let slot = &self.processes[process.index()];
        if let Some(stream) = slot.entropy {
            return stream;
        }
        let name = format!("entropy/{}/{}", self.world.host_name(slot.host), slot.name);
        let stream = self.world.choice_mut().stream(Door::Run, &name);
        self.processes[process.index()].entropy = Some(stream);
        stream
    }

    /// Begins a system call of the running thread.
    #[inline(always)]
    pub fn begin(&mut self, thread: ThreadId, call: &mut Call<'_, '_>) -> Option<twinsock::Result<usize>> {
        let slot = &self.threads[thread.index()];
        let (host, pid) = (slot.host, slot.pid);
        // Before the call is made, the compiler still knows which one it is.
        let named = name_of(call);
        match self.world.begin(host, pid, thread.token(), call) {
            Progress::Done(result) => {
                self.charge(thread);
                self.tell_end(thread, call, named, result);
                Some(result)
            }
            Progress::Parked(op) => {
                self.note_parked(thread, call);
                self.park(thread, op)
            }
        }
    }

    /// Goes on with the running thread's parked call.
    #[inline]
    pub fn resume(&mut self, thread: ThreadId, call: &mut Call<'_, '_>) -> Option<twinsock::Result<usize>> {
        let op = self.take_op(thread).expect("a thread that waits for a call has a parked operation");
        let host = self.threads[thread.index()].host;
        match self.world.resume(host, op, call) {
            Progress::Done(result) => Some(self.end_waited(thread, call, name_of(call), result)),
            Progress::Parked(op) if self.threads[thread.index()].signal.is_some() => self.take_signal(thread, call, op),
            Progress::Parked(op) => {
                self.note_parked(thread, call);
                self.park(thread, op)
            }
        }
    }

    /// The call in which a thread waits, as an operation.
    pub(super) fn take_op(&mut self, thread: ThreadId) -> Option<Op> {
        let slot = &mut self.threads[thread.index()];
        match slot.quiet.take() {
            Some(quiet) => Some(self.world.take_up(slot.host, quiet)),
            None => slot.op.take(),
        }
    }

    /// Makes a call that ends at once, be it by interruption.
    pub fn call_without_waiting(&mut self, thread: ThreadId, call: &mut Call<'_, '_>) {
        let process = &self.processes[self.threads[thread.index()].process.index()];
        let (host, pid) = (process.host, process.pid);
        if let Progress::Parked(op) = self.world.begin(host, pid, thread.token(), call) {
            // Nobody waits for the answer.
            self.world.interrupt(host, op).ok();
        }
        self.collect_wakes();
    }

    /// The running thread's call returns that has waited: what it costs has passed since the thread was woken.
    pub(super) fn end_waited(
        &mut self,
        thread: ThreadId,
        call: &Call<'_, '_>,
        named: Named,
        result: twinsock::Result<usize>,
    ) -> twinsock::Result<usize> {
        self.tell_end(thread, call, named, result);
        self.goes_along(thread);
        result
    }

    /// Records that a call has returned, and whoever is woken by it is.
    #[inline(always)]
    fn tell_end(&mut self, thread: ThreadId, call: &Call<'_, '_>, (name, fd): Named, result: twinsock::Result<usize>) {
        let at = self.world.now();
        let place = self.place(thread);
        if self.world.trace_mut().call_ended(at, place, name, fd, result) && self.world.trace().wants_calls() {
            self.note_call(CallEnd { at, place, call: name, fd, result }, thread, call);
        }
        self.collect_wakes();
    }

    /// The running thread's call waits.
    #[inline]
    fn park(&mut self, thread: ThreadId, op: Op) -> Option<twinsock::Result<usize>> {
        let deadline = op.deadline();
        let slot = &mut self.threads[thread.index()];
        slot.op = Some(op);
        slot.signal = None;
        self.wait(thread, Wait::Call, deadline);
        self.collect_wakes();
        None
    }

    /// A thread is about to be suspended here.
    #[inline(always)]
    pub(super) fn note_stack_end(&mut self, thread: ThreadId, end: StackEnd) {
        if let Some(known) = self.stack_ends.get_mut(thread.index()) {
            *known = end;
        }
    }

    /// Charges the running thread for a call.
    #[inline]
    pub fn charge(&mut self, thread: ThreadId) {
        let clock = &mut self.threads[thread.index()].clock;
        *clock = Instant::from_nanos(clock.as_nanos().saturating_add(self.call_cost_ns));
    }

    /// Lets the running thread wait until it is woken, or until its host's clock shows `deadline`.
    #[inline(always)]
    pub fn wait(&mut self, thread: ThreadId, wait: Wait, deadline: Option<Instant>) {
        let Scheduler { world, threads, .. } = self;
        let slot = &mut threads[thread.index()];
        assert!(slot.state == State::Running, "only the running thread begins to wait");
        slot.state = State::Waiting(wait, world.now());
        if let Some(own) = deadline {
            world.schedule(world.moment_of(slot.host, own), slot.alarm(thread));
        }
        if self.world.trace().is_recording() {
            self.note_wait(thread);
        }
    }

    /// Lets the running thread wait for another's end; `false` if that has ended already.
    pub fn wait_for_end(&mut self, thread: ThreadId, other: ThreadId) -> bool {
        if self.threads[other.index()].state == State::Ended {
            return false;
        }
        self.joiners.entry(other).or_default().push(thread);
        self.wait(thread, Wait::Join(other), None);
        true
    }

    /// Wakes a waiting thread; another is left alone. Answers whether it was waiting.
    #[inline]
    pub fn wake(&mut self, thread: ThreadId) -> bool {
        match self.threads[thread.index()].state {
            State::Waiting(Wait::Call, _) => {
                self.wake_in_call(thread);
                true
            }
            State::Waiting(Wait::Sleep | Wait::Join(_) | Wait::Sync(_), _) => {
                self.make_ready(thread);
                true
            }
            State::Ready | State::Due | State::Running | State::Ended => false,
        }
    }

    #[inline(always)]
    fn make_ready(&mut self, thread: ThreadId) {
        if !self.wakes_plainly {
            return self.make_ready_with_care(thread);
        }
        let slot = &mut self.threads[thread.index()];
        slot.state = State::Ready;
        slot.turn = slot.turn.wrapping_add(1);
        self.ready.push(thread);
    }

    /// The same where somebody records, or a host stands still, which may be the thread's.
    #[cold]
    #[inline(never)]
    fn make_ready_with_care(&mut self, thread: ThreadId) {
        if self.world.trace().is_recording() {
            self.note_wake(thread);
        }
        let slot = &mut self.threads[thread.index()];
        slot.state = State::Ready;
        slot.turn = slot.turn.wrapping_add(1);
        if !self.stall(thread) {
            self.ready.push(thread);
        }
    }

    #[inline]
    fn collect_wakes(&mut self) {
        if self.world.has_woken() {
            self.make_woken_ready();
        }
    }

    #[cold]
    fn make_woken_ready(&mut self) {
        while let Some(Token(token)) = self.world.poll_wake() {
            self.wake(thread_of(Token(token)));
        }
    }
}

/// A thread's name with its host's.
fn full_name(world: &World, threads: &[Thread], names: &[Arc<str>], thread: ThreadId) -> String {
    format!("{}/{}", world.host_name(threads[thread.index()].host), names[thread.index()])
}
