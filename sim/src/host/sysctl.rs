//! Kernel constants by their Linux names, `socket(7)`, `ip(7)`, `tcp(7)`: one table, settable per host by name or by field.

use crate::shared::Shared;
use crate::tcp::TcpSysctl;
use twinsock::{Errno, Result};

/// The constants of one host. The defaults are those of Linux 6.18.
///
/// ```
/// use twinsock_sim::host::Sysctl;
/// let mut sysctl = Sysctl::default();
/// sysctl.somaxconn = 128;
/// assert_eq!(sysctl.get("net.core.somaxconn").as_deref(), Some("128"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// `net.core.somaxconn`: the largest backlog of a listener.
    pub somaxconn: u32,
    /// `net.core.rmem_max`: the largest SO_RCVBUF, before doubling, in bytes.
    pub rmem_max: u32,
    /// `net.core.wmem_max`: the largest SO_SNDBUF, before doubling, in bytes.
    pub wmem_max: u32,
    /// `net.core.rmem_default`: SO_RCVBUF of sockets other than TCP's, in bytes.
    pub rmem_default: u32,
    /// `net.core.wmem_default`: SO_SNDBUF of sockets other than TCP's, in bytes.
    pub wmem_default: u32,
    /// `net.unix.max_dgram_qlen`: how many datagrams wait at a local socket, less one.
    pub max_dgram_qlen: u32,
    /// `net.ipv4.ip_local_port_range`: first and last ephemeral port.
    pub ip_local_port_range: [u16; 2],
    /// `net.ipv4.ip_local_reserved_ports`: never chosen automatically.
    pub ip_local_reserved_ports: Vec<u16>,
    /// `net.ipv4.ip_unprivileged_port_start`: the first port that needs no privilege.
    pub ip_unprivileged_port_start: u16,
    /// `net.ipv4.ip_default_ttl`.
    pub ip_default_ttl: u8,
    /// `net.ipv4.ip_nonlocal_bind`: whether any address may be bound.
    pub ip_nonlocal_bind: bool,
    /// `net.ipv6.bindv6only`: the default of IPV6_V6ONLY.
    pub bindv6only: bool,
    /// `net.ipv4.tcp_tw_reuse`: whether connect may reuse a connection in TIME-WAIT: 0 no, 1 yes, 2 on loopback only.
    pub tcp_tw_reuse: u8,
    /// `net.ipv4.tcp_abort_on_overflow`: whether a full accept queue resets a connection instead of ignoring it.
    pub tcp_abort_on_overflow: bool,
    /// `net.ipv4.tcp_congestion_control`: what TCP_CONGESTION reads by default. The algorithm is the one that is modelled, whatever its name.
    pub tcp_congestion_control: String,
    /// `net.ipv4.tcp_*` that the protocol itself reads.
    pub(crate) tcp: Shared<TcpSysctl>,
}

impl Default for Sysctl {
    fn default() -> Sysctl {
        Sysctl {
            somaxconn: 4096,
            rmem_max: 4_194_304,
            wmem_max: 4_194_304,
            rmem_default: 212_992,
            wmem_default: 212_992,
            max_dgram_qlen: 10,
            ip_local_port_range: [32768, 60999],
            ip_local_reserved_ports: Vec::new(),
            ip_unprivileged_port_start: 1024,
            ip_default_ttl: 64,
            ip_nonlocal_bind: false,
            bindv6only: false,
            tcp_tw_reuse: 2,
            tcp_abort_on_overflow: false,
            tcp_congestion_control: "bbr".to_owned(),
            tcp: Shared::default(),
        }
    }
}

/// A value as `/proc/sys` shows and takes it.
trait Value: Sized {
    fn show(&self) -> String;
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! number_value {
    ($($kind:ty),*) => {
        $(impl Value for $kind {
            fn show(&self) -> String {
                self.to_string()
            }
            fn parse(text: &str) -> Option<$kind> {
                text.trim().parse().ok()
            }
        })*
    };
}

number_value!(u8, u16, u32);

impl Value for bool {
    fn show(&self) -> String {
        u8::from(*self).to_string()
    }
    fn parse(text: &str) -> Option<bool> {
        // Any number but 0 is "on", as with most switches of /proc/sys.
        text.trim().parse::<i64>().ok().map(|number| number != 0)
    }
}

impl Value for String {
    fn show(&self) -> String {
        self.clone()
    }
    fn parse(text: &str) -> Option<String> {
        let name = text.trim();
        (!name.is_empty() && name.len() < 16).then(|| name.to_owned())
    }
}

impl<T: Value + Copy, const N: usize> Value for [T; N] {
    fn show(&self) -> String {
        self.iter().map(Value::show).collect::<Vec<_>>().join("\t")
    }
    fn parse(text: &str) -> Option<[T; N]> {
        let values: Option<Vec<T>> = text.split_whitespace().map(T::parse).collect();
        values?.try_into().ok()
    }
}

impl Value for Vec<u16> {
    fn show(&self) -> String {
        self.iter().map(Value::show).collect::<Vec<_>>().join(",")
    }
    fn parse(text: &str) -> Option<Vec<u16>> {
        let mut ports = Vec::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            ports.extend(u16::parse(first)?..=u16::parse(last)?);
        }
        Some(ports)
    }
}

impl Sysctl {
    /// Where TCP's constants are the same as another host's, both have one value, which every connection looks at.
    pub(crate) fn share(&mut self, other: &Sysctl) {
        if self.tcp == other.tcp {
            self.tcp.clone_from(&other.tcp);
        }
    }
}

macro_rules! table {
    ($($name:literal => $($field:ident).+;)*) => {
        impl Sysctl {
            /// The names of all constants.
            ///
            /// ```
            /// use twinsock_sim::host::Sysctl;
            /// assert!(Sysctl::NAMES.contains(&"net.core.somaxconn"));
            /// ```
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The value of a constant as `/proc/sys` shows it; `None`: there is none of that name.
            ///
            /// ```
            /// use twinsock_sim::host::Sysctl;
            /// assert_eq!(Sysctl::default().get("net.ipv4.ip_local_port_range").as_deref(), Some("32768\t60999"));
            /// ```
            #[must_use]
            pub fn get(&self, name: &str) -> Option<String> {
                match name {
                    $($name => Some(self.$($field).+.show()),)*
                    _ => None,
                }
            }

            fn assign(&mut self, name: &str, value: &str) -> Result<()> {
                match name {
                    $($name => self.$($field).+ = Value::parse(value).ok_or(Errno::INVAL)?,)*
                    _ => return Err(Errno::NOENT),
                }
                Ok(())
            }
        }
    };
}

table! {
    "net.core.somaxconn" => somaxconn;
    "net.core.rmem_max" => rmem_max;
    "net.core.wmem_max" => wmem_max;
    "net.core.rmem_default" => rmem_default;
    "net.core.wmem_default" => wmem_default;
    "net.unix.max_dgram_qlen" => max_dgram_qlen;
    "net.ipv4.ip_local_port_range" => ip_local_port_range;
    "net.ipv4.ip_local_reserved_ports" => ip_local_reserved_ports;
    "net.ipv4.ip_unprivileged_port_start" => ip_unprivileged_port_start;
    "net.ipv4.ip_default_ttl" => ip_default_ttl;
    "net.ipv4.ip_nonlocal_bind" => ip_nonlocal_bind;
    "net.ipv6.bindv6only" => bindv6only;
    "net.ipv4.tcp_tw_reuse" => tcp_tw_reuse;
    "net.ipv4.tcp_abort_on_overflow" => tcp_abort_on_overflow;
    "net.ipv4.tcp_congestion_control" => tcp_congestion_control;
    "net.ipv4.tcp_rmem" => tcp.tcp_rmem;
    "net.ipv4.tcp_wmem" => tcp.tcp_wmem;
    "net.ipv4.tcp_keepalive_time" => tcp.tcp_keepalive_time;
    "net.ipv4.tcp_keepalive_intvl" => tcp.tcp_keepalive_intvl;
    "net.ipv4.tcp_keepalive_probes" => tcp.tcp_keepalive_probes;
    "net.ipv4.tcp_fin_timeout" => tcp.tcp_fin_timeout;
    "net.ipv4.tcp_syn_retries" => tcp.tcp_syn_retries;
    "net.ipv4.tcp_synack_retries" => tcp.tcp_synack_retries;
    "net.ipv4.tcp_syn_linear_timeouts" => tcp.tcp_syn_linear_timeouts;
    "net.ipv4.tcp_retries2" => tcp.tcp_retries2;
    "net.ipv4.tcp_orphan_retries" => tcp.tcp_orphan_retries;
    "net.ipv4.tcp_rto_max_ms" => tcp.tcp_rto_max_ms;
    "net.ipv4.tcp_notsent_lowat" => tcp.tcp_notsent_lowat;
    "net.ipv4.tcp_window_scaling" => tcp.tcp_window_scaling;
    "net.ipv4.tcp_timestamps" => tcp.tcp_timestamps;
    "net.ipv4.tcp_slow_start_after_idle" => tcp.tcp_slow_start_after_idle;
    "net.ipv4.tcp_rfc1337" => tcp.tcp_rfc1337;
    "net.ipv4.tcp_moderate_rcvbuf" => tcp.tcp_moderate_rcvbuf;
}

impl Sysctl {
    /// Sets a constant by its name, as writing to `/proc/sys` does, `sysctl(8)`.
    ///
    /// # Errors
    /// `ENOENT`: there is no constant of that name. `EINVAL`: it cannot have that value.
    ///
    /// ```
    /// use twinsock_sim::host::Sysctl;
    /// let mut sysctl = Sysctl::default();
    /// sysctl.set("net.ipv4.ip_local_port_range", "40000 40099").unwrap();
    /// assert_eq!(sysctl.ip_local_port_range, [40000, 40099]);
    /// ```
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let mut changed = self.clone();
        changed.assign(name, value)?;
        let [low, high] = changed.ip_local_port_range;
        // Linux refuses port 0 and a first port above the last one.
        if low == 0 || low > high || changed.tcp_tw_reuse > 2 || changed.ip_default_ttl == 0 || changed.somaxconn > 0x7fff_ffff {
            return Err(Errno::INVAL);
        }
        *self = changed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_takes_the_value_it_shows() {
        let mut sysctl = Sysctl::default();
        for name in Sysctl::NAMES {
            let shown = sysctl.get(name).expect("a listed name");
            assert_eq!(sysctl.set(name, &shown), Ok(()), "{name} = {shown}");
        }
        assert_eq!(sysctl, Sysctl::default());
    }

    #[test]
    fn a_constant_is_set_by_its_linux_name() {
        let mut sysctl = Sysctl::default();
        assert_eq!(sysctl.set("net.ipv4.ip_local_port_range", "40000 40003"), Ok(()));
        assert_eq!(sysctl.ip_local_port_range, [40000, 40003]);
        assert_eq!(sysctl.set("net.ipv4.ip_local_port_range", "40003 40000"), Err(Errno::INVAL));
        assert_eq!(sysctl.set("net.ipv4.ip_local_reserved_ports", "8080,9000-9002"), Ok(()));
        assert_eq!(sysctl.ip_local_reserved_ports, [8080, 9000, 9001, 9002]);
        assert_eq!(sysctl.set("net.ipv4.tcp_window_scaling", "0"), Ok(()));
        assert!(!sysctl.tcp.tcp_window_scaling);
        assert_eq!(sysctl.set("net.ipv4.tcp_syn_retries", "many"), Err(Errno::INVAL));
        assert_eq!(sysctl.set("net.ipv4.no_such", "1"), Err(Errno::NOENT));
    }
}
