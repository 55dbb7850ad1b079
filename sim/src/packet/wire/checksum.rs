//! The Internet checksum, RFC 1071.

/// A sum in the making.
#[derive(Clone, Copy)]
pub(super) struct Checksum(u64);

impl Checksum {
    pub(super) const fn new() -> Checksum {
        Checksum(0)
    }

    /// Adds bytes, two at a time, the first one higher. Only the last piece of a sum may have an odd length.
    pub(super) fn bytes(self, bytes: &[u8]) -> Checksum {
        let (pairs, last) = bytes.as_chunks::<2>();
        let sum: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
        let last = last.first().map_or(0, |byte| u64::from(*byte) << 8);
        Checksum(self.0 + sum + last)
    }

    /// The checksum: the complement of the sum in one's complement arithmetic. Over bytes that hold their own checksum it is 0.
    pub(super) fn value(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !u16::try_from(sum).expect("the carries have been added")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_comes_out() {
        let sum = Checksum::new().bytes(&[0x00, 0x01, 0xf2, 0x03]).bytes(&[0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.value(), !0xddf2);
    }

    #[test]
    fn an_odd_byte_is_the_higher_one() {
        assert_eq!(Checksum::new().bytes(&[0x12, 0x34, 0x56]).value(), !(0x1234 + 0x5600));
    }
}
