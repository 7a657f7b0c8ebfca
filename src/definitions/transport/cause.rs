//! The families of failures, and the words by which they are known.

use crate::error::disk_hint;

/// The families of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There is no such repository, or none that this user may see.
    NotFound,
    /// The server does not accept who asks.
    Authentication,
    /// The server takes no ssh key of this user.
    Key,
    /// The repository belongs to another user of this machine.
    Foreign,
    /// git finds an object malformed.
    Malformed,
    /// There is more than may be fetched.
    TooLarge,
    /// A disk takes no more: this machine's, or the server's where git says `remote:`.
    Disk,
    /// The server knows who asks, and does not allow it.
    Denied,
    /// The server takes no push options.
    NoPushOptions,
    /// The server's certificate or host key is not accepted here.
    Untrusted,
    /// The server's certificate is for another name.
    WrongName,
    /// The server's certificate has ended, or is not valid yet.
    WrongTime,
    /// No connection, or one that broke.
    Unreachable,
    /// The server gave no sign of life for too long.
    TimedOut,
    /// Anything else; git's own words say what.
    Other,
}

impl Cause {
    pub(super) fn phrase(self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("no such repository, or no right to see it"),
            Self::Authentication => Some("authentication failed"),
            Self::Key => Some("the server takes none of your ssh keys"),
            Self::Foreign => Some("the repository belongs to another user"),
            Self::Malformed => Some("an object in it is malformed"),
            Self::TooLarge => Some("it is too large"),
            Self::Disk => Some("it cannot be written"),
            Self::Denied => Some("the server does not allow it"),
            Self::NoPushOptions => Some("the server takes no push options"),
            Self::Untrusted => Some("the server's identity is not trusted here"),
            Self::WrongName => Some("the server's certificate is for another name"),
            Self::WrongTime => Some("the server's certificate is not valid now"),
            Self::Unreachable => Some("the server cannot be reached"),
            Self::TimedOut => Some("the server gave no sign of life"),
            Self::Other => None,
        }
    }

    /// What the user can do; `log` is what git said.
    pub(super) fn hints(self, log: &[String]) -> Vec<String> {
        let fixed: &[&str] = match self {
            Self::NotFound => &["check the address and your rights there"],
            Self::Authentication => &[
                "make `git ls-remote ADDRESS` work first: a credential helper or an ssh key",
                "git and its helpers get no token from the environment, unless `git_variables` in settings.yaml names it",
            ],
            Self::Key => &[
                "`ssh-add` gives a key with a passphrase to your ssh agent; devenv lets ssh ask for none",
                "make `ssh -T USER@HOST` work first: is your public key known there?",
            ],
            Self::Denied => &["ask for the right to push to the definitions"],
            Self::Foreign => return vec![foreign(log)],
            Self::Malformed => return malformed(log),
            Self::Disk => return disk(log),
            Self::TooLarge => &["`definitions_limit` in settings.yaml raises the limit"],
            Self::Untrusted => &[
                "have its certificate authority (`extra_ca` in the settings, or http.sslCAInfo) or host key (known_hosts) set up",
            ],
            Self::WrongName => &[
                "use an address with the name that the certificate is for, or have one made for this: no certificate authority helps",
            ],
            Self::WrongTime => &[
                "whoever runs the server renews it, unless this machine's clock is wrong: `devenv doctor` compares clocks",
            ],
            Self::Unreachable | Self::TimedOut => &["check the network, the VPN and the proxy"],
            Self::NoPushOptions | Self::Other => &[],
        };
        fixed.iter().map(|it| (*it).to_owned()).collect()
    }
}

/// A server that is full says so too.
fn disk(log: &[String]) -> Vec<String> {
    let hints = log.iter().filter_map(|line| {
        let hint = disk_hint(line)?;
        let is_server = line.starts_with("remote: ");
        Some(if is_server {
            "it is the server's disk: ask who runs it"
        } else {
            hint
        })
    });
    hints.take(1).map(ToOwned::to_owned).collect()
}

/// git names the folder in quotes.
fn foreign(log: &[String]) -> String {
    let named = log.iter().find_map(|line| {
        let (_, rest) = line.split_once("ownership in repository at '")?;
        rest.split_once('\'').map(|(path, _)| path)
    });
    let folder = named.unwrap_or("FOLDER");
    format!("once you trust its owner: `git config --global --add safe.directory {folder}`")
}

/// git names the fault: `error: object 1234…: gitmodulesUrl: disallowed …`.
fn malformed(log: &[String]) -> Vec<String> {
    let fault = log.iter().find_map(|line| {
        let (_, rest) = line.split_once("object ")?;
        rest.split(": ")
            .nth(1)
            .filter(|it| it.chars().all(char::is_alphanumeric))
    });
    let mut hints = vec!["ask who keeps the repository to mend it".to_owned()];
    if let Some(fault) = fault {
        hints.push(format!(
            "`git config --global fetch.fsck.{fault} warn` lets it pass, once you know why it is there"
        ));
    }
    hints
}

/// What is looked for in small letters. The texts are git's (C locale), curl's, OpenSSH's, libgit2's and those of the large forges.
/// First match wins: `Permission denied` comes before the `Could not read from remote repository`
/// and `make sure … the repository exists` that follow it.
const TEXTS: [(Cause, &[&str]); 13] = [
    (
        Cause::Disk,
        &[
            "no space left on device",
            "disk quota exceeded",
            "read-only file system",
        ],
    ),
    (
        Cause::Foreign,
        &["dubious ownership", "is not owned by current user"],
    ),
    (Cause::Malformed, &["fsck error"]),
    (Cause::Key, &["permission denied (publickey"]),
    (
        Cause::NoPushOptions,
        &[
            "does not support push options",
            "push-options not supported",
        ],
    ),
    (
        Cause::TimedOut,
        &[
            "operation too slow",
            "operation timed out",
            "early eof after timeout",
        ],
    ),
    (
        Cause::WrongName,
        &[
            "no alternative certificate subject name matches",
            "does not match target host name",
            "hostname mismatch",
        ],
    ),
    (
        Cause::WrongTime,
        &[
            "certificate has expired",
            "certificate is not yet valid",
            "expired certificate",
        ],
    ),
    (
        Cause::Untrusted,
        &[
            "ssl certificate problem",
            "certificate verification failed",
            "certificate verify failed",
            "certificate is invalid",
            "host key verification failed",
            "host key is unknown",
            "remote host identification has changed",
            "unable to get local issuer",
        ],
    ),
    (
        Cause::Denied,
        &[
            "returned error: 403",
            "status code: 403",
            "you are not allowed to push",
            "write access to repository not granted",
            "user permission denied for writing",
        ],
    ),
    (
        Cause::Authentication,
        &[
            "authentication failed",
            "authentication required",
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "permission denied (",
            "permission denied, please try again",
            "returned error: 401",
            "status code: 401",
            "http basic: access denied",
            "invalid username or",
            "authentication replays",
            "no way left to authenticate",
        ],
    ),
    (
        Cause::NotFound,
        &[
            "' not found",
            "does not appear to be a git repository",
            "repository not found",
            "does not exist",
            "could not be found",
            "returned error: 404",
            "status code: 404",
            "not exported",
            "could not find repository",
            "failed to resolve path",
            // libgit2, of a folder that is not there; unknown schemes never come this far.
            "unsupported url protocol",
            "no such repository",
        ],
    ),
    (
        Cause::Unreachable,
        &[
            "could not resolve",
            "failed to resolve address",
            "failed to connect",
            "couldn't connect",
            "unable to connect",
            "connection refused",
            "connection timed out",
            "connection reset",
            "connection closed",
            "network is unreachable",
            "no route to host",
            "hung up unexpectedly",
            "early eof",
            "unexpected disconnect",
            "returned error: 5",
            "status code: 5",
            "empty reply from server",
            "could not read from remote repository",
            "unexpected eof",
        ],
    ),
];

/// Sorts what git and those that it calls said.
pub(super) fn classify(text: &str) -> Cause {
    let text = text.to_ascii_lowercase();
    TEXTS
        .iter()
        .find(|(_, needles)| needles.iter().any(|needle| text.contains(needle)))
        .map_or(Cause::Other, |(cause, _)| *cause)
}
