//! Rules: a test that wants exactly one thing to happen to exactly one frame.

mod transfer;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Clock, Errno, SocketApi};
use twinsock_sim::{Fate, Host, Link, Net, Protocol, RuleGuard, Sim};

use transfer::{Transfer, numbered};

const MS: Duration = Duration::from_millis(1);

/// A stream over a link of 5 ms.
fn stream(sim: &Sim, len: usize) -> Transfer {
    Transfer::new(sim, Link::new().delay(5 * MS), len)
}

#[test]
fn the_third_data_segment_is_lost_and_sent_again() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 20_000);
        let third = sim.drop_nth(&transfer.client, &transfer.server, 3, |frame| frame.is_data());
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&seen);
        let watch = sim.rule(move |frame| {
            if frame.from() == "client" && frame.is_data() {
                log.borrow_mut().push((frame.seq().unwrap(), frame.payload_len()));
            }
            Fate::Pass
        });
        transfer.check(sim);
        assert_eq!((third.hits(), watch.hits()), (1, 0));
        let seen = seen.borrow();
        let first = seen[0].0;
        let lost = first.wrapping_add(2 * 1448);
        assert_eq!(seen.iter().filter(|(seq, _)| *seq == lost).count(), 1, "after its loss it came once: {seen:?}");
        assert!(seen.iter().all(|(_, len)| *len <= 1448), "rules see frames");
    });
    report.unwrap();
}

#[test]
fn losing_one_frame_of_a_large_segment_loses_only_its_bytes() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 100_000);
        let again = Rc::new(Cell::new(0));
        let count = Rc::clone(&again);
        let mut highest = 0;
        let lost = sim.drop_nth(&transfer.client, &transfer.server, 20, |frame| frame.is_data());
        let watch = sim.rule(move |frame| {
            if frame.from() == "client" && frame.is_data() {
                let seq = frame.seq().unwrap();
                if seq < highest {
                    count.set(count.get() + frame.payload_len());
                }
                highest = highest.max(seq);
            }
            Fate::Pass
        });
        transfer.check(sim);
        assert_eq!(lost.hits(), 1);
        assert!(again.get() <= 1448, "{} bytes were sent again for one frame", again.get());
        drop(watch);
    });
    report.unwrap();
}

#[test]
fn a_lost_fin_is_sent_again() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 100);
        let fin = sim.drop_nth(&transfer.client, &transfer.server, 1, |frame| frame.is_fin());
        let taken = transfer.check(sim);
        assert_eq!(fin.hits(), 1);
        assert!(taken >= 200 * MS, "it took a timeout: {taken:?}");
    });
    report.unwrap();
}

#[test]
fn a_lost_syn_is_sent_again_after_a_second() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 100);
        let syn = sim.drop_nth(&transfer.client, &transfer.server, 1, |frame| frame.is_syn());
        transfer.check(sim);
        assert_eq!(syn.hits(), 1);
        let now = sim.now().as_nanos() / 1_000_000;
        assert!((1000..1100).contains(&now), "{now} ms");
    });
    report.unwrap();
}

#[test]
fn a_lost_syn_ack_is_sent_again() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 100);
        let syn_ack = sim.drop_nth(&transfer.server, &transfer.client, 1, |frame| frame.is_syn());
        transfer.check(sim);
        assert_eq!(syn_ack.hits(), 1);
    });
    report.unwrap();
}

#[test]
fn a_repeated_segment_that_is_lost_too_is_repeated_again() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 100_000);
        let mut lost = None;
        let mut times = 0;
        let fifth = sim.rule(move |frame| {
            let is_data = frame.from() == "client" && frame.is_data();
            times += u64::from(is_data && lost.is_none());
            if times == 5 && lost.is_none() {
                lost = frame.seq();
            }
            if is_data && frame.seq() == lost { Fate::Drop } else { Fate::Pass }
        });
        sim.run_for(Duration::from_secs(2));
        assert!((3..6).contains(&fifth.hits()), "at first, by fast retransmit, by the timer: {}", fifth.hits());
        drop(fifth);
        transfer.check(sim);
    });
    report.unwrap();
}

#[test]
fn the_last_ack_of_a_connection_is_given_again_if_it_is_lost() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 100);
        let mut fin_came = false;
        let last = sim.rule(move |frame| {
            fin_came |= frame.from() == "server" && frame.is_fin();
            if fin_came && frame.from() == "client" { Fate::Drop } else { Fate::Pass }
        });
        transfer.check(sim);
        sim.run_for(Duration::from_secs(2));
        assert!(last.hits() >= 3, "the FIN comes again, and TIME-WAIT answers: {}", last.hits());
    });
    report.unwrap();
}

/// A client that fills the window of a server which reads nothing for a second; when the server had everything.
fn stalled(rule: impl FnOnce(&Sim, &Host, &Host) -> RuleGuard + Send) -> Duration {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().delay(5 * MS));
        server.sysctl("net.ipv4.tcp_rmem", "4096 8192 8192");
        let got = server.spawn("server", |net| {
            let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap();
            net.sleep(Duration::from_secs(1));
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert!(all == numbered(50_000));
            net.now() - twinsock::Instant::ZERO
        });
        client.spawn("client", |net| {
            net.sleep(MS);
            TcpStream::connect(&net, "server:80").unwrap().write_all(&numbered(50_000)).unwrap();
        });
        let guard = rule(sim, &server, &client);
        sim.run_to_end().unwrap();
        assert!(guard.hits() > 0);
        got.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn a_lost_window_update_is_asked_for_again() {
    let taken = stalled(|sim, server, client| {
        let mut was_zero = false;
        sim.drop_nth(server, client, 1, move |frame| {
            was_zero |= frame.window() == Some(0);
            was_zero && frame.window() > Some(0)
        })
    });
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

#[test]
fn a_lost_window_probe_is_sent_again() {
    // Once the window is closed six frames are lost, whichever they are: probes, answers, the update.
    let taken = stalled(|sim, _, _| {
        let (mut is_closed, mut lost) = (false, 0);
        sim.rule(move |frame| {
            let was_closed = is_closed;
            is_closed |= frame.from() == "server" && frame.window() == Some(0);
            lost += u32::from(was_closed);
            if was_closed && lost <= 6 { Fate::Drop } else { Fate::Pass }
        })
    });
    assert!(taken < Duration::from_secs(30), "{taken:?}");
}

#[test]
fn a_duplicated_segment_is_delivered_once() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 50_000);
        let all = sim.rule(|frame| if frame.from() == "client" { Fate::Duplicate } else { Fate::Pass });
        transfer.check(sim);
        assert!(all.hits() > 30);
    });
    report.unwrap();
}

#[test]
fn a_delayed_segment_does_not_reorder_the_stream() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 50_000);
        let mut n = 0;
        let all = sim.rule(move |frame| {
            n += u32::from(frame.is_data());
            if frame.is_data() && n % 3 == 0 { Fate::Delay(7 * MS) } else { Fate::Pass }
        });
        transfer.check(sim);
        assert!(all.hits() > 5);
    });
    report.unwrap();
}

#[test]
fn a_corrupted_segment_is_dropped_and_counted_by_its_receivers_kernel() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 10_000);
        let second = sim.network().nth(&transfer.client, &transfer.server, 2, Fate::Corrupt, |frame| frame.is_data());
        transfer.check(sim);
        assert_eq!(second.hits(), 1);
        let network = sim.network();
        assert_eq!(network.in_csum_errors(&transfer.server).tcp, 1);
        assert_eq!(network.in_csum_errors(&transfer.client).tcp, 0);
    });
    report.unwrap();
}

#[test]
fn what_a_rule_holds_back_comes_when_the_rule_ends() {
    let report = Sim::builder().run(|sim| {
        let (a, b) = (sim.host("a"), sim.host("b"));
        let got = b.spawn("b", |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
            let mut words = Vec::new();
            for _ in 0..3 {
                let mut word = [0; 1];
                socket.recv(&mut word).unwrap();
                words.push((word[0], net.now().as_nanos() / 1_000_000_000));
            }
            words
        });
        let guard = sim.rule(|frame| if frame.payload().first() < Some(&b'3') { Fate::Hold } else { Fate::Pass });
        a.spawn("a", |net| {
            net.sleep(MS);
            let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            for word in [b"1", b"2", b"3"] {
                socket.send_to(word, "b:9").unwrap();
            }
        });
        sim.run_for(Duration::from_secs(5));
        assert_eq!(guard.hits(), 2);
        drop(guard);
        sim.run_to_end().unwrap();
        assert_eq!(got.take().unwrap(), [(b'3', 0), (b'1', 5), (b'2', 5)]);
    });
    report.unwrap();
}

#[test]
fn a_rule_is_over_when_its_guard_is_dropped() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 10);
        let all = sim.rule(|_| Fate::Drop);
        sim.run_for(500 * MS);
        assert_eq!(all.hits(), 1, "a SYN");
        drop(all);
        transfer.check(sim);
    });
    report.unwrap();
}

#[test]
fn the_oldest_rule_that_has_something_to_say_decides() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 10);
        let first = sim.rule(|_| Fate::Pass);
        let second = sim.drop_nth(&transfer.client, &transfer.server, 1, |_| true);
        let third = sim.rule(|_| Fate::Delay(MS));
        transfer.check(sim);
        assert_eq!((first.hits(), second.hits()), (0, 1));
        assert!(third.hits() > 3);
    });
    report.unwrap();
}

#[test]
fn a_rule_sees_what_a_capture_would() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 3000);
        let lines = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&lines);
        let (server, client) = (transfer.server.ipv4(), transfer.client.ipv4());
        let _watch = sim.rule(move |frame| {
            assert_eq!(frame.protocol(), Protocol::Tcp);
            let (name, ip) = if frame.to() == "server" { ("client", client) } else { ("server", server) };
            assert_eq!((frame.from(), frame.src().ip()), (name, ip));
            assert!(frame.is_of_port(80) && !frame.is_of_port(81));
            assert_eq!(
                frame.bytes().len(),
                40 + 12 * usize::from(!frame.is_syn()) + 20 * usize::from(frame.is_syn()) + frame.payload_len()
            );
            let kind = match () {
                () if frame.is_syn() && frame.ack().is_none() => "SYN",
                () if frame.is_syn() => "SYN-ACK",
                () if frame.is_fin() => "FIN",
                () if frame.is_data() => "data",
                () if frame.is_pure_ack() => "ACK",
                () => "?",
            };
            log.borrow_mut().push(format!("{} {kind} {}", frame.from(), frame.payload_len()));
            Fate::Pass
        });
        transfer.check(sim);
        let lines = lines.borrow();
        assert_eq!(
            lines[..7],
            [
                "client SYN 0",
                "server SYN-ACK 0",
                "client ACK 0",
                "client data 1448",
                "client data 1448",
                "client data 104",
                "client FIN 0"
            ]
        );
    });
    report.unwrap();
}

#[test]
fn a_rule_may_use_the_network_and_make_and_end_rules() {
    let report = Sim::builder().run(|sim| {
        let transfer = stream(sim, 30_000);
        let (network, server, client) = (sim.network(), transfer.server.clone(), transfer.client.clone());
        let made = Rc::new(RefCell::new(None));
        let inner = Rc::clone(&made);
        let mut acts = 0;
        let _guard = sim.rule(move |frame| {
            if !frame.is_data() {
                return Fate::Pass;
            }
            acts += 1;
            match acts {
                1 => *inner.borrow_mut() = Some(network.drop_nth(&client, &server, 1, |frame| frame.is_data())),
                2 => drop(inner.borrow_mut().take()),
                3 => network.hold(&client, &server),
                _ => {}
            }
            network.release(&client, &server);
            Fate::Pass
        });
        sim.run_for(MS);
        drop(made.borrow_mut().take());
        drop(_guard);
        transfer.check(sim);
    });
    report.unwrap();
}

#[test]
fn a_socket_used_in_a_rule_gives_ebadf() {
    let report = Sim::builder().run(|sim| {
        let (a, b) = (sim.host("a"), sim.host("b"));
        b.spawn_daemon("b", |net| UdpSocket::bind(&net, "0.0.0.0:9").unwrap().recv(&mut [0; 9]).map(drop));
        let handle: Rc<RefCell<Option<Net>>> = Rc::default();
        let inner = Rc::clone(&handle);
        let guard = sim.rule(move |_| {
            let net = inner.borrow();
            let used = net.as_ref().expect("the program has started").socket(
                twinsock::Domain::INET,
                twinsock::Type::STREAM,
                twinsock::SockFlags::NONE,
                twinsock::Protocol::TCP,
            );
            assert_eq!(used.map(drop), Err(Errno::BADF));
            Fate::Drop
        });
        a.spawn("a", move |net| {
            *handle.borrow_mut() = Some(net);
            let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            socket.send_to(b"x", "b:9").unwrap();
            net.sleep(MS);
        });
        sim.run_to_end().unwrap();
        assert_eq!(guard.hits(), 1);
    });
    report.unwrap();
}

#[test]
fn a_panic_in_a_rule_ends_the_run() {
    let run = || {
        Sim::builder().catch_panics(true).run(|sim| {
            let transfer = stream(sim, 10);
            let guard = sim.rule(|frame| panic!("{frame}"));
            sim.run_to_end().unwrap();
            drop((transfer, guard));
        })
    };
    let failure = run().unwrap_err();
    assert!(failure.to_string().contains("SYN client->server"), "{failure}");
}

#[test]
fn a_program_can_break_the_network_under_itself() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        server.spawn_daemon("server", |net| -> io::Result<()> {
            let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept()?;
            io::copy(&mut stream.try_clone()?, &mut stream).map(drop)
        });
        let network = sim.network();
        client.clone().spawn("client", move |net| {
            net.sleep(MS);
            let mut stream = TcpStream::connect(&net, "server:80").unwrap();
            let lost = network.drop_nth(&client, &server, 1, |frame| frame.is_data());
            let start = net.now();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            assert!(net.now() - start >= 200 * MS, "it was sent again");
            assert_eq!(lost.hits(), 1);
        });
    });
    report.unwrap();
}
