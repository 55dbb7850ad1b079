//! The world driven by hand: no process, no coroutine, no scheduler. Whoever brings another driver starts from here.

use std::net::IpAddr;
use std::time::Duration;
use twinsock::raw::RawFd;
use twinsock::{Errno, Instant, SocketAddr, consts};
use twinsock_sim::choice::Choice;
use twinsock_sim::host::{Call, Credentials, Op, Pid, Progress, Token};
use twinsock_sim::trace::Trace;
use twinsock_sim::world::{Alarm, HostId, World};
use twinsock_sim::{HostConfig, Link};

/// A world with two hosts, 1 ms apart, and a process's descriptor table on each.
struct Hand {
    world: World,
    server: (HostId, Pid),
    client: (HostId, Pid),
}

const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

impl Hand {
    fn new() -> Hand {
        let mut world = World::new(Choice::from_seed(1), Trace::new());
        world.set_default_link(Link::new().delay(Duration::from_millis(1)));
        let [server, client] = [("server", SERVER), ("client", CLIENT)].map(|(name, addr)| {
            let host = world.add_host(name, HostConfig { addrs: vec![addr], ..HostConfig::default() });
            (host, world.spawn_process(host, Credentials::default()))
        });
        Hand { world, server, client }
    }

    fn begin(&mut self, who: (HostId, Pid), token: u64, mut call: Call<'_, '_>) -> Progress {
        self.world.begin(who.0, who.1, Token(token), &mut call)
    }

    /// A call that is expected to end at once.
    fn done(&mut self, who: (HostId, Pid), call: Call<'_, '_>) -> twinsock::Result<usize> {
        match self.begin(who, 0, call) {
            Progress::Done(result) => result,
            Progress::Parked(op) => panic!("{} waits", op.what()),
        }
    }

    /// A call that is expected to wait.
    fn parked(&mut self, who: (HostId, Pid), token: u64, call: Call<'_, '_>) -> Op {
        match self.begin(who, token, call) {
            Progress::Parked(op) => op,
            Progress::Done(result) => panic!("it ended at once: {result:?}"),
        }
    }

    fn socket(&mut self, who: (HostId, Pid)) -> RawFd {
        let fd = self.done(who, Call::Socket { domain: consts::AF_INET, kind: consts::SOCK_STREAM, protocol: 0 }).unwrap();
        RawFd::try_from(fd).unwrap()
    }

    fn listener(&mut self) -> RawFd {
        let fd = self.socket(self.server);
        let addr = SocketAddr::inet(SERVER, 80).encode().unwrap();
        self.done(self.server, Call::Bind { fd, addr: addr.as_bytes() }).unwrap();
        self.done(self.server, Call::Listen { fd, backlog: 5 }).unwrap();
        fd
    }

    /// Lets things happen until somebody is to be woken, and says who.
    fn next_wake(&mut self) -> Option<u64> {
        loop {
            if let Some(Token(token)) = self.world.poll_wake() {
                return Some(token);
            }
            self.world.step()?;
        }
    }
}

#[test]
fn a_byte_travels_without_any_process() {
    let mut hand = Hand::new();
    let (server, client) = (hand.server, hand.client);
    let listener = hand.listener();
    let accept = hand.parked(server, 1, Call::Accept4 { fd: listener, name: None, flags: 0 });
    let fd = hand.socket(client);
    let addr = SocketAddr::inet(SERVER, 80).encode().unwrap();
    let mut connect = Call::Connect { fd, addr: addr.as_bytes() };
    let Progress::Parked(connecting) = hand.world.begin(client.0, client.1, Token(2), &mut connect) else {
        panic!("it takes 2 ms")
    };

    // SYN and SYN-ACK: the client is connected after a round trip, and the server half a round trip later.
    assert_eq!(hand.next_wake(), Some(2));
    assert_eq!(hand.world.now(), Instant::ZERO + Duration::from_millis(2));
    assert!(matches!(hand.world.resume(client.0, connecting, &mut connect), Progress::Done(Ok(0))));
    assert_eq!(hand.next_wake(), Some(1));
    assert_eq!(hand.world.now(), Instant::ZERO + Duration::from_millis(3));
    let mut call = Call::Accept4 { fd: listener, name: None, flags: 0 };
    let Progress::Done(Ok(conn)) = hand.world.resume(server.0, accept, &mut call) else { panic!("a connection is there") };
    let conn = RawFd::try_from(conn).unwrap();

    let mut byte = [0];
    let mut recv = Call::Recvfrom { fd: conn, into: &mut byte, flags: 0, name: None };
    let Progress::Parked(receiving) = hand.world.begin(server.0, server.1, Token(3), &mut recv) else {
        panic!("nothing was sent yet")
    };
    assert_eq!(hand.done(client, Call::Sendto { fd, data: b"x", flags: 0, addr: None }), Ok(1));
    assert_eq!(hand.next_wake(), Some(3));
    assert_eq!(hand.world.now(), Instant::ZERO + Duration::from_millis(4));
    assert!(matches!(hand.world.resume(server.0, receiving, &mut recv), Progress::Done(Ok(1))));
    assert_eq!(byte, [b'x']);
}

#[test]
fn nobody_listens_is_a_refusal_after_a_round_trip() {
    let mut hand = Hand::new();
    let client = hand.client;
    let fd = hand.socket(client);
    let addr = SocketAddr::inet(SERVER, 81).encode().unwrap();
    let mut connect = Call::Connect { fd, addr: addr.as_bytes() };
    let Progress::Parked(op) = hand.world.begin(client.0, client.1, Token(1), &mut connect) else { panic!("it takes 2 ms") };
    assert_eq!(hand.next_wake(), Some(1));
    assert_eq!(hand.world.now(), Instant::ZERO + Duration::from_millis(2));
    let Progress::Done(result) = hand.world.resume(client.0, op, &mut connect) else { panic!("the answer is there") };
    assert_eq!(result, Err(Errno::CONNREFUSED));
}

#[test]
fn an_alarm_comes_back_in_its_turn() {
    let mut hand = Hand::new();
    hand.world.schedule(Instant::ZERO + Duration::from_secs(2), Alarm(2));
    hand.world.schedule(Instant::ZERO + Duration::from_secs(1), Alarm(1));
    assert_eq!(hand.world.step(), Some(Some(Alarm(1))));
    assert_eq!(hand.world.now(), Instant::ZERO + Duration::from_secs(1));
    assert_eq!(hand.world.step(), Some(Some(Alarm(2))));
    assert_eq!(hand.world.step(), None);
}

#[test]
fn an_interrupted_call_is_eintr_and_leaves_its_place() {
    let mut hand = Hand::new();
    let server = hand.server;
    let listener = hand.listener();
    let op = hand.parked(server, 1, Call::Accept4 { fd: listener, name: None, flags: 0 });
    assert_eq!(hand.world.interrupt(server.0, op), Err(Errno::INTR));
    hand.world.exit_process(server.0, server.1);
    assert_eq!(hand.next_wake(), None);
}
