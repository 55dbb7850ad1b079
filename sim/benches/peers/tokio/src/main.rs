//! tokio over the kernel's loopback. One thread, which is fastest where one waits for the other; two for W2 and the flood, where both work.

use peer::{Answer, Done, MESSAGE_BYTES, Span, Stopwatch, Workload};
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;

peer::tcp_programs!(tokio::net, tokio::io);
peer::udp_programs!(UdpSocket, |socket, bytes, to| socket.send_to(bytes, to));

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    match workload {
        Workload::PingPong(bytes) => {
            tcp(one_thread(), move |listener| serve_ping(listener, bytes), move |server| ping(server, bytes, size))
        }
        Workload::Bulk => tcp(two_threads(), move |listener| drain(listener, size), move |server| pour(server, size)),
        Workload::Churn => tcp(one_thread(), move |listener| serve_churn(listener, size), move |server| churn(server, size)),
        Workload::Crowd(clients) if clients > 1_000 => Err("needs 20,000 descriptors"),
        Workload::Crowd(clients) => crowd(clients, size),
        Workload::Timers(_) => Err("an hour takes an hour (with a paused clock: see `duplex`)"),
        Workload::UdpPingPong => {
            udp(one_thread(), move |socket| udp_echo(socket, size), move |socket, to| udp_ping(socket, to, size))
        }
        Workload::UdpFlood => udp(two_threads(), udp_sink, move |socket, to| udp_flood(socket, to, size)),
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_io().build().expect("a runtime can be made")
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_io().build().expect("a runtime can be made")
}

fn tcp<S, D>(runtime: Runtime, serve: impl FnOnce(TcpListener) -> S, drive: impl FnOnce(SocketAddr) -> D) -> Answer
where
    S: Future<Output = ()> + Send + 'static,
    D: Future<Output = Done> + Send + 'static,
{
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let server = listener.local_addr().expect("a bound socket has a name");
        let serving = tokio::spawn(serve(listener));
        let done = tokio::spawn(drive(server)).await.expect("the client does not panic");
        serving.await.expect("the server does not panic");
        Ok(done)
    })
}

fn crowd(clients: u32, rounds: u64) -> Answer {
    let span = Span::default();
    one_thread().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let server = listener.local_addr().expect("a bound socket has a name");
        tokio::spawn(async move {
            for _ in 0..clients {
                let (stream, _) = listener.accept().await.expect("a client comes");
                tokio::spawn(echo(stream, MESSAGE_BYTES));
            }
        });
        let barrier = Arc::new(Barrier::new(usize::try_from(clients).expect("a count of clients fits usize")));
        let start = |_| {
            let (barrier, span) = (Arc::clone(&barrier), span.clone());
            tokio::spawn(async move { client(server, rounds, async { drop(barrier.wait().await) }, span).await })
        };
        let tasks: Vec<_> = (0..clients).map(start).collect();
        for task in tasks {
            task.await.expect("no client panics");
        }
    });
    span.done(rounds)
}

fn udp<S, D>(runtime: Runtime, serve: impl FnOnce(UdpSocket) -> S, drive: impl FnOnce(UdpSocket, SocketAddr) -> D) -> Answer
where
    S: Future<Output = ()> + Send + 'static,
    D: Future<Output = Done> + Send + 'static,
{
    runtime.block_on(async {
        let bind = || async { UdpSocket::bind("127.0.0.1:0").await.expect("a port is free") };
        let (socket, client) = (bind().await, bind().await);
        let server = socket.local_addr().expect("a bound socket has a name");
        let serving = tokio::spawn(serve(socket));
        let done = tokio::spawn(drive(client, server)).await.expect("the client does not panic");
        serving.await.expect("the server does not panic");
        Ok(done)
    })
}

async fn udp_flood(socket: UdpSocket, server: SocketAddr, datagrams: u64) -> Done {
    let watch = Stopwatch::start();
    for _ in 0..datagrams {
        udp_send(&socket, &[7; MESSAGE_BYTES], server).await;
    }
    let mut answer = [0; 8];
    loop {
        // Again, if the receiver's buffer had no place for it.
        udp_send(&socket, &[0], server).await;
        for _ in 0..100 {
            if socket.try_recv(&mut answer).is_ok() {
                return Done { count: u64::from_le_bytes(answer), taken: watch.elapsed() };
            }
            tokio::task::yield_now().await;
        }
    }
}
