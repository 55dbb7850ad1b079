//! turmoil-net: a simulated socket stack behind tokio's types, driven by its fixture `ClientServer`, a tick of 1 ms at a time. Its rule `Latency`
//! delays every packet by 1 ms.

use futures_util::stream::{FuturesUnordered, StreamExt};
use peer::{Answer, CONNECTS_EVERY, CROWD_BEGIN, Done, LINK_DELAY, MESSAGE_BYTES, Span, Stopwatch, Workload};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use turmoil_net::fixture::ClientServer;
use turmoil_net::shim::tokio::net::UdpSocket;
use turmoil_net::{KernelConfig, Latency, rule};

peer::tcp_programs!(turmoil_net::shim::tokio::net, tokio::io);
peer::udp_programs!(UdpSocket, |socket, bytes, to| socket.send_to(bytes, to));
peer::udp_flood!(UdpSocket);

const SERVER: &str = "192.168.200.1:7";
const SERVER_IP: &str = "192.168.200.1";
/// After how many ticks without an acknowledgement a segment goes out again; the default of 3 is less than a round trip takes here.
const RETX_THRESHOLD: u32 = 16;

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    let server: SocketAddr = SERVER.parse().expect("an address");
    match workload {
        Workload::PingPong(bytes) => {
            duo(async move { serve_ping(listen().await, bytes).await }, async move { ping(server, bytes, size).await })
        }
        Workload::Bulk => duo(async move { drain(listen().await, size).await }, async move { pour(server, size).await }),
        Workload::Churn => duo(async move { serve_churn(listen().await, size).await }, async move { churn(server, size).await }),
        Workload::Crowd(clients) => crowd(clients, server, size),
        Workload::Timers(hosts) => timers(hosts, size),
        Workload::UdpPingPong => duo(async move { udp_echo(bind(SERVER).await, size).await }, async move {
            udp_ping(bind("0.0.0.0:0").await, server, size).await
        }),
        Workload::UdpFlood => duo(async move { udp_sink(bind(SERVER).await).await }, async move {
            udp_flood(bind("0.0.0.0:0").await, server, size).await
        }),
    }
}

fn fixture() -> ClientServer {
    ClientServer::with_config(KernelConfig::default().retx_threshold(RETX_THRESHOLD).default_backlog(1 << 14))
}

async fn listen() -> TcpListener {
    TcpListener::bind("0.0.0.0:7").await.expect("nobody else is on this host")
}

async fn bind(at: &str) -> UdpSocket {
    UdpSocket::bind(at).await.expect("nobody else is on this host")
}

fn duo(serve: impl Future<Output = ()> + 'static, drive: impl Future<Output = Done> + 'static) -> Answer {
    let done = fixture().server(SERVER_IP, serve).run("client", async move {
        rule(Latency::fixed(LINK_DELAY)).forget();
        drive.await
    });
    Ok(done)
}

/// The server's connections are futures of its own task: a spawned one would not be on its host.
fn crowd(clients: u32, server: SocketAddr, rounds: u64) -> Answer {
    let (span, ended) = (Span::default(), Rc::new(Cell::new(0)));
    let serve = async move {
        let listener = listen().await;
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => open.push(echo(accepted.expect("a client comes").0, MESSAGE_BYTES)),
                Some(()) = open.next() => {}
            }
        }
    };
    let mut net = fixture().server(SERVER_IP, serve);
    for index in 0..clients {
        let (span, ended) = (span.clone(), Rc::clone(&ended));
        net = net.server(format!("client-{index}").as_str(), async move {
            let begin = Instant::now() + CROWD_BEGIN;
            sleep(CONNECTS_EVERY * index).await;
            client(server, rounds, sleep_until(begin), span).await;
            ended.set(ended.get() + 1);
        });
    }
    net.run("waiter", async move {
        rule(Latency::fixed(LINK_DELAY)).forget();
        while ended.get() < clients {
            sleep(Duration::from_millis(1)).await;
        }
    });
    span.done(rounds)
}

fn timers(hosts: u32, seconds: u64) -> Answer {
    let sleeper = move || -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            for _ in 0..seconds {
                sleep(Duration::from_secs(1)).await;
            }
        })
    };
    let mut net = fixture();
    for index in 1..hosts {
        net = net.server(format!("host-{index}").as_str(), sleeper());
    }
    let done = net.run("host-0", async move {
        let watch = Stopwatch::start();
        sleeper().await;
        Done { count: seconds, taken: watch.elapsed() }
    });
    Ok(done)
}
