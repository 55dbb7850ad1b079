//! Packets and timers: from the wire to the socket that a packet is for, and from the sockets to the wire.
//!
//! After every entry into a control block comes [`Host::settle`]: it puts the socket into the queue of senders, arms its timer, follows
//! its change of state (port, index of connections, queues of the listener, TIME-WAIT) and wakes those who wait.

use super::conns::{Conn, FourTuple};
use super::cx::Cx;
use super::fast::Ends;
use super::socket::Socket;
use super::sysctl::Sysctl;
use super::timers::{TimerOf, TimerQueue};
use super::{Host, addr, poll};
use crate::packet::{Body, Control, Icmp, IcmpError, Latitude, Packet, Segment};
use crate::slab::{Key, KeyQueue};
use crate::tcp::{self, Config, ListenVerdict, State, Tcb};
use crate::udp::IpHeader;
use std::net::IpAddr;
use twinsock::{Instant, Result};

impl Socket {
    /// Writes the next packet that this socket has to send; `false`: there is none.
    #[inline]
    fn transmit_into(&mut self, sysctl: &Sysctl, now: Instant, packet: &mut Packet) -> bool {
        if !self.tcb.transmit_into(now, packet.segment_mut()) {
            return false;
        }
        self.address(sysctl, packet);
        true
    }

    /// Writes the IP header of a packet of this socket.
    #[inline]
    pub(super) fn address(&self, sysctl: &Sysctl, packet: &mut Packet) {
        let remote = self.tuple.remote;
        packet.src = self.tuple.local;
        packet.dst = remote;
        packet.ttl = self.options.ttl_to(remote).unwrap_or(sysctl.ip_default_ttl);
        packet.tos = self.options.tos_to(remote);
    }

    /// Puts the socket into the queue of those that may have something to send, or, if it has nothing, arms its timer.
    #[inline]
    pub(super) fn mark_dirty(&mut self, key: Key, dirty: &mut KeyQueue, timers: &mut TimerQueue) {
        if self.is_dirty {
            return;
        }
        if self.tcb.has_output() || self.tcb.is_gone() {
            self.is_dirty = true;
            dirty.push(key);
        } else {
            self.arm(key, timers);
        }
    }

    /// Sees to it that the queue of timers has an entry no later than the socket's deadline. A deadline that moves later costs nothing.
    ///
    /// Answers whether there is an earlier one now.
    #[inline(always)]
    pub(super) fn arm(&mut self, key: Key, timers: &mut TimerQueue) -> bool {
        let deadline = self.tcb.poll_timeout().unwrap_or(Instant::FAR);
        let is_earlier = deadline < self.armed;
        if is_earlier {
            self.armed = deadline;
            timers.set(TimerOf::Socket(key), deadline);
        }
        is_earlier
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

impl Host {
    /// Takes in a packet from a link or from this host itself.
    pub fn handle_packet(&mut self, cx: &mut Cx<'_>, mut packet: Packet) {
        self.take_packet(cx, &mut packet, Ends::UNKNOWN);
    }

    /// The same, with the packet where it is: a small one is not worth moving. What is left of it means nothing.
    #[inline]
    pub(crate) fn take_packet(&mut self, cx: &mut Cx<'_>, packet: &mut Packet, ends: Ends) {
        let Packet { src, dst, ttl, .. } = *packet;
        let Body::Tcp(segment) = &mut packet.body else {
            if !self.take_datagram(cx.now, packet) {
                self.rare_packet(cx, std::mem::replace(packet, Packet::EMPTY));
            }
            return;
        };
        let (local_port, remote_port) = (segment.dst_port, segment.src_port);
        let tuple = FourTuple { local: dst, remote: src, local_port, remote_port };
        let conn = match self.guess(ends, &tuple) {
            Some(key) => Some(Conn::Socket(key)),
            None => self.conn(&tuple),
        };
        match conn {
            Some(Conn::Socket(key)) => {
                self.sockets[key].peer = ends.from();
                self.segment_for_socket(cx, key, segment, ttl);
            }
            Some(Conn::TimeWait(key)) => {
                self.segment_for_time_wait(cx, key, tuple, std::mem::replace(segment, Segment::EMPTY), ttl);
            }
            None => self.segment_for_port(cx, tuple, segment, ttl, None),
        }
    }

    /// The connection that a packet's sender takes it to be for, if it is for that one.
    #[inline]
    pub(super) fn guess(&self, ends: Ends, tuple: &FourTuple) -> Option<Key> {
        let key = ends.to();
        self.sockets.get(key).is_some_and(|socket| socket.is_hashed && socket.tuple == *tuple).then_some(key)
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

    #[inline]
    fn segment_for_socket(&mut self, cx: &mut Cx<'_>, key: Key, segment: &mut Segment, ttl: u8) {
        let socket = &mut self.sockets[key];
        if u16::from(ttl) < socket.options.look_below_ttl {
            return self.segment_looked_at(cx, key, segment, ttl);
        }
        if socket.state == State::SynReceived {
            return self.segment_for_half_open(cx, key, segment, ttl);
        }
        socket.tcb.take_segment(cx.now, segment);
        self.settle(cx.now, key);
    }

    /// A segment that may complete a connection. What its header says becomes the connection's: `tcp_v4_syn_recv_sock` takes `mc_ttl` from
    /// it, `tcp_v6_syn_recv_sock`, whatever IP carries it, `mcast_hops` and `mcast_oif`.
    fn segment_for_half_open(&mut self, cx: &mut Cx<'_>, key: Key, segment: &mut Segment, ttl: u8) {
        if !self.may_establish(cx.now, key, segment) {
            return;
        }
        let remote = self.sockets[key].tuple.remote;
        let device = self.device_towards(remote);
        let socket = &mut self.sockets[key];
        if remote.is_ipv4() {
            socket.heard.ttl = ttl;
        }
        socket.heard.hops = ttl;
        socket.heard.device = device;
        socket.tcb.take_segment(cx.now, segment);
        self.settle(cx.now, key);
    }

    /// A segment whose header matters to its socket: over IPv4 it may be dropped for its time to live, over IPv6 it may be noted.
    #[cold]
    fn segment_looked_at(&mut self, cx: &mut Cx<'_>, key: Key, segment: &mut Segment, ttl: u8) {
        let remote = self.sockets[key].tuple.remote;
        if remote.is_ipv4() && self.sockets[key].options.drops_ttl(ttl) {
            return;
        }
        if self.sockets[key].state == State::SynReceived {
            return self.segment_for_half_open(cx, key, segment, ttl);
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

    /// The index of the interface by which packets from an address come.
    fn device_towards(&self, remote: IpAddr) -> u8 {
        if self.addresses.owns(remote) { LOOPBACK_INDEX } else { WIRE_INDEX }
    }

    /// Whether a segment may complete a half-open connection: not while the accept queue is full, nor without data under
    /// TCP_DEFER_ACCEPT; the segment is dropped then, and the SYN-ACK is repeated.
    fn may_establish(&mut self, now: Instant, key: Key, segment: &Segment) -> bool {
        let child = &self.sockets[key];
        let Some(parent) = child.parent.and_then(|parent| self.sockets.get(parent)) else { return true };
        let completes = match segment.control {
            Control::None | Control::Push | Control::Fin => segment.ack.is_some(),
            Control::Syn | Control::Rst => false,
        };
        if !completes {
            return true;
        }
        let waits_for_data = child.tcb.info().retransmits < child.tcb.options.defer_accept;
        if waits_for_data && segment.payload.is_empty() && segment.control != Control::Fin {
            return false;
        }
        if !parent.listener.as_ref().is_some_and(|listener| listener.is_full()) {
            return true;
        }
        if self.sysctl.tcp_abort_on_overflow {
            self.sockets[key].tcb.abort(now);
            self.flush(now, key);
            self.settle(now, key);
        }
        false
    }

    /// A segment that belongs to no connection: for a listener, or for nobody.
    pub(super) fn segment_for_port(&mut self, cx: &mut Cx<'_>, tuple: FourTuple, segment: &Segment, ttl: u8, iss: Option<u32>) {
        if !self.addresses.owns(tuple.local) {
            return;
        }
        let Some(listener) = self.find_listener(cx, &tuple) else {
            if let Some(reply) = tcp::reply_to_closed(segment) {
                self.reply(&tuple, reply);
            }
            return;
        };
        if tuple.remote.is_ipv4() && self.sockets[listener].options.drops_ttl(ttl) {
            return;
        }
        match tcp::segment_for_listener(segment) {
            ListenVerdict::Ignore => {}
            ListenVerdict::Reply(reply) => self.reply(&tuple, reply),
            ListenVerdict::Syn => {
                let admits = self.sockets[listener].listener.as_ref().is_some_and(|queues| queues.admits_syn());
                if admits {
                    self.admit(cx, listener, tuple, segment, iss);
                }
            }
        }
    }

    /// The listener for a connection: an exact address beats the wildcard, IPv4 beats dual stack (`inet_lookup_listener`); within a
    /// SO_REUSEPORT group the 4-tuple decides.
    pub(super) fn find_listener(&self, cx: &mut Cx<'_>, tuple: &FourTuple) -> Option<Key> {
        let listeners = self.ports.listeners(tuple.local_port);
        let score_of = |key: &Key| {
            let socket = &self.sockets[*key];
            if !addr::covers(socket.tuple.local, socket.v6only, tuple.local) {
                return None;
            }
            Some((socket.tuple.local == tuple.local, socket.family == addr::Family::Inet))
        };
        let best = listeners.iter().filter_map(score_of).max()?;
        let mut group = listeners.iter().filter(|key| score_of(key) == Some(best));
        let count = group.clone().count();
        if count == 1 {
            return group.next().copied();
        }
        let count = u32::try_from(count).expect("a port has fewer than 2^32 listeners");
        let choice = (tuple.hash() % count + cx.luck.below(Latitude::ReusePort, count)) % count;
        group.nth(crate::slab::to_usize(choice)).copied()
    }

    /// Makes the half-open connection of a SYN. Options are inherited here, at the handshake.
    fn admit(&mut self, cx: &mut Cx<'_>, parent: Key, tuple: FourTuple, syn: &Segment, iss: Option<u32>) {
        let Ok(config) = self.config_for(cx, tuple.local, tuple.remote) else { return };
        let iss = iss.unwrap_or_else(|| self.initial_sequence_number(cx, &tuple));
        let listener = &self.sockets[parent];
        let ports = (tuple.local_port, tuple.remote_port);
        let tcb = Tcb::from_syn(&listener.tcb, cx.now, &config, ports, iss, syn);
        let mut child = Socket::new(tcb, listener.family, listener.uid, listener.options.inherited());
        child.v6only = listener.v6only;
        child.heard = listener.heard;
        child.addr_locked = listener.addr_locked;
        child.ss = super::socket::Ss::Connected;
        child.tuple = tuple;
        child.parent = Some(parent);
        let child = self.sockets.insert(child);
        self.hold_port(child, tuple.local_port, true);
        self.hash(child);
        self.sockets[parent].listener.as_mut().expect("it listens").add_half_open(child);
        self.settle(cx.now, child);
    }

    /// What a connection between these ends is told of its path.
    pub(super) fn config_for(&mut self, cx: &mut Cx<'_>, local: IpAddr, remote: IpAddr) -> Result<Config> {
        self.addresses.forget_old_paths(cx.now);
        let route = self.addresses.route(local, remote)?;
        let headers = if remote.is_ipv4() { 40 } else { 60 };
        let mss_bytes =
            u16::try_from(route.mtu_bytes.saturating_sub(headers).max(MSS_MIN_BYTES)).expect("an IP packet is below 64 KiB");
        let timestamp_offset = cx.luck.below(Latitude::TimestampOffset, u32::MAX);
        Ok(Config { mss_bytes, sysctl: self.sysctl.tcp.clone(), timestamp_offset })
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
    pub fn poll_transmit(&mut self, cx: &mut Cx<'_>) -> Option<Packet> {
        let mut packet = Packet::EMPTY;
        self.transmit_into(cx.now, &mut packet, &mut { Ends::UNKNOWN }).then_some(packet)
    }

    /// The same, written to where the caller wants the packet: a small one is not worth moving. `false`: there is none, and what is there
    /// now means nothing.
    #[inline]
    pub(crate) fn transmit_into(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends) -> bool {
        if self.has_output() && self.next_packet(now, packet, ends) {
            return true;
        }
        if !self.late_wakes.is_empty() {
            self.wake_late();
        }
        false
    }

    /// Whether there may be a packet to send.
    #[inline]
    #[must_use]
    pub(crate) fn has_output(&self) -> bool {
        !self.dirty.is_empty() || !self.outbox.is_empty()
    }

    #[inline(always)]
    fn next_packet(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends) -> bool {
        if !self.outbox.is_empty() {
            return self.next_reply(packet);
        }
        let Host { sockets, dirty, timers, sysctl, .. } = self;
        while let Some(key) = dirty.first() {
            let mut found = false;
            let mut is_gone = false;
            if let Some(socket) = sockets.get_mut(key) {
                found = socket.transmit_into(sysctl, now, packet);
                *ends = Ends::between(key, socket.peer);
                // Usually that was all.
                if found && socket.tcb.has_output() {
                    return true;
                }
                socket.is_dirty = false;
                socket.arm(key, timers);
                is_gone = socket.tcb.is_gone();
            }
            dirty.drop_first();
            if is_gone {
                self.forget_socket(key);
                return found || self.has_output() && self.next_packet_of_many(now, packet, ends);
            }
            if found {
                return true;
            }
        }
        false
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

    fn next_packet_of_many(&mut self, now: Instant, packet: &mut Packet, ends: &mut Ends) -> bool {
        self.next_packet(now, packet, ends)
    }

    #[cold]
    fn next_reply(&mut self, packet: &mut Packet) -> bool {
        self.outbox.pop_front().map(|reply| *packet = reply).is_some()
    }

    /// Moves what a socket has to send into the outbox, because its names are about to change or it is about to go.
    pub(super) fn flush(&mut self, now: Instant, key: Key) {
        let Some(socket) = self.sockets.get_mut(key).filter(|socket| socket.tcb.has_output()) else { return };
        let mut packet = Packet::EMPTY;
        while socket.transmit_into(&self.sysctl, now, &mut packet) {
            self.outbox.push_back(std::mem::replace(&mut packet, Packet::EMPTY));
        }
    }

    /// Sends an answer that belongs to no socket.
    pub(super) fn reply(&mut self, tuple: &FourTuple, segment: Segment) {
        let ttl = self.sysctl.ip_default_ttl;
        self.outbox.push_back(Packet { src: tuple.local, dst: tuple.remote, ttl, tos: 0, body: Body::Tcp(segment) });
    }

    /// When [`Host::handle_timeout`] wants to be called, at the latest; it may turn out that there is nothing to do then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| at)
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        while let Some((at, whose)) = self.timers.first() {
            if at > cx.now {
                break;
            }
            self.timers.drop_first();
            match whose {
                TimerOf::Socket(key) => self.socket_timer(cx.now, key),
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
        if let Some(LateWake { file, wakes, is_lingering, .. }) = self.follow(now, key)
            && (wakes.any() || is_lingering)
        {
            self.wake_socket(file, wakes, is_lingering);
        }
    }

    /// The same, for a call that sends and then wakes who waits for its socket; `error`: `sk_error_report` too.
    pub(super) fn settle_late(&mut self, now: Instant, key: Key, error: bool) {
        if let Some(wake) = self.follow(now, key) {
            self.late_wakes.push_back(LateWake { error, ..wake });
            if !self.has_output() {
                self.wake_late();
            }
        }
    }

    /// Follows what has changed but for waking who waits, which is answered.
    #[inline(always)]
    fn follow(&mut self, now: Instant, key: Key) -> Option<LateWake> {
        let Host { sockets, dirty, timers, .. } = self;
        let socket = &mut sockets[key];
        socket.mark_dirty(key, dirty, timers);
        let wakes = socket.tcb.take_wakes();
        let file = socket.file;
        let is_lingering = socket.is_lingering;
        if socket.tcb.state() != socket.state {
            self.follow_state(now, key);
        }
        file.map(|file| LateWake { file, wakes, is_lingering, error: false })
    }

    #[inline]
    pub(super) fn wake_socket(&mut self, file: Key, wakes: tcp::Wakes, is_lingering: bool) {
        if wakes.error {
            self.wake_file(file, poll::KEY_ERROR, false);
        }
        if wakes.readable {
            self.wake_file(file, poll::KEY_READABLE, false);
        }
        if wakes.writable {
            self.wake_file(file, poll::KEY_WRITABLE, false);
        }
        if wakes.state || is_lingering {
            self.wake_file(file, poll::KEY_STATE, true);
        }
    }

    /// The socket's state has changed: `tcp_set_state`.
    fn follow_state(&mut self, now: Instant, key: Key) {
        let socket = &mut self.sockets[key];
        let new = socket.tcb.state();
        let old = std::mem::replace(&mut socket.state, new);
        let parent = socket.parent;
        if new == State::Closed {
            if let Some(rest) = socket.tcb.take_time_wait() {
                self.enter_time_wait(key, rest);
            }
            self.unhash(key);
            if !self.sockets[key].port_locked {
                self.put_port(key);
            }
            self.bury(now, key);
        }
        if old != State::SynReceived {
            return;
        }
        let Some((parent, listener)) = parent.and_then(|parent| Some((parent, self.sockets.get_mut(parent)?.listener.as_mut()?)))
        else {
            return;
        };
        if new == State::Closed {
            listener.remove_half_open(key);
            self.flush(now, key);
            self.forget_socket(key);
            return;
        }
        listener.establish(key);
        if let Some(file) = self.sockets[parent].file {
            self.wake_file(file, poll::KEY_READABLE, false);
        }
    }

    /// Enters the socket's connection into the index.
    pub(super) fn hash(&mut self, key: Key) {
        let socket = &mut self.sockets[key];
        socket.is_hashed = true;
        self.conns.insert(&socket.tuple, Conn::Socket(key));
    }

    /// Takes the socket's connection out of the index.
    pub(super) fn unhash(&mut self, key: Key) {
        let socket = &mut self.sockets[key];
        if std::mem::take(&mut socket.is_hashed) {
            let tuple = socket.tuple;
            self.conns.remove(&tuple, Conn::Socket(key));
        }
    }

    /// The socket is gone: nothing of it is left in the host.
    pub(super) fn forget_socket(&mut self, key: Key) {
        if self.sockets.get(key).is_none() {
            return;
        }
        self.unhash(key);
        let socket = &self.sockets[key];
        if socket.listener.is_some() {
            let num = socket.num;
            self.ports.unlisten(num, key);
        }
        self.put_port(key);
        if self.sockets[key].armed < Instant::FAR {
            self.timers.clear(TimerOf::Socket(key));
        }
        self.sockets.forget(key);
    }

    /// The initial sequence number of a connection, RFC 6528: a part that belongs to its ends and to a secret of the host, and a clock that
    /// ticks every 64 ns (`secure_tcp_seq`). So a connection that takes the place of an earlier one starts beyond it.
    pub(super) fn initial_sequence_number(&mut self, cx: &mut Cx<'_>, tuple: &FourTuple) -> u32 {
        let secret = self.iss_secret.get_or_insert_with(|| cx.luck.below(Latitude::InitialSequenceNumber, u32::MAX));
        let ticks = (cx.now.as_nanos() >> 6) & u64::from(u32::MAX);
        let clock = u32::try_from(ticks).expect("32 bits remain");
        tuple.hash().wrapping_add(*secret).wrapping_add(clock)
    }
}

/// The indices of `lo` and `eth0`.
const LOOPBACK_INDEX: u8 = 1;
const WIRE_INDEX: u8 = 2;
/// `TCP_MIN_SND_MSS`: what is sent however small an MTU is said to be.
const MSS_MIN_BYTES: u32 = 48;
