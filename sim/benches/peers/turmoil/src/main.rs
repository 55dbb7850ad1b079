//! turmoil: hosts of tokio programs, advanced a tick of 1 ms at a time (its default). Messages take 1 ms.

use peer::{Answer, CONNECTS_EVERY, CROWD_BEGIN, Done, LINK_DELAY, MESSAGE_BYTES, Slot, Span, Stopwatch, Workload};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use turmoil::net::UdpSocket;
use turmoil::{Builder, Sim};

peer::tcp_programs!(turmoil::net, tokio::io);
peer::udp_programs!(UdpSocket, |socket, bytes, to| socket.send_to(bytes, to));
peer::udp_flood!(UdpSocket);

const PORT: u16 = 7;
const ANY: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT);
/// How many datagrams of the flood are under way at most: turmoil drops what a full queue has no place for.
const UDP_CAPACITY: usize = 1 << 22;

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    match workload {
        Workload::PingPong(bytes) => duo(
            move || async move { serve_ping(listen().await, bytes).await },
            move |server| async move { ping(server, bytes, size).await },
        ),
        Workload::Bulk => {
            duo(move || async move { drain(listen().await, size).await }, move |server| async move { pour(server, size).await })
        }
        Workload::Churn => duo(
            move || async move { serve_churn(listen().await, size).await },
            move |server| async move { churn(server, size).await },
        ),
        Workload::Crowd(clients) => crowd(clients, size),
        Workload::Timers(hosts) => Ok(timers(hosts, size)),
        Workload::UdpPingPong => duo(
            move || async move { udp_echo(bind(ANY).await, size).await },
            move |server| async move { udp_ping(bind((ANY.0, 0)).await, server, size).await },
        ),
        Workload::UdpFlood => duo(
            || async move { udp_sink(bind(ANY).await).await },
            move |server| async move { udp_flood(bind((ANY.0, 0)).await, server, size).await },
        ),
    }
}

fn sim() -> Sim<'static> {
    Builder::new()
        .simulation_duration(Duration::from_secs(1 << 40))
        .min_message_latency(LINK_DELAY)
        .max_message_latency(LINK_DELAY)
        .tcp_capacity(1 << 14)
        .udp_capacity(UDP_CAPACITY)
        .rng_seed(1)
        .build()
}

async fn listen() -> TcpListener {
    TcpListener::bind(ANY).await.expect("nobody else is on this host")
}

async fn bind(at: (IpAddr, u16)) -> UdpSocket {
    UdpSocket::bind(at).await.expect("nobody else is on this host")
}

fn duo<S, D>(serve: impl Fn() -> S + 'static, drive: impl FnOnce(SocketAddr) -> D) -> Answer
where
    S: Future<Output = ()> + 'static,
    D: Future<Output = Done> + 'static,
{
    let mut sim = sim();
    let slot = Slot::default();
    sim.host("server", move || {
        let serving = serve();
        async {
            serving.await;
            Ok(())
        }
    });
    let server = SocketAddr::new(sim.lookup("server"), PORT);
    let (driving, out) = (drive(server), slot.clone());
    sim.client("client", async move {
        out.put(driving.await);
        Ok(())
    });
    sim.run().expect("the run comes to its end");
    slot.take()
}

fn crowd(clients: u32, rounds: u64) -> Answer {
    let mut sim = sim();
    let span = Span::default();
    sim.host("server", move || async move {
        let listener = listen().await;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(echo(stream, MESSAGE_BYTES));
        }
    });
    let server = SocketAddr::new(sim.lookup("server"), PORT);
    for index in 0..clients {
        let span = span.clone();
        sim.client(format!("client-{index}"), async move {
            let begin = Instant::now() + CROWD_BEGIN;
            sleep(CONNECTS_EVERY * index).await;
            client(server, rounds, sleep_until(begin), span).await;
            Ok(())
        });
    }
    sim.run().expect("the run comes to its end");
    span.done(rounds)
}

fn timers(hosts: u32, seconds: u64) -> Done {
    let mut sim = sim();
    for index in 0..hosts {
        sim.client(format!("host-{index}"), async move {
            for _ in 0..seconds {
                sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        });
    }
    let watch = Stopwatch::start();
    sim.run().expect("the run comes to its end");
    Done { count: seconds, taken: watch.elapsed() }
}
