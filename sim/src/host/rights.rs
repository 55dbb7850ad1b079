//! Descriptors in flight, `SCM_RIGHTS`: open file descriptions that messages hold, from `sendmsg(2)` to `recvmsg(2)` or to the end of the
//! queue that they are in.

use super::Host;
use super::cx::{Cx, Pid};
use super::file::Object;
use crate::slab::{Key, to_usize};
use crate::unix::{self, Ancillary, RecvState, Stored};
use twinsock::Result;

impl Host {
    /// Reads the control messages that a process sends; the message holds the files from now on.
    pub(super) fn parse_control(&mut self, cx: &mut Cx<'_>, pid: Pid, control: &[u8]) -> Result<Ancillary<Key>> {
        let caller = self.caller(pid)?;
        let Host { processes, files, .. } = self;
        let exists = |number: i32| usize::try_from(number).is_ok_and(|number| processes.get(number).is_some_and(Option::is_some));
        let hold = |fd: i32| {
            let process = processes.get(to_usize(pid.0))?.as_ref()?;
            let file = process.file(fd).ok()?;
            files[file].take_off();
            Some(file)
        };
        unix::parse_control(control, &caller, exists, hold).map_err(|(error, taken)| {
            self.drop_rights(cx, taken);
            error
        })
    }

    /// Stores what came with a message; files become descriptors of the process, as many as there is room for.
    pub(super) fn store_control(&mut self, pid: Pid, control: &mut [u8], state: &mut RecvState<Key>, cloexec: bool) -> Stored {
        let is_peek = state.rights_peeked;
        let Host { processes, files, tables, .. } = self;
        *tables = tables.wrapping_add(1);
        let install = |file: Key| {
            let process = processes.get_mut(to_usize(pid.0))?.as_mut()?;
            let fd = process.reserve(0).ok()?;
            process.fill(fd, file, cloexec);
            if is_peek {
                files[file].hold();
            } else {
                files[file].land();
            }
            Some(fd)
        };
        unix::store_control(control, state, install)
    }

    /// Nobody receives these files.
    pub(super) fn drop_rights(&mut self, cx: &mut Cx<'_>, rights: Vec<Key>) {
        for file in rights {
            self.files[file].land();
            self.put_file(cx, file, false);
        }
    }

    /// Finds messages in flight that no process can ever receive, which [`Host::settle_local`] lets go of.
    pub(super) fn collect_garbage(&mut self) {
        let Host { local, files, .. } = self;
        local.space.collect_garbage(|file: Key| match files[file].object {
            Object::Local(id) => Some((id, to_usize(files[file].refs()))),
            Object::Socket(_) | Object::Dgram(_) | Object::Pipe(..) | Object::Epoll(_) | Object::Plain(_) => None,
        });
    }
}
