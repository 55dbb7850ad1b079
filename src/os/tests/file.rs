//! The buffered file.

use crate::{Domain, Errno, MsgFlags, Os, Protocol, Socket, SocketFile, Type};
use std::io::{BufRead, Read, Write};

fn pair() -> (Socket<Os>, Socket<Os>) {
    Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT).expect("a socketpair")
}

/// What has arrived, without waiting.
fn arrived(socket: &Socket<Os>) -> Vec<u8> {
    socket.recv(1 << 16, MsgFlags::DONTWAIT).unwrap_or_default()
}

fn errno<T>(outcome: std::io::Result<T>) -> Option<Errno> {
    outcome.err().and_then(|error| Errno::try_from(&error).ok())
}

#[test]
fn modes_are_fopen_s() {
    let (a, _b) = pair();
    for mode in ["r", "w", "a", "rb", "wb", "ab", "r+", "w+", "a+", "r+b", "rb+", "w+b", "wb+", "a+b", "ab+"] {
        assert!(a.makefile(mode, -1).is_ok(), "{mode}");
    }
    for mode in ["", "b", "+", "x", "rw", "r++", "rbb", "rb+b", "R", "rU", "\u{e9}"] {
        assert_eq!(a.makefile(mode, -1).err(), Some(Errno::INVAL), "{mode}");
    }
}

#[test]
fn a_file_does_only_what_its_mode_says() -> std::io::Result<()> {
    let (a, _b) = pair();
    let mut reader = a.makefile("r", -1)?;
    let mut writer = a.makefile("w", -1)?;
    assert_eq!(errno(reader.write(b"x")), Some(Errno::BADF));
    assert_eq!(errno(writer.read(&mut [0])), Some(Errno::BADF));
    assert_eq!(errno(writer.fill_buf()), Some(Errno::BADF));
    assert_eq!(writer.readline(), Err(Errno::BADF));
    Ok(())
}

#[test]
fn output_waits_for_the_buffer_the_line_or_nothing() -> std::io::Result<()> {
    let (a, b) = pair();
    let mut unbuffered = a.makefile("w", 0)?;
    assert_eq!(unbuffered.write(b"ab")?, 2);
    assert_eq!(arrived(&b), b"ab");

    let mut lines = a.makefile("w", 1)?;
    lines.write_all(b"half")?;
    assert_eq!(arrived(&b), b"");
    lines.write_all(b" a line\nand")?;
    assert_eq!(arrived(&b), b"half a line\n");
    lines.flush()?;
    assert_eq!(arrived(&b), b"and");

    let mut full = a.makefile("w", 4)?;
    full.write_all(b"abc")?;
    assert_eq!(arrived(&b), b"");
    full.write_all(b"de")?;
    assert_eq!(arrived(&b), b"abc");
    full.write_all(b"0123456789")?;
    assert_eq!(arrived(&b), b"de0123456789");
    full.write_all(b"z")?;
    drop(full);
    assert_eq!(arrived(&b), b"z", "dropping flushes");

    let mut default = a.makefile("w", -1)?;
    default.write_all(&[7; 8192])?;
    assert_eq!(arrived(&b).len(), 8192);
    default.write_all(&[7; 8191])?;
    assert_eq!(arrived(&b).len(), 0);
    default.close()?;
    assert_eq!(arrived(&b).len(), 8191, "closing flushes");
    Ok(())
}

#[test]
fn after_close_everything_is_ebadf() -> std::io::Result<()> {
    let (a, b) = pair();
    let mut file = a.makefile("r+", -1)?;
    file.write_all(b"x")?;
    assert_eq!(file.close(), Ok(()));
    assert_eq!(arrived(&b), b"x");
    assert_eq!(file.fileno(), -1);
    assert_eq!(file.close(), Err(Errno::BADF));
    assert_eq!(file.readline(), Err(Errno::BADF));
    assert_eq!(errno(file.read(&mut [0])), Some(Errno::BADF));
    assert_eq!(errno(file.write(b"x")), Some(Errno::BADF));
    assert_eq!(errno(file.flush()), Some(Errno::BADF));
    Ok(())
}

#[test]
fn closing_reports_what_could_not_be_sent() -> std::io::Result<()> {
    let (a, b) = pair();
    let mut file = a.makefile("w", -1)?;
    file.write_all(b"x")?;
    drop(b);
    assert_eq!(file.close(), Err(Errno::PIPE));
    assert_eq!(file.close(), Err(Errno::BADF));
    Ok(())
}

#[test]
fn lines_of_any_length_and_a_last_one_without_newline() -> std::io::Result<()> {
    for bufsize in [0, 1, 2, 3, 64, -1] {
        let (a, b) = pair();
        let long = [b'x'; 1000];
        a.send(b"\nab\n", MsgFlags::NONE)?;
        a.send(&long, MsgFlags::NONE)?;
        a.send(b"\nend", MsgFlags::NONE)?;
        drop(a);
        let mut file = b.makefile("r", bufsize)?;
        assert_eq!(file.readline()?, b"\n");
        assert_eq!(file.readline()?, b"ab\n");
        assert_eq!(file.readline()?, [&long[..], b"\n"].concat());
        assert_eq!(file.readline()?, b"end");
        assert_eq!(file.readline()?, b"");
    }
    Ok(())
}

#[test]
fn an_unbuffered_file_takes_no_more_than_it_gives() -> std::io::Result<()> {
    let (a, b) = pair();
    a.send(b"one\ntwo", MsgFlags::NONE)?;
    let mut file = b.makefile("r", 0)?;
    assert_eq!(file.readline()?, b"one\n");
    assert_eq!(b.recv(9, MsgFlags::NONE)?, b"two");
    Ok(())
}

#[test]
fn half_a_line_survives_eagain() -> std::io::Result<()> {
    for bufsize in [0, -1] {
        let (a, b) = pair();
        b.setblocking(false)?;
        let mut file = b.makefile("rb", bufsize)?;
        a.send(b"half", MsgFlags::NONE)?;
        assert_eq!(file.readline(), Err(Errno::AGAIN));
        assert_eq!(file.readline(), Err(Errno::AGAIN));
        a.send(b" a line\n", MsgFlags::NONE)?;
        assert_eq!(file.readline()?, b"half a line\n");
    }
    Ok(())
}

#[test]
fn output_that_does_not_fit_stays_for_later() -> std::io::Result<()> {
    let (a, b) = pair();
    a.setblocking(false)?;
    let mut file: SocketFile<Os> = a.makefile("w", 100_000)?;
    let mut written = 0_usize;
    let error = loop {
        match file.write(&[1; 999]) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert_eq!(Errno::AGAIN, error);
    let mut received = 0;
    while file.flush().is_err() {
        received += arrived(&b).len();
    }
    file.close()?;
    drop(a);
    loop {
        match arrived(&b).len() {
            0 => break,
            count => received += count,
        }
    }
    assert_eq!(received, written, "no byte is lost or made up");
    Ok(())
}

#[test]
fn a_file_for_both_sends_before_it_waits() -> std::io::Result<()> {
    let (a, b) = pair();
    let mut client = a.makefile("r+", -1)?;
    client.write_all(b"question\n")?;
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        let mut server = b.makefile("r+", -1)?;
        assert_eq!(server.readline()?, b"question\n");
        server.write_all(b"answer\n")?;
        Ok(())
    });
    assert_eq!(client.readline()?, b"answer\n");
    server.join().expect("no panic")
}

#[test]
fn a_file_reads_by_std_s_traits() -> std::io::Result<()> {
    let (a, b) = pair();
    a.send(b"first\nsecond\nrest", MsgFlags::NONE)?;
    drop(a);
    let mut file = b.makefile("r", 5)?;
    assert_eq!(file.read(&mut [])?, 0);
    let mut line = String::new();
    assert_eq!(file.read_line(&mut line)?, 6);
    let mut some = [0; 3];
    file.read_exact(&mut some)?;
    assert_eq!(&some, b"sec");
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    assert_eq!(rest, "ond\nrest");
    Ok(())
}
