//! Making the calls of a sequence in a world, and asking the model about each outcome.

use super::call::{ADDRESSES, Call, SLOTS, Target};
use super::model::{Model, Outcome, Step};
use crate::support::Env;
use crate::support::scene::{ip_of, own_ip, pattern};
use crate::support::sock::Sock;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Domain, MsgFlags, Os, Protocol, SockFlags, SocketAddr, Type};
use twinsock_sim::Sim;

/// After this long the answer to a repeated SYN may come, which the model does not know: the sequence ends.
const ATTEMPT_PATIENCE: Duration = Duration::from_millis(700);

/// What happened: a line for each call with what it came to, in words that do not depend on the ports and addresses of this run.
pub type Transcript = Vec<String>;

/// Runs a sequence on the kernel's sockets.
///
/// # Errors
/// The transcript up to the call whose outcome the model does not allow.
pub fn on_os(calls: &[Call]) -> Result<Transcript, String> {
    let log = RefCell::default();
    let verdict = run(&Os, calls, &log);
    conclude(log.into_inner(), verdict)
}

/// Runs a sequence on the virtual network.
///
/// # Errors
/// The transcript up to the call whose outcome the model does not allow, or at which the simulation failed.
pub fn on_sim(calls: &[Call]) -> Result<Transcript, String> {
    let log = Rc::new(RefCell::default());
    let (calls, kept) = (calls.to_vec(), Rc::clone(&log));
    let report = Sim::builder().run_here(|sim| sim.host("host").spawn("sequence", move |net| run(&net, &calls, &kept)));
    let verdict = match report {
        Ok(report) => report.value.take().expect("a process that has ended has an outcome"),
        Err(failure) => Err(failure.to_string()),
    };
    let lines = log.take();
    conclude(lines, verdict)
}

fn conclude(mut lines: Transcript, verdict: Result<(), String>) -> Result<Transcript, String> {
    match verdict {
        Ok(()) => Ok(lines),
        Err(why) => {
            lines.push(why);
            Err(lines.join("\n"))
        }
    }
}

/// Runs a sequence in both worlds.
///
/// # Errors
/// What the model does not allow, or the first call with different outcomes.
pub fn differ(calls: &[Call]) -> Result<(), String> {
    let (kernel, simulator) = (on_os(calls)?, on_sim(calls)?);
    // A sequence that took too long in one world is shorter there.
    for (index, (one, other)) in kernel.iter().zip(&simulator).enumerate() {
        if one != other {
            let before = kernel[..index].join("\n");
            return Err(format!("{before}\nkernel:    {one}\nsimulator: {other}"));
        }
    }
    Ok(())
}

/// Runs a sequence in a world, and writes its transcript as it goes.
fn run<E: Env>(env: &E, calls: &[Call], log: &RefCell<Transcript>) -> Result<(), String> {
    let mut run = Run::new(env);
    let start = env.now();
    for call in calls {
        if run.model.has_attempt() && env.now().since(start) > ATTEMPT_PATIENCE {
            break;
        }
        log.borrow_mut().push(format!("{call:?}"));
        let (words, verdict) = run.step(*call);
        let line = format!("{call:?}: {words}");
        if let Some(last) = log.borrow_mut().last_mut() {
            *last = line;
        }
        verdict.map_err(|allowed| format!("    allowed: {allowed:?}"))?;
    }
    Ok(())
}

struct Run<E: Env> {
    env: E,
    slots: [Option<Sock<E>>; SLOTS],
    model: Model,
    ips: [IpAddr; ADDRESSES],
    nobody: SocketAddr,
    _nobody: Sock<E>,
    sent: usize,
}

impl<E: Env> Run<E> {
    fn new(env: &E) -> Run<E> {
        let nobody = Sock::tcp(env);
        nobody.bind(&SocketAddr::inet(IpAddr::V4(own_ip()), 0)).expect("port 0 can be bound");
        Run {
            env: env.clone(),
            slots: std::array::from_fn(|_| None),
            model: Model::default(),
            ips: std::array::from_fn(|_| IpAddr::V4(own_ip())),
            nobody: nobody.name(),
            _nobody: nobody,
            sent: 0,
        }
    }

    fn step(&mut self, call: Call) -> (String, Result<(), Vec<Outcome>>) {
        let skipped = || ("skipped".to_owned(), Ok(()));
        let Some(addr) = self.address(call) else { return skipped() };
        if !self.model.can_call(call, addr.as_ref()) {
            return skipped();
        }
        let len = if let Call::Send { len, .. } = call { len } else { 0 };
        let data = pattern(self.sent + len).split_off(self.sent);
        let observed = self.make(call, addr.as_ref(), &data);
        if let Outcome::Count(Ok(count)) = observed {
            self.sent += if data.is_empty() { 0 } else { count };
        }
        let name = self.slots[call.slot()].as_ref().map(Sock::name);
        let words = self.words(&observed);
        let step = Step { call, addr: addr.as_ref(), data: &data, observed: &observed, name };
        (words, self.model.step(&step))
    }

    /// The address that a call is given: `None` if it needs one that does not exist, `Some(None)` if it needs none.
    fn address(&self, call: Call) -> Option<Option<SocketAddr>> {
        if let Call::Bind { address, .. } = call {
            return Some(Some(SocketAddr::inet(self.ips[address], 0)));
        }
        if let Call::Connect { target: Target::Nobody, .. } = call {
            return Some(Some(self.nobody.clone()));
        }
        let (Call::BindLike { other, .. } | Call::Connect { target: Target::Of(other), .. }) = call else {
            return Some(None);
        };
        let name = self.slots[other].as_ref()?.name();
        let port = name.port().filter(|port| *port != 0)?;
        // 127.0.0.1 is everybody's: a port of it that was given back may be a stranger's by now.
        let own = self.ips.contains(&ip_of(&name));
        Some(Some(SocketAddr::inet(if own { ip_of(&name) } else { self.ips[0] }, port)))
    }

    fn make(&mut self, call: Call, addr: Option<&SocketAddr>, data: &[u8]) -> Outcome {
        if let Call::Socket { slot, nonblocking, reuse } = call {
            return Outcome::Done(self.open(slot, nonblocking, reuse));
        }
        let socket = self.slots[call.slot()].as_ref().expect("the model calls only sockets that exist");
        match call {
            Call::Socket { .. } => unreachable!("made above"),
            Call::Bind { .. } | Call::BindLike { .. } => Outcome::Done(socket.bind(addr.expect("bind has an address"))),
            Call::Listen { backlog, .. } => Outcome::Done(socket.listen(backlog)),
            Call::Connect { .. } => Outcome::Done(socket.connect(addr.unwrap_or(&SocketAddr::Unspec))),
            Call::Accept { into, .. } => Outcome::Name(socket.accept().map(|(accepted, from)| {
                self.slots[into] = Some(accepted);
                from
            })),
            Call::Send { .. } => Outcome::Count(socket.send(data)),
            Call::Recv { len, peek, .. } => {
                Outcome::Bytes(socket.recv_with(len, if peek { MsgFlags::PEEK } else { MsgFlags::NONE }))
            }
            Call::Shutdown { how, .. } => Outcome::Done(socket.shutdown(how)),
            Call::Close { slot } => {
                Outcome::Done(self.slots[slot].take().expect("the model calls only sockets that exist").close())
            }
            Call::Dup { into, .. } => {
                self.slots[into] = Some(socket.dup());
                Outcome::Done(Ok(()))
            }
            Call::TakeError { .. } => Outcome::Pending(socket.take_error()),
            Call::Name { .. } => Outcome::Name(Ok(socket.name())),
            Call::PeerName { .. } => Outcome::Name(socket.peer_name()),
            Call::Poll { .. } => Outcome::Events(socket.mask()),
            Call::Fionread { .. } => Outcome::Count(socket.fionread()),
            Call::SetNonblocking { on, .. } => {
                socket.set_nonblocking(on);
                Outcome::Done(Ok(()))
            }
            Call::SetLinger { on, .. } => Outcome::Done(socket.set_linger(i32::from(on), 0)),
            Call::SetKeepalive { on, .. } => Outcome::Done(socket.set(c::SOL_SOCKET, c::SO_KEEPALIVE, i32::from(on))),
            Call::GetKeepalive { .. } => {
                Outcome::Switch(socket.get(c::SOL_SOCKET, c::SO_KEEPALIVE).expect("SO_KEEPALIVE can be read") != 0)
            }
        }
    }

    fn open(&mut self, slot: usize, nonblocking: bool, reuse: bool) -> twinsock::Result<()> {
        let flags = if nonblocking { SockFlags::NONBLOCK } else { SockFlags::NONE };
        let socket = Sock::open_with(&self.env, Domain::INET, Type::STREAM, flags, Protocol::DEFAULT)?;
        // Nagle's algorithm would hold small segments for the time of a delayed acknowledgement. Accepted sockets inherit this.
        socket.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1)?;
        if reuse {
            socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1)?;
        }
        self.slots[slot] = Some(socket);
        Ok(())
    }

    /// An outcome in words that are the same in every run: of a name, the kind of its address and whether it has a port.
    fn words(&self, outcome: &Outcome) -> String {
        let Outcome::Name(Ok(name)) = outcome else { return format!("{outcome:?}") };
        let ip = ip_of(name);
        let address = match self.ips.iter().position(|own| *own == ip) {
            Some(index) => format!("address {index}"),
            None if ip.is_unspecified() => "wildcard".to_owned(),
            None if ip == ip_of(&self.nobody) => "nobody".to_owned(),
            None => ip.to_string(),
        };
        format!("{address}{}", if name.port() == Some(0) { " without port" } else { "" })
    }
}
