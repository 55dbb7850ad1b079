//! A log's events, read: each packed one becomes the value that it was made of.

use super::{COPIED_MAX_BYTES, Chunk, Log, kind, option};
use crate::packet::{Packet, Payload, SeqNumber, TcpOptions, Timestamps};
use crate::trace::arguments::{Text, read_data};
use crate::trace::bytes::Reader;
use crate::trace::event::{CallName, Event, What};
use crate::trace::packets::{PacketKind, Rest, Transport, Words};
use crate::trace::place::Place;
use crate::trace::recording::{Connection, Detail, Recorded};
use twinsock::{Errno, Instant, Result};

/// The events of a chunk.
pub(super) struct Events<'a> {
    log: &'a Log,
    chunk: &'a Chunk,
    reader: Reader<'a>,
    at: u64,
    step: u64,
    others: std::slice::Iter<'a, (Event, Option<Box<Packet>>)>,
    payloads: std::slice::Iter<'a, Payload>,
    /// What was sent, for what arrives.
    sent: Vec<Words>,
    /// The data of the last packet.
    echo: &'a [u8],
}

impl Iterator for Events<'_> {
    type Item = Recorded;

    fn next(&mut self) -> Option<Recorded> {
        if self.reader.is_at_end() {
            return None;
        }
        let kind = self.reader.byte();
        self.at = self.at.wrapping_add_signed(self.reader.signed());
        self.step = self.step.wrapping_add(self.reader.number());
        let (event, detail) = self.event(kind);
        Some(Recorded { step: self.step, event, detail })
    }
}

impl<'a> Events<'a> {
    pub(super) fn of(log: &'a Log, chunk: &'a Chunk) -> Events<'a> {
        let (at, step) = chunk.start;
        let (others, payloads) = (chunk.others.iter(), chunk.payloads.iter());
        Events { log, chunk, reader: Reader::new(&chunk.bytes), at, step, others, payloads, sent: Vec::new(), echo: &[] }
    }

    fn event(&mut self, kind: u8) -> (Event, Detail) {
        match kind {
            kind::SEND | kind::RECV => self.short(kind),
            kind::CALL => self.call(),
            kind::WAITS_RECV | kind::WAITS_CALL | kind::WAITS_FOR => self.waits(kind),
            kind::WAKE => {
                let place = self.thread();
                (self.at(place, What::Wake), Detail::None)
            }
            kind::SENT => self.sent(),
            kind::ARRIVED => {
                let (host, back) = (self.reader.small(), self.reader.len());
                let words = if back == 0 { words(&mut self.reader) } else { self.sent[self.sent.len() - back] };
                (words.packet_event(Instant::from_nanos(self.at), host, PacketKind::Delivered, ""), Detail::None)
            }
            kind::PACKET => {
                let (host, what) = (self.reader.small(), PacketKind::of_byte(self.reader.byte()));
                let why = self.word();
                (words(&mut self.reader).packet_event(Instant::from_nanos(self.at), host, what, why), Detail::None)
            }
            kind::TIMER => {
                let host = self.reader.small();
                (self.at(Place::host(host), What::Timer), Detail::None)
            }
            kind::CHOICE => {
                let door = self.word();
                let (n, value) = (self.reader.small(), self.reader.small());
                (self.at(Place::WORLD, What::Choice { door, n, value }), Detail::None)
            }
            kind::OTHER => {
                let (event, packet) = self.others.next().expect("the other events are there").clone();
                (event, packet.map_or(Detail::None, Detail::Packet))
            }
            _ => unreachable!("an event begins with its kind"),
        }
    }

    fn at(&self, place: Place, what: What) -> Event {
        Event { at: Instant::from_nanos(self.at), place, what }
    }

    fn thread(&mut self) -> Place {
        match self.reader.number() {
            0 => Place { host: self.reader.small(), pid: self.reader.small(), thread: self.reader.small() },
            thread => self.log.places[usize::try_from(thread - 1).expect("a thread's number fits usize")],
        }
    }

    fn word(&mut self) -> &'static str {
        self.log.words[self.reader.len()]
    }

    /// When a call was made, and its connection.
    fn ended(&mut self) -> (Instant, Option<Connection>) {
        let since = Instant::from_nanos(self.at - self.reader.number());
        let connection = self.reader.len().checked_sub(1).map(|index| self.chunk.connections[index]);
        (since, connection)
    }

    fn short(&mut self, kind: u8) -> (Event, Detail) {
        let place = self.thread();
        let (since, connection) = self.ended();
        let (fd, flags) = (self.reader.signed_small(), self.reader.signed_small());
        let (shown, of) = read_data(&mut self.reader, self.echo);
        let (name, len) = if kind == kind::SEND { ("sendto", of) } else { ("recvfrom", self.reader.len()) };
        let arguments = Text::short(fd, Some((shown, of)), len, flags).into();
        let what = What::CallEnd { call: CallName::new(name), fd: Some(fd), result: Ok(of) };
        (self.at(place, what), Detail::Call { arguments, since, connection })
    }

    fn call(&mut self) -> (Event, Detail) {
        let place = self.thread();
        let (since, connection) = self.ended();
        let call = CallName::new(self.word());
        let fd =
            self.reader.number().checked_sub(1).map(|fd| u32::try_from(fd).expect("it was written as 32 bits").cast_signed());
        let result: Result<usize> = match self.reader.byte() {
            0 => Ok(self.reader.len()),
            _ => Err(Errno::from_raw(self.reader.signed_small())),
        };
        let arguments = Text::read(&mut self.reader, self.echo).into();
        (self.at(place, What::CallEnd { call, fd, result }), Detail::Call { arguments, since, connection })
    }

    fn waits(&mut self, kind: u8) -> (Event, Detail) {
        let place = self.thread();
        let text = match kind {
            kind::WAITS_RECV => {
                let (fd, flags) = (self.reader.signed_small(), self.reader.signed_small());
                format!("recvfrom({})", Text::short(fd, None, self.reader.len(), flags))
            }
            kind::WAITS_CALL => {
                let name = self.word();
                format!("{name}({})", Text::read(&mut self.reader, self.echo))
            }
            _ => {
                let len = self.reader.len();
                String::from_utf8_lossy(self.reader.take(len)).into_owned()
            }
        };
        (self.at(place, What::Waits), Detail::Waits(text.into()))
    }

    fn sent(&mut self) -> (Event, Detail) {
        let host = self.reader.small();
        let words = words(&mut self.reader);
        self.sent.push(words);
        let event = words.packet_event(Instant::from_nanos(self.at), host, PacketKind::Sent, "");
        let line = *event.what.packet().expect("it is a packet's event");
        let hops = (self.reader.byte(), self.reader.byte());
        let rest = match line.transport() {
            Transport::Tcp { .. } => {
                let frame_bytes = u16::from_le_bytes([self.reader.byte(), self.reader.byte()]);
                Rest::Segment { frame_bytes, options: options(&mut self.reader) }
            }
            Transport::Udp { .. } | Transport::Icmp { .. } => {
                let flags = self.reader.byte();
                Rest::Datagram { dont_fragment: flags & 1 != 0, no_check: flags & 2 != 0 }
            }
        };
        let len = usize::try_from(line.data_bytes()).expect("a packet's length fits usize");
        let payload = if len <= COPIED_MAX_BYTES {
            self.echo = self.reader.take(len);
            Payload::copy_of(self.echo)
        } else {
            self.echo = &[];
            self.payloads.next().expect("the payloads are there").clone()
        };
        (event, Detail::Packet(Box::new(line.packet(hops, rest, payload))))
    }
}

fn words(reader: &mut Reader<'_>) -> Words {
    let (numbers, header, addrs) = (reader.word(), reader.word(), reader.word());
    Words { numbers, header, addrs, len_urgent: reader.number().rotate_right(32) }
}

fn options(reader: &mut Reader<'_>) -> TcpOptions {
    let flags = reader.byte();
    let has = |option| flags & option != 0;
    let mss_bytes = has(option::MSS).then(|| u16::try_from(reader.number()).expect("it was written as 16 bits"));
    let window_scale = has(option::WINDOW_SCALE).then(|| reader.byte());
    let timestamps = has(option::TIMESTAMPS).then(|| {
        let [value, echo] = halves(reader.word());
        Timestamps { value, echo }
    });
    let mut sack = [None; 3];
    for (index, block) in sack.iter_mut().enumerate() {
        if has(1 << index << option::SACK_SHIFT) {
            let [left, right] = halves(reader.word()).map(SeqNumber::new);
            *block = Some((left, right));
        }
    }
    TcpOptions { mss_bytes, window_scale, sack_permitted: has(option::SACK_PERMITTED), timestamps, sack }
}

/// The lower half of a word, and the upper.
fn halves(word: u64) -> [u32; 2] {
    [word & u64::from(u32::MAX), word >> 32].map(|half| u32::try_from(half).expect("half a word has 32 bits"))
}
