//! What a connection is told from outside: the path (`Config`), the host's sysctls, the options of its socket.

use crate::shared::Shared;

/// What the host knows about a connection when it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The MSS to announce: the path MTU without the IP and TCP headers (40 bytes less for IPv4, 60 for IPv6). The MTU counts as at
    /// most 65535 here, the largest IP packet. `TCP_MAXSEG` limits it further ([`Options::maxseg`]).
    pub mss_bytes: u16,
    /// The host's settings.
    pub(crate) sysctl: Shared<TcpSysctl>,
    /// What is added to the clock in the timestamps of this connection, RFC 7323 section 5.4.
    pub timestamp_offset: u32,
}

impl Default for Config {
    /// Ethernet, IPv4, Linux's defaults.
    fn default() -> Config {
        Config::without_path(Shared::default())
    }
}

impl Config {
    /// What there is before a path is known: Ethernet, IPv4.
    pub(crate) fn without_path(sysctl: Shared<TcpSysctl>) -> Config {
        Config { mss_bytes: MSS_USUAL_BYTES, sysctl, timestamp_offset: 0 }
    }

    /// Becomes what a connection over this path is told; `None`: there is none yet.
    #[inline(always)]
    pub(crate) fn renew(&mut self, sysctl: &Shared<TcpSysctl>, path: Option<(u16, u32)>) {
        self.sysctl.clone_from(sysctl);
        (self.mss_bytes, self.timestamp_offset) = path.unwrap_or((MSS_USUAL_BYTES, 0));
    }
}

/// `net.ipv4.tcp_*` by their Linux names, `tcp(7)`; the defaults are those of Linux 6.18.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSysctl {
    /// `tcp_rmem`: smallest, initial and largest receive buffer, in bytes.
    pub tcp_rmem: [u32; 3],
    /// `tcp_wmem`: smallest, initial and largest send buffer, in bytes.
    pub tcp_wmem: [u32; 3],
    /// `tcp_keepalive_time`, in seconds.
    pub tcp_keepalive_time: u16,
    /// `tcp_keepalive_intvl`, in seconds.
    pub tcp_keepalive_intvl: u16,
    /// `tcp_fin_timeout`, in seconds.
    pub tcp_fin_timeout: u16,
    /// `tcp_keepalive_probes`.
    pub tcp_keepalive_probes: u8,
    /// `tcp_syn_retries`.
    pub tcp_syn_retries: u8,
    /// `tcp_synack_retries`.
    pub tcp_synack_retries: u8,
    /// `tcp_syn_linear_timeouts`: how many of the first repeats of a SYN do not back off.
    pub tcp_syn_linear_timeouts: u8,
    /// `tcp_retries2`.
    pub tcp_retries2: u8,
    /// `tcp_orphan_retries`; 0 stands for 8.
    pub tcp_orphan_retries: u8,
    /// `tcp_rto_min_us`, in milliseconds.
    pub tcp_rto_min_ms: u16,
    /// `tcp_rto_max_ms`.
    pub tcp_rto_max_ms: u32,
    /// `tcp_notsent_lowat`, in bytes.
    pub tcp_notsent_lowat: u32,
    /// `tcp_window_scaling`.
    pub tcp_window_scaling: bool,
    /// `tcp_timestamps`.
    pub tcp_timestamps: bool,
    /// `tcp_slow_start_after_idle`.
    pub tcp_slow_start_after_idle: bool,
    /// `tcp_rfc1337`: whether a reset leaves TIME-WAIT alone.
    pub tcp_rfc1337: bool,
    /// `tcp_moderate_rcvbuf`: whether receive buffers grow by themselves.
    pub tcp_moderate_rcvbuf: bool,
}

impl Default for TcpSysctl {
    fn default() -> TcpSysctl {
        TcpSysctl {
            tcp_rmem: [4096, 131_072, 33_554_432],
            tcp_wmem: [4096, 16_384, 4_194_304],
            tcp_keepalive_time: 7200,
            tcp_keepalive_intvl: 75,
            tcp_fin_timeout: 60,
            tcp_keepalive_probes: 9,
            tcp_syn_retries: 6,
            tcp_synack_retries: 5,
            tcp_syn_linear_timeouts: 4,
            tcp_retries2: 15,
            tcp_orphan_retries: 0,
            tcp_rto_min_ms: 200,
            tcp_rto_max_ms: 120_000,
            tcp_notsent_lowat: u32::MAX,
            tcp_window_scaling: true,
            tcp_timestamps: true,
            tcp_slow_start_after_idle: true,
            tcp_rfc1337: false,
            tcp_moderate_rcvbuf: true,
        }
    }
}

/// The socket options that change what TCP does, `tcp(7)` and `socket(7)`. Inherited by accepted connections.
///
/// Reading is free. Writing is for the setters of [`super::Tcb`] where a change has effects at once; the other fields may be set in
/// place. The caller has checked the ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// SOCK_SNDBUF_LOCK: `SO_SNDBUF` was set by the user, and does not grow by itself.
    pub sndbuf_lock: bool,
    /// SOCK_RCVBUF_LOCK, the same of `SO_RCVBUF`.
    pub rcvbuf_lock: bool,
    /// `SO_RCVLOWAT`, at least 1.
    pub rcvlowat: u32,
    /// `TCP_NOTSENT_LOWAT`; 0: the sysctl's value.
    pub notsent_lowat: u32,
    /// `TCP_WINDOW_CLAMP`; 0: none.
    pub window_clamp: u32,
    /// `TCP_USER_TIMEOUT` in milliseconds; 0: none.
    pub user_timeout_ms: u32,
    /// `TCP_RTO_MAX_MS`; 0: the sysctl's value.
    pub rto_max_ms: u32,
    /// `TCP_KEEPIDLE` in seconds; 0: the sysctl's value.
    pub keepidle: u16,
    /// `TCP_KEEPINTVL` in seconds; 0: the sysctl's value.
    pub keepintvl: u16,
    /// `TCP_KEEPCNT`; 0: the sysctl's value.
    pub keepcnt: u8,
    /// `TCP_SYNCNT`; 0: the sysctl's value.
    pub syncnt: u8,
    /// `TCP_DEFER_ACCEPT`: how many repeats of the SYN-ACK to wait for data.
    pub defer_accept: u8,
    /// `TCP_LINGER2` in seconds; 0: the sysctl's value; negative: no FIN-WAIT-2 at all for closed sockets.
    pub linger2: i16,
    /// `TCP_MAXSEG` as set by the user; 0: none.
    pub maxseg: u16,
    /// `TCP_NODELAY`.
    pub nodelay: bool,
    /// `TCP_CORK`.
    pub cork: bool,
    /// `SO_KEEPALIVE`.
    pub keepalive: bool,
    /// `SO_OOBINLINE`.
    pub oobinline: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sndbuf_lock: false,
            rcvbuf_lock: false,
            rcvlowat: 1,
            notsent_lowat: 0,
            window_clamp: 0,
            user_timeout_ms: 0,
            rto_max_ms: 0,
            keepidle: 0,
            keepintvl: 0,
            keepcnt: 0,
            syncnt: 0,
            defer_accept: 0,
            linger2: 0,
            maxseg: 0,
            nodelay: false,
            cork: false,
            keepalive: false,
            oobinline: false,
        }
    }
}

/// What a packet of 1500 bytes over IPv4 carries.
const MSS_USUAL_BYTES: u16 = 1460;
