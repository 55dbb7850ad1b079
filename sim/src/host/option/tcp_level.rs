//! Level IPPROTO_TCP, `tcp(7)`: `do_tcp_getsockopt`, `do_tcp_setsockopt`.

use super::super::Host;
use super::plain::Values;
use super::{Answer, SetCx, checked, in_range, int, shown};
use crate::slab::Key;
use crate::tcp::{Info, State};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Errno, Instant, Result};

/// `TCP_MIN_MSS` and `MAX_TCP_WINDOW`: what TCP_MAXSEG takes.
const MAXSEG_MIN: i32 = 88;
const MAXSEG_MAX: i32 = 32_767;
/// `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL`, in seconds.
const KEEP_SECONDS_MAX: i32 = 32_767;
/// `MAX_TCP_KEEPCNT` and `MAX_TCP_SYNCNT`.
const COUNT_MAX: i32 = 127;
/// `TCP_FIN_TIMEOUT_MAX`, in seconds.
const LINGER2_MAX: i32 = 120;
/// `SOCK_MIN_RCVBUF / 2`.
const WINDOW_CLAMP_MIN: u32 = 1152;
/// A tick, at HZ = 250.
const TICK_MS: u32 = 4;
/// `TCP_TIMEOUT_INIT` and `TCP_RTO_MAX`, in seconds: the schedule of SYN-ACKs.
const SYNACK_TIMEOUT_SECONDS: i32 = 1;
const SYNACK_TIMEOUT_MAX_SECONDS: i32 = 120;
/// `TCP_CA_NAME_MAX`.
const CONGESTION_NAME_MAX_BYTES: usize = 16;
/// The names that TCP_CONGESTION takes.
const CONGESTION_NAMES: [&str; 3] = ["reno", "cubic", "bbr"];

impl Host {
    pub(super) fn get_tcp_option(&mut self, now: Instant, key: Key, name: i32) -> Result<Answer> {
        let socket = &self.sockets[key];
        let tcb = &socket.tcb;
        let set = &tcb.options;
        let sysctl = &self.sysctl.tcp;
        let or_default = |value: u32, default: u32| shown(if value == 0 { default } else { value });
        let number = match name {
            c::TCP_NODELAY => i32::from(set.nodelay),
            c::TCP_CORK => i32::from(set.cork),
            c::TCP_MAXSEG => i32::from(tcb.mss()),
            c::TCP_KEEPIDLE => or_default(set.keepidle.into(), sysctl.tcp_keepalive_time.into()),
            c::TCP_KEEPINTVL => or_default(set.keepintvl.into(), sysctl.tcp_keepalive_intvl.into()),
            c::TCP_KEEPCNT => or_default(set.keepcnt.into(), sysctl.tcp_keepalive_probes.into()),
            c::TCP_SYNCNT => or_default(set.syncnt.into(), sysctl.tcp_syn_retries.into()),
            c::TCP_LINGER2 if set.linger2 == 0 => i32::from(sysctl.tcp_fin_timeout),
            c::TCP_LINGER2 => i32::from(set.linger2),
            c::TCP_DEFER_ACCEPT => retries_to_seconds(set.defer_accept),
            c::TCP_WINDOW_CLAMP => shown(tcb.window_clamp()),
            c::TCP_QUICKACK => i32::from(tcb.quickack()),
            c::TCP_USER_TIMEOUT => shown(set.user_timeout_ms),
            c::TCP_NOTSENT_LOWAT => set.notsent_lowat.cast_signed(),
            c::TCP_RTO_MAX_MS => or_default(set.rto_max_ms, sysctl.tcp_rto_max_ms),
            c::TCP_INQ => i32::from(socket.options.inq),
            c::TCP_TIMESTAMP => tcb.timestamp_clock(now).cast_signed(),
            c::TCP_FASTOPEN => socket.options.fastopen,
            c::TCP_THIN_DUPACK | c::TCP_REPAIR | c::TCP_IS_MPTCP => 0,
            c::TCP_CONGESTION => {
                let name = socket.options.congestion.unwrap_or(&self.sysctl.tcp_congestion_control);
                let mut bytes = name.as_bytes().to_vec();
                bytes.resize(CONGESTION_NAME_MAX_BYTES, 0);
                return Ok(Answer::Bytes(bytes));
            }
            c::TCP_INFO => return Ok(Answer::Bytes(tcp_info(&tcb.info()))),
            // No upper layer protocol, no saved SYN.
            c::TCP_ULP | c::TCP_SAVED_SYN => return Ok(Answer::Bytes(Vec::new())),
            _ => socket.options.plain.get(c::SOL_TCP, name).ok_or(Errno::NOPROTOOPT)?,
        };
        Ok(Answer::Int(number))
    }

    pub(super) fn set_tcp_option(&mut self, set: &SetCx, name: i32, value: &[u8]) -> Result<()> {
        if name == c::TCP_CONGESTION {
            return self.set_congestion(set, value);
        }
        let number = int(value)?;
        let on = number != 0;
        let socket = &mut self.sockets[set.key];
        let state = socket.tcb.state();
        let tcb = &mut socket.tcb;
        match name {
            c::TCP_NODELAY => tcb.set_nodelay(on),
            c::TCP_CORK => tcb.set_cork(on),
            c::TCP_MAXSEG if number == 0 => tcb.options.maxseg = 0,
            c::TCP_MAXSEG => tcb.options.maxseg = checked(in_range(number, MAXSEG_MIN, MAXSEG_MAX)?),
            c::TCP_KEEPIDLE => tcb.set_keepidle(set.now, checked(in_range(number, 1, KEEP_SECONDS_MAX)?)),
            c::TCP_KEEPINTVL => tcb.options.keepintvl = checked(in_range(number, 1, KEEP_SECONDS_MAX)?),
            c::TCP_KEEPCNT => tcb.options.keepcnt = checked(in_range(number, 1, COUNT_MAX)?),
            c::TCP_SYNCNT => tcb.options.syncnt = checked(in_range(number, 1, COUNT_MAX)?),
            c::TCP_LINGER2 => tcb.options.linger2 = checked(number.clamp(-1, LINGER2_MAX)),
            c::TCP_DEFER_ACCEPT => tcb.options.defer_accept = seconds_to_retries(number),
            c::TCP_WINDOW_CLAMP if number == 0 && state != State::Closed => return Err(Errno::INVAL),
            c::TCP_WINDOW_CLAMP if number == 0 => tcb.set_window_clamp(0),
            c::TCP_WINDOW_CLAMP => tcb.set_window_clamp(number.max(0).cast_unsigned().max(WINDOW_CLAMP_MIN)),
            c::TCP_QUICKACK => tcb.set_quickack(on),
            c::TCP_USER_TIMEOUT => {
                tcb.options.user_timeout_ms = u32::try_from(number).map_err(|_| Errno::INVAL)?;
            }
            c::TCP_NOTSENT_LOWAT => tcb.options.notsent_lowat = number.cast_unsigned(),
            c::TCP_RTO_MAX_MS => {
                // Kept in ticks.
                let ms = in_range(number, 1000, 120_000)?.cast_unsigned();
                tcb.options.rto_max_ms = ms.next_multiple_of(TICK_MS);
            }
            c::TCP_INQ => socket.options.inq = in_range(number, 0, 1)? != 0,
            c::TCP_THIN_DUPACK => drop(in_range(number, 0, 1)?),
            c::TCP_FASTOPEN => {
                let is_ready = state == State::Closed || state == State::Listen;
                let number = Some(number).filter(|number| *number >= 0 && is_ready).ok_or(Errno::INVAL)?;
                socket.options.fastopen = number.min(shown(self.sysctl.somaxconn));
            }
            c::TCP_FASTOPEN_CONNECT if state != State::Closed => return Err(Errno::INVAL),
            c::TCP_FASTOPEN_NO_COOKIE if state != State::Closed && state != State::Listen => return Err(Errno::INVAL),
            c::TCP_REPAIR | c::TCP_TIMESTAMP | c::TCP_REPAIR_QUEUE | c::TCP_QUEUE_SEQ | c::TCP_REPAIR_OPTIONS => {
                return Err(Errno::PERM);
            }
            _ if Values::has(c::SOL_TCP, name) => socket.options.plain.set(c::SOL_TCP, name, number)?,
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }

    /// `TCP_CONGESTION`: the name is remembered; the algorithm stays the one that is modelled.
    fn set_congestion(&mut self, set: &SetCx, value: &[u8]) -> Result<()> {
        if value.is_empty() {
            return Err(Errno::INVAL);
        }
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = &name[..name.len().min(CONGESTION_NAME_MAX_BYTES - 1)];
        let known = CONGESTION_NAMES.iter().find(|known| known.as_bytes() == name).ok_or(Errno::NOENT)?;
        self.sockets[set.key].options.congestion = Some(known);
        Ok(())
    }
}

/// `secs_to_retrans`: after how many SYN-ACKs so many seconds have passed.
fn seconds_to_retries(seconds: i32) -> u8 {
    if seconds <= 0 {
        return 0;
    }
    let (mut timeout, mut period, mut retries) = (SYNACK_TIMEOUT_SECONDS, SYNACK_TIMEOUT_SECONDS, 1);
    while seconds > period && retries < u8::MAX {
        retries += 1;
        timeout = (timeout * 2).min(SYNACK_TIMEOUT_MAX_SECONDS);
        period += timeout;
    }
    retries
}

/// `retrans_to_secs`: how many seconds so many SYN-ACKs take.
fn retries_to_seconds(retries: u8) -> i32 {
    let (mut timeout, mut period) = (SYNACK_TIMEOUT_SECONDS, 0);
    for _ in 0..retries {
        period += timeout;
        timeout = (timeout * 2).min(SYNACK_TIMEOUT_MAX_SECONDS);
    }
    period
}

/// The bytes of a `struct tcp_info` up to `tcpi_total_retrans`, then what else is known: `tcpi_notsent_bytes`, the windows.
fn tcp_info(info: &Info) -> Vec<u8> {
    let micros = |duration: Duration| u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    let snd_mss = u32::from(info.snd_mss).max(1);
    let segments = |bytes: u32| bytes.div_ceil(snd_mss);
    let options = u8::from(info.timestamps) * TCPI_OPT_TIMESTAMPS + u8::from(info.snd_wscale > 0) * TCPI_OPT_WSCALE;
    let mut bytes = vec![info.state.number(), 0, info.retransmits, info.probes, info.backoff, options];
    bytes.extend([info.snd_wscale | info.rcv_wscale << 4, 0]);
    let words = [
        micros(info.rto),
        0,
        snd_mss,
        u32::from(info.rcv_mss),
        segments(info.unacked_bytes),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        1500,
        info.rcv_wnd,
        micros(info.rtt),
        micros(info.rttvar),
        segments(info.snd_ssthresh_bytes),
        segments(info.snd_cwnd_bytes),
        u32::from(info.advmss),
        3,
        0,
        info.rcv_wnd,
        0,
    ];
    bytes.extend(words.into_iter().flat_map(u32::to_ne_bytes));
    bytes.resize(TCPI_NOTSENT_BYTES_AT, 0);
    bytes.extend(info.notsent_bytes.to_ne_bytes());
    bytes.resize(TCPI_SND_WND_AT, 0);
    bytes.extend(info.snd_wnd.to_ne_bytes());
    bytes.extend(info.rcv_wnd.to_ne_bytes());
    bytes
}

const TCPI_OPT_TIMESTAMPS: u8 = 1;
const TCPI_OPT_WSCALE: u8 = 4;
/// `offsetof(struct tcp_info, tcpi_notsent_bytes)`.
const TCPI_NOTSENT_BYTES_AT: usize = 144;
/// `offsetof(struct tcp_info, tcpi_snd_wnd)`.
const TCPI_SND_WND_AT: usize = 228;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defer_accept_is_rounded_to_the_schedule_of_syn_acks() {
        for (set, read) in [(-1, 0), (0, 0), (1, 1), (2, 3), (5, 7), (100, 127)] {
            assert_eq!(retries_to_seconds(seconds_to_retries(set)), read, "TCP_DEFER_ACCEPT {set}");
        }
    }
}
