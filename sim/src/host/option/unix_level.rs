//! Level SOL_SOCKET of local sockets, `socket(7)`, `unix(7)`; they know no other level.

use super::super::Host;
use super::socket_level::{RCVBUF_LOCK, RCVBUF_MIN_BYTES, SNDBUF_LOCK, SNDBUF_MIN_BYTES, doubled};
use super::{Answer, in_range, int, shown, store};
use crate::host::cx::Pid;
use crate::unix::{Address, Kind, UnixId};
use twinsock::consts as c;
use twinsock::{Errno, Result};

impl Host {
    /// `getsockopt(2)` on a local socket.
    pub(in crate::host) fn get_local_option(
        &mut self,
        id: UnixId,
        level: i32,
        name: i32,
        value: &mut [u8],
        len: &mut i32,
    ) -> Result<usize> {
        if level != c::SOL_SOCKET {
            return Err(Errno::OPNOTSUPP);
        }
        let room = usize::try_from(*len).map_err(|_| Errno::INVAL)?;
        if room > value.len() {
            return Err(Errno::FAULT);
        }
        let stored = match self.local_number(id, name)? {
            Some(number) => store(&number.to_ne_bytes(), room, value),
            None => match self.local_structure(id, name, room)? {
                Answer::Int(number) => store(&number.to_ne_bytes(), room, value),
                Answer::Bytes(bytes) => store(&bytes, room, value),
            },
        };
        *len = i32::try_from(stored).expect("no option is that long");
        Ok(0)
    }

    /// The options that are ints; `None`: it is another one.
    fn local_number(&mut self, id: UnixId, name: i32) -> Result<Option<i32>> {
        let space = &mut self.local.space;
        let held = space.options(id);
        Ok(Some(match name {
            c::SO_ERROR => space.take_error(id).map_or(0, Errno::raw),
            c::SO_OOBINLINE => i32::from(held.oobinline),
            c::SO_PASSCRED => i32::from(held.passcred),
            c::SO_PASSRIGHTS => i32::from(held.passrights),
            c::SO_RCVLOWAT => held.rcvlowat,
            c::SO_PEEK_OFF => held.peek_off,
            c::SO_TYPE => match space.kind(id) {
                Kind::Stream => c::SOCK_STREAM,
                Kind::Dgram => c::SOCK_DGRAM,
                Kind::Seqpacket => c::SOCK_SEQPACKET,
            },
            c::SO_PROTOCOL => 0,
            c::SO_DOMAIN => c::AF_UNIX,
            c::SO_ACCEPTCONN => i32::from(space.is_listening(id)),
            c::SO_SNDBUF => shown(space.sndbuf_bytes(id)),
            c::SO_TXREHASH => return Err(Errno::OPNOTSUPP),
            _ => {
                let socket = self.local.socket(id);
                match name {
                    c::SO_KEEPALIVE => i32::from(socket.keepalive),
                    c::SO_PASSSEC => i32::from(socket.passsec),
                    c::SO_PASSPIDFD => i32::from(socket.passpidfd),
                    c::SO_RCVBUF => shown(socket.rcvbuf_bytes),
                    c::SO_BUF_LOCK => socket.buf_lock,
                    _ => return Ok(None),
                }
            }
        }))
    }

    /// The options that are not ints, and those that any socket has.
    fn local_structure(&self, id: UnixId, name: i32, room: usize) -> Result<Answer> {
        let space = &self.local.space;
        let socket = self.local.socket(id);
        Ok(Answer::Bytes(match name {
            c::SO_PEERCRED => {
                // struct ucred; nobody is pid 0 with ids that are none.
                let peer =
                    space.peercred(id).map_or([0, -1, -1], |peer| [peer.pid, peer.uid.cast_signed(), peer.gid.cast_signed()]);
                peer.map(i32::to_ne_bytes).concat()
            }
            // Processes have no supplementary groups.
            c::SO_PEERGROUPS => space.peercred(id).map(|_| Vec::new()).ok_or(Errno::NODATA)?,
            c::SO_PEERNAME => {
                let peer = space.getpeername(id)?;
                let mut name = [0; 128];
                let len = Address::store(peer, &mut name);
                if len < room {
                    return Err(Errno::INVAL);
                }
                name[..len].to_vec()
            }
            c::SO_MEMINFO => {
                let words = [0, socket.rcvbuf_bytes, space.outq_bytes(id), space.sndbuf_bytes(id), 0, 0, 0, 0, 0];
                words.map(u32::to_ne_bytes).concat()
            }
            c::SO_COOKIE if room < 8 => return Err(Errno::INVAL),
            // A cookie is of one socket of the host.
            c::SO_COOKIE => ((u64::from(id.number()) + 1) | LOCAL_COOKIES).to_ne_bytes().to_vec(),
            _ => return socket.options.get_socket_level(name, room, socket.file),
        }))
    }

    /// `setsockopt(2)` on a local socket.
    pub(in crate::host) fn set_local_option(
        &mut self,
        pid: Pid,
        id: UnixId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<usize> {
        if level != c::SOL_SOCKET {
            return Err(Errno::OPNOTSUPP);
        }
        let is_root = self.process(pid)?.credentials.is_root();
        if name == c::SO_BINDTODEVICE {
            let has_wire = self.addresses.has_interface();
            return self.local.socket_mut(id).options.bind_to_device(has_wire, is_root, value).map(|()| 0);
        }
        if name == SO_INQ && self.local.space.kind(id) == Kind::Stream {
            let number = value.try_into().map(i32::from_ne_bytes).map_err(|_| Errno::INVAL)?;
            self.local.socket_mut(id).inq = in_range(number, 0, 1)? != 0;
            return Ok(0);
        }
        let number = int(value)?;
        if self.set_local_space(id, name, number, is_root)? {
            return Ok(0);
        }
        self.set_local_held(id, name, number, value, is_root).map(|()| 0)
    }

    /// The options that change what the socket does; `false`: it is another one.
    fn set_local_space(&mut self, id: UnixId, name: i32, number: i32, is_root: bool) -> Result<bool> {
        let on = number != 0;
        let (wmem_max, rmem_max) = (self.sysctl.wmem_max, self.sysctl.rmem_max);
        let space = &mut self.local.space;
        match name {
            c::SO_OOBINLINE => space.options_mut(id).oobinline = on,
            c::SO_PASSCRED => space.options_mut(id).passcred = on,
            c::SO_PASSRIGHTS => space.options_mut(id).passrights = on,
            c::SO_RCVLOWAT => {
                space.options_mut(id).rcvlowat = match number {
                    0 => 1,
                    ..0 => i32::MAX,
                    1.. => number,
                };
            }
            c::SO_PEEK_OFF => space.options_mut(id).peek_off = number,
            c::SO_SELECT_ERR_QUEUE => {
                space.options_mut(id).select_err_queue = on;
                // It is remembered too.
                return Ok(false);
            }
            c::SO_SNDBUFFORCE | c::SO_RCVBUFFORCE if !is_root => return Err(Errno::PERM),
            c::SO_SNDBUF | c::SO_SNDBUFFORCE => {
                // A negative size is a large unsigned one, unless it is forced.
                let bytes =
                    if name == c::SO_SNDBUF { number.cast_unsigned().min(wmem_max) } else { number.max(0).cast_unsigned() };
                space.set_sndbuf(id, doubled(bytes, SNDBUF_MIN_BYTES));
                self.local.socket_mut(id).buf_lock |= SNDBUF_LOCK;
            }
            c::SO_RCVBUF | c::SO_RCVBUFFORCE => {
                let bytes =
                    if name == c::SO_RCVBUF { number.cast_unsigned().min(rmem_max) } else { number.max(0).cast_unsigned() };
                let socket = self.local.socket_mut(id);
                socket.rcvbuf_bytes = doubled(bytes, RCVBUF_MIN_BYTES);
                socket.buf_lock |= RCVBUF_LOCK;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The options that are only remembered.
    fn set_local_held(&mut self, id: UnixId, name: i32, number: i32, value: &[u8], is_root: bool) -> Result<()> {
        let on = number != 0;
        let socket = self.local.socket_mut(id);
        match name {
            c::SO_REUSEPORT | c::SO_TXREHASH | c::SO_ZEROCOPY if on || name != c::SO_REUSEPORT => return Err(Errno::OPNOTSUPP),
            c::SO_REUSEPORT => {}
            c::SO_KEEPALIVE => socket.keepalive = on,
            c::SO_PASSSEC => socket.passsec = on,
            c::SO_PASSPIDFD => socket.passpidfd = on,
            c::SO_BUF_LOCK => socket.buf_lock = in_range(number, 0, SNDBUF_LOCK | RCVBUF_LOCK)?,
            _ => {
                socket.options.set_socket_level(is_root, name, value)?;
                let is_stamped = socket.options.stamps.is_on();
                self.local.space.options_mut(id).timestamp = is_stamped;
            }
        }
        Ok(())
    }
}

/// `SO_INQ`, and the control message of it: how many bytes a stream has left to read.
pub(in crate::host) const SO_INQ: i32 = 84;
/// The cookies of local sockets differ from those of others.
const LOCAL_COOKIES: u64 = 1 << 32;
