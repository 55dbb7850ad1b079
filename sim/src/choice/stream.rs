//! What a seed's choices are. Everything here is frozen: a change gives every seed another run, and no recorded seed its own.
//!
//! A stream is the key stream of ChaCha with 8 rounds (as `rand_chacha` numbers its words) under a key of its own:
//!
//! | bytes of the key | hold |
//! |---|---|
//! | 0..8 | the seed, little-endian (for entropy: the number of the sequence) |
//! | 8 | the door's number |
//! | 9 | 0: choices, 1: entropy |
//! | 10..16 | zeros |
//! | 16..32 | the FNV-1a hash of the name, 128 bits, little-endian |
//!
//! Streams of different keys have nothing to do with each other, so no mixing is needed beyond keys that differ.

use super::Door;
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::rand_core::block::BlockRngCore;
use rand_chacha::{ChaCha8Core, ChaCha8Rng};

/// The generator of a stream's choices, whose next words can be looked at before they are drawn.
pub(super) struct Words {
    core: ChaCha8Core,
    block: Block,
    /// The place of the next word in `block`; behind its end: the next one is the first of the next block.
    at: usize,
    /// The next block, where it has been looked at.
    more: Option<Box<Block>>,
}

/// So many words at a time.
type Block = <ChaCha8Core as BlockRngCore>::Results;

impl Words {
    fn new(key: [u8; 32]) -> Words {
        Words { core: ChaCha8Core::from_seed(key), block: Block::default(), at: usize::MAX, more: None }
    }

    #[inline]
    fn next(&mut self) -> u32 {
        match self.block.as_ref().get(self.at) {
            Some(word) => {
                self.at += 1;
                *word
            }
            None => self.next_of_next_block(),
        }
    }

    #[inline(never)]
    fn next_of_next_block(&mut self) -> u32 {
        match self.more.take() {
            Some(more) => self.block = *more,
            None => self.core.generate(&mut self.block),
        }
        self.at = 1;
        self.block.as_ref()[0]
    }

    /// What [`below`] is going to answer after it has been asked so many times, nearly always: it may find that a word does not do. Known only for
    /// somewhat less than a block.
    #[inline]
    pub(super) fn foresee(&mut self, times: usize, n: u32) -> Option<u32> {
        let words = self.block.as_ref().len();
        let place = self.at.checked_add(times)?;
        let word = match self.block.as_ref().get(place) {
            Some(word) => *word,
            None => *self.next_block().as_ref().get(place.checked_sub(words)?)?,
        };
        Some(upper(u64::from(word) * u64::from(n)))
    }

    /// The same of the next word, where it is at hand.
    #[inline(always)]
    pub(super) fn foresee_next(&self, n: u32) -> Option<u32> {
        let word = self.block.as_ref().get(self.at)?;
        Some(upper(u64::from(*word) * u64::from(n)))
    }

    #[cold]
    fn next_block(&mut self) -> &Block {
        let Words { core, more, .. } = self;
        more.get_or_insert_with(|| {
            let mut block = Box::<Block>::default();
            core.generate(&mut block);
            block
        })
    }
}

/// The generator of a stream's choices.
pub(super) fn choices_rng(seed: u64, door: Door, name: &str) -> Words {
    Words::new(key(seed, door, 0, name))
}

/// The generator of a stream's random bytes.
pub(super) fn entropy_rng(sequence: u32, door: Door, name: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(key(u64::from(sequence), door, 1, name))
}

/// One of `0..n`, `n` at least 1, without bias: "Fast random integer generation in an interval" (D. Lemire, 2019).
///
/// A random word times `n` is a 64-bit number whose upper half is the answer. Of the 2^32 words, `2^32 mod n` are too many for
/// all answers to be equally likely; they show in the lower half, and another word is drawn instead.
#[inline]
pub(super) fn below(words: &mut Words, n: u32) -> u32 {
    let mut product = u64::from(words.next()) * u64::from(n);
    if lower(product) < n {
        let excess = n.wrapping_neg() % n;
        while lower(product) < excess {
            product = u64::from(words.next()) * u64::from(n);
        }
    }
    upper(product)
}

#[inline]
fn upper(product: u64) -> u32 {
    u32::try_from(product >> 32).expect("the upper half of 64 bits is 32 bits")
}

#[inline]
fn lower(product: u64) -> u32 {
    u32::try_from(product & u64::from(u32::MAX)).expect("32 bits are 32 bits")
}

fn key(seed: u64, door: Door, purpose: u8, name: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = door.number();
    key[9] = purpose;
    key[16..].copy_from_slice(&fnv1a_128(name.as_bytes()).to_le_bytes());
    key
}

/// FNV-1a, 128 bits.
fn fnv1a_128(bytes: &[u8]) -> u128 {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // The published vectors of "", "a" and "foobar".
        assert_eq!(fnv1a_128(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a_128(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(fnv1a_128(b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn every_answer_is_equally_likely() {
        let mut rng = choices_rng(1, Door::Run, "dice");
        for n in [2, 3, 6, 7, 100] {
            let draws = 10_000 * n;
            let mut counts = vec![0_u32; n as usize];
            for _ in 0..draws {
                counts[below(&mut rng, n) as usize] += 1;
            }
            // Five standard deviations of 10,000 expected hits are 500.
            assert!(counts.iter().all(|count| (9_500..=10_500).contains(count)), "n = {n}: {counts:?}");
        }
    }

    #[test]
    fn what_is_foreseen_comes_and_shifts_nothing() {
        let (mut plain, mut looked) = (choices_rng(3, Door::Run, "dice"), choices_rng(3, Door::Run, "dice"));
        let mut foreseen = std::collections::VecDeque::new();
        for n in (2..40).cycle().take(10_000) {
            let value = below(&mut looked, n);
            assert_eq!(below(&mut plain, n), value);
            let next = looked.foresee_next(n);
            assert!(next.is_none() || next == looked.foresee(0, n), "it is the same word");
            if foreseen.len() == 7 {
                let expected: Option<u32> = foreseen.pop_front().flatten();
                assert!(expected.is_none_or(|expected| expected == value), "a word is refused once in 2^27 times here");
            }
            let seven_later = (n + 7 - 2) % 38 + 2;
            foreseen.push_back((n % 3 != 0).then(|| looked.foresee(6, seven_later)).flatten());
        }
    }

    #[test]
    fn words_are_those_of_the_generator_one_after_the_other() {
        use rand_chacha::rand_core::RngCore;
        let mut rng = ChaCha8Rng::from_seed(key(5, Door::Run, 0, "dice"));
        let mut words = choices_rng(5, Door::Run, "dice");
        for count in 0..1000_usize {
            assert_eq!(words.next(), rng.next_u32());
            if count % 50 < 25 {
                words.foresee(count % 7, 2);
            }
        }
    }

    #[test]
    fn a_large_range_is_not_biased_to_its_lower_half() {
        // Two thirds of 2^32: taking a word modulo n would make the lower half of the answers twice as likely.
        let n = 0xaaaa_aaaa;
        let mut rng = choices_rng(2, Door::Run, "dice");
        let low = (0..30_000).filter(|_| below(&mut rng, n) < n / 2).count();
        assert!((14_500..=15_500).contains(&low), "{low} of 30000");
    }
}
