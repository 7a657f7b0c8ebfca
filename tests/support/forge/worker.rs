//! As whom a forge's processes run.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// As whom the server's processes run: a web server does not run as root.
pub struct Worker(Option<(u32, u32)>);

impl Worker {
    pub fn find() -> Self {
        let id = |arguments: &[&str]| -> Option<u32> {
            let output = Command::new("id").args(arguments).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        let root = id(&["-u"]) == Some(0);
        let user = || Some((id(&["-u", "www-data"])?, id(&["-g", "www-data"])?));
        Self(if root { user() } else { None })
    }

    /// Whether that is somebody else than who runs the tests.
    pub fn is_other(&self) -> bool {
        self.0.is_some()
    }

    /// Apache's lines about it.
    pub fn apache(&self) -> &'static str {
        self.0.map_or("", |_| "User www-data\nGroup www-data\n")
    }

    /// Gives a folder to it.
    pub fn own(&self, folder: &Path) {
        if self.is_other() {
            let owner = Command::new("chown")
                .args(["-R", "www-data:www-data"])
                .arg(folder)
                .status();
            assert!(owner.unwrap().success());
        }
    }

    /// A command that it runs.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}
