//! Descriptors in messages, `SCM_RIGHTS` of `unix(7)`.

use super::Env;
use super::sock::Sock;
use std::io::{IoSlice, IoSliceMut};
use twinsock::control::{ControlMessage, RecvControl, SendControl};
use twinsock::{MsgFlags, Result};

/// Sends data with descriptors, `SCM_RIGHTS`.
pub fn pass<E: Env>(over: &Sock<E>, data: &[u8], sockets: &[&Sock<E>]) -> Result<usize> {
    let mut control = SendControl::new();
    let sockets: Vec<_> = sockets.iter().map(|socket| &socket.socket).collect();
    control.rights(&over.env, &sockets);
    over.env.sendmsg(&over.socket, &[IoSlice::new(data)], Some(&control), None, MsgFlags::NONE)
}

/// Receives with so much room for control messages: the data, the sockets, the flags.
pub fn take<E: Env>(from: &Sock<E>, room: usize, flags: MsgFlags) -> (Vec<u8>, Vec<Sock<E>>, MsgFlags) {
    let (mut bytes, mut control) = ([0; 64], RecvControl::new(room));
    let got =
        from.env.recvmsg(&from.socket, &mut [IoSliceMut::new(&mut bytes)], Some(&mut control), flags).expect("a message came");
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let ControlMessage::Rights(rights) = message {
            sockets.extend(rights.into_iter().map(|socket| Sock::of(&from.env, socket)));
        }
    }
    (bytes[..got.len].to_vec(), sockets, got.flags)
}
