//! What can happen in a run, as values: small enough to be made for every event, whether or not it is kept.

use super::bytes::halves;
use super::packets::{PacketLine, Words, pair};
use super::place::{Names, Place};
use super::{Digest, MachineEvent};
use std::fmt;
use twinsock::{Errno, Instant, Result};

/// Something that happened, when, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Virtual time.
    pub at: Instant,
    /// Where.
    pub place: Place,
    /// What.
    pub what: What,
}

/// The name of a system call, or of another call that a process makes of its world.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallName {
    name: &'static str,
    /// The digest of the name.
    word: u64,
}

impl CallName {
    /// The call of this name. Best made in a `const`, where it costs nothing.
    #[must_use]
    pub const fn new(name: &'static str) -> CallName {
        let mut digest = Digest::new();
        let bytes = name.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            digest.fold(bytes[index] as u64);
            index += 1;
        }
        CallName { name, word: digest.value() }
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether it is the call of the same name, by the digests of both.
    #[inline]
    #[must_use]
    pub(super) const fn is(self, other: CallName) -> bool {
        self.word == other.word
    }
}

impl fmt::Debug for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A call returned.
    CallEnd {
        /// The call.
        call: CallName,
        /// The descriptor it is about.
        fd: Option<i32>,
        /// What it returned.
        result: Result<usize>,
    },
    /// A host handed a packet to a link, or to itself: see [`Trace::packet_sent`](super::Trace::packet_sent).
    PacketSent(PacketLine),
    /// A packet arrived: see [`Trace::packet_delivered`](super::Trace::packet_delivered).
    PacketDelivered(PacketLine),
    /// A packet will not arrive, and why: see [`Trace::packet_dropped`](super::Trace::packet_dropped).
    PacketDropped(PacketLine, &'static str),
    /// Something happened to a packet on its way: see [`Trace::packet_met`](super::Trace::packet_met).
    PacketMet(PacketLine, &'static str),
    /// The way from the event's host was changed.
    Network {
        /// How.
        event: NetworkEvent,
        /// The way to which host; `None`: to and from all.
        to: Option<u32>,
    },
    /// A timer of a host went off.
    Timer,
    /// A thread began to wait; in recordings only.
    Waits,
    /// What a thread waited for has come, or its time is up; in recordings only.
    Wake,
    /// One of `0..n` was drawn.
    Choice {
        /// By which door.
        door: &'static str,
        /// How many answers there were.
        n: u32,
        /// The answer.
        value: u32,
    },
    /// A process, or a thread of it, started.
    ProcessStart,
    /// It came to its end.
    ProcessExit,
    /// It was killed.
    ProcessKill,
    /// It panicked.
    ProcessPanic {
        /// With these words.
        message: Box<str>,
    },
    /// Something befell a whole machine.
    Machine(MachineEvent),
    /// A fault befell a call of a thread.
    CallFault {
        /// The call.
        call: CallName,
        /// The descriptor it is about.
        fd: Option<i32>,
        /// What happened to it.
        fault: Box<str>,
    },
    /// A signal was sent to a thread.
    Signal {
        /// How its handler was installed, in words.
        how: &'static str,
    },
    /// Something is wrong with a name from here on, or no longer.
    Name {
        /// The name.
        name: Box<str>,
        /// What is wrong; `None`: nothing.
        fault: Option<Box<str>>,
    },
}

impl What {
    /// The packet that it is about.
    #[must_use]
    pub const fn packet(&self) -> Option<&PacketLine> {
        match self {
            What::PacketSent(packet)
            | What::PacketDelivered(packet)
            | What::PacketDropped(packet, _)
            | What::PacketMet(packet, _) => Some(packet),
            What::CallEnd { .. }
            | What::Network { .. }
            | What::Timer
            | What::Waits
            | What::Wake
            | What::Choice { .. }
            | What::ProcessStart
            | What::ProcessExit
            | What::ProcessKill
            | What::ProcessPanic { .. }
            | What::Machine(_)
            | What::CallFault { .. }
            | What::Signal { .. }
            | What::Name { .. } => None,
        }
    }
}

/// A trouble that lasts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// One of this name begins.
    Begins(&'static str),
    /// One of this name ends.
    Ends(&'static str),
}

/// What is done to the ways between hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// Nothing passes from here on.
    Cut,
    /// What was cut is mended.
    Heal,
    /// A host is cut off from all others.
    Isolate,
    /// It is back.
    Rejoin,
    /// What is sent from here on waits.
    Hold,
    /// What waited is sent.
    Release,
    /// Another link took the place of the one there was.
    Link,
}

impl NetworkEvent {
    /// What begins with it, or what ends.
    pub(super) const fn trouble(self) -> Option<Trouble> {
        match self {
            NetworkEvent::Cut => Some(Trouble::Begins("cut")),
            NetworkEvent::Heal => Some(Trouble::Ends("cut")),
            NetworkEvent::Isolate => Some(Trouble::Begins("isolation")),
            NetworkEvent::Rejoin => Some(Trouble::Ends("isolation")),
            NetworkEvent::Hold => Some(Trouble::Begins("hold")),
            NetworkEvent::Release => Some(Trouble::Ends("hold")),
            NetworkEvent::Link => None,
        }
    }

    const fn number(self) -> u32 {
        match self {
            NetworkEvent::Cut => 0,
            NetworkEvent::Heal => 1,
            NetworkEvent::Isolate => 2,
            NetworkEvent::Rejoin => 3,
            NetworkEvent::Hold => 4,
            NetworkEvent::Release => 5,
            NetworkEvent::Link => 6,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            NetworkEvent::Cut => "cut off",
            NetworkEvent::Heal => "connected again",
            NetworkEvent::Isolate => "isolated",
            NetworkEvent::Rejoin => "rejoined",
            NetworkEvent::Hold => "held back",
            NetworkEvent::Release => "released",
            NetworkEvent::Link => "another link",
        }
    }
}

/// Whose call has returned, and what, as words.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallWords {
    /// Host and process.
    home: u64,
    /// Thread and descriptor; without one, as that of number -1.
    whose: u64,
    /// What it returned, as the kernel does: an error is negated.
    returned: u64,
}

/// The greatest number of an error, [`MAX_ERRNO` of Linux](https://elixir.bootlin.com/linux/v6.18/source/include/linux/err.h).
const ERRNO_MAX: i64 = 4095;

impl CallWords {
    #[inline(always)]
    pub(super) fn of(place: Place, fd: Option<i32>, result: Result<usize>) -> CallWords {
        let Place { host, pid, thread } = place;
        let returned = match result {
            Ok(value) => u64::try_from(value).expect("a count in memory fits 64 bits"),
            Err(errno) => i64::from(errno.raw()).wrapping_neg().cast_unsigned(),
        };
        CallWords { home: pair(host, pid), whose: pair(thread, fd.unwrap_or(-1).cast_unsigned()), returned }
    }

    /// Writes them to the words of a record, of which one is of no use.
    #[inline(always)]
    pub(super) fn write_to(self, words: &mut Words) {
        (words.numbers, words.header, words.addrs) = (self.home, self.whose, self.returned);
    }

    /// Those that a record has.
    pub(super) fn of_record(words: Words) -> CallWords {
        CallWords { home: words.numbers, whose: words.header, returned: words.addrs }
    }

    /// Folds in that the call returned.
    #[inline(always)]
    pub(super) fn fold_into(self, digest: &mut Digest, at: Instant, call: CallName) {
        digest.fold_call((at.as_nanos(), self.home), (self.returned, self.whose), call.word);
    }

    /// The event that these were made of.
    pub(super) fn event(self, at: Instant, name: &'static str, has_fd: bool) -> Event {
        let ([pid, host], [fd, thread]) = (halves(self.home), halves(self.whose));
        let returned = self.returned.cast_signed();
        let result = if (-ERRNO_MAX..0).contains(&returned) {
            Err(Errno::from_raw(i32::try_from(-returned).expect("the numbers of errors are small")))
        } else {
            Ok(usize::try_from(self.returned).expect("it was a count in memory"))
        };
        let what = What::CallEnd { call: CallName::new(name), fd: has_fd.then_some(fd.cast_signed()), result };
        Event { at, place: Place { host, pid, thread }, what }
    }
}

/// Folds in that `value` was chosen of `0..n`.
#[inline(always)]
pub(super) fn fold_choice(digest: &mut Digest, at: Instant, place: Place, n: u32, value: u32) {
    let Place { host, pid, thread } = place;
    digest.fold2_with(at.as_nanos(), pair(n, value), Digest::label(pair(host, pid), pair(thread, 6), 0, 0));
}

#[inline]
fn fold_head(digest: &mut Digest, at: Instant, place: Place, kind: u32, argument: u64) {
    let Place { host, pid, thread } = place;
    digest.fold4(at.as_nanos(), pair(host, pid), pair(thread, kind), argument);
}

impl Event {
    /// Folds the event into a digest.
    #[inline]
    pub(super) fn fold_into(&self, digest: &mut Digest) {
        match &self.what {
            // Packets are folded in from the packets themselves.
            What::PacketSent(_) | What::PacketDelivered(_) | What::PacketDropped(..) | What::PacketMet(..) => {}
            What::CallEnd { call, fd, result } => CallWords::of(self.place, *fd, *result).fold_into(digest, self.at, *call),
            What::Network { event, to } => self.fold_head(digest, 40 + event.number(), u64::from(to.unwrap_or(u32::MAX))),
            What::Timer => self.fold_head(digest, 5, 0),
            // Where threads wait follows from their calls.
            What::Waits | What::Wake => {}
            // What may befall a call is said here; whether it does is an event of its own.
            What::Machine(MachineEvent::CallFaults { .. }) => {}
            What::Choice { door: _, n, value } => fold_choice(digest, self.at, self.place, *n, *value),
            What::ProcessStart => self.fold_head(digest, 7, 0),
            What::ProcessExit => self.fold_head(digest, 8, 0),
            What::ProcessKill => self.fold_head(digest, 9, 0),
            What::ProcessPanic { message } => {
                self.fold_head(digest, 10, 0);
                digest.fold_bytes(message.as_bytes());
            }
            What::Machine(event) => {
                let (number, argument, more) = event.words();
                self.fold_head(digest, 20 + number, argument);
                digest.fold(more);
            }
            What::CallFault { call, fd, fault } => {
                self.fold_head(digest, 30, call.word ^ u64::from(fd.unwrap_or(-1).cast_unsigned()));
                digest.fold_bytes(fault.as_bytes());
            }
            What::Signal { how } => {
                self.fold_head(digest, 31, 0);
                digest.fold_bytes(how.as_bytes());
            }
            What::Name { name, fault } => {
                self.fold_head(digest, 32, u64::from(fault.is_some()));
                digest.fold_bytes(name.as_bytes());
                digest.fold_bytes(fault.as_deref().unwrap_or_default().as_bytes());
            }
        }
    }

    #[inline]
    fn fold_head(&self, digest: &mut Digest, kind: u32, argument: u64) {
        fold_head(digest, self.at, self.place, kind, argument);
    }

    /// What happened, in words, with the names of other hosts.
    #[must_use]
    pub(crate) fn words(&self, names: &Names) -> String {
        if let What::Network { to: Some(to), .. } = self.what {
            return format!("{} {}", self.what, names.place(Place::host(to)));
        }
        self.what.to_string()
    }

    /// The event as a line, with the names of its host and process.
    #[must_use]
    pub fn line<'a>(&'a self, names: &'a Names) -> impl fmt::Display + 'a {
        Line { event: self, names }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line(&Names::default()))
    }
}

struct Line<'a> {
    event: &'a Event,
    names: &'a Names,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}  {}", self.event.at, self.names.place(self.event.place), self.event.words(self.names))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::CallEnd { call, fd, result } => {
                fmt_call(f, *call, *fd)?;
                match result {
                    Ok(value) => write!(f, " = {value}"),
                    Err(errno) => write!(f, " = -1 {errno:?}"),
                }
            }
            What::PacketSent(packet) => write!(f, "sent {packet}"),
            What::PacketDelivered(packet) => write!(f, "delivered {packet}"),
            What::PacketDropped(packet, why) => write!(f, "dropped ({why}) {packet}"),
            What::PacketMet(packet, what) => write!(f, "{what} {packet}"),
            // The other host's name follows, see `Line`.
            What::Network { event, to: Some(_) } => write!(f, "{} from here to", event.words()),
            What::Network { event, to: None } => f.write_str(event.words()),
            What::Timer => f.write_str("timer"),
            What::Waits => f.write_str("waits"),
            What::Wake => f.write_str("wakes"),
            What::Choice { door, n, value } => write!(f, "chose {value} of 0..{n} ({door})"),
            What::ProcessStart => f.write_str("start"),
            What::ProcessExit => f.write_str("exit"),
            What::ProcessKill => f.write_str("killed"),
            What::ProcessPanic { message } => write!(f, "panic: {}", OneLine(message)),
            What::Machine(event) => write!(f, "{event}"),
            What::CallFault { call, fd, fault } => {
                fmt_call(f, *call, *fd)?;
                write!(f, " meets {fault}")
            }
            What::Signal { how } => write!(f, "signal ({how})"),
            What::Name { name, fault: Some(fault) } => write!(f, "the name {name}: {fault}"),
            What::Name { name, fault: None } => write!(f, "the name {name} is right again"),
        }
    }
}

/// A call and its descriptor, as strace(1) prints them.
fn fmt_call(f: &mut fmt::Formatter<'_>, call: CallName, fd: Option<i32>) -> fmt::Result {
    match fd {
        Some(fd) => write!(f, "{}({fd})", call.name),
        None => write!(f, "{}()", call.name),
    }
}

/// Words on one line: what would end it, and what no terminal should be given, is escaped.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_debug()) } else { write!(f, "{c}") })
    }
}
