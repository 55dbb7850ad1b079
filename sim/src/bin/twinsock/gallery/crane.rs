//! A crane: a thing of the real world that only one program at a time may move. It knows who does.

use std::sync::Mutex;
use std::time::Duration;
use twinsock::Clock;

/// A crane that nobody moves so far.
#[derive(Default)]
pub struct Crane(Mutex<Option<u8>>);

impl Crane {
    fn set(&self, mover: Option<u8>) -> Option<u8> {
        std::mem::replace(&mut self.0.lock().expect("nobody panics with the lock held"), mover)
    }

    /// Lifts something, which takes a while.
    ///
    /// # Panics
    /// Somebody else does, too.
    pub fn lift<A: Clock>(&self, api: &A, mover: u8) {
        let other = self.set(Some(mover));
        assert!(other.is_none(), "two move the crane at the same time");
        api.sleep(Duration::from_millis(20));
        self.set(None);
    }
}
