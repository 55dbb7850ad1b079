//! What ICMP has told about paths, RFC 1191 and RFC 8201: `ipv4_update_pmtu`, `ip6_update_pmtu`.

use super::addr::Addresses;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use twinsock::Instant;

/// Destinations whose path carries less than the interface, and until when that is believed.
#[derive(Debug, Default)]
pub(super) struct LearnedPaths(BTreeMap<IpAddr, (u32, Instant)>);

impl Addresses {
    /// A router says what the path to a destination carries. Over IPv4 less than `min_pmtu` counts as that (and packets are let be fragmented), over
    /// IPv6 as what every link carries.
    pub(super) fn learn_path(&mut self, now: Instant, destination: IpAddr, mtu_bytes: u32) {
        let least = if destination.is_ipv4() { IPV4_PATH_MIN_BYTES } else { IPV6_PATH_MIN_BYTES };
        let mtu_bytes = mtu_bytes.max(least);
        if mtu_bytes < self.mtu_to(destination, false) {
            self.learned.0.insert(destination, (mtu_bytes, now + MTU_EXPIRES));
        }
    }

    /// Whether the path to any destination is known to carry less than the interface does.
    #[inline]
    pub(super) fn has_learned_paths(&self) -> bool {
        !self.learned.0.is_empty()
    }

    /// Forgets what was learned too long ago.
    #[inline]
    pub(super) fn forget_old_paths(&mut self, now: Instant) {
        if !self.learned.0.is_empty() {
            self.learned.0.retain(|_, (_, until)| *until > now);
        }
    }

    /// The MTU of the path to a destination, if it is known to be less than the interface's.
    #[inline]
    pub(super) fn learned_mtu(&self, destination: IpAddr) -> Option<u32> {
        // Mostly nothing has been.
        if self.learned.0.is_empty() { None } else { self.look_up_mtu(destination) }
    }

    #[cold]
    fn look_up_mtu(&self, destination: IpAddr) -> Option<u32> {
        self.learned.0.get(&destination).map(|(mtu_bytes, _)| *mtu_bytes)
    }
}

/// `net.ipv4.route.min_pmtu`.
const IPV4_PATH_MIN_BYTES: u32 = 552;
/// `IPV6_MIN_MTU`.
const IPV6_PATH_MIN_BYTES: u32 = 1280;
/// `net.ipv4.route.mtu_expires`, `net.ipv6.route.mtu_expires`.
const MTU_EXPIRES: Duration = Duration::from_secs(600);
