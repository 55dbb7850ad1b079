//! `makefile`: a buffered file on a duplicate of a socket.

use crate::conformance;
use crate::support::scene::{pair, reset};
use crate::support::sock::Sock;
use std::io::{BufRead, Read, Write};
use twinsock::consts as c;
use twinsock::{Env, Errno, JoinThread, Socket};

/// A connection: a socket object, and the other end.
fn object_and_peer<E: Env>(env: &E) -> (Socket<E>, Sock<E>) {
    let (client, server) = pair(env);
    (Socket::from_owned(env, client.socket), server)
}

conformance! {
    fn a_file_that_does_both_sends_before_it_waits(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut file = socket.makefile("r+", -1).unwrap();
        file.write_all(b"question\n").unwrap();
        let answerer = env.spawn(move || {
            let question = peer.recv_exactly(9);
            peer.send_all(b"answer\n");
            question
        });
        assert_eq!(file.readline(), Ok(b"answer\n".to_vec()));
        assert_eq!(answerer.join().unwrap(), b"question\n");
    }

    fn a_failed_read_loses_nothing(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut file = socket.makefile("r", -1).unwrap();
        peer.send_all(b"half a ");
        socket.setblocking(false).unwrap();
        let errno = loop {
            // Until the bytes are there, and then until there are no more.
            if let Err(errno) = file.readline() {
                break errno;
            }
        };
        assert_eq!(errno, Errno::AGAIN);
        socket.setblocking(true).unwrap();
        peer.send_all(b"line\n");
        assert_eq!(file.readline(), Ok(b"half a line\n".to_vec()));
    }

    fn a_failed_write_loses_nothing(env: &E) {
        let (socket, peer) = object_and_peer(env);
        socket.setsockopt(c::SOL_SOCKET, c::SO_SNDBUF, 8192).unwrap();
        socket.setblocking(false).unwrap();
        let mut file = socket.makefile("w", 4096).unwrap();
        let mut written = Vec::new();
        let error = loop {
            let chunk = [u8::try_from(written.len() / 1000 % 256).unwrap(); 1000];
            match file.write(&chunk) {
                Ok(count) => written.extend_from_slice(&chunk[..count]),
                Err(error) => break error,
            }
        };
        assert_eq!(Errno::AGAIN, error);
        socket.setblocking(true).unwrap();
        let total = written.len();
        let reader = env.spawn(move || peer.recv_exactly(total));
        file.flush().unwrap();
        assert!(reader.join().unwrap() == written, "no byte is lost, changed or made up");
    }

    fn a_file_reads_as_any_reader_does(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut file = socket.makefile("r", 4).unwrap();
        peer.send_all(b"abcdefghij\nrest");
        peer.close().unwrap();
        let mut exact = [0; 3];
        file.read_exact(&mut exact).unwrap();
        assert_eq!(&exact, b"abc");
        let mut line = String::new();
        assert_eq!(file.read_line(&mut line).unwrap(), 8);
        assert_eq!(line, "defghij\n");
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"rest");
        assert_eq!(file.read(&mut [0; 9]).unwrap(), 0);
    }

    fn an_unbuffered_file_takes_no_more_than_is_asked(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut file = socket.makefile("r", 0).unwrap();
        peer.send_all(b"line\nrest");
        assert_eq!(file.readline(), Ok(b"line\n".to_vec()));
        assert_eq!(socket.recv(9, twinsock::MsgFlags::NONE), Ok(b"rest".to_vec()), "the socket has what the file left");
    }

    fn errors_of_the_connection_are_errors_of_the_file(env: &E) {
        let (socket, peer) = object_and_peer(env);
        let mut reader = socket.makefile("r", -1).unwrap();
        let mut writer = socket.makefile("w", 0).unwrap();
        reset(peer);
        assert_eq!(reader.readline(), Err(Errno::CONNRESET));
        assert_eq!(Errno::PIPE, writer.write(b"x").unwrap_err());
    }

    fn a_closed_file_fails(env: &E) {
        let (socket, _peer) = object_and_peer(env);
        let mut file = socket.makefile("r+", -1).unwrap();
        file.close().unwrap();
        assert_eq!(file.close(), Err(Errno::BADF));
        assert_eq!(file.readline(), Err(Errno::BADF));
        assert_eq!(Errno::BADF, file.write(b"x").unwrap_err());
        assert_eq!(file.fileno(), -1);
    }
}
