//! What can go wrong with a registry, told apart: "not there" is never said of what was refused or
//! could not be asked.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::error::{Error, Kind};
use crate::model::proxies::SHAPE;
use crate::tls::Doubt;

/// A failure; `what` is `host/repository:tag`, `…@digest` or the host.
#[derive(Debug)]
pub enum Fault {
    /// The registry answered that it does not have it.
    NotFound { what: String, text: String },
    /// It wants a login: none is stored, or the stored one is refused.
    Unauthorized {
        host: String,
        stored: bool,
        text: String,
    },
    /// The login is good but does not allow this.
    Forbidden {
        host: String,
        what: String,
        text: String,
    },
    /// No answer.
    Unreachable {
        host: String,
        lost: Lost,
        text: String,
    },
    /// A proxy is set for it that cannot be used; `text` names what sets it.
    Proxy { host: String, text: String },
    /// It is not proven that this is the registry.
    Certificate {
        host: String,
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
}

impl Lost {
    fn why(self) -> &'static str {
        match self {
            Self::Lookup => "no such host",
            Self::Connect => "no connection",
            Self::TimedOut => "no answer in time",
            Self::Broken => "the connection broke",
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

    /// That the registry of a repository said nothing in time.
    pub fn timed_out(repository: &crate::model::image::Repository) -> Self {
        Self::Unreachable {
            host: repository.host().to_owned(),
            lost: Lost::TimedOut,
            text: String::new(),
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unauthorized { host, .. } => Some(format!("log in with: docker login {host}")),
            Self::Forbidden { host, .. } => Some(format!(
                "ask for the right, or log in as someone else with: docker login {host}"
            )),
            Self::Proxy { .. } => Some(SHAPE.to_owned()),
            Self::Certificate { host, doubt, .. } => Some(doubt.hint(host)),
            Self::Authority { .. } => Some(
                "`extra_ca` in settings.yaml names a PEM file with the company's certificate \
                 authority; `devenv doctor` checks it"
                    .to_owned(),
            ),
            Self::Unreachable { host, .. } => Some(format!(
                "check the network, the VPN and the proxy variables: is {host} right?"
            )),
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
            } => write!(f, "the registry {host} refuses the stored login"),
            Self::Unauthorized { host, .. } => {
                write!(f, "the registry {host} asks for a login and none is stored")
            }
            Self::Forbidden { host, what, .. } => {
                write!(f, "the registry {host} forbids access to {what}")
            }
            Self::Unreachable { host, lost, .. } => {
                write!(f, "cannot reach the registry {host}: {}", lost.why())
            }
            Self::Proxy { host, text } => write!(f, "cannot reach the registry {host}: {text}"),
            Self::Certificate { host, doubt, .. } => {
                write!(f, "the certificate of the registry {host} {doubt}")
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

/// How much of a foreign text is shown, in characters.
const SHOWN: usize = 300;

/// A foreign text as one line that cannot steer a terminal, cut.
pub(super) fn visible(text: &str) -> String {
    let mut line = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        if count == SHOWN {
            line.push('…');
            break;
        }
        // Bidirectional controls reorder what is read.
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if hidden => {
                let _ = write!(line, "{}", c.escape_unicode());
            }
            c => line.push(c),
        }
    }
    line
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
