//! Has the processor fetch what is going to be touched soon, while something else is being done. Where very many take turns, whatever belongs to one of them has
//! long been out of the caches, and to wait for one line of memory after the other takes longer than everything that is done with them.
//!
//! It is advice, without any effect but on time: what is fetched in vain costs a little of that. A leaf: it knows nobody.

/// All of a value.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    prefetch_bytes(std::ptr::from_ref(value).cast(), size_of::<T>());
}

/// So many bytes from an address on, whatever is there.
#[inline(always)]
pub(crate) fn prefetch_bytes(from: *const u8, bytes: usize) {
    each_line::<SECOND_CACHE>(from, bytes);
}

/// All of a value that is small and going to be touched very soon, into the first cache: for what is fetched alone.
#[inline(always)]
pub(crate) fn prefetch_close<T>(value: &T) {
    each_line::<FIRST_CACHE>(std::ptr::from_ref(value).cast(), size_of::<T>());
}

#[inline(always)]
fn each_line<const CACHE: i32>(from: *const u8, bytes: usize) {
    let mut offset = 0;
    while offset < bytes {
        prefetch_line::<CACHE>(from.wrapping_add(offset));
        offset += LINE_BYTES;
    }
    // Where it does not begin at the beginning of a line, it ends in one more.
    prefetch_line::<CACHE>(from.wrapping_add(bytes.saturating_sub(1)));
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_line<const CACHE: i32>(address: *const u8) {
    // SAFETY: a prefetch reads nothing and faults nowhere, whatever the address.
    unsafe { std::arch::x86_64::_mm_prefetch::<CACHE>(address.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn prefetch_line<const CACHE: i32>(_address: *const u8) {}

/// `_MM_HINT_T1`, for nearly all: misses of the first cache are few at a time, and hold up whatever comes behind them.
const SECOND_CACHE: i32 = 2;
/// `_MM_HINT_T0`.
const FIRST_CACHE: i32 = 3;

/// What a cache fetches at once.
const LINE_BYTES: usize = 64;
