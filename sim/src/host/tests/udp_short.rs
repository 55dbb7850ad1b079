//! The short way of datagrams and the long one, beside each other: the same calls on two pairs of hosts, packet by packet.

use super::*;
use crate::host::{Recent, Short};
use crate::packet::{Body, Icmp, IcmpError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Two pairs of hosts that are the same: in one, calls take the short way wherever it is open.
struct Twins {
    short: Net,
    long: Net,
    server: Proc,
    client: Proc,
    recents: [Recent; 2],
    /// How many calls have taken the short way.
    sent: u32,
    received: u32,
}

const PLACES: [&str; 5] = ["10.0.0.1:53", "10.0.0.1:54", "10.0.0.1:9", "10.0.0.2:53", "127.0.0.1:53"];

impl Twins {
    fn new() -> Twins {
        let ((short, server, client), (long, ..)) = (Net::two(), Net::two());
        Twins { short, long, server, client, recents: Default::default(), sent: 0, received: 0 }
    }

    /// A call that is made on both alike.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Net) -> T) -> T {
        let (short, long) = (act(&mut self.short), act(&mut self.long));
        assert_eq!(short, long);
        long
    }

    /// A send, whose first packet is the same on both ways; to no name, or to one of no bytes.
    fn send(&mut self, proc: Proc, fd: RawFd, data: &[u8], flags: i32, name: Option<&str>) {
        let named = name.filter(|name| !name.is_empty()).map(sockaddr);
        let addr = name.map(|_| named.as_ref().map_or(&[][..], |name| name.as_bytes()));
        let mut luck = Boring;
        let mut cx = Cx { now: self.long.now, luck: &mut luck };
        let host = &mut self.long.hosts[proc.host];
        let Progress::Done(expected) = host.begin(&mut cx, proc.pid, Token(0), &mut Call::Sendto { fd, data, flags, addr })
        else {
            panic!("a send does not wait")
        };
        let first = host.poll_transmit(&mut cx);
        let mut packet = Packet::EMPTY;
        let host = &mut self.short.hosts[proc.host];
        let recent = &mut self.recents[proc.host];
        if host.send_dgram_short((proc.pid, recent), fd, data, (flags, addr), &mut packet) {
            self.sent += 1;
            assert_eq!((Ok(data.len()), Some(&packet)), (expected, first.as_ref()));
        } else {
            let Progress::Done(result) = host.begin(&mut cx, proc.pid, Token(0), &mut Call::Sendto { fd, data, flags, addr })
            else {
                panic!("a send does not wait")
            };
            assert_eq!((result, host.poll_transmit(&mut cx)), (expected, first.clone()));
        }
        for net in [&mut self.short, &mut self.long] {
            if let Some(packet) = first.clone() {
                let at = net.hosts.iter().position(|host| host.owns(packet.dst) && !packet.dst.is_loopback());
                net.hosts[at.unwrap_or(proc.host)].handle_packet(&mut cx, packet);
            }
            net.deliver();
        }
    }

    fn recv(&mut self, proc: Proc, fd: RawFd, room: usize) {
        let expected = Twins::recv_long(&mut self.long, proc, fd, room);
        let (mut into, mut bytes, mut len) = (vec![0; room], [0; 128], 128);
        let recent = &mut self.recents[proc.host];
        let who = (proc.pid, recent);
        let name = Some(&mut Name { bytes: &mut bytes, len: &mut len });
        let found = match self.short.hosts[proc.host].recv_dgram_short(who, Token(0), fd, &mut into, c::MSG_DONTWAIT, name) {
            Short::Done(count) => {
                self.received += 1;
                into.truncate(count);
                Ok((into, bytes[..usize::try_from(len).unwrap()].to_vec()))
            }
            Short::Long => Twins::recv_long(&mut self.short, proc, fd, room),
            Short::Waits(_) => panic!("the call may not wait"),
        };
        assert_eq!(found, expected);
    }

    fn recv_long(net: &mut Net, proc: Proc, fd: RawFd, room: usize) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut into, mut bytes, mut len) = (vec![0; room], [0; 128], 128);
        let name = Some(Name { bytes: &mut bytes, len: &mut len });
        let count = net.call(proc, Call::Recvfrom { fd, into: &mut into, flags: c::MSG_DONTWAIT, name })?;
        into.truncate(count);
        Ok((into, bytes[..usize::try_from(len).unwrap()].to_vec()))
    }

    fn set(&mut self, proc: Proc, fd: RawFd, (level, name): (i32, i32), value: i32) {
        let value = value.to_ne_bytes();
        self.both(|net| net.call(proc, Call::Setsockopt { fd, level, name, value: &value })).ok();
    }

    /// A router has told the client what the path to the server carries.
    fn tell_mtu(&mut self, mtu_bytes: u32) {
        let about = Packet { src: "10.0.0.2".parse().unwrap(), dst: "10.0.0.1".parse().unwrap(), ..Packet::EMPTY };
        let icmp = Icmp { error: IcmpError::PacketTooBig { mtu_bytes }, about: Box::new(about) };
        let packet = Packet {
            src: "10.0.0.9".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            body: Body::Icmp(icmp),
            ..Packet::EMPTY
        };
        self.both(|net| net.enter(1, |host, cx| host.handle_packet(cx, packet.clone())));
    }
}

/// An option whose value a header shows, or that closes the short way, and its values.
const OPTIONS: [((i32, i32), [i32; 2]); 7] = [
    ((c::SOL_IP, c::IP_TTL), [7, 64]),
    ((c::SOL_IP, c::IP_TOS), [16, 0]),
    ((c::SOL_IP, c::IP_MTU_DISCOVER), [0, 1]),
    ((c::SOL_SOCKET, c::SO_NO_CHECK), [1, 0]),
    ((c::SOL_SOCKET, c::SO_DONTROUTE), [1, 0]),
    ((c::SOL_UDP, c::UDP_CORK), [1, 0]),
    ((c::SOL_UDP, c::UDP_SEGMENT), [8, 0]),
];

fn converse(seed: u64) -> (u32, u32) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = move |n: u32| usize::try_from(rng.next_u32() % n).unwrap();
    let mut twins = Twins::new();
    let (server, client) = (twins.server, twins.client);
    let near = twins.both(|net| net.udp_of(client, c::AF_INET));
    let mut near = [near, twins.both(|net| net.udp_of(client, c::AF_INET6))];
    let far = [twins.both(|net| net.udp_at(server, "0.0.0.0:53")), twins.both(|net| net.udp_at(server, "10.0.0.1:54"))];
    let mut place = PLACES[0];
    for _ in 0..400 {
        let fd = near[usize::from(below(4) == 0)];
        let data = &[7; 200][..[0, 1, 64, 79, 80, 200][below(6)]];
        // Usually as before: so that the short way is open.
        if below(6) == 0 {
            place = PLACES[below(5)];
        }
        match below(30) {
            0..=9 => twins.send(client, fd, data, 0, Some(place)),
            10..=14 => twins.send(client, fd, data, c::MSG_DONTWAIT, None),
            15 => twins.send(client, fd, data, 0, Some("")),
            16 => twins.send(client, fd, data, c::MSG_MORE, Some(place)),
            17..=20 => twins.recv(server, far[below(2)], [200, 64, 0][below(3)]),
            21 => twins.recv(client, fd, 64),
            22 => drop(twins.both(|net| net.connect(client, fd, place))),
            23 => drop(twins.both(|net| net.call(client, Call::Connect { fd, addr: &[0; 16] }))),
            24 | 25 => {
                let (option, values) = OPTIONS[below(7)];
                twins.set(client, fd, option, values[usize::from(below(3) != 0)]);
            }
            26 => {
                let ttl = ["64", "9"][below(2)];
                twins.both(|net| net.hosts[1].sysctl_mut().set("net.ipv4.ip_default_ttl", ttl)).unwrap();
            }
            27 => {
                twins.tell_mtu([1000, 552][below(2)]);
                twins.both(|net| net.advance(Duration::from_secs(400)));
            }
            28 => {
                let addrs = ["10.0.0.2", "fd00::2", "10.0.0.3"].map(|addr| addr.parse::<IpAddr>().unwrap());
                let first = below(2);
                twins.both(|net| net.hosts[1].set_addrs(&[addrs[first * 2], addrs[1]]));
            }
            _ => {
                let which = usize::from(fd == near[1]);
                twins.both(|net| net.call(client, Call::Close { fd })).unwrap();
                near[which] = twins.both(|net| net.udp_of(client, [c::AF_INET, c::AF_INET6][which]));
            }
        }
    }
    (twins.sent, twins.received)
}

#[test]
fn the_short_way_sends_and_receives_what_the_long_one_does() {
    let (mut sent, mut received) = (0, 0);
    for seed in 0..150 {
        let (more_sent, more_received) = converse(seed);
        (sent, received) = (sent + more_sent, received + more_received);
    }
    assert!(sent > 1000 && received > 1000, "the short way is gone: {sent} sends, {received} receives");
}
