//! Programs that devenv starts, and what of its own environment none of them gets.

use std::ffi::OsStr;
use std::process::Command;

/// The variable with the passphrase of production's key.
pub const KEY_PASSPHRASE: &str = "DEVENV_KEY_PASSPHRASE";

/// The variable with the passphrase of a capsule.
pub const CAPSULE_PASSPHRASE: &str = "DEVENV_CAPSULE_PASSPHRASE";

/// Variables that are there for devenv: passphrases, and forges' tokens.
pub const OWN_SECRETS: [&str; 9] = [
    KEY_PASSPHRASE,
    CAPSULE_PASSPHRASE,
    "GITLAB_TOKEN",
    "GITEA_TOKEN",
    "FORGEJO_TOKEN",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
];

/// A program that gets no secret of this process's environment: every other way to start one is for
/// those that get an environment of their own (`tests/pure/layout` holds it).
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for secret in OWN_SECRETS {
        command.env_remove(secret);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_handed_on() {
        let command = program("x");
        for secret in OWN_SECRETS {
            let removed = (OsStr::new(secret), None);
            assert!(command.get_envs().any(|it| it == removed), "{secret}");
        }
    }
}
