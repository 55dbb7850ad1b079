//! std over the kernel's loopback: blocking sockets, a thread for each program.

use peer::{Answer, CONNECTS_EVERY, Done, MESSAGE_BYTES, Span, Stopwatch, WRITE_BYTES, Workload, now};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

fn main() {
    peer::main(run);
}

fn run(workload: Workload, size: u64) -> Answer {
    match workload {
        Workload::PingPong(bytes) => tcp(move |listener| serve_ping(&listener, bytes), |server| ping(server, bytes, size)),
        Workload::Bulk => tcp(move |listener| drain(&listener), |server| pour(server, size)),
        Workload::Churn => tcp(move |listener| serve_churn(&listener, size), |server| churn(server, size)),
        Workload::Crowd(clients) if clients > 1_000 => Err("needs 20,000 descriptors and threads"),
        Workload::Crowd(clients) => crowd(clients, size),
        Workload::Timers(_) => Err("an hour takes an hour"),
        Workload::UdpPingPong => udp(move |socket| udp_echo(&socket, size), |socket| udp_ping(socket, size)),
        Workload::UdpFlood => udp(|socket| udp_sink(&socket), |socket| udp_flood(socket, size)),
    }
}

fn tcp(serve: impl FnOnce(TcpListener) + Send + 'static, drive: impl FnOnce(SocketAddr) -> Done) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let server = listener.local_addr().expect("a bound socket has a name");
    let thread = thread::spawn(|| serve(listener));
    let done = drive(server);
    thread.join().expect("the server does not panic");
    Ok(done)
}

fn echo(mut stream: TcpStream, bytes: usize) {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let mut space = [0; 64];
    let message = &mut space[..bytes];
    while stream.read_exact(message).is_ok() {
        stream.write_all(message).expect("the client reads");
    }
}

fn serve_ping(listener: &TcpListener, bytes: usize) {
    echo(listener.accept().expect("a client comes").0, bytes);
}

fn ping(server: SocketAddr, bytes: usize, rounds: u64) -> Done {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let mut space = [7; 64];
    let message = &mut space[..bytes];
    let watch = Stopwatch::start();
    for _ in 0..rounds {
        stream.write_all(message).expect("the server reads");
        stream.read_exact(message).expect("the server answers");
    }
    Done { count: rounds, taken: watch.elapsed() }
}

fn drain(listener: &TcpListener) {
    let mut stream = listener.accept().expect("a client comes").0;
    let mut buffer = vec![0; WRITE_BYTES];
    while stream.read(&mut buffer).expect("the stream is whole") > 0 {}
}

fn pour(server: SocketAddr, writes: u64) -> Done {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    let block = vec![7; WRITE_BYTES];
    let watch = Stopwatch::start();
    for _ in 0..writes {
        stream.write_all(&block).expect("the server reads");
    }
    stream.shutdown(std::net::Shutdown::Write).expect("the stream is open");
    assert_eq!(stream.read(&mut [0]).expect("the server closes"), 0, "it does when it has it all");
    Done { count: writes, taken: watch.elapsed() }
}

fn serve_churn(listener: &TcpListener, connections: u64) {
    for _ in 0..connections {
        listener.accept().expect("a client comes").0.read_exact(&mut [0]).expect("it sends a byte");
    }
}

fn churn(server: SocketAddr, connections: u64) -> Done {
    let watch = Stopwatch::start();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(server).expect("the server listens");
        stream.write_all(&[7]).expect("the server reads");
        assert_eq!(stream.read(&mut [0]).expect("the server closes"), 0, "it does when it has the byte");
    }
    Done { count: connections, taken: watch.elapsed() }
}

fn crowd(clients: u32, rounds: u64) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let server = listener.local_addr().expect("a bound socket has a name");
    let serving = thread::spawn(move || {
        let accept = || listener.accept().expect("a client comes").0;
        let threads: Vec<_> =
            (0..clients).map(|_| accept()).map(|stream| thread::spawn(|| echo(stream, MESSAGE_BYTES))).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    });
    let barrier = Arc::new(Barrier::new(usize::try_from(clients).expect("a count of clients fits usize")));
    let span = Span::default();
    let start = |_| {
        let (barrier, span) = (Arc::clone(&barrier), span.clone());
        // std's queue of 128 is not to overflow.
        thread::sleep(CONNECTS_EVERY);
        thread::spawn(move || {
            let mut stream = TcpStream::connect(server).expect("the server listens");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            let mut message = [7; MESSAGE_BYTES];
            barrier.wait();
            let began = now();
            for _ in 0..rounds {
                stream.write_all(&message).expect("the server reads");
                stream.read_exact(&mut message).expect("the server answers");
            }
            span.add(began);
        })
    };
    let threads: Vec<_> = (0..clients).map(start).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no client panics"));
    serving.join().expect("the server does not panic");
    span.done(rounds)
}

fn udp(serve: impl FnOnce(UdpSocket) + Send + 'static, drive: impl FnOnce(&UdpSocket) -> Done) -> Answer {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client.connect(socket.local_addr().expect("a bound socket has a name")).expect("a way to it");
    let thread = thread::spawn(|| serve(socket));
    let done = drive(&client);
    thread.join().expect("the server does not panic");
    Ok(done)
}

fn udp_echo(socket: &UdpSocket, rounds: u64) {
    let mut datagram = [0; MESSAGE_BYTES];
    for _ in 0..rounds {
        let (count, client) = socket.recv_from(&mut datagram).expect("a datagram comes");
        socket.send_to(&datagram[..count], client).expect("a datagram can be sent");
    }
}

fn udp_ping(socket: &UdpSocket, rounds: u64) -> Done {
    let mut datagram = [7; MESSAGE_BYTES];
    let watch = Stopwatch::start();
    for _ in 0..rounds {
        socket.send(&datagram).expect("a datagram can be sent");
        socket.recv(&mut datagram).expect("the answer comes");
    }
    Done { count: rounds, taken: watch.elapsed() }
}

fn udp_sink(socket: &UdpSocket) {
    let mut datagram = [0; MESSAGE_BYTES];
    let mut received = 0_u64;
    loop {
        let (count, client) = socket.recv_from(&mut datagram).expect("a datagram comes");
        if count < MESSAGE_BYTES {
            socket.send_to(&received.to_le_bytes(), client).expect("a datagram can be sent");
            return;
        }
        received += 1;
    }
}

fn udp_flood(socket: &UdpSocket, datagrams: u64) -> Done {
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("SO_RCVTIMEO");
    let watch = Stopwatch::start();
    for _ in 0..datagrams {
        socket.send(&[7; MESSAGE_BYTES]).expect("a datagram can be sent");
    }
    let mut answer = [0; 8];
    loop {
        // Again, if the receiver's buffer had no place for it.
        socket.send(&[0]).expect("a datagram can be sent");
        if socket.recv(&mut answer).is_ok() {
            return Done { count: u64::from_le_bytes(answer), taken: watch.elapsed() };
        }
    }
}
