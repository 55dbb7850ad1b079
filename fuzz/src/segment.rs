//! The body of the fuzz target `segment`: a host, brought into some state of TCP or UDP, is given what the input says: packets as raw
//! bytes, segments that nearly fit its connection, datagrams, ICMP errors about what it has sent, system calls, and time.
//!
//! The first byte chooses the state and the address family, the next the peer's options. What follows are steps, a byte that says which
//! kind, then the kind's own bytes; what is missing at the end is 0. Whatever happens, the host
//!
//! - does not panic, and goes on to answer calls,
//! - sends packets that have bytes, and whose bytes say the same again,
//! - comes to rest: nothing is sent, woken or timed for ever at one instant,
//! - answers no RST with an RST (RFC 9293 section 3.5.2), and no ICMP error with another (RFC 1122 section 3.2.2),
//! - forgets its sockets once their process has ended and their timers have run out.
use super::input::Input;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use twinsock::consts::{
    AF_INET, AF_INET6, IP_RECVERR, IPV6_RECVERR, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, SOCK_DGRAM,
    SOCK_NONBLOCK, SOCK_STREAM, SOL_IP, SOL_IPV6,
};
use twinsock::{Instant, Result, SocketAddr};
use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Pid, Progress, Token};
use twinsock_sim::packet::{
    Body, Boring, Control, Datagram, Icmp, IcmpError, Packet, Payload, SackBlocks, Segment, SeqNumber, TcpOptions, Timestamps,
    wire,
};

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (state, family) = (input.byte(), input.byte());
    let mut scene = Scene::new(family & 1 != 0, family);
    scene.bring_into(state);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        step(&mut scene, &mut input);
    }
    scene.end();
}

const STEPS_MAX: usize = 200;
/// How many packets, wakes or timers there may be at one instant.
const AT_ONCE_MAX: usize = 10_000;
/// How many timers may go off between the end of the process and rest: a FIN is repeated every two minutes until TCP_USER_TIMEOUT is over, which
/// may be 2^32 milliseconds; under a shorter TCP_RTO_MAX_MS it may take more.
const TIMERS_MAX: usize = 40_000;
/// More than a scene leaves open.
const SOCKETS_MAX: usize = 100;
const LOCAL_PORT: u16 = 80;
const REMOTE_PORT: u16 = 40_000;

/// A distance in sequence space: small, or a large one near the ends of windows and of the space.
fn distance(input: &mut Input<'_>) -> u32 {
    let byte = input.byte();
    match byte {
        0..=63 => u32::from(byte),
        64..=127 => u32::from(byte - 64).wrapping_neg(),
        128..=191 => u32::from(byte - 128) * 1024,
        192..=255 => u32::from(byte - 192).wrapping_mul(0x0400_0001),
    }
}

/// What happens next.
fn step(scene: &mut Scene, input: &mut Input<'_>) {
    match input.byte() % 12 {
        0..=2 => {
            let segment = near_miss(scene, input);
            scene.deliver_segment(segment);
        }
        3 => {
            let bytes = with_checksums(scene.is_v6, input.byte(), input.bytes());
            scene.deliver_bytes(&bytes);
        }
        4 => scene.deliver_bytes(input.bytes()),
        5 => {
            let data = vec![7; usize::from(input.sixteen())];
            let flags = if input.byte() % 8 == 1 { MSG_OOB } else { 0 };
            let fd = scene.some_fd(input.byte());
            scene.attempt(&mut Call::Sendto { fd, data: &data, flags: flags | MSG_DONTWAIT | MSG_NOSIGNAL, addr: None });
        }
        6 => {
            let mut into = vec![0; usize::from(input.sixteen())];
            let flags = match input.byte() % 8 {
                1 => MSG_OOB,
                2 => MSG_PEEK,
                3 => MSG_ERRQUEUE,
                _ => 0,
            };
            let fd = scene.some_fd(input.byte());
            scene.attempt(&mut Call::Recvfrom { fd, into: &mut into, flags: flags | MSG_DONTWAIT, name: None });
        }
        7 => scene.some_other_call(input),
        8 => {
            let to = scene.now + Duration::from_millis(u64::from(input.sixteen()));
            scene.pass_time(to);
        }
        10 => {
            let body = Body::Udp(Datagram {
                src_port: if input.byte() % 8 == 7 { input.sixteen() } else { REMOTE_PORT },
                dst_port: LOCAL_PORT,
                payload: input.bytes().to_vec().into(),
                ..Datagram::EMPTY
            });
            scene.deliver_body(body);
        }
        11 => {
            let error = some_error(input);
            if let Some(about) = scene.last_sent.clone() {
                scene.deliver_body(Body::Icmp(Icmp { error, about: Box::new(about) }));
            }
        }
        _ => {
            if let Some(at) = scene.host.poll_timeout() {
                scene.pass_time(at);
            }
        }
    }
}

/// A segment of the connection whose numbers are what they should be, or near it.
fn near_miss(scene: &Scene, input: &mut Input<'_>) -> Segment {
    let flags = input.byte();
    let control = match flags % 8 {
        0 | 1 => Control::None,
        2 | 3 => Control::Push,
        4 => Control::Syn,
        5 | 6 => Control::Fin,
        _ => Control::Rst,
    };
    let has_ack = flags & 0x08 == 0;
    let mut segment = scene.segment(control, &vec![9; usize::from(input.byte())]);
    segment.seq += distance(input);
    segment.ack = has_ack.then(|| scene.rcv_nxt + distance(input));
    segment.urgent = (flags & 0x10 != 0).then(|| input.sixteen());
    if flags & 0x20 != 0 {
        segment.window = input.sixteen();
    }
    if flags & 0x40 != 0 {
        let value = scene.timestamp.wrapping_add(distance(input));
        segment.options.timestamps = Some(Timestamps { value, echo: distance(input) });
    }
    if flags & 0x80 != 0 && control != Control::Syn {
        let left = scene.snd_una + distance(input);
        segment.options.sack = [Some((left, left + distance(input))), None, None];
    }
    segment
}

/// What a router or the peer says of a packet.
fn some_error(input: &mut Input<'_>) -> IcmpError {
    match input.byte() % 6 {
        0 => IcmpError::PacketTooBig { mtu_bytes: u32::from(input.sixteen()) },
        1 => IcmpError::PortUnreachable,
        2 => IcmpError::HostUnreachable,
        3 => IcmpError::NetUnreachable,
        4 => IcmpError::AdministrativelyProhibited,
        _ => IcmpError::TimeExceeded,
    }
}

/// A packet to the host of this protocol, with this payload whose checksum is made right.
fn with_checksums(is_v6: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (remote_addr(is_v6), local_addr(is_v6));
    let protocol = match protocol % 4 {
        0 | 1 => 6,
        2 => 17,
        _ if is_v6 => 58,
        _ => 1,
    };
    let mut payload = payload.to_vec();
    let at = match protocol {
        6 => 16,
        17 => 6,
        _ => 2,
    };
    if let Some(field) = payload.get_mut(at..at + 2) {
        field.fill(0);
        let mut sum = internet_sum(&payload);
        if protocol != 1 {
            sum += internet_sum(&octets(src)) + internet_sum(&octets(dst)) + u64::from(protocol);
            sum += u64::try_from(payload.len()).expect("a length fits 64 bits");
        }
        payload[at..at + 2].copy_from_slice(&(!folded(sum)).to_be_bytes());
    }
    let len = u16::try_from(payload.len()).expect("a byte says how long the payload is");
    let mut bytes = Vec::new();
    if is_v6 {
        bytes.extend([0x60, 0, 0, 0]);
        bytes.extend(len.to_be_bytes());
        bytes.extend([protocol, 64]);
    } else {
        bytes.extend([0x45, 0]);
        bytes.extend((20 + len).to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    }
    bytes.extend(octets(src));
    bytes.extend(octets(dst));
    if !is_v6 {
        let sum = !folded(internet_sum(&bytes));
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// The sum of RFC 1071 before its carries are added.
fn internet_sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low))).sum()
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).expect("the carries have been added")
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn local_addr(is_v6: bool) -> IpAddr {
    if is_v6 { Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into() } else { Ipv4Addr::new(10, 0, 0, 1).into() }
}

fn remote_addr(is_v6: bool) -> IpAddr {
    if is_v6 { Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into() } else { Ipv4Addr::new(10, 0, 0, 2).into() }
}

/// How a state is reached.
type Reach = fn(&mut Scene);

/// The states of TCP, as netstat(8) names them, and of UDP, and how each is reached; the first byte of an input chooses one.
const STATES: [(&str, Reach); 14] = [
    ("CLOSED", |_| ()),
    ("LISTEN", Scene::listen),
    ("SYN_RECV", |scene| {
        scene.listen();
        scene.peer_syn();
    }),
    ("SYN_SENT", Scene::connect),
    ("ESTABLISHED", |scene| {
        scene.connect();
        scene.peer_sends(Control::Syn, b"");
    }),
    ("ESTABLISHED", Scene::establish),
    ("FIN_WAIT1", |scene| {
        scene.establish();
        scene.shutdown_write();
    }),
    ("FIN_WAIT2", |scene| {
        scene.establish();
        scene.shutdown_write();
        scene.peer_sends(Control::None, b"");
    }),
    ("CLOSE_WAIT", |scene| {
        scene.establish();
        scene.peer_sends(Control::Fin, b"last words");
    }),
    ("CLOSING", |scene| {
        scene.establish();
        let acked = scene.rcv_nxt;
        scene.shutdown_write();
        let fin = Segment { ack: Some(acked), ..scene.segment(Control::Fin, b"") };
        scene.deliver_segment(fin);
    }),
    ("LAST_ACK", |scene| {
        scene.establish();
        scene.peer_sends(Control::Fin, b"");
        scene.shutdown_write();
    }),
    ("TIME_WAIT", |scene| {
        scene.establish();
        scene.shutdown_write();
        scene.peer_sends(Control::Fin, b"");
        scene.close(scene.fd);
    }),
    // Of UDP: a socket with a peer, and one without.
    ("ESTABLISHED", |scene| {
        scene.datagrams();
        let addr = SocketAddr::inet(remote_addr(scene.is_v6), REMOTE_PORT).encode().expect("an inet address has bytes");
        assert_eq!(scene.call(&mut Call::Connect { fd: scene.fd, addr: addr.as_bytes() }), Ok(0), "UDP connects at once");
    }),
    ("", Scene::datagrams),
];

/// A host, a process on it, and what its peer knows of the connection between them.
struct Scene {
    host: Host,
    pid: Pid,
    now: Instant,
    is_v6: bool,
    listener: i32,
    fd: i32,
    /// The host's port of the connection, as far as it is known.
    host_port: u16,
    /// What the peer sends next: the host's last acknowledgment.
    snd_una: SeqNumber,
    /// What the peer expects next.
    rcv_nxt: SeqNumber,
    peer_options: TcpOptions,
    timestamp: u32,
    /// The last packet that the host has sent.
    last_sent: Option<Packet>,
    /// Whether the packet being handled is an RST, or an ICMP error.
    is_handling: (bool, bool),
}

impl Scene {
    fn new(is_v6: bool, options: u8) -> Scene {
        let addrs = vec![local_addr(is_v6)];
        let mut host = Host::new(HostConfig { addrs, ..HostConfig::default() });
        let pid = host.spawn_process(Credentials::default());
        let peer_options = TcpOptions {
            mss_bytes: (options & 2 != 0).then_some(if options & 4 != 0 { 1460 } else { 88 }),
            window_scale: (options & 8 != 0).then_some(options >> 4),
            sack_permitted: options & 16 != 0,
            timestamps: (options & 32 != 0).then_some(Timestamps { value: 1000, echo: 0 }),
            sack: SackBlocks::default(),
        };
        Scene {
            host,
            pid,
            now: Instant::from_nanos(1_000_000),
            is_v6,
            listener: -1,
            fd: -1,
            host_port: LOCAL_PORT,
            snd_una: SeqNumber::new(0xffff_ff00),
            rcv_nxt: SeqNumber::new(0),
            peer_options,
            timestamp: 1000,
            last_sent: None,
            is_handling: (false, false),
        }
    }

    /// Brings the host into one of the states of RFC 9293 section 3.3.2.
    fn bring_into(&mut self, state: u8) {
        let (state, bring) = STATES[usize::from(state) % STATES.len()];
        bring(self);
        let sockets = self.host.netstat(self.now);
        let is_reached = sockets.iter().any(|socket| socket.state == state);
        assert!(is_reached || state == "CLOSED", "{state} has been reached: {sockets:?}");
    }

    fn socket(&mut self, kind: i32) -> i32 {
        let domain = if self.is_v6 { AF_INET6 } else { AF_INET };
        let fd = self.call(&mut Call::Socket { domain, kind: kind | SOCK_NONBLOCK, protocol: 0 });
        fd.ok().and_then(|fd| i32::try_from(fd).ok()).expect("a host with no sockets has room for one")
    }

    fn bind(&mut self, fd: i32) {
        let addr = SocketAddr::inet(local_addr(self.is_v6), LOCAL_PORT).encode().expect("an inet address has bytes");
        assert_eq!(self.call(&mut Call::Bind { fd, addr: addr.as_bytes() }), Ok(0), "a free port can be bound");
    }

    /// A socket of UDP that hears of errors.
    fn datagrams(&mut self) {
        self.fd = self.socket(SOCK_DGRAM);
        self.bind(self.fd);
        let (level, name) = if self.is_v6 { (SOL_IPV6, IPV6_RECVERR) } else { (SOL_IP, IP_RECVERR) };
        self.call(&mut Call::Setsockopt { fd: self.fd, level, name, value: &1_i32.to_ne_bytes() }).expect("it can be set");
    }

    fn listen(&mut self) {
        self.listener = self.socket(SOCK_STREAM);
        self.bind(self.listener);
        let listening = self.call(&mut Call::Listen { fd: self.listener, backlog: 4 });
        assert_eq!(listening, Ok(0), "a bound socket can listen");
    }

    fn connect(&mut self) {
        self.fd = self.socket(SOCK_STREAM);
        let addr = SocketAddr::inet(remote_addr(self.is_v6), REMOTE_PORT).encode().expect("an inet address has bytes");
        self.call(&mut Call::Connect { fd: self.fd, addr: addr.as_bytes() }).expect_err("no SYN has been answered yet");
    }

    fn peer_syn(&mut self) {
        let syn = Segment { ack: None, ..self.segment(Control::Syn, b"") };
        self.deliver_segment(syn);
    }

    fn establish(&mut self) {
        self.listen();
        self.peer_syn();
        self.peer_sends(Control::None, b"");
        self.accept();
        assert!(self.fd >= 0, "a handshake makes a connection");
    }

    fn accept(&mut self) {
        if let Ok(fd) = self.call(&mut Call::Accept4 { fd: self.listener, name: None, flags: SOCK_NONBLOCK }) {
            self.fd = i32::try_from(fd).expect("a descriptor is an int");
        }
    }

    fn shutdown_write(&mut self) {
        let done = self.call(&mut Call::Shutdown { fd: self.fd, how: 1 });
        assert_eq!(done, Ok(0), "a connection can be shut down");
    }

    fn close(&mut self, fd: i32) {
        self.attempt(&mut Call::Close { fd });
    }

    fn some_fd(&self, byte: u8) -> i32 {
        match byte % 8 {
            7 => self.listener,
            _ => self.fd,
        }
    }

    fn some_other_call(&mut self, input: &mut Input<'_>) {
        let (what, fd) = (input.byte(), self.some_fd(input.byte()));
        match what % 6 {
            0 => self.accept(),
            1 => self.attempt(&mut Call::Shutdown { fd, how: i32::from(input.byte() % 4) }),
            2 => self.close(fd),
            3 => {
                let (level, name) = (i32::from(input.byte()), i32::from(input.byte()));
                self.attempt(&mut Call::Setsockopt { fd, level, name, value: input.bytes() });
            }
            4 => {
                // AF_UNSPEC: the association is dissolved.
                self.attempt(&mut Call::Connect { fd, addr: &[0; 16] });
            }
            _ => self.attempt(&mut Call::Listen { fd, backlog: i32::from(input.byte()) }),
        }
    }

    /// Makes a system call; one that waits is ended by a signal.
    fn call(&mut self, call: &mut Call<'_, '_>) -> Result<usize> {
        let mut cx = Cx { now: self.now, luck: &mut Boring };
        let result = match self.host.begin(&mut cx, self.pid, Token(1), call) {
            Progress::Done(result) => result,
            Progress::Parked(op) => self.host.interrupt(&mut cx, op),
        };
        self.settle();
        result
    }

    /// Makes a system call whose answer is the host's affair: the descriptor may be closed, the socket in any state.
    fn attempt(&mut self, call: &mut Call<'_, '_>) {
        self.call(call).ok();
    }

    /// A segment of the peer's that fits the connection.
    fn segment(&self, control: Control, data: &[u8]) -> Segment {
        let mut options = if control == Control::Syn { self.peer_options } else { TcpOptions::default() };
        options.timestamps = self.peer_options.timestamps.map(|_| Timestamps { value: self.timestamp, echo: 0 });
        let payload = Payload::copy_of(data);
        Segment {
            src_port: REMOTE_PORT,
            dst_port: self.host_port,
            seq: self.snd_una,
            ack: Some(self.rcv_nxt),
            control,
            urgent: None,
            window: 500,
            options,
            frame_bytes: u16::try_from(payload.len()).expect("data of the peer's fits a frame"),
            payload,
        }
    }

    fn peer_sends(&mut self, control: Control, data: &[u8]) {
        self.deliver_segment(self.segment(control, data));
    }

    fn deliver_segment(&mut self, segment: Segment) {
        self.deliver_body(Body::Tcp(segment));
    }

    fn deliver_body(&mut self, body: Body) {
        let (src, dst) = (remote_addr(self.is_v6), local_addr(self.is_v6));
        let packet = Packet { src, dst, ttl: 64, tos: 0, body };
        // Options that have no room in a header are the input's, not the host's.
        if let Ok(bytes) = wire::encode(&packet) {
            self.deliver(wire::decode(&bytes).expect("what is written is read again"));
        }
    }

    fn deliver_bytes(&mut self, bytes: &[u8]) {
        if let Ok(packet) = wire::decode(bytes) {
            self.deliver(packet);
        }
    }

    fn deliver(&mut self, packet: Packet) {
        self.is_handling = match &packet.body {
            Body::Tcp(segment) => (segment.control == Control::Rst, false),
            Body::Udp(_) => (false, false),
            Body::Icmp(_) => (false, true),
        };
        self.host.handle_packet(&mut Cx { now: self.now, luck: &mut Boring }, packet);
        self.settle();
        self.is_handling = (false, false);
    }

    /// Takes out everything that the host has to say, and runs what is due now.
    fn settle(&mut self) {
        for _ in 0..AT_ONCE_MAX {
            let mut cx = Cx { now: self.now, luck: &mut Boring };
            if let Some(packet) = self.host.poll_transmit(&mut cx) {
                self.sent(packet);
            } else if self.host.poll_wake().is_none() {
                if self.host.poll_timeout().is_none_or(|at| at > self.now) {
                    return;
                }
                self.host.handle_timeout(&mut cx);
            }
        }
        panic!("a host comes to rest");
    }

    fn sent(&mut self, packet: Packet) {
        for frame in wire::frames(&packet, 65_535) {
            let bytes = wire::encode(&frame).expect("what a host sends has bytes");
            let read = wire::decode(&bytes).expect("what a host sends can be read");
            assert_eq!((read.src, read.dst), (frame.src, frame.dst), "what is written is read again");
        }
        if self.host.owns(packet.dst) {
            self.host.handle_packet(&mut Cx { now: self.now, luck: &mut Boring }, packet);
            return;
        }
        self.last_sent = Some(packet.clone());
        let (is_handling_rst, is_handling_icmp) = self.is_handling;
        let segment = match packet.body {
            Body::Tcp(segment) => segment,
            Body::Udp(_) => return,
            Body::Icmp(_) => {
                assert!(!is_handling_icmp, "an ICMP error is not answered with one");
                return;
            }
        };
        let is_rst = segment.control == Control::Rst;
        assert!(!(is_rst && is_handling_rst), "an RST is not answered with an RST");
        if segment.dst_port != REMOTE_PORT || is_rst {
            return;
        }
        self.host_port = segment.src_port;
        let end = segment.seq + segment.sequence_len();
        if segment.control == Control::Syn || self.rcv_nxt.before(end) {
            self.rcv_nxt = end;
        }
        if let Some(ack) = segment.ack {
            self.snd_una = ack;
        }
    }

    fn pass_time(&mut self, to: Instant) {
        for _ in 0..TIMERS_MAX {
            match self.host.poll_timeout().filter(|at| *at <= to) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            self.settle();
        }
        self.now = self.now.max(to);
        self.timestamp = u32::try_from(self.now.as_nanos() / 1_000_000 % (1 << 32)).expect("32 bits are 32 bits");
        self.settle();
    }

    /// Ends the process and lets all timers run out.
    fn end(&mut self) {
        while self.host.exit_process(&mut Cx { now: self.now, luck: &mut Boring }, self.pid) {
            self.settle();
        }
        self.settle();
        let begun = self.now;
        for _ in 0..TIMERS_MAX {
            let Some(at) = self.host.poll_timeout() else {
                assert_eq!(self.host.netstat(self.now), [], "a host forgets its sockets");
                return;
            };
            self.now = self.now.max(at);
            self.settle();
        }
        // What TCP_USER_TIMEOUT keeps for up to 50 days is repeated every TCP_RTO_MAX_MS, which is a second at least, for each of a few sockets.
        let took_s = self.now.since(begun).as_secs();
        let least_s = u64::try_from(TIMERS_MAX / SOCKETS_MAX).expect("it is small");
        assert!(took_s >= least_s, "a host without processes comes to rest: {took_s} s");
    }
}
