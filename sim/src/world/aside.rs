//! What calls have received whose threads take it at a later turn, when they return.

use super::in_flight::InFlight;
use super::index;
use crate::packet::{Body, Payload};
use crate::prefetch::prefetch;
use std::net::{IpAddr, Ipv4Addr};

/// What a call returns, until its thread takes it: a number, and, of a receive, so many bytes.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    kept: Kept,
    len: u32,
}

/// Where it is meanwhile.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// In the packet in this place, which has arrived.
    InFlight(u32),
    /// Put aside here.
    Aside(u32),
    /// Nowhere: the bytes are where the thread wanted them, or there are none.
    Taken,
}

/// Where a few bytes each are put aside.
#[derive(Default)]
pub(super) struct Asides {
    places: Vec<Aside>,
    free: Vec<u32>,
}

/// In memory it begins where a line of the caches does.
#[repr(C, align(64))]
struct Aside {
    bytes: [u8; Payload::INLINE_MAX_BYTES],
    sender: (IpAddr, u16),
}

/// How many of those that are to be written next are fetched by then.
const AHEAD: usize = 8;

impl Data {
    /// The first `len` bytes of what the packet in this place carries, which has arrived.
    #[inline(always)]
    pub(super) fn of_packet(slot: u32, len: u32) -> Data {
        Data { kept: Kept::InFlight(slot), len }
    }

    /// A number alone: a descriptor, or how many bytes are already where they were wanted.
    #[inline(always)]
    pub(crate) fn number(number: usize) -> Data {
        Data { kept: Kept::Taken, len: u32::try_from(number).expect("a call in parts returns less than 2^32") }
    }

    /// Whether there is anything to be taken.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_taken(self) -> bool {
        match self.kept {
            Kept::Taken => true,
            Kept::InFlight(_) | Kept::Aside(_) => false,
        }
    }

    /// How many bytes it is, or the number.
    #[inline]
    #[must_use]
    pub(crate) fn bytes(self) -> usize {
        index(self.len)
    }

    /// It goes; `take` is shown it before.
    #[inline(always)]
    pub(super) fn leave(self, in_flight: &mut InFlight, asides: &mut Asides, take: impl FnOnce(&[u8])) {
        match self.kept {
            Kept::InFlight(slot) => {
                if let Some(data) = in_flight.packet(slot).first_of_data(self.bytes()) {
                    take(data);
                }
                in_flight.land(slot);
            }
            Kept::Aside(place) => {
                if let Some(data) = asides.places[index(place)].bytes.get(..self.bytes()) {
                    take(data);
                }
                asides.free.push(place);
            }
            Kept::Taken => {}
        }
    }

    /// Who has sent it, if it is a datagram.
    #[inline(always)]
    pub(super) fn sender(self, in_flight: &InFlight, asides: &Asides) -> Option<(IpAddr, u16)> {
        match self.kept {
            Kept::InFlight(slot) => {
                let packet = in_flight.packet(slot);
                match &packet.body {
                    Body::Udp(datagram) => Some((packet.src, datagram.src_port)),
                    Body::Tcp(_) | Body::Icmp(_) => None,
                }
            }
            Kept::Aside(place) => Some(asides.places[index(place)].sender),
            Kept::Taken => None,
        }
    }

    /// Makes the caches ready for its end.
    pub(super) fn prefetch(self, asides: &Asides) {
        if let Kept::Aside(place) = self.kept
            && let Some(aside) = asides.places.get(index(place))
        {
            prefetch(aside);
        }
    }
}

impl Asides {
    /// Puts aside what `write` writes, with the sender of a datagram; it answers how many bytes that is. `None`: it has written nothing.
    #[inline(always)]
    pub(super) fn put(&mut self, write: impl FnOnce(&mut [u8], &mut (IpAddr, u16)) -> Option<usize>) -> Option<Data> {
        let place = self.free.last().copied().unwrap_or_else(|| self.grow());
        let Aside { bytes, sender } = &mut self.places[index(place)];
        let written = write(bytes, sender)?;
        self.free.pop();
        if let Some(ahead) = self.free.len().checked_sub(AHEAD).and_then(|at| self.places.get(index(self.free[at]))) {
            prefetch(ahead);
        }
        let len = u32::try_from(written).expect("what is put aside is a few bytes");
        Some(Data { kept: Kept::Aside(place), len })
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        let place = u32::try_from(self.places.len()).expect("fewer than 2^32 threads receive");
        self.places.push(Aside { bytes: [0; Payload::INLINE_MAX_BYTES], sender: (Ipv4Addr::UNSPECIFIED.into(), 0) });
        self.free.push(place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_is_there_until_it_is_taken() {
        let (mut in_flight, mut asides) = (InFlight::default(), Asides::default());
        let put = |asides: &mut Asides, byte| {
            let write = |room: &mut [u8], sender: &mut (IpAddr, u16)| {
                room[..2].fill(byte);
                sender.1 = u16::from(byte);
                Some(2)
            };
            asides.put(write).expect("something is written")
        };
        let (first, second) = (put(&mut asides, 1), put(&mut asides, 2));
        let mut taken: Vec<u8> = Vec::new();
        first.leave(&mut in_flight, &mut asides, |data| taken.extend(data));
        // Its place is the next one's that has something to put there.
        assert!(asides.put(|_, _| None).is_none());
        let third = put(&mut asides, 3);
        for data in [third, second] {
            taken.extend(data.sender(&in_flight, &asides).and_then(|(_, port)| u8::try_from(port).ok()));
            data.leave(&mut in_flight, &mut asides, |data| taken.extend(data));
        }
        assert_eq!(taken, [1, 1, 3, 3, 3, 2, 2, 2]);
        assert_eq!(asides.places.len(), 2);
    }
}
