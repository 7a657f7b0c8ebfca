//! How the `git` program is run, by every part of devenv: no hooks, no prompts on the terminal, no
//! other repository from the environment, nothing that runs commands, no secret among the
//! arguments, and an end to waiting.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::environment::Environment;
use super::login::kept_login;
use crate::error::{Error, Result};
use crate::system::{Here, System as _};

/// The oldest version that has all that is used here.
const OLDEST: (u32, u32) = (2, 30);

/// Bytes of an answer that are read.
const LONGEST: u64 = 1024 * 1024;

/// Faults of old commits and tags that change nothing of what they hold, as git's own `fsck` calls
/// them: git warns of them, and so does devenv. Source: git-fsck(1), FSCK MESSAGES.
const HARMLESS: [&str; 16] = [
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTagName",
    "badTimezone",
    "extraHeaderEntry",
    "largePathname",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "multipleAuthors",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
];

/// The program with what every run of it gets.
pub(super) struct Runner {
    pub(super) program: PathBuf,
    /// How long a server or a helper may show no sign of life.
    pub(super) patience: Duration,
    environment: Environment,
}

/// What a program that was run to its end said.
pub(super) struct Answer {
    pub(super) success: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Answer {
    /// The one line of standard output; `None` where it failed or said nothing.
    pub(super) fn line(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.stdout).ok()?;
        let line = text.trim_end_matches(['\r', '\n']);
        (self.success && !line.is_empty()).then(|| line.to_owned())
    }
}

impl Runner {
    /// Finds `git` in the environment's `PATH`.
    pub(super) fn find(environment: Environment, patience: Duration) -> Result<Self, String> {
        let name = format!("git{}", std::env::consts::EXE_SUFFIX);
        let path = environment.get("PATH").unwrap_or_default();
        let program = std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&name))
            .find(|file| file.is_file())
            .ok_or("the git program is not in PATH")?;
        Ok(Self {
            program,
            patience,
            environment,
        })
    }

    /// `git`, in the repository at `repository`; the caller adds the verb.
    pub(super) fn command(&self, repository: Option<&Path>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(self.environment.of_programs())
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // As `-c`, which whoever lists processes can read.
            .env("GIT_CONFIG_PARAMETERS", quoted(&self.settings(repository)));
        if chosen_ssh(&self.environment).is_none() {
            let wait = self.patience.as_secs().max(1);
            command.env(
                "GIT_SSH_COMMAND",
                format!("ssh -o BatchMode=yes -o ConnectTimeout={wait} -o ServerAliveInterval=15"),
            );
        }
        if let Some(repository) = repository {
            let mut argument = OsString::from("--git-dir=");
            argument.push(repository);
            command.arg(argument);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn settings(&self, repository: Option<&Path>) -> Vec<String> {
        let mut settings: Vec<String> = [
            "core.fsmonitor=false",
            "protocol.ext.allow=never",
            "submodule.recurse=false",
            "transfer.fsckObjects=true",
            "gc.auto=0",
            "maintenance.auto=false",
            "color.ui=false",
            "push.gpgSign=false",
            "http.lowSpeedLimit=1",
            // Larger objects are written as they come, not held in memory.
            "core.bigFileThreshold=32m",
        ]
        .map(ToOwned::to_owned)
        .into();
        let configured = self.environment.configuration(repository);
        for fault in HARMLESS {
            let name = format!("fetch.fsck.{fault}");
            let own = |it: &git2::Config| it.get_string(&name).is_ok();
            if !configured.as_ref().is_ok_and(own) {
                settings.push(format!("{name}=warn"));
            }
        }
        settings.push(format!("core.hooksPath={}", Here::NULL_DEVICE));
        // Ends the helper processes as well, which a kill of git alone would leave behind.
        let wait = self.patience.as_secs().max(1);
        settings.push(format!("http.lowSpeedTime={wait}"));
        if let Some(repository) = repository {
            settings.extend(kept_login(repository).map_or_else(Vec::new, |it| it.settings()));
        }
        settings
    }

    /// What git answers to a short question about this machine, to which nobody may be asked.
    pub(super) fn ask(
        &self,
        repository: Option<&Path>,
        arguments: &[&str],
    ) -> std::io::Result<Answer> {
        let mut command = self.command(repository);
        command.args(arguments);
        run(command, b"", self.patience)
    }
}

/// The ssh that the user has chosen for git, as one command line; `None` where git is to choose.
pub(super) fn chosen_ssh(environment: &Environment) -> Option<String> {
    let configured = || {
        let config = environment.configuration(None).ok()?;
        config.get_string("core.sshCommand").ok()
    };
    let command = environment.text("GIT_SSH_COMMAND");
    let command = command.or_else(configured);
    command.or_else(|| environment.text("GIT_SSH"))
}

/// Settings as git passes them to the programs that it starts: each in single quotes.
fn quoted(settings: &[String]) -> String {
    let quoted = settings.iter().map(|it| quote(it));
    quoted.collect::<Vec<_>>().join(" ")
}

/// One word for a shell.
pub(super) fn quote(text: &str) -> String {
    let text = text.replace('\'', r"'\''").replace('!', r"'\!'");
    format!("'{text}'")
}

/// Runs a program on this input to its end, which comes within `limit`: else it is killed, and the
/// error is [`std::io::ErrorKind::TimedOut`].
pub(super) fn run(mut command: Command, input: &[u8], limit: Duration) -> std::io::Result<Answer> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (send, receive) = mpsc::channel();
    let mut stdin = child.stdin.take();
    let input = input.to_owned();
    std::thread::spawn(move || {
        // It may end without having read it.
        let _ = stdin.take().map(|mut it| it.write_all(&input));
    });
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let sent = send.clone();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = out.take().map(|it| it.take(LONGEST).read_to_end(&mut text));
        // Nobody may be waiting any more.
        let _ = sent.send((true, read.transpose().map(|_| text)));
    });
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = err.take().map(|it| it.take(LONGEST).read_to_end(&mut text));
        let _ = send.send((false, read.transpose().map(|_| text)));
    });
    let end = Instant::now() + limit;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let Ok((is_output, text)) =
            receive.recv_timeout(end.saturating_duration_since(Instant::now()))
        else {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {} s", limit.as_secs_f32()),
            ));
        };
        *(if is_output { &mut stdout } else { &mut stderr }) = text?;
    }
    let success = child.wait()?.success();
    Ok(Answer {
        success,
        stdout,
        stderr,
    })
}

/// The version in `git version 2.47.3`, when it is new enough.
pub(super) fn usable_version(text: &str) -> Result<String, String> {
    let version = text.trim().strip_prefix("git version ").unwrap_or_default();
    let version = version.split(' ').next().unwrap_or_default();
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok(version.to_owned()),
        (Some(Ok(_)), Some(Ok(_))) => Err(format!("git {version} is older than 2.30")),
        _ => Err("`git version` does not say its version".to_owned()),
    }
}

/// A program that could not be run.
pub(super) fn not_run(program: &str, error: std::io::Error) -> Error {
    Error::git(format!("cannot run {program}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(usable_version("git version 2.47.3\n").unwrap(), "2.47.3");
        assert_eq!(
            usable_version("git version 2.39.5 (Apple Git-154)").unwrap(),
            "2.39.5"
        );
        assert!(
            usable_version("git version 2.29.2")
                .unwrap_err()
                .contains("older")
        );
        assert!(usable_version("busybox").is_err());
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("30");
        let begun = Instant::now();
        let error = run(command, b"", Duration::from_millis(200)).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
