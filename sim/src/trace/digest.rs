//! The digest: 64 bits that differ when two runs differ.
//!
//! Frozen: a change gives every run another digest. With `K` odd and `mum(a, b)` the two halves of the 128-bit product `a * b`, xored:
//!
//! ```text
//! one word:   h = rotate_left(h ^ w, 23) * K
//! two words:  as one word, w = mum(a ^ P0, b ^ P1); with a label, mum(a ^ P0, b ^ P1) ^ label
//! four words: as one word, w = mum(a ^ P0, b ^ P1) ^ rotate_left(mum(c ^ P2, d ^ P3), 32)
//! a label:    what of four words is w above
//! a call:     as one word, w = mum(time + place * K, (result + whose * K) ^ name)
//! a flow:     mum(a ^ P2, b ^ P3); the label of a packet of it, mum(c ^ flow, d ^ P1)
//! a packet:   as one word, w = (time + place * K) ^ label
//! data:       as one word, l ^ rotate_left(m, 32), where for every four words, the last ones padded with zeros,
//!             l = mum(a ^ P0, b ^ l) and m = mum(c ^ P2, d ^ m), from P1 and P3 on; nothing, if there is none
//! bytes:      four words at a time, the last ones padded with zeros, then the length
//! ```
//!
//! The step is a bijection of `h`, so that two runs which have parted stay apart until words that differ bring them together, by a
//! chance of 2^-64. Only that step waits for the one before it: the products of an event's words are made beside it. This is a
//! check against accidents, not against an adversary. Why each of these tells apart what it stands for is in the decisions
//! ("What of an event goes into the digest").

use crate::seldom::unlikely;

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

    /// Folds in the end of a call: when, host and process, thread and descriptor, what it returned, and its name's digest.
    #[inline(always)]
    pub(crate) const fn fold_call(&mut self, (at, home): (u64, u64), (result, whose): (u64, u64), name: u64) {
        self.fold(mum(joined(at, home), joined(result, whose) ^ name));
    }

    /// Folds in what became of a packet: when, where and what, and its label.
    #[inline(always)]
    pub(crate) const fn fold_packet(&mut self, at: u64, fate: u64, label: u64) {
        self.fold(joined(at, fate) ^ label);
    }

    /// Stands for what the packets of a flow have in common.
    #[inline]
    #[must_use]
    pub(crate) const fn flow(a: u64, b: u64) -> u64 {
        mum(a ^ P[2], b ^ P[3])
    }

    /// Stands for a packet of a flow.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn packet_label(flow: u64, c: u64, d: u64) -> u64 {
        mum(c ^ flow, d ^ P[1])
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
        for part in bytes.chunks(32) {
            let [a, b, c, d] = words(&padded(part));
            self.fold4(a, b, c, d);
        }
        self.fold_count(bytes.len());
    }

    fn fold_count(&mut self, count: usize) {
        self.fold(u64::try_from(count).expect("a length in memory fits 64 bits"));
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
        if unlikely(bytes.is_empty()) {
            return;
        }
        let (blocks, rest) = bytes.as_chunks::<32>();
        let mut lanes = (P[1], P[3]);
        for block in blocks {
            lanes = lanes_after(lanes, block);
        }
        if !rest.is_empty() {
            lanes = lanes_after_rest(lanes, rest);
        }
        self.fold_lanes(lanes);
    }

    /// [`Digest::fold_data`] of the first and of the last bytes of much data, so many of each, side by side: neither waits for the other.
    #[inline(always)]
    pub(crate) fn fold_ends<const BYTES: usize>(&mut self, data: &[u8]) {
        const { assert!(BYTES.is_multiple_of(32) && BYTES > 0, "ends are of whole blocks") };
        let (first, last) = (data.first_chunk::<BYTES>(), data.last_chunk::<BYTES>());
        let (first, last) = first.zip(last).expect("much data has two ends");
        let mut lanes = [(P[1], P[3]); 2];
        for (first, last) in first.as_chunks::<32>().0.iter().zip(last.as_chunks::<32>().0) {
            lanes = [lanes_after(lanes[0], first), lanes_after(lanes[1], last)];
        }
        self.fold_lanes(lanes[0]);
        self.fold_lanes(lanes[1]);
    }

    /// Folds in what data has come to.
    #[inline(always)]
    const fn fold_lanes(&mut self, lanes: (u64, u64)) {
        self.fold(lanes.0 ^ lanes.1.rotate_left(32));
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

/// One word for two, which differs where one of them does, and where both do by less than is seen in a run.
#[inline(always)]
const fn joined(a: u64, b: u64) -> u64 {
    a.wrapping_add(b.wrapping_mul(K))
}

/// What data is so far, with a block more.
#[inline(always)]
fn lanes_after(lanes: (u64, u64), block: &[u8; 32]) -> (u64, u64) {
    let [a, b, c, d] = words(block);
    (mum(a ^ P[0], b ^ lanes.0), mum(c ^ P[2], d ^ lanes.1))
}

/// The same with less than a block.
#[inline(never)]
fn lanes_after_rest(lanes: (u64, u64), rest: &[u8]) -> (u64, u64) {
    match word_of_few(rest) {
        Some(word) => (mum(word ^ P[0], lanes.0), mum(P[2], lanes.1)),
        None => lanes_after(lanes, &padded(rest)),
    }
}

/// Less than a word, padded to one, in registers: what is written byte by byte cannot be read as a word at once. `None`: there is more.
#[inline(always)]
fn word_of_few(part: &[u8]) -> Option<u64> {
    if let (Some(first), Some(last)) = (part.first_chunk::<4>(), part.last_chunk::<4>()) {
        let shift = 8 * part.len().checked_sub(4).filter(|more| *more < 4)?;
        return Some(u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift);
    }
    Some(part.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
}

/// At most a block, as one.
fn padded(part: &[u8]) -> [u8; 32] {
    let mut block = [0; 32];
    block[..part.len()].copy_from_slice(part);
    block
}

#[inline(always)]
fn words(block: &[u8; 32]) -> [u64; 4] {
    let (words, _) = block.as_chunks::<8>();
    let word = u64::from_le_bytes;
    [word(words[0]), word(words[1]), word(words[2]), word(words[3])]
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
    fn what_events_are_in_a_digest_is_this_for_ever() {
        let mut digest = Digest::new();
        digest.fold_call((1, 2), (3, 4), 5);
        digest.fold_packet(6, 7, Digest::packet_label(Digest::flow(8, 9), 10, 11));
        digest.fold2_with(12, 13, Digest::label(14, 15, 16, 17));
        digest.fold_data(b"eight to the bar, and a few more bytes than that");
        digest.fold_data(b"");
        assert_eq!(digest.value(), 16_030_423_789_559_004_195);
    }

    #[test]
    fn few_bytes_are_a_padded_block() {
        for len in 0..=9 {
            let few = &b"by and by"[..len];
            assert_eq!(lanes_after_rest((6, 7), few), lanes_after((6, 7), &padded(few)));
        }
    }

    /// A way to fold words in, and how many bits of each may be any.
    type Way = (fn(&mut Digest, [u64; 5]), [u32; 5]);

    /// What is joined to another word counts hosts and threads in its upper half, fewer than 2^30; the last word of a call is the digest of a name.
    const WAYS: [Way; 6] = [
        (|digest, [a, ..]| digest.fold(a), [64, 0, 0, 0, 0]),
        (|digest, [a, b, ..]| digest.fold2(a, b), [64, 64, 0, 0, 0]),
        (|digest, [a, b, c, d, _]| digest.fold4(a, b, c, d), [64, 64, 64, 64, 0]),
        (|digest, [a, b, c, d, e]| digest.fold2_with(a, b, Digest::label(c, d, e, 0)), [64; 5]),
        (|digest, [a, b, c, d, e]| digest.fold_call((a, b), (c, d), e), [64, 62, 64, 62, 0]),
        (
            |digest, [a, b, c, d, e]| digest.fold_packet(a, b, Digest::packet_label(Digest::flow(c, 0), d, e)),
            [64, 62, 64, 64, 64],
        ),
    ];

    fn all_differ(mut values: Vec<u64>) -> bool {
        let count = values.len();
        values.sort_unstable();
        values.dedup();
        values.len() == count
    }

    #[test]
    fn every_bit_of_every_word_counts() {
        let usual = [7, 8, 9, 10, 11];
        for (number, (way, bits)) in WAYS.iter().enumerate() {
            let value = |words| {
                let mut digest = Digest::new();
                way(&mut digest, words);
                digest.value()
            };
            let changed = (0..5).flat_map(|word| {
                (0..bits[word]).map(move |bit| {
                    let mut words = usual;
                    words[word] ^= 1 << bit;
                    words
                })
            });
            assert!(all_differ(changed.chain([usual]).map(value).collect()), "way {number}");
        }
    }

    #[test]
    fn every_bit_of_every_byte_counts() {
        for fold in [Digest::fold_bytes, Digest::fold_data] {
            let value = |bytes: [u8; 70]| {
                let mut digest = Digest::new();
                fold(&mut digest, &bytes);
                digest.value()
            };
            let changed = (0..70 * 8).map(|bit| {
                let mut bytes = [0; 70];
                bytes[bit / 8] = 1 << (bit % 8);
                value(bytes)
            });
            assert!(all_differ(changed.chain([value([0; 70])]).collect()));
        }
    }

    #[test]
    fn both_ends_at_once_are_one_after_the_other() {
        let data: Vec<u8> = (0..200_u8).collect();
        for len in [64, 65, 127, 128, 200] {
            let (mut at_once, mut in_turn) = (Digest::new(), Digest::new());
            at_once.fold_ends::<64>(&data[..len]);
            in_turn.fold_data(&data[..64]);
            in_turn.fold_data(&data[len - 64..len]);
            assert_eq!(at_once, in_turn);
        }
    }

    #[test]
    fn calls_and_packets_that_differ_a_little_differ() {
        let few = [0, 1, 2, 3, 1000];
        // Host and process, or thread and descriptor: no process has the number 0.
        let halves = [1, 2, 1 << 32 | 1, 2 << 32 | 1, 1 << 32 | 2, u64::MAX];
        let mut seen = Vec::new();
        for (at, home, whose) in
            few.iter().flat_map(|at| halves.iter().flat_map(move |home| halves.map(|whose| (at, home, whose))))
        {
            for result in few.into_iter().chain([1, 2, 11].map(u64::wrapping_neg)) {
                let (mut call, mut other, mut packet) = (Digest::new(), Digest::new(), Digest::new());
                call.fold_call((*at, *home), (result, whose), 0x1234_5678_9abc_def0);
                other.fold_call((*at, *home), (result, whose), 0xfedc_ba98_7654_3210);
                packet.fold_packet(*at, *home, Digest::packet_label(Digest::flow(1, 2), whose, result));
                seen.extend([call.value(), other.value(), packet.value()]);
            }
        }
        assert!(all_differ(seen));
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
