//! `tokio::io::duplex`: a pipe in memory both ways, in place of a socket. No addresses, no links, no time that a byte takes. W5 is tokio's own paused
//! clock.

use peer::{Answer, Done, MESSAGE_BYTES, Span, Stopwatch, WRITE_BYTES, Workload, now};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    match workload {
        Workload::PingPong(bytes) => Ok(ping_pong(bytes, size)),
        Workload::Bulk => Ok(bulk(size)),
        Workload::Churn => Err("nothing to connect to"),
        Workload::Crowd(clients) => crowd(clients, size),
        Workload::Timers(hosts) => Ok(timers(hosts, size)),
        Workload::UdpPingPong | Workload::UdpFlood => Err("no datagrams"),
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime can be made")
}

async fn echo(mut stream: DuplexStream, bytes: usize) {
    let mut space = [0; 64];
    let message = &mut space[..bytes];
    while stream.read_exact(message).await.is_ok() {
        stream.write_all(message).await.expect("the client reads");
    }
}

fn ping_pong(bytes: usize, rounds: u64) -> Done {
    let (mut stream, other) = duplex(WRITE_BYTES);
    let client = async move {
        let mut space = [7; 64];
        let message = &mut space[..bytes];
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            stream.write_all(message).await.expect("the server reads");
            stream.read_exact(message).await.expect("the server answers");
        }
        Done { count: rounds, taken: watch.elapsed() }
    };
    runtime().block_on(async {
        tokio::spawn(echo(other, bytes));
        tokio::spawn(client).await.expect("the client does not panic")
    })
}

fn bulk(writes: u64) -> Done {
    let (mut stream, mut other) = duplex(WRITE_BYTES);
    runtime().block_on(async {
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; WRITE_BYTES];
            while other.read(&mut buffer).await.expect("the stream is whole") > 0 {}
        });
        let block = vec![7; WRITE_BYTES];
        let watch = Stopwatch::start();
        let writer = tokio::spawn(async move {
            for _ in 0..writes {
                stream.write_all(&block).await.expect("the reader reads");
            }
        });
        writer.await.expect("the writer does not panic");
        reader.await.expect("the reader does not panic");
        Done { count: writes, taken: watch.elapsed() }
    })
}

fn crowd(clients: u32, rounds: u64) -> Answer {
    let span = Span::default();
    runtime().block_on(async {
        let barrier = Arc::new(Barrier::new(usize::try_from(clients).expect("a count of clients fits usize")));
        let start = |_| {
            let (mut stream, other) = duplex(WRITE_BYTES);
            let (barrier, span) = (Arc::clone(&barrier), span.clone());
            tokio::spawn(echo(other, MESSAGE_BYTES));
            tokio::spawn(async move {
                let mut message = [7; MESSAGE_BYTES];
                barrier.wait().await;
                let began = now();
                for _ in 0..rounds {
                    stream.write_all(&message).await.expect("the server reads");
                    stream.read_exact(&mut message).await.expect("the server answers");
                }
                span.add(began);
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
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime can be made");
    runtime.block_on(async {
        let start = |_| {
            tokio::spawn(async move {
                for _ in 0..seconds {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            })
        };
        let tasks: Vec<_> = (0..hosts).map(start).collect();
        tokio::task::yield_now().await;
        let watch = Stopwatch::start();
        for task in tasks {
            task.await.expect("no task panics");
        }
        Done { count: seconds, taken: watch.elapsed() }
    })
}
