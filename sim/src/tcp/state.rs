//! The states of a connection, RFC 9293 section 3.3.2.

/// Where a connection is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum State {
    /// No connection. Also what a socket is in once its connection is in TIME-WAIT, see [`super::TimeWait`].
    Closed,
    /// Waits for connections.
    Listen,
    /// Our SYN is out.
    SynSent,
    /// A SYN came in and ours is out, unacknowledged.
    SynReceived,
    /// Data flows.
    Established,
    /// We sent a FIN, unacknowledged.
    FinWait1,
    /// Our FIN is acknowledged; the peer may still send.
    FinWait2,
    /// The peer sent a FIN; we may still send.
    CloseWait,
    /// Both sent a FIN; ours is not acknowledged.
    Closing,
    /// The peer sent a FIN, then we did; ours is not acknowledged.
    LastAck,
    /// Both FINs are acknowledged; old segments die out. Only a [`super::TimeWait`] is in this state.
    TimeWait,
}

impl State {
    /// Whether both SYNs are acknowledged and the connection is not over: the synchronized states of RFC 9293.
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        match self {
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => true,
            State::Closed | State::Listen | State::SynSent | State::SynReceived => false,
        }
    }

    /// Whether the user may still send: ESTABLISHED and CLOSE-WAIT.
    #[must_use]
    pub const fn may_send(self) -> bool {
        match self {
            State::Established | State::CloseWait => true,
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait => false,
        }
    }

    /// The name that `netstat(8)` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Closed => "CLOSE",
            State::Listen => "LISTEN",
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RECV",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN_WAIT1",
            State::FinWait2 => "FIN_WAIT2",
            State::CloseWait => "CLOSE_WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST_ACK",
            State::TimeWait => "TIME_WAIT",
        }
    }

    /// The number of the state in `TCP_INFO` and `/proc/net/tcp`.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            State::Established => 1,
            State::SynSent => 2,
            State::SynReceived => 3,
            State::FinWait1 => 4,
            State::FinWait2 => 5,
            State::TimeWait => 6,
            State::Closed => 7,
            State::CloseWait => 8,
            State::LastAck => 9,
            State::Listen => 10,
            State::Closing => 11,
        }
    }
}
