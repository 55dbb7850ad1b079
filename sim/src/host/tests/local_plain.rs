//! The file name space and plain files.

use super::local::STREAM;
use super::*;

#[test]
fn a_plain_file_is_written_and_read() {
    let (mut net, p, _) = Net::two();
    let host = &mut net.hosts[0];
    let fd = host.open(p.pid, b"/tmp/f", c::O_CREAT | c::O_RDWR, 0o644).unwrap();
    assert_eq!(host.open(p.pid, b"/tmp/f", c::O_CREAT | c::O_EXCL, 0), Err(Errno::EXIST));
    assert_eq!(net.call(p, Call::Write { fd, data: b"hello world" }), Ok(11));
    let mut into = [0; 5];
    assert_eq!(net.call(p, Call::Read { fd, into: &mut into }), Ok(0), "the offset is at the end");
    let again = net.hosts[0].open(p.pid, b"/tmp/f", c::O_RDONLY, 0).unwrap();
    assert_eq!(net.call(p, Call::Read { fd: again, into: &mut into }), Ok(5));
    assert_eq!(&into, b"hello");
    let mut left = 0;
    net.call(p, Call::Ioctl { fd: again, request: c::FIONREAD.cast_unsigned().into(), argument: &mut left }).unwrap();
    assert_eq!(left, 6);
    assert_eq!(net.call(p, Call::Write { fd: again, data: b"x" }), Err(Errno::BADF));
    net.hosts[0].unlink(p.pid, b"/tmp/f").unwrap();
    assert_eq!(net.call(p, Call::Read { fd: again, into: &mut into }), Ok(5), "an open file needs no name");
    let new = net.hosts[0].open(p.pid, b"/tmp/f", c::O_CREAT | c::O_WRONLY | c::O_APPEND, 0o600).unwrap();
    assert_eq!(net.call(p, Call::Fcntl { fd: new, command: c::F_GETFL, argument: 0 }), Ok(0o102_001));
    assert_eq!(net.call(p, Call::Read { fd: new, into: &mut into }), Err(Errno::BADF));
}

#[test]
fn a_plain_file_is_no_socket_and_always_ready() {
    let (mut net, p, _) = Net::two();
    let fd = net.hosts[0].open(p.pid, b"/tmp/f", c::O_CREAT | c::O_RDWR, 0o644).unwrap();
    assert_eq!(net.send(p, fd, b"x"), Err(Errno::NOTSOCK));
    assert_eq!(net.accept(p, fd), Err(Errno::NOTSOCK));
    assert_eq!(net.poll(p, fd), mask(&[IN, OUT]));
    let epfd = super::fd(net.call(p, Call::EpollCreate1 { flags: 0 }));
    let add = Call::EpollCtl { epfd, op: c::EPOLL_CTL_ADD, fd, event: Some(twinsock::raw::EpollEvent::default()) };
    assert_eq!(net.call(p, add), Err(Errno::PERM));
}

#[test]
fn opening_judges_the_path_and_the_mode() {
    let (mut net, p, _) = Net::two();
    let socket = net.local(p, STREAM);
    net.bind_local(p, socket, "/tmp/s").unwrap();
    let user = net.hosts[0].spawn_process(Credentials { uid: 7, gid: 7 });
    let host = &mut net.hosts[0];
    assert_eq!(host.open(p.pid, b"/tmp/s", c::O_RDWR, 0), Err(Errno::NXIO));
    assert_eq!(host.open(p.pid, b"/tmp", c::O_RDWR, 0), Err(Errno::ISDIR));
    assert_eq!(host.open(p.pid, b"/tmp/none", c::O_RDWR, 0), Err(Errno::NOENT));
    assert_eq!(host.open(p.pid, b"/tmp/f", 3, 0), Err(Errno::INVAL));
    host.mkdir(p.pid, b"/tmp/d", 0o700).unwrap();
    assert_eq!(host.access(user, b"/tmp/d/x"), Err(Errno::ACCES));
    assert_eq!(host.open(user, b"/tmp/d/x", c::O_CREAT, 0), Err(Errno::ACCES));
    let fd = host.open(user, b"/tmp/mine", c::O_CREAT | c::O_WRONLY, 0o400).unwrap();
    assert_eq!(host.open(user, b"/tmp/mine", c::O_WRONLY, 0), Err(Errno::ACCES));
    assert_eq!(host.open(user, b"/tmp/mine", c::O_RDONLY, 0), Ok(fd + 1));
    assert_eq!(host.unlink(user, b"/tmp/s"), Err(Errno::PERM), "the directory is sticky");
    host.rename(p.pid, b"/tmp/mine", b"/tmp/yours").unwrap();
    assert_eq!(host.access(p.pid, b"/tmp/yours"), Ok(()));
    host.chmod(p.pid, b"/tmp/yours", 0o666).unwrap();
    host.rmdir(p.pid, b"/tmp/d").unwrap();
    let umask = host.open(p.pid, b"/tmp/yours", c::O_RDWR | c::O_TRUNC, 0);
    assert!(umask.is_ok());
}
