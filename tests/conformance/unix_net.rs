//! `twinsock::net`: local sockets in the standard library's shapes.

use crate::conformance;
use crate::support::files::Dir;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;
use twinsock::JoinThread;
use twinsock::net::{UnixAddr, UnixDatagram, UnixListener, UnixStream};

fn kind<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

conformance! {
    fn a_unix_listener_serves_streams(env: &E) {
        let dir = Dir::new(env);
        let listener = UnixListener::bind(env, dir.path("s")).unwrap();
        let server = env.spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                let mut request = String::new();
                stream.read_to_string(&mut request).unwrap();
                stream.write_all(request.to_uppercase().as_bytes()).unwrap();
            }
        });
        for request in ["one", "two"] {
            let mut client = UnixStream::connect(env, dir.path("s")).unwrap();
            assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*dir.path("s")));
            client.write_all(request.as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, request.to_uppercase());
        }
        server.join().unwrap();
        assert_eq!(kind(UnixStream::connect(env, dir.path("s"))), Some(ErrorKind::ConnectionRefused));
        assert_eq!(kind(UnixListener::bind(env, dir.path("s"))), Some(ErrorKind::AddrInUse));
        assert_eq!(kind(UnixStream::connect(env, dir.path("none"))), Some(ErrorKind::NotFound));
    }

    fn a_unix_stream_times_out_peeks_and_says_who(env: &E) {
        let (mut a, mut b) = UnixStream::pair(env).unwrap();
        b.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        assert_eq!(kind(b.read(&mut [0])), Some(ErrorKind::WouldBlock));
        a.write_all(b"x").unwrap();
        let mut byte = [0];
        assert_eq!(b.peek(&mut byte).unwrap(), 1);
        assert_eq!(b.read(&mut byte).unwrap(), 1);
        assert!(a.local_addr().unwrap().is_unnamed());
        assert_eq!(a.peer_cred().unwrap(), b.peer_cred().unwrap());
        a.set_nonblocking(true).unwrap();
        assert_eq!(kind(a.read(&mut byte)), Some(ErrorKind::WouldBlock));
        drop(b);
        assert_eq!(kind(a.write_all(b"x")), Some(ErrorKind::BrokenPipe));
    }

    fn unix_datagrams_know_their_sender(env: &E) {
        let dir = Dir::new(env);
        let (a, b) = (UnixDatagram::bind(env, dir.path("a")).unwrap(), UnixDatagram::bind(env, dir.path("b")).unwrap());
        a.send_to(b"hello", dir.path("b")).unwrap();
        let mut bytes = [0; 9];
        let (len, from) = b.recv_from(&mut bytes).unwrap();
        assert_eq!((len, from.as_pathname()), (5, Some(&*dir.path("a"))));
        b.connect(dir.path("a")).unwrap();
        b.send(b"answer").unwrap();
        assert_eq!(a.recv(&mut bytes).unwrap(), 6);
        let unbound = UnixDatagram::unbound(env).unwrap();
        unbound.send_to(b"x", dir.path("a")).unwrap();
        assert!(a.recv_from(&mut bytes).unwrap().1.is_unnamed());
        assert_eq!(kind(unbound.send(b"x")), Some(ErrorKind::NotConnected));
    }

    fn a_unix_listener_may_have_an_abstract_name(env: &E) {
        let dir = Dir::new(env);
        // A directory of one's own makes a name of one's own.
        let name = UnixAddr::from_abstract_name(dir.path("x").as_os_str().as_encoded_bytes()).unwrap();
        let listener = UnixListener::bind_addr(env, &name).unwrap();
        let client = UnixStream::connect_addr(env, &name).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.local_addr().unwrap(), name);
        assert_eq!(client.peer_addr().unwrap().as_abstract_name(), name.as_abstract_name());
    }
}
