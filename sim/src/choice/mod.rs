//! The one source of chance.
//!
//! Whatever in a run could have gone otherwise is a choice, "one of `0..n`", drawn here and nowhere else; 0 is always the
//! boring answer (no fault, first come first served, the shortest delay). Chance enters by five [`Door`]s, and every entity that draws
//! at a door (a link, a host, a thread) has a stream of its own, keyed by the entity's name: what one entity draws, or stops
//! drawing, never shifts what another gets.
//!
//! Choices come from a seed (`stream.rs`), from a recorded tape (`tape.rs`, `track.rs`), from a fuzzer's bytes, from the enumeration of all
//! there are (`enumerate.rs`), or are all boring. Whatever the source, what was chosen is recorded on a new tape, and that tape is what is replayed,
//! shrunk (`shrink.rs`) and kept as a regression. Asked to, the source also keeps what was not boring as a story (`story.rs`).
//!
//! `luck.rs` hands a stream to a host as the `Luck` that the core asks. This room knows no more of the house than that trait.

mod enumerate;
mod luck;
pub mod shrink;
mod story;
mod stream;
mod tape;
mod track;

pub use enumerate::Enumeration;
pub(crate) use luck::LuckOf;
pub use story::Told;
pub use tape::{ForeignTape, Origin, Tape, TapeError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::fmt;
use story::Story;
use twinsock::Instant;

/// By which door chance enters.
///
/// ```
/// use twinsock_sim::choice::Door;
/// assert_eq!(Door::ALL.map(Door::name), ["interleaving", "wire", "misfortune", "latitude", "run"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// Which of the threads that are due goes next.
    Interleaving,
    /// What happens to a packet: its delay, its loss.
    Wire,
    /// When a cut, a crash, a restart, a pause or a step of a clock happens.
    Misfortune,
    /// What a kernel is free to choose: see [`Latitude`](crate::packet::Latitude).
    Latitude,
    /// What kind of run this is: how many hosts, which faults exist at all, how large the buffers are.
    Run,
}

impl Door {
    /// Every door, in the order of their numbers on tapes and in keys.
    ///
    /// ```
    /// use twinsock_sim::choice::Door;
    /// assert_eq!(Door::ALL.map(Door::name), ["interleaving", "wire", "misfortune", "latitude", "run"]);
    /// ```
    pub const ALL: [Door; 5] = [Door::Interleaving, Door::Wire, Door::Misfortune, Door::Latitude, Door::Run];

    /// The door's name, in lower case.
    ///
    /// ```
    /// use twinsock_sim::choice::Door;
    /// assert_eq!(Door::Wire.name(), "wire");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Door::Interleaving => "interleaving",
            Door::Wire => "wire",
            Door::Misfortune => "misfortune",
            Door::Latitude => "latitude",
            Door::Run => "run",
        }
    }

    /// The door's number on tapes and in keys: never to be changed.
    const fn number(self) -> u8 {
        match self {
            Door::Interleaving => 0,
            Door::Wire => 1,
            Door::Misfortune => 2,
            Door::Latitude => 3,
            Door::Run => 4,
        }
    }
}

/// One entity's stream of choices at one door, within the [`Choice`] that gave it.
///
/// ```
/// use twinsock_sim::choice::{Choice, Door};
/// let mut choice = Choice::from_seed(7);
/// assert_eq!(choice.stream(Door::Wire, "a/b"), choice.stream(Door::Wire, "a/b"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

/// The source of all choices of a run, and the tape on which they are recorded.
///
/// ```
/// use twinsock_sim::choice::{Choice, Door, Tape};
///
/// let mut choice = Choice::from_seed(7);
/// let wire = choice.stream(Door::Wire, "client-server");
/// let drawn: Vec<u32> = (0..4).map(|_| choice.draw(wire, 1000)).collect();
///
/// let tape = Tape::from_bytes(&choice.tape().to_bytes()).unwrap();
/// let mut replay = Choice::from_tape(tape);
/// let wire = replay.stream(Door::Wire, "client-server");
/// assert_eq!(drawn, (0..4).map(|_| replay.draw(wire, 1000)).collect::<Vec<u32>>());
/// ```
pub struct Choice {
    source: Source,
    /// By stream, as are the tracks of `tape`.
    streams: Vec<Stream>,
    tape: Tape,
    records: bool,
    /// The moment of virtual time, for the story.
    now: Instant,
    story: Option<Box<Story>>,
}

enum Source {
    Seed(u64),
    Tape(Tape),
    /// A fuzzer's, in the order in which choices are made, whoever makes them.
    Bytes {
        bytes: Vec<u8>,
        at: usize,
    },
    Enumerated(Enumeration),
    Boring,
}

struct Stream {
    choices: Choices,
    /// The generator behind [`Choice::fill`], once it has been used.
    entropy: Option<Box<ChaCha8Rng>>,
}

enum Choices {
    /// A seed's, not drawn from so far: many entities never draw.
    Untouched {
        seed: u64,
    },
    Drawn(Box<stream::Words>),
    /// From the source's track of this index.
    Replayed(usize, track::Reader),
    /// Whatever the source, which is all streams' alike, says next.
    Shared,
    Boring,
}

impl Choice {
    /// Choices that depend on `seed` and on each stream's name, and on nothing else.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::from_seed(7);
    /// let stream = choice.stream(Door::Run, "size");
    /// assert!(choice.draw(stream, 10) < 10);
    /// ```
    #[must_use]
    pub fn from_seed(seed: u64) -> Choice {
        Choice::new(Source::Seed(seed))
    }

    /// The choices of a tape: 0 where a stream's track has come to its end or is missing, and the largest answer there is where the
    /// tape names a larger one. So every tape is a run, however it was cut or altered.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door, Tape};
    /// let mut tape = Tape::new();
    /// tape.push(Door::Run, "size", 3);
    /// let mut choice = Choice::from_tape(tape);
    /// let stream = choice.stream(Door::Run, "size");
    /// assert_eq!([choice.draw(stream, 10), choice.draw(stream, 10)], [3, 0], "behind its end a tape is boring");
    /// ```
    #[must_use]
    pub fn from_tape(tape: Tape) -> Choice {
        Choice::new(Source::Tape(tape))
    }

    /// The boring answer, always.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::boring();
    /// let stream = choice.stream(Door::Run, "size");
    /// assert_eq!(choice.draw(stream, 10), 0);
    /// ```
    #[must_use]
    pub fn boring() -> Choice {
        Choice::new(Source::Boring)
    }

    /// A fuzzer's choices: each takes as many of the bytes as it has to, and what is drawn behind the last is boring. Every input is a
    /// run, and inputs that are alike at their beginning are runs that are.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::from_bytes(vec![255; 64]);
    /// let stream = choice.stream(Door::Run, "size");
    /// assert!(choice.draw(stream, 10) < 10);
    /// ```
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Choice {
        Choice::new(Source::Bytes { bytes, at: 0 })
    }

    fn enumerated(enumeration: Enumeration) -> Choice {
        Choice::new(Source::Enumerated(enumeration))
    }

    /// The same choices, but none of them goes on the tape: for a measurement of what that costs.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::from_seed(7).unrecorded();
    /// let stream = choice.stream(Door::Run, "size");
    /// (0..9).for_each(|_| drop(choice.draw(stream, 10)));
    /// assert_eq!(choice.tape().spike_count(), 0);
    /// ```
    #[must_use]
    pub fn unrecorded(self) -> Choice {
        Choice { records: false, ..self }
    }

    fn new(source: Source) -> Choice {
        Choice { source, streams: Vec::new(), tape: Tape::new(), records: true, now: Instant::ZERO, story: None }
    }

    /// The stream of the entity of this name at this door: the same one whenever it is asked for.
    ///
    /// Names are those of the entities, such as `host/parent/2`, and never contain a global counter.
    ///
    /// # Panics
    /// If 2^32 streams exist.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::from_seed(7);
    /// let (one, other) = (choice.stream(Door::Wire, "a/b"), choice.stream(Door::Wire, "b/a"));
    /// assert_ne!(one, other);
    /// ```
    pub fn stream(&mut self, door: Door, name: &str) -> StreamId {
        let track = self.tape.track_of(door, name);
        if track == self.streams.len() {
            let choices = match &self.source {
                Source::Seed(seed) => Choices::Untouched { seed: *seed },
                Source::Tape(tape) => {
                    tape.index_of(door, name).map_or(Choices::Boring, |track| Choices::Replayed(track, track::Reader::default()))
                }
                Source::Bytes { .. } => Choices::Shared,
                Source::Enumerated(_) if door == Door::Interleaving => Choices::Shared,
                Source::Enumerated(_) | Source::Boring => Choices::Boring,
            };
            self.streams.push(Stream { choices, entropy: None });
        }
        StreamId(u32::try_from(track).expect("fewer than 2^32 streams exist"))
    }

    /// One of `0..n`, each equally likely if a seed decides; it goes on the tape.
    ///
    /// Where there is no choice (`n` is 1), the answer is 0, and nothing is drawn or recorded.
    ///
    /// # Panics
    /// In debug builds, if `n` is 0.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::from_seed(7);
    /// let stream = choice.stream(Door::Wire, "a/b");
    /// assert!((0..100).all(|_| choice.draw(stream, 3) < 3));
    /// ```
    #[inline]
    pub fn draw(&mut self, stream: StreamId, n: u32) -> u32 {
        self.draw_foreseeing(stream, n, false).0
    }

    /// [`Choice::draw`], for where nearly every choice of a run is made; and, if that is asked for and costs nearly nothing to know, what the answer to the next one,
    /// of `0..n - 1`, is going to be, very probably.
    #[inline(always)]
    pub(crate) fn draw_foreseeing(&mut self, stream: StreamId, n: u32, foresees: bool) -> (u32, Option<u32>) {
        debug_assert!(n >= 1, "a choice has at least one answer");
        if n <= 1 {
            return (0, None);
        }
        let index = stream.0 as usize;
        let (value, next) = match &mut self.streams[index].choices {
            Choices::Drawn(words) => {
                let value = stream::below(words, n);
                (value, if foresees { words.foresee_next(n - 1) } else { None })
            }
            Choices::Untouched { .. } | Choices::Replayed(..) | Choices::Shared | Choices::Boring => {
                (self.draw_slowly(index, n), None)
            }
        };
        if self.records {
            self.tape.tracks[index].record_of(value, n);
        }
        if self.story.is_some() {
            self.keep(index, n, value);
        }
        (value, next)
    }

    /// What [`Choice::draw`] is going to answer after it has been asked so many times, very probably, where that costs nothing to know: so that what
    /// it leads to can be made ready.
    #[inline]
    pub(crate) fn foresee(&mut self, stream: StreamId, times: usize, n: u32) -> Option<u32> {
        match &mut self.streams[stream.0 as usize].choices {
            Choices::Drawn(words) => words.foresee(times, n),
            Choices::Untouched { .. } | Choices::Replayed(..) | Choices::Shared | Choices::Boring => None,
        }
    }

    /// Whether something comes to pass that does so `of` times in `in_`, if a seed decides. On the tape it is one of `0..2`, and 0 for "no", so that the
    /// many times that it does not are boring ones. (Of [`Choice::draw`]'s answers, all but the first are worth a place on the tape.)
    ///
    /// Where there is no choice (`of` is 0, or `in_` at least), nothing is drawn or recorded.
    #[inline]
    pub(crate) fn happens(&mut self, stream: StreamId, of: u32, in_: u32) -> bool {
        if of == 0 || of >= in_ {
            return of > 0;
        }
        let index = stream.0 as usize;
        if let Choices::Untouched { .. } = self.streams[index].choices {
            self.touch(index);
        }
        let value = match &mut self.streams[index].choices {
            Choices::Drawn(rng) => u32::from(stream::below(rng, in_) < of),
            Choices::Shared => match &mut self.source {
                Source::Bytes { bytes, at } => u32::from(below_from_bytes(bytes, at, in_) >= in_ - of),
                Source::Seed(_) | Source::Tape(_) | Source::Enumerated(_) | Source::Boring => self.draw_slowly(index, 2),
            },
            Choices::Untouched { .. } | Choices::Replayed(..) | Choices::Boring => self.draw_slowly(index, 2),
        };
        if self.records {
            self.tape.tracks[index].record_of(value, 2);
        }
        if self.story.is_some() {
            self.keep(index, 2, value);
        }
        value == 1
    }

    /// Makes the generator of a stream that is drawn from for the first time.
    #[cold]
    fn touch(&mut self, index: usize) {
        let Choices::Untouched { seed } = self.streams[index].choices else { return };
        let track = &self.tape.tracks[index];
        self.streams[index].choices = Choices::Drawn(Box::new(stream::choices_rng(seed, track.door(), track.name())));
    }

    #[cold]
    fn draw_slowly(&mut self, index: usize, n: u32) -> u32 {
        self.touch(index);
        match &mut self.streams[index].choices {
            Choices::Untouched { .. } => unreachable!("the stream has been touched"),
            Choices::Drawn(rng) => stream::below(rng, n),
            Choices::Replayed(track, reader) => match &self.source {
                Source::Tape(tape) => tape.tracks[*track].read(reader).min(n - 1),
                Source::Seed(_) | Source::Bytes { .. } | Source::Enumerated(_) | Source::Boring => {
                    unreachable!("only a tape's streams are replayed")
                }
            },
            Choices::Shared => match &mut self.source {
                Source::Bytes { bytes, at } => below_from_bytes(bytes, at, n),
                Source::Enumerated(enumeration) => enumeration.draw(n),
                Source::Seed(_) | Source::Tape(_) | Source::Boring => unreachable!("these sources have streams of their own"),
            },
            Choices::Boring => 0,
        }
    }

    #[cold]
    fn keep(&mut self, index: usize, n: u32, value: u32) {
        if let (Some(story), 1..) = (&mut self.story, value) {
            let track = &self.tape.tracks[index];
            story.keep(Told { at: self.now, door: track.door(), stream: track.name().to_owned(), n, value, words: None });
        }
    }

    /// Keeps every choice that is not boring from here on, for [`Choice::story`].
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::from_seed(7);
    /// choice.keep_story();
    /// let stream = choice.stream(Door::Run, "size");
    /// while choice.draw(stream, 10) == 0 {}
    /// assert_eq!(choice.story()[0].stream, "size");
    /// ```
    pub fn keep_story(&mut self) {
        self.story = Some(Box::default());
    }

    /// Says what the choice that was made last comes to, if the story is kept and the choice was not boring.
    pub(crate) fn tell(&mut self, stream: StreamId, words: String) {
        if let Some(story) = &mut self.story {
            let track = &self.tape.tracks[stream.0 as usize];
            story.tell(track.door(), track.name(), words);
        }
    }

    /// Whether the story is kept.
    #[inline]
    #[must_use]
    pub(crate) fn keeps_story(&self) -> bool {
        self.story.is_some()
    }

    /// Tells an enumeration, if that is the source, what the run has come to: see [`Enumeration::at`].
    pub(crate) fn at(&self, situation: u64) {
        if let Source::Enumerated(enumeration) = &self.source {
            enumeration.at(situation);
        }
    }

    /// Remarks what choices of a stream that were made before have come to now, if the story is kept.
    pub(crate) fn remark(&mut self, stream: StreamId, words: String) {
        if let Some(story) = &mut self.story {
            let track = &self.tape.tracks[stream.0 as usize];
            let (door, stream) = (track.door(), track.name().to_owned());
            story.keep(Told { at: self.now, door, stream, n: 0, value: 0, words: Some(words) });
        }
    }

    /// What was not boring, in the order in which it was chosen; nothing unless [`Choice::keep_story`] was called.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::boring();
    /// choice.keep_story();
    /// let stream = choice.stream(Door::Run, "size");
    /// choice.draw(stream, 10);
    /// assert!(choice.story().is_empty(), "a boring choice is not worth a word");
    /// ```
    #[must_use]
    pub fn story(&self) -> &[Told] {
        self.story.as_deref().map_or(&[], Story::told)
    }

    /// Lets the story know what time it is.
    #[inline]
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Fills `bytes` with random bytes, as `getrandom(2)` does.
    ///
    /// A stream's bytes are one choice, made when they are first asked for: which of 2^32 - 1 endless sequences they
    /// are. The tape holds that one number, and the boring answer, sequence 0, is as random as any other, since programs may well wait
    /// for random bytes that differ from the last ones.
    pub(crate) fn fill(&mut self, stream: StreamId, bytes: &mut [u8]) {
        let index = stream.0 as usize;
        let mut entropy = match self.streams[index].entropy.take() {
            Some(entropy) => entropy,
            None => {
                let sequence = self.draw(stream, u32::MAX);
                let track = &self.tape.tracks[index];
                Box::new(stream::entropy_rng(sequence, track.door(), track.name()))
            }
        };
        entropy.fill_bytes(bytes);
        self.streams[index].entropy = Some(entropy);
    }

    /// What was chosen so far.
    ///
    /// ```
    /// use twinsock_sim::choice::{Choice, Door};
    /// let mut choice = Choice::from_seed(7);
    /// let stream = choice.stream(Door::Run, "size");
    /// let drawn = choice.draw(stream, 10);
    /// assert_eq!(choice.tape().choices(Door::Run, "size").next().unwrap_or(0), drawn);
    /// ```
    #[must_use]
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// What was chosen so far, when nothing more is to be recorded: the end of a run, whose programs may still be unwound.
    pub(crate) fn take_tape(&mut self) -> Tape {
        let afterwards = self.tape.afterwards();
        std::mem::replace(&mut self.tape, afterwards)
    }
}

/// One of `0..n`, of as few bytes as hold `n - 1`, lowest first.
fn below_from_bytes(bytes: &[u8], at: &mut usize, n: u32) -> u32 {
    let mut value = 0;
    for shift in (0..u32::BITS - (n - 1).leading_zeros()).step_by(8) {
        let byte = bytes.get(*at).copied().unwrap_or(0);
        *at = bytes.len().min(*at + 1);
        value |= u32::from(byte) << shift;
    }
    value % n
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Seed(seed) => format!("seed {seed}"),
            Source::Tape(_) => "a tape".to_string(),
            Source::Bytes { bytes, at } => format!("byte {at} of {}", bytes.len()),
            Source::Enumerated(_) => "an enumeration".to_string(),
            Source::Boring => "boring".to_string(),
        };
        f.debug_struct("Choice").field("source", &source).field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
