//! Dialogues between two control blocks over a wire that loses, delays and reorders as it is told.

mod bulk;
mod closing;
mod data;
mod fast;
mod handshake;
mod hostile;
mod integrity;
mod times;
mod urgent;

use super::{Config, Linger, RecvFlags, SendFlags, State, Tcb, TimeWait, TimeWaitAction, Wakes, reply_to_closed};
use crate::packet::{Control, Payload, Segment};
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::{Instant, Result};

/// Which of the two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    A,
    B,
}

/// One end: a block, and what a host would keep for it.
struct End {
    tcb: Tcb,
    listener: Option<Tcb>,
    time_wait: Option<TimeWait>,
    wakes: Wakes,
    config: Config,
}

/// What the wire does with a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Deliver,
    Drop,
    Delay(Duration),
}

type Rule = Box<dyn FnMut(Side, &Segment) -> Fate>;

/// Two ends, a wire and a clock. `A` dials from port 1000, `B` listens at port 80.
struct Pair {
    now: Instant,
    a: End,
    b: End,
    latency: Duration,
    /// Whether the wire cuts segments into frames, each with a fate of its own.
    cuts_frames: bool,
    rule: Rule,
    /// In flight: arrival, order of sending, sender.
    wire: VecDeque<(Instant, Side, Segment)>,
    /// Everything that was sent: when, by whom.
    log: Vec<(Instant, Side, Segment)>,
}

impl End {
    fn new(config: Config) -> End {
        End { tcb: Tcb::new(&config), listener: None, time_wait: None, wakes: Wakes::NONE, config }
    }

    fn receive(&mut self, now: Instant, segment: Segment) -> Vec<Segment> {
        if let Some(rest) = &mut self.time_wait {
            match rest.handle_segment(now, &segment) {
                TimeWaitAction::Reply(reply) => return vec![reply],
                TimeWaitAction::Ignore => return Vec::new(),
                TimeWaitAction::Gone | TimeWaitAction::NewConnection { .. } => self.time_wait = None,
            }
        }
        if self.tcb.state() == State::Closed {
            if let (Some(listener), Control::Syn, None) = (&self.listener, segment.control, segment.ack) {
                let ports = (segment.dst_port, segment.src_port);
                self.tcb = Tcb::new(&self.config);
                self.tcb.answer_syn(&listener.heritage(), now, &self.config, ports, 9000, &segment);
                return Vec::new();
            }
            return reply_to_closed(&segment).into_iter().collect();
        }
        self.tcb.handle_segment(now, segment);
        Vec::new()
    }

    fn collect(&mut self) {
        self.wakes |= self.tcb.take_wakes();
        if let Some(rest) = self.tcb.take_time_wait() {
            self.time_wait = Some(rest);
        }
    }
}

impl Pair {
    fn new() -> Pair {
        Pair::with(Config::default(), Config::default())
    }

    fn with(a: Config, b: Config) -> Pair {
        let mut b = End::new(b);
        let mut listener = Tcb::new(&b.config);
        listener.listen();
        b.listener = Some(listener);
        Pair {
            now: Instant::ZERO + Duration::from_secs(1000),
            a: End::new(a),
            b,
            latency: Duration::ZERO,
            cuts_frames: false,
            rule: Box::new(|_, _| Fate::Deliver),
            wire: VecDeque::new(),
            log: Vec::new(),
        }
    }

    /// A connected pair over a wire without delay.
    fn connected() -> Pair {
        let mut pair = Pair::new();
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        self.dial();
        self.settle();
        assert_eq!((self.a.tcb.state(), self.b.tcb.state()), (State::Established, State::Established));
        self.log.clear();
    }

    fn dial(&mut self) {
        let config = self.a.config.clone();
        self.a.tcb.connect(self.now, &config, (1000, 80), 5000);
        self.pump();
    }

    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// From now on the wire does this.
    fn rule(&mut self, rule: impl FnMut(Side, &Segment) -> Fate + 'static) {
        self.rule = Box::new(rule);
    }

    fn heal(&mut self) {
        self.rule(|_, _| Fate::Deliver);
    }

    fn cut(&mut self) {
        self.rule(|_, _| Fate::Drop);
    }

    fn put(&mut self, side: Side, segment: Segment) {
        if !self.cuts_frames || segment.payload.len() <= usize::from(segment.frame_bytes) {
            self.put_frame(side, segment);
            return;
        }
        let mut seq = segment.seq;
        let mut left = segment.payload.as_slice();
        while !left.is_empty() {
            let (data, rest) = left.split_at(left.len().min(usize::from(segment.frame_bytes)));
            let control = if rest.is_empty() { segment.control } else { Control::None };
            self.put_frame(side, Segment { seq, control, payload: Payload::copy_of(data), ..segment.clone() });
            seq += u32::try_from(data.len()).expect("a frame is small");
            left = rest;
        }
    }

    fn put_frame(&mut self, side: Side, segment: Segment) {
        self.log.push((self.now, side, segment.clone()));
        let delay = match (self.rule)(side, &segment) {
            Fate::Drop => return,
            Fate::Deliver => Duration::ZERO,
            Fate::Delay(more) => more,
        };
        let at = self.now + self.latency + delay;
        let place = self.wire.partition_point(|(other, _, _)| *other <= at);
        self.wire.insert(place, (at, side, segment));
    }

    /// Everything that the ends have to send goes onto the wire.
    fn drain(&mut self) {
        for side in [Side::A, Side::B] {
            let now = self.now;
            while let Some(segment) = self.end(side).tcb.poll_transmit(now) {
                self.put(side, segment);
            }
            self.end(side).collect();
        }
    }

    /// Delivers what arrives now, until nothing more does.
    fn pump(&mut self) {
        self.drain();
        let mut steps = 0;
        while self.wire.front().is_some_and(|(at, _, _)| *at <= self.now) {
            let (_, from, segment) = self.wire.pop_front().expect("the wire has a front");
            let now = self.now;
            let to = match from {
                Side::A => Side::B,
                Side::B => Side::A,
            };
            for reply in self.end(to).receive(now, segment) {
                self.put(to, reply);
            }
            self.drain();
            steps += 1;
            assert!(steps < 1_000_000, "two ends answer each other for ever");
        }
    }

    /// When the next thing happens.
    fn next_event(&self) -> Option<Instant> {
        let arrival = self.wire.front().map(|(at, _, _)| *at);
        [arrival, self.a.tcb.poll_timeout(), self.b.tcb.poll_timeout()].into_iter().flatten().min()
    }

    /// Lets time pass to the next event. False if there is none.
    fn step(&mut self) -> bool {
        let Some(next) = self.next_event() else { return false };
        self.now = self.now.max(next);
        let now = self.now;
        for side in [Side::A, Side::B] {
            let tcb = &mut self.end(side).tcb;
            if tcb.poll_timeout().is_some_and(|at| at <= now) {
                tcb.handle_timeout(now);
                assert!(tcb.poll_timeout().is_none_or(|at| at > now), "a timer that was served is not due");
            }
        }
        self.pump();
        true
    }

    /// Lets what is on the wire arrive, without waiting for timers.
    fn settle(&mut self) {
        self.pump();
        while let Some((at, _, _)) = self.wire.front() {
            self.now = self.now.max(*at);
            self.pump();
        }
    }

    /// Lets `span` pass.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        self.pump();
        while self.next_event().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    fn send_flags(&mut self, side: Side, data: &[u8], flags: SendFlags) -> Result<usize> {
        let now = self.now;
        let sent = self.end(side).tcb.send(now, &[IoSlice::new(data)], 0, flags);
        self.settle();
        sent
    }

    fn send(&mut self, side: Side, data: &[u8]) -> Result<usize> {
        self.send_flags(side, data, SendFlags::default())
    }

    fn recv_flags(&mut self, side: Side, len: usize, flags: RecvFlags) -> Result<Vec<u8>> {
        let now = self.now;
        let mut into = vec![0; len];
        let got = self.end(side).tcb.recv(now, &mut [IoSliceMut::new(&mut into)], 0, flags);
        self.settle();
        into.truncate(got?);
        Ok(into)
    }

    fn recv(&mut self, side: Side, len: usize) -> Result<Vec<u8>> {
        self.recv_flags(side, len, RecvFlags::default())
    }

    fn close(&mut self, side: Side) {
        let now = self.now;
        self.end(side).tcb.close(now, Linger::None);
        self.settle();
    }

    fn shutdown(&mut self, side: Side, how: twinsock::Shutdown) -> Result<()> {
        let now = self.now;
        let result = self.end(side).tcb.shutdown(now, how);
        self.settle();
        result
    }

    fn states(&self) -> (State, State) {
        (self.a.tcb.state(), self.b.tcb.state())
    }

    /// What was sent since the log was cleared, as a dialogue: `A SYN`, `B DATA 5`, ...
    fn dialogue(&self) -> Vec<String> {
        self.log.iter().map(|(_, side, segment)| format!("{side:?} {}", name(segment))).collect()
    }

    /// When a segment of this kind was sent by `side`, in milliseconds after the clock read `since`.
    fn times(&self, side: Side, since: Instant, kind: impl Fn(&Segment) -> bool) -> Vec<u64> {
        self.log
            .iter()
            .filter(|(_, by, segment)| *by == side && kind(segment))
            .map(|(at, _, _)| u64::try_from(at.since(since).as_millis()).expect("a test is short"))
            .collect()
    }
}

/// A segment in a word or two.
fn name(segment: &Segment) -> String {
    let len = segment.payload.len();
    match (segment.control, segment.ack) {
        (Control::Syn, None) => "SYN".into(),
        (Control::Syn, Some(_)) => "SYN-ACK".into(),
        (Control::Rst, _) => "RST".into(),
        (Control::Fin, _) if len > 0 => format!("DATA {len} FIN"),
        (Control::Fin, _) => "FIN".into(),
        (Control::None | Control::Push, _) if len > 0 => format!("DATA {len}"),
        (Control::None | Control::Push, _) => "ACK".into(),
    }
}

fn is_data(segment: &Segment) -> bool {
    !segment.payload.is_empty()
}

/// Loopback: the MTU counts as 65535.
fn loopback() -> Config {
    Config { mss_bytes: 65_495, ..Config::default() }
}
