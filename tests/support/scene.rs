//! Where most promises begin: addresses, listeners, connected pairs, full buffers, broken connections.

use super::Env;
use super::sock::Sock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use twinsock::consts as c;
use twinsock::{Domain, Errno, PollEvents, SocketAddr};

/// The families that TCP runs over.
pub const FAMILIES: [Domain; 2] = [Domain::INET, Domain::INET6];

/// An address of 127.0.0.0/8 that nobody else uses: not another promise, nor another run on the same machine (unless the
/// process ids agree modulo 251), so that a port once released is not taken by a stranger.
pub fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let run = u8::try_from(std::process::id() % 251).expect("a number below 251 fits") + 2;
    Ipv4Addr::new(127, run, high, low)
}

/// An address of one's own with this port.
pub fn own_addr(port: u16) -> SocketAddr {
    SocketAddr::inet(IpAddr::V4(own_ip()), port)
}

/// The same host as `addr`, another port.
pub fn with_port(addr: &SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::inet(ip_of(addr), port)
}

/// The IP address of an inet address.
pub fn ip_of(addr: &SocketAddr) -> IpAddr {
    addr.as_inet().expect("an inet address").ip()
}

/// The port of an inet address.
pub fn port_of(addr: &SocketAddr) -> u16 {
    addr.port().expect("an inet address")
}

/// A loopback address of the family, with port 0.
pub fn loopback(domain: Domain) -> SocketAddr {
    if domain == Domain::INET6 { SocketAddr::inet(IpAddr::V6(Ipv6Addr::LOCALHOST), 0) } else { own_addr(0) }
}

/// The wildcard address of the family.
pub fn wildcard(domain: Domain, port: u16) -> SocketAddr {
    let ip = if domain == Domain::INET6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    SocketAddr::inet(ip, port)
}

/// A TCP port that nobody has in either family. One that the kernel chooses in a single family may be held in the other, by a client of
/// another promise in TIME-WAIT.
pub fn free_in_both<E: Env>(env: &E) -> u16 {
    let dual = Sock::tcp_of(env, Domain::INET6);
    dual.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 0).expect("a switch can be set");
    dual.bind(&wildcard(Domain::INET6, 0)).expect("port 0 can be bound");
    port_of(&dual.name())
}

/// A TCP socket bound to a loopback address and a port of the kernel's choice.
pub fn bound<E: Env>(env: &E, domain: Domain) -> (Sock<E>, SocketAddr) {
    let socket = Sock::tcp_of(env, domain);
    socket.bind(&loopback(domain)).expect("port 0 can be bound");
    let addr = socket.name();
    (socket, addr)
}

/// A UDP socket bound to a loopback address and a port of the kernel's choice.
pub fn udp_bound<E: Env>(env: &E, domain: Domain) -> (Sock<E>, SocketAddr) {
    let socket = Sock::udp_of(env, domain);
    socket.bind(&loopback(domain)).expect("port 0 can be bound");
    let addr = socket.name();
    (socket, addr)
}

/// Two UDP sockets that are connected to each other.
pub fn udp_pair<E: Env>(env: &E, domain: Domain) -> (Sock<E>, Sock<E>) {
    let ((a, a_addr), (b, b_addr)) = (udp_bound(env, domain), udp_bound(env, domain));
    a.connect(&b_addr).expect("a UDP socket can be connected");
    b.connect(&a_addr).expect("a UDP socket can be connected");
    (a, b)
}

/// A connected UDP socket whose peer's port nobody holds, and that address.
pub fn udp_orphan<E: Env>(env: &E, domain: Domain) -> (Sock<E>, SocketAddr) {
    let (gone, addr) = udp_bound(env, domain);
    let (socket, _) = udp_bound(env, domain);
    socket.connect(&addr).expect("a UDP socket can be connected");
    gone.close().expect("close succeeds");
    (socket, addr)
}

/// A listening TCP socket.
pub fn listener_of<E: Env>(env: &E, domain: Domain, backlog: i32) -> (Sock<E>, SocketAddr) {
    let (socket, addr) = bound(env, domain);
    socket.listen(backlog).expect("a bound socket can listen");
    (socket, addr)
}

/// A listening TCP socket over IPv4 with room enough.
pub fn listener<E: Env>(env: &E) -> (Sock<E>, SocketAddr) {
    listener_of(env, Domain::INET, 16)
}

/// A connection: the end that called connect, and the end that accept gave.
pub fn pair_of<E: Env>(env: &E, domain: Domain) -> (Sock<E>, Sock<E>) {
    let (listener, addr) = listener_of(env, domain, 1);
    join(&listener, Sock::tcp_of(env, domain), &addr)
}

/// A connection over IPv4.
pub fn pair<E: Env>(env: &E) -> (Sock<E>, Sock<E>) {
    pair_of(env, Domain::INET)
}

/// A connection whose buffers are small, so that they fill quickly.
pub fn small_pair<E: Env>(env: &E) -> (Sock<E>, Sock<E>) {
    let (listener, addr) = listener(env);
    listener.set(c::SOL_SOCKET, c::SO_RCVBUF, 8192).expect("SO_RCVBUF can be set");
    let client = Sock::tcp(env);
    client.set(c::SOL_SOCKET, c::SO_SNDBUF, 8192).expect("SO_SNDBUF can be set");
    join(&listener, client, &addr)
}

/// Connects `client` to `addr`, where `listener` listens, and accepts it.
pub fn join<E: Env>(listener: &Sock<E>, client: Sock<E>, addr: &SocketAddr) -> (Sock<E>, Sock<E>) {
    client.connect(addr).expect("the listener admits a connection");
    let (server, from) = listener.accept().expect("a connection waits");
    assert_eq!(from, client.name(), "accept names the end that connected");
    (client, server)
}

/// An address at which nobody listens, held by the socket that comes with it.
pub fn dead_end<E: Env>(env: &E, domain: Domain) -> (Sock<E>, SocketAddr) {
    bound(env, domain)
}

/// A listener whose queue is full, the clients that fill it, and its address.
pub fn full_listener<E: Env>(env: &E) -> (Sock<E>, Vec<Sock<E>>, SocketAddr) {
    let (listener, addr) = listener_of(env, Domain::INET, 0);
    let client = Sock::tcp(env);
    client.connect(&addr).expect("backlog 0 admits one connection");
    listener.wait(PollEvents::IN);
    (listener, vec![client], addr)
}

/// A nonblocking socket whose connection attempt gets no answer, since the listener's queue is full.
pub fn connecting<E: Env>(env: &E) -> (Sock<E>, Sock<E>, Vec<Sock<E>>, SocketAddr) {
    let (listener, clients, addr) = full_listener(env);
    let socket = Sock::tcp(env);
    socket.set_nonblocking(true);
    assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
    (socket, listener, clients, addr)
}

/// Sends without blocking until the buffers are full; returns what was sent.
pub fn fill<E: Env>(socket: &Sock<E>) -> Vec<u8> {
    const CHUNK_BYTES: usize = 4096;
    let (mut sent, data) = (Vec::new(), pattern(PERIOD_BYTES + CHUNK_BYTES));
    loop {
        let chunk = &data[sent.len() % PERIOD_BYTES..][..CHUNK_BYTES];
        match socket.send_with(chunk, twinsock::MsgFlags::DONTWAIT) {
            Ok(count) => sent.extend_from_slice(&chunk[..count]),
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN, "a full buffer is EAGAIN");
                return sent;
            }
        }
    }
}

/// After so many bytes test data begins again.
const PERIOD_BYTES: usize = 251;

/// The byte that test data has at `index`.
pub fn byte_at(index: usize) -> u8 {
    u8::try_from(index * 7 % PERIOD_BYTES).expect("a number below 251 fits")
}

/// `len` bytes of test data.
pub fn pattern(len: usize) -> Vec<u8> {
    // It repeats itself: byte by byte, megabytes take a debug build seconds.
    let mut bytes = (0..PERIOD_BYTES).map(byte_at).collect::<Vec<u8>>().repeat(len.div_ceil(PERIOD_BYTES));
    bytes.truncate(len);
    bytes
}

/// Closes with a reset: `SO_LINGER` on, 0 seconds.
pub fn reset<E: Env>(socket: Sock<E>) {
    socket.set_linger(1, 0).expect("SO_LINGER can be set");
    socket.close().expect("close succeeds");
}

/// A socket whose peer has reset the connection, the error still pending.
pub fn reset_by_peer<E: Env>(env: &E) -> Sock<E> {
    let (socket, peer) = pair(env);
    reset(peer);
    socket.wait(PollEvents::HUP);
    socket
}

/// An address of another host, by a route that leaves this one, RFC 5737.
pub fn elsewhere(port: u16) -> SocketAddr {
    SocketAddr::inet(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 55)), port)
}

/// A range of one port for `IP_LOCAL_PORT_RANGE`, the first in the lower half and the last in the upper: an even one, which nobody else gets
/// by bind (`inet_csk_find_open_port` takes odd ones while there are any).
pub const ONE_PORT: i32 = (45_678 << 16) | 45_678;
