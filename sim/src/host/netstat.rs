//! The sockets of a host as `ss -tuxanpoe` lists them: what a person asks first of a machine that hangs.

use super::Host;
use super::addr::Family;
use super::cx::Pid;
use super::file::Object;
use super::socket::Socket;
use crate::slab::{Key, to_usize};
use crate::tcp::State;
use crate::unix::{Kind, UnixId};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use twinsock::raw::RawFd;
use twinsock::{Instant, Protocol};

/// A socket, on one line.
///
/// ```
/// use twinsock_sim::{Sim, SocketLine};
/// let run = Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let _socket = twinsock::net::UdpSocket::bind(&net, "10.0.0.1:53").unwrap();
///         twinsock::Clock::sleep(&net, std::time::Duration::from_secs(9));
///     });
///     sim.run_for(std::time::Duration::from_secs(1));
///     sim.leaks().hosts[0].sockets[0].clone()
/// });
/// let line: SocketLine = run.unwrap().value;
/// assert_eq!((line.protocol, line.local.as_str()), ("udp", "10.0.0.1:53"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketLine {
    /// `tcp`, `tcp6`, `udp`, `udp6`, and `u_str`, `u_dgr`, `u_seq` of local ones.
    pub protocol: &'static str,
    /// Bytes that wait to be read; of a listener, connections that wait to be accepted.
    pub recv_q: usize,
    /// Bytes that are not acknowledged yet; of a listener, its backlog.
    pub send_q: usize,
    /// Local address and port, or the name of a local socket.
    pub local: String,
    /// Remote address and port, or the name of the other local socket, if any.
    pub remote: Option<String>,
    /// The state, named as `netstat(8)` names it; empty of a socket that has none.
    pub state: &'static str,
    /// The timer that goes off first, if one runs.
    pub timer: Option<Timer>,
    /// The descriptors that it is: none of a socket that its process has closed, or that nobody has accepted.
    pub users: Vec<(Pid, RawFd)>,
}

/// A timer of a socket.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
/// # use twinsock_sim::packet::Boring;
/// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = host.spawn_process(Credentials::default());
/// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
/// # let tcp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_STREAM, protocol: 0 };
/// # drop(host.begin(&mut cx, pid, Token(1), &mut { tcp }));
/// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 2].into(), 80).encode().unwrap();
/// let connecting = host.begin(&mut cx, pid, Token(1), &mut Call::Connect { fd: 0, addr: addr.as_bytes() });
/// assert!(host.poll_transmit(&mut cx).is_some(), "a SYN");
/// let timer = host.netstat(cx.now)[0].timer.unwrap();
/// assert_eq!((timer.name, timer.left.as_secs(), timer.retransmits), ("on", 1, 0));
/// # drop(connecting);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// `on` (retransmission), `keepalive`, `persist` (zero window probe), `timewait`.
    pub name: &'static str,
    /// How long until it goes off.
    pub left: Duration,
    /// How often it has gone off since there was an answer.
    pub retransmits: u8,
}

impl SocketLine {
    /// Protocol, state and both ends, without what changes from moment to moment.
    ///
    /// ```
    /// use twinsock_sim::{Sim, SocketLine};
    /// let run = Sim::builder().run(|sim| {
    ///     sim.host("a").spawn("p", |net| {
    ///         let _socket = twinsock::net::UdpSocket::bind(&net, "10.0.0.1:53").unwrap();
    ///         twinsock::Clock::sleep(&net, std::time::Duration::from_secs(9));
    ///     });
    ///     sim.run_for(std::time::Duration::from_secs(1));
    ///     sim.leaks().hosts[0].sockets[0].clone()
    /// });
    /// let line: SocketLine = run.unwrap().value;
    /// assert!(line.ends().to_string().ends_with("10.0.0.1:53"));
    /// ```
    #[must_use]
    pub fn ends(&self) -> impl fmt::Display {
        let SocketLine { protocol, local, remote, state, .. } = self;
        let state = if state.is_empty() { String::new() } else { format!(" {state}") };
        let remote = remote.as_ref().map_or_else(String::new, |remote| format!(" to {remote}"));
        format!("{protocol}{state} {local}{remote}")
    }

    /// The line, the processes in it named by `process_name`.
    ///
    /// ```
    /// use twinsock_sim::{Sim, SocketLine};
    /// let run = Sim::builder().run(|sim| {
    ///     sim.host("a").spawn("p", |net| {
    ///         let _socket = twinsock::net::UdpSocket::bind(&net, "10.0.0.1:53").unwrap();
    ///         twinsock::Clock::sleep(&net, std::time::Duration::from_secs(9));
    ///     });
    ///     sim.run_for(std::time::Duration::from_secs(1));
    ///     sim.leaks().hosts[0].sockets[0].clone()
    /// });
    /// let line: SocketLine = run.unwrap().value;
    /// let text = line.line(&|_pid| "dns".to_owned()).to_string();
    /// assert!(text.contains(r#"users:(("dns",pid=1,fd=0))"#), "{text}");
    /// ```
    #[must_use]
    pub fn line<'a>(&'a self, process_name: &'a dyn Fn(Pid) -> String) -> impl fmt::Display + 'a {
        Named { line: self, process_name }
    }
}

impl fmt::Display for SocketLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line(&|pid| format!("process {pid}")))
    }
}

struct Named<'a> {
    line: &'a SocketLine,
    process_name: &'a dyn Fn(Pid) -> String,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SocketLine { protocol, recv_q, send_q, local, remote, state, timer, users } = self.line;
        let state = if state.is_empty() { "-" } else { state };
        let remote = remote.as_deref().unwrap_or("*");
        column(f, protocol, 5)?;
        column(f, state, 11)?;
        write!(f, "{recv_q:>6} {send_q:>6} ")?;
        column(f, local, 23)?;
        f.write_str(remote)?;
        f.write_str(blanks_after(remote, 23))?;
        f.write_str(&users_text(users, self.process_name))?;
        match timer {
            Some(Timer { name, left, retransmits }) => write!(f, " timer:({name},{left:?},{retransmits})"),
            None => Ok(()),
        }
    }
}

/// A text in a column of this width, and a blank. (A run may end with very many sockets: what `{:<23}` writes, it writes character by character.)
fn column(f: &mut fmt::Formatter<'_>, text: &str, width: usize) -> fmt::Result {
    f.write_str(text)?;
    f.write_str(blanks_after(text, width))?;
    f.write_str(" ")
}

fn blanks_after(text: &str, width: usize) -> &'static str {
    const BLANKS: &str = "                        ";
    let len = if text.is_ascii() { text.len() } else { text.chars().count() };
    &BLANKS[..width.saturating_sub(len).min(BLANKS.len())]
}

/// ` users:(("httpd",pid=1,fd=3))`, or nothing if there are none.
#[must_use]
pub fn users_text(users: &[(Pid, RawFd)], process_name: &dyn Fn(Pid) -> String) -> String {
    if users.is_empty() {
        return String::new();
    }
    let users = users.iter().map(|(pid, fd)| format!("(\"{}\",pid={pid},fd={fd})", process_name(*pid)));
    format!(" users:({})", users.collect::<Vec<_>>().join(","))
}

impl Host {
    /// Every socket that has an address, or that somebody waits at.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
    /// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
    /// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
    /// assert_eq!(host.netstat(cx.now)[0].local, "10.0.0.1:53");
    /// ```
    #[must_use]
    pub fn netstat(&self, now: Instant) -> Vec<SocketLine> {
        let users = self.users();
        let users_of = |file: Option<Key>| file.and_then(|file| users.get(&file)).cloned().unwrap_or_default();
        let mut lines: Vec<SocketLine> = Vec::new();
        for (_, socket) in self.sockets.iter() {
            lines.extend(stream_line(&socket, now, users_of(socket.file)));
        }
        for (_, entry) in self.time_waits.iter() {
            let tuple = &entry.tuple;
            lines.push(SocketLine {
                protocol: if tuple.local.is_ipv4() { "tcp" } else { "tcp6" },
                recv_q: 0,
                send_q: 0,
                local: end(tuple.local, tuple.local_port),
                remote: Some(end(tuple.remote, tuple.remote_port)),
                state: State::TimeWait.name(),
                timer: Some(Timer { name: "timewait", left: entry.rest.deadline().since(now), retransmits: 0 }),
                users: Vec::new(),
            });
        }
        for (_, dgram) in self.dgrams.iter().filter(|(_, dgram)| dgram.is_named()) {
            lines.push(SocketLine {
                protocol: if dgram.family == Family::Inet { "udp" } else { "udp6" },
                recv_q: to_usize(dgram.udp.rmem_alloc()),
                send_q: to_usize(dgram.udp.outq_bytes()),
                local: dgram.local_end().to_string(),
                remote: dgram.udp.peer().map(|peer| peer.to_string()),
                state: if dgram.udp.peer().is_some() { "ESTABLISHED" } else { "" },
                timer: None,
                users: users_of(dgram.file()),
            });
        }
        let files = self.files.iter().filter_map(|(key, file)| match file.object {
            Object::Local(id) => Some(self.local_line(id, users_of(Some(key)))),
            Object::Socket(_) | Object::Dgram(_) | Object::Pipe(..) | Object::Epoll(_) | Object::Plain(_) => None,
        });
        lines.extend(files);
        lines
    }

    /// What `make` makes of what a descriptor is connected to, if it is a connected socket of the Internet families: the protocol, address and port of
    /// this end, and those of the other.
    #[inline(always)]
    #[must_use]
    pub(crate) fn connection_of<T>(
        &self,
        pid: Pid,
        fd: RawFd,
        make: impl FnOnce(Protocol, (&IpAddr, u16), (&IpAddr, u16)) -> T,
    ) -> Option<T> {
        match self.files[self.file_of(pid, fd).ok()?].object {
            Object::Socket(key) => {
                let tuple = &self.sockets.get(key)?.tuple;
                if tuple.remote_port == 0 {
                    return None;
                }
                Some(make(Protocol::TCP, (&tuple.local, tuple.local_port), (&tuple.remote, tuple.remote_port)))
            }
            Object::Dgram(key) => {
                let dgram = self.dgrams.get(key)?;
                let (local, peer) = (dgram.local_end(), dgram.udp.peer()?);
                Some(make(Protocol::UDP, (&local.ip(), local.port()), (&peer.ip(), peer.port())))
            }
            Object::Pipe(..) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => None,
        }
    }

    /// By open file description, the descriptors that it is.
    pub(super) fn users(&self) -> BTreeMap<Key, Vec<(Pid, RawFd)>> {
        let mut users: BTreeMap<Key, Vec<(Pid, RawFd)>> = BTreeMap::new();
        for (pid, process) in (0..).zip(&self.processes) {
            for (fd, file) in process.iter().flat_map(super::process::Process::descriptors) {
                users.entry(file).or_default().push((Pid(pid), fd));
            }
        }
        users
    }

    fn local_line(&self, id: UnixId, users: Vec<(Pid, RawFd)>) -> SocketLine {
        let space = &self.local.space;
        let shown = |name: Option<&crate::unix::Address>| name.map_or_else(|| "*".to_owned(), |name| format!("{name:?}"));
        let peer = space.getpeername(id).ok();
        let is_listening = space.is_listening(id);
        SocketLine {
            protocol: match space.kind(id) {
                Kind::Stream => "u_str",
                Kind::Dgram => "u_dgr",
                Kind::Seqpacket => "u_seq",
            },
            recv_q: space.readable_bytes(id).unwrap_or(0),
            send_q: to_usize(space.outq_bytes(id)),
            local: shown(space.getsockname(id)),
            remote: peer.map(shown),
            state: match (is_listening, peer) {
                (true, _) => "LISTEN",
                (false, Some(_)) => "ESTABLISHED",
                (false, None) => "",
            },
            timer: None,
            users,
        }
    }
}

fn stream_line(socket: &Socket, now: Instant, users: Vec<(Pid, RawFd)>) -> Option<SocketLine> {
    let state = socket.tcb.state();
    if state == State::Closed && socket.num == 0 {
        return None;
    }
    let (recv_q, send_q) = match &socket.listener {
        Some(listener) => (listener.pending(), listener.backlog()),
        None => (socket.tcb.readable_bytes(), socket.tcb.outq_bytes()),
    };
    let tuple = &socket.tuple;
    Some(SocketLine {
        protocol: if socket.family == Family::Inet { "tcp" } else { "tcp6" },
        recv_q,
        send_q,
        local: end(tuple.local, tuple.local_port),
        remote: (tuple.remote_port != 0).then(|| end(tuple.remote, tuple.remote_port)),
        state: state.name(),
        timer: socket.tcb.timer().map(|(name, at, retransmits)| Timer { name, left: at.since(now), retransmits }),
        users,
    })
}

fn end(ip: IpAddr, port: u16) -> String {
    SocketAddr::new(ip, port).to_string()
}
