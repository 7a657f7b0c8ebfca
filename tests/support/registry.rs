//! The tests' registry: `tests/ground` keeps one running for all of them; each test has a prefix.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::real_engine::unique;

/// The folder of the tests' sources.
pub fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// `127.0.0.1:PORT` of the registry.
pub fn address() -> String {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS
        .get_or_init(|| {
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
    format!("{}/t{}", address(), unique())
}
