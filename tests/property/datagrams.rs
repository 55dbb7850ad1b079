//! Random calls on a few UDP sockets of either family: names, ports, associations, options, control messages, errors, groups, readiness.
//! No model, but both worlds must answer the same, call by call.

use crate::support::Env;
use crate::support::scene::{ip_of, own_ip, pattern, port_of};
use crate::support::sock::{Epoll, Sock};
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::control::{ControlMessage, PacketInfo4, PacketInfo6, RecvControl, SendControl};
use twinsock::{Domain, EpollFlags, MsgFlags, Os, Shutdown, SocketAddr};

/// How many sockets there are at most.
const SLOTS: usize = 4;
/// A port at which nobody is.
const NOBODY: u16 = 9;

/// An address, in words that do not depend on the run.
#[derive(Clone, Copy, Debug)]
enum Ip {
    Own(usize),
    Any,
    Broadcast,
    Group,
    Loopback6,
    Any6,
    Mapped(usize),
}

#[derive(Clone, Copy, Debug)]
enum Port {
    Zero,
    Nobody,
    Of(usize),
}

#[derive(Clone, Copy, Debug)]
enum Extra {
    None,
    From(Ip),
    Ttl(i32),
    Tos(u8),
    Hops(i32),
    Class(i32),
    Interface(i32),
}

/// A call on the socket of a slot.
#[derive(Clone, Copy, Debug)]
enum Act {
    Open { slot: usize, v6: bool, reuse: Option<i32> },
    Bind { slot: usize, ip: Ip, port: Port },
    Connect { slot: usize, ip: Ip, port: Port },
    Dissolve { slot: usize },
    Send { slot: usize, len: usize, flags: MsgFlags },
    SendTo { slot: usize, ip: Ip, port: Port, len: usize, flags: MsgFlags, extra: Extra },
    Recv { slot: usize, len: usize, flags: MsgFlags },
    RecvMessage { slot: usize, room: usize, flags: MsgFlags },
    Ask { slot: usize },
    Epoll { slot: usize, edge: bool },
    Set { slot: usize, option: (i32, i32), value: i32 },
    Member { slot: usize, join: bool },
    Shutdown { slot: usize, how: Shutdown },
    Close { slot: usize },
    TakeError { slot: usize },
}

fn ips() -> impl Strategy<Value = Ip> {
    prop_oneof![
        8 => (0..2usize).prop_map(Ip::Own),
        2 => Just(Ip::Any),
        1 => Just(Ip::Broadcast),
        2 => Just(Ip::Group),
        5 => Just(Ip::Loopback6),
        2 => Just(Ip::Any6),
        3 => (0..2usize).prop_map(Ip::Mapped),
    ]
}

fn extras() -> impl Strategy<Value = Extra> {
    prop_oneof![
        12 => Just(Extra::None),
        2 => ips().prop_map(Extra::From),
        1 => select(vec![-1, 0, 1, 77, 255, 256]).prop_map(Extra::Ttl),
        1 => any::<u8>().prop_map(Extra::Tos),
        1 => select(vec![-2, -1, 0, 1, 77, 255, 256]).prop_map(Extra::Hops),
        1 => select(vec![-2, -1, 0, 5, 255, 256]).prop_map(Extra::Class),
        1 => select(vec![0, 1, 9999]).prop_map(Extra::Interface),
    ]
}

fn options() -> impl Strategy<Value = ((i32, i32), i32)> {
    let switches = vec![
        (c::SOL_SOCKET, c::SO_BROADCAST),
        (c::SOL_SOCKET, c::SO_REUSEADDR),
        (c::SOL_SOCKET, c::SO_REUSEPORT),
        (c::SOL_SOCKET, c::SO_DONTROUTE),
        (c::SOL_SOCKET, c::SO_RXQ_OVFL),
        (c::SOL_SOCKET, c::SO_SELECT_ERR_QUEUE),
        (c::SOL_IP, c::IP_RECVERR),
        (c::SOL_IP, c::IP_RECVERR),
        (c::SOL_IP, c::IP_PKTINFO),
        (c::SOL_IP, c::IP_RECVTTL),
        (c::SOL_IP, c::IP_RECVTOS),
        (c::SOL_IP, c::IP_FREEBIND),
        (c::SOL_IP, c::IP_BIND_ADDRESS_NO_PORT),
        (c::SOL_IP, c::IP_MULTICAST_ALL),
        (c::SOL_IP, c::IP_MULTICAST_LOOP),
        (c::SOL_IPV6, c::IPV6_V6ONLY),
        (c::SOL_IPV6, c::IPV6_RECVERR),
        (c::SOL_IPV6, c::IPV6_RECVERR),
        (c::SOL_IPV6, c::IPV6_RECVPKTINFO),
        (c::SOL_IPV6, c::IPV6_RECVHOPLIMIT),
        (c::SOL_IPV6, c::IPV6_RECVTCLASS),
        (c::SOL_IPV6, c::IPV6_DONTFRAG),
        (c::SOL_UDP, c::UDP_CORK),
    ];
    prop_oneof![
        8 => (select(switches), 0..2i32),
        1 => (Just((c::SOL_SOCKET, c::SO_RCVBUF)), select(vec![0, 1500, 3000])),
        1 => (Just((c::SOL_SOCKET, c::SO_SNDBUF)), select(vec![0, 5000, 30_000])),
        1 => (Just((c::SOL_SOCKET, c::SO_PEEK_OFF)), -1..20i32),
        1 => (Just((c::SOL_IP, c::IP_TTL)), -1..256i32),
        1 => (Just((c::SOL_IP, c::IP_TOS)), 0..256i32),
        1 => (Just((c::SOL_IP, c::IP_MULTICAST_TTL)), -2..257i32),
        1 => (Just((c::SOL_IP, c::IP_MTU_DISCOVER)), -1..7i32),
        1 => (Just((c::SOL_IPV6, c::IPV6_UNICAST_HOPS)), -2..257i32),
        1 => (Just((c::SOL_IPV6, c::IPV6_TCLASS)), -2..257i32),
        1 => (Just((c::SOL_IPV6, c::IPV6_MTU_DISCOVER)), -1..7i32),
        1 => (Just((c::SOL_UDP, c::UDP_SEGMENT)), select(vec![0, 0, 7, 700, 70_000])),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let slot = || 0..SLOTS;
    let port = || prop_oneof![1 => Just(Port::Zero), 2 => Just(Port::Nobody), 12 => (0..SLOTS).prop_map(Port::Of)];
    let len =
        || prop_oneof![12 => 0..12usize, 3 => 100..3000usize, 1 => select(vec![40_000, 65_488, 65_507, 65_508, 65_527, 65_528])];
    let sent = || {
        let plain = MsgFlags::NONE;
        select(vec![plain, plain, plain, plain, plain, plain, MsgFlags::MORE, MsgFlags::OOB])
    };
    let received = || {
        let plain = MsgFlags::NONE;
        let flags = [MsgFlags::PEEK, MsgFlags::TRUNC, MsgFlags::PEEK | MsgFlags::TRUNC, MsgFlags::WAITALL, MsgFlags::ERRQUEUE];
        select([&[plain; 5][..], &flags].concat()).prop_map(|flags| flags | MsgFlags::DONTWAIT)
    };
    let bind_port = prop_oneof![2 => Just(Port::Zero), 1 => (0..SLOTS).prop_map(Port::Of)];
    let how = select(vec![Shutdown::Read, Shutdown::Write, Shutdown::Both]);
    let reuse = select(vec![None, None, Some(c::SO_REUSEADDR)]);
    let act = prop_oneof![
        6 => (slot(), any::<bool>(), reuse).prop_map(|(slot, v6, reuse)| Act::Open { slot, v6, reuse }),
        8 => (slot(), ips(), bind_port).prop_map(|(slot, ip, port)| Act::Bind { slot, ip, port }),
        8 => (slot(), ips(), port()).prop_map(|(slot, ip, port)| Act::Connect { slot, ip, port }),
        2 => slot().prop_map(|slot| Act::Dissolve { slot }),
        10 => (slot(), len(), sent()).prop_map(|(slot, len, flags)| Act::Send { slot, len, flags }),
        20 => (slot(), ips(), port(), len(), sent(), extras())
            .prop_map(|(slot, ip, port, len, flags, extra)| Act::SendTo { slot, ip, port, len, flags, extra }),
        10 => (slot(), len(), received()).prop_map(|(slot, len, flags)| Act::Recv { slot, len, flags }),
        10 => (slot(), select(vec![0, 24, 40, 80, 256]), received())
            .prop_map(|(slot, room, flags)| Act::RecvMessage { slot, room, flags }),
        8 => slot().prop_map(|slot| Act::Ask { slot }),
        6 => (slot(), any::<bool>()).prop_map(|(slot, edge)| Act::Epoll { slot, edge }),
        12 => (slot(), options()).prop_map(|(slot, (option, value))| Act::Set { slot, option, value }),
        3 => (slot(), any::<bool>()).prop_map(|(slot, join)| Act::Member { slot, join }),
        2 => (slot(), how).prop_map(|(slot, how)| Act::Shutdown { slot, how }),
        2 => slot().prop_map(|slot| Act::Close { slot }),
        3 => slot().prop_map(|slot| Act::TakeError { slot }),
    ];
    prop::collection::vec(act, 1..60)
}

const ALL: EpollFlags = EpollFlags::from_raw(c::EPOLLIN | c::EPOLLPRI | c::EPOLLOUT | c::EPOLLRDHUP);

struct Slot<E: Env> {
    socket: Sock<E>,
    /// A level-triggered and an edge-triggered instance.
    epolls: [Epoll<E>; 2],
    /// It has been connected, and so may know a route.
    has_route: bool,
    /// It may be a member of the group.
    is_member: bool,
}

struct Run<E: Env> {
    env: E,
    slots: [Option<Slot<E>>; SLOTS],
    ips: [Ipv4Addr; 2],
    group: Ipv4Addr,
    /// The ports of the kernel's choice, in the order in which they were seen.
    ports: Vec<u16>,
    sent: usize,
}

impl<E: Env> Run<E> {
    fn new(env: &E) -> Run<E> {
        let [_, run, high, low] = own_ip().octets();
        Run {
            env: env.clone(),
            slots: std::array::from_fn(|_| None),
            ips: [own_ip(), own_ip()],
            group: Ipv4Addr::new(239, run, high, low),
            ports: Vec::new(),
            sent: 0,
        }
    }

    fn addr(&self, ip: Ip, port: Port) -> SocketAddr {
        let ip: IpAddr = match ip {
            Ip::Own(index) => self.ips[index].into(),
            Ip::Any => Ipv4Addr::UNSPECIFIED.into(),
            Ip::Broadcast => Ipv4Addr::new(127, 255, 255, 255).into(),
            Ip::Group => self.group.into(),
            Ip::Loopback6 => Ipv6Addr::LOCALHOST.into(),
            Ip::Any6 => Ipv6Addr::UNSPECIFIED.into(),
            Ip::Mapped(index) => self.ips[index].to_ipv6_mapped().into(),
        };
        let port = match port {
            Port::Zero => 0,
            Port::Nobody => NOBODY,
            Port::Of(slot) => self.slots[slot].as_ref().map_or(NOBODY, |slot| port_of(&slot.socket.name())),
        };
        SocketAddr::inet(ip, port)
    }

    /// An address in words that do not depend on the run.
    fn words(&mut self, addr: &SocketAddr) -> String {
        if addr.as_inet().is_none() {
            return "nobody".to_owned();
        }
        let port = match port_of(addr) {
            0 => "0".to_owned(),
            NOBODY => "9".to_owned(),
            port => match self.ports.iter().position(|known| *known == port) {
                Some(index) => format!("p{index}"),
                None => {
                    self.ports.push(port);
                    format!("p{}", self.ports.len() - 1)
                }
            },
        };
        format!("{} {port}", self.ip_words(ip_of(addr)))
    }

    fn ip_words(&self, ip: IpAddr) -> String {
        let mapped = if ip.is_ipv6() && ip.to_canonical().is_ipv4() { "mapped " } else { "" };
        let ip = ip.to_canonical();
        let name = match self.ips.iter().position(|own| ip == IpAddr::V4(*own)) {
            Some(index) => format!("own{index}"),
            None if ip == IpAddr::V4(self.group) => "group".to_owned(),
            None => ip.to_string(),
        };
        format!("{mapped}{name}")
    }

    fn control(&self, extra: Extra) -> SendControl<'static, E::Socket> {
        let mut control = SendControl::new();
        match extra {
            Extra::None => {}
            Extra::From(ip) => match ip_of(&self.addr(ip, Port::Zero)) {
                IpAddr::V4(spec_dst) => {
                    control.packet_info4(PacketInfo4 { ifindex: 0, spec_dst, addr: Ipv4Addr::UNSPECIFIED });
                }
                IpAddr::V6(addr) => {
                    control.packet_info6(PacketInfo6 { addr, ifindex: 0 });
                }
            },
            Extra::Ttl(ttl) => {
                control.ttl(ttl);
            }
            Extra::Tos(tos) => {
                control.tos(tos);
            }
            Extra::Hops(hops) => {
                control.hop_limit(hops);
            }
            Extra::Class(class) => {
                control.traffic_class(class);
            }
            Extra::Interface(ifindex) => {
                let any = Ipv4Addr::UNSPECIFIED;
                control.packet_info4(PacketInfo4 { ifindex, spec_dst: any, addr: any });
            }
        }
        control
    }

    fn message_words(&self, message: &ControlMessage<'_, E::Socket>) -> String {
        match message {
            ControlMessage::PacketInfo4(info) => {
                let (local, to) = (self.ip_words(info.spec_dst.into()), self.ip_words(info.addr.into()));
                format!("pktinfo {} {local} {to}", info.ifindex)
            }
            ControlMessage::PacketInfo6(info) => format!("pktinfo6 {} {}", info.ifindex, self.ip_words(info.addr.into())),
            ControlMessage::Ttl(ttl) => format!("ttl {ttl}"),
            ControlMessage::Tos(tos) => format!("tos {tos}"),
            ControlMessage::HopLimit(hops) => format!("hops {hops}"),
            ControlMessage::TrafficClass(class) => format!("class {class}"),
            ControlMessage::Raw { level, kind, data } => match data.split_at_checked(16) {
                Some((error, offender)) => {
                    let offender = match SocketAddr::decode(offender) {
                        Ok(addr) if addr.as_inet().is_some() => self.ip_words(ip_of(&addr)),
                        _ => format!("{} bytes", offender.len()),
                    };
                    format!("{level}/{kind} {error:?} {offender}")
                }
                // A part of an address is not the same in two runs.
                _ => format!("{level}/{kind} {} bytes", data.len()),
            },
            ControlMessage::Rights(_) | ControlMessage::Credentials(_) => "local".to_owned(),
        }
    }

    fn open(&mut self, slot: usize, v6: bool, reuse: Option<i32>) -> String {
        if self.slots[slot].is_some() {
            return "open".to_owned();
        }
        let socket = Sock::udp_of(&self.env, if v6 { Domain::INET6 } else { Domain::INET });
        socket.set_nonblocking(true);
        // Groups are reached by loopback, which is there in both worlds.
        socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &Ipv4Addr::LOCALHOST.octets()).expect("loopback is there");
        if let Some(name) = reuse {
            socket.set(c::SOL_SOCKET, name, 1).expect("an address may be reused");
        }
        let epolls = [EpollFlags::NONE, EpollFlags::ET].map(|mode| {
            let epoll = Epoll::new(&self.env);
            epoll.add(&socket, ALL | mode, 0).expect("a socket can be added");
            epoll
        });
        self.slots[slot] = Some(Slot { socket, epolls, has_route: false, is_member: false });
        "opened".to_owned()
    }

    fn make(&mut self, act: Act) -> String {
        let slot = match act {
            Act::Open { slot, v6, reuse } => return self.open(slot, v6, reuse),
            Act::Bind { slot, .. }
            | Act::Connect { slot, .. }
            | Act::Dissolve { slot }
            | Act::Send { slot, .. }
            | Act::SendTo { slot, .. }
            | Act::Recv { slot, .. }
            | Act::RecvMessage { slot, .. }
            | Act::Ask { slot }
            | Act::Epoll { slot, .. }
            | Act::Set { slot, .. }
            | Act::Member { slot, .. }
            | Act::Shutdown { slot, .. }
            | Act::Close { slot }
            | Act::TakeError { slot } => slot,
        };
        // Who joins or leaves a group makes Linux look up all routes anew, whose traces are those of connected sockets.
        let leaves = matches!(act, Act::Close { .. }) && self.slots[slot].as_ref().is_some_and(|slot| slot.is_member);
        let flushes = leaves || matches!(act, Act::Member { .. });
        if flushes && self.slots.iter().flatten().any(|slot| slot.has_route) {
            return "connected".to_owned();
        }
        if let Some(slot) = &mut self.slots[slot] {
            slot.has_route |= matches!(act, Act::Connect { .. });
            slot.is_member |= matches!(act, Act::Member { .. });
        }
        let Some(Slot { socket, epolls, .. }) = &self.slots[slot] else { return "closed".to_owned() };
        match act {
            Act::Open { .. } => unreachable!("it was done above"),
            Act::Bind { ip, port, .. } => format!("{:?}", socket.bind(&self.addr(ip, port))),
            Act::Connect { ip, port, .. } => {
                let addr = self.addr(ip, port);
                // Linux writes the flow of an IPv4 peer over that of a corked IPv6 datagram, which then goes anywhere.
                if socket.outq() != Ok(0) && ip_of(&socket.name()).is_ipv6() && ip_of(&addr).to_canonical().is_ipv4() {
                    return "corked".to_owned();
                }
                format!("{:?}", socket.connect(&addr))
            }
            Act::Dissolve { .. } => format!("{:?}", socket.connect(&SocketAddr::Unspec)),
            Act::Send { len, flags, .. } => {
                let answer = socket.send_with(&pattern(self.sent + len)[self.sent..], flags);
                self.sent = (self.sent + len) % 1000;
                format!("{answer:?}")
            }
            Act::SendTo { ip, port, len, flags, extra, .. } => {
                let (addr, control) = (self.addr(ip, port), self.control(extra));
                let data = &pattern(self.sent + len)[self.sent..];
                let iov = [std::io::IoSlice::new(data)];
                let answer = self.env.sendmsg(&socket.socket, &iov, Some(&control), Some(&addr), flags);
                self.sent = (self.sent + len) % 1000;
                format!("{answer:?}")
            }
            Act::Recv { len, flags, .. } => {
                let mut bytes = vec![b'.'; len];
                match self.env.recvfrom(&socket.socket, &mut bytes, flags) {
                    Ok((count, from)) => format!("{count} {:?} from {}", brief(&bytes), self.words(&from)),
                    Err(error) => format!("{error:?}"),
                }
            }
            Act::RecvMessage { room, flags, .. } => self.recv_message(slot, room, flags),
            Act::Ask { .. } => {
                let state = format!("{:?} {:?} {:?}", socket.mask(), socket.fionread(), socket.outq().map(|count| count > 0));
                let mtu = (socket.get(c::SOL_IP, c::IP_MTU), socket.get(c::SOL_IPV6, c::IPV6_MTU));
                let (name, peer) = (socket.name(), socket.peer_name());
                let name = self.words(&name);
                let peer = peer.map(|peer| self.words(&peer));
                format!("{state} {name} {peer:?} {mtu:?}")
            }
            Act::Epoll { edge, .. } => format!("{:?}", epolls[usize::from(edge)].now()),
            Act::Set { option: (level, name), value, .. } => {
                format!("{:?} {:?}", socket.set(level, name, value), socket.get(level, name))
            }
            Act::Member { join, .. } => {
                let request = [self.group.octets(), Ipv4Addr::LOCALHOST.octets()].concat();
                let name = if join { c::IP_ADD_MEMBERSHIP } else { c::IP_DROP_MEMBERSHIP };
                format!("{:?}", socket.set_bytes(c::SOL_IP, name, &request))
            }
            Act::Shutdown { how, .. } => format!("{:?}", socket.shutdown(how)),
            Act::Close { .. } => {
                self.slots[slot] = None;
                "done".to_owned()
            }
            Act::TakeError { .. } => format!("{:?}", socket.take_error()),
        }
    }

    fn recv_message(&mut self, slot: usize, room: usize, flags: MsgFlags) -> String {
        let Some(Slot { socket, .. }) = &self.slots[slot] else { return "closed".to_owned() };
        let mut control = RecvControl::new(room);
        let (data, received) = match socket.recv_message(50, &mut control, flags) {
            Ok(got) => got,
            Err(error) => return format!("{error:?}"),
        };
        let messages: Vec<_> = control.drain().map(|message| self.message_words(&message)).collect();
        format!("{} {:?} {:?} {} {messages:?}", received.len, brief(&data), received.flags, self.words(&received.addr))
    }
}

/// The first bytes, and how many there are.
fn brief(bytes: &[u8]) -> (&[u8], usize) {
    (&bytes[..bytes.len().min(6)], bytes.len())
}

fn run<E: Env>(env: &E, acts: &[Act]) -> Vec<String> {
    let mut run = Run::new(env);
    acts.iter()
        .map(|act| {
            let answer = run.make(*act);
            // Ports get their words in the order in which they are taken.
            let names: Vec<_> = run.slots.iter().flatten().map(|slot| slot.socket.name()).collect();
            names.iter().for_each(|name| drop(run.words(name)));
            format!("{act:?}: {answer}")
        })
        .collect()
}

fn differ(acts: &[Act]) -> Result<(), String> {
    let simulated = acts.to_vec();
    super::compare("datagrams", &run(&Os, acts), move |net| run(&net, &simulated))
}

#[test]
fn datagram_sockets_answer_the_same_in_both_worlds() {
    super::check(super::CASES, &acts(), |acts| differ(&acts));
}
