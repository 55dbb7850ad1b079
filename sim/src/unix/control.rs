//! Control messages of local sockets to and from bytes, `cmsg(3)`: SCM_RIGHTS and SCM_CREDENTIALS (`__scm_send`, `scm_recv`).

use super::Caller;
use super::recv::RecvState;
use twinsock::consts as c;
use twinsock::control::Credentials;
use twinsock::{Errno, Result};

/// What the control messages of `sendmsg(2)` say.
#[derive(Debug)]
pub struct Ancillary<F> {
    /// The descriptors of `SCM_RIGHTS`, each a reference that the host has taken.
    pub rights: Vec<F>,
    /// `SCM_CREDENTIALS`, checked.
    pub credentials: Option<Credentials>,
}

impl<F> Default for Ancillary<F> {
    fn default() -> Ancillary<F> {
        Ancillary { rights: Vec::new(), credentials: None }
    }
}

/// What [`store_control`] stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// How many bytes of control messages there are, `msg_controllen`.
    pub len: usize,
    /// Something did not fit: `MSG_CTRUNC` in `msg_flags`.
    pub truncated: bool,
}

/// Reads the control messages of `sendmsg(2)`. `exists` says whether there is a process of this id; `hold` takes a reference to the
/// open file behind a descriptor of the caller, if it is one.
///
/// # Errors
/// `EINVAL`: a malformed message, an unknown one of SOL_SOCKET, or more than 253 descriptors. `EBADF`: not a descriptor.
/// `EPERM`, `ESRCH`: somebody else's credentials. The references that were taken before are to be dropped.
pub fn parse_control<F>(
    control: &[u8],
    caller: &Caller,
    exists: impl Fn(i32) -> bool,
    mut hold: impl FnMut(i32) -> Option<F>,
) -> std::result::Result<Ancillary<F>, (Errno, Vec<F>)> {
    let mut ancillary = Ancillary::default();
    match parse(control, caller, exists, &mut hold, &mut ancillary) {
        Ok(()) => Ok(ancillary),
        Err(error) => Err((error, ancillary.rights)),
    }
}

/// Stores what was received as the control messages of `recvmsg(2)`: credentials, then descriptors. `install` gives a descriptor of the
/// caller to a file; `None`: the table is full. The descriptors that are not installed stay in `state`.
pub fn store_control<F: Copy>(control: &mut [u8], state: &mut RecvState<F>, mut install: impl FnMut(F) -> Option<i32>) -> Stored {
    let mut stored = Stored::default();
    if let Some(Credentials { pid, uid, gid }) = state.credentials {
        let mut data = [0; 12];
        data[..4].copy_from_slice(&pid.to_ne_bytes());
        data[4..8].copy_from_slice(&uid.to_ne_bytes());
        data[8..].copy_from_slice(&gid.to_ne_bytes());
        put_cmsg(control, c::SCM_CREDENTIALS, &data, &mut stored);
    }
    if state.rights.is_empty() {
        return stored;
    }
    let room = &mut control[stored.len..];
    let max = room.len().saturating_sub(HEADER_BYTES) / FD_BYTES;
    let mut count = 0;
    for right in state.rights.iter().take(max) {
        let Some(fd) = install(*right) else { break };
        let at = HEADER_BYTES + count * FD_BYTES;
        room[at..at + FD_BYTES].copy_from_slice(&fd.to_ne_bytes());
        count += 1;
    }
    state.rights.drain(..count);
    if count > 0 {
        let len = HEADER_BYTES + count * FD_BYTES;
        put_header(room, len, c::SCM_RIGHTS);
        stored.len += align(len).min(room.len());
    }
    stored.truncated |= !state.rights.is_empty();
    stored
}

fn parse<F>(
    mut control: &[u8],
    caller: &Caller,
    exists: impl Fn(i32) -> bool,
    hold: &mut impl FnMut(i32) -> Option<F>,
    ancillary: &mut Ancillary<F>,
) -> Result<()> {
    while control.len() >= HEADER_BYTES {
        let (len, fields) = control.split_first_chunk().expect("a header is there");
        let len = usize::from_ne_bytes(*len);
        let (level, fields) = fields.split_first_chunk().expect("a header is there");
        let kind = fields.first_chunk().expect("a header is there");
        let data = control.get(HEADER_BYTES..len).ok_or(Errno::INVAL)?;
        if i32::from_ne_bytes(*level) == c::SOL_SOCKET {
            match i32::from_ne_bytes(*kind) {
                c::SCM_RIGHTS => take_rights(data, hold, &mut ancillary.rights)?,
                c::SCM_CREDENTIALS => ancillary.credentials = Some(check_credentials(data, caller, &exists)?),
                _ => return Err(Errno::INVAL),
            }
        }
        control = control.get(align(len)..).unwrap_or_default();
    }
    Ok(())
}

/// `scm_fp_copy`.
fn take_rights<F>(data: &[u8], hold: &mut impl FnMut(i32) -> Option<F>, rights: &mut Vec<F>) -> Result<()> {
    let (numbers, _) = data.as_chunks::<FD_BYTES>();
    if rights.len() + numbers.len() > SCM_MAX_FD {
        return Err(Errno::INVAL);
    }
    for number in numbers {
        rights.push(hold(i32::from_ne_bytes(*number)).ok_or(Errno::BADF)?);
    }
    Ok(())
}

/// `scm_check_creds`: root may say anything that could be true, others the truth.
fn check_credentials(data: &[u8], caller: &Caller, exists: &impl Fn(i32) -> bool) -> Result<Credentials> {
    let fields: &[u8; 12] = data.try_into().map_err(|_| Errno::INVAL)?;
    let (fields, _) = fields.as_chunks();
    let [pid, uid, gid] = [fields[0], fields[1], fields[2]];
    let claimed = Credentials { pid: i32::from_ne_bytes(pid), uid: u32::from_ne_bytes(uid), gid: u32::from_ne_bytes(gid) };
    if claimed.uid == u32::MAX || claimed.gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    if !caller.is_root() && claimed != caller.credentials() {
        return Err(Errno::PERM);
    }
    if claimed.pid == caller.pid || exists(claimed.pid) { Ok(claimed) } else { Err(Errno::SRCH) }
}

/// `put_cmsg`: a message that does not fit is cut off.
fn put_cmsg(control: &mut [u8], kind: i32, data: &[u8], stored: &mut Stored) {
    let room = &mut control[stored.len..];
    if room.len() < HEADER_BYTES {
        stored.truncated = true;
        return;
    }
    let len = (HEADER_BYTES + data.len()).min(room.len());
    stored.truncated |= len < HEADER_BYTES + data.len();
    put_header(room, len, kind);
    room[HEADER_BYTES..len].copy_from_slice(&data[..len - HEADER_BYTES]);
    stored.len += align(HEADER_BYTES + data.len()).min(room.len());
}

fn put_header(room: &mut [u8], len: usize, kind: i32) {
    room[..8].copy_from_slice(&len.to_ne_bytes());
    room[8..12].copy_from_slice(&c::SOL_SOCKET.to_ne_bytes());
    room[12..16].copy_from_slice(&kind.to_ne_bytes());
}

/// `CMSG_ALIGN`.
const fn align(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

/// `sizeof(struct cmsghdr)`.
const HEADER_BYTES: usize = size_of::<usize>() + 8;
const FD_BYTES: usize = size_of::<i32>();
/// How many descriptors a message carries at most.
const SCM_MAX_FD: usize = 253;
