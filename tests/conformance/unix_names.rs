//! Names of local sockets, `unix(7)`: paths, abstract names, and none.

use crate::conformance;
use crate::support::files::{Dir, World, abstract_name};
use crate::support::sock::Sock;
use twinsock::Domain;
use twinsock::consts as c;
use twinsock::{Errno, Protocol, SocketAddr, Type, UnixAddr};

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

conformance! {
    fn a_name_is_shown_as_it_was_bound(env: &E) {
        let dir = Dir::new(env);
        for addr in [dir.addr("a"), abstract_name()] {
            assert_eq!(bound(env, Type::STREAM, &addr).name(), addr);
        }
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
        }
        assert_eq!(open(Type::from_raw(4), 0), Err(Errno::SOCKTNOSUPPORT));
        let raw = Sock::open(env, Domain::UNIX, Type::from_raw(c::SOCK_RAW), Protocol::DEFAULT).unwrap();
        assert_eq!(raw.get(c::SOL_SOCKET, c::SO_TYPE), Ok(c::SOCK_DGRAM));
    }
}
