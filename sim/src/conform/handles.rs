//! A case's names for descriptors and ports, and addresses written with them: worked out into bytes, and bytes written back.

use super::backend::Place;
use super::bulk::port_of;
use super::value::{Addr, HandleRef, Port, from_latin1, latin1, write_hex};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts::{AF_INET, AF_INET6, AF_UNIX};
use twinsock::raw::RawFd;

/// A number that no case ever opens: what a closed handle stands for afterwards, since its own number may be given again.
/// The highest for which `select(2)` answers EBADF: it does not look beyond the process's table, which begins with 64 places.
pub const NEVER_OPEN: RawFd = 63;

/// The bytes of `sun_family` and of an autobound abstract name: NUL and five hexadecimal digits.
const AUTOBIND_BYTES: usize = 2 + 1 + 5;

/// What a name stands for.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The case's name.
    pub name: String,
    /// The descriptor; [`NEVER_OPEN`] once it is closed.
    pub fd: RawFd,
    /// Ports that the kernel chose for it, oldest first.
    ports: Vec<u16>,
    /// The last known answers of `getsockname(2)` and `getpeername(2)`.
    own: Option<Vec<u8>>,
    peer: Option<Vec<u8>>,
}

/// All names of a case.
pub struct Handles {
    place: Place,
    slots: Vec<Slot>,
    by_name: BTreeMap<String, usize>,
    /// How a port is written: as the first handle's that the kernel chose it for, or as `%a`.
    ports: BTreeMap<u16, String>,
    chosen: BTreeMap<String, u16>,
    /// The range of ports that the kernel chooses from.
    range: (u16, u16),
}

/// A reference of the case that stands for nothing: the case is at fault, or a step before went wrong.
pub type Resolved<T> = Result<T, String>;

impl Handles {
    /// No names yet.
    pub(crate) fn new(place: Place, range: (u16, u16)) -> Handles {
        Handles { place, slots: Vec::new(), by_name: BTreeMap::new(), ports: BTreeMap::new(), chosen: BTreeMap::new(), range }
    }

    /// The range of ports that the kernel chooses from has changed.
    pub(crate) fn set_range(&mut self, range: (u16, u16)) {
        self.range = range;
    }

    /// Gives `name` to a descriptor.
    pub(crate) fn open(&mut self, name: &str, fd: RawFd) -> usize {
        let slot = Slot { name: name.to_owned(), fd, ports: Vec::new(), own: None, peer: None };
        match self.by_name.get(name) {
            Some(index) => {
                self.slots[*index] = slot;
                *index
            }
            None => {
                self.slots.push(slot);
                self.by_name.insert(name.to_owned(), self.slots.len() - 1);
                self.slots.len() - 1
            }
        }
    }

    /// The place of a handle among [`Handles::slots`]; `None` for a number, or a name that was never given.
    pub(crate) fn index(&self, handle: &HandleRef) -> Option<usize> {
        match handle {
            HandleRef::Name(name) => self.by_name.get(name).copied(),
            HandleRef::Number(_) => None,
        }
    }

    /// The descriptor of a handle; of a name that was never given, one that is not open.
    pub(crate) fn fd(&self, handle: &HandleRef) -> RawFd {
        match handle {
            HandleRef::Number(number) => *number,
            HandleRef::Name(_) => self.index(handle).map_or(NEVER_OPEN, |index| self.slots[index].fd),
        }
    }

    /// Everything that was ever opened under a name.
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The name of the handle at a place.
    pub(crate) fn name(&self, index: u64) -> &str {
        usize::try_from(index).ok().and_then(|index| self.slots.get(index)).map_or("?", |slot| &slot.name)
    }

    /// The handle's descriptor is closed.
    pub(crate) fn closed(&mut self, index: usize) {
        self.slots[index].fd = NEVER_OPEN;
    }

    /// Takes note of what `getsockname(2)` said of a handle.
    pub(crate) fn note_own(&mut self, index: usize, bytes: Vec<u8>) {
        let slot = &mut self.slots[index];
        let port = if is_inet(&bytes) { port_of(&bytes) } else { 0 };
        if port != 0 && !self.ports.contains_key(&port) {
            slot.ports.push(port);
            let name = match slot.ports.len() {
                1 => format!("P({})", slot.name),
                nth => format!("P({}#{nth})", slot.name),
            };
            self.ports.insert(port, name);
        }
        slot.own = Some(bytes);
    }

    /// Takes note of what `getpeername(2)` said of a handle.
    pub(crate) fn note_peer(&mut self, index: usize, bytes: Vec<u8>) {
        self.slots[index].peer = Some(bytes);
    }

    /// `$T` and `$N` filled in.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        text.replace("$T", &self.place.dir).replace("$N", &self.place.unique)
    }

    /// The path of the file that an address names.
    pub(crate) fn path(&self, addr: &Addr) -> Resolved<String> {
        if let Addr::Unix(path) = addr { Ok(self.fill_in(path)) } else { Err(format!("{addr:?} names no file")) }
    }

    fn port(&mut self, port: &Port) -> Resolved<u16> {
        match port {
            Port::Number(number) => {
                // Written as a number in results too: the kernel did not choose it.
                self.ports.entry(*number).or_insert_with(|| number.to_string());
                Ok(*number)
            }
            Port::Chosen(letters) => {
                if let Some(port) = self.chosen.get(letters) {
                    return Ok(*port);
                }
                let port = u16::try_from(self.chosen.len()).ok().and_then(|n| self.place.first_port.checked_add(n));
                let port = port.ok_or("there are no more ports to choose")?;
                self.chosen.insert(letters.clone(), port);
                self.ports.insert(port, format!("%{letters}"));
                Ok(port)
            }
            Port::Of(handle, nth) => {
                let slot = self.by_name.get(handle).map(|index| &self.slots[*index]);
                let slot = slot.ok_or_else(|| format!("there is no handle {handle}"))?;
                let known = slot.ports.get(*nth - 1).copied();
                let shown = slot.own.as_deref().map(port_of).filter(|port| *nth == 1 && *port != 0);
                known.or(shown).ok_or_else(|| format!("handle {handle} never had a port #{nth} of the kernel's choice"))
            }
        }
    }

    /// The bytes of an address.
    pub(crate) fn bytes(&mut self, addr: &Addr) -> Resolved<Vec<u8>> {
        let known =
            |name: &str, bytes: Option<&Vec<u8>>| bytes.cloned().ok_or_else(|| format!("no address is known of handle {name}"));
        match addr {
            Addr::Inet(ip, port) => Ok(inet_bytes(*ip, self.port(port)?)),
            Addr::Unix(path) => {
                let path = latin1(&self.fill_in(path)).ok_or("a path is bytes")?;
                let mut bytes = family_bytes(AF_UNIX);
                match path.split_first() {
                    Some((b'@', name)) => {
                        bytes.push(0);
                        bytes.extend(name);
                    }
                    Some(_) | None => {
                        bytes.extend(&path);
                        bytes.push(0);
                    }
                }
                Ok(bytes)
            }
            Addr::UnixFamily => Ok(family_bytes(AF_UNIX)),
            Addr::Unspec => Ok(vec![0; 16]),
            Addr::Own(name) => known(name, self.by_name.get(name).and_then(|index| self.slots[*index].own.as_ref())),
            Addr::Peer(name) => known(name, self.by_name.get(name).and_then(|index| self.slots[*index].peer.as_ref())),
            Addr::Altered { addr, len, family } => {
                let mut bytes = self.bytes(addr)?;
                if let (Some(family), Some(start)) = (family, bytes.get_mut(..2)) {
                    start.copy_from_slice(&family.to_ne_bytes());
                }
                if let Some(len) = len {
                    bytes.resize(*len, 0);
                }
                Ok(bytes)
            }
            Addr::Hex(bytes) => Ok(bytes.clone()),
        }
    }

    /// How the bytes of an address are written in a result.
    pub(crate) fn write(&self, bytes: &[u8]) -> Value {
        let Some(family) = bytes.first_chunk().map(|family| i32::from(u16::from_ne_bytes(*family))) else {
            return if bytes.is_empty() { Value::Null } else { json!({"hex": write_hex(bytes)}) };
        };
        match (family, bytes.len()) {
            (AF_INET, 8..) => {
                let ip: [u8; 4] = bytes[4..8].try_into().expect("four bytes were taken");
                json!(format!("{}:{}", Ipv4Addr::from(ip), self.write_port(port_of(bytes))))
            }
            (AF_INET6, 24..) => {
                let ip: [u8; 16] = bytes[8..24].try_into().expect("sixteen bytes were taken");
                json!(format!("[{}]:{}", Ipv6Addr::from(ip), self.write_port(port_of(bytes))))
            }
            (AF_UNIX, _) => json!(self.write_unix(&bytes[2..])),
            _ => json!({"hex": write_hex(bytes)}),
        }
    }

    fn write_port(&self, port: u16) -> String {
        match self.ports.get(&port) {
            Some(name) => name.clone(),
            None if port != 0 && (self.range.0..=self.range.1).contains(&port) => "EPH".to_owned(),
            None => port.to_string(),
        }
    }

    fn write_unix(&self, path: &[u8]) -> String {
        let shorten = |bytes: &[u8]| from_latin1(bytes).replace(&self.place.dir, "$T").replace(&self.place.unique, "$N");
        match path.split_first() {
            None => "unix:".to_owned(),
            Some((0, name)) if name.len() == AUTOBIND_BYTES - 3 && name.iter().all(u8::is_ascii_hexdigit) => {
                "unix:@AUTO".to_owned()
            }
            Some((0, name)) => format!("unix:@{}", shorten(name)),
            Some(_) => {
                let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
                format!("unix:{}", shorten(&path[..end]))
            }
        }
    }
}

fn is_inet(bytes: &[u8]) -> bool {
    [AF_INET, AF_INET6].map(family_bytes).iter().any(|family| bytes.starts_with(family))
}

fn family_bytes(family: i32) -> Vec<u8> {
    u16::try_from(family).expect("an address family fits sa_family_t").to_ne_bytes().to_vec()
}

fn inet_bytes(ip: IpAddr, port: u16) -> Vec<u8> {
    let addr = twinsock::SocketAddr::inet(ip, port).encode().expect("an inet address has bytes");
    addr.as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handles() -> Handles {
        Handles::new(Place::numbered(7), (32_768, 60_999))
    }

    fn addr(text: &str) -> Addr {
        Addr::read(&json!(text)).expect("the address is well formed")
    }

    #[test]
    fn a_port_is_named_for_the_first_handle_that_had_it() {
        let mut handles = handles();
        let (l, p) = (handles.open("l", 3), handles.open("p", 4));
        let bound = inet_bytes("127.0.0.1".parse().unwrap(), 40_000);
        handles.note_own(l, bound.clone());
        handles.note_own(p, bound.clone());
        assert_eq!(handles.write(&bound), json!("127.0.0.1:P(l)"));
        handles.note_own(l, inet_bytes("127.0.0.1".parse().unwrap(), 40_002));
        let second = handles.bytes(&addr("[::1]:P(l#2)")).unwrap();
        assert_eq!(port_of(&second), 40_002);
        assert_eq!(handles.write(&second), json!("[::1]:P(l#2)"));
        assert_eq!(handles.write(&inet_bytes("::1".parse().unwrap(), 50_000)), json!("[::1]:EPH"));
        assert!(handles.bytes(&addr("127.0.0.1:P(l#3)")).is_err());
    }

    #[test]
    fn chosen_ports_and_names_are_written_back() {
        let mut handles = handles();
        let (a, b) = (handles.bytes(&addr("127.0.0.1:%a")).unwrap(), handles.bytes(&addr("127.0.0.1:%b")).unwrap());
        assert_ne!(port_of(&a), port_of(&b));
        assert_eq!(handles.bytes(&addr("127.0.0.1:%a")).unwrap(), a);
        assert_eq!(handles.write(&a), json!("127.0.0.1:%a"));
        for text in ["unix:$T/p", "unix:@q$N", "unix:", "127.0.0.1:9"] {
            let bytes = handles.bytes(&addr(text)).unwrap();
            assert_eq!(handles.write(&bytes), json!(text));
        }
        assert_eq!(handles.bytes(&addr("unix:$T/p")).unwrap().len(), 20, "results with lengths count on it");
        assert_eq!(handles.write(b"\x01\x00\x00000a1"), json!("unix:@AUTO"));
        assert_eq!(handles.write(b""), json!(null));
    }

    #[test]
    fn a_closed_handle_is_never_open_again() {
        let mut handles = handles();
        let x = handles.open("x", 5);
        assert_eq!(handles.fd(&HandleRef::Name("x".into())), 5);
        handles.closed(x);
        assert_eq!(handles.fd(&HandleRef::Name("x".into())), NEVER_OPEN);
        assert_eq!(handles.fd(&HandleRef::Number(777)), 777);
    }
}
