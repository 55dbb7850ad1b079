//! Random `getsockopt(2)` and `setsockopt(2)` calls: no model, but both worlds must answer the same.
//!
//! Left out is what depends on the machine (sizes of buffers beyond the least maximum, the congestion control, `TCP_INFO`), on
//! privileges (`SO_MARK`, `SO_DEBUG`, ...), or on the moment (`TCP_QUICKACK`).

use crate::support::Env;
use crate::support::scene::{join, listener_of, loopback, reset};
use crate::support::sock::Sock;
use proptest::prelude::*;
use proptest::sample::select;
use twinsock::consts as c;
use twinsock::{Domain, Os, PollEvents};
use twinsock_sim::Sim;

/// What the socket is whose options are asked for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Fresh,
    Bound,
    Listening,
    Connected,
    Accepted,
    Reset,
}

/// A call.
#[derive(Clone, Copy, Debug)]
enum Ask {
    /// `getsockopt(2)` with room for so many bytes.
    Get { option: (i32, i32), room: usize },
    /// `setsockopt(2)` of the first `len` bytes of a value.
    Set { option: (i32, i32), value: [i32; 2], len: usize },
}

/// Options at SOL_SOCKET.
const SOCKET: &[i32] = &[
    c::SO_REUSEADDR,
    c::SO_REUSEPORT,
    c::SO_KEEPALIVE,
    c::SO_BROADCAST,
    c::SO_OOBINLINE,
    c::SO_DONTROUTE,
    c::SO_NO_CHECK,
    c::SO_TIMESTAMP,
    c::SO_TIMESTAMPNS,
    c::SO_RXQ_OVFL,
    c::SO_SELECT_ERR_QUEUE,
    c::SO_BSDCOMPAT,
    c::SO_PASSCRED,
    c::SO_LINGER,
    c::SO_RCVTIMEO,
    c::SO_SNDTIMEO,
    c::SO_RCVLOWAT,
    c::SO_SNDLOWAT,
    c::SO_TYPE,
    c::SO_PROTOCOL,
    c::SO_DOMAIN,
    c::SO_ACCEPTCONN,
    c::SO_ERROR,
    c::SO_PEEK_OFF,
    c::SO_ZEROCOPY,
    c::SO_MAX_PACING_RATE,
    c::SO_SNDBUF,
    c::SO_RCVBUF,
    9999,
];

/// Options at IPPROTO_TCP.
const TCP: &[i32] = &[
    c::TCP_NODELAY,
    c::TCP_CORK,
    c::TCP_KEEPIDLE,
    c::TCP_KEEPINTVL,
    c::TCP_KEEPCNT,
    c::TCP_SYNCNT,
    c::TCP_LINGER2,
    c::TCP_DEFER_ACCEPT,
    c::TCP_USER_TIMEOUT,
    c::TCP_NOTSENT_LOWAT,
    c::TCP_THIN_LINEAR_TIMEOUTS,
    c::TCP_INQ,
    c::TCP_SAVE_SYN,
    c::TCP_RTO_MAX_MS,
    9999,
];

/// Options at IPPROTO_IP.
const IP: &[i32] = &[
    c::IP_TOS,
    c::IP_TTL,
    c::IP_MINTTL,
    c::IP_RECVERR,
    c::IP_PKTINFO,
    c::IP_RECVTTL,
    c::IP_RECVTOS,
    c::IP_FREEBIND,
    c::IP_BIND_ADDRESS_NO_PORT,
    c::IP_RECVOPTS,
    c::IP_RETOPTS,
    c::IP_ORIGDSTADDR,
    c::IP_MTU_DISCOVER,
    9999,
];

/// Options at IPPROTO_IPV6.
const IPV6: &[i32] = &[
    c::IPV6_V6ONLY,
    c::IPV6_UNICAST_HOPS,
    c::IPV6_RECVERR,
    c::IPV6_RECVPKTINFO,
    c::IPV6_RECVHOPLIMIT,
    c::IPV6_RECVTCLASS,
    c::IPV6_TCLASS,
    c::IPV6_MTU_DISCOVER,
    c::IPV6_DONTFRAG,
    9999,
];

/// Values at the edges of the ranges that options have.
const VALUES: &[i32] = &[
    i32::MIN,
    -2,
    -1,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    16,
    59,
    60,
    61,
    64,
    88,
    100,
    119,
    120,
    121,
    126,
    127,
    128,
    255,
    256,
    536,
    900,
    999,
    1000,
    4096,
    32_766,
    32_767,
    32_768,
    60_000,
    100_000,
    120_000,
    120_001,
    i32::MAX,
];

fn option(domain: Domain) -> impl Strategy<Value = (i32, i32)> {
    let at = |level: i32, names: &[i32]| names.iter().map(move |name| (level, *name)).collect::<Vec<_>>();
    let mut all = at(c::SOL_SOCKET, SOCKET);
    all.extend(at(c::IPPROTO_TCP, TCP));
    all.extend(at(c::IPPROTO_IP, IP));
    if domain == Domain::INET6 {
        all.extend(at(c::IPPROTO_IPV6, IPV6));
    }
    all.push((9999, 1));
    select(all)
}

/// A value that means the same on every machine: a size that every machine allows, a time that is whole in the kernel's ticks.
fn is_portable(ask: &Ask) -> bool {
    let Ask::Set { option, value: [first, second], .. } = *ask else { return true };
    match option {
        (c::SOL_SOCKET, c::SO_SNDBUF | c::SO_RCVBUF | c::SO_RCVLOWAT) => (0..=60_000).contains(&first),
        (c::SOL_SOCKET, c::SO_LINGER) => second >= 0,
        (c::SOL_SOCKET, c::SO_RCVTIMEO | c::SO_SNDTIMEO) => !(0..1_000_000).contains(&second) || second % 20_000 == 0,
        (c::IPPROTO_TCP, c::TCP_RTO_MAX_MS) => !(1000..=120_000).contains(&first) || first % 20 == 0,
        _ => true,
    }
}

fn asks(domain: Domain) -> impl Strategy<Value = Vec<Ask>> {
    let room = select(vec![0usize, 1, 2, 3, 4, 5, 8, 12, 16, 20]);
    let value = (select(VALUES), select(VALUES)).prop_map(|(first, second)| [first, second]);
    let len = prop_oneof![3 => Just(4usize), 2 => select(vec![0usize, 1, 2, 3, 5, 8, 12, 16, 20])];
    let ask = prop_oneof![
        (option(domain), room).prop_map(|(option, room)| Ask::Get { option, room }),
        (option(domain), value, len).prop_map(|(option, value, len)| Ask::Set { option, value, len }),
    ];
    // What was set is read back.
    let chunk = ask.prop_filter("a portable value", is_portable).prop_map(|ask| match ask {
        Ask::Set { option, .. } => vec![ask, Ask::Get { option, room: 20 }],
        Ask::Get { .. } => vec![ask],
    });
    prop::collection::vec(chunk, 1..30).prop_map(|chunks| chunks.concat())
}

/// A socket of the stage, and what must live as long as it does.
fn stage<E: Env>(env: &E, domain: Domain, stage: Stage) -> (Sock<E>, Vec<Sock<E>>) {
    let (listener, addr) = listener_of(env, domain, 1);
    let fresh = Sock::tcp_of(env, domain);
    match stage {
        Stage::Fresh => (fresh, vec![]),
        Stage::Bound => {
            fresh.bind(&loopback(domain)).expect("port 0 can be bound");
            (fresh, vec![])
        }
        Stage::Listening => (listener, vec![]),
        Stage::Connected | Stage::Accepted | Stage::Reset => {
            let (client, server) = join(&listener, fresh, &addr);
            match stage {
                Stage::Connected => (client, vec![server]),
                Stage::Accepted => (server, vec![client]),
                Stage::Fresh | Stage::Bound | Stage::Listening | Stage::Reset => {
                    reset(server);
                    client.wait(PollEvents::HUP);
                    (client, vec![])
                }
            }
        }
    }
}

fn answers<E: Env>(env: &E, domain: Domain, at: Stage, asks: &[Ask]) -> Vec<String> {
    let (socket, _others) = stage(env, domain, at);
    // Beyond these sizes the kernel tunes the buffers of a connection as it sees fit.
    for name in [c::SO_SNDBUF, c::SO_RCVBUF] {
        socket.set(c::SOL_SOCKET, name, 20_000).expect("buffer sizes can be set");
    }
    let answer = |ask: &Ask| match *ask {
        Ask::Get { option: (level, name), room } => format!("{ask:?}: {:?}", socket.get_bytes(level, name, room)),
        Ask::Set { option: (level, name), value: [first, second], len } => {
            let timeout = level == c::SOL_SOCKET && [c::SO_RCVTIMEO, c::SO_SNDTIMEO].contains(&name);
            let mut bytes = if timeout {
                [i64::from(first).to_ne_bytes(), i64::from(second).to_ne_bytes()].concat()
            } else {
                [first.to_ne_bytes(), second.to_ne_bytes()].concat()
            };
            bytes.resize(len, 0);
            format!("{ask:?}: {:?}", socket.set_bytes(level, name, &bytes))
        }
    };
    let lines = asks.iter().map(answer).collect();
    // The descriptor is closed at once, whatever was set.
    socket.set_linger(0, 0).expect("SO_LINGER can be set");
    lines
}

fn differ(domain: Domain, at: Stage, asks: &[Ask]) -> Result<(), String> {
    let kernel = answers(&Os, domain, at, asks);
    let simulated = asks.to_vec();
    let report = Sim::builder()
        .run_here(|sim| sim.host("host").spawn("options", move |net| answers(&net, domain, at, &simulated)))
        .map_err(|failure| failure.to_string())?;
    let simulator = report.value.take().expect("a process that has ended has an outcome");
    for (index, (one, other)) in kernel.iter().zip(&simulator).enumerate() {
        if one != other {
            let before = kernel[..index].join("\n");
            return Err(format!("{domain:?} {at:?}\n{before}\nkernel:    {one}\nsimulator: {other}"));
        }
    }
    Ok(())
}

#[test]
fn both_worlds_have_the_same_options() {
    let stages = select(vec![Stage::Fresh, Stage::Bound, Stage::Listening, Stage::Connected, Stage::Accepted, Stage::Reset]);
    for domain in [Domain::INET, Domain::INET6] {
        super::check(super::CASES, &(stages.clone(), asks(domain)), |(at, asks)| differ(domain, at, &asks));
    }
}
