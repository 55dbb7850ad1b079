//! The short way and the full way are one: after every step of the same conversation the blocks are the same, to the last variable.

use super::*;

/// Which way a conversation takes wherever there are two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Short,
    Full,
}

/// Two blocks, and the segments between them in the order of their sending.
struct Talk {
    way: Way,
    now: Instant,
    ends: [Tcb; 2],
    wires: [VecDeque<Segment>; 2],
    /// How often the short way was taken.
    short: u32,
}

impl Talk {
    fn new(way: Way) -> Talk {
        let pair = Pair::connected();
        Talk { way, now: pair.now, ends: [pair.a.tcb, pair.b.tcb], wires: Default::default(), short: 0 }
    }

    fn send(&mut self, end: usize, data: &[u8]) -> Result<usize> {
        let mut segment = Segment::EMPTY;
        if self.way == Way::Short && self.ends[end].send_through(self.now, data, &mut segment) {
            self.short += 1;
            self.wires[end].push_back(segment);
            return Ok(data.len());
        }
        if self.way == Way::Short && self.ends[end].send_small(self.now, data) {
            self.short += 1;
            return Ok(data.len());
        }
        self.ends[end].send(self.now, &[IoSlice::new(data)], 0, SendFlags::default())
    }

    fn transmit(&mut self, end: usize) {
        let mut segment = Segment::EMPTY;
        let tcb = &mut self.ends[end];
        loop {
            let found = match self.way {
                Way::Short => tcb.transmit_into(self.now, &mut segment),
                Way::Full => tcb.has_output() && tcb.transmit(self.now, &mut segment),
            };
            if !found {
                return;
            }
            self.wires[end].push_back(segment.clone());
        }
    }

    /// The next segment that `end` has sent arrives, unless it is lost.
    fn deliver(&mut self, end: usize, is_lost: bool) {
        let Some(mut segment) = self.wires[end].pop_front() else { return };
        let tcb = &mut self.ends[1 - end];
        match self.way {
            Way::Short if !is_lost => tcb.take_segment(self.now, &mut segment),
            Way::Full if !is_lost => tcb.arrives(self.now, &mut segment),
            Way::Short | Way::Full => {}
        }
    }

    fn recv(&mut self, end: usize, room: usize) -> Result<Vec<u8>> {
        let mut into = vec![0; room];
        let tcb = &mut self.ends[end];
        if self.way == Way::Short
            && let Some(received) = tcb.recv_plainly(self.now, &mut into, tcb.options.rcvlowat)
        {
            self.short += 1;
            into.truncate(received);
            return Ok(into);
        }
        let received = tcb.recv(self.now, &mut [IoSliceMut::new(&mut into)], 0, RecvFlags::default())?;
        into.truncate(received);
        Ok(into)
    }

    fn step(&mut self, choice: u32, size: usize) -> Option<Result<Vec<u8>>> {
        let end = usize::from(choice % 2 == 1);
        match choice / 2 % 8 {
            0 | 1 => return Some(self.send(end, &vec![7; size]).map(|sent| vec![0; sent])),
            2 => self.transmit(end),
            3 | 4 => {
                self.transmit(end);
                self.deliver(end, (choice / 16).is_multiple_of(64));
            }
            5 | 6 => return Some(self.recv(end, size)),
            _ => {
                self.now += Duration::from_micros(u64::from(choice / 16 % 4096).pow(2) / 16);
                for tcb in &mut self.ends {
                    if tcb.poll_timeout().is_some_and(|at| at <= self.now) {
                        tcb.handle_timeout(self.now);
                    }
                }
            }
        }
        None
    }
}

#[test]
fn the_short_way_leads_where_the_full_way_does() {
    let mut state = 1_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    let mut short_taken = 0;
    for _ in 0..16 {
        let (mut short, mut full) = (Talk::new(Way::Short), Talk::new(Way::Full));
        let nodelay = random() % 2 == 0;
        let size_max = [70, 200, 5000][usize::try_from(random() % 3).expect("a small number")];
        for talk in [&mut short, &mut full] {
            talk.ends.iter_mut().for_each(|tcb| tcb.set_nodelay(nodelay));
        }
        for step in 0..300 {
            let (choice, size) = (random(), usize::try_from(random() % size_max).expect("a small number"));
            assert_eq!(short.step(choice, size), full.step(choice, size), "step {step}: the answers are the same");
            // A segment that goes through is out already.
            full.transmit(0);
            full.transmit(1);
            short.transmit(0);
            short.transmit(1);
            assert_eq!(short.wires, full.wires, "step {step}: the segments are the same");
            assert_eq!(format!("{:?}", short.ends), format!("{:?}", full.ends), "step {step}: the blocks are the same");
        }
        short_taken += short.short;
    }
    assert!(short_taken > 300, "the short way was taken {short_taken} times");
}
