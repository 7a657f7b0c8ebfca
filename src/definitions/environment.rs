//! The environment that git is set up by, and what of it the programs that git needs are given.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use git2::{Config, ConfigLevel};

use crate::system::{Here, OF_WINDOWS, System as _};

/// Variables that git, ssh, gpg and their helpers need: where things are, who the user is, how a
/// person can be asked.
const NEEDED: [&str; 37] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "TZ",
    "TMPDIR",
    "EMAIL",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "GPG_TTY",
    "GPG_AGENT_INFO",
    "PINENTRY_USER_DATA",
    "KRB5CCNAME",
    "KRB5_CONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "CURL_HOME",
    "NETRC",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "WSLENV",
    "WSL_INTEROP",
];

/// How the names of more of them begin.
const NEEDED_BEGINNINGS: [&str; 5] = ["GIT_", "GCM_", "SSH_", "XDG_", "MSYS"];

/// Variables that name another repository or change what is read from this one
/// (`git rev-parse --local-env-vars` and their like), or that mix other output in.
const REMOVED: [&str; 24] = [
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
];

/// The environment as it was given.
#[derive(Clone, Default)]
pub(super) struct Environment {
    variables: BTreeMap<OsString, OsString>,
    passed: Vec<String>,
}

impl Environment {
    /// All variables, and the names of those that programs are given although git does not need
    /// them by itself: a helper does.
    pub(super) fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        passed: Vec<String>,
    ) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            passed,
        }
    }

    /// A variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .iter()
            .find(|(key, _)| Here::is_variable(key, name))
            .map(|(_, value)| value.as_os_str())
            .filter(|value| !value.is_empty())
    }

    /// The same as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into())
    }

    /// What a program is given: no password, passphrase or token that is there for devenv.
    pub(super) fn of_programs(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.variables.iter().filter(|(name, _)| {
            let is = |wanted: &str| Here::is_variable(name, wanted);
            if self.passed.iter().any(|it| is(it)) {
                return true;
            }
            let text = name.to_string_lossy();
            let begins = NEEDED_BEGINNINGS.iter().any(|it| text.starts_with(it));
            let misleads = REMOVED.iter().any(|it| is(it)) || text.starts_with("GIT_TRACE");
            (begins || NEEDED.iter().chain(&OF_WINDOWS).any(|it| is(it))) && !misleads
        })
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.get("HOME")
            .or_else(|| self.get("USERPROFILE"))
            .map(PathBuf::from)
    }

    /// The user's git configuration, found from this environment (not the process's), with that
    /// of the repository at `repository` above it.
    pub(super) fn configuration(
        &self,
        repository: Option<&Path>,
    ) -> std::result::Result<Config, git2::Error> {
        let mut config = Config::new()?;
        let mut add = |path: PathBuf, level| {
            if path.is_file() {
                config.add_file(&path, level, false)
            } else {
                Ok(())
            }
        };
        if self.get("GIT_CONFIG_NOSYSTEM").is_none() {
            let system = self
                .get("GIT_CONFIG_SYSTEM")
                .unwrap_or("/etc/gitconfig".as_ref());
            add(system.into(), ConfigLevel::System)?;
        }
        if let Some(global) = self.get("GIT_CONFIG_GLOBAL") {
            add(global.into(), ConfigLevel::Global)?;
        } else if let Some(home) = self.home() {
            let xdg = self.get("XDG_CONFIG_HOME").map(PathBuf::from);
            let xdg = xdg.unwrap_or_else(|| home.join(".config"));
            add(xdg.join("git/config"), ConfigLevel::XDG)?;
            add(home.join(".gitconfig"), ConfigLevel::Global)?;
        }
        if let Some(repository) = repository {
            add(repository.join("config"), ConfigLevel::Local)?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_what_they_need_and_no_secret_of_ours() {
        let given = [
            "PATH",
            "SSH_AUTH_SOCK",
            "GIT_SSH_COMMAND",
            "GIT_DIR",
            "GIT_TRACE2",
            "DEVENV_KEY_PASSPHRASE",
            "DEVENV_HOME",
            "GITLAB_TOKEN",
            "GH_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "MY_HELPERS_TOKEN",
        ];
        let variables = given.map(|name| (name.into(), "x".into()));
        let environment = Environment::new(variables, vec!["MY_HELPERS_TOKEN".to_owned()]);
        let names: Vec<_> = environment.of_programs().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "GIT_SSH_COMMAND",
                "MY_HELPERS_TOKEN",
                "PATH",
                "SSH_AUTH_SOCK"
            ]
        );
    }
}
