//! How the `git` program is started: no hooks, no prompts, no foreign repository from the
//! environment, nothing that runs commands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::super::git::Environment;
use crate::system::{Here, System as _};

/// The oldest version that has all that is used here.
const OLDEST: (u32, u32) = (2, 30);

/// Variables that name another repository or change what is read from this one
/// (`git rev-parse --local-env-vars` and their like), or that mix other output in.
const REMOVED: [&str; 25] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DEFAULT_HASH",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "LANGUAGE",
];

/// The program with what every run of it gets.
pub(crate) struct Hardened {
    pub(super) program: PathBuf,
    pub(super) patience: Duration,
    environment: Environment,
}

impl Hardened {
    /// Finds `git` in the environment's `PATH`.
    pub(crate) fn find(environment: Environment, patience: Duration) -> Result<Self, String> {
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
    pub(crate) fn command(&self, repository: Option<&Path>) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear();
        command.envs(self.environment.iter().filter(|(name, _)| {
            let name = name.to_string_lossy();
            !REMOVED.contains(&&*name) && !name.starts_with("GIT_TRACE")
        }));
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1");
        if !self.user_chose_ssh() {
            let wait = self.patience.as_secs().max(1);
            command.env(
                "GIT_SSH_COMMAND",
                format!("ssh -o BatchMode=yes -o ConnectTimeout={wait} -o ServerAliveInterval=15"),
            );
        }
        for setting in self.settings() {
            command.arg("-c").arg(setting);
        }
        if let Some(repository) = repository {
            let mut argument = OsString::from("--git-dir=");
            argument.push(repository);
            command.arg(argument);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn settings(&self) -> Vec<String> {
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
        ]
        .map(ToOwned::to_owned)
        .into();
        settings.push(format!("core.hooksPath={}", Here::NULL_DEVICE));
        // Ends the helper processes as well, which a kill of git alone would leave behind.
        let wait = self.patience.as_secs().max(1);
        settings.push(format!("http.lowSpeedTime={wait}"));
        settings
    }

    fn user_chose_ssh(&self) -> bool {
        let set = |name| self.environment.get(name).is_some();
        set("GIT_SSH_COMMAND")
            || set("GIT_SSH")
            || self
                .environment
                .configuration(None)
                .is_ok_and(|config| config.get_string("core.sshCommand").is_ok())
    }
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
}
