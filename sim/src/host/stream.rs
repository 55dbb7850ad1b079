//! The life of a stream socket: bind, listen, accept, connect, shutdown, disconnect and the last close.
//!
//! Each follows its function in `af_inet.c`, `inet_connection_sock.c` or `tcp.c`, check by check, since the order of the checks is
//! what a program sees.

use super::Host;
use super::addr::{self, Family};
use super::conns::{FourTuple, name_of};
use super::cx::{Cx, Pid};
use super::file::{File, Object};
use super::holder::Conn;
use super::ports::{Probe, Strictness};
use super::socket::{Socket, Ss};
use super::task::{Kind, Step, Task};
use crate::slab::Key;
use crate::tcp::{Linger, Listener, State};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd};
use twinsock::{Errno, Instant, Result, Shutdown};

impl Socket {
    /// The canonical address that a connect goes to.
    #[inline(always)]
    fn destination(&self, target: addr::Target) -> Result<IpAddr> {
        let bound = self.tuple.local;
        let remote = addr::canonical(target.ip);
        if self.family == Family::Inet6 {
            if target.ip.is_unspecified() {
                // The wildcard means this host.
                let here = if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
                return Ok(here);
            }
            if target.ip.is_multicast() {
                return Err(Errno::NETUNREACH);
            }
            if is_link_local(remote) && target.scope_id == 0 {
                return Err(Errno::INVAL);
            }
            let is_bound_to_v6 = bound.is_ipv6() && !bound.is_unspecified();
            if remote.is_ipv4() && (self.v6only || is_bound_to_v6) {
                return Err(Errno::NETUNREACH);
            }
            if remote.is_ipv6() && bound.is_ipv4() {
                return Err(Errno::AFNOSUPPORT);
            }
        }
        if remote == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            let here = if bound.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { bound };
            return Ok(here);
        }
        Ok(remote)
    }
}

impl Host {
    /// `bind(2)`: `__inet_bind`, `__inet6_bind`.
    pub(super) fn bind(&mut self, cx: &mut Cx<'_>, pid: Pid, fd: RawFd, addr: &[u8]) -> Result<usize> {
        let (_, key) = self.socket_of(pid, fd)?;
        addr::check_length(addr)?;
        let is_root = self.process(pid)?.credentials.is_root();
        let family = self.sockets[key].family;
        let target = addr::decode(family, addr, true)?;
        let ip = addr::canonical(target.ip);
        let is_privileged = target.port != 0 && target.port < self.sysctl.ip_unprivileged_port_start;
        match family {
            Family::Inet => {
                self.check_bind_address(key, ip)?;
                if is_privileged && !is_root {
                    return Err(Errno::ACCES);
                }
                self.check_unbound(key)?;
            }
            Family::Inet6 => {
                if target.ip.is_multicast() {
                    return Err(Errno::INVAL);
                }
                if is_privileged && !is_root {
                    return Err(Errno::ACCES);
                }
                self.check_unbound(key)?;
                if (ip.is_ipv4() && self.sockets[key].v6only) || (is_link_local(ip) && target.scope_id == 0) {
                    return Err(Errno::INVAL);
                }
                self.check_bind_address(key, ip)?;
            }
        }
        self.bind_to(cx, key, target.ip, target.port).map(|()| 0)
    }

    fn check_bind_address(&self, key: Key, ip: IpAddr) -> Result<()> {
        let options = &self.sockets[key].options;
        let any_will_do = options.freebind || options.transparent || self.sysctl.ip_nonlocal_bind;
        if any_will_do || self.addresses.may_bind(ip) { Ok(()) } else { Err(Errno::ADDRNOTAVAIL) }
    }

    fn check_unbound(&self, key: Key) -> Result<()> {
        let socket = &self.sockets[key];
        if socket.tcb.state() != State::Closed || socket.num != 0 { Err(Errno::INVAL) } else { Ok(()) }
    }

    /// Takes the address and the port, or neither.
    fn bind_to(&mut self, cx: &mut Cx<'_>, key: Key, asked: IpAddr, port: u16) -> Result<()> {
        let ip = addr::canonical(asked);
        let socket = &mut self.sockets[key];
        let old_v6only = socket.v6only;
        socket.tuple.local = ip;
        socket.v6only |= asked.is_ipv6() && ip.is_ipv6() && !ip.is_unspecified();
        let needs_port = port != 0 || !socket.options.bind_address_no_port;
        if needs_port {
            let found = match port {
                0 => self.choose_port_for_bind(cx, key),
                _ => Some(port).filter(|port| !self.port_conflicts(key, *port, Strictness::Asked)),
            };
            let Some(port) = found else {
                let socket = &mut self.sockets[key];
                // The name of an earlier life is gone too: `inet_reset_saddr`.
                (socket.tuple.local, socket.v6only) = (socket.family.any(), old_v6only);
                return Err(Errno::ADDRINUSE);
            };
            self.hold_port(key, port, false);
        }
        let socket = &mut self.sockets[key];
        // For IPv6 any address but `::` is a lock, for IPv4 any but 0.0.0.0.
        socket.addr_locked |= !asked.is_unspecified();
        socket.port_locked |= port != 0;
        socket.tuple.local_port = socket.num;
        socket.tuple.remote = socket.family.any();
        socket.tuple.remote_port = 0;
        Ok(())
    }

    /// `listen(2)`: `__inet_listen_sk`, `inet_csk_listen_start`.
    pub(super) fn listen(&mut self, cx: &mut Cx<'_>, pid: Pid, fd: RawFd, backlog: i32) -> Result<usize> {
        let (_, key) = self.socket_of(pid, fd)?;
        // A negative backlog is a large unsigned one.
        let somaxconn = crate::slab::to_usize(self.sysctl.somaxconn);
        let backlog = usize::try_from(backlog).unwrap_or(usize::MAX).min(somaxconn);
        let socket = &mut self.sockets[key];
        if socket.ss != Ss::Unconnected {
            return Err(Errno::INVAL);
        }
        match socket.tcb.state() {
            State::Listen => {
                socket.listener.as_mut().expect("a socket in LISTEN has queues").set_backlog(backlog);
                return Ok(0);
            }
            State::Closed => {}
            State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => return Err(Errno::INVAL),
        }
        let port = match self.sockets[key].num {
            0 => self.choose_port_for_bind(cx, key),
            port => Some(port).filter(|port| !self.port_conflicts(key, *port, Strictness::Asked)),
        };
        let port = port.ok_or(Errno::ADDRINUSE)?;
        if self.sockets[key].num == 0 {
            self.hold_port(key, port, false);
        }
        self.ports.listen(port, key);
        let socket = &mut self.sockets[key];
        socket.tcb.listen();
        socket.tuple.local_port = port;
        socket.state = State::Listen;
        socket.listener = Some(Box::new(Listener::new(backlog)));
        Ok(0)
    }

    /// `accept4(2)` at its entry: the descriptor is reserved before anything is waited for.
    pub(super) fn enter_accept(&mut self, pid: Pid, fd: RawFd, flags: i32) -> Result<Task> {
        let file = self.file_of(pid, fd)?;
        if flags & !(c::SOCK_CLOEXEC | c::SOCK_NONBLOCK) != 0 {
            return Err(Errno::INVAL);
        }
        let reserved = self.process_mut(pid)?.reserve(0)?;
        let entry = &self.files[file];
        match entry.object {
            Object::Socket(socket) => Ok(Task::new(Kind::Accept { socket, reserved }, file, entry.nonblocking, flags)),
            Object::Dgram(_) | Object::Pipe(..) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => {
                self.process_mut(pid)?.unreserve(reserved);
                Err(Errno::NOTSOCK)
            }
        }
    }

    /// A step of `accept4(2)`.
    pub(super) fn step_accept(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        key: Key,
        reserved: RawFd,
        name: Option<&mut Name<'_>>,
        flags: i32,
    ) -> Step {
        match self.accept_next(cx, pid, key, reserved, name, flags) {
            Some(accepted) => Step::Done(accepted.map(|_| super::file::value(reserved))),
            None => Step::Wait,
        }
    }

    /// The same, `inet_csk_accept`: the file and the socket of the connection that was accepted. `None`: there is none yet.
    #[inline(never)]
    pub(super) fn accept_next(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        key: Key,
        reserved: RawFd,
        name: Option<&mut Name<'_>>,
        flags: i32,
    ) -> Option<Result<(Key, Key)>> {
        let socket = &mut self.sockets[key];
        if socket.tcb.state() != State::Listen {
            return Some(Err(Errno::INVAL));
        }
        let listener = socket.listener.as_mut().expect("a socket in LISTEN has queues");
        let child = listener.accept()?;
        let file = self.files.insert(File::held(Object::Socket(child), flags & c::SOCK_NONBLOCK != 0));
        let socket = &mut self.sockets[child];
        socket.file = Some(file);
        socket.parent = None;
        socket.ss = Ss::Connected;
        if let Some(name) = name
            && let Err(error) = self.store_peer_name(child, name)
        {
            // The connection is lost, as on Linux.
            self.put_file(cx, file, false);
            return Some(Err(error));
        }
        match self.process_mut(pid) {
            Ok(process) => {
                process.fill(reserved, file, flags & c::SOCK_CLOEXEC != 0);
                Some(Ok((file, child)))
            }
            Err(error) => {
                self.put_file(cx, file, false);
                Some(Err(error))
            }
        }
    }

    /// `connect(2)` at its entry: `__inet_stream_connect` up to where it waits. `None`: AF_UNSPEC, all is done.
    #[inline(always)]
    pub(super) fn enter_connect(&mut self, cx: &mut Cx<'_>, file: Key, key: Key, addr: &[u8]) -> Result<Option<Task>> {
        addr::check_length(addr)?;
        if addr::sa_family(addr).ok_or(Errno::INVAL)? == c::AF_UNSPEC {
            self.sockets[key].disconnects += 1;
            let Host { files, sleepers, .. } = self;
            let queue = &mut files[file].queue;
            queue.seat(sleepers);
            for call in queue.calls() {
                sleepers.disconnect(call);
            }
            self.disconnect(cx.now, key);
            self.sockets[key].ss = Ss::Unconnected;
            return Ok(None);
        }
        self.begin_connect(cx, file, key, addr).map(Some)
    }

    /// A send with MSG_FASTOPEN at its entry, `tcp_sendmsg_fastopen`: as nobody has a cookie, it connects and then sends.
    pub(super) fn enter_fastopen(&mut self, cx: &mut Cx<'_>, file: Key, key: Key, flags: i32, addr: &[u8]) -> Result<Task> {
        if addr::sa_family(addr) == Some(c::AF_UNSPEC) {
            return Err(Errno::OPNOTSUPP);
        }
        let task = self.begin_connect(cx, file, key, addr)?;
        Ok(Task { nonblocking: task.nonblocking || flags & c::MSG_DONTWAIT != 0, flags, ..task })
    }

    /// A connect up to where it waits.
    #[inline(always)]
    fn begin_connect(&mut self, cx: &mut Cx<'_>, file: Key, key: Key, addr: &[u8]) -> Result<Task> {
        let (pending, disconnects) = self.open_connect(cx, key, addr)?;
        Ok(Task::new(Kind::Connect { socket: key, pending, disconnects }, file, self.files[file].nonblocking, 0))
    }

    /// The same of a socket: what the call answers if it does not wait, and how often the socket had been disconnected when it began.
    #[inline(always)]
    pub(super) fn open_connect(&mut self, cx: &mut Cx<'_>, key: Key, addr: &[u8]) -> Result<(Errno, u32)> {
        let socket = &self.sockets[key];
        let disconnects = socket.disconnects;
        let pending = match socket.ss {
            Ss::Connected => return Err(Errno::ISCONN),
            Ss::Disconnecting => return Err(Errno::INVAL),
            Ss::Connecting => Errno::ALREADY,
            Ss::Unconnected => {
                if socket.tcb.state() != State::Closed {
                    return Err(Errno::ISCONN);
                }
                self.start_connect(cx, key, addr)?;
                Errno::INPROGRESS
            }
        };
        Ok((pending, disconnects))
    }

    /// A step of `connect(2)`: whether there is an outcome.
    pub(super) fn step_connect(&mut self, cx: &mut Cx<'_>, key: Key, disconnects: u32) -> Step {
        let socket = &mut self.sockets[key];
        if socket.disconnects != disconnects {
            // Another thread dissolved the association.
            return Step::Done(Err(Errno::PIPE));
        }
        match socket.tcb.state() {
            State::SynSent | State::SynReceived => Step::Wait,
            State::Closed => {
                let error = socket.tcb.take_error().unwrap_or(Errno::CONNABORTED);
                socket.ss = Ss::Unconnected;
                socket.disconnects += 1;
                self.disconnect(cx.now, key);
                Step::Done(Err(error))
            }
            State::Listen
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                socket.ss = Ss::Connected;
                Step::Done(Ok(0))
            }
        }
    }

    /// `tcp_v4_connect`, `tcp_v6_connect`: address, route, port, SYN.
    #[inline(never)]
    fn start_connect(&mut self, cx: &mut Cx<'_>, key: Key, addr: &[u8]) -> Result<()> {
        let socket = &self.sockets[key];
        let target = addr::decode(socket.family, addr, false)?;
        let remote = socket.destination(target)?;
        let (bound, num) = (socket.tuple.local, socket.num);
        // A multicast address that was bound is not a source.
        let source = if addr::is_multicast_or_broadcast(bound) { socket.family.any() } else { bound };
        self.addresses.forget_old_paths(cx.now);
        let route = self.addresses.route(source, remote)?;
        self.learn_path(cx, route.mtu_bytes, (&route.source, &remote));
        let mut tuple = FourTuple { local: route.source, remote, local_port: num, remote_port: target.port };
        let (hash, mut replaced);
        if tuple.local_port == 0 {
            let chosen = self.choose_port_for_connect(cx, key, &tuple).ok_or(Errno::ADDRNOTAVAIL)?;
            (tuple.local_port, hash, replaced) = (chosen.port, chosen.hash, chosen.replaced);
            self.hold_port(key, tuple.local_port, true);
        } else {
            (hash, replaced) = (tuple.hash(), None);
            match self.conn_of(&tuple, hash) {
                None => {}
                Some(Conn::Socket(_)) => return Err(Errno::ADDRNOTAVAIL),
                // A port that was asked for takes a connection in TIME-WAIT over at any age, if it had timestamps.
                Some(Conn::TimeWait(old)) => {
                    replaced = Some((old, self.time_waits[old].rest.reuse(Instant::FAR).ok_or(Errno::ADDRNOTAVAIL)?));
                }
            }
        }
        let iss = match replaced {
            Some((old, iss)) => {
                self.forget_time_wait(old);
                iss
            }
            None => self.initial_sequence_number(cx, hash),
        };
        let Host { sockets, tcp_config, conns, dirty, timers, .. } = self;
        let socket = &mut sockets[key];
        let is_discarded = socket.sends_ipv4 && remote.is_ipv6();
        if is_discarded {
            tuple.remote = DISCARD.into();
        }
        socket.sends_ipv4 |= socket.family == Family::Inet6 && remote.is_ipv4();
        socket.tuple = tuple;
        let ports = (tuple.local_port, tuple.remote_port);
        socket.tcb.connect(cx.now, tcp_config, ports, iss);
        socket.tcb.assume_peer_mss(if remote.is_ipv4() { MSS_DEFAULT_V4 } else { MSS_DEFAULT_V6 });
        socket.state = socket.tcb.state();
        // From there nothing comes, and another socket may have the same name.
        if !is_discarded {
            socket.hash(key, hash, conns);
        }
        socket.ss = Ss::Connecting;
        let wakes = socket.tcb.take_wakes();
        assert!(!wakes.any(), "a connection that begins has nothing to tell");
        socket.mark_dirty(key, dirty, timers);
        Ok(())
    }

    /// A port for a connection: `__inet_hash_connect`.
    #[inline(always)]
    fn choose_port_for_connect(&mut self, cx: &mut Cx<'_>, key: Key, tuple: &FourTuple) -> Option<Chosen> {
        let Host { ports, conns, time_waits, sysctl, addresses, sockets, .. } = self;
        let range = sockets[key].options.port_range(sysctl);
        let reuses = match sysctl.tcp_tw_reuse {
            0 => false,
            1 => true,
            _ => tuple.remote.is_loopback() || addresses.owns(tuple.remote),
        };
        let class = crate::slab::to_usize(tuple.hash()) % super::ports::CONNECT_CLASSES;
        let now = cx.now;
        let (mut hash, mut replaced) = (0, None);
        let mut tried = 0;
        let port = ports.choose_for_connect(&range, class, cx.luck, |ports, port| {
            if !ports.is_connect_only(port) {
                return Probe::Taken;
            }
            let tuple = FourTuple { local_port: port, ..*tuple };
            hash = tuple.hash();
            let taken = conns.get(&tuple, hash, |holder| name_of(sockets, time_waits, holder));
            match taken.map(|holder| holder.conn(sockets, time_waits)) {
                None => Probe::Free,
                Some(Conn::TimeWait(old)) if reuses => {
                    replaced = time_waits[old].rest.reuse(now).map(|iss| (old, iss));
                    Probe::from(replaced.is_some())
                }
                Some(Conn::Socket(_) | Conn::TimeWait(_)) => {
                    tried += 1;
                    if tried == CROWD_TRIES {
                        conns.expect_many(&tuple, |holder| name_of(sockets, time_waits, holder));
                    }
                    // A port in TIME-WAIT that may be had again must be looked at.
                    conns.next_free_port(&tuple).filter(|_| !reuses).map_or(Probe::Taken, Probe::TakenBefore)
                }
            }
        })?;
        Some(Chosen { port, hash, replaced })
    }

    /// `shutdown(2)`: `inet_shutdown`.
    pub(super) fn shutdown(&mut self, cx: &mut Cx<'_>, pid: Pid, fd: RawFd, how: i32) -> Result<usize> {
        let (_, key) = self.socket_of(pid, fd)?;
        let how = match how {
            c::SHUT_RD => Shutdown::Read,
            c::SHUT_WR => Shutdown::Write,
            c::SHUT_RDWR => Shutdown::Both,
            _ => return Err(Errno::INVAL),
        };
        let socket = &mut self.sockets[key];
        let state = socket.tcb.state();
        if socket.ss == Ss::Connecting {
            socket.ss = match state {
                State::SynSent | State::SynReceived | State::Closed => Ss::Disconnecting,
                State::Listen
                | State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::Closing
                | State::LastAck
                | State::TimeWait => Ss::Connected,
            };
        }
        let cancels = state == State::SynSent || (state == State::Listen && how != Shutdown::Write);
        if cancels {
            self.disconnect(cx.now, key);
            self.sockets[key].ss = Ss::Unconnected;
            return Ok(0);
        }
        let result = socket.tcb.shutdown(cx.now, how);
        self.settle_late(cx.now, key, false);
        result.map(|()| 0)
    }

    /// `tcp_disconnect`: ends whatever the socket does; it may connect or listen again.
    fn disconnect(&mut self, now: Instant, key: Key) {
        self.stop_listening(now, key);
        self.sockets[key].tcb.disconnect(now);
        self.flush(now, key);
        self.settle_late(now, key, true);
        self.reset_names(key);
        // `tcp_disconnect`
        let options = &mut self.sockets[key].options;
        if options.peek_off != -1 {
            options.peek_off = -1;
        }
    }

    /// `inet_csk_listen_stop`: the listener takes no more connections, and those that nobody has accepted are reset.
    #[cold]
    pub(super) fn stop_listening(&mut self, now: Instant, key: Key) {
        if let Some(listener) = self.sockets[key].listener.take() {
            self.dissolve(now, key, *listener);
        }
    }

    #[cold]
    fn leave_groups(&mut self, key: Key) {
        self.stream_groups.remove(&key);
    }

    /// The connections of a listener that is one no longer.
    fn dissolve(&mut self, now: Instant, key: Key, mut listener: Listener<Key>) {
        let socket = &mut self.sockets[key];
        let port = socket.num;
        self.ports.unlisten(port, key);
        let pending = listener.pending();
        let children: Vec<Key> = listener.drain().collect();
        for (index, child) in children.into_iter().enumerate() {
            if index < pending {
                self.sockets[child].parent = None;
                self.sockets[child].tcb.close(now, Linger::Reset);
                self.settle(now, child);
                self.bury(now, child);
            } else {
                self.forget_socket(child);
            }
        }
    }

    /// The last close of a socket: `inet_release`, `__tcp_close`. Answers until when the caller waits for its data.
    pub(super) fn release_socket(&mut self, cx: &mut Cx<'_>, key: Key, may_linger: bool) -> Option<Instant> {
        if !self.stream_groups.is_empty() {
            self.leave_groups(key);
        }
        let mut socket = &mut self.sockets[key];
        if socket.listener.is_some() {
            self.stop_listening(cx.now, key);
            socket = &mut self.sockets[key];
        }
        let lingers = socket.options.linger();
        let linger = match lingers {
            None => Linger::None,
            Some(0) => Linger::Reset,
            Some(_) => Linger::Wait,
        };
        let wait = lingers.filter(|seconds| *seconds > 0 && may_linger);
        socket.tcb.close(cx.now, linger);
        let waits = wait.is_some() && socket.tcb.has_unacked();
        if waits {
            socket.is_lingering = true;
        } else {
            socket.file = None;
        }
        let is_over = socket.tcb.state() == State::Closed;
        self.settle(cx.now, key);
        if is_over {
            self.bury(cx.now, key);
        }
        wait.filter(|_| waits).map(|seconds| cx.now + Duration::from_secs(u64::from(seconds)))
    }

    /// A socket whose connection is over and that nobody has goes at once; a last segment goes before it.
    #[inline]
    pub(super) fn bury(&mut self, now: Instant, key: Key) {
        let Some(socket) = self.sockets.get(key).filter(|socket| socket.tcb.state() == State::Closed) else { return };
        let is_gone = if socket.tcb.has_output() {
            self.flush(now, key);
            self.sockets[key].tcb.is_gone()
        } else {
            socket.tcb.is_gone()
        };
        if is_gone {
            self.forget_socket(key);
        }
    }

    /// A step of a close that waits: until everything is acknowledged.
    pub(super) fn step_linger(&mut self, key: Key) -> Step {
        match self.sockets.get(key) {
            Some(socket) if socket.tcb.has_unacked() => Step::Wait,
            Some(_) | None => Step::Done(Ok(0)),
        }
    }

    /// Nobody has the socket any longer: it only finishes its connection.
    pub(super) fn orphan_socket(&mut self, key: Key) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.file = None;
            socket.is_lingering = false;
        }
    }
}

/// The local port that a connect has come to.
struct Chosen {
    port: u16,
    /// The hash of the connection.
    hash: u32,
    /// The connection in TIME-WAIT whose place it takes, and the initial sequence number that keeps that one's segments out.
    replaced: Option<(Key, u32)>,
}

/// How many ports a connect tries before account is kept of those that are taken.
const CROWD_TRIES: u32 = 256;

/// `TCP_MSS_DEFAULT`, RFC 9293 section 3.7.1, and its like of `tcp_v6_connect`: what an MTU of 1280 leaves.
const MSS_DEFAULT_V4: u16 = 536;
const MSS_DEFAULT_V6: u16 = 1220;
/// Where nobody is, RFC 6666: the segments of an AF_INET6 socket that was connected to an IPv4-mapped address before. Linux leaves it the
/// operations of IPv4 (`ipv6_mapped`), and its SYN never arrives.
const DISCARD: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1);

/// Whether the address needs a scope, `__ipv6_addr_needs_scope_id`; no interface of a host has one.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}
