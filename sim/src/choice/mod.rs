//! The one source of chance.
//!
//! Whatever in a run could have gone otherwise is a choice, "one of `0..n`", drawn here and nowhere else; 0 is always the
//! boring answer (no fault, first come first served, the shortest delay). Chance enters by five [`Door`]s, and every entity that draws
//! at a door (a link, a host, a thread) has a stream of its own, keyed by the entity's name: what one entity draws, or stops
//! drawing, never shifts what another gets.
//!
//! Choices come from a seed (`stream.rs`), from a recorded tape (`tape.rs`), or are all boring. Whatever the source, what was
//! chosen is recorded on a new tape, and that tape is what is replayed, shrunk and kept as a regression.
//!
//! `luck.rs` hands a stream to a host as the `Luck` that the core asks. This room knows no more of the house than that trait.

mod luck;
mod stream;
mod tape;

pub use luck::LuckOf;
pub use tape::{Tape, TapeError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::fmt;

/// By which door chance enters.
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
    pub const ALL: [Door; 5] = [Door::Interleaving, Door::Wire, Door::Misfortune, Door::Latitude, Door::Run];

    /// The door's name, in lower case.
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
}

enum Source {
    Seed(u64),
    Tape(Tape),
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
    Drawn(Box<ChaCha8Rng>),
    Replayed(tape::Reader),
    Boring,
}

impl Choice {
    /// Choices that depend on `seed` and on each stream's name, and on nothing else.
    #[must_use]
    pub fn from_seed(seed: u64) -> Choice {
        Choice::new(Source::Seed(seed))
    }

    /// The choices of a tape: 0 where a stream's track has come to its end or is missing, and the largest answer there is where the
    /// tape names a larger one. So every tape is a run, however it was cut or altered.
    #[must_use]
    pub fn from_tape(tape: Tape) -> Choice {
        Choice::new(Source::Tape(tape))
    }

    /// The boring answer, always.
    #[must_use]
    pub fn boring() -> Choice {
        Choice::new(Source::Boring)
    }

    fn new(source: Source) -> Choice {
        Choice { source, streams: Vec::new(), tape: Tape::new() }
    }

    /// The stream of the entity of this name at this door: the same one whenever it is asked for.
    ///
    /// Names are those of the entities, such as `host/parent/2`, and never contain a global counter.
    ///
    /// # Panics
    /// If 2^32 streams exist.
    pub fn stream(&mut self, door: Door, name: &str) -> StreamId {
        let track = self.tape.track_of(door, name);
        if track == self.streams.len() {
            let choices = match &self.source {
                Source::Seed(seed) => Choices::Untouched { seed: *seed },
                Source::Tape(tape) => tape.reader(door, name).map_or(Choices::Boring, Choices::Replayed),
                Source::Boring => Choices::Boring,
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
    #[inline]
    pub fn draw(&mut self, stream: StreamId, n: u32) -> u32 {
        debug_assert!(n >= 1, "a choice has at least one answer");
        if n <= 1 {
            return 0;
        }
        let index = stream.0 as usize;
        let value = match &mut self.streams[index].choices {
            Choices::Drawn(rng) => stream::below(rng, n),
            Choices::Untouched { .. } | Choices::Replayed(_) | Choices::Boring => self.draw_slowly(index, n),
        };
        self.tape.tracks[index].record(value);
        value
    }

    #[cold]
    fn draw_slowly(&mut self, index: usize, n: u32) -> u32 {
        let choices = &mut self.streams[index].choices;
        match choices {
            Choices::Untouched { seed } => {
                let track = &self.tape.tracks[index];
                let mut rng = Box::new(stream::choices_rng(*seed, track.door(), track.name()));
                let value = stream::below(&mut rng, n);
                *choices = Choices::Drawn(rng);
                value
            }
            Choices::Drawn(rng) => stream::below(rng, n),
            Choices::Replayed(reader) => match &self.source {
                Source::Tape(tape) => tape.read(reader).min(n - 1),
                Source::Seed(_) | Source::Boring => unreachable!("only a tape's streams are replayed"),
            },
            Choices::Boring => 0,
        }
    }

    /// Fills `bytes` with random bytes, as `getrandom(2)` does.
    ///
    /// A stream's bytes are one choice, made when they are first asked for: which of 2^32 - 1 endless sequences they
    /// are. The tape holds that one number, and the boring answer, sequence 0, is as random as any other, since programs may well wait
    /// for random bytes that differ from the last ones.
    pub fn fill(&mut self, stream: StreamId, bytes: &mut [u8]) {
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
    #[must_use]
    pub fn tape(&self) -> &Tape {
        &self.tape
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Seed(seed) => format!("seed {seed}"),
            Source::Tape(_) => "a tape".to_string(),
            Source::Boring => "boring".to_string(),
        };
        f.debug_struct("Choice").field("source", &source).field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
