//! The promises of bytes: what is written is read again, what is not sound is told from what is, and a cut segment is the same
//! segment.

use super::*;
use crate::packet::{Control, Datagram, Icmp, IcmpError, Payload, SackBlocks, Segment, SeqNumber, TcpOptions, Timestamps};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Packets made up at random.
struct Made(ChaCha8Rng);

impl Made {
    fn below(&mut self, n: u32) -> u32 {
        self.0.next_u32() % n
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Made) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn port(&mut self) -> u16 {
        u16::try_from(self.below(65_536)).unwrap()
    }

    fn seq(&mut self) -> SeqNumber {
        SeqNumber::new(self.0.next_u32())
    }

    fn data(&mut self, max: u32) -> Vec<u8> {
        let len = self.below(max + 1);
        (0..len).map(|_| self.byte()).collect()
    }

    fn options(&mut self, control: Control) -> TcpOptions {
        let is_syn = control == Control::Syn;
        let mut sack = SackBlocks::default();
        let blocks = if is_syn { 0 } else { self.below(4) as usize };
        sack[..blocks].fill_with(|| Some((self.seq(), self.seq())));
        TcpOptions {
            mss_bytes: self.maybe(|made| made.port().max(1)).filter(|_| is_syn),
            window_scale: self.maybe(|made| made.byte() % 15).filter(|_| is_syn),
            sack_permitted: is_syn && self.below(2) == 0,
            timestamps: self.maybe(|made| Timestamps { value: made.0.next_u32(), echo: made.0.next_u32() }),
            sack,
        }
    }

    /// A segment that is one frame.
    fn segment(&mut self, data_max: u32) -> Segment {
        let control = [Control::None, Control::Push, Control::Syn, Control::Fin, Control::Rst][self.below(5) as usize];
        let payload = Payload::copy_of(&self.data(data_max));
        Segment {
            src_port: self.port(),
            dst_port: self.port(),
            seq: self.seq(),
            ack: self.maybe(Made::seq),
            control,
            urgent: self.maybe(Made::port),
            window: self.port(),
            options: self.options(control),
            frame_bytes: u16::try_from(payload.len()).unwrap(),
            payload,
        }
    }

    fn transport(&mut self, data_max: u32) -> Body {
        if self.below(3) == 0 {
            let payload = self.data(data_max).into();
            Body::Udp(Datagram { src_port: self.port(), dst_port: self.port(), payload, ..Datagram::EMPTY })
        } else {
            Body::Tcp(self.segment(data_max))
        }
    }

    fn packet_of(&mut self, is_v4: bool, body: Body) -> Packet {
        let mut addr = || -> IpAddr {
            let bits = u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64());
            if is_v4 { Ipv4Addr::from_bits(self.0.next_u32()).into() } else { Ipv6Addr::from_bits(bits).into() }
        };
        Packet { src: addr(), dst: addr(), ttl: self.byte(), tos: self.byte(), body }
    }

    /// A packet that fits an Ethernet.
    fn packet(&mut self) -> Packet {
        let is_v4 = self.below(2) == 0;
        let body = if self.below(4) == 0 {
            let about = self.transport(300);
            let error = match self.below(6) {
                0 => IcmpError::NetUnreachable,
                1 => IcmpError::HostUnreachable,
                2 => IcmpError::PortUnreachable,
                3 => IcmpError::PacketTooBig { mtu_bytes: u32::from(self.port()) },
                4 => IcmpError::AdministrativelyProhibited,
                _ => IcmpError::TimeExceeded,
            };
            Body::Icmp(Icmp { error, about: Box::new(self.packet_of(is_v4, about)) })
        } else {
            self.transport(1380)
        };
        self.packet_of(is_v4, body)
    }
}

fn made(seed: u64) -> Made {
    Made(ChaCha8Rng::seed_from_u64(seed))
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits")).collect()
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

/// A SYN with the options that Linux sends, RFC 9293's bytes made by hand.
const SYN: &str = concat!(
    "4500003c00004000400626ba0a0000010a000002",
    "9c4000501122334400000000a002faf054100000",
    "020405b40402080a010203040000000001030307"
);

fn syn() -> Packet {
    let segment = Segment {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNumber::new(0x1122_3344),
        ack: None,
        control: Control::Syn,
        urgent: None,
        window: 64_240,
        options: TcpOptions {
            mss_bytes: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 0x0102_0304, echo: 0 }),
            sack: SackBlocks::default(),
        },
        payload: Payload::EMPTY,
        frame_bytes: 0,
    };
    Packet { src: v4(1), dst: v4(2), ttl: 64, tos: 0, body: Body::Tcp(segment) }
}

#[test]
fn a_syn_looks_as_linux_sends_it() {
    assert_eq!(encode(&syn()).unwrap(), hex(SYN));
    assert_eq!(decode(&hex(SYN)).unwrap(), syn());
}

#[test]
fn a_datagram_over_ipv6_looks_as_the_rfcs_say() {
    let bytes = hex(concat!(
        "6b800000000d113f",
        "fd000000000000000000000000000001fd000000000000000000000000000002",
        "14e90035000dacdf68656c6c6f"
    ));
    let addr = |last| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last));
    let datagram = Datagram { src_port: 5353, dst_port: 53, payload: b"hello".as_slice().into(), ..Datagram::EMPTY };
    let packet = Packet { src: addr(1), dst: addr(2), ttl: 63, tos: 0xb8, body: Body::Udp(datagram) };
    assert_eq!(encode(&packet).unwrap(), bytes);
    assert_eq!(decode(&bytes).unwrap(), packet);
}

#[test]
fn an_error_that_quotes_eight_octets_says_which_connection_it_is_about() {
    let bytes = hex(concat!(
        "45c0003800004000ff0166060a0000fe0a000001",
        "0304168d00000578",
        "4500003c00004000400626ba0a0000010a000002",
        "9c40005011223344"
    ));
    let packet = decode(&bytes).unwrap();
    let Body::Icmp(icmp) = packet.body else { panic!("{packet:?}") };
    assert_eq!(icmp.error, IcmpError::PacketTooBig { mtu_bytes: 1400 });
    assert_eq!((icmp.about.src, icmp.about.dst), (v4(1), v4(2)));
    let Body::Tcp(about) = icmp.about.body else { panic!("{:?}", icmp.about) };
    assert_eq!((about.src_port, about.dst_port, about.seq), (40_000, 80, SeqNumber::new(0x1122_3344)));
}

#[test]
fn what_is_written_is_read_again() {
    let mut made = made(1);
    for _ in 0..3_000 {
        let packet = made.packet();
        let bytes = encode(&packet).unwrap();
        assert_eq!(bytes.len(), packet_bytes(&packet), "{packet:?}");
        assert_eq!(decode(&bytes).as_ref(), Ok(&packet));
        let padded = [bytes.as_slice(), &[0; 6]].concat();
        assert_eq!(decode(&padded).as_ref(), Ok(&packet), "what is behind the end is not read");
    }
}

#[test]
fn a_packet_that_is_cut_short_is_told_from_a_whole_one() {
    let mut made = made(2);
    for _ in 0..20 {
        let packet = made.packet();
        let bytes = encode(&packet).unwrap();
        for len in 0..bytes.len() {
            let error = decode(&bytes[..len]).expect_err("a part is not the whole");
            assert!(error.offset <= len, "{error} of {len}");
        }
    }
}

/// The Internet checksum sees every single bit; of an IPv6 header it covers the addresses, and an error in a length shows.
#[test]
fn a_flipped_bit_is_noticed() {
    let mut made = made(3);
    for _ in 0..15 {
        let packet = made.packet();
        let bytes = encode(&packet).unwrap();
        let covered = if packet.dst.is_ipv4() { 0 } else { 8 };
        for bit in covered * 8..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            if let Ok(read) = decode(&flipped) {
                // A UDP checksum of one bit becomes "no checksum".
                assert!(matches!(packet.body, Body::Udp(_)) && read == packet, "bit {bit} of {packet:?}");
            }
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut made = made(4);
    for round in 0..8_000 {
        let mut bytes = if round % 2 == 0 { made.data(80) } else { encode(&made.packet()).unwrap() };
        for _ in 0..made.below(4) {
            if !bytes.is_empty() {
                let at = made.0.next_u32() as usize % bytes.len();
                bytes[at] = made.byte();
            }
        }
        if round % 2 == 1 {
            mend_checksums(&mut bytes);
        }
        if let Ok(packet) = decode(&bytes) {
            let again = encode(&packet).unwrap();
            assert_eq!(decode(&again), Ok(packet), "what is read can be written");
        }
    }
}

/// Sets the checksums that bytes altered by hand need: of the IP header, and of TCP, UDP or ICMP behind a header without options.
fn mend_checksums(bytes: &mut [u8]) {
    let (addrs, header, protocol) = match bytes.first().map_or(0, |byte| byte >> 4) {
        4 if bytes.len() >= 40 => {
            bytes[10..12].fill(0);
            let sum = Checksum::new().bytes(&bytes[..20]).value();
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            let addr = |at: usize| Ipv4Addr::from(*bytes[at..].first_chunk::<4>().unwrap());
            (Addrs::V4 { src: addr(12), dst: addr(16) }, 20, bytes[9])
        }
        6 if bytes.len() >= 60 => {
            let addr = |at: usize| Ipv6Addr::from(*bytes[at..].first_chunk::<16>().unwrap());
            (Addrs::V6 { src: addr(8), dst: addr(24) }, 40, bytes[6])
        }
        _ => return,
    };
    let at = match protocol {
        TCP => 16,
        UDP => 6,
        ICMP | ICMPV6 => 2,
        _ => return,
    };
    let payload = &mut bytes[header..];
    payload[at..at + 2].fill(0);
    let sum = if protocol == ICMP { Checksum::new().bytes(payload).value() } else { addrs.checksum(protocol, payload) };
    payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// `SYN` with some bytes replaced, and what is read from it.
fn altered(alter: impl FnOnce(&mut Vec<u8>)) -> Result<Packet, ParseError> {
    let mut bytes = hex(SYN);
    alter(&mut bytes);
    mend_checksums(&mut bytes);
    decode(&bytes)
}

fn segment(packet: Result<Packet, ParseError>) -> Segment {
    match packet.expect("a packet").body {
        Body::Tcp(segment) => segment,
        Body::Udp(_) | Body::Icmp(_) => panic!("a segment is expected"),
    }
}

#[test]
fn control_bits_that_exclude_each_other_are_decided_as_linux_does() {
    const FLAGS: usize = 33;
    let control = |flags: u8| altered(|bytes| bytes[FLAGS] = flags).map(|packet| segment(Ok(packet)).control);
    let [fin, syn, rst, psh] = [1, 2, 4, 8];
    assert_eq!(control(0), Ok(Control::None));
    assert_eq!(control(psh), Ok(Control::Push));
    assert_eq!(control(syn | psh), Ok(Control::Syn));
    assert_eq!(control(fin | psh), Ok(Control::Fin));
    for flags in [rst, rst | psh, rst | fin, rst | syn, rst | syn | fin] {
        assert_eq!(control(flags), Ok(Control::Rst), "{flags:#x}");
    }
    let malformed = ParseError { what: "a segment with both SYN and FIN", offset: FLAGS };
    assert_eq!(control(syn | fin), Err(malformed));
    assert_eq!(control(syn | fin | psh), Err(malformed));
    assert_eq!(malformed.to_string(), "not a packet: a segment with both SYN and FIN at byte 33");
    assert_eq!(control(syn | 0xc0), Ok(Control::Syn), "the ECN bits are not read");
}

#[test]
fn numbers_without_their_bit_are_not_read() {
    let read = segment(altered(|bytes| {
        bytes[28..32].copy_from_slice(&[1, 2, 3, 4]);
        bytes[38..40].copy_from_slice(&[5, 6]);
    }));
    assert_eq!((read.ack, read.urgent), (None, None));
    let read = segment(altered(|bytes| {
        bytes[28..32].copy_from_slice(&[1, 2, 3, 4]);
        bytes[33] = 0x30;
        bytes[38..40].copy_from_slice(&[5, 6]);
    }));
    assert_eq!((read.ack, read.urgent), (Some(SeqNumber::new(0x0102_0304)), Some(0x0506)));
}

#[test]
fn options_are_read_as_linux_reads_them() {
    let options = |flags: u8, options: &[u8]| {
        segment(altered(|bytes| {
            bytes[33] = flags;
            bytes[40..].fill(0);
            bytes[40..40 + options.len()].copy_from_slice(options);
        }))
        .options
    };
    let none = TcpOptions::default();
    let mss = TcpOptions { mss_bytes: Some(0x0506), ..none };
    assert_eq!(options(2, &[2, 4, 5, 6]), mss);
    assert_eq!(options(2, &[1, 1, 2, 4, 5, 6, 0, 3, 3, 7]), mss, "nothing follows the end");
    assert_eq!(options(2, &[254, 4, 9, 9, 2, 4, 5, 6]), mss, "an unknown kind is skipped");
    assert_eq!(options(2, &[3, 4, 9, 9, 2, 4, 5, 6]), mss, "a length that the kind does not have is skipped");
    assert_eq!(options(2, &[2, 4, 5, 6, 254, 1, 3, 3, 7]), mss, "a length that cannot be is the end");
    assert_eq!(options(2, &[2, 4, 5, 6, 254, 0, 3, 3, 7]), mss, "a length that cannot be is the end");
    assert_eq!(options(2, &[2, 4, 5, 6, 254, 200, 3, 3, 7]), mss, "a length that cannot be is the end");
    assert_eq!(options(2, &[2, 4, 0, 0]), none, "an MSS of 0 is none");
    assert_eq!(options(2, &[3, 3, 200]).window_scale, Some(14), "RFC 7323 section 2.3");
    assert_eq!(options(0x10, &[2, 4, 5, 6, 3, 3, 7, 4, 2]), none, "these belong on a SYN");
    let block = |from: u8| [0, 0, 0, from, 0, 0, 0, from + 1];
    let seqs = |from: u32| Some((SeqNumber::new(from), SeqNumber::new(from + 1)));
    let two = [[5, 18].as_slice(), &block(10), &block(20)].concat();
    assert_eq!(options(0x10, &two).sack, [seqs(10), seqs(20), None]);
    assert_eq!(options(0x10, &[5, 9, 0, 0, 0, 1, 0, 0, 0]), none, "a part of a block is none");
}

#[test]
fn a_fourth_sack_block_is_left_out() {
    let mut bytes = hex(SYN);
    bytes[33] = 0x10;
    bytes[32] = 15 << 4;
    bytes[3] = 80;
    bytes.truncate(40);
    bytes.extend([1, 1, 5, 34]);
    bytes.extend((0_u8..32).collect::<Vec<_>>());
    bytes.extend([0; 4]);
    mend_checksums(&mut bytes);
    let read = segment(decode(&bytes));
    assert_eq!(read.options.sack[2], Some((SeqNumber::new(0x1011_1213), SeqNumber::new(0x1415_1617))));
}

#[test]
fn headers_that_cannot_be_are_told_apart() {
    let error = |at: usize, byte: u8| altered(|bytes| bytes[at] = byte).unwrap_err();
    let expected = |what, offset| ParseError { what, offset };
    assert_eq!(error(0, 0x55), expected("an IP version that is neither 4 nor 6", 0));
    assert_eq!(error(0, 0x44), expected("an IPv4 header length that cannot be", 0));
    assert_eq!(error(3, 61), expected("an IPv4 total length that cannot be", 2));
    assert_eq!(error(3, 10), expected("an IPv4 total length that cannot be", 2));
    assert_eq!(error(6, 0x20), expected("a fragment", 6));
    assert_eq!(error(7, 1), expected("a fragment", 6));
    assert_eq!(error(9, 99), expected("a protocol that is not TCP, UDP or ICMP", 9));
    assert_eq!(error(32, 0x40), expected("a TCP data offset that cannot be", 32));
    assert_eq!(error(32, 0xb0), expected("a TCP data offset that cannot be", 32));
    let mut bytes = hex(SYN);
    bytes[10] ^= 1;
    assert_eq!(decode(&bytes), Err(expected("a wrong IPv4 header checksum", 10)));
    bytes[10] ^= 1;
    bytes[59] ^= 1;
    assert_eq!(decode(&bytes), Err(expected("a wrong TCP checksum", 36)));
    assert_eq!(decode(&[]), Err(expected("an empty packet", 0)));
    assert_eq!(decode(&[0x45; 19]), Err(expected("an IPv4 header that is cut short", 19)));
    assert_eq!(decode(&[0x60; 39]), Err(expected("an IPv6 header that is cut short", 39)));
}

#[test]
fn headers_that_say_nothing_to_a_host_are_skipped() {
    let plain = made(5).packet_of(
        false,
        Body::Udp(Datagram { src_port: 1, dst_port: 2, payload: b"data".as_slice().into(), ..Datagram::EMPTY }),
    );
    let bytes = encode(&plain).unwrap();
    // Hop-by-hop options of 16 bytes, then a fragment header of a whole packet, then destination options.
    let extensions = [[44, 1].as_slice(), &[0; 14], &[60, 0, 0, 0, 0, 0, 0, 9], &[17, 0, 1, 4, 0, 0, 0, 0]].concat();
    let mut extended = [&bytes[..40], &extensions, &bytes[40..]].concat();
    extended[5] += 32;
    extended[6] = 0;
    assert_eq!(decode(&extended), Ok(plain));
    extended[40 + 16 + 3] = 1;
    assert_eq!(decode(&extended), Err(ParseError { what: "a fragment", offset: 58 }));
    extended[40 + 16 + 3] = 0;
    extended[41] = 200;
    assert_eq!(decode(&extended).unwrap_err().what, "an IPv6 extension header that is cut short");

    let mut optioned = hex(SYN);
    optioned.splice(20..20, [1, 1, 1, 0]);
    optioned[0] = 0x46;
    optioned[3] += 4;
    optioned[10..12].fill(0);
    let sum = Checksum::new().bytes(&optioned[..24]).value();
    optioned[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(decode(&optioned), Ok(syn()));
}

#[test]
fn a_datagram_says_whether_it_may_be_cut_into_fragments() {
    for dont_fragment in [false, true] {
        let datagram = Datagram { payload: b"data".as_slice().into(), dont_fragment, ..Datagram::EMPTY };
        let packet = made(6).packet_of(true, Body::Udp(datagram));
        let bytes = encode(&packet).unwrap();
        assert_eq!(bytes[6] & 0x40 != 0, dont_fragment);
        assert_eq!(decode(&bytes), Ok(packet));
    }
}

#[test]
fn udp_checksums_are_optional_over_ipv4_only() {
    let datagram = Datagram { src_port: 1, dst_port: 2, payload: b"data".as_slice().into(), ..Datagram::EMPTY };
    let mut made = made(6);
    let packet = made.packet_of(true, Body::Udp(datagram.clone()));
    let mut bytes = encode(&packet).unwrap();
    bytes[26..28].fill(0);
    let unchecked = Packet { body: Body::Udp(Datagram { no_check: true, ..datagram.clone() }), ..packet };
    assert_eq!(decode(&bytes), Ok(unchecked.clone()));
    assert_eq!(encode(&unchecked).unwrap(), bytes);
    let mut bytes = encode(&made.packet_of(false, Body::Udp(datagram))).unwrap();
    bytes[46..48].fill(0);
    assert_eq!(decode(&bytes), Err(ParseError { what: "a UDP datagram over IPv6 without checksum", offset: 46 }));
}

fn unreachable(about: Packet) -> Packet {
    let (src, dst) = (about.dst, about.src);
    Packet { src, dst, ttl: 64, tos: 0xc0, body: Body::Icmp(Icmp { error: IcmpError::PortUnreachable, about: Box::new(about) }) }
}

#[test]
fn an_error_quotes_as_much_as_the_rfcs_allow() {
    for (is_v4, len_max) in [(true, 576), (false, 1280)] {
        let payload = vec![7; 60_000].into();
        let about = made(7).packet_of(is_v4, Body::Udp(Datagram { src_port: 9, dst_port: 10, payload, ..Datagram::EMPTY }));
        let error = unreachable(about.clone());
        let bytes = encode(&error).unwrap();
        assert_eq!((bytes.len(), packet_bytes(&error)), (len_max, len_max));
        let Body::Icmp(read) = decode(&bytes).unwrap().body else { panic!("an error is expected") };
        let Body::Udp(quoted) = read.about.body else { panic!("a datagram is expected") };
        assert_eq!((quoted.src_port, quoted.dst_port, read.about.dst), (9, 10, about.dst));
        assert!(!quoted.payload.is_empty() && quoted.payload.len() < 1280);
    }
}

#[test]
fn an_error_about_a_large_segment_quotes_its_first_frame() {
    let mut segment = made(8).segment(0);
    segment.payload = Payload::copy_of(&[7; 65_536]);
    segment.frame_bytes = 1448;
    let about = Packet { body: Body::Tcp(segment.clone()), ..syn() };
    let Body::Icmp(read) = decode(&encode(&unreachable(about)).unwrap()).unwrap().body else { panic!("an error is expected") };
    let Body::Tcp(quoted) = read.about.body else { panic!("a segment is expected") };
    assert_eq!((quoted.seq, quoted.src_port), (segment.seq, segment.src_port));
}

#[test]
fn extensions_behind_the_quoted_packet_are_skipped() {
    let about = Packet {
        body: Body::Udp(Datagram { src_port: 1, dst_port: 2, payload: vec![1; 100].into(), ..Datagram::EMPTY }),
        ..syn()
    };
    let error = unreachable(about);
    let mut bytes = encode(&error).unwrap();
    // 128 bytes of quoted packet as RFC 4884 section 5.3 asks, then an extension header.
    assert_eq!(bytes.len(), 28 + 128);
    bytes.extend([0x20, 0, 0xdf, 0xff]);
    bytes[3] += 4;
    bytes[25] = 128 / 4;
    mend_checksums(&mut bytes);
    assert_eq!(decode(&bytes), Ok(error));
    bytes[25] = 200;
    mend_checksums(&mut bytes);
    assert_eq!(decode(&bytes), Err(ParseError { what: "a quoted packet shorter than is said", offset: 25 }));
}

#[test]
fn packets_that_no_bytes_stand_for_are_refused() {
    let error = unreachable(syn());
    assert_eq!(encode(&unreachable(error)), Err(EncodeError::IcmpAboutIcmp));
    let mixed = Packet { dst: Ipv6Addr::LOCALHOST.into(), ..syn() };
    assert_eq!(encode(&mixed), Err(EncodeError::MixedFamilies));
    let datagram = Datagram { src_port: 1, dst_port: 2, payload: vec![0; 65_508].into(), ..Datagram::EMPTY };
    assert_eq!(encode(&Packet { body: Body::Udp(datagram), ..syn() }), Err(EncodeError::TooLong));
    let mut segment = made(9).segment(0);
    segment.payload = Payload::copy_of(&[0; 65_516]);
    assert_eq!(encode(&Packet { body: Body::Tcp(segment.clone()), ..syn() }), Err(EncodeError::TooLong));
    let block = Some((SeqNumber::new(1), SeqNumber::new(2)));
    let timestamps = Some(Timestamps { value: 1, echo: 2 });
    segment.options = TcpOptions { mss_bytes: Some(1), timestamps, sack: [block; 3], ..TcpOptions::default() };
    assert_eq!(encode(&Packet { body: Body::Tcp(segment), ..syn() }), Err(EncodeError::TooManyOptions));
}

/// What a receiver makes of segments that arrive in order: octets by their sequence numbers, and the control bits seen.
fn received(segments: &[Segment]) -> (SeqNumber, Vec<u8>, Vec<Control>) {
    let mut next = segments[0].seq;
    let mut data = Vec::new();
    for segment in segments {
        assert_eq!(segment.seq, next, "frames follow each other");
        data.extend_from_slice(segment.payload.as_slice());
        next += segment.sequence_len();
    }
    let controls = segments.iter().map(|segment| segment.control).filter(|control| *control != Control::None).collect();
    (next, data, controls)
}

#[test]
fn the_frames_of_a_segment_are_the_segment() {
    let mut made = made(10);
    for round in 0..500 {
        let mut whole = made.segment(0);
        whole.payload = Payload::copy_of(&made.data(if round % 4 == 0 { 79 } else { 20_000 }));
        whole.frame_bytes = u16::try_from(made.below(3_000)).unwrap();
        let is_v4 = made.below(2) == 0;
        let packet = made.packet_of(is_v4, Body::Tcp(whole.clone()));
        let mtu_bytes = if whole.payload.len() < 100 { 100 + made.below(100) } else { 1280 + made.below(300) };
        let packets: Vec<Packet> = frames(&packet, mtu_bytes).collect();
        let uncut = frames(&packet, u32::MAX).map(|frame| u32::try_from(packet_bytes(&frame)).unwrap()).max();
        if whole.frame_bytes > 0 {
            assert_eq!(uncut, Some(packet.largest_frame_bytes()));
        }
        for frame in &packets {
            let headers = packet_bytes(frame) - segment(Ok(frame.clone())).payload.len();
            let room = usize::try_from(mtu_bytes).unwrap().max(headers + 1);
            assert!(packet_bytes(frame) <= room, "{} bytes with an MTU of {mtu_bytes}", packet_bytes(frame));
            assert_eq!(encode(frame).unwrap().len(), packet_bytes(frame));
            assert_eq!((frame.src, frame.dst, frame.ttl, frame.tos), (packet.src, packet.dst, packet.ttl, packet.tos));
        }
        let segments: Vec<Segment> = packets.into_iter().map(|frame| segment(Ok(frame))).collect();
        assert_eq!(received(&segments), received(&[whole.clone()]));
        check_headers(&whole, &segments);
    }
}

/// Every frame has the whole's header, and the urgent octet is where it was.
fn check_headers(whole: &Segment, frames: &[Segment]) {
    for frame in frames {
        assert_eq!((frame.ack, frame.window, frame.options), (whole.ack, whole.window, whole.options));
        if let Some(urgent) = frame.urgent {
            assert_eq!(frame.seq + u32::from(urgent), whole.seq + u32::from(whole.urgent.expect("the whole is urgent")));
        }
    }
    assert_eq!(frames[0].urgent, whole.urgent);
    if let Some(urgent) = whole.urgent {
        let end = whole.seq + u32::from(urgent);
        assert!(frames.iter().all(|frame| frame.urgent.is_some() == (frame.seq == whole.seq || frame.seq.before(end))));
    }
    let last = &frames[frames.len() - 1];
    match whole.control {
        Control::Push | Control::Fin | Control::Rst => assert_eq!(last.control, whole.control),
        Control::Syn => assert_eq!(frames[0].control, Control::Syn),
        Control::None => {}
    }
}

#[test]
fn a_frame_carries_a_byte_at_least() {
    let mut whole = made(11).segment(0);
    whole.payload = Payload::copy_of(b"abc");
    let packet = Packet { body: Body::Tcp(whole), ..syn() };
    assert_eq!(frames(&packet, 0).count(), 3);
}

#[test]
fn a_datagram_is_one_frame() {
    let payload = vec![0; 9_000].into();
    let packet = Packet { body: Body::Udp(Datagram { src_port: 1, dst_port: 2, payload, ..Datagram::EMPTY }), ..syn() };
    assert_eq!(packet_bytes(&packet), 9_028);
    assert_eq!(frames(&packet, 1500).collect::<Vec<_>>(), [packet]);
}
