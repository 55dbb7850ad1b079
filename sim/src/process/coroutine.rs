//! The carrier: a simulated thread on a stackful coroutine. The one file that knows how a thread is suspended.
//!
//! A carrier runs on the OS thread that resumes it, on a stack of its own. It is never unwound from outside: to kill a thread,
//! the scheduler resumes it one last time and [`suspend`]'s caller unwinds from within, so destructors run on the thread's own stack.

use crate::prefetch::prefetch_bytes;
use crate::process::stack::{ABOVE_BYTES, CarrierStack, LINE_BYTES, LINK_BYTES, PAGE_BYTES, colour};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::{Cell, RefCell};
use std::mem::{ManuallyDrop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::{io, ptr, thread};

type Yield = Yielder<(), ()>;

thread_local! {
    /// The yielder of the carrier that is running on this OS thread; null outside carriers.
    static YIELDER: Cell<*const Yield> = const { Cell::new(ptr::null()) };
    /// Stacks of finished carriers, reused last in first out, within and across the simulations of this OS thread.
    static POOL: RefCell<Vec<(usize, CarrierStack)>> = const { RefCell::new(Vec::new()) };
}

/// How many finished stacks an OS thread keeps for reuse.
const POOL_MAX_STACKS: usize = 4096;

/// A thread's stack and the place where it was suspended.
///
/// What it consists of stands above that stack: a switch looks at it and then at the stack's beginning, in the same line of the caches.
pub struct Carrier(NonNull<Parts>);

/// What is resumed: by a method of this type, and in one place. So the compiler is sure to inline corosensei's `resume`, which does not ask for it: all methods of a type are put into one
/// unit of code, and what is called once, and within a unit, is inlined.
pub type Resumed = Coroutine<(), (), thread::Result<()>, CarrierStack>;

/// What a switch looks at is first, in the line in which the stack begins.
#[repr(C)]
struct Parts {
    coroutine: Resumed,
    stack_bytes: usize,
}

const _: () = assert!(offset_of!(Parts, stack_bytes) <= LINE_BYTES - LINK_BYTES, "the rest of a line is not more than that");
const _: () = assert!(size_of::<Parts>() <= ABOVE_BYTES && align_of::<Parts>() <= 16, "there is room for it above a stack");

/// About where a suspended carrier's stack ends, which is what its resumption touches first.
#[derive(Clone, Copy)]
pub struct StackEnd(*const u8);

impl StackEnd {
    /// That of a carrier that has not run.
    pub const UNKNOWN: StackEnd = StackEnd(ptr::null());

    /// About that of the caller, which is about to be suspended, here or in a caller of its own.
    #[inline(always)]
    pub fn here() -> StackEnd {
        let here = 0_u8;
        StackEnd(&raw const here)
    }

    /// Has the processor fetch what the carrier's resumption is going to touch, while something else is being done: with very many carriers each of
    /// them has long been out of its caches.
    #[inline]
    pub fn prefetch(self) {
        prefetch_bytes(self.0, PREFETCHED_BYTES);
    }

    /// The same for the other end, where the carrier stands and a switch notes whom to go back to: of a stack of which little is in use, that is in the same page,
    /// which is looked up by that.
    #[inline]
    pub fn prefetch_beginning(self) {
        prefetch_bytes(self.0.with_addr(self.end() - BEGINNING_BYTES), LINE_BYTES);
    }

    /// What is between both, and what the calls that come then are going to use: more, if the thread `carries_data`.
    #[inline]
    pub fn prefetch_frames(self, carries_data: bool) {
        let called = if carries_data { CALLED_WITH_DATA_BYTES } else { CALLED_BYTES };
        let used = self.end().saturating_sub(self.0.addr()).min(USED_BYTES_MAX);
        prefetch_bytes(self.0.wrapping_sub(called), called + used);
    }

    /// Where the stack begins, with what is above it, if this is in its first page.
    fn end(self) -> usize {
        let page_end = (self.0.addr() | (PAGE_BYTES - 1)) + 1;
        page_end - colour(page_end)
    }
}

/// How much of a stack's end is fetched.
const PREFETCHED_BYTES: usize = 512;
/// How much is fetched of what is beyond it.
const CALLED_BYTES: usize = 192;
/// The same of a thread that sends and receives.
const CALLED_WITH_DATA_BYTES: usize = 320;
/// How much of it is fetched at most where the program's own frames are wanted, too.
const USED_BYTES_MAX: usize = 512;
/// Where its other end is from: the line in which the carrier begins, above the word of whom to go back to.
const BEGINNING_BYTES: usize = 2 * LINE_BYTES;

/// How a carrier gave control back.
pub enum Outcome {
    /// It called [`suspend`].
    Suspended,
    /// Its body returned, or panicked with this payload.
    Finished(thread::Result<()>),
}

impl Carrier {
    /// A carrier that will run `body` on a stack of `stack_bytes`.
    ///
    /// # Errors
    /// The error of `mmap(2)` when no stack can be had.
    pub fn new(stack_bytes: usize, body: Box<dyn FnOnce()>) -> io::Result<Carrier> {
        let stack = match pooled(stack_bytes) {
            Some(stack) => stack,
            None => CarrierStack::new(stack_bytes)?,
        };
        let place = stack.above().cast::<Parts>();
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yield, ()| {
            YIELDER.set(ptr::from_ref(yielder));
            catch_unwind(AssertUnwindSafe(body))
        });
        // SAFETY: ABOVE_BYTES of memory at a multiple of 16, which is enough; they are ours for as long as the stack lives, of which nobody else knows.
        unsafe { place.write(Parts { coroutine, stack_bytes }) };
        Ok(Carrier(place))
    }

    #[inline(always)]
    fn parts(&self) -> &Parts {
        // SAFETY: `new` has written them, and they go with the carrier or by `take`, after which nobody has it. Memory and stack live as long as they do.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn parts_mut(&mut self) -> &mut Parts {
        // SAFETY: as in `parts`; whoever has the carrier to change it has them alone.
        unsafe { self.0.as_mut() }
    }

    /// What it consists of, from above the stack, which may go now.
    fn take(self) -> Parts {
        let carrier = ManuallyDrop::new(self);
        // SAFETY: they are there, as in `parts`, and are not looked at again: this carrier was the only way to them.
        unsafe { carrier.0.read() }
    }

    /// Runs the thread until it suspends or ends.
    #[inline(always)]
    pub fn resume(&mut self) -> Outcome {
        let outer = YIELDER.with(Cell::get);
        let result = self.parts_mut().coroutine.resume(());
        YIELDER.with(|yielder| yielder.set(outer));
        match result {
            CoroutineResult::Yield(()) => Outcome::Suspended,
            CoroutineResult::Return(result) => Outcome::Finished(result),
        }
    }

    /// Whether the body has begun to run.
    pub fn started(&self) -> bool {
        self.parts().coroutine.started()
    }

    /// Keeps the stack of a finished carrier for the next one.
    pub fn recycle(self) {
        if !self.parts().coroutine.done() {
            return;
        }
        let Parts { coroutine, stack_bytes } = self.take();
        let stack = coroutine.into_stack();
        POOL.with_borrow_mut(|pool| {
            if pool.len() < POOL_MAX_STACKS {
                pool.push((stack_bytes, stack));
            }
        });
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        // SAFETY: they are there, as in `parts`, and are not looked at again: this is the end of the only way to them.
        drop(unsafe { self.0.read() });
    }
}

fn pooled(stack_bytes: usize) -> Option<CarrierStack> {
    POOL.with_borrow_mut(|pool| {
        let last = pool.last()?;
        if last.0 == stack_bytes { pool.pop().map(|(_, stack)| stack) } else { None }
    })
}

/// Suspends the running carrier; returns when it is resumed.
///
/// Always inlined, as is [`Carrier::resume`]: the processor predicts returns by the calls before them, and mistakes every return from a frame
/// that was entered before a switch.
///
/// # Panics
/// Outside a carrier: the caller is the scheduler itself, which has nobody to suspend to.
#[inline(always)]
pub fn suspend() {
    let yielder = YIELDER.with(Cell::get);
    assert!(!yielder.is_null(), "only a simulated thread is suspended");
    // SAFETY: the pointer was set by this very carrier when it began or was last resumed (`YIELDER.set` below), and corosensei keeps
    // the yielder alive on the carrier's stack for as long as its body runs, which it does: we are called from it.
    unsafe { (*yielder).suspend(()) };
    YIELDER.with(|own| own.set(yielder));
}

/// An address near the top of the running carrier's stack; `None` outside carriers.
pub fn near_the_top() -> Option<usize> {
    let yielder = YIELDER.get();
    (!yielder.is_null()).then(|| yielder.addr())
}

/// Whether the caller runs on a carrier.
pub fn on_carrier() -> bool {
    !YIELDER.get().is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn a_carrier_goes_on_where_it_was_suspended() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let inner = Rc::clone(&log);
        let mut carrier = Carrier::new(
            64 << 10,
            Box::new(move || {
                inner.borrow_mut().push(1);
                suspend();
                inner.borrow_mut().push(2);
            }),
        )
        .expect("a small stack can be had");
        assert!(matches!(carrier.resume(), Outcome::Suspended));
        assert_eq!(*log.borrow(), [1]);
        assert!(matches!(carrier.resume(), Outcome::Finished(Ok(()))));
        assert_eq!(*log.borrow(), [1, 2]);
        assert!(!on_carrier());
        carrier.recycle();
    }

    #[test]
    fn a_panic_is_the_carriers_result() {
        let mut carrier =
            Carrier::new(64 << 10, Box::new(|| std::panic::resume_unwind(Box::new(7_u8)))).expect("a small stack can be had");
        let Outcome::Finished(Err(payload)) = carrier.resume() else { panic!("the body does not suspend") };
        assert_eq!(payload.downcast_ref::<u8>(), Some(&7));
    }

    #[test]
    fn carriers_nest() {
        let mut outer = Carrier::new(
            64 << 10,
            Box::new(|| {
                let mut inner = Carrier::new(64 << 10, Box::new(suspend)).expect("a small stack can be had");
                assert!(matches!(inner.resume(), Outcome::Suspended));
                suspend();
                assert!(matches!(inner.resume(), Outcome::Finished(Ok(()))));
            }),
        )
        .expect("a small stack can be had");
        assert!(matches!(outer.resume(), Outcome::Suspended));
        assert!(matches!(outer.resume(), Outcome::Finished(Ok(()))));
    }
}
