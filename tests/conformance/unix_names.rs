//! Names of local sockets, `unix(7)`: paths, abstract names, and none.

use crate::conformance;
use crate::support::files::{Dir, World, abstract_name};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, SockFlags};
use twinsock::{Errno, Protocol, Result, SocketAddr, Type, UnixAddr};

fn bound<E: World>(env: &E, kind: Type, addr: &SocketAddr) -> Sock<E> {
    let socket = Sock::unix(env, kind);
    socket.bind(addr).expect("the name is free");
    socket
}

fn listener<E: World>(env: &E, kind: Type, addr: &SocketAddr) -> Sock<E> {
    let socket = bound(env, kind, addr);
    socket.listen(8).expect("a bound socket can listen");
    socket
}

fn connect<E: World>(env: &E, kind: Type, addr: &SocketAddr) -> Result<()> {
    Sock::unix(env, kind).connect(addr)
}

conformance! {
    fn a_name_is_shown_as_it_was_bound(env: &E) {
        let dir = Dir::new(env);
        for addr in [dir.addr("a"), abstract_name()] {
            assert_eq!(bound(env, Type::STREAM, &addr).name(), addr);
        }
        let unnamed = Sock::unix(env, Type::STREAM);
        assert_eq!(unnamed.name(), UnixAddr::Unnamed.into());
        assert_eq!(unnamed.peer_name(), Err(Errno::NOTCONN));
    }

    fn a_path_is_taken_while_its_file_is_there_even_without_its_socket(env: &E) {
        let dir = Dir::new(env);
        let addr = dir.addr("s");
        let first = bound(env, Type::STREAM, &addr);
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            assert_eq!(Sock::unix(env, kind).bind(&addr), Err(Errno::ADDRINUSE));
        }
        first.close().unwrap();
        assert!(env.exists(&dir.path("s")), "a socket's file outlives it");
        let second = Sock::unix(env, Type::STREAM);
        second.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        assert_eq!(second.bind(&addr), Err(Errno::ADDRINUSE), "SO_REUSEADDR does not matter");
        env.unlink(&dir.path("s")).unwrap();
        assert_eq!(second.bind(&addr), Ok(()));
        env.mkfile(&dir.path("f")).unwrap();
        assert_eq!(Sock::unix(env, Type::STREAM).bind(&dir.addr("f")), Err(Errno::ADDRINUSE), "a plain file is as good");
    }

    fn a_path_leads_somewhere_or_is_an_error(env: &E) {
        let dir = Dir::new(env);
        env.mkfile(&dir.path("f")).unwrap();
        let socket = Sock::unix(env, Type::STREAM);
        assert_eq!(socket.bind(&dir.addr("no/s")), Err(Errno::NOENT));
        assert_eq!(socket.bind(&dir.addr("f/s")), Err(Errno::NOTDIR));
        assert_eq!(socket.connect(&dir.addr("no")), Err(Errno::NOENT));
        assert_eq!(socket.connect(&dir.addr("f")), Err(Errno::CONNREFUSED), "a plain file is no socket");
        assert_eq!(socket.connect(&dir.addr("f/s")), Err(Errno::NOTDIR));
        env.mkdir(&dir.path("d")).unwrap();
        assert_eq!(socket.bind(&dir.addr("d/s")), Ok(()));
        assert_eq!(socket.bind(&dir.addr("other")), Err(Errno::INVAL), "it has a name");
        assert!(!env.exists(&dir.path("other")));
    }

    fn an_abstract_name_is_free_with_its_socket_and_of_each_type_apart(env: &E) {
        let addr = abstract_name();
        let stream = bound(env, Type::STREAM, &addr);
        let _dgram = bound(env, Type::DGRAM, &addr);
        assert_eq!(Sock::unix(env, Type::STREAM).bind(&addr), Err(Errno::ADDRINUSE));
        stream.close().unwrap();
        assert_eq!(Sock::unix(env, Type::STREAM).bind(&addr), Ok(()));
        assert_eq!(connect(env, Type::SEQPACKET, &addr), Err(Errno::CONNREFUSED));
    }

    fn no_name_asks_for_one(env: &E) {
        let socket = Sock::unix(env, Type::DGRAM);
        socket.bind(&UnixAddr::Unnamed.into()).unwrap();
        let name = socket.name();
        let SocketAddr::Unix(UnixAddr::Abstract(digits)) = &name else { panic!("{name} is not abstract") };
        assert!(digits.len() == 5 && digits.iter().all(u8::is_ascii_hexdigit), "{digits:?}");
        assert_eq!(socket.bind(&UnixAddr::Unnamed.into()), Ok(()), "again is no mistake");
        assert_eq!(socket.name(), name);
        assert_eq!(socket.bind(&abstract_name()), Err(Errno::INVAL));
    }

    fn a_stale_file_refuses_and_another_type_is_a_mistake(env: &E) {
        let dir = Dir::new(env);
        let (stale, dgram) = (dir.addr("stale"), dir.addr("dgram"));
        bound(env, Type::STREAM, &stale).close().unwrap();
        assert_eq!(connect(env, Type::STREAM, &stale), Err(Errno::CONNREFUSED));
        let _keep = bound(env, Type::DGRAM, &dgram);
        assert_eq!(connect(env, Type::STREAM, &dgram), Err(Errno::PROTOTYPE));
        let quiet = dir.addr("quiet");
        let _quiet = bound(env, Type::STREAM, &quiet);
        assert_eq!(connect(env, Type::STREAM, &quiet), Err(Errno::CONNREFUSED), "it does not listen");
    }

    fn names_of_other_families_are_invalid(env: &E) {
        let socket = Sock::unix(env, Type::STREAM);
        let inet: SocketAddr = std::net::SocketAddr::from(([127, 0, 0, 1], 80)).into();
        assert_eq!(socket.bind(&inet), Err(Errno::INVAL));
        assert_eq!(socket.connect(&inet), Err(Errno::INVAL));
        assert_eq!(socket.connect(&SocketAddr::Unspec), Err(Errno::INVAL));
        assert_eq!(Sock::tcp(env).bind(&UnixAddr::Abstract(vec![b'x'; 20]).into()), Err(Errno::AFNOSUPPORT));
    }

    fn both_ends_of_a_connection_are_named(env: &E) {
        let (name, mine) = (abstract_name(), abstract_name());
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let listener = listener(env, kind, &name);
            let unnamed = Sock::unix(env, kind);
            unnamed.connect(&name).unwrap();
            let (server, from) = listener.accept().unwrap();
            assert_eq!((from, server.name()), (UnixAddr::Unnamed.into(), name.clone()));
            assert_eq!(unnamed.peer_name(), Ok(name.clone()));
            unnamed.bind(&mine).unwrap();
            assert_eq!(server.peer_name(), Ok(mine.clone()), "a connected socket may still be bound");
        }
    }

    fn sockets_are_made_of_three_types(env: &E) {
        let open = |kind, protocol| Sock::open(env, Domain::UNIX, kind, Protocol::from_raw(protocol)).map(drop);
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            assert_eq!(open(kind, 0), Ok(()));
            assert_eq!(open(kind, 1), Ok(()), "PF_UNIX is a protocol of itself");
            assert_eq!(open(kind, 6), Err(Errno::PROTONOSUPPORT));
        }
        assert_eq!(open(Type::from_raw(4), 0), Err(Errno::SOCKTNOSUPPORT));
        let raw = Sock::open(env, Domain::UNIX, Type::from_raw(c::SOCK_RAW), Protocol::DEFAULT).unwrap();
        assert_eq!(raw.get(c::SOL_SOCKET, c::SO_TYPE), Ok(c::SOCK_DGRAM));
        let pair = env.socketpair(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT);
        assert_eq!(pair.map(drop), Err(Errno::OPNOTSUPP));
    }
}
