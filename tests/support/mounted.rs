//! A small file system of a test's own.

use super::second_engine::{may_start, quietly, run};

/// In memory; it goes when this is dropped.
pub struct Mounted {
    pub folder: tempfile::TempDir,
}

impl Mounted {
    /// Of so many KiB. `None` where that takes more rights than the test has, which is a failure in CI.
    pub fn of(kilobytes: u32) -> Option<Self> {
        if !may_start("a file system") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={kilobytes}k,mode=0700");
        let place = folder.path().display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &place]);
        Some(Self { folder })
    }

    /// Changes what it allows: `ro`, `rw`, `size=…`.
    pub fn allow(&self, options: &str) {
        let options = format!("remount,{options}");
        run(
            "mount",
            &["-o", &options, &self.folder.path().display().to_string()],
        );
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        quietly(
            "umount",
            &["--lazy", &self.folder.path().display().to_string()],
        );
    }
}
