//! What local sockets carry beside data, `unix(7)`: descriptors and credentials.

use crate::conformance;
use crate::support::files::{World, abstract_name};
use crate::support::rights::{pass, take};
use crate::support::scene;
use crate::support::sock::Sock;
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts as c;
use twinsock::control::{ControlMessage, RecvControl, SendControl, space};
use twinsock::option::{Credentials, OptionValue};
use twinsock::{Errno, MsgFlags, Result, Type};

fn credentials<E: World>(from: &Sock<E>) -> Option<Credentials> {
    let (mut bytes, mut control) = ([0; 64], RecvControl::new(space(12)));
    from.env
        .recvmsg(&from.socket, &mut [IoSliceMut::new(&mut bytes)], Some(&mut control), MsgFlags::NONE)
        .expect("a message came");
    control
        .drain()
        .find_map(|message| if let ControlMessage::Credentials(credentials) = message { Some(credentials) } else { None })
}

fn peercred<E: World>(socket: &Sock<E>) -> Credentials {
    let bytes = socket.get_bytes(c::SOL_SOCKET, c::SO_PEERCRED, 12).unwrap();
    Credentials::decode(&bytes).unwrap()
}

fn claim<E: World>(over: &Sock<E>, credentials: Credentials) -> Result<usize> {
    let mut control = SendControl::new();
    control.credentials(credentials);
    over.env.sendmsg(&over.socket, &[IoSlice::new(b"m")], Some(&control), None, MsgFlags::NONE)
}

conformance! {
    fn a_socket_that_is_passed_is_the_same_socket(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            let (client, server) = scene::pair(env);
            server.set_nonblocking(true);
            assert_eq!(pass(&a, b"!", &[&server]), Ok(1));
            server.close().unwrap();
            client.send_all(b"to whoever has it");
            let (data, sockets, flags) = take(&b, space(4), MsgFlags::NONE);
            assert_eq!((data, sockets.len(), flags.without(MsgFlags::CMSG_CLOEXEC)), (b"!".to_vec(), 1, MsgFlags::NONE));
            sockets[0].wait(twinsock::PollEvents::IN);
            assert_eq!(sockets[0].recv(99), Ok(b"to whoever has it".to_vec()));
            assert_eq!(sockets[0].nonblocking(), Ok(true), "O_NONBLOCK is of the file");
            drop(sockets);
            assert_eq!(client.recv(1), Ok(vec![]), "that was the last descriptor");
        }
    }

    fn descriptors_go_with_their_bytes(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let (x, _y) = Sock::unix_pair(env, Type::STREAM);
        a.send_all(b"before");
        pass(&a, b"with", &[&x]).unwrap();
        a.send_all(b"after");
        let (data, sockets, _) = take(&b, space(4), MsgFlags::NONE);
        assert_eq!((data, sockets.len()), (b"beforewith".to_vec(), 1), "a read ends with the message that brings them");
        assert_eq!(b.recv(9), Ok(b"after".to_vec()));
        assert_eq!(pass(&a, b"", &[&x]), Ok(0));
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN), "nothing carries nothing");
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        assert_eq!(pass(&a, b"", &[&x]), Ok(0));
        assert_eq!(take(&b, space(4), MsgFlags::NONE).1.len(), 1, "an empty datagram does");
    }

    fn a_peek_gives_descriptors_of_its_own(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        let (x, y) = Sock::unix_pair(env, Type::STREAM);
        pass(&a, b"m", &[&y]).unwrap();
        y.close().unwrap();
        let peeked = take(&b, space(4), MsgFlags::PEEK).1;
        let taken = take(&b, space(4), MsgFlags::NONE).1;
        assert_eq!((peeked.len(), taken.len()), (1, 1));
        drop(taken);
        assert_eq!(x.send(b"held"), Ok(4));
        drop(peeked);
        assert_eq!(x.send(b"gone"), Err(Errno::PIPE));
    }

    fn a_message_carries_so_many_descriptors(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        assert_eq!(pass(&a, b"m", &[&a; 254]), Err(Errno::INVAL));
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN));
        assert_eq!(pass(&a, b"m", &[&a; 253]), Ok(1));
        assert_eq!(take(&b, space(4 * 253), MsgFlags::NONE).1.len(), 253);
    }

    fn a_queue_that_goes_lets_its_descriptors_go(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let (x, y) = Sock::unix_pair(env, Type::STREAM);
        pass(&a, b"m", &[&y]).unwrap();
        y.close().unwrap();
        assert_eq!(x.send(b"held"), Ok(4), "a message in flight keeps its sockets");
        a.close().unwrap();
        assert_eq!(x.send(b"held"), Ok(4));
        b.close().unwrap();
        assert_eq!(x.send(b"gone"), Err(Errno::PIPE));
    }

    fn sockets_that_hold_each_other_are_found(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let (client, server) = scene::pair(env);
        pass(&a, b"m", &[&a, &b, &server]).unwrap();
        pass(&b, b"m", &[&a, &b]).unwrap();
        drop((a, b, server));
        // Linux looks for them when any local socket is freed, and collects them a little later.
        drop(Sock::unix(env, Type::STREAM));
        assert_eq!(client.recv(1), Ok(vec![]), "the connection in a lost queue is closed");
    }

    fn credentials_are_told_to_those_who_ask(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            let me = peercred(&a);
            assert!(me.pid > 0);
            a.send(b"m").unwrap();
            assert_eq!(credentials(&b), None);
            b.set(c::SOL_SOCKET, c::SO_PASSCRED, 1).unwrap();
            a.send(b"m").unwrap();
            assert_eq!(credentials(&b), Some(me));
            assert_eq!(claim(&a, me), Ok(1), "the truth may be told");
            assert_eq!(credentials(&b), Some(me));
            let lie = claim(&a, Credentials { pid: 99_999_999, ..me });
            assert!(lie == Err(Errno::SRCH) || lie == Err(Errno::PERM), "a lie may not: {lie:?}");
        }
    }

    fn the_peer_of_a_connection_is_who_listened_or_connected(env: &E) {
        let name = abstract_name();
        let listener = Sock::unix(env, Type::STREAM);
        assert_eq!(peercred(&listener), Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX });
        listener.bind(&name).unwrap();
        listener.listen(1).unwrap();
        let client = Sock::unix(env, Type::STREAM);
        client.connect(&name).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (pair, _) = Sock::unix_pair(env, Type::STREAM);
        let me = peercred(&pair);
        assert_eq!([peercred(&client), peercred(&server), peercred(&listener)], [me; 3]);
        assert_eq!(Sock::unix(env, Type::DGRAM).get_bytes(c::SOL_SOCKET, c::SO_PEERGROUPS, 64), Err(Errno::NODATA));
    }

    fn an_unknown_control_message_is_invalid_on_level_sol_socket_alone(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let send = |level, kind| {
            let mut control = SendControl::new();
            control.raw(level, kind, &[0; 4]).unwrap();
            env.sendmsg(&a.socket, &[IoSlice::new(b"m")], Some(&control), None, MsgFlags::NONE)
        };
        assert_eq!(send(c::SOL_SOCKET, 77), Err(Errno::INVAL));
        assert_eq!(send(c::SOL_IP, c::IP_TTL), Ok(1));
        assert_eq!(b.recv(9), Ok(b"m".to_vec()));
    }
}
