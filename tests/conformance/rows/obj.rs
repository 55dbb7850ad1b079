//! OBJ: descriptors, socket objects and files, and how long they live.

use crate::conformance;
use crate::support::files::World;
use crate::support::raw;
use crate::support::scene::{dead_end, join, listener, own_ip, pair};
use crate::support::sock::Sock;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use twinsock::consts as c;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Domain, Errno, JoinThread, MsgFlags, Protocol, Socket, Type};

const NONE: MsgFlags = MsgFlags::NONE;

/// A connection: a socket object, and the other end.
fn object_and_peer<E: World>(env: &E) -> (Socket<E>, Sock<E>) {
    let (client, server) = pair(env);
    (Socket::from_owned(env, client.socket), server)
}

conformance! {
    fn obj_01_fileno_is_a_small_integer_until_the_end(env: &E) {
        let (mut socket, _peer) = object_and_peer(env);
        assert!((0..1_000_000).contains(&socket.fileno()));
        socket.close().unwrap();
        assert_eq!(socket.fileno(), -1);
        assert!(socket.into_owned().is_none(), "there is nothing to give");
    }

    fn obj_02_a_descriptor_gets_the_lowest_free_number(env: &E) {
        env.own_descriptors();
        let sockets = [Sock::tcp(env), Sock::udp(env), Sock::unix(env, Type::STREAM)];
        let numbers = sockets.each_ref().map(Sock::fd);
        assert_eq!(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2]);
        let [first, second, third] = sockets;
        second.close().unwrap();
        first.close().unwrap();
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        assert_eq!([a.fd(), b.fd(), third.dup().fd()], [numbers[0], numbers[1], numbers[2] + 1]);
    }

    fn obj_03_a_descriptor_that_is_handed_out_stays_open(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let number = socket.fileno();
        let owned = socket.into_owned().expect("an open socket has a descriptor");
        assert_eq!(env.fileno(&owned), number);
        assert_eq!(env.send(&owned, b"x", NONE), Ok(1));
        assert_eq!(peer.recv(9), Ok(b"x".to_vec()));
    }

    fn obj_04_a_socket_of_a_descriptor_knows_what_it_is(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let again = Socket::from_owned(env, socket.into_owned().expect("an open socket has a descriptor"));
        let what = [c::SO_DOMAIN, c::SO_TYPE, c::SO_PROTOCOL].map(|name| again.getsockopt(c::SOL_SOCKET, name));
        assert_eq!(what, [Ok(c::AF_INET), Ok(c::SOCK_STREAM), Ok(c::IPPROTO_TCP)]);
        assert_eq!(again.getpeername(), Ok(peer.name()));
    }

    fn obj_05_a_duplicate_is_the_same_socket(env: &E) {
        let (client, server) = pair(env);
        let twin = client.dup();
        assert_ne!(twin.fd(), client.fd());
        assert_eq!(twin.name(), client.name());
        twin.send_all(b"a");
        client.send_all(b"b");
        assert_eq!(server.recv_exactly(2), b"ab");
        server.send_all(b"cd");
        assert_eq!(client.recv(1), Ok(b"c".to_vec()));
        assert_eq!(twin.recv(1), Ok(b"d".to_vec()));

        let readers: Vec<_> = [client, twin].into_iter().map(|socket| env.spawn(move || socket.recv_exactly(2))).collect();
        server.send_all(b"eeee");
        for reader in readers {
            assert_eq!(reader.join().unwrap(), b"ee", "also at the same time");
        }
    }

    fn obj_06_a_file_keeps_the_connection_open(env: &E) {
        let (mut socket, peer) = object_and_peer(env);
        let mut file = socket.makefile("r", -1).unwrap();
        socket.close().unwrap();
        assert_eq!(peer.try_recv(1), Err(Errno::AGAIN));
        peer.send_all(b"line\n");
        assert_eq!(file.readline(), Ok(b"line\n".to_vec()));
        file.close().unwrap();
        assert_eq!(peer.recv(1), Ok(vec![]));
    }

    fn obj_07_a_line_is_put_together_from_its_segments(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut file = socket.makefile("r", -1).unwrap();
        let reader = env.spawn(move || [file.readline(), file.readline(), file.readline(), file.readline()]);
        for part in [&b"on"[..], b"e\ntw", b"o", b"\nrest"] {
            peer.send_all(part);
        }
        peer.close().unwrap();
        let lines = reader.join().unwrap().map(Result::unwrap);
        assert_eq!(lines, [&b"one\n"[..], b"two\n", b"rest", b""], "at the end of the stream the rest, then nothing");
        drop(socket);
    }

    fn obj_08_what_is_written_goes_out_by_flush_close_and_drop(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut file = socket.makefile("w", -1).unwrap();
        file.write_all(b"a").unwrap();
        assert_eq!(peer.try_recv(9), Err(Errno::AGAIN), "buffered");
        file.flush().unwrap();
        assert_eq!(peer.recv(9), Ok(b"a".to_vec()));
        file.write_all(b"b").unwrap();
        file.close().unwrap();
        assert_eq!(peer.recv(9), Ok(b"b".to_vec()));
        let mut file = socket.makefile("w", -1).unwrap();
        file.write_all(b"c").unwrap();
        drop(file);
        assert_eq!(peer.recv(9), Ok(b"c".to_vec()));
    }

    fn obj_10_two_files_read_one_stream(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut files = [socket.makefile("r", 0).unwrap(), socket.makefile("r", 0).unwrap()];
        peer.send_all(b"abcd");
        for expected in [b"a", b"b", b"c", b"d"] {
            let mut byte = [0];
            assert_eq!(files[0].read(&mut byte).unwrap(), 1);
            assert_eq!(&byte, expected);
            files.swap(0, 1);
        }
    }

    fn obj_11_an_unbuffered_file_that_does_not_wait_says_that_nothing_is_there(env: &E) {
        let (socket, peer) = object_and_peer(env);
        socket.setblocking(false).unwrap();
        let mut file = socket.makefile("r", 0).unwrap();
        assert_eq!(file.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
        peer.send_all(b"x");
        socket.setblocking(true).unwrap();
        let mut byte = [0];
        assert_eq!(file.read(&mut byte).unwrap(), 1);
        assert_eq!(&byte, b"x");
    }

    fn obj_12_a_socket_ends_with_its_block(env: &E) {
        env.own_descriptors();
        let number = {
            let socket = Socket::new(env, Domain::INET, Type::STREAM, Protocol::DEFAULT).unwrap();
            assert!(raw::is_open(env, socket.fileno()));
            socket.fileno()
        };
        assert!(!raw::is_open(env, number));
    }

    fn obj_13_recv_into_fills_what_it_is_given_and_no_more(env: &E) {
        let (socket, peer) = object_and_peer(env);
        peer.send_all(b"abcdef");
        let mut bytes = *b"....";
        assert_eq!(socket.recv_into(&mut bytes[..3], NONE), Ok(3));
        assert_eq!(&bytes, b"abc.");
        let (count, _) = socket.recvfrom_into(&mut bytes[1..3], NONE).unwrap();
        assert_eq!((count, &bytes), (2, b"ade."));
    }

    fn obj_14_an_error_is_its_number(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let socket = Socket::new(env, Domain::INET, Type::STREAM, Protocol::DEFAULT).unwrap();
        let refused = socket.connect(&nobody).unwrap_err();
        assert_eq!((refused, refused.raw()), (Errno::CONNREFUSED, 111));
    }

    fn obj_15_every_descriptor_is_closed_by_exec(env: &E) {
        let (listener, addr) = listener(env);
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let epoll = Sock::of(env, env.epoll_create().unwrap());
        for socket in [&listener, &client, &server, &client.dup(), &a, &b, &epoll] {
            assert!(raw::closes_on_exec(socket));
        }
    }

    fn obj_16_vectored_io_fills_buffer_after_buffer(env: &E) {
        let listener = TcpListener::bind(env, (own_ip(), 0)).unwrap();
        let mut client = TcpStream::connect(env, listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(client.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"1"), IoSlice::new(b"23")]).unwrap(), 3);
        drop(client);
        let (mut first, mut second) = ([0; 1], [0; 9]);
        let mut buffers = [IoSliceMut::new(&mut []), IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(server.read_vectored(&mut buffers).unwrap(), 3);
        assert_eq!((&first[..], &second[..2]), (&b"1"[..], &b"23"[..]));
        assert_eq!(server.read_vectored(&mut [IoSliceMut::new(&mut second)]).unwrap(), 0, "the end");
    }
}
