//! Options that the host only remembers: a table of their defaults and of the values they take. Some of them mean something to one
//! kind of socket, which then keeps its own value of them.

use twinsock::consts as c;
use twinsock::{Errno, Result};

/// Which values an option takes.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// Any; read back as 0 or 1.
    Bool,
    /// 0 or 1; `EINVAL` otherwise.
    ZeroOne,
    /// These; `EINVAL` otherwise.
    Range(i32, i32),
    /// Any int.
    Any,
}

struct Row {
    level: i32,
    name: i32,
    default: i32,
    rule: Rule,
}

const fn row(level: i32, name: i32, default: i32, rule: Rule) -> Row {
    Row { level, name, default, rule }
}

const ROWS: [Row; 47] = [
    row(c::SOL_SOCKET, c::SO_DEBUG, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_BROADCAST, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_KEEPALIVE, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_OOBINLINE, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_RCVLOWAT, 1, Rule::Range(1, i32::MAX)),
    row(c::SOL_SOCKET, c::SO_BUF_LOCK, 0, Rule::Range(0, 3)),
    row(c::SOL_SOCKET, c::SO_DONTROUTE, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_NO_CHECK, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_RXQ_OVFL, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_SELECT_ERR_QUEUE, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_WIFI_STATUS, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_NOFCS, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_RCVMARK, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_RCVPRIORITY, 0, Rule::Bool),
    row(c::SOL_SOCKET, c::SO_ZEROCOPY, 0, Rule::ZeroOne),
    row(c::SOL_SOCKET, c::SO_MARK, 0, Rule::Any),
    row(c::SOL_SOCKET, c::SO_INCOMING_CPU, -1, Rule::Any),
    row(c::SOL_SOCKET, c::SO_BUSY_POLL, 0, Rule::Range(0, i32::MAX)),
    row(c::SOL_SOCKET, c::SO_LOCK_FILTER, 0, Rule::Bool),
    row(c::SOL_TCP, c::TCP_THIN_LINEAR_TIMEOUTS, 0, Rule::ZeroOne),
    row(c::SOL_TCP, c::TCP_SAVE_SYN, 0, Rule::Range(0, 2)),
    row(c::SOL_TCP, c::TCP_FASTOPEN_CONNECT, 0, Rule::ZeroOne),
    row(c::SOL_TCP, c::TCP_FASTOPEN_NO_COOKIE, 0, Rule::ZeroOne),
    row(c::SOL_TCP, c::TCP_TX_DELAY, 0, Rule::Any),
    row(c::SOL_IP, c::IP_RECVERR, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_PKTINFO, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_RECVTTL, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_RECVTOS, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_RECVOPTS, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_RETOPTS, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_ORIGDSTADDR, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_CHECKSUM, 0, Rule::Bool),
    row(c::SOL_IP, c::IP_MTU_DISCOVER, 1, Rule::Range(0, 5)),
    row(c::SOL_IP, c::IP_MULTICAST_LOOP, 1, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_RECVERR, 0, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_RECVPKTINFO, 0, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_RECVHOPLIMIT, 0, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_RECVTCLASS, 0, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_DONTFRAG, 0, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_RECVFRAGSIZE, 0, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_AUTOFLOWLABEL, 1, Rule::Bool),
    row(c::SOL_IPV6, c::IPV6_MTU_DISCOVER, 1, Rule::Range(0, 5)),
    row(c::SOL_IPV6, c::IPV6_MULTICAST_LOOP, 1, Rule::ZeroOne),
    row(c::SOL_IPV6, c::IPV6_MULTICAST_ALL, 1, Rule::Bool),
    row(c::SOL_UDP, c::UDP_NO_CHECK6_TX, 0, Rule::Bool),
    row(c::SOL_UDP, c::UDP_NO_CHECK6_RX, 0, Rule::Bool),
    row(c::SOL_UDP, c::UDP_GRO, 0, Rule::Bool),
];

/// The values of one socket; nothing is stored until one is set.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Values {
    set: Option<Box<[i32; ROWS.len()]>>,
}

impl Values {
    /// The value of an option, if it is in the table.
    pub(super) fn get(&self, level: i32, name: i32) -> Option<i32> {
        let index = index(level, name)?;
        Some(self.set.as_ref().map_or(ROWS[index].default, |values| values[index]))
    }

    /// Whether no option has been set yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.set.is_none()
    }

    /// Whether the option is in the table.
    pub(super) fn has(level: i32, name: i32) -> bool {
        index(level, name).is_some()
    }

    /// Sets an option of the table.
    ///
    /// # Errors
    /// `EINVAL`: it does not take this value. `ENOPROTOOPT`: it is not in the table.
    pub(super) fn set(&mut self, level: i32, name: i32, number: i32) -> Result<()> {
        let index = index(level, name).ok_or(Errno::NOPROTOOPT)?;
        let number = match ROWS[index].rule {
            Rule::Bool => i32::from(number != 0),
            Rule::ZeroOne => super::in_range(number, 0, 1)?,
            Rule::Range(low, high) => super::in_range(number, low, high)?,
            Rule::Any => number,
        };
        self.set.get_or_insert_with(|| Box::new(ROWS.map(|row| row.default)))[index] = number;
        Ok(())
    }
}

fn index(level: i32, name: i32) -> Option<usize> {
    ROWS.iter().position(|row| row.level == level && row.name == name)
}
