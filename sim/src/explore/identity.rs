//! Which test this is: what its tapes are called, where they lie, and the line that runs it again.

use std::path::{Path, PathBuf};

/// A test: its package, its file and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestId {
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
    #[must_use]
    pub fn new(package: &str, manifest_dir: &str, file: &str, path: &str) -> TestId {
        let mut parts: Vec<&str> = path.split("::").filter(|part| *part != "{{closure}}").collect();
        parts.pop();
        let crate_name = if parts.is_empty() { String::new() } else { parts.remove(0).to_owned() };
        TestId {
            package: package.to_owned(),
            manifest_dir: PathBuf::from(manifest_dir),
            file: PathBuf::from(file),
            crate_name,
            name: parts.join("::"),
        }
    }

    /// What the test is called on its tapes and in reports: `crate::module::name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.crate_name, self.name)
    }

    /// The command that runs this test again, with a variable set.
    #[must_use]
    pub fn command(&self, variable: &str, value: &str) -> String {
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

    /// Where the test's tapes lie: `twinsock-regressions` beside its file. `None` where the source is not.
    #[must_use]
    pub fn regressions(&self) -> Option<PathBuf> {
        self.found().as_deref().and_then(Path::parent).map(|folder| folder.join("twinsock-regressions"))
    }

    /// How the files of this test's tapes begin.
    #[must_use]
    pub fn file_stem(&self) -> String {
        self.full_name().replace("::", "-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, path: &str) -> TestId {
        TestId::new("kv-store", "/nowhere/kv", file, path)
    }

    #[test]
    fn the_command_names_package_file_and_test() {
        let test = of("kv/tests/lost-writes.rs", "lost_writes::slow::no_write_is_lost::{{closure}}::here");
        assert_eq!(test.full_name(), "lost_writes::slow::no_write_is_lost");
        assert_eq!(
            test.command("TWINSOCK_SEED", "7"),
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
            assert_eq!(of(file, path).target(), target, "{file}");
        }
    }

    #[test]
    fn this_file_is_found() {
        let test = TestId::new(env!("CARGO_PKG_NAME"), env!("CARGO_MANIFEST_DIR"), file!(), "twinsock_sim::explore::t::here");
        assert_eq!(test.in_package(), Path::new("src/explore/identity.rs"));
        assert!(test.regressions().unwrap().ends_with("src/explore/twinsock-regressions"));
        assert_eq!(of("tests/kv.rs", "kv::t::here").regressions(), None);
    }
}
