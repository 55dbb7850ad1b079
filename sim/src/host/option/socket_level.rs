//! Level SOL_SOCKET, `socket(7)`: `sk_getsockopt`, `sk_setsockopt`.

use super::super::{Host, addr};
use super::plain::Values;
use super::{Answer, Options, SetCx, in_range, int, shown, store};
use crate::slab::Key;
use crate::tcp::State;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Errno, RawAddr, Result};

/// `SOCK_MIN_SNDBUF`.
pub(super) const SNDBUF_MIN_BYTES: u32 = 4608;
/// `SOCK_MIN_RCVBUF`.
pub(super) const RCVBUF_MIN_BYTES: u32 = 2304;
/// A tick of the kernel's clock, at HZ = 250: timeouts are whole ticks.
const TICK_MS: u64 = 4;
/// `IFNAMSIZ`.
const INTERFACE_NAME_MAX_BYTES: usize = 16;
/// `SOCK_SNDBUF_LOCK`, `SOCK_RCVBUF_LOCK`.
pub(super) const SNDBUF_LOCK: i32 = 1;
pub(super) const RCVBUF_LOCK: i32 = 2;
/// The interfaces of a host; their index is their place, from 1.
const INTERFACES: [&str; 2] = ["lo", "eth0"];

impl Host {
    pub(super) fn get_socket_option(&mut self, key: Key, name: i32, room: usize) -> Result<Answer> {
        let socket = &mut self.sockets[key];
        let number = match name {
            c::SO_KEEPALIVE => i32::from(socket.tcb.options.keepalive),
            c::SO_OOBINLINE => i32::from(socket.tcb.options.oobinline),
            c::SO_TYPE => c::SOCK_STREAM,
            c::SO_PROTOCOL => c::IPPROTO_TCP,
            c::SO_DOMAIN => socket.family.raw(),
            c::SO_ACCEPTCONN => i32::from(socket.tcb.state() == State::Listen),
            c::SO_ERROR => socket.tcb.take_error().map_or(0, Errno::raw),
            c::SO_SNDBUF => shown(socket.tcb.sndbuf()),
            c::SO_RCVBUF => shown(socket.tcb.rcvbuf()),
            c::SO_RCVLOWAT => shown(socket.tcb.options.rcvlowat),
            c::SO_PEEK_OFF => socket.options.peek_off,
            c::SO_BUF_LOCK => {
                let sndbuf = if socket.tcb.options.sndbuf_lock { SNDBUF_LOCK } else { 0 };
                sndbuf | if socket.tcb.options.rcvbuf_lock { RCVBUF_LOCK } else { 0 }
            }
            c::SO_MEMINFO => {
                let (rcvbuf, sndbuf) = (socket.tcb.rcvbuf(), socket.tcb.sndbuf());
                let queued = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
                let (read, sent) = (queued(socket.tcb.readable_bytes()), queued(socket.tcb.outq_bytes()));
                let words = [read, rcvbuf, 0, sndbuf, 0, sent, 0, 0, 0];
                return Ok(Answer::Bytes(words.map(u32::to_ne_bytes).concat()));
            }
            c::SO_PEERNAME => {
                let peer = Some((socket.tuple.remote, socket.tuple.remote_port)).filter(|(_, port)| *port != 0);
                let peer = peer.map(|(ip, port)| addr::encode(&socket.family.show(ip, port)));
                return peer_name(peer, room).map(Answer::Bytes);
            }
            _ => return socket.options.get_socket_level(name, room, key),
        };
        Ok(Answer::Int(number))
    }
}

impl Options {
    /// The options that any socket has.
    pub(super) fn get_socket_level(&self, name: i32, room: usize, key: Key) -> Result<Answer> {
        if let Some(answer) = self.stamps.get(name) {
            return Ok(answer);
        }
        let number = match name {
            c::SO_REUSEADDR => i32::from(self.reuse_addr),
            c::SO_REUSEPORT => i32::from(self.reuse_port),
            c::SO_PRIORITY => self.priority,
            c::SO_BSDCOMPAT | c::SO_INCOMING_NAPI_ID => 0,
            c::SO_SNDLOWAT | c::SO_TXREHASH => 1,
            c::SO_BINDTOIFINDEX => i32::from(self.device),
            c::SO_PASSCRED | c::SO_PASSRIGHTS | c::SO_PASSSEC | c::SO_PASSPIDFD => return Err(Errno::OPNOTSUPP),
            c::SO_PEERGROUPS => return Err(Errno::NODATA),
            _ => match self.plain.get(c::SOL_SOCKET, name) {
                Some(number) => number,
                None => return self.get_socket_structure(name, room, key).map(Answer::Bytes),
            },
        };
        Ok(Answer::Int(number))
    }

    /// The options that are not ints.
    fn get_socket_structure(&self, name: i32, room: usize, key: Key) -> Result<Vec<u8>> {
        let options = self;
        Ok(match name {
            c::SO_LINGER => {
                let onoff = i32::from(options.linger_on);
                [onoff.to_ne_bytes(), options.linger_seconds.to_ne_bytes()].concat()
            }
            c::SO_RCVTIMEO | c::SO_RCVTIMEO_NEW => timeval(options.receive_timeout),
            c::SO_SNDTIMEO | c::SO_SNDTIMEO_NEW => timeval(options.send_timeout),
            // struct ucred: nobody.
            c::SO_PEERCRED => [0_i32, -1, -1].map(i32::to_ne_bytes).concat(),
            c::SO_MAX_PACING_RATE if room >= 8 => options.max_pacing_rate.to_ne_bytes().to_vec(),
            c::SO_MAX_PACING_RATE => u32::try_from(options.max_pacing_rate).unwrap_or(u32::MAX).to_ne_bytes().to_vec(),
            c::SO_COOKIE | c::SO_NETNS_COOKIE if room < 8 => return Err(Errno::INVAL),
            c::SO_COOKIE => (u64::from(key.number()) + 1).to_ne_bytes().to_vec(),
            c::SO_NETNS_COOKIE => 1_u64.to_ne_bytes().to_vec(),
            c::SO_BINDTODEVICE => match options.device {
                0 => Vec::new(),
                _ if room < INTERFACE_NAME_MAX_BYTES => return Err(Errno::INVAL),
                index => {
                    let mut name = INTERFACES[usize::from(index) - 1].as_bytes().to_vec();
                    name.push(0);
                    name
                }
            },
            _ => return Err(Errno::NOPROTOOPT),
        })
    }
}

impl Host {
    pub(super) fn set_socket_option(&mut self, set: &SetCx, name: i32, value: &[u8]) -> Result<()> {
        if name == c::SO_BINDTODEVICE {
            let has_wire = self.addresses.has_interface();
            return self.sockets[set.key].options.bind_to_device(has_wire, set.is_root, value);
        }
        let number = int(value)?;
        let on = number != 0;
        let sysctl_max = (self.sysctl.wmem_max, self.sysctl.rmem_max);
        let socket = &mut self.sockets[set.key];
        match name {
            c::SO_KEEPALIVE => socket.tcb.set_keepalive(set.now, on),
            c::SO_OOBINLINE => socket.tcb.options.oobinline = on,
            // A negative size is a large unsigned one.
            c::SO_SNDBUF => socket.tcb.set_sndbuf(doubled(number.cast_unsigned().min(sysctl_max.0), SNDBUF_MIN_BYTES)),
            c::SO_RCVBUF => socket.tcb.set_rcvbuf(doubled(number.cast_unsigned().min(sysctl_max.1), RCVBUF_MIN_BYTES)),
            c::SO_SNDBUFFORCE | c::SO_RCVBUFFORCE if !set.is_root => return Err(Errno::PERM),
            c::SO_SNDBUFFORCE => socket.tcb.set_sndbuf(doubled(number.max(0).cast_unsigned(), SNDBUF_MIN_BYTES)),
            c::SO_RCVBUFFORCE => socket.tcb.set_rcvbuf(doubled(number.max(0).cast_unsigned(), RCVBUF_MIN_BYTES)),
            c::SO_RCVLOWAT => {
                let lowat = if number < 0 { i32::MAX } else { number };
                socket.tcb.set_rcvlowat(lowat.cast_unsigned());
            }
            c::SO_PEEK_OFF => socket.options.peek_off = number,
            c::SO_BUF_LOCK => {
                let locks = in_range(number, 0, SNDBUF_LOCK | RCVBUF_LOCK)?;
                socket.tcb.options.sndbuf_lock = locks & SNDBUF_LOCK != 0;
                socket.tcb.options.rcvbuf_lock = locks & RCVBUF_LOCK != 0;
            }
            _ => return socket.options.set_socket_level(set.is_root, name, value),
        }
        Ok(())
    }
}

impl Options {
    /// Sets the options that any socket has; the value has been found to be an int at least.
    pub(super) fn set_socket_level(&mut self, is_root: bool, name: i32, value: &[u8]) -> Result<()> {
        let number = int(value)?;
        let on = number != 0;
        let options = self;
        match name {
            c::SO_REUSEADDR => options.reuse_addr = on,
            c::SO_REUSEPORT => options.reuse_port = on,
            c::SO_PRIORITY if !(0..=6).contains(&number) && !is_root => return Err(Errno::PERM),
            c::SO_PRIORITY => options.priority = number,
            c::SO_BSDCOMPAT | c::SO_CNX_ADVICE | c::SO_TXREHASH => {}
            c::SO_PASSCRED | c::SO_PASSRIGHTS | c::SO_PASSSEC | c::SO_PASSPIDFD => return Err(Errno::OPNOTSUPP),
            c::SO_DEBUG if on && !is_root => return Err(Errno::ACCES),
            c::SO_MARK if !is_root => return Err(Errno::PERM),
            c::SO_LOCK_FILTER if !on && options.plain.get(c::SOL_SOCKET, name) == Some(1) => return Err(Errno::PERM),
            c::SO_DETACH_FILTER => return Err(Errno::NOENT),
            c::SO_LINGER | c::SO_RCVTIMEO | c::SO_SNDTIMEO | c::SO_RCVTIMEO_NEW | c::SO_SNDTIMEO_NEW | c::SO_MAX_PACING_RATE => {
                return options.set_socket_structure(name, value);
            }
            _ if options.stamps.set(name, value)? => {}
            _ if Values::has(c::SOL_SOCKET, name) => options.plain.set(c::SOL_SOCKET, name, number)?,
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }

    /// The options that are not ints, or not only.
    fn set_socket_structure(&mut self, name: i32, value: &[u8]) -> Result<()> {
        let options = self;
        match name {
            c::SO_LINGER => {
                let seconds: [u8; 4] = *value.get(4..).and_then(|rest| rest.first_chunk()).ok_or(Errno::INVAL)?;
                options.linger_on = int(value)? != 0;
                if options.linger_on {
                    let seconds = i32::from_ne_bytes(seconds);
                    options.linger_seconds = u32::try_from(seconds).unwrap_or(LINGER_FOREVER_SECONDS);
                }
            }
            c::SO_RCVTIMEO | c::SO_RCVTIMEO_NEW => options.receive_timeout = timeout(value)?,
            c::SO_SNDTIMEO | c::SO_SNDTIMEO_NEW => options.send_timeout = timeout(value)?,
            _ => {
                options.max_pacing_rate = match value.first_chunk() {
                    Some(bytes) => u64::from_ne_bytes(*bytes),
                    None => match int(value)?.cast_unsigned() {
                        u32::MAX => u64::MAX,
                        rate => u64::from(rate),
                    },
                };
            }
        }
        Ok(())
    }

    /// `SO_BINDTODEVICE`: a name with or without NUL, the empty one for none.
    pub(super) fn bind_to_device(&mut self, has_wire: bool, is_root: bool, value: &[u8]) -> Result<()> {
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = &name[..name.len().min(INTERFACE_NAME_MAX_BYTES - 1)];
        let index = match name {
            [] => 0,
            name => {
                let has_interface = |index: &usize| *index == 0 || has_wire;
                let place = INTERFACES.iter().position(|known| known.as_bytes() == name).filter(has_interface);
                u8::try_from(place.ok_or(Errno::NODEV)? + 1).expect("a host has few interfaces")
            }
        };
        if self.device != 0 && !is_root {
            return Err(Errno::PERM);
        }
        self.device = index;
        Ok(())
    }
}

/// MAX_SCHEDULE_TIMEOUT in seconds, as much of it as an int holds: what a negative `l_linger` becomes.
const LINGER_FOREVER_SECONDS: u32 = 0x978d_4fdf;

/// The value of `SO_PEERNAME`.
pub(super) fn peer_name(peer: Option<RawAddr>, room: usize) -> Result<Vec<u8>> {
    let name = peer.ok_or(Errno::NOTCONN)?;
    if name.as_bytes().len() < room { Err(Errno::INVAL) } else { Ok(name.as_bytes().to_vec()) }
}

/// A buffer size as it takes effect: doubled for overhead, at least the minimum.
pub(super) fn doubled(bytes: u32, minimum: u32) -> u32 {
    bytes.min(0x3fff_ffff).saturating_mul(2).max(minimum)
}

/// `sock_set_timeout`: a `struct timeval`, rounded up to ticks; 0 is for ever, negative is not at all.
fn timeout(value: &[u8]) -> Result<Option<Duration>> {
    let field = |at: usize| {
        let bytes: [u8; 8] = *value.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Errno::INVAL)?;
        Ok(i64::from_ne_bytes(bytes))
    };
    let (seconds, micros) = (field(0)?, field(8)?);
    let Some(micros) = u64::try_from(micros).ok().filter(|micros| *micros < 1_000_000) else {
        return Err(Errno::DOM);
    };
    let Ok(seconds) = u64::try_from(seconds) else { return Ok(Some(Duration::ZERO)) };
    if seconds == 0 && micros == 0 {
        return Ok(None);
    }
    let ticks = micros.div_ceil(TICK_MS * 1000);
    let whole = Duration::from_secs(seconds.min(u64::from(u32::MAX)));
    Ok(Some(whole + Duration::from_millis(ticks * TICK_MS)))
}

/// A timeout as a `struct timeval`.
fn timeval(timeout: Option<Duration>) -> Vec<u8> {
    let timeout = timeout.unwrap_or_default();
    let mut bytes = vec![0; 16];
    store(&timeout.as_secs().to_ne_bytes(), 8, &mut bytes);
    store(&u64::from(timeout.subsec_micros()).to_ne_bytes(), 8, &mut bytes[8..]);
    bytes
}
