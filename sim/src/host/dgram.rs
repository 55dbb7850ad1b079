//! Datagram sockets over IPv4 and IPv6, `udp(7)`: what a socket is beyond its [`Udp`] value, and the way of its calls.
//!
//! A call on such a socket leaves the table of calls at its head ([`Host::enter_dgram`]). Only receives wait: a datagram is sent at
//! once or not at all. After every entry into the value comes [`Host::settle_dgram`], which wakes those who wait.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `name.rs`, `ports.rs` | bind, connect, autobind; who holds which port |
//! | `send.rs`, `recv.rs`, `control.rs`, `short.rs` | the calls that send and receive; control messages; the same, short |
//! | `cork.rs` | whose page the data of a datagram lies in that is being built |
//! | `input.rs` | packets and ICMP errors: whose they are |
//! | `route.rs`, `group.rs`, `source.rs` | where datagrams leave; multicast groups, and whose datagrams they let through |

mod control;
mod cork;
mod group;
mod input;
mod name;
mod ports;
mod recv;
mod route;
mod send;
mod short;
mod source;

pub(super) use cork::Corks;
use group::Groups;
pub(super) use group::Memberships;
pub(super) use ports::DgramPorts;
pub(super) use route::Device;
pub(crate) use short::{Asked, store_inet_name};
pub(super) use source::{Member, is_source_option};

use super::addr::Family;
use super::call::Call;
use super::cx::{Cx, Pid, Token};
use super::dispatch::check_iov;
use super::file::{Object, value};
use super::option::Options;
use super::task::{Kind, Task};
use super::{Host, addr, poll};
use crate::slab::Key;
use crate::udp::{self, Udp};
use send::{Flow, Message, Way};
use short::{Heard, ShortWay, Ways};
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use twinsock::consts as c;
use twinsock::raw::RawFd;
use twinsock::{Errno, PollEvents, Result, Shutdown};

/// A UDP socket of a file.
#[derive(Debug)]
pub(super) struct Dgram {
    pub(super) udp: Udp,
    pub(super) family: Family,
    /// The local address, canonical (`inet_rcv_saddr`).
    local: IpAddr,
    /// The port that it holds (`inet_num`), 0 if none.
    port: u16,
    /// `IPV6_V6ONLY`, also set by bind to an IPv6 address.
    pub(super) v6only: bool,
    /// SOCK_BINDADDR_LOCK: bind gave the address.
    addr_locked: bool,
    /// SOCK_BINDPORT_LOCK: bind gave the port.
    port_locked: bool,
    /// Grows with every change of the local name: of sockets that match equally well, the one that was last receives.
    named_at: u64,
    /// Its file.
    file: Option<Key>,
    /// The effective user id of its creator.
    uid: u32,
    pub(super) options: Options,
    /// What it sends to groups by, and those that it has joined.
    pub(super) groups: Groups,
    /// The way of the datagram that is being made.
    way: Option<Way>,
    /// The route to the peer, if it is known.
    pub(super) flow: Flow,
    /// Where the datagram that was just sent went.
    gone: Option<ShortWay>,
    /// Where datagrams went, for the next ones.
    ways: Ways,
    /// Whose datagrams are known to be for it.
    heard: Heard,
}

impl Dgram {
    fn new(family: Family, uid: u32, udp: Udp) -> Dgram {
        Dgram {
            udp,
            family,
            local: family.any(),
            port: 0,
            v6only: false,
            addr_locked: false,
            port_locked: false,
            named_at: 0,
            file: None,
            uid,
            options: Options::default(),
            groups: Groups::default(),
            way: None,
            flow: Flow { source: family.any(), destination: SocketAddr::new(family.any(), 0), is_cached: false },
            gone: None,
            ways: Ways::default(),
            heard: Heard::NOTHING,
        }
    }

    /// Whether it has a port, after which some options are fixed.
    pub(super) fn is_named(&self) -> bool {
        self.port != 0
    }

    /// The address that it sends from, `inet_saddr`: a group or a broadcast address can be bound, but is no source.
    fn source(&self) -> IpAddr {
        if addr::is_multicast_or_broadcast(self.local) { any_like(self.local) } else { self.local }
    }

    /// What `poll(2)` says of the socket; looking at a blocking one leaves a trace, see [`Udp::note_polled`].
    pub(super) fn poll_mask(&mut self, nonblocking: bool) -> PollEvents {
        let mask = self.udp.poll_mask();
        if !nonblocking && mask.contains(PollEvents::RDNORM) {
            self.udp.note_polled();
        }
        mask
    }

    /// Its address and port.
    pub(super) fn local_end(&self) -> SocketAddr {
        SocketAddr::new(self.local, self.port)
    }

    /// Its open file description.
    pub(super) fn file(&self) -> Option<Key> {
        self.file
    }

    /// A description of both ends for reports, such as `udp 10.0.0.1:53 <-> 10.0.0.2:40000`.
    pub(super) fn ends(&self) -> String {
        let local = self.local_end();
        match self.udp.peer() {
            None => format!("udp {local}"),
            Some(peer) => format!("udp {local} <-> {peer}"),
        }
    }
}

/// The wildcard of the address's family.
fn any_like(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { Family::Inet.any() } else { Family::Inet6.any() }
}

/// What entering a call on a datagram socket came to.
pub(super) enum DgramEntered {
    /// It has returned this.
    Done(usize),
    /// It receives, and may wait.
    Task(Task),
}

impl Host {
    /// `socket(2)` of type SOCK_DGRAM.
    pub(super) fn dgram_socket(&mut self, pid: Pid, family: Family, flags: i32) -> Result<usize> {
        let uid = self.process(pid)?.credentials.uid;
        let udp_family = match family {
            Family::Inet => udp::Family::V4,
            Family::Inet6 => udp::Family::V6,
        };
        let mut udp = Udp::new(udp_family, self.sysctl.rmem_default);
        udp.options.sndbuf_bytes = self.sysctl.wmem_default;
        let mut dgram = Dgram::new(family, uid, udp);
        dgram.v6only = family == Family::Inet6 && self.sysctl.bindv6only;
        let fd = self.process_mut(pid)?.reserve(0)?;
        let key = self.dgrams.insert(dgram);
        let file = self.open_file(Object::Dgram(key), flags & c::SOCK_NONBLOCK != 0);
        self.dgrams[key].file = Some(file);
        self.hold_file(file);
        self.process_mut(pid)?.fill(fd, file, flags & c::SOCK_CLOEXEC != 0);
        Ok(value(fd))
    }

    /// The descriptor, the file and the socket that a call is about, if that is a datagram socket.
    pub(super) fn dgram_behind(&self, pid: Pid, call: &Call<'_, '_>) -> Option<(RawFd, Key, Key)> {
        let fd = socket_argument(call)?;
        let file = self.file_of(pid, fd).ok()?;
        match self.files[file].object {
            Object::Dgram(dgram) => Some((fd, file, dgram)),
            Object::Socket(_) | Object::Pipe(..) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => None,
        }
    }

    /// Does a call on a datagram socket, or finds that it receives.
    pub(super) fn enter_dgram(
        &mut self,
        cx: &mut Cx<'_>,
        (pid, thread): (Pid, Token),
        file: Key,
        key: Key,
        call: &mut Call<'_, '_>,
    ) -> Result<DgramEntered> {
        let is_nonblocking = self.files[file].nonblocking;
        let receive = |flags: i32| {
            let nonblocking = is_nonblocking || flags & c::MSG_DONTWAIT != 0;
            Ok(DgramEntered::Task(Task::new(Kind::DgramRecv { dgram: key }, file, nonblocking, flags)))
        };
        self.dgrams[key].forget_ways_at(call);
        let done = match call {
            Call::Recvfrom { flags, .. } => return receive(*flags),
            Call::Recvmsg { hdr, flags, .. } => {
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                return receive(*flags);
            }
            // A read of no bytes does not look at the socket.
            Call::Read { into: [], .. } => 0,
            Call::Readv { iov, .. } => {
                check_iov(iov.len(), Errno::INVAL)?;
                if !iov.iter().all(|part| part.is_empty()) {
                    return receive(0);
                }
                0
            }
            Call::Read { .. } => return receive(0),
            Call::Sendto { data, flags, addr, .. } => {
                addr.map_or(Ok(()), addr::check_length)?;
                self.send_dgram(
                    cx,
                    pid,
                    key,
                    &Message { iov: &[IoSlice::new(data)], name: *addr, control: &[], flags: *flags, thread },
                )?
            }
            Call::Sendmsg { hdr, flags, .. } => {
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                let name = hdr.name.filter(|name| !name.is_empty());
                self.send_dgram(cx, pid, key, &Message { iov: hdr.iov, name, control: hdr.control, flags: *flags, thread })?
            }
            Call::Write { data, .. } => self.send_dgram(
                cx,
                pid,
                key,
                &Message { iov: &[IoSlice::new(data)], name: None, control: &[], flags: 0, thread },
            )?,
            Call::Writev { iov, .. } => {
                check_iov(iov.len(), Errno::INVAL)?;
                self.send_dgram(cx, pid, key, &Message { iov, name: None, control: &[], flags: 0, thread })?
            }
            Call::Bind { addr, .. } => self.bind_dgram(cx, pid, key, addr)?,
            Call::Connect { addr, .. } => self.connect_dgram(cx, key, addr)?,
            Call::Getsockname { name, .. } => self.dgrams[key].store_name(name)?,
            Call::Getpeername { name, .. } => self.dgrams[key].store_peer_name(name)?,
            Call::Shutdown { how, .. } => self.shutdown_dgram(key, *how)?,
            Call::Listen { .. } => return Err(Errno::OPNOTSUPP),
            Call::Accept4 { flags, .. } => self.accept_dgram(pid, *flags)?,
            Call::Getsockopt { level, name, value, len, .. } => self.get_dgram_option(key, (*level, *name), value, len)?,
            Call::Setsockopt { level, name, value, .. } => self.set_dgram_option(cx, pid, key, (*level, *name), value)?,
            Call::Socket { .. }
            | Call::Socketpair { .. }
            | Call::Fcntl { .. }
            | Call::Ioctl { .. }
            | Call::Pipe2 { .. }
            | Call::Dup { .. }
            | Call::Dup3 { .. }
            | Call::Close { .. }
            | Call::Poll { .. }
            | Call::Select { .. }
            | Call::EpollCreate1 { .. }
            | Call::EpollCtl { .. }
            | Call::EpollWait { .. } => unreachable!("only calls on sockets go this way"),
        };
        Ok(DgramEntered::Done(done))
    }

    /// `accept4(2)`: no datagram socket has connections, but the descriptor for one is looked for first.
    fn accept_dgram(&mut self, pid: Pid, flags: i32) -> Result<usize> {
        if flags & !(c::SOCK_CLOEXEC | c::SOCK_NONBLOCK) != 0 {
            return Err(Errno::INVAL);
        }
        let process = self.process_mut(pid)?;
        let reserved = process.reserve(0)?;
        process.unreserve(reserved);
        Err(Errno::OPNOTSUPP)
    }

    /// `shutdown(2)`: `inet_shutdown`.
    fn shutdown_dgram(&mut self, key: Key, how: i32) -> Result<usize> {
        let how = match how {
            c::SHUT_RD => Shutdown::Read,
            c::SHUT_WR => Shutdown::Write,
            c::SHUT_RDWR => Shutdown::Both,
            _ => return Err(Errno::INVAL),
        };
        let result = self.dgrams[key].udp.shutdown(how);
        self.settle_dgram(key);
        result.map(|()| 0)
    }

    /// The requests of `ioctl(2)` that UDP sockets know, `udp(7)`.
    pub(super) fn dgram_ioctl(&mut self, key: Key, request: i32) -> Result<usize> {
        let udp = &mut self.dgrams[key].udp;
        match request {
            c::FIONREAD => Ok(udp.readable_bytes()),
            c::TIOCOUTQ => Ok(crate::slab::to_usize(udp.outq_bytes())),
            _ => Err(Errno::NOTTY),
        }
    }

    /// Tells those who wait what an entry into the socket's value has changed.
    #[inline]
    pub(super) fn settle_dgram(&mut self, key: Key) {
        let Some(dgram) = self.dgrams.get_mut(key) else { return };
        let wakes = dgram.udp.take_wakes();
        let Some(file) = dgram.file else { return };
        if wakes.error {
            self.wake_file(file, poll::KEY_ERROR, false);
        }
        if wakes.readable {
            self.wake_file(file, poll::KEY_READABLE, false);
        }
        if wakes.writable {
            self.wake_file(file, poll::KEY_WRITABLE, false);
        }
        if wakes.state {
            self.wake_file(file, poll::KEY_STATE, true);
        }
    }

    /// The last close of the socket: its port is free at once, its queue is lost, so is a datagram that was being built.
    pub(super) fn forget_dgram(&mut self, key: Key) {
        if self.dgrams.get(key).is_some() {
            self.unname_dgram(key);
            self.dgrams.remove(key);
            self.note_cork(key, false);
        }
    }
}

/// The descriptor of a call that is for sockets, or that sends or receives on one.
pub(super) fn socket_argument(call: &Call<'_, '_>) -> Option<RawFd> {
    match call {
        Call::Bind { fd, .. }
        | Call::Listen { fd, .. }
        | Call::Accept4 { fd, .. }
        | Call::Connect { fd, .. }
        | Call::Shutdown { fd, .. }
        | Call::Getsockname { fd, .. }
        | Call::Getpeername { fd, .. }
        | Call::Getsockopt { fd, .. }
        | Call::Setsockopt { fd, .. }
        | Call::Sendto { fd, .. }
        | Call::Sendmsg { fd, .. }
        | Call::Recvfrom { fd, .. }
        | Call::Recvmsg { fd, .. }
        | Call::Read { fd, .. }
        | Call::Write { fd, .. }
        | Call::Readv { fd, .. }
        | Call::Writev { fd, .. } => Some(*fd),
        Call::Socket { .. }
        | Call::Socketpair { .. }
        | Call::Fcntl { .. }
        | Call::Ioctl { .. }
        | Call::Pipe2 { .. }
        | Call::Dup { .. }
        | Call::Dup3 { .. }
        | Call::Close { .. }
        | Call::Poll { .. }
        | Call::Select { .. }
        | Call::EpollCreate1 { .. }
        | Call::EpollCtl { .. }
        | Call::EpollWait { .. } => None,
    }
}
