//! What can go wrong with a registry, told apart: "not there" is never said of what was refused or
//! could not be asked.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use super::host::Host;

use crate::error::{Error, Kind};
use crate::model::proxies::SHAPE;
use crate::model::visible::visible;
use crate::network::tls::Doubt;

/// A failure; `what` is `host/repository:tag`, `…@digest` or the host.
#[derive(Debug)]
pub enum Fault {
    /// The registry answered that it does not have it.
    NotFound { what: String, text: String },
    /// It wants a login: none is stored, or the stored one is refused.
    Unauthorized {
        host: Host,
        stored: bool,
        text: String,
    },
    /// The login is good but does not allow this.
    Forbidden {
        host: Host,
        what: String,
        text: String,
    },
    /// No answer.
    Unreachable {
        host: Host,
        lost: Lost,
        text: String,
    },
    /// A proxy is set for it that cannot be used; `text` names what sets it.
    Proxy { host: Host, text: String },
    /// It is not proven that this is the registry.
    Certificate {
        host: Host,
        doubt: Doubt,
        text: String,
    },
    /// The file that names the company's own certificate authorities is of no use.
    Authority {
        path: PathBuf,
        error: std::io::Error,
    },
    /// The bytes are not those that the digest names.
    Tampered { what: String, text: String },
    /// More than the limit, in bytes or entries.
    TooLarge { what: String, limit: u64 },
    /// A tag names something else already, and this registry lets no tag move.
    Immovable { what: String, text: String },
    /// Another error status.
    Server {
        what: String,
        status: u16,
        text: String,
    },
    /// An answer that makes no sense, or that must not be followed.
    Answer { what: String, text: String },
    /// The stored login cannot be read.
    Credentials { host: String, text: String },
    /// A file of this machine.
    File {
        action: &'static str,
        path: PathBuf,
        error: std::io::Error,
    },
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The name has no address.
    Lookup,
    /// No connection.
    Connect,
    /// Nothing came in time.
    TimedOut,
    /// The connection ended in the middle.
    Broken,
    /// It answers 429 or 503 and wants to be asked later: after this time, where it says.
    Busy(Option<Duration>),
}

impl Lost {
    fn why(self) -> &'static str {
        match self {
            Self::Lookup => "no such host",
            Self::Connect => "no connection",
            Self::TimedOut => "no answer in time",
            Self::Broken => "the connection broke",
            Self::Busy(_) => "it has too much to do",
        }
    }
}

impl Fault {
    /// Whether the same request may well succeed a moment later. 500 among them: docker-registry
    /// 2.8 on a file system says it of a tag that is being written.
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable {
                lost: Lost::Broken,
                ..
            } | Self::Server {
                status: 500 | 502..=504,
                ..
            }
        )
    }

    /// The server that it is about, where one is named.
    pub(super) fn host_mut(&mut self) -> Option<&mut Host> {
        match self {
            Self::Unauthorized { host, .. }
            | Self::Forbidden { host, .. }
            | Self::Unreachable { host, .. }
            | Self::Proxy { host, .. }
            | Self::Certificate { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Whether the registry refused this question, be it for what it asks or for who asks.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized { .. }
                | Self::Forbidden { .. }
                | Self::Server {
                    status: 300..=499 | 501,
                    ..
                }
        )
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unauthorized { host, .. } => {
                Some(format!("log in with: docker login {}", host.name))
            }
            Self::Forbidden { host, .. } => Some(format!(
                "ask for the right, or log in as someone else with: docker login {}",
                host.name
            )),
            Self::Proxy { .. } => Some(SHAPE.to_owned()),
            Self::Certificate { host, doubt, .. } => Some(doubt.hint(&host.name)),
            Self::Authority { .. } => Some(
                "`extra_ca` in settings.yaml names a PEM file with the company's certificate \
                 authority; `devenv doctor` checks it"
                    .to_owned(),
            ),
            Self::Unreachable {
                lost: Lost::Busy(_),
                ..
            } => Some("run the same command again later".to_owned()),
            Self::Unreachable { host, .. } => Some(format!(
                "check the network, the VPN and the proxy variables: is {} right?",
                host.name
            )),
            Self::Immovable { .. } => Some(
                "whoever runs the registry exempts this tag from its rule of immutable tags"
                    .to_owned(),
            ),
            Self::Credentials { host, .. } => Some(format!(
                "check `credsStore` and `credHelpers` in docker's config.json, or: docker login {host}"
            )),
            _ => None,
        }
    }
}

impl Fault {
    /// What happened, without the words of others.
    fn headline(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound { what, .. } => write!(f, "{what} is not in the registry"),
            Self::Unauthorized {
                host, stored: true, ..
            } => write!(f, "{host} refuses the stored login"),
            Self::Unauthorized { host, .. } => {
                write!(f, "{host} asks for a login and none is stored")
            }
            Self::Forbidden { host, what, .. } => {
                write!(f, "{host} forbids access to {what}")
            }
            Self::Unreachable { host, lost, .. } => {
                write!(f, "cannot reach {host}: {}", lost.why())
            }
            Self::Proxy { host, text } => write!(f, "cannot reach {host}: {text}"),
            Self::Certificate { host, doubt, .. } => {
                write!(f, "the certificate of {host} {doubt}")
            }
            Self::Authority { path, .. } => write!(
                f,
                "cannot read certificates from {}, which `extra_ca` in the settings names",
                path.display()
            ),
            Self::Tampered { what, .. } => write!(f, "{what} is not what the registry delivers"),
            Self::TooLarge { what, limit } => {
                write!(f, "{what} is larger than the limit of {limit}")
            }
            Self::Immovable { what, .. } => write!(
                f,
                "the tag {what} names something else, and the registry lets no tag move"
            ),
            Self::Server { what, status, .. } => {
                write!(f, "the registry answers {status} for {what}")
            }
            Self::Answer { what, .. } => {
                write!(f, "the registry's answer for {what} cannot be used")
            }
            Self::Credentials { host, .. } => {
                write!(f, "cannot read the login stored for the registry {host}")
            }
            Self::File { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
        }
    }

    /// The words of others, perhaps none.
    fn words(&self) -> &str {
        match self {
            Self::NotFound { text, .. }
            | Self::Unauthorized { text, .. }
            | Self::Forbidden { text, .. }
            | Self::Unreachable { text, .. }
            | Self::Certificate { text, .. }
            | Self::Tampered { text, .. }
            | Self::Immovable { text, .. }
            | Self::Server { text, .. }
            | Self::Answer { text, .. }
            | Self::Credentials { text, .. } => text,
            Self::Proxy { .. }
            | Self::Authority { .. }
            | Self::TooLarge { .. }
            | Self::File { .. } => "",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.headline(f)?;
        match self.words() {
            "" => Ok(()),
            words => write!(f, " ({words})"),
        }
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::File { error, .. } | Self::Authority { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::Tampered { .. } => Kind::Trust,
            _ => Kind::Registry,
        };
        let hint = fault.hint();
        let error = Error::new(kind, fault.to_string()).because(fault);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// What an error body says: the codes and messages of the distribution-spec's error list, or the
/// text of the page.
pub(super) fn body_text(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Item>,
    }
    #[derive(serde::Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice::<Body>(body) {
        Ok(body) => {
            let items: Vec<_> = body
                .errors
                .iter()
                .map(|item| match (item.code.as_str(), item.message.as_str()) {
                    ("", text) | (text, "") => text.to_owned(),
                    (code, message) => format!("{code}: {message}"),
                })
                .collect();
            visible(&items.join("; "))
        }
        Err(_) if text.trim_start().starts_with('<') => String::new(),
        Err(_) => visible(&text),
    }
}
