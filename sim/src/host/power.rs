//! Losing power: what of a machine is still there when it is switched on again.

use super::{Host, HostConfig};

impl Host {
    /// The machine loses power and is switched on again: a kernel that has just booted, which sends nothing and knows nobody.
    ///
    /// What is left is what a disk holds: the file name space with its owners and permissions, what named files hold, up to the last write that
    /// returned, and the files of sockets that were bound, now stale. Files without a name are gone, as after `fsck(8)`. Process numbers go on
    /// counting, so that a number means one process in all the life of the machine.
    pub(crate) fn power_cycle(&mut self, config: HostConfig) {
        let before = std::mem::replace(self, Host::new(config));
        self.processes.resize_with(before.processes.len(), || None);
        self.tables = before.tables.wrapping_add(1);
        self.local.space.files = before.local.space.files;
        self.local.space.files.forget_all_sockets();
        self.plain = before.plain;
        self.plain.close_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Credentials;
    use twinsock::Errno;
    use twinsock::consts::{O_CREAT, O_RDWR};

    #[test]
    fn names_outlive_the_power_and_open_files_do_not() {
        let mut host = Host::new(HostConfig::default());
        let before = host.spawn_process(Credentials::default());
        let kept = host.open(before, b"/var/tmp/kept", O_CREAT | O_RDWR, 0o600).unwrap();
        host.open(before, b"/tmp/gone", O_CREAT | O_RDWR, 0o600).unwrap();
        host.unlink(before, b"/tmp/gone").unwrap();
        host.power_cycle(HostConfig::default());
        assert_eq!(host.dup(before, kept, 0, false), Err(Errno::BADF), "no process outlives the power");
        let after = host.spawn_process(Credentials::default());
        assert!(after > before, "a number means one process");
        assert_eq!(host.access(after, b"/var/tmp/kept"), Ok(()));
        assert_eq!(host.access(after, b"/tmp/gone"), Err(Errno::NOENT));
        assert_eq!(host.open(after, b"/var/tmp/kept", O_RDWR, 0), Ok(0), "the descriptor table is new");
    }
}
