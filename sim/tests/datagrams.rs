//! Programs that send datagrams to each other over links: groups, broadcasts, errors, and what the digest says of a run.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use twinsock::net::UdpSocket;
use twinsock::{Clock, Instant};
use twinsock_sim::{Link, Net, Report, Sim};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 7, 7, 7);
const PORT: u16 = 5353;
const MS: Duration = Duration::from_millis(1);

/// A process that waits for one datagram and says how long after the beginning it came, and from whom.
fn listen(net: &Net, socket: &UdpSocket<Net>) -> (Duration, SocketAddr) {
    let mut room = [0; 64];
    let (_, from) = socket.recv_from(&mut room).expect("a datagram comes");
    (net.now() - Instant::ZERO, from)
}

#[test]
fn a_group_is_heard_over_each_link_in_its_time() {
    let report = Sim::builder().seed(3).run(|sim| {
        let [sender, near, far, deaf] = ["sender", "near", "far", "deaf"].map(|name| sim.host(name));
        sim.link(&sender, &near, Link::new().delay(2 * MS));
        sim.link(&sender, &far, Link::new().delay(9 * MS));
        sim.link(&sender, &deaf, Link::new().delay(MS));
        for (host, delay) in [(&near, 2 * MS), (&far, 9 * MS)] {
            host.spawn("member", move |net: Net| {
                let socket = UdpSocket::bind(&net, ("0.0.0.0", PORT)).expect("the port is free");
                socket.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED).expect("the group can be joined");
                let (came, from) = listen(&net, &socket);
                assert!(came >= 20 * MS + delay && came < 21 * MS + delay, "{came:?}");
                assert_eq!(net_addr(&net, "sender"), from.ip());
            });
        }
        deaf.spawn("stranger", |net: Net| {
            let socket = UdpSocket::bind(&net, ("0.0.0.0", PORT)).expect("the port is free");
            socket.set_read_timeout(Some(100 * MS)).expect("a timeout can be set");
            let error = socket.recv(&mut [0; 8]).expect_err("it has not joined the group");
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        });
        sender.spawn("sender", |net: Net| {
            net.sleep(20 * MS);
            let socket = UdpSocket::bind(&net, ("0.0.0.0", 0)).expect("a port is free");
            socket.send_to(b"hello, group", (GROUP, PORT)).expect("the group can be sent to");
        });
    });
    report.expect("the run comes to its end");
}

#[test]
fn a_group_of_ipv6_is_heard_by_its_members() {
    let group: Ipv6Addr = "ff02::7777".parse().unwrap();
    let report = Sim::builder().seed(3).run(|sim| {
        let (sender, member) = (sim.host("sender"), sim.host("member"));
        member.spawn("member", move |net: Net| {
            let socket = UdpSocket::bind(&net, ("::", PORT)).expect("the port is free");
            socket.join_multicast_v6(&group, 0).expect("the group can be joined");
            listen(&net, &socket);
        });
        sender.spawn("sender", move |net: Net| {
            net.sleep(MS);
            let socket = UdpSocket::bind(&net, ("::", 0)).expect("a port is free");
            socket.send_to(b"hello, group", (group, PORT)).expect("the group can be sent to");
        });
    });
    report.expect("the run comes to its end");
}

#[test]
fn a_broadcast_is_heard_by_all() {
    let report = Sim::builder().seed(3).run(|sim| {
        for name in ["one", "two", "three"] {
            sim.host(name).spawn("listener", |net: Net| {
                let socket = UdpSocket::bind(&net, ("0.0.0.0", PORT)).expect("the port is free");
                listen(&net, &socket);
            });
        }
        sim.host("sender").spawn("sender", |net: Net| {
            net.sleep(MS);
            let socket = UdpSocket::bind(&net, ("0.0.0.0", 0)).expect("a port is free");
            let everybody = (Ipv4Addr::BROADCAST, PORT);
            let error = socket.send_to(b"x", everybody).expect_err("a broadcast must be allowed");
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            socket.set_broadcast(true).expect("SO_BROADCAST can be set");
            socket.send_to(b"x", everybody).expect("now it may");
        });
    });
    report.expect("the run comes to its end");
}

#[test]
fn a_port_without_receiver_is_unreachable_after_a_round_trip() {
    let report = Sim::builder().run(|sim| {
        let (client, server) = (sim.host("client"), sim.host("server"));
        sim.link(&client, &server, Link::new().delay(5 * MS));
        server.spawn("idle", |net: Net| net.sleep(100 * MS));
        client.spawn("client", |net: Net| {
            let socket = UdpSocket::bind(&net, ("0.0.0.0", 0)).expect("a port is free");
            socket.connect(("server", PORT)).expect("the server has an address");
            socket.send(b"x").expect("nobody knows yet");
            let error = socket.recv(&mut [0; 8]).expect_err("nobody is there");
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let waited = net.now() - Instant::ZERO;
            assert!(waited >= 10 * MS && waited < 11 * MS, "{waited:?}");
        });
    });
    report.expect("the run comes to its end");
}

#[test]
fn a_datagram_that_nobody_can_receive_is_lost_in_silence() {
    let report = Sim::builder().run(|sim| {
        sim.host("alone").spawn("sender", |net: Net| {
            let socket = UdpSocket::bind(&net, ("0.0.0.0", 0)).expect("a port is free");
            socket.connect("10.99.99.99:9").expect("the network is reachable");
            for _ in 0..3 {
                socket.send(b"x").expect("nobody objects");
            }
        });
    });
    report.expect("the run comes to its end");
}

/// Two clients and a server that answers, over links with jitter.
fn exchange(seed: u64) -> Report<()> {
    let report = Sim::builder().seed(seed).run(|sim| {
        let server = sim.host("server");
        server.spawn("server", |net: Net| {
            let socket = UdpSocket::bind(&net, ("0.0.0.0", PORT)).expect("the port is free");
            let mut room = [0; 64];
            for _ in 0..40 {
                let (len, from) = socket.recv_from(&mut room).expect("a request comes");
                socket.send_to(&room[..len], from).expect("an answer goes");
            }
        });
        for name in ["a", "b"] {
            let client = sim.host(name);
            sim.link(&client, &server, Link::new().delay(MS).jitter(3 * MS));
            client.spawn("client", |net: Net| {
                let socket = UdpSocket::bind(&net, ("0.0.0.0", 0)).expect("a port is free");
                socket.connect(("server", PORT)).expect("the server has an address");
                for number in 0..20_u8 {
                    socket.send(&[number]).expect("a request goes");
                    let mut room = [0; 8];
                    assert_eq!(socket.recv(&mut room).expect("an answer comes"), 1);
                    assert_eq!(room[0], number);
                }
            });
        }
    });
    report.expect("the run comes to its end")
}

#[test]
fn a_seed_is_a_run_with_datagrams_too() {
    assert_eq!(exchange(1).digest, exchange(1).digest);
    assert_ne!(exchange(1).digest, exchange(2).digest);
}

fn net_addr(net: &Net, name: &str) -> std::net::IpAddr {
    let socket = UdpSocket::bind(net, ("0.0.0.0", 0)).expect("a port is free");
    socket.connect((name, 1)).expect("the host has an address");
    socket.peer_addr().expect("it is connected").ip()
}
