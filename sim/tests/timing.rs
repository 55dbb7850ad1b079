//! When TCP repeats, asks and gives up, where only a network that does not answer shows it: tests that take no real time.
//!
//! The times are those of Linux 6.18 between two network namespaces, one of which fell silent; the simulator comes within 10 % or 50 ms, whichever is
//! more. Every test runs over IPv4 and IPv6. `near` is the host whose kernel is watched, `far` the one that falls silent.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{
    Clock, Domain, Errno, Instant, MsgFlags, PollEvents, Protocol, Result, Shutdown, SockFlags, SocketAddr as Addr, SocketApi,
    Type,
};
use twinsock_sim::{Fate, Host, Link, Net, Network, PacketView, Sim};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const PORT: u16 = 7000;

/// A frame that a host sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Syn,
    Data,
    Fin,
    Rst,
    Ack,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    at: Instant,
    from_near: bool,
    kind: Kind,
}

fn kind_of(frame: &PacketView<'_>) -> Kind {
    match frame {
        frame if frame.is_rst() => Kind::Rst,
        frame if frame.is_syn() => Kind::Syn,
        frame if frame.is_data() => Kind::Data,
        frame if frame.is_fin() => Kind::Fin,
        _ => Kind::Ack,
    }
}

/// The two hosts, from the point of view of a program on the near one.
struct Lab {
    net: Net,
    network: Network,
    near: Host,
    far: Host,
    domain: Domain,
    wire: Rc<Wire>,
    start: Cell<Instant>,
}

/// What was sent, and who is not to be heard any longer.
#[derive(Default)]
struct Wire {
    frames: RefCell<Vec<Frame>>,
    silent: Cell<bool>,
    /// Whether the first frame from the far host is the last before silence.
    silent_when_far_sends: Cell<bool>,
}

impl Wire {
    /// Takes down a frame, and loses it if there is silence.
    fn judge(&self, at: Instant, frame: &PacketView<'_>) -> Fate {
        let from_near = frame.from() == "near";
        self.frames.borrow_mut().push(Frame { at, from_near, kind: kind_of(frame) });
        if !from_near && self.silent_when_far_sends.get() {
            self.silent.set(true);
        }
        if self.silent.get() { Fate::Drop } else { Fate::Pass }
    }
}

/// What the far host does with the connections that it gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Far {
    /// Accepts them, and does nothing.
    Holds,
    /// Answers each byte with one.
    Answers,
    /// Shuts down when the near side has.
    Closes,
    /// Sends a byte so long after the near side has ended its stream.
    SendsAfter(Duration),
    /// Does not listen.
    Refuses,
}

type Sock = <Net as SocketApi>::Socket;

/// Runs `body` on the near host, once for each family, with these constants of its kernel.
fn lab(sysctls: &[(&str, u32)], far_does: Far, body: impl Fn(&Lab) + Clone + Send + 'static) {
    for domain in [Domain::INET, Domain::INET6] {
        let body = body.clone();
        let report = Sim::builder().run(|sim| {
            let (near, far) = (sim.host("near"), sim.host("far"));
            for (name, value) in sysctls {
                near.sysctl(name, value);
            }
            far.spawn_daemon("far", move |net| be_far(&net, domain, far_does));
            let (network, hosts) = (sim.network(), [near.clone(), far.clone()]);
            let wire = Rc::new(Wire::default());
            let (judge, clock) = (Rc::clone(&wire), sim.network());
            let guard = sim.rule(move |frame| judge.judge(clock.now(), frame));
            near.spawn("near", move |net| {
                net.sleep(MS);
                let [near, far] = hosts;
                let start = Cell::new(net.now());
                body(&Lab { net, network, near, far, domain, wire, start });
            });
            sim.run_to_end().expect("the run comes to its end");
            drop(guard);
        });
        if let Err(failure) = report {
            panic!("{domain:?}: {failure}");
        }
    }
}

/// The program on the far host.
fn be_far(net: &Net, domain: Domain, does: Far) {
    if does == Far::Refuses {
        return;
    }
    let listener = net.socket(domain, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).unwrap();
    let any: IpAddr = if domain == Domain::INET6 { "::" } else { "0.0.0.0" }.parse().unwrap();
    net.bind(&listener, &Addr::inet(any, PORT)).unwrap();
    // So that a window fills quickly.
    net.setsockopt(&listener, c::SOL_SOCKET, c::SO_RCVBUF, 4096).unwrap();
    net.listen(&listener, 5).unwrap();
    let (peer, _) = net.accept(&listener, SockFlags::NONE).unwrap();
    net.setsockopt(&peer, c::IPPROTO_TCP, c::TCP_NODELAY, 1).unwrap();
    let mut room = [0; 64];
    if does != Far::Holds {
        while let Ok(1..) = net.recv(&peer, &mut room, MsgFlags::NONE) {
            if does == Far::Answers {
                net.send(&peer, b"a", MsgFlags::NONE).unwrap();
            }
        }
    }
    if let Far::SendsAfter(time) = does {
        net.sleep(time);
        net.send(&peer, b"late", MsgFlags::NONE).unwrap();
    }
    if does == Far::Closes {
        net.close(peer).unwrap();
        net.close(listener).unwrap();
    }
    net.sleep(5000 * SECOND);
}

impl Lab {
    fn socket(&self) -> Sock {
        self.net.socket(self.domain, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).unwrap()
    }

    fn addr_of(&self, host: &Host, port: u16) -> Addr {
        Addr::inet(if self.domain == Domain::INET6 { host.ipv6() } else { host.ipv4() }, port)
    }

    /// An address of the segment that nobody has.
    fn nobody(&self) -> Addr {
        let text = if self.domain == Domain::INET6 { "[fd00::dead]:9" } else { "10.99.99.99:9" };
        text.parse::<SocketAddr>().unwrap().into()
    }

    /// A connection to the far host.
    fn connected(&self) -> Sock {
        let socket = self.socket();
        self.net.connect(&socket, &self.addr_of(&self.far, PORT)).unwrap();
        socket
    }

    fn set(&self, socket: &Sock, name: i32, value: i32) {
        self.net.setsockopt(socket, c::IPPROTO_TCP, name, value).unwrap();
    }

    fn send(&self, socket: &Sock, data: &[u8]) -> Result<usize> {
        self.net.send(socket, data, MsgFlags::NONE)
    }

    fn recv(&self, socket: &Sock) -> Result<usize> {
        self.net.recv(socket, &mut [0; 64], MsgFlags::NONE)
    }

    /// The far host does not answer from now on, and from now on counts.
    fn silence(&self) {
        self.wire.silent.set(true);
        self.begin();
    }

    /// From now on counts.
    fn begin(&self) {
        self.start.set(self.net.now());
    }

    fn elapsed(&self) -> Duration {
        self.net.now() - self.start.get()
    }

    /// Waits for a hang-up.
    fn wait_for_hup(&self, socket: &Sock) -> PollEvents {
        let events = PollEvents::from_raw(c::POLLIN | c::POLLRDHUP);
        let mut entries = [self.net.poll_entry(socket, events)];
        assert_eq!(self.net.poll(&mut entries, Some(5000 * SECOND)), Ok(1));
        entries[0].revents()
    }

    /// When the near host (or the far one) has sent such frames, since it began.
    fn times(&self, from_near: bool, kinds: &[Kind]) -> Vec<Duration> {
        let frames = self.wire.frames.borrow();
        let counts = frames.iter().filter(|frame| frame.at >= self.start.get());
        let picked = counts.filter(|frame| frame.from_near == from_near && kinds.contains(&frame.kind));
        picked.map(|frame| frame.at - self.start.get()).collect()
    }

    fn sent(&self, kinds: &[Kind]) -> Vec<Duration> {
        self.times(true, kinds)
    }

    /// Asserts when a connection whose local port it bound has left its port: nobody else can bind it before.
    fn assert_gone(&self, local: &Addr, expected: Duration) {
        loop {
            let socket = self.socket();
            match self.net.bind(&socket, local) {
                Ok(()) => return near(self.elapsed(), expected, "the connection is gone"),
                Err(errno) => assert_eq!(errno, Errno::ADDRINUSE),
            }
            self.net.sleep(10 * MS);
        }
    }

    /// A connection to the far host from a port that was asked for, and its name.
    fn bound_connected(&self) -> (Sock, Addr) {
        let (socket, local) = (self.socket(), self.addr_of(&self.near, 5000));
        self.net.bind(&socket, &local).unwrap();
        self.net.connect(&socket, &self.addr_of(&self.far, PORT)).unwrap();
        (socket, local)
    }
}

/// Asserts that a time is Linux's, within 10 % or 50 ms, whichever is more.
#[track_caller]
fn near(actual: Duration, expected: Duration, what: &str) {
    let slack = (expected / 10).max(50 * MS);
    assert!(actual.abs_diff(expected) <= slack, "{what}: {actual:?}, and on Linux {expected:?}");
}

/// The same for a sequence of times, given in milliseconds.
#[track_caller]
fn all_near(actual: &[Duration], expected: &[u64], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: {actual:?}, and on Linux {expected:?} ms");
    for (actual, expected) in actual.iter().zip(expected) {
        near(*actual, Duration::from_millis(*expected), what);
    }
}

// The SYN of a connection that nobody answers.

/// Connects in vain; what the attempt ended with, and after which time.
fn connect_in_vain(lab: &Lab, options: &[(i32, i32)]) -> Duration {
    let socket = lab.socket();
    for (name, value) in options {
        lab.set(&socket, *name, *value);
    }
    lab.silence();
    assert_eq!(lab.net.connect(&socket, &lab.addr_of(&lab.far, PORT)), Err(Errno::TIMEDOUT));
    lab.elapsed()
}

const SYNS_MS: [u64; 11] = [0, 1000, 2000, 3000, 4000, 5000, 7000, 11_000, 19_000, 35_000, 67_000];

#[test]
fn a_syn_is_repeated_each_second_and_then_at_doubled_times() {
    lab(&[], Far::Refuses, |lab| {
        near(connect_in_vain(lab, &[]), 133_900 * MS, "ETIMEDOUT after tcp_syn_retries of 6");
        all_near(&lab.sent(&[Kind::Syn]), &SYNS_MS, "SYN");
    });
}

#[test]
fn the_timers_of_tcp_are_not_late() {
    // Linux's timer wheel lets those that are far off be late by up to an eighth: docs/src/differences.md.
    lab(&[], Far::Refuses, |lab| {
        connect_in_vain(lab, &[(c::TCP_SYNCNT, 3)]);
        let since_first: Vec<u128> = lab.sent(&[Kind::Syn]).iter().map(Duration::as_millis).collect();
        assert_eq!(since_first, SYNS_MS[..8].iter().map(|ms| u128::from(*ms)).collect::<Vec<_>>());
    });
}

#[test]
fn tcp_syncnt_is_how_long_an_attempt_lasts() {
    for (count, syns, seconds) in [(1, 3, 3), (2, 6, 7), (3, 8, 19), (5, 10, 67), (7, 12, 256)] {
        lab(&[], Far::Refuses, move |lab| {
            let took = connect_in_vain(lab, &[(c::TCP_SYNCNT, count)]);
            near(took, seconds * SECOND, "ETIMEDOUT");
            let times = lab.sent(&[Kind::Syn]);
            assert_eq!(times.len(), syns, "TCP_SYNCNT {count}: {times:?}");
        });
    }
}

#[test]
fn tcp_syn_retries_is_how_long_attempts_last() {
    lab(&[("net.ipv4.tcp_syn_retries", 2)], Far::Refuses, |lab| {
        near(connect_in_vain(lab, &[]), 7 * SECOND, "ETIMEDOUT");
        near(connect_in_vain(lab, &[(c::TCP_SYNCNT, 1)]), 3 * SECOND, "ETIMEDOUT with TCP_SYNCNT, which goes before");
    });
}

#[test]
fn without_tcp_syn_linear_timeouts_the_times_double_at_once() {
    let sysctls = [("net.ipv4.tcp_syn_linear_timeouts", 0), ("net.ipv4.tcp_syn_retries", 3)];
    lab(&sysctls, Far::Refuses, |lab| {
        near(connect_in_vain(lab, &[]), 15_300 * MS, "ETIMEDOUT");
        all_near(&lab.sent(&[Kind::Syn]), &[0, 1000, 3000, 7000], "SYN");
    });
}

#[test]
fn tcp_user_timeout_ends_an_attempt() {
    for (limit, took_ms, syns) in [(500, 1040, 2), (5000, 5030, 5)] {
        lab(&[], Far::Refuses, move |lab| {
            let took = connect_in_vain(lab, &[(c::TCP_USER_TIMEOUT, limit)]);
            near(took, took_ms * MS, "ETIMEDOUT");
            assert_eq!(lab.sent(&[Kind::Syn]).len(), syns);
        });
    }
}

#[test]
fn a_syn_ack_is_repeated_at_doubled_times() {
    lab(&[], Far::Holds, |lab| {
        lab.net.sleep(MS);
        lab.wire.silent_when_far_sends.set(true);
        let socket = lab.socket();
        lab.set(&socket, c::TCP_SYNCNT, 6);
        lab.begin();
        assert_eq!(lab.net.connect(&socket, &lab.addr_of(&lab.far, PORT)), Err(Errno::TIMEDOUT));
        let times = lab.times(false, &[Kind::Syn]);
        all_near(&times, &[0, 1016, 3032, 7092, 15_288, 31_412], "SYN-ACK");
    });
}

// Addresses that nobody has.

#[test]
fn nobody_at_an_address_is_ehostunreach_after_three_questions() {
    lab(&[], Far::Refuses, |lab| {
        let socket = lab.socket();
        lab.begin();
        assert_eq!(lab.net.connect(&socket, &lab.nobody()), Err(Errno::HOSTUNREACH));
        near(lab.elapsed(), 3100 * MS, "EHOSTUNREACH");

        let socket = lab.socket();
        lab.net.set_nonblocking(&socket, true).unwrap();
        lab.begin();
        assert_eq!(lab.net.connect(&socket, &lab.nobody()), Err(Errno::INPROGRESS));
        let mask = lab.wait_for_hup(&socket);
        near(lab.elapsed(), 3100 * MS, "ERR and HUP");
        assert!(mask.contains(PollEvents::IN | PollEvents::ERR | PollEvents::HUP), "{mask:?}");
        assert_eq!(lab.net.getsockopt(&socket, c::SOL_SOCKET, c::SO_ERROR), Ok(Errno::HOSTUNREACH.raw()));
    });
}

#[test]
fn the_questions_for_an_address_go_by_the_own_clock() {
    lab(&[], Far::Refuses, |lab| {
        lab.near.set_clock(0, 1_000_000);
        let (own, start) = (lab.net.now(), lab.net.true_time());
        assert_eq!(lab.net.connect(&lab.socket(), &lab.nobody()), Err(Errno::HOSTUNREACH));
        near(lab.net.now() - own, 3100 * MS, "EHOSTUNREACH by the own clock");
        near(lab.net.true_time() - start, 1550 * MS, "EHOSTUNREACH by a clock that is half as fast");
    });
}

#[test]
fn nobody_at_an_address_is_nothing_to_a_sender_of_datagrams() {
    lab(&[], Far::Refuses, |lab| {
        let socket = lab.net.socket(lab.domain, Type::DGRAM, SockFlags::NONE, Protocol::DEFAULT).unwrap();
        lab.net.connect(&socket, &lab.nobody()).unwrap();
        assert_eq!(lab.send(&socket, b"x"), Ok(1));
        lab.net.sleep(10 * SECOND);
        assert_eq!(lab.net.getsockopt(&socket, c::SOL_SOCKET, c::SO_ERROR), Ok(0));
        // With the error queue on it is told.
        let (level, name) = if lab.domain == Domain::INET6 { (c::SOL_IPV6, c::IPV6_RECVERR) } else { (c::SOL_IP, c::IP_RECVERR) };
        lab.net.setsockopt(&socket, level, name, 1).unwrap();
        lab.begin();
        assert_eq!(lab.send(&socket, b"x"), Ok(1));
        assert_eq!(lab.recv(&socket), Err(Errno::HOSTUNREACH));
        near(lab.elapsed(), 3100 * MS, "EHOSTUNREACH");
    });
}

// Data that nobody acknowledges.

const REPEATS_MS: [u64; 18] = [
    0, 210, 420, 840, 1670, 3340, 6800, 13_400, 26_800, 53_000, 106_000, 213_000, 333_000, 453_000, 573_000, 693_000, 813_000,
    933_000,
];

/// Sends a byte in vain, and waits until the connection fails.
fn send_in_vain(lab: &Lab, options: &[(i32, i32)]) -> Duration {
    let socket = lab.connected();
    for (name, value) in options {
        lab.set(&socket, *name, *value);
    }
    lab.net.sleep(200 * MS);
    lab.silence();
    lab.send(&socket, b"x").unwrap();
    let mask = lab.wait_for_hup(&socket);
    let took = lab.elapsed();
    assert_eq!(mask, PollEvents::from_raw(c::POLLIN | c::POLLERR | c::POLLHUP | c::POLLRDHUP));
    assert_eq!(lab.recv(&socket), Err(Errno::TIMEDOUT), "told once");
    assert_eq!(lab.recv(&socket), Ok(0));
    assert_eq!(lab.send(&socket, b"x"), Err(Errno::PIPE));
    took
}

#[test]
fn data_is_repeated_at_doubled_times_up_to_two_minutes() {
    lab(&[], Far::Holds, |lab| {
        near(send_in_vain(lab, &[]), 938 * SECOND, "ETIMEDOUT after tcp_retries2 of 15");
        let times = lab.sent(&[Kind::Data]);
        all_near(&times, &REPEATS_MS[..times.len()], "data");
        assert!(times.len() >= 16, "{times:?}");
    });
}

#[test]
fn tcp_retries2_is_how_long_data_is_repeated() {
    for (retries, took_ms, sent) in [(3, 6800, 6), (5, 13_400, 7), (8, 106_900, 10)] {
        lab(&[("net.ipv4.tcp_retries2", retries)], Far::Holds, move |lab| {
            near(send_in_vain(lab, &[]), took_ms * MS, "ETIMEDOUT");
            all_near(&lab.sent(&[Kind::Data]), &REPEATS_MS[..sent], "data");
        });
    }
}

#[test]
fn tcp_user_timeout_is_how_long_data_waits() {
    for (limit, took_ms, sent) in [(1000, 1430, 4), (3000, 3440, 6), (20_000, 20_500, 8)] {
        lab(&[], Far::Holds, move |lab| {
            near(send_in_vain(lab, &[(c::TCP_USER_TIMEOUT, limit)]), took_ms * MS, "ETIMEDOUT");
            all_near(&lab.sent(&[Kind::Data]), &REPEATS_MS[..sent], "data");
        });
    }
}

#[test]
fn tcp_rto_max_ms_is_the_longest_time_between_repeats() {
    lab(&[("net.ipv4.tcp_retries2", 6)], Far::Holds, |lab| {
        near(send_in_vain(lab, &[(c::TCP_RTO_MAX_MS, 1000)]), 6810 * MS, "ETIMEDOUT");
        all_near(&lab.sent(&[Kind::Data]), &[0, 207, 415, 855, 1690, 2710, 3735, 4760, 5785], "data");
    });
}

#[test]
fn repeats_begin_after_what_the_round_trip_has_been_like() {
    // Linux's own times with delays of 10, 100 and 300 ms each way, after so many questions and answers.
    for (delay_ms, answers, repeats) in [
        (10, 0, &[0, 225, 453, 921, 1850, 3670, 7320][..]),
        (10, 10, &[0, 225, 455, 933, 1857, 3681, 7361]),
        (100, 0, &[0, 614, 1254, 2470, 4900]),
        (100, 1, &[0, 632, 1270, 2500, 5020]),
        (100, 10, &[0, 424, 872, 1736, 3432, 6856]),
        (300, 0, &[0, 1432, 3256, 7003]),
        (300, 1, &[0, 1427, 3252, 6996]),
        (300, 10, &[0, 931, 1859, 3715, 7623]),
    ] {
        lab(&[], Far::Answers, move |lab| {
            lab.network.link(&lab.near, &lab.far, Link::new().delay(Duration::from_millis(delay_ms)));
            let socket = lab.connected();
            lab.set(&socket, c::TCP_NODELAY, 1);
            for _ in 0..answers {
                lab.send(&socket, b"q").unwrap();
                assert_eq!(lab.recv(&socket), Ok(1));
            }
            lab.net.sleep(SECOND);
            lab.silence();
            lab.send(&socket, b"x").unwrap();
            lab.net.sleep(8 * SECOND);
            all_near(&lab.sent(&[Kind::Data]), repeats, &format!("{delay_ms} ms each way, after {answers} answers"));
        });
    }
}

#[test]
fn a_host_that_answers_again_gets_the_data_with_the_next_repeat() {
    lab(&[], Far::Answers, |lab| {
        let socket = lab.connected();
        lab.net.sleep(200 * MS);
        lab.silence();
        lab.send(&socket, b"x").unwrap();
        lab.net.sleep(2 * SECOND);
        lab.wire.silent.set(false);
        assert_eq!(lab.recv(&socket), Ok(1));
        near(lab.elapsed(), 3340 * MS, "the answer");
    });
}

// Keepalive.

/// Waits for keepalive to find that the far host is silent. Counts from the last thing that was heard of it.
fn keep_alive_in_vain(lab: &Lab, options: &[(i32, i32)]) -> Duration {
    let socket = lab.connected();
    for (name, value) in options {
        lab.set(&socket, *name, *value);
    }
    lab.net.setsockopt(&socket, c::SOL_SOCKET, c::SO_KEEPALIVE, 1).unwrap();
    lab.silence();
    assert_eq!(lab.recv(&socket), Err(Errno::TIMEDOUT));
    lab.elapsed()
}

const KEEPALIVE: [(i32, i32); 3] = [(c::TCP_KEEPIDLE, 2), (c::TCP_KEEPINTVL, 1), (c::TCP_KEEPCNT, 3)];

#[test]
fn keepalive_asks_so_often_and_resets() {
    lab(&[], Far::Holds, |lab| {
        near(keep_alive_in_vain(lab, &KEEPALIVE), 5170 * MS, "ETIMEDOUT");
        all_near(&lab.sent(&[Kind::Ack]), &[2100, 3150, 4150], "probe");
        all_near(&lab.sent(&[Kind::Rst]), &[5170], "RST");
    });
}

#[test]
fn keepalive_has_its_times_from_sysctls() {
    let sysctls = [("net.ipv4.tcp_keepalive_time", 3), ("net.ipv4.tcp_keepalive_intvl", 2), ("net.ipv4.tcp_keepalive_probes", 2)];
    lab(&sysctls, Far::Holds, |lab| {
        near(keep_alive_in_vain(lab, &[]), 7170 * MS, "ETIMEDOUT");
        all_near(&lab.sent(&[Kind::Ack]), &[3120, 5150], "probe");
    });
}

#[test]
fn by_default_keepalive_takes_two_hours_and_eleven_minutes() {
    lab(&[], Far::Holds, |lab| {
        near(keep_alive_in_vain(lab, &[]), (7200 + 9 * 75) * SECOND, "ETIMEDOUT");
        let expected: Vec<u64> = (0..9).map(|probe| 1000 * (7200 + 75 * probe)).collect();
        all_near(&lab.sent(&[Kind::Ack]), &expected, "probe");
    });
}

#[test]
fn tcp_user_timeout_replaces_the_count_of_keepalive() {
    for (limit, took_ms, probes) in [(2500, 3140, 1), (4500, 5220, 3)] {
        lab(&[], Far::Holds, move |lab| {
            let took = keep_alive_in_vain(lab, &[&KEEPALIVE[..], &[(c::TCP_USER_TIMEOUT, limit)]].concat());
            near(took, took_ms * MS, "ETIMEDOUT");
            all_near(&lab.sent(&[Kind::Ack]), &[2130, 3160, 4180][..probes], "probe");
        });
    }
}

#[test]
fn keepalive_that_is_answered_goes_on_for_ever() {
    lab(&[], Far::Holds, |lab| {
        let socket = lab.connected();
        for (name, value) in KEEPALIVE {
            lab.set(&socket, name, value);
        }
        lab.net.setsockopt(&socket, c::SOL_SOCKET, c::SO_KEEPALIVE, 1).unwrap();
        lab.begin();
        lab.net.sleep(9 * SECOND);
        all_near(&lab.sent(&[Kind::Ack]), &[2020, 4050, 6060, 8070], "probe");
        all_near(&lab.times(false, &[Kind::Ack]), &[2020, 4050, 6060, 8070], "its answer");
    });
}

// After the end.

#[test]
fn time_wait_lasts_a_minute() {
    for fin_timeout in [60, 5] {
        lab(&[("net.ipv4.tcp_fin_timeout", fin_timeout)], Far::Closes, |lab| {
            let (socket, local) = lab.bound_connected();
            lab.begin();
            lab.net.close(socket).unwrap();
            lab.assert_gone(&local, 60_500 * MS);
        });
    }
}

#[test]
fn fin_wait2_of_a_closed_socket_lasts_tcp_fin_timeout_or_tcp_linger2() {
    for (sysctl, linger2, took_ms) in [(60, 0, 61_200), (10, 0, 10_400), (60, 3, 3200), (10, 20, 20_500)] {
        lab(&[("net.ipv4.tcp_fin_timeout", sysctl)], Far::Holds, move |lab| {
            let (socket, local) = lab.bound_connected();
            if linger2 != 0 {
                lab.set(&socket, c::TCP_LINGER2, linger2);
            }
            lab.begin();
            lab.net.close(socket).unwrap();
            lab.assert_gone(&local, took_ms * MS);
        });
    }
}

#[test]
fn fin_wait2_of_more_than_a_minute_is_what_is_over_a_minute_and_that_again() {
    // tcp_keepalive_timer: the first part is waited for by the socket, and the rest in TIME-WAIT's table, which is given that part, too.
    lab(&[], Far::Holds, |lab| {
        let (socket, local) = lab.bound_connected();
        lab.set(&socket, c::TCP_LINGER2, 70);
        lab.begin();
        lab.net.close(socket).unwrap();
        lab.assert_gone(&local, 20_450 * MS);
    });
}

#[test]
fn data_after_fin_wait2_is_answered_by_a_reset() {
    lab(&[], Far::SendsAfter(65 * SECOND), |lab| {
        let socket = lab.connected();
        lab.begin();
        lab.net.close(socket).unwrap();
        lab.net.sleep(70 * SECOND);
        all_near(&lab.times(false, &[Kind::Data]), &[65_000], "data");
        all_near(&lab.sent(&[Kind::Rst]), &[65_000], "RST");
    });
}

#[test]
fn fin_wait2_of_an_open_socket_has_no_limit() {
    lab(&[], Far::SendsAfter(70 * SECOND), |lab| {
        let socket = lab.connected();
        lab.begin();
        lab.net.shutdown(&socket, Shutdown::Write).unwrap();
        assert_eq!(lab.recv(&socket), Ok(4), "it can still be used");
        near(lab.elapsed(), 70 * SECOND, "the data");
    });
}

/// Closes a connection whose far end is silent, with a byte that was not acknowledged or without; when what was repeated.
fn close_in_vain(lab: &Lab, repeated: Kind, gone_after: Duration) -> Vec<Duration> {
    let (socket, local) = lab.bound_connected();
    lab.net.sleep(200 * MS);
    lab.silence();
    if repeated == Kind::Data {
        lab.send(&socket, b"x").unwrap();
    }
    lab.net.close(socket).unwrap();
    lab.assert_gone(&local, gone_after);
    lab.sent(&[repeated])
}

#[test]
fn a_closed_socket_repeats_its_data_eight_times() {
    lab(&[], Far::Holds, |lab| {
        let times = close_in_vain(lab, Kind::Data, 107 * SECOND);
        all_near(&times, &[0, 220, 640, 1480, 3150, 6500, 13_300, 27_000, 54_000], "data");
    });
}

#[test]
fn a_closed_socket_repeats_its_fin_as_often() {
    lab(&[], Far::Holds, |lab| {
        let times = close_in_vain(lab, Kind::Fin, 107 * SECOND);
        all_near(&times, &[0, 210, 430, 850, 1680, 3370, 6670, 13_340, 26_660, 53_780], "FIN");
    });
}

#[test]
fn tcp_orphan_retries_is_how_long_a_closed_socket_repeats() {
    lab(&[("net.ipv4.tcp_orphan_retries", 2)], Far::Holds, |lab| {
        let times = close_in_vain(lab, Kind::Data, 3400 * MS);
        all_near(&times, &[0, 220, 640, 1480], "data");
    });
}

// Acknowledgments and windows.

#[test]
fn an_ack_waits_40_ms_for_data_to_go_with() {
    lab(&[], Far::Answers, |lab| {
        let socket = lab.connected();
        lab.set(&socket, c::TCP_NODELAY, 1);
        lab.net.sleep(300 * MS);
        for _ in 0..5 {
            lab.send(&socket, b"q").unwrap();
            assert_eq!(lab.recv(&socket), Ok(1));
        }
        // The acknowledgment of the last answer has nothing to go with.
        lab.begin();
        lab.net.sleep(300 * MS);
        all_near(&lab.sent(&[Kind::Ack]), &[44], "ACK");
    });
}

/// Sends until the window of the far host, which does not read, is full; what follows counts from the first probe.
fn fill(lab: &Lab, options: &[(i32, i32)]) -> Sock {
    let socket = lab.connected();
    for (name, value) in options {
        lab.set(&socket, *name, *value);
    }
    lab.net.set_nonblocking(&socket, true).unwrap();
    while lab.send(&socket, &[b'x'; 1000]).is_ok() {}
    let (count, start) = (lab.wire.frames.borrow().len(), lab.net.now());
    while lab.wire.frames.borrow()[count..].iter().filter(|frame| frame.from_near).count() == 0 {
        assert!(lab.net.now() - start < SECOND, "the first probe comes after one RTO");
        lab.net.sleep(MS);
    }
    lab.start.set(lab.wire.frames.borrow()[count].at);
    socket
}

#[test]
fn a_closed_window_is_asked_for_at_doubled_times() {
    lab(&[], Far::Holds, |lab| {
        let _socket = fill(lab, &[]);
        lab.net.sleep(60 * SECOND);
        all_near(&lab.sent(&[Kind::Ack]), &[0, 440, 1340, 3100, 6720, 13_900, 27_970, 55_880], "probe");
    });
}

#[test]
fn tcp_rto_max_ms_is_the_longest_time_between_window_probes() {
    lab(&[], Far::Holds, |lab| {
        let _socket = fill(lab, &[(c::TCP_RTO_MAX_MS, 1000)]);
        lab.net.sleep(5 * SECOND);
        all_near(&lab.sent(&[Kind::Ack]), &[0, 440, 1340, 2350, 3380, 4400], "probe");
    });
}

#[test]
fn window_probes_without_an_answer_end_with_tcp_retries2() {
    lab(&[("net.ipv4.tcp_retries2", 3)], Far::Holds, |lab| {
        let socket = fill(lab, &[]);
        lab.net.sleep(2 * SECOND);
        lab.wire.silent.set(true);
        lab.wait_for_hup(&socket);
        near(lab.elapsed(), 8380 * MS, "ETIMEDOUT");
        // The time between probes does not double more often than tcp_retries2.
        all_near(&lab.sent(&[Kind::Ack]), &[0, 440, 1340, 3100, 4860, 6610], "probe");
        assert_eq!(lab.recv(&socket), Err(Errno::TIMEDOUT));
    });
}

#[test]
fn tcp_user_timeout_bounds_a_closed_window_even_if_it_is_answered() {
    lab(&[], Far::Holds, |lab| {
        let socket = fill(lab, &[(c::TCP_USER_TIMEOUT, 3000)]);
        lab.wait_for_hup(&socket);
        near(lab.elapsed(), 3050 * MS, "ETIMEDOUT");
        assert_eq!(lab.recv(&socket), Err(Errno::TIMEDOUT));
    });
}
