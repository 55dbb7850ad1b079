//! Packets and timers: from the wire to the socket that a packet is for, and from the sockets to the wire.
//!
//! After every entry into a control block comes [`Host::settle`]: it puts the socket into the queue of senders, arms its timer, follows
//! its change of state (port, index of connections, queues of the listener, TIME-WAIT) and wakes those who wait.

use super::conns::FourTuple;
use super::cx::Cx;
use super::fast::Ends;
use super::handshake::SynFrom;
use super::holder::Conn;
use super::socket::Socket;
use super::sysctl::Sysctl;
use super::timers::{TimerOf, TimerQueue};
use super::{Host, poll};
use crate::packet::{Body, Icmp, IcmpError, Packet, Segment};
use crate::seldom::unlikely;
use crate::slab::{Key, KeyQueue};
use crate::tcp::{self, Sent, State};
use crate::udp::IpHeader;
use twinsock::Instant;

impl Socket {
    /// Writes the next packet that this socket has to send; `None`: there is none.
    #[inline(always)]
    fn transmit_into(&mut self, sysctl: &Sysctl, now: Instant, packet: &mut Packet) -> Option<Sent> {
        let sent = self.tcb.transmit_into(now, packet.segment_mut())?;
        self.address(sysctl, packet);
        Some(sent)
    }

    /// Writes the IP header of a packet of this socket.
    #[inline(always)]
    pub(super) fn address(&mut self, sysctl: &Sysctl, packet: &mut Packet) {
        let remote = &self.tuple.remote;
        packet.src = self.tuple.local;
        packet.dst = *remote;
        packet.ttl = self.options.ttl_to(remote).unwrap_or(sysctl.ip_default_ttl);
        packet.tos = self.options.tos_to(remote);
        self.has_lost_route = false;
    }

    /// Puts the socket into the queue of those that may have something to send, or, if it has nothing, arms its timer. Answers whether there is an
    /// earlier one now.
    #[inline(always)]
    pub(super) fn mark_dirty(&mut self, key: Key, dirty: &mut KeyQueue, timers: &mut TimerQueue) -> bool {
        if self.is_dirty {
            return false;
        }
        if self.tcb.has_output() {
            self.is_dirty = true;
            dirty.push(key);
            return false;
        }
        self.arm(key, timers)
    }

    /// Sees to it that the queue of timers has an entry no later than the socket's deadline. A deadline that moves later costs nothing.
    ///
    /// Answers whether there is an earlier one now.
    #[inline(always)]
    pub(super) fn arm(&mut self, key: Key, timers: &mut TimerQueue) -> bool {
        let deadline = self.tcb.poll_timeout().unwrap_or(Instant::FAR);
        unlikely(deadline < self.armed) && self.arm_at(deadline, key, timers)
    }

    #[inline(never)]
    fn arm_at(&mut self, deadline: Instant, key: Key, timers: &mut TimerQueue) -> bool {
        self.armed = deadline;
        timers.set(key, deadline);
        true
    }

    /// The same where one deadline has come to be this, and no other is earlier than it was.
    #[inline(always)]
    pub(super) fn arm_for(&mut self, deadline: Instant, key: Key, timers: &mut TimerQueue) -> bool {
        unlikely(deadline < self.armed) && self.arm_anew(key, timers)
    }

    #[inline(never)]
    fn arm_anew(&mut self, key: Key, timers: &mut TimerQueue) -> bool {
        self.arm(key, timers)
    }
}

/// Whom a socket wakes, once what its call sent has been taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct LateWake {
    file: Key,
    wakes: tcp::Wakes,
    is_lingering: bool,
    error: bool,
}

/// What an entry into a socket's control block has changed that concerns others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followed {
    /// Who waits for the socket, if it has a file.
    wake: Option<LateWake>,
    /// The state before, if the connection has come to be over.
    ended_from: Option<State>,
    /// It has come to be complete.
    is_completed: bool,
    /// The socket's timer goes off earlier than any that was known.
    is_earlier: bool,
}

impl Followed {
    /// Whether the host may have a timer that goes off earlier: the socket has, or something of it goes on to wait.
    #[inline(always)]
    pub(super) fn is_armed(&self) -> bool {
        self.is_earlier | self.ended_from.is_some()
    }
}

impl Socket {
    /// Follows what an entry into the control block has changed, as far as that concerns nobody else.
    #[inline(always)]
    pub(super) fn follow(&mut self, key: Key, dirty: &mut KeyQueue, timers: &mut TimerQueue) -> Followed {
        let is_earlier = self.mark_dirty(key, dirty, timers);
        let wakes = self.tcb.take_wakes();
        let is_lingering = self.is_lingering;
        let wake = self.file.map(|file| LateWake { file, wakes, is_lingering, error: false });
        let (new, old) = (self.tcb.state(), self.state);
        self.state = new;
        let ended_from = (new == State::Closed && old != State::Closed).then_some(old);
        let is_completed = old == State::SynReceived && new != old && new != State::Closed;
        Followed { wake, ended_from, is_completed, is_earlier }
    }
}

impl Host {
    /// Takes in a packet from a link or from this host itself.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// let mut send = Call::Sendto { fd: 0, data: b"x", flags: 0, addr: Some(addr.as_bytes()) };
    /// drop(host.begin(&mut cx, pid, Token(1), &mut send));
    /// while let Some(packet) = host.poll_transmit(&mut cx) {
    ///     host.handle_packet(&mut cx, packet);
    /// }
    /// assert_eq!(host.netstat(cx.now)[0].recv_q > 0, true, "it waits to be received");
    /// ```
    pub fn handle_packet(&mut self, cx: &mut Cx<'_>, mut packet: Packet) {
        self.take_packet(cx, &mut packet, Ends::UNKNOWN);
    }

    /// The same, with the packet where it is: a small one is not worth moving. What is left of it means nothing.
    #[inline(always)]
    pub(crate) fn take_packet(&mut self, cx: &mut Cx<'_>, packet: &mut Packet, ends: Ends) {
        let ttl = packet.ttl;
        if let Some(key) = self.guess(packet, ends)
            && let Body::Tcp(segment) = &mut packet.body
        {
            return self.segment_for_socket(cx, key, ends.from(), segment, ttl);
        }
        self.take_stray(cx, packet, ends);
    }

    /// The connection that a packet's sender takes it to be for, if it is for that one.
    #[inline(always)]
    pub(super) fn guess(&self, packet: &Packet, ends: Ends) -> Option<Key> {
        let key = ends.to();
        let Body::Tcp(segment) = &packet.body else { return None };
        self.sockets.get(key).is_some_and(|socket| socket.is_for(packet, segment)).then_some(key)
    }

    /// A packet whose sender does not know which connection it is for.
    #[inline(never)]
    fn take_stray(&mut self, cx: &mut Cx<'_>, packet: &mut Packet, ends: Ends) {
        let Packet { src, dst, ttl, .. } = *packet;
        let Body::Tcp(segment) = &mut packet.body else {
            if !self.take_datagram(cx.now, packet) {
                self.rare_packet(cx, std::mem::replace(packet, Packet::EMPTY));
            }
            return;
        };
        let (local_port, remote_port) = (segment.dst_port, segment.src_port);
        let tuple = FourTuple { local: dst, remote: src, local_port, remote_port };
        let hash = tuple.hash();
        let from = SynFrom { peer: ends.from(), hash, replaced: None };
        match self.conn_of(&tuple, hash) {
            Some(Conn::Socket(key)) => self.segment_for_socket(cx, key, ends.from(), segment, ttl),
            Some(Conn::TimeWait(key)) => self.segment_for_time_wait(cx, key, &tuple, (segment, ttl), from),
            None => self.segment_for_port(cx, &tuple, (segment, ttl), from),
        }
    }

    /// Packets of no connection that are not plain datagrams.
    #[cold]
    fn rare_packet(&mut self, cx: &mut Cx<'_>, packet: Packet) {
        let header = IpHeader::from(&packet);
        match packet.body {
            Body::Tcp(_) => unreachable!("a segment goes its own way"),
            Body::Udp(datagram) => self.handle_datagram(cx.now, header, datagram),
            Body::Icmp(icmp) => {
                if let IcmpError::PacketTooBig { mtu_bytes } = icmp.error {
                    self.addresses.learn_path(cx.now, icmp.about.dst, mtu_bytes);
                }
                self.handle_icmp(cx.now, header, icmp);
            }
        }
    }

    /// A segment for this socket, from that one of its sender's.
    #[inline(always)]
    fn segment_for_socket(&mut self, cx: &mut Cx<'_>, key: Key, peer: Key, segment: &mut Segment, ttl: u8) {
        let socket = &mut self.sockets[key];
        socket.peer = peer;
        if u16::from(ttl) < socket.options.look_below_ttl {
            return self.segment_looked_at(cx, key, segment, ttl);
        }
        if socket.state == State::SynReceived {
            return self.segment_for_half_open(cx.now, key, segment, ttl);
        }
        socket.tcb.take_segment(cx.now, segment);
        self.settle_last(cx.now, key);
    }

    /// A segment whose header matters to its socket: over IPv4 it may be dropped for its time to live, over IPv6 it may be noted.
    #[cold]
    fn segment_looked_at(&mut self, cx: &mut Cx<'_>, key: Key, segment: &mut Segment, ttl: u8) {
        let remote = self.sockets[key].tuple.remote;
        if remote.is_ipv4() && self.sockets[key].options.drops_ttl(ttl) {
            return;
        }
        if self.sockets[key].state == State::SynReceived {
            return self.segment_for_half_open(cx.now, key, segment, ttl);
        }
        let device = self.device_towards(remote);
        let end = segment.seq + segment.sequence_len();
        let socket = &mut self.sockets[key];
        socket.tcb.take_segment(cx.now, segment);
        // What came in order, if only an acknowledgement, on a connection that is still there.
        if remote.is_ipv6() && socket.tcb.state() != State::Closed && socket.tcb.has_received_up_to(end) {
            let [device_is_noted, hops_are_noted] = socket.options.notes_headers();
            if device_is_noted {
                socket.heard.device = device;
            }
            if hops_are_noted {
                socket.heard.hops = ttl;
            }
        }
        self.settle(cx.now, key);
    }

    fn handle_icmp(&mut self, now: Instant, header: IpHeader, icmp: Icmp) {
        let about = match &icmp.about.body {
            Body::Udp(_) => return self.dgram_icmp(header, &icmp),
            Body::Icmp(_) => return,
            Body::Tcp(_) => *icmp.about,
        };
        let Body::Tcp(segment) = about.body else { return };
        let tuple =
            FourTuple { local: about.src, remote: about.dst, local_port: segment.src_port, remote_port: segment.dst_port };
        if let Some(Conn::Socket(key)) = self.conn(&tuple) {
            self.sockets[key].tcb.handle_icmp(now, icmp.error, segment.seq, tuple.remote.is_ipv4());
            self.settle(now, key);
        }
    }

    /// The next packet to send, among them those to the host's own addresses; to be polled until `None` after every entry.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// let mut send = Call::Sendto { fd: 0, data: b"x", flags: 0, addr: Some(addr.as_bytes()) };
    /// drop(host.begin(&mut cx, pid, Token(1), &mut send));
    /// let packet = host.poll_transmit(&mut cx).unwrap();
    /// assert_eq!((packet.dst.to_string().as_str(), packet.data()), ("10.0.0.1", b"x".as_slice()));
    /// assert!(host.poll_transmit(&mut cx).is_none());
    /// ```
    pub fn poll_transmit(&mut self, cx: &mut Cx<'_>) -> Option<Packet> {
        let mut packet = Packet::EMPTY;
        self.transmit_into(cx.now, &mut packet, &mut { Ends::UNKNOWN }).then_some(packet)
    }

    /// The same, written to where the caller wants the packet: a small one is not worth moving. `false`: there is none, and what is there
    /// now means nothing.
    #[inline]
    pub(crate) fn transmit_into(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends) -> bool {
        if self.has_output() && (self.next_packet(now, packet, ends) || self.later_packet(now, packet, ends)) {
            return true;
        }
        self.output_is_out();
        false
    }

    /// There is no packet to send any more.
    #[inline]
    pub(crate) fn output_is_out(&mut self) {
        if !self.late_wakes.is_empty() {
            self.wake_late();
        }
    }

    /// Whether there may be a packet to send.
    #[inline]
    #[must_use]
    pub(crate) fn has_output(&self) -> bool {
        !self.dirty.is_empty() || !self.outbox.is_empty()
    }

    /// A packet of whoever is first in the queue, who leaves that if there is no other. `false`: there was none.
    #[inline(always)]
    fn next_packet(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends) -> bool {
        if !self.outbox.is_empty() {
            *ends = Ends::UNKNOWN;
            return self.next_reply(packet);
        }
        let Host { sockets, dirty, timers, sysctl, .. } = self;
        let Some(key) = dirty.first() else { return false };
        let Some(socket) = sockets.get_mut(key) else {
            dirty.drop_first();
            return false;
        };
        let sent = socket.transmit_into(sysctl, now, packet);
        *ends = Ends::between(key, socket.peer);
        // Usually that was all.
        if sent == Some(Sent::First) && socket.tcb.has_output() {
            return true;
        }
        socket.is_dirty = false;
        socket.arm(key, timers);
        dirty.drop_first();
        if socket.tcb.is_gone() {
            self.forget_socket(key);
        }
        sent.is_some()
    }

    /// All is out: the sockets of the calls that sent it tell who waits for them.
    #[cold]
    fn wake_late(&mut self) {
        while let Some(LateWake { file, wakes, is_lingering, error }) = self.late_wakes.pop_front() {
            if self.files.get(file).is_none() {
                continue;
            }
            self.wake_socket(file, wakes, is_lingering);
            if error {
                self.wake_file(file, poll::KEY_ERROR, false);
            }
        }
    }

    /// The same where the first in the queue had nothing to send.
    #[inline(never)]
    fn later_packet(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends) -> bool {
        while self.has_output() {
            if self.next_packet(now, packet, ends) {
                return true;
            }
        }
        false
    }

    #[cold]
    fn next_reply(&mut self, packet: &mut Packet) -> bool {
        self.outbox.pop_front().map(|reply| *packet = reply).is_some()
    }

    /// Moves what a socket has to send into the outbox, because its names are about to change or it is about to go.
    pub(super) fn flush(&mut self, now: Instant, key: Key) {
        let Some(socket) = self.sockets.get_mut(key).filter(|socket| socket.tcb.has_output()) else { return };
        let mut packet = Packet::EMPTY;
        while socket.transmit_into(&self.sysctl, now, &mut packet).is_some() {
            self.outbox.push_back(std::mem::replace(&mut packet, Packet::EMPTY));
        }
    }

    /// Sends an answer that belongs to no socket.
    pub(super) fn reply(&mut self, tuple: &FourTuple, segment: Segment) {
        let ttl = self.sysctl.ip_default_ttl;
        self.outbox.push_back(Packet { src: tuple.local, dst: tuple.remote, ttl, tos: 0, body: Body::Tcp(segment) });
    }

    /// When [`Host::handle_timeout`] wants to be called, at the latest; it may turn out that there is nothing to do then.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let tcp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_STREAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { tcp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 2].into(), 80).encode().unwrap();
    /// let connecting = host.begin(&mut cx, pid, Token(1), &mut Call::Connect { fd: 0, addr: addr.as_bytes() });
    /// assert!(host.poll_transmit(&mut cx).is_some(), "a SYN");
    /// assert_eq!(host.poll_timeout(), Some(Instant::from_nanos(1_000_000_000)), "RFC 6298 section 2: after a second it is sent again");
    /// # drop(connecting);
    /// ```
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| at)
    }

    /// Runs the timers that are due.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let tcp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_STREAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { tcp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 2].into(), 80).encode().unwrap();
    /// let connecting = host.begin(&mut cx, pid, Token(1), &mut Call::Connect { fd: 0, addr: addr.as_bytes() });
    /// assert!(host.poll_transmit(&mut cx).is_some(), "a SYN");
    /// cx.now = host.poll_timeout().unwrap();
    /// host.handle_timeout(&mut cx);
    /// assert!(host.poll_transmit(&mut cx).is_some(), "the SYN again");
    /// # drop(connecting);
    /// ```
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        while let Some((at, whose)) = self.timers.first() {
            if at > cx.now {
                break;
            }
            match whose {
                TimerOf::Socket(key) => {
                    self.timers.drop_first_of_sockets();
                    self.socket_timer(cx.now, key);
                }
                TimerOf::TimeWaits => self.time_waits_timer(cx.now),
            }
        }
    }

    /// An entry of the queue of timers is due. It does not move when a deadline moves later: then there is nothing to do yet.
    fn socket_timer(&mut self, now: Instant, key: Key) {
        let Some(socket) = self.sockets.get_calmly(key) else { return };
        socket.armed = Instant::FAR;
        if socket.tcb.poll_timeout().is_some_and(|deadline| deadline <= now) {
            socket.calm = 0;
            socket.tcb.handle_timeout(now);
            self.settle(now, key);
        }
        // The entry is used up.
        if let Some(socket) = self.sockets.get_calmly(key)
            && !socket.arm(key, &mut self.timers)
        {
            socket.tcb.rest();
            self.sockets.fold(key);
        }
    }

    /// Puts a socket that may have something to send into the queue of those; its timer is looked at when that is found out.
    #[inline]
    pub(super) fn mark_dirty(&mut self, key: Key) {
        let Host { sockets, dirty, timers, .. } = self;
        sockets[key].mark_dirty(key, dirty, timers);
    }

    /// Follows what an entry into the socket's control block has changed. (Send and receive change nothing but what there is to send.)
    #[inline]
    pub(super) fn settle(&mut self, now: Instant, key: Key) {
        self.settle_with(now, key, false);
    }

    /// The same as the last thing that is done before the driver polls what there is to send.
    #[inline]
    pub(super) fn settle_last(&mut self, now: Instant, key: Key) {
        self.settle_with(now, key, true);
    }

    #[inline(always)]
    fn settle_with(&mut self, now: Instant, key: Key, is_last: bool) {
        let Host { sockets, dirty, timers, .. } = self;
        let followed = sockets[key].follow(key, dirty, timers);
        self.settle_followed(now, key, followed, is_last);
    }

    /// The rest of it, once the socket itself has been followed.
    #[inline(always)]
    pub(super) fn settle_followed(&mut self, now: Instant, key: Key, followed: Followed, is_last: bool) {
        self.follow_turn(now, key, &followed, is_last);
        if let Some(LateWake { file, wakes, is_lingering, .. }) = followed.wake
            && (wakes.any() || is_lingering)
        {
            self.wake_socket(file, wakes, is_lingering);
        }
    }

    /// The same, for a call that sends and then wakes who waits for its socket; `error`: `sk_error_report` too.
    pub(super) fn settle_late(&mut self, now: Instant, key: Key, error: bool) {
        if let Some(wake) = self.follow(now, key, false) {
            self.late_wakes.push_back(LateWake { error, ..wake });
            if !self.has_output() {
                self.wake_late();
            }
        }
    }

    /// Follows what has changed but for waking who waits, which is answered.
    #[inline(always)]
    fn follow(&mut self, now: Instant, key: Key, is_last: bool) -> Option<LateWake> {
        let Host { sockets, dirty, timers, .. } = self;
        let followed = sockets[key].follow(key, dirty, timers);
        self.follow_turn(now, key, &followed, is_last);
        followed.wake
    }

    /// The socket's connection may be over or complete, which it was not before: `tcp_set_state`.
    #[inline(always)]
    fn follow_turn(&mut self, now: Instant, key: Key, followed: &Followed, is_last: bool) {
        if let Some(old) = followed.ended_from {
            self.follow_end(now, key, old, is_last);
        } else if followed.is_completed {
            self.follow_completion(key);
        }
    }

    #[inline]
    pub(super) fn wake_socket(&mut self, file: Key, wakes: tcp::Wakes, is_lingering: bool) {
        if wakes.has(tcp::Wakes::ERROR) {
            self.wake_file(file, poll::KEY_ERROR, false);
        }
        if wakes.has(tcp::Wakes::READABLE) {
            self.wake_file(file, poll::KEY_READABLE, false);
        }
        if wakes.has(tcp::Wakes::WRITABLE) {
            self.wake_file(file, poll::KEY_WRITABLE, false);
        }
        if wakes.has(tcp::Wakes::STATE) || is_lingering {
            self.wake_file(file, poll::KEY_STATE, true);
        }
    }

    /// The socket's connection is over, which it was not in its old state.
    #[inline(never)]
    fn follow_end(&mut self, now: Instant, key: Key, old: State, is_last: bool) {
        let socket = &mut self.sockets[key];
        let parent = socket.parent;
        let keeps_port = socket.port_locked;
        if !socket.tcb.leaves_rest() || !self.enter_time_wait(key) {
            self.sockets[key].unhash(key, &mut self.conns);
        }
        if !keeps_port {
            self.put_port(key);
        }
        if !(is_last && self.is_only_sender(key)) {
            self.bury(now, key);
        }
        if old == State::SynReceived
            && let Some(listener) = parent.and_then(|parent| self.sockets.get_mut(parent)?.listener.as_mut())
        {
            listener.remove_half_open(key);
            self.flush(now, key);
            self.forget_socket(key);
        }
    }

    /// The connection of a socket that was half open is complete: if it has a listener, that may be asked for it.
    #[inline(never)]
    fn follow_completion(&mut self, key: Key) {
        let Some(parent) = self.sockets[key].parent.and_then(|parent| self.sockets.get_mut(parent)) else { return };
        let Some(listener) = &mut parent.listener else { return };
        listener.establish(key);
        if let Some(file) = parent.file {
            self.wake_file(file, poll::KEY_READABLE, false);
        }
        self.prefetch_likely_next();
    }

    /// Whether the socket has something to send and nobody else has: then it need not go at once, for it does when that is out, see
    /// [`Host::transmit_into`].
    fn is_only_sender(&self, key: Key) -> bool {
        self.outbox.is_empty() && self.dirty.only() == Some(key) && self.sockets[key].tcb.has_output()
    }

    /// The socket is gone: nothing of it is left in the host.
    pub(super) fn forget_socket(&mut self, key: Key) {
        let Host { sockets, conns, ports, timers, .. } = self;
        let Some(socket) = sockets.get_mut(key) else { return };
        socket.unhash(key, conns);
        let (num, place) = (socket.num, socket.place);
        if socket.listener.is_some() {
            ports.unlisten(num, key);
        }
        if socket.armed < Instant::FAR {
            timers.clear(key);
        }
        sockets.forget(key);
        if num != 0 {
            self.release_place(num, place);
        }
    }
}
