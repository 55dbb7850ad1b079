//! ICMP errors on UDP sockets: the pending error and the error queue.

use crate::conformance;
use crate::support::scene::{FAMILIES, udp_bound, udp_orphan, with_port};
use crate::support::sock::{Epoll, Sock};
use twinsock::consts as c;
use twinsock::control::{ControlMessage, RecvControl};
use twinsock::{Domain, EpollFlags, Errno, JoinThread, MsgFlags, PollEvents, SocketAddr};

/// The level and option of a family's error queue.
fn recverr(domain: Domain) -> (i32, i32) {
    if domain == Domain::INET6 { (c::SOL_IPV6, c::IPV6_RECVERR) } else { (c::SOL_IP, c::IP_RECVERR) }
}

conformance! {
    fn an_error_comes_before_queued_datagrams(env: &E) {
        let ((peer, addr), (socket, own)) = (udp_bound(env, Domain::INET), udp_bound(env, Domain::INET));
        socket.connect(&addr).unwrap();
        peer.send_to(b"data", &own).unwrap();
        peer.close().unwrap();
        socket.send(b"x").unwrap();
        assert_eq!(socket.recv_with(9, MsgFlags::PEEK), Err(Errno::CONNREFUSED), "a peek takes the error too");
        assert_eq!(socket.recv(9), Ok(b"data".to_vec()));
    }

    fn a_blocked_receive_ends_with_the_error(env: &E) {
        let (socket, _) = udp_orphan(env, Domain::INET);
        let other = socket.dup();
        let reader = env.spawn(move || other.recv(9));
        // Whether the send comes first or the receive: the receive gets the error, since nobody else takes it.
        socket.send(b"x").unwrap();
        assert_eq!(reader.join().unwrap(), Err(Errno::CONNREFUSED));
    }

    fn with_recverr_an_unconnected_sender_hears_too(env: &E) {
        for family in FAMILIES {
            let (level, name) = recverr(family);
            let (gone, addr) = udp_bound(env, family);
            gone.close().unwrap();
            let (socket, _) = udp_bound(env, family);
            socket.set(level, name, 1).unwrap();
            assert_eq!(socket.send_to(b"lost", &addr), Ok(4));
            assert_eq!(socket.send_to(b"x", &addr), Err(Errno::CONNREFUSED));
        }
    }

    fn the_error_queue_tells_what_was_lost_and_who_says_so(env: &E) {
        for family in FAMILIES {
            let (level, name) = recverr(family);
            let (gone, addr) = udp_bound(env, family);
            gone.close().unwrap();
            let (socket, _) = udp_bound(env, family);
            socket.set(level, name, 1).unwrap();
            socket.send_to(b"lost", &addr).unwrap();
            let mut control = RecvControl::new(256);
            let (data, received) = socket.recv_message(99, &mut control, MsgFlags::ERRQUEUE).unwrap();
            assert_eq!((data, received.addr, received.flags.without(MsgFlags::CMSG_CLOEXEC)), (b"lost".to_vec(), addr.clone(), MsgFlags::ERRQUEUE));
            let messages: Vec<_> = control.drain().collect();
            let [ControlMessage::Raw { level: came_level, kind, data }] = &messages[..] else { panic!("one message, not {}", messages.len()) };
            assert_eq!((*came_level, *kind), (level, name));
            let error = i32::from_ne_bytes(*data.first_chunk().unwrap());
            let expected = if family == Domain::INET6 { [3, 1, 4] } else { [2, 3, 3] };
            assert_eq!((Errno::from_raw(error), &data[4..7]), (Errno::CONNREFUSED, &expected[..]));
            let offender = SocketAddr::decode(&data[16..]).unwrap();
            assert_eq!(offender, with_port(&addr, 0));
            drop(messages);
            assert_eq!(socket.take_error(), None, "the queue and the pending error go together");
            assert_eq!(socket.recv_message(9, &mut control, MsgFlags::ERRQUEUE).err(), Some(Errno::AGAIN));
        }
    }

    fn the_error_queue_is_never_waited_for(env: &E) {
        let (socket, _) = udp_bound(env, Domain::INET);
        let mut control = RecvControl::new(64);
        assert_eq!(socket.recv_message(9, &mut control, MsgFlags::ERRQUEUE).err(), Some(Errno::AGAIN));
    }

    fn an_error_in_the_queue_is_an_event(env: &E) {
        let (socket, _) = udp_orphan(env, Domain::INET);
        socket.set(c::SOL_IP, c::IP_RECVERR, 1).unwrap();
        let epoll = Epoll::new(env);
        epoll.add(&socket, EpollFlags::IN | EpollFlags::ET, 7).unwrap();
        assert_eq!(epoll.now(), []);
        socket.send(b"x").unwrap();
        assert_eq!(epoll.now(), [(EpollFlags::ERR, 7)]);
        assert_eq!(socket.take_error(), Some(Errno::CONNREFUSED));
        socket.expect_mask(PollEvents::OUT | PollEvents::ERR);
        socket.set(c::SOL_IP, c::IP_RECVERR, 0).unwrap();
        socket.expect_mask(PollEvents::OUT);
    }

    fn an_error_comes_from_the_address_that_was_meant(env: &E) {
        let (gone, addr) = udp_bound(env, Domain::INET);
        gone.close().unwrap();
        let socket = Sock::udp(env);
        socket.connect(&addr).unwrap();
        socket.set(c::SOL_IP, c::IP_RECVERR, 1).unwrap();
        socket.set(c::SOL_IP, c::IP_PKTINFO, 1).unwrap();
        socket.send(b"x").unwrap();
        let mut control = RecvControl::new(256);
        socket.recv_message(9, &mut control, MsgFlags::ERRQUEUE).unwrap();
        let messages: Vec<_> = control.drain().collect();
        let [ControlMessage::PacketInfo4(_), ControlMessage::Raw { kind: c::IP_RECVERR, .. }] = messages.as_slice() else {
            panic!("the address and the error were asked for, and {} messages came", messages.len())
        };
    }
}
