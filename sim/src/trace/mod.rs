//! What happened: a digest of every event, and the last few events for a report.
//!
//! `event.rs` says what an event is and how it reads on a line, `digest.rs` how events become 64 bits, `kept.rs` how the last ones are
//! kept. [`Trace`] is what
//! `world` and `process` write to. The digest is always made and does not depend on whether events are kept; keeping them is off until
//! it is asked for, and costs nothing until then. This room reads values and influences nothing.

mod digest;
mod event;
mod kept;
mod machine;

pub use digest::Digest;
pub use event::{CallName, Event, Names, NetworkEvent, PacketLine, Place, Transport, What};
use event::{PacketKind, Words};
use kept::{Kept, Record};
pub use machine::MachineEvent;

use crate::packet::{Body, Packet};
use std::fmt;
use twinsock::{Instant, Result};

/// The record of a run.
///
/// ```
/// use twinsock::Instant;
/// use twinsock_sim::trace::{CallName, Event, Place, Trace, What};
///
/// let mut trace = Trace::new();
/// trace.names_mut().name_host(0, "server");
/// trace.names_mut().name_process(0, 7, "kv");
/// trace.keep_last(100);
/// let (at, place) = (Instant::from_nanos(1_500), Place::process(0, 7));
/// trace.record(Event { at, place, what: What::CallEnd { call: CallName::new("recv"), fd: Some(4), result: Ok(17) } });
/// assert_eq!(trace.report().to_string(), "0.000001500s server kv[7]  recv(4) = 17\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trace {
    digest: Digest,
    events_count: u64,
    kept: Option<Kept>,
    names: Names,
}

impl Trace {
    /// A trace that keeps no events.
    #[must_use]
    pub fn new() -> Trace {
        Trace::default()
    }

    /// Keeps the last `events_max` events from here on; with 0, none.
    pub fn keep_last(&mut self, events_max: usize) {
        self.kept = (events_max > 0).then(|| Kept::new(events_max));
    }

    /// Folds an event into the digest, and keeps it if that is on. Packets have methods of their own.
    #[inline]
    pub fn record(&mut self, event: Event) {
        event.fold_into(&mut self.digest);
        self.events_count += 1;
        if let Some(kept) = &mut self.kept {
            kept.keep_event(event);
        }
    }

    /// Records that a call returned: [`What::CallEnd`].
    #[inline]
    pub fn call_ended(&mut self, at: Instant, place: Place, call: CallName, fd: Option<i32>, result: Result<usize>) {
        event::fold_call_end(&mut self.digest, at, place, call, fd, result);
        self.events_count += 1;
        if let Some(kept) = &mut self.kept {
            kept.keep(Record::CallEnd { at, place, call, fd, result });
        }
    }

    /// Records that a host handed a packet to a link or to itself, and folds the packet's data into the digest, so that two runs
    /// differ in which a process sends other bytes of the same length.
    ///
    /// Of more than 4 KiB of data in one packet only the first and the last 2 KiB are looked at.
    #[inline]
    pub fn packet_sent(&mut self, at: Instant, host: u32, packet: &Packet) {
        event::fold_addrs(&mut self.digest, packet);
        self.packet(at, host, PacketKind::Sent, packet);
        let data = packet.data();
        if data.len() <= DATA_DIGESTED_MAX_BYTES {
            self.digest.fold_bytes(data);
        } else {
            self.digest.fold_bytes(&data[..DATA_DIGESTED_MAX_BYTES / 2]);
            self.digest.fold_bytes(&data[data.len() - DATA_DIGESTED_MAX_BYTES / 2..]);
        }
    }

    /// Records that a packet arrived at a host.
    #[inline]
    pub fn packet_delivered(&mut self, at: Instant, host: u32, packet: &Packet) {
        self.packet(at, host, PacketKind::Delivered, packet);
    }

    /// Records that a packet which a host sent will not arrive, and why.
    pub fn packet_dropped(&mut self, at: Instant, host: u32, packet: &Packet, why: &'static str) {
        self.digest.fold_bytes(why.as_bytes());
        self.other_packet(at, host, PacketKind::Dropped, packet, why);
    }

    /// Records that something happened to a packet on its way, which goes on nevertheless.
    pub fn packet_met(&mut self, at: Instant, host: u32, packet: &Packet, what: &'static str) {
        self.digest.fold_bytes(what.as_bytes());
        self.other_packet(at, host, PacketKind::Met, packet, what);
    }

    #[inline(always)]
    fn packet(&mut self, at: Instant, host: u32, kind: PacketKind, packet: &Packet) {
        let (Body::Tcp(segment), Some(addrs)) = (&packet.body, event::v4_addrs(packet)) else {
            return self.other_packet(at, host, kind, packet, "");
        };
        self.events_count += 1;
        let words = Words::of_segment(host, kind, segment);
        words.fold_into(&mut self.digest, at);
        if let Some(kept) = &mut self.kept {
            kept.keep(Record::Segment { at, words, addrs });
        }
    }

    fn other_packet(&mut self, at: Instant, host: u32, kind: PacketKind, packet: &Packet, why: &'static str) {
        self.events_count += 1;
        Words::of(host, kind, packet).fold_into(&mut self.digest, at);
        if let Some(kept) = &mut self.kept {
            let what = kind.what(PacketLine::of(packet), why);
            kept.keep_other(Event { at, place: Place::host(host), what });
        }
    }

    /// The digest of all events so far.
    #[inline]
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// How many events there were so far: the number of the next one.
    #[inline]
    #[must_use]
    pub fn events_count(&self) -> u64 {
        self.events_count
    }

    /// The events that were kept, oldest first.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.kept.iter().flat_map(Kept::events)
    }

    /// The names of hosts and processes.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The names of hosts and processes, to be added to.
    pub fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// The events that were kept, a line each.
    #[must_use]
    pub fn report(&self) -> impl fmt::Display {
        Report { trace: self }
    }
}

/// Up to how many bytes of a packet's data are digested in full.
const DATA_DIGESTED_MAX_BYTES: usize = 4096;

struct Report<'a> {
    trace: &'a Trace,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace.events().try_for_each(|event| writeln!(f, "{}", event.line(&self.trace.names)))
    }
}

#[cfg(test)]
mod tests;
