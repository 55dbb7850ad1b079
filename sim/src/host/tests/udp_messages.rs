//! Receives that ask for more than data, `recvmsg(2)` and names of IPv6: the short way and the long one, beside each other.

use super::*;
use crate::host::{Asked, Recent, RecvRef, Short};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::io::IoSliceMut;

/// A receive: what there is room for, and its flags.
#[derive(Clone, Copy, Debug)]
struct Receive {
    fd: RawFd,
    room: usize,
    /// What is told of the room for a name.
    name_room: i32,
    flags: i32,
    is_message: bool,
}

/// What it gives.
#[derive(PartialEq, Eq, Debug)]
struct Given {
    result: Result<usize>,
    into: Vec<u8>,
    name: [u8; 128],
    name_len: i32,
    control: [u8; 128],
    control_len: usize,
    flags: i32,
}

impl Receive {
    fn nothing(self) -> Given {
        let into = vec![0; self.room];
        Given { result: Ok(0), into, name: [0; 128], name_len: self.name_room, control: [0; 128], control_len: 0, flags: 0 }
    }

    /// Makes the call, or goes on with it.
    fn long(self, given: &mut Given, make: impl FnOnce(&mut Call<'_, '_>) -> Progress) -> Option<Op> {
        let Receive { fd, flags, .. } = self;
        let Given { into, name, name_len, control, control_len, .. } = given;
        let progress = if self.is_message {
            let room = usize::try_from(self.name_room).unwrap_or(0);
            let mut len = 0;
            let (iov, told) = (&mut [IoSliceMut::new(into)], &mut given.flags);
            let hdr = RecvRef { name: &mut name[..room], name_len: &mut len, iov, control, control_len, flags: told };
            let progress = make(&mut Call::Recvmsg { fd, hdr, flags });
            *name_len = i32::try_from(len).unwrap();
            progress
        } else {
            make(&mut Call::Recvfrom { fd, into, flags, name: Some(Name { bytes: name, len: name_len }) })
        };
        match progress {
            Progress::Done(result) => {
                given.result = result;
                None
            }
            Progress::Parked(op) => Some(op),
        }
    }

    /// The same on the short way: `make` makes it, and answers what it gave.
    fn short<T>(self, given: &mut Given, make: impl FnOnce(&mut [u8], Asked<'_, '_>) -> (T, Option<usize>)) -> T {
        let room = usize::try_from(self.name_room).unwrap_or(0).min(128);
        let bytes = if self.is_message { &mut given.name[..room] } else { &mut given.name[..] };
        let mut name = Name { bytes, len: &mut given.name_len };
        let asked = if self.is_message { Asked::All(&mut name) } else { Asked::Sender(&mut name) };
        let (made, received) = make(&mut given.into, asked);
        if let Some(received) = received {
            given.result = Ok(received);
            given.flags = if self.is_message { self.flags & c::MSG_CMSG_CLOEXEC } else { 0 };
        }
        made
    }
}

/// How many receives went the short way: found something, waited, and went on.
#[derive(Default)]
struct Taken {
    found: u32,
    waited: u32,
    gone_on: u32,
}

struct Twins {
    short: Net,
    long: Net,
    server: Proc,
    client: Proc,
    recent: Recent,
    taken: Taken,
}

impl Twins {
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Net) -> T) -> T {
        let (short, long) = (act(&mut self.short), act(&mut self.long));
        assert_eq!(short, long);
        long
    }

    fn send(&mut self, fd: RawFd, len: usize, addr: &str) {
        let client = self.client;
        self.both(|net| net.send_to(client, fd, &[7; 300][..len], addr)).unwrap();
    }

    fn set(&mut self, fd: RawFd, (level, name): (i32, i32), value: i32) {
        let (server, value) = (self.server, value.to_ne_bytes());
        self.both(|net| net.call(server, Call::Setsockopt { fd, level, name, value: &value })).unwrap();
    }

    /// A receive on both; where it waits, `meanwhile` sends something to it.
    fn receive(&mut self, receive: Receive, meanwhile: impl FnOnce(&mut Twins)) {
        let server = self.server;
        let mut expected = receive.nothing();
        let waits = receive.long(&mut expected, |call| self.long.begin(server, WAITER, call));
        let mut given = receive.nothing();
        let (host, recent) = (&mut self.short.hosts[server.host], &mut self.recent);
        let short = receive.short(&mut given, |into, asked| {
            let short = host.recv_dgram_short((server.pid, recent), Token(WAITER), receive.fd, into, receive.flags, asked);
            let received = if let Short::Done(received) = short { Some(received) } else { None };
            (short, received)
        });
        let (short_waits, quiet) = match short {
            Short::Done(_) => {
                self.taken.found += 1;
                (None, None)
            }
            Short::Waits(quiet) => {
                self.taken.waited += 1;
                (None, Some(quiet))
            }
            Short::Long => (receive.long(&mut given, |call| self.short.begin(server, WAITER, call)), None),
        };
        assert_eq!(waits.is_some(), short_waits.is_some() || quiet.is_some(), "{receive:?}");
        let Some(op) = waits else { return assert_eq!(given, expected, "{receive:?}") };
        meanwhile(self);
        assert_eq!(self.both(|net| net.wakes(server)), [WAITER]);
        let on = receive.long(&mut expected, |call| self.long.enter(server.host, |host, cx| host.resume(cx, op, call)));
        assert!(on.is_none(), "it has something to give");
        let host = &mut self.short.hosts[server.host];
        let went_on = quiet.as_ref().is_some_and(|quiet| {
            receive.short(&mut given, |into, asked| {
                let received = host.resume_dgram_short(quiet, into, asked);
                (received.is_some(), received)
            })
        });
        self.taken.gone_on += u32::from(went_on);
        if !went_on {
            let op = quiet.map(|quiet| host.take_up(quiet)).or(short_waits).expect("it waits one way or the other");
            let on = receive.long(&mut given, |call| self.short.enter(server.host, |host, cx| host.resume(cx, op, call)));
            assert!(on.is_none(), "it has something to give");
        }
        assert_eq!(given, expected, "{receive:?}");
    }
}

const WAITER: u64 = 7;

/// Options with which control messages come.
const OPTIONS: [(i32, i32); 4] = [
    (c::SOL_SOCKET, c::SO_TIMESTAMP),
    (c::SOL_SOCKET, c::SO_TIMESTAMPING),
    (c::SOL_SOCKET, c::SO_RXQ_OVFL),
    (c::SOL_IP, c::IP_RECVTTL),
];

fn converse(seed: u64) -> Taken {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = move |n: u32| usize::try_from(rng.next_u32() % n).unwrap();
    let ((short, server, client), (long, ..)) = (Net::two(), Net::two());
    let mut twins = Twins { short, long, server, client, recent: Recent::default(), taken: Taken::default() };
    let far = ["0.0.0.0:53", "[::]:55"].map(|addr| twins.both(|net| net.udp_at(server, addr)));
    let near = [c::AF_INET, c::AF_INET6].map(|domain| twins.both(|net| net.udp_of(client, domain)));
    for _ in 0..60 {
        let which = below(2);
        let (from, to) = [(near[0], "10.0.0.1:53"), (near[below(2)], "10.0.0.1:55")][which];
        let (from, to) = if from == near[1] { (from, "[fd00::1]:55") } else { (from, to) };
        let len = [0, 1, 64, 64, 64, 100, 300][below(7)];
        if below(3) == 0 {
            twins.send(from, len, to);
        }
        if below(40) == 0 {
            twins.set(far[which], OPTIONS[below(4)], [0x18, 0][below(2)]);
        }
        let is_message = below(3) > 0;
        let rooms: &[i32] = if is_message { &[0, 15, 16, 28, 128, 128, 128] } else { &[0, 16, 27, 28, 128, 128, -1] };
        let receive = Receive {
            fd: far[which],
            room: [0, 64, 64, 64, 100, 300][below(6)],
            name_room: rooms[below(7)],
            flags: [0, 0, c::MSG_CMSG_CLOEXEC, c::MSG_CMSG_CLOEXEC, c::MSG_TRUNC][below(5)],
            is_message,
        };
        let is_changed = below(8) == 0;
        twins.receive(receive, |twins| {
            if is_changed {
                twins.set(receive.fd, OPTIONS[0], 1);
            }
            twins.send(from, len, to);
        });
    }
    twins.taken
}

#[test]
fn a_receive_that_asks_for_more_gives_the_same_on_both_ways() {
    let mut all = Taken::default();
    for seed in 0..100 {
        let Taken { found, waited, gone_on } = converse(seed);
        all.found += found;
        all.waited += waited;
        all.gone_on += gone_on;
    }
    let Taken { found, waited, gone_on } = all;
    assert!(
        found > 100 && waited > 500 && gone_on > 200,
        "the short way is gone: {found} found, {waited} waited, {gone_on} went on"
    );
}
