//! temp
#![allow(missing_docs, reason = "temp")]
use std::time::Duration;
use twinsock::Instant;
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    pub delay: Duration,
    pub jitter: Duration,
}
pub enum Verdict {
    Deliver { at: Instant },
}
impl Link {
    pub fn verdict(&self, now: Instant, last: Instant, _draw: &mut dyn FnMut(u32) -> u32) -> Verdict {
        Verdict::Deliver { at: (now + self.delay).max(last) }
    }
}
