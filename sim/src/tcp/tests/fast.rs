//! The short way and the full way are one: after every step of the same conversation the blocks are the same, to the last variable.

use super::*;
use crate::tcp::Taken;
use twinsock::Shutdown;

/// Which way a conversation takes wherever there are two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Calm,
    Short,
    Full,
}

/// Two blocks, and the segments between them in the order of their sending.
struct Talk {
    way: Way,
    now: Instant,
    ends: [Tcb; 2],
    wires: [VecDeque<Segment>; 2],
    /// How often the short way was taken, or the calm one.
    short: u32,
    calm: u32,
    /// Which ends are calm, and what they have sent as such last.
    is_calm: [bool; 2],
    last: [Option<Segment>; 2],
    /// Whether what arrived was to be read.
    readable: Vec<bool>,
}

impl Talk {
    fn new(way: Way) -> Talk {
        let pair = Pair::connected();
        let mut ends = [pair.a.tcb, pair.b.tcb];
        for tcb in &mut ends {
            tcb.take_wakes();
        }
        let (is_calm, last) = ([false; 2], [None, None]);
        Talk { way, now: pair.now, ends, wires: Default::default(), short: 0, calm: 0, is_calm, last, readable: Vec::new() }
    }

    /// Something is done to an end that may end its calm.
    fn disturb(&mut self, end: usize) {
        self.is_calm[end] = false;
        self.last[end] = None;
    }

    fn settle_down(&mut self, end: usize) {
        if self.way == Way::Calm && !self.is_calm[end] {
            self.last[end] = None;
            self.is_calm[end] = self.ends[end].settle_down();
        }
    }

    fn send(&mut self, end: usize, data: &[u8]) -> Result<usize> {
        let mut segment = Segment::EMPTY;
        if self.is_calm[end] {
            let again = self.last[end].is_some();
            let mut segment = self.last[end].take().unwrap_or(Segment::EMPTY);
            if self.ends[end].send_calmly(self.now, data, &mut segment, again).is_some() {
                self.calm += 1;
                self.last[end] = Some(segment.clone());
                self.wires[end].push_back(segment);
                return Ok(data.len());
            }
        }
        self.disturb(end);
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
        if self.is_calm[end] {
            assert!(!self.ends[end].has_output(), "who is calm has nothing to send");
            return;
        }
        let mut segment = Segment::EMPTY;
        let tcb = &mut self.ends[end];
        loop {
            let found = match self.way {
                Way::Short | Way::Calm => tcb.transmit_into(self.now, &mut segment).is_some(),
                Way::Full => tcb.has_output() && tcb.transmit(self.now, &mut segment).is_some(),
            };
            if !found {
                return;
            }
            self.wires[end].push_back(segment.clone());
        }
    }

    /// The next segment that `end` has sent arrives, unless it is lost. With `room`, the other waits for it and reads so much.
    fn deliver(&mut self, end: usize, is_lost: bool, room: Option<usize>) -> Option<Result<Vec<u8>>> {
        let other = 1 - end;
        let arrived = self.wires[end].pop_front().filter(|_| !is_lost);
        if let Some(mut segment) = arrived {
            let room_bytes = room.map_or(0, |room| u32::try_from(room).expect("a small number"));
            let taken = match self.is_calm[other] {
                true => self.ends[other].take_calmly(self.now, &segment, (room_bytes, self.now), false),
                false => Taken::Not,
            };
            self.calm += u32::from(taken != Taken::Not);
            match taken {
                Taken::Read(len) => {
                    self.readable.push(true);
                    assert_eq!(len, segment.payload_bytes());
                    return Some(Ok(segment.payload.as_slice().to_vec()));
                }
                Taken::Kept => self.readable.push(true),
                Taken::Not => {
                    self.disturb(other);
                    match self.way {
                        Way::Short | Way::Calm => {
                            self.ends[other].take_segment(self.now, &mut segment);
                        }
                        Way::Full => self.ends[other].arrives(self.now, &mut segment),
                    }
                    self.readable.push(self.ends[other].take_wakes().has(Wakes::READABLE));
                    self.settle_down(other);
                }
            }
        }
        room.map(|room| self.recv(other, room))
    }

    fn recv(&mut self, end: usize, room: usize) -> Result<Vec<u8>> {
        let mut into = vec![0; room];
        if self.is_calm[end]
            && let Some(received) = self.ends[end].recv_calmly(self.now, &mut into)
        {
            self.calm += 1;
            into.truncate(received);
            return Ok(into);
        }
        self.disturb(end);
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
                return self.deliver(end, (choice / 16).is_multiple_of(64), None);
            }
            5 | 6 => return Some(self.recv(end, size)),
            _ => {
                self.now += Duration::from_micros(u64::from(choice / 16 % 4096).pow(2) / 16);
                self.run_timers();
            }
        }
        None
    }
}

impl Talk {
    fn run_timers(&mut self) {
        for end in 0..2 {
            if self.ends[end].poll_timeout().is_some_and(|at| at <= self.now) {
                self.disturb(end);
                self.ends[end].handle_timeout(self.now);
            }
        }
    }

    /// All that is under way arrives, and what leads to.
    fn calm_down(&mut self) {
        loop {
            self.transmit(0);
            self.transmit(1);
            let Some(end) = (0..2).find(|end| !self.wires[*end].is_empty()) else { return };
            self.deliver(end, false, None);
        }
    }

    /// One end says something to the other, which waits for it; and reads what else there is.
    fn say(&mut self, end: usize, size: usize, delay: Duration, room: usize) -> Vec<Option<Result<Vec<u8>>>> {
        let sent = self.send(end, &vec![u8::try_from(size % 251).expect("below 256"); size]).map(|sent| vec![0; sent]);
        self.transmit(end);
        self.now += delay;
        self.run_timers();
        let mut answers = vec![Some(sent), self.deliver(end, false, Some(room))];
        if self.wires.iter().any(|wire| !wire.is_empty()) || room < size {
            self.calm_down();
            answers.push(Some(self.recv(0, 4096)));
            answers.push(Some(self.recv(1, 4096)));
        }
        answers
    }
}

/// Numbers without a pattern.
fn random_numbers() -> impl FnMut() -> u32 {
    let mut state = 1_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}

/// Two talks, in which the same was said, are the same in the end.
fn assert_same(one: &mut Talk, other: &mut Talk, step: u32) {
    // A segment that goes through is out already.
    for talk in [&mut *one, &mut *other] {
        talk.transmit(0);
        talk.transmit(1);
    }
    assert_eq!(one.wires, other.wires, "step {step}: the segments are the same");
    assert_eq!(one.readable, other.readable, "step {step}: who waits is woken by the same");
    for (one, other) in one.ends.iter().zip(&other.ends) {
        if format!("{one:?}") != format!("{other:?}") {
            let [one, other] = [one, other].map(|tcb| format!("{tcb:#?}"));
            let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
            panic!("step {step}: the blocks are the same, but {differs:?} in\n{one}");
        }
    }
}

/// Dialogues, now and then interrupted by all that the other test does.
#[test]
fn the_calm_way_leads_where_the_full_way_does() {
    let mut random = random_numbers();
    let mut calm_taken = 0;
    for _ in 0..12 {
        let (mut calm, mut full) = (Talk::new(Way::Calm), Talk::new(Way::Full));
        let steady = !random().is_multiple_of(3);
        let mut end = 0;
        for step in 0..400 {
            let (choice, size) = (random(), usize::try_from(random() % 90).expect("a small number"));
            if choice.is_multiple_of(41) {
                assert_eq!(calm.step(choice / 41, size), full.step(choice / 41, size), "step {step}: the answers are the same");
            } else {
                let micros = if steady { 1000 } else { u64::from(random() % 4000) };
                let delay = if random().is_multiple_of(97) { Duration::from_millis(60) } else { Duration::from_micros(micros) };
                let room = if random().is_multiple_of(13) { size / 2 + 1 } else { 128 };
                let size = size.max(1);
                let said = [&mut calm, &mut full].map(|talk| talk.say(end, size, delay, room));
                assert_eq!(said[0], said[1], "step {step}: the answers are the same");
                if !random().is_multiple_of(17) {
                    end = 1 - end;
                }
            }
            assert_same(&mut calm, &mut full, step);
        }
        calm_taken += calm.calm;
    }
    assert!(calm_taken > 3_000, "the calm way was taken {calm_taken} times");
}

#[test]
fn the_short_way_leads_where_the_full_way_does() {
    let mut random = random_numbers();
    let mut short_taken = 0;
    for _ in 0..16 {
        let (mut short, mut full) = (Talk::new(Way::Short), Talk::new(Way::Full));
        let nodelay = random().is_multiple_of(2);
        let size_max = [70, 200, 5000][usize::try_from(random() % 3).expect("a small number")];
        for talk in [&mut short, &mut full] {
            talk.ends.iter_mut().for_each(|tcb| tcb.set_nodelay(nodelay));
        }
        for step in 0..300 {
            let (choice, size) = (random(), usize::try_from(random() % size_max).expect("a small number"));
            assert_eq!(short.step(choice, size), full.step(choice, size), "step {step}: the answers are the same");
            assert_same(&mut short, &mut full, step);
        }
        short_taken += short.short;
    }
    assert!(short_taken > 300, "the short way was taken {short_taken} times");
}

/// What comes after the last byte: with something unread before it, and with an urgent byte there.
#[test]
fn the_end_of_a_stream_is_told_on_the_short_way_as_on_the_full_one() {
    for (unread, urgent) in [(0, false), (1, false), (60, false), (0, true), (60, true)] {
        let mut talks = [Way::Short, Way::Full].map(Talk::new);
        for talk in &mut talks {
            if unread > 0 {
                talk.send(0, &vec![7; unread]).expect("the buffer is empty");
                talk.transmit(0);
            }
            if urgent {
                let flags = SendFlags { oob: true, ..SendFlags::default() };
                talk.ends[0].send(talk.now, &[IoSlice::new(b"!")], 0, flags).expect("the buffer has room");
            }
            talk.ends[0].shutdown(talk.now, Shutdown::Write).expect("it is connected");
            talk.calm_down();
        }
        let [short, full] = &mut talks;
        for (step, room) in (0..).zip([0, 1, 80, 0, 80, 1]) {
            assert_eq!(short.recv(1, room), full.recv(1, room), "{unread} bytes, read {step}: the answers are the same");
            assert_same(short, full, step);
        }
        assert!(urgent || short.short >= 3, "the short way was taken");
    }
}

#[test]
fn a_connection_with_the_buffers_of_another_is_as_one_with_its_own() {
    let mut random = random_numbers();
    let mut furnished_ends = 0;
    for _ in 0..16 {
        let mut used = Talk::new(Way::Short);
        for _ in 0..60 {
            used.step(random(), usize::try_from(random() % 70).expect("a small number"));
        }
        let (mut furnished, mut fresh) = (Talk::new(Way::Short), Talk::new(Way::Short));
        for (end, earlier) in furnished.ends.iter_mut().zip(&mut used.ends) {
            earlier.let_go();
            end.spare = earlier.spare.take();
            furnished_ends += usize::from(end.spare.is_some());
        }
        for step in 0..200 {
            let (choice, size) = (random(), usize::try_from(random() % 200).expect("a small number"));
            assert_eq!(furnished.step(choice, size), fresh.step(choice, size), "step {step}: the answers are the same");
            let seen = [&mut furnished, &mut fresh].map(|talk| {
                talk.transmit(0);
                talk.transmit(1);
                let ends = [0, 1].map(|end| {
                    let tcb = &talk.ends[end];
                    (tcb.info(), tcb.readable_bytes(), tcb.siocoutq(), tcb.poll_timeout(), tcb.poll_mask())
                });
                (ends, talk.wires.clone(), talk.readable.clone())
            });
            assert_eq!(seen[0], seen[1], "step {step}: nobody sees a difference");
        }
    }
    assert!(furnished_ends > 8, "{furnished_ends} ends have had the buffers of others");
}
