//! POL: `poll(2)`: the mask of every state. Waiting for it, `select(2)` and `epoll(7)` are in `pol_waits.rs`.

use crate::conformance;
use crate::support::raw::{self, NEVER_OPEN};
use crate::support::scene::{FAMILIES, bound, fill, listener, pair, pair_of, reset_by_peer, small_pair, udp_orphan, udp_pair};
use crate::support::sock::{PATIENCE, Sock, poll_all};
use twinsock::consts as c;
use twinsock::raw::PollFd;
use twinsock::{Domain, Errno, PollEvents, Shutdown, Type};

const NOTHING: PollEvents = PollEvents::NONE;
const IN: PollEvents = PollEvents::IN;
const OUT: PollEvents = PollEvents::OUT;
const HUP: PollEvents = PollEvents::HUP;
const ERR: PollEvents = PollEvents::ERR;
const RDHUP: PollEvents = PollEvents::RDHUP;

conformance! {
    fn pol_01_a_socket_that_never_connected_is_writable_and_hung_up(env: &E) {
        for family in FAMILIES {
            assert_eq!(Sock::tcp_of(env, family).mask(), OUT | HUP);
            assert_eq!(bound(env, family).0.mask(), OUT | HUP);
        }
    }

    fn pol_02_a_listener_is_readable_while_a_connection_waits(env: &E) {
        let (listener, addr) = listener(env);
        assert_eq!(listener.mask(), NOTHING);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        listener.expect_mask(IN);
        listener.accept().unwrap();
        assert_eq!(listener.mask(), NOTHING);
    }

    fn pol_03_a_connection_is_writable_and_with_data_readable(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!((client.mask(), server.mask()), (OUT, OUT));
            client.send_all(b"x");
            server.expect_mask(IN | OUT);
            assert_eq!(client.mask(), OUT);
        }
    }

    fn pol_04_the_end_of_the_peers_stream_is_in_and_rdhup(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.expect_mask(IN | OUT | RDHUP);

        let (client, server) = pair(env);
        client.close().unwrap();
        server.expect_mask(IN | OUT | RDHUP);
    }

    fn pol_05_ones_own_end_of_reading_shows(env: &E) {
        let (socket, peer) = pair(env);
        socket.shutdown(Shutdown::Read).unwrap();
        assert_eq!(socket.mask(), IN | OUT | RDHUP);
        assert_eq!(peer.mask(), OUT, "and not to the peer");
    }

    fn pol_06_ones_own_end_of_writing_does_not_show(env: &E) {
        let (socket, peer) = pair(env);
        socket.shutdown(Shutdown::Write).unwrap();
        peer.expect_mask(IN | OUT | RDHUP);
        assert_eq!(socket.mask(), OUT, "a send would fail at once");
    }

    fn pol_07_when_both_streams_have_ended_both_sides_hang_up(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        client.expect_mask(IN | OUT | HUP | RDHUP);
        server.expect_mask(IN | OUT | HUP | RDHUP);
    }

    fn pol_08_ones_own_end_of_both_hangs_up_on_this_side(env: &E) {
        let (socket, peer) = pair(env);
        socket.shutdown(Shutdown::Both).unwrap();
        assert_eq!(socket.mask(), IN | OUT | HUP | RDHUP);
        peer.expect_mask(IN | OUT | RDHUP);
    }

    fn pol_09_a_reset_is_an_error_and_when_told_a_hang_up(env: &E) {
        for tell in [|socket: &Sock<E>| socket.recv(1).err(), |socket: &Sock<E>| socket.send(b"x").err(), Sock::take_error] {
            let socket = reset_by_peer(env);
            assert_eq!(socket.mask(), IN | OUT | ERR | HUP | RDHUP);
            assert_eq!(tell(&socket), Some(Errno::CONNRESET));
            assert_eq!(socket.mask(), IN | OUT | HUP | RDHUP);
        }
    }

    fn pol_10_a_reset_after_the_end_is_epipe(env: &E) {
        let (client, server) = pair(env);
        server.close().unwrap();
        client.wait(RDHUP);
        assert_eq!(client.send(b"x"), Ok(1));
        client.expect_mask(IN | OUT | ERR | HUP | RDHUP);
        assert_eq!(client.take_error(), Some(Errno::PIPE));
        assert_eq!(client.mask(), IN | OUT | HUP | RDHUP);
    }

    fn pol_11_a_full_buffer_is_not_writable(env: &E) {
        for (client, _server) in [small_pair(env), Sock::unix_pair(env, Type::STREAM), Sock::unix_pair(env, Type::DGRAM)] {
            fill(&client);
            // What was under way may still have made room.
            client.wait_for("a buffer that stays full", |client| {
                fill(client);
                client.mask() == NOTHING
            });
        }
    }

    fn pol_12_errors_and_hang_ups_are_reported_unasked(env: &E) {
        let socket = reset_by_peer(env);
        assert_eq!(socket.poll(NOTHING, Some(PATIENCE)), ERR | HUP);
        assert_eq!(Sock::tcp(env).poll(NOTHING, Some(PATIENCE)), HUP);
    }

    fn pol_13_a_closed_number_is_invalid(env: &E) {
        let (answer, entry) = raw::poll_of_a_closed_number(env);
        assert_eq!((answer, i32::from(entry.revents)), (Ok(1), c::POLLNVAL));
        assert_eq!(raw::select_of_a_closed_number(env), Err(Errno::BADF));
    }

    fn pol_14_a_negative_number_is_skipped(env: &E) {
        let skipped = PollFd { fd: -1, events: 1, revents: 7 };
        let mut alone = [skipped];
        assert_eq!(raw::poll(env, &mut alone, 0), Ok(0));
        assert_eq!(alone[0].revents, 0);
        let mut set = [skipped, PollFd { fd: NEVER_OPEN, events: 0, revents: 0 }];
        assert_eq!(raw::poll(env, &mut set, -1), Ok(1));
        assert_eq!(set.map(|entry| i32::from(entry.revents)), [0, c::POLLNVAL]);
    }

    fn pol_16_unread_data_is_reported_until_it_is_read(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        server.expect_mask(IN | OUT);
        assert_eq!(server.mask(), IN | OUT);
        server.recv(1).unwrap();
        assert_eq!(server.mask(), IN | OUT);
        server.recv(1).unwrap();
        assert_eq!(server.mask(), OUT);
    }

    fn pol_19_rdnorm_and_wrnorm_come_with_in_and_out(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        server.wait(IN);
        let all = PollEvents::RDNORM | PollEvents::WRNORM | PollEvents::RDBAND | PollEvents::WRBAND;
        assert_eq!(server.poll(all, Some(PATIENCE)), PollEvents::RDNORM | PollEvents::WRNORM);
    }

    fn pol_24_a_connected_udp_socket_shows_that_nobody_receives(env: &E) {
        let (socket, _) = udp_orphan(env, Domain::INET);
        assert_eq!(socket.mask(), OUT);
        socket.send(b"x").unwrap();
        socket.expect_mask(OUT | ERR);
        assert_eq!(socket.take_error(), Some(Errno::CONNREFUSED));
        assert_eq!(socket.mask(), OUT);
    }

    fn pol_25_a_connected_udp_socket_shows_its_own_shutdown(env: &E) {
        for (how, mask) in [(Shutdown::Read, IN | OUT | RDHUP), (Shutdown::Write, OUT), (Shutdown::Both, IN | OUT | HUP | RDHUP)] {
            let (socket, peer) = udp_pair(env, Domain::INET);
            socket.shutdown(how).unwrap();
            assert_eq!(socket.mask(), mask, "{how:?}");
            assert_eq!(peer.mask(), OUT);
        }
    }

    fn pol_26_a_local_stream_that_never_connected_is_writable_and_hung_up(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            assert_eq!(Sock::unix(env, kind).mask(), OUT | HUP);
        }
    }

    fn pol_27_a_local_stream_whose_peer_has_closed_is_hung_up(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        b.close().unwrap();
        assert_eq!(a.mask(), IN | OUT | HUP | RDHUP);
    }

    fn pol_28_a_local_stream_shows_the_shutdown_of_its_peer(env: &E) {
        for (how, mask) in [(Shutdown::Write, IN | OUT | RDHUP), (Shutdown::Read, OUT), (Shutdown::Both, IN | OUT | HUP | RDHUP)] {
            let (a, b) = Sock::unix_pair(env, Type::STREAM);
            b.shutdown(how).unwrap();
            assert_eq!(a.mask(), mask, "{how:?}");
        }
    }

    fn pol_29_a_local_stream_shows_its_own_shutdown(env: &E) {
        for (how, mask) in [(Shutdown::Read, IN | OUT | RDHUP), (Shutdown::Write, OUT), (Shutdown::Both, IN | OUT | HUP | RDHUP)] {
            let (a, _b) = Sock::unix_pair(env, Type::STREAM);
            a.shutdown(how).unwrap();
            assert_eq!(a.mask(), mask, "{how:?}");
        }
    }

    fn pol_30_a_local_datagram_socket_does_not_see_its_peer_go(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        assert_eq!(a.mask(), OUT);
        b.shutdown(Shutdown::Both).unwrap();
        assert_eq!(a.mask(), OUT);
        b.close().unwrap();
        assert_eq!(a.mask(), OUT);
    }

    fn pol_31_a_local_datagram_socket_shows_its_own_shutdown(env: &E) {
        let (a, _b) = Sock::unix_pair(env, Type::DGRAM);
        a.shutdown(Shutdown::Both).unwrap();
        assert_eq!(a.mask(), IN | OUT | HUP | RDHUP);
    }

    fn pol_34_poll_reports_all_that_are_ready_in_the_order_given(env: &E) {
        let (a_client, a) = pair(env);
        let (_b_client, b) = pair(env);
        let (c_client, third) = pair(env);
        a_client.send_all(b"x");
        c_client.send_all(b"x");
        a.wait(IN);
        third.wait(IN);
        let answers = poll_all(env, &[(&a, IN), (&b, IN), (&third, IN)], None);
        assert_eq!(answers, (2, vec![IN, NOTHING, IN]));
    }
}
