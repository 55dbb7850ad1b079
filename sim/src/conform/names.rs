//! The names that cases use for numbers: flags, masks, levels, options. All but a few come from `twinsock::consts`.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use twinsock::consts::{self, *};

/// A level or option that no kernel knows: what `SOL_UNKNOWN`, `SO_UNKNOWN`, `X` and the like stand for.
pub const UNKNOWN: i32 = 9999;

/// Names with their bits, in the order in which a mask is written.
pub type Table = &'static [(&'static str, i32)];

/// `poll(2)`'s events.
pub const POLL: Table = &[
    ("POLLIN", POLLIN),
    ("POLLPRI", POLLPRI),
    ("POLLOUT", POLLOUT),
    ("POLLERR", POLLERR),
    ("POLLHUP", POLLHUP),
    ("POLLNVAL", POLLNVAL),
    ("POLLRDNORM", POLLRDNORM),
    ("POLLRDBAND", POLLRDBAND),
    ("POLLWRNORM", POLLWRNORM),
    ("POLLWRBAND", POLLWRBAND),
    ("POLLRDHUP", POLLRDHUP),
];

/// `epoll_ctl(2)`'s events.
pub const EPOLL: Table = &[
    ("EPOLLIN", EPOLLIN),
    ("EPOLLPRI", EPOLLPRI),
    ("EPOLLOUT", EPOLLOUT),
    ("EPOLLERR", EPOLLERR),
    ("EPOLLHUP", EPOLLHUP),
    ("EPOLLRDNORM", EPOLLRDNORM),
    ("EPOLLRDBAND", EPOLLRDBAND),
    ("EPOLLWRNORM", EPOLLWRNORM),
    ("EPOLLWRBAND", EPOLLWRBAND),
    ("EPOLLRDHUP", EPOLLRDHUP),
    ("EPOLLEXCLUSIVE", EPOLLEXCLUSIVE),
    ("EPOLLONESHOT", EPOLLONESHOT),
    ("EPOLLET", EPOLLET),
];

/// What `recvmsg(2)` reports in `msg_flags`; other bits are the kernel's own and are left out.
pub const MSG_REPORTED: Table = &[
    ("MSG_OOB", MSG_OOB),
    ("MSG_CTRUNC", MSG_CTRUNC),
    ("MSG_TRUNC", MSG_TRUNC),
    ("MSG_EOR", MSG_EOR),
    ("MSG_ERRQUEUE", MSG_ERRQUEUE),
];

/// Every event that a poll or an epoll entry asks for when the case says `ALL`.
pub const POLL_ALL: i32 = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP;

/// [`POLL_ALL`] in `poll(2)`'s 16 bits.
pub const POLL_ALL_BITS: i16 = 0x23C7;
const _: () = assert!(POLL_ALL == 0x23C7, "both are the same bits");

const TCP_STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

static CONSTANTS: LazyLock<BTreeMap<&'static str, i32>> = LazyLock::new(|| consts::ALL.iter().copied().collect());

/// The number of a constant whose name begins with one of `prefixes`.
pub fn constant(name: &str, prefixes: &[&str]) -> Option<i32> {
    if prefixes.iter().any(|prefix| name.starts_with(prefix)) { CONSTANTS.get(name).copied() } else { None }
}

/// The mask that `text` names, its parts joined with `|`; `""` and `"0"` are empty. On failure, the part that is unknown.
pub fn mask<'a>(text: &'a str, prefix: &str) -> Result<i32, &'a str> {
    if text.is_empty() || text == "0" {
        return Ok(0);
    }
    text.split('|').try_fold(0, |mask, part| constant(part, &[prefix]).map(|bit| mask | bit).ok_or(part))
}

/// The names of a mask's bits; `"0"` when it is empty. Bits that the table does not have are written as a number if `rest`.
pub fn write_mask(mask: i32, table: Table, rest: bool) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut left = mask;
    for (name, bit) in table {
        if mask & bit != 0 {
            names.push((*name).to_owned());
            left &= !bit;
        }
    }
    if rest && left != 0 {
        names.push(format!("{left:#x}"));
    }
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}

/// What `fcntl(F_GETFL)` answers, as the access mode and the flags that a program can change.
pub fn write_open_flags(flags: i32) -> String {
    let mut names = Vec::new();
    match flags & 3 {
        O_WRONLY => names.push("O_WRONLY"),
        O_RDWR => names.push("O_RDWR"),
        _ => {}
    }
    for (name, bit) in [("O_APPEND", O_APPEND), ("O_NONBLOCK", O_NONBLOCK), ("O_DIRECT", O_DIRECT)] {
        if flags & bit != 0 {
            names.push(name);
        }
    }
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}

/// The name of `tcpi_state`; FIN_WAIT1 and FIN_WAIT2 are one, since it depends on the timing of an ACK which is seen.
pub fn tcp_state(number: u8) -> String {
    let index = usize::from(number).checked_sub(1);
    index.and_then(|index| TCP_STATES.get(index)).map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_and_written() {
        assert_eq!(mask("MSG_OOB|MSG_PEEK", "MSG_"), Ok(MSG_OOB | MSG_PEEK));
        assert_eq!(mask("0", "MSG_"), Ok(0));
        assert_eq!(mask("MSG_OOB|MSG_MAGIC", "MSG_"), Err("MSG_MAGIC"));
        assert_eq!(mask("POLLIN", "MSG_"), Err("POLLIN"));
        assert_eq!(write_mask(POLLIN | POLLRDHUP, POLL, true), "POLLIN|POLLRDHUP");
        assert_eq!(write_mask(0, POLL, true), "0");
        assert_eq!(write_mask(MSG_CMSG_CLOEXEC, MSG_REPORTED, false), "0");
        assert_eq!(write_open_flags(O_RDWR | O_NONBLOCK), "O_RDWR|O_NONBLOCK");
    }
}
