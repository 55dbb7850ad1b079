//! The stacks of carriers: many in one reservation, each with a guard below it that costs the kernel no mapping of its own.
//!
//! `MADV_GUARD_INSTALL` (`madvise(2)`, Linux 6.13) makes guards that are marks in page tables, so that any number of stacks is one mapping;
//! with `mprotect(2)` each takes two, and `vm.max_map_count` ends that at some 32,000. Where the kernel does not know it, or the system
//! is not Linux, each stack is a mapping of corosensei's.
//!
//! A reservation goes when the last of its stacks goes. Nothing here is shared between OS threads.

use crate::seldom::seldom;
use corosensei::stack::valgrind::ValgrindStackRegistration;
use corosensei::stack::{DefaultStack, MIN_STACK_SIZE, Stack, StackPointer};
use std::cell::{Cell, RefCell};
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;

/// A stack of a carrier.
pub enum CarrierStack {
    /// A part of a reservation.
    Part(Part),
    /// A mapping of its own; seldom, and so not in the way of the others.
    Own(Box<DefaultStack>),
}

/// A part of a reservation, its lowest page being the guard.
pub struct Part {
    base: StackPointer,
    _registration: ValgrindStackRegistration,
    reservation: Rc<Reservation>,
}

/// Address space for several stacks.
struct Reservation {
    start: NonNull<u8>,
    bytes: usize,
}

/// The reservation whose parts are being handed out.
struct Current {
    reservation: Rc<Reservation>,
    /// The size of a part, with its guard.
    part_bytes: usize,
    parts_left: usize,
}

/// What a cache keeps at a place.
pub const LINE_BYTES: usize = 64;
/// How much a stack keeps of the first line of its own: corosensei's word of whom to go back to. The rest of that line is above the stack.
pub const LINK_BYTES: usize = 16;
/// How much room there is above a stack, in its first page, for what belongs to its carrier.
pub const ABOVE_BYTES: usize = 2 * LINE_BYTES - LINK_BYTES;
/// The least size of a page; a stack ends with one.
pub const PAGE_BYTES: usize = 4096;
/// At how many places of their pages stacks begin: in half a page, so that a thread that only waits keeps to the other half.
const COLOURS: usize = PAGE_BYTES / 2 / LINE_BYTES;
/// How many bytes are left free above a stack at most.
const COLOURS_BYTES: usize = COLOURS * LINE_BYTES;

/// How far below the end of its first page a stack begins, and its owner's room above it ends. The caches have so many places for what stands at one offset of a page,
/// and all threads touch the first lines of their stacks: neighbours begin at different ones.
#[inline]
pub fn colour(page_end: usize) -> usize {
    page_end / PAGE_BYTES % COLOURS * LINE_BYTES
}

/// Where a stack begins whose memory ends here.
#[inline]
fn base_below(end: usize) -> StackPointer {
    StackPointer::new(end - colour(end) - ABOVE_BYTES).expect("a stack does not end at address 0")
}

/// How many stacks a reservation holds.
const RESERVATION_STACKS: usize = 64;

/// How much memory a stack takes of which so many bytes, or the least that corosensei can do with, are to be had wherever it begins.
fn with_room(bytes: usize) -> usize {
    bytes.max(MIN_STACK_SIZE) + ABOVE_BYTES + COLOURS_BYTES
}

/// `MADV_GUARD_INSTALL` of `linux/mman.h`.
const MADV_GUARD_INSTALL: i32 = 102;

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
    /// The kernel has refused a guard.
    static HAS_NO_GUARDS: Cell<bool> = const { Cell::new(false) };
}

impl CarrierStack {
    /// A stack of this size.
    ///
    /// # Errors
    /// The error of `mmap(2)` when no stack can be had.
    pub fn new(bytes: usize) -> io::Result<CarrierStack> {
        if !HAS_NO_GUARDS.get() {
            match Part::new(bytes) {
                Ok(part) => return Ok(CarrierStack::Part(part)),
                // EINVAL: an older kernel.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => HAS_NO_GUARDS.set(true),
                Err(error) => return Err(error),
            }
        }
        DefaultStack::new(with_room(bytes)).map(|stack| CarrierStack::Own(Box::new(stack)))
    }

    /// The room above it, [`ABOVE_BYTES`] at a multiple of 16, which is its owner's for as long as the stack lives.
    pub fn above(&self) -> NonNull<u8> {
        let at = self.base().get();
        let room = match self {
            CarrierStack::Part(part) => part.reservation.start.as_ptr().with_addr(at),
            CarrierStack::Own(_) => std::ptr::with_exposed_provenance_mut(at),
        };
        NonNull::new(room).expect("a stack does not end at address 0")
    }
}

impl Part {
    fn new(bytes: usize) -> io::Result<Part> {
        let guard_bytes = page_bytes();
        // An odd number of pages, one of which is the guard: so neighbours have ends of all colours.
        let part_bytes = ((1 + with_room(bytes).div_ceil(guard_bytes)) | 1) * guard_bytes;
        CURRENT.with_borrow_mut(|current| {
            let fits = current.as_ref().is_some_and(|current| current.part_bytes == part_bytes && current.parts_left > 0);
            if !fits {
                let reservation = Rc::new(Reservation::new(part_bytes * RESERVATION_STACKS)?);
                *current = Some(Current { reservation, part_bytes, parts_left: RESERVATION_STACKS });
            }
            let current = current.as_mut().expect("there is a reservation now");
            let index = RESERVATION_STACKS - current.parts_left;
            // SAFETY: the reservation holds RESERVATION_STACKS parts of this size, and `index` is below that.
            let start = unsafe { current.reservation.start.add(index * part_bytes) };
            install_guard(start, guard_bytes)?;
            current.parts_left -= 1;
            let end = start.addr().get() + part_bytes;
            Ok(Part {
                base: base_below(end),
                _registration: ValgrindStackRegistration::new(start.as_ptr(), part_bytes),
                reservation: Rc::clone(&current.reservation),
            })
        })
    }
}

fn page_bytes() -> usize {
    // SAFETY: it only answers a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("the size of a page is positive")
}

/// Makes the lowest page of a part fault when it is touched.
fn install_guard(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: the pages lie in a private anonymous mapping of ours, and nobody has used them yet.
    let answer = unsafe { libc::madvise(start.as_ptr().cast(), bytes, MADV_GUARD_INSTALL) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Reservation {
    fn new(bytes: usize) -> io::Result<Reservation> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // A huge page would give a stack of which one page is touched two megabytes. Advice: where it is refused, all works as well.
        // SAFETY: the mapping just made.
        unsafe { libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE) };
        let start = NonNull::new(start.cast()).expect("a mapping does not begin at address 0");
        Ok(Reservation { start, bytes })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the whole of our own mapping; every part of it holds the reservation, so none is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: from `limit` to ABOVE_BYTES beyond `base`, and on to the end of that page, there is memory that belongs to this stack alone for as long as it lives, its ends
// multiples of a page; the lowest page is a guard, and from there to `base` there are at least MIN_STACK_SIZE bytes, by `with_room`. The memory of the other kind is corosensei's own.
unsafe impl Stack for CarrierStack {
    #[inline]
    fn base(&self) -> StackPointer {
        match self {
            CarrierStack::Part(part) => part.base,
            CarrierStack::Own(own) => {
                seldom();
                base_below(own.base().get())
            }
        }
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        match self {
            CarrierStack::Part(part) => {
                let end = (part.base.get() + ABOVE_BYTES).next_multiple_of(PAGE_BYTES);
                let bytes = part.reservation.bytes / RESERVATION_STACKS;
                StackPointer::new(end - bytes).expect("a stack does not begin at address 0")
            }
            CarrierStack::Own(own) => own.limit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn neighbours_begin_at_different_lines_of_their_pages() {
        for bytes in [60 << 10, 64 << 10, 124 << 10] {
            let stacks: Vec<CarrierStack> =
                (0..COLOURS).map(|_| CarrierStack::new(bytes).expect("a small stack can be had")).collect();
            let are_parts = stacks.iter().all(|stack| matches!(stack, CarrierStack::Part(_)));
            let lines: BTreeSet<usize> = stacks.iter().map(|stack| stack.base().get() % PAGE_BYTES / LINE_BYTES).collect();
            // Ends of larger pages have fewer colours.
            if are_parts && page_bytes() == PAGE_BYTES {
                assert_eq!(lines.len(), COLOURS, "{lines:?}");
            }
        }
    }

    #[test]
    fn a_stack_has_what_was_asked_for_wherever_it_begins() {
        let own = DefaultStack::new(with_room(64 << 10)).expect("a small stack can be had");
        let parts = (0..COLOURS).map(|_| CarrierStack::new(64 << 10).expect("a small stack can be had"));
        for stack in parts.chain([CarrierStack::Own(Box::new(own))]) {
            let bytes = stack.base().get() - stack.limit().get();
            assert!(bytes >= page_bytes() + (64 << 10), "{bytes} bytes with the guard");
            let above = stack.above().addr().get();
            assert_eq!(above % LINE_BYTES, LINK_BYTES);
            assert!(above % PAGE_BYTES + ABOVE_BYTES <= PAGE_BYTES, "the room above ends with the page");
        }
    }
}
