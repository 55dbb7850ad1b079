//! Chance, from a seed and a number: the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a sequence is drawn with.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of the sequence of this number.
    pub fn new(seed: u64, number: u64) -> Dice {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        Dice(rng)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).expect("usize is at most 64 bits");
        usize::try_from(self.0.next_u64() % n).expect("it is below a usize")
    }

    /// Whether this happens, which it does once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of several, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, from: &[(usize, T)]) -> T {
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
    fn weights_are_kept() {
        let mut dice = Dice::new(0, 0);
        let heads = (0..4000).filter(|_| dice.weighted(&[(1, false), (3, true)])).count();
        assert!((2850..3150).contains(&heads), "{heads} of 4000 where 3000 are to be expected");
    }
}
