//! Random sizes, losses, delays: the bytes arrive intact and both ends close.

use super::*;
use twinsock::{Errno, Shutdown};

/// Knuth's linear congruential generator.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn len(&mut self, n: u64) -> usize {
        usize::try_from(self.below(n)).expect("small")
    }
}

/// The byte at `at` of a stream that never repeats itself soon.
fn byte(at: usize, salt: usize) -> u8 {
    u8::try_from((at.wrapping_mul(2_654_435_761) >> 7).wrapping_add(salt) % 251).expect("less than 251")
}

/// One direction of a conversation.
struct Stream {
    from: Side,
    to: Side,
    total: usize,
    sent: usize,
    got: usize,
    ended: bool,
}

impl Stream {
    fn new(from: Side, to: Side, total: usize) -> Stream {
        Stream { from, to, total, sent: 0, got: 0, ended: false }
    }

    /// Sends and reads some. True if anything happened.
    fn turn(&mut self, pair: &mut Pair, luck: &mut Lcg) -> bool {
        let before = (self.sent, self.got, self.ended);
        let salt = usize::from(self.from == Side::A);
        if self.sent < self.total {
            let most = [20, 200, 3000, 100_000][luck.len(4)];
            let len = (1 + luck.len(most)).min(self.total - self.sent);
            let data: Vec<u8> = (self.sent..self.sent + len).map(|at| byte(at, salt)).collect();
            let more = SendFlags { more: luck.below(8) == 0, oob: false, eor: luck.below(8) == 1 };
            match pair.send_now(self.from, &data, more) {
                Ok(taken) => self.sent += taken,
                Err(errno) => assert_eq!(errno, Errno::AGAIN),
            }
            if self.sent == self.total {
                let now = pair.now;
                pair.end(self.from).tcb.shutdown(now, Shutdown::Write).expect("connected");
                pair.pump();
            }
        }
        if luck.below(3) > 0 && !self.ended {
            let most = [10, 1000, 200_000][luck.len(3)];
            let len = 1 + luck.len(most);
            match pair.recv_now(self.to, len) {
                Ok(data) if data.is_empty() => {
                    assert_eq!(self.got, self.total, "the stream ends where its sender ended it");
                    self.ended = true;
                }
                Ok(data) => {
                    for (at, got) in data.iter().enumerate() {
                        assert_eq!(*got, byte(self.got + at, salt), "byte {} of {}", self.got + at, self.total);
                    }
                    self.got += data.len();
                }
                Err(errno) => assert_eq!(errno, Errno::AGAIN),
            }
        }
        before != (self.sent, self.got, self.ended)
    }
}

impl Pair {
    fn send_now(&mut self, side: Side, data: &[u8], flags: SendFlags) -> Result<usize> {
        let now = self.now;
        let sent = self.end(side).tcb.send(now, &[IoSlice::new(data)], 0, flags);
        self.pump();
        sent
    }

    fn recv_now(&mut self, side: Side, len: usize) -> Result<Vec<u8>> {
        let now = self.now;
        let mut into = vec![0; len];
        let got = self.end(side).tcb.recv(now, &mut [IoSliceMut::new(&mut into)], 0, RecvFlags::default());
        self.pump();
        into.truncate(got?);
        Ok(into)
    }
}

/// Runs one conversation; the ends' settings and the wire's faults come from the seed.
fn converse(seed: u64) {
    let mut luck = Lcg(seed);
    for _ in 0..3 {
        luck.below(2);
    }
    let mss = [536, 1460, 8960, 65_495][luck.len(4)];
    let mut config = Config { mss_bytes: mss, ..Config::default() };
    config.sysctl.tcp_timestamps = luck.below(4) > 0;
    config.sysctl.tcp_window_scaling = luck.below(4) > 0;
    let mut pair = Pair::with(config.clone(), config);
    pair.latency = Duration::from_micros(luck.below(3) * 700);
    pair.cuts_frames = luck.below(2) == 0;
    let (loss, delay) = (luck.below(12), luck.below(4));
    let mut wire = Lcg(seed ^ 0xabcd);
    pair.rule(move |_, _| {
        if wire.below(100) < loss {
            Fate::Drop
        } else if delay > 0 && wire.below(5) == 0 {
            Fate::Delay(Duration::from_micros(wire.below(3000)))
        } else {
            Fate::Deliver
        }
    });
    pair.dial();
    while pair.states() != (State::Established, State::Established) {
        assert!(pair.step(), "seed {seed}: the handshake hangs");
    }
    if luck.below(2) == 0 {
        let bytes = [4608, 20_000, 300_000][luck.len(3)];
        pair.a.tcb.set_sndbuf(bytes);
        pair.b.tcb.set_rcvbuf(bytes / 2);
    }
    pair.a.tcb.set_nodelay(luck.below(2) == 0);
    let mut streams =
        [Stream::new(Side::A, Side::B, 1 + luck.len(400_000)), Stream::new(Side::B, Side::A, 1 + luck.len(100_000))];
    let mut idle = 0;
    while !streams.iter().all(|stream| stream.ended) {
        let mut busy = false;
        for stream in &mut streams {
            busy |= stream.turn(&mut pair, &mut luck);
        }
        idle = if busy { 0 } else { idle + 1 };
        pair.step();
        assert!(idle < 3000, "seed {seed}: stuck at {:?}", streams.iter().map(|s| (s.sent, s.got, s.total)).collect::<Vec<_>>());
    }
    pair.close(Side::A);
    pair.close(Side::B);
    pair.heal();
    pair.pass(Duration::from_secs(130));
    assert!(pair.a.tcb.is_gone() && pair.b.tcb.is_gone(), "seed {seed}: {:?}", pair.states());
    assert_eq!((pair.a.tcb.error(), pair.b.tcb.error()), (None, None), "seed {seed}");
}

#[test]
fn no_byte_is_lost_or_made_up() {
    for seed in 0..60 {
        converse(seed);
    }
}
