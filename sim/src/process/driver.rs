//! The loop that resumes threads, ends them and kills them. Programs' code runs from here, never under the scheduler's borrow.

use crate::process::Killed;
use crate::process::coroutine::{Carrier, Outcome};
use crate::process::current::{Entered, Shared};
use crate::process::failure::{FailureKind, take_panic};
use crate::process::scheduler::{ProcId, ThreadId, Turn};
use std::any::Any;
use std::rc::Rc;
use twinsock::Instant;

/// Runs the simulation until `limit`, or, without one, until every process that is not a daemon has ended.
///
/// A failure stops it; it is left in the scheduler.
pub fn drive(shared: &Rc<Shared>, limit: Option<Instant>) {
    let _entered = Entered::new(shared);
    loop {
        let turn = shared.scheduler.borrow_mut().next_turn(limit);
        match turn {
            Turn::Run(thread) => run(shared, thread),
            Turn::Kill(process) => kill(shared, process),
            Turn::Stop => return,
            Turn::Deadlock => {
                let mut scheduler = shared.scheduler.borrow_mut();
                let waiting = scheduler.waiting();
                scheduler.failure = Some(FailureKind::Deadlock { waiting });
                return;
            }
        }
    }
}

/// Ends what still lives, in the order of process numbers, so that no stack of a program outlives its simulation.
pub fn end_all(shared: &Rc<Shared>) {
    let _entered = Entered::new(shared);
    let count = shared.scheduler.borrow().processes.len();
    for index in 0..count {
        kill(shared, ProcId(u32::try_from(index).expect("a process's number is 32 bits")));
    }
}

/// Resumes a thread until it suspends or ends.
fn run(shared: &Rc<Shared>, thread: ThreadId) {
    match resume(shared, thread) {
        None => {}
        Some(Ok(())) => shared.scheduler.borrow_mut().thread_ended(thread),
        Some(Err(payload)) => {
            let mut scheduler = shared.scheduler.borrow_mut();
            let failure = describe_panic(&scheduler, thread, &*payload);
            scheduler.failure.get_or_insert(failure);
            scheduler.thread_ended(thread);
        }
    }
}

/// Ends a process: its sockets first, then its threads, each unwound on its own stack.
fn kill(shared: &Rc<Shared>, process: ProcId) {
    let threads = shared.scheduler.borrow_mut().end_process(process);
    for thread in threads {
        let started = shared.scheduler.borrow_mut().thread_mut(thread).carrier.as_ref().is_some_and(Carrier::started);
        if started {
            unwind(shared, thread);
        } else {
            // It never ran: only what its closure holds is dropped.
            let carrier = shared.scheduler.borrow_mut().thread_mut(thread).carrier.take();
            drop(carrier);
        }
        shared.scheduler.borrow_mut().thread_ended(thread);
    }
}

/// Resumes a killed thread, which unwinds from the place where it waits.
fn unwind(shared: &Rc<Shared>, thread: ThreadId) {
    match resume(shared, thread) {
        None => unreachable!("a killed thread never suspends"),
        Some(Ok(())) => {}
        Some(Err(payload)) if payload.is::<Killed>() => {}
        Some(Err(payload)) => {
            let mut scheduler = shared.scheduler.borrow_mut();
            let failure = describe_panic(&scheduler, thread, &*payload);
            scheduler.failure.get_or_insert(failure);
        }
    }
}

/// Switches to a thread and back. Answers its result if it ended.
fn resume(shared: &Rc<Shared>, thread: ThreadId) -> Option<std::thread::Result<()>> {
    let (mut carrier, process) = {
        let mut scheduler = shared.scheduler.borrow_mut();
        scheduler.pulse.beat(thread.0);
        let slot = scheduler.thread_mut(thread);
        (slot.carrier.take().expect("a thread that has not ended has its carrier"), slot.process)
    };
    let outer = shared.set_running(Some((thread, process)));
    let outcome = carrier.resume();
    shared.set_running(outer);
    let mut scheduler = shared.scheduler.borrow_mut();
    scheduler.pulse.rest();
    match outcome {
        Outcome::Suspended => {
            scheduler.thread_mut(thread).carrier = Some(carrier);
            None
        }
        Outcome::Finished(result) => {
            drop(scheduler);
            carrier.recycle();
            Some(result)
        }
    }
}

fn describe_panic(scheduler: &crate::process::scheduler::Scheduler, thread: ThreadId, payload: &(dyn Any + Send)) -> FailureKind {
    let process = scheduler.process(scheduler.process_of(thread));
    let (message, location) = take_panic(payload);
    FailureKind::Panic {
        host: scheduler.world().host_name(process.host).to_owned(),
        process: process.name.clone(),
        thread: scheduler.thread_name(thread).to_owned(),
        message,
        location,
    }
}
