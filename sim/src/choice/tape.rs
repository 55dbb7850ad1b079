//! A recorded run: the choices of every stream, in the order in which that stream made them, and which run it was.
//!
//! A stream's choices are kept apart from the others' (its track, see `track.rs`), so taking one away or changing it leaves all others where they
//! are. As bytes (`to_bytes`), with numbers in LEB128 (seven bits a byte, lowest first, the top bit saying that another byte follows), a tape is
//!
//! ```text
//! tape   = "TWTAPE" format origin count { door length name length track }
//! origin = length version length test seed
//! track  = { [ 0 run ] choice }      run: how many boring choices come before `choice`, at least 1
//! choice = 1..2^32                   boring choices at the end of a track are left out: what a tape lacks is boring
//! ```
//!
//! with `format` a byte (2), `door` a byte (0 interleaving, 1 wire, 2 misfortune, 3 latitude, 4 run), the lengths in bytes, and the
//! `count` streams in increasing order of door, then name. There is one way to write a tape: equal choices of equal origin are equal bytes.

use super::Door;
use super::track::{Reader, Track};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

const MAGIC: &[u8] = b"TWTAPE";
const FORMAT: u8 = 2;
/// More boring choices in a row than any run makes.
const BORING_MAX: u64 = 1 << 40;

/// The choices of a run, by stream.
///
/// Equal if every stream makes the same choices, where a choice that is missing is 0, wherever they come from.
///
/// ```
/// use twinsock_sim::choice::{Door, Tape};
/// let mut tape = Tape::new();
/// [0, 0, 5].map(|choice| tape.push(Door::Wire, "a/b", choice));
/// assert_eq!(Tape::from_bytes(&tape.to_bytes()), Ok(tape));
/// ```
#[derive(Clone, Default)]
pub struct Tape {
    /// Which run this is of.
    pub origin: Origin,
    /// In the order in which the streams came up.
    pub(super) tracks: Vec<Track>,
    /// By the door's number, then the stream's name: the index of its track.
    by_name: [BTreeMap<Arc<str>, usize>; Door::ALL.len()],
}

/// Which run a tape was recorded from. A tape means something to that test and that version only.
///
/// ```
/// use twinsock_sim::Sim;
/// let tape = Sim::builder().seed(7).test("mine").run(|_sim| {}).unwrap().tape;
/// assert_eq!((tape.origin.test.as_str(), tape.origin.seed), ("mine", 7));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The version of this crate; empty if unknown.
    pub version: String,
    /// The test, or whatever else ran; empty if unknown.
    pub test: String,
    /// The seed that the run, or the first of those it was shrunk from, was drawn from.
    pub seed: u64,
}

/// A tape that was recorded by another version of this crate, or from another test.
///
/// ```
/// use twinsock_sim::Sim;
/// let tape = Sim::builder().test("mine").run(|_sim| {}).unwrap().tape;
/// let refused = Sim::builder().test("another").tape(tape).unwrap_err();
/// assert_eq!(refused.origin.test, "mine");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignTape {
    /// Where it comes from.
    pub origin: Origin,
    /// Where it is to be replayed; of no meaning is the seed.
    pub here: Origin,
}

impl Origin {
    /// Whether a tape of this origin may be replayed `here`: version and test are the same, or unknown.
    ///
    /// # Errors
    /// They are not.
    ///
    /// ```
    /// use twinsock_sim::choice::Origin;
    /// let mine = Origin { version: "0.1.0".into(), test: "mine".into(), seed: 7 };
    /// assert!(mine.check(&Origin { seed: 8, ..mine.clone() }).is_ok());
    /// assert!(mine.check(&Origin { test: "another".into(), ..mine.clone() }).is_err());
    /// ```
    pub fn check(&self, here: &Origin) -> Result<(), ForeignTape> {
        let agree = |one: &str, other: &str| one.is_empty() || other.is_empty() || one == other;
        if agree(&self.version, &here.version) && agree(&self.test, &here.test) {
            Ok(())
        } else {
            Err(ForeignTape { origin: self.clone(), here: here.clone() })
        }
    }
}

impl fmt::Display for ForeignTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ForeignTape { origin, here } = self;
        write!(
            f,
            "the tape was recorded by twinsock-sim {} from test `{}` (seed {}); this is twinsock-sim {}, test `{}`",
            origin.version, origin.test, origin.seed, here.version, here.test
        )
    }
}

impl std::error::Error for ForeignTape {}

/// Bytes that are not a tape: what was expected, and where.
///
/// ```
/// use twinsock_sim::choice::Tape;
/// assert_eq!(Tape::from_bytes(b"no tape").unwrap_err().offset, 0);
/// ```
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
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// assert_eq!(Tape::new().spike_count(), 0);
    /// # let _ = Door::Wire;
    /// ```
    #[must_use]
    pub fn new() -> Tape {
        Tape::default()
    }

    /// Adds a choice at the end of a stream's track.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// let mut tape = Tape::new();
    /// [0, 0, 5].map(|choice| tape.push(Door::Wire, "a/b", choice));
    /// assert_eq!(tape.choices(Door::Wire, "a/b").collect::<Vec<_>>(), [0, 0, 5]);
    /// ```
    pub fn push(&mut self, door: Door, name: &str, choice: u32) {
        let track = self.track_of(door, name);
        self.tracks[track].record(choice);
    }

    /// Adds boring choices at the end of a stream's track.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// let mut tape = Tape::new();
    /// tape.push_boring(Door::Wire, "a/b", 1000);
    /// assert_eq!(tape.spike_count(), 0);
    /// ```
    pub fn push_boring(&mut self, door: Door, name: &str, count: u64) {
        let track = self.track_of(door, name);
        if count > 0 {
            self.tracks[track].record_zeros(count);
        }
    }

    /// The streams that made a choice other than 0, in order of door, then name.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// let mut tape = Tape::new();
    /// [0, 0, 5].map(|choice| tape.push(Door::Wire, "a/b", choice));
    /// assert_eq!(tape.streams().collect::<Vec<_>>(), [(Door::Wire, "a/b")]);
    /// ```
    pub fn streams(&self) -> impl Iterator<Item = (Door, &str)> {
        self.written().map(|track| (track.door(), track.name()))
    }

    /// The choices of a stream, without the boring ones at the end.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// let mut tape = Tape::new();
    /// [0, 0, 5].map(|choice| tape.push(Door::Wire, "a/b", choice));
    /// assert_eq!(tape.choices(Door::Wire, "a/b").max(), Some(5));
    /// ```
    pub fn choices(&self, door: Door, name: &str) -> impl Iterator<Item = u32> {
        let mut reader = Reader::default();
        let track = self.index_of(door, name).map(|index| &self.tracks[index]);
        let mut left = track.and_then(|track| track.spikes().last()).map_or(0, |(place, _)| place + 1);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            track.map(|track| track.read(&mut reader))
        })
    }

    /// The choices of a stream that are not boring, each with its place among all of that stream.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// let mut tape = Tape::new();
    /// [0, 0, 5].map(|choice| tape.push(Door::Wire, "a/b", choice));
    /// assert_eq!(tape.spikes(Door::Wire, "a/b").collect::<Vec<_>>(), [(2, 5)]);
    /// ```
    pub fn spikes(&self, door: Door, name: &str) -> impl Iterator<Item = (u64, u32)> {
        self.index_of(door, name).into_iter().flat_map(|index| self.tracks[index].spikes())
    }

    /// How many choices are not boring.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// let mut tape = Tape::new();
    /// [0, 0, 5].map(|choice| tape.push(Door::Wire, "a/b", choice));
    /// assert_eq!(tape.spike_count(), 1);
    /// ```
    #[must_use]
    pub fn spike_count(&self) -> usize {
        self.tracks.iter().map(|track| track.spikes().count()).sum()
    }

    /// The tape as bytes: equal tapes of equal origin give equal bytes.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// assert!(Tape::new().to_bytes().starts_with(b"TWTAPE"));
    /// # let _ = Door::Wire;
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(FORMAT);
        put_text(&mut bytes, &self.origin.version);
        put_text(&mut bytes, &self.origin.test);
        put_number(&mut bytes, self.origin.seed);
        put_number(&mut bytes, length(self.written().count()));
        for track in self.written() {
            bytes.push(track.door().number());
            put_text(&mut bytes, track.name());
            let written = written(track);
            put_number(&mut bytes, length(written.len()));
            bytes.extend_from_slice(&written);
        }
        bytes
    }

    /// The tape that these bytes are.
    ///
    /// # Errors
    /// Bytes that [`to_bytes`](Tape::to_bytes) does not write, and a format that is not this one's.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Tape};
    /// assert!(Tape::from_bytes(b"no tape").is_err());
    /// # let _ = Door::Wire;
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Tape, TapeError> {
        let mut input = Input { bytes, offset: 0 };
        let mut tape = Tape { origin: input.origin()?, ..Tape::new() };
        let mut last = None;
        for _ in 0..input.number("how many streams follow")? {
            let start = input.offset;
            let track = input.track()?;
            let order = (track.door().number(), Arc::<str>::from(track.name()));
            if last.as_ref().is_some_and(|last| *last >= order) {
                return Err(TapeError { offset: start, expected: "streams in order of door and name, each of them once" });
            }
            tape.by_name[usize::from(order.0)].insert(Arc::clone(&order.1), tape.tracks.len());
            tape.tracks.push(track);
            last = Some(order);
        }
        if input.offset == bytes.len() { Ok(tape) } else { Err(input.expected("the end of the tape")) }
    }

    /// Which run a tape is of, though what follows may be cut off or damaged: the test and the seed may say enough to run it again.
    ///
    /// # Errors
    /// As for [`from_bytes`](Tape::from_bytes), of the beginning alone.
    ///
    /// ```
    /// use twinsock_sim::{Sim, choice::Tape};
    /// let tape = Sim::builder().seed(7).test("mine").run(|sim| sim.swarm("size", 2..=9)).unwrap().tape.to_bytes();
    /// let cut_off = &tape[..tape.len() - 1];
    /// assert!(Tape::from_bytes(cut_off).is_err());
    /// assert_eq!(Tape::origin_of(cut_off).unwrap().seed, 7);
    /// ```
    pub fn origin_of(bytes: &[u8]) -> Result<Origin, TapeError> {
        Input { bytes, offset: 0 }.origin()
    }

    /// The tracks with a choice on them, in order of door, then name.
    fn written(&self) -> impl Iterator<Item = &Track> {
        let tracks = self.by_name.iter().flat_map(BTreeMap::values).map(|index| &self.tracks[*index]);
        tracks.filter(|track| track.spikes().next().is_some())
    }

    pub(super) fn index_of(&self, door: Door, name: &str) -> Option<usize> {
        self.by_name[usize::from(door.number())].get(name).copied()
    }

    /// The index of a stream's track, which is made if it is missing.
    pub(super) fn track_of(&mut self, door: Door, name: &str) -> usize {
        if let Some(index) = self.index_of(door, name) {
            return index;
        }
        let name: Arc<str> = Arc::from(name);
        let index = self.tracks.len();
        self.by_name[usize::from(door.number())].insert(Arc::clone(&name), index);
        self.tracks.push(Track::new(door, name));
        index
    }

    /// A tape with as many tracks, all empty and without their names: what is drawn after a run's end is written there.
    pub(super) fn afterwards(&self) -> Tape {
        let nobody: Arc<str> = Arc::from("");
        let tracks = self.tracks.iter().map(|_| Track::new(Door::Run, Arc::clone(&nobody))).collect();
        Tape { tracks, ..Tape::new() }
    }
}

impl PartialEq for Tape {
    fn eq(&self, other: &Tape) -> bool {
        let same = |(one, other): (&Track, &Track)| {
            one.door() == other.door() && one.name() == other.name() && one.spikes().eq(other.spikes())
        };
        self.written().count() == other.written().count() && self.written().zip(other.written()).all(same)
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

/// A track as it is written.
fn written(track: &Track) -> Vec<u8> {
    let (mut bytes, mut next) = (Vec::new(), 0);
    for (place, choice) in track.spikes() {
        if place > next {
            bytes.push(0);
            put_number(&mut bytes, place - next);
        }
        put_number(&mut bytes, u64::from(choice));
        next = place.saturating_add(1);
    }
    bytes
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

    fn text(&mut self) -> Result<&'a str, TapeError> {
        let len = self.length("the length of a name")?;
        let offset = self.offset;
        let name = self.take(len, "a name of the length given")?;
        std::str::from_utf8(name).map_err(|error| TapeError { offset: offset + error.valid_up_to(), expected: "a name in UTF-8" })
    }

    /// What stands at the beginning of a tape.
    fn origin(&mut self) -> Result<Origin, TapeError> {
        if self.take(MAGIC.len(), "\"TWTAPE\"")? != MAGIC {
            return Err(TapeError { offset: 0, expected: "\"TWTAPE\"" });
        }
        if self.byte("a format")? != FORMAT {
            return Err(TapeError { offset: MAGIC.len(), expected: "format 2" });
        }
        let (version, test) = (self.text()?.to_owned(), self.text()?.to_owned());
        Ok(Origin { version, test, seed: self.number("a seed")? })
    }

    fn track(&mut self) -> Result<Track, TapeError> {
        let offset = self.offset;
        let number = self.byte("the number of a door")?;
        let door = *Door::ALL.get(usize::from(number)).ok_or(TapeError { offset, expected: "the number of a door, 0 to 4" })?;
        let mut track = Track::new(door, Arc::from(self.text()?));
        let len = self.length("the length of a track")?;
        let start = self.offset;
        self.take(len, "a track of the length given")?;
        if len == 0 {
            return Err(self.expected("a track with a choice on it"));
        }
        let mut input = Input { bytes: &self.bytes[..self.offset], offset: start };
        while input.offset < self.offset {
            input.choice(&mut track)?;
        }
        Ok(track)
    }

    /// A choice, and the boring ones before it.
    fn choice(&mut self, track: &mut Track) -> Result<(), TapeError> {
        if self.bytes[self.offset] == 0 {
            self.offset += 1;
            let offset = self.offset;
            match self.number("a number of boring choices")? {
                0 => return Err(TapeError { offset, expected: "a number of boring choices, at least 1" }),
                BORING_MAX.. => return Err(TapeError { offset, expected: "fewer than 2^40 boring choices in a row" }),
                zeros => track.record_zeros(zeros),
            }
        }
        let offset = self.offset;
        match u32::try_from(self.number("a choice")?) {
            Ok(0) | Err(_) => Err(TapeError { offset, expected: "a choice from 1 to 2^32 - 1" }),
            Ok(choice) => {
                track.record(choice);
                Ok(())
            }
        }
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, length(text.len()));
    bytes.extend_from_slice(text.as_bytes());
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
