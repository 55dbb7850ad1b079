//! A stream of choices as the luck of a kernel.

use super::{Choice, StreamId};
use crate::packet::{Latitude, Luck};

/// The luck of one host, drawn from one stream (of [`Door::Latitude`](super::Door::Latitude)).
#[derive(Debug)]
pub(crate) struct LuckOf<'a> {
    choice: &'a mut Choice,
    stream: StreamId,
}

impl<'a> LuckOf<'a> {
    /// Luck drawn from `stream`.
    #[inline]
    #[must_use]
    pub(crate) fn new(choice: &'a mut Choice, stream: StreamId) -> LuckOf<'a> {
        LuckOf { choice, stream }
    }
}

impl Luck for LuckOf<'_> {
    #[inline]
    fn below(&mut self, _what: Latitude, n: u32) -> u32 {
        self.choice.draw(self.stream, n)
    }
}
