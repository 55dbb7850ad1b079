//! The short ways of calls, of packets and of turns change nothing of a run: its digest is what it was before there were any, and what it is where the
//! run is recorded.

use std::sync::Arc;
use std::time::Duration;
use twinsock::net::UdpSocket;
use twinsock::{Clock, Entropy, JoinThread, Spawn};
use twinsock_sim::trace::Digest;
use twinsock_sim::{Interleaving, Link, Net, Ratio, Sim};

const MS: Duration = Duration::from_millis(1);

/// The digests of seeds 0 to 11, one after another.
const DIGESTS: u64 = 0x3e9a_fdb1_da2f_3f98;

/// A network busy with datagrams: one that answers, two threads that share a socket, one that is too slow for what it is sent; three clients that send
/// this and that, in step with each other and not, over links that leave nothing to chance and over one that does.
fn run(seed: u64, record: bool) -> u64 {
    let builder = Sim::builder().seed(seed).interleaving(Interleaving::Mixed).record(record);
    let report = builder.run(|sim| {
        sim.default_link(Link::new().delay(MS));
        let server = sim.host("server");
        server.spawn_daemon("echo", |net: Net| answer(&UdpSocket::bind(&net, "0.0.0.0:7").unwrap(), 64));
        server.spawn_daemon("pair", |net: Net| {
            let socket = Arc::new(UdpSocket::bind(&net, "0.0.0.0:8").unwrap());
            let other = Arc::clone(&socket);
            let thread = net.spawn(move || answer(&other, 200));
            answer(&socket, 32);
            thread.join().unwrap();
        });
        server.spawn_daemon("slow", |net: Net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
            socket.set_read_timeout(Some(3 * MS)).unwrap();
            let mut into = [0; 70];
            loop {
                if socket.recv(&mut into).is_ok_and(|count| count % 8 == 0) {
                    net.sleep(Duration::from_micros(700));
                }
            }
        });
        for n in 0..3 {
            let client = sim.host(&format!("client{n}"));
            if n == 2 {
                let link = Link::new().delay(MS).jitter(MS / 2).loss(Ratio::new(1, 10)).duplication(Ratio::new(1, 10));
                sim.link(&client, &server, link);
            }
            client.spawn("client", move |net: Net| ask(&net, n != 2));
        }
    });
    report.unwrap().digest
}

fn answer(socket: &UdpSocket<Net>, room: usize) {
    let mut into = vec![0; room];
    loop {
        let (count, from) = socket.recv_from(&mut into).unwrap();
        socket.send_to(&into[..count], from).unwrap();
    }
}

fn ask(net: &Net, may_wait: bool) {
    let [connected, free] = [0, 1].map(|_| UdpSocket::bind(net, "0.0.0.0:0").unwrap());
    connected.connect("server:7").unwrap();
    let server = connected.peer_addr().unwrap().ip();
    free.set_read_timeout(Some(4 * MS)).unwrap();
    let mut into = [0; 300];
    for round in 0..60 {
        let mut random = [0; 3];
        net.fill(&mut random);
        let [what, len, pause] = random;
        let data = vec![what; [0, 1, 64, 64, 64, 79, 80, 250][usize::from(len % 8)]];
        match what % 8 {
            0 | 1 => {
                connected.set_read_timeout(Some(5 * MS)).unwrap();
                connected.send(&data).unwrap();
                connected.recv(&mut into).ok();
            }
            2 | 3 => {
                connected.set_read_timeout(None).unwrap();
                for _ in 0..if may_wait { 5 } else { 0 } {
                    connected.send(&[7; 64]).unwrap();
                    connected.recv(&mut into).unwrap();
                }
            }
            4 | 5 => {
                free.send_to(&data, (server, 8)).unwrap();
                free.recv_from(&mut into).ok();
            }
            6 => {
                for _ in 0..pause {
                    free.send_to(&data, (server, 9)).unwrap();
                }
            }
            _ => net.sleep(Duration::from_micros(u64::from(pause))),
        }
        if round == 30 {
            connected.set_ttl(9).unwrap();
        }
    }
}

#[test]
fn a_run_with_datagrams_is_what_it_was_and_what_it_is_where_it_is_recorded() {
    let mut all = Digest::new();
    for seed in 0..12 {
        let digest = run(seed, false);
        assert_eq!(digest, run(seed, true), "seed {seed}");
        all.fold(digest);
    }
    let value = all.value();
    assert_eq!(value, DIGESTS, "if this change of behaviour is meant, note it in CHANGELOG.md: {value:#018x}");
}
