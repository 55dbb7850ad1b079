//! Random calls on local sockets by several processes of a host, with descriptors in flight, signals and deaths: nothing panics, and nothing
//! is left when everybody is gone.

use super::local::local;
use super::local_rights::rights;
use super::*;
use std::io::{IoSlice, IoSliceMut};
use twinsock::raw::{EpollEvent, RecvHdr, SendHdr};

/// A small generator, so that a failure is a number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn fd(&mut self) -> RawFd {
        RawFd::try_from(self.roll(10)).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// The arguments of a call, owned, so that it can be resumed.
struct Asked {
    kind: usize,
    fd: RawFd,
    other: RawFd,
    flags: i32,
    addr: Vec<u8>,
    buffer: Vec<u8>,
    control: Vec<u8>,
    out: [RawFd; 2],
    option: i32,
}

impl Asked {
    fn any(dice: &mut Dice) -> Asked {
        let name = dice.pick(&["@a", "@b", "/tmp/a", "/tmp/b", "", "/nowhere/a"]);
        let control = match dice.roll(3) {
            0 => rights(&[dice.fd(), dice.fd()]),
            1 => rights(&[dice.fd()]),
            _ => vec![0; dice.roll(40)],
        };
        Asked {
            kind: dice.roll(30),
            fd: dice.fd(),
            other: dice.fd(),
            flags: dice.pick(&[0, 0, 0, c::MSG_DONTWAIT, c::MSG_PEEK, c::MSG_OOB, c::MSG_WAITALL, c::MSG_TRUNC]),
            addr: local(name).as_bytes().to_vec(),
            buffer: vec![7; dice.pick(&[0, 1, 30, 300, 5000, 150_000])],
            control,
            out: [-1; 2],
            option: dice.pick(&[c::SO_PASSCRED, c::SO_PASSRIGHTS, c::SO_PEEK_OFF, c::SO_SNDBUF, c::SO_OOBINLINE, c::SO_RCVLOWAT]),
        }
    }

    fn call<T>(&mut self, run: impl FnOnce(&mut Call<'_, '_>) -> T) -> T {
        let (fd, flags) = (self.fd, self.flags);
        let kind = [c::SOCK_STREAM, c::SOCK_STREAM, c::SOCK_DGRAM, c::SOCK_SEQPACKET][usize::try_from(self.other & 3).unwrap()];
        let number = (self.other - 1).to_ne_bytes();
        let mut call = match self.kind {
            0 => Call::Socket { domain: c::AF_UNIX, kind, protocol: 0 },
            1..=3 => Call::Socketpair { domain: c::AF_UNIX, kind, protocol: 0, out: &mut self.out },
            4..=5 => Call::Bind { fd, addr: &self.addr },
            6..=7 => Call::Listen { fd, backlog: self.other - 1 },
            8 => Call::Accept4 { fd, name: None, flags: 0 },
            9..=11 => Call::Connect { fd, addr: &self.addr },
            12..=13 => Call::Sendto { fd, data: &self.buffer, flags, addr: None },
            14 => Call::Sendto { fd, data: &self.buffer, flags, addr: Some(&self.addr) },
            15..=18 => {
                let iov = [IoSlice::new(&self.buffer)];
                let hdr = SendHdr { name: None, iov: &iov, control: &self.control };
                return run(&mut Call::Sendmsg { fd, hdr: &hdr, flags });
            }
            19..=20 => Call::Recvfrom { fd, into: &mut self.buffer, flags, name: None },
            21..=22 => {
                let mut iov = [IoSliceMut::new(&mut self.buffer)];
                let control = &mut self.control;
                let mut hdr = RecvHdr { name: &mut [], name_len: 0, iov: &mut iov, control, control_len: 0, flags: 0 };
                return run(&mut Call::Recvmsg { fd, hdr: (&mut hdr).into(), flags });
            }
            23 => Call::Shutdown { fd, how: self.other & 3 },
            24 => Call::Setsockopt { fd, level: c::SOL_SOCKET, name: self.option, value: &number },
            25 => Call::Dup { fd },
            26 => Call::EpollCreate1 { flags: 0 },
            27 => {
                let event = Some(EpollEvent { events: 5, data: 1 });
                Call::EpollCtl { epfd: fd, op: c::EPOLL_CTL_ADD, fd: self.other, event }
            }
            _ => Call::Close { fd },
        };
        run(&mut call)
    }
}

fn run(seed: u64) {
    let (mut net, first, _) = Net::two();
    let mut dice = Dice(seed);
    let mut procs = [first, net.spawn(0), net.spawn(0)];
    let mut parked: Vec<(Proc, Op, Asked)> = Vec::new();
    for step in 0..500 {
        let proc = dice.pick(&procs);
        let mut asked = Asked::any(&mut dice);
        if let Progress::Parked(op) = asked.call(|call| net.begin(proc, step, call)) {
            parked.push((proc, op, asked));
        }
        while parked.len() > 6 || (!parked.is_empty() && dice.roll(4) == 0) {
            let (proc, op, mut asked) = parked.swap_remove(dice.roll(parked.len()));
            assert!(!net.hosts[0].describe(&op).is_empty());
            if dice.roll(3) > 0 {
                let resumed = asked.call(|call| net.enter(0, |host, cx| host.resume(cx, op, call)));
                if let Progress::Parked(op) = resumed {
                    parked.push((proc, op, asked));
                }
            } else {
                net.enter(0, |host, cx| host.interrupt(cx, op)).ok();
            }
        }
        net.wakes(first);
        if dice.roll(100) == 0 {
            let victim = dice.roll(3);
            let pid = procs[victim].pid;
            match dice.roll(2) {
                0 => while net.enter(0, |host, cx| host.exit_process(cx, pid)) {},
                _ => net.enter(0, |host, _| host.kill_silently(pid)),
            }
            procs[victim] = net.spawn(0);
        }
        if dice.roll(60) == 0 {
            net.hosts[0].unlink(procs[0].pid, dice.pick(&[&b"/tmp/a"[..], b"/tmp/b"])).ok();
        }
    }
    for (_, op, _) in parked {
        net.enter(0, |host, cx| host.interrupt(cx, op)).ok();
    }
    for proc in procs {
        while net.enter(0, |host, cx| host.exit_process(cx, proc.pid)) {}
    }
    // Sockets that hold each other are looked for when one is freed.
    let last = net.spawn(0);
    let fd = net.local(last, c::SOCK_DGRAM);
    net.close(last, fd).unwrap();
    let host = &net.hosts[0];
    assert!(host.files.iter().next().is_none(), "seed {seed} leaves files open");
    assert!(host.local.calls.iter().next().is_none() && host.local.rooms.is_empty(), "seed {seed} leaves calls waiting");
    assert_eq!(host.local.space.rights_in_flight(), 0, "seed {seed} leaves descriptors in flight");
}

#[test]
fn random_calls_on_local_sockets_never_panic_and_leave_nothing() {
    for seed in 0..100 {
        run(seed);
    }
}
