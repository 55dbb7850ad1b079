//! System calls as the trace names them.

use crate::host::Call;
use crate::trace::CallName;

/// The name of a call, and the descriptor it is about.
pub type Named = (CallName, Option<i32>);

/// Those of this one.
#[inline(always)]
pub fn name_of(call: &Call<'_, '_>) -> Named {
    match call {
        Call::Socket { .. } => (const { CallName::new("socket") }, None),
        Call::Socketpair { .. } => (const { CallName::new("socketpair") }, None),
        Call::Bind { fd, .. } => (const { CallName::new("bind") }, Some(*fd)),
        Call::Listen { fd, .. } => (const { CallName::new("listen") }, Some(*fd)),
        Call::Accept4 { fd, .. } => (const { CallName::new("accept4") }, Some(*fd)),
        Call::Connect { fd, .. } => (const { CallName::new("connect") }, Some(*fd)),
        Call::Shutdown { fd, .. } => (const { CallName::new("shutdown") }, Some(*fd)),
        Call::Getsockname { fd, .. } => (const { CallName::new("getsockname") }, Some(*fd)),
        Call::Getpeername { fd, .. } => (const { CallName::new("getpeername") }, Some(*fd)),
        Call::Getsockopt { fd, .. } => (const { CallName::new("getsockopt") }, Some(*fd)),
        Call::Setsockopt { fd, .. } => (const { CallName::new("setsockopt") }, Some(*fd)),
        Call::Sendto { fd, .. } => (const { CallName::new("sendto") }, Some(*fd)),
        Call::Sendmsg { fd, .. } => (const { CallName::new("sendmsg") }, Some(*fd)),
        Call::Recvfrom { fd, .. } => (const { CallName::new("recvfrom") }, Some(*fd)),
        Call::Recvmsg { fd, .. } => (const { CallName::new("recvmsg") }, Some(*fd)),
        Call::Read { fd, .. } => (const { CallName::new("read") }, Some(*fd)),
        Call::Write { fd, .. } => (const { CallName::new("write") }, Some(*fd)),
        Call::Readv { fd, .. } => (const { CallName::new("readv") }, Some(*fd)),
        Call::Writev { fd, .. } => (const { CallName::new("writev") }, Some(*fd)),
        Call::Fcntl { fd, .. } => (const { CallName::new("fcntl") }, Some(*fd)),
        Call::Ioctl { fd, .. } => (const { CallName::new("ioctl") }, Some(*fd)),
        Call::Pipe2 { .. } => (const { CallName::new("pipe2") }, None),
        Call::Dup { fd, .. } => (const { CallName::new("dup") }, Some(*fd)),
        Call::Dup3 { fd, .. } => (const { CallName::new("dup3") }, Some(*fd)),
        Call::Close { fd, .. } => (const { CallName::new("close") }, Some(*fd)),
        Call::Poll { .. } => (const { CallName::new("poll") }, None),
        Call::Select { .. } => (const { CallName::new("select") }, None),
        Call::EpollCreate1 { .. } => (const { CallName::new("epoll_create1") }, None),
        Call::EpollCtl { epfd, .. } => (const { CallName::new("epoll_ctl") }, Some(*epfd)),
        Call::EpollWait { epfd, .. } => (const { CallName::new("epoll_wait") }, Some(*epfd)),
    }
}
