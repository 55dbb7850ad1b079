//! `connect(2)` and `accept(2)` as nearly all programs make them: on a stream socket, with nobody else waiting for it, for as long as it takes.
//!
//! What they do is what [`Host::begin`] and [`Host::resume`] do, by the same functions; they only wait without an operation and an entry in the file's
//! queue. What is not the usual case is left to those.

use super::Host;
use super::addr::{check_length, sa_family};
use super::cx::{Cx, Pid, Token};
use super::fast::{QuietCall, Quietly, Short};
use super::file::value;
use super::recent::Recent;
use super::socket::Ss;
use super::task::{Kind, Step};
use crate::tcp::State;
use twinsock::Result;
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd};

impl Host {
    /// `accept4(2)`, if it is an easy one.
    #[inline(always)]
    pub(crate) fn accept_short(
        &mut self,
        cx: &mut Cx<'_>,
        (pid, token): (Pid, Token),
        fd: RawFd,
        name: Option<&mut Name<'_>>,
        flags: i32,
    ) -> Short<Result<usize>> {
        let Ok((file, key)) = self.socket_of(pid, fd) else { return Short::Long };
        let (entry, socket) = (&self.files[file], &self.sockets[key]);
        let is_patient = !entry.nonblocking && socket.options.receive_timeout.is_none();
        let is_plain = flags & !(c::SOCK_CLOEXEC | c::SOCK_NONBLOCK) == 0 && socket.state == State::Listen;
        if !is_patient || !is_plain || !entry.queue.has_nobody() {
            return Short::Long;
        }
        let Ok(process) = self.process_mut(pid) else { return Short::Long };
        let Ok(reserved) = process.reserve(0) else { return Short::Long };
        match self.step_accept(cx, pid, key, reserved, name, flags) {
            Step::Done(result) => Short::Done(self.finish(pid, Kind::Accept { socket: key, reserved }, result)),
            Step::Wait => {
                self.sit_down_quietly(QuietCall { token, pid, fd, flags, file, socket: key, what: Quietly::Accept { reserved } })
            }
        }
    }

    /// `connect(2)`, if it is an easy one.
    #[inline(always)]
    pub(crate) fn connect_short(
        &mut self,
        cx: &mut Cx<'_>,
        (pid, token): (Pid, Token),
        fd: RawFd,
        addr: &[u8],
    ) -> Short<Result<usize>> {
        let Ok((file, key)) = self.socket_of(pid, fd) else { return Short::Long };
        let (entry, socket) = (&self.files[file], &self.sockets[key]);
        let is_patient = !entry.nonblocking && socket.options.send_timeout.is_none();
        let begins = socket.ss == Ss::Unconnected && sa_family(addr).is_some_and(|family| family != c::AF_UNSPEC);
        if !is_patient || !begins || !entry.queue.has_nobody() {
            return Short::Long;
        }
        if let Err(error) = check_length(addr) {
            return Short::Done(Err(error));
        }
        let disconnects = match self.open_connect(cx, key, addr) {
            Ok((_, disconnects)) => disconnects,
            Err(error) => return Short::Done(Err(error)),
        };
        // Nothing has come back yet.
        let is_on_its_way = self.sockets[key].state == State::SynSent;
        let step = if is_on_its_way { Step::Wait } else { self.step_connect(cx, key, disconnects) };
        match step {
            Step::Done(result) => Short::Done(result),
            Step::Wait => {
                let what = Quietly::Connect { disconnects };
                self.sit_down_quietly(QuietCall { token, pid, fd, flags: 0, file, socket: key, what })
            }
        }
    }

    /// Goes on with such a call, if that ends it; the socket that it has opened is the one that its thread used last. `None`: nothing has happened, see
    /// [`Host::take_up`].
    #[inline(always)]
    pub(crate) fn resume_opening(
        &mut self,
        cx: &mut Cx<'_>,
        quiet: &QuietCall,
        name: Option<&mut Name<'_>>,
        recent: &mut Recent,
    ) -> Option<Result<usize>> {
        let entry = self.files.get(quiet.file)?;
        if !entry.queue.sits(quiet.token) || !entry.is_shared() {
            return None;
        }
        // Where there is no outcome yet, it was woken in vain.
        let (result, fd, ends) = match quiet.what {
            Quietly::Accept { reserved } => {
                let accepted = self.accept_next(cx, quiet.pid, quiet.socket, reserved, name, quiet.flags)?;
                (accepted.map(|_| value(reserved)), reserved, accepted.ok())
            }
            Quietly::Connect { disconnects } => match self.step_connect(cx, quiet.socket, disconnects) {
                Step::Done(result) => {
                    // Its number may stand for another file by now, or for none: somebody has closed it meanwhile.
                    let is_still = result.is_ok() && self.file_of(quiet.pid, quiet.fd) == Ok(quiet.file);
                    (result, quiet.fd, is_still.then_some((quiet.file, quiet.socket)))
                }
                Step::Wait => return None,
            },
            Quietly::Recv | Quietly::DgramRecv => return None,
        };
        let entry = &mut self.files[quiet.file];
        entry.queue.get_up();
        entry.put_shared();
        match ends {
            Some(ends) => self.remember(recent, fd, ends),
            None => _ = self.finish(quiet.pid, quiet.kind(), result),
        }
        Some(result)
    }

    /// A call begins to wait on its file, where nobody does, and holds it.
    #[inline(always)]
    fn sit_down_quietly(&mut self, quiet: QuietCall) -> Short<Result<usize>> {
        let entry = &mut self.files[quiet.file];
        let sits = entry.queue.sit_down_for(quiet.token, 0, quiet.kind().filter());
        assert!(sits, "a step that is to wait brings nobody to the queue");
        entry.hold();
        Short::Waits(quiet)
    }
}
