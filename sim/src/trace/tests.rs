//! The promises of the record of a run.

use super::*;
use crate::packet::{Control, Datagram, Icmp, IcmpError, Payload, Segment, SeqNumber, TcpOptions};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::Errno;

fn between(last: u8, body: Body) -> Packet {
    let address = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    Packet { src: address(1), dst: address(last), ttl: 64, tos: 0, body }
}

fn segment(data: &[u8]) -> Segment {
    Segment {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNumber::new(7),
        ack: Some(SeqNumber::new(9)),
        control: Control::Push,
        urgent: None,
        window: 512,
        options: TcpOptions::default(),
        payload: Payload::copy_of(data),
        frame_bytes: 1448,
    }
}

fn tcp(data: &[u8]) -> Packet {
    between(2, Body::Tcp(segment(data)))
}

fn event(at: Instant, what: What) -> Event {
    Event { at, place: Place::process(1, 3), what }
}

/// Events that differ from each other, packets aside.
fn events() -> Vec<What> {
    let call = CallName::new("recvfrom");
    vec![
        What::CallEnd { call, fd: Some(4), result: Ok(17) },
        What::CallEnd { call, fd: Some(5), result: Ok(17) },
        What::CallEnd { call, fd: None, result: Ok(17) },
        What::CallEnd { call, fd: Some(4), result: Err(Errno::CONNRESET) },
        What::CallEnd { call: CallName::new("recvmsg"), fd: Some(4), result: Ok(17) },
        What::Timer,
        What::Choice { door: "wire", n: 10, value: 3 },
        What::Choice { door: "wire", n: 10, value: 4 },
        What::ProcessStart,
        What::ProcessExit,
        What::ProcessKill,
        What::ProcessPanic { message: "lost".into() },
        What::ProcessPanic { message: "found\nagain".into() },
    ]
}

/// Faults that differ from each other.
fn faults() -> Vec<What> {
    vec![
        What::Signal { how: "interrupting" },
        What::Signal { how: "SA_RESTART" },
        What::Name { name: "db".into(), fault: None },
        What::Name { name: "db".into(), fault: Some("EAI_AGAIN".into()) },
        What::Name { name: "web".into(), fault: Some("EAI_AGAIN".into()) },
    ]
}

/// Packets that differ from each other.
fn packets() -> Vec<Packet> {
    let altered = |alter: fn(&mut Segment)| {
        let mut segment = segment(b"data");
        alter(&mut segment);
        between(2, Body::Tcp(segment))
    };
    let datagram = Datagram { src_port: 40_000, dst_port: 80, payload: b"data".as_slice().into(), ..Datagram::EMPTY };
    let icmp = |error| between(2, Body::Icmp(Icmp { error, about: Box::new(tcp(b"data")) }));
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last));
    let mut packets = vec![
        altered(|_| ()),
        altered(|s| s.src_port += 1),
        altered(|s| s.dst_port += 1),
        altered(|s| s.seq += 1),
        altered(|s| s.ack = None),
        altered(|s| s.ack = Some(SeqNumber::new(10))),
        altered(|s| s.urgent = Some(1)),
        altered(|s| s.urgent = Some(2)),
        altered(|s| s.window += 1),
        altered(|s| s.payload = Payload::copy_of(b"date")),
        altered(|s| s.payload = Payload::copy_of(b"more data")),
        between(3, Body::Tcp(segment(b"data"))),
        between(2, Body::Udp(datagram.clone())),
        Packet { src: v6(1), dst: v6(2), ttl: 64, tos: 0, body: Body::Udp(datagram.clone()) },
        Packet { src: v6(1), dst: v6(3), ttl: 64, tos: 0, body: Body::Udp(datagram) },
        icmp(IcmpError::NetUnreachable),
        icmp(IcmpError::HostUnreachable),
        icmp(IcmpError::PortUnreachable),
        icmp(IcmpError::PacketTooBig { mtu_bytes: 1280 }),
        icmp(IcmpError::PacketTooBig { mtu_bytes: 1281 }),
        icmp(IcmpError::AdministrativelyProhibited),
        icmp(IcmpError::TimeExceeded),
    ];
    for control in [Control::None, Control::Syn, Control::Fin, Control::Rst] {
        let mut segment = segment(b"data");
        segment.control = control;
        packets.push(between(2, Body::Tcp(segment)));
    }
    packets
}

fn digest_of<R>(record: impl FnOnce(&mut Trace) -> R) -> u64 {
    let mut trace = Trace::new();
    record(&mut trace);
    trace.digest()
}

#[test]
fn every_event_counts() {
    let mut digests = vec![Trace::new().digest()];
    for at in [1, 2].map(Instant::from_nanos) {
        for place in [Place::host(1), Place::host(2), Place::process(1, 3), Place::process(1, 4), Place::process(1, 3).thread(2)]
        {
            digests.extend(
                events().into_iter().chain(faults()).map(|what| digest_of(|trace| trace.record(Event { at, place, what }))),
            );
        }
        for host in [1, 2] {
            digests.extend(packets().iter().map(|packet| digest_of(|trace| sent(trace, at, host, packet))));
            let packet = tcp(b"data");
            digests.push(digest_of(|trace| trace.packet_delivered(at, host, &packet)));
            digests.extend(["cut", "too big"].map(|why| digest_of(|trace| trace.packet_dropped(at, host, &packet, why))));
        }
    }
    let different: BTreeSet<u64> = digests.iter().copied().collect();
    assert_eq!(different.len(), digests.len());
}

fn sent(trace: &mut Trace, at: Instant, host: u32, packet: &Packet) {
    trace.packet_sent(at, host, packet, &mut Label::default());
}

#[test]
fn what_is_sent_counts_to_the_last_byte() {
    let sent = |data: &[u8]| digest_of(|trace| sent(trace, Instant::ZERO, 1, &tcp(data)));
    for len in [1, 64, 79, 80, 4096, 4097, 60_000] {
        let data = vec![7; len];
        for at in [0, len / 3, len - 1] {
            let mut other = data.clone();
            other[at] = 8;
            let half = DATA_DIGESTED_MAX_BYTES / 2;
            let unseen = len > DATA_DIGESTED_MAX_BYTES && (half..len - half).contains(&at);
            assert_eq!(sent(&data) == sent(&other), unseen, "byte {at} of {len}");
        }
    }
}

/// Everything there is, in 100 ns steps.
fn record_all(trace: &mut Trace) {
    let mut clock = (1..).map(|step| Instant::from_nanos(step * 100));
    let mut now = || clock.next().expect("the clock does not end");
    events().into_iter().for_each(|what| trace.record(event(now(), what)));
    for packet in packets() {
        sent(trace, now(), 1, &packet);
        trace.packet_delivered(now(), 2, &packet);
        trace.packet_dropped(now(), 1, &packet, "link cut");
    }
}

#[test]
fn keeping_events_does_not_change_the_digest() {
    let (mut plain, mut keeping) = (Trace::new(), Trace::new());
    keeping.keep_last(3);
    record_all(&mut plain);
    record_all(&mut keeping);
    assert_eq!(plain.digest(), keeping.digest());
    assert_eq!(plain.events_count(), keeping.events_count());
    assert_eq!(plain.events().count(), 0);
    let kept: Vec<u64> = keeping.events().map(|event| event.at.as_nanos() / 100).collect();
    let last = plain.events_count();
    assert_eq!(kept, [last - 2, last - 1, last]);
}

#[test]
fn the_digest_of_a_run_is_this_for_ever() {
    assert_eq!(digest_of(record_all), GOLDEN);
}

const GOLDEN: u64 = 340_405_163_509_519_528;

#[test]
fn a_report_reads_as_a_dialogue() {
    let mut trace = Trace::new();
    trace.keep_last(1000);
    trace.names_mut().name_host(1, "client");
    trace.names_mut().name_process(1, 3, "shell");
    let now = Instant::from_nanos(1_000);
    for what in events() {
        trace.record(event(now, what));
    }
    let packets = packets();
    sent(&mut trace, now, 1, &packets[0]);
    trace.packet_delivered(now, 1, &packets[6]);
    trace.packet_dropped(now, 1, &packets[4], "link cut");
    sent(&mut trace, now, 1, &packets[13]);
    sent(&mut trace, now, 1, &packets[18]);
    trace.record(Event { at: now, place: Place::process(2, 9).thread(1), what: What::ProcessExit });
    trace.record(Event { at: now, place: Place::host(2), what: What::Timer });
    trace.record(Event { at: now, place: Place::WORLD, what: What::Choice { door: "interleaving", n: 2, value: 1 } });
    let report = trace.report().to_string();
    let lines: Vec<&str> = report.lines().map(|line| line.strip_prefix("0.000001000s ").expect("the time comes first")).collect();
    assert_eq!(lines, REPORT);
    let first = trace.events().next().expect("events are kept");
    assert_eq!(first.to_string(), "0.000001000s host 1 process[3]  recvfrom(4) = 17");
}

const REPORT: [&str; 21] = [
    "client shell[3]  recvfrom(4) = 17",
    "client shell[3]  recvfrom(5) = 17",
    "client shell[3]  recvfrom() = 17",
    "client shell[3]  recvfrom(4) = -1 ECONNRESET",
    "client shell[3]  recvmsg(4) = 17",
    "client shell[3]  timer",
    "client shell[3]  chose 3 of 0..10 (wire)",
    "client shell[3]  chose 4 of 0..10 (wire)",
    "client shell[3]  start",
    "client shell[3]  exit",
    "client shell[3]  killed",
    "client shell[3]  panic: lost",
    "client shell[3]  panic: found\\nagain",
    "client  sent 10.0.0.1:40000 > 10.0.0.2:80 tcp [P.] seq 7 ack 9 win 512 len 4",
    "client  delivered 10.0.0.1:40000 > 10.0.0.2:80 tcp [P.] seq 7 ack 9 urg 1 win 512 len 4",
    "client  dropped (link cut) 10.0.0.1:40000 > 10.0.0.2:80 tcp [P] seq 7 win 512 len 4",
    "client  sent [fd00::1]:40000 > [fd00::2]:80 udp len 4",
    "client  sent 10.0.0.1 > 10.0.0.2 icmp packet too big, mtu 1280",
    "host 2 process[9.1]  exit",
    "host 2  timer",
    "world  chose 1 of 0..2 (interleaving)",
];
