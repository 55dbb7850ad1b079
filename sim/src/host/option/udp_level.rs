//! What options mean on a UDP socket: level IPPROTO_UDP, `udp(7)`, and the options of other levels that its protocol reads.

use super::super::Host;
use super::plain::Values;
use super::{Answer, SetCx, int, shown};
use crate::host::slab::Key;
use crate::host::socket::Socket;
use twinsock::consts as c;
use twinsock::{Errno, Result};

impl Socket {
    /// An int option of level SOL_SOCKET that a UDP socket answers by itself.
    pub(super) fn get_udp_socket_option(&mut self, name: i32) -> Option<i32> {
        let udp = self.udp.as_mut()?;
        Some(match name {
            c::SO_TYPE => c::SOCK_DGRAM,
            c::SO_PROTOCOL => c::IPPROTO_UDP,
            c::SO_ACCEPTCONN => 0,
            c::SO_ERROR => udp.take_error().map_or(0, Errno::raw),
            c::SO_SNDBUF => shown(udp.options.sndbuf_bytes),
            c::SO_RCVBUF => shown(udp.rcvbuf_bytes()),
            c::SO_PEEK_OFF => udp.peek_off(),
            _ => return None,
        })
    }

    /// Lets UDP know what the host has just set: it reads some options itself.
    pub(super) fn follow_udp_option(&mut self, level: i32, name: i32) {
        let on = self.options.remembered(level, name) != 0;
        let Some(udp) = &mut self.udp else { return };
        match (level, name) {
            (c::SOL_SOCKET, c::SO_SNDBUF | c::SO_SNDBUFFORCE) => udp.options.sndbuf_bytes = self.tcb.sndbuf(),
            (c::SOL_SOCKET, c::SO_RCVBUF | c::SO_RCVBUFFORCE) => udp.set_rcvbuf(self.tcb.rcvbuf()),
            (c::SOL_SOCKET, c::SO_PEEK_OFF) => udp.set_peek_off(self.options.peek_off),
            (c::SOL_SOCKET, c::SO_BROADCAST) => udp.options.broadcast = on,
            (c::SOL_SOCKET, c::SO_RXQ_OVFL) => udp.options.rxq_ovfl = on,
            (c::SOL_SOCKET, c::SO_SELECT_ERR_QUEUE) => udp.options.select_err_queue = on,
            (c::SOL_IP, c::IP_RECVERR) => udp.set_recverr_v4(on),
            (c::SOL_IPV6, c::IPV6_RECVERR) => udp.set_recverr_v6(on),
            (c::SOL_IP, c::IP_MTU_DISCOVER) => udp.options.pmtudisc_dont = !on,
            _ => {}
        }
    }
}

impl Host {
    pub(super) fn get_udp_option(&mut self, key: Key, name: i32) -> Result<Answer> {
        let socket = &self.sockets[key];
        let number = match name {
            c::UDP_CORK => i32::from(socket.udp.as_ref().is_some_and(|udp| udp.cork())),
            _ => socket.options.plain.get(c::SOL_UDP, name).ok_or(Errno::NOPROTOOPT)?,
        };
        Ok(Answer::Int(number))
    }

    pub(super) fn set_udp_option(&mut self, set: &SetCx, name: i32, value: &[u8]) -> Result<()> {
        let number = int(value)?;
        let socket = &mut self.sockets[set.key];
        match name {
            c::UDP_CORK => {
                let packet = socket.udp.as_mut().and_then(|udp| udp.set_cork(number != 0));
                self.outbox.extend(packet);
                Ok(())
            }
            _ if Values::has(c::SOL_UDP, name) => socket.options.plain.set(c::SOL_UDP, name, number),
            _ => Err(Errno::NOPROTOOPT),
        }
    }
}
