//! The network around the programs: names, addresses, both families, links and their jitter.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Errno, Instant, SocketApi};
use twinsock_sim::{Host, HostConfig, Link, Net, Sim};

const MS: Duration = Duration::from_millis(1);

fn addr(text: &str) -> IpAddr {
    text.parse().expect("a literal address")
}

/// A daemon that tells each who connects to `at` from where he comes, and to which address.
fn mirror(host: &Host, at: &'static str) {
    host.spawn_daemon("mirror", move |net| {
        let listener = TcpListener::bind(&net, at).unwrap();
        loop {
            let (mut stream, from) = listener.accept().unwrap();
            let text = format!("{from} {}", stream.local_addr().unwrap());
            stream.write_all(text.as_bytes()).unwrap();
        }
    });
}

/// What a mirror says: the address of the caller and its own.
fn look(net: &Net, server: SocketAddr) -> io::Result<(IpAddr, IpAddr)> {
    let mut text = String::new();
    TcpStream::connect(net, server)?.read_to_string(&mut text)?;
    let (from, to) = text.split_once(' ').expect("the mirror says two addresses");
    let ip = |text: &str| text.parse::<SocketAddr>().expect("the mirror says addresses").ip();
    Ok((ip(from), ip(to)))
}

#[test]
fn a_hosts_name_is_all_its_addresses() {
    let report = Sim::builder().run(|sim| {
        let server = sim.host_with(
            "server",
            HostConfig { addrs: vec![addr("10.1.0.1"), addr("10.1.0.2"), addr("fd01::1")], ..HostConfig::default() },
        );
        assert_eq!(server.addrs(), [addr("10.1.0.1"), addr("10.1.0.2"), addr("fd01::1")]);
        sim.host("client").spawn("asker", |net| {
            let with_port = |text: &str| SocketAddr::new(addr(text), 80);
            let found = net.getaddrinfo("server", 80).unwrap();
            assert_eq!(found, [with_port("10.1.0.1"), with_port("10.1.0.2"), with_port("fd01::1")]);
            assert_eq!(net.getaddrinfo("10.9.9.9", 80).unwrap(), [with_port("10.9.9.9")], "a literal address needs no host");
            assert_eq!(net.getaddrinfo("localhost", 80).unwrap(), [with_port("127.0.0.1"), with_port("::1")]);
            let error = net.getaddrinfo("nobody", 80).unwrap_err();
            assert_eq!(error.raw_os_error(), None);
            assert!(error.to_string().contains("nobody"), "{error}");
            assert_eq!(TcpStream::connect(&net, "nobody:80").unwrap_err().to_string(), error.to_string());
        });
    });
    report.unwrap();
}

#[test]
fn a_host_answers_on_each_of_its_addresses() {
    let report = Sim::builder().run(|sim| {
        let addrs = ["10.1.0.1", "10.1.0.2", "fd01::1", "fd01::2"].map(addr);
        let server = sim.host_with("server", HostConfig { addrs: addrs.to_vec(), ..HostConfig::default() });
        mirror(&server, "[::]:80");
        let client = sim.host("client");
        let (ipv4, ipv6) = (client.ipv4(), client.ipv6());
        client.spawn("caller", move |net| {
            net.sleep(MS);
            for to in addrs {
                let (from, at) = look(&net, SocketAddr::new(to, 80)).unwrap();
                let plain = |ip: IpAddr| ip.to_canonical();
                assert_eq!((plain(from), plain(at)), (if to.is_ipv4() { ipv4 } else { ipv6 }, to));
            }
        });
    });
    report.unwrap();
}

#[test]
fn a_bound_source_address_is_kept() {
    let report = Sim::builder().run(|sim| {
        mirror(&sim.host("server"), "0.0.0.0:80");
        let client =
            sim.host_with("client", HostConfig { addrs: vec![addr("10.2.0.1"), addr("10.2.0.2")], ..HostConfig::default() });
        client.spawn("caller", |net| {
            net.sleep(MS);
            let socket =
                twinsock::Socket::new(&net, twinsock::Domain::INET, twinsock::Type::STREAM, twinsock::Protocol::TCP).unwrap();
            socket.bind(&twinsock::SocketAddr::inet(addr("10.2.0.2"), 0)).unwrap();
            let server = net.getaddrinfo("server", 80).unwrap()[0];
            socket.connect(&server.into()).unwrap();
            let text = String::from_utf8(socket.recv(100, twinsock::MsgFlags::NONE).unwrap()).unwrap();
            assert!(text.starts_with("10.2.0.2:"), "{text}");
        });
    });
    report.unwrap();
}

#[test]
fn an_address_that_nobody_has_is_unreachable() {
    let report = Sim::builder().run(|sim| {
        let host = HostConfig { addrs: vec![addr("10.0.0.1")], ..HostConfig::default() };
        sim.host_with("only v4", host).spawn("caller", |net| {
            let error = TcpStream::connect(&net, "10.9.9.9:80").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::HOSTUNREACH.raw()));
            assert!(net.now() - Instant::ZERO >= Duration::from_secs(3), "the host asks three times who has it");
            let error = TcpStream::connect(&net, "[fd00::9]:80").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::NETUNREACH.raw()), "no address of the family, no route");
        });
    });
    report.unwrap();
}

#[test]
fn each_pair_of_hosts_has_its_link() {
    let report = Sim::builder().run(|sim| {
        let (near, far, client) = (sim.host("near"), sim.host("far"), sim.host("client"));
        sim.default_link(Link::new().delay(50 * MS));
        sim.link(&near, &client, Link::new().delay(MS));
        mirror(&near, "[::]:80");
        mirror(&far, "[::]:80");
        let servers = [(near.ipv4(), 2 * MS), (near.ipv6(), 2 * MS), (far.ipv4(), 100 * MS), (far.ipv6(), 100 * MS)];
        client.spawn("caller", move |net| {
            net.sleep(MS);
            for (server, round_trip) in servers {
                let start = net.now();
                let stream = TcpStream::connect(&net, (server, 80)).unwrap();
                let taken = net.now() - start;
                assert!(taken >= round_trip && taken < round_trip + MS, "{server}: {taken:?}");
                drop(stream);
            }
        });
    });
    report.unwrap();
}

/// How long five handshakes took, with a jitter of 1 ms on each way.
fn handshakes(seed: u64) -> Vec<Duration> {
    let report = Sim::builder().seed(seed).run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().delay(10 * MS).jitter(MS));
        mirror(&server, "0.0.0.0:80");
        let times = client.spawn("caller", |net| {
            net.sleep(MS);
            let handshake = |_| {
                let start = net.now();
                TcpStream::connect(&net, "server:80").map(drop).unwrap();
                net.now() - start
            };
            (0..5).map(handshake).collect()
        });
        sim.run_to_end().unwrap();
        times.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn jitter_is_within_its_bounds_and_the_seeds() {
    let runs: BTreeSet<Vec<Duration>> = (0..8).map(handshakes).collect();
    assert_eq!(runs.len(), 8, "each seed has times of its own");
    for time in runs.iter().flatten() {
        assert!(*time >= 20 * MS && *time <= 22 * MS + Duration::from_micros(10), "{time:?}");
    }
    assert_eq!(handshakes(3), handshakes(3));
}

#[test]
fn misfortune_is_drawn_from_the_seed_and_shifts_nothing_else() {
    let run = |seed, asks: u32| {
        let report = Sim::builder().seed(seed).run(|sim| {
            let drawn: Vec<u32> = (0..asks).map(|_| sim.draw("when", 1000)).collect();
            let (server, client) = (sim.host("server"), sim.host("client"));
            sim.link(&server, &client, Link::new().delay(10 * MS).jitter(MS));
            mirror(&server, "0.0.0.0:80");
            client.spawn("caller", |net| {
                net.sleep(MS);
                look(&net, net.getaddrinfo("server", 80).unwrap()[0]).unwrap();
            });
            assert_eq!(sim.draw("nothing to choose", 1), 0);
            drawn
        });
        let report = report.unwrap();
        (report.value, report.elapsed)
    };
    let (drawn, elapsed) = run(1, 5);
    assert_eq!((drawn.clone(), elapsed), run(1, 5));
    assert_ne!(drawn, run(2, 5).0);
    assert!(drawn.iter().all(|value| *value < 1000));
    assert_eq!(elapsed, run(1, 0).1, "the wire's choices are the same whatever is drawn here");
}
