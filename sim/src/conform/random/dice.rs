//! Chance, from a seed and a number: the same on every machine. Or a fuzzer's bytes in its place.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a sequence is drawn with.
pub struct Dice(Source);

enum Source {
    Seed(Box<ChaCha8Rng>),
    /// The bytes, the last one first.
    Bytes(Vec<u8>),
}

impl Dice {
    /// The dice of the sequence of this number.
    pub(crate) fn new(seed: u64, number: u64) -> Dice {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        Dice(Source::Seed(Box::new(rng)))
    }

    /// The dice that fall as these bytes say, and on 0 once they are used up.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Dice {
        Dice(Source::Bytes(bytes.iter().rev().copied().collect()))
    }

    /// Whether all that is left is 0.
    pub(crate) fn are_used_up(&self) -> bool {
        match &self.0 {
            Source::Seed(_) => false,
            Source::Bytes(bytes) => bytes.is_empty(),
        }
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        match &mut self.0 {
            Source::Seed(rng) => {
                let n = u64::try_from(n).expect("usize is at most 64 bits");
                usize::try_from(rng.next_u64() % n).expect("it is below a usize")
            }
            Source::Bytes(bytes) => {
                let count = (usize::BITS - (n - 1).leading_zeros()).div_ceil(8);
                (0..count).fold(0, |value, _| value << 8 | usize::from(bytes.pop().unwrap_or(0))) % n
            }
        }
    }

    /// Whether this happens, which it does once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        let happens = match self.0 {
            Source::Seed(_) => 0,
            // Bytes that are used up let nothing happen.
            Source::Bytes(_) => n - 1,
        };
        self.below(n) == happens
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of several, each as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, from: &[(usize, T)]) -> T {
        let mut left = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, value) in from {
            match left.checked_sub(*weight) {
                None => return *value,
                Some(rest) => left = rest,
            }
        }
        unreachable!("a number below the sum of the weights falls into one of them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_are_one_sequence() {
        let rolls = |seed, number| {
            let mut dice = Dice::new(seed, number);
            [(); 8].map(|()| dice.below(1000))
        };
        assert_eq!(rolls(1, 2), rolls(1, 2));
        assert_ne!(rolls(1, 2), rolls(1, 3));
        assert_ne!(rolls(1, 2), rolls(2, 2));
    }

    #[test]
    fn bytes_are_used_as_they_come() {
        let mut dice = Dice::from_bytes(&[5, 2, 1, 3]);
        assert_eq!((dice.below(1), dice.below(4), dice.below(1000), dice.one_in(4)), (0, 1, 0x201, true));
        assert!(dice.are_used_up());
        assert_eq!((dice.below(9), dice.one_in(2)), (0, false));
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice::new(0, 0);
        let heads = (0..4000).filter(|_| dice.weighted(&[(1, false), (3, true)])).count();
        assert!((2850..3150).contains(&heads), "{heads} of 4000 where 3000 are to be expected");
    }
}
