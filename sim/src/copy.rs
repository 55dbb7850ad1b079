//! Copies of much data. A leaf: it knows nobody.
//!
//! What the C library makes of more than about 2 KiB goes from one end to the other, and waits at each page's beginning until the processor's caches have found out
//! what comes next; where the two places lie unluckily in their pages it takes more than twice as long. Here the lines of a page are copied from four places of it in
//! turn, in the widest registers that need no more than AVX, so that four streams are on their way at any time. It takes a sixth less time, wherever the places are.

use bytes::BytesMut;
use std::mem::MaybeUninit;

/// What a cache holds at once.
const LINE_BYTES: usize = 64;
/// Two lines, which are copied one behind the other.
const PAIR_BYTES: usize = 2 * LINE_BYTES;
/// How many pairs are copied at once.
const PAGE_PAIRS: usize = 32;
/// From how many places of it.
const STREAMS: usize = 4;
/// How many pairs are copied from each of them.
const STREAM_PAIRS: usize = PAGE_PAIRS / STREAMS;
/// What is copied so: less is not worth it.
const MUCH_BYTES: usize = PAIR_BYTES * PAGE_PAIRS;
/// How much the C library copies at once, where we do not: up to some 2 KiB it moves registers, and more by one string instruction.
const PIECE_BYTES: usize = 1536;

/// Copies `from` over `into`, which is as long.
#[inline]
pub(crate) fn copy(into: &mut [u8], from: &[u8]) {
    debug_assert_eq!(into.len(), from.len(), "what is copied is as long as the place where it goes");
    if from.len() <= PIECE_BYTES {
        return into.copy_from_slice(from);
    }
    copy_much(into, from);
}

/// Copies `from` behind what is in `into`.
#[inline]
pub(crate) fn append(into: &mut BytesMut, from: &[u8]) {
    if from.len() <= PIECE_BYTES {
        return into.extend_from_slice(from);
    }
    into.reserve(from.len());
    // SAFETY: these are as many bytes as `from` has, in memory that is initialised, and `MaybeUninit<u8>` lies in memory as `u8` does.
    let source = unsafe { std::slice::from_raw_parts(from.as_ptr().cast::<MaybeUninit<u8>>(), from.len()) };
    copy_much(&mut into.spare_capacity_mut()[..from.len()], source);
    // SAFETY: so many bytes behind those that were there have just been written, and there was room for them.
    unsafe { into.set_len(into.len() + from.len()) };
}

/// Copies more than a piece.
#[inline(never)]
fn copy_much<T: Copy>(into: &mut [T], from: &[T]) {
    #[cfg(target_arch = "x86_64")]
    if from.len() >= MUCH_BYTES && is_x86_feature_detected!("avx") {
        // SAFETY: the processor has AVX.
        return unsafe { copy_by_lines(into, from) };
    }
    for (into, from) in into.chunks_mut(PIECE_BYTES).zip(from.chunks(PIECE_BYTES)) {
        into.copy_from_slice(from);
    }
}

/// Copies pair by pair of lines, into whole lines.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn copy_by_lines<T: Copy>(into: &mut [T], from: &[T]) {
    use std::hint::black_box;
    use std::sync::atomic::{Ordering, compiler_fence};
    const { assert!(size_of::<T>() == 1, "lengths are in bytes") };
    let begun = into.as_ptr().align_offset(LINE_BYTES).min(into.len());
    let ((first_into, into), (first, from)) = (into.split_at_mut(begun), from.split_at(begun));
    first_into.copy_from_slice(first);
    let (into_pairs, last_into) = into.as_chunks_mut::<PAIR_BYTES>();
    let (pairs, last) = from.as_chunks::<PAIR_BYTES>();
    let (into_pages, into_pairs) = into_pairs.as_chunks_mut::<PAGE_PAIRS>();
    let (pages, pairs) = pairs.as_chunks::<PAGE_PAIRS>();
    // The compiler is not told how many times: it would write all of a page out, or not, by what else there is in the program. It takes as long either way.
    let times = black_box(STREAM_PAIRS).min(STREAM_PAIRS);
    for (into, from) in into_pages.iter_mut().zip(pages) {
        for pair in 0..times {
            for stream in 0..STREAMS {
                let pair = stream * STREAM_PAIRS + pair;
                into[pair] = from[pair];
            }
            // So that the compiler does not see that it comes to copies, one behind the other.
            compiler_fence(Ordering::SeqCst);
        }
    }
    for (into, from) in into_pairs.iter_mut().zip(pairs) {
        *into = *from;
        compiler_fence(Ordering::SeqCst);
    }
    last_into.copy_from_slice(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_copied_whatever_its_length_and_wherever_it_is() {
        let from: Vec<u8> = (0..3 * MUCH_BYTES).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let whole = MUCH_BYTES + PAIR_BYTES;
        let lengths =
            [0, 1, PIECE_BYTES, PIECE_BYTES + 1, MUCH_BYTES - 1, MUCH_BYTES, whole - 1, whole, whole + 70, 2 * whole + 1];
        for len in lengths {
            for (at, source) in [(0, 0), (0, 1), (1, 0), (8, 16), (63, 64), (64, 65)] {
                let from = &from[source..source + len];
                let mut into = vec![0; at + len + 1];
                copy(&mut into[at..at + len], from);
                assert_eq!(into[at..at + len], *from);
                assert!(into[..at].iter().all(|byte| *byte == 0) && into[at + len] == 0, "nothing else is written");
                let before = vec![9; at];
                let mut behind = BytesMut::from(&before[..]);
                append(&mut behind, from);
                assert_eq!(behind[..], [&before, from].concat());
            }
        }
    }
}
