//! SIO, continued: calls on a stream that wait, what wakes them, and a stream over a path that loses.

use crate::conformance;
use crate::support::raw;
use crate::support::scene::{fill, pair, pattern, reset, small_pair};
use crate::support::sock::Sock;
use crate::support::wait::Waiting;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use twinsock::consts as c;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Errno, JoinThread, MsgFlags, PollEvents, Shutdown, Type};

/// More than the buffers of a connection hold, whatever their size.
const LARGE_BYTES: usize = 12 << 20;

conformance! {
    fn sio_19_a_blocking_send_returns_when_all_is_queued(env: &E) {
        let (client, server) = pair(env);
        let data = pattern(LARGE_BYTES);
        let writer = Waiting::begun(env, move || client.send(&data));
        assert!(server.recv_to_end() == pattern(LARGE_BYTES), "no byte is lost, changed or made up");
        assert_eq!(writer.answer(), Ok(LARGE_BYTES));
    }

    fn sio_20_a_blocking_send_that_the_peer_cuts_short_returns_its_part(env: &E) {
        let (client, server) = small_pair(env);
        let writer = env.spawn(move || {
            let first = client.send(&pattern(LARGE_BYTES));
            (first, client.send(b"x"), client.send(b"x"))
        });
        assert_eq!(server.recv_exactly(5000), pattern(5000));
        reset(server);
        let (first, second, third) = writer.join().unwrap();
        let part = first.expect("a part was queued before the reset");
        assert!((5000..LARGE_BYTES).contains(&part));
        assert_eq!((second, third), (Err(Errno::CONNRESET), Err(Errno::PIPE)));

        let ((a, b), data) = (Sock::unix_pair(env, Type::STREAM), pattern(LARGE_BYTES));
        let writer = Waiting::begun(env, move || (a.send(&data), a.send(b"x")));
        b.close().unwrap();
        let (first, second) = writer.answer();
        assert!(first.is_ok_and(|part| (1..LARGE_BYTES).contains(&part)));
        assert_eq!(second, Err(Errno::PIPE));
    }

    fn sio_23_msg_waitall_waits_for_the_full_length(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            client.send_all(b"ab");
            let reader = Waiting::begun(env, move || server.recv_with(4, MsgFlags::WAITALL));
            client.send_all(b"cd");
            assert_eq!(reader.answer(), Ok(b"abcd".to_vec()));
        }
    }

    fn sio_35_a_waiting_recv_is_woken_by_data_end_reset_and_its_own_shutdown(env: &E) {
        let wake = |act: fn(Sock<E>, &Sock<E>)| {
            let (client, server) = pair(env);
            let server = Arc::new(server);
            let waiting = Arc::clone(&server);
            let reader = Waiting::begun(env, move || waiting.recv(9));
            act(client, &server);
            reader.answer()
        };
        assert_eq!(wake(|client, _| client.send_all(b"x")), Ok(b"x".to_vec()));
        assert_eq!(wake(|client, _| client.shutdown(Shutdown::Write).unwrap()), Ok(vec![]));
        assert_eq!(wake(|client, _| client.close().unwrap()), Ok(vec![]));
        assert_eq!(wake(|client, _| reset(client)), Err(Errno::CONNRESET));
        for how in [Shutdown::Read, Shutdown::Both] {
            let (_client, server) = pair(env);
            let server = Arc::new(server);
            let waiting = Arc::clone(&server);
            let reader = Waiting::begun(env, move || waiting.recv(9));
            server.shutdown(how).unwrap();
            assert_eq!(reader.answer(), Ok(vec![]));
        }
    }

    fn sio_36_a_waiting_recv_outlives_its_descriptor(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            let (api, number) = (env.clone(), server.fd());
            let reader = Waiting::begun(env, move || raw::recv(&api, number));
            server.close().unwrap();
            reader.expect_waiting();
            client.send_all(b"late");
            assert_eq!(reader.answer(), Ok(b"late".to_vec()));
        }
    }

    fn sio_37_a_waiting_send_is_woken_by_its_own_shutdown(env: &E) {
        for (client, _server) in [small_pair(env), Sock::unix_pair(env, Type::STREAM)] {
            let (client, data) = (Arc::new(client), pattern(LARGE_BYTES));
            let waiting = Arc::clone(&client);
            let writer = Waiting::begun(env, move || (waiting.send(&data), waiting.send(b"x")));
            client.shutdown(Shutdown::Write).unwrap();
            let (first, second) = writer.answer();
            assert!(first.is_ok_and(|part| (1..LARGE_BYTES).contains(&part)), "the part that was queued");
            assert_eq!(second, Err(Errno::PIPE));
        }
    }

    fn sio_38_two_readers_share_a_stream_without_loss(env: &E) {
        let (client, server) = pair(env);
        let server = Arc::new(server);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let server = Arc::clone(&server);
                env.spawn(move || server.recv_to_end())
            })
            .collect();
        for number in 0..100u8 {
            client.send_all(&[number]);
        }
        client.close().unwrap();
        let mut all: Vec<u8> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<u8>>());
    }

    fn sio_39_both_directions_are_independent(env: &E) {
        const EACH_BYTES: usize = 1 << 20;
        let (client, server) = small_pair(env);
        let run = |socket: Sock<E>| {
            let socket = Arc::new(socket);
            let writer = Arc::clone(&socket);
            let writer = env.spawn(move || writer.send_all(&pattern(EACH_BYTES)));
            let reader = env.spawn(move || socket.recv_exactly(EACH_BYTES) == pattern(EACH_BYTES));
            (writer, reader)
        };
        let ends = [run(client), run(server)];
        for (writer, reader) in ends {
            writer.join().unwrap();
            assert!(reader.join().unwrap(), "no byte is lost, changed or made up");
        }
    }

    fn sio_40_a_full_buffer_is_writable_when_a_good_part_of_it_is_free(env: &E) {
        let (client, server) = Sock::unix_pair(env, Type::STREAM);
        let sent = fill(&client);
        assert_eq!(server.recv(1), Ok(sent[..1].to_vec()));
        assert_eq!(client.mask(), PollEvents::NONE, "not by a byte");
        assert!(server.recv_exactly(sent.len() - 1) == sent[1..]);
        assert_eq!(client.mask(), PollEvents::OUT);
    }

    fn sio_41_a_larger_so_sndbuf_lets_a_waiting_send_go_on(env: &E) {
        let (a, _b) = Sock::unix_pair(env, Type::DGRAM);
        a.set(c::SOL_SOCKET, c::SO_SNDBUF, 4608).unwrap();
        while a.send_with(&[7; 2000], MsgFlags::DONTWAIT).is_ok() {}
        let a = Arc::new(a);
        let waiting = Arc::clone(&a);
        let writer = Waiting::begun(env, move || waiting.send(&[7; 2000]));
        a.set(c::SOL_SOCKET, c::SO_SNDBUF, 200_000).unwrap();
        assert_eq!(writer.answer(), Ok(2000));
    }

    fn sio_45_write_all_delivers_everything_or_fails(env: &E) {
        let listener = TcpListener::bind(env, (crate::support::scene::own_ip(), 0)).unwrap();
        let addr: SocketAddr = listener.local_addr().unwrap();
        assert!(matches!(addr.ip(), IpAddr::V4(_)));
        let connect = || {
            let client = TcpStream::connect(env, addr).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let (mut client, mut server) = connect();
        let writer = env.spawn(move || client.write_all(&pattern(LARGE_BYTES)).map_err(|error| error.kind()));
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        assert!(all == pattern(LARGE_BYTES), "no byte is lost, changed or made up");
        assert_eq!(writer.join().unwrap(), Ok(()));

        let ((mut client, server), data) = (connect(), pattern(LARGE_BYTES));
        let writer = Waiting::begun(env, move || client.write_all(&data).map_err(|error| error.kind()));
        drop(server);
        assert_eq!(writer.answer(), Err(ErrorKind::ConnectionReset), "the peer had not read all");
    }

    fn sio_47_data_that_is_never_acknowledged_breaks_the_connection(env: &E) {
        let (client, server) = pair(env);
        client.set(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT, 300).unwrap();
        deafen(&server);
        let start = env.now();
        assert_eq!(client.send(b"lost"), Ok(4), "nobody knows yet");
        client.wait(PollEvents::ERR);
        assert!(env.now().since(start).as_millis() >= 300);
        assert_eq!(client.send(b"x"), Err(Errno::TIMEDOUT));
        assert_eq!(client.send(b"x"), Err(Errno::PIPE));
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(server.mask(), PollEvents::OUT, "nobody has told the peer");
    }

    fn sio_48_lost_segments_are_sent_again(env: &E) {
        let (client, server) = pair(env);
        let mut expected = Vec::new();
        for round in 0..3u8 {
            deafen(&server);
            for part in 0..5 {
                client.send_all(&[10 * round + part; 700]);
                expected.extend([10 * round + part; 700]);
            }
            assert_eq!(server.try_recv(1), Err(Errno::AGAIN), "all of it is lost");
            server.set(c::SOL_IP, c::IP_MINTTL, 0).unwrap();
            assert_eq!(server.recv_exactly(3500), expected[expected.len() - 3500..]);
        }
        client.close().unwrap();
        assert_eq!(server.recv(1), Ok(vec![]));
    }
}

/// From now on every segment that comes to the socket is dropped: packets over loopback have the usual 64 hops left, `ip(7)`.
fn deafen<E: crate::support::Env>(socket: &Sock<E>) {
    socket.set(c::SOL_IP, c::IP_MINTTL, 255).expect("IP_MINTTL can be set");
}
