//! The ports of UDP, apart from TCP's: who holds which, in the order of binding (`struct udp_table`).

use super::super::ports::Range;
use crate::packet::{Latitude, Luck};
use crate::slab::Key;
use std::collections::BTreeMap;

/// The port table of UDP.
#[derive(Debug, Default)]
pub(in crate::host) struct DgramPorts {
    /// Those who hold a port, the last to bind at the end.
    holders: BTreeMap<u16, Vec<Key>>,
    /// How far into the range the last port that was chosen lies.
    next: u32,
    /// How often a local name has changed, or who holds a port.
    changes: u64,
}

impl DgramPorts {
    /// Those who hold the port, the last to bind at the end.
    pub(super) fn holders(&self, port: u16) -> &[Key] {
        self.holders.get(&port).map_or(&[], Vec::as_slice)
    }

    /// Enters a holder.
    pub(super) fn hold(&mut self, port: u16, holder: Key) {
        self.changes += 1;
        self.holders.entry(port).or_default().push(holder);
    }

    /// Takes a holder out.
    pub(super) fn release(&mut self, port: u16, holder: Key) {
        self.changes += 1;
        let Some(holders) = self.holders.get_mut(&port) else { return };
        holders.retain(|other| *other != holder);
        if holders.is_empty() {
            self.holders.remove(&port);
        }
    }

    /// Counts a change of a local name.
    pub(super) fn count_change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// The same number as long as nobody's local name changes.
    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// A port of the kernel's choice, of either parity: one that nobody holds, or else one that `may_share` allows
    /// (`udp_lib_get_port`, which does not prefer the former, but meets one of the latter seldom).
    pub(super) fn choose(
        &mut self,
        range: &Range<'_>,
        luck: &mut dyn Luck,
        may_share: impl Fn(&DgramPorts, u16) -> bool,
    ) -> Option<u16> {
        let count = u32::from(range.high - range.low) + 1;
        let start = (self.next + luck.below(Latitude::EphemeralPort, count)) % count;
        let ports = (start..count).chain(0..start).filter_map(|offset| {
            let port = range.low + u16::try_from(offset).expect("a range of ports has fewer than 2^16");
            (!range.reserved.contains(&port)).then_some((offset, port))
        });
        let free = ports.clone().find(|(_, port)| !self.holders.contains_key(port));
        let (offset, port) = free.or_else(|| ports.clone().find(|(_, port)| may_share(self, *port)))?;
        self.next = (offset + 1) % count;
        Some(port)
    }
}
