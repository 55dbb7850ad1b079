//! Memory for recordings. It is written to from one end to the other while a run goes on, and the first touch of a page costs the kernel as much as some
//! hundred events cost the recording. So what a recording gives back serves the next one.

use crate::trace::Memory;
use std::sync::{Mutex, PoisonError};

/// Where recordings have theirs from.
pub const OF_RECORDINGS: Memory = Memory { take, give };

/// Pieces that nobody uses, for all simulations of the program.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
/// How many they may be. Most have 68 KiB.
const SPARE_MAX: usize = 512;
/// No piece that is kept has more bytes.
const PIECE_MAX_BYTES: usize = 128 << 10;

fn take(bytes: usize) -> Vec<u8> {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    match spare.pop_if(|piece| piece.capacity() >= bytes) {
        Some(piece) => piece,
        None => Vec::with_capacity(bytes),
    }
}

fn give(mut piece: Vec<u8>) {
    piece.clear();
    // What recordings of a few events have is not worth it.
    if piece.capacity() > PIECE_MAX_BYTES || piece.capacity() < PIECE_MAX_BYTES / 4 {
        return;
    }
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < SPARE_MAX {
        spare.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_given_back_is_taken_again_empty() {
        // More than any recording asks for, so that those of other tests do not take them.
        let bytes = PIECE_MAX_BYTES;
        let mut piece = take(bytes);
        piece.extend_from_slice(b"what was recorded");
        give(piece);
        for _ in 0..2 {
            let again = take(bytes);
            assert!(again.is_empty() && again.capacity() >= bytes);
        }
    }

    #[test]
    fn what_is_spare_has_a_limit() {
        (0..2 * SPARE_MAX).for_each(|_| give(Vec::with_capacity(PIECE_MAX_BYTES / 2)));
        give(Vec::with_capacity(PIECE_MAX_BYTES + 1));
        give(Vec::with_capacity(10));
        let spare = SPARE.lock().unwrap();
        assert!(spare.len() <= SPARE_MAX);
        assert!(spare.iter().all(|piece| (PIECE_MAX_BYTES / 4..=PIECE_MAX_BYTES).contains(&piece.capacity())));
    }
}
