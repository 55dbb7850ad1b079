//! The socket options that sequences set and read, and values for them.

use super::dice::Dice;
use serde_json::{Value, json};

/// Level, name, and values to set besides the common ones.
type Row = (&'static str, &'static str, &'static [i64]);

/// Options of every socket.
const SOCKET: &[Row] = &[
    ("SOL_SOCKET", "SO_REUSEADDR", &[]),
    ("SOL_SOCKET", "SO_REUSEPORT", &[]),
    ("SOL_SOCKET", "SO_BROADCAST", &[]),
    ("SOL_SOCKET", "SO_KEEPALIVE", &[]),
    ("SOL_SOCKET", "SO_OOBINLINE", &[]),
    ("SOL_SOCKET", "SO_DONTROUTE", &[]),
    ("SOL_SOCKET", "SO_TYPE", &[]),
    ("SOL_SOCKET", "SO_PROTOCOL", &[]),
    ("SOL_SOCKET", "SO_DOMAIN", &[]),
    ("SOL_SOCKET", "SO_ACCEPTCONN", &[]),
    ("SOL_SOCKET", "SO_ERROR", &[]),
    ("SOL_SOCKET", "SO_RCVLOWAT", &[3, 100]),
    ("SOL_SOCKET", "SO_SNDLOWAT", &[]),
    ("SOL_SOCKET", "SO_PRIORITY", &[3, 6, 7]),
    ("SOL_SOCKET", "SO_MARK", &[7]),
    ("SOL_SOCKET", "SO_PASSCRED", &[]),
    ("SOL_SOCKET", "SO_PEERCRED", &[]),
    ("SOL_SOCKET", "SO_PEEK_OFF", &[0, 3]),
    ("SOL_SOCKET", "SO_NO_CHECK", &[]),
    ("SOL_SOCKET", "SO_RXQ_OVFL", &[]),
    ("SOL_SOCKET", "SO_SELECT_ERR_QUEUE", &[]),
    ("SOL_SOCKET", "SO_ZEROCOPY", &[]),
    ("SOL_SOCKET", "SO_BUF_LOCK", &[3, 4]),
    ("SOL_SOCKET", "SO_LINGER", &[]),
    ("SOL_SOCKET", "SO_RCVTIMEO", &[]),
    ("SOL_SOCKET", "SO_BINDTODEVICE", &[]),
    ("SOL_SOCKET", "SO_UNKNOWN", &[]),
];

/// Options of buffers: what they read on a TCP socket hangs on the machine.
const BUFFERS: &[Row] =
    &[("SOL_SOCKET", "SO_SNDBUF", &[1000, 4096, 10000, 65536]), ("SOL_SOCKET", "SO_RCVBUF", &[1000, 4096, 10000, 65536])];

const TCP: &[Row] = &[
    ("IPPROTO_TCP", "TCP_NODELAY", &[]),
    ("IPPROTO_TCP", "TCP_CORK", &[]),
    ("IPPROTO_TCP", "TCP_MAXSEG", &[88, 536, 1000, 32767]),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", &[100, 32768]),
    ("IPPROTO_TCP", "TCP_KEEPINTVL", &[100]),
    ("IPPROTO_TCP", "TCP_KEEPCNT", &[127, 128]),
    ("IPPROTO_TCP", "TCP_SYNCNT", &[3, 128]),
    ("IPPROTO_TCP", "TCP_LINGER2", &[30, 121]),
    ("IPPROTO_TCP", "TCP_DEFER_ACCEPT", &[]),
    ("IPPROTO_TCP", "TCP_QUICKACK", &[]),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", &[10_000]),
    ("IPPROTO_TCP", "TCP_NOTSENT_LOWAT", &[100_000]),
    ("IPPROTO_TCP", "TCP_INFO", &[]),
    ("IPPROTO_TCP", "TCP_INQ", &[]),
    ("IPPROTO_TCP", "TCP_FASTOPEN", &[5]),
    ("IPPROTO_TCP", "TCP_SAVE_SYN", &[2]),
];

const IP: &[Row] = &[
    ("IPPROTO_IP", "IP_TOS", &[5, 16, 255]),
    ("IPPROTO_IP", "IP_TTL", &[7, 255, 256]),
    ("IPPROTO_IP", "IP_MINTTL", &[255]),
    ("IPPROTO_IP", "IP_RECVERR", &[]),
    ("IPPROTO_IP", "IP_PKTINFO", &[]),
    ("IPPROTO_IP", "IP_RECVTTL", &[]),
    ("IPPROTO_IP", "IP_RECVTOS", &[]),
    ("IPPROTO_IP", "IP_FREEBIND", &[]),
    ("IPPROTO_IP", "IP_BIND_ADDRESS_NO_PORT", &[]),
    ("IPPROTO_IP", "IP_MTU_DISCOVER", &[3, 6]),
    ("IPPROTO_IP", "IP_MTU", &[]),
    ("IPPROTO_IP", "IP_MULTICAST_TTL", &[5]),
    ("IPPROTO_IP", "IP_MULTICAST_LOOP", &[]),
    ("IPPROTO_IP", "IP_MULTICAST_ALL", &[]),
];

const IPV6: &[Row] = &[
    ("IPPROTO_IPV6", "IPV6_V6ONLY", &[]),
    ("IPPROTO_IPV6", "IPV6_UNICAST_HOPS", &[7, 256]),
    ("IPPROTO_IPV6", "IPV6_MULTICAST_HOPS", &[5]),
    ("IPPROTO_IPV6", "IPV6_MULTICAST_LOOP", &[]),
    ("IPPROTO_IPV6", "IPV6_RECVERR", &[]),
    ("IPPROTO_IPV6", "IPV6_RECVPKTINFO", &[]),
    ("IPPROTO_IPV6", "IPV6_RECVHOPLIMIT", &[]),
    ("IPPROTO_IPV6", "IPV6_RECVTCLASS", &[]),
    ("IPPROTO_IPV6", "IPV6_DONTFRAG", &[]),
    ("IPPROTO_IPV6", "IPV6_TCLASS", &[5, 255]),
    ("IPPROTO_IPV6", "IPV6_MTU_DISCOVER", &[3]),
];

const UDP: &[Row] =
    &[("IPPROTO_UDP", "UDP_CORK", &[]), ("IPPROTO_UDP", "UDP_NO_CHECK6_RX", &[]), ("IPPROTO_UDP", "UDP_SEGMENT", &[100])];

/// The tables that fit a socket of a family and a type; now and then one that does not.
fn table(dice: &mut Dice, family: &str, kind: &str) -> &'static [Row] {
    let buffers = if kind == "stream" && family != "unix" { SOCKET } else { BUFFERS };
    let own: &[Row] = match (family, kind) {
        ("unix", _) => SOCKET,
        (_, "stream") => TCP,
        _ => UDP,
    };
    let network: &[Row] = match family {
        "inet" => IP,
        "inet6" => IPV6,
        _ => SOCKET,
    };
    dice.weighted(&[(8, SOCKET), (2, buffers), (6, own), (4, network), (1, TCP), (1, UDP), (1, IP), (1, IPV6)])
}

/// `getsockopt` of something.
pub fn get(dice: &mut Dice, handle: &str, family: &str, kind: &str) -> Value {
    let rows = table(dice, family, kind);
    let (level, name, _) = *dice.pick(rows);
    if dice.one_in(8) && !matches!(name, "TCP_INFO" | "SO_PEERCRED") {
        return json!(["getsockopt", handle, level, name, dice.pick(&[0, 1, 2, 3, 4, 8, 20])]);
    }
    json!(["getsockopt", handle, level, name])
}

/// `setsockopt` of something.
pub fn set(dice: &mut Dice, handle: &str, family: &str, kind: &str) -> Value {
    let rows = table(dice, family, kind);
    let (level, name, values) = *dice.pick(rows);
    let value = match name {
        // Longer than 0 only with SO_LINGER {on, 0}: a close that waits would depend on the machine's speed.
        "SO_LINGER" => json!({"linger": [dice.below(2), 0]}),
        "SO_RCVTIMEO" => json!({"timeval": [dice.below(2), dice.pick(&[0, 1000, 1_000_000])]}),
        "SO_BINDTODEVICE" => json!(dice.pick(&["lo", "", "eth9"])),
        _ => {
            let common = [0, 0, 1, 1, 1, 2, -1];
            json!(if values.is_empty() || dice.one_in(2) { dice.pick(&common) } else { dice.pick(values) })
        }
    };
    if dice.one_in(12) {
        return json!(["setsockopt", handle, level, name, value, dice.pick(&[0, 1, 3, 8])]);
    }
    json!(["setsockopt", handle, level, name, value])
}
