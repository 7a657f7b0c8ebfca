//! A developer's workstation: an own `DEVENV_HOME`, an own instance, and the real program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Once, OnceLock};
use std::time::Duration;

use super::real_engine::unique;

/// Cleans up by its owner's label when it is dropped.
pub struct Workstation {
    pub home: tempfile::TempDir,
    pub instance: String,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// The command ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// stderr says this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "wanted {text:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The last line of stdout, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// The variable that names another program to try.
pub const ANOTHER: &str = "DEVENV_TEST_PROGRAM";

/// The program, where it is another than the one that cargo built for the tests.
pub static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The program that is tried.
#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
pub fn program() -> &'static Path {
    PROGRAM.get_or_init(|| {
        let built = || env!("CARGO_BIN_EXE_devenv").into();
        std::env::var_os(ANOTHER).map_or_else(built, PathBuf::from)
    })
}

impl Workstation {
    /// An empty one.
    pub fn empty() -> Self {
        watch_over_the_run();
        Self {
            home: tempfile::tempdir().unwrap(),
            instance: format!("t{}", unique()),
        }
    }

    /// One that was initialised from these definitions.
    pub fn initialised(url: &str) -> Self {
        let workstation = Self::empty();
        workstation.run(&["init", url, "--accept-keys"]).ok();
        workstation
    }

    /// The program with a hermetic environment, its arguments still to come.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program());
        command
            .env("DEVENV_HOME", self.home.path())
            .env("DEVENV_INSTANCE", &self.instance)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("DEVENV_PLATFORM")
            .env_remove("DEVENV_KEY")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(arguments);
        finished(command, "")
    }

    /// `status --json` of one container.
    pub fn container(&self, name: &str) -> serde_json::Value {
        let status = self.run(&["status", "--json"]).ok().json();
        let containers = status["containers"].as_array().unwrap().clone();
        containers
            .into_iter()
            .find(|it| it["name"] == name)
            .unwrap_or_default()
    }

    /// Every container's name and state, as the engine has them: `billing running`.
    pub fn containers(&self) -> Vec<String> {
        let filter = format!("label=devenv.instance={}", self.instance);
        let format = "{{.Label \"devenv.container\"}} {{.State}}";
        let mut lines: Vec<String> =
            docker(&["ps", "--all", "--filter", &filter, "--format", format])
                .lines()
                .map(ToOwned::to_owned)
                .collect();
        lines.sort();
        lines
    }

    /// The engine's name of a container.
    pub fn object(&self, name: &str) -> String {
        format!(
            "devenv-{}-{}-{name}",
            super::synthetic::PLATFORM,
            self.instance
        )
    }

    /// Writes a file below its home.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

impl Drop for Workstation {
    fn drop(&mut self) {
        if std::thread::panicking() && keep_failed() {
            self.home.disable_cleanup(true);
            eprintln!(
                "kept: {} (instance {})",
                self.home.path().display(),
                self.instance
            );
            return;
        }
        let own = format!("label=devenv.instance={}", self.instance);
        Self::remove_labelled(&own);
        // Other instances of its home's.
        if let Some(owner) = self.owner() {
            Self::remove_labelled(&format!("label=devenv.owner={owner}"));
        }
    }
}

impl Workstation {
    fn remove_labelled(filter: &str) {
        for (list, remove) in [
            (
                vec!["ps", "--all", "--quiet"],
                vec!["rm", "--force", "--volumes"],
            ),
            (vec!["network", "ls", "--quiet"], vec!["network", "rm"]),
            (
                vec!["volume", "ls", "--quiet"],
                vec!["volume", "rm", "--force"],
            ),
            (
                vec!["image", "ls", "--quiet"],
                vec!["image", "rm", "--force"],
            ),
        ] {
            let found = Command::new("docker")
                .args(list)
                .args(["--filter", filter])
                .output();
            let Ok(found) = found else { continue };
            let names = String::from_utf8_lossy(&found.stdout).into_owned();
            if !names.trim().is_empty() {
                let _ = Command::new("docker")
                    .args(remove)
                    .args(names.split_whitespace())
                    .output();
            }
        }
    }

    /// Whose label all has that this home made.
    fn owner(&self) -> Option<String> {
        let owner = self.home.path().join("state/owner.json");
        // A test may have put there what never ends.
        if !owner.is_file() {
            return None;
        }
        let owner = std::fs::read(owner).unwrap_or_default();
        let owner: serde_json::Value = serde_json::from_slice(&owner).unwrap_or_default();
        Some(owner["id"].as_str()?.to_owned())
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn keep_failed() -> bool {
    std::env::var_os("DEVENV_KEEP_FAILED").is_some()
}

/// How long a command of the product may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long all scenarios may take together: several times what they need on this machine's engine, and
/// enough for one behind ssh, to which each command connects anew.
const WHOLE_RUN: Duration = Duration::from_secs(45 * 60);
const WHOLE_RUN_ELSEWHERE: Duration = Duration::from_secs(120 * 60);

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn whole_run() -> Duration {
    let engines = std::env::var_os("DEVENV_TEST_ENGINES");
    engines.map_or(WHOLE_RUN, |_| WHOLE_RUN_ELSEWHERE)
}

/// Ends this test program, once it takes far too long, with what it is waiting for: a run that hangs
/// says nothing.
fn watch_over_the_run() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        std::thread::spawn(|| {
            let limit = whole_run();
            std::thread::park_timeout(limit);
            eprintln!("the scenarios took {limit:?}: given up; the threads of tests that hang:");
            let threads = "cat /proc/$PPID/task/*/comm | sort | uniq -c; ps -ef --forest";
            let _ = Command::new("sh").args(["-c", threads]).status();
            std::process::abort();
        });
    });
}

/// Runs a command on this input to its end. One that hangs is ended: it fails its own test, not the
/// whole run. What it prints with `--json` has to be as documented.
pub fn finished(mut command: Command, input: &str) -> Ran {
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").arg(pid).status();
        }
    });
    // It may end without having read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    drop(ended);
    let ran = ran(&output);
    let arguments = command.get_args().map(|it| it.to_string_lossy().into());
    let arguments: Vec<String> = arguments.collect();
    if arguments.iter().any(|it| it == "--json") {
        super::shapes::check(&arguments, ran.code, &ran.stdout);
    }
    ran
}

/// Turns a finished process into text.
pub fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the docker client and gives what it printed.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A port of this machine that nobody has, and that no other test of this process gets; below those
/// that Linux gives to clients, from 32768 on.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + u16::try_from(std::process::id() % 12_000).unwrap();
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
