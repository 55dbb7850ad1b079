//! `twinsock::net`: the standard library's shapes, over any world.

use crate::conformance;
use crate::support::scene::{dead_end, ip_of, own_ip, port_of};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Domain, Env, JoinThread};

fn listener<E: Env>(env: &E) -> (TcpListener<E>, SocketAddr) {
    let listener = TcpListener::bind(env, (own_ip(), 0)).expect("port 0 can be bound");
    let addr = listener.local_addr().expect("a listener has a name");
    (listener, addr)
}

fn pair<E: Env>(env: &E) -> (TcpStream<E>, TcpStream<E>) {
    let (listener, addr) = listener(env);
    let client = TcpStream::connect(env, addr).expect("the listener admits a connection");
    let (server, from) = listener.accept().expect("a connection waits");
    assert_eq!(from, client.local_addr().expect("a connection has a name"));
    (client, server)
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

conformance! {
    fn a_stream_reads_and_writes(env: &E) {
        let (mut client, mut server) = pair(env);
        client.write_all(b"request").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut request = String::new();
        server.read_to_string(&mut request).unwrap();
        assert_eq!(request, "request");
        server.write_all(b"response").unwrap();
        drop(server);
        let mut response = Vec::new();
        client.read_to_end(&mut response).unwrap();
        assert_eq!(response, b"response");
    }

    fn a_shared_stream_reads_and_writes_too(env: &E) {
        let (client, server) = pair(env);
        (&client).write_all(b"line one\nline two\n").unwrap();
        (&client).flush().unwrap();
        let mut lines = BufReader::new(&server).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "line one");
        assert_eq!(lines.next().unwrap().unwrap(), "line two");
    }

    fn names_are_those_of_std(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    }

    fn incoming_gives_connection_after_connection(env: &E) {
        let (listener, addr) = listener(env);
        let server = env.spawn(move || {
            for stream in listener.incoming().take(3) {
                let mut stream = stream.unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                stream.write_all(&[byte[0] + 1]).unwrap();
            }
        });
        for number in 0..3 {
            let mut client = TcpStream::connect(env, addr).unwrap();
            client.write_all(&[number]).unwrap();
            let mut answer = [0];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [number + 1]);
        }
        server.join().unwrap();
    }

    fn an_address_may_be_text_or_a_tuple_or_a_list(env: &E) {
        let (listener, addr) = listener(env);
        assert!(TcpStream::connect(env, addr.to_string().as_str()).is_ok());
        assert!(TcpStream::connect(env, (addr.ip(), addr.port())).is_ok());
        assert!(TcpStream::connect(env, (addr.ip().to_string().as_str(), addr.port())).is_ok());
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let nobody = SocketAddr::new(ip_of(&nobody), port_of(&nobody));
        assert!(TcpStream::connect(env, &[nobody, addr][..]).is_ok(), "the second where the first refuses");
        assert_eq!(kind(TcpStream::connect(env, "no port")), Some(ErrorKind::InvalidInput));
        drop(listener);
    }

    fn localhost_has_an_address(env: &E) {
        let listener = TcpListener::bind(env, (Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(env, ("localhost", port)).unwrap();
        assert_eq!(client.peer_addr().unwrap(), SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }

    fn the_end_comes_too_early_for_read_exact(env: &E) {
        let (mut client, mut server) = pair(env);
        client.write_all(b"ab").unwrap();
        drop(client);
        assert_eq!(kind(server.read_exact(&mut [0; 3])), Some(ErrorKind::UnexpectedEof));
    }

    fn a_clone_is_the_same_stream(env: &E) {
        let (client, mut server) = pair(env);
        let mut twin = client.try_clone().unwrap();
        twin.write_all(b"x").unwrap();
        drop(twin);
        let mut byte = [0];
        server.read_exact(&mut byte).unwrap();
        (&client).write_all(b"y").unwrap();
        server.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"y", "still open");
        drop(client);
        assert_eq!(server.read(&mut byte).unwrap(), 0);
    }

    fn timeouts_are_as_in_std(env: &E) {
        let (client, _server) = pair(env);
        assert_eq!(client.read_timeout().unwrap(), None);
        assert_eq!(kind(client.set_read_timeout(Some(Duration::ZERO))), Some(ErrorKind::InvalidInput));
        client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        client.set_write_timeout(Some(Duration::from_millis(1500))).unwrap();
        assert_eq!(client.read_timeout().unwrap(), Some(Duration::from_millis(20)));
        assert_eq!(client.write_timeout().unwrap(), Some(Duration::from_millis(1500)));
        let start = env.clock_ticks();
        assert_eq!(kind((&client).read(&mut [0])), Some(ErrorKind::WouldBlock));
        assert!(env.clock_ticks().since(start) >= Duration::from_millis(20));
        client.set_read_timeout(None).unwrap();
        assert_eq!(client.read_timeout().unwrap(), None);
    }

    fn options_are_as_in_std(env: &E) {
        let (client, _server) = pair(env);
        assert!(!client.nodelay().unwrap());
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        assert_eq!(client.linger().unwrap(), None);
        client.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::from_secs(3)));
        client.set_linger(None).unwrap();
        assert_eq!(client.linger().unwrap(), None);
        assert!(client.take_error().unwrap().is_none());
    }

    fn a_listener_can_be_bound_again_at_once(env: &E) {
        // As std does, TcpListener sets SO_REUSEADDR: connections in TIME-WAIT do not keep a server from its port.
        let (listener, addr) = listener(env);
        let client = TcpStream::connect(env, addr).unwrap();
        let (server, _) = listener.accept().unwrap();
        drop(server);
        drop(listener);
        assert_eq!((&client).read(&mut [0]).unwrap(), 0);
        drop(client);
        let again = TcpListener::bind(env, addr).unwrap();
        assert_eq!(again.local_addr().unwrap(), addr);
    }

    fn peek_leaves_the_bytes(env: &E) {
        let (mut client, mut server) = pair(env);
        client.write_all(b"x").unwrap();
        let mut byte = [0];
        assert_eq!(server.peek(&mut byte).unwrap(), 1);
        assert_eq!(server.read(&mut byte).unwrap(), 1);
        assert_eq!(&byte, b"x");
    }

    fn a_nonblocking_stream_would_block(env: &E) {
        let (client, server) = pair(env);
        server.set_nonblocking(true).unwrap();
        assert_eq!(kind((&server).read(&mut [0])), Some(ErrorKind::WouldBlock));
        let (listener, _) = listener(env);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(kind(listener.accept()), Some(ErrorKind::WouldBlock));
        drop(client);
    }

    fn connect_timeout_connects_and_refuses_in_time(env: &E) {
        let (_listener, addr) = listener(env);
        let stream = TcpStream::connect_timeout(env, &addr, Duration::from_secs(20)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        assert_eq!(env.nonblocking(stream.owned()), Ok(false), "blocking again");
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let nobody = SocketAddr::new(ip_of(&nobody), port_of(&nobody));
        let refused = TcpStream::connect_timeout(env, &nobody, Duration::from_secs(20));
        assert_eq!(kind(refused), Some(ErrorKind::ConnectionRefused));
        let no_time = TcpStream::connect_timeout(env, &addr, Duration::ZERO);
        assert_eq!(kind(no_time), Some(ErrorKind::InvalidInput));
    }
}
