//! The environment variables that devenv reads, for people to look up.

/// One variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Whether its value may be shown; else only whether it is set.
    pub shown: bool,
}

const fn shown(name: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        shown: true,
    }
}

/// Its value may hold a password.
const fn hidden(name: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        shown: false,
    }
}

/// Makes the program print what a shell asks for while a command is typed.
pub const COMPLETE: &str = "DEVENV_COMPLETE";

/// All of them, devenv's own first.
pub const VARIABLES: &[Variable] = &[
    shown("DEVENV_HOME", "the folder of everything that devenv keeps"),
    shown("DEVENV_PLATFORM", "as --platform"),
    shown("DEVENV_INSTANCE", "as --instance"),
    shown("DEVENV_HOST", "as --host"),
    shown("DEVENV_JSON", "as --json"),
    shown("DEVENV_QUIET", "as --quiet"),
    shown("DEVENV_VERBOSE", "as --verbose"),
    shown("DEVENV_OFFLINE", "as --offline"),
    shown("DEVENV_YES", "as --yes"),
    shown("DEVENV_NO_COLOR", "as --no-color"),
    shown("DEVENV_KEY", "production's private key, as --key"),
    hidden("DEVENV_KEY_PASSPHRASE", "the passphrase of that key"),
    hidden("DEVENV_CAPSULE_PASSPHRASE", "the passphrase of a capsule"),
    shown(COMPLETE, "set by the scripts of `devenv completions`"),
    shown(
        "DOCKER_HOST",
        "address of the engine, where --host names none",
    ),
    shown(
        "DOCKER_CONTEXT",
        "name of the docker context whose engine is used",
    ),
    shown(
        "DOCKER_CONFIG",
        "the folder of docker's config.json: contexts and logins",
    ),
    shown(
        "DOCKER_TLS",
        "use TLS for an engine over tcp, without verifying it",
    ),
    shown(
        "DOCKER_TLS_VERIFY",
        "use TLS for an engine over tcp, and verify it",
    ),
    shown("DOCKER_CERT_PATH", "the folder of the certificates for it"),
    shown(
        "XDG_RUNTIME_DIR",
        "a folder in which devenv looks for engines of the user, when nothing names one",
    ),
    shown("XDG_CONFIG_HOME", "another such folder"),
    shown("COLIMA_HOME", "another such folder"),
    shown("MACHINE_STORAGE_PATH", "another such folder"),
    hidden(
        "HTTPS_PROXY",
        "the proxy to registries and git servers, and of builds",
    ),
    hidden("HTTP_PROXY", "the proxy for plain HTTP"),
    hidden("ALL_PROXY", "the proxy where neither of these is set"),
    shown("NO_PROXY", "hosts that are reached without a proxy"),
    hidden("https_proxy", "as HTTPS_PROXY, which wins"),
    hidden("http_proxy", "as HTTP_PROXY, which wins"),
    shown("no_proxy", "as NO_PROXY, which wins"),
    shown(
        "SSL_CERT_FILE",
        "the system's certificate authorities, for git with `extra_ca`",
    ),
    shown("GIT_SSL_CAINFO", "as SSL_CERT_FILE, and wins over it"),
    hidden("GITLAB_TOKEN", "the token for GitLab, for proposals"),
    hidden("GITEA_TOKEN", "the token for Gitea"),
    hidden("FORGEJO_TOKEN", "the token for Forgejo"),
    hidden(
        "GITHUB_TOKEN",
        "the token for github.com, and for no other host",
    ),
    hidden("GH_TOKEN", "as GITHUB_TOKEN"),
    hidden(
        "GH_ENTERPRISE_TOKEN",
        "the token for a GitHub that is not github.com",
    ),
    hidden("GITHUB_ENTERPRISE_TOKEN", "as GH_ENTERPRISE_TOKEN"),
    shown(
        "SSH_AUTH_SOCK",
        "the ssh agent, for git and engines over ssh",
    ),
    shown("VISUAL", "the editor of `edit` and `propose`"),
    shown("EDITOR", "the editor, where VISUAL is not set"),
    shown("BROWSER", "the program that `devenv open` starts"),
    shown("NO_COLOR", "no colours, whatever its value"),
    shown("TERM", "`dumb`: no colours"),
    shown("HOME", "the user's folder"),
];
