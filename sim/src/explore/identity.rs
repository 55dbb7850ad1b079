//! Which test this is: what its tapes are called, where they lie, and the line that runs it again.
//!
//! Most are tests of a cargo package; a program that explores something of its own, as the `twinsock` command does, says all that by itself.

use std::path::{Path, PathBuf};

/// A test: what it is called, where its tapes lie, and the command that runs it again.
///
/// ```
/// use twinsock_sim::explore::TestId;
/// let test = TestId::of_program("dice", "tapes", "dice --seed", "dice --tape");
/// assert_eq!(test.full_name(), "dice");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestId(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Cargo(CargoTest),
    Own(OwnTest),
}

/// What a program runs by itself, without cargo.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnTest {
    name: String,
    tapes: PathBuf,
    /// The commands that run it again, but for their last word.
    seed_command: String,
    tape_command: String,
}

/// A test of a cargo package: its package, its file and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CargoTest {
    package: String,
    manifest_dir: PathBuf,
    /// As `file!()` says it: relative to the workspace, or absolute.
    file: PathBuf,
    /// The name of the crate, and the test's name in it.
    crate_name: String,
    name: String,
}

impl TestId {
    /// The test in which a function of this path (as [`std::any::type_name_of_val`] gives it) stands. [`check!`](crate::check) knows what to pass.
    ///
    /// ```
    /// use twinsock_sim::explore::TestId;
    /// let test = TestId::new("kv", "/src/kv", "tests/slow.rs", "slow::writes::none_is_lost::here");
    /// assert_eq!(test.full_name(), "slow::writes::none_is_lost");
    /// assert_eq!(test.seed_command(7), "TWINSOCK_SEED=7 cargo test -p kv --test slow writes::none_is_lost -- --exact");
    /// ```
    #[must_use]
    pub fn new(package: &str, manifest_dir: &str, file: &str, path: &str) -> TestId {
        let mut parts: Vec<&str> = path.split("::").filter(|part| *part != "{{closure}}").collect();
        parts.pop();
        let crate_name = if parts.is_empty() { String::new() } else { parts.remove(0).to_owned() };
        TestId(Kind::Cargo(CargoTest {
            package: package.to_owned(),
            manifest_dir: PathBuf::from(manifest_dir),
            file: PathBuf::from(file),
            crate_name,
            name: parts.join("::"),
        }))
    }

    /// What a program runs by itself: its name, `program::module::name`, the folder for its tapes, and the commands that run it again, to which
    /// a seed or the path of a tape is added as the last word.
    ///
    /// ```
    /// use twinsock_sim::explore::TestId;
    ///
    /// let test = TestId::of_program("kv::soak", "tapes", "kv soak --seed", "kv replay");
    /// assert_eq!(test.seed_command(7), "kv soak --seed 7");
    /// assert_eq!(test.tape_command("tapes/kv soak.tape".as_ref()), "kv replay 'tapes/kv soak.tape'");
    /// ```
    #[must_use]
    pub fn of_program(name: &str, tapes: impl Into<PathBuf>, seed_command: &str, tape_command: &str) -> TestId {
        TestId(Kind::Own(OwnTest {
            name: name.to_owned(),
            tapes: tapes.into(),
            seed_command: seed_command.to_owned(),
            tape_command: tape_command.to_owned(),
        }))
    }

    /// What the test is called on its tapes and in reports: `crate::module::name`.
    ///
    /// ```
    /// use twinsock_sim::explore::TestId;
    /// assert_eq!(TestId::of_program("dice", "tapes", "dice --seed", "dice --tape").full_name(), "dice");
    /// ```
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.0 {
            Kind::Cargo(test) => format!("{}::{}", test.crate_name, test.name),
            Kind::Own(test) => test.name.clone(),
        }
    }

    /// The command that runs this test again with a seed.
    ///
    /// ```
    /// use twinsock_sim::explore::TestId;
    /// let test = TestId::of_program("dice", "tapes", "dice --seed", "dice --tape");
    /// assert_eq!(test.seed_command(7), "dice --seed 7");
    /// ```
    #[must_use]
    pub fn seed_command(&self, seed: u64) -> String {
        match &self.0 {
            Kind::Cargo(test) => test.command("TWINSOCK_SEED", &seed.to_string()),
            Kind::Own(test) => format!("{} {seed}", test.seed_command),
        }
    }

    /// The command that runs this test again from a tape.
    ///
    /// ```
    /// use twinsock_sim::explore::TestId;
    /// let test = TestId::of_program("dice", "tapes", "dice --seed", "dice --tape");
    /// assert_eq!(test.tape_command("x.tape".as_ref()), "dice --tape x.tape");
    /// ```
    #[must_use]
    pub fn tape_command(&self, path: &Path) -> String {
        let path = shell_word(&path.to_string_lossy());
        match &self.0 {
            Kind::Cargo(test) => test.command("TWINSOCK_TAPE", &path),
            Kind::Own(test) => format!("{} {path}", test.tape_command),
        }
    }

    /// Where the test's tapes lie: `twinsock-regressions` beside its file. `None` where the source is not.
    ///
    /// ```
    /// use twinsock_sim::explore::TestId;
    /// let test = TestId::of_program("dice", "tapes", "dice --seed", "dice --tape");
    /// assert_eq!(test.regressions(), Some("tapes".into()));
    /// ```
    #[must_use]
    pub fn regressions(&self) -> Option<PathBuf> {
        match &self.0 {
            Kind::Cargo(test) => test.found().as_deref().and_then(Path::parent).map(|folder| folder.join("twinsock-regressions")),
            Kind::Own(test) => Some(test.tapes.clone()),
        }
    }

    /// How the files of this test's tapes begin.
    ///
    /// ```
    /// use twinsock_sim::explore::TestId;
    /// let test = TestId::of_program("games::dice", "tapes", "dice --seed", "dice --tape");
    /// assert_eq!(test.file_stem(), "games-dice");
    /// ```
    #[must_use]
    pub fn file_stem(&self) -> String {
        self.full_name().replace("::", "-")
    }
}

impl CargoTest {
    fn command(&self, variable: &str, value: &str) -> String {
        format!("{variable}={value} cargo test -p {} {} {} -- --exact", self.package, self.target(), self.name)
    }

    /// Which of the package's targets the test is in, as cargo takes it.
    fn target(&self) -> String {
        let inside = self.in_package();
        let mut parts = inside.iter().map(|part| part.to_string_lossy());
        let first = parts.next().unwrap_or_default();
        let named = |part: Option<std::borrow::Cow<'_, str>>| {
            let stem = part.map(|part| part.trim_end_matches(".rs").to_owned()).unwrap_or_default();
            // A file that several targets share belongs to the one that was compiled.
            if stem.replace('-', "_") == self.crate_name { stem } else { self.crate_name.clone() }
        };
        match &*first {
            "tests" => format!("--test {}", named(parts.next())),
            "examples" => format!("--example {}", named(parts.next())),
            "benches" => format!("--bench {}", named(parts.next())),
            "src" => match parts.next().as_deref() {
                Some("bin") => format!("--bin {}", named(parts.next())),
                Some("main.rs") => format!("--bin {}", self.package),
                Some(_) | None => "--lib".to_owned(),
            },
            _ => "--lib".to_owned(),
        }
    }

    /// The file, relative to its package, as far as that can be told.
    fn in_package(&self) -> PathBuf {
        if let Some(found) = self.found()
            && let Ok(inside) = found.strip_prefix(&self.manifest_dir)
        {
            return inside.to_path_buf();
        }
        let folders = ["tests", "src", "examples", "benches"];
        let parts: Vec<_> = self.file.iter().collect();
        let from = parts.iter().position(|part| folders.iter().any(|folder| part == folder)).unwrap_or(0);
        parts[from..].iter().collect()
    }

    /// The file itself, if the source is where it was compiled.
    fn found(&self) -> Option<PathBuf> {
        if self.file.is_absolute() {
            return self.file.exists().then(|| self.file.clone());
        }
        self.manifest_dir.ancestors().map(|folder| folder.join(&self.file)).find(|path| path.exists())
    }
}

/// `text` as one word of a shell's command line.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, path: &str) -> TestId {
        TestId::new("kv-store", "/nowhere/kv", file, path)
    }

    fn cargo(test: &TestId) -> &CargoTest {
        match &test.0 {
            Kind::Cargo(test) => test,
            Kind::Own(test) => panic!("{} is a test of cargo's", test.name),
        }
    }

    #[test]
    fn the_command_names_package_file_and_test() {
        let test = of("kv/tests/lost-writes.rs", "lost_writes::slow::no_write_is_lost::{{closure}}::here");
        assert_eq!(test.full_name(), "lost_writes::slow::no_write_is_lost");
        assert_eq!(
            test.seed_command(7),
            "TWINSOCK_SEED=7 cargo test -p kv-store --test lost-writes slow::no_write_is_lost -- --exact"
        );
    }

    #[test]
    fn the_target_follows_from_the_file() {
        for (file, path, target) in [
            ("tests/kv.rs", "kv::t::here", "--test kv"),
            ("tests/kv/main.rs", "kv::t::here", "--test kv"),
            ("tests/common/mod.rs", "kv::common::t::here", "--test kv"),
            ("src/store/log.rs", "kv_store::store::log::tests::t::here", "--lib"),
            ("src/bin/kv-server.rs", "kv_server::t::here", "--bin kv-server"),
            ("src/main.rs", "kv_store::t::here", "--bin kv-store"),
            ("examples/x.rs", "x::t::here", "--example x"),
        ] {
            assert_eq!(cargo(&of(file, path)).target(), target, "{file}");
        }
    }

    #[test]
    fn this_file_is_found() {
        let test = TestId::new(env!("CARGO_PKG_NAME"), env!("CARGO_MANIFEST_DIR"), file!(), "twinsock_sim::explore::t::here");
        assert_eq!(cargo(&test).in_package(), Path::new("src/explore/identity.rs"));
        assert!(test.regressions().unwrap().ends_with("src/explore/twinsock-regressions"));
        assert_eq!(of("tests/kv.rs", "kv::t::here").regressions(), None);
    }
}
