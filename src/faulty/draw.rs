//! Where chance comes from: positions of SplitMix64 sequences. Everything here is frozen, since a change gives every seed other faults.
//!
//! [`at`]`(state, index)` is number `index` of the sequence that SplitMix64 gives from `state` ("Fast splittable pseudorandom number
//! generators", G. Steele, D. Lea, C. Flood, 2014): a function, so that no decision waits for the one before it. A number that
//! it gives can be the state of another sequence, which makes a tree:
//!
//! | what | is |
//! |---|---|
//! | the thread that made the `Faulty` | `at(seed, 0)` |
//! | the n-th other thread that was not spawned through it | `at(seed, n)` |
//! | the k-th thread (from 0) that thread `t` spawned | `at(at(t, CHILDREN), k)` |
//! | the n-th call (from 0) of thread `t` | `at(at(t, CALLS), n)` |
//! | whether rate r of the plan hits call `c`: the i-th rate (from 0) of its fault, whose number is f | `at(c, f * RATES + i)` |
//! | how short, or which of several, if call `c` is hit | `at(c, AMOUNT)` |

/// The increment of SplitMix64: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a thread's children lie.
pub(super) const CHILDREN: u64 = 0;
/// Where a thread's calls lie.
pub(super) const CALLS: u64 = 1;
/// How many rates of one fault have a place of their own.
pub(super) const RATES: u64 = 1 << 16;
/// Where the draw lies that says how short, or which of several.
pub(super) const AMOUNT: u64 = 1 << 32;

/// Number `index` of the SplitMix64 sequence that starts at `state`.
#[inline]
pub(super) const fn at(state: u64, index: u64) -> u64 {
    let z = state.wrapping_add(GAMMA.wrapping_mul(index.wrapping_add(1)));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One of `0..n` from a random number: the upper half of their product. Its bias is at most `n` in 2^64.
#[inline]
pub(super) fn below(number: u64, n: u64) -> u64 {
    let product = u128::from(number) * u128::from(n);
    u64::try_from(product >> 64).expect("the upper half of 128 bits is 64 bits")
}

/// Whether a chance of `num` in `den` comes true.
#[inline]
pub(super) fn hits(number: u64, num: u32, den: u32) -> bool {
    below(number, u64::from(den)) < u64::from(num)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // The first numbers from 1234567, as the authors' program prints them.
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!([0, 1, 2, 3, 4].map(|index| at(1_234_567, index)), expected);
    }

    #[test]
    fn the_tree_is_frozen() {
        let root = at(7, 0);
        let child = at(at(root, CHILDREN), 2);
        let call = at(at(child, CALLS), 41);
        let expected =
            [7_191_089_600_892_374_487, 18_386_555_679_719_319_649, 13_153_589_417_824_599_997, 9_176_338_705_342_145_579];
        assert_eq!([root, child, call, at(call, AMOUNT)], expected);
    }

    #[test]
    fn a_number_falls_below_its_bound() {
        assert_eq!([0, u64::MAX / 2, u64::MAX].map(|number| below(number, 10)), [0, 4, 9]);
        assert_eq!([0, u64::MAX].map(|number| below(number, 1)), [0, 0]);
    }

    #[test]
    fn a_chance_is_its_ratio() {
        let count = |num, den| (0..10_000).filter(|index| hits(at(3, *index), num, den)).count();
        assert_eq!([count(0, 5), count(5, 5), count(0, 1), count(1, 1)], [0, 10_000, 0, 10_000]);
        assert!((1900..2100).contains(&count(1, 5)));
    }
}
