//! Events for whoever listens while a run goes on: they wait here until no part of the world is at work, for a listener is anybody's code.

use super::arguments::Arguments;
use super::event::{Event, What};
use super::lines::call_text;
use super::recording::CallEnd;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A system call.
    Call,
    /// A packet and what becomes of it.
    Packet,
    /// A timer of a kernel.
    Timer,
    /// Something that was left to chance.
    Choice,
    /// A process starts or ends.
    Process,
    /// A misfortune of the network, of a machine or of a call.
    Fault,
}

impl Topic {
    /// What an event is about; `None` for what is in recordings only.
    pub(super) fn of(what: &What) -> Option<Topic> {
        match what {
            What::CallEnd { .. } => Some(Topic::Call),
            What::PacketSent(_) | What::PacketDelivered(_) | What::PacketDropped(..) | What::PacketMet(..) => Some(Topic::Packet),
            What::Timer => Some(Topic::Timer),
            What::Choice { .. } => Some(Topic::Choice),
            What::ProcessStart | What::ProcessExit | What::ProcessKill | What::ProcessPanic { .. } => Some(Topic::Process),
            What::Network { .. } | What::Machine(_) | What::CallFault { .. } | What::Signal { .. } | What::Name { .. } => {
                Some(Topic::Fault)
            }
            What::Waits | What::Wake => None,
        }
    }
}

/// Events that nobody has been told of yet.
#[derive(Clone, Debug)]
pub(super) struct Untold {
    wanted: Vec<Topic>,
    pub(super) events: Vec<UntoldEvent>,
}

/// An event that nobody has been told of yet.
#[derive(Clone, Debug)]
pub struct UntoldEvent {
    /// The turn in which it happened.
    pub step: u64,
    /// When, where and what.
    pub event: Event,
    /// A call as `strace(1)` writes it.
    pub call: Option<String>,
}

impl Untold {
    pub(super) fn new(wanted: Vec<Topic>) -> Untold {
        Untold { wanted, events: Vec::new() }
    }

    pub(super) fn wants(&self, topic: Topic) -> bool {
        self.wanted.contains(&topic)
    }

    pub(super) fn add(&mut self, step: u64, topic: Option<Topic>, event: impl FnOnce() -> Event) {
        if topic.is_some_and(|topic| self.wants(topic)) {
            self.events.push(UntoldEvent { step, event: event(), call: None });
        }
    }

    pub(super) fn add_call(&mut self, step: u64, end: CallEnd, list: impl Fn(&mut Arguments<'_>)) {
        if self.wants(Topic::Call) {
            let CallEnd { at, place, call, fd, result } = end;
            let what = What::CallEnd { call, fd, result };
            let text = call_text(&what, &Arguments::text(list));
            self.events.push(UntoldEvent { step, event: Event { at, place, what }, call: Some(text) });
        }
    }
}
