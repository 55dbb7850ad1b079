//! Datagrams and the records of seqpacket sockets (`unix_dgram_connect`, `unix_dgram_sendmsg`, `unix_dgram_recvmsg`).

use super::addr::{self, Target};
use super::queue::message_charge;
use super::recv::{RecvFlags, RecvState};
use super::send::{SendFlags, SendState, Stage};
use super::sock::{Life, State};
use super::{Caller, Failure, Kind, Outcome, UnixId, UnixSpace, WaitFor};
use crate::packet::Luck;
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts::AF_UNSPEC;
use twinsock::{Errno, MsgFlags, Result};

impl<F: Copy> UnixSpace<F> {
    pub(super) fn connect_dgram(&mut self, id: UnixId, caller: &Caller, addr: &[u8], luck: &mut dyn Luck) -> Result<()> {
        let family = addr::family_of(addr).ok_or(Errno::INVAL)?;
        let peer = if family == AF_UNSPEC {
            None
        } else {
            let target = Target::decode(addr)?;
            self.autobind_if_passcred(id, luck)?;
            let other = self.find(Kind::Dgram, caller, target)?;
            if !self.may_send(id, other) {
                return Err(Errno::PERM);
            }
            Some(other)
        };
        if let Some(old) = self.set_peer(id, peer) {
            self.forget_waits_for_room(id, old);
            self.wake(id, |wakes| wakes.writable = true);
            if peer != Some(old) {
                self.disconnected(id, old);
            }
            self.unref(old);
        }
        Ok(())
    }

    /// One message: `unix_dgram_sendmsg`, of which a seqpacket socket's is a case without a name.
    #[expect(clippy::too_many_arguments, reason = "they are those of send")]
    pub(super) fn send_message(
        &mut self,
        id: UnixId,
        caller: &Caller,
        iov: &[IoSlice<'_>],
        to: Option<&[u8]>,
        flags: SendFlags,
        state: &mut SendState<F>,
        luck: &mut dyn Luck,
    ) -> Outcome<usize> {
        let len: usize = iov.iter().map(|part| part.len()).sum();
        if state.stage == Stage::Entry {
            self.check_message(id, len, to, flags, luck)?;
            state.stage = Stage::Memory;
        }
        if state.stage == Stage::Memory {
            self.reserve(id)?;
        }
        let charge = message_charge(len).ok_or(Errno::NOBUFS)?;
        match self.place(id, caller, to, flags, state) {
            Ok(other) => {
                let record = self.make_record(id, other, caller, &mut state.ancillary, len, charge);
                self.socks[other].queue.push(record, iov, 0);
                self.wake(other, |wakes| wakes.readable = true);
                Ok(len)
            }
            Err(failure) => {
                if failure.wait.is_none() {
                    self.give_back(id);
                }
                Err(failure)
            }
        }
    }

    /// The socket that takes a message, once there is send memory for it.
    fn place(
        &mut self,
        id: UnixId,
        caller: &Caller,
        to: Option<&[u8]>,
        flags: SendFlags,
        state: &mut SendState<F>,
    ) -> Outcome<UnixId> {
        let other = match state.stage {
            Stage::Room(other) if self.socks.get(other).is_some() => other,
            Stage::Entry | Stage::Memory | Stage::Room(_) => self.target(id, caller, to)?,
        };
        let other = if self.socks[other].life == Life::Dead { self.dead_target(id, caller, to, other)? } else { other };
        if !self.may_send(id, other) {
            return Err(Errno::PERM.into());
        }
        if self.socks[other].shutdown.read {
            return Err(Errno::PIPE.into());
        }
        self.may_take_rights(other, &state.ancillary)?;
        if other == id || self.socks[other].peer == Some(id) || !self.is_full(other) {
            return Ok(other);
        }
        if !flags.nonblocking {
            state.stage = Stage::Room(other);
            return Err(self.wait_for_room(other));
        }
        if self.socks[id].peer == Some(other) {
            self.note_waits_for_room(id, other);
        }
        Err(Errno::AGAIN.into())
    }

    fn check_message(&mut self, id: UnixId, len: usize, to: Option<&[u8]>, flags: SendFlags, luck: &mut dyn Luck) -> Result<()> {
        if flags.oob {
            return Err(Errno::OPNOTSUPP);
        }
        if let Some(to) = to {
            Target::decode(to)?;
        }
        self.autobind_if_passcred(id, luck)?;
        let max = self.socks[id].sndbuf_bytes.saturating_sub(32);
        if u32::try_from(len).is_ok_and(|len| len <= max) { Ok(()) } else { Err(Errno::MSGSIZE) }
    }

    fn target(&self, id: UnixId, caller: &Caller, to: Option<&[u8]>) -> Result<UnixId> {
        match to {
            Some(to) => self.find(self.socks[id].kind, caller, Target::decode(to)?),
            None => self.socks[id].peer.ok_or(Errno::NOTCONN),
        }
    }

    /// The target is closed: a datagram socket loses it as its peer, or looks for another of that name.
    fn dead_target(&mut self, id: UnixId, caller: &Caller, to: Option<&[u8]>, other: UnixId) -> Result<UnixId> {
        if self.socks[id].kind == Kind::Seqpacket {
            return Err(Errno::PIPE);
        }
        if self.socks[id].peer == Some(other) {
            self.set_peer(id, None);
            self.forget_waits_for_room(id, other);
            self.wake(id, |wakes| wakes.writable = true);
            self.disconnected(id, other);
            self.unref(other);
            return Err(Errno::CONNREFUSED);
        }
        if to.is_some() { self.target(id, caller, to) } else { Err(Errno::CONNRESET) }
    }

    /// `unix_may_send`: a socket that is connected takes datagrams from its peer only.
    fn may_send(&self, id: UnixId, other: UnixId) -> bool {
        self.socks[other].peer.is_none_or(|peer| peer == id)
    }

    /// `unix_dgram_disconnected`: what the old peer sent is lost, and if it is connected to this socket it gets an error.
    fn disconnected(&mut self, id: UnixId, old: UnixId) {
        if self.socks[id].queue.records.is_empty() {
            return;
        }
        self.purge(id);
        self.tell_all_of_room(id);
        while let Some(watcher) = self.socks[id].watchers.pop() {
            self.socks[watcher].waits_for_room_at = None;
            self.wake(watcher, |wakes| wakes.state = true);
        }
        let other = &mut self.socks[old];
        if other.life != Life::Dead && other.peer == Some(id) {
            other.error = Some(Errno::CONNRESET);
            self.wake(old, |wakes| wakes.error = true);
        }
    }

    pub(super) fn recv_message(
        &mut self,
        id: UnixId,
        iov: &mut [IoSliceMut<'_>],
        flags: RecvFlags,
        state: &mut RecvState<F>,
    ) -> Outcome<usize> {
        let sock = &mut self.socks[id];
        if sock.kind == Kind::Seqpacket && sock.state != State::Established {
            return Err(Errno::NOTCONN.into());
        }
        if flags.oob {
            return Err(Errno::OPNOTSUPP.into());
        }
        if let Some(error) = sock.error.take() {
            return Err(error.into());
        }
        let Some((index, skip)) = self.find_message(id, flags.peek) else {
            let sock = &self.socks[id];
            return match (sock.shutdown.read, flags.nonblocking, sock.kind) {
                (true, false, _) | (true, true, Kind::Seqpacket) => Ok(0),
                (_, true, _) => Err(Errno::AGAIN.into()),
                (false, false, _) => Err(Failure::waiting(WaitFor::Own)),
            };
        };
        self.tell_room(id);
        let record = &self.socks[id].queue.records[index];
        if state.wants_name {
            state.name.clone_from(&self.socks[record.sender].addr);
        }
        let left = record.len.saturating_sub(skip);
        let room: usize = iov.iter().map(|part| part.len()).sum();
        let count = left.min(room);
        if room < left {
            state.msg_flags |= MsgFlags::TRUNC;
        }
        self.socks[id].queue.copy_out(index, skip, count, iov, 0);
        state.copied = count;
        let sock = &self.socks[id];
        let record = &sock.queue.records[index];
        state.writer = Some(record.credentials);
        // One that came before anybody wanted to know comes now.
        state.stamp = sock.options.timestamp.then(|| record.stamp.unwrap_or(self.now));
        if self.socks[id].options.passcred {
            state.tell_writer();
        }
        self.finish_message(id, index, count, flags, state);
        Ok(if flags.trunc { left } else { count })
    }

    /// Removes a message that was read, or moves SO_PEEK_OFF past one that was looked at.
    fn finish_message(&mut self, id: UnixId, index: usize, count: usize, flags: RecvFlags, state: &mut RecvState<F>) {
        let sock = &mut self.socks[id];
        let peek_off = &mut sock.options.peek_off;
        if flags.peek {
            if *peek_off >= 0 {
                *peek_off = peek_off.saturating_add(i32::try_from(count).unwrap_or(i32::MAX));
            }
            state.rights.clone_from(&sock.queue.records[index].rights);
            state.rights_peeked = true;
            return;
        }
        let record = sock.queue.remove(index);
        if *peek_off >= 0 {
            *peek_off = peek_off.saturating_sub(i32::try_from(record.len).unwrap_or(i32::MAX)).max(0);
        }
        self.in_flight -= record.rights.len();
        state.rights = record.rights;
        self.uncharge(record.sender, record.charge);
    }

    /// `__skb_try_recv_from_queue`: the first message, or the one that SO_PEEK_OFF points into, and where in it.
    fn find_message(&mut self, id: UnixId, peek: bool) -> Option<(usize, usize)> {
        let sock = &mut self.socks[id];
        let records = &mut sock.queue.records;
        if !peek {
            return records.front().map(|_| (0, 0));
        }
        let offset = usize::try_from(sock.options.peek_off).ok();
        let mut skip = offset.unwrap_or(0);
        for (index, record) in records.iter_mut().enumerate() {
            if offset.is_some() && skip >= record.len && (skip > 0 || record.peeked) {
                skip -= record.len;
                continue;
            }
            record.peeked |= record.len == 0;
            return Some((index, skip));
        }
        None
    }
}
