//! Says whose stack has overflowed: a simulated thread's is much smaller than an OS thread's, and ends in a guard page.
//!
//! A SIGSEGV in that page is answered on the alternate stack, where nothing may be allocated and no lock be waited for: the words go to a buffer of fixed
//! size, and from there to standard error. Any other SIGSEGV is for whoever handled it before, which is the standard library.

use crate::process::{coroutine, current};
use std::cell::Cell;
use std::fmt::{self, Write};
use std::ptr;
use std::sync::{Once, OnceLock};

/// How far below its end a stack that has overflowed is touched: the guard page, and what a function without stack probes may skip.
const GUARD_BYTES_MAX: usize = 64 << 10;

/// How large the stack is on which the signal is handled, for an OS thread that has none.
const ALTERNATE_BYTES: usize = 64 << 10;

/// Who handled the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

thread_local! {
    /// How large the stacks of simulated threads on this OS thread are; 0 outside a run.
    static STACK_BYTES: Cell<usize> = const { Cell::new(0) };
    /// This OS thread has been given an alternate stack of ours, which lasts for ever.
    static HAS_ALTERNATE: Cell<bool> = const { Cell::new(false) };
}

/// Stacks that are looked after; when it is dropped, those of the run around this one are again.
#[must_use]
pub struct LookingAfter {
    /// How large those are; 0 without a run around this one.
    before: usize,
}

/// Looks after stacks of this size on this OS thread.
pub fn look_after(stack_bytes: usize) -> LookingAfter {
    static ONCE: Once = Once::new();
    ONCE.call_once(install);
    let before = STACK_BYTES.replace(stack_bytes);
    if !HAS_ALTERNATE.get() {
        HAS_ALTERNATE.set(give_an_alternate_stack());
    }
    LookingAfter { before }
}

impl Drop for LookingAfter {
    fn drop(&mut self) {
        STACK_BYTES.set(self.before);
    }
}

fn install() {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_segv;
    // SAFETY: all zeroes is a valid `sigaction`: no flags, an empty mask, SIG_DFL.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: both point to live values; the handler has the type that SA_SIGINFO asks for.
    let done = unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut before) };
    if done == 0 {
        BEFORE.set(before).ok();
    }
}

/// The standard library gives its threads one; a thread of another language may have none, or one that does not last. Answers whether it has got one here.
fn give_an_alternate_stack() -> bool {
    // SAFETY: all zeroes is a valid `stack_t`.
    let mut there: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: only asks, into a live value.
    let asked = unsafe { libc::sigaltstack(ptr::null(), &raw mut there) };
    if asked != 0 || there.ss_flags & libc::SS_DISABLE == 0 {
        return false;
    }
    // It is kept for as long as the OS thread may take a signal: for ever.
    let room = Box::leak(vec![0_u8; ALTERNATE_BYTES].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: room.as_mut_ptr().cast(), ss_flags: 0, ss_size: room.len() };
    // SAFETY: the memory lives for ever and is used for nothing else.
    unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) == 0 }
}

extern "C" fn on_segv(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo that lives until the handler returns.
    let info_of_it = unsafe { &*info };
    // SAFETY: of a SIGSEGV of the kernel's, not of kill(2) or sigqueue(3), the address field is the one that was written, sigaction(2).
    let touched = (info_of_it.si_code > 0).then(|| unsafe { info_of_it.si_addr() }.addr());
    if touched.is_some_and(is_in_guard) {
        say();
        std::process::abort();
    }
    pass_on(signal, info, context);
}

/// Whether the running carrier's stack ends right above this address.
fn is_in_guard(touched: usize) -> bool {
    // The yielder is near the top of the carrier's stack.
    let Some(depth) = coroutine::near_the_top().and_then(|top| top.checked_sub(touched)) else { return false };
    let stack_bytes = STACK_BYTES.get();
    depth + GUARD_BYTES_MAX >= stack_bytes && depth <= stack_bytes + GUARD_BYTES_MAX
}

fn say() {
    let mut words = Words { bytes: [0; 1024], len: 0 };
    // What does not fit is left out.
    current::write_who_runs(&mut words).ok();
    let stack_bytes = STACK_BYTES.get();
    write!(
        words,
        " has overflowed its stack of {stack_bytes} bytes.\ntwinsock: Builder::stack_bytes gives simulated threads more"
    )
    .ok();
    if let Some(seed) = current::seed() {
        write!(words, "; the seed was {seed}").ok();
    }
    words.write_str("\n").ok();
    // SAFETY: the buffer holds so many bytes.
    unsafe { libc::write(libc::STDERR_FILENO, words.bytes.as_ptr().cast(), words.len) };
}

/// Leaves the signal to who handled it before and takes a siginfo, as the standard library does; otherwise the access is made again, and ends the
/// program.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE.get().filter(|before| before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN);
    match before {
        Some(before) if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO, what was installed is a function of this type.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(before.sa_sigaction) };
            handler(signal, info, context);
        }
        Some(_) | None => {
            // SAFETY: signal(2) takes SIG_DFL.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// Words in a buffer of fixed size.
struct Words {
    bytes: [u8; 1024],
    len: usize,
}

impl Write for Words {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        Ok(())
    }
}
