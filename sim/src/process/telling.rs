//! Events and spans for `tracing`, with the feature of that name: what happens in a run is told while it goes on, and what its programs tell is known by
//! host and process.
//!
//! A subscriber is anybody's code, so it never runs while the simulation is borrowed: events wait in the trace until a call returns, or the driver has
//! its turn. Spans are a stack of the OS thread; each simulated thread has its own part of it, which is taken off when it gives the processor away.

use crate::process::current::{Calling, Shared};
use crate::process::listener::is_nobody_here;
use crate::process::scheduler::{Scheduler, ThreadId};
use crate::trace::{Event, Place, Topic, UntoldEvent, What};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use tracing::{Level, Span, enabled, event, span};
use twinsock::Instant;

/// What a simulation keeps that is listened to.
pub struct Telling {
    /// By thread.
    spans: RefCell<BTreeMap<ThreadId, Spans>>,
    /// What is being told happened then and there.
    moment: Cell<Option<(u64, Instant, Place)>>,
}

/// A simulated thread's part of the stack of spans.
struct Spans {
    own: Span,
    /// Those that it was in when it gave the processor away, outermost first.
    inner: Vec<Span>,
}

/// How many spans a thread may be in.
const SPANS_MAX: usize = 1000;

impl Telling {
    /// If anybody listens on this OS thread; events are kept for them from here on.
    pub fn begin(scheduler: &mut Scheduler) -> Option<Telling> {
        if is_nobody_here() {
            return None;
        }
        let topics = [
            (Topic::Call, enabled!(target: "twinsock::call", Level::DEBUG)),
            (Topic::Packet, enabled!(target: "twinsock::packet", Level::DEBUG)),
            (Topic::Timer, enabled!(target: "twinsock::timer", Level::TRACE)),
            (Topic::Choice, enabled!(target: "twinsock::choice", Level::TRACE)),
            (Topic::Process, enabled!(target: "twinsock::process", Level::ERROR)),
            (Topic::Fault, enabled!(target: "twinsock::fault", Level::WARN)),
        ];
        let wanted: Vec<Topic> = topics.into_iter().filter(|(_, wanted)| *wanted).map(|(topic, _)| topic).collect();
        if !wanted.is_empty() {
            scheduler.world_mut().trace_mut().keep_for_telling(wanted);
        }
        Some(Telling { spans: RefCell::default(), moment: Cell::new(None) })
    }

    /// Where and when what is being told happened.
    pub fn moment(&self) -> Option<(u64, Instant, Place)> {
        self.moment.get()
    }
}

/// An event in words.
struct Told {
    step: u64,
    event: Event,
    host: String,
    process: String,
    words: String,
}

impl Shared {
    /// Tells what nobody has been told of yet.
    pub fn tell(&self) {
        let Some(telling) = &self.telling else { return };
        let Ok(mut scheduler) = self.scheduler.try_borrow_mut() else { return };
        let untold = scheduler.world_mut().trace_mut().take_untold();
        if untold.is_empty() || std::thread::panicking() {
            return;
        }
        let told: Vec<Told> = untold.into_iter().map(|untold| in_words(&scheduler, untold)).collect();
        drop(scheduler);
        for told in told {
            telling.moment.set(Some((told.step, told.event.at, told.event.place)));
            emit(&told);
        }
        telling.moment.set(None);
    }
}

fn in_words(scheduler: &Scheduler, untold: UntoldEvent) -> Told {
    let UntoldEvent { step, event, call } = untold;
    let names = scheduler.world().trace().names();
    let host = event.place.host_number().and_then(|host| names.host(host)).unwrap_or_default().to_owned();
    let process = event.place.host_number().zip(event.place.pid()).and_then(|(host, pid)| names.process(host, pid));
    let (process, words) = (process.unwrap_or_default().to_owned(), call.unwrap_or_else(|| event.words(names)));
    Told { step, event, host, process, words }
}

fn emit(told: &Told) {
    let Told { step, event, host, process, words } = told;
    let at = event.at.as_nanos();
    macro_rules! tell {
        ($target:literal, $level:ident $(, $field:ident)*) => {
            event!(target: $target, parent: None, Level::$level, step, at $(, $field)*, "{words}")
        };
    }
    match &event.what {
        What::CallEnd { .. } => tell!("twinsock::call", DEBUG, host, process),
        What::PacketSent(_) | What::PacketDelivered(_) | What::PacketDropped(..) | What::PacketMet(..) => {
            tell!("twinsock::packet", DEBUG, host);
        }
        What::Timer => tell!("twinsock::timer", TRACE, host),
        What::Choice { .. } => tell!("twinsock::choice", TRACE),
        What::ProcessStart | What::ProcessExit | What::ProcessKill => tell!("twinsock::process", INFO, host, process),
        What::ProcessPanic { .. } => tell!("twinsock::process", ERROR, host, process),
        What::Network { .. } | What::Machine(_) => tell!("twinsock::fault", WARN, host),
        What::Name { .. } => tell!("twinsock::fault", WARN),
        What::CallFault { .. } | What::Signal { .. } => tell!("twinsock::fault", WARN, host, process),
        // In recordings only.
        What::Waits | What::Wake => {}
    }
}

/// Who is about to go on.
pub struct Label {
    thread: ThreadId,
    host: String,
    process: String,
    pid: u32,
    name: String,
    started: u64,
}

impl Label {
    /// What the thread's span is to say; `None` if nobody listens.
    pub fn of(shared: &Shared, scheduler: &Scheduler, thread: ThreadId) -> Option<Label> {
        shared.telling.as_ref()?;
        let process = scheduler.process(scheduler.process_of(thread));
        let host = scheduler.world().host_name(process.host).to_owned();
        let (name, started) = (scheduler.thread_name(thread).to_owned(), scheduler.world().now().as_nanos());
        Some(Label { thread, host, process: process.name.to_string(), pid: process.pid.0, name, started })
    }
}

/// The OS thread is in the spans of a simulated thread for as long as this lives.
pub struct Inside<'a> {
    spans: &'a RefCell<BTreeMap<ThreadId, Spans>>,
    thread: ThreadId,
    /// The innermost span that is not the simulated thread's own doing.
    base: Option<tracing::Id>,
}

impl<'a> Inside<'a> {
    /// Enters the spans of a thread: its own, and those that it was in when it gave the processor away.
    pub fn enter(shared: &'a Shared, label: Option<Label>) -> Option<Inside<'a>> {
        let (label, telling) = (label?, shared.telling.as_ref()?);
        let Label { thread, host, process, pid, name, started } = label;
        let taken = telling.spans.borrow_mut().remove(&thread);
        let Spans { own, inner } = taken.unwrap_or_else(|| Spans {
            own: span!(target: "twinsock::process", parent: None, Level::ERROR, "process", host, process, pid, thread = name, started),
            inner: Vec::new(),
        });
        enter(&own);
        let base = Span::current().id();
        inner.iter().for_each(enter);
        telling.spans.borrow_mut().insert(thread, Spans { own, inner: Vec::new() });
        Some(Inside { spans: &telling.spans, thread, base })
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut inner = Vec::new();
        while inner.len() < SPANS_MAX {
            let current = Span::current();
            if current.is_none() || current.id() == self.base {
                break;
            }
            exit(&current);
            inner.push(current);
        }
        inner.reverse();
        let taken = self.spans.borrow_mut().remove(&self.thread);
        if let Some(Spans { own, .. }) = taken {
            exit(&own);
            self.spans.borrow_mut().insert(self.thread, Spans { own, inner });
        }
    }
}

fn enter(span: &Span) {
    span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
}

fn exit(span: &Span) {
    span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
}

/// A call returns: what it has done is told before the program goes on.
impl Drop for Calling {
    fn drop(&mut self) {
        self.shared.tell();
    }
}
