//! Numbers and bytes in a row: how a recording holds what it keeps.

/// Appends a number in LEB128: seven bits a byte, lowest first, the top bit saying that another byte follows.
#[inline]
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low_byte(number));
}

/// Appends a number that may be negative: the small ones of either sign are short.
#[inline]
pub(super) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Appends a length in memory.
#[inline]
pub(super) fn put_len(bytes: &mut Vec<u8>, len: usize) {
    put(bytes, u64::try_from(len).expect("a length in memory fits 64 bits"));
}

#[inline]
fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Reads what was written here, in the same order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0 }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.offset == self.bytes.len()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.offset += 1;
        self.bytes[self.offset - 1]
    }

    pub(super) fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    pub(super) fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    /// A number of 32 bits, as it was written.
    pub(super) fn signed_small(&mut self) -> i32 {
        i32::try_from(self.signed()).expect("what was written as 32 bits is read as such")
    }

    pub(super) fn len(&mut self) -> usize {
        usize::try_from(self.number()).expect("what was a length in memory is one")
    }

    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let from = self.offset;
        self.offset += len;
        &self.bytes[from..self.offset]
    }

    /// Eight bytes, as [`u64::to_le_bytes`] gave them.
    pub(super) fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes were asked for"))
    }

    /// The lower half of a word, and the upper.
    pub(super) fn pair(&mut self) -> [u32; 2] {
        halves(self.word())
    }
}

/// The lower half of a word, and the upper.
pub(super) fn halves(word: u64) -> [u32; 2] {
    [word & u64::from(u32::MAX), word >> 32].map(|half| u32::try_from(half).expect("half a word has 32 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let numbers = [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX];
        let signed = [0, 1, -1, 63, -64, 64, -65, i64::MAX, i64::MIN];
        let mut bytes = Vec::new();
        numbers.iter().for_each(|number| put(&mut bytes, *number));
        signed.iter().for_each(|number| put_signed(&mut bytes, *number));
        bytes.extend_from_slice(&(7_u64 << 32 | 8).to_le_bytes());
        let mut reader = Reader::new(&bytes);
        assert_eq!(numbers.map(|_| reader.number()), numbers);
        assert_eq!(signed.map(|_| reader.signed()), signed);
        assert_eq!((reader.pair(), reader.is_at_end()), ([8, 7], true));
    }
}
