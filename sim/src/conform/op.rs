//! The operations of a case, typed.
//!
//! A call is written twice with one type: as the case has it, with names for descriptors and addresses ([`Named`]), and as the
//! kernel takes it, with numbers and bytes ([`Ready`]); `plan` goes from the first to the second.

use super::value::{Addr, Control, Data, HandleRef};
use twinsock::raw::RawFd;

/// A step of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Makes a call and waits for it.
    Call(Step),
    /// Makes a call in a thread of that name.
    Spawn { thread: String, step: Step },
    /// Waits for a thread, for so many milliseconds.
    Join { thread: String, ms: u64 },
    /// Sends a thread a signal.
    Interrupt { thread: String, restart: bool },
    /// Whether two handles have the same port.
    SamePort { a: String, b: String },
    /// Whether two addresses are the same.
    Eq { a: Addr, b: Addr },
    /// Does something to the process or its host.
    Act(Act),
}

/// A call as a case writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Names for what the call opens; of a crowd, the prefix of its names.
    pub new: Vec<String>,
    /// The call.
    pub call: Named,
    /// `timed`: how many milliseconds the call must take, at least and at most.
    pub window: Option<(u64, u64)>,
}

/// A call on descriptors and addresses that have names.
pub type Named = Call<HandleRef, Addr>;
/// A call on descriptor numbers and bytes of addresses.
pub type Ready = Call<RawFd, Vec<u8>>;

/// A call: `H` is how a descriptor is written, `A` an address.
#[derive(Clone, Debug, PartialEq)]
pub enum Call<H, A> {
    /// One that opens descriptors.
    Open(Open<H>),
    /// One on a descriptor's state.
    Plain(H, Plain<A>),
    /// One that sends.
    Send(H, Sending<H, A>),
    /// One that receives.
    Receive(H, Receiving),
    /// One that waits for readiness, or says for what.
    Wait(Waiting<H>),
    /// Lets so many milliseconds pass.
    Sleep(u64),
    /// Many calls.
    Bulk(Bulk<H, A>),
}

/// Calls that open descriptors.
#[derive(Clone, Debug, PartialEq)]
pub enum Open<H> {
    Socket { family: i32, kind: i32, protocol: i32 },
    Socketpair { family: i32, kind: i32 },
    Pipe,
    Dup(H),
    EpollCreate,
    Accept { h: H, flags: i32 },
}

/// Calls on a descriptor's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain<A> {
    Bind(A),
    Listen(i32),
    Connect(A),
    Shutdown(i32),
    Close,
    /// With a length, the answer is the length reported and how much was stored.
    Getsockname(Option<i32>),
    Getpeername(Option<i32>),
    Getsockopt(OptionName, Option<i32>),
    Setsockopt(OptionName, Vec<u8>),
    Nonblock(bool),
    Getfl,
    Getfd,
    Ioctl {
        request: i32,
        argument: i32,
    },
}

/// Calls that send.
#[derive(Clone, Debug, PartialEq)]
pub enum Sending<H, A> {
    Send { data: Data, flags: i32 },
    Write { data: Data },
    Sendto { data: Data, flags: i32, addr: Option<A> },
    Sendmsg { iov: Vec<Data>, flags: i32, addr: Option<A>, control: Vec<Control<H>> },
}

/// Calls that receive.
#[derive(Clone, Debug, PartialEq)]
pub enum Receiving {
    Recv {
        n: usize,
        flags: i32,
    },
    Read {
        n: usize,
    },
    Recvfrom {
        n: usize,
        flags: i32,
        addrlen: Option<usize>,
    },
    /// `listed`: the case gave a list of sizes, so the data is answered as a list.
    Recvmsg {
        sizes: Vec<usize>,
        listed: bool,
        flags: i32,
        control: usize,
    },
}

/// Calls about readiness.
#[derive(Clone, Debug, PartialEq)]
pub enum Waiting<H> {
    /// `single`: one handle, so only its events are answered.
    Poll {
        entries: Vec<(H, i16)>,
        single: bool,
        timeout: i32,
    },
    Select {
        sets: [Vec<H>; 3],
        timeout: i32,
    },
    /// `data` is the place of the handle among the case's names, once it is known.
    EpollCtl {
        e: H,
        op: i32,
        h: H,
        events: i32,
        data: u64,
    },
    EpollWait {
        e: H,
        max: usize,
        timeout: i32,
    },
}

/// Operations that stand for many calls.
#[derive(Clone, Debug, PartialEq)]
pub enum Bulk<H, A> {
    Fill {
        h: H,
        chunk: usize,
        patient: bool,
    },
    Drain {
        h: H,
        what: Drain,
    },
    /// `of`: the handle that was filled; `total`: how many bytes it took, once that is known.
    DrainUntil {
        h: H,
        of: String,
        total: u64,
    },
    ConnectN {
        family: i32,
        kind: i32,
        addr: A,
        n: usize,
    },
    AcceptN {
        h: H,
    },
    Bind0Many {
        kind: i32,
        addr: A,
        n: usize,
    },
    /// Of the ports that connect, or else bind to port 0, chooses.
    Parity {
        kind: i32,
        addr: A,
        connect: bool,
        n: usize,
    },
}

/// Acts on the process or its host.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Nofile { n: usize },
    Sysctl { name: String, value: String },
    Seteuid { uid: u32 },
    OpenFile { new: String, path: Addr },
    File { path: Addr, act: FileAct },
}

/// What `drain` and its kin answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Bytes, calls and the errno at the end.
    Counted,
    /// Nothing.
    Discarded,
    /// The number of datagrams.
    Datagrams,
}

/// What is done to the file name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAct {
    Unlink,
    Exists,
    Mkfile,
    Mkdir,
    Chmod(u32),
}

/// A socket option and how its value is written in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionName {
    /// The level's number.
    pub level: i32,
    /// The option's number.
    pub name: i32,
    /// How its value is written.
    pub shape: Shape,
}

/// How an option's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An int; other lengths as bytes.
    Int,
    /// SO_ERROR: 0 or an errno's name.
    Errno,
    /// SO_LINGER: two ints.
    Linger,
    /// SO_RCVTIMEO, SO_SNDTIMEO: seconds and microseconds.
    Timeval,
    /// SO_PEERCRED: pid, uid, gid.
    Credentials,
    /// TCP_INFO: the name of the state.
    TcpInfo,
    /// SO_BINDTODEVICE, TCP_CONGESTION: text and its length.
    Text,
}
