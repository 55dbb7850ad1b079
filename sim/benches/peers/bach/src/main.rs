//! bach: discrete events under an executor of its own, UDP over queues with a latency of 1 ms.

use bach::environment::default::Runtime;
use bach::environment::net::queue::Fixed;
use bach::ext::*;
use bach::net::UdpSocket;
use bach::time::sleep;
use peer::{Answer, Done, LINK_DELAY, Slot, Stopwatch, Workload};
use std::net::SocketAddr;
use std::time::Duration;

peer::udp_programs!(UdpSocket, |socket, bytes, to| socket.send_to(bytes, to));
peer::udp_flood!(UdpSocket);

const SERVER: &str = "server:7";

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    match workload {
        Workload::PingPong(_) | Workload::Bulk | Workload::Churn | Workload::Crowd(_) => Err("no TCP"),
        Workload::Timers(hosts) => timers(hosts, size),
        Workload::UdpPingPong => duo(move |socket| udp_echo(socket, size), move |socket, server| udp_ping(socket, server, size)),
        Workload::UdpFlood => duo(udp_sink, move |socket, server| udp_flood(socket, server, size)),
    }
}

/// Queues of the default kind that lose nothing.
fn runtime() -> Runtime {
    let queues = Fixed::default().with_net_latency(LINK_DELAY).with_tx_packet_limit(None).with_rx_packet_limit(None);
    Runtime::new().with_seed(1).with_net_queues(Some(Box::new(queues.with_inflight_limit(None))))
}

fn duo<S, D>(serve: impl FnOnce(UdpSocket) -> S + 'static, drive: impl FnOnce(UdpSocket, SocketAddr) -> D + 'static) -> Answer
where
    S: Future<Output = ()> + 'static,
    D: Future<Output = Done> + 'static,
{
    let slot = Slot::default();
    let out = slot.clone();
    runtime().run(move || {
        async move {
            serve(UdpSocket::bind(SERVER).await.expect("nobody else is on this host")).await;
        }
        .group("server")
        .spawn();
        async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await.expect("nobody else is on this host");
            let server = bach::net::try_lookup(SERVER).expect("the server has a name");
            out.put(drive(socket, server).await);
        }
        .group("client")
        .primary()
        .spawn();
    });
    slot.take()
}

fn timers(hosts: u32, seconds: u64) -> Answer {
    let mut runtime = runtime();
    let watch = Stopwatch::start();
    runtime.run(|| {
        for index in 0..hosts {
            let sleeper = async move {
                for _ in 0..seconds {
                    sleep(Duration::from_secs(1)).await;
                }
            };
            sleeper.group(format!("host-{index}")).primary().spawn();
        }
    });
    Ok(Done { count: seconds, taken: watch.elapsed() })
}
