//! `SO_TIMESTAMP` and its kin, `socket(7)`: what tells a receiver when a message came (`sock_set_timestamp`, `__sock_recv_timestamp`).
//!
//! All of them are views of three flags of the socket: setting one shows in the others.

use super::super::cmsg::Writer;
use super::{Answer, int};
use twinsock::consts as c;
use twinsock::{Errno, Result};

/// The flags of a socket about timestamps.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(in crate::host) struct Stamps {
    /// `SOCK_RCVTSTAMP`.
    is_on: bool,
    /// `SOCK_RCVTSTAMPNS`.
    in_nanos: bool,
    /// `SOCK_TSTAMP_NEW`: the user knows the names whose seconds have 64 bits on every machine.
    is_new: bool,
    /// `SO_TIMESTAMPING`.
    flags: i32,
}

impl Stamps {
    /// Whether messages are stamped for `SO_TIMESTAMP` or `SO_TIMESTAMPNS`.
    pub(in crate::host) fn is_on(self) -> bool {
        self.is_on
    }

    /// Whether no control message tells when something came.
    pub(in crate::host) fn are_silent(self) -> bool {
        !self.is_on && self.flags & SOFTWARE_RECEIVE != SOFTWARE_RECEIVE
    }

    /// The value of an option, if it is one of these.
    pub(super) fn get(self, name: i32) -> Option<Answer> {
        let on = match name {
            c::SO_TIMESTAMP => self.is_on && !self.is_new && !self.in_nanos,
            c::SO_TIMESTAMPNS => self.in_nanos && !self.is_new,
            c::SO_TIMESTAMP_NEW => self.is_on && self.is_new,
            c::SO_TIMESTAMPNS_NEW => self.in_nanos && self.is_new,
            c::SO_TIMESTAMPING | c::SO_TIMESTAMPING_NEW => {
                let flags = if name == c::SO_TIMESTAMPING || self.is_new { self.flags } else { 0 };
                // struct so_timestamping: the flags, and no clock of a network card.
                return Some(Answer::Bytes([flags, 0].map(i32::to_ne_bytes).concat()));
            }
            _ => return None,
        };
        Some(Answer::Int(i32::from(on)))
    }

    /// Sets an option; `false`: it is none of these.
    pub(super) fn set(&mut self, name: i32, value: &[u8]) -> Result<bool> {
        let is_new = matches!(name, c::SO_TIMESTAMP_NEW | c::SO_TIMESTAMPNS_NEW | c::SO_TIMESTAMPING_NEW);
        match name {
            c::SO_TIMESTAMP | c::SO_TIMESTAMPNS | c::SO_TIMESTAMP_NEW | c::SO_TIMESTAMPNS_NEW => {
                self.is_on = int(value)? != 0;
                self.in_nanos = self.is_on && matches!(name, c::SO_TIMESTAMPNS | c::SO_TIMESTAMPNS_NEW);
                if self.is_on {
                    self.is_new = is_new;
                }
            }
            c::SO_TIMESTAMPING | c::SO_TIMESTAMPING_NEW => {
                let flags = int(value)?;
                let only_with_tsonly = flags & SOF_TIMESTAMPING_OPT_STATS != 0 && flags & SOF_TIMESTAMPING_OPT_TSONLY == 0;
                if flags & !SOF_TIMESTAMPING_MASK != 0 || only_with_tsonly {
                    return Err(Errno::INVAL);
                }
                self.flags = flags;
                self.is_new = is_new;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The control messages of a message that came at this time, in nanoseconds of the wall clock.
    pub(in crate::host) fn put(self, nanos: u64, room: &mut Writer<'_>) {
        let (seconds, rest) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
        let time = |unit: u64| [seconds.to_ne_bytes(), (rest / unit).to_ne_bytes()];
        if self.is_on {
            let (name, unit) = match (self.in_nanos, self.is_new) {
                (false, false) => (c::SO_TIMESTAMP, 1000),
                (false, true) => (c::SO_TIMESTAMP_NEW, 1000),
                (true, false) => (c::SO_TIMESTAMPNS, 1),
                (true, true) => (c::SO_TIMESTAMPNS_NEW, 1),
            };
            room.put(c::SOL_SOCKET, name, time(unit).as_flattened());
        }
        if self.flags & SOFTWARE_RECEIVE == SOFTWARE_RECEIVE {
            // struct scm_timestamping: by software, and two more of hardware.
            let mut three = [0; 48];
            three[..16].copy_from_slice(time(1).as_flattened());
            let name = if self.is_new { c::SO_TIMESTAMPING_NEW } else { c::SO_TIMESTAMPING };
            room.put(c::SOL_SOCKET, name, &three);
        }
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// `SOF_TIMESTAMPING_RX_SOFTWARE` and `SOF_TIMESTAMPING_SOFTWARE`: stamps are made on receipt, and told.
const SOFTWARE_RECEIVE: i32 = 1 << 3 | 1 << 4;
const SOF_TIMESTAMPING_OPT_TSONLY: i32 = 1 << 11;
const SOF_TIMESTAMPING_OPT_STATS: i32 = 1 << 12;
/// `SOF_TIMESTAMPING_MASK`.
const SOF_TIMESTAMPING_MASK: i32 = (1 << 19) - 1;
