//! SEMANTICS of addresses: bind, lookup, autobind, the file name space.

use super::*;

#[test]
fn a_path_is_a_file_that_outlives_its_socket() {
    let mut f = Fixture::new();
    let first = f.bound(Kind::Stream, "/tmp/s");
    let inode = f.space.files.lookup(b"/tmp/s", &ROOT).unwrap();
    assert_eq!((f.space.files.kind(inode), f.space.files.mode(inode)), (NodeKind::Socket, 0o755));
    f.space.close(first);
    let second = f.socket(Kind::Stream);
    assert_eq!(f.bind(second, "/tmp/s"), Err(Errno::ADDRINUSE), "a stale socket file is in the way");
    assert_eq!(f.connect(second, "/tmp/s"), Err(Errno::CONNREFUSED));
    f.space.files.unlink(b"/tmp/s", &ROOT).unwrap();
    assert_eq!(f.connect(second, "/tmp/s"), Err(Errno::NOENT));
    assert_eq!(f.bind(second, "/tmp/s"), Ok(()));
}

#[test]
fn a_path_that_leads_nowhere_cannot_be_bound() {
    let mut f = Fixture::new();
    f.space.files.mkfile(b"/tmp/file", 0o644, &ROOT).unwrap();
    let id = f.socket(Kind::Dgram);
    for (path, error) in [
        ("/tmp/file", Errno::ADDRINUSE),
        ("/tmp", Errno::ADDRINUSE),
        ("/", Errno::ADDRINUSE),
        ("/tmp/.", Errno::ADDRINUSE),
        ("/missing/s", Errno::NOENT),
        ("/tmp/file/s", Errno::NOTDIR),
        ("/tmp/new/", Errno::NOENT),
    ] {
        assert_eq!(f.bind(id, path), Err(error), "{path}");
    }
    assert_eq!(f.sockname(id), "unix:", "a failed bind changes nothing");
    assert_eq!(f.bind(id, "//tmp/../tmp/./s"), Ok(()));
    assert_eq!(f.sockname(id), "unix://tmp/../tmp/./s", "a name is kept as it was given");
    assert!(f.space.files.exists(b"/tmp/s", &ROOT));
}

#[test]
fn a_name_is_given_once() {
    let mut f = Fixture::new();
    let id = f.bound(Kind::Stream, "@a");
    assert_eq!(f.bind(id, "@b"), Err(Errno::INVAL));
    assert_eq!(f.bind(id, "/tmp/s"), Err(Errno::INVAL));
    assert!(!f.space.files.exists(b"/tmp/s", &ROOT), "the file that was made is removed");
    assert_eq!(f.bind(id, ""), Ok(()), "asking for any name is satisfied");
    assert_eq!(f.sockname(id), "unix:@a");
}

#[test]
fn a_malformed_address_is_invalid() {
    let mut f = Fixture::new();
    let id = f.socket(Kind::Stream);
    let mut inet = sockaddr("@x");
    inet[..2].copy_from_slice(&2_u16.to_ne_bytes());
    for addr in [&[][..], &[1], &inet, &[&sockaddr("/")[..], &[b'x'; 108]].concat(), &unspec()] {
        assert_eq!(f.space.bind(id, &ROOT, addr, &mut Boring), Err(Errno::INVAL), "bind {addr:?}");
        assert_eq!(f.space.connect(id, &ROOT, addr, &mut Boring), Err(Errno::INVAL.into()), "connect {addr:?}");
    }
    assert_eq!(f.connect(id, ""), Err(Errno::INVAL), "the family alone names nobody");
}

#[test]
fn the_nul_of_a_path_counts_and_every_byte_of_an_abstract_name() {
    let mut f = Fixture::new();
    let path = f.bound(Kind::Stream, "/tmp/s");
    let padded = f.socket(Kind::Stream);
    let with_padding = [&sockaddr("/tmp/t")[..], &[0; 20]].concat();
    f.space.bind(padded, &ROOT, &with_padding, &mut Boring).unwrap();
    let mut room = [0; 5];
    assert_eq!(Address::store(f.space.getsockname(path), &mut room), 2 + 6 + 1, "the full length");
    assert_eq!(&room[2..], b"/tm", "as much as there is room for");
    assert_eq!(f.space.getsockname(padded).map(Address::len), Some(9));
    assert_eq!(Address::store(None, &mut room), 2);
    let short = f.bound(Kind::Stream, "@n");
    let longer = f.bound(Kind::Stream, "@n\0");
    assert_ne!(f.space.getsockname(short).map(Address::len), f.space.getsockname(longer).map(Address::len));
}

#[test]
fn abstract_names_are_apart_for_each_type_and_vanish_on_close() {
    let mut f = Fixture::new();
    let ids = [Kind::Stream, Kind::Dgram, Kind::Seqpacket].map(|kind| f.bound(kind, "@n"));
    let other = f.socket(Kind::Stream);
    assert_eq!(f.bind(other, "@n"), Err(Errno::ADDRINUSE));
    f.space.close(ids[0]);
    assert_eq!(f.bind(other, "@n"), Ok(()));
    let sender = f.socket(Kind::Dgram);
    assert_eq!(f.sendto(sender, b"x", "@n"), Ok(1));
}

#[test]
fn another_type_is_a_prototype_by_path_and_refused_by_abstract_name() {
    let mut f = Fixture::new();
    f.listener(Kind::Stream, "/tmp/s", 1);
    f.listener(Kind::Stream, "@s", 1);
    let dgram = f.socket(Kind::Dgram);
    assert_eq!(f.connect(dgram, "/tmp/s"), Err(Errno::PROTOTYPE));
    assert_eq!(f.sendto(dgram, b"x", "/tmp/s"), Err(Errno::PROTOTYPE));
    assert_eq!(f.connect(dgram, "@s"), Err(Errno::CONNREFUSED));
}

#[test]
fn autobind_takes_the_next_free_name_of_five_digits() {
    let mut f = Fixture::new();
    let (first, second) = (f.bound(Kind::Stream, ""), f.bound(Kind::Stream, ""));
    assert_eq!((f.sockname(first), f.sockname(second)), ("unix:@00001".to_owned(), "unix:@00002".to_owned()));
    assert_eq!(f.space.getsockname(first).map(Address::len), Some(8));
}

#[test]
fn passcred_binds_at_connect_and_at_send() {
    let mut f = Fixture::new();
    f.bound(Kind::Dgram, "@target");
    let sender = f.socket(Kind::Dgram);
    f.space.options_mut(sender).passcred = true;
    f.sendto(sender, b"x", "@target").unwrap();
    assert_eq!(f.sockname(sender), "unix:@00001");
    f.listener(Kind::Stream, "@listener", 1);
    let client = f.socket(Kind::Stream);
    f.space.options_mut(client).passcred = true;
    f.connect(client, "@listener").unwrap();
    assert_eq!(f.sockname(client), "unix:@00001");
}

#[test]
fn a_renamed_or_unlinked_file_disturbs_nobody_who_is_connected() {
    let mut f = Fixture::new();
    let target = f.bound(Kind::Dgram, "/tmp/a");
    let sender = f.connected(Kind::Dgram, "/tmp/a");
    f.space.files.rename(b"/tmp/a", b"/tmp/b", &ROOT).unwrap();
    assert_eq!(f.sendto(sender, b"1", "/tmp/a"), Err(Errno::NOENT));
    assert_eq!(f.sendto(sender, b"2", "/tmp/b"), Ok(1), "it is found under its new name");
    assert_eq!(f.sockname(target), "unix:/tmp/a", "and keeps the one it was given");
    f.space.files.unlink(b"/tmp/b", &ROOT).unwrap();
    assert_eq!(f.send(sender, b"3"), Ok(1));
    assert_eq!((f.recv(target, 9), f.recv(target, 9)), (Ok(b"2".to_vec()), Ok(b"3".to_vec())));
}

#[test]
fn permissions_hold_for_all_but_root() {
    let mut f = Fixture::new();
    f.listener(Kind::Stream, "/tmp/s", 5);
    let id = f.socket(Kind::Stream);
    let connect = |f: &mut Fixture| f.space.connect(id, &USER, &sockaddr("/tmp/s"), &mut Boring);
    assert_eq!(connect(&mut f), Err(Errno::ACCES.into()), "connecting writes to the file");
    f.space.files.chmod(b"/tmp/s", 0o777, &ROOT).unwrap();
    assert_eq!(connect(&mut f), Ok(()));
    assert_eq!(f.space.bind(id, &USER, &sockaddr("/run/s"), &mut Boring), Err(Errno::ACCES));
    assert_eq!(f.space.files.unlink(b"/tmp/s", &USER), Err(Errno::PERM), "/tmp is sticky");
    assert_eq!(f.space.files.chmod(b"/tmp/s", 0, &USER), Err(Errno::PERM));
}

#[test]
fn a_tree_can_be_changed_and_not_be_tied_into_a_knot() {
    let files = &mut Fixture::new().space.files;
    files.mkdir(b"/a", 0o777, &ROOT).unwrap();
    files.mkdir(b"/a/b/", 0o777, &ROOT).unwrap();
    let file = files.mkfile(b"/a/b/f", 0o666, &ROOT).unwrap();
    assert_eq!(files.mode(file), 0o644);
    assert_eq!(files.rename(b"/a", b"/a/b/c", &ROOT), Err(Errno::INVAL));
    assert_eq!(files.rename(b"/a/b", b"/c", &ROOT), Ok(()));
    assert_eq!(files.lookup(b"/c/../c/f", &ROOT), Ok(file), "the parent is the new one");
    assert_eq!(files.rename(b"/c/f", b"/a", &ROOT), Err(Errno::ISDIR));
    assert_eq!(files.rename(b"/a", b"/c/f", &ROOT), Err(Errno::NOTDIR));
    assert_eq!(files.rmdir(b"/c", &ROOT).map_err(Errno::raw), Err(39));
    assert_eq!(files.unlink(b"/c", &ROOT), Err(Errno::ISDIR));
    assert_eq!(files.unlink(b"/c/f", &ROOT), Ok(()));
    assert_eq!(files.rmdir(b"/c", &ROOT), Ok(()));
    assert_eq!(files.lookup(b"/c", &ROOT), Err(Errno::NOENT));
}

#[test]
fn a_symbolic_link_leads_to_its_target_and_not_in_circles() {
    let mut f = Fixture::new();
    f.space.files.mkdir(b"/tmp/d", 0o777, &ROOT).unwrap();
    f.listener(Kind::Stream, "/tmp/d/s", 5);
    for (target, path) in
        [(&b"d"[..], &b"/tmp/to-d"[..]), (b"/tmp/to-d/s", b"/tmp/to-s"), (b"to-s", b"/tmp/again"), (b"knot", b"/tmp/knot")]
    {
        f.space.files.symlink(target, path, &USER).unwrap();
    }
    f.connected(Kind::Stream, "/tmp/again");
    let id = f.socket(Kind::Stream);
    assert_eq!(f.connect(id, "/tmp/knot"), Err(Errno::LOOP));
    f.space.files.symlink(b"nothing", b"/tmp/dangling", &ROOT).unwrap();
    assert_eq!(f.connect(id, "/tmp/dangling"), Err(Errno::NOENT));
    assert_eq!(f.space.bind(id, &ROOT, &sockaddr("/tmp/dangling"), &mut Boring), Err(Errno::ADDRINUSE), "the link is there");
    assert_eq!(f.space.bind(id, &ROOT, &sockaddr("/tmp/to-d/other"), &mut Boring), Ok(()));

    let files = &mut f.space.files;
    assert!(files.exists(b"/tmp/d/other", &ROOT));
    assert_eq!(files.symlink(b"x", b"/tmp/to-s", &ROOT), Err(Errno::EXIST));
    assert_eq!(files.symlink(b"", b"/tmp/new", &ROOT), Err(Errno::NOENT));
    assert_eq!(files.lookup(b"/tmp/to-s/", &ROOT), Err(Errno::NOTDIR));
    let made = files.mkfile_behind_links(b"/tmp/dangling", 0o666, &ROOT).unwrap();
    assert_eq!(files.lookup(b"/tmp/nothing", &ROOT), Ok(made));
    assert_eq!(files.unlink(b"/tmp/dangling", &ROOT), Ok(()), "the link and not what it leads to");
    assert!(files.exists(b"/tmp/nothing", &ROOT));
    assert_eq!(files.rename(b"/tmp/to-s", b"/tmp/moved", &ROOT), Ok(()));
    let moved = files.lookup_link(b"/tmp/moved", &ROOT).unwrap();
    assert_eq!(files.kind(moved), crate::unix::NodeKind::Link);
    assert_eq!(files.unlink(b"/tmp/to-d/", &ROOT), Err(Errno::NOTDIR));
}
