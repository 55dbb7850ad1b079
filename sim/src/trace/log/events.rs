//! A log's events, read: each packed one becomes the value that it was made of.

use super::chunk::Chunk;
use super::threads::UNKNOWN;
use super::{COPIED_MAX_BYTES, Echo, Log, NAME_BYTES, call, kind, options};
use crate::packet::{Packet, Payload};
use crate::trace::arguments::{DATA_SHOWN_MAX_BYTES, Text};
use crate::trace::bytes::{Reader, halves};
use crate::trace::event::{CallName, Event, What};
use crate::trace::packets::{PacketKind, Transport, Words};
use crate::trace::place::Place;
use crate::trace::recording::{Detail, Recorded, Transfer};
use twinsock::{Errno, Instant};

/// The events of a chunk.
pub(super) struct Events<'a> {
    log: &'a Log,
    chunk: &'a Chunk,
    reader: Reader<'a>,
    /// Whether calls and waits get their text.
    texts: bool,
    at: u64,
    step: u64,
    /// Where the next event is whose thread is unknown.
    place: Place,
    others: std::slice::Iter<'a, (Event, Option<Box<Packet>>)>,
    payloads: std::slice::Iter<'a, Payload>,
    /// What was sent, for what arrives.
    sent: Vec<Words>,
    echo: Echo,
}

impl Iterator for Events<'_> {
    type Item = Recorded;

    fn next(&mut self) -> Option<Recorded> {
        loop {
            if self.reader.is_at_end() {
                return None;
            }
            let [kind_steps, nanos] = self.reader.pair();
            let [kind, steps, low, high] = kind_steps.to_le_bytes();
            match kind {
                kind::MOMENT => (self.at, self.step) = (self.reader.word(), self.reader.word()),
                kind::PLACE => {
                    let ([host, pid], [thread, _]) = (self.reader.pair(), self.reader.pair());
                    self.place = Place { host, pid, thread };
                }
                _ => {
                    self.at = self.at.wrapping_add(u64::from(nanos));
                    self.step = self.step.wrapping_add(u64::from(steps));
                    let (event, detail) = self.event(kind, u16::from_le_bytes([low, high]));
                    return Some(Recorded { step: self.step, event, detail });
                }
            }
        }
    }
}

impl<'a> Events<'a> {
    pub(super) fn of(log: &'a Log, chunk: &'a Chunk, texts: bool) -> Events<'a> {
        let (at, step) = chunk.start;
        Events {
            log,
            chunk,
            reader: Reader::new(&chunk.bytes),
            texts,
            at,
            step,
            place: Place::WORLD,
            others: chunk.others.iter(),
            payloads: chunk.payloads.iter(),
            sent: Vec::new(),
            echo: Echo::default(),
        }
    }

    fn event(&mut self, kind: u8, by_kind: u16) -> (Event, Detail) {
        match kind {
            kind::SEND..kind::RECV => self.send(kind, by_kind),
            kind::RECV..kind::TRANSFERS_END => self.recv(kind, by_kind),
            kind::CALL => self.call(by_kind),
            kind::WAITS_RECV | kind::WAITS_CALL | kind::WAITS_FOR => self.waits(kind, by_kind),
            kind::WAKE => {
                let [thread, _] = self.reader.pair();
                (self.at(self.place(thread), What::Wake), Detail::None)
            }
            kind::SENT => self.sent(by_kind),
            kind::ARRIVED => {
                let [host, number] = self.reader.pair();
                let words = self.sent[to_usize(number.wrapping_sub(self.chunk.sent_before)) - 1];
                (words.packet_event(self.now(), host, PacketKind::Delivered, ""), Detail::None)
            }
            kind::PACKET => {
                let [host, why] = self.reader.pair();
                let (what, why) = (PacketKind::of_byte(by_kind.to_le_bytes()[0]), self.log.words[to_usize(why)]);
                (self.header().packet_event(self.now(), host, what, why), Detail::None)
            }
            kind::TIMER => {
                let [host, _] = self.reader.pair();
                (self.at(Place::host(host), What::Timer), Detail::None)
            }
            kind::CHOICE => {
                let [n, value] = self.reader.pair();
                (self.at(Place::WORLD, What::Choice { door: self.word(by_kind), n, value }), Detail::None)
            }
            kind::OTHER => {
                self.reader.word();
                let (event, packet) = self.others.next().expect("the other events are there").clone();
                (event, packet.map_or(Detail::None, Detail::Packet))
            }
            _ => unreachable!("an event begins with its kind"),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.at)
    }

    fn at(&self, place: Place, what: What) -> Event {
        Event { at: self.now(), place, what }
    }

    fn place(&self, thread: u32) -> Place {
        if thread == UNKNOWN { self.place } else { self.log.threads.place(thread) }
    }

    fn word(&self, number: u16) -> &'static str {
        self.log.words[usize::from(number)]
    }

    /// The arguments of `sendto(2)` or `recvfrom(2)` of data of so many bytes, which begins as the last packet's or as what was kept.
    fn transfer(&mut self, fd: i32, kind: u8, (len, room): (usize, usize), flags: u16) -> Box<str> {
        let name = (kind & kind::NAMED != 0).then(|| self.reader.take(NAME_BYTES));
        let again = kind & kind::AGAIN != 0;
        let kept = if again { &[] } else { self.reader.take(len.min(DATA_SHOWN_MAX_BYTES)) };
        if !self.texts {
            return Box::default();
        }
        let data = if again { &self.echo } else { kept };
        Text::transfer(fd, &Transfer { data, room, flags: i32::from(flags), name }, len).into()
    }

    /// The arguments that follow, of so many bytes.
    fn arguments(&mut self, len: u32) -> String {
        if self.texts {
            return Text::read(&mut self.reader, &self.echo);
        }
        self.reader.take(to_usize(len));
        String::new()
    }

    fn send(&mut self, kind: u8, flags: u16) -> (Event, Detail) {
        let ([thread, fd], [connection, len]) = (self.reader.pair(), self.reader.pair());
        let (fd, len) = (fd.cast_signed(), to_usize(len));
        let arguments = self.transfer(fd, kind, (len, len), flags);
        let what = What::CallEnd { call: CallName::new("sendto"), fd: Some(fd), result: Ok(len) };
        let detail = Detail::Call { arguments, since: self.now(), connection: self.chunk.connection(connection) };
        (self.at(self.place(thread), what), detail)
    }

    fn recv(&mut self, kind: u8, flags: u16) -> (Event, Detail) {
        let ([thread, fd], [connection, len], [room, ago]) = (self.reader.pair(), self.reader.pair(), self.reader.pair());
        let (fd, len) = (fd.cast_signed(), to_usize(len));
        let arguments = self.transfer(fd, kind, (len, to_usize(room)), flags);
        let since = Instant::from_nanos(self.at - u64::from(ago));
        let what = What::CallEnd { call: CallName::new("recvfrom"), fd: Some(fd), result: Ok(len) };
        let detail = Detail::Call { arguments, since, connection: self.chunk.connection(connection) };
        (self.at(self.place(thread), what), detail)
    }

    fn call(&mut self, bits: u16) -> (Event, Detail) {
        let [thread, fd] = self.reader.pair();
        let (since, result) = (Instant::from_nanos(self.reader.word()), self.reader.word());
        let [connection, len] = self.reader.pair();
        let call = CallName::new(self.word(bits & call::NAME));
        let fd = (bits & call::HAS_FD != 0).then_some(fd.cast_signed());
        let result = if bits & call::HAS_FAILED == 0 {
            Ok(usize::try_from(result).expect("it was a count in memory"))
        } else {
            let [errno, _] = halves(result);
            Err(Errno::from_raw(errno.cast_signed()))
        };
        let arguments = self.arguments(len).into();
        let detail = Detail::Call { arguments, since, connection: self.chunk.connection(connection) };
        (self.at(self.place(thread), What::CallEnd { call, fd, result }), detail)
    }

    fn waits(&mut self, kind: u8, by_kind: u16) -> (Event, Detail) {
        let [thread, second] = self.reader.pair();
        let text = match kind {
            kind::WAITS_RECV => {
                let [room, is_named] = self.reader.pair();
                if !self.texts {
                    return (self.at(self.place(thread), What::Waits), Detail::Waits(Box::default()));
                }
                let text = Text::awaited(second.cast_signed(), to_usize(room), i32::from(by_kind), is_named != 0);
                format!("recvfrom({text})")
            }
            kind::WAITS_CALL => format!("{}({})", self.word(by_kind), self.arguments(second)),
            _ => String::from_utf8_lossy(self.reader.take(to_usize(second))).into_owned(),
        };
        (self.at(self.place(thread), What::Waits), Detail::Waits(text.into()))
    }

    fn header(&mut self) -> Words {
        let mut word = || self.reader.word();
        Words { numbers: word(), header: word(), addrs: word(), len_urgent: word() }
    }

    fn sent(&mut self, hops: u16) -> (Event, Detail) {
        let [host, bits] = self.reader.pair();
        let words = self.header();
        self.sent.push(words);
        let event = words.packet_event(self.now(), host, PacketKind::Sent, "");
        let line = *event.what.packet().expect("it is a packet's event");
        let is_segment = match line.transport() {
            Transport::Tcp { .. } => true,
            Transport::Udp { .. } | Transport::Icmp { .. } => false,
        };
        let rest = options::read(bits, is_segment, &mut self.reader);
        let len = to_usize(line.data_bytes());
        let payload = if len <= COPIED_MAX_BYTES {
            Payload::copy_of(self.reader.take(len))
        } else {
            self.payloads.next().expect("the payloads are there").clone()
        };
        if let Some(begin) = payload.as_slice().first_chunk() {
            self.echo = *begin;
        }
        let [ttl, tos] = hops.to_le_bytes();
        (event, Detail::Packet(Box::new(line.packet((ttl, tos), rest, payload))))
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).expect("32 bits fit usize")
}
