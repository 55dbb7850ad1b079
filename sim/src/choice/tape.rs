//! A recorded run: the choices of every stream, in the order in which that stream made them.
//!
//! A stream's choices are kept apart from the others' (its track), so taking one away or changing it leaves all others where they
//! are. A track holds numbers in LEB128 (seven bits a byte, lowest first, the top bit saying that another byte follows):
//!
//! ```text
//! track  = { [ 0 run ] choice }      run: how many boring choices come before `choice`, at least 1
//! choice = 1..2^32                   boring choices at the end of a track are left out: what a tape lacks is boring
//! ```
//!
//! As bytes (`to_bytes`), a tape is
//!
//! ```text
//! tape   = "TWTAPE" version count { door length name length track }
//! ```
//!
//! with `version` a byte (1), `door` a byte (0 interleaving, 1 wire, 2 misfortune, 3 latitude, 4 run), `count` and the lengths (in bytes) in LEB128, and the
//! `count` streams in increasing order of door, then name. There is one way to write a tape: equal tapes are equal bytes.

use super::Door;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

const MAGIC: &[u8] = b"TWTAPE";
const VERSION: u8 = 1;

/// The choices of a run, by stream.
///
/// Equal if every stream makes the same choices, where a choice that is missing is 0.
#[derive(Clone, Default)]
pub struct Tape {
    /// In the order in which the streams came up.
    pub(super) tracks: Vec<Track>,
    /// By the door's number, then the stream's name: the index of its track.
    by_name: [BTreeMap<Arc<str>, usize>; Door::ALL.len()],
}

/// The choices of one stream.
#[derive(Clone)]
pub(super) struct Track {
    door: Door,
    name: Arc<str>,
    bytes: Vec<u8>,
    /// How many boring choices were made since the last one in `bytes`.
    zeros: u64,
}

/// Where a replay has come to in one track.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    track: usize,
    offset: usize,
    /// How many boring choices come before the one at `offset`.
    zeros: u64,
}

/// Bytes that are not a tape: what was expected, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeError {
    /// Offset of the first byte that is wrong; the length of the input if something is missing at its end.
    pub offset: usize,
    /// What should be there.
    pub expected: &'static str,
}

impl fmt::Display for TapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a tape of choices: at byte {}, expected {}", self.offset, self.expected)
    }
}

impl std::error::Error for TapeError {}

impl Tape {
    /// A tape on which everything is boring.
    #[must_use]
    pub fn new() -> Tape {
        Tape::default()
    }

    /// Adds a choice at the end of a stream's track.
    pub fn push(&mut self, door: Door, name: &str, choice: u32) {
        let track = self.track_of(door, name);
        self.tracks[track].record(choice);
    }

    /// The streams that made a choice other than 0, in order of door, then name.
    pub fn streams(&self) -> impl Iterator<Item = (Door, &str)> {
        self.written().map(|track| (track.door, &*track.name))
    }

    /// The choices of a stream, without the boring ones at the end.
    pub fn choices(&self, door: Door, name: &str) -> impl Iterator<Item = u32> {
        let mut reader = self.reader(door, name);
        std::iter::from_fn(move || {
            let reader = reader.as_mut()?;
            let at_end = reader.zeros == 0 && reader.offset == self.tracks[reader.track].bytes.len();
            (!at_end).then(|| self.read(reader))
        })
    }

    /// The tape as bytes: equal tapes give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        put_number(&mut bytes, length(self.written().count()));
        for track in self.written() {
            bytes.push(track.door.number());
            put_number(&mut bytes, length(track.name.len()));
            bytes.extend_from_slice(track.name.as_bytes());
            put_number(&mut bytes, length(track.bytes.len()));
            bytes.extend_from_slice(&track.bytes);
        }
        bytes
    }

    /// The tape that these bytes are.
    ///
    /// # Errors
    /// Bytes that [`to_bytes`](Tape::to_bytes) does not write, and a version that is not this one's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Tape, TapeError> {
        let mut input = Input { bytes, offset: 0 };
        if input.take(MAGIC.len(), "\"TWTAPE\"")? != MAGIC {
            return Err(TapeError { offset: 0, expected: "\"TWTAPE\"" });
        }
        if input.byte("a version")? != VERSION {
            return Err(TapeError { offset: MAGIC.len(), expected: "version 1" });
        }
        let mut tape = Tape::new();
        let mut last = None;
        for _ in 0..input.number("how many streams follow")? {
            let start = input.offset;
            let track = input.track()?;
            let order = (track.door.number(), track.name.clone());
            if last.as_ref().is_some_and(|last| *last >= order) {
                return Err(TapeError { offset: start, expected: "streams in order of door and name, each of them once" });
            }
            tape.by_name[usize::from(order.0)].insert(order.1.clone(), tape.tracks.len());
            tape.tracks.push(track);
            last = Some(order);
        }
        if input.offset == bytes.len() { Ok(tape) } else { Err(input.expected("the end of the tape")) }
    }

    /// The tracks with a choice on them, in order of door, then name.
    fn written(&self) -> impl Iterator<Item = &Track> {
        self.by_name.iter().flat_map(BTreeMap::values).map(|index| &self.tracks[*index]).filter(|track| !track.bytes.is_empty())
    }

    fn index_of(&self, door: Door, name: &str) -> Option<usize> {
        self.by_name[usize::from(door.number())].get(name).copied()
    }

    /// The index of a stream's track, which is made if it is missing.
    pub(super) fn track_of(&mut self, door: Door, name: &str) -> usize {
        if let Some(index) = self.index_of(door, name) {
            return index;
        }
        let name: Arc<str> = Arc::from(name);
        let index = self.tracks.len();
        self.by_name[usize::from(door.number())].insert(name.clone(), index);
        self.tracks.push(Track { door, name, bytes: Vec::new(), zeros: 0 });
        index
    }

    /// A reader at the beginning of a stream's track.
    pub(super) fn reader(&self, door: Door, name: &str) -> Option<Reader> {
        self.index_of(door, name).map(|track| Reader::new(track, &self.tracks[track].bytes))
    }

    /// The next choice of a track; 0 behind its end.
    pub(super) fn read(&self, reader: &mut Reader) -> u32 {
        reader.next(&self.tracks[reader.track].bytes)
    }
}

impl PartialEq for Tape {
    fn eq(&self, other: &Tape) -> bool {
        self.written().map(Track::identity).eq(other.written().map(Track::identity))
    }
}

impl Eq for Tape {}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tracks = self.streams().map(|(door, name)| {
            let choices: Vec<u32> = self.choices(door, name).take(64).collect();
            (format!("{} {name}", door.name()), choices)
        });
        f.debug_map().entries(tracks).finish()
    }
}

impl Track {
    pub(super) fn door(&self) -> Door {
        self.door
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> (Door, &str, &[u8]) {
        (self.door, &self.name, &self.bytes)
    }

    /// Adds a choice.
    #[inline]
    pub(super) fn record(&mut self, choice: u32) {
        if choice == 0 {
            self.zeros += 1;
            return;
        }
        if self.zeros > 0 {
            self.record_zeros();
        }
        if let Ok(byte @ ..0x80) = u8::try_from(choice) {
            self.bytes.push(byte);
            return;
        }
        // As `put_number`, without a loop: eight bytes are written, and those behind the number taken back.
        let (number, len) = leb128(choice);
        let end = self.bytes.len() + len;
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.truncate(end);
    }

    fn record_zeros(&mut self) {
        self.bytes.push(0);
        put_number(&mut self.bytes, self.zeros);
        self.zeros = 0;
    }
}

impl Reader {
    fn new(track: usize, bytes: &[u8]) -> Reader {
        let mut reader = Reader { track, offset: 0, zeros: 0 };
        reader.read_zeros(bytes);
        reader
    }

    fn next(&mut self, bytes: &[u8]) -> u32 {
        if self.zeros > 0 {
            self.zeros -= 1;
            return 0;
        }
        if self.offset == bytes.len() {
            return 0;
        }
        let choice = self.number(bytes);
        self.read_zeros(bytes);
        u32::try_from(choice).expect("a tape in memory holds choices below 2^32")
    }

    fn read_zeros(&mut self, bytes: &[u8]) {
        if bytes.get(self.offset) == Some(&0) {
            self.offset += 1;
            self.zeros = self.number(bytes);
        }
    }

    fn number(&mut self, bytes: &[u8]) -> u64 {
        let mut input = Input { bytes, offset: self.offset };
        let number = input.number("a number").expect("a tape in memory holds whole numbers");
        self.offset = input.offset;
        number
    }
}

/// Bytes of a tape, and how far they have been read.
struct Input<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Input<'a> {
    fn expected(&self, expected: &'static str) -> TapeError {
        TapeError { offset: self.offset, expected }
    }

    fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], TapeError> {
        let rest = &self.bytes[self.offset..];
        let taken = rest.get(..len).ok_or(TapeError { offset: self.bytes.len(), expected })?;
        self.offset += len;
        Ok(taken)
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, TapeError> {
        self.take(1, expected).map(|bytes| bytes[0])
    }

    /// A number in LEB128, in its shortest form.
    fn number(&mut self, expected: &'static str) -> Result<u64, TapeError> {
        let start = self.offset;
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte(expected)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                let shortest = byte != 0 || shift == 0;
                return if shortest {
                    Ok(number)
                } else {
                    Err(TapeError { offset: start, expected: "a number in its shortest form" })
                };
            }
        }
        Err(TapeError { offset: start, expected: "a number below 2^64" })
    }

    fn length(&mut self, expected: &'static str) -> Result<usize, TapeError> {
        let offset = self.offset;
        usize::try_from(self.number(expected)?).map_err(|_| TapeError { offset, expected })
    }

    fn track(&mut self) -> Result<Track, TapeError> {
        let offset = self.offset;
        let number = self.byte("the number of a door")?;
        let door = *Door::ALL.get(usize::from(number)).ok_or(TapeError { offset, expected: "the number of a door, 0 to 4" })?;
        let name_len = self.length("the length of a name")?;
        let offset = self.offset;
        let name = self.take(name_len, "a name of the length given")?;
        let name = std::str::from_utf8(name)
            .map_err(|error| TapeError { offset: offset + error.valid_up_to(), expected: "a name in UTF-8" })?;
        let len = self.length("the length of a track")?;
        let end = self.offset;
        let bytes = self.take(len, "a track of the length given")?;
        Input { bytes: &self.bytes[..self.offset], offset: end }.check_track(len)?;
        Ok(Track { door, name: Arc::from(name), bytes: bytes.to_vec(), zeros: 0 })
    }

    /// Checks that what is left is a track, of `len` bytes.
    fn check_track(mut self, len: usize) -> Result<(), TapeError> {
        if len == 0 {
            return Err(self.expected("a track with a choice on it"));
        }
        while self.offset < self.bytes.len() {
            if self.bytes[self.offset] == 0 {
                self.offset += 1;
                let offset = self.offset;
                if self.number("a number of boring choices")? == 0 {
                    return Err(TapeError { offset, expected: "a number of boring choices, at least 1" });
                }
            }
            let offset = self.offset;
            let choice = self.number("a choice")?;
            if choice == 0 || choice > u64::from(u32::MAX) {
                return Err(TapeError { offset, expected: "a choice from 1 to 2^32 - 1" });
            }
        }
        Ok(())
    }
}

/// A number above 0 in LEB128, first byte lowest, and its length.
#[inline]
fn leb128(number: u32) -> (u64, usize) {
    let sevens = u64::from(number);
    let spread = sevens & 0x7f
        | (sevens & 0x7f << 7) << 1
        | (sevens & 0x7f << 14) << 2
        | (sevens & 0x7f << 21) << 3
        | (sevens & 0x7f << 28) << 4;
    let len = number.ilog2() / 7 + 1;
    let all_but_last = (1 << (8 * (len - 1))) - 1;
    (spread | 0x80_8080_8080 & all_but_last, len as usize)
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits are a byte") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("what is left is below 0x80"));
}

fn length(len: usize) -> u64 {
    u64::try_from(len).expect("a length in memory fits 64 bits")
}
