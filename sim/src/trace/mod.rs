//! What happened: a digest of every event, the last few events for a report, and, if asked for, the whole run.
//!
//! `event.rs` says what an event is and how it reads on a line (of packets, `packets.rs`), `place.rs` where it happens, `digest.rs` how events become 64 bits, `kept.rs` how the last ones are
//! kept, `recording.rs` how a whole run is (`log.rs`, `arguments.rs` and `bytes.rs`: at little cost). [`Trace`] is what `world` and `process` write to. The digest is always made and does not depend on
//! whether events are kept; keeping them is off until it is asked for, and costs nothing until then.
//!
//! What becomes of a recording: `lines.rs` makes the lines of a trace file of it, each with all that is known of an event, `file.rs` writes and reads
//! them, `timeline.rs` draws them, and `pcapng.rs` writes the packets. This room reads values and influences nothing.

mod arguments;
mod bytes;
mod digest;
mod event;
pub mod file;
mod kept;
mod lines;
mod log;
mod machine;
mod packets;
#[cfg(feature = "capture")]
pub mod pcapng;
mod place;
mod recording;
pub mod timeline;
#[cfg(feature = "tracing")]
mod untold;

use crate::seldom::unlikely;
pub(crate) use arguments::{Arguments, Family};
pub use digest::Digest;
use event::CallWords;
pub(crate) use event::{CallName, Event, NetworkEvent, What};
pub use file::{TraceFile, TraceFileError, read_trace};
use kept::{Kept, RecordKind};
pub use lines::{EventKind, TraceLine, lines};
use log::Log;
pub(crate) use machine::MachineEvent;
pub(crate) use packets::PacketLine;
use packets::{PacketKind, Words};
pub(crate) use place::{Names, Place};
pub(crate) use recording::{CallEnd, Ends, Memory, Transfer};
#[cfg(test)]
pub(crate) use recording::{Connection, Detail, Recorded};
pub use recording::{EVENTS_MAX, Recording};
#[cfg(feature = "tracing")]
pub(crate) use untold::{Topic, UntoldEvent};

use crate::packet::{Body, Packet, SeqNumber};
use std::fmt;
use std::net::IpAddr;
use twinsock::{Instant, Result};

/// Whether a run can be recorded, or listened to. Without, there are the digest and the last events alone: a build by which it is told what a trace
/// costs that is off (`sim/benches/trace_off.sh`).
const RECORDS: bool = !cfg!(twinsock_no_trace);

/// The record of a run, which a [`World`](crate::world::World) writes.
///
/// ```
/// use twinsock_sim::{choice::Choice, trace::Trace, world::World};
/// let trace = Trace::new();
/// let nothing = trace.digest();
/// let world = World::new(Choice::from_seed(7), trace);
/// # assert_eq!(nothing, Trace::new().digest());
/// # drop(world);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trace {
    digest: Digest,
    kept: Kept,
    names: Names,
    /// How many turns were taken.
    steps: u64,
}

impl Trace {
    /// A trace that keeps no events.
    ///
    /// ```
    /// use twinsock_sim::{choice::Choice, trace::Trace, world::World};
    /// let world = World::new(Choice::from_seed(7), Trace::new());
    /// # drop(world);
    /// ```
    #[must_use]
    pub fn new() -> Trace {
        Trace::default()
    }

    /// Keeps the last `events_max` events from here on; with 0, none.
    pub(crate) fn keep_last(&mut self, events_max: usize) {
        self.kept = Kept::new(events_max);
    }

    /// Keeps everything, for [`Trace::take_recording`]: the last `events_max` events, at least. To be said before the simulation is made, whose calls would not be told else.
    pub(crate) fn record_last(&mut self, events_max: usize, memory: Memory) {
        self.kept.record(Recording::with_room_for(events_max, memory));
    }

    /// Keeps events about these, for [`Trace::take_untold`]; to be said when [`Trace::record_last`] is.
    #[cfg(feature = "tracing")]
    pub(crate) fn keep_for_telling(&mut self, wanted: Vec<Topic>) {
        self.kept.listen(untold::Untold::new(wanted));
    }

    /// Events since this was asked last.
    #[cfg(feature = "tracing")]
    pub(crate) fn take_untold(&mut self) -> Vec<UntoldEvent> {
        self.kept.untold_mut().map_or_else(Vec::new, |untold| std::mem::take(&mut untold.events))
    }

    /// Whether everything is kept.
    #[inline]
    #[must_use]
    pub(crate) fn is_recording(&self) -> bool {
        self.kept.is_recording()
    }

    /// Whether somebody wants to know of anything in full.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_attended(&self) -> bool {
        self.kept.is_attended()
    }

    /// Whether somebody wants to know of calls in full: [`Trace::call_in_full`] and those like it.
    #[inline]
    #[must_use]
    pub(crate) fn wants_calls(&self) -> bool {
        self.kept.wants_calls()
    }

    /// Everything since [`Trace::record_last`]; `addrs` are the addresses of the hosts.
    pub(crate) fn take_recording(&mut self, addrs: Vec<Vec<IpAddr>>) -> Option<Recording> {
        let mut recording = self.kept.take_recording()?;
        recording.names = self.names.clone();
        recording.addrs = addrs;
        Some(recording)
    }

    /// The recording's events, and the number of the turn.
    #[inline]
    fn log_mut(&mut self) -> Option<(&mut Log, u64)> {
        let step = self.steps;
        Some((self.kept.recording_mut()?.log_mut(), step))
    }

    /// Records that a thread begins to wait for what `what` says.
    pub(crate) fn waits_for(&mut self, at: Instant, place: Place, what: &str) {
        if let Some((log, step)) = self.log_mut() {
            log.waits_for(step, at, place, what);
        }
    }

    /// Records that a thread begins to wait for a call to return, whose arguments `list` lists.
    pub(crate) fn waits_in_call(&mut self, at: Instant, place: Place, call: CallName, list: impl FnOnce(&mut Arguments<'_>)) {
        if let Some((log, step)) = self.log_mut() {
            log.waits_call(step, at, place, call, list);
        }
    }

    /// The same of a `recvfrom(2)` of up to `room` bytes, which asks for the sender's name or not.
    pub(crate) fn waits_in_recv(&mut self, at: Instant, place: Place, (fd, room): (i32, usize), (flags, is_named): (i32, bool)) {
        if let Some((log, step)) = self.log_mut() {
            log.waits_recv(step, at, place, (fd, room), (flags, is_named));
        }
    }

    /// Records that a thread waits no longer.
    pub(crate) fn wakes(&mut self, at: Instant, place: Place) {
        if let Some((log, step)) = self.log_mut() {
            log.wakes(step, at, place);
        }
    }

    /// Records a call in full, whose arguments `list` lists, and what its descriptor is connected to; [`Trace::call_ended`] has recorded what every
    /// trace holds of it.
    pub(crate) fn call_in_full(&mut self, end: CallEnd, ends: Option<&Ends>, list: impl Fn(&mut Arguments<'_>)) {
        self.tell_call(end, &list);
        if let Some((log, step)) = self.log_mut() {
            log.call_end(step, end, ends, list);
        }
    }

    /// The same of a `sendto(2)`.
    #[inline(always)]
    pub(crate) fn send_in_full(&mut self, when: (Instant, Place), ends: Option<&Ends>, fd: i32, sent: &Transfer<'_>) {
        self.tell_transfer(when, fd, const { CallName::new("sendto") }, sent);
        if let Some((log, step)) = self.log_mut() {
            log.send(step, when, ends, fd, sent);
        }
    }

    /// The same of a `recvfrom(2)`.
    #[inline(always)]
    pub(crate) fn recv_in_full(&mut self, when: (Instant, Place), ends: Option<&Ends>, fd: i32, received: &Transfer<'_>) {
        self.tell_transfer(when, fd, const { CallName::new("recvfrom") }, received);
        if let Some((log, step)) = self.log_mut() {
            log.recv(step, when, ends, fd, received);
        }
    }

    #[cfg(feature = "tracing")]
    #[inline(always)]
    fn tell_transfer(&mut self, when: (Instant, Place), fd: i32, call: CallName, transfer: &Transfer<'_>) {
        if self.kept.untold_mut().is_some() {
            let transfer = *transfer;
            self.tell_call(transfer.end(when, fd, call), |to| to.transfer(fd, &transfer));
        }
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "nobody can listen")]
    #[inline(always)]
    fn tell_transfer(&self, _when: (Instant, Place), _fd: i32, _call: CallName, _transfer: &Transfer<'_>) {}

    /// Keeps a call for whoever listens.
    #[cfg(feature = "tracing")]
    fn tell_call(&mut self, end: CallEnd, list: impl Fn(&mut Arguments<'_>)) {
        let step = self.steps;
        if let Some(untold) = self.kept.untold_mut() {
            untold.add_call(step, end, list);
        }
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "nobody can listen")]
    #[inline(always)]
    fn tell_call(&self, _end: CallEnd, _list: impl Fn(&mut Arguments<'_>)) {}

    /// Another turn is taken.
    #[inline]
    pub(crate) fn count_step(&mut self) {
        self.steps += 1;
    }

    /// How many turns were taken.
    #[inline]
    #[must_use]
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Folds an event into the digest, and keeps it if that is on. Packets have methods of their own.
    #[inline]
    pub(crate) fn record(&mut self, event: Event) {
        event.fold_into(&mut self.digest);
        if self.kept.is_attended() {
            self.attend_event(&event, None);
        }
        self.kept.keep_event(event);
    }

    /// An event, and the packet that is sent if it is that, for whoever wants to know of everything.
    #[cold]
    fn attend_event(&mut self, event: &Event, packet: Option<&Packet>) {
        let step = self.steps;
        #[cfg(feature = "tracing")]
        self.kept.tell(step, Topic::of(&event.what), || event.clone());
        if let Some(recording) = self.kept.recording_mut() {
            recording.log_mut().event(step, event, packet);
        }
    }

    /// Records that `value` was chosen of `0..n`: [`What::Choice`].
    #[inline]
    pub(crate) fn chose(&mut self, at: Instant, door: &'static str, n: u32, value: u32) {
        event::fold_choice(&mut self.digest, at, Place::WORLD, n, value);
        if self.kept.keep(|record| record.set_choice(at, Place::WORLD, door, (n, value)))
            && let Some((log, step)) = self.log_mut()
        {
            log.choice(step, at, door, n, value);
        }
    }

    /// Records that a call returned: [`What::CallEnd`]. Answers whether somebody may want to know of it in full: [`Trace::wants_calls`].
    #[inline(always)]
    pub(crate) fn call_ended(
        &mut self,
        at: Instant,
        place: Place,
        call: CallName,
        fd: Option<i32>,
        result: Result<usize>,
    ) -> bool {
        let words = CallWords::of(place, fd, result);
        words.fold_into(&mut self.digest, at, call);
        self.kept.keep(|record| {
            (record.at, record.kind, record.name) = (at, RecordKind::CallEnd { has_fd: fd.is_some() }, call.name());
            words.write_to(&mut record.words);
        })
    }

    /// Records that a host handed a packet to a link or to itself, and folds the packet's data into the digest, so that two runs
    /// differ in which a process sends other bytes of the same length. The label is for [`Trace::labelled_delivered`].
    ///
    /// Of more than 4 KiB of data in one packet only the first and the last 2 KiB are looked at.
    #[inline(never)]
    pub(crate) fn packet_sent(&mut self, at: Instant, host: u32, packet: &Packet, label: &mut Label) {
        self.packet(at, host, PacketKind::Sent, packet, label);
        if label.data_bytes() == Some(0) {
            return;
        }
        let data = packet.data();
        if data.len() <= DATA_DIGESTED_MAX_BYTES {
            self.digest.fold_data(data);
        } else {
            self.digest.fold_ends::<{ DATA_DIGESTED_MAX_BYTES / 2 }>(data);
        }
    }

    /// The same of a segment that differs from the one which had this label before only in its sequence and acknowledgment numbers and in its data.
    #[inline(always)]
    pub(crate) fn segment_sent_again(
        &mut self,
        at: Instant,
        host: u32,
        packet: &Packet,
        (seq, ack, data): (SeqNumber, SeqNumber, &[u8]),
        label: &mut Label,
    ) {
        if unlikely(!label.is_usual) {
            return self.packet_sent(at, host, packet, label);
        }
        let words = label.words.renumbered(seq, ack, data.len());
        (label.words, label.word) = (words, words.label(label.flow));
        if let Some(number) = self.usual_packet(at, host, PacketKind::Sent, packet, (&words, label)) {
            label.number = number;
        }
        self.digest.fold_data(data);
    }

    /// The same of a datagram that differs only in its `data`, which may have another length.
    #[inline(always)]
    pub(crate) fn datagram_sent_again(&mut self, at: Instant, host: u32, packet: &Packet, data: &[u8], label: &mut Label) {
        if unlikely(!label.is_usual) {
            return self.packet_sent(at, host, packet, label);
        }
        if label.words.resize(data.len()) {
            label.word = label.words.label(label.flow);
        }
        if let Some(number) = self.usual_packet(at, host, PacketKind::Sent, packet, (&label.words, label)) {
            label.number = number;
        }
        self.digest.fold_data(data);
    }

    /// Records that a packet arrived at a host.
    pub(crate) fn packet_delivered(&mut self, at: Instant, host: u32, packet: &Packet) {
        self.packet(at, host, PacketKind::Delivered, packet, &mut Label::default());
    }

    /// The same of a packet that is as it was when it got this label.
    #[inline(always)]
    pub(crate) fn labelled_delivered(&mut self, at: Instant, host: u32, packet: &Packet, label: &Label) {
        if !label.is_usual {
            return self.packet_delivered(at, host, packet);
        }
        self.usual_packet(at, host, PacketKind::Delivered, packet, (&label.words, label));
    }

    /// Records that a packet which a host sent will not arrive, and why.
    pub(crate) fn packet_dropped(&mut self, at: Instant, host: u32, packet: &Packet, why: &'static str) {
        self.digest.fold_bytes(why.as_bytes());
        self.other_packet(at, host, PacketKind::Dropped, packet, why);
    }

    /// Records that something happened to a packet on its way, which goes on nevertheless.
    pub(crate) fn packet_met(&mut self, at: Instant, host: u32, packet: &Packet, what: &'static str) {
        self.digest.fold_bytes(what.as_bytes());
        self.other_packet(at, host, PacketKind::Met, packet, what);
    }

    #[inline(always)]
    fn packet(&mut self, at: Instant, host: u32, kind: PacketKind, packet: &Packet, label: &mut Label) {
        let words = match (&packet.body, packets::v4_addrs(packet)) {
            (Body::Tcp(segment), Some(addrs)) => Words::of_segment(addrs, segment),
            (Body::Udp(datagram), Some(addrs)) => Words::of_datagram(addrs, datagram),
            (Body::Icmp(_), _) | (_, None) => {
                label.forget();
                return self.other_packet(at, host, kind, packet, "");
            }
        };
        (label.words, label.flow, label.is_usual) = (words, words.flow(), true);
        label.word = words.label(label.flow);
        if let Some(number) = self.usual_packet(at, host, kind, packet, (&words, label)) {
            label.number = number;
        }
    }

    /// Answers the number of a packet, if it is recorded. The label's words are told apart, for they may have been written just now: what is not read from memory
    /// need not wait until it is there.
    #[inline(always)]
    fn usual_packet(
        &mut self,
        at: Instant,
        host: u32,
        kind: PacketKind,
        packet: &Packet,
        (words, label): (&Words, &Label),
    ) -> Option<u32> {
        packets::fold_packet(&mut self.digest, at, host, kind, label.word);
        let is_attended = self.kept.keep(|record| {
            (record.at, record.kind, record.host) = (at, RecordKind::Packet(kind), host);
            record.words = *words;
        });
        if is_attended {
            return self.attend_packet(at, host, kind, packet, label);
        }
        None
    }

    fn other_packet(&mut self, at: Instant, host: u32, kind: PacketKind, packet: &Packet, why: &'static str) {
        let words = Words::of(packet);
        packets::fold_packet(&mut self.digest, at, host, kind, words.label(words.flow()));
        let event = Event { at, place: Place::host(host), what: kind.what(PacketLine::of(packet), why) };
        if self.kept.is_attended() {
            self.attend_other_packet(&event, host, kind, packet, (words, why));
        }
        self.kept.keep_other(event);
    }

    #[cold]
    fn attend_other_packet(
        &mut self,
        event: &Event,
        host: u32,
        kind: PacketKind,
        packet: &Packet,
        (words, why): (Words, &'static str),
    ) {
        match kind {
            PacketKind::Sent => self.attend_event(event, Some(packet)),
            PacketKind::Delivered | PacketKind::Dropped | PacketKind::Met if packets::is_usual(packet) => {
                let step = self.steps;
                #[cfg(feature = "tracing")]
                self.kept.tell(step, Topic::of(&event.what), || event.clone());
                if let Some(recording) = self.kept.recording_mut() {
                    recording.log_mut().packet(step, event.at, host, kind, words, why);
                }
            }
            PacketKind::Delivered | PacketKind::Dropped | PacketKind::Met => self.attend_event(event, None),
        }
    }

    /// A packet for whoever wants to know of everything. Answers its number, if it is recorded.
    #[cold]
    #[inline(never)]
    fn attend_packet(&mut self, at: Instant, host: u32, kind: PacketKind, packet: &Packet, label: &Label) -> Option<u32> {
        let words = label.words;
        #[cfg(feature = "tracing")]
        self.kept.tell(self.steps, Some(Topic::Packet), || words.packet_event(at, host, kind, ""));
        let (log, step) = self.log_mut()?;
        match kind {
            PacketKind::Sent => return Some(log.sent(step, at, host, words, packet)),
            PacketKind::Delivered => log.arrived(step, at, host, words, label.number),
            PacketKind::Dropped | PacketKind::Met => log.packet(step, at, host, kind, words, ""),
        }
        None
    }

    /// The digest of all events so far.
    ///
    /// ```
    /// use twinsock_sim::trace::Trace;
    /// assert_eq!(Trace::new().digest(), Trace::new().digest());
    /// ```
    #[inline]
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// How many events there were so far: the number of the next one.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn events_count(&self) -> u64 {
        u64::try_from(self.kept.count()).expect("a count in memory fits 64 bits")
    }

    /// The events that were kept, oldest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        self.kept.events()
    }

    /// The names of hosts and processes.
    #[must_use]
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The names of hosts and processes, to be added to.
    pub(crate) fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// The events that were kept, a line each.
    #[must_use]
    pub(crate) fn report(&self) -> impl fmt::Display {
        Report { trace: self }
    }
}

/// What is recorded of a packet, made when it is sent, so that it need not be made again when it arrives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Label {
    words: Words,
    /// What stands in the digest for those of the words that are the same in the next packet of its flow.
    flow: u64,
    /// What stands for all of them.
    word: u64,
    /// It is the label of a segment or datagram between IPv4 addresses, and not of just any packet, about which it says nothing.
    is_usual: bool,
    /// The packet's number in the recording, if there is one.
    number: u32,
}

impl Label {
    /// The packet is another from here on.
    #[inline]
    pub(crate) fn forget(&mut self) {
        self.is_usual = false;
    }

    /// How many bytes of data the packet carries, if its label says something of it.
    #[inline(always)]
    pub(crate) fn data_bytes(&self) -> Option<u32> {
        self.is_usual.then(|| self.words.data_bytes())
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
