//! Kernel constants by their Linux names, `tcp(7)`, `ip(7)`, `socket(7)`.

/// The constants of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// `net.core.somaxconn`.
    pub somaxconn: i32,
    /// `net.ipv4.ip_local_port_range`.
    pub ip_local_port_range: (u16, u16),
}

impl Default for Sysctl {
    fn default() -> Sysctl {
        Sysctl { somaxconn: 4096, ip_local_port_range: (32768, 60999) }
    }
}
