//! ICMP errors about segments that this connection sent: RFC 9293 section 3.9.2.2, `tcp_v4_err`.

use crate::packet::{IcmpError, SeqNumber};
use crate::tcp::state::State;
use crate::tcp::tcb::Tcb;
use twinsock::{Errno, Instant};

impl Tcb {
    /// An ICMP error about the segment that began at `about_seq`: fatal while connecting, a remark later; too big a packet lowers the
    /// MSS and what is in flight goes out again. `is_v4` says which family the path is of.
    pub fn handle_icmp(&mut self, now: Instant, error: IcmpError, about_seq: SeqNumber, is_v4: bool) {
        let in_flight = self.snd_una.before_or_at(about_seq) && about_seq.before_or_at(self.snd_nxt);
        if self.state == State::Closed || self.state == State::Listen || !in_flight {
            return;
        }
        let errno = match error {
            IcmpError::PacketTooBig { mtu_bytes } => {
                self.lower_mss(now, mtu_bytes, is_v4);
                return;
            }
            IcmpError::NetUnreachable => Errno::NETUNREACH,
            IcmpError::PortUnreachable => Errno::CONNREFUSED,
            IcmpError::HostUnreachable | IcmpError::AdministrativelyProhibited | IcmpError::TimeExceeded => Errno::HOSTUNREACH,
        };
        match self.state {
            State::SynSent => self.fail(errno),
            State::SynReceived if !self.passive => self.fail(errno),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.soft_err = Some(errno),
            State::Closed | State::Listen | State::TimeWait => {}
        }
    }

    /// RFC 1191: the path carries less than was thought.
    fn lower_mss(&mut self, now: Instant, mtu_bytes: u32, is_v4: bool) {
        let (least, headers) = if is_v4 { (IPV4_PATH_MIN_BYTES, 40) } else { (IPV6_PATH_MIN_BYTES, 60) };
        let mss = u16::try_from(mtu_bytes.max(least) - headers).unwrap_or(u16::MAX);
        if mss >= self.mss_clamp {
            return;
        }
        self.mss_clamp = mss;
        self.sync_mss();
        if self.flight_bytes() > 0 && self.state.is_synchronized() {
            self.rtt.timed = None;
            self.retransmit_all();
            self.arm_after_transmit(now);
        }
    }
}

/// `net.ipv4.route.min_pmtu`: a path that carries less is sent this, in fragments.
const IPV4_PATH_MIN_BYTES: u32 = 552;
/// `IPV6_MIN_MTU`: every IPv6 link carries this, RFC 8200 section 5.
const IPV6_PATH_MIN_BYTES: u32 = 1280;
