//! A process killed in every call that can block: it is unwound at once, its sockets are closed, its peers and the run go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use twinsock::raw::{EpollEvent, FdSet, PollFd, Syscalls};
use twinsock::sync::{Condvar, Mutex, channel};
use twinsock::{Clock, JoinThread, SocketAddr, Spawn, consts};
use twinsock_sim::{Net, Sim};

const SECOND: Duration = Duration::from_secs(1);

/// Puts a note into the log when it is dropped: the process has been unwound.
struct Note(Rc<RefCell<Vec<&'static str>>>);

impl Drop for Note {
    fn drop(&mut self) {
        self.0.borrow_mut().push("unwound");
    }
}

fn loopback(port: u16) -> Vec<u8> {
    SocketAddr::inet([127, 0, 0, 1].into(), port).encode().unwrap().as_bytes().to_vec()
}

fn tcp(net: Net) -> i32 {
    net.socket(consts::AF_INET, consts::SOCK_STREAM, 0).unwrap()
}

fn listener(net: Net) -> i32 {
    let fd = tcp(net);
    net.bind(fd, &loopback(80)).unwrap();
    net.listen(fd, 0).unwrap();
    fd
}

/// Two connected descriptors of one process.
fn pair(net: Net) -> (i32, i32) {
    let listener = listener(net);
    let client = tcp(net);
    net.connect(client, &loopback(80)).unwrap();
    let server = net.accept4(listener, None, 0).unwrap();
    net.close(listener).unwrap();
    (client, server)
}

/// Runs `block`, which never returns by itself, kills its process, and sees that nothing of it is left.
fn killed_in(block: impl FnOnce(Net) + 'static) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&log);
    let report = Sim::builder().run_here(|sim| {
        let host = sim.host("a");
        let victim = host.spawn("victim", move |net| {
            let _note = Note(Rc::clone(&seen));
            block(net);
            seen.borrow_mut().push("returned");
        });
        sim.run_for(SECOND);
        assert_eq!(*log.borrow(), Vec::<&str>::new(), "the call blocks");
        victim.kill();
        sim.run_for(SECOND);
        assert!(!victim.is_alive());
        // The port is free again, so the kernel has closed the victim's listener.
        host.spawn("successor", |net| {
            let listener = listener(net);
            net.close(listener).unwrap();
        });
    });
    report.unwrap();
    assert_eq!(*log.borrow(), ["unwound"]);
}

#[test]
fn in_accept() {
    killed_in(|net| {
        let listener = listener(net);
        net.accept4(listener, None, 0).unwrap();
    });
}

#[test]
fn in_connect() {
    killed_in(|net| {
        let _listener = listener(net);
        let first = tcp(net);
        net.connect(first, &loopback(80)).unwrap();
        // The queue is full now: the SYN is dropped.
        net.connect(tcp(net), &loopback(80)).unwrap();
    });
}

#[test]
fn in_recv() {
    killed_in(|net| {
        let (client, _server) = pair(net);
        net.recv(client, &mut [0; 10], 0).unwrap();
    });
}

#[test]
fn in_send() {
    killed_in(|net| {
        let (client, _server) = pair(net);
        loop {
            net.send(client, &[0; 65536], 0).unwrap();
        }
    });
}

#[test]
fn in_read_of_a_pipe() {
    killed_in(|net| {
        let [read, _write] = net.pipe2(0).unwrap();
        net.read(read, &mut [0; 10]).unwrap();
    });
}

#[test]
fn in_write_of_a_pipe() {
    killed_in(|net| {
        let [_read, write] = net.pipe2(0).unwrap();
        loop {
            net.write(write, &[0; 4096]).unwrap();
        }
    });
}

#[test]
fn in_recvfrom_of_a_datagram() {
    killed_in(|net| {
        let fd = net.socket(consts::AF_INET, consts::SOCK_DGRAM, 0).unwrap();
        net.bind(fd, &loopback(53)).unwrap();
        net.recvfrom(fd, &mut [0; 10], 0, None).unwrap();
    });
}

#[test]
fn in_recv_of_a_unix_socket() {
    killed_in(|net| {
        let [near, _far] = net.socketpair(consts::AF_UNIX, consts::SOCK_STREAM, 0).unwrap();
        net.recv(near, &mut [0; 10], 0).unwrap();
    });
}

#[test]
fn in_send_on_a_unix_socket() {
    killed_in(|net| {
        let [near, _far] = net.socketpair(consts::AF_UNIX, consts::SOCK_SEQPACKET, 0).unwrap();
        loop {
            net.send(near, &[0; 1000], 0).unwrap();
        }
    });
}

#[test]
fn in_poll() {
    killed_in(|net| {
        let mut fds = [PollFd { fd: listener(net), events: 1, revents: 0 }];
        net.poll(&mut fds, -1).unwrap();
    });
}

#[test]
fn in_select() {
    killed_in(|net| {
        let listener = listener(net);
        let mut set = FdSet::new();
        set.insert(listener);
        net.select(listener + 1, [Some(&mut set), None, None], None).unwrap();
    });
}

#[test]
fn in_epoll_wait() {
    killed_in(|net| {
        let epoll = net.epoll_create1(0).unwrap();
        let event = EpollEvent { events: 1, data: 0 };
        net.epoll_ctl(epoll, consts::EPOLL_CTL_ADD, listener(net), Some(event)).unwrap();
        net.epoll_wait(epoll, &mut [EpollEvent::default(); 4], -1).unwrap();
    });
}

#[test]
fn in_a_lingering_close() {
    killed_in(|net| {
        let (client, _server) = pair(net);
        let mut linger = 1_i32.to_ne_bytes().to_vec();
        linger.extend(1000_i32.to_ne_bytes());
        net.setsockopt(client, consts::SOL_SOCKET, consts::SO_LINGER, &linger).unwrap();
        while net.send(client, &[0; 65536], consts::MSG_DONTWAIT).is_ok() {}
        net.close(client).unwrap();
    });
}

#[test]
fn in_sleep() {
    killed_in(|net| net.sleep(1000 * SECOND));
}

#[test]
fn in_join() {
    killed_in(|net| {
        let thread = net.spawn(move || net.sleep(1000 * SECOND));
        thread.join().unwrap();
    });
}

#[test]
fn in_lock() {
    killed_in(|net| {
        let mutex = Arc::new(Mutex::new(&net, ()));
        let other = Arc::clone(&mutex);
        net.spawn(move || {
            let _held = other.lock();
            net.sleep(1000 * SECOND);
        });
        net.sleep(SECOND / 2);
        drop(mutex.lock());
    });
}

#[test]
fn in_a_condition_variable() {
    killed_in(|net| {
        let (mutex, condvar) = (Mutex::new(&net, ()), Condvar::new(&net));
        drop(condvar.wait(mutex.lock()));
    });
}

#[test]
fn in_a_channel() {
    killed_in(|net| {
        let (_sender, receiver) = channel::<_, ()>(&net);
        receiver.recv().unwrap();
    });
}

#[test]
fn while_a_destructor_needs_a_lock_that_another_thread_holds() {
    struct CountsItself(Arc<Mutex<Net, u32>>);
    impl Drop for CountsItself {
        fn drop(&mut self) {
            *self.0.lock() += 1;
        }
    }
    let counter = Rc::new(RefCell::new(None));
    let seen = Rc::clone(&counter);
    killed_in(move |net| {
        let count = Arc::new(Mutex::new(&net, 0));
        *seen.borrow_mut() = Some(Arc::clone(&count));
        let held = Arc::clone(&count);
        let _counts = CountsItself(count);
        let holder = net.spawn(move || {
            let mut count = held.lock();
            net.sleep(1000 * SECOND);
            *count = 100;
        });
        holder.join().unwrap();
    });
    let count = counter.take().expect("the victim ran");
    let count = Arc::into_inner(count).expect("the victim's threads have been unwound").into_inner();
    assert_eq!(count, 1, "the holder was unwound, and then the destructor had the lock");
}

#[test]
fn before_it_ever_ran() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let note = Note(Rc::clone(&log));
    let report = Sim::builder().run_here(|sim| {
        let victim = sim.host("a").spawn("victim", move |_net| drop(note));
        victim.kill();
    });
    report.unwrap();
    assert_eq!(*log.borrow(), ["unwound"]);
}

#[test]
fn a_killed_peers_connection_ends_as_the_kernel_ends_it() {
    let report = Sim::builder().run(|sim| {
        let server = sim.host("server").spawn("server", |net| {
            let listener = tcp(net);
            let addr = SocketAddr::inet([0, 0, 0, 0].into(), 80).encode().unwrap();
            net.bind(listener, addr.as_bytes()).unwrap();
            net.listen(listener, 5).unwrap();
            let _conn = net.accept4(listener, None, 0).unwrap();
            net.sleep(1000 * SECOND);
        });
        let addr = SocketAddr::inet([10, 0, 0, 1].into(), 80).encode().unwrap();
        let client = sim.host("client").spawn("client", move |net| {
            let fd = tcp(net);
            net.sleep(SECOND / 10);
            net.connect(fd, addr.as_bytes()).unwrap();
            // FIN of the killed server: the end of the stream.
            let end = net.recv(fd, &mut [0; 10], 0).unwrap();
            (end, net.now())
        });
        sim.run_for(5 * SECOND);
        server.kill();
        sim.run_to_end().unwrap();
        let (end, at) = client.take().unwrap();
        assert_eq!(end, 0);
        assert!(at.as_nanos() >= 5_000_000_000);
    });
    report.unwrap();
}
