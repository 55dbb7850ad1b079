//! The port table: who holds which port, Linux's bind buckets (`inet_bind_hashbucket`), the conflict rules of `bind(2)` and the
//! choice of ephemeral ports.

use super::addr::overlap;
use super::buckets::Buckets;
use super::holder::Holder;
use crate::packet::{Latitude, Luck};
use crate::slab::Key;
use std::net::IpAddr;

/// What matters about a holder when somebody else wants its port. Options count as they are now, not as they were at bind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The local address, canonical, maybe the wildcard.
    pub(super) ip: IpAddr,
    /// `IPV6_V6ONLY`, which a wildcard address needs to keep out of IPv4.
    pub(super) v6only: bool,
    /// `SO_REUSEADDR`.
    pub(super) reuse_addr: bool,
    /// `SO_REUSEPORT`.
    pub(super) reuse_port: bool,
    /// Whether it listens.
    pub(super) is_listening: bool,
    /// Whether it is in TIME-WAIT.
    pub(super) is_time_wait: bool,
    /// The effective user id of its creator.
    pub(super) uid: u32,
}

/// The port table of one protocol.
#[derive(Debug, Default)]
pub(super) struct Ports {
    buckets: Buckets,
    /// Where the search of `connect(2)` for a port goes on, by destination (`table_perturb`); `None`: not begun.
    connect_next: [Option<u32>; CONNECT_CLASSES],
    /// Where it goes on for the destination that was searched for last.
    likely_next: u16,
}

/// How many destinations search for ports independently of each other; a power of two.
pub(super) const CONNECT_CLASSES: usize = 16;

/// How strictly [`Ports::conflicts`] judges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Strictness {
    /// The port was asked for.
    Asked,
    /// The port is the kernel's choice: it takes none whose address overlaps, whatever the options.
    Automatic,
}

impl Ports {
    /// Whether the claim is in conflict with a holder of the port, `inet_csk_bind_conflict`.
    ///
    /// `except` is the claimant itself, where it holds the port already; `claim_of` says what a holder claims.
    pub(super) fn conflicts(
        &self,
        port: u16,
        claim: &Claim,
        except: Option<Holder>,
        strictness: Strictness,
        claim_of: impl Fn(Holder) -> Claim,
    ) -> bool {
        let Some(bucket) = self.buckets.get(port) else { return false };
        bucket.owners().filter(|owner| Some(*owner) != except).any(|owner| {
            let other = claim_of(owner);
            overlap(claim.ip, claim.v6only, other.ip, other.v6only) && !may_share(claim, &other, strictness)
        })
    }

    /// Enters a holder; `by_connect`: the port was chosen by `connect(2)`. Answers its place in the bucket.
    #[inline(never)]
    pub(super) fn hold(&mut self, port: u16, owner: Holder, by_connect: bool) -> u32 {
        let bucket = self.buckets.get_or_make(port, by_connect);
        bucket.connect_only &= by_connect;
        bucket.push(owner)
    }

    /// Whether `connect(2)` may choose the port: nobody has it, or only `connect(2)` has chosen it so far.
    pub(super) fn is_connect_only(&self, port: u16) -> bool {
        self.buckets.get(port).is_none_or(|bucket| bucket.connect_only)
    }

    /// Takes out the holder at `place`; answers the holder that has moved there, if one has.
    pub(super) fn release(&mut self, port: u16, place: u32) -> Option<Holder> {
        let (at, bucket) = self.buckets.find_mut(port).expect("a port that is held has a bucket");
        let moved = bucket.remove(place);
        if bucket.is_empty() {
            debug_assert!(bucket.listeners().is_empty(), "a listener holds its port");
            self.buckets.remove(at);
        }
        moved
    }

    /// The holder at `place` leaves it to another.
    pub(super) fn hand_over(&mut self, port: u16, place: u32, owner: Holder) {
        self.buckets.get_mut(port).expect("a port that is held has a bucket").replace(place, owner);
    }

    /// A holder of the port listens from now on.
    pub(super) fn listen(&mut self, port: u16, socket: Key) {
        self.buckets.get_mut(port).expect("a listener holds its port").listen(socket);
    }

    /// A holder of the port listens no more.
    pub(super) fn unlisten(&mut self, port: u16, socket: Key) {
        if let Some(bucket) = self.buckets.get_mut(port) {
            bucket.unlisten(socket);
        }
    }

    /// Those who listen on the port, in the order of their `listen(2)`.
    pub(super) fn listeners(&self, port: u16) -> &[Key] {
        self.buckets.get(port).map_or(&[], |bucket| bucket.listeners())
    }

    /// The port that `connect(2)` tries first when it goes to where it went last.
    pub(super) fn likely_next(&self) -> u16 {
        self.likely_next
    }

    /// A port for `bind(2)` with port 0 and for `listen(2)`, `inet_csk_find_open_port`: first the ports whose parity is not that of
    /// the lower bound, so as to leave the others to connect. With SO_REUSEADDR the lower half of the range is tried first.
    pub(super) fn choose_for_bind(
        &self,
        range: &Range<'_>,
        halves: bool,
        luck: &mut dyn Luck,
        mut is_free: impl FnMut(&Ports, u16) -> bool,
    ) -> Option<u16> {
        let (low, high) = (u32::from(range.low), u32::from(range.high) + 1);
        let middle = low + ((high - low) >> 2 << 1);
        let whole = [(low, high); 1];
        let parts = [(low, middle), (middle, high)];
        let parts: &[(u32, u32)] = if halves && high - low >= 4 { &parts } else { &whole };
        for (low, high) in parts.iter().copied() {
            let count = if high - low > 1 { (high - low) & !1 } else { high - low };
            let start = luck.below(Latitude::EphemeralPort, count) | 1;
            for offset in [start, start - 1] {
                let found = search(low, high, count, offset, 2, range.reserved, |port| Probe::from(is_free(self, port)));
                if let Some((port, _)) = found {
                    return Some(port);
                }
            }
        }
        None
    }

    /// A port for `connect(2)`, `__inet_hash_connect`: first the ports of the parity of the lower bound, ascending in small random
    /// steps per destination (`class`). `probe` may know of more ports than the one asked about that are not free.
    pub(super) fn choose_for_connect(
        &mut self,
        range: &Range<'_>,
        class: usize,
        luck: &mut dyn Luck,
        mut probe: impl FnMut(&Ports, u16) -> Probe,
    ) -> Option<u16> {
        let (low, high) = (u32::from(range.low), u32::from(range.high) + 1);
        // A range of the socket's own is gone through port by port.
        let (step, mask) = if range.is_own { (1, !0) } else { (2, !1) };
        let count = if high - low > 1 { (high - low) & mask } else { high - low };
        let begun = self.connect_next[class];
        let start = wrapped(begun.unwrap_or_else(|| luck.below(Latitude::EphemeralPort, count)), count) & mask;
        for offset in start..start + step.min(count) {
            let found = search(low, high, count, offset, step, range.reserved, |port| probe(self, port));
            if let Some((port, gone)) = found {
                let gone = gone.max(luck.below(Latitude::EphemeralPort, 8) * step);
                let next = wrapped(start + gone + step, count);
                self.connect_next[class] = Some(next);
                self.likely_next = u16::try_from(low + next).unwrap_or(port);
                return Some(port);
            }
        }
        None
    }
}

/// The remainder of what is nearly always less.
#[inline]
fn wrapped(number: u32, count: u32) -> u32 {
    if number < count { number } else { number % count }
}

/// The ports to choose from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range<'a> {
    /// The first.
    pub(super) low: u16,
    /// The last, not below `low`.
    pub(super) high: u16,
    /// Whether the socket has a range of its own, `IP_LOCAL_PORT_RANGE`.
    pub(super) is_own: bool,
    /// `ip_local_reserved_ports`: never chosen.
    pub(super) reserved: &'a [u16],
}

/// What is known of a port that was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Probe {
    /// It may be had.
    Free,
    /// It may not.
    Taken,
    /// Nor may those of its parity before this one, which may be beyond the last port.
    TakenBefore(u32),
}

impl From<bool> for Probe {
    fn from(is_free: bool) -> Probe {
        if is_free { Probe::Free } else { Probe::Taken }
    }
}

/// Tries the ports `low + offset`, in steps, once around; answers the first that is free and how far it was.
fn search(
    low: u32,
    high: u32,
    count: u32,
    offset: u32,
    step: u32,
    reserved: &[u16],
    mut probe: impl FnMut(u16) -> Probe,
) -> Option<(u16, u32)> {
    let mut port = low + offset;
    let mut gone = 0;
    while gone < count {
        if port >= high {
            port -= count;
        }
        let candidate = u16::try_from(port).expect("a range of ports ends at 65535");
        let next = if !reserved.is_empty() && reserved.contains(&candidate) {
            port + step
        } else {
            match probe(candidate) {
                Probe::Free => return Some((candidate, gone)),
                Probe::Taken => port + step,
                // Beyond the end the search goes on at the beginning, port by port.
                Probe::TakenBefore(next) if step == 2 => next.min(high + (high - port) % 2),
                Probe::TakenBefore(_) => port + step,
            }
        };
        gone += next - port;
        port = next;
    }
    None
}

/// Whether two claims with overlapping addresses may stand side by side, `inet_bind_conflict`: both have SO_REUSEADDR and the
/// earlier does not listen, or both have SO_REUSEPORT and the same user.
fn may_share(claim: &Claim, other: &Claim, strictness: Strictness) -> bool {
    let same_user = other.is_time_wait || claim.uid == other.uid;
    match strictness {
        Strictness::Asked => {
            (claim.reuse_port && other.reuse_port && same_user) || (claim.reuse_addr && other.reuse_addr && !other.is_listening)
        }
        Strictness::Automatic => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::holder::Conn;
    use super::*;
    use crate::packet::Boring;
    use crate::slab::Slab;

    const RANGE: Range<'_> = Range { low: 32768, high: 32775, is_own: false, reserved: &[32770] };

    fn claim(ip: &str) -> Claim {
        let ip = ip.parse().expect("an address");
        Claim { ip, v6only: false, reuse_addr: false, reuse_port: false, is_listening: false, is_time_wait: false, uid: 0 }
    }

    #[test]
    fn bind_prefers_odd_ports_and_connect_even_ones() {
        let key = Slab::new().insert(());
        let (mut ports, mut bound, mut connected) = (Ports::default(), Vec::new(), Vec::new());
        while let Some(port) = ports.choose_for_bind(&RANGE, false, &mut Boring, |ports, port| ports.is_connect_only(port)) {
            ports.hold(port, Conn::Socket(key).into(), false);
            bound.push(port);
        }
        assert_eq!(bound, [32769, 32771, 32773, 32775, 32768, 32772, 32774], "a reserved port is never chosen");
        let mut ports = Ports::default();
        while let Some(port) =
            ports.choose_for_connect(&RANGE, 0, &mut Boring, |ports, port| Probe::from(ports.buckets.get(port).is_none()))
        {
            ports.hold(port, Conn::Socket(key).into(), true);
            connected.push(port);
        }
        assert_eq!(connected, [32768, 32772, 32774, 32769, 32771, 32773, 32775]);
    }

    #[test]
    fn two_may_share_a_port_only_if_both_say_so() {
        let mut slab = Slab::new();
        let first = Holder::from(Conn::Socket(slab.insert(())));
        let mut ports = Ports::default();
        ports.hold(80, first, false);
        for (old, new, listening, expected) in
            [((false, false), (true, false), false, true), ((true, false), (true, false), false, false)]
                .into_iter()
                .chain([((true, false), (true, false), true, true), ((false, true), (false, true), true, false)])
                .chain([((true, false), (false, true), false, true)])
        {
            let other = Claim { reuse_addr: old.0, reuse_port: old.1, is_listening: listening, ..claim("0.0.0.0") };
            let mine = Claim { reuse_addr: new.0, reuse_port: new.1, ..claim("127.0.0.1") };
            let conflict = |strictness| ports.conflicts(80, &mine, None, strictness, |_| other);
            assert_eq!(conflict(Strictness::Asked), expected, "{old:?} {new:?} listening {listening}");
            assert!(conflict(Strictness::Automatic));
        }
        assert!(!ports.conflicts(80, &claim("127.0.0.1"), Some(first), Strictness::Asked, |_| claim("127.0.0.1")));
    }
}
