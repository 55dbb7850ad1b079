//! Dialogues between hosts, without a world: packets pass at once, time moves when a test says so.

mod blocking;
mod chaos;
mod connect;
mod data;
mod descriptors;
mod folded;
mod known;
mod listen;
mod local;
mod local_chaos;
mod local_plain;
mod local_rights;
mod local_waits;
mod options;
mod ports;
mod readiness;
mod teardown;
mod udp;
mod udp_calls;
mod udp_messages;
mod udp_short;
mod udp_wire;

use super::{Call, Credentials, Cx, Host, HostConfig, Op, Pid, Progress, SocketLine, Token};
use crate::packet::{Boring, Packet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr as InetAddr};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::raw::{Name, PollFd, RawFd};
use twinsock::{Errno, Instant, PollEvents, Result, SocketAddr};

/// A process of one of the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Proc {
    host: usize,
    pid: Pid,
}

/// A few hosts on one wire.
struct Net {
    hosts: Vec<Host>,
    now: Instant,
    /// Packets that match are lost.
    loses: fn(&Packet) -> bool,
    /// How many packets have passed.
    passed: usize,
}

const SERVER: &str = "10.0.0.1:80";

impl Net {
    /// The sockets of a host, as they are now.
    fn netstat(&self, host: usize) -> Vec<SocketLine> {
        self.hosts[host].netstat(self.now)
    }

    /// Hosts 10.0.0.1 and 10.0.0.2, with IPv6 addresses fd00::1 and fd00::2, and a process on each.
    fn two() -> (Net, Proc, Proc) {
        let config = |number: u16| HostConfig {
            addrs: vec![[10, 0, 0, u8::try_from(number).unwrap()].into(), [0xfd00, 0, 0, 0, 0, 0, 0, number].into()],
            ..HostConfig::default()
        };
        let mut net = Net {
            hosts: vec![Host::new(config(1)), Host::new(config(2))],
            now: Instant::from_nanos(1_000_000_000),
            loses: |_| false,
            passed: 0,
        };
        let (server, client) = (net.spawn(0), net.spawn(1));
        (net, server, client)
    }

    fn spawn(&mut self, host: usize) -> Proc {
        Proc { host, pid: self.hosts[host].spawn_process(Credentials::default()) }
    }

    fn enter<T>(&mut self, host: usize, run: impl FnOnce(&mut Host, &mut Cx<'_>) -> T) -> T {
        let mut luck = Boring;
        let result = run(&mut self.hosts[host], &mut Cx { now: self.now, luck: &mut luck });
        self.deliver();
        result
    }

    /// Passes packets until nobody has any to send.
    fn deliver(&mut self) {
        let mut luck = Boring;
        let mut cx = Cx { now: self.now, luck: &mut luck };
        for _ in 0..100_000 {
            let mut senders = self.hosts.iter_mut().enumerate();
            let Some((sender, packet)) = senders.find_map(|(at, host)| Some((at, host.poll_transmit(&mut cx)?))) else { return };
            self.passed += 1;
            if (self.loses)(&packet) {
                continue;
            }
            if is_for_many(packet.dst) {
                let others = self.hosts.iter_mut().enumerate().filter(|(at, host)| *at != sender && host.joined(packet.dst));
                others.for_each(|(_, host)| host.handle_packet(&mut cx, packet.clone()));
                continue;
            }
            // A packet to 127.0.0.1 stays with its sender, which owns its source too.
            let is_for = |host: &&mut Host| host.owns(packet.dst) && (!packet.dst.is_loopback() || host.owns(packet.src));
            if packet.dst.is_loopback() {
                self.hosts[0].handle_packet(&mut cx, packet);
            } else if let Some(host) = self.hosts.iter_mut().find(is_for) {
                host.handle_packet(&mut cx, packet);
            }
        }
        panic!("the hosts talk for ever");
    }

    /// Lets time pass, running every timer at its moment.
    fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next = self.hosts.iter().filter_map(Host::poll_timeout).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for host in 0..self.hosts.len() {
                self.enter(host, |host, cx| host.handle_timeout(cx));
            }
        }
        self.now = end;
    }

    fn begin(&mut self, proc: Proc, token: u64, call: &mut Call<'_, '_>) -> Progress {
        self.enter(proc.host, |host, cx| host.begin(cx, proc.pid, Token(token), call))
    }

    /// A call that is expected not to wait.
    fn call(&mut self, proc: Proc, mut call: Call<'_, '_>) -> Result<usize> {
        match self.begin(proc, 0, &mut call) {
            Progress::Done(result) => result,
            Progress::Parked(op) => panic!("the call waits: {}", self.hosts[proc.host].describe(&op)),
        }
    }

    /// A call that is expected to wait.
    fn park(&mut self, proc: Proc, token: u64, mut call: Call<'_, '_>) -> Op {
        match self.begin(proc, token, &mut call) {
            Progress::Done(result) => panic!("{call:?} does not wait: {result:?}"),
            Progress::Parked(op) => op,
        }
    }

    fn resume(&mut self, proc: Proc, op: Op, mut call: Call<'_, '_>) -> Result<usize> {
        match self.enter(proc.host, |host, cx| host.resume(cx, op, &mut call)) {
            Progress::Done(result) => result,
            Progress::Parked(op) => panic!("the call still waits: {}", op.what()),
        }
    }

    fn wakes(&mut self, proc: Proc) -> Vec<u64> {
        let host = &mut self.hosts[proc.host];
        std::iter::from_fn(|| host.poll_wake()).map(|token| token.0).collect()
    }

    fn socket(&mut self, proc: Proc) -> RawFd {
        self.socket_of(proc, c::AF_INET)
    }

    fn socket_of(&mut self, proc: Proc, domain: i32) -> RawFd {
        fd(self.call(proc, Call::Socket { domain, kind: c::SOCK_STREAM, protocol: 0 }))
    }

    fn udp(&mut self, proc: Proc) -> RawFd {
        self.udp_of(proc, c::AF_INET)
    }

    fn udp_of(&mut self, proc: Proc, domain: i32) -> RawFd {
        fd(self.call(proc, Call::Socket { domain, kind: c::SOCK_DGRAM, protocol: 0 }))
    }

    /// A UDP socket of the family of an address, bound to it.
    fn udp_at(&mut self, proc: Proc, addr: &str) -> RawFd {
        let fd = self.udp_of(proc, if addr.starts_with('[') { c::AF_INET6 } else { c::AF_INET });
        self.bind(proc, fd, addr).unwrap();
        fd
    }

    fn send_to(&mut self, proc: Proc, fd: RawFd, data: &[u8], addr: &str) -> Result<usize> {
        let addr = sockaddr(addr);
        self.call(proc, Call::Sendto { fd, data, flags: 0, addr: Some(addr.as_bytes()) })
    }

    fn recv_from(&mut self, proc: Proc, fd: RawFd) -> Result<(Vec<u8>, String)> {
        let (mut into, mut bytes, mut len) = (vec![0; 70_000], [0; 128], 128);
        let name = Some(Name { bytes: &mut bytes, len: &mut len });
        let count = self.call(proc, Call::Recvfrom { fd, into: &mut into, flags: c::MSG_DONTWAIT, name })?;
        into.truncate(count);
        Ok((into, SocketAddr::decode(&bytes[..usize::try_from(len).unwrap()]).unwrap().to_string()))
    }

    fn nonblocking(&mut self, proc: Proc) -> RawFd {
        let kind = c::SOCK_STREAM | c::SOCK_NONBLOCK;
        fd(self.call(proc, Call::Socket { domain: c::AF_INET, kind, protocol: 0 }))
    }

    fn bind(&mut self, proc: Proc, fd: RawFd, addr: &str) -> Result<usize> {
        self.call(proc, Call::Bind { fd, addr: sockaddr(addr).as_bytes() })
    }

    fn listen(&mut self, proc: Proc, fd: RawFd, backlog: i32) -> Result<usize> {
        self.call(proc, Call::Listen { fd, backlog })
    }

    /// A listener on an address, with backlog 128.
    fn listener(&mut self, proc: Proc, addr: &str) -> RawFd {
        let fd = self.socket(proc);
        self.bind(proc, fd, addr).unwrap();
        self.listen(proc, fd, 128).unwrap();
        fd
    }

    fn connect(&mut self, proc: Proc, fd: RawFd, addr: &str) -> Result<usize> {
        let addr = sockaddr(addr);
        let mut call = Call::Connect { fd, addr: addr.as_bytes() };
        match self.begin(proc, 900, &mut call) {
            Progress::Done(result) => result,
            Progress::Parked(op) => {
                assert_eq!(self.wakes(proc), [900], "connect is answered at once");
                self.resume(proc, op, call)
            }
        }
    }

    fn accept(&mut self, proc: Proc, fd: RawFd) -> Result<usize> {
        self.call(proc, Call::Accept4 { fd, name: None, flags: 0 })
    }

    /// A connection from the client to the server: their descriptors.
    fn connection(&mut self, server: Proc, client: Proc) -> (RawFd, RawFd) {
        let listener = self.listener(server, SERVER);
        let near = self.socket(client);
        assert_eq!(self.connect(client, near, SERVER), Ok(0));
        let far = fd(self.accept(server, listener));
        self.call(server, Call::Close { fd: listener }).unwrap();
        (far, near)
    }

    fn send(&mut self, proc: Proc, fd: RawFd, data: &[u8]) -> Result<usize> {
        self.call(proc, Call::Sendto { fd, data, flags: 0, addr: None })
    }

    fn recv(&mut self, proc: Proc, fd: RawFd) -> Result<Vec<u8>> {
        self.recv_with(proc, fd, 100, c::MSG_DONTWAIT)
    }

    fn recv_with(&mut self, proc: Proc, fd: RawFd, len: usize, flags: i32) -> Result<Vec<u8>> {
        let mut into = vec![0; len];
        let len = self.call(proc, Call::Recvfrom { fd, into: &mut into, flags, name: None })?;
        into.truncate(len);
        Ok(into)
    }

    fn close(&mut self, proc: Proc, fd: RawFd) -> Result<usize> {
        self.call(proc, Call::Close { fd })
    }

    fn shutdown(&mut self, proc: Proc, fd: RawFd, how: i32) -> Result<usize> {
        self.call(proc, Call::Shutdown { fd, how })
    }

    fn set(&mut self, proc: Proc, fd: RawFd, level: i32, name: i32, value: i32) -> Result<usize> {
        self.call(proc, Call::Setsockopt { fd, level, name, value: &value.to_ne_bytes() })
    }

    fn get(&mut self, proc: Proc, fd: RawFd, level: i32, name: i32) -> Result<i32> {
        let (mut value, mut len) = ([0; 4], 4);
        self.call(proc, Call::Getsockopt { fd, level, name, value: &mut value, len: &mut len })?;
        assert_eq!(len, 4);
        Ok(i32::from_ne_bytes(value))
    }

    fn error(&mut self, proc: Proc, fd: RawFd) -> Option<Errno> {
        let raw = self.get(proc, fd, c::SOL_SOCKET, c::SO_ERROR).unwrap();
        (raw != 0).then(|| Errno::from_raw(raw))
    }

    fn set_timeout(&mut self, proc: Proc, fd: RawFd, name: i32, millis: i64) {
        let value = [(millis / 1000).to_ne_bytes(), (millis % 1000 * 1000).to_ne_bytes()].concat();
        self.call(proc, Call::Setsockopt { fd, level: c::SOL_SOCKET, name, value: &value }).unwrap();
    }

    fn set_linger(&mut self, proc: Proc, fd: RawFd, seconds: i32) {
        let value = [1_i32.to_ne_bytes(), seconds.to_ne_bytes()].concat();
        self.call(proc, Call::Setsockopt { fd, level: c::SOL_SOCKET, name: c::SO_LINGER, value: &value }).unwrap();
    }

    fn sockname(&mut self, proc: Proc, fd: RawFd) -> String {
        let (mut bytes, mut len) = ([0; 128], 128);
        let name = Name { bytes: &mut bytes, len: &mut len };
        self.call(proc, Call::Getsockname { fd, name }).unwrap();
        SocketAddr::decode(&bytes[..usize::try_from(len).unwrap()]).unwrap().to_string()
    }

    fn port(&mut self, proc: Proc, fd: RawFd) -> u16 {
        self.sockname(proc, fd).parse::<InetAddr>().unwrap().port()
    }

    fn peername(&mut self, proc: Proc, fd: RawFd) -> Result<String> {
        let (mut bytes, mut len) = ([0; 128], 128);
        let name = Name { bytes: &mut bytes, len: &mut len };
        self.call(proc, Call::Getpeername { fd, name })?;
        Ok(SocketAddr::decode(&bytes[..usize::try_from(len).unwrap()]).unwrap().to_string())
    }

    /// The mask that `poll(2)` answers at once, all events asked for; IN and OUT stand for their pairs.
    fn poll(&mut self, proc: Proc, fd: RawFd) -> PollEvents {
        let mut fds = [PollFd { fd, events: i16::MAX, revents: 0 }];
        self.call(proc, Call::Poll { fds: &mut fds, timeout: 0 }).unwrap();
        let mask = PollEvents::from_raw(i32::from(fds[0].revents));
        assert_eq!(mask.contains(PollEvents::IN), mask.contains(PollEvents::RDNORM));
        assert_eq!(mask.contains(PollEvents::OUT), mask.contains(PollEvents::WRNORM));
        mask.without(PollEvents::RDNORM | PollEvents::WRNORM)
    }
}

fn is_for_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

const IN: PollEvents = PollEvents::IN;
const OUT: PollEvents = PollEvents::OUT;
const ERR: PollEvents = PollEvents::ERR;
const HUP: PollEvents = PollEvents::HUP;
const RDHUP: PollEvents = PollEvents::RDHUP;

fn mask(events: &[PollEvents]) -> PollEvents {
    events.iter().fold(PollEvents::NONE, |all, one| all | *one)
}

fn fd(result: Result<usize>) -> RawFd {
    RawFd::try_from(result.unwrap()).unwrap()
}

fn sockaddr(text: &str) -> twinsock::RawAddr {
    SocketAddr::from(text.parse::<InetAddr>().unwrap()).encode().unwrap()
}
