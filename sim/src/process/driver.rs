//! The loop that resumes threads, ends them and kills them. Programs' code runs from here, never under the scheduler's borrow.

use crate::process::Killed;
use crate::process::coroutine::{Outcome, Resumed};
use crate::process::current::{Entered, Running, Shared};
use crate::process::failure::{FailureKind, pending_panic, take_panic};
use crate::process::scheduler::{ProcId, Scheduler, ThreadId, Turn};
#[cfg(feature = "tracing")]
use crate::process::telling;
use crate::seldom::seldom;
use crate::trace::What;
use std::any::Any;
use std::cell::RefMut;
use std::rc::Rc;
use twinsock::Instant;

/// Runs the simulation until `limit`, or, without one, until every process that is not a daemon has ended.
///
/// A failure stops it; it is left in the scheduler.
pub fn drive(shared: &Rc<Shared>, limit: Option<Instant>) {
    let _entered = Entered::new(shared);
    let mut scheduler = shared.scheduler.borrow_mut();
    scheduler.pulse.drive(true);
    scheduler.set_limit(limit);
    scheduler = Resumed::resume_threads(shared, scheduler, Threads::InTurn { limit });
    scheduler.pulse.drive(false);
    drop(tell(shared, scheduler));
}

/// Which threads are resumed.
#[derive(Clone, Copy)]
enum Threads {
    /// Whoever has a turn.
    InTurn {
        /// Until then.
        limit: Option<Instant>,
    },
    /// This one alone, which is killed, and unwinds from the place where it waits.
    Killed(ThreadId),
}

/// Resumes them, as the one method of [`Resumed`] that resumes any.
trait Resume {
    /// Until there is no more of that to be done.
    fn resume_threads<'a>(shared: &'a Shared, scheduler: RefMut<'a, Scheduler>, threads: Threads) -> RefMut<'a, Scheduler>;
}

impl Resume for Resumed {
    fn resume_threads<'a>(shared: &'a Shared, mut scheduler: RefMut<'a, Scheduler>, threads: Threads) -> RefMut<'a, Scheduler> {
        loop {
            let turn = match threads {
                Threads::InTurn { limit } => {
                    scheduler = tell(shared, scheduler);
                    let turn = scheduler.next_turn(limit);
                    if let Ok(thread) = turn {
                        let steps = scheduler.steps();
                        scheduler.pulse.turn(thread.0, steps);
                    }
                    turn
                }
                Threads::Killed(thread) => {
                    seldom();
                    scheduler.pulse.turn_beside(thread.0);
                    Ok(thread)
                }
            };
            match turn {
                Ok(thread) => {
                    let (after, ended) = resume(shared, scheduler, thread);
                    scheduler = after;
                    let Some(result) = ended else {
                        debug_assert!(matches!(threads, Threads::InTurn { .. }), "a killed thread never suspends");
                        continue;
                    };
                    match result {
                        Ok(()) => {}
                        Err(payload) if matches!(threads, Threads::Killed(_)) && payload.is::<Killed>() => {}
                        Err(payload) => fail(&mut scheduler, thread, &*payload),
                    }
                    match threads {
                        Threads::InTurn { .. } => scheduler.thread_ended(thread),
                        Threads::Killed(_) => return scheduler,
                    }
                }
                Err(Turn::Kill(process)) => {
                    drop(scheduler);
                    kill(shared, process);
                    scheduler = shared.scheduler.borrow_mut();
                }
                Err(Turn::Outside(outside)) => {
                    drop(scheduler);
                    shared.serve(outside);
                    scheduler = shared.scheduler.borrow_mut();
                }
                Err(Turn::Stop) => return scheduler,
                Err(Turn::Deadlock) => {
                    let waiting = scheduler.waiting();
                    scheduler.rare.fail(FailureKind::Deadlock { waiting });
                    return scheduler;
                }
            }
        }
    }
}

/// Tells whoever listens what has happened, giving the scheduler up meanwhile.
#[cfg(feature = "tracing")]
fn tell<'a>(shared: &'a Shared, scheduler: RefMut<'a, Scheduler>) -> RefMut<'a, Scheduler> {
    if shared.telling.is_none() {
        return scheduler;
    }
    drop(scheduler);
    shared.tell();
    shared.scheduler.borrow_mut()
}

#[cfg(not(feature = "tracing"))]
#[inline(always)]
fn tell<'a>(_shared: &'a Shared, scheduler: RefMut<'a, Scheduler>) -> RefMut<'a, Scheduler> {
    scheduler
}

/// Ends what still lives, in the order of process numbers, so that no stack of a program outlives its simulation.
pub fn end_all(shared: &Rc<Shared>) {
    let _entered = Entered::new(shared);
    let count = shared.scheduler.borrow().processes.len();
    for index in 0..count {
        kill(shared, ProcId(u32::try_from(index).expect("a process's number is 32 bits")));
    }
    drop(tell(shared, shared.scheduler.borrow_mut()));
}

/// Ends a process: its sockets first, then its threads, each unwound on its own stack.
fn kill(shared: &Shared, process: ProcId) {
    let threads = shared.scheduler.borrow_mut().end_process(process);
    for thread in threads {
        let started = shared.scheduler.borrow_mut().thread_mut(thread).carrier.as_ref().map(|carrier| carrier.started());
        match started {
            Some(true) => unwind(shared, thread),
            // It never ran: only what its closure holds is dropped.
            Some(false) => {
                let carrier = shared.scheduler.borrow_mut().thread_mut(thread).carrier.take();
                drop(carrier);
            }
            // It has been unwound out of its turn, for a lock.
            None => continue,
        }
        shared.scheduler.borrow_mut().thread_ended(thread);
    }
}

/// Unwinds the thread that holds a lock for which the running thread, which is killed or panics, cannot wait. Answers `false` if there
/// is nothing to unwind: the holder has ended, or is the running thread itself, or waits for this unwinding to go on.
///
/// A holder that is not killed itself is a bystander: unwinding it fails the run.
pub fn unwind_holder(running: &Running, holder: ThreadId) -> bool {
    let shared: &Shared = &running.shared;
    let mut scheduler = shared.scheduler.borrow_mut();
    let holds = scheduler.threads.get(holder.index()).is_some_and(|thread| thread.carrier.is_some());
    if holds {
        if !scheduler.thread_mut(holder).killed {
            let is_killed = scheduler.thread_mut(running.thread).killed;
            let panic = if is_killed { None } else { pending_panic() };
            let (message, location) = panic.unwrap_or_else(|| ("killed".to_owned(), None));
            let note = format!("and its destructor needs a lock that thread {} holds", scheduler.thread_name(holder));
            fail_with(&mut scheduler, running.thread, format!("{message}\n({note})"), location);
            scheduler.kill_thread(holder);
        }
        drop(scheduler);
        unwind(shared, holder);
        shared.scheduler.borrow_mut().thread_ended(holder);
    }
    holds
}

/// Resumes a killed thread, which unwinds from the place where it waits.
fn unwind(shared: &Shared, thread: ThreadId) {
    let outer = shared.running();
    drop(Resumed::resume_threads(shared, shared.scheduler.borrow_mut(), Threads::Killed(thread)));
    shared.set_running(outer);
}

/// Switches to a thread and back, giving the scheduler up meanwhile. Answers the thread's result if it ended. Inlined, see [`coroutine::suspend`].
///
/// [`coroutine::suspend`]: crate::process::coroutine::suspend
#[inline(always)]
fn resume<'a>(
    shared: &'a Shared,
    mut scheduler: RefMut<'a, Scheduler>,
    thread: ThreadId,
) -> (RefMut<'a, Scheduler>, Option<std::thread::Result<()>>) {
    let slot = scheduler.thread_mut(thread);
    let mut carrier = slot.carrier.take().expect("a thread that has not ended has its carrier");
    shared.set_running(Some((thread, slot.process)));
    #[cfg(feature = "tracing")]
    let label = telling::Label::of(shared, &scheduler, thread);
    drop(scheduler);
    #[cfg(feature = "tracing")]
    let inside = telling::Inside::enter(shared, label);
    let outcome = carrier.resume();
    #[cfg(feature = "tracing")]
    drop(inside);
    let mut scheduler = shared.scheduler.borrow_mut();
    shared.set_running(None);
    scheduler.pulse.rest();
    match outcome {
        Outcome::Suspended => {
            // Nothing is there that would have to be dropped.
            std::mem::forget(scheduler.thread_mut(thread).carrier.replace(carrier));
            (scheduler, None)
        }
        Outcome::Finished(result) => {
            seldom();
            carrier.recycle();
            (scheduler, Some(result))
        }
    }
}

/// Notes the first panic of a run.
fn fail(scheduler: &mut Scheduler, thread: ThreadId, payload: &(dyn Any + Send)) {
    let (message, location) = take_panic(payload);
    fail_with(scheduler, thread, message, location);
}

fn fail_with(scheduler: &mut Scheduler, thread: ThreadId, message: String, location: Option<String>) {
    scheduler.record(thread, What::ProcessPanic { message: message.as_str().into() });
    let process = scheduler.process(scheduler.process_of(thread));
    let failure = FailureKind::Panic {
        host: scheduler.world().host_name(process.host).to_owned(),
        process: process.name.to_string(),
        thread: scheduler.thread_name(thread).to_owned(),
        message,
        location,
    };
    scheduler.rare.fail(failure);
}
