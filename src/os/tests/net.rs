//! The standard library's shapes.

use crate::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use crate::{Errno, MsgFlags, Os, SocketApi, UnixAddr};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

fn tcp() -> (TcpStream<Os>, TcpStream<Os>) {
    let listener = TcpListener::bind(&Os, "127.0.0.1:0").expect("any port");
    let client = TcpStream::connect(&Os, listener.local_addr().expect("bound")).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    (client, server)
}

/// An abstract name that no other test has.
fn abstract_name(test: &str) -> UnixAddr {
    UnixAddr::from_abstract_name(format!("twinsock-{test}-{}", std::process::id())).expect("short")
}

#[test]
fn a_stream_reads_writes_and_ends() -> io::Result<()> {
    let (client, server) = tcp();
    assert_eq!(client.peer_addr()?, server.local_addr()?);
    assert_eq!((&client).write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b"llo")])?, 5);
    assert_eq!((&client).write_vectored(&[IoSlice::new(b"")])?, 0);
    let mut bytes = [0; 3];
    assert_eq!(server.peek(&mut bytes)?, 3);
    let (mut first, mut second) = ([0; 1], [0; 9]);
    assert_eq!((&server).read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)])?, 5);
    assert_eq!((&server).read_vectored(&mut [])?, 0, "no room is no call");
    assert_eq!((&first, &second[..4]), (b"h", &b"ello"[..]));
    client.shutdown(Shutdown::Write)?;
    assert_eq!((&server).read(&mut bytes)?, 0);
    let mut clone = server.try_clone()?;
    drop(server);
    clone.write_all(b"bye")?;
    drop(clone);
    let mut text = String::new();
    (&client).read_to_string(&mut text)?;
    assert_eq!(text, "bye");
    Ok(())
}

#[test]
fn a_listener_accepts_without_end() -> io::Result<()> {
    let listener = TcpListener::bind(&Os, ("127.0.0.1", 0))?;
    let addr = listener.local_addr()?;
    let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(&Os, addr)).collect::<io::Result<_>>()?;
    for (client, server) in clients.iter().zip(&listener) {
        assert_eq!(client.local_addr()?, server?.peer_addr()?);
    }
    listener.set_nonblocking(true)?;
    assert_eq!(listener.incoming().next().expect("without end").err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
    assert_eq!(listener.ttl()?, 64);
    assert!(listener.take_error()?.is_none());
    let again = TcpListener::bind(&Os, addr).expect_err("in use");
    assert_eq!(Errno::ADDRINUSE, again);
    Ok(())
}

#[test]
fn options_read_as_they_were_set() -> io::Result<()> {
    let (client, _server) = tcp();
    assert!(!client.nodelay()?);
    client.set_nodelay(true)?;
    assert!(client.nodelay()?);
    client.set_ttl(9)?;
    assert_eq!(client.ttl()?, 9);
    assert_eq!(client.linger()?, None);
    client.set_linger(Some(Duration::from_secs(3)))?;
    assert_eq!(client.linger()?, Some(Duration::from_secs(3)));
    let time = Some(Duration::from_millis(20));
    client.set_read_timeout(time)?;
    client.set_write_timeout(time)?;
    assert_eq!((client.read_timeout()?, client.write_timeout()?), (time, time));
    assert_eq!((&client).read(&mut [0]).err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
    for zero in [client.set_read_timeout(Some(Duration::ZERO)), client.set_write_timeout(Some(Duration::ZERO))] {
        assert_eq!(zero.err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
    }
    client.set_read_timeout(None)?;
    assert_eq!(client.read_timeout()?, None);
    Ok(())
}

#[test]
fn connecting_is_refused_or_runs_out_of_time() -> io::Result<()> {
    let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let limit = Duration::from_secs(30);
    let stream = TcpStream::connect_timeout(&Os, &addr, limit)?;
    assert!(!Os.nonblocking(stream.owned())?);
    let zero = TcpStream::connect_timeout(&Os, &addr, Duration::ZERO).err().map(|error| error.kind());
    assert_eq!(zero, Some(ErrorKind::InvalidInput));
    drop((stream, listener));
    for refused in [TcpStream::connect(&Os, addr), TcpStream::connect_timeout(&Os, &addr, limit)] {
        assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::ConnectionRefused));
    }
    Ok(())
}

#[test]
fn names_are_resolved_and_addresses_tried_in_order() -> io::Result<()> {
    let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let dead = UdpSocket::bind(&Os, "127.0.0.1:0")?.local_addr()?;
    assert!(TcpStream::connect(&Os, ("localhost", addr.port())).is_ok());
    assert!(TcpStream::connect(&Os, format!("localhost:{}", addr.port())).is_ok());
    assert_eq!(TcpStream::connect(&Os, &[dead, addr][..])?.peer_addr()?, addr);
    for invalid in ["nothing", "localhost:", "localhost:70000"] {
        assert_eq!(invalid.to_socket_addrs(&Os).err().map(|error| error.kind()), Some(ErrorKind::InvalidInput), "{invalid}");
    }
    let none = TcpStream::connect(&Os, &[][..]).err().map(|error| error.kind());
    assert_eq!(none, Some(ErrorKind::InvalidInput));
    assert_eq!((Ipv6Addr::LOCALHOST, 7).to_socket_addrs(&Os)?.collect::<Vec<_>>(), ["[::1]:7".parse().expect("an address")]);
    assert_eq!(("::1", 7).to_socket_addrs(&Os)?.next(), "[::1]:7".to_socket_addrs(&Os)?.next());
    Ok(())
}

#[test]
fn datagrams_go_to_the_peer_or_to_an_address() -> io::Result<()> {
    let a = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    let b = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    let mut bytes = [0; 3];
    a.send_to(b"hello", b.local_addr()?)?;
    assert_eq!(b.peek_from(&mut bytes)?, (3, a.local_addr()?));
    assert_eq!(b.recv_from(&mut bytes)?, (3, a.local_addr()?));
    assert_eq!(Errno::DESTADDRREQ, a.send(b"x").expect_err("no peer"));
    a.connect(b.local_addr()?)?;
    assert_eq!(a.peer_addr()?, b.local_addr()?);
    a.send(b"ab")?;
    assert_eq!((b.peek(&mut bytes)?, b.recv(&mut bytes)?), (2, 2));
    let nowhere = a.send_to(b"x", &[][..]).err().map(|error| error.kind());
    assert_eq!(nowhere, Some(ErrorKind::InvalidInput));
    assert!(!a.broadcast()?);
    a.set_broadcast(true)?;
    assert!(a.broadcast()?);
    Ok(())
}

#[test]
fn multicast_options_are_those_of_std() -> io::Result<()> {
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let socket = UdpSocket::bind(&Os, "0.0.0.0:0")?;
    assert!(socket.multicast_loop_v4()?);
    socket.set_multicast_loop_v4(false)?;
    assert!(!socket.multicast_loop_v4()?);
    socket.set_multicast_ttl_v4(5)?;
    assert_eq!(socket.multicast_ttl_v4()?, 5);
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    assert_eq!(Errno::ADDRINUSE, socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).expect_err("joined already"));
    socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    assert_eq!(Errno::ADDRNOTAVAIL, socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).expect_err("left already"));
    Ok(())
}

#[test]
fn unix_streams_have_paths_abstract_names_or_none() -> io::Result<()> {
    let dir = std::env::temp_dir().join(format!("twinsock-net-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("socket");
    let listener = UnixListener::bind(&Os, &path)?;
    assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    let mut client = UnixStream::connect(&Os, &path)?;
    let (mut server, peer) = listener.accept()?;
    assert!(peer.is_unnamed());
    assert_eq!(server.peer_cred()?.pid, std::process::id().cast_signed());
    client.write_all(b"hello")?;
    client.shutdown(Shutdown::Write)?;
    let mut text = String::new();
    server.read_to_string(&mut text)?;
    assert_eq!(text, "hello");
    std::fs::remove_dir_all(&dir)?;
    assert_eq!(Errno::NOENT, UnixStream::connect(&Os, &path).expect_err("removed"));

    let name = abstract_name("stream");
    let listener = UnixListener::bind_addr(&Os, &name)?;
    let client = UnixStream::connect_addr(&Os, &name)?;
    assert_eq!(listener.incoming().next().expect("without end")?.local_addr()?, name);
    assert_eq!(client.peer_addr()?.as_abstract_name(), name.as_abstract_name());
    let long = UnixListener::bind(&Os, "x".repeat(108)).err().map(|error| error.kind());
    assert_eq!(long, Some(ErrorKind::InvalidInput));
    Ok(())
}

#[test]
fn unix_datagrams_come_with_a_name_or_without() -> io::Result<()> {
    let name = abstract_name("dgram");
    let a = UnixDatagram::bind_addr(&Os, &name)?;
    let b = UnixDatagram::unbound(&Os)?;
    let mut bytes = [0; 8];
    b.send_to_addr(b"x", &name)?;
    assert_eq!(a.peek_from(&mut bytes)?, (1, UnixAddr::Unnamed));
    assert_eq!(a.recv_from(&mut bytes)?, (1, UnixAddr::Unnamed));
    b.connect_addr(&name)?;
    b.send(b"yz")?;
    assert_eq!(a.recv(&mut bytes)?, 2);
    let (c, d) = UnixDatagram::pair(&Os)?;
    c.send(b"pair")?;
    assert_eq!((d.peek(&mut bytes)?, d.recv(&mut bytes)?), (4, 4));
    Ok(())
}

#[test]
fn types_convert_from_and_into_descriptors_and_std_s() -> io::Result<()> {
    let (client, mut server) = tcp();
    let number = client.as_raw_fd();
    assert_eq!(client.as_fd().as_raw_fd(), number);
    let std = std::net::TcpStream::from(client);
    let back = TcpStream::<Os>::from(std);
    let fd = OwnedFd::from(back);
    assert_eq!(fd.as_raw_fd(), number);
    server.write_all(b"x")?;
    let socket = crate::Socket::from(TcpStream::<Os>::from(fd));
    assert_eq!(socket.recv(9, MsgFlags::NONE)?, b"x");
    Ok(())
}

#[test]
fn debug_shows_addresses_and_number() -> io::Result<()> {
    let (client, server) = tcp();
    let text = format!("{client:?}");
    let (addr, peer, fd) = (client.local_addr()?, server.local_addr()?, client.as_raw_fd());
    assert_eq!(text, format!("TcpStream {{ addr: {addr}, peer: {peer}, fd: {fd} }}"));
    Ok(())
}
