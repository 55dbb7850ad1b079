//! The socket layer: what a socket is beyond its protocol's state, `socket(2)`, and the names of both ends.

use super::addr::{self, Family};
use super::conns::{Conns, FourTuple};
use super::cx::{Cx, Pid};
use super::dgram::store_inet_name;
use super::file::{File, Object, value};
use super::holder::{Conn, Holder};
use super::option::Options;
use super::ports::{Claim, Ports};
use super::{Host, ports};
use crate::shared::Shared;
use crate::slab::Key;
use crate::tcp::{Config, Listener, State, Tcb};
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd};
use twinsock::{Errno, Instant, Result};

/// The socket layer's own state, `enum socket_state`; it does not follow TCP's when a connection dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ss {
    /// `SS_UNCONNECTED`.
    Unconnected,
    /// `SS_CONNECTING`.
    Connecting,
    /// `SS_CONNECTED`.
    Connected,
    /// `SS_DISCONNECTING`.
    Disconnecting,
}

/// A socket: of a file, in an accept queue, or finishing its connection after its last close.
///
/// The fields stand in memory as they stand here: what every call and segment looks at is together, at the beginning.
#[derive(Clone, PartialEq, Debug)]
#[repr(C)]
pub(super) struct Socket {
    /// The other end's socket on its host, as the last segment from there had it; not to be relied on.
    pub(super) peer: Key,
    /// Its file; `None`: nobody has accepted it yet, or nobody has it any longer.
    pub(super) file: Option<Key>,
    /// The earliest entry in the host's queue of timers, [`Instant::FAR`] if there is none.
    pub(super) armed: Instant,
    /// Not zero while nothing has been done to it since it was found to be calm that could have changed that, see [`Socket::settle_down`]: a
    /// number that no other calm has.
    pub(super) calm: u64,
    /// The calm of the other end as which the last segment was sent that was found to be of this connection.
    pub(super) peer_calm: u64,
    /// Both ends, canonical, as segments carry them and names show them. The local port is shown even when it is not held any longer.
    pub(super) tuple: FourTuple,
    pub(super) options: Shared<Options>,
    pub(super) tcb: Tcb,
    /// The state at the end of the last entry into TCP.
    pub(super) state: State,
    pub(super) ss: Ss,
    pub(super) family: Family,
    /// `IPV6_V6ONLY`, also set by bind to an IPv6 address.
    pub(super) v6only: bool,
    /// In the queue of sockets that may have segments to send.
    pub(super) is_dirty: bool,
    /// In the index of connections.
    pub(super) is_hashed: bool,
    /// An option was set that makes the route to the peer void: the next segment looks for it again.
    pub(super) has_lost_route: bool,
    /// A `close(2)` waits for its data, SO_LINGER.
    pub(super) is_lingering: bool,
    /// An AF_INET6 socket that has connected to an IPv4-mapped address: it goes on sending IPv4.
    pub(super) sends_ipv4: bool,
    /// SOCK_BINDADDR_LOCK: bind gave the address.
    pub(super) addr_locked: bool,
    /// SOCK_BINDPORT_LOCK: bind gave the port.
    pub(super) port_locked: bool,
    /// The port that it holds (inet_num), 0 if none.
    pub(super) num: u16,
    /// Its place among the holders of the port.
    pub(super) place: u32,
    /// The listener in whose queues it is.
    pub(super) parent: Option<Key>,
    /// The queues, while it listens.
    pub(super) listener: Option<Box<Listener<Key>>>,
    /// The effective user id of its creator.
    pub(super) uid: u32,
    /// How often it was disconnected: a connect that waits notices.
    pub(super) disconnects: u32,
    pub(super) heard: Heard,
}

/// What the header of a packet that was received left behind, as those options show it that a stream socket can only be asked for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Heard {
    /// `IP_MULTICAST_TTL`.
    pub(super) ttl: u8,
    /// `IPV6_MULTICAST_HOPS`.
    pub(super) hops: u8,
    /// `IPV6_MULTICAST_IF`, an interface index.
    pub(super) device: u8,
}

impl Heard {
    const NOTHING: Heard = Heard { ttl: 1, hops: 1, device: 0 };
}

impl Socket {
    /// A socket that is not connected.
    #[inline(always)]
    pub(super) fn new(config: &Config, family: Family, uid: u32, options: Shared<Options>) -> Socket {
        let any = family.any();
        Socket {
            state: State::Closed,
            tcb: Tcb::new(config),
            tuple: FourTuple { local: any, remote: any, local_port: 0, remote_port: 0 },
            peer: Key::NOBODY,
            file: None,
            armed: Instant::FAR,
            ss: Ss::Unconnected,
            family,
            v6only: false,
            is_dirty: false,
            calm: 0,
            peer_calm: 0,
            is_hashed: false,
            has_lost_route: false,
            is_lingering: false,
            sends_ipv4: false,
            addr_locked: false,
            port_locked: false,
            num: 0,
            place: 0,
            parent: None,
            listener: None,
            uid,
            disconnects: 0,
            options,
            heard: Heard::NOTHING,
        }
    }

    /// One that is gone becomes a socket that is not connected, as [`Socket::new`] makes it: in its place, for it is large.
    #[inline(never)]
    pub(super) fn renew(&mut self, config: &Config, family: Family, uid: u32, options: &Shared<Options>) {
        let any = family.any();
        let Socket { peer, file, armed, calm, peer_calm, tuple, options: own_options, tcb, .. } = self;
        (*peer, *file, *armed, *calm, *peer_calm) = (Key::NOBODY, None, Instant::FAR, 0, 0);
        *tuple = FourTuple { local: any, remote: any, local_port: 0, remote_port: 0 };
        own_options.clone_from(options);
        tcb.renew(config);
        (self.state, self.ss, self.family) = (State::Closed, Ss::Unconnected, family);
        (self.v6only, self.is_dirty, self.is_hashed, self.has_lost_route) = (false, false, false, false);
        (self.is_lingering, self.sends_ipv4, self.addr_locked, self.port_locked) = (false, false, false, false);
        (self.num, self.place, self.parent) = (0, 0, None);
        (self.uid, self.disconnects, self.heard) = (uid, 0, Heard::NOTHING);
        let fresh = || Socket::new(config, family, uid, options.clone());
        debug_assert_eq!(Socket { tcb: Tcb::new(config), ..self.clone() }, fresh(), "nothing of it is left");
    }

    /// It is gone, but for its place in memory: nothing that it held is to be kept with that, but what the next connection there can have again.
    pub(super) fn let_go(&mut self) {
        self.listener = None;
        self.tcb.let_go();
    }

    /// What it claims of its port.
    pub(super) fn claim(&self) -> Claim {
        Claim {
            ip: self.tuple.local,
            v6only: self.v6only,
            reuse_addr: self.options.reuse_addr,
            reuse_port: self.options.reuse_port,
            is_listening: self.tcb.state() == State::Listen,
            is_time_wait: false,
            uid: self.uid,
        }
    }
}

impl Socket {
    /// The socket holds a port.
    #[inline]
    pub(super) fn hold_port(&mut self, key: Key, port: u16, by_connect: bool, ports: &mut Ports) {
        self.place = ports.hold(port, Conn::Socket(key).into(), by_connect);
        self.num = port;
        self.tuple.local_port = port;
    }

    /// Enters the socket's connection, whose hash this is, into the index.
    #[inline]
    pub(super) fn hash(&mut self, key: Key, hash: u32, conns: &mut Conns) {
        self.is_hashed = true;
        conns.insert(&self.tuple, hash, Conn::Socket(key).into());
    }

    /// Takes the socket's connection out of the index.
    pub(super) fn unhash(&mut self, key: Key, conns: &mut Conns) {
        if std::mem::take(&mut self.is_hashed) {
            conns.remove(&self.tuple, Conn::Socket(key).into());
        }
    }
}

impl Host {
    /// `socket(2)`.
    pub(super) fn socket(&mut self, pid: Pid, domain: i32, kind: i32, protocol: i32) -> Result<usize> {
        let flags = check_type_flags(kind)?;
        if domain == c::AF_UNIX && kind & SOCK_TYPE_MASK < TYPES_MAX {
            return self.local_socket(pid, kind & SOCK_TYPE_MASK, protocol, flags);
        }
        let (family, transport) = check_protocol(domain, kind & SOCK_TYPE_MASK, protocol)?;
        match transport {
            Transport::Tcp => {}
            Transport::Udp => return self.dgram_socket(pid, family, flags),
        }
        let process = self.process_mut(pid)?;
        let fd = process.reserve(0)?;
        let uid = process.credentials.uid;
        let Host { sockets, files, tcp_config, sysctl, default_options, .. } = self;
        let options = match default_options {
            Some(options) => options,
            None => default_options.insert(Shared::default()),
        };
        tcp_config.renew(&sysctl.tcp, None);
        let (key, socket) = sockets.open(tcp_config, family, uid, options);
        let file = files.insert(File::held(Object::Socket(key), flags & c::SOCK_NONBLOCK != 0));
        socket.v6only = family == Family::Inet6 && sysctl.bindv6only;
        socket.file = Some(file);
        self.process_mut(pid)?.fill(fd, file, flags & c::SOCK_CLOEXEC != 0);
        Ok(value(fd))
    }

    /// `socketpair(2)`: of local sockets only.
    pub(super) fn socketpair(&mut self, pid: Pid, domain: i32, kind: i32, protocol: i32, out: &mut [RawFd; 2]) -> Result<usize> {
        let flags = check_type_flags(kind)?;
        let kind = kind & SOCK_TYPE_MASK;
        let process = self.process_mut(pid)?;
        let first = process.reserve(0)?;
        let second = process.reserve(0).inspect_err(|_| process.unreserve(first))?;
        let made = if domain == c::AF_UNIX && kind < TYPES_MAX {
            self.local_socketpair(pid, [first, second], kind, protocol, flags)
        } else {
            check_protocol(domain, kind, protocol).and(Err(Errno::OPNOTSUPP))
        };
        match made {
            Ok(_) => *out = [first, second],
            Err(_) => {
                let process = self.process_mut(pid)?;
                process.unreserve(second);
                process.unreserve(first);
            }
        }
        made
    }

    /// `getsockname(2)`.
    pub(super) fn getsockname(&mut self, pid: Pid, fd: RawFd, name: &mut Name<'_>) -> Result<usize> {
        let (_, socket) = self.socket_of(pid, fd)?;
        let socket = &self.sockets[socket];
        let shown = socket.family.show(socket.tuple.local, socket.tuple.local_port);
        addr::store_name(&addr::encode(&shown), name).map(|()| 0)
    }

    /// `getpeername(2)`.
    pub(super) fn getpeername(&mut self, pid: Pid, fd: RawFd, name: &mut Name<'_>) -> Result<usize> {
        let (_, socket) = self.socket_of(pid, fd)?;
        match self.sockets[socket].tcb.state() {
            State::Closed | State::SynSent | State::Listen => Err(Errno::NOTCONN),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => self.store_peer_name(socket, name).map(|()| 0),
        }
    }

    /// Stores the name of the other end, dead or alive.
    pub(super) fn store_peer_name(&self, socket: Key, name: &mut Name<'_>) -> Result<()> {
        let Socket { family, tuple, .. } = &self.sockets[socket];
        if *family == Family::Inet && store_inet_name(tuple.remote, tuple.remote_port, name) {
            return Ok(());
        }
        addr::store_name(&addr::encode(&family.show(tuple.remote, tuple.remote_port)), name)
    }

    /// The requests of `ioctl(2)` that TCP sockets know, `tcp(7)`.
    pub(super) fn socket_ioctl(&mut self, socket: Key, request: i32) -> Result<usize> {
        let tcb = &self.sockets[socket].tcb;
        let is_listening = tcb.state() == State::Listen;
        match request {
            c::FIONREAD | c::TIOCOUTQ if is_listening => Err(Errno::INVAL),
            c::FIONREAD => Ok(tcb.readable_bytes()),
            c::SIOCATMARK => Ok(usize::from(tcb.at_mark())),
            c::TIOCOUTQ => Ok(crate::slab::to_usize(tcb.siocoutq())),
            _ => Err(Errno::NOTTY),
        }
    }

    /// The socket holds a port from now on.
    pub(super) fn hold_port(&mut self, key: Key, port: u16, by_connect: bool) {
        self.sockets[key].hold_port(key, port, by_connect, &mut self.ports);
    }

    /// The socket gives its port back; its name goes on showing it.
    pub(super) fn put_port(&mut self, key: Key) {
        let socket = &mut self.sockets[key];
        let port = std::mem::take(&mut socket.num);
        if port != 0 {
            let place = socket.place;
            self.release_place(port, place);
        }
    }

    /// Takes a holder out of a port's bucket; the one that moves into its place is told.
    pub(super) fn release_place(&mut self, port: u16, place: u32) {
        let Some(moved) = self.ports.release(port, place) else { return };
        match moved.conn(&self.sockets, &self.time_waits) {
            Conn::Socket(moved) => self.sockets.set_place(moved, place),
            Conn::TimeWait(moved) => self.time_waits[moved].place = place,
        }
    }

    /// Whether the socket's claim on a port is in conflict with what others hold.
    pub(super) fn port_conflicts(&self, key: Key, port: u16, strictness: ports::Strictness) -> bool {
        let claim_of = |owner: Holder| match owner.conn(&self.sockets, &self.time_waits) {
            Conn::Socket(socket) => self.sockets.claim(socket),
            Conn::TimeWait(rest) => self.time_waits[rest].claim(),
        };
        let claim = self.sockets[key].claim();
        self.ports.conflicts(port, &claim, Some(Conn::Socket(key).into()), strictness, claim_of)
    }

    /// A port for bind and listen, by the kernel's choice.
    pub(super) fn choose_port_for_bind(&self, cx: &mut Cx<'_>, key: Key) -> Option<u16> {
        let options = &self.sockets[key].options;
        let (range, halves) = (options.port_range(&self.sysctl), options.reuse_addr);
        self.ports
            .choose_for_bind(&range, halves, cx.luck, |_, port| !self.port_conflicts(key, port, ports::Strictness::Automatic))
    }

    /// The local address as the socket was bound, once a connection is over: an address that bind did not give goes.
    pub(super) fn reset_names(&mut self, key: Key) {
        let socket = &mut self.sockets[key];
        socket.tuple.remote = socket.family.any();
        socket.tuple.remote_port = 0;
        if !socket.addr_locked {
            socket.tuple.local = socket.family.any();
        }
    }

    /// A description of both ends for reports, such as `tcp 10.0.0.1:80 <-> 10.0.0.2:40000`.
    pub(super) fn ends(&self, key: Key) -> Option<String> {
        let socket = self.sockets.get(key)?;
        let tuple = &socket.tuple;
        let local = std::net::SocketAddr::new(tuple.local, tuple.local_port);
        let remote = std::net::SocketAddr::new(tuple.remote, tuple.remote_port);
        let state = socket.tcb.state().name();
        Some(match tuple.remote.is_unspecified() {
            true => format!("tcp {local} {state}"),
            false => format!("tcp {local} <-> {remote} {state}"),
        })
    }
}

/// `SOCK_TYPE_MASK`: what of `socket(2)`'s second argument is the type.
const SOCK_TYPE_MASK: i32 = 0xf;
/// `NPROTO`: families are below it.
const FAMILIES_MAX: i32 = 46;
/// `SOCK_MAX`: types are below it.
const TYPES_MAX: i32 = 11;
/// One more than the largest protocol number of IP.
const PROTOCOLS_MAX: i32 = 256;

/// The flags in the type argument of `socket(2)`.
fn check_type_flags(kind: i32) -> Result<i32> {
    let flags = kind & !SOCK_TYPE_MASK;
    if flags & !(c::SOCK_CLOEXEC | c::SOCK_NONBLOCK) != 0 { Err(Errno::INVAL) } else { Ok(flags) }
}

/// The protocol of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Transport {
    Tcp,
    Udp,
}

/// Whether there is such a socket over IP. Raw sockets are not modelled: they answer as in a kernel that was built without them.
fn check_protocol(domain: i32, kind: i32, protocol: i32) -> Result<(Family, Transport)> {
    if !(0..FAMILIES_MAX).contains(&domain) {
        return Err(Errno::AFNOSUPPORT);
    }
    if kind >= TYPES_MAX {
        return Err(Errno::INVAL);
    }
    let family = match domain {
        c::AF_INET => Family::Inet,
        c::AF_INET6 => Family::Inet6,
        _ => return Err(Errno::AFNOSUPPORT),
    };
    if !(0..PROTOCOLS_MAX).contains(&protocol) {
        return Err(Errno::INVAL);
    }
    match kind {
        c::SOCK_STREAM if protocol == 0 || protocol == c::IPPROTO_TCP => Ok((family, Transport::Tcp)),
        c::SOCK_DGRAM if protocol == 0 || protocol == c::IPPROTO_UDP => Ok((family, Transport::Udp)),
        // Ping sockets are for the groups of net.ipv4.ping_group_range, which is empty by default.
        c::SOCK_DGRAM if protocol == family.icmp() => Err(Errno::ACCES),
        c::SOCK_STREAM | c::SOCK_DGRAM => Err(Errno::PROTONOSUPPORT),
        _ => Err(Errno::SOCKTNOSUPPORT),
    }
}
