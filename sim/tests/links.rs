//! Links: what they do to frames, and what the TCP above them makes of it.

mod transfer;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Clock, Errno, JoinThread, Spawn};
use twinsock_sim::{Delay, Fate, GilbertElliott, Host, Link, Misfortunes, Protocol, Ratio, Report, Sim};

use transfer::{Transfer, numbered};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn transfer(seed: u64, link: Link, len: usize) -> Report<(Duration, u64)> {
    let report = Sim::builder().seed(seed).run(|sim| {
        let transfer = Transfer::new(sim, link.clone(), len);
        let taken = transfer.check(sim);
        (taken, sim.network().in_csum_errors(&transfer.server).tcp)
    });
    report.unwrap()
}

#[test]
fn a_stream_survives_loss() {
    for (seed, one_in) in (0..).zip([1000, 100, 20, 10, 5]) {
        transfer(seed, Link::new().delay(5 * MS).loss(Ratio::new(1, one_in)), 300_000);
    }
}

#[test]
fn a_stream_survives_bursts_of_losses() {
    let bursts = GilbertElliott {
        into_bad: Ratio::new(1, 100),
        out_of_bad: Ratio::new(1, 4),
        loss_good: Ratio::NEVER,
        loss_bad: Ratio::new(3, 4),
    };
    for seed in 0..5 {
        transfer(seed, Link::new().delay(5 * MS).bursts(bursts), 300_000);
    }
}

#[test]
fn duplicates_are_delivered_once() {
    for seed in 0..3 {
        transfer(seed, Link::new().delay(5 * MS).duplication(Ratio::new(1, 3)), 300_000);
    }
    transfer(0, Link::new().delay(5 * MS).duplication(Ratio::ALWAYS), 300_000);
}

#[test]
fn reordering_does_not_reorder_the_stream() {
    for seed in 0..5 {
        transfer(seed, Link::new().delay(5 * MS).reordering(Ratio::new(1, 4), 3 * MS), 300_000);
    }
}

#[test]
fn corruption_is_never_delivered() {
    let link = Link::new().delay(5 * MS).corruption(Ratio::new(1, 20));
    let counted: u64 = (0..3).map(|seed| transfer(seed, link.clone(), 300_000).value.1).sum();
    assert!(counted > 10, "the receiver's kernel counts what it drops: {counted}");
}

#[test]
fn everything_at_once_changes_no_byte() {
    let link = Link::new()
        .delays(Delay::HeavyTail { min: MS, scale: MS })
        .rate(2_000_000)
        .queue_packets(50)
        .loss(Ratio::new(1, 50))
        .duplication(Ratio::new(1, 50))
        .reordering(Ratio::new(1, 50), 10 * MS)
        .corruption(Ratio::new(1, 50));
    for seed in 0..10 {
        transfer(seed, link.clone(), 300_000);
    }
}

#[test]
fn a_seed_is_a_run_with_every_fault_on() {
    let link = Link::new()
        .delays(Delay::Exponential { min: MS, mean: MS })
        .rate(5_000_000)
        .queue_bytes(60_000)
        .loss(Ratio::new(1, 20))
        .duplication(Ratio::new(1, 20))
        .reordering(Ratio::new(1, 20), 10 * MS)
        .corruption(Ratio::new(1, 20))
        .bursts(GilbertElliott {
            into_bad: Ratio::new(1, 100),
            out_of_bad: Ratio::new(1, 3),
            loss_good: Ratio::new(1, 1000),
            loss_bad: Ratio::new(3, 4),
        });
    let digest = |seed| {
        let report = Sim::builder().seed(seed).run(|sim| {
            let transfer = Transfer::new(sim, link.clone(), 50_000);
            sim.misfortunes(&Misfortunes::all());
            transfer.check(sim)
        });
        let report = report.unwrap();
        (report.digest, report.tape)
    };
    for seed in 0..10 {
        let (first, tape) = digest(seed);
        assert_eq!(first, digest(seed).0, "seed {seed}");
        let replayed = Sim::builder().tape(tape).unwrap().run(|sim| {
            let transfer = Transfer::new(sim, link.clone(), 50_000);
            sim.misfortunes(&Misfortunes::all());
            transfer.check(sim)
        });
        assert_eq!(replayed.unwrap().digest, first, "the tape of seed {seed} is that run");
    }
}

#[test]
fn the_rate_is_the_throughput_within_one_in_a_hundred() {
    for (rate, len) in [(100_000_u64, 300_000_u64), (1_000_000, 3_000_000), (12_500_000, 20_000_000)] {
        let link = Link::new().delay(2 * MS).rate(rate).queue_packets(1000);
        let taken = transfer(0, link, usize::try_from(len).unwrap()).value.0;
        // Each frame of 1500 bytes carries 1448.
        let expected = len * 1500 / 1448 * 1_000_000_000 / rate;
        let nanos = u64::try_from(taken.as_nanos()).unwrap();
        assert!(nanos.abs_diff(expected) * 100 < expected, "{rate} B/s: {nanos} ns, expected {expected}");
    }
}

/// Which of `count` datagrams of 972 bytes, sent at once, arrive, and when.
fn burst(link: &Link, count: u8) -> Vec<(u8, Duration)> {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, link.clone());
        let got = server.spawn("server", move |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
            socket.set_read_timeout(Some(SECOND)).unwrap();
            let (mut bytes, mut arrived) = ([0; 972], Vec::new());
            while socket.recv(&mut bytes).is_ok() {
                arrived.push((bytes[0], net.now() - twinsock::Instant::from_nanos(100_000_000)));
            }
            arrived
        });
        client.spawn("client", move |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            net.sleep(100 * MS);
            for n in 0..count {
                socket.send_to(&[n; 972], "server:9").unwrap();
            }
        });
        sim.run_to_end().unwrap();
        got.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn a_full_queue_drops_the_tail() {
    // 1000 bytes with the headers: a datagram each 10 ms.
    let slow = Link::new().rate(100_000);
    let numbers = |link: &Link| burst(link, 10).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
    assert_eq!(numbers(&slow), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(numbers(&slow.clone().queue_packets(3)), [0, 1, 2, 3], "one is on the wire, three wait");
    assert_eq!(numbers(&slow.clone().queue_bytes(2999)), [0, 1, 2]);
    assert_eq!(numbers(&slow.clone().queue_bytes(3000)), [0, 1, 2, 3]);
    let times = burst(&slow.queue_packets(3), 10).into_iter().map(|(_, at)| at.as_millis()).collect::<Vec<_>>();
    assert_eq!(times, [10, 20, 30, 40], "each takes its time on the wire");
}

#[test]
fn a_cut_and_healed_connection_goes_on() {
    let report = Sim::builder().run(|sim| {
        let transfer = Transfer::new(sim, Link::new().delay(5 * MS).rate(1_000_000), 1_000_000);
        sim.run_for(300 * MS);
        sim.cut(&transfer.server, &transfer.client);
        sim.run_for(20 * SECOND);
        assert!(transfer.got.is_alive());
        sim.heal(&transfer.server, &transfer.client);
        let taken = transfer.check(sim);
        assert!(taken > 20 * SECOND && taken < 60 * SECOND, "{taken:?}");
    });
    report.unwrap();
}

#[test]
fn a_way_that_is_cut_in_one_direction_lets_the_other_pass() {
    let report = Sim::builder().run(|sim| {
        let (a, b) = (sim.host("a"), sim.host("b"));
        let got = |host: &Host| {
            host.spawn("receiver", |net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
                socket.set_read_timeout(Some(SECOND)).unwrap();
                socket.recv(&mut [0; 1]).map_err(|error| Errno::try_from(&error).unwrap())
            })
        };
        let (at_a, at_b) = (got(&a), got(&b));
        sim.cut_one_way(&a, &b);
        for (host, to) in [(&a, "b:9"), (&b, "a:9")] {
            host.spawn("sender", move |net| {
                net.sleep(MS);
                UdpSocket::bind(&net, "0.0.0.0:0").unwrap().send_to(b"x", to).unwrap();
            });
        }
        sim.run_to_end().unwrap();
        assert_eq!((at_a.take(), at_b.take()), (Some(Ok(1)), Some(Err(Errno::AGAIN))));
    });
    report.unwrap();
}

/// Which of all pairs of hosts reach each other: "ab" if a datagram from a arrives at b.
fn reached(build: impl FnOnce(&Sim, [&Host; 4]) + Send) -> String {
    let report = Sim::builder().run(|sim| {
        let hosts = ["a", "b", "c", "d"].map(|name| sim.host(name));
        build(sim, [&hosts[0], &hosts[1], &hosts[2], &hosts[3]]);
        let reached = Rc::new(RefCell::new(Vec::new()));
        for host in &hosts {
            let (reached, name) = (Rc::clone(&reached), host.name());
            host.spawn_daemon("receiver", move |net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
                loop {
                    let mut from = [0; 1];
                    socket.recv(&mut from).unwrap();
                    reached.borrow_mut().push(format!("{}{name}", char::from(from[0])));
                }
            });
        }
        for host in &hosts {
            let name = host.name();
            host.spawn("sender", move |net| {
                net.sleep(MS);
                let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                for to in ["a:9", "b:9", "c:9", "d:9"] {
                    socket.send_to(name.as_bytes(), to).unwrap();
                }
                net.sleep(MS);
            });
        }
        sim.run_to_end().unwrap();
        let mut reached = reached.take();
        reached.sort();
        reached.retain(|pair| pair.as_bytes()[0] != pair.as_bytes()[1]);
        reached.join(" ")
    });
    report.unwrap().value
}

#[test]
fn cuts_are_of_pairs_and_hosts_and_groups() {
    assert_eq!(reached(|_, _| {}), "ab ac ad ba bc bd ca cb cd da db dc");
    assert_eq!(reached(|sim, [a, b, ..]| sim.cut(a, b)), "ac ad bc bd ca cb cd da db dc");
    assert_eq!(reached(|sim, [a, ..]| sim.isolate(a)), "bc bd cb cd db dc");
    assert_eq!(reached(|sim, [a, b, c, d]| sim.partition(&[a, b], &[c, d])), "ab ba cd dc");
    let healed = |sim: &Sim, [a, b, c, d]: [&Host; 4]| {
        sim.partition(&[a, b], &[c, d]);
        sim.isolate(a);
        sim.heal(a, c);
        sim.heal(b, c);
        sim.rejoin(a);
    };
    assert_eq!(reached(healed), "ab ac ba bc ca cb cd dc");
    let all_healed = |sim: &Sim, [a, b, c, d]: [&Host; 4]| {
        sim.partition(&[a, b], &[c, d]);
        sim.isolate(a);
        sim.hold(a, b);
        sim.heal_all();
    };
    assert_eq!(reached(all_healed), "ab ac ad ba bc bd ca cb cd da db dc");
}

#[test]
fn held_packets_arrive_after_their_release_in_order() {
    let report = Sim::builder().run(|sim| {
        let transfer = Transfer::new(sim, Link::new().delay(5 * MS).rate(1_000_000), 500_000);
        sim.run_for(200 * MS);
        sim.hold(&transfer.server, &transfer.client);
        sim.run_for(3 * SECOND);
        sim.release(&transfer.server, &transfer.client);
        let taken = transfer.check(sim);
        assert!(taken > 3 * SECOND, "{taken:?}");
    });
    report.unwrap();
}

#[test]
fn a_link_is_changed_under_a_connection() {
    let report = Sim::builder().run(|sim| {
        let transfer = Transfer::new(sim, Link::new().delay(5 * MS).rate(10_000), 100_000);
        sim.run_for(2 * SECOND);
        sim.link(&transfer.server, &transfer.client, Link::new());
        transfer.check(sim);
        assert!(sim.now().as_nanos() < 7_000_000_000, "{:?}", sim.now());
    });
    report.unwrap();
}

/// The largest frame that the client sends, before and after `change`, and how the transfer came out.
fn frames_before_and_after(change: impl FnOnce(&Sim, &Transfer) + Send) -> (usize, usize, Duration) {
    let report = Sim::builder().run(|sim| {
        let transfer = Transfer::new(sim, Link::new().delay(5 * MS).rate(1_000_000), 1_000_000);
        let largest = Rc::new(RefCell::new(0));
        let seen = Rc::clone(&largest);
        let _watch = sim.rule(move |frame| {
            if frame.from() == "client" && frame.protocol() == Protocol::Tcp {
                let mut seen = seen.borrow_mut();
                *seen = frame.bytes().len().max(*seen);
            }
            Fate::Pass
        });
        sim.run_for(300 * MS);
        let before = largest.take();
        change(sim, &transfer);
        // What was sent before, and the packet that meets the narrow link.
        sim.run_for(100 * MS);
        *largest.borrow_mut() = 0;
        let taken = transfer.check(sim);
        (before, largest.take(), taken)
    });
    report.unwrap().value
}

#[test]
fn a_path_mtu_lowered_under_a_connection_shrinks_its_segments() {
    let (before, after, taken) = frames_before_and_after(|sim, transfer| {
        sim.link(&transfer.server, &transfer.client, Link::new().delay(5 * MS).rate(1_000_000).mtu_bytes(1000));
    });
    assert_eq!((before, after), (1500, 1000));
    assert!(taken < 2 * SECOND, "the sender is told at once: {taken:?}");
}

#[test]
fn without_icmp_a_narrow_link_is_a_black_hole() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let got = server.spawn("server", |net| {
            let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap();
            stream.set_read_timeout(Some(1000 * SECOND)).unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).map_err(|error| Errno::try_from(&error).unwrap()).map(|_| all.len())
        });
        sim.link(&server, &client, Link::new().delay(MS).mtu_bytes(1000));
        let no_icmp = sim.rule(|frame| if frame.protocol() == Protocol::Icmp { Fate::Drop } else { Fate::Pass });
        let sender = client.spawn("client", |net| {
            net.sleep(MS);
            let mut stream = TcpStream::connect(&net, "server:80").unwrap();
            stream.write_all(&[1; 500]).unwrap();
            net.sleep(SECOND);
            stream.write_all(&[2; 5000]).unwrap();
            stream.read(&mut [0; 1]).map_err(|error| Errno::try_from(&error).unwrap())
        });
        sim.run_to_end().unwrap();
        assert_eq!(sender.take(), Some(Err(Errno::TIMEDOUT)), "small segments pass, large ones never do");
        assert!(no_icmp.hits() > 10);
        assert_eq!(got.take(), Some(Err(Errno::AGAIN)));
    });
    report.unwrap();
}

#[test]
fn the_story_tells_what_the_wire_did_in_plain_words() {
    let report = Sim::builder().seed(3).keep_story(true).run(|sim| {
        let link = Link::new().delay(5 * MS).jitter(MS).loss(Ratio::new(1, 5)).duplication(Ratio::new(1, 10));
        let transfer = Transfer::new(sim, link, 30_000);
        transfer.check(sim)
    });
    let told: Vec<String> = report.unwrap().story.iter().map(ToString::to_string).collect();
    let has = |words: &str| told.iter().any(|line| line.contains(words));
    assert!(has("wire client/server: lost: data ") && has("under way"), "{told:#?}");
}

#[test]
fn a_story_changes_nothing() {
    let run = |keep| {
        let report = Sim::builder().seed(4).keep_story(keep).run(|sim| {
            let link = Link::new().delay(5 * MS).jitter(MS).loss(Ratio::new(1, 10));
            Transfer::new(sim, link, 30_000).check(sim)
        });
        report.unwrap().digest
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn every_packets_fate_is_an_event() {
    let link = Link::new()
        .delay(5 * MS)
        .loss(Ratio::new(1, 10))
        .duplication(Ratio::new(1, 10))
        .reordering(Ratio::new(1, 10), MS)
        .corruption(Ratio::new(1, 10));
    let report = Sim::builder().seed(1).keep_events(100_000).run(|sim| {
        let transfer = Transfer::new(sim, link, 100_000);
        sim.run_for(20 * MS);
        sim.cut(&transfer.client, &transfer.server);
        sim.run_for(SECOND);
        sim.heal_all();
        transfer.check(sim)
    });
    let events = report.unwrap().events;
    for what in [
        "client  dropped (lost) 10.0.0.2:",
        "client  duplicated 10.0.0.2:",
        "client  delayed 10.0.0.2:",
        "client  corrupted 10.0.0.2:",
        "server  dropped (a wrong checksum) 10.0.0.2:",
        "client  cut off from here to server",
        "client  dropped (the way is cut) 10.0.0.2:",
        "client  connected again from here to server",
    ] {
        assert!(events.contains(what), "{what}\n{events}");
    }
}

#[test]
fn whatever_befalls_the_network_streams_come_through_once_it_is_mended() {
    for seed in 0..60 {
        let report = Sim::builder().seed(seed).run(|sim| {
            sim.default_link(Link::new().delay(MS));
            let server = sim.host("server");
            server.spawn_daemon("echo", |net| {
                let listener = TcpListener::bind(&net, "0.0.0.0:7").unwrap();
                loop {
                    let (mut stream, _) = listener.accept().unwrap();
                    net.spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).map(drop));
                }
            });
            for n in 0..3 {
                sim.host(&format!("client{n}")).spawn("client", |net| {
                    net.sleep(MS);
                    let stream = TcpStream::connect(&net, "server:7").unwrap();
                    let writer = stream.try_clone().unwrap();
                    let writing = net.spawn(move || {
                        (&writer).write_all(&numbered(200_000)).unwrap();
                        writer.shutdown(Shutdown::Write).unwrap();
                    });
                    let mut back = Vec::new();
                    (&stream).read_to_end(&mut back).unwrap();
                    writing.join().unwrap();
                    assert!(back == numbered(200_000), "{} bytes came back", back.len());
                });
            }
            sim.misfortunes(&Misfortunes::all().until(5 * SECOND));
            sim.run_to_end().unwrap();
            sim.now()
        });
        let report = report.unwrap();
        assert!(report.value.as_nanos() < 400_000_000_000, "seed {seed}: {:?}", report.value);
    }
}

/// Over a link of 1000 bytes, what becomes of five datagrams of 1200 bytes, 10 ms apart, from a socket that is set up so: the errno of each send, and
/// how many arrive.
fn datagrams_over_a_narrow_link(
    set_up: impl FnOnce(&twinsock::Socket<twinsock_sim::Net>) + Send + 'static,
) -> (Vec<Result<usize, Errno>>, usize) {
    use twinsock::{Domain, MsgFlags, Protocol as P, Socket, SocketAddr, Type};
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().mtu_bytes(1000));
        let to = SocketAddr::inet(server.ipv4(), 9);
        let got = server.spawn("server", |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
            socket.set_read_timeout(Some(SECOND)).unwrap();
            std::iter::from_fn(|| socket.recv(&mut [0; 1200]).ok()).count()
        });
        let sent = client.spawn("client", move |net| {
            let socket = Socket::new(&net, Domain::INET, Type::DGRAM, P::DEFAULT).unwrap();
            socket.connect(&to).unwrap();
            set_up(&socket);
            let send = |_| {
                net.sleep(10 * MS);
                socket.send(&[7; 1200], MsgFlags::NONE)
            };
            (0..5).map(send).collect::<Vec<_>>()
        });
        sim.run_to_end().unwrap();
        (sent.take().unwrap(), got.take().unwrap())
    });
    report.unwrap().value
}

#[test]
fn a_datagram_too_large_for_its_path_is_lost_once_and_the_next_ones_go_in_fragments() {
    // IP_PMTUDISC_WANT: the first is lost, a connected socket hears of it, and from then on the path is known.
    let (sent, arrived) = datagrams_over_a_narrow_link(|_| {});
    assert_eq!((sent, arrived), (vec![Ok(1200), Err(Errno::MSGSIZE), Ok(1200), Ok(1200), Ok(1200)], 3));
}

#[test]
fn a_datagram_that_may_be_fragmented_passes_a_narrow_link() {
    use twinsock::consts::{IP_MTU_DISCOVER, SOL_IP};
    let set = |value: i32| {
        move |socket: &twinsock::Socket<twinsock_sim::Net>| {
            socket.setsockopt(SOL_IP, IP_MTU_DISCOVER, value).unwrap();
        }
    };
    let (sent, arrived) = datagrams_over_a_narrow_link(set(0));
    assert_eq!((sent, arrived), (vec![Ok(1200); 5], 5), "IP_PMTUDISC_DONT");
    let (sent, arrived) = datagrams_over_a_narrow_link(set(2));
    let refused = Err(Errno::MSGSIZE);
    assert_eq!((sent, arrived), (vec![Ok(1200), refused, refused, refused, refused], 0), "IP_PMTUDISC_DO");
}

#[test]
fn what_has_no_checksum_is_delivered_damaged() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().corruption(Ratio::ALWAYS));
        let got = server.spawn("server", |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
            socket.set_read_timeout(Some(SECOND)).unwrap();
            let mut bytes = [0; 9];
            let all = std::iter::from_fn(|| socket.recv(&mut bytes).ok().map(|len| bytes[..len].to_vec()));
            all.collect::<Vec<_>>()
        });
        let to = twinsock::SocketAddr::inet(server.ipv4(), 9);
        client.spawn("client", move |net| {
            use twinsock::consts::{SO_NO_CHECK, SOL_SOCKET};
            use twinsock::{Domain, MsgFlags, Protocol as P, Socket, Type};
            net.sleep(MS);
            let socket = Socket::new(&net, Domain::INET, Type::DGRAM, P::DEFAULT).unwrap();
            for no_check in [0_i32, 1] {
                socket.setsockopt(SOL_SOCKET, SO_NO_CHECK, no_check).unwrap();
                socket.sendto(b"abc", MsgFlags::NONE, &to).unwrap();
            }
        });
        sim.run_to_end().unwrap();
        assert_eq!(got.take().unwrap(), [b"acc"], "'b' is 0x62, and 'c' 0x63");
        assert_eq!(sim.network().in_csum_errors(&server).udp, 1);
    });
    report.unwrap();
}
