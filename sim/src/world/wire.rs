//! The wires: what becomes of a packet between the host that sends it and the host that it reaches.
//!
//! A packet takes a path, one for each direction of each pair of hosts. Where nothing can happen to it but a delay that all share, it goes by
//! express ([`World::carry_on`](super::World)), which costs one comparison; all else is decided here, in this order: is the way cut
//! (`wire/gates.rs`), are packets held back there, what do the rules say (`wire/rules.rs`), does it fit, and what does the link do to
//! each of its frames. What chance decides is drawn from the path's own stream, and told in words (`wire/words.rs`).

mod gates;
mod rules;
mod words;

pub use rules::{Fate, PacketView, Protocol, RuleId};

use super::{Due, HostId, Pair, World};
use crate::choice::{Choice, Door, StreamId};
use crate::link::{Chance, Direction, FrameFate, Link, Ratio};
use crate::packet::{Body, Icmp, IcmpError, Packet, wire};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;
use twinsock::Instant;
use words::{Flows, Words};

/// One direction between two hosts. The fields stand in memory as they stand here: what every packet looks at is together.
#[repr(C)]
pub(super) struct Path {
    pub(super) to: HostId,
    pub(super) from: HostId,
    pub(super) direction: Direction,
    /// The stream of chance that decides what the wire does to packets of this direction.
    wire: StreamId,
    pub(super) link: Link,
    /// Nothing passes.
    is_cut: bool,
    /// Everything waits.
    is_held: bool,
    /// What waits, in order.
    held: VecDeque<u32>,
}

impl Path {
    /// How much of a path, from its beginning on, a packet looks at that goes by express.
    pub(super) const HOT_BYTES: usize = std::mem::offset_of!(Path, direction) + Direction::HOT_BYTES;
}

/// The state of all wires, besides the links.
#[derive(Default)]
pub(super) struct Wires {
    cuts: BTreeSet<(HostId, HostId)>,
    isolated: BTreeSet<HostId>,
    holds: BTreeSet<(HostId, HostId)>,
    /// Whether packets are shown to rules before they are put on the wire.
    judging: bool,
    /// The packet that is to be shown to rules next: its path and place.
    unjudged: Option<(u32, u32)>,
    /// What rules hold back: paths and places.
    held_by_rules: BTreeMap<RuleId, Vec<(u32, u32)>>,
    /// Where the streams that passed began, for the story.
    flows: Flows,
}

/// How far apart frames of a segment may arrive and still be one segment to the receiving kernel, as by its generic receive offload.
const OFFLOAD_NS: u64 = 100_000;

/// Frames that follow each other and to which nothing happens: the data that they carry, and when it arrives.
struct Stretch {
    start: usize,
    end: usize,
    first_at: Instant,
    at: Instant,
}

impl World {
    /// Puts the packet in this place, kept or the next one, on the way that is the path of this number.
    pub(super) fn send(&mut self, slot: u32, path: usize) {
        self.in_flight.take_off(slot);
        self.enter(path, slot);
    }

    /// A packet comes to the beginning of a path.
    fn enter(&mut self, at: usize, slot: u32) {
        let path = &mut self.paths[at];
        let packet = self.in_flight.packet(slot);
        if self.choice.keeps_story() {
            self.wires.flows.follow(packet);
        }
        if path.is_cut {
            let from = path.from;
            self.drop_at(from, slot, "the way is cut");
        } else if path.is_held {
            self.trace.packet_met(self.now, path.from.0, packet, "held");
            path.held.push_back(slot);
        } else if self.wires.judging {
            self.queue.push(self.now, Due::Unjudged(Pair::new(short(at), slot)));
        } else {
            self.put_on_wire(at, slot, false);
        }
    }

    /// A packet meets the link of its path.
    fn put_on_wire(&mut self, at: usize, slot: u32, damaged: bool) {
        let Path { link, from, .. } = &self.paths[at];
        let packet = self.in_flight.packet(slot);
        if let Body::Icmp(Icmp { error: IcmpError::PacketTooBig { .. }, .. }) = packet.body {
            // It comes from the router before the narrow link, at its sender's door.
            return self.arrives(at, self.now, slot, damaged);
        }
        let least = if packet.src.is_ipv4() { IPV4_PATH_MIN_BYTES } else { IPV6_PATH_MIN_BYTES };
        if packet.largest_frame_bytes() > link.mtu_bytes.max(least) {
            let (from, mtu_bytes) = (*from, link.mtu_bytes);
            let about = Box::new(self.drop_at(from, slot, "larger than the link's MTU"));
            return self.too_big(at, about, mtu_bytes);
        }
        if link.acts_on_frames() {
            self.put_frames_on_wire(at, slot, damaged);
        } else {
            let delay = self.choose_delay(at, slot);
            let arrival = self.paths[at].direction.in_order(self.now + delay);
            self.arrives(at, arrival, slot, damaged);
        }
    }

    /// The router before the narrow link tells the sender, RFC 1191 and RFC 8201, but not the sender of a packet for many, RFC 1122 section 3.2.2.
    fn too_big(&mut self, at: usize, about: Box<Packet>, mtu_bytes: u32) {
        let (from, to) = (self.paths[at].from, self.paths[at].to);
        if super::group::is_for_many(about.dst) {
            return;
        }
        let (src, dst) = (about.dst, about.src);
        let icmp = Icmp { error: IcmpError::PacketTooBig { mtu_bytes }, about };
        let (slot, place) = self.in_flight.place();
        *place = Packet { src, dst, ttl: 64, tos: 0, body: Body::Icmp(icmp) };
        let back = self.path_between(to, from);
        self.send(slot, back);
    }

    /// A packet is going to reach the end of its path.
    fn arrives(&mut self, at: usize, arrival: Instant, slot: u32, damaged: bool) {
        let Path { from, to, .. } = self.paths[at];
        if let Some(chains) = &mut self.chains {
            chains.sent(from, to, arrival);
        }
        let pair = Pair::new(to.0, slot);
        let due = if damaged { Due::Damaged(pair) } else { Due::Arrival(pair) };
        self.queue.push(arrival, due);
    }

    /// As [`World::arrives`], of a packet that has no place yet.
    fn packet_arrives(&mut self, at: usize, arrival: Instant, packet: Packet, damaged: bool) {
        let slot = self.in_flight.put(packet);
        self.arrives(at, arrival, slot, damaged);
    }

    fn choose_delay(&mut self, at: usize, slot: u32) -> Duration {
        let World { choice, paths, wires, in_flight, .. } = self;
        let Path { link, wire, .. } = &paths[at];
        let mut drawn = 0;
        let delay = link.choose_delay(|n| {
            drawn = choice.draw(*wire, n);
            drawn
        });
        if drawn > 0 && choice.keeps_story() {
            let words = Words::of(in_flight.packet(slot), &wires.flows);
            choice.tell(*wire, format!("{words} is {delay:?} under way"));
        }
        delay
    }

    /// The link decides on each frame of a packet.
    fn put_frames_on_wire(&mut self, at: usize, slot: u32, damaged: bool) {
        let delay = self.choose_delay(at, slot);
        let packet = self.in_flight.take(slot);
        match &packet.body {
            Body::Tcp(segment) => {
                let frame_bytes = usize::from(segment.frame_bytes.max(1));
                self.put_segment_on_wire(at, &packet, frame_bytes, delay, damaged);
            }
            Body::Udp(_) | Body::Icmp(_) => self.put_fragments_on_wire(at, packet, delay, damaged),
        }
    }

    fn put_segment_on_wire(&mut self, at: usize, packet: &Packet, frame_bytes: usize, delay: Duration, damaged: bool) {
        let len = packet.data().len();
        let headers = wire::packet_bytes(packet) - len;
        let mut whole: Option<Stretch> = None;
        let mut start = 0;
        loop {
            let end = len.min(start + frame_bytes);
            let fate = self.frame_fate(at, packet, (start, end), headers + end - start, delay);
            let plain = match fate {
                FrameFate::Arrives { at, damaged: false, twice: false, late: false } => Some(at),
                FrameFate::Arrives { .. } | FrameFate::Lost(_) => None,
            };
            match (&mut whole, plain) {
                (Some(whole), Some(at)) if at.as_nanos() - whole.first_at.as_nanos() <= OFFLOAD_NS => {
                    (whole.end, whole.at) = (end, at);
                }
                (before, plain) => {
                    let before = std::mem::replace(before, plain.map(|at| Stretch { start, end, first_at: at, at }));
                    self.stretch_arrives(at, packet, before, damaged);
                    if plain.is_none() {
                        self.follow_fate(at, wire::part(packet, start, end), fate, damaged);
                    }
                }
            }
            start = end;
            if start == len {
                break;
            }
        }
        self.stretch_arrives(at, packet, whole, damaged);
    }

    fn stretch_arrives(&mut self, at: usize, packet: &Packet, stretch: Option<Stretch>, damaged: bool) {
        if let Some(Stretch { start, end, at: arrival, .. }) = stretch {
            self.packet_arrives(at, arrival, wire::part(packet, start, end), damaged);
        }
    }

    /// A datagram in fragments arrives if all of them do; most have one.
    fn put_fragments_on_wire(&mut self, at: usize, packet: Packet, delay: Duration, damaged: bool) {
        let mut left = wire::packet_bytes(&packet);
        let mtu = usize::try_from(self.paths[at].link.mtu_bytes.max(FRAGMENT_MIN_BYTES)).unwrap_or(usize::MAX);
        let mut whole: Option<FrameFate> = None;
        while left > 0 {
            let bytes = left.min(mtu);
            left -= bytes;
            if left > 0 {
                // Each fragment has an IP header of its own.
                left += if packet.src.is_ipv4() { 20 } else { 48 };
            }
            let fate = self.frame_fate(at, &packet, (0, 0), bytes, delay);
            whole = Some(whole.map_or(fate, |whole| worse(whole, fate)));
        }
        let fate = whole.expect("a packet has a header at least");
        self.follow_fate(at, packet, fate, damaged);
    }

    /// What a link does to a frame that carries the data of a packet between two offsets.
    fn frame_fate(&mut self, at: usize, packet: &Packet, span: (usize, usize), bytes: usize, delay: Duration) -> FrameFate {
        let World { choice, paths, wires, now, .. } = self;
        let Path { link, wire, direction, .. } = &mut paths[at];
        let mut draws = Draws { choice, stream: *wire, packet, span, flows: &wires.flows };
        let bytes = u32::try_from(bytes).expect("a frame is at most 64 KiB");
        link.frame(direction, *now, bytes, delay, &mut draws)
    }

    /// A frame, or a datagram, goes the way that the link has decided.
    fn follow_fate(&mut self, at: usize, packet: Packet, fate: FrameFate, damaged_before: bool) {
        let from = self.paths[at].from.0;
        match fate {
            FrameFate::Lost(why) => self.trace.packet_dropped(self.now, from, &packet, why),
            FrameFate::Arrives { at: arrival, damaged, twice, late } => {
                let met = [(damaged, "corrupted"), (twice, "duplicated"), (late, "delayed")];
                for (_, what) in met.into_iter().filter(|(happens, _)| *happens) {
                    self.trace.packet_met(self.now, from, &packet, what);
                }
                let damaged = damaged || damaged_before;
                if twice {
                    self.packet_arrives(at, arrival, packet.clone(), damaged);
                }
                self.packet_arrives(at, arrival, packet, damaged);
            }
        }
    }

    /// The packet in this place is lost.
    #[cold]
    pub(super) fn drop_at(&mut self, from: HostId, slot: u32, why: &'static str) -> Packet {
        let packet = self.in_flight.take(slot);
        self.trace.packet_dropped(self.now, from.0, &packet, why);
        packet
    }

    /// A damaged packet reaches a host: its kernel finds that the checksum is wrong, if there is one.
    pub(super) fn arrive_damaged(&mut self, to: HostId, slot: u32) {
        if let Packet { src: IpAddr::V4(_), body: Body::Udp(datagram), .. } = self.in_flight.packet_mut(slot)
            && datagram.no_check
            && !datagram.payload.is_empty()
            && self.machines[to.index()].runs
        {
            let mut payload = datagram.payload.as_slice().to_vec();
            let middle = payload.len() / 2;
            payload[middle] ^= 1;
            datagram.payload = payload.into();
            return self.arrive(to, slot);
        }
        let packet = self.in_flight.take(slot);
        let machine = &mut self.machines[to.index()];
        if machine.runs {
            machine.host.take_damaged(&packet);
        }
        self.trace.packet_dropped(self.now, to.0, &packet, "a wrong checksum");
    }

    /// The path from a host to another, made on first use.
    pub(super) fn path_between(&mut self, from: HostId, to: HostId) -> usize {
        match self.path_index.get(&(from, to)) {
            Some(index) => *index,
            None => {
                let name = format!("{}/{}", self.host_name(from), self.host_name(to));
                let wire = self.choice.stream(Door::Wire, &name);
                let link = self.link(from, to).clone();
                let direction = Direction::new();
                let held = VecDeque::new();
                self.paths.push(Path { link, from, to, wire, direction, is_cut: false, is_held: false, held });
                let index = self.paths.len() - 1;
                self.path_index.insert((from, to), index);
                self.refresh(index);
                index
            }
        }
    }
}

/// What remains of a datagram of which these became of two fragments.
fn worse(one: FrameFate, other: FrameFate) -> FrameFate {
    match (one, other) {
        (lost @ FrameFate::Lost(_), _) | (_, lost @ FrameFate::Lost(_)) => lost,
        (
            FrameFate::Arrives { at, damaged, twice, late },
            FrameFate::Arrives { at: other_at, damaged: other_damaged, twice: other_twice, late: other_late },
        ) => FrameFate::Arrives {
            at: at.max(other_at),
            damaged: damaged || other_damaged,
            // Whole twice only if all of it came twice.
            twice: twice && other_twice,
            late: late || other_late,
        },
    }
}

/// `net.ipv4.route.min_pmtu`: Linux sends frames of up to this size without "don't fragment" once it has learned of a narrower link, and they pass in
/// fragments.
const IPV4_PATH_MIN_BYTES: u32 = 552;
/// Every IPv6 link carries this, in fragments of its own if need be: RFC 8200 section 5.
const IPV6_PATH_MIN_BYTES: u32 = 1280;
/// The least that an IPv4 link carries in one piece, RFC 791 section 3.2.
const FRAGMENT_MIN_BYTES: u32 = 68;

/// What the wire draws for a frame, from the stream of its path.
struct Draws<'a> {
    choice: &'a mut Choice,
    stream: StreamId,
    packet: &'a Packet,
    span: (usize, usize),
    flows: &'a Flows,
}

impl Chance for Draws<'_> {
    fn happens(&mut self, ratio: Ratio, what: &'static str) -> bool {
        let happens = self.choice.happens(self.stream, ratio.of, ratio.in_);
        if happens && self.choice.keeps_story() && ratio.of < ratio.in_ {
            let words = Words::of_part(self.packet, self.span, self.flows);
            self.choice.tell(self.stream, format!("{what}: {words}"));
        }
        happens
    }
}

fn short(path: usize) -> u32 {
    u32::try_from(path).expect("fewer than 2^32 paths")
}
