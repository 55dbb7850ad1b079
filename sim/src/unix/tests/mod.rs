//! What the room promises, each promise a test; the helpers say only what the promise is about.

mod control;
mod dgram;
mod names;
mod rights;
mod seqpacket;
mod stream;
mod urgent;
mod wakes;

use super::*;
use crate::packet::Boring;
use std::io::{IoSlice, IoSliceMut};
use twinsock::Shutdown;

const ROOT: Caller = Caller { pid: 100, uid: 0, gid: 0, umask: 0o022 };
const USER: Caller = Caller { pid: 200, uid: 1000, gid: 1000, umask: 0o022 };
const DONTWAIT: RecvFlags = RecvFlags { peek: false, trunc: false, waitall: false, oob: false, nonblocking: true };
const BLOCKING: RecvFlags = RecvFlags { nonblocking: false, ..DONTWAIT };
const PEEK: RecvFlags = RecvFlags { peek: true, ..DONTWAIT };

/// A space and calls on it as a test speaks of them: nonblocking, by root, unless said otherwise.
struct Fixture {
    space: UnixSpace<u32>,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture { space: UnixSpace::new(Config::default()) }
    }

    fn socket(&mut self, kind: Kind) -> UnixId {
        self.space.socket(kind)
    }

    fn pair(&mut self, kind: Kind) -> (UnixId, UnixId) {
        self.space.socketpair(kind, &ROOT)
    }

    fn bound(&mut self, kind: Kind, name: &str) -> UnixId {
        let id = self.socket(kind);
        self.bind(id, name).unwrap();
        id
    }

    fn listener(&mut self, kind: Kind, name: &str, backlog: i32) -> UnixId {
        let id = self.bound(kind, name);
        self.space.listen(id, &ROOT, backlog).unwrap();
        id
    }

    fn bind(&mut self, id: UnixId, name: &str) -> Result<()> {
        self.space.bind(id, &ROOT, &sockaddr(name), &mut Boring)
    }

    /// Connects without waiting; where a call would wait is in the second place.
    fn try_connect(&mut self, id: UnixId, name: &str) -> Outcome<()> {
        self.space.connect(id, &ROOT, &sockaddr(name), &mut Boring)
    }

    fn connect(&mut self, id: UnixId, name: &str) -> Result<()> {
        self.try_connect(id, name).map_err(|failure| failure.errno)
    }

    fn connected(&mut self, kind: Kind, name: &str) -> UnixId {
        let id = self.socket(kind);
        self.connect(id, name).unwrap();
        id
    }

    fn accept(&mut self, id: UnixId) -> Result<UnixId> {
        self.space.accept(id, true).map_err(|failure| failure.errno)
    }

    fn send(&mut self, id: UnixId, data: &[u8]) -> Result<usize> {
        self.send_with(id, data, None, SendFlags { oob: false, nonblocking: true }).map_err(|failure| failure.errno)
    }

    fn sendto(&mut self, id: UnixId, data: &[u8], name: &str) -> Result<usize> {
        let flags = SendFlags { oob: false, nonblocking: true };
        self.send_with(id, data, Some(&sockaddr(name)), flags).map_err(|failure| failure.errno)
    }

    fn send_with(&mut self, id: UnixId, data: &[u8], to: Option<&[u8]>, flags: SendFlags) -> Outcome<usize> {
        self.step_send(id, data, to, flags, &mut SendState::default())
    }

    fn step_send(
        &mut self,
        id: UnixId,
        data: &[u8],
        to: Option<&[u8]>,
        flags: SendFlags,
        state: &mut SendState<u32>,
    ) -> Outcome<usize> {
        self.space.send(id, &ROOT, &[IoSlice::new(data)], to, flags, state, &mut Boring)
    }

    fn send_rights(&mut self, id: UnixId, data: &[u8], rights: &[u32]) -> Result<usize> {
        let mut state = SendState::new(Ancillary { rights: rights.to_vec(), credentials: None });
        let flags = SendFlags { oob: false, nonblocking: true };
        let result = self.step_send(id, data, None, flags, &mut state);
        assert_eq!(state.ancillary.rights.is_empty(), result.is_ok_and(|sent| sent > 0), "rights leave with the message");
        result.map_err(|failure| failure.errno)
    }

    fn recv(&mut self, id: UnixId, len: usize) -> Result<Vec<u8>> {
        self.recv_with(id, len, DONTWAIT).map(|(data, _)| data)
    }

    fn recv_with(&mut self, id: UnixId, len: usize, flags: RecvFlags) -> Result<(Vec<u8>, RecvState<u32>)> {
        let mut state = RecvState::new(true);
        let mut room = vec![0; len];
        self.step_recv(id, &mut room, flags, &mut state).map_err(|failure| failure.errno)?;
        room.truncate(state.copied);
        Ok((room, state))
    }

    fn step_recv(&mut self, id: UnixId, room: &mut [u8], flags: RecvFlags, state: &mut RecvState<u32>) -> Outcome<usize> {
        self.space.recv(id, &mut [IoSliceMut::new(room)], flags, state)
    }

    /// What poll says, the bits that go together left out.
    fn poll(&mut self, id: UnixId) -> PollEvents {
        let mask = self.space.poll_mask(id);
        let twins = [(PollEvents::IN, PollEvents::RDNORM), (PollEvents::OUT, PollEvents::WRNORM | PollEvents::WRBAND)];
        for (main, twin) in twins {
            assert_eq!(mask.contains(main), mask.contains(twin), "{main:?} and {twin:?} go together");
        }
        mask.without(PollEvents::RDNORM | PollEvents::WRNORM | PollEvents::WRBAND)
    }

    /// What happened at a socket since the last time; what happened at others is forgotten.
    fn wakes(&mut self, id: UnixId) -> Wakes {
        let mut found = Wakes::default();
        while let Some((at, wakes)) = self.space.poll_event() {
            if at == id {
                assert_eq!(found, Wakes::default(), "a socket is told of once");
                found = wakes;
            }
        }
        found
    }

    fn sockname(&self, id: UnixId) -> String {
        shown(self.space.getsockname(id))
    }

    fn peername(&self, id: UnixId) -> Result<String> {
        self.space.getpeername(id).map(shown)
    }

    /// Sends messages of this size until there is no room; answers how many.
    fn fill(&mut self, id: UnixId, len: usize) -> usize {
        let data = vec![0; len];
        let mut count = 0;
        while self.send(id, &data).is_ok() {
            count += 1;
        }
        assert_eq!(self.send(id, &data), Err(Errno::AGAIN));
        count
    }
}

/// A `sockaddr_un`: `@name` is abstract, the empty name is the family alone, others are paths.
fn sockaddr(name: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(twinsock::consts::AF_UNIX).unwrap().to_ne_bytes().to_vec();
    match name.strip_prefix('@') {
        Some(name) => {
            bytes.push(0);
            bytes.extend_from_slice(name.as_bytes());
        }
        None => bytes.extend_from_slice(name.as_bytes()),
    }
    bytes
}

fn unspec() -> [u8; 16] {
    [0; 16]
}

fn shown(name: Option<&Address>) -> String {
    name.map_or_else(|| "unix:".to_owned(), |name| format!("{name:?}"))
}
