//! Values on their way to the kernel and back.

use crate::control::{ControlMessage, Credentials, PacketInfo4, PacketInfo6, RecvControl, SendControl};
use crate::option::{Linger, Membership4, Membership6, OptionValue, Timeout};
use crate::poll::{timeout_micros, timeout_millis};
use crate::{Errno, Os, SocketAddr, UnixAddr};
use proptest::prelude::*;
use std::fmt::Debug;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

fn addrs() -> impl Strategy<Value = SocketAddr> {
    let v6 = |(ip, port, flow, scope): ([u8; 16], u16, u32, u32)| SocketAddrV6::new(ip.into(), port, flow, scope);
    prop_oneof![
        Just(SocketAddr::Unspec),
        any::<(IpAddr, u16)>().prop_map(|(ip, port)| SocketAddr::inet(ip, port)),
        any::<([u8; 16], u16, u32, u32)>().prop_map(move |parts| SocketAddr::V6(v6(parts))),
        Just(SocketAddr::Unix(UnixAddr::Unnamed)),
        "[^\0]{1,26}".prop_map(|path| SocketAddr::Unix(UnixAddr::Path(PathBuf::from(path)))),
        prop::collection::vec(any::<u8>(), 0..108).prop_map(|name| SocketAddr::Unix(UnixAddr::Abstract(name))),
    ]
}

proptest! {
    #[test]
    fn an_address_comes_back_as_it_went(addr in addrs()) {
        let raw = addr.encode().expect("it fits");
        prop_assert_eq!(SocketAddr::decode(raw.as_bytes()), Ok(addr));
    }

    #[test]
    fn any_bytes_are_an_address_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        if let Ok(addr) = SocketAddr::decode(&bytes) {
            let text = addr.to_string();
            prop_assert!(text.len() > 3);
        }
    }

    #[test]
    fn any_bytes_are_control_messages(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0_usize..40) {
        // A length that is likely, and no descriptor: SCM_RIGHTS would own numbers that were never opened.
        let mut bytes = bytes;
        if let Some(first) = bytes.first_chunk_mut() {
            *first = len.to_ne_bytes();
        }
        if let Some(level) = bytes.get_mut(8..12) {
            level.copy_from_slice(&libc::SOL_IP.to_ne_bytes());
        }
        let mut control = RecvControl::<Os>::new(bytes.len());
        control.refill(&Os).copy_from_slice(&bytes);
        control.set_filled(bytes.len().min(len.next_multiple_of(8)));
        prop_assert!(control.drain().count() <= 1);
        prop_assert_eq!(control.drain().count(), 0);
    }

    #[test]
    fn waits_are_never_cut_short(nanos in any::<u64>()) {
        let time = Duration::from_nanos(nanos);
        let millis = timeout_millis(Some(time));
        prop_assert!(millis == i32::MAX || Duration::from_millis(millis.cast_unsigned().into()) >= time);
        let micros = timeout_micros(Some(time)).and_then(|micros| u64::try_from(micros).ok()).expect("fits");
        prop_assert!(Duration::from_micros(micros) >= time);
    }
}

#[test]
fn addresses_lie_as_the_c_library_lays_them() {
    let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0x1234, 0x0005_6789, 7);
    let raw = SocketAddr::V6(v6).encode().expect("it fits");
    let bytes = raw.as_bytes();
    assert_eq!(bytes.len(), size_of::<libc::sockaddr_in6>());
    assert_eq!(bytes[offset_of!(libc::sockaddr_in6, sin6_port)..][..2], [0x12, 0x34]);
    assert_eq!(bytes[offset_of!(libc::sockaddr_in6, sin6_flowinfo)..][..4], [0, 5, 0x67, 0x89]);
    assert_eq!(bytes[offset_of!(libc::sockaddr_in6, sin6_addr)..][..16], Ipv6Addr::LOCALHOST.octets());
    assert_eq!(bytes[offset_of!(libc::sockaddr_in6, sin6_scope_id)..], 7_u32.to_ne_bytes());
    let raw = SocketAddr::inet(Ipv4Addr::new(1, 2, 3, 4).into(), 80).encode().expect("it fits");
    assert_eq!(raw.as_bytes().len(), size_of::<libc::sockaddr_in>());
    assert_eq!(raw.as_bytes()[offset_of!(libc::sockaddr_in, sin_addr)..][..4], [1, 2, 3, 4]);
    let raw = SocketAddr::Unix(UnixAddr::Path("/x".into())).encode().expect("it fits");
    assert_eq!(&raw.as_bytes()[offset_of!(libc::sockaddr_un, sun_path)..], b"/x\0");
}

#[test]
fn names_that_do_not_fit_are_einval() {
    assert_eq!(UnixAddr::from_pathname("x".repeat(107)).map(|addr| addr.is_unnamed()), Ok(false));
    assert_eq!(UnixAddr::from_pathname("x".repeat(108)), Err(Errno::INVAL));
    assert_eq!(UnixAddr::from_pathname("a\0b"), Err(Errno::INVAL));
    assert_eq!(UnixAddr::from_pathname(""), Ok(UnixAddr::Unnamed));
    assert!(UnixAddr::from_abstract_name([0; 107]).is_ok());
    assert_eq!(UnixAddr::from_abstract_name([0; 108]), Err(Errno::INVAL));
}

#[test]
fn option_values_come_back_as_they_went() {
    fn check<V: OptionValue + PartialEq + Debug>(value: V) {
        let bytes = value.encode();
        assert_eq!(bytes.as_bytes().len(), V::BYTES);
        assert_eq!(V::decode(bytes.as_bytes()).as_ref(), Ok(&value));
        assert_eq!(V::decode(&[]), Err(Errno::INVAL));
    }
    check(-1_i32);
    check(u32::MAX);
    check(u64::MAX);
    check(true);
    check(Ipv4Addr::LOCALHOST);
    check(Some(Errno::CONNRESET));
    check(None::<Errno>);
    check(Linger(Some(Duration::from_secs(5))));
    check(Linger(None));
    check(Timeout(Some(Duration::new(5, 6000))));
    check(Timeout(None));
    check(Credentials { pid: 1, uid: 2, gid: 3 });
    check(Membership4 { multiaddr: Ipv4Addr::new(239, 0, 0, 1), interface: Ipv4Addr::LOCALHOST });
    check(Membership6 { multiaddr: Ipv6Addr::LOCALHOST, interface: 3 });
    assert_eq!(bool::decode(&[1]), Ok(true), "some options answer with one byte");
    assert_eq!(Timeout::decode(Timeout(Some(Duration::ZERO)).encode().as_bytes()), Ok(Timeout(Some(Duration::from_micros(1)))));
    assert_eq!(size_of::<libc::timeval>(), Timeout::BYTES);
    assert_eq!(size_of::<libc::linger>(), Linger::BYTES);
    assert_eq!(size_of::<libc::ucred>(), Credentials::BYTES);
    assert_eq!(size_of::<libc::ip_mreq>(), Membership4::BYTES);
    assert_eq!(size_of::<libc::ipv6_mreq>(), Membership6::BYTES);
}

#[test]
fn control_messages_come_back_as_they_went() {
    let info4 = PacketInfo4 { ifindex: 1, spec_dst: Ipv4Addr::LOCALHOST, addr: Ipv4Addr::BROADCAST };
    let info6 = PacketInfo6 { addr: Ipv6Addr::LOCALHOST, ifindex: 2 };
    let mut send = SendControl::<OwnedFd>::new();
    send.packet_info4(info4).packet_info6(info6).ttl(3).tos(4).hop_limit(5).traffic_class(6);
    send.credentials(Credentials { pid: 7, uid: 8, gid: 9 });
    assert!(send.raw(10, 11, b"twelve").is_ok());
    let bytes = send.as_bytes();
    let mut control = RecvControl::<Os>::new(bytes.len());
    control.refill(&Os).copy_from_slice(bytes);
    control.set_filled(bytes.len());
    let mut messages = control.drain();
    let mut next = || messages.next().expect("one more");
    assert!(matches!(next(), ControlMessage::PacketInfo4(info) if info == info4));
    assert!(matches!(next(), ControlMessage::PacketInfo6(info) if info == info6));
    assert!(matches!(next(), ControlMessage::Ttl(3)));
    // As it is sent IP_TOS is an int, as it comes it is a byte: the first one, on this machine, is the same.
    assert!(matches!(next(), ControlMessage::Tos(_)));
    assert!(matches!(next(), ControlMessage::HopLimit(5)));
    assert!(matches!(next(), ControlMessage::TrafficClass(6)));
    assert!(matches!(next(), ControlMessage::Credentials(Credentials { pid: 7, uid: 8, gid: 9 })));
    assert!(matches!(next(), ControlMessage::Raw { level: 10, kind: 11, data: b"twelve" }));
    assert!(messages.next().is_none());
}
