//! The short way of datagrams and the long one, beside each other: the same calls on two pairs of hosts, packet by packet.

use super::*;
use crate::host::{Asked, Ends, Landing, QuietCall, Recent, Short, ShortSend, store_inet_name};
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
    /// The place for each host's next datagram, in which the one before is still.
    places: [(Packet, Ends); 2],
    /// How many ways of datagrams have a number.
    ways: u64,
    taken: Taken,
}

/// How many calls and packets have taken the short way.
#[derive(Clone, Copy, Default)]
struct Taken {
    sent: u32,
    sent_again: u32,
    received: u32,
    /// Packets that ended a receive, woke one, or were put into the queue or not.
    ended: u32,
    woken: u32,
    kept: u32,
}

const PLACES: [&str; 5] = ["10.0.0.1:53", "10.0.0.1:54", "10.0.0.1:9", "10.0.0.2:53", "127.0.0.1:53"];

impl Twins {
    fn new() -> Twins {
        let ((short, server, client), (long, ..)) = (Net::two(), Net::two());
        let places = [(Packet::EMPTY, Ends::UNKNOWN), (Packet::EMPTY, Ends::UNKNOWN)];
        Twins { short, long, server, client, recents: Default::default(), places, ways: 0, taken: Taken::default() }
    }

    /// A call that is made on both alike.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Net) -> T) -> T {
        let (short, long) = (act(&mut self.short), act(&mut self.long));
        assert_eq!(short, long);
        long
    }

    /// A send, whose first packet is the same on both ways; to no name, or to one of no bytes. `waits`: a receive that waits for it on both.
    fn send(&mut self, proc: Proc, fd: RawFd, data: &[u8], flags: i32, name: Option<&str>, waits: Option<Waiting>) {
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
        let (packet, ends) = &mut self.places[proc.host];
        let host = &mut self.short.hosts[proc.host];
        let recent = &mut self.recents[proc.host];
        let again = host.send_dgram_again((recent, fd), data, (flags, addr), (packet, ends));
        let short = match again {
            true => ShortSend::Out,
            false => host.send_dgram_short((proc.pid, recent), fd, data, (flags, addr), (packet, ends, &mut self.ways)),
        };
        let is_short = match short {
            ShortSend::Out => {
                self.taken.sent += 1;
                self.taken.sent_again += u32::from(again);
                assert_eq!((Ok(data.len()), Some(&*packet)), (expected, first.as_ref()));
                true
            }
            ShortSend::Queued => panic!("a datagram is sent or not"),
            ShortSend::Long => {
                let mut call = Call::Sendto { fd, data, flags, addr };
                let Progress::Done(result) = host.begin(&mut cx, proc.pid, Token(0), &mut call) else {
                    panic!("a send does not wait")
                };
                assert_eq!((result, host.poll_transmit(&mut cx)), (expected, first.clone()));
                false
            }
        };
        let mut landing = Landing::Long;
        if let Some(packet) = first {
            let at = self.long.hosts.iter().position(|host| host.owns(packet.dst) && !packet.dst.is_loopback());
            let at = at.unwrap_or(proc.host);
            self.long.hosts[at].handle_packet(&mut cx, packet.clone());
            if is_short {
                let (sent, ends) = &mut self.places[proc.host];
                landing = self.short.hosts[at].take_packet_short(cx.now, sent, ends, Some(cx.now), &mut self.ways);
                if landing == Landing::Unheard {
                    landing = self.short.hosts[at].take_unheard(cx.now, sent, ends);
                }
            }
            if landing == Landing::Long {
                self.short.hosts[at].handle_packet(&mut cx, packet);
            }
        }
        self.short.deliver();
        self.long.deliver();
        match landing {
            Landing::Long | Landing::Unheard | Landing::Done | Landing::Quiet { .. } => {}
            Landing::Kept => self.taken.kept += 1,
            Landing::Wakes { .. } => self.taken.woken += 1,
            Landing::Ends { .. } => self.taken.ended += 1,
        }
        if let Some(waiting) = waits {
            self.end(waiting, landing, proc.host);
        }
    }

    /// A receive begins to wait on both, if there is nothing to receive.
    fn wait(&mut self, proc: Proc, fd: RawFd, room: usize, name_room: Option<i32>) -> Option<Waiting> {
        let mut buffers = Buffers::new(room, name_room);
        let Progress::Parked(op) = self.long.begin(proc, WAITER, &mut buffers.call(fd)) else {
            let found = buffers.found(room);
            let mut buffers = Buffers::new(room, name_room);
            let Progress::Done(_) = self.short.begin(proc, WAITER, &mut buffers.call(fd)) else {
                panic!("there is nothing on the short way")
            };
            assert_eq!(buffers.found(room), found);
            return None;
        };
        let mut buffers = Buffers::new(room, name_room);
        let Buffers { into, name, len, .. } = &mut buffers;
        let mut name = Name { bytes: name, len };
        let who = (proc.pid, &mut self.recents[proc.host]);
        let host = &mut self.short.hosts[proc.host];
        let asked = if name_room.is_some() { Asked::Sender(&mut name) } else { Asked::Nothing };
        let short = match host.recv_dgram_short(who, Token(WAITER), fd, into, 0, asked) {
            Short::Waits(quiet) => Quietly::Quiet(quiet),
            Short::Done(_) => panic!("there is something on the short way"),
            Short::Long => match self.short.begin(proc, WAITER, &mut buffers.call(fd)) {
                Progress::Parked(op) => Quietly::Op(op),
                Progress::Done(_) => panic!("there is something on the short way"),
            },
        };
        Some(Waiting { proc, fd, room, name_room, op, short })
    }

    /// A receive that has waited goes on or, if nothing has come for it, is interrupted: what it gives is the same on both.
    fn end(&mut self, waiting: Waiting, landing: Landing, from: usize) {
        let Waiting { proc, fd, room, name_room, op, short } = waiting;
        let mut expected = Buffers::new(room, name_room);
        let woken = self.long.wakes(proc);
        let long = if woken.is_empty() {
            self.long.enter(proc.host, |host, cx| host.interrupt(cx, op))
        } else {
            self.long.resume(proc, op, expected.call(fd))
        };
        let mut buffers = Buffers::new(room, name_room);
        let result = match (landing, short) {
            (Landing::Ends { waiter, received, .. }, _) => {
                let received = crate::slab::to_usize(received);
                assert_eq!((vec![waiter.0], Vec::new()), (woken, self.short.wakes(proc)));
                let (packet, _) = &self.places[from];
                let Body::Udp(datagram) = &packet.body else { panic!("a datagram has ended the receive") };
                buffers.into[..received].copy_from_slice(datagram.payload.as_slice());
                let mut name = Name { bytes: &mut buffers.name, len: &mut buffers.len };
                assert!(name_room.is_none() || store_inet_name(packet.src, datagram.src_port, &mut name));
                Ok(received)
            }
            (landing, short) => {
                let mut short_woken = self.short.wakes(proc);
                if let Landing::Wakes { waiter, .. } = landing {
                    short_woken.insert(0, waiter.0);
                }
                assert_eq!(short_woken, woken);
                let op = match short {
                    Quietly::Quiet(quiet) => self.short.hosts[proc.host].take_up(quiet),
                    Quietly::Op(op) => op,
                };
                if woken.is_empty() {
                    self.short.enter(proc.host, |host, cx| host.interrupt(cx, op))
                } else {
                    self.short.resume(proc, op, buffers.call(fd))
                }
            }
        };
        assert_eq!((result, buffers.found(room)), (long, expected.found(room)));
    }

    /// What the kernel says of a socket's memory is the same on both.
    fn compare(&mut self, proc: Proc, fd: RawFd) {
        self.both(|net| {
            let (mut value, mut len) = ([0; 36], 36);
            net.call(proc, Call::Getsockopt { fd, level: c::SOL_SOCKET, name: c::SO_MEMINFO, value: &mut value, len: &mut len })
                .map(|_| value)
        })
        .unwrap();
        self.both(|net| net.poll(proc, fd));
    }

    /// Answers whether there was something.
    fn recv(&mut self, proc: Proc, fd: RawFd, room: usize) -> bool {
        let expected = Twins::recv_long(&mut self.long, proc, fd, room);
        let (mut into, mut bytes, mut len) = (vec![0; room], [0; 128], 128);
        let recent = &mut self.recents[proc.host];
        let who = (proc.pid, recent);
        let mut name = Name { bytes: &mut bytes, len: &mut len };
        let asked = Asked::Sender(&mut name);
        let found = match self.short.hosts[proc.host].recv_dgram_short(who, Token(0), fd, &mut into, c::MSG_DONTWAIT, asked) {
            Short::Done(count) => {
                self.taken.received += 1;
                into.truncate(count);
                Ok((into, bytes[..usize::try_from(len).unwrap()].to_vec()))
            }
            Short::Long => Twins::recv_long(&mut self.short, proc, fd, room),
            Short::Waits(_) => panic!("the call may not wait"),
        };
        assert_eq!(found, expected);
        found.is_ok()
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

/// The token of a receive that waits.
const WAITER: u64 = 7;

/// A receive that waits on both ways.
struct Waiting {
    proc: Proc,
    fd: RawFd,
    room: usize,
    name_room: Option<i32>,
    op: Op,
    short: Quietly,
}

/// How it waits where the short way is open.
enum Quietly {
    Quiet(QuietCall),
    Op(Op),
}

/// What a receive writes to, with room for so much of a name, as it is told, if it asks for one.
struct Buffers {
    into: Vec<u8>,
    asks_name: bool,
    name: [u8; 128],
    len: i32,
}

impl Buffers {
    fn new(room: usize, name_room: Option<i32>) -> Buffers {
        Buffers { into: vec![0; room], asks_name: name_room.is_some(), name: [0; 128], len: name_room.unwrap_or(0) }
    }

    fn call(&mut self, fd: RawFd) -> Call<'_, '_> {
        let name = self.asks_name.then_some(Name { bytes: &mut self.name, len: &mut self.len });
        Call::Recvfrom { fd, into: &mut self.into, flags: 0, name }
    }

    fn found(self, room: usize) -> (Vec<u8>, [u8; 128], i32) {
        assert_eq!(self.into.len(), room);
        (self.into, self.name, self.len)
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

fn converse(seed: u64) -> Taken {
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
        match below(50) {
            0..=5 | 30..=49 => twins.send(client, fd, data, 0, Some(place), None),
            6..=9 => {
                let which = if below(4) == 0 { below(2) } else { usize::from(place == PLACES[1]) };
                let (far, room) = (far[which], [200, 64, 1, 0][below(4)]);
                let name_room = [None, None, Some(128), Some(16), Some(15), Some(129), Some(-1)][below(7)];
                while twins.recv(server, far, 64) {}
                let waiting = twins.wait(server, far, room, name_room);
                twins.send(client, fd, data, 0, Some(place), waiting);
                if below(2) == 0 {
                    twins.compare(server, far);
                }
            }
            10..=14 => twins.send(client, fd, data, c::MSG_DONTWAIT, None, None),
            15 => twins.send(client, fd, data, 0, Some(""), None),
            16 => twins.send(client, fd, data, c::MSG_MORE, Some(place), None),
            17..=20 => drop(twins.recv(server, far[below(2)], [200, 64, 0][below(3)])),
            21 => drop(twins.recv(client, fd, 64)),
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
    twins.taken
}

#[test]
fn the_short_way_sends_and_receives_what_the_long_one_does() {
    let mut all = Taken::default();
    for seed in 0..400 {
        let Taken { sent, sent_again, received, ended, woken, kept } = converse(seed);
        all.sent += sent;
        all.sent_again += sent_again;
        all.received += received;
        all.ended += ended;
        all.woken += woken;
        all.kept += kept;
    }
    let Taken { sent, sent_again, received, ended, woken, kept } = all;
    let calls = format!("{sent} sends, {sent_again} as before, {received} receives");
    assert!(sent > 1000 && sent_again > 300 && received > 1000, "the short way is gone: {calls}");
    assert!(ended > 50 && woken > 50 && kept > 1000, "the short arrival is gone: {ended} ended, {woken} woken, {kept} kept");
}
