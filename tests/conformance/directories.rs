//! Directories as descriptors, `open(2)`.

use crate::conformance;
use crate::support::files::Dir;
use crate::support::raw;
use twinsock::Errno;
use twinsock::consts as c;

conformance! {
    fn a_directory_can_be_opened_for_reading_alone(env: &E) {
        let dir = Dir::new(env);
        env.mkdir(&dir.path("d")).unwrap();
        env.mkfile(&dir.path("f")).unwrap();
        let open = |name: &str, flags: i32| env.open(&dir.path(name), flags).and_then(|fd| raw::close(env, fd));
        assert_eq!(open("d", c::O_RDONLY), Ok(()));
        assert_eq!(open("d", c::O_RDONLY | c::O_DIRECTORY), Ok(()));
        for flags in [c::O_WRONLY, c::O_RDWR, c::O_CREAT, c::O_TRUNC, c::O_TRUNC | c::O_DIRECTORY, c::O_WRONLY | c::O_DIRECTORY] {
            assert_eq!(open("d", flags), Err(Errno::ISDIR), "{flags:#o}");
        }
        assert_eq!(open("d", c::O_CREAT | c::O_EXCL), Err(Errno::EXIST));
        assert_eq!(open("d", c::O_CREAT | c::O_DIRECTORY), Err(Errno::INVAL));
        assert_eq!(open("f", c::O_DIRECTORY), Err(Errno::NOTDIR));
        assert_eq!(open("nobody", c::O_DIRECTORY), Err(Errno::NOENT));
        env.symlink(&dir.path("d"), &dir.path("link")).unwrap();
        assert_eq!(open("link", c::O_DIRECTORY), Ok(()));
    }

    fn a_directory_is_not_read_as_a_file(env: &E) {
        let dir = Dir::new(env);
        env.mkdir(&dir.path("d")).unwrap();
        let fd = env.open(&dir.path("d"), c::O_RDONLY).unwrap();
        let (answers, events) = raw::calls_on_a_file(env, fd);
        let expected = [Errno::ISDIR, Errno::ISDIR, Errno::BADF, Errno::NOTSOCK, Errno::NOTTY].map(Err);
        assert_eq!((answers, events), (expected, raw::POLLIN | raw::POLLOUT));
    }
}
