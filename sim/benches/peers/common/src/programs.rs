//! The programs over sockets of tokio's shape: the same text for tokio itself and for each simulator that has its types.

/// W1, W2, W3 and W4 over TCP.
///
/// `tcp_programs!(tokio::net, tokio::io)` defines `serve_ping`, `ping`, `drain`, `pour`, `serve_churn`, `churn`, `echo` and `client`, over `TcpListener` and `TcpStream` of the
/// first and the traits of the second.
#[macro_export]
macro_rules! tcp_programs {
    ($($net:ident)::+, $($io:ident)::+) => {
        use std::net::SocketAddr;
        use $($io)::+::{AsyncReadExt, AsyncWriteExt};
        use $($net)::+::{TcpListener, TcpStream};

        pub async fn echo(mut stream: TcpStream, bytes: usize) {
            let _ = stream.set_nodelay(true);
            let mut space = [0; 64];
            let message = &mut space[..bytes];
            while stream.read_exact(message).await.is_ok() {
                stream.write_all(message).await.expect("the client reads");
                stream.flush().await.expect("the client reads");
            }
        }

        pub async fn serve_ping(listener: TcpListener, bytes: usize) {
            let (stream, _) = listener.accept().await.expect("a client comes");
            echo(stream, bytes).await;
        }

        pub async fn ping(server: SocketAddr, bytes: usize, rounds: u64) -> $crate::Done {
            let mut stream = TcpStream::connect(server).await.expect("the server listens");
            let _ = stream.set_nodelay(true);
            let mut space = [7; 64];
            let message = &mut space[..bytes];
            let watch = $crate::Stopwatch::start();
            for _ in 0..rounds {
                stream.write_all(message).await.expect("the server reads");
                stream.flush().await.expect("the server reads");
                stream.read_exact(message).await.expect("the server answers");
            }
            $crate::Done { count: rounds, taken: watch.elapsed() }
        }

        pub async fn drain(listener: TcpListener, writes: u64) {
            let (mut stream, _) = listener.accept().await.expect("a client comes");
            let mut buffer = vec![0; $crate::WRITE_BYTES];
            let mut left = writes * 65_536;
            while left > 0 {
                let count = stream.read(&mut buffer).await.expect("the stream is whole");
                assert!(count > 0, "no byte is lost");
                left -= u64::try_from(count).expect("a count of bytes fits into 64 bits");
            }
            // It has it all.
            stream.write_all(&[1]).await.expect("the client waits");
            stream.flush().await.expect("the client waits");
            let _ = stream.read(&mut [0]).await;
        }

        pub async fn pour(server: SocketAddr, writes: u64) -> $crate::Done {
            let mut stream = TcpStream::connect(server).await.expect("the server listens");
            let block = vec![7; $crate::WRITE_BYTES];
            let watch = $crate::Stopwatch::start();
            for _ in 0..writes {
                stream.write_all(&block).await.expect("the server reads");
                stream.flush().await.expect("the server reads");
            }
            stream.read_exact(&mut [0]).await.expect("the server says when it has it all");
            $crate::Done { count: writes, taken: watch.elapsed() }
        }

        pub async fn serve_churn(listener: TcpListener, connections: u64) {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.expect("a client comes");
                stream.read_exact(&mut [0]).await.expect("the client sends a byte");
            }
        }

        pub async fn churn(server: SocketAddr, connections: u64) -> $crate::Done {
            let watch = $crate::Stopwatch::start();
            for _ in 0..connections {
                let mut stream = TcpStream::connect(server).await.expect("the server listens");
                stream.write_all(&[7]).await.expect("the server reads");
                stream.flush().await.expect("the server reads");
                // The server closes: an end, or for a simulator without ends a reset.
                let _ = stream.read(&mut [0]).await;
            }
            $crate::Done { count: connections, taken: watch.elapsed() }
        }

        pub async fn client(server: SocketAddr, rounds: u64, begin: impl Future<Output = ()>, span: $crate::Span) {
            let mut stream = TcpStream::connect(server).await.expect("the server listens");
            let _ = stream.set_nodelay(true);
            let mut message = [7; $crate::MESSAGE_BYTES];
            begin.await;
            let began = $crate::now();
            for _ in 0..rounds {
                stream.write_all(&message).await.expect("the server reads");
                stream.flush().await.expect("the server reads");
                stream.read_exact(&mut message).await.expect("the server answers");
            }
            span.add(began);
        }
    };
}

/// W6 over UDP.
///
/// `udp_programs!(tokio::net::UdpSocket, |socket, bytes, to| socket.send_to(bytes, to))`: not all have the arguments in tokio's order.
#[macro_export]
macro_rules! udp_programs {
    ($($socket:ident)::+, |$s:ident, $bytes:ident, $to:ident| $send:expr) => {
        async fn udp_send($s: &$($socket)::+, $bytes: &[u8], $to: std::net::SocketAddr) {
            $send.await.expect("a datagram can be sent");
        }

        pub async fn udp_echo(socket: $($socket)::+, rounds: u64) {
            let mut datagram = [0; $crate::MESSAGE_BYTES];
            for _ in 0..rounds {
                let (count, client) = socket.recv_from(&mut datagram).await.expect("a datagram comes");
                udp_send(&socket, &datagram[..count], client).await;
            }
        }

        pub async fn udp_ping(socket: $($socket)::+, server: std::net::SocketAddr, rounds: u64) -> $crate::Done {
            let mut datagram = [7; $crate::MESSAGE_BYTES];
            let watch = $crate::Stopwatch::start();
            for _ in 0..rounds {
                udp_send(&socket, &datagram, server).await;
                socket.recv_from(&mut datagram).await.expect("the answer comes");
            }
            $crate::Done { count: rounds, taken: watch.elapsed() }
        }

        /// Counts datagrams until a shorter one comes, and answers it with the count.
        pub async fn udp_sink(socket: $($socket)::+) {
            let mut datagram = [0; $crate::MESSAGE_BYTES];
            let mut received = 0_u64;
            loop {
                let (count, client) = socket.recv_from(&mut datagram).await.expect("a datagram comes");
                if count < $crate::MESSAGE_BYTES {
                    return udp_send(&socket, &received.to_le_bytes(), client).await;
                }
                received += 1;
            }
        }
    };
}

/// The sender of W6's flood, where nothing is lost and what is sent last comes last.
///
/// `udp_flood!(tokio::net::UdpSocket)` defines `udp_flood`, beside what [`udp_programs!`] defines.
#[macro_export]
macro_rules! udp_flood {
    ($($socket:ident)::+) => {
        pub async fn udp_flood(socket: $($socket)::+, server: std::net::SocketAddr, datagrams: u64) -> $crate::Done {
            let watch = $crate::Stopwatch::start();
            for _ in 0..datagrams {
                udp_send(&socket, &[7; $crate::MESSAGE_BYTES], server).await;
            }
            udp_send(&socket, &[0], server).await;
            let mut answer = [0; 8];
            socket.recv_from(&mut answer).await.expect("the receiver says how many came");
            $crate::Done { count: u64::from_le_bytes(answer), taken: watch.elapsed() }
        }
    };
}
