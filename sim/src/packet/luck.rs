//! Kernel latitude: where Linux is free to choose, the core asks here. A constant 0 is the boring kernel.

/// What is being chosen.
///
/// ```
/// use twinsock_sim::packet::{Boring, Latitude, Luck};
/// assert_eq!(Boring.below(Latitude::InitialSequenceNumber, u32::MAX), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Latitude {
    /// What a host's initial sequence numbers begin with, RFC 9293 section 3.4.1.
    InitialSequenceNumber,
    /// Which ephemeral port is tried first.
    EphemeralPort,
    /// Which member of a SO_REUSEPORT group gets a flow.
    ReusePort,
    /// Where a host's connections let their timestamps begin, RFC 7323 section 5.4.
    TimestampOffset,
    /// An autobound abstract name.
    Autobind,
}

/// The source of kernel latitude.
///
/// ```
/// use twinsock_sim::packet::{Boring, Latitude, Luck};
/// assert_eq!(Boring.below(Latitude::EphemeralPort, 28_232), 0);
/// ```
pub trait Luck {
    /// One of `0..n`; 0 is the boring answer. `n` is at least 1.
    ///
    /// ```
    /// use twinsock_sim::packet::{Latitude, Luck};
    ///
    /// /// A kernel that always takes the last answer.
    /// struct Last;
    /// impl Luck for Last {
    ///     fn below(&mut self, _what: Latitude, n: u32) -> u32 {
    ///         n - 1
    ///     }
    /// }
    /// assert_eq!(Last.below(Latitude::EphemeralPort, 28_232), 28_231);
    /// ```
    fn below(&mut self, what: Latitude, n: u32) -> u32;
}

/// The boring kernel: always 0.
///
/// ```
/// use twinsock_sim::packet::{Boring, Latitude, Luck};
/// assert_eq!(Boring.below(Latitude::Autobind, 10), 0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Boring;

impl Luck for Boring {
    fn below(&mut self, _what: Latitude, _n: u32) -> u32 {
        0
    }
}
