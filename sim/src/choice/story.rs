//! What was not boring in a run, in the order in which it was chosen.

use super::Door;
use std::fmt;
use twinsock::Instant;

/// A choice that was not boring, or a remark: what choices made before have come to.
///
/// ```
/// use twinsock_sim::Sim;
/// let story = |seed| Sim::builder().seed(seed).keep_story(true).run(|sim| sim.swarm("size", 1..=9)).unwrap().story;
/// let told = (0..).find_map(|seed| story(seed).into_iter().next()).unwrap();
/// assert!(told.is_choice() && told.stream == "size");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When, in virtual time.
    pub at: Instant,
    /// By which door.
    pub door: Door,
    /// Whose choice: the name of the stream.
    pub stream: String,
    /// How many answers there were; 0 for a remark.
    pub n: u32,
    /// The answer.
    pub value: u32,
    /// What it came to, if whoever drew it said so; empty if a remark says so later.
    pub words: Option<String>,
}

impl Told {
    /// Whether it is a choice, and no remark.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let story = |seed| Sim::builder().seed(seed).keep_story(true).run(|sim| sim.swarm("size", 1..=9)).unwrap().story;
    /// let told = (0..).find_map(|seed| story(seed).into_iter().next()).unwrap();
    /// assert!(told.is_choice() && told.n == 9);
    /// ```
    #[must_use]
    pub fn is_choice(&self) -> bool {
        self.n > 0
    }

    /// Whether it says something that nothing else does.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// let story = |seed| Sim::builder().seed(seed).keep_story(true).run(|sim| sim.swarm("size", 1..=9)).unwrap().story;
    /// let told = (0..).find_map(|seed| story(seed).into_iter().next()).unwrap();
    /// assert!(told.is_heard() && told.words.is_some());
    /// ```
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.words.as_ref().is_none_or(|words| !words.is_empty())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}  {} {}: ", self.at, self.door.name(), self.stream)?;
        match &self.words {
            Some(words) => f.write_str(words),
            None => write!(f, "{} of 0..{}", self.value, self.n),
        }
    }
}

/// The story so far.
#[derive(Default)]
pub(super) struct Story {
    told: Vec<Told>,
}

/// How many choices a story keeps: nobody reads more.
const TOLD_MAX: usize = 10_000;

impl Story {
    pub(super) fn keep(&mut self, told: Told) {
        if self.told.len() < TOLD_MAX {
            self.told.push(told);
        }
    }

    pub(super) fn tell(&mut self, door: Door, stream: &str, words: String) {
        if let Some(last) = self.told.last_mut()
            && last.words.is_none()
            && last.door == door
            && last.stream == stream
        {
            last.words = Some(words);
        }
    }

    pub(super) fn told(&self) -> &[Told] {
        &self.told
    }
}
