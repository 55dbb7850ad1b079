//! Random calls, losses, signals and deaths: nothing panics, and nothing is left when everybody is gone.

use super::*;
use twinsock::raw::{EpollEvent, FdSet, SendHdr};

/// A small generator, so that a failure is a number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn int(&mut self, sides: u64) -> i32 {
        i32::try_from(self.roll(sides)).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(u64::try_from(from.len()).unwrap())).unwrap()]
    }
}

const ADDRS: [&str; 9] = [
    "10.0.0.1:80",
    "10.0.0.2:80",
    "127.0.0.1:80",
    "0.0.0.0:80",
    "0.0.0.0:0",
    "10.0.0.9:80",
    "[::]:80",
    "[fd00::1]:80",
    "[::ffff:10.0.0.1]:80",
];

/// The arguments of a call, owned, so that it can be resumed.
struct Asked {
    kind: u64,
    fd: RawFd,
    other: RawFd,
    number: i32,
    option: i32,
    flags: i32,
    addr: Vec<u8>,
    buffer: Vec<u8>,
    second: [RawFd; 2],
    len: i32,
    fds: Vec<PollFd>,
    sets: [FdSet; 3],
    events: Vec<EpollEvent>,
}

impl Asked {
    fn any(dice: &mut Dice) -> Asked {
        let fd = dice.int(12) - 1;
        let size = dice.pick(&[0, 1, 5, 300, 5000, 70_000]);
        let addr = match dice.roll(12) {
            0 => vec![0, 0],
            1 => vec![0; 16],
            2 => vec![2],
            3 => vec![9; 140],
            _ => sockaddr(dice.pick(&ADDRS)).as_bytes().to_vec(),
        };
        let mut sets = [FdSet::new(); 3];
        for _ in 0..3 {
            sets[usize::try_from(dice.roll(3)).unwrap()].insert(dice.int(12));
        }
        let fds = (0..dice.roll(4)).map(|_| PollFd { fd: dice.int(12) - 1, events: 0x7, revents: 0 }).collect();
        Asked {
            kind: dice.roll(44),
            fd,
            other: dice.int(12) - 1,
            number: dice.pick(&[-1, 0, 1, 2, 3, 5, 100, 1000, 70_000, i32::MAX, i32::MIN]),
            option: dice.int(80),
            flags: dice.pick(&[0, 0, 0, 0x40, 0x4000, 0x1, 0x2, 0x100, 0x102, 0x20, 0x8000, 0x2000, 0x22, 0x10_0000]),
            addr,
            buffer: vec![u8::try_from(dice.roll(256)).unwrap(); size],
            second: [0; 2],
            len: dice.pick(&[-1, 0, 1, 4, 8, 16, 28]),
            fds,
            sets,
            events: vec![EpollEvent::default(); usize::try_from(dice.roll(3)).unwrap()],
        }
    }

    fn call(&mut self) -> Call<'_, '_> {
        let (fd, number) = (self.fd, self.number);
        let level = [1, 6, 0, 41, 17][usize::try_from(self.flags & 3).unwrap() % 5];
        let [read, write, except] = &mut self.sets;
        match self.kind {
            0..=2 => Call::Socket { domain: if fd & 1 == 0 { 2 } else { 10 }, kind: 1 | (self.other & 1) << 11, protocol: 0 },
            3 => Call::Socket { domain: 2, kind: 2 | (self.other & 1) << 11, protocol: 0 },
            40 => Call::Socket { domain: number, kind: self.option, protocol: fd },
            41..=43 => Call::Sendto { fd, data: &self.buffer, flags: self.flags, addr: Some(&self.addr) },
            4..=5 => Call::Bind { fd, addr: &self.addr },
            6..=8 => Call::Listen { fd, backlog: number },
            9..=11 => Call::Accept4 { fd, name: None, flags: 0 },
            12..=15 => Call::Connect { fd, addr: &self.addr },
            16 => Call::Shutdown { fd, how: self.other },
            17..=19 => Call::Sendto { fd, data: &self.buffer, flags: self.flags, addr: None },
            20..=22 => Call::Recvfrom { fd, into: &mut self.buffer, flags: self.flags, name: None },
            23 => Call::Read { fd, into: &mut self.buffer },
            24 => Call::Write { fd, data: &self.buffer },
            25 => Call::Setsockopt { fd, level, name: self.option, value: &self.buffer[..self.buffer.len().min(16)] },
            26 => {
                Call::Setsockopt { fd, level: 1, name: 13, value: if number > 1 { &[1, 0, 0, 0, 2, 0, 0, 0] } else { &[0; 8] } }
            }
            27 => {
                let len = &mut self.len;
                Call::Getsockopt { fd, level, name: self.option, value: &mut self.buffer, len }
            }
            28 => {
                Call::Fcntl { fd, command: [0, 1, 2, 3, 4, 1030, 9][usize::try_from(self.option % 7).unwrap()], argument: number }
            }
            29 => Call::Ioctl {
                fd,
                request: [0x541B, 0x5421, 0x8905, 0x5411, 7][usize::try_from(self.option % 5).unwrap()],
                argument: &mut self.len,
            },
            30 => Call::Pipe2 { flags: self.flags & c::O_NONBLOCK, out: &mut self.second },
            31 => Call::Dup { fd },
            32 => Call::Dup3 { fd, new: self.other, flags: 0 },
            33..=34 => Call::Close { fd },
            35 => Call::Poll { fds: &mut self.fds, timeout: number.min(1000) },
            36 => {
                Call::Select { nfds: 12, sets: [Some(read), Some(write), Some(except)], timeout: Some(i64::from(number.max(0))) }
            }
            37 => Call::EpollCreate1 { flags: 0 },
            38 => Call::EpollCtl {
                epfd: fd,
                op: self.option % 4,
                fd: self.other,
                event: Some(EpollEvent { events: 0x5 | (number & 1).cast_unsigned() << 31, data: 7 }),
            },
            _ => Call::EpollWait { epfd: fd, events: &mut self.events, timeout: number.min(1000) },
        }
    }
}

/// A connection between two processes, if nothing stands in its way: random calls alone hardly ever make one.
fn pair(net: &mut Net, near: Proc, far: Proc) -> Result<()> {
    let kind = c::SOCK_STREAM | c::SOCK_NONBLOCK;
    let socket = |net: &mut Net, proc| net.call(proc, Call::Socket { domain: c::AF_INET, kind, protocol: 0 });
    let listener = RawFd::try_from(socket(net, far)?).unwrap();
    net.listen(far, listener, 1)?;
    let addr = format!("{}:{}", ["10.0.0.1", "10.0.0.2"][far.host], net.port(far, listener));
    let fd = RawFd::try_from(socket(net, near)?).unwrap();
    net.call(near, Call::Connect { fd, addr: sockaddr(&addr).as_bytes() }).ok();
    let accepted = net.accept(far, listener).map(|fd| RawFd::try_from(fd).unwrap());
    net.close(far, listener)?;
    for (proc, fd) in [(near, Ok(fd)), (far, accepted)] {
        net.call(proc, Call::Fcntl { fd: fd?, command: c::F_SETFL, argument: 0 })?;
    }
    Ok(())
}

fn run(seed: u64) {
    let (mut net, server, client) = Net::two();
    let mut dice = Dice(seed);
    let mut procs = vec![server, client, net.spawn(0), net.spawn(1)];
    let mut parked: Vec<(Proc, Op, Asked)> = Vec::new();
    for step in 0..600 {
        net.loses = if dice.roll(10) == 0 { |_| true } else { |_| false };
        let proc = dice.pick(&procs);
        if dice.roll(15) == 0 {
            pair(&mut net, proc, dice.pick(&procs)).ok();
        }
        let mut asked = Asked::any(&mut dice);
        if let Progress::Parked(op) = net.begin(proc, step, &mut asked.call()) {
            parked.push((proc, op, asked));
        }
        while parked.len() > 6 || (!parked.is_empty() && dice.roll(4) == 0) {
            let at = usize::try_from(dice.roll(u64::try_from(parked.len()).unwrap())).unwrap();
            let (proc, op, mut asked) = parked.swap_remove(at);
            assert!(!net.hosts[proc.host].describe(&op).is_empty());
            if dice.roll(3) == 0 {
                net.now = op.deadline().filter(|at| at.since(net.now) < Duration::from_secs(9)).unwrap_or(net.now).max(net.now);
                net.advance(Duration::ZERO);
                let mut call = asked.call();
                if let Progress::Parked(op) = net.enter(proc.host, |host, cx| host.resume(cx, op, &mut call)) {
                    parked.push((proc, op, asked));
                }
            } else {
                net.enter(proc.host, |host, cx| host.interrupt(cx, op)).ok();
            }
        }
        net.wakes(server);
        net.wakes(client);
        if step % 64 == 0 {
            net.hosts.iter_mut().for_each(super::folded::fold_all);
        }
        if dice.roll(20) == 0 {
            net.advance(Duration::from_millis(dice.roll(3000)));
        }
        if dice.roll(200) == 0 {
            let victim = usize::try_from(dice.roll(4)).unwrap();
            let (host, pid) = (procs[victim].host, procs[victim].pid);
            match dice.roll(2) {
                0 => while net.enter(host, |host, cx| host.exit_process(cx, pid)) {},
                _ => net.enter(host, |host, _| host.kill_silently(pid)),
            }
            procs[victim] = net.spawn(host);
        }
        assert!(net.netstat(0).len() < 10_000);
    }
    net.loses = |_| false;
    for (proc, op, _) in parked {
        net.enter(proc.host, |host, cx| host.interrupt(cx, op)).ok();
    }
    for proc in procs {
        while net.enter(proc.host, |host, cx| host.exit_process(cx, proc.pid)) {}
    }
    net.advance(Duration::from_secs(2000));
    for host in &net.hosts {
        let left: Vec<String> = host.netstat(net.now).iter().map(ToString::to_string).collect();
        assert!(left.is_empty(), "seed {seed} leaves {left:#?}");
        assert!(host.sockets.iter().next().is_none() && host.files.iter().next().is_none(), "seed {seed}");
        assert!(host.pipes.iter().next().is_none() && host.epolls.iter().next().is_none(), "seed {seed}");
        assert_eq!(host.poll_timeout(), None, "seed {seed}");
    }
    let hdr = SendHdr { name: None, iov: &[], control: &[] };
    assert_eq!(net.call(server, Call::Sendmsg { fd: 0, hdr: &hdr, flags: 0 }), Err(Errno::BADF));
}

#[test]
fn random_calls_never_panic_and_leave_nothing() {
    for seed in 0..300 {
        run(seed);
    }
}
