//! The digest: 64 bits that differ when two runs differ.
//!
//! Frozen: a change gives every run another digest. With `K` odd and `mum(a, b)` the two halves of the 128-bit product `a * b`, xored:
//!
//! ```text
//! one word:   h = rotate_left(h ^ w, 23) * K
//! two words:  as one word, w = mum(a ^ P0, b ^ P1)
//! four words: as one word, w = mum(a ^ P0, b ^ P1) ^ rotate_left(mum(c ^ P2, d ^ P3), 32)
//! a label:    what of four words is w above; with two words, as one word, mum(a ^ P0, b ^ P1) ^ label
//! data:       four words at a time, then what is left, padded with zeros
//! bytes:      as data, then the length
//! ```
//!
//! The step is a bijection of `h`, so that two runs which have parted stay apart until words that differ bring them together, by a
//! chance of 2^-64. Only that step waits for the one before it: the products of an event's words are made beside it. This is a
//! check against accidents, not against an adversary.

/// A digest in the making.
///
/// ```
/// use twinsock_sim::trace::Digest;
/// let (mut a, mut b) = (Digest::new(), Digest::new());
/// [1, 2].map(|word| a.fold(word));
/// [2, 1].map(|word| b.fold(word));
/// assert_ne!(a.value(), b.value());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

const K: u64 = 0x9e37_79b9_7f4a_7c15;
const P: [u64; 4] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];

impl Digest {
    /// The digest of nothing.
    ///
    /// ```
    /// use twinsock_sim::trace::Digest;
    /// assert_eq!(Digest::new().value(), Digest::new().value());
    /// ```
    #[must_use]
    pub const fn new() -> Digest {
        Digest(P[0])
    }

    /// Folds in a word.
    ///
    /// ```
    /// use twinsock_sim::trace::Digest;
    /// let (mut one, mut other) = (Digest::new(), Digest::new());
    /// one.fold(1);
    /// one.fold(2);
    /// other.fold(2);
    /// other.fold(1);
    /// assert_ne!(one.value(), other.value(), "the order counts");
    /// ```
    #[inline]
    pub const fn fold(&mut self, word: u64) {
        self.0 = (self.0 ^ word).rotate_left(23).wrapping_mul(K);
    }

    /// Folds in two words, for little more than the price of one.
    #[inline]
    pub(crate) const fn fold2(&mut self, a: u64, b: u64) {
        self.fold(mum(a ^ P[0], b ^ P[1]));
    }

    /// Folds in four words.
    ///
    /// ```
    /// use twinsock_sim::trace::Digest;
    /// let (mut one, mut other) = (Digest::new(), Digest::new());
    /// one.fold4(1, 2, 3, 4);
    /// other.fold4(4, 3, 2, 1);
    /// assert_ne!(one.value(), other.value());
    /// ```
    #[inline]
    pub const fn fold4(&mut self, a: u64, b: u64, c: u64, d: u64) {
        self.fold(Digest::label(a, b, c, d));
    }

    /// One word that stands for four, to be folded in several times.
    #[inline]
    #[must_use]
    pub(crate) const fn label(a: u64, b: u64, c: u64, d: u64) -> u64 {
        mum(a ^ P[0], b ^ P[1]) ^ mum(c ^ P[2], d ^ P[3]).rotate_left(32)
    }

    /// Folds in two words and a label.
    #[inline]
    pub(crate) const fn fold2_with(&mut self, a: u64, b: u64, label: u64) {
        self.fold(mum(a ^ P[0], b ^ P[1]) ^ label);
    }

    /// Folds in bytes, and how many they are.
    ///
    /// ```
    /// use twinsock_sim::trace::Digest;
    /// let (mut one, mut other) = (Digest::new(), Digest::new());
    /// one.fold_bytes(b"ab");
    /// other.fold_bytes(b"ba");
    /// assert_ne!(one.value(), other.value());
    /// ```
    #[inline]
    pub fn fold_bytes(&mut self, bytes: &[u8]) {
        self.fold_data(bytes);
        self.fold_count(bytes.len());
    }

    /// Folds in bytes whose number is folded in elsewhere.
    ///
    /// ```
    /// use twinsock_sim::trace::Digest;
    /// let (mut one, mut other) = (Digest::new(), Digest::new());
    /// one.fold_data(b"ab");
    /// other.fold_data(b"ab");
    /// assert_eq!(one.value(), other.value());
    /// ```
    #[inline(always)]
    pub fn fold_data(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<32>();
        for block in blocks {
            self.fold_block(block);
        }
        if !rest.is_empty() {
            self.fold_rest(rest);
        }
    }

    /// Folds in less than a block.
    #[inline(never)]
    fn fold_rest(&mut self, rest: &[u8]) {
        let mut block = [0; 32];
        block[..rest.len()].copy_from_slice(rest);
        self.fold_block(&block);
    }

    #[inline]
    fn fold_count(&mut self, count: usize) {
        self.fold(u64::try_from(count).expect("a length in memory fits 64 bits"));
    }

    #[inline(always)]
    fn fold_block(&mut self, block: &[u8; 32]) {
        let (words, _) = block.as_chunks::<8>();
        let word = |index: usize| u64::from_le_bytes(words[index]);
        self.fold4(word(0), word(1), word(2), word(3));
    }

    /// The digest of what was folded in so far, every bit of it depending on all of that.
    ///
    /// ```
    /// use twinsock_sim::trace::Digest;
    /// let (mut one, mut other) = (Digest::new(), Digest::new());
    /// one.fold(7);
    /// other.fold(7);
    /// assert_eq!(one.value(), other.value());
    /// ```
    #[inline]
    #[must_use]
    pub const fn value(self) -> u64 {
        // The finalizer of MurmurHash3.
        let mut h = self.0;
        h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ h >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ h >> 33
    }
}

impl Default for Digest {
    fn default() -> Digest {
        Digest::new()
    }
}

/// The halves of `a * b`, xored.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "each half of a product is meant to be taken alone")]
const fn mum(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_this_for_ever() {
        let mut digest = Digest::new();
        assert_eq!(digest.value(), 0x05f8_0708_adb6_c5a9);
        digest.fold(1);
        digest.fold2(2, 3);
        digest.fold4(4, 5, 6, 7);
        digest.fold_bytes(b"eight to the bar, and a few more bytes than that");
        assert_eq!(digest.value(), 0x3ae3_6d8e_1acc_3d49);
    }

    #[test]
    fn every_bit_of_every_word_counts() {
        let of = |words: [u64; 4], bytes: [u8; 70]| {
            let mut digest = Digest::new();
            digest.fold(words[0]);
            digest.fold2(words[0], words[1]);
            digest.fold4(words[0], words[1], words[2], words[3]);
            digest.fold_bytes(&bytes);
            digest.value()
        };
        let mut seen = vec![of([0; 4], [0; 70])];
        for word in 0..4 {
            for bit in 0..64 {
                let mut words = [0; 4];
                words[word] = 1 << bit;
                seen.push(of(words, [0; 70]));
            }
        }
        for byte in 0..70 {
            for bit in 0..8 {
                let mut bytes = [0; 70];
                bytes[byte] = 1 << bit;
                seen.push(of([0; 4], bytes));
            }
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn neither_the_end_of_bytes_nor_the_order_is_lost() {
        let of = |parts: &[&[u8]]| {
            let mut digest = Digest::new();
            parts.iter().for_each(|bytes| digest.fold_bytes(bytes));
            digest.value()
        };
        let all = [of(&[b"ab"]), of(&[b"ab\0"]), of(&[b"a", b"b"]), of(&[b"b", b"a"]), of(&[b"", b"ab"]), of(&[b"ab", b""])];
        let mut sorted = all.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len());
    }
}
