//! What send and receive answer, flag by flag.

use super::*;
use crate::host::call::RecvRef;
use std::io::{IoSlice, IoSliceMut};
use twinsock::raw::SendHdr;

#[test]
fn a_stream_has_no_boundaries() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cdef")];
    assert_eq!(net.call(client, Call::Writev { fd: near, iov: &parts }), Ok(6));
    let hdr = SendHdr { name: None, iov: &parts, control: &[] };
    assert_eq!(net.call(client, Call::Sendmsg { fd: near, hdr: &hdr, flags: 0 }), Ok(6));
    let (mut a, mut b) = ([0; 5], [0; 5]);
    let mut into = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(net.call(server, Call::Readv { fd: far, iov: &mut into }), Ok(10));
    assert_eq!((&a, &b), (b"abcde", b"fabcd"));
    assert_eq!(net.recv(server, far), Ok(b"ef".to_vec()));
}

#[test]
fn reading_nothing() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    assert_eq!(net.call(server, Call::Read { fd: far, into: &mut [] }), Ok(0), "read does not look at the socket");
    assert_eq!(net.recv_with(server, far, 0, c::MSG_DONTWAIT), Err(Errno::AGAIN));
    net.send(client, near, b"x").unwrap();
    assert_eq!(net.recv_with(server, far, 0, 0), Ok(vec![]));
    assert_eq!(net.recv(server, far), Ok(b"x".to_vec()));
    assert_eq!(net.send(client, near, b""), Ok(0));
    net.shutdown(client, near, c::SHUT_WR).unwrap();
    assert_eq!(net.call(client, Call::Write { fd: near, data: b"" }), Err(Errno::PIPE));
}

#[test]
fn peek_leaves_and_trunc_discards() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.send(client, near, b"abc").unwrap();
    net.send(client, near, b"def").unwrap();
    assert_eq!(net.recv_with(server, far, 5, c::MSG_PEEK), Ok(b"abcde".to_vec()));
    assert_eq!(net.recv_with(server, far, 6, c::MSG_PEEK | c::MSG_WAITALL), Ok(b"abcdef".to_vec()));
    assert_eq!(net.recv_with(server, far, 2, c::MSG_TRUNC), Ok(vec![0, 0]));
    assert_eq!(net.recv(server, far), Ok(b"cdef".to_vec()));
    assert_eq!(net.recv_with(server, far, 2, c::MSG_ERRQUEUE), Err(Errno::AGAIN));
}

#[test]
fn a_peek_offset_moves_with_the_stream() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.send(client, near, b"abcdef").unwrap();
    net.set(server, far, c::SOL_SOCKET, c::SO_PEEK_OFF, 1).unwrap();
    assert_eq!(net.recv_with(server, far, 2, c::MSG_PEEK), Ok(b"bc".to_vec()));
    assert_eq!(net.get(server, far, c::SOL_SOCKET, c::SO_PEEK_OFF), Ok(3));
    assert_eq!(net.recv_with(server, far, 2, 0), Ok(b"ab".to_vec()));
    assert_eq!(net.recv_with(server, far, 2, c::MSG_PEEK), Ok(b"de".to_vec()));
    assert_eq!(net.recv_with(server, far, 2, c::MSG_PEEK | c::MSG_DONTWAIT), Ok(b"f".to_vec()));
    assert_eq!(net.recv_with(server, far, 2, c::MSG_PEEK | c::MSG_DONTWAIT), Err(Errno::AGAIN));
}

#[test]
fn urgent_data_is_read_out_of_band() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let oob = Call::Sendto { fd: near, data: b"abX", flags: c::MSG_OOB, addr: None };
    assert_eq!(net.call(client, oob), Ok(3));
    net.send(client, near, b"cd").unwrap();
    assert_eq!(net.poll(server, far), mask(&[IN, OUT, PollEvents::PRI]));
    let (mut byte, mut control) = ([0; 4], [0; 64]);
    let (mut name_len, mut control_len, mut flags) = (99, 99, 0);
    let hdr = RecvRef {
        name: &mut [],
        name_len: &mut name_len,
        iov: &mut [IoSliceMut::new(&mut byte)],
        control: &mut control,
        control_len: &mut control_len,
        flags: &mut flags,
    };
    assert_eq!(net.call(server, Call::Recvmsg { fd: far, hdr, flags: c::MSG_OOB }), Ok(1));
    assert_eq!((byte[0], name_len, control_len, flags), (b'X', 0, 0, c::MSG_OOB));
    assert_eq!(net.recv_with(server, far, 1, c::MSG_OOB), Err(Errno::INVAL));
    let wanted = c::MSG_WAITALL;
    assert_eq!(net.recv_with(server, far, 9, wanted), Ok(b"ab".to_vec()), "stops at the mark");
    let mut at_mark = 0;
    net.call(server, Call::Ioctl { fd: far, request: 0x8905, argument: &mut at_mark }).unwrap();
    assert_eq!(at_mark, 1);
    assert_eq!(net.recv(server, far), Ok(b"cd".to_vec()));
}

#[test]
fn writing_to_a_closed_peer_raises_sigpipe_the_second_time() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.close(server, far).unwrap();
    assert_eq!(net.send(client, near, b"x"), Ok(1));
    assert_eq!(net.poll(client, near), mask(&[IN, OUT, ERR, HUP, RDHUP]));
    assert_eq!(net.hosts[1].take_sigpipes(client.pid), 0);
    assert_eq!(net.send(client, near, b"x"), Err(Errno::PIPE));
    let quiet = Call::Sendto { fd: near, data: b"x", flags: c::MSG_NOSIGNAL, addr: None };
    assert_eq!(net.call(client, quiet), Err(Errno::PIPE));
    assert_eq!(net.hosts[1].take_sigpipes(client.pid), 1);
    assert_eq!(net.recv(client, near), Ok(vec![]));
}

#[test]
fn wrong_arguments_are_errors() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let too_many = vec![IoSlice::new(b""); 1025];
    let hdr = SendHdr { name: None, iov: &too_many, control: &[] };
    assert_eq!(net.call(client, Call::Sendmsg { fd: near, hdr: &hdr, flags: 0 }), Err(Errno::MSGSIZE));
    assert_eq!(net.call(client, Call::Writev { fd: near, iov: &too_many }), Err(Errno::INVAL));
    let stray = Call::Sendto { fd: near, data: b"x", flags: 0, addr: Some(&[9; 200]) };
    assert_eq!(net.call(client, stray), Err(Errno::INVAL));
    let elsewhere = Call::Sendto { fd: near, data: b"x", flags: 0, addr: Some(&[9; 20]) };
    assert_eq!(net.call(client, elsewhere), Ok(1), "a connected stream ignores the address");
    let mut cmsg = [0; 24];
    cmsg[..8].copy_from_slice(&20_u64.to_ne_bytes());
    cmsg[8..12].copy_from_slice(&c::SOL_SOCKET.to_ne_bytes());
    cmsg[12..16].copy_from_slice(&99_i32.to_ne_bytes());
    let hdr = SendHdr { name: None, iov: &[], control: &cmsg };
    assert_eq!(net.call(client, Call::Sendmsg { fd: near, hdr: &hdr, flags: 0 }), Err(Errno::INVAL));
    let (mut bytes, mut len) = ([0; 4], 4);
    let name = Some(Name { bytes: &mut bytes, len: &mut len });
    let mut into = [0; 4];
    assert_eq!(net.call(server, Call::Recvfrom { fd: far, into: &mut into, flags: 0, name }), Ok(1));
    assert_eq!(len, 0, "the sender of a stream has no address");
}

#[test]
fn a_never_connected_socket() {
    let (mut net, server, _) = Net::two();
    let fd = net.socket(server);
    assert_eq!(net.send(server, fd, b"x"), Err(Errno::PIPE));
    assert_eq!(net.recv(server, fd), Err(Errno::NOTCONN));
    assert_eq!(net.peername(server, fd), Err(Errno::NOTCONN));
    assert_eq!(net.sockname(server, fd), "0.0.0.0:0");
    assert_eq!(net.poll(server, fd), mask(&[OUT, HUP]));
}

#[test]
fn inq_tells_what_is_left() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set(server, far, c::SOL_TCP, c::TCP_INQ, 1).unwrap();
    net.send(client, near, b"abcdef").unwrap();
    let (mut data, mut control) = ([0; 4], [0; 64]);
    let (mut name_len, mut control_len, mut flags) = (0, 0, 0);
    let hdr = RecvRef {
        name: &mut [],
        name_len: &mut name_len,
        iov: &mut [IoSliceMut::new(&mut data)],
        control: &mut control,
        control_len: &mut control_len,
        flags: &mut flags,
    };
    assert_eq!(net.call(server, Call::Recvmsg { fd: far, hdr, flags: 0 }), Ok(4));
    assert_eq!((control_len, control[16]), (24, 2));
}
