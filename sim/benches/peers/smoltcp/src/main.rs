//! smoltcp: two or more of its interfaces, each with its sockets, joined by a wire that takes 1 ms of a virtual clock. There are no programs that
//! block: each host has a function that is called after its interface was polled, as smoltcp's examples do it in their loops. Checksums are left out,
//! as in its own loopback device; buffers of frames are used again.

use peer::{Answer, Done, MESSAGE_BYTES, Stopwatch, WRITE_BYTES, Workload};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address};
use std::collections::VecDeque;

const MTU: usize = 1500;
const DELAY: Duration = Duration::from_millis(1);
const PORT: u16 = 7;
/// The server is the first host.
const SERVER: IpEndpoint = IpEndpoint { addr: IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 0)), port: PORT };
/// How many datagrams go out at a time in the flood.
const BURST: usize = 1024;
const STREAM_BUFFER_BYTES: usize = 256 * 1024;

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    match workload {
        Workload::PingPong(bytes) => Ok(ping_pong(bytes, size)),
        Workload::Bulk => Ok(bulk(size)),
        Workload::Churn => Ok(churn(size)),
        Workload::Crowd(clients) => Ok(crowd(clients, size)),
        Workload::Timers(_) => Err("no programs and no timers for them"),
        Workload::UdpPingPong => Ok(udp_ping_pong(size)),
        Workload::UdpFlood => Ok(udp_flood(size)),
    }
}

/// A network card: what has come in, what goes out, and buffers to be used again.
#[derive(Default)]
struct Nic {
    inbox: VecDeque<Vec<u8>>,
    out: Vec<Vec<u8>>,
    pool: Vec<Vec<u8>>,
}

struct Received<'a>(Vec<u8>, &'a mut Vec<Vec<u8>>);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(&self.0);
        self.1.push(self.0);
        result
    }
}

struct Sent<'a>(&'a mut Vec<Vec<u8>>, Option<Vec<u8>>);

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = self.1.unwrap_or_default();
        frame.resize(len, 0);
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Nic {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Sent<'_>)> {
        let frame = self.inbox.pop_front()?;
        let spare = self.pool.pop();
        Some((Received(frame, &mut self.pool), Sent(&mut self.out, spare)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sent<'_>> {
        let spare = self.pool.pop();
        Some(Sent(&mut self.out, spare))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

/// A host, and what its program does when something may have happened; whether it did anything.
struct Host<'a> {
    iface: Interface,
    nic: Nic,
    sockets: SocketSet<'static>,
    act: Box<dyn FnMut(&mut Interface, &mut SocketSet<'static>) -> bool + 'a>,
}

/// Hosts on one wire, and the time.
struct Net<'a> {
    now: Instant,
    hosts: Vec<Host<'a>>,
    wire: VecDeque<(Instant, usize, Vec<u8>)>,
}

impl<'a> Net<'a> {
    fn new() -> Net<'a> {
        Net { now: Instant::from_millis(0), hosts: Vec::new(), wire: VecDeque::new() }
    }

    fn host(&mut self, sockets: SocketSet<'static>, act: impl FnMut(&mut Interface, &mut SocketSet<'static>) -> bool + 'a) {
        let mut nic = Nic::default();
        let index = u32::try_from(self.hosts.len()).expect("few hosts");
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = index.into();
        let mut iface = Interface::new(config, &mut nic, self.now);
        let addr = IpAddress::Ipv4(Ipv4Address::from(u32::from(Ipv4Address::new(10, 0, 0, 0)) + index));
        iface.update_ip_addrs(|addrs| addrs.push(IpCidr::new(addr, 8)).expect("it has no other"));
        self.hosts.push(Host { iface, nic, sockets, act: Box::new(act) });
    }

    /// Lets a host work until it has nothing to do at this moment.
    fn work(&mut self, index: usize) {
        let Host { iface, nic, sockets, act } = &mut self.hosts[index];
        iface.poll(self.now, nic, sockets);
        while act(iface, sockets) {
            while iface.poll_egress(self.now, nic, sockets) != PollResult::None {}
        }
        for frame in nic.out.drain(..) {
            let to: [u8; 4] = frame[16..20].try_into().expect("an IPv4 header");
            let to = usize::try_from(u32::from_be_bytes(to) - (10 << 24)).expect("few hosts");
            self.wire.push_back((self.now + DELAY, to, frame));
        }
    }

    /// Goes on until `done` says so.
    fn run(&mut self, done: impl Fn() -> bool) {
        (0..self.hosts.len()).for_each(|index| self.work(index));
        while !done() {
            if let Some(&(at, to, _)) = self.wire.front() {
                self.now = at;
                // All that arrives there at this moment, as an interrupt would find it.
                while self.wire.front().is_some_and(|&(when, whom, _)| (when, whom) == (at, to)) {
                    let (_, _, frame) = self.wire.pop_front().expect("it was looked at");
                    self.hosts[to].nic.inbox.push_back(frame);
                }
                self.work(to);
            } else {
                // A timer of the stack, or a program that had to wait for the wire.
                let due = self.hosts.iter_mut().filter_map(|host| host.iface.poll_at(self.now, &host.sockets)).min();
                self.now = due.map_or(self.now, |due| due.max(self.now));
                (0..self.hosts.len()).for_each(|index| self.work(index));
            }
        }
    }
}

fn tcp_socket(bytes: usize) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; bytes]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket
}

fn listening(bytes: usize) -> tcp::Socket<'static> {
    let mut socket = tcp_socket(bytes);
    socket.listen(PORT).expect("the socket is new");
    socket
}

/// One socket of a set of its own.
fn alone(socket: tcp::Socket<'static>) -> (SocketSet<'static>, SocketHandle) {
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(socket);
    (sockets, handle)
}

/// Sends back each message that is there as a whole.
fn echo(socket: &mut tcp::Socket<'static>, bytes: usize) -> bool {
    if socket.recv_queue() < bytes {
        return false;
    }
    let mut space = [0; 64];
    let message = &mut space[..bytes];
    socket.recv_slice(message).expect("it is there");
    socket.send_slice(message).expect("there is room");
    true
}

/// One client's round trips.
struct Pinger {
    handle: SocketHandle,
    port: u16,
    bytes: usize,
    left: u64,
    waits: bool,
    connects: bool,
}

impl Pinger {
    fn act(&mut self, iface: &mut Interface, sockets: &mut SocketSet<'static>) -> bool {
        let socket = sockets.get_mut::<tcp::Socket>(self.handle);
        if !self.connects {
            self.connects = true;
            socket.connect(iface.context(), SERVER, self.port).expect("the socket is new");
            return true;
        }
        let mut space = [7; 64];
        let message = &mut space[..self.bytes];
        if self.waits && socket.recv_queue() >= self.bytes {
            socket.recv_slice(message).expect("it is there");
            self.waits = false;
            self.left -= 1;
        }
        if self.waits || self.left == 0 || !socket.may_send() {
            return false;
        }
        socket.send_slice(message).expect("there is room");
        self.waits = true;
        true
    }
}

fn ping_pong(bytes: usize, rounds: u64) -> Done {
    let done = std::cell::Cell::new(false);
    let mut net = Net::new();
    let (sockets, server) = alone(listening(4096));
    net.host(sockets, move |_, sockets| echo(sockets.get_mut(server), bytes));
    let (sockets, handle) = alone(tcp_socket(4096));
    let mut pinger = Pinger { handle, port: 50_000, bytes, left: rounds, waits: false, connects: false };
    let all = &done;
    net.host(sockets, move |iface, sockets| {
        let acted = pinger.act(iface, sockets);
        all.set(pinger.left == 0);
        acted
    });
    let watch = Stopwatch::start();
    net.run(|| done.get());
    Done { count: rounds, taken: watch.elapsed() }
}

fn bulk(writes: u64) -> Done {
    let total = writes * 65_536;
    let received = std::cell::Cell::new(0);
    let mut net = Net::new();
    let (sockets, server) = alone(listening(STREAM_BUFFER_BYTES));
    let mut buffer = vec![0; WRITE_BYTES];
    let read = &received;
    net.host(sockets, move |_, sockets| {
        let socket = sockets.get_mut::<tcp::Socket>(server);
        if !socket.can_recv() {
            return false;
        }
        let count = socket.recv_slice(&mut buffer).expect("it is there");
        read.set(read.get() + u64::try_from(count).expect("a count of bytes fits into 64 bits"));
        true
    });
    let (sockets, client) = alone(tcp_socket(STREAM_BUFFER_BYTES));
    let (block, mut sent, mut connects) = (vec![7; WRITE_BYTES], 0, false);
    net.host(sockets, move |iface, sockets| {
        let socket = sockets.get_mut::<tcp::Socket>(client);
        if !connects {
            connects = true;
            socket.connect(iface.context(), SERVER, 50_000).expect("the socket is new");
            return true;
        }
        if !socket.can_send() || sent == total {
            return false;
        }
        let left = usize::try_from(total - sent).expect("64 bits").min(WRITE_BYTES);
        sent += u64::try_from(socket.send_slice(&block[..left]).expect("there is room")).expect("64 bits");
        true
    });
    let watch = Stopwatch::start();
    net.run(|| received.get() == total);
    Done { count: writes, taken: watch.elapsed() }
}

fn churn(connections: u64) -> Done {
    let done = std::cell::Cell::new(false);
    let mut net = Net::new();
    let (sockets, mut server) = alone(listening(64));
    net.host(sockets, move |_, sockets| {
        let socket = sockets.get_mut::<tcp::Socket>(server);
        if socket.can_recv() {
            socket.recv_slice(&mut [0]).expect("it is there");
            socket.close();
            return true;
        }
        if socket.state() != tcp::State::TimeWait && socket.state() != tcp::State::Closed {
            return false;
        }
        // smoltcp's TIME-WAIT keeps the socket: another one listens.
        sockets.remove(server);
        server = sockets.add(listening(64));
        false
    });
    let (sockets, mut client) = alone(tcp_socket(64));
    let (mut left, mut port, mut has_sent, mut connects) = (connections, 50_000, false, false);
    let all = &done;
    net.host(sockets, move |iface, sockets| {
        let socket = sockets.get_mut::<tcp::Socket>(client);
        if !connects {
            connects = true;
            socket.connect(iface.context(), SERVER, port).expect("the socket is new");
            return true;
        }
        if !has_sent && socket.can_send() {
            has_sent = true;
            socket.send_slice(&[7]).expect("there is room");
            return true;
        }
        if has_sent && socket.state() == tcp::State::CloseWait {
            socket.close();
            return true;
        }
        if !has_sent || socket.state() != tcp::State::Closed {
            return false;
        }
        sockets.remove(client);
        client = sockets.add(tcp_socket(64));
        port = if port == 60_000 { 50_000 } else { port + 1 };
        (has_sent, connects) = (false, false);
        left -= 1;
        all.set(left == 0);
        left > 0
    });
    let watch = Stopwatch::start();
    net.run(|| done.get());
    Done { count: connections, taken: watch.elapsed() }
}

fn crowd(clients: u32, rounds: u64) -> Done {
    let ended = std::cell::Cell::new(0);
    let mut net = Net::new();
    let mut sockets = SocketSet::new(Vec::new());
    let handles: Vec<_> = (0..clients).map(|_| sockets.add(listening(256))).collect();
    net.host(sockets, move |_, sockets| {
        handles.iter().fold(false, |acted, &handle| echo(sockets.get_mut(handle), MESSAGE_BYTES) | acted)
    });
    for _ in 0..clients {
        let (sockets, handle) = alone(tcp_socket(256));
        let mut pinger = Pinger { handle, port: 50_000, bytes: MESSAGE_BYTES, left: rounds, waits: false, connects: false };
        let ended = &ended;
        net.host(sockets, move |iface, sockets| {
            let before = pinger.left;
            let acted = pinger.act(iface, sockets);
            if before > 0 && pinger.left == 0 {
                ended.set(ended.get() + 1);
            }
            acted
        });
    }
    let watch = Stopwatch::start();
    net.run(|| ended.get() == clients);
    Done { count: rounds, taken: watch.elapsed() }
}

fn udp_socket(port: u16, datagrams: usize) -> (SocketSet<'static>, SocketHandle) {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; datagrams], vec![0; datagrams * MESSAGE_BYTES]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).expect("the socket is new");
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(socket);
    (sockets, handle)
}

fn udp_ping_pong(rounds: u64) -> Done {
    let left = std::cell::Cell::new(rounds);
    let mut net = Net::new();
    let (sockets, server) = udp_socket(PORT, 4);
    net.host(sockets, move |_, sockets| {
        let socket = sockets.get_mut::<udp::Socket>(server);
        let mut datagram = [0; MESSAGE_BYTES];
        let Ok((count, from)) = socket.recv_slice(&mut datagram) else { return false };
        socket.send_slice(&datagram[..count], from.endpoint).expect("there is room");
        true
    });
    let (sockets, client) = udp_socket(50_000, 4);
    let (mut waits, rest) = (false, &left);
    net.host(sockets, move |_, sockets| {
        let socket = sockets.get_mut::<udp::Socket>(client);
        let mut datagram = [7; MESSAGE_BYTES];
        if waits && socket.recv_slice(&mut datagram).is_ok() {
            waits = false;
            rest.set(rest.get() - 1);
        }
        if waits || rest.get() == 0 {
            return false;
        }
        socket.send_slice(&datagram, SERVER).expect("there is room");
        waits = true;
        true
    });
    let watch = Stopwatch::start();
    net.run(|| left.get() == 0);
    Done { count: rounds, taken: watch.elapsed() }
}

fn udp_flood(datagrams: u64) -> Done {
    let received = std::cell::Cell::new(0);
    let mut net = Net::new();
    let (sockets, server) = udp_socket(PORT, 4 * BURST);
    let count = &received;
    net.host(sockets, move |_, sockets| {
        let socket = sockets.get_mut::<udp::Socket>(server);
        let mut datagram = [0; MESSAGE_BYTES];
        while socket.recv_slice(&mut datagram).is_ok() {
            count.set(count.get() + 1);
        }
        false
    });
    let (sockets, client) = udp_socket(50_000, BURST);
    let mut left = datagrams;
    net.host(sockets, move |_, sockets| {
        let socket = sockets.get_mut::<udp::Socket>(client);
        // The next burst when the receiver has the one before.
        if left == 0 || datagrams - left > count.get() {
            return false;
        }
        while left > 0 && socket.can_send() && socket.send_slice(&[7; MESSAGE_BYTES], SERVER).is_ok() {
            left -= 1;
        }
        true
    });
    let watch = Stopwatch::start();
    net.run(|| received.get() == datagrams);
    Done { count: datagrams, taken: watch.elapsed() }
}
