//! The classic socket object.

use crate::{Domain, Errno, MsgFlags, Os, Protocol, Result, Shutdown, Socket, SocketAddr, Type, consts, option};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

fn pair() -> (Socket<Os>, Socket<Os>) {
    Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT).expect("a socketpair")
}

#[test]
fn after_close_every_method_is_ebadf() {
    let (mut a, b) = pair();
    let file = a.makefile("w", -1).expect("a file");
    assert!(a.fileno() >= 0);
    assert_eq!(a.close(), Ok(()));
    assert_eq!(a.fileno(), -1);
    assert_eq!(format!("{a:?}"), "Socket(closed)");
    let addr = SocketAddr::inet(Ipv4Addr::LOCALHOST.into(), 1);
    let none = MsgFlags::NONE;
    assert_eq!(a.accept().err(), Some(Errno::BADF));
    assert_eq!(a.bind(&addr), Err(Errno::BADF));
    assert_eq!(a.close(), Err(Errno::BADF));
    assert_eq!(a.connect(&addr), Err(Errno::BADF));
    assert_eq!(a.getpeername(), Err(Errno::BADF));
    assert_eq!(a.getsockname(), Err(Errno::BADF));
    assert_eq!(a.getsockopt(consts::SOL_SOCKET, consts::SO_TYPE), Err(Errno::BADF));
    assert_eq!(a.getsockopt_bytes(consts::SOL_SOCKET, consts::SO_TYPE, 4), Err(Errno::BADF));
    assert_eq!(a.listen(1), Err(Errno::BADF));
    assert_eq!(a.makefile("r", -1).err(), Some(Errno::BADF));
    assert_eq!(a.recv(1, none), Err(Errno::BADF));
    assert_eq!(a.recv_into(&mut [0], none), Err(Errno::BADF));
    assert_eq!(a.recvfrom(1, none), Err(Errno::BADF));
    assert_eq!(a.recvfrom_into(&mut [0], none), Err(Errno::BADF));
    assert_eq!(a.send(b"x", none), Err(Errno::BADF));
    assert_eq!(a.sendto(b"x", none, &addr), Err(Errno::BADF));
    assert_eq!(a.setblocking(false), Err(Errno::BADF));
    assert_eq!(a.setsockopt(consts::SOL_SOCKET, consts::SO_KEEPALIVE, 1), Err(Errno::BADF));
    assert_eq!(a.setsockopt_bytes(consts::SOL_SOCKET, consts::SO_KEEPALIVE, &[0; 4]), Err(Errno::BADF));
    assert_eq!(a.shutdown(Shutdown::Both), Err(Errno::BADF));
    assert_eq!(a.option(option::SO_TYPE), Err(Errno::BADF));
    assert_eq!(a.set_option(option::SO_KEEPALIVE, true), Err(Errno::BADF));
    assert_eq!(a.as_raw_fd(), -1);
    assert_eq!(OwnedFd::try_from(a).err(), Some(Errno::BADF));
    assert_eq!(b.recv(1, MsgFlags::DONTWAIT), Err(Errno::AGAIN), "the file keeps the connection open");
    drop(file);
    assert_eq!(b.recv(1, none), Ok(vec![]));
}

#[test]
fn a_closed_socket_lends_a_descriptor_on_which_every_call_is_ebadf() {
    let (mut a, _b) = pair();
    assert_eq!(a.close(), Ok(()));
    let lent = a.as_fd();
    let copy = std::net::UdpSocket::from(lent.try_clone_to_owned().expect("a duplicate"));
    assert_eq!(copy.local_addr().err().and_then(|error| error.raw_os_error()), Some(libc::EBADF));
    assert_eq!(copy.send(b"x").err().and_then(|error| error.raw_os_error()), Some(libc::EBADF));
}

#[test]
fn recv_takes_no_more_than_it_is_asked_for() -> Result<()> {
    let (a, b) = pair();
    a.send(b"hello", MsgFlags::NONE)?;
    assert_eq!(b.recv(2, MsgFlags::NONE)?, b"he");
    assert_eq!(b.recvfrom(1 << 20, MsgFlags::NONE)?.0, b"llo");
    a.setblocking(false)?;
    assert_eq!(a.recv(1, MsgFlags::NONE), Err(Errno::AGAIN));
    Ok(())
}

#[test]
fn a_socket_becomes_std_s_and_comes_back() {
    let (a, b) = pair();
    let number = a.as_raw_fd();
    let std = std::os::unix::net::UnixStream::try_from(a).expect("open");
    assert_eq!(std.as_raw_fd(), number);
    let back = Socket::from(std);
    assert_eq!(back.send(b"x", MsgFlags::NONE), Ok(1));
    assert_eq!(b.recv(9, MsgFlags::NONE), Ok(b"x".to_vec()));
}
