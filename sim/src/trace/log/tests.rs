//! What is recorded reads back exactly.

use crate::packet::{Body, Control, Datagram, Icmp, IcmpError, Packet, Payload, Segment, SeqNumber, TcpOptions, Timestamps};
use crate::trace::{
    CallEnd, CallName, Connection, Detail, Ends, Event, Label, MachineEvent, Memory, NetworkEvent, Place, Recorded, Trace,
    Transfer, What,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use twinsock::{Errno, Instant, Protocol};

fn recording() -> Trace {
    let mut trace = Trace::new();
    trace.record_last(1_000_000, Memory::default());
    trace
}

fn read(mut trace: Trace) -> Vec<Recorded> {
    trace.take_recording(Vec::new()).expect("it was recorded").events().collect()
}

fn sent(trace: &mut Trace, at: Instant, host: u32, packet: &Packet) -> Label {
    let mut label = Label::default();
    trace.packet_sent(at, host, packet, &mut label);
    label
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// One of everything that has no method of its own.
fn whats() -> Vec<What> {
    let call = CallName::new("getaddrinfo");
    vec![
        What::CallEnd { call, fd: None, result: Ok(17) },
        What::CallEnd { call, fd: Some(-1), result: Err(Errno::BADF) },
        What::Network { event: NetworkEvent::Cut, to: Some(3) },
        What::Network { event: NetworkEvent::Heal, to: None },
        What::Timer,
        What::Choice { door: "wire", n: u32::MAX, value: 3 },
        What::Choice { door: "interleaving", n: 2, value: 0 },
        What::ProcessStart,
        What::ProcessExit,
        What::ProcessKill,
        What::ProcessPanic { message: "lost".into() },
        What::Machine(MachineEvent::Clock { ahead_ns: -1, ppm: 40 }),
        What::CallFault { call, fd: Some(4), fault: "EINTR".into() },
        What::Signal { how: "interrupting" },
        What::Name { name: "db".into(), fault: Some("EAI_AGAIN".into()) },
    ]
}

/// Places that follow from their thread's number, and some that do not.
fn places() -> Vec<Place> {
    vec![
        Place::WORLD,
        Place::host(3),
        Place::process(1, 2).thread(4),
        Place::process(1, 7).thread(4),
        Place::process(1, 2).thread(u32::MAX - 1),
        Place::process(1, 2).thread(4),
        Place::process(9, 2).thread(0),
    ]
}

#[test]
fn every_event_reads_back_with_its_time_its_turn_and_its_place() {
    let mut trace = recording();
    let (mut expected, mut now) = (Vec::new(), 0_u64);
    for (round, place) in (0_u64..).zip(places()) {
        for what in whats() {
            let event = Event { at: at(now), place, what };
            trace.record(event.clone());
            expected.push(Recorded { step: trace.steps(), event, detail: Detail::None });
        }
        let wait = ["sleep", "join of thread 3", ""][usize::try_from(round % 3).unwrap()];
        trace.waits_for(at(now), place, wait);
        let event = |what| Event { at: at(now), place, what };
        expected.push(Recorded { step: trace.steps(), event: event(What::Waits), detail: Detail::Waits(wait.into()) });
        trace.wakes(at(now), place);
        expected.push(Recorded { step: trace.steps(), event: event(What::Wake), detail: Detail::None });
        // Little time and much, few turns and many, and back.
        now = [1, 0, u64::from(u32::MAX) + 1, u64::from(u32::MAX) + 2, 1 << 50, 5][usize::try_from(round % 6).unwrap()];
        (0..[0, 1, 255, 256, 1000][usize::try_from(round % 5).unwrap()]).for_each(|_| trace.count_step());
    }
    assert_eq!(read(trace), expected);
}

#[cfg(feature = "capture")]
#[test]
fn packets_are_found_without_reading_the_text_between_them() {
    let mut trace = recording();
    much(&mut trace);
    let recording = trace.take_recording(Vec::new()).unwrap();
    let all = recording.events().filter_map(|recorded| match recorded.detail {
        Detail::Packet(packet) => Some((recorded.event.at, recorded.event.place, packet)),
        Detail::None | Detail::Call { .. } | Detail::Waits(_) => None,
    });
    assert!(recording.packets().eq(all) && recording.packets().count() == 2000);
}

fn between(last: u8, body: Body) -> Packet {
    let addr = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    Packet { src: addr(1), dst: addr(last), ttl: 63, tos: 0x12, body }
}

fn segment(len: usize, alter: impl FnOnce(&mut Segment)) -> Packet {
    let mut segment = Segment {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNumber::new(u32::MAX),
        ack: Some(SeqNumber::new(9)),
        control: Control::Push,
        urgent: None,
        window: u16::MAX,
        options: TcpOptions::NONE,
        payload: Payload::copy_of(&data(len)),
        frame_bytes: 1448,
    };
    alter(&mut segment);
    between(2, Body::Tcp(segment))
}

/// So many bytes, of which no two runs begin alike.
fn data(len: usize) -> Vec<u8> {
    (0..len).map(|index| u8::try_from((index * 7 + len * 13) % 251).unwrap()).collect()
}

fn packets() -> Vec<Packet> {
    let stamps = Some(Timestamps { value: u32::MAX, echo: 7 });
    let block = |left| Some((SeqNumber::new(left), SeqNumber::new(left + 10)));
    let mut packets: Vec<Packet> = [0, 1, 31, 32, 33, 64, 79, 80, 256, 257, 3000].map(|len| segment(len, |_| ())).into();
    packets.extend([
        segment(5, |segment| segment.options.timestamps = stamps),
        segment(0, |segment| segment.options = TcpOptions { mss_bytes: Some(1460), window_scale: Some(14), ..TcpOptions::NONE }),
        segment(0, |segment| segment.options = TcpOptions { sack_permitted: true, timestamps: stamps, ..TcpOptions::NONE }),
        segment(0, |segment| segment.options.sack = [block(1), None, block(1000)]),
        segment(40, |segment| {
            segment.options = TcpOptions { timestamps: stamps, sack: [None, block(u32::MAX - 10), None], ..TcpOptions::NONE };
        }),
        segment(0, |segment| (segment.ack, segment.control) = (None, Control::Syn)),
        segment(1, |segment| (segment.urgent, segment.frame_bytes) = (Some(0), 1)),
    ]);
    for (dont_fragment, no_check, len) in [(false, false, 3), (true, false, 300), (false, true, 0), (true, true, 64)] {
        let payload = Payload::copy_of(&data(len));
        let datagram = Datagram { src_port: 1, dst_port: u16::MAX, payload, dont_fragment, no_check, ..Datagram::EMPTY };
        packets.push(between(3, Body::Udp(datagram)));
    }
    let about = Box::new(segment(8, |_| ()));
    packets.push(between(2, Body::Icmp(Icmp { error: IcmpError::PacketTooBig { mtu_bytes: 1280 }, about })));
    packets
}

#[test]
fn every_packet_reads_back_as_it_was_sent() {
    let mut trace = recording();
    let labels: Vec<_> = packets().iter().map(|packet| sent(&mut trace, at(5), 1, packet)).collect();
    for (packet, label) in packets().iter().zip(&labels) {
        trace.labelled_delivered(at(6), 2, packet, label);
        trace.packet_delivered(at(6), 2, packet);
        trace.packet_dropped(at(7), 1, packet, "the way is cut");
        trace.packet_met(at(8), 1, packet, "delayed");
    }
    let (events, packets) = (read(trace), packets());
    let (sent, rest) = events.split_at(packets.len());
    for ((packet, sent), fates) in packets.iter().zip(sent).zip(rest.chunks(4)) {
        let Detail::Packet(whole) = &sent.detail else { panic!("{sent:?}") };
        assert_eq!((&**whole, sent.event.place), (packet, Place::host(1)));
        let What::PacketSent(line) = sent.event.what else { panic!("{sent:?}") };
        let expected = [
            (6, 2, What::PacketDelivered(line)),
            (6, 2, What::PacketDelivered(line)),
            (7, 1, What::PacketDropped(line, "the way is cut")),
            (8, 1, What::PacketMet(line, "delayed")),
        ];
        let events = expected.map(|(time, host, what)| Event { at: at(time), place: Place::host(host), what });
        assert!(
            fates.iter().map(|fate| &fate.event).eq(&events) && fates.iter().all(|fate| fate.detail == Detail::None),
            "{fates:?}"
        );
    }
}

fn end(call: &'static str, fd: i32, result: usize) -> CallEnd {
    CallEnd { at: at(1000), place: Place::process(1, 2).thread(3), call: CallName::new(call), fd: Some(fd), result: Ok(result) }
}

#[test]
fn what_has_a_short_form_reads_as_by_the_long_one() {
    let echoed = segment(100, |_| ());
    let mut trace = recording();
    for (len, waits) in [0, 1, 31, 32, 33, 100].into_iter().flat_map(|len| [(len, false), (len, true)]) {
        for (flags, name) in
            [(0, None), (0x4000, Some(&[2; 16][..])), (1 << 20, None), (-1, Some(&[3; 16])), (0, Some(&[10; 28]))]
        {
            let data = data(len);
            let (send, recv, room) = (end("sendto", 3, len), end("recvfrom", 3, len), [len, 1 << 33][usize::from(waits)]);
            let place = send.place;
            let (sends, recvs) = (Transfer { data: &data, room: len, flags, name }, Transfer { data: &data, room, flags, name });
            let is_named = name.is_some();
            for short in [true, false] {
                sent(&mut trace, at(900), 1, &echoed);
                // Of a receive, that it waits is what usually happens; of a send, what seldom does.
                if waits && short {
                    trace.waits_in_recv(at(990), place, (3, room), (flags, is_named));
                } else if waits {
                    trace.waits_in_call(at(990), place, CallName::new("recvfrom"), |to| {
                        to.awaited(3, room, flags, is_named);
                    });
                }
                match short {
                    true => trace.send_in_full(send, None, 3, &sends),
                    false => trace.call_in_full(send, None, |to| to.transfer(3, &sends)),
                }
                if waits {
                    trace.waits_in_recv(at(995), place, (3, room), (flags, is_named));
                }
                match short {
                    true => trace.recv_in_full(recv, None, 3, &recvs),
                    false => trace.call_in_full(recv, None, |to| to.transfer(3, &recvs)),
                }
            }
        }
    }
    let events = read(trace);
    assert!(events.len() > 200 && events.iter().any(|event| format!("{:?}", event.detail).contains("MSG_NOSIGNAL")));
    let size = |waits: bool| if waits { 5 } else { 3 };
    let mut rest = &events[..];
    while let Some(second) = rest.get(1) {
        let half = size(second.event.what == What::Waits);
        let (pair, others) = rest.split_at(2 * half);
        assert_eq!(pair[..half], pair[half..]);
        rest = others;
    }
}

#[test]
fn a_failed_call_reads_back() {
    let mut trace = recording();
    for result in [Err(Errno::CONNREFUSED), Ok(usize::MAX), Ok(0)] {
        let end = CallEnd { fd: None, result, ..end("connect", 0, 0) };
        trace.call_in_full(end, None, |to| _ = to.null());
    }
    let results: Vec<What> = read(trace).into_iter().map(|recorded| recorded.event.what).collect();
    let what = |result| What::CallEnd { call: CallName::new("connect"), fd: None, result };
    assert_eq!(results, [Err(Errno::CONNREFUSED), Ok(usize::MAX), Ok(0)].map(what));
}

/// The connection of each call that is recorded.
fn connections(trace: Trace) -> Vec<Option<Connection>> {
    let connection = |recorded: Recorded| match recorded.detail {
        Detail::Call { connection, .. } => Some(connection),
        Detail::None | Detail::Waits(_) | Detail::Packet(_) => None,
    };
    read(trace).into_iter().filter_map(connection).collect()
}

#[test]
fn a_call_says_what_its_descriptor_is_or_was_connected_to() {
    let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
    let (mine, one, other) = (addr("10.0.0.1:40000"), addr("10.0.0.2:80"), addr("10.0.0.3:80"));
    let (v6, udp) = (("tcp", addr("[fd00::1]:9"), addr("[fd00::2]:80")), ("udp", mine, one));
    let ends = |(protocol, local, remote): (&str, SocketAddr, SocketAddr)| {
        let protocol = if protocol == "udp" { Protocol::UDP } else { Protocol::TCP };
        Ends::new(protocol, (&local.ip(), local.port()), (&remote.ip(), remote.port()))
    };
    let mut trace = recording();
    let mut expected = Vec::new();
    let (tcp, second) = (("tcp", mine, one), ("tcp", mine, other));
    let calls = [
        ("socket", 3, None, None),
        ("connect", 3, Some(tcp), Some(tcp)),
        ("sendto", 3, Some(tcp), Some(tcp)),
        ("sendto", 4, None, None),
        ("connect", 4, Some(v6), Some(v6)),
        ("sendto", 4, Some(v6), Some(v6)),
        ("recvfrom", 3, Some(tcp), Some(tcp)),
        // It is no longer, but was.
        ("recvfrom", 3, None, Some(tcp)),
        ("recvfrom", 3, Some(second), Some(second)),
        ("close", 3, None, Some(second)),
        ("recvfrom", 3, None, None),
        // The same again under this number.
        ("recvfrom", 3, Some(second), Some(second)),
        ("close", 3, None, Some(second)),
        ("close", 3, None, None),
        ("connect", 3, Some(udp), Some(udp)),
        ("close", 4, None, Some(v6)),
        ("close", 3, None, Some(udp)),
    ];
    for (call, fd, now, known) in calls {
        trace.call_in_full(end(call, fd, 0), now.map(ends).as_ref(), |to| _ = to.number(fd));
        expected.push(known.map(|(protocol, local, remote)| Connection::new(protocol, local, remote)));
    }
    assert_eq!(connections(trace), expected);
}

/// Much of everything.
fn much(trace: &mut Trace) {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let packets = packets();
    for turn in 0..2000_u32 {
        let (place, now) = (Place::process(turn % 3, 1).thread(turn % 7), at(u64::from(turn) * 1000));
        let usual = usize::try_from(turn).unwrap() % packets.len();
        let label = sent(trace, now, turn % 3, &packets[usual]);
        trace.labelled_delivered(now, 1, &packets[usual], &label);
        trace.wakes(now, place);
        trace.waits_in_recv(now, place, (3, 5000), (0, turn % 3 == 0));
        trace.waits_in_call(now, place, CallName::new("poll"), |to| _ = to.open().poll_fd(3, 1, None).close().number(-1));
        trace.count_step();
        let data = packets[usual].data();
        let ends = Ends::new(Protocol::TCP, (&here, 1), (&here, u16::try_from(turn % 5).unwrap()));
        let end = CallEnd { at: now, place, ..end("recvfrom", 3, data.len()) };
        let name = (turn % 2 == 0).then_some(&[2; 16][..]);
        trace.recv_in_full(end, Some(&ends), 3, &Transfer { data, room: 5000, flags: 0, name });
        trace.record(Event { at: now, place: Place::WORLD, what: What::Choice { door: "wire", n: 10, value: turn % 10 } });
        if turn % 50 == 0 {
            trace.record(Event { at: now, place, what: What::ProcessExit });
            trace.call_in_full(CallEnd { call: CallName::new("close"), ..end }, None, |to| _ = to.number(3));
        }
    }
}

#[test]
fn where_chunks_begin_cannot_be_seen() {
    let mut whole = recording();
    much(&mut whole);
    let whole = read(whole);
    for events_max in [1, 8, 100, 1000, 5000] {
        let mut last = Trace::new();
        last.record_last(events_max, Memory::default());
        much(&mut last);
        let recording = last.take_recording(Vec::new()).unwrap();
        let last: Vec<Recorded> = recording.events().collect();
        assert_eq!(recording.events_count(), last.len());
        assert_eq!(usize::try_from(recording.dropped()).unwrap() + last.len(), whole.len());
        assert!(last.len() >= events_max && last.len() < events_max + events_max / 2 + 10, "{} of {events_max}", last.len());
        assert_eq!(last[..], whole[whole.len() - last.len()..]);
    }
}
