//! Readiness as `poll(2)` and `select(2)` see it: masks in, answers out.
//!
//! Everything here is a pure function of masks. Who sleeps, where a file's wait queue is and what a descriptor number means are the
//! host's business: it passes a closure `mask_of(fd)` that gives a file's present mask, or `None` where the descriptor is not open.

use std::time::Duration;
use twinsock::consts as c;
use twinsock::raw::{FD_SETSIZE, FdSet, PollFd, RawFd};
use twinsock::{Errno, Instant, PollEvents, Result};

/// What is reported without being asked for.
pub const ALWAYS: PollEvents = PollEvents::from_raw(c::POLLERR | c::POLLHUP);

/// What makes a descriptor readable to `select(2)`, Linux's `POLLIN_SET`.
pub const SELECT_READ: PollEvents =
    PollEvents::from_raw(c::POLLRDNORM | c::POLLRDBAND | c::POLLIN | c::POLLHUP | c::POLLERR | c::POLLNVAL);

/// What makes a descriptor writable to `select(2)`, Linux's `POLLOUT_SET`.
pub const SELECT_WRITE: PollEvents = PollEvents::from_raw(c::POLLWRBAND | c::POLLWRNORM | c::POLLOUT | c::POLLERR | c::POLLNVAL);

/// What makes a descriptor exceptional to `select(2)`, Linux's `POLLEX_SET`: an error is not exceptional.
pub const SELECT_EXCEPT: PollEvents = PollEvents::from_raw(c::POLLPRI | c::POLLNVAL);

/// The key of a wake-up for data, `sk_data_ready`.
pub const KEY_READABLE: PollEvents = PollEvents::from_raw(c::POLLIN | c::POLLPRI | c::POLLRDNORM | c::POLLRDBAND);

/// The key of a wake-up for space, `sk_write_space`.
pub const KEY_WRITABLE: PollEvents = PollEvents::from_raw(c::POLLOUT | c::POLLWRNORM | c::POLLWRBAND);

/// The key of a wake-up for an error, `sk_error_report`.
pub const KEY_ERROR: PollEvents = PollEvents::ERR;

/// The key of a wake-up for a change of state, `sk_state_change`: none, so that it passes every filter.
pub const KEY_STATE: PollEvents = PollEvents::NONE;

/// What a call waits for that looks again at every wake-up.
pub const ANY: PollEvents = PollEvents::from_raw(0x7fff);

/// The key with which a pipe wakes its readers.
pub const KEY_PIPE_READABLE: PollEvents = PollEvents::from_raw(c::POLLIN | c::POLLRDNORM);

/// The key with which a pipe wakes its writers.
pub const KEY_PIPE_WRITABLE: PollEvents = PollEvents::from_raw(c::POLLOUT | c::POLLWRNORM);

/// The key with which an epoll file wakes those that watch it.
pub const KEY_EPOLL: PollEvents = PollEvents::IN;

/// Whether a wake-up with this key reaches a sleeper that waits for `filter`, as `pollwake` decides it.
#[must_use]
pub const fn wakes(key: PollEvents, filter: PollEvents) -> bool {
    key.is_empty() || key.intersects(filter)
}

/// What a `poll(2)` entry that asked for `events` waits for.
#[must_use]
pub fn poll_filter(events: i16) -> PollEvents {
    PollEvents::from_raw(i32::from(events.cast_unsigned())) | ALWAYS
}

/// The `revents` of an entry that asked for `events` and whose file has `mask`; `None` is a descriptor that is not open.
#[must_use]
pub fn revents(mask: Option<PollEvents>, events: i16) -> i16 {
    match mask {
        Some(mask) => to_short(mask & poll_filter(events)),
        None => to_short(PollEvents::NVAL),
    }
}

/// The bits as `struct pollfd` has them.
fn to_short(events: PollEvents) -> i16 {
    i16::try_from(events.raw() & 0x7fff).expect("15 bits fit a short")
}

/// One pass of `poll(2)`: fills in every `revents` and answers how many are not zero. A negative descriptor is passed over.
pub fn poll(fds: &mut [PollFd], mut mask_of: impl FnMut(RawFd) -> Option<PollEvents>) -> usize {
    let mut count = 0;
    for entry in fds {
        entry.revents = if entry.fd < 0 { 0 } else { revents(mask_of(entry.fd), entry.events) };
        count += usize::from(entry.revents != 0);
    }
    count
}

/// The sets of a `select(2)` call: readable, writable, exceptional.
pub type SelectSets<'a> = [Option<&'a mut FdSet>; 3];

/// Checks the arguments of `select(2)`.
///
/// # Errors
/// `EINVAL`: `nfds` is negative. `EBADF`: a set names a descriptor that is not open.
pub fn check_select(nfds: i32, sets: &SelectSets<'_>, mut is_open: impl FnMut(RawFd) -> bool) -> Result<()> {
    if nfds < 0 {
        return Err(Errno::INVAL);
    }
    let mut all_open = true;
    each_selected(nfds, sets, |fd, _| all_open &= is_open(fd));
    if all_open { Ok(()) } else { Err(Errno::BADF) }
}

/// Calls `each` with every descriptor below `nfds` that is in a set, and with what `select(2)` waits for on it.
pub fn each_selected(nfds: i32, sets: &SelectSets<'_>, mut each: impl FnMut(RawFd, PollEvents)) {
    for_each_bit(nfds, sets, |fd, [read, write, _]| {
        // The kernel's wait_key_set() waits for the exceptional events of every descriptor.
        let mut filter = SELECT_EXCEPT;
        if read {
            filter |= SELECT_READ;
        }
        if write {
            filter |= SELECT_WRITE;
        }
        each(fd, filter);
    });
}

/// One pass of `select(2)`: answers how many bits are set, having written them to the sets.
///
/// The sets are left as they are while the answer is 0 and the call goes on waiting; `last` says that it does not. A descriptor that
/// was closed meanwhile (`mask_of` answers `None`) is ready in every set that names it, as on Linux.
pub fn select(nfds: i32, sets: &mut SelectSets<'_>, last: bool, mut mask_of: impl FnMut(RawFd) -> Option<PollEvents>) -> usize {
    let mut answer = [FdSet::new(); 3];
    let mut count = 0;
    for_each_bit(nfds, sets, |fd, asked| {
        let mask = mask_of(fd).unwrap_or(PollEvents::NVAL);
        for (index, makes_ready) in [SELECT_READ, SELECT_WRITE, SELECT_EXCEPT].into_iter().enumerate() {
            if asked[index] && mask.intersects(makes_ready) {
                answer[index].insert(fd);
                count += 1;
            }
        }
    });
    if count > 0 || last {
        for (set, answer) in sets.iter_mut().zip(answer) {
            if let Some(set) = set {
                **set = answer;
            }
        }
    }
    count
}

/// Calls `each` with every descriptor below `nfds` that is in a set, lowest first, and with the sets that it is in.
fn for_each_bit(nfds: i32, sets: &SelectSets<'_>, mut each: impl FnMut(RawFd, [bool; 3])) {
    let limit = usize::try_from(nfds).unwrap_or(0).min(FD_SETSIZE);
    for word in 0..limit.div_ceil(64) {
        let words = sets.each_ref().map(|set| set.as_ref().map_or(0, |set| set.words()[word]));
        let mut left = words[0] | words[1] | words[2];
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            let fd = word * 64 + usize::try_from(bit).expect("a bit number of a word is below 64");
            if fd >= limit {
                return;
            }
            let fd = RawFd::try_from(fd).expect("a set holds descriptors below FD_SETSIZE");
            each(fd, words.map(|word| word >> bit & 1 == 1));
        }
    }
}

/// How long a call is willing to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Not at all: a timeout of zero.
    Immediate,
    /// Until then.
    At(Instant),
    /// For ever.
    Never,
}

impl Timeout {
    /// The timeout of `poll(2)` and `epoll_wait(2)`: milliseconds, any negative number being for ever.
    #[must_use]
    pub(crate) fn from_millis(now: Instant, timeout: i32) -> Timeout {
        match u64::try_from(timeout) {
            Ok(0) => Timeout::Immediate,
            Ok(millis) => Timeout::after(now, Duration::from_millis(millis)),
            Err(_) => Timeout::Never,
        }
    }

    /// The timeout of `select(2)`: microseconds, `None` being for ever.
    ///
    /// # Errors
    /// `EINVAL`: it is negative.
    pub(crate) fn from_select_micros(now: Instant, timeout: Option<i64>) -> Result<Timeout> {
        let Some(micros) = timeout else { return Ok(Timeout::Never) };
        match u64::try_from(micros) {
            Ok(0) => Ok(Timeout::Immediate),
            Ok(micros) => Ok(Timeout::after(now, Duration::from_micros(micros))),
            Err(_) => Err(Errno::INVAL),
        }
    }

    /// When a waiting call gives up, if ever.
    #[must_use]
    pub(crate) const fn deadline(self) -> Option<Instant> {
        match self {
            Timeout::At(deadline) => Some(deadline),
            Timeout::Immediate | Timeout::Never => None,
        }
    }

    /// A sum past the end of time is `Instant::FAR`: `Instant` adds with saturation.
    fn after(now: Instant, timeout: Duration) -> Timeout {
        Timeout::At(now + timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fd: RawFd, events: i32) -> PollFd {
        PollFd { fd, events: i16::try_from(events).unwrap(), revents: 0x55 }
    }

    fn bits(events: PollEvents) -> i16 {
        i16::try_from(events.raw()).unwrap()
    }

    #[test]
    fn poll_reports_what_was_asked_and_errors_unasked() {
        let mask = PollEvents::IN | PollEvents::RDNORM | PollEvents::OUT | PollEvents::RDHUP | PollEvents::HUP | PollEvents::ERR;
        assert_eq!(revents(Some(mask), bits(PollEvents::IN)), bits(PollEvents::IN | ALWAYS));
        assert_eq!(revents(Some(mask), 0), bits(ALWAYS));
        assert_eq!(revents(Some(mask), bits(PollEvents::RDHUP)), bits(PollEvents::RDHUP | ALWAYS));
        assert_eq!(revents(Some(PollEvents::NONE), -1), 0);
    }

    #[test]
    fn poll_counts_entries_passes_over_negative_ones_and_flags_closed_ones() {
        let mut fds = [entry(-5, 1), entry(3, 1), entry(3, 4), entry(9, 1), entry(4, 1)];
        let count = poll(&mut fds, |fd| match fd {
            3 => Some(PollEvents::IN | PollEvents::OUT),
            4 => Some(PollEvents::NONE),
            _ => None,
        });
        assert_eq!(count, 3);
        assert_eq!(fds.map(|entry| entry.revents), [0, 1, 4, 0x20, 0]);
    }

    #[test]
    fn a_wake_up_reaches_those_who_wait_for_its_key() {
        assert!(wakes(KEY_READABLE, poll_filter(1)));
        assert!(!wakes(KEY_WRITABLE, poll_filter(1)));
        assert!(wakes(KEY_STATE, poll_filter(0)), "a change of state wakes everybody");
        assert!(wakes(KEY_ERROR, poll_filter(0)));
    }

    #[test]
    fn select_counts_bits_and_an_error_is_not_exceptional() {
        let (mut read, mut write, mut except) = (FdSet::new(), FdSet::new(), FdSet::new());
        for set in [&mut read, &mut write, &mut except] {
            set.insert(3);
            set.insert(70);
        }
        let mut sets = [Some(&mut read), Some(&mut write), Some(&mut except)];
        let count = select(71, &mut sets, false, |fd| Some(if fd == 3 { PollEvents::ERR } else { PollEvents::PRI }));
        assert_eq!(count, 3);
        assert!(read.contains(3) && !read.contains(70));
        assert!(write.contains(3) && !write.contains(70));
        assert!(!except.contains(3) && except.contains(70));
    }

    #[test]
    fn select_hang_up_is_readable_only() {
        let (mut read, mut write) = (FdSet::new(), FdSet::new());
        read.insert(5);
        write.insert(5);
        let mut sets = [Some(&mut read), Some(&mut write), None];
        assert_eq!(select(6, &mut sets, false, |_| Some(PollEvents::HUP)), 1);
        assert!(read.contains(5) && !write.contains(5));
    }

    #[test]
    fn select_leaves_its_sets_until_it_returns() {
        let mut read = FdSet::new();
        read.insert(1023);
        assert_eq!(select(1024, &mut [Some(&mut read), None, None], false, |_| Some(PollEvents::NONE)), 0);
        assert!(read.contains(1023), "the call goes on waiting for it");
        assert_eq!(select(1024, &mut [Some(&mut read), None, None], true, |_| Some(PollEvents::NONE)), 0);
        assert_eq!(read, FdSet::new(), "a timeout empties the sets");
    }

    #[test]
    fn select_looks_only_below_nfds_and_refuses_closed_descriptors() {
        let mut read = FdSet::new();
        read.insert(7);
        let sets = [Some(&mut read), None, None];
        assert_eq!(check_select(-1, &sets, |_| true), Err(Errno::INVAL));
        assert_eq!(check_select(8, &sets, |_| false), Err(Errno::BADF));
        assert_eq!(check_select(7, &sets, |_| false), Ok(()));
        assert_eq!(check_select(i32::MAX, &sets, |fd| fd == 7), Ok(()));
        let mut seen = Vec::new();
        each_selected(1024, &sets, |fd, filter| seen.push((fd, filter)));
        assert_eq!(seen, [(7, SELECT_READ | SELECT_EXCEPT)]);
    }

    #[test]
    fn a_descriptor_closed_under_select_is_ready_everywhere() {
        let (mut read, mut except) = (FdSet::new(), FdSet::new());
        read.insert(4);
        except.insert(4);
        assert_eq!(select(5, &mut [Some(&mut read), None, Some(&mut except)], false, |_| None), 2);
    }

    #[test]
    fn timeouts_do_not_overflow() {
        let late = Instant::from_nanos(u64::MAX - 1);
        assert_eq!(Timeout::from_millis(late, i32::MAX), Timeout::At(Instant::FAR));
        assert_eq!(Timeout::from_millis(late, -7), Timeout::Never);
        assert_eq!(Timeout::from_millis(late, 0), Timeout::Immediate);
        assert_eq!(Timeout::from_select_micros(late, Some(i64::MAX)), Ok(Timeout::At(Instant::FAR)));
        assert_eq!(Timeout::from_select_micros(late, Some(-1)), Err(Errno::INVAL));
        assert_eq!(Timeout::from_select_micros(late, None), Ok(Timeout::Never));
        let now = Instant::from_nanos(5);
        assert_eq!(Timeout::from_millis(now, 2).deadline(), Some(Instant::from_nanos(2_000_005)));
    }
}
