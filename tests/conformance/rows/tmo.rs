//! TMO: blocking modes, timeouts, signals.

use crate::conformance;
use crate::support::files::World;
use crate::support::scene::{dead_end, ip_of, listener, own_ip, pair, pattern, port_of, small_pair};
use crate::support::sock::Sock;
use crate::support::wait::Waiting;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Domain, Errno, MsgFlags, PollEvents, Protocol, SockFlags, Socket, Type};
use twinsock_sim::Signal;

const SHORT: Duration = Duration::from_millis(20);
const SHORT_MICROS: i64 = 20_000;

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// A connection in the shapes of std.
fn streams<E: World>(env: &E) -> (TcpStream<E>, TcpStream<E>) {
    let listener = TcpListener::bind(env, (own_ip(), 0)).expect("port 0 can be bound");
    let client = TcpStream::connect(env, listener.local_addr().expect("a listener has a name")).expect("it admits a connection");
    (client, listener.accept().expect("a connection waits").0)
}

/// Sends the thread that calls a signal until the call ends; its answer.
fn interrupted<E: World, T: Send + 'static>(env: &E, signal: Signal, call: impl FnOnce() -> T + Send + 'static) -> T {
    let waiting = Waiting::start(env, call);
    loop {
        waiting.signal(signal);
        if let Some(answer) = waiting.answer_within(Duration::from_millis(5)) {
            return answer;
        }
    }
}

conformance! {
    fn tmo_01_a_timeout_bounds_recv_accept_and_recvfrom(env: &E) {
        let (client, _server) = streams(env);
        client.set_read_timeout(Some(SHORT)).unwrap();
        let start = env.clock_ticks();
        assert_eq!(kind((&client).read(&mut [0])), Some(ErrorKind::WouldBlock));
        assert!(env.clock_ticks().since(start) >= SHORT);

        let (listener, _) = listener(env);
        listener.set_timeout(c::SO_RCVTIMEO, 0, SHORT_MICROS).unwrap();
        let start = env.clock_ticks();
        assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
        assert!(env.clock_ticks().since(start) >= SHORT);

        let socket = UdpSocket::bind(env, (own_ip(), 0)).unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        let start = env.clock_ticks();
        assert_eq!(kind(socket.recv_from(&mut [0])), Some(ErrorKind::WouldBlock));
        assert!(env.clock_ticks().since(start) >= SHORT);
    }

    fn tmo_02_setblocking_is_for_every_call_until_it_is_taken_back(env: &E) {
        let (client, server) = pair(env);
        let (object, listener) = (Socket::from_owned(env, server.socket), Socket::from_owned(env, listener(env).0.socket));
        for socket in [&object, &listener] {
            socket.setblocking(false).unwrap();
        }
        assert_eq!(object.recv(1, MsgFlags::NONE), Err(Errno::AGAIN));
        assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
        object.setblocking(true).unwrap();
        let reader = Waiting::begun(env, move || object.recv(1, MsgFlags::NONE));
        client.send_all(b"x");
        assert_eq!(reader.answer(), Ok(b"x".to_vec()));
    }

    fn tmo_03_a_timeout_leaves_the_socket_as_good_as_before(env: &E) {
        let (client, mut server) = streams(env);
        server.set_read_timeout(Some(SHORT)).unwrap();
        let mut byte = [0];
        assert_eq!(kind(server.read(&mut byte)), Some(ErrorKind::WouldBlock));
        io::Write::write_all(&mut &client, b"x").unwrap();
        server.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    fn tmo_04_an_accepted_socket_blocks_whatever_its_listener_does(env: &E) {
        let (listener, addr) = listener(env);
        listener.set_nonblocking(true);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        listener.wait(PollEvents::IN);
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.nonblocking(), Ok(false));
        let reader = Waiting::begun(env, move || server.recv(1));
        client.send_all(b"x");
        assert_eq!(reader.answer(), Ok(b"x".to_vec()));
    }

    fn tmo_05_so_rcvtimeo_bounds_recv(env: &E) {
        let (_peer, local) = Sock::unix_pair(env, Type::STREAM);
        let (_client, server) = pair(env);
        for socket in [server, Sock::udp(env), local] {
            socket.set_timeout(c::SO_RCVTIMEO, 0, SHORT_MICROS).unwrap();
            for from in [false, true] {
                let start = env.clock_ticks();
                let answer = if from { socket.recv_from(1).map(drop) } else { socket.recv(1).map(drop) };
                assert_eq!(answer, Err(Errno::AGAIN));
                assert!(env.clock_ticks().since(start) >= SHORT);
            }
        }
    }

    fn tmo_06_so_sndtimeo_bounds_send(env: &E) {
        for (client, server) in [small_pair(env), Sock::unix_pair(env, Type::STREAM)] {
            let data = pattern(1 << 20);
            client.set_timeout(c::SO_SNDTIMEO, 0, SHORT_MICROS).unwrap();
            let start = env.clock_ticks();
            let mut sent = client.send(&data).expect("a part fits");
            assert!((1..data.len()).contains(&sent));
            assert!(env.clock_ticks().since(start) >= SHORT);
            // Acknowledgements may make a little more room; then nothing fits.
            let errno = loop {
                let start = env.clock_ticks();
                match client.send(&data[sent..]) {
                    Ok(more) => sent += more,
                    Err(errno) => {
                        assert!(env.clock_ticks().since(start) >= SHORT);
                        break errno;
                    }
                }
            };
            assert_eq!(errno, Errno::AGAIN);
            assert!(server.recv_exactly(sent) == data[..sent], "no byte is lost, changed or made up");
        }
    }

    fn tmo_07_socket_timeouts_do_not_bind_poll(env: &E) {
        let (_client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 0, 4000).unwrap();
        let start = env.now();
        assert_eq!(server.poll(PollEvents::IN, Some(SHORT)), PollEvents::NONE);
        assert!(env.now().since(start) >= SHORT);
    }

    fn tmo_08_so_rcvtimeo_does_not_delay_data(env: &E) {
        let (client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 1000, 0).unwrap();
        let reader = Waiting::begun(env, move || (server.recv(1), server.recv(1)));
        client.send_all(b"x");
        client.close().unwrap();
        assert_eq!(reader.answer(), (Ok(b"x".to_vec()), Ok(vec![])));
    }

    fn tmo_10_a_timeout_of_no_time_is_invalid_input(env: &E) {
        let (client, _server) = streams(env);
        let socket = UdpSocket::bind(env, (own_ip(), 0)).unwrap();
        let zero = Some(Duration::ZERO);
        assert_eq!(kind(client.set_read_timeout(zero)), Some(ErrorKind::InvalidInput));
        assert_eq!(kind(client.set_write_timeout(zero)), Some(ErrorKind::InvalidInput));
        assert_eq!(kind(socket.set_read_timeout(zero)), Some(ErrorKind::InvalidInput));
        assert_eq!(kind(socket.set_write_timeout(zero)), Some(ErrorKind::InvalidInput));
        assert_eq!(client.read_timeout().unwrap(), None, "nothing was set");
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let nobody = SocketAddr::new(ip_of(&nobody), port_of(&nobody));
        assert_eq!(kind(TcpStream::connect_timeout(env, &nobody, Duration::ZERO)), Some(ErrorKind::InvalidInput));
    }

    fn tmo_11_what_reads_until_it_has_all_goes_on_after_a_signal(env: &E) {
        for signal in [Signal::Interrupting, Signal::Restarting] {
            let (client, mut server) = streams(env);
            let waiting = Waiting::start(env, move || {
                let mut bytes = [0; 2];
                server.read_exact(&mut bytes).map(|()| bytes).map_err(|error| error.kind())
            });
            for part in [b"a", b"b"] {
                waiting.expect_waiting();
                waiting.signal(signal);
                waiting.expect_waiting();
                io::Write::write_all(&mut &client, part).unwrap();
            }
            assert_eq!(waiting.answer(), Ok(*b"ab"));
        }
    }

    fn tmo_12_a_signal_ends_a_call_that_does_not_begin_again(env: &E) {
        let (_client, server) = pair(env);
        assert_eq!(interrupted(env, Signal::Interrupting, move || server.recv(1)), Err(Errno::INTR));

        let (_client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 1000, 0).unwrap();
        assert_eq!(interrupted(env, Signal::Restarting, move || server.recv(1)), Err(Errno::INTR), "it has a timeout");

        let (client, server) = pair(env);
        let waiting = Waiting::start(env, move || server.recv(1));
        for _ in 0..3 {
            waiting.expect_waiting();
            waiting.signal(Signal::Restarting);
        }
        waiting.expect_waiting();
        client.send_all(b"x");
        assert_eq!(waiting.answer(), Ok(b"x".to_vec()), "it has begun again");
    }

    fn tmo_13_o_nonblock_is_shared_by_duplicates(env: &E) {
        let socket = Sock::tcp(env);
        let twin = socket.dup();
        socket.set_nonblocking(true);
        assert_eq!(twin.nonblocking(), Ok(true));
        twin.set_nonblocking(false);
        assert_eq!(socket.nonblocking(), Ok(false));
        socket.set_timeout(c::SO_RCVTIMEO, 3, 0).unwrap();
        assert_eq!(twin.get_bytes(c::SOL_SOCKET, c::SO_RCVTIMEO, 8), Ok(3i64.to_ne_bytes().to_vec()), "and so are the timeouts");
    }

    fn tmo_14_sock_nonblock_is_a_mode_and_not_part_of_the_type(env: &E) {
        let flags = SockFlags::NONBLOCK;
        let socket = Sock::open_with(env, Domain::INET, Type::STREAM, flags, Protocol::DEFAULT).unwrap();
        assert_eq!(socket.nonblocking(), Ok(true));
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_TYPE), Ok(c::SOCK_STREAM));
        assert_eq!(Sock::tcp(env).nonblocking(), Ok(false));
    }

    fn tmo_15_connect_does_not_wait_for_accept(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        // With nobody there to accept, this returns or hangs.
        assert_eq!(client.connect(&addr), Ok(()));
        assert_eq!(client.send(b"x"), Ok(1));
        let (server, from) = listener.accept().unwrap();
        assert_eq!(from, client.name());
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
    }

    fn tmo_16_accept_waits_for_a_connection(env: &E) {
        let (listener, addr) = listener(env);
        let waiting = Waiting::begun(env, move || listener.accept().map(|(server, from)| (server.peer_name(), from)));
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        assert_eq!(waiting.answer(), Ok((Ok(client.name()), client.name())));
    }
}
