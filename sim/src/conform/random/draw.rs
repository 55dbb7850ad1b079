//! Drawing the steps of a sequence: any call on any descriptor, the likely ones more often.

use super::dice::Dice;
use super::options;
use super::scene::{Handle, Scene};
use serde_json::{Value, json};

/// The most steps that follow the beginning.
const STEPS_MAX: usize = 24;
/// One sequence in so many uses sockets that block, and threads: each call that blocks takes a real third of a second on the kernel.
const BLOCKING_ONE_IN: usize = 64;

/// The line of a case file that holds the sequence of this number; nothing is expected of it.
pub fn line(seed: u64, number: u64) -> String {
    let mut dice = Dice::new(seed, number);
    let blocking = dice.one_in(BLOCKING_ONE_IN);
    let mut scene = Scene::new(dice, blocking);
    scene.begin();
    for _ in 0..4 + scene.dice.below(STEPS_MAX - 3) {
        scene.step();
    }
    scene.into_line(&format!("random.{seed}.{number}"))
}

/// The line that holds the sequence which these bytes choose, for as long as they last. Nothing in it blocks.
pub fn line_from_bytes(bytes: &[u8]) -> String {
    let mut scene = Scene::new(Dice::from_bytes(bytes), false);
    scene.begin();
    for _ in 0..STEPS_MAX {
        scene.step();
        if scene.dice.are_used_up() {
            break;
        }
    }
    scene.into_line("fuzz")
}

/// A line of a case file for these steps.
pub fn line_of(id: &str, (family, kind): (&str, &str), steps: &[Value]) -> String {
    let (op, setup) = steps.split_last().expect("a sequence has steps");
    json!({
        "id": id,
        "group": "random",
        "family": family,
        "type": kind,
        "setup": setup,
        "setup_expect": vec![Value::Null; setup.len()],
        "op": op,
        "expect": null,
        "tags": [],
        "note": "",
    })
    .to_string()
}

/// Flags of calls that send, and of those that receive.
const SEND_FLAGS: &[(usize, &str)] = &[
    (12, ""),
    (3, "MSG_DONTWAIT"),
    (2, "MSG_NOSIGNAL"),
    (2, "MSG_OOB"),
    (2, "MSG_MORE"),
    (1, "MSG_EOR"),
    (1, "MSG_DONTROUTE"),
    (1, "MSG_CONFIRM"),
];
const RECV_FLAGS: &[(usize, &str)] = &[
    (10, ""),
    (4, "MSG_PEEK"),
    (3, "MSG_DONTWAIT"),
    (2, "MSG_OOB"),
    (2, "MSG_TRUNC"),
    (2, "MSG_WAITALL"),
    (1, "MSG_PEEK|MSG_TRUNC"),
    (1, "MSG_PEEK|MSG_OOB"),
    (1, "MSG_PEEK|MSG_WAITALL"),
    (1, "MSG_ERRQUEUE"),
    (1, "MSG_CMSG_CLOEXEC"),
];

impl Scene {
    /// The line of the sequence of all steps so far.
    fn into_line(mut self, id: &str) -> String {
        for thread in std::mem::take(&mut self.threads) {
            self.steps.push(json!(["join", thread, 100]));
        }
        let first = self.handles.iter().find(|handle| !handle.family.is_empty());
        let (family, kind) = first.map_or(("unix", "stream"), |handle| (handle.family, handle.kind));
        line_of(id, (family, kind), &self.steps)
    }

    /// One of the handles, the recent ones more often, closed ones seldom.
    fn handle(&mut self) -> Handle {
        let open: Vec<usize> = (0..self.handles.len()).filter(|index| !self.handles[*index].closed).collect();
        let index = match (open.as_slice(), self.dice.one_in(40)) {
            ([], _) | (_, true) => self.dice.below(self.handles.len()),
            (open, false) => *self.dice.pick(open),
        };
        self.handles[index].clone()
    }

    /// A socket, if there is one; otherwise anything.
    fn socket_handle(&mut self) -> Handle {
        for _ in 0..4 {
            let handle = self.handle();
            if !handle.family.is_empty() {
                return handle;
            }
        }
        self.handle()
    }

    fn data(&mut self, handle: &Handle) -> Value {
        let size = match (handle.family, handle.kind) {
            ("inet" | "inet6", "stream") => self.dice.weighted(&[(3, 100), (1, 1000)]),
            ("inet" | "inet6", _) => self.dice.weighted(&[(3, 100), (2, 1000), (1, 9000)]),
            _ => self.dice.weighted(&[(3, 100), (2, 1000), (1, 5000)]),
        };
        match self.dice.below(8) {
            0 => json!(""),
            1 | 2 => json!("x"),
            3..=5 => json!("hello"),
            6 => json!("ab"),
            _ => json!({"n": size}),
        }
    }

    fn size(&mut self) -> usize {
        self.dice.weighted(&[(1, 0), (3, 1), (3, 3), (6, 16), (4, 100), (4, 10_000)])
    }

    /// An address: of somebody who is there, of nobody, or none at all.
    fn address(&mut self, family: &str) -> Value {
        let alike: Vec<String> =
            self.handles.iter().filter(|h| h.family == family && !h.closed).map(|h| h.name.clone()).collect();
        let whose =
            if alike.is_empty() || self.dice.one_in(30) { self.socket_handle().name } else { self.dice.pick(&alike).clone() };
        match self.dice.below(16) {
            0..=10 => json!(format!("@{whose}")),
            11 => json!("unspec"),
            12 => json!({"addr": format!("@{whose}"), "len": self.dice.pick(&[1, 2, 8, 15, 16, 24, 28, 100])}),
            13 => json!({"addr": format!("@{whose}"), "family": self.dice.pick(&[0, 1, 2, 10, 77])}),
            _ => self.bindable(family),
        }
    }

    /// Adds a step.
    pub(crate) fn step(&mut self) {
        match self.dice.below(100) {
            0..=24 => self.send(),
            25..=46 => self.receive(),
            47..=58 => self.wait(),
            59..=70 => self.option_or_name(),
            71..=80 => self.life(),
            81..=86 => self.join_or_leave(),
            87..=89 => self.close(),
            90..=96 => self.open(),
            97 => self.begin(),
            98 => self.limit_or_flags(),
            _ => self.thread(),
        }
    }

    fn send(&mut self) {
        let handle = self.handle();
        let (name, data) = (handle.name.clone(), self.data(&handle));
        let mut flags = self.dice.weighted(SEND_FLAGS);
        if flags == "MSG_MORE" && handle.kind == "stream" {
            // When held data leaves depends on `sk_forward_alloc`, see differences.md.
            flags = "";
        }
        let step = match self.dice.below(10) {
            0..=4 => json!(["send", name, data, flags]),
            5 => json!(["write", name, data]),
            6 | 7 => {
                let addr = if self.dice.one_in(6) { Value::Null } else { self.address(handle.family) };
                json!(["sendto", name, data, addr, flags])
            }
            _ => {
                let addr = if self.dice.one_in(3) { self.address(handle.family) } else { Value::Null };
                let more = self.data(&handle);
                let control = if handle.family == "unix" && self.dice.one_in(2) { self.control() } else { json!([]) };
                json!(["sendmsg", name, [data, more], addr, flags, control])
            }
        };
        self.steps.push(step);
    }

    /// Descriptors or credentials to pass.
    fn control(&mut self) -> Value {
        match self.dice.below(6) {
            0..=3 => {
                let count = self.dice.weighted(&[(1, 0), (5, 1), (2, 2)]);
                let passed: Vec<String> = (0..count).map(|_| self.handle().name).collect();
                json!([["SCM_RIGHTS", passed]])
            }
            4 => json!([["SCM_CREDENTIALS", ["PID", self.dice.pick(&[0, 1000]), 0]]]),
            _ => json!([[[1, 99], "00000000"]]),
        }
    }

    fn receive(&mut self) {
        let handle = self.handle();
        let (name, n, flags) = (handle.name, self.size(), self.dice.weighted(RECV_FLAGS));
        let step = match self.dice.below(10) {
            0..=4 => json!(["recv", name, n, flags]),
            5 => json!(["read", name, n]),
            6 => json!(["recvfrom", name, n, flags]),
            7 if self.dice.one_in(2) => json!(["recvfrom", name, n, flags, self.dice.pick(&[0, 2, 8, 200])]),
            7 => json!(["recvmsg", name, [n, self.size()], flags]),
            _ => {
                let room = self.dice.weighted(&[(6, 4096), (1, 0), (1, 20), (1, 24)]);
                json!(["recvmsg", name, n, flags, room])
            }
        };
        // What was received becomes rx0, rx1...; the steps that follow may name them.
        if step[0] == "recvmsg" && !self.handles.iter().any(|h| h.name == "rx0") && self.steps.iter().any(passes_rights) {
            self.handles.push(Handle { name: "rx0".to_owned(), family: "unix", kind: "stream", closed: false });
        }
        self.steps.push(step);
    }

    fn wait(&mut self) {
        let handle = self.handle();
        let epolls: Vec<String> = self.handles.iter().filter(|h| h.kind == "epoll").map(|h| h.name.clone()).collect();
        let step = match self.dice.below(10) {
            0..=3 => json!(["poll", handle.name]),
            4 => {
                let other = self.handle().name;
                let events = *self.dice.pick(&["ALL", "POLLIN", "POLLOUT", "POLLPRI|POLLRDHUP", "0"]);
                json!(["poll", [[handle.name, events], [other, "ALL"]], "ALL", 0])
            }
            5 => json!(["select", [handle.name], [handle.name], [handle.name], 0]),
            _ if epolls.is_empty() => json!(["poll", handle.name]),
            6 | 7 => {
                let op = *self.dice.pick(&["ADD", "ADD", "MOD", "DEL"]);
                let events = self.epoll_events();
                json!(["epoll_ctl", self.dice.pick(&epolls), op, handle.name, events])
            }
            _ => json!(["epoll_wait", self.dice.pick(&epolls), self.dice.pick(&[16, 16, 1, 2]), 0]),
        };
        self.steps.push(step);
    }

    fn option_or_name(&mut self) {
        let handle = self.socket_handle();
        let (name, kind) = (handle.name.as_str(), handle.kind);
        let step = match self.dice.below(12) {
            0..=3 => options::set(&mut self.dice, name, handle.family, kind),
            4..=6 => options::get(&mut self.dice, name, handle.family, kind),
            7 => json!(["getsockopt", name, "SOL_SOCKET", "SO_ERROR"]),
            8 => json!(["getsockname", name]),
            9 => json!(["getpeername", name]),
            10 => json!([*self.dice.pick(&["getsockname", "getpeername"]), name, self.dice.pick(&[-1, 0, 2, 5, 16, 28, 110])]),
            _ => json!(["ioctl", name, self.dice.pick(&["FIONREAD", "FIONREAD", "SIOCATMARK", "TIOCOUTQ"])]),
        };
        self.steps.push(step);
    }

    fn life(&mut self) {
        let handle = self.socket_handle();
        let name = handle.name.as_str();
        let step = match self.dice.below(12) {
            0..=3 => json!(["shutdown", name, self.dice.pick(&["RD", "WR", "WR", "RDWR"])]),
            4..=6 => json!(["connect", name, self.address(handle.family)]),
            7 | 8 => json!(["bind", name, self.bindable(handle.family)]),
            9 => json!(["listen", name, self.dice.pick(&[0, 1, 5, -1])]),
            _ => {
                self.accept(&handle);
                return;
            }
        };
        self.steps.push(step);
    }

    /// The calls on a connection that change most: an end of it goes, or comes anew.
    fn join_or_leave(&mut self) {
        let handle = self.socket_handle();
        match self.dice.below(4) {
            0 => {
                let reset = json!(["setsockopt", handle.name, "SOL_SOCKET", "SO_LINGER", {"linger": [1, 0]}]);
                self.steps.push(reset);
                self.close_handle(&handle.name);
            }
            1 => self.steps.push(json!(["connect", handle.name, "unspec"])),
            2 => {
                self.accept(&handle);
            }
            _ => {
                let name = self.socket(
                    if handle.family.is_empty() { "unix" } else { handle.family },
                    match handle.kind {
                        kind @ ("stream" | "dgram" | "seqpacket") => kind,
                        _ => "stream",
                    },
                );
                self.steps.push(json!(["connect", name, format!("@{}", handle.name)]));
            }
        }
    }

    fn close(&mut self) {
        let name = self.handle().name;
        self.close_handle(&name);
    }

    fn close_handle(&mut self, name: &str) {
        self.steps.push(json!(["close", name]));
        self.handles.iter_mut().filter(|handle| handle.name == name).for_each(|handle| handle.closed = true);
    }

    fn open(&mut self) {
        match self.dice.below(10) {
            0..=2 => {
                let handle = self.handle();
                self.dup(&handle);
            }
            3 | 4 => {
                let (family, kind) = self.family_and_kind();
                self.socket(family, kind);
            }
            5 => {
                self.socketpair();
            }
            6 => {
                self.pipe();
            }
            7 => {
                self.file();
            }
            _ => {
                self.epoll();
            }
        }
    }

    fn limit_or_flags(&mut self) {
        let name = self.handle().name;
        let step = match self.dice.below(6) {
            0 => json!(["getfl", name]),
            1 | 2 => json!(["getfd", name]),
            3 => json!(["unlink", "unix:$T/s1"]),
            4 => json!(["exists", "unix:$T/s1"]),
            _ => json!(["nofile", self.dice.below(3)]),
        };
        self.steps.push(step);
    }

    /// A call in a thread, which may block; of a sequence that never blocks, another step.
    fn thread(&mut self) {
        if !self.blocking || self.threads.len() > 1 {
            return self.receive();
        }
        let (name, handle) = (format!("t{}", self.threads.len()), self.socket_handle().name);
        let call = match self.dice.below(4) {
            0 | 1 => json!(["recv", handle, 10]),
            2 => json!(["recv", handle, 10, "MSG_WAITALL"]),
            _ => json!(["poll", handle, "POLLIN|POLLRDHUP", 60_000]),
        };
        self.steps.push(json!(["spawn", name, call]));
        self.threads.push(name);
    }
}

fn passes_rights(step: &Value) -> bool {
    step[0] == "sendmsg" && step[5][0][0] == "SCM_RIGHTS"
}

#[cfg(test)]
mod tests {
    use super::super::super::format::Case;
    use super::*;

    #[test]
    fn every_sequence_is_a_case() {
        for number in 0..3000 {
            let line = line(7, number);
            let case = Case::read(&line).unwrap_or_else(|what| panic!("{what}: {line}"));
            assert!(case.steps.len() >= 5, "a sequence has steps");
        }
    }
}
