//! One stream's choices in memory: made to be written to at every draw.
//!
//! A choice is a number in LEB128 (seven bits a byte, lowest first, the top bit saying that another byte follows), written without a branch that a
//! random choice could mislead. A byte that is zero is a boring choice and nothing else. Long runs of them are taken out and counted whenever the
//! track is about to grow, so that a stream which is asked a million times and always bored stays small.

use super::Door;
use std::sync::Arc;

/// The choices of one stream.
#[derive(Clone)]
pub(super) struct Track {
    door: Door,
    name: Arc<str>,
    bytes: Vec<u8>,
    /// Boring choices that are not in `bytes`, in order of their places.
    runs: Vec<Run>,
    /// Up to here `bytes` has been searched for runs.
    settled: usize,
    /// The length at which `bytes` is searched, then grown.
    limit: usize,
}

/// `zeros` boring choices before the one at `bytes[at]`.
#[derive(Clone, Copy)]
struct Run {
    at: usize,
    zeros: u64,
}

/// Where a replay has come to in one track.
#[derive(Clone, Copy, Default)]
pub(super) struct Reader {
    offset: usize,
    /// The run that comes next.
    run: usize,
    /// How many boring choices of the run before it are left.
    zeros: u64,
}

/// What [`Track::record`] may write beyond the length: eight bytes, of which the number's stay.
const SPARE_BYTES: usize = 8;
/// A choice of so many takes one byte.
const ONE_BYTE_CHOICES: u32 = 1 << 7;
/// One of so many, two bytes at most.
const TWO_BYTE_CHOICES: u32 = 1 << 14;
/// The first limit of a track.
const FIRST_BYTES: usize = 64;
/// The least number of boring choices that is worth a [`Run`], whose size is 16 bytes.
const RUN_MIN: usize = 32;
/// So much of such a run is looked for at once.
const RUN_PART_BYTES: usize = 16;

const _: () = assert!(RUN_MIN >= 2 * RUN_PART_BYTES, "whatever place a run begins at, a whole block of it follows");

impl Track {
    pub(super) fn new(door: Door, name: Arc<str>) -> Track {
        Track { door, name, bytes: Vec::new(), runs: Vec::new(), settled: 0, limit: 0 }
    }

    pub(super) fn door(&self) -> Door {
        self.door
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a choice of `0..n`.
    #[inline(always)]
    pub(super) fn record_of(&mut self, choice: u32, n: u32) {
        // Of few, as nearly always, and by what is known before the choice.
        if n > ONE_BYTE_CHOICES {
            return if n > TWO_BYTE_CHOICES { self.record(choice) } else { self.record_two(choice) };
        }
        if self.bytes.len() >= self.limit {
            self.grow();
        }
        self.bytes.push(choice.to_le_bytes()[0]);
    }

    /// Adds a choice that takes one byte or two.
    #[inline]
    fn record_two(&mut self, choice: u32) {
        if self.bytes.len() >= self.limit {
            self.grow();
        }
        let is_long = choice >= ONE_BYTE_CHOICES;
        let [low, high, ..] = (choice & 0x7f | u32::from(is_long) << 7 | choice >> 7 << 8).to_le_bytes();
        let end = self.bytes.len() + 1 + usize::from(is_long);
        self.bytes.extend_from_slice(&[low, high]);
        self.bytes.truncate(end);
    }

    /// Adds a choice.
    #[inline(never)]
    pub(super) fn record(&mut self, choice: u32) {
        if self.bytes.len() >= self.limit {
            self.grow();
        }
        let (number, len) = leb128(choice);
        let end = self.bytes.len() + len;
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.truncate(end);
    }

    /// Adds boring choices.
    pub(super) fn record_zeros(&mut self, zeros: u64) {
        match usize::try_from(zeros) {
            Ok(few) if few < RUN_MIN => self.bytes.resize(self.bytes.len() + few, 0),
            Ok(_) | Err(_) => {
                self.settle();
                self.add_run(self.bytes.len(), zeros);
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.settle();
        self.limit = (2 * self.bytes.len()).max(FIRST_BYTES);
        self.bytes.reserve_exact(self.limit + SPARE_BYTES - self.bytes.len());
    }

    /// Takes long runs of boring choices out of what was written since the last time.
    fn settle(&mut self) {
        let end = self.bytes.len();
        if !self.may_have_run() {
            self.settled = end;
            return;
        }
        let (mut from, mut to) = (self.settled, self.settled);
        while from < end {
            let zeros = self.bytes[from..].iter().take_while(|byte| **byte == 0).count();
            if zeros >= RUN_MIN || zeros > 0 && self.runs.last().is_some_and(|run| run.at == to) {
                self.add_run(to, u64::try_from(zeros).expect("a length in memory fits 64 bits"));
                from += zeros;
                continue;
            }
            let len = zeros + self.bytes[from + zeros..].iter().take_while(|byte| **byte != 0).count();
            self.bytes.copy_within(from..from + len, to);
            (from, to) = (from + len, to + len);
        }
        self.bytes.truncate(to);
        self.settled = to;
    }

    /// Whether there may be such a run: one of them holds a whole block of zeros, wherever it begins, and one that goes on begins with a zero.
    fn may_have_run(&self) -> bool {
        let written = &self.bytes[self.settled..];
        let goes_on = written.first() == Some(&0) && self.runs.last().is_some_and(|run| run.at == self.settled);
        let (blocks, _) = written.as_chunks::<RUN_PART_BYTES>();
        goes_on || blocks.iter().any(|block| u128::from_ne_bytes(*block) == 0)
    }

    fn add_run(&mut self, at: usize, zeros: u64) {
        match self.runs.last_mut() {
            Some(run) if run.at == at => run.zeros = run.zeros.saturating_add(zeros),
            Some(_) | None => self.runs.push(Run { at, zeros }),
        }
    }

    /// The choices that are not boring, each with its place.
    pub(super) fn spikes(&self) -> impl Iterator<Item = (u64, u32)> {
        let (mut offset, mut place, mut run) = (0, 0_u64, 0);
        std::iter::from_fn(move || {
            while offset < self.bytes.len() {
                while let Some(Run { at, zeros }) = self.runs.get(run)
                    && *at == offset
                {
                    place = place.saturating_add(*zeros);
                    run += 1;
                }
                let choice = number(&self.bytes, &mut offset);
                place = place.saturating_add(1);
                if choice != 0 {
                    return Some((place - 1, choice));
                }
            }
            None
        })
    }

    /// The next choice; 0 behind the end.
    #[inline]
    pub(super) fn read(&self, reader: &mut Reader) -> u32 {
        if reader.zeros > 0 {
            reader.zeros -= 1;
            return 0;
        }
        if let Some(Run { at, zeros }) = self.runs.get(reader.run)
            && *at == reader.offset
        {
            reader.run += 1;
            reader.zeros = zeros - 1;
            return 0;
        }
        if reader.offset < self.bytes.len() { number(&self.bytes, &mut reader.offset) } else { 0 }
    }
}

/// The number at `offset`, which moves behind it.
#[inline]
fn number(bytes: &[u8], offset: &mut usize) -> u32 {
    let mut number = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let byte = bytes[*offset];
        *offset += 1;
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
    }
    unreachable!("a track holds whole numbers below 2^32")
}

/// A number in LEB128, first byte lowest, and its length.
#[inline]
fn leb128(number: u32) -> (u64, usize) {
    let sevens = u64::from(number);
    let spread = sevens & 0x7f
        | (sevens & 0x7f << 7) << 1
        | (sevens & 0x7f << 14) << 2
        | (sevens & 0x7f << 21) << 3
        | (sevens & 0x7f << 28) << 4;
    let len = (number | 1).ilog2() / 7 + 1;
    let all_but_last = (1 << (8 * (len - 1))) - 1;
    (spread | 0x80_8080_8080 & all_but_last, len as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(choices: &[u32]) {
        let mut track = Track::new(Door::Wire, Arc::from("w"));
        // Of up to 128 possibilities a choice is one byte, whatever it is, and of up to 16,384 two at most.
        let record = |(index, choice): (u32, &u32)| match index % 2 {
            0 => track.record(*choice),
            _ => track.record_of(*choice, choice.saturating_add(1 + index % 300)),
        };
        (0..).zip(choices).for_each(record);
        for _ in 0..2 {
            let mut reader = Reader::default();
            let read: Vec<u32> = choices.iter().map(|_| track.read(&mut reader)).collect();
            assert_eq!(read, choices);
            assert_eq!(track.read(&mut reader), 0);
            let spikes: Vec<(u64, u32)> = (0..).zip(choices.iter().copied()).filter(|(_, choice)| *choice != 0).collect();
            assert_eq!(track.spikes().collect::<Vec<_>>(), spikes);
            track.settle();
        }
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        read_back(&[]);
        read_back(&[0]);
        read_back(&[1, 127, 128, 16_383, 16_384, u32::MAX, 0, 1 << 28]);
        for gap in [1, 31, 32, 33, 63, 64, 65, 1000] {
            let choices: Vec<u32> = (0..3000).map(|index| if index % (gap + 1) == gap { index } else { 0 }).collect();
            read_back(&choices);
        }
    }

    #[test]
    fn a_bored_track_stays_small() {
        let mut track = Track::new(Door::Wire, Arc::from("w"));
        (0..1_000_000).for_each(|_| track.record(0));
        assert!(track.bytes.capacity() < 1000, "{}", track.bytes.capacity());
        track.record(5);
        assert_eq!(track.spikes().collect::<Vec<_>>(), [(1_000_000, 5)]);
    }

    #[test]
    fn runs_and_single_zeros_add_up() {
        let mut track = Track::new(Door::Wire, Arc::from("w"));
        for zeros in [3, 40, 2, u64::from(u32::MAX)] {
            track.record_zeros(zeros);
        }
        track.record(7);
        track.record_zeros(1);
        track.record(8);
        let place = 45 + u64::from(u32::MAX);
        assert_eq!(track.spikes().collect::<Vec<_>>(), [(place, 7), (place + 2, 8)]);
    }
}
