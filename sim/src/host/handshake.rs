//! Connections that begin: whom a SYN is for, what its connection starts with, and the segment that completes it.

use super::Host;
use super::addr;
use super::conns::FourTuple;
use super::cx::Cx;
use super::socket::{Heard, Socket, Ss};
use crate::packet::{Control, Latitude, Segment};
use crate::slab::Key;
use crate::tcp::{self, ListenVerdict};
use std::net::IpAddr;
use twinsock::Instant;

/// What is known of a segment that may be a SYN, beyond what it says.
#[derive(Clone, Copy, Debug)]
pub(super) struct SynFrom {
    /// Its sender's socket, as far as that has told.
    pub(super) peer: Key,
    /// The hash of the connection.
    pub(super) hash: u32,
    /// The connection in TIME-WAIT whose place the new one takes, if it does, and the initial sequence number that keeps that one's segments out.
    pub(super) replaced: Option<(Key, u32)>,
}

/// Whether a segment, by its header, may complete a half-open connection: what that one's listener says of it counts then.
#[inline]
fn completes(segment: &Segment) -> bool {
    match segment.control {
        Control::None | Control::Push | Control::Fin => segment.ack.is_some(),
        Control::Syn | Control::Rst => false,
    }
}

impl Socket {
    /// Whether TCP_DEFER_ACCEPT lets no segment without data complete the connection yet.
    #[inline]
    fn waits_for_data(&self) -> bool {
        self.tcb.retransmits() < self.tcb.options.defer_accept
    }
}

impl Host {
    /// A segment that may complete a connection.
    #[cold]
    pub(super) fn segment_for_half_open(&mut self, now: Instant, key: Key, segment: &mut Segment, ttl: u8) {
        if self.heeds_half_open(now, key, segment, ttl) {
            self.sockets[key].tcb.take_segment(now, segment);
            self.settle(now, key);
        }
    }

    /// Whether a segment that may complete a connection goes on to that: not while its listener's accept queue is full, nor without data under
    /// TCP_DEFER_ACCEPT; the segment is dropped then, and the SYN-ACK is repeated. If a listener has made the connection, it takes from the header
    /// what that says: `tcp_v4_syn_recv_sock` `mc_ttl`, `tcp_v6_syn_recv_sock`, whatever IP carries it, `mcast_hops` and `mcast_oif`.
    #[inline(never)]
    pub(super) fn heeds_half_open(&mut self, now: Instant, key: Key, segment: &Segment, ttl: u8) -> bool {
        let child = &self.sockets[key];
        let Some(parent) = child.parent else { return true };
        if let Some(parent) = self.sockets.get(parent)
            && completes(segment)
        {
            if child.waits_for_data() && segment.payload.is_empty() && segment.control != Control::Fin {
                return false;
            }
            if parent.listener.as_ref().is_some_and(|listener| listener.is_full()) {
                self.refuse_half_open(now, key);
                return false;
            }
        }
        let remote = &child.tuple.remote;
        let (is_v4, device) = (remote.is_ipv4(), self.device_towards(*remote));
        let heard = &mut self.sockets[key].heard;
        *heard = Heard { ttl: if is_v4 { ttl } else { heard.ttl }, hops: ttl, device };
        true
    }

    /// The accept queue is full when a segment would complete a half-open connection: it is dropped, and the SYN-ACK is repeated, unless
    /// `tcp_abort_on_overflow` says that the connection is to end.
    #[cold]
    fn refuse_half_open(&mut self, now: Instant, key: Key) {
        if self.sysctl.tcp_abort_on_overflow {
            self.sockets[key].tcb.abort(now);
            self.flush(now, key);
            self.settle(now, key);
        }
    }

    /// A segment that belongs to no connection: for a listener, or for nobody.
    #[inline]
    pub(super) fn segment_for_port(&mut self, cx: &mut Cx<'_>, tuple: &FourTuple, (segment, ttl): (&Segment, u8), from: SynFrom) {
        if !self.addresses.owns(tuple.local) {
            return;
        }
        if let Some(listener) = self.find_listener(cx, tuple) {
            self.segment_for_listener(cx, listener, tuple, (segment, ttl), from);
        } else if let Some(reply) = tcp::reply_to_closed(segment) {
            self.reply(tuple, reply);
        }
    }

    /// The same where the listener is known.
    #[inline(never)]
    pub(super) fn segment_for_listener(
        &mut self,
        cx: &mut Cx<'_>,
        listener: Key,
        tuple: &FourTuple,
        (segment, ttl): (&Segment, u8),
        from: SynFrom,
    ) {
        if tuple.remote.is_ipv4() && self.sockets[listener].options.drops_ttl(ttl) {
            return;
        }
        match tcp::segment_for_listener(segment) {
            ListenVerdict::Ignore => {}
            ListenVerdict::Reply(reply) => self.reply(tuple, reply),
            ListenVerdict::Syn => {
                let admits = self.sockets[listener].listener.as_ref().is_some_and(|queues| queues.admits_syn());
                if admits {
                    self.admit(cx, listener, tuple, segment, from);
                }
            }
        }
    }

    /// The listener for a connection: an exact address beats the wildcard, IPv4 beats dual stack (`inet_lookup_listener`); within a
    /// SO_REUSEPORT group the 4-tuple decides.
    pub(super) fn find_listener(&self, cx: &mut Cx<'_>, tuple: &FourTuple) -> Option<Key> {
        let listeners = self.ports.listeners(tuple.local_port);
        if let [only] = listeners {
            let socket = &self.sockets[*only];
            return addr::covers(socket.tuple.local, socket.v6only, tuple.local).then_some(*only);
        }
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
    fn admit(&mut self, cx: &mut Cx<'_>, parent: Key, tuple: &FourTuple, syn: &Segment, from: SynFrom) {
        self.addresses.forget_old_paths(cx.now);
        let Ok(stays_within) = self.addresses.stays_within(&tuple.local, &tuple.remote) else { return };
        let mtu_bytes = self.addresses.mtu_to(tuple.remote, stays_within);
        self.learn_path(cx, mtu_bytes, (&tuple.local, &tuple.remote));
        let iss = match from.replaced {
            Some((_, iss)) => iss,
            None => self.initial_sequence_number(cx, from.hash),
        };
        let listener = &self.sockets[parent];
        let Socket { v6only, heard, addr_locked, .. } = *listener;
        let heritage = listener.tcb.heritage();
        let Host { sockets, tcp_config, conns, ports, dirty, timers, time_waits, .. } = self;
        let (child, socket) = sockets.open_child(tcp_config, parent);
        socket.tcb.answer_syn(&heritage, cx.now, tcp_config, (tuple.local_port, tuple.remote_port), iss, syn);
        socket.state = socket.tcb.state();
        socket.v6only = v6only;
        socket.heard = heard;
        socket.addr_locked = addr_locked;
        socket.ss = Ss::Connected;
        socket.tuple = *tuple;
        socket.parent = Some(parent);
        socket.peer = from.peer;
        match from.replaced {
            Some((old, _)) => socket.take_place(child, from.hash, old, (time_waits, ports, conns)),
            None => {
                socket.hold_port(child, tuple.local_port, true, ports);
                socket.hash(child, from.hash, conns);
            }
        }
        // What a fresh connection has to tell, there is nobody to hear.
        socket.tcb.take_wakes();
        socket.mark_dirty(child, dirty, timers);
        sockets[parent].listener.as_mut().expect("it listens").add_half_open(child);
    }

    /// What a connection that begins is told of its path, into [`Host::tcp_config`].
    pub(super) fn learn_path(&mut self, cx: &mut Cx<'_>, mtu_bytes: u32, (local, remote): (&IpAddr, &IpAddr)) {
        let headers = if remote.is_ipv4() { 40 } else { 60 };
        let mss_bytes =
            u16::try_from(mtu_bytes.saturating_sub(headers).max(MSS_MIN_BYTES)).expect("an IP packet is below 64 KiB");
        let timestamp_offset = self.timestamp_offset(cx, FourTuple::hash_of_hosts(*local, *remote));
        self.tcp_config.renew(&self.sysctl.tcp, Some((mss_bytes, timestamp_offset)));
    }

    /// Where the timestamps of a connection begin, RFC 7323 section 5.4: of all between the same two hosts at the same, for one that takes the place of an
    /// earlier one is known by them (RFC 6191); that belongs to the hosts, whose hash is `hash`, and to a secret (`secure_tcp_ts_off`).
    fn timestamp_offset(&mut self, cx: &mut Cx<'_>, hash: u32) -> u32 {
        let secret = self.timestamp_secret.get_or_insert_with(|| cx.luck.below(Latitude::TimestampOffset, u32::MAX));
        hash.wrapping_add(*secret)
    }

    /// The initial sequence number of a connection, RFC 6528: a part that belongs to its ends and to a secret of the host, and a clock that
    /// ticks every 64 ns (`secure_tcp_seq`). `hash` is that of its name. So a connection that takes the place of an earlier one starts beyond it.
    pub(super) fn initial_sequence_number(&mut self, cx: &mut Cx<'_>, hash: u32) -> u32 {
        let secret = self.iss_secret.get_or_insert_with(|| cx.luck.below(Latitude::InitialSequenceNumber, u32::MAX));
        let ticks = (cx.now.as_nanos() >> 6) & u64::from(u32::MAX);
        let clock = u32::try_from(ticks).expect("32 bits remain");
        hash.wrapping_add(*secret).wrapping_add(clock)
    }

    /// The index of the interface by which packets from an address come.
    pub(super) fn device_towards(&self, remote: IpAddr) -> u8 {
        if self.addresses.owns(remote) { LOOPBACK_INDEX } else { WIRE_INDEX }
    }
}

/// The indices of `lo` and `eth0`.
const LOOPBACK_INDEX: u8 = 1;
const WIRE_INDEX: u8 = 2;
/// `TCP_MIN_SND_MSS`: what is sent however small an MTU is said to be.
const MSS_MIN_BYTES: u32 = 48;
