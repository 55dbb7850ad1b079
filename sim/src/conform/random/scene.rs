//! What a sequence has opened so far, and how it begins: with sockets that are connected, listen or wait, or only just made.

use super::dice::Dice;
use serde_json::{Value, json};

/// A descriptor that a sequence has a name for.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Its name.
    pub name: String,
    /// `inet`, `inet6`, `unix`; of other descriptors, `""`.
    pub family: &'static str,
    /// `stream`, `dgram`, `seqpacket`, or what it is instead of a socket: `pipe`, `epoll`, `file`.
    pub kind: &'static str,
    /// It was closed.
    pub closed: bool,
}

/// A sequence that is being drawn.
pub struct Scene {
    pub dice: Dice,
    /// The steps so far.
    pub steps: Vec<Value>,
    pub handles: Vec<Handle>,
    /// Threads that wait.
    pub threads: Vec<String>,
    /// Sockets are made blocking: some of the calls block, and some are made in threads.
    pub blocking: bool,
    /// How many names of files and abstract names there are.
    names: usize,
}

const FAMILIES: &[&str] = &["inet", "inet6", "unix"];
const UNIX_KINDS: &[&str] = &["stream", "dgram", "seqpacket"];
const IP_KINDS: &[&str] = &["stream", "dgram"];

impl Scene {
    /// Nothing yet.
    pub(crate) fn new(dice: Dice, blocking: bool) -> Scene {
        Scene { dice, steps: Vec::new(), handles: Vec::new(), threads: Vec::new(), blocking, names: 0 }
    }

    /// Makes a name for something new and takes note of it.
    fn name(&mut self, family: &'static str, kind: &'static str) -> String {
        let name = format!("h{}", self.handles.len());
        self.handles.push(Handle { name: name.clone(), family, kind, closed: false });
        name
    }

    /// The flags with which a socket is made.
    fn flags(&mut self) -> &'static str {
        match (self.blocking, self.dice.one_in(6)) {
            (true, false) => "",
            (true, true) => "SOCK_CLOEXEC",
            (false, false) => "SOCK_NONBLOCK",
            (false, true) => "SOCK_NONBLOCK|SOCK_CLOEXEC",
        }
    }

    /// A new socket.
    pub(crate) fn socket(&mut self, family: &'static str, kind: &'static str) -> String {
        let (name, flags) = (self.name(family, kind), self.flags());
        self.steps.push(json!(["socket", name, family, kind, 0, flags]));
        name
    }

    /// A family, and a type that it has.
    pub(crate) fn family_and_kind(&mut self) -> (&'static str, &'static str) {
        let family = *self.dice.pick(FAMILIES);
        let kind = *self.dice.pick(if family == "unix" { UNIX_KINDS } else { IP_KINDS });
        (family, kind)
    }

    /// Two connected local sockets.
    pub(crate) fn socketpair(&mut self) -> [String; 2] {
        let kind = *self.dice.pick(UNIX_KINDS);
        let [a, b] = [self.name("unix", kind), self.name("unix", kind)];
        let flags = self.flags();
        self.steps.push(json!(["socketpair", a, b, "unix", kind, flags]));
        [a, b]
    }

    /// A pipe.
    pub(crate) fn pipe(&mut self) -> [String; 2] {
        let [r, w] = [self.name("", "pipe"), self.name("", "pipe")];
        self.steps.push(json!(["pipe", r, w]));
        if !self.blocking {
            self.steps.push(json!(["nonblock", r]));
            self.steps.push(json!(["nonblock", w]));
        }
        [r, w]
    }

    /// An epoll set that holds some of what there is.
    pub(crate) fn epoll(&mut self) -> String {
        let members: Vec<String> = self.handles.iter().map(|handle| handle.name.clone()).collect();
        let e = self.name("", "epoll");
        self.steps.push(json!(["epoll_create", e]));
        for member in members {
            if self.dice.one_in(2) {
                let events = self.epoll_events();
                self.steps.push(json!(["epoll_ctl", e, "ADD", member, events]));
            }
        }
        e
    }

    /// What an epoll entry asks for.
    pub(crate) fn epoll_events(&mut self) -> &'static str {
        self.dice.weighted(&[
            (4, "EPOLLIN|EPOLLOUT|EPOLLRDHUP"),
            (4, "EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLET"),
            (2, "EPOLLIN"),
            (2, "EPOLLIN|EPOLLET"),
            (1, "EPOLLOUT|EPOLLET"),
            (1, "EPOLLIN|EPOLLONESHOT"),
            (1, "EPOLLPRI|EPOLLRDHUP"),
            (1, "0"),
            (1, "EPOLLIN|EPOLLEXCLUSIVE"),
        ])
    }

    /// A plain file.
    pub(crate) fn file(&mut self) -> String {
        let (name, path) = (self.name("", "file"), self.dice.below(2));
        self.steps.push(json!(["openfile", name, format!("unix:$T/f{path}")]));
        name
    }

    /// A duplicate of a descriptor.
    pub(crate) fn dup(&mut self, of: &Handle) {
        let name = self.name(of.family, of.kind);
        self.steps.push(json!(["dup", name, of.name]));
    }

    /// Accepts from `listener`.
    pub(crate) fn accept(&mut self, listener: &Handle) -> String {
        let (name, flags) = (self.name(listener.family, listener.kind), self.flags());
        self.steps.push(json!(["accept", name, listener.name, flags]));
        name
    }

    /// An address that a socket of this family can be bound to.
    pub(crate) fn bindable(&mut self, family: &str) -> Value {
        let port = self.dice.weighted(&[(6, "0"), (1, "%a"), (1, "%b")]);
        match family {
            "inet" => {
                let ip = self.dice.weighted(&[(6, "127.0.0.1"), (2, "0.0.0.0"), (1, "127.0.0.2")]);
                json!(format!("{ip}:{port}"))
            }
            "inet6" => {
                let ip = self.dice.weighted(&[(6, "::1"), (3, "::"), (1, "::ffff:127.0.0.1")]);
                json!(format!("[{ip}]:{port}"))
            }
            _ => {
                self.names += 1;
                let nth = if self.dice.one_in(8) { 1 } else { self.names };
                let form = self.dice.weighted(&[(3, "unix:$T/s"), (3, "unix:@$N.s"), (1, "unix:")]);
                json!(if form == "unix:" { form.to_owned() } else { format!("{form}{nth}") })
            }
        }
    }

    fn bind(&mut self, name: &str, family: &str) {
        let addr = self.bindable(family);
        self.steps.push(json!(["bind", name, addr]));
    }

    /// A listener, a client, and perhaps the accepted end.
    pub(crate) fn stream_pair(&mut self, family: &'static str, kind: &'static str) {
        let l = self.socket(family, kind);
        self.bind(&l, family);
        let backlog = self.dice.weighted(&[(1, 0), (1, 1), (8, 8)]);
        self.steps.push(json!(["listen", l, backlog]));
        let x = self.socket(family, kind);
        self.steps.push(json!(["connect", x, format!("@{l}")]));
        if !self.dice.one_in(6) {
            let listener = Handle { name: l, family, kind, closed: false };
            self.accept(&listener);
        }
    }

    /// Two datagram sockets, bound; one or both connected.
    pub(crate) fn dgram_pair(&mut self, family: &'static str) {
        let a = self.socket(family, "dgram");
        self.bind(&a, family);
        let b = self.socket(family, "dgram");
        if self.dice.one_in(2) {
            self.bind(&b, family);
        }
        if !self.dice.one_in(4) {
            self.steps.push(json!(["connect", b, format!("@{a}")]));
        }
        if self.dice.one_in(3) {
            self.steps.push(json!(["connect", a, format!("@{b}")]));
        }
    }

    /// Something to begin with.
    pub(crate) fn begin(&mut self) {
        match self.dice.below(16) {
            0..=3 => {
                let family = *self.dice.pick(&["inet", "inet", "inet6"]);
                self.stream_pair(family, "stream");
            }
            4..=6 => {
                let family = *self.dice.pick(&["inet", "inet", "inet6"]);
                self.dgram_pair(family);
            }
            7..=9 => {
                self.socketpair();
            }
            10 | 11 => {
                let kind = *self.dice.pick(&["stream", "seqpacket"]);
                self.stream_pair("unix", kind);
            }
            12 => self.dgram_pair("unix"),
            13 => {
                self.pipe();
            }
            _ => {
                let (family, kind) = self.family_and_kind();
                self.socket(family, kind);
            }
        }
        if self.dice.one_in(4) {
            self.epoll();
        }
    }
}
