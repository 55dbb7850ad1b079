//! Memory for recordings. It is written to from one end to the other while a run goes on, and the first touch of a page costs the kernel as much as some
//! ten events cost the recording. So large pieces are asked for in huge pages (`madvise(2)`), and what a recording gives back serves the next one.

use crate::trace::Memory;
use std::sync::{Mutex, PoisonError};

/// Where recordings have theirs from.
pub const OF_RECORDINGS: Memory = Memory { take, give };

/// Pieces that nobody uses, for all simulations of the program.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
/// How many bytes they may be.
const SPARE_MAX_BYTES: usize = 32 << 20;
/// From how many bytes on a piece is worth huge pages.
const HUGE_FROM_BYTES: usize = 1 << 20;

fn take(bytes: usize) -> Vec<u8> {
    let fits = |piece: &Vec<u8>| piece.capacity() >= bytes && piece.capacity() / 2 <= bytes;
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = spare.iter().rposition(fits) {
        return spare.swap_remove(index);
    }
    drop(spare);
    let mut piece = Vec::with_capacity(bytes);
    if bytes >= HUGE_FROM_BYTES {
        advise(&mut piece);
    }
    piece
}

fn give(mut piece: Vec<u8>) {
    piece.clear();
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let held: usize = spare.iter().map(Vec::capacity).sum();
    if held + piece.capacity() <= SPARE_MAX_BYTES {
        spare.push(piece);
    }
}

/// Asks for huge pages. Where there are none, all works as well.
fn advise(piece: &mut Vec<u8>) {
    let page_bytes = super::stack::page_bytes();
    let start = piece.as_mut_ptr();
    let within = start.addr() % page_bytes;
    // SAFETY: it is advice, which changes no byte, about the pages of a piece of memory that is ours; what else lies on the first and the last of
    // them is as well off in a huge page.
    unsafe { libc::madvise(start.wrapping_sub(within).cast(), piece.capacity() + within, libc::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_given_back_is_taken_again() {
        // Of a size that no other test asks for.
        let bytes = (3 << 20) + 12_345;
        let mut piece = take(bytes);
        piece.extend_from_slice(b"what was recorded");
        let lies_at = piece.as_ptr();
        assert!(piece.capacity() >= bytes);
        give(piece);
        let again = take(bytes);
        assert!(again.is_empty() && again.as_ptr() == lies_at);
        give(vec![0; SPARE_MAX_BYTES + 1]);
        assert!(SPARE.lock().unwrap().iter().all(|piece| piece.capacity() <= SPARE_MAX_BYTES));
    }
}
