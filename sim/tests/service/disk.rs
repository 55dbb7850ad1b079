//! What a node keeps over a crash: its term, its vote and its log. The API has no files; memory that outlives the process stands in for one whose every
//! write is synchronous.

use super::frame::Entry;
use std::sync::{Arc, Mutex, PoisonError};

/// A disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Stored>>);

/// What is on it.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The highest term that the node has heard of.
    pub term: u64,
    /// Whom it has given its vote in that term.
    pub vote: Option<u64>,
    /// The log.
    pub log: Vec<Entry>,
}

impl Disk {
    /// What is on the disk.
    pub fn read(&self) -> Stored {
        self.with(|stored| stored.clone())
    }

    /// Writes term and vote.
    pub fn write_vote(&self, term: u64, vote: Option<u64>) {
        self.with(|stored| (stored.term, stored.vote) = (term, vote));
    }

    /// Cuts the log after `len` entries and adds others.
    pub fn write_log(&self, len: usize, entries: &[Entry]) {
        self.with(|stored| {
            stored.log.truncate(len);
            stored.log.extend_from_slice(entries);
        });
    }

    // Nobody calls the world while he holds the lock.
    fn with<T>(&self, act: impl FnOnce(&mut Stored) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
