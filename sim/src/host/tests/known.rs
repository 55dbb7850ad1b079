//! Segments on the short way of arrivals and on the full one, beside each other: the same calls on two pairs of hosts, packet by packet.

use super::*;
use crate::host::{Ends, Landing};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Two pairs of hosts that are the same: in one, segments take the short way wherever it is open.
struct Twins {
    short: Net,
    long: Net,
    procs: [Proc; 2],
    rng: ChaCha8Rng,
    /// How many connections have been calm.
    calms: u64,
    /// How many segments took the short way.
    taken: u32,
}

impl Twins {
    fn new(seed: u64) -> Twins {
        let ((short, server, client), (long, ..)) = (Net::two(), Net::two());
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Twins { short, long, procs: [server, client], rng, calms: 0, taken: 0 }
    }

    fn below(&mut self, n: u32) -> u32 {
        self.rng.next_u32() % n
    }

    /// Something done on both alike, which comes to the same, and what it leads to.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, at: usize, act: impl Fn(&mut Host, &mut Cx<'_>) -> T) -> T {
        let now = self.long.now;
        let long = act(&mut self.long.hosts[at], &mut Cx { now, luck: &mut Boring });
        let short = act(&mut self.short.hosts[at], &mut Cx { now, luck: &mut Boring });
        assert_eq!(long, short);
        self.deliver();
        long
    }

    fn call<'a>(&mut self, proc: Proc, make: impl Fn() -> Call<'a, 'a>) -> Result<usize> {
        self.both(proc.host, |host, cx| done(host.begin(cx, proc.pid, Token(0), &mut make())))
    }

    fn recv(&mut self, proc: Proc, fd: RawFd) {
        self.both(proc.host, |host, cx| {
            let mut into = [0; 2000];
            let call = &mut Call::Recvfrom { fd, into: &mut into, flags: 0, name: None };
            let result = done(host.begin(cx, proc.pid, Token(0), call));
            result.map(|count| into[..count].to_vec())
        })
        .ok();
    }

    /// Passes packets until nobody has any to send; one in sixteen is lost.
    fn deliver(&mut self) {
        let now = self.long.now;
        let mut luck = Boring;
        let mut cx = Cx { now, luck: &mut luck };
        loop {
            let long = self.long.hosts.iter_mut().find_map(|host| host.poll_transmit(&mut cx));
            let (mut packet, mut ends) = (Packet::EMPTY, Ends::UNKNOWN);
            let is_short = self.short.hosts.iter_mut().any(|host| host.transmit_into(now, &mut packet, &mut ends));
            assert_eq!(long.as_ref(), is_short.then_some(&packet));
            let Some(long) = long else { break };
            let to = self.long.hosts.iter().position(|host| host.owns(long.dst)).expect("it is for one of both");
            if self.rng.next_u32().is_multiple_of(16) {
                continue;
            }
            self.long.hosts[to].handle_packet(&mut cx, long);
            let host = &mut self.short.hosts[to];
            match host.take_packet_short(now, &mut packet, &mut ends, None, &mut self.calms) {
                Landing::Long | Landing::Unheard => host.take_packet(&mut cx, &mut packet, ends),
                Landing::Done | Landing::Kept | Landing::Quiet { .. } | Landing::Wakes { .. } => self.taken += 1,
                Landing::Ends { .. } => panic!("no receive waits"),
            }
        }
        for host in 0..2 {
            assert_eq!(self.long.netstat(host), self.short.netstat(host));
        }
    }

    /// Lets time pass on both.
    fn advance(&mut self, duration: Duration) {
        let end = self.long.now + duration;
        loop {
            let next = |net: &Net| net.hosts.iter().filter_map(Host::poll_timeout).min();
            assert_eq!(next(&self.long), next(&self.short));
            let now = next(&self.long).filter(|next| *next <= end).map_or(end, |next| next.max(self.long.now));
            for net in [&mut self.long, &mut self.short] {
                net.now = now;
                net.hosts.iter_mut().for_each(|host| host.handle_timeout(&mut Cx { now, luck: &mut Boring }));
            }
            self.deliver();
            if now == end {
                return;
            }
        }
    }

    /// A conversation of a few connections that come and go.
    fn talk(&mut self) {
        let kind = c::SOCK_STREAM | c::SOCK_NONBLOCK;
        let [server, client] = self.procs;
        let server_addr = sockaddr(SERVER);
        let listener = fd(self.call(server, || Call::Socket { domain: c::AF_INET, kind, protocol: 0 }));
        self.call(server, || Call::Bind { fd: listener, addr: server_addr.as_bytes() }).expect("nobody has it");
        self.call(server, || Call::Listen { fd: listener, backlog: 3 }).expect("it is bound");
        let mut open: Vec<(Proc, RawFd)> = Vec::new();
        for _ in 0..400 {
            let which = self.below(8).min(u32::try_from(open.len()).expect("few are open"));
            let some = open.get(usize::try_from(which).expect("a small number")).copied();
            match (self.below(12), some) {
                (0, _) => {
                    let new = fd(self.call(client, || Call::Socket { domain: c::AF_INET, kind, protocol: 0 }));
                    assert_eq!(
                        self.call(client, || Call::Connect { fd: new, addr: server_addr.as_bytes() }),
                        Err(Errno::INPROGRESS)
                    );
                    open.push((client, new));
                }
                (1 | 2, _) => {
                    let accepted = self.call(server, || Call::Accept4 { fd: listener, name: None, flags: c::SOCK_NONBLOCK });
                    open.extend(accepted.ok().map(|new| (server, fd(Ok(new)))));
                }
                (3..=5, Some((proc, fd))) => {
                    let (len, much) = (self.below(40), self.below(8) == 0);
                    let first = u8::try_from(self.below(256)).expect("a byte");
                    let data: Vec<u8> =
                        (0..if much { len * 100 } else { len }).map(|at| first.wrapping_add(at.to_le_bytes()[0])).collect();
                    self.call(proc, || Call::Sendto { fd, data: &data, flags: c::MSG_NOSIGNAL, addr: None }).ok();
                }
                (6..=8, Some((proc, fd))) => self.recv(proc, fd),
                (9, Some((proc, fd))) => {
                    let how = i32::try_from(self.below(3)).expect("a small number");
                    self.call(proc, || Call::Shutdown { fd, how }).ok();
                }
                (10, Some((proc, fd))) => {
                    self.call(proc, || Call::Close { fd }).expect("it is open");
                    open.retain(|one| *one != (proc, fd));
                }
                _ => {
                    let nanos = 1_u64 << self.below(34);
                    self.advance(Duration::from_nanos(nanos));
                }
            }
        }
    }
}

/// The answer of a call that does not wait.
fn done(progress: Progress) -> Result<usize> {
    match progress {
        Progress::Done(result) => result,
        Progress::Parked(op) => panic!("nobody waits here, but {}", op.what()),
    }
}

#[test]
fn a_segment_does_the_same_on_the_short_way_as_on_the_full_one() {
    let mut taken = 0;
    for seed in 0..40 {
        let mut twins = Twins::new(seed);
        twins.talk();
        taken += twins.taken;
    }
    assert!(taken > 4000, "the short way is taken: {taken}");
}
