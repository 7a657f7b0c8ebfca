//! The tests' registry: `tests/ground` keeps one running for all of them; each test has a prefix.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::real_engine::unique;

/// The folder of the tests' sources.
pub fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Where the registry is, for a test whose own engine is not the one that runs it.
pub const ADDRESS: &str = "DEVENV_TEST_REGISTRY";

/// `127.0.0.1:PORT` of the registry.
#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
pub fn address() -> String {
    static KNOWN: OnceLock<String> = OnceLock::new();
    KNOWN
        .get_or_init(|| {
            if let Ok(address) = std::env::var(ADDRESS) {
                return address;
            }
            let ground = tests().join("ground");
            let engine = Command::new(&ground).arg("engine").status().unwrap();
            assert!(engine.success(), "tests/ground engine failed");
            let output = Command::new(&ground).arg("registry").output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success(),
                "tests/ground registry failed: {errors}"
            );
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        })
        .clone()
}

/// A prefix of one test's own: `127.0.0.1:PORT/t…`.
pub fn prefix() -> String {
    prefix_at(&address())
}

/// The same on whatever is in front of the registry.
pub fn prefix_at(host: &str) -> String {
    format!("{host}/t{}", unique())
}
