//! Copies of much data. A leaf: it knows nobody.
//!
//! For more than about 2 KiB the C library's `memcpy` is one string instruction (`rep movsb`), which takes a tenth longer than moves of whole registers where the
//! data is not in the nearest cache, and up to 70 % longer where the two places lie unluckily in their pages. In pieces it takes the registers.

use bytes::BytesMut;

/// How much is copied at once.
const PIECE_BYTES: usize = 1536;

/// Copies `from` over `into`, which is as long.
#[inline]
pub(crate) fn copy(into: &mut [u8], from: &[u8]) {
    debug_assert_eq!(into.len(), from.len(), "what is copied is as long as the place where it goes");
    for (into, from) in into.chunks_mut(PIECE_BYTES).zip(from.chunks(PIECE_BYTES)) {
        into.copy_from_slice(from);
    }
}

/// Copies `from` behind what is in `into`.
#[inline]
pub(crate) fn append(into: &mut BytesMut, from: &[u8]) {
    into.reserve(from.len());
    for from in from.chunks(PIECE_BYTES) {
        into.extend_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_copied_whatever_its_length() {
        let from: Vec<u8> = (0..5 * PIECE_BYTES).map(|index| u8::try_from(index % 251).unwrap()).collect();
        for len in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, from.len()] {
            let (mut into, mut behind) = (vec![0; len], BytesMut::from(&b"before"[..]));
            copy(&mut into, &from[..len]);
            append(&mut behind, &from[..len]);
            assert_eq!(into, from[..len]);
            assert_eq!(behind[..], [b"before", &from[..len]].concat());
        }
    }
}
