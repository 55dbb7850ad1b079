//! ICMP errors, RFC 1122 section 4.1.3.3: the pending error, and the queue of `IP_RECVERR`, `ip(7)`.

use super::queue::charge;
use super::{IpHeader, Udp, scatter};
use crate::packet::{Body, Icmp, IcmpError, Payload};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use twinsock::{Errno, Result};

/// Who reports an error, `ee_origin` of `struct sock_extended_err`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `SO_EE_ORIGIN_LOCAL`: this host.
    Local,
    /// `SO_EE_ORIGIN_ICMP`.
    Icmp,
    /// `SO_EE_ORIGIN_ICMP6`.
    Icmp6,
}

impl Origin {
    /// The number of `ee_origin`.
    #[must_use]
    pub const fn raw(self) -> u8 {
        match self {
            Origin::Local => 1,
            Origin::Icmp => 2,
            Origin::Icmp6 => 3,
        }
    }
}

/// An entry of the error queue: `struct sock_extended_err` and what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorReport {
    /// `ee_errno`.
    pub errno: Errno,
    /// `ee_origin`.
    pub origin: Origin,
    /// `ee_type`.
    pub kind: u8,
    /// `ee_code`.
    pub code: u8,
    /// `ee_info`: the MTU, for EMSGSIZE.
    pub info: u32,
    /// `msg_name`: where the datagram was sent to.
    pub dst: SocketAddr,
    /// The header of the ICMP packet; its source is the offender (port 0). `None` for a local error.
    pub icmp: Option<IpHeader>,
}

/// What [`Udp::recv_error`] received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedError {
    /// Bytes of the datagram that was sent.
    pub len: usize,
    /// Some of them did not fit: `MSG_TRUNC` in `msg_flags`.
    pub truncated: bool,
    /// The error.
    pub report: ErrorReport,
}

/// The error queue, and which errors are asked for.
#[derive(Debug, Default)]
pub(super) struct ErrorQueue {
    entries: VecDeque<Entry>,
    /// `IP_RECVERR`.
    recverr_v4: bool,
    /// `IPV6_RECVERR`.
    recverr_v6: bool,
}

#[derive(Debug)]
struct Entry {
    report: ErrorReport,
    payload: Payload,
    charge: u32,
}

impl ErrorQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Udp {
    /// Sets `IP_RECVERR`; switching it off empties the error queue.
    pub fn set_recverr_v4(&mut self, on: bool) {
        self.errors.recverr_v4 = on;
        if !on {
            self.purge_errors();
        }
    }

    /// Sets `IPV6_RECVERR`; switching it off empties the error queue.
    pub fn set_recverr_v6(&mut self, on: bool) {
        self.errors.recverr_v6 = on;
        if !on {
            self.purge_errors();
        }
    }

    /// Whether `IP_RECVERR` is set.
    #[must_use]
    pub const fn recverr_v4(&self) -> bool {
        self.errors.recverr_v4
    }

    /// Whether `IPV6_RECVERR` is set.
    #[must_use]
    pub const fn recverr_v6(&self) -> bool {
        self.errors.recverr_v6
    }

    /// An ICMP error about a datagram of this socket: the host has found the socket by [`Udp::score`], as if the quoted datagram had
    /// come back. An unconnected socket hears of it only if it asked for it; a connected one of hard errors.
    pub fn handle_icmp(&mut self, header: IpHeader, icmp: &Icmp) {
        let Body::Udp(about) = &icmp.about.body else { return };
        let Some(meaning) = meaning(header.src, icmp.error, self.options.pmtudisc_dont) else { return };
        if self.wants_report(header.src) {
            let report = ErrorReport {
                errno: meaning.errno,
                origin: meaning.origin,
                kind: meaning.kind,
                code: meaning.code,
                info: meaning.info,
                dst: SocketAddr::new(icmp.about.dst, about.dst_port),
                icmp: Some(header),
            };
            self.push_error(report, about.payload.clone());
        } else if !meaning.hard || self.peer.is_none() {
            return;
        }
        self.error = Some(meaning.errno);
        self.wakes.error = true;
    }

    /// Receives an entry of the error queue, `recvmsg(2)` with `MSG_ERRQUEUE`. It is taken out, also by `MSG_PEEK`, and the pending error
    /// becomes that of the next entry.
    ///
    /// # Errors
    /// `EAGAIN`: the error queue is empty. It never blocks.
    pub fn recv_error(&mut self, iov: &mut [IoSliceMut<'_>]) -> Result<ReceivedError> {
        let entry = self.errors.entries.pop_front().ok_or(Errno::AGAIN)?;
        self.queue.uncharge_other(entry.charge);
        self.follow_error_queue(entry.report.origin);
        let room: usize = iov.iter().map(|part| part.len()).sum();
        let len = room.min(entry.payload.len());
        scatter(&entry.payload.as_slice()[..len], iov);
        Ok(ReceivedError { len, truncated: len < entry.payload.len(), report: entry.report })
    }

    /// A datagram to `dst` is too large for this path: reported on the error queue, if that is asked for, `ip_local_error`.
    pub(super) fn report_too_large(&mut self, dst: SocketAddr, mtu_bytes: u32) {
        if !self.wants_report(dst.ip()) {
            return;
        }
        let (dst, info) = match dst {
            // ip_append_data() gives the connected peer's port, not that of the datagram.
            SocketAddr::V4(v4) => {
                let port = self.peer.map_or(0, |peer| peer.port());
                (SocketAddr::new(IpAddr::V4(*v4.ip()), port), mtu_bytes.min(0xffff))
            }
            SocketAddr::V6(v6) => (SocketAddr::V6(v6), mtu_bytes),
        };
        let report = ErrorReport { errno: Errno::MSGSIZE, origin: Origin::Local, kind: 0, code: 0, info, dst, icmp: None };
        self.push_error(report, Payload::EMPTY);
    }

    /// `sock_dequeue_err_skb`.
    fn follow_error_queue(&mut self, taken: Origin) {
        let next = self.errors.entries.front().map(|entry| entry.report);
        let next_from_network = next.filter(|report| is_from_network(report.origin));
        if let Some(report) = next_from_network {
            self.error = Some(report.errno);
        } else if is_from_network(taken) {
            self.error = None;
        }
        if next.is_some() {
            self.wakes.error = true;
        }
    }

    fn wants_report(&self, version: IpAddr) -> bool {
        match version {
            IpAddr::V4(_) => self.errors.recverr_v4,
            IpAddr::V6(_) => self.errors.recverr_v6,
        }
    }

    /// `sock_queue_err_skb`: an entry counts against the receive buffer; one that finds no room is lost without a trace.
    fn push_error(&mut self, report: ErrorReport, payload: Payload) {
        // The ICMP packet holds the IP and UDP headers of the datagram too.
        let quoted_headers = match report.dst {
            SocketAddr::V4(_) => 28,
            SocketAddr::V6(_) => 48,
        };
        let charge = charge(payload.len() + quoted_headers, &report.dst.ip());
        if self.queue.charge_other(charge) {
            self.errors.entries.push_back(Entry { report, payload, charge });
            self.wakes.error = true;
        }
    }

    fn purge_errors(&mut self) {
        for entry in self.errors.entries.drain(..) {
            self.queue.uncharge_other(entry.charge);
        }
    }
}

fn is_from_network(origin: Origin) -> bool {
    match origin {
        Origin::Local => false,
        Origin::Icmp | Origin::Icmp6 => true,
    }
}

struct Meaning {
    errno: Errno,
    /// A connected socket is told without asking.
    hard: bool,
    origin: Origin,
    kind: u8,
    code: u8,
    info: u32,
}

/// What an ICMP error means to a socket: `icmp_err_convert`, `icmpv6_err_convert`. `None`: nothing at all.
fn meaning(offender: IpAddr, error: IcmpError, pmtudisc_dont: bool) -> Option<Meaning> {
    let v4 = offender.is_ipv4();
    let ((errno, hard), (kind, code), (kind6, code6)) = match error {
        IcmpError::NetUnreachable => ((Errno::NETUNREACH, false), (3, 0), (1, 0)),
        IcmpError::HostUnreachable => ((Errno::HOSTUNREACH, false), (3, 1), (1, 3)),
        IcmpError::PortUnreachable => ((Errno::CONNREFUSED, true), (3, 3), (1, 4)),
        IcmpError::PacketTooBig { .. } if v4 && pmtudisc_dont => return None,
        IcmpError::PacketTooBig { .. } => ((Errno::MSGSIZE, !pmtudisc_dont), (3, 4), (2, 0)),
        IcmpError::AdministrativelyProhibited if v4 => ((Errno::HOSTUNREACH, true), (3, 13), (1, 1)),
        IcmpError::AdministrativelyProhibited => ((Errno::ACCES, true), (3, 13), (1, 1)),
        IcmpError::TimeExceeded => ((Errno::HOSTUNREACH, false), (11, 0), (3, 0)),
    };
    let info = match error {
        IcmpError::PacketTooBig { mtu_bytes } => mtu_bytes,
        IcmpError::NetUnreachable
        | IcmpError::HostUnreachable
        | IcmpError::PortUnreachable
        | IcmpError::AdministrativelyProhibited
        | IcmpError::TimeExceeded => 0,
    };
    let (origin, (kind, code)) = if v4 { (Origin::Icmp, (kind, code)) } else { (Origin::Icmp6, (kind6, code6)) };
    Some(Meaning { errno, hard, origin, kind, code, info })
}
