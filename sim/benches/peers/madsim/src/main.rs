//! madsim, built with `--cfg madsim`: nodes of tasks under its own executor. Packets take 1 ms.

use madsim::net::UdpSocket;
use madsim::runtime::{Handle, Runtime};
use madsim::time::{Instant, sleep, sleep_until};
use peer::{Answer, CONNECTS_EVERY, CROWD_BEGIN, Done, LINK_DELAY, MESSAGE_BYTES, Span, Stopwatch, Workload};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

peer::tcp_programs!(madsim::net, tokio::io);
peer::udp_programs!(UdpSocket, |socket, bytes, to| socket.send_to(to, bytes));

const PORT: u16 = 7;
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    match workload {
        Workload::PingPong(bytes) => {
            duo(async move { serve_ping(listen().await, bytes).await }, move |server| ping(server, bytes, size))
        }
        Workload::Bulk => duo(async move { drain(listen().await, size).await }, move |server| pour(server, size)),
        Workload::Churn => duo(async move { serve_churn(listen().await, size).await }, move |server| churn(server, size)),
        Workload::Crowd(clients) => crowd(clients, size),
        Workload::Timers(hosts) => Ok(timers(hosts, size)),
        Workload::UdpPingPong => duo(async move { udp_echo(bind(PORT).await, size).await }, move |server| async move {
            udp_ping(bind(0).await, server, size).await
        }),
        Workload::UdpFlood => duo(async move { udp_sink(bind(PORT).await).await }, move |server| async move {
            udp_flood(bind(0).await, server, size).await
        }),
    }
}

fn runtime() -> Runtime {
    let mut config = madsim::Config::default();
    config.net.send_latency = LINK_DELAY..LINK_DELAY + Duration::from_nanos(1);
    Runtime::with_seed_and_config(1, config)
}

async fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.expect("nobody else is on this node")
}

async fn bind(port: u16) -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await.expect("nobody else is on this node")
}

fn address(index: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 2)) + index))
}

fn duo<D>(serve: impl Future<Output = ()> + Send + 'static, drive: impl FnOnce(SocketAddr) -> D + Send + 'static) -> Answer
where
    D: Future<Output = Done> + Send + 'static,
{
    let runtime = runtime();
    let (server, client) = (runtime.create_node().ip(SERVER).build(), runtime.create_node().ip(address(0)).build());
    runtime.block_on(async move {
        server.spawn(serve);
        sleep(Duration::from_millis(100)).await;
        let driving = client.spawn(async move { drive(SocketAddr::new(SERVER, PORT)).await });
        Ok(driving.await.expect("the client does not panic"))
    })
}

fn crowd(clients: u32, rounds: u64) -> Answer {
    let (runtime, span) = (runtime(), Span::default());
    runtime.block_on(async {
        let nodes = Handle::current();
        nodes.create_node().ip(SERVER).build().spawn(async {
            let listener = listen().await;
            loop {
                let (stream, _) = listener.accept().await.expect("a client comes");
                madsim::task::spawn(echo(stream, MESSAGE_BYTES));
            }
        });
        sleep(Duration::from_millis(100)).await;
        let begin = Instant::now() + CROWD_BEGIN;
        let start = |index| {
            let span = span.clone();
            nodes.create_node().ip(address(index)).build().spawn(async move {
                sleep(CONNECTS_EVERY * index).await;
                client(SocketAddr::new(SERVER, PORT), rounds, sleep_until(begin), span).await;
            })
        };
        let tasks: Vec<_> = (0..clients).map(start).collect();
        for task in tasks {
            task.await.expect("no client panics");
        }
    });
    span.done(rounds)
}

fn timers(hosts: u32, seconds: u64) -> Done {
    let runtime = runtime();
    runtime.block_on(async {
        let nodes = Handle::current();
        let start = |index| {
            nodes.create_node().ip(address(index)).build().spawn(async move {
                for _ in 0..seconds {
                    sleep(Duration::from_secs(1)).await;
                }
            })
        };
        let tasks: Vec<_> = (0..hosts).map(start).collect();
        sleep(Duration::from_millis(500)).await;
        let watch = Stopwatch::start();
        for task in tasks {
            task.await.expect("no task panics");
        }
        Done { count: seconds, taken: watch.elapsed() }
    })
}

async fn udp_flood(socket: UdpSocket, server: SocketAddr, datagrams: u64) -> Done {
    let watch = Stopwatch::start();
    for _ in 0..datagrams {
        udp_send(&socket, &[7; MESSAGE_BYTES], server).await;
    }
    // Later than all of them, as each is delayed by a draw of its own.
    sleep(LINK_DELAY).await;
    udp_send(&socket, &[0], server).await;
    let mut answer = [0; 8];
    socket.recv_from(&mut answer).await.expect("the receiver says how many came");
    Done { count: u64::from_le_bytes(answer), taken: watch.elapsed() }
}
