//! Runs that never end: a program that never stops asking, a network that keeps itself busy while all programs wait.

use std::io::Read;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Clock, SocketApi, option};
use twinsock_sim::{FailureKind, Sim};

#[test]
fn a_program_that_never_stops_asking_ends_the_run() {
    let failure = Sim::builder().calls_max(10_000).run(|sim| {
        sim.host("a").spawn("spins", |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            while socket.recv(&mut [0]).is_err() {}
        });
    });
    let failure = failure.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Endless { calls: 10_000 });
    assert!(
        failure.to_string().contains("no end after 10000 calls") && failure.to_string().contains("Builder::calls_max"),
        "{failure}"
    );
}

/// Two ends that wait for each other for ever, and ask every second whether the other is still there.
fn wait_with_keepalive(sim: &Sim) {
    let wait = |stream: TcpStream<twinsock_sim::Net>, net: twinsock_sim::Net| {
        net.set_option(stream.owned(), option::SO_KEEPALIVE, true).unwrap();
        net.set_option(stream.owned(), option::TCP_KEEPIDLE, 1).unwrap();
        (&stream).read(&mut [0]).map(drop)
    };
    sim.host("server").spawn("server", move |net| wait(TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap().0, net));
    sim.run_for(Duration::from_secs(1));
    sim.host("client").spawn("client", move |net| wait(TcpStream::connect(&net, "server:80").unwrap(), net));
}

#[test]
fn timers_alone_do_not_keep_a_run_going_for_ever() {
    let failure = Sim::builder().idle_max(10_000).run(wait_with_keepalive).unwrap_err();
    let FailureKind::Idle { events, waiting } = &failure.kind else { panic!("{failure}") };
    assert!((10_000..12_000).contains(events), "{events}");
    assert_eq!(waiting.iter().map(|thread| thread.host.as_str()).collect::<Vec<_>>(), ["server", "client"]);
    assert!(failure.to_string().contains("timers alone keep the run going\n  host server, thread server: recv"), "{failure}");
}

#[test]
fn somebody_who_wakes_now_and_then_is_no_idle_run() {
    let report = Sim::builder().idle_max(10_000).run(|sim| {
        wait_with_keepalive(sim);
        sim.run_for(Duration::from_secs(2));
        sim.host("third").spawn("sleeps", |net| (0..20).for_each(|_| net.sleep(Duration::from_secs(500))));
        sim.run_for(Duration::from_secs(11_000));
    });
    assert!(matches!(report.unwrap_err().kind, FailureKind::Idle { .. }), "when it has ended");
}
